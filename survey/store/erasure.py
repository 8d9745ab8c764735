"""Erasing a participant: everything that was said and everything that leads to the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from survey.db import leave_no_trace
from survey.errors import SurveyError
from survey.store.events import log_event
from survey.store.tokens import new_token, random_code
from survey.tables import (
    AnswerRow,
    AttributePageAnswerRow,
    AttributePageRow,
    ChoiceTaskAnswerRow,
    ChoiceTaskRow,
    CodeRow,
    EventRow,
    FollowUpRow,
    IdentityRow,
    ImportedRespondentRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    StatementRow,
    StudyRow,
    SuggestionRow,
)

# Databases bound the number of values in one statement.
_AT_ONCE = 500


class NoSuchParticipant(SurveyError):
    """The study has no participant with this code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was deleted."""

    waves: int
    """0: it was somebody asked elsewhere, whose suggestions were imported."""
    answers: int
    """To comparisons, problems of choosing one of many, and pages about attributes; those changed later, too."""
    suggestions: int
    """What was named to open questions, also if it was taken back; the codes that it was given go with it."""
    statements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedDeleted:
    """What was deleted of what had been imported."""

    respondents: int
    suggestions: int
    codes: int
    """Given to those suggestions; those that had been ended are among them."""


def erase(session: Session, study: StudyRow, code: str, *, now: datetime, actor: str = "") -> Erased:
    """Delete a participant's answers, suggestions, statements, events and recruitment id in all waves.

    A row per wave stays that says that there was somebody, with nothing of the person in it, so that counts of
    participants and the draws of others stay as they were; exports say how many were erased.

    A respondent whose suggestions were imported is deleted with them, and nothing stays; ``NAME (SOURCE)`` tells
    apart those who are called alike in several sources. The file they came from would bring them back.

    Raises
    ------
    NoSuchParticipant
        The study has nobody with this code, or several imported respondents of this name.
    """
    people: Sequence[ParticipantRow] = session.scalars(
        select(ParticipantRow)
        .where(ParticipantRow.study_id == study.id, ParticipantRow.code == code)
        # Always in the same order, so that two who erase the same person wait for each other and not in a circle.
        .order_by(ParticipantRow.wave)
    ).all()
    for person in people:
        session.refresh(person, with_for_update={"key_share": True})
    # Somebody else may have erased the same person at the same moment.
    people = [person for person in people if person.code == code]
    if not people and (imported := _imported(session, study, code)):
        return _erase_imported(session, study, imported, now=now, actor=actor)
    if not people:
        raise NoSuchParticipant(
            f"study '{study.slug}' version {study.version} has no participant '{code}'; codes stand in the column "
            "'respondent' of an export"
        )
    anonymous = f"erased-{random_code(8)}"
    answers = suggestions = statements = 0
    for person in people:
        shown = select(PresentationRow.id).where(PresentationRow.participant_id == person.id)
        given = select(AnswerRow.id).where(AnswerRow.presentation_id.in_(shown))
        answers += session.scalar(select(func.count()).select_from(given.subquery())) or 0
        drawn = select(ChoiceTaskRow.id).where(ChoiceTaskRow.participant_id == person.id)
        chosen = select(ChoiceTaskAnswerRow.id).where(ChoiceTaskAnswerRow.choice_task_id.in_(drawn))
        answers += session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
        pages = select(AttributePageRow.id).where(AttributePageRow.participant_id == person.id)
        gone_on = select(AttributePageAnswerRow.id).where(AttributePageAnswerRow.attribute_page_id.in_(pages))
        answers += session.scalar(select(func.count()).select_from(gone_on.subquery())) or 0
        named = select(SuggestionRow.id).where(SuggestionRow.page_id.in_(pages))
        suggestions += session.scalar(select(func.count()).select_from(named.subquery())) or 0
        stated = select(StatementRow.id).where(StatementRow.participant_id == person.id)
        statements += session.scalar(select(func.count()).select_from(stated.subquery())) or 0
        _delete_everything_of(session, [person.id])
        person.code = anonymous
        person.token, person.start_key = new_token(), new_token()
        person.language, person.arm, person.completion_code = "", None, None
        person.consented_at = person.admitted_at = None
        # When somebody came can tell who it was.
        person.started_at = person.active_at = study.created_at
        person.ended_at = now
        person.state = ParticipantState.ERASED
    session.flush()
    leave_no_trace(session)
    log_event(session, study, None, "participant erased", now=now, actor=actor, waves=len(people))
    return Erased(waves=len(people), answers=answers, suggestions=suggestions, statements=statements)


def _imported(session: Session, study: StudyRow, name: str) -> ImportedRespondentRow | None:
    """Return the imported respondent of this name; raises where several sources have one."""
    rows = session.scalars(
        select(ImportedRespondentRow)
        .where(ImportedRespondentRow.study_id == study.id)
        .order_by(ImportedRespondentRow.source)
        .with_for_update(key_share=True)
    ).all()
    found = [row for row in rows if name in (row.respondent, f"{row.respondent} ({row.source})")]
    if len(found) > 1:
        names = ", ".join(f"'{row.respondent} ({row.source})'" for row in found)
        raise NoSuchParticipant(f"study '{study.slug}': '{name}' may be {names}; write which")
    return found[0] if found else None


def _erase_imported(
    session: Session, study: StudyRow, row: ImportedRespondentRow, *, now: datetime, actor: str
) -> Erased:
    deleted = delete_imported(session, study, row.source, row.respondent)
    leave_no_trace(session)
    log_event(session, study, None, "imported respondent erased", now=now, actor=actor)
    return Erased(waves=0, answers=0, suggestions=deleted.suggestions, statements=0)


def delete_imported(
    session: Session, study: StudyRow, source: str, respondent: str | None = None
) -> ImportedDeleted:
    """Delete what one respondent of a source said, or everybody there, with their codes."""
    said = [SuggestionRow.study_id == study.id, SuggestionRow.source == source]
    asked = [ImportedRespondentRow.study_id == study.id, ImportedRespondentRow.source == source]
    if respondent is not None:
        said.append(SuggestionRow.respondent == respondent)
        asked.append(ImportedRespondentRow.respondent == respondent)
    # Locked first, so that whoever codes one of them meanwhile waits, and then finds it gone.
    ids = session.scalars(
        select(SuggestionRow.id).where(*said).order_by(SuggestionRow.id).with_for_update()
    ).all()
    those = CodeRow.suggestion_id.in_(select(SuggestionRow.id).where(*said))
    removed = ImportedDeleted(
        respondents=session.scalars(select(func.count(ImportedRespondentRow.id)).where(*asked)).one(),
        suggestions=len(ids),
        codes=session.scalars(select(func.count(CodeRow.id)).where(those)).one(),
    )
    for rows in (
        delete(CodeRow).where(those),
        delete(SuggestionRow).where(*said),
        delete(ImportedRespondentRow).where(*asked),
    ):
        session.execute(rows.execution_options(synchronize_session=False))
    session.expire_all()
    return removed


def delete_rehearsals(session: Session, study: StudyRow) -> int:
    """Delete a study's simulated participants with all that they answered; return how many (waves) there were.

    People's rows are never touched: this asks for simulated ones by name.
    """
    simulated = (ParticipantRow.study_id == study.id, ParticipantRow.simulated.is_(True))
    newest_wave_first = select(ParticipantRow.id).where(*simulated).order_by(ParticipantRow.wave.desc())
    ids = session.scalars(newest_wave_first).all()
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        _delete_everything_of(session, some)
        session.execute(
            delete(ParticipantRow)
            .where(ParticipantRow.id.in_(some))
            .execution_options(synchronize_session=False)
        )
    session.expire_all()
    return len(ids)


def _delete_everything_of(session: Session, participants: Sequence[int]) -> None:
    """Delete what was shown to participants, what they said and what leads to them; their own rows stay."""
    shown = select(PresentationRow.id).where(PresentationRow.participant_id.in_(participants))
    given = select(AnswerRow.id).where(AnswerRow.presentation_id.in_(shown))
    tasks = select(ChoiceTaskRow.id).where(ChoiceTaskRow.participant_id.in_(participants))
    pages = select(AttributePageRow.id).where(AttributePageRow.participant_id.in_(participants))
    suggested = select(SuggestionRow.id).where(SuggestionRow.page_id.in_(pages))
    # Whoever codes holds the suggestion (see ``code_rows``): a code stored meanwhile would refer to what is gone.
    session.execute(suggested.order_by(SuggestionRow.id).with_for_update())
    # Children first: nothing here cascades.
    for rows in (
        delete(FollowUpRow).where(FollowUpRow.answer_id.in_(given)),
        delete(AnswerRow).where(AnswerRow.presentation_id.in_(shown)),
        delete(PresentationRow).where(PresentationRow.participant_id.in_(participants)),
        delete(ChoiceTaskAnswerRow).where(ChoiceTaskAnswerRow.choice_task_id.in_(tasks)),
        delete(ChoiceTaskRow).where(ChoiceTaskRow.participant_id.in_(participants)),
        delete(CodeRow).where(CodeRow.suggestion_id.in_(suggested)),
        delete(SuggestionRow).where(SuggestionRow.page_id.in_(pages)),
        delete(AttributePageAnswerRow).where(AttributePageAnswerRow.attribute_page_id.in_(pages)),
        delete(AttributePageRow).where(AttributePageRow.participant_id.in_(participants)),
        delete(StatementRow).where(StatementRow.participant_id.in_(participants)),
        delete(IdentityRow).where(IdentityRow.participant_id.in_(participants)),
        delete(EventRow).where(EventRow.participant_id.in_(participants)),
    ):
        session.execute(rows.execution_options(synchronize_session=False))
