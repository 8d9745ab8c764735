"""The whole way, by the commands a user types: what was planted comes back at the other end."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Callable
from math import sqrt
from pathlib import Path

import pytest

from survey.cli import run
from survey.design_file import EXAMPLES


@pytest.fixture
def equipoise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Callable[..., str]:
    """Return a function that runs one command in an empty folder with its own database, and returns its output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EQUIPOISE_STATE_DIR", str(tmp_path / "state"))

    def command(line: str) -> str:
        code = run(line.format(examples=EXAMPLES).split())
        said = capsys.readouterr()
        assert code == 0, f"equipoise {line}\n{said.err}"
        return said.out

    return command


def test_the_weights_that_simulated_participants_have_come_back_from_the_survey(equipoise, tmp_path):
    planted = json.loads(
        equipoise("survey rehearse {examples}/kidney-8.toml --participants 25 --seed 11 --json")
    )
    equipoise("survey export kidney-8 --include-simulated --out answers.csv")
    equipoise(
        "estimate fit answers.csv --design {examples}/kidney-8.toml --model min-delta --out weights.json"
    )
    fitted = json.loads((tmp_path / "weights.json").read_text())

    assert planted["answers"] == fitted["fit"]["n_answers"] == 25 * 28
    known = {**planted["known_coefficients"], "indecision": planted["indecision_log_weight"]}
    found = {**fitted["coefficients"], "indecision": fitted["indecision"]}
    assert known.keys() == found.keys()
    for name, value in known.items():
        half = (found[name]["high"] - found[name]["low"]) / 2
        # Half a 95 % interval is about two standard errors; four in 700 answers would be a fault, not chance.
        assert abs(found[name]["value"] - value) < 2 * half, name
    # The order of the eight profiles is recovered where the planted gaps are large.
    weights = {"young": 0, "old": known["age=old"]}
    assert weights["old"] < -1
    assert found["age=old"]["high"] < 0


def test_from_rehearsed_answers_to_consequences_of_a_models_rule(equipoise, tmp_path):
    equipoise("survey rehearse {examples}/kidney-8.toml --participants 8 --seed 5")
    equipoise("survey export kidney-8 --include-simulated --out answers.csv")
    equipoise(
        "exchange generate --design {examples}/kidney-8.toml --pairs 48 --ndds 2 --seed 3 --out pool.json"
    )
    equipoise("compare ask {examples}/kidney-8.toml --model scripted/youngest-first --out replies.jsonl")
    equipoise(
        "estimate fit answers.csv --design {examples}/kidney-8.toml --prior-answers 4 --out weights.json"
    )
    equipoise(
        "exchange clear pool.json --weights weights.json --cycle-cap 3 --chain-cap 2 --out match_run.json"
    )
    equipoise(
        "compare align answers.csv replies.jsonl --pool pool.json --chain-cap 2 --seed 1 "
        "--out alignment.json --report report.html"
    )
    run_record = json.loads((tmp_path / "match_run.json").read_text())
    record = json.loads((tmp_path / "alignment.json").read_text())
    (model,) = record["models"]

    measured, pool = model["measured"], model["pool"]
    found = measured["alignment"]
    assert measured["calls"]["scripted"] is True
    assert found["agreement"]["n_comparisons"] == 28
    # youngest-first decides the 16 comparisons of unequal age and flips a coin in the other 12.
    assert found["indecision"]["model"]["value"] == pytest.approx(12 / 28)
    assert found["consistency"]["model"]["sides_exchanged"]["value"] == 1
    # People were planted to count age most, so the rule agrees with most of them where ages differ.
    assert found["coefficients"]["ranks"]["kendall"]["value"] > 0.3
    assert pool["n_pairs"] == 48
    assert pool["by_people"]["transplants"] == run_record["transplants"]
    assert pool["by_people"]["status"] == pool["by_model"]["status"] == "optimal"
    assert "<svg" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_weights_fitted_without_naming_the_design_clear_a_pool_of_the_same_study(equipoise, tmp_path):
    equipoise("survey rehearse {examples}/kidney-numeric.toml --participants 6 --seed 2")
    equipoise("survey export kidney-numeric --include-simulated --out answers.csv")
    equipoise("estimate fit answers.csv --model conditional-logit --out weights.json")
    equipoise("exchange generate --pairs 24 --ndds 2 --seed 1 --out pool.json")
    said = equipoise("exchange clear pool.json --weights weights.json --cycle-cap 3 --chain-cap 4")

    assert "proved optimal" in said


def test_the_same_commands_give_the_same_files(equipoise, tmp_path):
    for name in ("one", "two"):
        equipoise(
            "survey import mcelfresh2021-study1-counts {examples}/kidney-study1-counts.csv "
            f"--out {name}-answers.csv"
        )
        equipoise(
            f"estimate fit {name}-answers.csv --arm with-coin --model min-delta --bootstrap 40 --seed 4 "
            f"--out {name}-weights.json"
        )
        equipoise(f"exchange generate --pairs 32 --ndds 2 --seed 6 --out {name}-pool.json")
        equipoise(
            "compare ask {examples}/kidney-study1.toml --model scripted/coin --seed 1 "
            f"--out {name}-replies.jsonl"
        )
    for file in ("answers.csv", "pool.json", "replies.jsonl"):
        assert (tmp_path / f"one-{file}").read_bytes() == (tmp_path / f"two-{file}").read_bytes(), file
    one, two = (json.loads((tmp_path / f"{n}-weights.json").read_text()) for n in ("one", "two"))
    for record in (one, two):
        record["manifest"]["inputs"]["answers"].pop("file")  # Named differently on purpose, same content.
    assert one == two


def test_what_people_name_becomes_the_design_that_further_people_answer(equipoise, tmp_path):
    known = json.loads(
        equipoise("survey rehearse {examples}/kidney-attributes.toml --participants 50 --seed 3 --json")
    )
    equipoise("survey coding rehearse kidney-attributes --coders 2 --seed 3 --misses 0.1")
    equipoise("survey coding agreement kidney-attributes --simulated --draws 100 --out agreement.json")
    settled = json.loads(
        equipoise("survey coding adjudicate kidney-attributes --with sim-coder-1 --simulated --json")
    )
    equipoise("survey coding results kidney-attributes --simulated --out results.json --report results.html")
    equipoise("survey coding export kidney-attributes --simulated --out coding.json")
    made = json.loads(
        equipoise(
            "survey coding design kidney-attributes {examples}/choices/kidney-attributes.toml --simulated "
            "--out design.toml --json"
        )
    )
    agreement, results = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("agreement", "results")
    )

    # Two coders who overlook one category in ten differ here and there, and agree far beyond chance.
    assert 0.6 < agreement["alpha"]["value"] < 0.95
    assert settled["settled"] > 0
    assert settled["open"] == 0
    counted = {found["category"]: found for found in results["counts"]["categories"]}
    assert results["counts"]["asked"] == 50
    assert results["counts"]["simulated"] is True
    # The coder that settled overlooks one in ten, and calls one in fifty unusable.
    seen = 0.9 * 0.98
    for category, shares in known["known_shares"].items():
        for stance, share in (("should", "for_share"), ("should_not", "against_share")):
            found, expected = counted[category][share], shares[stance] * seen
            # Four standard errors and one person: beyond were a fault, not chance.
            assert found["of"] == 50
            most = 4 * sqrt(expected * (1 - expected) / 50) + 1 / 50
            assert abs(found["value"] - expected) < most, (category, stance)
    assert counted["race"]["against_people"] > counted["race"]["for_people"]
    assert "<svg" in (tmp_path / "results.html").read_text(encoding="utf-8")

    # The design says where each attribute came from, and answers to it carry that by the design's hash.
    origins = {
        table["name"]: table["origin"]
        for table in tomllib.loads((tmp_path / "design.toml").read_text(encoding="utf-8"))["attributes"]
    }
    assert origins.keys() == {"age", "waiting", "dependents", "habits"}
    assert origins["age"]["for_people"] == counted["age"]["for_people"]
    assert origins["age"]["mentions"] == counted["age"]["mentions"]
    assert origins["age"]["asked_for"] == counted["age"]["for_share"]["of"]
    assert origins["age"]["asked_against"] == counted["age"]["against_share"]["of"]
    digest = json.loads((tmp_path / "coding.json").read_text(encoding="utf-8"))["sha256"]
    assert {origin["coding_sha256"] for origin in origins.values()} == {digest} == {made["coding_sha256"]}
    equipoise("survey check design.toml")
    equipoise("survey rehearse design.toml --participants 6 --seed 4")
    equipoise("survey export kidney-from-people --include-simulated --out answers.csv")
    with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as file:
        answers = list(csv.DictReader(file))
    assert len(answers) == 6 * 20
    assert {answer["design_hash"] for answer in answers} == {made["design_hash"]}
    assert {"left.habits", "right.waiting"} <= answers[0].keys()
