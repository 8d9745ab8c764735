"""Adjudication: what coders differ in, side by side, settled one by one or as one coder said. For owners.

What was settled into a category that was split or retired since comes here again. They come shuffled, in an order
of whoever settles, as they do to coders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey.coding.coding import CodeKind, Ended, Outcome
from survey.db import reading, writing
from survey.store import codes, studies
from survey.store.categories import CodingConflict, NoSuchCategory, index_of
from survey.store.codes import NoSuchSuggestion
from survey.store.suggestion_list import (
    CodingState,
    ListedSuggestion,
    Order,
    listed_suggestion,
    suggestion_ids,
)
from survey.tables import CodeRow, StudyRow, SuggestionRow
from survey.web.access import current_actor, owners_only
from survey.web.context import now, the_engine
from survey.web.research.coding.common import (
    Said,
    any_suggestion,
    asked_for,
    number,
    said_by_coders,
    sentence,
    settled_as,
    this_coder,
)
from survey.web.research.coding.listing import offered
from survey.web.research.common import study_or_404
from survey.web.research.figures import asks_for_simulated
from survey.web.research.views import blueprint

_RECENT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one coder said, under the coder's name or a letter."""

    who: str
    outcome: str
    labels: Sequence[str]
    names: Sequence[str]
    again: bool
    """Whether a category among them is retired, so that it cannot be settled with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A suggestion that was settled lately."""

    id: int
    text: str
    final: Said


@blueprint.get("/studies/<int:study_id>/suggestions/adjudication")
@owners_only
def adjudication(study_id: int) -> str:
    """Show the suggestion that the address names, if it is to be settled, else the next to settle after it."""
    return _page(study_id, at=number("at"), after=number("after"))


@blueprint.post("/studies/<int:study_id>/suggestions/<int:suggestion_id>/settle")
@owners_only
def adjudicate(study_id: int, suggestion_id: int) -> Response | tuple[str, int]:
    """Settle one suggestion, and go on to the next."""
    do = request.form.get("do", "")
    if do not in ("save", Outcome.NO_CATEGORY.value, Outcome.UNUSABLE.value):
        abort(400)
    names = request.form.getlist("category") if do == "save" else []
    try:
        if do == "save" and not names:
            raise CodingConflict("choose a category, or say that none holds it or that it is unusable")
        with writing(the_engine()) as session:
            study = study_or_404(session, study_id)
            codes.adjudicate(
                session,
                study,
                suggestion_id,
                categories=names,
                outcome=None if do == "save" else Outcome(do),
                now=now(),
                actor=current_actor(),
            )
    except NoSuchSuggestion:
        abort(404)
    except (CodingConflict, NoSuchCategory) as error:
        return _page(study_id, at=suggestion_id, complaints=[sentence(error)]), 400
    return redirect(_address(study_id, after=suggestion_id), code=303)


@blueprint.post("/studies/<int:study_id>/suggestions/<int:suggestion_id>/open")
@owners_only
def withdraw_adjudication(study_id: int, suggestion_id: int) -> Response:
    """Leave a suggestion to what its coders say."""
    try:
        with writing(the_engine()) as session:
            study = study_or_404(session, study_id)
            codes.withdraw_adjudication(session, study, suggestion_id, now=now(), actor=current_actor())
    except NoSuchSuggestion:
        abort(404)
    return redirect(_address(study_id, at=suggestion_id), code=303)


@blueprint.post("/studies/<int:study_id>/suggestions/settle")
@owners_only
def settle_all(study_id: int) -> Response:
    """Settle everything that is open as one coder said."""
    if request.form.get("sure") != "yes":
        abort(400)
    simulated = asks_for_simulated()
    try:
        with writing(the_engine()) as session:
            study = study_or_404(session, study_id)
            # Pressed twice, or with a page from before others settled some: only what the page spoke of.
            if str(len(_open(session, study, simulated))) != request.form.get("open"):
                flash("The number of open ones has changed since. Nothing was settled: look again.")
            else:
                coder = request.form.get("coder", "")
                n = codes.settle_with(
                    session, study, coder, simulated=simulated, now=now(), actor=current_actor()
                )
                flash(f"{n} {'is' if n == 1 else 'are'} settled as {coder} said.")
    except CodingConflict as error:
        flash(sentence(error))
    return redirect(_address(study_id), code=303)


def _page(
    study_id: int, *, at: int | None = None, after: int | None = None, complaints: Sequence[str] = ()
) -> str:
    simulated, named, order = asks_for_simulated(), request.args.get("names") == "yes", _order()
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        open_ids = _open(session, study, simulated, order)
        id_ = at if at in open_ids else _following(session, study, simulated, order, open_ids, at or after)
        row = None if id_ is None else listed_suggestion(session, study, id_, with_codes=True)
        said = said_by_coders(row) if row else {}
        before = settled_as(row) if row else None
        return render_template(
            "research/coding/adjudication.html",
            study=study,
            design=studies.design_of(study),
            named=named,
            kept=_kept(),
            here={"at": id_} if id_ else {"after": at or after},
            order=order,
            orders=_orders(session, study),
            open=len(open_ids),
            settled=_n_settled(session, study, simulated),
            row=row,
            before=before,
            ended=_ended(session, study, before.names) if before else "",
            opinions=_opinions(said, named=named),
            chosen=_said_by_all(said),
            offered=offered(session, study),
            recent=_recent(session, study, simulated),
            coders=_coders(session, study),
            complaints=complaints,
        )


def _opinions(said: Mapping[str, Said], *, named: bool) -> list[Opinion]:
    return [
        Opinion(
            who=coder if named else f"Coder {chr(ord('A') + place % 26)}{place // 26 or ''}",
            outcome=one.outcome,
            labels=one.labels,
            names=one.names,
            again=one.again,
        )
        for place, (coder, one) in enumerate(said.items())
    ]


def _ended(session: Session, study: StudyRow, names: Sequence[str]) -> str:
    """Return what became of the categories with these names: ``split``, ``retired`` or both."""
    index = index_of(session, study)
    found = {ended for name in names if (ended := index.ended(index.named(name)))}
    return " and ".join(ended.value for ended in Ended if ended in found)


def _said_by_all(said: Mapping[str, Said]) -> set[str]:
    sets = [set(one.names) for one in said.values()]
    return set.intersection(*sets) if sets else set()


def _order() -> Order:
    """Return the order asked for. Without one they are shuffled, as they are one by one for a coder: who settles
    learns and tires, too, and would do so along with one person's suggestions, and with models' behind people's."""
    return Order(asked_for().order or Order.SHUFFLED)


def _orders(session: Session, study: StudyRow) -> Mapping[Order, str]:
    """Return the orders on offer, with their words."""
    grouped = any_suggestion(session, study, SuggestionRow.alike.is_not(None))
    return {
        Order.SHUFFLED: "Shuffled",
        Order.ARRIVAL: "As they came",
        Order.TEXT: "By their words",
        **({Order.ALIKE: "Look-alikes together"} if grouped else {}),
    }


def _open(session: Session, study: StudyRow, simulated: bool, order: Order = Order.ARRIVAL) -> list[int]:
    return suggestion_ids(
        session, study, state=CodingState.DIFFER, simulated=simulated, order=order, coder=this_coder()
    )


def _following(
    session: Session,
    study: StudyRow,
    simulated: bool,
    order: Order,
    open_ids: Sequence[int],
    after: int | None,
) -> int | None:
    """Return the next that is open after the one just dealt with, in this order; None: that was the last."""
    if after is None or not open_ids:
        return next(iter(open_ids), None)
    if after in open_ids:
        return next(iter(open_ids[open_ids.index(after) + 1 :]), None)
    # Settled, it is open no longer: its place is among all. Taken back meanwhile, it has none.
    line = suggestion_ids(session, study, simulated=simulated, order=order, coder=this_coder())
    behind = line[line.index(after) + 1 :] if after in line else line
    still = set(open_ids)
    return next((id_ for id_ in behind if id_ in still), None)


def _n_settled(session: Session, study: StudyRow, simulated: bool) -> int:
    return len(suggestion_ids(session, study, state=CodingState.SETTLED, simulated=simulated))


def _recent(session: Session, study: StudyRow, simulated: bool) -> list[Settled]:
    latest = func.max(CodeRow.id)
    ids = session.scalars(
        select(CodeRow.suggestion_id)
        .join(SuggestionRow, SuggestionRow.id == CodeRow.suggestion_id)
        .where(
            SuggestionRow.study_id == study.id,
            SuggestionRow.removed_at.is_(None),
            SuggestionRow.simulated.is_(simulated),
            CodeRow.kind == CodeKind.ADJUDICATED,
            CodeRow.removed_at.is_(None),
        )
        .group_by(CodeRow.suggestion_id)
        .order_by(latest.desc())
        .limit(_RECENT)
    ).all()
    rows: list[ListedSuggestion] = [listed_suggestion(session, study, id_, with_codes=True) for id_ in ids]
    return [Settled(id=row.id, text=row.text, final=final) for row in rows if (final := settled_as(row))]


def _coders(session: Session, study: StudyRow) -> Sequence[str]:
    query = (
        select(CodeRow.coder)
        .join(SuggestionRow, SuggestionRow.id == CodeRow.suggestion_id)
        .where(
            SuggestionRow.study_id == study.id, CodeRow.kind == CodeKind.CODER, CodeRow.removed_at.is_(None)
        )
        .distinct()
        .order_by(CodeRow.coder)
    )
    return session.scalars(query).all()


def _kept() -> Mapping[str, Any]:
    """Return the parts of the address that go along from one suggestion to the next."""
    kept = {
        "names": "yes" if request.args.get("names") == "yes" else "",
        "simulated": "yes" if asks_for_simulated() else "",
        "order": asked_for().order,
    }
    return {name: value for name, value in kept.items() if value}


def _address(study_id: int, **more: Any) -> str:
    return url_for(".adjudication", study_id=study_id, **_kept(), **more)
