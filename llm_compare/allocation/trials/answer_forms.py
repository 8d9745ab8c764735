"""How replies write a candidate's id, a rank, a line of a list. Patterns and what they are looked for in. Pure."""

from __future__ import annotations

import re
from collections.abc import Container

from llm_compare.replies.offered import EDGES
from llm_compare.replies.phrases import DECLINED, LEFT_TO_CHANCE, TAKEN_BACK, UNDECIDED

NUMBER = r"([0-9]{1,9})(?![0-9])(?!\.[0-9])"
"""A whole number, captured; no id and no rank is longer."""

LABEL = (
    r"(?:(?:the\s+)?(?<![a-z])(?:candidate|patient|recipient)(?:\s*(?:ids?|number|no\.?|#))?|(?<![a-z])id)"
    r"\s*[:=#]?\s*#?"
)
"""What stands before an id: ``Candidate ID:``, ``patient #``."""

RANK = r"(?:(?:priority\s+)?(?:rank(?:ing|ed)?|priority|position|place)\s*[:=#]?\s*#?)"
"""What stands before a rank: ``Ranking:``, ``rank``."""

ORDINAL = r"(?:st|nd|rd|th)"

ID = rf"(?:{LABEL})?#?{NUMBER}"
"""An id, named as one or bare."""

_ID_ALONE = re.compile(ID, re.IGNORECASE)
_ANY_NUMBER = re.compile(rf"(?<![0-9.,-]){NUMBER}")
_BEGINS_ANEW = re.compile(
    r"(?:\A|[.!?:\n\u2014\u2026]|\b(?:no|oh|but|hmm|hold on|please)\b,?)[\s*_\"'(]*\Z", re.IGNORECASE
)
_OF_WAITING = re.compile(
    r"\s*(?:times?|lists?|lengths?|days|years|of|is|was|:\s*[0-9]+)(?![a-z])", re.IGNORECASE
)
_WONT = re.compile(
    r"\b(?:cannot|can't|can not|could not|won't|will not|unable to|not able to|must not|shouldn't|should not|"
    r"not (?:be )?appropriate (?:for me )?to|not comfortable)\s+"
    r"(?:\w+\s+)?(?:select|choose|pick|recommend|allocate|allocating|prioriti[sz]e|rank|ranking|assess|evaluate|"
    r"determine|decide|selecting|choosing|make|making)\b",
    re.IGNORECASE,
)
_MARKUP = str.maketrans({"_": " ", "*": None, "`": None, '"': None, "'": None, "$": None, "\\": None})
_AROUND = EDGES + "|\u2022\u00b7"
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)


def without_fences(text: str) -> str:
    """Return ``text`` without the lines that open and close blocks of code."""
    return _FENCE.sub("", text) if "```" in text or "~~~" in text else text


def tidy(line: str) -> str:
    """Return a line without markup in it and decoration around it."""
    return line.translate(_MARKUP).strip(_AROUND)


def id_alone(text: str) -> int | None:
    """Return the id that ``text`` is, apart from decoration around it."""
    found = _ID_ALONE.fullmatch(tidy(text))
    return None if found is None else int(found[1])


def id_given(value: object) -> int | None:
    """Return the id that a value of a JSON document is: a whole number, or a text that names one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return id_alone(value) if isinstance(value, str) else None


def takes_back(after: str, said: int, ids: Container[int]) -> bool:
    """Return whether the text after an answer takes it back and gives the id of another in the list."""
    turns = turns_of(after)
    return bool(turns) and any(n != said for n in ids_named(after[turns[0] :], ids))


def turns_of(text: str) -> list[int]:
    """Return the places behind each word that takes back what was said before."""
    return [
        turn.end()
        for turn in TAKEN_BACK.finditer(text)
        # A long wait is a reason, and no second thought.
        if turn[0].casefold() != "wait"
        or (
            _BEGINS_ANEW.search(text[max(0, turn.start() - 20) : turn.start()])
            and not _OF_WAITING.match(text, turn.end())
        )
    ]


def ids_named(text: str, ids: Container[int]) -> list[int]:
    """Return the numbers in a text that are ids in the list."""
    return [int(n) for n in _ANY_NUMBER.findall(text) if int(n) in ids]


def declines(text: str) -> bool:
    """Return whether a text says that its speaker will not answer."""
    return DECLINED.search(text) is not None or _WONT.search(text) is not None


def leaves_open(text: str) -> bool:
    """Return whether a text says that nothing decides, or leaves it to chance: which was not offered."""
    return UNDECIDED.search(text) is not None or LEFT_TO_CHANCE.search(text) is not None
