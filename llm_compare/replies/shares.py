"""Answers that are spread over what is on offer: points, or the probabilities of the first token. Pure."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping

from llm_compare.prompting.labels import Labels
from llm_compare.replies.json_object import objects_in
from llm_compare.replies.offered import EDGES
from llm_compare.replies.outcome import Outcome, Parsed, Rule
from survey.answers import Choice

POINTS = 100
SLACK = 1
"""Points by which an allocation may miss 100: three shares rounded to whole points sum to 99, 100 or 101."""
LEAST_MASS = 0.5
"""Probability that the first token must give to the offered marks together: with less, the model was more likely to
say something else than to answer, and what it would say is in the text."""

_SIDES = (Choice.LEFT, Choice.RIGHT, Choice.INDECISION)
_NUMBER = r"([-+\u2212]?\d{1,9}(?:[.,]\d{1,9})?)"
_POINTS_END = (
    r"(?=\s*(?:%|points?\b|punkte?n?\b|puntos?\b|pontos?\b|punti\b|punten\b|分|$|[,;\n)|/}]|\.(?:\s|$)))"
)
_SPACE_MARKS = "\u2581\u0120\u010a"  # How tokenizers write a space or a line's end before a token.


def read_allocation(text: str, labels: Labels) -> Parsed | None:
    """Return how ``text`` spreads the points; None where it names points of no answer.

    A JSON object or ``A: 60, B: 30, C: 10``, by mark or by name. An answer that is not named has 0 points. Points
    below 0, points of something that is not on offer, two different numbers for one answer, and sums other than
    100 (by more than 1) are unreadable: any repair would be a guess.
    """
    points = _points_in_objects(text, labels)
    if points is None:
        points = _points_in_words(text, labels)
    if points is None:
        return None
    total = math.fsum(points.values())
    sound = all(math.isfinite(p) and p >= 0 for p in points.values())
    if not sound or abs(total - POINTS) > SLACK:
        return Parsed(outcome=Outcome.UNREADABLE, choice=None, rule=Rule.BAD_POINTS)
    return largest(points, labels, Rule.POINTS)


def read_first_token(log_probabilities: Mapping[str, float], labels: Labels) -> Parsed | None:
    """Return the probabilities of the offered marks, normalized over them; None where they have too little mass.

    A token counts for the mark that it is, apart from spaces and quotes around it; ``a`` is an article, not ``A``.
    """
    mass = dict.fromkeys((c for _, _, c in labels.offered()), 0.0)
    marks = {mark: c for mark, _, c in labels.offered()}
    for token, log_probability in log_probabilities.items():
        choice = marks.get(unicodedata.normalize("NFKC", token).strip(_SPACE_MARKS + EDGES))
        if choice is not None and not math.isnan(log_probability):
            mass[choice] += math.exp(min(log_probability, 0.0))
    if math.fsum(mass.values()) < LEAST_MASS:
        return None
    return largest(mass, labels, Rule.FIRST_TOKEN)


def largest(spread: Mapping[Choice, float], labels: Labels, rule: Rule) -> Parsed:
    """Return the answer with the largest share, with the shares.

    Where two or three are equally large, nothing is preferred: that is indecision if it is offered.
    """
    total = math.fsum(spread.values())
    left, right, neither = (spread.get(c, 0.0) / total for c in _SIDES)
    shares = (left, right, neither)
    top = [c for c in _SIDES if math.isclose(spread.get(c, 0.0), max(spread.values()), rel_tol=1e-9)]
    if len(top) > 1 and labels.indecision is None:
        return Parsed(outcome=Outcome.UNREADABLE, choice=None, rule=Rule.EVEN, shares=shares)
    choice = top[0] if len(top) == 1 else Choice.INDECISION
    outcome = Outcome.INDECISION if choice is Choice.INDECISION else Outcome.CHOICE
    return Parsed(outcome=outcome, choice=choice, rule=rule, shares=shares)


def _called(labels: Labels) -> dict[str, Choice]:
    """Return what each answer may be called, without regard to case."""
    called = {}
    for mark, name, c in labels.offered():
        for text in (mark, name, f"{mark} = {name}", f"{mark} ({name})", f"{name} ({mark})"):
            called[_plain(text)] = c
    return called


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip(EDGES).casefold()


def _points_in_objects(text: str, labels: Labels) -> dict[Choice, float] | None:
    """Return the points in the only object that gives any; impossible ones (NaN) for what cannot be read."""
    called = _called(labels)
    spread: list[dict[Choice, float]] = []
    for found in objects_in(text):
        points: dict[Choice, float] = {}
        strange = False
        for key, value in found.members:
            number = _number(value)
            choice = called.get(_plain(key))
            if choice is None:
                strange = strange or number is not None  # Points for something else than an answer.
            elif number is None or points.get(choice, number) != number:
                strange = True
            else:
                points[choice] = number
        if points:
            spread.append(dict.fromkeys(points, math.nan) if strange else points)
    if not spread:
        return None
    return spread[0] if all(s == spread[0] for s in spread) else dict.fromkeys(spread[0], math.nan)


def _points_in_words(text: str, labels: Labels) -> dict[Choice, float] | None:
    points: dict[Choice, float] = {}
    names = sorted(_called(labels).items(), key=lambda item: -len(item[0]))
    pattern = "|".join(re.escape(name) for name, _ in names)
    called = dict(names)
    said = rf"(?<!\w)({pattern})[*_`\"')]*\s*(?:[:=\u2013\u2014-]|->|\u2192)\s*[*_`]*{_NUMBER}[*_`]*{_POINTS_END}"
    for name, number in re.findall(said, text, re.IGNORECASE | re.MULTILINE):
        choice, value = called[name.casefold()], _number(number)
        if value is None or points.get(choice, value) != value:
            return {choice: math.nan}
        points[choice] = value
    return points or None


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) < 1e9 else math.nan
    if isinstance(value, str) and re.fullmatch(rf"\s*{_NUMBER}\s*%?\s*", value):
        return float(value.strip(" \t\r\n%").replace(",", ".").replace("\u2212", "-"))
    return None
