"""``equipoise estimate plan`` as a researcher uses it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from survey.cli import run
from survey.design_file import EXAMPLES

QUICK = ["--simulations", "20", "--people", "10,40"]


def test_a_plan_prints_the_grid_the_wishes_and_what_to_know(capsys):
    code = run(["estimate", "plan", "kidney-8", *QUICK, "--design-effect", "1.5", "--want-rmse", "0.25"])
    out = capsys.readouterr().out

    assert code == 0
    assert "assuming freedman2020" in out
    assert "people differ" in out
    assert "For an RMSE of 0.25 or less, 28 answers each:" in out
    assert "Monte Carlo" in out
    rows = [line.split() for line in out.splitlines() if line.split()[:1] in (["10"], ["40"])]
    assert [row[:3] for row in rows] == [["10", "28", "1.50"], ["40", "28", "1.50"]]


def test_files_hold_the_plan_and_are_the_same_whoever_computes(tmp_path, capsys):
    made = []
    design = str(EXAMPLES / "kidney-8.toml")
    for name, options in (("here", []), ("there", ["--workers", "2"])):
        out, plot = tmp_path / f"{name}.json", tmp_path / f"{name}.svg"
        files = ["--out", str(out), "--plot", str(plot)]
        grid = [*QUICK, "--answers", "5,28", "--seed", "7"]
        assert run(["estimate", "plan", design, *grid, *files, *options]) == 0
        made.append((out.read_bytes(), plot.read_bytes()))
    capsys.readouterr()

    assert made[0] == made[1]
    document = json.loads(made[0][0])
    assert document["format"] == "equipoise-plan"
    assert [(p["answers"], p["people"]) for p in document["points"]] == [(5, 10), (5, 40), (28, 10), (28, 40)]
    assert document["manifest"]["settings"]["seed"] == 7
    assert document["manifest"]["inputs"]["design"]["file"] == "kidney-8.toml"
    ElementTree.fromstring(made[0][1])


def test_the_result_as_json_has_every_number_with_its_error(capsys):
    assert run(["estimate", "plan", "kidney-8", *QUICK, "--want-ranking", "0.5", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)

    assert record["points"][0]["rmse"].keys() == {"value", "error"}
    assert record["needed"][0]["wanted"] == "exact_ranking"
    assert record["spread"] == 0


def test_weights_of_a_pilot_are_assumed(tmp_path, capsys):
    from survey.answers_file import write_answers
    from survey.published_answers import import_study_1_counts

    answers, weights = tmp_path / "answers.csv", tmp_path / "weights.json"
    write_answers(answers, import_study_1_counts())
    assert (
        run(
            [
                "estimate",
                "fit",
                str(answers),
                "--arm",
                "with-coin",
                "--model",
                "min-delta",
                "--out",
                str(weights),
            ]
        )
        == 0
    )
    capsys.readouterr()
    options = [*QUICK, "--weights", str(weights), "--indecision-rate", "0.2", "--spread", "0.8", "--json"]

    assert run(["estimate", "plan", "kidney-study1", *options]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["source"] == "weights.json"
    assert record["effects"] == "attributes"
    assert record["model"] == "davidson"
    fitted = json.loads(weights.read_text(encoding="utf-8"))["coefficients"]
    assert record["names"] == list(fitted)
    # Effects are reported over each attribute's range, so at least with their signs.
    assert [v > 0 for v in record["pooled"]] == [fitted[n]["value"] > 0 for n in record["names"]]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["kidney-8", "--people", "ten"], "50,100,200"),
        (["kidney-8", "--people", "1"], "2 or more"),
        (["kidney-8", "--answers", "40"], "--answers 28 or fewer"),
        (["kidney-8", "--design-effect", "5.5"], "reach only"),
        (["kidney-8", "--design-effect", "2", "--spread", "1"], "not both"),
        (["kidney-8", "--assume", "someone"], "freedman2020"),
        (["kidney-8", "--assume", "freedman2020", "--weights", "w.json"], "not both"),
        (["kidney-8", "--weights", "nowhere.json"], "nowhere.json"),
        (["kidney-8", "--out", "/nowhere/plan.json"], "/nowhere"),
        (["kidney-8", "--indecision-rate", "2"], "less than 1"),
        (["kidney-8", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"], "not both"),
        (["kidney-8", *QUICK, "--want-rmse", "0"], "positive"),
        (["nowhere.toml"], "nowhere.toml"),
        (["kidney-numeric"], "--weights weights.json"),
    ],
)
def test_wrong_options_are_bad_input_and_say_what_to_do(options, complaint, capsys):
    assert run(["estimate", "plan", *options]) == 2
    assert complaint in capsys.readouterr().err


def test_a_file_of_ones_own_comes_before_a_shipped_design_of_that_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (EXAMPLES / "kidney-8.toml").read_text(encoding="utf-8")
    Path("kidney-8").write_text(text.replace('slug = "kidney-8"', 'slug = "my-own"', 1), encoding="utf-8")

    assert run(["estimate", "plan", "kidney-8", *QUICK, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["design"] == "my-own"


def test_help_has_an_example(capsys):
    assert run(["estimate", "plan", "--help"]) == 0
    assert "equipoise estimate plan kidney-8" in capsys.readouterr().out


def test_more_people_than_memory_holds_are_bad_input(capsys):
    assert run(["estimate", "plan", "kidney-8", "--people", "50,100000000000"]) == 2
    assert "100000000000 is too many" in capsys.readouterr().err


def test_the_design_effect_is_said_to_be_that_of_the_designs_own_answers(capsys):
    options = ["--people", "20", "--simulations", "40", "--design-effect", "1.5"]
    assert run(["estimate", "plan", "kidney-8", "--answers", "14,28", *options]) == 0
    assert "design effect of 1.5 is that of 28 answers each" in capsys.readouterr().out
    assert run(["estimate", "plan", "kidney-8", "--answers", "28", *options]) == 0
    assert "is that of 28 answers each" not in capsys.readouterr().out
