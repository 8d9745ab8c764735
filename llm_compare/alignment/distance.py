"""How far a model's shares of choices are from people's, comparison by comparison. Pure.

Indecision is a choice like the two others: a model that decides where people flip is as far away as one that picks
the other patient. Every comparison counts alike, however many answered it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from llm_compare.alignment.cells import FEWEST_PAIRS, Tally, cells_of_people, cells_of_replies, mean_over
from llm_compare.alignment.choices import Array, Pairing
from llm_compare.alignment.halves import OverSplits, halvings, over_splits
from llm_compare.alignment.resampling import Measured, Resampling, Weighted, measured_each


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonCounts:
    """One comparison that both sides answered."""

    comparison: int
    """Its index among the comparisons of the pairing."""
    people: tuple[float, float, float]
    """People's choices for the first profile, the second, indecision."""
    model: tuple[float, float, float]
    """The model's; sums of shares where replies spread their answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One distance between the model's shares and people's, with what people reach among themselves."""

    model: Measured
    """Mean over comparisons."""
    people_halves: OverSplits
    """One random half of the people from the other half. For the squared distance this is 0 on average, by
    construction; its range says what chance alone does."""
    model_halves: OverSplits
    """The model from the same halves, on the same comparisons: as many people stand behind both numbers. Behind the
    model's shares stand its replies; if they are fewer than half the people, chance drives it farther away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How well shares foretell what single people answer, by one proper score; mean over comparisons."""

    model: Measured
    uniform: float
    """All choices on offer alike."""
    marginal: Measured
    """People's own rate of indecision, the rest in halves, the same for every comparison."""
    model_minus_marginal: Measured
    people_halves: OverSplits
    """The shares of one half of the people, against the answers of the other half."""
    model_halves: OverSplits
    """The model's shares against the same answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """Distances and scores. 0 is no distance."""

    total_variation: Gap
    """Half the sum of absolute differences of shares, 0 to 1. Never 0 by chance: two identical sources with 20
    people and 10 replies to each comparison give about .19, so read it beside the halves."""
    squared: Gap
    """Sum of squared differences of shares, 0 to 2, corrected for chance: Σ(h−m)² − Σh(1−h)/(n−1) − Σm(1−m)/(R−1),
    so that it is 0 on average for identical sources, and may be negative. On comparisons with two people or more,
    and two replies or more."""
    jensen_shannon_bits: Gap
    """Jensen-Shannon divergence with logarithms to base 2, 0 to 1. Upward bias like the total variation's."""
    squared_corrected_for_replies: bool
    """Whether the squared distance is corrected for chance in the replies. False where no comparison has two
    replies: it is then the distance from these very replies."""
    n_comparisons_squared: int
    """Comparisons with people and replies enough for the squared distance."""
    log_score_bits: Forecast
    """Mean of log2 of the share given to the choice that a person made: 0 is best."""
    brier: Forecast
    """Mean squared difference between shares and the choice that a person made: 0 is best, 2 worst."""
    smoothing: str
    """How shares were made forecasts."""
    n_splits: int
    comparisons: tuple[ComparisonCounts, ...]


def distance(pairing: Pairing, resampling: Resampling, *, n_splits: int = 200) -> Distance:
    """Measure distances between shares, and how well the model's shares foretell people's answers.

    Replies that spread their answer over the choices enter with their shares. The correction for chance then takes
    how much such replies differ from each other, which is less than for single choices.

    Parameters
    ----------
    n_splits
        Random halvings of the people.

    References
    ----------
    Gneiting and Raftery (2007), J. Am. Stat. Assoc. 102 (proper scores); Lin (1991), IEEE Trans. Inf. Theory 37
    (Jensen-Shannon divergence). The squared distance is a U-statistic.
    """
    cells, replies = cells_of_people(pairing.people), cells_of_replies(pairing.model)
    has_replies = bool(replies.once.has_several.any())
    n_choices = 3 if bool(pairing.people.offered.any() or pairing.model.offered.any()) else 2

    def from_people(model: Tally, people: Tally, *, corrected: bool) -> list[Array]:
        return [
            *_gaps(model, people, corrected=corrected),
            *_scores(_forecast(model, n_choices), people.shares),
        ]

    def in_draw(w: Weighted) -> list[float]:
        model, people = replies.tally(w.reply), cells.tally(w.person[cells.respondent])
        answered = np.where(model.size > 0, 1.0, np.nan)
        rate = mean_over(answered * people.indecision, w.comparison)
        marginal = answered[:, None] * np.array([(1 - rate) / 2, (1 - rate) / 2, rate])
        values = [
            mean_over(v, w.comparison)
            for v in (*from_people(model, people, corrected=has_replies), *_scores(marginal, people.shares))
        ]
        return [*values, values[3] - values[5], values[4] - values[6]]

    share = (0.0, 1.0)
    nothing = "people and model answered no comparison in common"
    few = "no comparison was answered by two people and often enough by the model"
    values = measured_each(
        in_draw,
        pairing,
        resampling,
        bounds=[share, None, share, *([None] * 6)],
        undefined=[nothing, few, *([nothing] * 7)],
    )

    among_people: list[list[float]] = []
    of_model: list[list[float]] = []
    # Halves that met in a handful of comparisons would only look like a ceiling.
    n_halvings = n_splits if cells.once.n_pairs >= FEWEST_PAIRS else 0
    for first in halvings(cells, n_splits=n_halvings, seed=resampling.seed):
        one, other = (cells.tally(half.astype(float)) for half in (first, ~first))
        between = [from_people(*pair, corrected=True) for pair in ((one, other), (other, one))]
        by_model = [from_people(replies.once, half, corrected=has_replies) for half in (one, other)]
        for kept, defined, both_ways in ((among_people, by_model, between), (of_model, between, by_model)):
            # On the same comparisons: a sum is defined where both parts are.
            on = [np.where(np.isfinite(a + b), 1.0, 0.0) for a, b in zip(*defined, strict=True)]
            kept.append([mean_over((a + b) / 2, w) for a, b, w in zip(*both_ways, on, strict=True)])
    people_halves = [over_splits([split[k] for split in among_people]) for k in range(5)]
    model_halves = [over_splits([split[k] for split in of_model]) for k in range(5)]

    def gap(k: int) -> Gap:
        return Gap(model=values[k], people_halves=people_halves[k], model_halves=model_halves[k])

    def forecast(k: int, uniform: float) -> Forecast:
        return Forecast(
            model=values[k],
            uniform=uniform,
            marginal=values[k + 2],
            model_minus_marginal=values[k + 4],
            people_halves=people_halves[k],
            model_halves=model_halves[k],
        )

    squared = from_people(replies.once, cells.once, corrected=has_replies)[1]
    return Distance(
        total_variation=gap(0),
        squared=gap(1),
        jensen_shannon_bits=gap(2),
        squared_corrected_for_replies=has_replies,
        n_comparisons_squared=int(np.isfinite(squared).sum()),
        log_score_bits=forecast(3, -float(np.log2(n_choices))),
        brier=forecast(4, 1 - 1 / n_choices),
        smoothing=f"one more answer, spread evenly over the {n_choices} choices on offer, in each comparison",
        n_splits=n_splits,
        comparisons=tuple(
            ComparisonCounts(
                comparison=i,
                people=_triple(cells.once.total[i]),
                model=_triple(replies.once.total[i]),
            )
            for i in range(len(pairing.comparisons))
        ),
    )


def _gaps(model: Tally, people: Tally, *, corrected: bool) -> tuple[Array, Array, Array]:
    """Return total variation, squared distance and Jensen-Shannon divergence by comparison, NaN if undefined.

    Only if ``corrected`` are the model's squared shares freed of chance; people's always are.
    """
    h, m = people.shares, model.shares
    middle = (h + m) / 2
    theirs = model.squared_shares if corrected else m**2
    return (
        np.abs(h - m).sum(axis=1) / 2,
        (people.squared_shares + theirs - 2 * h * m).sum(axis=1),
        (special.rel_entr(h, middle) + special.rel_entr(m, middle)).sum(axis=1) / (2 * np.log(2)),
    )


def _forecast(tally: Tally, n_choices: int) -> Array:
    """Return smoothed shares: never 0 for a choice on offer, so that one surprise does not cost infinitely much."""
    prior = np.array([1.0, 1.0, n_choices - 2.0]) / n_choices
    smoothed: Array = (tally.total + prior) / (tally.size + 1)[:, None]
    smoothed[tally.size == 0] = np.nan
    return smoothed


def _scores(forecast: Array, shares: Array) -> tuple[Array, Array]:
    """Return log score in bits and Brier score by comparison, over the answers behind ``shares``."""
    # A forecast of 0 is only made for a choice that nobody made.
    log_score = special.xlogy(shares, forecast).sum(axis=1) / np.log(2)
    return log_score, (forecast**2 - 2 * forecast * shares + shares).sum(axis=1)


def _triple(row: Array) -> tuple[float, float, float]:
    return float(row[0]), float(row[1]), float(row[2])
