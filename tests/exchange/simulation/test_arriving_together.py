"""Pairs that arrive on the same day are tested as often as the scenario says, and all others once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exchange.compatibility import blood_compatible
from exchange.simulation.population import Arrival, draw_population
from exchange.simulation.scenario import ArrivalLaw, Arrivals, Scenario
from exchange.simulation.scenario_file import preset
from exchange.simulation.waiting_pool import WaitingPool
from survey.design_file import example_design

SCENARIO = replace(
    preset("freedman2020"), days=40, arrivals=Arrivals(law=ArrivalLaw.REGULAR, mean=3.0), first_pool=None
)


def arcs_of(scenario: Scenario, tests: int) -> tuple[list[Arrival], np.ndarray]:
    everybody = list(draw_population(scenario, example_design("kidney-8"), 11).pairs)
    waiting = WaitingPool(11, 1, None, keeps_draws=False, same_day_tests=tests)
    places = [waiting.admit(pair) for pair in everybody]
    return everybody, waiting.arcs[np.ix_(places, places)]


@pytest.mark.parametrize("tests", [2, 3])
def test_more_tests_add_arcs_between_pairs_of_one_day_alone(tests: int) -> None:
    people, once = arcs_of(SCENARIO, 1)
    _, often = arcs_of(SCENARIO, tests)
    assert np.all(often >= once)
    day = np.array([pair.day for pair in people])
    added = np.argwhere(often & ~once)
    assert len(added) > 0
    assert all(day[donor] == day[patient] for donor, patient in added)


def test_two_tests_are_positive_with_the_square_of_the_probability() -> None:
    scenario = replace(SCENARIO, arrivals=Arrivals(law=ArrivalLaw.REGULAR, mean=300.0), days=1)
    people, arcs = arcs_of(scenario, 2)
    by_cpra: dict[float, list[bool]] = {}
    for i, donor in enumerate(people):
        for j, patient in enumerate(people):
            if i != j and blood_compatible(donor.donor, patient.patient):
                by_cpra.setdefault(patient.cpra, []).append(bool(arcs[i, j]))
    assert len(by_cpra) > 3
    for cpra, found in by_cpra.items():
        expected = 1.0 - cpra**2
        # Four standard errors.
        assert np.mean(found) == pytest.approx(expected, abs=4 * (0.25 / len(found)) ** 0.5), cpra
