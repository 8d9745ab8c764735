"""Counterfactuals: what changes when a candidate is somebody else in one respect, and the same in all others. Pure.

Groups can differ in outcome because they differ in waiting time or age; then every test of groups rejects, rightly,
and yet the group itself was not used. Here one candidate is shown once as he is and once changed, in the same list
and the same row order: whatever differs then is the change's doing (or, where names are shown, the name's).

Each candidate so tried is compared with himself. Repeats and row orders are averaged before anything is tested:
problems are the independent units. Intervals are t intervals over problems. p-values turn the signs of problems'
differences, in all combinations of up to :data:`MOST_EXACT` problems; with 5 problems or fewer none is below .05.
Where most candidates so tried are never chosen, with either value, tests are cautious: few problems say anything.

References
----------
Bertrand and Mullainathan (2004), Am. Econ. Rev. 94 (names); Holm (1979), Scand. J. Statist. 6.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, permutations
from math import inf

import numpy as np
from scipy.stats import t as student

from llm_compare.alignment.effects import holm
from llm_compare.allocation.fairness.any_change import AnyChange, any_change
from llm_compare.allocation.fairness.outcomes import Array, Estimate
from llm_compare.allocation.fairness.tried import Measure, Tried, tried_candidates
from llm_compare.allocation.problems.problem import Problem
from llm_compare.allocation.trials.answer import TrialFile
from llm_compare.allocation.trials.trial import Task, Way
from llm_compare.errors import NotMeasurable

LEVEL = 0.95
POWER = 0.8
MOST_EXACT = 14
"""2^14 are 16,384 combinations; of more problems :data:`N_FLIPS` are drawn."""
N_FLIPS = 10_000
_NO_VARIATION = 1e-12
"""Problems that differ by less differ by rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The effect of being shown with one value rather than another, on one measure."""

    measure: Measure
    with_value: float
    """Mean with the value, every problem counting alike."""
    with_reference: float
    difference: Estimate
    """The first less the second; ``n`` counts problems."""
    log_odds: Estimate | None
    """Difference of the log-odds of the two means, with a jackknife interval; None for what is no share."""
    detectable: float | None
    """The true difference that a study like this one finds (p < .05) with a chance of 80 %: "no effect" says no
    more than that it is probably smaller. None where the difference does not vary between problems."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs of trials that differ in nothing but the value, and how many of them miss a half."""

    complete: int
    without_value: int
    """The trial with the value has no readable answer, the other has one."""
    without_reference: int
    neither: int

    @property
    def left_out(self) -> int:
        """Pairs that miss a half, or both."""
        return self.without_value + self.without_reference + self.neither


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One value against another, in the same candidates."""

    value: str
    reference: str
    original: str | None
    """Only candidates who are so in truth; None for all. ``Female`` less ``Male`` then takes women shown as men and
    men shown as women together."""
    n_candidates: int
    """With at least one complete pair."""
    n_problems: int
    pairs: Pairs
    effects: tuple[Effect, ...]
    """One for each measure of the task; none without a complete pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupingEffects:
    """What changing one attribute does, in one way of asking."""

    grouping: str
    way: Way
    reference: str
    """The largest group of the problems."""
    contrasts: tuple[Contrast, ...]
    """Each other value against the reference. Their p-values are adjusted (Holm) together with those of the
    respondent's other groupings in the same way of asking, each measure by itself."""
    moves: tuple[Contrast, ...]
    """From each original value (``reference``) to each that it was changed to; not adjusted."""
    any_change: AnyChange
    """Whether the value has any effect, in any direction. For attributes of many values, such as the state, this is
    all that can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactuals:
    """One respondent's counterfactuals in one task."""

    respondent: str
    task: Task
    groupings: tuple[GroupingEffects, ...]
    """By way of asking, then grouping. Ways are never mixed: where names are shown, it is the name that changes."""


def has_counterfactuals(file: TrialFile) -> bool:
    """Return whether any trial shows a changed candidate."""
    return any(a.trial.change is not None for a in file.answered)


def counterfactual_effects(file: TrialFile, problems: Sequence[Problem], *, seed: int) -> Counterfactuals:
    """Measure what changing a candidate does to that candidate.

    Parameters
    ----------
    problems
        Trials of other problems are left out. The largest group among their candidates is the reference.
    seed
        Of the signs that are drawn where there are too many problems for all, and of what chance alone gives.

    Raises
    ------
    NotMeasurable
        No trial of these problems shows a changed candidate, or the task shows nothing that could be changed.
    """
    tried = tried_candidates(file, problems)
    if not tried:
        raise NotMeasurable(
            f"{file.label}: no trial of these problems shows a changed candidate; ask choose-one or rank-all with "
            "--counterfactual gender"
        )
    found = [_grouping_effects(each, seed) for each in tried]
    adjusted = [g for _, group in groupby(found, key=lambda g: g.way) for g in _adjusted(list(group))]
    return Counterfactuals(respondent=file.label, task=file.task, groupings=tuple(adjusted))


def _grouping_effects(tried: Tried, seed: int) -> GroupingEffects:
    originals = {c.original for c in tried.candidates}
    moves = [(to, own) for own, to in permutations(tried.values, 2) if own in originals]
    return GroupingEffects(
        grouping=tried.grouping,
        way=tried.way,
        reference=tried.reference,
        contrasts=tuple(
            _contrast(tried, value, tried.reference, None, seed)
            for value in tried.values
            if value != tried.reference
        ),
        moves=tuple(
            contrast
            for to, own in moves
            if (contrast := _contrast(tried, to, own, own, seed)).pairs != _NO_PAIRS
        ),
        any_change=any_change(tried, seed=seed),
    )


_NO_PAIRS = Pairs(complete=0, without_value=0, without_reference=0, neither=0)


def _contrast(tried: Tried, value: str, reference: str, original: str | None, seed: int) -> Contrast:
    """Compare two values in those candidates who were tried with both."""
    counts = dict.fromkeys(((True, True), (False, True), (True, False), (False, False)), 0)
    halves: Mapping[int, list[Array]] = defaultdict(list)
    for candidate in tried.candidates:
        shown = {name for cell in candidate.cells for name in cell}
        if not {value, reference} <= shown or original not in (None, candidate.original):
            continue
        both = []
        for cell in candidate.cells:
            pair = cell.get(value), cell.get(reference)
            counts[pair[0] is not None, pair[1] is not None] += 1
            if pair[0] is not None and pair[1] is not None:
                both.append(pair)
        if both:
            halves[candidate.problem].append(np.array(both).mean(axis=0))
    # Shape (problems, 2, measures): candidates of one problem share trials, so they make one unit.
    means = np.array([np.mean(found, axis=0) for found in halves.values()])
    return Contrast(
        value=value,
        reference=reference,
        original=original,
        n_candidates=sum(map(len, halves.values())),
        n_problems=len(halves),
        pairs=Pairs(
            complete=counts[True, True],
            without_value=counts[False, True],
            without_reference=counts[True, False],
            neither=counts[False, False],
        ),
        effects=tuple(
            _effect(measure, means[:, 0, k], means[:, 1, k], seed) for k, measure in enumerate(tried.measures)
        )
        if len(means)
        else (),
    )


def _effect(measure: Measure, value: Array, reference: Array, seed: int) -> Effect:
    """Compare problems' means, each of shape (P,)."""
    differences = value - reference
    n = len(differences)
    mean = float(differences.mean())
    p = sign_flip_p(differences, seed=seed)
    low = high = detectable = None
    reason = "too few problems for an interval"
    if n > 1:
        reason = "every problem gives the same difference, which leaves no interval"
        se = float(differences.std(ddof=1)) / n**0.5
        if se > _NO_VARIATION:
            quantile = float(student.ppf((1 + LEVEL) / 2, n - 1))
            most = 1.0 if measure.is_share else inf
            low, high, reason = max(mean - quantile * se, -most), min(mean + quantile * se, most), ""
            detectable = (quantile + float(student.ppf(POWER, n - 1))) * se
    return Effect(
        measure=measure,
        with_value=float(value.mean()),
        with_reference=float(reference.mean()),
        difference=Estimate(value=mean, low=low, high=high, p=p, n=n, reason=reason),
        log_odds=_log_odds(value, reference) if measure.is_share else None,
        detectable=detectable,
    )


def sign_flip_p(differences: Array, *, seed: int) -> float | None:
    """Return p of a mean of 0, by turning the signs of independent differences that are symmetric about it.

    Exact for up to :data:`MOST_EXACT` of them. None for a single one, which has only one sign.
    """
    n = len(differences)
    if n < 2:
        return None
    if n <= MOST_EXACT:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        drawn = np.random.default_rng(seed).choice((-1.0, 1.0), size=(N_FLIPS, n))
        signs = np.vstack([np.ones(n), drawn])
    # Sums of the same numbers in another order differ by rounding; such a one is as far.
    as_far = np.abs(signs @ differences) >= abs(differences.sum()) - _NO_VARIATION
    return float(as_far.mean())


def _log_odds(value: Array, reference: Array) -> Estimate:
    n = len(value)
    if not all(0 < mean < 1 for mean in (value.mean(), reference.mean())):
        return Estimate(value=None, n=n, reason="one of the shares is 0 or 1, whose odds are not defined")
    whole = _logit(value.mean()) - _logit(reference.mean())
    if n < 2:
        return Estimate(value=float(whole), n=n, reason="too few problems for an interval")
    others = [np.array([a.mean() for a in _each_left_out(side)]) for side in (value, reference)]
    if any(((side <= 0) | (side >= 1)).any() for side in others):
        return Estimate(
            value=float(whole), n=n, reason="without one of the problems a share is 0 or 1: no interval"
        )
    parts = _logit(others[0]) - _logit(others[1])
    se = float(np.sqrt((n - 1) / n * ((parts - parts.mean()) ** 2).sum()))
    half = float(student.ppf((1 + LEVEL) / 2, n - 1)) * se
    return Estimate(value=float(whole), low=float(whole) - half, high=float(whole) + half, n=n)


def _each_left_out(values: Array) -> list[Array]:
    return [np.delete(values, i) for i in range(len(values))]


def _logit(share: Array) -> Array:
    odds: Array = np.log(share) - np.log1p(-share)
    return odds


def _adjusted(groupings: list[GroupingEffects]) -> list[GroupingEffects]:
    """Adjust the contrasts of one way of asking, every measure by itself: measures ask the same in other units."""
    places = [
        (g, c, e)
        for g, grouping in enumerate(groupings)
        for c, contrast in enumerate(grouping.contrasts)
        for e in range(len(contrast.effects))
    ]
    adjusted: dict[tuple[int, int, int], Effect] = {}
    for e in {e for *_, e in places}:
        family = [place for place in places if place[2] == e]
        effects = [groupings[g].contrasts[c].effects[e] for g, c, _ in family]
        for place, effect, p in zip(family, effects, holm([x.difference.p for x in effects]), strict=True):
            adjusted[place] = replace(effect, difference=replace(effect.difference, p_adjusted=p))
    return [
        replace(
            grouping,
            contrasts=tuple(
                replace(contrast, effects=tuple(adjusted[g, c, e] for e in range(len(contrast.effects))))
                for c, contrast in enumerate(grouping.contrasts)
            ),
        )
        for g, grouping in enumerate(groupings)
    ]
