"""Time clearing against kep_solver, each run a fresh process, and print a table.

    python benchmarks/clearing.py [--rows WORD ...] [--peer-python PATH] [--data DIR] [--runs N] [--out FILE]

Rows are of two kinds: ``transplants`` (most transplants) and ``priority`` (then the greatest sum of weights: pair i
of the file, counted from 0, has weight i mod 8 of the eight that Freedman et al. published). Without ``--rows``
those up to 256 pairs run; ``--rows all`` runs all, and any other word those whose name contains it, as in
``--rows priority/512 uk``. DIR holds the pools' files; a missing one is replaced by a generated pool of its size.

kep_solver is no dependency and is licensed under the AGPL: it runs in a Python of its own, which ``--peer-python``
names. To make one:

    python3 -m venv kep && kep/bin/pip install kep_solver==4.0.2 highspy

``--peer-settings`` says which of its settings run: formulation (cycles, picef), solver (cbc, highs) and, for
the stage of transplants, fixing by reduced costs, as in ``picef-cbc-fixing``; ``all`` tries them all. The default
is what was fastest at 128 and 256 pairs. The programs take turns, run after run. Both read a file of the same pool,
each in its own JSON format; kep_solver gets its chain cap counted its way (with the non-directed donor), and the
transplants shown are patients who receive, for both. Whether they agree stands beside them. A run of kep_solver
ends at ``--peer-seconds`` or at ``--peer-gigabytes`` of address space; no run is repeated once a program has used
``--row-seconds`` on a row. Exit status 1: the programs contradict each other, or ours failed.

Columns: call = clearing alone, from pool to match run; whole = the process from start to end, with its imports and
reading; least/median of the runs. cpu = of the process and its children. MB = largest resident memory of the
process + of its largest child; read MB = ours after reading, before clearing. ours is faster by = kep_solver's
least by our least, call and whole. Linux only. Set OMP_NUM_THREADS=1 for one core.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from itertools import product
from math import fsum
from pathlib import Path
from statistics import median
from typing import Any

from peers.fresh_process import Measured, run_measured
from peers.pools import CASES, Case, pool_of

from estimation.assumptions import FREEDMAN_2020
from exchange.formats.kep_solver_file import write_kep_solver
from exchange.match_run import Proof
from exchange.pool_file import write_pool

HERE = Path(__file__).resolve().parent
PEER_SETTINGS = ("picef-cbc",)
"""Its fastest at 128 and 256 pairs, for both kinds of rows; at 64 fixing was as fast."""
ALL_PEER_SETTINGS = tuple(
    "-".join(filter(None, parts)) for parts in product(("picef", "cycles"), ("cbc", "highs"), ("", "fixing"))
)
SLACK = 1e-6
"""Relative difference of two sums of weights that counts as none."""
OURS = "equipoise"
_TO_MAKE_ONE = "python3 -m venv kep && kep/bin/pip install kep_solver==4.0.2 highspy"


@dataclass(kw_only=True)
class Side:
    """One program with one setting on one case."""

    program: str
    setting: str
    runs: list[Measured] = field(default_factory=list)

    @property
    def answers(self) -> list[dict[str, Any]]:
        """What its runs answered; shorter than ``runs`` where some did not."""
        return [run.answer for run in self.runs if run.answer is not None]

    @property
    def problem(self) -> str:
        """Why a run of it has no answer; empty where all have."""
        return next((run.problem for run in self.runs if run.problem), "")

    def is_done(self, row_seconds: float) -> bool:
        """Say whether another run would take too long or fail again."""
        return bool(self.problem) or sum(run.wall_seconds for run in self.runs) > row_seconds

    def least(self, time: str) -> float:
        """Least seconds of the ``call`` or the ``whole``; of a stopped run, what it had used."""
        if self.problem or time == "whole":
            return min(run.wall_seconds for run in self.runs)
        return float(min(answer["clear_seconds"] for answer in self.answers))


@dataclass(kw_only=True)
class Row:
    """What was measured on one case."""

    case: Case
    source: str
    weights: dict[str, float]
    """Recipient -> weight."""
    sides: list[Side]

    @property
    def ours(self) -> Side:
        """Our own side."""
        return self.sides[0]

    def priority(self, side: Side) -> float:
        """Return the sum of the weights of the patients who receive."""
        return fsum(self.weights[r] for r in side.answers[0]["recipients"])

    def verdict(self, side: Side) -> str:
        """Compare kep_solver's match run with ours."""
        if side.problem or self.ours.problem:
            return ""
        ours, theirs = self.ours.answers[0], side.answers[0]
        proved = ours["status"] == "optimal"
        counts = (len(ours["recipients"]), len(theirs["recipients"]))
        # It counts each gift to the waiting list as a transplant, and could prefer one to a patient of the pool.
        if counts[0] > counts[1]:
            is_explained = theirs["values"][0] >= counts[0] + ours["chains"]
            return "its count, with gifts to the list, is greatest" if is_explained else "finds fewer"
        if counts[0] < counts[1]:
            return "CONTRADICTION" if proved else "finds more"
        if not self.case.by_priority:
            return "equal"
        sums = (self.priority(self.ours), self.priority(side))
        if abs(sums[0] - sums[1]) <= SLACK * sums[0]:
            return "equal"
        if sums[0] > sums[1]:
            return f"finds {1 - sums[1] / sums[0]:.2g} less"
        return "CONTRADICTION" if proved else f"finds {sums[1] / sums[0] - 1:.2g} more"


def main() -> None:
    given = _arguments()
    chosen = [case for case in CASES if _is_chosen(case, given.rows)]
    if not chosen:
        _say(f"no row contains {' or '.join(given.rows)}; rows: {', '.join(c.name for c in CASES)}")
        sys.exit(2)
    facts = _facts()
    if given.peer_python is not None:
        facts["kep_solver"] = _peer_version(given.peer_python)
    print("; ".join(f"{name} {value}" for name, value in facts.items()))
    if given.peer_python is None:
        print(
            f"kep_solver does NOT run, these are our times alone: no --peer-python. To make one: {_TO_MAKE_ONE}"
        )
    rows: list[Row] = []
    print(_line(*_HEADINGS), flush=True)
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        for case in chosen:
            row = _prepared(case, given, Path(folder))
            if row is None:
                _say(f"{case.name}: skipped, {given.data / case.file} is missing")
                continue
            try:
                _measure(row, given, Path(folder))
            finally:  # Ctrl-C shows what is there.
                row = replace(row, sides=[side for side in row.sides if side.runs])
                if row.sides:
                    rows.append(row)
                    print("\n".join(_lines(row)), flush=True)
                if given.out is not None:
                    _write(given.out, facts, rows)
    is_contradicted = any(row.verdict(s) == "CONTRADICTION" for row in rows for s in row.sides[1:])
    sys.exit(1 if is_contradicted or any(row.ours.problem for row in rows) else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = HERE.parents[1] / "shared" / "data" / "kidney"
    parser.add_argument("--rows", nargs="+", default=[], metavar="WORD", help="which rows; 'all' for all")
    parser.add_argument("--data", type=Path, default=data, help="folder of the pools' files")
    parser.add_argument("--runs", type=int, default=3, help="runs of each program on each row")
    parser.add_argument("--seconds", type=float, default=60.0, help="our time limit per stage")
    parser.add_argument("--setting", default="auto", help="our solver: auto, cbc or highs")
    parser.add_argument("--peer-python", type=Path, help="a Python that has kep_solver")
    parser.add_argument("--peer-settings", nargs="+", default=list(PEER_SETTINGS), metavar="SETTING")
    parser.add_argument("--peer-seconds", type=float, default=300.0, help="for a whole run of kep_solver")
    parser.add_argument("--peer-gigabytes", type=float, default=8.0, help="address space of its processes")
    parser.add_argument("--row-seconds", type=float, default=120.0, help="no repeat after so long")
    parser.add_argument("--out", type=Path, help="write every run as JSON")
    given = parser.parse_args()
    if given.peer_settings == ["all"]:
        given.peer_settings = list(ALL_PEER_SETTINGS)
    unknown = sorted(set(given.peer_settings) - set(ALL_PEER_SETTINGS))
    if unknown:
        parser.error(f"--peer-settings {' '.join(unknown)}: choose from {', '.join(ALL_PEER_SETTINGS)}")
    if given.peer_python is not None and not given.peer_python.exists():
        parser.error(f"--peer-python {given.peer_python}: no such file")
    if given.runs < 1:
        parser.error("--runs: give 1 or more")
    return given


def _is_chosen(case: Case, words: list[str]) -> bool:
    if not words:
        return case.pairs <= 256
    return words == ["all"] or any(word in case.name for word in words)


def _facts() -> dict[str, str]:
    return {
        "cores": str(os.cpu_count()),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "unset"),
        "Python": platform.python_version(),
        **{name: version(name) for name in ("pulp", "highspy", "numpy")},
    }


def _peer_version(python: Path) -> str:
    wanted = "from importlib.metadata import version; print(version('kep_solver'), 'PuLP', version('pulp'))"
    found = subprocess.run([str(python), "-c", wanted], capture_output=True, text=True, check=False)
    if found.returncode:
        _say(f"--peer-python {python}: it has no kep_solver. To make one that has: {_TO_MAKE_ONE}")
        sys.exit(2)
    return found.stdout.strip()


def _prepared(case: Case, given: argparse.Namespace, folder: Path) -> Row | None:
    """Write the pool for both programs."""
    pool = pool_of(case, given.data)
    if pool is None:
        return None
    write_pool(pool, folder / "pool.json")
    sides = [Side(program=OURS, setting=given.setting)]
    if given.peer_python is not None:
        write_kep_solver(pool, folder / "kep.json")
        # Fixing is for whole numbers alone; the second stage of a priority row goes without it.
        sides += [Side(program="kep_solver", setting=setting) for setting in given.peer_settings]
    published = tuple(FREEDMAN_2020.values())
    return Row(
        case=case,
        source=pool.source,
        weights={pair.id: published[i % len(published)] for i, pair in enumerate(pool.pairs)},
        sides=sides,
    )


def _measure(row: Row, given: argparse.Namespace, folder: Path) -> None:
    for turn in range(1, given.runs + 1):
        for side in row.sides:
            if side.is_done(given.row_seconds):
                continue
            run = _run(row, side, given, folder)
            side.runs.append(run)
            outcome = f"{len(run.answer['recipients'])} transplants" if run.answer else run.problem
            _say(
                f"{row.case.name}: {side.program} {side.setting}, run {turn} of {given.runs}: {outcome}, "
                f"{run.wall_seconds:.2f} s"
            )


def _run(row: Row, side: Side, given: argparse.Namespace, folder: Path) -> Measured:
    case = row.case
    request: dict[str, Any] = {
        "setting": side.setting,
        "cycle_cap": case.cycle_cap,
        "chain_cap": case.chain_cap,
        "weights": row.weights if case.by_priority else None,
    }
    request_file = folder / "request.json"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if side.program == OURS:
        request |= {"file": str(folder / "pool.json"), "seconds": given.seconds}
        request_file.write_text(json.dumps(request))
        return run_measured(
            [sys.executable, "-m", "peers.run_equipoise", str(request_file)],
            # The limit of the stages is ours to keep; this one is for a run that does not.
            seconds=4 * given.seconds + 300,
            environment=environment | {"PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parent)))},
        )
    request |= {"file": str(folder / "kep.json"), "memory_bytes": int(given.peer_gigabytes * 2**30)}
    request_file.write_text(json.dumps(request))
    return run_measured(
        [str(given.peer_python), str(HERE / "peers" / "run_kep_solver.py"), str(request_file)],
        seconds=given.peer_seconds,
        environment=environment,
    )


_HEADINGS = (
    "program",
    "transplants",
    "priority",
    "proof",
    "call s",
    "whole s",
    "cpu s",
    "MB",
    "read MB",
    "columns",
    "way and seconds of each stage",
    "agrees",
    "ours is faster by",
)
_WIDTHS = (28, 11, 12, 26, 15, 15, 7, 10, 7, 17, 44, 14, 0)


def _line(*cells: str) -> str:
    return " ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def _lines(row: Row) -> Iterator[str]:
    yield f"-- {row.case.name}: {row.source}"
    for side in row.sides:
        yield _line(*_cells(row, side))


def _cells(row: Row, side: Side) -> tuple[str, ...]:
    head = f"{side.program} {side.setting}"
    factor = "" if side is row.ours else _factor(row.ours, side)
    cpu = f"{min(run.cpu_seconds for run in side.runs):.2f}"
    if side.problem:
        whole = f"{side.least('whole'):.2f}"
        return (head, "-", "-", side.problem, "-", whole, cpu, "-", "-", "-", "-", "-", factor)
    answer = side.answers[0]
    stages = answer.get("stages", [])
    own = max(a["own_bytes"] for a in side.answers)
    child = max(run.children_bytes for run in side.runs)
    return (
        head,
        str(len(answer["recipients"])),
        f"{row.priority(side):.6f}" if row.case.by_priority else "-",
        "; ".join(_proof(stage) for stage in stages) or "its solver's word",
        _least_and_median([a["clear_seconds"] for a in side.answers]),
        _least_and_median([run.wall_seconds for run in side.runs]),
        cpu,
        f"{own / 1e6:.0f}+{child / 1e6:.0f}",
        f"{answer['read_bytes'] / 1e6:.0f}" if "read_bytes" in answer else "-",
        str(stages[-1]["columns_used"]) if stages else "-",
        "; ".join(_way(stage) for stage in stages) or "-",
        row.verdict(side) if side is not row.ours else "-",
        factor,
    )


def _proof(stage: dict[str, Any]) -> str:
    if stage["status"] == "optimal":
        return "optimal"
    return f"<= {stage['bound']:.6g}, gap {stage['gap']:.3%}"


def _way(stage: dict[str, Any]) -> str:
    by = f"{stage['proof']} by {stage['solver']}" if stage["proof"] == Proof.INTEGER_SOLVE else stage["proof"]
    return f"{stage['formulation']}, {by} {stage['seconds']:.2f}"


def _least_and_median(seconds: list[float]) -> str:
    return f"{min(seconds):.2f}/{median(seconds):.2f}"


def _factor(ours: Side, theirs: Side) -> str:
    if ours.problem or (theirs.problem and not theirs.problem.startswith(">")):
        return ""
    more = "> " if theirs.problem else ""
    call, whole = (theirs.least(time) / ours.least(time) for time in ("call", "whole"))
    return f"{more}{call:.1f}x call, {more}{whole:.1f}x whole"


def _write(path: Path, facts: dict[str, str], rows: list[Row]) -> None:
    documents = [
        {
            "row": row.case.name,
            "pool": row.source,
            "case": asdict(row.case),
            "program": side.program,
            "setting": side.setting,
            "agrees": "" if side is row.ours else row.verdict(side),
            "runs": [asdict(run) for run in side.runs],
        }
        for row in rows
        for side in row.sides
    ]
    path.write_text(json.dumps({"facts": facts, "measured": documents}, indent=1) + "\n", encoding="utf-8")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
