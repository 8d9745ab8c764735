"""``equipoise exchange clear``: choose the exchanges for a pool."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from estimation.commands.writing import check_outputs, write_text
from exchange.clearing.objectives import Objective, Policy
from exchange.commands.options import fairness_options
from exchange.commands.reading import (
    AUTO,
    DEFAULT_TIME_LIMIT_SECONDS,
    DONOR_WEIGHTS_HELP,
    WEIGHTS_HELP,
    GivenPriorities,
)
from exchange.errors import BadRequest
from exchange.ties import TieRule

if TYPE_CHECKING:
    from exchange.clearing.clear import Clearing, Solved
    from exchange.weight_draws import DrawnRun, MatchRunDistribution

_PATH = click.Path(dir_okay=False, path_type=Path)
_DEFAULT_TIES = 100


@click.command("clear")
@click.argument("pool_path", metavar="POOL", type=_PATH)
@click.option("--weights", metavar="FILE|NAME", help=WEIGHTS_HELP)
@click.option("--donor-weights", metavar="FILE|NAME", help=DONOR_WEIGHTS_HELP)
@click.option(
    "--design", type=_PATH, help="Study that the donors' weights are about, if it is not a shipped one."
)
@click.option(
    "--policy",
    type=click.Choice([str(p) for p in Policy]),
    help="Default: priority-after-cardinality with weights, equal without.",
)
@click.option(
    "--objectives",
    metavar="NAME,NAME,…",
    help=f"Instead of a policy: what to pursue, in this order: {', '.join(Objective)}.",
)
@click.option(
    "--concede",
    "concessions",
    metavar="NAME=AMOUNT",
    multiple=True,
    help="How much of an objective the later ones may cost, e.g. transplants=2.",
)
@click.option(
    "--cycle-cap", type=int, default=3, show_default=True, help="Most pairs in a cycle; 0 for none."
)
@click.option(
    "--chain-cap",
    type=int,
    default=0,
    show_default=True,
    help="Most pairs in a chain, the non-directed donor not counted; 0 for no chains.",
)
@fairness_options
@click.option(
    "--formulation",
    type=click.Choice([AUTO, "cycle", "picef"]),
    default=AUTO,
    show_default=True,
    help="How chains are modeled; the result names it.",
)
@click.option(
    "--solver",
    type=click.Choice([AUTO, "highs", "cbc"]),
    default=AUTO,
    show_default=True,
    help="For integer solves, which most stages do not need; auto takes CBC. The result names it.",
)
@click.option(
    "--time-limit",
    type=float,
    default=DEFAULT_TIME_LIMIT_SECONDS,
    show_default=True,
    help="Seconds per stage, then the best so far is given with its gap; and for listing all ties.",
)
@click.option(
    "--ties",
    type=click.Choice([str(rule) for rule in TieRule]),
    default=str(TieRule.FIRST),
    show_default=True,
    help="Among equally good match runs: the first found, one drawn by lot (needs --seed), or all listed.",
)
@click.option(
    "--most-ties", type=click.IntRange(min=1), default=_DEFAULT_TIES, show_default=True, help="List so many."
)
@click.option(
    "--draws",
    "n_draws",
    type=click.IntRange(min=1),
    help="Clear again under so many joint draws of the weights, which weights.json keeps.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes for the draws.")
@click.option("--scheduler", metavar="tcp://…", help="Dask cluster for the draws.")
@click.option(
    "--seed", type=click.IntRange(min=0), help="Of lots and of donors' draws. Same seed, same result."
)
@click.option("--out", type=_PATH, help="Where to write match_run.json.")
@click.option("--ties-out", type=_PATH, help="Where to write the match runs that --ties all finds (JSON).")
@click.option("--draws-out", type=_PATH, help="Where to write what --draws finds (JSON).")
@click.option(
    "--progress", "all_lines", is_flag=True, help="Show progress line by line, at a terminal or not."
)
@click.option("--json", "as_json", is_flag=True, help="Print the match run, ties and draws as JSON.")
def command(
    pool_path: Path,
    *,
    weights: str | None,
    donor_weights: str | None,
    design: Path | None,
    policy: str | None,
    objectives: str | None,
    concessions: tuple[str, ...],
    cycle_cap: int,
    chain_cap: int,
    sensitized_from: float,
    sensitized_bonus: float,
    formulation: str,
    solver: str,
    time_limit: float,
    ties: str,
    most_ties: int,
    n_draws: int | None,
    workers: int | None,
    scheduler: str | None,
    seed: int | None,
    out: Path | None,
    ties_out: Path | None,
    draws_out: Path | None,
    all_lines: bool,
    as_json: bool,
) -> None:
    """Choose the exchanges for a pool, and say how far they are proved best.

    Ctrl-C stops with the best so far and says how far it is proved; a second Ctrl-C gives up.

    \b
    Examples:
      equipoise exchange clear pool.json --weights weights.json --chain-cap 4 --out match_run.json
      equipoise exchange clear pool.json --policy equal --ties all
      equipoise exchange clear pool.json --weights freedman2020-profiles --ties random --seed 1
      equipoise exchange clear pool.json --weights weights.json --draws 200 --workers 2
      equipoise exchange clear pool.json --weights weights.json --objectives transplants,priority \\
        --concede transplants=2
    """
    from estimation.manifest import make_manifest
    from exchange.clearing.clear import check_priorities, make_clearing
    from exchange.clearing.objectives import Fairness
    from exchange.commands.clear_text import draws_lines, draws_table, summary, ties_lines, ties_table
    from exchange.commands.reading import read_formulation, read_goals, read_priorities, read_solver
    from exchange.commands.stopping import ProgressLine, StopOnInterrupt
    from exchange.match_run import SolveStatus
    from exchange.match_run_file import match_run_table, match_run_text
    from exchange.pool_file import read_pool
    from exchange.ties import drawn_among_ties, find_ties

    outputs = (("--out", out), ("--ties-out", ties_out), ("--draws-out", draws_out))
    check_outputs(*outputs, inputs=(pool_path, design))
    tie_rule = TieRule(ties)
    _check_combination(tie_rule, seed, ties_out, n_draws, draws_out)
    if n_draws is None and (workers is not None or scheduler is not None):
        raise BadRequest("--workers and --scheduler share out the draws; give --draws, too")
    pool = read_pool(pool_path)
    given = read_priorities(pool, weights, donor_weights, seed=seed, design=design)
    check_outputs(*outputs, inputs=given.inputs.values())
    chosen_policy, goals = read_goals(policy, objectives, concessions, has_weights=given.has_weights)
    check_priorities(pool, given.priorities)
    if n_draws is not None:
        _check_draws(n_draws, given)
    line = ProgressLine(all_lines=all_lines)
    notes: list[str] = []
    with StopOnInterrupt() as stop:
        clearing = make_clearing(
            pool,
            [goal.objective for goal in goals],
            cycle_cap=cycle_cap,
            chain_cap=chain_cap,
            fairness=Fairness(threshold=sensitized_from, bonus=sensitized_bonus),
            formulation=read_formulation(formulation),
            solver=read_solver(solver),
            time_limit_seconds=time_limit,
            is_stopped=lambda: stop.is_stopped,
            progress=line,
        )
        solved = clearing.solve([(goal, clearing.values(goal.objective, given.priorities)) for goal in goals])
        if tie_rule is TieRule.RANDOM:
            solved, is_settled = drawn_among_ties(clearing, solved, seed=seed or 0)
            if not is_settled:
                notes.append("the lots among equally good match runs were not finished in the time")
        run = clearing.match_run(solved, given.priorities, chosen_policy)
        # Written before anything that only adds to it.
        settings = {
            "policy": None if chosen_policy is None else str(chosen_policy),
            "objectives": [str(goal.objective) for goal in goals],
            "concessions": [goal.concession for goal in goals],
            "cycle_cap": cycle_cap,
            "chain_cap": chain_cap,
            "sensitized_from": sensitized_from,
            "sensitized_bonus": sensitized_bonus,
            "formulation": formulation,
            "solver": solver,
            "time_limit_seconds": time_limit,
            "priorities": _priorities_setting(weights, donor_weights, given),
            "ties": str(tie_rule),
            "seed": seed,
        }
        manifest = make_manifest({"pool": pool_path, **given.inputs}, settings)
        run = replace(run, manifest=manifest)
        if out is not None:
            write_text(out, match_run_text(run))
        tied = None
        if tie_rule is TieRule.ALL:
            tied = find_ties(clearing, solved, given.priorities, chosen_policy, most=most_ties)
        drawn = None
        if n_draws is not None:
            drawn = _under_draws(clearing, solved, given, n_draws, workers, scheduler)
    line.close()
    if stop.is_stopped:
        optimal = run.status is SolveStatus.OPTIMAL
        notes.append(
            "stopped after the match run was proved optimal"
            if optimal
            else "stopped; best so far, not proved"
        )
    tables: dict[str, Any] = {}
    if tied is not None:
        tables["ties"] = ties_table(tied)
    if drawn is not None:
        tables["draws"] = draws_table(*drawn)
    for name, path in (("ties", ties_out), ("draws", draws_out)):
        if path is not None:
            document = {
                "format": f"equipoise-{name}",
                "format_version": 1,
                **tables[name],
                "manifest": manifest,
            }
            write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    for note in notes:
        click.echo(note, err=True)
    if as_json:
        click.echo(json.dumps(match_run_table(run) | tables, indent=1, ensure_ascii=False))
        return
    click.echo(f"weights      {given.words}")
    click.echo(summary(run, n_pairs=len(pool.pairs), has_weights=given.has_weights))
    if tied is not None:
        _echo(ties_lines(tied))
    if drawn is not None:
        _echo(draws_lines(*drawn))
    for path in (out, ties_out, draws_out):
        if path is not None:
            click.echo(f"written to {path}")


def _check_combination(
    tie_rule: TieRule, seed: int | None, ties_out: Path | None, n_draws: int | None, draws_out: Path | None
) -> None:
    if tie_rule is TieRule.RANDOM and seed is None:
        raise BadRequest("--ties random draws lots; give --seed")
    if ties_out is not None and tie_rule is not TieRule.ALL:
        raise BadRequest("--ties-out holds what --ties all finds; give both")
    if draws_out is not None and n_draws is None:
        raise BadRequest("--draws-out holds what --draws finds; give both")


def _check_draws(n_draws: int, given: GivenPriorities) -> None:
    if given.weights is None:
        raise BadRequest("--draws needs --weights: draws of the weights that one fit gives")
    if len(given.draws) < n_draws:
        raise BadRequest(
            f"--draws {n_draws}: {given.words} keeps {len(given.draws)} draws of the weights; ask for fewer, or "
            "fit again with more ('equipoise estimate fit --bootstrap')"
        )


def _under_draws(
    clearing: Clearing,
    solved: Solved,
    given: GivenPriorities,
    n_draws: int,
    workers: int | None,
    scheduler: str | None,
) -> tuple[MatchRunDistribution, DrawnRun]:
    """Return the match runs of the draws, and that of evenly spaced weights in the same order."""
    from estimation.executors import executor
    from exchange.priorities import priorities
    from exchange.weight_draws import clear_under_draws, order_only

    spaced = clear_under_draws(clearing, solved, [order_only(given.priorities)]).runs
    with executor(workers, scheduler) as pool:
        found = clear_under_draws(
            clearing,
            solved,
            [priorities(clearing.pool, weights) for weights in given.draws[:n_draws]],
            executor=pool,
        )
    return found, spaced[0]


def _priorities_setting(weights: str | None, donor_weights: str | None, given: GivenPriorities) -> str:
    if not given.has_weights:
        return "every patient 1"
    if given.inputs:
        return "weights" if weights is not None else "donor weights"
    return str(weights or donor_weights)


def _echo(lines: Iterable[str]) -> None:
    for text in lines:
        click.echo(text)
