"""Parse the YAML and XML files of kep_solver into plain values, with the line of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeAlias
from xml.parsers import expat

from exchange.errors import BadPool
from exchange.formats.text_rows import Complaints, bad_line

Place: TypeAlias = tuple[str | int, ...]
"""Keys and list indices (from 0) that lead to a value, e.g. ``("data", "12", "matches", 3)``."""


# YAML


def parse_yaml(path: Path, text: str) -> tuple[Any, dict[Place, int]]:
    """Return what a YAML text stands for, and the line of every value.

    Raises
    ------
    BadPool
        Not YAML, or YAML that repeats parts by reference.
    """
    import yaml  # Where it is used: most pools are read without it.

    try:
        # The C parser is much the faster, but not in every build of PyYAML.
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        walk = _YamlWalk(path)
        return (None if root is None else walk.value(root, ())), walk.lines
    except yaml.MarkedYAMLError as error:
        line = 1 if error.problem_mark is None else error.problem_mark.line + 1
        raise bad_line(path, line, f"not valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise BadPool(f"{path}: not valid YAML: {error}") from None
    except RecursionError:
        raise BadPool(f"{path}: nested too deeply for a kep_solver file") from None


class _YamlWalk:
    """Turns parsed YAML into mappings, lists and plain values, and notes the line of each."""

    def __init__(self, path: Path) -> None:
        self.lines: dict[Place, int] = {}
        self._path = path
        self._seen: set[int] = set()

    def value(self, node: Any, place: Place) -> Any:
        """Return what the node stands for."""
        line = node.start_mark.line + 1
        self.lines[place] = line
        if node.id == "scalar":
            return _yaml_scalar(node.tag.rpartition(":")[2], node.value)
        if id(node) in self._seen:
            # A file of a few lines could stand for gigabytes otherwise.
            raise bad_line(self._path, line, "repeats a part by reference (&, *); write it out")
        self._seen.add(id(node))
        if node.id == "sequence":
            return [self.value(child, (*place, i)) for i, child in enumerate(node.value)]
        found: dict[str, Any] = {}
        for key_node, child in node.value:
            key_line = key_node.start_mark.line + 1
            if key_node.id != "scalar":
                raise bad_line(self._path, key_line, "a key should be plain text")
            key = str(_yaml_scalar(key_node.tag.rpartition(":")[2], key_node.value))
            if key in found:
                raise bad_line(self._path, key_line, f"the key {key!r} is given twice; remove one")
            found[key] = self.value(child, (*place, key))
            self.lines[*place, key] = key_line
        return found


def _yaml_scalar(tag: str, text: str) -> Any:
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() in ("true", "yes", "on")
    if tag in ("int", "float"):
        # Only plain decimal numbers; YAML's octal, hexadecimal and base-60 ones stay text and are complained of.
        try:
            return int(text) if tag == "int" else float(text)
        except ValueError:
            return text
    return text


# XML


@dataclass(slots=True)
class _Element:
    tag: str
    attributes: Mapping[str, str]
    line: int
    children: list[_Element] = field(default_factory=list)
    text: str = ""

    def child(self, tag: str) -> _Element | None:
        return next((c for c in self.children if c.tag == tag), None)


def parse_xml(
    path: Path, data: bytes, complaints: Complaints
) -> tuple[dict[str, dict[str, Any]], dict[Place, int]]:
    """Return donor id -> entry with the keys and values that JSON 1 would have, and their lines.

    An entry without an id, or with the id of an earlier one, is complained of and left out.

    Raises
    ------
    BadPool
        Not XML, or not ``<data>`` with ``<entry>`` elements.
    """
    root = _xml_root(path, data)
    if root.tag != "data" or any(c.tag != "entry" for c in root.children):
        other = next((c for c in root.children if c.tag != "entry"), root)
        raise bad_line(
            path, other.line, f"<{other.tag}> is not expected; a pool is <data> with <entry> inside"
        )
    lines: dict[Place, int] = {}
    donors: dict[str, dict[str, Any]] = {}
    for entry in root.children:
        donor_id = entry.attributes.get("donor_id", "").strip()
        if not donor_id:
            complaints.add(bad_line(path, entry.line, "the entry has no donor_id; give one"))
        elif donor_id in donors:
            first = lines["data", donor_id]
            text = f"donor {donor_id} was described in line {first}; remove one entry"
            complaints.add(bad_line(path, entry.line, text))
        else:
            place: Place = ("data", donor_id)
            lines[place] = entry.line
            donors[donor_id] = dict(_xml_entry(entry, place, lines))
    return donors, lines


def _xml_entry(entry: _Element, place: Place, lines: dict[Place, int]) -> Iterator[tuple[str, Any]]:
    """Yield an entry's keys and values as JSON would give them."""
    for tag in ("bloodgroup", "bloodtype"):
        if (group := entry.child(tag)) is not None:
            lines[*place, tag] = group.line
            yield tag, group.text.strip()
    if (altruistic := entry.child("altruistic")) is not None:
        lines[*place, "altruistic"] = altruistic.line
        word = altruistic.text.strip()
        yield "altruistic", {"true": True, "false": False}.get(word.lower(), word)
    if (sources := entry.child("sources")) is not None:
        lines[*place, "sources"] = sources.line
        yield "sources", [c.text.strip() for c in sources.children if c.tag == "source"]
    if (matches := entry.child("matches")) is not None:
        found = [c for c in matches.children if c.tag == "match"]
        lines.update({(*place, "matches", i): match.line for i, match in enumerate(found)})
        yield "matches", [dict(_xml_match(match)) for match in found]


def _xml_match(match: _Element) -> Iterator[tuple[str, Any]]:
    if (recipient := match.child("recipient")) is not None:
        yield "recipient", recipient.text.strip()
    if (score := match.child("score")) is not None:
        try:
            yield "score", float(score.text)
        except ValueError:
            yield "score", score.text.strip()


def _xml_root(path: Path, data: bytes) -> _Element:
    """Parse XML. Document types are refused: a few lines of them can stand for gigabytes or name other files."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    outside = _Element("", {}, 0)
    stack = [outside]

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = _Element(tag, attributes, parser.CurrentLineNumber)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def characters(text: str) -> None:
        stack[-1].text += text

    def refuse(*_: object) -> NoReturn:
        raise bad_line(
            path, parser.CurrentLineNumber, "document types (<!DOCTYPE ...>) are not read; remove it"
        )

    handlers: Mapping[str, Callable[..., None]] = {
        "StartElementHandler": start,
        "EndElementHandler": end,
        "CharacterDataHandler": characters,
        "StartDoctypeDeclHandler": refuse,
    }
    for name, handler in handlers.items():
        setattr(parser, name, handler)
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise bad_line(path, error.lineno, f"not valid XML: {expat.ErrorString(error.code)}") from None
    except (LookupError, ValueError) as error:
        raise bad_line(
            path, 1, f"its character encoding cannot be read ({error}); save it as UTF-8"
        ) from None
    return outside.children[0]
