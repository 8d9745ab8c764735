"""What several commands share: the database, options, who acts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy.orm import Session

from survey.config import load_settings
from survey.db import open_database, reading, writing
from survey.errors import SurveyError

ACTOR = "command line"
"""Who acts, in the audit log."""

design_argument = click.argument("design_path", metavar="DESIGN", type=click.Path(path_type=Path))
version_option = click.option(
    "--version", "study_version", help="Version of the study.  [default: the open, else newest]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
simulated_option = click.option(
    "--include-simulated", is_flag=True, help="Also the answers of rehearsals (respondent sim-...)."
)


class CannotWrite(SurveyError):
    """A result could not be written where it was asked for."""


@contextmanager
def changing() -> Iterator[Session]:
    """Yield a session in one write transaction on the database of the settings."""
    engine = open_database(load_settings())
    try:
        with writing(engine) as session:
            yield session
    finally:
        engine.dispose()


@contextmanager
def looking() -> Iterator[Session]:
    """Yield a session that cannot write on the database of the settings."""
    engine = open_database(load_settings())
    try:
        with reading(engine) as session:
            yield session
    finally:
        engine.dispose()


def counted(number: int, noun: str) -> str:
    """Return e.g. ``1 answer`` or ``2 answers``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
