"""The page: what it says, what it never says, and what it needs."""

from __future__ import annotations

import json
import re

import pytest

from llm_compare.tuning.report.page import render

HEADINGS = [
    "What this is",
    "In short",
    "Learning curve",
    "What else moved",
    "Groups of people",
    "Methods",
]


@pytest.fixture(scope="module")
def pages(both_records) -> dict[str, str]:
    return {name: render(record, source=("tuning.json", "0" * 64)) for name, record in both_records.items()}


@pytest.mark.parametrize("name", ["full", "poorest"])
def test_the_page_is_self_contained(pages, name):
    page = pages[name]
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    assert "style=" not in page
    assert "default-src 'none'" in page


@pytest.mark.parametrize("name", ["full", "poorest"])
@pytest.mark.parametrize("heading", HEADINGS)
def test_every_part_has_its_section(pages, name, heading):
    assert f"<h2>{heading}</h2>" in pages[name]


@pytest.mark.parametrize("name", ["full", "poorest"])
def test_no_number_is_nonsense(pages, name):
    words = re.sub(r"<svg.*?</svg>|<style.*?</style>|<pre>.*?</pre>", "", pages[name], flags=re.DOTALL)
    assert not re.search(r"\b(nan|None|null|inf)\b|\{|\}|\[\]|\(\)|&lt;llm", words)


def test_every_picture_has_its_numbers(pages):
    assert pages["full"].count("<figure>") == pages["full"].count("The numbers in this picture") > 8


def test_the_same_record_gives_the_same_page(both_records, pages):
    again = json.loads(json.dumps(both_records["full"]))
    assert render(again, source=("tuning.json", "0" * 64)) == pages["full"]


def test_an_alignment_of_before_and_after_stands_in_the_page(pages):
    for part in ("how far from people", "who is chosen", "indecision", "consistency"):
        assert f"<h2>Before and after: {part}</h2>" in pages["full"]
    assert "Before and after: " not in pages["poorest"]


def test_a_toy_of_simulated_people_is_marked_as_such(pages):
    assert '<span class="tag simulated">simulated</span>' in pages["full"]
    assert '<span class="tag toy-model">toy model</span>' in pages["full"]
    assert '<span class="tag not-stated">not stated</span>' in pages["poorest"]


def test_the_size_of_an_adapter_is_said_once(pages):
    assert pages["full"].count("9,216") == 1


@pytest.mark.parametrize(
    "words",
    [
        "No tuned model was asked",
        "How often two people give the same answer here is not known",
        "there is no adapter of everybody’s answers to ask",
        "People were not divided into groups",
        "No adapter was measured.",
        "Nothing: what is measured here was trained on",
        "There is nothing else to note.",
        "One draw of training answers",
        "Indecision was not on offer.",
        "an unknown number of people",
        "most frequent answer to each comparison",
    ],
)
def test_what_is_missing_is_said(pages, words):
    assert words in pages["poorest"]


def test_what_was_not_asked_elsewhere_is_said(record):
    record["moved"].update(distractors=[], other_studies=[], other_prompts=[], texts=[])
    page = render(record, source=None)
    assert page.count("Not asked: ") == 4
    assert "--distractor" in page
    assert "--other" in page
    assert "--text" in page


def test_unknown_numbers_elsewhere_show_their_reason(record):
    for part in ("distractors", "other_studies", "other_prompts"):
        for row in record["moved"][part]:
            for value in row.values():
                numbers = [value, *value.values()] if isinstance(value, dict) else []
                for number in numbers:
                    if isinstance(number, dict) and "low" in number:
                        number.update(value=None, low=None, high=None, reason="a reason of its own")
    page = render(record, source=None)
    assert "a reason of its own" in page
    assert "No difference from before is told in any measure." in page


def test_three_groups_are_a_picture_and_two_a_table(record):
    title = "Likeliest answer is that of people of a group"
    assert f"<figcaption>{title}" in render(record, source=None)
    record["groups"] = [r for r in record["groups"] if "others" not in (r["trained_on"], r["tested_on"])]
    page = render(record, source=None)
    assert f"<figcaption>{title}" not in page
    assert "everybody, asked as one of them" in page


def test_settings_that_differ_between_adapters_are_not_called_alike(record):
    assert "Trained alike: rank 8, learning rate 0.005, gradient checkpointing no" in render(
        record, source=None
    )
    record["adapters"][0]["settings"]["rank"] = 4
    page = render(record, source=None)
    assert "Settings in common: learning rate 0.005" in page
    assert "Trained alike" not in page


def test_a_held_out_level_is_named(pages):
    assert "every comparison with age=old" in pages["full"]


def test_the_page_opens_with_the_largest_set_that_was_tuned_on_not_with_all_there_was(record):
    record["training"]["n_answers"] = 3385
    assert "tuned on up to 256 answers of study kidney-8" in render(record, source=None)
