"""``equipoise survey erase``, ``forget-ids`` and ``invitations``."""

from __future__ import annotations

import csv
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import click

from survey.commands.common import ACTOR, CannotWrite, changing, counted, json_option, looking, version_option
from survey.config import load_settings, secrets_of
from survey.kept_figures import forget_figures
from survey.recruitment import IdKeeper
from survey.store import studies
from survey.store.erasure import erase
from survey.store.events import log_event
from survey.store.identities import forget_ids
from survey.store.invitations import Invitation, invitations

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command("erase")
@click.argument("slug")
@version_option
@click.option("--participant", "code", required=True, help="The pseudonym: column 'respondent' of an export.")
@yes_option
@json_option
def erase_command(slug: str, study_version: str | None, code: str, yes: bool, as_json: bool) -> None:
    """Delete everything a participant said, in every wave, and everything that leads to the person, for good.

    Somebody asked elsewhere, whose suggestions were imported, is erased by the name that they were imported under.

    \b
    Example:
      equipoise survey erase kidney-8 --participant p-7KQ2M9XA
      equipoise survey erase kidney-attributes --participant "7 (workshop.csv)"
    """
    if not yes:
        click.confirm(
            f"Delete every answer, suggestion and statement of {code} in study '{slug}'? This cannot be undone",
            abort=True,
            err=True,
        )
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        erased = erase(session, study, code, now=datetime.now(UTC), actor=ACTOR)
    forget_figures(load_settings().state_dir, study.id)
    if as_json:
        record = {
            "waves": erased.waves,
            "answers": erased.answers,
            "suggestions": erased.suggestions,
            "statements": erased.statements,
        }
        click.echo(json.dumps({"participant": code, "erased": record}, indent=2))
        return
    if not erased.waves:
        click.echo(
            f"{code}: erased ({counted(erased.suggestions, 'suggestion')}, imported). Backups, earlier exports and "
            "the imported file still hold the data; that file would bring them back"
        )
        return
    named = f", {counted(erased.suggestions, 'suggestion')}" if erased.suggestions else ""
    click.echo(
        f"{code}: erased ({counted(erased.answers, 'answer')}{named} and "
        f"{counted(erased.statements, 'statement')} in {counted(erased.waves, 'wave')}); exports count the "
        "participant among the erased. Backups and earlier exports still hold the data"
    )


@click.command("forget-ids")
@click.argument("slug")
@version_option
@yes_option
@json_option
def forget_ids_command(slug: str, study_version: str | None, yes: bool, as_json: bool) -> None:
    """Delete the recruitment ids that a study keeps for payment. Somebody who comes back is still recognized.

    \b
    Example:
      equipoise survey forget-ids kidney-8
    """
    if not yes:
        click.confirm(
            f"Delete the recruitment ids that study '{slug}' keeps? Nobody can be paid by them afterwards",
            abort=True,
            err=True,
        )
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        count = forget_ids(session, study, now=datetime.now(UTC), actor=ACTOR)
    if as_json:
        click.echo(json.dumps({"study": slug, "ids_deleted": count}, indent=2))
    else:
        click.echo(f"{slug}: {counted(count, 'kept id')} deleted")


@click.command("invitations")
@click.argument("slug")
@version_option
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV file to write (mode 0600).",
)
@json_option
def invitations_command(slug: str, study_version: str | None, out: Path, as_json: bool) -> None:
    """Write the personal links of those who are invited to the study's present wave and have not begun it.

    Whoever has a link can answer in that person's name: send each to its person only, and delete the file then.

    \b
    Example:
      equipoise survey invitations kidney-8 --out invitations.csv
    """
    settings = load_settings()
    ids = IdKeeper(secrets_of(settings).secret_key)
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        found = invitations(session, study, ids)
        wave, version = study.wave, study.version
    try:
        # Readable to nobody else from its first byte.
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["source", "id", "completion_code", "link"])
            writer.writerows(_line(invitation, settings.base_url) for invitation in found)
    except OSError as error:
        raise CannotWrite(f"{out}: cannot be written ({error.strerror}); name another with --out") from None
    with changing() as session:
        study = studies.find_study(session, slug, version)
        log_event(session, study, None, "downloaded", now=datetime.now(UTC), actor=ACTOR, file="invitations")
    if as_json:
        click.echo(json.dumps({"file": str(out), "wave": wave, "invitations": len(found)}, indent=2))
    else:
        click.echo(f"{out}: {counted(len(found), 'invitation')} to wave {wave}")


def _line(invitation: Invitation, base_url: str) -> list[str]:
    known = invitation.recruited
    return [
        known.source if known else "",
        _no_formula(known.id) if known else "",
        invitation.completion_code,
        f"{base_url}/p/{invitation.token}",
    ]


def _no_formula(text: str) -> str:
    """Keep a spreadsheet from running an id: it came from an address, which anybody can write."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
