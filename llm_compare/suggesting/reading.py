"""Raw reply -> suggestions, by named rules, strict before lax, and never by guessing. Pure.

Reading is separate from asking: replies are stored verbatim, so better rules never need a new call. What a model
says when it declines is kept in the store as a refusal and never read as a suggestion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from llm_compare.replies.offered import without_thoughts
from llm_compare.replies.phrases import DECLINED
from llm_compare.replies.reply import Reply
from llm_compare.suggesting.entry_lines import BadLines, Lines, lines_of
from llm_compare.suggesting.entry_objects import BadEntries, FoundEntries, entries_in_json
from llm_compare.suggesting.entry_text import says_nothing, without_fences
from llm_compare.suggesting.open_question import Part
from survey.suggestions import MOST_PER_QUESTION, Entry, EntryProblem, read_entry

READER = "1"
"""Version of the rules; change a rule, change the version."""


class Outcome(StrEnum):
    """What a reply to an open question came to. They stay apart: a refusal is not the same as naming nothing."""

    NAMED = "named"
    NOTHING = "nothing"
    """Says that it would name nothing: an answer."""
    REFUSAL = "refusal"
    TRUNCATED = "truncated"
    """Cut off by the limit on tokens: what would have followed is not known, so nothing of it is read."""
    UNREADABLE = "unreadable"
    ERROR = "error"
    """The call failed; there is no reply."""

    @property
    def is_answer(self) -> bool:
        """Whether the respondent answered the question."""
        return self in (Outcome.NAMED, Outcome.NOTHING)


class Rule(StrEnum):
    """Which rule decided, in the order in which they are tried."""

    FAILED_CALL = "failed call"
    PROVIDER = "provider says refused or filtered"
    EMPTY = "no text"
    OBJECT = "entries in JSON"
    BAD_OBJECT = "JSON that holds no entries as asked for"
    CUT_OFF = "cut off before the end"
    NOTHING = "says that it names nothing"
    DECLINED = "says that it will not answer"
    PARTS = "lines with parts divided by |"
    LIST = "lines of a list"
    BARE = "a line for each, and nothing else"
    NESTED = "a list within a list"
    CONTRADICTION = "names some, and says that it names nothing"
    BAD_ENTRY = "an entry longer than people may write, or without a suggestion"
    TOO_MANY = "more entries than people may give"
    PROSE = "no list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A reply as it was read."""

    outcome: Outcome
    rule: Rule
    entries: tuple[Entry, ...] = ()
    """In the order given; some if and only if the outcome is ``named``."""


_RULE_OF = {Lines.PARTS: Rule.PARTS, Lines.LIST: Rule.LIST, Lines.BARE: Rule.BARE}
_DISCLAIMERS = ("as a", "i'm", "i am", "als", "como", "en tant", "come", "in quanto", "作为")
"""Beginnings of phrases of ``DECLINED`` that only say who speaks; with a list behind them they decline nothing."""
_NOT_DISCLAIMERS = ("i'm sorry", "i am sorry")


def read_suggestions(reply: Reply, parts: Sequence[Part]) -> Read:
    """Read the reply to an open question.

    The provider's own marks come first. Entries in JSON count whichever form was asked for, and so do lines. A
    sentence that declines makes a reply a refusal even if a list of what others consider stands below it; "as an
    AI" alone does not.

    Parameters
    ----------
    parts
        What a suggestion consists of; see :func:`llm_compare.suggesting.open_question.parts_of`.
    """
    if reply.error is not None:
        return Read(outcome=Outcome.ERROR, rule=Rule.FAILED_CALL)
    if reply.refusal or reply.finish_reason == "content_filter":
        return Read(outcome=Outcome.REFUSAL, rule=Rule.PROVIDER)
    text = without_fences(without_thoughts(reply.content or "")).strip()
    cut_off = reply.finish_reason == "length"
    if not text:
        return (
            Read(outcome=Outcome.TRUNCATED, rule=Rule.CUT_OFF)
            if cut_off
            else Read(outcome=Outcome.UNREADABLE, rule=Rule.EMPTY)
        )
    found = entries_in_json(text)
    if isinstance(found, BadEntries) and not cut_off:
        if _declines(text, has_list=False):
            return Read(outcome=Outcome.REFUSAL, rule=Rule.DECLINED)
        return Read(outcome=Outcome.UNREADABLE, rule=Rule.BAD_OBJECT)
    if isinstance(found, FoundEntries) and (found.is_whole or not cut_off):
        if _declines(found.around if found.entries else text, has_list=bool(found.entries)):
            return Read(outcome=Outcome.REFUSAL, rule=Rule.DECLINED)
        if not found.entries:
            return Read(outcome=Outcome.NOTHING, rule=Rule.OBJECT)
        return _named(found.entries, Rule.OBJECT, parts)
    if cut_off:
        return Read(outcome=Outcome.TRUNCATED, rule=Rule.CUT_OFF)
    if says_nothing(text):
        return Read(outcome=Outcome.NOTHING, rule=Rule.NOTHING)
    return _from_lines(text, parts)


def _from_lines(text: str, parts: Sequence[Part]) -> Read:
    lines = lines_of(text, parts)
    if isinstance(lines, BadLines):
        if _declines(text, has_list=lines is BadLines.NESTED):
            return Read(outcome=Outcome.REFUSAL, rule=Rule.DECLINED)
        rule = Rule.NESTED if lines is BadLines.NESTED else Rule.PROSE
        return Read(outcome=Outcome.UNREADABLE, rule=rule)
    kind, entries, around = lines
    if _declines(around, has_list=True) or (kind is Lines.BARE and _declines(text, has_list=False)):
        return Read(outcome=Outcome.REFUSAL, rule=Rule.DECLINED)
    empty = [says_nothing(e["text"]) and not e.get("why") and not e.get("direction") for e in entries]
    if all(empty):
        return Read(outcome=Outcome.NOTHING, rule=Rule.NOTHING)
    if any(empty):
        return Read(outcome=Outcome.UNREADABLE, rule=Rule.CONTRADICTION)
    return _named(entries, _RULE_OF[kind], parts)


def _named(given: Sequence[dict[str, str]], rule: Rule, parts: Sequence[Part]) -> Read:
    """Return entries held to what people may send."""
    if all(_declines(one["text"], has_list=False) for one in given):
        return Read(
            outcome=Outcome.REFUSAL, rule=Rule.DECLINED
        )  # In the form that suggestions were asked for in.
    if len(given) > MOST_PER_QUESTION:
        return Read(outcome=Outcome.UNREADABLE, rule=Rule.TOO_MANY)
    entries = []
    for one in given:
        # What is not asked for on the page has no place there, and none here.
        entry = read_entry({part.value: one.get(part.value, "") for part in parts})
        if entry is None or isinstance(entry, EntryProblem):
            return Read(outcome=Outcome.UNREADABLE, rule=Rule.BAD_ENTRY)
        entries.append(entry)
    return Read(outcome=Outcome.NAMED, rule=rule, entries=tuple(entries))


def _declines(text: str, *, has_list: bool) -> bool:
    """Return whether a text says that its speaker will not answer; "as an AI" counts only where nothing follows."""
    said = text.replace("\u2019", "'")
    return any(not (has_list and _only_says_who_speaks(found[0])) for found in DECLINED.finditer(said))


def _only_says_who_speaks(phrase: str) -> bool:
    said = phrase.casefold()
    return said.startswith(_DISCLAIMERS) and not said.startswith(_NOT_DISCLAIMERS)
