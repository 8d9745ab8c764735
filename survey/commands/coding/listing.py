"""``equipoise survey coding list``, ``alike`` and ``audit``: suggestions, look-alikes, and who did what."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import click

from survey.answers import RespondentKind
from survey.coding.coding import CodeKind
from survey.commands.coding.common import (
    one_line,
    outcome_given,
    simulated_option,
    slug_argument,
    words_for,
)
from survey.commands.common import ACTOR, changing, counted, json_option, looking, version_option
from survey.store import studies, suggestion_list
from survey.store.audit import audit_page
from survey.store.look_alikes import ToGroup, groups_among, keep_groups, suggestions_to_group
from survey.store.suggestion_list import CodingState, ListedSuggestion, Order
from survey.suggestions import Stance
from survey.tables import EventRow

PREFIX = "coding: "
"""How the events begin that the audit log keeps about coding."""
_MOST_LISTED = 500
_KINDS = {"people": RespondentKind.HUMAN, "models": RespondentKind.MODEL}


@click.command("list")
@slug_argument
@version_option
@click.option("--search", default="", help="Words that stand in the text, the direction or the reason.")
@click.option("--stance", type=click.Choice([s.value for s in Stance]), help="Only one question's.")
@click.option("--category", default="", metavar="NAME", help="Only what is in this category.")
@click.option("--no-category", is_flag=True, help="Only what names something that no category holds.")
@click.option("--unusable", is_flag=True, help="Only what names nothing.")
@click.option(
    "--state",
    type=click.Choice([s.value for s in CodingState]),
    default=CodingState.ALL.value,
    show_default=True,
    help="How far it is coded: by --coder, or by anybody.",
)
@click.option(
    "--coder",
    help="Whose codes to show and whose state and category it is. Nobody else's codes are shown then, nor which "
    "suggestions are models'.",
)
@click.option("--kind", type=click.Choice(list(_KINDS)), help="Only people's or only models'.")
@click.option("--alike", type=int, metavar="GROUP", help="Only one group of look-alikes.")
@click.option(
    "--order",
    type=click.Choice([o.value for o in Order]),
    default=Order.ARRIVAL.value,
    show_default=True,
    help="In which order; shuffled: --coder's own, as on the pages.",
)
@click.option(
    "--limit", type=click.IntRange(1, _MOST_LISTED), default=50, show_default=True, help="Per page."
)
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Which page.")
@simulated_option
@json_option
def list_command(
    slug: str,
    study_version: str | None,
    search: str,
    stance: str | None,
    category: str,
    no_category: bool,
    unusable: bool,
    state: str,
    coder: str | None,
    kind: str | None,
    alike: int | None,
    order: str,
    limit: int,
    page: int,
    simulated: bool,
    as_json: bool,
) -> None:
    """List suggestions with their codes. Nothing tells who made one.

    \b
    Example:
      equipoise survey coding list kidney-attributes --search smok
      equipoise survey coding list kidney-attributes --coder anna --state to_code --order shuffled
      equipoise survey coding list kidney-attributes --no-category --kind people
    """
    said = outcome_given([category] if category else [], no_category, unusable)
    if coder is not None and kind is not None:
        raise click.UsageError(
            "--kind: who codes is not to know who made a suggestion; leave out --kind or --coder"
        )
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        found = suggestion_list.suggestions_page(
            session,
            study,
            search=search,
            stance=Stance(stance) if stance else None,
            category=category,
            outcome=None if category else said,
            state=CodingState(state),
            coder=coder,
            kind=_KINDS[kind] if kind else None,
            alike=alike,
            simulated=simulated,
            order=Order(order),
            page=page,
            size=limit,
            with_codes=coder is None,
        )
    if as_json:
        record = {"total": found.total, "page": found.page, "pages": found.pages}
        rows = [listed_record(row, with_kind=coder is None) for row in found.rows]
        click.echo(json.dumps(record | {"suggestions": rows}, indent=2, ensure_ascii=False))
        return
    for row in found.rows:
        click.echo(listed_line(row, with_kind=coder is None))
    shown = f", page {found.page} of {found.pages}" if found.pages > 1 else ""
    click.echo(f"{counted(found.total, 'suggestion')}{shown}", err=True)


def listed_line(row: ListedSuggestion, *, with_kind: bool = False) -> str:
    """Return a suggestion with its codes as a terminal shows it. ``with_kind`` marks models': nobody who codes or
    settles is to know them."""
    mark = " (model)" if with_kind and row.kind is RespondentKind.MODEL else ""
    lines = [f"{row.id:>6}  {row.stance.value:<10}  {one_line(row.text)}{mark}"]
    for name, text in (("direction", row.direction), ("why", row.why)):
        if text:
            lines.append(f"{'':>20}{name}: {one_line(text)}")
    if row.alike_count > 1:
        lines.append(f"{'':>20}group {row.alike}: {row.alike_count} alike")
    for who, said in _said(row).items():
        lines.append(f"{'':>20}{who}: {said}")
    return "\n".join(lines)


def listed_record(row: ListedSuggestion, *, with_kind: bool = False) -> dict[str, Any]:
    """Return a suggestion with its codes as plain data, as :func:`listed_line` does."""
    return {
        "id": row.id,
        **({"kind": row.kind.value} if with_kind else {}),
        "stance": row.stance.value,
        "text": row.text,
        "why": row.why,
        "direction": row.direction,
        "language": row.language,
        "group": row.alike,
        "codes": [
            {
                "kind": code.kind.value,
                "coder": code.coder,
                "outcome": code.outcome.value,
                "category": code.category,
                "standing": code.standing,
            }
            for code in row.codes or row.own
        ],
    }


def _said(row: ListedSuggestion) -> dict[str, str]:
    """Return who says what of a suggestion, in words."""
    names: dict[tuple[CodeKind, str], list[str]] = {}
    outcomes = {}
    for code in row.codes or row.own:
        key = (code.kind, code.coder)
        names.setdefault(key, [])
        outcomes[key] = code.outcome
        if code.standing and code.standing not in names[key]:
            names[key].append(code.standing)
    prefix = {CodeKind.ADJUDICATED: "adjudicated", CodeKind.MODEL: "proposed by "}
    return {
        f"{prefix.get(kind, '')}{coder}": words_for(outcomes[kind, coder], said)
        for (kind, coder), said in names.items()
    }


@click.command("alike")
@slug_argument
@version_option
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.6,
    show_default=True,
    help="How much alike two texts must be, from 0 to 1.",
)
@click.option(
    "--show",
    type=click.IntRange(0, 1000),
    default=10,
    show_default=True,
    help="Groups to print, largest first.",
)
@json_option
def alike_command(slug: str, study_version: str | None, threshold: float, show: int, as_json: bool) -> None:
    """Group suggestions that are written alike. A help for whoever codes: nothing is coded by it.

    The groups stand in lists and pages until they are made anew. Simulated participants' are grouped by themselves.

    \b
    Example:
      equipoise survey coding alike kidney-attributes --threshold 0.6
    """
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        suggestions = suggestions_to_group(session, study)
        version = study.version
    groups = groups_among(suggestions, threshold=threshold)
    with changing() as session:
        study = studies.find_study(session, slug, version)
        several = keep_groups(session, study, groups, threshold=threshold, now=datetime.now(UTC), actor=ACTOR)
    members: dict[int, list[ToGroup]] = {}
    for suggestion in suggestions:
        members.setdefault(groups[suggestion.id], []).append(suggestion)
    largest = sorted(members, key=lambda number: (-len(members[number]), number))
    shown = [number for number in largest if len(members[number]) > 1][:show]
    if as_json:
        record = {
            "suggestions": len(groups),
            "groups": len(members),
            "groups_of_several": several,
            "threshold": threshold,
            "largest": [{"group": n, "size": len(members[n]), "texts": _texts(members[n])} for n in shown],
        }
        click.echo(json.dumps(record, indent=2, ensure_ascii=False))
        return
    click.echo(
        f"{counted(len(groups), 'suggestion')} in {counted(len(members), 'group')}, "
        f"{several} of them with more than one"
    )
    for number in shown:
        texts = " · ".join(one_line(text) for text in _texts(members[number]))
        click.echo(f"  group {number}, {len(members[number])} alike: {texts}")


def _texts(members: list[ToGroup]) -> list[str]:
    """Return up to three different texts of a group, the most frequent first."""
    return [text for text, _ in Counter(" ".join(s.text.split()) for s in members).most_common(3)]


@click.command("audit")
@slug_argument
@version_option
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Events to list."
)
@json_option
def audit_command(slug: str, study_version: str | None, limit: int, as_json: bool) -> None:
    """List what was done to a study's coding, and by whom, newest first.

    \b
    Example:
      equipoise survey coding audit kidney-attributes --limit 20
    """
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        events: list[EventRow] = []
        before: int | None = None
        while len(events) < limit:
            page = audit_page(session, study_id=study.id, before=before, count=200)
            events += [event for event, _ in page.events if event.what.startswith(PREFIX)]
            before = page.older
            if before is None:
                break
        records: list[dict[str, Any]] = [
            {
                "at": event.at.isoformat(timespec="seconds"),
                "by": event.actor,
                "what": event.what.removeprefix(PREFIX),
                "detail": event.detail,
            }
            for event in events[:limit]
        ]
    if as_json:
        click.echo(json.dumps(records, indent=2, ensure_ascii=False))
        return
    for record in records:
        detail = ", ".join(f"{key} {_in_words(value)}" for key, value in record["detail"].items())
        click.echo(
            f"{record['at']}  {record['what']}  ({record['by']})" + (f"\n    {detail}" if detail else "")
        )
    if not records:
        click.echo("nothing was coded yet", err=True)


def _in_words(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(_in_words, value)) or "none"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_in_words(part)}" for key, part in value.items()) or "none"
    return one_line(str(value)) or "none"
