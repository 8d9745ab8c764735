"""A pool over years: day after day, who arrives, leaves, is planned and receives. Pure; keyed by a seed.

The same people arrive, with the same crossmatches, stays and failures, under every condition: what differs between
two conditions with one seed is what they did.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from estimation.errors import NoWeight
from exchange.arc_success import SURE, success_probability
from exchange.errors import BadRequest, MissingPriorities
from exchange.people import PersonDraw, Stream, keyed
from exchange.pool import BoolArray
from exchange.simulation.condition import Condition, DonorPreferences
from exchange.simulation.ledger import Entry, Ledger
from exchange.simulation.planning import PlannedExchange, Planner
from exchange.simulation.population import (
    Arrival,
    NddArrival,
    Population,
    days_of_stay,
    population_of,
    returning_day,
)
from exchange.simulation.record import NEVER, RunRecord
from exchange.simulation.scenario import Scenario
from exchange.simulation.valuation import Opinions, Valuation
from exchange.simulation.waiting_pool import WaitingPool, enlarged
from survey.design import Profile, StudyDesign

ENGINE_VERSION = 1
"""Raised when the same seed gives other results, so that old results are not taken for new ones."""


def simulate(
    scenario: Scenario,
    design: StudyDesign,
    condition: Condition,
    *,
    seed: int,
    ranks_by: DonorPreferences | None = None,
) -> RunRecord:
    """Simulate one run.

    Parameters
    ----------
    design
        The study that describes the patients.
    seed
        At least 0.
    ranks_by
        Preferences that donors draw, by which the ranks of recipients are counted; they change nothing else.

    Raises
    ------
    BadRequest
        A negative seed; a model with profiles that the study does not have.
    MissingPriorities
        The weights do not cover every patient.
    """
    if seed < 0:
        raise BadRequest(f"seed {seed} is negative; give 0 or more")
    return _Run(scenario, design, condition, seed, ranks_by).run()


@dataclass(slots=True, kw_only=True)
class _Donor:
    """A non-directed or bridge donor."""

    id: str
    place: int
    leaves: int
    is_bridge: bool
    is_gone: bool = False


@dataclass(slots=True, kw_only=True)
class _Plan:
    """An exchange between its match run and its transplants."""

    exchange: PlannedExchange
    is_over: bool = False


@lru_cache(maxsize=4)
def _opinions_of(preferences: DonorPreferences, population: Population, seed: int) -> Opinions:
    donors = [*(pair.id for pair in population.pairs), *(ndd.id for ndd in population.ndds)]
    return Opinions(preferences, _profiles_in(population), donors, seed)


def _profiles_in(population: Population) -> list[Profile]:
    return list(dict.fromkeys(pair.profile for pair in population.pairs))


class _Run:
    """The state of one run."""

    def __init__(
        self,
        scenario: Scenario,
        design: StudyDesign,
        condition: Condition,
        seed: int,
        ranks_by: DonorPreferences | None,
    ) -> None:
        self.scenario, self.design, self.condition, self.seed = scenario, design, condition, seed
        self.population = population_of(scenario, design, seed)
        self.success = scenario.success
        self.waiting = WaitingPool(
            seed,
            scenario.model.crossmatch_tests,
            scenario.first_pool,
            keeps_draws=scenario.sensitization.yearly_rate > 0,
            same_day_tests=scenario.same_day_crossmatch_tests,
        )
        opinions = None
        if condition.preferences is not None:
            opinions = _opinions_of(condition.preferences, self.population, seed)
        self.ranks = None if ranks_by is None else _opinions_of(ranks_by, self.population, seed)
        self.valuation = Valuation(
            condition,
            scenario.success,
            self.waiting,
            self._weights(),
            opinions,
            cycle_cap=scenario.cycle_cap,
        )
        self.planner = Planner(scenario, condition, self.waiting, self.valuation)
        self.people = PersonDraw(scenario.model)
        self.free: BoolArray = np.zeros(self.waiting.n_places, dtype=np.bool_)
        self.waiting.grown.append(self._grow)
        self.ledger = Ledger()
        self.at: dict[int, Entry] = {}
        self.donor_at: dict[int, _Donor] = {}
        self.plan_of: dict[int, _Plan] = {}
        self.active: list[int] = []
        self.active_donors: list[int] = []
        self.leaving: defaultdict[int, list[Entry | _Donor]] = defaultdict(list)
        self.sensitized: defaultdict[int, list[Entry]] = defaultdict(list)
        self.returning: defaultdict[int, list[Entry]] = defaultdict(list)
        self.due: defaultdict[int, list[_Plan]] = defaultdict(list)
        self.day = 0

    def run(self) -> RunRecord:
        pairs, ndds = iter(self.population.pairs), iter(self.population.ndds)
        next_pair, next_ndd = next(pairs, None), next(ndds, None)
        for day in range(self.scenario.days):
            self.day = day
            self.ledger.begin_day(day)
            while next_pair is not None and next_pair.day == self.day:
                self.arrive(next_pair)
                next_pair = next(pairs, None)
            while next_ndd is not None and next_ndd.day == self.day:
                self.arrive_ndd(next_ndd)
                next_ndd = next(ndds, None)
            for entry in self.returning.pop(self.day, ()):
                self.come_back(entry)
            for somebody in self.leaving.pop(self.day, ()):
                self.leave(somebody)
            for entry in self.sensitized.pop(self.day, ()):
                self.sensitize(entry)
            for plan in self.due.pop(self.day, ()):
                self.carry_out(plan)
            if self.day % self.scenario.match_every_days == 0:
                self.match()
            bridges = sum(donor.is_bridge for donor in self.donor_at.values())
            self.ledger.end_day(n_ndds=len(self.donor_at) - bridges, n_bridge_donors=bridges)
        return self.ledger.record(self.scenario, self.design, self.condition.name, self.seed)

    def arrive(self, arrival: Arrival) -> None:
        entry = Entry(
            id=arrival.id,
            arrival=arrival,
            number=1,
            day=self.day,
            leaves=arrival.leaves,
            cpra=arrival.cpra,
            cpra_at_arrival=arrival.cpra,
            donor=arrival.donor,
        )
        self.begin(entry, self.waiting.admit(arrival))

    def come_back(self, before: Entry) -> None:
        """Let a patient in whose graft has failed, with another donor."""
        arrival, number = before.arrival, before.number + 1
        member = (*_member(arrival), number)
        rng = keyed(self.seed, Stream.NEW_DONOR, *member)
        cpra = before.cpra + (1.0 - before.cpra) * self.scenario.graft_failure.increase
        entry = Entry(
            id=f"{arrival.id}-{number}",
            arrival=arrival,
            number=number,
            day=self.day,
            leaves=self.day + days_of_stay(self.scenario.stay, rng),
            cpra=cpra,
            cpra_at_arrival=cpra,
            donor=self.people.draw_donor(rng, arrival.patient, cpra),
        )
        key = (Stream.ARCS_FROM_NEW_DONOR, member)
        self.begin(entry, self.waiting.admit(arrival, cpra=cpra, donor=entry.donor, key=key))

    def begin(self, entry: Entry, place: int) -> None:
        entry.place = place
        self.valuation.admit(place, entry.id, entry.arrival.profile)
        self.ledger.arrive(entry)
        self.at[place] = entry
        self.free[place] = True
        self.active.append(place)
        if entry.leaves < self.scenario.days:
            self.leaving[entry.leaves].append(entry)
        for day in entry.arrival.sensitized_on:
            if day >= self.day:
                self.sensitized[day].append(entry)

    def arrive_ndd(self, arrival: NddArrival) -> None:
        place = self.waiting.admit_ndd(arrival.group, arrival.key)
        self.valuation.admit(place, arrival.id, None)
        self.offer(_Donor(id=arrival.id, place=place, leaves=arrival.leaves, is_bridge=False))

    def offer(self, donor: _Donor) -> None:
        """Let a donor who is free to begin a chain wait for one."""
        self.donor_at[donor.place] = donor
        self.active_donors.append(donor.place)
        if donor.leaves < self.scenario.days:
            self.leaving[donor.leaves].append(donor)

    def leave(self, somebody: Entry | _Donor) -> None:
        if isinstance(somebody, _Donor):
            if somebody.is_gone:
                return
            self.fall_through(somebody.place)
            somebody.is_gone = True
            del self.donor_at[somebody.place]
            self.waiting.remove(somebody.place)
            return
        if somebody.transplanted != NEVER:
            return
        self.fall_through(somebody.place)
        somebody.left = self.day
        self.ledger.today.left += 1
        self.end(somebody)
        self.waiting.remove(somebody.place)

    def end(self, entry: Entry) -> None:
        """Take a patient out of those who wait."""
        self.ledger.end(entry)
        self.free[entry.place] = False
        del self.at[entry.place]

    def sensitize(self, entry: Entry) -> None:
        if entry.transplanted != NEVER or entry.left != NEVER:
            return
        cpra = entry.cpra + (1.0 - entry.cpra) * self.scenario.sensitization.increase
        self.ledger.sensitize(entry, cpra)
        self.waiting.sensitize(entry.place, cpra)
        self.valuation.note_cpra(entry.place)
        # To a goal that counts the highly sensitized alone, exchanges with them are new.
        self.active.append(entry.place)
        # An arc of a plan may be gone; it is found out when the transplant is prepared.

    def fall_through(self, place: int) -> None:
        """Undo the plan that somebody was part of who leaves, as far as it needs them."""
        plan = self.plan_of.get(place)
        if plan is None:
            return
        places = plan.exchange.places
        kept = places.index(place) if plan.exchange.is_chain else 0
        if kept >= 2:
            # A chain goes as far as the one who leaves.
            plan.exchange = PlannedExchange(places=places[:kept], is_chain=True)
        else:
            kept = 0
            plan.is_over = True
        for released in places[kept:]:
            self.release(released)

    def release(self, place: int) -> None:
        """Let somebody go from a plan, to wait again."""
        del self.plan_of[place]
        entry = self.at.get(place)
        if entry is None:
            self.active_donors.append(place)
            return
        entry.giver, entry.rank = "", 0
        self.free[place] = True
        self.active.append(place)
        self.ledger.today.fell_through += 1

    def match(self) -> None:
        """Plan exchanges among those who wait."""
        active = [place for place in dict.fromkeys(self.active) if self.free[place]]
        donors = [place for place in self.donor_at if place not in self.plan_of]
        fresh = [place for place in dict.fromkeys(self.active_donors) if place in self.donor_at]
        fresh = [place for place in fresh if place not in self.plan_of]
        self.active, self.active_donors = [], []
        for exchange in self.planner.plan(active, self.free, donors, fresh):
            plan = _Plan(exchange=exchange)
            places = exchange.places
            for place in places:
                self.plan_of[place] = plan
                self.free[place] = False
            for giver, place in self.arcs(exchange):
                entry = self.at[place]
                entry.planned = self.day if entry.planned == NEVER else entry.planned
                entry.times_planned += 1
                entry.giver = self.name(giver)
                if self.ranks is not None:
                    entry.rank = self.ranks.rank(entry.giver, entry.arrival.profile)
                self.ledger.today.planned += 1
            if self.scenario.delay_days:
                self.due[self.day + self.scenario.delay_days].append(plan)
            else:
                self.carry_out(plan)

    def arcs(self, exchange: PlannedExchange) -> list[tuple[int, int]]:
        """Return the transplants of an exchange: places of giver and patient."""
        places = exchange.places
        if exchange.is_chain:
            return list(pairwise(places))
        return list(zip(places, places[1:] + places[:1], strict=True))

    def name(self, place: int) -> str:
        return self.donor_at[place].id if place in self.donor_at else self.at[place].id

    def carry_out(self, plan: _Plan) -> None:
        """Make the transplants of a plan, as far as they succeed."""
        if plan.is_over:
            return
        plan.is_over = True
        exchange = plan.exchange
        arcs = self.arcs(exchange)
        works = [self.succeeds(giver, patient) for giver, patient in arcs]
        self.ledger.today.failed += works.count(False) if not exchange.is_chain else int(not all(works))
        if not exchange.is_chain:
            if not all(works):
                for (giver, patient), worked in zip(arcs, works, strict=True):
                    if not worked:
                        self.waiting.forbid(giver, patient)
                for place in exchange.places:
                    self.release(place)
                return
            for place in exchange.places:
                self.transplant(place)
                self.waiting.remove(place)
            return
        reached = works.index(False) if not all(works) else len(works)
        if reached < len(works):
            self.waiting.forbid(*arcs[reached])
            for _, patient in arcs[reached:]:
                self.release(patient)
        if not reached:
            self.release(exchange.places[0])
            return
        first = self.donor_at.pop(exchange.places[0])
        first.is_gone = True
        del self.plan_of[first.place]
        self.waiting.remove(first.place)
        received = [patient for _, patient in arcs[:reached]]
        for place in received[:-1]:
            self.transplant(place)
            self.waiting.remove(place)
        self.go_on(received[-1])

    def go_on(self, place: int) -> None:
        """Transplant the last patient of a chain, and let their donor become a bridge donor, or not."""
        entry = self.at[place]
        self.transplant(place)
        member = (*_member(entry.arrival), entry.number)
        reneges = keyed(self.seed, Stream.RENEGE, *member).random() < self.scenario.renege
        if not self.scenario.has_bridge_donors or reneges:
            self.waiting.remove(place)
            return
        self.waiting.remove_patient(place)
        stays = days_of_stay(self.scenario.ndd_stay, keyed(self.seed, Stream.NDD_STAY, *member, 2))
        self.offer(_Donor(id=entry.id, place=place, leaves=self.day + 1 + stays, is_bridge=True))

    def transplant(self, place: int) -> None:
        entry = self.at[place]
        del self.plan_of[place]
        self.end(entry)
        entry.transplanted = self.day
        self.ledger.today.transplanted += 1
        number = (*_member(entry.arrival), entry.number)
        again = returning_day(self.scenario, self.seed, self.day, *number)
        if again is not None:
            self.returning[again].append(entry)

    def succeeds(self, giver: int, patient: int) -> bool:
        """Return whether a planned transplant happens; the same between the same two under every condition."""
        if not self.waiting.arcs[giver, patient]:
            return False  # The patient has been sensitized since.
        if self.success == SURE:
            return True
        probability = float(success_probability(self.success, [self.at[patient].cpra])[0])
        return self.waiting.draw_between(Stream.FAILURE, giver, patient) < probability

    def _weights(self) -> dict[Profile, float]:
        """Return the weight of every profile that occurs."""
        if self.condition.weights is None:
            return {}
        found = {}
        for profile in _profiles_in(self.population):
            try:
                found[profile] = self.condition.weights.weight(profile)
            except NoWeight as error:
                raise MissingPriorities(
                    f"condition '{self.condition.name}': the weights do not cover the profile {profile.id}: "
                    f"{error}; use weights from the study that describes the patients",
                    [],
                ) from error
        return found

    def _grow(self, n: int) -> None:
        self.free = enlarged(self.free, (n,))


def _member(arrival: Arrival) -> tuple[int, ...]:
    """Return what randomness about a patient is keyed by."""
    return (arrival.patient_key,) if arrival.patient_key >= 0 else (-1 - arrival.patient_key, 1)
