"""Rows of a bundle's files as they are read back, and sentences that name those with something wrong. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

Cells: TypeAlias = dict[str, str]
"""A row: column -> cell as written."""
Tables: TypeAlias = Mapping[str, Sequence[Cells]]
"""File -> its rows."""
Key: TypeAlias = tuple[str, ...]
"""Cells that name a row, e.g. respondent, wave and position as written."""

_MOST_NAMED = 5


def key_of(row: Cells, columns: Iterable[str]) -> Key:
    """Return the cells of these columns."""
    return tuple(row[column] for column in columns)


def named(name: str, words: str, keys: Iterable[Key]) -> Iterator[str]:
    """Yield one sentence about the file ``name`` that names the first few rows; none where there are none."""
    found = sorted(set(keys))
    if found:
        first = ", ".join("/".join(key) for key in found[:_MOST_NAMED])
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        yield f"{name}: {first}{more} {words}"


def repeated(tables: Tables, name: str, columns: Sequence[str]) -> Iterator[str]:
    """Complain of rows with the same key."""
    counts = Counter(key_of(row, columns) for row in tables[name])
    yield from named(name, "stands more than once", (key for key, n in counts.items() if n > 1))


def orphans(tables: Tables, name: str, other: str, columns: Sequence[str], words: str) -> Iterator[str]:
    """Complain of rows whose key is not in the file ``other``; rows of nobody are left out."""
    there = {key_of(row, columns) for row in tables[other]}
    # Events of the study as a whole are nobody's.
    keys = (key_of(row, columns) for row in tables[name] if row["respondent"])
    yield from named(name, words, (key for key in keys if key not in there))
