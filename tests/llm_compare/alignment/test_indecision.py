from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_compare.alignment.choices import FIRST, INDECISION, SECOND
from llm_compare.alignment.indecision import indecision
from llm_compare.alignment.resampling import Population, Resampling

FEW = Resampling(n_draws=20, seed=1)


def shares(undecided: np.ndarray, first: np.ndarray | float = 0.5) -> np.ndarray:
    """Return shares with a rate of indecision and, of the decided, a share for the first profile."""
    decided = 1 - undecided
    return np.column_stack([decided * first, decided * (1 - np.asarray(first)), undecided])


def test_rates_count_every_comparison_alike(make_pairing):
    # People: 1 of 4 and 1 of 1. Model: 1 of 2 and 0 of 2.
    found = indecision(
        make_pairing(([0, 0, 0, 0, 1], [0, 1, 2, 3, 0], [2, 0, 1, 0, 2]), ([0, 0, 1, 1], [2, 0, 1, 1])), FEW
    )
    assert found.people.value == pytest.approx((1 / 4 + 1) / 2)
    assert found.model.value == pytest.approx((1 / 2 + 0) / 2)
    assert found.gap.value == pytest.approx(1 / 4 - 5 / 8)


def test_answers_without_indecision_on_offer_do_not_count(make_pairing):
    pairing = make_pairing(([0, 0, 0], [0, 1, 2], [2, 0, 1]), ([0, 0], [2, 0]))
    offered = replace(pairing.people, offered=np.array([True, True, False]))
    found = indecision(replace(pairing, people=offered), FEW)

    assert found.people.value == pytest.approx(1 / 2)


def test_where_indecision_was_never_on_offer_nothing_is_measured_and_the_reason_says_so(make_pairing):
    found = indecision(make_pairing(([0, 0], [0, 1], [0, 1]), ([0], [0]), offered=False), FEW)

    assert found.gap.value is None
    assert "not on offer" in found.gap.reason
    assert all(group.people.value is None for group in found.by_difficulty)
    assert found.calibration.bins == ()


@pytest.mark.parametrize("population", Population)
def test_a_planted_gap_comes_back(planted, population):
    rates = np.random.default_rng(1).beta(2, 6, size=120)
    settings = Resampling(n_draws=60, seed=3, population=population)
    found = indecision(planted(shares(rates), shares(rates / 2), n_people=40, replies=10), settings)

    true = float(-rates.mean() / 2)
    assert found.gap.low < true < found.gap.high
    assert found.gap.high < 0
    assert found.gap.high - found.gap.low < 0.12


def test_by_strength_the_hardest_fifth_shows_the_planted_rates(planted):
    difference = np.linspace(-2, 2, 100)
    hard = np.abs(difference) < 0.4
    people, model = np.where(hard, 0.5, 0.1), np.full(100, 0.2)
    found = indecision(
        planted(shares(people), shares(model), n_people=40), FEW, strength_difference=difference
    )

    hardest, *others = found.by_difficulty
    assert [group.n_comparisons for group in found.by_difficulty] == [20] * 5
    assert hardest.people.value == pytest.approx(0.5, abs=0.05)
    assert hardest.gap.value == pytest.approx(-0.3, abs=0.07)
    assert all(group.people.value == pytest.approx(0.1, abs=0.03) for group in others)
    assert found.people_hard_minus_easy.value == pytest.approx(0.4, abs=0.06)
    assert found.model_hard_minus_easy.value == pytest.approx(0, abs=0.08)
    assert "log-strengths" in found.sorted_by


def test_comparisons_of_equal_difficulty_stay_in_one_group(planted):
    rates = np.full(10, 0.3)
    found = indecision(planted(shares(rates), shares(rates)), FEW, strength_difference=np.ones(10))

    assert [group.n_comparisons for group in found.by_difficulty] == [0, 0, 10, 0, 0]
    assert found.by_difficulty[0].people.value is None
    assert found.by_difficulty[0].people.reason == "no comparison in the group"


def test_sorted_by_peoples_split_hard_comparisons_show_the_planted_indecision(planted):
    first = np.tile([0.5, 0.65, 0.8, 0.9, 1.0], 40)
    people = np.tile([0.5, 0.4, 0.3, 0.2, 0.1], 40)
    found = indecision(planted(shares(people, first), shares(people, first), n_people=60), FEW)

    rates = [group.people.value for group in found.by_difficulty]
    assert rates == sorted(rates, reverse=True)
    assert found.people_hard_minus_easy.low > 0.2
    assert found.model_hard_minus_easy.low > 0.2


def test_sorting_by_peoples_split_makes_no_trend_of_chance(planted):
    # Indecision and split have nothing to do with each other. Where people are often undecided few decide, and a
    # split of few is often extreme: sorted by all deciders' split, both ends would hold the most undecided.
    rng = np.random.default_rng(4)
    people = rng.choice([0.1, 0.6], size=400)
    first = rng.choice([0.3, 0.6, 0.8], size=400)
    settings = Resampling(n_draws=40, seed=2)
    found = indecision(planted(shares(people, first), shares(people, first), n_people=24), settings)

    rates = [group.model.value for group in found.by_difficulty]
    assert max(rates) - min(rates) < 0.06
    assert found.people_hard_minus_easy.low < 0 < found.people_hard_minus_easy.high


def test_planted_calibration_comes_back_though_few_replies_scatter(planted):
    # Where the model is undecided in a share m of replies, people are in .1 + .5 m.
    model = np.random.default_rng(5).uniform(0, 1, size=500)
    people = 0.1 + 0.5 * model
    found = indecision(
        planted(shares(people), shares(model), n_people=12, replies=4), Resampling(n_draws=60)
    ).calibration

    assert found.slope.low < 0.5 < found.slope.high
    assert found.slope.value == pytest.approx(0.5, abs=0.06)
    assert found.correlation.value == pytest.approx(1, abs=0.08)
    # Uncorrected, the scatter of four replies takes away a third: 1/12 of variance, and m(1−m)/4 on average 1/24.
    assert found.slope_as_observed.value == pytest.approx(0.5 * 2 / 3, abs=0.05)


def test_corrected_slope_and_correlation_are_those_of_plain_loops_over_different_givers(make_pairing):
    rng = np.random.default_rng(0)
    n, n_people, replies = 6, 5, 3
    place = np.array([0.0, 0.0, 0.2, 0.8, 1.0, 1.0])
    undecided = rng.random((n_people, n)) < place
    answered = rng.random((n_people, n)) < 0.8
    reply = rng.random((n, replies)) < place[:, None]
    person, comparison = np.nonzero(answered)
    pairing = make_pairing(
        (comparison, person, np.where(undecided[answered], 2, 0)),
        (np.repeat(np.arange(n), replies), np.where(reply.ravel(), 2, 0)),
    )
    x, size = undecided * answered, answered.sum(axis=0)
    h, m = x.sum(axis=0) / size, reply.mean(axis=1)
    two = [(i, j) for i in range(n) for j in range(n) if i != j]
    covariance = np.mean(h * m) - np.mean([h[i] * m[j] for i, j in two])
    within = [
        reply[i, r] * reply[i, s] for i in range(n) for r in range(replies) for s in range(replies) if r != s
    ]
    of_model = np.mean(within) - np.mean([m[i] * m[j] for i, j in two])
    persons = [(a, b) for a in range(n_people) for b in range(n_people) if a != b]
    same = [
        np.mean([x[a, i] * x[b, i] for a, b in persons if answered[a, i] and answered[b, i]])
        for i in range(n)
    ]
    apart = sum(x[a, i] * x[b, j] / (size[i] * size[j]) for i, j in two for a, b in persons)
    pairs = sum(answered[a, i] * answered[b, j] / (size[i] * size[j]) for i, j in two for a, b in persons)
    of_people = np.mean(same) - apart / pairs

    found = indecision(pairing, FEW).calibration
    assert size.min() >= 2
    assert found.slope.value == pytest.approx(covariance / of_model)
    assert found.correlation.value == pytest.approx(covariance / np.sqrt(of_model * of_people))


def test_correlation_is_not_raised_by_people_who_differ_in_how_often_they_are_undecided(make_pairing):
    # Half of the people are always undecided, in every comparison; the rest where the model is.
    rng = np.random.default_rng(6)
    n, n_people = 600, 8
    place = rng.uniform(0.1, 0.9, size=n)
    often = np.arange(n_people) < 4
    people = np.where(often[:, None], 2, np.where(rng.random((n_people, n)) < place, 2, 0))
    reply = np.where(rng.random((n, 5)) < place[:, None], 2, 0)
    found = indecision(
        make_pairing(
            (np.tile(np.arange(n), n_people), np.repeat(np.arange(n_people), n), people.ravel()),
            (np.repeat(np.arange(n), 5), reply.ravel()),
        ),
        FEW,
    ).calibration
    assert found.correlation.value == pytest.approx(1, abs=0.15)
    assert found.slope.value == pytest.approx(0.5, abs=0.05)


def test_indecision_in_other_places_than_peoples_is_no_calibration(planted):
    rates = np.random.default_rng(7).uniform(0, 0.8, size=(2, 300))
    found = indecision(planted(shares(rates[0]), shares(rates[1])), Resampling(n_draws=60)).calibration

    assert found.slope.low < 0 < found.slope.high
    assert abs(found.correlation.value) < 0.2
    assert found.area_under_curve.low < 0.5 < found.area_under_curve.high
    assert found.people_halves.mean > 0.75


def test_a_model_that_is_never_undecided_has_one_bin_and_no_slope(planted):
    rates = np.random.default_rng(8).uniform(0, 0.8, size=50)
    found = indecision(planted(shares(rates), shares(np.zeros(50))), FEW)

    [only] = found.calibration.bins
    assert (only.above, only.up_to, only.model, only.n_comparisons) == (None, 0.0, 0.0, 50)
    assert found.calibration.slope.value is None
    assert found.calibration.slope_as_observed.value is None
    assert found.calibration.area_under_curve.value == pytest.approx(0.5)
    # Never among 50 comparisons and 30 people: up to 3/30 of them may be exceptions.
    assert found.model.high == pytest.approx(3 / 30)


def test_one_reply_each_leaves_the_corrected_slope_without_a_number_but_with_a_reason(planted):
    rates = np.random.default_rng(9).uniform(0, 1, size=60)
    found = indecision(planted(shares(rates), shares(rates), replies=1), FEW).calibration

    assert found.slope.value is None
    assert "two replies" in found.slope.reason
    assert found.slope_as_observed.value is not None


def test_bins_hold_each_comparison_once_by_the_models_share(make_pairing):
    # The model's shares: 0, 1/4, 1/2, 1; people's 0, 1/2, 1, 1.
    replies = ([0] * 4 + [1] * 4 + [2] * 4 + [3] * 4, [0] * 4 + [2, 0, 0, 0] + [2, 2, 0, 0] + [2] * 4)
    people = ([0, 0, 1, 1, 2, 2, 3, 3], [0, 1] * 4, [0, 0, 0, 2, 2, 2, 2, 2])
    bins = indecision(make_pairing(people, replies), FEW).calibration.bins

    assert [(b.above, b.up_to, b.n_comparisons, b.people.value) for b in bins] == [
        (None, 0.0, 1, 0.0),
        (0.0, 0.25, 1, 0.5),
        (0.25, 0.5, 1, 1.0),
        (0.75, 1.0, 1, 1.0),
    ]


def test_area_under_the_curve_is_the_share_of_pairs_ranked_right(planted):
    rates = np.random.default_rng(10).uniform(0, 1, size=(2, 25))
    pairing = planted(shares(rates[0]), shares((rates[0] + rates[1]) / 2), replies=5)
    people = pairing.people.counts[:, INDECISION] / 30
    model = pairing.model.counts[:, INDECISION] / 5
    hard = people > np.median(people)
    ranked = [
        (model[i] > model[j]) + (model[i] == model[j]) / 2
        for i in np.flatnonzero(hard)
        for j in np.flatnonzero(~hard)
    ]
    assert indecision(pairing, FEW).calibration.area_under_curve.value == pytest.approx(np.mean(ranked))


def test_calling_the_other_profile_first_changes_no_value(planted):
    rng = np.random.default_rng(11)
    pairing = planted(*rng.dirichlet((2, 1, 1), size=(2, 40)))
    exchanged = replace(
        pairing,
        **{
            side: replace(
                getattr(pairing, side), choice=getattr(pairing, side).choice[:, [SECOND, FIRST, INDECISION]]
            )
            for side in ("people", "model")
        },
    )
    assert indecision(exchanged, FEW) == indecision(pairing, FEW)
