"""Adaptive drawing: the comparison whose answer says most about the log-strengths, within bounds of balance. Pure.

The posterior here only steers which comparison comes next; no result is ever computed from it. It therefore counts
an indecision as half a win for either side, although indecision is an answer of its own everywhere else.

References
----------
Chaloner & Verdinelli (1995), Statistical Science 10, 273 (Bayesian D-optimality: the gain is half the logarithm of
the factor by which an answer increases the determinant of the posterior precision).
Glickman & Jensen (2005), Journal of Statistical Planning and Inference 127, 279 (information gain for pairs).
Sun & Tran-Dinh (2019), Mathematical Programming 178, 145 (the Newton steps).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from survey.design import Adaptive
from survey.pairing.comparisons import Asked, Drawn, Ints, Pairs, least_shown

Floats: TypeAlias = NDArray[np.float64]

PRIOR_SD = 1.5
"""Standard deviation of the prior, N(0, 1.5²) for every log-strength, independently. The stronger of two profiles
then wins 4 times in 5 on average, and more than 98 times in 100 in one pair of twenty."""
_CONVERGED = 1e-8
_MOST_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """Normal approximation to what the answers so far say about the log-strengths (Laplace)."""

    mean: Floats
    """Per profile, centred: it is the mode, and the prior pulls the sum to 0."""
    covariance: Floats

    def win_probability(self, first: Ints, second: Ints) -> Floats:
        """Return the probability that ``first`` wins, at the mean."""
        return _logistic(self.mean[first] - self.mean[second])

    def difference_variance(self, first: Ints, second: Ints) -> Floats:
        """Return the variance of the difference of two log-strengths."""
        variance = np.diagonal(self.covariance)
        difference: Floats = variance[first] + variance[second] - 2 * self.covariance[first, second]
        return difference

    def gain(self, first: Ints, second: Ints) -> Floats:
        """Return the expected information (nats) of one more answer to each comparison."""
        p = self.win_probability(first, second)
        gain: Floats = 0.5 * np.log1p(p * (1 - p) * self.difference_variance(first, second))
        return gain


def _logistic(x: Floats) -> Floats:
    p: Floats = np.exp(-np.logaddexp(0.0, -x))  # Without overflow, and as exact near 0 as near 1/2.
    return p


def posterior_of(pairs: Pairs, tallies: Ints) -> Posterior:
    """Return the posterior given what was answered and what is pending.

    Pending comparisons add the precision that their answers are expected to add, so that people who answer at the
    same time are not all sent the same comparison; they do not move the mean.

    Parameters
    ----------
    tallies
        As :meth:`survey.pairing.comparisons.Pairs.tallies` returns them.
    """
    size = len(pairs.profiles)
    wins, pending = np.zeros((size, size)), np.zeros((size, size))
    wins[pairs.first, pairs.second] = tallies[:, 0] + tallies[:, 2] / 2
    wins[pairs.second, pairs.first] = tallies[:, 1] + tallies[:, 2] / 2
    pending[pairs.first, pairs.second] = pending[pairs.second, pairs.first] = tallies[:, 3]
    answered = wins + wins.T

    mean = np.zeros(size)
    for _ in range(_MOST_STEPS):
        p = _logistic(mean[:, None] - mean[None, :])
        uphill = (wins * p.T - wins.T * p).sum(axis=1) - mean / PRIOR_SD**2
        step = np.linalg.solve(_precision(answered * p * p.T), uphill)
        # Full Newton steps can overshoot. Shortened like this they cannot, because the third derivative of the
        # log-likelihood is never larger than its second, and small steps stay as good as full ones.
        longest = float(step.max() - step.min())
        mean = mean + step * (np.log1p(longest) / longest if longest > 0 else 1.0)
        if np.abs(step).max() < _CONVERGED:
            break
    else:
        raise ArithmeticError(
            f"no posterior after {_MOST_STEPS} Newton steps; the tallies are {tallies.tolist()}"
        )
    p = _logistic(mean[:, None] - mean[None, :])
    covariance = np.linalg.inv(_precision((answered + pending) * p * p.T))
    return Posterior(mean=mean, covariance=np.asarray(covariance, dtype=np.float64))


def _precision(information: Floats) -> Floats:
    precision: Floats = np.diag(information.sum(axis=1) + PRIOR_SD**-2) - information
    return precision


def draw_adaptive(
    pairs: Pairs,
    rules: Adaptive,
    rng: np.random.Generator,
    *,
    asked: Asked,
    answers_so_far: int,
    own: Ints,
    other_roles: Ints,
) -> Drawn:
    """Draw a respondent's next main comparison.

    Allowed are comparisons that the respondent has not seen and that leave both their profiles at most
    ``rules.most_ahead`` appearances ahead of the least shown profile, for this respondent and in the study. Where
    that leaves none, comparisons that the respondent sees in another role are allowed, too; then the bound of the
    study is lifted, then the respondent's. The draw rule says so.

    Parameters
    ----------
    asked
        The study's main comparisons so far, this respondent's included.
    answers_so_far
        Answers to them in the whole study.
    own
        Places of the main comparisons that this respondent has seen.
    other_roles
        Places of comparisons that this respondent sees in another role.

    Raises
    ------
    ValueError
        The respondent has seen every comparison.
    """
    tallies = pairs.tallies(asked)
    shown = tallies.sum(axis=1)
    own_shown = np.bincount(own, minlength=len(pairs.comparisons)).astype(np.int64)
    everyone, mine = pairs.appearances(shown), pairs.appearances(own_shown)
    among, relaxed = _allowed(pairs, rules.most_ahead, everyone, mine, own_shown > 0, other_roles)

    if answers_so_far < rules.start_after:
        ties = least_shown(pairs, among, shown=shown, own=mine, everyone=everyone)
        i = int(rng.choice(ties))
        rule = (
            f"balanced before {rules.start_after} answers: one of the {len(ties)} shown least of "
            f"{len(among)} allowed{relaxed}"
        )
        probability = 1 / len(ties)
    else:
        gain = posterior_of(pairs, tallies).gain(pairs.first[among], pairs.second[among])
        # Gains that are equal by symmetry differ in their last digits.
        best = among[gain >= gain.max() * (1 - 1e-9)]
        at_random = rng.random() < rules.random_share
        i = int(rng.choice(among if at_random else best))
        rule = (
            f"adaptive: {'any' if at_random else 'the most informative'} of {len(among)} allowed{relaxed}; "
            f"any with probability {rules.random_share:g}, else one of the {len(best)} most informative"
        )
        probability = rules.random_share / len(among)
        if i in best:
            probability += (1 - rules.random_share) / len(best)
    comparison = pairs.comparisons[i]
    return Drawn(pair=(comparison.first, comparison.second), rule=rule, probability=float(probability))


def _allowed(
    pairs: Pairs, most_ahead: int, everyone: Ints, mine: Ints, seen: NDArray[np.bool_], other_roles: Ints
) -> tuple[Ints, str]:
    """Return the places of allowed comparisons, and what had to be lifted, in words."""
    elsewhere = np.zeros(len(pairs.comparisons), dtype=bool)
    elsewhere[other_roles] = True
    in_study, in_respondent = _keeps(pairs, everyone, most_ahead), _keeps(pairs, mine, most_ahead)
    for allowed, relaxed in (
        (~seen & in_respondent & in_study & ~elsewhere, ""),
        (~seen & in_respondent & in_study, ", those of other roles included"),
        (~seen & in_respondent, ", the study's bound lifted"),
        (~seen, ", both bounds lifted"),
    ):
        if allowed.any():
            return np.flatnonzero(allowed), relaxed
    raise ValueError(
        "the respondent has seen every comparison; no design asks for more comparisons than it has"
    )


def _keeps(pairs: Pairs, appearances: Ints, most_ahead: int) -> NDArray[np.bool_]:
    """Whether, after each comparison, its profiles are at most ``most_ahead`` ahead of the then least shown one."""
    one, other = appearances[pairs.first], appearances[pairs.second]
    fewest = appearances.min()
    # The minimum rises only if the comparison shows every profile that is at it.
    at_fewest = (one == fewest).astype(np.int64) + (other == fewest)
    fewest_after = fewest + (at_fewest == np.count_nonzero(appearances == fewest))
    keeps: NDArray[np.bool_] = np.maximum(one, other) + 1 - fewest_after <= most_ahead
    return keeps
