"""Read a user's own extract of the registry: candidates and kidneys from OPTN's STAR files.

The files are gigabytes of people's records, so they are read row by row or in chunks, of all their columns only
those that the tasks use, and of all their rows a sample is kept. Nothing is sent anywhere, and nothing is written.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, KIDNEY_COLUMNS, Column
from llm_compare.allocation.problems.problem import Candidate, Kidney, Value
from llm_compare.allocation.problems.registry_codes import UnknownCode, decoder, why_unusable
from llm_compare.errors import BadProblems

MOST_RECORDS = 20_000
"""Kept of an extract; from more, a random sample."""
_DELIMITERS: Mapping[str, str] = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t", ".dat": "\t"}
_SAS = (".sas7bdat", ".xpt")
_CHUNK_ROWS = 200_000
"""Of SAS's files, which are read from their start again for every chunk: fewer are slower, more need memory."""

Record = TypeVar("Record")
_Row = tuple[int, Sequence[str]]
"""The number of a line (of SAS's files: of a row), and the texts of the columns that are needed, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract(Generic[Record]):
    """What was read of an extract."""

    records: tuple[Record, ...]
    """Those that can be used, or a random sample of them."""
    n_read: int
    """Rows in the file."""
    n_usable: int
    """Rows that can be used; more than ``records`` when a sample was taken."""
    left_out: Mapping[str, int]
    """Why rows cannot be used, in words -> how many, the most frequent first. Each row counts once."""
    file: str
    """Name of the file, without its folder."""
    sha256: str
    """Of the file."""


def read_candidates(
    path: Path,
    *,
    seed: int,
    most: int = MOST_RECORDS,
    column_names: Path | None = None,
    forgiving: bool = False,
) -> Extract[Candidate]:
    """Read candidates, for example from ``KIDPAN_DATA``.

    Parameters
    ----------
    path
        ``.csv``, tab-separated text (``.tsv``, ``.tab``, ``.txt``, ``.dat``), ``.sas7bdat`` or ``.xpt``. Text has a
        header row unless ``column_names`` is given. Columns may stand in any order, and others among them.
    seed
        Of the sample; the same seed and file give the same records.
    most
        Records to keep.
    column_names
        A text file with the names of the columns of a file that has no header: one a line, or all in one line.
    forgiving
        Leave out and count rows with a code that is not known, or with too few or too many values, instead of
        refusing the file.

    Raises
    ------
    BadProblems
        The file is missing, damaged or of another kind; columns are missing (all are named); strict, a row that
        cannot be read, with its line and column.
    """
    return _read(path, CANDIDATE_COLUMNS, Candidate, seed, most, column_names, forgiving=forgiving)


def read_kidneys(
    path: Path,
    *,
    seed: int,
    most: int = MOST_RECORDS,
    column_names: Path | None = None,
    forgiving: bool = False,
) -> Extract[Kidney]:
    """Read kidneys; as :func:`read_candidates`. Rows without a donor are left out and counted."""
    return _read(path, KIDNEY_COLUMNS, Kidney, seed, most, column_names, forgiving=forgiving)


def _read(
    path: Path,
    columns: Sequence[Column],
    make: Callable[[tuple[Value, ...]], Record],
    seed: int,
    most: int,
    column_names: Path | None,
    *,
    forgiving: bool,
) -> Extract[Record]:
    if most < 1:
        raise BadProblems(f"{most} records are none; keep 1 or more")
    suffix = path.suffix.casefold()
    needed = [column.name for column in columns]
    if suffix in _SAS:
        if column_names is not None:
            raise BadProblems(
                f"{path}: SAS's files name their columns themselves; leave the column names out"
            )
        rows = _sas_rows(path, suffix, needed)
    elif suffix in _DELIMITERS:
        rows = _text_rows(path, _DELIMITERS[suffix], needed, column_names)
    else:
        kinds = ", ".join((*_DELIMITERS, *_SAS))
        raise BadProblems(f"{path}: is none of the files that can be read ({kinds}); rename or convert it")
    decode = [decoder(column) for column in columns]
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
    kept: list[Record] = []
    left_out: Counter[str] = Counter()
    n_read = n_usable = 0
    try:
        for number, texts in rows:
            n_read += 1
            try:
                values = _decoded(decode, texts)
            except UnknownCode as error:
                if not forgiving:
                    raise BadProblems(
                        f"{path}, {_place(suffix, number)}: {error}; mend it, "
                        "or leave such rows out with --forgiving"
                    ) from None
                left_out[str(error)] += 1
                continue
            if (reason := why_unusable(columns, values)) is not None:
                left_out[reason] += 1
                continue
            n_usable += 1
            # Algorithm R (Vitter 1985): every usable row has the same chance to stay.
            if len(kept) < most:
                kept.append(make(values))
            elif (place := int(rng.integers(n_usable))) < most:
                kept[place] = make(values)
        sha256 = _sha256(path)
    except OSError as error:
        raise BadProblems(
            f"{error.filename or path}: {error.strerror or error}; name an extract that can be read"
        ) from None
    return Extract(
        records=tuple(kept),
        n_read=n_read,
        n_usable=n_usable,
        left_out=dict(sorted(left_out.items(), key=lambda pair: (-pair[1], pair[0]))),
        file=path.name,
        sha256=sha256,
    )


def _decoded(decode: Sequence[Callable[[str], Value]], texts: Sequence[str]) -> tuple[Value, ...]:
    if len(texts) != len(decode):
        raise UnknownCode("the row has more or fewer values than there are columns")
    return tuple(of_column(text) for of_column, text in zip(decode, texts, strict=True))


def _place(suffix: str, number: int) -> str:
    return f"row {number}" if suffix in _SAS else f"line {number}"


def _text_rows(
    path: Path, delimiter: str, needed: Sequence[str], column_names: Path | None
) -> Iterator[_Row]:
    """Yield the needed columns of a text file; no texts at all for a row that is not as wide as the header."""
    dialect = csv.excel if delimiter == "," else _UnquotedTabs
    # What is needed is ASCII; what is not, in whatever encoding the file has, is not worth refusing it for.
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.reader(file, dialect)
        try:
            header = next(rows, []) if column_names is None else _names(column_names)
            way_out = (
                "name them in the header row; if the file has none, give the names with --column-names"
                if column_names is None
                else f"name them in {column_names}"
            )
            places = _places(path, header, needed, way_out)
            for row in rows:
                if len(row) == len(header):
                    yield rows.line_num, [row[place].strip(' "') for place in places]
                elif row:
                    yield rows.line_num, ()
        except csv.Error as error:
            raise BadProblems(
                f"{path}, line {rows.line_num}: is no row of a table ({error}); export the file anew"
            ) from None


class _UnquotedTabs(csv.excel_tab):
    """Tab-separated, where a quotation mark is a character of somebody's free text and closes nowhere."""

    quoting = csv.QUOTE_NONE


def _names(column_names: Path) -> list[str]:
    """Return the names in a file: one a line, or all in one line."""
    try:
        text = column_names.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadProblems(f"{column_names}: is not UTF-8 text; write one column name a line") from None
    return [
        name.strip(' "') for name in text.replace("\t", "\n").replace(",", "\n").split("\n") if name.strip()
    ]


def _places(path: Path, header: Sequence[str], needed: Sequence[str], way_out: str) -> list[int]:
    """Return where the needed columns stand, in their order; capital letters make no difference."""
    found: dict[str, int] = {}
    for place, name in enumerate(header):
        found.setdefault(name.strip(' "').upper(), place)
    if missing := [name for name in needed if name not in found]:
        raise BadProblems(f"{path}: the columns {', '.join(missing)} are missing; {way_out}")
    return [found[name] for name in needed]


def _sas_rows(path: Path, suffix: str, needed: Sequence[str]) -> Iterator[_Row]:
    import pyreadstat

    if not path.is_file():
        raise BadProblems(f"{path}: there is no such file; name an extract that can be read")
    read = pyreadstat.read_sas7bdat if suffix == ".sas7bdat" else pyreadstat.read_xport
    try:
        _, described = read(str(path), metadataonly=True, output_format="dict")
        names = list(described.column_names)
        places = _places(path, names, needed, "export them, too")
        wanted = [names[place] for place in places]
        start = 0
        while True:
            chunk, _ = read(
                str(path),
                usecols=wanted,
                row_offset=start,
                row_limit=_CHUNK_ROWS,
                output_format="dict",
                disable_datetime_conversion=True,
            )
            columns = [chunk[name] for name in wanted]
            n_rows = len(columns[0])
            for i in range(n_rows):
                yield start + i + 1, [_text(column[i]) for column in columns]
            if n_rows < _CHUNK_ROWS:
                return
            start += n_rows
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeDecodeError) as error:
        raise BadProblems(
            f"{path}: cannot be read as a {suffix} file of SAS ({error}); export it anew, or as CSV"
        ) from None


def _text(value: object) -> str:
    """Return a value of SAS as a text file would have it; blank where there is none."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return str(value).strip()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
