"""What a factor of the prompt changes beyond repeats: by hand, as planted, and what cannot be told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_compare.alignment.choices import Choices
from llm_compare.alignment.prompt_factors import prompt_factors
from survey.design import Comparison, Profile

BASE = {"framing": "plain", "paraphrase": ""}


def side(rows, n_comparisons):
    """Return choices of rows (comparison, first profile on the left, choice)."""
    comparison, first_left, choice = zip(*rows, strict=True)
    profiles = [Profile((("age", i),)) for i in range(n_comparisons + 1)]
    return Choices(
        label="model",
        comparisons=tuple(Comparison.of(profiles[0], p) for p in profiles[1:]),
        comparison=np.array(comparison, dtype=np.intp),
        respondent=np.zeros(len(rows), dtype=np.intp),
        respondents=("model",),
        choice=np.array(choice, dtype=float),
        first_left=np.array(first_left, dtype=bool),
        offered=np.ones(len(rows), dtype=bool),
        repeat=np.zeros(len(rows), dtype=np.intp),
    )


def drawn(rng, shares, repeats):
    """Return repeats of each comparison in both orders, by its shares of first, second, indecision."""
    rows = [
        (c, left, np.eye(3)[rng.choice(3, p=share)])
        for c, share in enumerate(shares)
        for left in (True, False)
        for _ in range(repeats)
    ]
    return side(rows, len(shares))


def of(factors, name):
    return next(f for f in factors.factors if f.factor == name)


def test_the_squared_distance_is_unbiased_by_hand():
    # One way round each: first, first, second against first, indecision.
    one = side([(0, True, (1, 0, 0)), (0, True, (1, 0, 0)), (0, True, (0, 1, 0))], 1)
    other = side([(0, True, (1, 0, 0)), (0, True, (0, 0, 1))], 1)
    found = of(prompt_factors({"a": (BASE, one), "b": ({**BASE, "framing": "ethicist"}, other)}), "framing")
    (change,) = found.changes

    assert (change.one, change.other, change.n_presentations) == ("plain", "ethicist", 1)
    assert change.agreement_across.value == pytest.approx(2 / 3 * 1 / 2)
    assert change.agreement_within.value == pytest.approx((1 / 3 + 0) / 2)
    assert change.squared_distance.value == pytest.approx(1 / 3 + 0 - 2 / 3)
    assert [level.indecision.value for level in found.levels] == [0, 0.5]
    assert [level.left.value for level in found.levels] == [pytest.approx(2 / 3), 1]
    assert [level.n_answers for level in found.levels] == [3, 2]


def test_a_factor_without_effect_changes_nothing_however_noisy_the_model_is():
    rng = np.random.default_rng(1)
    shares = rng.dirichlet([1, 1, 1], size=200)
    variants = {
        f: ({**BASE, "framing": f}, drawn(rng, shares, 3)) for f in ("plain", "ethicist", "clinician")
    }
    found = of(prompt_factors(variants), "framing")

    assert len(found.changes) == 3
    for change in found.changes:
        assert change.squared_distance.low < 0 < change.squared_distance.high
        assert change.agreement_across.value == pytest.approx(change.agreement_within.value, abs=0.03)
        assert change.agreement_across.value < 0.6


def test_a_planted_change_and_indecision_come_back():
    rng = np.random.default_rng(2)
    before = np.tile([0.7, 0.2, 0.1], (150, 1))
    after = np.tile([0.4, 0.2, 0.4], (150, 1))
    variants = {
        "people": (BASE, drawn(rng, before, 3)),
        "ethicist": ({**BASE, "framing": "ethicist"}, drawn(rng, after, 3)),
    }
    found = of(prompt_factors(variants), "framing")
    (change,) = found.changes

    assert change.squared_distance.low < 0.18 < change.squared_distance.high
    assert change.agreement_across.low < 0.7 * 0.4 + 0.2 * 0.2 + 0.1 * 0.4 < change.agreement_across.high
    for level, expected in zip(found.levels, (0.1, 0.4), strict=True):
        assert level.indecision.low < expected < level.indecision.high
        assert level.left.low < 0.5 < level.left.high


def test_the_interval_of_a_distance_that_is_zero_holds_zero_as_often_as_it_says():
    held = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shares = rng.dirichlet([1, 1, 0.5], size=30)
        variants = {f: ({**BASE, "framing": f}, drawn(rng, shares, 2)) for f in ("plain", "ethicist")}
        (change,) = of(prompt_factors(variants), "framing").changes
        held.append(change.squared_distance.low <= 0 <= change.squared_distance.high)

    assert 0.9 <= np.mean(held) <= 0.99


def test_variants_that_differ_in_two_factors_tell_of_neither():
    rng = np.random.default_rng(3)
    shares = np.tile([0.5, 0.5, 0.0], (5, 1))
    variants = {
        "a": (BASE, drawn(rng, shares, 2)),
        "b": ({"framing": "ethicist", "paraphrase": "short"}, drawn(rng, shares, 2)),
    }
    found = prompt_factors(variants)

    assert {f.factor for f in found.factors} == {"framing", "paraphrase"}
    assert all(f.changes == () and "this factor alone" in f.reason for f in found.factors)


def test_without_repeats_agreement_across_is_all_there_is():
    one = side([(0, True, (1, 0, 0)), (1, True, (0, 1, 0))], 2)
    other = side([(0, True, (1, 0, 0)), (1, True, (0, 0, 1))], 2)
    (change,) = of(
        prompt_factors({"a": (BASE, one), "b": ({**BASE, "framing": "ethicist"}, other)}), "framing"
    ).changes

    assert change.agreement_across.value == 0.5
    assert change.squared_distance.value is None
    assert "two repeats" in change.squared_distance.reason


def test_the_variance_of_wording_comes_back_beside_comparisons_and_repeats():
    rng = np.random.default_rng(4)
    n, levels = 400, 8
    # By comparison and wording: a wording turns a comparison's clear choice into the other's with probability .2.
    clear = rng.integers(2, size=n)
    variants = {}
    for level in range(levels):
        turned = np.where(rng.random(n) < 0.2, 1 - clear, clear)
        shares = np.where(turned[:, None] == [0, 1, 2], 0.9, 0.05)
        variants[f"p{level}"] = ({**BASE, "paraphrase": f"p{level}"}, drawn(rng, shares, 3))
    found = of(prompt_factors(variants), "paraphrase").variance
    same = 0.9**2 + 2 * 0.05**2
    crossed = 2 * 0.9 * 0.05 + 0.05**2
    across = (0.8**2 + 0.2**2) * same + 2 * 0.8 * 0.2 * crossed
    apart = (same + crossed) / 2

    assert found.n_levels == levels
    assert found.wording == pytest.approx((same - across) / (1 - apart), abs=0.03)
    assert found.comparisons == pytest.approx((across - apart) / (1 - apart), abs=0.03)
    assert found.repeats == pytest.approx((1 - same) / (1 - apart), abs=0.03)
    assert found.wording + found.comparisons + found.repeats == pytest.approx(1)


def test_fewer_than_six_wordings_are_shown_but_have_no_variance():
    rng = np.random.default_rng(5)
    shares = np.tile([0.5, 0.4, 0.1], (10, 1))
    variants = {f"p{i}": ({**BASE, "paraphrase": f"p{i}"}, drawn(rng, shares, 2)) for i in range(5)}
    found = of(prompt_factors(variants), "paraphrase")

    assert found.variance is None
    assert "fewer than 6" in found.no_variance
    assert len(found.changes) == 10


def test_names_of_first_and_second_change_nothing():
    rng = np.random.default_rng(6)
    shares = rng.dirichlet([1, 1, 1], size=20)
    given = {f: ({**BASE, "framing": f}, drawn(rng, shares, 2)) for f in ("plain", "ethicist")}
    renamed = {
        name: (
            factors,
            replace(
                c,
                comparisons=tuple(Comparison(x.second, x.first) for x in c.comparisons),
                choice=c.choice[:, [1, 0, 2]],
                first_left=~c.first_left,
            ),
        )
        for name, (factors, c) in given.items()
    }
    one, other = (of(prompt_factors(v), "framing") for v in (given, renamed))

    assert other.changes[0].squared_distance.value == pytest.approx(one.changes[0].squared_distance.value)
    assert other.changes[0].squared_distance.se == pytest.approx(one.changes[0].squared_distance.se)
    assert [level.left.value for level in other.levels] == pytest.approx(
        [level.left.value for level in one.levels]
    )


def test_variants_of_different_comparisons_or_factors_are_refused():
    one, other = side([(0, True, (1, 0, 0))], 1), side([(1, True, (1, 0, 0))], 2)

    with pytest.raises(ValueError, match="same comparisons"):
        prompt_factors({"a": (BASE, one), "b": ({**BASE, "framing": "ethicist"}, other)})
    with pytest.raises(ValueError, match="same factors"):
        prompt_factors({"a": (BASE, one), "b": ({"framing": "ethicist"}, one)})


def test_no_variants_have_no_factors():
    assert prompt_factors({}).factors == ()
