from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from llm_compare.report.over_time import over_time
from llm_compare.report.over_time_page import render_over_time
from llm_compare.report.report import render

AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(record, record_with, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    runs = {"may.json": record_with(), "november.json": record_with(seed=8)}
    runs["november.json"]["study"]["design_hash"] = "f" * 64
    texts = {
        "report": render(record, source=("alignment.json", "0" * 64)),
        "over-time": render_over_time(over_time(runs), runs, sources=dict.fromkeys(runs, "0" * 64)),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("name", ["report", "over-time"])
def test_the_page_reflows_and_passes_axe(chromium, pages, name, width):
    page = chromium.new_page(viewport={"width": width, "height": 800})
    said_by_browser: list[str] = []
    page.on("console", lambda message: said_by_browser.append(message.text))
    page.goto(pages[name].as_uri())
    assert said_by_browser == []
    assert page.evaluate("getComputedStyle(document.querySelector('.findings')).borderLeftWidth") == "4px"
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    package = importlib.util.find_spec("axe_playwright_python")
    assert package is not None
    assert package.origin is not None
    page.evaluate((Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("tags => axe.run({runOnly: tags, resultTypes: ['violations']})", AXE_TAGS)
    assert [f"{v['id']}: {n['html']}" for v in found["violations"] for n in v["nodes"]] == []
    page.close()


@pytest.mark.parametrize("name", ["report", "over-time"])
def test_printed_every_table_is_on_paper(chromium, pages, name):
    # A4 less 1 cm on each side, in CSS pixels.
    page = chromium.new_page(viewport={"width": 718, "height": 1047})
    page.emulate_media(media="print")
    page.goto(pages[name].as_uri())

    tables = page.evaluate(
        "[...document.querySelectorAll('table')].map(t => {"
        " const r = t.getBoundingClientRect(); return [t.caption.textContent, r.height, r.right] })"
    )
    assert len(tables) > 5
    assert [caption for caption, height, right in tables if height < 20 or right > 719] == []
    page.close()
