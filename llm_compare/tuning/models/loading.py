"""A causal language model and its tokenizer, from a folder or the model hub, brought into memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_compare.errors import BadModel
from llm_compare.tuning.models.devices import chosen_device, chosen_dtype, first_line, lacks_memory
from llm_compare.tuning.models.fingerprint import ADAPTER_CONFIG

_LISTED = 3
_TRUE = ("1", "ON", "YES", "TRUE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How a model is brought into memory."""

    device: str = "auto"
    """``auto`` takes a GPU where there is one; else ``cpu``, ``cuda``, ``cuda:1``, ``mps``."""
    dtype: str = "auto"
    """``auto`` is bfloat16 on a GPU that has it, float32 elsewhere; else ``float32``, ``bfloat16``, ``float16``."""
    threads: int = 1
    """CPU threads of the whole process: the last model loaded decides. The number changes the order of sums, so
    the same number gives the same bytes."""
    template: str | None = None
    """``plain`` or a Jinja file; None for the adapter's or the tokenizer's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was read."""

    network: Any
    """The ``transformers`` model, on its device, in evaluation mode."""
    tokenizer: Any
    folder: Path
    """Where the files lie: the folder named, or the hub's cache."""
    dtype: str


def loaded(source: str | Path, how: Loading) -> Loaded:
    """Read a causal language model.

    No code that comes with a model is run. Weights are read from ``safetensors``, or from PyTorch files with
    tensors alone.

    Parameters
    ----------
    source
        A folder, or a name on the model hub: downloaded unless it lies in the cache; with ``HF_HUB_OFFLINE=1`` only
        the cache is looked at.

    Raises
    ------
    BadModel
        It cannot be read, or is incomplete; the message says what would work.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(how.threads)
    device = chosen_device(how.device)
    dtype = chosen_dtype(how.dtype, device)
    folder = _in_folder(source) or _in_cache(str(source))
    try:
        tokenizer = AutoTokenizer.from_pretrained(**_given(source, folder))
        network, told = AutoModelForCausalLM.from_pretrained(
            dtype=dtype, output_loading_info=True, **_given(source, folder)
        )
        network.to(device)
    except Exception as error:
        # Whatever a folder of strangers makes the libraries stumble over; nothing of ours runs in there.
        if lacks_memory(error):
            raise
        raise BadModel(_cannot_read(source, error)) from None
    if missing := sorted(told["missing_keys"]):
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        raise BadModel(
            f"{source}: {', '.join(missing[:_LISTED])}{more} are missing from the weights and would be random; "
            "name a complete causal language model"
        )
    network.eval()
    return Loaded(
        network=network,
        tokenizer=tokenizer,
        folder=folder,
        dtype=str(dtype).removeprefix("torch."),
    )


def _in_folder(source: str | Path) -> Path | None:
    """Return the folder of a model; None where ``source`` must be a name on the hub."""
    folder = Path(source)
    if not folder.is_dir():
        if isinstance(source, Path) or source.startswith(("/", ".", "~")) or folder.exists():
            raise BadModel(f"{source}: is no folder; name one that holds config.json, weights and tokenizer")
        return None
    if (folder / "config.json").is_file():
        return folder
    if (folder / ADAPTER_CONFIG).is_file():
        raise BadModel(
            f"{source}: is an adapter, not a model; name the model that it was trained on, and this with --adapter"
        )
    raise BadModel(f"{source}: holds no config.json; name a folder with config.json, weights and tokenizer")


def _in_cache(name: str) -> Path:
    """Return the folder of the hub's cache for a model as it is on the hub now.

    Only one small file is asked for, so that a hub that refuses makes one clear error; the others follow.
    """
    from huggingface_hub import errors, hf_hub_download

    cases: Mapping[type[Exception], str] = {
        errors.GatedRepoError: "the hub gives it only to those who accepted its terms: accept them on its page, "
        "then log in with 'hf auth login' or set HF_TOKEN; or name a local folder that holds it",
        errors.RepositoryNotFoundError: "the hub knows no model of this name, or shows it to its owner alone (log "
        "in with 'hf auth login' or set HF_TOKEN); check the name, or name a local folder",
        errors.HFValidationError: "is neither a folder here nor a name on the model hub (owner/model)",
        errors.RemoteEntryNotFoundError: "holds no config.json on the hub; name a model that transformers knows",
    }
    try:
        return Path(hf_hub_download(name, "config.json", local_files_only=_offline())).parent
    except tuple(cases) as error:
        raise BadModel(f"{name}: {next(w for k, w in cases.items() if isinstance(error, k))}") from None
    except (OSError, ValueError, RuntimeError) as error:  # Its client's errors are of these kinds.
        if _offline():
            raise BadModel(
                f"{name}: is no folder here and does not lie in the hub's cache, and HF_HUB_OFFLINE forbids to ask "
                "the hub; unset it, or name a local folder"
            ) from None
        raise BadModel(
            f"{name}: is no folder here, and the model hub cannot be reached ({first_line(error)}); name a local "
            "folder that holds config.json, weights and tokenizer (elsewhere: hf download NAME --local-dir FOLDER)"
        ) from None


def _given(source: str | Path, folder: Path) -> dict[str, Any]:
    given: dict[str, Any] = {"trust_remote_code": False, "local_files_only": _offline()}
    if Path(source).is_dir():
        return {"pretrained_model_name_or_path": str(folder), **given}
    # The commit says exactly what is loaded, whatever the name stands for in a minute.
    return {"pretrained_model_name_or_path": str(source), "revision": folder.name, **given}


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE


def _cannot_read(source: str | Path, error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return (
            f"{source}: comes with code of its own, and no such code is run here; take a model that transformers "
            "knows by itself"
        )
    if isinstance(error, ImportError):
        return f"{source}: needs a library that is not installed ({first_line(error)})"
    return (
        f"{source}: is no causal language model that can be read ({first_line(error)}); name a folder that holds "
        "config.json, weights and tokenizer of one"
    )
