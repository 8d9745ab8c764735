"""Data files as Parquet, with the same rows and columns as CSV."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from survey.columns import Cell, CellKind, Column
from survey.export_tables import DataFile


def parquet_bytes(data_file: DataFile[Any]) -> bytes:
    """Return a data file as Parquet. The same rows give the same bytes with the same version of pyarrow."""
    # Imported here: it is large and slow to load.
    import pyarrow
    import pyarrow.parquet

    kinds = {
        CellKind.WHOLE: pyarrow.int64(),
        CellKind.NUMBER: pyarrow.float64(),
        CellKind.TIME: pyarrow.timestamp("ms", tz="UTC"),
        CellKind.YES_NO: pyarrow.bool_(),
    }
    arrays, fields = [], []
    for column in data_file.columns:
        kind = kinds.get(column.kind, pyarrow.string())
        cells = [_cell(column, row) for row in data_file.rows]
        arrays.append(pyarrow.array(cells, type=kind))
        fields.append(pyarrow.field(column.name, kind, metadata={"meaning": column.meaning}))
    written = io.BytesIO()
    pyarrow.parquet.write_table(
        pyarrow.Table.from_arrays(arrays, schema=pyarrow.schema(fields)), written, compression="zstd"
    )
    return written.getvalue()


def _cell(column: Column[Any], row: Any) -> Cell:
    """Return the very value that the CSV file holds, in the column's kind."""
    text = column.text(row)
    if not text:
        return None
    if column.kind is CellKind.WHOLE:
        return int(text)
    if column.kind is CellKind.NUMBER:
        return float(text)
    if column.kind is CellKind.YES_NO:
        return text == "yes"
    if column.kind is CellKind.TIME:
        return datetime.fromisoformat(text).astimezone(UTC)
    return text
