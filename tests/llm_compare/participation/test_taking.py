"""Models take a study: who is added, what is asked once and only once, and what the answers say."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sqlalchemy import func, select

from llm_compare.errors import CannotTake
from llm_compare.participation.model_participant import FIRST_REPEAT, answers_given
from llm_compare.participation.overview import groups_taken
from llm_compare.participation.store import enroll, participants_of, read_taken, study_to_take
from llm_compare.participation.tables import ModelParticipantRow, ModelPresentationRow
from llm_compare.participation.taking import preview, take
from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import AttributeOrders, attribute_orders, plan_requests
from llm_compare.replies.parsing import Outcome
from llm_compare.replies.reply import Reply
from llm_compare.replies.store import add_replies
from llm_compare.replies.tables import ModelReplyRow
from survey.answers import Choice, RespondentKind, Role
from survey.db import make_engine, writing
from survey.design import ComparisonKind
from survey.design_file import EXAMPLES
from survey.migration import upgrade
from survey.store import studies
from survey.store.studies import NoSuchStudy
from survey.tables import StudyRow


class Says:
    """Answers every call with the same text, and counts them."""

    name = "scripted"

    def __init__(self, *texts):
        self.texts = texts
        self.requests = []

    async def reply(self, request):
        text = self.texts[len(self.requests) % len(self.texts)]
        self.requests.append(request)
        return Reply(content=text, finish_reason="stop", returned_model="served-1", cost_usd=0.001)

    async def close(self):
        """Nothing is open."""


def count(engine, table):
    with writing(engine) as session:
        return session.scalar(select(func.count()).select_from(table))


def test_each_respondent_answers_its_own_comparisons_by_position(open_study, group_of, let_take):
    study = open_study("kidney-complete")
    taken = let_take(study, group_of(study, "scripted/coin"), 3)
    assert taken.complete
    answers = answers_given(study.design, taken.given, source="test").answers
    assert {a.respondent for a in answers} == {f"model-scripted-coin-{n}" for n in (1, 2, 3)}
    assert {(a.kind, a.arm, a.wave, a.design_hash) for a in answers} == {
        (RespondentKind.MODEL, "model", 1, study.design_hash)
    }
    per_respondent = study.design.comparisons_per_respondent + study.design.roles.count
    for respondent in {a.respondent for a in answers}:
        own = [a for a in answers if a.respondent == respondent]
        assert [a.position for a in own] == list(range(1, per_respondent + 1))
        assert {Role.MAIN, Role.CHECK, Role.REPEAT} <= {a.role for a in own}
        assert Role.PRACTICE not in {a.role for a in own}


def test_the_same_again_asks_nothing_and_more_respondents_leave_the_first_as_they_were(
    open_study, group_of, let_take
):
    study = open_study()
    group = group_of(study, "openai/any", settings=Settings())
    first = let_take(study, group, 2, Says("A"))
    again = let_take(study, group, 2, nobody := Says("B"))
    assert again.given == first.given
    assert nobody.requests == []
    more = let_take(study, group, 4, others := Says("B"))
    assert more.given[: len(first.given)] == first.given
    assert len(others.requests) == len(first.given)
    assert [one.respondent for one in more.participants] == [f"model-any-{n}" for n in (1, 2, 3, 4)]


def test_a_stopped_run_goes_on_where_it_stopped(open_study, group_of, let_take):
    study = open_study()
    group = group_of(study, "openai/any", settings=Settings())
    stopped = let_take(study, group, 2, one := Says("A"), max_calls=17)
    assert not stopped.complete
    assert (len(stopped.given), stopped.made) == (17, 17)
    done = let_take(study, group, 2, other := Says("A"))
    assert done.complete
    made = [r.identity for r in one.requests + other.requests]
    assert len(made) == len(set(made)) == done.planned


def test_all_drawn_for_several_respondents_has_a_call_of_its_own(open_study, group_of, let_take, engine):
    study = open_study()
    taken = let_take(study, group_of(study, "openai/any", settings=Settings()), 6, says := Says("A"))
    assert len(says.requests) == taken.planned == count(engine, ModelReplyRow)
    repeats = Counter(r.key for r in says.requests)
    assert max(repeats.values()) > 1
    for key, times in repeats.items():
        own = sorted(r.repeat for r in says.requests if r.key == key)
        assert own == list(range(FIRST_REPEAT, FIRST_REPEAT + times))


def test_what_compare_ask_stored_in_the_same_words_is_another_call(open_study, group_of, let_take, sessions):
    study = open_study()
    group = group_of(study, "openai/any", settings=Settings())
    every = study.design.comparisons()
    asked = plan_requests(
        study.design,
        every,
        arm=study.design.arms[0],
        model="openai/any",
        settings=Settings(),
        orders=attribute_orders(study.design, AttributeOrders.ALL),
    )
    with sessions() as session:
        add_replies(session, [(r, Reply(content="C")) for r in asked], client="test")
    taken = let_take(study, group, 1, says := Says("A"))
    assert {r.key for r in says.requests} <= {r.key for r in asked}
    assert len(says.requests) == taken.planned
    assert {one.parsed.choice for one in taken.given} == {Choice.LEFT}


def test_a_study_that_is_not_open_takes_nobody_but_lets_those_there_finish(
    open_study, group_of, let_take, engine, now
):
    draft = open_study(opened=False)
    with pytest.raises(CannotTake, match=r"'kidney-8' version 1 is draft.*equipoise survey open kidney-8"):
        let_take(draft, group_of(draft), 1)
    assert count(engine, ModelParticipantRow) == 0
    study = open_study()
    group = group_of(study)
    let_take(study, group, 1, max_calls=5)
    with writing(engine) as session:
        studies.close_study(session, session.get_one(StudyRow, study.id), now=now)
    assert let_take(study, group, 1).complete
    with pytest.raises(CannotTake, match="closed"):
        let_take(study, group, 2)


def test_the_open_version_is_taken_and_an_unknown_study_is_named(open_study, engine, now):
    study = open_study()
    with writing(engine) as session:
        text = session.get_one(StudyRow, study.id).design_toml.replace('version = "1"', 'version = "2"')
        studies.add_study(session, text, now=now)
        assert study_to_take(session, "kidney-8").version == "1"
        assert study_to_take(session, "kidney-8", "2").version == "2"
        with pytest.raises(NoSuchStudy, match="kidney-8"):
            study_to_take(session, "other")


def test_a_preview_adds_nobody_and_shows_what_is_then_added(
    open_study, group_of, let_take, sessions, engine, now
):
    study = open_study("kidney-complete")
    group = group_of(study)
    shown, stored = preview(sessions, study, group, 3, now=now)
    assert (count(engine, ModelParticipantRow), count(engine, ModelPresentationRow)) == (0, 0)
    assert stored == frozenset()
    taken = let_take(study, group, 3)
    assert taken.participants == shown
    assert len(preview(sessions, study, group, 3, now=now)[1]) == taken.planned


def test_two_groups_of_one_label_count_on(open_study, group_of, let_take):
    study = open_study()
    let_take(study, group_of(study, seed=1), 2)
    other = let_take(study, group_of(study, seed=2), 2)
    assert [one.respondent for one in other.participants] == [
        "model-scripted-coin-3",
        "model-scripted-coin-4",
    ]
    assert [one.number for one in other.participants] == [1, 2]
    renamed = let_take(study, group_of(study, seed=2, label="renamed"), 3)
    assert [one.respondent for one in renamed.participants][2] == "model-scripted-coin-5"


def test_the_same_seed_gives_the_same_answers_in_another_database(
    open_study, group_of, let_take, tmp_path, sessions, now
):
    study = open_study("kidney-numeric")
    taken = let_take(study, group_of(study), 3)
    upgrade(url := f"sqlite:///{tmp_path}/other.sqlite")
    other = make_engine(url)
    with writing(other) as session:
        with sessions() as first:
            toml = first.get_one(StudyRow, study.id).design_toml
        row = studies.add_study(session, toml, now=now)
        studies.open_study(session, row, now=now)
        there = enroll(session, study_to_take(session, row.slug), group_of(study), 3, now=now)
    other.dispose()
    assert there == taken.participants


def test_what_is_stored_comes_back_as_it_was_drawn(open_study, group_of, let_take, sessions):
    study = open_study("kidney-complete")
    taken = let_take(study, group_of(study), 2)
    with sessions() as session:
        assert participants_of(session, study) == tuple(taken.participants)


def test_words_that_no_longer_are_what_was_sent_are_an_error_and_no_new_call(
    open_study, group_of, let_take, sessions, engine
):
    study = open_study()
    group = group_of(study)
    let_take(study, group, 1)
    with writing(engine) as session:
        row = session.scalars(select(ModelPresentationRow).where(ModelPresentationRow.position == 4)).one()
        row.messages = [{**m, "content": m["content"] + "!"} for m in row.messages]
    with pytest.raises(CannotTake, match="model-scripted-coin-1, position 4"):
        let_take(study, group, 1, says := Says("A"))
    assert says.requests == []


def test_an_adaptive_study_is_drawn_answer_by_answer(open_study, adaptive_design, group_of, let_take):
    study = open_study(text=adaptive_design)
    assert study.design.comparison_kind is ComparisonKind.ADAPTIVE
    group = group_of(study, "openai/any", settings=Settings())
    taken = let_take(study, group, 3, Says("A"))
    assert taken.complete
    assert taken.planned == 12
    assert {one.presentation.draw_rule for p in taken.participants for one in p.shown} != {""}
    other = let_take(study, replace(group, model="openai/other"), 3, Says("A", "C", "B"))
    drawn, otherwise = (
        [one.presentation.comparison for p in t.participants for one in p.shown] for t in (taken, other)
    )
    assert drawn != otherwise


def test_an_adaptive_study_that_is_stopped_ends_as_if_it_had_not_been(
    open_study, adaptive_design, group_of, let_take
):
    study = open_study(text=adaptive_design)
    whole = let_take(study, group_of(study, "scripted/always-left"), 3)
    group = group_of(
        study, "scripted/always-left", label="in-parts", arm="with-coin", api_base="http://127.0.0.1:9/v1"
    )
    parts = [let_take(study, group, 3, Says("A"), max_calls=n) for n in (2, 3, 1)]
    assert [one.complete for one in parts] == [False, False, False]
    assert (done := let_take(study, group, 3, Says("A"))).complete
    assert [[s.presentation for s in p.shown] for p in done.participants] == [
        [s.presentation for s in p.shown] for p in whole.participants
    ]


def test_an_interrupt_stops_an_adaptive_study_also_where_all_replies_still_arrive(
    open_study, adaptive_design, group_of, let_take
):
    class Interrupted(Says):
        async def reply(self, request):
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(0.01)
            return await super().reply(request)

    study = open_study(text=adaptive_design)
    group = group_of(study, "openai/any", settings=Settings())
    stopped = let_take(study, group, 1, Interrupted("A"))
    assert (stopped.made, stopped.complete) == (1, False)
    rest = Says("A")
    assert let_take(study, group, 1, rest).complete
    assert len(rest.requests) == 3


@pytest.mark.postgres
def test_models_take_a_study_in_postgresql_and_go_on_there(postgres_url, group_of, now):
    upgrade(postgres_url)
    engine = make_engine(postgres_url)
    sessions = partial(writing, engine)
    with sessions() as session:
        row = studies.add_study(
            session, (EXAMPLES / "kidney-complete.toml").read_text(encoding="utf-8"), now=now
        )
        studies.open_study(session, row, now=now)
        study = study_to_take(session, row.slug)
    group = group_of(study, "openai/any", settings=Settings())
    rng = np.random.default_rng(0)
    stopped = take(sessions, study, group, 2, lambda: Says("A"), now=now, rng=rng, max_calls=7)
    assert (stopped.complete, len(stopped.given)) == (False, 7)
    done = take(sessions, study, group, 3, lambda: Says("A"), now=now, rng=rng)
    assert (done.complete, done.made) == (True, done.planned - 7)
    taken = read_taken(engine, study.id)
    assert tuple(taken.participants) == tuple(done.participants)
    engine.dispose()


def test_the_overview_counts_all_six_outcomes_and_keeps_refusals_out_of_indecision(
    open_study, group_of, let_take, engine
):
    study = open_study()
    group = group_of(study, "openai/any", settings=Settings())
    texts = ("A", "B", "C", "As an AI, I cannot help with that.", "Perhaps.")
    let_take(study, group, 1, Says(*texts), max_calls=25)
    taken = read_taken(engine, study.id)
    (one,) = groups_taken(taken.participants, taken.given, taken.failed)
    assert one.outcomes == {
        Outcome.CHOICE: 10,
        Outcome.INDECISION: 5,
        Outcome.REFUSAL: 5,
        Outcome.UNREADABLE: 5,
        Outcome.TRUNCATED: 0,
        Outcome.ERROR: 0,
    }
    assert (one.respondents, one.finished, one.shown, one.not_made) == (1, 0, 28, 3)
    assert (one.indecision_rate, one.indecision_offered) == (pytest.approx(1 / 3), 15)
    assert one.returned_models == ["served-1"]
    assert (one.cost_usd, one.cost_unknown) == (pytest.approx(0.025), 0)
    assert one.shared == 0


def test_respondents_of_a_deterministic_script_answer_alike_and_the_overview_says_so(
    open_study, group_of, let_take, engine
):
    study = open_study()
    let_take(study, group_of(study, "scripted/youngest-first"), 6)
    let_take(study, group_of(study, "openai/any", settings=Settings()), 6, Says("A", "B", "C"))
    taken = read_taken(engine, study.id)
    same, mixed = groups_taken(taken.participants, taken.given, taken.failed)
    assert same.shared_alike == same.shared > 20
    assert mixed.shared_alike < mixed.shared == same.shared
    assert same.cost_usd is None
    assert same.cost_unknown == 0


def test_scripts_answer_as_when_they_are_asked_themselves(open_study, group_of, let_take):
    study = open_study("kidney-numeric")
    taken = let_take(study, group_of(study, "scripted/youngest-first"), 2)
    for one in taken.given:
        left, right = one.shown.presentation.left["age"], one.shown.presentation.right["age"]
        expected = Choice.INDECISION if left == right else Choice.LEFT if left < right else Choice.RIGHT
        assert one.parsed.choice is expected
