from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.arc_success import SURE, UNOS
from exchange.clearing.clear import Goal, clear_pool
from exchange.clearing.objectives import Objective, Policy
from exchange.donor_preferences import donor_priorities
from exchange.pool import Arc, NonDirectedDonor, Pool
from exchange.pool_generator import generate_pool
from exchange.priorities import Priorities, equal_priorities
from exchange.simulation.condition import Condition
from exchange.simulation.planning import PlannedExchange, Planner, cycles_through
from exchange.simulation.scenario import ArrivalLaw, Arrivals, Scenario, Sensitization, Stay, StayLaw
from exchange.simulation.simulate import simulate
from exchange.simulation.valuation import Valuation
from exchange.simulation.waiting_pool import WaitingPool
from survey.design import StudyDesign

MakeScenario = Callable[..., Scenario]
MakeCondition = Callable[..., Condition]


def the_pool_of(run: Any, everybody: Pool) -> Pool:
    """Return the pool of those whom a match run saw, with the arcs that a generated pool has between them."""
    free, donors = set(run.free), set(run.donors)
    return Pool(
        pairs=tuple(pair for pair in everybody.pairs if pair.id in free),
        ndds=tuple(NonDirectedDonor(id=donor) for donor in run.donors),
        arcs=tuple(
            Arc(donor=arc.donor, recipient=arc.recipient, success_probability=arc.success_probability)
            for arc in everybody.arcs
            if arc.recipient in free
            and (arc.donor in free or arc.donor in donors)
            and (arc.donor, arc.recipient) not in run.forbidden
        ),
        source="seen by a match run",
    )


def priorities_of(condition: Condition, pool: Pool, everybody: Pool, seed: int) -> Priorities:
    if condition.preferences is not None:
        # Everybody's: a bridge donor has an opinion, but is no pair of today's pool.
        preferences = condition.preferences
        return donor_priorities(everybody, preferences.distribution, preferences.reference, seed=seed)
    if condition.weights is None:
        return equal_priorities(pool)
    return {p.id: condition.weights.weight(p.profile) for p in pool.pairs if p.profile is not None}


def assert_each_match_run_is_as_good_as_clearing_everybody(
    runs: list[Any],
    scenario: Scenario,
    condition: Condition,
    everybody: Pool,
    seed: int,
    plain_worth: Callable[..., float],
) -> int:
    """Return the number of match runs that were compared."""
    compared = 0
    for run in runs:
        pool = the_pool_of(run, everybody)
        priorities = priorities_of(condition, pool, everybody, seed)
        arcs = {(arc.donor, arc.recipient) for arc in pool.arcs}
        planned = [(c, tuple(pairwise((*c, c[0]))), False) for c in run.cycles]
        planned += [(c, tuple(pairwise(c)), True) for c in run.chains]
        members = [member for exchange in planned for member in exchange[0]]
        assert len(members) == len(set(members))
        assert all(set(used) <= arcs for _, used, _ in planned)
        assert all(len(c) <= scenario.cycle_cap for c in run.cycles)
        assert all(len(c) <= scenario.chain_cap + 1 for c in run.chains)
        best = clear_pool(
            pool,
            priorities,
            goals=condition.goals,
            cycle_cap=scenario.cycle_cap,
            chain_cap=scenario.chain_cap,
            fairness=condition.fairness,
        )
        for stage, goal in zip(best.stages, condition.goals, strict=True):
            sign = -1.0 if stage.objective.is_minimized else 1.0
            reached = sign * sum(
                plain_worth(pool, exchange, stage.objective, priorities, condition.fairness)
                for exchange in planned
            )
            if goal.concession:
                # What is not given up may differ between two best choices.
                continue
            assert reached == pytest.approx(stage.value, rel=1e-6, abs=1e-9), (stage.objective, run)
        compared += bool(best.transplants)
    return compared


CASES = [
    (Policy.EQUAL, ""),
    (Policy.PRIORITY_AFTER_CARDINALITY, "patients"),
    (Policy.PRIORITY_AFTER_CARDINALITY, "donors"),
    (Policy.GREATEST_WEIGHT, "patients"),
    (Policy.GREATEST_WEIGHT, "donors"),
    (Policy.SENSITIZED_FIRST, ""),
    (Policy.WEIGHTED_FAIRNESS, ""),
    (Policy.ROBUST, ""),
    (Policy.FAILURE_AWARE, ""),
    (Policy.PRIORITY_AFTER_EXPECTED, "patients"),
]
TIMES = [
    {"delay_days": 0, "match_every_days": 1, "cycle_cap": 3},
    {"delay_days": 1, "match_every_days": 1, "cycle_cap": 2},
    {"delay_days": 10, "match_every_days": 1, "cycle_cap": 3},
    {"delay_days": 1, "match_every_days": 7, "cycle_cap": 3},
    {"delay_days": 1, "match_every_days": 3, "cycle_cap": 4},
    {"delay_days": 3, "match_every_days": 2, "cycle_cap": 3, "chains": True},
    {"delay_days": 0, "match_every_days": 1, "cycle_cap": 0, "chains": True},
]


@pytest.mark.parametrize("times", TIMES, ids=str)
@pytest.mark.parametrize(("policy", "weights"), CASES)
def test_looking_at_newcomers_alone_loses_nothing(
    make_scenario: MakeScenario,
    make_condition: MakeCondition,
    seen_runs: list[Any],
    study: StudyDesign,
    plain_worth: Callable[..., float],
    policy: Policy,
    weights: str,
    times: dict[str, Any],
) -> None:
    given = dict(times)
    has_failures = policy in (Policy.FAILURE_AWARE, Policy.PRIORITY_AFTER_EXPECTED)
    if given.pop("chains", False):
        given |= {
            "chain_cap": 3,
            "renege": 0.3,
            "ndd_arrivals": Arrivals(law=ArrivalLaw.POISSON, mean=0.15),
            "ndd_stay": Stay(law=StayLaw.CONSTANT_RISK, daily_risk=0.05),
        }
    if has_failures:
        given["success"] = UNOS
    days = 45
    scenario = make_scenario(days=days, **given)
    condition = make_condition(policy, weights)
    record = simulate(scenario, study, condition, seed=3)
    everybody = generate_pool(
        study, n_pairs=record.n_patients, n_ndds=days, seed=3, model=scenario.model, success=scenario.success
    )
    assert len(seen_runs) == -(-days // scenario.match_every_days)
    compared = assert_each_match_run_is_as_good_as_clearing_everybody(
        seen_runs, scenario, condition, everybody, 3, plain_worth
    )
    assert compared >= 5


BUSY = Arrivals(law=ArrivalLaw.POISSON, mean=4.0)


@pytest.mark.parametrize(
    ("policy", "weights"),
    [(Policy.ROBUST, ""), (Policy.PRIORITY_AFTER_CARDINALITY, "patients"), (Policy.SENSITIZED_FIRST, "")],
)
def test_later_goals_count_however_many_have_come(
    make_scenario: MakeScenario,
    make_condition: MakeCondition,
    seen_runs: list[Any],
    study: StudyDesign,
    plain_worth: Callable[..., float],
    policy: Policy,
    weights: str,
) -> None:
    scenario = make_scenario(days=31, match_every_days=30, arrivals=BUSY, stay=Stay())
    condition = make_condition(policy, weights)
    record = simulate(scenario, study, condition, seed=6)
    everybody = generate_pool(study, n_pairs=record.n_patients, n_ndds=0, seed=6)
    assert seen_runs[-1].n_active > 90
    compared = assert_each_match_run_is_as_good_as_clearing_everybody(
        seen_runs, scenario, condition, everybody, 6, plain_worth
    )
    assert compared >= 1


GOALS = [
    ((Objective.TRANSPLANTS, 2.0), (Objective.PRIORITY, 0.0)),
    ((Objective.FEWEST_THREE_WAY, 1.0), (Objective.TRANSPLANTS, 0.0)),
    ((Objective.TRANSPLANTS, 2.0), (Objective.SENSITIZED, 0.0)),
    ((Objective.FEWEST_THREE_WAY, 0.0), (Objective.TRANSPLANTS, 0.0), (Objective.PRIORITY, 0.0)),
    ((Objective.TWO_WAY, 0.0), (Objective.PRIORITY, 0.0)),
    ((Objective.SENSITIZED, 0.0),),
]


@pytest.mark.parametrize("goals", GOALS, ids=str)
def test_what_a_goal_concedes_is_conceded_in_every_match_run(
    make_scenario: MakeScenario,
    make_condition: MakeCondition,
    seen_runs: list[Any],
    study: StudyDesign,
    plain_worth: Callable[..., float],
    goals: tuple[tuple[Objective, float], ...],
) -> None:
    # A match run may leave one cycle of three, say, that the next one may choose with nobody new.
    scenario = make_scenario(days=30)
    wanted = [Goal(objective=objective, concession=concession) for objective, concession in goals]
    condition = make_condition(wanted, "patients")
    record = simulate(scenario, study, condition, seed=5)
    everybody = generate_pool(study, n_pairs=record.n_patients, n_ndds=0, seed=5)
    compared = assert_each_match_run_is_as_good_as_clearing_everybody(
        seen_runs, scenario, condition, everybody, 5, plain_worth
    )
    assert compared >= 3


def test_what_a_match_run_may_not_choose_is_left_for_the_next(
    make_world: Callable[..., Scenario], make_condition: MakeCondition, study: StudyDesign
) -> None:
    world = make_world(6, 0, "P0>P1 P1>P2 P2>P0 P3>P4 P4>P5 P5>P3", days=5)
    goals = [
        Goal(objective=Objective.FEWEST_THREE_WAY, concession=1.0),
        Goal(objective=Objective.TRANSPLANTS),
    ]
    planned = simulate(world, study, make_condition(goals), seed=1).patients["planned"].tolist()
    assert sorted([planned[:3], planned[3:]]) == [[0] * 3, [1] * 3]


def test_goals_that_one_number_cannot_tell_apart_are_not_put_into_one(
    make_condition: MakeCondition, study: StudyDesign
) -> None:
    waiting = WaitingPool(1, 1, None, keeps_draws=False)
    members = np.array([[0, 1, 2], [0, 1, -1]], dtype=np.intp)
    weighed = dict.fromkeys(study.profiles() or (), 1.0)
    for policy, weights, enough, too_many in (
        (Policy.ROBUST, "", 20, 400),
        (Policy.PRIORITY_AFTER_CARDINALITY, "patients", 150, 400),
        (Policy.EQUAL, "", 10**6, None),
        (Policy.PRIORITY_AFTER_EXPECTED, "patients", None, 1),
    ):
        condition = make_condition(policy, weights)
        valuation = Valuation(condition, SURE, waiting, weighed, None, cycle_cap=3)
        if enough is not None:
            values = valuation.total_values(members, enough)
            assert values is not None
            assert values[0] > values[1] > 0
        if too_many is not None:
            assert valuation.total_values(members, too_many) is None


def test_patients_who_become_highly_sensitized_are_looked_at_again(
    make_scenario: MakeScenario,
    make_condition: MakeCondition,
    study: StudyDesign,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # To a goal that counts them alone, an exchange that was worth nothing is worth something then.
    scenario = make_scenario(days=60, sensitization=Sensitization(yearly_rate=12.0, increase=0.9))
    found: list[tuple[float, float]] = []
    plan = Planner.plan

    def sensitized(self: Planner, planned: list[PlannedExchange]) -> float:
        return float(sum(self._valuation.sensitized()[list(e.places)].sum() for e in planned))

    def compared(self: Planner, active: Any, free: Any, donors: Any, fresh: Any) -> list[PlannedExchange]:
        chosen = plan(self, active, free, donors, fresh)
        everybody = plan(self, np.flatnonzero(free).tolist(), free, donors, fresh)
        found.append((sensitized(self, chosen), sensitized(self, everybody)))
        return chosen

    monkeypatch.setattr(Planner, "plan", compared)
    simulate(scenario, study, make_condition([Goal(objective=Objective.SENSITIZED)]), seed=1)
    assert sum(chosen > 0 for chosen, _ in found) > 5
    assert [chosen for chosen, _ in found] == [everybody for _, everybody in found]


@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(2, 9), density=st.floats(0.1, 0.9), cap=st.integers(2, 3)
)
def test_every_cycle_through_somebody_active_is_listed_once(
    seed: int, n: int, density: float, cap: int
) -> None:
    rng = np.random.default_rng(seed)
    arcs = rng.random((n, n)) < density
    np.fill_diagonal(arcs, val=False)
    free = rng.random(n) < 0.8
    who = np.flatnonzero(free)
    active = rng.permutation(who)[: int(rng.integers(0, len(who) + 1))].tolist()
    listed = [
        tuple(place for place in row if place >= 0)
        for row in cycles_through(active, free, arcs, cap).tolist()
    ]
    turned = [cycle[cycle.index(min(cycle)) :] + cycle[: cycle.index(min(cycle))] for cycle in listed]
    expected = [
        cycle
        for size in range(2, cap + 1)
        for cycle in permutations(who.tolist(), size)
        if cycle[0] == min(cycle)
        and set(cycle) & set(active)
        and all(arcs[a, b] for a, b in pairwise((*cycle, cycle[0])))
    ]
    assert sorted(turned) == sorted(expected)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), cap=st.integers(2, 5), n_active=st.integers(1, 3))
def test_everybody_of_a_cycle_with_somebody_active_is_cleared(
    make_scenario: MakeScenario, make_condition: MakeCondition, seed: int, cap: int, n_active: int
) -> None:
    rng = np.random.default_rng(seed)
    arcs = rng.random((9, 9)) < 0.25
    np.fill_diagonal(arcs, val=False)
    active = rng.choice(9, n_active, replace=False).tolist()
    planner = Planner.__new__(Planner)
    planner._scenario = make_scenario(cycle_cap=cap)
    planner._looks_at_all = False
    planner._waiting = WaitingPool(1, 1, None, keeps_draws=False)
    planner._waiting.arcs = arcs
    reached = set(planner._reached(active, np.ones(9, dtype=np.bool_), ()).tolist())
    members = {
        place
        for size in range(2, cap + 1)
        for cycle in permutations(range(9), size)
        if cycle[0] == min(cycle)
        and set(cycle) & set(active)
        and all(arcs[a, b] for a, b in pairwise((*cycle, cycle[0])))
        for place in cycle
    }
    assert members <= reached
