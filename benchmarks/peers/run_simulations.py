"""Run an experiment of several conditions and seeds; run by ``benchmarks/simulating.py`` as a process of its own.

    PYTHONPATH=benchmarks python -m peers.run_simulations request.json

The request is a file with a JSON object: ``scenario``, ``days`` (null: its own), ``conditions``, ``seeds``,
``folder`` (new; for the runs) and ``way``: ``1-process``, ``2-processes`` or ``dask-2-workers``, a local cluster
that is there before the time begins. The answer, a JSON object, is the last line printed.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from estimation.executors import executor
from exchange.experiment.plan import ExperimentPlan
from exchange.experiment.run_experiment import run_experiment
from exchange.experiment.run_store import DAYS, RUNS, RunStore
from exchange.published_weights import published_study
from peers.fresh_process import own_peak_bytes
from peers.simulations import condition_of, donors_own, scenario_of

ONE, TWO, DASK = "1-process", "2-processes", "dask-2-workers"


def main() -> None:
    request: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    way = request["way"]
    scenario = scenario_of(request["scenario"], days=request["days"])
    plan = ExperimentPlan(
        name="benchmark",
        title="Benchmark",
        source=scenario.source,
        design=published_study(),
        scenarios=(scenario,),
        conditions=tuple(condition_of(name) for name in request["conditions"]),
        seeds=tuple(request["seeds"]),
        baseline=request["conditions"][0],
        ranks_by=donors_own(),
    )
    store = RunStore(Path(request["folder"]), plan)
    with ExitStack() as stack:
        scheduler = stack.enter_context(_cluster()).scheduler_address if way == DASK else None
        began = time.perf_counter()
        workers = 2 if way == TWO else None
        with executor(workers, scheduler) as pool:
            done = run_experiment(plan, store, executor=pool, n_at_once=1 if way == ONE else 2)
            seconds = time.perf_counter() - began
    if not done.is_complete:
        sys.exit(f"{len(done.failed)} runs failed, among them: {done.failed[0].error}")
    transplants: dict[str, list[int]] = {name: [] for name in request["conditions"]}
    for record in store.records(plan.runs()):
        transplants[record.condition].append(int(record.days["transplanted"].sum()))
    answer = {
        "seconds": seconds,
        "runs": done.total,
        "transplants": transplants,
        "digest": _digest(store.folder),
        "own_bytes": own_peak_bytes(),
    }
    print(json.dumps(answer))


def _cluster() -> Any:
    from distributed import LocalCluster

    return LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)


def _digest(folder: Path) -> str:
    """Return a hash of all files of runs."""
    found = hashlib.sha256()
    for name in (RUNS, DAYS):
        for path in sorted((folder / name).iterdir()):
            found.update(f"{name}/{path.name} ".encode() + path.read_bytes())
    return found.hexdigest()


if __name__ == "__main__":
    main()
