"""Simulated pools after Saidman et al. (2006). Pure; keyed by a seed.

Randomness is keyed, not sequential: whoever is pair 7 with seed 1 is the same person, with the same arcs to pairs 0
to 6, in a pool of 8 and in a pool of 1,000. Comparing two policies or two sizes then compares like with like.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from exchange.arc_success import SURE, SuccessRule, success_probability
from exchange.compatibility import (
    always_positive_probability,
    blood_compatible,
    crossmatch_negative,
    positive_crossmatch_probability,
    possible_transplants,
)
from exchange.errors import BadRequest
from exchange.pool import Arc, BloodGroup, BoolArray, NonDirectedDonor, Pair, Pool
from exchange.pool_model import SAIDMAN, PoolModel, compatible_share
from survey.design import Profile, StudyDesign, design_hash
from survey.errors import BadProfile

LEAST_INCOMPATIBLE_SHARE = 1e-3
"""Where fewer pairs than this are incompatible, drawing until one is takes too long."""


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
    is_compatible: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Profiles:
    """Profiles to draw with given shares; without any, the design draws them as for its comparisons."""

    design: StudyDesign
    listed: tuple[Profile, ...]
    shares: tuple[float, ...]
    words: str
    """Where they come from, for the pool's note."""

    def draw(self, rng: np.random.Generator) -> Profile:
        if not self.listed:
            return self.design.draw_profile(rng)
        return self.listed[_draw_index(rng, self.shares)]


def generate_pool(
    design: StudyDesign,
    *,
    n_pairs: int,
    n_ndds: int,
    seed: int,
    model: PoolModel = SAIDMAN,
    keep_compatible: bool = False,
    success: SuccessRule = SURE,
) -> Pool:
    """Simulate a pool of pairs and non-directed donors whose patients the design describes.

    Profiles have the model's shares where it has some; otherwise the design's ``patient_share`` where every listed
    profile has one; otherwise they are drawn as the design draws profiles for its comparisons. They are independent
    of blood groups and cPRA.

    Parameters
    ----------
    n_pairs, n_ndds
        Numbers of pairs and non-directed donors.
    seed
        At least 0. The same seed gives the same pool, and a larger pool contains every smaller one.
    model
        Constants to draw from.
    keep_compatible
        Whether pairs whose donor fits the own patient stay in the pool, counted in ``n_pairs``, with an arc to
        themselves. Otherwise others are drawn in their place, as in the published generators.
    success
        Gives each arc its success probability by the recipient's cPRA. A compatible pair's arc to itself has 1: its
        crossmatch is made, and nothing has to be arranged with others.

    Raises
    ------
    BadRequest
        A negative number or seed; a model with profiles that the study does not have, or with almost no
        incompatible pairs.
    """
    for name, value in (("pairs", n_pairs), ("non-directed donors", n_ndds), ("seed", seed)):
        if value < 0:
            raise BadRequest(f"{name}: {value} is negative; give 0 or more")
    if not keep_compatible and 1.0 - compatible_share(model) < LEAST_INCOMPATIBLE_SHARE:
        raise BadRequest(
            f"model '{model.name}': hardly any pair is incompatible, so none can be drawn; "
            "change its constants, or keep compatible pairs"
        )
    profiles = _profiles(design, model)
    drawn = [
        _draw_pair(_generator(seed, _Stream.PAIR, k), model, keep_compatible=keep_compatible)
        for k in range(n_pairs)
    ]
    pairs = tuple(
        Pair(
            id=f"P{k + 1}",
            patient_blood_group=person.patient,
            donor_blood_group=person.donor,
            cpra=person.cpra,
            profile=profiles.draw(_generator(seed, _Stream.PROFILE, k)),
            is_compatible=person.is_compatible,
        )
        for k, person in enumerate(drawn)
    )
    ndd_groups = [
        _draw_group(_generator(seed, _Stream.NDD, k), model.ndd_blood_groups) for k in range(n_ndds)
    ]
    ndds = tuple(NonDirectedDonor(id=f"N{k + 1}", blood_group=group) for k, group in enumerate(ndd_groups))
    possible = _possible_arcs(drawn, ndd_groups, model, seed)
    n_compatible = sum(person.is_compatible for person in drawn)
    compatible = f"{n_compatible} of {n_pairs} pairs compatible" if keep_compatible else "left out"
    words = [
        f"Simulated. {model.description}; compatible pairs {'kept, ' if keep_compatible else ''}{compatible}.",
        f"Profiles by {profiles.words} of study '{design.slug}' "
        f"version {design.version}, design hash {design_hash(design)}.",
    ]
    if success != SURE:
        words.append(f"{success.description[0].upper()}{success.description[1:]}.")
    return Pool(
        pairs=pairs,
        ndds=ndds,
        arcs=tuple(_arcs(possible, pairs, ndds, success)),
        source=_source(n_pairs, n_ndds, seed, model, keep_compatible=keep_compatible, success=success),
        attributes=design.attributes,
        is_simulated=True,
        note=" ".join(words),
    )


def _source(
    n_pairs: int, n_ndds: int, seed: int, model: PoolModel, *, keep_compatible: bool, success: SuccessRule
) -> str:
    parts = [f"generated: {n_pairs} pairs", f"{n_ndds} ndds", f"seed {seed}"]
    if model != SAIDMAN:
        parts.append(f"model {model.name}")
    if keep_compatible:
        parts.append("compatible pairs kept")
    if success != SURE:
        parts.append(f"success {success.name}")
    return ", ".join(parts)


def _generator(seed: int, stream: _Stream, member: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, int(stream), member))))


def _draw_index(rng: np.random.Generator, shares: Sequence[float]) -> int:
    # Published shares are rounded and may not sum to 1 exactly, so the draw is scaled to their sum.
    steps = np.cumsum(shares)
    return int(np.searchsorted(steps, rng.random() * steps[-1], side="right"))


def _draw_group(rng: np.random.Generator, shares: Mapping[BloodGroup, float]) -> BloodGroup:
    groups = tuple(BloodGroup)
    return groups[_draw_index(rng, [shares[group] for group in groups])]


def _draw_pair(rng: np.random.Generator, model: PoolModel, *, keep_compatible: bool) -> _Drawn:
    while True:
        patient = _draw_group(rng, model.patient_blood_groups)
        donor = _draw_group(rng, model.donor_blood_groups)
        female = rng.random() < model.female_patient
        spouse = rng.random() < model.spousal_donor
        level = model.cpra_classes[_draw_index(rng, [c.share for c in model.cpra_classes])]
        cpra = positive_crossmatch_probability(
            level.positive_crossmatch,
            donor_is_husband=female and spouse,
            wife_factor=model.wife_negative_crossmatch_factor,
        )
        negative = bool(crossmatch_negative(rng.random(), cpra))
        is_compatible = blood_compatible(donor, patient) and negative
        if keep_compatible or not is_compatible:
            return _Drawn(patient=patient, donor=donor, cpra=cpra, is_compatible=is_compatible)


def _profiles(design: StudyDesign, model: PoolModel) -> _Profiles:
    if model.profile_shares:
        listed = tuple(_profile_of(design, model, dict(p.values)) for p in model.profile_shares)
        shares = tuple(p.share for p in model.profile_shares)
        each = ", ".join(f"{profile.id} {share:.6g}" for profile, share in zip(listed, shares, strict=True))
        return _Profiles(design=design, listed=listed, shares=shares, words=f"the model's shares ({each})")
    if design.listed_profiles and all(p.patient_share is not None for p in design.listed_profiles):
        return _Profiles(
            design=design,
            listed=tuple(p.profile for p in design.listed_profiles),
            shares=tuple(float(p.patient_share or 0.0) for p in design.listed_profiles),
            words="patient shares",
        )
    return _Profiles(design=design, listed=(), shares=(), words="uniform draws")


def _profile_of(design: StudyDesign, model: PoolModel, values: Mapping[str, object]) -> Profile:
    try:
        profile = design.profile(values)
    except BadProfile as error:
        raise BadRequest(
            f"model '{model.name}' draws profiles that study '{design.slug}' does not have: {error}; "
            "take the study they belong to (for freedman2020 that is kidney-8), or another model"
        ) from None
    known = design.profiles()
    if known is not None and profile not in known:
        raise BadRequest(
            f"model '{model.name}' draws the profile {profile.id}, which study '{design.slug}' does not list; "
            "list it there, or leave it out of the model"
        )
    return profile


def _possible_arcs(
    drawn: Sequence[_Drawn], ndd_groups: Sequence[BloodGroup], model: PoolModel, seed: int
) -> BoolArray:
    """Draw one crossmatch per donor (rows: pairs, then ndds) and recipient (columns).

    The k-th number of a donor's own stream belongs to recipient k, so an arc depends on seed, donor and recipient.
    """
    n_pairs, n_ndds = len(drawn), len(ndd_groups)
    streams = [
        *((_Stream.ARCS_FROM_PAIR, k) for k in range(n_pairs)),
        *((_Stream.ARCS_FROM_NDD, k) for k in range(n_ndds)),
    ]
    draws = np.empty((n_pairs + n_ndds, n_pairs))
    for row, (stream, member) in enumerate(streams):
        _generator(seed, stream, member).random(out=draws[row])
    # A number beyond the probability that all tests are positive is a negative test among them; so a pool with more
    # tests has every arc of one with fewer.
    tests = np.repeat([model.crossmatch_tests, 1], [n_pairs, n_ndds])[:, np.newaxis]
    possible = possible_transplants(
        [*(person.donor for person in drawn), *ndd_groups],
        [person.patient for person in drawn],
        positive_probability=always_positive_probability([person.cpra for person in drawn], tests),
        draws=draws,
    )
    own = np.arange(n_pairs)
    possible[own, own] = [person.is_compatible for person in drawn]
    return possible


def _arcs(
    possible: BoolArray, pairs: Sequence[Pair], ndds: Sequence[NonDirectedDonor], success: SuccessRule
) -> Iterable[Arc]:
    recipients = [pair.id for pair in pairs]
    cpra = [0.0 if pair.cpra is None else pair.cpra for pair in pairs]
    likely: list[float] = success_probability(success, cpra).tolist()
    for i, donor in enumerate((*recipients, *(ndd.id for ndd in ndds))):
        for j in np.flatnonzero(possible[i]).tolist():
            yield Arc(donor=donor, recipient=recipients[j], success_probability=1.0 if i == j else likely[j])
