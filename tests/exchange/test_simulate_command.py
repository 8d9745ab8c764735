from __future__ import annotations

import json
import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from exchange.cli import group
from exchange.errors import BadRequest
from exchange.experiment.run_file import read_run
from exchange.simulation.scenario_file import preset, read_scenario
from survey.design_file import example_design


def invoke(*arguments: object) -> str:
    """Run a command and return what it printed; its errors propagate, as they do to the root command."""
    result = CliRunner().invoke(group, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


SHORT = ("simulate", "freedman2020", "--days", 40, "--seed", 1)


def test_a_run_is_told_and_written(tmp_path: Path) -> None:
    out, days = tmp_path / "run.parquet", tmp_path / "days.parquet"
    told = invoke(*SHORT, "--weights", "freedman2020-profiles", "--out", out, "--days-out", days)
    assert "policy       priority-after-cardinality; weights published freedman2020-profiles" in told
    assert "40 days, seed 1" in told
    assert f"written to {out}" in told
    record = read_run(out, days)
    assert record.n_days == 40
    row = next(line.split() for line in told.splitlines() if line.startswith("all "))
    assert int(row[1]) == record.n_patients > 20
    table = json.loads(invoke(*SHORT, "--weights", "freedman2020-profiles", "--json"))
    everybody = table["outcomes"]["all"]["all"]
    assert [int(cell) for cell in row[1:6]] == [
        everybody[name] for name in ("seen", "matched", "transplanted", "left", "waiting")
    ]
    assert (table["policy"], table["seed"], table["days"]) == ("priority-after-cardinality", 1, 40)
    assert everybody["average_rank"] is None
    by_profile = table["outcomes"]["profile"]
    assert sum(of["seen"] for of in by_profile.values()) == record.n_patients


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.parquet" for i in range(3)]
    for path, seed in zip(files, (1, 1, 2), strict=True):
        invoke("simulate", "freedman2020", "--days", 30, "--seed", seed, "--out", path)
    first, again, other = (path.read_bytes() for path in files)
    assert first == again
    assert first != other


def test_ranks_are_counted_in_the_donors_own_orders() -> None:
    given = ("--donor-weights", "freedman2020-heterogeneous", "--policy", "greatest-weight")
    told = invoke(*SHORT, *given, "--ranks-by", "freedman2020-heterogeneous")
    assert "drawn by each donor, published freedman2020-heterogeneous" in told
    assert "average rank" in told
    assert "average rank" not in invoke(*SHORT, *given)


def test_objectives_take_the_place_of_a_policy() -> None:
    told = invoke(
        *SHORT,
        *("--weights", "freedman2020-profiles", "--objectives", "transplants,priority"),
        *("--concede", "transplants=1"),
    )
    assert "policy       transplants then priority" in told


@pytest.mark.parametrize("name", ["freedman2020", "unos-weekly"])
def test_a_printed_scenario_reads_back(name: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(invoke("simulate", name, "--print-scenario"))
    scenario, _ = read_scenario(path, example_design("kidney-8"))
    assert scenario == preset(name)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere", "--seed", 1), "one of the presets"),
        (("freedman2020", "--seed", 1, "--design", "nothing"), "no study 'nothing' ships"),
        (("freedman2020", "--seed", 1, "--policy", "greatest-weight"), "needs priority weights"),
        (("freedman2020", "--seed", 1, "--weights", "unheard"), "--weights unheard: there is no such file"),
        (
            ("freedman2020", "--seed", 1, "--donor-weights", "unheard"),
            "--donor-weights unheard: there is no such file",
        ),
        (("freedman2020", "--seed", 1, "--ranks-by", "unheard"), "--ranks-by unheard: there is no such file"),
        (
            ("freedman2020", "--seed", 1, "--weights", "x", "--donor-weights", "y"),
            "give --weights or --donor-weights",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(arguments: tuple[object, ...], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        invoke("simulate", *arguments)


def test_a_seed_must_be_given_and_outputs_must_be_writable(tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        result = CliRunner().invoke(group, [str(a) for a in arguments])
        assert result.exit_code == click.UsageError.exit_code
        return result.stderr

    assert "--seed: give one" in refused("simulate", "freedman2020")
    assert "there is no folder" in refused(*SHORT, "--out", tmp_path / "no" / "run.parquet")
    both = tmp_path / "run.parquet"
    assert "is --out, too" in refused(*SHORT, "--out", both, "--days-out", both)


def test_a_pipe_as_output_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Open for both, so that nobody waits for the other end; what is written fits into the pipe.
    end = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        invoke("simulate", "freedman2020", "--seed", 1, "--days", 3, "--out", pipe)
        assert os.read(end, 1 << 16)[:4] == b"PAR1"
    finally:
        os.close(end)
    assert pipe.is_fifo()
