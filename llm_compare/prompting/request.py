"""One call to a model: what is sent, which presentation it stands for, what makes two calls the same. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from llm_compare.prompting.labels import Labels
from llm_compare.prompting.messages import Message
from llm_compare.prompting.variant import AnswerFormat, Variant
from survey.answers import Presentation
from survey.design import Comparison, Profile

SCRIPTED = "scripted/"
"""Beginning of the names of respondents that follow a script; see ``asking.scripted``."""

TOP_LOGPROBS = 20
"""Tokens whose probabilities are asked for; the most that OpenAI's interface gives."""


# One encoder: a key is made for every line of a replies file.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def is_scripted(model: str) -> bool:
    """Return whether ``model`` names a scripted respondent rather than a model."""
    return model.startswith(SCRIPTED)


class SideOrder(StrEnum):
    """Which of a comparison's two profiles (in the fixed order of ``Comparison``) stands on the left."""

    FIRST_LEFT = "first_left"
    SECOND_LEFT = "second_left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Parameters of a call. None means: not sent, the provider's default applies."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = 16
    seed: int | None = None
    reasoning_effort: str | None = None
    """How much a reasoning model thinks first, in the provider's words: ``none``, ``low``, ``medium``, ``high``."""

    def sent(self) -> dict[str, float | int | str]:
        """Return exactly the parameters that are sent, by their names in the chat interfaces."""
        given = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "reasoning_effort": self.reasoning_effort,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call to a model: what is sent, and which presentation it stands for."""

    model: str
    """The litellm model string, or ``scripted/...``."""
    api_base: str | None
    """Address of the server; None for the provider's own."""
    messages: tuple[Message, ...]
    settings: Settings
    template: str
    labels: Labels
    design_hash: str
    arm: str
    left: Profile
    right: Profile
    attribute_order: tuple[str, ...]
    indecision_offered: bool
    repeat: int
    """From 1. Makes repeated calls distinct; it is not sent."""
    variant: Variant = field(default_factory=Variant)
    language: str = ""
    """The language asked in; empty in files written before it was recorded."""
    sends_schema: bool = False
    """Whether the answer's JSON schema is sent, which not every provider takes."""

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Every parameter that is sent beside model, address and messages."""
        sent: dict[str, Any] = dict(self.settings.sent())
        if self.variant.answer_format is AnswerFormat.FIRST_TOKEN:
            sent |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        if self.sends_schema:
            sent["response_format"] = _schema(self.labels)
        return sent

    @cached_property
    def sent_messages(self) -> list[dict[str, str]]:
        """The messages as they are sent."""
        return [{"role": m.role.value, "content": m.content} for m in self.messages]

    @cached_property
    def key(self) -> str:
        """SHA-256 (hex) of exactly what is sent: model, address, messages and every parameter.

        The repeat is not in it, nor the design hash: a change of the design that no model can see leaves
        stored replies valid. Scripted respondents see the design itself, so their keys hold its hash.
        """
        sent: dict[str, Any] = {
            "model": self.model,
            "api_base": self.api_base,
            "messages": self.sent_messages,
            "parameters": self.parameters,
        }
        if is_scripted(self.model):
            # A script reads the design itself (``favoured``, levels), not only its words.
            sent["design_hash"] = self.design_hash
        return hashlib.sha256(_CANONICAL.encode(sent).encode()).hexdigest()

    @property
    def identity(self) -> tuple[str, int]:
        """(key, repeat): two calls with the same identity are the same call and are paid for once."""
        return self.key, self.repeat

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
