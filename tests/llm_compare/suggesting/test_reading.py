"""Replies to the open questions, read by named rules; the golden replies stand in a file of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.prompting.words import languages, prompt_words
from llm_compare.replies.reply import Failure, Reply
from llm_compare.suggesting.open_question import Part
from llm_compare.suggesting.reading import Outcome, Rule, read_suggestions
from survey.suggestions import Entry

GOLDEN_FILE = Path(__file__).with_name("golden_suggestions.jsonl")
GOLDEN = [json.loads(line) for line in GOLDEN_FILE.read_text(encoding="utf-8").splitlines()]
PARTS = {
    "tdw": tuple(Part),
    "tw": (Part.TEXT, Part.WHY),
    "td": (Part.TEXT, Part.DIRECTION),
    "t": (Part.TEXT,),
}


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda g: f"{g['rule']}:{g['reply'][:40]!r}")
def test_a_reply_is_read_by_the_rule_that_fits_it(golden):
    read = read_suggestions(
        Reply(content=golden["reply"], finish_reason=golden["finish"]), PARTS[golden["parts"]]
    )
    assert (read.outcome, read.rule) == (Outcome(golden["outcome"]), Rule[golden["rule"]])
    assert [[e.text, e.direction, e.why] for e in read.entries] == golden["entries"]


def test_the_golden_replies_cover_every_outcome_and_rule():
    assert len(GOLDEN) >= 40
    assert {g["outcome"] for g in GOLDEN} == set(Outcome) - {Outcome.ERROR}
    assert {Rule[g["rule"]] for g in GOLDEN} == set(Rule) - {Rule.FAILED_CALL}
    assert len({(g["parts"], g["finish"], g["reply"]) for g in GOLDEN}) == len(GOLDEN)


def test_a_failed_call_and_a_refusal_that_the_provider_marks_are_no_answers():
    failed = Reply(content=None, error=Failure(kind="Timeout", status=408, message="late"))
    assert read_suggestions(failed, PARTS["tdw"]).outcome is Outcome.ERROR
    marked = Reply(content="Age | younger | years", refusal="I can't help with that.")
    assert read_suggestions(marked, PARTS["tdw"]).outcome is Outcome.REFUSAL
    assert not Outcome.REFUSAL.is_answer
    assert Outcome.NOTHING.is_answer


@pytest.mark.parametrize("language", languages())
def test_the_word_that_the_prompt_asks_for_is_read_as_naming_nothing_in_every_language(language):
    word = prompt_words(language).suggestions["nothing_word"]
    for said in (word, f"{word}.", f"**{word}**", word.lower()):
        assert read_suggestions(Reply(content=said), PARTS["tdw"]).outcome is Outcome.NOTHING


WORD = st.text(
    st.characters(whitelist_categories=("Lu", "Ll", "Lo"), blacklist_characters="|"), min_size=2, max_size=12
)


@given(entries=st.lists(st.tuples(WORD, WORD, WORD), min_size=1, max_size=50))
def test_entries_written_as_json_come_back_as_they_were(entries):
    given_ = {"suggestions": [{"text": t, "direction": d, "why": w} for t, d, w in entries]}
    plainly = [e for e in entries if not any(part.casefold() in ("na", "none") for part in e)]
    if len(plainly) == len(entries):
        read = read_suggestions(Reply(content=json.dumps(given_)), PARTS["tdw"])
        assert read.outcome is Outcome.NAMED
        composed = [Entry(text=e.text, why=e.why, direction=e.direction) for e in read.entries]
        again = {"suggestions": [{"text": e.text, "direction": e.direction, "why": e.why} for e in composed]}
        assert read_suggestions(Reply(content=json.dumps(again)), PARTS["tdw"]).entries == read.entries
        assert len(read.entries) == len(entries)


@given(text=st.text(max_size=400))
def test_no_text_breaks_the_reader_and_only_named_replies_have_entries(text):
    read = read_suggestions(Reply(content=text), PARTS["tdw"])
    assert (read.outcome is Outcome.NAMED) == bool(read.entries)


@pytest.mark.parametrize(
    "text", ["[" * 50_000, '{"a":' * 20_000, "- a\n" * 20_000, "**" * 30_000, "|" * 50_000]
)
def test_a_hostile_reply_is_read_in_time_and_is_no_list(text):
    assert read_suggestions(Reply(content=text), PARTS["tdw"]).outcome is not Outcome.NAMED
