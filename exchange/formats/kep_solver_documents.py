"""Bring kep_solver-style files to one shape: JSON, XML or YAML, plain or packed as ``.gz`` or ``.xz``.

Four layouts of the same facts are in use. All call a patient "recipient" and list, per donor, whom the donor is
willing to give for, and which recipients the donor's kidney could go to with which score:

========  ==================  ========================================  =====================  ===================
          donors              the donor's own patient; matches          blood group            cPRA
========  ==================  ========================================  =====================  ===================
JSON 1    ``data``            ``sources``; ``matches`` (``recipient``)  ``bloodtype`` or       ``pra``, a fraction
                                                                        ``bloodgroup``
JSON 2/3  ``donors``          ``paired_recipients``;                    ``bloodtype``          ``cPRA`` in percent
                              ``outgoing_transplants``
YAML      ``donors``          ``recipients``; ``matches``               ``bloodtype``,         ``pra``, a fraction
                              (``recipient_id``)                        ``bloodgroup``
XML       ``<entry>``         ``<sources>``; ``<matches>``              ``<bloodgroup>``       not held
========  ==================  ========================================  =====================  ===================

Keys that no pool can hold (ages, waiting times, arrivals, laboratory crossmatches, ...) are passed over.
"""

from __future__ import annotations

import gzip
import json
import lzma
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from exchange.errors import BadPool
from exchange.formats.kep_solver_markup import Place, parse_xml, parse_yaml
from exchange.formats.text_rows import Complaints, bad_line, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """What a layout calls things."""

    donors: str
    sources: str
    matches: str
    match_recipient: str
    cpra: str
    cpra_scale: float
    """What a cPRA of 1 is written as."""
    lists_every_recipient: bool
    """Whether a recipient who is missing in the table of recipients is an error."""


JSON_1 = Spelling(
    donors="data",
    sources="sources",
    matches="matches",
    match_recipient="recipient",
    cpra="pra",
    cpra_scale=1,
    lists_every_recipient=False,
)
JSON_2 = Spelling(
    donors="donors",
    sources="paired_recipients",
    matches="outgoing_transplants",
    match_recipient="recipient",
    cpra="cPRA",
    cpra_scale=100,
    lists_every_recipient=True,
)
YAML_1 = Spelling(
    donors="donors",
    sources="recipients",
    matches="matches",
    match_recipient="recipient_id",
    cpra="pra",
    cpra_scale=1,
    lists_every_recipient=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KepDocument:
    """A file's contents as nested mappings and lists, unchecked, and where everything stands in it."""

    path: Path
    spelling: Spelling
    donors: Mapping[str, Any]
    """Donor id -> entry."""
    recipients: Mapping[str, Any]
    """Recipient id -> entry; empty where the file has no such table."""
    lines: Mapping[Place, int] = field(default_factory=lambda: MappingProxyType({}))
    """Line of every value, counted from 1; empty for JSON, whose parser does not tell."""

    def problem(self, place: Place, text: str) -> BadPool:
        """Return the error for a place, named by its line or, for JSON, by its path; entries count from 1."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.lines:
                return bad_line(self.path, self.lines[place[:length]], text)
        return BadPool(f"{self.path}: {_path_text(place)}: {text}")


def read_document(path: Path, complaints: Complaints) -> KepDocument:
    """Read and parse a file by its suffix, ``.gz`` and ``.xz`` apart; what its entries say is not looked at yet.

    Raises
    ------
    BadPool
        A file that cannot be unpacked or parsed, or that has no donors at all; the message names file and line.
    OSError
        The file cannot be opened.
    """
    name, data = _unpacked(path)
    if name.endswith(".json"):
        return _json_document(path, text_of(data, path))
    if name.endswith(".xml"):
        entries, lines = parse_xml(path, data, complaints)
        return KepDocument(path=path, spelling=JSON_1, donors=entries, recipients={}, lines=lines)
    if name.endswith((".yaml", ".yml")):
        return _yaml_document(path, text_of(data, path))
    raise BadPool(
        f"{path}: unknown kind of kep_solver file; its name should end in .json, .xml, .yaml or .yml, "
        "with or without .gz or .xz after it"
    )


def _unpacked(path: Path) -> tuple[str, bytes]:
    """Return the name without the packing's suffix, and the unpacked contents."""
    data = path.read_bytes()
    if path.suffix not in (".gz", ".xz"):
        return path.name, data
    try:
        return path.stem, gzip.decompress(data) if path.suffix == ".gz" else lzma.decompress(data)
    except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise BadPool(f"{path}: cannot be unpacked ({error}); is it a complete {path.suffix} file?") from None


def _path_text(place: Place) -> str:
    """Return a place as in ``data["12"].matches[4]``, where the ids of donors and recipients are quoted."""
    text = ""
    for depth, part in enumerate(place):
        if isinstance(part, int):
            text += f"[{part + 1}]"
        elif depth == 1:
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
        else:
            text += f".{part}" if text else part
    return text


def _tables(path: Path, document: Any, spelling: Spelling) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the tables of donors and of recipients."""
    recipients = document.get("recipients")
    tables = {
        spelling.donors: document[spelling.donors],
        "recipients": {} if recipients is None else recipients,
    }
    for key, table in tables.items():
        if not isinstance(table, Mapping):
            raise BadPool(f"{path}: {key} should hold an entry per id, not {type(table).__name__}")
    return tables[spelling.donors], tables["recipients"]


def _json_document(path: Path, text: str) -> KepDocument:
    def unique(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            twice = next(key for key, times in Counter(key for key, _ in items).items() if times > 1)
            raise BadPool(f"{path}: the key {json.dumps(twice)} is given twice in one object; remove one")
        return found

    try:
        document = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise bad_line(path, error.lineno, f"not valid JSON: {error.msg}") from None
    except ValueError as error:
        raise BadPool(f"{path}: holds a number that cannot be read ({error})") from None
    except RecursionError:
        raise BadPool(f"{path}: nested too deeply for a kep_solver file") from None
    if isinstance(document, dict) and "data" in document:
        spelling = JSON_1
    elif isinstance(document, dict) and "donors" in document:
        spelling = JSON_2
        schema = document.get("schema")
        if schema not in (2, 3):
            raise BadPool(
                f"{path}: schema {json.dumps(schema)} is not known; with 'donors' it should be 2 or 3"
            )
    else:
        raise BadPool(f"{path}: has neither 'data' nor 'donors'; is it a pool for kep_solver?")
    donors, recipients = _tables(path, document, spelling)
    return KepDocument(path=path, spelling=spelling, donors=donors, recipients=recipients)


def _yaml_document(path: Path, text: str) -> KepDocument:
    document, lines = parse_yaml(path, text)
    if not isinstance(document, dict) or "donors" not in document:
        raise BadPool(f"{path}: has no 'donors'; is it a pool for kep_solver?")
    if document.get("schema") != 1:
        raise BadPool(f"{path}: schema {document.get('schema')!r} is not known; YAML files have schema 1")
    donors, recipients = _tables(path, document, YAML_1)
    return KepDocument(path=path, spelling=YAML_1, donors=donors, recipients=recipients, lines=lines)
