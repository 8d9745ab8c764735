"""Whether a reply calls the kidney compatible. Pure."""

from __future__ import annotations

import re
from typing import Any

from llm_compare.allocation.trials.answer import Outcome, Read
from llm_compare.allocation.trials.answer_forms import LABEL, NUMBER, id_given, tidy
from llm_compare.replies.json_object import objects_in
from llm_compare.replies.offered import last_statement
from llm_compare.replies.outcome import Rule
from llm_compare.replies.phrases import TAKEN_BACK

LINE = "a line of id and answer"
OPENS = "begins with yes or no"
SENTENCE = "a sentence that calls the kidney compatible or not"
OTHER_CANDIDATE = "is about another candidate"
BOTH = "says both yes and no"

_VERDICTS = {
    "yes": True,
    "no": False,
    "true": True,
    "false": False,
    "compatible": True,
    "viable": True,
    "incompatible": False,
    "not compatible": False,
    "non-compatible": False,
    "not viable": False,
}
_WORD = r"(yes|no|true|false|not compatible|non-compatible|incompatible|compatible|not viable|viable)"
_SAID = rf"(?:compatib(?:ility|iltiy|le)\s*[:=]\s*)?{_WORD}"
_TAIL = r"(?:\s*[(,;.:\u2013\u2014-].*)?"
_WITH_ID = re.compile(
    rf"(?:{LABEL})?{NUMBER}\s*(?:[,;:|=\t]|->|\u2192|[-\u2013\u2014]|\s)\s*(?:is\s+)?{_SAID}", re.IGNORECASE
)
_ID_LAST = re.compile(rf"{_SAID}\s*[,;:|(]\s*(?:{LABEL})?{NUMBER}", re.IGNORECASE)
_ALONE = re.compile(_SAID, re.IGNORECASE)
_BEGINS = re.compile(
    rf"(?:(?:{LABEL})?{NUMBER}\s*[,:|]\s*)?{_SAID}\s*(?:[.,:;!(\n\u2013\u2014-]|$)", re.IGNORECASE
)
_OFFERED = re.compile(r"(?:\(\s*)?\byes\s*(?:/|or)\s*no\s*\)?", re.IGNORECASE)
_NEGATIVE = re.compile(
    r"\b(?:not|isn't|aren't)\s+(?:a\s+)?(?:compatible|viable|suitable)|\bincompatible\b", re.IGNORECASE
)
# Behind a "yes": a "no" that is meant by itself, or a limit that is passed.
_CONTRARY = re.compile(
    rf"\bno\b\s*(?:[.,;!)]|\Z)|(?:[/;]|{NUMBER}\s*[,:])\s*no\b"
    r"|\b(?:however|but|though)\b[^.\n]*\b(?:exceed\w*|outside|beyond|not (?:be )?within|"
    r"too (?:large|big|great|much|heavy|tall|high|different))\b",
    re.IGNORECASE,
)
_POSITIVE = re.compile(
    r"(?<!not )(?<!not a )(?<!n't )(?<!n't a )\b(?:is|are)\s+(?:a\s+)?(?:compatible|viable)\b", re.IGNORECASE
)
_SENTENCE = re.compile(
    r"(?:therefore,?\s+|thus,?\s+|so,?\s+|overall,?\s+|hence,?\s+|in conclusion,?\s+)?"
    r"(?:the|this) (?:donor )?(?:kidney|organ|match)\s+(?:is|would be)\s+(therefore\s+)?(not\s+|in)?(?:a\s+)?"
    rf"(?:compatible|viable)(?:\s+match)?(?:\s+(?:for|with)\s+(?:the candidate|this candidate|{LABEL}{NUMBER}))?",
    re.IGNORECASE,
)
_KEYS = ("compatible", "compatibility", "viable", "answer")


def read_viability(text: str, id_: int) -> Read | None:
    """Read whether a text calls the kidney compatible with the candidate ``id_``; None where it does not say."""
    text = _OFFERED.sub("", text)
    for found in (
        _objects(text),
        _whole(text),
        _stated(text),
        _lines(text),
        _opening(text),
        _sentences(text),
    ):
        if found is not None:
            verdicts, ids, rule = found
            if ids - {id_}:
                return Read(outcome=Outcome.UNREADABLE, rule=OTHER_CANDIDATE)
            if len(verdicts) > 1:
                return Read(outcome=Outcome.UNREADABLE, rule=BOTH)
            return Read(outcome=Outcome.ANSWER, rule=rule, viable=next(iter(verdicts)))
    return None


_Found = tuple[set[bool], set[int], str]


def _objects(text: str) -> _Found | None:
    verdicts: set[bool] = set()
    ids: set[int] = set()
    for each in objects_in(text):
        for name, value in each.members:
            key = tidy(name).casefold()
            if key in _KEYS and (verdict := _verdict(value)) is not None:
                verdicts.add(verdict)
            elif (
                key in ("candidate", "candidate id", "candidateid", "id")
                and (given := id_given(value)) is not None
            ):
                ids.add(given)
    return (verdicts, ids, Rule.OBJECT) if verdicts else None


def _verdict(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return _VERDICTS.get(tidy(value).casefold()) if isinstance(value, str) else None


def _parts(match: re.Match[str]) -> tuple[bool, set[int]]:
    words = [group for group in match.groups() if group is not None]
    ids = {int(word) for word in words if word.isdigit()}
    said = next(word for word in words if not word.isdigit())
    return _VERDICTS[re.sub(r"\s+", " ", said.casefold())], ids


def _whole(text: str) -> _Found | None:
    bare = tidy(text)
    for form, rule in ((_ALONE, Rule.EXACT), (_WITH_ID, LINE), (_ID_LAST, LINE)):
        if (match := form.fullmatch(bare)) is not None:
            verdict, ids = _parts(match)
            return {verdict}, ids, rule
    return None


def _stated(text: str) -> _Found | None:
    found = last_statement(text)
    whole = None if found is None else _whole(found[0])
    return None if whole is None else (whole[0], whole[1], Rule.STATED)


def _lines(text: str) -> _Found | None:
    """Read every line that is an answer, those with an id before others.

    One that is taken back counts together with what follows.
    """
    lines = text.split("\n")
    found = [(place, whole) for place, line in enumerate(lines) if (whole := _whole(line)) is not None]
    found = [each for each in found if each[1][1]] or found
    if not found:
        return None
    verdicts = set[bool]().union(*(whole[0] for _, whole in found))
    ids = set[int]().union(*(whole[1] for _, whole in found))
    after = "\n".join(lines[found[-1][0] + 1 :])
    turn = TAKEN_BACK.search(after)
    return verdicts | (_named(after[turn.end() :]) if turn is not None else set()), ids, LINE


def _named(text: str) -> set[bool]:
    """Return every verdict that a text may be meant to give."""
    return {_VERDICTS[w.casefold()] for w in re.findall(rf"\b{_WORD}\b", text, re.IGNORECASE)}


def _opening(text: str) -> _Found | None:
    """Read a text that begins with yes or no, unless the rest says the opposite."""
    bare = text.strip(" \t\n*_`\"'#-")
    match = _BEGINS.match(bare)
    if match is None:
        return None
    verdict, ids = _parts(match)
    rest = bare[match.end() :]
    opposite = _NEGATIVE if verdict else _POSITIVE
    contrary = _CONTRARY.search(rest) if verdict else re.search(r"\byes\b", rest, re.IGNORECASE)
    if opposite.search(rest) or contrary or TAKEN_BACK.search(rest):
        return {True, False}, ids, OPENS
    return {verdict}, ids, OPENS


def _sentences(text: str) -> _Found | None:
    verdicts: set[bool] = set()
    ids: set[int] = set()
    for sentence in re.split(r"(?<=[.!?])\s+|\n", text):
        if (match := _SENTENCE.fullmatch(tidy(sentence))) is not None:
            verdicts.add(match[2] is None)
            ids |= {int(match[3])} if match[3] else set()
    return (verdicts, ids, SENTENCE) if verdicts else None
