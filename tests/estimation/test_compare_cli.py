"""``equipoise estimate compare`` as a researcher types it."""

from __future__ import annotations

import json

import pytest

from survey.answers_file import write_answers
from survey.cli import run
from survey.published_answers import import_published


@pytest.fixture(scope="module")
def answers(tmp_path_factory, shared):
    path = tmp_path_factory.mktemp("answers") / "answers.csv"
    write_answers(path, import_published("mcelfresh2021", shared("data/humans/study_1.csv")))
    return str(path)


FEW = ["--models", "min-delta,conditional-logit,davidson", "--folds", "3"]


def test_the_table_names_refusals_rules_and_what_to_prefer(answers, capsys):
    assert run(["estimate", "compare", answers, "--arm", "with-coin", *FEW]) == 0

    out = capsys.readouterr().out
    assert "davidson           refused: the answers fall into" in out
    assert "Prefer min-delta" in out
    assert "Fit it: equipoise estimate fit" in out
    assert "Rules:" in out
    assert "Conventions for indecision" in out


def test_json_and_files_hold_the_same_comparison(answers, tmp_path, capsys):
    out, plot = tmp_path / "comparison.json", tmp_path / "comparison.svg"
    options = ["--arm", "with-coin", *FEW, "--seed", "2", "--out", str(out), "--plot", str(plot), "--json"]
    assert run(["estimate", "compare", answers, *options]) == 0

    printed = json.loads(capsys.readouterr().out)
    written = json.loads(out.read_text(encoding="utf-8"))
    assert {key: written[key] for key in printed} == printed
    assert written["manifest"]["settings"]["seed"] == 2
    assert written["design_hashes"]
    assert printed["recommended"] == "min-delta"
    assert printed["all_answers"][0]["held_out"]["n_answers"] == printed["n_answers"]
    assert plot.read_text(encoding="utf-8").startswith("<svg")

    first = out.read_bytes()
    assert run(["estimate", "compare", answers, *options]) == 0
    assert out.read_bytes() == first


def test_counts_are_compared_without_holding_anybody_out(tmp_path, capsys):
    counts = tmp_path / "counts.csv"
    counts.write_text(
        "left,right,left_chosen,right_chosen,indecision\na,b,20,10,8\nb,c,18,12,9\na,c,25,5,6\n",
        encoding="utf-8",
    )
    assert run(["estimate", "compare", str(counts)]) == 0

    out = capsys.readouterr().out
    assert "nobody held out" in out
    assert "it has the least BIC" in out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--models", "probit"], "there is no model 'probit'"),
        (["--models", ","], "at least one model"),
        (["--folds", "1"], "--folds"),
        (["--arm", "nowhere"], "no-coin, with-coin"),
        (["--out", "/nowhere/comparison.json", "--models", "conditional-logit"], "/nowhere/comparison.json"),
    ],
)
def test_wrong_options_are_bad_input_and_say_what_to_do(answers, options, complaint, capsys):
    assert run(["estimate", "compare", answers, *options]) == 2
    assert complaint in capsys.readouterr().err


def test_options_of_answers_are_refused_for_counts(tmp_path, capsys):
    counts = tmp_path / "counts.csv"
    counts.write_text("left,right,left_chosen,right_chosen\na,b,20,10\n", encoding="utf-8")

    assert run(["estimate", "compare", str(counts), "--arm", "main"]) == 2
    assert "--arm needs a file of answers" in capsys.readouterr().err


def test_help_shows_an_example(capsys):
    assert run(["estimate", "compare", "--help"]) == 0
    assert "equipoise estimate compare answers.csv" in capsys.readouterr().out


def test_a_picture_of_held_out_answers_is_refused_at_once_where_nobody_can_be_held_out(tmp_path, capsys):
    counts, plot = tmp_path / "counts.csv", tmp_path / "comparison.svg"
    counts.write_text("left,right,left_chosen,right_chosen\nA,B,3,2\nB,C,4,1\nA,C,2,2\n", encoding="utf-8")

    assert run(["estimate", "compare", str(counts), "--plot", str(plot)]) == 2
    assert "leave --plot out" in capsys.readouterr().err
    assert not plot.exists()
