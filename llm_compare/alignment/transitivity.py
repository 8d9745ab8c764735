"""Do choices go in circles: A before B, B before C, C before A?

References
----------
Kendall and Babington Smith (1940), Biometrika 31 (circular triads, coefficient of consistence); Aronow, Samii and
Assenova (2015), Polit. Anal. 23 (variances of what is made of pairs that share members).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from llm_compare.alignment.choices import FIRST, INDECISION, SECOND, Array, Choices, Indices, Pairing
from llm_compare.alignment.consistency import cell_sums, numbered
from llm_compare.alignment.resampling import LEVEL, Measured, Population, Resampling
from survey.design import Comparison

CHANCE = 0.25
"""Circular share of triads decided by coins."""

_NO_TRIADS = "no three patients were all compared with each other (a sparse design)"
_NONE_DECIDED = "in no three patients are all three comparisons decided"
_NO_PERSON = "no person decided all three comparisons of three patients"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideTransitivity:
    """Circular triads of one side. A triad counts where all three comparisons are decided; indecision decides
    none."""

    by_most_frequent: Measured
    """Circular share of triads, each comparison decided by its most frequent choice. Not decided: indecision is
    most frequent, or two choices are equally frequent. Many answers average out: hardly ever circular."""
    n_decided: int
    """Triads decided so."""
    by_single_answers: Measured
    """Circular share of triads made of three single answers, one drawn from each comparison (the exact mean over
    all draws): what answers are before anything is averaged."""
    within_person: Measured
    """Circular share of the triads that one person answered and decided. Of people only."""
    n_within_person: int
    """Such triads, each person's counted."""
    coefficient_of_consistence: float | None
    """Kendall's zeta of the most frequent choices: 1 no circular triad, 0 as many as there can be."""
    no_coefficient: str
    """Why there is none; empty where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitivity:
    """People and model, with what coins would give."""

    people: SideTransitivity
    model: SideTransitivity
    n_triads: int
    """Three patients all compared with each other by both sides."""
    chance: float = CHANCE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Triads:
    """Three profiles a, b, c with their comparisons, a row each."""

    profile: Indices
    """Shape (n_triads, 3)."""
    comparison: Indices
    """Of a with b, b with c, c with a; shape (n_triads, 3)."""
    forward: NDArray[np.bool_]
    """Whether the comparison's first profile is the one named first here; shape (n_triads, 3)."""
    n_profiles: int
    n_comparisons: int


def transitivity(pairing: Pairing, resampling: Resampling) -> Transitivity:
    """Measure how often choices go in circles.

    Triads are dependent where they share a patient, so intervals add up the products of all pairs of triads that do
    (for "these comparisons": that share a comparison, since only answers could have been different). Resampled
    comparisons would not do: a triad is drawn only with all three of its own, which widens intervals two- to
    threefold. Triads within persons are dependent within a person, too, which is added; triads of the people
    together are taken as these people's.
    """
    triads = triads_of(pairing.comparisons)
    by_patient = resampling.population is Population.LIKE_THESE
    sides = [_side(side, triads, pairing, by_patient, humans) for side, humans in _sides(pairing)]
    return Transitivity(people=sides[0], model=sides[1], n_triads=len(triads.profile))


def triads_of(comparisons: tuple[Comparison, ...]) -> Triads:
    """Return every three profiles that were all compared with each other."""
    profiles = list(dict.fromkeys(p for c in comparisons for p in (c.first, c.second)))
    number = {p: i for i, p in enumerate(profiles)}
    edge: dict[tuple[int, int], tuple[int, bool]] = {}
    after: list[set[int]] = [set() for _ in profiles]
    for i, c in enumerate(comparisons):
        a, b = number[c.first], number[c.second]
        edge[a, b], edge[b, a] = (i, True), (i, False)
        after[min(a, b)].add(max(a, b))
    found = [
        (a, b, c) for a in range(len(profiles)) for b in sorted(after[a]) for c in sorted(after[a] & after[b])
    ]
    edges = [(edge[a, b], edge[b, c], edge[c, a]) for a, b, c in found]
    return Triads(
        profile=np.array(found, dtype=np.intp).reshape(-1, 3),
        comparison=np.array([[e[0] for e in row] for row in edges], dtype=np.intp).reshape(-1, 3),
        forward=np.array([[e[1] for e in row] for row in edges], dtype=bool).reshape(-1, 3),
        n_profiles=len(profiles),
        n_comparisons=len(comparisons),
    )


def _sides(pairing: Pairing) -> tuple[tuple[Choices, bool], tuple[Choices, bool]]:
    return (pairing.people, True), (pairing.model, False)


def _side(
    side: Choices, triads: Triads, pairing: Pairing, by_patient: bool, humans: bool
) -> SideTransitivity:
    n_people, n_comparisons = pairing.people.n_respondents, len(pairing.comparisons)
    nothing = Measured(value=None, n_people=n_people, n_comparisons=n_comparisons)
    size = side.counts.sum(axis=1, keepdims=True)
    share = side.counts / np.where(size > 0, size, 1)
    common = most_frequent(side.counts)
    zeta, no_zeta = _consistence(common, triads)
    if not len(triads.profile):
        nothing = _because(nothing, _NO_TRIADS)
        return SideTransitivity(
            by_most_frequent=nothing,
            n_decided=0,
            by_single_answers=nothing,
            within_person=nothing,
            n_within_person=0,
            coefficient_of_consistence=zeta,
            no_coefficient=no_zeta,
        )
    circular, decided = _circular(np.eye(3)[common], triads)
    singles = _circular(share, triads)
    none = np.zeros(0)
    if humans:
        per_person, n_within = _within_persons(side, triads, nothing, by_patient)
    else:
        per_person, n_within = _because(nothing, "a model is not a person: every call stands alone"), 0
    return SideTransitivity(
        by_most_frequent=_measured(circular, decided, triads, nothing, by_patient, none),
        n_decided=round(float(decided.sum())),
        by_single_answers=_measured(*singles, triads, nothing, by_patient, none),
        within_person=per_person,
        n_within_person=n_within,
        coefficient_of_consistence=zeta,
        no_coefficient=no_zeta,
    )


def most_frequent(counts: Array) -> Indices:
    """Return the column of each row's most frequent choice; indecision where two are equally frequent, or none."""
    top = counts.max(axis=1, keepdims=True)
    alone = ((counts == top).sum(axis=1) == 1) & (top[:, 0] > 0)
    return np.where(alone, counts.argmax(axis=1), INDECISION)


def _circular(share: Array, triads: Triads) -> tuple[Array, Array]:
    """Return the probability that a triad is circular, and that it is decided; ``share`` by comparison."""
    of = share[triads.comparison]
    ahead = np.where(triads.forward, of[:, :, FIRST], of[:, :, SECOND])
    behind = np.where(triads.forward, of[:, :, SECOND], of[:, :, FIRST])
    return ahead.prod(axis=1) + behind.prod(axis=1), (ahead + behind).prod(axis=1)


def _within_persons(
    side: Choices, triads: Triads, nothing: Measured, by_patient: bool
) -> tuple[Measured, int]:
    """Return the circular share within persons; of repeated answers a person's most frequent choice counts."""
    unit, at = numbered(side.respondent, side.comparison)
    choice = most_frequent(cell_sums(side.choice, np.ones(side.n_answers), unit, len(at)))
    comparison, person = side.comparison[at], side.respondent[at]
    circular, decided = np.zeros(len(triads.profile)), np.zeros(len(triads.profile))
    by_person: list[tuple[float, float]] = []
    order = np.argsort(person, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(person[order])) + 1):
        if len(rows) < 3:
            continue
        share = np.zeros((triads.n_comparisons, 3))
        share[comparison[rows], choice[rows]] = 1
        round_, whole = _circular(share, triads)
        circular += round_
        decided += whole
        by_person.append((float(round_.sum()), float(whole.sum())))
    n = round(float(decided.sum()))
    if not n:
        return _because(nothing, _NO_PERSON), 0
    rounds, wholes = np.array(by_person).T
    apart = rounds - rounds.sum() / wholes.sum() * wholes
    return _measured(circular, decided, triads, nothing, by_patient, apart[wholes > 0]), n


def _measured(
    circular: Array, decided: Array, triads: Triads, nothing: Measured, by_patient: bool, persons: Array
) -> Measured:
    """Return a share with an interval that knows which triads share patients or comparisons.

    ``persons``: by how much each person's circular triads exceed the share, if triads are persons'.
    """
    total = float(decided.sum())
    if total == 0:
        return _because(nothing, _NONE_DECIDED)
    value = float(circular.sum()) / total
    apart = circular - value * decided
    own = float((apart**2).sum())
    # Two triads share no patient, one, or two, that is, a comparison: each pair must count once.
    by_comparison = np.bincount(
        triads.comparison.ravel(), weights=np.repeat(apart, 3), minlength=triads.n_comparisons
    )
    variance = float((by_comparison**2).sum()) - 2 * own
    used = decided > 0
    clusters = len(np.unique(triads.comparison[used]))
    if by_patient:
        of_profile = np.bincount(
            triads.profile.ravel(), weights=np.repeat(apart, 3), minlength=triads.n_profiles
        )
        variance = float((of_profile**2).sum()) - float((by_comparison**2).sum()) + own
        clusters = len(np.unique(triads.profile[used]))
    if len(persons):
        # Each pair of a person's triads, whatever they share; those of one triad are counted above already.
        variance = max(variance, own) + float((persons**2).sum())
        clusters = min(clusters, len(persons))
    se = float(np.sqrt(max(variance, own))) / total
    if clusters < 3:
        return _because(nothing, "too few patients or persons for an interval", value)
    low, high = 0.0, 1.0
    if se > 0:
        half = float(stats.t.ppf((1 + LEVEL) / 2, clusters - 1)) * se
        low, high = max(0.0, value - half), min(1.0, value + half)
    else:
        # Rule of three: of so many clusters without an exception, up to 3/n may be exceptions.
        exceptions = min(1.0, 3 / clusters)
        low, high = value * (1 - exceptions), value + exceptions * (1 - value)
    return Measured(
        value=value,
        low=low,
        high=high,
        se=se,
        n_people=nothing.n_people,
        n_comparisons=nothing.n_comparisons,
    )


def _because(nothing: Measured, reason: str, value: float | None = None) -> Measured:
    return Measured(
        value=value, n_people=nothing.n_people, n_comparisons=nothing.n_comparisons, reason=reason
    )


def _consistence(common: Indices, triads: Triads) -> tuple[float | None, str]:
    n = triads.n_profiles
    if n < 3 or triads.n_comparisons < n * (n - 1) // 2:
        return None, "needs a comparison of every patient with every other"
    if (common == INDECISION).any():
        return (
            None,
            f"{int((common == INDECISION).sum())} of {triads.n_comparisons} comparisons are undecided",
        )
    circular, _ = _circular(np.eye(3)[common], triads)
    most = (n**3 - n) / 24 if n % 2 else (n**3 - 4 * n) / 24
    return 1 - float(circular.sum()) / most, ""
