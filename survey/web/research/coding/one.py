"""Coding one suggestion after the other: the page that coders live in. It works by keyboard alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey.coding.coding import Category, Outcome
from survey.db import reading, writing
from survey.store import categories as category_store
from survey.store import codes, studies
from survey.store.categories import CodingConflict, NoSuchCategory
from survey.store.codes import NoSuchSuggestion
from survey.store.suggestion_list import CodingState, Order, listed_suggestion
from survey.tables import StudyRow
from survey.web.access import coders_only, current_actor
from survey.web.context import now, the_engine
from survey.web.research.coding.common import AskedFor, asked_for, ids_of, number, sentence, this_coder
from survey.web.research.coding.listing import RowShown, offered, shown
from survey.web.research.coding.quick import read_typed
from survey.web.research.common import study_or_404
from survey.web.research.views import blueprint

LONGEST_TYPED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was sent and is not stored, to be shown again."""

    chosen: Sequence[str]
    """Names of categories."""
    quick: str
    complaints: Sequence[str]


@blueprint.get("/studies/<int:study_id>/suggestions/next")
@coders_only
def next_to_code(study_id: int) -> Response:
    """Go to the first suggestion that is left to code, of those searched for."""
    asked = _asked()
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        line = _line(session, study, asked)
        left = _left(session, study, asked)
    return _go_on(study_id, asked, line, left, after=0)


@blueprint.get("/studies/<int:study_id>/suggestions/<int:suggestion_id>")
@coders_only
def code_page(study_id: int, suggestion_id: int) -> str:
    """Show one suggestion with all categories."""
    return _code_page(study_id, suggestion_id, _asked())


@blueprint.post("/studies/<int:study_id>/suggestions/<int:suggestion_id>")
@coders_only
def save_code(study_id: int, suggestion_id: int) -> Response | tuple[str, int]:
    """Store what the coder says, and go on to the next that is left."""
    asked, do = _asked(), request.form.get("do", "save")
    if do not in ("save", "back", Outcome.NO_CATEGORY.value, Outcome.UNUSABLE.value):
        abort(400)
    ticked, quick = request.form.getlist("category"), request.form.get("quick", "")[:LONGEST_TYPED]
    # Before: what is said now may take it out of what was searched for.
    with reading(the_engine()) as session:
        line = _line(session, study_or_404(session, study_id), asked)
    try:
        with writing(the_engine()) as session:
            study = study_or_404(session, study_id)
            _save(session, study, suggestion_id, do, ticked, quick)
    except NoSuchSuggestion:
        abort(404)
    except (CodingConflict, NoSuchCategory) as error:
        given = Given(chosen=ticked, quick=quick, complaints=[sentence(error)])
        return _code_page(study_id, suggestion_id, asked, given), 400
    if do == "back":
        return redirect(_address(study_id, suggestion_id, asked), code=303)
    # In a transaction of its own: SQLite has one writer, and people answer meanwhile.
    with reading(the_engine()) as session:
        left = _left(session, study_or_404(session, study_id), asked)
    return _go_on(study_id, asked, line, left, after=suggestion_id)


def _save(
    session: Session, study: StudyRow, suggestion_id: int, do: str, ticked: Sequence[str], quick: str
) -> None:
    """Store what was sent; raises :class:`CodingConflict` with what is wrong with it."""
    moment, actor = now(), current_actor()
    names, outcome = list(ticked), None
    if do == "save":
        typed = read_typed(quick, offered(session, study))
        if typed.complaints:
            raise CodingConflict(" ".join(typed.complaints))
        outcome = typed.outcome
        if outcome:
            # Typed last: what was ticked before no longer holds.
            names = []
        new = [
            category_store.add_category(session, study, label, now=moment, actor=actor).name
            for label in typed.new
        ]
        names += [*typed.names, *new]
        if not names and not outcome:
            raise CodingConflict("choose a category, or say that none holds it or that it is unusable")
    else:
        names = []
        outcome = None if do == "back" else Outcome(do)
    codes.code_suggestion(
        session,
        study,
        suggestion_id,
        coder=this_coder(),
        categories=list(dict.fromkeys(names)),
        outcome=outcome,
        now=moment,
        actor=actor,
    )


def _asked() -> AskedFor:
    """Read the address. Whoever codes is blind to what others said and to who made a suggestion."""
    return asked_for().but(all_codes=False, kind="")


def _order(asked: AskedFor) -> Order:
    """Return the order asked for. Without one they are shuffled: else one person's would come together, models'
    behind all people's, and a coder who tires or learns would code them differently."""
    return Order(asked.order or Order.SHUFFLED)


def _rereads(asked: AskedFor) -> bool:
    """Whether what was searched for is what the coder has coded: all of that is gone through, once."""
    return asked.state == CodingState.CODED or bool(asked.category and not asked.state)


def _line(session: Session, study: StudyRow, asked: AskedFor) -> list[int]:
    """Return the ids of all that was searched for, in order, whether it is left to code or not."""
    state = asked.state if _rereads(asked) else ""
    return ids_of(session, study, asked.but(state=state, page=1), order=_order(asked))


def _left(session: Session, study: StudyRow, asked: AskedFor) -> set[int]:
    """Return the ids of what is left to code of those searched for: alone what is to be coded again, if that was
    searched for."""
    me, found = this_coder(), set()
    only_again = asked.state == CodingState.TO_CODE_AGAIN.value
    for state in (CodingState.TO_CODE_AGAIN, *(() if only_again else (CodingState.TO_CODE,))):
        found.update(ids_of(session, study, asked.but(state="", page=1), state=state, coder=me))
    return found


def _go_on(study_id: int, asked: AskedFor, line: Sequence[int], left: set[int], *, after: int) -> Response:
    """Go to the next in line after the one just dealt with, and at the end to those that were passed over."""
    here = line.index(after) + 1 if after in line else 0
    if _rereads(asked):
        next_ = line[here] if here < len(line) else None
        done = "That was the last of them."
    else:
        next_ = next((id_ for id_ in (*line[here:], *line[:here]) if id_ in left), None)
        # What came in meanwhile stands in no line yet.
        next_ = min(left, default=None) if next_ is None else next_
        done = "You have coded all of them."
    if next_ is None:
        flash(done)
        return redirect(url_for(".suggestions", study_id=study_id, **asked.query(page=None)), code=303)
    if next_ == after:
        flash("This one is the last that is left.")
    return redirect(_address(study_id, next_, asked, was=after or None), code=303)


def _address(study_id: int, suggestion_id: int, asked: AskedFor, was: int | None = None) -> str:
    query = asked.query(page=None)
    return url_for(".code_page", study_id=study_id, suggestion_id=suggestion_id, was=was, **query)


def _code_page(study_id: int, suggestion_id: int, asked: AskedFor, given: Given | None = None) -> str:
    me, was = this_coder(), number("was")
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        row = _row(session, study, suggestion_id, me)
        if row is None:
            abort(404)
        line = _line(session, study, asked)
        place = line.index(suggestion_id) if suggestion_id in line else None
        on_offer = offered(session, study)
        chosen = set(given.chosen if given else row.mine.names if row.mine else ())
        return render_template(
            "research/coding/code.html",
            study=study,
            design=studies.design_of(study),
            asked=asked,
            row=row,
            was=_row(session, study, was, me) if was else None,
            left=len(_left(session, study, asked)),
            only_again=asked.state == CodingState.TO_CODE_AGAIN.value,
            is_searched=asked.but(state="").is_narrowed,
            all_in=len(line),
            place=place,
            rereads=_rereads(asked),
            order=_order(asked),
            before=line[place - 1] if place else None,
            after=next(iter(line if place is None else line[place + 1 : place + 2]), None),
            offered=on_offer,
            kept=_no_longer_offered(session, study, chosen, on_offer),
            chosen=chosen,
            outcome="" if given or not row.mine else row.mine.outcome,
            quick=given.quick if given else "",
            complaints=given.complaints if given else [],
            longest_typed=LONGEST_TYPED,
        )


def _row(session: Session, study: StudyRow, suggestion_id: int, coder: str) -> RowShown | None:
    try:
        return shown(listed_suggestion(session, study, suggestion_id, coder=coder))
    except NoSuchSuggestion:
        return None


def _no_longer_offered(
    session: Session, study: StudyRow, chosen: set[str], on_offer: Sequence[Category]
) -> list[Category]:
    """Return chosen categories that were retired since."""
    there = {category.name for category in on_offer}
    index = category_store.index_of(session, study)
    rows = [index.by_name[name] for name in sorted(chosen - there) if name in index.by_name]
    return [index.as_category(row) for row in rows]
