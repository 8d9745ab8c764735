"""Batch files: calls written for a provider that makes them overnight, and the results it gives back.

The format is OpenAI's, which other providers and ``vllm run-batch`` read, too: a JSON object per line with
``custom_id``, ``method``, ``url`` and ``body``; results carry the same ``custom_id`` with a ``response`` or an
``error``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from estimation.commands.writing import write_chunks
from llm_compare.errors import BadBatch
from llm_compare.prompting.call import Call
from llm_compare.replies.reply import Failure, Reply

MOST_LINES = 50_000
MOST_BYTES = 200_000_000
"""Both are OpenAI's limits of one file."""
URL = "/v1/chat/completions"
_KEY_CHARACTERS = 48  # Of 64; with the repeat it stays within the 64 characters that providers allow.
_MESSAGE_LENGTH = 500
_PROVIDERS = frozenset({"openai", "azure", "groq", "hosted_vllm", "together_ai"})
_OPENAI_NAMES = ("gpt-", "chatgpt-")
_RENAMES_MAX_TOKENS = "gpt-5"
"""Beginning of names of OpenAI's models that take ``max_tokens`` under another name; litellm renames it, too."""
_O_SERIES = re.compile(r"o\d")
"""Names of OpenAI's models whose messages litellm rewrites on the way, by lists of its own."""
_YEAR_3000 = 32_503_680_000
_FILTER_CODES = frozenset({"content_filter", "content_policy_violation"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a file from elsewhere says about one call."""

    custom_id: str
    reply: Reply
    """With an error where the call failed."""


def custom_id(request: Call) -> str:
    """Return the name of a call in batch files: of its key and repeat, 64 characters of [0-9a-f-] at most."""
    return f"{request.key[:_KEY_CHARACTERS]}-{request.repeat}"


def batch_line(request: Call) -> dict[str, Any]:
    """Return a call as a line of a batch file: exactly what would be sent, without litellm's provider prefix.

    Raises
    ------
    BadBatch
        The model's provider takes no such files, or its client library changes what is sent.
    """
    provider, slash, name = request.model.partition("/")
    if not slash:
        provider, name = "openai" if request.model.startswith(_OPENAI_NAMES) else "", request.model
    if _O_SERIES.match(name):
        raise BadBatch(
            f"'{request.model}': litellm changes what is sent to this model, so a batch would not be the same; "
            "ask it directly"
        )
    if provider not in _PROVIDERS:
        raise BadBatch(
            f"'{request.model}': no batch file can be written for this provider, only for "
            f"{', '.join(sorted(_PROVIDERS))}; ask it directly, or as openai/NAME with --api-base if its server "
            "speaks OpenAI's language"
        )
    sent = dict(request.parameters)
    if provider == "openai" and name.startswith(_RENAMES_MAX_TOKENS) and "max_tokens" in sent:
        sent["max_completion_tokens"] = sent.pop("max_tokens")
    body = {"model": name, "messages": request.sent_messages, **sent}
    return {"custom_id": custom_id(request), "method": "POST", "url": URL, "body": body}


def write_batches(
    path: Path,
    requests: Iterable[Call],
    *,
    most_lines: int = MOST_LINES,
    most_bytes: int = MOST_BYTES,
    owner_only: bool = False,
) -> tuple[Path, ...]:
    """Write calls to ``path``; too many for one file go to ``NAME-1``, ``NAME-2`` ... beside it.

    A call that stands twice in ``requests`` is written once. Each file is written whole or not at all.

    Parameters
    ----------
    owner_only
        Whether nobody but a file's owner may read it.

    Raises
    ------
    BadBatch
        The model's provider takes no such files.
    """
    once = {r.identity: r for r in requests}.values()
    parts = list(_parts([json.dumps(batch_line(r)) + "\n" for r in once], most_lines, most_bytes))
    paths = [path] if len(parts) == 1 else [_numbered(path, i) for i in range(1, len(parts) + 1)]
    for one, lines in zip(paths, parts, strict=True):
        write_chunks(one, (line.encode("ascii") for line in lines), owner_only=owner_only)
    return tuple(paths)


def read_results(path: Path) -> tuple[Result, ...]:
    """Read an output or error file of a batch.

    Raises
    ------
    BadBatch
        Naming file and line of the first thing that cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError:
        raise BadBatch(f"{path}: is not UTF-8 text; name the results as they were downloaded") from None
    except OSError as error:
        raise BadBatch(f"{path}: {error.strerror or error}; name an existing file of results") from None
    return tuple(
        _result(f"{path}:{number}", line) for number, line in enumerate(lines, start=1) if line.strip()
    )


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _parts(lines: Sequence[str], most_lines: int, most_bytes: int) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for line in lines:
        if part and (len(part) == most_lines or size + len(line) > most_bytes):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line)
    if part:
        yield part


def _result(where: str, line: str) -> Result:
    try:
        document = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadBatch(
            f"{where}: is not JSON ({error.msg} at column {error.colno}); name the results as they were downloaded"
        ) from None
    except (ValueError, RecursionError):  # A number of thousands of digits, brackets nested too deep.
        raise BadBatch(f"{where}: is no JSON of a result; name the results as they were downloaded") from None
    if not isinstance(document, dict) or not isinstance(document.get("custom_id"), str):
        raise BadBatch(f"{where}: has no custom_id; name the output or error file of a batch")
    if "body" in document and "response" not in document:
        raise BadBatch(f"{where}: is a call, not a result; name the file that the provider gave back")
    return Result(custom_id=document["custom_id"], reply=_reply(document))


def _reply(document: Mapping[str, Any]) -> Reply:
    response = document.get("response")
    if not isinstance(response, Mapping):
        said = _table(document.get("error"))
        return _failed(str(said.get("code") or "BatchError"), None, said.get("message"))
    status, body = response.get("status_code"), _table(response.get("body"))
    if status != 200:
        said = _table(body.get("error")) or _table(document.get("error"))
        if str(said.get("code")) in _FILTER_CODES:
            # Declining for what was asked is a reply, as it is when the call is made directly.
            return Reply(
                content=None,
                finish_reason="content_filter",
                refusal=_message(said),
                response=json.dumps(body),
            )
        kind = str(said.get("code") or said.get("type") or "BatchError")
        return _failed(kind, status if isinstance(status, int) else None, said.get("message"))
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        return _failed("NoChoices", 200, "the response holds no choices")
    return _completion(body, _table(choices[0]))


def _completion(body: Mapping[str, Any], choice: Mapping[str, Any]) -> Reply:
    said, usage = _table(choice.get("message")), _table(body.get("usage"))
    return Reply(
        content=_text(said.get("content")),
        finish_reason=_text(choice.get("finish_reason")),
        refusal=_text(said.get("refusal")) or None,
        returned_model=_text(body.get("model")),
        system_fingerprint=_text(body.get("system_fingerprint")),
        tokens_in=_count(usage.get("prompt_tokens")),
        tokens_out=_count(usage.get("completion_tokens")),
        tokens_reasoning=_count(_table(usage.get("completion_tokens_details")).get("reasoning_tokens")),
        reasoning=_text(said.get("reasoning_content")),
        first_token=_first_token(_table(choice.get("logprobs"))),
        response=json.dumps(body),
        asked_at=_moment(body.get("created")),
    )


def _first_token(logprobs: Mapping[str, Any]) -> dict[str, float] | None:
    content = logprobs.get("content")
    if not isinstance(content, list) or not content:
        return None
    top = _table(content[0]).get("top_logprobs")
    if not isinstance(top, list) or not top:
        return None
    try:
        return {str(entry["token"]): float(entry["logprob"]) for entry in top}
    except (LookupError, TypeError, ValueError):
        return None  # Not as OpenAI writes them; the text still counts.


def _failed(kind: str, status: int | None, message: object) -> Reply:
    text = str(message or "the provider gives no reason")[:_MESSAGE_LENGTH]
    return Reply(content=None, error=Failure(kind=kind, status=status, message=text))


def _message(said: Mapping[str, Any]) -> str:
    return str(said.get("message") or said.get("code"))[:_MESSAGE_LENGTH]


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _moment(value: object) -> datetime | None:
    if not isinstance(value, int) or not 0 < value < _YEAR_3000:
        return None
    return datetime.fromtimestamp(value, UTC)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None
