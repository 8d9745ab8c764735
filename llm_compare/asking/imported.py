"""Replies from elsewhere, held against a plan of calls. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from llm_compare.asking.batch_file import Result, custom_id
from llm_compare.prompting.request import CallT
from llm_compare.replies.reply import RecordedReply, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched(Generic[CallT]):
    """What results are, in the light of a plan."""

    new: tuple[RecordedReply[CallT], ...]
    """Replies to calls that had none."""
    failed: tuple[RecordedReply[CallT], ...]
    """Calls that failed there and have no reply."""
    already_stored: int
    """Results of calls that have a reply already, which stays."""
    unknown: tuple[str, ...]
    """Names of results that belong to no call of the plan."""
    missing: int
    """Calls of the plan that still have no reply."""


def match(
    results: Iterable[Result], requests: Sequence[CallT], stored: Mapping[tuple[str, int], Reply]
) -> Matched[CallT]:
    """Find the call that each result belongs to. Of two replies to one call the first counts.

    Parameters
    ----------
    stored
        Replies that calls have already, by identity.
    """
    planned = {custom_id(request): request for request in requests}
    new: dict[str, RecordedReply[CallT]] = {}
    failed: dict[str, RecordedReply[CallT]] = {}
    unknown: dict[str, None] = {}
    already = 0
    for result in results:
        request = planned.get(result.custom_id)
        if request is None:
            unknown[result.custom_id] = None
        elif request.identity in stored or result.custom_id in new:
            already += 1
        elif result.reply.error is not None:
            failed[result.custom_id] = RecordedReply(request=request, reply=result.reply)
        else:
            new[result.custom_id] = RecordedReply(request=request, reply=result.reply)
    answered = sum(request.identity in stored for request in planned.values())
    return Matched(
        new=tuple(new.values()),
        failed=tuple(recorded for name, recorded in failed.items() if name not in new),
        already_stored=already,
        unknown=tuple(unknown),
        missing=len(planned) - answered - len(new),
    )
