"""How far a training has come, in one file: whatever stops it, it goes on from there and ends with the same bytes.

Which examples a step sees and what it leaves out by chance depend on the seed and the step's number alone, so there
is no state of a random generator to keep. The file holds tensors and JSON, nothing that runs when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimation.commands.writing import write_bytes
from llm_compare.errors import CannotTune
from llm_compare.tuning.training.adapter_manifest import Origin

_WEIGHTS, _BEST, _MOMENTS = "weights/", "best/", "moments/"
_STATE = "equipoise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A training after some of its steps."""

    step: int
    """Steps done."""
    weights: Mapping[str, Any]
    moments: Mapping[str, Any]
    """Of the optimizer, by ``<parameter>/<moment>``."""
    losses: tuple[float, ...]
    validation_losses: tuple[tuple[int, float], ...]
    best_step: int
    best: Mapping[str, Any]
    """Weights after the best step so far; empty where nothing is set apart to tell."""


def checkpoint_path(out: Path) -> Path:
    """Return where the training of the adapter ``out`` keeps how far it has come."""
    return out.with_name(f"{out.name}.checkpoint.safetensors")


def write_checkpoint(path: Path, checkpoint: Checkpoint, origin: Origin) -> None:
    """Write a checkpoint, whole or not at all, over the one before.

    Raises
    ------
    OSError
        Carrying ``path`` as its file name.
    """
    from safetensors.torch import save

    tensors = {
        f"{kind}{name}": tensor
        for kind, named in (
            (_WEIGHTS, checkpoint.weights),
            (_BEST, checkpoint.best),
            (_MOMENTS, checkpoint.moments),
        )
        for name, tensor in named.items()
    }
    state = {
        "origin": origin.as_dict(),
        "step": checkpoint.step,
        "losses": checkpoint.losses,
        "validation_losses": checkpoint.validation_losses,
        "best_step": checkpoint.best_step,
    }
    write_bytes(path, save(tensors, metadata={_STATE: json.dumps(state)}))


def read_checkpoint(path: Path, origin: Origin) -> Checkpoint | None:
    """Read how far a training has come; None where it has not begun.

    Raises
    ------
    CannotTune
        The file cannot be read, or is of a training with other settings, another set or another model: the two
        are never mixed.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(str(path), framework="pt") as file:
            state = json.loads(file.metadata()[_STATE])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        checkpoint = Checkpoint(
            step=int(state["step"]),
            losses=tuple(state["losses"]),
            validation_losses=tuple((step, loss) for step, loss in state["validation_losses"]),
            best_step=int(state["best_step"]),
            weights=_named(tensors, _WEIGHTS),
            best=_named(tensors, _BEST),
            moments=_named(tensors, _MOMENTS),
        )
        differences = origin.differences(state["origin"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotTune(
            f"{path}: is no checkpoint that can be read ({error}); remove it to begin the training again"
        ) from None
    if differences:
        raise CannotTune(
            f"{path}: is a checkpoint of another training ({'; '.join(differences)}); go on as it was begun, "
            "remove it to begin again, or name another --out"
        )
    return checkpoint


def _named(tensors: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name.removeprefix(kind): t for name, t in tensors.items() if name.startswith(kind)}
