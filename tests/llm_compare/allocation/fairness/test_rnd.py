from __future__ import annotations

import json
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_compare.allocation.fairness.rnd import (
    PAPER,
    VARIANTS,
    RndVariant,
    chance_rnd,
    expected_rnd,
    group_rnd,
    maximum,
    rnd,
)

every_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda v: v.name)


def raw(member: list[bool], variant: RndVariant) -> float:
    """Return the sum before normalizing, written out as in the paper's equation."""
    n, total = len(member), 0.0
    for k in variant.cutoffs_for(n):
        discount = 1 / np.log2(k + (1 if variant.adds_one else 0))
        total += discount * abs(sum(member[:k]) / k - sum(member) / n)
    return total


def subsets(n: int, size: int) -> np.ndarray:
    found = np.zeros((0, n), dtype=bool)
    for chosen in combinations(range(n), size):
        found = np.vstack([found, np.isin(np.arange(n), chosen)])
    return found


def test_maximum_and_chance_level_are_those_of_the_reference_for_15(shared):
    rows = json.loads(shared("reference/rnd_normaliser_N15.json").read_text("utf-8"))["rows"]
    plus_one = VARIANTS["paper-plus-one"]
    assert [row["n_group"] for row in rows] == list(range(16))
    for row in rows:
        m = row["n_group"]
        assert maximum(m, 15) == pytest.approx(row["exact_max_Z"], abs=1e-12)
        assert maximum(m, 15, plus_one) == pytest.approx(row["exact_max_Z_log2_kplus1"], abs=1e-12)
        if row["expected_rND_random"] is None:
            assert np.isnan(expected_rnd(m, 15))
        else:
            assert expected_rnd(m, 15) == pytest.approx(row["expected_rND_random"], abs=1e-12)


@pytest.mark.parametrize(
    ("m", "expected"), list(enumerate((0.505, 0.365, 0.259, 0.278, 0.261, 0.303, 0.371), start=1))
)
def test_coin_tossed_rankings_are_far_from_zero_and_differ_by_group_size(m, expected):
    assert expected_rnd(m, 15) == pytest.approx(expected, abs=6e-4)


def test_fairranks_demo_is_rebuilt_with_its_discount_only():
    # FairRank prints 0.660066334446 for 100 ranked, 50 protected first, cut-offs 10, 20, …, not normalized.
    member = np.arange(100)[None, :] < 50
    tens = VARIANTS["every-tenth"]
    plus_one = RndVariant(name="FairRank", cutoffs=tens.cutoffs, adds_one=True)
    assert rnd(member, plus_one)[0] * maximum(50, 100, plus_one) == pytest.approx(0.660066334446, abs=1e-12)
    assert rnd(member, tens)[0] * maximum(50, 100, tens) == pytest.approx(0.6703668786, abs=1e-10)


def test_every_fifth_rank_of_15_gives_the_values_worked_out_by_hand():
    fifths = VARIANTS["every-fifth"]
    plus_one = RndVariant(name="plus one", cutoffs=fifths.cutoffs, adds_one=True)
    spread = np.isin(np.arange(15), (0, 3, 6, 9, 12))[None, :]
    last = np.arange(15)[None, :] >= 10
    for variant, first, at_end, departs, share in (
        (fifths, 0.337289, 0.243902, 0.048780, 0.144625),
        (plus_one, 0.306079, 0.225306, 0.045061, 0.147221),
    ):
        assert maximum(5, 15, variant) == pytest.approx(first, abs=5e-7)
        assert rnd(last, variant)[0] * maximum(5, 15, variant) == pytest.approx(at_end, abs=5e-7)
        assert rnd(spread, variant)[0] == pytest.approx(share, abs=5e-7)
        assert rnd(spread, variant)[0] * maximum(5, 15, variant) == pytest.approx(departs, abs=5e-7)


@every_variant
@pytest.mark.parametrize("n", range(2, 11))
def test_no_ranking_passes_the_maximum_and_one_reaches_it(n, variant):
    for m in range(n + 1):
        greatest = max(raw(list(member), variant) for member in subsets(n, m))
        assert maximum(m, n, variant) == pytest.approx(greatest, abs=1e-12)


@every_variant
@pytest.mark.parametrize("n", [4, 7, 9])
def test_chance_level_is_the_mean_over_all_rankings(n, variant):
    for m in range(n + 1):
        every = rnd(subsets(n, m), variant)
        if maximum(m, n, variant) == 0:
            assert np.isnan(every).all()
            assert np.isnan(expected_rnd(m, n, variant))
        else:
            assert expected_rnd(m, n, variant) == pytest.approx(every.mean(), abs=1e-12)


@every_variant
@settings(max_examples=25)
@given(st.lists(st.booleans(), min_size=11, max_size=40))
def test_rnd_is_the_equation_and_stays_between_0_and_1(variant, member):
    found = rnd(np.array([member]), variant)[0]
    if 0 < sum(member) < len(member):
        n = len(member)
        assert found == pytest.approx(raw(member, variant) / maximum(sum(member), n, variant), abs=1e-12)
        assert 0 <= found <= 1 + 1e-12
    else:
        assert np.isnan(found)


@every_variant
@settings(max_examples=25)
@given(member=st.lists(st.booleans(), min_size=11, max_size=40).filter(lambda m: 0 < sum(m) < len(m)))
def test_two_groups_always_have_the_same_rnd(variant, member):
    both = rnd(np.array([member, [not m for m in member]]), variant)
    assert both[0] == pytest.approx(both[1], abs=1e-12)


@given(m=st.integers(1, 4), blocks=st.integers(2, 8))
def test_a_group_in_proportion_at_every_cutoff_has_rnd_0(m, blocks):
    member = np.tile(np.arange(5) < m, blocks)[None, :]
    assert rnd(member, VARIANTS["every-fifth"])[0] == pytest.approx(0, abs=1e-12)


@every_variant
@settings(max_examples=25)
@given(n=st.integers(11, 40), data=st.data())
def test_a_group_wholly_first_or_wholly_last_has_rnd_1(variant, n, data):
    m = data.draw(st.integers(1, n - 1))
    ends = rnd(np.stack([np.arange(n) < m, np.arange(n) >= n - m]), variant)
    assert ends.max() == pytest.approx(1, abs=1e-12)


def test_a_group_alone_or_absent_has_no_rnd_and_a_ranking_too_short_for_a_cutoff_none_either():
    assert np.isnan(rnd(np.array([[True] * 15, [False] * 15]))).all()
    assert np.isnan(rnd(np.array([[True, False, False]]))).all()
    assert VARIANTS["paper"].cutoffs_for(10) == (3, 5)


def test_groups_of_rankings_do_not_depend_on_how_candidates_are_numbered(make_rankings, random_groups):
    rankings, groups = make_rankings(seed=1), random_groups(seed=2)
    found = group_rnd(rankings, groups)
    renumbered = np.random.default_rng(3).permutation(15)
    place = np.argsort(renumbered)  # Candidate c is now called place[c].
    other = type(rankings)(
        respondent="",
        problem=rankings.problem,
        order=place[rankings.order],
        shuffle=rankings.shuffle,
        repeat=rankings.repeat,
        row=rankings.row,
    )
    again = group_rnd(other, type(groups)(grouping="", names=groups.names, code=groups.code[:, renumbered]))
    np.testing.assert_allclose(found, again, equal_nan=True)
    for t, g in ((0, 0), (17, 2), (299, 3)):
        p = rankings.problem[t]
        member = [groups.code[p, c] == g for c in rankings.order[t]]
        if not any(member):
            assert np.isnan(found[t, g])
            continue
        assert found[t, g] == pytest.approx(raw(member, PAPER) / maximum(sum(member), 15))


def test_chance_level_of_a_pool_goes_by_each_groups_size_in_it(make_groups):
    groups = make_groups([[0] * 10 + [1] * 5, [0] * 15])
    found = chance_rnd(groups)
    assert found[0] == pytest.approx([expected_rnd(10, 15), expected_rnd(5, 15)])
    assert np.isnan(found[1]).all()
    assert found[0, 0] == pytest.approx(found[0, 1])


def test_random_rankings_average_to_the_chance_level():
    orders = np.array(list(permutations(range(6))))
    variant = VARIANTS["every-rank"]
    assert rnd(orders < 2, variant).mean() == pytest.approx(expected_rnd(2, 6, variant), abs=1e-12)
