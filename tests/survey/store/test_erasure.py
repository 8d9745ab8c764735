from __future__ import annotations

import pytest
from sqlalchemy import MetaData, func, select

from survey.answers import Choice
from survey.db import reading
from survey.store import participants, studies
from survey.store.erasure import NoSuchParticipant
from survey.tables import (
    AnswerRow,
    EventRow,
    FollowUpKind,
    FollowUpRow,
    IdentityRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    StatementRow,
)


def counts(taking) -> dict[str, int]:
    tables = (PresentationRow, AnswerRow, FollowUpRow, StatementRow, IdentityRow)
    with reading(taking.engine) as session:
        return {t.__tablename__: session.scalars(select(func.count()).select_from(t)).one() for t in tables}


def everything(taking) -> str:
    """Return every value of every row in the database as text."""
    metadata = MetaData()
    metadata.reflect(taking.engine)
    with taking.engine.connect() as connection:
        return "\n".join(
            repr(tuple(row)) for table in metadata.sorted_tables for row in connection.execute(select(table))
        )


def test_erasing_leaves_a_row_per_wave_with_nothing_of_the_person(taking, every_step: str) -> None:
    taking.open(every_step)
    first = taking.start("every-step", pid="worker-1")
    taking.finish_every_step(first)
    taking.study("every-step", studies.open_next_wave)
    second = taking.start("every-step", pid="worker-1")
    taking.wait(minutes=3)
    taking.step(second, participants.consent)
    begun, code = taking.now, taking.person(first).code
    completion = taking.person(first).completion_code
    erased = taking.erase("every-step", code)
    assert (erased.waves, erased.answers, erased.statements) == (2, 6, 4)
    assert not any(counts(taking).values())
    with reading(taking.engine) as session:
        rows = session.scalars(select(ParticipantRow).order_by(ParticipantRow.id)).all()
        said = session.scalars(select(EventRow.what).where(EventRow.participant_id.is_not(None))).all()
    assert [row.state for row in rows] == [ParticipantState.ERASED] * 2
    assert len({row.code for row in rows}) == 1
    assert not said
    left = everything(taking)
    for secret in (code, completion, first, second, "worker-1", repr(begun)):
        assert secret not in left.replace(f"ended_at={begun!r}", ""), secret


def test_erasing_one_leaves_the_others_as_they_were(taking, every_step: str) -> None:
    taking.open(every_step)
    tokens = [taking.start("every-step", pid=f"worker-{i}") for i in range(2)]
    for token in tokens:
        taking.finish_every_step(token)
    before = counts(taking)
    taking.erase("every-step", taking.person(tokens[0]).code)
    after = counts(taking)
    assert {table: before[table] - n for table, n in after.items()} == {
        table: n // 2 for table, n in before.items()
    }
    assert taking.state(tokens[1]) is ParticipantState.FINISHED
    assert [row.answered for row in taking.drawn(tokens[1])] == [1] * 6


def test_what_was_followed_up_is_erased_too(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step)
    token = taking_sqlite.start("every-step")
    taking_sqlite.finish_every_step(token)
    with reading(taking_sqlite.engine) as session:
        answer = session.scalars(select(AnswerRow).limit(1)).one()
    with taking_sqlite.engine.begin() as connection:
        connection.execute(
            FollowUpRow.__table__.insert().values(
                answer_id=answer.id, kind=FollowUpKind.REASON, value="close", at=taking_sqlite.now
            )
        )
    taking_sqlite.erase("every-step", taking_sqlite.person(token).code)
    assert not any(counts(taking_sqlite).values())


def test_who_was_erased_may_come_again_as_somebody_new(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step)
    first = taking_sqlite.start("every-step", key="a page of long ago, kept", pid="worker-1")
    taking_sqlite.erase("every-step", taking_sqlite.person(first).code)
    second = taking_sqlite.start("every-step", pid="worker-1")
    with reading(taking_sqlite.engine) as session:
        assert participants.find_participant(session, first) is None
        assert sorted(session.scalars(select(ParticipantRow.number))) == [1, 2]
    assert taking_sqlite.state(second) is ParticipantState.CONSENTING


def test_erasing_is_in_the_audit_log_without_the_code(taking_sqlite, short_design: str) -> None:
    taking_sqlite.open(short_design)
    token = taking_sqlite.at_first_comparison("short")
    taking_sqlite.answer(token, Choice.LEFT)
    taking_sqlite.erase("short", taking_sqlite.person(token).code)
    with reading(taking_sqlite.engine) as session:
        event = session.scalars(select(EventRow).where(EventRow.what == "participant erased")).one()
    assert (event.actor, event.participant_id, event.detail) == ("test", None, {"waves": 1})


@pytest.mark.parametrize("twice", [False, True])
def test_erasing_nobody_says_so(taking_sqlite, short_design: str, twice: bool) -> None:
    taking_sqlite.open(short_design)
    code = "p-NOBODY"
    if twice:
        code = taking_sqlite.person(taking_sqlite.start("short")).code
        taking_sqlite.erase("short", code)
    with pytest.raises(NoSuchParticipant, match="column 'respondent'"):
        taking_sqlite.erase("short", code)
