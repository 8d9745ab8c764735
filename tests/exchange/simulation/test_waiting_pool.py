from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.people import Stream
from exchange.pool import BloodGroup, Pool
from exchange.pool_generator import generate_pool
from exchange.pool_model import SAIDMAN, PoolModel
from exchange.simulation import waiting_pool
from exchange.simulation.population import Arrival, Population, draw_population
from exchange.simulation.scenario import ArrivalLaw, Arrivals, Scenario
from exchange.simulation.waiting_pool import WaitingPool
from survey.design import StudyDesign

MakeScenario = Callable[..., Scenario]

TWICE = replace(SAIDMAN, name="tested twice", crossmatch_tests=2)


def people(
    make_scenario: MakeScenario, study: StudyDesign, seed: int, n_pairs: int, n_ndds: int, model: PoolModel
) -> Population:
    scenario = make_scenario(
        days=1,
        model=model,
        chain_cap=1,
        arrivals=Arrivals(law=ArrivalLaw.LISTED, numbers=(n_pairs,)),
        ndd_arrivals=Arrivals(law=ArrivalLaw.LISTED, numbers=(n_ndds,)),
    )
    return draw_population(scenario, study, seed)


def arcs_of(waiting: WaitingPool, place_of: dict[str, int]) -> set[tuple[str, str]]:
    name = {place: donor for donor, place in place_of.items()}
    return {(name[donor], name[patient]) for donor, patient in np.argwhere(waiting.arcs).tolist()}


def arcs_between(pool: Pool, donors: set[str], patients: set[str]) -> set[tuple[str, str]]:
    return {
        (arc.donor, arc.recipient) for arc in pool.arcs if arc.donor in donors and arc.recipient in patients
    }


@pytest.mark.parametrize("model", [SAIDMAN, TWICE], ids=lambda m: m.name)
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), steps=st.lists(st.integers(0, 9), min_size=5, max_size=60))
def test_arcs_are_a_generated_pools_whoever_came_and_went(
    make_scenario: MakeScenario, study: StudyDesign, model: PoolModel, seed: int, steps: list[int]
) -> None:
    everybody = people(make_scenario, study, seed, 45, 8, model)
    pool = generate_pool(study, n_pairs=45, n_ndds=8, seed=seed, model=model)
    pairs, ndds = list(everybody.pairs), list(everybody.ndds)
    place_of: dict[str, int] = {}
    patients: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting_pool, "_BLOCK", 4)
        patch.setattr(waiting_pool, "_ROOM", 2)
        waiting = WaitingPool(seed, model.crossmatch_tests, None, keeps_draws=seed % 2 == 0)
        for i, step in enumerate(steps):
            if step <= 5 and pairs:
                arrival = pairs.pop(0)
                place_of[arrival.id] = waiting.admit(arrival)
                patients.add(arrival.id)
            elif step == 6 and ndds:
                ndd = ndds.pop(0)
                place_of[ndd.id] = waiting.admit_ndd(ndd.group, ndd.key)
            elif step == 7 and patients:
                bridge = sorted(patients)[i % len(patients)]
                patients.discard(bridge)
                waiting.remove_patient(place_of[bridge])
            elif place_of:
                leaver = sorted(place_of)[i % len(place_of)]
                waiting.remove(place_of.pop(leaver))
                patients.discard(leaver)
            assert arcs_of(waiting, place_of) == arcs_between(pool, set(place_of), patients)
            assert len(set(place_of.values())) == len(place_of)
            assert set(np.flatnonzero(waiting.donors).tolist()) == set(place_of.values())
            assert set(np.flatnonzero(waiting.patients).tolist()) == {place_of[p] for p in patients}


def test_arcs_are_a_generated_pools_beyond_the_first_block_and_the_first_room(
    make_scenario: MakeScenario, study: StudyDesign
) -> None:
    everybody = people(make_scenario, study, 7, 620, 0, SAIDMAN)
    pool = generate_pool(study, n_pairs=620, n_ndds=0, seed=7)
    waiting = WaitingPool(7, 1, None, keeps_draws=False)
    grown: list[int] = []
    waiting.grown.append(grown.append)
    place_of: dict[str, int] = {}
    for k, arrival in enumerate(everybody.pairs):
        place_of[arrival.id] = waiting.admit(arrival)
        if k % 3 == 2:
            leaver = everybody.pairs[k // 2].id
            if leaver in place_of:
                waiting.remove(place_of.pop(leaver))
    assert grown == [512]
    assert len(place_of) > 256
    ids = set(place_of)
    assert arcs_of(waiting, place_of) == arcs_between(pool, ids, ids)


def arrival_of(k: int, cpra: float, patient: BloodGroup = BloodGroup.AB) -> Arrival:
    return Arrival(
        id=f"P{k + 1}",
        day=0,
        leaves=10**6,
        patient=patient,
        donor=BloodGroup.O,
        cpra=cpra,
        profile=None,  # type: ignore[arg-type]  # Arcs do not depend on it.
        lot=0.5,
        key=(Stream.ARCS_FROM_PAIR, k),
        patient_key=k,
    )


def test_sensitization_takes_away_the_share_of_arcs_it_says_and_brings_none() -> None:
    waiting = WaitingPool(3, 1, None, keeps_draws=True)
    places = [waiting.admit(arrival_of(k, 0.2)) for k in range(400)]
    patients = np.array(places)
    before = waiting.arcs.copy()
    for place in places[:200]:
        waiting.sensitize(place, 0.2 + 0.8 * 0.25)
    sensitized, others = patients[:200], patients[200:]
    assert not np.any(waiting.arcs & ~before)
    assert np.array_equal(waiting.arcs[:, others], before[:, others])
    had, has = before[:, sensitized].sum(), waiting.arcs[:, sensitized].sum()
    assert has / had == pytest.approx(0.75, abs=4 * (0.25 * 0.75 / had) ** 0.5)
    # Who comes later sees the patient as they are now.
    late = np.array([waiting.admit(arrival_of(k, 0.0)) for k in range(400, 500)])
    share = waiting.arcs[np.ix_(late, sensitized)].mean()
    assert share == pytest.approx(0.6, abs=4 * (0.24 / 20_000) ** 0.5)


def test_arcs_of_the_first_pool_give_way_to_sensitization_like_others(
    make_scenario: MakeScenario, study: StudyDesign
) -> None:
    # Patients of the first pool could receive from whom the file says, whatever the blood groups.
    drawn = generate_pool(study, n_pairs=200, n_ndds=20, seed=1)
    pairs = tuple(
        replace(p, cpra=0.2, patient_blood_group=BloodGroup.O, donor_blood_group=BloodGroup.AB)
        for p in drawn.pairs
    )
    pool = replace(drawn, pairs=pairs)
    scenario = make_scenario(first_pool=pool, days=1, arrivals=Arrivals(), chain_cap=1)
    everybody = draw_population(scenario, study, 5)
    waiting = WaitingPool(5, 1, pool, keeps_draws=True)
    place_of = {pair.id: waiting.admit(pair) for pair in everybody.pairs}
    place_of |= {ndd.id: waiting.admit_ndd(ndd.group, ndd.key) for ndd in everybody.ndds}
    assert arcs_of(waiting, place_of) == {(arc.donor, arc.recipient) for arc in pool.arcs}
    had = waiting.arcs.sum()
    for pair in pool.pairs:
        waiting.sensitize(place_of[pair.id], 0.6)
    assert waiting.arcs.sum() / had == pytest.approx(0.5, abs=4 * (0.25 / had) ** 0.5)


def test_an_arc_that_was_forbidden_stays_away() -> None:
    waiting = WaitingPool(3, 1, None, keeps_draws=True)
    first, second = waiting.admit(arrival_of(0, 0.0)), waiting.admit(arrival_of(1, 0.0))
    assert waiting.arcs[first, second]
    assert waiting.arcs[second, first]
    waiting.forbid(first, second)
    waiting.sensitize(second, 0.0)
    assert not waiting.arcs[first, second]
    assert waiting.arcs[second, first]


@pytest.mark.parametrize("keeps_draws", [False, True])
def test_an_arc_that_was_forbidden_stays_away_when_the_patient_comes_back(keeps_draws: bool) -> None:
    waiting = WaitingPool(3, 1, None, keeps_draws=keeps_draws)
    pair = arrival_of(2, 0.0)
    donor, other, patient = (waiting.admit(p) for p in (arrival_of(0, 0.0), arrival_of(1, 0.0), pair))
    waiting.forbid(donor, patient)
    waiting.remove(patient)
    again = waiting.admit(pair, cpra=0.0, donor=BloodGroup.O, key=(Stream.ARCS_FROM_NEW_DONOR, (2, 2)))
    assert not waiting.arcs[donor, again]
    assert waiting.arcs[other, again]
    # The patient's new donor is another donor, and the place of one who left may hold another, too.
    assert waiting.arcs[again, donor]
    waiting.remove(donor)
    late = waiting.admit(arrival_of(3, 0.0))
    assert late == donor
    assert waiting.arcs[late, again]


def test_two_who_meet_again_have_the_same_lot() -> None:
    waiting = WaitingPool(3, 1, None, keeps_draws=False)
    places = [waiting.admit(arrival_of(k, 0.0)) for k in range(3)]
    lots = {
        (a, b): waiting.draw_between(Stream.FAILURE, places[a], places[b])
        for a, b in np.ndindex(3, 3)
        if a != b
    }
    assert len(set(lots.values())) == 6
    again = WaitingPool(3, 1, None, keeps_draws=False)
    again.admit(arrival_of(9, 0.5))
    donor, patient = again.admit(arrival_of(2, 0.0)), again.admit(arrival_of(1, 0.0))
    assert again.draw_between(Stream.FAILURE, donor, patient) == lots[2, 1]


@pytest.mark.parametrize("k", [0, 1, 7])
def test_who_comes_back_never_receives_from_a_donor_they_brought(k: int) -> None:
    # The donor fits by blood group and cPRA; only the crossmatch, made before they came, was positive.
    waiting = WaitingPool(3, 1, None, keeps_draws=False)
    pair = arrival_of(k, 0.0)
    place = waiting.admit(pair)
    other = waiting.admit(arrival_of(30, 0.0))
    waiting.remove_patient(place)
    again = waiting.admit(pair, cpra=0.0, donor=BloodGroup.O, key=(Stream.ARCS_FROM_NEW_DONOR, (k, 2)))
    assert again != place
    assert not waiting.arcs[place, again]
    assert waiting.arcs[other, again]
    assert waiting.arcs[place, other]
    assert not waiting.arcs[again, again]
