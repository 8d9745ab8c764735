"""A simulated run as two Parquet files: its patients, and its days. Same run, same bytes (with one pyarrow)."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exchange.errors import BadRun
from exchange.simulation.record import NEVER, RunRecord, Table

FORMAT = "equipoise-run"
FORMAT_VERSION = 1
_META = b"equipoise"
_OF_RUN = ("scenario", "condition", "seed")
"""First columns of both files, so that the files of many runs can be read as one table."""
_NOTHING: Mapping[str, int | str] = {
    "planned": NEVER,
    "transplanted": NEVER,
    "left": NEVER,
    "giver": "",
    "rank": 0,
}
"""Column of patients -> what stands for nothing in a record; empty in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader:
    """What a file says of the run it is of."""

    key: str
    """See ``exchange.experiment.plan.PlannedRun``; empty for a run of no experiment."""
    scenario: str
    condition: str
    seed: int
    n_days: int


def patients_bytes(record: RunRecord, *, key: str = "") -> bytes:
    """Return the file of a run's patients."""
    return _bytes(record.patients, record, key, _NOTHING)


def days_bytes(record: RunRecord, *, key: str = "") -> bytes:
    """Return the file of a run's days."""
    return _bytes(record.days, record, key, {})


def read_header(path: Path) -> RunHeader:
    """Return what a run's file is of, without reading its rows.

    Raises
    ------
    BadRun
        The file cannot be read or is not of a run; the message names it.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        schema = pyarrow.parquet.read_schema(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise BadRun(f"{path}: cannot be read as Parquet ({_first_line(error)})") from None
    return _header(path, schema.metadata or {})


def read_run(patients: Path, days: Path) -> RunRecord:
    """Return the run of two files.

    Raises
    ------
    BadRun
        A file cannot be read, is not of a run, or they are of different runs.
    """
    (header, patient_table), (other, day_table) = _table(patients, _NOTHING), _table(days, {})
    if header != other:
        raise BadRun(
            f"{patients} and {days} are of different runs; run the experiment again to make both anew"
        )
    return RunRecord(
        scenario=header.scenario,
        condition=header.condition,
        seed=header.seed,
        n_days=header.n_days,
        patients=patient_table,
        days=day_table,
    )


def _bytes(table: Table, record: RunRecord, key: str, nothing: Mapping[str, int | str]) -> bytes:
    # Imported here: slow to load, and commands that simulate nothing need not wait for it.
    import pyarrow
    import pyarrow.parquet

    said = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "key": key,
        "scenario": record.scenario,
        "condition": record.condition,
        "seed": record.seed,
        "n_days": record.n_days,
    }
    n = len(next(iter(table.values())))
    of_run = {name: pyarrow.repeat(said[name], n) for name in _OF_RUN}
    arrays = {}
    for name, column in table.items():
        is_missing = column == nothing[name] if name in nothing else None
        is_text = column.dtype.kind in "UO"
        # pyarrow knows no texts of fixed length, and cannot tell what an empty list is of.
        kind = pyarrow.string() if is_text else None
        arrays[name] = pyarrow.array(column.astype(object) if is_text else column, type=kind, mask=is_missing)
    written = io.BytesIO()
    made = pyarrow.table(of_run | arrays).replace_schema_metadata(
        {_META: json.dumps(said, ensure_ascii=False)}
    )
    pyarrow.parquet.write_table(made, written, compression="zstd")
    return written.getvalue()


def _table(path: Path, nothing: Mapping[str, int | str]) -> tuple[RunHeader, Table]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise BadRun(f"{path}: cannot be read as Parquet ({_first_line(error)})") from None
    columns: dict[str, NDArray[Any]] = {}
    for name in table.column_names:
        if name in _OF_RUN:
            continue
        column = table.column(name)
        if name in nothing:
            column = column.fill_null(nothing[name])
        if pyarrow.types.is_string(column.type):
            columns[name] = np.array(column.to_pylist(), dtype=str)
        else:
            columns[name] = column.to_numpy()
    return _header(path, table.schema.metadata or {}), columns


def _header(path: Path, metadata: Mapping[bytes, bytes]) -> RunHeader:
    try:
        said = json.loads(metadata[_META])
        if said["format"] != FORMAT or said["format_version"] != FORMAT_VERSION:
            raise BadRun(
                f"{path}: is {said['format']} {said['format_version']}; this program reads {FORMAT} "
                f"{FORMAT_VERSION}"
            )
        return RunHeader(
            key=str(said["key"]),
            scenario=str(said["scenario"]),
            condition=str(said["condition"]),
            seed=int(said["seed"]),
            n_days=int(said["n_days"]),
        )
    except (KeyError, TypeError, ValueError):
        raise BadRun(f"{path}: is not the file of a simulated run") from None


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
