"""``compare tune demo``: from people's answers to the report, without downloads."""

from __future__ import annotations

import json

import pytest

from survey.cli import run
from survey.design_file import EXAMPLES


@pytest.mark.long
def test_the_quick_demo_ends_with_the_report_and_can_be_run_again(tune_extra, tmp_path, capfd):
    out = tmp_path / "my demo"
    command = ["compare", "tune", "demo", "--quick", "--out", str(out)]
    assert run(command) == 0
    said = capfd.readouterr().out
    assert said.splitlines()[-1] == f"The report: {out / 'tuning.html'}"
    record = json.loads((out / "tuning.json").read_text())
    sizes = {row["size"] for row in record["curve"] if row["respondent"] == "tuned"}
    assert {0, 16} < sizes
    assert (out / "asked.html").is_file()
    # The same seed, the same numbers.
    first = (out / "tuning.json").read_bytes()
    assert run(command) == 0
    assert (out / "tuning.json").read_bytes() == first


@pytest.mark.long
def test_agreement_rises_with_the_sample_and_the_coin_rate_approaches_peoples(
    tune_extra, tmp_path, shared, capfd
):
    out = tmp_path / "demo"
    answers = shared("data/humans/study_2_indecisive.csv")
    assert run(["compare", "tune", "demo", "--out", str(out), "--answers", str(answers)]) == 0
    record = json.loads((out / "tuning.json").read_text())
    test = "comparisons"
    tuned = {
        row["size"]: {key: value["value"] for key, value in row["values"].items()}
        for row in record["curve"]
        if row["test"] == test and row["respondent"] == "tuned" and not row["group"]
    }
    people = next(t["indecision"] for t in record["tests"] if t["name"] == test)
    base, small, large = tuned[0], tuned[16], tuned[max(tuned)]
    assert base["log_score"] < small["log_score"] < large["log_score"]
    assert large["likeliest"] > max(base["likeliest"], small["likeliest"])
    assert large["person"] > small["person"]
    assert base["indecision"] < 0.01
    assert abs(large["indecision"] - people) < 0.04


def test_a_folder_with_somebodys_work_is_refused(tune_extra, tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert run(["compare", "tune", "demo", "--out", str(tmp_path)]) == 2
    assert "thesis.txt" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_answers_that_are_not_there_are_refused_before_anything_is_made(tune_extra, tmp_path, capsys):
    command = [
        "compare",
        "tune",
        "demo",
        "--out",
        str(tmp_path / "demo"),
        "--answers",
        str(tmp_path / "no.csv"),
    ]
    assert run(command) == 2
    assert "no.csv" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_a_design_without_its_answers_is_refused(tune_extra, tmp_path, capsys):
    command = ["compare", "tune", "demo", "--out", str(tmp_path / "demo")]
    assert run([*command, "--design", str(EXAMPLES / "kidney-8.toml")]) == 2
    assert "name the answers" in capsys.readouterr().err
