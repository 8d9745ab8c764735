"""``equipoise survey coding remove-import``: suggestions that should not have come in, or not like that."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from survey.commands.coding.common import slug_argument
from survey.commands.common import ACTOR, changing, counted, json_option, version_option
from survey.config import load_settings
from survey.kept_figures import forget_figures
from survey.store import studies
from survey.store.import_removal import ImportIsCoded, remove_import


@click.command("remove-import")
@slug_argument
@click.option(
    "--source",
    required=True,
    metavar="NAME",
    help="Where they were said to be from: the file's name, or --source.",
)
@click.option("--with-codes", is_flag=True, help="Delete the codes that they were given, too.")
@version_option
@json_option
def remove_import_command(
    slug: str, source: str, with_codes: bool, study_version: str | None, as_json: bool
) -> None:
    """Delete all suggestions that were imported from a source, and who was asked there.

    Then the corrected file can be imported. What participants of the study itself said stays, and so does the
    codebook.

    \b
    Example:
      equipoise survey coding remove-import kidney-attributes --source workshop.csv
    """
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        try:
            removed = remove_import(
                session, study, source, with_codes=with_codes, now=datetime.now(UTC), actor=ACTOR
            )
        except ImportIsCoded as error:
            raise ImportIsCoded(f"{error}; to delete those, too, add --with-codes") from None
    forget_figures(load_settings().state_dir, study.id)
    if as_json:
        record = {
            "source": source,
            "respondents": removed.respondents,
            "suggestions": removed.suggestions,
            "codes": removed.codes,
        }
        click.echo(json.dumps(record, indent=2, ensure_ascii=False))
        return
    click.echo(
        f"{source}: removed {counted(removed.suggestions, 'suggestion')} of "
        f"{counted(removed.respondents, 'respondent')} and {counted(removed.codes, 'code')}"
    )
