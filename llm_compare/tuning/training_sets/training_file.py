"""A training set as a file: a line about it, and one line per example. Nothing tells who answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from estimation.commands.writing import write_bytes
from llm_compare.errors import BadTrainingSet, CompareError
from llm_compare.participation.model_participant import variant_of
from llm_compare.prompting.messages import Message, Speaker
from llm_compare.prompting.request import SideOrder
from llm_compare.prompting.variant import Paraphrase, Variant
from llm_compare.replies.record import (
    LIST,
    TABLE,
    TEXT,
    WHOLE,
    YES_OR_NO,
    BadRecord,
    Kinds,
    checked,
    word_of,
)
from llm_compare.tuning.training_sets.example import Example, Target
from llm_compare.tuning.training_sets.labels import LabelKind, Sides
from survey.answers import Answer, Choice, RespondentKind
from survey.design import Attribute, Profile, make_profile
from survey.errors import BadProfile

FORMAT = "equipoise training set"
VERSION = 1
_HEADER: Mapping[str, Kinds] = {
    "format": TEXT,
    "format_version": WHOLE,
    "name": TEXT,
    "group": TEXT,
    "personas": YES_OR_NO,
    "size": WHOLE,
    "draw": WHOLE,
    "labels": TEXT,
    "sides": TEXT,
    "design_hash": TEXT,
    "arm": TEXT,
    "variant": TABLE,
    "n_examples": WHOLE,
    "examples_sha256": TEXT,
}
_EXAMPLE: Mapping[str, Kinds] = {
    "comparison": TEXT,
    "group": TEXT,
    "side_order": TEXT,
    "left": TABLE,
    "right": TABLE,
    "messages": LIST,
    "targets": LIST,
}
_MESSAGE: Mapping[str, Kinds] = {"role": TEXT, "content": TEXT}
_Made = TypeVar("_Made")
_TARGET: Mapping[str, Kinds] = {"choice": TEXT, "text": TEXT, "share": (float, int), "n": WHOLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """What one adapter is trained on."""

    name: str
    group: str
    """Whose answers; empty for everybody's."""
    personas: bool
    """Whether every prompt says which group answers, so that one adapter can answer as any of them."""
    size: int
    """People's answers, or comparisons where the labels are shares or majorities; both side orders count once."""
    draw: int
    labels: LabelKind
    sides: Sides
    design_hash: str
    arm: str
    variant: Variant
    """The prompts' own; with ``personas``, each example's prompt names its group besides."""
    examples: tuple[Example, ...]


def answers_of(training_set: TrainingSet) -> tuple[Answer, ...]:
    """Return each of the people's answers behind the examples once, without saying whose it was.

    An example that is shown from both sides counts once. Behind a majority stand the answers of everybody who gave
    it and of those who did not.
    """
    shown_once = [
        e
        for e in training_set.examples
        if training_set.sides is Sides.AS_SHOWN or e.side_order is SideOrder.FIRST_LEFT
    ]
    return tuple(
        Answer(
            respondent=None,
            kind=RespondentKind.HUMAN,
            arm=training_set.arm,
            position=None,
            left=example.left,
            right=example.right,
            choice=target.choice,
            indecision_offered=any(t.choice is Choice.INDECISION for t in example.targets),
            design_hash=training_set.design_hash,
        )
        for example in shown_once
        for target in example.targets
        for _ in range(target.n)
    )


def write_training_set(path: Path, training_set: TrainingSet) -> None:
    """Write a training set for its owner's eyes alone. Equal sets give equal bytes."""
    lines = "".join(_line(_example_document(e)) for e in training_set.examples).encode()
    header = {
        "format": FORMAT,
        "format_version": VERSION,
        "name": training_set.name,
        "group": training_set.group,
        "personas": training_set.personas,
        "size": training_set.size,
        "draw": training_set.draw,
        "labels": training_set.labels.value,
        "sides": training_set.sides.value,
        "design_hash": training_set.design_hash,
        "arm": training_set.arm,
        "variant": training_set.variant.as_dict(),
        "n_examples": len(training_set.examples),
        "examples_sha256": hashlib.sha256(lines).hexdigest(),
    }
    write_bytes(path, _line(header).encode() + lines, owner_only=True)


def read_training_set(path: Path, attributes: Sequence[Attribute]) -> TrainingSet:
    """Read a training set.

    Parameters
    ----------
    attributes
        Of the design that it belongs to.

    Raises
    ------
    BadTrainingSet
        Naming file and line of the first thing that cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadTrainingSet(
            f"{path}: {error.strerror}; name a file written by 'equipoise compare tune prepare'"
        ) from None
    first, _, rest = content.partition(b"\n")
    header = _read(path, 1, first, _header)
    lines = rest.splitlines()
    if len(lines) != header["n_examples"]:
        raise BadTrainingSet(
            f"{path}: holds {len(lines)} examples, but its first line says {header['n_examples']}; prepare it again"
        )
    profiles: dict[str, Profile] = {}

    def example(document: object) -> Example:
        return _example(document, attributes, profiles)

    examples = tuple(_read(path, number, line, example) for number, line in enumerate(lines, start=2))
    # After the lines: a line that cannot be read says more than a hash.
    if hashlib.sha256(rest).hexdigest() != header["examples_sha256"]:
        raise BadTrainingSet(f"{path}: was changed after it was written; prepare it again")
    return TrainingSet(
        name=header["name"],
        group=header["group"],
        personas=header["personas"],
        size=header["size"],
        draw=header["draw"],
        labels=header["labels"],
        sides=header["sides"],
        design_hash=header["design_hash"],
        arm=header["arm"],
        variant=header["variant"],
        examples=examples,
    )


def variant_from(record: Mapping[str, Any]) -> Variant:
    """Return the variant that :meth:`Variant.as_dict` described.

    Raises
    ------
    BadRecord
        A part is unknown or has a value that it cannot have.
    """
    other = record.get("paraphrase")
    try:
        found = variant_of({name: value for name, value in record.items() if name != "paraphrase"})
        return found if other is None else replace(found, paraphrase=Paraphrase(**other))
    except (TypeError, ValueError, CompareError) as error:
        raise BadRecord(f"variant: {error}") from None


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False) + "\n"


def _example_document(example: Example) -> dict[str, Any]:
    return {
        "comparison": example.comparison_id,
        "group": example.group,
        "side_order": example.side_order.value,
        "left": example.left.as_dict(),
        "right": example.right.as_dict(),
        "messages": [{"role": m.role.value, "content": m.content} for m in example.messages],
        "targets": [
            {"choice": t.choice.value, "text": t.text, "share": t.share, "n": t.n} for t in example.targets
        ],
    }


def _read(path: Path, number: int, line: bytes, made: Callable[[object], _Made]) -> _Made:
    try:
        return made(json.loads(line))
    except UnicodeDecodeError:
        complaint = "is not UTF-8 text"
    except ValueError as error:
        # BadRecord is one, and so is what json raises.
        complaint = str(error) if isinstance(error, BadRecord) else f"is not JSON ({error})"
    except (BadProfile, CompareError) as error:
        complaint = str(error)
    raise BadTrainingSet(f"{path}:{number}: {complaint}; prepare it again") from None


def _header(document: object) -> dict[str, Any]:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadRecord("is not the first line of a training set of 'equipoise compare tune prepare'")
    if document.get("format_version") != VERSION:
        raise BadRecord(
            f"is version {document.get('format_version')!r} of the format, this Equipoise reads {VERSION}"
        )
    header = checked(document, _HEADER)
    return header | {
        "labels": word_of(LabelKind, header["labels"], "labels"),
        "sides": word_of(Sides, header["sides"], "sides"),
        "variant": variant_from(header["variant"]),
    }


def _example(document: object, attributes: Sequence[Attribute], profiles: dict[str, Profile]) -> Example:
    parts = checked(document, _EXAMPLE)
    left, right = (_profile(parts[side], attributes, profiles) for side in ("left", "right"))
    found = Example(
        messages=tuple(
            Message(role=word_of(Speaker, m["role"], "messages.role"), content=m["content"])
            for m in (checked(m, _MESSAGE, "messages") for m in parts["messages"])
        ),
        targets=tuple(_target(checked(t, _TARGET, "targets")) for t in parts["targets"]),
        left=left,
        right=right,
        side_order=word_of(SideOrder, parts["side_order"], "side_order"),
        group=parts["group"],
    )
    if not found.messages:
        raise BadRecord("messages: is empty")
    if len({t.choice for t in found.targets}) < len(found.targets):
        raise BadRecord("targets: name a choice twice")
    if found.comparison_id != parts["comparison"]:
        raise BadRecord("comparison: is not that of the two profiles")
    first_left = found.comparison.first == left
    if first_left is not (found.side_order is SideOrder.FIRST_LEFT):
        raise BadRecord("side_order: is not that of the two profiles")
    return found


def _target(parts: dict[str, Any]) -> Target:
    if parts["n"] < 0:
        raise BadRecord("targets.n: is below 0")
    choice = word_of(Choice, parts["choice"], "targets.choice")
    return Target(choice=choice, text=parts["text"], share=float(parts["share"]), n=parts["n"])


def _profile(values: dict[str, Any], attributes: Sequence[Attribute], known: dict[str, Profile]) -> Profile:
    key = json.dumps(values)
    if key not in known:
        known[key] = make_profile(attributes, values)
    return known[key]
