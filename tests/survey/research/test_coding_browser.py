"""Coding in a real Chromium: by keyboard alone, with the script's hints, and figures that come by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from survey.answers import RespondentKind
from survey.config import Secrets
from survey.db import reading, writing
from survey.design_file import EXAMPLES
from survey.serving import served_in_background
from survey.store import categories, studies
from survey.store.coding_data import coding_of
from survey.store.suggestion_imports import ImportedSuggestion, import_suggestions
from survey.suggestions import Stance
from survey.tables import StudyRow
from survey.web.research.coding.workings import finish_figures

pytestmark = pytest.mark.browser

SAID = ["how old they are", "their faith", "idiots", "who has waited longest"]


@pytest.fixture
def coder(app: Flask, sqlite_engine: Engine, secrets: Secrets, chromium: Browser) -> Iterator[Page]:
    """The operator, at the first suggestion; everything that the browser complains of fails the test."""
    now = datetime.now(UTC)
    with writing(sqlite_engine) as session:
        text = (EXAMPLES / "kidney-attributes.toml").read_text(encoding="utf-8")
        study = studies.add_study(session, text, now=now)
        import_suggestions(
            session,
            study,
            [
                ImportedSuggestion(
                    respondent="p", kind=RespondentKind.HUMAN, stance=Stance.SHOULD, text=text, number=n
                )
                for n, text in enumerate(SAID)
            ],
            source="panel",
            now=now,
            actor="test",
        )
        for label in ("Age", "Ageism", "Religion"):
            categories.add_category(session, study, label, now=now, actor="test")
    complaints: list[str] = []
    with served_in_background(app) as url:
        context = chromium.new_context()
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{url}/research/?token={secrets.research_token}")
        page.goto(f"{url}/research/studies/1/suggestions/next?order=arrival")
        yield page
        context.close()
    finish_figures(app)
    assert complaints == []


def said(engine: Engine) -> list[Any]:
    with reading(engine) as session:
        coding = coding_of(session, session.get_one(StudyRow, 1), include_simulated=False)
    return [code.category or code.outcome.value for code in coding.codes]


def test_everything_is_coded_without_leaving_the_keyboard(coder: Page, sqlite_engine: Engine) -> None:
    hint = coder.locator("#matches")
    for text, typed, told in zip(
        SAID,
        ("age", "rel", "!", "+Waiting time"),
        ("Enter saves: Age", "Enter saves: Religion", "Enter saves: unusable", "a new category"),
        strict=True,
    ):
        expect(coder.locator(".to-code")).to_contain_text(text)
        coder.keyboard.type(typed)
        expect(hint).to_contain_text(told)
        with coder.expect_navigation():
            coder.keyboard.press("Enter")
    expect(coder.locator(".notice")).to_contain_text("You have coded all of them")
    assert said(sqlite_engine) == ["age", "religion", "unusable", "waiting-time"]


def test_the_hint_says_what_is_not_clear_and_marks_what_is_meant(coder: Page) -> None:
    field, hint = coder.locator("#quick"), coder.locator("#matches")
    expect(hint).to_be_hidden()
    field.press_sequentially("ag")
    expect(hint).to_contain_text("“ag” is not clear: Age, Ageism")
    assert coder.locator(".option.meant").count() == 2
    field.fill("age, x")
    expect(hint).to_contain_text("Age; “x” is none of them")
    field.fill("")
    expect(hint).to_be_hidden()
    assert coder.locator(".option.meant").count() == 0


def test_figures_appear_on_the_page_by_themselves(coder: Page) -> None:
    coder.goto(coder.url.rsplit("/", 1)[0] + "/results")
    expect(coder.get_by_role("heading", name="When to stop asking")).to_be_visible(timeout=60_000)
    expect(coder.locator("#worked-out-soon")).to_have_count(0)
