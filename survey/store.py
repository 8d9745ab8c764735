"""The questions we ask of the database. Each takes a session and never commits: views and commands do.

Exactly-once lives here. A presentation is claimed by one conditional UPDATE, and the UNIQUE constraint on answers
is the second line, so however often a page is sent, one answer is stored and every sender learns which.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from survey.answers import Choice, Presentation
from survey.design import Arm, StudyDesign, design_hash
from survey.design_file import parse_design
from survey.errors import SurveyError
from survey.pairing import draw_presentations
from survey.tables import (
    AnswerRow,
    EventRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    StudyRow,
    StudyState,
)

# No 0/O, 1/I/L: codes are read aloud and typed by hand.
_CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
# Sets the draw of a participant's arm apart from the draws of presentations.
_ARM_STREAM = 1
# The browser's clock and ours may disagree by this much before we call its figure implausible.
_CLOCK_SLACK_SECONDS = 1.0


class NoSuchStudy(SurveyError):
    """No study has this slug (and version)."""


class StudyConflict(SurveyError):
    """Adding or opening a study would change what participants of an earlier one were asked."""


class NotTakingPart(SurveyError):
    """The participant's state does not allow this step; the caller shows where the participant stands."""


class NoSuchPresentation(SurveyError):
    """The presentation is not this participant's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of an answer that arrived."""

    answer: AnswerRow
    replayed: bool
    """True if the presentation had been answered before: the stored answer stands, the new one is only logged."""


# --- studies -------------------------------------------------------------------------------------------


def add_study(session: Session, design_toml: str, *, now: datetime, where: str = "design.toml") -> StudyRow:
    """Store a checked design as a draft; adding the very same design again returns the study that is there.

    Raises
    ------
    BadDesign
        The text is no usable design.
    StudyConflict
        The slug and version are taken by a design that differs.
    """
    design = parse_design(design_toml, where)
    digest = design_hash(design)
    there = session.scalar(
        select(StudyRow).where(StudyRow.slug == design.slug, StudyRow.version == design.version)
    )
    if there is not None:
        if there.design_hash == digest:
            return there
        raise StudyConflict(
            f"{where}: study '{design.slug}' version {design.version} is stored with another design (hash "
            f"{there.design_hash[:12]}, this file has {digest[:12]}); raise study.version to add this one"
        )
    study = StudyRow(
        slug=design.slug,
        version=design.version,
        design_toml=design_toml,
        design_hash=digest,
        # From the design itself, so that anyone who has the file can repeat every draw.
        draw_seed=int(digest[:12], 16),
        state=StudyState.DRAFT,
        created_at=now,
    )
    session.add(study)
    session.flush()
    log_event(session, study, None, "study added", now=now, design_hash=digest)
    return study


def find_study(
    session: Session, slug: str, version: str | None = None, *, digest: str | None = None
) -> StudyRow:
    """Return the study of this slug: the named version or design hash, else the open one, else the one added last.

    Raises
    ------
    NoSuchStudy
        Naming the studies there are.
    """
    query = select(StudyRow).where(StudyRow.slug == slug)
    if version is not None:
        query = query.where(StudyRow.version == version)
    if digest is not None:
        query = query.where(StudyRow.design_hash == digest)
    study = session.scalars(
        query.order_by(StudyRow.state != StudyState.OPEN, StudyRow.id.desc()).limit(1)
    ).first()
    if study is None:
        there = ", ".join(f"{s.slug} (version {s.version})" for s in list_studies(session)) or "none yet"
        wanted = f"'{slug}'" + (f" version {version}" if version else "")
        wanted += f" with design hash {digest[:12]}" if digest else ""
        raise NoSuchStudy(f"no study {wanted}; the studies are: {there}")
    return study


def list_studies(session: Session) -> Sequence[StudyRow]:
    """Return every study, newest first."""
    return session.scalars(select(StudyRow).order_by(StudyRow.id.desc())).all()


def open_study(session: Session, study: StudyRow, *, now: datetime) -> None:
    """Let participants in.

    Raises
    ------
    StudyConflict
        Another version of the same slug is open.
    """
    if study.state is StudyState.OPEN:
        return
    other = session.scalar(
        select(StudyRow).where(
            StudyRow.slug == study.slug, StudyRow.state == StudyState.OPEN, StudyRow.id != study.id
        )
    )
    if other is not None:
        raise StudyConflict(
            f"study '{study.slug}' version {other.version} is open and has the same address; close it first"
        )
    study.state = StudyState.OPEN
    session.flush()
    log_event(session, study, None, "study opened", now=now)


def close_study(session: Session, study: StudyRow, *, now: datetime) -> None:
    """Let nobody else in; participants who have started may finish."""
    if study.state is StudyState.CLOSED:
        return
    study.state = StudyState.CLOSED
    log_event(session, study, None, "study closed", now=now)


@lru_cache(maxsize=64)
def _parsed(design_toml: str) -> StudyDesign:
    return parse_design(design_toml, "stored design")


def design_of(study: StudyRow) -> StudyDesign:
    """Return the study's design, parsed once per process."""
    return _parsed(study.design_toml)


# --- participants --------------------------------------------------------------------------------------


def start_participant(session: Session, study: StudyRow, *, simulated: bool, now: datetime) -> ParticipantRow:
    """Add a participant who has pressed Start and is about to be asked for consent.

    Raises
    ------
    NotTakingPart
        The study takes no participants now. A draft takes simulated ones, so that it can be rehearsed.
    """
    if study.state is not StudyState.OPEN and not (simulated and study.state is StudyState.DRAFT):
        raise NotTakingPart(f"study '{study.slug}' is {study.state.value} and takes no participants now")
    _lock(session, study)
    last = session.scalar(select(func.max(ParticipantRow.number)).where(ParticipantRow.study_id == study.id))
    number = (last or 0) + 1
    participant = ParticipantRow(
        study_id=study.id,
        number=number,
        token=new_token(),
        code=f"sim-{number:05d}" if simulated else f"p-{_random_code(8)}",
        state=ParticipantState.CONSENTING,
        simulated=simulated,
        started_at=now,
    )
    session.add(participant)
    session.flush()
    log_event(session, study, participant, "started", now=now)
    return participant


def find_participant(session: Session, token: str) -> ParticipantRow | None:
    """Return the participant whose address holds ``token``."""
    return session.scalar(select(ParticipantRow).where(ParticipantRow.token == token))


def study_of(session: Session, participant: ParticipantRow) -> StudyRow:
    """Return the participant's study."""
    return session.get_one(StudyRow, participant.study_id)


def consent(session: Session, participant: ParticipantRow, *, now: datetime) -> None:
    """Note the consent, assign the arm with the fewest participants, draw and store every presentation.

    Consenting twice does nothing the second time.

    Raises
    ------
    NotTakingPart
        The participant has declined.
    """
    study = study_of(session, participant)
    _lock(session, study)
    _lock_participant(session, participant)
    if participant.state is ParticipantState.DECLINED:
        raise NotTakingPart("the participant has declined")
    if participant.state is not ParticipantState.CONSENTING:
        return
    design = design_of(study)
    arm = _arm_for(session, participant, design, study)
    # Not the generator that drew the arm: how much that drew depends on the arms of others.
    rng = np.random.default_rng([study.draw_seed, participant.number])
    session.add_all(
        PresentationRow(
            participant_id=participant.id,
            position=drawn.position,
            token=new_token(),
            left_profile=drawn.left.id,
            right_profile=drawn.right.id,
            left_values=drawn.left.as_dict(),
            right_values=drawn.right.as_dict(),
            attribute_order=list(drawn.attribute_order),
            indecision_offered=drawn.indecision_offered,
            role=drawn.role,
            draw_rule=drawn.draw_rule,
        )
        for drawn in draw_presentations(design, arm, rng)
    )
    participant.arm = arm.name
    participant.state = ParticipantState.INSTRUCTED
    participant.consented_at = now
    session.flush()
    log_event(session, study, participant, "consented", now=now, arm=arm.name)


def decline(session: Session, participant: ParticipantRow, *, now: datetime) -> None:
    """Note that the person would rather not take part; after consent this does nothing."""
    _lock_participant(session, participant)
    if participant.state is not ParticipantState.CONSENTING:
        return
    participant.state = ParticipantState.DECLINED
    participant.ended_at = now
    log_event(session, study_of(session, participant), participant, "declined", now=now)


def begin(session: Session, participant: ParticipantRow, *, now: datetime) -> None:
    """Go from the instructions to the first comparison; once there this does nothing."""
    _lock_participant(session, participant)
    if participant.state is not ParticipantState.INSTRUCTED:
        return
    participant.state = ParticipantState.ANSWERING
    first = next_presentation(session, participant)
    if first is not None:
        first.served_at = now
    log_event(session, study_of(session, participant), participant, "began", now=now)


def _arm_for(session: Session, participant: ParticipantRow, design: StudyDesign, study: StudyRow) -> Arm:
    """Return the arm with the fewest participants; simulated ones are counted apart and unbalance nothing."""
    counts = dict(
        session.execute(
            select(ParticipantRow.arm, func.count())
            .where(
                ParticipantRow.study_id == participant.study_id,
                ParticipantRow.simulated.is_(participant.simulated),
                ParticipantRow.arm.is_not(None),
            )
            .group_by(ParticipantRow.arm)
        ).all()
    )
    fewest = min(counts.get(arm.name, 0) for arm in design.arms)
    candidates = [arm for arm in design.arms if counts.get(arm.name, 0) == fewest]
    rng = np.random.default_rng([study.draw_seed, participant.number, _ARM_STREAM])
    return candidates[int(rng.integers(len(candidates)))]


# --- presentations and answers -------------------------------------------------------------------------


def completion_codes(session: Session, study: StudyRow) -> list[str]:
    """Return the codes of all people who finished, in alphabetical order, which tells nothing of who came when.

    Simulated participants have codes, too, which are nobody's to pay.
    """
    query = select(ParticipantRow.completion_code).where(
        ParticipantRow.study_id == study.id,
        ParticipantRow.simulated.is_(False),
        ParticipantRow.completion_code.is_not(None),
    )
    return sorted(code for code in session.scalars(query) if code)


def next_presentation(session: Session, participant: ParticipantRow) -> PresentationRow | None:
    """Return the first presentation without an answer; None when all are answered."""
    return session.scalars(
        select(PresentationRow)
        .where(PresentationRow.participant_id == participant.id, PresentationRow.answered_at.is_(None))
        .order_by(PresentationRow.position)
        .limit(1)
    ).first()


def presentation_count(session: Session, participant: ParticipantRow) -> int:
    """Return how many presentations were drawn for the participant."""
    query = select(func.count()).where(PresentationRow.participant_id == participant.id)
    return session.scalars(query.select_from(PresentationRow)).one()


def presentation_of(design: StudyDesign, row: PresentationRow) -> Presentation:
    """Return a stored presentation as the domain's object."""
    return Presentation(
        left=design.profile(row.left_values),
        right=design.profile(row.right_values),
        attribute_order=tuple(row.attribute_order),
        indecision_offered=row.indecision_offered,
        position=row.position,
        role=row.role,
        draw_rule=row.draw_rule,
    )


def record_answer(
    session: Session,
    participant: ParticipantRow,
    presentation_token: str,
    choice: Choice,
    *,
    client_seconds: float | None,
    client_seconds_problem: str,
    now: datetime,
) -> Recorded:
    """Store the answer unless the presentation has one, and send the participant on to the next.

    ``client_seconds`` is kept as received; ``client_seconds_problem`` says why it is None.

    Raises
    ------
    NoSuchPresentation
        The token names no presentation of this participant.
    NotTakingPart
        The presentation has not been shown yet, or indecision was not offered.
    """
    presentation = session.scalar(
        select(PresentationRow).where(
            PresentationRow.token == presentation_token, PresentationRow.participant_id == participant.id
        )
    )
    if presentation is None:
        raise NoSuchPresentation("this page belongs to no comparison of yours")
    if presentation.served_at is None:
        raise NotTakingPart("this comparison has not been shown yet")
    if choice is Choice.INDECISION and not presentation.indecision_offered:
        raise NotTakingPart("this comparison offers two answers only")
    study = study_of(session, participant)
    claimed = session.execute(
        update(PresentationRow)
        .where(PresentationRow.id == presentation.id, PresentationRow.answered_at.is_(None))
        .values(answered_at=now)
        .execution_options(synchronize_session=False)
    )
    if not isinstance(claimed, CursorResult) or claimed.rowcount != 1:
        answer = session.scalars(select(AnswerRow).where(AnswerRow.presentation_id == presentation.id)).one()
        log_event(
            session,
            study,
            participant,
            "answer replayed",
            now=now,
            position=presentation.position,
            sent=choice.value,
            stored=answer.choice.value,
        )
        return Recorded(answer=answer, replayed=True)

    server_seconds = max(0.0, (now - presentation.served_at).total_seconds())
    if client_seconds is not None and client_seconds > server_seconds + _CLOCK_SLACK_SECONDS:
        client_seconds_problem = "longer than the server's interval"
    answer = AnswerRow(
        presentation_id=presentation.id,
        choice=choice,
        client_seconds=client_seconds,
        client_seconds_problem=client_seconds_problem,
        server_seconds=server_seconds,
        answered_at=now,
    )
    session.add(answer)
    session.flush()
    following = next_presentation(session, participant)
    if following is not None:
        following.served_at = now
    else:
        participant.state = ParticipantState.FINISHED
        participant.ended_at = now
        participant.completion_code = _random_code(8)
        log_event(session, study, participant, "finished", now=now)
    return Recorded(answer=answer, replayed=False)


def log_event(
    session: Session,
    study: StudyRow,
    participant: ParticipantRow | None,
    what: str,
    *,
    now: datetime,
    **detail: Any,
) -> None:
    """Add a line to the append-only record of what happened."""
    session.add(
        EventRow(
            study_id=study.id,
            participant_id=participant.id if participant else None,
            what=what,
            at=now,
            detail=detail,
        )
    )


def new_token() -> str:
    """Return a secret that nobody can guess, safe in an address."""
    return secrets.token_urlsafe(24)


def _random_code(length: int) -> str:
    return "".join(secrets.choice(_CODE_LETTERS) for _ in range(length))


def _lock(session: Session, study: StudyRow) -> None:
    """Make starts and consents of one study wait for each other, so that numbers and arms are counted exactly.

    SQLite's write transaction has the whole database already; PostgreSQL needs the row. ``key_share`` lets
    everybody else go on: events refer to the study, and storing one would wait for a stronger lock.
    """
    session.execute(select(StudyRow.id).where(StudyRow.id == study.id).with_for_update(key_share=True))


def _lock_participant(session: Session, participant: ParticipantRow) -> None:
    """Wait for another request of the same participant (a second tab) and read what it left."""
    session.refresh(participant, with_for_update={"key_share": True})
