"""Read and write the ``.input`` and ``.ndds`` files of Trimble's kidney_solver.

``.input``: number of pairs and of arcs, then ``donor recipient weight`` per arc (from 0), then ``-1 -1 -1``.
A file of the same name ending in ``.ndds`` may stand beside it, with non-directed donors as donors.
Pairs are called P0, P1, ... and non-directed donors N0, N1, ... after the numbers in the files.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from exchange.errors import BadPool
from exchange.formats.pool_rows import PoolRows
from exchange.formats.text_rows import Complaints, bad_line, fields_of, file_lines, number, whole_number
from exchange.pool import Arc, NonDirectedDonor, Pair, Pool
from exchange.pool_problems import Part

_END = ["-1", "-1", "-1"]


def read_kidney_solver(path: Path, complaints: Complaints) -> Pool:
    """Read an ``.input`` file and the ``.ndds`` file beside it, if there is one.

    Raises
    ------
    BadPool
        A line that does not fit; the message names file and line. Forgiving complaints leave out arcs, and go on
        after a wrong number of them or a missing end, never without the first line.
    """
    rows = PoolRows(complaints)
    n_pairs = _read_arcs(path, rows, complaints, donor_prefix="P", n_recipients=None)
    ndd_path = path.with_suffix(".ndds")
    n_ndds = 0
    if ndd_path.exists():
        n_ndds = _read_arcs(ndd_path, rows, complaints, donor_prefix="N", n_recipients=n_pairs)
    rows.begin_lines(Part.PAIRS, path)
    rows.begin_lines(Part.NDDS, ndd_path)
    for i in range(n_pairs):
        rows.add_pair(1, Pair(id=f"P{i}"))
    for i in range(n_ndds):
        rows.add_ndd(1, NonDirectedDonor(id=f"N{i}"))
    return rows.pool(source=str(path))


def write_kidney_solver(pool: Pool, path: Path) -> None:
    """Write ``path`` (``.input``) and the ``.ndds`` file beside it, even without anybody in it.

    Members are numbered in the pool's order. Only arcs and their weights are kept; a compatible pair's arc to
    itself is left out, which the format does not allow.
    """
    pairs = {pair.id: i for i, pair in enumerate(pool.pairs)}
    ndds = {ndd.id: i for i, ndd in enumerate(pool.ndds)}
    from_pairs = [a for a in pool.arcs if a.donor in pairs and a.donor != a.recipient]
    from_ndds = [a for a in pool.arcs if a.donor in ndds]
    _write_arcs(path, len(pairs), ((pairs[a.donor], pairs[a.recipient], a.weight) for a in from_pairs))
    _write_arcs(
        path.with_suffix(".ndds"),
        len(ndds),
        ((ndds[a.donor], pairs[a.recipient], a.weight) for a in from_ndds),
    )


def _write_arcs(path: Path, n_donors: int, arcs: Iterable[tuple[int, int, float]]) -> None:
    rows = [f"{donor} {recipient} {float(weight)!r}" for donor, recipient, weight in arcs]
    lines = [f"{n_donors} {len(rows)}", *rows, " ".join(_END)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")


def _read_arcs(
    path: Path, rows: PoolRows, complaints: Complaints, *, donor_prefix: str, n_recipients: int | None
) -> int:
    """Add the arcs and return the number of donors; ``n_recipients`` None: donors and recipients are the same."""
    filled = ((i, line.split()) for i, line in enumerate(file_lines(path), 1) if line.strip())
    first, fields = next(filled, (1, []))
    if not fields:
        raise bad_line(path, 1, "the file is empty; its first line gives the numbers of donors and arcs")
    counts = fields_of(path, first, fields, 2, "the first line")
    n_donors = whole_number(path, first, counts[0], "the number of donors")
    n_arcs = whole_number(path, first, counts[1], "the number of arcs")
    if n_donors < 0 or n_arcs < 0:
        raise bad_line(path, first, "the numbers of donors and arcs cannot be negative")
    n_recipients = n_donors if n_recipients is None else n_recipients
    donors = _Members(path, donor_prefix, n_donors, "donor")
    recipients = _Members(path, "P", n_recipients, "recipient")
    rows.begin_lines(Part.ARCS, path)
    given = 0
    line = first
    for line, fields in filled:
        if fields == _END:
            break
        given += 1
        try:
            ends = fields_of(path, line, fields, 3, "an arc")
            arc = Arc(
                donor=donors.id(line, ends[0]),
                recipient=recipients.id(line, ends[1]),
                weight=number(path, line, ends[2], "the weight"),
            )
        except BadPool as error:
            rows.leave_out(error)
        else:
            rows.add_arc(line, arc)
    else:
        text = "the file ends without the closing line '-1 -1 -1'; is it cut off?"
        complaints.add(bad_line(path, line, text), rows=0)
    if given != n_arcs:
        complaints.add(bad_line(path, first, f"announces {n_arcs} arc(s), but {given} follow"), rows=0)
    return n_donors


class _Members:
    """Ids of the members that the numbers in a file stand for."""

    def __init__(self, path: Path, prefix: str, count: int, meaning: str) -> None:
        self._path = path
        self._prefix = prefix
        self._count = count
        self._meaning = meaning
        self._known: dict[str, str] = {}

    def id(self, line: int, text: str) -> str:
        """Return the id, the same object each time, or complain about the line."""
        if text not in self._known:
            index = whole_number(self._path, line, text, f"the {self._meaning}")
            if not 0 <= index < self._count:
                there = f"; they are numbered 0 to {self._count - 1}" if self._count else "; there are none"
                raise bad_line(self._path, line, f"{self._meaning} {index} does not exist{there}")
            self._known[text] = f"{self._prefix}{index}"
        return self._known[text]
