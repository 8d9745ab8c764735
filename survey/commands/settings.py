"""``equipoise config``."""

from __future__ import annotations

import json

import click

from survey.config import described, load_settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def config(as_json: bool) -> None:
    """Show every setting, its value now and its meaning. Secrets are not shown.

    \b
    Example:
      EQUIPOISE_PORT=8080 equipoise config
    """
    rows = described(load_settings())
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']} = {row['value'] or '(not set)'}")
        click.echo(f"    {row['meaning']}")
