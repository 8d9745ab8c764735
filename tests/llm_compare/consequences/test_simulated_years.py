from __future__ import annotations

from dataclasses import replace

import pytest

from estimation.weights import AttributeWeights, Estimate, ProfileWeights
from exchange.errors import OtherExperiment
from exchange.simulation.simulate import simulate
from llm_compare.consequences.difference import Verdict
from llm_compare.consequences.groups import GroupKind
from llm_compare.consequences.simulated_years import (
    DEFAULT_SCENARIO,
    fitting_scenario,
    planned_experiment,
    simulate_consequences,
)
from llm_compare.consequences.study import study_design
from llm_compare.errors import NotComparable
from survey.design import design_hash
from survey.design_file import example_design

DESIGN = example_design("kidney-8")
YEARS = 60 / 365
SEEDS = (1, 2, 3)


def weights(age: float) -> AttributeWeights:
    values = {"age=old": age, "drinking=frequent": -0.1 * abs(age), "health=cancer": -0.01 * abs(age)}
    return AttributeWeights.named(DESIGN.attributes, {k: Estimate(value=v) for k, v in values.items()})


YOUNG_FIRST = weights(-2.0)
MODELS = {"same": YOUNG_FIRST, "old-first": weights(2.0), "no-preference": weights(0.0)}


def simulated(folder, *, models=MODELS, seeds=SEEDS, progress=lambda _: None):
    return simulate_consequences(
        YOUNG_FIRST, models, DESIGN, years=YEARS, seeds=seeds, folder=folder, progress=progress
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("years") / "runs"


@pytest.fixture(scope="module")
def results(folder):
    return {result.model: result for result in simulated(folder)}


def by_group(result):
    return {group.group: group for group in result.groups}


def test_the_same_weights_change_nothing(results):
    for group in results["same"].groups:
        assert group.by_people == group.by_model
        for d in (group.transplants_per_year, group.left_per_year, group.waiting_years_per_year):
            assert (d.value, d.low, d.high, d.verdict) == (0, 0, 0, Verdict.SAME)
    assert "no level of any attribute gains or loses" in results["same"].sentences[0]


def test_opposite_weights_move_transplants_and_waiting_from_one_age_to_the_other(results):
    groups = by_group(results["old-first"])
    young, old = groups["30 years old"], groups["70 years old"]

    assert young.transplants_per_year.verdict is Verdict.FEWER
    assert old.transplants_per_year.verdict is Verdict.MORE
    assert young.waiting_years_per_year.value > 0 > old.waiting_years_per_year.value
    assert young.by_people.transplanted_share > young.by_model.transplanted_share
    assert '"30 years old"' in results["old-first"].sentences[0]


def test_levels_add_up_to_everybody(results):
    result = results["old-first"]

    for name in ("age", "drinking", "health"):
        levels = [g for g in result.groups if g.attribute == name]
        for measure in ("transplants_per_year", "left_per_year", "waiting_years_per_year"):
            total = sum(getattr(g, measure).value for g in levels)
            assert total == pytest.approx(getattr(result.everybody, measure).value, abs=1e-9)
    for group in result.groups:
        fate = group.by_model
        assert fate.transplanted_share + fate.left_share + fate.waiting_share == pytest.approx(1.0)


def test_transplants_are_those_of_the_runs_themselves(results):
    plan = planned_experiment(YOUNG_FIRST, MODELS, DESIGN, scenario=None, years=YEARS, seeds=SEEDS)
    counts = {}
    for name in ("people's weights", "weights of old-first"):
        condition = next(c for c in plan.conditions if c.name == name)
        counts[name] = [
            int(sum((p["transplanted"] >= 0) & (p["patient.age"] == "young")))
            for p in (simulate(plan.scenarios[0], DESIGN, condition, seed=s).patients for s in SEEDS)
        ]
    people, model = counts.values()

    young = by_group(results["old-first"])["30 years old"]
    expected = (sum(model) - sum(people)) / len(SEEDS) / YEARS
    assert young.transplants_per_year.value == pytest.approx(expected)


def test_a_model_without_preference_is_every_patient_the_same(results):
    result = results["no-preference"]

    assert result.model_is_indifferent
    assert all(group.by_model == group.by_equal for group in result.groups)
    assert "prefer no patient" in result.sentences[0]


def test_finished_runs_are_not_computed_again(folder, results):
    told = []
    again = simulated(folder, progress=told.append)

    assert [p.message for p in told] == [f"{len(SEEDS) * (len(MODELS) + 2)} found"]
    assert {r.model: r for r in again} == results


def test_another_comparison_does_not_mix_with_a_folders_runs(folder, results):
    assert results
    with pytest.raises(OtherExperiment, match="another folder"):
        simulated(folder, models={"same": YOUNG_FIRST})


def test_draws_of_the_weights_widen_the_intervals(tmp_path):
    model = weights(0.02)
    found = simulate_consequences(
        YOUNG_FIRST,
        {"unsure": model},
        DESIGN,
        years=YEARS / 2,
        seeds=(1, 2),
        folder=tmp_path / "runs",
        model_draws={"unsure": [weights(1.0), weights(-1.0), weights(-1.1)]},
    )[0]

    old = by_group(found)["70 years old"].transplants_per_year
    assert found.n_draws == 3
    assert old.value > 0
    assert old.low_with_weights is not None
    assert old.low_with_weights < 0
    assert any("3 draws" in text for text in found.sentences)


def test_the_default_scenario_takes_the_patients_of_the_study():
    assert fitting_scenario(DESIGN).name == DEFAULT_SCENARIO
    numeric = fitting_scenario(example_design("kidney-numeric"))
    assert numeric.model.profile_shares == ()
    assert numeric.name != DEFAULT_SCENARIO


def test_a_study_of_which_only_attributes_are_known_can_be_simulated(tmp_path):
    known = example_design("kidney-numeric")
    design = study_design("own", "Own", "0" * 64, known.attributes)
    people = AttributeWeights.named(
        design.attributes, {a.name: Estimate(value=-0.1) for a in design.attributes}
    )
    found = simulate_consequences(
        people, {"m": people}, design, years=20 / 365, seeds=(1,), folder=tmp_path / "runs"
    )[0]

    assert {g.attribute for g in found.groups if g.kind is GroupKind.ATTRIBUTE} == {
        a.name for a in known.attributes
    }
    assert "uniformly" in found.sentences[-1]
    assert found.everybody.transplants_per_year.low is None
    assert study_design("any", "Any", design_hash(known), ()) == known


def test_weights_of_other_profiles_are_refused_before_anything_runs(tmp_path):
    profiles = DESIGN.profiles()
    assert profiles is not None
    some = ProfileWeights(
        attributes=DESIGN.attributes,
        profiles=profiles[:3],
        log_strengths=tuple(Estimate(value=float(i)) for i in range(3)),
    )

    with pytest.raises(NotComparable, match="do not cover"):
        simulated(tmp_path / "runs", models={"m": some})
    assert not (tmp_path / "runs").exists()


def test_no_time_is_refused():
    with pytest.raises(NotComparable, match="less than a day"):
        planned_experiment(YOUNG_FIRST, MODELS, DESIGN, scenario=None, years=0.0, seeds=SEEDS)


def test_a_scenario_of_ones_own_keeps_its_rules_and_gets_the_years_asked_for():
    own = replace(fitting_scenario(DESIGN), name="own", chain_cap=2)
    plan = planned_experiment(YOUNG_FIRST, MODELS, DESIGN, scenario=own, years=0.5, seeds=SEEDS)

    assert (plan.scenarios[0].name, plan.scenarios[0].chain_cap, plan.scenarios[0].days) == ("own", 2, 182)
