"""Intervals over samples of respondents: when there is one."""

from __future__ import annotations

import numpy as np
import pytest

from survey.acceptability import Acceptability, RatedAttribute
from survey.coding.agreement import agreement_of
from survey.coding.alpha import coincidences
from survey.coding.measures import FEWEST_DRAWN, draw_weights, measure
from survey.coding.opinions import Sheet, opinions_of
from survey.suggestions import Stance

S = Stance.SHOULD


def mean_of(values: list[float], draws: int = 400):
    weights = draw_weights(len(values), draws, 1)
    return measure((weights @ np.array(values)) / weights.sum(axis=1), "", respondents=len(values), least=0.0)


def test_of_few_respondents_there_is_no_interval():
    few = mean_of([0.0, 1.0] * ((FEWEST_DRAWN - 2) // 2))
    enough = mean_of([0.0, 1.0] * (FEWEST_DRAWN // 2))

    assert (few.value, few.low) == (0.5, None)
    assert "too few" in few.reason
    assert enough.low < 0.5 < enough.high


def test_an_interval_does_not_go_where_agreement_on_a_rare_category_cannot(coded):
    # Of thirty, four mean the category; each coder overlooks another of them, and half of what is said is shared.
    said = [(f"p{i}", S, {"ann": "luck", "ben": "luck"}) for i in range(28)]
    said += [(f"p{i}", S, {"ann": "age", "ben": "age"}) for i in range(28, 30)]
    said += [("p30", S, {"ann": "age", "ben": "luck"}), ("p31", S, {"ann": "luck", "ben": "age"})]
    found = agreement_of(coded(said), draws=200)
    (kappa,) = (one for one in found.pairs[0].categories if one.category == "age")
    (alpha,) = (one.alpha for one in found.categories if one.category == "age")

    # Both say yes to 3 of 32. Never of one mind, 26 of 32 would be equal: kappa (26/32 - e) / (1 - e).
    e = (3 / 32) ** 2 + (29 / 32) ** 2
    assert kappa.kappa.low == pytest.approx((26 / 32 - e) / (1 - e))
    assert alpha.low == pytest.approx(-3 / 29)
    assert kappa.kappa.value > 0.6


def test_where_all_agree_there_is_no_interval_that_would_be_certain(coded):
    said = [(f"p{i}", S, {"ann": c, "ben": c}) for i, c in enumerate(["age", "luck"] * 10)]
    found = agreement_of(coded(said), draws=100)

    for own in (found.alpha, found.pairs[0].equal, found.pairs[0].pooled_kappa):
        assert (own.value, own.low, own.high) == (1.0, None, None)
        assert "the same in every sample" in own.reason


def test_intervals_of_respondents_hold_the_truth_nearly_as_often_as_they_say():
    rng = np.random.default_rng(3)
    held = [
        found.low <= 0.3 <= found.high
        for _ in range(300)
        if (found := mean_of([float(x) for x in rng.random(20) < 0.3], draws=200)).low is not None
    ]

    assert 0.9 <= np.mean(held) <= 0.99


def test_intervals_of_alpha_hold_it_also_where_it_is_high():
    # Percentiles of the same samples hold it in 84 % of these rounds.
    rng = np.random.default_rng(4)
    n, hears = 20, 0.95
    held = []
    for round_ in range(200):
        respondents = np.repeat(np.arange(n), 1 + rng.poisson(3, n))
        chances = rng.beta(8 * hears, 8 * (1 - hears), n)[respondents]
        meant = rng.integers(0, 4, len(respondents))
        words = [
            np.where(rng.random(len(meant)) < chances, meant, rng.integers(0, 4, len(meant))) for _ in "ab"
        ]
        units = list(zip(*(own.tolist() for own in words), strict=True))
        samples = coincidences(units).summed(respondents, n).alpha(draw_weights(n, 200, round_))
        found = measure(samples, "", respondents=n)
        # Both hear what was meant with the square of the chance; else they agree as often as by chance.
        truth = hears**2 + hears * (1 - hears) / 9
        held.append(found.low is not None and found.low <= truth <= found.high)

    assert np.mean(held) >= 0.9


def test_intervals_stay_between_the_least_and_the_most_that_can_be():
    samples = np.array([0.98, 0.2, 0.99, 0.99, 0.5, 1.0] * 20)

    kappa = measure(samples, "", respondents=10)
    share = measure(samples, "", respondents=10, least=0.0)
    never = measure(np.array([-1.0, -0.9, -0.8]), "", respondents=10)

    assert -1 <= kappa.low < 0.98 < kappa.high <= 1
    assert 0 <= share.low < 0.98 < share.high <= 1
    assert (never.value, never.low) == (-1.0, None)
    assert "the least or the most" in never.reason


def test_means_of_places_have_an_interval_of_enough_people_who_differ():
    asked = Acceptability(
        question="?",
        attributes=(RatedAttribute(name="a", label="A"), RatedAttribute(name="b", label="B")),
        acceptable="yes",
        not_acceptable="no",
        cannot_say="?",
        ranked=2,
    )

    def places(n: int, of_first: int):
        sheets = [
            Sheet(respondent=f"p{i}", ranking=("a", "b") if i < of_first else ("b", "a"), ranked=True)
            for i in range(n)
        ]
        return opinions_of(asked, sheets, draws=200).of("a").mean_place

    assert places(4, 2).low is None
    assert places(20, 20).low is None
    assert places(20, 10).low < 1.5 < places(20, 10).high
