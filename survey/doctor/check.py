"""What a check is, what it looks at, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from survey.answers import Choice, Role
from survey.design import StudyDesign
from survey.errors import BadDesign
from survey.store.studies import design_of
from survey.tables import ParticipantRow, ParticipantState, PresentationRow, StudyRow

NAMED = 5
"""So many of the rows that a check complains of are named."""


class Severity(StrEnum):
    """How bad it is."""

    BROKEN = "broken"
    """A promise does not hold: the data, or what was promised to participants."""
    LOOK = "to look at"
    """Unlikely or noteworthy, and possible without a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A participant in one wave, as far as checks need."""

    id: int
    study_id: int
    number: int
    code: str
    wave: int
    previous_id: int | None
    arm: str | None
    state: ParticipantState
    simulated: bool
    admitted_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownOne:
    """A presentation, as far as checks need."""

    id: int
    participant_id: int
    position: int
    role: Role
    left: str
    """Profile id."""
    right: str
    expected: Choice | None
    repeat_of: int | None
    answered: int


class Patient:
    """The database as one examination sees it. What several checks need is read once."""

    def __init__(self, session: Session, *, now: datetime) -> None:
        self.session = session
        self.now = now

    @cached_property
    def studies(self) -> Sequence[StudyRow]:
        """Every study."""
        return self.session.scalars(select(StudyRow).order_by(StudyRow.id)).all()

    @cached_property
    def designs(self) -> dict[int, StudyDesign]:
        """The design of each study by its id; those that cannot be read are left to the check that says so."""
        found = {}
        for study in self.studies:
            try:
                found[study.id] = design_of(study)
            except BadDesign:
                continue
        return found

    @cached_property
    def people(self) -> dict[int, Person]:
        """Every participant of a study whose design can be read, by id."""
        columns = [getattr(ParticipantRow, name) for name in Person.__dataclass_fields__]
        rows = self.session.execute(select(*columns).order_by(ParticipantRow.id))
        everybody = (Person(**row._mapping) for row in rows)
        return {person.id: person for person in everybody if person.study_id in self.designs}

    @cached_property
    def shown(self) -> dict[int, list[ShownOne]]:
        """Presentations by participant, in order."""
        rows = self.session.execute(
            select(
                PresentationRow.id,
                PresentationRow.participant_id,
                PresentationRow.position,
                PresentationRow.role,
                PresentationRow.left_profile,
                PresentationRow.right_profile,
                PresentationRow.expected,
                PresentationRow.repeat_of,
                PresentationRow.answered,
            ).order_by(PresentationRow.participant_id, PresentationRow.position)
        )
        found: dict[int, list[ShownOne]] = {}
        for id_, person, position, role, left, right, expected, repeat_of, answered in rows:
            if person in self.people:
                found.setdefault(person, []).append(
                    ShownOne(
                        id=id_,
                        participant_id=person,
                        position=position,
                        role=role,
                        left=left,
                        right=right,
                        expected=expected,
                        repeat_of=repeat_of,
                        answered=answered,
                    )
                )
        return found

    def each_shown(self) -> Iterator[tuple[Person, StudyDesign, list[ShownOne]]]:
        """Yield every participant who was drawn comparisons, with design and presentations."""
        for id_, shown in self.shown.items():
            person = self.people[id_]
            yield person, self.designs[person.study_id], shown

    def ids(self, label: str, query: Select[int]) -> list[str]:
        """Return the ids that a query finds, in order, each with what it is the id of."""
        return [f"{label} {id_}" for id_ in sorted(self.session.scalars(query))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One invariant."""

    name: str
    meaning: str
    """What holds where all is well, and what it means where it does not."""
    find: Callable[[Patient], Iterable[str]]
    """Returns what does not keep to it, in words that lead to the row."""
    severity: Severity = Severity.BROKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    meaning: str
    severity: Severity
    violations: int
    first: tuple[str, ...]
    """The first few."""

    @property
    def broken(self) -> bool:
        """Whether something is broken."""
        return self.violations > 0 and self.severity is Severity.BROKEN


def examine(session: Session, checks: Sequence[Check], *, now: datetime) -> list[Finding]:
    """Run the checks on what the session sees."""
    patient = Patient(session, now=now)
    findings = []
    for check in checks:
        found = _found(check, patient)
        findings.append(
            Finding(
                check=check.name,
                meaning=check.meaning,
                severity=check.severity,
                violations=len(found),
                first=tuple(found[:NAMED]),
            )
        )
    return findings


def _found(check: Check, patient: Patient) -> list[str]:
    try:
        # A savepoint: what one check cannot read must not end the examination.
        with patient.session.begin_nested():
            return list(check.find(patient))
    except Exception as error:  # noqa: BLE001 - told as a violation: sick data can break a check in any way
        return [f"could not be checked: {type(error).__name__}: {error}".splitlines()[0]]


def of(person: Person) -> str:
    """Return words that lead to a participant."""
    return f"participant {person.code}" + (f" wave {person.wave}" if person.wave > 1 else "")
