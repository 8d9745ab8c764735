"""The open questions: what should count, and what should not; from the first page to the end, each entry once."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from survey.app import create_app
from survey.config import Settings
from survey.db import reading, writing
from survey.design_file import example_design
from survey.languages import worded
from survey.store import attribute_pages, studies
from survey.store.admission import redrawn
from survey.suggestions import LONGEST_SUGGESTION, LONGEST_WHY, MOST_PER_QUESTION, Stance
from survey.tables import (
    AttributePageAnswerRow,
    AttributePageRow,
    AttributeTask,
    EventRow,
    ParticipantRow,
    ParticipantState,
    StudyRow,
    SuggestionRow,
)

Visit = Callable[..., Any]
AddOpenStudy = Callable[..., StudyRow]


@pytest.fixture
def study(sqlite_engine: Engine, add_open_study: AddOpenStudy, asking_design: str) -> StudyRow:
    return add_open_study(sqlite_engine, asking_design)


def without(design: str, *tables: str) -> str:
    """Return a design without these top-level tables and without its German."""
    design = design[: design.index("[languages.de.study]")] if "[languages.de" in design else design
    for table in tables:
        design = re.sub(rf"(?ms)^\[\[?{table}[^\n]*\]\n.*?(?=^\[(?!\[?{table}[.\]])|\Z)", "", design)
    return design


def rows(engine: Engine, table: type) -> list[Any]:
    with reading(engine) as session:
        return list(session.scalars(select(table).order_by(table.id)))


def entries(engine: Engine) -> list[tuple[str, str, str, str]]:
    """Return (stance, text, direction, why) of every entry that stands."""
    return [
        (s.stance.value, s.text, s.direction, s.why)
        for s in rows(engine, SuggestionRow)
        if s.removed_at is None
    ]


def texts(engine: Engine) -> list[str]:
    return [text for _stance, text, _direction, _why in entries(engine)]


def events(engine: Engine) -> Counter[str]:
    return Counter(e.what for e in rows(engine, EventRow))


def states(engine: Engine) -> list[ParticipantState]:
    return [p.state for p in rows(engine, ParticipantRow)]


def listed(one: Any) -> list[str]:
    """Return what the page lists as named, from the top."""
    return [
        html.unescape(text)
        for text in re.findall(r'<p id="said-\d+" dir="auto">(.*?)</p>', one.page.text, re.S)
    ]


def adds(one: Any, text: str, **more: str) -> Any:
    return one.sends("/suggest", step="add", text=text, **more)


def goes_on(one: Any, **fields: str) -> Any:
    return one.sends("/suggest", step="go_on", **fields)


# --- the way through -----------------------------------------------------------------------------------


def test_what_is_named_is_stored_at_once_and_listed(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "asking").agrees()
    assert one.step == "suggesting"
    assert "Question 1 of 4" in one.text
    adds(one, "Age", direction="Younger people", why="They have more years ahead")
    assert one.page.status_code == 200
    adds(one, "  Children ")
    assert listed(one) == ["Children", "Age"]
    assert "Younger people" in one.text
    assert "They have more years ahead" in one.text
    assert entries(sqlite_engine) == [
        ("should", "Age", "Younger people", "They have more years ahead"),
        ("should", "Children", "", ""),
    ]
    assert listed(one.reloads()) == ["Children", "Age"]


def test_going_on_stores_what_still_stands_in_the_fields(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = goes_on(visit(app, "asking").agrees(), text="Age", why="Because")
    assert "Question 2 of 4" in one.text
    assert "should not be considered" in one.text
    goes_on(one, text="Wealth")
    assert one.step == "rating"
    assert entries(sqlite_engine) == [("should", "Age", "", "Because"), ("should_not", "Wealth", "", "")]
    assert [
        (s.kind.value, s.simulated, s.respondent, s.language) for s in rows(sqlite_engine, SuggestionRow)
    ] == [("human", False, "", "en")] * 2


def test_somebody_may_name_nothing(app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine) -> None:
    one = goes_on(goes_on(visit(app, "asking").agrees()))
    assert one.step == "rating"
    assert entries(sqlite_engine) == []
    answers = rows(sqlite_engine, AttributePageAnswerRow)
    assert [(a.revision, a.ratings, a.ranking) for a in answers] == [(1, {}, [])] * 2


def test_going_on_is_stored_with_its_times(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "asking").agrees()
    goes_on(one, seconds="0.125", client='{"input": "touch"}')
    goes_on(one)
    first, second = rows(sqlite_engine, AttributePageAnswerRow)
    assert (first.client_seconds, first.client_seconds_problem, first.client) == (
        0.125,
        "",
        {"input": "touch"},
    )
    assert (second.client_seconds, second.client_seconds_problem) == (None, "not measured (no script)")
    pages = rows(sqlite_engine, AttributePageRow)
    assert [(p.asked, p.answered) for p in pages] == [(1, 1), (1, 1), (1, 0), (1, 0)]
    assert [p.served_at is None for p in pages] == [False, False, False, True]
    assert [e.detail for e in rows(sqlite_engine, EventRow) if e.what == "page finished"] == [
        {"position": 1, "task": "should", "revision": 1, "entries": 0},
        {"position": 2, "task": "should_not", "revision": 1, "entries": 0},
    ]


def test_a_study_of_open_questions_alone_ends_after_the_demographics(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, asking_design: str
) -> None:
    add_open_study(sqlite_engine, without(asking_design, "acceptability"))
    one = visit(app, "asking")
    assert "There are 2 open questions." in one.text
    assert "comparison" not in one.text
    one.agrees()
    assert "Question 1 of 2" in one.text
    goes_on(goes_on(one, text="Age"))
    assert one.step == "describing"
    assert "comparison" not in one.text
    one.sends("/demographics", age_group="older")
    assert one.step == "finished"
    assert states(sqlite_engine) == [ParticipantState.FINISHED]


def test_without_demographics_the_last_question_is_the_end(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, asking_design: str
) -> None:
    add_open_study(sqlite_engine, without(asking_design, "acceptability", "demographics"))
    one = goes_on(goes_on(visit(app, "asking").agrees(), text="Age"), text="Wealth")
    assert one.step == "finished"
    assert one.code
    assert texts(sqlite_engine) == ["Age", "Wealth"]


def test_before_comparisons_the_questions_come_first_and_the_instructions_after_them(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, asking_and_comparing: str
) -> None:
    add_open_study(sqlite_engine, without(asking_and_comparing, "acceptability"))
    one = visit(app, "short")
    assert "There are 2 open questions." in one.text
    assert "There are 4 short comparisons." in one.text
    one.agrees()
    assert one.step == "suggesting"
    assert "Other health" not in one.text, "no attribute is named before people have said what they think"
    goes_on(goes_on(one, text="Age"))
    assert one.step == "instructed"
    assert "Change my last answer" not in one.text
    one.sends("/begin").goes_on_until('data-page="finished"')
    assert states(sqlite_engine) == [ParticipantState.FINISHED]


def test_the_screener_decides_before_anything_is_asked(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, asking_design: str
) -> None:
    screener = """
[[screener]]
name = "adult"
text = "Are you an adult?"
kind = "choice"
options = [{ name = "yes", words = "Yes" }, { name = "no", words = "No", screens_out = true }]
"""
    add_open_study(sqlite_engine, without(asking_design) + screener)
    assert visit(app, "asking").agrees().sends("/screener", adult="no").step == "screened_out"
    assert rows(sqlite_engine, AttributePageRow) == []
    assert visit(app, "asking").agrees().sends("/screener", adult="yes").step == "suggesting"


def test_the_first_page_shows_the_own_link_and_no_other_does(
    app: Flask, visit: Visit, study: StudyRow
) -> None:
    one = visit(app, "asking").agrees()
    assert f"http://localhost/p/{one.token}" in one.text
    assert f"http://localhost/p/{one.token}" not in goes_on(one).text


def test_the_own_link_leads_back_to_what_was_named(app: Flask, visit: Visit, study: StudyRow) -> None:
    one = adds(visit(app, "asking").agrees(), "Age")
    elsewhere = visit(app, "asking").opens(one.path)
    assert listed(elsewhere) == ["Age"]
    assert "Question 1 of 4" in elsewhere.text


def test_looking_at_a_question_again_changes_nothing(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = adds(visit(app, "asking").agrees(), "Age")
    before = [(p.served_at, p.asked, p.answered) for p in rows(sqlite_engine, AttributePageRow)]
    seen = len(rows(sqlite_engine, EventRow))
    one.reloads().reloads()
    assert [(p.served_at, p.asked, p.answered) for p in rows(sqlite_engine, AttributePageRow)] == before
    assert len(rows(sqlite_engine, EventRow)) == seen


# --- the draw ------------------------------------------------------------------------------------------


def test_the_order_of_the_questions_is_drawn_where_the_design_says_so_and_each_is_as_likely(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, asking_design: str
) -> None:
    add_open_study(sqlite_engine, asking_design.replace('"should_first"', '"random"'))
    with reading(sqlite_engine) as session:
        study = studies.find_study(session, "asking")
        firsts = Counter()
        for number in range(1, 2_001):
            person = ParticipantRow(study_id=study.id, number=number)
            drawn = attribute_pages.drawn_pages(study, person)
            assert drawn == attribute_pages.drawn_pages(study, person)
            assert {page.task for page in drawn[:2]} == {AttributeTask.SHOULD, AttributeTask.SHOULD_NOT}
            firsts[drawn[0].task] += 1
    # Five standard deviations of 2,000 even draws.
    assert abs(firsts[AttributeTask.SHOULD] - 1_000) < 5 * (2_000 / 4) ** 0.5
    one = visit(app, "asking").agrees()
    first = rows(sqlite_engine, AttributePageRow)[0]
    assert ("not be considered" in one.text) is (first.task is AttributeTask.SHOULD_NOT)


def test_what_should_and_what_should_not_count_are_told_apart_at_a_glance(
    app: Flask, visit: Visit, study: StudyRow
) -> None:
    one = visit(app, "asking").agrees()
    assert '<body class="reading suggesting should"' in one.page.text
    assert '<body class="reading suggesting should_not"' in goes_on(one).page.text


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_shipped_questions_stress_the_word_by_which_they_differ(language: str) -> None:
    design = worded(example_design("kidney-attributes"), arm="main", language=language)
    assert design.suggestions is not None
    should, should_not = (design.suggestions.question(stance) for stance in Stance)

    stressed = {"en": ("SHOULD", "NOT"), "de": ("SOLL", "NICHT")}[language]
    for asked, word in zip((should, should_not), stressed, strict=True):
        for words in (asked.question, asked.label):
            assert word in words.split()


def test_a_fixed_order_is_the_designs(
    sqlite_engine: Engine, add_open_study: AddOpenStudy, asking_design: str
) -> None:
    study = add_open_study(sqlite_engine, asking_design.replace('"should_first"', '"should_not_first"'))
    for number in range(1, 30):
        drawn = attribute_pages.drawn_pages(study, ParticipantRow(study_id=study.id, number=number))
        assert [page.task.value for page in drawn] == ["should_not", "should", "rate", "rank"]


def test_comparisons_are_drawn_as_if_nothing_had_been_asked_before(
    sqlite_engine: Engine, add_open_study: AddOpenStudy, one_arm_design: str, asking_and_comparing: str
) -> None:
    added = [
        add_open_study(sqlite_engine, one_arm_design),
        add_open_study(sqlite_engine, asking_and_comparing.replace('"short"', '"asked"')),
    ]
    drawn = []
    with writing(sqlite_engine) as session:
        for row in added:
            study = session.get_one(StudyRow, row.id)
            study.draw_seed = 7
            person = ParticipantRow(study_id=study.id, number=1, arm="main", wave=1, previous_id=None)
            drawn.append(redrawn(session, study, person, asked={}))
    assert len(drawn[0]) == 4
    assert drawn[0] == drawn[1]


# --- what cannot be stored -----------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["add", "go_on"])
def test_a_reason_without_a_suggestion_is_asked_for_again_and_stays(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, step: str
) -> None:
    one = (
        visit(app, "asking")
        .agrees()
        .sends("/suggest", step=step, why="It is <only> fair", direction="The young")
    )
    assert one.page.status_code == 422
    assert "Please also write what it is about" in one.text
    assert "It is &lt;only&gt; fair</textarea>" in one.page.text
    assert 'value="The young"' in one.page.text
    assert re.search(r'id="suggestion"[^>]*aria-invalid="true" aria-describedby="problem"', one.page.text)
    assert entries(sqlite_engine) == []
    assert rows(sqlite_engine, AttributePageAnswerRow) == []
    one.sends("/suggest", step=step, text="Chances", why="It is <only> fair")
    assert texts(sqlite_engine) == ["Chances"]


def test_adding_nothing_says_so(app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine) -> None:
    one = adds(visit(app, "asking").agrees(), " \n\t ")
    assert one.page.status_code == 422
    assert "Nothing is written yet." in one.text
    assert "<title>Please look again:" in one.page.text
    assert entries(sqlite_engine) == []


@pytest.mark.parametrize(
    ("field", "most"), [("text", LONGEST_SUGGESTION), ("direction", LONGEST_SUGGESTION), ("why", LONGEST_WHY)]
)
def test_what_is_too_long_stays_in_its_field_and_the_page_says_by_how_much(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, field: str, most: int
) -> None:
    words = "🫘" * 9_999 + "."
    sent = {"text": "Age", "direction": "Young", "why": "Fair"} | {field: words}
    one = visit(app, "asking").agrees().sends("/suggest", step="add", **sent)
    assert one.page.status_code == 422
    assert f"This has 10,000 characters. At most {most:,} can be stored." in one.text
    assert one.page.text.count(words) == 1
    for name, text in sent.items():
        assert text in one.page.text, name
    assert entries(sqlite_engine) == []
    sent[field] = words[:most]
    one.sends("/suggest", step="add", **sent)
    assert [len(getattr(s, field)) for s in rows(sqlite_engine, SuggestionRow)] == [most]


def test_no_more_than_anybody_means_can_be_named_and_going_on_still_works(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "asking").agrees()
    for number in range(MOST_PER_QUESTION - 1):
        adds(one, f"Thing {number}")
    open_before = one.page
    adds(one, "The last one")
    assert "You have named 50, which is as many as can be stored here." in one.text
    assert 'name="text"' not in one.page.text
    one.page = open_before
    one.sends("/suggest", step="go_on", text="One too many", why="A reason")
    assert one.page.status_code == 422
    assert "what you wrote last was not added" in one.text
    assert "One too many" in one.text
    assert "A reason" in one.text
    assert len(entries(sqlite_engine)) == MOST_PER_QUESTION
    one.sends("/remove")
    adds(one, "One too many")
    assert listed(one)[0] == "One too many"
    assert "Question 2 of 4" in goes_on(one).text
    assert len(entries(sqlite_engine)) == MOST_PER_QUESTION
    assert "One too many" in texts(sqlite_engine)


@pytest.mark.parametrize(
    "fields",
    [
        {"step": "add", "key": "short", "text": "x"},
        {"step": "add", "key": "k" * 65, "text": "x"},
        {"step": "add", "key": "ключ" * 6, "text": "x"},
        {"step": "leave", "text": "x"},
        {"step": "go_on", "revision": "0"},
        {"step": "go_on", "revision": "2"},
        {"step": "go_on", "revision": "first"},
        {"step": "add", "page": "x" * 32, "text": "x"},
        {"text": "x"},
    ],
    ids=str,
)
def test_what_no_page_of_ours_sends_is_refused(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, fields: dict[str, str]
) -> None:
    one = visit(app, "asking").agrees().sends("/suggest", **fields)
    assert one.page.status_code == 400
    assert entries(sqlite_engine) == []
    assert rows(sqlite_engine, AttributePageAnswerRow) == []


def test_nobody_adds_removes_or_goes_on_for_somebody_else(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one, other = adds(visit(app, "asking").agrees(), "Age"), adds(visit(app, "asking").agrees(), "Wealth")
    page = re.findall(r'name="page" value="([^"]+)"', other.page.text)[0]
    entry = re.findall(r'name="entry" value="([^"]+)"', other.page.text)[0]
    kept = one.page
    for ending, fields in (
        ("/suggest", {"step": "add", "text": "x", "page": page}),
        ("/suggest", {"step": "go_on", "page": page}),
        ("/remove", {"page": page, "entry": entry}),
        ("/remove", {"entry": entry}),
    ):
        one.page = kept
        assert one.sends(ending, **fields).page.status_code == 400, (ending, fields)
    assert texts(sqlite_engine) == ["Age", "Wealth"]
    assert rows(sqlite_engine, AttributePageAnswerRow) == []


def test_a_field_that_the_question_does_not_show_is_not_read(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = goes_on(visit(app, "asking").agrees())
    assert 'name="direction"' not in one.page.text
    adds(one, "Wealth", direction="The poor")
    assert entries(sqlite_engine) == [("should_not", "Wealth", "", "")]


# --- once, and nothing lost ----------------------------------------------------------------------------


def test_a_form_sent_twice_makes_one_entry(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "asking").agrees()
    form = one.page
    for _ in range(3):
        one.page = form
        adds(one, "Age", why="Fair")
    assert entries(sqlite_engine) == [("should", "Age", "", "Fair")]
    assert (events(sqlite_engine)["entry added"], events(sqlite_engine)["entry replayed"]) == (1, 2)


def test_the_same_words_from_another_form_are_another_entry(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    adds(adds(visit(app, "asking").agrees(), "Age"), "Age")
    assert texts(sqlite_engine) == ["Age", "Age"]


def test_a_form_that_somebody_went_back_to_and_edited_makes_another_entry(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "asking").agrees()
    form = one.page
    adds(one, "Age")
    one.page = form
    adds(one, "Age of the patient")
    assert texts(sqlite_engine) == ["Age", "Age of the patient"]


def test_going_on_twice_is_once_and_said(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "asking").agrees()
    form = one.page
    goes_on(one, text="Age")
    one.page = form
    goes_on(one, text="Age")
    assert "Question 2 of 4" in one.text
    assert "You had gone on from that question already. Here is where you are now." in one.text
    assert texts(sqlite_engine) == ["Age"]
    assert [a.revision for a in rows(sqlite_engine, AttributePageAnswerRow)] == [1]
    assert events(sqlite_engine)["page replayed"] == 1


@pytest.mark.parametrize("step", ["add", "go_on"])
def test_what_another_tab_sends_after_the_question_is_not_stored_and_not_lost_silently(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, step: str
) -> None:
    one = visit(app, "asking").agrees()
    tab = one.page
    goes_on(one, text="Age")
    one.page = tab
    one.sends("/suggest", step=step, text="Wealth")
    assert "so what you wrote there last was not added" in one.text
    assert "Choose “Change my last answer” below" in one.text
    one.sends("/change")
    assert listed(one) == ["Age"]
    adds(one, "Wealth")
    goes_on(goes_on(one))
    one.page = tab
    one.sends("/suggest", step=step, text="More")
    assert one.step == "rating"
    assert "was not added. Here is where you are now." in one.text
    assert texts(sqlite_engine) == ["Age", "Wealth"]
    assert events(sqlite_engine)["entry too late"] == 2


def test_a_complaint_about_a_question_that_is_over_says_that_nothing_was_stored(
    app: Flask, visit: Visit, study: StudyRow
) -> None:
    one = visit(app, "asking").agrees()
    tab = one.page
    goes_on(one)
    one.page = tab
    one.sends("/suggest", step="add", why="Only a reason")
    assert one.page.status_code == 200
    assert "so what you wrote there last was not added" in one.text


def test_an_entry_is_taken_back_once_and_stays_out_of_everything(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = adds(adds(visit(app, "asking").agrees(), "Age"), "Wealth")
    tab = one.page
    for _ in range(2):
        one.page = tab
        one.sends("/remove")
        assert listed(one) == ["Age"]
    assert texts(sqlite_engine) == ["Age"]
    assert events(sqlite_engine)["entry removed"] == 1
    assert [s.removed_at is None for s in rows(sqlite_engine, SuggestionRow)] == [True, False]


def test_an_entry_that_was_taken_back_does_not_return_with_a_form_sent_again(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "asking").agrees()
    form = one.page
    adds(one, "Age").sends("/remove")
    one.page = form
    adds(one, "Age")
    assert texts(sqlite_engine) == []
    adds(one, "Age")
    assert texts(sqlite_engine) == ["Age"]


def test_after_going_on_nothing_can_be_taken_back_until_the_question_is_opened_again(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = adds(visit(app, "asking").agrees(), "Age")
    tab = one.page
    goes_on(one)
    one.page = tab
    one.sends("/remove")
    assert "so nothing was removed" in one.text
    assert texts(sqlite_engine) == ["Age"]
    one.sends("/change").sends("/remove")
    assert texts(sqlite_engine) == []


# --- changing ------------------------------------------------------------------------------------------


def test_the_question_before_can_be_opened_again(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "asking").agrees()
    assert "Change my last answer" not in one.text
    goes_on(one, text="Age").sends("/change")
    assert "Question 1 of 4" in one.text
    assert "You can add to what you named" in one.text
    assert listed(one) == ["Age"]
    goes_on(one, text="Chances")
    assert "Question 2 of 4" in one.text
    assert [(a.attribute_page_id, a.revision) for a in rows(sqlite_engine, AttributePageAnswerRow)] == [
        (1, 1),
        (1, 2),
    ]
    page = rows(sqlite_engine, AttributePageRow)[0]
    assert (page.asked, page.answered) == (2, 2)
    assert texts(sqlite_engine) == ["Age", "Chances"]
    assert events(sqlite_engine)["page reopened"] == 1


def test_pressing_change_twice_asks_once(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = goes_on(visit(app, "asking").agrees())
    form = one.page
    for _ in range(2):
        one.page = form
        one.sends("/change")
    page = rows(sqlite_engine, AttributePageRow)[0]
    assert (page.asked, page.answered) == (2, 1)
    assert "Change my last answer" not in one.text


def test_an_old_form_of_a_question_that_is_open_again_adds_to_it_and_does_not_go_on(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "asking").agrees()
    old = one.page
    goes_on(one).sends("/change")
    one.page = old
    goes_on(one, text="Age")
    assert "Question 1 of 4" in one.text
    assert listed(one) == ["Age"]


def test_the_last_question_can_be_opened_again_from_the_demographics(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, asking_design: str
) -> None:
    add_open_study(sqlite_engine, without(asking_design, "acceptability"))
    one = goes_on(goes_on(visit(app, "asking").agrees()), text="Wealth")
    assert one.step == "describing"
    one.sends("/change")
    assert (one.step, listed(one)) == ("suggesting", ["Wealth"])
    goes_on(one, text="Fame")
    assert one.step == "describing"
    assert texts(sqlite_engine) == ["Wealth", "Fame"]
    one.sends("/demographics")
    assert one.step == "finished"


def test_who_has_read_what_others_named_cannot_go_back_to_the_open_questions(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = goes_on(goes_on(visit(app, "asking").agrees()))
    assert one.step == "rating"
    assert "Change my last answer" not in one.text
    csrf = re.findall(r'name="csrf_token" value="([^"]+)"', one.page.text)[0]
    one.client.post(f"/p/{one.token}/change", data={"csrf_token": csrf})
    assert states(sqlite_engine) == [ParticipantState.RATING]


def test_once_comparisons_have_begun_change_means_the_comparison(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, asking_and_comparing: str
) -> None:
    text = without(asking_and_comparing, "acceptability").replace("per_respondent = 4", "per_respondent = 1")
    text += '\n[[demographics]]\nname = "remarks"\ntext = "Anything else?"\nkind = "text"\n'
    add_open_study(sqlite_engine, text)
    one = goes_on(goes_on(visit(app, "short").agrees())).sends("/begin").sends("/answer", choice="left")
    assert one.step == "describing"
    assert "All comparisons are done." in one.text
    assert one.sends("/change").step == "comparison"


# --- pausing, stopping, waves --------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [{"step": "add", "text": "x"}, {"step": "go_on"}, {"step": "add"}])
def test_nothing_is_stored_while_the_study_is_paused(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, now: Any, fields: dict[str, str]
) -> None:
    one = visit(app, "asking").agrees()
    with writing(sqlite_engine) as session:
        studies.pause_study(session, studies.find_study(session, "asking"), now=now)
    assert one.sends("/suggest", **fields).step == "paused"
    assert entries(sqlite_engine) == []
    assert rows(sqlite_engine, AttributePageAnswerRow) == []


def test_after_stopping_nothing_more_is_stored(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = adds(visit(app, "asking").agrees(), "Age")
    tab = one.page
    one.wants_to_stop().sends("/stop", wish="keep")
    for fields in ({"step": "add", "text": "Wealth"}, {"step": "go_on"}):
        one.page = tab
        one.sends("/suggest", **fields)
        assert one.page.status_code in (200, 400)
    one.page = tab
    one.sends("/remove")
    assert one.step == "withdrawn"
    assert texts(sqlite_engine) == ["Age"]
    assert rows(sqlite_engine, AttributePageAnswerRow) == []
    assert states(sqlite_engine) == [ParticipantState.WITHDRAWN]


def test_who_comes_again_rates_and_is_not_asked_to_name_anything(
    app: Flask,
    visit: Visit,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    asking_design: str,
    now: Any,
) -> None:
    add_open_study(sqlite_engine, without(asking_design) + "\n[waves]\ncount = 2\n")
    one = goes_on(goes_on(visit(app, "asking").agrees(), text="Age"))
    one.sends("/rate", left_out="yes").sends("/rank").sends("/demographics")
    assert one.step == "finished"
    with writing(sqlite_engine) as session:
        study = studies.find_study(session, "asking")
        studies.open_next_wave(session, study, now=now + timedelta(days=30))
    one.reloads().sends("/return").sends("/consent", decision="agree")
    assert (one.step, "Question 1 of 2" in one.text) == ("rating", True)
    assert f"/p/{one.token}" in one.text
    one.sends("/rate", left_out="yes").sends("/rank")
    assert one.step == "finished"
    tasks = [(p.participant_id, p.task.value) for p in rows(sqlite_engine, AttributePageRow)]
    assert tasks == [
        *[(1, task) for task in ("should", "should_not", "rate", "rank")],
        *[(2, task) for task in ("rate", "rank")],
    ]


# --- whatever is written -------------------------------------------------------------------------------

FAMILY = "👨‍👩‍👧‍👦"
ARABIC = "العمر، ثم الصحة"
NASTY = {
    "<script>alert('x')</script>": "<script>alert('x')</script>",
    '</textarea><b onclick="x">bold</b>': '</textarea><b onclick="x">bold</b>',
    "&lt;b&gt; &amp;amp; {{ 7 * 7 }} %(num)s": "&lt;b&gt; &amp;amp; {{ 7 * 7 }} %(num)s",
    f"{FAMILY} first": f"{FAMILY} first",
    ARABIC: ARABIC,
    "abc \u202e\u200fdef": "abc \u202e\u200fdef",
    "e\u0301te\u0301 \u00a0": "été",
    "bell \x07 and \x1b[31mred": "bell  and [31mred",
    "=1+1; DROP TABLE suggestion;--": "=1+1; DROP TABLE suggestion;--",
    "two\r\nlines": "two\nlines",
}


@pytest.mark.parametrize(("written", "stands"), NASTY.items(), ids=[str(i) for i in range(len(NASTY))])
def test_whatever_is_written_is_text_and_comes_back_as_it_was_meant(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, written: str, stands: str
) -> None:
    one = adds(visit(app, "asking").agrees(), written, direction=written, why=written)
    assert entries(sqlite_engine) == [("should", stands, stands, stands)]
    assert listed(one) == [stands]
    assert "<script>alert" not in one.page.text
    assert "<b onclick" not in one.page.text
    # Shown again in the fields, too, where something is wrong.
    one.sends("/suggest", step="add", why=written)
    assert one.page.status_code == 422
    shown = re.search(r'<textarea[^>]*name="why"[^>]*>\n(.*?)</textarea>', one.page.text, re.S)
    assert shown
    assert html.unescape(shown[1]).replace("\r\n", "\n") == written.replace("\r\n", "\n")
    assert "<script>alert" not in one.page.text
    assert "<b onclick" not in one.page.text


def test_the_character_nul_is_refused_as_in_every_form(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = adds(visit(app, "asking").agrees(), "Age")
    assert adds(one, "a\0b").page.status_code == 400
    assert texts(sqlite_engine) == ["Age"]


@pytest.mark.parametrize(
    ("content_type", "field", "stands"),
    [
        ("application/x-www-form-urlencoded", b"&text=Age%ED%A0%80%FF!", "Age%ED%A0%80%FF!"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nAge\xed\xa0\x80\xff!\r\n--b--\r\n',
            "Age\ufffd\ufffd\ufffd\ufffd!",
        ),
    ],
    ids=["urlencoded", "multipart"],
)
def test_bytes_that_are_no_text_are_stored_as_what_can_be_shown(
    app: Flask,
    visit: Visit,
    study: StudyRow,
    sqlite_engine: Engine,
    content_type: str,
    field: bytes,
    stands: str,
) -> None:
    """Half of a character, as a broken program sends it: no database stores it, and the rest is not lost."""
    one = visit(app, "asking").agrees()
    fields = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', one.page.text)) | {
        "step": "add"
    }
    if content_type.startswith("multipart"):
        parts = [
            f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        body = "".join(parts).encode() + field
    else:
        body = urlencode(fields).encode() + field
    sent = one.client.post(f"/p/{one.token}/suggest", data=body, content_type=content_type)
    assert sent.status_code == 303
    assert texts(sqlite_engine) == [stands]
    assert listed(one.reloads()) == [stands]


# --- languages -----------------------------------------------------------------------------------------


def test_whoever_takes_it_in_german_reads_only_german_and_is_stored_as_such(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "asking", "?lang=de")
    assert "Es gibt 2 offene Fragen." in one.text
    one.agrees()
    seen = [one.text, adds(one, "Alter", direction="Jüngere", why="Fair").text, adds(one, "").text]
    seen += [one.sends("/suggest", step="add", why="x").text, adds(one, "x" * 400).text]
    one.sends("/remove")
    seen += [goes_on(one).text, one.sends("/change").text]
    for words in (
        "Frage 1 von 4",
        "Was Sie genannt haben",
        "Entfernen",
        "Hinzufügen",
        "Etwas, das zählen soll",
    ):
        assert any(words in text for text in seen), words
    for text in seen:
        for words in ("Question", "Remove", "Add this", "Go on", "You ", "Nothing", "Please", "named"):
            assert words not in text, words
    assert [s.language for s in rows(sqlite_engine, SuggestionRow)] == ["de"]
    assert [p.language for p in rows(sqlite_engine, AttributePageRow)] == ["de"] * 4


# --- both databases ------------------------------------------------------------------------------------


def test_it_works_on_both_databases(
    engine: Engine, settings: Settings, visit: Visit, add_open_study: AddOpenStudy, asking_design: str
) -> None:
    add_open_study(engine, asking_design)
    one = visit(create_app(settings, engine), "asking").agrees()
    form = one.page
    adds(one, f"{FAMILY} {ARABIC}")
    one.page = form
    adds(one, f"{FAMILY} {ARABIC}")
    adds(one, "Wealth").sends("/remove")
    goes_on(one, text="Chances").sends("/change")
    goes_on(goes_on(one), text="Fame")
    one.sends("/rate", left_out="yes", **{"rating-age": "acceptable"}).sends("/rank").sends("/demographics")
    assert one.step == "finished"
    assert entries(engine) == [
        ("should", f"{FAMILY} {ARABIC}", "", ""),
        ("should", "Chances", "", ""),
        ("should_not", "Fame", "", ""),
    ]
    with reading(engine) as session:
        stances = set(session.scalars(select(SuggestionRow.stance)))
    assert stances == {Stance.SHOULD, Stance.SHOULD_NOT}
    assert states(engine) == [ParticipantState.FINISHED]
