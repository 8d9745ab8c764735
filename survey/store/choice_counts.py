"""Counts of a study's choices, made by the database: estimators read these instead of every answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, String, func, select, type_coerce
from sqlalchemy.orm import Session

from survey.answers import Choice, Role
from survey.design import Attribute, Profile
from survey.overview.counts import COUNTED
from survey.store.studies import design_of
from survey.tables import AnswerRow, ParticipantRow, ParticipantState, PresentationRow, StudyRow

# Databases take only so many values in one statement.
_AT_ONCE = 500

_CHOICES = {choice.value: choice for choice in Choice}
_ROLES = {role.value: role for role in Role}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceCounts:
    """How often each participant made each choice between two patients as shown. Columns of equal length."""

    attributes: tuple[Attribute, ...]
    profiles: tuple[Profile, ...]
    """Those of main comparisons that were answered, in the order of their ids."""
    respondents: tuple[str, ...]
    """Pseudonyms, in order; of one person in all waves the same."""
    arms: tuple[str, ...]
    """In order."""
    left: Sequence[int]
    """Number of the left profile in ``profiles``."""
    right: Sequence[int]
    choice: Sequence[Choice]
    offered: Sequence[bool]
    """Whether indecision could be chosen."""
    respondent: Sequence[int]
    """Number of the respondent in ``respondents``."""
    arm: Sequence[int]
    """Number of the arm in ``arms``."""
    times: Sequence[int]
    """How many answers the row stands for."""
    other_roles: Mapping[Role, int]
    """Answers to comparisons that were not main ones (checks, repeats and the like), which no estimate uses."""

    @property
    def answers(self) -> int:
        """Answers to main comparisons."""
        return sum(self.times)


def choice_counts(
    session: Session,
    study: StudyRow,
    *,
    simulated: bool,
    arm: str | None = None,
    wave: int | None = None,
    first_finished: int | None = None,
) -> ChoiceCounts:
    """Count the answers that count, of people or of simulated participants.

    They are those of the exported ``answers.csv``: the last revision of each, the practice and erased participants
    left out, whether or not the participant has finished.

    Parameters
    ----------
    arm, wave
        Only this arm or wave; None for all.
    first_finished
        Only the answers of so many participants, those who finished first (of this arm and wave). The same whenever
        it is asked, as long as nobody is erased.
    """
    these = _these(study, simulated, arm, wave)
    if first_finished is not None:
        first = (
            select(ParticipantRow.id)
            .where(*these, ParticipantRow.state == ParticipantState.FINISHED)
            .order_by(ParticipantRow.ended_at, ParticipantRow.id)
            .limit(first_finished)
        )
        these = (*these, ParticipantRow.id.in_(first))
    # As text: converting to the columns' own types would take as long as everything else.
    keys = (
        ParticipantRow.code,
        ParticipantRow.arm,
        PresentationRow.left_profile,
        PresentationRow.right_profile,
        type_coerce(AnswerRow.choice, String),
        PresentationRow.indecision_offered,
        type_coerce(PresentationRow.role, String),
    )
    found = session.execute(
        select(*keys, func.count(), func.min(PresentationRow.id))
        .select_from(ParticipantRow)
        .join(PresentationRow, PresentationRow.participant_id == ParticipantRow.id)
        .join(AnswerRow, COUNTED)
        .where(*these, PresentationRow.position > 0)
        .group_by(*keys)
    ).all()
    of_main: list[tuple[Any, ...]] = [tuple(row) for row in found if row[6] == Role.MAIN.value]
    main = sorted(of_main, key=_order)
    other_roles: dict[Role, int] = {}
    for row in found:
        if row[6] != Role.MAIN.value:
            role = _ROLES[str(row[6])]
            other_roles[role] = other_roles.get(role, 0) + int(row[7] or 0)
    profiles = _profiles(session, study, main)
    profile_number = {name: i for i, name in enumerate(profiles)}
    respondents = dict.fromkeys(row[0] for row in main)
    respondent_number = {code: i for i, code in enumerate(respondents)}
    arms = sorted({row[1] or "" for row in main})
    return ChoiceCounts(
        attributes=design_of(study).attributes,
        profiles=tuple(profiles.values()),
        respondents=tuple(respondents),
        arms=tuple(arms),
        left=[profile_number[row[2]] for row in main],
        right=[profile_number[row[3]] for row in main],
        choice=[_CHOICES[row[4]] for row in main],
        offered=[bool(row[5]) for row in main],
        respondent=[respondent_number[row[0]] for row in main],
        arm=[arms.index(row[1] or "") for row in main],
        times=[int(row[7]) for row in main],
        other_roles=dict(sorted(other_roles.items())),
    )


def count_finished(
    session: Session, study: StudyRow, *, simulated: bool, arm: str | None = None, wave: int | None = None
) -> int:
    """Count the participants who reached the end: those whom ``first_finished`` counts."""
    these = _these(study, simulated, arm, wave)
    query = select(func.count()).where(*these, ParticipantRow.state == ParticipantState.FINISHED)
    return session.scalars(query).one()


def _these(
    study: StudyRow, simulated: bool, arm: str | None, wave: int | None
) -> tuple[ColumnElement[bool], ...]:
    these = [
        ParticipantRow.study_id == study.id,
        ParticipantRow.simulated.is_(simulated),
        ParticipantRow.state != ParticipantState.ERASED,
    ]
    if arm is not None:
        these.append(ParticipantRow.arm == arm)
    if wave is not None:
        these.append(ParticipantRow.wave == wave)
    return tuple(these)


def _order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    # Sorted here: databases differ in how they order text.
    return (row[0], row[1] or "", *row[2:6])


def _profiles(session: Session, study: StudyRow, rows: Sequence[tuple[Any, ...]]) -> dict[str, Profile]:
    """Return the profiles by id, each read from one presentation that showed it."""
    shown_left = {row[2]: int(row[8]) for row in rows}
    shown_right = {row[3]: int(row[8]) for row in rows if row[3] not in shown_left}
    design = design_of(study)
    values: dict[str, Mapping[str, Any]] = {}
    for shown, column in (
        (shown_left, PresentationRow.left_values),
        (shown_right, PresentationRow.right_values),
    ):
        by_id: dict[int, Mapping[str, Any]] = {}
        wanted = sorted(set(shown.values()))
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            of_some = select(PresentationRow.id, column).where(PresentationRow.id.in_(some))
            by_id |= {row.id: row[1] for row in session.execute(of_some)}
        values |= {name: by_id[id_] for name, id_ in shown.items()}
    return {name: design.profile(values[name]) for name in sorted(values)}
