"""``equipoise exchange explain``: why was a pair not matched, and what does priority cost?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.clearing.objectives import Fairness, Objective, Policy
from exchange.commands.options import fairness_options
from exchange.commands.reading import (
    AUTO,
    DEFAULT_TIME_LIMIT_SECONDS,
    DONOR_WEIGHTS_HELP,
    WEIGHTS_HELP,
    read_goals,
    read_priorities,
    read_solver,
)
from exchange.errors import BadRequest

if TYPE_CHECKING:
    from exchange.commands.reading import GivenPriorities
    from exchange.explaining.explanation import Explanation
    from exchange.explaining.needed_change import Change
    from exchange.match_run import MatchRun
    from exchange.pool import Pool

_PATH = click.Path(dir_okay=False, path_type=Path)


@click.command(name="explain")
@click.argument("pool_path", metavar="POOL", type=_PATH)
@click.argument("run_path", metavar="[MATCH_RUN]", type=_PATH, required=False)
@click.option("--pair", "pairs", multiple=True, help="Id of a pair; repeatable. Default: all not matched.")
@click.option("--price", "with_price", is_flag=True, help="Add the price of priority in this pool.")
@click.option("--weights", help=WEIGHTS_HELP)
@click.option("--donor-weights", help=DONOR_WEIGHTS_HELP)
@click.option("--seed", type=click.IntRange(min=0), help="Of the donors' weights.")
@click.option("--design", type=_PATH, help="Study whose profiles donors' weights are scaled between.")
@click.option(
    "--policy",
    type=click.Choice([str(p) for p in Policy]),
    help="Without MATCH_RUN. Default: priority-after-cardinality with weights, equal without.",
)
@click.option("--objectives", help="Without MATCH_RUN: objectives in order, commas between.")
@click.option(
    "--concede", multiple=True, help="With --objectives: objective=number that later ones may cost."
)
@click.option("--cycle-cap", type=int, help="Without MATCH_RUN: most pairs in a cycle; default 3.")
@click.option("--chain-cap", type=int, help="Without MATCH_RUN: most pairs in a chain; default 0, no chains.")
@fairness_options
@click.option(
    "--solver",
    type=click.Choice([AUTO, "highs", "cbc"]),
    default=AUTO,
    show_default=True,
    help="As for clear.",
)
@click.option(
    "--time-limit",
    type=float,
    default=DEFAULT_TIME_LIMIT_SECONDS,
    show_default=True,
    help="Seconds per solve; a reason that it leaves open is said to be open.",
)
@click.option("--out", type=_PATH, help="Where to write explanation.json.")
@click.option("--json", "as_json", is_flag=True, help="Print the explanation as JSON.")
def command(
    *,
    pool_path: Path,
    run_path: Path | None,
    pairs: tuple[str, ...],
    with_price: bool,
    weights: str | None,
    donor_weights: str | None,
    seed: int | None,
    design: Path | None,
    policy: str | None,
    objectives: str | None,
    concede: tuple[str, ...],
    cycle_cap: int | None,
    chain_cap: int | None,
    sensitized_from: float,
    sensitized_bonus: float,
    solver: str,
    time_limit: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """Say of every pair that was not matched why, each reason proved.

    The pool is cleared again with the pair in the match run. Either no exchange contains the pair, or some
    objective gets worse (by how much, and at which weight the patient would have been matched), or a match run
    with the pair is just as good and the choice among equals was arbitrary. With --pair for a matched pair: what
    its being left out would cost.

    Give the match run that is to be explained, with the weights it was made with; without one the pool is cleared
    first. Ctrl-C stops with what is known by then; a second Ctrl-C gives up.

    \b
    Examples:
      equipoise exchange explain pool.json match_run.json --weights weights.json
      equipoise exchange explain pool.json --weights weights.json --chain-cap 3 --pair P7 --price
    """
    from estimation.commands.writing import check_outputs, write_text
    from estimation.manifest import make_manifest
    from exchange.clearing.clear import make_clearing
    from exchange.commands.stopping import ProgressLine, StopOnInterrupt
    from exchange.explaining.explanation import explain_pairs
    from exchange.explaining.explanation_text import explanation_table, price_lines
    from exchange.explaining.price_of_priority import price_of_priority
    from exchange.pool_file import read_pool
    from exchange.validity import check_match_run

    own = {
        "--policy": policy,
        "--objectives": objectives,
        "--concede": concede or None,
        "--cycle-cap": cycle_cap,
        "--chain-cap": chain_cap,
    }
    clashing = [option for option, value in own.items() if value is not None]
    if run_path is not None and clashing:
        raise BadRequest(
            f"{clashing[0]}: the match run {run_path} says so itself; leave the option out, or the file"
        )
    check_outputs(("--out", out), inputs=(pool_path, run_path, design))
    pool = read_pool(pool_path)
    given = read_priorities(pool, weights, donor_weights, seed=seed, design=design)
    check_outputs(("--out", out), inputs=given.inputs.values())
    fairness = Fairness(threshold=sensitized_from, bonus=sensitized_bonus)
    if with_price and not given.has_weights:
        raise BadRequest("--price needs priority weights; give --weights or --donor-weights")
    caps = 3 if cycle_cap is None else cycle_cap, chain_cap or 0
    read = None if run_path is None else _read_run(run_path, pool, given, fairness)
    if read is None:
        chosen, goals = read_goals(policy, objectives, concede, has_weights=given.has_weights)
    else:
        chosen, goals, caps = read.policy, (), (read.cycle_cap, read.chain_cap)
    names = [stage.objective for stage in read.stages] if read else [goal.objective for goal in goals]
    shown = ProgressLine(all_lines=False)
    with StopOnInterrupt("what is known") as stop:
        clearing = make_clearing(
            pool,
            [*names, *((Objective.TRANSPLANTS, Objective.PRIORITY) if with_price else ())],
            cycle_cap=caps[0],
            chain_cap=caps[1],
            fairness=fairness,
            solver=read_solver(solver),
            time_limit_seconds=time_limit,
            is_stopped=lambda: stop.is_stopped,
            progress=shown,
        )
        if read is not None:
            run = read
        else:
            solved = clearing.solve(
                [(goal, clearing.values(goal.objective, given.priorities)) for goal in goals]
            )
            run = clearing.match_run(solved, given.priorities, chosen)
        check_match_run(pool, run, given.priorities, fairness=fairness)
        explanation = explain_pairs(clearing, run, given.priorities, pairs=pairs, progress=shown)
        # Once stopped, the price would be that of match runs nobody looked for.
        price = price_of_priority(clearing, given.priorities) if with_price and not stop.is_stopped else None
    shown.close()
    if stop.is_stopped:
        click.echo("stopped; what was not settled by then is said to be open or not proved", err=True)
        if with_price and price is None:
            click.echo("the price of priority was not looked for", err=True)
    changes = _changes(explanation, pool, given)
    files = {"pool": pool_path, **given.inputs}
    if run_path is not None:
        files["match_run"] = run_path
    manifest = make_manifest(
        files,
        {
            "priorities": given.words,
            "seed": seed,
            "pairs": list(pairs),
            "concessions": [stage.concession for stage in run.stages],
            "sensitized_from": sensitized_from,
            "sensitized_bonus": sensitized_bonus,
            "solver": solver,
            "time_limit_seconds": time_limit,
        },
    )
    text = json.dumps(
        explanation_table(explanation, changes, price, manifest),
        indent=1,
        ensure_ascii=False,
        allow_nan=False,
    )
    if out is not None:
        write_text(out, text + "\n")
    if as_json:
        click.echo(text)
        return
    click.echo(f"weights      {given.words}")
    for line in _lines(explanation, changes, n_pairs=len(pool.pairs)):
        click.echo(line)
    if price is not None:
        click.echo("")
        for line in price_lines(price):
            click.echo(line)
    if out is not None:
        click.echo(f"written to {out}")


def _read_run(path: Path, pool: Pool, given: GivenPriorities, fairness: Fairness) -> MatchRun:
    """Read a match run, and refuse one that is not of this pool and these weights."""
    from exchange.errors import InvalidMatchRun
    from exchange.match_run_file import read_match_run
    from exchange.validity import check_match_run

    run = read_match_run(path)
    if not run.stages:
        raise BadRequest(f"{path}: the match run names no objective, so nothing can be explained by one")
    try:
        check_match_run(pool, run, given.priorities, fairness=fairness)
    except InvalidMatchRun as error:
        raise InvalidMatchRun(
            [
                *error.violations,
                f"weights here: {given.words}; give the pool and the weights with which the match run was made",
            ],
            f"{path} does not fit {pool.source}",
        ) from error
    return run


def _changes(explanation: Explanation, pool: Pool, given: GivenPriorities) -> dict[str, tuple[Change, ...]]:
    """Return by pair which single changes of the profile would exceed the weight needed."""
    from exchange.explaining.needed_change import changes_that_exceed

    profiles = {pair.id: pair.profile for pair in pool.pairs}
    found: dict[str, tuple[Change, ...]] = {}
    for pair in explanation.pairs:
        profile = profiles[pair.pair]
        if given.weights is not None and profile is not None and pair.needed_weight is not None:
            needed = pair.needed_weight.high
            found[pair.pair] = changes_that_exceed(needed, profile, given.weights, pool.attributes)
    return found


def _lines(explanation: Explanation, changes: dict[str, tuple[Change, ...]], *, n_pairs: int) -> list[str]:
    from exchange.explaining.explanation import label
    from exchange.explaining.explanation_text import sentence

    run = explanation.run
    aims = ", ".join(stage.objective for stage in run.stages)
    lines = [
        f"match run    {run.transplants} of {n_pairs} patients receive; {aims}; cycle cap {run.cycle_cap}, "
        f"chain cap {run.chain_cap}; {run.status}"
    ]
    names = max((len(pair.pair) for pair in explanation.pairs), default=0)
    reasons = max((len(label(pair)) for pair in explanation.pairs), default=0)
    lines += [
        f"{pair.pair:<{names}}  {label(pair):<{reasons}}  {sentence(pair, run, changes.get(pair.pair, ()))}"
        for pair in explanation.pairs
    ]
    if not explanation.pairs:
        lines.append("every pair is matched")
    return lines
