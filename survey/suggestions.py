"""Suggestions: what respondents say should, and should not, count when a kidney is given. Pure.

A study may ask this before its comparisons, or instead of any. Every entry is one suggestion in the respondent's
own words; ``survey.coding`` turns them into categories, and categories into the attributes of a further study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from unicodedata import category, normalize

LONGEST_SUGGESTION = 300
"""Characters of one suggestion, and of its direction."""
LONGEST_WHY = 2_000
MOST_PER_QUESTION = 50
"""Entries that one respondent may give to one question; more is no opinion but a program."""


class Stance(StrEnum):
    """Whether an attribute should decide who gets the kidney."""

    SHOULD = "should"
    SHOULD_NOT = "should_not"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """One of the two open questions, with everything that a respondent reads there."""

    stance: Stance
    question: str
    explanation: str = ""
    label: str
    """Above the field for the suggestion itself."""
    why_label: str = ""
    """Above the field for the reason; empty: none is asked."""
    direction_label: str = ""
    """Above the field for the direction, e.g. ``More priority to …``; empty: none is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionsAsked:
    """The part of a design that asks which attributes should count. Each question has a page of its own."""

    questions: tuple[OpenQuestion, ...]
    """One or both stances, in the design's order."""
    shuffled: bool = False
    """Whether the order of the questions is drawn per respondent, each order equally likely."""

    def question(self, stance: Stance) -> OpenQuestion | None:
        """Return the question about ``stance``, if it is asked."""
        return next((question for question in self.questions if question.stance is stance), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a respondent wrote at one go."""

    text: str
    """Never empty."""
    why: str = ""
    direction: str = ""


class EntryProblem(StrEnum):
    """Why an entry cannot be stored as it is; the page puts it in words and keeps what was written."""

    NOTHING_NAMED = "nothing named"
    """A reason or a direction without a suggestion."""
    TOO_LONG = "too long"


def read_entry(sent: Mapping[str, str]) -> Entry | EntryProblem | None:
    """Read the fields ``text``, ``why`` and ``direction`` of a sent page; None: all were left empty.

    Whatever a person writes is kept as it was meant: spaces at the ends and characters that no page can show go,
    nothing else. Emoji, right-to-left text and markup are text.
    """
    text, why, direction = (as_written(sent.get(name, "")) for name in ("text", "why", "direction"))
    if not text:
        return EntryProblem.NOTHING_NAMED if why or direction else None
    if len(text) > LONGEST_SUGGESTION or len(direction) > LONGEST_SUGGESTION or len(why) > LONGEST_WHY:
        return EntryProblem.TOO_LONG
    return Entry(text=text, why=why, direction=direction)


def as_written(text: str) -> str:
    """Return what somebody wrote in composed Unicode (NFC), without control characters, lone surrogates, or space
    at either end. Line ends become ``\\n``; the marks that join emoji and turn the direction of writing stay."""
    lines = normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    # Cc: control characters, which PostgreSQL refuses in part; Cs: halves of characters, which no database stores.
    return "".join(c for c in lines if c in "\n\t" or category(c) not in ("Cc", "Cs")).strip()


def folded(text: str) -> str:
    """Return ``text`` as it is compared and searched: the same for upper and lower case, for full-width and joined
    characters, in every alphabet (Unicode's NFKC and case folding). Accents stay."""
    return normalize("NFKC", normalize("NFKC", text).casefold())
