"""A proposer that goes by words alone: a landmark that any model should pass, and a known truth for tests."""

from __future__ import annotations

import json
import re

from llm_compare.errors import UnknownModel
from llm_compare.prompting.call import SCRIPTED
from llm_compare.replies.reply import Reply
from llm_compare.suggesting.category_call import NO_CATEGORY, UNUSABLE, CategoryCall
from survey.coding.coding import Category, Suggestion

KEYWORDS = f"{SCRIPTED}keywords"
"""Proposes a category if a word of its label stands in the suggestion."""
NONE = f"{SCRIPTED}none"
"""Finds that no category ever fits."""
CODERS = (KEYWORDS, NONE)

_WORD = re.compile(r"[^\W\d_]+")
_FEWEST_LETTERS = 3
_STEM = 5
"""Letters that two words must share from the beginning on; shorter words must be the same."""


class KeywordCoder:
    """Answers calls by words that a suggestion and a category's label have in common.

    Raises
    ------
    UnknownModel
        There is no such script.
    """

    def __init__(self, model: str) -> None:
        if model not in CODERS:
            raise UnknownModel(f"no script that proposes is called '{model}'; there are {', '.join(CODERS)}")
        self._finds_none = model == NONE

    async def reply(self, request: CategoryCall, /) -> Reply:
        """Return what the rule says, in the form that was asked for."""
        said = {
            str(number): [NO_CATEGORY] if self._finds_none else _proposed(suggestion, request.categories)
            for number, suggestion in enumerate(request.suggestions, start=1)
        }
        return Reply(content=json.dumps(said), finish_reason="stop")

    async def close(self) -> None:
        """Nothing is open."""


def _proposed(suggestion: Suggestion, categories: tuple[Category, ...]) -> list[int | str]:
    words = _words(suggestion.text)
    if not words:
        return [UNUSABLE]
    found: list[int | str] = [i for i, c in enumerate(categories, start=1) if words & _words(c.label)]
    return found or [NO_CATEGORY]


def _words(text: str) -> frozenset[str]:
    return frozenset(w[:_STEM] for w in _WORD.findall(text.casefold()) if len(w) >= _FEWEST_LETTERS)
