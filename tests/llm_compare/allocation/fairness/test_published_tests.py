"""The paper's tests beside scipy's own, and its table 2 beside arithmetic and chance."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from llm_compare.allocation.fairness.exposure import candidate_exposure, position_bias
from llm_compare.allocation.fairness.mixed_model import fit_mixed
from llm_compare.allocation.fairness.published_tests import exposure_tests, rnd_mixed_model
from llm_compare.allocation.fairness.rnd import expected_rnd, group_rnd

SLOTS, POOL = 300, 15


def test_two_groups_are_compared_by_welch(by_quality, random_groups):
    groups = random_groups(8, 10, shares=(0.7, 0.3))
    exposure = candidate_exposure(by_quality(8, 10, seed=1), 8)
    second, first = exposure[groups.code == 1], exposure[groups.code == 0]

    reference, found = exposure_tests(exposure, groups, np.random.default_rng(1))

    welch = stats.ttest_ind(second, first, equal_var=False)
    assert reference.effect.value is None
    assert found.effect.value == pytest.approx(second.mean() - first.mean())
    assert found.effect.p == pytest.approx(welch.pvalue)
    assert (found.effect.low, found.effect.high) == pytest.approx(tuple(welch.confidence_interval()))
    assert found.effect.value / found.se == pytest.approx(welch.statistic)


def test_more_groups_are_compared_by_dunnett(by_quality, random_groups):
    groups = random_groups(8, 10)
    exposure = candidate_exposure(by_quality(8, 10, seed=1), 8)
    values = [exposure[groups.code == g] for g in range(4)]

    found = exposure_tests(exposure, groups, np.random.default_rng(1))

    dunnett = stats.dunnett(*values[1:], control=values[0], rng=np.random.default_rng(1))
    interval = dunnett.confidence_interval()
    assert [t.effect.p for t in found[1:]] == pytest.approx(list(dunnett.pvalue), abs=1e-3)
    assert [t.effect.low for t in found[1:]] == pytest.approx(list(interval.low), abs=1e-3)
    assert [t.effect.value / t.se for t in found[1:]] == pytest.approx(list(dunnett.statistic))
    assert [t.effect.value for t in found[1:]] == pytest.approx(
        [v.mean() - values[0].mean() for v in values[1:]]
    )


@pytest.mark.parametrize("names", [2, 3])
def test_a_group_that_always_has_the_same_rank_is_tested_without_a_warning(make_groups, names):
    code = np.zeros((6, 5), dtype=int)
    code[:, 1] = 1
    code[3:, 2] = names - 1
    exposure = np.tile(position_bias(5)[[2, 0, 1, 3, 4]], (6, 1))
    exposure[code == 1] = 1.0

    found = exposure_tests(exposure, make_groups(code), np.random.default_rng(1))

    assert found[1].effect.value > 0.4
    assert found[1].effect.p < 1e-6


def test_the_same_seed_gives_the_same_p(by_quality, random_groups):
    groups, exposure = random_groups(8, 10), candidate_exposure(by_quality(8, 10, seed=1), 8)

    assert exposure_tests(exposure, groups, np.random.default_rng(5)) == exposure_tests(
        exposure, groups, np.random.default_rng(5)
    )


def test_exposures_that_do_not_vary_have_no_p(random_groups):
    for shares in ((0.7, 0.3), (0.5, 0.3, 0.2)):
        found = exposure_tests(
            np.full((8, 10), 0.4), random_groups(8, 10, shares=shares), np.random.default_rng(1)
        )
        assert found[1].effect.p is None
        assert "do not vary" in found[1].effect.reason


def test_a_group_without_candidates_is_said(random_groups, by_quality, make_groups):
    code = np.array(random_groups(8, 10).code)
    groups = make_groups(np.where(code == 1, 2, code))
    exposure = candidate_exposure(by_quality(8, 10, seed=1), 8)

    found = exposure_tests(exposure, groups, np.random.default_rng(1))

    assert "no candidates" in found[1].effect.reason
    assert found[2].effect.p is not None


def test_the_papers_model_is_of_every_trial_and_group(by_quality, random_groups):
    groups, rankings = random_groups(6, 10), by_quality(6, 10, seed=1)
    values = group_rnd(rankings, groups)

    fit = rnd_mixed_model(values, rankings.problem)

    rows = [(values[t, g], rankings.problem[t], g) for t in range(len(values)) for g in range(4)]
    same = fit_mixed(*(np.array(column) for column in zip(*rows, strict=True)), 4, with_problem_group=False)
    assert fit == same
    assert fit.n_rows + fit.n_left_out == values.size


# --- the paper's table 2 --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(shared):
    return json.loads(shared("reference/organ_allocation_table2_fairness.json").read_text("utf-8"))["rows"]


def cells(table, attribute, model):
    return [(r["size"], r["models"][model]) for r in table if r["attribute"] == attribute]


@pytest.mark.parametrize("attribute", ["gender", "ethnicity"])
@pytest.mark.parametrize("model", range(3))
def test_the_papers_exposures_average_to_that_of_15_ranks(table, attribute, model):
    rows = cells(table, attribute, model)
    base = rows[0][1]["exposure"]
    total = sum(size * (base + (cell["exposure"] if i else 0)) for i, (size, cell) in enumerate(rows))

    # Rounded to .001, twice for all but the reference; of ethnicity two slots of 300 are missing.
    assert total / sum(size for size, _ in rows) == pytest.approx(position_bias(POOL).mean(), abs=0.0015)
    assert position_bias(POOL).mean() == pytest.approx(0.390757, abs=5e-7)


def by_chance(size):
    """Return the mean rND of random rankings of pools to which ``size`` of 300 slots are dealt at random."""
    m = np.arange(1, POOL)
    weight = stats.hypergeom(SLOTS, size, POOL).pmf(m)
    return float((weight * [expected_rnd(int(k), POOL) for k in m]).sum() / weight.sum())


def test_chance_alone_gives_the_papers_asian_effect(table):
    # Expected: White .312, Black .300, Hispanic .325, Asian .420.
    expected = [by_chance(size) for size, _ in cells(table, "ethnicity", 0)]
    assert expected == pytest.approx([0.312, 0.300, 0.325, 0.420], abs=5e-4)

    for model in range(3):
        rows = [cell for _, cell in cells(table, "ethnicity", model)]
        # What the reference's intercept is by chance, too: .317 to .322 are printed, within one standard error.
        assert abs(rows[0]["rND"] - expected[0]) < rows[0]["rND_se"]
        asian, black = rows[3], rows[1]
        # All three have p < .001 in print. Chance gives +.108, more than any of them: none is left above chance.
        assert asian["rND_p"] == "lost"
        assert 0 < asian["rND"] < expected[3] - expected[0]
        assert abs(asian["rND"] - (expected[3] - expected[0])) < 1.96 * asian["rND_se"]
        # All three have p < .05 in print, and none beside chance, even with standard errors that are too small.
        assert float(black["rND_p"]) < 0.05
        assert abs(black["rND"] - (expected[1] - expected[0])) < 1.96 * black["rND_se"]


def test_two_groups_cannot_differ_by_ordering_so_the_papers_gender_gap_is_not_of_ordering(
    table, by_quality, random_groups
):
    for _, female in cells(table, "gender", 0)[1:]:
        assert female["rND"] == pytest.approx(0.09)
    assert by_chance(204) == pytest.approx(by_chance(96))

    values = group_rnd(by_quality(20, 15, seed=1), random_groups(20, 15, shares=(0.68, 0.32)))

    assert values[:, 0] == pytest.approx(values[:, 1], nan_ok=True)
