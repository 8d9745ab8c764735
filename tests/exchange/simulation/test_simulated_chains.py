from __future__ import annotations

from collections.abc import Callable

import pytest

from exchange.arc_success import SuccessRule
from exchange.clearing.objectives import Policy
from exchange.simulation.condition import Condition
from exchange.simulation.record import NEVER, RunRecord
from exchange.simulation.scenario import Scenario, Stay, StayLaw
from exchange.simulation.simulate import simulate
from survey.design import StudyDesign

Run = Callable[[Scenario], RunRecord]

FAILS_FROM_90 = SuccessRule(name="fails from 0.9", bands=((0.0, 1.0), (0.9, 0.0)))
"""Transplants to patients with such a cPRA always fail, others never."""


@pytest.fixture
def run(study: StudyDesign, make_condition: Callable[..., Condition]) -> Run:
    """Return a function that simulates a world under the policy of most transplants."""
    return lambda scenario: simulate(scenario, study, make_condition(Policy.EQUAL), seed=1)


def days_of(record: RunRecord, column: str = "transplanted") -> list[int]:
    return [int(day) for day in record.patients[column]]


def givers(record: RunRecord) -> list[str]:
    return [str(giver) for giver in record.patients["giver"]]


def count(record: RunRecord, column: str) -> list[int]:
    return [int(number) for number in record.days[column]]


def test_a_donor_begins_a_chain_whose_last_donor_begins_the_next(
    make_world: Callable[..., Scenario], run: Run
) -> None:
    record = run(make_world(4, 1, "N0>P0 P0>P1 P1>P2 P2>P3", chain_cap=2, days=6))
    assert days_of(record, "planned") == [0, 0, 1, 1]
    assert days_of(record) == [1, 1, 2, 2]
    assert givers(record) == ["N0", "P0", "P1", "P2"]
    assert count(record, "ndds") == [1, 0, 0, 0, 0, 0]
    assert count(record, "bridge_donors") == [0, 1, 1, 1, 1, 1]
    assert count(record, "waiting") == [4, 2, 0, 0, 0, 0]


def test_without_delay_a_chain_is_carried_out_on_the_day_it_is_planned(
    make_world: Callable[..., Scenario], run: Run
) -> None:
    record = run(make_world(4, 1, "N0>P0 P0>P1 P1>P2 P2>P3", chain_cap=2, delay_days=0, days=4))
    assert days_of(record) == days_of(record, "planned") == [0, 0, 1, 1]
    assert count(record, "bridge_donors") == [1, 1, 1, 1]


def test_a_bridge_donor_waits_for_the_next_match_run(make_world: Callable[..., Scenario], run: Run) -> None:
    record = run(make_world(3, 1, "N0>P0 P0>P1 P1>P2", chain_cap=2, match_every_days=7, days=20))
    assert days_of(record, "planned") == [0, 0, 7]
    assert days_of(record) == [1, 1, 8]


def test_a_chain_passes_no_more_pairs_than_the_cap(make_world: Callable[..., Scenario], run: Run) -> None:
    line = "N0>P0 P0>P1 P1>P2 P2>P3 P3>P4"
    for cap in (1, 2, 3, 5):
        record = run(make_world(5, 1, line, chain_cap=cap, days=20))
        assert days_of(record, "planned") == [k // cap for k in range(5)]
    assert set(days_of(run(make_world(5, 1, line, chain_cap=0)))) == {NEVER}


def test_without_bridge_donors_a_chain_ends(make_world: Callable[..., Scenario], run: Run) -> None:
    record = run(make_world(3, 1, "N0>P0 P0>P1 P1>P2", chain_cap=2, has_bridge_donors=False))
    assert days_of(record) == [1, 1, NEVER]
    assert sum(count(record, "bridge_donors")) == 0


def test_who_reneges_never_gives(make_world: Callable[..., Scenario], run: Run) -> None:
    record = run(make_world(3, 1, "N0>P0 P0>P1 P1>P2", chain_cap=2, renege=1.0))
    assert days_of(record) == [1, 1, NEVER]
    assert sum(count(record, "bridge_donors")) == 0


def test_a_bridge_donor_stays_as_long_as_donors_stay(make_world: Callable[..., Scenario], run: Run) -> None:
    stay = Stay(law=StayLaw.FIXED, mean_days=3)
    record = run(make_world(1, 1, "N0>P0", chain_cap=2, ndd_stay=stay, days=8))
    # A bridge donor from day 1: the first day on which they could leave is day 2.
    assert count(record, "bridge_donors") == [0, 1, 1, 1, 1, 0, 0, 0]


def test_a_bridge_donor_who_leaves_before_the_transplant_lets_the_chain_fall_through(
    make_world: Callable[..., Scenario], run: Run
) -> None:
    stay = Stay(law=StayLaw.FIXED, mean_days=2)
    record = run(make_world(2, 1, "N0>P0 P0>P1", chain_cap=1, ndd_stay=stay))
    assert days_of(record) == [1, 2]
    slow = run(make_world(2, 1, "N0>P0 P0>P1", chain_cap=1, ndd_stay=stay, match_every_days=3))
    # On day 3 the donor is planned, on day 4 they leave, before transplants are made.
    assert days_of(slow) == [1, NEVER]
    assert days_of(slow, "times_planned") == [1, 1]
    assert givers(slow) == ["N0", ""]
    assert count(slow, "fell_through")[4] == 1


def test_a_failure_ends_a_chain_there_and_its_arc_is_not_planned_again(
    make_world: Callable[..., Scenario], run: Run
) -> None:
    world = make_world(4, 1, "N0>P0 P0>P1 P1>P2 P0>P3", {1: 0.95}, chain_cap=3, success=FAILS_FROM_90, days=9)
    record = run(world)
    # P0 received, became a bridge donor, and gives to P3 as P1 cannot receive from them.
    assert days_of(record) == [1, NEVER, NEVER, 2]
    assert days_of(record, "times_planned") == [1, 1, 1, 1]
    assert givers(record) == ["N0", "", "", "P0"]
    assert (sum(count(record, "failed")), sum(count(record, "fell_through"))) == (1, 2)


def test_a_donor_whose_first_transplant_fails_begins_another_chain(
    make_world: Callable[..., Scenario], run: Run
) -> None:
    world = make_world(3, 1, "N0>P0 P0>P1 N0>P2", {0: 0.95}, chain_cap=2, success=FAILS_FROM_90)
    record = run(world)
    assert days_of(record) == [NEVER, NEVER, 2]
    assert givers(record) == ["", "", "N0"]
    assert days_of(record, "times_planned") == [1, 1, 1]


def test_a_failure_undoes_a_cycle_and_its_arc_is_not_planned_again(
    make_world: Callable[..., Scenario], run: Run
) -> None:
    record = run(make_world(3, 0, "P0>P1 P1>P2 P2>P0 P0>P2", {1: 0.95}, success=FAILS_FROM_90, days=9))
    # Of the cycle of three only P0>P1 fails; P0 and P2 can still exchange.
    assert days_of(record) == [2, NEVER, 2]
    assert days_of(record, "times_planned") == [2, 1, 2]
    assert (count(record, "failed")[1], count(record, "fell_through")[1]) == (1, 3)


def test_a_chain_goes_as_far_as_the_one_who_leaves(
    make_world: Callable[..., Scenario], run: Run, leave_on: Callable[..., None]
) -> None:
    leave_on(P2=2)
    world = make_world(4, 1, "N0>P0 P0>P1 P1>P2 P2>P3 P1>P3", chain_cap=4, delay_days=5)
    record = run(world)
    assert days_of(record) == [5, 5, NEVER, 10]
    assert days_of(record, "left") == [NEVER, NEVER, 2, NEVER]
    assert givers(record) == ["N0", "P0", "", "P1"]
    assert count(record, "fell_through")[2] == 2


def test_a_chain_is_cut_as_often_as_somebody_leaves(
    make_world: Callable[..., Scenario], run: Run, leave_on: Callable[..., None]
) -> None:
    leave_on(P3=2, P1=3)
    record = run(make_world(4, 1, "N0>P0 P0>P1 P1>P2 P2>P3", chain_cap=4, delay_days=5))
    assert days_of(record) == [5, NEVER, NEVER, NEVER]
    assert count(record, "fell_through")[2:4] == [1, 2]
    assert count(record, "bridge_donors")[-1] == 1


def test_a_chain_whose_first_patient_leaves_is_planned_anew(
    make_world: Callable[..., Scenario], run: Run, leave_on: Callable[..., None]
) -> None:
    leave_on(P0=2)
    record = run(make_world(3, 1, "N0>P0 P0>P1 P1>P2 N0>P1", chain_cap=3, delay_days=5))
    assert days_of(record, "planned") == [0, 0, 0]
    assert days_of(record) == [NEVER, 7, 7]
    assert days_of(record, "times_planned") == [1, 2, 2]


def test_a_donor_whose_only_patient_leaves_is_looked_at_again(
    make_world: Callable[..., Scenario], run: Run, leave_on: Callable[..., None]
) -> None:
    world = make_world(2, 1, "N0>P0 N0>P1", chain_cap=1, delay_days=5)
    chosen = days_of(run(world), "planned").index(0)
    leave_on(**{f"P{chosen}": 2})
    record = run(world)
    assert days_of(record)[1 - chosen] == 7
    assert days_of(record, "left")[chosen] == 2


def test_a_chain_whose_first_donor_leaves_falls_through(
    make_world: Callable[..., Scenario], run: Run, leave_on: Callable[..., None]
) -> None:
    leave_on(N0=2)
    record = run(make_world(3, 1, "N0>P0 P0>P1 P1>P2 P1>P0", chain_cap=3, delay_days=5))
    # Most transplants were the chain's; without its donor P0 and P1 exchange.
    assert days_of(record) == [7, 7, NEVER]
    assert count(record, "ndds")[1:3] == [1, 0]
    assert count(record, "fell_through")[2] == 3


def test_who_leaves_on_the_day_of_arrival_is_in_no_plan(
    make_world: Callable[..., Scenario], run: Run, leave_on: Callable[..., None]
) -> None:
    leave_on(P1=0, N0=0)
    record = run(make_world(2, 1, "P0>P1 P1>P0 N0>P0", chain_cap=3))
    assert set(days_of(record, "planned")) == {NEVER}
    assert days_of(record, "left") == [NEVER, 0]


def test_a_cycle_falls_through_when_one_of_it_leaves(
    make_world: Callable[..., Scenario], run: Run, leave_on: Callable[..., None]
) -> None:
    leave_on(P2=2)
    record = run(make_world(3, 0, "P0>P1 P1>P2 P2>P0 P1>P0", delay_days=5))
    assert days_of(record, "planned") == [0, 0, 0]
    assert days_of(record) == [7, 7, NEVER]
    assert days_of(record, "times_planned") == [2, 2, 1]
    assert givers(record) == ["P1", "P0", ""]


def test_a_donor_who_waited_begins_a_chain_through_those_who_come_back(
    make_world: Callable[..., Scenario], run: Run, leave_on: Callable[..., None]
) -> None:
    leave_on(P2=3)
    arcs = "P0>P1 P1>P2 P2>P0 N0>P0 P1>P3 P3>P4"
    record = run(make_world(5, 1, arcs, chain_cap=2, delay_days=9, days=30))
    # The cycle of three is more than the chain; when P2 leaves, only the chain is left.
    assert days_of(record, "planned") == [0, 0, 0, 12, 12]
    assert days_of(record) == [12, 12, NEVER, 21, 21]
    assert givers(record) == ["N0", "P0", "", "P1", "P3"]
