"""From people's answers to training sets: split, labelled, drawn. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from llm_compare.alignment.sides import people_under
from llm_compare.errors import CannotTune
from llm_compare.prompting.messages import Wording
from llm_compare.prompting.variant import Variant
from llm_compare.tuning.training_sets.groups import EVERYBODY, PERSONAS, Group, Grouping, GroupUse
from llm_compare.tuning.training_sets.held_out import (
    HeldOut,
    Split,
    split_answers,
)
from llm_compare.tuning.training_sets.labels import LabelKind, Labelled, Sides, examples_of
from llm_compare.tuning.training_sets.samples import nested_samples, sizes_for
from llm_compare.tuning.training_sets.training_file import TrainingSet
from survey.answers import Answer, AnswerSet
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
