"""Read PrefLib's kidney data (set 00036): ``.wmd`` in its old and new form with an optional ``.dat``, BPMDD text.

The two ``.wmd`` forms count arcs differently: the old one (header ``n,arcs``) from 0, the new one (header
``# KEY: value``) from 1. Non-directed donors are told by the label "Alturist" (so spelt); the arcs back to them
that the source lists are no transplants and are dropped. Pairs are called P1, P2, ... and non-directed donors
N17, ... after the numbers in the file, counted from 1 in every form.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exchange.errors import BadPool
from exchange.pool import Arc, BloodGroup, NonDirectedDonor, Pair, Pool
from exchange.text_rows import ArcsSeen, bad_line, fields_of, number, whole_number

_NDD_LABEL = re.compile("alturist|altruist", re.IGNORECASE)
_DAT_COLUMNS = ("Pair", "Patient", "Donor", "%Pra", "Altruist")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    labels: dict[int, str]
    """Number in the file (from 1) -> label."""
    n_arcs: int
    first_arc: int
    """Index of the first arc among the file's lines."""
    base: int
    """Number by which arcs call the first member: 0 or 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """A row of a ``.dat`` file."""

    patient: BloodGroup
    donor: BloodGroup
    cpra: float
    is_ndd: bool


def read_wmd(path: Path) -> Pool:
    """Read a PrefLib ``.wmd`` file, old or new form; blood groups and cPRA from the ``.dat`` beside it, if any.

    Raises
    ------
    BadPool
        A line that does not fit; the message names file and line.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    header = _new_header(path, lines) if lines and lines[0].startswith("#") else _old_header(path, lines)
    dat_path = path.with_suffix(".dat")
    members = _read_dat(dat_path, header.labels) if dat_path.exists() else {}
    is_ndd = {n: bool(_NDD_LABEL.search(label)) for n, label in header.labels.items()}
    for n, member in members.items():
        if member.is_ndd != is_ndd[n]:
            raise BadPool(
                f"{dat_path}: Altruist is {int(member.is_ndd)} for number {n}, but {path.name} calls it "
                f"'{header.labels[n]}'; the two files do not belong together"
            )
    names = {n: f"N{n}" if is_ndd[n] else f"P{n}" for n in header.labels}
    return Pool(
        pairs=tuple(_pair(names[n], members.get(n)) for n in header.labels if not is_ndd[n]),
        ndds=tuple(_ndd(names[n], members.get(n)) for n in header.labels if is_ndd[n]),
        arcs=tuple(_wmd_arcs(path, lines, header, names)),
        source=str(path),
    )


def _old_header(path: Path, lines: list[str]) -> _Header:
    if not lines:
        raise bad_line(path, 1, "the file is empty")
    counts = fields_of(path, 1, lines[0].split(","), 2, "the first line of an old .wmd file")
    n = whole_number(path, 1, counts[0], "the number of pairs and non-directed donors")
    n_arcs = whole_number(path, 1, counts[1], "the number of arcs")
    if len(lines) < n + 1:
        raise bad_line(path, len(lines), f"the file announces {n} names and ends before they do")
    labels = {}
    for line in range(2, n + 2):
        given, _, label = lines[line - 1].partition(",")
        if whole_number(path, line, given, "the number of a name") != line - 1:
            raise bad_line(path, line, f"names should be numbered 1 to {n} in order; this one is {given}")
        labels[line - 1] = label.strip()
    return _Header(labels=labels, n_arcs=n_arcs, first_arc=n + 1, base=0)


def _new_header(path: Path, lines: list[str]) -> _Header:
    facts: dict[str, tuple[int, str]] = {}
    first_arc = len(lines)
    for i, line in enumerate(lines):
        if not line.startswith("#"):
            first_arc = i
            break
        key, _, value = line[1:].partition(":")
        facts[key.strip()] = (i + 1, value.strip())
    counts = {}
    for key in ("NUMBER ALTERNATIVES", "NUMBER EDGES"):
        if key not in facts:
            raise bad_line(path, first_arc or 1, f"the header lacks '# {key}: ...'")
        counts[key] = whole_number(path, *facts[key], key)
    labels = {}
    for n in range(1, counts["NUMBER ALTERNATIVES"] + 1):
        key = f"ALTERNATIVE NAME {n}"
        if key not in facts:
            raise bad_line(path, first_arc or 1, f"the header lacks '# {key}: ...'")
        labels[n] = facts[key][1]
    return _Header(labels=labels, n_arcs=counts["NUMBER EDGES"], first_arc=first_arc, base=1)


def _wmd_arcs(path: Path, lines: list[str], header: _Header, names: dict[int, str]) -> list[Arc]:
    arcs = []
    given = 0
    seen = ArcsSeen(path)
    last = len(names) - 1 + header.base
    for line, text in enumerate(lines[header.first_arc :], start=header.first_arc + 1):
        if not text.strip():
            continue
        fields = fields_of(path, line, text.split(","), 3, "an arc")
        ends = []
        for field, meaning in zip(fields, ("donor", "recipient"), strict=False):
            index = whole_number(path, line, field, f"the {meaning}")
            if not header.base <= index <= last:
                raise bad_line(
                    path, line, f"{meaning} {index} does not exist; they are numbered {header.base} to {last}"
                )
            ends.append(names[index - header.base + 1])
        given += 1
        seen.add(line, *ends)
        weight = number(path, line, fields[2], "the weight")
        if ends[1].startswith("P"):
            arcs.append(Arc(donor=ends[0], recipient=ends[1], weight=weight))
    if given != header.n_arcs:
        raise bad_line(path, len(lines), f"the header announces {header.n_arcs} arcs, but {given} are given")
    return arcs


def _read_dat(path: Path, labels: dict[int, str]) -> dict[int, _Member]:
    reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    missing = [c for c in _DAT_COLUMNS if c not in (reader.fieldnames or ())]
    if missing:
        raise bad_line(
            path, 1, f"the column {missing[0]} is missing; a .dat file has {', '.join(_DAT_COLUMNS)}"
        )
    members: dict[int, _Member] = {}
    for row in reader:
        line = reader.line_num
        n = whole_number(path, line, row["Pair"] or "", "Pair")
        if n not in labels or n in members:
            raise bad_line(
                path, line, f"number {n} is given twice or is not among the names of the .wmd file"
            )
        members[n] = _Member(
            patient=_blood_group(path, line, row["Patient"] or ""),
            donor=_blood_group(path, line, row["Donor"] or ""),
            cpra=number(path, line, row["%Pra"] or "", "%Pra"),
            is_ndd=(row["Altruist"] or "").strip() == "1",
        )
    if len(members) < len(labels):
        raise bad_line(path, reader.line_num, f"describes {len(members)} of {len(labels)} names")
    return members


def _blood_group(path: Path, line: int, text: str) -> BloodGroup:
    try:
        return BloodGroup(text.strip())
    except ValueError:
        raise bad_line(path, line, f"{text.strip()!r} is not a blood group; use O, A, B or AB") from None


def _pair(pair_id: str, member: _Member | None) -> Pair:
    if member is None:
        return Pair(id=pair_id)
    return Pair(
        id=pair_id,
        patient_blood_group=member.patient,
        donor_blood_group=member.donor,
        cpra=member.cpra,
    )


def _ndd(ndd_id: str, member: _Member | None) -> NonDirectedDonor:
    return NonDirectedDonor(id=ndd_id, blood_group=None if member is None else member.donor)


def read_bpmdd(path: Path) -> Pool:
    """Read the text form of the same pools that the BPMDD solver uses, plain or gzipped.

    Its first line gives the numbers of members, non-directed donors, pairs and arcs. Then come two nested lists
    with a row per member, pairs first: whom the donor can give to (counted from 1), and with which weights.

    Raises
    ------
    BadPool
        A line that does not fit; the message names file and line.
    """
    text = _unpacked(path)
    first, _, rest = text.partition("\n")
    counts = [
        whole_number(path, 1, field, "a count")
        for field in fields_of(path, 1, first.split(), 4, "the first line of a BPMDD file")
    ]
    n, n_ndds, n_pairs, n_arcs = counts
    if min(counts) < 0 or n != n_ndds + n_pairs:
        raise bad_line(path, 1, f"{n} members cannot be {n_ndds} non-directed donors and {n_pairs} pairs")
    recipients, end = _nested_list(path, rest, 0, n)
    weights, _ = _nested_list(path, rest, end, n)
    names = [*(f"P{i}" for i in range(1, n_pairs + 1)), *(f"N{i}" for i in range(n_pairs + 1, n + 1))]
    arcs = []
    for row, (given, valued) in enumerate(zip(recipients, weights, strict=True)):
        where = f"{path}: list {row + 1}"
        if len(given) != len(valued):
            raise BadPool(f"{where}: {len(given)} recipients, but {len(valued)} weights")
        for recipient, weight in zip(given, valued, strict=True):
            if not isinstance(recipient, int) or not 1 <= recipient <= n:
                raise BadPool(f"{where}: recipient {recipient!r} does not exist; they are numbered 1 to {n}")
            if isinstance(weight, bool) or not isinstance(weight, int | float):
                raise BadPool(f"{where}: {weight!r} is not a weight")
            if recipient <= n_pairs:
                arcs.append(Arc(donor=names[row], recipient=names[recipient - 1], weight=float(weight)))
    # The announced number still counts the arcs from every pair back to every non-directed donor, which these
    # files leave out.
    given_arcs = sum(len(row) for row in recipients)
    if n_arcs not in (given_arcs, given_arcs + n_pairs * n_ndds):
        raise bad_line(path, 1, f"announces {n_arcs} arcs, but {given_arcs} are listed")
    return Pool(
        pairs=tuple(Pair(id=name) for name in names[:n_pairs]),
        ndds=tuple(NonDirectedDonor(id=name) for name in names[n_pairs:]),
        arcs=tuple(arcs),
        source=str(path),
    )


def _unpacked(path: Path) -> str:
    if path.suffix != ".gz":
        return path.read_text(encoding="utf-8")
    try:
        return gzip.decompress(path.read_bytes()).decode("utf-8")
    except (gzip.BadGzipFile, EOFError) as error:
        raise BadPool(f"{path}: cannot be unpacked ({error}); is it a complete gzip file?") from None


def _nested_list(path: Path, text: str, start: int, n: int) -> tuple[list[list[Any]], int]:
    """Return the nested list that begins at or after ``start``, and where it ends."""
    while start < len(text) and text[start].isspace():
        start += 1
    try:
        rows, end = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise bad_line(path, error.lineno + 1, f"not a list of lists: {error.msg}") from None
    line = text.count("\n", 0, start) + 2
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_line(path, line, "should be a list of lists")
    if len(rows) != n:
        raise bad_line(path, line, f"{len(rows)} lists for {n} members; there should be one each")
    return rows, end
