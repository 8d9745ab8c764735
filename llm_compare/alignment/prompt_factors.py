"""How much does the way of asking change a model's choices, beyond what asking again changes?

A factor (framing, answer format, language, paraphrase ...) is judged by variants of the prompt that differ in it
alone, on the same comparisons with the same sides. The headline of an alignment stays the variant that people were
shown; this says how far it would have moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from llm_compare.alignment.choices import FIRST, INDECISION, SECOND, Array, Choices, Indices
from llm_compare.alignment.consistency import agreeing_pairs, cell_sums, totals
from llm_compare.alignment.resampling import LEVEL, Measured

FEWEST_FOR_VARIANCE = 6
"""Levels below which a variance between levels says nothing; then each level is shown."""

# What differs by less between comparisons is rounding.
_NO_VARIATION = 1e-9

_NO_REPEATS = "needs at least two repeats of the same presentation in both variants"
_NONE_SHARED = "the variants share no comparison with the same sides"
_FEW_LEVELS = f"fewer than {FEWEST_FOR_VARIANCE} levels say nothing about a variance; see each of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A model's choices at one level of a factor, over the variants that are compared there."""

    level: str
    """Empty: as the design says."""
    indecision: Measured
    """Share of answers that are indecision, comparisons counting alike."""
    left: Measured
    """Share of decided answers for the left patient."""
    n_answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What changes between two levels of a factor, all else equal. Indecision is a choice like the others."""

    one: str
    other: str
    squared_distance: Measured
    """Squared distance of the shares of left, right, indecision, unbiased: 0 if the levels do not differ, however
    few the repeats (so single values may be below 0); at most 2."""
    agreement_across: Measured
    """Probability that an answer at one level and one at the other are the same choice."""
    agreement_within: Measured
    """The same for two answers at the same level, the mean of both: what repeats alone lose."""
    n_presentations: int
    """Comparisons with given sides that both levels were asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordingVariance:
    """How the variance of choices splits. A choice is three numbers, one of which is 1; shares sum to 1."""

    wording: float
    """Between levels of the factor on the same presentation: everywhere, or in some comparisons only."""
    comparisons: float
    """Between presentations: what a model's choices are about."""
    repeats: float
    """Between answers to the same prompt."""
    n_levels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One factor of the prompt."""

    factor: str
    levels: tuple[Level, ...]
    changes: tuple[Change, ...]
    """Every two levels that were compared."""
    variance: WordingVariance | None
    """Where six levels or more were asked, all with repeats."""
    no_variance: str
    """Why there is none; empty where there is one."""
    reason: str
    """Why nothing can be said: no two variants differ in this factor alone; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFactors:
    """Every factor that was varied."""

    factors: tuple[Factor, ...]
    variants: tuple[str, ...]
    """Names of the variants that were asked."""


def prompt_factors(variants: Mapping[str, tuple[Mapping[str, str], Choices]]) -> PromptFactors:
    """Measure what each factor changes.

    Intervals are over comparisons, which are taken as independent (t quantiles).

    Parameters
    ----------
    variants
        Name of a variant -> the level of each factor, and the model's choices. All choices number the same
        comparisons.

    Raises
    ------
    ValueError
        The variants' comparisons are numbered differently, or they do not state the same factors.
    """
    if not variants:
        return PromptFactors(factors=(), variants=())
    asked = [_Asked(levels, choices) for levels, choices in variants.values()]
    if any(a.choices.comparisons != asked[0].choices.comparisons for a in asked):
        raise ValueError("variants of a prompt must number the same comparisons")
    names = list(asked[0].levels)
    if any(set(a.levels) != set(names) for a in asked):
        raise ValueError("variants of a prompt must state the same factors")
    varied = [name for name in names if len({a.levels[name] for a in asked}) > 1]
    return PromptFactors(factors=tuple(_factor(name, asked) for name in varied), variants=tuple(variants))


class _Asked:
    """One variant with its choices by presentation: comparison and who stands on the left."""

    def __init__(self, levels: Mapping[str, str], choices: Choices) -> None:
        self.levels, self.choices = dict(levels), choices
        mirrored = choices.choice[:, [SECOND, FIRST, INDECISION]]
        as_shown = np.where(choices.first_left[:, None], choices.choice, mirrored)
        cell: Indices = 2 * choices.comparison + choices.first_left
        self.n_cells = 2 * len(choices.comparisons)
        once = np.ones(choices.n_answers)
        self.sums = cell_sums(as_shown, once, cell, self.n_cells)
        """Answers left, right, indecision by presentation, shape (n_cells, 3)."""
        self.size = self.sums.sum(axis=1)
        hits, pairs = agreeing_pairs(as_shown, once, cell, self.n_cells)
        self.within = np.where(pairs > 0, hits / np.where(pairs > 0, pairs, 1), np.nan)
        self.share = self.sums / np.where(self.size > 0, self.size, 1)[:, None]

    def others(self, factor: str) -> tuple[tuple[str, str], ...]:
        """Return the levels of all other factors."""
        return tuple(sorted((k, v) for k, v in self.levels.items() if k != factor))


def _factor(name: str, asked: list[_Asked]) -> Factor:
    pairs = [
        (a, b)
        for a, b in combinations(asked, 2)
        if a.levels[name] != b.levels[name] and a.others(name) == b.others(name)
    ]
    if not pairs:
        alone = "no two variants differ in this factor alone, so its change cannot be told from the others'"
        return Factor(factor=name, levels=(), changes=(), variance=None, no_variance=alone, reason=alone)
    matched = list(dict.fromkeys(a for pair in pairs for a in pair))
    levels = list(dict.fromkeys(a.levels[name] for a in matched))
    changes = tuple(_changes(name, levels, pairs))
    variance = _variance(name, matched)
    return Factor(
        factor=name,
        levels=tuple(_level(level, [a for a in matched if a.levels[name] == level]) for level in levels),
        changes=changes,
        variance=variance if isinstance(variance, WordingVariance) else None,
        no_variance="" if isinstance(variance, WordingVariance) else variance,
        reason="",
    )


def _level(level: str, asked: list[_Asked]) -> Level:
    sums = np.sum([a.sums for a in asked], axis=0)
    size = sums.sum(axis=1)
    undecided = _of_comparisons(np.where(size > 0, sums[:, INDECISION] / np.where(size > 0, size, 1), 0.0))
    decided = size - sums[:, INDECISION]
    return Level(
        level=level,
        indecision=_mean(
            undecided, _of_comparisons((size > 0).astype(float)), "no answers", bounds=(0.0, 1.0)
        ),
        left=_mean(
            _of_comparisons(sums[:, 0]), _of_comparisons(decided), "no answer is decided", bounds=(0.0, 1.0)
        ),
        n_answers=round(float(size.sum())),
    )


def _changes(name: str, levels: list[str], pairs: list[tuple[_Asked, _Asked]]) -> Iterator[Change]:
    for one, other in combinations(levels, 2):
        between = [p for p in pairs if {p[0].levels[name], p[1].levels[name]} == {one, other}]
        if not between:
            continue
        n_cells = between[0][0].n_cells
        across, within, n_across, n_within, moved = (np.zeros(n_cells) for _ in range(5))
        for a, b in between:
            both = (a.size > 0) & (b.size > 0)
            agree = (a.share * b.share).sum(axis=1)
            repeated = both & np.isfinite(a.within) & np.isfinite(b.within)
            across += np.where(both, agree, 0.0)
            n_across += both
            n_within += repeated
            within += np.where(repeated, (a.within + b.within) / 2, 0.0)
            moved += np.where(repeated, a.within + b.within - 2 * agree, 0.0)
        by = [_of_comparisons(x) for x in (moved, across, within, n_across, n_within)]
        yield Change(
            one=one,
            other=other,
            squared_distance=_mean(by[0], by[4], _NO_REPEATS, bounds=(-2.0, 2.0)),
            agreement_across=_mean(by[1], by[3], _NONE_SHARED, bounds=(0.0, 1.0)),
            agreement_within=_mean(by[2], by[4], _NO_REPEATS, bounds=(0.0, 1.0)),
            n_presentations=int((n_across > 0).sum()),
        )


def _variance(name: str, asked: list[_Asked]) -> WordingVariance | str:
    """Split one less the agreement of answers to different presentations, by what two answers share.

    Two answers to the same prompt agree with a probability ``same``, to two levels' prompts of one presentation
    ``across``, to different presentations ``apart``.
    """
    settings = {a.others(name) for a in asked}
    largest = max(settings, key=lambda s: sum(a.others(name) == s for a in asked))
    asked = [a for a in asked if a.others(name) == largest]
    if len(asked) < FEWEST_FOR_VARIANCE:
        return _FEW_LEVELS
    used = np.all([np.isfinite(a.within) for a in asked], axis=0)
    n, n_cells = len(asked), int(used.sum())
    if n_cells < 2:
        return "needs two presentations that every level was asked at least twice"
    share = np.array([a.share[used] for a in asked])
    same = float(np.mean([a.within[used] for a in asked]))
    together = share.sum(axis=0)
    own = (share**2).sum(axis=(0, 2))
    across = float(((together**2).sum(axis=1) - own).mean() / (n * (n - 1)))
    everything = together.sum(axis=0)
    apart = float((everything**2).sum() - (together**2).sum()) / (n**2 * n_cells * (n_cells - 1))
    total = 1 - apart
    if total <= 0:
        return "every answer is the same choice"
    return WordingVariance(
        wording=(same - across) / total,
        comparisons=(across - apart) / total,
        repeats=(1 - same) / total,
        n_levels=n,
    )


def _of_comparisons(cells: Array) -> Array:
    return totals(cells, np.arange(len(cells)) // 2, len(cells) // 2)


def _mean(hits: Array, size: Array, undefined: str, *, bounds: tuple[float, float]) -> Measured:
    """Return the ratio of comparisons' totals with its interval (Cochran 1977, ch. 6)."""
    used = size > 0
    n = int(used.sum())
    if not n:
        return Measured(value=None, reason=undefined)
    hits, size = hits[used], size[used]
    value = float(hits.sum() / size.sum())
    if n < 2:
        return Measured(value=value, n_comparisons=n, reason="too few comparisons for an interval")
    se = float(np.sqrt(n / (n - 1) * ((hits - value * size) ** 2).sum()) / size.sum())
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * se
    low, high = value - half, value + half
    if half < _NO_VARIATION:
        # Rule of three: of n comparisons without an exception, up to 3/n may be exceptions.
        exceptions = min(1.0, 3 / n)
        low, high = value - exceptions * (value - bounds[0]), value + exceptions * (bounds[1] - value)
    return Measured(value=value, low=max(low, bounds[0]), high=min(high, bounds[1]), se=se, n_comparisons=n)
