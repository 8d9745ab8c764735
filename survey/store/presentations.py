"""Presentations: stored as drawn, read back as the domain's objects."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from survey.answers import Choice, Presentation
from survey.design import StudyDesign
from survey.store.tokens import new_token
from survey.tables import AnswerRow, ParticipantRow, PresentationRow


def add_presentations(
    session: Session, participant: ParticipantRow, drawn: Iterable[Presentation]
) -> list[PresentationRow]:
    """Store presentations that were drawn for the participant."""
    rows = [
        PresentationRow(
            participant_id=participant.id,
            position=p.position,
            token=new_token(),
            left_profile=p.left.id,
            right_profile=p.right.id,
            left_values=p.left.as_dict(),
            right_values=p.right.as_dict(),
            attribute_order=list(p.attribute_order),
            indecision_offered=p.indecision_offered,
            role=p.role,
            draw_rule=p.draw_rule,
            draw_probability=p.draw_probability,
            expected=p.expected,
            repeat_of=p.repeat_of,
            note=p.note,
            highlighted=p.highlighted,
            language=participant.language,
            asked=1,
            answered=0,
        )
        for p in drawn
    ]
    session.add_all(rows)
    session.flush()
    return rows


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
        draw_probability=row.draw_probability,
        expected=row.expected,
        repeat_of=row.repeat_of,
        note=row.note,
        highlighted=row.highlighted,
    )


def seen_by(
    session: Session, design: StudyDesign, participant: ParticipantRow
) -> list[tuple[Presentation, Choice | None]]:
    """Return every presentation drawn for the participant, in order, with the answer that counts."""
    rows = session.execute(
        select(PresentationRow, AnswerRow.choice)
        .outerjoin(
            AnswerRow,
            and_(
                AnswerRow.presentation_id == PresentationRow.id,
                AnswerRow.revision == PresentationRow.answered,
            ),
        )
        .where(PresentationRow.participant_id == participant.id)
        .order_by(PresentationRow.position)
    )
    return [(presentation_of(design, row), choice) for row, choice in rows]
