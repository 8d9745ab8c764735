"""Write a prepared folder: training sets, held-out answers, groups, and the manifest that names them all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from estimation.commands.writing import write_text
from estimation.manifest import file_hash
from llm_compare.errors import CannotTune
from llm_compare.tuning.training_sets.held_out import (
    TestSet,
    comparison_key,
)
from llm_compare.tuning.training_sets.labels import Sides
from llm_compare.tuning.training_sets.preparation import Preparation
from llm_compare.tuning.training_sets.prepared import (
    DESIGN,
    FORMAT,
    GROUPS,
    HELD_OUT,
    MANIFEST,
    TRAINING,
    VERSION,
    Prepared,
    is_prepared,
    is_set_name,
    read_prepared,
    set_file,
)
from llm_compare.tuning.training_sets.training_file import TrainingSet, write_training_set
from survey.answers import Answer, Choice
from survey.answers_file import answer_columns
from survey.columns import write_csv
from survey.design import StudyDesign, design_hash


def check_folder(folder: Path) -> None:
    """Return quietly if a preparation may be written to the folder; say so before the work, not after.

    Raises
    ------
    CannotTune
        It holds something else, or cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise CannotTune(f"{folder}: is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not is_prepared(folder):
        raise CannotTune(
            f"{folder}: holds something else; name an empty folder, or one that is not there yet"
        )
    if not folder.exists() and not folder.parent.is_dir():
        raise CannotTune(f"{folder}: there is no folder {folder.parent}; make it first")


def write_prepared(
    folder: Path, preparation: Preparation, *, design_file: Path, manifest: Mapping[str, object]
) -> Prepared:
    """Write a preparation, in place of an earlier one, and read it back.

    Until the last file is written, the manifest says that the folder is not complete.

    Parameters
    ----------
    design_file
        Copied beside the sets.
    manifest
        Inputs, settings and versions, of :func:`estimation.manifest.make_manifest`.

    Raises
    ------
    CannotTune
        The folder holds something else.
    """
    check_folder(folder)
    for part in (folder, folder / TRAINING, folder / HELD_OUT):
        part.mkdir(exist_ok=True)
    head = {"format": FORMAT, "format_version": VERSION}
    _write_json(folder / MANIFEST, head | {"complete": False})
    written = {GROUPS} if preparation.grouping else set()
    write_text(folder / DESIGN, design_file.read_text(encoding="utf-8-sig"))
    sets = []
    for training_set in preparation.sets:
        file = set_file(training_set.name)
        write_training_set(folder / file, training_set)
        written.add(file)
        sets.append(_set_record(training_set, file, file_hash(folder / file)))
    tests = []
    for test, answers in preparation.split.tests.items():
        file = f"{HELD_OUT}/{test}.csv"
        _write_answers(folder / file, preparation.design, answers)
        written.add(file)
        tests.append(_test_record(test, answers) | {"file": file, "sha256": file_hash(folder / file)})
    groups_sha256 = _write_groups(folder / GROUPS, preparation)
    _remove_earlier(folder, keep=written)
    settings = preparation.settings
    document = {
        **head,
        "complete": True,
        "study": {
            "slug": preparation.design.slug,
            "title": preparation.design.title,
            "design_hash": design_hash(preparation.design),
        },
        "arm": preparation.arm.name,
        "variant": settings.variant.as_dict(),
        "labels": settings.labels.value,
        "sides": settings.sides.value,
        "sizes": sorted({s.size for s in preparation.sets if not s.group and not s.personas}),
        "draws": settings.draws,
        "seed": settings.seed,
        "training": {
            **_counts(preparation.split.training),
            "indecision_of_labels": preparation.everybody.indecision_of_labels,
        },
        "held_out": {
            "comparisons": settings.held_out.comparisons,
            "participants": settings.held_out.participants,
            "levels": [str(level) for level in settings.held_out.levels],
            "n_comparisons": preparation.split.n_held_out_comparisons,
            "n_participants": preparation.split.n_held_out_participants,
            "groups_sha256": groups_sha256,
        },
        "tests": tests,
        "sets": sets,
        "groups_from": preparation.grouping.source if preparation.grouping else None,
        "groups": [asdict(g) for g in preparation.groups],
        "notes": list(preparation.notes),
        "manifest": dict(manifest),
    }
    _write_json(folder / MANIFEST, document)
    return read_prepared(folder)


def _set_record(training_set: TrainingSet, file: str, sha256: str) -> dict[str, Any]:
    twins = 2 if training_set.sides is Sides.BOTH else 1
    return {
        "name": training_set.name,
        "group": training_set.group,
        "personas": training_set.personas,
        "size": training_set.size,
        "draw": training_set.draw,
        "n_answers": sum(e.n for e in training_set.examples) // twins,
        "n_examples": len(training_set.examples),
        "file": file,
        "sha256": sha256,
    }


def _test_record(test: TestSet, answers: Sequence[Answer]) -> dict[str, Any]:
    return {"name": test.value, "words": test.words_of(answers), **_counts(answers)}


def _counts(answers: Sequence[Answer]) -> dict[str, Any]:
    people = {a.respondent for a in answers}
    return {
        "n_answers": len(answers),
        "n_comparisons": len({comparison_key(a.comparison) for a in answers}),
        "n_participants": None if None in people else len(people),
        "indecision": sum(a.choice is Choice.INDECISION for a in answers) / len(answers),
    }


def _write_answers(path: Path, design: StudyDesign, answers: Sequence[Answer]) -> None:
    text = io.StringIO()
    # What is measured needs who answered what, and nothing else about them.
    bare = [
        replace(a, reason="", seconds=None, seconds_missing="", presented_at=None, answered_at=None)
        for a in answers
    ]
    write_csv(text, answer_columns(design.attributes), bare)
    write_text(path, text.getvalue(), owner_only=True)


def _write_groups(path: Path, preparation: Preparation) -> str | None:
    if preparation.grouping is None:
        return None
    held_out = {a.respondent for answers in preparation.split.tests.values() for a in answers}
    rows = sorted((p, g) for p, g in preparation.grouping.of.items() if p in held_out)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("respondent", "group"), *rows])
    write_text(path, text.getvalue(), owner_only=True)
    return file_hash(path)


def _remove_earlier(folder: Path, *, keep: set[str]) -> None:
    """Remove sets and tests of an earlier preparation, which would be taken for ones of this."""
    ours = [p for p in (folder / TRAINING).iterdir() if p.suffix == ".jsonl" and is_set_name(p.stem)]
    ours += [folder / HELD_OUT / f"{test}.csv" for test in TestSet]
    ours.append(folder / GROUPS)
    for path in ours:
        if path.relative_to(folder).as_posix() not in keep:
            path.unlink(missing_ok=True)


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
