"""The pages about an estimate as people use them: axe-core, phones, paper."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from survey.config import Settings, secrets_of
from survey.serving import served_in_background

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

TOO_WIDE = """() => {
  const root = document.documentElement, found = [];
  if (root.scrollWidth > root.clientWidth) found.push(`scrolls sideways: ${root.scrollWidth} px`);
  for (const one of document.body.querySelectorAll("*")) {
    if (!one.checkVisibility() || one.closest(".hidden, .skip, .scroll, select, option")) continue;
    const box = one.getBoundingClientRect();
    if (box.left < -0.5 || box.right > root.clientWidth + 0.5) found.push(one.outerHTML.slice(0, 120));
  }
  return found;
}"""
SMALL_TARGETS = """() => [...document.querySelectorAll("button, input, select, summary, nav a, .button")]
  .filter(one => one.type !== "hidden" && one.checkVisibility() && !one.classList.contains("skip"))
  .filter(one => one.getBoundingClientRect().height < 43.5)
  .map(one => `${one.tagName} '${one.textContent.trim()}' ${one.getBoundingClientRect().height} px high`)"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def axe() -> str:
    package = importlib.util.find_spec("axe_playwright_python")
    assert package is not None
    assert package.origin is not None
    return (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def paths(
    engine: Engine,
    study_id: int,
    owner: FlaskClient,
    send: Callable[..., Any],
    put_people: Any,
    by_davidson: Any,
    strengths: dict[str, float],
) -> list[str]:
    """Every page about an estimate: of a study with a replaced rule, checks, looks and two kinds of people."""
    base = f"/research/studies/{study_id}/estimate"
    for width in ("3", "0.2"):
        page = owner.get(base)
        send(owner, page, "/rule", width=width, at_least="20", every="10", model="davidson", arm="")
    put_people(engine, study_id, 20, choose=by_davidson(strengths))
    put_people(engine, study_id, 20, choose=by_davidson({name: -v for name, v in strengths.items()}), seed=1)
    looks = [f"{base}/look?model={model}&kinds=yes" for model in ("davidson", "min-delta")]
    return [base, *looks]


def go_through(page: Page, url: str, settings: Settings, paths: list[str]) -> Iterator[str]:
    page.goto(f"{url}/research/?token={secrets_of(settings).research_token}")
    for path in paths:
        page.goto(url + path)
        yield path


def test_axe_finds_nothing_and_everything_fits(
    chromium: Browser, app: Flask, settings: Settings, paths: list[str], axe: str
) -> None:
    found: list[str] = []
    with served_in_background(app) as url:
        for width, scheme in ((320, "light"), (1280, "dark")):
            context = chromium.new_context(
                viewport={"width": width, "height": 844},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page = context.new_page()
            page.on("console", lambda message: found.append(f"console: {message.text}"))
            for path in go_through(page, url, settings, paths):
                page.evaluate(axe)
                options = {"runOnly": AXE_TAGS, "resultTypes": ["violations"]}
                for v in page.evaluate("options => axe.run(options)", options)["violations"]:
                    found.extend(f"{path} {width} {v['id']}: {node['html'][:200]}" for node in v["nodes"])
                found.extend(f"{path} {width} {line}" for line in page.evaluate(TOO_WIDE))
                found.extend(f"{path} {width} {line}" for line in page.evaluate(SMALL_TARGETS))
            context.close()
    assert found == []


@pytest.mark.parametrize(("width", "kind"), [(390, "narrow"), (1280, "wide")])
def test_one_forest_plot_is_seen_and_its_words_can_be_read(
    chromium: Browser, app: Flask, settings: Settings, paths: list[str], width: int, kind: str
) -> None:
    with served_in_background(app) as url:
        page = chromium.new_page(viewport={"width": width, "height": 844})
        for path in go_through(page, url, settings, paths[1:3]):
            seen = page.locator(".forest:visible")
            assert seen.count() == 1, path
            assert page.locator(f".when-{kind} .forest").is_visible()
            words = page.evaluate(
                """() => [...document.querySelectorAll(".forest text")].filter(t => t.checkVisibility())
                .map(t => [t.textContent, t.getBoundingClientRect()]).map(([words, r]) =>
                  ({words, height: r.height, left: r.left, right: r.right, top: r.top, bottom: r.bottom}))"""
            )
            assert min(w["height"] for w in words) > 13
            assert overlapping(words) == []
        page.emulate_media(media="print")
        assert page.locator(".when-wide .forest").is_visible()
        assert not page.locator(".when-narrow .forest").is_visible()
        page.close()


def overlapping(boxes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return pairs of words that lie upon each other by more than a few pixels (lines of type are close)."""
    return [
        (a["words"], b["words"])
        for i, a in enumerate(boxes)
        for b in boxes[i + 1 :]
        if min(a["right"], b["right"]) - max(a["left"], b["left"]) > 1
        and min(a["bottom"], b["bottom"]) - max(a["top"], b["top"]) > 5
    ]


def test_the_rule_is_stated_and_withdrawn_by_hand(
    chromium: Browser, app: Flask, settings: Settings, study_id: int
) -> None:
    with served_in_background(app) as url:
        page = chromium.new_page(viewport={"width": 390, "height": 844})
        for _ in go_through(page, url, settings, [f"/research/studies/{study_id}/estimate"]):
            page.get_by_label("Widest 95 % interval below").fill("0.7")
            page.get_by_role("button", name="State the rule").click()
            page.get_by_role("heading", name="In force").wait_for()
            assert re.search(r"below 0\.7, with at least 100", page.locator(".panel").inner_text())
            page.get_by_role("button", name="Withdraw the rule").click()
            page.get_by_text("No rule is in force.").wait_for()
        page.close()
