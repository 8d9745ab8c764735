"""Whom people would put first: folded, counted by people, and never told where few said so."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from survey.answers import RespondentKind
from survey.coding.coding import Asked, Coding
from survey.coding.design_templates import template_for
from survey.coding.directions import DirectionsGiven, Said
from survey.coding.report import render
from survey.coding.results import results_json, results_of
from survey.suggestions import Stance

S, N = Stance.SHOULD, Stance.SHOULD_NOT
RARE = "my neighbor Ms Weiss of Hauptstrasse 3"
TOLD = ["The young!", "the young", "the  YOUNG", "the young", "older people", "Older people", RARE, "—", ""]


@pytest.fixture
def coding(coded) -> Coding:
    """Nine people name age among what should count, each with one of the directions."""
    found = coded([(f"p{i}", S, {"ann": "age"}) for i in range(len(TOLD))])
    return directed(found, TOLD)


def directed(coding: Coding, directions: Sequence[str]) -> Coding:
    return replace(
        coding,
        suggestions=tuple(
            replace(s, direction=d, language="en")
            for s, d in zip(coding.suggestions, directions, strict=True)
        ),
    )


def told(coding: Coding, *categories: str, fewest: int = 1) -> list[tuple[str, int]]:
    return [(s.words, s.people) for s in DirectionsGiven(coding).of(categories, fewest=fewest).said]


def test_directions_that_differ_in_case_spaces_and_punctuation_are_one_as_most_wrote_it(coding):
    found = DirectionsGiven(coding).of(["age"], fewest=1)

    assert found.said == (
        Said(words="the young", people=4, language="en"),
        Said(words="Older people", people=2, language="en"),
        Said(words=RARE, people=1, language="en"),
    )
    # A dash says nothing.
    assert (found.people, found.none, found.others) == (9, 2, 0)


def test_directions_of_fewer_people_than_asked_for_are_only_counted(coding):
    found = DirectionsGiven(coding).of(["age"])

    assert [(s.words, s.people) for s in found.said] == [("the young", 4)]
    assert (found.fewest, found.others, found.none, found.people) == (3, 3, 2, 9)


def test_who_gives_a_direction_three_times_is_one_person(coded):
    coding = directed(coded([("p1", S, {"ann": "age"})] * 3), ["the young"] * 3)

    found = DirectionsGiven(coding).of(["age"])

    assert (found.said, found.others, found.people) == ((), 1, 1)


def test_who_gives_a_direction_with_one_of_two_suggestions_has_given_one(coded):
    coding = directed(coded([("p1", S, {"ann": "age"}), ("p1", S, {"ann": "age"})]), ["", "the young"])

    assert DirectionsGiven(coding).of(["age"]).none == 0


def test_several_categories_of_one_attribute_are_taken_together(coded):
    coding = coded(
        [("p1", S, {"ann": "smoking"}), ("p1", S, {"ann": "drinking"}), ("p2", S, {"ann": "drinking"})]
    )
    coding = directed(coding, ["who abstain"] * 3)

    assert told(coding, "smoking", "drinking") == [("who abstain", 2)]
    assert DirectionsGiven(coding).of(["smoking", "drinking"]).people == 2


def test_only_final_codes_for_what_should_count_of_people_who_were_asked_are_told(coded, asking):
    coding = coded(
        [
            ("p1", S, {"ann": "age"}),
            ("p2", N, {"ann": "age"}),
            ("p3", S, {"ann": "age", "ben": "wealth"}),
            ("p4", S, {"ann": "age", "ben": "wealth", "adjudicated": "age"}),
            ("p5", S, {"model-x": "age"}),
            ("p6", S, {"ann": "age"}),
            ("gpt#1", S, {"ann": "age"}),
            ("sim-1", S, {"ann": "age"}),
        ],
        asked=[
            asking("p6", stances=[N]),
            asking("gpt#1", kind=RespondentKind.MODEL),
            asking("sim-1", simulated=True),
        ],
    )
    words = ["counts", "against", "open", "settled", "proposed", "not asked", "a model", "simulated"]
    coding = directed(coding, words)
    coding = replace(
        coding,
        suggestions=tuple(
            replace(s, kind=RespondentKind.MODEL) if s.respondent == "gpt#1" else s
            for s in coding.suggestions
        ),
    )

    assert told(coding, "age") == [("counts", 1), ("settled", 1)]


def test_texts_are_told_as_most_people_wrote_them(coded):
    coding = coded([(f"p{i}", S, {"ann": "age"}) for i in range(3)])
    coding = replace(
        coding,
        suggestions=tuple(
            replace(s, text=text)
            for s, text in zip(coding.suggestions, ["Years", "how old", "How old?"], strict=True)
        ),
    )

    assert [(s.words, s.people) for s in DirectionsGiven(coding).texts(["age"])] == [
        ("how old", 2),
        ("Years", 1),
    ]


# --- where they stand -----------------------------------------------------------------------------------


def test_results_and_report_and_choices_tell_what_several_said_and_nothing_that_few_said(coding):
    results = results_of(coding, draws=0)
    record = json.loads(results_json(results))
    page, choices = render(results), template_for(coding)

    assert record["directions"] == {
        "age": {
            "people": 9,
            "none": 2,
            "fewest": 3,
            "said": [{"words": "the young", "people": 4, "language": "en"}],
            "others": 3,
        }
    }
    assert re.search(r">“\u2068the young\u2069” 4</td><td>3</td><td>2</td>", page)
    plain = " ".join(line.removeprefix("#").strip() for line in choices.splitlines())
    assert "Who should come first because of it: “the young” (4); 3 gave others; 2 gave none." in plain
    assert "equipoise survey coding list kidney-attributes --category age" in plain
    for text in (results_json(results), page, choices):
        assert "Weiss" not in text
        assert "lder people" not in text


def test_what_should_not_count_has_directions_of_its_own(coded):
    wrongly = ["the rich", "The rich!", "the rich", RARE, ""]
    rows = [(f"p{i}", N, {"ann": "age"}) for i in range(len(wrongly))] + [("p9", S, {"ann": "age"})]
    results = results_of(directed(coded(rows), [*wrongly, "the young"]), draws=0)
    told_against = json.loads(results_json(results))["directions_against"]
    page = render(results)

    assert told_against == {
        "age": {
            "people": 5,
            "none": 1,
            "fewest": 3,
            "said": [{"words": "the rich", "people": 3, "language": "en"}],
            "others": 1,
        }
    }
    assert (results.directions["age"].people, results.directions["age"].said) == (1, ())
    against = page[page.index("Directions of what should not count") :]
    assert re.search(r">“\u2068the rich\u2069” 3</td><td>1</td><td>1</td>", against)
    assert "Weiss" not in page + results_json(results)


def test_where_nobody_gave_a_direction_none_is_told(coded):
    results = results_of(coded([("p1", S, {"ann": "age"}), ("p1", N, {"ann": "age"})]), draws=0)

    assert results.directions == results.directions_against == {}
    assert "Whom to put first" not in render(results)
    assert "Directions of what" not in render(results)


def test_where_all_directions_are_rare_only_their_number_is_told(coded):
    coding = directed(coded([("p1", S, {"ann": "age"}), ("p2", S, {"ann": "age"})]), ["me", "us"])

    assert "2 gave directions that fewer than 3 people gave; all gave one." in " ".join(
        line.removeprefix("#").strip() for line in template_for(coding).splitlines()
    )


def test_directions_of_simulated_participants_are_told_where_those_are_counted(coded):
    coding = coded([("sim-1", S, {"ann": "age"})], asked=[])
    coding = directed(
        replace(
            coding,
            asked=(
                Asked(
                    respondent="sim-1",
                    kind=RespondentKind.HUMAN,
                    simulated=True,
                    stances=frozenset(Stance),
                    stated={},
                ),
            ),
        ),
        ["the young"],
    )

    assert told(coding, "age") == [("the young", 1)]
    assert DirectionsGiven(coding, simulated=False).of(["age"]).people == 0
