"""What a run depended on: inputs by hash, settings, versions. No clock, so equal runs give equal bytes."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("equipoise", "numpy", "scipy", "choix", "pulp", "highspy", "litellm")


def make_manifest(inputs: Mapping[str, Path], settings: Mapping[str, object]) -> dict[str, object]:
    """Return the manifest of a run.

    Parameters
    ----------
    inputs
        What each input file was for -> its path. Only its name and SHA-256 are kept.
    settings
        Everything else that can change the result, seeds included.
    """
    return {
        "inputs": {role: {"file": path.name, "sha256": file_hash(path)} for role, path in inputs.items()},
        "settings": dict(settings),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def file_hash(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
