"""Whether simulated means agree with published ones, beyond what chance in both explains. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, nan, sqrt

from scipy import stats

from exchange.errors import BadRequest
from exchange.outcomes.outcome import Measure, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedValue:
    """A mean over published runs."""

    condition: str
    """The simulated condition that it is compared with."""
    measure: Measure
    grouping: str
    group: str
    mean: float
    sd: float
    """Standard deviation over the published runs."""
    n_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One published mean beside ours."""

    published: PublishedValue
    ours: Outcome
    z: float
    """Our mean minus the published one, over the standard error of that difference."""
    df: float
    """Degrees of freedom of Student's t, after Welch (1947), Biometrika 34."""
    p: float
    """Two-sided: how probable a difference as great is if both have the same mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTest:
    """Several published means beside ours, and all of them at once."""

    agreements: tuple[Agreement, ...]
    chi_square: float
    """Sum of the squares of z."""
    df: int
    """How many numbers there are."""
    p: float
    """Of a single number, its own by Student's t. Of several, by chi-square, for numbers independent of each other.
    The shares of profiles in a run are nearly so: each has its own patients, and only the competition for the same
    donors ties them; that correlation is neglected. A total beside its parts is not independent: test it alone.
    With few runs in either sample the standard errors are uncertain, and the p of several is somewhat too small."""


def published_test(outcomes: Iterable[Outcome], published: Sequence[PublishedValue]) -> PublishedTest:
    """Test simulated means against published ones of independent runs.

    Parameters
    ----------
    outcomes
        Of one scenario; those that are differences from a baseline are passed over.
    published
        At least one; those that are tested at once should be independent.

    Raises
    ------
    BadRequest
        No published value, one without an outcome of ours or with several, or one of either side without a standard
        deviation above 0.
    """
    if not published:
        raise BadRequest("there are no published values; give at least one")
    mine: dict[tuple[str, Measure, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if not outcome.baseline:
            key = (outcome.condition, outcome.measure, outcome.grouping, outcome.group)
            mine.setdefault(key, []).append(outcome)
    agreements = []
    for value in published:
        found = mine.get((value.condition, value.measure, value.grouping, value.group), [])
        if len(found) != 1:
            raise BadRequest(
                f"{_place(value)}: there are {len(found)} outcomes to compare with the published value; "
                "give the outcomes of one scenario, with its condition and group"
            )
        agreements.append(_agreement(found[0], value))
    chi_square = sum(a.z**2 for a in agreements)
    df = len(agreements)
    # One number has one p, wherever it is told: with few runs chi-square alone would say something else.
    p = agreements[0].p if df == 1 else float(stats.chi2.sf(chi_square, df))
    return PublishedTest(agreements=tuple(agreements), chi_square=chi_square, df=df, p=p)


def _agreement(ours: Outcome, theirs: PublishedValue) -> Agreement:
    parts = []
    for whose, sd, n in (("simulated", ours.sd, ours.n_runs), ("published", theirs.sd, theirs.n_runs)):
        if n < 2 or not (isfinite(sd) and sd > 0):
            raise BadRequest(
                f"{_place(theirs)}: the {whose} mean of {n} run(s) has no standard deviation above 0; "
                "its chance error is not known, so it cannot be tested"
            )
        parts.append((sd * sd / n, n - 1))
    error = sum(variance for variance, _ in parts)
    df = error**2 / sum(variance**2 / n for variance, n in parts)
    z = (ours.value - theirs.mean) / sqrt(error)
    return Agreement(
        published=theirs, ours=ours, z=z, df=df, p=float(2.0 * stats.t.sf(abs(z), df)) if z == z else nan
    )


def _place(value: PublishedValue) -> str:
    return f"condition '{value.condition}', {value.measure.value} of {value.grouping} '{value.group}'"
