from __future__ import annotations

import pytest
from sqlalchemy import func, select

from survey.answers import Choice, Role
from survey.db import reading, writing
from survey.participation import Ending
from survey.store import answering, participants, studies
from survey.store.participants import NeedsInvitation, NotTakingPart, StudyPaused
from survey.tables import (
    EventRow,
    IdentityRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    Section,
    StatementRow,
)

State = ParticipantState


def count(taking, table) -> int:
    with reading(taking.engine) as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def test_a_draft_takes_simulated_participants_only(taking_sqlite, short_design: str) -> None:
    with writing(taking_sqlite.engine) as session:
        studies.add_study(session, short_design, now=taking_sqlite.now)
    token = taking_sqlite.start("short", simulated=True)
    assert taking_sqlite.person(token).code == "sim-00001"
    with pytest.raises(NotTakingPart, match="draft"):
        taking_sqlite.start("short")


def test_pressing_start_twice_makes_one_participant(taking, short_design: str) -> None:
    taking.open(short_design)
    first = taking.start("short", key="the same page, twice")
    assert taking.start("short", key="the same page, twice") == first
    assert taking.start("short") != first
    assert count(taking, ParticipantRow) == 2


def test_the_same_recruitment_id_is_the_same_participant_at_the_same_place(taking, short_design: str) -> None:
    taking.open(short_design)
    first = taking.at_first_comparison("short", pid="worker-1")
    taking.answer(first)
    assert taking.start("short", pid="worker-1") == first
    assert taking.state(first) is State.ANSWERING
    assert taking.start("short", pid="worker-2") != first
    assert (count(taking, ParticipantRow), count(taking, IdentityRow)) == (2, 2)


def test_a_recruitment_id_is_kept_as_a_hash_and_sealed_only_where_the_design_keeps_it(
    taking_sqlite, short_design: str, every_step: str
) -> None:
    taking_sqlite.open(short_design)
    taking_sqlite.open(every_step)
    taking_sqlite.start("short", pid="worker-1")
    taking_sqlite.start("every-step", pid="worker-1")
    with reading(taking_sqlite.engine) as session:
        one, other = session.scalars(select(IdentityRow).order_by(IdentityRow.id)).all()
    assert one.id_hash != other.id_hash, "the same person must not be linked between studies"
    assert one.sealed is None
    assert taking_sqlite.ids.opened(other.sealed).id == "worker-1"
    assert "worker-1" not in one.id_hash + other.id_hash + other.sealed


def test_a_study_that_needs_recruitment_ids_turns_others_away(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step.replace("keep_ids = true", "required = true"))
    with pytest.raises(NeedsInvitation):
        taking_sqlite.start("every-step")
    taking_sqlite.start("every-step", pid="worker-1")
    taking_sqlite.start("every-step", simulated=True)
    assert count(taking_sqlite, ParticipantRow) == 2


def test_declining_is_final(taking_sqlite, short_design: str) -> None:
    taking_sqlite.open(short_design)
    token = taking_sqlite.start("short")
    taking_sqlite.step(token, participants.decline)
    with pytest.raises(NotTakingPart):
        taking_sqlite.step(token, participants.consent)
    person = taking_sqlite.person(token)
    assert person.state is State.DECLINED
    assert person.completion_code.startswith("D")
    assert not taking_sqlite.drawn(token)


def test_every_step_is_taken_in_order(taking, every_step: str) -> None:
    taking.open(every_step)
    token = taking.start("every-step")
    seen = [taking.state(token)]
    for act, values in (
        (participants.consent, ()),
        (participants.screen, ({"adult": "yes", "place": "city"},)),
        (answering.begin, ()),
    ):
        taking.step(token, act, *values)
        seen.append(taking.state(token))
    assert taking.shown(token).role is Role.PRACTICE
    taking.answer(token)
    seen.append(taking.state(token))
    taking.step(token, answering.comprehend, "alike")
    seen.append(taking.state(token))
    taking.answer_all(token)
    seen.append(taking.state(token))
    taking.step(token, participants.describe, {"gender": "prefer-not-to-say"})
    seen.append(taking.state(token))
    assert seen == [
        State.CONSENTING,
        State.SCREENING,
        State.INSTRUCTED,
        State.PRACTICING,
        State.COMPREHENDING,
        State.ANSWERING,
        State.DESCRIBING,
        State.FINISHED,
    ]
    with reading(taking.engine) as session:
        said = session.execute(
            select(StatementRow.section, StatementRow.question, StatementRow.value).order_by(StatementRow.id)
        ).all()
    assert [tuple(row) for row in said] == [
        (Section.SCREENER, "adult", "yes"),
        (Section.SCREENER, "place", "city"),
        (Section.COMPREHENSION, "comprehension", "alike"),
        (Section.DEMOGRAPHICS, "gender", "prefer-not-to-say"),
    ]


def test_a_step_sent_again_does_nothing(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step)
    token = taking_sqlite.start("every-step")
    for _ in range(2):
        taking_sqlite.step(token, participants.consent)
    for _ in range(2):
        taking_sqlite.step(token, participants.screen, {"adult": "yes", "place": "city"})
    for _ in range(2):
        taking_sqlite.step(token, answering.begin)
    with reading(taking_sqlite.engine) as session:
        said = session.scalars(select(EventRow.what).where(EventRow.participant_id.is_not(None))).all()
    assert said == ["started", "consented", "admitted", "began"]
    assert count(taking_sqlite, StatementRow) == 2


def test_an_answer_of_the_screener_can_end_the_study(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step)
    token = taking_sqlite.consented("every-step")
    taking_sqlite.step(token, participants.screen, {"adult": "no", "place": "city"})
    person = taking_sqlite.person(token)
    assert person.state is State.SCREENED_OUT
    assert person.completion_code.startswith("S")
    assert person.arm is None
    assert not taking_sqlite.drawn(token)


def test_a_study_that_is_paused_stores_nothing_of_people_and_keeps_their_place(
    taking, short_design: str
) -> None:
    taking.open(short_design)
    token = taking.at_first_comparison("short")
    rehearsing = taking.at_first_comparison("short", simulated=True)
    presentation = taking.shown(token)
    taking.study("short", studies.pause_study)
    with pytest.raises(StudyPaused):
        taking.answer(token)
    with pytest.raises(NotTakingPart):
        taking.start("short")
    taking.answer(rehearsing)
    taking.study("short", studies.open_study)
    assert not taking.send(token, presentation, Choice.RIGHT).replayed


def test_who_withdraws_keeps_what_was_answered(taking_sqlite, short_design: str) -> None:
    taking_sqlite.open(short_design)
    token = taking_sqlite.at_first_comparison("short")
    taking_sqlite.answer(token)
    for _ in range(2):
        taking_sqlite.step(token, participants.withdraw)
    person = taking_sqlite.person(token)
    assert person.state is State.WITHDRAWN
    assert person.completion_code.startswith("W")
    assert [row.answered for row in taking_sqlite.drawn(token)] == [1, 0, 0, 0]


def test_after_the_end_nothing_leads_out_of_it(taking_sqlite, short_design: str) -> None:
    taking_sqlite.open(short_design)
    token = taking_sqlite.at_first_comparison("short")
    taking_sqlite.answer_all(token)
    before = taking_sqlite.person(token)
    taking_sqlite.wait(seconds=5)
    for act in (participants.consent, participants.decline, answering.begin, participants.withdraw):
        taking_sqlite.step(token, act)
    after = taking_sqlite.person(token)
    assert (after.state, after.ended_at, after.completion_code) == (
        State.FINISHED,
        before.ended_at,
        before.completion_code,
    )


def test_every_ending_has_the_designs_code_or_a_personal_one(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step + '\n[endings.complete]\ncode = "ALL-DONE"\n')
    done = taking_sqlite.start("every-step")
    taking_sqlite.finish_every_step(done)
    declined = taking_sqlite.start("every-step")
    taking_sqlite.step(declined, participants.decline)
    left = taking_sqlite.consented("every-step")
    taking_sqlite.step(left, participants.withdraw)
    rehearsed = taking_sqlite.start("every-step", simulated=True)
    taking_sqlite.step(rehearsed, participants.decline)
    with reading(taking_sqlite.engine) as session:
        codes = participants.completion_codes(session, studies.find_study(session, "every-step"))
    assert codes == sorted(codes)
    assert dict(codes).keys() == {Ending.COMPLETE.value, Ending.DECLINED.value, Ending.WITHDRAWN.value}
    assert dict(codes)["complete"] == "ALL-DONE"
    assert dict(codes)["declined"][0] == "D"
    assert dict(codes)["withdrawn"][0] == "W"


def test_the_next_wave_is_the_same_person_in_the_same_arm_with_the_same_comparisons(
    taking, every_step: str
) -> None:
    taking.open(every_step)
    first = taking.start("every-step", pid="worker-1")
    taking.finish_every_step(first)
    taking.study("every-step", studies.open_next_wave)
    second = taking.start("every-step", pid="worker-1")
    assert second != first
    assert taking.start("every-step", pid="worker-1") == second
    taking.finish_every_step(second)
    before, after = taking.person(first), taking.person(second)
    assert (after.code, after.arm, after.wave, after.previous_id) == (before.code, before.arm, 2, before.id)
    assert after.state is State.FINISHED

    def compared(token: str) -> list[frozenset[str]]:
        rows = [row for row in taking.drawn(token) if row.role is Role.MAIN]
        return sorted((frozenset({r.left_profile, r.right_profile}) for r in rows), key=sorted)

    assert compared(first) == compared(second)
    assert Role.PRACTICE not in {row.role for row in taking.drawn(second)}


def test_only_who_finished_is_asked_again_and_nobody_new(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step)
    unfinished = taking_sqlite.consented("every-step", pid="worker-1")
    taking_sqlite.study("every-step", studies.open_next_wave)
    assert taking_sqlite.start("every-step", pid="worker-1") == unfinished
    with pytest.raises(NeedsInvitation):
        taking_sqlite.start("every-step", pid="worker-2")
    with writing(taking_sqlite.engine) as session:
        study = studies.find_study(session, "every-step")
        person = participants.find_participant(session, unfinished)
        with pytest.raises(NotTakingPart, match="no further wave"):
            participants.return_for_wave(session, study, person, now=taking_sqlite.now)


def newcomers_welcome(every_step: str) -> str:
    return every_step.replace('comparisons = "same"', 'comparisons = "same"\nnewcomers = true')


def test_somebody_new_in_a_later_wave_is_asked_everything_that_is_asked_of_somebody_new(
    taking, every_step: str
) -> None:
    taking.open(newcomers_welcome(every_step))
    earlier = taking.start("every-step", pid="worker-1")
    taking.finish_every_step(earlier)
    taking.study("every-step", studies.open_next_wave)
    new = taking.consented("every-step", pid="worker-2")
    assert taking.state(new) is State.SCREENING
    taking.step(new, participants.screen, {"adult": "no", "place": "city"})
    assert taking.state(new) is State.SCREENED_OUT
    another = taking.consented("every-step", pid="worker-3")
    taking.step(another, participants.screen, {"adult": "yes", "place": "city"})
    taking.step(another, answering.begin)
    assert taking.state(another) is State.PRACTICING
    taking.answer(another)
    assert taking.state(another) is State.COMPREHENDING
    taking.step(another, answering.comprehend, "alike")
    taking.answer_all(another)
    assert taking.state(another) is State.DESCRIBING
    returned = taking.consented("every-step", pid="worker-1")
    assert (taking.state(returned), taking.person(returned).wave) == (State.INSTRUCTED, 2), "asked before"


def test_newcomers_of_a_later_wave_take_the_slots_that_are_left(taking, every_step: str) -> None:
    taking.open(newcomers_welcome(every_step))
    for number in range(3):
        taking.finish_every_step(taking.start("every-step", pid=f"worker-{number}"))
    taking.study("every-step", studies.open_next_wave)
    for number in range(3):
        taking.finish_every_step(taking.start("every-step", pid=f"worker-{number}"))
    states = []
    for number in (3, 4):
        new = taking.consented("every-step", pid=f"worker-{number}")
        taking.step(new, participants.screen, {"adult": "yes", "place": "country"})
        states.append(taking.state(new))
    assert states == [State.INSTRUCTED, State.QUOTA_FULL], "four slots, and who returned took no second one"


def test_activity_is_noted_to_the_minute(taking_sqlite, short_design: str) -> None:
    taking_sqlite.open(short_design)
    token = taking_sqlite.at_first_comparison("short")
    began = taking_sqlite.now
    taking_sqlite.wait(seconds=50)
    taking_sqlite.answer(token)
    assert taking_sqlite.person(token).active_at == began
    taking_sqlite.wait(seconds=50)
    taking_sqlite.answer(token)
    assert taking_sqlite.person(token).active_at == taking_sqlite.now


def test_nobody_is_started_twice_under_one_number(taking_sqlite, short_design: str) -> None:
    taking_sqlite.open(short_design)
    for simulated in (False, True, False):
        taking_sqlite.start("short", simulated=simulated)
    with reading(taking_sqlite.engine) as session:
        assert sorted(session.scalars(select(ParticipantRow.number))) == [1, 2, 3]
        assert not session.scalars(select(PresentationRow)).all()
