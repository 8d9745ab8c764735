"""Which examples each step sees, and how far it goes. Pure: a step depends on the seed and its number alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from llm_compare.errors import CannotTune
from llm_compare.tuning.training.settings import TrainSettings

_ORDER, _NOISE, _START, _APART = range(4)


def batch_of(step: int, *, n: int, settings: TrainSettings, draw: int) -> list[int]:
    """Return which of ``n`` examples the step (from 0) sees.

    Each epoch is a new order of all examples; a batch may reach from one epoch into the next.
    """
    orders: dict[int, Sequence[int]] = {}
    chosen = []
    for place in range(step * settings.batch, (step + 1) * settings.batch):
        epoch, within = divmod(place, n)
        if epoch not in orders:
            orders[epoch] = (
                np.random.default_rng([settings.seed, draw, _ORDER, epoch]).permutation(n).tolist()
            )
        chosen.append(orders[epoch][within])
    return chosen


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Return the learning rate of a step (from 0): it rises in a line, then falls to 0 along a cosine."""
    rising = round(settings.warmup * settings.steps)
    if step < rising:
        return settings.learning_rate * (step + 1) / rising
    return settings.learning_rate * (1 + math.cos(math.pi * (step - rising) / (settings.steps - rising))) / 2


def start_seed(settings: TrainSettings, draw: int) -> int:
    """Return the seed of the adapter's first weights."""
    return _seed(settings.seed, draw, _START)


def noise_seed(step: int, settings: TrainSettings, draw: int, device: int) -> int:
    """Return the seed of what a step leaves out by chance, on one of the devices."""
    return _seed(settings.seed, draw, _NOISE, step, device)


def set_apart(comparison_ids: Sequence[str], settings: TrainSettings, draw: int) -> frozenset[str]:
    """Return the comparisons that are kept from training to tell when to stop; none where none are wanted.

    Raises
    ------
    CannotTune
        There are too few comparisons to set some apart.
    """
    if settings.validation == 0:
        return frozenset()
    known = sorted(set(comparison_ids))
    n = max(1, round(settings.validation * len(known)))
    if n >= len(known):
        raise CannotTune(
            f"{len(known)} comparisons are too few to set {settings.validation:.0%} of them apart; take a larger "
            "training set, or --validation 0"
        )
    order = np.random.default_rng([settings.seed, draw, _APART]).permutation(len(known))
    return frozenset(known[i] for i in order[:n])


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
