"""Simulated people: who is pair 7, what describes them, and whose donor their patient can receive from. Pure.

Randomness is keyed, not sequential: whoever is pair 7 with seed 1 is the same person, with the same crossmatches
to pairs 0 to 6, in a pool of 8, in a pool of 1,000 and on every day of a simulation. Comparing two policies or two
sizes then compares like with like.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate

import numpy as np

from exchange.compatibility import blood_compatible, positive_crossmatch_probability
from exchange.errors import BadRequest
from exchange.pool import BloodGroup
from exchange.pool_model import PoolModel, compatible_share
from survey.design import Profile, StudyDesign
from survey.errors import BadProfile

LEAST_INCOMPATIBLE_SHARE = 1e-3
"""Where fewer pairs than this are incompatible, drawing until one is takes too long."""
_NUMBERS_PER_STEP = 4
"""Of the generator: what one step of its counter yields."""


class Stream(IntEnum):
    """What a keyed stream of randomness decides. The numbers are part of every result: never reuse one."""

    PAIR = 1
    PROFILE = 2
    NDD = 3
    ARCS_FROM_PAIR = 4
    ARCS_FROM_NDD = 5
    ARRIVING_PAIRS = 6
    ARRIVING_NDDS = 7
    STAY = 8
    NDD_STAY = 9
    FAILURE = 11
    RENEGE = 12
    SENSITIZATION = 13
    GRAFT = 14
    NEW_DONOR = 15
    ARCS_FROM_NEW_DONOR = 16
    ARCS_FROM_FIRST_POOL = 17
    ARCS_TO_FIRST_POOL = 18


def keyed(seed: int, stream: Stream, *member: int) -> np.random.Generator:
    """Return the generator of one stream of one member: a pair, or a donor and a recipient."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, int(stream), *member))))


def skip(rng: np.random.Generator, count: int) -> None:
    """Move a fresh keyed generator ``count`` numbers ahead, as fast for a million as for one."""
    steps, rest = divmod(count, _NUMBERS_PER_STEP)
    if steps:
        rng.bit_generator.advance(steps)  # type: ignore[attr-defined]  # Philox has it; the base class does not say.
    if rest:
        rng.random(rest)


class Shares:
    """Shares to draw from; published ones are rounded and may not sum to 1, so a draw is scaled to their sum."""

    def __init__(self, shares: Sequence[float]) -> None:
        self._steps = list(accumulate(float(share) for share in shares))

    def draw(self, rng: np.random.Generator) -> int:
        """Return the index of the share that was drawn."""
        return bisect_right(self._steps, rng.random() * self._steps[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A patient and their donor before they get an id and a profile."""

    patient: BloodGroup
    donor: BloodGroup
    cpra: float
    is_compatible: bool


class PersonDraw:
    """Draws patients with their donors from a model's constants.

    Raises
    ------
    BadRequest
        Almost no pair of the model is incompatible, so that none would be left to draw.
    """

    def __init__(self, model: PoolModel, *, keep_compatible: bool = False) -> None:
        if not keep_compatible and 1.0 - compatible_share(model) < LEAST_INCOMPATIBLE_SHARE:
            raise BadRequest(
                f"model '{model.name}': hardly any pair is incompatible, so none can be drawn; "
                "change its constants, or keep compatible pairs"
            )
        self._model, self._keep_compatible = model, keep_compatible
        self._patients = GroupDraw(model.patient_blood_groups)
        self._donors = GroupDraw(model.donor_blood_groups)
        self._levels = Shares([c.share for c in model.cpra_classes])

    def draw(self, rng: np.random.Generator) -> Person:
        """Return the next pair that would join a pool."""
        model = self._model
        while True:
            patient = self._patients.draw(rng)
            donor = self._donors.draw(rng)
            female = rng.random() < model.female_patient
            spouse = rng.random() < model.spousal_donor
            cpra = positive_crossmatch_probability(
                model.cpra_classes[self._levels.draw(rng)].positive_crossmatch,
                donor_is_husband=female and spouse,
                wife_factor=model.wife_negative_crossmatch_factor,
            )
            negative = rng.random() >= cpra
            is_compatible = blood_compatible(donor, patient) and negative
            if self._keep_compatible or not is_compatible:
                return Person(patient=patient, donor=donor, cpra=cpra, is_compatible=is_compatible)

    def draw_donor(self, rng: np.random.Generator, patient: BloodGroup, cpra: float) -> BloodGroup:
        """Return the blood group of another donor of a patient, who fits them no better than the first did."""
        while True:
            donor = self._donors.draw(rng)
            negative = rng.random() >= cpra
            if not (blood_compatible(donor, patient) and negative):
                return donor


class GroupDraw:
    """Draws blood groups by their shares."""

    _groups = tuple(BloodGroup)

    def __init__(self, shares: Mapping[BloodGroup, float]) -> None:
        self._shares = Shares([shares[group] for group in self._groups])

    def draw(self, rng: np.random.Generator) -> BloodGroup:
        """Return one group."""
        return self._groups[self._shares.draw(rng)]


class ProfileDraw:
    """Draws patients' profiles.

    They have the model's shares where it has some; otherwise the design's ``patient_share`` where every listed
    profile has one; otherwise they are drawn as the design draws profiles for its comparisons. They are independent
    of blood groups and cPRA.

    Raises
    ------
    BadRequest
        The model has profiles that the study does not have.
    """

    def __init__(self, design: StudyDesign, model: PoolModel) -> None:
        self._design = design
        self.listed: tuple[Profile, ...] = ()
        """The profiles that have shares; empty where the design draws."""
        self.words = "uniform draws"
        """Where the profiles come from."""
        shares: Sequence[float] = ()
        if model.profile_shares:
            self.listed = tuple(_profile_of(design, model, dict(p.values)) for p in model.profile_shares)
            shares = [p.share for p in model.profile_shares]
            each = ", ".join(f"{p.id} {share:.6g}" for p, share in zip(self.listed, shares, strict=True))
            self.words = f"the model's shares ({each})"
        elif design.listed_profiles and all(p.patient_share is not None for p in design.listed_profiles):
            self.listed = tuple(p.profile for p in design.listed_profiles)
            shares = [float(p.patient_share or 0.0) for p in design.listed_profiles]
            self.words = "patient shares"
        self._shares = Shares(shares)

    def draw(self, rng: np.random.Generator) -> Profile:
        """Return one profile."""
        return self.listed[self._shares.draw(rng)] if self.listed else self._design.draw_profile(rng)


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
