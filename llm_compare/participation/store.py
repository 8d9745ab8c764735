"""The questions we ask the database about models that take a study. Functions take the session and never commit.

Of the survey's tables only the study is read, for its design and state; nothing of people is read or written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from llm_compare.errors import CannotTake
from llm_compare.participation.model_participant import (
    FIRST_REPEAT,
    Given,
    Group,
    ModelParticipant,
    Shown,
    draw_another,
    draw_for,
    in_words,
    request_of,
    respondent_id,
)
from llm_compare.participation.rows import participant_of, participant_row, presentation_row
from llm_compare.participation.tables import ModelParticipantRow, ModelPresentationRow
from llm_compare.prompting.messages import Wording
from llm_compare.replies.parsing import parse
from llm_compare.replies.reply import RecordedReply
from llm_compare.replies.store import failures_of, find_replies
from survey.answers import Choice, Presentation
from survey.db import reading
from survey.design import StudyDesign, require_comparisons
from survey.store.studies import design_of, find_study, lock_study
from survey.tables import StudyRow, StudyState

_KEYS_PER_SELECT = 500  # Databases limit the number of parameters in a statement.


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A version of a study as the database has it."""

    id: int
    slug: str
    version: str
    design: StudyDesign
    design_hash: str
    draw_seed: int
    state: str
    """``draft``, ``open``, ``paused`` or ``closed``."""


def study_to_take(session: Session, slug: str, version: str | None = None) -> Study:
    """Return the study of this slug: the named version, else the open one, else the one added last.

    Raises
    ------
    survey.store.studies.NoSuchStudy
        Naming the studies there are.
    survey.errors.NoComparisons
        The study asks for attributes alone.
    """
    study = _study(find_study(session, slug, version))
    require_comparisons(study.design)
    return study


def enroll(
    session: Session, study: Study, group: Group, count: int, *, now: datetime
) -> tuple[ModelParticipant, ...]:
    """Return the first ``count`` respondents of ``group``; those that are new are drawn their comparisons.

    Raises
    ------
    CannotTake
        Some are new, and the study is not open.
    """
    row = session.get_one(StudyRow, study.id)
    lock_study(session, row)  # Ids and repeats are counted on; two at once would count the same.
    there = participants_of(session, study, group=group)
    group = there[0].group if there else group  # The label given first stays.
    if len(there) >= count:
        return there[:count]
    if row.state is not StudyState.OPEN:
        raise CannotTake(
            f"study '{study.slug}' version {study.version} is {row.state.value}: models take a study only while it "
            f"is open to people. Open it ('equipoise survey open {study.slug}'), or ask its comparisons without "
            "taking part: 'equipoise compare ask'"
        )
    wording = _wording(study, group)
    taken = select(func.count()).where(
        ModelParticipantRow.study_id == study.id, ModelParticipantRow.label == group.label
    )
    others = session.scalar(taken) or 0
    before = [shown.presentation for one in there for shown in one.shown]
    added = []
    for number in range(len(there) + 1, count + 1):
        drawn = draw_for(study.design, group, number, draw_seed=study.draw_seed, before=before)
        before.extend(drawn)
        others += 1
        added.append(
            ModelParticipant(
                respondent=respondent_id(group.label, others),
                group=group,
                number=number,
                created_at=now,
                shown=tuple(in_words(wording, presentation) for presentation in drawn),
            )
        )
    _add(session, study, group, added)
    return participants_of(session, study, group=group)


def draw_on(session: Session, study: Study, group: Group, count: int) -> bool:
    """Draw one more comparison for each of the group's first respondents; False if none had one left to be drawn.

    Only an adaptive design has any; call it when every comparison so far has its reply.
    """
    lock_study(session, session.get_one(StudyRow, study.id))
    participants = participants_of(session, study, group=group)[:count]
    choices = {
        (one.participant.number, one.shown.presentation.position): one.parsed.choice
        for one in given_by(session, participants)
    }
    seen: dict[int, list[tuple[Presentation, Choice | None]]] = {
        one.number: [(s.presentation, choices.get((one.number, s.presentation.position))) for s in one.shown]
        for one in participants
    }
    wording = _wording(study, group)
    rows = {
        row.number: row
        for row in session.scalars(
            select(ModelParticipantRow).where(
                ModelParticipantRow.study_id == study.id, ModelParticipantRow.group_key == group.key
            )
        )
    }
    drawn = []
    for number in seen:
        another = draw_another(
            study.design,
            group,
            number,
            draw_seed=study.draw_seed,
            seen=seen[number],
            by_group=[pair for pairs in seen.values() for pair in pairs],
        )
        if another is not None:
            seen[number].append((another, None))
            drawn.append((rows[number], in_words(wording, another)))
    _add_shown(session, group, drawn)
    return bool(drawn)


def participants_of(
    session: Session, study: Study, *, group: Group | None = None
) -> tuple[ModelParticipant, ...]:
    """Return the model respondents of a study, or of one group, in the order in which they were added.

    Raises
    ------
    CannotTake
        What is sent is no longer what was recorded with a respondent.
    """
    query = select(ModelParticipantRow).where(ModelParticipantRow.study_id == study.id)
    if group is not None:
        query = query.where(ModelParticipantRow.group_key == group.key)
    rows = session.scalars(query.order_by(ModelParticipantRow.id)).all()
    shown: dict[int, list[ModelPresentationRow]] = defaultdict(list)
    these = query.with_only_columns(ModelParticipantRow.id)
    for presentation in session.scalars(
        select(ModelPresentationRow)
        .where(ModelPresentationRow.model_participant_id.in_(these))
        .order_by(ModelPresentationRow.position)
    ):
        shown[presentation.model_participant_id].append(presentation)
    return tuple(participant_of(study.design, row, shown[row.id]) for row in rows)


def given_by(session: Session, participants: Iterable[ModelParticipant]) -> tuple[Given, ...]:
    """Return every comparison that has a reply, with what the reply means, by respondent and position."""
    asked = [
        (participant, shown, request_of(participant.group, shown))
        for participant in participants
        for shown in participant.shown
    ]
    replies = find_replies(session, [request for _, _, request in asked])
    return tuple(
        Given(
            participant=participant,
            shown=shown,
            recorded=RecordedReply(request=request, reply=replies[request.identity]),
            parsed=parse(replies[request.identity], request.labels, request.variant.answer_format),
        )
        for participant, shown, request in asked
        if request.identity in replies
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenStudy:
    """A study, the models that took it, and what they gave."""

    study: Study
    participants: Sequence[ModelParticipant]
    given: Sequence[Given]
    failed: Set[tuple[str, int]]
    """Calls without a reply that were tried and failed, by request key and repeat."""


def read_taken(engine: Engine, study_id: int) -> TakenStudy | None:
    """Read all there is about models that took a study, in a session that cannot write; None: no such study."""
    with reading(engine) as session:
        row = session.get(StudyRow, study_id)
        if row is None:
            return None
        study = _study(row)
        participants = participants_of(session, study)
        given = given_by(session, participants)
        replied = {one.recorded.request.identity for one in given}
        open_calls = [r for one in participants for r in one.requests() if r.identity not in replied]
        failures = failures_of(session, open_calls)
        return TakenStudy(
            study=study,
            participants=participants,
            given=given,
            failed=frozenset((f.request_key, f.repeat) for f in failures),
        )


def _study(row: StudyRow) -> Study:
    return Study(
        id=row.id,
        slug=row.slug,
        version=row.version,
        design=design_of(row),
        design_hash=row.design_hash,
        draw_seed=row.draw_seed,
        state=row.state.value,
    )


def _wording(study: Study, group: Group) -> Wording:
    return Wording.of(study.design, arm=study.design.arm(group.arm), variant=group.variant)


# --- rows -------------------------------------------------------------------------------------------------


def _add(session: Session, study: Study, group: Group, participants: Sequence[ModelParticipant]) -> None:
    shown: list[tuple[ModelParticipantRow, Shown]] = []
    for participant in participants:
        row = participant_row(study.id, participant)
        session.add(row)
        shown.extend((row, one) for one in participant.shown)
    session.flush()
    _add_shown(session, group, shown)


def _add_shown(session: Session, group: Group, shown: Sequence[tuple[ModelParticipantRow, Shown]]) -> None:
    """Store comparisons, each with the next repeat of exactly its call."""
    keys = [request_of(group, one).key for _, one in shown]
    last = _last_repeats(session, sorted(set(keys)))
    for key, (row, one) in zip(keys, shown, strict=True):
        last[key] = last.get(key, FIRST_REPEAT - 1) + 1
        session.add(presentation_row(row, replace(one, repeat=last[key]), key))
    session.flush()


def _last_repeats(session: Session, keys: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(keys), _KEYS_PER_SELECT):
        some = keys[start : start + _KEYS_PER_SELECT]
        counted = session.execute(
            select(ModelPresentationRow.request_key, func.max(ModelPresentationRow.repeat))
            .where(ModelPresentationRow.request_key.in_(some))
            .group_by(ModelPresentationRow.request_key)
        )
        found.update((key, repeat) for key, repeat in counted)
    return found
