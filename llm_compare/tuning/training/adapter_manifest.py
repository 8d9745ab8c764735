"""What an adapter is: the model it belongs to, the answers behind it, how it was trained."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from estimation.manifest import file_hash
from llm_compare.errors import BadModel, CannotTune
from llm_compare.tuning.models.adapters import MANIFEST
from llm_compare.tuning.models.fingerprint import ADAPTER_WEIGHTS
from llm_compare.tuning.models.local_model import FINGERPRINT_DIGITS, TEMPLATE_FILE
from llm_compare.tuning.training.adapter import write_weights
from llm_compare.tuning.training.settings import TrainSettings
from llm_compare.tuning.training_sets.labels import LabelKind

MANIFEST_FILE = MANIFEST
FORMAT, VERSION = "equipoise adapter", 1
_SHA256_DIGITS = 64
_LIBRARIES = (
    "equipoise",
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "safetensors",
    "tokenizers",
    "numpy",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Everything that an adapter's weights depend on: equal origins, equal bytes (on a CPU)."""

    base_fingerprint: str
    """SHA-256 (hex) of the base's weights, configuration and tokenizer."""
    template_sha256: str
    """Of the chat template that prompts are written with."""
    set_name: str
    set_sha256: str
    """Of what the model saw, in its order; see :func:`train.set_hash`."""
    settings: TrainSettings
    device: str
    """Kind of device: ``cpu``, ``cuda``, ``mps``."""
    dtype: str
    """Of the base's weights; the adapter's are float32."""
    threads: int
    processes: int
    """That trained together."""

    def as_dict(self) -> dict[str, Any]:
        """Return every part by its name, as plain values for JSON."""
        return {**asdict(self), "settings": self.settings.as_dict()}

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Return in words where another origin, as :meth:`as_dict` gives it, differs."""
        mine = _flat(self.as_dict())
        theirs = _flat(other)
        return [
            f"{name.replace('_', ' ')} {_short(theirs.get(name))} there, {_short(mine.get(name))} now"
            for name in [*mine, *(n for n in theirs if n not in mine)]
            if mine.get(name) != theirs.get(name)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterManifest:
    """An adapter that is finished."""

    base_source: str
    """Folder or hub name that the base was loaded from."""
    base_label: str
    base_fingerprint: str
    template_sha256: str
    set_name: str
    group: str
    """Whose answers; empty for everybody's."""
    size: int
    draw: int
    labels: LabelKind
    set_sha256: str
    design_hash: str
    settings: TrainSettings
    losses: tuple[float, ...]
    """Of each step's batch before the step, in nats per answer; the first one is the base's."""
    validation_losses: tuple[tuple[int, float], ...]
    """(Steps done, loss on the comparisons set apart); empty where none were."""
    best_step: int
    """Steps after which the kept weights were reached; 0 says that no step was better than none."""
    n_examples: int
    """Trained on, without those set apart."""
    n_parameters: int
    """Of the adapter."""
    weights_sha256: str
    device: str
    dtype: str
    threads: int
    processes: int
    libraries: Mapping[str, str]
    complete: bool = True

    @property
    def origin(self) -> Origin:
        """What the weights depend on."""
        return Origin(**{f.name: getattr(self, f.name) for f in fields(Origin)})

    def as_dict(self) -> dict[str, Any]:
        """Return every part by its name, as plain values for JSON."""
        return {
            "format": FORMAT,
            "format_version": VERSION,
            **asdict(self),
            "settings": self.settings.as_dict(),
            "libraries": dict(self.libraries),
        }


def libraries() -> dict[str, str]:
    """Return the versions of everything that trains."""
    return {name: version(name) for name in _LIBRARIES}


def read_adapter_manifest(folder: Path) -> AdapterManifest:
    """Read what an adapter is, and check that its weights are those that were written.

    Raises
    ------
    BadModel
        The folder holds no adapter written here, or its weights were changed.
    """
    path = folder / MANIFEST_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if (found.pop("format"), found.pop("format_version")) != (FORMAT, VERSION):
            raise ValueError("another format")
        manifest = AdapterManifest(
            **{
                **found,
                "labels": LabelKind(found["labels"]),
                "settings": TrainSettings.from_dict(found["settings"]),
                "losses": tuple(found["losses"]),
                "validation_losses": tuple((step, loss) for step, loss in found["validation_losses"]),
            }
        )
        weights = file_hash(folder / ADAPTER_WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, CannotTune) as error:
        raise BadModel(
            f"{folder}: holds no adapter that 'equipoise compare tune train' finished ({error}); name one that does"
        ) from None
    if weights != manifest.weights_sha256:
        raise BadModel(
            f"{folder / ADAPTER_WEIGHTS}: is not what was trained (its SHA-256 is not that of {MANIFEST_FILE}); "
            "remove the folder and train again"
        )
    return manifest


def write_adapter(
    out: Path, tuned: Any, weights: Mapping[str, Any], manifest: AdapterManifest, *, template: str | None
) -> AdapterManifest:
    """Write an adapter's folder: whole, or not at all.

    Parameters
    ----------
    tuned
        The ``peft`` model, for its configuration.
    manifest
        Its ``weights_sha256`` is filled in here.
    template
        The chat template it was trained with, unless it is the tokenizer's own.

    Raises
    ------
    OSError
        Carrying the folder as its file name.
    """
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        write_weights(tuned, weights, partial)
        if template is not None:
            (partial / TEMPLATE_FILE).write_text(template, encoding="utf-8")
        finished = replace(manifest, weights_sha256=file_hash(partial / ADAPTER_WEIGHTS))
        text = json.dumps(finished.as_dict(), indent=1, ensure_ascii=False)
        (partial / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")
        partial.replace(out)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(out)) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return finished


def _flat(origin: Mapping[str, Any]) -> dict[str, Any]:
    settings = origin.get("settings")
    return {k: v for k, v in origin.items() if k != "settings"} | dict(settings or {})


def _short(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text[:FINGERPRINT_DIGITS] if len(text) == _SHA256_DIGITS else text
