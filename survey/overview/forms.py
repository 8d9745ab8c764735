"""Answers to the questions around the comparisons, as counts, and how far quotas are filled. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from survey.design import StudyDesign
from survey.overview.quartiles import Quartiles, quartiles_of
from survey.overview.records import Record
from survey.questionnaire import PREFER_NOT_TO_SAY, FormQuestion, QuestionKind
from survey.tables import ADMITTED, ParticipantState, Section


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionCount:
    """How a question was answered. What people wrote is not shown here."""

    question: FormQuestion
    asked: int
    """Participants who sent the form."""
    options: Mapping[str, int]
    """Option's name -> participants who chose it; several may be chosen where the question says so."""
    numbers: Quartiles | None
    texts: int
    """Participants who wrote something."""
    preferred_not_to_say: int
    left_blank: int


def count_section(
    section: Section, questions: Sequence[FormQuestion], records: Sequence[Record]
) -> list[QuestionCount]:
    """Return one line per question of the screener or the demographics."""
    sent = {
        Section.SCREENER: [r for r in records if section in r.stated],
        # Every question may be left blank, so having gone on says that the form was sent.
        Section.DEMOGRAPHICS: [
            r for r in records if section in r.stated or r.state is ParticipantState.FINISHED
        ],
    }[section]
    given = [{s.question: s.value for s in r.stated.get(section, ())} for r in sent]
    return [_counted(question, [answers.get(question.name) for answers in given]) for question in questions]


def _counted(question: FormQuestion, values: Sequence[object]) -> QuestionCount:
    declined = sum(value == PREFER_NOT_TO_SAY for value in values)
    said = [value for value in values if value is not None and value != PREFER_NOT_TO_SAY]
    chosen = Counter(name for value in said for name in (value if isinstance(value, list) else [value]))
    return QuestionCount(
        question=question,
        asked=len(values),
        options={option.name: chosen[option.name] for option in question.options},
        numbers=quartiles_of([value for value in said if isinstance(value, int | float)]),
        texts=len(said) if question.kind is QuestionKind.TEXT else 0,
        preferred_not_to_say=declined,
        left_blank=sum(value is None for value in values),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ComprehensionCount:
    """How many answers the question about the instructions took."""

    right_at: Sequence[int]
    """Participants who were right at the first attempt, the second …"""
    failed: int
    """Wrong in every attempt."""
    trying: int
    """Have been wrong and have an attempt left."""


def comprehension(design: StudyDesign, records: Sequence[Record]) -> ComprehensionCount | None:
    """Count the attempts at comprehension; None where the design asks nothing of the kind."""
    asked = design.comprehension
    if asked is None:
        return None
    attempts = [[s.value for s in given] for r in records if (given := r.stated.get(Section.COMPREHENSION))]
    wrong = [given for given in attempts if asked.right not in given]
    at = Counter(given.index(asked.right) + 1 for given in attempts if asked.right in given)
    failed = sum(len(given) >= asked.attempts for given in wrong)
    return ComprehensionCount(
        right_at=[at[k] for k in range(1, asked.attempts + 1)], failed=failed, trying=len(wrong) - failed
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaCount:
    """How far a quota is filled."""

    name: str
    finished: int
    held: int
    """Slots of people who are admitted and have been active in the last ``hold_minutes``."""
    most: int

    @property
    def left(self) -> int:
        """Slots that are free; 0 where it is exceeded by people who came back after their slot was given away."""
        return max(0, self.most - self.finished - self.held)


def quotas(design: StudyDesign, records: Sequence[Record], *, now: datetime) -> list[QuotaCount]:
    """Return one line per quota, from all records; admission counts slots in the same way: who returns
    for a later wave takes no second one."""
    since = now - timedelta(minutes=design.quotas.hold_minutes)
    first = [r for r in records if not r.returning]
    finished = [r for r in first if r.state is ParticipantState.FINISHED]
    holding = [r for r in first if r.state in ADMITTED and r.active_at >= since]
    counts = []
    if design.quotas.most is not None:
        counts.append(
            QuotaCount(
                name="all participants", finished=len(finished), held=len(holding), most=design.quotas.most
            )
        )
    for cell in design.quotas.cells:
        counts.append(
            QuotaCount(
                name=f"{cell.question} = {cell.option}",
                finished=sum(_said(r, cell.question, cell.option) for r in finished),
                held=sum(_said(r, cell.question, cell.option) for r in holding),
                most=cell.most,
            )
        )
    return counts


def _said(record: Record, question: str, option: str) -> bool:
    for stated in record.stated.get(Section.SCREENER, ()):
        if stated.question == question:
            return option in (stated.value if isinstance(stated.value, list) else [stated.value])
    return False
