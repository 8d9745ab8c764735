"""Simulated pools after Saidman et al. (2006), with the constants of the public code. Pure; keyed by a seed.

Randomness is keyed, not sequential: whoever is pair 7 with seed 1 is the same person, with the same arcs to pairs 0
to 6, in a pool of 8 and in a pool of 1,000. Comparing two policies or two sizes then compares like with like.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from exchange.compatibility import (
    blood_compatible,
    blood_compatible_matrix,
    crossmatch_negative,
    positive_crossmatch_probability,
)
from exchange.errors import BadRequest
from exchange.pool import Arc, BloodGroup, NonDirectedDonor, Pair, Pool
from survey.design import Profile, StudyDesign, design_hash

# Saidman, Roth, Sönmez, Ünver, Delmonico (2006), "Increasing the opportunity of live kidney donation by matching
# for two- and three-way exchanges", Transplantation 81:773-782, as coded in SaidmanPoolGenerator.java of
# Dickerson's KidneyExchange and kept by Freedman et al. (2020) in EthicalPoolGenerator.java. The same blood
# group shares serve patients, their donors and non-directed donors.
BLOOD_GROUP_SHARES = {BloodGroup.O: 0.4814, BloodGroup.A: 0.3373, BloodGroup.B: 0.1428, BloodGroup.AB: 0.0385}
FEMALE_PATIENT_SHARE = 0.4090  # same source
SPOUSAL_DONOR_SHARE = 0.4897  # same source
# Sensitization class (low, medium, high): share of patients, probability of a positive crossmatch; same source.
# Trimble's re-implementation after Glorie's thesis uses .10 for the medium class; we follow Dickerson's code.
CPRA_CLASSES = ((0.7019, 0.05), (0.2000, 0.45), (0.0981, 0.90))

CONSTANTS = (
    "Saidman et al. (2006) constants as in Dickerson's KidneyExchange code and Freedman et al. (2020): "
    "blood groups O .4814, A .3373, B .1428, AB .0385; female patient .4090; spousal donor .4897; cPRA "
    ".05/.45/.90 with shares .7019/.2000/.0981, wives 1 - .75 (1 - cPRA); compatible pairs left out"
)


class _Stream(IntEnum):
    """What a keyed stream of randomness decides. The numbers are part of every generated pool: never reuse one."""

    PAIR = 1
    PROFILE = 2
    NDD = 3
    ARCS_FROM_PAIR = 4
    ARCS_FROM_NDD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """One simulated pair before it gets an id and a profile."""

    patient: BloodGroup
    donor: BloodGroup
    cpra: float


def generate_pool(design: StudyDesign, *, n_pairs: int, n_ndds: int, seed: int) -> Pool:
    """Simulate a pool of incompatible pairs and non-directed donors whose patients the design describes.

    Profiles follow the design's ``patient_share`` where every listed profile has one; otherwise they are drawn as
    the design draws profiles for its comparisons. They are independent of blood groups and cPRA.

    Parameters
    ----------
    n_pairs, n_ndds
        Numbers of pairs and non-directed donors.
    seed
        At least 0. The same seed gives the same pool, and a larger pool contains every smaller one.

    Raises
    ------
    BadRequest
        A negative number or seed.
    """
    for name, value in (("pairs", n_pairs), ("non-directed donors", n_ndds), ("seed", seed)):
        if value < 0:
            raise BadRequest(f"{name}: {value} is negative; give 0 or more")
    drawn = [_draw_pair(_generator(seed, _Stream.PAIR, k)) for k in range(n_pairs)]
    pairs = tuple(
        Pair(
            id=f"P{k + 1}",
            patient_blood_group=person.patient,
            donor_blood_group=person.donor,
            cpra=person.cpra,
            profile=_draw_profile(design, _generator(seed, _Stream.PROFILE, k)),
        )
        for k, person in enumerate(drawn)
    )
    ndds = tuple(
        NonDirectedDonor(id=f"N{k + 1}", blood_group=_draw_blood_group(_generator(seed, _Stream.NDD, k)))
        for k in range(n_ndds)
    )
    shares = "patient shares" if _has_shares(design) else "uniform draws"
    return Pool(
        pairs=pairs,
        ndds=ndds,
        arcs=_draw_arcs(drawn, pairs, ndds, seed),
        source=f"generated: {n_pairs} pairs, {n_ndds} ndds, seed {seed}",
        attributes=design.attributes,
        is_simulated=True,
        note=(
            f"Simulated. {CONSTANTS}. Profiles by {shares} of study '{design.slug}' "
            f"version {design.version}, design hash {design_hash(design)}."
        ),
    )


def _generator(seed: int, stream: _Stream, member: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, int(stream), member))))


def _draw_blood_group(rng: np.random.Generator) -> BloodGroup:
    groups = tuple(BLOOD_GROUP_SHARES)
    return groups[_draw_index(rng, tuple(BLOOD_GROUP_SHARES.values()))]


def _draw_index(rng: np.random.Generator, shares: tuple[float, ...]) -> int:
    # Published shares are rounded and may not sum to 1 exactly, so the draw is scaled to their sum.
    steps = np.cumsum(shares)
    return int(np.searchsorted(steps, rng.random() * steps[-1], side="right"))


def _draw_pair(rng: np.random.Generator) -> _Drawn:
    while True:
        patient = _draw_blood_group(rng)
        donor = _draw_blood_group(rng)
        female = rng.random() < FEMALE_PATIENT_SHARE
        spouse = rng.random() < SPOUSAL_DONOR_SHARE
        level = CPRA_CLASSES[_draw_index(rng, tuple(share for share, _ in CPRA_CLASSES))][1]
        cpra = positive_crossmatch_probability(level, donor_is_husband=female and spouse)
        negative = bool(crossmatch_negative(rng.random(), cpra))
        if not (blood_compatible(donor, patient) and negative):
            return _Drawn(patient=patient, donor=donor, cpra=cpra)


def _has_shares(design: StudyDesign) -> bool:
    return bool(design.listed_profiles) and all(p.patient_share is not None for p in design.listed_profiles)


def _draw_profile(design: StudyDesign, rng: np.random.Generator) -> Profile:
    if not _has_shares(design):
        return design.draw_profile(rng)
    shares = tuple(float(p.patient_share or 0.0) for p in design.listed_profiles)
    return design.listed_profiles[_draw_index(rng, shares)].profile


def _draw_arcs(
    drawn: list[_Drawn], pairs: tuple[Pair, ...], ndds: tuple[NonDirectedDonor, ...], seed: int
) -> tuple[Arc, ...]:
    """Draw one crossmatch per blood-compatible donor and recipient.

    The k-th number of a donor's own stream belongs to recipient k, so an arc depends on seed, donor and recipient.
    """
    patients = [person.patient for person in drawn]
    cpra = np.array([person.cpra for person in drawn])
    donors = [
        *((pair.id, person.donor) for pair, person in zip(pairs, drawn, strict=True)),
        *((ndd.id, ndd.blood_group) for ndd in ndds if ndd.blood_group is not None),
    ]
    fits = blood_compatible_matrix([group for _, group in donors], patients)
    recipients = [pair.id for pair in pairs]
    arcs: list[Arc] = []
    for i, (donor, _) in enumerate(donors):
        if i < len(pairs):
            stream = _generator(seed, _Stream.ARCS_FROM_PAIR, i)
        else:
            stream = _generator(seed, _Stream.ARCS_FROM_NDD, i - len(pairs))
        possible = fits[i] & crossmatch_negative(stream.random(len(pairs)), cpra)
        if i < len(pairs):
            possible[i] = False
        arcs.extend(Arc(donor=donor, recipient=recipients[j]) for j in np.flatnonzero(possible))
    return tuple(arcs)
