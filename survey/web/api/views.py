"""The API's calls. Each reads or writes in one transaction and answers with a model of ``schemas`` or a file."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections import Counter
from pathlib import Path

from flask import Response, abort, request, url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from survey.answers import AnswerSet, Role
from survey.answers_file import write_answers
from survey.bundle import write_bundle
from survey.db import reading, writing
from survey.design import NumericAttribute, plain_number
from survey.errors import BadDesign
from survey.export import answers_of_study
from survey.store import studies
from survey.store.events import log_event
from survey.store.studies import StudyConflict
from survey.tables import ParticipantRow, PresentationRow, StudyRow, SuggestionRow
from survey.web.api.document import Files, operation
from survey.web.api.routes import api_actor, blueprint, needs_write
from survey.web.api.schemas import (
    CountsQuery,
    ParticipantCount,
    ParticipantCounts,
    SimulatedQuery,
    StateChange,
    StudiesQuery,
    Study,
    StudyList,
    StudySummary,
    WantedState,
    YesNo,
)
from survey.web.context import now, the_context, the_engine
from survey.web.files import file_response
from survey.web.problems import problem

_NO_STUDY = {404: "No study has this id."}
_WRITES = {403: "The token may only read."}
_TEXT_TYPES = ("application/toml", "text/plain", "application/octet-stream")


@blueprint.get("/api/v1/studies")
@operation("listStudies", returns={200: (StudyList, "The studies, newest first.")})
def list_studies(query: StudiesQuery) -> StudyList:
    """List the studies."""
    with reading(the_engine()) as session:
        rows = studies.list_studies(session)
        return StudyList(studies=[_summary(row) for row in rows if query.slug in (None, row.slug)])


@blueprint.post("/api/v1/studies")
@needs_write
@operation(
    "addStudy",
    returns={
        200: (Study, "The study was there: the same design again, or a draft whose design was replaced."),
        201: (Study, "The design was added as a draft."),
    },
    refuses={
        **_WRITES,
        409: "The version is stored with another design that is frozen.",
        413: "The body is too large.",
        415: "The body is not said to be TOML.",
        422: "The text is no usable design; `complaints` names every fault with its line.",
    },
    files=Files(takes="application/toml", takes_words="A design file, UTF-8."),
)
def add_study() -> Response | tuple[Study, int] | tuple[Study, int, dict[str, str]]:
    """Add a design as a draft study."""
    if request.mimetype not in _TEXT_TYPES:
        return problem(
            415, "Send the design file as it is, with the header 'Content-Type: application/toml'."
        )
    try:
        text = request.get_data().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return problem(422, "The design is not UTF-8 text.", complaints=["design.toml: not UTF-8 text"])
    moment = now()
    try:
        with writing(the_engine()) as session:
            row = studies.add_study(session, text, now=moment, actor=api_actor())
            study = _study(session, row)
    except BadDesign as error:
        return problem(422, "The text is no usable design; see 'complaints'.", complaints=error.complaints)
    except StudyConflict as error:
        return problem(409, str(error))
    if study.created_at != moment:
        return study, 200
    return study, 201, {"Location": url_for("api.get_study", study_id=study.id)}


@blueprint.get("/api/v1/studies/<int:study_id>")
@operation("getStudy", returns={200: (Study, "The study and where it stands.")}, refuses=_NO_STUDY)
def get_study(study_id: int) -> Study:
    """Get one study: its state, wave, design hash, and how many participants are in which state."""
    with reading(the_engine()) as session:
        return _study(session, _row(session, study_id))


@blueprint.put("/api/v1/studies/<int:study_id>/state")
@needs_write
@operation(
    "setState",
    returns={200: (Study, "The study is in that state now.")},
    refuses={
        **_WRITES,
        **_NO_STUDY,
        409: "It cannot be: a draft cannot be paused, and one version of a slug is open at a time.",
    },
)
def set_state(study_id: int, json: StateChange) -> Study | Response:
    """Open, pause or close a study.

    Paused: for a while nobody starts and nobody goes on; everybody keeps the place. Closed: nobody starts, and
    those who have started may finish.
    """
    change = {
        WantedState.OPEN: studies.open_study,
        WantedState.PAUSED: studies.pause_study,
        WantedState.CLOSED: studies.close_study,
    }[json.state]
    try:
        with writing(the_engine()) as session:
            row = _row(session, study_id)
            change(session, row, now=now(), actor=api_actor())
            return _study(session, row)
    except StudyConflict as error:
        return problem(409, str(error))


@blueprint.get("/api/v1/studies/<int:study_id>/participants")
@operation("countParticipants", returns={200: (ParticipantCounts, "Counts; none is 0.")}, refuses=_NO_STUDY)
def count_participants(study_id: int, query: CountsQuery) -> ParticipantCounts:
    """Count participants by wave, arm and state."""
    simulated = query.simulated is YesNo.YES
    columns = (ParticipantRow.wave, ParticipantRow.arm, ParticipantRow.state)
    with reading(the_engine()) as session:
        _row(session, study_id)
        rows = session.execute(
            select(*columns, func.count())
            .where(ParticipantRow.study_id == study_id, ParticipantRow.simulated.is_(simulated))
            .group_by(*columns)
        ).all()
    counts = [ParticipantCount(wave=w, arm=arm, state=s, participants=n) for w, arm, s, n in rows]
    counts.sort(key=lambda c: (c.wave, c.arm or "", c.state.value))
    return ParticipantCounts(simulated=simulated, counts=counts)


# --- downloads ------------------------------------------------------------------------------------------


@blueprint.get("/api/v1/studies/<int:study_id>/bundle.zip")
@operation(
    "downloadBundle",
    returns={
        200: (None, "Everything shown and said, with a codebook and hashes: 'equipoise survey verify'.")
    },
    refuses=_NO_STUDY,
    files=Files(sends="application/zip"),
)
def download_bundle(study_id: int, query: SimulatedQuery) -> Response:
    """Download the export bundle. People only, unless simulated participants are asked for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        with reading(the_engine()) as session:
            write_bundle(
                session,
                _row(session, study_id),
                path,
                include_simulated=query.simulated is YesNo.YES,
            )
        return _file(study_id, "bundle.zip", path.read_bytes(), "application/zip")


@blueprint.get("/api/v1/studies/<int:study_id>/design.toml")
@operation(
    "downloadDesign",
    returns={200: (None, "The design file, as it was added.")},
    refuses=_NO_STUDY,
    files=Files(sends="application/toml"),
)
def download_design(study_id: int) -> Response:
    """Download the design."""
    with reading(the_engine()) as session:
        text = _row(session, study_id).design_toml
    return _file(study_id, "design.toml", text.encode(), "application/toml; charset=utf-8")


@blueprint.get("/api/v1/studies/<int:study_id>/answers.csv")
@operation(
    "downloadAnswersCsv",
    returns={200: (None, "One row per answer; docs/files.md describes the columns.")},
    refuses=_NO_STUDY,
    files=Files(sends="text/csv"),
)
def download_answers_csv(study_id: int, query: SimulatedQuery) -> Response:
    """Download the answers as CSV. People only, unless simulated participants are asked for."""
    answers = _answers(study_id, query)
    return _file(study_id, "answers.csv", _csv_of(answers), "text/csv; charset=utf-8")


@blueprint.get("/api/v1/studies/<int:study_id>/answers.jsonl")
@operation(
    "downloadAnswersJsonLines",
    returns={
        200: (None, "One JSON object per line, with the columns of answers.csv; what is missing is null.")
    },
    refuses=_NO_STUDY,
    files=Files(sends="application/jsonl"),
)
def download_answers_json_lines(study_id: int, query: SimulatedQuery) -> Response:
    """Download the answers as JSON lines. People only, unless simulated participants are asked for."""
    answers = _answers(study_id, query)
    return _file(study_id, "answers.jsonl", _json_lines_of(answers), "application/jsonl; charset=utf-8")


def _answers(study_id: int, query: SimulatedQuery) -> AnswerSet:
    with reading(the_engine()) as session:
        return answers_of_study(session, _row(session, study_id), query.simulated is YesNo.YES)


def _csv_of(answers: AnswerSet) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.csv"
        write_answers(path, answers)
        return path.read_bytes()


def _json_lines_of(answers: AnswerSet) -> bytes:
    """Turn the very file that CSV readers get into JSON lines, so that the two cannot differ."""
    numeric = {a.name for a in answers.attributes if isinstance(a, NumericAttribute)}
    numbers = {"wave", "position", "seconds"} | {f"{side}.{n}" for side in ("left", "right") for n in numeric}
    rows = csv.DictReader(io.StringIO(_csv_of(answers).decode("utf-8"), newline=""))
    lines = [
        {
            name: None if cell == "" else plain_number(float(cell)) if name in numbers else cell
            for name, cell in row.items()
        }
        for row in rows
    ]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def _file(study_id: int, name: str, body: bytes, media_type: str) -> Response:
    """Send a file and note in the audit log who has it."""
    with writing(the_engine()) as session:
        row = _row(session, study_id)
        log_event(session, row, None, "downloaded", now=now(), actor=api_actor(), file=name)
        stem = f"{row.slug}-{row.version}"
    return file_response(body, f"{stem}-{name}", media_type)


# --- rows as models -----------------------------------------------------------------------------------


def _row(session: Session, study_id: int) -> StudyRow:
    row = session.get(StudyRow, study_id)
    if row is None:
        abort(
            problem(
                404, f"No study has the id {study_id}; GET /api/v1/studies lists the studies and their ids."
            )
        )
    return row


def _summary(row: StudyRow) -> StudySummary:
    return StudySummary(
        id=row.id,
        slug=row.slug,
        version=row.version,
        title=studies.design_of(row).title,
        state=row.state,
        wave=row.wave,
        design_hash=row.design_hash,
        created_at=row.created_at,
    )


def _study(session: Session, row: StudyRow) -> Study:
    states: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    query = select(ParticipantRow.simulated, ParticipantRow.state, func.count()).where(
        ParticipantRow.study_id == row.id
    )
    for simulated, state, count in session.execute(
        query.group_by(ParticipantRow.simulated, ParticipantRow.state)
    ):
        states[simulated][state.value] += count
    answered = (
        select(func.count())
        .select_from(PresentationRow)
        .join(ParticipantRow, PresentationRow.participant_id == ParticipantRow.id)
        .where(
            ParticipantRow.study_id == row.id,
            ParticipantRow.simulated.is_(False),
            PresentationRow.answered > 0,
            PresentationRow.role != Role.PRACTICE,
        )
    )
    suggested = (
        select(func.count())
        .select_from(SuggestionRow)
        .where(
            SuggestionRow.study_id == row.id,
            SuggestionRow.page_id.is_not(None),
            SuggestionRow.simulated.is_(False),
            SuggestionRow.removed_at.is_(None),
        )
    )
    base = the_context().settings.public_url.rstrip("/") or request.host_url.rstrip("/")
    return Study(
        **_summary(row).model_dump(),
        participants_url=base + url_for("participate.landing", slug=row.slug),
        people=dict(sorted(states[False].items())),
        simulated=dict(sorted(states[True].items())),
        answers=session.scalar(answered) or 0,
        suggestions=session.scalar(suggested) or 0,
    )
