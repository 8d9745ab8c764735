from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from estimation.choice_model import (
    ModelCells,
    _likelihood,
    compact,
    log_likelihood_at,
    maximize,
    maximize_tables,
)
from estimation.existence import check_estimable
from estimation.indecision.davidson import Davidson
from estimation.indecision.rao_kupper import RaoKupper
from estimation.indecision.rule import CellTerms
from estimation.uncertainty import bootstrap_draws, sandwich


def drawn_cells(*, n: int, clusters: int, beta: list[float], prior: float = 0, seed: int = 0, rule=None):
    """Cells of answers drawn from Davidson's model, one per cell, half of them without indecision on offer."""
    rng = np.random.default_rng(seed)
    difference = rng.integers(-2, 3, size=(n, len(beta))).astype(float)
    offered = np.arange(n) % 2 == 0
    scores = np.column_stack(
        [difference @ beta / 2, -difference @ beta / 2, np.where(offered, -0.3, -np.inf)]
    )
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    counts = np.array([rng.multinomial(1, p) for p in chances], dtype=float)
    cluster = rng.integers(clusters, size=n)
    choice = counts.argmax(axis=1)
    table = sparse.coo_array((np.ones(n), (cluster, 3 * np.arange(n) + choice)), shape=(clusters, 3 * n))
    repeats = np.arange(n) if prior else np.arange(0)
    everything = np.concatenate([np.arange(n), repeats])
    share = np.where(offered[:, None], [1 / 3] * 3, [1 / 2, 1 / 2, 0]) * prior / n
    rule = rule or Davidson()
    terms = CellTerms(
        left=difference[everything],
        right=np.zeros((len(everything), len(beta))),
        attribute=np.arange(len(beta)),
        first=np.empty((len(everything), 0)),
        pull=offered[everything, None].astype(float),
    )
    size = len(beta) + 1
    return ModelCells(
        rule=rule,
        design=compact(rule.predictors(terms)),
        counts=np.vstack([counts, share[repeats]]),
        offered=offered[everything],
        names=(*(f"t{i}" for i in range(len(beta))), "indecision"),
        lower=np.full(size, -np.inf),
        upper=np.full(size, np.inf),
        by_cluster=sparse.csr_array(table),
        n_observed=n,
    )


@pytest.mark.parametrize("rule", [Davidson(), RaoKupper()], ids=["davidson", "rao-kupper"])
@pytest.mark.parametrize("prior", [0, 7])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_score_and_information_are_the_derivatives_of_the_likelihood(rule, prior, as_sparse):
    from dataclasses import replace

    cells = drawn_cells(n=80, clusters=9, beta=[1.0, -0.5], prior=prior, rule=rule)
    if as_sparse:
        cells = replace(cells, design=sparse.csr_array(cells.design))
    at, step, unit = np.array([0.4, -0.9, 0.2]), 1e-5, np.ones(3)

    def derivatives(values):
        return _likelihood(cells, cells.counts[None], values[None], scale=unit, derivatives=True)

    _, score, information = derivatives(at)
    for i, direction in enumerate(step * np.eye(3)):
        up, down = (derivatives(at + s * direction) for s in (1, -1))
        assert score[0, i] == pytest.approx((up[0][0] - down[0][0]) / (2 * step), abs=1e-6)
        assert information[0, i] == pytest.approx(-(up[1][0] - down[1][0]) / (2 * step), abs=1e-6)


def test_prior_answers_pull_the_estimate_and_do_not_widen_its_interval():
    # The bootstrap varies the clusters and keeps the prior answers; the sandwich must do the same. With the prior's
    # pull counted as variation it was a third wider here.
    cells = drawn_cells(n=300, clusters=12, beta=[4.0, 0.0], prior=60, seed=2)
    maximum = maximize(cells)
    draws = bootstrap_draws(cells, maximum, n_draws=600, seed=1)

    errors = np.sqrt(np.diag(sandwich(cells, maximum)))
    # A Bayesian bootstrap of G clusters has variance (G - 1) / (G + 1) of the sandwich with G / (G - 1), nearly.
    assert errors == pytest.approx(draws.std(axis=0) * (13 / 11) ** 0.5, rel=0.15)


def test_many_tables_at_once_end_where_each_ends_alone():
    cells = drawn_cells(n=200, clusters=20, beta=[1.0, -0.5])
    rng = np.random.default_rng(3)
    tables = cells.counts * rng.exponential(size=(7, len(cells.counts), 1))
    together = maximize_tables(cells, tables, np.zeros(3))

    from dataclasses import replace

    for table, values in zip(tables, together, strict=True):
        assert maximize(replace(cells, counts=table)).values == pytest.approx(values, abs=1e-8)


def test_a_bound_holds_a_parameter_and_the_others_are_best_given_it():
    from dataclasses import replace

    cells = drawn_cells(n=300, clusters=20, beta=[1.0, -0.5])
    bounded = replace(cells, lower=np.array([-np.inf, 0.0, -np.inf]))
    held = maximize(bounded)

    assert held.values[1] == 0
    assert held.at_bound.tolist() == [False, True, False]
    without = replace(
        cells,
        design=np.delete(np.asarray(cells.design), 1, axis=1),
        names=("t0", "indecision"),
        lower=cells.lower[:2],
        upper=cells.upper[:2],
    )
    assert held.values[[0, 2]] == pytest.approx(maximize(without).values, abs=1e-8)


def test_many_different_comparisons_need_no_memory_in_their_square():
    import tracemalloc

    cells = drawn_cells(n=6000, clusters=50, beta=[0.5, 0.2])
    tracemalloc.start()
    check_estimable(cells)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 20e6  # A square of 6000 doubles is 288 MB.


def test_the_likelihood_of_held_out_answers_is_that_of_a_plain_loop():
    cells = drawn_cells(n=60, clusters=6, beta=[1.0, -0.5])
    values = np.array([0.7, -0.2, 0.1])
    held_out = np.random.default_rng(1).integers(0, 3, size=(60, 3)).astype(float)
    held_out[~cells.offered, 2] = 0
    total = 0.0
    for row, offered, counts in zip(
        np.asarray(cells.design).reshape(60, 2, 3), cells.offered, held_out, strict=True
    ):
        d = row[0] @ values
        scores = [d / 2, -d / 2] + ([values[2]] if offered else [])
        total += sum(n * (s - np.log(np.exp(scores).sum())) for n, s in zip(counts, scores, strict=False))

    assert log_likelihood_at(cells, values, held_out) == pytest.approx(total)
