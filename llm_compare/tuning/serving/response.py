"""Responses of OpenAI's chat interface, made of what a local model wrote. Pure.

References
----------
OpenAI, API reference, "The chat completion object".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from llm_compare.tuning.models.prompted import Generated, Token
from llm_compare.tuning.serving.protocol import ChatRequest

_LEAST_LOGPROB = -9999.0
"""What OpenAI sends for a probability of 0, whose logarithm JSON cannot write."""


def completion(request: ChatRequest, generated: Generated, *, id_: str, fingerprint: str) -> dict[str, Any]:
    """Return the response. It holds no clock: the same continuation makes the same response.

    Parameters
    ----------
    id_
        Of the response; the same for the same request at the same repeat.
    fingerprint
        Of the model.
    """
    ended = until_stop(generated, request.stop)
    told = [_token(t, request.top_logprobs) for t in ended.tokens]
    return {
        "id": f"chatcmpl-{id_}",
        "object": "chat.completion",
        "created": 0,
        "model": request.model,
        "system_fingerprint": fingerprint,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": ended.text, "refusal": None},
                "logprobs": {"content": told, "refusal": None} if request.logprobs else None,
                "finish_reason": ended.finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": ended.tokens_in,
            "completion_tokens": ended.tokens_out,
            "total_tokens": ended.tokens_in + ended.tokens_out,
        },
    }


def model_record(name: str) -> dict[str, Any]:
    """Return a model as the list of models shows it."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "this machine"}


def until_stop(generated: Generated, stops: Sequence[str]) -> Generated:
    """Return the continuation up to the first of some texts; none of that text is kept.

    All of it was written, so the number of tokens stays what it was.
    """
    places = [place for stop in stops if (place := generated.text.find(stop)) >= 0]
    if not places:
        return generated
    text = generated.text[: min(places)]
    # Space is not counted: a token that is told alone may have lost the space before it.
    whole, written = _n_marks(text), 0
    kept: list[Token] = []
    for token in generated.tokens:
        if written == whole or (written := written + _n_marks(token.text)) > whole:
            break
        kept.append(token)
    return replace(generated, text=text, finish_reason="stop", tokens=tuple(kept))


def _n_marks(text: str) -> int:
    return sum(not character.isspace() for character in text)


def _token(token: Token, n: int) -> dict[str, Any]:
    candidates = list(token.top.items())[:n]
    return {**_candidate(token.text, token.logprob), "top_logprobs": [_candidate(*c) for c in candidates]}


def _candidate(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": max(logprob, _LEAST_LOGPROB), "bytes": list(text.encode("utf-8"))}
