"""Outcomes as tables (CSV, Parquet) and as plain data. Same outcomes, same bytes (of Parquet with one pyarrow)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from math import isfinite
from typing import Any

from exchange.outcomes.outcome import Outcome

COLUMNS = tuple(field.name for field in fields(Outcome))
_TEXTS = ("scenario", "condition", "baseline", "grouping", "group", "measure")


def outcomes_csv(outcomes: Sequence[Outcome]) -> str:
    """Return a row for each outcome, under the names of its fields; a number that is not defined is empty."""
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(COLUMNS)
    for outcome in outcomes:
        record = outcome_record(outcome)
        rows.writerow(["" if record[name] is None else record[name] for name in COLUMNS])
    return written.getvalue()


def outcomes_parquet(outcomes: Sequence[Outcome]) -> bytes:
    """Return the same table as Parquet; a number that is not defined is null."""
    # Imported here: slow to load.
    import pyarrow
    import pyarrow.parquet

    records = [outcome_record(outcome) for outcome in outcomes]
    kinds = {name: pyarrow.string() for name in _TEXTS} | {"n_runs": pyarrow.int64()}
    columns = {
        name: pyarrow.array([record[name] for record in records], type=kinds.get(name, pyarrow.float64()))
        for name in COLUMNS
    }
    written = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), written, compression="zstd")
    return written.getvalue()


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain data; None for a number that is not defined."""
    return {name: plain(value) for name, value in asdict(outcome).items()}


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: None for what is no finite number."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, str) else value
