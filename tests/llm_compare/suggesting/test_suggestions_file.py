"""``model_suggestions.jsonl``, there and back; and respondents that name attributes with stated probabilities."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from llm_compare.errors import BadReplies, CannotAsk, UnknownModel
from llm_compare.prompting.call import Settings
from llm_compare.replies.reply import Failure, RecordedReply, Reply
from llm_compare.suggesting.open_question import Form, open_calls
from llm_compare.suggesting.reading import Outcome
from llm_compare.suggesting.scripted import ScriptedSuggester, script_of
from llm_compare.suggesting.suggestions_file import (
    models_of,
    read_suggestion_file,
    suggestion_file,
    write_suggestions,
)
from survey.coding.model_files import read_model_suggestions
from survey.coding.shares import wilson
from survey.design_file import example_design
from survey.suggestions import Stance

REPLIES = (
    "Age | younger | 👨‍👩‍👧 <b>years</b>\nالعمر | |",
    "NONE",
    "I'm sorry, but I can't help with that.",
    "- a\n  - b",
    None,
    "Race\nWealth",
)


@pytest.fixture(scope="module")
def design():
    return example_design("kidney-attributes")


def answered(design, model="openai/any", repeats=3, **given):
    script = script_of(model) if model.startswith("scripted/") else None
    made = open_calls(
        design,
        model=model,
        settings=Settings(seed=given.pop("seed", 0)),
        repeats=repeats,
        script_sha256=script.sha256 if script else "",
        **given,
    )
    if script is None:
        failed = Failure(kind="Timeout", status=408, message="late")
        replies = [Reply(content=text, error=None if text else failed) for text in REPLIES]
    else:
        suggester = ScriptedSuggester(script)
        replies = [asyncio.run(suggester.reply(call)) for call in made]
    recorded = [RecordedReply(request=c, reply=r) for c, r in zip(made, replies, strict=True)]
    return suggestion_file(design, made, recorded, label=model, manifest={"inputs": {}})


def test_a_file_comes_back_as_it_was_written(design, tmp_path):
    file = answered(design)
    write_suggestions(tmp_path / "m.jsonl", file)
    assert read_suggestion_file(tmp_path / "m.jsonl") == file
    write_suggestions(tmp_path / "again.jsonl", read_suggestion_file(tmp_path / "m.jsonl"))
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "m.jsonl").read_bytes()


def test_every_outcome_stays_apart_and_only_suggestions_have_lines_of_their_own(design, tmp_path):
    file = answered(design)
    assert file.counts == {
        Outcome.NAMED: 2, Outcome.NOTHING: 1, Outcome.REFUSAL: 1, Outcome.UNREADABLE: 1, Outcome.ERROR: 1,
        Outcome.TRUNCATED: 0,
    }  # fmt: skip
    assert (file.suggestions, file.complete) == (4, False)
    write_suggestions(tmp_path / "m.jsonl", file)
    _, *lines = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert [(one["number"], one["outcome"]) for one in lines] == [
        (1, "named"), (2, "named"), (0, "nothing"), (0, "refusal"), (0, "unreadable"), (0, "error"), (1, "named"),
        (2, "named"),
    ]  # fmt: skip
    assert {one["respondent"] for one in lines} == {"openai/any#1", "openai/any#2", "openai/any#3"}


def test_a_study_takes_what_was_named_and_who_named_nothing_and_no_refusal(design, tmp_path):
    write_suggestions(tmp_path / "m.jsonl", answered(design))
    read = read_model_suggestions((tmp_path / "m.jsonl").read_text(), "m.jsonl")
    assert [(one.respondent, one.stance, one.text) for one in read.lines] == [
        ("openai/any#1", Stance.SHOULD, "Age"),
        ("openai/any#1", Stance.SHOULD, "العمر"),
        ("openai/any#2", Stance.SHOULD, ""),
        ("openai/any#3", Stance.SHOULD_NOT, "Race"),
        ("openai/any#3", Stance.SHOULD_NOT, "Wealth"),
    ]
    assert read.unanswered == 3


@pytest.mark.parametrize(
    ("line", "change", "words"),
    [
        (0, {"format": "other"}, r":1: format"),
        (0, {"format_version": 9}, r":1: format_version: is 9"),
        (0, {"form": "verse"}, r":1: form: is 'verse'"),
        (1, {"stance": "maybe"}, r":2: stance: is 'maybe'"),
        (1, {"number": 2}, r":2: number"),
        (1, {"text": ""}, r":2: outcome"),
        (3, {"text": "Age"}, r":4: outcome"),
        (2, {"extra": 1}, r":3: extra: is not known"),
    ],
)
def test_a_file_that_says_something_else_is_refused_by_file_and_line(design, tmp_path, line, change, words):
    path = tmp_path / "m.jsonl"
    write_suggestions(path, answered(design))
    lines = path.read_text().splitlines()
    lines[line] = json.dumps({**json.loads(lines[line]), **change})
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(BadReplies, match=words):
        read_suggestion_file(path)


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path):
    (tmp_path / "m.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadReplies, match="UTF-8"):
        read_suggestion_file(tmp_path / "m.jsonl")
    with pytest.raises(BadReplies, match="existing file"):
        read_suggestion_file(tmp_path / "none.jsonl")
    (tmp_path / "m.jsonl").write_text("{")
    with pytest.raises(BadReplies, match=":1: is not JSON"):
        read_suggestion_file(tmp_path / "m.jsonl")


LIST = """
[[suggestion]]
stance = "should"
text = "Age"
direction = "younger"
why = "years"
probability = 0.3

[[suggestion]]
stance = "should"
text = "Urgency"
probability = 0.8

[[suggestion]]
stance = "should_not"
text = "Race"
probability = 1
"""


@pytest.fixture
def stated(tmp_path, monkeypatch):
    """A script by the same name in every folder: its draws follow the name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.toml").write_text(LIST, encoding="utf-8")
    return "scripted/list:list.toml"


@pytest.mark.parametrize("form", Form)
def test_a_stated_list_is_named_as_often_as_it_says(design, stated, form):
    n = 400
    file = answered(design, model=stated, repeats=n, form=form)
    assert file.complete
    named = Counter(e.text for a in file.answered for e in a.entries)
    for text, probability in (("Age", 0.3), ("Urgency", 0.8)):
        low, high = wilson(named[text], n)
        assert low - 0.02 < probability < high + 0.02
    assert named["Race"] == n
    both = sum({e.text for e in a.entries} == {"Age", "Urgency"} for a in file.answered)
    assert abs(both / n - 0.24) < 0.08  # Each for itself.
    nothing = sum(a.outcome is Outcome.NOTHING for a in file.answered)
    assert abs(nothing / n - 0.14) < 0.06


def test_a_script_says_the_same_again_and_another_seed_or_list_something_else(design, stated, tmp_path):
    one = answered(design, model=stated, repeats=20)
    assert answered(design, model=stated, repeats=20) == one
    said = [a.entries for a in one.answered]
    assert [a.entries for a in answered(design, model=stated, repeats=20, seed=1).answered] != said
    (tmp_path / "list.toml").write_text(LIST.replace("0.3", "0.31"), encoding="utf-8")
    keys = {a.request_key for a in answered(design, model=stated, repeats=20).answered}
    assert not keys & {a.request_key for a in one.answered}


def test_the_scripts_that_ship_name_something_nothing_or_decline(design):
    assert answered(design, model="scripted/usual").counts[Outcome.NAMED] == 6
    assert answered(design, model="scripted/nothing").counts[Outcome.NOTHING] == 6
    assert answered(design, model="scripted/declines").counts[Outcome.REFUSAL] == 6
    with pytest.raises(UnknownModel, match="scripted/usual"):
        script_of("scripted/nobody")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('stance = "should"', 'stance = "maybe"', "suggestion 1: stance"),
        ("probability = 0.8", "probability = 1.8", "suggestion 2: probability"),
        ("probability = 0.8", "probability = true", "suggestion 2: probability"),
        ("probability = 1", "", "suggestion 3: probability"),
        ('text = "Age"', "", "suggestion 1: text is missing"),
        ('text = "Age"', 'text = "Age | x"', "suggestion 1: leave out"),
        ('text = "Age"', "text = 3", "suggestion 1: text, why and direction"),
        ('why = "years"', 'reason = "years"', "suggestion 1: reason is not known"),
        ("[[suggestion]]", "[[suggestions]]", "one \\[\\[suggestion\\]\\]"),
        ("[[suggestion]]", "[[suggestion", "is not TOML"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_by_its_place(tmp_path, old, new, words):
    path = tmp_path / "list.toml"
    path.write_text(LIST.replace(old, new, 1) if "suggestions" not in new else LIST.replace(old, new))
    with pytest.raises(CannotAsk, match=words):
        script_of(f"scripted/list:{path}")
    with pytest.raises(CannotAsk, match="existing file"):
        script_of(f"scripted/list:{tmp_path / 'none.toml'}")


def test_repeats_are_gathered_by_model():
    assert models_of(["b#1", "a#1", "b#2"]) == {"b": ["b#1", "b#2"], "a": ["a#1"]}
