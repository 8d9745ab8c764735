"""The libraries of the extra ``tune``, which most installations do without."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from llm_compare.errors import MissingExtra

_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "safetensors", "tokenizers", "huggingface_hub")


def require_libraries() -> None:
    """Return quietly if a local model can be loaded; call this before the first import of one of them.

    Raises
    ------
    MissingExtra
        A library of the extra is not installed.
    """
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"local models need {', '.join(missing)}: install the extra with pip install 'equipoise[tune]' (from a "
            "clone: make tune). Preparing training sets and hosted tuning do without"
        )
    # Libraries of models report home and fill the terminal with bars unless told otherwise.
    for name, value in (
        ("HF_HUB_DISABLE_TELEMETRY", "1"),
        ("TRANSFORMERS_VERBOSITY", "error"),
        ("HF_HUB_DISABLE_PROGRESS_BARS", "1"),
        ("TOKENIZERS_PARALLELISM", "false"),
    ):
        os.environ.setdefault(name, value)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what the libraries warn each other of, and nothing else."""
    with warnings.catch_warnings():
        # peft 0.21 asks transformers 5.23 for it by its old name.
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        yield
