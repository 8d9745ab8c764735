"""How simulated participants choose and what they do besides, by stated probabilities. Pure; takes the generators.

The weights are stated, so that whoever estimates from their answers can check what comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, floor

import numpy as np

from survey.allocation_task import INDECISION
from survey.answers import Choice
from survey.design import Attribute, CategoricalAttribute, Favours, Profile, StudyDesign
from survey.questionnaire import PREFER_NOT_TO_SAY, Comprehension, FormQuestion, QuestionKind

# The first attribute of a design moves the log-odds by this much over its whole range, the k-th by a k-th of it: no
# two attributes count alike, so a mix-up of attributes shows.
TOP_EFFECT = 2.0
DEFAULT_INDECISION_LOG_WEIGHT = -0.5
_SIMULATED_TEXT = "Written by a simulated participant."
# Where a question about a number states no bounds.
_LOWEST_NUMBER, _HIGHEST_NUMBER = 0.0, 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRule:
    """How simulated participants choose.

    With d the difference of utilities (left minus right), the probabilities of left, right and indecision are
    proportional to exp(d/2), exp(-d/2) and exp(``indecision_log_weight``): Davidson (1970) for ties, which is the
    closeness-based (Min-δ) rule of McElfresh et al. (2021) with logistic noise.
    """

    coefficients: Mapping[str, float]
    """``age`` (per unit) or ``drinking=frequent`` (against the attribute's first level), as in the estimators."""
    indecision_log_weight: float = DEFAULT_INDECISION_LOG_WEIGHT

    def utility(self, profile: Profile) -> float:
        """Return the profile's utility, up to a constant."""
        total = 0.0
        for name, value in profile.values:
            if isinstance(value, str):
                total += self.coefficients.get(f"{name}={value}", 0.0)
            else:
                total += self.coefficients.get(name, 0.0) * value
        return total

    def choose(
        self, left: Profile, right: Profile, offered: tuple[Choice, ...], rng: np.random.Generator
    ) -> Choice:
        """Draw a choice among those offered."""
        d = self.utility(left) - self.utility(right)
        weights = {
            Choice.LEFT: exp(d / 2),
            Choice.RIGHT: exp(-d / 2),
            Choice.INDECISION: exp(self.indecision_log_weight),
        }
        # In a fixed order, so that the same draw means the same choice wherever the buttons stand.
        choices = [choice for choice in Choice if choice in offered]
        p = np.array([weights[choice] for choice in choices])
        return choices[int(rng.choice(len(choices), p=p / p.sum()))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """What simulated participants do besides choosing between patients: probabilities, each drawn independently.

    In the screener they give answers that let them take part, each with the same probability. What they say of
    themselves has nothing to do with how they choose.
    """

    follows_instructed: float = 0.97
    """Giving the answer that an instructed check asks for; otherwise they answer it like any comparison."""
    errs_in_comprehension: float = 0.1
    """Answering the question about the instructions wrongly, once, where it is asked again; then rightly."""
    gives_reason: float = 0.8
    """Giving one of the reasons for an indecision; otherwise they go on without."""
    cannot_choose: float = 0.1
    """Answering indecision where one of many is to be chosen and it is offered; otherwise each candidate is equally
    likely: simulated participants do not read who the candidates are."""
    prefers_not_to_say: float = 0.05
    leaves_blank: float = 0.05
    """Of a question about themselves."""

    def answer_comprehension(self, asked: Comprehension, *, again: bool, rng: np.random.Generator) -> str:
        """Return the name of the option to choose."""
        errs = rng.random() < self.errs_in_comprehension
        if again or not errs or asked.attempts < 2:
            return asked.right
        return _one([option.name for option in asked.options if option.name != asked.right], rng)

    def answer_reason(self, offered: Sequence[str], rng: np.random.Generator) -> str:
        """Return one of the reasons offered, or nothing."""
        reasons = [name for name in offered if name]
        return _one(reasons, rng) if rng.random() < self.gives_reason else ""

    def choose_one(self, offered: Sequence[str], rng: np.random.Generator) -> str:
        """Return a candidate's id or indecision."""
        candidates = [value for value in offered if value != INDECISION]
        cannot = rng.random() < self.cannot_choose
        return INDECISION if cannot and INDECISION in offered else _one(candidates, rng)

    def answer_screener(self, question: FormQuestion, rng: np.random.Generator) -> list[str]:
        """Return an answer that does not screen out."""
        return self._stated(question, rng)

    def describe(self, question: FormQuestion, rng: np.random.Generator) -> list[str]:
        """Return an answer to a question about the participant: none, one, or several of the options."""
        drawn = rng.random()
        if drawn < self.prefers_not_to_say:
            return [PREFER_NOT_TO_SAY]
        if drawn < self.prefers_not_to_say + self.leaves_blank:
            return []
        return self._stated(question, rng)

    @staticmethod
    def _stated(question: FormQuestion, rng: np.random.Generator) -> list[str]:
        match question.kind:
            case QuestionKind.TEXT:
                return [_SIMULATED_TEXT]
            case QuestionKind.NUMBER:
                return [_number(question, rng)]
            case QuestionKind.CHOICE:
                return [_one([o.name for o in question.options if not o.screens_out], rng)]
            case QuestionKind.SEVERAL:
                names = [o.name for o in question.options if not o.screens_out]
                return [name for name in names if rng.random() < 0.3] or [_one(names, rng)]


def _one(names: Sequence[str], rng: np.random.Generator) -> str:
    return names[int(rng.integers(len(names)))]


def _number(question: FormQuestion, rng: np.random.Generator) -> str:
    """Return a whole number in the question's range; an end of the range where it holds none."""
    low, high = question.minimum, question.maximum
    if low is None:
        low = _LOWEST_NUMBER if high is None else min(_LOWEST_NUMBER, high)
    if high is None:
        high = max(_HIGHEST_NUMBER, low)
    if ceil(low) > floor(high):
        return f"{low:g}"
    return str(int(rng.integers(ceil(low), floor(high) + 1)))


def known_rule(design: StudyDesign) -> SimulatedRule:
    """Return the default rule: each attribute counts in its usual direction (``favoured``, ``favours``).

    The k-th attribute's best value has a utility of ``TOP_EFFECT`` / k above its worst. Numeric attributes are
    linear. Levels fall off evenly with their distance from the favoured one. Attributes without a stated direction
    do not count.
    """
    coefficients: dict[str, float] = {}
    for k, attribute in enumerate(design.attributes, start=1):
        coefficients |= _effects(attribute, TOP_EFFECT / k)
    return SimulatedRule(coefficients=coefficients)


def _effects(attribute: Attribute, effect: float) -> dict[str, float]:
    if not isinstance(attribute, CategoricalAttribute):
        slope = effect / (attribute.maximum - attribute.minimum)
        sign = {Favours.LOW: -1.0, Favours.HIGH: 1.0, None: 0.0}[attribute.favours]
        return {attribute.name: sign * slope}
    names = attribute.level_names
    if attribute.favoured is None:
        return {f"{attribute.name}={name}": 0.0 for name in names[1:]}
    best = names.index(attribute.favoured)
    farthest = max(best, len(names) - 1 - best)
    utilities = [-effect * abs(i - best) / farthest for i in range(len(names))]
    return {f"{attribute.name}={names[i]}": utilities[i] - utilities[0] for i in range(1, len(names))}
