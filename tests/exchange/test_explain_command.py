from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from estimation.weights import AttributeWeights, Estimate
from exchange.clearing.clear import clear_pool
from exchange.clearing.objectives import Policy
from exchange.commands.explain import command
from exchange.commands.stopping import ProgressLine
from exchange.errors import BadMatchRun, BadRequest, InvalidMatchRun
from exchange.explaining.needed_change import changes_that_exceed
from exchange.match_run_file import write_match_run
from exchange.pool import Pool
from exchange.pool_file import write_pool
from exchange.pool_generator import generate_pool
from exchange.priorities import equal_priorities, priorities
from exchange.published_weights import published_weights
from survey.design import CategoricalAttribute, NumericAttribute, Profile
from survey.design_file import example_design

WEIGHTS = "freedman2020-profiles"


def invoke(*arguments: object) -> Result:
    """Run the command; its errors propagate, as they do to the root command."""
    result = CliRunner().invoke(
        command, [str(a) for a in arguments], catch_exceptions=False, standalone_mode=False
    )
    if isinstance(result.exception, click.ClickException):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def pool() -> Pool:
    return generate_pool(example_design("kidney-8"), n_pairs=40, n_ndds=3, seed=1)


@pytest.fixture
def pool_path(pool: Pool, tmp_path: Path) -> Path:
    path = tmp_path / "pool.json"
    write_pool(pool, path)
    return path


@pytest.fixture
def run_path(pool: Pool, tmp_path: Path) -> Path:
    path = tmp_path / "match_run.json"
    weights = priorities(pool, published_weights(WEIGHTS))
    write_match_run(clear_pool(pool, weights, policy=Policy.PRIORITY_AFTER_CARDINALITY), path)
    return path


def test_every_unmatched_pair_gets_a_line_with_its_reason(pool_path: Path, run_path: Path) -> None:
    lines = invoke(pool_path, run_path, "--weights", WEIGHTS).stdout.splitlines()
    assert lines[1] == (
        "match run    19 of 40 patients receive; transplants, priority; cycle cap 3, chain cap 0; optimal"
    )
    assert len(lines) == 2 + 40 - 19
    told = dict(line.split(maxsplit=1) for line in lines[2:])
    assert told["P2"].startswith("no-arc-in ")
    assert "33 ruled out by blood group, 9 by crossmatch" in told["P2"]
    assert told["P7"].startswith("no-exchange ")
    assert "one would at cycle cap 4 or chain cap 2" in told["P7"]
    assert told["P16"].startswith("costs-transplants ")
    assert "1 transplant(s) lost; no weight would change that" in told["P16"]
    assert told["P20"].startswith("lost-at-priority ")
    assert "weighs 0.0240724 and would have been matched above 0.0700451" in told["P20"]
    assert "comes with age young (weight 0.2363)" in told["P20"]
    # Some patients are equally good; which of them are matched is arbitrary, and the others are told so.
    ties = {pair: text for pair, text in told.items() if text.startswith("tie ")}
    assert ties
    assert all(f"would drop out and {pair} come in" in text for pair, text in ties.items())


def test_without_a_match_run_the_pool_is_cleared_in_the_same_way(pool_path: Path, run_path: Path) -> None:
    given = invoke(pool_path, run_path, "--weights", WEIGHTS, "--json").stdout
    own = invoke(pool_path, "--weights", WEIGHTS, "--json").stdout
    with_run, without = json.loads(given), json.loads(own)
    assert set(with_run["manifest"]["inputs"]) - set(without["manifest"]["inputs"]) == {"match_run"}
    for one, other in zip(with_run["pairs"], without["pairs"], strict=True):
        assert (one["pair"], one["reason"]) == (other["pair"], other["reason"])
        assert one["loss"] == (other["loss"] and pytest.approx(other["loss"]))


def test_pairs_are_explained_by_name_matched_or_not(pool_path: Path) -> None:
    found = json.loads(invoke(pool_path, "--pair", "P1", "--pair", "P2", "--pair", "P1", "--json").stdout)
    assert [(pair["pair"], pair["is_matched"]) for pair in found["pairs"]] == [("P1", True), ("P2", False)]
    assert found["pairs"][0]["reason"] in ("in-every", "in-some")
    with pytest.raises(BadRequest, match="has no pair P99"):
        invoke(pool_path, "--pair", "P99")


def test_the_file_holds_what_is_printed_as_json(pool_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "explanation.json"
    options = ("--weights", WEIGHTS, "--chain-cap", 2, "--pair", "P7", "--price")
    printed = invoke(pool_path, *options, "--json", "--out", out).stdout
    assert out.read_text(encoding="utf-8") == printed
    table = json.loads(printed)
    assert (table["format"], table["format_version"]) == ("equipoise-explanation", 1)
    assert table["chain_cap"] == 2
    price = table["price_of_priority"]
    assert price["transplants_lost"] == (
        price["frontier"][0]["transplants"] - price["greatest_weight"]["transplants"]
    )
    again = invoke(pool_path, *options, "--json").stdout
    assert json.loads(again)["pairs"] == table["pairs"]


def test_the_price_of_priority_is_told_in_words(pool_path: Path) -> None:
    out = invoke(
        pool_path, "--weights", "freedman2020-attributes", "--chain-cap", 3, "--pair", "P1", "--price"
    ).stdout
    assert "price of priority (proved)" in out
    assert "priority after cardinality   22 transplants, priority 4.9251434" in out
    assert "greatest weight loses 1 transplant(s) to gain 0.899263 in priority" in out


def test_any_objectives_can_be_explained(pool_path: Path) -> None:
    out = invoke(pool_path, "--objectives", "fewest-three-way,transplants").stdout
    assert "fewest-three-way, transplants; cycle cap 3, chain cap 0; optimal" in out
    assert "costs-fewest-three-way" in out
    assert "1 three-way cycle(s) more" in out
    costly = invoke(pool_path, "--objectives", "transplants,two-way").stdout
    assert "costs-transplants" in costly
    conceding = invoke(pool_path, "--objectives", "transplants,two-way", "--concede", "transplants=1").stdout
    assert "costs-transplants" not in conceding


def test_inputs_that_do_not_belong_together_are_refused(
    pool_path: Path, run_path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    write_pool(generate_pool(example_design("kidney-8"), n_pairs=40, n_ndds=3, seed=2), other)
    with pytest.raises(InvalidMatchRun, match=r"does not fit generated(.|\n)*has no arc"):
        invoke(other, run_path, "--weights", WEIGHTS)
    with pytest.raises(
        InvalidMatchRun, match=r"total priority(.|\n)*every patient counts 1; give the pool and"
    ):
        invoke(pool_path, run_path)
    with pytest.raises(BadMatchRun, match=r"pool\.json"):
        invoke(pool_path, pool_path)
    with pytest.raises(BadRequest, match=r"--cycle-cap: the match run .* says so itself"):
        invoke(pool_path, run_path, "--weights", WEIGHTS, "--cycle-cap", 2)
    with pytest.raises(BadRequest, match="--price needs priority weights"):
        invoke(pool_path, "--price")
    with pytest.raises(click.UsageError, match="the file that is read"):
        invoke(pool_path, "--out", pool_path)


def test_a_file_that_claims_too_much_is_refused(pool: Pool, pool_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "match_run.json"
    write_match_run(clear_pool(pool, equal_priorities(pool), policy=Policy.EQUAL), path)
    table = json.loads(path.read_text(encoding="utf-8"))
    dropped = table["cycles"].pop()
    table["transplants"] -= len(dropped)
    table["total_priority"] = table["transplants"]
    for stage in table["stages"]:
        stage["value"] = stage["bound"] = table["transplants"]
    path.write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(InvalidMatchRun, match=r"called optimal at .* can be reached"):
        invoke(pool_path, path, "--pair", dropped[0])


def test_ctrl_c_ends_with_what_is_known(pool_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def stop_after_four_pairs(_: ProgressLine, text: str) -> None:
        if text.startswith("pair "):
            shown.append(text)
            if len(shown) == 4:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(ProgressLine, "__call__", stop_after_four_pairs)
    full = invoke(pool_path, "--weights", WEIGHTS, "--solver", "highs")
    assert "stopped; what was not settled by then is said to be open" in full.stderr
    lines = full.stdout.splitlines()
    assert re.match(r"P2 +no-arc-in ", lines[2])
    assert " open " not in "".join(lines[2:6])
    assert " open " in "".join(lines[6:])
    # What needs no solve is known all the same.
    assert any("no-exchange" in line for line in lines[6:])
    shown.clear()
    priced = invoke(pool_path, "--weights", WEIGHTS, "--price")
    assert "the price of priority was not looked for" in priced.stderr
    assert "most transplants alone" not in priced.stdout
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_help_has_an_example() -> None:
    text = CliRunner().invoke(command, ["--help"]).stdout
    assert "equipoise exchange explain pool.json match_run.json --weights weights.json" in text


def test_changes_of_one_attribute_are_those_that_trying_all_values_finds() -> None:
    level = example_design("kidney-8").attributes[0]
    assert isinstance(level, CategoricalAttribute)
    age = NumericAttribute(name="years", label="Years", minimum=20, maximum=60, step=5)
    weights = AttributeWeights.named(
        (level, age),
        {f"{level.name}={level.level_names[1]}": Estimate(value=-1.0), "years": Estimate(value=-0.1)},
    )
    patient = Profile(values=((level.name, level.level_names[1]), ("years", 50)))
    # Weights fall by exp(-1) with the level, and by exp(-0.5) with every five years from 20 on.
    found = changes_that_exceed(weights.weight(patient), patient, weights, (level, age))
    assert [(c.attribute, c.value) for c in found] == [(level.name, level.level_names[0]), ("years", 45)]
    assert found[1].weight == pytest.approx(weights.weight(patient) * 2.718281828459045**0.5)
    assert not changes_that_exceed(1.0, patient, weights, (level, age))
