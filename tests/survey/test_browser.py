"""The survey in a real Chromium: by keyboard, and without JavaScript on the smallest phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import Engine, select

from survey.answers import Choice
from survey.db import reading
from survey.serving import served_in_background
from survey.tables import AnswerRow, StudyRow

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no Chromium at {CHROMIUM}"),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield browser
        browser.close()


@pytest.fixture
def address(
    app: Flask, sqlite_engine: Engine, add_open_study: Callable[[Engine, str], StudyRow], one_arm_design: str
) -> Iterator[str]:
    add_open_study(sqlite_engine, one_arm_design)
    with served_in_background(app) as url:
        yield f"{url}/s/short"


def press_until(page: Page, key: str, text: str) -> None:
    """Move the focus with ``key`` until it is on the control with this text, then activate it."""
    for _ in range(10):
        page.keyboard.press(key)
        if page.evaluate("document.activeElement.textContent").strip() == text:
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"the focus never came to '{text}'")


def test_a_whole_survey_by_keyboard(chromium: Browser, address: str, sqlite_engine: Engine) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    for text, following in (
        ("Start", "Taking part"),
        ("I agree to take part", "Before you begin"),
        ("Show the first comparison", "Which patient should get the kidney?"),
    ):
        press_until(page, "Tab", text)
        page.get_by_role("heading", name=following).wait_for()
    for position, key in enumerate(("ArrowLeft", "ArrowDown", "ArrowRight"), start=1):
        page.get_by_text(f"Comparison {position} of 4").wait_for()
        page.keyboard.press(key)  # At once: too fast to be an answer.
        page.wait_for_timeout(400)
        page.keyboard.press(key)
    page.get_by_text("Comparison 4 of 4").wait_for()
    page.wait_for_timeout(400)
    press_until(page, "Tab", "Patient B")
    page.locator("#completion-code").wait_for()
    page.close()
    with reading(sqlite_engine) as session:
        stored = session.scalars(select(AnswerRow).order_by(AnswerRow.id)).all()
    assert [a.choice for a in stored] == [Choice.LEFT, Choice.INDECISION, Choice.RIGHT, Choice.RIGHT]
    assert all(a.client_seconds is not None and 0.25 <= a.client_seconds < 30 for a in stored)
    assert {a.client_seconds_problem for a in stored} == {""}
    assert problems == []


def test_a_whole_survey_without_javascript_on_a_small_phone(
    chromium: Browser, address: str, sqlite_engine: Engine
) -> None:
    context = chromium.new_context(
        viewport={"width": 320, "height": 640}, java_script_enabled=False, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(address)
    for text in ("Start", "I agree to take part", "Show the first comparison"):
        page.get_by_role("button", name=text).tap()
    for choice in ("Flip a coin", "Patient A", "Patient B", "Flip a coin"):
        buttons = [page.locator(".choice").nth(i).bounding_box() for i in range(3)]
        columns = [page.locator("thead > tr > *").nth(i).bounding_box() for i in range(3)]
        assert len({(round(b["width"]), round(b["height"]), round(b["y"])) for b in buttons if b}) == 1
        for button, column in zip(buttons, columns, strict=True):
            assert button is not None
            assert column is not None
            assert button["height"] >= 44
            assert button["width"] >= 44
            assert button["x"] >= 0
            assert button["x"] + button["width"] <= 320
            assert button["x"] == pytest.approx(column["x"], abs=1)
            assert button["width"] == pytest.approx(column["width"], abs=1)
            assert button["y"] + button["height"] <= 640
        page.get_by_role("button", name=choice).tap()
    page.locator("#completion-code").wait_for()
    context.close()
    with reading(sqlite_engine) as session:
        stored = session.execute(
            select(AnswerRow.choice, AnswerRow.client_seconds_problem).order_by(AnswerRow.id)
        ).all()
    assert [row.choice for row in stored] == [Choice.INDECISION, Choice.LEFT, Choice.RIGHT, Choice.INDECISION]
    assert {row.client_seconds_problem for row in stored} == {"not measured (no script)"}


def test_a_double_click_and_the_back_button_store_one_answer(
    chromium: Browser, address: str, sqlite_engine: Engine
) -> None:
    page = chromium.new_page()
    page.goto(address)
    for text in ("Start", "I agree to take part", "Show the first comparison"):
        page.get_by_role("button", name=text).click()
    page.wait_for_timeout(400)
    page.get_by_role("button", name="Patient A").dblclick(no_wait_after=True)
    page.get_by_text("Comparison 2 of 4").wait_for()
    page.go_back()
    page.get_by_text("Comparison 2 of 4").wait_for()
    page.close()
    with reading(sqlite_engine) as session:
        assert session.scalars(select(AnswerRow.choice)).all() == [Choice.LEFT]


def test_an_answer_that_did_not_get_through_can_be_sent_again(
    chromium: Browser, app: Flask, address: str, sqlite_engine: Engine
) -> None:
    script = (Path(app.root_path) / "static" / "compare.js").read_text(encoding="utf-8")
    impatient = script.replace("GIVEN_UP_MILLISECONDS = 10000", "GIVEN_UP_MILLISECONDS = 1500")
    assert impatient != script
    page = chromium.new_page()
    page.route(
        "**/compare.js",
        lambda route: route.fulfill(status=200, content_type="text/javascript", body=impatient),
    )
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.goto(address)
    for text in ("Start", "I agree to take part", "Show the first comparison"):
        page.get_by_role("button", name=text).click()
    page.get_by_text("Comparison 1 of 4").wait_for()
    # "No content" leaves the page standing, as stopping a slow load does.
    page.route("**/answer", lambda route: route.fulfill(status=204))
    page.wait_for_timeout(400)
    sent.clear()
    for _ in range(2):  # The second is still taken for a double click.
        page.get_by_role("button", name="Patient B").click(no_wait_after=True)
        page.wait_for_timeout(100)
    assert len(sent) == 1
    page.unroute("**/answer")
    page.wait_for_timeout(1600)
    page.get_by_role("button", name="Patient B").click()
    page.get_by_text("Comparison 2 of 4").wait_for()
    page.close()
    with reading(sqlite_engine) as session:
        assert session.scalars(select(AnswerRow.choice)).all() == [Choice.RIGHT]
