"""Read and write real patients' profiles (CSV), for a scenario to draw its patients' profiles from.

A column for each attribute of the study, under its name, and a line for each patient; or a line for several
patients with the same profile and their number in the column ``count``. What spreadsheet programs write is read,
see ``exchange.formats.csv_table``.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from exchange.errors import BadPool, BadRequest
from exchange.formats.csv_table import Row, quoted_cell, read_table
from exchange.formats.table_attributes import attribute_values
from exchange.formats.text_rows import Complaints, bad_line, whole_number
from exchange.pool import MOST_COMPLAINTS
from survey.design import Profile, StudyDesign
from survey.errors import BadProfile

COUNT = "count"
MOST_PATIENTS = 1_000_000


def read_profiles(path: Path, design: StudyDesign) -> tuple[Profile, ...]:
    """Return the patients' profiles, line by line, each as often as ``count`` says.

    Parameters
    ----------
    path
        A table with the study's attributes as columns. Others are refused: what describes real people and has no
        use here should not be in the file.
    design
        The study that says what attributes mean, and which profiles there are where it lists them.

    Raises
    ------
    BadRequest
        The file cannot be read, holds nobody or too many, or a value that the study does not have; the message
        names file and line, and column where it is one column's fault.
    """
    names = tuple(attribute.name for attribute in design.attributes)
    has_count = COUNT not in names
    # Forgiving: we refuse the file ourselves, without the words for pools.
    complaints = Complaints(is_forgiving=True)
    known = design.profiles()
    listed = None if known is None else frozenset(known)
    profiles: list[Profile] = []
    try:
        table = read_table(path, (*names, COUNT) if has_count else names, names, complaints)
        for row in table.rows():
            try:
                profile = _profile(row, design, listed)
                count = _count(row) if has_count else 1
            except BadPool as error:
                complaints.add(error)
                continue
            if len(profiles) + count > MOST_PATIENTS:
                raise BadRequest(f"{path}:{row.line}: more than {MOST_PATIENTS:,} patients; give fewer")
            profiles += [profile] * count
    except BadPool as error:
        raise BadRequest(str(error)) from None
    except OSError as error:
        raise BadRequest(
            f"{path}: {error.strerror or error}; name an existing table of patients' profiles"
        ) from None
    if complaints.found:
        more = len(complaints.found) - MOST_COMPLAINTS
        rest = [f"and {more} more in {path}"] if more > 0 else []
        raise BadRequest("\n".join([*complaints.found[:MOST_COMPLAINTS], *rest]))
    if not profiles:
        raise BadRequest(f"{path}: no patients; give at least one line under the names of the columns")
    return tuple(profiles)


def profiles_text(profiles: tuple[Profile, ...], design: StudyDesign) -> str:
    """Return a table that :func:`read_profiles` reads as these profiles; alike ones in a row share a line."""
    names = [attribute.name for attribute in design.attributes]
    has_count = COUNT not in names
    lines = [[*names, COUNT] if has_count else names]
    for profile, alike in groupby(profiles):
        count = sum(1 for _ in alike)
        cells = [str(profile[name]) for name in names]
        lines += [[*cells, str(count)]] if has_count else [cells] * count
    return "".join(",".join(map(quoted_cell, cells)) + "\n" for cells in lines)


def _profile(row: Row, design: StudyDesign, listed: frozenset[Profile] | None) -> Profile:
    for attribute in design.attributes:
        if not row.cells[attribute.name].strip():
            raise bad_line(row.path, row.line, f"{attribute.name} is empty; every patient needs a value")
    cells = {name: text.strip() for name, text in row.cells.items()}
    try:
        profile = design.profile(
            attribute_values(design.attributes, cells, decimal_comma=row.has_decimal_comma)
        )
    except BadProfile as error:
        raise bad_line(row.path, row.line, str(error)) from None
    if listed is not None and profile not in listed:
        raise bad_line(
            row.path,
            row.line,
            f"study '{design.slug}' does not have the profile {profile.id}; list it there, or round its numbers",
        )
    return profile


def _count(row: Row) -> int:
    text = row.cells.get(COUNT, "1")
    count = whole_number(row.path, row.line, text, COUNT)
    if count < 1:
        raise bad_line(row.path, row.line, f"{COUNT} should be 1 or more, not {count}")
    return count
