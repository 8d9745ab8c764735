"""Random generators by name: what one thing draws does not depend on what else is drawn. Pure."""

from __future__ import annotations

import hashlib
import json

import numpy as np


def seeded(seed: int, *what: str | int) -> np.random.Generator:
    """Return the generator that ``what`` has under ``seed``: the same names, the same draws, on every machine."""
    named = hashlib.sha256(json.dumps([seed, *what]).encode()).digest()
    return np.random.default_rng(int.from_bytes(named, "big"))
