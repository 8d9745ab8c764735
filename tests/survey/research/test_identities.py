"""Recruitment ids that are kept for payment, and invitations to the next wave. On both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from survey.db import reading, writing
from survey.participation import Ending
from survey.recruitment import BadRecruitmentId, IdKeeper
from survey.store import erasure, studies
from survey.store.identities import count_kept_ids, forget_ids, kept_ids
from survey.store.invitations import invitations
from survey.tables import EventRow, IdentityRow, ParticipantRow, StudyRow

Follow = Callable[..., Any]
Plan = Callable[..., Any]


def open_next_wave(walker: Any) -> None:
    with writing(walker.engine) as session:
        studies.open_next_wave(session, session.get_one(StudyRow, walker.study_id), now=walker.tick())


def test_kept_ids_come_with_the_ending_and_code_of_each_wave(
    engine: Engine, follow: Follow, plan: Plan
) -> None:
    walker = follow(engine)
    code = walker.take(plan(pid="B"))
    walker.take(plan(pid="A", answers=1))
    walker.take(plan(pid="C", decline=True))
    walker.take(plan())  # Nobody sent this one.
    open_next_wave(walker)
    walker.take_again(code, plan(answers=0))
    with reading(engine) as session:
        study = session.get_one(StudyRow, walker.study_id)
        found = kept_ids(session, study, walker.ids)
        count = count_kept_ids(session, study)
    assert [(k.recruited.source, k.recruited.id, k.wave, k.ending) for k in found] == [
        ("prolific", "A", 1, None),
        ("prolific", "B", 1, Ending.COMPLETE),
        ("prolific", "B", 2, None),
        ("prolific", "C", 1, Ending.DECLINED),
    ]
    assert found[1].recruited.details == (("SESSION_ID", "s-B"),)
    assert [k.code for k in found][:3] == ["", "PAID-ALL", ""]
    assert found[3].code.startswith("D")
    assert (count.people, count.kept) == (3, 3)
    assert count.oldest is not None
    assert count.delete_by == count.oldest + timedelta(days=60)


def test_forgetting_deletes_the_ids_and_keeps_recognizing_people(
    engine: Engine, follow: Follow, plan: Plan
) -> None:
    walker = follow(engine)
    code = walker.take(plan(pid="A"))
    walker.take(plan(pid="B", decline=True))
    with writing(engine) as session:
        study = session.get_one(StudyRow, walker.study_id)
        assert forget_ids(session, study, now=walker.tick(), actor="account olga") == 2
        assert forget_ids(session, study, now=walker.tick(), actor="account olga") == 0
    with reading(engine) as session:
        study = session.get_one(StudyRow, walker.study_id)
        assert kept_ids(session, study, walker.ids) == []
        count = count_kept_ids(session, study)
        assert (count.people, count.kept, count.oldest, count.delete_by) == (2, 0, None, None)
        noted = session.execute(
            select(EventRow.actor, EventRow.detail).where(EventRow.what == "kept ids deleted")
        )
        assert noted.all() == [("account olga", {"ids": 2})]
    assert walker.take(plan(pid="A")) == code


def test_ids_of_another_key_are_refused_and_not_silently_left_out(
    engine: Engine, follow: Follow, plan: Plan
) -> None:
    walker = follow(engine)
    walker.take(plan(pid="A"))
    with reading(engine) as session, pytest.raises(BadRecruitmentId, match="another secret key"):
        kept_ids(
            session, session.get_one(StudyRow, walker.study_id), IdKeeper("another secret key, long enough")
        )


def test_who_finished_the_wave_before_is_invited_until_the_next_is_begun(
    engine: Engine, follow: Follow, plan: Plan
) -> None:
    walker = follow(engine)
    with_id = walker.take(plan(pid="Z"))
    without_id = walker.take(plan())
    walker.take(plan(pid="Q", answers=1))
    walker.take(plan(simulated=True))

    def invited() -> list[tuple[str, str, str]]:
        with reading(engine) as session:
            tokens = dict(session.execute(select(ParticipantRow.token, ParticipantRow.code)).all())
            found = invitations(session, session.get_one(StudyRow, walker.study_id), walker.ids)
            return [
                (tokens[i.token], i.completion_code, i.recruited.id if i.recruited else "") for i in found
            ]

    assert invited() == []  # Nobody is, in the first wave.
    open_next_wave(walker)
    assert invited() == [(without_id, "PAID-ALL", ""), (with_id, "PAID-ALL", "Z")]
    walker.take_again(without_id, plan(answers=0))
    assert invited() == [(with_id, "PAID-ALL", "Z")]
    with writing(engine) as session:
        erasure.erase(session, session.get_one(StudyRow, walker.study_id), with_id, now=walker.tick())
    assert invited() == []


def test_ids_of_another_study_stay_where_they_are(
    engine: Engine, follow: Follow, plan: Plan, followed_design: str
) -> None:
    walker = follow(engine)
    other = follow(engine, followed_design.replace('slug = "followed"', 'slug = "other"'))
    walker.take(plan(pid="A"))
    other.take(plan(pid="B"))
    with writing(engine) as session:
        here = session.get_one(StudyRow, walker.study_id)
        assert [k.recruited.id for k in kept_ids(session, here, walker.ids)] == ["A"]
        forget_ids(session, here, now=walker.tick())
    with reading(engine) as session:
        (kept,) = kept_ids(session, session.get_one(StudyRow, other.study_id), other.ids)
        hashes = session.scalars(select(IdentityRow.id_hash)).all()
    assert kept.recruited.id == "B"
    assert len(set(hashes)) == 2
