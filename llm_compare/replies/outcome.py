"""What a reply is read as: six outcomes that stay apart, and the rule that decided. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from survey.answers import Choice


class Outcome(StrEnum):
    """What a call came to. The six stay apart everywhere: merging any two has misled published comparisons."""

    CHOICE = "choice"
    INDECISION = "indecision"
    """The offered answer "I cannot say"; an answer like left and right."""
    REFUSAL = "refusal"
    """The model or its provider declined to answer."""
    TRUNCATED = "truncated"
    """Cut off by the limit on tokens before an answer was complete."""
    UNREADABLE = "unreadable"
    """A text that names no answer, or more than one."""
    ERROR = "error"
    """The call failed; there is no reply."""


class Rule(StrEnum):
    """Which rule decided, in the order in which they are tried."""

    FAILED_CALL = "failed call"
    PROVIDER = "provider says refused or filtered"
    FIRST_TOKEN = "probabilities of the first token"  # noqa: S105
    OBJECT = "the answer in a JSON object"
    POINTS = "points of each answer"
    BAD_POINTS = "points below 0, or not 100 in all"
    SCALE = "a number on the scale"
    OFF_SCALE = "a number that is not on the scale"
    ZERO = "the middle of the scale, which was not offered"
    EVEN = "equal shares, and indecision was not offered"
    EXACT = "the whole reply is an answer"
    STATED = "last 'Answer: X'"
    LINE = "a line of its own"
    CUT_OFF = "cut off before an answer"
    UNIQUE = "the only answer named, as the one chosen"
    NOT_OFFERED = "an indecision that was not offered"
    UNDECIDED = "says that it cannot decide"
    DECLINED = "says that it will not answer"
    SEVERAL = "names more than one answer"
    EMPTY = "no text"
    NONE = "no rule applies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a reply means, and by which rule."""

    outcome: Outcome
    choice: Choice | None
    """Set for ``choice`` (left or right) and ``indecision``, None otherwise."""
    rule: Rule
    shares: tuple[float, float, float] | None = None
    """Left, right, indecision, summing to 1, where the reply spreads its answer (an allocation, probabilities);
    ``choice`` is then the largest, indecision between two that are equally large."""


def chosen(choice: Choice, rule: Rule) -> Parsed:
    """Return an answer."""
    outcome = Outcome.INDECISION if choice is Choice.INDECISION else Outcome.CHOICE
    return Parsed(outcome=outcome, choice=choice, rule=rule)


def no_answer(outcome: Outcome, rule: Rule) -> Parsed:
    """Return a reply that is no answer."""
    return Parsed(outcome=outcome, choice=None, rule=rule)


def one_of(found: set[Choice], rule: Rule) -> Parsed:
    """Return the one answer found; several are unreadable."""
    if len(found) == 1:
        return chosen(next(iter(found)), rule)
    return no_answer(Outcome.UNREADABLE, Rule.SEVERAL)
