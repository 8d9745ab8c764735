"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Return a function giving the path of third-party test data, which is never part of this repository."""

    def path_of(relative: str) -> Path:
        path = SHARED / relative
        if not path.exists():
            pytest.skip(f"third-party data '{relative}' is not at {SHARED}")
        return path

    return path_of
