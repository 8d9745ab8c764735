"""``equipoise estimate diagnose``: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from estimation.diagnosis_plots import diagnosis_plot
from estimation.diagnostics.diagnosis import diagnose
from survey.answers import Choice
from survey.answers_file import write_answers
from survey.cli import run
from survey.published_answers import import_published, import_study_1_counts


@pytest.fixture(scope="module")
def two_waves(simulated_answers, tmp_path_factory):
    """Answers of 40 people in two waves; the last one always chose the left side, in no time."""
    drawn = simulated_answers(seed=1, n_people=40, waves=(1, 2), same_comparisons=True)
    answers = [
        replace(a, choice=Choice.LEFT, seconds=0.5)
        if a.respondent == "person-39"
        else replace(a, seconds=6.0)
        for a in drawn.answers
    ]
    path = tmp_path_factory.mktemp("answers") / "answers.csv"
    write_answers(path, replace(drawn, answers=answers))
    return str(path)


def test_it_says_what_to_look_at_and_drops_nobody(two_waves, capsys):
    assert run(["estimate", "diagnose", two_waves, "--model", "davidson"]) == 0
    out = capsys.readouterr().out

    assert "6 profiles; 15 of 15 pairs were asked" in out
    assert "These answers determine the estimate." in out
    assert "40 respondents, 30 answers each" in out
    assert "respondents are flagged; nobody was left out of the results" in out
    assert "one side: 1 " in out
    assert "person-39" in out
    assert "with everybody, and without the" in out
    assert "by one respondent in two waves or more (40 respondents)" in out
    assert "weights of wave 1 and wave 2: F(6, 34) =" in out
    assert "predicted probability" in out


def test_json_is_the_file_and_holds_everything_printed(two_waves, tmp_path, capsys):
    out = tmp_path / "diagnosis.json"
    assert run(["estimate", "diagnose", two_waves, "--out", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)

    assert record == json.loads(out.read_text(encoding="utf-8"))
    assert (record["format"], record["format_version"]) == ("equipoise-diagnosis", 1)
    assert record["model"]["model"] == "min-delta"
    assert record["gate"]["outcome"] == "fine"
    assert len(record["participants"]) == 40
    flagged = {f["name"]: f for f in record["flags"] if f["respondent"] == "person-39"}
    assert {"fast", "faster than others", "one side", "same answer in a row"} <= set(flagged)
    assert flagged["fast"]["value"] == 0.5
    assert "below 2 seconds" in flagged["fast"]["rule"]
    by_flag = {w["flag"]: w for w in record["with_and_without"]}
    assert by_flag["fast"]["respondents"] == ["person-39"]
    assert by_flag["fast"]["n_answers"] == record["everybody"]["fit"]["n_answers"] - 30
    assert record["agreement"]["n_respondents"] == 40
    assert set(record["drift"]["waves"]) == {"1", "2"}
    assert record["quality"]["calibration"]
    assert record["manifest"]["inputs"]["answers"]["file"] == "answers.csv"


def test_the_table_of_respondents_has_a_row_each_with_flags(two_waves, tmp_path):
    path = tmp_path / "participants.csv"
    assert run(["estimate", "diagnose", two_waves, "--participants", str(path)]) == 0
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["respondent"]: row for row in csv.DictReader(file)}

    assert len(rows) == 40
    assert "one side" in rows["person-39"]["flags"].split(";")
    assert rows["person-39"]["left_share"] == "1.0000"
    assert rows["person-0"]["answers"] == "30"
    assert float(rows["person-0"]["infit"]) > 0


def test_the_picture_has_the_same_bytes_twice_and_a_description(two_waves, tmp_path):
    first, second = tmp_path / "1.svg", tmp_path / "2.svg"
    for path in (first, second):
        assert run(["estimate", "diagnose", two_waves, "--plot", str(path)]) == 0
    svg = first.read_text(encoding="utf-8")

    assert first.read_bytes() == second.read_bytes()
    assert svg.startswith(
        '<svg role="img" aria-label="Respondents by fit, indecision and time: 40 respondents'
    )
    for title in ("Infit", "Outfit", "Indecision", "Time"):
        assert title in svg
    assert "Circular triads" not in svg, "too few triads were completed to tell"


def test_the_picture_shows_circular_triads_where_people_compared_all_with_all(simulated_answers):
    everything = simulated_answers(seed=2, n_people=20, n_answers=60, pull=None)
    found = diagnose(everything)

    assert any(p.triads.completed >= 10 for p in found.participants)
    assert "Circular triads" in diagnosis_plot(found)
    assert "Time" not in diagnosis_plot(found)


def test_thresholds_are_options(two_waves, capsys):
    options = [
        "--fast-seconds",
        "0.4",
        "--speed",
        "20",
        "--side-p",
        "0",
        "--run-share",
        "1",
        "--mean-square",
        "9",
    ]
    assert run(["estimate", "diagnose", two_waves, *options, "--circular-share", "1"]) == 0
    assert "no respondent is flagged" in capsys.readouterr().out


def test_one_wave_alone_is_not_compared(two_waves, capsys):
    assert run(["estimate", "diagnose", two_waves, "--wave", "1"]) == 0
    out = capsys.readouterr().out
    assert "15 answers each" in out
    assert "wave 2" not in out


def test_answers_that_refuse_a_fit_are_diagnosed_all_the_same(tmp_path, capsys):
    answers = tmp_path / "answers.csv"
    write_answers(answers, import_study_1_counts())
    plot = tmp_path / "plot.svg"
    given = ["estimate", "diagnose", str(answers), "--arm", "with-coin", "--plot", str(plot)]
    assert run([*given, "--model", "bradley-terry"]) == 0
    out = capsys.readouterr().out

    assert "14 profiles; 14 of 91 pairs were asked" in out
    assert "the profiles fall into 2 groups that were never compared with each other:" in out
    assert "never asked:" in out
    assert "REFUSED" in out
    assert "respondents cannot be examined" in out
    assert "nobody can be drawn" in plot.read_text(encoding="utf-8")
    assert run(given) == 0
    assert "attributes that they share tie them together" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--arm", "other"], "the arms are main"),
        (["--wave", "3"], "the waves 1, 2"),
        (["--model", "nonsense"], "--model"),
        (["--side-p", "2"], "--side-p"),
        (["--mean-square", "nan"], "mean_square_above"),
        (["--design", "nowhere.toml"], "nowhere.toml"),
        (["--model", "conditional-logit", "--effects", "profiles"], "made of attributes"),
        (["--out", "/nowhere/diagnosis.json"], "/nowhere/diagnosis.json"),
    ],
)
def test_wrong_options_are_bad_input_and_say_what_to_do(two_waves, options, complaint, capsys):
    assert run(["estimate", "diagnose", two_waves, *options]) == 2
    assert complaint in capsys.readouterr().err


def test_the_help_has_an_example(capsys):
    assert run(["estimate", "diagnose", "--help"]) == 0
    assert "equipoise estimate diagnose answers.csv" in capsys.readouterr().out


def test_study_2_is_examined_person_by_person(shared, tmp_path, capsys):
    answers = tmp_path / "answers.csv"
    write_answers(answers, import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")))
    assert run(["estimate", "diagnose", str(answers), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    people = record["participants"]

    assert len(people) == 132
    assert record["everybody"]["fit"]["log_likelihood"] == pytest.approx(-4128.03, abs=0.01)
    # A fifth never chose the coin, nobody more than four times in five.
    assert sum(p["indecision_share"] == 0 for p in people) == 26
    assert max(p["indecision_share"] for p in people) == pytest.approx(0.8, abs=0.01)
    assert sum(p["fit"]["infit"] for p in people) / 132 == pytest.approx(1, abs=0.05)
    assert sum(f["name"] == "infit" for f in record["flags"]) == 16
