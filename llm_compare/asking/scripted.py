"""Respondents that follow a rule of a few lines: for tests, demonstrations and as landmarks in comparisons.

They are no models. Their names begin with ``scripted/`` and every output says so. Their replies are texts like a
model's, in the format that was asked for, and go through the same store and parser.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from estimation.effects import term_named
from llm_compare.errors import CannotAsk, UnknownModel
from llm_compare.prompting.call import SCRIPTED
from llm_compare.prompting.labels import Labels
from llm_compare.prompting.request import Request
from llm_compare.prompting.variant import AnswerFormat
from llm_compare.prompting.words import prompt_words
from llm_compare.replies.reply import Reply
from survey.answers import Choice, Presentation
from survey.design import CategoricalAttribute, Favours, Profile, StudyDesign

Script = Callable[[StudyDesign, Presentation, np.random.Generator], Choice]
"""(design, presentation, rng) -> what is chosen."""

FIRST = f"{SCRIPTED}first:"
"""Beginning of the names of respondents that decide by one attribute: ``scripted/first:drinks``."""


def youngest_first(design: StudyDesign, shown: Presentation, rng: np.random.Generator) -> Choice:
    """Choose the younger patient; at equal age flip a coin where that is offered, else choose the left."""
    return _smaller(_age(design, shown.left), _age(design, shown.right), shown)


def always_left(design: StudyDesign, shown: Presentation, rng: np.random.Generator) -> Choice:
    """Choose whoever stands on the left."""
    return Choice.LEFT


def coin(design: StudyDesign, shown: Presentation, rng: np.random.Generator) -> Choice:
    """Leave it to the coin where that is offered, else to the random generator."""
    if shown.indecision_offered:
        return Choice.INDECISION
    return (Choice.LEFT, Choice.RIGHT)[int(rng.integers(2))]


SCRIPTS: Mapping[str, Script] = MappingProxyType(
    {
        f"{SCRIPTED}youngest-first": youngest_first,
        f"{SCRIPTED}always-left": always_left,
        f"{SCRIPTED}coin": coin,
    }
)


_QUOTED_LINE = re.compile("[\u201c\u201e\u00ab]\\s*([^\u201c\u201d\u00ab\u00bb]*)X\\s*[\u201d\u201c\u00bb]")


class ScriptedRespondent:
    """Answers requests by a script, in this process.

    Each reply draws from a generator seeded by the request itself and its repeat, so it does not depend on the
    order of calls. Put a seed into the settings to get other draws.
    """

    def __init__(self, design: StudyDesign, model: str) -> None:
        self._design = design
        self._script = _first(design, model) if model.startswith(FIRST) else _named(design, model)

    async def reply(self, request: Request) -> Reply:
        """Return the script's answer to ``request``, without times: they would say nothing."""
        rng = np.random.default_rng([int(request.key, 16), request.repeat])
        choice = self._script(self._design, request.presentation, rng)
        return said(request, {c: float(c is choice) for c in Choice}, choice)

    async def close(self) -> None:
        """Nothing is open."""


class PlantedRespondent:
    """Answers by known weights, with a known pull of indecision and a known bias to a side: a truth to recover.

    With s the difference of log-strengths, left minus right, plus ``left_bias``, the probabilities of left, right
    and indecision are in proportion to exp(s/2), exp(-s/2) and exp(``indecision``). Without bias that is Davidson's
    model of ties, with log-odds ``indecision`` of a tie between equals against either side.

    Parameters
    ----------
    coefficients
        Log-strength by the term's name, as in ``weights.json``: ``age`` (per unit), ``drinking=frequent`` (against
        the first level).
    left_bias
        Log-odds for the left patient between equals.
    seed
        Of the draws, beside the request's key and repeat.

    Raises
    ------
    estimation.errors.EstimationError
        A coefficient is of no attribute of the design.

    References
    ----------
    Davidson (1970), J. Am. Stat. Assoc. 65, 317-328.
    """

    def __init__(
        self,
        design: StudyDesign,
        coefficients: Mapping[str, float],
        *,
        left_bias: float = 0.0,
        indecision: float = 0.0,
        seed: int = 0,
    ) -> None:
        self._terms = tuple((term_named(name, design.attributes), b) for name, b in coefficients.items())
        self._left_bias = left_bias
        self._indecision = indecision
        self._seed = seed

    def probabilities(self, shown: Presentation) -> dict[Choice, float]:
        """Return the probability of each answer; that of indecision is 0 where it is not offered."""
        difference = self.log_strength(shown.left) - self.log_strength(shown.right) + self._left_bias
        exponents = {Choice.LEFT: difference / 2, Choice.RIGHT: -difference / 2}
        if shown.indecision_offered:
            exponents[Choice.INDECISION] = self._indecision
        top = max(exponents.values())
        odds = {c: math.exp(e - top) for c, e in exponents.items()}
        return {c: odds.get(c, 0.0) / math.fsum(odds.values()) for c in Choice}

    def log_strength(self, profile: Profile) -> float:
        """Return the sum of a profile's effects, not centred."""
        return math.fsum(b * term.value(profile.as_dict()) for term, b in self._terms)

    async def reply(self, request: Request) -> Reply:
        """Draw an answer; where shares are asked for, give the probabilities themselves."""
        rng = np.random.default_rng([self._seed, int(request.key, 16), request.repeat])
        shares = self.probabilities(request.presentation)
        drawn = rng.choice(len(shares), p=list(shares.values()))
        return said(request, shares, list(shares)[int(drawn)])

    async def close(self) -> None:
        """Nothing is open."""


def said(request: Request, shares: Mapping[Choice, float], choice: Choice) -> Reply:
    """Return ``choice`` as a reply in the answer format of ``request``, or ``shares`` where it asks for them."""
    labels, kind = request.labels, request.variant.answer_format
    first_token = None
    if kind is AnswerFormat.FIRST_TOKEN:
        first_token = {m: math.log(shares[c]) for m, _, c in labels.offered() if shares[c] > 0}
    return Reply(
        content=_in_words(labels, kind, shares, choice, language=request.language or "en"),
        finish_reason="stop",
        returned_model=request.model,
        first_token=first_token,
    )


def _in_words(
    labels: Labels, kind: AnswerFormat, shares: Mapping[Choice, float], choice: Choice, *, language: str
) -> str:
    if kind is AnswerFormat.JSON:
        return json.dumps({"answer": labels.mark(choice)})
    if kind is AnswerFormat.REASONED:
        return f"{labels.name(choice)}.\n\n{_answer_line(language, labels.mark(choice))}"
    if kind is AnswerFormat.FREE:
        return f"{labels.name(choice)}."
    if kind is AnswerFormat.SCALE:
        return {Choice.LEFT: "-3", Choice.RIGHT: "3", Choice.INDECISION: "0"}[choice]
    if kind is AnswerFormat.ALLOCATION:
        return json.dumps({mark: round(100 * shares[c], 6) for mark, _, c in labels.offered()})
    return labels.mark(choice)


def _answer_line(language: str, mark: str) -> str:
    """Return the line that ends a reasoned reply, in the words in which the prompt asks for it."""
    quoted = _QUOTED_LINE.search(prompt_words(language).answer[AnswerFormat.REASONED])
    if quoted is None:
        raise ValueError(f"the words of '{language}' show no line that ends a reasoned answer")
    return quoted[1] + mark


def _named(design: StudyDesign, model: str) -> Script:
    if model not in SCRIPTS:
        raise UnknownModel(
            f"no scripted respondent is called '{model}'; there are {', '.join(SCRIPTS)} and {FIRST}<attribute>"
        )
    script = SCRIPTS[model]
    if script is youngest_first and not any(a.name == "age" for a in design.attributes):
        raise CannotAsk(
            f"{model} needs an attribute called 'age', but study '{design.slug}' has "
            f"{', '.join(a.name for a in design.attributes)}; use another respondent"
        )
    return script


def _first(design: StudyDesign, model: str) -> Script:
    """Return the script that decides by one attribute alone, in the direction that the design says is favoured."""
    name = model.removeprefix(FIRST)
    attribute = next((a for a in design.attributes if a.name == name), None)
    if attribute is None:
        raise UnknownModel(
            f"{model} needs an attribute called '{name}', but study '{design.slug}' has "
            f"{', '.join(a.name for a in design.attributes)}; name one of them"
        )
    favoured = attribute.favoured if isinstance(attribute, CategoricalAttribute) else attribute.favours
    if favoured is None:
        raise CannotAsk(
            f"{model} needs to know what is favoured of '{name}', and study '{design.slug}' does not say; "
            "give the attribute 'favoured' or 'favours' in the design, or use another respondent"
        )

    def script(design: StudyDesign, shown: Presentation, rng: np.random.Generator) -> Choice:
        def place(profile: Profile) -> float:
            value = profile[name]
            if isinstance(attribute, CategoricalAttribute):
                return float(value != favoured)
            return float(value) if favoured is Favours.LOW else -float(value)

        return _smaller(place(shown.left), place(shown.right), shown)

    return script


def _smaller(left: float, right: float, shown: Presentation) -> Choice:
    """Return the side of the smaller number; equal ones are an indecision where it is offered, else the left."""
    if left == right:
        return Choice.INDECISION if shown.indecision_offered else Choice.LEFT
    return Choice.LEFT if left < right else Choice.RIGHT


def _age(design: StudyDesign, profile: Profile) -> float:
    attribute = design.attribute("age")
    value = profile["age"]
    if isinstance(attribute, CategoricalAttribute):
        # Levels carry no order of their own: the favoured one counts as youngest, the rest as listed.
        return -1.0 if value == attribute.favoured else float(attribute.level_names.index(str(value)))
    return float(value)
