"""The three quartiles of some numbers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Quartiles:
    """Where the middle of some numbers lies, linearly interpolated."""

    count: int
    lower: float
    median: float
    upper: float


def quartiles_of(numbers: Sequence[float]) -> Quartiles | None:
    """Return the quartiles; None of no numbers."""
    if not numbers:
        return None
    lower, middle, upper = np.percentile(numbers, (25, 50, 75))
    return Quartiles(count=len(numbers), lower=float(lower), median=float(middle), upper=float(upper))
