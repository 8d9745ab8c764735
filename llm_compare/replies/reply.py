"""What came back from a call: the reply verbatim, with everything the provider said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic

from llm_compare.prompting.call import is_scripted
from llm_compare.prompting.request import CallT


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a call brought no reply, after all attempts."""

    kind: str
    """Name of the error, e.g. ``RateLimitError``."""
    status: int | None
    """HTTP status as the client library reports it; it also reports 500 for a connection that failed."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A model's reply as it came. Nothing here is interpreted; see ``parsing``."""

    content: str | None
    """The text, verbatim; None where the provider sent none."""
    finish_reason: str | None = None
    """The provider's reason for ending, e.g. ``stop``, ``length``, ``content_filter``."""
    refusal: str | None = None
    """The provider's refusal text where it marks refusals apart from content."""
    returned_model: str | None = None
    """The model that the provider says answered; an alias may point elsewhere next month."""
    system_fingerprint: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_reasoning: int | None = None
    """Those of ``tokens_out`` that the model thought with, where the provider says so."""
    reasoning: str | None = None
    """What the model thought first, where the provider shows it. Never read as an answer."""
    first_token: Mapping[str, float] | None = None
    """Log-probabilities of the first token of the content, by token, where they were asked for and given."""
    response: str | None = None
    """The whole response as JSON text, as the client library gave it; None for scripts and imported replies."""
    cost_usd: float | None = None
    """None where the price is unknown, which is not zero."""
    seconds: float | None = None
    """Duration of the last attempt, waits not counted; None for scripted respondents."""
    attempts: int = 1
    asked_at: datetime | None = None
    """Aware UTC; None for scripted respondents, whose replies do not depend on the day."""
    error: Failure | None = None
    """Set when the call failed; then there is no content, and the same call may be made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedReply(Generic[CallT]):
    """A reply with the request it answers."""

    request: CallT
    reply: Reply

    @property
    def seconds_missing(self) -> str:
        """Why no duration is known; empty where one is."""
        if self.reply.seconds is not None:
            return ""
        return "scripted respondent" if is_scripted(self.request.model) else "not recorded"
