"""``equipoise survey export`` and ``verify``."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from survey.answers import AnswerSet, Choice
from survey.answers_file import write_answers
from survey.bundle import BundleSummary, write_bundle
from survey.bundle_check import verify_bundle
from survey.commands.common import (
    ACTOR,
    CannotWrite,
    changing,
    counted,
    json_option,
    looking,
    simulated_option,
    version_option,
)
from survey.export import answers_of_study, count_simulated_answers
from survey.store import studies
from survey.store.events import log_event


@click.command("export")
@click.argument("slug")
@version_option
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the answers to this file."
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    help="Write everything, with codebook and hashes, to this folder or .zip file.",
)
@click.option("--parquet", is_flag=True, help="With --bundle: each data file as Parquet, too.")
@click.option(
    "--with-text",
    is_flag=True,
    help="With --bundle: also what people wrote themselves in forms, which may name people.",
)
@simulated_option
@json_option
def export_command(
    slug: str,
    study_version: str | None,
    out: Path | None,
    bundle: Path | None,
    parquet: bool,
    with_text: bool,
    include_simulated: bool,
    as_json: bool,
) -> None:
    """Write a study's answers (--out), or everything about it (--bundle), without anything that names people.

    The same data give the same bytes, whenever they are exported. 'equipoise survey verify' checks a bundle.

    \b
    Example:
      equipoise survey export kidney-8 --out answers.csv
      equipoise survey export kidney-8 --bundle kidney-8.zip --parquet
    """
    if (out is None) == (bundle is None):
        raise click.UsageError("give either --out FILE (the answers) or --bundle TARGET (everything)")
    if bundle is None and (parquet or with_text):
        raise click.UsageError("--parquet and --with-text belong to --bundle")
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        if bundle is not None:
            try:
                summary = write_bundle(
                    session,
                    study,
                    bundle,
                    include_simulated=include_simulated,
                    parquet=parquet,
                    with_text=with_text,
                )
            except OSError as error:
                raise CannotWrite(
                    f"{bundle}: cannot be written ({error.strerror}); name another with --bundle"
                ) from None
            left_out = summary.simulated_left_out
        else:
            answers = answers_of_study(session, study, include_simulated)
            left_out = 0 if include_simulated else count_simulated_answers(session, study)
        version = study.version
    if bundle is not None:
        _say_bundle(summary, as_json)
        if left_out:
            _hint(f"{counted(left_out, 'simulated participant')} left out; --include-simulated adds them")
        name = "bundle"
    else:
        assert out is not None  # noqa: S101 - one of the two is given
        write_answers_file(out, answers)
        say_answers(out, answers, as_json=as_json)
        if left_out:
            _hint(f"{left_out} answers of simulated participants are left out; --include-simulated adds them")
        name = "answers.csv"
    with changing() as session:
        # As the pages and the API do: whoever takes data out stands in the audit log.
        study = studies.find_study(session, slug, version)
        log_event(session, study, None, "downloaded", now=datetime.now(UTC), actor=ACTOR, file=name)


@click.command("verify")
@click.argument("path", metavar="BUNDLE", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def verify_command(ctx: click.Context, path: Path, as_json: bool) -> None:
    """Check an export bundle or a preregistration, a folder or a zip file: nothing is changed, missing or added,
    and the files agree with each other. Exit code 1 names each problem.

    \b
    Example:
      equipoise survey verify kidney-8.zip
    """
    problems = verify_bundle(path)
    if as_json:
        click.echo(
            json.dumps(
                {"bundle": str(path), "ok": not problems, "problems": problems}, indent=2, ensure_ascii=False
            )
        )
    else:
        for problem in problems:
            click.echo(problem, err=True)
        click.echo(f"{path}: {counted(len(problems), 'problem') if problems else 'whole'}")
    ctx.exit(1 if problems else 0)


def write_answers_file(out: Path, answers: AnswerSet) -> None:
    """Write answers, or raise :class:`CannotWrite`."""
    try:
        write_answers(out, answers)
    except OSError as error:
        raise CannotWrite(
            f"{out}: cannot be written ({error.strerror}); name another file with --out"
        ) from None


def say_answers(out: Path, answers: AnswerSet, *, as_json: bool) -> None:
    """Say what an answers file holds."""
    counts = {c.value: sum(answer.choice is c for answer in answers.answers) for c in Choice}
    known = {answer.respondent for answer in answers.answers}
    respondents = None if None in known else len(known)
    if as_json:
        summary = {"file": str(out), "respondents": respondents, "answers": len(answers.answers), **counts}
        click.echo(json.dumps(summary, indent=2))
    else:
        shown = ", ".join(f"{n} {choice}" for choice, n in counts.items())
        who = "respondents unknown" if respondents is None else counted(respondents, "respondent")
        click.echo(f"{out}: {counted(len(answers.answers), 'answer')}, {who} ({shown})")


def _say_bundle(summary: BundleSummary, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(bundle_record(summary), indent=2))
        return
    rows = summary.rows
    click.echo(
        f"{summary.target}: {counted(rows['answers.csv'], 'answer')} of "
        f"{counted(summary.participants, 'participant')}, {len(summary.files)} files; "
        f"{summary.erased} more had their data erased\n"
        f"SHA-256 of its manifest: {summary.manifest_sha256}"
    )


def bundle_record(summary: BundleSummary) -> dict[str, Any]:
    """Return a summary as plain data."""
    return asdict(summary) | {"target": str(summary.target), "rows": dict(summary.rows)}


def _hint(text: str) -> None:
    click.echo(text, err=True)
