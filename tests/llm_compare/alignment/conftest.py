"""Fixtures for measures of alignment: people and a model whose answers are planted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from llm_compare.alignment.choices import Choices, Pairing
from survey.design import Comparison, Profile


def _side(label, comparison, respondent, choice, comparisons, offered) -> Choices:
    comparison, respondent = np.asarray(comparison, dtype=np.intp), np.asarray(respondent, dtype=np.intp)
    choice = np.asarray(choice)
    return Choices(
        label=label,
        comparisons=comparisons,
        comparison=comparison,
        respondent=respondent,
        respondents=tuple(f"{label} {i}" for i in range(int(respondent.max(initial=-1)) + 1)),
        choice=np.eye(3)[choice] if choice.ndim == 1 else choice.astype(float),
        first_left=np.ones(len(comparison), dtype=bool),
        offered=np.broadcast_to(np.asarray(offered, dtype=bool), len(comparison)),
        repeat=np.ones(len(comparison), dtype=np.intp),
    )


@pytest.fixture(scope="session")
def make_pairing() -> Callable[..., Pairing]:
    """Return a function that pairs people's and a model's answers, given as arrays.

    Choices are column numbers (0 first, 1 second, 2 indecision), or rows of shares.
    """

    def make(people, model, *, n_comparisons=None, offered=True) -> Pairing:
        of_people, respondent, choice = people
        of_model, reply = model
        n = n_comparisons or int(max(np.max(of_people), np.max(of_model))) + 1
        comparisons = tuple(
            Comparison(Profile((("number", 2 * i),)), Profile((("number", 2 * i + 1),))) for i in range(n)
        )
        return Pairing(
            attributes=(),
            people=_side("people", of_people, respondent, choice, comparisons, offered),
            model=_side("model", of_model, np.zeros(len(of_model)), reply, comparisons, offered),
        )

    return make


@pytest.fixture(scope="session")
def pick() -> Callable[..., np.ndarray]:
    """Return a function that draws one choice from each row of shares."""

    def picked(rng: np.random.Generator, shares: np.ndarray) -> np.ndarray:
        return (rng.random(len(shares))[:, None] > shares.cumsum(axis=1)[:, :2]).sum(axis=1)

    return picked


@pytest.fixture(scope="session")
def planted(make_pairing, pick) -> Callable[..., Pairing]:
    """Return a function that makes people and a model who choose by given shares."""

    def make(of_people, of_model, *, n_people=30, replies=10, seed=0) -> Pairing:
        rng = np.random.default_rng(seed)
        n = len(of_people)
        asked = np.tile(np.arange(n), n_people)
        replied = np.repeat(np.arange(n), replies)
        return make_pairing(
            (asked, np.repeat(np.arange(n_people), n), pick(rng, of_people[asked])),
            (replied, pick(rng, of_model[replied])),
        )

    return make
