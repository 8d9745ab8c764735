"""What people wrote of a few categories, read alone: the same as the whole coding has. On both databases."""

from __future__ import annotations

from typing import Any

from survey.answers import RespondentKind
from survey.coding.coding import Outcome
from survey.coding.directions import DirectionsGiven
from survey.db import reading
from survey.store import categories, codes, studies
from survey.store.category_words import words_behind
from survey.store.coding_data import coding_of_whom
from survey.store.suggesting import SentEntry, add_entry, entries_on, remove_entry
from survey.store.suggestion_imports import ImportedRespondent, ImportedSuggestion, import_suggestions
from survey.suggestions import Entry, Stance

from .conftest import ATTRIBUTES
from .test_coding_data import begin, do, go_on, open_page

SHOULD, SHOULD_NOT = Stance.SHOULD, Stance.SHOULD_NOT
CATEGORIES = ("age", "years", "wealth", "luck")


def direct(taking, token: str, text: str, direction: str) -> None:
    entry = SentEntry(
        page=open_page(taking, token).token, key=text, entry=Entry(text=text, direction=direction)
    )
    taking.step(token, add_entry, entry)


def take_back(taking, token: str, text: str) -> None:
    page = open_page(taking, token)
    with reading(taking.engine) as session:
        (key,) = [entry.key for entry in entries_on(session, page) if entry.text == text]
    taking.step(token, remove_entry, page.token, key)


def both(taking, names: tuple[str, ...], *, simulated: bool) -> tuple[Any, Any]:
    """The words of these categories, read alone and from the whole coding."""
    with reading(taking.engine) as session:
        study = studies.find_study(session, "attributes")
        whole = coding_of_whom(session, study, simulated=simulated)
        alone = words_behind(session, study, names, simulated=simulated)
    of_whole = DirectionsGiven(whole, simulated=simulated)
    standing = [whole.standing(name) for name in names]
    return tuple(
        (found.of(standing, fewest=1), found.of(standing), found.texts(standing))
        for found in (alone, of_whole)
    )


def test_words_read_alone_are_those_of_the_whole_coding(taking) -> None:
    taking.open(ATTRIBUTES)
    for label in ("Age", "Years", "Wealth", "Luck"):
        do(taking, categories.add_category, label)
    do(taking, categories.merge_categories, ["years"], "age")
    for number, simulated in enumerate([False, False, False, True, True]):
        token = begin(taking, simulated=simulated)
        for text in ("how old", "Money", "gone"):
            direct(taking, token, f"{text} {number}", "the young" if text == "how old" else f"poor {number}")
        take_back(taking, token, f"gone {number}")
        if number not in (2, 4):  # Two have not gone on.
            go_on(taking, token)
            direct(taking, token, f"against {number}", "never told")
    entries = [
        ImportedSuggestion(
            respondent=who,
            kind=kind,
            stance=SHOULD,
            text=f"years of {who}",
            direction=direction,
            language="de",
        )
        for who, kind, direction in (
            ("w1", RespondentKind.HUMAN, "The young!"),
            ("w2", RespondentKind.HUMAN, "the old"),
            ("gpt#1", RespondentKind.MODEL, "models' words"),
        )
    ]
    asked = [ImportedRespondent(respondent="w3", kind=RespondentKind.HUMAN, stances=frozenset({SHOULD_NOT}))]
    do(taking, import_suggestions, entries, source="panel", asked=asked)
    with reading(taking.engine) as session:
        study = studies.find_study(session, "attributes")
        said = [
            *coding_of_whom(session, study, simulated=False).suggestions,
            *coding_of_whom(session, study, simulated=True).suggestions,
        ]
    for id_, text in {s.id: s.text for s in said}.items():
        wanted = "wealth" if "Money" in text else "years" if "years" in text else "age"
        do(taking, codes.code_suggestion, id_, coder="anna", categories=[wanted])
        if text == "Money 1":
            do(taking, codes.code_suggestion, id_, coder="ben", categories=["luck"])
        if text == "how old 1":
            do(taking, codes.code_suggestion, id_, coder="ben", categories=[], outcome=Outcome.UNUSABLE)
            do(taking, codes.adjudicate, id_, categories=["luck", "years"])
    for simulated in (False, True):
        for names in (CATEGORIES, ("age",), ("years", "wealth"), ("luck",)):
            alone, of_whole = both(taking, names, simulated=simulated)
            assert alone == of_whole, (names, simulated)

    (everything, common, texts), _ = both(taking, CATEGORIES, simulated=False)
    assert [(one.words, one.people) for one in everything.said] == [
        ("the young", 3),
        ("poor 0", 1),
        ("the old", 1),
    ]
    assert [one.words for one in common.said] == ["the young"]
    assert {one.words for one in texts} == {
        "how old 0", "how old 1", "Money 0", "years of w1", "years of w2"
    }  # fmt: skip
