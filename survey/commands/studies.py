"""``equipoise survey``: check, add, open, close, list, import, export studies. ``rehearse`` has its own module."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import Engine

from survey import store
from survey.answers import AnswerSet, Choice
from survey.answers_file import write_answers
from survey.commands.rehearse import rehearse_command
from survey.config import load_settings
from survey.db import open_database, reading, writing
from survey.design import StudyDesign, design_hash
from survey.design_file import parse_design, read_design, read_design_text
from survey.errors import SurveyError
from survey.export import answers_of_study
from survey.overview import overview_of
from survey.published_answers import import_published
from survey.tables import StudyRow

design_argument = click.argument("design_path", metavar="DESIGN", type=click.Path(path_type=Path))
version_option = click.option(
    "--version", "study_version", help="Version of the study.  [default: the open, else newest]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
out_option = click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write."
)


class CannotWrite(SurveyError):
    """A result could not be written where it was asked for."""


@contextmanager
def _database() -> Iterator[Engine]:
    engine = open_database(load_settings())
    try:
        yield engine
    finally:
        engine.dispose()


@click.group()
def group() -> None:
    """Check, add, open, rehearse and export studies.

    \b
    Example:
      equipoise survey check design.toml
      equipoise survey add design.toml --open
    """


group.add_command(rehearse_command)


@group.command("check")
@design_argument
@json_option
def check_command(design_path: Path, as_json: bool) -> None:
    """Check a design file and summarize it; complaints name line and key.

    \b
    Example:
      equipoise survey check design.toml
    """
    summary = _summary(read_design(design_path))
    if as_json:
        click.echo(json.dumps(summary, indent=2, ensure_ascii=False))
        return
    click.echo(f"{design_path}: a usable design")
    for name, value in summary.items():
        click.echo(f"  {name.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}")


@group.command("add")
@design_argument
@click.option("--open", "open_too", is_flag=True, help="Open it to participants at once.")
def add_command(design_path: Path, open_too: bool) -> None:
    """Add a design to the database as a draft study.

    \b
    Example:
      equipoise survey add design.toml --open
    """
    text = read_design_text(design_path)
    parse_design(text, str(design_path))  # Complains about the file before a database is touched.
    now = datetime.now(UTC)
    with _database() as engine, writing(engine) as session:
        study = store.add_study(session, text, now=now, where=str(design_path))
        if open_too:
            store.open_study(session, study, now=now)
        click.echo(_line(study))


@group.command("open")
@click.argument("slug")
@version_option
def open_command(slug: str, study_version: str | None) -> None:
    """Let participants into a study.

    \b
    Example:
      equipoise survey open kidney-8
    """
    with _database() as engine, writing(engine) as session:
        study = store.find_study(session, slug, study_version)
        store.open_study(session, study, now=datetime.now(UTC))
        click.echo(_line(study))


@group.command("close")
@click.argument("slug")
@version_option
def close_command(slug: str, study_version: str | None) -> None:
    """Let nobody else into a study; those who have started may finish.

    \b
    Example:
      equipoise survey close kidney-8
    """
    with _database() as engine, writing(engine) as session:
        study = store.find_study(session, slug, study_version)
        store.close_study(session, study, now=datetime.now(UTC))
        click.echo(_line(study))


@group.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the studies in the database.

    \b
    Example:
      equipoise survey list
    """
    with _database() as engine, reading(engine) as session:
        studies = store.list_studies(session)
    if as_json:
        rows = [
            {"slug": s.slug, "version": s.version, "state": s.state.value, "design_hash": s.design_hash}
            for s in studies
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    for study in studies:
        click.echo(_line(study))
    if not studies:
        click.echo("no study yet; 'equipoise survey add DESIGN' adds one", err=True)


@group.command("import")
@click.argument("name", metavar="DATASET")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@out_option
@json_option
def import_command(name: str, path: Path, out: Path, as_json: bool) -> None:
    """Turn a published data set (mcelfresh2021) into answers.csv.

    \b
    Example:
      equipoise survey import mcelfresh2021 study_2_indecisive.csv --out answers.csv
    """
    _write(out, import_published(name, path), as_json)


@group.command("export")
@click.argument("slug")
@version_option
@out_option
@click.option(
    "--include-simulated", is_flag=True, help="Also the answers of rehearsals (respondent sim-...)."
)
@json_option
def export_command(
    slug: str, study_version: str | None, out: Path, include_simulated: bool, as_json: bool
) -> None:
    """Write a study's answers to a file.

    \b
    Example:
      equipoise survey export kidney-8 --out answers.csv
    """
    with _database() as engine, reading(engine) as session:
        study = store.find_study(session, slug, study_version)
        answers = answers_of_study(session, study, include_simulated)
        left_out = 0 if include_simulated else overview_of(session, study, simulated=True).answers
    _write(out, answers, as_json)
    if left_out:
        click.echo(
            f"{left_out} answers of simulated participants are left out; --include-simulated adds them",
            err=True,
        )


def _write(out: Path, answers: AnswerSet, as_json: bool) -> None:
    try:
        write_answers(out, answers)
    except OSError as error:
        raise CannotWrite(
            f"{out}: cannot be written ({error.strerror}); name another file with --out"
        ) from None
    counts = {c.value: sum(answer.choice is c for answer in answers.answers) for c in Choice}
    known = {answer.respondent for answer in answers.answers}
    respondents = None if None in known else len(known)
    if as_json:
        summary = {"file": str(out), "respondents": respondents, "answers": len(answers.answers), **counts}
        click.echo(json.dumps(summary, indent=2))
    else:
        shown = ", ".join(f"{n} {choice}" for choice, n in counts.items())
        who = "respondents unknown" if respondents is None else f"{respondents} respondents"
        click.echo(f"{out}: {len(answers.answers)} answers, {who} ({shown})")


def _line(study: StudyRow) -> str:
    return f"{study.slug} version {study.version}: {study.state.value} (design hash {study.design_hash[:12]})"


def _summary(design: StudyDesign) -> dict[str, str | int | list[str] | None]:
    profiles, comparisons = design.profiles(), design.comparisons()
    return {
        "slug": design.slug,
        "version": design.version,
        "title": design.title,
        "attributes": [a.name for a in design.attributes],
        "profiles": "drawn at random" if profiles is None else len(profiles),
        "comparisons": "drawn at random" if comparisons is None else len(comparisons),
        "comparisons_per_respondent": design.comparisons_per_respondent,
        "arms": [arm.name for arm in design.arms],
        "indecision": design.indecision.label if design.indecision.offered else "not offered",
        "design_hash": design_hash(design),
    }
