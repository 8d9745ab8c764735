"""A study's whole coding: participants' own suggestions, who was asked, what stands. On both databases."""

from __future__ import annotations

from typing import Any

import pytest

from survey.answers import RespondentKind
from survey.coding.coding import CodeKind, Coding, Outcome
from survey.coding.counts import counts_of
from survey.db import reading, writing
from survey.questionnaire import PREFER_NOT_TO_SAY
from survey.store import categories, codes, participants, studies, suggesting
from survey.store.attribute_answers import SentPage
from survey.store.attribute_pages import open_attribute_page
from survey.store.coding_data import coding_of, coding_of_whom
from survey.store.suggesting import SentEntry
from survey.store.suggestion_imports import ImportedRespondent, ImportedSuggestion, import_suggestions
from survey.suggestions import Entry, Stance

from .conftest import ATTRIBUTES, find

SHOULD, SHOULD_NOT = Stance.SHOULD, Stance.SHOULD_NOT


def coding(taking, *, include_simulated: bool = False) -> Coding:
    with reading(taking.engine) as session:
        study = studies.find_study(session, "attributes")
        return coding_of(session, study, include_simulated=include_simulated)


def open_page(taking, token: str) -> Any:
    with reading(taking.engine) as session:
        return open_attribute_page(session, find(session, token))


def name(taking, token: str, *texts: str) -> None:
    """Name things on the page that is shown."""
    for text in texts:
        sent = SentEntry(page=open_page(taking, token).token, key=text, entry=Entry(text=text))
        taking.step(token, suggesting.add_entry, sent)


def go_on(taking, token: str) -> None:
    page = open_page(taking, token)
    sent = SentPage(page=page.token, revision=page.asked, client_seconds=None, client_seconds_problem="none")
    taking.step(token, suggesting.finish_page, sent)


def begin(taking, **arrival: Any) -> str:
    token = taking.consented("attributes", **arrival)
    taking.step(token, participants.screen, {"adult": "yes"})
    return str(token)


def take_part(taking, should: list[str], should_not: list[str], *, place: Any = None, **arrival: Any) -> str:
    token = begin(taking, **arrival)
    taking.wait(minutes=1)
    name(taking, token, *should)
    go_on(taking, token)
    name(taking, token, *should_not)
    go_on(taking, token)
    taking.step(token, participants.describe, {} if place is None else {"place": place, "born": 1970})
    return token


def do(taking, act: Any, *values: Any, **named: Any) -> Any:
    with writing(taking.engine) as session:
        study = studies.find_study(session, "attributes")
        return act(session, study, *values, now=taking.now, actor="test", **named)


def test_who_was_asked_what_they_said_and_in_which_order_they_answered(taking) -> None:
    taking.open(ATTRIBUTES)
    last = begin(taking)
    first = take_part(taking, ["Age", "العمر <b>"], [], place=["city", "country"])
    silent = take_part(taking, [], [], place=PREFER_NOT_TO_SAY)
    simulated = take_part(taking, ["Simulated"], ["Race"], place=["city"], simulated=True)
    gone = begin(taking)
    taking.wait(minutes=1)
    name(taking, last, "Wealth")
    go_on(taking, last)
    code = {token: taking.person(token).code for token in (last, first, silent, simulated, gone)}

    found = coding(taking)
    assert [one.respondent for one in found.asked] == sorted(code[t] for t in (last, first, silent))
    by_code = {one.respondent: one for one in found.asked}
    assert [by_code[code[t]].order for t in (first, silent, last)] == [1, 2, 3]
    assert by_code[code[last]].stances == {SHOULD}
    assert by_code[code[first]].stances == by_code[code[silent]].stances == {SHOULD, SHOULD_NOT}
    assert by_code[code[first]].stated == {"adult": ("yes",), "place": ("city", "country")}
    assert by_code[code[silent]].stated == by_code[code[last]].stated == {"adult": ("yes",)}
    said = [(s.respondent, s.stance, s.text, s.kind, s.language) for s in found.suggestions]
    assert said == [
        (code[first], SHOULD, "Age", RespondentKind.HUMAN, "en"),
        (code[first], SHOULD, "العمر <b>", RespondentKind.HUMAN, "en"),
        (code[last], SHOULD, "Wealth", RespondentKind.HUMAN, "en"),
    ]
    assert (found.study, found.version, len(found.design_hash)) == ("attributes", "1", 64)

    everybody = coding(taking, include_simulated=True)
    assert [one.respondent for one in everybody.asked if one.simulated] == [code[simulated]]
    assert [s.text for s in everybody.suggestions if s.respondent == code[simulated]] == ["Simulated", "Race"]


def test_who_has_not_gone_on_was_not_asked_yet_whatever_was_named(taking) -> None:
    # Whoever left without a word is not counted, so whoever left after a word cannot be: shares would be too high.
    taking.open(ATTRIBUTES)
    named, silent = begin(taking), begin(taking)
    name(taking, named, "Age")
    found = coding(taking)
    assert [s.text for s in found.suggestions] == ["Age"]
    assert found.asked == ()
    counts = counts_of(found)
    assert (counts.asked, counts.suggestions, counts.left_out.not_asked) == (0, 1, 1)
    for token in (named, silent):
        go_on(taking, token)
    assert [(one.stances, one.order) for one in sorted(coding(taking).asked, key=lambda one: one.order)] == [
        ({SHOULD}, 1),
        ({SHOULD}, 2),
    ]


def test_simulated_participants_stand_instead_of_people_and_beside_models(taking) -> None:
    taking.open(ATTRIBUTES)
    take_part(taking, ["Age"], [])
    take_part(taking, ["Simulated"], [], simulated=True)
    unfinished = begin(taking, simulated=True)
    name(taking, unfinished, "Half")
    model = [ImportedSuggestion(respondent="gpt#1", kind=RespondentKind.MODEL, stance=SHOULD, text="Luck")]
    do(taking, import_suggestions, model, source="gpt")
    with reading(taking.engine) as session:
        study = studies.find_study(session, "attributes")
        both = [coding_of_whom(session, study, simulated=simulated) for simulated in (False, True)]
    assert [[s.text for s in found.suggestions] for found in both] == [
        ["Age", "Luck"],
        ["Simulated", "Half", "Luck"],
    ]
    assert [sum(a.simulated for a in found.asked) for found in both] == [0, 1]
    assert [len(found.asked) for found in both] == [2, 2]
    assert counts_of(both[1]).left_out.not_asked == 1


def test_what_was_taken_back_goes_with_its_codes_and_the_erased_go_altogether(taking) -> None:
    taking.open(ATTRIBUTES)
    token = begin(taking)
    name(taking, token, "Age", "Wealth")
    do(taking, categories.add_category, "Age")
    for id_ in (1, 2):
        do(taking, codes.code_suggestion, id_, coder="anna", categories=["age"])
    with reading(taking.engine) as session:
        key = suggesting.entries_on(session, open_attribute_page(session, find(session, token)))[0].key
    taking.step(token, suggesting.remove_entry, open_page(taking, token).token, key)
    found = coding(taking)
    assert [s.text for s in found.suggestions] == ["Wealth"]
    assert [code.suggestion for code in found.codes] == [found.suggestions[0].id]
    taking.erase("attributes", taking.person(token).code)
    found = coding(taking)
    assert (found.suggestions, found.codes, found.asked) == ((), (), ())
    assert [c.name for c in found.categories] == ["age"]


def test_codes_that_stand_are_sorted_and_carry_when_they_were_given(coders) -> None:
    coders.suggest("a", "b")
    coders.category("Zeal", "Age")
    coders.code(2, outcome=Outcome.UNUSABLE)
    coders.code(1, "zeal", "age", coder="bo")
    coders.code(1, "zeal", coder="bo")
    coders.code(1, "age", "zeal")
    coders.do(codes.adjudicate, 1, categories=["age"])
    coders.do(codes.propose_codes, "gpt", {1: ["zeal"]})
    found = coders.see(coding_of, include_simulated=False)
    assert [(c.suggestion, c.kind, c.coder, c.outcome.value, c.category) for c in found.codes] == [
        (1, CodeKind.ADJUDICATED, "", "category", "age"),
        (1, CodeKind.CODER, "anna", "category", "age"),
        (1, CodeKind.CODER, "anna", "category", "zeal"),
        (1, CodeKind.CODER, "bo", "category", "zeal"),
        (1, CodeKind.MODEL, "gpt", "category", "zeal"),
        (2, CodeKind.CODER, "anna", "unusable", ""),
    ]
    assert {code.at for code in found.codes} == {coders.now}
    assert [c.name for c in found.categories] == ["zeal", "age"], "in the order in which they were made"


@pytest.mark.parametrize("order", [0, 5])
def test_imported_people_beside_participants_have_no_place_in_their_order(taking, order: int) -> None:
    taking.open(ATTRIBUTES)
    take_part(taking, ["Age"], [])
    entries = [
        ImportedSuggestion(respondent="p1", kind=RespondentKind.HUMAN, stance=SHOULD, text="Age"),
        ImportedSuggestion(respondent="gpt#1", kind=RespondentKind.MODEL, stance=SHOULD, text="Age"),
    ]
    asked = [
        ImportedRespondent(
            respondent="p1", kind=RespondentKind.HUMAN, stances=frozenset({SHOULD}), order=order
        )
    ]
    do(taking, import_suggestions, entries, source="a.csv", asked=asked)
    found = {one.respondent: one for one in coding(taking).asked}
    assert (found["p1"].order, found["gpt#1"].order) == (0, 0)
    assert found["gpt#1"].kind is RespondentKind.MODEL
    assert sorted(one.order for one in found.values()) == [0, 0, 1]
