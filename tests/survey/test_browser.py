"""The survey in a real Chromium: by mouse, by keyboard, by touch, without JavaScript; twice, back, in two tabs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Locator, Page
from sqlalchemy import Engine, func, select

from survey.answers import Choice
from survey.app import create_app
from survey.config import load_settings
from survey.db import make_engine, reading
from survey.design_file import parse_design
from survey.pairing import presentation_count
from survey.serving import served_in_background
from survey.tables import (
    AnswerRow,
    AttributePageAnswerRow,
    AttributePageRow,
    FollowUpRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    StudyRow,
    SuggestionRow,
)

pytestmark = pytest.mark.browser

# Our script takes nothing for an answer that comes quicker than anybody can read.
READING_MILLISECONDS = 300


@pytest.fixture(scope="module")
def count(quick_complete: str) -> int:
    return presentation_count(parse_design(quick_complete))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("browsed")
    shutil.copy(migrated_file, folder / "equipoise.sqlite")
    engine = make_engine(f"sqlite:///{folder / 'equipoise.sqlite'}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def app(
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
    add_open_study: Callable[[Engine, str], StudyRow],
    quick_complete: str,
    asking_design: str,
) -> Flask:
    add_open_study(engine, quick_complete)
    add_open_study(engine, asking_design)
    settings = load_settings({}, state_dir=tmp_path_factory.mktemp("state"), log_level="error")
    return create_app(settings, engine)


@pytest.fixture(scope="module")
def address(app: Flask) -> Iterator[str]:
    with served_in_background(app) as url:
        yield f"{url}/s/kidney-complete"


@pytest.fixture
def first_comparison(app: Flask, address: str, visit: Callable[..., Any]) -> str:
    """Address of a new participant at the first comparison, taken there without a browser."""
    return urljoin(address, visit(app).is_answering().path)


@pytest.fixture
def open_browser(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page in a browser with cookies of its own."""
    contexts: list[BrowserContext] = []

    def open_page(**window: Any) -> Page:
        contexts.append(chromium.new_context(**{"viewport": {"width": 1280, "height": 800}} | window))
        return contexts[-1].new_page()

    yield open_page
    for context in contexts:
        context.close()


class Taker:
    """Takes the survey in a browser, one page after the other, by mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.seen: list[str] = []
        self.problems: list[str] = []
        page.on("console", lambda said: self.problems.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def name(self) -> str:
        return str(self.page.locator("body").get_attribute("data-page"))

    def button(self, words: str) -> Locator:
        return self.page.get_by_role("button", name=words, exact=True)

    def reads(self) -> None:
        self.page.wait_for_timeout(READING_MILLISECONDS)

    def activates(self, control: Locator) -> None:
        control.click()

    def picks(self, question: str, option: str) -> None:
        self.activates(self.page.get_by_role("group", name=question).get_by_label(option))

    def writes(self, name: str, text: str) -> None:
        field = self.page.locator(f"[name={name}]").first
        self.activates(field)
        field.press_sequentially(text)

    def puts_in_place(self, name: str, place: int) -> None:
        self.page.locator(f"[name=place-{name}]").select_option(str(place))

    def goes_on(self, control: Locator) -> None:
        """Activate what leads to the next page."""
        with self.page.expect_navigation():
            self.activates(control)

    def answers(self, choice: Choice) -> None:
        self.goes_on(self.page.locator(f".choice[value={choice.value}]"))

    def takes_a_step(self, choice: Choice = Choice.LEFT) -> None:
        self.reads()
        name = self.name()
        self.seen.append(name)
        match name:
            case "landing":
                self.goes_on(self.button("Start"))
            case "consenting":
                self.goes_on(self.button("I agree to take part"))
            case "screening":
                self.picks("Are you 18 years old or older?", "Yes")
                self.picks("Where do you live?", "In a small town or in the country")
                self.goes_on(self.button("Go on"))
            case "instructed":
                self.goes_on(self.button("Try one for practice"))
            case "practice" | "comparison":
                self.answers(choice)
            case "comprehending":
                self.goes_on(self.button("The two patients are alike in it"))
            case "follow_up_reason":
                self.goes_on(self.button("It is too close to call"))
            case "follow_up_strict":
                self.goes_on(self.button("Patient B"))
            case "describing":
                self.writes("age", "43")
                self.picks("Which describes you best?", "Prefer not to say")
                self.goes_on(self.button("Finish"))
            case _:
                raise AssertionError(f"no way on from '{name}': {self.page.inner_text('main')}")

    def goes_to(self, name: str) -> None:
        """Take steps until a page is reached."""
        for _ in range(40):
            if self.name() == name:
                return
            self.takes_a_step()
        raise AssertionError(f"never came to '{name}', but to {self.seen}")

    def finishes(self, choices: list[Choice]) -> None:
        """Take the whole survey; the choices are those of the comparisons in order."""
        waiting = iter(choices)
        while self.name() != "finished":
            self.takes_a_step(next(waiting) if self.name() == "comparison" else Choice.RIGHT)
        assert next(waiting, None) is None


class KeyboardTaker(Taker):
    """Takes the survey with Tab, Enter, Space and the arrows only."""

    def activates(self, control: Locator) -> None:
        wanted = control.element_handle()
        for _ in range(60):
            if self.page.evaluate("wanted => document.activeElement === wanted", wanted):
                # Enter on a radio button would send the form; on a field it would, too.
                is_button = control.evaluate("one => one.matches('button, a')")
                self.page.keyboard.press(
                    "Enter" if is_button else "Space" if self._is_box(control) else "End"
                )
                return
            inside = self.page.evaluate(
                "wanted => wanted.type === 'radio' && document.activeElement.name === wanted.name", wanted
            )
            self.page.keyboard.press("ArrowDown" if inside else "Tab")
        raise AssertionError(f"the focus never came to {control}")

    def answers(self, choice: Choice) -> None:
        place = [Choice.LEFT, Choice.INDECISION, Choice.RIGHT].index(choice)
        by_number = len(self.seen) % 2
        key = str(place + 1) if by_number else ["ArrowLeft", "ArrowDown", "ArrowRight"][place]
        with self.page.expect_navigation():
            self.page.keyboard.press(key)

    def puts_in_place(self, name: str, place: int) -> None:
        self.activates(self.page.locator(f"[name=place-{name}]"))
        self.page.keyboard.press(str(place))

    @staticmethod
    def _is_box(control: Locator) -> bool:
        return bool(control.evaluate("one => one.type === 'radio' || one.type === 'checkbox'"))


class TouchTaker(Taker):
    """Takes the survey with a finger."""

    def activates(self, control: Locator) -> None:
        control.tap()


def token_of(page: Page) -> str:
    found = re.search(r"/p/([^/?]+)", page.url)
    assert found, f"{page.url} is no participant's address"
    return found[1]


def participant(engine: Engine, page: Page) -> ParticipantRow:
    with reading(engine) as session:
        return session.scalars(select(ParticipantRow).where(ParticipantRow.token == token_of(page))).one()


def answers(engine: Engine, page: Page) -> list[AnswerRow]:
    """Return every answer that the participant of this page gave, in order, the practice left out."""
    with reading(engine) as session:
        return list(
            session.scalars(
                select(AnswerRow)
                .join(PresentationRow)
                .where(
                    PresentationRow.participant_id == participant(engine, page).id,
                    PresentationRow.position > 0,
                )
                .order_by(AnswerRow.id)
            )
        )


def count_participants(engine: Engine) -> int:
    with reading(engine) as session:
        return session.scalars(select(func.count()).select_from(ParticipantRow)).one()


LEFT, UNDECIDED, RIGHT = Choice.LEFT, Choice.INDECISION, Choice.RIGHT


@pytest.mark.parametrize(
    ("taker", "window", "inputs", "problem"),
    [
        (Taker, {}, {"mouse"}, ""),
        (KeyboardTaker, {}, {"keyboard"}, ""),
        (
            TouchTaker,
            {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True},
            {"touch"},
            "",
        ),
        (
            TouchTaker,
            {
                "viewport": {"width": 320, "height": 640},
                "has_touch": True,
                "is_mobile": True,
                "java_script_enabled": False,
            },
            set(),
            "not measured (no script)",
        ),
    ],
    ids=["mouse", "keyboard", "touch", "without JavaScript"],
)
def test_a_whole_survey(
    open_browser: Callable[..., Page],
    address: str,
    count: int,
    engine: Engine,
    taker: type[Taker],
    window: dict[str, Any],
    inputs: set[str],
    problem: str,
) -> None:
    choices = [LEFT, UNDECIDED, RIGHT] + [(LEFT, RIGHT)[i % 2] for i in range(count - 3)]
    person = taker(open_browser(**window))
    if not window.get("java_script_enabled", True):
        person.reads = lambda: None  # type: ignore[method-assign]  # Nothing waits for it.
    person.page.goto(address)
    person.finishes(choices)
    assert person.seen == [
        *("landing", "consenting", "screening", "instructed", "practice", "comprehending"),
        *("comparison", "comparison", "follow_up_reason", "follow_up_strict"),
        *["comparison"] * (count - 2),
        "describing",
    ]
    assert person.page.locator("#completion-code").inner_text() == "KIDNEY-COMPLETE"
    way_on = person.page.get_by_role("link", name="Go back to where you came from")
    assert way_on.get_attribute("href") == "https://example.org/back?code=KIDNEY-COMPLETE"
    assert participant(engine, person.page).state is ParticipantState.FINISHED
    stored = answers(engine, person.page)
    assert [a.choice for a in stored] == choices
    assert {a.client_seconds_problem for a in stored} == {problem}
    assert {a.client.get("input") for a in stored} - {None} == inputs
    assert all((a.client_seconds is None) == bool(problem) for a in stored)
    assert all(
        0.25 <= a.client_seconds <= a.server_seconds + 1 for a in stored if a.client_seconds is not None
    )
    with reading(engine) as session:
        said = session.execute(
            select(FollowUpRow.kind, FollowUpRow.value)
            .where(FollowUpRow.answer_id.in_([a.id for a in stored]))
            .order_by(FollowUpRow.id)
        ).all()
    assert [(kind.value, value) for kind, value in said] == [("reason", "too-close"), ("strict", "right")]
    assert person.problems == []


def test_the_answers_stand_under_the_patients_and_fit_the_smallest_phone(
    open_browser: Callable[..., Page], first_comparison: str
) -> None:
    person = TouchTaker(open_browser(viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True))
    person.page.goto(first_comparison)
    buttons = [person.page.locator(".choice").nth(i).bounding_box() for i in range(3)]
    columns = [person.page.locator("thead > tr > *").nth(i).bounding_box() for i in range(3)]
    assert len({(round(b["width"]), round(b["height"]), round(b["y"])) for b in buttons if b}) == 1
    for button, column in zip(buttons, columns, strict=True):
        assert button is not None
        assert column is not None
        assert min(button["height"], button["width"]) >= 44
        assert button["x"] == pytest.approx(column["x"], abs=1)
        assert button["width"] == pytest.approx(column["width"], abs=1)
        assert button["x"] >= 0
        assert button["x"] + button["width"] <= 320
        assert button["y"] + button["height"] <= 640


def test_shortcuts_that_are_switched_off_do_nothing_and_stay_off(
    open_browser: Callable[..., Page], first_comparison: str, engine: Engine
) -> None:
    person = KeyboardTaker(open_browser())
    person.page.goto(first_comparison)
    person.activates(person.button("Switch keyboard shortcuts off"))
    assert person.page.evaluate("document.activeElement.textContent") == "Switch keyboard shortcuts on"
    for _ in range(2):
        person.reads()
        for key in ("1", "2", "3", "ArrowLeft", "ArrowDown", "ArrowRight"):
            person.page.keyboard.press(key)
        person.reads()
        given = len(answers(engine, person.page))
        with person.page.expect_navigation():
            person.activates(person.button("Patient B"))
    assert given == 1
    person.activates(person.button("Switch keyboard shortcuts on"))
    person.reads()
    person.answers(Choice.LEFT)
    assert [a.choice for a in answers(engine, person.page)] == [RIGHT, RIGHT, LEFT]


def test_a_double_click_on_start_makes_one_participant_who_has_agreed_to_nothing(
    open_browser: Callable[..., Page], address: str, engine: Engine
) -> None:
    before = count_participants(engine)
    person = Taker(open_browser())
    person.page.goto(address)
    person.reads()
    person.button("Start").dblclick()
    person.button("I agree to take part").wait_for()
    assert count_participants(engine) == before + 1
    assert participant(engine, person.page).state is ParticipantState.CONSENTING


def test_a_double_click_on_an_answer_gives_one_answer(
    open_browser: Callable[..., Page], first_comparison: str, count: int, engine: Engine
) -> None:
    person = Taker(open_browser())
    person.page.goto(first_comparison)
    for number in (1, 2):
        person.reads()
        person.button("Patient A").dblclick(delay=20)
        person.page.get_by_text(f"Comparison {number + 1} of {count}").wait_for()
        assert len(answers(engine, person.page)) == number
    person.page.keyboard.press("ArrowLeft")  # At once: nobody reads that fast.
    person.reads()
    assert len(answers(engine, person.page)) == 2


def test_the_back_button_shows_where_the_participant_stands(
    open_browser: Callable[..., Page], first_comparison: str, count: int, engine: Engine
) -> None:
    person = Taker(open_browser())
    person.page.goto(first_comparison)
    for _ in range(2):
        person.takes_a_step()
    for _ in range(2):
        person.page.go_back()
        assert person.page.get_by_text(f"Comparison 3 of {count}").is_visible()
    person.takes_a_step(RIGHT)
    assert [a.choice for a in answers(engine, person.page)] == [LEFT, LEFT, RIGHT]


def test_a_second_tab_that_is_stale_is_told_and_moved_on(
    open_browser: Callable[..., Page], first_comparison: str, count: int, engine: Engine
) -> None:
    person = Taker(open_browser())
    person.page.goto(first_comparison)
    stale = Taker(person.page.context.new_page())
    stale.page.goto(person.page.url)
    person.takes_a_step(LEFT)
    stale.takes_a_step(RIGHT)
    notice = stale.page.get_by_role("status").inner_text()
    assert notice.startswith("You had answered that comparison already; your first answer is kept.")
    assert stale.page.get_by_text(f"Comparison 2 of {count}").is_visible()
    assert [a.choice for a in answers(engine, person.page)] == [LEFT]


def test_the_last_answer_is_changed(
    open_browser: Callable[..., Page], first_comparison: str, count: int, engine: Engine
) -> None:
    person = Taker(open_browser())
    person.page.goto(first_comparison)
    assert person.button("Change my last answer").count() == 0
    shown = person.page.inner_text("table")
    person.takes_a_step(LEFT)
    person.reads()
    person.goes_on(person.button("Change my last answer"))
    assert person.page.inner_text("table") == shown
    person.takes_a_step(RIGHT)
    assert person.page.get_by_text(f"Comparison 2 of {count}").is_visible()
    assert [(a.revision, a.choice) for a in answers(engine, person.page)] == [(1, LEFT), (2, RIGHT)]


def test_the_own_link_leads_back_in_a_fresh_browser(
    open_browser: Callable[..., Page], address: str, count: int, engine: Engine
) -> None:
    person = Taker(open_browser())
    person.page.goto(address)
    person.goes_to("instructed")
    link = str(person.page.locator(".own-link").get_attribute("href"))
    person.goes_to("comparison")
    person.takes_a_step(RIGHT)
    again = Taker(open_browser())
    again.page.goto(link)
    assert again.page.get_by_text(f"Comparison 2 of {count}").is_visible()
    again.takes_a_step(LEFT)
    assert [a.choice for a in answers(engine, person.page)] == [RIGHT, LEFT]


def test_ids_leave_the_address_at_once_and_bring_the_same_person_to_the_same_place(
    open_browser: Callable[..., Page], address: str, count: int, engine: Engine
) -> None:
    before = count_participants(engine)
    ids = {"PROLIFIC_PID": "5f3c1a2b9d8e7f6a5b4c3d2e", "STUDY_ID": "study-4711", "SESSION_ID": "session-0815"}
    query = "&".join(f"{name}={value}" for name, value in ids.items())
    pages = []
    for _ in range(2):
        person = Taker(open_browser())
        asked: list[str] = []
        person.page.on("request", lambda request, asked=asked: asked.append(request.url))
        person.page.goto(f"{address}?{query}")
        assert person.page.url == address
        person.takes_a_step()
        if not pages:
            person.goes_to("comparison")
        pages.append(person.page)
        assert sum("PROLIFIC_PID" in url for url in asked) == 1
        assert not any(value in person.page.content() for value in ids.values())
    assert pages[0].url == pages[1].url
    assert pages[1].get_by_text(f"Comparison 1 of {count}").is_visible()
    assert count_participants(engine) == before + 1


def test_another_language_is_chosen_with_one_click_and_stays(
    open_browser: Callable[..., Page], address: str, engine: Engine
) -> None:
    person = Taker(open_browser())
    person.page.goto(address)
    person.page.get_by_role("link", name="Deutsch").click()
    person.reads()
    person.goes_on(person.button("Beginnen"))
    person.reads()
    person.goes_on(person.button("Ich bin einverstanden und nehme teil"))
    assert person.page.locator("html").get_attribute("lang") == "de"
    assert person.page.get_by_role("group", name="Sind Sie mindestens 18 Jahre alt?").is_visible()
    assert participant(engine, person.page).language == "de"


# --- naming, rating and ranking attributes ------------------------------------------------------------------


@pytest.fixture
def open_question(app: Flask, address: str, visit: Callable[..., Any]) -> str:
    """Address of a new participant at the first open question."""
    return urljoin(address, visit(app, "asking").agrees().path)


def named(engine: Engine, page: Page) -> list[str]:
    """Return what the participant of this page has named and not taken back, in order."""
    with reading(engine) as session:
        return list(
            session.scalars(
                select(SuggestionRow.text)
                .join(AttributePageRow, AttributePageRow.id == SuggestionRow.page_id)
                .where(
                    AttributePageRow.participant_id == participant(engine, page).id,
                    SuggestionRow.removed_at.is_(None),
                )
                .order_by(SuggestionRow.id)
            )
        )


@pytest.mark.parametrize(
    ("taker", "window"),
    [
        (Taker, {}),
        (KeyboardTaker, {}),
        (TouchTaker, {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}),
        (Taker, {"java_script_enabled": False}),
    ],
    ids=["mouse", "keyboard", "touch", "without JavaScript"],
)
def test_attributes_are_named_rated_and_ranked(
    open_browser: Callable[..., Page],
    address: str,
    engine: Engine,
    taker: type[Taker],
    window: dict[str, Any],
) -> None:
    person = taker(open_browser(**window))
    has_script = window.get("java_script_enabled", True)
    if not has_script:
        person.reads = lambda: None  # type: ignore[method-assign]  # Nothing waits for it.
    person.page.goto(address.replace("kidney-complete", "asking"))

    def presses(words: str) -> None:
        person.reads()
        person.goes_on(person.button(words))

    for words in ("Start", "I agree to take part"):
        presses(words)
    person.writes("text", "Age")
    person.writes("why", "Fair")
    presses("Add this")
    person.reads()
    person.writes("text", "Helath")
    with person.page.expect_navigation():
        person.page.keyboard.press("Enter")  # Adds; it does not go on.
    assert person.page.get_by_role("listitem").all_inner_texts()[0].startswith("Helath")
    person.reads()
    person.goes_on(person.page.get_by_role("button", name="Remove Helath"))
    person.reads()
    person.writes("text", "Health")
    presses("Go on")
    assert person.page.get_by_text("Question 2 of 4").is_visible()
    presses("Go on")
    for name, rating in (("age", "acceptable"), ("wealth", "not_acceptable"), ("waiting", "cannot_say")):
        person.activates(person.page.locator(f"[name=rating-{name}][value={rating}]"))
    presses("Send these answers")
    assert person.page.get_by_role("alert").inner_text().startswith("You left out 2.")
    presses("Send these answers")
    person.puts_in_place("wealth", 1)
    person.puts_in_place("age", 2)
    presses("Send these answers")
    presses("Finish")
    assert person.name() == "finished"
    assert named(engine, person.page) == ["Age", "Health"]
    with reading(engine) as session:
        stored = session.scalars(
            select(AttributePageAnswerRow)
            .join(AttributePageRow, AttributePageRow.id == AttributePageAnswerRow.attribute_page_id)
            .where(AttributePageRow.participant_id == participant(engine, person.page).id)
            .order_by(AttributePageRow.position)
        ).all()
    assert [a.ratings for a in stored] == [
        {},
        {},
        {"age": "acceptable", "wealth": "not_acceptable", "waiting": "cannot_say"},
        {},
    ]
    assert [a.ranking for a in stored] == [[], [], [], ["wealth", "age"]]
    assert [a.client_seconds is not None for a in stored] == [has_script] * 4
    # Chromium notes a page that is shown again with what is wrong (422) as an error of the network.
    assert [p for p in person.problems if "422" not in p] == []


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_double_click_on_add_makes_one_entry(
    open_browser: Callable[..., Page], open_question: str, engine: Engine, script: bool
) -> None:
    person = Taker(open_browser(java_script_enabled=script))
    person.page.goto(open_question)
    for number, text in enumerate(("Age", "Wealth"), start=1):
        person.reads()
        person.writes("text", text)
        person.button("Add this").dblclick(delay=20)
        person.page.get_by_role("listitem").nth(number - 1).wait_for()
        assert named(engine, person.page) == ["Age", "Wealth"][:number]


def test_a_double_click_on_go_on_answers_one_question(
    open_browser: Callable[..., Page], open_question: str, engine: Engine
) -> None:
    person = Taker(open_browser())
    person.page.goto(open_question)
    person.reads()
    person.writes("text", "Age")
    person.button("Go on").dblclick(delay=20)
    person.page.get_by_text("Question 2 of 4").wait_for()
    person.reads()
    person.page.reload()
    assert person.page.get_by_text("Question 2 of 4").is_visible()
    assert named(engine, person.page) == ["Age"]


def test_the_back_button_shows_what_was_named(
    open_browser: Callable[..., Page], open_question: str, engine: Engine
) -> None:
    person = Taker(open_browser())
    person.page.goto(open_question)
    for text in ("Age", "Wealth"):
        person.reads()
        person.writes("text", text)
        person.goes_on(person.button("Add this"))
    person.page.go_back()
    person.reads()
    assert person.page.get_by_role("listitem").count() == 2
    person.writes("text", "Chances")
    person.goes_on(person.button("Add this"))
    assert named(engine, person.page) == ["Age", "Wealth", "Chances"]


def test_two_tabs_name_into_one_list_and_one_that_is_left_behind_is_told(
    open_browser: Callable[..., Page], open_question: str, engine: Engine
) -> None:
    person = Taker(open_browser())
    person.page.goto(open_question)
    other = Taker(person.page.context.new_page())
    other.page.goto(open_question)
    for tab, text in ((person, "Age"), (other, "Wealth")):
        tab.reads()
        tab.writes("text", text)
        tab.goes_on(tab.button("Add this"))
    assert other.page.get_by_role("listitem").count() == 2
    person.reads()
    person.goes_on(person.button("Go on"))
    other.writes("text", "Chances")
    other.goes_on(other.button("Add this"))
    notice = other.page.get_by_role("status").inner_text()
    assert "what you wrote there last was not added" in notice
    assert other.page.get_by_text("Question 2 of 4").is_visible()
    assert named(engine, person.page) == ["Age", "Wealth"]
