from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from llm_compare.allocation.report.page import render

AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(planted, tmp_path_factory) -> str:
    """A page with every kind of section, and no more respondents than that takes: axe looks at each cell."""
    record = planted.record
    kept = ("scripted/prefers:gender=Female", "scripted/criteria")
    record["respondents"] = [r for r in record["respondents"] if r["name"] in kept]
    record["problems"]["groupings"] = record["problems"]["groupings"][:1]
    path = tmp_path_factory.mktemp("page") / "allocation.html"
    path.write_text(render(record, source=None), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_reflows(chromium, address, width):
    page = chromium.new_page(viewport={"width": width, "height": 800})
    said_by_browser: list[str] = []
    page.on("console", lambda message: said_by_browser.append(message.text))
    page.goto(address)
    assert said_by_browser == []
    assert page.evaluate("getComputedStyle(document.querySelector('.findings')).borderLeftWidth") == "4px"
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_the_page_passes_axe(chromium, address):
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    package = importlib.util.find_spec("axe_playwright_python")
    assert package is not None
    assert package.origin is not None
    page.evaluate((Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("tags => axe.run({runOnly: tags, resultTypes: ['violations']})", AXE_TAGS)
    assert [f"{v['id']}: {n['html']}" for v in found["violations"] for n in v["nodes"]] == []
    page.close()


def test_printed_every_table_is_on_paper(chromium, address):
    # A4 less 1 cm on each side, in CSS pixels.
    page = chromium.new_page(viewport={"width": 718, "height": 1047})
    page.emulate_media(media="print")
    page.goto(address)
    tables = page.evaluate(
        "[...document.querySelectorAll('table')].map(t => {"
        " const r = t.getBoundingClientRect(); return [t.caption.textContent, r.height, r.right] })"
    )
    assert len(tables) > 10
    assert [caption for caption, height, right in tables if height < 20 or right > 719] == []
    page.close()
