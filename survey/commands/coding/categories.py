"""``equipoise survey coding categories`` and ``category``: the codebook and its changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from survey.answers import RespondentKind
from survey.commands.coding.common import simulated_option, slug_argument
from survey.commands.common import ACTOR, changing, json_option, looking, version_option
from survey.store import categories, studies
from survey.store.category_use import CategoryUse, category_uses
from survey.suggestions import Stance


@click.command("categories")
@slug_argument
@version_option
@click.option("--coder", help="Count only what this coder has said.")
@simulated_option
@json_option
def categories_command(
    slug: str, study_version: str | None, coder: str | None, simulated: bool, as_json: bool
) -> None:
    """List the categories and how many suggestions are in each.

    \b
    Example:
      equipoise survey coding categories kidney-attributes
    """
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        uses = category_uses(session, study, simulated=simulated, coder=coder)
    if as_json:
        records = [_record(use, with_models=coder is None) for use in uses]
        click.echo(json.dumps(records, indent=2, ensure_ascii=False))
        return
    for use in uses:
        click.echo(_line(use, with_models=coder is None))
    if uses and not simulated and not any(use.suggestions for use in uses):
        click.echo("nothing is coded yet; --simulated counts what rehearsals wrote", err=True)
    if not uses:
        click.echo(
            "no category yet; 'equipoise survey coding category add' or 'import' of a codebook makes some",
            err=True,
        )


def _record(use: CategoryUse, *, with_models: bool) -> dict[str, object]:
    return {
        "name": use.category.name,
        "label": use.category.label,
        "definition": use.category.definition,
        "merged_into": use.category.merged_into,
        "split_from": use.category.split_from,
        "retired": use.category.retired,
        "standing": use.standing,
        "suggestions": {stance.value: count for stance, count in use.by_stance.items()},
        # A coder who has put one suggestion there is not to learn whose it is.
        **({"of_models": {s.value: _of_models(use, s) for s in use.by_stance}} if with_models else {}),
        "by_coder": dict(use.by_coder),
        "adjudicated": use.adjudicated,
        "proposed": dict(use.proposed),
    }


def _of_models(use: CategoryUse, stance: Stance) -> int:
    return sum(
        n for (asked, kind, _), n in use.by_source.items() if asked is stance and kind is RespondentKind.MODEL
    )


def _line(use: CategoryUse, *, with_models: bool) -> str:
    category = use.category
    notes = [f"merged into {category.merged_into}"] if category.merged_into else []
    notes += [f"split from {category.split_from}"] if category.split_from else []
    notes += ["retired"] if category.retired else []
    counts = ", ".join(
        f"{count} {stance.value}" + (f" ({of_models} of models)" if with_models and of_models else "")
        for stance, count in use.by_stance.items()
        for of_models in [_of_models(use, stance)]
    )
    about = f" ({'; '.join(notes)})" if notes else ""
    used = "" if category.merged_into else f": {counts}"
    return f"{category.name}  {category.label}{about}{used}"


@click.group("category")
def category_group() -> None:
    """Add, reword, merge, split and retire categories. All but the words can be taken back.

    \b
    Example:
      equipoise survey coding category add kidney-attributes "Age" --definition "How old somebody is"
    """


@category_group.command("add")
@slug_argument
@click.argument("label")
@version_option
@click.option("--name", default="", help="Identifier in files; without it one is made from the label.")
@click.option("--definition", default="", help="When to use it, and when not.")
@json_option
def add_command(
    slug: str, label: str, study_version: str | None, name: str, definition: str, as_json: bool
) -> None:
    """Add a category called LABEL.

    \b
    Example:
      equipoise survey coding category add kidney-attributes "Age" --definition "How old somebody is"
    """
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        row = categories.add_category(
            session, study, label, definition=definition, name=name, now=datetime.now(UTC), actor=ACTOR
        )
        record = {"name": row.name, "label": row.label, "definition": row.definition}
    _say(record, f"category '{record['name']}': {record['label']}", as_json)


@category_group.command("reword")
@slug_argument
@click.argument("name")
@version_option
@click.option("--label", help="New label.")
@click.option("--definition", help="New definition.")
@json_option
def reword_command(
    slug: str, name: str, study_version: str | None, label: str | None, definition: str | None, as_json: bool
) -> None:
    """Change a category's label, definition or both. Its name never changes.

    \b
    Example:
      equipoise survey coding category reword kidney-attributes age --label "Age of the patient"
    """
    if label is None and definition is None:
        raise click.UsageError("give --label, --definition or both")
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        changed = categories.reword_category(
            session, study, name, label=label, definition=definition, now=datetime.now(UTC), actor=ACTOR
        )
    _say_changed(name, "reworded", changed, as_json)


@category_group.command("merge")
@slug_argument
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@version_option
@click.option("--into", required=True, metavar="NAME", help="The category that stands for them from now on.")
@json_option
def merge_command(
    slug: str, names: tuple[str, ...], study_version: str | None, into: str, as_json: bool
) -> None:
    """Let one category stand for others. Codes keep the category they were given with.

    \b
    Example:
      equipoise survey coding category merge kidney-attributes years-old young --into age
    """
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        merged = categories.merge_categories(session, study, names, into, now=datetime.now(UTC), actor=ACTOR)
    said = f"{', '.join(merged)} merged into {into}" if merged else f"merged into {into} already"
    _say({"merged": merged, "into": into}, said, as_json)


@category_group.command("unmerge")
@slug_argument
@click.argument("name")
@version_option
@json_option
def unmerge_command(slug: str, name: str, study_version: str | None, as_json: bool) -> None:
    """Take a merge back: the category stands for itself again.

    \b
    Example:
      equipoise survey coding category unmerge kidney-attributes years-old
    """
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        changed = categories.unmerge_category(session, study, name, now=datetime.now(UTC), actor=ACTOR)
    _say_changed(name, "stands for itself", changed, as_json)


@category_group.command("split")
@slug_argument
@click.argument("name")
@version_option
@click.option(
    "--into",
    "labels",
    required=True,
    multiple=True,
    metavar="LABEL",
    help="Label of a new category; at least two.",
)
@json_option
def split_command(
    slug: str, name: str, study_version: str | None, labels: tuple[str, ...], as_json: bool
) -> None:
    """Retire a category and add those that it is split into. What was coded with it counts there until it is coded
    again ('coding list --coder NAME --state to_code_again').

    \b
    Example:
      equipoise survey coding category split kidney-attributes lifestyle --into Smoking --into Drinking
    """
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        rows = categories.split_category(session, study, name, labels, now=datetime.now(UTC), actor=ACTOR)
        into = [row.name for row in rows]
    _say({"name": name, "into": into}, f"{name} split into {', '.join(into)}", as_json)


@category_group.command("retire")
@slug_argument
@click.argument("name")
@version_option
@json_option
def retire_command(slug: str, name: str, study_version: str | None, as_json: bool) -> None:
    """Offer a category to coders no longer. What is coded with it keeps it.

    \b
    Example:
      equipoise survey coding category retire kidney-attributes lifestyle
    """
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        changed = categories.retire_category(session, study, name, now=datetime.now(UTC), actor=ACTOR)
    _say_changed(name, "retired", changed, as_json)


@category_group.command("restore")
@slug_argument
@click.argument("name")
@version_option
@json_option
def restore_command(slug: str, name: str, study_version: str | None, as_json: bool) -> None:
    """Offer a retired category again.

    \b
    Example:
      equipoise survey coding category restore kidney-attributes lifestyle
    """
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        changed = categories.restore_category(session, study, name, now=datetime.now(UTC), actor=ACTOR)
    _say_changed(name, "offered again", changed, as_json)


def _say_changed(name: str, what: str, changed: bool, as_json: bool) -> None:
    said = f"category '{name}': {what}" + ("" if changed else " already: nothing changed")
    _say({"name": name, "changed": changed}, said, as_json)


def _say(record: object, said: str, as_json: bool) -> None:
    click.echo(json.dumps(record, indent=2, ensure_ascii=False) if as_json else said)
