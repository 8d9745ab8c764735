"""A model's replies as answers: the same type as people's, so that the same estimators read both. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llm_compare.parsing import Outcome, parse
from llm_compare.reply import RecordedReply
from survey.answers import Answer, AnswerSet, RespondentKind
from survey.design import Attribute


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTally:
    """How many replies came to what. Only choices and indecisions become answers; the rest is counted here."""

    counts: Mapping[Outcome, int]
    """Every outcome, also those that never occurred."""

    @property
    def total(self) -> int:
        """Number of calls with any outcome, failed ones included."""
        return sum(self.counts.values())

    @property
    def answers(self) -> int:
        """Number of calls that became answers."""
        return self.counts[Outcome.CHOICE] + self.counts[Outcome.INDECISION]


def tally(replies: Iterable[RecordedReply]) -> ReplyTally:
    """Count replies by outcome."""
    counts = Counter(parse(r.reply, r.request.labels).outcome for r in replies)
    return ReplyTally(counts={outcome: counts[outcome] for outcome in Outcome})


def answers_of(
    replies: Iterable[RecordedReply], attributes: tuple[Attribute, ...], *, source: str
) -> tuple[AnswerSet, ReplyTally]:
    """Return the answers among ``replies``, and what all of them came to.

    The respondent is the model string, the wave is the repeat. Both side orders of a comparison are separate
    answers, left and right as presented. There is no position: every call is a conversation of its own.
    """
    replies = tuple(replies)
    answers = []
    for recorded in replies:
        request, reply = recorded.request, recorded.reply
        choice = parse(reply, request.labels).choice
        if choice is None:
            continue
        answers.append(
            Answer(
                respondent=request.model,
                kind=RespondentKind.MODEL,
                arm=request.arm,
                position=None,
                left=request.left,
                right=request.right,
                choice=choice,
                indecision_offered=request.indecision_offered,
                design_hash=request.design_hash,
                wave=request.repeat,
                seconds=reply.seconds,
                seconds_missing=recorded.seconds_missing,
                answered_at=reply.asked_at,
            )
        )
    return AnswerSet(attributes=attributes, answers=tuple(answers), source=source), tally(replies)
