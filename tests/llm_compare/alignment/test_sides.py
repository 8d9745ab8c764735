from __future__ import annotations

from dataclasses import replace

import pytest

from llm_compare.alignment.sides import AskedModel, asked_models, pairing_of, people_under
from llm_compare.errors import NotComparable
from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import plan_requests
from llm_compare.prompting.variant import AnswerFormat, Framing, IndecisionOffer, Variant
from llm_compare.replies.replies_file import ReplyFile
from llm_compare.replies.reply import RecordedReply, Reply
from survey.answers import Answer, AnswerSet, Choice, RespondentKind, Role
from survey.design import design_hash


@pytest.fixture
def file(kidney_8):
    """A function that returns the replies of a model in some variants, all with the same text."""

    def made(*variants: Variant, reply: str = "A", comparisons: int = 3) -> ReplyFile:
        requests = plan_requests(
            kidney_8,
            kidney_8.comparisons()[:comparisons],
            arm=kidney_8.arms[0],
            model="openai/anything",
            settings=Settings(),
            variants=variants or (Variant(),),
        )
        return ReplyFile(
            model="openai/anything",
            slug=kidney_8.slug,
            title=kidney_8.title,
            design_hash=design_hash(kidney_8),
            attributes=kidney_8.attributes,
            planned=len(requests),
            replies=tuple(RecordedReply(request=r, reply=Reply(content=reply)) for r in requests),
        )

    return made


def only(file: ReplyFile) -> AskedModel:
    (asked,) = asked_models({"m": file})
    return asked


@pytest.fixture
def answers(kidney_8):
    """A function that returns one person's answers to the first comparisons of the study."""

    def made(comparisons: int = 3, **changes: object) -> AnswerSet:
        every = kidney_8.comparisons()[:comparisons]
        given = {
            "respondent": "p1",
            "kind": RespondentKind.HUMAN,
            "arm": "main",
            "position": None,
            "choice": Choice.LEFT,
            "indecision_offered": True,
            "design_hash": design_hash(kidney_8),
            **changes,
        }
        return AnswerSet(
            attributes=kidney_8.attributes,
            answers=tuple(Answer(left=c.first, right=c.second, **given) for c in every),
            source="answers.csv",
        )

    return made


def test_the_variant_that_asks_as_people_is_the_headline_wherever_it_stands(file):
    clinician = Variant(name="clinician", framing=Framing.CLINICIAN)
    as_json = Variant(name="json", answer_format=AnswerFormat.JSON)
    asked = only(file(clinician, as_json, Variant()))
    assert [side.variant.name for side in asked.sides] == ["as-people", "json", "clinician"]
    assert {len(side.replies) for side in asked.sides} == {6}


def test_temperature_and_reasoning_are_factors_like_those_of_the_prompt(file):
    replies = file(Variant(name="cold")).replies
    cold = replace(replies[0].request, settings=Settings(temperature=0.0, reasoning_effort="low"))
    asked = only(replace(file(), replies=(replace(replies[0], request=cold),)))
    assert asked.headline.factors() == asked.headline.variant.factors() | {
        "temperature": "0.0",
        "top_p": "not sent",
        "reasoning_effort": "low",
    }


def test_without_a_variant_that_asks_as_people_the_first_is_the_headline(file):
    one = Variant(name="clinician", framing=Framing.CLINICIAN)
    other = Variant(name="ethicist", framing=Framing.ETHICIST)
    assert only(file(one, other)).headline.variant is one
    assert not only(file(one, other)).headline.variant.asks_as_people


def test_only_choices_become_answers_and_shares_go_with_them(file):
    spread = Variant(name="points", answer_format=AnswerFormat.ALLOCATION)
    side = only(file(spread, reply='{"A": 60, "B": 30, "C": 10}')).headline
    assert {a.choice for a in side.answers} == {Choice.LEFT}
    assert set(side.shares) == {(0.6, 0.3, 0.1)}
    refusing = only(file(reply="I cannot help with that."))
    assert not refusing.has_answers
    assert refusing.headline.indecision_offered  # As it was asked, answered or not.


def test_people_are_taken_under_the_models_condition_and_what_is_left_out_is_said(file, answers):
    with_coin, without = answers(2), answers(3, indecision_offered=False, respondent="p2")
    of_model = answers(1, kind=RespondentKind.MODEL, respondent="gpt")
    checks = answers(1, role=Role.CHECK)
    mixed = replace(
        with_coin, answers=(*with_coin.answers, *without.answers, *of_model.answers, *checks.answers)
    )
    hashed = with_coin.answers[0].design_hash
    people = people_under(mixed, mixed.attributes, indecision_offered=True, design_hash=hashed)
    assert people.answers == with_coin.answers
    assert people.notes == (
        "1 answers of models among the people's are left out",
        "3 of the people's answers were not given with indecision on offer and are left out",
    )


def test_people_of_another_version_of_the_design_are_taken_with_a_note(answers):
    people = people_under(
        answers(), answers().attributes, indecision_offered=True, design_hash="another version"
    )
    assert "another vers" in people.notes[0]
    assert "their words may differ" in people.notes[0]


def test_people_never_asked_under_the_models_condition_cannot_be_compared(answers):
    with pytest.raises(NotComparable, match=r"without indecision on offer.*--arm"):
        people_under(answers(), answers().attributes, indecision_offered=False, design_hash="")


def test_people_of_another_study_cannot_be_compared(answers, kidney_numeric):
    with pytest.raises(NotComparable, match="ask the model with the people's study design"):
        people_under(answers(), kidney_numeric.attributes, indecision_offered=True, design_hash="")


def test_replies_to_two_versions_of_a_study_cannot_stand_in_one_comparison(file):
    with pytest.raises(NotComparable, match="one study at a time"):
        asked_models({"one": file(), "other": replace(file(), design_hash="0" * 64)})


def test_both_sides_are_paired_on_the_comparisons_in_common_alone(file, answers):
    people = people_under(
        answers(5),
        answers().attributes,
        indecision_offered=True,
        design_hash=answers().answers[0].design_hash,
    )
    pairing = pairing_of(people, only(file(Variant(), comparisons=2)).headline)
    assert pairing.comparisons == tuple(a.comparison for a in answers(2).answers)
    assert (pairing.people.n_answers, pairing.model.n_answers) == (2, 4)
    # "A" is the left patient: each comparison's first once and second once.
    assert pairing.model.counts.tolist() == [[1, 1, 0], [1, 1, 0]]


def test_no_comparison_in_common_gives_no_pairing(file, answers, kidney_8):
    last = answers(28)
    people = people_under(
        replace(last, answers=last.answers[10:]),
        last.attributes,
        indecision_offered=True,
        design_hash=design_hash(kidney_8),
    )
    assert pairing_of(people, only(file(comparisons=2)).headline) is None


def test_a_variant_without_indecision_offers_none_in_any_arm(file):
    side = only(file(Variant(name="forced", indecision=IndecisionOffer.NOT_OFFERED))).headline
    assert not side.indecision_offered
    assert not any(a.indecision_offered for a in side.answers)
