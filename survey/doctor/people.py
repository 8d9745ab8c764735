"""Checks of participants: their steps, waves, arms and quotas, and what is kept of who they are."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import aliased

from survey.answers import Choice
from survey.doctor.check import Check, Patient, Person, of
from survey.pairing import presentation_count
from survey.steps import ENDINGS
from survey.tables import (
    ENDED,
    AnswerRow,
    AttributePageRow,
    ChoiceTaskRow,
    EventRow,
    IdentityRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    Section,
    StatementRow,
)

_STARTED_TO_ENDED = ("started_at", "consented_at", "admitted_at", "ended_at")


def _drawn_when_admitted(patient: Patient) -> Iterable[str]:
    for person in patient.people.values():
        compares = patient.designs[person.study_id].compares
        if (compares and person.admitted_at is not None) != (person.id in patient.shown):
            yield of(person)


def _endings(patient: Patient) -> Iterable[str]:
    ended = ParticipantRow.state.in_(ENDED)
    query = select(ParticipantRow.id).where(
        or_(
            ended != ParticipantRow.ended_at.is_not(None),
            and_(ParticipantRow.state.in_(ENDINGS), ParticipantRow.completion_code.is_(None)),
        )
    )
    return patient.ids("participant", query)


def _times(patient: Patient) -> Iterable[str]:
    columns = [getattr(ParticipantRow, name) for name in _STARTED_TO_ENDED]
    rows = patient.session.execute(select(ParticipantRow.code, *columns).order_by(ParticipantRow.id))
    for code, *moments in rows:
        known = [moment for moment in moments if moment is not None]
        if known != sorted(known):
            yield f"participant {code}"


def _erased(patient: Patient) -> Iterable[str]:
    left = [
        exists().where(kind.participant_id == ParticipantRow.id)
        for kind in (PresentationRow, ChoiceTaskRow, AttributePageRow, StatementRow, EventRow, IdentityRow)
    ]
    query = select(ParticipantRow.id).where(ParticipantRow.state == ParticipantState.ERASED, or_(*left))
    return patient.ids("participant", query)


def _waves(patient: Patient) -> Iterable[str]:
    before = aliased(ParticipantRow)
    query = (
        select(ParticipantRow.id)
        .join(before, before.id == ParticipantRow.previous_id)
        .where(
            or_(
                before.study_id != ParticipantRow.study_id,
                before.code != ParticipantRow.code,
                before.wave != ParticipantRow.wave - 1,
                before.simulated != ParticipantRow.simulated,
                before.state.not_in((ParticipantState.FINISHED, ParticipantState.ERASED)),
            )
        )
    )
    return patient.ids("participant", query)


def _own_study(patient: Patient) -> Iterable[str]:
    for kind, label in ((EventRow, "event"), (IdentityRow, "recruitment id")):
        query = (
            select(kind.id)
            .join(ParticipantRow, ParticipantRow.id == kind.participant_id)
            .where(kind.study_id != ParticipantRow.study_id)
        )
        yield from patient.ids(label, query)


def _stuck(patient: Patient) -> Iterable[str]:
    """Find who is comparing, has answered everything and waits for no follow-up."""
    last_choice = dict(
        patient.session.execute(
            select(AnswerRow.presentation_id, AnswerRow.choice)
            .join(PresentationRow, PresentationRow.id == AnswerRow.presentation_id)
            .join(ParticipantRow, ParticipantRow.id == PresentationRow.participant_id)
            .where(
                ParticipantRow.state == ParticipantState.ANSWERING,
                AnswerRow.revision == PresentationRow.answered,
                PresentationRow.asked == PresentationRow.answered,
            )
        ).all()
    )
    for person, design, shown in patient.each_shown():
        if person.state is not ParticipantState.ANSWERING:
            continue
        scored = [one for one in shown if one.position > 0]
        if len(scored) < presentation_count(design) or any(one.id not in last_choice for one in scored):
            continue
        asks_more = bool(design.indecision.reasons) or design.indecision.strict
        if not (asks_more and last_choice[scored[-1].id] is Choice.INDECISION):
            yield of(person)


def _arms(patient: Patient) -> Iterable[str]:
    """Simulated participants are left out: a preview chooses its arm."""
    for study in patient.studies:
        design = patient.designs.get(study.id)
        if design is None:
            continue
        people = [
            p for p in patient.people.values() if p.study_id == study.id and not p.simulated and p.wave == 1
        ]
        counts = Counter(p.arm for p in people if p.arm is not None)
        # Somebody who is erased leaves a gap that the next one fills.
        erased = sum(p.state is ParticipantState.ERASED for p in people)
        numbers = [counts[arm.name] for arm in design.arms]
        unknown = counts.total() - sum(numbers)
        if unknown or max(numbers) - min(numbers) > 1 + erased:
            shown = ", ".join(f"{n} {arm}" for arm, n in sorted(counts.items()))
            yield f"study {study.slug} version {study.version}: {shown}"


def _quotas(patient: Patient) -> Iterable[str]:
    stated: dict[int, dict[str, list[str]]] = {}
    for person, question, value in patient.session.execute(
        select(StatementRow.participant_id, StatementRow.question, StatementRow.value).where(
            StatementRow.section == Section.SCREENER, StatementRow.attempt == 1
        )
    ):
        given = value if isinstance(value, list) else [value]
        stated.setdefault(person, {})[question] = [str(option) for option in given]
    for study in patient.studies:
        quotas = patient.designs[study.id].quotas if study.id in patient.designs else None
        if quotas is None or (quotas.most is None and not quotas.cells):
            continue
        for simulated in (False, True):
            people = [
                p
                for p in patient.people.values()
                if p.study_id == study.id and p.previous_id is None and p.simulated is simulated
            ]
            if quotas.most is not None:
                yield from _over(people, quotas.most)
            for cell in quotas.cells:
                within = [p for p in people if cell.option in stated.get(p.id, {}).get(cell.question, [])]
                yield from _over(within, cell.most)


def _over(people: list[Person], most: int) -> Iterator[str]:
    """Yield those who were admitted when as many as there are places had finished already."""
    finished = sorted(
        p.ended_at for p in people if p.state is ParticipantState.FINISHED and p.ended_at is not None
    )
    for person in people:
        if person.admitted_at is not None and bisect_left(finished, person.admitted_at) >= most:
            yield of(person)


def _old_ids(patient: Patient) -> Iterable[str]:
    for study in patient.studies:
        design = patient.designs.get(study.id)
        if design is not None:
            oldest: datetime = patient.now - timedelta(days=design.recruitment.keep_days)
            query = select(IdentityRow.id).where(
                IdentityRow.study_id == study.id,
                IdentityRow.sealed.is_not(None),
                IdentityRow.kept_at < oldest,
            )
            yield from patient.ids(f"study {study.slug}: recruitment id", query)


CHECKS = (
    Check(
        name="who is admitted was drawn comparisons",
        meaning="Comparisons, where the design has any, are drawn in the same moment in which a place is given, "
        "and for nobody else.",
        find=_drawn_when_admitted,
    ),
    Check(
        name="endings have a time and a code",
        meaning="Whoever has ended has the time and, unless erased, a code to be paid by; nobody else has a "
        "time.",
        find=_endings,
    ),
    Check(
        name="steps come in order",
        meaning="Starting, consenting, admission and the end of a participant follow each other in time.",
        find=_times,
    ),
    Check(
        name="nothing is left of who was erased",
        meaning="An erased participant has no comparisons, other tasks, pages about attributes, statements, "
        "events or recruitment id.",
        find=_erased,
    ),
    Check(
        name="waves belong together",
        meaning="A later wave follows the finished wave before, of the same person in the same study.",
        find=_waves,
    ),
    Check(
        name="everything stays within one study",
        meaning="Events and recruitment ids are of the study that their participant takes.",
        find=_own_study,
    ),
    Check(
        name="nobody is stuck",
        meaning="Whoever is still comparing has something left to answer.",
        find=_stuck,
    ),
    Check(
        name="arms are balanced",
        meaning="Arms have as many participants (first wave, people) as each other, or one more or less; those "
        "who were erased can make more of a difference.",
        find=_arms,
    ),
    Check(
        name="quotas are kept",
        meaning="Nobody was admitted after as many as the quota allows had finished. (People who come back after "
        "their place was given away may finish all the same.)",
        find=_quotas,
    ),
    Check(
        name="kept ids are deleted in time",
        meaning="Recruitment ids that a study keeps for payment are deleted after recruitment.keep_days, as "
        "participants were told; 'equipoise survey forget-ids' does it.",
        find=_old_ids,
    ),
)
