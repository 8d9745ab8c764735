"""Time clearing on generated pools and print a table.

    python benchmarks/clearing.py [pairs ...] [--seeds N] [--time-limit S]

Patients are drawn from the shipped study kidney-numeric; their weights are the published coefficients of
McElfresh et al. (2021), Study 2, strict answers. Every match run is checked by ``exchange.validity``. Seconds are
wall-clock of the whole call: enumeration, models, solves and check. A comparison with kep_solver in the same run is
left for later.
"""

from __future__ import annotations

import argparse
import time

from estimation.weights import AttributeWeights, Estimate
from exchange.clearing.clear import clear_pool
from exchange.clearing.objectives import Policy
from exchange.clearing.solver import Solver
from exchange.match_run import SolveStatus
from exchange.pool_generator import generate_pool
from exchange.priorities import priorities
from survey.design_file import example_design

CYCLE_CAP, CHAIN_CAP = 3, 4
# Log-strength per year, per drink and per dependent.
COEFFICIENTS = {"age": -0.06986, "drinks": -0.42895, "dependents": 0.76747}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time clearing on generated pools.")
    parser.add_argument("pairs", nargs="*", type=int, default=[64, 128, 256])
    parser.add_argument("--seeds", type=int, default=2, help="pools per size")
    parser.add_argument("--time-limit", type=float, default=60.0, help="seconds per stage")
    given = parser.parse_args()
    study = example_design("kidney-numeric")
    weights = AttributeWeights.named(
        study.attributes, {name: Estimate(value=value) for name, value in COEFFICIENTS.items()}
    )
    print(f"cycle cap {CYCLE_CAP}, chain cap {CHAIN_CAP}, at most {given.time_limit:g} s per stage")
    print(
        f"{'pairs':>5} {'ndds':>4} {'seed':>4} {'policy':<27} {'solver':<6} {'columns':>8} {'transplants':>11} "
        f"{'priority':>10} {'gap':>9} {'seconds':>8}"
    )
    for n_pairs in given.pairs:
        for seed in range(1, given.seeds + 1):
            pool = generate_pool(study, n_pairs=n_pairs, n_ndds=n_pairs // 21, seed=seed)
            worth = priorities(pool, weights)
            for policy in (Policy.EQUAL, Policy.PRIORITY_AFTER_CARDINALITY, Policy.GREATEST_WEIGHT):
                for solver in (None, *Solver):
                    began = time.perf_counter()
                    run = clear_pool(
                        pool,
                        worth,
                        policy=policy,
                        cycle_cap=CYCLE_CAP,
                        chain_cap=CHAIN_CAP,
                        solver=solver,
                        time_limit_seconds=given.time_limit,
                    )
                    seconds = time.perf_counter() - began
                    proved = run.status is SolveStatus.OPTIMAL
                    gap = "proved" if proved else f"{max(stage.gap for stage in run.stages):.4%}"
                    print(
                        f"{n_pairs:>5} {len(pool.ndds):>4} {seed:>4} {policy:<27} {solver or 'auto':<6} "
                        f"{run.stages[0].columns_total:>8} {run.transplants:>11} {run.total_priority:>10.4f} "
                        f"{gap:>9} {seconds:>8.2f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
