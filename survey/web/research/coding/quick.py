"""What a coder types to code a suggestion by keyboard: ``age, kids``, ``+New one``, ``-`` or ``!``. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from survey.coding.coding import Category, Outcome
from survey.suggestions import folded

_OUTCOMES = {"-": Outcome.NO_CATEGORY, "!": Outcome.UNUSABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What the letters stand for."""

    names: tuple[str, ...] = ()
    """Of categories that are there."""
    new: tuple[str, ...] = ()
    """Labels of categories to make."""
    outcome: Outcome | None = None
    complaints: tuple[str, ...] = ()
    """Why something stands for nothing, as sentences."""


def read_typed(text: str, offered: Sequence[Category]) -> Typed:
    """Read the field: parts with commas between, each the beginning of a label, in upper or lower case.

    A label that is typed in full is meant even where longer ones begin alike.
    """
    names, new, outcomes, complaints = [], [], [], []
    for part in (part.strip() for part in text.split(",")):
        if part in _OUTCOMES:
            outcomes.append(_OUTCOMES[part])
        elif part.startswith("+"):
            label = " ".join(part[1:].split())
            there = _called(label, offered)
            if there:
                names.append(there.name)
            elif label:
                new.append(label)
            else:
                complaints.append("Write the new category’s name behind the +.")
        elif part:
            found = _meant(part, offered)
            if len(found) == 1:
                names.append(found[0].name)
            elif found:
                some = ", ".join(f"“{one.label}”" for one in found[:4])
                complaints.append(f"“{part}” is the beginning of several categories: {some}.")
            else:
                complaints.append(f"No category begins with “{part}”; +{part} makes one.")
    if len(set(outcomes)) > 1 or (outcomes and (names or new)):
        complaints.append("- and ! stand alone: they say that it is in no category.")
    return Typed(
        names=tuple(dict.fromkeys(names)),
        new=tuple(dict.fromkeys(new)),
        outcome=outcomes[0] if outcomes else None,
        complaints=tuple(complaints),
    )


def _meant(part: str, offered: Sequence[Category]) -> list[Category]:
    whole = _called(part, offered)
    return [whole] if whole else [one for one in offered if folded(one.label).startswith(folded(part))]


def _called(label: str, offered: Sequence[Category]) -> Category | None:
    return next((one for one in offered if folded(one.label) == folded(label)), None)
