"""What was shown and what was answered. Pure; a person's answer and a model's are the same type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from survey.design import Attribute, Comparison, Profile


class Choice(StrEnum):
    """What was picked. Stored as words: integer codes have been swapped twice in this field's public data."""

    LEFT = "left"
    RIGHT = "right"
    INDECISION = "indecision"
    """A choice ("flip a coin"), never missing data."""

    @property
    def mirrored(self) -> Choice:
        """The same choice with the sides exchanged."""
        return {Choice.LEFT: Choice.RIGHT, Choice.RIGHT: Choice.LEFT}.get(self, self)


class RespondentKind(StrEnum):
    """Who answered."""

    HUMAN = "human"
    MODEL = "model"


class Role(StrEnum):
    """Why a comparison was shown."""

    MAIN = "main"
    """To learn what counts: the only role that estimates use."""
    CHECK = "check"
    """Listed or instructed, with an expected answer."""
    REPEAT = "repeat"
    """An earlier comparison with the sides exchanged."""
    DOMINATED = "dominated"
    """One patient is at least as good in everything."""
    IDENTICAL = "identical"
    """A profile beside itself."""
    PRACTICE = "practice"
    """Before the first comparison, not scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """A comparison as shown: sides, attribute order, whether indecision was offered."""

    left: Profile
    right: Profile
    attribute_order: tuple[str, ...]
    indecision_offered: bool
    position: int
    """1 for the first presentation a respondent sees."""
    role: Role = Role.MAIN
    draw_rule: str = ""
    """How this comparison came to be drawn, in words."""
    draw_probability: float | None = None
    """Probability with which the rule put this comparison here, given all drawn before; None where the design, not
    a draw, put it here."""
    expected: Choice | None = None
    """The answer that a check or a dominated comparison expects."""
    repeat_of: int | None = None
    """Position of the comparison that this one repeats."""
    note: str = ""
    """A line that stands with the comparison, e.g. an instructed check's."""
    highlighted: bool = False
    """Whether rows in which the patients differ were emphasized."""

    @property
    def comparison(self) -> Comparison:
        """The unordered pair of profiles."""
        return Comparison.of(self.left, self.right)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A choice with all that is needed to analyze it. One row of ``answers.csv``."""

    respondent: str | None
    """Pseudonymous id; None where a source published counts without saying who answered what."""
    kind: RespondentKind
    arm: str
    position: int | None
    """Place among the respondent's presentations, from 1; None where unknown."""
    left: Profile
    right: Profile
    choice: Choice
    indecision_offered: bool
    design_hash: str
    wave: int = 1
    """Administration of the study to the same respondents; for a model, the repeat number."""
    role: Role = Role.MAIN
    reason: str = ""
    seconds: float | None = None
    """Time from showing to answering; None where unknown, with ``seconds_missing`` saying why."""
    seconds_missing: str = ""
    presented_at: datetime | None = None
    answered_at: datetime | None = None

    @property
    def comparison(self) -> Comparison:
        """The unordered pair of profiles."""
        return Comparison.of(self.left, self.right)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSet:
    """Answers with the attributes that describe their profiles."""

    attributes: tuple[Attribute, ...]
    answers: Sequence[Answer]
    source: str
    """File or study the answers came from, for messages and manifests."""
    set_aside: Mapping[str, int] = field(default_factory=dict)
    """Rows of the source that are no choice (``skip``, ``timeout``), by kind: never an indecision, never lost."""
