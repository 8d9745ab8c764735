"""Studies: added, found, opened, paused, closed; the next wave."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from survey.design import StudyDesign, design_hash
from survey.design_file import parse_design
from survey.errors import SurveyError
from survey.store.erasure import delete_rehearsals
from survey.store.events import log_event
from survey.tables import ParticipantRow, StudyRow, StudyState


class NoSuchStudy(SurveyError):
    """No study has this slug (and version)."""


class StudyConflict(SurveyError):
    """A change would alter what participants of a study were asked, or collides with another study."""


def add_study(
    session: Session, design_toml: str, *, now: datetime, where: str = "design.toml", actor: str = ""
) -> StudyRow:
    """Store a checked design as a draft.

    Adding the very same design again returns the study that is there. A draft takes a changed design of the same
    version, and what its rehearsals and previews left is deleted; any study that was opened is frozen.

    Raises
    ------
    BadDesign
        The text is no usable design.
    StudyConflict
        The slug and version are taken by a study that is frozen with another design.
    """
    design = parse_design(design_toml, where)
    digest = design_hash(design)
    there = _study_of_version(session, design)
    if there is None:
        study = StudyRow(
            slug=design.slug,
            version=design.version,
            design_toml=design_toml,
            design_hash=digest,
            draw_seed=_draw_seed(digest),
            state=StudyState.DRAFT,
            wave=1,
            created_at=now,
        )
        try:
            with session.begin_nested():
                session.add(study)
                session.flush()
        except IntegrityError:
            # Somebody else added this version at the same moment.
            there = _study_of_version(session, design)
            if there is None:
                raise
        else:
            log_event(session, study, None, "study added", now=now, actor=actor, design_hash=digest)
            return study
    if there.design_hash == digest:
        return there
    lock_study(session, there)
    session.refresh(there)
    if there.state is not StudyState.DRAFT or _has_people(session, there):
        raise StudyConflict(
            f"{where}: study '{design.slug}' version {design.version} is stored with another design (hash "
            f"{there.design_hash[:12]}, this file has {digest[:12]}) and is frozen since it was opened; "
            "raise study.version to add this one"
        )
    before = there.design_hash
    deleted = delete_rehearsals(session, there)
    there.design_toml, there.design_hash, there.draw_seed = design_toml, digest, _draw_seed(digest)
    there.wave = 1  # A later one was a rehearsal's.
    session.flush()
    log_event(
        session,
        there,
        None,
        "design replaced",
        now=now,
        actor=actor,
        design_hash=digest,
        before=before,
        rehearsed_participants_deleted=deleted,
    )
    return there


def _draw_seed(digest: str) -> int:
    # From the design itself, so that anyone who has the file can repeat every draw.
    return int(digest[:12], 16)


def _study_of_version(session: Session, design: StudyDesign) -> StudyRow | None:
    return session.scalar(
        select(StudyRow).where(StudyRow.slug == design.slug, StudyRow.version == design.version)
    )


def _has_people(session: Session, study: StudyRow) -> bool:
    people = (ParticipantRow.study_id == study.id, ParticipantRow.simulated.is_(False))
    return session.scalar(select(ParticipantRow.id).where(*people).limit(1)) is not None


def find_study(
    session: Session, slug: str, version: str | None = None, *, digest: str | None = None
) -> StudyRow:
    """Return the study of this slug: the named version or design hash, else the one at the address participants
    use (open or paused), else the one added last.

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
    taken = StudyRow.state.in_((StudyState.OPEN, StudyState.PAUSED))
    study = session.scalars(query.order_by(taken.desc(), StudyRow.id.desc()).limit(1)).first()
    if study is None:
        there = ", ".join(f"{s.slug} (version {s.version})" for s in list_studies(session)) or "none yet"
        wanted = f"'{slug}'" + (f" version {version}" if version else "")
        wanted += f" with design hash {digest[:12]}" if digest else ""
        raise NoSuchStudy(f"no study {wanted}; the studies are: {there}")
    return study


def list_studies(session: Session) -> Sequence[StudyRow]:
    """Return every study, newest first."""
    return session.scalars(select(StudyRow).order_by(StudyRow.id.desc())).all()


def open_study(session: Session, study: StudyRow, *, now: datetime, actor: str = "") -> None:
    """Let participants in, and go on after a pause. People begin in the first wave, whichever was rehearsed.

    Raises
    ------
    StudyConflict
        Another version of the same slug is open or paused.
    """
    _change_state(session, study, StudyState.OPEN, "study opened", now=now, actor=actor)


def pause_study(session: Session, study: StudyRow, *, now: datetime, actor: str = "") -> None:
    """For a while let nobody start and nobody go on; everybody keeps the place.

    Raises
    ------
    StudyConflict
        The study is not open.
    """
    lock_study(session, study)
    if study.state not in (StudyState.OPEN, StudyState.PAUSED):
        raise StudyConflict(f"study '{study.slug}' is {study.state.value}; only an open study can be paused")
    _change_state(session, study, StudyState.PAUSED, "study paused", now=now, actor=actor)


def close_study(session: Session, study: StudyRow, *, now: datetime, actor: str = "") -> None:
    """Let nobody else in; participants who have started may finish."""
    _change_state(session, study, StudyState.CLOSED, "study closed", now=now, actor=actor)


def open_next_wave(session: Session, study: StudyRow, *, now: datetime, actor: str = "") -> int:
    """Invite the participants of the wave before again; return the wave's number.

    Raises
    ------
    StudyConflict
        The design has no further wave.
    """
    lock_study(session, study)
    planned = design_of(study).waves.count
    if study.wave >= planned:
        raise StudyConflict(
            f"study '{study.slug}' is in wave {study.wave} of {planned}; a design says how many waves there are "
            "in waves.count"
        )
    study.wave += 1
    session.flush()
    log_event(session, study, None, "wave opened", now=now, actor=actor, wave=study.wave)
    return study.wave


def _change_state(
    session: Session, study: StudyRow, state: StudyState, what: str, *, now: datetime, actor: str
) -> None:
    # Somebody else may have changed the state since it was read.
    lock_study(session, study)
    if study.state is state:
        return
    conflict = StudyConflict(
        f"another version of study '{study.slug}' is open or paused and has the same address; close it first"
    )
    if state is StudyState.OPEN:
        other = session.scalar(
            select(StudyRow.id).where(
                StudyRow.slug == study.slug,
                StudyRow.state.in_((StudyState.OPEN, StudyState.PAUSED)),
                StudyRow.id != study.id,
            )
        )
        if other is not None:
            raise conflict
    try:
        with session.begin_nested():
            if study.state is StudyState.DRAFT and not _has_people(session, study):
                study.wave = 1
            study.state = state
            session.flush()
    except IntegrityError:
        raise conflict from None  # Another version was opened at the same moment.
    log_event(session, study, None, what, now=now, actor=actor)


def lock_study(session: Session, study: StudyRow) -> None:
    """Make starts, admissions and changes of one study wait for each other, so that numbers, slots and arms are
    exact; then read the study again, which somebody may have changed meanwhile.

    SQLite's write transaction has the whole database already; PostgreSQL needs the row. ``key_share`` lets
    everybody else go on: events refer to the study, and storing one would wait for a stronger lock.
    """
    session.flush()  # Reading again drops what is not.
    session.refresh(study, with_for_update={"key_share": True})


@lru_cache(maxsize=64)
def _parsed(design_toml: str) -> StudyDesign:
    return parse_design(design_toml, "stored design", accepted=True)


def design_of(study: StudyRow) -> StudyDesign:
    """Return the study's design, parsed once per process."""
    return _parsed(study.design_toml)
