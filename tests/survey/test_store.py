from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, func, select, text

from survey import store
from survey.answers import Choice
from survey.db import reading, writing
from survey.errors import BadDesign
from survey.pairing import draw_presentations
from survey.store import NoSuchPresentation, NoSuchStudy, NotTakingPart, StudyConflict
from survey.tables import (
    AnswerRow,
    EventRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    StudyRow,
    StudyState,
)

AddOpenStudy = Callable[[Engine, str], StudyRow]


def start(engine: Engine, slug: str, now: datetime, *, simulated: bool = False) -> str:
    with writing(engine) as session:
        return store.start_participant(
            session, store.find_study(session, slug), simulated=simulated, now=now
        ).token


def person(session: object, token: str) -> ParticipantRow:
    found = store.find_participant(session, token)  # type: ignore[arg-type]
    assert found is not None
    return found


def at_first_comparison(engine: Engine, slug: str, now: datetime) -> str:
    token = start(engine, slug, now)
    with writing(engine) as session:
        store.consent(session, person(session, token), now=now)
        store.begin(session, person(session, token), now=now)
    return token


def answer(engine: Engine, token: str, presentation: str, choice: Choice, now: datetime) -> store.Recorded:
    with writing(engine) as session:
        return store.record_answer(
            session,
            person(session, token),
            presentation,
            choice,
            client_seconds=1.5,
            client_seconds_problem="",
            now=now,
        )


def shown(engine: Engine, token: str) -> PresentationRow | None:
    with reading(engine) as session:
        return store.next_presentation(session, person(session, token))


def test_adding_the_same_design_again_returns_the_same_study(
    sqlite_engine: Engine, now: datetime, short_design: str
) -> None:
    with writing(sqlite_engine) as session:
        first = store.add_study(session, short_design, now=now)
        again = store.add_study(session, "# a comment\n" + short_design, now=now)
        assert again.id == first.id
        assert first.state is StudyState.DRAFT
        assert first.design_toml == short_design


def test_a_changed_design_under_the_same_version_is_refused(
    sqlite_engine: Engine, now: datetime, short_design: str
) -> None:
    with writing(sqlite_engine) as session:
        store.add_study(session, short_design, now=now)
        with pytest.raises(StudyConflict, match=r"raise study\.version"):
            store.add_study(session, short_design.replace("What to do.", "What else to do."), now=now)


def test_a_bad_design_is_refused_with_its_complaints(sqlite_engine: Engine, now: datetime) -> None:
    with writing(sqlite_engine) as session, pytest.raises(BadDesign) as caught:
        store.add_study(session, "[study]\nslug = 'x'\n", now=now)
    assert len(caught.value.complaints) > 3


def test_a_slug_finds_the_open_version_else_the_newest(
    sqlite_engine: Engine, now: datetime, short_design: str
) -> None:
    with writing(sqlite_engine) as session:
        first = store.add_study(session, short_design, now=now)
        second = store.add_study(session, short_design.replace('version = "1"', 'version = "2"'), now=now)
        assert store.find_study(session, "short").id == second.id
        store.open_study(session, first, now=now)
        assert store.find_study(session, "short").id == first.id
        with pytest.raises(StudyConflict, match="close it first"):
            store.open_study(session, second, now=now)
        store.close_study(session, first, now=now)
        store.open_study(session, second, now=now)
        with pytest.raises(NoSuchStudy, match=r"short \(version 2\)"):
            store.find_study(session, "long")


def test_a_draft_takes_simulated_participants_only(
    sqlite_engine: Engine, now: datetime, short_design: str
) -> None:
    with writing(sqlite_engine) as session:
        store.add_study(session, short_design, now=now)
    start(sqlite_engine, "short", now, simulated=True)
    with pytest.raises(NotTakingPart, match="draft"):
        start(sqlite_engine, "short", now)


def test_consent_draws_everything_once(
    engine: Engine, now: datetime, short_design: str, add_open_study: AddOpenStudy
) -> None:
    add_open_study(engine, short_design)
    token = start(engine, "short", now)
    for _ in range(2):
        with writing(engine) as session:
            store.consent(session, person(session, token), now=now)
    with reading(engine) as session:
        rows = session.scalars(select(PresentationRow).order_by(PresentationRow.position)).all()
        study = store.find_study(session, "short")
        design = store.design_of(study)
        arm = design.arm(person(session, token).arm or "")
    assert [row.position for row in rows] == [1, 2, 3, 4]
    assert len({row.token for row in rows}) == 4
    assert {row.indecision_offered for row in rows} == {arm.indecision_offered}
    assert all(row.served_at is None for row in rows)


def test_the_draws_follow_from_the_design_and_the_number(
    sqlite_engine: Engine,
    postgres_engine: Engine,
    now: datetime,
    short_design: str,
    add_open_study: AddOpenStudy,
) -> None:
    drawn = []
    for engine in (sqlite_engine, postgres_engine):
        add_open_study(engine, short_design)
        tokens = [at_first_comparison(engine, "short", now) for _ in range(3)]
        with reading(engine) as session:
            drawn.append(
                [
                    [
                        (p.left_profile, p.right_profile, p.attribute_order, p.indecision_offered)
                        for p in session.scalars(
                            select(PresentationRow)
                            .where(PresentationRow.participant_id == person(session, token).id)
                            .order_by(PresentationRow.position)
                        )
                    ]
                    for token in tokens
                ]
            )
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[0][1]


def test_arms_fill_evenly_and_simulated_participants_do_not_count(
    sqlite_engine: Engine, now: datetime, short_design: str, add_open_study: AddOpenStudy
) -> None:
    add_open_study(sqlite_engine, short_design)
    for simulated in (False, True, False, False, True, False, False, False):
        token = start(sqlite_engine, "short", now, simulated=simulated)
        with writing(sqlite_engine) as session:
            store.consent(session, person(session, token), now=now)
    with reading(sqlite_engine) as session:
        people = Counter(session.scalars(select(ParticipantRow.arm).where(~ParticipantRow.simulated)))
    assert people == {"with-coin": 3, "no-coin": 3}


def test_declining_is_final(
    sqlite_engine: Engine, now: datetime, short_design: str, add_open_study: AddOpenStudy
) -> None:
    add_open_study(sqlite_engine, short_design)
    token = start(sqlite_engine, "short", now)
    with writing(sqlite_engine) as session:
        store.decline(session, person(session, token), now=now)
    with writing(sqlite_engine) as session, pytest.raises(NotTakingPart):
        store.consent(session, person(session, token), now=now)
    with reading(sqlite_engine) as session:
        assert person(session, token).state is ParticipantState.DECLINED
        assert session.scalar(select(func.count()).select_from(PresentationRow)) == 0


def test_a_replayed_answer_changes_nothing_and_is_logged(
    engine: Engine, now: datetime, one_arm_design: str, add_open_study: AddOpenStudy
) -> None:
    add_open_study(engine, one_arm_design)
    token = at_first_comparison(engine, "short", now)
    first = shown(engine, token)
    assert first is not None
    later = now + timedelta(seconds=2)
    assert not answer(engine, token, first.token, Choice.LEFT, later).replayed
    replay = answer(engine, token, first.token, Choice.RIGHT, later)
    assert replay.replayed
    assert replay.answer.choice is Choice.LEFT
    second = shown(engine, token)
    assert second is not None
    assert (second.position, second.served_at) == (2, later)
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(AnswerRow)) == 1
        detail = session.scalars(select(EventRow.detail).where(EventRow.what == "answer replayed")).one()
    assert detail == {"position": 1, "sent": "right", "stored": "left"}


def test_the_last_answer_finishes_with_a_code(
    sqlite_engine: Engine, now: datetime, one_arm_design: str, add_open_study: AddOpenStudy
) -> None:
    add_open_study(sqlite_engine, one_arm_design)
    token = at_first_comparison(sqlite_engine, "short", now)
    while (row := shown(sqlite_engine, token)) is not None:
        answer(sqlite_engine, token, row.token, Choice.INDECISION, now)
    with reading(sqlite_engine) as session:
        found = person(session, token)
    assert found.state is ParticipantState.FINISHED
    assert found.completion_code
    assert found.ended_at == now


def test_a_participant_cannot_answer_for_another(
    sqlite_engine: Engine, now: datetime, one_arm_design: str, add_open_study: AddOpenStudy
) -> None:
    add_open_study(sqlite_engine, one_arm_design)
    one, other = (at_first_comparison(sqlite_engine, "short", now) for _ in range(2))
    row = shown(sqlite_engine, other)
    assert row is not None
    with pytest.raises(NoSuchPresentation):
        answer(sqlite_engine, one, row.token, Choice.LEFT, now)


def test_a_comparison_cannot_be_answered_before_it_is_shown(
    sqlite_engine: Engine, now: datetime, one_arm_design: str, add_open_study: AddOpenStudy
) -> None:
    add_open_study(sqlite_engine, one_arm_design)
    token = at_first_comparison(sqlite_engine, "short", now)
    with reading(sqlite_engine) as session:
        ahead = session.scalars(select(PresentationRow.token).where(PresentationRow.position == 3)).one()
    with pytest.raises(NotTakingPart, match="not been shown"):
        answer(sqlite_engine, token, ahead, Choice.LEFT, now)


def test_indecision_is_refused_where_it_was_not_offered(
    sqlite_engine: Engine, now: datetime, short_design: str, add_open_study: AddOpenStudy
) -> None:
    add_open_study(sqlite_engine, short_design)
    for _ in range(2):
        token = at_first_comparison(sqlite_engine, "short", now)
        row = shown(sqlite_engine, token)
        assert row is not None
        if row.indecision_offered:
            assert not answer(sqlite_engine, token, row.token, Choice.INDECISION, now).replayed
        else:
            with pytest.raises(NotTakingPart, match="two answers"):
                answer(sqlite_engine, token, row.token, Choice.INDECISION, now)


def test_a_time_longer_than_the_server_saw_is_kept_but_marked(
    sqlite_engine: Engine, now: datetime, one_arm_design: str, add_open_study: AddOpenStudy
) -> None:
    add_open_study(sqlite_engine, one_arm_design)
    token = at_first_comparison(sqlite_engine, "short", now)
    row = shown(sqlite_engine, token)
    assert row is not None
    with writing(sqlite_engine) as session:
        stored = store.record_answer(
            session,
            person(session, token),
            row.token,
            Choice.LEFT,
            client_seconds=50.0,
            client_seconds_problem="",
            now=now + timedelta(seconds=4),
        ).answer
    assert stored.client_seconds == 50.0
    assert stored.client_seconds_problem == "longer than the server's interval"
    assert stored.server_seconds == 4.0


def test_many_at_once_store_each_answer_exactly_once(
    engine: Engine, now: datetime, one_arm_design: str, add_open_study: AddOpenStudy
) -> None:
    """Six threads send the answer to each of 50 presentations at the same moment (survey notes: 961 extra rows
    without the claim, 970 of 1,200 requests failed with a plain BEGIN)."""
    threads, wanted = 6, 50
    add_open_study(engine, one_arm_design.replace("per_respondent = 4", "per_respondent = 10"))
    tokens = [at_first_comparison(engine, "short", now) for _ in range(wanted // 10)]
    first_senders = 0
    with ThreadPoolExecutor(threads) as pool:
        for token in tokens:
            for _ in range(10):
                row = shown(engine, token)
                assert row is not None
                together = threading.Barrier(threads)

                def send(
                    choice: Choice, t: str = token, r: str = row.token, b: threading.Barrier = together
                ) -> bool:
                    b.wait()
                    return not answer(engine, t, r, choice, now).replayed

                choices = [Choice.LEFT, Choice.RIGHT, Choice.INDECISION] * 2
                first_senders += sum(pool.map(send, choices))
    assert first_senders == wanted
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(AnswerRow)) == wanted
        replays = session.scalar(
            select(func.count()).select_from(EventRow).where(EventRow.what == "answer replayed")
        )
        states = set(session.scalars(select(ParticipantRow.state)))
    assert replays == wanted * (threads - 1)
    assert states == {ParticipantState.FINISHED}


def test_many_starting_at_once_get_numbers_of_their_own_and_even_arms(
    engine: Engine, now: datetime, short_design: str, add_open_study: AddOpenStudy
) -> None:
    add_open_study(engine, short_design)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: at_first_comparison(engine, "short", now), range(12)))
    with reading(engine) as session:
        numbers = sorted(session.scalars(select(ParticipantRow.number)))
        arms = Counter(session.scalars(select(ParticipantRow.arm)))
    assert numbers == list(range(1, 13))
    assert arms == {"with-coin": 6, "no-coin": 6}


@pytest.mark.postgres
@pytest.mark.parametrize("stale_step", [store.decline, store.begin])
def test_a_step_that_another_tab_has_overtaken_changes_nothing(
    postgres_engine: Engine,
    now: datetime,
    one_arm_design: str,
    add_open_study: AddOpenStudy,
    stale_step: Callable[..., None],
) -> None:
    """The first tab's request has read where the participant stands; then the second tab goes all the way."""
    add_open_study(postgres_engine, one_arm_design.replace("per_respondent = 4", "per_respondent = 1"))
    token = start(postgres_engine, "short", now)
    if stale_step is store.begin:
        with writing(postgres_engine) as session:
            store.consent(session, person(session, token), now=now)
    with writing(postgres_engine) as first_tab:
        stale = person(first_tab, token)
        with writing(postgres_engine) as session:
            store.consent(session, person(session, token), now=now)
            store.begin(session, person(session, token), now=now)
        row = shown(postgres_engine, token)
        assert row is not None
        answer(postgres_engine, token, row.token, Choice.LEFT, now)
        stale_step(first_tab, stale, now=now)
    with reading(postgres_engine) as session:
        assert person(session, token).state is ParticipantState.FINISHED
        assert session.scalars(select(EventRow.what).where(EventRow.participant_id.is_not(None))).all() == [
            "started",
            "consented",
            "began",
            "finished",
        ]


@pytest.mark.postgres
def test_answers_do_not_wait_for_a_consent(
    postgres_engine: Engine, now: datetime, one_arm_design: str, add_open_study: AddOpenStudy
) -> None:
    add_open_study(postgres_engine, one_arm_design.replace("per_respondent = 4", "per_respondent = 1"))
    answering = at_first_comparison(postgres_engine, "short", now)
    consenting = start(postgres_engine, "short", now)
    row = shown(postgres_engine, answering)
    assert row is not None
    with writing(postgres_engine) as session:
        store.consent(session, person(session, consenting), now=now)
        with writing(postgres_engine) as other:
            other.execute(text("SET LOCAL lock_timeout = '2s'"))
            # The last answer writes the event "finished", which refers to the study.
            assert not store.record_answer(
                other,
                person(other, answering),
                row.token,
                Choice.LEFT,
                client_seconds=1.0,
                client_seconds_problem="",
                now=now,
            ).replayed


def test_what_a_participant_is_shown_does_not_depend_on_the_arms_of_others(
    sqlite_engine: Engine, now: datetime, short_design: str, add_open_study: AddOpenStudy
) -> None:
    study = add_open_study(sqlite_engine, short_design)
    design = store.design_of(study)
    for number in range(1, 7):
        token = start(sqlite_engine, "short", now)
        with writing(sqlite_engine) as session:
            store.consent(session, person(session, token), now=now)
        with reading(sqlite_engine) as session:
            taking = person(session, token)
            drawn = [
                store.presentation_of(design, row)
                for row in session.scalars(
                    select(PresentationRow)
                    .where(PresentationRow.participant_id == taking.id)
                    .order_by(PresentationRow.position)
                )
            ]
        rng = np.random.default_rng([study.draw_seed, number])
        assert drawn == list(draw_presentations(design, design.arm(taking.arm or ""), rng))
