from __future__ import annotations

import re
from dataclasses import replace

import pytest

from llm_compare.errors import NotComparable
from llm_compare.report.compared import Consequential
from llm_compare.report.number_words import percent, share
from llm_compare.report.report import render
from survey.answers import AnswerSet, Choice


def summary(record, number=0):
    return "\n".join(record["models"][number]["summary"])


def test_agreement_stands_beside_what_two_people_reach(record):
    same = record["models"][0]["measured"]["alignment"]["agreement"]["with_random_person"]

    assert (
        f"It gives the same answer as a random person in {share(same['model'])} of cases; "
        f"two people agree in {share(same['people'])}." in summary(record)
    )


def test_always_left_is_told_by_the_sides_and_claims_no_weight(record):
    words = summary(record, 1)

    assert "With the sides exchanged it gives the same answer in 0\u202f%" in words
    assert "What it weighs most is not known: a side whose attributes have no effect has no shares." in words


def test_the_planted_attribute_is_what_the_model_weighs_most(record):
    assert "It weighs “Age” most" in summary(record)


def test_calls_without_an_answer_are_told_by_kind(record):
    assert re.search(r"10 of 168 calls brought no answer \(6 refused, 4 failed\)", summary(record))


def test_a_difference_whose_interval_holds_zero_is_not_claimed(record):
    for number in range(len(record["models"])):
        gap = record["models"][number]["measured"]["alignment"]["agreement"]["with_random_person"][
            "difference"
        ]
        told = next(s for s in record["models"][number]["summary"] if "random person" in s)

        assert ("no difference is shown" in told) == (gap["low"] <= 0 <= gap["high"])


def test_no_sentence_has_a_word_for_what_is_missing(record):
    for model in record["models"]:
        for sentence in model["summary"]:
            assert not re.search(r"\b(None|nan)\b", sentence)
            assert sentence.endswith(".")
    assert percent(None) == "not known"


def few(answers, kept):
    """Return the answers of which ``kept`` makes something, as ``kept`` makes them."""
    found = tuple(a for a in map(kept, answers.answers) if a is not None)
    return AnswerSet(attributes=answers.attributes, answers=found, source="few")


def undecided(answer):
    return replace(answer, choice=Choice.INDECISION)


def to_one_comparison(answers):
    only = answers.answers[0].comparison
    return few(answers, lambda a: a if a.comparison == only else None)


CASES = {
    "one comparison": to_one_comparison,
    "one person": lambda answers: few(answers, lambda a: a if a.respondent == "p1" else None),
    "one answer": lambda answers: replace(answers, answers=answers.answers[:1]),
    "only indecision": lambda answers: few(answers, undecided),
}


@pytest.mark.parametrize("case", CASES)
def test_whatever_people_answered_what_can_be_measured_is_reported(record_for, report_answers, case):
    found = record_for(CASES[case](report_answers))

    assert all(s.endswith(".") for s in found["models"][0]["summary"])
    assert found["models"][0]["measured"]["alignment"]["distance"]["total_variation"]["model"]["value"] > 0
    page = render(found, source=None)
    if case == "one comparison":
        assert any("cannot be estimated" in note for note in found["notes"])
        assert "so no exchange can be run with them" in page


def test_answers_that_tell_no_weights_run_no_exchange(record_for, report_answers):
    with pytest.raises(NotComparable, match="cannot be estimated"):
        record_for(to_one_comparison(report_answers), exchange=Consequential(n_pools=1))


def test_where_who_answered_is_not_known_nobody_counts_people(record_for, report_answers):
    found = record_for(few(report_answers, lambda a: replace(a, respondent=None)))

    assert found["people"]["n_respondents"] is None
    words = re.sub(r"<[^>]*>", " ", render(found, source=None))
    assert not re.search(r"\b[1-9]\d* (people|persons?)\b", words)


def test_of_a_model_that_is_always_undecided_no_rule_is_said_to_explain_most(record_for, report_answers):
    found = record_for(report_answers, indecision=40.0)

    assert "constant indecision 100\u202f%: more than any rule." in summary(found)
