"""``equipoise survey import``."""

from __future__ import annotations

from pathlib import Path

import click

from survey.commands.bundles import say_answers, write_answers_file
from survey.commands.common import json_option
from survey.published_answers import import_published


@click.command("import")
@click.argument("name", metavar="DATASET")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@json_option
def import_command(name: str, path: Path, out: Path, as_json: bool) -> None:
    """Turn a published data set (mcelfresh2021) into answers.csv.

    \b
    Example:
      equipoise survey import mcelfresh2021 study_2_indecisive.csv --out answers.csv
    """
    answers = import_published(name, path)
    write_answers_file(out, answers)
    say_answers(out, answers, as_json=as_json)
