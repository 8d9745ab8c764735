"""The file, the page and the pictures of results."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from survey.acceptability import Acceptability, RatedAttribute, Rating
from survey.answers import RespondentKind
from survey.coding.coding import Category, Coding
from survey.coding.coding_plots import agreement_plot, counts_plot, ratings_plot, saturation_plot
from survey.coding.counts import counts_of
from survey.coding.opinions import Opinions, Sheet, opinions_of
from survey.coding.report import render
from survey.coding.results import Results, as_record, results_json, results_of
from survey.coding.svg import round_step, width_of, wrapped
from survey.suggestions import Stance

S, N = Stance.SHOULD, Stance.SHOULD_NOT
LABELS = ("Age", "<script>alert(1)</script> & co", "גיל המטופל", "👨‍👩‍👧 family", "Donaudampfschiff" * 6)


@pytest.fixture
def coding(coded, asking) -> Coding:
    categories = [Category(name=f"c{i}", label=label) for i, label in enumerate(LABELS)]
    said = [
        (
            f"p{i:02}",
            S if i % 3 else N,
            {
                "ann": f"c{i % 5}",
                "ben": f"c{i % 5 if i % 4 else 0}",
                "model-x": "c1",
                "adjudicated": f"c{i % 5}",
            },
        )
        for i in range(25)
    ]
    asked = [asking(f"p{i:02}", order=i + 1, gender="woman" if i % 2 else "man") for i in range(25)]
    return coded(said, categories=categories, asked=asked)


@pytest.fixture
def opinions() -> Opinions:
    asked = Acceptability(
        question="?",
        attributes=tuple(RatedAttribute(name=f"c{i}", label=label) for i, label in enumerate(LABELS)),
        acceptable="yes",
        not_acceptable="no",
        cannot_say="?",
        ranked=2,
    )
    ratings = list(Rating)
    sheets = [
        Sheet(
            respondent=f"p{i}",
            ratings={f"c{k}": ratings[(i * k) % 3] for k in range(5)},
            ranking=(f"c{i % 5}",),
            ranked=True,
        )
        for i in range(12)
    ]
    return opinions_of(asked, sheets, draws=20)


@pytest.fixture
def results(coding, opinions) -> Results:
    return results_of(coding, opinions, coding_sha256="cd" * 32, draws=20, seed=5)


def pictures(results: Results, *, inline: bool) -> list[str]:
    drawn = [
        counts_plot(results.counts, inline=inline),
        agreement_plot(results.agreement, inline=inline),
        saturation_plot(results.saturation[0], inline=inline),
    ]
    return [*drawn, ratings_plot(results.opinions, inline=inline)] if results.opinions else drawn


def test_the_file_says_what_it_is_and_how_it_was_made(results):
    record = json.loads(results_json(results))

    assert (record["format"], record["format_version"]) == ("equipoise coding results", 1)
    assert (record["study"], record["coding_sha256"], record["draws"], record["seed"]) == (
        "kidney-attributes",
        "cd" * 32,
        20,
        5,
    )
    age = record["counts"]["categories"][0]
    assert age["for_share"]["of"] == record["counts"]["asked_for"] == 25
    assert age["either_people"] == age["for_people"] + age["against_people"] - age["both_people"]
    assert record["agreement"]["pairs"][0]["categories"][0]["table"]["pabak"] is not None
    assert record["agreement"]["models"][0]["model"] == "model-x"
    assert record["opinions"]["attributes"][0]["borda"]["of"] == 12


def test_the_same_coding_gives_the_same_bytes(coding, opinions, results):
    again = results_of(coding, opinions, coding_sha256="cd" * 32, draws=20, seed=5)

    assert results_json(again) == results_json(results)
    assert render(again) == render(results)
    assert pictures(again, inline=False) == pictures(results, inline=False)


def test_what_is_no_plain_data_is_refused():
    with pytest.raises(TypeError, match="object is no plain data"):
        as_record({"a": object()})


@pytest.mark.parametrize("inline", [True, False])
def test_pictures_are_sound_svg_without_styles_and_with_every_label_as_text(results, inline):
    for svg in pictures(results, inline=inline):
        root = ElementTree.fromstring(svg)
        words = "".join(root.itertext())

        assert "style" not in svg
        assert "<script" not in svg
        assert not re.search(r"[\"=, ]nan", svg)
        assert root.get("role") == "img"
        assert root.get("aria-label")
        assert (root.get("xmlns") or root.tag.startswith("{")) if not inline else root.tag == "svg"
        if svg != pictures(results, inline=inline)[2]:
            assert "<script>alert(1)</script> & co" in words
            assert LABELS[2] in words


def test_everything_drawn_lies_within_the_picture(results):
    for svg in pictures(results, inline=True):
        root = ElementTree.fromstring(svg)
        _, _, width, height = map(float, root.get("viewBox").split())
        for element in root.iter():
            for name, most in (
                ("x", width),
                ("x1", width),
                ("x2", width),
                ("cx", width),
                ("y", height),
                ("y1", height),
            ):
                value = element.get(name)
                assert value is None or -1 <= float(value) <= most + 1, ElementTree.tostring(element)
            if element.tag == "text" and element.get("text-anchor") == "end":
                room = float(element.get("x"))
                size = float(element.get("font-size"))
                assert width_of(element.text or "", size) <= room + 12, element.text


def test_bars_are_as_long_as_their_shares(coding):
    counts = counts_of(coding)
    root = ElementTree.fromstring(counts_plot(counts, inline=True))
    bars = [r for r in root.iter("rect") if r.get("height") == "16.0"]
    by_kind = {
        kind: [float(r.get("width")) for r in bars if r.get("class") == kind] for kind in ("for", "against")
    }
    shares = {
        "for": [c.for_share.value for c in counts.categories],
        "against": [c.against_share.value for c in counts.categories],
    }

    unit = by_kind["for"][0] / shares["for"][0]
    for kind in ("for", "against"):
        assert by_kind[kind] == pytest.approx([unit * share for share in shares[kind]], abs=0.2)
    zero = {r.get("x") for r in bars if r.get("class") == "for"}
    ends = {round(float(r.get("x")) + float(r.get("width")), 1) for r in bars if r.get("class") == "against"}
    assert len(zero) == 1
    assert sorted(ends) == pytest.approx([float(zero.pop())] * len(ends), abs=0.11)


def test_the_kappa_of_two_coders_is_seen_beside_the_alpha_that_is_nearly_the_same(coded):
    coding = coded(
        [(f"p{i}", S, {"ann": f"c{i % 3}", "ben": f"c{i % 3 if i % 4 else 0}"}) for i in range(24)]
    )
    drawn = ElementTree.fromstring(agreement_plot(results_of(coding, draws=5).agreement))
    svg = "{http://www.w3.org/2000/svg}"
    rows = [g for g in drawn.iter(f"{svg}g") if g.find(f"{svg}path") is not None]

    assert len(rows) == 3
    for row in rows:
        dot, plus = row.find(f"{svg}circle"), row.find(f"{svg}path")
        middle = float(re.match(r"M[-\d.]+ ([-\d.]+)h", plus.get("d")).group(1))
        # The plus reaches 4 up, the dot its radius down.
        assert middle - 4 > float(dot.get("cy")) + float(dot.get("r"))


def test_agreement_marks_what_was_split_or_retired_since_as_the_counts_do(coded):
    gone = [
        Category(name="lifestyle", label="Lifestyle", retired=True),
        Category(name="smoking", label="Smoking", split_from="lifestyle"),
        Category(name="luck", label="Luck", retired=True),
    ]
    said = [
        (f"p{i}", S, {"ann": word, "ben": word if i % 5 else "smoking", "model-x": word})
        for i, word in enumerate(["lifestyle", "smoking", "luck", "-"] * 4)
    ]
    results = results_of(coded(said, categories=gone), draws=5)
    record = json.loads(results_json(results))

    marks = {"lifestyle": "split", "smoking": None, "luck": "retired", "(no_category)": None}
    agreement = record["agreement"]
    (pair,), (model,) = agreement["pairs"], agreement["models"]
    for listed in (agreement["categories"], pair["categories"], model["retrieval"]):
        assert {own["category"]: own["ended"] for own in listed} == marks
    assert {own["category"]: own["ended"] for own in record["counts"]["categories"]}.items() <= marks.items()

    plot = re.findall(r"<g><title>([^:]*): alpha", agreement_plot(results.agreement))
    shown = {"Lifestyle (split)", "Smoking", "Luck (retired)", "No category"}
    assert set(plot) == {"All categories", *shown}
    # On agreement: of the coders, of the pair, of the model; and the picture's labels.
    page = render(results, title="t").split("How far coders agree</h2>")[1]
    cells = re.findall(r">(Lifestyle|Luck)( \(\w+\))?</t[dh]>", page)
    assert len(cells) >= 6
    assert set(cells) == {("Lifestyle", " (split)"), ("Luck", " (retired)")}


def test_more_categories_than_a_picture_holds_are_said_to_be_left_out(coded):
    coding = coded([(f"p{i}", S, {"ann": f"c{i:02}", "ben": f"c{i:02}"}) for i in range(55)])
    results = results_of(coding, draws=5)

    assert "15 more categories" in counts_plot(results.counts)
    assert "15 more categories" in agreement_plot(results.agreement)
    assert "more categories" not in counts_plot(results.counts, most=60)


def test_the_page_is_self_contained_and_allows_nothing_but_its_style(results):
    page = render(results, title='A "study" <b>')

    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in page
    assert not re.search(r"<(script|link|img|iframe)\b|style=|https?://(?!www\.w3\.org)", page)
    assert "A &#34;study&#34; &lt;b&gt;" in page
    for words in (
        "Proposals of model-x",
        "By what people say",
        "Krippendorff",
        "Wilson",
        "ab" * 32,
        "cd" * 32,
    ):
        assert words in page


def test_the_page_of_nobody_asked_says_so(coded):
    results = results_of(coded([]), draws=5)
    page = render(results)

    assert "0 people asked" in page
    assert "No category has been named" in page
    assert "cannot be said" in page
    for svg in pictures(results, inline=False):
        ElementTree.fromstring(svg)
    assert json.loads(results_json(results))["counts"]["asked"] == 0


def test_simulated_participants_and_models_are_called_what_they_are(coded, asking):
    asked = [asking("p1", simulated=True), asking("x#1", kind=RespondentKind.MODEL)]
    said = [("p1", S, {"ann": "age"}), ("x#1", S, {"ann": "age"})]
    people = coded(said, asked=asked)
    coding = replace(
        people,
        suggestions=tuple(
            replace(s, kind=RespondentKind.MODEL if s.respondent == "x#1" else s.kind)
            for s in people.suggestions
        ),
    )
    results = results_of(coding, draws=5)
    page = render(results)

    assert results.simulated
    assert [(own.model, own.counts.of("age").for_people) for own in results.models] == [("x", 1)]
    assert "1 repeat asked" in page
    assert "1 simulated participant asked" in page
    assert "What models name" in page
    assert "Shares of 1 simulated participant who" in counts_plot(results.counts)


@pytest.mark.parametrize(
    "words", ["one two three four five six seven", "x" * 200, "", "年齢" * 30, "a " * 90]
)
def test_labels_are_wrapped_into_their_room(words):
    lines = wrapped(words, 120, most_lines=3)

    assert 1 <= len(lines) <= 3
    assert all(width_of(line) <= 120 for line in lines)
    whole = "".join(wrapped(words, 120, most_lines=100)).replace(" ", "")
    assert whole == words.replace(" ", "")


@pytest.mark.parametrize(
    ("span", "most", "step"), [(1.0, 5, 0.2), (0.73, 7, 0.2), (12, 6, 2), (3, 8, 0.5), (400, 8, 50)]
)
def test_scales_have_round_steps(span, most, step):
    assert round_step(span, most) == pytest.approx(step)
