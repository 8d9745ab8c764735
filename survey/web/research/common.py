"""What several of the researcher's pages need: the study an address names, words for states, files to download."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from flask import abort
from sqlalchemy.orm import Session

from survey.db import writing
from survey.store.events import log_event
from survey.tables import AttributeTask, ParticipantState, StudyRow
from survey.web.access import current_actor
from survey.web.context import now, the_engine

CSV = "text/csv; charset=utf-8"

STEP_WORDS = {
    ParticipantState.CONSENTING: "Consent",
    ParticipantState.SCREENING: "Screener",
    ParticipantState.SUGGESTING: "Naming attributes",
    ParticipantState.RATING: "Rating attributes",
    ParticipantState.INSTRUCTED: "Instructions",
    ParticipantState.PRACTICING: "Practice",
    ParticipantState.COMPREHENDING: "Comprehension question",
    ParticipantState.ANSWERING: "Comparisons",
    ParticipantState.CHOOSING: "Choosing one of many",
    ParticipantState.DESCRIBING: "Demographics",
    ParticipantState.FINISHED: "The end",
}
"""Names of the steps."""
STATE_WORDS = {
    ParticipantState.CONSENTING: "at the consent",
    ParticipantState.SCREENING: "in the screener",
    ParticipantState.SUGGESTING: "naming attributes",
    ParticipantState.RATING: "rating attributes",
    ParticipantState.INSTRUCTED: "at the instructions",
    ParticipantState.PRACTICING: "in the practice",
    ParticipantState.COMPREHENDING: "at the comprehension question",
    ParticipantState.ANSWERING: "comparing",
    ParticipantState.CHOOSING: "choosing one of many",
    ParticipantState.DESCRIBING: "in the demographics",
    ParticipantState.FINISHED: "finished",
    ParticipantState.DECLINED: "declined",
    ParticipantState.SCREENED_OUT: "screened out",
    ParticipantState.QUOTA_FULL: "found the quota full",
    ParticipantState.WITHDRAWN: "withdrew",
    ParticipantState.ERASED: "erased",
}
"""Where a participant is, in words."""
TASK_WORDS = {
    AttributeTask.SHOULD: "What should count",
    AttributeTask.SHOULD_NOT: "What should not count",
    AttributeTask.RATE: "Ratings",
    AttributeTask.RANK: "Ranking",
}
"""Names of the pages about attributes."""


def study_or_404(session: Session, study_id: int) -> StudyRow:
    """Return the study that an address names."""
    study = session.get(StudyRow, study_id)
    if study is None:
        abort(404)
    return study


def note_download(study: StudyRow, what: str, **detail: object) -> None:
    """Note in the audit log that a file was taken. In a transaction of its own: reading a file may take long, and
    nobody who answers should wait for it."""
    with writing(the_engine()) as session:
        log_event(session, study, None, what, now=now(), actor=current_actor(), **detail)


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return a CSV file. A cell that a spreadsheet would run as a formula gets an apostrophe before it: ids of
    recruitment platforms come from addresses, which anybody can write."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(
            [f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell for cell in row]
        )
    return text.getvalue().encode()
