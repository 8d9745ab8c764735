"""Trials without anybody to answer them: problems by row orders by repeats, as the paper's 20 x 3 x 5."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from llm_compare.allocation.fairness.outcomes import Groups, Rankings

PAPERS_SHARES = (0.41, 0.30, 0.20, 0.09)


@pytest.fixture(scope="session")
def make_rankings() -> Callable[..., Rankings]:
    """Return a function that ranks by ``score(problem, row, rng)``, shape (T, N), highest first; or at random."""

    def make(
        n_problems: int = 20,
        n: int = 15,
        shuffles: int = 3,
        repeats: int = 5,
        *,
        seed: int = 0,
        score: Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray] | None = None,
    ) -> Rankings:
        rng = np.random.default_rng(seed)
        problem = np.repeat(np.arange(n_problems), shuffles * repeats)
        orders = rng.permuted(np.tile(np.arange(n), (n_problems * shuffles, 1)), axis=1)
        row = np.repeat(orders, repeats, axis=0)
        scores = rng.random(row.shape) if score is None else score(problem, row, rng)
        return Rankings(
            respondent="somebody",
            problem=problem,
            order=np.argsort(-scores, axis=1, kind="stable"),
            shuffle=np.tile(np.repeat(np.arange(shuffles), repeats), n_problems),
            repeat=np.tile(np.arange(repeats), n_problems * shuffles),
            row=row,
        )

    return make


@pytest.fixture(scope="session")
def by_quality(make_rankings) -> Callable[..., Rankings]:
    """Return a function that draws rankings of candidates who keep their quality over trials, with noise."""

    def make(*shape: int, seed: int = 0, spread: float = 1.5) -> Rankings:
        def score(problem: np.ndarray, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
            quality = rng.normal(0, spread, (problem.max() + 1, row.shape[1]))
            return quality[problem] + rng.gumbel(size=row.shape)

        return make_rankings(*shape, seed=seed, score=score)

    return make


@pytest.fixture(scope="session")
def make_groups() -> Callable[..., Groups]:
    """Return a function that makes groups of codes, shape (P, N), -1 for nobody knows."""

    def make(code, grouping: str = "ethnicity") -> Groups:
        codes = np.asarray(code, dtype=np.intp)
        names = tuple("ABCDEFG"[: max(codes.max() + 1, 1)])
        return Groups(grouping=grouping, names=names, code=codes)

    return make


@pytest.fixture(scope="session")
def random_groups(make_groups) -> Callable[..., Groups]:
    """Return a function that draws groups of the paper's shares."""

    def make(n_problems: int = 20, n: int = 15, seed: int = 0, shares=PAPERS_SHARES) -> Groups:
        rng = np.random.default_rng(seed)
        return make_groups(rng.choice(len(shares), size=(n_problems, n), p=shares))

    return make
