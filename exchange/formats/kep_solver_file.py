"""Read and write the pools of kep_solver; see ``exchange.formats.kep_solver_documents`` for the layouts.

- Ids are the file's own: a pair is called after its recipient, a non-directed donor after the donor. Where one
  of them would then carry a recipient's id, all non-directed donors get an N in front.
- A donor with no recipient of their own is non-directed, whether the file says ``altruistic`` or nothing.
- Donors of one recipient become one pair, whose arcs are those of all its donors. Where several could give to the
  same recipient, the greatest score counts, then the order in the file. The pair's donor blood group is the
  one that all its donors have.
- A donor who matches the own recipient makes the pair compatible: as for kep_solver, a cycle of one pair.
- A recipient for whom nobody would give is no part of an exchange. That, and a match to such a recipient, is
  complained of.
"""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from exchange.errors import BadRequest
from exchange.formats.kep_solver_documents import KepDocument, read_document
from exchange.formats.kep_solver_entries import KepDonor, read_donors, read_matches, recipient_facts
from exchange.formats.text_rows import Complaints
from exchange.pool import Arc, BloodGroup, NonDirectedDonor, Pair, Pool


def read_kep_solver(path: Path, complaints: Complaints) -> Pool:
    """Read a pool in one of kep_solver's layouts: JSON, XML or YAML, plain, ``.gz`` or ``.xz``.

    A donor or match that does not fit is left out; of a blood group or cPRA that does not fit, only that value.

    Raises
    ------
    BadPool
        A file that cannot be parsed; or, unless ``complaints`` is forgiving, anything in it that does not fit. The
        message names file and place: the line in XML and YAML, the path (entries count from 1) in JSON.
    OSError
        The file cannot be opened.
    """
    document = read_document(path, complaints)
    donors = read_donors(document, complaints)
    givers: dict[str, list[KepDonor]] = {}
    for donor in donors:
        if donor.recipient is not None:
            givers.setdefault(donor.recipient, []).append(donor)
    ndds = [donor for donor in donors if donor.recipient is None]
    prefix = ""
    while any(prefix + donor.id in givers for donor in ndds):
        prefix += "N"
    arcs: list[Arc] = []
    pairs: list[Pair] = []
    for recipient, own in givers.items():
        given = _pair_arcs(document, recipient, own, givers, complaints)
        is_compatible = any(arc.recipient == recipient for arc in given)
        pairs.append(_pair(document, recipient, own, complaints, is_compatible=is_compatible))
        arcs += given
    for donor in ndds:
        for match_recipient, score in read_matches(document, donor, givers, complaints).items():
            arcs.append(Arc(donor=prefix + donor.id, recipient=match_recipient, weight=score))
    for recipient in document.recipients:
        if recipient not in givers:
            place = ("recipients", recipient)
            text = f"no donor of this file would give for recipient {recipient}, who so takes part in no exchange"
            complaints.add(document.problem(place, text))
    complaints.settle()
    return Pool(
        pairs=tuple(pairs),
        ndds=tuple(NonDirectedDonor(id=prefix + d.id, blood_group=d.blood_group) for d in ndds),
        arcs=tuple(arcs),
        source=str(path),
    )


def _pair(
    document: KepDocument, recipient: str, own: list[KepDonor], complaints: Complaints, *, is_compatible: bool
) -> Pair:
    groups = {donor.blood_group for donor in own}
    blood_group, cpra = recipient_facts(document, recipient, complaints)
    return Pair(
        id=recipient,
        patient_blood_group=blood_group,
        donor_blood_group=groups.pop() if len(groups) == 1 else None,
        cpra=cpra,
        is_compatible=is_compatible,
        donors=tuple(donor.id for donor in own) if len(own) > 1 else (),
    )


def _pair_arcs(
    document: KepDocument,
    recipient: str,
    own: list[KepDonor],
    known: Mapping[str, object],
    complaints: Complaints,
) -> list[Arc]:
    """Return the arcs of a pair: those of all its donors together."""
    if len(own) == 1:
        given = read_matches(document, own[0], known, complaints)
        return [Arc(donor=recipient, recipient=r, weight=score) for r, score in given.items()]
    best: dict[str, tuple[float, str]] = {}
    for donor in own:
        for match_recipient, score in read_matches(document, donor, known, complaints).items():
            if match_recipient not in best or score > best[match_recipient][0]:
                best[match_recipient] = (score, donor.id)
    return [Arc(donor=recipient, recipient=r, weight=w, giver=giver) for r, (w, giver) in best.items()]


def write_kep_solver(pool: Pool, path: Path) -> None:
    """Write a pool as kep_solver's JSON 1, with the table of recipients for blood groups and cPRA.

    A pair that names no donors gets one donor with the pair's own id (or one made from it, should somebody else
    have that). An arc of a pair with several donors that does not say who gives is given to the first of them.
    The same pool gives the same bytes, also packed (``.json.gz``, ``.json.xz``).

    Lost: profiles and attributes, success probabilities, source, note, whether the pool is simulated, the name of a
    pair's only donor, and of several donors the blood groups (each gets the pair's). Ages are not written;
    kep_solver reads files without them.

    Raises
    ------
    BadRequest
        Another kind of file name, or two donors with the same id.
    """
    packers: Mapping[str, Callable[[bytes], bytes]] = {
        ".json": bytes,
        ".json.gz": lambda data: gzip.compress(data, mtime=0),
        ".json.xz": lzma.compress,
    }
    pack = next((pack for suffix, pack in packers.items() if path.name.endswith(suffix)), None)
    if pack is None:
        raise BadRequest(f"{path}: kep_solver pools are written as {', '.join(packers)}; choose such a name")
    path.write_bytes(pack(_text(pool).encode("utf-8")))


def _text(pool: Pool) -> str:
    donors_of = _donor_ids(pool)
    matches: dict[str, list[dict[str, Any]]] = {d: [] for own in donors_of.values() for d in own}
    matches |= {ndd.id: [] for ndd in pool.ndds}
    for arc in pool.arcs:
        own = donors_of.get(arc.donor, (arc.donor,))
        giver = arc.giver if arc.giver and len(own) > 1 else own[0]
        matches[giver].append({"recipient": arc.recipient, "score": arc.weight})
    donors: dict[str, dict[str, Any]] = {}
    for pair in pool.pairs:
        for donor_id in donors_of[pair.id]:
            donors[donor_id] = {"sources": [pair.id]} | _given(bloodtype=pair.donor_blood_group)
    for ndd in pool.ndds:
        donors[ndd.id] = {"altruistic": True} | _given(bloodtype=ndd.blood_group)
    entries = ((donor_id, entry | {"matches": matches[donor_id]}) for donor_id, entry in donors.items())
    recipients = ((p.id, _given(bloodgroup=p.patient_blood_group, pra=p.cpra)) for p in pool.pairs)
    return f'{{"data": {_lines(entries)},\n"recipients": {_lines(recipients)}}}\n'


def _donor_ids(pool: Pool) -> dict[str, tuple[str, ...]]:
    """Return pair id -> ids of its donors; no two donors of the file have the same id."""
    taken = {ndd.id for ndd in pool.ndds}
    for pair in pool.pairs:
        for donor_id in pair.donors:
            if donor_id in taken:
                raise BadRequest(
                    f"{pool.source}: two donors have the id '{donor_id}' (one of pair '{pair.id}'); kep_solver "
                    "tells donors apart by their ids, so rename one"
                )
            taken.add(donor_id)
    found = {}
    for pair in pool.pairs:
        own = pair.donors
        if not own:
            name = pair.id
            while name in taken:
                name += "-donor"
            taken.add(name)
            own = (name,)
        found[pair.id] = own
    return found


def _given(**facts: BloodGroup | float | None) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if value is not None}


def _lines(entries: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Return a JSON object with a line per entry."""
    rows = [
        f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(entry, ensure_ascii=False)}"
        for key, entry in entries
    ]
    return "{" + ",".join(f"\n{row}" for row in rows) + "\n}"
