from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from llm_compare.consequences.difference import Verdict, difference
from llm_compare.consequences.sentences import amount, difference_sentence, total_sentence


def test_the_interval_over_runs_is_students():
    values = [3.0, 5.0, 4.0, 8.0]
    d = difference(values)

    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (d.low, d.high) == pytest.approx((expected.low, expected.high))
    assert d.verdict is Verdict.MORE


def test_more_runs_do_not_take_away_what_the_answers_leave_open():
    rng = np.random.default_rng(0)
    of_draw = rng.normal(4.0, 2.0, size=40)

    def half(n_runs: int) -> float:
        table = of_draw[:, None] + rng.normal(0.0, 1.0, size=(40, n_runs))
        d = difference((4.0 + rng.normal(0.0, 1.0, n_runs)).tolist(), table)
        assert d.high_with_weights is not None
        return d.high_with_weights - d.value

    spread = float(np.std(of_draw, ddof=1)) * float(stats.t.ppf(0.975, 39))
    assert half(2_000) == pytest.approx(spread, rel=0.02)


def test_the_interval_covers_the_truth_though_weights_are_estimated():
    # The effect is linear in the weights; the estimate and the draws around it err by the same standard error.
    rng = np.random.default_rng(1)
    hits = naive = 0
    for _ in range(400):
        estimate = 1.0 + rng.normal(0.0, 1.0)
        draws = estimate + rng.normal(0.0, 1.0, size=20)
        luck = rng.normal(0.0, 1.0, size=10)
        table = draws[:, None] + luck[None, :] + rng.normal(0.0, 0.3, size=(20, 10))
        d = difference((estimate + luck).tolist(), table)
        assert d.low is not None
        assert d.high is not None
        assert d.low_with_weights is not None
        assert d.high_with_weights is not None
        hits += d.low_with_weights <= 1.0 <= d.high_with_weights
        naive += d.low <= 1.0 <= d.high

    assert 0.91 <= hits / 400 <= 0.98
    assert naive / 400 < 0.7


@pytest.mark.parametrize(
    ("by_run", "by_draw", "verdict"),
    [
        ([0.0, 0.0], None, Verdict.SAME),
        ([5.0, 5.2, 4.9], None, Verdict.MORE),
        ([-5.0, -5.2, -4.9], None, Verdict.FEWER),
        ([5.0, -5.2, 4.9], None, Verdict.CHANCE),
        ([5.0, 5.2, 4.9], [[9.0, 9.1, 9.2], [-9.0, -9.1, -9.2]], Verdict.WEIGHT_NOISE),
        ([3.0], None, Verdict.UNKNOWN),
        ([3.0], [[3.0], [3.0], [4.0]], Verdict.MORE),
        ([3.0], [[3.0], [-3.0], [4.0]], Verdict.WEIGHT_NOISE),
    ],
)
def test_a_difference_is_called_what_it_shows(by_run, by_draw, verdict):
    assert difference(by_run, by_draw).verdict is verdict


def test_a_sentence_says_no_more_than_the_interval():
    noise = difference([5.0, 5.2, 4.9], [[9.0, 9.1, 9.2], [-9.0, -9.1, -9.2]])
    clear = difference([-12.0, -11.0, -13.0])

    assert difference_sentence(clear, of="of every 100 patients", done="matched") == (
        "12 (9.5 to 14) fewer matched of every 100 patients."
    )
    assert "noise of the estimated weights" in difference_sentence(noise, of="of 9", done="matched")
    assert (
        total_sentence("transplants", difference([0.0, 0.0])) == "The number of transplants stays the same."
    )


@pytest.mark.parametrize(
    ("value", "text"), [(12.4, "12"), (9.96, "10"), (3.04, "3"), (-0.04, "0"), (-2.5, "-2.5")]
)
def test_numbers_in_sentences_are_short(value, text):
    assert amount(value) == text


def test_few_runs_that_all_differ_alike_are_not_called_certain():
    two, six = difference([1.0, 1.0]), difference([1.0] * 6)

    assert (two.interval, two.verdict) == (None, Verdict.UNKNOWN)
    assert (six.interval, six.verdict) == ((1.0, 1.0), Verdict.MORE)
    assert difference([0.0, 0.0]).verdict is Verdict.SAME
    assert difference([1.0, 1.0], [[0.0, 0.0], [2.0, 2.0]]).verdict is Verdict.WEIGHT_NOISE
