"""Checks of pages about attributes: drawn as the design says, answered exactly once, with what was offered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import and_, exists, func, or_, select

from survey.acceptability import Rating
from survey.answers import RespondentKind
from survey.design import StudyDesign
from survey.doctor.check import Check, Patient, Person, Severity, of
from survey.doctor.draws import REDRAWN
from survey.store.answering import CLOCK_SLACK_SECONDS
from survey.store.attribute_pages import STEP_OF, DrawnPage, drawn_pages
from survey.suggestions import folded
from survey.tables import (
    AttributePageAnswerRow,
    AttributePageRow,
    AttributeTask,
    ImportedRespondentRow,
    ParticipantRow,
    ParticipantState,
    SuggestionRow,
)

_LISTS = (AttributeTask.RATE, AttributeTask.RANK)
_COUNTS = and_(
    AttributePageAnswerRow.attribute_page_id == AttributePageRow.id,
    AttributePageAnswerRow.revision == AttributePageRow.answered,
)


def _pages(patient: Patient) -> dict[int, list[AttributePageRow]]:
    """Return the pages of each participant in order."""
    query = select(AttributePageRow).order_by(AttributePageRow.participant_id, AttributePageRow.position)
    found: dict[int, list[AttributePageRow]] = {}
    for page in patient.session.scalars(query):
        if page.participant_id in patient.people:
            found.setdefault(page.participant_id, []).append(page)
    return found


# --- drawn ---------------------------------------------------------------------------------------------


def _drawn(patient: Patient) -> Iterable[str]:
    pages = _pages(patient)
    for person in patient.people.values():
        design, own = patient.designs[person.study_id], pages.get(person.id, [])
        in_line = [page.position for page in own] == list(range(1, len(own) + 1))
        as_designed = [page.task for page in own] in _possible(design, person)
        if not (in_line and as_designed and _lists_are_the_designs(design, own)):
            yield of(person)


def _possible(design: StudyDesign, person: Person) -> list[list[AttributeTask]]:
    """Return the orders in which the pages can have been drawn."""
    if person.admitted_at is None:
        return [[]]
    asked = design.suggestions if person.previous_id is None else None
    questions = [AttributeTask(question.stance.value) for question in asked.questions] if asked else []
    lists = (
        [] if design.acceptability is None else list(_LISTS if design.acceptability.ranked else _LISTS[:1])
    )
    orders = [questions, questions[::-1]] if asked and asked.shuffled else [questions]
    return [[*order, *lists] for order in orders]


def _lists_are_the_designs(design: StudyDesign, own: Iterable[AttributePageRow]) -> bool:
    names = (
        sorted(attribute.name for attribute in design.acceptability.attributes)
        if design.acceptability
        else []
    )
    orders = [page.attribute_order for page in own if page.task in _LISTS]
    if any(page.attribute_order for page in own if page.task not in _LISTS):
        return False
    return all(sorted(order) == names and order == orders[0] for order in orders)


def _in_order(patient: Patient) -> Iterable[str]:
    for own in _pages(patient).values():
        waiting = False
        for page in own:
            if waiting and (page.served_at is not None or page.answered > 0):
                yield f"attribute page {page.id}"
            waiting = waiting or page.answered == 0


def _again(patient: Patient) -> Iterable[str]:
    by_id = {study.id: study for study in patient.studies}
    pages = _pages(patient)
    for study_id in patient.designs:
        drawn = [id_ for id_ in pages if patient.people[id_].study_id == study_id]
        # Spread over the whole study.
        for id_ in drawn[:: max(1, len(drawn) // REDRAWN)][:REDRAWN]:
            participant = patient.session.get_one(ParticipantRow, id_)
            stored = [
                DrawnPage(task=page.task, attribute_order=tuple(page.attribute_order)) for page in pages[id_]
            ]
            if stored != drawn_pages(by_id[study_id], participant):
                yield of(patient.people[id_])


def _finished(patient: Patient) -> Iterable[str]:
    for id_, own in _pages(patient).items():
        person = patient.people[id_]
        if person.state is ParticipantState.FINISHED and any(page.answered < page.asked for page in own):
            yield of(person)


def _waiting(patient: Patient) -> Iterable[str]:
    pages = _pages(patient)
    for person in patient.people.values():
        if person.state in STEP_OF.values():
            open_ones = [
                page
                for page in pages.get(person.id, [])
                if STEP_OF[page.task] is person.state and page.answered < page.asked
            ]
            if not open_ones or open_ones[0].served_at is None:
                yield of(person)


def _languages(patient: Patient) -> Iterable[str]:
    for id_, own in _pages(patient).items():
        languages = patient.designs[patient.people[id_].study_id].languages
        yield from (f"attribute page {page.id}" for page in own if page.language not in languages)


# --- answered ------------------------------------------------------------------------------------------


def _stored(patient: Patient) -> Iterable[str]:
    count = func.count(AttributePageAnswerRow.id)
    query = (
        select(AttributePageRow.id)
        .outerjoin(AttributePageAnswerRow, AttributePageAnswerRow.attribute_page_id == AttributePageRow.id)
        .group_by(AttributePageRow.id, AttributePageRow.answered)
        .having(
            or_(
                count != AttributePageRow.answered,
                func.min(AttributePageAnswerRow.revision) != 1,
                func.max(AttributePageAnswerRow.revision) != count,
            )
        )
    )
    return patient.ids("attribute page", query)


def _when(patient: Patient) -> Iterable[str]:
    query = (
        select(AttributePageRow.id)
        .outerjoin(AttributePageAnswerRow, _COUNTS)
        .where(
            or_(
                and_(AttributePageRow.answered == 0, AttributePageRow.answered_at.is_not(None)),
                and_(AttributePageRow.answered > 0, AttributePageRow.answered_at.is_(None)),
                and_(AttributePageRow.answered > 0, AttributePageRow.served_at.is_(None)),
                AttributePageRow.answered_at != AttributePageAnswerRow.answered_at,
                and_(
                    # While it is being changed, it was sent again after the answer.
                    AttributePageRow.asked == AttributePageRow.answered,
                    AttributePageAnswerRow.answered_at < AttributePageRow.served_at,
                ),
            )
        )
    )
    return patient.ids("attribute page", query)


def _plausible(patient: Patient) -> Iterable[str]:
    query = select(AttributePageAnswerRow.id).where(
        AttributePageAnswerRow.client_seconds > AttributePageAnswerRow.server_seconds + CLOCK_SLACK_SECONDS,
        AttributePageAnswerRow.client_seconds_problem == "",
    )
    return patient.ids("answer to an attribute page", query)


def _answers(patient: Patient) -> Iterator[tuple[AttributePageAnswerRow, AttributePageRow]]:
    rows = patient.session.execute(
        select(AttributePageAnswerRow, AttributePageRow)
        .join(AttributePageRow, AttributePageRow.id == AttributePageAnswerRow.attribute_page_id)
        .order_by(AttributePageAnswerRow.id)
    )
    return ((answer, page) for answer, page in rows if page.participant_id in patient.people)


def _ratings(patient: Patient) -> Iterable[str]:
    words = {rating.value for rating in Rating}
    for answer, page in _answers(patient):
        offered = set(page.attribute_order) if page.task is AttributeTask.RATE else set()
        if not (set(answer.ratings) <= offered and set(answer.ratings.values()) <= words):
            yield f"answer to an attribute page {answer.id}"


def _rankings(patient: Patient) -> Iterable[str]:
    for answer, page in _answers(patient):
        asked = patient.designs[patient.people[page.participant_id].study_id].acceptability
        offered = set(page.attribute_order) if page.task is AttributeTask.RANK else set()
        ranked = answer.ranking
        most = asked.ranked if asked else 0
        if not (set(ranked) <= offered and len(set(ranked)) == len(ranked) <= most):
            yield f"answer to an attribute page {answer.id}"


# --- suggested -----------------------------------------------------------------------------------------


def _question_was_asked(patient: Patient) -> Iterable[str]:
    rows = patient.session.execute(
        select(SuggestionRow, AttributePageRow, ParticipantRow.study_id, ParticipantRow.simulated)
        .join(AttributePageRow, AttributePageRow.id == SuggestionRow.page_id)
        .join(ParticipantRow, ParticipantRow.id == AttributePageRow.participant_id)
        .order_by(SuggestionRow.id)
    )
    for suggestion, page, study_id, simulated in rows:
        sound = (
            suggestion.study_id == study_id
            and suggestion.stance.value == page.task.value
            and page.served_at is not None
            and suggestion.simulated is simulated
            and suggestion.kind is RespondentKind.HUMAN
            and suggestion.language == page.language
            and suggestion.source == ""
        )
        if not sound:
            yield f"suggestion {suggestion.id}"


def _something_is_named(patient: Patient) -> Iterable[str]:
    for suggestion in patient.session.scalars(select(SuggestionRow).order_by(SuggestionRow.id)):
        words = "\n".join((suggestion.text, suggestion.direction, suggestion.why))
        if not suggestion.text.strip() or suggestion.folded != folded(words):
            yield f"suggestion {suggestion.id}"


def _while_open(patient: Patient) -> Iterable[str]:
    is_open = AttributePageRow.answered < AttributePageRow.asked
    query = (
        select(SuggestionRow.id)
        .outerjoin(AttributePageRow, AttributePageRow.id == SuggestionRow.page_id)
        .outerjoin(ParticipantRow, ParticipantRow.id == AttributePageRow.participant_id)
        .where(
            or_(
                SuggestionRow.removed_at < SuggestionRow.at,
                SuggestionRow.at < ParticipantRow.admitted_at,
                and_(~is_open, SuggestionRow.at > AttributePageRow.answered_at),
                and_(~is_open, SuggestionRow.removed_at > AttributePageRow.answered_at),
            )
        )
    )
    return patient.ids("suggestion", query)


def _somebody_was_asked(patient: Patient) -> Iterable[str]:
    asked = exists().where(
        ImportedRespondentRow.study_id == SuggestionRow.study_id,
        ImportedRespondentRow.source == SuggestionRow.source,
        ImportedRespondentRow.respondent == SuggestionRow.respondent,
        ImportedRespondentRow.kind == SuggestionRow.kind,
        ImportedRespondentRow.simulated == SuggestionRow.simulated,
    )
    query = select(SuggestionRow.id).where(SuggestionRow.page_id.is_(None), ~asked)
    return patient.ids("suggestion", query)


CHECKS = (
    Check(
        name="pages about attributes are drawn as the design says",
        meaning="Who was admitted was drawn the open questions (newcomers only), the ratings and the ranking that "
        "the design asks, in its order, with each of its attributes once; nobody else was drawn any.",
        find=_drawn,
    ),
    Check(
        name="draws of pages about attributes repeat",
        meaning=f"Drawn again from the study's seed, the pages about attributes of {REDRAWN} participants come out "
        "the same. If not, they were changed, or drawn by a version of Equipoise or NumPy that draws otherwise.",
        find=_again,
        severity=Severity.LOOK,
    ),
    Check(
        name="pages about attributes come in order",
        meaning="Nobody is shown a page about attributes before the one before it is answered.",
        find=_in_order,
    ),
    Check(
        name="who finished has answered every page about attributes",
        meaning="No page about attributes waits for somebody who has finished.",
        find=_finished,
    ),
    Check(
        name="who is asked about attributes has a page",
        meaning="Whoever is at the step of naming or rating attributes was sent to a page that waits.",
        find=_waiting,
    ),
    Check(
        name="pages about attributes are in a language of the study",
        meaning="Each page about attributes is shown in one of the design's languages.",
        find=_languages,
    ),
    Check(
        name="every answered page about attributes has its answers",
        meaning="A page counts how many answers were stored, and these are numbered 1, 2, … without a hole.",
        find=_stored,
    ),
    Check(
        name="pages about attributes say when",
        meaning="A page about attributes carries the time of the answer that counts, which came after it was sent, "
        "and none without an answer.",
        find=_when,
    ),
    Check(
        name="the browser's time fits the server's on pages about attributes",
        meaning="No browser measured more seconds than passed between sending and answering, unless the answer "
        "says that its time is not to be believed.",
        find=_plausible,
    ),
    Check(
        name="ratings are of attributes that were shown",
        meaning="Ratings are sent with pages of ratings only, of attributes of their list, in the words on offer.",
        find=_ratings,
    ),
    Check(
        name="rankings give each attribute one place",
        meaning="Rankings are sent with pages of the ranking only, of attributes of their list, none twice, and no "
        "more than the design asks for.",
        find=_rankings,
    ),
    Check(
        name="suggestions answer a question that was asked",
        meaning="A participant's suggestion was made on a page of its study, sent to that participant, that asks "
        "for what it names, and carries the page's language.",
        find=_question_was_asked,
    ),
    Check(
        name="suggestions name something and can be found",
        meaning="No suggestion is empty, and what a search looks through is what was written.",
        find=_something_is_named,
    ),
    Check(
        name="suggestions are made while their page waits",
        meaning="A suggestion was made, and taken back, after admission and before the participant went on from "
        "its page, and taken back after it was made.",
        find=_while_open,
    ),
    Check(
        name="imported suggestions are of somebody who was asked",
        meaning="Whoever is named by an imported suggestion stands among the respondents of that import, so that "
        "shares are shares of everybody who was asked.",
        find=_somebody_was_asked,
    ),
)
