from __future__ import annotations

import numpy as np
import pytest

from estimation.indecision.davidson import Davidson
from estimation.indecision.decided import Decided
from estimation.indecision.dom import Dom
from estimation.indecision.forced import Forced
from estimation.indecision.max_delta import MaxDelta
from estimation.indecision.max_u import MaxU
from estimation.indecision.min_u import MinU
from estimation.indecision.mixture import Mixture
from estimation.indecision.rao_kupper import RaoKupper

RULES = [
    Decided(),
    Davidson(),
    RaoKupper(),
    RaoKupper(log_threshold=True),
    MinU(),
    MaxU(),
    MaxDelta(),
    Dom(2),
    Forced(Davidson()),
    Forced(RaoKupper()),
    Forced(MaxU()),
    Mixture((Davidson(), MinU(), Dom(2))),
    Mixture((Decided(), RaoKupper())),
]
OFFERED = np.array([True, False, True, False])


def name(rule):
    return repr(rule).split("(concave")[0]


@pytest.fixture
def predictors(rule):
    x = np.random.default_rng(0).normal(size=(2, len(OFFERED), rule.n_predictors))
    return np.abs(x) + 0.2 if "RaoKupper" in repr(rule) else x  # A threshold is above 0.


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_the_probabilities_of_a_comparison_sum_to_one_and_none_is_for_what_was_not_offered(rule, predictors):
    p = np.exp(rule.evaluate(predictors, OFFERED).log_p)

    assert p.sum(axis=-1) == pytest.approx(1)
    assert (p[:, ~OFFERED, 2] == 0).all()
    assert (p[:, OFFERED, 2] > 0).all() or isinstance(rule, Decided)


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_first_and_second_derivatives_are_those_of_the_log_probabilities(rule, predictors):
    at = rule.evaluate(predictors, OFFERED)
    possible = np.isfinite(at.log_p)
    for k, step in enumerate(1e-6 * np.eye(rule.n_predictors)):
        up, down = (rule.evaluate(predictors + s * step, OFFERED) for s in (1, -1))
        rise = (up.log_p[possible] - down.log_p[possible]) / 2e-6
        assert at.first[possible][:, k] == pytest.approx(rise, abs=1e-6)
        bend = (up.first[possible] - down.first[possible]) / 2e-6
        assert at.second[possible][..., k] == pytest.approx(bend, abs=1e-5)


@pytest.mark.parametrize("rule", [Davidson(), RaoKupper(), MaxDelta()], ids=name)
def test_exchanging_the_sides_exchanges_left_and_right(rule, predictors):
    mirrored = rule.evaluate(predictors * [-1, 1], OFFERED).log_p
    assert mirrored[..., [1, 0, 2]] == pytest.approx(rule.evaluate(predictors, OFFERED).log_p)


def one(rule, *predictors):
    return np.exp(rule.evaluate(np.array([predictors], dtype=float), np.array([True])).log_p)[0]


def test_davidsons_indecision_between_equals_is_nu_over_two_plus_nu():
    nu = 0.7
    assert one(Davidson(), 0, np.log(nu)) == pytest.approx([1 / 2.7, 1 / 2.7, 0.7 / 2.7])


def test_rao_and_kuppers_indecision_between_equals_is_tanh_of_half_the_threshold():
    assert one(RaoKupper(), 0, 0.8)[2] == pytest.approx(np.tanh(0.4))


def test_a_threshold_of_zero_or_less_is_impossible():
    assert (one(RaoKupper(), 0.3, -0.1) == 0).all()


def test_indecision_grows_where_each_model_says():
    # Close pairs (Min-delta), far ones (Max-delta), unattractive ones (Min-U), attractive ones (Max-U).
    assert one(Davidson(), 0.1, 0)[2] > one(Davidson(), 3, 0)[2]
    assert one(MaxDelta(), 0.1, 0)[2] < one(MaxDelta(), 3, 0)[2]
    assert one(MinU(), -2, -2, 0)[2] > one(MinU(), 2, 2, 0)[2]
    assert one(MaxU(), -2, -2, 0)[2] < one(MaxU(), 2, 2, 0)[2]
    # Better in one attribute and worse in the other; better in both.
    assert one(Dom(2), 1, -1, 0, 0)[2] > one(Dom(2), 1, 1, 0, 0)[2]


def test_forced_answers_settle_a_share_q_of_indecisions_by_a_coin():
    d, pull, q = 0.9, 0.2, 0.3
    left, right, coin = one(Davidson(), d, pull)
    forced = Forced(Davidson()).evaluate(np.array([[d, pull, np.log(q / (1 - q))]]), np.array([False]))

    strict = 1 / (1 + np.exp(-d))
    assert np.exp(forced.log_p[0, 0]) == pytest.approx(q * (left + coin / 2) + (1 - q) * strict)
    assert np.exp(forced.log_p[0, 1]) == pytest.approx(q * (right + coin / 2) + (1 - q) * (1 - strict))


def test_a_mixture_is_the_mean_of_its_rules_by_their_weights():
    w = 0.25
    mixed = one(Mixture((Davidson(), MinU())), 0.5, 0.1, 0.3, -0.2, 0.4, np.log(w / (1 - w)))

    assert mixed == pytest.approx((1 - w) * one(Davidson(), 0.5, 0.1) + w * one(MinU(), 0.3, -0.2, 0.4))
