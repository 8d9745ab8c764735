"""The words that a prompt adds to those of the study, in several languages. Pure but for reading its own files."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from llm_compare.errors import CannotAsk
from llm_compare.prompting.variant import Framing


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptWords:
    """Everything a prompt says that the study's design does not."""

    framing: dict[str, str]
    persona: dict[str, str]
    indecision: dict[str, str]
    answer: dict[str, str]
    suggestions: dict[str, str]
    """How to answer the open questions about which attributes should count."""

    def role(self, framing: Framing) -> str:
        """Return the sentence that addresses the model, empty for none."""
        return "" if framing is Framing.PLAIN else self.framing[framing]


def languages() -> tuple[str, ...]:
    """Return the languages that prompts can be made in."""
    folder = resources.files("llm_compare.prompting") / "words"
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


@cache
def prompt_words(language: str) -> PromptWords:
    """Return the words for a language tag; ``pt-BR`` takes those of ``pt``.

    Raises
    ------
    CannotAsk
        There are none.
    """
    known = languages()
    tag = language if language in known else language.partition("-")[0]
    if tag not in known:
        raise CannotAsk(
            f"prompts cannot be made in '{language}', only in {', '.join(known)}; ask in one of these languages of "
            "the study, or add the words as llm_compare/prompting/words/"
            f"{tag}.toml"
        )
    text = (resources.files("llm_compare.prompting") / "words" / f"{tag}.toml").read_text(encoding="utf-8")
    return PromptWords(**tomllib.loads(text))
