"""Deviance, residuals and calibration against published numbers and plain slow computation."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from itertools import combinations
from math import log

import numpy as np
import pytest

from estimation.dataset import choice_data, counted
from estimation.fitting import fit
from estimation.model_quality import (
    calibration_table,
    parameters_of,
    quality,
    quality_lines,
    quality_record,
    refitted_cells,
)
from estimation.specification import Model, Regularize, Specification
from survey.published_answers import import_published


def rows(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def from_r(shared):
    return json.loads(shared("reference/comparisons_r.json").read_text())


@pytest.fixture(scope="module")
def springall(shared):
    table = rows(shared("data/comparisons/springall_contests.csv"))
    return counted(
        "123456789",
        [int(r["row"]) - 1 for r in table],
        [int(r["col"]) - 1 for r in table],
        [[float(r[c]) for c in ("win", "loss", "tie")] for r in table],
    )


@pytest.fixture(scope="module")
def baseball(shared):
    table = rows(shared("data/comparisons/baseball_agresti2002.csv"))
    teams = sorted({r["home.team"] for r in table})
    return counted(
        teams,
        [teams.index(r["home.team"]) for r in table],
        [teams.index(r["away.team"]) for r in table],
        [[float(r["home.wins"]), float(r["away.wins"]), 0.0] for r in table],
    )


@pytest.fixture
def both_orders():
    """Four profiles, every pair shown both ways round, some indecisions."""
    rng = np.random.default_rng(4)
    pairs = [pair for i, j in combinations(range(4), 2) for pair in ((i, j), (j, i))]
    return counted("abcd", *zip(*pairs, strict=True), rng.integers(3, 12, size=(len(pairs), 3)))


def test_the_deviance_of_springalls_ties_is_the_published_one(springall, from_r):
    found = quality(springall, fit(springall, Model.DAVIDSON)).by_pair

    assert found.deviance == pytest.approx(from_r["springall"]["dev_free"], abs=1e-6)
    assert found.df == from_r["springall"]["df_free"] == 63
    assert found.p_deviance == pytest.approx(0.585, abs=0.001)


def test_the_deviance_of_puddings_is_the_published_one(shared, from_r):
    table = rows(shared("data/comparisons/pudding_davidson1970.csv"))
    data = counted(
        "123456",
        [int(r["i"]) - 1 for r in table],
        [int(r["j"]) - 1 for r in table],
        [[float(r[c]) for c in ("w_ij", "w_ji", "t_ij")] for r in table],
    )
    found = quality(data, fit(data, Model.DAVIDSON)).by_pair

    assert found.deviance == pytest.approx(from_r["pudding_gof"]["dev"], abs=1e-6)
    assert found.df == from_r["pudding_gof"]["df"]


def test_the_order_effect_lowers_the_deviance_of_baseball_as_published(baseball, from_r):
    plain = quality(baseball, fit(baseball, Model.BRADLEY_TERRY))
    home = quality(baseball, fit(baseball, Specification(model=Model.BRADLEY_TERRY, order_effect=True)))

    assert [plain.as_shown.deviance, home.as_shown.deviance] == pytest.approx(
        from_r["baseball_dev"], abs=1e-6
    )
    assert (plain.as_shown.df, home.as_shown.df) == (36, 35)
    # Games at home and away are one pair only to a model that does not tell them apart.
    assert home.by_pair is None
    assert plain.by_pair is not None
    assert (plain.by_pair.n_tables, plain.by_pair.df) == (21, 15)


def test_the_deviance_of_citations_is_the_published_one(shared, from_r):
    table = rows(shared("data/comparisons/citations_stigler1994.csv"))
    names = sorted({r["cited"] for r in table})
    times = {(r["cited"], r["citing"]): float(r["Freq"]) for r in table}
    pairs = list(combinations(range(4), 2))
    counts = [[times[names[i], names[j]], times[names[j], names[i]], 0.0] for i, j in pairs]
    data = counted(names, *zip(*pairs, strict=True), counts)

    found = quality(data, fit(data, Model.BRADLEY_TERRY)).by_pair
    assert found.deviance == pytest.approx(from_r["citations_dev"], abs=1e-6)
    assert found.df == 3
    assert found.warning == ""


def test_deviance_and_pearson_agree_with_sums_written_out(both_orders):
    made = fit(both_orders, Model.DAVIDSON)
    strength = [e.value for e in made.weights.log_strengths]
    merged: dict[tuple[int, int], list[float]] = {}
    shown = []
    for left, right, (first, second, neither) in zip(
        both_orders.left, both_orders.right, both_orders.counts, strict=True
    ):
        shown.append((left, right, [first, second, neither]))
        key = (min(left, right), max(left, right))
        mine = [first, second, neither] if left < right else [second, first, neither]
        merged[key] = [a + b for a, b in zip(merged.get(key, [0, 0, 0]), mine, strict=True)]

    def sums(tables):
        deviance = pearson = 0.0
        for one, other, seen in tables:
            half = (strength[one] - strength[other]) / 2
            odds = [np.exp(half), np.exp(-half), np.exp(made.indecision.value)]
            for n, o in zip(seen, odds, strict=True):
                expected = sum(seen) * o / sum(odds)
                deviance += 2 * n * log(n / expected)
                pearson += (n - expected) ** 2 / expected
        return deviance, pearson

    found = quality(both_orders, made)
    assert (found.as_shown.deviance, found.as_shown.pearson) == pytest.approx(sums(shown))
    pairs = sums([(i, j, n) for (i, j), n in merged.items()])
    assert (found.by_pair.deviance, found.by_pair.pearson) == pytest.approx(pairs)
    assert (found.as_shown.df, found.by_pair.df) == (12 * 2 - 4, 6 * 2 - 4)


def test_swapping_sides_changes_nothing_about_pairs(both_orders):
    turned = replace(
        both_orders,
        left=both_orders.right,
        right=both_orders.left,
        counts=both_orders.counts[:, [1, 0, 2]],
    )
    one, other = (quality(d, fit(d, Model.DAVIDSON)) for d in (both_orders, turned))

    assert other.by_pair.deviance == pytest.approx(one.by_pair.deviance)
    assert [(r.first, r.second, r.choice) for r in other.residuals] == [
        (r.first, r.second, r.choice) for r in one.residuals
    ]


def test_with_one_degree_of_freedom_every_adjusted_residual_is_the_same_departure():
    # Three profiles, three pairs, two strengths: what is left has one dimension, and its square is Pearson's sum.
    data = counted("abc", [0, 1, 0], [1, 2, 2], [[30, 20, 0], [25, 25, 0], [12, 38, 0]])
    found = quality(data, fit(data, Model.BRADLEY_TERRY))

    assert len(found.residuals) == 3
    for residual in found.residuals:
        assert residual.adjusted**2 == pytest.approx(found.by_pair.pearson, rel=1e-6)
        assert abs(residual.adjusted) > abs(residual.pearson)


def test_adjusted_residuals_vary_by_one_under_the_model():
    rng = np.random.default_rng(7)
    pairs = list(combinations(range(4), 2))
    strength = np.array([0.8, 0.2, -0.3, -0.7])
    n = 60
    found = []
    for _ in range(120):
        counts = []
        for i, j in pairs:
            half = (strength[i] - strength[j]) / 2
            p = np.exp([half, -half, -0.5])
            counts.append(rng.multinomial(n, p / p.sum()))
        data = counted("abcd", *zip(*pairs, strict=True), counts)
        made = quality(data, fit(data, Model.DAVIDSON), most_residuals=100)
        found += [(r.adjusted, r.pearson) for r in made.residuals]
    adjusted, pearson = np.std(found, axis=0)
    assert adjusted == pytest.approx(1.0, abs=0.05)
    assert pearson < 0.9


def test_the_largest_residual_names_the_pair_that_was_planted():
    counts = [[20, 20, 0], [20, 20, 0], [20, 20, 0], [20, 20, 0], [20, 20, 0], [38, 2, 0]]
    pairs = list(combinations(range(4), 2))
    data = counted(["ann", "bob", "cy", "di"], *zip(*pairs, strict=True), counts)
    largest = quality(data, fit(data, Model.BRADLEY_TERRY)).residuals[0]

    assert (largest.first, largest.second, largest.choice) == ("cy", "di", "cy")
    assert (largest.n, largest.observed) == (40, 38)
    assert largest.adjusted > 3


def test_calibration_counts_every_alternative_on_offer():
    p = np.array([[0.25, 0.15, 0.6], [0.95, 0.05, 0.0]])
    counts = np.array([[2.0, 1.0, 1.0], [8.0, 2.0, 0.0]])
    table = calibration_table(p, counts)

    assert [(b.low, b.n, b.predicted, b.observed) for b in table] == [
        (0.0, 10.0, pytest.approx(0.05), pytest.approx(0.2)),
        (0.1, 4.0, pytest.approx(0.15), pytest.approx(0.25)),
        (0.2, 4.0, pytest.approx(0.25), pytest.approx(0.5)),
        (0.6, 4.0, pytest.approx(0.6), pytest.approx(0.25)),
        (0.9, 10.0, pytest.approx(0.95), pytest.approx(0.8)),
    ]


def test_a_sparse_design_gets_a_warning_and_no_p_value(shared):
    data = choice_data(import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")))
    found = quality(data, fit(data, Model.MIN_DELTA))

    assert found.by_pair.p_deviance is None
    assert found.by_pair.p_pearson is None
    assert "no chi-squared distribution" in found.by_pair.warning
    assert found.residuals == ()
    # Davidson's model reproduces the number of indecisions, so predictions agree with choices on average.
    gap = sum(b.n * (b.predicted - b.observed) for b in found.calibration)
    assert gap == pytest.approx(0, abs=1e-6)
    assert sum(b.n for b in found.calibration) == 3 * 5297


def test_a_regularized_fit_says_so_and_has_no_adjusted_residuals():
    data = counted("abc", [0, 1, 0], [1, 2, 2], [[10, 0, 0], [8, 2, 0], [9, 0, 0]])
    made = fit(data, Model.BRADLEY_TERRY)
    found = quality(data, made)

    assert any("regularized" in note for note in found.notes)
    assert all(r.adjusted is None for r in found.residuals)
    again = refitted_cells(data, made)
    assert again.report @ parameters_of(again, made) == pytest.approx(made.values)


def test_half_wins_are_said_to_be_no_answers(both_orders):
    made = fit(
        both_orders, Specification(model=Model.BRADLEY_TERRY, half_wins=True, regularize=Regularize.NEVER)
    )
    assert any("half wins are no answers" in note for note in quality(both_orders, made).notes)


def test_a_saturated_model_leaves_nothing_to_test():
    data = counted("ab", [0], [1], [[7, 3, 0]])
    found = quality(data, fit(data, Model.BRADLEY_TERRY)).by_pair

    assert found.df == 0
    assert found.deviance == pytest.approx(0, abs=1e-9)
    assert found.p_deviance is None
    assert "nothing to test" in found.warning


def test_lines_and_record_carry_the_numbers(springall):
    found = quality(springall, fit(springall, Model.DAVIDSON))
    text = "\n".join(quality_lines(found))

    assert "deviance by pair 59.96 on 63 df" in text
    assert "the p values are rough" in text
    assert json.loads(json.dumps(quality_record(found)))["by_pair"]["df"] == 63
