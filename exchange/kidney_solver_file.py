"""Read the ``.input`` and ``.ndds`` files of Trimble's kidney_solver.

``.input``: number of pairs and of arcs, then ``donor recipient weight`` per arc (from 0), then ``-1 -1 -1``.
A file of the same name ending in ``.ndds`` may stand beside it, with non-directed donors as donors.
Pairs are called P0, P1, ... and non-directed donors N0, N1, ... after the numbers in the files.
"""

from __future__ import annotations

from pathlib import Path

from exchange.pool import Arc, NonDirectedDonor, Pair, Pool
from exchange.text_rows import ArcsSeen, bad_line, fields_of, number, whole_number

_END = ["-1", "-1", "-1"]


def read_kidney_solver(path: Path) -> Pool:
    """Read an ``.input`` file and the ``.ndds`` file beside it, if there is one.

    Raises
    ------
    BadPool
        A line that does not fit; the message names file and line.
    """
    n_pairs, arcs = _read_arcs(path, donor_prefix="P", n_recipients=None)
    ndd_path = path.with_suffix(".ndds")
    n_ndds = 0
    if ndd_path.exists():
        n_ndds, ndd_arcs = _read_arcs(ndd_path, donor_prefix="N", n_recipients=n_pairs)
        arcs += ndd_arcs
    return Pool(
        pairs=tuple(Pair(id=f"P{i}") for i in range(n_pairs)),
        ndds=tuple(NonDirectedDonor(id=f"N{i}") for i in range(n_ndds)),
        arcs=tuple(arcs),
        source=str(path),
    )


def _read_arcs(path: Path, *, donor_prefix: str, n_recipients: int | None) -> tuple[int, list[Arc]]:
    """Return the number of donors and the arcs; ``n_recipients`` None: donors and recipients are the same pairs."""
    lines = [(i, line.split()) for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)]
    rows = [(i, fields) for i, fields in lines if fields]
    if not rows:
        raise bad_line(path, 1, "the file is empty; its first line gives the numbers of donors and arcs")
    line, fields = rows[0]
    counts = fields_of(path, line, fields, 2, "the first line")
    n_donors = whole_number(path, line, counts[0], "the number of donors")
    n_arcs = whole_number(path, line, counts[1], "the number of arcs")
    if n_donors < 0 or n_arcs < 0:
        raise bad_line(path, line, "the numbers of donors and arcs cannot be negative")
    n_recipients = n_donors if n_recipients is None else n_recipients
    seen = ArcsSeen(path)
    arcs: list[Arc] = []
    for line, fields in rows[1:]:
        if fields == _END:
            break
        ends = fields_of(path, line, fields, 3, "an arc")
        donor = _index(path, line, ends[0], n_donors, "donor")
        recipient = _index(path, line, ends[1], n_recipients, "recipient")
        arc = Arc(
            donor=f"{donor_prefix}{donor}",
            recipient=f"P{recipient}",
            weight=number(path, line, ends[2], "the weight"),
        )
        seen.add(line, arc.donor, arc.recipient)
        arcs.append(arc)
    else:
        raise bad_line(path, rows[-1][0], "the file ends without the closing line '-1 -1 -1'; is it cut off?")
    if len(arcs) != n_arcs:
        raise bad_line(path, rows[0][0], f"announces {n_arcs} arc(s), but {len(arcs)} follow")
    return n_donors, arcs


def _index(path: Path, line: int, text: str, count: int, meaning: str) -> int:
    index = whole_number(path, line, text, f"the {meaning}")
    if not 0 <= index < count:
        raise bad_line(path, line, f"{meaning} {index} does not exist; they are numbered 0 to {count - 1}")
    return index
