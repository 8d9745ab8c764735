from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from estimation.dataset import choice_data
from estimation.fitting import fit
from estimation.specification import Model
from estimation.weights_file import write_weights
from exchange.cli import group
from exchange.commands.stopping import ProgressLine, StopOnInterrupt
from exchange.errors import BadRequest, MissingPriorities
from exchange.match_run_file import read_match_run
from exchange.pool_file import read_pool
from exchange.priorities import equal_priorities
from exchange.validity import check_match_run
from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.design import design_hash
from survey.design_file import EXAMPLES, example_design

KIDNEY_8 = EXAMPLES / "kidney-8.toml"


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


def test_an_older_match_run_is_replaced_whole_and_never_written_over(pool_path: Path, tmp_path: Path) -> None:
    out, same_file = tmp_path / "run.json", tmp_path / "link.json"
    out.write_text("older", encoding="utf-8")
    same_file.hardlink_to(out)
    invoke("clear", pool_path, "--out", out)
    assert same_file.read_text(encoding="utf-8") == "older"
    assert read_match_run(out).transplants > 0


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


def test_clear_names_the_solver_only_where_one_took_part(pool_path: Path) -> None:
    output = invoke("clear", pool_path)
    assert "proved optimal by prices alone; cycle, 0." in output
    assert "cbc" not in output


def test_clear_writes_the_same_bytes_again(pool_path: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    invoke("clear", pool_path, "--out", one)
    invoke("clear", pool_path, "--out", other)
    assert one.read_bytes() == other.read_bytes()
    assert json.loads(one.read_text())["manifest"]["settings"]["solver"] == "auto"


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


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """Give a pool whose patients the eight-profile study describes."""
    path = tmp_path / "described.json"
    invoke("generate", "--pairs", 32, "--ndds", 1, "--seed", 1, "--design", KIDNEY_8, "--out", path)
    return path


def test_objectives_are_pursued_in_the_order_named_and_concessions_are_said(described: Path) -> None:
    given = ("clear", described, "--weights", "freedman2020-profiles", "--chain-cap", 2)
    objectives = ("--objectives", "transplants,two-way,priority", "--concede", "transplants=2")
    table = json.loads(invoke(*given, *objectives, "--json"))
    assert table["policy"] is None
    assert [stage["objective"] for stage in table["stages"]] == ["transplants", "two-way", "priority"]
    assert table["manifest"]["settings"]["concessions"] == [2.0, 0.0, 0.0]
    strict = json.loads(invoke(*given, "--objectives", "transplants,two-way,priority", "--json"))
    assert strict["transplants"] - 2 <= table["transplants"] <= strict["transplants"]
    assert table["stages"][1]["value"] > strict["stages"][1]["value"]
    output = invoke(*given, *objectives)
    assert "objectives   transplants, two-way, priority" in output
    assert "of which 2 may be given up" in output


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--objectives", "priority"), "needs priority weights"),
        (("--objectives", "transplants,happiness"), "'happiness' is no objective; there are transplants"),
        (("--objectives", "transplants", "--policy", "equal"), "either --policy or --objectives"),
        (("--policy", "equal", "--concede", "transplants=2"), "instead of --policy"),
        (("--objectives", "transplants,two-way", "--concede", "priority=2"), "is not among"),
        (("--objectives", "transplants,two-way", "--concede", "transplants=few"), "such as transplants=2"),
        (("--objectives", "transplants,two-way", "--concede", "transplants=-1"), "at least 0"),
        (("--objectives", "transplants,two-way", "--concede", "two-way=1"), "no objective comes after"),
        (("--ties", "random"), "give --seed"),
        (("--ties-out", "ties.json"), "--ties all"),
        (("--draws-out", "draws.json"), "--draws"),
        (("--draws", "5"), "needs --weights"),
        (("--draws", "5", "--weights", "freedman2020-profiles"), "keeps 0 draws"),
        (("--weights", "freedman1999"), "there are freedman2020-profiles, freedman2020-attributes"),
        (("--donor-weights", "freedman1999", "--seed", "1"), "there are freedman2020-heterogeneous"),
        (("--donor-weights", "freedman2020-heterogeneous"), "give --seed"),
        (("--donor-weights", "x", "--weights", "y"), "not both"),
        (("--sensitized-from", "80"), "between 0 and 1"),
        (("--workers", "2"), "give --draws"),
        (
            (
                "--objectives",
                "transplants,two-way",
                "--concede",
                "transplants=1",
                "--concede",
                "transplants=3",
            ),
            "transplants was conceded before",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_the_way_out(
    described: Path, options: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(BadRequest, match=complaint):
        invoke("clear", described, *options)


def test_an_explanation_is_not_written_over_the_weights(described: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.json"
    _write_fitted_weights(weights)
    before = weights.read_bytes()
    arguments = ["explain", str(described), "--weights", str(weights), "--out", str(weights)]
    result = CliRunner().invoke(group, arguments, catch_exceptions=False)
    assert result.exit_code == 2
    assert "the file that is read" in result.output
    assert weights.read_bytes() == before


def test_published_weights_refuse_patients_of_another_study(pool_path: Path) -> None:
    for option in ("--weights=freedman2020-profiles", "--donor-weights=freedman2020-heterogeneous"):
        with pytest.raises(MissingPriorities, match="use weights from the study"):
            invoke("clear", pool_path, option, "--seed", 1)


def test_a_file_comes_before_a_published_name(
    described: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "published freedman2020-profiles" in invoke(
        "clear", described, "--weights", "freedman2020-profiles"
    )
    _write_fitted_weights(tmp_path / "freedman2020-profiles")
    assert "file freedman2020-profiles" in invoke("clear", described, "--weights", "freedman2020-profiles")


def test_donors_weights_are_the_same_for_the_same_seed(described: Path) -> None:
    given = ("clear", described, "--donor-weights", "freedman2020-heterogeneous", "--chain-cap", 2, "--json")
    one, again, other = (invoke(*given, "--seed", seed) for seed in (1, 1, 2))
    assert one == again
    assert json.loads(one)["total_priority"] != json.loads(other)["total_priority"]
    assert json.loads(one)["transplants"] == json.loads(other)["transplants"]


def test_ties_are_listed_drawn_and_written(described: Path, tmp_path: Path) -> None:
    out = tmp_path / "ties.json"
    listed = ("clear", described, "--ties", "all", "--most-ties", 4)
    assert "4 equally good match runs" in invoke(*listed, "--ties-out", out)
    document = json.loads(out.read_text())
    assert document["format"] == "equipoise-ties"
    assert not document["complete"]
    sets = [frozenset(run["patients"]) for run in document["match_runs"]]
    assert len(set(sets)) == document["count"] == 4
    assert document["in_all"] == sorted(frozenset.intersection(*sets))
    table = json.loads(invoke(*listed, "--json"))
    assert {key: document[key] for key in table["ties"]} == table["ties"]
    first = {pair for cycle in table["cycles"] for pair in cycle}
    assert first == sets[0]
    draws = [invoke("clear", described, "--ties", "random", "--seed", s, "--json") for s in (1, 1, 2, 3, 4)]
    assert draws[0] == draws[1]
    assert len({json.dumps(json.loads(text)["cycles"]) for text in draws}) > 1


def test_draws_of_the_weights_give_a_distribution_over_match_runs(described: Path, tmp_path: Path) -> None:
    weights, out = tmp_path / "weights.json", tmp_path / "draws.json"
    _write_fitted_weights(weights)
    given = ("clear", described, "--weights", weights, "--draws", 20, "--draws-out", out)
    output = invoke(*given)
    assert "of 20 draws of the weights" in output
    assert "order only" in output
    document = json.loads(out.read_text())
    assert document["format"] == "equipoise-draws"
    assert document["count"] == 20
    assert len(document["chosen"]) == 32
    assert 0 <= document["changed"]["low"] <= document["changed"]["share"] <= document["changed"]["high"] <= 1
    one = out.read_bytes()
    invoke(*given, "--workers", 2)
    assert out.read_bytes() == one


def test_progress_is_shown_line_by_line_when_asked_for(described: Path) -> None:
    result = CliRunner().invoke(group, ["clear", str(described), "--progress"], catch_exceptions=False)
    assert "transplants: relaxation" in result.stderr
    assert "bound" in result.stderr
    silent = CliRunner().invoke(group, ["clear", str(described)], catch_exceptions=False)
    assert silent.stderr == ""


def test_at_a_terminal_one_line_is_rewritten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    line = ProgressLine(all_lines=False)
    line("x" * 1_000)
    line("too soon after")
    line("of another kind", at_once=True)
    line.close()
    shown = capsys.readouterr().err
    assert "\n" not in shown
    assert "too soon" not in shown
    assert "\rof another kind " in shown
    assert shown.startswith("\rxxx")
    assert len(max(shown.split("\r"), key=len)) < 1_000


def test_the_second_interrupt_gives_up(capsys: pytest.CaptureFixture[str]) -> None:
    with StopOnInterrupt() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.is_stopped
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert "Ctrl-C again" in capsys.readouterr().err
    # Outside, an interrupt is one again.
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_gives_the_best_so_far_with_its_gap(tmp_path: Path) -> None:
    pool, out = tmp_path / "large.json", tmp_path / "run.json"
    invoke("generate", "--pairs", 400, "--ndds", 16, "--seed", 1, "--design", KIDNEY_8, "--out", pool)
    options = ["--donor-weights", "freedman2020-heterogeneous", "--seed", "1", "--chain-cap", "4"]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "survey.cli", "exchange", "clear", str(pool), *options),
            *("--time-limit", "300", "--progress", "--out", str(out)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        cwd=Path(__file__).resolve().parents[2],
    )
    assert process.stderr is not None
    with process:
        # The second stage has just begun, and takes seconds.
        for line in process.stderr:
            if line.startswith("priority: "):
                break
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "stopped; best so far, not proved" in errors
    assert "stage        priority" in output
    assert "not proved: at most" in output
    run = read_match_run(out)
    assert run.transplants > 0
    assert run.stages[0].gap == 0
    assert run.stages[1].gap > 0
