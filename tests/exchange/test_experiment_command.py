from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result

from exchange.cli import group
from exchange.errors import BadRequest, MissingRuns, OtherExperiment
from exchange.experiment.enough_seeds import seeds_for_width
from exchange.experiment.experiment_file import read_experiment
from exchange.experiment.run_experiment import run_experiment
from exchange.experiment.run_store import RunStore
from exchange.outcomes.comparison import outcomes
from exchange.outcomes.outcome import Measure

ROOT = Path(__file__).resolve().parents[2]

SMALL = """
title = "A small experiment"
seeds = { first = 1, count = 3 }
ranks_by = "freedman2020-heterogeneous"
published = [
    { condition = "EQUAL", measure = "matched_share", mean = 0.6, sd = 0.1, runs = 50 },
    { condition = "EQUAL", measure = "matched_share", grouping = "profile", group = "YRH", mean = 0.6, sd = 0.1, runs = 9 },
    { condition = "EQUAL", measure = "matched_share", grouping = "profile", group = "ORH", mean = 0.6, sd = 0.1, runs = 9 },
]
[[scenarios]]
name = "short"
preset = "freedman2020-heterogeneous"
days = 60
[[conditions]]
name = "EQUAL"
policy = "equal"
[[conditions]]
name = "PRIORITY"
policy = "priority-after-cardinality"
weights = "freedman2020-profiles"
"""  # noqa: E501 - a file may have long lines
# Many short runs, so that there is always one under way.
MANY = SMALL.replace("count = 3", "count = 15").replace("days = 60", "days = 40")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(group, ["experiment", *(str(a) for a in arguments)], catch_exceptions=False)


def invoke(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def started(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "survey.cli", "exchange", "experiment", *(str(a) for a in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=ROOT,
    )


def wait_for(is_true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not is_true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def parquet(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.glob("*/*.parquet"))}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("experiment") / "own.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def finished(experiment: Path) -> tuple[Path, str]:
    """The folder of the small experiment, and what the command printed."""
    out = experiment.parent / "results"
    return out, invoke(experiment, "--out", out)


def test_the_results_are_told_with_intervals(finished: tuple[Path, str]) -> None:
    _, told = finished
    assert told.startswith("own: A small experiment\n3 seeds, 1 to 3; 95 % intervals")
    lines = {line.split("   ")[0]: line for line in told.splitlines()}
    assert lines["EQUAL"].count(" to ") == 3
    assert lines["PRIORITY"].count(" to ") == 3
    assert "published, EQUAL: matched_share 0.6, here " in told
    assert "published, EQUAL: 2 numbers by profile, chi-square " in told


def test_the_folder_has_every_file(finished: tuple[Path, str]) -> None:
    out, _ = finished
    assert {p.name for p in out.iterdir()} == {
        "days",
        "experiment.toml",
        "figures",
        "manifest.json",
        "outcomes.csv",
        "outcomes.parquet",
        "plan.json",
        "progress.json",
        "report.html",
        "report.json",
        "runs",
        "scenario-1.toml",
        "summary.json",
    }
    assert len(parquet(out)) == 12
    page = (out / "report.html").read_text()
    assert "A small experiment" in page
    pictures = {picture.name: picture.read_text() for picture in (out / "figures").iterdir()}
    assert len(pictures) == page.count("<svg") > 8
    assert all(picture.strip() in page for picture in pictures.values())
    report = json.loads((out / "report.json").read_text())
    figures = [f for s in report["scenarios"] for section in s["sections"] for f in section["figures"]]
    assert {figure["file"] for figure in figures if figure["file"]} == set(pictures)
    progress = json.loads((out / "progress.json").read_text())
    assert (progress["state"], progress["done"], progress["total"]) == ("done", 6, 6)


def test_tables_have_the_numbers_of_the_runs(finished: tuple[Path, str], experiment: Path) -> None:
    out, _ = finished
    plan = read_experiment(experiment).plan
    expected = outcomes(RunStore(out, plan).records(plan.runs()), plan.baseline, plan.design)
    with (out / "outcomes.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    table = pyarrow.parquet.read_table(out / "outcomes.parquet").to_pylist()
    assert len(rows) == len(table) == len(expected)
    for row, typed, outcome in zip(rows, table, expected, strict=True):
        names = (outcome.scenario, outcome.condition, outcome.baseline, outcome.grouping, outcome.group)
        keys = ("scenario", "condition", "baseline", "grouping", "group")
        assert tuple(row[k] for k in keys) == tuple(typed[k] for k in keys) == names
        assert row["measure"] == typed["measure"] == str(outcome.measure)
        assert row["value"] == ("" if typed["value"] is None else repr(typed["value"]))
        assert typed["value"] == (outcome.value if outcome.value == outcome.value else None)
        assert int(row["n_runs"]) == typed["n_runs"] == outcome.n_runs
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["experiment"], summary["seeds"], summary["runs"]) == ("own", [1, 2, 3], 6)
    assert [c["name"] for c in summary["conditions"]] == ["EQUAL", "PRIORITY"]
    assert {check["grouping"] for check in summary["published"]} == {"all", "profile"}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["file_libraries"].keys() == {"pyarrow", "matplotlib"}
    assert str(out.parent) not in (out / "manifest.json").read_text()


def test_again_gives_the_same_files_without_any_run(finished: tuple[Path, str], experiment: Path) -> None:
    out, told = finished
    before = {p: p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}
    made = {p: p.stat().st_mtime_ns for p in (out / "runs").iterdir()}
    (out / "report.html").unlink()
    (out / "figures" / "99-old.svg").write_text("from an older version")
    assert invoke(experiment, "--out", out, "--again") == told
    assert {p: p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()} == before
    assert {p: p.stat().st_mtime_ns for p in (out / "runs").iterdir()} == made


def test_conditions_can_be_taken_out(experiment: Path, tmp_path: Path) -> None:
    # The baseline always joins.
    summary = json.loads(
        invoke(experiment, "--out", tmp_path / "a", "--only", "PRIORITY", "--seeds", "5-6", "--json")
    )
    assert (summary["seeds"], summary["runs"]) == ([5, 6], 4)
    told = invoke(experiment, "--out", tmp_path / "a", "--only", "EQUAL", "--seeds", "5-5", "--days", 60)
    assert "minus EQUAL" not in told
    with pytest.raises(BadRequest, match="--only X: there is no such condition; there are EQUAL, PRIORITY"):
        run(experiment, "--out", tmp_path / "a", "--only", "X")


def test_the_file_is_printed_to_start_ones_own(experiment: Path) -> None:
    assert invoke(experiment, "--print") == SMALL
    assert "[[scenarios]]" in invoke("freedman2020-orders", "--print")


def test_what_cannot_be_is_refused(finished: tuple[Path, str], experiment: Path, tmp_path: Path) -> None:
    out, _ = finished
    assert "--out: name a folder" in run(experiment).stderr
    assert "--again computes no runs" in run(experiment, "--out", out, "--again", "--workers", 2).stderr
    with pytest.raises(BadRequest, match="holds no runs; leave it out to compute them"):
        run(experiment, "--out", tmp_path / "new", "--again")
    with pytest.raises(OtherExperiment, match="scenario 'short' differs; take another folder"):
        run(experiment, "--out", out, "--days", 61)
    # In a copy: it fails, and the folder says so.
    shutil.copytree(out, tmp_path / "copy")
    with pytest.raises(MissingRuns, match="seed 9"):
        run(experiment, "--out", tmp_path / "copy", "--seeds", "9-9", "--again")
    with pytest.raises(BadRequest, match="no experiment of that name"):
        run("nothing", "--out", out)


def test_runs_that_fail_end_with_1(experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from exchange.experiment import run_experiment as module

    simulate = module.simulate

    def fails(*args: object, seed: int, **rest: object) -> object:
        if seed == 2:
            raise BadRequest("not this one")
        return simulate(*args, seed=seed, **rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(module, "simulate", fails)
        result = run(experiment, "--out", tmp_path / "a")
    assert result.exit_code == 1
    assert "scenario 'short', condition 'EQUAL', seed 2: not this one" in result.stderr
    assert "2 of 6 runs failed" in result.stderr
    progress = json.loads((tmp_path / "a" / "progress.json").read_text())
    assert (progress["state"], progress["done"], progress["total"]) == ("failed", 4, 6)
    invoke(experiment, "--out", tmp_path / "a")


def test_it_is_done_only_when_everything_is_written(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exchange.experiment import result_files

    out = tmp_path / "a"
    write_text = result_files.write_text
    states: list[str] = []

    def state() -> str:
        return str(json.loads((out / "progress.json").read_text())["state"])

    def watched(path: Path, text: str) -> None:
        states.append(state())
        write_text(path, text)

    def fails(path: Path, text: str) -> None:
        raise OSError(28, "no room left", str(path))

    monkeypatch.setattr(result_files, "write_text", watched)
    invoke(experiment, "--out", out, "--seeds", "1")
    assert states == ["results"] * len(states)
    assert len(states) > 10
    assert state() == "done"
    monkeypatch.setattr(result_files, "write_text", fails)
    with pytest.raises(OSError, match="no room left"):
        run(experiment, "--out", out, "--seeds", "1", "--again")
    assert state() == "failed"


def test_killed_at_any_moment_it_loses_only_runs_under_way(tmp_path: Path) -> None:
    path, out = tmp_path / "own.toml", tmp_path / "results"
    path.write_text(MANY)
    kept: dict[Path, int] = {}
    for at_least in (2, 6):
        process = started(path, "--out", out, "--workers", 2)
        with process:
            wait_for(lambda n=at_least: len(list((out / "runs").glob("[!.]*"))) >= n, process)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        # What an earlier run left was not computed again.
        assert {p: p.stat().st_mtime_ns for p in kept} == kept
        kept = {p: p.stat().st_mtime_ns for p in (out / "runs").glob("[!.]*")}
        assert json.loads((out / "progress.json").read_text())["state"] == "running"
    plan = read_experiment(path).plan
    store = RunStore(out, plan)
    n_whole = sum(store.has(one) for one in plan.runs())
    assert n_whole == len(kept) < len(plan.runs())
    ran = run_experiment(plan, store)
    assert (ran.kept, ran.total) == (n_whole, 30)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    straight = tmp_path / "straight"
    run_experiment(plan, RunStore(straight, plan))
    assert parquet(out) == parquet(straight)
    assert not list(out.glob("*/.*"))


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(tmp_path: Path, workers: int) -> None:
    path, out = tmp_path / "own.toml", tmp_path / "results"
    path.write_text(MANY)
    process = started(path, "--out", out, "--workers", workers)
    with process:
        wait_for(lambda: len(list((out / "runs").glob("[!.]*"))) >= 3, process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    n_kept = len(list((out / "runs").iterdir()))
    assert "stopping with what is finished" in errors
    assert f"{n_kept} of 30 runs are kept in {out}; the same command goes on" in errors
    assert "Traceback" not in errors
    progress = json.loads((out / "progress.json").read_text())
    assert (progress["state"], progress["done"]) == ("stopped", n_kept)
    store = RunStore(out, read_experiment(path).plan)
    assert sum(store.has(one) for one in read_experiment(path).plan.runs()) == n_kept


def test_seeds_are_added_until_the_interval_is_narrow(experiment: Path, tmp_path: Path) -> None:
    width = 0.02
    told = json.loads(
        invoke(experiment, "--out", tmp_path / "a", "--width", width, "--most-seeds", 30, "--json")
    )
    (difference,) = [
        o for o in told["outcomes"] if o["baseline"] and o["measure"] == str(Measure.TRANSPLANTED_SHARE)
    ]
    n = len(told["seeds"])
    assert difference["high"] - difference["low"] <= width or n == 30
    plan = read_experiment(experiment).plan
    store = RunStore(tmp_path / "a", plan)
    assert seeds_for_width(plan, store, width=0.9, most_seeds=30) == plan.seeds
    assert seeds_for_width(plan, store, width=1e-4, most_seeds=5) == (1, 2, 3, 4, 5)
    # Never more than four times as many at once.
    assert len(seeds_for_width(plan, store, width=1e-4, most_seeds=1_000)) == 12
    with pytest.raises(BadRequest, match="a width of 2 cannot be"):
        seeds_for_width(plan, store, width=2, most_seeds=30)


def test_progress_is_shown_line_by_line_when_asked_for(experiment: Path, tmp_path: Path) -> None:
    result = run(experiment, "--out", tmp_path / "a", "--only", "EQUAL", "--seeds", "1", "--progress")
    assert result.stderr.splitlines() == [
        "runs: 0 of 1 (0 found)",
        "runs: 1 of 1, about 0 s left (scenario 'short', condition 'EQUAL', seed 1)",
        "runs: 1 of 1 (making the pictures)",
    ]
