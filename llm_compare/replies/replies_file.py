"""Read and write ``replies.jsonl``: a first line about the run, then one line per call, enough to stand alone.

What a reply was read as stands in each line for whoever looks at the file. On reading it is worked out anew from
the raw text, so that a file is not bound to the parser of its day. One file may hold several variants of one model.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from estimation.commands.writing import write_chunks
from llm_compare.errors import BadReplies
from llm_compare.prompting.call import is_scripted
from llm_compare.replies.record import LIST, TEXT, WHOLE, YES_OR_NO, BadRecord, Kinds, checked
from llm_compare.replies.reply import RecordedReply
from llm_compare.replies.reply_document import line_document
from llm_compare.replies.reply_record import LINES, LineReader
from survey.design import Attribute
from survey.design_file import attribute_records, attributes_from_records
from survey.errors import BadDesign, BadProfile

FORMAT = "equipoise replies"
FORMAT_VERSION = 2
"""Of the files written; version 1, before variants of the prompt, is still read."""

_WRITTEN_BY = "name a file written by 'equipoise compare ask'"
_HEADER: Mapping[str, Kinds] = {
    "format": TEXT,
    "format_version": WHOLE,
    "model": TEXT,
    "scripted": YES_OR_NO,
    "slug": TEXT,
    "title": TEXT,
    "design_hash": TEXT,
    "attributes": LIST,
    "planned": WHOLE,
    "complete": YES_OR_NO,
}
_HEADERS = {1: _HEADER, 2: {**_HEADER, "label": TEXT, "protocol_sha256": TEXT}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyFile:
    """The replies of one model to one study, in one variant of the prompt or several."""

    model: str
    slug: str
    title: str
    design_hash: str
    attributes: tuple[Attribute, ...]
    planned: int
    """Number of calls in the plan; more than there are replies when the run was stopped."""
    replies: Sequence[RecordedReply]
    """Failed calls included."""
    label: str = ""
    """What the model is called in tables and pictures; empty for the model string."""
    protocol_sha256: str = ""
    """Of the protocol that was asked by; empty if options said what to ask."""

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
    # ASCII, because a reply may hold half a surrogate pair, which UTF-8 cannot.
    lines = chain((_header_document(file),), (line_document(r) for r in file.replies))
    write_chunks(path, (f"{json.dumps(line)}\n".encode("ascii") for line in lines))


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
        raise BadReplies(f"{path}: is not UTF-8 text; {_WRITTEN_BY}") from None
    except OSError as error:
        raise BadReplies(f"{path}: {error.strerror}; name an existing file") from None
    if lines == [""]:
        raise BadReplies(f"{path}: is empty; ask again with 'equipoise compare ask'")
    header, attributes = _read_header(path, lines[0])
    reader = LineReader(attributes, version=header["format_version"])
    replies = []
    with _collector_resting():
        for number, text in enumerate(lines[1:], start=2):
            try:
                replies.append(reader.recorded(_document(path, number, text)))
            except (BadRecord, BadProfile) as error:
                raise BadReplies(f"{path}:{number}: {error}; {_WRITTEN_BY}") from None
    return ReplyFile(
        model=header["model"],
        slug=header["slug"],
        title=header["title"],
        design_hash=header["design_hash"],
        attributes=attributes,
        planned=header["planned"],
        replies=tuple(replies),
        label=header.get("label", ""),
        protocol_sha256=header.get("protocol_sha256", ""),
    )


@contextmanager
def _collector_resting() -> Iterator[None]:
    # All that is read is kept, and Python's search for garbage among it takes longer than the reading itself.
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _read_header(path: Path, text: str) -> tuple[dict[str, Any], tuple[Attribute, ...]]:
    document = _document(path, 1, text)
    try:
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise BadRecord(f"format: is not '{FORMAT}'")
        if document.get("format_version") not in LINES:
            known = ", ".join(map(str, LINES))
            raise BadRecord(
                f"format_version: is {document.get('format_version')!r}, and this program reads {known}"
            )
        header = checked(document, _HEADERS[document["format_version"]])
        return header, attributes_from_records(header["attributes"])
    except BadRecord as error:
        raise BadReplies(f"{path}:1: {error}; {_WRITTEN_BY}") from None
    except BadDesign as error:
        raise BadReplies(f"{path}:1: {'; '.join(error.complaints)}; {_WRITTEN_BY}") from None


def _document(path: Path, number: int, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadReplies(
            f"{path}:{number}: is not JSON ({error.msg} at column {error.colno}); {_WRITTEN_BY}"
        ) from None
    except (ValueError, RecursionError):  # A number of thousands of digits, brackets nested a thousand deep.
        raise BadReplies(f"{path}:{number}: is JSON that nobody wrote; {_WRITTEN_BY}") from None


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
        "label": file.label,
        "protocol_sha256": file.protocol_sha256,
    }
