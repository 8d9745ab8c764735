"""Simulate one run, and clear the whole pool anew on some of its match days; run by ``benchmarks/simulating.py`` as
a process of its own.

    PYTHONPATH=benchmarks python -m peers.run_anew request.json

The request is that of ``run_simulation.py``, with ``every`` (one match run out of so many is cleared anew; match
runs for which nobody has come are not counted) and ``folder`` (where the pools of these go, ``pool-NUMBER.json``,
for another program). No chains, and weights of patients or none. The answer, a JSON object, is the last line
printed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from math import fsum
from pathlib import Path
from typing import Any

import numpy as np

from exchange.clearing.clear import clear_pool
from exchange.formats.kep_solver_file import write_kep_solver
from exchange.pool import Arc, BoolArray, Pair, Pool, pool_arrays
from exchange.simulation import simulate
from exchange.simulation.planning import PlannedExchange, Planner
from exchange.simulation.waiting_pool import WaitingPool
from peers.simulations import Simulation, digest, simulation_of
from peers.watching import Clock, wrap

_PLANNING, _ARCS = "planning", "arcs of newcomers"


class Sampler:
    """Clears the pools of some match runs a second time."""

    def __init__(self, asked: Simulation, *, every: int, folder: Path, clock: Clock) -> None:
        self.runs: list[dict[str, Any]] = []
        """What was found for each match run that was cleared anew."""
        self.n_runs = 0
        """Match runs for which somebody has come."""
        self._arcs_before = 0.0
        self._asked, self._every, self._folder, self._clock = asked, every, folder, clock

    def plan(
        self,
        function: Callable[..., Any],
        planner: Planner,
        active: Sequence[int],
        free: BoolArray,
        *rest: Any,
    ) -> list[PlannedExchange]:
        """Stand in for ``Planner.plan``."""
        seconds = self._clock.seconds
        waiting = np.flatnonzero(free)
        before = seconds[_PLANNING]
        planned: list[PlannedExchange] = function(planner, active, free, *rest)
        arcs_seconds, self._arcs_before = seconds[_ARCS] - self._arcs_before, seconds[_ARCS]
        if not active:
            return planned
        self.n_runs += 1
        if self.n_runs % self._every:
            return planned
        planning_seconds = seconds[_PLANNING] - before
        # Nobody else needs to look into a planner, so it does not show what it looks at.
        arcs = planner._waiting.arcs[np.ix_(waiting, waiting)]
        weight = dict(
            zip(map(str, waiting.tolist()), planner._valuation.weight[waiting].tolist(), strict=True)
        )
        received = [str(place) for exchange in planned for place in exchange.places]
        self.runs.append(
            {
                "number": self.n_runs,
                "pairs": len(waiting),
                "arcs": int(arcs.sum()),
                "planning_seconds": planning_seconds,
                "arcs_seconds": arcs_seconds,
                "transplants": len(received),
                "priority": fsum(weight[patient] for patient in received),
                "weights": weight,
                **self._cleared(_pool(list(weight), arcs), weight),
            }
        )
        return planned

    def _cleared(self, pool: Pool, weight: dict[str, float]) -> dict[str, Any]:
        write_kep_solver(pool, self._folder / f"pool-{self.n_runs}.json")
        began = time.perf_counter()
        pool_arrays(pool)
        matrices = time.perf_counter()
        run = clear_pool(
            pool,
            weight,
            policy=self._asked.condition.policy,
            cycle_cap=self._asked.scenario.cycle_cap,
            chain_cap=0,
        )
        cleared = time.perf_counter()
        return {
            "matrices_seconds": matrices - began,
            "anew_seconds": cleared - matrices,
            "anew_transplants": len(run.recipients),
            "anew_priority": fsum(weight[patient] for patient in run.recipients),
        }


def _pool(ids: Sequence[str], arcs: BoolArray) -> Pool:
    return Pool(
        pairs=tuple(Pair(id=pair) for pair in ids),
        arcs=tuple(Arc(donor=ids[i], recipient=ids[j]) for i, j in np.argwhere(arcs).tolist()),
        source="simulated pool",
    )


def main() -> None:
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    asked = simulation_of(request)
    if asked.scenario.chain_cap or asked.condition.preferences is not None:
        sys.exit("give a scenario without chains, and a condition with weights of patients or none")
    clock = Clock()
    sampler = Sampler(asked, every=request["every"], folder=Path(request["folder"]), clock=clock)
    clock.watch(_PLANNING, Planner, "plan")
    for name in ("admit", "remove"):
        clock.watch(_ARCS, WaitingPool, name)
    wrap(Planner, "plan", sampler.plan)
    record = simulate.simulate(
        asked.scenario, asked.design, asked.condition, seed=asked.seed, ranks_by=asked.ranks_by
    )
    answer = {
        "match_runs": sampler.n_runs,
        "planning_seconds": clock.seconds[_PLANNING],
        "arcs_seconds": clock.seconds[_ARCS],
        "sampled": sampler.runs,
        "digest": digest(record),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
