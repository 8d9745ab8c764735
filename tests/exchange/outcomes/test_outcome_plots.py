from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page
from scipy import stats

from exchange.outcomes.curve_plots import (
    MOST_POINTS,
    _thinned,
    pool_size_plot,
    rank_distribution_plot,
    waiting_plot,
)
from exchange.outcomes.marginal_effects import MarginalEffect
from exchange.outcomes.outcome import EVERYBODY, Measure, Outcome
from exchange.outcomes.outcome_plots import (
    condition_plot,
    difference_plot,
    effects_plot,
    order_plot,
    panels_plot,
    price_plot,
    shares_plot,
    shown_interval,
)
from exchange.outcomes.price import PriceOfPriority
from exchange.outcomes.run_curves import Curve, RunCurves
from exchange.outcomes.run_mean import RunMean
from exchange.outcomes.svg_plots import Picture, looks_of, text_width, wrapped
from exchange.simulation.record import DAY_COLUMNS, RunRecord

NAN = float("nan")
CHROMIUM = Path("/usr/bin/chromium")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield browser.new_page(viewport={"width": 800, "height": 800})
        browser.close()


def outcome(
    condition, group, value, *, half=0.01, baseline="", grouping="profile", measure=Measure.TRANSPLANTED_SHARE
):
    return Outcome(
        scenario="s",
        condition=condition,
        baseline=baseline,
        grouping=grouping,
        group=group,
        measure=measure,
        value=value,
        low=value - half,
        high=value + half,
        n_runs=9,
        sd=half,
    )


def long_names(n: int, word: str) -> list[str]:
    return [
        f"{word} {i} with a name that goes on and on until sixty letters are there"[:60] for i in range(n)
    ]


def table(conditions, groups):
    rng = np.random.default_rng(1)
    return [outcome(c, g, float(rng.uniform(0.02, 0.98))) for g in groups for c in conditions]


def curve(label: str, n: int = 30, days: float = 900.0) -> Curve:
    x = np.linspace(0.0, days, n)
    y = np.exp(-x / 300)
    return Curve(label=label, x=x, y=y, low=y - 0.02, high=y + 0.02)


def price(condition: str, value: float) -> PriceOfPriority:
    mean = RunMean(value=value, low=value - 1, high=value + 1, n_runs=9, sd=1.0)
    return PriceOfPriority(
        scenario="s",
        condition=condition,
        baseline="equal",
        given_up_per_run=mean,
        given_up_per_year=mean,
        given_up_percent=mean,
        gains=(),
        n_unpaired=0,
    )


def effect(condition: str, level: str, value: float) -> MarginalEffect:
    return MarginalEffect(
        scenario="s",
        condition=condition,
        attribute="age",
        level=level,
        reference="young",
        measure=Measure.TRANSPLANTED_SHARE,
        value=value,
        low=value - 0.01,
        high=value + 0.01,
        n_runs=9,
        share_compared=1.0,
    )


def all_pictures(n_conditions: int, n_groups: int, *, missing: bool = False) -> dict[str, Picture]:
    conditions = long_names(n_conditions, "condition")
    groups = long_names(n_groups, "group")
    rows = table(conditions, groups)
    if missing:
        rows[0] = outcome(conditions[0], groups[0], NAN)
    alone = [
        outcome(c, EVERYBODY, 3.0 + i, grouping=EVERYBODY, measure=Measure.AVERAGE_RANK)
        for i, c in enumerate(conditions)
    ]
    differences = [outcome(c, g, 0.1, baseline="equal") for g in groups for c in conditions]
    curves = [curve(c) for c in conditions]
    kinds = {c: ("same order", "another order", "equal weights")[i % 3] for i, c in enumerate(conditions)}
    return {
        "shares": shares_plot(rows, conditions, grouping="profile"),
        "panels": panels_plot(
            [(k, rows) for k in ("over-demanded", "under-demanded", "self-demanded", "reciprocal")],
            conditions,
            grouping="profile",
            by="class",
        ),
        "order": order_plot(rows, conditions, kinds),
        "ranks": condition_plot(alone, conditions, Measure.AVERAGE_RANK),
        "differences": difference_plot(differences, conditions, baseline="equal", grouping="profile"),
        "effects": effects_plot(
            [effect(c, g, 0.1) for g in groups for c in conditions], conditions, Measure.TRANSPLANTED_SHARE
        ),
        "price": price_plot([price(c, i - 1.0) for i, c in enumerate(conditions)], conditions),
        "waiting": waiting_plot(curves, conditions),
        "pool": pool_size_plot(curves, conditions),
        "rank distribution": rank_distribution_plot([curve(c, 8, 8.0) for c in conditions], conditions),
    }


@pytest.mark.parametrize(
    ("n_conditions", "n_groups", "missing"), [(1, 1, False), (3, 8, True), (8, 12, False)]
)
def test_every_picture_is_well_formed_named_and_free_of_styles(n_conditions, n_groups, missing):
    seen_ids: set[str] = set()
    for name, picture in all_pictures(n_conditions, n_groups, missing=missing).items():
        root = ET.fromstring(picture.svg)
        title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
        assert title is not None, name
        assert description is not None, name
        assert title.text == picture.title != "", name
        assert description.text == picture.description != "", name
        labelled = root.get("aria-labelledby", "").split()
        assert labelled == [title.get("id"), description.get("id")], name
        for element in root.iter():
            assert "style" not in element.attrib, name
            assert element.tag not in (f"{SVG}style", f"{SVG}script", f"{SVG}metadata"), name
        ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
        assert len(ids) == len(set(ids)), name
        assert not seen_ids & set(ids), f"{name} shares ids with another picture of the page"
        seen_ids |= set(ids)


def test_the_same_numbers_give_the_same_bytes():
    assert all_pictures(3, 4) == all_pictures(3, 4)


@pytest.mark.browser
@pytest.mark.parametrize(("n_conditions", "n_groups"), [(1, 1), (2, 12), (8, 8)])
def test_no_words_overlap_or_leave_the_picture(page, n_conditions, n_groups):
    for name, picture in all_pictures(n_conditions, n_groups).items():
        page.set_content(f"<body>{picture.svg}</body>")
        boxes = page.evaluate(
            """() => {
                const own = document.querySelector('svg').getBoundingClientRect();
                return [own, ...[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect())]
                    .map(b => [b.left, b.right, b.top, b.bottom]);
            }"""
        )
        own, texts = boxes[0], boxes[1:]
        assert texts, name
        for left, right, top, bottom in texts:
            assert left >= own[0] - 1, name
            assert right <= own[1] + 1, name
            assert top >= own[2] - 2, name
            assert bottom <= own[3] + 2, name
        for a, b in combinations(texts, 2):
            # Boxes hold the whole line height, which letters do not fill: 3 pixels may overlap.
            across = min(a[1], b[1]) - max(a[0], b[0])
            down = min(a[3], b[3]) - max(a[2], b[2])
            assert across <= 1 or down <= 3, f"{name}: {a} and {b}"


def test_dots_and_bars_stand_where_the_numbers_are():
    rows = [outcome("equal", "a", 0.25, half=0.05), outcome("priority", "a", 0.75, half=0.1)]
    drawing = shares_plot.__wrapped__(rows, ["equal", "priority"], grouping="profile")
    (axes,) = drawing.figure.axes
    dots = {
        line.get_marker(): line.get_xdata()[0] for line in axes.lines if line.get_marker() not in ("None", "")
    }
    bars = [tuple(line.get_xdata()) for line in axes.lines if line.get_marker() in ("None", "")]
    looks = looks_of(["equal", "priority"])

    assert dots == {looks["equal"].marker: pytest.approx(25), looks["priority"].marker: pytest.approx(75)}
    assert sorted(bars) == [pytest.approx((20, 30)), pytest.approx((65, 85))]


def test_only_the_asked_grouping_measure_and_conditions_are_drawn():
    rows = [
        outcome("equal", "a", 0.2),
        outcome("equal", "b", 0.3, grouping="cpra_band"),
        outcome("equal", "a", 0.4, measure=Measure.LEFT_SHARE),
        outcome("other", "a", 0.6),
        outcome("equal", "a", 0.9, baseline="other"),
    ]
    drawing = shares_plot.__wrapped__(rows, ["equal"], grouping="profile")

    dots = [line for line in drawing.figure.axes[0].lines if line.get_marker() not in ("None", "")]
    assert [float(dot.get_xdata()[0]) for dot in dots] == [pytest.approx(20)]


def test_a_missing_value_is_said_and_not_drawn_as_a_number():
    with_value = shares_plot([outcome("equal", "a", 0.5)], ["equal"], grouping="profile")
    without = shares_plot(
        [outcome("equal", "a", NAN), outcome("equal", "b", 0.5)], ["equal"], grouping="profile"
    )

    assert "no value" in without.svg
    assert "no value" not in with_value.svg
    assert "no values to draw" in shares_plot([], ["equal"], grouping="profile").svg


def test_intervals_of_few_patients_do_not_stretch_the_scale_of_shares():
    rows = [outcome("equal", "a", 0.5, half=0.9)]
    drawing = shares_plot.__wrapped__(rows, ["equal"], grouping="profile")
    over = shares_plot.__wrapped__([outcome("equal", "a", 1.3)], ["equal"], grouping="profile")

    assert drawing.figure.axes[0].get_xlim() == pytest.approx((0, 102))
    assert over.figure.axes[0].get_xlim()[1] > 130


@pytest.mark.parametrize(
    ("value", "half", "changes", "shown"),
    [
        (0.03, 0.1, {}, (0, 0.13)),
        (0.95, 0.1, {}, (0.85, 1)),
        (0.5, 0.1, {}, (0.4, 0.6)),
        # Some are matched more than once.
        (1.3, 0.1, {"measure": Measure.MATCHED_PER_SEEN}, (1.2, 1.4)),
        (-0.03, 0.1, {"baseline": "equal"}, (-0.13, 0.07)),
        (0.95, 0.1, {"baseline": "equal"}, (0.85, 1.05)),
        (2.0, 5.0, {"measure": Measure.TRANSPLANTED}, (-3, 7)),
        (0.5, NAN, {}, (NAN, NAN)),
    ],
)
def test_an_interval_of_a_share_is_shown_between_nobody_and_everybody(value, half, changes, shown):
    found = shown_interval(outcome("equal", "a", value, half=half, **changes))

    assert found == pytest.approx(shown, nan_ok=True)


def test_lines_of_one_order_are_in_one_panel_and_the_others_in_gray():
    conditions = ["equal", "flat", "steep", "reversed"]
    kinds = {"equal": "equal weights", "flat": "same", "steep": "same", "reversed": "another"}
    drawing = order_plot.__wrapped__(table(conditions, ["a", "b", "c"]), conditions, kinds)

    titles = [text.get_text() for text in drawing.figure.texts if text.get_fontweight() == "bold"]
    assert titles == ["equal weights", "same", "another"]
    for axes, n_own in zip(drawing.figure.axes, (1, 2, 1), strict=True):
        joined = [line for line in axes.lines if len(line.get_xdata()) == 3]
        gray = [line for line in joined if line.get_color() == "#bdbdbd"]
        assert (len(joined), len(gray)) == (4, 4 - n_own)


def test_a_condition_without_a_kind_is_left_out_of_the_picture_of_orders():
    picture = order_plot(table(["flat", "donors"], ["a"]), ["flat", "donors"], {"flat": "same order"})

    assert "flat" in picture.svg
    assert "donors" not in picture.svg


def test_a_condition_looks_the_same_in_every_picture_and_no_two_share_a_marker():
    names = long_names(12, "condition")
    looks = looks_of(names)

    assert len({look.marker for look in looks.values()}) == 12
    assert looks_of([*names, "one more"])[names[3]] == looks[names[3]]


def test_colors_stand_out_from_white():
    for look in looks_of(long_names(7, "c")).values():
        channels = [int(look.color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
        assert 1.05 / (luminance + 0.05) >= 3, look.color


def test_wrapped_words_fit_their_room_and_lose_nothing():
    for text in (*long_names(3, "group"), "age=young;drinking=rarely;health=healthy", "MWMW%" * 12, "a"):
        lines = wrapped(text, 1.5).split("\n")
        assert max(map(text_width, lines)) <= 1.5
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_names_are_not_read_as_markup_or_mathematics():
    name = "<b>$x^2$</b> & co"
    picture = shares_plot([outcome(name, "<i>", 0.5)], [name], grouping="profile")

    texts = [element.text for element in ET.fromstring(picture.svg).iter(f"{SVG}text")]
    assert "<b>$x^2$</b> & co" in texts
    assert "<i>" in texts


def test_thinned_curves_keep_the_value_that_holds_at_each_place():
    rng = np.random.default_rng(3)
    x = np.sort(rng.uniform(0, 1000, 2000))
    y = 1 - np.arange(2000) / 2000
    thin = _thinned(Curve(label="c", x=x, y=y, low=y, high=y))

    assert len(thin.x) == MOST_POINTS
    for place, value in zip(thin.x, thin.y, strict=True):
        assert value == y[[i for i in range(2000) if x[i] <= place][-1]]


def record(condition: str, seed: int, waiting: list[int], ranks: list[int]) -> RunRecord:
    days = {name: np.zeros(len(waiting), dtype=np.intp) for name in DAY_COLUMNS}
    return RunRecord(
        scenario="s",
        condition=condition,
        seed=seed,
        n_days=len(waiting),
        patients={"pair": np.array(list("abcdef")[: len(ranks)]), "rank": np.array(ranks)},
        days={**days, "waiting": np.array(waiting)},
    )


def gathered(runs: Iterable[RunRecord]) -> RunCurves:
    curves = RunCurves()
    for run in runs:
        curves.add(run)
    return curves


def test_the_pool_size_is_a_mean_over_runs_with_a_t_interval():
    sizes = [[1, 4, 9], [3, 4, 5], [2, 7, 1]]
    (found,) = gathered(record("equal", i, own, [0]) for i, own in enumerate(sizes)).pool_sizes("s")

    half = stats.t.ppf(0.975, 2) * stats.sem(np.array(sizes), axis=0)
    np.testing.assert_allclose(found.x, [0, 1, 2])
    np.testing.assert_allclose(found.y, np.mean(sizes, axis=0))
    np.testing.assert_allclose(found.high - found.y, half)
    np.testing.assert_allclose(found.y - found.low, half)


def test_ranks_are_shares_of_the_matched_and_a_rank_that_a_run_lacks_counts_0():
    runs = [record("equal", 1, [0], [1, 1, 2, 0]), record("equal", 2, [0], [3, 1, 0, 0])]
    (found,) = gathered(runs).ranks("s")

    np.testing.assert_allclose(found.x, [1, 2, 3])
    np.testing.assert_allclose(found.y, np.mean([[2 / 3, 1 / 3, 0], [1 / 2, 0, 1 / 2]], axis=0))
    sem = stats.sem([[2 / 3, 1 / 3, 0], [1 / 2, 0, 1 / 2]], axis=0)
    np.testing.assert_allclose(found.high - found.y, stats.t.ppf(0.975, 1) * sem)
    assert gathered(reversed(runs)).ranks("s")[0].y == pytest.approx(found.y)


def test_one_run_has_no_band_and_runs_without_ranks_no_curve():
    curves = RunCurves()
    curves.add(record("equal", 1, [5, 6], [0, 0]))

    assert curves.ranks("s") == []
    assert curves.pool_sizes("other") == []
    (size,) = curves.pool_sizes("s")
    assert np.isnan(size.low).all()
    assert "<svg" in pool_size_plot([size], ["equal"]).svg
