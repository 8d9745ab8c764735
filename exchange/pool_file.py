"""Read and write ``pool.json``; read any pool file by its suffix.

``pool.json`` stands alone: it carries the attributes that its profiles use. Its keys:

- ``format``, ``format_version``: ``"equipoise-pool"``, 1
- ``source``, ``simulated``, ``note``: where the pool came from, whether a generator drew its people, and what a
  reader of results must know
- ``attributes``: as in a design file (``kind`` categorical with ``levels``, or numeric with its range)
- ``pairs``: ``id``, ``patient_blood_group``, ``donor_blood_group`` (O, A, B, AB or null), ``cpra`` in [0, 1] or
  null, ``profile`` with ``name`` and ``values`` (attribute -> value) or null
- ``ndds``: ``id``, ``blood_group``
- ``arc_columns``: the meaning of the numbers in ``arcs``; ``arcs``: one row per arc

The same pool always gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from exchange.errors import BadPool
from exchange.kidney_solver_file import read_kidney_solver
from exchange.pool import Arc, BloodGroup, NonDirectedDonor, Pair, Pool
from exchange.preflib_file import read_bpmdd, read_wmd
from exchange.text_rows import place_text
from survey.design import Attribute, Profile, make_profile
from survey.design_file import attribute_records, attributes_from_records
from survey.errors import BadDesign, BadProfile

_ARC_COLUMNS = ("donor", "recipient", "weight", "success_probability")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Profile(_Table):
    name: str = ""
    values: dict[str, str | int | float]


class _Pair(_Table):
    id: str
    patient_blood_group: BloodGroup | None = None
    donor_blood_group: BloodGroup | None = None
    cpra: float | None = None
    profile: _Profile | None = None


class _Ndd(_Table):
    id: str
    blood_group: BloodGroup | None = None


class _Pool(_Table):
    format: Literal["equipoise-pool"]
    format_version: Literal[1]
    source: str
    simulated: bool
    note: str = ""
    attributes: list[dict[str, Any]] = []
    pairs: list[_Pair]
    ndds: list[_Ndd] = []
    arc_columns: tuple[
        Literal["donor"], Literal["recipient"], Literal["weight"], Literal["success_probability"]
    ]
    arcs: list[tuple[str, str, float, float]]


def read_pool(path: Path) -> Pool:
    """Read a pool file: ``.json`` (ours), ``.wmd`` (PrefLib), ``.txt``/``.txt.gz`` (BPMDD), ``.input``.

    Raises
    ------
    BadPool
        The file is missing, of an unknown kind or malformed; the message names file and place.
    """
    readers: dict[str, Callable[[Path], Pool]] = {
        ".json": _read_json,
        ".wmd": read_wmd,
        ".txt": read_bpmdd,
        ".txt.gz": read_bpmdd,
        ".input": read_kidney_solver,
    }
    for suffix, reader in readers.items():
        if path.name.endswith(suffix):
            try:
                return reader(path)
            except UnicodeDecodeError:
                raise BadPool(f"{path}: not UTF-8 text; save it as UTF-8") from None
            except OSError as error:
                reason = error.strerror or str(error)
                raise BadPool(f"{path}: {reason}; name an existing pool file") from None
    raise BadPool(f"{path}: unknown kind of pool file; its name should end in one of {', '.join(readers)}")


def write_pool(pool: Pool, path: Path) -> None:
    """Write ``pool.json``."""
    path.write_text(pool_text(pool), encoding="utf-8")


def pool_text(pool: Pool) -> str:
    """Return the text of ``pool.json``: one line per attribute, pair, non-directed donor and arc."""
    parts = [
        '"format": "equipoise-pool"',
        '"format_version": 1',
        f'"source": {_json(pool.source)}',
        f'"simulated": {_json(pool.is_simulated)}',
        f'"note": {_json(pool.note)}',
        f'"attributes": {_lines(attribute_records(pool.attributes))}',
        f'"pairs": {_lines([_pair_table(p) for p in pool.pairs])}',
        f'"ndds": {_lines([{"id": d.id, "blood_group": d.blood_group} for d in pool.ndds])}',
        f'"arc_columns": {_json(_ARC_COLUMNS)}',
        f'"arcs": {_lines([[a.donor, a.recipient, a.weight, a.success_probability] for a in pool.arcs])}',
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def parse_pool(text: str, where: str) -> Pool:
    """Return the pool that the text of a ``pool.json`` describes; ``where`` names it in complaints."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadPool(f"{where}:{error.lineno}: not valid JSON: {error.msg}") from None
    try:
        table = _Pool.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = place_text(first["loc"])
        raise BadPool(
            f"{where}: {place}: {first['msg'].lower()}; see 'equipoise exchange convert --help' for what is read"
        ) from None
    try:
        attributes = attributes_from_records(table.attributes) if table.attributes else ()
    except BadDesign as error:
        raise BadPool(f"{where}: {'; '.join(error.complaints)}") from None
    try:
        return Pool(
            pairs=tuple(_pair(p, attributes, f"{where}: pairs[{i}]") for i, p in enumerate(table.pairs, 1)),
            ndds=tuple(NonDirectedDonor(id=d.id, blood_group=d.blood_group) for d in table.ndds),
            arcs=tuple(
                Arc(donor=donor, recipient=recipient, weight=weight, success_probability=success)
                for donor, recipient, weight, success in table.arcs
            ),
            source=table.source,
            attributes=attributes,
            is_simulated=table.simulated,
            note=table.note,
        )
    except BadPool as error:
        # The pool names itself by its source, which may be another file than the one being read.
        raise error if str(error).startswith(where) else BadPool(f"{where}: {error}") from None


def _read_json(path: Path) -> Pool:
    return parse_pool(path.read_text(encoding="utf-8"), str(path))


def _pair(table: _Pair, attributes: tuple[Attribute, ...], where: str) -> Pair:
    return Pair(
        id=table.id,
        patient_blood_group=table.patient_blood_group,
        donor_blood_group=table.donor_blood_group,
        cpra=table.cpra,
        profile=None if table.profile is None else _profile(table.profile, attributes, where),
    )


def _profile(table: _Profile, attributes: tuple[Attribute, ...], where: str) -> Profile:
    try:
        return make_profile(attributes, table.values, name=table.name)
    except BadProfile as error:
        raise BadPool(f"{where}.profile: {error}") from None


def _pair_table(pair: Pair) -> dict[str, Any]:
    profile = pair.profile
    return {
        "id": pair.id,
        "patient_blood_group": pair.patient_blood_group,
        "donor_blood_group": pair.donor_blood_group,
        "cpra": pair.cpra,
        "profile": None if profile is None else {"name": profile.name, "values": profile.as_dict()},
    }


def _lines(rows: Sequence[object]) -> str:
    return "[\n" + ",\n".join(_json(row) for row in rows) + "\n]" if rows else "[]"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
