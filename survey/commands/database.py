"""``equipoise db``: migrate, check, examine, back up."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy.engine import make_url

from survey.commands.common import counted
from survey.config import load_settings
from survey.db import open_database, reading
from survey.doctor.check import Finding, examine
from survey.doctor.every import CHECKS
from survey.migration import backup, check_database, upgrade


@click.group()
def group() -> None:
    """Migrate, check, examine and back up the database (EQUIPOISE_DATABASE_URL).

    \b
    Example:
      equipoise db upgrade
    """


@group.command("upgrade")
def upgrade_command() -> None:
    """Bring the database to this version's tables. A populated SQLite file is backed up beside itself first.

    \b
    Example:
      equipoise db upgrade
    """
    url = load_settings().database_url
    upgrade(url)
    click.echo(f"{make_url(url).render_as_string(hide_password=True)}: up to date")


@group.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check_command(ctx: click.Context, as_json: bool) -> None:
    """Check that the database is migrated, keeps its safety rules, and has the tables the software expects.

    \b
    Example:
      equipoise db check
    """
    url = load_settings().database_url
    differences = check_database(url)
    where = make_url(url).render_as_string(hide_password=True)
    if as_json:
        click.echo(
            json.dumps({"database": where, "ok": not differences, "differences": differences}, indent=2)
        )
    else:
        for difference in differences:
            click.echo(difference, err=True)
        click.echo(
            f"{where}: {'ok' if not differences else f'{len(differences)} difference(s) from the models'}"
        )
    ctx.exit(1 if differences else 0)


@group.command("doctor")
@click.option("--all", "show_all", is_flag=True, help="Tell what every check means, also of those that hold.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor_command(ctx: click.Context, show_all: bool, as_json: bool) -> None:
    """Check the survey's invariants on live data: nothing lost, doubled, mixed up, unbalanced or kept too long.

    Changes nothing, and can run while the survey does. Exit code 1 if something is broken; what is only to be
    looked at does not count.

    \b
    Example:
      equipoise db doctor
    """
    settings = load_settings()
    engine = open_database(settings)
    try:
        with reading(engine) as session:
            findings = examine(session, CHECKS, now=datetime.now(UTC))
    finally:
        engine.dispose()
    broken = [finding for finding in findings if finding.broken]
    if as_json:
        records = [asdict(finding) for finding in findings]
        click.echo(json.dumps({"ok": not broken, "checks": records}, indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            if finding.violations or show_all:
                click.echo(_told(finding))
        to_see = sum(finding.violations > 0 for finding in findings) - len(broken)
        click.echo(
            f"{counted(len(findings), 'check')}: {len(broken)} broken, {to_see} to look at, "
            f"{len(findings) - len(broken) - to_see} hold"
        )
    ctx.exit(1 if broken else 0)


def _told(finding: Finding) -> str:
    if not finding.violations:
        return f"holds: {finding.check}\n  {finding.meaning}"
    more = finding.violations - len(finding.first)
    found = "; ".join(finding.first) + (f"; and {more} more" if more else "")
    return f"{finding.severity.value}: {finding.check} ({finding.violations})\n  {finding.meaning}\n  {found}"


@group.command("backup")
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
def backup_command(target: Path) -> None:
    """Write a consistent copy of the SQLite database to TARGET, also while the survey runs.

    \b
    Example:
      equipoise db backup equipoise-2026-11-21.sqlite
    """
    backup(load_settings().database_url, target)
    click.echo(f"{target}: {target.stat().st_size} bytes")
