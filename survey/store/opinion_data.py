"""Ratings and rankings of a study out of the database, one sheet per person."""

from __future__ import annotations

from sqlalchemy import and_, select, true
from sqlalchemy.orm import Session

from survey.acceptability import Rating
from survey.coding.opinions import Sheet
from survey.tables import (
    AttributePageAnswerRow,
    AttributePageRow,
    AttributeTask,
    ParticipantRow,
    ParticipantState,
    StudyRow,
)


def sheets_of(
    session: Session, study: StudyRow, *, include_simulated: bool, wave: int | None = None
) -> list[Sheet]:
    """Read what everybody said who went on from the page of ratings or of places, in the order of their codes.

    The last answer to each page counts. Erased people are left out.

    Parameters
    ----------
    wave
        That of the answers; None: of each person the first in which there are any, so that nobody counts twice.
    """
    rows = session.execute(
        select(
            ParticipantRow.code,
            ParticipantRow.wave,
            ParticipantRow.simulated,
            AttributePageRow.task,
            AttributePageAnswerRow.ratings,
            AttributePageAnswerRow.ranking,
        )
        .join(AttributePageRow, AttributePageRow.participant_id == ParticipantRow.id)
        .join(
            AttributePageAnswerRow,
            and_(
                AttributePageAnswerRow.attribute_page_id == AttributePageRow.id,
                AttributePageAnswerRow.revision == AttributePageRow.answered,
            ),
        )
        .where(
            ParticipantRow.study_id == study.id,
            ParticipantRow.state != ParticipantState.ERASED,
            AttributePageRow.task.in_((AttributeTask.RATE, AttributeTask.RANK)),
            true() if wave is None else ParticipantRow.wave == wave,
            true() if include_simulated else ParticipantRow.simulated.is_(False),
        )
    ).all()
    first_wave: dict[str, int] = {}
    for row in rows:
        first_wave[row.code] = min(row.wave, first_wave.get(row.code, row.wave))
    kept = [row for row in rows if row.wave == first_wave[row.code]]
    rated = {row.code: row.ratings for row in kept if row.task is AttributeTask.RATE}
    ranked = {row.code: row.ranking for row in kept if row.task is AttributeTask.RANK}
    simulated = {row.code: row.simulated for row in kept}
    return [
        Sheet(
            respondent=code,
            simulated=simulated[code],
            ratings={name: Rating(word) for name, word in sorted(rated.get(code, {}).items())},
            ranking=tuple(ranked.get(code, ())),
            rated=code in rated,
            ranked=code in ranked,
        )
        for code in sorted(simulated)
    ]
