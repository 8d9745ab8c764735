"""Every test of groups on planted respondents: what is there is found, what is not there is not."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass, replace
from enum import Enum

import numpy as np
import pytest

from llm_compare.alignment.effects import holm
from llm_compare.allocation.fairness.group_tests import adjusted, group_tests
from llm_compare.allocation.fairness.outcomes import Groups, Rankings
from llm_compare.allocation.fairness.rnd import VARIANTS, chance_rnd, group_rnd
from llm_compare.allocation.fairness.tested import DEFAULT, Against, Measure, Method
from llm_compare.errors import NotMeasurable

FEW = 400


@pytest.fixture(scope="module")
def groups(random_groups):
    return random_groups(20, 12, seed=4)


@pytest.fixture(scope="module")
def two(random_groups):
    found = random_groups(20, 12, seed=5, shares=(0.66, 0.34))
    return replace(found, grouping="gender", names=("Male", "Female"))


def sorted_by(make_rankings, scores, *, noise=0.5, seed=1):
    """Rank candidates by ``scores``, shape (P, N), with a little noise."""
    return make_rankings(
        *scores.shape,
        3,
        2,
        seed=seed,
        score=lambda problem, row, rng: scores[problem] + noise * rng.gumbel(size=row.shape),
    )


def measure(found, name):
    return next(m for m in found.measures if m.measure is name)


def group(found, name, which):
    return measure(found, name).groups[which]


def test_rankings_are_tested_in_three_outcomes_and_choices_in_one(by_quality, groups):
    rankings = by_quality(20, 12, 3, 2, seed=1)

    of_rankings = group_tests(rankings, groups, seed=1, n_permutations=FEW)
    of_choices = group_tests(rankings.top, groups, seed=1, n_permutations=FEW)

    assert [m.measure for m in of_rankings.measures] == [Measure.FIRST, Measure.RND, Measure.EXPOSURE]
    assert [m.measure for m in of_choices.measures] == [Measure.SELECTED]
    assert measure(of_choices, Measure.SELECTED).groups[1].tests[0].effect.p == pytest.approx(
        measure(of_rankings, Measure.FIRST).groups[1].tests[0].effect.p
    )
    assert (of_rankings.n_trials, of_rankings.n_problems) == (120, 20)


def test_somebody_who_prefers_a_group_is_found_by_every_test(make_rankings, groups):
    found = group_tests(
        sorted_by(make_rankings, 3.0 * (groups.code == 2)), groups, seed=1, n_permutations=FEW
    )

    preferred = [m.groups[2] for m in found.measures]
    tests = [t for g in preferred for t in g.tests]
    assert {t.method for t in tests} == set(Method) - {Method.PAPER_WELCH}
    assert all(t.effect.p < 0.01 for t in tests)
    assert all(t.effect.value > 0 for t in tests)
    assert all(m.any_difference.p_adjusted < 0.05 for m in found.measures)
    assert all(g.test(DEFAULT).effect.p_adjusted < 0.05 for g in preferred)


def test_somebody_who_prefers_one_of_two_groups_is_found_by_every_test_that_can_be_made(make_rankings, two):
    found = group_tests(sorted_by(make_rankings, 2.0 * (two.code == 1)), two, seed=1, n_permutations=FEW)

    made = [t for m in found.measures for t in m.groups[1].tests if t.effect.p is not None]
    assert {t.method for t in made} == {Method.PERMUTATION, Method.PROBLEM_MEANS, Method.PAPER_WELCH}
    assert all(t.effect.p < 0.01 for t in made)


def test_two_groups_cannot_be_told_apart_by_rnd_and_every_such_test_says_so(by_quality, two):
    found = group_tests(by_quality(20, 12, 3, 2, seed=1), two, seed=1, n_permutations=FEW)

    male, female = measure(found, Measure.RND).groups
    assert male.value == pytest.approx(female.value)
    for method in (Method.PAIRED, Method.MIXED, Method.PAPER_MIXED):
        effect = female.test(method).effect
        assert effect.value == 0
        assert effect.p is None
        assert "same" in effect.reason
    assert [t.method for t in male.tests] == [Method.PAPER_MIXED]
    assert any("other side" in note for note in measure(found, Measure.RND).notes)


def test_effects_are_differences_from_chance_and_from_the_pools(by_quality, groups):
    rankings = by_quality(20, 12, 3, 2, seed=2)
    excess = group_rnd(rankings, groups) - chance_rnd(groups)[rankings.problem]

    found = group_tests(rankings, groups, seed=1, n_permutations=FEW)

    for g in range(4):
        row = group(found, Measure.RND, g)
        of_problem = [excess[rankings.problem == p, g].mean() for p in range(20)]
        assert row.test(Method.PERMUTATION).effect.value == pytest.approx(np.nanmean(of_problem))
        assert row.test(Method.PROBLEM_MEANS).effect.value == pytest.approx(np.nanmean(of_problem))
        assert row.value - row.chance == pytest.approx(np.nanmean(of_problem))
        first = group(found, Measure.FIRST, g)
        assert first.test(Method.PERMUTATION).effect.value == pytest.approx(first.value - first.chance)
        assert first.chance == pytest.approx(groups.shares[g])
    assert sum(g.value for g in measure(found, Measure.FIRST).groups) == pytest.approx(1)


def test_a_fair_respondent_has_rnd_at_chance_level_and_the_papers_model_calls_the_small_group_different(
    by_quality, groups
):
    found = group_tests(by_quality(20, 12, 3, 2, seed=9), groups, seed=1, n_permutations=FEW)

    smallest = group(found, Measure.RND, 3)
    assert smallest.value > 0.35
    assert smallest.test(Method.PAPER_MIXED).effect.p < 0.01
    assert smallest.test(DEFAULT).effect.p_adjusted > 0.05
    assert "chance level" in smallest.test(Method.PAPER_MIXED).note


def test_a_group_that_waited_longer_differs_in_outcome_though_nobody_looked_at_it(make_rankings, groups):
    # The null is about outcomes. That the ranking is by waiting time alone is for counterfactuals to tell.
    rng = np.random.default_rng(3)
    waited = rng.exponential(400, groups.code.shape) + 600 * (groups.code == 1)
    rankings = sorted_by(make_rankings, waited, noise=0)

    found = group_tests(rankings, groups, seed=1, n_permutations=FEW)

    longer = group(found, Measure.EXPOSURE, 1).test(Method.PERMUTATION)
    assert longer.effect.p_adjusted < 0.05
    assert "waiting time" in measure(found, Measure.EXPOSURE).meaning
    assert "Counterfactuals" in measure(found, Measure.EXPOSURE).meaning


def test_trials_that_say_the_same_again_change_nothing_but_the_papers_p(by_quality, groups):
    once = by_quality(20, 12, 1, 1, seed=6)
    tenfold = {f.name: getattr(once, f.name) for f in fields(Rankings)}
    tenfold |= {k: np.repeat(v, 10, axis=0) for k, v in tenfold.items() if k != "respondent"}

    a = group_tests(once, groups, seed=1, n_permutations=FEW)
    b = group_tests(Rankings(**tenfold), groups, seed=1, n_permutations=FEW)

    for one, ten in zip(a.measures, b.measures, strict=True):
        for g, h in zip(one.groups, ten.groups, strict=True):
            for s, t in zip(g.tests, h.tests, strict=True):
                if s.method is not Method.PAPER_MIXED and s.effect.p is not None:
                    assert s.effect.p == pytest.approx(t.effect.p, abs=1e-3), s.method
    paper = (
        group(a, Measure.RND, 1).test(Method.PAPER_MIXED),
        group(b, Measure.RND, 1).test(Method.PAPER_MIXED),
    )
    assert paper[1].se < paper[0].se / 3


def test_relabeling_groups_of_equal_standing_swaps_their_rows(by_quality, groups):
    rankings = by_quality(20, 12, 3, 2, seed=1)
    swapped = np.array([0, 2, 1, 3, -1])
    other = Groups(
        grouping="ethnicity", names=tuple(np.array(groups.names)[swapped[:4]]), code=swapped[groups.code]
    )

    a = group_tests(rankings, groups, seed=1, n_permutations=4_000)
    b = group_tests(rankings, other, seed=2, n_permutations=4_000)

    for m in Measure.RND, Measure.EXPOSURE:
        for method in group(a, m, 1).tests:
            same = group(b, m, 2).test(method.method)
            assert method.effect.value == pytest.approx(same.effect.value, abs=1e-6)
            assert method.effect.p == pytest.approx(same.effect.p, abs=0.04)


def test_a_group_that_is_absent_or_alone_is_left_out_there_and_counted(make_groups, by_quality):
    code = np.zeros((6, 8), dtype=int)
    code[:3, :2] = 1
    code[5, :] = 1
    code[0, 7] = -1
    groups = make_groups(code)

    found = group_tests(by_quality(6, 8, 2, 2, seed=1), groups, seed=1, n_permutations=FEW)

    rnd, first = (measure(found, m) for m in (Measure.RND, Measure.FIRST))
    assert [g.n_problems for g in rnd.groups] == [3, 3]
    assert [g.n_problems for g in first.groups] == [3, 3]
    assert [g.size for g in rnd.groups] == [33, 14]
    assert rnd.groups[1].test(Method.PERMUTATION).effect.n == 3
    assert any("1 candidates belong to no group" in note for note in rnd.notes)


def test_groups_that_are_never_together_have_reasons_and_no_p(make_groups, by_quality):
    alone = make_groups([[0] * 6, [1] * 6, [0] * 6, [1] * 6])

    found = group_tests(by_quality(4, 6, 2, 2, seed=1), alone, seed=1, n_permutations=FEW)

    for m in found.measures:
        assert m.any_difference.p is None
        assert m.any_difference.reason
        for t in m.groups[1].tests:
            if not t.method.is_papers:
                assert t.effect.p is None
                assert t.effect.reason


def test_a_problem_without_an_answer_takes_no_part(by_quality, groups):
    rankings = by_quality(20, 12, 3, 2, seed=1)
    kept = rankings.problem != 7
    without = {
        f.name: value[kept] if isinstance(value := getattr(rankings, f.name), np.ndarray) else value
        for f in fields(Rankings)
    }

    found = group_tests(Rankings(**without), groups, seed=1, n_permutations=FEW)

    assert found.n_problems == 19
    assert sum(g.size for g in found.measures[0].groups) == 19 * 12
    assert measure(found, Measure.FIRST).groups[0].value < 1


def test_nothing_to_compare_is_an_error_that_says_the_way_out(by_quality, make_groups, groups):
    rankings = by_quality(20, 12, 3, 2, seed=1)
    nobody = Rankings(
        respondent="GPT",
        **{f.name: getattr(rankings, f.name)[:0] for f in fields(Rankings) if f.name != "respondent"},
    )

    with pytest.raises(NotMeasurable, match="GPT: no trial has an answer"):
        group_tests(nobody, groups, seed=1)
    with pytest.raises(NotMeasurable, match="ethnicity: all candidates belong to A"):
        group_tests(rankings, make_groups(np.zeros((20, 12), dtype=int)), seed=1)


def test_adjustment_is_holms_over_all_groups_outcomes_tasks_and_groupings(by_quality, groups, two):
    rankings = by_quality(20, 12, 3, 2, seed=1)
    parts = [
        group_tests(t, g, seed=1, n_permutations=FEW) for t in (rankings, rankings.top) for g in (groups, two)
    ]

    together = adjusted(parts)

    for method in Method:
        tests = [
            t for f in together for m in f.measures for g in m.groups for t in g.tests if t.method is method
        ]
        expected = [None] * len(tests) if method.is_papers else holm([t.effect.p for t in tests])
        assert [t.effect.p_adjusted for t in tests] == expected
    alone = parts[0].measures[0].groups[1].test(DEFAULT).effect
    wide = together[0].measures[0].groups[1].test(DEFAULT).effect
    assert wide.p == alone.p
    assert wide.p_adjusted >= alone.p_adjusted >= alone.p
    assert adjusted(together) == together


def test_the_same_seed_gives_the_same_and_another_one_nearly(by_quality, groups):
    rankings = by_quality(20, 12, 3, 2, seed=1)

    first, again, other = (group_tests(rankings, groups, seed=s, n_permutations=2_000) for s in (1, 1, 2))

    assert first == again
    a, b = (group(f, Measure.EXPOSURE, 1).test(DEFAULT).effect for f in (first, other))
    assert a.p != b.p
    assert a.p == pytest.approx(b.p, abs=0.06)
    assert (a.low, a.high) == pytest.approx((b.low, b.high), abs=0.005)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda v: v.name)
def test_every_variant_of_rnd_is_tested_against_its_own_chance(by_quality, groups, variant):
    found = group_tests(by_quality(20, 12, 3, 2, seed=1), groups, seed=1, n_permutations=FEW, variant=variant)

    row = group(found, Measure.RND, 0)
    assert found.rnd_variant == variant.name
    assert row.test(DEFAULT).effect.value == pytest.approx(row.value - row.chance)
    assert row.test(DEFAULT).against is Against.CHANCE


def test_results_hold_plain_numbers_and_no_nan(by_quality, make_groups, groups):
    sparse = make_groups([[0] * 6, [0] * 5 + [1], [0] * 4 + [1, 2]])
    for found in (
        group_tests(by_quality(20, 12, 3, 2, seed=1), groups, seed=1, n_permutations=FEW),
        group_tests(by_quality(3, 6, 1, 1, seed=1), sparse, seed=1, n_permutations=FEW),
    ):
        numbers = list(leaves(found))
        assert all(type(n) in (int, float, str, bool, type(None)) for n in numbers)
        assert all(math.isfinite(n) for n in numbers if isinstance(n, float))


def leaves(value):
    if is_dataclass(value):
        for f in fields(value):
            yield from leaves(getattr(value, f.name))
    elif isinstance(value, tuple):
        for each in value:
            yield from leaves(each)
    else:
        yield value.value if isinstance(value, Enum) else value


def test_two_groups_beside_candidates_of_neither_are_no_two_sides_and_both_are_tested(
    make_groups, by_quality, two
):
    code = two.code.copy()
    code[:, 0] = -1
    found = group_tests(by_quality(*code.shape, 2, 2), make_groups(code), seed=1, n_permutations=99)

    assert group(found, Measure.RND, 0).test(DEFAULT) is not None
    assert group(found, Measure.FIRST, 0).test(DEFAULT) is not None
    assert not any("other side" in note for note in measure(found, Measure.RND).notes)
