"""Simulate one run and say where its time goes; run by ``benchmarks/simulating.py`` as a process of its own.

    PYTHONPATH=benchmarks python -m peers.run_parts request.json

The request is that of ``run_simulation.py``. Functions of the engine are wrapped with a clock, which costs some
time itself: never in the runs that are timed. What runs inside another part counts there alone. The answer, a JSON
object, is the last line printed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exchange.clearing import column_generation, listed_cycles
from exchange.clearing.relaxation import Relaxation, RelaxedSolution
from exchange.simulation import planning, simulate, valuation, waiting_pool
from peers.simulations import digest, simulation_of
from peers.watching import Clock, wrap

NOTHING, BOUND, INTEGRAL, FIRST, INTEGER, CLEARED = (
    "nothing was possible",
    "the bound sufficed",
    "the relaxation was integral",
    "the relaxation proved the first choice",
    "an integer solve was needed",
    "what newcomers reach was cleared",
)
"""How a match run is decided."""
REST = "the rest: days, plans, record"
PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "drawing people": ((simulate, "population_of"),),
    "drawing donors' preferences": ((valuation.Opinions, "__init__"),),
    "arcs of newcomers": (
        (waiting_pool.WaitingPool, "admit"),
        (waiting_pool.WaitingPool, "admit_ndd"),
        (waiting_pool.WaitingPool, "remove"),
    ),
    "listing cycles": ((planning, "cycles_through"),),
    "values": ((valuation.Valuation, "admit"), (valuation.Valuation, "total_values")),
    "choosing without a solver": ((planning, "best_disjoint"),),
    "relaxation": (
        (listed_cycles, "_relaxed"),
        (Relaxation, "__init__"),
        (Relaxation, "add"),
        (Relaxation, "solve"),
    ),
    "integer solves": ((listed_cycles, "solve_integer"), (column_generation, "solve_integer")),
    "clearing what newcomers reach": ((planning.Planner, "_plan_cleared"),),
}
"""Part -> what is called in it. The last is for chains, and for more or larger cycles than are listed."""


class Tally:
    """How match runs were decided, seen from outside."""

    def __init__(self) -> None:
        self.decided = dict.fromkeys((NOTHING, BOUND, INTEGRAL, FIRST, INTEGER, CLEARED), 0)
        self.match_runs = 0
        self.came = 0
        """Match runs for which somebody has come."""
        self.cycles: list[int] = []
        """Listed in a match run."""
        self._relaxed_runs = 0
        self._is_integral = False
        self._solved = 0

    def watch(self) -> None:
        """Wrap what match runs go through; before the clock, whose time then includes this."""
        wrap(planning.Planner, "plan", self._plan)
        wrap(planning.Planner, "_plan_cleared", self._cleared)
        wrap(planning, "cycles_through", self._cycles)
        wrap(planning, "best_disjoint", self._best)
        wrap(listed_cycles, "_relaxed", self._relaxed)
        wrap(Relaxation, "solve", self._relaxation)
        wrap(listed_cycles, "solve_integer", self._integer)

    def _plan(self, function: Callable[..., Any], *args: Any) -> Any:
        _, active, _, _, active_donors = args
        self.match_runs += 1
        self.came += bool(active or active_donors)
        return function(*args)

    def _cleared(self, function: Callable[..., Any], *args: Any) -> Any:
        self.decided[CLEARED] += 1
        return function(*args)

    def _cycles(self, function: Callable[..., Any], *args: Any) -> Any:
        found = function(*args)
        self.cycles.append(len(found))
        return found

    def _best(self, function: Callable[..., Any], cycles: Any, *args: Any) -> Any:
        before = self._relaxed_runs
        chosen = function(cycles, *args)
        if not len(cycles):
            self.decided[NOTHING] += 1
        elif self._relaxed_runs == before:
            self.decided[BOUND] += 1
        return chosen

    def _relaxed(self, function: Callable[..., Any], *args: Any) -> Any:
        self._relaxed_runs += 1
        before = self._solved
        chosen = function(*args)
        if chosen is None:
            pass  # Given up, and cleared afterwards.
        elif self._is_integral:
            self.decided[INTEGRAL] += 1
        elif self._solved > before:
            self.decided[INTEGER] += 1
        else:
            self.decided[FIRST] += 1
        return chosen

    def _relaxation(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        solution: RelaxedSolution | None = function(*args, **kwargs)
        self._is_integral = solution is not None and solution.is_integral
        return solution

    def _integer(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._solved += 1
        return function(*args, **kwargs)


def main() -> None:
    asked = simulation_of(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    tally, clock = Tally(), Clock()
    tally.watch()
    for part, functions in PARTS.items():
        for owner, name in functions:
            clock.watch(part, owner, name)
    clock.watch(REST, simulate, "simulate")
    record = simulate.simulate(
        asked.scenario, asked.design, asked.condition, seed=asked.seed, ranks_by=asked.ranks_by
    )
    answer = {
        "parts": {part: clock.seconds[part] for part in (*PARTS, REST)},
        "match_runs": tally.match_runs,
        "came": tally.came,
        "mean_cycles": sum(tally.cycles) / len(tally.cycles) if tally.cycles else 0.0,
        "most_cycles": max(tally.cycles, default=0),
        "decided": tally.decided,
        "digest": digest(record),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
