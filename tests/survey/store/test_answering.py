from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from survey.answers import Choice
from survey.db import reading, writing
from survey.export import answers_of_study
from survey.store import answering, participants, studies
from survey.store.answering import MOST_REVISIONS, NoSuchPresentation
from survey.store.participants import NotTakingPart
from survey.tables import AnswerRow, EventRow, FollowUpKind, FollowUpRow, ParticipantState, PresentationRow

State = ParticipantState


def stored(taking) -> list[tuple[int, int, Choice]]:
    """Return every answer: position, revision, choice."""
    with reading(taking.engine) as session:
        rows = session.execute(
            select(PresentationRow.position, AnswerRow.revision, AnswerRow.choice)
            .join(PresentationRow, PresentationRow.id == AnswerRow.presentation_id)
            .order_by(PresentationRow.position, AnswerRow.revision)
        )
        return [tuple(row) for row in rows]


def in_questions(taking, every_step: str) -> str:
    """Bring somebody to the first comparison of EVERY_STEP."""
    taking.open(every_step)
    token = taking.consented("every-step")
    taking.step(token, participants.screen, {"adult": "yes", "place": "city"})
    taking.step(token, answering.begin)
    taking.answer(token)
    taking.step(token, answering.comprehend, "alike")
    return token


# --- once ------------------------------------------------------------------------------------------------


def test_a_replayed_answer_changes_nothing_and_is_logged(taking, one_arm_design: str) -> None:
    taking.open(one_arm_design)
    token = taking.at_first_comparison("short")
    first = taking.shown(token)
    taking.wait(seconds=2)
    assert not taking.send(token, first, Choice.LEFT).replayed
    replay = taking.send(token, first, Choice.RIGHT)
    assert replay.replayed
    assert replay.choice is Choice.LEFT
    second = taking.shown(token)
    assert (second.position, second.served_at) == (2, taking.now)
    assert stored(taking) == [(1, 1, Choice.LEFT)]
    with reading(taking.engine) as session:
        detail = session.scalars(select(EventRow.detail).where(EventRow.what == "answer replayed")).one()
    assert detail == {"position": 1, "sent": "right", "stored": "left"}


def test_the_database_itself_allows_one_answer_per_revision(taking, one_arm_design: str) -> None:
    taking.open(one_arm_design)
    token = taking.at_first_comparison("short")
    taking.answer(token)
    with reading(taking.engine) as session:
        answer = session.scalars(select(AnswerRow)).one()
    with pytest.raises(IntegrityError), writing(taking.engine) as session:
        session.add(
            AnswerRow(
                presentation_id=answer.presentation_id,
                revision=1,
                choice=Choice.RIGHT,
                client_seconds=1.0,
                client_seconds_problem="",
                server_seconds=1.0,
                client={},
                answered_at=taking.now,
            )
        )


def test_the_last_answer_finishes_with_a_code(taking_sqlite, one_arm_design: str) -> None:
    taking_sqlite.open(one_arm_design)
    token = taking_sqlite.at_first_comparison("short")
    taking_sqlite.answer_all(token, Choice.INDECISION)
    person = taking_sqlite.person(token)
    assert person.state is State.FINISHED
    assert person.completion_code
    assert person.ended_at == taking_sqlite.now


def test_a_replay_of_the_last_answer_is_no_error(taking_sqlite, one_arm_design: str) -> None:
    taking_sqlite.open(one_arm_design)
    token = taking_sqlite.at_first_comparison("short")
    for _ in range(3):
        taking_sqlite.answer(token)
    last = taking_sqlite.shown(token)
    taking_sqlite.send(token, last, Choice.LEFT)
    code = taking_sqlite.person(token).completion_code
    assert taking_sqlite.send(token, last, Choice.RIGHT).replayed
    assert taking_sqlite.person(token).completion_code == code


def test_a_participant_cannot_answer_for_another(taking_sqlite, one_arm_design: str) -> None:
    taking_sqlite.open(one_arm_design)
    one, other = (taking_sqlite.at_first_comparison("short") for _ in range(2))
    with pytest.raises(NoSuchPresentation):
        taking_sqlite.send(one, taking_sqlite.shown(other), Choice.LEFT)
    assert stored(taking_sqlite) == []


def test_a_comparison_cannot_be_answered_before_it_is_shown(taking, one_arm_design: str) -> None:
    taking.open(one_arm_design)
    token = taking.at_first_comparison("short")
    ahead = taking.drawn(token)[2]
    with pytest.raises(NotTakingPart, match="does not wait"):
        taking.send(token, ahead, Choice.LEFT)
    assert stored(taking) == []
    assert [row.answered for row in taking.drawn(token)] == [0, 0, 0, 0]


@pytest.mark.parametrize("revision", [0, 2, 3, 999])
def test_a_revision_that_was_not_asked_for_is_refused(taking, one_arm_design: str, revision: int) -> None:
    taking.open(one_arm_design)
    token = taking.at_first_comparison("short")
    with pytest.raises(NotTakingPart, match="does not wait"):
        taking.send(token, taking.shown(token), Choice.LEFT, revision=revision)
    assert stored(taking) == []


def test_indecision_is_refused_where_it_was_not_offered(taking_sqlite, short_design: str) -> None:
    taking_sqlite.open(short_design)
    offered = []
    for _ in range(2):
        token = taking_sqlite.at_first_comparison("short")
        row = taking_sqlite.shown(token)
        offered.append(row.indecision_offered)
        if row.indecision_offered:
            assert not taking_sqlite.answer(token, Choice.INDECISION).replayed
        else:
            with pytest.raises(NotTakingPart, match="two answers"):
                taking_sqlite.answer(token, Choice.INDECISION)
    assert sorted(offered) == [False, True]


def test_who_has_withdrawn_answers_no_more(taking, one_arm_design: str) -> None:
    taking.open(one_arm_design)
    token = taking.at_first_comparison("short")
    shown = taking.shown(token)
    taking.step(token, participants.withdraw)
    with pytest.raises(NotTakingPart):
        taking.send(token, shown, Choice.LEFT)
    assert stored(taking) == []
    assert [row.answered for row in taking.drawn(token)] == [0, 0, 0, 0], "the claim must be rolled back, too"


def test_who_started_before_the_study_closed_may_finish(taking_sqlite, one_arm_design: str) -> None:
    taking_sqlite.open(one_arm_design)
    token = taking_sqlite.at_first_comparison("short")
    taking_sqlite.study("short", studies.close_study)
    taking_sqlite.answer_all(token)
    assert taking_sqlite.state(token) is State.FINISHED


# --- times -----------------------------------------------------------------------------------------------


def test_a_time_longer_than_the_server_saw_is_kept_but_marked(taking_sqlite, one_arm_design: str) -> None:
    taking_sqlite.open(one_arm_design)
    token = taking_sqlite.at_first_comparison("short")
    taking_sqlite.wait(seconds=4)
    taking_sqlite.send(token, taking_sqlite.shown(token), Choice.LEFT, seconds=50.0)
    with reading(taking_sqlite.engine) as session:
        answer = session.scalars(select(AnswerRow)).one()
    assert answer.client_seconds == 50.0
    assert answer.client_seconds_problem == "longer than the server's interval"
    assert answer.server_seconds == 4.0


def test_a_missing_time_says_why(taking, one_arm_design: str) -> None:
    taking.open(one_arm_design)
    token = taking.at_first_comparison("short")
    with pytest.raises(IntegrityError, match="missing_time_is_explained"):
        taking.send(token, taking.shown(token), Choice.LEFT, seconds=None)
    taking.send(token, taking.shown(token), Choice.LEFT, seconds=None, problem="not measured (no script)")
    with reading(taking.engine) as session:
        (answer,) = answers_of_study(
            session, studies.find_study(session, "short"), include_simulated=False
        ).answers
    assert (answer.seconds, answer.seconds_missing) == (None, "not measured (no script)")


def test_a_clock_that_is_set_back_gives_no_negative_time(taking_sqlite, one_arm_design: str) -> None:
    taking_sqlite.open(one_arm_design)
    token = taking_sqlite.at_first_comparison("short")
    taking_sqlite.wait(seconds=-30)
    taking_sqlite.answer(token)
    with reading(taking_sqlite.engine) as session:
        assert session.scalars(select(AnswerRow.server_seconds)).one() == 0.0


# --- changing the last answer --------------------------------------------------------------------------------


def test_the_last_answer_is_changed_by_a_new_one_and_the_old_one_stays(taking, one_arm_design: str) -> None:
    taking.open(one_arm_design)
    token = taking.at_first_comparison("short")
    taking.answer(token, Choice.LEFT)
    taking.answer(token, Choice.LEFT)
    assert taking.step(token, answering.change_last_answer)
    assert not taking.step(token, answering.change_last_answer), "pressed twice, it asks once"
    again = taking.shown(token)
    assert (again.position, again.asked, again.answered) == (2, 2, 1)
    taking.send(token, again, Choice.RIGHT)
    assert stored(taking) == [(1, 1, Choice.LEFT), (2, 1, Choice.LEFT), (2, 2, Choice.RIGHT)]
    with reading(taking.engine) as session:
        counted = answers_of_study(
            session, studies.find_study(session, "short"), include_simulated=False
        ).answers
    assert [answer.choice for answer in counted] == [Choice.LEFT, Choice.RIGHT]
    assert taking.shown(token).position == 3


def test_while_an_answer_is_changed_the_old_one_counts(taking_sqlite, one_arm_design: str) -> None:
    taking_sqlite.open(one_arm_design)
    token = taking_sqlite.at_first_comparison("short")
    taking_sqlite.answer(token, Choice.RIGHT)
    taking_sqlite.step(token, answering.change_last_answer)
    with reading(taking_sqlite.engine) as session:
        study = studies.find_study(session, "short")
        (answer,) = answers_of_study(session, study, include_simulated=False).answers
    assert answer.choice is Choice.RIGHT


def test_an_older_page_of_a_changed_answer_is_a_replay(taking, one_arm_design: str) -> None:
    taking.open(one_arm_design)
    token = taking.at_first_comparison("short")
    older = taking.shown(token)
    taking.send(token, older, Choice.LEFT)
    taking.step(token, answering.change_last_answer)
    replay = taking.send(token, older, Choice.INDECISION)
    assert (replay.replayed, replay.choice) == (True, Choice.LEFT)
    assert stored(taking) == [(1, 1, Choice.LEFT)]
    assert taking.shown(token).asked == 2


def test_an_older_answer_than_the_last_cannot_be_changed(taking_sqlite, one_arm_design: str) -> None:
    taking_sqlite.open(one_arm_design)
    token = taking_sqlite.at_first_comparison("short")
    first = taking_sqlite.shown(token)
    taking_sqlite.answer(token)
    taking_sqlite.answer(token)
    taking_sqlite.step(token, answering.change_last_answer)
    with pytest.raises(NotTakingPart):
        taking_sqlite.send(token, first, Choice.RIGHT, revision=2)


def test_an_answer_is_changed_a_bounded_number_of_times(taking_sqlite, one_arm_design: str) -> None:
    taking_sqlite.open(one_arm_design)
    token = taking_sqlite.at_first_comparison("short")
    taking_sqlite.answer(token)
    for _ in range(MOST_REVISIONS - 1):
        assert taking_sqlite.step(token, answering.change_last_answer)
        taking_sqlite.answer(token, Choice.RIGHT)
    assert not taking_sqlite.step(token, answering.change_last_answer)
    assert len(stored(taking_sqlite)) == MOST_REVISIONS
    assert taking_sqlite.shown(token).position == 2


def test_nothing_is_changed_before_the_first_answer_or_after_the_end(
    taking_sqlite, one_arm_design: str
) -> None:
    taking_sqlite.open(one_arm_design)
    token = taking_sqlite.at_first_comparison("short")
    assert not taking_sqlite.step(token, answering.change_last_answer)
    taking_sqlite.answer_all(token)
    assert not taking_sqlite.step(token, answering.change_last_answer)
    assert taking_sqlite.state(token) is State.FINISHED


def test_the_last_answer_is_changed_from_the_demographics_and_leads_back_there(
    taking, every_step: str
) -> None:
    token = in_questions(taking, every_step)
    taking.answer_all(token)
    assert taking.state(token) is State.DESCRIBING
    assert taking.step(token, answering.change_last_answer)
    assert taking.state(token) is State.ANSWERING
    taking.answer(token, Choice.RIGHT)
    assert taking.state(token) is State.DESCRIBING


def test_the_practice_is_not_changed(taking_sqlite, every_step: str) -> None:
    token = in_questions(taking_sqlite, every_step)
    assert not taking_sqlite.step(token, answering.change_last_answer)


# --- follow-ups --------------------------------------------------------------------------------------------


def test_after_an_indecision_the_follow_ups_come_one_by_one(taking, every_step: str) -> None:
    token = in_questions(taking, every_step)
    shown = taking.shown(token)
    taking.answer(token, Choice.INDECISION)
    assert not taking.follow_up(token, shown, 1, FollowUpKind.STRICT, "left"), "the reason comes first"
    assert taking.follow_up(token, shown, 1, FollowUpKind.REASON, "")
    assert not taking.follow_up(token, shown, 1, FollowUpKind.REASON, "close"), "asked once"
    assert taking.shown(token).served_at is None, "the next comparison is not shown before the last follow-up"
    assert taking.follow_up(token, shown, 1, FollowUpKind.STRICT, "right")
    assert not taking.follow_up(token, shown, 1, FollowUpKind.STRICT, "left")
    assert taking.shown(token).position == 2
    assert taking.shown(token).served_at == taking.now
    with reading(taking.engine) as session:
        said = session.execute(select(FollowUpRow.kind, FollowUpRow.value).order_by(FollowUpRow.id)).all()
    assert [tuple(row) for row in said] == [(FollowUpKind.REASON, ""), (FollowUpKind.STRICT, "right")]


def test_the_next_comparison_cannot_be_answered_while_a_follow_up_waits(
    taking_sqlite, every_step: str
) -> None:
    token = in_questions(taking_sqlite, every_step)
    taking_sqlite.answer(token, Choice.INDECISION)
    ahead = taking_sqlite.drawn(token)[2]
    with pytest.raises(NotTakingPart, match="does not wait"):
        taking_sqlite.send(token, ahead, Choice.LEFT)


@pytest.mark.parametrize(
    ("kind", "value"), [(FollowUpKind.REASON, "no such reason"), (FollowUpKind.STRICT, "indecision")]
)
def test_a_follow_up_takes_only_what_it_offers(
    taking_sqlite, every_step: str, kind: FollowUpKind, value: str
) -> None:
    token = in_questions(taking_sqlite, every_step)
    shown = taking_sqlite.shown(token)
    taking_sqlite.answer(token, Choice.INDECISION)
    if kind is FollowUpKind.STRICT:
        taking_sqlite.follow_up(token, shown, 1, FollowUpKind.REASON, "close")
    with pytest.raises(NotTakingPart, match="none of the answers"):
        taking_sqlite.follow_up(token, shown, 1, kind, value)


def test_an_indecision_that_is_changed_away_is_not_followed_up(taking_sqlite, every_step: str) -> None:
    token = in_questions(taking_sqlite, every_step)
    shown = taking_sqlite.shown(token)
    taking_sqlite.answer(token, Choice.INDECISION)
    taking_sqlite.step(token, answering.change_last_answer)
    assert not taking_sqlite.follow_up(token, shown, 1, FollowUpKind.REASON, "close")
    taking_sqlite.answer(token, Choice.LEFT)
    assert taking_sqlite.shown(token).position == 2


def pending(taking, token: str) -> tuple[int, int, FollowUpKind] | None:
    """Return position, revision and kind of the follow-up that is shown."""
    with reading(taking.engine) as session:
        person = participants.find_participant(session, token)
        design = studies.design_of(participants.study_of(session, person))
        found = answering.pending_follow_up(session, design, person)
    return None if found is None else (found[0].position, found[1].revision, found[2])


@pytest.mark.parametrize("ahead", [Choice.LEFT, Choice.INDECISION])
@pytest.mark.parametrize("again", [Choice.RIGHT, Choice.INDECISION])
@pytest.mark.parametrize("answered_before", [0, 3])
def test_an_answer_from_another_tab_while_one_is_changed_leaves_nobody_stuck(
    taking, every_step: str, ahead: Choice, again: Choice, answered_before: int
) -> None:
    token = in_questions(taking, every_step)
    for _ in range(answered_before):
        taking.answer(token)
    changed = taking.shown(token)
    taking.answer(token)
    other_tab = taking.shown(token)
    assert taking.step(token, answering.change_last_answer)
    taking.wait(seconds=2)
    taking.send(token, other_tab, ahead)
    taking.send(token, changed, again, revision=2)
    followed_up = []
    while (asked := pending(taking, token)) is not None:
        presentation = taking.drawn(token)[asked[0]]
        value = "left" if asked[2] is FollowUpKind.STRICT else ""
        followed_up.append(asked)
        assert taking.follow_up(token, presentation, asked[1], asked[2], value)
    expected = [(changed.position, 2)] * (again is Choice.INDECISION)
    expected += [(other_tab.position, 1)] * (ahead is Choice.INDECISION)
    kinds = (FollowUpKind.REASON, FollowUpKind.STRICT)
    assert followed_up == [(*where, kind) for where in expected for kind in kinds]
    taking.answer_all(token)
    assert taking.state(token) is State.DESCRIBING


def test_a_practice_is_not_followed_up(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step)
    token = taking_sqlite.consented("every-step")
    taking_sqlite.step(token, participants.screen, {"adult": "yes", "place": "city"})
    taking_sqlite.step(token, answering.begin)
    taking_sqlite.answer(token, Choice.INDECISION)
    assert taking_sqlite.state(token) is State.COMPREHENDING


# --- comprehension -----------------------------------------------------------------------------------------


def test_wrong_answers_about_the_instructions_are_counted_and_the_study_goes_on(
    taking_sqlite, every_step: str
) -> None:
    taking_sqlite.open(every_step)
    token = taking_sqlite.consented("every-step")
    taking_sqlite.step(token, participants.screen, {"adult": "yes", "place": "city"})
    taking_sqlite.step(token, answering.begin)
    taking_sqlite.answer(token)
    with pytest.raises(NotTakingPart, match="none of the answers"):
        taking_sqlite.step(token, answering.comprehend, "no such option")
    taking_sqlite.step(token, answering.comprehend, "guess")
    assert taking_sqlite.state(token) is State.COMPREHENDING
    taking_sqlite.step(token, answering.comprehend, "guess")
    assert taking_sqlite.state(token) is State.ANSWERING
    taking_sqlite.step(token, answering.comprehend, "alike")
    with reading(taking_sqlite.engine) as session:
        assert answering.attempts_at_comprehension(session, taking_sqlite.person(token)) == 2


def test_who_never_understands_is_sent_away_where_the_design_says_so(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step.replace("attempts = 2", "attempts = 2\nscreens_out = true"))
    token = taking_sqlite.consented("every-step")
    taking_sqlite.step(token, participants.screen, {"adult": "yes", "place": "city"})
    taking_sqlite.step(token, answering.begin)
    taking_sqlite.answer(token)
    for _ in range(2):
        taking_sqlite.step(token, answering.comprehend, "guess")
    assert taking_sqlite.state(token) is State.SCREENED_OUT
    assert taking_sqlite.person(token).completion_code.startswith("S")


def test_practice_is_no_answer_of_the_study(taking_sqlite, every_step: str) -> None:
    in_questions(taking_sqlite, every_step)
    with reading(taking_sqlite.engine) as session:
        study = studies.find_study(session, "every-step")
        assert not answers_of_study(session, study, include_simulated=True).answers
        assert session.scalars(select(func.count()).select_from(AnswerRow)).one() == 1
