"""Everybody who ever arrives in a scenario with a seed: the same people under every condition. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import floor, gamma, log, log1p

import numpy as np

from exchange.people import GroupDraw, Person, PersonDraw, ProfileDraw, Stream, keyed
from exchange.pool import BloodGroup
from exchange.simulation.scenario import NEWCOMER, ArrivalLaw, Arrivals, Scenario, Stay, StayLaw
from survey.design import Profile, StudyDesign

DAYS_PER_YEAR = 365.0
FOREVER = 2**31
"""A day that never comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A pair on the day it joins the pool."""

    id: str
    day: int
    leaves: int
    """First day on which the pair is gone, unless it was transplanted before."""
    patient: BloodGroup
    donor: BloodGroup
    cpra: float
    profile: Profile
    lot: float
    """Settles ties, in [0, 1)."""
    key: tuple[Stream, int]
    """Stream and member that the donor's crossmatches are drawn from."""
    patient_key: int
    """Place of the patient in every donor's stream. Negative: -1 for the first of the first pool, -2 ..."""
    sensitized_on: tuple[int, ...] = ()
    """Days on which antibodies of the patient come to rule out more donors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NddArrival:
    """A non-directed donor on the day they join the pool."""

    id: str
    day: int
    leaves: int
    group: BloodGroup
    key: tuple[Stream, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """Arrivals in order."""

    pairs: tuple[Arrival, ...]
    ndds: tuple[NddArrival, ...]


@dataclass(frozen=True, slots=True)
class _Key:
    """What a population depends on; equal if it is the same, though a worker gets new objects for every run."""

    scenario: Scenario
    design: StudyDesign
    seed: int

    def __hash__(self) -> int:
        return hash((self.scenario.name, self.design.slug, self.seed))


@lru_cache(maxsize=2)
def _cached(key: _Key) -> Population:
    return draw_population(key.scenario, key.design, key.seed)


def population_of(scenario: Scenario, design: StudyDesign, seed: int) -> Population:
    """Return :func:`draw_population`, kept while the conditions of a seed are run one after the other."""
    return _cached(_Key(scenario, design, seed))


def draw_population(scenario: Scenario, design: StudyDesign, seed: int) -> Population:
    """Draw who arrives when, who they are, and how long they stay.

    The k-th pair that arrives is the k-th pair of :func:`exchange.pool_generator.generate_pool` with the same
    model, design and seed.
    """
    numbers = arrival_numbers(scenario.arrivals, scenario.days, keyed(seed, Stream.ARRIVING_PAIRS))
    people, profiles = PersonDraw(scenario.model), ProfileDraw(design, scenario.model)
    first = _first_pairs(scenario, profiles, seed)
    pairs = list(first)
    for k, day in enumerate(np.repeat(np.arange(scenario.days), numbers).tolist()):
        person = people.draw(keyed(seed, Stream.PAIR, k))
        pairs.append(
            _arrival(
                scenario,
                seed,
                k,
                day,
                person,
                _profile(scenario, profiles, keyed(seed, Stream.PROFILE, k)),
                bool(first),
            )
        )
    return Population(pairs=tuple(pairs), ndds=tuple(_ndds(scenario, seed)))


def _arrival(
    scenario: Scenario, seed: int, k: int, day: int, person: Person, profile: Profile, has_first: bool
) -> Arrival:
    rng = keyed(seed, Stream.STAY, k)
    return Arrival(
        id=f"{NEWCOMER}P{k + 1}" if has_first else f"P{k + 1}",
        day=day,
        leaves=day + days_of_stay(scenario.stay, rng),
        lot=rng.random(),
        patient=person.patient,
        donor=person.donor,
        cpra=person.cpra,
        profile=profile,
        key=(Stream.ARCS_FROM_PAIR, k),
        patient_key=k,
        sensitized_on=_sensitizations(scenario, seed, day, k),
    )


def _profile(scenario: Scenario, profiles: ProfileDraw, rng: np.random.Generator) -> Profile:
    imported = scenario.imported_profiles
    return imported[int(rng.integers(len(imported)))] if imported else profiles.draw(rng)


def _first_pairs(scenario: Scenario, profiles: ProfileDraw, seed: int) -> list[Arrival]:
    """Return those who wait already; whoever has no profile gets one like everybody else."""
    pairs = []
    for f, pair in enumerate(() if scenario.first_pool is None else scenario.first_pool.pairs):
        # The scenario has checked that nothing is missing.
        assert pair.patient_blood_group  # noqa: S101
        assert pair.donor_blood_group  # noqa: S101
        assert pair.cpra is not None  # noqa: S101
        rng = keyed(seed, Stream.STAY, f, 1)
        pairs.append(
            Arrival(
                id=pair.id,
                day=0,
                leaves=days_of_stay(scenario.stay, rng),
                lot=rng.random(),
                patient=pair.patient_blood_group,
                donor=pair.donor_blood_group,
                cpra=pair.cpra,
                profile=pair.profile or _profile(scenario, profiles, keyed(seed, Stream.PROFILE, f, 1)),
                key=(Stream.ARCS_FROM_FIRST_POOL, f),
                patient_key=-1 - f,
                sensitized_on=_sensitizations(scenario, seed, 0, f, 1),
            )
        )
    return pairs


def _ndds(scenario: Scenario, seed: int) -> list[NddArrival]:
    if not scenario.chain_cap:
        return []
    groups = GroupDraw(scenario.model.ndd_blood_groups)
    found = []
    known = () if scenario.first_pool is None else scenario.first_pool.ndds
    for f, ndd in enumerate(known):
        assert ndd.blood_group is not None  # noqa: S101 - checked by the scenario
        rng = keyed(seed, Stream.NDD_STAY, f, 1)
        found.append(
            NddArrival(
                id=ndd.id,
                day=0,
                leaves=days_of_stay(scenario.ndd_stay, rng),
                group=ndd.blood_group,
                key=(
                    Stream.ARCS_FROM_FIRST_POOL,
                    len(scenario.first_pool.pairs if scenario.first_pool else ()) + f,
                ),
            )
        )
    numbers = arrival_numbers(scenario.ndd_arrivals, scenario.days, keyed(seed, Stream.ARRIVING_NDDS))
    for k, day in enumerate(np.repeat(np.arange(scenario.days), numbers).tolist()):
        rng = keyed(seed, Stream.NDD_STAY, k)
        found.append(
            NddArrival(
                id=f"{NEWCOMER}N{k + 1}" if scenario.first_pool is not None else f"N{k + 1}",
                day=day,
                leaves=day + days_of_stay(scenario.ndd_stay, rng),
                group=groups.draw(keyed(seed, Stream.NDD, k)),
                key=(Stream.ARCS_FROM_NDD, k),
            )
        )
    return found


def _sensitizations(scenario: Scenario, seed: int, arrived: int, *member: int) -> tuple[int, ...]:
    rate = scenario.sensitization.yearly_rate / DAYS_PER_YEAR
    if not rate:
        return ()
    rng = keyed(seed, Stream.SENSITIZATION, *member)
    days, at = [], float(arrived)
    while (at := at + rng.exponential(1.0 / rate)) < scenario.days:
        days.append(floor(at))
    return tuple(days)


def arrival_numbers(arrivals: Arrivals, n_days: int, rng: np.random.Generator) -> list[int]:
    """Draw how many arrive on each day; the first days are the same however many are asked for."""
    mean = arrivals.mean
    if arrivals.law is ArrivalLaw.LISTED:
        return [arrivals.numbers[day % len(arrivals.numbers)] for day in range(n_days)]
    if not mean:
        return [0] * n_days
    if arrivals.law is ArrivalLaw.REGULAR:
        # A rounding error of the mean must not lose somebody: 0.1 ten times is one.
        total = [floor(mean * day + 1e-9) for day in range(n_days + 1)]
        return [after - before for before, after in pairwise(total)]
    if arrivals.law is ArrivalLaw.FLOOR_EXPONENTIAL:
        return [floor(number) for number in rng.exponential(mean, n_days).tolist()]
    if arrivals.law is ArrivalLaw.NEGATIVE_BINOMIAL:
        n = arrivals.dispersion
        return [int(rng.poisson(rng.gamma(n, mean / n))) for _ in range(n_days)]
    return [int(number) for number in rng.poisson(mean, n_days)]


def days_of_stay(stay: Stay, rng: np.random.Generator) -> int:
    """Draw how many days somebody stays who is not matched; 0: they leave on the day they came."""
    drawn = 1.0 - rng.random()  # In (0, 1], so that its logarithm exists.
    if stay.law is StayLaw.FOREVER:
        return FOREVER
    if stay.law is StayLaw.CONSTANT_RISK:
        if stay.daily_risk <= 0:
            return FOREVER
        # A tiny risk may make it infinite.
        return floor(min(log(drawn) / log1p(-stay.daily_risk), FOREVER)) if stay.daily_risk < 1 else 0
    if stay.law is StayLaw.FIXED:
        return floor(stay.mean_days)
    if stay.law is StayLaw.EXPONENTIAL:
        days = -stay.mean_days * log(drawn)
    else:
        scale = stay.mean_days / gamma(1.0 + 1.0 / stay.shape)
        days = scale * (-log(drawn)) ** (1.0 / stay.shape)
    return min(max(floor(min(days, FOREVER)), stay.least_days), stay.most_days)


def returning_day(scenario: Scenario, seed: int, transplanted: int, *patient: int) -> int | None:
    """Return the day on which a transplanted patient joins the pool again, None for never or after the end."""
    failure = scenario.graft_failure
    if not failure.yearly_rate or not failure.returns:
        return None
    rng = keyed(seed, Stream.GRAFT, *patient)
    lasts = rng.exponential(DAYS_PER_YEAR / failure.yearly_rate)
    if rng.random() >= failure.returns:
        return None
    day = transplanted + 1 + floor(lasts)
    return day if day < scenario.days else None
