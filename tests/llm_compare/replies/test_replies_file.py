from __future__ import annotations

import gc
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from llm_compare.errors import BadReplies
from llm_compare.prompting.call import Settings
from llm_compare.prompting.labels import Labels
from llm_compare.prompting.variant import (
    AnswerFormat,
    Framing,
    IndecisionOffer,
    IndecisionPlace,
    Marks,
    Paraphrase,
    Variant,
)
from llm_compare.replies.parsing import parse
from llm_compare.replies.replies_file import ReplyFile, read_replies, write_replies
from llm_compare.replies.reply import Failure, RecordedReply, Reply
from survey.answers import Choice
from survey.design import design_hash
from survey.design_file import example_design

REPLIES = [
    Reply(
        content="B",
        finish_reason="stop",
        returned_model="served-1",
        system_fingerprint="fp_1",
        tokens_in=50,
        tokens_out=1,
        cost_usd=1e-5,
        seconds=0.25,
        attempts=2,
        asked_at=datetime(2026, 11, 21, 12, 0, 0, 5000, tzinfo=UTC),
        tokens_reasoning=700,
        reasoning="Patient A is older.",
        first_token={"B": -0.1, " \u2581A": -2.5, "C": -9999.0},
        response='{"id": "chatcmpl-1"}',
    ),
    Reply(content="C", finish_reason="stop"),
    Reply(content=None, refusal="No.", finish_reason="content_filter"),
    Reply(
        content="half a pair \ud83d, a NUL \x00, a line separator \u2028 and \u00e9\r\n", finish_reason="stop"
    ),
    Reply(content=None, error=Failure(kind="RateLimitError", status=429, message="slow down"), attempts=6),
]


@pytest.fixture
def file(planned, kidney_8):
    requests = planned(3)
    return ReplyFile(
        model="openai/anything",
        slug=kidney_8.slug,
        title=kidney_8.title,
        design_hash=design_hash(kidney_8),
        attributes=kidney_8.attributes,
        planned=6,
        replies=tuple(RecordedReply(request=r, reply=a) for r, a in zip(requests, REPLIES, strict=False)),
    )


@pytest.fixture
def path(tmp_path, file):
    path = tmp_path / "replies.jsonl"
    write_replies(path, file)
    return path


def test_a_file_comes_back_as_it_was_written(path, file):
    assert read_replies(path) == file
    assert not read_replies(path).complete
    assert [p.name for p in path.parent.iterdir()] == ["replies.jsonl"]


@pytest.mark.parametrize("name", ["kidney-8", "kidney-numeric", "kidney-study1"])
def test_attributes_of_every_kind_come_back(tmp_path, file, name):
    attributes = example_design(name).attributes
    write_replies(tmp_path / "r", replace(file, attributes=attributes, replies=(), planned=0))
    assert read_replies(tmp_path / "r").attributes == attributes


def test_the_same_replies_give_the_same_bytes(path, file, tmp_path):
    write_replies(tmp_path / "again", read_replies(path))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_every_line_says_what_was_sent_and_how_the_reply_was_read(path, file):
    header, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert (header["format"], header["format_version"]) == ("equipoise replies", 2)
    assert (header["planned"], header["complete"], header["scripted"]) == (6, False, False)
    for line, recorded in zip(lines, file.replies, strict=True):
        parsed = parse(recorded.reply, recorded.request.labels)
        assert line["request_key"] == recorded.request.key
        assert [m["content"] for m in line["messages"]] == [m.content for m in recorded.request.messages]
        assert line["reply"] == recorded.reply.content
        assert (line["outcome"], line["rule"]) == (parsed.outcome, parsed.rule)
        assert line["left"]["values"] == recorded.request.left.as_dict()
    assert [line["outcome"] for line in lines] == ["choice", "indecision", "refusal", "unreadable", "error"]
    assert [line["choice"] for line in lines] == ["right", "indecision", None, None, None]
    assert lines[1]["seconds_missing"] == "not recorded"


def test_a_file_is_read_by_the_rules_of_today_not_by_those_of_its_day(path):
    text = path.read_text().replace('"outcome": "choice"', '"outcome": "an outcome of the past"')
    path.write_text(text)
    assert (
        parse(read_replies(path).replies[0].reply, read_replies(path).replies[0].request.labels).choice
        == "right"
    )


def damage(path, line, change):
    lines = path.read_text().splitlines()
    document = json.loads(lines[line - 1])
    change(document)
    lines[line - 1] = json.dumps(document)
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("line", "change", "complaint"),
    [
        (1, lambda d: d.update(format="other"), ":1: format: is not 'equipoise replies'"),
        (1, lambda d: d.update(format_version=3), ":1: format_version: is 3, and this program reads 1, 2"),
        (1, lambda d: d.update(planned="6"), ":1: planned: is text, not a whole number"),
        (1, lambda d: d["attributes"][0].pop("levels"), ":1: attributes[1].levels: is missing"),
        (3, lambda d: d.pop("reply"), ":3: reply: is missing"),
        (3, lambda d: d.update(repeat="often"), ":3: repeat: is text, not a whole number"),
        (3, lambda d: d.update(repeat=True), ":3: repeat: is true or false, not a whole number"),
        (3, lambda d: d.update(unknown=1), ":3: unknown: is not known here"),
        (3, lambda d: d.update(cost_usd="1"), ":3: cost_usd: is text, not a number or null"),
        (
            3,
            lambda d: d["left"]["values"].update(age="ancient"),
            ":3: attribute 'age' has no level 'ancient'",
        ),
        (3, lambda d: d["left"]["values"].update(age=[1]), ":3: attribute 'age' has no level [1]"),
        (3, lambda d: d["right"].update(name=1), ":3: right.name: is a whole number, not text"),
        (
            3,
            lambda d: d["messages"][0].update(role="nobody"),
            ":3: messages[1].role: is 'nobody', not one of",
        ),
        (3, lambda d: d["messages"][1].update(content=None), ":3: messages[2].content: is null, not text"),
        (3, lambda d: d["messages"].append("x"), ":3: messages[3]: is not a table"),
        (3, lambda d: d["settings"].update(top_k=1), ":3: settings.top_k: is not known here"),
        (3, lambda d: d["settings"].update(seed=[1]), ":3: settings.seed: is a list, not a whole number"),
        (3, lambda d: d["labels"].pop(0), ":3: labels: name left and right once each"),
        (3, lambda d: d["labels"][0].update(choice="right"), ":3: labels: name left and right once each"),
        (3, lambda d: d["labels"][0].update(choice="up"), ":3: labels.choice: is 'up', not one of left"),
        (3, lambda d: d["variant"].update(marks="runes"), ":3: variant.marks: is 'runes', not one of"),
        (3, lambda d: d["variant"].update(paraphrase={}), ":3: variant.paraphrase.name: is missing"),
        (3, lambda d: d.update(first_token={"A": "1"}), ":3: first_token[1]: is text, not a number"),
        (3, lambda d: d.update(asked_at="yesterday"), ":3: asked_at: 'yesterday' is no date and time"),
        (
            3,
            lambda d: d.update(asked_at="2026-11-21T12:00:00"),
            ":3: asked_at: '2026-11-21T12:00:00' does not",
        ),
        (6, lambda d: d["error"].pop("status"), ":6: error.status: is missing"),
        (4, lambda d: d["messages"][1].update(content="other"), ":4: request_key does not belong"),
        (4, lambda d: d["settings"].update(max_tokens=17), ":4: request_key does not belong"),
        (4, lambda d: d.update(model="openai/other"), ":4: request_key does not belong"),
        (4, lambda d: d.update(sends_schema=True), ":4: request_key does not belong"),
    ],
)
def test_a_complaint_names_the_file_and_the_line(path, line, change, complaint):
    damage(path, line, change)
    with pytest.raises(BadReplies) as error:
        read_replies(path)
    assert str(error.value).startswith(f"{path}{complaint}")


VARIANTS = (
    Variant(name="plain"),
    Variant(
        name="everything",
        framing=Framing.ETHICIST,
        persona="a nurse",
        answer_format=AnswerFormat.ALLOCATION,
        indecision=IndecisionOffer.CANNOT,
        language="en",
        paraphrase=Paraphrase(name="short", question="Who?"),
        marks=Marks.NUMBERS,
        indecision_place=IndecisionPlace.FIRST,
    ),
    Variant(name="json", answer_format=AnswerFormat.JSON, indecision=IndecisionOffer.NOT_OFFERED),
)


def test_several_variants_of_one_model_come_back_from_one_file(tmp_path, file, planned):
    settings = Settings(temperature=0.5, top_p=0.9, max_tokens=None, seed=3, reasoning_effort="low")
    requests = planned(2, variants=VARIANTS, settings=settings, takes_schema=True)
    said = {"plain": "B", "everything": '{"1": 10, "2": 60, "3": 30}', "json": '{"answer": "A"}'}
    replies = tuple(
        RecordedReply(request=r, reply=Reply(content=said[r.variant.name], finish_reason="stop"))
        for r in requests
    )
    path = tmp_path / "replies.jsonl"
    write_replies(path, replace(file, replies=replies, planned=len(replies)))
    read = read_replies(path)
    assert read.replies == replies
    assert read.complete
    lines = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    assert {line["variant"]["name"]: (line["choice"], line["shares"], line["rule"]) for line in lines} == {
        "plain": ("right", None, "the whole reply is an answer"),
        "everything": ("right", [0.1, 0.6, 0.3], "points of each answer"),
        "json": ("left", None, "the answer in a JSON object"),
    }
    assert [o["mark"] for o in lines[2]["labels"]] == ["3", "1", "2"]
    assert {line["variant"]["name"] for line in lines if line["sends_schema"]} == {"json"}


def last(labels: Labels) -> Labels:
    """The same answers with indecision last, as version 1 offered it."""
    left, right = (labels.name(side) for side in (Choice.LEFT, Choice.RIGHT))
    return Labels.of(left, right, labels.indecision, place=IndecisionPlace.LAST)


def test_a_file_from_before_there_were_variants_is_still_read(path, file):
    header, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    header["format_version"] = 1
    del header["label"], header["protocol_sha256"]
    for line in lines:
        for name in ("variant", "language", "sends_schema", "shares", "response"):
            del line[name]
        for name in ("tokens_reasoning", "reasoning", "first_token"):
            del line[name]
        line["labels"] = {o["choice"]: o["name"] for o in line["labels"]}
    path.write_text("".join(json.dumps(line) + "\n" for line in [header, *lines]))
    read = read_replies(path)
    before = Variant(name="before variants", indecision_place=IndecisionPlace.LAST)
    assert [r.request for r in read.replies] == [
        replace(r.request, language="", variant=before, labels=last(r.request.labels)) for r in file.replies
    ]
    later = {"tokens_reasoning": None, "reasoning": None, "first_token": None, "response": None}
    assert [r.reply for r in read.replies] == [replace(r.reply, **later) for r in file.replies]


@pytest.mark.parametrize("line", ["[1]", "3", "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_json_that_is_no_reply_is_named(path, line):
    with path.open("a") as out:
        out.write(line + "\n")
    with pytest.raises(BadReplies, match=r"replies\.jsonl:7: "):
        read_replies(path)


def test_reading_leaves_the_garbage_collector_as_it_was(path):
    assert gc.isenabled()
    read_replies(path)
    assert gc.isenabled()
    path.write_text(path.read_text() + "?\n")
    with pytest.raises(BadReplies):
        read_replies(path)
    assert gc.isenabled()


def test_a_line_that_was_cut_is_named(path):
    text = path.read_text()
    path.write_text(text[: len(text) - 100])
    with pytest.raises(BadReplies, match=r"replies\.jsonl:6: is not JSON"):
        read_replies(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(BadReplies, match="name an existing file"):
        read_replies(tmp_path / "missing")
    (tmp_path / "empty").write_text("")
    with pytest.raises(BadReplies, match="is empty"):
        read_replies(tmp_path / "empty")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(BadReplies, match="is not UTF-8 text"):
        read_replies(tmp_path / "bytes")
    (tmp_path / "csv").write_text("respondent,kind\n")
    with pytest.raises(BadReplies, match="csv:1: is not JSON"):
        read_replies(tmp_path / "csv")
