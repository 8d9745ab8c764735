"""Forest plots: what is drawn is what was estimated."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from estimation.dataset import ChoiceData, choice_data, counted
from estimation.effect_rows import EffectRow, effect_rows, interval_words, signed, widest
from estimation.fitting import fit
from estimation.forest_plots import MOST_ROWS, Layout, forest_plot
from estimation.results import Fit
from estimation.specification import Model
from estimation.weights import AttributeWeights, Estimate, ProfileWeights
from survey.answers import AnswerSet
from survey.design import CategoricalAttribute, Level, NumericAttribute, Profile

SVG = "{http://www.w3.org/2000/svg}"


def pairs_of(names: list[str], seed: int = 0) -> ChoiceData:
    """Return counts of every pair of these profiles."""
    rng = np.random.default_rng(seed)
    left, right = np.triu_indices(len(names), 1)
    return counted(names, left, right, rng.integers(2, 12, size=(len(left), 3)))


@pytest.fixture(scope="module")
def of_profiles() -> Fit:
    return fit(pairs_of(["A", "B", "C", "D", "E"]), Model.DAVIDSON)


@pytest.fixture(scope="module")
def of_attributes() -> Fit:
    age = NumericAttribute(
        name="age", label="Age", minimum=20, maximum=70, step=10, words="{value} years old", unit="years"
    )
    health = CategoricalAttribute(
        name="health",
        label="Health",
        levels=(Level(name="good", words="well"), Level(name="poor", words="< well & ill")),
    )
    profiles = tuple(Profile((("age", a), ("health", h))) for a in (20, 40, 70) for h in ("good", "poor"))
    left, right = np.triu_indices(len(profiles), 1)
    counts = np.random.default_rng(3).integers(1, 9, size=(len(left), 3))
    data = counted([p.id for p in profiles], left, right, counts, attributes=(age, health), profiles=profiles)
    return fit(data, Model.MIN_DELTA)


def drawn(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def numbers_at(root: ET.Element, tag: str, kind: str, *names: str) -> list[tuple[float, ...]]:
    return [
        tuple(float(e.attrib[name]) for name in names) for e in root.iter(SVG + tag) if e.get("class") == kind
    ]


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("which", ["of_profiles", "of_attributes"])
def test_dots_and_intervals_stand_where_the_numbers_say(
    which: str, layout: Layout, request: pytest.FixtureRequest
) -> None:
    fitted: Fit = request.getfixturevalue(which)
    rows = effect_rows(fitted)
    root = drawn(forest_plot(fitted, layout=layout))
    dots = numbers_at(root, "circle", "dot", "cx", "cy")
    intervals = numbers_at(root, "line", "interval", "x1", "x2", "y1", "y2")
    assert len(dots) == len(intervals) == len(rows)
    ticks = {
        float((t.text or "").replace("−", "-")): float(t.attrib["x"])
        for t in root.iter(SVG + "text")
        if re.fullmatch(r"−?[\d.]+", t.text or "") and t.get("text-anchor") == "middle"
    }
    assert 0.0 in ticks
    assert 3 <= len(ticks) <= 9
    # The scale is the straight line through its ticks.
    slope, origin = np.polyfit(list(ticks), list(ticks.values()), 1)
    assert np.allclose([origin + slope * t for t in ticks], list(ticks.values()), atol=0.15)
    for row, (x, y), (low, high, *ends) in zip(rows, dots, intervals, strict=True):
        e = row.log_strength
        assert e.low is not None
        assert e.high is not None
        assert (x, low, high) == pytest.approx(
            [origin + slope * v for v in (e.value, e.low, e.high)], abs=0.2
        )
        assert ends == [y, y]
    heights = [y for _, y in dots]
    assert heights == sorted(heights)


def test_rows_come_strongest_first(of_profiles: Fit, of_attributes: Fit) -> None:
    for fitted in (of_profiles, of_attributes):
        values = [row.log_strength.value for row in effect_rows(fitted)]
        assert values == sorted(values, reverse=True)
    assert effect_rows(of_profiles)[0].weight == 1.0


@pytest.mark.parametrize("layout", list(Layout))
def test_nothing_reaches_out_of_the_picture(of_profiles: Fit, of_attributes: Fit, layout: Layout) -> None:
    for fitted in (of_profiles, of_attributes):
        root = drawn(forest_plot(fitted, layout=layout))
        width, height = map(float, root.attrib["viewBox"].split()[2:])
        for element in root.iter():
            for name, most in (("x", width), ("x1", width), ("x2", width), ("cx", width), ("y", height)):
                if name in element.attrib:
                    assert 0 <= float(element.attrib[name]) <= most


def test_an_attributes_effect_is_taken_over_its_whole_range(of_attributes: Fit) -> None:
    weights = of_attributes.weights
    assert isinstance(weights, AttributeWeights)
    rows = {row.label: row for row in effect_rows(of_attributes)}
    age = rows["Age: 70 years old"]
    assert age.detail == "rather than 20 years old"
    assert age.log_strength.value == pytest.approx(50 * weights.coefficients["age"].value)
    assert rows["Health: < well & ill"].log_strength == weights.coefficients["health=poor"]
    assert widest(of_attributes) == max(row.width or 0 for row in rows.values())
    assert all(row.weight is None for row in rows.values())


def test_words_of_designs_are_escaped(of_attributes: Fit) -> None:
    svg = forest_plot(of_attributes)
    assert "&lt; well &amp; ill" in svg
    assert "< well" not in svg


def test_a_picture_for_a_page_carries_no_style_of_its_own(of_profiles: Fit) -> None:
    inline = forest_plot(of_profiles, inline=True)
    assert "style" not in inline
    assert "<rect" not in inline
    assert inline.startswith("<svg class=")
    alone = forest_plot(of_profiles)
    assert drawn(alone).tag == f"{SVG}svg"
    assert 'fill="#ffffff"' in alone


def test_the_same_numbers_give_the_same_bytes(of_profiles: Fit) -> None:
    assert forest_plot(of_profiles) == forest_plot(fit(pairs_of(["A", "B", "C", "D", "E"]), Model.DAVIDSON))


def test_what_a_screen_reader_says_names_the_strongest_and_the_weakest(of_profiles: Fit) -> None:
    root = drawn(forest_plot(of_profiles))
    first, *_, last = effect_rows(of_profiles)
    said = root.attrib["aria-label"]
    assert root.get("role") == "img"
    assert f"{first.label} {first.numbers}" in said
    assert f"{last.label} {last.numbers}" in said


def test_of_very_many_rows_the_ends_are_drawn_and_the_rest_is_counted() -> None:
    names = [f"p{i:03d}" for i in range(MOST_ROWS + 7)]
    n = len(names)
    left = np.repeat(np.arange(n), 3)
    right = (left + np.tile([1, 2, 5], n)) % n
    rng = np.random.default_rng(1)
    fitted = fit(counted(names, left, right, rng.integers(1, 5, size=(3 * n, 3))), Model.DAVIDSON)
    root = drawn(forest_plot(fitted))
    assert len(numbers_at(root, "circle", "dot", "cx")) == MOST_ROWS
    assert "… 7 between them are not drawn …" in [t.text for t in root.iter(SVG + "text")]


def test_long_words_are_broken_into_lines_of_the_room_they_have() -> None:
    words = (
        "a profile with a name that is far too long for a single line of any picture that anybody would draw"
    )
    svg = forest_plot(fit(pairs_of(["A", words, "C"]), Model.DAVIDSON))
    lines = [t.text or "" for t in drawn(svg).iter(SVG + "text")]
    assert max(map(len, lines)) < 40
    assert words in " ".join(lines)


def test_an_estimate_without_interval_is_a_dot_alone(of_profiles: Fit) -> None:
    weights = of_profiles.weights
    assert isinstance(weights, ProfileWeights)
    bare = tuple(Estimate(value=e.value) for e in weights.log_strengths)
    fitted = replace(of_profiles, weights=replace(weights, log_strengths=bare))
    root = drawn(forest_plot(fitted))
    assert numbers_at(root, "line", "interval", "x1") == []
    assert len(numbers_at(root, "circle", "dot", "cx")) == 5
    assert widest(fitted) == 0.0


def test_equal_strengths_still_have_a_scale(answers_from_wins: Callable[..., AnswerSet]) -> None:
    data = choice_data(answers_from_wins({("a", "b"): 5, ("b", "a"): 5}))
    svg = forest_plot(fit(data, Model.BRADLEY_TERRY))
    assert "nan" not in svg
    drawn(svg)


@pytest.mark.parametrize(
    ("value", "text"), [(1.234, "+1.23"), (-0.5, "−0.50"), (0.004, "0.00"), (-0.004, "0.00")]
)
def test_numbers_have_a_sign_and_two_decimals(value: float, text: str) -> None:
    assert signed(value) == text


def test_a_row_says_its_interval_and_its_weight() -> None:
    row = EffectRow(label="x", detail="", log_strength=Estimate(value=1, low=-0.5, high=2.5), weight=0.00277)
    assert (row.numbers, row.weight_words, row.width) == ("+1.00 (−0.50 to +2.50)", "0.0028", 3.0)
    assert interval_words(Estimate(value=1)) == ""
