"""Time simulations, each run a fresh process, and print tables.

    python benchmarks/simulating.py [--rows WORD ...] [--runs N] [--days N] [--seeds N] [--peer-python PATH]

A row runs if its name contains one of the words; ``--rows all`` runs all; without ``--rows`` all but ``large`` run.
The scenario is freedman2020-heterogeneous with the seed 100 unless said otherwise. Ranks are always counted, as in
the experiment of that name. The sections:

run     One run of 1,825 days per condition. call = ``simulate`` alone; whole = the process from start to end, with
        its imports; least/median of the runs. cpu = of the process and its children, least. MB = largest resident
        memory of the process + of its largest child; loaded = ours before simulating.
where   Seconds and share of each part of one run, and how its match runs were decided. Functions are wrapped with a
        clock for this, which takes time itself; the runs timed above have none. Also for unos-weekly (chains).
anew    The first 400 days. On every 20th match run for which somebody has come, the whole free pool is cleared anew
        by ``clear_pool`` and, with ``--peer-python``, by kep_solver; transplants (and with weights their sum) must
        be as planned. Mean milliseconds per match run: ours = planning + arcs of those who have come and gone since
        the match run before, over all match runs and over those sampled; anew = ``clear_pool`` in the same process,
        of it matrices = making them from a list of arcs; kep_solver = its call, each in a process of its own. The
        ratios are to ours over all: seldom ones that need an integer solve may not be among those sampled.
scale   Three conditions x the seeds from 100 on, in 1 process, 2 processes, and a local Dask cluster of 2 workers
        with one thread each, which is there before the time begins. call = from the first run to the last file,
        with the start of processes; whole = with imports and the start of the cluster. All files must be the same
        bytes.
paired  From the results of scale: transplants of each seed, the condition's less those of ``equal``. Ratio =
        variance of the difference with other seeds for each condition (the sum of both variances) by that of the
        paired differences, with a 95 % interval.
large   National scale, one run each: freedman2020-heterogeneous with 4 and 16 times as many arrivals over 365 days;
        unos-weekly (chains) over its 1,825 days, and with 10 times as many arrivals.

Each process of ours ends at ``--seconds``. kep_solver is no dependency and is licensed under the AGPL: it runs in
a Python of its own, see ``clearing.py``. Its first run over ``--peer-seconds`` ends its part of a row: later pools
are larger, and the ratio is what it is at least.

``--days`` replaces the days of every section. Every process runs with OMP_NUM_THREADS=1. Exit status 1: a run
failed, the same run gave other results, files differ, or something else than planned is best. A missed aim is
printed and changes no exit status: it may be the machine. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from statistics import fmean, median, variance
from typing import Any

from peers.fresh_process import Measured, run_measured
from peers.run_simulations import DASK, ONE, TWO
from peers.simulations import CONDITIONS, EQUAL, GREATEST, PRIORITY_AFTER

HERE = Path(__file__).resolve().parent
SCENARIO = "freedman2020-heterogeneous"
WEEKLY = "unos-weekly"
SEED = 100
EVERY = 20
"""One match run out of so many is cleared anew."""
AIMS = {EQUAL: 6.0, PRIORITY_AFTER: 10.0}
"""Seconds of one run on one core."""
SPEED_UP_AIM = 1.8
NOTES_RATIO = "550 to 1,000"
"""Variance ratio of total transplants that a prototype reached: five years, 24 seeds."""
WAYS = (ONE, TWO, DASK)
COMPARED = (EQUAL, PRIORITY_AFTER, GREATEST)
SLACK = 1e-6
"""Relative difference of two sums of weights that counts as none."""
_TO_MAKE_ONE = "python3 -m venv kep && kep/bin/pip install kep_solver==4.0.2 highspy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one row is about."""

    section: str
    condition: str = EQUAL
    scenario: str = SCENARIO
    arrivals: int = 1
    """How many times as many people arrive."""
    days: int | None = None
    """None for the scenario's own."""
    way: str = ""

    @property
    def name(self) -> str:
        """What ``--rows`` selects by."""
        if self.section == "scale":
            return f"{self.section}/{self.way}"
        if self.section != "large" and self.scenario == SCENARIO:
            return f"{self.section}/{self.condition}"
        more = f"-x{self.arrivals}" if self.arrivals != 1 else ""
        return f"{self.section}/{self.scenario}{more}/{self.condition}"


ROWS = (
    *(Row(section="run", condition=condition) for condition in CONDITIONS),
    *(Row(section="where", condition=condition) for condition in CONDITIONS),
    Row(section="where", scenario=WEEKLY),
    *(Row(section="anew", condition=condition, days=400) for condition in (EQUAL, PRIORITY_AFTER)),
    *(Row(section="scale", way=way) for way in WAYS),
    *(Row(section="paired", condition=condition) for condition in COMPARED[1:]),
    *(
        Row(section="large", condition=condition, arrivals=arrivals, days=365)
        for arrivals in (4, 16)
        for condition in (EQUAL, PRIORITY_AFTER)
    ),
    *(
        Row(section="large", scenario=WEEKLY, condition=condition, arrivals=arrivals)
        for arrivals in (1, 10)
        for condition in (EQUAL, PRIORITY_AFTER)
    ),
)


class Bench:
    """Runs processes for rows, and keeps what they answered and what was wrong."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given, self.folder = given, folder
        self.measured: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        self._digests: dict[str, str] = {}
        self.totals: dict[str, list[int]] | None = None
        """Condition -> transplants of each seed, once an experiment has run."""

    def simulated(self, row: Row, program: str, more: dict[str, Any] | None = None) -> Measured:
        """Run one of the programs that simulate one run."""
        request = {
            "scenario": row.scenario,
            "days": self.days(row),
            "arrivals": row.arrivals,
            "condition": row.condition,
            "seed": SEED,
        }
        run = self.answered(row.name, program, request | (more or {}))
        # However it was watched, the same run has the same results.
        self.check_same(json.dumps(request), run)
        return run

    def answered(self, name: str, program: str, request: dict[str, Any]) -> Measured:
        """Run one of our programs on a request."""
        file = self.folder / "request.json"
        file.write_text(json.dumps(request))
        path = os.pathsep.join((str(HERE), str(HERE.parent)))
        run = run_measured(
            [sys.executable, "-m", f"peers.{program}", str(file)],
            seconds=self.given.seconds,
            environment=_environment() | {"PYTHONPATH": path},
        )
        return self.kept(name, program, run)

    def kept(self, name: str, program: str, run: Measured) -> Measured:
        """Keep a run for the file, say that it is done, and note its failure."""
        self.measured.append({"row": name, "program": program, **asdict(run)})
        _say(f"{name}: {program} {run.problem or 'done'}, {run.wall_seconds:.2f} s")
        if run.problem and not run.problem.startswith(">"):
            self.wrong.append(f"{name}: {program} {run.problem}")
        return run

    def days(self, row: Row) -> int | None:
        """Return the days of a row; None for the scenario's own."""
        days: int | None = self.given.days or row.days
        return days

    def in_turns(
        self, rows: Sequence[Row], measure: Callable[[Row], Measured]
    ) -> list[tuple[Row, list[Measured]]]:
        """Measure rows turn by turn, so that a busy machine is busy for all; none again that has failed."""
        runs: dict[str, list[Measured]] = {row.name: [] for row in rows}
        for _ in range(self.given.runs):
            for row in rows:
                if not any(run.problem for run in runs[row.name]):
                    runs[row.name].append(measure(row))
        return [(row, runs[row.name]) for row in rows]

    def check_same(self, asked: str, run: Measured) -> bool:
        """Note it if a run has other results than another that was asked the same."""
        if run.answer is None:
            return False
        digest: str = run.answer["digest"]
        is_same = self._digests.setdefault(asked, digest) == digest
        if not is_same:
            self.wrong.append(f"{asked}: the results differ from run to run")
        return is_same


def main() -> None:
    given = _arguments()
    chosen = [row for row in ROWS if _is_chosen(row, given.rows)]
    if not chosen:
        _say(f"no row contains {' or '.join(given.rows)}; rows: {', '.join(row.name for row in ROWS)}")
        sys.exit(2)
    facts = _facts()
    if given.peer_python is not None:
        facts["kep_solver"] = _peer_version(given.peer_python)
    print("; ".join(f"{name} {value}" for name, value in facts.items()))
    with tempfile.TemporaryDirectory() as folder, suppress(KeyboardInterrupt):
        bench = Bench(given, Path(folder))
        try:
            for section, rows in groupby(chosen, key=lambda row: row.section):
                for line in SECTIONS[section](bench, list(rows)):
                    print(line, flush=True)
        finally:  # Ctrl-C keeps what is there.
            if given.out is not None:
                document = {"facts": facts, "wrong": bench.wrong, "measured": bench.measured}
                given.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for wrong in bench.wrong:
        _say(f"WRONG: {wrong}")
    sys.exit(1 if bench.wrong else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", default=[], metavar="WORD", help="which rows; 'all' for all")
    parser.add_argument("--runs", type=int, default=3, help="runs of each row of run and scale")
    parser.add_argument("--days", type=int, help="in place of each section's own")
    parser.add_argument("--seeds", type=int, default=4, help="of scale and paired, from 100 on")
    parser.add_argument("--seconds", type=float, default=1800.0, help="for a whole process of ours")
    parser.add_argument("--peer-python", type=Path, help="a Python that has kep_solver")
    parser.add_argument("--peer-setting", default="picef-cbc", help="formulation and solver of kep_solver")
    parser.add_argument("--peer-seconds", type=float, default=120.0, help="for a whole run of kep_solver")
    parser.add_argument("--peer-gigabytes", type=float, default=8.0, help="address space of its processes")
    parser.add_argument("--out", type=Path, help="write every run as JSON")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error("--runs: give 1 or more")
    if given.days is not None and given.days < 1:
        parser.error("--days: give 1 or more")
    if given.seeds < 2:
        parser.error("--seeds: give 2 or more; one has no variance")
    if given.peer_python is not None and not given.peer_python.exists():
        parser.error(f"--peer-python {given.peer_python}: no such file")
    return given


def _is_chosen(row: Row, words: list[str]) -> bool:
    if not words:
        return row.section != "large"
    return words == ["all"] or any(word in row.name for word in words)


def _facts() -> dict[str, str]:
    return {
        "cores": str(os.cpu_count()),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "Python": platform.python_version(),
        **{name: version(name) for name in ("pulp", "highspy", "numpy", "distributed")},
    }


def _peer_version(python: Path) -> str:
    wanted = "from importlib.metadata import version; print(version('kep_solver'), 'PuLP', version('pulp'))"
    found = subprocess.run([str(python), "-c", wanted], capture_output=True, text=True, check=False)
    if found.returncode:
        _say(f"--peer-python {python}: it has no kep_solver. To make one that has: {_TO_MAKE_ONE}")
        sys.exit(2)
    return found.stdout.strip()


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return own | {"OMP_NUM_THREADS": "1"}


# --- the sections ---------------------------------------------------------------------------------------


def run_section(bench: Bench, rows: Sequence[Row]) -> Iterator[str]:
    yield f"\nrun: {SCENARIO}, seed {SEED}"
    yield _line(
        "condition", "days", "call s", "aim", "whole s", "cpu s", "MB", "loaded", "seen", "left in pool"
    )
    for row, runs in bench.in_turns(rows, lambda row: bench.simulated(row, "run_simulation")):
        yield _run_line(row.condition, runs, AIMS.get(row.condition))


def large_section(bench: Bench, rows: Sequence[Row]) -> Iterator[str]:
    yield f"\nlarge: seed {SEED}, one run each"
    yield _line(
        "scenario", "days", "call s", "aim", "whole s", "cpu s", "MB", "loaded", "seen", "left in pool"
    )
    for row in rows:
        name = row.name.removeprefix("large/").ljust(_WIDEST)
        yield _run_line(name, [bench.simulated(row, "run_simulation")], None)


def _run_line(name: str, runs: Sequence[Measured], aim: float | None) -> str:
    answers = [run.answer for run in runs if run.answer is not None]
    whole = _least_and_median([run.wall_seconds for run in runs])
    cpu = f"{min(run.cpu_seconds for run in runs):.2f}"
    if len(answers) < len(runs):
        return _line(name, "-", runs[-1].problem, "-", whole, cpu, "-", "-", "-", "-")
    call = [answer["seconds"] for answer in answers]
    own = max(answer["own_bytes"] for answer in answers)
    child = max(run.children_bytes for run in runs)
    return _line(
        name,
        f"{answers[0]['days']:,}",
        _least_and_median(call),
        "-" if aim is None else _met(min(call) <= aim, f"{aim:g} s"),
        whole,
        cpu,
        f"{own / 1e6:.0f}+{child / 1e6:.0f}",
        f"{max(answer['loaded_bytes'] for answer in answers) / 1e6:.0f}",
        f"{answers[0]['seen']:,}",
        f"{answers[0]['waiting']:,}",
    )


def where_section(bench: Bench, rows: Sequence[Row]) -> Iterator[str]:
    runs = [(row.name.removeprefix("where/"), bench.simulated(row, "run_parts").answer) for row in rows]
    answers = {name: answer for name, answer in runs if answer is not None}
    yield f"\nwhere: {SCENARIO} unless named, seed {SEED}, one run each; seconds and share"
    yield _line("part", *answers)
    if not answers:
        return
    for part in next(iter(answers.values()))["parts"]:
        yield _line(part, *(_share(a["parts"][part], sum(a["parts"].values())) for a in answers.values()))
    yield _line("all, with the clock", *(f"{sum(a['parts'].values()):.2f}" for a in answers.values()))
    yield _line("match runs", *(f"{a['match_runs']:,}" for a in answers.values()))
    yield _line("cycles listed in one, mean", *(f"{a['mean_cycles']:,.0f}" for a in answers.values()))
    yield _line("and most", *(f"{a['most_cycles']:,}" for a in answers.values()))
    yield _line("those for which somebody has come", *(f"{a['came']:,}" for a in answers.values()))
    for way in next(iter(answers.values()))["decided"]:
        yield _line(f"  {way}", *(_count(a["decided"][way], a["came"]) for a in answers.values()))


def _share(seconds: float, total: float) -> str:
    return f"{seconds:.2f}  {seconds / total:.0%}"


def _count(n: int, total: int) -> str:
    return f"{n:,}  {n / total:.0%}" if total else f"{n:,}"


def anew_section(bench: Bench, rows: Sequence[Row]) -> Iterator[str]:
    yield f"\nanew: {SCENARIO}, seed {SEED}; mean milliseconds per match run"
    yield _line(
        "condition",
        "match runs",
        "ours, all",
        "sampled",
        "pairs",
        "ours, sampled",
        "anew (matrices)",
        "ratio",
        "kep_solver",
        "ratio",
    )
    for row in rows:
        pools = bench.folder / row.name.replace("/", "-")
        pools.mkdir()
        run = bench.simulated(row, "run_anew", {"every": EVERY, "folder": str(pools)})
        if run.answer is None:
            yield _line(row.condition, run.problem, *["-"] * 8)
        elif not run.answer["sampled"]:
            yield _line(row.condition, str(run.answer["match_runs"]), *["-"] * 8)
        else:
            yield _anew_line(bench, row, run.answer, pools)


def _anew_line(bench: Bench, row: Row, answer: dict[str, Any], pools: Path) -> str:
    sampled: list[dict[str, Any]] = answer["sampled"]
    for one in sampled:
        found = (one["anew_transplants"], one["anew_priority"])
        _check_best(bench, row, one, found, "clear_pool")
    theirs = _peer_seconds(bench, row, sampled, pools) if bench.given.peer_python is not None else []
    ours = [one["planning_seconds"] + one["arcs_seconds"] for one in sampled]
    anew = [one["anew_seconds"] for one in sampled]
    all_ours = (answer["planning_seconds"] + answer["arcs_seconds"]) / answer["match_runs"]
    return _line(
        row.condition,
        str(answer["match_runs"]),
        _milliseconds(all_ours),
        str(len(sampled)),
        f"{sampled[0]['pairs']}-{sampled[-1]['pairs']}",
        _milliseconds(fmean(ours)),
        f"{_milliseconds(fmean(anew))} ({_milliseconds(fmean(s['matrices_seconds'] for s in sampled))})",
        f"{fmean(anew) / all_ours:.1f}x",
        f"{_milliseconds(fmean(theirs))} ({len(theirs)} of {len(sampled)})" if theirs else "-",
        f"{fmean(theirs) / all_ours:.1f}x" if theirs else "-",
    )


def _peer_seconds(bench: Bench, row: Row, sampled: Sequence[dict[str, Any]], pools: Path) -> list[float]:
    """Return kep_solver's seconds on the same pools, up to the first that it does not solve in time."""
    found = []
    for one in sampled:
        request = {
            "file": str(pools / f"pool-{one['number']}.json"),
            "setting": bench.given.peer_setting,
            "cycle_cap": 3,
            "chain_cap": 0,
            "weights": None if row.condition == EQUAL else one["weights"],
            "memory_bytes": int(bench.given.peer_gigabytes * 2**30),
        }
        file = bench.folder / "request.json"
        file.write_text(json.dumps(request))
        run = run_measured(
            [str(bench.given.peer_python), str(HERE / "peers" / "run_kep_solver.py"), str(file)],
            seconds=bench.given.peer_seconds,
            environment=_environment(),
        )
        bench.kept(f"{row.name}, {one['pairs']} pairs", "kep_solver", run)
        if run.answer is None:
            break
        recipients = run.answer["recipients"]
        priority = sum(one["weights"][patient] for patient in recipients)
        _check_best(bench, row, one, (len(recipients), priority), "kep_solver")
        found.append(run.answer["clear_seconds"])
    return found


def _check_best(bench: Bench, row: Row, one: dict[str, Any], found: tuple[int, float], program: str) -> None:
    planned = (one["transplants"], one["priority"])
    is_same = planned[0] == found[0]
    if row.condition != EQUAL:
        is_same = is_same and abs(planned[1] - found[1]) <= SLACK * max(planned[1], found[1])
    if not is_same:
        bench.wrong.append(
            f"{row.name}, match run {one['number']}: planned {planned[0]} transplants of weight {planned[1]:.6g}, "
            f"{program} finds {found[0]} of {found[1]:.6g}"
        )


def scale_section(bench: Bench, rows: Sequence[Row]) -> Iterator[str]:
    yield f"\nscale: {SCENARIO}, {len(COMPARED)} conditions, {bench.given.seeds} seeds"
    yield _line("way", "runs", "call s", "speed-up", "aim", "whole s", "cpu s", "same bytes")
    measured = bench.in_turns(rows, lambda row: _experiment(bench, row))
    alone = next((runs for row, runs in measured if row.way == ONE), [])
    for row, runs in measured:
        if any(run.answer is None for run in runs):
            yield _line(row.way, "-", runs[-1].problem, *["-"] * 5)
            continue
        speed_up = _call(alone) / _call(runs) if alone and not any(run.problem for run in alone) else None
        is_alone = speed_up is None or row.way == ONE
        yield _line(
            row.way,
            str(runs[0].answer["runs"] if runs[0].answer else "-"),
            _least_and_median([run.answer["seconds"] for run in runs if run.answer]),
            "-" if speed_up is None else f"{speed_up:.2f}",
            "-" if is_alone else _met((speed_up or 0.0) >= SPEED_UP_AIM, f"{SPEED_UP_AIM}"),
            _least_and_median([run.wall_seconds for run in runs]),
            f"{min(run.cpu_seconds for run in runs):.2f}",
            "yes" if all(bench.check_same("scale", run) for run in runs) else "NO",
        )


def paired_section(bench: Bench, rows: Sequence[Row]) -> Iterator[str]:
    if bench.totals is None:
        _experiment(bench, Row(section="scale", way=TWO))
    yield f"\npaired: transplants per run, less those of {EQUAL}; a prototype's ratio: {NOTES_RATIO}"
    yield _line("condition", "seeds", "mean difference", "sd of it", "sd unpaired", "ratio", "95 % interval")
    if bench.totals is None:
        yield _line("no results", *["-"] * 6)
        return
    # Imported here: of all sections this one alone needs it.
    from scipy.stats import f

    equal = bench.totals[EQUAL]
    for row in rows:
        own = bench.totals[row.condition]
        differences = [a - b for a, b in zip(own, equal, strict=True)]
        paired, apart = variance(differences), variance(own) + variance(equal)
        ratio = apart / paired if paired else float("inf")
        # Where pairing does much, both totals vary together and the differences apart from them: a ratio of two
        # nearly independent variances.
        low, high = (ratio / f.ppf(level, len(own) - 1, len(own) - 1) for level in (0.975, 0.025))
        yield _line(
            row.condition,
            str(len(own)),
            f"{fmean(differences):.2f}",
            f"{paired**0.5:.2f}",
            f"{apart**0.5:.1f}",
            f"{ratio:,.0f}",
            f"{low:,.0f} to {high:,.0f}",
        )


def _experiment(bench: Bench, row: Row) -> Measured:
    runs = bench.folder / "runs"
    request = {
        "scenario": row.scenario,
        "days": bench.days(row),
        "conditions": COMPARED,
        "seeds": list(range(SEED, SEED + bench.given.seeds)),
        "folder": str(runs),
        "way": row.way,
    }
    run = bench.answered(row.name, "run_simulations", request)
    shutil.rmtree(runs, ignore_errors=True)
    if run.answer is not None:
        bench.totals = run.answer["transplants"]
    return run


_WIDEST = max(len(row.name) for row in ROWS) - len("large/")

SECTIONS: dict[str, Callable[[Bench, Sequence[Row]], Iterator[str]]] = {
    "run": run_section,
    "where": where_section,
    "anew": anew_section,
    "scale": scale_section,
    "paired": paired_section,
    "large": large_section,
}


def _line(*cells: str) -> str:
    first, *rest = cells
    return " ".join([first.ljust(40), *(cell.ljust(24 if len(rest) < 6 else 16) for cell in rest)]).rstrip()


def _least_and_median(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.2f}/{median(seconds):.2f}"


def _call(runs: Sequence[Measured]) -> float:
    return float(min(run.answer["seconds"] for run in runs if run.answer is not None))


def _met(is_met: bool, aim: str) -> str:
    return f"{aim}: {'met' if is_met else 'MISSED'}"


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.2f}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
