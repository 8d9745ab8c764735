"""Read and write ``replies.jsonl``: a first line about the run, then one line per call, enough to stand alone.

What a reply was read as stands in each line for whoever looks at the file. On reading it is worked out anew from
the raw text, so that a file is not bound to the parser of its day.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from llm_compare.errors import BadReplies
from llm_compare.parsing import PARSER, parse
from llm_compare.plan import Request, Settings, SideOrder, is_scripted
from llm_compare.prompts import Labels, Message, Speaker
from llm_compare.reply import Failure, RecordedReply, Reply
from survey.design import Attribute, Profile, make_profile
from survey.design_file import attribute_records, attributes_from_records
from survey.errors import BadDesign, BadProfile

FORMAT = "equipoise replies"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyFile:
    """The replies of one model to one study."""

    model: str
    slug: str
    title: str
    design_hash: str
    attributes: tuple[Attribute, ...]
    planned: int
    """Number of calls in the plan; more than there are replies when the run was stopped."""
    replies: Sequence[RecordedReply]
    """Failed calls included."""

    @property
    def scripted(self) -> bool:
        """Whether a script answered, not a model."""
        return is_scripted(self.model)

    @property
    def complete(self) -> bool:
        """Whether every planned call has a reply."""
        return len(self.replies) == self.planned and all(r.reply.error is None for r in self.replies)


def write_replies(path: Path, file: ReplyFile) -> None:
    """Write ``path`` whole or not at all. The same replies give the same bytes."""
    lines = [_header_document(file), *(_line_document(r) for r in file.replies)]
    # ASCII, because a reply may hold half a surrogate pair, which UTF-8 cannot.
    text = "".join(json.dumps(line) + "\n" for line in lines)
    draft = path.with_name(path.name + ".part")
    draft.write_text(text, encoding="ascii", newline="\n")
    draft.replace(path)


def read_replies(path: Path) -> ReplyFile:
    """Read ``replies.jsonl``.

    Raises
    ------
    BadReplies
        Naming file and line of the first thing that cannot be read, or that was changed after it was written.
    """
    try:
        # Not splitlines(), which also ends lines at characters that JSON may hold unescaped.
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except UnicodeDecodeError:
        raise BadReplies(
            f"{path}: is not UTF-8 text; name a file written by 'equipoise compare ask'"
        ) from None
    except OSError as error:
        raise BadReplies(f"{path}: {error.strerror}; name an existing file") from None
    if lines == [""]:
        raise BadReplies(f"{path}: is empty; ask again with 'equipoise compare ask'")
    header = _checked(_Header, path, 1, lines[0])
    try:
        attributes = attributes_from_records(header.attributes)
    except BadDesign as error:
        raise BadReplies(f"{path}:1: {'; '.join(error.complaints)}") from None
    replies = []
    for number, text in enumerate(lines[1:], start=2):
        line = _checked(_Line, path, number, text)
        try:
            replies.append(_recorded(line, attributes))
        except BadProfile as error:
            raise BadReplies(f"{path}:{number}: {error}") from None
        if replies[-1].request.key != line.request_key:
            raise BadReplies(
                f"{path}:{number}: request_key does not belong to what the line says was sent; "
                "the line was changed after it was written, so ask again or restore the file"
            )
    return ReplyFile(
        model=header.model,
        slug=header.slug,
        title=header.title,
        design_hash=header.design_hash,
        attributes=attributes,
        planned=header.planned,
        replies=tuple(replies),
    )


# --- what stands in the file --------------------------------------------------------------------------------


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Header(_Part):
    format: Literal["equipoise replies"]
    format_version: Literal[1]
    model: str
    scripted: bool
    slug: str
    title: str
    design_hash: str
    attributes: list[dict[str, Any]]
    planned: int
    complete: bool


class _MessagePart(_Part):
    role: Speaker
    content: str


class _SettingsPart(_Part):
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None


class _LabelsPart(_Part):
    left: str
    right: str
    indecision: str | None


class _ProfilePart(_Part):
    name: str
    values: dict[str, str | int | float]


class _FailurePart(_Part):
    kind: str
    status: int | None
    message: str


class _Line(_Part):
    request_key: str
    repeat: int
    model: str
    scripted: bool
    api_base: str | None
    messages: list[_MessagePart]
    settings: _SettingsPart
    template: str
    labels: _LabelsPart
    design_hash: str
    arm: str
    left: _ProfilePart
    right: _ProfilePart
    side_order: SideOrder
    attribute_order: list[str]
    indecision_offered: bool
    reply: str | None
    outcome: str
    choice: str | None
    rule: str
    parser: str
    finish_reason: str | None
    refusal: str | None
    returned_model: str | None
    system_fingerprint: str | None
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    seconds: float | None
    seconds_missing: str
    attempts: int
    asked_at: datetime | None
    error: _FailurePart | None


_AnyPart = TypeVar("_AnyPart", bound=_Part)


def _checked(kind: type[_AnyPart], path: Path, number: int, text: str) -> _AnyPart:
    try:
        # Not pydantic's own JSON reader: it refuses half surrogate pairs, and a reply is read as it came.
        document = json.loads(text)
        return kind.model_validate(document)
    except json.JSONDecodeError as error:
        raise BadReplies(
            f"{path}:{number}: is not JSON ({error.msg} at column {error.colno}); "
            "name a file written by 'equipoise compare ask'"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        raise BadReplies(
            f"{path}:{number}: {where}: {first['msg']}; name a file written by 'equipoise compare ask'"
        ) from None


def _header_document(file: ReplyFile) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model": file.model,
        "scripted": file.scripted,
        "slug": file.slug,
        "title": file.title,
        "design_hash": file.design_hash,
        "attributes": attribute_records(file.attributes),
        "planned": file.planned,
        "complete": file.complete,
    }


def _line_document(recorded: RecordedReply) -> dict[str, Any]:
    request, reply = recorded.request, recorded.reply
    parsed = parse(reply, request.labels)
    return {
        "request_key": request.key,
        "repeat": request.repeat,
        "model": request.model,
        "scripted": is_scripted(request.model),
        "api_base": request.api_base,
        "messages": [{"role": m.role.value, "content": m.content} for m in request.messages],
        "settings": request.settings.sent(),
        "template": request.template,
        "labels": {
            "left": request.labels.left,
            "right": request.labels.right,
            "indecision": request.labels.indecision,
        },
        "design_hash": request.design_hash,
        "arm": request.arm,
        "left": {"name": request.left.name, "values": request.left.as_dict()},
        "right": {"name": request.right.name, "values": request.right.as_dict()},
        "side_order": request.side_order.value,
        "attribute_order": list(request.attribute_order),
        "indecision_offered": request.indecision_offered,
        "reply": reply.content,
        "outcome": parsed.outcome.value,
        "choice": None if parsed.choice is None else parsed.choice.value,
        "rule": parsed.rule.value,
        "parser": PARSER,
        "finish_reason": reply.finish_reason,
        "refusal": reply.refusal,
        "returned_model": reply.returned_model,
        "system_fingerprint": reply.system_fingerprint,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        "cost_usd": reply.cost_usd,
        "seconds": reply.seconds,
        "seconds_missing": recorded.seconds_missing,
        "attempts": reply.attempts,
        "asked_at": None if reply.asked_at is None else reply.asked_at.isoformat(timespec="milliseconds"),
        "error": None
        if reply.error is None
        else {"kind": reply.error.kind, "status": reply.error.status, "message": reply.error.message},
    }


def _recorded(line: _Line, attributes: tuple[Attribute, ...]) -> RecordedReply:
    request = Request(
        model=line.model,
        api_base=line.api_base,
        messages=tuple(Message(role=m.role, content=m.content) for m in line.messages),
        settings=Settings(**line.settings.model_dump()),
        template=line.template,
        labels=Labels(**line.labels.model_dump()),
        design_hash=line.design_hash,
        arm=line.arm,
        left=_profile(line.left, attributes),
        right=_profile(line.right, attributes),
        attribute_order=tuple(line.attribute_order),
        indecision_offered=line.indecision_offered,
        repeat=line.repeat,
    )
    reply = Reply(
        content=line.reply,
        finish_reason=line.finish_reason,
        refusal=line.refusal,
        returned_model=line.returned_model,
        system_fingerprint=line.system_fingerprint,
        tokens_in=line.tokens_in,
        tokens_out=line.tokens_out,
        cost_usd=line.cost_usd,
        seconds=line.seconds,
        attempts=line.attempts,
        asked_at=line.asked_at,
        error=None if line.error is None else Failure(**line.error.model_dump()),
    )
    return RecordedReply(request=request, reply=reply)


def _profile(part: _ProfilePart, attributes: tuple[Attribute, ...]) -> Profile:
    return make_profile(attributes, part.values, name=part.name)
