from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from math import nan, sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from exchange.errors import BadRequest
from exchange.outcomes.outcome import Measure, Outcome
from exchange.outcomes.published import PublishedValue, published_test


def ours(group: str, value: float, sd: float, n_runs: int, **changes) -> Outcome:
    outcome = Outcome(
        scenario="s",
        condition="c",
        grouping="profile",
        group=group,
        measure=Measure.MATCHED_SHARE,
        value=value,
        low=nan,
        high=nan,
        n_runs=n_runs,
        sd=sd,
    )
    return replace(outcome, **changes)


def theirs(group: str, mean: float, sd: float, n_runs: int) -> PublishedValue:
    return PublishedValue(
        condition="c",
        measure=Measure.MATCHED_SHARE,
        grouping="profile",
        group=group,
        mean=mean,
        sd=sd,
        n_runs=n_runs,
    )


@pytest.mark.parametrize(
    ("rule", "published", "expected"),
    [("equal", "EQUAL", 4.4), ("weight", "HOMOGENEOUS", 6.1), ("lexi", "HOMOGENEOUS", 45.0)],
)
def test_the_chi_squares_of_the_re_simulation_come_out_again(
    shared: Callable[[str], Path], rule: str, published: str, expected: float
) -> None:
    # Ours are the shares of 20 runs of an independent re-simulation, theirs those of the authors' 50 runs. Plain
    # greatest weight agrees with the published run with weights; priority after cardinality does not.
    check = json.loads(shared("reference/weight_rule_check.json").read_text(encoding="utf-8"))["ours"][rule]
    results = json.loads(shared("reference/freedman2020_heterogeneous.json").read_text(encoding="utf-8"))
    authors = results["results"][published]
    found = published_test(
        [
            ours(str(i), mean, se * sqrt(check["runs"]), check["runs"])
            for i, (mean, se) in enumerate(zip(check["prop_mean"], check["prop_se"], strict=True))
        ],
        [
            theirs(str(i), mean, sd, authors["runs"])
            for i, (mean, sd) in enumerate(
                zip(
                    authors["proportion_matched_mean_by_profile"],
                    authors["proportion_matched_sd_by_profile"],
                    strict=True,
                )
            )
        ],
    )
    assert round(found.chi_square, 1) == expected
    assert found.df == 8
    assert found.p == pytest.approx(stats.chi2.sf(found.chi_square, 8))
    assert (found.p < 0.001) == (rule == "lexi")


def test_each_number_has_welchs_test() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 1, 12), rng.normal(0.5, 3, 30)
    (found,) = published_test(
        [ours("g", a.mean(), a.std(ddof=1), 12)], [theirs("g", b.mean(), b.std(ddof=1), 30)]
    ).agreements
    welch = stats.ttest_ind(a, b, equal_var=False)
    assert (found.z, found.df, found.p) == pytest.approx((welch.statistic, welch.df, welch.pvalue))


def test_a_single_number_has_one_p_and_several_that_of_chi_square() -> None:
    mine, other = ours("g", 0.55, 0.05, 5), theirs("g", 0.5, 0.05, 50)
    alone = published_test([mine], [other])
    assert alone.p == alone.agreements[0].p > stats.chi2.sf(alone.chi_square, 1)
    two = published_test(
        [mine, replace(mine, group="h")],
        [other, replace(other, group="h")],
    )
    assert two.chi_square == pytest.approx(2 * alone.chi_square)
    assert two.p == pytest.approx(stats.chi2.sf(two.chi_square, 2))


def test_where_both_agree_the_test_cries_wolf_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    rejected = 0
    for _ in range(600):
        a, b = rng.normal(0, 1, (30, 8)), rng.normal(0, 1.5, (50, 8))
        found = published_test(
            [ours(str(i), a[:, i].mean(), a[:, i].std(ddof=1), 30) for i in range(8)],
            [theirs(str(i), b[:, i].mean(), b[:, i].std(ddof=1), 50) for i in range(8)],
        )
        rejected += found.p < 0.05
    # Somewhat too often, as the standard errors are estimates.
    assert 0.03 <= rejected / 600 <= 0.10


def test_differences_from_a_baseline_are_passed_over() -> None:
    outcomes = [ours("g", 0.5, 0.1, 10), ours("g", 0.1, 0.1, 10, baseline="b")]
    assert published_test(outcomes, [theirs("g", 0.5, 0.1, 10)]).chi_square == 0


def test_what_cannot_be_compared_is_refused() -> None:
    mine, other = ours("g", 0.5, 0.1, 10), theirs("g", 0.5, 0.1, 10)
    with pytest.raises(BadRequest, match="no published values"):
        published_test([mine], [])
    with pytest.raises(BadRequest, match="matched_share of profile 'h': there are 0 outcomes"):
        published_test([mine], [replace(other, group="h")])
    with pytest.raises(BadRequest, match=r"there are 2 outcomes.*one scenario"):
        published_test([mine, replace(mine, scenario="t")], [other])
    with pytest.raises(BadRequest, match=r"simulated mean of 1 run\(s\)"):
        published_test([replace(mine, n_runs=1, sd=nan)], [other])
    with pytest.raises(BadRequest, match=r"published mean of 10 run\(s\) has no standard deviation above 0"):
        published_test([mine], [replace(other, sd=0.0)])
