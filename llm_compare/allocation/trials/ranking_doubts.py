"""What speaks against taking a whole ranking at its numbers: scores, or the last first. Pure.

A wrong ranking is worse than none, so any of these makes a reply unreadable, or a refusal.
"""

from __future__ import annotations

import re

from llm_compare.allocation.trials.answer_forms import declines
from llm_compare.allocation.trials.ranking_text import (
    AS_ASKED,
    BARE,
    NUMBERED,
    OBJECT,
    ONE_LINE,
    ReadRanking,
)

SCORES = "gives scores, and no ranks"
LAST_FIRST = "may begin with the last rank"

# Ways of writing a ranking that a mere list of candidates has, too.
_UNNAMED = (NUMBERED, BARE, ONE_LINE)
_FIRST_LINE = re.compile(
    r"^[\W_]{0,20}(?:(?:candidate|patient|recipient|id)s?\W*(?:id\W*)?)?[0-9]", re.IGNORECASE | re.MULTILINE
)

_SCORES = re.compile(r"\b(?:scores?|points)\b", re.IGNORECASE)
_ORDERED = re.compile(r"rank|order", re.IGNORECASE)
_LAST_FIRST = re.compile(
    r"\b(?:lowest|least)[ -](?:priority[ -])?first\b"
    r"|\b(?:lowest|least)[ -](?:priority[ -])?to[ -](?:the[ -])?(?:highest|most)(?:[ -]priority)?"
    r"[\s*]*(?:[:.)\n]|\Z)"
    r"|\bascending (?:order of )?priority\b"
    r"|\b1\s*(?:=|is|as|being|means|\()\s*(?:the\s+)?(?:lowest|least|last)\b",
    re.IGNORECASE,
)
_ANNOUNCES = re.compile(
    r"\b(?:here(?:'s| is| are)|below is)\b[^\n]{0,120}\b(?:ranking|ranked|order|priority)\b"
    r"|\bi(?:'d| would| will|'ve| have)? rank(?:ed)?\b|\brank(?:ed|ing)?\b[^\n.]{0,60}:[\s*]*$"
    r"|^[\W_]{0,20}(?:ranking|order|priority)[\W_]*$",
    re.IGNORECASE | re.MULTILINE,
)


def doubts(text: str, ranking: ReadRanking) -> str | None:
    """Return why the numbers of a whole ranking need not be ranks from the first on; None if nothing says so."""
    if _LAST_FIRST.search(text):
        return LAST_FIRST
    if ranking.rule in (AS_ASKED, OBJECT) and _SCORES.search(text) and not _ORDERED.search(text):
        return SCORES
    return None


def only_lists(text: str, ranking: ReadRanking) -> bool:
    """Return whether a text declines to rank and then lists the candidates: a disclaimer may follow a ranking."""
    if ranking.rule not in _UNNAMED:
        return False
    begins = _FIRST_LINE.search(text)
    before = text if begins is None else text[: begins.start()]
    return declines(before) and _ANNOUNCES.search(before) is None
