"""Questions around the comparisons: screener, comprehension, demographics, reasons for indecision. Pure.

Whoever answers may always leave a question out or say so ("prefer not to say"); only the screener needs answers,
because it decides who takes part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import TypeAlias

PREFER_NOT_TO_SAY = "prefer-not-to-say"
"""Stored in place of an answer that somebody would rather not give; no option may be called so."""
LONGEST_TEXT = 2_000
"""Characters of a free answer that are kept; the page's field takes no more."""

_LARGEST_WHOLE = 2**53

Stated: TypeAlias = str | int | float | list[str]
"""An answer to a question: an option's name, several of them, a number, or text."""


class QuestionKind(StrEnum):
    """How a question is answered."""

    CHOICE = "choice"
    """One of the options."""
    SEVERAL = "several"
    """Any number of the options."""
    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One of the answers that a question offers."""

    name: str
    """Identifier in files and data."""
    words: str
    """What a participant reads."""
    screens_out: bool = False
    """Whoever gives this answer in the screener does not take part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormQuestion:
    """A question of the screener or the demographics."""

    name: str
    text: str
    kind: QuestionKind
    options: tuple[Option, ...] = ()
    """For ``choice`` and ``several``, at least two."""
    minimum: float | None = None
    maximum: float | None = None
    """For ``number``: both ends belong to the range."""

    def option(self, name: str) -> Option | None:
        """Return the option called ``name``, if there is one."""
        return next((option for option in self.options if option.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comprehension:
    """A question about the instructions. A wrong answer shows ``explanation`` and asks again."""

    text: str
    options: tuple[Option, ...]
    right: str
    """Name of the right option."""
    explanation: str
    attempts: int = 2
    """Answers that are asked for at most."""
    screens_out: bool = False
    """Whether somebody who never answers rightly is sent away; else it is a flag and the study goes on."""


@dataclass(frozen=True, slots=True)
class Misunderstood:
    """Why a sent answer cannot be stored: which question, and what to do."""

    question: str
    problem: str
    """``missing``, ``not an option``, ``not a number``, ``out of range``; the page puts it in words."""


def read_form(
    questions: Sequence[FormQuestion], sent: Mapping[str, Sequence[str]], *, all_needed: bool
) -> tuple[dict[str, Stated], list[Misunderstood]]:
    """Read a sent form: the answers by question name, and what is wrong with it.

    A question that is left blank has no answer in the result; with ``all_needed`` that is wrong.
    "Prefer not to say" wins over anything else sent with it.
    """
    stated: dict[str, Stated] = {}
    wrong: list[Misunderstood] = []
    for question in questions:
        given = [text.strip() for text in sent.get(question.name, ()) if text.strip()]
        if PREFER_NOT_TO_SAY in given:
            stated[question.name] = PREFER_NOT_TO_SAY
        elif not given:
            if all_needed:
                wrong.append(Misunderstood(question.name, "missing"))
        else:
            answer = _read(question, given)
            if isinstance(answer, Misunderstood):
                wrong.append(answer)
            else:
                stated[question.name] = answer
    return stated, wrong


def screened_out_by(questions: Sequence[FormQuestion], stated: Mapping[str, Stated]) -> list[str]:
    """Return the names of the questions whose answers end the study for this participant."""
    return [
        question.name
        for question in questions
        if any(o.screens_out and o.name in _names(stated.get(question.name)) for o in question.options)
    ]


def _names(answer: Stated | None) -> list[str]:
    if isinstance(answer, list):
        return answer
    return [answer] if isinstance(answer, str) else []


def _read(question: FormQuestion, given: list[str]) -> Stated | Misunderstood:
    if question.kind is QuestionKind.TEXT:
        return given[0][:LONGEST_TEXT]
    if question.kind is QuestionKind.NUMBER:
        return _read_number(question, given[0])
    if any(question.option(name) is None for name in given):
        return Misunderstood(question.name, "not an option")
    if question.kind is QuestionKind.CHOICE:
        return given[0]
    return [option.name for option in question.options if option.name in given]


def _read_number(question: FormQuestion, text: str) -> Stated | Misunderstood:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return Misunderstood(question.name, "not a number")
    if not isfinite(number) or "_" in text:  # Python's own way of writing 1_000.
        return Misunderstood(question.name, "not a number")
    too_low = question.minimum is not None and number < question.minimum
    if too_low or (question.maximum is not None and number > question.maximum):
        return Misunderstood(question.name, "out of range")
    # Beyond it a float no longer tells whole numbers apart, and a column of whole numbers cannot hold them.
    return int(number) if number.is_integer() and abs(number) <= _LARGEST_WHOLE else number
