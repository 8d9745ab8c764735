from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import variance
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def _run(out: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "simulating.py"), *arguments, "--runs", "1", "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(out.read_text(encoding="utf-8"))


def test_the_benchmark_watches_runs_without_changing_them(tmp_path: Path) -> None:
    rows = ("run/priority", "where/priority", "anew/priority", "where/unos-weekly")
    shown, document = _run(tmp_path / "measured.json", "--rows", *rows, "--days", "40")
    answers = {(one["row"], one["program"]): one["answer"] for one in document["measured"]}
    name = "priority-after-cardinality"
    timed, parts, anew = (
        answers[f"{section}/{name}", program]
        for section, program in (("run", "run_simulation"), ("where", "run_parts"), ("anew", "run_anew"))
    )
    assert timed["digest"] == parts["digest"] == anew["digest"]
    assert parts["match_runs"] == timed["days"] == 40
    for answer in (parts, answers["where/unos-weekly/equal", "run_parts"]):
        assert sum(answer["decided"].values()) == answer["came"]
        assert min(answer["parts"].values()) >= 0
        assert answer["parts"]["arcs of newcomers"] > 0
    (sampled,) = anew["sampled"]
    assert sampled["anew_transplants"] == sampled["transplants"]
    assert "10 s: met" in shown or "10 s: MISSED" in shown


def test_the_benchmark_compares_experiments_by_the_bytes_of_their_files(tmp_path: Path) -> None:
    rows = ("1-process", "2-processes", "paired/greatest")
    shown, document = _run(tmp_path / "measured.json", "--rows", *rows, "--days", "20", "--seeds", "3")
    answers = [one["answer"] for one in document["measured"]]
    assert len(answers) == 2
    assert answers[0]["digest"] == answers[1]["digest"]
    totals = answers[0]["transplants"]
    differences = [a - b for a, b in zip(totals["greatest-weight"], totals["equal"], strict=True)]
    (line,) = (line.split() for line in shown.splitlines() if line.startswith("greatest-weight"))
    assert line[1:4] == ["3", f"{sum(differences) / 3:.2f}", f"{variance(differences) ** 0.5:.2f}"]


def test_the_benchmark_says_which_rows_there_are(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "simulating.py"), "--rows", "nothing-of-this-name"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "large/unos-weekly-x10/equal" in done.stderr


@pytest.mark.parametrize(
    ("found", "is_wrong"), [((4, 1.5), False), ((4, 1.5 + 1e-12), False), ((5, 1.5), True), ((4, 1.6), True)]
)
def test_the_benchmark_notes_a_plan_that_is_not_the_best(
    found: tuple[int, float], is_wrong: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import simulating

    bench = simulating.Bench(None, tmp_path)
    row = next(row for row in simulating.ROWS if row.name == "anew/priority-after-cardinality")
    planned = {"number": 20, "transplants": 4, "priority": 1.5}
    simulating._check_best(bench, row, planned, found, "clear_pool")
    assert bool(bench.wrong) == is_wrong
