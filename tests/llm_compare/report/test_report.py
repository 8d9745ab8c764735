from __future__ import annotations

import copy
import re
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from llm_compare.report.number_words import points, share
from llm_compare.report.report import render

SECTIONS = [
    "What is real here",
    "Summary",
    "How far from people",
    "Who is chosen",
    "Indecision",
    "Consistency",
    "Rules and strategies",
    "Other ways of asking",
    "Consequences in a kidney exchange",
    "Replies",
    "Methods",
]


class Document(HTMLParser):
    """Collects what a reader and a browser make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.unclosed = 0
        self.headings: list[tuple[int, str]] = []
        self.cells: list[str] = []
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        self.addresses += [given[a] for a in ("src", "href", "xlink:href", "action", "data") if given.get(a)]
        if tag not in ("meta", "br", "link", "input", "hr", "img"):
            self.open.append(tag)
        if re.fullmatch(r"h\d", tag):
            self.headings.append((int(tag[1]), ""))
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.unclosed += 1

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.said.append(data)
        if self.open and re.fullmatch(r"h\d", self.open[-1]):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


@pytest.fixture(scope="module")
def page(record):
    return render(record, source=("alignment.json", "ab" * 32))


@pytest.fixture(scope="module")
def document(page):
    return Document(page)


def changed(record, **measured):
    """Return a copy of the record in which the first model has other measurements."""
    new = copy.deepcopy(record)
    new["models"][0]["measured"].update(measured)
    return new


def renamed(record, old, new):
    """Return the record with every text ``old`` replaced, keys included."""
    if isinstance(record, dict):
        return {renamed(k, old, new): renamed(v, old, new) for k, v in record.items()}
    if isinstance(record, list):
        return [renamed(v, old, new) for v in record]
    return record.replace(old, new) if isinstance(record, str) else record


def section_of(page, heading):
    """Return the words of a section."""
    start = page.index(f"<h2>{heading}</h2>")
    end = page.find("<h2>", start + 4)
    return unescape(re.sub(r"<[^>]*>", " ", page[start : end if end > 0 else None]))


def test_the_page_is_one_file_that_needs_no_network_and_no_script(page, document):
    assert all(address.startswith("#") for address in document.addresses)
    assert "<script" not in page
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_the_page_is_well_formed_and_its_ids_are_unique(document):
    assert document.open == []
    assert document.unclosed == 0
    assert len(document.ids) == len(set(document.ids))


def test_every_section_is_there_in_order_and_no_heading_is_skipped(document):
    assert [text for level, text in document.headings if level == 2] == SECTIONS
    levels = [level for level, _ in document.headings]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_link_of_the_contents_leads_somewhere(document):
    assert {a.removeprefix("#") for a in document.addresses if a.startswith("#section")} <= set(document.ids)
    assert sum(a.startswith("#section") for a in document.addresses) == len(SECTIONS)


def test_every_picture_has_its_words_and_its_numbers(page):
    pictures = page.count('<svg role="img"')

    assert pictures >= 12
    assert page.count("<summary>The numbers in this picture</summary>") == pictures
    assert page.count("<desc id=") == pictures


def test_no_cell_is_empty_and_nothing_is_none_or_nan(document):
    assert [cell for cell in document.cells if not cell.strip()] == []
    words = " ".join(document.said)
    assert not re.search(r"\b(None|nan|NaN|null|inf)\b", words)
    assert "not known: <" not in words


def test_the_page_shows_the_numbers_of_the_record(record, page):
    a = record["models"][0]["measured"]["alignment"]
    same = a["agreement"]["with_random_person"]
    said = unescape(page).replace("\u00a0", " ")

    for words in (
        share(same["model"]),
        share(same["people"]),
        points(same["difference"]),
        share(a["percentile"]["percentile"]),
        share(a["indecision"]["model"]),
        share(a["consistency"]["model"]["sides_exchanged"]),
        points(a["effects"]["attributes"][0]["levels"][0]["difference"], has_unit=False),
    ):
        assert words in said


def test_where_there_is_no_number_its_reason_is_shown(record, page):
    # Always left: nothing is decided by attributes, so nothing can be said of their shares.
    shares = record["models"][1]["measured"]["alignment"]["coefficients"]["attributes"]
    reason = shares[0]["share"]["model"]["reason"]

    assert reason
    assert f"not known: {reason}" in unescape(page)


def test_a_model_that_only_refused_is_counted_not_compared(page):
    assert "No reply is a readable choice: 56 refused" in section_of(page, "Summary")
    assert "openai/silent" in section_of(page, "Replies")
    assert "openai/silent" not in section_of(page, "How far from people")


def test_methods_name_models_dates_costs_prompts_and_hashes(record, page):
    words = section_of(page, "Methods")
    calls = record["models"][0]["measured"]["calls"]

    for expected in (
        *calls["returned_models"],
        *calls["fingerprints"],
        "2026-11-03 09:00",
        "US$",
        record["study"]["design_hash"],
        "ab" * 32,
        "30 draws (seed 1)",
    ):
        assert expected in words
    for prompt in calls["prompts"]:
        for _, said in prompt["messages"]:
            assert said in unescape(page)


def test_the_same_record_gives_the_same_bytes(record, page):
    assert render(copy.deepcopy(record), source=("alignment.json", "ab" * 32)) == page


def test_what_is_scripted_simulated_or_not_stated_says_so(page):
    for kind in ("scripted", "simulated", "not-stated", "real"):
        assert f'class="tag {kind}"' in page


@pytest.mark.parametrize(
    "name",
    ['"><script>alert(1)</script>', "$x$ & $", "模型 ' \\frac{1}{2}", "a/" + "very-long-name-" * 12],
)
def test_no_name_can_break_the_page(record, name):
    hostile = renamed(record, "openai/gpt-test", name)
    page = render(renamed(hostile, "70 years old", name), source=None)
    document = Document(page)

    assert "<script" not in page
    assert (document.open, document.unclosed) == ([], 0)
    assert len(document.ids) == len(set(document.ids))
    assert name in unescape(page)


def test_what_was_not_done_is_said(record):
    bare = copy.deepcopy(record)
    for model in bare["models"]:
        model.update(pool=None, pools=None, years=None)
        model["measured"].update(variants=[], prompt_factors=None)
        model["measured"]["alignment"]["indecision"] = None
    page = render(bare, source=None)

    assert "No exchange was run" in section_of(page, "Consequences in a kidney exchange")
    assert "asked in one way only" in section_of(page, "Other ways of asking")
    assert "Indecision was not on offer" in section_of(page, "Indecision")
    assert "not on offer" in section_of(page, "Summary")
    assert [text for level, text in Document(page).headings if level == 2] == SECTIONS


def test_without_a_comparison_in_common_the_page_says_why(record):
    alone = copy.deepcopy(record)
    note = "people and model answered no comparison in common"
    for model in alone["models"]:
        model["measured"].update(
            alignment=None, comparisons=[], variants=[], prompt_factors=None, notes=[note]
        )
    page = render(alone, source=None)

    for heading in (
        "How far from people",
        "Who is chosen",
        "Indecision",
        "Consistency",
        "Rules and strategies",
    ):
        assert f"P{note[1:]}." in section_of(page, heading)


def test_of_thousands_of_comparisons_the_most_different_are_shown(record):
    many = copy.deepcopy(record)
    measured = many["models"][0]["measured"]
    found = measured["alignment"]["distance"]["comparisons"]
    measured["alignment"]["distance"]["comparisons"] = [
        {**found[i % len(found)], "comparison": i} for i in range(5000)
    ]
    names = measured["comparisons"]
    measured["comparisons"] = [
        {"first": f"patient {i}", "second": names[i % len(names)]["second"]} for i in range(5000)
    ]
    page = render(many, source=None)
    words = section_of(page, "How far from people")

    assert "The 10 of 5,000 comparisons" in words
    assert "the 40 that differ most; all 5,000 are in the JSON file" in words
    assert len(set(re.findall(r">patient (\d+)</th>", page))) == 40
    assert len(page) < 1_500_000


def test_a_dozen_models_fit_one_page(record):
    many = copy.deepcopy(record)
    first = many["models"][0]
    many["models"] = [renamed(first, "openai/gpt-test", f"provider/model-{i:02}") for i in range(12)]
    page = render(many, source=None)
    document = Document(page)

    assert len(document.ids) == len(set(document.ids))
    assert len(page) < 8_000_000
    assert all(f"provider/model-{i:02}" in section_of(page, "Consistency") for i in range(12))


def test_equal_pictures_have_ids_of_their_own(record):
    twice = copy.deepcopy(record)
    twice["models"] = [twice["models"][0], copy.deepcopy(twice["models"][0])]
    ids = Document(render(twice, source=None)).ids

    assert len(ids) == len(set(ids))
