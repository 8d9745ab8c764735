"""Requests at the same moment: threads that run together, and orders forced by a lock that the test holds."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text

from survey.acceptability import Rating
from survey.answers import Choice, Role
from survey.db import reading, writing
from survey.store import (
    answering,
    attribute_answers,
    attribute_pages,
    choice_tasks,
    choosing,
    erasure,
    participants,
    presentations,
    studies,
    suggesting,
)
from survey.store.answering import Sent
from survey.store.attribute_answers import SentPage
from survey.store.choosing import SentChoice
from survey.store.participants import NotTakingPart
from survey.store.studies import StudyConflict
from survey.store.suggesting import Kept, SentEntry
from survey.suggestions import Entry
from survey.tables import (
    AnswerRow,
    AttributePageAnswerRow,
    AttributePageRow,
    ChoiceTaskAnswerRow,
    ChoiceTaskRow,
    EventRow,
    FollowUpKind,
    FollowUpRow,
    IdentityRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    StatementRow,
    StudyRow,
    StudyState,
    SuggestionRow,
)

THREADS = 6
State = ParticipantState


def together(act: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
    """Call ``act`` with each value, all at the same moment; return what each gave or raised."""
    values = list(values)
    start = threading.Barrier(len(values))

    def run(value: Any) -> Any:
        start.wait()
        try:
            return act(value)
        except Exception as error:  # noqa: BLE001 - the test looks at what was raised
            return error

    with ThreadPoolExecutor(len(values)) as pool:
        return list(pool.map(run, values))


def count(taking, table: type) -> int:
    with reading(taking.engine) as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def events(taking, *, of: str | None = None) -> list[str]:
    with reading(taking.engine) as session:
        query = select(EventRow.what).where(EventRow.participant_id.is_not(None)).order_by(EventRow.id)
        if of is not None:
            query = query.join(ParticipantRow, ParticipantRow.id == EventRow.participant_id)
            query = query.where(ParticipantRow.token == of)
        return list(session.scalars(query))


def behind_a_lock(taking, waits_for: Any, *acts: Callable[[], Any]) -> list[Any]:
    """Let ``acts`` begin while the test holds a row (PostgreSQL) or the database (SQLite), and so wait, one after
    another; then let go. Return what each gave or raised. ``waits_for`` is the statement that takes the lock."""
    with ThreadPoolExecutor(len(acts)) as pool:
        with taking.engine.connect() as holder:
            holder.execute(waits_for)
            running = []
            for number, act in enumerate(acts, start=1):
                running.append(pool.submit(act))
                if taking.engine.dialect.name == "postgresql":
                    _wait_for_waiting(taking.engine, number)
            assert not any(future.done() for future in running)
            holder.rollback()
        return [future.exception() or future.result() for future in running]


def _wait_for_waiting(engine: Engine, wanted: int) -> None:
    """Wait until so many connections to this database wait for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    tick = threading.Event()
    for _ in range(1_000):
        with engine.connect() as connection:
            if connection.scalar(waiting) == wanted:
                return
        tick.wait(0.01)
    raise AssertionError(f"{wanted} requests never came to wait for the lock")


def lock_of(taking, token: str) -> Any:
    return (
        select(ParticipantRow.id)
        .where(ParticipantRow.token == token)
        .with_for_update(key_share=taking.engine.dialect.name == "postgresql")
    )


# --- answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [40, pytest.param(200, marks=pytest.mark.long)])
def test_many_at_once_store_each_answer_exactly_once(taking, one_arm_design: str, wanted: int) -> None:
    """Six threads send each answer at the same moment (survey notes, 200 presentations: 961 extra
    rows without the claim, 970 of 1,200 requests failed with a plain BEGIN)."""
    per_person = 20
    taking.open(one_arm_design.replace("per_respondent = 4", f"per_respondent = {per_person}"))
    choices = [Choice.LEFT, Choice.RIGHT, Choice.INDECISION] * (THREADS // 3)
    first_senders: list[Choice] = []
    for _ in range(wanted // per_person):
        token = taking.at_first_comparison("short")
        for _ in range(per_person):
            shown = taking.shown(token)
            got = together(lambda choice, s=shown, t=token: (choice, taking.send(t, s, choice)), choices)
            assert not [g for g in got if isinstance(g, Exception)]
            first = [choice for choice, recorded in got if not recorded.replayed]
            assert len(first) == 1
            assert {recorded.choice for _, recorded in got} == set(first), "every sender learns which"
            first_senders += first
    with reading(taking.engine) as session:
        query = select(AnswerRow.choice).join(
            PresentationRow, PresentationRow.id == AnswerRow.presentation_id
        )
        query = query.order_by(PresentationRow.participant_id, PresentationRow.position)
        assert session.scalars(query).all() == first_senders
        assert set(session.scalars(select(ParticipantRow.state))) == {State.FINISHED}
    assert len(first_senders) == wanted
    assert Counter(events(taking))["answer replayed"] == wanted * (THREADS - 1)


def test_answers_of_a_double_click_that_wait_together_are_one_answer(taking, one_arm_design: str) -> None:
    """Both requests have begun before either has stored anything: the order that lost data elsewhere."""
    taking.open(one_arm_design.replace("per_respondent = 4", "per_respondent = 1"))
    token = taking.at_first_comparison("short")
    shown = taking.shown(token)
    first, second = behind_a_lock(
        taking,
        lock_of(taking, token),
        lambda: taking.send(token, shown, Choice.LEFT),
        lambda: taking.send(token, shown, Choice.RIGHT),
    )
    assert sorted([first.replayed, second.replayed]) == [False, True]
    assert first.choice is second.choice
    assert (count(taking, AnswerRow), taking.state(token)) == (1, State.FINISHED)
    assert Counter(events(taking))["finished"] == 1


def test_two_tabs_that_reload_and_answer_at_the_same_moment_stay_on_one_line(taking, every_step: str) -> None:
    taking.open(every_step)
    token = taking.consented("every-step")
    taking.step(token, participants.screen, {"adult": "yes", "place": "city"})
    taking.step(token, answering.begin)
    while (shown := taking.shown(token)) is not None:
        got = together(lambda choice, s=shown: taking.send(token, s, choice), [Choice.LEFT, Choice.RIGHT])
        assert not [g for g in got if isinstance(g, Exception)]
        if taking.state(token) is State.COMPREHENDING:
            together(lambda option: taking.step(token, answering.comprehend, option), ["alike"] * 2)
    assert [row.answered for row in taking.drawn(token)] == [1] * 6
    assert taking.state(token) is State.DESCRIBING
    assert count(taking, StatementRow) == 3, "the comprehension question was stored once"


def test_changing_the_last_answer_while_the_next_one_arrives_keeps_both(taking, one_arm_design: str) -> None:
    taking.open(one_arm_design.replace("per_respondent = 4", "per_respondent = 12"))
    token = taking.at_first_comparison("short")
    taking.answer(token)
    for _ in range(10):
        shown = taking.shown(token)
        changed, sent = together(
            lambda act: act(),
            [
                lambda: taking.step(token, answering.change_last_answer),
                lambda s=shown: taking.send(token, s, Choice.RIGHT),
            ],
        )
        assert changed is True
        assert not isinstance(sent, Exception)
        again = taking.shown(token)
        # Whichever came first, the comparison answered last by then is the one that is asked again.
        assert again.asked == again.answered + 1 >= 2
        taking.send(token, again, Choice.LEFT)
        assert taking.shown(token).asked == 1
    with reading(taking.engine) as session:
        revisions: dict[int, list[int]] = {}
        for presentation, revision in session.execute(
            select(AnswerRow.presentation_id, AnswerRow.revision).order_by(AnswerRow.id)
        ):
            revisions.setdefault(presentation, []).append(revision)
    answered = {row.id: row.answered for row in taking.drawn(token) if row.answered}
    assert revisions == {presentation: list(range(1, n + 1)) for presentation, n in answered.items()}
    assert sum(answered.values()) == 1 + 10 + 10


def test_a_follow_up_sent_by_many_is_stored_once(taking, every_step: str) -> None:
    taking.open(every_step)
    token = taking.consented("every-step")
    taking.step(token, participants.screen, {"adult": "yes", "place": "city"})
    taking.step(token, answering.begin)
    taking.answer(token)
    taking.step(token, answering.comprehend, "alike")
    shown = taking.shown(token)
    taking.answer(token, Choice.INDECISION)
    for kind, values in ((FollowUpKind.REASON, ["equal", "close"]), (FollowUpKind.STRICT, ["left", "right"])):
        got = together(lambda v, k=kind: taking.follow_up(token, shown, 1, k, v), values * (THREADS // 2))
        assert sorted(got) == [False] * (THREADS - 1) + [True]
    assert count(taking, FollowUpRow) == 2
    assert taking.shown(token).position == 2


def test_forms_sent_by_many_are_stored_once(taking, every_step: str) -> None:
    taking.open(every_step)
    token = taking.consented("every-step")
    form = {"adult": "yes", "place": "city"}
    got = together(lambda _: taking.step(token, participants.screen, form), range(THREADS))
    assert got == [None] * THREADS
    assert (count(taking, StatementRow), count(taking, PresentationRow)) == (2, 6)
    assert events(taking) == ["started", "consented", "admitted"]


def test_answers_are_refused_once_everything_is_erased_and_leave_nothing(taking, one_arm_design: str) -> None:
    taking.open(one_arm_design)
    for _ in range(10):
        token = taking.at_first_comparison("short")
        taking.answer(token)
        shown, code = taking.shown(token), taking.person(token).code
        number = taking.person(token).id
        taking.wait(minutes=2)
        sent, erased = together(
            lambda act: act(),
            [
                lambda t=token, s=shown: taking.send(t, s, Choice.LEFT),
                lambda c=code: taking.erase("short", c),
            ],
        )
        assert isinstance(erased, erasure.Erased), erased
        # Sent first and then erased; refused; or looked for when the address was no longer there.
        assert not isinstance(sent, Exception) or isinstance(sent, NotTakingPart | AssertionError), sent
        with reading(taking.engine) as session:
            person = session.get_one(ParticipantRow, number)
        assert person.state is State.ERASED
        assert person.active_at == person.started_at
    assert (count(taking, AnswerRow), count(taking, PresentationRow)) == (0, 0)
    assert events(taking) == []


# --- choosing one of many -------------------------------------------------------------------------------------

CHOOSING = """
[choose_one]
problems_per_respondent = 6
indecision = true
columns = [{ name = "AGE", label = "Age" }]
problems = [
""" + "\n".join(
    f'  {{ name = "p{i}", candidates = [[11, 40], [12, 50], [13, 60]] }},' for i in range(6)
) + "\n]\n"  # fmt: skip


def at_first_problem(taking, design: str) -> str:
    taking.open(design.replace("per_respondent = 4", "per_respondent = 1") + CHOOSING)
    token = taking.at_first_comparison("short")
    taking.answer(token)
    assert taking.state(token) is State.CHOOSING
    return token


def open_task(taking, token: str) -> ChoiceTaskRow | None:
    with reading(taking.engine) as session:
        return choice_tasks.open_task(session, taking.person(token))


def choose(taking, token: str, task: ChoiceTaskRow, chosen: int | None) -> bool:
    sent = SentChoice(
        task=task.token, revision=task.asked, chosen=chosen, client_seconds=1.5, client_seconds_problem=""
    )
    return taking.step(
        token, lambda session, person, now: choosing.record_choice(session, person, sent, now=now)
    )


def test_a_choice_sent_by_many_is_stored_once(taking, one_arm_design: str) -> None:
    token = at_first_problem(taking, one_arm_design)
    first_senders = []
    while (task := open_task(taking, token)) is not None:
        got = together(
            lambda chosen, t=task: (chosen, choose(taking, token, t, chosen)), [11, 12, None] * (THREADS // 3)
        )
        assert not [g for g in got if isinstance(g, Exception)]
        first_senders += [chosen for chosen, stored in got if stored]
    assert len(first_senders) == 6
    with reading(taking.engine) as session:
        stored = session.scalars(select(ChoiceTaskAnswerRow.chosen).order_by(ChoiceTaskAnswerRow.id)).all()
    assert stored == first_senders
    assert Counter(events(taking))["choice replayed"] == 6 * (THREADS - 1)
    assert taking.state(token) is State.FINISHED


def test_changing_the_last_choice_while_the_next_one_arrives_keeps_both(taking, one_arm_design: str) -> None:
    token = at_first_problem(taking, one_arm_design)
    choose(taking, token, open_task(taking, token), 11)
    for _ in range(4):
        task = open_task(taking, token)
        changed, sent = together(
            lambda act: act(),
            [
                lambda: taking.step(token, choosing.change_last_choice),
                lambda t=task: choose(taking, token, t, 12),
            ],
        )
        assert (changed, sent) == (True, True)
        again = open_task(taking, token)
        assert again.asked == again.answered + 1 >= 2
        choose(taking, token, again, 13)
    with reading(taking.engine) as session:
        answered = session.scalars(select(ChoiceTaskRow.answered).order_by(ChoiceTaskRow.position)).all()
    assert sum(answered) == count(taking, ChoiceTaskAnswerRow) == 1 + 4 + 4


def test_choices_are_refused_once_everything_is_erased_and_leave_nothing(taking, one_arm_design: str) -> None:
    token = at_first_problem(taking, one_arm_design)
    choose(taking, token, open_task(taking, token), 11)
    task, code = open_task(taking, token), taking.person(token).code
    sent, erased = together(
        lambda act: act(),
        [lambda: choose(taking, token, task, 12), lambda: taking.erase("short", code)],
    )
    assert isinstance(erased, erasure.Erased), erased
    assert not isinstance(sent, Exception) or isinstance(sent, NotTakingPart | AssertionError), sent
    assert (count(taking, ChoiceTaskRow), count(taking, ChoiceTaskAnswerRow)) == (0, 0)
    assert events(taking) == []


# --- attributes -----------------------------------------------------------------------------------------------

ATTRIBUTES = """
[suggestions]
should = { question = "What should count?", label = "Something", why_label = "Why?" }

[acceptability]
question = "May these decide?"
ranked = 2
ranking_question = "Which matter most?"
attributes = [{ name = "age", label = "Age" }, { name = "fame", label = "Fame" }]
"""


def at_open_question(taking, design: str) -> str:
    taking.open(design.replace("per_respondent = 4", "per_respondent = 1") + ATTRIBUTES)
    token = taking.consented("short")
    assert taking.state(token) is State.SUGGESTING
    return token


def open_page(taking, token: str) -> AttributePageRow | None:
    with reading(taking.engine) as session:
        return attribute_pages.open_attribute_page(session, taking.person(token))


def sent_entry(page: AttributePageRow, text: str, *, key: str = "k" * 20) -> SentEntry:
    return SentEntry(page=page.token, key=key, entry=Entry(text=text))


def sent_page(page: AttributePageRow, **answer: Any) -> SentPage:
    return SentPage(
        page=page.token, revision=page.asked, client_seconds=1.5, client_seconds_problem="", **answer
    )


def named(taking) -> list[str]:
    with reading(taking.engine) as session:
        standing = select(SuggestionRow.text).where(SuggestionRow.removed_at.is_(None))
        return list(session.scalars(standing.order_by(SuggestionRow.id)))


def test_an_entry_sent_by_many_is_one_entry(taking, one_arm_design: str) -> None:
    token = at_open_question(taking, one_arm_design)
    page = open_page(taking, token)
    for number in range(5):
        entry = sent_entry(page, f"Thing {number}", key=f"{number:020}")
        got = together(lambda e: taking.step(token, suggesting.add_entry, e), [entry] * THREADS)
        assert sorted(got) == [Kept.REPLAYED] * (THREADS - 1) + [Kept.STORED]
    assert named(taking) == [f"Thing {number}" for number in range(5)]
    assert Counter(events(taking))["entry replayed"] == 5 * (THREADS - 1)


def test_different_entries_of_one_form_sent_at_once_are_all_stored(taking, one_arm_design: str) -> None:
    token = at_open_question(taking, one_arm_design)
    page = open_page(taking, token)
    sent = [sent_entry(page, f"Thing {number}") for number in range(THREADS)]
    assert together(lambda e: taking.step(token, suggesting.add_entry, e), sent) == [Kept.STORED] * THREADS
    assert sorted(named(taking)) == [f"Thing {number}" for number in range(THREADS)]


def test_no_more_entries_than_a_question_takes_are_stored_by_many_at_once(
    taking, one_arm_design: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggesting, "MOST_PER_QUESTION", 4)
    token = at_open_question(taking, one_arm_design)
    page = open_page(taking, token)
    sent = [sent_entry(page, f"Thing {number}") for number in range(6)]
    got = together(lambda e: taking.step(token, suggesting.add_entry, e), sent)
    assert Counter(got) == {Kept.STORED: 4, Kept.FULL: 2}
    assert len(named(taking)) == 4


def test_going_on_that_waits_together_is_once_and_loses_no_entry(taking, one_arm_design: str) -> None:
    """Both requests have begun before either has stored anything."""
    token = at_open_question(taking, one_arm_design)
    page = open_page(taking, token)
    got = behind_a_lock(
        taking,
        lock_of(taking, token),
        *[lambda: taking.step(token, suggesting.finish_page, sent_page(page), sent_entry(page, "Age"))] * 2,
    )
    assert sorted(got) == [Kept.REPLAYED, Kept.STORED]
    assert named(taking) == ["Age"]
    assert (count(taking, AttributePageAnswerRow), taking.state(token)) == (1, State.RATING)


def test_an_entry_that_arrives_with_going_on_is_stored_or_its_sender_is_told(
    taking, one_arm_design: str
) -> None:
    taking.open(one_arm_design + ATTRIBUTES)
    for _ in range(10):
        token = taking.consented("short")
        page, before = open_page(taking, token), len(named(taking))
        added, finished = together(
            lambda act: act(),
            [
                lambda t=token, p=page: taking.step(t, suggesting.add_entry, sent_entry(p, "Age")),
                lambda t=token, p=page: taking.step(t, suggesting.finish_page, sent_page(p)),
            ],
        )
        assert finished is Kept.STORED
        assert len(named(taking)) - before == {Kept.STORED: 1, Kept.CLOSED: 0}[added]


def test_an_entry_taken_back_by_many_is_taken_back_once(taking, one_arm_design: str) -> None:
    token = at_open_question(taking, one_arm_design)
    page = open_page(taking, token)
    taking.step(token, suggesting.add_entry, sent_entry(page, "Age"))
    with reading(taking.engine) as session:
        key = session.scalars(select(SuggestionRow.key)).one()
    got = together(lambda _: taking.step(token, suggesting.remove_entry, page.token, key), range(THREADS))
    assert sorted(got) == [Kept.REPLAYED] * (THREADS - 1) + [Kept.STORED]
    assert Counter(events(taking))["entry removed"] == 1


def test_ratings_sent_by_many_are_stored_once(taking, one_arm_design: str) -> None:
    token = at_open_question(taking, one_arm_design)
    taking.step(token, suggesting.finish_page, sent_page(open_page(taking, token)))
    page = open_page(taking, token)
    ratings = [{"age": rating, "fame": rating} for rating in Rating] * (THREADS // 3)
    got = together(
        lambda r: (r, taking.step(token, attribute_answers.record_page, sent_page(page, ratings=r))), ratings
    )
    assert not [g for g in got if isinstance(g, Exception)]
    [first] = [r for r, stored in got if stored]
    with reading(taking.engine) as session:
        answer = session.scalars(
            select(AttributePageAnswerRow).where(AttributePageAnswerRow.attribute_page_id == page.id)
        ).one()
    assert answer.ratings == first
    assert Counter(events(taking))["page replayed"] == THREADS - 1


def test_changing_the_last_page_while_the_next_one_arrives_keeps_both(taking, one_arm_design: str) -> None:
    taking.open(one_arm_design + ATTRIBUTES)
    for _ in range(5):
        token = taking.consented("short")
        taking.step(token, suggesting.finish_page, sent_page(open_page(taking, token)))
        taking.step(token, attribute_answers.record_page, sent_page(open_page(taking, token)))
        ranking = open_page(taking, token)
        changed, sent = together(
            lambda act: act(),
            [
                lambda t=token: taking.step(t, attribute_answers.change_last_page),
                lambda t=token, p=ranking: taking.step(
                    t, attribute_answers.record_page, sent_page(p, ranking=["fame"])
                ),
            ],
        )
        # The ranking is the last page about attributes: once it is sent, the comparisons begin.
        assert sent is True
        assert changed in (True, False)
        if changed:
            again = open_page(taking, token)
            assert (again.asked, again.answered) == (2, 1)
            taking.step(token, attribute_answers.record_page, sent_page(again))
        assert taking.state(token) is State.INSTRUCTED
    with reading(taking.engine) as session:
        answered = session.scalars(select(AttributePageRow.answered)).all()
    assert sum(answered) == count(taking, AttributePageAnswerRow)


def test_entries_are_refused_once_everything_is_erased_and_leave_nothing(taking, one_arm_design: str) -> None:
    token = at_open_question(taking, one_arm_design)
    page, code = open_page(taking, token), taking.person(token).code
    taking.step(token, suggesting.add_entry, sent_entry(page, "Age"))
    sent, erased = together(
        lambda act: act(),
        [
            lambda: taking.step(token, suggesting.add_entry, sent_entry(page, "Wealth")),
            lambda: taking.erase("short", code),
        ],
    )
    assert isinstance(erased, erasure.Erased), erased
    assert not isinstance(sent, Exception) or isinstance(sent, NotTakingPart | AssertionError), sent
    for table in (AttributePageRow, AttributePageAnswerRow, SuggestionRow):
        assert count(taking, table) == 0
    assert events(taking) == []


# --- starting and admission -----------------------------------------------------------------------------------


def test_many_who_press_the_same_start_are_one_participant(taking, short_design: str) -> None:
    taking.open(short_design)
    got = together(lambda _: taking.start("short", key="one page in many tabs"), range(THREADS))
    assert len(set(got)) == 1
    assert events(taking) == ["started"]


def test_many_with_the_same_recruitment_id_are_one_participant(taking, short_design: str) -> None:
    taking.open(short_design)
    for person in range(5):
        got = together(lambda _, p=person: taking.start("short", pid=f"worker-{p}"), range(THREADS))
        assert len(set(got)) == 1
    assert (count(taking, ParticipantRow), count(taking, IdentityRow)) == (5, 5)


def test_many_starting_at_once_get_numbers_of_their_own_and_even_arms(taking, short_design: str) -> None:
    taking.open(short_design)
    for _ in range(3):
        got = together(lambda _: taking.at_first_comparison("short"), range(THREADS))
        assert not [g for g in got if isinstance(g, Exception)]
    with reading(taking.engine) as session:
        numbers = sorted(session.scalars(select(ParticipantRow.number)))
        arms = Counter(session.scalars(select(ParticipantRow.arm)))
    assert numbers == list(range(1, 19))
    assert arms == {"with-coin": 9, "no-coin": 9}


def test_a_quota_is_never_exceeded_by_those_who_arrive_together(taking, every_step: str) -> None:
    taking.open(every_step.replace("most = 4", "most = 5").replace("most = 3", "most = 5"))

    def arrive(_: int) -> State:
        token = taking.consented("every-step")
        taking.step(token, participants.screen, {"adult": "yes", "place": "city"})
        return taking.state(token)

    assert Counter(together(arrive, range(20))) == {State.INSTRUCTED: 5, State.QUOTA_FULL: 15}


def test_the_next_wave_begun_in_many_tabs_is_begun_once(taking, every_step: str) -> None:
    taking.open(every_step)
    first = taking.start("every-step", pid="worker-1")
    taking.finish_every_step(first)
    taking.study("every-step", studies.open_next_wave)

    def come_again(by_link: bool) -> str:
        if not by_link:
            return taking.start("every-step", pid="worker-1")
        with writing(taking.engine) as session:
            study = studies.find_study(session, "every-step")
            person = participants.find_participant(session, first)
            return participants.return_for_wave(session, study, person, now=taking.now).token

    got = together(come_again, [True, False] * (THREADS // 2))
    assert len(set(got)) == 1
    assert count(taking, ParticipantRow) == 2


# --- drawing ---------------------------------------------------------------------------------------------------


def shown_per_pair(taking) -> Counter[frozenset[str]]:
    with reading(taking.engine) as session:
        rows = session.execute(
            select(PresentationRow.left_profile, PresentationRow.right_profile).where(
                PresentationRow.role == Role.MAIN
            )
        )
        return Counter(frozenset(row) for row in rows)


def test_a_balanced_study_stays_balanced_when_many_are_admitted_together(taking, every_step: str) -> None:
    taking.open(every_step.replace("most = 4", "most = 400").replace("most = 3", "most = 300"))

    def arrive(place: str) -> None:
        token = taking.consented("every-step")
        taking.step(token, participants.screen, {"adult": "yes", "place": place})

    for _ in range(4):
        assert together(arrive, ["city", "country"] * 7) == [None] * 14
    per_pair = shown_per_pair(taking)
    # 56 people with 3 comparisons each: the 28 pairs of 8 profiles exactly 6 times each.
    assert set(per_pair.values()) == {6}
    assert len(per_pair) == 28


def test_an_adaptive_study_keeps_to_its_bounds_when_many_answer_together(taking, adaptive: str) -> None:
    taking.open(adaptive)
    tokens = [taking.at_first_comparison("adaptive") for _ in range(THREADS)]
    choices = itertools.cycle(Choice)

    def answer_everything(token: str) -> None:
        while (shown := taking.shown(token)) is not None:
            taking.send(token, shown, next(choices))

    assert together(answer_everything, tokens) == [None] * THREADS
    profiles: Counter[str] = Counter()
    for pair, times in shown_per_pair(taking).items():
        profiles.update(dict.fromkeys(pair, times))
    assert profiles.total() == THREADS * 6 * 2
    assert len(profiles) == 7
    assert max(profiles.values()) - min(profiles.values()) <= 3
    for token in tokens:
        rows = taking.drawn(token)
        assert [row.position for row in rows] == list(range(1, 9))
        assert not [row.draw_rule for row in rows if "lifted" in row.draw_rule]
        assert taking.state(token) is State.FINISHED


# --- tabs of one participant, in a forced order ------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.parametrize("stale_step", [participants.decline, answering.begin, participants.withdraw])
def test_a_step_that_another_tab_has_overtaken_changes_nothing(
    taking_postgres, one_arm_design: str, stale_step: Callable[..., None]
) -> None:
    """The first tab's request has read where the participant stands; then the second tab goes all the way."""
    taking = taking_postgres
    taking.open(one_arm_design.replace("per_respondent = 4", "per_respondent = 1"))
    token = taking.start("short")
    if stale_step is answering.begin:
        taking.step(token, participants.consent)
    with writing(taking.engine) as first_tab:
        stale = participants.find_participant(first_tab, token)
        taking.step(token, participants.consent)
        taking.step(token, answering.begin)
        taking.answer(token)
        stale_step(first_tab, stale, now=taking.now)
    assert taking.state(token) is State.FINISHED
    assert events(taking) == ["started", "consented", "admitted", "began", "finished"]


@pytest.mark.postgres
def test_answers_do_not_wait_for_a_consent(taking_postgres, one_arm_design: str) -> None:
    taking = taking_postgres
    taking.open(one_arm_design.replace("per_respondent = 4", "per_respondent = 1"))
    answers = taking.at_first_comparison("short")
    consents = taking.start("short")
    shown = taking.shown(answers)
    with writing(taking.engine) as session:
        participants.consent(session, participants.find_participant(session, consents), now=taking.now)
        with writing(taking.engine) as other:
            other.execute(text("SET LOCAL lock_timeout = '2s'"))
            sent = Sent(
                presentation=shown.token,
                revision=1,
                choice=Choice.LEFT,
                client_seconds=1.0,
                client_seconds_problem="",
            )
            # The last answer writes the event "finished", which refers to the study.
            person = participants.find_participant(other, answers)
            assert not answering.record_answer(other, person, sent, now=taking.now).replayed


def test_a_page_shows_one_moment_though_an_answer_arrives_meanwhile(taking, one_arm_design: str) -> None:
    """Else a reload beside the last answer would find somebody who answers and has nothing left to answer."""
    taking.open(one_arm_design.replace("per_respondent = 4", "per_respondent = 1"))
    token = taking.at_first_comparison("short")
    shown = taking.shown(token)
    with reading(taking.engine) as page:
        person = participants.find_participant(page, token)
        design = studies.design_of(participants.study_of(page, person))
        assert person.state is State.ANSWERING
        taking.send(token, shown, Choice.LEFT)
        still = answering.open_presentation(page, design, person)
        assert still is not None
        assert [choice for _, choice in presentations.seen_by(page, design, person)] == [None]
    assert taking.state(token) is State.FINISHED


# --- researchers -------------------------------------------------------------------------------------------------


def both(taking, first: Callable[..., Any], second: Callable[..., Any]) -> list[Any]:
    """Let two researchers act at the same moment, each in a transaction."""

    def act(step: Callable[..., Any]) -> Any:
        with writing(taking.engine) as session:
            return step(session)

    return together(act, [first, second])


def test_the_same_design_added_twice_at_once_is_one_study(taking, short_design: str) -> None:
    for version in range(10):
        design = short_design.replace('version = "1"', f'version = "{version}"')
        got = both(taking, *[lambda s, d=design: studies.add_study(s, d, now=taking.now).id] * 2)
        assert got[0] == got[1]
    assert count(taking, StudyRow) == 10


def test_two_designs_of_one_version_added_at_once_are_one_draft(taking, short_design: str) -> None:
    for version in range(10):
        design = short_design.replace('version = "1"', f'version = "{version}"')
        other = design.replace("What to do.", "What else to do.")
        got = both(
            taking,
            lambda s, d=design: studies.add_study(s, d, now=taking.now).id,
            lambda s, d=other: studies.add_study(s, d, now=taking.now).id,
        )
        assert got[0] == got[1], "a draft that nobody has started takes the later design"
    assert count(taking, StudyRow) == 10


def test_of_two_versions_opened_at_once_one_is_refused(taking, short_design: str) -> None:
    with writing(taking.engine) as session:
        for version in ("1", "2"):
            design = short_design.replace('version = "1"', f'version = "{version}"')
            studies.add_study(session, design, now=taking.now)
    for _ in range(10):
        got = both(
            taking,
            *[
                lambda s, v=v: studies.open_study(s, studies.find_study(s, "short", v), now=taking.now)
                for v in ("1", "2")
            ],
        )
        assert sorted(type(g).__name__ for g in got) == ["NoneType", "StudyConflict"]
        with reading(taking.engine) as session:
            assert sorted(session.scalars(select(StudyRow.state))) == [
                StudyState.DRAFT,
                StudyState.OPEN,
            ] or sorted(session.scalars(select(StudyRow.state))) == [StudyState.CLOSED, StudyState.OPEN]
        taking.study("short", studies.close_study)


@pytest.mark.postgres
def test_a_study_that_was_closed_meanwhile_is_not_paused(taking_postgres, short_design: str) -> None:
    taking = taking_postgres
    taking.open(short_design)
    with writing(taking.engine) as session:
        stale = studies.find_study(session, "short")
        taking.study("short", studies.close_study)
        with pytest.raises(StudyConflict, match="is closed"):
            studies.pause_study(session, stale, now=taking.now)
    with reading(taking.engine) as session:
        assert studies.find_study(session, "short").state is StudyState.CLOSED


@pytest.mark.postgres
def test_a_draft_that_was_opened_meanwhile_keeps_its_design(taking_postgres, short_design: str) -> None:
    taking = taking_postgres
    with writing(taking.engine) as session:
        studies.add_study(session, short_design, now=taking.now)
    changed = short_design.replace("What to do.", "What else to do.")
    with taking.engine.connect() as holder, ThreadPoolExecutor(1) as pool:
        # Somebody opens the draft and has not committed yet; somebody else sends a changed design.
        holder.execute(text("UPDATE study SET state = 'open'"))

        def replace() -> None:
            with writing(taking.engine) as session:
                studies.add_study(session, changed, now=taking.now)

        replacing = pool.submit(replace)
        _wait_for_waiting(taking.engine, 1)
        holder.commit()
        with pytest.raises(StudyConflict, match="is frozen"):
            replacing.result()
    with reading(taking.engine) as session:
        assert studies.find_study(session, "short").design_toml == short_design


def test_somebody_erased_by_two_at_once_is_erased_once(taking, every_step: str) -> None:
    taking.open(every_step)
    for person in range(5):
        token = taking.start("every-step", pid=f"worker-{person}")
        taking.step(token, participants.consent)
        code = taking.person(token).code
        got = together(lambda c: taking.erase("every-step", c), [code, code])
        assert not [
            g for g in got if isinstance(g, Exception) and not isinstance(g, erasure.NoSuchParticipant)
        ]
    with reading(taking.engine) as session:
        erased = session.scalars(select(EventRow).where(EventRow.what == "participant erased")).all()
        assert set(session.scalars(select(ParticipantRow.state))) == {State.ERASED}
    assert len(erased) == 5
