"""Invitations to the wave that a study asks now: the personal links of those who finished the wave before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from survey.recruitment import IdKeeper, Recruited
from survey.tables import IdentityRow, ParticipantRow, ParticipantState, StudyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Somebody who may begin the present wave and has not yet. Names no one beside answers."""

    token: str
    """Of the participant's own address, whose page offers the wave."""
    completion_code: str
    """Of the wave before: what the person showed for payment, so that the link can be sent to the right one."""
    recruited: Recruited | None
    """The recruitment id, where it is kept."""


def invitations(session: Session, study: StudyRow, ids: IdKeeper) -> Sequence[Invitation]:
    """Return who is invited to the study's present wave, sorted by recruitment id and code; nobody in the first.

    Raises
    ------
    BadRecruitmentId
        Ids were sealed with another secret key.
    """
    person, following, first = (aliased(ParticipantRow) for _ in range(3))
    rows = session.execute(
        select(person.token, person.completion_code, IdentityRow.sealed)
        .outerjoin(following, following.previous_id == person.id)
        # The id stands with the first wave that the person took; all waves share the code.
        .join(
            first,
            (first.study_id == person.study_id) & (first.code == person.code) & first.previous_id.is_(None),
        )
        .outerjoin(IdentityRow, IdentityRow.participant_id == first.id)
        .where(
            person.study_id == study.id,
            person.simulated.is_(False),
            person.wave == study.wave - 1,
            person.state == ParticipantState.FINISHED,
            following.id.is_(None),
        )
    )
    found = [
        Invitation(
            token=token,
            completion_code=code or "",
            recruited=None if sealed is None else ids.opened(sealed),
        )
        for token, code, sealed in rows
    ]
    return sorted(found, key=_by_id)


def _by_id(invitation: Invitation) -> tuple[str, str, str, str]:
    known = invitation.recruited
    return (
        known.source if known else "",
        known.id if known else "",
        invitation.completion_code,
        # Codes may be alike; tokens are random, so the order of arrival is not told.
        invitation.token,
    )
