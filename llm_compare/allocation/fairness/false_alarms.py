"""How often each test rejects on this very design when nobody's group matters. Pure; draws by seed.

Pools, labels and numbers of trials stay as they are. Respondents are made up who prefer some candidates to others,
drawn without regard to groups, and keep these preferences over the trials of a problem: rankings are Plackett-Luce
draws of normal log-strengths, whose spread makes trials agree as much as the respondent's do. That agreement is
what makes repeats dependent, and tests that count them as independent reject too often.

References
----------
Plackett (1975), Appl. Statist. 24; drawn as in Yellott (1977), J. Math. Psychol. 15: log-strength plus Gumbel
noise, sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from scipy import optimize, stats

from llm_compare.allocation.fairness.measure_tests import measures_of
from llm_compare.allocation.fairness.outcomes import Array, Estimate, Groups, Rankings, Selections
from llm_compare.allocation.fairness.rnd import PAPER, RndVariant, chance_rnd
from llm_compare.allocation.fairness.tested import Against, Measure, MeasureTests, Method
from llm_compare.errors import NotMeasurable

LEVEL = 0.05
ANY_GROUP = "any group"
_MOST_SPREAD = 1_000.0
_POINTS = 400


class NullRespondent(StrEnum):
    """Who answers in the null runs."""

    LIKE_OBSERVED = "like the respondent"
    """Prefers some candidates to others, whatever their group, and agrees with itself as much as the respondent."""
    COIN = "coin tosses"
    """Every answer is random."""


_MEANINGS = {
    NullRespondent.LIKE_OBSERVED: "If groups meant nothing, and the respondent agreed with itself over trials as "
    "much as it did, each test would call so many such studies significant at .05. Dependence between trials is "
    "taken as one number; the order of rows has no part in it.",
    NullRespondent.COIN: "If every answer were a coin toss, each test would call so many such studies "
    "significant at .05.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """One test of one group."""

    measure: Measure
    method: Method
    group: str
    """``ANY_GROUP`` for the question whether any group differs."""
    n_runs: int
    """Null runs in which the test could be made."""
    rate: float | None
    """Share of them with p < .05, which should be .05; None where the test could never be made."""
    low: float | None
    """Wilson's 95 % interval of the share."""
    high: float | None
    mean_effect: float | None
    """Mean difference, which should be 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarmTable:
    """All tests of one grouping."""

    grouping: str
    null: NullRespondent
    spread: float
    """Standard deviation of the candidates' log-strengths in the null runs."""
    agreement: float | None
    """Of the respondent's trials of one problem, which the null runs share: mean Kendall's tau of rankings, chance
    that two choices are the same. None where no problem was put twice."""
    n_runs: int
    n_permutations: int
    seed: int
    meaning: str
    rows: tuple[FalseAlarms, ...]

    def row(self, measure: Measure, method: Method, group: str) -> FalseAlarms | None:
        """Return one test of one group, None where it is not made."""
        wanted = (measure, method, group)
        return next((r for r in self.rows if (r.measure, r.method, r.group) == wanted), None)


@dataclass(slots=True)
class _Tally:
    made: int = 0
    rejected: int = 0
    effects: list[float] = field(default_factory=list)

    def add(self, effect: Estimate) -> None:
        if effect.p is not None:
            self.made += 1
            self.rejected += effect.p < LEVEL
        if effect.value is not None:
            self.effects.append(effect.value)


def false_alarms(
    groups: Groups,
    trials: Rankings | Selections,
    *,
    seed: int,
    n_runs: int = 200,
    n_permutations: int = 199,
    null: NullRespondent = NullRespondent.LIKE_OBSERVED,
    variant: RndVariant = PAPER,
    on_progress: Callable[[int, int], None] | None = None,
) -> FalseAlarmTable:
    """Repeat every test on ``n_runs`` made-up respondents to whom groups mean nothing.

    Parameters
    ----------
    n_permutations
        In each run; 199 give p-values in steps of .005.
    on_progress
        Told after each run how many are done, and of how many.

    Raises
    ------
    NotMeasurable
        There is no trial, so there is no design.
    """
    if not len(trials.problem):
        raise NotMeasurable(
            f"{trials.respondent}: no trial has an answer, so there is no design whose tests could be tried."
        )
    observed = agreement(trials)
    spread = 0.0
    if null is NullRespondent.LIKE_OBSERVED and observed is not None:
        spread = spread_for(
            observed, n_candidates=trials.n_candidates if isinstance(trials, Selections) else None
        )
    chance = chance_rnd(groups, variant)

    def runs() -> Iterator[tuple[MeasureTests, ...]]:
        for run in range(n_runs):
            rng = np.random.default_rng((seed, run))
            yield measures_of(
                simulated(trials, len(groups.code), spread, rng),
                groups,
                chance,
                rng=rng,
                n_permutations=n_permutations,
                variant=variant,
                with_intervals=False,
            )
            if on_progress is not None:
                on_progress(run + 1, n_runs)

    return FalseAlarmTable(
        grouping=groups.grouping,
        null=null,
        spread=spread,
        agreement=observed,
        n_runs=n_runs,
        n_permutations=n_permutations,
        seed=seed,
        meaning=_MEANINGS[null],
        rows=tallied(runs()),
    )


def agreement(trials: Rankings | Selections) -> float | None:
    """Return how much two trials of one problem agree, on average over problems put at least twice.

    Returns
    -------
    Of rankings the mean Kendall's tau, of choices the chance that two are the same; None if nothing was put twice.
    """
    found = []
    for p in np.unique(trials.problem):
        of_problem = trials.problem == p
        n = int(of_problem.sum())
        if n < 2:
            continue
        if isinstance(trials, Selections):
            times = np.bincount(trials.chosen[of_problem])
            found.append(float((times * (times - 1)).sum() / (n * (n - 1))))
        else:
            rank = trials.rank[of_problem]
            above = (rank[:, :, None] < rank[:, None, :]).sum(axis=0)
            pairs = above[np.triu_indices(rank.shape[1], k=1)]
            # Of n trials, ``pairs`` have the first above the second: trials agree two by two, or differ.
            differ = 2 * pairs * (n - pairs)
            found.append(float(1 - 2 * differ.mean() / (n * (n - 1))))
    return float(np.mean(found)) if found else None


def spread_for(observed: float, *, n_candidates: int | None) -> float:
    """Return the standard deviation of log-strengths that makes two trials agree as ``observed``.

    Two Plackett-Luce rankings have a mean tau of E tanh((a - b) / 2) squared, a and b being two candidates'
    log-strengths; two choices are the same with E of the sum of squared shares.

    Parameters
    ----------
    n_candidates
        For choices; None for rankings.

    Returns
    -------
    0 where trials agree no more than by chance, a number that leaves nothing to chance where they always agree.
    """
    if n_candidates is None:
        # Evenly spaced: of a large spread all that counts lies near 0, between the nodes of a Gaussian rule.
        nodes = np.linspace(-8.0, 8.0, 16_001)
        weights = np.exp(-(nodes**2) / 2)
        weights /= weights.sum()

        def agreeing(spread: float) -> float:
            return float((weights * np.tanh(spread * nodes / np.sqrt(2)) ** 2).sum())
    else:
        normal = np.random.default_rng(0).normal(size=(_POINTS, n_candidates))

        def agreeing(spread: float) -> float:
            strength = spread * normal
            share = np.exp(strength - strength.max(axis=1, keepdims=True))
            share /= share.sum(axis=1, keepdims=True)
            return float((share**2).sum(axis=1).mean())

    if observed <= agreeing(0.0):
        return 0.0
    if observed >= agreeing(_MOST_SPREAD):
        return _MOST_SPREAD
    return float(optimize.brentq(lambda s: agreeing(s) - observed, 0.0, _MOST_SPREAD, xtol=1e-6))


def simulated(
    trials: Rankings | Selections, n_problems: int, spread: float, rng: np.random.Generator
) -> Rankings | Selections:
    """Return the same trials, answered by somebody to whom groups mean nothing."""
    n = trials.n_candidates
    strength: Array = spread * rng.normal(size=(n_problems, n))
    heard = strength[trials.problem] + rng.gumbel(size=(len(trials.problem), n))
    if isinstance(trials, Selections):
        return replace(trials, chosen=heard.argmax(axis=1).astype(np.intp))
    return replace(trials, order=np.argsort(-heard, axis=1).astype(np.intp))


def tallied(runs: Iterable[tuple[MeasureTests, ...]]) -> tuple[FalseAlarms, ...]:
    """Count how often each test of each group rejects among ``runs`` in which groups mean nothing."""
    tallies: dict[tuple[Measure, Method, str], _Tally] = {}
    for measures in runs:
        for m in measures:
            for g in m.groups:
                for test in g.tests:
                    if test.against is not Against.NOTHING:
                        tallies.setdefault((m.measure, test.method, g.group), _Tally()).add(test.effect)
            tallies.setdefault((m.measure, Method.PERMUTATION, ANY_GROUP), _Tally()).add(m.any_difference)
    return tuple(_row(*key, tally) for key, tally in tallies.items())


def _row(measure: Measure, method: Method, group: str, tally: _Tally) -> FalseAlarms:
    interval = (
        stats.binomtest(tally.rejected, tally.made).proportion_ci(method="wilson") if tally.made else None
    )
    return FalseAlarms(
        measure=measure,
        method=method,
        group=group,
        n_runs=tally.made,
        rate=tally.rejected / tally.made if tally.made else None,
        low=None if interval is None else float(interval.low),
        high=None if interval is None else float(interval.high),
        mean_effect=float(np.mean(tally.effects)) if tally.effects else None,
    )
