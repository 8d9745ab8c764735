"""One prompt with what people answered to it: what a model is tuned on. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from llm_compare.errors import CannotTune
from llm_compare.prompting.labels import Labels
from llm_compare.prompting.messages import Message
from llm_compare.prompting.request import SideOrder
from llm_compare.prompting.variant import AnswerFormat
from survey.answers import Choice
from survey.design import Comparison, Profile

_SUM = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One answer on offer, how a model says it, and how often people gave it."""

    choice: Choice
    text: str
    """The whole of what the model shall say, e.g. ``A``."""
    share: float
    """Of the people's answers that this example stands for; in [0, 1]."""
    n: int
    """Number of those answers."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A comparison as it is put to a model, from one side, with people's answers to it."""

    messages: tuple[Message, ...]
    """Word for word what the model is asked, before tuning and after."""
    targets: tuple[Target, ...]
    """Every answer on offer, in the order of the prompt; shares sum to 1. Nobody may have given some."""
    left: Profile
    right: Profile
    side_order: SideOrder
    group: str = ""
    """Whose answers; empty for everybody's."""

    def __post_init__(self) -> None:
        """Refuse shares that are none."""
        total = sum(t.share for t in self.targets)
        if not self.targets or abs(total - 1) > _SUM or any(not 0 <= t.share <= 1 for t in self.targets):
            raise CannotTune(f"shares of an example must be between 0 and 1 and sum to 1, not {total:g}")

    @property
    def comparison(self) -> Comparison:
        """The unordered pair of profiles."""
        return Comparison.of(self.left, self.right)

    @property
    def n(self) -> int:
        """People's answers that the example stands for."""
        return sum(t.n for t in self.targets)

    @cached_property
    def comparison_id(self) -> str:
        """A short name of the comparison, the same from both sides; says nothing about who answered."""
        both = [self.comparison.first.as_dict(), self.comparison.second.as_dict()]
        return hashlib.sha256(json.dumps(both, sort_keys=True).encode()).hexdigest()[:12]

    def shares(self) -> Mapping[Choice, float]:
        """Return the share of each answer on offer."""
        return {t.choice: t.share for t in self.targets}


def said(labels: Labels, choice: Choice, answer_format: AnswerFormat) -> str:
    """Return what a model says to give ``choice``.

    Raises
    ------
    CannotTune
        People's answers do not tell what the format asks for (reasons, points, a place on a scale).
    """
    if answer_format in (AnswerFormat.LETTER, AnswerFormat.FIRST_TOKEN):
        return labels.mark(choice)
    if answer_format is AnswerFormat.JSON:
        return json.dumps({"answer": labels.mark(choice)})
    if answer_format is AnswerFormat.FREE:
        return labels.name(choice)
    raise CannotTune(
        f"answers in the format '{answer_format}' hold more than people's choices tell; tune with letter, "
        "first-token, json or free"
    )
