"""Check that a bundle's categories and codes agree with each other and with the suggestions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from survey.bundle_attributes import CATEGORIES, CODES, SUGGESTIONS
from survey.bundle_rows import Cells, Key, Tables, key_of, named, repeated
from survey.coding.coding import CodeKind, Outcome

_SAID_BY = ("suggestion", "kind", "coder")


def coding_problems(tables: Tables) -> Iterator[str]:
    """Yield what is wrong with the categories and the codes, where the bundle has any."""
    if CODES not in tables:
        return
    categories = {row["name"]: row for row in tables[CATEGORIES]}
    yield from repeated(tables, CATEGORIES, ("name",))
    for column in ("merged_into", "split_from"):
        unknown = (
            (name,) for name, row in categories.items() if row[column] and row[column] not in categories
        )
        yield from named(CATEGORIES, f"names a category in '{column}' that is not there", unknown)
    astray = ((name,) for name, row in categories.items() if _standing(categories, name) != row["standing"])
    yield from named(CATEGORIES, "does not stand for what it was merged into", astray)
    yield from _code_problems(tables, categories)


def _standing(categories: Mapping[str, Cells], name: str) -> str | None:
    """Return the end of the line of merges; None where it goes round in a circle or leads nowhere."""
    seen = {name}
    while categories[name]["merged_into"]:
        name = categories[name]["merged_into"]
        if name in seen or name not in categories:
            return None
        seen.add(name)
    return name


def _code_problems(tables: Tables, categories: Mapping[str, Cells]) -> Iterator[str]:
    rows = tables[CODES]
    suggestions = {row["suggestion"] for row in tables[SUGGESTIONS]}
    alone = (key_of(row, _SAID_BY) for row in rows if row["suggestion"] not in suggestions)
    yield from named(CODES, f"codes a suggestion that is not in {SUGGESTIONS}", alone)
    unknown = (key_of(row, _SAID_BY) for row in rows if not _has_its_category(row, categories))
    yield from named(CODES, f"does not name a category of {CATEGORIES} as its outcome asks", unknown)
    nobody = (
        key_of(row, _SAID_BY) for row in rows if (row["coder"] == "") != (row["kind"] == CodeKind.ADJUDICATED)
    )
    yield from named(CODES, "has no coder, or an adjudication has one", nobody)
    both = (key_of(row, _SAID_BY) for row in rows if (row["current"] == "yes") == bool(row["removed_at"]))
    yield from named(CODES, "stands and has an end, or neither", both)
    said: dict[Key, list[Key]] = {}
    for row in rows:
        if row["current"] == "yes":
            said.setdefault(key_of(row, _SAID_BY), []).append(key_of(row, ("outcome", "category")))
    torn = (key for key, words in said.items() if not _agree(words))
    yield from named(CODES, "says a category and none, or the same twice", torn)


def _has_its_category(row: Cells, categories: Mapping[str, Cells]) -> bool:
    if row["outcome"] != Outcome.CATEGORY:
        return row["category"] == row["standing"] == ""
    return row["category"] in categories and row["standing"] == categories[row["category"]]["standing"]


def _agree(words: list[Key]) -> bool:
    """Tell whether what one coder says of one suggestion, as (outcome, category), can stand together."""
    others = [outcome for outcome, _ in words if outcome != Outcome.CATEGORY]
    return len(set(words)) == len(words) and (not others or len(words) == 1)
