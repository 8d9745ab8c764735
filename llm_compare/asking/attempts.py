"""One attempt at a call: how it failed, whether another may succeed, and when. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import numpy as np

from llm_compare.replies.reply import Failure

ATTEMPTS = 6
"""Most attempts at one call in one run."""
LONGEST_DELAY_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 300.0
"""A provider that asks for a longer wait than this (a daily quota) has failed for now; resume later."""

NO_CHOICES = "NoChoices"
"""Kind of a response that holds no choices: neither an answer nor a refusal."""
ABANDONED = "Abandoned"
"""Kind of an attempt that was given up because the run was stopped."""

_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_OVERLOADED = frozenset({429, 503, 529})
_FOR_ALL = frozenset({401, 403, 404})
_MAY_BE_CHARGED = frozenset({200, 408, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCall:
    """What came of an attempt that brought no reply."""

    failure: Failure
    retry_after_seconds: float | None = None
    """How long the provider asks to wait; None where it does not say."""
    at: datetime | None = None
    """When the attempt was made; aware UTC."""

    @property
    def may_pass(self) -> bool:
        """Whether another attempt may succeed: an overload, a fault of the server, a lost connection."""
        if self.retry_after_seconds is not None and self.retry_after_seconds > LONGEST_RETRY_AFTER_SECONDS:
            return False
        return self.failure.status in _PASSING or self.failure.kind == NO_CHOICES

    @property
    def is_overload(self) -> bool:
        """Whether the provider says that it gets too many calls, which concerns all calls to it."""
        return self.failure.status in _OVERLOADED

    @property
    def concerns_all(self) -> bool:
        """Whether no call of the run can succeed: no access, no such model, a quota that is used up for long."""
        return self.failure.status in _FOR_ALL or (self.is_overload and not self.may_pass)

    @property
    def may_be_charged(self) -> bool:
        """Whether the provider may have done the work, and ask money for it, though nothing readable arrived.

        litellm reports cut connections and unreadable bodies as 500 as well, hence all 500 are among them.
        """
        status = self.failure.status
        return status is None or status in _MAY_BE_CHARGED or status == 500


def delay_before_next(failed: FailedCall, attempt: int, rng: np.random.Generator) -> float:
    """Return the seconds to wait after the failure of attempt number ``attempt``.

    As long as the provider asks; else random up to a bound that doubles with each attempt ("full jitter"), so that
    calls that failed together do not come again together.
    """
    if failed.retry_after_seconds is not None:
        return failed.retry_after_seconds
    return float(rng.uniform(0, min(LONGEST_DELAY_SECONDS, 2.0**attempt)))


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return the wait that a Retry-After header asks for (RFC 9110, section 10.2.3); None for none readable."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass  # Then it is a date.
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # The latter for a year or an offset of twenty digits.
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
