from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from exchange.pool_generator import generate_pool
from llm_compare.asking import ask
from llm_compare.plan import Settings, comparisons_to_ask, plan_requests
from llm_compare.replies_file import ReplyFile
from llm_compare.report import Report, alignment_record, origins, summary, write_alignment, write_report
from llm_compare.results import compare_models
from llm_compare.scripted import ScriptedRespondent
from llm_compare.store import open_store
from survey.design import design_hash
from survey.design_file import example_design
from survey.published_answers import import_study_1_counts

DESIGN = example_design("kidney-study1")


def scripted_replies(model: str, sessions) -> ReplyFile:
    requests = plan_requests(
        DESIGN,
        comparisons_to_ask(DESIGN, count=None, rng=np.random.default_rng(0)),
        arm=DESIGN.arm("with-coin"),
        model=model,
        settings=Settings(),
    )
    asked = ask(sessions, requests, ScriptedRespondent(DESIGN, model), rng=np.random.default_rng(0))
    return ReplyFile(
        model=model,
        slug=DESIGN.slug,
        title=DESIGN.title,
        design_hash=design_hash(DESIGN),
        attributes=DESIGN.attributes,
        planned=asked.planned,
        replies=asked.replies,
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Report:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EQUIPOISE_DATABASE_URL", f"sqlite:///{folder}/equipoise.sqlite")
        with open_store() as sessions:
            files = {
                model: scripted_replies(model, sessions)
                for model in ("scripted/youngest-first", "scripted/always-left")
            }
    people = import_study_1_counts()
    pool = generate_pool(DESIGN, n_pairs=24, n_ndds=1, seed=3)
    results = compare_models(
        people, files, pool=pool, cycle_cap=3, chain_cap=2, bootstrap=10, n_splits=20, seed=1
    )
    return Report(
        title="People and models",
        study_title=DESIGN.title,
        slug=DESIGN.slug,
        design_hash=design_hash(DESIGN),
        attributes=DESIGN.attributes,
        people_source=people.source,
        results=results,
        origins=origins(people, results, pool),
        manifest={"settings": {"seed": 1}},
    )


@pytest.fixture(scope="module")
def page(report, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, report)
    return path.read_text(encoding="utf-8")


class Document(HTMLParser):
    """Collects what a reader and a browser make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.unclosed = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        self.addresses += [given[a] for a in ("src", "href", "xlink:href", "action", "data") if given.get(a)]
        if tag not in ("meta", "br", "link", "input", "hr", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.unclosed += 1


def test_the_page_is_one_file_that_needs_no_network(page):
    document = Document(page)

    assert all(address.startswith("#") for address in document.addresses)
    assert "<script" not in page
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_the_page_is_well_formed_and_its_ids_are_unique(page):
    document = Document(page)

    assert document.open == []
    assert document.unclosed == 0
    assert len(document.ids) == len(set(document.ids))


def test_what_is_scripted_or_simulated_says_so(page, report):
    for result in report.results:
        assert re.search(
            rf'{re.escape(result.label)}</strong> <span class="tag scripted">scripted</span>', page
        )
    assert '<span class="tag simulated">simulated</span>' in page
    assert '<span class="tag real">real</span>' in page


def test_pictures_come_with_their_numbers(page):
    pictures, tables = page.count("<svg"), page.count("<summary>The numbers</summary>")

    assert pictures == 6  # Indecision, effects, choices and consequences of each of two models.
    assert tables == pictures


def test_the_page_shows_the_numbers_of_the_json(page, report):
    record = alignment_record(report)
    model = record["models"][0]
    rate = model["agreement"]["model_answers_equal_to_majority"]

    assert f"{100 * rate['value']:.0f} % ({100 * rate['low']:.0f}–{100 * rate['high']:.0f})" in page
    assert f"{100 * record['people']['indecision']['value']:.0f} %" in page
    assert f"{model['consequences']['transplants_by_model']} transplants" in page


def test_the_prompt_stands_in_the_page_in_full(page, report):
    from html import unescape

    request = report.results[0].replies[0].request
    shown = unescape(page)
    for message in request.messages:
        assert message.content in shown


def test_the_same_report_gives_the_same_bytes(report, tmp_path):
    for name in ("one", "two"):
        write_report(tmp_path / f"{name}.html", report)
        write_alignment(tmp_path / f"{name}.json", report)

    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_the_page_names_the_data_file_with_its_hash(report, tmp_path):
    from estimation.manifest import file_hash

    data, path = tmp_path / "alignment.json", tmp_path / "report.html"
    write_alignment(data, report)
    write_report(path, report, alignment=data)

    assert file_hash(data) in path.read_text(encoding="utf-8")
    assert json.loads(data.read_text())["format"] == "equipoise-alignment"


def test_a_reply_with_markup_is_shown_not_run(report, tmp_path):
    from dataclasses import replace

    first = report.results[0]
    evil = replace(
        first.replies[0], reply=replace(first.replies[0].reply, content="<script>alert(1)</script>")
    )
    changed = replace(report, results=[replace(first, replies=[evil, *first.replies[1:]])])
    path = tmp_path / "report.html"
    write_report(path, changed)

    assert "<script" not in path.read_text(encoding="utf-8")
    assert "&lt;script&gt;" in path.read_text(encoding="utf-8")


def test_the_summary_puts_the_ceiling_beside_the_agreement(report):
    text = summary(report.results[0])

    assert re.search(
        r"\d+ % of its answers .* \(a person agrees with the majority of the others in \d+ %\)", text
    )
