"""``equipoise db``: migrate, check, back up."""

from __future__ import annotations

import json
from pathlib import Path

import click
from sqlalchemy.engine import make_url

from survey.config import load_settings
from survey.db import backup, check_database, upgrade


@click.group()
def group() -> None:
    """Migrate, check and back up the database (EQUIPOISE_DATABASE_URL).

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
