from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_compare.prompting.labels import Labels
from llm_compare.prompting.variant import AnswerFormat, IndecisionPlace, Marks
from llm_compare.replies.parsing import Outcome, Rule, parse
from llm_compare.replies.reply import Failure, Reply
from survey.answers import Choice

# Raw replies in the manner of models, with what they must be read as and by which rule: our own inventions, judged
# by hand. A wrong guess is worse than an unreadable reply. Replies are JSON strings, each on one line.
GOLDEN_FILE = Path(__file__).with_name("golden_replies.tsv")

OFFERED = {
    "coin": Labels.of("Patient A", "Patient B", "Flip a coin"),
    "no-coin": Labels.of("Patient A", "Patient B", None),
    "numbers": Labels.of("Patient A", "Patient B", "Flip a coin", marks=Marks.NUMBERS),
    "coin-first": Labels.of("Patient A", "Patient B", "I cannot decide", place=IndecisionPlace.FIRST),
    "de": Labels.of("Person A", "Person B", "Münze werfen"),
    "es": Labels.of("Paciente A", "Paciente B", "Lanzar una moneda"),
    "fr": Labels.of("Patient A", "Patient B", "Tirer à pile ou face"),
    "zh": Labels.of("患者A", "患者B", "抛硬币"),
    "pt": Labels.of("Paciente A", "Paciente B", "Jogar uma moeda"),
    "it": Labels.of("Paziente A", "Paziente B", "Lanciare una moneta"),
    "nl": Labels.of("Patiënt A", "Patiënt B", "Een munt opgooien"),
}
LABELS = OFFERED["coin"]
WITHOUT_COIN = OFFERED["no-coin"]
LEFT, RIGHT, UNREADABLE = "left", "right", "unreadable"


def golden():
    header, *rows = GOLDEN_FILE.read_text(encoding="utf-8").rstrip("\n").split("\n")
    assert header.split("\t") == ["labels", "format", "finish", "meaning", "rule", "reply"]
    for row in rows:
        offered, answer_format, finish, meaning, rule, reply = row.split("\t")
        yield offered, AnswerFormat(answer_format), finish, meaning, Rule[rule], json.loads(reply)


GOLDEN = list(golden())


def read(content, offered=LABELS, answer_format=AnswerFormat.LETTER, finish="stop", first_token=None):
    reply = Reply(content=content, finish_reason=finish, first_token=first_token)
    return parse(reply, offered, answer_format)


def as_words(parsed):
    return parsed.choice.value if parsed.choice else parsed.outcome.value


@pytest.mark.parametrize(("offered", "answer_format", "finish", "meaning", "rule", "raw"), GOLDEN)
def test_a_reply_is_read_by_the_rule_that_fits_it(offered, answer_format, finish, meaning, rule, raw):
    parsed = read(raw, OFFERED[offered], answer_format, finish)
    assert (as_words(parsed), parsed.rule) == (meaning, rule)


def test_the_golden_replies_cover_every_format_language_outcome_and_rule():
    assert {g[1] for g in GOLDEN} == set(AnswerFormat) - {AnswerFormat.FIRST_TOKEN}
    assert {g[0] for g in GOLDEN} == set(OFFERED)
    without_text = {Rule.FAILED_CALL, Rule.PROVIDER, Rule.FIRST_TOKEN}
    assert {g[4] for g in GOLDEN} == set(Rule) - without_text
    meanings = {*Choice, Outcome.REFUSAL, Outcome.TRUNCATED, Outcome.UNREADABLE}
    assert {g[3] for g in GOLDEN} == {m.value for m in meanings}
    assert max(Counter((g[0], g[1], g[2], g[5]) for g in GOLDEN).values()) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(content=None, finish_reason="stop", refusal="I can't help with that."),
        Reply(content="A", finish_reason="content_filter"),
        Reply(content=None, finish_reason="content_filter"),
        Reply(content="B", finish_reason="stop", refusal="no"),
        Reply(content="A", finish_reason="content_filter", first_token={"A": 0.0}),
    ],
)
@pytest.mark.parametrize("answer_format", AnswerFormat)
def test_what_the_provider_calls_refused_or_filtered_is_a_refusal(reply, answer_format):
    parsed = parse(reply, LABELS, answer_format)
    assert (parsed.outcome, parsed.choice, parsed.rule) == (Outcome.REFUSAL, None, Rule.PROVIDER)


@pytest.mark.parametrize("answer_format", AnswerFormat)
def test_a_failed_call_is_an_error_whatever_else_it_holds(answer_format):
    failure = Failure(kind="Timeout", status=408, message="slow")
    reply = Reply(content="A", finish_reason="stop", error=failure, first_token={"A": 0.0})
    parsed = parse(reply, LABELS, answer_format)
    assert (parsed.outcome, parsed.choice) == (Outcome.ERROR, None)


@pytest.mark.parametrize("answer_format", AnswerFormat)
@pytest.mark.parametrize("content", [None, "", "  \n"])
def test_no_text_is_unreadable_and_no_text_within_the_limit_is_truncated(answer_format, content):
    assert read(content, answer_format=answer_format).rule is Rule.EMPTY
    assert read(content, answer_format=answer_format, finish="length").outcome is Outcome.TRUNCATED


def test_headings_that_contradict_the_letters_are_never_guessed_at():
    crossed = Labels.of("Patient B", "Patient A", None)
    assert as_words(read("B", crossed)) == RIGHT
    assert as_words(read("I choose Patient B.", crossed)) == UNREADABLE


@given(st.sampled_from(AnswerFormat), st.sampled_from(sorted(OFFERED)), st.data())
@settings(max_examples=500)
def test_any_text_at_all_is_read_without_an_error_and_consistently(answer_format, offered, data):
    pieces = st.sampled_from(
        ["A", "B", " 1", "{", "}", '"answer"', ": ", "-", "50", "Answer: ", "I choose ", "\n", "不", "选"]
    )
    text = data.draw(st.one_of(st.text(max_size=80), st.lists(pieces, max_size=20).map("".join)))
    finish = data.draw(st.sampled_from(["stop", "length", None]))
    parsed = read(text, OFFERED[offered], answer_format, finish)
    answered = parsed.outcome in (Outcome.CHOICE, Outcome.INDECISION)
    assert (parsed.choice is not None) == answered
    assert (parsed.choice is Choice.INDECISION) == (parsed.outcome is Outcome.INDECISION)
    assert parsed.choice is not Choice.INDECISION or OFFERED[offered].indecision is not None
    assert parsed.shares is None or math.isclose(sum(parsed.shares), 1.0)


@pytest.mark.parametrize(
    ("offered", "answer_format", "finish", "raw"),
    [
        (o, f, finish, raw)
        for o, f, finish, meaning, _, raw in GOLDEN
        if meaning in (LEFT, RIGHT) and f is not AnswerFormat.SCALE and o != "numbers"
    ],
)
def test_exchanging_the_names_exchanges_the_choice(offered, answer_format, finish, raw):
    other = {"A": "B", "B": "A", "a": "b", "b": "a", "\uff22": "\uff21"}
    # "A first guess" and Portuguese "A resposta" hold an article, not a name; "Als" and "CAN" hold no letter alone.
    name = (
        r"(?<![^\W\u4e00-\u9fff])(?:[AB\uff22]|(?<=patient )[ab]|[ab](?=\W*$))"
        r"(?![^\W\u4e00-\u9fff]| (?:first|resposta))"
    )
    exchanged = re.sub(name, lambda match: other[match.group()], raw)
    before = read(raw, OFFERED[offered], answer_format, finish)
    after = read(exchanged, OFFERED[offered], answer_format, finish)
    assert exchanged != raw
    assert before.choice is not None
    assert after.choice is before.choice.mirrored


@given(st.integers(-3, 3))
def test_the_sign_on_the_scale_is_the_side(number):
    expected = Choice.LEFT if number < 0 else Choice.RIGHT if number > 0 else Choice.INDECISION
    assert read(str(number), answer_format=AnswerFormat.SCALE).choice is expected
    assert read(f"Well.\nAnswer: {number}", answer_format=AnswerFormat.SCALE).choice is expected


@given(st.integers(0, 100), st.integers(0, 100))
def test_points_are_shares_and_the_largest_is_the_choice(left, right):
    neither = 100 - left - right
    text = json.dumps({"A": left, "B": right, "C": neither})
    parsed = read(text, answer_format=AnswerFormat.ALLOCATION)
    if neither < 0:
        assert (parsed.outcome, parsed.shares) == (Outcome.UNREADABLE, None)
        return
    assert parsed.shares == pytest.approx((left / 100, right / 100, neither / 100))
    spread = {Choice.LEFT: left, Choice.RIGHT: right, Choice.INDECISION: neither}
    top = [c for c, points in spread.items() if points == max(spread.values())]
    assert parsed.choice is (top[0] if len(top) == 1 else Choice.INDECISION)
    lines = f"Patient A: {left}\nPatient B: {right}\nFlip a coin: {neither}"
    assert read(lines, answer_format=AnswerFormat.ALLOCATION) == parsed


def test_even_points_without_indecision_keep_their_shares():
    parsed = read('{"A": 50, "B": 50}', WITHOUT_COIN, AnswerFormat.ALLOCATION)
    assert (parsed.outcome, parsed.rule, parsed.shares) == (Outcome.UNREADABLE, Rule.EVEN, (0.5, 0.5, 0.0))


def probabilities(**shares):
    return {token: math.log(p) for token, p in shares.items()}


def test_probabilities_of_the_first_token_are_summed_by_mark_and_normalized():
    tokens = {"A": 0.3, " A": 0.2, "\u2581B": 0.1, '"C': 0.1, "a": 0.05, "Patient": 0.15, "AB": 0.1}
    logs = {token: math.log(p) for token, p in tokens.items()}
    parsed = read("A", answer_format=AnswerFormat.FIRST_TOKEN, first_token=logs)
    assert (parsed.choice, parsed.rule) == (Choice.LEFT, Rule.FIRST_TOKEN)
    assert parsed.shares == pytest.approx((0.5 / 0.7, 0.1 / 0.7, 0.1 / 0.7))


def test_the_likeliest_mark_is_the_choice_even_if_another_was_drawn():
    logs = probabilities(A=0.2, B=0.7, C=0.1)
    assert read("A", answer_format=AnswerFormat.FIRST_TOKEN, first_token=logs).choice is Choice.RIGHT
    # One token is all that is needed: cut off after it, the answer is complete.
    parsed = read("A", answer_format=AnswerFormat.FIRST_TOKEN, first_token=logs, finish="length")
    assert parsed.choice is Choice.RIGHT


@pytest.mark.parametrize(
    ("content", "meaning", "rule"),
    [
        ("A", LEFT, Rule.EXACT),
        ("I cannot decide.", "indecision", Rule.UNDECIDED),
        ("The younger one", UNREADABLE, Rule.NONE),
    ],
)
def test_with_too_little_probability_on_the_marks_the_text_is_read(content, meaning, rule):
    logs = probabilities(A=0.3, B=0.19, I=0.5)
    parsed = read(content, answer_format=AnswerFormat.FIRST_TOKEN, first_token=logs)
    assert (as_words(parsed), parsed.rule, parsed.shares) == (meaning, rule, None)


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        ("A difficult question, and one for ethicists.", Outcome.UNREADABLE),
        ("I'm sorry, but I can't help with that.", Outcome.REFUSAL),
    ],
)
def test_a_first_token_that_begins_a_sentence_is_no_answer(content, outcome):
    logs = probabilities(A=0.9, B=0.1)
    assert read(content, answer_format=AnswerFormat.FIRST_TOKEN, first_token=logs).outcome is outcome


def test_equal_probabilities_are_indecision_where_it_is_offered():
    logs = probabilities(A=0.4, B=0.4, C=0.2)
    parsed = read("A", answer_format=AnswerFormat.FIRST_TOKEN, first_token=logs)
    assert (parsed.choice, parsed.shares) == (Choice.INDECISION, pytest.approx((0.4, 0.4, 0.2)))
    parsed = read("A", WITHOUT_COIN, AnswerFormat.FIRST_TOKEN, first_token=logs)
    assert (parsed.outcome, parsed.rule, parsed.shares) == (
        Outcome.UNREADABLE,
        Rule.EVEN,
        pytest.approx((0.5, 0.5, 0.0)),
    )


@pytest.mark.parametrize("logs", [None, {}, {"A": math.nan}, {"A": -math.inf}])
def test_without_usable_probabilities_the_text_is_read(logs):
    parsed = read("B", answer_format=AnswerFormat.FIRST_TOKEN, first_token=logs)
    assert (parsed.choice, parsed.rule, parsed.shares) == (Choice.RIGHT, Rule.EXACT, None)


def test_probabilities_are_read_only_where_they_were_asked_for():
    parsed = read("A", first_token=probabilities(B=1.0))
    assert (parsed.choice, parsed.rule) == (Choice.LEFT, Rule.EXACT)


def test_where_no_marks_are_shown_a_mark_counts_only_as_part_of_a_name():
    numbered = OFFERED["numbers"]
    assert as_words(read("1", numbered)) == LEFT
    assert as_words(read("1", numbered, AnswerFormat.FREE)) == UNREADABLE
    assert as_words(read("A", LABELS, AnswerFormat.FREE)) == LEFT
    assert as_words(read("C", LABELS, AnswerFormat.FREE)) == UNREADABLE


@pytest.mark.parametrize("answer_format", AnswerFormat)
@pytest.mark.parametrize(
    "text",
    [
        '{"answer":' * 20_000,
        "{" * 100_000,
        "<think>" * 14_000,
        "<think>" * 14_000 + "A",
        "A, " * 30_000,
        "Answer: " * 10_000,
        "I cannot " * 10_000,
        "Patient A and " * 5_000,
        "9" * 100_000,
        "A " * 30_000,
        '{"A": ' + "9" * 5_000 + "}",
    ],
    ids=lambda text: text[:10],
)
def test_a_hostile_reply_is_unreadable_and_takes_no_hours(answer_format, text):
    assert read(text, answer_format=answer_format).outcome is Outcome.UNREADABLE
