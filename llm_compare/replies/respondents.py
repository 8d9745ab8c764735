"""A model's replies as answers: the same type as people's, so that the same estimators read both. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llm_compare.replies.parsing import Outcome, Parsed, parse
from llm_compare.replies.reply import RecordedReply
from survey.answers import Answer, AnswerSet, RespondentKind
from survey.design import Attribute, CategoricalAttribute, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReply:
    """A reply with what it was read as, so that nobody has to read it again."""

    recorded: RecordedReply
    parsed: Parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTally:
    """How many replies came to what. Only choices and indecisions become answers; the rest is counted here."""

    counts: Mapping[Outcome, int]
    """Every outcome, also those that never occurred."""

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> ReplyTally:
        """Count outcomes."""
        counts = Counter(outcomes)
        return cls(counts={outcome: counts[outcome] for outcome in Outcome})

    @property
    def total(self) -> int:
        """Number of calls with any outcome, failed ones included."""
        return sum(self.counts.values())

    @property
    def answers(self) -> int:
        """Number of calls that became answers."""
        return self.counts[Outcome.CHOICE] + self.counts[Outcome.INDECISION]


def read_replies_of(replies: Iterable[RecordedReply]) -> tuple[ReadReply, ...]:
    """Read each reply once, against the labels and in the answer format that it was asked with."""
    return tuple(
        ReadReply(recorded=r, parsed=parse(r.reply, r.request.labels, r.request.variant.answer_format))
        for r in replies
    )


def tally(replies: Iterable[RecordedReply]) -> ReplyTally:
    """Count replies by outcome."""
    return tally_of(read_replies_of(replies))


def tally_of(read: Iterable[ReadReply]) -> ReplyTally:
    """Count replies that have been read by outcome."""
    return ReplyTally.of(r.parsed.outcome for r in read)


def tally_by_level(
    read: Iterable[ReadReply], attributes: tuple[Attribute, ...]
) -> dict[tuple[str, Value], ReplyTally]:
    """Return the tally of the replies about each value, by (attribute, value), in the order of the attributes.

    A reply counts for a value if either patient has it, and once if both have: refusals that come with certain
    patients are a finding about the model.
    """
    outcomes: dict[tuple[str, Value], list[Outcome]] = defaultdict(list)
    for r in read:
        left, right = r.recorded.request.left, r.recorded.request.right
        for attribute in attributes:
            for value in dict.fromkeys((left[attribute.name], right[attribute.name])):
                outcomes[attribute.name, value].append(r.parsed.outcome)
    found = {}
    for attribute in attributes:
        asked = [value for name, value in outcomes if name == attribute.name]
        levels = list(attribute.values) if isinstance(attribute, CategoricalAttribute) else sorted(asked)
        for value in levels:
            if value in asked:
                found[attribute.name, value] = ReplyTally.of(outcomes[attribute.name, value])
    return found


def answers_of(
    replies: Iterable[RecordedReply], attributes: tuple[Attribute, ...], *, source: str
) -> tuple[AnswerSet, ReplyTally]:
    """Return the answers among ``replies``, and what all of them came to."""
    read = read_replies_of(replies)
    return answers_in(read, attributes, source=source), tally_of(read)


def answers_in(read: Iterable[ReadReply], attributes: tuple[Attribute, ...], *, source: str) -> AnswerSet:
    """Return the answers among replies that have been read.

    The respondent is the model string, the wave is the repeat. Both side orders of a comparison are separate
    answers, left and right as presented. There is no position: every call is a conversation of its own. A reply
    that spreads shares answers with the largest.
    """
    answers = []
    for r in read:
        if r.parsed.choice is None:
            continue
        request, reply = r.recorded.request, r.recorded.reply
        answers.append(
            Answer(
                respondent=request.model,
                kind=RespondentKind.MODEL,
                arm=request.arm,
                position=None,
                left=request.left,
                right=request.right,
                choice=r.parsed.choice,
                indecision_offered=request.indecision_offered,
                design_hash=request.design_hash,
                wave=request.repeat,
                seconds=reply.seconds,
                seconds_missing=r.recorded.seconds_missing,
                answered_at=reply.asked_at,
            )
        )
    return AnswerSet(attributes=attributes, answers=tuple(answers), source=source)
