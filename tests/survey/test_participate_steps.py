"""Every step of a study that has them all, and every way it ends. With the test client on a real database."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select

from survey.answers import Choice, Role
from survey.config import REHEARSAL_HEADER, Secrets
from survey.db import reading, writing
from survey.design_file import parse_design
from survey.pairing import presentation_count
from survey.store import studies
from survey.tables import (
    AnswerRow,
    EventRow,
    FollowUpRow,
    IdentityRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    StatementRow,
    StudyRow,
)
from survey.web.participate import comparisons, forms, landing

Visit = Callable[..., Any]
AddOpenStudy = Callable[[Engine, str], StudyRow]


@pytest.fixture
def study(sqlite_engine: Engine, add_open_study: AddOpenStudy, quick_complete: str) -> StudyRow:
    return add_open_study(sqlite_engine, quick_complete)


@pytest.fixture
def count(quick_complete: str) -> int:
    return presentation_count(parse_design(quick_complete))


def rows(engine: Engine, table: type) -> list[Any]:
    with reading(engine) as session:
        return list(session.scalars(select(table).order_by(table.id)))


def person(engine: Engine, visitor: Any) -> ParticipantRow:
    with reading(engine) as session:
        return session.scalars(select(ParticipantRow).where(ParticipantRow.token == visitor.token)).one()


def stated(engine: Engine) -> list[tuple[str, str, int, Any]]:
    return [(s.section.value, s.question, s.attempt, s.value) for s in rows(engine, StatementRow)]


def changed(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text, f"the example no longer says {old!r}"
        text = text.replace(old, new)
    return text


# --- the whole way -------------------------------------------------------------------------------------


def test_every_step_comes_in_order_and_is_stored(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, count: int
) -> None:
    one = visit(app)
    seen = [one.step]
    for ending, fields in (
        ("/start", {}),
        ("/consent", {"decision": "agree"}),
        ("/screener", {"adult": "yes", "place": "country"}),
        ("/begin", {}),
        ("/answer", {"choice": "indecision"}),
        ("/comprehension", {"option": "alike"}),
        *[("/answer", {"choice": "left"})] * count,
        (
            "/demographics",
            {
                "age": "43,5",
                "gender": "prefer-not-to-say",
                "ties": ["donor", "health-care"],
                "remarks": " <b>Thank you</b> ",
            },
        ),
    ):
        one.sends(ending, **fields)
        seen.append(one.step)
    assert seen == [
        *("landing", "consenting", "screening", "instructed", "practice", "comprehending"),
        *["comparison"] * count,
        "describing",
        "finished",
    ]
    assert stated(sqlite_engine) == [
        ("screener", "adult", 1, "yes"),
        ("screener", "place", 1, "country"),
        ("comprehension", "comprehension", 1, "alike"),
        ("demographics", "age", 1, 43.5),
        ("demographics", "gender", 1, "prefer-not-to-say"),
        ("demographics", "ties", 1, ["health-care", "donor"]),
        ("demographics", "remarks", 1, "<b>Thank you</b>"),
    ]
    presentations = rows(sqlite_engine, PresentationRow)
    assert sorted(p.position for p in presentations) == list(range(count + 1))
    assert [p.role for p in presentations if p.position == 0] == [Role.PRACTICE]
    assert len(rows(sqlite_engine, AnswerRow)) == count + 1
    whole = person(sqlite_engine, one)
    times = [whole.started_at, whole.consented_at, whole.admitted_at, whole.ended_at]
    assert times == sorted(times)


def test_a_design_without_the_extra_steps_goes_straight_to_the_comparisons(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, one_arm_design: str
) -> None:
    add_open_study(sqlite_engine, one_arm_design)
    one = visit(app, "short").agrees()
    assert one.step == "instructed"
    assert "Show the first comparison" in one.text
    assert one.sends("/begin").step == "comparison"


@pytest.mark.parametrize(
    "step", ["screener", "demographics", "comprehension", "follow-up", "change", "answer"]
)
def test_a_form_of_another_step_stores_nothing_and_shows_where_the_participant_stands(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, step: str
) -> None:
    one = visit(app).is_admitted()
    before = len(rows(sqlite_engine, StatementRow))
    token = re.search(r'name="csrf_token" value="([^"]*)"', one.page.text)
    assert token
    page = one.client.post(
        f"/p/{one.token}/{step}",
        data={
            "csrf_token": token[1],
            "adult": "no",
            "option": "guess",
            "kind": "reason",
            "revision": "1",
            "choice": "left",
        },
        follow_redirects=True,
    )
    assert page.status_code == (
        400 if step == "answer" else 200
    )  # An answer needs a comparison to belong to.
    assert one.reloads().step == "instructed"
    assert len(rows(sqlite_engine, StatementRow)) == before
    assert rows(sqlite_engine, AnswerRow) == []


@pytest.mark.parametrize(
    "form",
    [
        "consent",
        "screener",
        "begin",
        "comprehension",
        "answer",
        "follow-up",
        "change",
        "demographics",
        "return",
    ],
)
def test_a_forms_address_opened_again_shows_where_the_participant_stands(
    app: Flask, visit: Visit, study: StudyRow, form: str
) -> None:
    one = visit(app).is_admitted()
    assert one.opens(f"/p/{one.token}/{form}").step == "instructed"


# --- endings -------------------------------------------------------------------------------------------


def ends(visitor: Any, ending: str) -> Any:
    """Take a new visitor to an ending."""
    if ending == "complete":
        return visitor.has_finished()
    if ending == "declined":
        return visitor.sends("/start").sends("/consent", decision="decline")
    if ending == "screened_out":
        return visitor.is_admitted(adult="no")
    if ending == "withdrawn":
        return visitor.is_answering().wants_to_stop().sends("/stop", wish="keep")
    return visitor.is_admitted()


ENDINGS = {
    "complete": "finished",
    "declined": "declined",
    "screened_out": "screened_out",
    "quota_full": "quota_full",
    "withdrawn": "withdrawn",
}


@pytest.mark.parametrize(("ending", "state"), ENDINGS.items())
def test_every_ending_has_its_own_code_and_way_on(
    app: Flask,
    visit: Visit,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    quick_complete: str,
    ending: str,
    state: str,
) -> None:
    if ending == "quota_full":
        quick_complete = quick_complete.replace("[quotas]\nmost = 1000", "[quotas]\nmost = 1")
    add_open_study(sqlite_engine, quick_complete)
    if ending == "quota_full":
        visit(app).is_admitted()
    one = ends(visit(app), ending)
    code = f"KIDNEY-{ending.upper().replace('_', '-')}"
    assert one.step == state
    assert one.code == code
    assert f'href="https://example.org/back?code={code}"' in one.page.text
    assert person(sqlite_engine, one).state.value == state
    assert person(sqlite_engine, one).ended_at is not None
    assert one.reloads().code == code
    for step, fields in (("consent", {"decision": "agree"}), ("begin", {})):
        fields["csrf_token"] = re.search(
            r'csrf_token" value="([^"]*)"', one.client.get(f"/p/{one.token}/stop").text
        )[1]  # type: ignore[index]
        one.client.post(f"/p/{one.token}/{step}", data=fields)
    assert one.reloads().step == state


def test_without_codes_of_the_design_every_ending_and_person_has_another(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, quick_complete: str
) -> None:
    text = re.sub(r"\[endings\.\w+\]\n(?:(?:code|link) = .*\n)+", "", quick_complete)
    text = text.replace("[quotas]\nmost = 1000", "[quotas]\nmost = 4")
    add_open_study(sqlite_engine, text)
    codes = [ends(visit(app), ending).code for ending in [*ENDINGS, *ENDINGS] if ending != "quota_full"]
    # Both complete ones hold a slot, both withdrawn ones gave theirs back: two more are admitted, none after that.
    for _ in range(2):
        visit(app).is_admitted()
    full = visit(app).is_admitted()
    assert full.step == "quota_full"
    codes.append(full.code)
    assert [code[0] for code in codes] == ["C", "D", "S", "W", "C", "D", "S", "W", "Q"]
    assert len(set(codes)) == len(codes)
    assert "Go back to where you came from" not in full.text


def test_the_words_of_the_design_stand_on_its_endings(app: Flask, visit: Visit, study: StudyRow) -> None:
    assert "You have decided not to take part." in ends(visit(app), "declined").text
    assert "this study is not meant for you" in ends(visit(app), "screened_out").text
    assert "You have left the study." in ends(visit(app), "withdrawn").text


# --- quotas --------------------------------------------------------------------------------------------


def test_a_full_cell_turns_away_only_who_belongs_to_it(
    app: Flask, visit: Visit, sqlite_engine: Engine, add_open_study: AddOpenStudy, quick_complete: str
) -> None:
    text = changed(quick_complete, ('option = "city"\nmost = 1000', 'option = "city"\nmost = 1'))
    add_open_study(sqlite_engine, text)
    steps = [visit(app).is_admitted(place=place).step for place in ("city", "city", "country", "country")]
    assert steps == ["instructed", "quota_full", "instructed", "instructed"]


def test_a_slot_that_is_left_alone_is_given_to_somebody_else_and_who_held_it_may_still_finish(
    app: Flask,
    visit: Visit,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    quick_complete: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_open_study(sqlite_engine, changed(quick_complete, ("[quotas]\nmost = 1000", "[quotas]\nmost = 1")))
    clock = [datetime.now(UTC)]
    for module in (landing, forms, comparisons):
        monkeypatch.setattr(module, "now", lambda: clock[0])
    first = visit(app).is_answering()
    clock[0] += timedelta(minutes=59)
    assert visit(app).is_admitted().step == "quota_full"
    clock[0] += timedelta(minutes=2)
    assert visit(app).is_admitted().step == "instructed"
    assert first.goes_on_until('data-page="describing"').sends("/demographics").step == "finished"


# --- forms ---------------------------------------------------------------------------------------------


def test_a_screener_with_gaps_is_shown_again_with_what_was_filled_in(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app).agrees().sends("/screener", place="city")
    assert one.page.status_code == 422
    assert "One answer needs another look. Everything else you filled in is still there." in one.text
    assert one.text.count("Please answer this question.") == 1
    assert re.search(r'name="place" value="city" checked', one.page.text)
    assert stated(sqlite_engine) == []
    assert (
        one.sends("/screener", adult="perhaps", place="city").text.count("Please choose one of the answers.")
        == 1
    )
    assert one.sends("/screener", adult="yes", place="city").step == "instructed"


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ("twelve", "Please write a number from 18 to 120."),
        ("17", "Please write a number from 18 to 120."),
        ("121", "Please write a number from 18 to 120."),
        ("nan", "Please write a number from 18 to 120."),
    ],
)
def test_a_number_that_cannot_be_is_asked_for_again_and_the_rest_is_kept(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, sent: str, says: str
) -> None:
    one = visit(app).is_describing()
    one.sends("/demographics", age=sent, gender="woman", ties=["donor"], remarks='"Quoted" </textarea><b>')
    assert one.page.status_code == 422
    assert says in one.text
    assert f'value="{sent}"' in one.page.text
    assert 'value="woman" checked' in one.page.text
    assert 'value="donor" checked' in one.page.text
    assert "&#34;Quoted&#34; &lt;/textarea&gt;&lt;b&gt;" in one.page.text
    assert not [s for s in stated(sqlite_engine) if s[0] == "demographics"]
    assert one.reloads().step == "describing"


def test_everything_about_oneself_may_be_left_out_or_not_be_said(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    assert visit(app).is_describing().sends("/demographics").step == "finished"
    assert not [s for s in stated(sqlite_engine) if s[0] == "demographics"]
    silent = visit(app).is_describing()
    questions = re.findall(r'<fieldset class="asked" id="question-\d+"', silent.page.text)
    declines = re.findall(r'name="(\w+)" value="prefer-not-to-say"', silent.page.text)
    assert len(declines) == len(questions) == 5
    silent.sends("/demographics", **{name: ["prefer-not-to-say", "42"] for name in declines})
    said = [s[3] for s in stated(sqlite_engine) if s[0] == "demographics"]
    assert said == ["prefer-not-to-say"] * 5


def test_the_demographics_are_stored_once_however_often_they_are_sent(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app).is_describing()
    form = one.page
    one.sends("/demographics", age="43")
    one.page = form
    assert one.sends("/demographics", age="44").step == "finished"
    assert [s[3] for s in stated(sqlite_engine) if s[1] == "age"] == [43]


# --- comprehension -------------------------------------------------------------------------------------


def test_a_wrong_answer_about_the_instructions_is_explained_and_asked_once_more(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app).is_asked()
    assert "Please assume" not in one.text
    one.sends("/comprehension", option="guess")
    assert one.step == "comprehending"
    assert "Please assume that the two patients are alike in everything that is not shown." in one.text
    assert one.sends("/comprehension", option="alike").step == "comparison"
    assert [s[2:] for s in stated(sqlite_engine) if s[0] == "comprehension"] == [(1, "guess"), (2, "alike")]


@pytest.mark.parametrize(("screens_out", "step"), [("false", "comparison"), ("true", "screened_out")])
def test_who_never_understands_goes_on_or_is_sent_away_as_the_design_says(
    app: Flask,
    visit: Visit,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    quick_complete: str,
    screens_out: str,
    step: str,
) -> None:
    text = changed(quick_complete, ("attempts = 2", f"attempts = 2\nscreens_out = {screens_out}"))
    add_open_study(sqlite_engine, text)
    one = (
        visit(app).is_asked().sends("/comprehension", option="guess").sends("/comprehension", option="unlike")
    )
    assert one.step == step
    assert [s[2:] for s in stated(sqlite_engine) if s[0] == "comprehension"] == [(1, "guess"), (2, "unlike")]


def test_an_answer_that_the_question_does_not_offer_is_refused(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app).is_asked().sends("/comprehension", option="both")
    assert one.page.status_code == 400
    assert not [s for s in stated(sqlite_engine) if s[0] == "comprehension"]


# --- follow-ups of an indecision -----------------------------------------------------------------------


def said(engine: Engine) -> list[tuple[str, str]]:
    return [(f.kind.value, f.value) for f in rows(engine, FollowUpRow)]


def test_an_indecision_is_followed_by_a_reason_and_a_strict_choice(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app).is_answering().sends("/answer", choice="indecision")
    assert one.step == "follow_up_reason"
    asked = one.page
    assert one.sends("/follow-up", value="too-close").step == "follow_up_strict"
    strict = one.page
    assert one.sends("/follow-up", value="right").step == "comparison"
    assert "Comparison 2 of" in one.text
    for page, value in ((asked, "other"), (strict, "left")):
        one.page = page
        assert one.sends("/follow-up", value=value).step == "comparison"
    assert said(sqlite_engine) == [("reason", "too-close"), ("strict", "right")]
    (answer,) = [a for a in rows(sqlite_engine, AnswerRow) if a.choice is Choice.INDECISION]
    assert answer.revision == 1, "the strict choice is kept apart: the answer stays an indecision"


def test_a_reason_may_be_left_out(app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine) -> None:
    one = visit(app).is_answering().sends("/answer", choice="indecision").sends("/follow-up", value="")
    assert one.step == "follow_up_strict"
    assert said(sqlite_engine) == [("reason", "")]


@pytest.mark.parametrize("value", ["left", "none-of-these"])
def test_a_reason_that_was_not_offered_is_refused(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, value: str
) -> None:
    one = visit(app).is_answering().sends("/answer", choice="indecision").sends("/follow-up", value=value)
    assert one.page.status_code == 400
    assert said(sqlite_engine) == []


def test_a_decided_answer_is_followed_by_the_next_comparison(
    app: Flask, visit: Visit, study: StudyRow
) -> None:
    one = visit(app).is_answering().sends("/answer", choice="right")
    assert one.step == "comparison"
    assert "Comparison 2 of" in one.text


def test_reasons_stand_in_an_order_of_each_participants_own(
    app: Flask, visit: Visit, study: StudyRow
) -> None:
    orders = set()
    for _ in range(4):
        one = visit(app).is_answering().sends("/answer", choice="indecision")
        order = tuple(re.findall(r'name="value" value="([\w-]*)"', one.page.text))
        assert order == tuple(re.findall(r'name="value" value="([\w-]*)"', one.reloads().page.text))
        assert order[-1] == "", "going on without a reason comes last"
        orders.add(order)
    assert len(orders) > 1
    assert len({frozenset(order) for order in orders}) == 1


# --- changing the last answer --------------------------------------------------------------------------


def revisions(engine: Engine) -> list[tuple[int, int, str]]:
    with reading(engine) as session:
        found = session.execute(
            select(PresentationRow.position, AnswerRow.revision, AnswerRow.choice)
            .join(AnswerRow, AnswerRow.presentation_id == PresentationRow.id)
            .where(PresentationRow.position > 0)
            .order_by(AnswerRow.id)
        )
        return [(position, revision, choice.value) for position, revision, choice in found]


def test_only_the_last_answer_can_be_changed_and_each_answer_is_kept(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app).is_answering()
    assert "Change my last answer" not in one.text
    one.sends("/answer", choice="left").sends("/answer", choice="left")
    page = one.page
    one.sends("/change")
    assert "Comparison 2 of" in one.text
    assert "Choose again" in one.text
    assert "Change my last answer" not in one.text
    one.page = page
    assert "Comparison 2 of" in one.sends("/change").text, "pressed twice it asks once"
    one.sends("/answer", choice="right")
    assert "Comparison 3 of" in one.text
    assert revisions(sqlite_engine) == [(1, 1, "left"), (2, 1, "left"), (2, 2, "right")]


def test_the_last_answer_can_be_changed_until_the_end_and_not_after(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, count: int
) -> None:
    one = visit(app).is_describing().sends("/change")
    assert f"Comparison {count} of {count}" in one.text
    describing = one.sends("/answer", choice="right").page
    assert one.step == "describing"
    assert revisions(sqlite_engine)[-2:] == [(count, 1, "left"), (count, 2, "right")]
    one.sends("/demographics")
    one.page = describing
    assert one.sends("/change").step == "finished"


def test_an_answer_changed_to_an_indecision_is_followed_up_and_one_changed_from_it_no_more(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app).is_answering().sends("/answer", choice="left").sends("/change")
    one.sends("/answer", choice="indecision")
    assert one.step == "follow_up_reason"
    one.sends("/follow-up", value="other").sends("/follow-up", value="left").sends("/change")
    assert one.sends("/answer", choice="right").step == "comparison"
    assert "Comparison 2 of" in one.text
    assert [choice for *_, choice in revisions(sqlite_engine)] == ["left", "indecision", "right"]
    assert said(sqlite_engine) == [("reason", "other"), ("strict", "left")]


def test_a_page_from_before_the_change_is_told_that_its_answer_stands(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app).is_answering()
    stale = one.page
    one.sends("/answer", choice="left").sends("/change")
    one.page = stale
    one.sends("/answer", choice="right")
    assert "You had answered that comparison already" in one.text
    assert "Choose again" in one.text
    assert revisions(sqlite_engine) == [(1, 1, "left")]


# --- once, and only one's own --------------------------------------------------------------------------


def test_start_pressed_twice_makes_one_participant(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app)
    landing = one.page
    first = one.sends("/start").path
    one.page = landing
    assert one.sends("/start").path == first
    assert len(rows(sqlite_engine, ParticipantRow)) == 1
    again = one.opens("/s/kidney-complete")
    assert "You have started this study in this browser." in again.text
    assert again.sends("/start").path != first, "another person at the same machine"
    assert len(rows(sqlite_engine, ParticipantRow)) == 2


def test_a_comparison_of_another_participant_is_refused(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one, other = visit(app).is_answering(), visit(app).is_answering()
    before = len(rows(sqlite_engine, AnswerRow))
    found = re.search(r'name="presentation" value="([^"]*)"', other.page.text)
    assert found
    assert one.sends("/answer", choice="left", presentation=found[1]).page.status_code == 400
    assert len(rows(sqlite_engine, AnswerRow)) == before
    for visitor in (one, other):
        assert "Comparison 1 of" in visitor.reloads().text


@pytest.mark.parametrize("revision", ["0", "2", "999", "-1", "1.0", "one", "", "٣"])
def test_an_answer_that_was_not_asked_for_is_refused(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, revision: str
) -> None:
    one = visit(app).is_answering().sends("/answer", choice="left", revision=revision)
    assert one.page.status_code == 400
    assert revisions(sqlite_engine) == []


# --- stopping ------------------------------------------------------------------------------------------


def test_who_stops_keeps_a_code_and_the_answers_stay(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app).is_answering().sends("/answer", choice="left").wants_to_stop()
    assert one.step == "stop"
    assert person(sqlite_engine, one).state is ParticipantState.ANSWERING, "looking at the page stops nothing"
    one.sends("/stop", wish="keep")
    assert one.step == "withdrawn"
    assert revisions(sqlite_engine) == [(1, 1, "left")]
    assert "Have everything I said deleted" in one.text


@pytest.mark.parametrize("finished", [False, True])
def test_who_wants_everything_deleted_leaves_nothing(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, finished: bool
) -> None:
    one = visit(app, query="?PROLIFIC_PID=5f3c1a2b9d8e")
    one = one.has_finished() if finished else one.is_answering().sends("/answer", choice="indecision")
    address, token = one.path, one.token
    assert rows(sqlite_engine, IdentityRow)
    one.wants_to_stop().sends("/stop", wish="erase")
    assert one.step == "erased"
    assert one.code == "KIDNEY-WITHDRAWN"
    assert 'href="https://example.org/back?code=KIDNEY-WITHDRAWN"' in one.page.text
    for table in (AnswerRow, FollowUpRow, PresentationRow, StatementRow, IdentityRow):
        assert rows(sqlite_engine, table) == []
    (gone,) = rows(sqlite_engine, ParticipantRow)
    assert gone.state is ParticipantState.ERASED
    assert gone.token != token
    assert not [e for e in rows(sqlite_engine, EventRow) if e.participant_id is not None]
    assert one.opens(address).page.status_code == 404
    assert "You have started this study" not in one.opens("/s/kidney-complete").text


@pytest.mark.parametrize("wish", ["", "both"])
def test_a_wish_that_the_page_does_not_offer_stops_nothing(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, wish: str
) -> None:
    one = visit(app).is_answering()
    token = one.token
    assert one.wants_to_stop().sends("/stop", wish=wish).page.status_code == 400
    assert one.opens(f"/p/{token}").step == "comparison"


# --- pausing -------------------------------------------------------------------------------------------


@pytest.fixture
def pause(sqlite_engine: Engine, study: StudyRow, now: datetime) -> Callable[[], None]:
    def pause_study() -> None:
        with writing(sqlite_engine) as session:
            studies.pause_study(session, session.get_one(StudyRow, study.id), now=now)

    return pause_study


@pytest.fixture
def go_on(sqlite_engine: Engine, study: StudyRow, now: datetime) -> Callable[[], None]:
    def open_again() -> None:
        with writing(sqlite_engine) as session:
            studies.open_study(session, session.get_one(StudyRow, study.id), now=now)

    return open_again


def test_while_a_study_is_paused_nothing_is_stored_and_every_place_is_kept(
    app: Flask,
    visit: Visit,
    sqlite_engine: Engine,
    pause: Callable[[], None],
    go_on: Callable[[], None],
) -> None:
    screening, answering, describing = (
        visit(app).agrees(),
        visit(app).is_answering(),
        visit(app).is_describing(),
    )
    undecided = visit(app).is_answering().sends("/answer", choice="indecision")
    new = visit(app)
    pause()
    before = [
        len(rows(sqlite_engine, table)) for table in (AnswerRow, StatementRow, FollowUpRow, ParticipantRow)
    ]
    sent = (
        (screening, "/screener", {"adult": "yes", "place": "city"}, "screening"),
        (answering, "/answer", {"choice": "left"}, "comparison"),
        (undecided, "/follow-up", {"value": "other"}, "follow_up_reason"),
        (describing, "/demographics", {"age": "43"}, "describing"),
    )
    for one, ending, fields, _ in sent:
        assert one.sends(ending, **fields).step == "paused"
    assert "This study is paused." in new.sends("/start").text
    assert [
        len(rows(sqlite_engine, table)) for table in (AnswerRow, StatementRow, FollowUpRow, ParticipantRow)
    ] == before
    go_on()
    for one, _, _, step in sent:
        assert one.reloads().step == step


@pytest.mark.parametrize(("wish", "step"), [("keep", "withdrawn"), ("erase", "erased")])
def test_stopping_is_possible_also_while_the_study_is_paused(
    app: Flask, visit: Visit, pause: Callable[[], None], wish: str, step: str
) -> None:
    one = visit(app).is_answering()
    pause()
    assert "Stop taking part" in one.reloads().text
    assert one.wants_to_stop().sends("/stop", wish=wish).step == step


# --- waves ---------------------------------------------------------------------------------------------


@pytest.fixture
def open_next_wave(sqlite_engine: Engine, study: StudyRow, now: datetime) -> Callable[[], None]:
    def open_wave() -> None:
        with writing(sqlite_engine) as session:
            studies.open_next_wave(session, session.get_one(StudyRow, study.id), now=now)

    return open_wave


def test_who_has_finished_returns_for_the_next_wave_by_the_own_link(
    app: Flask,
    visit: Visit,
    study: StudyRow,
    sqlite_engine: Engine,
    open_next_wave: Callable[[], None],
    count: int,
) -> None:
    one = visit(app).has_finished()
    assert "invited to take part once more" not in one.text
    first = one.path
    open_next_wave()
    assert "You are invited to take part once more." in one.reloads().text
    invitation = one.page
    second = one.sends("/return").path
    assert second != first
    assert "Taking part again" in one.text
    one.page = invitation
    assert one.sends("/return").path == second, "pressed twice it begins one"
    seen = [one.step]
    one.sends("/consent", decision="agree")
    seen.append(one.step)
    one.sends("/begin")
    for _ in range(count):
        seen.append(one.step)
        one.sends("/answer", choice="right")
    assert seen == ["consenting", "instructed", *["comparison"] * count]
    assert one.step == "finished"
    before, after = rows(sqlite_engine, ParticipantRow)
    assert (before.code, before.arm, before.wave) == (after.code, after.arm, 1)
    assert (after.wave, after.previous_id) == (2, before.id)
    main = [
        {
            frozenset((p.left_profile, p.right_profile))
            for p in rows(sqlite_engine, PresentationRow)
            if p.participant_id == wave.id and p.role is Role.MAIN
        }
        for wave in (before, after)
    ]
    assert main[0] == main[1], "the design asks the same comparisons again"
    one.opens(first)
    assert one.step == "finished"
    assert "Go to where you stand when taking part again" in one.text


def test_the_landing_page_leads_a_returning_browser_on(
    app: Flask, visit: Visit, study: StudyRow, open_next_wave: Callable[[], None]
) -> None:
    one = visit(app).has_finished()
    link = one.path
    assert "Go on where you were" not in one.opens("/s/kidney-complete").text
    open_next_wave()
    one.opens("/s/kidney-complete")
    assert "Go on where you were" in one.text
    assert f'href="{link}"' in one.page.text


def test_a_later_wave_is_for_those_of_the_wave_before(
    app: Flask,
    visit: Visit,
    study: StudyRow,
    sqlite_engine: Engine,
    open_next_wave: Callable[[], None],
) -> None:
    unfinished = visit(app).is_answering()
    open_next_wave()
    assert unfinished.reloads().step == "comparison"
    stranger = visit(app).sends("/start")
    assert stranger.step == "not_invited"
    assert "Nothing was stored." in stranger.text
    assert len(rows(sqlite_engine, ParticipantRow)) == 1


# --- languages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "accepted", "language"),
    [
        ("", None, "en"),
        ("", "de-AT,de;q=0.9,en;q=0.5", "de"),
        ("", "fr", "en"),
        ("?lang=de", "en", "de"),
        ("?lang=en", "de", "en"),
        ("?lang=fr", "de", "de"),
    ],
)
def test_the_language_is_the_one_asked_for_else_the_browsers_else_the_designs(
    app: Flask, study: StudyRow, query: str, accepted: str | None, language: str
) -> None:
    headers = {"Accept-Language": accepted} if accepted else {}
    page = app.test_client().get(f"/s/kidney-complete{query}", headers=headers)
    assert f'<html lang="{language}" dir="ltr">' in page.text
    words = {"en": "Who should get the kidney?", "de": "Wer soll die Niere bekommen?"}
    assert words[language] in page.text
    assert ("Beginnen" in page.text) == (language == "de")


def test_everything_is_in_the_language_that_was_chosen(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, query="?lang=de").is_answering()
    assert "Vergleich 1 von" in one.text
    assert "Welche Person soll die Niere bekommen?" in one.text
    one.sends("/answer", choice="indecision")
    assert "Was kommt Ihrem Grund am nächsten?" in one.text
    assert person(sqlite_engine, one).language == "de"
    assert {p.language for p in rows(sqlite_engine, PresentationRow)} == {"de"}
    one.sends("/follow-up", value="").sends("/follow-up", value="left")
    one.goes_on_until('data-page="describing"').sends("/demographics", age="12")
    assert "Bitte schreiben Sie eine Zahl von 18 bis 120." in one.text
    one.wants_to_stop().sends("/stop", wish="erase")
    assert "Alle Ihre Angaben sind gelöscht" in one.text


def test_a_language_that_the_study_does_not_have_is_refused(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    assert visit(app).sends("/start", language="fr").page.status_code == 400
    assert rows(sqlite_engine, ParticipantRow) == []


# --- rehearsals ----------------------------------------------------------------------------------------


def test_a_simulated_participant_reads_on_every_page_that_it_is_a_rehearsal(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, secrets: Secrets, count: int
) -> None:
    one = visit(app)
    one.client.environ_base[f"HTTP_{REHEARSAL_HEADER.upper().replace('-', '_')}"] = secrets.rehearsal_token
    one.opens("/s/kidney-complete").sends("/start")
    said_so = 0
    for ending, fields in (
        ("/consent", {"decision": "agree"}),
        ("/screener", {"adult": "yes", "place": "city"}),
        ("/begin", {}),
        ("/answer", {"choice": "left"}),
        ("/comprehension", {"option": "alike"}),
        *[("/answer", {"choice": "left"})] * count,
        ("/demographics", {}),
    ):
        assert "Rehearsal: nothing here counts as an answer of a person." in one.text
        said_so += 1
        one.sends(ending, **fields)
    assert one.step == "finished"
    assert said_so == count + 6
    with reading(sqlite_engine) as session:
        assert session.scalars(select(func.count()).where(ParticipantRow.simulated)).one() == 1
