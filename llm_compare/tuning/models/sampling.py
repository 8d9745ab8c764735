"""Tokens drawn from a model's probabilities, as the chat interfaces mean temperature and top_p. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llm_compare.errors import BadModel

Floats = NDArray[np.floating]


def drawn(logprobs: Floats, *, temperature: float, top_p: float, rng: np.random.Generator) -> int:
    """Draw a token.

    Parameters
    ----------
    logprobs
        Log-probabilities at temperature 1, one per token.
    temperature
        Log-probabilities are divided by it. 0 takes the likeliest token; of several alike the first.
    top_p
        Only the likeliest tokens are drawn from: the fewest whose probabilities, after the temperature, sum to at
        least ``top_p``.
    rng
        Takes one number, unless the temperature is 0.

    Raises
    ------
    BadModel
        The model gave no probabilities (NaN).
    """
    if np.isnan(logprobs).any():
        raise BadModel(
            "the model's numbers overflow (it gives no probabilities but NaN); load it in bfloat16 or float32 "
            "(--dtype)"
        )
    if temperature == 0:
        return int(logprobs.argmax())
    scaled = logprobs.astype(np.float64)
    scaled -= scaled.max()
    # After the subtraction: a tiny temperature gives minus infinity then, which is a chance of 0.
    with np.errstate(over="ignore"):
        chance = np.exp(scaled / temperature)
    if top_p < 1:
        chance /= chance.sum()
        order = np.argsort(-chance, kind="stable")
        before = np.cumsum(chance[order]) - chance[order]
        # The token that crosses top_p still belongs to it; the likeliest always does.
        left_out = order[1:][before[1:] >= top_p]
        chance[left_out] = 0.0
    possible = np.flatnonzero(chance)
    sums = np.cumsum(chance[possible])
    place = np.searchsorted(sums, rng.random() * sums[-1], side="right")
    return int(possible[min(int(place), len(possible) - 1)])


def likeliest(logprobs: Floats, n: int) -> list[int]:
    """Return the ``n`` likeliest tokens, most likely first, of tokens alike the first."""
    n = min(n, len(logprobs))
    # Vocabularies are large: sort only what is needed.
    least = np.partition(logprobs, len(logprobs) - n)[len(logprobs) - n]
    above = np.flatnonzero(logprobs > least)
    alike = np.flatnonzero(logprobs == least)[: n - len(above)]
    kept = np.sort(np.concatenate([above, alike]))
    return [int(token) for token in kept[np.argsort(-logprobs[kept], kind="stable")]]
