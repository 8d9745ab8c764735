"""Read the adjacency text of BPMDD, a public mirror of PrefLib's kidney data: ``.txt``, also as ``.txt.gz``.

Four counts (members, non-directed donors, pairs, arcs), then a list of recipients per member, then the weights in
lists of the same shape. Members are numbered from 1, pairs first; pairs are called P1, P2, ... and non-directed
donors N17, ... after their numbers. There is no writer: ``.wmd`` says the same, and is PrefLib's own.
"""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from exchange.errors import BadPool
from exchange.formats.json_places import JsonPlaces, list_offsets
from exchange.formats.pool_rows import PoolRows
from exchange.formats.text_rows import Complaints, bad_line, fields_of, text_of, whole_number
from exchange.pool import Arc, NonDirectedDonor, Pair, Pool
from exchange.pool_problems import Part


def read_bpmdd(path: Path, complaints: Complaints) -> Pool:
    """Read a BPMDD file.

    Raises
    ------
    BadPool
        A list that does not fit; the message names file and line. Forgiving complaints leave out arcs, and go on
        after a wrong number of them.
    """
    first, _, rest = _unpacked(path).partition("\n")
    counts = [
        whole_number(path, 1, field, "a count")
        for field in fields_of(path, 1, first.split(), 4, "the first line of a BPMDD file")
    ]
    n, n_ndds, n_pairs, n_arcs = counts
    if min(counts) < 0 or n != n_ndds + n_pairs:
        raise bad_line(path, 1, f"{n} members cannot be {n_ndds} non-directed donors and {n_pairs} pairs")
    recipients, end, recipient_lines = _nested_list(path, rest, 0, n)
    weights, _, weight_lines = _nested_list(path, rest, end, n)
    names = [*(f"P{i}" for i in range(1, n_pairs + 1)), *(f"N{i}" for i in range(n_pairs + 1, n + 1))]
    rows = PoolRows(complaints)
    rows.begin(Part.PAIRS, lambda _: f"{path}:1")
    rows.begin(Part.NDDS, lambda _: f"{path}:1")
    rows.begin(Part.ARCS, lambda i: f"{path}:{recipient_lines[i]}: list {i + 1}")
    for name in names[:n_pairs]:
        rows.add_pair(1, Pair(id=name))
    for name in names[n_pairs:]:
        rows.add_ndd(1, NonDirectedDonor(id=name))
    for i, (given, valued) in enumerate(zip(recipients, weights, strict=True)):
        if len(given) != len(valued):
            text = (
                f"list {i + 1}: {len(given)} recipients, but {len(valued)} weights (line {weight_lines[i]})"
            )
            complaints.add(bad_line(path, recipient_lines[i], text), rows=len(given))
            continue
        for recipient, weight in zip(given, valued, strict=True):
            if type(recipient) is not int or not 1 <= recipient <= n:
                text = f"list {i + 1}: recipient {recipient!r} does not exist; they are numbered 1 to {n}"
                rows.leave_out(bad_line(path, recipient_lines[i], text))
            elif type(weight) not in (int, float):
                rows.leave_out(bad_line(path, weight_lines[i], f"list {i + 1}: {weight!r} is not a weight"))
            elif recipient <= n_pairs:
                rows.add_arc(i, Arc(donor=names[i], recipient=names[recipient - 1], weight=float(weight)))
    # The announced number still counts the arcs from every pair back to every non-directed donor, which these
    # files leave out.
    given_arcs = sum(len(row) for row in recipients)
    if n_arcs not in (given_arcs, given_arcs + n_pairs * n_ndds):
        complaints.add(bad_line(path, 1, f"announces {n_arcs} arcs, but {given_arcs} are listed"), rows=0)
    return rows.pool(source=str(path))


def _unpacked(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            data = gzip.decompress(data)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BadPool(f"{path}: cannot be unpacked ({error}); is it a complete gzip file?") from None
    return text_of(data, path).replace("\r\n", "\n")


def _nested_list(path: Path, text: str, start: int, n: int) -> tuple[list[list[Any]], int, list[int]]:
    """Return the nested list that begins at or after ``start``, where it ends, and the line of each entry."""
    while start < len(text) and text[start].isspace():
        start += 1
    try:
        rows, end = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise bad_line(path, error.lineno + 1, f"not a list of lists: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise BadPool(f"{path}: not a list of lists that can be read: {error}") from None
    places = JsonPlaces(text)
    line = places.line_at(start) + 1
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_line(path, line, "should be a list of lists")
    if len(rows) != n:
        raise bad_line(path, line, f"{len(rows)} lists for {n} members; there should be one each")
    offsets, _ = list_offsets(text, start)
    return rows, end, [places.line_at(offset) + 1 for offset in offsets]
