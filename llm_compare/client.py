"""Calls to models over the network. The only module that imports litellm, and only when first used.

litellm (measured: 1.106.2) takes seconds to import, fetches a price map on import unless told otherwise, retries on
its own, and reports some failures under the wrong status. What is switched off here, and why, stands beside it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import numpy as np

from llm_compare.errors import MissingKey, UnknownModel, UnsupportedSetting
from llm_compare.plan import Request, Settings
from llm_compare.reply import Failure, Reply

ATTEMPTS = 6
LONGEST_DELAY_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 300.0
"""A provider that asks for a longer wait than this (a daily quota) has failed for now; resume later."""
_GUARD_SECONDS = 5.0  # Beyond the client library's own timeout, for servers that send byte by byte.
_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_MESSAGE_LENGTH = 500
_FILTER_CODES = frozenset({"content_filter", "content_policy_violation"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs according to litellm's price map."""

    usd_per_token_in: float
    usd_per_token_out: float


class ModelClient:
    """Asks any model that litellm can reach.

    Parameters
    ----------
    timeout_seconds
        For one attempt.
    attempts
        Most attempts per call. Retried are 408, 409, 425, 429, 5xx and lost connections, never other 4xx.
    rng
        Spreads the waits between attempts (full jitter).
    sleep, clock
        Waiting and the time waited by, in seconds.
    now
        Moment recorded with a reply.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float = 60.0,
        attempts: int = ATTEMPTS,
        rng: np.random.Generator,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._attempts = attempts
        self._rng = rng
        self._sleep = sleep
        self._clock = clock
        self._now = now
        self._paused_until = float("-inf")

    async def reply(self, request: Request) -> Reply:
        """Ask, again if the failure may pass, and return the reply or the last failure.

        A provider's refusal on grounds of content is a reply, not a failure.

        Raises
        ------
        UnsupportedSetting
            The provider does not take one of the settings; no call of the run can succeed.
        """
        attempt = 0
        while True:
            await self._wait_out_pause()
            attempt += 1
            reply, delay = await self._attempt(request, attempt)
            if delay is None or attempt >= self._attempts:
                return replace(reply, attempts=attempt)
            await self._sleep(delay)

    async def close(self) -> None:
        """Close the connections that litellm keeps open."""
        _litellm()
        from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

        await close_litellm_async_clients()

    async def _wait_out_pause(self) -> None:
        while (left := self._paused_until - self._clock()) > 0:
            await self._sleep(left)

    async def _attempt(self, request: Request, attempt: int) -> tuple[Reply, float | None]:
        """Return the outcome of one attempt and the delay before the next; no delay means no other attempt."""
        litellm = _litellm()
        from openai import OpenAIError  # The base of all that litellm raises, whoever the provider is.

        asked_at, started = self._now(), self._clock()
        headers: Mapping[str, str] = {}
        try:
            reply = _reply(await self._send(request))
        except TimeoutError:
            reply = _failed("Timeout", 408, "no complete reply in time")
        except litellm.UnsupportedParamsError as error:
            raise _unsupported(request, error) from None
        except OpenAIError as error:
            reply = _refused_or_failed(litellm, error)
            # litellm puts the provider's headers here; those on ``error.response`` are empty.
            headers = getattr(error, "litellm_response_headers", None) or {}
        reply = replace(reply, asked_at=asked_at, seconds=self._clock() - started)
        return reply, None if reply.error is None else self._delay(reply.error, headers, attempt)

    async def _send(self, request: Request) -> Any:
        async with asyncio.timeout(self._timeout_seconds + _GUARD_SECONDS):
            return await _litellm().acompletion(
                model=request.model,
                messages=[{"role": m.role.value, "content": m.content} for m in request.messages],
                api_base=request.api_base,
                api_key=_key_for_own_server(request),
                timeout=self._timeout_seconds,
                # One owner of retries: left alone, the provider's library sends each call three times.
                max_retries=0,
                num_retries=0,
                **request.settings.sent(),
            )

    def _delay(self, failure: Failure, headers: Mapping[str, str], attempt: int) -> float | None:
        if failure.status not in _RETRIED and failure.kind != _NO_CHOICES:
            return None
        asked_for = _retry_after(headers.get("retry-after"), self._now())
        if asked_for is not None and asked_for > LONGEST_RETRY_AFTER_SECONDS:
            return None
        delay = asked_for
        if delay is None:
            delay = float(self._rng.uniform(0, min(LONGEST_DELAY_SECONDS, 2.0**attempt)))
        if failure.status == 429:
            # The limit is the account's, not this call's: everyone waits.
            self._paused_until = max(self._paused_until, self._clock() + delay)
        return delay


def check_model(model: str, settings: Settings, *, api_base: str | None) -> None:
    """Check, without any call, that the model can be asked with these settings.

    Raises
    ------
    UnknownModel
        litellm finds no provider in the model string.
    MissingKey
        The provider's key is not in the environment, and no address of an own server is given.
    UnsupportedSetting
        The provider does not take one of the settings.
    """
    litellm = _litellm()
    from openai import OpenAIError

    try:
        name, provider, _, _ = litellm.get_llm_provider(model, api_base=api_base)
    except OpenAIError:
        raise UnknownModel(
            f"'{model}' names no provider; write provider/model, e.g. openai/gpt-4o, anthropic/..., ollama/..., "
            "or openai/NAME with the address of your own server"
        ) from None
    missing = _missing_keys(model)
    if missing and api_base is None:
        raise MissingKey(
            f"asking '{model}' needs the environment variable {' and '.join(missing)}; set it, or give the address "
            "of your own server (--api-base)",
            missing,
        )
    accepted = litellm.get_supported_openai_params(name, custom_llm_provider=provider)
    if accepted is not None:
        refused = [setting for setting in settings.sent() if setting not in accepted]
        if refused:
            raise UnsupportedSetting(f"'{model}' does not accept {', '.join(refused)}; leave it out")


def price_of(model: str, *, api_base: str | None) -> Price | None:
    """Return the model's price from litellm's local map; None where it is unknown or the server is one's own."""
    if api_base is not None:
        return None
    entry = _litellm().model_cost.get(model) or _litellm().model_cost.get(model.partition("/")[2])
    if not entry or entry.get("input_cost_per_token") is None or entry.get("output_cost_per_token") is None:
        return None
    return Price(
        usd_per_token_in=float(entry["input_cost_per_token"]),
        usd_per_token_out=float(entry["output_cost_per_token"]),
    )


@cache
def _litellm() -> Any:
    """Import litellm quietly, once. It must not look up prices on the network, print, or report home."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.suppress_debug_info = True
    litellm.drop_params = False  # A dropped setting would silently be another experiment.
    for hooks in (litellm.callbacks, litellm.success_callback, litellm.failure_callback):
        hooks.clear()
    logging.getLogger("LiteLLM").setLevel(logging.ERROR)
    return litellm


def _missing_keys(model: str) -> tuple[str, ...]:
    # Asked first, because litellm reports a missing key as a failure of the server (500).
    return tuple(_litellm().validate_environment(model)["missing_keys"])


def _key_for_own_server(request: Request) -> str | None:
    """Return a stand-in key for an own server where none is set: the client library insists on having one."""
    return "none" if request.api_base is not None and _missing_keys(request.model) else None


_NO_CHOICES = "NoChoices"


def _reply(response: Any) -> Reply:
    if not response.choices:
        # litellm passes this on as success, but nothing was answered and nothing was refused.
        return _failed(_NO_CHOICES, 200, "the response holds no choices")
    first = response.choices[0]
    marks = getattr(first.message, "provider_specific_fields", None) or {}
    usage = getattr(response, "usage", None)
    return Reply(
        content=first.message.content,
        finish_reason=first.finish_reason,
        refusal=marks.get("refusal") or getattr(first.message, "refusal", None),
        returned_model=getattr(response, "model", None),
        system_fingerprint=getattr(response, "system_fingerprint", None),
        tokens_in=getattr(usage, "prompt_tokens", None),
        tokens_out=getattr(usage, "completion_tokens", None),
        cost_usd=getattr(response, "_hidden_params", {}).get("response_cost"),
    )


def _refused_or_failed(litellm: Any, error: Any) -> Reply:
    message = str(error)[:_MESSAGE_LENGTH]
    body = getattr(error, "body", None)
    code = body.get("code") if isinstance(body, Mapping) else getattr(error, "code", None)
    if isinstance(error, litellm.ContentPolicyViolationError) or code in _FILTER_CODES:
        return Reply(content=None, finish_reason="content_filter", refusal=message)
    return _failed(type(error).__name__, _status(error), message)


def _failed(kind: str, status: int | None, message: str) -> Reply:
    return Reply(content=None, error=Failure(kind=kind, status=status, message=message))


def _status(error: Any) -> int | None:
    status = getattr(error, "status_code", None)
    return int(status) if isinstance(status, int | str) and str(status).isdigit() else None


def _unsupported(request: Request, error: Exception) -> UnsupportedSetting:
    said = str(error).splitlines()[0]
    # The error carries the names only in its text; an unrecognized text names all settings that were sent.
    sent = request.settings.sent()
    named = [n for n in sent if n in said] or list(sent)
    given = ", ".join(f"{n} = {sent[n]}" for n in named)
    return UnsupportedSetting(
        f"'{request.model}' does not accept {given}; leave it out. litellm says: {said}"
    )


def _retry_after(value: str | None, now: datetime) -> float | None:
    """Return the wait in seconds that a Retry-After header asks for (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass  # Then it is a date.
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
