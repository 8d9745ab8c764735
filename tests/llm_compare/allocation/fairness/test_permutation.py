"""Permuted labels beside all permutations, one by one, by slow code."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from llm_compare.allocation.fairness.exposure import candidate_exposure
from llm_compare.allocation.fairness.permutation import (
    permuted_exposure,
    permuted_labels,
    permuted_rnd,
    permuted_shares,
)
from llm_compare.allocation.fairness.rnd import VARIANTS, chance_rnd, group_rnd

CODE = np.array([[0, 0, 1, 2], [0, 1, 1, -1]])
EVERY = VARIANTS["every-rank"]


@pytest.fixture(scope="module")
def groups(make_groups):
    return make_groups(CODE)


@pytest.fixture(scope="module")
def rankings(by_quality):
    return by_quality(2, 4, 1, 6, seed=3)


@pytest.fixture(scope="module")
def every_labels():
    """Every permutation of both pools: 24 by 24."""
    first, second = ([pool[list(o)] for o in itertools.permutations(range(4))] for pool in CODE)
    return np.array(list(itertools.product(first, second)))


def weights(rankings):
    found = np.zeros((2, 4))
    np.add.at(found, (rankings.problem, rankings.order[:, 0]), 1)
    return found / found.sum(axis=1, keepdims=True)


def slow_share(rankings, code):
    return np.array(
        [
            np.mean([weights(rankings)[p][code[p] == g].sum() - np.mean(CODE[p] == g) for p in (0, 1)])
            for g in range(3)
        ]
    )


def slow_exposure(rankings, code):
    exposure = candidate_exposure(rankings, 2)
    means = [exposure[code == g].mean() for g in range(3)]
    return np.array([mean - means[0] for mean in means])


def slow_rnd(rankings, code, make_groups):
    values = group_rnd(rankings, make_groups(code), EVERY)
    by_problem = np.array([values[rankings.problem == p].mean(axis=0) for p in (0, 1)])
    # The third group is not in the second pool.
    return np.array([np.nanmean(by_problem[:, g]) for g in range(3)])


def exact(slow, observed_code, some):
    """Return the statistic less its mean over ``some`` labels, and the share as far away or farther."""
    draws = np.array([slow(code) for code in some])
    effect = slow(observed_code) - draws.mean(axis=0)
    far = np.abs(draws - draws.mean(axis=0)) >= np.abs(effect) - 1e-12
    return effect, (1 + far.sum(axis=0)) / (1 + len(some))


def test_shares_are_those_of_full_enumeration(rankings, groups, every_labels):
    effect, p = exact(lambda code: slow_share(rankings, code), CODE, every_labels)

    found = permuted_shares(weights(rankings), groups, every_labels)

    assert found.effect == pytest.approx(effect)
    assert found.p == pytest.approx(p)


def test_exposure_is_that_of_full_enumeration(rankings, groups, every_labels):
    effect, p = exact(lambda code: slow_exposure(rankings, code), CODE, every_labels)

    found = permuted_exposure(candidate_exposure(rankings, 2), groups, every_labels)

    assert np.isnan(found.effect[0])
    assert found.effect[1:] == pytest.approx(effect[1:])
    assert found.p[1:] == pytest.approx(p[1:])


def test_rnd_is_that_of_full_enumeration_whose_mean_is_the_exact_chance_level(
    rankings, groups, make_groups, every_labels
):
    effect, p = exact(lambda code: slow_rnd(rankings, code, make_groups), CODE, every_labels)

    found = permuted_rnd(rankings, groups, chance_rnd(groups, EVERY), every_labels, EVERY)

    assert found.effect == pytest.approx(effect)
    assert found.p == pytest.approx(p)


def test_random_permutations_come_near_full_enumeration(rankings, groups, every_labels):
    drawn = permuted_labels(groups, 4_000, np.random.default_rng(1))
    exposure = candidate_exposure(rankings, 2)

    some, every = (permuted_exposure(exposure, groups, labels) for labels in (drawn, every_labels))

    assert some.p[1:] == pytest.approx(every.p[1:], abs=0.03)
    assert some.p_any == pytest.approx(every.p_any, abs=0.03)
    assert some.low[1:] == pytest.approx(every.low[1:], abs=0.03)


def test_labels_stay_in_their_pool(groups):
    labels = permuted_labels(groups, 50, np.random.default_rng(1))

    assert (np.sort(labels, axis=2) == np.sort(CODE, axis=1)).all()
    assert len({row.tobytes() for row in labels}) > 25


def test_repeats_that_say_the_same_change_no_p(groups, by_quality):
    once = by_quality(2, 4, 1, 1, seed=5)
    again = type(once)(
        respondent="x",
        problem=np.tile(once.problem, 7),
        order=np.tile(once.order, (7, 1)),
        shuffle=np.zeros(14, dtype=np.intp),
        repeat=np.repeat(np.arange(7), 2),
        row=np.tile(once.row, (7, 1)),
    )
    labels = permuted_labels(groups, 500, np.random.default_rng(2))

    a, b = (permuted_rnd(r, groups, chance_rnd(groups, EVERY), labels, EVERY) for r in (once, again))

    assert a.p == pytest.approx(b.p)
    assert a.effect == pytest.approx(b.effect)


def test_problems_without_a_trial_take_no_part(make_groups, by_quality):
    rankings = by_quality(2, 4, 1, 6, seed=3)
    with_third = make_groups([*CODE, [2, 2, 2, 2]])
    labels = permuted_labels(with_third, 200, np.random.default_rng(1))
    only = make_groups(CODE)

    a = permuted_exposure(candidate_exposure(rankings, 3), with_third, labels)
    b = permuted_exposure(candidate_exposure(rankings, 2), only, labels[:, :2])
    c = permuted_rnd(rankings, with_third, chance_rnd(with_third), labels)
    d = permuted_rnd(rankings, only, chance_rnd(only), labels[:, :2])

    assert a.p[1:] == pytest.approx(b.p[1:])
    assert c.p == pytest.approx(d.p, nan_ok=True)


def test_a_group_alone_in_every_pool_has_no_p(make_groups, by_quality):
    alone = make_groups([[0] * 4, [1] * 4])
    rankings = by_quality(2, 4, 1, 6, seed=3)
    labels = permuted_labels(alone, 50, np.random.default_rng(1))

    shares = permuted_shares(weights(rankings), alone, labels)
    rnd = permuted_rnd(rankings, alone, chance_rnd(alone), labels)

    assert np.isnan(shares.p).all()
    assert np.isnan(rnd.p).all()
    assert np.isnan(rnd.effect).all()
    assert np.isnan(rnd.p_any)
