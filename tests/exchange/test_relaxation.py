from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

from exchange.clearing.relaxation import Relaxation, RelaxedSolution, plunge
from exchange.pool import FloatArray, IntArray

Drawn = tuple[FloatArray, FloatArray]


@st.composite
def packings(draw: st.DrawFn) -> Drawn:
    """Values, and which rows (members) each column takes one of."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows, n_columns = draw(st.integers(1, 8)), draw(st.integers(1, 12))
    matrix = (rng.random((n_rows, n_columns)) < 0.4).astype(np.float64)
    matrix[rng.integers(n_rows, size=n_columns), np.arange(n_columns)] = 1.0
    return rng.random(n_columns), matrix


def _loaded(values: FloatArray, matrix: FloatArray) -> Relaxation:
    relaxation = Relaxation(np.ones(len(matrix)))
    relaxation.add(values, sparse.csc_array(matrix))
    return relaxation


def _solved(relaxation: Relaxation) -> RelaxedSolution:
    solution = relaxation.solve()
    assert solution is not None
    return solution


@settings(max_examples=60)
@given(drawn=packings(), at_once=st.booleans())
def test_it_finds_the_optimum_and_prices_that_prove_it(drawn: Drawn, at_once: bool) -> None:
    values, matrix = drawn
    relaxation = Relaxation(np.ones(len(matrix)))
    # All columns at once, or one after the other with a solve in between: the same in the end.
    for part in [slice(None)] if at_once else [slice(i, i + 1) for i in range(len(values))]:
        relaxation.add(values[part], sparse.csc_array(matrix[:, part]))
        solution = _solved(relaxation)
    other = linprog(-values, A_ub=matrix, b_ub=np.ones(len(matrix)), method="highs-ipm")
    assert other.fun is not None
    assert solution.value == pytest.approx(-other.fun, abs=1e-7)
    assert np.all(matrix @ solution.levels <= 1 + 1e-7)
    # Strong duality: with the wrong sign the prices would all have been cut to 0.
    assert np.all(solution.duals >= 0)
    assert solution.duals.sum() == pytest.approx(solution.value, abs=1e-7)
    assert np.all(values <= matrix.T @ solution.duals + 1e-7)


def test_a_rule_and_another_objective_take_effect_and_the_last_solution_is_no_hindrance() -> None:
    matrix = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    relaxation = _loaded(np.array([2.0, 3.0, 2.0]), matrix)
    assert _solved(relaxation).value == pytest.approx(4.0)
    relaxation.add_row(np.array([1.0, 0.0, 1.0]), 1.0)
    limited = _solved(relaxation)
    assert limited.value == pytest.approx(3.5)
    assert len(limited.duals) == 3
    relaxation.set_values(np.array([1.0, 0.0, 5.0]))
    assert _solved(relaxation).value == pytest.approx(5.0)


def _plunged(relaxation: Relaxation, solution: RelaxedSolution, target: float) -> IntArray | None:
    return plunge(
        relaxation,
        solution,
        target=target,
        most_solves=10_000,
        most_iterations=10**9,
        grow=lambda _solution, _held: False,
        is_over=lambda: False,
    )


def _best(values: FloatArray, matrix: FloatArray) -> float:
    """Return what the best choice is worth, of all that there are."""
    choices = (np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1
    return float((choices[np.all(choices @ matrix.T <= 1, axis=1)] @ values).max())


@settings(max_examples=40)
@given(drawn=packings())
def test_a_plunge_finds_a_true_choice_or_none_and_leaves_the_relaxation_as_it_was(drawn: Drawn) -> None:
    values, matrix = drawn
    relaxation = _loaded(values, matrix)
    solution = _solved(relaxation)
    best = _best(values, matrix)
    assert _plunged(relaxation, solution, best + 1e-6) is None
    # Nothing is proved by not finding one: what stands at 1 is not tried at 0 while a fraction is brought to 1.
    found = _plunged(relaxation, solution, best - 1e-9)
    if found is not None:
        assert values[found].sum() == pytest.approx(best)
        assert np.all(matrix[:, found].sum(axis=1) <= 1)
    assert _solved(relaxation).value == pytest.approx(solution.value)


def test_a_plunge_finds_nearly_every_best_choice_also_where_the_relaxation_is_worth_more() -> None:
    rng = np.random.default_rng(5)
    is_found = []
    while len(is_found) < 100:
        values, matrix = rng.random(12), (rng.random((8, 12)) < 0.4).astype(np.float64)
        matrix[rng.integers(8, size=12), np.arange(12)] = 1.0
        relaxation = _loaded(values, matrix)
        solution, best = _solved(relaxation), _best(values, matrix)
        if solution.value > best + 1e-6:
            is_found.append(_plunged(relaxation, solution, best - 1e-9) is not None)
    assert np.mean(is_found) >= 0.95


@pytest.mark.parametrize("stop", [{"most_solves": 1}, {"most_iterations": -1}, {"is_over": lambda: True}])
def test_a_plunge_gives_up_when_told_to(stop: dict[str, int | Callable[[], bool]]) -> None:
    # Three columns, each two of which share a member: half of each is best, and a choice of one is all there is.
    relaxation = _loaded(np.ones(3), np.array([[1.0, 1, 0], [0, 1, 1], [1, 0, 1]]))
    solution = _solved(relaxation)
    assert solution.value == pytest.approx(1.5)
    assert not solution.is_integral
    asked = {"most_solves": 100, "most_iterations": 10**9, "is_over": lambda: False, **stop}
    found = plunge(relaxation, solution, target=1.0, grow=lambda _solution, _held: False, **asked)  # type: ignore[arg-type]
    assert found is None
