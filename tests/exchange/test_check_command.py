from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exchange.clearing.clear import clear_pool
from exchange.clearing.objectives import Policy
from exchange.commands.check import command
from exchange.errors import ExchangeError
from exchange.match_run import MatchRun
from exchange.match_run_file import write_match_run
from exchange.pool import Pool
from exchange.pool_file import write_pool
from exchange.priorities import equal_priorities


def check(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def pool(make_pool: Callable[..., Pool]) -> Pool:
    return make_pool(4, 1, [(0, 1), (1, 0), (1, 2), (2, 1), (4, 3)])


@pytest.fixture
def run(pool: Pool) -> MatchRun:
    return clear_pool(pool, equal_priorities(pool), policy=Policy.EQUAL, chain_cap=1)


@pytest.fixture
def write(pool: Pool, tmp_path: Path) -> Callable[[MatchRun], tuple[Path, Path]]:
    """Return a function that writes the pool and a match run."""

    def to_files(run: MatchRun) -> tuple[Path, Path]:
        write_pool(pool, tmp_path / "pool.json")
        write_match_run(run, tmp_path / "run.json")
        return tmp_path / "pool.json", tmp_path / "run.json"

    return to_files


def test_a_true_match_run_passes(run: MatchRun, write: Callable[[MatchRun], tuple[Path, Path]]) -> None:
    found = check(*write(run))
    assert found.exit_code == 0
    assert "valid: 3 transplants" in found.stdout
    assert "transplants 3: proved by the prices" in found.stdout
    table = json.loads(check(*write(run), "--json").stdout)
    assert table["valid"] is True
    assert table["stages"][0]["bound_proved_by_prices"] == 3.0


def test_false_exchanges_and_false_prices_are_told_with_exit_code_1(
    run: MatchRun, write: Callable[[MatchRun], tuple[Path, Path]]
) -> None:
    found = check(*write(replace(run, transplants=9)))
    assert found.exit_code == 1
    assert "not valid: 1 violation(s)" in found.stdout
    certificate = run.stages[0].certificate
    assert certificate is not None
    liar = replace(run.stages[0], certificate=replace(certificate, pair_prices={}))
    found = check(*write(replace(run, stages=(liar,))))
    assert found.exit_code == 1
    assert "not proved" in found.stdout
    assert "more than their members' prices" in found.stdout


def test_a_match_run_without_certificates_is_valid_and_unproved(
    run: MatchRun, write: Callable[[MatchRun], tuple[Path, Path]]
) -> None:
    found = check(*write(replace(run, stages=(replace(run.stages[0], certificate=None),))))
    assert found.exit_code == 0
    assert "no certificate" in found.stdout


def test_a_file_that_cannot_be_read_is_an_error_of_the_input(
    run: MatchRun, write: Callable[[MatchRun], tuple[Path, Path]], tmp_path: Path
) -> None:
    pool_path, _ = write(run)
    with pytest.raises(ExchangeError, match="name an existing match run file"):
        check(pool_path, tmp_path / "absent.json")


def test_the_help_shows_an_example() -> None:
    assert "equipoise exchange check pool.json match_run.json" in check("--help").stdout
