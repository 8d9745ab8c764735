"""``equipoise survey coding code`` and ``adjudicate``: what coders say, and what is settled where they differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy.orm import Session

from survey.coding.coded_elsewhere import codes_of, codes_remarks, read_codes
from survey.coding.coding import CodeKind, CodingError, Ended
from survey.commands.coding.common import (
    category_option,
    outcome_given,
    outcome_options,
    simulated_option,
    slug_argument,
)
from survey.commands.coding.listing import listed_line, listed_record
from survey.commands.coding.sources import categories_in, content_of, in_lines
from survey.commands.common import ACTOR, changing, counted, json_option, looking, version_option
from survey.store import codes, studies, suggestion_list
from survey.store.categories import index_of
from survey.store.suggestion_imports import BadImport, import_codes
from survey.store.suggestion_list import CodingState, ListedSuggestion, Order
from survey.tables import StudyRow


@click.command("code")
@slug_argument
@click.argument("suggestions", metavar="[ID]...", type=int, nargs=-1)
@version_option
@click.option("--coder", required=True, help="Who says so: a name, the same every time.")
@category_option
@outcome_options
@click.option("--take-back", is_flag=True, help="The coder says nothing of it any more.")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    metavar="CODES.CSV",
    help="A spreadsheet coded by hand instead of IDs ('export --sheet' writes it).",
)
@json_option
def code_command(
    slug: str,
    suggestions: tuple[int, ...],
    study_version: str | None,
    coder: str,
    categories: tuple[str, ...],
    no_category: bool,
    unusable: bool,
    take_back: bool,
    source: Path | None,
    as_json: bool,
) -> None:
    """Say what a coder finds in suggestions: all that the coder says of each, in place of what was said before.

    \b
    Example:
      equipoise survey coding code kidney-attributes 12 17 --coder anna --category age
      equipoise survey coding code kidney-attributes 13 --coder anna --unusable
      equipoise survey coding code kidney-attributes --from anna.csv --coder anna
    """
    outcome = outcome_given(categories, no_category, unusable)
    remarks: tuple[str, ...] = ()
    if source is not None:
        if suggestions or outcome or take_back:
            raise click.UsageError("with --from, the file says which suggestions and what")
        content = content_of(source)
        added, ended, there = _code_from(slug, study_version, source, content, coder)
        remarks = codes_remarks(content, str(source))
        record: dict[str, object] = {
            "coder": coder,
            "added": added,
            "ended": ended,
            "already_there": there,
            "remarks": list(remarks),
        }
        said = f"{source}: {counted(added, 'code')} added, {ended} ended, {there} there already"
    else:
        if not suggestions:
            raise click.UsageError(
                "name suggestions by their numbers ('coding list' shows them), or give --from"
            )
        if (outcome is None) != take_back:
            raise click.UsageError("give --category (one or more), --no-category, --unusable or --take-back")
        with changing() as session:
            study = studies.find_study(session, slug, study_version)
            changed = [
                suggestion
                for suggestion in dict.fromkeys(suggestions)
                if codes.code_suggestion(
                    session,
                    study,
                    suggestion,
                    coder=coder,
                    categories=categories,
                    outcome=outcome,
                    now=datetime.now(UTC),
                    actor=ACTOR,
                )
            ]
        record = {"coder": coder, "changed": changed}
        same = len(set(suggestions)) - len(changed)
        said = f"{coder}: {counted(len(changed), 'suggestion')} coded" + (
            f", {same} coded so already" if same else ""
        )
    click.echo(json.dumps(record, indent=2, ensure_ascii=False) if as_json else said)
    for remark in () if as_json else remarks:
        click.echo(remark, err=True)


def _code_from(
    slug: str, study_version: str | None, source: Path, content: bytes, coder: str
) -> tuple[int, int, int]:
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        lines = read_codes(content, str(source), categories_in(session, study), coder=coder)
        foreign = next((line for line in lines if line.kind is not CodeKind.CODER), None)
        if foreign is not None:
            raise CodingError(
                f"{source}:{foreign.line}: column 'kind': '{foreign.kind.value}' is no coder's own; "
                "'equipoise survey coding import' takes such tables"
            )
        rows = [(line, code) for line in lines for code in codes_of(line)]
        try:
            done = import_codes(
                session, study, [code for _, code in rows], now=datetime.now(UTC), actor=ACTOR
            )
        except BadImport as error:
            raise in_lines(error, str(source), [line.line for line, _ in rows]) from None
    return done.added, done.ended, done.already_there


@click.command("adjudicate")
@slug_argument
@click.argument("suggestion", metavar="[ID]", type=int, required=False)
@version_option
@category_option
@outcome_options
@click.option("--withdraw", is_flag=True, help="Leave it to its coders again.")
@click.option("--open", "list_open", is_flag=True, help="List what waits to be settled.")
@click.option("--with", "coder", metavar="CODER", help="Settle everything open as this coder said.")
@click.option(
    "--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="With --open: per page."
)
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="With --open: which page.")
@click.option(
    "--order",
    type=click.Choice([o.value for o in Order]),
    help="With --open: in which order; shuffled, the default: --by's own, as on the pages.",
)
@click.option("--by", metavar="NAME", help="With --open: who settles, whose shuffled order it is.")
@simulated_option
@json_option
def adjudicate_command(
    slug: str,
    suggestion: int | None,
    study_version: str | None,
    categories: tuple[str, ...],
    no_category: bool,
    unusable: bool,
    withdraw: bool,
    list_open: bool,
    coder: str | None,
    limit: int,
    page: int,
    order: str | None,
    by: str | None,
    simulated: bool,
    as_json: bool,
) -> None:
    """Settle what a suggestion is coded with where coders differ; their own codes stay as they are.

    What was settled into a category that was split or retired since waits to be settled again. With --with, what
    CODER has not coded, or has to code again, stays open. --open lists in an order that is drawn, and always the
    same: as they came, one person's stand together and models' last, and who learns or tires would settle these
    differently.

    \b
    Example:
      equipoise survey coding adjudicate kidney-attributes --open --by anna
      equipoise survey coding adjudicate kidney-attributes 17 --category age
      equipoise survey coding adjudicate kidney-attributes --with anna
    """
    outcome = outcome_given(categories, no_category, unusable)
    asked = [suggestion is not None, list_open, coder is not None]
    if sum(asked) != 1:
        raise click.UsageError("give a suggestion's number, or --open, or --with CODER")
    if (suggestion is None) and (outcome or withdraw):
        raise click.UsageError(
            "--category, --no-category, --unusable and --withdraw go with a suggestion's number"
        )
    if suggestion is not None and (outcome is None) != withdraw:
        raise click.UsageError("give --category (one or more), --no-category, --unusable or --withdraw")
    if (by or order) and not list_open:
        raise click.UsageError("--by and --order go with --open: they say which order the list has")
    if list_open:
        chosen = Order(order or Order.SHUFFLED)
        _list_open(slug, study_version, limit, page, chosen, by, simulated, as_json)
        return
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        if coder is not None:
            settled = codes.settle_with(
                session, study, coder, simulated=simulated, now=datetime.now(UTC), actor=ACTOR
            )
            left = _open_count(session, study, simulated)
            record: dict[str, object] = {"as_coder": coder, "settled": settled, "open": left}
            said = (
                f"{counted(settled, 'suggestion')} settled as {coder} said: a decision, and logged as one; "
                f"{left} still open"
            )
        else:
            assert suggestion is not None  # noqa: S101 - one of the three is given
            changed = _settle(session, study, suggestion, categories, withdraw, no_category, unusable)
            record = {"suggestion": suggestion, "changed": changed, "withdrawn": withdraw}
            did = "left to its coders" if withdraw else "settled"
            said = f"suggestion {suggestion}: {did if changed else f'{did} already'}"
    click.echo(json.dumps(record, indent=2, ensure_ascii=False) if as_json else said)


def _settle(
    session: Session,
    study: StudyRow,
    suggestion: int,
    categories: tuple[str, ...],
    withdraw: bool,
    no_category: bool,
    unusable: bool,
) -> bool:
    now = datetime.now(UTC)
    if withdraw:
        return codes.withdraw_adjudication(session, study, suggestion, now=now, actor=ACTOR)
    return codes.adjudicate(
        session,
        study,
        suggestion,
        categories=categories,
        outcome=outcome_given(categories, no_category, unusable),
        now=now,
        actor=ACTOR,
    )


def _open_count(session: Session, study: StudyRow, simulated: bool) -> int:
    return suggestion_list.suggestions_page(
        session, study, state=CodingState.DIFFER, simulated=simulated, size=1
    ).total


def _list_open(
    slug: str,
    study_version: str | None,
    limit: int,
    page: int,
    order: Order,
    by: str | None,
    simulated: bool,
    as_json: bool,
) -> None:
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        found = suggestion_list.suggestions_page(
            session,
            study,
            state=CodingState.DIFFER,
            simulated=simulated,
            coder=by,
            order=order,
            page=page,
            size=limit,
            with_codes=True,
        )
        index = index_of(session, study)
        ended = {row.name: why for row in index.rows.values() if (why := index.ended(row))}
    again = {row.id: _settled_before(row, ended) for row in found.rows}
    if as_json:
        record = {"total": found.total, "page": found.page, "pages": found.pages}
        rows = [listed_record(row) | {"settled_before": bool(again[row.id])} for row in found.rows]
        click.echo(json.dumps(record | {"suggestions": rows}, indent=2, ensure_ascii=False))
        return
    for row in found.rows:
        click.echo(listed_line(row))
        if again[row.id]:
            click.echo(f"{'':>20}{again[row.id]}")
    click.echo(f"{counted(found.total, 'suggestion')} to settle", err=True)


def _settled_before(row: ListedSuggestion, ended: Mapping[str, Ended]) -> str:
    """Return why something that was settled is to be settled again; empty: it was never settled."""
    was = {
        code.standing: ended[code.standing]
        for code in row.codes
        if code.kind is CodeKind.ADJUDICATED and code.standing in ended
    }
    said = ", ".join(f"'{name}' was {why.value}" for name, why in was.items())
    return f"settled before, but {said} since: settle it again" if said else ""
