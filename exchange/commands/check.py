"""``equipoise exchange check``: is a match run valid, and do its prices prove its bounds?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.clearing.objectives import Fairness
from exchange.commands.options import fairness_options

if TYPE_CHECKING:
    from exchange.certificates import CertificateCheck

_PATH = click.Path(dir_okay=False, path_type=Path)
_INVALID = 1


@click.command(name="check")
@click.argument("pool_path", metavar="POOL", type=_PATH)
@click.argument("run_path", metavar="MATCH_RUN", type=_PATH)
@click.option("--weights", help="As the match run was made with: weights.json, or a published name.")
@click.option("--donor-weights", help="As the match run was made with: people.json, or a published name.")
@click.option("--seed", type=click.IntRange(min=0), help="Of the donors' weights.")
@click.option("--design", type=_PATH, help="Study whose profiles donors' weights are scaled between.")
@fairness_options
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    pool_path: Path,
    run_path: Path,
    weights: str | None,
    donor_weights: str | None,
    seed: int | None,
    design: Path | None,
    sensitized_from: float,
    sensitized_bonus: float,
    as_json: bool,
) -> None:
    """Check a match run against its pool, without the engine that made it.

    Everybody takes part at most once and every transplant has its arc; all numbers are what the exchanges add up
    to; and the prices in the file prove the bounds that it claims. Weights must be those that it was made with.
    Exit code 0 if all is well, 1 if something is false, 2 if a file cannot be read.

    \b
    Examples:
      equipoise exchange check pool.json match_run.json
      equipoise exchange check pool.json match_run.json --weights weights.json
    """
    from exchange.certificates import check_certificates
    from exchange.commands.reading import read_priorities
    from exchange.errors import InvalidMatchRun
    from exchange.match_run_file import read_match_run
    from exchange.pool_file import read_pool
    from exchange.validity import check_match_run

    fairness = Fairness(threshold=sensitized_from, bonus=sensitized_bonus)
    run = read_match_run(run_path)
    pool = read_pool(pool_path)
    given = read_priorities(pool, weights, donor_weights, seed=seed, design=design)
    violations: tuple[str, ...] = ()
    checks: tuple[CertificateCheck, ...] = ()
    try:
        check_match_run(pool, run, given.priorities, fairness=fairness)
        checks = check_certificates(pool, run, given.priorities, fairness)
    except InvalidMatchRun as error:
        violations = error.violations
    is_valid = not violations and not any(check.problems for check in checks)
    if as_json:
        table = {
            "valid": is_valid,
            "violations": list(violations),
            "stages": [_table(check) for check in checks],
        }
        click.echo(json.dumps(table, indent=1, ensure_ascii=False))
    else:
        click.echo(f"weights      {given.words}")
        for line in _exchange_lines(run.transplants, violations):
            click.echo(line)
        for check in checks:
            for line in _certificate_lines(check):
                click.echo(line)
    ctx.exit(0 if is_valid else _INVALID)


def _exchange_lines(transplants: int, violations: tuple[str, ...]) -> list[str]:
    if not violations:
        return [f"exchanges    valid: {transplants} transplants; the numbers are what they add up to"]
    return [f"exchanges    not valid: {len(violations)} violation(s)", *(f"  {text}" for text in violations)]


def _certificate_lines(check: CertificateCheck) -> list[str]:
    """Return what one stage's prices prove, in words."""
    name = f"bound        {check.objective} {check.claimed:.10g}"
    if check.problems:
        return [f"{name}: not proved", *(f"  {text}" for text in check.problems)]
    if check.proved is None:
        return [f"{name}: no certificate; the word of the program that made the file"]
    if check.is_proved:
        return [f"{name}: proved by the prices in the file"]
    return [f"{name}: the prices prove {check.proved:.10g}; the rest is the word of an integer solver"]


def _table(check: CertificateCheck) -> dict[str, object]:
    return {
        "objective": str(check.objective),
        "bound": check.claimed,
        "bound_proved_by_prices": check.proved,
        "proved": check.is_proved,
        "problems": list(check.problems),
    }
