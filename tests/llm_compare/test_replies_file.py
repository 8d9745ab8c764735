from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from llm_compare.errors import BadReplies
from llm_compare.parsing import parse
from llm_compare.replies_file import ReplyFile, read_replies, write_replies
from llm_compare.reply import Failure, RecordedReply, Reply
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
    assert (header["format"], header["format_version"]) == ("equipoise replies", 1)
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
        (1, lambda d: d.update(format="other"), ":1: format: Input should be 'equipoise replies'"),
        (1, lambda d: d.update(format_version=2), ":1: format_version: "),
        (
            1,
            lambda d: d["attributes"][0].pop("levels"),
            ":1: attributes[1].levels: is missing",
        ),
        (3, lambda d: d.pop("reply"), ":3: reply: Field required"),
        (3, lambda d: d.update(repeat="often"), ":3: repeat: "),
        (3, lambda d: d.update(unknown=1), ":3: unknown: Extra inputs"),
        (
            3,
            lambda d: d["left"]["values"].update(age="ancient"),
            ":3: attribute 'age' has no level 'ancient'",
        ),
        (4, lambda d: d["messages"][1].update(content="other"), ":4: request_key does not belong"),
        (4, lambda d: d["settings"].update(max_tokens=17), ":4: request_key does not belong"),
        (4, lambda d: d.update(model="openai/other"), ":4: request_key does not belong"),
    ],
)
def test_a_complaint_names_the_file_and_the_line(path, line, change, complaint):
    damage(path, line, change)
    with pytest.raises(BadReplies) as error:
        read_replies(path)
    assert str(error.value).startswith(f"{path}{complaint}")


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
