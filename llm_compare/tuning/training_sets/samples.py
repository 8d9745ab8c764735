"""Samples of growing size from what there is to train on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from llm_compare.errors import CannotTune

SMALLEST = 16
EVERYTHING = None
"""In place of a size: all there is."""

_T = TypeVar("_T")


def doubling_sizes(n: int) -> tuple[int, ...]:
    """Return 16, 32, 64 … below ``n``, and ``n`` itself: everything."""
    found = []
    size = SMALLEST
    while size < n:
        found.append(size)
        size *= 2
    return (*found, n)


def sizes_for(n: int, wanted: Sequence[int | None]) -> tuple[int, ...]:
    """Return the wanted sizes that ``n`` suffices for, ascending; of none wanted, doubling ones.

    Parameters
    ----------
    wanted
        Sizes; :data:`EVERYTHING` stands for ``n``.

    Raises
    ------
    CannotTune
        A size below 1.
    """
    if bad := [size for size in wanted if size is not None and size < 1]:
        raise CannotTune(f"a sample of {bad[0]}: give sizes of at least 1")
    if not wanted:
        return doubling_sizes(n)
    return tuple(sorted({n if size is None else size for size in wanted if size is None or size <= n}))


def nested_samples(
    units: Sequence[_T], sizes: Sequence[int], *, seed: int, draw: int
) -> Mapping[int, tuple[_T, ...]]:
    """Return one draw of each size, without replacement; every sample begins with the smaller ones.

    Parameters
    ----------
    units
        In an order that does not hang on who answered.
    draw
        From 1; each has an order of its own.

    Raises
    ------
    CannotTune
        A size is larger than what there is.
    """
    if too_large := [size for size in sizes if size > len(units)]:
        raise CannotTune(f"a sample of {too_large[0]} from {len(units)}: give smaller sizes")
    order = np.random.default_rng([seed, draw]).permutation(len(units))
    return {size: tuple(units[i] for i in order[:size]) for size in sizes}
