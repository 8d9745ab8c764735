"""Columns of an imported table that nothing reads: named, so that nobody takes them for read. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from survey.coding.spreadsheet import read_sheet

_NEAR = 0.75
"""Ratio of ``difflib`` from which a name is taken for a slip: ``definitions`` is one, ``sex`` for ``text`` not."""
_MOST_NAMED = 20


def passed_over(
    content: bytes,
    where: str,
    known: Sequence[str],
    *,
    quiet: Collection[str] = (),
    also_called: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Return a remark that names the columns of a table that are not read; none where there are no such columns.

    Columns without anything in them are not named: nothing is lost with them.

    Parameters
    ----------
    known
        Names of the columns that are read.
    quiet
        Columns that are there to be read by people, of tables that Equipoise writes.
    also_called
        What else a known column is called elsewhere -> its name here.

    Raises
    ------
    CodingError
        As :func:`spreadsheet.read_sheet`.
    """
    sheet = read_sheet(content, where, known)
    unread = [name for name in sheet.columns if name not in {*known, *quiet}]
    filled = [name for name in unread if any(row.cell(name) for row in sheet.rows)]
    if not filled:
        return ()
    free = [name for name in known if name not in sheet.columns]
    named = []
    is_clear = True
    for name in filled:
        if meant := _meant(name, free, also_called or {}):
            named.append(f"'{name}' (is '{meant}' meant?)")
        else:
            named.append(f"'{name}'")
            is_clear = False
    more = len(named) - _MOST_NAMED
    listed = named[:_MOST_NAMED] + ([f"and {more} more"] if more > 0 else [])
    columns = "column was" if len(named) == 1 else "columns were"
    remark = f"{where}: {columns} passed over: {', '.join(listed)}"
    return (remark if is_clear else f"{remark}; those that are read: {', '.join(known)}",)


def _meant(name: str, free: Sequence[str], also_called: Mapping[str, str]) -> str:
    """Return the column that is likely to be meant; empty: none."""
    if (meant := also_called.get(name, "")) in free:
        return meant
    spelled = "_".join(name.split())
    return next(iter(get_close_matches(spelled, free, n=1, cutoff=_NEAR)), "")
