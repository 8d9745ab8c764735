from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from llm_compare.alignment.choices import INDECISION, Pairing
from llm_compare.alignment.distance import distance
from llm_compare.alignment.resampling import (
    Population,
    Resampling,
    Weighted,
    as_answered,
    drawn,
    measured,
    measured_each,
)

N_PEOPLE, N_COMPARISONS, ASKED = 60, 40, 20


def first_share(w: Weighted) -> list[float]:
    """Return the share of people's answers for the first profile."""
    people, weights = w.pairing.people, w.people_answers
    return [float(weights @ people.choice[:, 0] / weights.sum())]


def gap(w: Weighted) -> list[float]:
    """Return the model's mean rate of indecision less people's, over comparisons."""
    sides = []
    for counts in (w.model_counts, w.people_counts):
        size = counts.sum(axis=1)
        weights = np.where(size > 0, w.comparison, 0)
        sides.append(float(weights @ (counts[:, INDECISION] / np.maximum(size, 1)) / weights.sum()))
    return [sides[0] - sides[1]]


def asked(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return who answers which comparison: each person a random half."""
    comparison = np.concatenate([rng.permutation(N_COMPARISONS)[:ASKED] for _ in range(N_PEOPLE)])
    return comparison, np.repeat(np.arange(N_PEOPLE), ASKED)


def covers(interval, truth: float) -> bool:
    return bool(interval.low <= truth <= interval.high)


def within_chance(coverage: float, at_least: float, n: int) -> bool:
    return coverage >= at_least - 2 * (at_least * (1 - at_least) / n) ** 0.5


@pytest.fixture(scope="module")
def leaning(make_pairing) -> Callable[[int], tuple[Pairing, float]]:
    """Return a function that draws people and comparisons that lean to one side, and these comparisons' mean.

    Choosing the first has probability 1/2 on average, standard deviation .17 over people and .16 over comparisons.
    """

    def make(seed: int) -> tuple[Pairing, float]:
        rng = np.random.default_rng(seed)
        comparison, person = asked(rng)
        person_leans, comparison_leans = rng.normal(0, 0.17, N_PEOPLE), rng.normal(0, 0.16, N_COMPARISONS)
        p = np.clip(0.5 + person_leans[person] + comparison_leans[comparison], 0, 1)
        choice = (rng.random(len(p)) > p).astype(int)
        every = np.arange(N_COMPARISONS)
        pairing = make_pairing((comparison, person, choice), (every, np.zeros(N_COMPARISONS, int)))
        return pairing, float(0.5 + comparison_leans.mean())

    return make


@pytest.fixture(scope="module")
def unlike(make_pairing, pick) -> Callable[[int], tuple[Pairing, float]]:
    """Return a function that draws people and a model, and the expected squared distance of their shares.

    Shares of people and model are drawn for each comparison from the same distribution, independently; a person
    chooses for two fifths by a taste of their own.
    """

    def make(seed: int) -> tuple[Pairing, float]:
        rng = np.random.default_rng(seed)
        comparison, person = asked(rng)
        alpha = np.array([2.0, 2.0, 1.0])
        theirs, model = rng.dirichlet(alpha, size=(2, N_COMPARISONS))
        taste = rng.dirichlet(alpha, size=N_PEOPLE)
        replied = np.repeat(np.arange(N_COMPARISONS), 10)
        pairing = make_pairing(
            (comparison, person, pick(rng, 0.6 * theirs[comparison] + 0.4 * taste[person])),
            (replied, pick(rng, model[replied])),
        )
        variance = (alpha * (5 - alpha)).sum() / (25 * 6)
        return pairing, (0.6**2 + 1) * variance

    return make


def test_answers_taken_as_independent_give_intervals_that_miss_the_truth_and_two_way_draws_do_not(leaning):
    n, naive, two_way = 150, 0, 0
    for seed in range(n):
        pairing, _ = leaning(seed)
        mean = float(pairing.people.choice[:, 0].mean())
        half = 1.96 * (mean * (1 - mean) / pairing.people.n_answers) ** 0.5
        naive += abs(mean - 0.5) <= half
        [interval] = measured(first_share, pairing, Resampling(n_draws=120, seed=seed), bounds=(0.0, 1.0))
        two_way += covers(interval, 0.5)

    assert naive / n < 0.7
    assert within_chance(two_way / n, 0.90, n)


def test_with_comparisons_fixed_intervals_hold_these_comparisons_mean(leaning):
    n, held, width = 80, 0, []
    for seed in range(n):
        pairing, mean = leaning(seed)
        settings = Resampling(n_draws=80, seed=seed, population=Population.THESE)
        [interval] = measured(first_share, pairing, settings, bounds=(0.0, 1.0))
        held += covers(interval, mean)
        width.append(interval.high - interval.low)

    assert within_chance(held / n, 0.90, n)
    # Narrower than .15, the width that two-way draws give here.
    assert np.mean(width) < 0.12


def test_the_gap_of_indecision_is_covered_with_ten_replies_each(unlike):
    n, held, naive = 100, 0, 0
    for seed in range(n):
        pairing, _ = unlike(seed)
        [interval] = measured(gap, pairing, Resampling(n_draws=80, seed=seed), bounds=(-1.0, 1.0))
        held += covers(interval, 0.0)
        rates = [s.choice[:, INDECISION].mean() for s in (pairing.people, pairing.model)]
        variance = sum(
            r * (1 - r) / s.n_answers for r, s in zip(rates, (pairing.people, pairing.model), strict=True)
        )
        naive += abs(rates[1] - rates[0]) <= 1.96 * variance**0.5

    assert within_chance(held / n, 0.90, n)
    assert naive / n < 0.8


def test_the_unbiased_squared_distance_is_covered(unlike):
    n, held, found = 60, 0, []
    for seed in range(n):
        pairing, truth = unlike(seed)
        interval = distance(pairing, Resampling(n_draws=60, seed=seed), n_splits=1).squared.model
        held += covers(interval, truth)
        found.append(interval.value)

    assert within_chance(held / n, 0.90, n)
    assert np.mean(found) == pytest.approx(truth, abs=3 * np.std(found) / n**0.5)


@pytest.mark.long
@pytest.mark.parametrize("population", Population)
def test_coverage_in_full(leaning, unlike, population):
    n = 400
    held = np.zeros(3)
    for seed in range(n):
        settings = Resampling(n_draws=100, seed=seed, population=population)
        pairing, mean = leaning(seed)
        [share] = measured(first_share, pairing, settings, bounds=(0.0, 1.0))
        held[0] += covers(share, 0.5 if population is Population.LIKE_THESE else mean)
        if population is Population.LIKE_THESE:
            pairing, truth = unlike(seed)
            [between] = measured(gap, pairing, settings, bounds=(-1.0, 1.0))
            squared = distance(pairing, settings, n_splits=1).squared.model
            held[1:] += covers(between, 0.0), covers(squared, truth)
    for number, coverage in enumerate(held / n):
        if number == 0 or population is Population.LIKE_THESE:
            assert within_chance(coverage, 0.91, n)


def test_draws_take_as_many_people_and_comparisons_as_there_are_and_leave_replies_whole(leaning):
    pairing, _ = leaning(1)
    draws = list(drawn(pairing, Resampling(n_draws=5)))

    assert len(draws) == 5
    for w in draws:
        assert w.person.sum() == N_PEOPLE
        assert w.comparison.sum() == N_COMPARISONS
        assert (w.reply == 1).all()
    assert any((a.person != b.person).any() for a, b in pairwise(draws))


def test_with_comparisons_fixed_each_comparisons_replies_are_drawn_among_themselves(unlike):
    pairing, _ = unlike(1)
    for w in drawn(pairing, Resampling(n_draws=5, population=Population.THESE)):
        assert (w.comparison == 1).all()
        assert w.model_counts.sum(axis=1) == pytest.approx(np.full(N_COMPARISONS, 10))
        assert (w.reply != 1).any()


@pytest.mark.parametrize("replies", [2, 5])
def test_drawn_replies_vary_as_much_as_their_mean_does(make_pairing, replies):
    # One undecided reply among them: the variance of a mean estimated from n values is that of the values over n.
    reply = np.zeros(replies, int)
    reply[0] = INDECISION
    pairing = make_pairing(([0, 0], [0, 1], [0, 0]), (np.zeros(replies, int), reply))
    settings = Resampling(n_draws=2000, population=Population.THESE)
    means = [w.model_counts[0, INDECISION] / replies for w in drawn(pairing, settings)]

    assert np.mean(means) == pytest.approx(1 / replies, abs=0.03)
    assert np.var(means) == pytest.approx((reply == INDECISION).var(ddof=1) / replies, rel=0.1)


def test_a_single_reply_stays_in_every_draw(make_pairing):
    pairing = make_pairing(([0, 0], [0, 1], [0, 0]), ([0, 1, 1], [0, 1, 2]))
    assert {w.reply[0] for w in drawn(pairing, Resampling(n_draws=9, population=Population.THESE))} == {1.0}


def test_the_same_seed_draws_the_same_and_models_share_people_and_comparisons(unlike):
    one, _ = unlike(1)
    other = replace(one, model=one.model.only(np.arange(one.model.n_answers) % 2 == 0))
    for population in Population:
        settings = Resampling(n_draws=4, seed=9, population=population)
        again = list(drawn(one, settings))
        for a, b, c in zip(drawn(one, settings), again, drawn(other, settings), strict=True):
            assert (a.reply == b.reply).all()
            assert (a.person == b.person).all()
            assert (a.person == c.person).all()
            assert (a.comparison == c.comparison).all()


def test_weights_of_answers_are_those_of_person_times_comparison(make_pairing):
    pairing = make_pairing(([0, 1, 1], [0, 0, 1], [0, 1, 2]), ([0, 1, 1], [0, 1, 2]))
    w = Weighted(
        pairing=pairing,
        person=np.array([2.0, 3.0]),
        comparison=np.array([5.0, 7.0]),
        reply=np.array([1.0, 0.0, 2.0]),
    )
    assert w.people_answers.tolist() == [10, 14, 21]
    assert w.model_answers.tolist() == [5, 0, 14]
    assert w.people_counts.tolist() == [[2, 0, 0], [0, 2, 3]]
    assert w.model_counts.tolist() == [[1, 0, 0], [0, 0, 2]]
    assert as_answered(pairing).people_counts.tolist() == pairing.people.counts.tolist()


def test_where_nothing_varies_the_rule_of_three_gives_the_interval_and_bounds_cut_it(make_pairing):
    # Ten people, five comparisons, all alike: up to 3/5 of comparisons may be exceptions.
    people = (np.tile(np.arange(5), 10), np.repeat(np.arange(10), 5), np.zeros(50, int))
    pairing = make_pairing(people, (np.arange(5), np.zeros(5, int)))
    [share] = measured(first_share, pairing, Resampling(n_draws=10), bounds=(0.0, 1.0))
    assert (share.low, share.high) == (pytest.approx(0.4), 1.0)
    [fixed] = measured(
        first_share, pairing, Resampling(n_draws=10, population=Population.THESE), bounds=(0.0, 1.0)
    )
    assert fixed.low == pytest.approx(0.7)


def test_a_number_that_is_not_defined_has_a_reason_and_one_seldom_defined_no_interval(leaning):
    pairing, _ = leaning(2)

    def seldom(w: Weighted) -> list[float]:
        whole = w.person.max() == 1
        return [float("nan"), 1.0 if whole else float("nan"), *first_share(w)]

    nothing, seldom_defined, share = measured_each(
        seldom,
        pairing,
        Resampling(n_draws=10),
        bounds=[None, None, (0.0, 0.5)],
        undefined=["nothing to measure", "seldom", "never"],
    )
    assert (nothing.value, nothing.reason) == (None, "nothing to measure")
    assert (seldom_defined.value, seldom_defined.low) == (1.0, None)
    assert seldom_defined.reason
    assert share.high <= 0.5
    assert share.se > 0


def test_one_person_has_no_interval(make_pairing):
    pairing = make_pairing(([0, 1], [0, 0], [0, 1]), ([0, 1], [0, 0]))
    [share] = measured(first_share, pairing, Resampling(n_draws=10))

    assert share.value == 0.5
    assert share.low is None
    assert "too few" in share.reason
