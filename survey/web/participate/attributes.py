"""The pages about attributes: open questions, ratings, a ranking. What was sent is stored, or shown again with all
that was written and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import abort, flash, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey.acceptability import Acceptability, RatedAttribute, Rating, Unranked, read_ranking, read_ratings
from survey.db import reading
from survey.design import StudyDesign
from survey.store import attribute_answers, attribute_pages, suggesting
from survey.store.answering import NoSuchPresentation
from survey.store.attribute_answers import SentPage
from survey.store.suggesting import Kept, SentEntry
from survey.store.tokens import new_token
from survey.suggestions import (
    LONGEST_SUGGESTION,
    LONGEST_WHY,
    MOST_PER_QUESTION,
    EntryProblem,
    OpenQuestion,
    Stance,
    as_written,
    read_entry,
)
from survey.tables import AttributePageRow, AttributeTask, ParticipantRow, StudyRow
from survey.web.context import now, the_engine
from survey.web.participate.common import (
    blueprint,
    find_person,
    is_paused_for,
    own_link,
    read_revision,
    show_page,
    stepped,
    to_participant,
)
from survey.web.participate.visitor import read_client, read_seconds

_LONGEST = {"text": LONGEST_SUGGESTION, "direction": LONGEST_SUGGESTION, "why": LONGEST_WHY}
"""Fields of an entry, and how many characters each takes."""
_RATING, _PLACE = "rating-", "place-"
"""Before an attribute's name in the name of a field."""

Again = str | Response | tuple[str, int]
"""A page shown again with what is wrong, or the way on."""


# --- open questions ------------------------------------------------------------------------------------


def suggesting_page(
    session: Session,
    person: ParticipantRow,
    _study: StudyRow,
    design: StudyDesign,
    *,
    problem: str = "",
    written: Mapping[str, str] | None = None,
) -> str:
    """Return the page of the open question that waits.

    Parameters
    ----------
    problem
        Why what was sent could not be stored: a value of ``EntryProblem``, ``nothing`` or ``full``.
    written
        The fields as they were sent, to be shown again.
    """
    row = _waiting(session, person)
    asked = _question(design, row)
    entries = suggesting.entries_on(session, row)
    written = written or {}
    return _page(
        "suggesting",
        session,
        person,
        design,
        row,
        asked=asked,
        entries=entries,
        full=len(entries) >= MOST_PER_QUESTION,
        most=MOST_PER_QUESTION,
        longest=_LONGEST,
        problem=problem,
        written=written,
        too_long={name: len(as_written(text)) for name, text in written.items() if _is_too_long(name, text)},
        key=new_token(),
    )


@blueprint.post("/p/<token>/suggest")
def suggest(token: str) -> Again:
    """Store an entry; go on from the question if that is what was pressed."""
    pressed = request.form.get("step")
    key, page = request.form.get("key", ""), request.form.get("page", "")
    if pressed not in ("add", "go_on") or not (20 <= len(key) <= 64 and key.isascii()):
        abort(400)
    with reading(the_engine()) as session:
        person, _study, design = find_person(session, token)
        asked = _question(
            design, _page_of(session, person, page, AttributeTask.SHOULD, AttributeTask.SHOULD_NOT)
        )
    written = {name: request.form.get(name, "") for name in _fields_of(asked)}
    entry = read_entry(written)
    if isinstance(entry, EntryProblem):
        return _question_again(token, page, entry.value, written)
    if pressed == "add" and entry is None:
        return _question_again(token, page, "nothing", written)
    sent = SentEntry(page=page, key=key, entry=entry) if entry else None
    sent_page = _sent_page(page) if pressed == "go_on" else None
    became: list[Kept] = []

    def step(session: Session, person: ParticipantRow) -> None:
        if sent_page is not None:
            kept = suggesting.finish_page(session, person, sent_page, sent, now=now())
        else:
            assert sent is not None  # noqa: S101 - narrows the type; nothing to add was answered above
            kept = suggesting.add_entry(session, person, sent, now=now())
        became.append(kept)
        if kept is Kept.CLOSED:
            _tell_that_it_came_too_late(session, person, page)
        elif kept is Kept.REPLAYED and sent_page is not None:
            flash(gettext("You had gone on from that question already. Here is where you are now."))

    way_on = stepped(token, step)
    return _question_again(token, page, "full", written) if became == [Kept.FULL] else way_on


@blueprint.post("/p/<token>/remove")
def remove(token: str) -> Response:
    """Take an entry back."""
    page, key = request.form.get("page", ""), request.form.get("entry", "")

    def step(session: Session, person: ParticipantRow) -> None:
        if suggesting.remove_entry(session, person, page, key, now=now()) is Kept.CLOSED:
            flash(
                gettext(
                    "You had gone on from that question already, so nothing was removed. "
                    "Here is where you are now."
                )
            )

    return stepped(token, step)


def _question(design: StudyDesign, row: AttributePageRow) -> OpenQuestion:
    asked = design.suggestions.question(Stance(row.task.value)) if design.suggestions else None
    if asked is None:
        raise RuntimeError(f"page {row.id} asks what the design does not ask")
    return asked


def _fields_of(asked: OpenQuestion) -> list[str]:
    """Return the names of the fields that the question shows."""
    labels = {"text": asked.label, "direction": asked.direction_label, "why": asked.why_label}
    return [name for name in _LONGEST if labels[name]]


def _question_again(token: str, page: str, problem: str, written: Mapping[str, str]) -> Again:
    """Show the question with what was written; where it waits no longer, say that this was not stored."""
    with reading(the_engine()) as session:
        person, study, design = find_person(session, token)
        if is_paused_for(person, study):
            return to_participant(token)
        row = attribute_pages.open_attribute_page(session, person)
        if row is not None and row.token == page:
            again = suggesting_page(session, person, study, design, problem=problem, written=written)
            return again, 422
        if any(as_written(text) for text in written.values()):
            _tell_that_it_came_too_late(session, person, page)
    return to_participant(token)


def _tell_that_it_came_too_late(session: Session, person: ParticipantRow, page: str) -> None:
    last = attribute_answers.changeable_page(session, person)
    if last is not None and last.token == page:
        flash(
            gettext(
                "You had gone on from that question already, so what you wrote there last was not added. "
                "Choose “Change my last answer” below to go back and add it."
            )
        )
    else:
        flash(
            gettext(
                "You had gone on from that question already, so what you wrote there last was not added. "
                "Here is where you are now."
            )
        )


def _is_too_long(name: str, text: str) -> bool:
    return len(as_written(text)) > _LONGEST[name]


# --- ratings and the ranking ---------------------------------------------------------------------------


def rating_page(
    session: Session,
    person: ParticipantRow,
    _study: StudyRow,
    design: StudyDesign,
    *,
    sent: Mapping[str, str] | None = None,
    left_out: int = 0,
    problem: Unranked | None = None,
) -> str:
    """Return the page with the ratings or the ranking, whichever waits.

    Parameters
    ----------
    sent
        Attribute name -> what was chosen, to be shown again. Without it, what the participant answered before,
        where that is being changed; nothing is chosen for anybody.
    left_out
        How many attributes were left out, where that is to be said.
    problem
        Why the ranking could not be stored.
    """
    row, asked = _waiting(session, person), _asked(design)
    before = attribute_answers.standing_answer(session, person, row.task)
    attributes = _in_order(asked, row.attribute_order)
    if row.task is AttributeTask.RATE:
        chosen = sent if sent is not None else (before.ratings if before else {})
        return _page(
            "rating",
            session,
            person,
            design,
            row,
            asked=asked,
            attributes=attributes,
            ratings=list(Rating),
            chosen=chosen,
            left_out=left_out,
        )
    rated = attribute_answers.standing_answer(session, person, AttributeTask.RATE)
    places = {name: str(place) for place, name in enumerate(before.ranking if before else (), start=1)}
    chosen = sent if sent is not None else places
    return _page(
        "ranking",
        session,
        person,
        design,
        row,
        asked=asked,
        attributes=attributes,
        own={name: asked.words(Rating(rating)) for name, rating in (rated.ratings if rated else {}).items()},
        chosen=chosen,
        problem=problem.name.lower() if problem else "",
        wrong=_places_taken_twice(chosen) if problem is Unranked.SAME_PLACE else frozenset(),
    )


@blueprint.post("/p/<token>/rate")
def rate(token: str) -> Again:
    """Store the ratings, once, and go on; ask once whether what is left out was meant to be."""
    sent = _fields(_RATING)
    page, sure = request.form.get("page", ""), request.form.get("left_out") == "yes"
    with reading(the_engine()) as session:
        person, study, design = find_person(session, token)
        row = _page_of(session, person, page, AttributeTask.RATE)
        ratings = read_ratings(_asked(design), sent)
        if ratings is None:
            abort(400)
        left_out = len(row.attribute_order) - len(ratings)
        if left_out and not sure and _is_open(session, person, row):
            if is_paused_for(person, study):
                return to_participant(token)
            return rating_page(session, person, study, design, sent=sent, left_out=left_out), 422
    return _recorded(token, _sent_page(page, ratings=ratings))


@blueprint.post("/p/<token>/rank")
def rank(token: str) -> Again:
    """Store the ranking, once, and go on; show it again where two attributes share a place or one is skipped."""
    sent = _fields(_PLACE)
    page = request.form.get("page", "")
    with reading(the_engine()) as session:
        person, study, design = find_person(session, token)
        row = _page_of(session, person, page, AttributeTask.RANK)
        ranking = read_ranking(_asked(design), sent)
        if ranking is None:
            abort(400)
        if isinstance(ranking, Unranked):
            if is_paused_for(person, study):
                return to_participant(token)
            if _is_open(session, person, row):
                return rating_page(session, person, study, design, sent=sent, problem=ranking), 422
            _tell_that_it_was_answered()
            return to_participant(token)
    return _recorded(token, _sent_page(page, ranking=ranking))


def _recorded(token: str, sent: SentPage) -> Response:
    def step(session: Session, person: ParticipantRow) -> None:
        if not attribute_answers.record_page(session, person, sent, now=now()):
            _tell_that_it_was_answered()

    return stepped(token, step)


def _tell_that_it_was_answered() -> None:
    flash(
        gettext("You had answered that page already; your first answer is kept. Here is where you are now.")
    )


def _fields(prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix): value for name, value in request.form.items() if name.startswith(prefix)
    }


def _places_taken_twice(chosen: Mapping[str, str]) -> frozenset[str]:
    taken = [place for place in chosen.values() if place]
    return frozenset(name for name, place in chosen.items() if taken.count(place) > 1)


def _asked(design: StudyDesign) -> Acceptability:
    if design.acceptability is None:
        abort(400)
    return design.acceptability


def _in_order(asked: Acceptability, names: Sequence[str]) -> list[RatedAttribute]:
    found = {attribute.name: attribute for attribute in asked.attributes}
    return [found[name] for name in names]


# --- what they share -----------------------------------------------------------------------------------


def _waiting(session: Session, person: ParticipantRow) -> AttributePageRow:
    row = attribute_pages.open_attribute_page(session, person)
    if row is None:
        raise RuntimeError(f"participant {person.id} is {person.state.value} but has nothing left to answer")
    return row


def _is_open(session: Session, person: ParticipantRow, row: AttributePageRow) -> bool:
    """Tell whether this is the page that the participant is shown."""
    shown = attribute_pages.open_attribute_page(session, person)
    return shown is not None and shown.id == row.id


def _page_of(session: Session, person: ParticipantRow, token: str, *tasks: AttributeTask) -> AttributePageRow:
    """Return the participant's page of this token; what is sent to another kind of page, or another person's, is
    refused."""
    try:
        row = attribute_answers.find_page(session, person, token)
    except NoSuchPresentation:
        abort(400)
    if row.task not in tasks:
        abort(400)
    return row


def _page(
    name: str,
    session: Session,
    person: ParticipantRow,
    design: StudyDesign,
    row: AttributePageRow,
    **values: Any,
) -> str:
    return show_page(
        name,
        person,
        design,
        page=row.token,
        revision=row.asked,
        position=row.position,
        count=attribute_pages.attribute_page_count(session, person),
        changing=row.asked > 1,
        can_change=attribute_answers.changeable_page(session, person) is not None,
        # No page before the first one has shown it.
        own_link=own_link(person) if row.position == 1 else "",
        **values,
    )


def _sent_page(
    page: str, *, ratings: Mapping[str, Rating] | None = None, ranking: Sequence[str] = ()
) -> SentPage:
    """Return what a form of this page says, with the time that the browser measured."""
    seconds, problem = read_seconds(request.form.get("seconds", ""))
    return SentPage(
        page=page,
        revision=read_revision(),
        ratings=ratings or {},
        ranking=ranking,
        client_seconds=seconds,
        client_seconds_problem=problem,
        client=read_client(request.form.get("client", "")),
    )
