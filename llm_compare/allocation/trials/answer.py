"""What a trial came to: the answer as it was read, and by which rule; a respondent's trials together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from llm_compare.allocation.problems.problem import Origin
from llm_compare.allocation.trials.trial import Task, Trial
from llm_compare.replies.reply import Reply


class Outcome(StrEnum):
    """What a trial came to. They stay apart: a ranking that leaves somebody out is neither an answer nor noise."""

    ANSWER = "answer"
    INDECISION = "indecision"
    """People's own "I cannot say" where one was to be chosen: an answer, and nobody's selection."""
    INCOMPLETE = "incomplete"
    """A ranking that leaves candidates out, names one twice, ties some, or names somebody who is not there."""
    REFUSAL = "refusal"
    TRUNCATED = "truncated"
    """Cut off by the limit on tokens before the answer was complete."""
    UNREADABLE = "unreadable"
    """A text that names no candidate, or more than one where one was to be chosen."""
    ERROR = "error"
    """The call failed; there is no reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A reply as it was read."""

    outcome: Outcome
    rule: str
    """Which rule decided, in words."""
    order: tuple[int, ...] = ()
    """Candidates' numbers from the first rank on; the one chosen, in choose-one. Of an incomplete ranking what was
    read of it."""
    viable: bool | None = None
    """Of viability."""
    repairs: tuple[str, ...] = ()
    """What was done to make an incomplete ranking whole, by name; nothing unless it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredTrial:
    """A trial with its reply."""

    trial: Trial
    reply: Reply
    read: Read
    respondent: str = ""
    """A person's code, where several people are the respondent."""
    earlier: tuple[str, ...] = ()
    """What the model said to the turns before the last, in a conversation."""
    request_key: str = ""
    """Of the call that brought the reply; empty where nobody was called."""


class RespondentKind(StrEnum):
    """Who answered."""

    MODEL = "model"
    SCRIPT = "script"
    """A rule of a few lines, which stands for no model."""
    POLICY = "policy"
    """Weights that people's answers gave."""
    PEOPLE = "people"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFile:
    """The trials of one respondent in one task."""

    label: str
    """What the respondent is called in tables."""
    model: str
    """The litellm model string, the script's or the policy's name; ``people``."""
    kind: RespondentKind
    task: Task
    set_sha256: str
    """Of the problem set."""
    origin: Origin
    planned: int
    """Trials in the plan; more than there are answers when the run was stopped."""
    answered: tuple[AnsweredTrial, ...]
    settings: Mapping[str, float | int | str]
    """As sent."""
    file: Path | None = None

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """How many trials came to what, every outcome named."""
        found = Counter(a.read.outcome for a in self.answered)
        return {outcome: found[outcome] for outcome in Outcome}
