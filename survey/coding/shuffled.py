"""A coder's own order of suggestions: as if drawn at random, and the same every time.

In the order in which suggestions came, those of one person stand together, and those of models mostly behind all
people's: whoever codes a little differently after some hours would code models differently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def shuffled(ids: Iterable[int], *, study: str, version: str, coder: str) -> list[int]:
    """Return ``ids`` in an order that depends on the study, its version and the coder alone.

    Each id has its own place, whichever others there are: what is added later comes in between, and the others keep
    their order.
    """
    seed = hashlib.blake2b(f"{study}\0{version}\0{coder}\0".encode(), digest_size=8)

    def place(id_: int) -> tuple[bytes, int]:
        drawn = seed.copy()
        drawn.update(str(id_).encode())
        return drawn.digest(), id_

    return sorted(ids, key=place)
