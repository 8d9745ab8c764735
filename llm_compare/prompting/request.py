"""A call that asks for a choice between two patients: which presentation it stands for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from typing_extensions import TypeVar

from llm_compare.prompting.call import Call
from llm_compare.prompting.labels import Labels
from llm_compare.prompting.variant import AnswerFormat, Variant
from survey.answers import Presentation
from survey.design import Comparison, Profile

TOP_LOGPROBS = 20
"""Tokens whose probabilities are asked for; the most that OpenAI's interface gives."""


class SideOrder(StrEnum):
    """Which of a comparison's two profiles (in the fixed order of ``Comparison``) stands on the left."""

    FIRST_LEFT = "first_left"
    SECOND_LEFT = "second_left"


@dataclass(frozen=True, kw_only=True)
class Request(Call):
    """A call that asks for a choice between two patients, and which presentation it stands for."""

    template: str
    labels: Labels
    design_hash: str
    arm: str
    left: Profile
    right: Profile
    attribute_order: tuple[str, ...]
    indecision_offered: bool
    variant: Variant = field(default_factory=Variant)
    language: str = ""
    """The language asked in; empty in files written before it was recorded."""
    sends_schema: bool = False
    """Whether the answer's JSON schema is sent, which not every provider takes."""

    @property
    def task(self) -> str:
        """A comparison of two patients."""
        return "comparison"

    @property
    def stands_for(self) -> Mapping[str, Any]:
        """The presentation and the way it is put, by the names of the store's columns."""
        return {
            "template": self.template,
            "design_hash": self.design_hash,
            "arm": self.arm,
            "left_values": self.left.as_dict(),
            "right_values": self.right.as_dict(),
            "side_order": self.side_order.value,
            "attribute_order": list(self.attribute_order),
            "indecision_offered": self.indecision_offered,
            "variant": self.variant.as_dict(),
            "language": self.language,
            "labels": [
                {"mark": o.mark, "name": o.name, "choice": o.choice.value} for o in self.labels.options
            ],
            "sends_schema": self.sends_schema,
        }

    def _further_parameters(self) -> Mapping[str, Any]:
        further: dict[str, Any] = {}
        if self.variant.answer_format is AnswerFormat.FIRST_TOKEN:
            further |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        if self.sends_schema:
            further["response_format"] = _schema(self.labels)
        return further

    def _seen_by_scripts(self) -> Mapping[str, Any]:
        # A script reads the design itself (``favoured``, levels), not only its words.
        return {"design_hash": self.design_hash}

    @property
    def side_order(self) -> SideOrder:
        """Which profile stands on the left; of a profile beside itself, the first."""
        first_left = self.left == self.right or self.comparison.first == self.left
        return SideOrder.FIRST_LEFT if first_left else SideOrder.SECOND_LEFT

    @cached_property
    def comparison(self) -> Comparison:
        """The unordered pair of profiles."""
        return Comparison.of(self.left, self.right)

    @property
    def presentation(self) -> Presentation:
        """The comparison as it is shown. Every call is a conversation of its own, hence position 1."""
        return Presentation(
            left=self.left,
            right=self.right,
            attribute_order=self.attribute_order,
            indecision_offered=self.indecision_offered,
            position=1,
        )


CallT = TypeVar("CallT", bound=Call, default=Request)
"""Some kind of call; unless said otherwise, one that asks for a choice between two patients."""


def _schema(labels: Labels) -> Mapping[str, Any]:
    """Return the response format that allows the offered answers and nothing else."""
    answer = {"type": "string", "enum": [mark for mark, _, _ in labels.offered()]}
    schema = {
        "type": "object",
        "properties": {"answer": answer},
        "required": ["answer"],
        "additionalProperties": False,
    }
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }
