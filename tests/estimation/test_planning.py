"""Plans: what simulated studies say, against plain slow computation, published tables and the real fit."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import combinations
from math import sqrt
from xml.etree import ElementTree

import choix
import numpy as np
import pytest

from estimation.assumptions import PUBLISHED, Assumed, planned_study
from estimation.choice_model import with_counts
from estimation.dataset import INDECISION, Clustering, tally
from estimation.effects import EffectKind
from estimation.errors import EstimationError, NotConnected, NotIdentified, Separated
from estimation.existence import check_estimable
from estimation.fitting import fit
from estimation.planned_study import People, choice_probabilities, of_design_effect, of_spread
from estimation.planning import Plan, PlanPoint, Simulated, Wanted, _schedule, plan
from estimation.planning_plots import plan_plot
from estimation.specification import Model, Regularize, Specification
from estimation.weights import ProfileWeights
from survey.design import ComparisonKind
from survey.design_file import example_design

FREEDMAN = Assumed(weights=PUBLISHED["freedman2020"])
EIGHT = example_design("kidney-8")
BALANCED = replace(EIGHT, comparison_kind=ComparisonKind.BALANCED)
NUMERIC = example_design("kidney-numeric")
EFFECTS = {"age": -0.05, "drinks": -0.5, "dependents": 0.6}


def assert_near(found: Simulated | None, expected: float, expected_error: float = 0.0) -> None:
    assert found is not None
    assert abs(found.value - expected) <= 4 * sqrt(found.error**2 + expected_error**2) + 1e-9


def test_independent_answers_find_what_the_published_table_says():
    # 400 simulations each, so the table has an error of its own, and two digits.
    table = {
        28: (0.08, None),
        140: (0.83, 0.49),
        280: (0.98, 0.38),
        560: (1.0, 0.26),
        1120: (1.0, 0.18),
        2800: (1, 0.11),
    }
    found = plan(BALANCED, FREEDMAN, people=list(table), answers=[1], seed=1)

    for point in found.points:
        exists, rmse = table[point.people]
        assert_near(point.exists, exists, sqrt(exists * (1 - exists) / 400) + 0.002)
        if rmse is not None:
            assert point.rmse is not None
            assert_near(point.rmse, rmse, point.rmse.error + 0.0025)
            assert_near(point.coverage, 0.95, 0.005)
    by_people = {p.people: p for p in found.points}
    assert_near(by_people[1120].exact_ranking, 0.95, 0.011)
    assert_near(by_people[2800].exact_ranking, 0.998, 0.005)


def test_a_plain_slow_simulation_with_choix_agrees():
    pairs = list(combinations(range(8), 2))
    true = np.array(list(PUBLISHED["freedman2020"].values()))
    true -= true.mean()
    rng = np.random.default_rng(5)
    exists, errors, ranked = [], [], []
    for _ in range(150):
        wins = np.zeros((8, 8))
        for i, j in pairs * 6:
            won = rng.random() < 1 / (1 + np.exp(true[j] - true[i]))
            wins[(i, j) if won else (j, i)] += 1
        try:
            with np.errstate(all="ignore"):
                estimate = choix.ilsr_pairwise_dense(wins, alpha=0, max_iter=1000)
        except (ValueError, RuntimeError):
            exists.append(False)
            continue
        exists.append(True)
        estimate -= estimate.mean()
        errors.append(((estimate - true) ** 2).mean())
        ranked.append((np.diff(estimate[np.argsort(true)]) > 1e-6).all())

    (point,) = plan(EIGHT, FREEDMAN, people=[6], answers=[28], seed=2).points

    assert_near(point.exists, np.mean(exists), sqrt(np.mean(exists) * (1 - np.mean(exists)) / 150))
    rmse = sqrt(np.mean(errors))
    assert_near(point.rmse, rmse, np.std(errors) / sqrt(len(errors)) / (2 * rmse))
    assert_near(point.exact_ranking, np.mean(ranked), np.std(ranked) / sqrt(len(ranked)))


@pytest.mark.parametrize("rate", [None, 0.15])
@pytest.mark.parametrize("effects", EffectKind)
def test_an_estimate_is_said_to_exist_exactly_when_the_linear_programme_says_so(rate, effects):
    assumed = replace(FREEDMAN, indecision_rate=rate)
    study, _ = planned_study(EIGHT, assumed, effects)
    study, who = of_spread(study, 1.0, rate=rate, are_pooled=True)
    rng = np.random.default_rng(3)
    seen = set()
    for answers, people in ((3, 3), (4, 5), (5, 8)):
        cell = study._asked(25, people, answers, None, rng)
        kind = 3 * cell + study._choices(cell, who, rng)
        tables = np.stack([np.bincount(k.ravel(), minlength=84).reshape(-1, 3) for k in kind]).astype(float)
        for table, said in zip(tables, study.exist(tables), strict=True):
            used = np.flatnonzero(table.sum(axis=1) > 0)
            m = study.cells.rule.n_predictors
            cells = replace(
                with_counts(study.cells, table),
                design=study.cells.design.reshape(28, m, -1)[used].reshape(len(used) * m, -1),
                counts=table[used],
                offered=study.cells.offered[used],
                n_observed=len(used),
            )
            try:
                check_estimable(cells)
                exists = True
            except (Separated, NotIdentified):
                exists = False
            assert said == exists
            seen.add(exists)
    assert seen == {True, False}


@pytest.mark.parametrize("rate", [None, 0.2])
def test_a_simulated_study_says_what_the_fit_of_its_answers_says(rate):
    study, _ = planned_study(EIGHT, replace(FREEDMAN, indecision_rate=rate), None)
    study, who = of_spread(study, 1.5, rate=rate, are_pooled=True)
    size = {"n_people": 40, "answers": 20}
    outcome = study.simulate(who, **size, schedule=None, n_studies=1, rng=np.random.default_rng(8))
    rng = np.random.default_rng(8)
    cell = study._asked(1, 40, 20, None, rng)
    choice = study._choices(cell, who, rng)
    data = tally(
        attributes=EIGHT.attributes,
        profiles=EIGHT.profiles(),
        left=study.left[cell.ravel()],
        right=study.right[cell.ravel()],
        choice=choice.ravel(),
        offered=rate is not None,
        cluster=np.repeat(np.arange(40), 20),
        clustering=Clustering.RESPONDENT,
    )
    model = Model.BRADLEY_TERRY if rate is None else Model.DAVIDSON
    fitted = fit(data, Specification(model=model, regularize=Regularize.NEVER))
    assert isinstance(fitted.weights, ProfileWeights)
    strengths = fitted.weights.log_strengths
    half = np.array([(e.high - e.low) / 2 for e in strengths])
    error = np.array([e.value for e in strengths]) - study.report @ study.pooled(who)

    assert outcome.exists.tolist() == [True]
    assert outcome.half_width[0] == pytest.approx(half.mean(), rel=1e-8)
    assert outcome.squared_error[0] == pytest.approx((error**2).mean(), rel=1e-6)
    assert outcome.covered[0] == pytest.approx((np.abs(error) <= half).mean())


def test_the_variance_of_people_who_differ_is_the_design_effect_times_that_of_independent_answers():
    alike = plan(EIGHT, FREEDMAN, people=[4200], answers=[1], seed=4).points[0]
    differing = plan(EIGHT, replace(FREEDMAN, design_effect=1.6), people=[150], answers=[28], seed=4).points[
        0
    ]

    assert differing.design_effect == pytest.approx(1.6, abs=1e-3)
    ratio = (differing.rmse.value / alike.rmse.value) ** 2
    error = 2 * ratio * sqrt((differing.rmse.error / 0.1) ** 2 + (alike.rmse.error / 0.1) ** 2)
    assert ratio == pytest.approx(1.6, abs=3.5 * error)
    assert_near(differing.coverage, 0.95, 0.005)


@pytest.mark.parametrize("rate", [None, 0.25])
def test_the_pooled_value_is_what_very_many_people_say(rate):
    study, _ = planned_study(EIGHT, replace(FREEDMAN, indecision_rate=rate), None)
    study, who = of_spread(study, 2.0, rate=rate, are_pooled=False)
    outcome = study.simulate(
        who, n_people=20_000, answers=28, schedule=None, n_studies=1, rng=np.random.default_rng(6)
    )

    # Half-widths at this size are 0.02; a wrong pooled value (the typical person's) would be off by more than 1.
    assert sqrt(outcome.squared_error[0]) < 0.025
    typical = study.report @ study.pooled(replace(who, spread=0.0))
    assert np.ptp(study.report @ study.pooled(who)) < 0.7 * np.ptp(typical)


def test_people_are_undecided_as_often_as_assumed_and_pooled_weights_are_the_assumed_ones():
    assumed = replace(FREEDMAN, indecision_rate=0.15, design_effect=1.5)
    found = plan(EIGHT, assumed, people=[20], seed=1, simulations=2)
    true = np.array(list(PUBLISHED["freedman2020"].values()))

    assert found.pooled == pytest.approx(true - true.mean(), abs=1e-5)
    assert np.ptp(found.typical) > np.ptp(found.pooled)
    study, _ = planned_study(EIGHT, assumed, None)
    study, who = of_spread(study, found.spread, rate=0.15, are_pooled=True)
    cell = np.broadcast_to(study.entries, (1, 20_000, 28))
    choices = study._choices(cell, who, np.random.default_rng(2))
    assert (choices == INDECISION).mean() == pytest.approx(0.15, abs=0.005)


def test_without_differences_between_people_a_design_effect_is_one_at_any_number_of_answers():
    study, _ = planned_study(EIGHT, FREEDMAN, None)

    for answers in (1, 5, 28):
        assert study.design_effect(People(spread=0.0, pull=None), answers, seed=0) == pytest.approx(
            1, abs=1e-9
        )
    assert study.design_effect(People(spread=2.0, pull=None), 1, seed=0) == pytest.approx(1, abs=1e-9)
    assert study.design_effect(People(spread=2.0, pull=None), 28, seed=0) > 1.5


def test_choice_probabilities_are_davidsons_at_any_distance():
    d = np.array([-1e4, -3.0, 0.0, 2.0, 1e4])
    p = choice_probabilities(d, -0.3)
    small = d[1:4]
    z = np.exp(small / 2) + np.exp(-small / 2) + np.exp(-0.3)

    assert p.sum(axis=-1) == pytest.approx(1)
    assert p[1:4] == pytest.approx(
        np.stack([np.exp(small / 2), np.exp(-small / 2), np.full(3, np.exp(-0.3))], -1) / z[:, None]
    )
    assert choice_probabilities(d, None)[:, INDECISION].tolist() == [0] * 5


def test_attributes_are_planned_where_profiles_are_too_many_or_not_connected():
    assumed = Assumed(weights=EFFECTS, spread=1.744, indecision_rate=0.15)
    found = plan(NUMERIC, assumed, people=[60], seed=1, simulations=60)

    assert found.names == ("age", "drinks", "dependents")
    assert found.pooled == pytest.approx((-0.05 * 45, -0.5 * 4, 0.6 * 2), abs=1e-4)
    assert found.points[0].design_effect == pytest.approx(5.5, abs=0.02)
    assert_near(found.points[0].coverage, 0.95, 0.01)
    study_1 = example_design("kidney-study1")
    strengths = {p.id: -0.1 * i for i, p in enumerate(study_1.profiles())}
    with pytest.raises(NotConnected, match="--effects attributes"):
        plan(study_1, Assumed(weights=strengths), people=[20])
    planned = plan(
        study_1, Assumed(weights=strengths), people=[50], effects=EffectKind.ATTRIBUTES, simulations=20
    )
    assert planned.effects is EffectKind.ATTRIBUTES


def test_a_balanced_plan_asks_every_comparison_equally_often():
    study, _ = planned_study(BALANCED, FREEDMAN, None)
    schedule = _schedule(BALANCED, study, 13, 9, 1)

    asked = np.bincount(schedule.ravel(), minlength=28)
    assert asked.max() - asked.min() <= 1
    assert all(len(set(person)) == 9 for person in schedule.tolist())


def test_an_adaptive_design_is_planned_as_balanced_and_says_so():
    adaptive = replace(EIGHT, comparison_kind=ComparisonKind.ADAPTIVE, comparisons_per_respondent=10)
    balanced = replace(adaptive, comparison_kind=ComparisonKind.BALANCED)
    found = plan(adaptive, FREEDMAN, people=[20], simulations=20)

    assert any("adaptive" in note for note in found.notes)
    assert found.points == plan(balanced, FREEDMAN, people=[20], simulations=20).points


def test_the_same_seed_gives_the_same_bytes_and_other_places_on_the_grid_change_nothing():
    def planned(people: list[int], seed: int = 3) -> Plan:
        return plan(EIGHT, FREEDMAN, people=people, answers=[10], simulations=120, seed=seed)

    assert pickle.dumps(planned([10, 30])) == pickle.dumps(planned([30, 10]))
    assert planned([10, 30]).points[1] == planned([30]).points[0]
    assert planned([30], seed=4).points != planned([30]).points


def test_progress_is_told_up_to_the_end():
    told = []
    plan(EIGHT, FREEDMAN, people=[5, 6], simulations=150, progress=lambda done, of: told.append((done, of)))

    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_more_people_are_never_worse():
    points = plan(EIGHT, FREEDMAN, people=[20, 80, 320], seed=5).points

    assert points[0].rmse.value > points[1].rmse.value > points[2].rmse.value
    assert points[0].half_width.value > points[1].half_width.value > points[2].half_width.value
    assert points[0].exact_ranking.value < points[2].exact_ranking.value
    # Four times the people halve the intervals.
    assert points[1].half_width.value / points[2].half_width.value == pytest.approx(2, rel=0.05)


def known(people: list[int], exists: list[float]) -> Plan:
    """A plan in which RMSE is 1 over the root of the number of people."""

    def exactly(value: float) -> Simulated:
        return Simulated(value=value, error=0.0)

    points = tuple(
        PlanPoint(
            people=n,
            answers=28,
            design_effect=1.0,
            simulations=400,
            exists=exactly(e),
            rmse=exactly(1 / sqrt(n)),
            exact_ranking=exactly(n / 1000),
            best_right=None,
            worst_right=None,
            half_width=exactly(2 / sqrt(n)),
            coverage=None,
        )
        for n, e in zip(people, exists, strict=True)
    )
    return replace(plan(EIGHT, FREEDMAN, people=[5], simulations=2), points=points)


@pytest.mark.parametrize(
    ("wanted", "target", "people", "words"),
    [
        (Wanted.RMSE, 0.1, 100, "about 100 people"),
        (Wanted.HALF_WIDTH, 0.2, 100, "about 100 people"),
        (Wanted.RMSE, 0.2, 50, "50 people or fewer"),
        (Wanted.RMSE, 0.01, None, "more than 400 people"),
        (Wanted.EXACT_RANKING, 0.05, 50, "50 people or fewer"),
        (Wanted.EXACT_RANKING, 0.9, None, "more than 400 people"),
    ],
)
def test_the_number_of_people_for_a_wish_is_interpolated_and_says_so(wanted, target, people, words):
    found = known([50, 200, 400], [1.0, 1.0, 1.0])
    (needed,) = found.people_needed(wanted, target)

    assert needed.people == people
    assert words in needed.words(400, 50)


def test_a_small_error_of_estimates_that_seldom_exist_is_not_enough():
    (needed,) = known([50, 200, 400], [0.5, 0.94, 1.0]).people_needed(Wanted.RMSE, 0.2)

    assert needed.people == 400
    assert not needed.is_interpolated
    with pytest.raises(EstimationError, match="chances up to 1"):
        known([50], [1.0]).people_needed(Wanted.EXACT_RANKING, 1.5)


@pytest.mark.parametrize(
    ("design", "assumed", "options", "complaint"),
    [
        (EIGHT, replace(FREEDMAN, design_effect=0.5), {}, "1 \\(independent answers\\) or more"),
        (EIGHT, replace(FREEDMAN, design_effect=float("nan")), {}, "or more"),
        (EIGHT, replace(FREEDMAN, design_effect=20.0), {}, "reach only"),
        (EIGHT, replace(FREEDMAN, design_effect=2.0, spread=1.0), {}, "not both"),
        (EIGHT, replace(FREEDMAN, spread=-1.0), {}, "0 or more"),
        (EIGHT, replace(FREEDMAN, indecision_rate=1.0), {}, "less than 1"),
        (EIGHT, FREEDMAN, {"answers": [40]}, "--answers 28 or fewer"),
        (EIGHT, FREEDMAN, {"answers": [0]}, "1 or more"),
        (EIGHT, FREEDMAN, {"people": [1]}, "2 or more"),
        (EIGHT, FREEDMAN, {"simulations": 1}, "2 or more"),
        (NUMERIC, FREEDMAN, {}, "name neither the profiles"),
        (EIGHT, Assumed(weights={"YRH": 1.0}), {}, "YFH"),
        (
            replace(EIGHT, arms=tuple(replace(a, indecision_offered=False) for a in EIGHT.arms)),
            replace(FREEDMAN, indecision_rate=0.1),
            {},
            "in no arm",
        ),
    ],
)
def test_what_cannot_be_planned_is_refused_with_the_way_out(design, assumed, options, complaint):
    with pytest.raises(EstimationError, match=complaint):
        plan(design, assumed, **{"people": [20], **options})


def test_a_design_effect_beyond_what_consistent_people_can_reach_is_found_at_its_bound():
    # Eight profiles that all tie on average: people's random orders reach (8 + 1) / 3 in all 28 comparisons.
    level = Assumed(weights=dict.fromkeys(PUBLISHED["freedman2020"], 0.0))
    study, _ = planned_study(EIGHT, level, None)

    assert study.design_effect(People(spread=16.0, pull=None), 28, seed=0) == pytest.approx(3, abs=0.06)
    with pytest.raises(EstimationError, match=r"reach only (2\.9|3)"):
        of_design_effect(study, 3.2, 28, rate=None, are_pooled=True, seed=0)


def test_the_picture_is_the_same_for_the_same_plan_and_names_every_line():
    found = plan(EIGHT, FREEDMAN, people=[10, 40], answers=[7, 28], simulations=20)
    picture = plan_plot(found)

    assert picture == plan_plot(found)
    ElementTree.fromstring(picture)
    for words in ("7 answers each", "28 answers each", "RMSE of log-strengths", "the estimate exists"):
        assert words in picture
