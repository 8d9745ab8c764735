"""Small worlds to simulate, and what a match run of a simulation saw and planned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from exchange.clearing.clear import Goal
from exchange.clearing.objectives import Policy
from exchange.people import Stream
from exchange.pool import Arc, BloodGroup, NonDirectedDonor, Pair, Pool
from exchange.pool_model import SAIDMAN
from exchange.published_weights import HETEROGENEOUS, PROFILES, published_preferences, published_weights
from exchange.simulation import simulate as engine
from exchange.simulation.condition import Condition, DonorPreferences
from exchange.simulation.planning import PlannedExchange, Planner
from exchange.simulation.population import Population, draw_population
from exchange.simulation.scenario import NOBODY, ArrivalLaw, Arrivals, Scenario, Stay, StayLaw
from exchange.simulation.waiting_pool import WaitingPool
from survey.design import StudyDesign

MakeScenario = Callable[..., Scenario]
MakeCondition = Callable[..., Condition]


@pytest.fixture(scope="session")
def make_scenario() -> MakeScenario:
    """Return a function: a short scenario with many leaving, but for what is given."""

    def make(**changes: Any) -> Scenario:
        given: dict[str, Any] = {
            "name": "short",
            "source": "made for a test",
            "model": SAIDMAN,
            "days": 60,
            "arrivals": Arrivals(law=ArrivalLaw.POISSON, mean=2.5),
            "stay": Stay(law=StayLaw.CONSTANT_RISK, daily_risk=0.03),
        }
        return Scenario(**(given | changes))

    return make


@pytest.fixture(scope="session")
def make_condition(study: StudyDesign) -> MakeCondition:
    """Return a function: a condition of a policy or goals; ``weights`` none, "patients" or "donors"."""

    def make(wanted: Policy | Iterable[Goal], weights: str = "", **changes: Any) -> Condition:
        has_policy = isinstance(wanted, Policy)
        preferences = DonorPreferences(
            distribution=published_preferences(HETEROGENEOUS), reference=study.profiles() or ()
        )
        return Condition(
            name=f"{wanted if has_policy else 'goals'} {weights}".strip(),
            policy=wanted if isinstance(wanted, Policy) else None,
            goals=() if isinstance(wanted, Policy) else tuple(wanted),
            weights=published_weights(PROFILES) if weights == "patients" else None,
            preferences=preferences if weights == "donors" else None,
            **changes,
        )

    return make


@pytest.fixture(scope="session")
def make_world(make_scenario: MakeScenario) -> Callable[..., Scenario]:
    """Return a function: a scenario in which nobody arrives, and whose first pool has just these arcs.

    Pairs are named P0, P1, ..., non-directed donors N0, N1, ...; patients are of group O and donors of AB, so that
    nothing but the arcs given lets anybody give to anybody. Their cPRA is 0.5 but for those given.
    """

    def make(
        n_pairs: int, n_ndds: int, arcs: str, cpra: Mapping[int, float] = {}, **changes: Any
    ) -> Scenario:
        pool = Pool(
            pairs=tuple(
                Pair(
                    id=f"P{i}",
                    patient_blood_group=BloodGroup.O,
                    donor_blood_group=BloodGroup.AB,
                    cpra=cpra.get(i, 0.5),
                )
                for i in range(n_pairs)
            ),
            ndds=tuple(NonDirectedDonor(id=f"N{i}", blood_group=BloodGroup.AB) for i in range(n_ndds)),
            arcs=tuple(Arc(donor=arc.split(">")[0], recipient=arc.split(">")[1]) for arc in arcs.split()),
            source="made by hand",
        )
        given: dict[str, Any] = {"first_pool": pool, "arrivals": NOBODY, "stay": Stay(), "days": 20}
        return make_scenario(**(given | changes))

    return make


@pytest.fixture
def leave_on(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function: days on which some leave, by id, in the simulations that follow."""

    def leave(**days: int) -> None:
        def changed(scenario: Scenario, design: StudyDesign, seed: int) -> Population:
            drawn = draw_population(scenario, design, seed)
            return Population(
                pairs=tuple(replace(p, leaves=days.get(p.id, p.leaves)) for p in drawn.pairs),
                ndds=tuple(replace(n, leaves=days.get(n.id, n.leaves)) for n in drawn.ndds),
            )

        monkeypatch.setattr(engine, "population_of", changed)

    return leave


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRun:
    """What one match run saw and planned, by the ids that ``generate_pool`` gives."""

    free: tuple[str, ...]
    donors: tuple[str, ...]
    n_active: int
    forbidden: frozenset[tuple[str, str]]
    cycles: tuple[tuple[str, ...], ...]
    chains: tuple[tuple[str, ...], ...]


def donor_id(waiting: WaitingPool, place: int) -> str:
    """Return the id of the donor at a place."""
    key = waiting._keys[place]
    assert key is not None
    return f"{'N' if key[0] is Stream.ARCS_FROM_NDD else 'P'}{key[1][0] + 1}"


@pytest.fixture
def seen_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[SeenRun]]:
    """Give a list that all match runs of later simulations of arriving pairs are added to."""
    seen: list[SeenRun] = []
    forbidden: set[tuple[str, str]] = set()
    plan, forbid = Planner.plan, WaitingPool.forbid

    def spying_plan(self: Planner, active: Any, free: Any, donors: Any, fresh: Any) -> list[PlannedExchange]:
        found = plan(self, active, free, donors, fresh)
        waiting = self._waiting

        def names(places: Iterable[int]) -> tuple[str, ...]:
            return tuple(donor_id(waiting, place) for place in places)

        seen.append(
            SeenRun(
                free=names(free.nonzero()[0].tolist()),
                donors=names(donors),
                n_active=len(active),
                forbidden=frozenset(forbidden),
                cycles=tuple(names(e.places) for e in found if not e.is_chain),
                chains=tuple(names(e.places) for e in found if e.is_chain),
            )
        )
        return found

    def spying_forbid(self: WaitingPool, donor: int, patient: int) -> None:
        forbidden.add((donor_id(self, donor), f"P{self._patient_key[patient] + 1}"))
        forbid(self, donor, patient)

    monkeypatch.setattr(Planner, "plan", spying_plan)
    monkeypatch.setattr(WaitingPool, "forbid", spying_forbid)
    yield seen
    seen.clear()
