"""A trial: one question about one problem, in one way of asking, once; and the call that puts it to a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, GROUPINGS
from llm_compare.allocation.problems.problem import Candidate, Problem, Value
from llm_compare.prompting.call import Call


class Task(StrEnum):
    """What is asked for."""

    VIABILITY = "viability"
    """Whether the kidney suits the candidate."""
    CHOOSE_ONE = "choose-one"
    RANK_ALL = "rank-all"


class Strategy(StrEnum):
    """What viability is explained with."""

    OUT_OF_BOX = "out-of-box"
    """Nothing: by the model's own knowledge."""
    ZERO_SHOT = "zero-shot"
    """The criteria."""
    FEW_SHOT = "few-shot"
    """The criteria, and four examples."""


class Turns(StrEnum):
    """In how many messages a question is put."""

    CONVERSATION = "conversation"
    """Turn by turn, and the model answers each, as in the paper: several calls for one trial."""
    ACKNOWLEDGED = "acknowledged"
    """Turn by turn, and a fixed acknowledgment stands where the model would answer: one call."""
    SINGLE = "single"
    """All in one message."""


class Form(StrEnum):
    """The form of the answer that is asked for."""

    TEXT = "text"
    """Lines of id and answer with a comma, as in the paper."""
    JSON = "json"


class Identity(StrEnum):
    """How the prompt tells who candidates are."""

    COLUMNS = "columns"
    """By the registry's columns, gender and ethnicity among them."""
    NAMES = "names"
    """By a first and last name alone; gender and ethnicity are not shown."""
    HIDDEN = "hidden"
    """Not at all: no demographic column is shown."""


ALL_COLUMNS = tuple(column.name for column in CANDIDATE_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a trial is put. The defaults are the paper's."""

    strategy: Strategy = Strategy.OUT_OF_BOX
    """Of viability alone."""
    turns: Turns = Turns.CONVERSATION
    form: Form = Form.TEXT
    identity: Identity = Identity.COLUMNS

    def as_dict(self) -> dict[str, str]:
        """Return the parts by name."""
        return {name: str(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A counterfactual: one candidate is somebody else in one respect, and the same in all others."""

    candidate: int
    grouping: str
    """``gender``, ``ethnicity``, ``education``, ``work`` or ``state``."""
    value: Value
    """Of the grouping's column."""

    def applied(self, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        """Return the candidates with the change made."""
        return tuple(
            c.changed(GROUPINGS[self.grouping], self.value) if i == self.candidate else c
            for i, c in enumerate(candidates)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One question, once."""

    task: Task
    way: Way
    problem: Problem
    """As in the problem set; :attr:`candidates` are as shown."""
    row_order: tuple[int, ...]
    """Candidates' numbers from the top of the list."""
    shuffle: int = 0
    """Which of the row orders it is, from 0."""
    repeat: int = 0
    """Which of the repeats of the very same question, from 0."""
    column_order: tuple[str, ...] = ALL_COLUMNS
    column_shuffle: int = 0
    """Which of the column orders it is; 0 for the registry's own."""
    change: Change | None = None
    examples: int | None = None
    """Which set of few-shot examples is shown, from 0."""
    example_pairs: tuple[Problem, ...] = ()
    """That set's pairs."""

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The candidates as shown, by number."""
        return (
            self.problem.candidates if self.change is None else self.change.applied(self.problem.candidates)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what tells the trial from others of its problem set, as JSON."""
        return {
            "problem": self.problem.name,
            "way": self.way.as_dict(),
            "row_order": list(self.row_order),
            "shuffle": self.shuffle,
            "repeat": self.repeat,
            "column_order": list(self.column_order),
            "column_shuffle": self.column_shuffle,
            "change": None if self.change is None else asdict(self.change),
            "examples": self.examples,
        }


@dataclass(frozen=True, kw_only=True)
class TrialCall(Call):
    """One call of a trial: its last, which brings the answer, or one before it in a conversation."""

    trial: Trial
    turn: int
    """From 0."""
    n_turns: int
    set_sha256: str
    """Of the problem set."""

    @property
    def is_last(self) -> bool:
        """Whether the reply is the answer."""
        return self.turn == self.n_turns - 1

    @property
    def task(self) -> str:
        """The trial's task."""
        return self.trial.task.value

    @property
    def stands_for(self) -> Mapping[str, Any]:
        """The trial, the turn and the problem set."""
        return {**self.trial.as_dict(), "turn": self.turn, "set_sha256": self.set_sha256}

    def _seen_by_scripts(self) -> Mapping[str, Any]:
        # A script reads candidates themselves, also what the prompt does not show.
        return {"trial": self.trial.as_dict(), "set_sha256": self.set_sha256}
