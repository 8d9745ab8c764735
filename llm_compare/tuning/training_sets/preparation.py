"""From people's answers to a prepared folder: split, labelled, drawn, written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from estimation.commands.writing import write_text
from estimation.manifest import file_hash
from llm_compare.alignment.sides import people_under
from llm_compare.errors import CannotTune
from llm_compare.prompting.messages import Wording
from llm_compare.prompting.variant import Variant
from llm_compare.tuning.training_sets.groups import EVERYBODY, PERSONAS, Group, Grouping, GroupUse
from llm_compare.tuning.training_sets.held_out import (
    HeldOut,
    Split,
    TestSet,
    comparison_key,
    split_answers,
)
from llm_compare.tuning.training_sets.labels import LabelKind, Labelled, Sides, examples_of
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
from llm_compare.tuning.training_sets.samples import nested_samples, sizes_for
from llm_compare.tuning.training_sets.training_file import TrainingSet, write_training_set
from survey.answers import Answer, AnswerSet, Choice
from survey.answers_file import answer_columns
from survey.columns import write_csv
from survey.design import Arm, StudyDesign, design_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareSettings:
    """What is made of people's answers."""

    arm: str | None = None
    """Of the design; None for its first."""
    variant: Variant = field(default_factory=Variant)
    labels: LabelKind = LabelKind.ANSWERS
    sides: Sides = Sides.BOTH
    held_out: HeldOut = field(default_factory=HeldOut)
    sizes: tuple[int | None, ...] = ()
    """None stands for everything; empty for 16, 32, 64 … and everything."""
    draws: int = 3
    seed: int = 0
    group_use: GroupUse = GroupUse.SEPARATE
    """Matters only where people are grouped."""

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        if self.draws < 1:
            raise CannotTune(f"{self.draws} draws of each size: make at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Everything that a prepared folder holds, before it is written."""

    design: StudyDesign
    arm: Arm
    settings: PrepareSettings
    split: Split
    everybody: Labelled
    sets: tuple[TrainingSet, ...]
    grouping: Grouping | None
    notes: tuple[str, ...]

    @property
    def groups(self) -> tuple[Group, ...]:
        """Those that sets were made for."""
        return self.grouping.groups if self.grouping else ()


def prepare(
    design: StudyDesign,
    people: AnswerSet,
    settings: PrepareSettings,
    *,
    grouped: Callable[[Sequence[Answer]], Grouping] | None = None,
) -> Preparation:
    """Make training sets of people's answers.

    Parameters
    ----------
    people
        Answers to this design; only main ones count, given by people under the condition that the variant asks in.
    grouped
        Makes groups of the people in training, given their answers; None for no groups.

    Raises
    ------
    CannotTune
        Nothing can be trained on, or nothing of a group; see the modules of this package.
    llm_compare.errors.NotComparable
        Nobody answered under the condition that the variant asks in.
    survey.errors.BadProfile
        The design has no such arm.
    """
    arm = design.arm(settings.arm) if settings.arm is not None else design.arms[0]
    offered = Wording.of(design, arm=arm, variant=settings.variant).indecision_offered
    own_arm, notes = _of_arm(people, design, arm)
    if not any(a.indecision_offered is offered for a in own_arm.answers):
        raise CannotTune(
            f"{people.source}: in the arm '{arm.name}' nobody answered {'with' if offered else 'without'} "
            "indecision on offer, as the prompts would ask; name the arm whose people did (--arm), or leave "
            "--indecision out"
        )
    used = people_under(
        own_arm, design.attributes, indecision_offered=offered, design_hash=design_hash(design)
    )
    split = split_answers(used.answers, design, settings.held_out, seed=settings.seed)
    everybody = _labelled(split.training, design, arm, settings, settings.variant)
    grouping = grouped(split.training) if grouped else None
    pools, more_notes = _pools(design, arm, settings, split, everybody, grouping)
    sets = [made for pool in pools for made in _sets(design, arm, settings, pool)]
    return Preparation(
        design=design,
        arm=arm,
        settings=settings,
        split=split,
        everybody=everybody,
        sets=tuple(sets),
        grouping=grouping,
        notes=(
            *notes,
            *used.notes,
            *split.notes,
            *(grouping.notes if grouping else ()),
            *more_notes,
            *_label_notes(everybody, settings),
            *_size_notes(pools, settings),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    """What samples are drawn from."""

    prefix: str
    group: str
    personas: bool
    labelled: Labelled


def _pools(
    design: StudyDesign,
    arm: Arm,
    settings: PrepareSettings,
    split: Split,
    everybody: Labelled,
    grouping: Grouping | None,
) -> tuple[list[_Pool], list[str]]:
    found = [_Pool(prefix=EVERYBODY, group="", personas=False, labelled=everybody)]
    if grouping is None:
        return found, []
    of_group = {
        g.name: [a for a in split.training if a.respondent and grouping.of.get(a.respondent) == g.name]
        for g in grouping.groups
    }
    notes = []
    if settings.group_use is not GroupUse.PERSONA:
        found += [
            _Pool(
                prefix=name,
                group=name,
                personas=False,
                labelled=_labelled(answers, design, arm, settings, settings.variant),
            )
            for name, answers in of_group.items()
        ]
    if settings.group_use is not GroupUse.SEPARATE:
        if settings.variant.persona:
            raise CannotTune(
                "the prompts name a persona already (--persona), so they cannot name each person's group, too; "
                "leave --persona out, or use --as separate"
            )
        parts = [
            _labelled(
                of_group[g.name],
                design,
                arm,
                settings,
                replace(settings.variant, name=f"as-{g.name}", persona=g.words),
                g.name,
            )
            for g in grouping.groups
        ]
        found.append(_Pool(prefix=PERSONAS, group="", personas=True, labelled=_joined(parts)))
        if without := len(split.training) - sum(map(len, of_group.values())):
            notes.append(f"{without} training answers of people in no group are in no set with personas")
    return found, notes


def _labelled(
    answers: Sequence[Answer],
    design: StudyDesign,
    arm: Arm,
    settings: PrepareSettings,
    variant: Variant,
    group: str = "",
) -> Labelled:
    return examples_of(answers, design, arm, variant, settings.labels, settings.sides, group)


def _joined(parts: Sequence[Labelled]) -> Labelled:
    return Labelled(
        units=tuple(unit for part in parts for unit in part.units),
        n_answers=sum(part.n_answers for part in parts),
        n_indecisions=sum(part.n_indecisions for part in parts),
        n_tied=sum(part.n_tied for part in parts),
    )


def _sets(design: StudyDesign, arm: Arm, settings: PrepareSettings, pool: _Pool) -> Iterator[TrainingSet]:
    units = pool.labelled.units
    sizes = sizes_for(len(units), settings.sizes)
    if not sizes:
        if not pool.group:
            raise CannotTune(
                f"there are {len(units)} {_counted(settings.labels)} to train on, fewer than each of the sizes "
                "wanted; give smaller --sizes, or 'all'"
            )
        return
    for draw in range(1, settings.draws + 1):
        for size, sample in nested_samples(units, sizes, seed=settings.seed, draw=draw).items():
            yield TrainingSet(
                name=f"{pool.prefix}-{size:04d}-{draw}",
                group=pool.group,
                personas=pool.personas,
                size=size,
                draw=draw,
                labels=settings.labels,
                sides=settings.sides,
                design_hash=design_hash(design),
                arm=arm.name,
                variant=settings.variant,
                examples=tuple(example for unit in sample for example in unit.examples),
            )


def _of_arm(people: AnswerSet, design: StudyDesign, arm: Arm) -> tuple[AnswerSet, list[str]]:
    """Leave out what was answered in another arm of the design, in other words or under another condition."""
    others = {a.name for a in design.arms} - {arm.name}
    kept = [a for a in people.answers if a.arm not in others]
    if not kept:
        arms = ", ".join(sorted({a.arm for a in people.answers}))
        raise CannotTune(
            f"{people.source}: nobody answered in the arm '{arm.name}', only in {arms or 'none'}; name one with "
            "--arm"
        )
    left_out = len(people.answers) - len(kept)
    notes = [f"{left_out} answers in other arms than '{arm.name}' are left out"] if left_out else []
    if people.set_aside:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(people.set_aside.items()))
        notes.append(f"no choices, and never trained on as indecision: {kinds}")
    return replace(people, answers=kept), notes


def _label_notes(everybody: Labelled, settings: PrepareSettings) -> list[str]:
    if settings.labels is LabelKind.ANSWERS:
        return []
    alone = sum(unit.n_answers == 1 for unit in everybody.units)
    notes = []
    if alone:
        notes.append(
            f"{alone} of {len(everybody.units)} comparisons were answered by one person, whose answer is then the "
            "label"
        )
    if settings.labels is not LabelKind.MAJORITY:
        return notes
    notes.insert(
        0,
        "WARNING: majority labels erase people's disagreement: indecision is "
        f"{everybody.indecision_of_answers:.1%} of their answers, {everybody.indecision_of_labels:.1%} of the "
        "labels. Use --labels answers or shares unless that is what you want",
    )
    if everybody.n_tied:
        notes.append(f"{everybody.n_tied} comparisons without a majority are left out")
    return notes


def _size_notes(pools: Sequence[_Pool], settings: PrepareSettings) -> list[str]:
    return [
        f"'{pool.prefix}' has {n} {_counted(settings.labels)} to train on, so no set of "
        f"{', '.join(str(size) for size in missing)}"
        for pool in pools
        if (n := len(pool.labelled.units))
        and (missing := [size for size in settings.sizes if size is not None and size > n])
    ]


def _counted(labels: LabelKind) -> str:
    return "answers" if labels is LabelKind.ANSWERS else "comparisons"


# --- writing ----------------------------------------------------------------------------------------------


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
