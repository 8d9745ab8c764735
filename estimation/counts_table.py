"""Counts from an SQLite table of answers, aggregated where they lie: no row of it becomes a Python object."""

from __future__ import annotations

import sqlite3
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from estimation.dataset import (
    COLUMN_OF,
    INDECISION,
    ChoiceData,
    Clustering,
    named_profiles,
    tally,
)
from estimation.errors import EstimationError
from survey.design import Attribute, Profile

Indices = NDArray[np.intp]

_Row = tuple[str, str, str, int, str | None]
"""Left, right, choice, number of answers, respondents joined."""
_COLUMN = {choice.value: column for choice, column in COLUMN_OF.items()}
# SQLite joins names by a comma fastest; where a name holds one, by the character made for it (unit separator).
_COMMA, _SEPARATOR = ",", "\x1f"
# Up to so many groups are looked up one by one.
_MOST_RANGES = 10_000
# Up to so many counters are kept for respondents' numbers; beyond, numbers are sorted instead.
_MOST_COUNTERS = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerColumns:
    """Where a table keeps its answers."""

    table: str = "answers"
    """A table or a view."""
    left: str = "left"
    """Name of the profile shown first."""
    right: str = "right"
    choice: str = "choice"
    """``left``, ``right`` or ``indecision``; anything else (skip, timeout, nothing) is set aside and counted."""
    respondent: str | None = "respondent"
    """Who answered: text or whole numbers. None if the table does not say."""

    def index_statement(self) -> str:
        """Return the statement that makes the index from which all is read, in order, without sorting."""
        names = [self.left, self.right, self.choice, *([self.respondent] if self.respondent else [])]
        columns = ", ".join(_quoted(name) for name in names)
        return f"CREATE INDEX {_quoted(self.table + '_for_counts')} ON {_quoted(self.table)} ({columns})"


@dataclass(frozen=True, slots=True)
class _Group:
    """All answers with the same profiles on the same sides and the same choice."""

    left: str
    right: str
    column: int
    n: int
    respondents: str
    """Who gave them, joined; empty if the table does not say."""


def read_counts_table(
    path: Path,
    columns: AnswerColumns | str | None = None,
    *,
    indecision_offered: bool | None = None,
    profiles: Mapping[str, Profile] | None = None,
    attributes: tuple[Attribute, ...] = (),
) -> ChoiceData:
    """Count the answers of a table, in one reading transaction; the file is never written to.

    Answers are clustered by respondent; those of a single respondent by comparison; without one not at all.
    One million answers with :meth:`AnswerColumns.index_statement`'s index take a fraction of a second, and several
    seconds without.

    Parameters
    ----------
    columns
        Where the answers are. The name of a table alone: in columns with the usual names.
    indecision_offered
        Whether respondents could choose it. None: if somebody did.
    profiles
        What the table's names stand for; a name becomes a level of an attribute ``profile`` otherwise.
    attributes
        Of the profiles given.

    Raises
    ------
    EstimationError
        There is no such file, table or column, the file is no database, or it holds no choice, an answer without
        a profile, an answer without a respondent, or an unknown profile.
    """
    if not isinstance(columns, AnswerColumns):
        columns = AnswerColumns(table=columns) if columns else AnswerColumns()
    with _opened(path) as connection:
        _check_columns(connection, path, columns)
        groups, set_aside, separator = _groups(connection, path, columns)
    if not groups:
        raise EstimationError(
            f"{path}: table '{columns.table}' holds no choice; column '{columns.choice}' must say "
            f"{', '.join(_COLUMN)}"
        )
    names = sorted({g.left for g in groups} | {g.right for g in groups})
    if profiles is None:
        attributes, made = named_profiles(names)
        known = dict(zip(names, made, strict=True))
    else:
        known = dict(profiles)
        for name in names:
            if name not in known:
                raise EstimationError(
                    f"{path}: table '{columns.table}' compares a profile '{name}', which is none of "
                    f"{', '.join(known)}"
                )
    return _counted(columns, groups, set_aside, separator, known, attributes, indecision_offered)


def _counted(
    columns: AnswerColumns,
    groups: list[_Group],
    set_aside: dict[str, int],
    separator: str,
    known: Mapping[str, Profile],
    attributes: tuple[Attribute, ...],
    indecision_offered: bool | None,
) -> ChoiceData:
    number = {name: i for i, name in enumerate(known)}
    left = np.array([number[g.left] for g in groups], dtype=np.intp)
    right = np.array([number[g.right] for g in groups], dtype=np.intp)
    choice = np.array([g.column for g in groups], dtype=np.intp)
    n = np.array([g.n for g in groups], dtype=np.intp)
    offered = bool((choice == INDECISION).any()) if indecision_offered is None else indecision_offered
    if not offered and (choice == INDECISION).any():
        raise EstimationError(
            f"{n[choice == INDECISION].sum()} answers are indecision although it was not on offer"
        )
    notes: list[str] = []
    if set_aside:
        kinds = ", ".join(f"{times} {kind}" for kind, times in sorted(set_aside.items()))
        notes.append(f"not choices, and not counted as indecision: {kinds}")
    if not columns.respondent:
        notes.append(
            "the source does not say who gave which answer, so intervals treat answers as independent "
            "and are too narrow"
        )
    data = tally(
        attributes=attributes,
        profiles=tuple(known.values()),
        left=left,
        right=right,
        choice=choice,
        offered=offered,
        times=n,
        cluster=None,
        clustering=Clustering.ANSWER,
        set_aside=set_aside,
        notes=tuple(notes),
    )
    if not columns.respondent:
        return data
    names, cluster = _respondents(groups, separator)
    clustering = Clustering.RESPONDENT
    if len(names) == 1:
        clustering = Clustering.COMPARISON
        pair = [" / ".join(sorted((g.left, g.right))) for g in groups]
        names = tuple(dict.fromkeys(pair))
        place = {name: i for i, name in enumerate(names)}
        cluster = np.repeat([place[name] for name in pair], n)
    cell = np.searchsorted(data.left * len(known) + data.right, left * len(known) + right)
    column = 3 * cell + choice
    order = np.argsort(column)
    ends = np.concatenate([[0], np.cumsum(n)])
    # A group is a column of the table of clusters; put in the columns' order they are that table as they stand.
    rows = cluster
    if (np.diff(order) != 1).any():
        rows = np.concatenate([cluster[ends[g] : ends[g + 1]] for g in order])
    lengths = np.zeros(3 * len(data.counts), dtype=np.intp)
    lengths[column] = n
    starts = np.concatenate([[0], np.cumsum(lengths)])
    shape = (len(names), len(lengths))
    by_cluster = sparse.csr_array(sparse.csc_array((np.ones(len(rows)), rows, starts), shape=shape).tocsr())
    by_cluster.sum_duplicates()
    return replace(data, by_cluster=by_cluster, cluster_names=names, clustering=clustering)


def _respondents(groups: list[_Group], separator: str) -> tuple[tuple[str, ...], Indices]:
    """Return respondents' names, by number or in order of appearance, and each answer's place among them."""
    numbers = _whole_numbers(_COMMA.join(g.respondents for g in groups)) if separator == _COMMA else None
    if numbers is None:
        each = chain.from_iterable(g.respondents.split(separator) for g in groups)
        # A name that is new gets the next number, so that each is looked up once.
        place: defaultdict[str, int] = defaultdict(count().__next__)
        found = np.fromiter(map(place.__getitem__, each), np.intp, sum(g.n for g in groups))
        return tuple(place), found
    least = int(numbers.min())
    span = int(numbers.max()) - least + 1
    if span > _MOST_COUNTERS:
        distinct, found = np.unique(numbers, return_inverse=True)
        return tuple(map(str, distinct.tolist())), found
    present = np.flatnonzero(np.bincount(numbers - least, minlength=span))
    places = np.zeros(span, dtype=np.intp)
    places[present] = np.arange(len(present))
    return tuple(map(str, (present + least).tolist())), places[numbers - least]


def _whole_numbers(text: str) -> Indices | None:
    """Return the numbers of a list joined by commas, or None if it is not one that they stand for exactly."""
    if not text[:1].isdigit():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            numbers = np.fromstring(text, dtype=np.int64, sep=_COMMA)
        except (ValueError, DeprecationWarning):
            return None
    if not len(numbers) or numbers.min() < 0 or numbers.max() >= 10**18:
        return None
    # 007 is another name than 7, so what is read must be as long as what was written.
    digits = np.searchsorted(10 ** np.arange(1, 18), numbers, side="right") + 1
    return numbers if int(digits.sum()) + len(numbers) - 1 == len(text) else None


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise EstimationError(f"{path}: there is no such file")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            # A window on the file saves a copy of every page; where it cannot be had, SQLite goes without.
            connection.execute("PRAGMA mmap_size = 4000000000")
            connection.execute("BEGIN")
            yield connection
    except sqlite3.Error as error:
        raise EstimationError(f"{path}: SQLite could not read it: {error}") from error


def _check_columns(connection: sqlite3.Connection, path: Path, columns: AnswerColumns) -> None:
    # SQLite takes a quoted name that is no column for a text, so names are looked up first.
    present = [row[1] for row in connection.execute(f"PRAGMA table_info({_quoted(columns.table)})")]
    if not present:
        tables = [
            row[0]
            for row in connection.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
            )
        ]
        raise EstimationError(
            f"{path}: there is no table '{columns.table}'; there are {', '.join(tables) or 'none'}"
        )
    folded = {name.lower() for name in present}
    for name in (columns.left, columns.right, columns.choice, columns.respondent):
        if name is not None and name.lower() not in folded:
            raise EstimationError(
                f"{path}: table '{columns.table}' has no column '{name}'; it has {', '.join(present)}"
            )


def _groups(
    connection: sqlite3.Connection, path: Path, columns: AnswerColumns
) -> tuple[list[_Group], dict[str, int], str]:
    """Return the groups with a choice, the rows without one by kind, and what separates respondents."""
    separator = _COMMA
    rows = _by_range(connection, columns) or connection.execute(_statement(columns, separator)).fetchall()
    if columns.respondent and not all(_is_whole(row, separator) for row in rows):
        missing = connection.execute(
            f"SELECT count(*) FROM {_quoted(columns.table)} WHERE {_quoted(columns.respondent)} IS NULL"  # noqa: S608
        ).fetchone()[0]
        if missing:
            raise EstimationError(
                f"{path}: {missing} rows of table '{columns.table}' have no '{columns.respondent}'; say who "
                "answered in all rows, or name no column of respondents"
            )
        separator = _SEPARATOR
        rows = connection.execute(_statement(columns, separator)).fetchall()
        if not all(_is_whole(row, separator) for row in rows):
            raise EstimationError(
                f"{path}: names in column '{columns.respondent}' hold both a comma and the unit separator (U+001F)"
            )
    groups: list[_Group] = []
    set_aside: dict[str, int] = {}
    for left, right, choice, n, respondents in rows:
        column = _COLUMN.get(choice)
        if column is None:
            kind = "no choice" if choice is None or choice == "" else str(choice)
            set_aside[kind] = set_aside.get(kind, 0) + n
        elif left is None or right is None:
            raise EstimationError(
                f"{path}: {n} rows of table '{columns.table}' have a choice ({choice}) but no profile in column "
                f"'{columns.left if left is None else columns.right}'"
            )
        else:
            groups.append(_Group(str(left), str(right), column, n, respondents or ""))
    return groups, set_aside, separator


def _by_range(connection: sqlite3.Connection, columns: AnswerColumns) -> list[_Row]:
    """Return the groups' rows, each read as one range of the index; nothing where that is not the fastest way.

    Grouping compares every row with the last one, a range only looks where it ends. That pays with few groups; with
    many, with no index, or where something is missing (NULL is in no range), grouping reads them.
    """
    table = _quoted(columns.table)
    keys = [_quoted(name) for name in (columns.left, columns.right, columns.choice)]
    where = " AND ".join(f"{key} = ?" for key in keys)
    read = f"SELECT {', '.join(keys)}, count(*), {_joined(columns, _COMMA)} FROM {table} WHERE {where}"  # noqa: S608
    plan = connection.execute(f"EXPLAIN QUERY PLAN {read}", ("", "", "")).fetchall()
    if not (len(plan) == 1 and "COVERING INDEX" in plan[0][3] and plan[0][3].count("=?") == len(keys)):
        return []
    groups: list[tuple[str, ...]] = [()]
    for i, key in enumerate(keys):
        given = " AND ".join(f"{k} = ?" for k in keys[:i]) or "1"
        least = f"SELECT min({key}) FROM {table} WHERE {given}"  # noqa: S608
        longer: list[tuple[str, ...]] = []
        for group in groups:
            value = connection.execute(least, group).fetchone()[0]
            while value is not None and len(longer) <= _MOST_RANGES:
                longer.append((*group, value))
                value = connection.execute(f"{least} AND {key} > ?", (*group, value)).fetchone()[0]
        if len(longer) > _MOST_RANGES:
            return []
        groups = longer
    rows: list[_Row] = [connection.execute(read, group).fetchone() for group in groups]
    n_rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
    return rows if sum(row[3] for row in rows) == n_rows else []


def _joined(columns: AnswerColumns, separator: str) -> str:
    if not columns.respondent:
        return "NULL"
    given = "" if separator == _COMMA else f", char({ord(separator)})"
    return f"group_concat({_quoted(columns.respondent)}{given})"


def _statement(columns: AnswerColumns, separator: str) -> str:
    keys = ", ".join(_quoted(name) for name in (columns.left, columns.right, columns.choice))
    # Names are quoted, and known to be columns.
    return f"SELECT {keys}, count(*), {_joined(columns, separator)} FROM {_quoted(columns.table)} GROUP BY {keys}"  # noqa: S608


def _is_whole(row: _Row, separator: str) -> bool:
    return row[4] is not None and row[4].count(separator) + 1 == row[3]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
