"""Clear one pool with ours; run by ``benchmarks/clearing.py`` as ``run_kep_solver.py`` beside it.

    PYTHONPATH=benchmarks python -m peers.run_equipoise request.json

The request is a file with a JSON object: ``file``, ``setting`` (``auto``, or the solver to use), ``cycle_cap``,
``chain_cap``, ``weights`` (null for most transplants alone; recipient -> weight for the greatest priority after it)
and ``seconds`` (time limit of each stage). The answer, a JSON object, is the last line printed.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from exchange.clearing.clear import clear_pool
from exchange.clearing.objectives import Policy
from exchange.clearing.solver import Solver
from exchange.pool_file import read_pool
from peers.fresh_process import own_peak_bytes


def main() -> None:
    request: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    weights: dict[str, float] | None = request["weights"]
    began = time.perf_counter()
    pool = read_pool(Path(request["file"]))
    read = time.perf_counter()
    read_bytes = own_peak_bytes()
    run = clear_pool(
        pool,
        {pair.id: 1.0 for pair in pool.pairs} if weights is None else weights,
        policy=Policy.EQUAL if weights is None else Policy.PRIORITY_AFTER_CARDINALITY,
        cycle_cap=request["cycle_cap"],
        chain_cap=request["chain_cap"],
        solver=None if request["setting"] == "auto" else Solver(request["setting"]),
        time_limit_seconds=request["seconds"],
    )
    cleared = time.perf_counter()
    answer = {
        "read_seconds": read - began,
        "clear_seconds": cleared - read,
        "recipients": sorted(run.recipients),
        "chains": len(run.chains),
        "status": run.status,
        # Every field, so that whatever the engine says of its way (formulation, columns, rounds) is kept.
        "stages": [asdict(stage) | {"gap": stage.gap} for stage in run.stages],
        "read_bytes": read_bytes,
        "own_bytes": own_peak_bytes(),
    }
    print(json.dumps(answer, default=str))


if __name__ == "__main__":
    main()
