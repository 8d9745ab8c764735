"""What was loaded, as a number that changes with anything in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llm_compare.errors import BadModel

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"

_SETTINGS = ("config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json")
_TOKENIZERS = (
    ("tokenizer.json",),
    (
        "tokenizer.model",
        "*.tiktoken",
        "tekken.json",
        "vocab.json",
        "vocab.txt",
        "merges.txt",
        "added_tokens.json",
    ),
)
"""Only the first that there is is read."""
_WEIGHTS = (
    ("model.safetensors",),
    ("model.safetensors.index.json", "model-*.safetensors"),
    ("pytorch_model.bin",),
    ("pytorch_model.bin.index.json", "pytorch_model-*.bin"),
)
"""In the order in which ``transformers`` looks for them."""
_NOT_OF_THE_ADAPTER = (
    "base_model_name_or_path",
    "revision",
    "inference_mode",
    "peft_version",
    "auto_mapping",
)
_CHUNK = 1 << 20


def base_hash(folder: Path) -> str:
    """Return the SHA-256 (hex) of a model's weights, configuration and tokenizer, wherever the folder lies.

    Other files of the folder do not count, nor does a chat template in a file of its own: that counts where it is
    used.
    """
    names = [*_SETTINGS]
    for choices in (_TOKENIZERS, _WEIGHTS):
        names += next((c for c in choices if any(any(folder.glob(n)) for n in c)), ())
    return folder_hash(folder, names)


def adapter_hash(folder: Path) -> str:
    """Return the SHA-256 (hex) of an adapter's weights and configuration, wherever it and its base lie.

    Raises
    ------
    BadModel
        There is no adapter in the folder, or one that cannot be read.
    """
    try:
        config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        kept = {k: _ordered(v) for k, v in config.items() if k not in _NOT_OF_THE_ADAPTER}
    except (OSError, ValueError, AttributeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BadModel(
            f"{folder}: holds no adapter ({ADAPTER_CONFIG}: {why}); name a folder that 'equipoise compare "
            "tune train' wrote for one set"
        ) from None
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise BadModel(
            f"{folder}: holds no {ADAPTER_WEIGHTS}; adapters are read in that format alone, since others may run "
            "code when they are read"
        )
    said = json.dumps(kept, sort_keys=True)
    return hashlib.sha256(f"{said}\n{folder_hash(folder, [ADAPTER_WEIGHTS])}".encode()).hexdigest()


def folder_hash(folder: Path, patterns: Iterable[str]) -> str:
    """Return the SHA-256 (hex) of the files of a folder that match, by name and content."""
    digest = hashlib.sha256()
    for path in sorted({p for pattern in patterns for p in folder.glob(pattern) if p.is_file()}):
        # With its length, so that no content reads like the next file's name.
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def _ordered(value: Any) -> Any:
    # Names of layers are a set in memory: written in any order.
    return sorted(value) if isinstance(value, list) and all(isinstance(v, str) for v in value) else value
