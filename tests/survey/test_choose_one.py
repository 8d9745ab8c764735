"""Choosing one of many: the design's table, the draw, and the pages, from the first problem to the end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from survey.allocation_task import draw_tasks, in_words
from survey.config import Secrets
from survey.db import reading, writing
from survey.design import design_hash
from survey.design_file import EXAMPLES, parse_design
from survey.doctor.check import examine
from survey.doctor.every import CHECKS
from survey.errors import BadDesign
from survey.languages import worded, words_of
from survey.overview.choosing import problem_counts
from survey.store import erasure, studies
from survey.tables import (
    ChoiceTaskAnswerRow,
    ChoiceTaskRow,
    EventRow,
    ParticipantRow,
    ParticipantState,
    StudyRow,
)

Visit = Callable[..., Any]

SECTION = """
[choose_one]
problems_per_respondent = 2
question = "Who gets it?"
explanation = "All of them wait."
set_sha256 = "{sha}"

[[choose_one.resource]]
name = "BLOOD"
label = "Blood type"

[[choose_one.columns]]
name = "AGE"
label = "Age (years)"

[[choose_one.columns]]
name = "WORK"
label = "Works"
values = [{{ name = "yes", words = "Yes, she does" }}, {{ name = "no", words = "No" }}]

[[choose_one.problems]]
name = "p01"
resource = ["O"]
candidates = [[11, 40, "yes"], [12, 51, "no"], [13, 62, ""]]

[[choose_one.problems]]
name = "p02"
resource = ["A"]
candidates = [[11, 33, "no"], [12, 44, "no"], [13, 55, "yes"]]

[[choose_one.problems]]
name = "p03"
resource = ["B"]
candidates = [[5, 20, "yes"], [6, 21, "no"]]
""".format(sha="ab" * 32)

GERMAN = """
[languages.de]
study = { title = "Eine kurze Studie" }
texts.introduction = "Was."
texts.consent = "Ja."
texts.instructions = "So."
texts.question = "Wer?"
texts.left = "A"
texts.right = "B"
texts.debrief = "Dafür."
attributes.age = { label = "Alter", words = "{value} Jahre" }
attributes.health = { label = "Gesundheit", levels = { good = "gut", poor = "schlecht" } }
indecision = { label = "Eine Münze werfen" }

[languages.de.choose_one]
question = "Wer bekommt sie?"
explanation = "Alle warten."
resource_label = "Die Niere"
candidate_label = "Person {id}"
resource.BLOOD.label = "Blutgruppe"
columns.AGE.label = "Alter (Jahre)"
columns.WORK = { label = "Arbeitet", values = { yes = "Ja", no = "Nein" } }
"""


def choosing_kidney_8() -> str:
    return (EXAMPLES / "kidney-8.toml").read_text(encoding="utf-8") + SECTION


@pytest.fixture
def choosing_design(one_arm_design: str) -> str:
    return one_arm_design + SECTION


@pytest.fixture
def study(sqlite_engine: Engine, add_open_study: Callable[..., StudyRow], choosing_design: str) -> StudyRow:
    return add_open_study(sqlite_engine, choosing_design)


def first_problem(visit: Visit, app: Flask, query: str = "") -> Any:
    one = visit(app, "short", query).agrees().sends("/begin")
    return one.goes_on_until('data-page="choosing"')


def rows(engine: Engine, table: type) -> list[Any]:
    with reading(engine) as session:
        return list(session.scalars(select(table).order_by(table.id)))


def candidates_shown(one: Any) -> list[str]:
    return re.findall(r'type="radio" name="choice" value="(\w+)"', one.page.text)


def task_shown(one: Any) -> str:
    return re.findall(r'name="task" value="([^"]+)"', one.page.text)[0]


# --- the design ----------------------------------------------------------------------------------------


def test_the_table_is_part_of_the_design_hash(choosing_design: str) -> None:
    other = choosing_design.replace("[11, 40,", "[11, 41,")
    assert other != choosing_design
    assert design_hash(parse_design(choosing_design)) != design_hash(parse_design(other))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('[11, 40, "yes"]', '[11, 40, "maybe"]', "column 'WORK' has no value 'maybe'"),
        ('[11, 40, "yes"]', "[11, 40]", "needs 2 values, one for each column, and this one has 1"),
        ('[11, 40, "yes"]', '["eleven", 40, "yes"]', "must begin with the candidate's id"),
        ('[11, 40, "yes"]', '[12, 40, "yes"]', "candidate 12 is given twice"),
        ("problems_per_respondent = 2", "problems_per_respondent = 4", "the design has only 3"),
        ('name = "p02"', 'name = "p01"', "problem 'p01' is given twice"),
        ('label = "Works"', 'label = "Age  (years)"', "respondents could not tell them apart"),
        ('question = "Who gets it?"', 'candidate_label = "Somebody"', "must contain {id}"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(choosing_design: str, old: str, new: str, says: str) -> None:
    text = choosing_design.replace(old, new)
    assert text != choosing_design
    with pytest.raises(BadDesign) as refused:
        parse_design(text)
    assert says in str(refused.value)


def test_every_word_of_it_can_be_translated(choosing_design: str) -> None:
    design = parse_design(choosing_design)
    own = [key for key in words_of(design) if key.startswith("choose_one.")]
    assert own == [
        "choose_one.question",
        "choose_one.explanation",
        "choose_one.resource_label",
        "choose_one.candidate_label",
        "choose_one.resource.BLOOD.label",
        "choose_one.columns.AGE.label",
        "choose_one.columns.WORK.label",
        "choose_one.columns.WORK.values.yes",
        "choose_one.columns.WORK.values.no",
    ]
    with pytest.raises(BadDesign, match=r"languages\.de\.choose_one\.columns\.WORK\.values\.yes: is missing"):
        parse_design(choosing_design + '\n[languages.de.study]\ntitle = "Eine Studie"\n')


def test_whoever_takes_it_in_another_language_reads_that_language(
    app: Flask,
    visit: Visit,
    sqlite_engine: Engine,
    add_open_study: Callable[..., StudyRow],
    choosing_design: str,
) -> None:
    add_open_study(sqlite_engine, choosing_design + GERMAN)
    one = first_problem(visit, app, "?lang=de")
    for words in (
        "Wer bekommt sie?",
        "Alle warten.",
        "Person 1",
        "Alter (Jahre)",
        "Blutgruppe",
        "Entscheidung 1 von 2",
    ):
        assert words in one.text, words
    for words in ("Age", "Works", "Patient", "Decision", "Send", "Yes"):
        assert words not in one.text, words
    one.sends("/choose")
    assert "Nothing" not in one.text


# --- the draw ------------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**32 - 1),
    shown=st.dictionaries(st.sampled_from(["p01", "p02", "p03"]), st.integers(0, 9)),
)
def test_the_problems_shown_least_come_first_and_every_candidate_has_a_row(
    seed: int, shown: dict[str, int]
) -> None:
    asked = parse_design(choosing_kidney_8()).choose_one
    assert asked is not None
    drawn = draw_tasks(asked, shown, np.random.default_rng(seed))
    assert drawn == draw_tasks(asked, shown, np.random.default_rng(seed))
    names = [one.problem for one in drawn]
    assert len(set(names)) == 2
    left_out = next(problem.name for problem in asked.problems if problem.name not in names)
    assert all(shown.get(name, 0) <= shown.get(left_out, 0) for name in names)
    for one in drawn:
        problem = asked.problem(one.problem)
        assert problem is not None
        assert sorted(one.row_order) == sorted(problem.ids)


def test_each_row_comes_first_equally_often() -> None:
    asked = parse_design(choosing_kidney_8()).choose_one
    assert asked is not None
    rng = np.random.default_rng(1)
    firsts = Counter(
        one.row_order[0] for _ in range(3_000) for one in draw_tasks(asked, {}, rng) if one.problem != "p03"
    )
    expected = sum(firsts.values()) / 3
    # Five standard deviations.
    assert all(abs(n - expected) < 5 * (expected * 2 / 3) ** 0.5 for n in firsts.values())


def test_a_problem_is_worded_in_the_order_of_its_rows(choosing_design: str) -> None:
    design = worded(parse_design(choosing_design), arm="main", language="en")
    asked = design.choose_one
    assert asked is not None
    problem = asked.problem("p01")
    assert problem is not None
    shown = in_words(asked, problem, (13, 11, 12), indecision="Flip a coin")
    assert shown.resource == (("Blood type", "O"),)
    assert [c.label for c in shown.candidates] == ["Patient 13", "Patient 11", "Patient 12"]
    assert [c.facts for c in shown.candidates] == [("62", ""), ("40", "Yes, she does"), ("51", "No")]


# --- the pages -----------------------------------------------------------------------------------------


def test_after_the_comparisons_the_problems_come_one_by_one(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, "short").agrees()
    assert "After that you will see 2 lists of several patients" in one.text
    one.sends("/begin").goes_on_until('data-page="choosing"')
    assert "Decision 1 of 2" in one.text
    tasks = rows(sqlite_engine, ChoiceTaskRow)
    assert candidates_shown(one) == [*map(str, tasks[0].row_order), "indecision"]
    chosen = tasks[0].row_order[1]
    one.sends("/choose", choice=str(chosen), seconds="0.000")
    assert (one.step, "Decision 2 of 2" in one.text) == ("choosing", True)
    one.sends("/choose", choice="indecision")
    assert one.step == "finished"
    answers = rows(sqlite_engine, ChoiceTaskAnswerRow)
    assert [(a.chosen, a.indecision, a.revision) for a in answers] == [(chosen, False, 1), (None, True, 1)]
    assert answers[0].client_seconds == 0.0
    assert (answers[1].client_seconds, answers[1].client_seconds_problem) == (
        None,
        "not measured (no script)",
    )


def test_looking_at_a_problem_again_changes_nothing(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = first_problem(visit, app)
    before, page = rows(sqlite_engine, ChoiceTaskRow), candidates_shown(one)
    assert candidates_shown(one.reloads()) == page
    after = rows(sqlite_engine, ChoiceTaskRow)
    assert [t.served_at for t in after] == [t.served_at for t in before]
    assert after[1].served_at is None


def test_sending_nothing_shows_the_problem_again_and_says_why(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = first_problem(visit, app).sends("/choose")
    assert one.page.status_code == 422
    assert "Nothing is chosen yet" in one.text
    assert rows(sqlite_engine, ChoiceTaskAnswerRow) == []


@pytest.mark.parametrize("choice", ["99", "-1", "left", "1" * 40, "²"])
def test_nobody_else_can_be_chosen(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, choice: str
) -> None:
    assert first_problem(visit, app).sends("/choose", choice=choice).page.status_code == 400
    assert rows(sqlite_engine, ChoiceTaskAnswerRow) == []


def test_nobody_can_answer_for_somebody_else(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one, other = first_problem(visit, app), first_problem(visit, app)
    one.sends("/choose", choice=candidates_shown(one)[0], task=task_shown(other))
    assert one.page.status_code in (400, 403, 404)
    assert rows(sqlite_engine, ChoiceTaskAnswerRow) == []


def test_what_the_design_says_is_shown_as_text_and_never_as_markup(
    app: Flask,
    visit: Visit,
    sqlite_engine: Engine,
    add_open_study: Callable[..., StudyRow],
    choosing_design: str,
) -> None:
    attack = "<script>alert(1)</script>"
    text = choosing_design
    for plain in ("Who gets it?", "All of them wait.", "Blood type", "Age (years)", "Yes, she does"):
        assert plain in text
        text = text.replace(plain, f"{plain} {attack}")
    text = text.replace('resource = ["O"]', f'resource = ["O {attack}"]')
    text = text.replace(
        "problems_per_respondent = 2", f'problems_per_respondent = 3\ncandidate_label = "{{id}} {attack}"'
    )
    add_open_study(sqlite_engine, text)
    one = first_problem(visit, app)
    seen = 0
    for _ in range(3):
        assert "<script>alert" not in one.page.text
        seen += one.page.text.count("&lt;script&gt;alert(1)")
        one.sends("/choose", choice=candidates_shown(one)[0])
    assert seen > 20


def test_a_problem_sent_twice_keeps_the_first_choice(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = first_problem(visit, app)
    page, shown = one.page, candidates_shown(one)
    one.sends("/choose", choice=shown[0])
    one.page = page
    one.sends("/choose", choice=shown[1])
    assert "You had made that decision already" in one.text
    assert [str(a.chosen) for a in rows(sqlite_engine, ChoiceTaskAnswerRow)] == [shown[0]]
    assert [e.what for e in rows(sqlite_engine, EventRow)].count("choice replayed") == 1


def test_the_last_choice_can_be_changed_and_the_first_one_stays_stored(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = first_problem(visit, app)
    assert 'action="/p/' in one.page.text
    assert "Change my last answer" not in one.text  # Of the comparisons: that step is over.
    shown = candidates_shown(one)
    one.sends("/choose", choice=shown[0]).sends("/change")
    assert candidates_shown(one) == shown
    assert "Choose again" in one.text
    one.sends("/choose", choice="indecision")
    first = rows(sqlite_engine, ChoiceTaskRow)[0]
    assert (first.asked, first.answered) == (2, 2)
    answers = rows(sqlite_engine, ChoiceTaskAnswerRow)
    assert [(a.revision, a.indecision) for a in answers] == [(1, False), (2, True)]


def test_indecision_is_offered_only_where_comparisons_offer_it(
    app: Flask,
    visit: Visit,
    sqlite_engine: Engine,
    add_open_study: Callable[..., StudyRow],
    choosing_design: str,
) -> None:
    text = choosing_design + '\n[[arms]]\nname = "no-coin"\nindecision = false\n'
    add_open_study(sqlite_engine, text)
    one = first_problem(visit, app)
    assert "indecision" not in candidates_shown(one)
    assert one.sends("/choose", choice="indecision").page.status_code == 400


def test_nothing_is_stored_while_the_study_is_paused(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, now: Any
) -> None:
    one = first_problem(visit, app)
    shown = candidates_shown(one)
    with writing(sqlite_engine) as session:
        studies.pause_study(session, studies.find_study(session, "short"), now=now)
    assert one.sends("/choose", choice=shown[0]).step == "paused"
    assert rows(sqlite_engine, ChoiceTaskAnswerRow) == []


def test_every_problem_is_shown_equally_often(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    for _ in range(6):
        visit(app, "short").agrees()
    assert Counter(t.problem for t in rows(sqlite_engine, ChoiceTaskRow)) == {"p01": 4, "p02": 4, "p03": 4}


def test_what_was_chosen_is_counted_checked_and_erased(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, now: Any
) -> None:
    one = first_problem(visit, app)
    one.sends("/choose", choice=candidates_shown(one)[0]).sends("/choose", choice="indecision")
    with reading(sqlite_engine) as session:
        found = studies.find_study(session, "short")
        counts = problem_counts(session, found, simulated=False, wave=1)
        assert [c.problem for c in counts] == ["p01", "p02", "p03"]
        assert sum(c.answered for c in counts) == 2
        assert (sum(c.indecisions for c in counts), sum(c.indecision_offered for c in counts)) == (1, 2)
        assert [f.check for f in examine(session, CHECKS, now=now) if f.broken] == []
    person = rows(sqlite_engine, ParticipantRow)[0]
    with writing(sqlite_engine) as session:
        erased = erasure.erase(session, studies.find_study(session, "short"), person.code, now=now)
    assert erased.answers == 4 + 2
    assert rows(sqlite_engine, ChoiceTaskRow) == rows(sqlite_engine, ChoiceTaskAnswerRow) == []
    with reading(sqlite_engine) as session:
        assert [f.check for f in examine(session, CHECKS, now=now) if f.broken] == []


def test_the_researcher_sees_how_often_each_problem_was_answered(
    app: Flask, visit: Visit, study: StudyRow, secrets: Secrets
) -> None:
    one = first_problem(visit, app)
    one.sends("/choose", choice=candidates_shown(one)[0]).sends("/choose", choice="indecision")
    client = app.test_client()
    client.get(f"/research/?token={secrets.research_token}")
    page = client.get("/research/studies/1/figures").text
    section = page[page.index('<h2 id="problems">') :]
    total = section[section.index("<tfoot>") : section.index("</tfoot>")]
    assert re.findall(r">([^<>]+)<", total) == ["all", "2", "2", "1", "50.0 %"]
    assert "then 2 choices of one among many, of 3 problems" in client.get("/research/studies/1").text


def _other_candidate(answer: ChoiceTaskAnswerRow, task: ChoiceTaskRow) -> None:
    answer.chosen, answer.indecision = 99, False


def _row_lost(answer: ChoiceTaskAnswerRow, task: ChoiceTaskRow) -> None:
    task.row_order = task.row_order[:-1]


def _miscounted(answer: ChoiceTaskAnswerRow, task: ChoiceTaskRow) -> None:
    task.answered = 0


def _moved(answer: ChoiceTaskAnswerRow, task: ChoiceTaskRow) -> None:
    task.position = 7


@pytest.mark.parametrize(
    ("harm", "check"),
    [
        (_other_candidate, "somebody who was shown is chosen"),
        (_row_lost, "lists show the candidates of their problem"),
        (_miscounted, "every answered problem has its choices"),
        (_moved, "problems are drawn as the design says"),
    ],
)
def test_the_doctor_finds_what_cannot_be(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, now: Any, harm: Any, check: str
) -> None:
    one = first_problem(visit, app)
    one.sends("/choose", choice=candidates_shown(one)[0])
    with writing(sqlite_engine) as session:
        answer = session.scalars(select(ChoiceTaskAnswerRow)).one()
        harm(answer, session.get_one(ChoiceTaskRow, answer.choice_task_id))
    with reading(sqlite_engine) as session:
        assert check in [f.check for f in examine(session, CHECKS, now=now) if f.broken]


def test_it_works_on_both_databases(
    engine: Engine, settings: Any, choosing_design: str, visit: Visit, add_open_study: Callable[..., StudyRow]
) -> None:
    from survey.app import create_app

    add_open_study(engine, choosing_design)
    app = create_app(settings, engine)
    one = first_problem(visit, app)
    one.sends("/choose", choice=candidates_shown(one)[0]).sends("/change").sends(
        "/choose", choice="indecision"
    )
    one.sends("/choose", choice=candidates_shown(one)[0])
    assert one.step == "finished"
    with reading(engine) as session:
        person = session.scalars(select(ParticipantRow)).one()
        assert person.state is ParticipantState.FINISHED
        counts = problem_counts(session, studies.find_study(session, "short"), simulated=False, wave=1)
    assert sorted((c.shown, c.answered, c.indecisions) for c in counts) == [(0, 0, 0), (1, 1, 0), (1, 1, 1)]
