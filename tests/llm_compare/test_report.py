from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from exchange.pool_generator import generate_pool
from llm_compare.alignment_plots import (
    MOST_COMPARISONS,
    _marker,
    effect_shares,
    indecision_plot,
    model_color,
    most_different,
)
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
    compared = compare_models(
        people, files, pool=pool, cycle_cap=3, chain_cap=2, bootstrap=40, n_splits=20, seed=1
    )
    return Report(
        title="People and models",
        study_title=DESIGN.title,
        slug=DESIGN.slug,
        design_hash=design_hash(DESIGN),
        attributes=DESIGN.attributes,
        people_source=people.source,
        results=compared.results,
        without_choice=compared.without_choice,
        origins=origins(people, compared.results, pool, people_source="Published counts."),
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
        r"makes the people's most frequent choice in \d+ % of its answers \(\d+–\d+, 13 comparisons\); "
        r"measured against random halves of the people it reaches \d+ %, people themselves \d+ %",
        text,
    )


def renamed(result, label):
    """Return a result as if the model had been called ``label``."""
    alignment = replace(result.alignment, model=replace(result.alignment.model, label=label))
    return replace(result, alignment=alignment)


def test_a_models_name_cannot_break_out_of_the_page(report, tmp_path):
    evil = renamed(report.results[0], '"><script>alert(1)</script> $x$ $')
    write_report(tmp_path / "report.html", replace(report, results=[evil]))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")

    assert "<script" not in text
    assert Document(text).unclosed == 0


def test_dollars_in_a_picture_are_dollars(report):
    # matplotlib would set what stands between two of them as a formula.
    assert ">from $5 to $9</text>" in indecision_plot([renamed(report.results[0], "from $5 to $9").alignment])


def test_names_in_another_script_give_different_ids(report, tmp_path):
    results = [renamed(r, name) for r, name in zip(report.results, ("模型一", "模型二"), strict=True)]
    write_report(tmp_path / "report.html", replace(report, results=results))

    ids = Document((tmp_path / "report.html").read_text(encoding="utf-8")).ids
    assert len(ids) == len(set(ids))


def test_a_models_name_and_its_finding_do_not_run_together(report, tmp_path):
    real = replace(renamed(report.results[0], "openai/gpt"), is_scripted=False)
    write_report(tmp_path / "report.html", replace(report, results=[real]))

    found = summary(real)
    assert f"<strong>openai/gpt</strong> {found[0].upper()}{found[1:10]}" in (
        tmp_path / "report.html"
    ).read_text("utf-8")


def test_answers_are_called_real_only_if_somebody_says_so_and_rehearsed_ones_never(report):
    people = import_study_1_counts()
    rehearsed = replace(people, answers=[replace(a, respondent="sim-00001") for a in people.answers])

    (unstated,) = origins(people, [], None)
    (stated,) = origins(people, [], None, people_source="122 people of a published study.")
    (simulated,) = origins(rehearsed, [], None, people_source="122 people of a published study.")
    assert (unstated.kind, stated.kind, simulated.kind) == ("not stated", "real", "simulated")


def test_of_very_many_comparisons_the_picture_shows_those_that_differ_most(report):
    (one, *_) = report.results[0].alignment.shares
    same = replace(one, people=(1, 0, 0), model=(2, 0, 0))
    different = replace(one, people=(1, 0, 0), model=(0, 1, 0))

    shown = most_different([same] * 100 + [different])
    assert len(shown) == MOST_COMPARISONS
    assert shown[0] == different
    assert most_different([same, different]) == [same, different]


def test_two_models_of_the_same_color_differ_in_their_marker():
    styles = {(model_color(i), _marker(i)) for i in range(12)}

    assert len(styles) == 12


def test_a_share_of_effects_has_the_interval_of_a_ratio(report):
    # Oracle: shares of many draws of the coefficients. The sum varies, too.
    fit = report.results[0].alignment.people.fit
    values, covariance = np.array([-3.0, 1.0, 0.8, 0.5, 0.0]), np.diag([0.3, 0.2, 0.1, 0.1, 1.0]) ** 2
    scales = [1.0, 1.0, 2.0, 1.0]
    fit = replace(fit, values=values, covariance=covariance, n_clusters=100_000)
    draws = np.random.default_rng(1).multivariate_normal(values, covariance, size=20_000)[:, :4] * scales
    draws /= np.abs(draws).sum(axis=1, keepdims=True)

    for share, drawn in zip(effect_shares(fit, scales), draws.T, strict=True):
        low, high = np.quantile(drawn, [0.025, 0.975])
        assert (share.low, share.high) == pytest.approx((low, high), abs=0.01)


def test_the_only_attribute_has_all_the_effect_whatever_its_uncertainty(report):
    fit = replace(
        report.results[0].alignment.people.fit, values=np.array([-2.0]), covariance=np.array([[1.0]])
    )

    (share,) = effect_shares(fit, [10.0])
    assert (share.value, share.low, share.high) == (-1, -1, -1)


def test_a_ceiling_from_a_few_comparisons_is_not_shown(report, tmp_path):
    first = report.results[0]
    agreement = replace(first.alignment.agreement, n_comparisons=200, n_comparisons_in_halves=3)
    few = replace(first, alignment=replace(first.alignment, agreement=agreement))
    write_report(tmp_path / "report.html", replace(report, results=[few]))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")

    assert "only 3 of 200 comparisons were answered by several people" in summary(few)
    assert "measured against random halves" not in summary(few)
    row = page[page.index(f'<th scope="row">{few.label}</th>', page.index("Agreement with people")) :]
    assert row.split("</td>")[0].endswith("–")
