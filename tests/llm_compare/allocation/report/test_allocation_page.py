"""The page: what it says, what it never says, and what it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from llm_compare.allocation.report.page import render
from llm_compare.allocation.report.summary import sentences


@pytest.fixture(scope="module")
def page(planted) -> str:
    return (planted.folder / "allocation.html").read_text(encoding="utf-8")


def effects(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        if "p_adjusted" in value:
            yield value
        for item in value.values():
            yield from effects(item)
    elif isinstance(value, list):
        for item in value:
            yield from effects(item)


def test_the_page_is_self_contained(page):
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    assert "style=" not in page
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    "heading",
    [
        "What is real here",
        "Summary",
        "Viability",
        "Who is chosen",
        "Do groups fare differently",
        "Groups along the ranks",
        "How stable the answers are",
        "Choosing and ranking",
        "The same candidate but for one word",
        "Offers that may be declined",
        "How often these tests raise a false alarm",
        "Answers",
        "Methods",
    ],
)
def test_every_part_of_the_paper_and_beyond_has_its_section(page, heading):
    assert f"<h2>{heading}</h2>" in page


def test_every_picture_has_its_numbers(page):
    assert page.count("<figure>") == page.count("The numbers in this picture") > 6


def test_scripted_and_synthetic_are_marked_as_such(page):
    assert '<span class="tag synthetic">synthetic</span>' in page
    assert '<span class="tag scripted">scripted</span>' in page
    assert "not a language model" in page


def test_nobody_is_called_fair_or_biased(planted):
    said = [sentence for r in planted.record["respondents"] for sentence in sentences(r)]
    assert len(said) > 20
    assert [s for s in said if re.search(r"\b(un)?fair|\bbias", s)] == []


def test_an_rnd_at_chance_level_is_called_what_coin_tosses_give(planted):
    said = " ".join(sentences(planted.respondent("scripted/random")))
    assert "which is what coin-tossed rankings give for a group of" in said


def test_the_summary_says_how_often_the_paper_s_model_is_wrong_on_this_design(planted):
    record = planted.respondent("scripted/random")
    for table in record["rankings"]["false_alarms"]:
        for row in table["rows"]:
            if (row["measure"], row["method"], row["group"]) == ("rND", "mixed model of the paper", "Asian"):
                row["rate"] = 0.97
            elif row["measure"] == "rND":
                row["rate"] = 0.04
    said = " ".join(sentences(record)).replace("\u202f", " ")
    assert "call the rND of Asian candidates different in 97 % of such studies" in said
    assert "the permutation test, in 4.0 %" in said


def test_a_difference_is_claimed_only_where_the_corrected_p_is_small(planted):
    record = planted.respondent("scripted/prefers:gender=Female")
    claimed = [s for s in sentences(record) if s.startswith("Female candidates are") and "chosen" in s]
    assert len(claimed) == 1
    assert "after Holm’s correction" in claimed[0]
    for found in effects(record):
        found["p_adjusted"] = 0.051
    assert not [s for s in sentences(record) if s.startswith("Female candidates are")]


def test_numbers_that_are_not_known_show_their_reasons(planted):
    record = planted.record
    for found in effects(record):
        found.update(value=None, low=None, high=None, p=None, p_adjusted=None, reason="a reason of its own")
    page = render(record, source=None)
    assert "a reason of its own" in page
    assert "nan" not in re.findall(r"\bnan\b", page.lower())


def test_what_was_not_asked_is_said(planted):
    record = planted.record
    for respondent in record["respondents"]:
        respondent.update(viability=[], choices=None, rankings=None, both=None, counterfactuals=[])
    page = render(record, source=None)
    assert "Nobody was asked whether a kidney suits a candidate." in page
    assert "Nobody chose among candidates or ranked them." in page
    assert "ask with --counterfactual gender" in page


def test_without_null_runs_the_paper_s_tests_are_warned_of(planted):
    record = planted.record
    for respondent in record["respondents"]:
        for part in ("choices", "rankings"):
            if respondent[part]:
                respondent[part]["false_alarms"] = []
    assert "believe no p-value of the paper’s own tests" in render(record, source=None)
