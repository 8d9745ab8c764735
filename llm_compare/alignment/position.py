"""Is a patient chosen because of the side on which they stand?

References
----------
Davidson and Beaver (1977), Biometrics 33 (the order effect as a parameter beside the strengths).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from estimation.assembly import ORDER
from estimation.dataset import ChoiceData, Clustering, tally
from estimation.effects import EffectKind
from estimation.errors import EstimationError, Separated
from estimation.fitting import fit
from estimation.likelihood_ratio import FEWEST_PER_PROFILE, order_effect
from estimation.specification import Model, Regularize, Specification
from estimation.uncertainty import Intervals, t_quantile
from llm_compare.alignment.choices import FIRST, INDECISION, SECOND, Array, Choices, Indices, Pairing
from llm_compare.alignment.consistency import stretched, totals
from llm_compare.alignment.resampling import Measured, Resampling, Weighted, measured
from survey.design import Attribute

# More free strengths than this take minutes and tell the side no better.
_MOST_PROFILES = 100

_ALL_UNDECIDED = "no answer is decided"
_NOT_BOTH_WAYS = "no comparison was decided both ways round, so the side cannot be told from the patient"


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionEffect:
    """What standing on the left adds to the log-odds of being chosen, beside the patients' own strengths."""

    log_odds: float | None
    """Positive: the left patient is favored. None where it cannot be estimated; ``reason`` says why."""
    low: float | None
    """Lower end of the 95 % interval, by cluster (sandwich, t quantile)."""
    high: float | None
    se: float | None
    likelihood_ratio: float | None
    """Statistic against no effect of the side, on one degree of freedom."""
    p: float | None
    """Chi-squared, as if answers were independent: too small where they are not."""
    p_by_cluster: float | None
    """Of Wald's test by cluster: the one to go by."""
    clusters: str
    """What is taken as independent: ``respondent`` or ``comparison``."""
    n_clusters: int
    described_by: str
    """What the strengths are made of: ``profiles`` (one each) or ``attributes``."""
    indecision: str
    """``modeled``: indecision is likely where two patients are close (Davidson). ``left out``: nobody chose it."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SidePosition:
    """Position bias of one side. Indecision stands on neither side: shares are of the decided answers."""

    left: Measured
    """Share of decided answers for the left patient, as answered. Patients who often stood on the left count in
    it."""
    left_excess: Measured
    """The same less one half, over comparisons decided both ways round, either way counting half: 0 without a
    preference for a side, 1/2 where always the left patient is chosen."""
    n_both_ways: int
    """Comparisons decided both ways round."""
    effect: PositionEffect


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """People and model, and how much more the model favors the left."""

    people: SidePosition
    model: SidePosition
    excess_difference: Measured
    """``left_excess`` of the model less that of the people."""
    log_odds_difference: Measured
    """``log_odds`` of the model less that of the people; the two are estimated apart."""


def position(pairing: Pairing, resampling: Resampling) -> Position:
    """Measure the preference for a side, of people and model."""
    people, model = pairing.people, pairing.model

    decided = _Decided(people), _Decided(model)

    def statistic(draw: Weighted) -> list[float]:
        sums = decided[0].sums(draw.person[people.respondent]), decided[1].sums(draw.reply)
        apart = [_excess(s, draw.comparison) for s in sums]
        return [
            *(_left(s, draw.comparison) for s in sums),
            *(0.5 + e for e in apart),
            (1 + apart[1] - apart[0]) / 2,
        ]

    found = measured(statistic, pairing, resampling, bounds=(0.0, 1.0))
    left = [_because(m, _ALL_UNDECIDED) for m in found[:2]]
    bounds = ((-0.5, 0.5), (-0.5, 0.5), (-1.0, 1.0))
    excess = [_because(stretched(m, *b), _NOT_BOTH_WAYS) for m, b in zip(found[2:], bounds, strict=True)]
    effects = [position_effect(side, pairing.attributes) for side in (people, model)]
    sides = [
        SidePosition(
            left=left[i],
            left_excess=excess[i],
            n_both_ways=int(_decided_both_ways(decided[i].once).sum()),
            effect=effects[i],
        )
        for i, side in enumerate((people, model))
    ]
    return Position(
        people=sides[0],
        model=sides[1],
        excess_difference=excess[2],
        log_odds_difference=_difference(effects[1], effects[0], excess[2]),
    )


def position_effect(side: Choices, attributes: tuple[Attribute, ...]) -> PositionEffect:
    """Estimate what standing on the left adds, with a strength of each profile where the answers allow it, else by
    attributes.

    Answers cluster by respondent, or by comparison where there is only one. Where a side follows a rule without
    exception no finite estimate exists: the result says so, and the share of the left is what there is.
    """
    data = _data(side, attributes)
    undecided = bool(side.choice[:, INDECISION].any())
    tried = PositionEffect(
        log_odds=None,
        low=None,
        high=None,
        se=None,
        likelihood_ratio=None,
        p=None,
        p_by_cluster=None,
        clusters=data.clustering.value,
        n_clusters=data.n_clusters,
        described_by="profiles",
        indecision="modeled" if undecided else "left out",
    )
    kinds = [EffectKind.PROFILES, EffectKind.ATTRIBUTES]
    reasons: list[str] = []
    n = len(data.profiles)
    if n > _MOST_PROFILES or data.n_answers < FEWEST_PER_PROFILE * n:
        kinds.remove(EffectKind.PROFILES)
    for kind in kinds:
        found = _estimated(replace(tried, described_by=kind.value), data, kind)
        if found.log_odds is not None:
            return found
        reasons.append(f"by {kind.value}: {found.reason}")
    return replace(tried, described_by=kinds[-1].value, reason="; ".join(reasons))


def _estimated(tried: PositionEffect, data: ChoiceData, kind: EffectKind) -> PositionEffect:
    undecided = tried.indecision == "modeled"
    if kind is EffectKind.PROFILES:
        model = Model.DAVIDSON if undecided else Model.BRADLEY_TERRY
    else:
        model = Model.MIN_DELTA if undecided else Model.CONDITIONAL_LOGIT
    spec = Specification(model=model, order_effect=True, regularize=Regularize.NEVER)
    try:
        made = fit(data, spec, intervals=Intervals(draws=1)).others[ORDER]
        test = order_effect(data, spec)
    except Separated as error:
        return replace(
            tried,
            reason=f"a rule without exception runs through the answers ({', '.join(error.involved[:5])}), so no "
            "finite estimate exists; go by the share of the left",
        )
    except EstimationError as error:
        return replace(tried, reason=str(error))
    return replace(
        tried,
        log_odds=made.value,
        low=made.low,
        high=made.high,
        se=None
        if made.low is None or made.high is None
        else (made.high - made.low) / 2 / t_quantile(data.n_clusters),
        likelihood_ratio=test.statistic,
        p=test.p,
        p_by_cluster=test.robust_p,
    )


def _data(side: Choices, attributes: tuple[Attribute, ...]) -> ChoiceData:
    profiles = tuple(dict.fromkeys(p for c in side.comparisons for p in (c.first, c.second)))
    number = {p: i for i, p in enumerate(profiles)}
    first, second = (
        np.array([number[p] for p in ps], dtype=np.intp)[side.comparison]
        for ps in ([c.first for c in side.comparisons], [c.second for c in side.comparisons])
    )
    as_shown = _as_shown(side)
    one = side.n_respondents < 2
    cluster = side.comparison if one else side.respondent
    return tally(
        attributes=attributes,
        profiles=profiles,
        left=np.repeat(np.where(side.first_left, first, second), 3),
        right=np.repeat(np.where(side.first_left, second, first), 3),
        choice=np.tile(np.arange(3), side.n_answers),
        offered=np.repeat(side.offered, 3),
        times=as_shown.ravel(),
        cluster=np.repeat(cluster, 3),
        clustering=Clustering.COMPARISON if one else Clustering.RESPONDENT,
    )


def _as_shown(side: Choices) -> Array:
    """Return each answer as left, right, indecision."""
    mirrored = side.choice[:, [SECOND, FIRST, INDECISION]]
    return np.where(side.first_left[:, None], side.choice, mirrored)


class _Decided:
    """Decided answers of one side by comparison, by who stood on the left, and by who was chosen."""

    def __init__(self, side: Choices) -> None:
        self.n = len(side.comparisons)
        self.cell: Indices = 2 * side.comparison + side.first_left
        self.chosen = np.ascontiguousarray(_as_shown(side)[:, :INDECISION].T)
        self.once = self._sums(np.ones(side.n_answers))

    def sums(self, answer: Array) -> Array:
        """Return weighted answers for the left and the right, shape (n_comparisons, 2, 2)."""
        return self.once if (answer == 1).all() else self._sums(answer)

    def _sums(self, answer: Array) -> Array:
        of_each = [totals(answer * chosen, self.cell, 2 * self.n) for chosen in self.chosen]
        return np.column_stack(of_each).reshape(self.n, 2, 2)


def _left(sums: Array, comparison: Array) -> float:
    decided = float(np.einsum("c,cwk->", comparison, sums))
    return float(np.einsum("c,cw->", comparison, sums[:, :, 0])) / decided if decided > 0 else float("nan")


def _decided_both_ways(sums: Array) -> Array:
    return np.asarray((sums.sum(axis=2) > 0).all(axis=1), dtype=float)


def _excess(sums: Array, comparison: Array) -> float:
    decided = sums.sum(axis=2)
    weight = comparison * _decided_both_ways(sums)
    if weight.sum() == 0:
        return float("nan")
    share = sums[:, :, 0] / np.where(decided > 0, decided, 1)
    return float(np.average(share.mean(axis=1), weights=weight)) - 0.5


def _because(found: Measured, reason: str) -> Measured:
    return replace(found, reason=reason) if found.value is None else found


def _difference(model: PositionEffect, people: PositionEffect, like: Measured) -> Measured:
    answered = replace(like, value=None, low=None, high=None, se=None, reason="")
    if model.log_odds is None or people.log_odds is None or model.se is None or people.se is None:
        who = "the model's" if model.log_odds is None else "the people's"
        return replace(answered, reason=f"{who} effect has no estimate with an interval")
    value, se = model.log_odds - people.log_odds, float(np.hypot(model.se, people.se))
    half = t_quantile(min(model.n_clusters, people.n_clusters)) * se
    return replace(answered, value=value, low=value - half, high=value + half, se=se)
