"""Check an export bundle: that no byte changed since the export, and that its files agree with each other."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from survey.allocation_task import ChooseOne
from survey.answers import Role
from survey.answers_file import read_answers
from survey.bundle_attributes import attribute_problems, files_about_attributes
from survey.bundle_coding import coding_problems
from survey.bundle_rows import Cells, Key, key_of, named, orphans, repeated
from survey.bundle_source import MANIFEST, BundleSource, open_bundle, read_manifest
from survey.design import StudyDesign, design_hash
from survey.design_file import parse_design
from survey.errors import BadAnswers, BadDesign

_CHUNK = 1024 * 1024
# Read by a check below, so they have to be there even if the manifest does not list them.
_NEEDED = (
    "answers.csv",
    "answers_included.csv",
    "presentations.csv",
    "revisions.csv",
    "follow_ups.csv",
    "statements.csv",
    "participants.csv",
    "events.csv",
    "design.toml",
    "codebook.json",
    "codebook.md",
)
CHOOSE_ONE = "choose_one.csv"
"""There where the design asks for one of many, and read by a check as those above are."""
_SAME_IN_ANSWERS = ("role", "left", "right", "indecision_offered", "choice")


def verify_bundle(path: Path) -> list[str]:
    """Return every problem of the bundle at ``path``, each in a sentence; none: it is whole.

    The files are hashed and compared with the manifest; the design hash is computed anew; every answer needs its
    presentation and its revision, everything needs its participant; rows are counted.

    Raises
    ------
    NoBundle
        There is no bundle that this version can read.
    """
    with open_bundle(path) as source:
        manifest = read_manifest(source)
        problems = [*source.oddities, *_file_problems(source, manifest)]
        if problems:
            return problems  # What is in damaged files says nothing.
        try:
            return _content_problems(source, manifest)
        except (csv.Error, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
            return [f"the files cannot be read as this bundle's: {type(error).__name__}: {error}"]


# --- bytes ---------------------------------------------------------------------------------------------


def _file_problems(source: BundleSource, manifest: Mapping[str, Any]) -> Iterator[str]:
    listed = manifest.get("files")
    if not isinstance(listed, dict) or not all(isinstance(about, dict) for about in listed.values()):
        yield f"{MANIFEST}: lists no files with their hashes"
        return
    for name in sorted({*listed, *_NEEDED} - set(source.sizes)):
        yield f"{name}: is missing"
    for name in sorted(set(source.sizes) - set(listed) - {MANIFEST}):
        yield f"{name}: is not in the manifest"
    for name in sorted(set(listed) & set(source.sizes)):
        expected = listed[name].get("bytes")
        if source.sizes[name] != expected:
            yield f"{name}: has {source.sizes[name]} bytes, and the manifest says {expected}"
            continue
        try:
            found = _sha256(source, name)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            yield f"{name}: cannot be read ({error})"
            continue
        if found != listed[name].get("sha256"):
            yield f"{name}: was changed: its SHA-256 is {found}, and the manifest says {listed[name].get('sha256')}"


def _sha256(source: BundleSource, name: str) -> str:
    """Hash as many bytes as the file says it has: a zip file that unpacks to more is cut off and does not match."""
    digest, left = hashlib.sha256(), source.sizes[name] + 1
    with source.open(name) as file:
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


# --- content -------------------------------------------------------------------------------------------


def _content_problems(source: BundleSource, manifest: Mapping[str, Any]) -> list[str]:
    with source.open("design.toml") as file:
        text = file.read().decode()
    try:
        design = parse_design(text, "design.toml", accepted=True)
    except BadDesign as error:
        return [str(error)]
    needed = [name for name in _NEEDED if name.endswith(".csv")]
    needed += [CHOOSE_ONE] if design.choose_one is not None else []
    needed += files_about_attributes(design, source.sizes)
    if missing := [name for name in needed if name not in source.sizes]:
        return [f"{name}: is missing" for name in missing]
    problems = [*_design_problems(design, manifest), *_header_problems(source, needed)]
    if problems:
        return problems
    tables = {name: list(_rows(source, name)) for name in needed}
    problems += _count_problems(tables, manifest)
    problems += _answers_file_problems(source, design, manifest)
    problems += _key_problems(tables)
    problems += _answer_problems(tables)
    if design.choose_one is not None:
        problems += _choice_problems(tables, design.choose_one)
    problems += attribute_problems(tables, design)
    problems += coding_problems(tables)
    return problems


def _design_problems(design: StudyDesign, manifest: Mapping[str, Any]) -> Iterator[str]:
    found = {"slug": design.slug, "version": design.version, "design_hash": design_hash(design)}
    stated = manifest.get("study")
    for name, value in found.items():
        expected = stated.get(name) if isinstance(stated, dict) else None
        if value != expected:
            yield f"design.toml: its {name} is {value}, and the manifest says {expected}"


def _header_problems(source: BundleSource, names: Iterable[str]) -> Iterator[str]:
    with source.open("codebook.json") as file:
        codebook = json.load(file)
    described = {
        about["file"]: [column["name"] for column in about["columns"]] for about in codebook["files"]
    }
    for name in names:
        if described.get(name) != _header(source, name):
            yield f"{name}: its columns are not those that the codebook describes"


def _header(source: BundleSource, name: str) -> list[str]:
    with io.TextIOWrapper(source.open(name), "utf-8", newline="") as text:
        return next(csv.reader(text, strict=True), [])


def _rows(source: BundleSource, name: str) -> Iterator[Cells]:
    with io.TextIOWrapper(source.open(name), "utf-8", newline="") as text:
        reader = csv.DictReader(text, strict=True)
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"{name}:{reader.line_num} does not have as many cells as the header")
            yield row


def _count_problems(tables: Mapping[str, list[Cells]], manifest: Mapping[str, Any]) -> Iterator[str]:
    for name, rows in tables.items():
        stated = manifest["files"][name].get("rows")
        if stated != len(rows):
            yield f"{name}: has {len(rows)} rows, and the manifest says {stated}"
    people = len({row["respondent"] for row in tables["participants.csv"]})
    if people != manifest.get("participants"):
        yield f"participants.csv: has {people} participants, and the manifest says {manifest.get('participants')}"
    simulated = sum(row["simulated"] == "yes" for row in tables["participants.csv"])
    if simulated and manifest.get("simulated_included") is not True:
        yield f"participants.csv: has {simulated} simulated participants, and the manifest says that there are none"


def _answers_file_problems(
    source: BundleSource, design: StudyDesign, manifest: Mapping[str, Any]
) -> Iterator[str]:
    """Read the answers as an estimator does."""
    for name in ("answers.csv", "answers_included.csv"):
        if manifest["files"][name].get("rows") == 0:
            continue  # What holds no answers is nothing an estimator reads.
        with tempfile.TemporaryDirectory() as folder, source.open(name) as file:
            copied = Path(folder) / name
            with copied.open("wb") as copy:
                shutil.copyfileobj(file, copy)
            try:
                answers = read_answers(copied, design.attributes).answers
            except BadAnswers as error:
                yield str(error).replace(str(copied), name)
                continue
        other = sum(answer.design_hash != manifest["study"]["design_hash"] for answer in answers)
        if other:
            yield f"{name}: {other} answers carry another design hash than the manifest"


def _key_problems(tables: Mapping[str, list[Cells]]) -> Iterator[str]:
    """Find rows that stand twice, and rows that refer to nothing."""
    people, place = ("respondent", "wave"), ("respondent", "wave", "position")
    keys = {
        "participants.csv": people,
        "presentations.csv": place,
        "answers.csv": place,
        "answers_included.csv": place,
        "revisions.csv": (*place, "revision"),
        "follow_ups.csv": (*place, "revision", "kind"),
        "statements.csv": (*people, "section", "question", "attempt"),
    }
    for name, columns in keys.items():
        yield from repeated(tables, name, columns)
    refers = (
        ("presentations.csv", "participants.csv", people, "has no participant"),
        ("statements.csv", "participants.csv", people, "has no participant"),
        ("events.csv", "participants.csv", people, "has no participant"),
        ("answers.csv", "presentations.csv", place, "has no presentation"),
        ("revisions.csv", "presentations.csv", place, "has no presentation"),
        ("answers_included.csv", "answers.csv", place, "is not among the answers"),
        ("follow_ups.csv", "revisions.csv", (*place, "revision"), "has no answer"),
    )
    for name, other, columns, words in refers:
        yield from orphans(tables, name, other, columns, words)


def _answer_problems(tables: Mapping[str, list[Cells]]) -> Iterator[str]:
    """Compare answers with what was shown and with what was stored."""
    place = ("respondent", "wave", "position")
    shown = {key_of(row, place): row for row in tables["presentations.csv"]}
    answers = {key_of(row, place): row for row in tables["answers.csv"]}
    for column in _SAME_IN_ANSWERS:
        other = (key for key, row in answers.items() if key in shown and shown[key][column] != row[column])
        yield from named("answers.csv", f"has another '{column}' than in presentations.csv", other)
    answered = (
        key for key, row in shown.items() if row["answered"] != "0" and row["role"] != Role.PRACTICE.value
    )
    yield from named(
        "presentations.csv",
        "is answered and not among the answers",
        (key for key in answered if key not in answers),
    )
    revisions: dict[Key, list[Cells]] = {}
    for row in tables["revisions.csv"]:
        revisions.setdefault(key_of(row, place), []).append(row)
    incomplete = (
        key
        for key, row in shown.items()
        if [r["revision"] for r in revisions.get(key, [])]
        != [str(n + 1) for n in range(int(row["answered"]))]
    )
    yield from named("revisions.csv", "does not have every answer that was stored", incomplete)
    another = (
        key
        for key, rows in revisions.items()
        if key in shown and [r["choice"] for r in rows if r["counts"] == "yes"] != [shown[key]["choice"]]
    )
    yield from named("revisions.csv", "has another answer that counts than presentations.csv", another)


def _choice_problems(tables: Mapping[str, list[Cells]], asked: ChooseOne) -> Iterator[str]:
    """Compare choices of one of many with the problems of the design."""
    rows = tables[CHOOSE_ONE]
    place = ("respondent", "wave", "position")
    yield from repeated(tables, CHOOSE_ONE, (*place, "revision"))
    yield from orphans(tables, CHOOSE_ONE, "participants.csv", ("respondent", "wave"), "has no participant")
    ids = {problem.name: sorted(problem.ids) for problem in asked.problems}
    other = (
        key_of(row, place)
        for row in rows
        if sorted(map(int, row["row_order"].split(";"))) != ids.get(row["problem"])
    )
    yield from named(CHOOSE_ONE, "shows other candidates than the design", other)
    nobody = (
        key_of(row, place)
        for row in rows
        if row["chosen"] and row["chosen"] not in row["row_order"].split(";")
    )
    yield from named(CHOOSE_ONE, "chooses somebody who was not shown", nobody)
