"""One call to a model: exactly what is sent, and what makes two calls the same. Pure.

What a call stands for is its subclass's: a comparison of two patients (``request``), a trial of an allocation task
(``llm_compare.allocation``), an open question (``llm_compare.suggesting``). Whatever asks, pays, stores and resumes
knows calls alone.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from llm_compare.prompting.messages import Message

SCRIPTED = "scripted/"
"""Beginning of the names of respondents that follow a script; see ``asking.scripted``."""

# One encoder: a key is made for every line of a replies file.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def is_scripted(model: str) -> bool:
    """Return whether ``model`` names a scripted respondent rather than a model."""
    return model.startswith(SCRIPTED)


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
class Call(ABC):
    """One call to a model. ``messages`` is what it is asked, whatever that stands for."""

    model: str
    """The litellm model string, or ``scripted/...``."""
    api_base: str | None
    """Address of the server; None for the provider's own."""
    messages: tuple[Message, ...]
    settings: Settings
    repeat: int
    """From 1. Makes repeated calls distinct; it is not sent."""

    @property
    @abstractmethod
    def task(self) -> str:
        """What is asked for, in a word that is stored with the reply."""

    @property
    @abstractmethod
    def stands_for(self) -> Mapping[str, Any]:
        """What the call stands for, as JSON; stored with the reply."""

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Every parameter that is sent beside model, address and messages."""
        sent: dict[str, Any] = dict(self.settings.sent())
        sent |= self._further_parameters()
        return sent

    @cached_property
    def sent_messages(self) -> list[dict[str, str]]:
        """The messages as they are sent."""
        return [{"role": m.role.value, "content": m.content} for m in self.messages]

    @property
    def kept_messages(self) -> list[dict[str, str]]:
        """The messages as they are stored with the reply: as sent, unless they quote people, whose words must be
        gone when they are erased. The key, which is of what is sent, stays the same."""
        return self.sent_messages

    @cached_property
    def key(self) -> str:
        """SHA-256 (hex) of exactly what is sent: model, address, messages and every parameter.

        The repeat is not in it, nor what the call stands for: a change of the design that no model can see leaves
        stored replies valid. Scripted respondents see what the call stands for, so their keys hold it.
        """
        sent: dict[str, Any] = {
            "model": self.model,
            "api_base": self.api_base,
            "messages": self.sent_messages,
            "parameters": self.parameters,
        }
        if is_scripted(self.model):
            sent |= self._seen_by_scripts()
        return hashlib.sha256(_CANONICAL.encode(sent).encode()).hexdigest()

    @property
    def identity(self) -> tuple[str, int]:
        """(key, repeat): two calls with the same identity are the same call and are paid for once."""
        return self.key, self.repeat

    def _further_parameters(self) -> Mapping[str, Any]:
        """Return the parameters that are sent beside the settings."""
        return {}

    def _seen_by_scripts(self) -> Mapping[str, Any]:
        """Return what a script reads beside the words that are sent."""
        return {}
