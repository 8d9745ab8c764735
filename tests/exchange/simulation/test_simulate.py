from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estimation.weights import ProfileWeights
from exchange.arc_success import APD, SURE, success_rule
from exchange.clearing.clear import Goal
from exchange.clearing.objectives import Objective, Policy
from exchange.compatibility import BloodGroupClass, blood_group_class
from exchange.donor_preferences import donor_priorities
from exchange.errors import BadRequest, BadScenario, MissingPriorities
from exchange.pool import BloodGroup
from exchange.pool_generator import generate_pool
from exchange.pool_model import FREEDMAN, SAIDMAN
from exchange.published_weights import HETEROGENEOUS, PROFILES, published_preferences, published_weights
from exchange.simulation import waiting_pool
from exchange.simulation.condition import Condition, DonorPreferences
from exchange.simulation.planning import PlannedExchange, Planner
from exchange.simulation.record import DAY_COLUMNS, NEVER, PATIENT_COLUMNS, RunRecord
from exchange.simulation.scenario import (
    ArrivalLaw,
    Arrivals,
    GraftFailure,
    Scenario,
    Sensitization,
    Stay,
    StayLaw,
)
from exchange.simulation.simulate import simulate
from survey.design import StudyDesign
from survey.design_file import example_design

MakeScenario = Callable[..., Scenario]
MakeCondition = Callable[..., Condition]

ARRIVALS = [
    Arrivals(law=ArrivalLaw.POISSON, mean=1.5),
    Arrivals(law=ArrivalLaw.NEGATIVE_BINOMIAL, mean=1.5, dispersion=0.5),
    Arrivals(law=ArrivalLaw.LISTED, numbers=(0, 5)),
]
STAYS = [
    Stay(),
    Stay(law=StayLaw.CONSTANT_RISK, daily_risk=0.05),
    Stay(law=StayLaw.WEIBULL, mean_days=15.0, shape=1.5),
]
scenarios = st.fixed_dictionaries(
    {
        "days": st.integers(1, 45),
        "arrivals": st.sampled_from(ARRIVALS),
        "ndd_arrivals": st.sampled_from([Arrivals(), Arrivals(mean=0.2)]),
        "stay": st.sampled_from(STAYS),
        "ndd_stay": st.sampled_from(STAYS),
        "match_every_days": st.sampled_from([1, 1, 4]),
        "delay_days": st.sampled_from([0, 1, 6]),
        "cycle_cap": st.sampled_from([0, 2, 3, 4]),
        "chain_cap": st.integers(1, 4),
        "has_bridge_donors": st.booleans(),
        "renege": st.sampled_from([0.0, 0.5]),
        "success": st.sampled_from([SURE, APD, success_rule("constant:0.6")]),
        "sensitization": st.sampled_from([Sensitization(), Sensitization(yearly_rate=20.0, increase=0.4)]),
        "graft_failure": st.sampled_from(
            [GraftFailure(), GraftFailure(yearly_rate=40.0, returns=0.8, increase=0.3)]
        ),
        "has_first_pool": st.booleans(),
        "has_imported": st.booleans(),
    }
)
conditions = st.sampled_from(
    [
        (Policy.EQUAL, ""),
        (Policy.PRIORITY_AFTER_CARDINALITY, "patients"),
        (Policy.PRIORITY_AFTER_CARDINALITY, "donors"),
        (Policy.GREATEST_WEIGHT, "donors"),
        (Policy.ROBUST, ""),
        (Policy.SENSITIZED_FIRST, ""),
        (Policy.PRIORITY_AFTER_EXPECTED, "patients"),
        ((Goal(objective=Objective.TRANSPLANTS, concession=2.0), Goal(objective=Objective.SENSITIZED)), ""),
    ]
)
seeds = st.integers(0, 2**40)


def build(make_scenario: MakeScenario, study: StudyDesign, given_: dict[str, Any]) -> Scenario:
    settings_ = dict(given_)
    first = generate_pool(study, n_pairs=12, n_ndds=2, seed=99)
    known = study.profiles() or ()
    return make_scenario(
        first_pool=first if settings_.pop("has_first_pool") else None,
        imported_profiles=(known[1], known[6]) if settings_.pop("has_imported") else (),
        **settings_,
    )


def first_time(record: RunRecord) -> np.ndarray:
    """Return which rows are of those who have not come back."""
    return np.array([not re.search(r"\d-\d+$", pair) for pair in record.patients["pair"]], dtype=np.bool_)


def assert_possible(record: RunRecord, scenario: Scenario) -> None:
    """Fail unless everything in the two tables fits together."""
    p, d, n = record.patients, record.days, scenario.days
    assert set(PATIENT_COLUMNS) <= set(p)
    assert tuple(d) == DAY_COLUMNS
    assert all(len(column) == record.n_patients for column in p.values())
    assert d["day"].tolist() == list(range(n))
    for name, kind in PATIENT_COLUMNS.items():
        assert p[name].dtype.kind == np.dtype(kind).kind
    assert len(set(p["pair"].tolist())) == record.n_patients
    received, left, planned = p["transplanted"] != NEVER, p["left"] != NEVER, p["planned"] != NEVER
    assert not np.any(received & left)
    assert np.all(np.diff(p["arrived"]) >= 0)
    assert np.all(p["planned"][planned] >= p["arrived"][planned])
    assert np.all(p["left"][left] >= p["arrived"][left])
    assert np.all(p["left"][left & planned] >= p["planned"][left & planned])
    assert not np.any(received & ~planned)
    assert np.array_equal(p["times_planned"] > 0, planned)
    since = p["transplanted"][received] - scenario.delay_days
    assert np.all(since % scenario.match_every_days == 0)
    assert np.all(p["planned"][planned] % scenario.match_every_days == 0)
    assert np.all(since >= p["planned"][received])
    once = p["times_planned"][received] == 1
    assert np.array_equal(since[once], p["planned"][received][once])
    assert np.all(p["transplanted"] < n)
    assert np.all((p["cpra"] >= 0) & (p["cpra"] <= 1))

    given_to = {giver: i for i, giver in enumerate(p["giver"].tolist()) if giver}
    assert len(given_to) == np.count_nonzero(p["giver"] != "")
    assert np.all(p["giver"][received] != "")
    assert np.all(p["giver"][left] == "")
    row = {pair: i for i, pair in enumerate(p["pair"].tolist())}
    for giver, i in given_to.items():
        if giver in row and received[i]:
            assert received[row[giver]]
            assert p["transplanted"][row[giver]] <= p["transplanted"][i]
        assert row.get(giver) != i

    by_day = {name: np.bincount(p[name][p[name] != NEVER], minlength=n) for name in ("arrived", "left")}
    by_day["transplanted"] = np.bincount(p["transplanted"][received], minlength=n)
    for name, counts in by_day.items():
        assert np.array_equal(d[name], counts), name
    waiting = np.cumsum(by_day["arrived"] - by_day["left"] - by_day["transplanted"])
    assert np.array_equal(d["waiting"], waiting)
    assert np.array_equal(sum(d[f"waiting_{c.replace('-', '_')}"] for c in BloodGroupClass), waiting)
    assert d["planned"].sum() == p["times_planned"].sum()
    pending = np.count_nonzero((p["giver"] != "") & ~received)
    assert d["planned"].sum() == received.sum() + d["fell_through"].sum() + pending
    assert np.all(d["failed"] <= d["fell_through"])
    assert np.all(d["waiting_highly_sensitized"] <= waiting)
    assert min(d["ndds"].min(), d["bridge_donors"].min(), d["waiting_highly_sensitized"].min()) >= 0
    end = np.select([received, left], [p["transplanted"], p["left"]], n)
    for day in range(n):
        there = (p["arrived"] <= day) & (end > day)
        mean = float(np.mean(day - p["arrived"][there])) if there.any() else 0.0
        assert d["mean_days_waited"][day] == pytest.approx(mean)
    last = end == n
    groups = zip(p["patient_blood_group"][last], p["donor_blood_group"][last], strict=True)
    classes = Counter(blood_group_class(BloodGroup(a), BloodGroup(b)) for a, b in groups)
    for c in BloodGroupClass:
        assert d[f"waiting_{c.replace('-', '_')}"][-1] == classes[c]


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(given_=scenarios, wanted=conditions, seed=seeds)
def test_whatever_happens_everything_adds_up(
    make_scenario: MakeScenario,
    make_condition: MakeCondition,
    study: StudyDesign,
    given_: dict[str, Any],
    wanted: tuple[Any, str],
    seed: int,
) -> None:
    scenario = build(make_scenario, study, given_)
    sizes: list[PlannedExchange] = []
    plan = Planner.plan

    def spying(self: Planner, *args: Any) -> list[PlannedExchange]:
        found = plan(self, *args)
        sizes.extend(found)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Planner, "plan", spying)
        patch.setattr(waiting_pool, "_ROOM", 4)
        patch.setattr(waiting_pool, "_BLOCK", 8)
        record = simulate(scenario, study, make_condition(*wanted), seed=seed)
    assert_possible(record, scenario)
    assert all(len(e.places) <= (scenario.chain_cap + 1 if e.is_chain else scenario.cycle_cap) for e in sizes)
    p = record.patients
    if scenario.first_pool is None and not scenario.graft_failure.yearly_rate:
        pool = generate_pool(study, n_pairs=record.n_patients, n_ndds=40, seed=seed)
        arcs = {(arc.donor, arc.recipient) for arc in pool.arcs}
        assert {
            (g, pair) for g, pair in zip(p["giver"].tolist(), p["pair"].tolist(), strict=True) if g
        } <= arcs
    if scenario.success == SURE and not scenario.sensitization.yearly_rate:
        assert record.days["failed"].sum() == 0


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(given_=scenarios, one=conditions, other=conditions, seed=seeds)
def test_the_same_people_come_under_every_condition_and_again(
    make_scenario: MakeScenario,
    make_condition: MakeCondition,
    study: StudyDesign,
    given_: dict[str, Any],
    one: tuple[Any, str],
    other: tuple[Any, str],
    seed: int,
) -> None:
    scenario = build(make_scenario, study, given_)
    a = simulate(scenario, study, make_condition(*one), seed=seed)
    # A scenario read again is another object: nothing that was remembered is used.
    again = simulate(replace(scenario), study, make_condition(*one), seed=seed)
    assert {n: c.tobytes() for n, c in a.patients.items() if c.dtype != object} == {
        n: c.tobytes() for n, c in again.patients.items() if c.dtype != object
    }
    assert {n: c.tobytes() for n, c in a.days.items()} == {n: c.tobytes() for n, c in again.days.items()}
    b = simulate(scenario, study, make_condition(*other), seed=seed)
    of_a, of_b = first_time(a), first_time(b)
    who = ["pair", "profile", "patient_blood_group", "donor_blood_group", "cpra", "arrived"]
    who += [f"patient.{attribute.name}" for attribute in study.attributes]
    for name in who:
        assert a.patients[name][of_a].tolist() == b.patients[name][of_b].tolist()
    never = (a.patients["transplanted"][of_a] == NEVER) & (b.patients["transplanted"][of_b] == NEVER)
    assert a.patients["left"][of_a][never].tolist() == b.patients["left"][of_b][never].tolist()


@pytest.mark.parametrize("weights", ["patients", "donors"])
def test_patients_come_back_more_sensitized_with_another_donor(
    make_scenario: MakeScenario, make_condition: MakeCondition, study: StudyDesign, weights: str
) -> None:
    scenario = make_scenario(
        days=80,
        graft_failure=GraftFailure(yearly_rate=120.0, returns=0.9, increase=0.1),
        sensitization=Sensitization(yearly_rate=10.0, increase=0.2),
        chain_cap=3,
        ndd_arrivals=Arrivals(mean=0.2),
    )
    preferences = DonorPreferences(
        distribution=published_preferences(HETEROGENEOUS), reference=study.profiles() or ()
    )
    condition = make_condition(Policy.PRIORITY_AFTER_CARDINALITY, weights)
    record = simulate(scenario, study, condition, seed=2, ranks_by=preferences)
    assert_possible(record, scenario)
    p = record.patients
    row = {pair: i for i, pair in enumerate(p["pair"].tolist())}
    times: Counter[int] = Counter()
    more_sensitized: defaultdict[str, bool] = defaultdict(bool)
    for pair, i in row.items():
        name, _, number = pair.partition("-")
        times[int(number or 1)] += 1
        if not number:
            continue
        before = row[name if number == "2" else f"{name}-{int(number) - 1}"]
        assert p["transplanted"][before] != NEVER
        assert p["arrived"][i] > p["transplanted"][before]
        by_graft = p["cpra"][before] + 0.1 * (1 - p["cpra"][before])
        assert p["cpra"][i] >= by_graft - 1e-12
        more_sensitized[number] |= bool(p["cpra"][i] > by_graft + 1e-9)
        assert p["patient_blood_group"][i] == p["patient_blood_group"][before]
        assert p["profile"][i] == p["profile"][before]
    assert min(times[1], times[2], times[3]) > 5
    # While they waited, for the first time and for the second.
    assert more_sensitized["2"]
    assert more_sensitized["3"]
    gave = p["giver"] != ""
    assert np.array_equal(p["rank"] > 0, gave)
    assert any("-" in giver for giver in p["giver"].tolist())


def test_ranks_are_the_givers_own_and_change_nothing_else(
    make_scenario: MakeScenario, make_condition: MakeCondition, study: StudyDesign
) -> None:
    reference = study.profiles() or ()
    preferences = DonorPreferences(distribution=published_preferences(HETEROGENEOUS), reference=reference)
    scenario, condition = make_scenario(), make_condition(Policy.EQUAL)
    plain = simulate(scenario, study, condition, seed=4)
    ranked = simulate(scenario, study, condition, seed=4, ranks_by=preferences)
    p = ranked.patients
    for name, column in plain.patients.items():
        assert name == "rank" or column.tolist() == p[name].tolist()
    assert set(plain.patients["rank"].tolist()) == {0}
    pool = generate_pool(study, n_pairs=ranked.n_patients, n_ndds=0, seed=4)
    every = replace(
        pool,
        pairs=tuple(replace(pair, profile=reference[i % 8]) for i, pair in enumerate(pool.pairs)),
        arcs=(),
    )
    weights = donor_priorities(every, preferences.distribution, reference, seed=4)
    matrix = weights.matrix(weights.donors, tuple(pair.id for pair in every.pairs[:8]))
    place = {profile.id: i for i, profile in enumerate(reference)}
    seen = set()
    for giver, profile, rank in zip(p["giver"], p["profile"], p["rank"], strict=True):
        if giver:
            own = matrix[weights.donors.index(str(giver))]
            assert rank == 1 + np.count_nonzero(own > own[place[str(profile)]])
            seen.add(int(rank))
        else:
            assert rank == 0
    assert len(seen) >= 5


def test_conditions_of_one_seed_differ_far_less_than_independent_runs(
    make_scenario: MakeScenario, make_condition: MakeCondition, study: StudyDesign
) -> None:
    # Over five years the ratio is 550 to 1,000.
    scenario = make_scenario(
        days=150,
        arrivals=Arrivals(law=ArrivalLaw.FLOOR_EXPONENTIAL, mean=4.0),
        stay=Stay(law=StayLaw.CONSTANT_RISK, daily_risk=0.000580725),
    )
    equal = make_condition(Policy.EQUAL)
    priority = make_condition(Policy.PRIORITY_AFTER_CARDINALITY, "patients")
    totals = np.array(
        [
            [
                np.count_nonzero(simulate(scenario, study, c, seed=seed).patients["transplanted"] != NEVER)
                for c in (equal, priority)
            ]
            for seed in range(16)
        ]
    )
    independent = totals.var(axis=0, ddof=1).sum()
    paired = (totals[:, 0] - totals[:, 1]).var(ddof=1)
    assert independent / paired > 100


@pytest.mark.parametrize("weights", ["patients", "donors"])
def test_nobody_at_all_is_no_error(
    make_scenario: MakeScenario, make_condition: MakeCondition, study: StudyDesign, weights: str
) -> None:
    scenario = make_scenario(arrivals=Arrivals(mean=0.0), chain_cap=2, ndd_arrivals=Arrivals(mean=0.3))
    condition = make_condition(Policy.PRIORITY_AFTER_CARDINALITY, weights)
    record = simulate(scenario, study, condition, seed=1)
    assert record.n_patients == 0
    assert record.days["ndds"][-1] > 3
    assert_possible(record, scenario)


def test_a_negative_seed_is_refused(
    make_scenario: MakeScenario, make_condition: MakeCondition, study: StudyDesign
) -> None:
    with pytest.raises(BadRequest, match=r"seed -1 is negative; give 0 or more"):
        simulate(make_scenario(), study, make_condition(Policy.EQUAL), seed=-1)


def test_weights_that_leave_a_profile_out_are_refused(
    make_scenario: MakeScenario, study: StudyDesign
) -> None:
    full = published_weights(PROFILES)
    assert isinstance(full, ProfileWeights)
    few = replace(full, profiles=full.profiles[2:], log_strengths=full.log_strengths[2:])
    condition = Condition(name="few", policy=Policy.GREATEST_WEIGHT, weights=few)
    with pytest.raises(
        MissingPriorities, match=r"condition 'few': the weights do not cover the profile YRH.*use weights"
    ):
        simulate(make_scenario(), study, condition, seed=1)


def test_donors_preferences_that_leave_a_profile_out_are_refused(
    make_scenario: MakeScenario, make_condition: MakeCondition
) -> None:
    scenario = make_scenario(model=SAIDMAN)
    with pytest.raises(MissingPriorities, match=r"do not cover every patient"):
        simulate(
            scenario,
            example_design("kidney-numeric"),
            make_condition(Policy.GREATEST_WEIGHT, "donors"),
            seed=1,
        )


def test_a_model_whose_profiles_the_study_lacks_is_refused(
    make_scenario: MakeScenario, make_condition: MakeCondition
) -> None:
    with pytest.raises(BadRequest, match=r"draws profiles that study 'kidney-numeric' does not have"):
        simulate(
            make_scenario(model=FREEDMAN),
            example_design("kidney-numeric"),
            make_condition(Policy.EQUAL),
            seed=1,
        )


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"days": 0}, ("days",), "give 1 to 36525"),
        ({"match_every_days": 0}, ("match_every_days",), "give 1 or more"),
        ({"delay_days": -1}, ("delay_days",), "give 0 or more"),
        ({"cycle_cap": 1}, ("cycle_cap",), "give 2 or more, or 0 for none"),
        ({"chain_cap": -1}, ("chain_cap",), "is negative"),
        ({"cycle_cap": 0}, ("cycle_cap",), "with neither cycles nor chains"),
        ({"renege": 1.5}, ("renege",), "between 0 and 1"),
        ({"arrivals": Arrivals(mean=float("nan"))}, ("arrivals", "mean"), "give 0 to 10000"),
        ({"arrivals": Arrivals(law=ArrivalLaw.LISTED)}, ("arrivals", "numbers"), "needs the numbers"),
        (
            {"arrivals": Arrivals(law=ArrivalLaw.LISTED, numbers=(1, -2))},
            ("arrivals", "numbers"),
            "-2 people cannot arrive",
        ),
        (
            {"arrivals": Arrivals(law=ArrivalLaw.NEGATIVE_BINOMIAL, mean=1.0, dispersion=0.0)},
            ("arrivals", "dispersion"),
            "above 0",
        ),
        ({"stay": Stay(law=StayLaw.EXPONENTIAL)}, ("stay", "mean_days"), "above 0"),
        (
            {"ndd_stay": Stay(law=StayLaw.WEIBULL, mean_days=3.0, shape=0.0)},
            ("ndd_stay", "shape"),
            "0.05 to 100",
        ),
        ({"stay": Stay(least_days=9, most_days=8)}, ("stay", "least_days"), "give least, then most"),
        (
            {"sensitization": Sensitization(yearly_rate=-1.0)},
            ("sensitization", "yearly_rate"),
            "events per year",
        ),
        ({"graft_failure": GraftFailure(returns=2.0)}, ("graft_failure", "returns"), "between 0 and 1"),
    ],
)
def test_scenarios_that_cannot_be_are_refused_with_place_and_way_out(
    make_scenario: MakeScenario, changes: dict[str, Any], place: tuple[str, ...], words: str
) -> None:
    with pytest.raises(BadScenario, match=re.escape(words)) as caught:
        make_scenario(**changes)
    assert [found for found, _ in caught.value.complaints] == [place]


def test_a_first_pool_whose_people_are_not_known_is_refused(
    make_scenario: MakeScenario, study: StudyDesign
) -> None:
    pool = generate_pool(study, n_pairs=3, n_ndds=0, seed=1)
    bare = replace(pool, pairs=(replace(pool.pairs[0], cpra=None), *pool.pairs[1:]))
    with pytest.raises(BadScenario, match=r"without blood group or cPRA, among them P1"):
        make_scenario(first_pool=bare)
    with_compatible = generate_pool(study, n_pairs=30, n_ndds=0, seed=1, keep_compatible=True)
    with pytest.raises(BadScenario, match=r"compatible pair\(s\)"):
        make_scenario(first_pool=with_compatible)
