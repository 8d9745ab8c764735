from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime

import pytest

from llm_compare.asking.scripted import ScriptedRespondent
from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import plan_requests
from llm_compare.prompting.variant import AnswerFormat, Variant
from llm_compare.replies.parsing import Outcome
from llm_compare.replies.reply import Failure, RecordedReply, Reply
from llm_compare.replies.respondents import (
    answers_in,
    answers_of,
    read_replies_of,
    tally,
    tally_by_level,
    tally_of,
)
from survey.answers import Choice, RespondentKind, Role
from survey.answers_file import read_answers, write_answers
from survey.design import Comparison


def recorded(request, content, **more):
    return RecordedReply(request=request, reply=Reply(content=content, finish_reason="stop", **more))


def scripted(design, planned, model, repeats=1):
    requests = planned(28, model=model, settings=Settings(max_tokens=None, seed=0), repeats=repeats)
    respondent = ScriptedRespondent(design, model)
    return [RecordedReply(request=r, reply=asyncio.run(respondent.reply(r))) for r in requests]


def test_a_letter_means_the_profile_that_stood_on_its_side(planned, kidney_8):
    one_way, other_way = planned(1)
    assert (one_way.left, one_way.right) == (other_way.right, other_way.left)
    answer_set, _ = answers_of(
        [recorded(one_way, "A"), recorded(other_way, "B")], kidney_8.attributes, source="test"
    )
    first, second = answer_set.answers
    assert (first.choice, second.choice) == (Choice.LEFT, Choice.RIGHT)
    assert first.left == second.right == one_way.left
    assert (first.left, first.right) == (one_way.left, one_way.right)
    assert (second.left, second.right) == (other_way.left, other_way.right)


def test_who_decides_by_the_patients_wins_and_loses_alike_on_both_sides(planned, kidney_8):
    answer_set, _ = answers_of(
        scripted(kidney_8, planned, "scripted/youngest-first"), kidney_8.attributes, source="test"
    )
    chosen = Counter()
    for answer in answer_set.answers:
        if answer.choice is not Choice.INDECISION:
            chosen[(answer.left if answer.choice is Choice.LEFT else answer.right)["age"]] += 1
    # 4 young x 4 old profiles, both ways round.
    assert chosen == {"young": 32}


def test_who_decides_by_the_side_chooses_every_profile_equally_often(planned, kidney_8):
    answer_set, _ = answers_of(
        scripted(kidney_8, planned, "scripted/always-left"), kidney_8.attributes, source="test"
    )
    assert set(Counter(a.left.id for a in answer_set.answers).values()) == {7}
    assert {a.choice for a in answer_set.answers} == {Choice.LEFT}


def test_an_answer_says_that_a_model_gave_it_and_in_which_repeat(planned, kidney_8):
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    requests = planned(1, repeats=2)
    answer_set, _ = answers_of(
        [recorded(r, "C", seconds=0.5, asked_at=moment) for r in requests], kidney_8.attributes, source="x"
    )
    for request, answer in zip(requests, answer_set.answers, strict=True):
        assert (answer.respondent, answer.kind) == ("openai/anything", RespondentKind.MODEL)
        assert (answer.wave, answer.position, answer.role) == (request.repeat, None, Role.MAIN)
        assert (answer.choice, answer.indecision_offered) == (Choice.INDECISION, True)
        assert (answer.arm, answer.design_hash) == (request.arm, request.design_hash)
        assert (answer.seconds, answer.seconds_missing, answer.answered_at) == (0.5, "", moment)
    assert (answer_set.source, answer_set.attributes) == ("x", kidney_8.attributes)


@pytest.mark.parametrize(
    ("model", "why"), [("scripted/coin", "scripted respondent"), ("openai/x", "not recorded")]
)
def test_a_missing_time_is_explained(planned, kidney_8, model, why):
    answer_set, _ = answers_of([recorded(planned(1, model=model)[0], "A")], kidney_8.attributes, source="x")
    assert (answer_set.answers[0].seconds, answer_set.answers[0].seconds_missing) == (None, why)


def test_only_choices_and_indecisions_become_answers_and_the_rest_is_counted(planned, kidney_8):
    requests = planned(4)
    replies = [
        recorded(requests[0], "A"),
        recorded(requests[1], "B"),
        recorded(requests[2], "C"),
        recorded(requests[3], "I'm sorry, but I can't help with that."),
        recorded(requests[4], "Patient A is older than Patient B."),
        recorded(requests[5], None, error=Failure(kind="Timeout", status=408, message="slow")),
        RecordedReply(request=requests[6], reply=Reply(content="Well", finish_reason="length")),
        recorded(requests[7], None, refusal="No."),
    ]
    answer_set, counts = answers_of(replies, kidney_8.attributes, source="test")
    assert [a.choice for a in answer_set.answers] == [Choice.LEFT, Choice.RIGHT, Choice.INDECISION]
    assert counts.counts == {
        Outcome.CHOICE: 2,
        Outcome.INDECISION: 1,
        Outcome.REFUSAL: 2,
        Outcome.TRUNCATED: 1,
        Outcome.UNREADABLE: 1,
        Outcome.ERROR: 1,
    }
    assert (counts.answers, counts.total) == (3, 8)
    assert tally(replies) == counts


def test_a_models_answers_are_written_and_read_like_peoples(planned, kidney_8, tmp_path):
    answer_set, _ = answers_of(
        scripted(kidney_8, planned, "scripted/youngest-first", repeats=2), kidney_8.attributes, source="test"
    )
    path = tmp_path / "answers.csv"
    write_answers(path, answer_set)
    assert tuple(read_answers(path, kidney_8.attributes).answers) == answer_set.answers


def test_each_reply_is_read_in_the_format_that_it_was_asked_in(planned, kidney_8):
    variants = (Variant(), Variant(name="points", answer_format=AnswerFormat.ALLOCATION))
    requests = planned(1, variants=variants)
    read = read_replies_of([recorded(r, '{"A": 20, "B": 70, "C": 10}') for r in requests])
    assert [r.recorded.request.variant.name for r in read] == [r.variant.name for r in requests]
    assert {(r.recorded.request.variant.name, r.parsed.choice, r.parsed.shares) for r in read} == {
        ("as-people", None, None),
        ("points", Choice.RIGHT, (0.2, 0.7, 0.1)),
    }
    answer_set = answers_in(read, kidney_8.attributes, source="x")
    assert [a.choice for a in answer_set.answers] == [Choice.RIGHT, Choice.RIGHT]
    assert tally_of(read).counts[Outcome.UNREADABLE] == 2


def test_refusals_are_counted_by_what_the_patients_are_like(planned, kidney_8):
    requests = planned(28)

    def about_cancer(request):
        return "cancer" in (request.left["health"], request.right["health"])

    replies = [recorded(r, "I decline." if about_cancer(r) else "A") for r in requests]
    by_level = tally_by_level(read_replies_of(replies), kidney_8.attributes)
    assert list(by_level) == [(a.name, v) for a in kidney_8.attributes for v in a.values]
    for (attribute, value), counted in by_level.items():
        about = [r for r in requests if value in (r.left[attribute], r.right[attribute])]
        assert counted.total == len(about)
        assert counted.counts[Outcome.REFUSAL] == sum(map(about_cancer, about))
    assert by_level["health", "cancer"].answers == 0
    assert by_level["health", "healthy"].answers == 12


def test_numbers_are_listed_in_their_order_and_only_those_asked_about(kidney_numeric):
    ages = [(70, 30), (30, 50), (50, 50)]
    patients = [
        [kidney_numeric.profile({"age": a, "drinks": d, "dependents": 0}) for d, a in enumerate(p, start=1)]
        for p in ages
    ]
    requests = plan_requests(
        kidney_numeric,
        [Comparison.of(*pair) for pair in patients],
        arm=kidney_numeric.arms[0],
        model="openai/x",
        settings=Settings(),
    )
    by_level = tally_by_level(read_replies_of(recorded(r, "A") for r in requests), kidney_numeric.attributes)
    assert {key: t.total for key, t in by_level.items() if key[0] == "age"} == {
        ("age", 30): 4,
        ("age", 50): 4,
        ("age", 70): 2,
    }
    assert [value for name, value in by_level if name == "age"] == [30, 50, 70]
