"""Intervals over samples of respondents: when there is one."""

from __future__ import annotations

import numpy as np

from survey.acceptability import Acceptability, RatedAttribute
from survey.coding.agreement import agreement_of
from survey.coding.measures import FEWEST_DRAWN, draw_weights, measure
from survey.coding.opinions import Sheet, opinions_of
from survey.suggestions import Stance

S = Stance.SHOULD


def mean_of(values: list[float], draws: int = 400):
    weights = draw_weights(len(values), draws, 1)
    return measure((weights @ np.array(values)) / weights.sum(axis=1), "", respondents=len(values))


def test_of_few_respondents_there_is_no_interval():
    few = mean_of([0.0, 1.0] * ((FEWEST_DRAWN - 2) // 2))
    enough = mean_of([0.0, 1.0] * (FEWEST_DRAWN // 2))

    assert (few.value, few.low) == (0.5, None)
    assert "too few" in few.reason
    assert enough.low < 0.5 < enough.high


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

    assert 0.86 <= np.mean(held) <= 0.99


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
