"""What the difference between people's and a model's weights does: one pool, cleared with either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from estimation.weights import PriorityWeights
from exchange.clearing.clear import clear_pool
from exchange.clearing.objectives import Policy
from exchange.match_run import MatchRun
from exchange.pool import Pair, Pool
from exchange.priorities import priorities
from survey.design import Attribute, CategoricalAttribute, NumericAttribute, Value

# A numeric attribute with more values than this among the patients is shown in three bands of as many values each.
MOST_LEVELS = 6
# Exactly balanced answers leave rounding of this order in weights that are equal.
_SAME_WEIGHT = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOutcome:
    """How many patients with one level (or band) of one attribute are matched, under either weights."""

    attribute: str
    group: str
    n_patients: int
    matched_by_people: int
    matched_by_model: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """One pool cleared twice, under the same policy and caps."""

    pool: Pool
    policy: Policy
    cycle_cap: int
    chain_cap: int
    by_people: MatchRun
    by_model: MatchRun
    priority_lost: float
    """Weight, as people weigh patients, that the people's match run has more than the model's."""
    matched_by_both: int
    matched_by_people_only: int
    matched_by_model_only: int
    groups: tuple[GroupOutcome, ...]
    model_is_indifferent: bool
    """The model gives every patient of the pool the same weight: which of the largest match runs its weights choose
    is arbitrary."""


def compare_clearings(
    pool: Pool,
    people: PriorityWeights,
    model: PriorityWeights,
    *,
    policy: Policy = Policy.PRIORITY_AFTER_CARDINALITY,
    cycle_cap: int = 3,
    chain_cap: int = 0,
    time_limit_seconds: float | None = 60.0,
    progress: Callable[[str], None] = lambda _: None,
) -> Consequences:
    """Clear ``pool`` with the people's and with the model's weights; see :func:`exchange.clearing.clear_pool`.

    Raises
    ------
    exchange.errors.ExchangeError
        Pairs without a profile, or with one that the weights do not cover.
    """
    own = priorities(pool, people)
    other = priorities(pool, model)
    runs = []
    for name, weights in (("people's weights", own), ("model's weights", other)):
        progress(f"clearing {len(pool.pairs)} pairs with the {name}")
        runs.append(
            clear_pool(
                pool,
                weights,
                policy=policy,
                cycle_cap=cycle_cap,
                chain_cap=chain_cap,
                time_limit_seconds=time_limit_seconds,
            )
        )
    by_people, by_model = runs
    theirs, others = by_people.recipients, by_model.recipients
    return Consequences(
        pool=pool,
        policy=policy,
        cycle_cap=cycle_cap,
        chain_cap=chain_cap,
        by_people=by_people,
        by_model=by_model,
        priority_lost=sum(own[p] for p in theirs) - sum(own[p] for p in others),
        matched_by_both=len(theirs & others),
        matched_by_people_only=len(theirs - others),
        matched_by_model_only=len(others - theirs),
        groups=tuple(
            GroupOutcome(
                attribute=attribute.name,
                group=group,
                n_patients=len(members),
                matched_by_people=len(theirs & members),
                matched_by_model=len(others & members),
            )
            for attribute in pool.attributes
            for group, members in _groups(attribute, pool.pairs).items()
        ),
        model_is_indifferent=max(other.values()) - min(other.values()) < _SAME_WEIGHT,
    )


def _groups(attribute: Attribute, pairs: tuple[Pair, ...]) -> dict[str, frozenset[str]]:
    values = {p.id: p.profile[attribute.name] for p in pairs if p.profile is not None}
    if isinstance(attribute, CategoricalAttribute):
        labels: dict[Value, str] = {level.name: level.words for level in attribute.levels}
    else:
        labels = _numeric_groups(attribute, sorted({float(v) for v in values.values()}))
    groups: dict[str, set[str]] = {label: set() for label in labels.values()}
    for pair_id, value in values.items():
        groups[labels[value if isinstance(value, str) else float(value)]].add(pair_id)
    return {label: frozenset(members) for label, members in groups.items() if members}


def _numeric_groups(attribute: NumericAttribute, values: list[float]) -> dict[Value, str]:
    if len(values) <= MOST_LEVELS:
        return {v: f"{v:g}" for v in values}
    bands = [values[i * len(values) // 3 : (i + 1) * len(values) // 3] for i in range(3)]
    return {v: f"{band[0]:g} to {band[-1]:g}" for band in bands for v in band}
