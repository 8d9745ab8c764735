"""Ratings and rankings out of the database, one sheet per person. On both databases."""

from __future__ import annotations

import pytest

from survey.acceptability import Rating
from survey.coding.opinions import Sheet, opinions_of
from survey.db import reading, writing
from survey.store import answering, studies
from survey.store.attribute_answers import SentPage, record_page
from survey.store.attribute_pages import open_attribute_page
from survey.store.opinion_data import sheets_of
from survey.tables import AttributeTask, ParticipantState

STUDY = """
[study]
slug = "rated"
title = "Rated"
version = "1"

[texts]
introduction = "What this is."
consent = "What you agree to."
debrief = "What it was about."

[acceptability]
question = "May this decide who gets a kidney?"
acceptable = "Acceptable"
not_acceptable = "Not acceptable"
cannot_say = "I cannot say"
ranked = 2
ranking_question = "Which matter most?"
attributes = [
    { name = "age", label = "Age" },
    { name = "wealth", label = "Wealth" },
    { name = "health", label = "Health" },
]
"""
YES, NO = Rating.ACCEPTABLE, Rating.NOT_ACCEPTABLE


class Rater:
    """Goes through the pages of one participant."""

    def __init__(self, taking, **arrival) -> None:
        self.taking = taking
        self.token = taking.consented("rated", **arrival)
        taking.step(self.token, answering.begin)

    @property
    def code(self) -> str:
        return self.taking.person(self.token).code

    def send(self, *, ratings=None, ranking=()) -> None:
        with reading(self.taking.engine) as session:
            page = open_attribute_page(session, self.taking.person(self.token))
        assert page is not None
        assert page.task is (AttributeTask.RATE if ratings is not None else AttributeTask.RANK)
        sent = SentPage(
            page=page.token,
            revision=page.asked,
            ratings=ratings or {},
            ranking=ranking,
            client_seconds=3.0,
            client_seconds_problem="",
        )
        assert self.taking.step(self.token, record_page, sent)


@pytest.fixture
def sheets(taking):
    def read(**which) -> list[Sheet]:
        with reading(taking.engine) as session:
            return sheets_of(
                session, studies.find_study(session, "rated"), **({"include_simulated": False} | which)
            )

    return read


def test_a_sheet_holds_what_one_person_sent_on_both_pages(taking, sheets):
    taking.open(STUDY)
    one, other, third = Rater(taking), Rater(taking), Rater(taking)
    one.send(ratings={"age": YES, "wealth": NO})
    one.send(ranking=["age", "health"])
    other.send(ratings={})
    other.send()
    third_waits = third.taking.state(third.token)

    found = {sheet.respondent: sheet for sheet in sheets()}

    assert third_waits is ParticipantState.RATING
    assert found == {
        one.code: Sheet(
            respondent=one.code,
            ratings={"age": YES, "wealth": NO},
            ranking=("age", "health"),
            rated=True,
            ranked=True,
        ),
        other.code: Sheet(respondent=other.code, rated=True, ranked=True),
    }


def test_who_left_between_the_pages_has_rated_and_not_ranked(taking, sheets):
    taking.open(STUDY)
    one = Rater(taking)
    one.send(ratings={"age": YES})

    (sheet,) = sheets()

    assert (sheet.rated, sheet.ranked, sheet.ranking) == (True, False, ())


def test_simulated_participants_are_told_apart_and_erased_people_are_gone(taking, sheets):
    taking.open(STUDY)
    people = [Rater(taking), Rater(taking), Rater(taking, simulated=True)]
    for rater in people:
        rater.send(ratings={"age": YES})
    taking.erase("rated", people[1].code)

    assert [sheet.respondent for sheet in sheets()] == [people[0].code]
    assert {sheet.respondent: sheet.simulated for sheet in sheets(include_simulated=True)} == {
        people[0].code: False,
        people[2].code: True,
    }


def test_who_returns_counts_once_with_the_first_wave_unless_a_wave_is_asked_for(taking, sheets):
    taking.open(STUDY + "\n[recruitment]\nkeep_ids = true\n\n[waves]\ncount = 2\n")
    first = Rater(taking, pid="a person")
    first.send(ratings={"age": YES})
    first.send(ranking=["age"])
    taking.study("rated", studies.open_next_wave)
    again = Rater(taking, pid="a person")
    again.send(ratings={"age": NO})

    assert again.code == first.code
    assert [(s.ratings, s.ranking) for s in sheets()] == [({"age": YES}, ("age",))]
    assert [(s.ratings, s.ranked) for s in sheets(wave=2)] == [({"age": NO}, False)]


def test_opinions_are_made_from_the_sheets_and_the_design(taking, sheets):
    study = taking.open(STUDY)
    for rating in (YES, YES, NO):
        Rater(taking).send(ratings={"age": rating})
    with writing(taking.engine) as session:
        design = studies.design_of(session.merge(study))

    found = opinions_of(design.acceptability, sheets(), draws=5)

    assert (found.of("age").acceptable.count, found.of("age").rated, found.of("wealth").missing) == (2, 3, 3)
