"""Read and write ``pool.json``, the pool file that loses nothing.

``pool.json`` stands alone: it carries the attributes that its profiles use. Its keys:

- ``format``, ``format_version``: ``"equipoise-pool"``, 2 (version 1, without what is marked "2" below, is read)
- ``source``, ``simulated``, ``note``: where the pool came from, whether a generator drew its people, and what a
  reader of results must know
- ``attributes``: as in a design file (``kind`` categorical with ``levels``, or numeric with its range)
- ``pairs``: ``id``, ``patient_blood_group``, ``donor_blood_group`` (O, A, B, AB or null), ``cpra`` in [0, 1] or
  null, ``profile`` with ``name`` and ``values`` (attribute -> value) or null; where it applies, ``compatible``:
  true (2: the pair has an arc to itself), and ``donors``: the ids of several willing donors (2)
- ``ndds``: ``id``, ``blood_group``
- ``arc_columns``: the meaning of what stands in ``arcs``: ``donor``, ``recipient``, ``weight``,
  ``success_probability`` and, where any arc has one, ``giver`` (2: which of the pair's donors; empty if not said)
- ``arcs``: one row per arc

The same pool always gives the same bytes: one line per attribute, pair, non-directed donor and arc. Other layouts
of the same document are read as well, if slower.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StrictBool, StrictFloat, StrictInt, StrictStr, ValidationError

from exchange.errors import BadPool
from exchange.formats.json_places import JsonPlaces
from exchange.formats.pool_rows import PoolRows
from exchange.formats.text_rows import Complaints, file_text, place_text
from exchange.pool import Arc, BloodGroup, NonDirectedDonor, Pair, Pool
from exchange.pool_problems import Part
from survey.design import Attribute, Profile, make_profile
from survey.design_file import attribute_records, attributes_from_records
from survey.errors import BadDesign, BadProfile

FORMAT = "equipoise-pool"
_ARC_COLUMNS = ("donor", "recipient", "weight", "success_probability")
_ARC_COLUMNS_WITH_GIVER = (*_ARC_COLUMNS, "giver")
_ARCS_BEGIN = '\n"arcs": [\n'
_ARCS_END = "\n]\n}\n"
_CHUNK = 1 << 21
"""Characters of arcs that are parsed at once: a long file is never held as one nested list."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Profile(_Table):
    name: str = ""
    values: dict[str, StrictStr | StrictInt | StrictFloat]


class _Pair(_Table):
    id: str
    patient_blood_group: BloodGroup | None = None
    donor_blood_group: BloodGroup | None = None
    cpra: StrictFloat | None = None
    profile: _Profile | None = None
    compatible: StrictBool = False
    donors: tuple[str, ...] = ()


class _Ndd(_Table):
    id: str
    blood_group: BloodGroup | None = None


class _Frame(_Table):
    """The document without a look into its rows."""

    format: Literal["equipoise-pool"]
    format_version: Literal[1, 2]
    source: str
    simulated: StrictBool
    note: str = ""
    attributes: list[dict[str, Any]] = []
    pairs: list[Any]
    ndds: list[Any] = []
    arc_columns: Annotated[tuple[str, ...], "one of the two below"]
    arcs: list[Any]


_Row = TypeVar("_Row", _Pair, _Ndd)


def read_pool_json(path: Path, complaints: Complaints) -> Pool:
    """Read a ``pool.json``; see :func:`parse_pool`."""
    return parse_pool(file_text(path), str(path), complaints)


def parse_pool(text: str, where: str, complaints: Complaints | None = None) -> Pool:
    """Return the pool that the text of a ``pool.json`` describes; ``where`` names it in complaints.

    Forgiving complaints leave out pairs, non-directed donors and arcs, never a broken frame.

    Raises
    ------
    BadPool
        Not JSON, not a pool, or rows that cannot be read; the message names line and place.
    """
    complaints = Complaints() if complaints is None else complaints
    places = _Places(text, where)
    head, arcs_at = _head(text)
    document = _document(text if head is None else head, where)
    frame = _frame(document, where)
    has_giver = len(frame.arc_columns) == len(_ARC_COLUMNS_WITH_GIVER)
    attributes = _attributes(frame, where)
    # Arcs first: from here on the whole text is known to be JSON, so that every place in it can be found.
    reader = _ArcReader(has_giver=has_giver)
    if head is None or not reader.read_lines(text, arcs_at):
        # Any other layout: the whole document at once.
        everything = frame.arcs if head is None else _frame(_document(text, where), where).arcs
        reader = _ArcReader(has_giver=has_giver)
        reader.read_rows(everything)
    rows = PoolRows(complaints)
    rows.begin(Part.PAIRS, lambda i: places.of("pairs", i))
    rows.begin(Part.NDDS, lambda i: places.of("ndds", i))
    rows.begin(Part.ARCS, lambda i: places.of("arcs", i))
    for i, record in enumerate(frame.pairs):
        _add_pair(rows, i, record, attributes, places)
    for i, record in enumerate(frame.ndds):
        ndd = _checked(_Ndd, rows, "ndds", i, record, places)
        if ndd is not None:
            rows.add_ndd(i, NonDirectedDonor(id=ndd.id, blood_group=ndd.blood_group))
    for i, complaint in reader.bad:
        rows.leave_out(BadPool(f"{places.of('arcs', i)}: {complaint}"))
    rows.add_arcs(reader.numbers, reader.arcs)
    return rows.pool(
        source=frame.source, attributes=attributes, is_simulated=frame.simulated, note=frame.note
    )


def pool_text(pool: Pool) -> str:
    """Return the text of ``pool.json``: one line per attribute, pair, non-directed donor and arc."""
    with_giver = any(arc.giver for arc in pool.arcs)
    parts = [
        f'"format": "{FORMAT}"',
        '"format_version": 2',
        f'"source": {_json(pool.source)}',
        f'"simulated": {_json(pool.is_simulated)}',
        f'"note": {_json(pool.note)}',
        f'"attributes": {_lines(map(_json, attribute_records(pool.attributes)))}',
        f'"pairs": {_lines(_json(_pair_table(p)) for p in pool.pairs)}',
        f'"ndds": {_lines(_json({"id": d.id, "blood_group": d.blood_group}) for d in pool.ndds)}',
        f'"arc_columns": {_json(_ARC_COLUMNS_WITH_GIVER if with_giver else _ARC_COLUMNS)}',
        f'"arcs": {_lines(_arc_texts(pool.arcs, with_giver=with_giver))}',
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


class _Places:
    """Says where a row stands: file, line and entry."""

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where
        self._places: JsonPlaces | None = None

    def of(self, key: str, index: int, *inside: str | int) -> str:
        self._places = JsonPlaces(self._text) if self._places is None else self._places
        return f"{self._where}:{self._places.line(key, index)}: {place_text((key, index, *inside))}"


def _head(text: str) -> tuple[str | None, int]:
    """Return the document without its arcs, and where those begin; None for a layout that is not ours.

    A line break cannot stand within a JSON string, so what is found is the key of a list.
    """
    at = text.find(_ARCS_BEGIN)
    if at < 0 or not text.endswith(_ARCS_END):
        return None, 0
    head = text[:at] + '\n"arcs": []}'
    try:
        json.loads(head)
    except ValueError:  # The key belongs to something nested, or the document is broken: read it as a whole.
        return None, 0
    return head, at + len(_ARCS_BEGIN)


def _document(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadPool(f"{where}:{error.lineno}: not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # A number of thousands of digits, or lists nested as deep.
        raise BadPool(f"{where}: not JSON that can be read: {error}") from None


def _frame(document: object, where: str) -> _Frame:
    if not isinstance(document, dict):
        raise BadPool(
            f"{where}: holds no JSON object {{...}}; see 'equipoise exchange convert --help' for what is read"
        )
    try:
        frame = _Frame.model_validate(document)
    except ValidationError as error:
        texts = "; ".join(f"{place_text(e['loc'])}: {e['msg'].lower()}" for e in error.errors())
        raise BadPool(f"{where}: {texts}; see 'equipoise exchange convert --help' for what is read") from None
    if frame.arc_columns not in (_ARC_COLUMNS, _ARC_COLUMNS_WITH_GIVER):
        raise BadPool(f"{where}: arc_columns: should be {', '.join(_ARC_COLUMNS)} and, if need be, giver")
    return frame


def _attributes(frame: _Frame, where: str) -> tuple[Attribute, ...]:
    try:
        return attributes_from_records(frame.attributes) if frame.attributes else ()
    except BadDesign as error:
        raise BadPool(f"{where}: {'; '.join(error.complaints)}") from None


def _add_pair(
    rows: PoolRows, i: int, record: object, attributes: tuple[Attribute, ...], places: _Places
) -> None:
    table = _checked(_Pair, rows, "pairs", i, record, places)
    if table is None:
        return
    try:
        profile = None if table.profile is None else _profile(table.profile, attributes)
    except BadProfile as error:
        rows.leave_out(BadPool(f"{places.of('pairs', i, 'profile')}: {error}"), table.id)
        return
    pair = Pair(
        id=table.id,
        patient_blood_group=table.patient_blood_group,
        donor_blood_group=table.donor_blood_group,
        cpra=table.cpra,
        profile=profile,
        is_compatible=table.compatible,
        donors=table.donors,
    )
    rows.add_pair(i, pair)


def _profile(table: _Profile, attributes: tuple[Attribute, ...]) -> Profile:
    return make_profile(attributes, table.values, name=table.name)


def _checked(
    kind: type[_Row], rows: PoolRows, key: str, i: int, record: object, places: _Places
) -> _Row | None:
    """Return a row as a checked table, or None after a complaint about it."""
    try:
        return kind.model_validate(record)
    except ValidationError as error:
        first, *others = error.errors()
        texts = [f"{places.of(key, i, *first['loc'])}: {first['msg'].lower()}"]
        texts += [f"{place_text(e['loc'])}: {e['msg'].lower()}" for e in others]
        member_id = record.get("id") if isinstance(record, dict) else None
        rows.leave_out(BadPool("; ".join(texts)), member_id if isinstance(member_id, str) else None)
        return None


class _ArcReader:
    """Turns rows of the list ``arcs`` into arcs, a million in seconds."""

    def __init__(self, *, has_giver: bool) -> None:
        self.arcs: list[Arc] = []
        self.numbers: list[int] = []
        self.bad: list[tuple[int, str]] = []
        self._has_giver = has_giver
        self._ids: dict[str, str] = {}
        """A million rows name a few thousand members: one text each."""

    def read_lines(self, text: str, start: int) -> bool:
        """Read the rows from ``start`` on, one on each line; return False if they stand otherwise."""
        end = len(text) - len(_ARCS_END)
        number = 0
        while start < end:
            stop = text.find("\n", min(start + _CHUNK, end), end)
            stop = end if stop < 0 else stop
            lines = text[start:stop]
            is_last = stop == end
            if lines.endswith(",") == is_last:
                return False
            try:
                rows = json.loads(f"[{lines if is_last else lines[:-1]}]", parse_float=_shared_float)
            except ValueError:
                return False
            if len(rows) != lines.count("\n") + 1:
                return False
            self.read_rows(rows, number)
            number += len(rows)
            start = stop + 1
        return True

    def read_rows(self, rows: Iterable[Any], first: int = 0) -> None:
        """Read rows, the first of which is entry ``first`` of the list."""
        ids, arcs, numbers = self._ids, self.arcs, self.numbers
        giver = ""
        for number, row in enumerate(rows, first):
            try:
                if self._has_giver:
                    donor, recipient, weight, success, giver = row
                else:
                    donor, recipient, weight, success = row
                if (
                    type(row) is not list
                    or type(donor) is not str
                    or type(recipient) is not str
                    or type(weight) not in (float, int)
                    or type(success) not in (float, int)
                    or type(giver) is not str
                ):
                    raise TypeError
                arc = Arc(
                    donor=ids.setdefault(donor, donor),
                    recipient=ids.setdefault(recipient, recipient),
                    weight=float(weight),
                    success_probability=float(success),
                    giver=giver,
                )
            except (TypeError, ValueError, OverflowError):
                columns = _ARC_COLUMNS_WITH_GIVER if self._has_giver else _ARC_COLUMNS
                self.bad.append((number, f"should be [{', '.join(columns)}], not {_shortened(row)}"))
            else:
                arcs.append(arc)
                numbers.append(number)


_shared_float = lru_cache(maxsize=1024)(float)
"""Few different numbers among millions: one object each."""


def _shortened(value: object, most: int = 80) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else text[:most] + "..."


def _arc_texts(arcs: Sequence[Arc], *, with_giver: bool) -> Iterable[str]:
    text_of = lru_cache(maxsize=None)(_json)
    number_of = lru_cache(maxsize=1024)(lambda value: float.__repr__(float(value)))
    for arc in arcs:
        text = (
            f"[{text_of(arc.donor)}, {text_of(arc.recipient)}, "
            f"{number_of(arc.weight)}, {number_of(arc.success_probability)}"
        )
        yield f"{text}, {text_of(arc.giver)}]" if with_giver else f"{text}]"


def _pair_table(pair: Pair) -> dict[str, Any]:
    profile = pair.profile
    table: dict[str, Any] = {
        "id": pair.id,
        "patient_blood_group": pair.patient_blood_group,
        "donor_blood_group": pair.donor_blood_group,
        "cpra": pair.cpra,
        "profile": None if profile is None else {"name": profile.name, "values": profile.as_dict()},
    }
    if pair.is_compatible:
        table["compatible"] = True
    if pair.donors:
        table["donors"] = list(pair.donors)
    return table


def _lines(rows: Iterable[str]) -> str:
    text = ",\n".join(rows)
    return f"[\n{text}\n]" if text else "[]"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
