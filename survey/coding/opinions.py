"""What respondents say of the attributes they rated and ranked. Pure.

The unit is the person. Who left an attribute out is missing there, and told; "cannot say" is an answer. Places are
those of people who went on from the ranking page; who ranked nothing there gave no place to anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from survey.acceptability import Acceptability, Rating
from survey.coding.coding import CodingError
from survey.coding.measures import FEWEST_DRAWN
from survey.coding.shares import Share, share_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What one respondent said on the rating page and the ranking page."""

    respondent: str
    simulated: bool = False
    ratings: Mapping[str, Rating] = field(default_factory=dict)
    """Attribute name -> rating; attributes left out are not there."""
    ranking: Sequence[str] = ()
    """Attribute names, the most important first."""
    rated: bool = True
    """Whether the respondent went on from the rating page, also with nothing."""
    ranked: bool = False
    """Whether the respondent went on from the ranking page, also with nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean over people with its 95 % interval (bootstrap over people)."""

    value: float
    of: int
    """People it is a mean of."""
    low: float | None
    """None: of fewer than ``measures.FEWEST_DRAWN`` people, or of people who all say the same."""
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeOpinion:
    """What respondents say of one attribute."""

    attribute: str
    label: str
    rated: int
    """Respondents who rated it."""
    missing: int
    """Respondents who went on from the rating page and left it out."""
    acceptable: Share | None
    """Of those who rated it; None: nobody did."""
    not_acceptable: Share | None
    cannot_say: Share | None
    first: Share | None
    """Put in place 1, of those who ranked anything; None: nobody did, or no ranking was asked."""
    among_ranked: Share | None
    """Given any place."""
    mean_place: Mean | None
    """Among those who gave it a place: not comparable where few did."""
    borda: Mean | None
    """See ``Opinions.borda_rule``; over all who ranked anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """Ratings and rankings of all attributes, in the design's order."""

    simulated: bool
    """Whether these are simulated participants. People and simulated participants are never counted together."""
    respondents: int
    """Who went on from either page."""
    raters: int
    """Who rated at least one attribute."""
    rankers: int
    """Who gave at least one place."""
    ranked_nothing: int
    """Who went on from the ranking page without a place."""
    places: int
    """How many could be ranked at most; 0: no ranking was asked."""
    borda_rule: str
    """How places become points; empty if no ranking was asked."""
    draws: int
    seed: int
    attributes: tuple[AttributeOpinion, ...]

    def of(self, attribute: str) -> AttributeOpinion | None:
        """Return what is said of the attribute called ``attribute``, if it is among them."""
        return next((opinion for opinion in self.attributes if opinion.attribute == attribute), None)


def opinions_of(
    asked: Acceptability,
    sheets: Sequence[Sheet],
    *,
    simulated: bool | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Opinions:
    """Count ratings and rankings, with 95 % intervals.

    Shares have Wilson's interval. Mean place and Borda points have percentile intervals from ``draws`` bootstrap
    samples of the people who ranked anything, where these are enough.

    Parameters
    ----------
    simulated
        Whether to count simulated participants; None: people if there are any, simulated ones otherwise.

    Raises
    ------
    CodingError
        A sheet rates or ranks what the design does not hold, ranks an attribute twice or more than can be ranked,
        or two sheets have the same respondent.
    """
    _check(asked, sheets)
    if simulated is None:
        simulated = bool(sheets) and all(sheet.simulated for sheet in sheets)
    sheets = [sheet for sheet in sheets if sheet.simulated is simulated]
    rankers = [sheet for sheet in sheets if sheet.ranking]
    points, places = _points_and_places(asked, rankers)
    weights = _weights(len(rankers), draws, seed)
    return Opinions(
        simulated=simulated,
        respondents=sum(sheet.rated or sheet.ranked for sheet in sheets),
        raters=sum(bool(sheet.ratings) for sheet in sheets),
        rankers=len(rankers),
        ranked_nothing=sum(sheet.ranked and not sheet.ranking for sheet in sheets),
        places=asked.ranked,
        borda_rule=_borda_rule(asked),
        draws=draws,
        seed=seed,
        attributes=tuple(
            _opinion(asked, i, sheets, points[:, i], places[:, i], weights)
            for i in range(len(asked.attributes))
        ),
    )


def _check(asked: Acceptability, sheets: Sequence[Sheet]) -> None:
    known = {attribute.name for attribute in asked.attributes}
    seen: set[str] = set()
    for sheet in sheets:
        who = f"respondent '{sheet.respondent}'"
        if sheet.respondent in seen:
            raise CodingError(f"{who} has two sheets of ratings; give one per respondent")
        seen.add(sheet.respondent)
        for name in [*sheet.ratings, *sheet.ranking]:
            if name not in known:
                raise CodingError(f"{who} rated or ranked '{name}', which the design does not ask about")
        if len(set(sheet.ranking)) != len(sheet.ranking):
            raise CodingError(f"{who} ranked an attribute twice")
        if len(sheet.ranking) > asked.ranked:
            raise CodingError(f"{who} ranked {len(sheet.ranking)} attributes, of {asked.ranked} at most")


def _borda_rule(asked: Acceptability) -> str:
    if not asked.ranked:
        return ""
    n = len(asked.attributes)
    return (
        f"Of {n} attributes, place 1 gives {n - 1} points, place 2 gives {n - 2}, and so on; those that a person "
        "left without a place share equally the points of the places left. Divided by "
        f"{max(n - 1, 1)}: 1 is first place by everybody, 0 is last place by everybody."
    )


def _points_and_places(
    asked: Acceptability, rankers: Sequence[Sheet]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Borda points in [0, 1] and places (NaN without), both of shape (n_rankers, n_attributes)."""
    n = len(asked.attributes)
    column = {attribute.name: i for i, attribute in enumerate(asked.attributes)}
    points = np.zeros((len(rankers), n))
    places = np.full((len(rankers), n), np.nan)
    for row, sheet in enumerate(rankers):
        k = len(sheet.ranking)
        # Points n-1-k … 0 are left for n-k attributes: their mean is (n-1-k) / 2.
        points[row] = max(n - 1 - k, 0) / 2
        for place, name in enumerate(sheet.ranking, start=1):
            points[row, column[name]] = n - place
            places[row, column[name]] = place
    return points / max(n - 1, 1), places


def _weights(n: int, draws: int, seed: int) -> NDArray[np.int64]:
    """Return how often each person is in each bootstrap sample, of shape (draws, n)."""
    if n == 0:
        return np.zeros((draws, 0), dtype=np.int64)
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)


def _opinion(
    asked: Acceptability,
    i: int,
    sheets: Sequence[Sheet],
    points: NDArray[np.float64],
    places: NDArray[np.float64],
    weights: NDArray[np.int64],
) -> AttributeOpinion:
    attribute = asked.attributes[i]
    given = [sheet.ratings[attribute.name] for sheet in sheets if attribute.name in sheet.ratings]
    shares = {rating: share_of(given.count(rating), len(given)) for rating in Rating}
    n_rankers = len(points)
    return AttributeOpinion(
        attribute=attribute.name,
        label=attribute.label,
        rated=len(given),
        missing=sum(sheet.rated and attribute.name not in sheet.ratings for sheet in sheets),
        acceptable=shares[Rating.ACCEPTABLE],
        not_acceptable=shares[Rating.NOT_ACCEPTABLE],
        cannot_say=shares[Rating.CANNOT_SAY],
        first=share_of(int((places == 1).sum()), n_rankers),
        among_ranked=share_of(int((~np.isnan(places)).sum()), n_rankers),
        mean_place=_mean(places, weights),
        borda=_mean(points, weights),
    )


def _mean(values: NDArray[np.float64], weights: NDArray[np.int64]) -> Mean | None:
    known = ~np.isnan(values)
    n = int(known.sum())
    if n == 0:
        return None
    value = float(values[known].mean())
    if n < FEWEST_DRAWN or np.ptp(values[known]) == 0:
        # Drawn from few, or from equal values, samples vary less than people do, or not at all.
        return Mean(value=value, of=n, low=None, high=None)
    counts = weights[:, known].sum(axis=1)
    # Samples without anybody who gave it a place say nothing about the mean place.
    drawn = (weights[:, known] @ values[known])[counts > 0] / counts[counts > 0]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Mean(value=value, of=n, low=float(low), high=float(high))
