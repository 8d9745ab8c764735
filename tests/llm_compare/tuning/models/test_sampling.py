from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from llm_compare.errors import BadModel
from llm_compare.tuning.models.sampling import drawn, likeliest

LOGPROBS = np.log(np.array([0.02, 0.5, 0.08, 0.3, 0.1], dtype=np.float32))
DRAWS = 4000


def counts(**how):
    tokens = [drawn(LOGPROBS, rng=np.random.default_rng(seed), **how) for seed in range(DRAWS)]
    return np.bincount(tokens, minlength=len(LOGPROBS))


def expected(*, temperature, top_p):
    """The definitions, step by step."""
    weights = [float(p) ** (1 / temperature) for p in np.exp(LOGPROBS)]
    chance = [w / sum(weights) for w in weights]
    kept, total = [], 0.0
    for token in sorted(range(len(chance)), key=lambda t: -chance[t]):
        if total >= top_p and kept:
            break
        kept.append(token)
        total += chance[token]
    return np.array([chance[t] / total if t in kept else 0.0 for t in range(len(chance))])


@pytest.mark.parametrize(
    ("temperature", "top_p"),
    [(1.0, 1.0), (0.5, 1.0), (2.0, 1.0), (1.0, 0.8), (1.0, 0.81), (1.0, 0.0), (0.7, 0.6)],
)
def test_tokens_are_drawn_as_often_as_their_probabilities_say(temperature, top_p):
    found = counts(temperature=temperature, top_p=top_p)
    chance = expected(temperature=temperature, top_p=top_p)

    assert not found[chance == 0].any()
    possible = chance > 0
    if possible.sum() > 1:
        assert stats.chisquare(found[possible], DRAWS * chance[possible]).pvalue > 1e-3


def test_at_temperature_0_the_first_of_the_likeliest_tokens_is_always_taken():
    tied = np.log(np.array([0.1, 0.4, 0.1, 0.4]))

    assert {drawn(tied, temperature=0, top_p=1, rng=np.random.default_rng(s)) for s in range(20)} == {1}
    assert {drawn(LOGPROBS, temperature=1e-9, top_p=1, rng=np.random.default_rng(s)) for s in range(20)} == {
        1
    }


def test_a_token_without_probability_is_never_drawn():
    class AlmostOne:
        def random(self):
            return np.nextafter(1.0, 0.0)

    impossible_at_the_ends = np.array([-np.inf, np.log(0.5), np.log(0.5), -np.inf])

    assert drawn(impossible_at_the_ends, temperature=1, top_p=1, rng=AlmostOne()) == 2


def test_numbers_that_overflow_are_an_error_that_names_the_way_out():
    with pytest.raises(BadModel, match=r"overflow.*--dtype"):
        drawn(np.array([np.nan, 0.0]), temperature=0, top_p=1, rng=np.random.default_rng(0))


@given(values=st.lists(st.integers(-5, 0).map(float), min_size=1, max_size=30), n=st.integers(1, 35))
def test_the_likeliest_tokens_are_those_of_a_full_sort(values, n):
    slow = sorted(range(len(values)), key=lambda token: (-values[token], token))[:n]

    assert likeliest(np.array(values), n) == slow
