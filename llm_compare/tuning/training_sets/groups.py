"""Groups of people whose answers a model may be tuned on alone, and who is in which. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from estimation.dataset import choice_data
from estimation.effects import EffectKind
from estimation.errors import EstimationError
from estimation.heterogeneity.classes import LatentClasses, RespondentClass, compare_classes, fit_classes
from estimation.specification import Model, Specification
from estimation.weights import AttributeWeights
from llm_compare.errors import CannotTune
from survey.answers import Answer, AnswerSet, Choice
from survey.design import NumericAttribute, StudyDesign

LEAST_PARTICIPANTS = 5
MOST_CLASSES = 5
"""Tried when the answers shall say how many classes there are."""
EVERYBODY, PERSONAS = "all", "personas"
"""Begin the names of sets that are of no single group."""
_TOLD = 0.2
"""An attribute is named in a class's words if it makes up so much of all attributes' effects."""


class GroupUse(StrEnum):
    """How groups reach a model."""

    SEPARATE = "separate"
    """Sets of each group alone: an adapter each."""
    PERSONA = "persona"
    """One set of everybody, whose prompts say which group answers: one adapter answers as any of them."""
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Participants who have something in common."""

    name: str
    """For files; lower-case letters, digits and hyphens."""
    words: str
    """How a prompt says who answers."""
    n_participants: int
    """In training."""
    share: float
    """Of all participants in training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Who is in which group."""

    source: str
    """What makes the groups, in words."""
    groups: tuple[Group, ...]
    of: Mapping[str, str]
    """Respondent -> name of the group. Those of classes are people in training only: nobody else's answers may be
    looked at to tell their class."""
    notes: tuple[str, ...]


def group_by_column(
    values: Mapping[str, str],
    training: Iterable[Answer],
    design: StudyDesign,
    *,
    column: str,
    least: int = LEAST_PARTICIPANTS,
) -> Grouping:
    """Group participants by what a file says about them.

    Parameters
    ----------
    values
        Respondent -> value; whoever is not in it is in no group.
    training
        The answers that are trained on, which say how many participants each group has.
    least
        Smaller groups are left out.

    Raises
    ------
    CannotTune
        The answers do not say whose they are, fewer than two groups are left, or two would have one name.
    """
    people = _people(training)
    sizes = Counter(values[p] for p in people if p in values)
    kept = [value for value in sorted(sizes) if sizes[value] >= least]
    notes = []
    if unknown := sum(p not in values for p in people):
        notes.append(f"{unknown} of {len(people)} participants in training have no value of '{column}'")
    if small := [f"'{value}' ({sizes[value]})" for value in sorted(sizes) if sizes[value] < least]:
        notes.append(f"groups of fewer than {least} participants are left out: {', '.join(small)}")
    if len(kept) < 2:
        raise CannotTune(
            f"'{column}' makes {len(kept)} group(s) of at least {least} participants in training out of "
            f"{len(people)}; name another column, or lower --least-participants"
        )
    names = {value: _file_name(value) for value in kept}
    if twice := [
        name for name, n in Counter(names.values()).items() if n > 1 or name in (EVERYBODY, PERSONAS)
    ]:
        raise CannotTune(
            f"'{column}': no set of its own can be named '{twice[0]}' after the values "
            f"{', '.join(repr(v) for v in kept if names[v] == twice[0])}; rename the values"
        )
    return Grouping(
        source=f"by {column}",
        groups=tuple(
            Group(
                name=names[value],
                words=_column_words(design, column, value),
                n_participants=sizes[value],
                share=sizes[value] / len(people),
            )
            for value in kept
        ),
        of={person: names[value] for person, value in values.items() if value in names},
        notes=tuple(notes),
    )


def group_by_class(
    training: Sequence[Answer],
    design: StudyDesign,
    *,
    n_classes: int | None,
    seed: int,
    least: int = LEAST_PARTICIPANTS,
) -> Grouping:
    """Group participants by latent classes of what counts for them, fitted to the training answers alone.

    Each participant is put in the most probable class.

    Parameters
    ----------
    n_classes
        None takes the number with the least BIC, up to :data:`MOST_CLASSES`.

    Raises
    ------
    CannotTune
        The answers do not say whose they are, the classes cannot be fitted, or fewer than two are left.
    """
    people = _people(training)
    fitted = _fitted(training, design, n_classes, seed)
    if fitted.n_classes < 2:
        raise CannotTune(
            f"people in training are best described as one class (BIC, 1 to {MOST_CLASSES}); say how many with "
            "--classes, or leave it out"
        )
    names = [f"class-{k + 1}" for k in range(fitted.n_classes)]
    member = dict(zip(fitted.respondents, fitted.memberships.argmax(axis=1).tolist(), strict=True))
    sizes = Counter(member.values())
    kept = [k for k in range(fitted.n_classes) if sizes[k] >= least]
    notes = [
        f"classes are fitted to the training answers; membership is clear to {fitted.entropy:.2f} (1 is certain)"
    ]
    if n_classes is None and fitted.n_classes == MOST_CLASSES:
        notes.append(f"{MOST_CLASSES} classes are the most that were tried, and have the least BIC")
    if small := [f"{names[k]} ({sizes[k]})" for k in range(fitted.n_classes) if sizes[k] < least]:
        notes.append(f"classes of fewer than {least} participants are left out: {', '.join(small)}")
    if len(kept) < 2:
        raise CannotTune(
            f"fewer than two classes have at least {least} participants; ask for fewer with --classes, or lower "
            "--least-participants"
        )
    return Grouping(
        source=f"{fitted.n_classes} latent classes",
        groups=tuple(
            Group(
                name=names[k],
                words=_class_words(
                    design,
                    fitted.classes[k],
                    f"class {k + 1} of {fitted.n_classes}",
                    [a for a in training if member[str(a.respondent)] == k],
                ),
                n_participants=sizes[k],
                share=sizes[k] / len(people),
            )
            for k in kept
        ),
        of={person: names[k] for person, k in member.items() if k in kept},
        notes=tuple(notes),
    )


def _people(training: Iterable[Answer]) -> set[str]:
    people = {a.respondent for a in training}
    if None in people:
        raise CannotTune(
            "the answers do not all say who gave them, so there are no groups of people; leave --group-by and "
            "--classes out"
        )
    return {p for p in people if p is not None}


def _fitted(
    training: Sequence[Answer], design: StudyDesign, n_classes: int | None, seed: int
) -> LatentClasses:
    offered = any(a.indecision_offered for a in training)
    spec = Specification(
        model=Model.MIN_DELTA if offered else Model.CONDITIONAL_LOGIT,
        effects=EffectKind.ATTRIBUTES,
        seed=seed,
    )
    answers = AnswerSet(attributes=design.attributes, answers=training, source="the training answers")
    try:
        data = choice_data(answers)
        if n_classes is not None:
            return fit_classes(data, spec, n_classes)
        return compare_classes(data, spec, most=MOST_CLASSES).best
    except EstimationError as error:
        raise CannotTune(f"latent classes cannot be fitted: {error}") from None


def _column_words(design: StudyDesign, column: str, value: str) -> str:
    """Say a value as people did: the question and the answer, in the study's own words and language."""
    question = next((q for q in (*design.demographics, *design.screener) if q.name == column), None)
    if question is None:
        return f"{column}: {value}"
    option = question.option(value)
    return f"{question.text.strip()} {option.words if option else value}"


def _class_words(design: StudyDesign, found: RespondentClass, name: str, answers: Sequence[Answer]) -> str:
    """Say what counts for a class, most first. The words are English: of other studies only the name is said."""
    if not design.language.startswith("en") or not isinstance(found.weights, AttributeWeights):
        return name
    effects = {a.name: _effect(design, found.weights, a.name) for a in design.attributes}
    total = sum(size for size, _ in effects.values())
    told = [
        f"{design.attribute(name).label.lower()} ({direction})"
        for name, (size, direction) in sorted(effects.items(), key=lambda e: -e[1][0])
        if total and size / total >= _TOLD
    ]
    counts = f"what counts most is {', then '.join(told)}" if told else "nothing shown counts"
    undecided = sum(a.choice is Choice.INDECISION for a in answers) / len(answers)
    if any(a.indecision_offered for a in answers):
        counts += f", and {undecided:.0%} of the answers are undecided"
    return f"somebody for whom {counts}"


def _effect(design: StudyDesign, weights: AttributeWeights, name: str) -> tuple[float, str]:
    """Return how far an attribute moves the log-strength over the study's range, and which end is preferred."""
    attribute = design.attribute(name)
    if isinstance(attribute, NumericAttribute):
        slope = weights.coefficients[name].value
        return abs(slope) * (attribute.maximum - attribute.minimum), "higher" if slope > 0 else "lower"
    of_levels = {
        level.words: weights.coefficients[f"{name}={level.name}"].value
        if f"{name}={level.name}" in weights.coefficients
        else 0.0
        for level in attribute.levels
    }
    best = max(of_levels, key=lambda words: of_levels[words])
    return max(of_levels.values()) - min(of_levels.values()), best


def _file_name(value: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-") or "unnamed"
