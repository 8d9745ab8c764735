"""Read and write PrefLib's kidney data (set 00036): ``.wmd`` with an optional ``.dat`` beside it.

The two ``.wmd`` forms count arcs differently: the old one (header ``n,arcs``) from 0, the new one (header
``# KEY: value``) from 1. Both are read; the new one is written. Non-directed donors are told by the label
"Alturist" (so spelt). PrefLib lists an arc of weight 0 from every pair back to each of them: no transplants,
dropped on reading whatever their weight, and listed again on writing. Pairs are called P1, P2, ... and non-directed
donors N17, ... after the numbers in the file, counted from 1 in every form.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from exchange.errors import BadPool
from exchange.formats.pool_rows import PoolRows
from exchange.formats.text_rows import (
    Complaints,
    bad_line,
    fields_of,
    file_lines,
    file_text,
    number,
    whole_number,
)
from exchange.pool import Arc, BloodGroup, NonDirectedDonor, Pair, Pool
from exchange.pool_problems import Part

_NDD_LABEL = re.compile("alturist|altruist", re.IGNORECASE)
_DAT_COLUMNS = ("Pair", "Patient", "Donor", "%Pra", "Altruist")
_DAT_HEADER = "Pair,Patient,Donor,Wife-P?,%Pra,Out-Deg,Altruist"


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

    line: int
    patient: BloodGroup
    donor: BloodGroup
    cpra: float
    is_ndd: bool


def read_wmd(path: Path, complaints: Complaints) -> Pool:
    """Read a PrefLib ``.wmd`` file, old or new form; blood groups and cPRA from the ``.dat`` beside it, if any.

    Raises
    ------
    BadPool
        A line that does not fit; the message names file and line. Forgiving complaints leave out arcs, and lines
        of the ``.dat`` (then nothing is known of that member but its arcs); they go on after a wrong number of
        either, but not without a header or with a ``.dat`` that is of other people.
    """
    lines = file_lines(path)
    header = _new_header(path, lines) if lines and lines[0].startswith("#") else _old_header(path, lines)
    dat_path = path.with_suffix(".dat")
    members = _read_dat(dat_path, header.labels, complaints) if dat_path.exists() else {}
    is_ndd = {n: bool(_NDD_LABEL.search(label)) for n, label in header.labels.items()}
    for n, member in members.items():
        if member.is_ndd != is_ndd[n]:
            raise BadPool(
                f"{dat_path}: Altruist is {int(member.is_ndd)} for number {n}, but {path.name} calls it "
                f"'{header.labels[n]}'; the two files do not belong together"
            )
    names = {n: f"N{n}" if is_ndd[n] else f"P{n}" for n in header.labels}
    rows = PoolRows(complaints)
    for part in (Part.PAIRS, Part.NDDS):
        rows.begin_lines(part, dat_path if members else path)
    for n in header.labels:
        member_line = members[n].line if n in members else 1
        if is_ndd[n]:
            rows.add_ndd(member_line, _ndd(names[n], members.get(n)))
        else:
            rows.add_pair(member_line, _pair(names[n], members.get(n)))
    _read_arcs(path, lines, header, names, rows, complaints)
    return rows.pool(source=str(path))


def write_wmd(pool: Pool, path: Path) -> None:
    """Write ``path`` in PrefLib's new form, and the ``.dat`` beside it if blood groups and cPRA of all are known.

    Members are numbered in the pool's order, pairs first. A compatible pair's arc to itself is left out, which the
    format does not allow. In the ``.dat``, ``Wife-P?`` is 0, as a pool does not know it, and a non-directed donor
    has the own blood group as patient's, as in PrefLib's files.
    """
    ids = [*(pair.id for pair in pool.pairs), *(ndd.id for ndd in pool.ndds)]
    numbers = {member_id: n for n, member_id in enumerate(ids, 1)}
    n_pairs = len(pool.pairs)
    arcs = [(numbers[a.donor], numbers[a.recipient], a.weight) for a in pool.arcs if a.donor != a.recipient]
    arcs += [(p, n, 0.0) for p in range(1, n_pairs + 1) for n in range(n_pairs + 1, len(numbers) + 1)]
    facts = {
        "FILE NAME": path.name,
        "TITLE": f"Kidney Matching - {n_pairs} with {len(pool.ndds)}",
        "DESCRIPTION": " ".join(pool.note.split()),
        "DATA TYPE": "wmd",
        "MODIFICATION TYPE": "synthetic" if pool.is_simulated else "original",
        "RELATES TO": "",
        "RELATED FILES": path.with_suffix(".dat").name if _fills_a_dat(pool) else "",
        "NUMBER ALTERNATIVES": str(len(numbers)),
        "NUMBER EDGES": str(len(arcs)),
        **{
            f"ALTERNATIVE NAME {n}": f"{'Pair' if n <= n_pairs else 'Alturist'} {n}" for n in numbers.values()
        },
    }
    lines = [f"# {key}: {value}" for key, value in facts.items()]
    lines += [f"{donor},{recipient},{float(weight)!r}" for donor, recipient, weight in arcs]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    if _fills_a_dat(pool):
        out_degrees = Counter(donor for donor, _, _ in arcs)
        dat = [_DAT_HEADER]
        for n, pair in enumerate(pool.pairs, 1):
            dat.append(
                f"{n},{pair.patient_blood_group},{pair.donor_blood_group},0,{pair.cpra},{out_degrees[n]},0"
            )
        for n, ndd in enumerate(pool.ndds, n_pairs + 1):
            dat.append(f"{n},{ndd.blood_group},{ndd.blood_group},0,0.0,{out_degrees[n]},1")
        path.with_suffix(".dat").write_text("\n".join(dat) + "\n", encoding="utf-8", newline="")


def _fills_a_dat(pool: Pool) -> bool:
    facts = [fact for p in pool.pairs for fact in (p.patient_blood_group, p.donor_blood_group, p.cpra)]
    facts += [ndd.blood_group for ndd in pool.ndds]
    return bool(facts) and None not in facts


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


def _read_arcs(
    path: Path,
    lines: list[str],
    header: _Header,
    names: dict[int, str],
    rows: PoolRows,
    complaints: Complaints,
) -> None:
    rows.begin_lines(Part.ARCS, path)
    given = 0
    for line, text in enumerate(lines[header.first_arc :], start=header.first_arc + 1):
        if not text.strip():
            continue
        given += 1
        try:
            fields = fields_of(path, line, text.split(","), 3, "an arc")
            donor = _end(path, line, fields[0], "donor", header, names)
            recipient = _end(path, line, fields[1], "recipient", header, names)
            weight = number(path, line, fields[2], "the weight")
        except BadPool as error:
            rows.leave_out(error)
            continue
        if recipient.startswith("P"):
            rows.add_arc(line, Arc(donor=donor, recipient=recipient, weight=weight))
    if given != header.n_arcs:
        text = f"the header announces {header.n_arcs} arcs, but {given} are given"
        complaints.add(bad_line(path, len(lines), text), rows=0)


def _end(path: Path, line: int, text: str, meaning: str, header: _Header, names: dict[int, str]) -> str:
    """Return the id of one end of an arc."""
    index = whole_number(path, line, text, f"the {meaning}")
    last = len(names) - 1 + header.base
    if not header.base <= index <= last:
        raise bad_line(
            path, line, f"{meaning} {index} does not exist; they are numbered {header.base} to {last}"
        )
    return names[index - header.base + 1]


def _read_dat(path: Path, labels: dict[int, str], complaints: Complaints) -> dict[int, _Member]:
    reader = csv.DictReader(io.StringIO(file_text(path), newline=""))
    missing = [c for c in _DAT_COLUMNS if c not in (reader.fieldnames or ())]
    if missing:
        raise bad_line(
            path, 1, f"the column {missing[0]} is missing; a .dat file has {', '.join(_DAT_COLUMNS)}"
        )
    members: dict[int, _Member] = {}
    given = 0
    for row in reader:
        line = reader.line_num
        given += 1
        try:
            n = whole_number(path, line, row["Pair"] or "", "Pair")
            if n not in labels or n in members:
                raise bad_line(
                    path, line, f"number {n} is given twice or is not among the names of the .wmd file"
                )
            members[n] = _Member(
                line=line,
                patient=_blood_group(path, line, row["Patient"] or ""),
                donor=_blood_group(path, line, row["Donor"] or ""),
                cpra=_fraction(path, line, row["%Pra"] or ""),
                is_ndd=(row["Altruist"] or "").strip() == "1",
            )
        except BadPool as error:
            complaints.add(error)
    if given < len(labels):
        complaints.add(bad_line(path, reader.line_num, f"describes {given} of {len(labels)} names"), rows=0)
    return members


def _fraction(path: Path, line: int, text: str) -> float:
    value = number(path, line, text, "%Pra")
    if not 0 <= value <= 1:
        raise bad_line(path, line, f"%Pra should be a fraction between 0 and 1, not {text.strip()}")
    return value


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
