"""How well viability was told: what was said against what the criteria say, and why who was mistaken. Pure.

References
----------
"Evaluating Large Language Models for Fair and Reliable Organ Allocation" (arXiv 2504.03716v2), Table 1. Its trials
are repeats of 25 pairs, so its 125 or 375 trials are no independent units: intervals here resample pairs. Matthews
(1975), Biochim. Biophys. Acta 405 (correlation).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from llm_compare.allocation.fairness.outcomes import Array, Estimate
from llm_compare.allocation.fairness.problem_bootstrap import (
    Statistic,
    mean_over_problems,
    over_problems,
    ratio,
)
from llm_compare.allocation.problems.viability import PAPERS_LIMITS, Limits, Reason, failing
from llm_compare.allocation.trials.answer import AnsweredTrial, Outcome


class Metric(StrEnum):
    """What is made of the four counts. Viable is positive."""

    ACCURACY = "accuracy"
    PRECISION = "precision"
    """Of those called viable, how many are."""
    RECALL = "recall"
    """Of the viable, how many were called so."""
    F1 = "f1"
    """Harmonic mean of precision and recall."""
    SPECIFICITY = "specificity"
    """Of the non-viable, how many were called so."""
    BALANCED_ACCURACY = "balanced accuracy"
    """Mean of recall and specificity: .5 by guessing, whatever the share of viable pairs."""
    MCC = "Matthews correlation"
    """From -1 to 1; 0 by guessing."""


UNDEFINED = {
    Metric.ACCURACY: "nothing was answered",
    Metric.PRECISION: "nobody was called viable",
    Metric.RECALL: "no viable pair was answered",
    Metric.F1: "nobody is viable, and nobody was called so",
    Metric.SPECIFICITY: "no non-viable pair was answered",
    Metric.BALANCED_ACCURACY: "viable or non-viable pairs are missing",
    Metric.MCC: "all answers, or all pairs, are alike",
}
"""Why a metric cannot be had: it divides 0 by 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Trials by what is so and what was said."""

    tp: int
    """Viable, and called so."""
    fp: int
    """Not viable, but called so: the error that harms a patient."""
    tn: int
    fn: int

    @property
    def trials(self) -> int:
        """All of them."""
        return self.tp + self.fp + self.tn + self.fn

    def value(self, metric: Metric) -> float | None:
        """Return a metric, None where it divides 0 by 0; ``UNDEFINED`` says why."""
        found = _metric(metric, np.array([[self.tp, self.fp, self.tn, self.fn]], dtype=float))[0]
        return float(found) if np.isfinite(found) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A metric, how sure it is, and how sure it would seem."""

    metric: Metric
    by_pair: Estimate
    """Interval by resampling pairs of kidney and candidate with all their trials."""
    naive: Estimate
    """Interval as if every trial were a new pair: too narrow whenever repeats agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The counts, and all that is made of them, with answers read in one way."""

    confusion: Confusion
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonRate:
    """How often pairs that fail for a reason are called viable."""

    reason: Reason
    alone: bool
    """Whether they fail for this reason and for no other; else perhaps for others, too."""
    pairs: int
    trials: int
    called_viable: Estimate
    """Share of the answered trials, mean over pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViabilityScores:
    """How well one respondent told viability in one way of being asked."""

    pairs: int
    """With at least one answer."""
    viable_pairs: int
    outcomes: tuple[tuple[Outcome, int], ...]
    """How many trials came to what."""
    answered: Reading
    """Of trials with an answer alone; whatever else is counted in ``outcomes``."""
    strict: Reading
    """Whatever came instead of an answer counts as wrong: a refusal, a reply cut off or unreadable. Failed calls,
    which brought no reply, do not count."""
    by_reason: tuple[ReasonRate, ...]


def viability_scores(
    answered: Sequence[AnsweredTrial], *, seed: int, limits: Limits = PAPERS_LIMITS
) -> ViabilityScores:
    """Score answers to viability questions against the criteria.

    Parameters
    ----------
    answered
        Trials of one respondent in one way of being asked. Those with a changed candidate are left out.

    Raises
    ------
    BadProblems
        A pair lacks a value without which nobody can say whether the kidney suits.
    """
    trials = [a for a in answered if a.trial.change is None]
    reasons = {
        a.trial.problem.name: failing(a.trial.problem.kidney, a.trial.problem.candidates[0], limits)
        for a in trials
    }
    # Sorted: the order in which replies came must not move a resampled number.
    said = sorted((a.trial.problem.name, bool(a.read.viable)) for a in trials if _is_answer(a))
    wrong = [
        (a.trial.problem.name, bool(reasons[a.trial.problem.name]))
        for a in trials
        if not _is_answer(a) and a.read.outcome is not Outcome.ERROR
    ]
    is_viable = {name: not why for name, why in reasons.items()}
    outcomes = Counter(a.read.outcome for a in trials)
    heard = {name for name, _ in said}
    return ViabilityScores(
        pairs=len(heard),
        viable_pairs=sum(is_viable[name] for name in heard),
        outcomes=tuple((outcome, outcomes[outcome]) for outcome in Outcome),
        answered=_reading(said, is_viable, seed),
        strict=_reading(sorted([*said, *wrong]), is_viable, seed),
        by_reason=tuple(_by_reason(said, reasons, seed)),
    )


def _is_answer(a: AnsweredTrial) -> bool:
    return a.read.outcome is Outcome.ANSWER and a.read.viable is not None


def _reading(said: Sequence[tuple[str, bool]], is_viable: dict[str, bool], seed: int) -> Reading:
    names = sorted({name for name, _ in said})
    place = {name: i for i, name in enumerate(names)}
    pair = np.array([place[name] for name, _ in said], dtype=np.intp)
    each = np.zeros((len(said), 4))
    for row, (name, viable) in zip(each, said, strict=True):
        row[_cell(is_viable[name], viable)] = 1
    by_pair = np.zeros((len(names), 4))
    np.add.at(by_pair, pair, each)
    tp, fp, tn, fn = (int(n) for n in each.sum(axis=0))
    return Reading(
        confusion=Confusion(tp=tp, fp=fp, tn=tn, fn=fn),
        scores=tuple(
            Score(metric=metric, by_pair=pairs, naive=trials)
            for metric, pairs, trials in zip(
                Metric, _estimates(by_pair, seed), _estimates(each, seed), strict=True
            )
        ),
    )


def _cell(is_viable: bool, called_viable: bool) -> int:
    """Return the place among tp, fp, tn, fn."""
    if called_viable:
        return 0 if is_viable else 1
    return 3 if is_viable else 2


def _estimates(units: Array, seed: int) -> list[Estimate]:
    """Return each metric of counts of shape (units, 4) with an interval by resampling units."""

    def statistic(metrics: Sequence[Metric]) -> Statistic:
        return lambda times: np.stack([_metric(m, times @ units) for m in metrics], axis=1)

    shares = [metric for metric in Metric if metric is not Metric.MCC]
    of_shares = over_problems(statistic(shares), len(units), seed=seed, bounds=(0, 1))
    (correlation,) = over_problems(statistic([Metric.MCC]), len(units), seed=seed, bounds=(-1, 1))
    found: dict[Metric, Estimate] = {Metric.MCC: correlation}
    found |= zip(shares, of_shares, strict=True)
    return [replace(found[m], reason=UNDEFINED[m]) if found[m].value is None else found[m] for m in Metric]


def _metric(metric: Metric, counts: Array) -> Array:
    """Return a metric of each row of tp, fp, tn, fn; shape (B, 4) to (B,); NaN for 0/0."""
    tp, fp, tn, fn = counts.T
    if metric is Metric.ACCURACY:
        return ratio(tp + tn, counts.sum(axis=1))
    if metric is Metric.PRECISION:
        return ratio(tp, tp + fp)
    if metric is Metric.RECALL:
        return ratio(tp, tp + fn)
    if metric is Metric.F1:
        return ratio(2 * tp, 2 * tp + fp + fn)
    if metric is Metric.SPECIFICITY:
        return ratio(tn, tn + fp)
    if metric is Metric.BALANCED_ACCURACY:
        return (ratio(tp, tp + fn) + ratio(tn, tn + fp)) / 2
    margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return ratio(tp * tn - fp * fn, np.sqrt(margins))


def _by_reason(
    said: Iterable[tuple[str, bool]], reasons: dict[str, frozenset[Reason]], seed: int
) -> Iterable[ReasonRate]:
    called: dict[str, list[bool]] = {}
    for name, viable in said:
        called.setdefault(name, []).append(viable)
    for reason in Reason:
        for alone in (True, False):
            names = sorted(n for n in called if ({reason} == reasons[n] if alone else reason in reasons[n]))
            rates = np.array([np.mean(called[n]) for n in names])[:, None]
            (rate,) = mean_over_problems(
                rates, seed=seed, bounds=(0, 1), undefined="no answered pair fails for this reason"
            )
            yield ReasonRate(
                reason=reason,
                alone=alone,
                pairs=len(names),
                trials=sum(len(called[n]) for n in names),
                called_viable=rate,
            )
