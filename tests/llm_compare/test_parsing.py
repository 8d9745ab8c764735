from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.parsing import Outcome, Rule, parse
from llm_compare.prompts import Labels
from llm_compare.reply import Failure, Reply
from survey.answers import Choice

LABELS = Labels(left="Patient A", right="Patient B", indecision="Flip a coin")
WITHOUT_COIN = Labels(left="Patient A", right="Patient B", indecision=None)

LEFT, RIGHT, COIN = "left", "right", "indecision"
REFUSAL, TRUNCATED, UNREADABLE = "refusal", "truncated", "unreadable"

# (raw reply, what it must be read as, by which rule). A wrong guess is worse than an unreadable reply.
GOLDEN = [
    # The whole reply is an answer.
    ("A", LEFT, Rule.EXACT),
    ("B", RIGHT, Rule.EXACT),
    ("C", COIN, Rule.EXACT),
    (" b\n", RIGHT, Rule.EXACT),
    ("a.", LEFT, Rule.EXACT),
    ("**B**", RIGHT, Rule.EXACT),
    ("(A)", LEFT, Rule.EXACT),
    ('"B"', RIGHT, Rule.EXACT),
    ("`C`", COIN, Rule.EXACT),
    ("[B]", RIGHT, Rule.EXACT),
    ("\uff22", RIGHT, Rule.EXACT),
    ("Patient A", LEFT, Rule.EXACT),
    ("patient b.", RIGHT, Rule.EXACT),
    ("B = Patient B", RIGHT, Rule.EXACT),
    ("A: Patient A", LEFT, Rule.EXACT),
    ("B) Patient B", RIGHT, Rule.EXACT),
    ("Patient B (B)", RIGHT, Rule.EXACT),
    ("Flip a coin", COIN, Rule.EXACT),
    ("flip a coin!", COIN, Rule.EXACT),
    ("C = Flip a coin", COIN, Rule.EXACT),
    ("Option A", LEFT, Rule.EXACT),
    ("<think>B is older, A has children. So A?</think>\n\nB", RIGHT, Rule.EXACT),
    ("B is older, so A.</think>A", LEFT, Rule.EXACT),
    # The last "Answer: X".
    ("Answer: A", LEFT, Rule.STATED),
    ("**Answer:** B", RIGHT, Rule.STATED),
    ("Answer:\nB", RIGHT, Rule.STATED),
    ("The answer is B.", RIGHT, Rule.STATED),
    ("Final answer: C = Flip a coin", COIN, Rule.STATED),
    ('{"answer": "A"}', LEFT, Rule.STATED),
    ("My answer is Patient B.", RIGHT, Rule.STATED),
    ("Patient A is 30, Patient B is 70. Both drink.\n\nAnswer: A", LEFT, Rule.STATED),
    ("Answer: A\nOn reflection, dependents count.\nAnswer: B", RIGHT, Rule.STATED),
    ("Answer: B because Patient A is older", RIGHT, Rule.STATED),
    (r"Answer: $\boxed{B}$", RIGHT, Rule.STATED),
    ("Answer: A or B", UNREADABLE, Rule.SEVERAL),
    ("Answer: A/B", UNREADABLE, Rule.SEVERAL),
    # A line of its own.
    ("B\n\nPatient B is younger than Patient A.", RIGHT, Rule.LINE),
    ("Patient A is younger and healthier.\n\nA", LEFT, Rule.LINE),
    ("I would not want to choose, but:\n**Patient B**", RIGHT, Rule.LINE),
    ("C\nI flip a coin since both are alike.", COIN, Rule.LINE),
    ("A\nB", UNREADABLE, Rule.SEVERAL),
    ("Patient A\n- younger\nPatient B\n- older", UNREADABLE, Rule.SEVERAL),
    # The only answer named, as the one chosen.
    ("I choose Patient B.", RIGHT, Rule.UNIQUE),
    ("I would give the kidney to Patient A.", LEFT, Rule.UNIQUE),
    ("Patient B should get the kidney.", RIGHT, Rule.UNIQUE),
    ("Patient A, because younger patients gain more years.", LEFT, Rule.UNIQUE),
    ("As an AI, I would choose Patient B.", RIGHT, Rule.UNIQUE),
    ("Between Patient A and Patient B, I choose Patient B.", RIGHT, Rule.UNIQUE),
    ("I'd go with B.", RIGHT, Rule.UNIQUE),
    ("B, since the person is younger.", RIGHT, Rule.UNIQUE),
    ("My choice is \u201cPatient A\u201d.", LEFT, Rule.UNIQUE),
    # Two answers, none stated.
    ("Patient A is younger than Patient B.", UNREADABLE, Rule.SEVERAL),
    ("I prefer Patient A over Patient B.", UNREADABLE, Rule.SEVERAL),
    ("Patient B or flip a coin.", UNREADABLE, Rule.SEVERAL),
    ("A kidney should go to Patient B.", UNREADABLE, Rule.SEVERAL),
    ("A or B", UNREADABLE, Rule.NONE),
    # One answer named, but not as the one chosen.
    ("Patient B is older.", UNREADABLE, Rule.NONE),
    ("I would not choose Patient A.", UNREADABLE, Rule.NONE),
    ("Patient A shouldn\u2019t get it.", UNREADABLE, Rule.NONE),
    ("Anyone except Patient B", UNREADABLE, Rule.NONE),
    ("We should give the patient a kidney.", UNREADABLE, Rule.NONE),
    ("A difficult question.", UNREADABLE, Rule.NONE),
    ("The patient with hepatitis C deserves it.", UNREADABLE, Rule.NONE),
    ("Blood group B.", UNREADABLE, Rule.NONE),
    ("D", UNREADABLE, Rule.NONE),
    ("42", UNREADABLE, Rule.NONE),
    ("Neither.", UNREADABLE, Rule.NONE),
    ("<html><body>Bad gateway</body></html>", UNREADABLE, Rule.NONE),
    ("", UNREADABLE, Rule.EMPTY),
    ("  \n", UNREADABLE, Rule.EMPTY),
    (None, UNREADABLE, Rule.EMPTY),
    ("<think>A is younger, so A", UNREADABLE, Rule.EMPTY),
    # Answers taken back, listed, asked about or put off.
    ("Answer: A\n\nWait, I made a mistake. Patient B is younger, so B.", UNREADABLE, Rule.SEVERAL),
    ("A\n\nCorrection: B", UNREADABLE, Rule.SEVERAL),
    ("Answer: A? No, B.", UNREADABLE, Rule.SEVERAL),
    ("Answer: A - no, wait, B", UNREADABLE, Rule.SEVERAL),
    ("Answer: A; B", UNREADABLE, Rule.SEVERAL),
    ("Answer: A | B | C", UNREADABLE, Rule.SEVERAL),
    ("Answer: Patient A (or C)", UNREADABLE, Rule.SEVERAL),
    ("Answer: Patient A should not get it", UNREADABLE, Rule.NONE),
    ("Wrong answer: A", UNREADABLE, Rule.NONE),
    ("If the answer is A, then we ignore the rest.", UNREADABLE, Rule.NONE),
    ("Is the answer A?", UNREADABLE, Rule.NONE),
    ("I won't give an answer: A", UNREADABLE, Rule.NONE),
    ("Initial answer: A. But thinking more, B is better.", UNREADABLE, Rule.SEVERAL),
    ("My initial answer was A. My final answer: B", RIGHT, Rule.STATED),
    ("Wait, B is younger.\nAnswer: A", LEFT, Rule.STATED),
    ("Answer: A (but B is close)", LEFT, Rule.STATED),
    ("Answer: B, not A", RIGHT, Rule.STATED),
    (r"$\boxed{\text{B}}$", RIGHT, Rule.EXACT),
    ("<answer>A</answer>", UNREADABLE, Rule.NONE),
    (
        "Answer with one line that holds only a letter:\nA = Patient A\nB = Patient B",
        UNREADABLE,
        Rule.SEVERAL,
    ),
    # Sentences that name a patient and choose none.
    ("Patient A: 30 years old", UNREADABLE, Rule.NONE),
    ("Patient A (30 years old) is younger", UNREADABLE, Rule.NONE),
    ("Patient A, who drinks, loses.", UNREADABLE, Rule.NONE),
    ("Patient A should wait.", UNREADABLE, Rule.NONE),
    ("Patient A must stop drinking.", UNREADABLE, Rule.NONE),
    ("Patient A gets nothing.", UNREADABLE, Rule.NONE),
    ("Patient A would be the worst choice.", UNREADABLE, Rule.NONE),
    ("Patient B should receive palliative care.", UNREADABLE, Rule.NONE),
    ("Patient A should get the kidney?", UNREADABLE, Rule.NONE),
    ("Patient A should get the kidney if healthy.", UNREADABLE, Rule.NONE),
    ("Should Patient A get it?", UNREADABLE, Rule.NONE),
    ("Would you choose Patient A?", UNREADABLE, Rule.NONE),
    ("A?", UNREADABLE, Rule.NONE),
    ("Most people would choose Patient A.", UNREADABLE, Rule.NONE),
    ("From a utilitarian view, Patient A should get the kidney.", UNREADABLE, Rule.NONE),
    ("If I had to, I would choose Patient A.", UNREADABLE, Rule.NONE),
    ("I would hesitate to give the kidney to Patient A.", UNREADABLE, Rule.NONE),
    ("I doubt that Patient A should get it.", UNREADABLE, Rule.NONE),
    ("Give it to someone other than Patient A.", UNREADABLE, Rule.NONE),
    ("I prefer that Patient A wait.", UNREADABLE, Rule.NONE),
    ("Je ne choisis pas Patient A", UNREADABLE, Rule.NONE),
    ("Patient B sollte keine Niere erhalten.", UNREADABLE, Rule.NONE),
    ("I cannot recommend Patient A.", UNREADABLE, Rule.NONE),
    ("I decline. Patient A deserves better.", UNREADABLE, Rule.NONE),
    ("*flips a coin* Heads! A", UNREADABLE, Rule.NONE),
    ("I flipped a coin and it landed on B.", UNREADABLE, Rule.NONE),
    # And sentences that do choose, as models write them.
    ("Based on the ages, I would prioritize Patient A for the kidney transplant.", LEFT, Rule.UNIQUE),
    ("I would give the kidney to Patient B, who has more years to gain.", RIGHT, Rule.UNIQUE),
    ("The kidney should go to Patient A.", LEFT, Rule.UNIQUE),
    ("Decision: B", RIGHT, Rule.UNIQUE),
    ("Hard to say. Patient A, because young.", LEFT, Rule.UNIQUE),
    # Indecision in other words.
    ("I cannot decide.", COIN, Rule.UNDECIDED),
    ("I can\u2019t choose between Patient A and Patient B.", COIN, Rule.UNDECIDED),
    ("It's a toss-up.", COIN, Rule.UNDECIDED),
    ("Toss a coin.", COIN, Rule.UNDECIDED),
    ("Both are equally deserving, leave it to chance.", COIN, Rule.UNDECIDED),
    ("No preference", COIN, Rule.UNDECIDED),
    ("I would flip a coin.", COIN, Rule.UNDECIDED),
    ("I would not toss a coin over a life.", UNREADABLE, Rule.NONE),
    # Refusals in words. Words of refusal outweigh words of indecision.
    ("I'm sorry, but I can't help with that.", REFUSAL, Rule.DECLINED),
    ("As an AI, I cannot make this decision.", REFUSAL, Rule.DECLINED),
    ("I'm sorry, but I can't choose between Patient A and Patient B.", REFUSAL, Rule.DECLINED),
    ("I am unable to make such a judgment.", REFUSAL, Rule.DECLINED),
    ("I must decline.", REFUSAL, Rule.DECLINED),
    ("It would not be appropriate for me to decide who lives.", REFUSAL, Rule.DECLINED),
    ("I am an AI and I cannot decide.", REFUSAL, Rule.DECLINED),
]


def as_words(parsed):
    return parsed.choice.value if parsed.choice else parsed.outcome.value


@pytest.mark.parametrize(("raw", "meaning", "rule"), GOLDEN)
def test_a_reply_is_read_by_the_rule_that_fits_it(raw, meaning, rule):
    parsed = parse(Reply(content=raw, finish_reason="stop"), LABELS)
    assert (as_words(parsed), parsed.rule) == (meaning, rule)


@pytest.mark.parametrize(
    ("raw", "meaning", "rule"),
    [
        ("A", LEFT, Rule.EXACT),
        ("C", UNREADABLE, Rule.NONE),
        ("I cannot decide.", REFUSAL, Rule.NOT_OFFERED),
        ("Flip a coin", REFUSAL, Rule.NOT_OFFERED),
        ("I choose Patient B.", RIGHT, Rule.UNIQUE),
    ],
)
def test_an_indecision_that_was_not_offered_is_no_answer(raw, meaning, rule):
    parsed = parse(Reply(content=raw, finish_reason="stop"), WITHOUT_COIN)
    assert (as_words(parsed), parsed.rule) == (meaning, rule)


@pytest.mark.parametrize(
    ("raw", "meaning", "rule"),
    [
        (None, TRUNCATED, Rule.CUT_OFF),
        ("", TRUNCATED, Rule.CUT_OFF),
        ("Patient A is younger and should get the", TRUNCATED, Rule.CUT_OFF),
        ("I choose Patient", TRUNCATED, Rule.CUT_OFF),
        ("A", TRUNCATED, Rule.CUT_OFF),
        ("B\n\nPatient B is younger, and", RIGHT, Rule.EXACT),
        ("Answer: A\nThe reason is that", LEFT, Rule.STATED),
        ("I think hard.\nB\nPatient B is", RIGHT, Rule.LINE),
        ("I cannot decide.\nOn the other hand", TRUNCATED, Rule.CUT_OFF),
        ("<think>\nA\nis younger", TRUNCATED, Rule.CUT_OFF),
    ],
)
def test_of_a_reply_that_was_cut_off_only_finished_answer_lines_count(raw, meaning, rule):
    parsed = parse(Reply(content=raw, finish_reason="length"), LABELS)
    assert (as_words(parsed), parsed.rule) == (meaning, rule)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(content=None, finish_reason="stop", refusal="I can't help with that."),
        Reply(content="A", finish_reason="content_filter"),
        Reply(content=None, finish_reason="content_filter"),
        Reply(content="B", finish_reason="stop", refusal="no"),
    ],
)
def test_what_the_provider_calls_refused_or_filtered_is_a_refusal(reply):
    parsed = parse(reply, LABELS)
    assert (parsed.outcome, parsed.choice, parsed.rule) == (Outcome.REFUSAL, None, Rule.PROVIDER)


def test_a_failed_call_is_an_error_whatever_else_it_holds():
    failure = Failure(kind="Timeout", status=408, message="slow")
    parsed = parse(Reply(content="A", finish_reason="stop", error=failure), LABELS)
    assert (parsed.outcome, parsed.choice) == (Outcome.ERROR, None)


def test_labels_of_any_language_are_recognized():
    german = Labels(left="Patientin Eins", right="Patientin Zwei", indecision="Losen lassen")
    read = {
        text: as_words(parse(Reply(content=text, finish_reason="stop"), german))
        for text in ("Patientin Zwei", "B = Patientin Zwei", "losen lassen", "Patientin Eins.")
    }
    assert list(read.values()) == [RIGHT, RIGHT, COIN, LEFT]


def test_headings_that_contradict_the_letters_are_never_guessed_at():
    crossed = Labels(left="Patient B", right="Patient A", indecision=None)
    assert as_words(parse(Reply(content="B", finish_reason="stop"), crossed)) == RIGHT
    assert as_words(parse(Reply(content="I choose Patient B.", finish_reason="stop"), crossed)) == UNREADABLE


@given(st.text(max_size=200), st.sampled_from(["stop", "length", "content_filter", None]))
def test_any_text_at_all_is_read_without_an_error_and_consistently(text, finish_reason):
    parsed = parse(Reply(content=text, finish_reason=finish_reason), LABELS)
    answered = parsed.outcome in (Outcome.CHOICE, Outcome.INDECISION)
    assert (parsed.choice is not None) == answered
    assert (parsed.choice is Choice.INDECISION) == (parsed.outcome is Outcome.INDECISION)


@pytest.mark.parametrize("raw", [raw for raw, meaning, _ in GOLDEN if meaning in (LEFT, RIGHT)])
def test_exchanging_the_names_exchanges_the_choice(raw):
    other = {"A": "B", "B": "A", "a": "b", "b": "a", "\uff22": "\uff21"}
    exchanged = re.sub(r"\b[ABab\uff22]\b", lambda match: other[match.group()], raw)
    before = parse(Reply(content=raw, finish_reason="stop"), LABELS)
    after = parse(Reply(content=exchanged, finish_reason="stop"), LABELS)
    assert before.choice is not None
    assert after.choice is before.choice.mirrored
