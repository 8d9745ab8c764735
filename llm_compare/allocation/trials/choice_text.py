"""The candidate that a reply chooses. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llm_compare.allocation.trials.answer import Outcome, Read
from llm_compare.allocation.trials.answer_forms import (
    ID,
    LABEL,
    NUMBER,
    id_alone,
    id_given,
    takes_back,
    tidy,
)
from llm_compare.replies.json_object import objects_in
from llm_compare.replies.offered import last_statement
from llm_compare.replies.outcome import Rule
from llm_compare.replies.phrases import I_CHOOSE, IS_CHOSEN, IT_IS

WITH_RANK = "an id and rank 1"
CHOSEN = "the candidate that a sentence calls the best match or chooses"

_KEYS = frozenset(
    (
        "candidate",
        "candidate id",
        "candidateid",
        "selected candidate",
        "id",
        "choice",
        "answer",
        "selected candidate id",
    )
)
_BEST = r"(?:best|top|most suitable|most appropriate|ideal|optimal|selected|chosen|recommended|highest[- ]priority)"
_MATCH = r"(?:match|candidate|choice|recipient|selection|fit|option|pick)"
_IS = r"(?:is|would be|should be|seems to be|appears to be|:|=|->|\u2192)"
_FOR = r"(?:\s+(?:for|to receive|overall|id|among)\b[^.:\n]{0,60}?)?"
_END = (
    r"(?=\s*(?:[.,;:!)(\n/&\u2013\u2014-]|$|"
    r"(?:because|since|as|due|given|based|for|with|who|to|or|and)\b))"
)
_STATEMENTS = re.compile(
    "|".join(
        (
            rf"{_BEST}\s+{_MATCH}{_FOR}\s*{_IS}\s*{ID}{_END}",
            rf"{LABEL}{NUMBER}\s+(?:is|would be|seems to be|appears to be)\s+(?:therefore\s+)?(?:the|my)\s+"
            rf"(?:overall\s+)?{_BEST}\s+{_MATCH}",
            rf"{I_CHOOSE}\s*{ID}{_END}",
            rf"{IT_IS}\s*{LABEL}{NUMBER}{_END}",
            rf"{LABEL}{NUMBER}\s+{IS_CHOSEN}",
        )
    ),
    re.IGNORECASE,
)
# In the sentence before a statement: it is not meant, or not of the first choice.
_NOT_MEANT = re.compile(
    r"\b(?:if|unless|were|argue|argued|not|never|neither|\w+n't|although|though|while|whereas|second|third|next|otherwise|"
    r"alternatively|runner|whether|had|wrong|instead)\b",
    re.IGNORECASE,
)
_ALSO = re.compile(
    rf"[\s)\]]*(?:,|;|/|&|or\b|and\b|\bor else\b)+\s*(?:or\s+|and\s+)?{ID}(?!\s*(?:years|days|cm|kg))",
    re.IGNORECASE,
)
_WITH_RANK = re.compile(rf"{ID}\s*[,:;|]\s*(rank(?:ing)?\s*:?\s*)?#?1", re.IGNORECASE)
_RANK_HEADER = re.compile(r"candidate id\s*[,|;]\s*rank", re.IGNORECASE)


def read_choice(text: str, numbers: Mapping[int, int]) -> Read | None:
    """Read whom a text chooses; None where it names nobody as chosen.

    Parameters
    ----------
    numbers
        The candidates' numbers by the ids in the list. An id that is not among them makes the reply unreadable.
    """
    given = [
        id_given(value)
        for each in objects_in(text)
        for name, value in each.members
        if tidy(name).casefold() in _KEYS
    ]
    if given and None not in given:
        return _one({i for i in given if i is not None}, numbers, Rule.OBJECT)
    whole = id_alone(text)
    if whole is not None:
        return _one({whole}, numbers, Rule.EXACT)
    for said, after, rule in (*_stated(text), *_on_lines(text, numbers), *_in_sentences(text)):
        if said:
            back = any(takes_back(after, one, numbers) for one in said)
            return _several() if back else _one(said, numbers, rule)
    return None


def _one(found: set[int], numbers: Mapping[int, int], rule: str) -> Read:
    if len(found) > 1:
        return _several()
    (id_,) = found
    if id_ not in numbers:
        return Read(outcome=Outcome.UNREADABLE, rule=f"names {id_}, not in the list")
    return Read(outcome=Outcome.ANSWER, rule=rule, order=(numbers[id_],))


def _several() -> Read:
    return Read(outcome=Outcome.UNREADABLE, rule=Rule.SEVERAL)


def _stated(text: str) -> list[tuple[set[int], str, str]]:
    found = last_statement(text)
    if found is None:
        return []
    said, after = found
    begun = re.match(rf"{ID}{_END}", tidy(said), re.IGNORECASE)
    if begun is None:
        return []
    also = _ALSO.match(tidy(said)[begun.end() :])
    return [({int(begun[1])} | ({int(also[1])} if also else set()), after, Rule.STATED)]


def _on_lines(text: str, numbers: Mapping[int, int]) -> list[tuple[set[int], str, str]]:
    lines = [line for line in text.split("\n") if tidy(line)]
    found = [(place, id_) for place, line in enumerate(lines) if (id_ := id_alone(line)) is not None]
    if found:
        return [({id_ for _, id_ in found}, "\n".join(lines[found[-1][0] + 1 :]), Rule.LINE)]
    ranked = [match for line in lines if (match := _WITH_RANK.fullmatch(tidy(line))) is not None]
    if len(ranked) != 1:
        return []
    first = int(ranked[0][1])
    # "7, 1" may be two ids, unless something says that the second is a rank.
    is_rank = ranked[0][2] is not None or 1 not in numbers or _RANK_HEADER.search(text) is not None
    return [({first} if is_rank else {first, 1}, "", WITH_RANK)]


def _in_sentences(text: str) -> list[tuple[set[int], str, str]]:
    plain = text.translate({ord(c): None for c in '*`"'}).replace("_", " ")
    last: tuple[set[int], str, str] | None = None
    for match in _STATEMENTS.finditer(plain):
        before = re.split(r"[.!?\n]", plain[: match.start()])[-1]
        if _NOT_MEANT.search(before):
            continue
        said = {int(n) for n in match.groups() if n is not None}
        also = _ALSO.match(plain[match.end() :])
        last = (said | ({int(also[1])} if also else set()), plain[match.end() :], CHOSEN)
    return [] if last is None else [last]
