from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from math import isnan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape
from playwright.sync_api import Browser

from estimation.weights import Estimate, ProfileWeights
from exchange.clearing.objectives import Policy
from exchange.outcomes.comparison import outcomes_of, summarize
from exchange.outcomes.groups import ByText, Everybody, attribute_groupings
from exchange.outcomes.marginal_effects import marginal_effects, run_cells
from exchange.outcomes.outcome import EVERYBODY, Measure, Outcome
from exchange.outcomes.price import price_of_priority
from exchange.outcomes.published import PublishedValue, published_test
from exchange.outcomes.report import MOST_CONDITIONS, ExperimentReport, ScenarioResults, laid_out
from exchange.outcomes.report_page import report_page
from exchange.outcomes.report_record import report_record
from exchange.outcomes.report_scenario import order_kinds, scenario_rows
from exchange.outcomes.report_text import findings, number, signed
from exchange.outcomes.run_curves import RunCurves
from exchange.outcomes.waiting import PooledWaits
from exchange.published_weights import PROFILES, published_weights
from exchange.simulation.condition import Condition
from exchange.simulation.scenario import Arrivals, GraftFailure, Sensitization, Stay, StayLaw
from exchange.simulation.scenario_file import preset
from exchange.simulation.simulate import simulate
from survey.design import StudyDesign

CHROMIUM = Path("/usr/bin/chromium")
NAN = float("nan")
DAYS = 90


@pytest.fixture(scope="module")
def report(study: StudyDesign) -> ExperimentReport:
    """A small experiment that was really simulated."""
    scenario = replace(preset("freedman2020"), days=DAYS)
    weights = published_weights(PROFILES)
    conditions = [
        Condition(name="EQUAL", policy=Policy.EQUAL),
        Condition(name="PRIORITY", policy=Policy.GREATEST_WEIGHT, weights=weights, words="as published"),
    ]
    seeds = (1, 2, 3)
    records = [simulate(scenario, study, c, seed=seed) for c in conditions for seed in seeds]
    summaries = summarize(records, study)
    found = outcomes_of(summaries, "EQUAL")
    seen = next(
        o for o in found if (o.condition, o.grouping, o.measure) == ("EQUAL", EVERYBODY, Measure.SEEN)
    )
    published = PublishedValue(
        condition="EQUAL",
        measure=Measure.SEEN,
        grouping=EVERYBODY,
        group=EVERYBODY,
        mean=seen.value + 1,
        sd=seen.sd,
        n_runs=3,
    )
    curves = RunCurves()
    waits = (PooledWaits(Everybody()), PooledWaits(ByText(name="profile", column="profile")))
    for record in records:
        for gathered in (curves, *waits):
            gathered.add(record)
    attributes = attribute_groupings(records[0], study)
    results = ScenarioResults(
        scenario=scenario,
        outcomes=found,
        waiting=[curve for gathered in waits for curve in gathered.curves()],
        pool_sizes=curves.pool_sizes(scenario.name),
        ranks=curves.ranks(scenario.name),
        effects=marginal_effects([run_cells(record, attributes) for record in records]),
        prices=[price_of_priority(summaries, scenario.name, "PRIORITY", "EQUAL")],
        tests={"patients who arrived": published_test(found, [published])},
    )
    return ExperimentReport(
        title="Small & quick",
        source="Made for a test.",
        conditions=conditions,
        baseline="EQUAL",
        seeds=seeds,
        results=[results],
        group_words={"YRH": "young, drinks rarely, healthy"},
        manifest={"equipoise": "0"},
    )


def page_of(report: ExperimentReport) -> str:
    return report_page(laid_out(report))


@pytest.fixture(scope="module")
def html(report: ExperimentReport) -> str:
    return page_of(report)


class Outline(HTMLParser):
    """Collects what the tests ask about a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id" and value:
                self.ids.append(value)


def difference(group, value, low, high, *, grouping="profile", measure=Measure.TRANSPLANTED_SHARE) -> Outcome:
    return Outcome(
        scenario="s",
        condition="priority",
        baseline="equal",
        grouping=grouping,
        group=group,
        measure=measure,
        value=value,
        low=low,
        high=high,
        n_runs=9,
        sd=0.1,
    )


def said(rows, **options) -> str:
    found = findings(rows, ["equal", "priority"], baseline="equal", n_days=730, **options)
    return "\n".join(s for f in found for s in f.sentences)


def test_the_page_is_well_ordered_and_needs_nothing_from_elsewhere(html):
    page = Outline(html)

    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False))
    assert len(page.ids) == len(set(page.ids))
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert "style" not in page.attributes
    assert not [name for name in page.attributes if name.startswith("on")]
    assert not re.findall(r'(?:src|href)="(?!#)', html)
    assert page.tags.count("caption") == page.tags.count("table")
    assert page.tags.count("svg") >= 9


def test_every_picture_has_its_numbers_under_it(html):
    pictures = re.findall(
        r"</svg>\s*</div>\s*</figure>\s*<details><summary>[^<]+</summary>\s*<div[^>]*>\s*<table", html
    )

    assert len(pictures) == html.count("<svg")


def test_the_style_sheet_is_the_one_that_the_policy_allows(html):
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()

    assert f"default-src 'none'; style-src 'sha256-{digest}'" in html


def test_the_same_report_gives_the_same_bytes(report, html):
    assert page_of(report) == html


def test_the_tables_hold_the_outcomes(report, html):
    (results,) = report.results
    rows = [
        o
        for o in results.outcomes
        if o.grouping == "profile" and o.measure is Measure.TRANSPLANTED_SHARE and not o.baseline
    ]
    assert len(rows) >= 8
    n_without_interval = 0
    for o in rows:
        low, high = max(o.low, 0), min(o.high, max(o.value, 1))
        cell = f"{100 * o.value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
        if isnan(o.low):
            n_without_interval += 1
            cell = f"<td>{100 * o.value:.1f} %</td>"
        assert cell in html
    assert n_without_interval < len(rows) / 2
    assert "young, drinks rarely, healthy" in html


def test_no_table_of_shares_has_a_negative_one_and_differences_keep_theirs(report):
    (results,) = report.results
    few = [
        replace(o, value=0.02, low=-0.04, high=0.08)
        for o in results.outcomes
        if o.measure is Measure.TRANSPLANTED_SHARE
    ]
    layout = laid_out(replace(report, results=[ScenarioResults(scenario=results.scenario, outcomes=few)]))

    # The table of how many seeds are needed has no picture: it counts runs, not shares.
    cells = {figure.file: figure.table.rows[0][-1] for figure in layout.figures if figure.picture}
    assert cells.pop("transplanted-by-profile-difference.svg") == "+2.0 (−4.0 to +8.0)"
    assert set(cells.values()) == {"2.0 % (0.0 to 8.0)"}


def test_pictures_have_names_that_say_what_they_show(report):
    assert [figure.file for figure in laid_out(report).figures if figure.picture] == [
        "transplanted-by-profile.svg",
        "transplanted-by-profile-difference.svg",
        "transplanted-by-blood-group-class.svg",
        "transplanted-by-blood-group-class-and-profile.svg",
        "price.svg",
        "effects-on-transplants.svg",
        "effects-on-waiting.svg",
        "waiting.svg",
        "waiting-by-profile.svg",
        "transplanted-by-age.svg",
        "transplanted-by-drinking.svg",
        "transplanted-by-health.svg",
        "transplanted-by-patient-blood-group.svg",
        "transplanted-by-cpra-band.svg",
        "pool-over-time.svg",
    ]


def test_no_two_pictures_have_one_file_and_no_two_tables_one_caption(report):
    (results,) = report.results
    shares = [o for o in results.outcomes if o.measure is Measure.TRANSPLANTED_SHARE and not o.baseline]
    # Two attributes whose names differ in signs alone, and scenarios whose names do.
    own = [o for o in shares if o.grouping == "age"]
    rows = [*shares, *(replace(o, grouping="Age") for o in own), *(replace(o, grouping="age_") for o in own)]
    kinds = {c.name: "same order" for c in report.conditions}
    twice = [
        replace(
            results,
            scenario=replace(results.scenario, name=name),
            outcomes=[replace(o, scenario=name) for o in rows],
        )
        for name in ("Spring, now", "spring now")
    ]
    layout = laid_out(replace(report, results=twice, order_kinds=kinds))
    figures = list(layout.figures)

    files = [figure.file for figure in figures if figure.picture]
    captions = [figure.table.caption for figure in figures]
    assert len(set(files)) == len(files) == 2 * (len(files) // 2) > 20
    assert len(set(captions)) == len(captions)
    # Both scenarios have the same pictures.
    ids = Outline(report_page(layout)).ids
    assert len(set(ids)) == len(ids)
    assert all(file.startswith("spring-now-") for file in files)
    assert {f"spring-now-transplanted-by-age{i}.svg" for i in ("", *(f"-{n}" for n in range(2, 7)))} <= set(
        files
    )
    assert "spring-now-order-of-weights.svg" in files
    assert not [figure.file for figure in figures if not figure.picture and figure.file]


def test_the_record_has_what_the_page_says(report, html):
    layout = laid_out(report)
    record = json.loads(json.dumps(report_record(layout)))

    assert (record["format"], record["format_version"]) == ("equipoise-experiment-report", 1)
    assert (record["title"], record["baseline"], record["seeds"]) == ("Small & quick", "EQUAL", "1 to 3")
    (scenario,) = record["scenarios"]
    texts = [
        scenario["seen"],
        *(sentence for finding in scenario["findings"] for sentence in finding["sentences"]),
        *(section["heading"] for section in scenario["sections"]),
        *(paragraph for section in scenario["sections"] for paragraph in section["paragraphs"]),
    ]
    assert len(texts) > 20
    assert [text for text in texts if escape(text) not in html] == []
    figures = [figure for section in scenario["sections"] for figure in section["figures"]]
    tables = [figure["table"] for figure in figures] + [scenario["parameters"], record["conditions"]]
    captions = [unescape(caption) for caption in re.findall(r"<caption>(.*?)</caption>", html)]
    assert sorted(table["caption"] for table in tables) == sorted(captions)
    for table in tables:
        assert {len(row) for row in table["rows"]} == {len(table["head"])}
    shown = [figure for figure in figures if figure["file"]]
    titles = [unescape(title) for title in re.findall(r"<title id=[^>]*>(.*?)</title>", html)]
    assert [figure["title"] for figure in shown] == titles
    assert all(figure["description"] for figure in shown)
    alone = [figure for figure in figures if not figure["file"]]
    assert alone
    assert {(figure["title"], figure["description"]) for figure in alone} == {(None, None)}


def test_names_are_text_and_never_markup(report):
    (results,) = report.results
    bad = "<script>alert(1)</script>"
    rows = [replace(o, condition=bad if o.condition == "PRIORITY" else o.condition) for o in results.outcomes]
    conditions = [report.conditions[0], replace(report.conditions[1], name=bad)]
    page = page_of(
        replace(
            report,
            title=bad,
            conditions=conditions,
            results=[ScenarioResults(scenario=results.scenario, outcomes=rows)],
            manifest={"name": bad},
        )
    )

    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 5


def test_sections_without_numbers_are_left_out(report):
    (results,) = report.results
    page = page_of(
        replace(report, results=[ScenarioResults(scenario=results.scenario, outcomes=results.outcomes)])
    )

    assert "How long patients wait" not in page
    assert "Agreement with published numbers" not in page
    assert "Who is transplanted, by profile" in page


def test_of_many_conditions_pictures_show_twelve_with_the_baseline_and_tables_all(report):
    (results,) = report.results
    names = [f"draw #{i}" for i in range(13)]
    shares = [
        o for o in results.outcomes if o.condition == "EQUAL" and o.measure is Measure.TRANSPLANTED_SHARE
    ]
    rows = [replace(o, condition=name) for name in [*names, "EQUAL"] for o in shares]
    conditions = [*(replace(report.conditions[1], name=name) for name in names), report.conditions[0]]
    page = page_of(
        replace(
            report, conditions=conditions, results=[replace(results, outcomes=rows, prices=(), effects=())]
        )
    )

    pictures = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert "EQUAL" in pictures
    assert [name for name in names if f">{name}<" in pictures] == names[: MOST_CONDITIONS - 1]
    assert '<th scope="col">draw #12</th>' in page
    assert "other 2" in page


def test_a_difference_is_claimed_only_where_the_interval_does_not_hold_0():
    rows = [
        difference("up", 0.2, 0.1, 0.3),
        difference("down", -0.2, -0.3, -0.1),
        difference("open", 0.2, -0.1, 0.5),
        difference("none", NAN, NAN, NAN),
    ]
    text = said(rows, words={"up": "the young"})

    assert "Transplanted more often: the young (+20.0 points, +10.0 to +30.0)." in text
    assert "Transplanted less often: down (−20.0 points, −30.0 to −10.0)." in text
    assert "No difference is shown for open: the interval holds 0." in text
    assert "none" not in text


@given(st.lists(st.tuples(st.floats(-0.5, 0.5), st.floats(0, 0.5)), min_size=1, max_size=8))
def test_no_sentence_of_gain_or_loss_names_a_group_whose_interval_holds_0(numbers):
    rows = [difference(f"g{i}.", v, v - half, v + half) for i, (v, half) in enumerate(numbers)]
    lines = said(rows).split("\n")

    for row in rows:
        (line,) = [line for line in lines if row.group in line]
        holds = row.low <= 0 <= row.high
        start = "No difference" if holds else "Transplanted more" if row.value > 0 else "Transplanted less"
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("value", "low", "high", "words"),
    [
        (-20.0, -30.0, -10.0, "10.0 fewer transplants a year than under equal (95 % interval 5.00 to 15.0)."),
        (20.0, 10.0, 30.0, "10.0 more transplants a year than under equal (95 % interval 5.00 to 15.0)."),
        (-2.0, -6.0, 2.0, "No difference in transplants is shown: −1.00 a year"),
        (0.0, 0.0, 0.0, "Exactly as many transplants as under equal in every run."),
        (4.0, NAN, NAN, "one run has no interval, so nothing is claimed"),
    ],
)
def test_transplants_are_told_per_year_with_their_interval(value, low, high, words):
    row = difference(EVERYBODY, value, low, high, grouping=EVERYBODY, measure=Measure.TRANSPLANTED)

    assert words in said([row])


@pytest.mark.parametrize(
    ("value", "low", "high", "words"),
    [
        (-5.0, -6.0, -4.0, "patients wait 5.00 fewer on average"),
        (5.0, 4.0, 6.0, "patients wait 5.00 more on average"),
        (1.0, -1.0, 3.0, "No difference"),
    ],
)
def test_waiting_is_told_with_its_interval(value, low, high, words):
    row = difference(EVERYBODY, value, low, high, grouping=EVERYBODY, measure=Measure.MEAN_WAIT)

    assert words in said([row])


def test_the_baseline_and_other_baselines_get_no_sentences():
    row = difference("up", 0.2, 0.1, 0.3)

    assert findings([replace(row, baseline="x")], ["equal", "priority"], baseline="equal", n_days=1) == []
    assert findings([replace(row, condition="equal")], ["equal"], baseline="equal", n_days=1) == []


@pytest.mark.parametrize(
    ("value", "digits", "plain", "with_sign"),
    [
        (-0.001, 1, "0.0", "0.0"),
        (0.001, 1, "0.0", "0.0"),
        (-1234.6, 0, "−1,235", "−1,235"),
        (3.14159, None, "3.14", "+3.14"),
        (31.44, None, "31.4", "+31.4"),
        (314.4, None, "314", "+314"),
        (NAN, 1, "–", "–"),
    ],
)
def test_numbers_are_written_as_people_read_them(value, digits, plain, with_sign):
    assert number(value, digits) == plain
    assert signed(value, digits) == with_sign


def test_kinds_of_order_look_at_the_order_alone(study):
    profiles = study.profiles()
    assert profiles is not None
    first = published_weights(PROFILES)
    assert isinstance(first, ProfileWeights)

    def condition(name: str, logs) -> Condition:
        weights = replace(first, log_strengths=tuple(Estimate(value=v) for v in logs))
        return Condition(name=name, policy=Policy.GREATEST_WEIGHT, weights=weights)

    logs = [e.value for e in first.log_strengths]
    conditions = [
        Condition(name="none", policy=Policy.EQUAL),
        condition("published", logs),
        condition("flat", [v / 1000 for v in logs]),
        condition("reversed", [-v for v in logs]),
        condition("same to all", [0.0] * len(logs)),
    ]

    assert order_kinds(conditions, profiles) == {
        "none": "equal weights",
        "published": "same order",
        "flat": "same order",
        "reversed": "another order",
        "same to all": "equal weights",
    }
    assert order_kinds(conditions[:2], profiles) == {}
    other_policy = replace(conditions[3], policy=Policy.PRIORITY_AFTER_CARDINALITY)
    assert order_kinds([*conditions[:3], other_policy], profiles)["reversed"] == (
        "another order, priority-after-cardinality"
    )


def test_orders_are_compared_in_words_and_in_a_picture(report):
    (results,) = report.results
    names = ["flat", "steep", "reversed"]
    shares = {"flat": 0.5, "steep": 0.52, "reversed": 0.9}
    rows = [
        replace(difference("YRH", v, v - 0.01, v + 0.01), baseline="", condition=c) for c, v in shares.items()
    ]
    conditions = [replace(report.conditions[1], name=name) for name in names]
    page = page_of(
        replace(
            report,
            conditions=conditions,
            baseline="flat",
            results=[ScenarioResults(scenario=results.scenario, outcomes=rows)],
            order_kinds={"flat": "same order", "steep": "same order", "reversed": "another order"},
        )
    )

    assert (
        "Among the 2 conditions of kind “same order” the mean share of a profile differs by at most 2.0"
        in page
    )
    assert "Over all 3 conditions it differs by up to 40.0 points" in page


def test_the_scenario_is_told_with_what_differs_from_the_plain_case():
    plain = preset("freedman2020")
    rows = dict(scenario_rows(plain))
    assert rows["Time simulated"] == "365 days (1.0 years)"
    assert rows["Match runs"] == "every day, carried out 1 day later"
    assert rows["Exchanges"] == "cycles of at most 3 pairs; no chains"
    assert rows["Pairs stay"].endswith("(19.1 % a year)")
    assert not {"Ends of chains", "Sensitization while waiting", "Lost grafts"} & set(rows)

    rows = dict(
        scenario_rows(
            replace(
                plain,
                match_every_days=7,
                delay_days=0,
                chain_cap=4,
                renege=0.5,
                ndd_arrivals=Arrivals(mean=0.2),
                ndd_stay=Stay(law=StayLaw.FIXED, mean_days=30),
                sensitization=Sensitization(yearly_rate=0.1, increase=0.2),
                graft_failure=GraftFailure(yearly_rate=0.05, returns=0.5, increase=0.3),
            )
        )
    )
    assert rows["Match runs"] == "every 7 days, carried out at once"
    assert rows["Exchanges"] == "cycles of at most 3 pairs; chains of at most 4 pairs"
    assert "reneges with probability 0.5" in rows["Ends of chains"]
    assert rows["Non-directed and bridge donors stay"] == "until transplanted, or 30 days"
    assert "20 %" in rows["Sensitization while waiting"]
    assert "50 % of these patients come back" in rows["Lost grafts"]


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


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_reflows_and_passes_axe(chromium, html, tmp_path, width):
    file = tmp_path / "report.html"
    file.write_text(html, encoding="utf-8")
    page = chromium.new_page(viewport={"width": width, "height": 800}, bypass_csp=False)
    said_by_browser: list[str] = []
    page.on("console", lambda message: said_by_browser.append(message.text))
    page.goto(file.as_uri())
    assert said_by_browser == []
    assert page.evaluate("getComputedStyle(document.querySelector('.findings')).borderLeftWidth") == "4px"
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    package = importlib.util.find_spec("axe_playwright_python")
    assert package is not None
    assert package.origin is not None
    page.evaluate((Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("tags => axe.run({runOnly: tags, resultTypes: ['violations']})", tags)
    assert [f"{v['id']}: {n['html']}" for v in found["violations"] for n in v["nodes"]] == []
    page.close()
