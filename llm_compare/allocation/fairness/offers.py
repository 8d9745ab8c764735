"""Offers down the list: what a ranking is worth when whoever is first may decline. Pure.

A kidney goes to the first candidate on the list who accepts it: with probability a_c for candidate c, times that of
everybody above declining. If all accept with the same probability a, rank r gets it with probability
a (1 - a)^(r - 1). At a = 1 only the first rank counts: choose-one's parity. As a goes to 0, the order counts for
less and less, and each group's share goes to its share of the pool.

How often offers are accepted in reality, approximately: kidneys that were transplanted in the United States in
2007-2012 had been offered a median of seven times (Huml et al. 2017, Clin. J. Am. Soc. Nephrol. 12:1311), which a
constant a of .09 gives; 84 % of those of 2008-2015 were declined for somebody first (Husain et al. 2019, JAMA Netw.
Open 2:e1910312), which a = .16 gives. Real acceptance differs between centers, kidneys and candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_compare.allocation.fairness.outcomes import Array, Estimate, Groups, Rankings
from llm_compare.allocation.fairness.problem_bootstrap import over_problems, ratio
from llm_compare.errors import NotMeasurable

ACCEPTANCES = (0.05, 0.09, 0.16, 0.3, 0.5, 0.75, 1.0)
"""Of the curve; .09 and .16 are what publications about real offers come to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShare:
    """A group's share of the kidneys that somebody accepts."""

    group: str
    pool_share: float
    """Of the candidate slots in problems with trials."""
    accepted_share: float
    difference: Estimate
    """Accepted share less pool share, with an interval by resampling problems."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedShares:
    """Who gets kidneys when offers are accepted with some probability."""

    respondent: str
    grouping: str
    acceptance: float
    """The mean over the candidates, where they differ."""
    groups: tuple[GroupShare, ...]
    """The largest first. With candidates of unknown group the shares sum to less than 1."""
    nobody: float
    """Share of kidneys that nobody on the list accepts."""
    offers: float
    """Mean number of offers made of a kidney, in vain or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffersCurve:
    """Accepted shares from hardly any acceptance to choose-one's."""

    respondent: str
    grouping: str
    points: tuple[AcceptedShares, ...]
    """In the order of the acceptances asked for."""


def rank_worth(acceptance: float, n: int) -> Array:
    """Return the chance that the kidney goes to each rank 1..n, shape (n,): a (1 - a)^(r - 1).

    They sum to less than 1: the rest is that nobody accepts. ``exposure.candidate_exposure`` takes them as worth.
    """
    _check(np.array(acceptance))
    worth: Array = acceptance * (1.0 - acceptance) ** np.arange(n, dtype=np.float64)
    return worth


def accepted_share(
    rankings: Rankings, groups: Groups, acceptance: float | Array, *, seed: int = 0
) -> AcceptedShares:
    """Return each group's share of accepted kidneys beside its share of the pool.

    Every problem counts by the kidneys that somebody accepts there, its trials alike.

    Parameters
    ----------
    acceptance
        Probability that an offer is accepted, above 0 and up to 1: one for all, or shape (P, N), each candidate's.
    seed
        Of the interval's draws; the same for two respondents to the same problems.

    Raises
    ------
    NotMeasurable
        There is no ranking.
    ValueError
        A probability is none.
    """
    if not len(rankings.problem):
        raise NotMeasurable(f"{rankings.respondent}: no ranking to make offers by; ask rank-all")
    accepts = np.broadcast_to(np.asarray(acceptance, dtype=float), groups.code.shape)
    _check(accepts)
    by_rank = np.take_along_axis(accepts[rankings.problem], rankings.order, axis=1)
    reached = np.cumprod(np.hstack([np.ones((len(by_rank), 1)), 1 - by_rank]), axis=1)
    gets = np.empty_like(by_rank)
    np.put_along_axis(gets, rankings.order, reached[:, :-1] * by_rank, axis=1)

    asked, place = np.unique(rankings.problem, return_inverse=True)
    trials = np.bincount(place).astype(float)
    kidneys = np.zeros((len(asked), gets.shape[1]))
    np.add.at(kidneys, place, gets / trials[place, None])
    code = groups.code[asked]
    to_group = np.stack(
        [np.where(code == g, kidneys, 0).sum(axis=1) for g in range(len(groups.names))], axis=1
    )
    pool = groups.sizes[asked] / code.shape[1]
    accepted = kidneys.sum(axis=1)

    def shares(times: Array) -> tuple[Array, Array]:
        found = times @ to_group
        return ratio(found, np.broadcast_to((times @ accepted)[:, None], found.shape)), times @ pool / len(
            asked
        )

    def difference(times: Array) -> Array:
        found, expected = shares(times)
        return found - expected

    differences = over_problems(difference, len(asked), seed=seed, bounds=(-1, 1))
    (of_accepted,), (of_pool,) = shares(np.ones((1, len(asked))))
    return AcceptedShares(
        respondent=rankings.respondent,
        grouping=groups.grouping,
        acceptance=float(accepts[asked].mean()),
        groups=tuple(
            GroupShare(
                group=name,
                pool_share=float(of_pool[g]),
                accepted_share=float(of_accepted[g]),
                difference=differences[g],
            )
            for g, name in enumerate(groups.names)
        ),
        nobody=float(1 - accepted.mean()),
        offers=float((np.bincount(place, reached[:, :-1].sum(axis=1)) / trials).mean()),
    )


def offers_curve(
    rankings: Rankings, groups: Groups, *, seed: int = 0, acceptances: Sequence[float] = ACCEPTANCES
) -> OffersCurve:
    """Return the accepted shares at several acceptances; errors as of :func:`accepted_share`."""
    return OffersCurve(
        respondent=rankings.respondent,
        grouping=groups.grouping,
        points=tuple(accepted_share(rankings, groups, a, seed=seed) for a in acceptances),
    )


def _check(acceptance: Array) -> None:
    if not ((acceptance > 0) & (acceptance <= 1)).all():
        raise ValueError("an offer is accepted with a probability above 0 and up to 1")
