"""Calls to models over the network. The only module that imports litellm, and only when first used.

litellm (measured: 1.106.2) takes seconds to import, fetches a price map on import unless told otherwise, retries on
its own, and reports some failures under the wrong status. What is switched off here, and why, stands beside it.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from llm_compare.asking.attempts import NO_CHOICES, FailedCall, retry_after_seconds
from llm_compare.asking.spending import Price, cost_of
from llm_compare.errors import MissingKey, UnknownModel, UnsupportedSetting
from llm_compare.prompting.call import Call, Settings
from llm_compare.replies.reply import Failure, Reply
from llm_compare.replies.store import LONGEST_MESSAGE

_GUARD_SECONDS = 5.0  # Beyond the client library's own timeout, for servers that send byte by byte.
_FILTER_CODES = frozenset({"content_filter", "content_policy_violation"})
_SECRETS = ("_KEY", "_TOKEN", "_SECRET")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a model's provider takes, as litellm knows it. Nothing is asked of the provider."""

    takes: frozenset[str] | None
    """Names of the parameters; None where litellm does not know."""

    @property
    def takes_schema(self) -> bool:
        """Whether a JSON schema for the answer can be sent."""
        return self.takes is not None and "response_format" in self.takes

    @property
    def takes_logprobs(self) -> bool:
        """Whether the probabilities of the first token can be asked for."""
        return self.takes is not None and {"logprobs", "top_logprobs"} <= self.takes


class ModelClient:
    """Asks any model that litellm can reach, one attempt at a time.

    Parameters
    ----------
    timeout_seconds
        For one attempt.
    price
        What the replies' cost is computed from; None leaves it unknown. See :func:`price_of`.
    clock
        Time in seconds that the duration of an attempt is measured by.
    now
        Moment recorded with a reply.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float = 60.0,
        price: Price | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._price = price
        self._clock = clock
        self._now = now
        # What is the same in all calls to a model is found out once: it takes as long as the rest of a call.
        self._keys: dict[tuple[str, str | None], str | None] = {}

    @property
    def name(self) -> str:
        """The library that makes the calls, with its version."""
        return f"litellm {importlib.metadata.version('litellm')}"

    async def reply(self, request: Call) -> Reply | FailedCall:
        """Make one attempt and return the reply or what failed. Waiting and trying again are the caller's.

        A provider's refusal on grounds of content is a reply, not a failure.

        Raises
        ------
        UnsupportedSetting
            The provider does not take one of the settings; no call of the run can succeed.
        """
        litellm = quiet_litellm()
        from openai import OpenAIError  # The base of all that litellm raises, whoever the provider is.

        asked_at, started = self._now(), self._clock()
        outcome: Reply | FailedCall
        try:
            outcome = _read(await self._send(request))
        except TimeoutError:
            outcome = _failed("Timeout", 408, "no complete reply in time")
        except litellm.UnsupportedParamsError as error:
            raise _unsupported(request, error) from None
        except OpenAIError as error:
            outcome = _refused_or_failed(litellm, error, asked_at)
        if isinstance(outcome, FailedCall):
            return replace(outcome, at=asked_at)
        return replace(
            outcome,
            asked_at=asked_at,
            seconds=self._clock() - started,
            cost_usd=cost_of(self._price, outcome.tokens_in, outcome.tokens_out),
        )

    async def close(self) -> None:
        """Close the connections that litellm keeps open."""
        quiet_litellm()
        from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

        await close_litellm_async_clients()

    async def _send(self, request: Call) -> Any:
        async with asyncio.timeout(self._timeout_seconds + _GUARD_SECONDS):
            return await quiet_litellm().acompletion(
                model=request.model,
                messages=request.sent_messages,
                api_base=request.api_base,
                api_key=self._key_for_own_server(request),
                timeout=self._timeout_seconds,
                # One owner of retries: left alone, the provider's library sends each call three times.
                max_retries=0,
                num_retries=0,
                **request.parameters,
            )

    def _key_for_own_server(self, request: Call) -> str | None:
        """Return a stand-in key for an own server where none is set: the client library insists on one."""
        asked = (request.model, request.api_base)
        if asked not in self._keys:
            is_needed = request.api_base is not None and missing_keys(request.model)
            self._keys[asked] = "none" if is_needed else None
        return self._keys[asked]


def check_model(
    model: str, settings: Settings, *, api_base: str | None, with_logprobs: bool = False
) -> Capabilities:
    """Check, without any call, that the model can be asked with these settings; return what it takes.

    Parameters
    ----------
    with_logprobs
        Whether the probabilities of the first token will be asked for.

    Raises
    ------
    UnknownModel
        litellm finds no provider in the model string.
    MissingKey
        The provider's key is not in the environment, and no address of an own server is given.
    UnsupportedSetting
        The provider does not take one of the settings.
    """
    found = capabilities(model, api_base)
    missing = missing_keys(model)
    if missing and api_base is None:
        raise MissingKey(
            f"asking '{model}' needs the environment variable {' and '.join(missing)}; set it, or give the address "
            "of your own server (--api-base)",
            missing,
        )
    if found.takes is not None:
        wanted = [*settings.sent(), *(("logprobs", "top_logprobs") if with_logprobs else ())]
        refused = [name for name in wanted if name not in found.takes]
        if refused:
            raise UnsupportedSetting(f"'{model}' does not accept {', '.join(refused)}; leave it out")
    return found


def capabilities(model: str, api_base: str | None) -> Capabilities:
    """Return what the model's provider takes, by litellm's own list and without any call.

    Raises
    ------
    UnknownModel
        litellm finds no provider in the model string.
    """
    litellm = quiet_litellm()
    from openai import OpenAIError

    try:
        name, provider, _, _ = litellm.get_llm_provider(model, api_base=api_base)
    except OpenAIError:
        raise UnknownModel(
            f"'{model}' names no provider; write provider/model, e.g. openai/gpt-4o, anthropic/..., ollama/..., "
            "or openai/NAME with the address of your own server"
        ) from None
    takes = litellm.get_supported_openai_params(name, custom_llm_provider=provider)
    return Capabilities(takes=None if takes is None else frozenset(takes))


def price_of(model: str, *, api_base: str | None) -> Price | None:
    """Return the model's price from litellm's local map; None where it is unknown or the server is one's own."""
    if api_base is not None:
        return None
    entry = quiet_litellm().model_cost.get(model) or quiet_litellm().model_cost.get(model.partition("/")[2])
    if not entry or entry.get("input_cost_per_token") is None or entry.get("output_cost_per_token") is None:
        return None
    # Rounded, because the map's amounts per token times a million are not quite the amounts per million.
    return Price(
        usd_per_million_in=round(float(entry["input_cost_per_token"]) * 1e6, 9),
        usd_per_million_out=round(float(entry["output_cost_per_token"]) * 1e6, 9),
        source=_price_map(),
    )


@cache
def _price_map() -> str:
    """Return which price map is used, exactly enough to find it again."""
    file = Path(quiet_litellm().__file__).with_name("model_prices_and_context_window_backup.json")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"price map of litellm {importlib.metadata.version('litellm')}, SHA-256 {digest}"


@cache
def quiet_litellm() -> Any:
    """Import litellm quietly, once. It must not look up prices on the network, print, or report home."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.suppress_debug_info = True
    litellm.drop_params = False  # A dropped setting would silently be another experiment.
    for hooks in (litellm.callbacks, litellm.success_callback, litellm.failure_callback):
        hooks.clear()
    logging.getLogger("LiteLLM").setLevel(logging.ERROR)
    return litellm


def missing_keys(model: str) -> tuple[str, ...]:
    """Return the variables that the model's provider needs and the environment does not hold."""
    # Asked first, because litellm reports a missing key as a failure of the server (500).
    return tuple(quiet_litellm().validate_environment(model)["missing_keys"])


def _read(response: Any) -> Reply | FailedCall:
    """Return the reply; a response that is put together otherwise than any known is a failed call, not a crash."""
    try:
        return _reply(response)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        said = without_secrets(f"{type(error).__name__}: {error}")[:LONGEST_MESSAGE]
        return _failed("UnreadableResponse", 200, said)


def _reply(response: Any) -> Reply | FailedCall:
    if not response.choices:
        # litellm passes this on as success, but nothing was answered and nothing was refused.
        return _failed(NO_CHOICES, 200, "the response holds no choices")
    first = response.choices[0]
    marks = getattr(first.message, "provider_specific_fields", None) or {}
    tokens_in, tokens_out, tokens_reasoning = _tokens(getattr(response, "usage", None))
    return Reply(
        content=_text(first.message.content),
        finish_reason=first.finish_reason,
        refusal=_text(marks.get("refusal") or getattr(first.message, "refusal", None)),
        returned_model=getattr(response, "model", None),
        system_fingerprint=getattr(response, "system_fingerprint", None),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        tokens_reasoning=tokens_reasoning,
        reasoning=_text(getattr(first.message, "reasoning_content", None)),
        first_token=_first_token(first),
        response=_as_json(response),
    )


def _text(value: Any) -> str | None:
    """Return a text as it is; what a server sends in the place of one, as JSON."""
    return value if value is None or isinstance(value, str) else json.dumps(value, default=str)


def _as_json(response: Any) -> str:
    try:
        return str(response.model_dump_json(warnings=False))
    except ValueError:
        # The library's own writer refuses half a surrogate pair, which a reply may hold.
        return json.dumps(response.model_dump(warnings=False), default=str)


def _tokens(usage: Any) -> tuple[int | None, int | None, int | None]:
    """Return tokens of the prompt, of the reply with its reasoning, and of the reasoning."""
    if not getattr(usage, "prompt_tokens", None):
        # No prompt is empty: litellm puts 0 where the server said nothing.
        return None, None, None
    out = usage.completion_tokens
    reasoning = getattr(getattr(usage, "completion_tokens_details", None), "reasoning_tokens", None)
    if reasoning and out is not None and usage.total_tokens == usage.prompt_tokens + out + reasoning:
        out += reasoning  # Some providers count them beside the reply, not in it.
    return usage.prompt_tokens, out, reasoning


def _first_token(choice: Any) -> dict[str, float] | None:
    # The attribute is missing altogether where the server sent none.
    content = getattr(getattr(choice, "logprobs", None), "content", None)
    if not content:
        return None
    return {candidate.token: float(candidate.logprob) for candidate in content[0].top_logprobs}


def _refused_or_failed(litellm: Any, error: Any, now: datetime) -> Reply | FailedCall:
    message = without_secrets(str(error))[:LONGEST_MESSAGE]
    body = getattr(error, "body", None)
    code = body.get("code") if isinstance(body, Mapping) else getattr(error, "code", None)
    if isinstance(error, litellm.ContentPolicyViolationError) or code in _FILTER_CODES:
        return Reply(content=None, finish_reason="content_filter", refusal=message)
    # litellm puts the provider's headers here; those on ``error.response`` are empty.
    headers = getattr(error, "litellm_response_headers", None) or {}
    failed = _failed(type(error).__name__, _status(error), message)
    return replace(failed, retry_after_seconds=retry_after_seconds(headers.get("retry-after"), now))


def without_secrets(message: str) -> str:
    """Take keys out of what a server said, should it repeat them: failures are stored and reported."""
    for name, value in os.environ.items():
        if name.endswith(_SECRETS) and len(value) >= 8:
            message = message.replace(value, f"[{name}]")
    return message


def _failed(kind: str, status: int | None, message: str) -> FailedCall:
    return FailedCall(failure=Failure(kind=kind, status=status, message=message))


def _status(error: Any) -> int | None:
    status = getattr(error, "status_code", None)
    return int(status) if isinstance(status, int | str) and str(status).isdigit() else None


def _unsupported(request: Call, error: Exception) -> UnsupportedSetting:
    said = str(error).splitlines()[0]
    # The error carries the names only in its text; an unrecognized text names all settings that were sent.
    sent = request.settings.sent()
    named = [n for n in sent if n in said] or list(sent)
    given = ", ".join(f"{n} = {sent[n]}" for n in named)
    return UnsupportedSetting(
        f"'{request.model}' does not accept {given}; leave it out. litellm says: {said}"
    )
