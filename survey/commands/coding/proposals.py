"""``equipoise survey coding import-proposals``: what a model proposes, beside what coders say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from survey.coding.coding import CodingError
from survey.coding.model_files import read_model_proposals
from survey.commands.coding.common import slug_argument
from survey.commands.coding.sources import content_of, text_of
from survey.commands.common import ACTOR, changing, counted, json_option, version_option
from survey.store import codes, studies


@click.command("import-proposals")
@slug_argument
@click.argument("path", metavar="PROPOSALS.JSON", type=click.Path(path_type=Path))
@version_option
@json_option
def import_proposals_command(slug: str, path: Path, study_version: str | None, as_json: bool) -> None:
    """Take in the categories that a model proposes ('equipoise compare propose'), in place of its earlier ones.

    Proposals stand beside the coders' own codes, are compared with them, and never count.

    \b
    Example:
      equipoise survey coding import-proposals kidney-attributes proposals.json
    """
    found = read_model_proposals(text_of(path, content_of(path)), str(path))
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        if (found.study, found.version, found.design_hash) != (study.slug, study.version, study.design_hash):
            raise CodingError(
                f"{path}: is about study '{found.study}' version {found.version}, not '{study.slug}' version "
                f"{study.version}: its numbers stand for other suggestions"
            )
        stored = codes.propose_codes(
            session, study, found.label, found.proposals, now=datetime.now(UTC), actor=ACTOR
        )
    record = {
        "model": found.label,
        "proposals": stored,
        "without_proposal": found.without,
        "new_labels": list(found.new_labels),
    }
    if as_json:
        click.echo(json.dumps(record, indent=2, ensure_ascii=False))
        return
    click.echo(f"{found.label}: proposals for {counted(stored, 'suggestion')}, {found.without} without one")
    if found.new_labels:
        click.echo(f"new categories that it proposes (none was made): {', '.join(found.new_labels)}")
