"""Saturation: how many categories so many people name, and what asking further people would add. Pure.

A category is named by a person once or not at all; how often one person repeats it does not matter. All of this
depends on the categories that coders made: coarser ones saturate sooner.

References
----------
Colwell, Mao and Chang (2004), Ecology 85, 2717-2727: expected number of categories in a subset of the people.
Chao (1987), Biometrics 43, 783-791: how many there are (Chao2), with its interval.
Chao and Jost (2012), Ecology 93, 2533-2547: coverage.
Colwell et al. (2012), J. Plant Ecol. 5, 3-21: extrapolation to more people.
Guest, Namey and Chen (2020), PLoS ONE 15, e0232076: base size and run length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from survey.answers import RespondentKind
from survey.coding.coding import Coding
from survey.coding.counts import LeftOut, Named, named_by
from survey.coding.final import FinalCodes
from survey.coding.guest import GuestRuns, guest_runs
from survey.coding.saturation_band import half_widths
from survey.coding.shares import Z_95
from survey.suggestions import Stance

MOST_POINTS = 200
"""Of a longer curve so many places are computed, close together where it begins."""
_ROUNDING = 1e-6
FURTHER = 2
"""The curve is continued to so many times the people asked: further on, the extrapolation is not to be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """How many categories so many people name."""

    people: int
    categories: float
    low: float | None = None
    """Of the 95 % interval; None where none is known."""
    high: float | None = None
    new_of_next: float | None
    """Expected number of new categories that one further person would name; None: nothing can be said of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberOfCategories:
    """How many categories there are, those that nobody has named yet included: a lower bound."""

    value: float
    low: float | None
    high: float | None
    reason: str = ""
    """Why there is no interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """What the people asked so far say about asking more."""

    kind: RespondentKind
    simulated: bool
    stance: Stance | None
    """The question this is about; None: both together."""
    people: int
    """Respondents who were asked, those who named nothing included."""
    incidences: int
    """Pairs of a person and a category that the person named."""
    categories: int
    """Categories that anybody named."""
    named_once: int
    """Categories that exactly one person named."""
    named_twice: int
    observed: tuple[int, ...]
    """Categories named by the first 1, 2, … people, in the order in which they answered; empty: not known."""
    observed_reason: str
    """Why the order is not known; empty if it is."""
    expected: tuple[CurvePoint, ...]
    """By so many of these people, on average over all orders; its interval is of other people like them, and about
    what so many would name on average (``saturation_band``)."""
    extrapolated: tuple[CurvePoint, ...]
    """From the people asked to twice as many, without interval; empty if nothing can be said of further ones."""
    estimated: NumberOfCategories | None
    """None: nobody named anything."""
    coverage: float | None
    """Share of all that people would name which belongs to categories named already; None: nobody named
    anything, or one person alone was asked."""
    new_of_next: float | None
    """Expected number of new categories that one further person would name; None: nothing can be said of further
    ones (``further_reason``)."""
    new_of_next_ten: float | None
    more_people: int | None
    """After how many further people the next ten are expected to name fewer than one new category (0: now)."""
    further_reason: str
    """Why nothing can be said of further people; empty if something can."""
    guest: GuestRuns | None
    """None: the order is not known, or there are fewer people than the rule needs."""
    left_out: LeftOut
    """Suggestions to the same question, which could hold further categories."""


def saturation_of(
    coding: Coding,
    final: FinalCodes | None = None,
    *,
    kind: RespondentKind = RespondentKind.HUMAN,
    simulated: bool | None = None,
    stance: Stance | None = None,
) -> Saturation:
    """Return how the number of categories grows with the people asked, and is expected to grow.

    Parameters
    ----------
    final, kind, simulated
        As for ``counts.counts_of``.
    stance
        Count only what was said to this question, of those who were asked it.

    Raises
    ------
    CodingError
        As ``final.final_codes``.
    """
    named = named_by(coding, final, kind=kind, simulated=simulated)
    sets = _sets(named, stance)
    n = len(sets)
    people_of = Counter(category for own in sets.values() for category in own)
    frequencies = np.array(sorted(people_of.values()), dtype=np.int64)
    once, twice = (int((frequencies == k).sum()) for k in (1, 2))
    unseen = unseen_categories(n, once, twice)
    unknown = _further_reason(n, len(frequencies), once, unseen)
    order, reason = _order(named, sets)
    observed = _accumulated([sets[respondent] for respondent in order])
    covered = coverage(n, int(frequencies.sum()), once, twice)
    people = _places(n)
    half = half_widths(list(sets.values()), people, unseen=unseen, coverage=covered)
    return Saturation(
        kind=kind,
        simulated=named.simulated,
        stance=stance,
        people=n,
        incidences=int(frequencies.sum()),
        categories=len(frequencies),
        named_once=once,
        named_twice=twice,
        observed=observed,
        observed_reason=reason,
        expected=_expected(n, frequencies, people, half, unseen, is_open=bool(unknown)),
        extrapolated=() if unknown else _extrapolated(n, len(frequencies), once, unseen),
        estimated=_estimated(n, len(frequencies), once, twice, unseen),
        coverage=covered,
        new_of_next=None if unknown else further(n, once, unseen, 1),
        new_of_next_ten=None if unknown else further(n, once, unseen, 10),
        more_people=None if unknown else _more_people(n, once, unseen),
        further_reason=unknown,
        guest=guest_runs(observed),
        left_out=named.left_out if stance is None else named.left_out_of[stance],
    )


def _further_reason(n: int, seen: int, once: int, unseen: float) -> str:
    """Return why nothing can be said of further people; empty if something can."""
    if seen == 0:
        return "nobody has named a category"
    if n == 1:
        return "one person alone was asked"
    if once and unseen == 0:
        # Chao2 of a single category named once and none named twice is 0 whatever the truth.
        return "one category was named by one alone and none by two: too little to estimate from"
    return ""


def _sets(named: Named, stance: Stance | None) -> dict[str, frozenset[str]]:
    """Return respondent -> categories named, of all who were asked."""
    stances = (stance,) if stance else tuple(Stance)
    own: dict[str, set[str]] = {
        asked.respondent: set() for asked in named.asked if asked.stances & set(stances)
    }
    for of_stance in stances:
        for category, people in named.by_people[of_stance].items():
            for respondent in people:
                own[respondent].add(category)
    return {respondent: frozenset(categories) for respondent, categories in own.items()}


def _order(named: Named, sets: dict[str, frozenset[str]]) -> tuple[list[str], str]:
    """Return the respondents in the order in which they answered, or why it is not known."""
    asked = [a for a in named.asked if a.respondent in sets]
    unknown = sum(a.order == 0 for a in asked)
    if unknown:
        return [], f"of {unknown} of {len(asked)} respondents it is not known when they answered"
    return [a.respondent for a in sorted(asked, key=lambda a: (a.order, a.respondent))], ""


def _accumulated(sets: Sequence[frozenset[str]]) -> tuple[int, ...]:
    seen: set[str] = set()
    numbers = []
    for own in sets:
        seen |= own
        numbers.append(len(seen))
    return tuple(numbers)


def expected_categories(
    n: int, frequencies: NDArray[np.int64], people: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the expected number of categories that so many of ``n`` people name.

    Exact over all subsets: a category that y people named is missed by t of n with probability
    C(n - y, t) / C(n, t).

    Parameters
    ----------
    frequencies
        How many of the ``n`` people named each category, shape (n_categories,).
    people
        Numbers from 0 to ``n``, shape (n_points,).
    """
    from scipy.special import gammaln

    t = people[:, None].astype(float)
    y = frequencies[None, :].astype(float)
    possible = n - y - t >= 0
    rest = np.where(possible, n - y - t, 0.0)
    log_missed = gammaln(n - y + 1) + gammaln(n - t + 1) - gammaln(rest + 1) - gammaln(n + 1.0)
    return np.asarray((1 - np.where(possible, np.exp(log_missed), 0.0)).sum(axis=1))


def _expected(
    n: int,
    frequencies: NDArray[np.int64],
    people: NDArray[np.int64],
    half: NDArray[np.float64],
    unseen: float,
    *,
    is_open: bool,
) -> tuple[CurvePoint, ...]:
    """Return the curve up to the people there are; ``is_open``: nothing can be said of those after them."""
    mean = expected_categories(n, frequencies, people)
    # Nobody is left to follow the last one: what further people bring is extrapolated.
    following = expected_categories(n, frequencies, np.minimum(people + 1, n)) - mean
    following[people == n] = further(n, int((frequencies == 1).sum()), unseen, 1)
    return tuple(
        CurvePoint(
            people=int(t),
            categories=float(m),
            # Without variation the formula has no width: it would claim that other people name exactly as many.
            low=float(max(m - h, 0.0)) if h > _ROUNDING else None,
            high=float(m + h) if h > _ROUNDING else None,
            new_of_next=None if is_open and t == n else max(float(new), 0.0),
        )
        for t, m, h, new in zip(people, mean, half, following, strict=True)
    )


def _places(n: int) -> NDArray[np.int64]:
    if n <= MOST_POINTS:
        return np.arange(1, n + 1)
    # Evenly on a logarithmic scale, the curve bends most at its beginning; all of the first few.
    return np.unique(np.round(np.geomspace(1, n, MOST_POINTS)).astype(np.int64))


def unseen_categories(n: int, once: int, twice: int) -> float:
    """Return the estimated number of categories that nobody named yet (Chao2).

    As Colwell et al. (2012): the classic form, and the bias-corrected one where no category was named by two.
    """
    if n == 0:
        return 0.0
    k = (n - 1) / n
    return k * once**2 / (2 * twice) if twice else k * once * (once - 1) / 2


def _estimated(n: int, seen: int, once: int, twice: int, unseen: float) -> NumberOfCategories | None:
    if seen == 0:
        return None
    if unseen == 0:
        return NumberOfCategories(
            value=float(seen),
            low=None,
            high=None,
            reason="no category was named by one person alone"
            if once == 0
            else "too few categories were named by one person alone",
        )
    k = (n - 1) / n
    if twice:
        r = once / twice
        variance = twice * (k / 2 * r**2 + k**2 * r**3 + k**2 / 4 * r**4)
    else:
        variance = (
            k * once * (once - 1) / 2
            + k**2 * once * (2 * once - 1) ** 2 / 4
            - k**2 * once**4 / (4 * (seen + unseen))
        )
    spread = exp(Z_95 * sqrt(log(1 + variance / unseen**2)))
    return NumberOfCategories(value=seen + unseen, low=seen + unseen / spread, high=seen + unseen * spread)


def coverage(n: int, incidences: int, once: int, twice: int) -> float | None:
    """Return Chao and Jost's estimate of how much of what people would name is named already, in [0, 1]."""
    if incidences == 0 or n < 2:
        return None
    if once == 0:
        return 1.0
    if twice == 0:
        # Their form where no category was named by two; of one alone it would be 0, so Good's is kept.
        others = (n - 1) * (once - 1)
        a = others / (others + 2) if once > 1 else 1.0
    else:
        a = (n - 1) * once / ((n - 1) * once + 2 * twice)
    return 1 - once / incidences * a


def further(n: int, once: int, unseen: float, people: int) -> float:
    """Return the expected number of new categories that so many further people would name."""
    if unseen == 0:
        return 0.0
    return unseen * (1 - (1 - once / (once + n * unseen)) ** people)


def _extrapolated(n: int, seen: int, once: int, unseen: float) -> tuple[CurvePoint, ...]:
    if seen == 0:
        return ()
    steps = np.unique(np.round(np.linspace(0, (FURTHER - 1) * n, 41)).astype(int))
    return tuple(
        CurvePoint(
            people=n + int(m),
            categories=seen + further(n, once, unseen, int(m)),
            new_of_next=further(n, once, unseen, int(m) + 1) - further(n, once, unseen, int(m)),
        )
        for m in steps
    )


def _more_people(n: int, once: int, unseen: float) -> int:
    """Return the least m such that the ten people after m further ones name fewer than one new category."""
    of_next_ten = further(n, once, unseen, 10)
    if of_next_ten < 1:
        return 0
    # Geometric: those ten name of_next_ten * q^m new ones.
    q = 1 - once / (once + n * unseen)
    m = max(int(log(1 / of_next_ten) / log(q)) - 1, 0)
    while of_next_ten * q**m >= 1:
        m += 1
    return m
