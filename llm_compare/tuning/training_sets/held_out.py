"""Which of people's answers a model is tuned on, and which are kept from it to measure it on. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from llm_compare.errors import CannotTune
from survey.answers import Answer
from survey.design import Attribute, CategoricalAttribute, Comparison, StudyDesign, Value, plain_number
from survey.errors import BadProfile

_RANGE = re.compile(r"(?P<low>-?[0-9.]*[0-9])\.\.(?P<high>-?[0-9.]*[0-9])")
_OF_COMPARISONS, _OF_PARTICIPANTS = 1, 2


class TestSet(StrEnum):
    """What is new to a model about the answers that it is measured on."""

    __test__ = False  # No test of pytest's.

    COMPARISONS = "comparisons"
    """People who are in training, on comparisons that are not."""
    PARTICIPANTS = "participants"
    """People who are not in training, on comparisons that are."""
    BOTH = "both"
    """People who are not in training, on comparisons that are not."""
    LEVELS = "levels"
    """Anybody, on comparisons with a held-out level of an attribute."""

    @property
    def words(self) -> str:
        """What it holds, in words."""
        return _WORDS[self]

    def words_of(self, answers: Iterable[Answer]) -> str:
        """Return what it holds; nothing is claimed of people where answers do not say whose they are."""
        if self is TestSet.COMPARISONS and any(a.respondent is None for a in answers):
            return _WHOEVER
        return self.words


_WHOEVER = "comparisons that no training answer is about; who answered is not known"
_WORDS: Mapping[TestSet, str] = {
    TestSet.COMPARISONS: "new comparisons, answered by people whose other answers were trained on",
    TestSet.PARTICIPANTS: "comparisons that were trained on, answered by people who were not",
    TestSet.BOTH: "new comparisons, answered by people none of whose answers was trained on",
    TestSet.LEVELS: "comparisons with levels that no training comparison has",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutLevel:
    """Values of an attribute that no training comparison has, on either side."""

    attribute: str
    level: str | None = None
    """Of a categorical attribute."""
    low: float | None = None
    """Of a numeric attribute: the range held out, both ends included."""
    high: float | None = None

    @classmethod
    def of(cls, text: str, attributes: Sequence[Attribute]) -> HeldOutLevel:
        """Return what ``drinking=heavy``, ``age=90`` or ``age=60..70`` says.

        Raises
        ------
        CannotTune
            It names no attribute of the study, or values that it does not take.
        """
        name, equals, given = (part.strip() for part in text.partition("="))
        if not equals or not given:
            raise CannotTune(
                f"held-out level '{text}': write attribute=level, e.g. drinking=heavy or age=60..70"
            )
        attribute = next((a for a in attributes if a.name == name), None)
        if attribute is None:
            raise CannotTune(
                f"held-out level '{text}': the study has no attribute '{name}'; it has "
                f"{', '.join(a.name for a in attributes)}"
            )
        if isinstance(attribute, CategoricalAttribute):
            return cls(attribute=name, level=_checked(attribute, given, text))
        ends = _RANGE.fullmatch(given)
        low, high = (
            (_number(e, text) for e in (ends["low"], ends["high"])) if ends else [_number(given, text)] * 2
        )
        if ends is None:
            _checked(attribute, plain_number(low), text)
        held_out = cls(attribute=name, low=low, high=high)
        if not any(held_out.has(value) for value in attribute.values):
            raise CannotTune(
                f"held-out level '{text}': '{name}' takes no value from {plain_number(low)} to "
                f"{plain_number(high)}; it takes values from {plain_number(attribute.minimum)} to "
                f"{plain_number(attribute.maximum)}"
            )
        return held_out

    def has(self, value: Value) -> bool:
        """Return whether a value of the attribute is held out."""
        if self.level is not None:
            return value == self.level
        return self.low is not None and self.high is not None and self.low <= float(value) <= self.high

    def is_in(self, comparison: Comparison) -> bool:
        """Return whether one of the two profiles has such a value."""
        return any(self.has(p[self.attribute]) for p in (comparison.first, comparison.second))

    def __str__(self) -> str:
        """Write it as it is read."""
        if self.level is not None:
            return f"{self.attribute}={self.level}"
        low, high = (plain_number(end) for end in (self.low or 0.0, self.high or 0.0))
        return f"{self.attribute}={low}" if low == high else f"{self.attribute}={low}..{high}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """How much is kept from a model. 0 and no levels keep nothing from it, and leave nothing to measure it on."""

    comparisons: float = 0.2
    """Share of the different comparisons."""
    participants: float = 0.2
    """Share of the participants."""
    levels: tuple[HeldOutLevel, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        for name in ("comparisons", "participants"):
            if not 0 <= getattr(self, name) < 1:
                raise CannotTune(
                    f"held-out share of {name}: {getattr(self, name):g} must be at least 0 and below 1"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """People's answers, each in one place. The order of the rows that they came from does not show."""

    training: tuple[Answer, ...]
    tests: Mapping[TestSet, tuple[Answer, ...]]
    """Only those that hold answers."""
    n_held_out_comparisons: int
    """Drawn, those with held-out levels not counted."""
    n_held_out_participants: int
    notes: tuple[str, ...]
    """What was left out, and which tests there are not, in words."""


def split_answers(answers: Iterable[Answer], design: StudyDesign, held_out: HeldOut, *, seed: int) -> Split:
    """Split people's main answers into those to train on and those to measure on.

    A comparison is held out with its mirrored twin, a participant with all waves. Who and what is held out hangs on
    the seed and on the sets of comparisons and participants alone. Where an answer belongs is then decided by what
    training really holds: somebody whose comparisons nobody else answered is in :attr:`TestSet.BOTH`, not in
    :attr:`TestSet.PARTICIPANTS`.

    Raises
    ------
    CannotTune
        Nothing would be left to train on, a held-out level was never shown, or participants shall be held out of
        answers that do not say whose they are.
    """
    found = sorted((_named(a, design) for a in answers), key=_order)
    kept = [a for a in found if a.left != a.right]
    notes = []
    if identical := len(found) - len(kept):
        notes.append(f"{identical} answers to a profile beside itself are left out")
    for level in held_out.levels:
        if not any(level.is_in(a.comparison) for a in kept):
            raise CannotTune(f"held-out level '{level}': nobody was shown it; name another")
    new_level = [a for a in kept if any(level.is_in(a.comparison) for level in held_out.levels)]
    others = [a for a in kept if not any(level.is_in(a.comparison) for level in held_out.levels)]
    comparisons = _drawn(
        {comparison_key(a.comparison) for a in others},
        held_out.comparisons,
        "comparisons",
        [seed, _OF_COMPARISONS],
    )
    participants = _held_out_participants(others, held_out.participants, seed)
    training = tuple(
        a
        for a in others
        if a.respondent not in participants and comparison_key(a.comparison) not in comparisons
    )
    if not training:
        raise CannotTune(
            f"of {len(kept)} answers none is left to train on; hold out fewer comparisons, participants or levels"
        )
    tests = _tests(training, others, new_level)
    notes += _missing_notes(held_out, tests)
    return Split(
        training=training,
        tests=tests,
        n_held_out_comparisons=len(comparisons),
        n_held_out_participants=len(participants),
        notes=tuple(notes),
    )


def comparison_key(comparison: Comparison) -> str:
    """Return a text that two comparisons share only if they are of the same two profiles."""
    return json.dumps([comparison.first.as_dict(), comparison.second.as_dict()], sort_keys=True)


def _tests(
    training: Sequence[Answer], others: Sequence[Answer], new_level: Sequence[Answer]
) -> dict[TestSet, tuple[Answer, ...]]:
    known_comparisons = {comparison_key(a.comparison) for a in training}
    known_people = {a.respondent for a in training}
    sorted_out: dict[TestSet, list[Answer]] = {test: [] for test in TestSet}
    sorted_out[TestSet.LEVELS] = list(new_level)
    for answer in others:
        # Of a source that does not say who answered, nobody can be called new.
        known = answer.respondent is None or answer.respondent in known_people
        if comparison_key(answer.comparison) not in known_comparisons:
            sorted_out[TestSet.COMPARISONS if known else TestSet.BOTH].append(answer)
        elif not known:
            sorted_out[TestSet.PARTICIPANTS].append(answer)
    return {test: tuple(found) for test, found in sorted_out.items() if found}


def _missing_notes(held_out: HeldOut, tests: Mapping[TestSet, Sequence[Answer]]) -> list[str]:
    notes = []
    if not tests:
        notes.append(
            "nothing is held out, so nothing can be measured of a model that is tuned on these answers"
        )
    if held_out.comparisons and TestSet.COMPARISONS not in tests:
        notes.append(
            "nobody whose answers are trained on answered a held-out comparison, so there is no test 'comparisons'"
        )
    if held_out.participants and TestSet.PARTICIPANTS not in tests:
        notes.append(
            "the held-out participants answered no comparison that is trained on, so there is no test "
            "'participants'; their answers are in 'both'"
        )
    return notes


def _held_out_participants(answers: Sequence[Answer], share: float, seed: int) -> set[str]:
    people = {a.respondent for a in answers}
    if share and None in people:
        raise CannotTune(
            "the answers do not all say who gave them, so participants cannot be held out; use "
            "--hold-out-participants 0"
        )
    return _drawn({p for p in people if p is not None}, share, "participants", [seed, _OF_PARTICIPANTS])


def _drawn(names: set[str], share: float, what: str, seeds: Sequence[int]) -> set[str]:
    """Return the held-out ones: at least one where any shall be, and never all."""
    if not share:
        return set()
    ordered = sorted(names)
    count = max(1, round(share * len(ordered)))
    if count >= len(ordered):
        raise CannotTune(
            f"of {len(ordered)} {what}, {share:g} held out leaves none to train on; hold out fewer, or 0"
        )
    rng = np.random.default_rng(list(seeds))
    return {ordered[i] for i in rng.permutation(len(ordered))[:count]}


def _named(answer: Answer, design: StudyDesign) -> Answer:
    left, right = (design.profile(p.as_dict()) for p in (answer.left, answer.right))
    return replace(answer, left=left, right=right)


def _order(answer: Answer) -> tuple[str, int, int, str, str, str]:
    shown = (
        json.dumps(answer.left.as_dict(), sort_keys=True),
        json.dumps(answer.right.as_dict(), sort_keys=True),
    )
    return (answer.respondent or "", answer.wave, answer.position or 0, *shown, answer.choice.value)


def _checked(attribute: Attribute, value: object, text: str) -> str:
    try:
        return str(attribute.checked(value))
    except BadProfile as error:
        raise CannotTune(f"held-out level '{text}': {error}") from None


def _number(given: str, text: str) -> float:
    try:
        return float(given)
    except ValueError:
        raise CannotTune(
            f"held-out level '{text}': '{given}' is no number; write e.g. age=90 or age=60..70"
        ) from None
