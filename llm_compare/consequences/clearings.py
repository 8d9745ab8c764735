"""What the difference between people's and a model's weights does: one pool, cleared with either.

Equally good match runs are chosen among by lots that patients draw, the same lots under all weights: what differs
between two clearings is asked for by the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from estimation.weights import PriorityWeights
from exchange.clearing.clear import Clearing, Goal, Solved, check_priorities, goals_of, make_clearing
from exchange.clearing.objectives import Policy
from exchange.errors import InvalidMatchRun
from exchange.match_run import MatchRun
from exchange.pool import Pool
from exchange.priorities import equal_priorities, priorities
from exchange.ties import find_ties, lot
from exchange.weight_draws import MatchRunDistribution, clear_under_draws
from llm_compare.consequences.certainty import Arbitrariness, WeightNoise, arbitrariness, weight_noise
from llm_compare.consequences.difference import Difference, Verdict, difference
from llm_compare.consequences.groups import GroupKind, PatientGroup, pool_groups
from llm_compare.consequences.sentences import counted, difference_sentence, group_sentences, total_sentence
from llm_compare.errors import NotComparable

PEOPLE, EQUAL = "people's weights", "equal weights"
_LOT = 1e-6
"""What a lot counts beside a weight; the greatest weight is 1."""
SAME_WEIGHT = 1e-9
"""Exactly balanced answers leave rounding of this order in weights that are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOutcome:
    """How many patients of one group are matched, under people's, the model's and equal weights."""

    kind: GroupKind
    attribute: str
    group: str
    words: str
    """As a sentence names these patients."""
    n_patients: int
    matched_by_people: int
    matched_by_model: int
    matched_by_equal: int
    difference: Difference
    """Patients matched, model - people. Without draws of the weights nothing says what else it might have been."""
    by_draw: tuple[float, ...] = ()
    """The same under each draw of the weights; empty for fewer than two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """One pool cleared with people's, a model's and equal weights, under the same policy and caps."""

    pool: Pool
    policy: Policy
    cycle_cap: int
    chain_cap: int
    by_people: MatchRun
    by_model: MatchRun
    by_equal: MatchRun
    priority_lost: float
    """Weight, as people weigh patients, that the people's match run has more than the model's."""
    matched_by_both: int
    matched_by_people_only: int
    matched_by_model_only: int
    groups: tuple[GroupOutcome, ...]
    """Everybody first."""
    model_is_indifferent: bool
    """The model gives every patient of the pool the same weight. It was cleared with equal weights then: whom its
    weights prefer would be rounding."""
    arbitrariness: tuple[Arbitrariness, ...] = ()
    """Under people's, the model's and equal weights; empty where it was not asked for."""
    noise: WeightNoise | None = None
    """None without draws of the people's weights."""
    sentences: tuple[str, ...] = ()
    """What happened, in words; the first sums up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cleared:
    """One pool cleared with some weights."""

    solved: Solved
    run: MatchRun
    drawn: MatchRunDistribution | None


def clear_for_models(
    pool: Pool,
    people: PriorityWeights,
    models: Mapping[str, PriorityWeights],
    *,
    people_draws: Sequence[PriorityWeights] = (),
    model_draws: Mapping[str, Sequence[PriorityWeights]] | None = None,
    policy: Policy = Policy.PRIORITY_AFTER_CARDINALITY,
    cycle_cap: int = 3,
    chain_cap: int = 0,
    time_limit_seconds: float | None = 60.0,
    most_ties: int = 1,
    seed: int = 0,
    bands: Mapping[str, Sequence[float]] | None = None,
    executor: Executor | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Consequences]:
    """Clear a pool with people's, each model's and equal weights, by the models' labels.

    Parameters
    ----------
    people_draws, model_draws
        What else the weights could be, given the answers they were estimated from (``estimation.weights.redrawn``);
        a model without draws is taken as certain. Where there are draws of both, as many are used as both have.
    time_limit_seconds
        Per stage; None for none.
    most_ties
        Equally good sets of patients to look for under each weights; 1 for no search.
    seed
        Of the lots that settle ties.
    bands
        See :func:`llm_compare.consequences.groups.pool_groups`.
    executor
        Computes the draws; None to compute here. The result is the same.

    Raises
    ------
    NotComparable
        A policy that does not look at weights.
    exchange.errors.ExchangeError
        Pairs without a profile, or with one that the weights do not cover.
    """
    goals = goals_of(policy, ())
    if not any(goal.objective.needs_weights for goal in goals):
        raise NotComparable(
            f"policy '{policy}' does not look at weights, so nobody's weights change anything; take "
            f"'{Policy.PRIORITY_AFTER_CARDINALITY}'"
        )
    own = priorities(pool, people)
    equal = equal_priorities(pool)
    given = {label: priorities(pool, weights) for label, weights in models.items()}
    indifferent = {label for label, of in given.items() if is_indifferent(list(of.values()))}
    clearing = make_clearing(
        pool,
        [goal.objective for goal in goals],
        cycle_cap=cycle_cap,
        chain_cap=chain_cap,
        time_limit_seconds=time_limit_seconds,
    )

    def cleared(of: Mapping[str, float], name: str, draws: Sequence[PriorityWeights] = ()) -> _Cleared:
        progress(f"clearing {len(pool.pairs)} pairs with {name}")
        check_priorities(pool, of)
        solved = _solved(clearing, goals, of, policy, seed=seed)
        table = [priorities(pool, weights) for weights in draws]
        return _Cleared(
            solved=solved,
            run=clearing.match_run(solved, of, policy),
            drawn=clear_under_draws(clearing, solved, table, executor=executor) if table else None,
        )

    def ties(of: Mapping[str, float], name: str, solved: Solved) -> Arbitrariness:
        progress(f"looking for other match runs that are as good with {name}")
        return arbitrariness(name, find_ties(clearing, solved, of, policy, most=most_ties))

    # Whom weights prefer that differ by rounding alone would be an accident.
    has_preferences = not is_indifferent(list(own.values()))
    by_people = cleared(own if has_preferences else equal, PEOPLE, people_draws)
    by_equal = cleared(equal, EQUAL)
    shared: tuple[Arbitrariness, ...] = ()
    if most_ties > 1:
        shared = (
            ties(own if has_preferences else equal, PEOPLE, by_people.solved),
            ties(equal, EQUAL, by_equal.solved),
        )
    found = {}
    for label, of in given.items():
        name = f"the weights of {label}"
        # A model that weighs all alike still has draws, in each of which it does not.
        used = equal if label in indifferent else of
        by_model = cleared(used, name, (model_draws or {}).get(label, ()))
        open_to_lots = (shared[0], ties(used, name, by_model.solved), shared[1]) if shared else ()
        found[label] = _compared(
            label,
            by_people,
            by_model,
            by_equal.run,
            own,
            Consequences(
                pool=pool,
                policy=policy,
                cycle_cap=cycle_cap,
                chain_cap=chain_cap,
                by_people=by_people.run,
                by_model=by_model.run,
                by_equal=by_equal.run,
                priority_lost=0.0,
                matched_by_both=0,
                matched_by_people_only=0,
                matched_by_model_only=0,
                groups=(),
                model_is_indifferent=label in indifferent,
                arbitrariness=open_to_lots,
            ),
            bands,
        )
    return found


def is_indifferent(weights: Sequence[float]) -> bool:
    """Return whether weights prefer nobody to anybody."""
    return not weights or max(weights) - min(weights) < SAME_WEIGHT


def _solved(
    clearing: Clearing, goals: Sequence[Goal], of: Mapping[str, float], policy: Policy, *, seed: int
) -> Solved:
    """Clear, and among equally good match runs take that with the greatest sum of lots.

    Lots are added to weights as a trifle rather than solved for in a stage of their own: that stage, bound to keep
    the others' values to the last digit, fails or takes minutes where weights are of very different size.
    """
    solved = clearing.solve([(goal, clearing.values(goal.objective, of)) for goal in goals])
    with_lots = {pair: weight + _LOT * lot(seed, pair) for pair, weight in of.items()}
    drawn = clearing.solve([(goal, clearing.values(goal.objective, with_lots)) for goal in goals])
    settled = Solved(chosen=drawn.chosen, stages=solved.stages)
    try:
        clearing.match_run(settled, of, policy)
    except InvalidMatchRun:
        # It is worth less than the best by weights alone: two match runs differ by less than the trifle.
        return solved
    return settled


def _compared(
    label: str,
    people: _Cleared,
    model: _Cleared,
    equal: MatchRun,
    own: Mapping[str, float],
    blank: Consequences,
    bands: Mapping[str, Sequence[float]] | None,
) -> Consequences:
    """Return ``blank`` with everything that is counted from the match runs."""
    theirs, others = people.run.recipients, model.run.recipients
    groups = tuple(_outcome(group, people, model, equal) for group in pool_groups(blank.pool, bands))
    done = replace(
        blank,
        # In the order of the pool: a sum of floats must not depend on the order of a set.
        priority_lost=sum(own[p] for p in own if p in theirs) - sum(own[p] for p in own if p in others),
        matched_by_both=len(theirs & others),
        matched_by_people_only=len(theirs - others),
        matched_by_model_only=len(others - theirs),
        groups=groups,
        noise=weight_noise(people.drawn, len(theirs - others)),
    )
    return replace(done, sentences=tuple(_sentences(label, done)))


def _outcome(group: PatientGroup, people: _Cleared, model: _Cleared, equal: MatchRun) -> GroupOutcome:
    members = group.members
    by_people, by_model = (len(side.run.recipients & members) for side in (people, model))
    by_draw = _drawn_differences(people, model, members)
    return GroupOutcome(
        kind=group.kind,
        attribute=group.attribute,
        group=group.group,
        words=group.words,
        n_patients=len(members),
        matched_by_people=by_people,
        matched_by_model=by_model,
        matched_by_equal=len(equal.recipients & members),
        difference=difference([by_model - by_people], [[d] for d in by_draw] or None),
        by_draw=by_draw,
    )


def _drawn_differences(people: _Cleared, model: _Cleared, members: frozenset[str]) -> tuple[float, ...]:
    """Return how many more of a group the model's weights match under each draw; none for fewer than two draws."""
    sides = [
        None if side.drawn is None else [len(run.recipients & members) for run in side.drawn.runs]
        for side in (people, model)
    ]
    n = min((len(side) for side in sides if side is not None), default=0)
    if n < 2:
        return ()
    theirs, others = (
        [len(side.run.recipients & members)] * n if counts is None else counts[:n]
        for side, counts in zip((people, model), sides, strict=True)
    )
    return tuple(float(b - a) for a, b in zip(theirs, others, strict=True))


def _sentences(label: str, c: Consequences) -> list[str]:
    """Return what one pool's clearings say, in words."""
    if c.model_is_indifferent:
        first = (
            f"The weights of {label} prefer no patient to another, so they decide nothing: who receives among "
            "equally good match runs is settled by lot."
        )
    elif not c.matched_by_people_only and not c.matched_by_model_only:
        same = counted(len(c.by_people.recipients), "patient")
        first = f"The weights of {label} and of people choose the same {same}."
    else:
        first = (
            f"With the weights of {label} instead of people's, {counted(c.matched_by_model_only, 'patient')} would "
            f"receive who otherwise would not, and {c.matched_by_people_only} would not who otherwise would, of "
            f"{counted(c.matched_by_both + c.matched_by_people_only, 'recipient')}."
        )
    found = [first, total_sentence("transplants in this pool", c.groups[0].difference)]
    if c.noise is not None and c.matched_by_people_only:
        found.append(c.noise.words)
    changed = [g for g in c.groups[1:] if g.difference.verdict is not Verdict.SAME]
    changed.sort(key=lambda g: -abs(g.difference.value))
    found += group_sentences(
        [
            (
                g.difference,
                difference_sentence(g.difference, of=f"of the {g.n_patients} {g.words}", done="matched"),
            )
            for g in changed
        ]
    )
    return [*found, *(ties.words for ties in c.arbitrariness)]
