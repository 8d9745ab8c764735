"""What a local model is asked for, and what it gave. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_compare.prompting.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompted:
    """A conversation to continue."""

    messages: tuple[Message, ...]
    temperature: float = 1.0
    """0 always takes the most likely token."""
    top_p: float = 1.0
    max_tokens: int = 16
    seed: int = 0
    """Of this continuation alone, so that it does not matter what is asked beside it."""
    top_logprobs: int = 0
    """How many candidates of each token are told with their log-probabilities; 0 for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token of a continuation."""

    text: str
    logprob: float
    """Natural logarithm of its probability at temperature 1, nothing cut off."""
    top: Mapping[str, float]
    """Log-probabilities of the likeliest candidates, by text, most likely first. Of several tokens that read
    alike, the sum of their probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A continuation."""

    text: str
    finish_reason: str
    """``stop`` where the model ended its turn, ``length`` at the limit."""
    tokens_in: int
    tokens_out: int
    """With the token that ends the turn."""
    tokens: tuple[Token, ...]
    """Without the token that ends the turn, unless it is all there is; empty where none were asked for."""
