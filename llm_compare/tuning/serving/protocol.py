"""Requests in OpenAI's chat interface, as far as a local model can keep to it. Pure.

What cannot be done is refused by name and never left out: a setting that was dropped would be another experiment.

References
----------
OpenAI, API reference, "Create chat completion" (request, and the shape of errors).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_compare.errors import CompareError
from llm_compare.prompting.messages import Message, Speaker
from llm_compare.tuning.models.prompted import Prompted

MOST_TOP_LOGPROBS = 20
MOST_STOPS = 4
_LARGEST_SEED = 2**63 - 1
_MESSAGE_FIELDS = frozenset({"role", "content", "name"})
_READ = frozenset(
    {
        *("model", "messages", "temperature", "top_p", "max_tokens", "max_completion_tokens"),
        *("seed", "logprobs", "top_logprobs", "stop"),
    }
)
_HARMLESS = frozenset({"user", "metadata", "safety_identifier", "prompt_cache_key"})
"""Change no answer, whatever they hold."""
_WITHOUT_EFFECT: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "stream": (False,),
    "stream_options": (),
    "response_format": ({"type": "text"},),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none",),
    "parallel_tool_calls": (True, False),
    "functions": ([],),
    "function_call": ("none",),
    "modalities": (["text"],),
    "store": (False,),
    "service_tier": ("auto", "default"),
    "reasoning_effort": (),
}
"""Known fields that a local model cannot act on, with the values that ask for nothing, as null always does."""
_WAYS_OUT = {
    "n": "make one call for each",
    "stream": "leave it out: the reply comes whole",
    "response_format": "leave it out (--no-schema): replies are not held to a schema",
    "reasoning_effort": "leave it out: the model does not reason before it answers",
}


class RequestRefused(CompareError):
    """A request that is answered with an error; it never ends the server.

    Parameters
    ----------
    message
        What is wrong, and the way out.
    status
        Of the HTTP response.
    param
        Field of the request that is wrong, if it is one.
    code
        A word for programs.
    """

    def __init__(
        self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None
    ) -> None:
        self.message = message
        self.status = status
        self.param = param
        self.code = code
        super().__init__(message)

    def record(self) -> dict[str, Any]:
        """Return the error in OpenAI's shape."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A request as it was understood, every default filled in."""

    model: str
    messages: tuple[Message, ...]
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int | None = None
    """None for as many as there is room for; see ``served_models``."""
    seed: int | None = None
    """None where the server shall draw anew at every repeat."""
    logprobs: bool = False
    top_logprobs: int = 0
    stop: tuple[str, ...] = ()

    def prompted(self, *, max_tokens: int, seed: int) -> Prompted:
        """Return what the model is asked for."""
        return Prompted(
            messages=self.messages,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=max_tokens,
            seed=seed,
            # The token that was drawn is told even where no others are asked for.
            top_logprobs=max(1, self.top_logprobs) if self.logprobs else 0,
        )

    def digest(self, *more: int) -> bytes:
        """Return the SHA-256 of everything that is asked for and of some numbers.

        Two requests that mean the same have the same, however they are written.
        """
        said = [
            *more,
            self.model,
            [[m.role.value, m.content] for m in self.messages],
            float(self.temperature),
            float(self.top_p),
            self.max_tokens,
            self.seed,
            self.logprobs,
            self.top_logprobs,
            self.stop,
        ]
        return hashlib.sha256(json.dumps(said).encode()).digest()


def read_request(body: bytes) -> ChatRequest:
    """Read the body of a request.

    Raises
    ------
    RequestRefused
        It is no request, or asks for what a local model cannot do; ``param`` names the field.
    """
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        said = str(error) or type(error).__name__
        raise RequestRefused(f"the body is not JSON ({said}); send one object in UTF-8") from None
    if not isinstance(given, dict):
        raise RequestRefused("the body must be one JSON object")
    _refuse_the_impossible(given)
    # null stands for the default everywhere, as in OpenAI's interface.
    fields = {name: value for name, value in given.items() if value is not None}
    logprobs = _value(fields, "logprobs", False, _is_bool, "true or false")
    top_logprobs = _value(
        fields,
        "top_logprobs",
        0,
        lambda v: _is_whole(v) and 0 <= v <= MOST_TOP_LOGPROBS,
        f"a whole number from 0 to {MOST_TOP_LOGPROBS}",
    )
    if top_logprobs and not logprobs:
        raise RequestRefused("top_logprobs needs logprobs = true", param="top_logprobs")
    return ChatRequest(
        model=_value(fields, "model", None, _is_text, "the name of a model"),
        messages=_messages(fields.get("messages")),
        temperature=float(
            _value(fields, "temperature", 1, lambda v: _is_number(v) and 0 <= v <= 2, "from 0 to 2")
        ),
        top_p=float(
            _value(fields, "top_p", 1, lambda v: _is_number(v) and 0 < v <= 1, "above 0 and at most 1")
        ),
        max_tokens=_max_tokens(fields),
        seed=None
        if "seed" not in fields
        else _value(
            fields,
            "seed",
            0,
            lambda v: _is_whole(v) and 0 <= v <= _LARGEST_SEED,
            "a whole number from 0 to 2^63 - 1",
        ),
        logprobs=logprobs,
        top_logprobs=top_logprobs,
        stop=_stops(fields.get("stop")),
    )


def _refuse_the_impossible(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name in _READ or name in _HARMLESS:
            continue
        if name not in _WITHOUT_EFFECT:
            raise RequestRefused(
                f"{name}: is not known here; leave it out", param=name, code="unknown_parameter"
            )
        if value is not None and not any(_is_same(value, v) for v in _WITHOUT_EFFECT[name]):
            way_out = _WAYS_OUT.get(name, "leave it out")
            raise RequestRefused(
                f"{name} = {_short(value)}: a local model cannot do this; {way_out}",
                param=name,
                code="unsupported_value",
            )


def _value(
    fields: Mapping[str, Any], name: str, default: Any, is_right: Callable[[Any], bool], wanted: str
) -> Any:
    value = fields.get(name, default)
    if value is None:
        raise RequestRefused(f"{name} is missing: must be {wanted}", param=name)
    if not is_right(value):
        raise RequestRefused(f"{name} = {_short(value)}: must be {wanted}", param=name)
    return value


def _max_tokens(fields: Mapping[str, Any]) -> int | None:
    found = {
        _value(fields, name, None, lambda v: _is_whole(v) and v >= 1, "a whole number from 1")
        for name in ("max_tokens", "max_completion_tokens")
        if name in fields
    }
    if len(found) > 1:
        raise RequestRefused(
            "max_tokens and max_completion_tokens say the same and differ; send one of them",
            param="max_tokens",
        )
    return found.pop() if found else None


def _stops(value: Any) -> tuple[str, ...]:
    stops = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or len(stops) > MOST_STOPS or not all(_is_text(s) for s in stops):
        raise RequestRefused(
            f"stop = {_short(value)}: must be a text or up to {MOST_STOPS} of them, none empty", param="stop"
        )
    return tuple(stops)


def _messages(value: Any) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise RequestRefused("messages: must be a list of at least one message", param="messages")
    messages = tuple(_message(m, f"messages[{i}]") for i, m in enumerate(value))
    if messages[-1].role is Speaker.ASSISTANT:
        raise RequestRefused(
            "messages: the last is the model's own, so there is nothing to answer; end with the user's",
            param="messages",
        )
    return messages


def _message(value: Any, where: str) -> Message:
    if not isinstance(value, dict):
        raise RequestRefused(f"{where}: must be an object with role and content", param=where)
    for name, held in value.items():
        if held is not None and name not in _MESSAGE_FIELDS:
            raise RequestRefused(f"{where}.{name}: is not known here; leave it out", param=f"{where}.{name}")
    roles = [s.value for s in Speaker]
    if value.get("role") not in roles:
        raise RequestRefused(
            f"{where}.role = {_short(value.get('role'))}: must be one of {', '.join(roles)}",
            param=f"{where}.role",
        )
    if value.get("name") is not None:
        raise RequestRefused(
            f"{where}.name: conversations have no names here; leave it out", param=f"{where}.name"
        )
    return Message(role=Speaker(value["role"]), content=_content(value.get("content"), f"{where}.content"))


def _content(value: Any, where: str) -> str:
    parts = [{"type": "text", "text": value}] if isinstance(value, str) else value
    if not isinstance(parts, list) or not parts:
        raise RequestRefused(f"{where}: must be a text, or a list of text parts", param=where)
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text" or set(part) != {"type", "text"} or not isinstance(part["text"], str):
            raise RequestRefused(
                f"{where}: a local model reads text only, not {_short(kind if kind != 'text' else part)}",
                param=where,
            )
    text = "".join(part["text"] for part in parts)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise RequestRefused(f"{where}: holds half a character (a lone surrogate)", param=where) from None
    return text


def _is_same(value: Any, other: Any) -> bool:
    # For Python, true is 1.
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _short(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False)
    return said if len(said) <= 60 else f"{said[:57]}..."
