"""The pages of simulations as people use them: axe-core, phones, the bar that moves by itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from survey.config import Settings, secrets_of
from survey.serving import served_in_background

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LIST = "/research/simulations"
LONG = {"days": "365", "n_seeds": "40"}

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
SMALL_TARGETS = """() => [...document.querySelectorAll("button, input, select, summary, nav a, .button, .option")]
  .filter(one => one.type !== "hidden" && one.checkVisibility() && !one.closest(".skip, .option > *"))
  .filter(one => !["radio", "checkbox"].includes(one.type) && one.getBoundingClientRect().height < 43.5)
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


def signed_in(browser: Browser, url: str, settings: Settings, **more: Any) -> Page:
    page = browser.new_context(**more).new_page()
    page.goto(f"{url}/research/?token={secrets_of(settings).research_token}")
    return page


def judged(page: Page, axe: str, name: str) -> list[str]:
    """Return what is wrong with the page that is open."""
    page.evaluate(axe)
    options = {"runOnly": AXE_TAGS, "resultTypes": ["violations"]}
    found = [
        f"{v['id']}: {node['html'][:200]}"
        for v in page.evaluate("options => axe.run(options)", options)["violations"]
        for node in v["nodes"]
    ]
    found += page.evaluate(TOO_WIDE) + page.evaluate(SMALL_TARGETS)
    return [f"{name}: {line}" for line in found]


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_axe_finds_nothing_and_everything_fits(
    chromium: Browser, done: Any, axe: str, width: int, scheme: Any
) -> None:
    site, path, _ = done
    ready = site.added(title="Ready " + "and a very long title that has to be broken somewhere " * 2)
    running = site.added(title="Running", **LONG)
    site.post(f"{running}/start")
    site.wait(running, lambda progress: progress["done"] > 0)
    found: list[str] = []
    with served_in_background(site.app) as url:
        page = signed_in(
            chromium, url, site.settings, viewport={"width": width, "height": 844}, color_scheme=scheme
        )
        page.on("pageerror", lambda error: found.append(str(error)))
        page.on("console", lambda message: found.append(f"console: {message.text}"))
        for address in (LIST, f"{LIST}/new", ready, running, path, f"{ready}/delete"):
            page.goto(url + address)
            page.evaluate("() => document.querySelectorAll('details').forEach(one => one.open = true)")
            found += judged(page, axe, address)
        # The script asks while it runs, and the site's policy lets it.
        page.goto(url + running)
        with page.expect_response(lambda answer: answer.url.endswith("/progress")) as answered:
            pass
        assert answered.value.status == 200
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("heading", name="Stopped").wait_for(timeout=60_000)
        found += judged(page, axe, "stopped")
        page.goto(f"{url}{LIST}/new")
        own = page.locator("form", has=page.get_by_label("Title"))
        own.get_by_label("Title").fill("Nothing to compare")
        own.get_by_role("checkbox", name="equal").first.uncheck()
        own.get_by_role("checkbox", name="priority-after-cardinality").uncheck()
        own.get_by_role("button", name="Check and go on").click()
        page.get_by_role("alert").wait_for()
        # A browser says so of every answer that is an error.
        found = [line for line in found if "status of 400" not in line]
        found += judged(page, axe, "complaints")
        page.context.close()
    for address in (ready, running):
        site.post(f"{address}/delete", sure="yes")
    assert found == []


def test_an_experiment_is_put_together_and_run_by_hand(
    chromium: Browser, site: Any, sent: Callable[..., Any], people: Callable[..., str], tmp_path: Path
) -> None:
    file = tmp_path / "people.json"
    file.write_text(people())
    with served_in_background(site.app) as url:
        page = signed_in(chromium, url, site.settings, viewport={"width": 390, "height": 844})
        page.get_by_role("link", name="Simulations").click()
        page.get_by_role("link", name="New experiment").click()
        own = page.locator("form", has=page.get_by_label("Title"))
        own.get_by_label("Title").fill("By hand")
        own.get_by_label("Files of your own").set_input_files(file)
        own.get_by_label("Seeds", exact=True).fill("2")
        own.get_by_label("Days", exact=True).fill("20")
        own.get_by_role("button", name="Check and go on").click()
        page.get_by_role("heading", name="Ready to start").wait_for()
        page.get_by_role("button", name="Start").click()
        page.get_by_role("heading", name="Running").wait_for()
        # Without a hand: the script loads the page anew when it has ended.
        page.get_by_role("heading", name="Findings").wait_for(timeout=90_000)
        pictures = page.locator(".picture img")
        pictures.first.scroll_into_view_if_needed()
        page.wait_for_function("() => document.querySelector('.picture img').naturalWidth > 0")
        page.get_by_role("link", name="Open the report").click()
        page.get_by_role("heading", name="By hand").wait_for()
        # Its own style sheet holds: the sandbox takes only scripts and forms away.
        assert page.evaluate("() => getComputedStyle(document.querySelector('main')).maxWidth") == "960px"
        page.context.close()


def test_without_scripts_the_page_reloads_by_itself(chromium: Browser, site: Any) -> None:
    path = site.added(**LONG)
    site.post(f"{path}/start")
    with served_in_background(site.app) as url:
        page = signed_in(chromium, url, site.settings, java_script_enabled=False)
        page.goto(url + path)
        with page.expect_request(lambda asked: asked.url == url + path, timeout=15_000):
            pass
        page.context.close()
