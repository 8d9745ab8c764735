"""Answers of people whose preferences are known, because we made them up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike

from estimation.dataset import INDECISION, LEFT, RIGHT, ChoiceData, Clustering, tally
from survey.design import NumericAttribute, Profile


@pytest.fixture(scope="session")
def planted_answers() -> Callable[..., ChoiceData]:
    """Return a function: each person's coefficients (n_people, n_attributes) and pull -> their answers.

    Attributes are ``a``, ``b``, … with values 0, 1, 2; choices follow Davidson's model. People are ``p0``, ``p1`` …
    """

    def build(
        coefficients: ArrayLike, pull: ArrayLike | None, *, n_answers: int, seed: int, n_levels: int = 3
    ) -> ChoiceData:
        rng = np.random.default_rng(seed)
        own = np.asarray(coefficients, dtype=float)
        n_people, n_attributes = own.shape
        names = "abcdefghijklmnop"[:n_attributes]
        attributes = tuple(NumericAttribute(name=n, label=n, minimum=0, maximum=n_levels - 1) for n in names)
        if n_levels**n_attributes <= 81:
            values = np.array(list(np.ndindex(*(n_levels,) * n_attributes)))
        else:
            values = np.unique(rng.integers(n_levels, size=(81, n_attributes)), axis=0)
        profiles = tuple(Profile(tuple(zip(names, map(float, row), strict=True))) for row in values)
        left = rng.integers(len(profiles), size=(n_people, n_answers))
        right = (left + rng.integers(1, len(profiles), size=left.shape)) % len(profiles)
        d = np.einsum("pak,pk->pa", values[left] - values[right], own)
        pulls = np.zeros(n_people) if pull is None else np.broadcast_to(np.asarray(pull, float), n_people)
        scores = np.stack([d / 2, -d / 2, np.broadcast_to(pulls[:, None], d.shape)], axis=-1)
        if pull is None:
            scores[..., 2] = -np.inf
        noisy = scores + rng.gumbel(size=scores.shape)
        choice = np.array([LEFT, RIGHT, INDECISION])[noisy.argmax(axis=-1)]
        return tally(
            attributes=attributes,
            profiles=profiles,
            left=left.ravel(),
            right=right.ravel(),
            choice=choice.ravel(),
            offered=pull is not None,
            cluster=np.repeat(np.arange(n_people), n_answers),
            clustering=Clustering.RESPONDENT,
            cluster_names=tuple(f"p{i}" for i in range(n_people)),
        )

    return build
