"""Check the parts of a JSON document by hand: files of 100,000 lines are read, and that has to be quick. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

Kinds: TypeAlias = tuple[type, ...]
"""Python types that a value may have; ``float`` takes whole numbers, too, and nothing takes a bool for a number."""

TEXT: Kinds = (str,)
MAYBE_TEXT: Kinds = (str, type(None))
WHOLE: Kinds = (int,)
MAYBE_WHOLE: Kinds = (int, type(None))
MAYBE_NUMBER: Kinds = (float, int, type(None))
YES_OR_NO: Kinds = (bool,)
TABLE: Kinds = (dict,)
MAYBE_TABLE: Kinds = (dict, type(None))
LIST: Kinds = (list,)
MAYBE_LIST: Kinds = (list, type(None))

_CALLED: Mapping[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table",
    list: "a list",
    type(None): "null",
}


class BadRecord(ValueError):
    """A part that is missing, unknown or of the wrong kind; the message names it."""


_Word = TypeVar("_Word", bound=StrEnum)


def word_of(kind: type[_Word], word: str, where: str) -> _Word:
    """Return the member of a closed set that ``word`` names, else raise :class:`BadRecord`."""
    try:
        return kind(word)
    except ValueError:
        raise BadRecord(f"{where}: is '{word}', not one of {', '.join(kind)}") from None


def checked(record: object, parts: Mapping[str, Kinds], where: str = "") -> dict[str, Any]:
    """Return ``record`` if it has exactly these parts, each of an allowed kind.

    Raises
    ------
    BadRecord
        It has not; ``where`` is put before the part's name.
    """
    if not isinstance(record, dict):
        raise BadRecord(f"{where or 'the line'}: is not a table but {_kind_of(record)}")
    if record.keys() != parts.keys():
        for name in parts:
            if name not in record:
                raise BadRecord(f"{_path(where, name)}: is missing")
        unknown = next(name for name in record if name not in parts)
        raise BadRecord(f"{_path(where, unknown)}: is not known here")
    for name, kinds in parts.items():
        value = record[name]
        if type(value) not in kinds:
            wanted = " or ".join(_CALLED[kind] for kind in kinds if not (kind is int and float in kinds))
            raise BadRecord(f"{_path(where, name)}: is {_kind_of(value)}, not {wanted}")
    return record


def checked_items(items: list[Any], kinds: Kinds, where: str) -> list[Any]:
    """Return ``items`` if each is of an allowed kind, else raise :class:`BadRecord`."""
    for i, item in enumerate(items, start=1):
        if type(item) not in kinds:
            raise BadRecord(f"{where}[{i}]: is {_kind_of(item)}, not {_CALLED[kinds[0]]}")
    return items


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else str(name)


def _kind_of(value: object) -> str:
    return _CALLED.get(type(value), type(value).__name__)
