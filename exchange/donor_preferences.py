"""Weights that differ from donor to donor: every donor draws a preference of their own. Pure; keyed by a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from estimation.errors import NoWeight
from estimation.heterogeneity.preferences import PreferenceDistribution
from exchange.errors import BadRequest, MissingPriorities
from exchange.pool import FloatArray, Pool
from exchange.priorities import DonorPriorities, listed
from survey.design import Profile


def donor_priorities(
    pool: Pool, preferences: PreferenceDistribution, reference: Sequence[Profile], *, seed: int
) -> DonorPriorities:
    """Let every donor draw a preference, and return the weight that each gives to each patient.

    A donor's draw depends on the seed and the donor's id alone: whoever else is in the pool, and in which order,
    changes nothing, so that policies and pools can be compared with the same people.

    Parameters
    ----------
    reference
        The study's profiles. A donor's scores are shifted and stretched so that the best of these has weight 1 and
        the worst 0; a donor to whom all are alike gives everybody 1. Patients beyond count as the best or worst.
    seed
        At least 0.

    Raises
    ------
    BadRequest
        A negative seed, or fewer than two profiles of reference.
    MissingPriorities
        Pairs without a profile, or with one that the preferences say nothing about.

    References
    ----------
    Freedman (2020), "Aligning with heterogeneous preferences for kidney exchange", AISafety 2020, section 4.
    """
    if seed < 0:
        raise BadRequest(f"seed {seed} is negative; give 0 or more")
    if len(reference) < 2:
        raise BadRequest(
            "donors' weights need at least two profiles of the study, between which they are scaled"
        )
    profiles, of_pair = _distinct_profiles(pool)
    donors = (*(pair.id for pair in pool.pairs), *(ndd.id for ndd in pool.ndds))
    drawn = drawn_preferences(preferences, donors, seed)
    try:
        scores = preferences.log_strengths(profiles, drawn)
        ends = preferences.log_strengths(reference, drawn)
    except NoWeight as error:
        raise MissingPriorities(
            f"{pool.source}: the donors' preferences do not cover every patient: {error}; use preferences from the "
            "study that describes the pool's patients",
            [pair.id for pair in pool.pairs],
        ) from error
    weights: FloatArray = scaled_weights(scores, ends)[:, of_pair]
    return DonorPriorities(donors=donors, recipients=tuple(p.id for p in pool.pairs), weights=weights)


def drawn_preferences(preferences: PreferenceDistribution, donors: Sequence[str], seed: int) -> FloatArray:
    """Return each donor's own coefficients, shape (donors, coefficients)."""
    drawn: FloatArray = preferences.draw_each([_key(seed, donor) for donor in donors])
    return drawn


def scaled_weights(scores: FloatArray, ends: FloatArray) -> FloatArray:
    """Return donors' log-strengths of profiles as weights in [0, 1].

    Parameters
    ----------
    scores
        Shape (donors, profiles).
    ends
        Those of the profiles of reference, shape (donors, profiles of reference): the best has weight 1, the worst
        0.
    """
    worst, best = ends.min(axis=1, keepdims=True), ends.max(axis=1, keepdims=True)
    span = best - worst
    scaled = np.where(span > 0, (scores - worst) / np.where(span > 0, span, 1.0), 1.0)
    weights: FloatArray = np.clip(scaled, 0.0, 1.0)
    return weights


def _distinct_profiles(pool: Pool) -> tuple[list[Profile], list[int]]:
    """Return the profiles that occur, and for each pair which of them is its own."""
    place: dict[Profile, int] = {}
    of_pair = []
    without = []
    for pair in pool.pairs:
        if pair.profile is None:
            without.append(pair.id)
        else:
            of_pair.append(place.setdefault(pair.profile, len(place)))
    if without:
        raise MissingPriorities(
            f"{pool.source}: {len(without)} pair(s) have no profile, so donors cannot weigh {listed(without)}; use "
            "a pool with profiles, or policy 'equal'",
            without,
        )
    return list(place), of_pair


def _key(seed: int, donor: str) -> int:
    """Return a seed of the donor's own."""
    return int.from_bytes(hashlib.sha256(f"{seed}:donor:{donor}".encode()).digest()[:16], "big")
