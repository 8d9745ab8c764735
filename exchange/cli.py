"""``equipoise exchange``: generate, convert and clear pools."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import click

from exchange.clearing.objectives import Objective, Policy
from exchange.errors import BadRequest
from exchange.match_run import MatchRun, SolveStatus

_PATH = click.Path(dir_okay=False, path_type=Path)
DEFAULT_TIME_LIMIT_SECONDS = 60.0
AUTO = "auto"


@click.group(name="exchange")
def group() -> None:
    """From weights to match runs: pools of pairs, and which exchanges to make."""


@group.command()
@click.option("--pairs", type=click.IntRange(min=0), required=True, help="Number of incompatible pairs.")
@click.option(
    "--ndds", type=click.IntRange(min=0), default=0, show_default=True, help="Number of non-directed donors."
)
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Same seed, same pool.")
@click.option("--design", type=_PATH, help="Study that describes the patients; default: kidney-numeric.")
@click.option("--out", type=_PATH, required=True, help="Where to write pool.json.")
def generate(pairs: int, ndds: int, seed: int, design: Path | None, out: Path) -> None:
    """Simulate a pool with the published constants of Saidman et al. (2006).

    A larger pool with the same seed contains every smaller one.

    \b
    Example:
      equipoise exchange generate --pairs 256 --ndds 12 --seed 1 --out pool.json
    """
    from exchange.pool_file import write_pool
    from exchange.pool_generator import generate_pool
    from survey.design_file import example_design, read_design

    study = example_design("kidney-numeric") if design is None else read_design(design)
    pool = generate_pool(study, n_pairs=pairs, n_ndds=ndds, seed=seed)
    write_pool(pool, out)
    click.echo(
        f"{out}: {pairs} pairs, {ndds} non-directed donors, {len(pool.arcs)} arcs; "
        f"simulated, patients described by study '{study.slug}'"
    )


@group.command()
@click.argument("source", type=_PATH)
@click.option("--out", type=_PATH, required=True, help="Where to write pool.json.")
def convert(source: Path, out: Path) -> None:
    """Turn a pool of another format into pool.json.

    Reads PrefLib .wmd (old and new, with the .dat beside it), BPMDD .txt and .txt.gz, kidney_solver .input (with
    the .ndds beside it), and pool.json itself.

    \b
    Example:
      equipoise exchange convert 00036-00000012.wmd --out pool.json
    """
    from exchange.pool_file import read_pool, write_pool

    pool = read_pool(source)
    write_pool(pool, out)
    click.echo(f"{out}: {len(pool.pairs)} pairs, {len(pool.ndds)} non-directed donors, {len(pool.arcs)} arcs")


@group.command()
@click.argument("pool_path", metavar="POOL", type=_PATH)
@click.option("--weights", "weights_path", type=_PATH, help="weights.json from 'equipoise estimate fit'.")
@click.option(
    "--policy",
    type=click.Choice([str(p) for p in Policy]),
    help="Default: priority-after-cardinality with weights, equal without.",
)
@click.option("--cycle-cap", type=int, default=3, show_default=True, help="Most pairs in a cycle.")
@click.option(
    "--chain-cap",
    type=int,
    default=0,
    show_default=True,
    help="Most pairs in a chain, the non-directed donor not counted; 0 for no chains.",
)
@click.option(
    "--solver",
    type=click.Choice([AUTO, "highs", "cbc"]),
    default=AUTO,
    show_default=True,
    help="auto takes the faster one for each stage; the result names it.",
)
@click.option(
    "--time-limit",
    type=float,
    default=DEFAULT_TIME_LIMIT_SECONDS,
    show_default=True,
    help="Seconds per stage; then the best found so far is given with its gap.",
)
@click.option("--out", type=_PATH, help="Where to write match_run.json.")
@click.option("--json", "as_json", is_flag=True, help="Print the match run as JSON.")
def clear(
    pool_path: Path,
    weights_path: Path | None,
    policy: str | None,
    cycle_cap: int,
    chain_cap: int,
    solver: str,
    time_limit: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """Choose the exchanges for a pool, and say how far they are proved best.

    \b
    Examples:
      equipoise exchange clear pool.json --weights weights.json --chain-cap 4 --out match_run.json
      equipoise exchange clear pool.json --policy equal
    """
    from estimation.manifest import make_manifest
    from exchange.clearing.clear import clear_pool
    from exchange.clearing.solver import Solver
    from exchange.match_run_file import match_run_table, write_match_run
    from exchange.pool_file import read_pool
    from exchange.priorities import equal_priorities, priorities

    if out is not None and not out.parent.is_dir():
        raise BadRequest(f"--out {out}: there is no folder {out.parent}; make it first")
    pool = read_pool(pool_path)
    inputs = {"pool": pool_path}
    if weights_path is not None:
        from estimation.weights_file import read_weights

        weights = priorities(pool, read_weights(weights_path).weights)
        inputs["weights"] = weights_path
    else:
        weights = equal_priorities(pool)
    chosen_policy = _policy(policy, has_weights=weights_path is not None)
    run = clear_pool(
        pool,
        weights,
        policy=chosen_policy,
        cycle_cap=cycle_cap,
        chain_cap=chain_cap,
        solver=None if solver == AUTO else Solver(solver),
        time_limit_seconds=time_limit,
        progress=_progress,
    )
    settings = {
        "policy": str(chosen_policy),
        "cycle_cap": cycle_cap,
        "chain_cap": chain_cap,
        "solver": solver,
        "time_limit_seconds": time_limit,
        "priorities": "every patient 1" if weights_path is None else "weights",
    }
    run = replace(run, manifest=make_manifest(inputs, settings))
    if out is not None:
        write_match_run(run, out)
    if as_json:
        click.echo(json.dumps(match_run_table(run), indent=1, ensure_ascii=False))
        return
    click.echo(summary(run, n_pairs=len(pool.pairs), has_weights=weights_path is not None))
    if out is not None:
        click.echo(f"written to {out}")


def summary(run: MatchRun, *, n_pairs: int, has_weights: bool) -> str:
    """Return a match run in words, for a terminal."""
    sizes = Counter(len(cycle.pairs) for cycle in run.cycles)
    cycles = ", ".join(f"{sizes[size]} of {size} pairs" for size in sorted(sizes)) or "none"
    lengths = Counter(len(chain.pairs) for chain in run.chains)
    chains = ", ".join(f"{lengths[length]} of {length} pair(s)" for length in sorted(lengths)) or "none"
    lines = [
        f"policy       {run.policy}, cycle cap {run.cycle_cap}, chain cap {run.chain_cap}",
        f"transplants  {run.transplants} of {n_pairs} patients",
        f"cycles       {cycles}",
        f"chains       {chains}",
    ]
    if has_weights:
        lines.append(f"priority     {run.total_priority:.8g} in total")
    for stage in run.stages:
        limit = "no limit" if stage.time_limit_seconds is None else f"limit {stage.time_limit_seconds:g} s"
        value = f"{stage.value:.0f}" if stage.objective is Objective.TRANSPLANTS else f"{stage.value:.8g}"
        verdict = (
            "proved optimal"
            if stage.status is SolveStatus.OPTIMAL
            else f"not proved: at most {stage.bound:.8g}, gap {stage.gap:.3%}"
        )
        took = "" if stage.seconds is None else f"{stage.seconds:.1f} s, "
        lines.append(f"stage        {stage.objective} {value}: {verdict}; {stage.solver}, {took}{limit}")
    return "\n".join(lines)


def _policy(name: str | None, *, has_weights: bool) -> Policy:
    if name is None:
        return Policy.PRIORITY_AFTER_CARDINALITY if has_weights else Policy.EQUAL
    policy = Policy(name)
    if policy in (Policy.PRIORITY_AFTER_CARDINALITY, Policy.GREATEST_WEIGHT) and not has_weights:
        raise BadRequest(f"policy {policy} needs priority weights; give --weights weights.json")
    return policy


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        click.echo(text, err=True)
