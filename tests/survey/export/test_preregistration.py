"""What a study commits to before its first participant, made through the study's own pages."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from survey.bundle_check import verify_bundle
from survey.design import design_hash
from survey.design_file import parse_design
from survey.preregistration import AnalysisFailed, Preregistration, planned_analysis, preregister

EXCLUSIONS = """
[exclusions]
unfinished = true
same_side_above = 0.95
"""


def made(
    text: str, target: Path, *, seed: int = 1, participants: int = 12, run: bool = True
) -> Preregistration:
    return preregister(
        parse_design(text), text, target, participants=participants, seed=seed, run_analysis=run
    )


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    short_design: str, tmp_path: Path
) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        made(short_design, tmp_path / name, seed=seed)
    one, same, other = (bytes_of(tmp_path / name) for name in "abc")
    assert one == same
    assert one["answers.csv"] != other["answers.csv"]
    assert one["design.toml"] == other["design.toml"]


def test_it_holds_the_design_the_rules_in_words_the_analysis_and_its_results(
    short_design: str, tmp_path: Path
) -> None:
    text = short_design + EXCLUSIONS
    done = made(text, tmp_path / "plan", participants=12)
    files = bytes_of(tmp_path / "plan")
    assert verify_bundle(tmp_path / "plan") == []
    assert files["design.toml"].decode() == text
    plan = json.loads(files["preregistration.json"])
    assert plan["study"]["design_hash"] == design_hash(parse_design(text))
    assert plan["exclusions"] == list(done.exclusions)
    assert done.exclusions[1] == (
        "Participants are left out if more than 95 % of their decided main answers chose the same side."
    )
    words = files["preregistration.md"].decode()
    for sentence in (*done.exclusions, plan["analysis"]):
        assert sentence in words
    assert done.analysis_ran
    assert json.loads(files["weights.json"])["model"] == "min-delta"
    used = len(files["answers_included.csv"].splitlines()) - 1
    assert 0 < used < 48  # With so few comparisons somebody falls under the second rule.
    assert f"min-delta: {used} answers used".encode() in files["analysis.txt"]
    rows = list(csv.DictReader(io.StringIO(files["participants.csv"].decode())))
    assert {(row["simulated"], row["state"], row["started_at"][:4]) for row in rows} == {
        ("yes", "finished", "2000")
    }
    assert json.loads(files["manifest.json"])["preregistration"] == {"participants": 12, "seed": 1}


def test_every_wave_is_simulated_with_the_same_participants(one_arm_design: str, tmp_path: Path) -> None:
    made(one_arm_design + "\n[waves]\ncount = 2\n", tmp_path / "plan", participants=2, run=False)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "plan" / "participants.csv").read_text("utf-8"))))
    assert [(row["respondent"], row["wave"]) for row in rows] == [
        ("sim-00001", "1"),
        ("sim-00001", "2"),
        ("sim-00002", "1"),
        ("sim-00002", "2"),
    ]


def test_the_planned_analysis_is_the_designs_own_else_one_that_suits_it(
    short_design: str, one_arm_design: str
) -> None:
    assert planned_analysis(parse_design(short_design)) == (
        "estimate fit answers_included.csv --design design.toml --model min-delta --seed 1 --out weights.json"
    )
    decided = parse_design(one_arm_design + "\n[indecision]\noffered = false\n")
    assert "--model conditional-logit" in planned_analysis(decided)
    everybody = parse_design(one_arm_design + "\n[exclusions]\nunfinished = false\n")
    assert "fit answers.csv" in planned_analysis(everybody)
    own = 'analysis = "estimate fit answers.csv --model bradley-terry"'
    assert (
        planned_analysis(parse_design(f"{one_arm_design}\n[preregistration]\n{own}\n"))
        == "estimate fit answers.csv --model bradley-terry"
    )


def test_an_analysis_that_does_not_run_is_found_before_the_first_participant(
    one_arm_design: str, tmp_path: Path
) -> None:
    planned = one_arm_design + '\n[preregistration]\nanalysis = "estimate fit answres.csv"\n'
    with pytest.raises(AnalysisFailed, match=r"answres\.csv"):
        made(planned, tmp_path / "plan", participants=1)
    assert not (tmp_path / "plan").exists()
    over = one_arm_design + '\n[preregistration]\nanalysis = "estimate fit answers.csv --out events.csv"\n'
    with pytest.raises(AnalysisFailed, match=r"writes over events\.csv"):
        made(over, tmp_path / "plan")


def test_an_analysis_that_could_touch_more_than_files_is_stated_and_not_run(
    one_arm_design: str, tmp_path: Path
) -> None:
    planned = one_arm_design + '\n[preregistration]\nanalysis = "survey erase short --participant x --yes"\n'
    done = made(planned, tmp_path / "plan", participants=1)
    assert not done.analysis_ran
    assert "analysis.txt" not in bytes_of(tmp_path / "plan")
    assert b"equipoise survey erase" in bytes_of(tmp_path / "plan")["preregistration.md"]
