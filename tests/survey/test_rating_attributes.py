"""Rating what others named, and ranking it: the draw, the two pages, once, changed, left out."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from survey.db import reading, writing
from survey.store import attribute_pages, studies
from survey.tables import (
    AttributePageAnswerRow,
    AttributePageRow,
    AttributeTask,
    EventRow,
    ParticipantRow,
    ParticipantState,
    StudyRow,
)

Visit = Callable[..., Any]
AddOpenStudy = Callable[..., StudyRow]
NAMES = {"age", "smoking", "children", "wealth", "waiting"}


@pytest.fixture
def rating_design(asking_design: str) -> str:
    """Ratings and a ranking alone, with the demographics."""
    start, end = asking_design.index("[suggestions]"), asking_design.index("[acceptability]")
    return asking_design[:start] + asking_design[end : asking_design.index("[languages.de.study]")]


@pytest.fixture
def study(sqlite_engine: Engine, add_open_study: AddOpenStudy, rating_design: str) -> StudyRow:
    return add_open_study(sqlite_engine, rating_design)


def rows(engine: Engine, table: type) -> list[Any]:
    with reading(engine) as session:
        return list(session.scalars(select(table).order_by(table.id)))


def answers(engine: Engine) -> list[tuple[int, int, dict[str, str], list[str]]]:
    """Return (page, revision, ratings, ranking) of everything stored."""
    return [
        (a.attribute_page_id, a.revision, a.ratings, a.ranking) for a in rows(engine, AttributePageAnswerRow)
    ]


def events(engine: Engine) -> Counter[str]:
    return Counter(e.what for e in rows(engine, EventRow))


def order_of(one: Any) -> list[str]:
    """Return the attributes in the order of the page."""
    return list(dict.fromkeys(re.findall(r'name="(?:rating|place)-(\w+)"', one.page.text)))


def checked(one: Any) -> dict[str, str]:
    return dict(re.findall(r'name="rating-(\w+)" value="(\w+)"[^>]* checked', one.page.text))


def placed(one: Any) -> dict[str, str]:
    found = re.findall(r'name="place-(\w+)".*?</select>', one.page.text, re.S)
    selects = re.findall(r'<select[^>]*name="place-(\w+)"(.*?)</select>', one.page.text, re.S)
    assert found == [name for name, _ in selects]
    return {
        name: chosen[1] for name, body in selects if (chosen := re.search(r'value="(\d+)" selected', body))
    }


def rates(one: Any, *, sure: bool = False, **ratings: str) -> Any:
    fields = {f"rating-{name}": rating for name, rating in ratings.items()}
    return one.sends("/rate", **fields, **({"left_out": "yes"} if sure else {}))


def ranks(one: Any, **places: str) -> Any:
    return one.sends("/rank", **{f"place-{name}": place for name, place in places.items()})


ALL = dict.fromkeys(sorted(NAMES), "acceptable") | {"wealth": "not_acceptable", "smoking": "cannot_say"}


# --- the way through -----------------------------------------------------------------------------------


def test_everything_is_rated_then_ranked_then_the_demographics_follow(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "asking")
    assert "There is a list of 5 attributes to rate." in one.text
    one.agrees()
    assert (one.step, "Question 1 of 2" in one.text) == ("rating", True)
    assert f"http://localhost/p/{one.token}" in one.text
    assert checked(one) == {}
    rates(one, **ALL)
    assert (one.step, "Question 2 of 2" in one.text) == ("ranking", True)
    assert placed(one) == {}
    ranks(one, age="2", waiting="1", children="", wealth="", smoking="")
    assert one.step == "describing"
    assert answers(sqlite_engine) == [(1, 1, ALL, []), (2, 1, {}, ["waiting", "age"])]
    one.sends("/demographics")
    assert one.step == "finished"


def test_without_a_ranking_the_ratings_are_all(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, rating_design: str
) -> None:
    text = "".join(
        line for line in rating_design.splitlines(keepends=True) if not line.startswith(("ranked", "ranking"))
    )
    add_open_study(sqlite_engine, text)
    one = visit(app, "asking").agrees()
    assert "Question 1 of 1" in one.text
    assert rates(one, **ALL).step == "describing"
    assert [p.task for p in rows(sqlite_engine, AttributePageRow)] == [AttributeTask.RATE]


def test_before_comparisons_the_instructions_follow(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, asking_and_comparing: str
) -> None:
    add_open_study(sqlite_engine, asking_and_comparing)
    one = visit(app, "short").agrees()
    for _ in range(2):
        one.sends("/suggest", step="go_on")
    one = ranks(rates(one, **ALL))
    assert one.step == "instructed"
    one.sends("/begin").goes_on_until('data-page="finished"')


def test_the_answers_are_of_equal_weight_in_the_order_of_the_design_and_named_in_full(
    app: Flask, visit: Visit, study: StudyRow
) -> None:
    one = visit(app, "asking").agrees()
    for name in NAMES:
        values = re.findall(rf'name="rating-{name}" value="(\w+)"', one.page.text)
        assert values == ["acceptable", "not_acceptable", "cannot_say"]
    labelled = re.findall(r'type="radio"[^>]*aria-labelledby="(attribute-\d)-label as-(\w+)"', one.page.text)
    assert len(labelled) == 15
    for row, rating in labelled:
        assert f'id="{row}-label"' in one.page.text
        assert f'id="as-{rating}"' in one.page.text


def test_the_ranking_shows_what_one_answered_before(app: Flask, visit: Visit, study: StudyRow) -> None:
    one = rates(visit(app, "asking").agrees(), sure=True, age="acceptable", wealth="not_acceptable")
    shown = dict(re.findall(r'<label for="(place-\d)" dir="auto">(\w+)', one.page.text))
    for row, label in shown.items():
        own = re.search(rf'id="{row}-own">(.*?)</td>', one.page.text)
        assert own
        words = {"Age": "Acceptable", "Wealth": "Not acceptable"}.get(label, "not rated")
        assert re.sub("<[^>]+>", "", own[1]) == words


# --- the draw ------------------------------------------------------------------------------------------


def test_everybody_has_an_order_of_their_own_which_the_ranking_keeps(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    orders = set()
    for _ in range(6):
        one = visit(app, "asking").agrees()
        first = order_of(one)
        assert set(first) == NAMES
        assert order_of(one.reloads()) == first
        assert order_of(rates(one, **ALL)) == first
        orders.add(tuple(first))
    assert len(orders) > 1
    stored = rows(sqlite_engine, AttributePageRow)
    assert [a.attribute_order for a in stored[::2]] == [a.attribute_order for a in stored[1::2]]


def test_each_attribute_comes_first_equally_often(
    sqlite_engine: Engine, add_open_study: AddOpenStudy, rating_design: str
) -> None:
    study = add_open_study(sqlite_engine, rating_design)
    firsts = Counter(
        attribute_pages.drawn_pages(study, ParticipantRow(study_id=study.id, number=n))[0].attribute_order[0]
        for n in range(1, 2_001)
    )
    # Five standard deviations.
    assert all(abs(firsts[name] - 400) < 5 * (2_000 * 0.2 * 0.8) ** 0.5 for name in NAMES)


def test_the_order_of_the_attributes_does_not_hang_on_the_open_questions(
    sqlite_engine: Engine, add_open_study: AddOpenStudy, asking_design: str, rating_design: str
) -> None:
    with_questions = add_open_study(sqlite_engine, asking_design.replace('"should_first"', '"random"'))
    alone = add_open_study(sqlite_engine, rating_design.replace('"asking"', '"rating"'))
    alone.draw_seed = with_questions.draw_seed
    for number in range(1, 20):
        drawn = [
            attribute_pages.drawn_pages(s, ParticipantRow(study_id=s.id, number=number))[-1].attribute_order
            for s in (with_questions, alone)
        ]
        assert drawn[0] == drawn[1]


# --- left out ------------------------------------------------------------------------------------------


def test_what_is_left_out_is_asked_about_once_and_then_taken_as_meant(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = rates(visit(app, "asking").agrees(), age="acceptable", wealth="cannot_say")
    assert one.page.status_code == 422
    assert "You left out 3. Rate them, or send again to leave them out." in one.text
    assert checked(one) == {"age": "acceptable", "wealth": "cannot_say"}
    links = re.findall(r'<li><a href="#(attribute-\d)">', one.page.text)
    assert len(links) == 3
    assert all(re.search(rf'id="{link}" tabindex="-1" class="left-out"', one.page.text) for link in links)
    assert answers(sqlite_engine) == []
    rates(one, age="acceptable", wealth="cannot_say")
    assert one.step == "ranking"
    assert answers(sqlite_engine) == [(1, 1, {"age": "acceptable", "wealth": "cannot_say"}, [])]


def test_one_left_out_is_named_in_the_singular(app: Flask, visit: Visit, study: StudyRow) -> None:
    ratings = {name: rating for name, rating in ALL.items() if name != "age"}
    one = rates(visit(app, "asking").agrees(), **ratings)
    assert "You left out one. Rate it, or send again to leave it out." in one.text


def test_everything_may_be_left_out(app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine) -> None:
    one = rates(rates(visit(app, "asking").agrees()))
    assert one.step == "ranking"
    assert ranks(one).step == "describing"
    assert answers(sqlite_engine) == [(1, 1, {}, []), (2, 1, {}, [])]


# --- the ranking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "says", "marked"),
    [
        ({"age": "1", "wealth": "1", "waiting": "2"}, "Two have the same place.", 2),
        ({"age": "1", "wealth": "3"}, "A place is left out.", 0),
        ({"age": "2"}, "A place is left out.", 0),
    ],
)
def test_a_ranking_that_cannot_be_is_shown_again_as_it_was_sent(
    app: Flask,
    visit: Visit,
    study: StudyRow,
    sqlite_engine: Engine,
    places: dict[str, str],
    says: str,
    marked: int,
) -> None:
    one = ranks(rates(visit(app, "asking").agrees(), **ALL), **places)
    assert one.page.status_code == 422
    assert says in one.text
    assert "<title>Please look again:" in one.page.text
    assert placed(one) == places
    assert one.page.text.count('aria-invalid="true"') == marked
    assert len(answers(sqlite_engine)) == 1
    ranks(one, age="1", wealth="2", waiting="3")
    assert answers(sqlite_engine)[-1] == (2, 1, {}, ["age", "wealth", "waiting"])


# --- what no page sends --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"rating-age": "yes"},
        {"rating-fame": "acceptable"},
        {"rating-age": "acceptable", "revision": "3"},
        {"rating-age": "acceptable", "revision": "0"},
        {"rating-age": "acceptable", "page": "x" * 32},
    ],
    ids=str,
)
def test_ratings_that_were_not_offered_are_refused(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, fields: dict[str, str]
) -> None:
    one = visit(app, "asking").agrees().sends("/rate", left_out="yes", **fields)
    assert one.page.status_code == 400
    assert answers(sqlite_engine) == []


@pytest.mark.parametrize(
    "fields", [{"place-age": "4"}, {"place-age": "0"}, {"place-age": "²"}, {"place-fame": "1"}], ids=str
)
def test_places_that_were_not_offered_are_refused(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, fields: dict[str, str]
) -> None:
    one = rates(visit(app, "asking").agrees(), **ALL).sends("/rank", **fields)
    assert one.page.status_code == 400
    assert len(answers(sqlite_engine)) == 1


def test_a_form_sent_to_the_address_of_another_page_is_refused(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "asking").agrees()
    fields = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', one.page.text))
    key = {"step": "go_on", "key": "k" * 20}
    for ending in ("rank", "suggest"):
        sent = one.client.post(f"/p/{one.token}/{ending}", data=fields | key)
        assert sent.status_code == 400, ending
    other = visit(app, "asking").agrees()
    assert other.client.post(f"/p/{other.token}/rate", data=fields | {"left_out": "yes"}).status_code == 400
    assert answers(sqlite_engine) == []


def test_a_study_without_ratings_takes_none(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, one_arm_design: str
) -> None:
    add_open_study(sqlite_engine, one_arm_design)
    one = visit(app, "short").agrees()
    csrf = re.findall(r'name="csrf_token" value="([^"]+)"', one.page.text)[0]
    fields = {"csrf_token": csrf, "page": "", "revision": "1", "step": "go_on", "key": "k" * 20}
    for ending in ("rate", "rank", "suggest", "remove"):
        assert one.client.post(f"/p/{one.token}/{ending}", data=fields).status_code == 400, ending
        assert one.client.get(f"/p/{one.token}/{ending}").status_code == 303, ending


# --- once, and changed ---------------------------------------------------------------------------------


def test_ratings_sent_twice_keep_the_first_and_say_so(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "asking").agrees()
    form = one.page
    rates(one, **ALL)
    one.page = form
    rates(one, **dict.fromkeys(NAMES, "cannot_say"))
    assert one.step == "ranking"
    assert "You had answered that page already; your first answer is kept." in one.text
    assert answers(sqlite_engine) == [(1, 1, ALL, [])]
    assert events(sqlite_engine)["page replayed"] == 1
    form = one.page
    ranks(one, age="1")
    for places in ({"wealth": "1"}, {"wealth": "1", "age": "1"}):
        one.page = form
        ranks(one, **places)
        assert one.step == "describing"
        assert "You had answered that page already" in one.text
    assert answers(sqlite_engine)[1:] == [(2, 1, {}, ["age"])]


def test_the_ratings_can_be_changed_from_the_ranking_and_stand_there_as_they_were(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = rates(visit(app, "asking").agrees(), **ALL).sends("/change")
    assert (one.step, checked(one)) == ("rating", ALL)
    assert "This is what you answered. Change what you like and send it again." in one.text
    assert "Change my last answer" not in one.text
    changed = ALL | {"age": "not_acceptable"}
    rates(one, **changed)
    assert one.step == "ranking"
    assert answers(sqlite_engine) == [(1, 1, ALL, []), (1, 2, changed, [])]


def test_the_ranking_can_be_changed_from_the_demographics(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = ranks(rates(visit(app, "asking").agrees(), **ALL), age="1", waiting="2").sends("/change")
    assert (one.step, placed(one)) == ("ranking", {"age": "1", "waiting": "2"})
    ranks(one, waiting="1")
    assert one.step == "describing"
    assert answers(sqlite_engine)[1:] == [(2, 1, {}, ["age", "waiting"]), (2, 2, {}, ["waiting"])]


def test_an_old_ranking_that_cannot_be_does_not_stand_on_the_ratings_that_are_open_again(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = rates(visit(app, "asking").agrees(), **ALL)
    ranking = one.page
    one.sends("/change")
    one.page = ranking
    ranks(one, age="1", wealth="1")
    assert (one.step, checked(one)) == ("rating", ALL)
    assert one.page.status_code == 200


def test_nothing_is_stored_while_the_study_is_paused(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, now: Any
) -> None:
    one = visit(app, "asking").agrees()
    form = one.page
    with writing(sqlite_engine) as session:
        studies.pause_study(session, studies.find_study(session, "asking"), now=now)
    for ratings in (ALL, {"age": "acceptable"}):
        one.page = form
        assert rates(one, **ratings).step == "paused"
    assert answers(sqlite_engine) == []
    assert [p.state for p in rows(sqlite_engine, ParticipantRow)] == [ParticipantState.RATING]


# --- words ---------------------------------------------------------------------------------------------


def test_what_the_design_says_is_shown_as_text_and_never_as_markup(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, rating_design: str
) -> None:
    attack = "<script>alert(1)</script>"
    text = rating_design
    for plain in ("May these things decide", "Other people named them.", "Which three matter most", "Wealth"):
        assert plain in text
        text = text.replace(plain, f"{plain} {attack}")
    text = text.replace("How old a patient is.", f"Years {attack}")
    text = text.replace("ranked = 3", f'ranked = 3\nacceptable = "Yes {attack}"')
    add_open_study(sqlite_engine, text)
    one = visit(app, "asking").agrees()
    pages = [one.page.text, rates(one, age="acceptable").page.text]
    pages.append(rates(one, age="acceptable").page.text)
    pages.append(ranks(one, age="1", wealth="1").page.text)
    for page in pages:
        assert "<script>alert" not in page
        assert html.unescape(page).count(attack) > 2


def test_whoever_takes_it_in_german_reads_only_german(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, asking_design: str
) -> None:
    add_open_study(sqlite_engine, asking_design)
    one = visit(app, "asking", "?lang=de")
    assert "Eine Liste von 5 Eigenschaften ist zu beurteilen." in one.text
    one.agrees().sends("/suggest", step="go_on").sends("/suggest", step="go_on")
    seen = [one.text, rates(one, age="acceptable").text, rates(one, age="acceptable").text]
    seen += [ranks(one, age="1", wealth="1").text, ranks(one, age="2").text, one.sends("/change").text]
    seen += [rates(one, sure=True).text, ranks(one, age="1").text]
    assert one.step == "describing"
    for words in (
        "Frage 3 von 4",
        "Nicht annehmbar",
        "Sie haben 4 Eigenschaften ausgelassen.",
        "nicht beurteilt",
        "Zwei haben denselben Platz.",
        "Ein Platz fehlt.",
        "Das haben Sie geantwortet.",
        "Die folgenden letzten Fragen",
    ):
        assert any(words in text for text in seen), words
    for text in seen:
        for words in ("Question", "Acceptable", "You ", "Please", "Place", "Send", "rated", "Change"):
            assert words not in text, words
