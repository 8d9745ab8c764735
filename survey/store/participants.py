"""Participants: how they start, return, and go from step to step until the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from survey.design import StudyDesign
from survey.errors import SurveyError
from survey.participation import Ending
from survey.questionnaire import Stated, screened_out_by
from survey.recruitment import IdKeeper, Recruited
from survey.steps import ENDINGS, step_after
from survey.store import admission
from survey.store.attribute_pages import serve_next_attribute_page
from survey.store.events import log_event
from survey.store.studies import design_of, lock_study
from survey.store.tokens import new_token, random_code
from survey.tables import (
    ENDED,
    IdentityRow,
    ParticipantRow,
    ParticipantState,
    Section,
    StatementRow,
    StudyRow,
    StudyState,
)

# First letter of a personal code: whoever pays sees at a glance how it ended.
_CODE_INITIALS = {
    Ending.COMPLETE: "C",
    Ending.DECLINED: "D",
    Ending.SCREENED_OUT: "S",
    Ending.QUOTA_FULL: "Q",
    Ending.WITHDRAWN: "W",
}
# ``active_at`` is good to a minute; more would write a second row with every answer.
_ACTIVITY_STEP = timedelta(minutes=1)
# Statements of every page are made once: making them anew would take longer than running them.
_BY_TOKEN = (
    select(ParticipantRow, StudyRow)
    .join(StudyRow, StudyRow.id == ParticipantRow.study_id)
    .where(ParticipantRow.token == bindparam("token"))
)
# ``key_share`` lets rows that refer to the participant be stored meanwhile.
_BY_TOKEN_TO_STEP = _BY_TOKEN.with_for_update(of=ParticipantRow, key_share=True)
_LOCKED = "equipoise.locked participant"
_STUDY = "equipoise.study"


class NotTakingPart(SurveyError):
    """The participant's state does not allow this step; the caller shows where the participant stands."""


class StudyPaused(NotTakingPart):
    """The study is paused: nothing is stored until it goes on."""


class NeedsInvitation(NotTakingPart):
    """The study takes only people whom a recruitment platform (or the wave before) sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What is known of a visitor who presses Start."""

    start_key: str
    """Made with the page; pressing its Start twice makes one participant."""
    language: str
    recruited: Recruited | None = None
    simulated: bool = False


# --- arriving ------------------------------------------------------------------------------------------


def start_participant(
    session: Session, study: StudyRow, arrival: Arrival, ids: IdKeeper, *, now: datetime
) -> ParticipantRow:
    """Return the participant who has pressed Start: a new one, or the one that the same person already is.

    Somebody whom the recruitment platform sent before is the same participant at the same place, and begins the
    study's present wave if the wave before is finished.

    Raises
    ------
    NotTakingPart
        The study takes no participants now. A draft takes simulated ones, so that it can be rehearsed.
    NeedsInvitation
        The study takes only people with a recruitment id, or only those of the wave before.
    """
    lock_study(session, study)
    pressed_before = session.scalar(
        select(ParticipantRow).where(
            ParticipantRow.study_id == study.id, ParticipantRow.start_key == arrival.start_key
        )
    )
    if pressed_before is not None:
        return pressed_before
    hashed = ids.hashed(study.slug, arrival.recruited) if arrival.recruited else None
    known = _known_as(session, study, hashed) if hashed else None
    if known is not None:
        latest = latest_wave_of(session, known)
        if can_return(study, latest):
            return return_for_wave(session, study, latest, now=now)
        log_event(session, study, latest, "came back", now=now)
        return latest
    _may_start(study, arrival)
    participant = _new_participant(session, study, arrival, now=now)
    if hashed and arrival.recruited:
        keep = design_of(study).recruitment.keep_ids
        session.add(
            IdentityRow(
                study_id=study.id,
                participant_id=participant.id,
                source=arrival.recruited.source,
                id_hash=hashed,
                sealed=ids.sealed(arrival.recruited) if keep else None,
                kept_at=now,
            )
        )
        session.flush()
    return participant


def takes_participants(study: StudyRow, *, simulated: bool) -> bool:
    """Tell whether somebody new may press Start."""
    return study.state is StudyState.OPEN or (simulated and study.state is StudyState.DRAFT)


def _may_start(study: StudyRow, arrival: Arrival) -> None:
    if not takes_participants(study, simulated=arrival.simulated):
        raise NotTakingPart(f"study '{study.slug}' is {study.state.value} and takes no participants now")
    design = design_of(study)
    if arrival.simulated:
        return
    if design.recruitment.required and arrival.recruited is None:
        raise NeedsInvitation(f"study '{study.slug}' takes only people with a recruitment id")
    if study.wave > 1 and not design.waves.newcomers:
        raise NeedsInvitation(f"study '{study.slug}' takes only people of an earlier wave")


def _new_participant(session: Session, study: StudyRow, arrival: Arrival, *, now: datetime) -> ParticipantRow:
    number = admission.next_number(session, study)
    participant = ParticipantRow(
        study_id=study.id,
        number=number,
        token=new_token(),
        start_key=arrival.start_key,
        code=f"sim-{number:05d}" if arrival.simulated else f"p-{random_code(8)}",
        wave=study.wave,
        language=arrival.language,
        state=ParticipantState.CONSENTING,
        simulated=arrival.simulated,
        started_at=now,
        active_at=now,
    )
    session.add(participant)
    session.flush()
    log_event(session, study, participant, "started", now=now)
    return participant


def _known_as(session: Session, study: StudyRow, hashed: str) -> ParticipantRow | None:
    return session.scalar(
        select(ParticipantRow)
        .join(IdentityRow, IdentityRow.participant_id == ParticipantRow.id)
        .where(IdentityRow.study_id == study.id, IdentityRow.id_hash == hashed)
    )


def can_return(study: StudyRow, latest: ParticipantRow) -> bool:
    """Tell whether a participant may begin the study's present wave: the wave before is finished."""
    return (
        latest.state is ParticipantState.FINISHED
        and study.wave == latest.wave + 1
        and takes_participants(study, simulated=latest.simulated)
    )


def return_for_wave(
    session: Session, study: StudyRow, earlier: ParticipantRow, *, now: datetime
) -> ParticipantRow:
    """Let a participant of the wave before begin the present one; twice makes one.

    Raises
    ------
    NotTakingPart
        There is no next wave open, or the wave before is not finished.
    """
    lock_study(session, study)
    there = next_wave_of(session, earlier)
    if there is not None:
        return there
    if not can_return(study, earlier):
        raise NotTakingPart("no further wave of this study is open to this participant")
    participant = ParticipantRow(
        study_id=study.id,
        number=admission.next_number(session, study),
        token=new_token(),
        start_key=new_token(),
        code=earlier.code,
        wave=earlier.wave + 1,
        previous_id=earlier.id,
        language=earlier.language,
        arm=earlier.arm,
        state=ParticipantState.CONSENTING,
        simulated=earlier.simulated,
        started_at=now,
        active_at=now,
    )
    session.add(participant)
    session.flush()
    log_event(session, study, participant, "returned", now=now, wave=participant.wave)
    return participant


def next_wave_of(session: Session, participant: ParticipantRow) -> ParticipantRow | None:
    """Return the same person in the next wave, if begun."""
    return session.scalar(select(ParticipantRow).where(ParticipantRow.previous_id == participant.id))


def latest_wave_of(session: Session, participant: ParticipantRow) -> ParticipantRow:
    """Return the same person in the last wave begun."""
    while (following := next_wave_of(session, participant)) is not None:
        participant = following
    return participant


def find_participant(session: Session, token: str, *, to_step: bool = False) -> ParticipantRow | None:
    """Return the participant whose address holds ``token``; the study comes along without another query.

    ``to_step``: a step follows in this transaction. Requests of the same participant then wait for each other here
    already, and :func:`step_of` need not read the participant a second time.
    """
    found = session.execute(_BY_TOKEN_TO_STEP if to_step else _BY_TOKEN, {"token": token}).first()
    if found is None:
        return None
    participant: ParticipantRow = found[0]
    session.info[_STUDY] = found[1]  # The session itself forgets rows that nobody holds.
    if to_step:
        session.info[_LOCKED] = (session.get_transaction(), participant.id)
    return participant


def study_of(session: Session, participant: ParticipantRow) -> StudyRow:
    """Return the participant's study."""
    return session.get_one(StudyRow, participant.study_id)


# --- steps ---------------------------------------------------------------------------------------------


def consent(session: Session, participant: ParticipantRow, *, now: datetime) -> None:
    """Note the consent and go on to the screener, or admit. Consenting twice does nothing the second time.

    Raises
    ------
    NotTakingPart
        The participant has declined.
    """
    study = step_of(session, participant, now=now)
    if participant.state is ParticipantState.DECLINED:
        raise NotTakingPart("the participant has declined")
    if participant.state is not ParticipantState.CONSENTING:
        return
    participant.consented_at = now
    log_event(session, study, participant, "consented", now=now)
    following = step_after(design_of(study), participant.state, returning=participant.returning)
    if following is ParticipantState.SCREENING:
        participant.state = ParticipantState.SCREENING
    else:
        _admit(session, study, participant, now=now)


def decline(session: Session, participant: ParticipantRow, *, now: datetime) -> None:
    """Note that the person would rather not take part; after consent this does nothing."""
    study = step_of(session, participant, now=now)
    if participant.state is ParticipantState.CONSENTING:
        end(session, study, participant, ParticipantState.DECLINED, now=now)


def screen(
    session: Session, participant: ParticipantRow, stated: Mapping[str, Stated], *, now: datetime
) -> None:
    """Store the screener's answers and admit, or end where an answer screens out."""
    study = step_of(session, participant, now=now)
    if participant.state is not ParticipantState.SCREENING:
        return
    keep_statements(session, participant, Section.SCREENER, stated, now=now)
    failed = screened_out_by(design_of(study).screener, stated)
    if failed:
        end(session, study, participant, ParticipantState.SCREENED_OUT, now=now, questions=failed)
    else:
        _admit(session, study, participant, now=now)


def _admit(session: Session, study: StudyRow, participant: ParticipantRow, *, now: datetime) -> None:
    """Claim a slot of the quota, assign the arm, draw what is asked, and enter the step after the screener; or end
    where the quota is full."""
    lock_study(session, study)
    full = admission.full_quota(session, study, participant, now=now)
    if full:
        end(session, study, participant, ParticipantState.QUOTA_FULL, now=now, quota=full)
        return
    admission.draw_for(session, study, participant, now=now)
    participant.admitted_at = now
    log_event(session, study, participant, "admitted", now=now, arm=participant.arm)
    following = step_after(design_of(study), participant.state, returning=participant.returning)
    if following is ParticipantState.FINISHED:
        end(session, study, participant, following, now=now)
        return
    participant.state = following
    session.flush()
    serve_next_attribute_page(session, participant, now=now)


def describe(
    session: Session, participant: ParticipantRow, stated: Mapping[str, Stated], *, now: datetime
) -> None:
    """Store the demographics and finish."""
    study = step_of(session, participant, now=now)
    if participant.state is not ParticipantState.DESCRIBING:
        return
    keep_statements(session, participant, Section.DEMOGRAPHICS, stated, now=now)
    end(session, study, participant, ParticipantState.FINISHED, now=now)


def withdraw(session: Session, participant: ParticipantRow, *, now: datetime) -> None:
    """Stop taking part, also while the study is paused; what was answered stays. After the end this does nothing:
    erasing is always possible."""
    study = step_of(session, participant, now=now, while_paused=True)
    if participant.state not in ENDED:
        end(session, study, participant, ParticipantState.WITHDRAWN, now=now, at=participant.state.value)


def end(
    session: Session,
    study: StudyRow,
    participant: ParticipantRow,
    state: ParticipantState,
    *,
    now: datetime,
    **detail: Any,
) -> None:
    """Bring the participant to a final state and make the code that goes with it."""
    participant.state = state
    participant.ended_at = now
    participant.completion_code = code_for(design_of(study), ENDINGS[state])
    session.flush()
    log_event(session, study, participant, state.value.replace("_", " "), now=now, **detail)


def code_for(design: StudyDesign, ending: Ending) -> str:
    """Return the study's code for this ending, or a personal one that no other ending can have."""
    for page in design.endings:
        if page.ending is ending and page.code:
            return page.code
    return _CODE_INITIALS[ending] + random_code(8)


def step_of(
    session: Session, participant: ParticipantRow, *, now: datetime, while_paused: bool = False
) -> StudyRow:
    """Prepare a step: wait for another request of the same participant (a second tab), note that the participant
    is active, and return the study.

    Raises
    ------
    StudyPaused
        Nobody goes on now.
    NotTakingPart
        Everything of this participant was deleted while the request waited.
    """
    if session.info.get(_LOCKED) != (session.get_transaction(), participant.id):
        # Refreshing drops what is not flushed, such as the state after an earlier step of the same transaction.
        session.flush()
        session.refresh(participant, with_for_update={"key_share": True})
    if participant.state is ParticipantState.ERASED:
        raise NotTakingPart("everything of this participant has been deleted")
    study = study_of(session, participant)
    if study.state is StudyState.PAUSED and not participant.simulated and not while_paused:
        raise StudyPaused(f"study '{study.slug}' is paused")
    if now - participant.active_at > _ACTIVITY_STEP:
        participant.active_at = now
    return study


# --- statements ----------------------------------------------------------------------------------------


def keep_statements(
    session: Session,
    participant: ParticipantRow,
    section: Section,
    stated: Mapping[str, Stated],
    *,
    now: datetime,
    attempt: int = 1,
) -> None:
    """Store answers to questions. The caller holds the participant's lock, so none is stored twice."""
    session.add_all(
        StatementRow(
            participant_id=participant.id,
            section=section,
            question=question,
            attempt=attempt,
            value=value,
            at=now,
        )
        for question, value in stated.items()
    )
    session.flush()


def statements_of(session: Session, participant: ParticipantRow, section: Section) -> Sequence[StatementRow]:
    """Return what the participant answered in a section, in order."""
    return session.scalars(
        select(StatementRow)
        .where(StatementRow.participant_id == participant.id, StatementRow.section == section)
        .order_by(StatementRow.attempt, StatementRow.id)
    ).all()


# --- codes ---------------------------------------------------------------------------------------------


def completion_codes(session: Session, study: StudyRow) -> list[tuple[str, str]]:
    """Return (ending, code) of all people who have ended, sorted, which tells nothing of who came when.

    Simulated participants have codes, too, which are nobody's to pay.
    """
    query = select(ParticipantRow.state, ParticipantRow.completion_code).where(
        ParticipantRow.study_id == study.id,
        ParticipantRow.simulated.is_(False),
        ParticipantRow.completion_code.is_not(None),
    )
    return sorted(
        (ENDINGS[state].value, code) for state, code in session.execute(query) if state in ENDINGS and code
    )
