from __future__ import annotations

import csv
import json
from collections.abc import Callable
from itertools import pairwise
from math import log
from pathlib import Path
from statistics import mean, stdev

import pytest

from estimation.weights import AttributeWeights, ProfileWeights
from exchange.clearing.objectives import Objective, Policy
from exchange.errors import BadRequest
from exchange.experiment.experiment_file import (
    experiment_names,
    experiment_path,
    read_experiment,
    study_named,
)
from exchange.experiment.plan import ExperimentPlan
from exchange.outcomes.outcome import Measure
from exchange.published_weights import PROFILES, published_weights
from survey.design_file import EXAMPLES, example_design

Parse = Callable[..., ExperimentPlan]

SHARED = Path(__file__).resolve().parents[4] / "shared"
REFERENCE = SHARED / "reference"
CSV = SHARED / "data" / "kidney" / "freedman_outputs"

HEAD = """seeds = [3, 1]
[[scenarios]]
preset = "freedman2020"
"""
CONDITION = """[[conditions]]
policy = "equal"
"""


def conditions(parsed: Parse, text: str, folder: Path = Path()) -> list[str]:
    return [c.name for c in parsed(f"{HEAD}[[conditions]]\n{text}", folder).conditions]


def complaint(parsed: Parse, text: str, folder: Path = Path()) -> str:
    with pytest.raises(BadRequest) as error:
        parsed(text, folder)
    return str(error.value)


def test_a_file_needs_little(parsed: Parse) -> None:
    plan = parsed(HEAD + CONDITION)
    assert (plan.name, plan.title, plan.baseline) == ("own", "own", "equal")
    assert plan.seeds == (3, 1)
    assert plan.design == example_design("kidney-8")
    assert [s.name for s in plan.scenarios] == ["freedman2020"]
    assert plan.ranks_by is None
    assert plan.published == ()


def test_policies_are_crossed_with_weights(parsed: Parse) -> None:
    names = conditions(
        parsed,
        'policy = ["equal", "greatest-weight", "priority-after-cardinality"]\n'
        'weights = ["freedman2020-profiles", "freedman2020-attributes"]',
    )
    # What looks at no weights comes once.
    assert names == [
        "equal",
        "greatest-weight, freedman2020-profiles",
        "greatest-weight, freedman2020-attributes",
        "priority-after-cardinality, freedman2020-profiles",
        "priority-after-cardinality, freedman2020-attributes",
    ]


def test_names_say_where_policy_and_weights_stand(parsed: Parse) -> None:
    both = 'policy = ["equal", "greatest-weight"]\nweights = "freedman2020-profiles"\n'
    assert conditions(parsed, both + 'name = "A"') == ["A, equal", "A, greatest-weight"]
    assert conditions(parsed, both + 'name = "{weights}: {policy}!"') == [
        ": equal!",
        "freedman2020-profiles: greatest-weight!",
    ]
    assert conditions(
        parsed, 'name = "A"\npolicy = "greatest-weight"\nweights = "freedman2020-profiles"'
    ) == ["A"]


def test_objectives_stand_in_place_of_a_policy(parsed: Parse) -> None:
    plan = parsed(
        f"{HEAD}[[conditions]]\n"
        'objectives = ["transplants", "priority"]\nconcede = { transplants = 2.0 }\n'
        'weights = "freedman2020-profiles"\n'
    )
    (condition,) = plan.conditions
    assert condition.policy is None
    assert [(g.objective, g.concession) for g in condition.goals] == [
        (Objective.TRANSPLANTS, 2.0),
        (Objective.PRIORITY, 0.0),
    ]
    assert condition.name == "transplants then priority, freedman2020-profiles"


def test_a_weight_set_has_the_strengths_it_lists(parsed: Parse) -> None:
    strengths = {p.id: 1.0 + i for i, p in enumerate(example_design("kidney-8").profiles() or ())}
    plan = parsed(
        f'{HEAD}[[conditions]]\npolicy = "greatest-weight"\nweights = "own set"\n[weight_sets."own set"]\n'
        + "\n".join(f"{name} = {value}" for name, value in strengths.items())
    )
    weights = plan.conditions[0].weights
    assert isinstance(weights, ProfileWeights)
    for profile in weights.profiles:
        assert weights.weight(profile) == pytest.approx(strengths[profile.id] / 8.0)
    assert sum(e.value for e in weights.log_strengths) == pytest.approx(0.0)


def write_weights(path: Path, *, with_intervals: bool) -> None:
    """Write weights of attributes with three draws, as 'equipoise estimate fit' does."""
    study = json.loads(json.dumps(attribute_records()))
    path.write_text(
        json.dumps(
            {
                "format": "equipoise-weights",
                "format_version": 2,
                "model": "bradley-terry",
                "attributes": study,
                "coefficients": {
                    "age=old": {
                        "value": -2.0,
                        "low": -2.98 if with_intervals else None,
                        "high": -1.02 if with_intervals else None,
                    },
                    "drinking=frequent": {"value": -1.0, "low": None, "high": None},
                    "health=cancer": {"value": 0.5, "low": None, "high": None},
                },
                "draws": {
                    "of": ["age=old", "drinking=frequent", "health=cancer"],
                    "rows": [[-2.1, -1.1, 0.4], [-1.9, -0.9, 0.6], [-2.0, -1.2, 0.5]],
                },
                "design_hashes": [],
            }
        )
    )


def attribute_records() -> list[dict[str, object]]:
    from survey.design_file import attribute_records as records

    return records(example_design("kidney-8").attributes)


def test_draws_follow_the_condition_that_they_are_of(parsed: Parse, tmp_path: Path) -> None:
    write_weights(tmp_path / "weights.json", with_intervals=True)
    plan = parsed(
        f'{HEAD}[[conditions]]\nname = "A"\npolicy = "greatest-weight"\nweights = "weights.json"\ndraws = 2\n',
        tmp_path,
    )
    assert [c.name for c in plan.conditions] == ["A", "A #1", "A #2"]
    found = []
    for condition in plan.conditions:
        assert isinstance(condition.weights, AttributeWeights)
        found.append([e.value for e in condition.weights.coefficients.values()])
    assert found == [[-2.0, -1.0, 0.5], [-2.1, -1.1, 0.4], [-1.9, -0.9, 0.6]]
    assert plan.inputs == {"weights weights.json": tmp_path / "weights.json"}


def test_sensitivity_moves_one_coefficient_at_a_time(parsed: Parse, tmp_path: Path) -> None:
    write_weights(tmp_path / "weights.json", with_intervals=True)
    plan = parsed(
        f'{HEAD}[[conditions]]\nname = "A"\npolicy = "greatest-weight"\nweights = "weights.json"\n'
        "sensitivity = true\n",
        tmp_path,
    )
    moved = {}
    for condition in plan.conditions:
        assert isinstance(condition.weights, AttributeWeights)
        moved[condition.name] = [round(e.value, 6) for e in condition.weights.coefficients.values()]
    # The interval is 1.96 to either side: half a standard error each is 0.5.
    assert moved == {
        "A": [-2.0, -1.0, 0.5],
        "A, age=old +1 se": [pytest.approx(-1.5, abs=1e-4), -1.0, 0.5],
        "A, age=old -1 se": [pytest.approx(-2.5, abs=1e-4), -1.0, 0.5],
        "A, drinking=frequent +20 %": [-2.0, -0.8, 0.5],
        "A, drinking=frequent -20 %": [-2.0, -1.2, 0.5],
        "A, health=cancer +20 %": [-2.0, -1.0, 0.6],
        "A, health=cancer -20 %": [-2.0, -1.0, 0.4],
    }


def write_people(path: Path) -> None:
    """Write two classes of people and no population, as far as they are read."""
    document = {
        "format": "equipoise-people",
        "classes": {
            "chosen": {
                "of": ["age=old", "drinking=frequent", "health=cancer", "pull"],
                "kinds": [
                    {"share": {"value": 0.7}, "values": [-2, -1, -0.5, 1.5], "others": {"pull": {}}},
                    {"share": {"value": 0.3}, "values": [0.5, -3, -0.1, 0.2], "others": {"pull": {}}},
                ],
            }
        },
    }
    path.write_text(json.dumps(document))


def test_there_is_a_condition_for_each_class_of_people(parsed: Parse, tmp_path: Path) -> None:
    write_people(tmp_path / "people.json")
    plan = parsed(
        f'{HEAD}[[conditions]]\nname = "A"\npolicy = "greatest-weight"\nclasses = "people.json"\n'
        '[[conditions]]\nname = "B"\npolicy = "greatest-weight"\nweights = "people.json#class-2"\n',
        tmp_path,
    )
    assert [c.name for c in plan.conditions] == ["A, class 1", "A, class 2", "B"]
    second, alone = plan.conditions[1].weights, plan.conditions[2].weights
    assert isinstance(second, AttributeWeights)
    assert second == alone
    assert [e.value for e in second.coefficients.values()] == [0.5, -3.0, -0.1]
    assert "class 2 of file people.json, 30 % of people" in plan.conditions[1].words
    one = parsed(
        f'{HEAD}[[conditions]]\npolicy = "greatest-weight"\nclasses = "people.json#class-2"\n', tmp_path
    ).conditions[0]
    assert (one.name, one.weights) == ("greatest-weight, class 2", second)
    said = complaint(
        parsed,
        f'{HEAD}[[conditions]]\npolicy = "greatest-weight"\nweights = "people.json#class-3"\n',
        tmp_path,
    )
    assert "own.toml:6: conditions[1].weights: people.json#class-3" in said
    assert "it has 2" in said


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("seeds = 3\n" + HEAD[15:] + CONDITION, "own.toml:1: seeds", "list"),
        ("seeds = { first = 3 }\n" + HEAD[15:] + CONDITION, "own.toml:1: seeds", "{ first = 1, count = 50 }"),
        ("seeds = [-1]\n" + HEAD[15:] + CONDITION, "own.toml", "seed -1 is negative"),
        ("seeds = '1-9'\n" + HEAD[15:] + CONDITION, "own.toml:1: seeds", "{ first = 1, count = 50 }"),
        ("seeds = []\n" + HEAD[15:] + CONDITION, "own.toml:1: seeds", "give a list of whole numbers"),
        (f"seeds = [{2**63}]\n" + HEAD[15:] + CONDITION, "own.toml", "is too great"),
        ("name = ' '\n" + HEAD + CONDITION, "own.toml:1: name", "is blank"),
        (HEAD + CONDITION + 'name = "A\\nB"\n', "own.toml:6: conditions[1].name", "holds a line break"),
        (HEAD + CONDITION + f'name = "{"x" * 301}"\n', "own.toml:6: conditions[1].name", "at most 300"),
        (HEAD + 'name = "\\u0000"\n' + CONDITION, "own.toml:4: scenarios[1].name", "control character"),
        ("seeds = [1, 1]\n" + HEAD[15:] + CONDITION, "own.toml", "seed '1' is given twice"),
        ("colour = 3\n" + HEAD + CONDITION, "own.toml:1: colour", "is not a key of an experiment file"),
        ('baseline = "X"\n' + HEAD + CONDITION, "own.toml:1: baseline", "there is no condition 'X'"),
        ('design = "nowhere"\n' + HEAD + CONDITION, "own.toml:1: design", "no study 'nowhere' ships"),
        ('ranks_by = "nobody"\n' + HEAD + CONDITION, "own.toml:1: ranks_by", "no published preferences"),
        (HEAD + "days = 0\nname = 'A'\n" + CONDITION, "own.toml:4: scenarios[1].days", "0 days"),
        (HEAD + CONDITION + CONDITION, "own.toml", "condition 'equal' is given twice"),
        (
            HEAD + "[[conditions]]\nname = 'A'\n",
            "own.toml:4: conditions[1]",
            "give either policy or objectives",
        ),
        (
            HEAD + "[[conditions]]\npolicy = 'best'\n",
            "own.toml:5: conditions[1].policy",
            "'best' is no policy",
        ),
        (
            HEAD + "[[conditions]]\nobjectives = ['lives']\n",
            "own.toml:5: conditions[1].objectives",
            "'lives' is no objective",
        ),
        (
            HEAD + "[[conditions]]\npolicy = 'equal'\nconcede = { transplants = 1 }\n",
            "own.toml:6: conditions[1].concede",
            "name its objectives",
        ),
        (
            HEAD + "[[conditions]]\nobjectives = ['transplants']\nconcede = { transplants = 1 }\n",
            "own.toml:6: conditions[1].concede.transplants",
            "no objective comes after it",
        ),
        (
            HEAD + "[[conditions]]\npolicy = 'greatest-weight'\n",
            "own.toml:4: conditions[1]",
            "needs priority weights",
        ),
        (
            HEAD + "[[conditions]]\npolicy = 'equal'\nweights = 'freedman2020-profiles'\n",
            "own.toml:6: conditions[1].weights",
            "looks at no weights",
        ),
        (
            HEAD + "[[conditions]]\npolicy = 'greatest-weight'\nweights = 'unheard'\n",
            "own.toml:6: conditions[1].weights",
            "no published weights of that name",
        ),
        (
            HEAD + "[[conditions]]\npolicy = 'greatest-weight'\nweights = 'lost.json'\n",
            "own.toml:6: conditions[1].weights",
            "name an existing weights file",
        ),
        (
            HEAD + "[[conditions]]\npolicy = 'greatest-weight'\nweights = 'freedman2020-profiles'\n"
            "donor_weights = 'freedman2020-heterogeneous'\n",
            "own.toml:7: conditions[1].donor_weights",
            "stands beside weights",
        ),
        (
            HEAD
            + "[[conditions]]\npolicy = 'greatest-weight'\nweights = 'freedman2020-profiles'\ndraws = 3\n",
            "own.toml:7: conditions[1].draws",
            "keeps 0",
        ),
        (
            HEAD
            + "[[conditions]]\npolicy = 'greatest-weight'\nweights = 'freedman2020-profiles'\nsensitivity = true\n",
            "own.toml:7: conditions[1].sensitivity",
            "use weights of attributes",
        ),
        (
            HEAD + "[[conditions]]\npolicy = 'greatest-weight'\n"
            "donor_weights = 'freedman2020-heterogeneous'\ndraws = 3\n",
            "own.toml:7: conditions[1].draws",
            "needs weights of patients",
        ),
        (
            HEAD + CONDITION + "[weight_sets.A]\nYRH = 1\nYFH = 0\n",
            "own.toml:6: weight_sets.A",
            "YFH = 0: a weight must be above 0",
        ),
        (HEAD + CONDITION + "[weight_sets.A]\nYRH = 1\n", "own.toml:6: weight_sets.A", "lacks YFH"),
        (HEAD + CONDITION + "[weight_sets.A]\nXXX = 1\n", "own.toml:6: weight_sets.A", "no profile 'XXX'"),
        (
            HEAD
            + CONDITION
            + "[[published]]\ncondition = 'X'\nmeasure = 'seen'\nmean = 1\nsd = 1\nruns = 2\n",
            "own.toml:7: published[1].condition",
            "there is no condition 'X'",
        ),
        (
            HEAD
            + CONDITION
            + "[[published]]\ncondition = 'equal'\nmeasure = 'joy'\nmean = 1\nsd = 1\nruns = 2\n",
            "own.toml:8: published[1].measure",
            "matched_share",
        ),
    ],
)
def test_complaints_name_line_key_and_the_way_out(parsed: Parse, text: str, place: str, said: str) -> None:
    message = complaint(parsed, text)
    assert message.startswith(f"{place}: "), message
    assert said in message


def test_a_baseline_is_not_missed_where_its_condition_is_refused(parsed: Parse) -> None:
    said = complaint(
        parsed, f"baseline = 'A'\n{HEAD}[[conditions]]\nname = 'A'\npolicy = 'best'\n" + CONDITION
    )
    assert said.splitlines() == [said]
    assert "'best' is no policy" in said


def test_published_numbers_without_a_chance_error_are_refused_before_any_run(parsed: Parse) -> None:
    row = "[[published]]\ncondition = 'equal'\nmeasure = 'seen'\nmean = 1\n"
    assert "published[1].sd: input should be greater than 0" in complaint(
        parsed, HEAD + CONDITION + row + "sd = 0\nruns = 2\n"
    )
    assert "published[1].runs: input should be greater than or equal to 2" in complaint(
        parsed, HEAD + CONDITION + row + "sd = 1\nruns = 1\n"
    )


def test_all_complaints_come_at_once(parsed: Parse) -> None:
    message = complaint(
        parsed,
        "seeds = [1]\nbaseline = 'X'\nranks_by = 'Y'\n[[scenarios]]\npreset = 'Z'\n" + CONDITION,
    )
    assert [line.split(": ")[1] for line in message.splitlines()] == [
        "scenarios[1].preset",
        "ranks_by",
        "baseline",
    ]


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"lost\.toml: No such file"):
        read_experiment(tmp_path / "lost.toml")
    (tmp_path / "latin.toml").write_bytes(b"title = '\xe9'")
    with pytest.raises(BadRequest, match="not UTF-8"):
        read_experiment(tmp_path / "latin.toml")
    (tmp_path / "broken.toml").write_text("name = ")
    with pytest.raises(BadRequest, match=r"broken\.toml: not valid TOML"):
        read_experiment(tmp_path / "broken.toml")
    with pytest.raises(BadRequest, match="no experiment of that name; there are freedman2020-heterogeneous"):
        experiment_path("freedman2021")


def test_a_study_is_a_file_or_ships(tmp_path: Path) -> None:
    assert study_named("kidney-8") == (example_design("kidney-8"), None)
    (tmp_path / "own.toml").write_bytes((EXAMPLES / "kidney-8.toml").read_bytes())
    assert study_named("own.toml", tmp_path) == (example_design("kidney-8"), tmp_path / "own.toml")


def test_weights_of_another_study_are_refused(parsed: Parse) -> None:
    message = complaint(
        parsed,
        'design = "kidney-numeric"\nseeds = [1]\n[[scenarios]]\npreset = "unos-weekly"\n'
        '[[conditions]]\npolicy = "greatest-weight"\nweights = "freedman2020-attributes"\n',
    )
    assert message.startswith("own.toml:7: conditions[1].weights: study ")
    assert "use weights from the study" in message


@pytest.mark.parametrize("name", experiment_names())
def test_shipped_experiments_can_be_read(name: str) -> None:
    plan = read_experiment(experiment_path(name)).plan
    assert plan.name == name
    assert plan.seeds == tuple(range(100, 150))
    assert plan.inputs == {}


def test_the_experiment_of_heterogeneous_preferences_is_the_published_one() -> None:
    plan = read_experiment(experiment_path("freedman2020-heterogeneous")).plan
    assert [s.days for s in plan.scenarios] == [1_825]
    equal, alike, own, described = plan.conditions
    assert equal.policy is Policy.EQUAL
    assert alike.policy is own.policy is Policy.GREATEST_WEIGHT
    assert described.policy is Policy.PRIORITY_AFTER_CARDINALITY
    assert alike.weights == described.weights == published_weights(PROFILES)
    assert own.preferences is not None
    assert plan.ranks_by is not None


@pytest.mark.skipif(not CSV.exists(), reason="the published runs are not in ../shared")
@pytest.mark.parametrize(
    ("condition", "file"),
    [
        ("EQUAL", "EQUAL_WEIGHTS"),
        ("HOMOGENEOUS", "PATIENT_WEIGHTS"),
        ("HETEROGENEOUS", "DONOR_PATIENT_WEIGHTS"),
        ("HOMOGENEOUS AS ANNOUNCED", "PATIENT_WEIGHTS"),
    ],
)
def test_published_numbers_are_those_of_the_published_runs(condition: str, file: str) -> None:
    with (CSV / f"{file}_1587920606898.csv").open() as handle:
        rows = [
            {k: float(v) for k, v in row.items() if k != "Experimental Condition"}
            for row in csv.DictReader(handle)
        ]
    plan = read_experiment(experiment_path("freedman2020-heterogeneous")).plan
    profiles = [p.id for p in plan.design.profiles() or ()]
    kinds = range(1, 9)
    expected = {
        (Measure.SEEN, "all"): [r["Total Pairs Seen"] for r in rows],
        (Measure.LEFT, "all"): [r["Total Departed Pairs"] for r in rows],
        (Measure.MATCHED, "all"): [sum(r[f"Matched (Type {i})"] for i in kinds) for r in rows],
        (Measure.AVERAGE_RANK, "all"): [
            sum(i * r[f"Matched (Rank {i})"] for i in kinds) / sum(r[f"Matched (Rank {i})"] for i in kinds)
            for r in rows
        ],
    } | {
        (Measure.MATCHED_PER_SEEN, profile): [r[f"Matched (Type {i})"] / r[f"Seen (Type {i})"] for r in rows]
        for i, profile in zip(kinds, profiles, strict=True)
    }
    if condition != "EQUAL":
        del expected[Measure.SEEN, "all"]  # The same people come under every condition: one test is enough.
    values = {(v.measure, v.group): v for v in plan.published if v.condition == condition}
    assert values.keys() == expected.keys()
    for key, numbers in expected.items():
        assert values[key].mean == pytest.approx(mean(numbers), rel=1e-6, abs=1e-6), key
        assert values[key].sd == pytest.approx(stdev(numbers), rel=1e-6, abs=1e-6), key
        assert values[key].n_runs == len(rows) == 50


@pytest.mark.skipif(not REFERENCE.exists(), reason="the released weight sets are not in ../shared")
def test_the_weight_sets_are_the_released_ones() -> None:
    reference = json.loads((REFERENCE / "freedman_profiles.json").read_text())
    released = [v for k, v in reference["alternate_weight_versions_in_code"].items() if k != "0"]
    codes = [p["code"] for p in reference["profiles"]]
    plan = read_experiment(experiment_path("freedman2020-orders")).plan
    sets = [c for c in plan.conditions if c.weights is not None]
    assert len(sets) == len(released) == 7
    order = [codes[i - 1] for i in reference["order_best_to_worst"]]
    for condition, strengths in zip(sets, released, strict=True):
        weights = condition.weights
        assert isinstance(weights, ProfileWeights)
        logs = {p.id: e.value for p, e in zip(weights.profiles, weights.log_strengths, strict=True)}
        for code, strength in zip(codes, strengths, strict=True):
            assert logs[code] - logs["YRH"] == pytest.approx(log(strength) - log(strengths[0]))
        is_same_order = all(logs[a] > logs[b] for a, b in pairwise(order))
        assert is_same_order == (condition.name[0] in "12367")
