"""Many pools of one law, each cleared with people's, every model's and equal weights: who gains, who loses.

One pool is one accident of who waits together. Over many pools with the same law a difference has an interval: the
same people stand in a pool whatever the weights, so differences are taken pool by pool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

from estimation.weights import PriorityWeights
from exchange.clearing.objectives import Policy
from exchange.match_run import SolveStatus
from exchange.people import ProfileDraw
from exchange.pool_generator import generate_pool
from exchange.pool_model import SAIDMAN, PoolModel
from llm_compare.consequences.clearings import clear_for_models
from llm_compare.consequences.difference import Difference, Verdict, difference
from llm_compare.consequences.groups import GroupKind
from llm_compare.consequences.sentences import counted, difference_sentence, group_sentences, total_sentence
from llm_compare.consequences.study import check_models_and_seeds, profiles_in_words
from llm_compare.errors import NotComparable
from survey.design import NumericAttribute, StudyDesign


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLaw:
    """What pools are drawn from."""

    n_pairs: int = 64
    n_ndds: int = 0
    model: PoolModel = SAIDMAN


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOverPools:
    """What becomes of one group of patients over all pools."""

    kind: GroupKind
    attribute: str
    group: str
    words: str
    patients_per_pool: float
    share_by_people: float
    """Of the group's patients of all pools, those matched. Groups without patients are left out."""
    share_by_model: float
    share_by_equal: float
    per_hundred: Difference
    """Matched of 100 patients of the group, model - people: the mean difference over pools, over the mean number of
    the group's patients, which counts as known."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConsequences:
    """What one model's weights do instead of people's, over pools of one law."""

    model: str
    seeds: tuple[int, ...]
    """Of the pools."""
    law: str
    """What the pools were drawn from, in words."""
    profiles_from: str
    """How patients got their profiles, in words."""
    policy: str
    cycle_cap: int
    chain_cap: int
    transplants_by_people: float
    """Per pool."""
    transplants_by_model: float
    transplants_by_equal: float
    transplants: Difference
    """Per pool."""
    priority_lost: float
    """Per pool: weight, as people weigh patients, that the people's match run has more than the model's."""
    patients_replaced: float
    """Per pool: patients of the people's match run who do not receive under the model's."""
    groups: tuple[GroupOverPools, ...]
    """Everybody first."""
    n_indifferent: int
    """Pools in which the model weighs every patient the same."""
    n_unproved: int
    """Pools in which some match run was not proved best within the time limit."""
    sentences: tuple[str, ...]
    """What happened, in words; the first sums up."""

    @property
    def model_is_indifferent(self) -> bool:
        """The model weighs all patients the same in every pool."""
        return self.n_indifferent == len(self.seeds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """What is kept of one pool and model; plain, so that it can come from another process."""

    groups: tuple[tuple[GroupKind, str, str, str], ...]
    counts: tuple[tuple[int, int, int, int], ...]
    """Per group: patients, matched by people, by the model, with equal weights."""
    drawn: tuple[tuple[float, ...], ...]
    """Per group: difference under each draw."""
    priority_lost: float
    replaced: int
    is_indifferent: bool
    is_proved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What every pool is cleared with; sent to the workers."""

    design: StudyDesign
    law: PoolLaw
    people: PriorityWeights
    models: Mapping[str, PriorityWeights]
    people_draws: Sequence[PriorityWeights]
    model_draws: Mapping[str, Sequence[PriorityWeights]]
    policy: Policy
    cycle_cap: int
    chain_cap: int
    time_limit_seconds: float | None


def compare_generated_pools(
    people: PriorityWeights,
    models: Mapping[str, PriorityWeights],
    design: StudyDesign,
    *,
    seeds: Sequence[int],
    law: PoolLaw | None = None,
    people_draws: Sequence[PriorityWeights] = (),
    model_draws: Mapping[str, Sequence[PriorityWeights]] | None = None,
    policy: Policy = Policy.PRIORITY_AFTER_CARDINALITY,
    cycle_cap: int = 3,
    chain_cap: int = 0,
    time_limit_seconds: float | None = 60.0,
    executor: Executor | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[PoolConsequences, ...]:
    """Clear one generated pool per seed with every weights; return one result per model, in their order.

    Parameters
    ----------
    design
        The study that describes patients, see :func:`llm_compare.consequences.study.study_design`; how their
        profiles are drawn is said in ``profiles_from``.
    seeds
        One pool each; two or more for intervals over pools.
    law
        None for :class:`PoolLaw` as it is.
    people_draws, model_draws
        See :func:`llm_compare.consequences.clearings.clear_for_models`. With them intervals hold what the answers
        leave open about the weights, too.
    executor
        Clears pools; None to do it here. The result is the same, unless a time limit is hit.

    Raises
    ------
    NotComparable
        No models, no seeds, one twice, or a policy that does not look at weights.
    exchange.errors.ExchangeError
        Weights that do not cover the study's patients, or a law that cannot be.
    """
    law = law or PoolLaw()
    check_models_and_seeds(models, seeds)
    task = _Task(
        design=design,
        law=law,
        people=people,
        models=models,
        people_draws=people_draws,
        model_draws=model_draws or {},
        policy=policy,
        cycle_cap=cycle_cap,
        chain_cap=chain_cap,
        time_limit_seconds=time_limit_seconds,
    )
    cleared = []
    futures: list[Future[dict[str, _Counted]]] = []
    if executor is not None:
        futures = [executor.submit(_one_pool, task, seed) for seed in seeds]
    for i, seed in enumerate(seeds, start=1):
        cleared.append(_one_pool(task, seed) if executor is None else futures[i - 1].result())
        progress(f"pools: {i} of {len(seeds)} cleared")
    return tuple(_summed_up(label, task, seeds, [found[label] for found in cleared]) for label in models)


def _one_pool(task: _Task, seed: int) -> dict[str, _Counted]:
    pool = generate_pool(
        task.design, n_pairs=task.law.n_pairs, n_ndds=task.law.n_ndds, seed=seed, model=task.law.model
    )
    bands = {
        a.name: [float(v) for v in a.values]
        for a in task.design.attributes
        if isinstance(a, NumericAttribute)
    }
    compared = clear_for_models(
        pool,
        task.people,
        task.models,
        people_draws=task.people_draws,
        model_draws=task.model_draws,
        policy=task.policy,
        cycle_cap=task.cycle_cap,
        chain_cap=task.chain_cap,
        time_limit_seconds=task.time_limit_seconds,
        seed=seed,
        bands=bands,
    )
    return {
        label: _Counted(
            groups=tuple((g.kind, g.attribute, g.group, g.words) for g in c.groups),
            counts=tuple(
                (g.n_patients, g.matched_by_people, g.matched_by_model, g.matched_by_equal) for g in c.groups
            ),
            drawn=tuple(g.by_draw for g in c.groups),
            priority_lost=c.priority_lost,
            replaced=c.matched_by_people_only,
            is_indifferent=c.model_is_indifferent,
            is_proved=all(run.status is SolveStatus.OPTIMAL for run in (c.by_people, c.by_model, c.by_equal)),
        )
        for label, c in compared.items()
    }


def _summed_up(label: str, task: _Task, seeds: Sequence[int], pools: Sequence[_Counted]) -> PoolConsequences:
    n = len(pools)
    groups = []
    total = None
    for place, (kind, attribute, group, words) in enumerate(pools[0].groups):
        seen, theirs, others, equal = (sum(of.counts[place][k] for of in pools) for k in range(4))
        d = difference(
            [of.counts[place][2] - of.counts[place][1] for of in pools],
            [list(row) for row in zip(*(of.drawn[place] for of in pools), strict=True)] or None,
        )
        total = d if total is None else total
        if not seen:
            continue
        per_hundred = d.scaled(100 * n / seen)
        groups.append(
            GroupOverPools(
                kind=kind,
                attribute=attribute,
                group=group,
                words=words,
                patients_per_pool=seen / n,
                share_by_people=theirs / seen,
                share_by_model=others / seen,
                share_by_equal=equal / seen,
                per_hundred=per_hundred,
                sentence=difference_sentence(per_hundred, of=f"of every 100 {words}", done="matched"),
            )
        )
    if total is None or not groups:
        raise NotComparable(f"the pools of {task.law.n_pairs} pairs have no patients; give 1 or more pairs")
    draw = ProfileDraw(task.design, task.law.model)
    result = PoolConsequences(
        model=label,
        seeds=tuple(seeds),
        law=f"{counted(task.law.n_pairs, 'pair')} and {counted(task.law.n_ndds, 'non-directed donor')} per pool; "
        f"{task.law.model.description}",
        profiles_from=profiles_in_words(draw.words, task.design),
        policy=task.policy.value,
        cycle_cap=task.cycle_cap,
        chain_cap=task.chain_cap,
        transplants_by_people=sum(of.counts[0][1] for of in pools) / n,
        transplants_by_model=sum(of.counts[0][2] for of in pools) / n,
        transplants_by_equal=sum(of.counts[0][3] for of in pools) / n,
        transplants=total,
        priority_lost=sum(of.priority_lost for of in pools) / n,
        patients_replaced=sum(of.replaced for of in pools) / n,
        groups=tuple(groups),
        n_indifferent=sum(of.is_indifferent for of in pools),
        n_unproved=sum(not of.is_proved for of in pools),
        sentences=(),
    )
    return _with_sentences(result)


def _with_sentences(result: PoolConsequences) -> PoolConsequences:
    pools = counted(len(result.seeds), "simulated pool")
    if result.model_is_indifferent:
        first = (
            f"The weights of {result.model} prefer no patient to another in any of {pools}, so they decide "
            "nothing: "
            "who receives among equally good match runs is settled by lot."
        )
    else:
        first = (
            f"With the weights of {result.model} instead of people's, {result.patients_replaced:.1f} of "
            f"{result.transplants_by_people:.1f} recipients per pool would be other "
            f"patients, on average over {pools}."
        )
    told = [g for g in result.groups[1:] if g.per_hundred.verdict is not Verdict.SAME]
    told.sort(key=lambda g: -abs(g.per_hundred.value) * g.patients_per_pool)
    return replace(
        result,
        sentences=(
            first,
            total_sentence("transplants per pool", result.transplants),
            *group_sentences([(g.per_hundred, g.sentence) for g in told]),
        ),
    )
