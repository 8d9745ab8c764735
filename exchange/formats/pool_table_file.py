"""Read and write a pool as tables: ``NAME.pairs.csv``, ``NAME.ndds.csv`` and ``NAME.arcs.csv``.

- pairs: ``id``; optional ``patient_blood_group``, ``donor_blood_group`` (O, A, B, AB), ``cpra`` (a fraction),
  ``compatible`` (yes or no), ``donors`` (ids joined by ``;``), ``profile`` (its name) and ``attribute.NAME`` for
  each attribute of the profiles
- ndds: ``id``; optional ``blood_group``. Without this file nobody is a non-directed donor
- arcs: ``donor``, ``recipient``; optional ``weight``, ``success_probability`` (both 1 where nothing is said),
  ``giver``. A pool without arcs has this file with its header line only

Empty cells are unknown facts. What spreadsheet programs write is read: a byte-order mark, Windows line ends, and
semicolons or tabs between the columns, then with decimal commas, too. Written are commas, points and ``\\n``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from exchange.errors import BadPool, BadRequest
from exchange.formats.csv_table import Row, Table, read_table, write_table
from exchange.formats.pool_rows import PoolRows
from exchange.formats.table_attributes import attribute_values, described, inferred_attributes
from exchange.formats.text_rows import Complaints, bad_line
from exchange.pool import Arc, NonDirectedDonor, Pair, Pool
from exchange.pool_problems import Part
from survey.design import Attribute, Profile, StudyDesign, make_profile
from survey.errors import BadProfile

PAIRS_END = ".pairs.csv"
NDDS_END = ".ndds.csv"
ARCS_END = ".arcs.csv"
ATTRIBUTE_PREFIX = "attribute."

_PAIR_COLUMNS = (
    "id",
    "patient_blood_group",
    "donor_blood_group",
    "cpra",
    "compatible",
    "donors",
    "profile",
)
_NDD_COLUMNS = ("id", "blood_group")
_ARC_COLUMNS = ("donor", "recipient", "weight", "success_probability", "giver")


def read_pool_table(
    path: Path,
    complaints: Complaints,
    *,
    design: StudyDesign | None = None,
    attributes: tuple[Attribute, ...] | None = None,
) -> Pool:
    """Read the three tables of a pool.

    Parameters
    ----------
    path
        ``NAME.pairs.csv``; the others stand beside it.
    complaints
        Forgiving ones leave out rows, and columns of unknown names.
    design
        The study whose attributes describe the patients. Without it they are inferred from what the columns hold
        (numbers: a range from the least to the greatest; anything else: levels in the order of first appearance),
        and the pool's note says so.
    attributes
        The same without a study.

    Raises
    ------
    BadPool
        A table or column is missing, or a row does not fit; the message names file and line.
    """
    pairs_path, ndds_path, arcs_path = table_paths(path)
    if not arcs_path.exists():
        raise BadPool(
            f"{arcs_path}: there is no such file; a pool without arcs has it with the line "
            f"'{','.join(_ARC_COLUMNS[:2])}' only"
        )
    rows = PoolRows(complaints)
    pairs = read_table(pairs_path, _PAIR_COLUMNS, ("id",), complaints, prefix=ATTRIBUTE_PREFIX)
    pair_rows = list(pairs.rows())
    if design is not None:
        attributes = design.attributes
    if attributes is None:
        attributes, note = _inferred(pairs, pair_rows, complaints)
    else:
        _check_columns(pairs, attributes)
        note = ""
    rows.begin_lines(Part.PAIRS, pairs_path)
    for row in pair_rows:
        _add_row(rows, row, lambda row: rows.add_pair(row.line, _pair(row, attributes)))
    if ndds_path.exists():
        ndds = read_table(ndds_path, _NDD_COLUMNS, ("id",), complaints)
        rows.begin_lines(Part.NDDS, ndds_path)
        for row in ndds.rows():
            _add_row(rows, row, lambda row: rows.add_ndd(row.line, _ndd(row)))
    arcs = read_table(arcs_path, _ARC_COLUMNS, ("donor", "recipient"), complaints)
    rows.begin_lines(Part.ARCS, arcs_path)
    _read_arcs(arcs, rows)
    return rows.pool(source=str(path), attributes=attributes, note=note)


def write_pool_table(pool: Pool, path: Path) -> None:
    """Write the three tables of a pool, even those without rows, so that none of another pool is taken for one.

    Raises
    ------
    BadRequest
        A donor's id holds a semicolon, or a profile says nothing.
    """
    pairs_path, ndds_path, arcs_path = table_paths(path)
    names = [attribute.name for attribute in pool.attributes]
    write_table(
        pairs_path,
        (*_PAIR_COLUMNS, *(ATTRIBUTE_PREFIX + name for name in names)),
        (_pair_cells(pair, names) for pair in pool.pairs),
    )
    write_table(ndds_path, _NDD_COLUMNS, ((d.id, d.blood_group or "") for d in pool.ndds))
    write_table(
        arcs_path,
        _ARC_COLUMNS,
        (
            (a.donor, a.recipient, repr(float(a.weight)), repr(float(a.success_probability)), a.giver)
            for a in pool.arcs
        ),
    )


def _attribute_names(table: Table) -> list[str]:
    return [c.removeprefix(ATTRIBUTE_PREFIX) for c in table.columns if c.startswith(ATTRIBUTE_PREFIX)]


def _check_columns(table: Table, attributes: Sequence[Attribute]) -> None:
    """Refuse a table whose columns are not those of the attributes."""
    known, names = [attribute.name for attribute in attributes], _attribute_names(table)
    if sorted(known) != sorted(names):
        raise bad_line(
            table.path,
            1,
            f"the study has the attributes {', '.join(known) or 'none'}, this table "
            f"{', '.join(names) or 'none'}; they should be the same",
        )


def _inferred(table: Table, rows: Sequence[Row], complaints: Complaints) -> tuple[tuple[Attribute, ...], str]:
    """Return attributes that fit the columns, and what a reader must know of them."""
    names = _attribute_names(table)
    cells = {
        name: [row.cells[ATTRIBUTE_PREFIX + name] for row in rows if row.cells[ATTRIBUTE_PREFIX + name]]
        for name in names
    }
    try:
        attributes = inferred_attributes(cells, decimal_comma=any(row.has_decimal_comma for row in rows))
    except BadProfile as error:
        complaints.settle()  # Rows that are missing here may be why.
        raise bad_line(table.path, 1, str(error)) from None
    if not attributes:
        return (), ""
    return attributes, f"what patients' attributes can be was inferred from a table: {described(attributes)}"


def table_paths(path: Path) -> tuple[Path, Path, Path]:
    """Return the paths of pairs, non-directed donors and arcs, given that of the pairs."""
    stem = path.name[: -len(PAIRS_END)]
    return path, path.with_name(stem + NDDS_END), path.with_name(stem + ARCS_END)


def _add_row(rows: PoolRows, row: Row, add: Callable[[Row], None]) -> None:
    try:
        add(row)
    except BadPool as error:
        rows.leave_out(error, row.cells.get("id"))


def _pair(row: Row, attributes: tuple[Attribute, ...]) -> Pair:
    donors = row.cells.get("donors", "")
    return Pair(
        id=row.cells["id"],
        patient_blood_group=row.blood_group("patient_blood_group"),
        donor_blood_group=row.blood_group("donor_blood_group"),
        cpra=row.number("cpra"),
        profile=_profile(row, attributes),
        is_compatible=row.is_yes("compatible"),
        donors=tuple(donors.split(";")) if donors else (),
    )


def _profile(row: Row, attributes: tuple[Attribute, ...]) -> Profile | None:
    name = row.cells.get("profile", "")
    texts = {a.name: row.cells.get(ATTRIBUTE_PREFIX + a.name, "") for a in attributes}
    if not any(texts.values()) and not name:
        return None
    try:
        values = attribute_values(attributes, texts, decimal_comma=row.has_decimal_comma)
        return make_profile(attributes, values, name=name)
    except BadProfile as error:
        raise bad_line(row.path, row.line, str(error)) from None


def _ndd(row: Row) -> NonDirectedDonor:
    return NonDirectedDonor(id=row.cells["id"], blood_group=row.blood_group("blood_group"))


def _read_arcs(table: Table, rows: PoolRows) -> None:
    """Add the arcs, of which there may be a million: few different ids and numbers, each read once."""
    ids: dict[str, str] = {}
    numbers: dict[tuple[str, str], float] = {}

    def number_of(line: int, column: str, text: str) -> float:
        if (column, text) not in numbers:
            row = Row(
                path=table.path,
                line=line,
                cells={column: text},
                has_decimal_comma=table.has_decimal_comma,
            )
            value = row.number(column)
            numbers[column, text] = 1.0 if value is None else value
        return numbers[column, text]

    # A column that the table lacks reads as the empty cell appended to each line.
    donor_at, recipient_at, weight_at, success_at, giver_at = (
        table.columns.get(name, -1) for name in _ARC_COLUMNS
    )
    for line, cells in table.lines:
        cells.append("")
        donor, recipient, giver = cells[donor_at], cells[recipient_at], cells[giver_at]
        try:
            arc = Arc(
                donor=ids.setdefault(donor, donor),
                recipient=ids.setdefault(recipient, recipient),
                weight=number_of(line, "weight", cells[weight_at]),
                success_probability=number_of(line, "success_probability", cells[success_at]),
                giver=ids.setdefault(giver, giver),
            )
        except BadPool as error:
            rows.leave_out(error)
        else:
            rows.add_arc(line, arc)


def _pair_cells(pair: Pair, names: Sequence[str]) -> Iterator[object]:
    if any(";" in donor for donor in pair.donors):
        raise BadRequest(
            f"pair '{pair.id}' has a donor whose id holds a semicolon, which joins ids in a table"
        )
    profile = pair.profile
    if profile is not None and not profile.name and not profile.values:
        raise BadRequest(f"pair '{pair.id}' has a profile without name and values, which a table cannot say")
    values = {} if profile is None else profile.as_dict()
    yield from (pair.id, pair.patient_blood_group or "", pair.donor_blood_group or "")
    yield "" if pair.cpra is None else repr(float(pair.cpra))
    yield "yes" if pair.is_compatible else "no"
    yield ";".join(pair.donors)
    yield "" if profile is None else profile.name
    yield from (values.get(name, "") for name in names)
