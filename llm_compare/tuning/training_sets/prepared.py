"""A folder of training sets with the answers held out from them: ``prepared/``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from estimation.manifest import file_hash
from llm_compare.errors import BadTrainingSet, CannotTune
from llm_compare.prompting.variant import Variant
from llm_compare.replies.record import BadRecord, word_of
from llm_compare.tuning.training_sets.groups import Group
from llm_compare.tuning.training_sets.held_out import TestSet
from llm_compare.tuning.training_sets.labels import LabelKind, Sides
from llm_compare.tuning.training_sets.training_file import TrainingSet, read_training_set, variant_from
from survey.answers import AnswerSet
from survey.answers_file import read_answers, read_rows
from survey.design import Arm, StudyDesign, design_hash
from survey.design_file import read_design
from survey.errors import BadAnswers, BadDesign, BadProfile

FORMAT = "equipoise prepared"
VERSION = 1
MANIFEST, DESIGN = "manifest.json", "design.toml"
TRAINING, HELD_OUT = "training", "held_out"
GROUPS = f"{HELD_OUT}/groups.csv"
"""Respondent -> group of those held out; for their owner's eyes alone."""
_SET_NAME = re.compile(r"[a-z0-9-]+-\d{4,}-\d+")


def set_file(name: str) -> str:
    """Return where a training set lies in a prepared folder."""
    return f"{TRAINING}/{name}.jsonl"


def is_set_name(name: str) -> bool:
    """Return whether it is a name that training sets have, and that leads out of no folder."""
    return _SET_NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEntry:
    """What the manifest says of a training set."""

    name: str
    """Of its file and of the adapter trained on it: ``all-0064-1``."""
    group: str
    """Empty for everybody's answers."""
    personas: bool
    """Whether every prompt says which group answers."""
    size: int
    draw: int
    n_answers: int
    """People's answers behind it."""
    n_examples: int
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Training sets, the people's answers held out from them, and how both were made."""

    folder: Path
    design: StudyDesign
    arm: Arm
    variant: Variant
    labels: LabelKind
    sides: Sides
    sets: tuple[SetEntry, ...]
    groups: tuple[Group, ...]
    tests: tuple[TestSet, ...]
    """Those that hold answers."""
    manifest: Mapping[str, Any]

    def training_set(self, entry: SetEntry) -> TrainingSet:
        """Read a training set.

        Raises
        ------
        BadTrainingSet
            The file is missing, was changed, or cannot be read.
        """
        _check_hash(entry.path, entry.sha256)
        return read_training_set(entry.path, self.design.attributes)

    def test_answers(self, test: TestSet, group: str = "") -> AnswerSet:
        """Read people's answers held out.

        Parameters
        ----------
        group
            Only those of this group's participants; empty for everybody's.

        Raises
        ------
        CannotTune
            There is no such test or group, or no held-out answer is known to be of the group: of latent classes,
            only the tests with people who are in training have any.
        BadTrainingSet
            The file is missing or was changed.
        """
        entry = next((t for t in self.manifest["tests"] if t["name"] == test.value), None)
        if entry is None:
            raise CannotTune(
                f"{self.folder}: no answers are held out as '{test}'; there are "
                f"{', '.join(self.tests) or 'none at all'}"
            )
        path = self.folder / entry["file"]
        _check_hash(path, entry["sha256"])
        found = read_answers(path, self.design.attributes)
        if not group:
            return found
        if group not in {g.name for g in self.groups}:
            known = ", ".join(g.name for g in self.groups)
            raise CannotTune(f"{self.folder}: has no group '{group}'; there are {known or 'none'}")
        members = self._members(group)
        answers = [a for a in found.answers if a.respondent in members]
        if not answers:
            raise CannotTune(
                f"{self.folder}: none of the answers held out as '{test}' is known to be of group '{group}'"
            )
        return replace(found, answers=answers)

    def variant_as(self, group: Group) -> Variant:
        """Return the variant that asks a model to answer as one of the group."""
        return replace(self.variant, name=f"as-{group.name}", persona=group.words)

    def _members(self, group: str) -> set[str]:
        path = self.folder / GROUPS
        _check_hash(path, self.manifest["held_out"]["groups_sha256"])
        return {row["respondent"] for _, row in read_rows(path) if row["group"] == group}


def read_prepared(folder: Path) -> Prepared:
    """Read what was prepared; the sets and answers themselves are read, and checked, when they are asked for.

    Raises
    ------
    BadTrainingSet
        It is no such folder, was not finished, or was changed.
    """
    path = folder / MANIFEST
    document = _document(path)
    if not document["complete"]:
        raise BadTrainingSet(
            f"{folder}: was not written to the end; run 'equipoise compare tune prepare' again"
        )
    try:
        design = read_design(folder / DESIGN)
        if design_hash(design) != document["study"]["design_hash"]:
            raise BadTrainingSet(
                f"{folder / DESIGN}: was changed after the sets were made; prepare them again"
            )
        return Prepared(
            folder=folder,
            design=design,
            arm=design.arm(document["arm"]),
            variant=variant_from(document["variant"]),
            labels=word_of(LabelKind, document["labels"], "labels"),
            sides=word_of(Sides, document["sides"], "sides"),
            sets=tuple(_entry(folder, s) for s in document["sets"]),
            groups=tuple(Group(**g) for g in document["groups"]),
            tests=tuple(word_of(TestSet, t["name"], "tests.name") for t in document["tests"]),
            manifest=document,
        )
    except (BadDesign, BadProfile, BadAnswers) as error:
        raise BadTrainingSet(f"{folder}: {error}") from None
    except KeyError as error:
        raise BadTrainingSet(f"{path}: {error.args[0]} is missing; prepare it again") from None
    except (BadRecord, TypeError) as error:
        raise BadTrainingSet(f"{path}: {error}; prepare it again") from None


def is_prepared(folder: Path) -> bool:
    """Return whether the folder was made, or begun, by ``compare tune prepare``."""
    try:
        _document(folder / MANIFEST)
    except BadTrainingSet:
        return False
    return True


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadTrainingSet(
            f"{path}: {error.strerror}; name a folder made by 'equipoise compare tune prepare'"
        ) from None
    except ValueError as error:
        raise BadTrainingSet(f"{path}: is not JSON ({error}); prepare it again") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadTrainingSet(f"{path}: is no manifest of 'equipoise compare tune prepare'")
    if found.get("format_version") != VERSION:
        raise BadTrainingSet(
            f"{path}: is version {found.get('format_version')!r} of the format, this Equipoise reads {VERSION}; "
            "prepare it again"
        )
    return {"complete": False} | found


def _entry(folder: Path, document: Mapping[str, Any]) -> SetEntry:
    parts = dict(document)
    file, name = parts.pop("file"), parts["name"]
    # Adapters and replies are named after sets: no name of a stranger's folder may lead out of ours.
    if not is_set_name(name):
        raise BadRecord(f"sets.name: is '{name}', which names no training set")
    if file != set_file(name):
        raise BadRecord(f"sets.file: is '{file}', not {set_file(name)}")
    path = folder / file
    if not path.is_file():
        raise BadTrainingSet(f"{path}: is missing; prepare it again")
    return SetEntry(path=path, **parts)


def _check_hash(path: Path, sha256: str) -> None:
    try:
        found = file_hash(path)
    except OSError as error:
        raise BadTrainingSet(f"{path}: {error.strerror}; prepare it again") from None
    if found != sha256:
        raise BadTrainingSet(f"{path}: was changed after it was prepared; prepare it again")
