"""A design as well formatted TOML: long texts folded, levels and options one per line. Pure."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any
from unicodedata import category

import tomlkit
from tomlkit.items import AoT, Item, Table

_WIDTH = 110
# Lists of tables with no other keys stand inline, one per line.
_INLINE = {"name", "words", "screens_out"}


def toml_text(document: Mapping[str, Any], *, comment: Sequence[str] = ()) -> str:
    """Return a TOML text that says ``document``, headed by the lines of ``comment``."""
    written = tomlkit.document()
    for key, value in _values_first(document):
        written.append(key, _item(value))
    head = "".join(f"{line}\n" for line in comment_lines(comment))
    return head + ("\n" if head else "") + _spaced(tomlkit.dumps(written))


def comment_lines(lines: Sequence[str]) -> list[str]:
    """Return lines as comments, folded; an empty one is an empty comment. Whatever they hold ends no comment."""
    folded: list[str] = []
    for line in lines:
        plain = "".join(" " if category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in line)
        folded += [f"# {part}" for part in textwrap.wrap(plain, _WIDTH - 2)] or ["#"]
    return folded


def _spaced(text: str) -> str:
    """Return the text with one empty line before each table header and none at its end."""
    lines: list[str] = []
    in_string = False
    for line in text.split("\n"):
        if not in_string and line.startswith("[") and lines and lines[-1]:
            lines.append("")
        lines.append(line)
        if line.count('"""') % 2:
            in_string = not in_string
    return "\n".join(lines).strip("\n") + "\n"


def _item(value: Any) -> Item:
    if isinstance(value, Mapping):
        return _table(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list | tuple):
        return _list(value)
    item: Item = tomlkit.item(value)
    return item


def _table(value: Mapping[str, Any]) -> Table:
    only_tables = bool(value) and all(isinstance(inner, Mapping) for inner in value.values())
    table = tomlkit.table(is_super_table=only_tables)
    for key, inner in _values_first(value):
        table.append(key, _item(inner))
    return table


def _values_first(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the entries in their order, those that become tables of their own last: TOML has no way back."""
    return sorted(table.items(), key=lambda entry: _is_tables(entry[1]))


def _is_tables(value: Any) -> bool:
    return isinstance(value, Mapping) or (_holds_tables(value) and not _stands_inline(value))


def _holds_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _stands_inline(value: Sequence[Mapping[str, Any]]) -> bool:
    return all(inner.keys() <= _INLINE for inner in value)


def _list(value: Sequence[Any]) -> Item:
    if _holds_tables(value) and not _stands_inline(value):
        tables = AoT([])
        for inner in value:
            tables.append(_table(inner))
        return tables
    array = tomlkit.array()
    for inner in value:
        if isinstance(inner, Mapping):
            entry = tomlkit.inline_table()
            entry.update(inner)
            array.append(entry)
        else:
            array.append(inner)
    array.multiline(_holds_tables(value))
    return array


def _string(value: str) -> Item:
    """Return a string; a long one folded, if TOML reads it back as the very same."""
    if len(value) > _WIDTH - 20 or "\n" in value:
        folded = '"""\n' + "\n".join(_folded(line) for line in value.split("\n")) + '"""'
        try:
            same = tomllib.loads(f"text = {folded}")["text"] == value
        except tomllib.TOMLDecodeError:
            same = False
        if same:
            item = tomlkit.parse(f"text = {folded}\n")["text"]
            if isinstance(item, Item):
                return item
    return tomlkit.string(value)


def _folded(line: str) -> str:
    return " \\\n".join(textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False))
