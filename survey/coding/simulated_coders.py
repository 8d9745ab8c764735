"""Coders who know what simulated participants meant and err at stated rates. Pure; takes the generators.

What agreement their rates imply can be computed, so the measures of agreement can be checked on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from survey.coding.coding import Category, Code, CodeKind, CodingError, Outcome, Suggestion
from survey.coding.final import Word
from survey.coding.synthetic import Meanings, Population

SIMULATED_CODER = "sim-coder-"
"""How the names of simulated coders begin; a number from 1 follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoderRates:
    """How often a simulated coder errs: probabilities, each drawn independently."""

    misses: float = 0.08
    """Per category that a suggestion belongs to: not to see it."""
    adds_wrong: float = 0.03
    """Per suggestion that names something: to add a category that it does not belong to, each of them as likely."""
    calls_unusable: float = 0.02
    """Per suggestion that names something: to say of it that it names nothing, and nothing else."""


def simulated_categories(population: Population) -> tuple[Category, ...]:
    """Return the codebook that simulated coders use."""
    return tuple(
        Category(name=category.name, label=category.label, definition=category.definition)
        for category in population.categories
    )


def simulated_codes(
    population: Population,
    suggestions: Iterable[Suggestion],
    *,
    coders: int,
    seed: int,
    rates: CoderRates | None = None,
) -> tuple[Code, ...]:
    """Return what simulated coders say of every suggestion: ``sim-coder-1`` and so on, each with a seed of its own.

    Somebody to whom no category is left says ``no_category``. What names nothing is always seen to name nothing.
    The draws follow the respondents' names and not the suggestions' numbers, so the same rehearsed answers are
    coded alike in whichever order they were stored.

    Raises
    ------
    CodingError
        A suggestion is none of the population's; it is named.
    """
    rates, meanings = rates or CoderRates(), Meanings(population)
    names = [category.name for category in population.categories]
    ordered = sorted(suggestions, key=lambda s: (s.respondent, s.stance, s.id))
    meant = [(suggestion.id, _meant(meanings, suggestion)) for suggestion in ordered]
    codes = []
    for number in range(1, coders + 1):
        rng = np.random.default_rng([seed, number])
        coder = f"{SIMULATED_CODER}{number}"
        for id_, truth in meant:
            word = _said(truth, names, rates, rng)
            codes += [
                Code(
                    suggestion=id_, kind=CodeKind.CODER, coder=coder, outcome=word.outcome, category=category
                )
                for category in sorted(word.categories) or [""]
            ]
    return tuple(sorted(codes, key=lambda code: (code.suggestion, code.coder, code.category)))


def _meant(meanings: Meanings, suggestion: Suggestion) -> Word:
    try:
        return meanings.of(suggestion.text)
    except CodingError as error:
        raise CodingError(
            f"suggestion {suggestion.id}: {error}; simulated coders code only what 'equipoise survey rehearse' "
            "has written"
        ) from None


def _said(truth: Word, names: Sequence[str], rates: CoderRates, rng: np.random.Generator) -> Word:
    """Draw what a coder says of a suggestion that stands for ``truth``."""
    if truth.outcome is Outcome.UNUSABLE:
        return truth
    if rng.random() < rates.calls_unusable:
        return Word(outcome=Outcome.UNUSABLE)
    said = {name for name in sorted(truth.categories) if rng.random() >= rates.misses}
    if rng.random() < rates.adds_wrong:
        wrong = [name for name in names if name not in truth.categories]
        if wrong:
            said.add(wrong[int(rng.integers(len(wrong)))])
    if not said:
        return Word(outcome=Outcome.NO_CATEGORY)
    return Word(outcome=Outcome.CATEGORY, categories=frozenset(said))
