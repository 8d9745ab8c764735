from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from estimation.dataset import choice_data
from estimation.fitting import fit
from estimation.specification import Model
from estimation.weights_file import write_weights
from exchange.cli import group
from exchange.errors import BadRequest
from exchange.match_run_file import read_match_run
from exchange.pool_file import read_pool
from exchange.priorities import equal_priorities
from exchange.validity import check_match_run
from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.design import design_hash
from survey.design_file import EXAMPLES, example_design


def invoke(*arguments: object) -> str:
    """Run a command and return what it printed; its errors propagate, as they do to the root command."""
    result = CliRunner().invoke(group, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def _write_fitted_weights(path: Path) -> None:
    """Fit the attribute model to answers of respondents who mostly favor the young, then the healthy."""
    study = example_design("kidney-8")
    rng = np.random.default_rng(1)
    answers = []
    for respondent in range(20):
        for comparison in study.comparisons() or ():
            sides = (comparison.first, comparison.second)
            pull = [2.0 * (p["age"] == "young") + 1.0 * (p["health"] == "healthy") for p in sides]
            left_wins = rng.random() < 1 / (1 + np.exp(pull[1] - pull[0]))
            answers.append(
                Answer(
                    respondent=f"r{respondent}",
                    kind=RespondentKind.HUMAN,
                    arm="main",
                    position=None,
                    left=sides[0],
                    right=sides[1],
                    choice=Choice.LEFT if left_wins else Choice.RIGHT,
                    indecision_offered=False,
                    design_hash=design_hash(study),
                )
            )
    data = choice_data(AnswerSet(attributes=study.attributes, answers=answers, source="simulated in a test"))
    result = fit(data, Model.CONDITIONAL_LOGIT)
    write_weights(path, result, design_hashes=(design_hash(study),), manifest={})


@pytest.fixture
def pool_path(tmp_path: Path) -> Path:
    path = tmp_path / "pool.json"
    invoke("generate", "--pairs", 40, "--ndds", 3, "--seed", 1, "--out", path)
    return path


def test_generate_writes_the_same_pool_for_the_same_seed(pool_path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    output = invoke("generate", "--pairs", 40, "--ndds", 3, "--seed", 1, "--out", again)
    assert "simulated" in output
    assert "40 pairs, 3 non-directed donors" in output
    assert again.read_bytes() == pool_path.read_bytes()


def test_generate_takes_another_study(tmp_path: Path) -> None:
    path = tmp_path / "pool.json"
    invoke("generate", "--pairs", 5, "--seed", 1, "--design", EXAMPLES / "kidney-8.toml", "--out", path)
    assert [a.name for a in read_pool(path).attributes] == ["age", "drinking", "health"]


def test_clear_writes_a_valid_match_run_and_says_what_it_found(pool_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "match_run.json"
    output = invoke("clear", pool_path, "--chain-cap", 3, "--out", out)
    run = read_match_run(out)
    pool = read_pool(pool_path)
    check_match_run(pool, run, equal_priorities(pool))
    assert f"transplants  {run.transplants} of 40 patients" in output
    assert "proved optimal" in output
    assert "limit 60 s" in output
    inputs = json.loads(out.read_text())["manifest"]["inputs"]
    assert inputs["pool"]["sha256"] == hashlib.sha256(pool_path.read_bytes()).hexdigest()


def test_clear_prints_the_match_run_as_json(pool_path: Path) -> None:
    table = json.loads(invoke("clear", pool_path, "--solver", "cbc", "--time-limit", 30, "--json"))
    assert table["format"] == "equipoise-match-run"
    assert table["policy"] == "equal"
    assert table["stages"][0]["solver"] == "cbc"
    assert table["stages"][0]["time_limit_seconds"] == 30


def test_a_result_that_is_not_proved_says_so_with_its_gap(tmp_path: Path) -> None:
    path = tmp_path / "pool.json"
    invoke("generate", "--pairs", 200, "--ndds", 8, "--seed", 1, "--out", path)
    output = invoke("clear", path, "--chain-cap", 3, "--time-limit", 0.02)
    assert "not proved: at most" in output
    assert "gap" in output
    assert "proved optimal" not in output


def test_a_policy_that_needs_weights_is_refused_without_them(pool_path: Path) -> None:
    with pytest.raises(BadRequest, match="needs priority weights"):
        invoke("clear", pool_path, "--policy", "greatest-weight")


def test_a_folder_that_is_not_there_is_noticed_before_clearing(pool_path: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="make it first"):
        invoke("clear", pool_path, "--out", tmp_path / "no" / "run.json")


def test_clear_names_the_solver_and_writes_the_same_bytes_again(pool_path: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    assert "; cbc, " in invoke("clear", pool_path, "--out", one)
    invoke("clear", pool_path, "--out", other)
    assert one.read_bytes() == other.read_bytes()
    assert json.loads(one.read_text())["manifest"]["settings"]["solver"] == "auto"


def test_convert_turns_another_format_into_pool_json(tmp_path: Path) -> None:
    source = tmp_path / "small.input"
    source.write_text("2 2\n0 1 1\n1 0 1\n-1 -1 -1\n")
    out = tmp_path / "pool.json"
    assert "2 pairs, 0 non-directed donors, 2 arcs" in invoke("convert", source, "--out", out)
    assert read_pool(out).arcs == read_pool(source).arcs


@pytest.mark.parametrize("command", ["generate", "convert", "clear"])
def test_every_command_shows_an_example(command: str) -> None:
    assert f"equipoise exchange {command}" in invoke(command, "--help")


def test_weights_from_a_fit_change_who_is_matched(tmp_path: Path) -> None:
    design = EXAMPLES / "kidney-8.toml"
    weights, pool_path = tmp_path / "weights.json", tmp_path / "pool.json"
    _write_fitted_weights(weights)
    invoke("generate", "--pairs", 40, "--ndds", 3, "--seed", 1, "--design", design, "--out", pool_path)
    runs = {}
    for policy in ("priority-after-cardinality", "equal"):
        out = tmp_path / f"{policy}.json"
        invoke("clear", pool_path, "--weights", weights, "--policy", policy, "--out", out)
        runs[policy] = read_match_run(out)
    default = json.loads(invoke("clear", pool_path, "--weights", weights, "--json"))
    assert default["policy"] == "priority-after-cardinality"
    assert set(default["manifest"]["inputs"]) == {"pool", "weights"}
    by_weight, equal = runs["priority-after-cardinality"], runs["equal"]
    assert by_weight.transplants == equal.transplants
    assert by_weight.total_priority > equal.total_priority
