"""Simulate one run; run by ``benchmarks/simulating.py`` as a process of its own.

    PYTHONPATH=benchmarks python -m peers.run_simulation request.json

The request is a file with a JSON object, see ``simulations.simulation_of``. The answer, a JSON object, is the last
line printed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from exchange.simulation.simulate import simulate
from peers.fresh_process import own_peak_bytes
from peers.simulations import digest, simulation_of


def main() -> None:
    asked = simulation_of(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    loaded_bytes = own_peak_bytes()
    began = time.perf_counter()
    record = simulate(asked.scenario, asked.design, asked.condition, seed=asked.seed, ranks_by=asked.ranks_by)
    seconds = time.perf_counter() - began
    answer = {
        "seconds": seconds,
        "days": record.n_days,
        "seen": record.n_patients,
        "transplants": int(record.days["transplanted"].sum()),
        "waiting": int(record.days["waiting"][-1]),
        "loaded_bytes": loaded_bytes,
        "own_bytes": own_peak_bytes(),
        "digest": digest(record),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
