"""Rankings in a reply's text: pairs of id and rank, in each of the ways in which models write them. Pure.

Nothing here judges whether a ranking is whole, but for two things: columns that no header names are read the other
way round where only that makes a ranking of all candidates; and numbers behind the ids of a numbered list count as
a second ranking where they rank all candidates otherwise than the list does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from llm_compare.allocation.trials.answer_forms import ID, LABEL, NUMBER, ORDINAL, RANK, id_given, tidy
from llm_compare.replies.json_object import objects_in

Entry: TypeAlias = tuple[int, int]
"""An id and its rank."""

OBJECT = "a ranking in JSON"
AS_ASKED = "lines of id and rank"
HEADER = "columns that a header names"
SWAPPED = "lines of rank and id"
NUMBERED = "a numbered list of ids"
BARE = "an id on each line"
ONE_LINE = "ids in one line"

_MOST_LISTS = 100  # A reply needs one; a hostile one opens ten thousand.

_PAIR_LINES = re.compile(
    r"\s*(?:candidate id[ \t]*,[ \t]*rank[^\n,]*\n\s*)?"
    r"(?:[ \t]*[0-9]{1,9}[ \t]*,[ \t]*[0-9]{1,9}[ \t]*(?:\n+|\Z))+\s*",
    re.IGNORECASE,
)
_PAIR = re.compile(r"([0-9]+)[ \t]*,[ \t]*([0-9]+)")

_BETWEEN = r"\s*(?:[,;|:=\t]|->|=>|\u2192|[-\u2013\u2014]+|\()?\s*"
# What follows a pair: anything where words tell its numbers apart, else no further number.
_REASON = r"(?:\)?\s*[-\u2013\u2014:(,;|.)].*)?"
_TAIL = r"(?:\)?\s*[-\u2013\u2014:(,;|.)]++\s*+(?![0-9]).*)?"
_MARK = r"\s*[.):,;|\u2013\u2014-]\s*"
_FORMS: tuple[tuple[str, bool, re.Pattern[str]], ...] = tuple(
    (rule, id_first, re.compile(form, re.IGNORECASE))
    for rule, id_first, form in (
        (AS_ASKED, True, rf"{LABEL}{NUMBER}{_BETWEEN}(?:is\s+)?{RANK}?{NUMBER}{ORDINAL}?{_REASON}"),
        (AS_ASKED, True, rf"{NUMBER}{_BETWEEN}(?:is\s+)?(?:{RANK}{NUMBER}|{NUMBER}{ORDINAL}){_REASON}"),
        (SWAPPED, False, rf"(?:{RANK}{NUMBER}|{NUMBER}{ORDINAL}){_BETWEEN}{ID}{_REASON}"),
        (NUMBERED, False, rf"{NUMBER}{_MARK}{LABEL}{NUMBER}{_REASON}"),
        (NUMBERED, False, rf"{NUMBER}[.)]\s+#?{NUMBER}(?:{_TAIL}|\s*\([^()]*[a-z][^()]*(?:\).*)?)"),
        (
            AS_ASKED,
            True,
            rf"{NUMBER}\s*(?:[,;|:=\t]|->|=>|\u2192|[-\u2013\u2014]|(?<=\s))\s*{NUMBER}{_TAIL}",
        ),
    )
)
_ALONE = re.compile(ID, re.IGNORECASE)
# "1. Candidate 7, rank 3": the list may be numbered by its rows, and then the rank is what stands last.
_NUMBERED_RANK = re.compile(
    rf"{NUMBER}{_MARK}(?:{LABEL})?{NUMBER}{_BETWEEN}(?:is\s+)?{RANK}{NUMBER}{_REASON}", re.IGNORECASE
)
_NUMBERED_MORE = re.compile(rf"{NUMBER}{_MARK}(?:{LABEL})?{NUMBER}[^0-9]+{NUMBER}[^0-9]*", re.IGNORECASE)
_SEVERAL = re.compile(
    rf"(?:([a-z ]{{0,40}}):\s*)?{ID}(?:\s*(?:,|;|>|->|=>|\u2192|\s)\s*{ID}){{2,}}", re.IGNORECASE
)
_ID_COLUMN = re.compile(r"(?:candidate|patient|recipient)(?:\s*(?:ids?|number|no\.?))?|ids?", re.IGNORECASE)
_RANK_COLUMN = re.compile(
    r"(?:priority\s+)?(?:rank|ranking|priority|position|place)(?:\s*\([^()]*\))?|#", re.IGNORECASE
)
_RANK_CELL = re.compile(rf"{RANK}?{NUMBER}{ORDINAL}?", re.IGNORECASE)
_FINAL = re.compile(
    r"^[\W_]{0,20}(?:(?:the|my|here is (?:the|my)) )?(?:final|revised|corrected|updated) "
    r"(?:ranking|rankings|answer|list|order)[^\n0-9]{0,60}$",
    re.IGNORECASE | re.MULTILINE,
)
_DIGIT = re.compile(r"[0-9]")
_IN_BRACKETS = re.compile(r"\([^()]*\)")
_LIST = re.compile(r"\[[^\[\]{}]{1,20000}\]")
_COMMENT = re.compile(r"(?<=\s)//[^\n]*")
_SPEAKS_OF_RANK = re.compile(
    r"rank|priorit|answer|order(?!\s+(?:as\s+)?(?:shown|given|listed|presented|provided))", re.IGNORECASE
)
_SPEAKS_OF_LIST = re.compile(
    r"\b(?:candidates|patients|recipients|ids|list(?:ed)?|shown|given)\b|\"\s*:\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRanking:
    """A ranking, or what looks like one, as a text gives it."""

    rule: str
    entries: tuple[Entry, ...]
    """In the order in which they are said. A pair that is said twice is one; nothing else is put right."""


def read_rankings(text: str, ids: frozenset[int]) -> list[ReadRanking]:
    """Return each ranking that ``text`` gives, by the way it is written.

    Parameters
    ----------
    ids
        Those in the list; used to tell the columns of unnamed pairs apart, and for nothing else.
    """
    if _PAIR_LINES.fullmatch(text):  # What was asked for, and nothing else.
        return [_told_apart([(int(a), int(b)) for a, b in _PAIR.findall(text)], ids)]
    objects = list(_json_rankings(_COMMENT.sub("", text), ids))
    if objects:
        return objects
    final = list(_FINAL.finditer(text))
    if final and (read := _on_lines(text[final[-1].end() :], ids)):
        return read
    return _on_lines(text, ids)


def _on_lines(text: str, ids: frozenset[int]) -> list[ReadRanking]:
    found: dict[str, list[Entry]] = {}
    sequences: list[ReadRanking] = []
    more: list[Entry] = []
    unnamed = False
    columns: tuple[int, int] | None = None
    heading = ""
    for raw in text.split("\n"):
        line = tidy(raw)
        if not line:
            continue
        if not _DIGIT.search(_IN_BRACKETS.sub("", line) if "(" in line else line):
            columns = _columns(raw) or columns
            heading = line.rpartition(". ")[2]
            continue
        if columns is not None and (entry := _in_columns(raw, columns)) is not None:
            found.setdefault(HEADER, []).append(entry)
            continue
        if (match := _SEVERAL.fullmatch(line)) is not None:
            if not _only_lists(match[1] or heading):
                sequences.append(ReadRanking(rule=ONE_LINE, entries=_in_turn(_ALONE.findall(line))))
            continue
        if (match := _NUMBERED_RANK.fullmatch(line)) is not None:
            found.setdefault(AS_ASKED, []).append((int(match[2]), int(match[3])))
            continue
        if (match := _NUMBERED_MORE.fullmatch(line)) is not None:
            more.append((int(match[2]), int(match[3])))
        for rule, id_first, form in _FORMS:
            if (match := form.fullmatch(line)) is not None:
                first, second = (int(n) for n in match.groups() if n is not None)
                found.setdefault(rule, []).append((first, second) if id_first else (second, first))
                unnamed = unnamed or form is _FORMS[-1][2]
                break
        else:
            if (match := _ALONE.fullmatch(line)) is not None and (BARE in found or not _only_lists(heading)):
                bare = found.setdefault(BARE, [])
                bare.append((int(match[1]), len(bare) + 1))
    rankings = [
        _told_apart(entries, ids)
        if rule == AS_ASKED and unnamed
        else ReadRanking(rule=rule, entries=tuple(dict.fromkeys(entries)))
        for rule, entries in found.items()
    ]
    if NUMBERED in found and _ranks_otherwise(more, found[NUMBERED], len(ids)):
        rankings.append(ReadRanking(rule=AS_ASKED, entries=tuple(more)))
    return rankings + sequences


def _only_lists(heading: str) -> bool:
    """Return whether ids below such a line are told, rather than ranked: "All candidates:"."""
    return _SPEAKS_OF_LIST.search(heading) is not None and _SPEAKS_OF_RANK.search(heading) is None


def _ranks_otherwise(more: Sequence[Entry], numbered: Sequence[Entry], n: int) -> bool:
    """Return whether the numbers behind ids rank all candidates, and neither as the list does nor the reverse."""
    if sorted(number for _, number in more) != list(range(1, n + 1)):
        return False
    place = dict(numbered)
    pairs = [(place.get(id_), number) for id_, number in more]
    return any(a != b for a, b in pairs) and any(a != n + 1 - b for a, b in pairs)


def _told_apart(pairs: list[Entry], ids: frozenset[int]) -> ReadRanking:
    """Return pairs as id and rank, as asked for, or as rank and id if that alone ranks all candidates."""
    pairs = list(dict.fromkeys(pairs))
    ranks = set(range(1, len(ids) + 1))
    left, right = {a for a, _ in pairs}, {b for _, b in pairs}
    if len(pairs) == len(ids) and (left, right) == (ranks, set(ids)) and left != right:
        return ReadRanking(rule=SWAPPED, entries=tuple((b, a) for a, b in pairs))
    return ReadRanking(rule=AS_ASKED, entries=tuple(pairs))


def _cells(raw: str) -> list[str]:
    parts = raw.strip().strip("|").split("|") if "|" in raw else re.split(r"[,;\t]", raw)
    return [tidy(part) for part in parts]


def _columns(raw: str) -> tuple[int, int] | None:
    """Return the places of ids and ranks in the columns that a header names; None for what is no header."""
    cells = _cells(raw)
    # "Ranking (1 to 15)" loses its last bracket with the decoration.
    cells = [cell + ")" if cell.count("(") > cell.count(")") else cell for cell in cells]
    of_ids = [i for i, cell in enumerate(cells) if _ID_COLUMN.fullmatch(cell)]
    of_ranks = [i for i, cell in enumerate(cells) if _RANK_COLUMN.fullmatch(cell)]
    return (of_ids[0], of_ranks[0]) if len(of_ids) == len(of_ranks) == 1 else None


def _in_columns(raw: str, columns: tuple[int, int]) -> Entry | None:
    cells = _cells(raw)
    if len(cells) <= max(columns):
        return None
    candidate, rank = _ALONE.fullmatch(cells[columns[0]]), _RANK_CELL.fullmatch(cells[columns[1]])
    return None if candidate is None or rank is None else (int(candidate[1]), int(rank[1]))


def _in_turn(said: Sequence[int | str]) -> tuple[Entry, ...]:
    return tuple((int(id_), rank) for rank, id_ in enumerate(said, start=1))


def _json_rankings(text: str, ids: frozenset[int]) -> Iterator[ReadRanking]:
    rows: list[Entry] = []
    found = False
    for each in objects_in(text):
        for name in ("ranking", "rankings", "ranks", "order", "ranked candidates", "ranked_candidates"):
            for value in each.values(name):
                if entries := _entries(value, ids):
                    found = True
                    yield ReadRanking(rule=OBJECT, entries=entries)
        if (row := _row(each.members)) is not None:
            rows.append(row)
        elif entries := _mapping(each.members, ids):
            found = True
            yield ReadRanking(rule=OBJECT, entries=entries)
    if rows:
        yield ReadRanking(rule=OBJECT, entries=tuple(dict.fromkeys(rows)))
    elif not found:
        for place, match in enumerate(_LIST.finditer(text)):
            if place == _MOST_LISTS:
                break
            if _only_lists(text[: match.start()].rstrip().rpartition("\n")[2]):
                continue
            try:
                value = json.loads(match[0])
            except ValueError:
                continue
            if len(value) > 1 and (entries := _entries(value, ids)):
                yield ReadRanking(rule=OBJECT, entries=entries)


def _entries(value: Any, ids: frozenset[int]) -> tuple[Entry, ...]:
    """Return a ranking that is a list of ids, a list of objects, or an object of ids with their ranks."""
    if isinstance(value, tuple):
        return _mapping(value, ids)
    if not isinstance(value, list):
        return ()
    rows = [_row(item) if isinstance(item, tuple) else None for item in value]
    if rows and all(row is not None for row in rows):
        return tuple(dict.fromkeys(row for row in rows if row is not None))
    given = [id_given(item) for item in value]
    return () if None in given else _in_turn([i for i in given if i is not None])


def _row(members: tuple[tuple[str, Any], ...]) -> Entry | None:
    """Return the id and the rank that an object gives under their names."""
    ids = [id_given(value) for name, value in members if _ID_COLUMN.fullmatch(tidy(name))]
    ranks = [id_given(value) for name, value in members if _RANK_COLUMN.fullmatch(tidy(name))]
    if len(ids) == len(ranks) == 1 and ids[0] is not None and ranks[0] is not None:
        return ids[0], ranks[0]
    return None


def _mapping(members: tuple[tuple[str, Any], ...], ids: frozenset[int]) -> tuple[Entry, ...]:
    """Return an object of ids with their ranks as entries; of ranks with their ids, if that alone is whole."""
    entries = [(id_given(name), id_given(value)) for name, value in members]
    whole = [(i, r) for i, r in entries if i is not None and r is not None]
    return _told_apart(whole, ids).entries if len(whole) == len(entries) else ()
