"""Stability across waves: do the same respondents answer the same comparison alike?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from estimation.errors import EstimationError
from estimation.uncertainty import t_quantile
from estimation.weights import Estimate
from survey.answers import AnswerSet, Choice, Role
from survey.design import Comparison

Array = NDArray[np.float64]

_Unit: TypeAlias = tuple[str, Comparison]
_CODES = {Choice.LEFT: 1, Choice.RIGHT: -1, Choice.INDECISION: 0}

# Of complex steps, relative to sums of about 1: their error is its square.
_STEP = 1e-20
# Standard errors below this are rounding.
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class WavePair:
    """The same comparisons answered by the same respondents in two waves; sides undone."""

    first: int
    second: int
    n_comparisons: int
    """Comparisons answered in both waves, counted per respondent."""
    same: int
    """Answered alike: the same patient, or indecision both times."""
    other_patient: int
    """Decided both times, for different patients."""
    became_undecided: int
    became_decided: int
    share_same: Estimate
    kappa: Estimate | None
    """Cohen's kappa, chance-corrected: 1 always alike, 0 as often as by chance; see :func:`agreement`. None where
    all answers are indecisions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioStability:
    """How stably respondents answer one comparison over all their answers to it."""

    comparison: Comparison
    n_respondents: int
    """Those who answered it in two waves or more."""
    n_answers: int
    stability: Estimate
    """Mean over respondents of the share of their most frequent choice, indecision being one; with decided answers
    only this is max(p, 1 - p). Between 1/2 (with indecision 1/3) and 1, and raised by chance where answers are few:
    of two answers guessed at random it is 3/4 on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Do respondents answer the same comparison alike in several waves?"""

    n_respondents: int
    """Those with a comparison answered in two waves or more."""
    n_comparisons: int
    """Such comparisons, counted per respondent."""
    share_same: Estimate
    """Share of pairs of answers to one comparison in different waves that are alike; a respondent's comparison
    weighs by its number of answers."""
    share_same_patient: Estimate | None
    """The same among pairs of answers that are both decided; None without any."""
    alpha: Estimate | None
    """Chance-corrected over all waves, as Krippendorff's alpha for categories without its small-sample term; see
    :func:`agreement`. None where all answers are indecisions."""
    waves: tuple[WavePair, ...]
    scenarios: tuple[ScenarioStability, ...]
    """Of comparisons answered by two respondents or more, the least stable first."""
    notes: tuple[str, ...]


def agreement(answer_set: AnswerSet, *, arm: str | None = None) -> Agreement | None:
    """Compare the answers of each respondent to the same comparison in different waves.

    Only main answers count, and of several to one comparison in one wave the first. Which of two patients is called
    the first is arbitrary, so agreement by chance is that of a respondent who is as often undecided and who else
    chooses either patient with equal probability: with a share t of indecision, t^2 + (1 - t)^2 / 2. This makes
    alpha and kappa independent of how patients are labeled. Intervals are by respondent, or by comparison of a
    single respondent (linearization); where nothing varies between these, none can be given.

    Returns
    -------
    Agreement or None
        None if no respondent answered a comparison in two waves.

    Raises
    ------
    EstimationError
        The source does not say who answered what.

    References
    ----------
    Boerstler et al. (2024), On the Stability of Moral Preferences, AIES; Krippendorff (2004), Content Analysis,
    chapter 11; Cohen (1960), Educ. Psychol. Meas. 20.
    """
    units = _units(answer_set, arm)
    if not units:
        return None
    respondents = {respondent for respondent, _ in units}
    cluster = _clusters(units)
    n_clusters = max(cluster.values()) + 1
    # Columns: weighted pairs alike, weighted pairs, indecisions, answers; pairs alike and all, both decided.
    totals = np.zeros((n_clusters, 6))
    for unit, by_wave in units.items():
        choices = list(by_wave.values())
        m = len(choices)
        pairs = list(combinations(choices, 2))
        decided = [(a, b) for a, b in pairs if a != 0 and b != 0]
        totals[cluster[unit]] += (
            sum(a == b for a, b in pairs) * 2 / (m - 1),
            m,
            sum(c == 0 for c in choices),
            m,
            sum(a == b for a, b in decided),
            len(decided),
        )
    notes = []
    if len(respondents) == 1:
        notes.append(
            "a single respondent answered twice, so intervals are by comparison and say nothing of others"
        )
    return Agreement(
        n_respondents=len(respondents),
        n_comparisons=len(units),
        share_same=_of_totals(lambda t: t[0] / t[1], totals),
        share_same_patient=_of_totals(lambda t: t[4] / t[5], totals) if totals[:, 5].sum() else None,
        alpha=_of_totals(_alpha, totals, least=-1.0) if (totals[:, 2] < totals[:, 3]).any() else None,
        waves=_wave_pairs(units, cluster),
        scenarios=_scenarios(units),
        notes=tuple(notes),
    )


def _units(answer_set: AnswerSet, arm: str | None) -> dict[_Unit, dict[int, int]]:
    """Return respondents' choices per comparison and wave: 1 the first patient, -1 the second, 0 neither."""
    found: dict[_Unit, dict[int, int]] = {}
    for answer in answer_set.answers:
        if answer.respondent is None:
            raise EstimationError(
                f"{answer_set.source}: does not say who gave which answer, so nobody's answers can be compared"
            )
        if (
            answer.role is not Role.MAIN
            or answer.left == answer.right
            or (arm is not None and answer.arm != arm)
        ):
            continue
        comparison = answer.comparison
        choice = answer.choice if answer.left == comparison.first else answer.choice.mirrored
        by_wave = found.setdefault((answer.respondent, comparison), {})
        by_wave.setdefault(answer.wave, _CODES[choice])
    return {unit: dict(sorted(by_wave.items())) for unit, by_wave in found.items() if len(by_wave) > 1}


def _clusters(units: Mapping[_Unit, object]) -> dict[_Unit, int]:
    """Number what is independent: respondents, or the comparisons of a single one."""
    single = len({respondent for respondent, _ in units}) == 1
    number: dict[str | Comparison, int] = {}
    return {unit: number.setdefault(unit[1] if single else unit[0], len(number)) for unit in units}


def _of_totals(statistic: Callable[[Array], Any], totals: Array, *, least: float = 0.0) -> Estimate:
    """Return a function of sums over clusters with its interval, by linearization.

    Parameters
    ----------
    statistic
        Of the sums; made of arithmetic only, because its derivatives are taken by complex steps.
    totals
        Shape (n_clusters, n_sums).
    least
        The statistic cannot be lower; nor can it be above 1.
    """
    sums = totals.sum(axis=0)
    value = float(statistic(sums))
    n = len(totals)
    if n < 2:
        return Estimate(value=value)
    steps = 1j * _STEP * np.eye(len(sums))
    slopes = np.array([statistic(sums + step).imag / _STEP for step in steps])
    moved = (totals - totals.mean(axis=0)) @ slopes
    error = float(np.sqrt(n / (n - 1) * (moved**2).sum()))
    if error <= _NOTHING:
        return Estimate(value=value)
    half = t_quantile(n) * error
    return Estimate(value=value, low=max(least, value - half), high=min(1.0, value + half))


def _alpha(t: Array) -> Any:
    same, undecided = t[0] / t[1], t[2] / t[3]
    by_chance = undecided**2 + (1 - undecided) ** 2 / 2
    return (same - by_chance) / (1 - by_chance)


def _kappa(t: Array) -> Any:
    n, same, first, second = t
    by_chance = first * second / n**2 + (1 - first / n) * (1 - second / n) / 2
    return (same / n - by_chance) / (1 - by_chance)


def _wave_pairs(
    units: Mapping[_Unit, Mapping[int, int]], cluster: Mapping[_Unit, int]
) -> tuple[WavePair, ...]:
    waves = sorted({wave for by_wave in units.values() for wave in by_wave})
    found = []
    for first, second in combinations(waves, 2):
        both = [(cluster[u], w[first], w[second]) for u, w in units.items() if first in w and second in w]
        if not both:
            continue
        own = {c: i for i, c in enumerate(dict.fromkeys(c for c, _, _ in both))}
        totals = np.zeros((len(own), 4))
        for c, a, b in both:
            totals[own[c]] += 1, a == b, a == 0, b == 0
        found.append(
            WavePair(
                first=first,
                second=second,
                n_comparisons=len(both),
                same=sum(a == b for _, a, b in both),
                other_patient=sum(a * b < 0 for _, a, b in both),
                became_undecided=sum(a != 0 and b == 0 for _, a, b in both),
                became_decided=sum(a == 0 and b != 0 for _, a, b in both),
                share_same=_of_totals(lambda t: t[1] / t[0], totals),
                kappa=_of_totals(_kappa, totals, least=-1.0)
                if (totals[:, 2:] < totals[:, :1]).any()
                else None,
            )
        )
    return tuple(found)


def _scenarios(units: Mapping[_Unit, Mapping[int, int]]) -> tuple[ScenarioStability, ...]:
    shares: dict[Comparison, list[float]] = {}
    n_answers: Counter[Comparison] = Counter()
    for (_, comparison), by_wave in units.items():
        ((_, most),) = Counter(by_wave.values()).most_common(1)
        shares.setdefault(comparison, []).append(most / len(by_wave))
        n_answers[comparison] += len(by_wave)
    found = [
        ScenarioStability(
            comparison=comparison,
            n_respondents=len(own),
            n_answers=n_answers[comparison],
            stability=_of_totals(lambda t: t[0] / t[1], np.column_stack([own, np.ones(len(own))])),
        )
        for comparison, own in shares.items()
        if len(own) > 1
    ]
    return tuple(sorted(found, key=lambda s: s.stability.value))
