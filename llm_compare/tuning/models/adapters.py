"""One network in memory and the adapters over it, of which at most one is active at a time."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm_compare.errors import BadModel
from llm_compare.tuning.models.devices import first_line, lacks_memory
from llm_compare.tuning.models.libraries import quiet

MANIFEST = "tuning_manifest.json"
"""Of an adapter: what it was trained on, and over which base."""


class Weights:
    """A network whose weights several models share: the base alone, and the base under each of its adapters."""

    def __init__(self, network: Any) -> None:
        self.network = network
        """The ``transformers`` model. Adapters are added into its layers, so it answers as whichever is active."""
        # Torch multiplies otherwise by weights that might be trained: the last digits would change with the first
        # adapter. Only adapters are ever trained.
        network.requires_grad_(False)
        self.n_parameters = sum(p.numel() for p in network.parameters())
        """Of the base alone."""
        self._lock = threading.RLock()
        self._tuned: Any = None
        self._n_adapters = 0

    def add(self, folder: Path) -> str:
        """Load an adapter; return its name for :meth:`active`.

        Raises
        ------
        BadModel
            It does not fit this network; the network is as before.
        """
        with self._lock:
            self._n_adapters += 1
            name = f"adapter{self._n_adapters}"
            try:
                self._add(folder, name)
            except Exception as error:
                self._remove(name)
                if lacks_memory(error) or isinstance(error, BadModel):
                    raise
                raise BadModel(
                    f"{folder}: is no adapter of this model ({first_line(error)}); name a folder written by "
                    "'equipoise compare tune train' with the model that it was trained on"
                ) from None
        return name

    def remove(self, name: str) -> None:
        """Take an adapter out of memory. Its model refuses to answer from then on."""
        with self._lock:
            self._remove(name)

    def n_adapter_parameters(self, name: str) -> int:
        """Return the number of parameters that an adapter adds."""
        return sum(p.numel() for n, p in self.network.named_parameters() if name in n.split("."))

    @contextmanager
    def active(self, name: str | None) -> Iterator[Any]:
        """Give the network with one adapter active, or none; others wait until it is given back.

        Raises
        ------
        BadModel
            The adapter is not in memory any more: without it, the base would answer in its name.
        """
        with self._lock:
            if name is not None and (self._tuned is None or name not in self._tuned.peft_config):
                raise BadModel(f"{name} was taken out of memory; load it again")
            if self._tuned is not None:
                layers = self._tuned.base_model
                if name is None:
                    layers.disable_adapter_layers()
                else:
                    layers.enable_adapter_layers()
                    layers.set_adapter(name, inference_mode=True)
            yield self.network

    def _add(self, folder: Path, name: str) -> None:
        from peft import PeftConfig, PeftModel

        config = PeftConfig.from_pretrained(str(folder))
        if config.is_prompt_learning or config.peft_type.value != "LORA":
            raise BadModel(
                f"{folder}: is an adapter of another kind ({config.peft_type.value}); only low-rank adapters "
                "(LORA) are known here"
            )
        if config.bias != "none":
            raise BadModel(
                f"{folder}: also holds biases of the base (bias: {config.bias}), which would change the base "
                "itself; only adapters that leave the base as it is are known here"
            )
        config.inference_mode = True
        if self._tuned is None:
            with quiet():
                self._tuned = PeftModel(self.network, config, adapter_name=name)
        else:
            self._tuned.add_adapter(name, config)
        told = self._tuned.load_adapter(
            str(folder), adapter_name=name, torch_device=str(next(self.network.parameters()).device)
        )
        if missing := told.missing_keys:
            raise BadModel(
                f"{folder}: weights of {missing[0]} are missing; the adapter is incomplete, or of another model"
            )
        if extra := told.unexpected_keys:
            raise BadModel(
                f"{folder}: has weights of {extra[0]}, which this model does not have; it is the adapter of "
                "another"
            )
        self.network.eval()

    def _remove(self, name: str) -> None:
        if self._tuned is None or name not in self._tuned.peft_config:
            return
        if len(self._tuned.peft_config) == 1:
            self._tuned.unload()
            self._tuned = None
        else:
            self._tuned.delete_adapter(name)


def check_base(folder: Path, *, fingerprint: str, label: str) -> None:
    """Check that an adapter was trained over the base with this fingerprint. One without a manifest may be any's.

    Raises
    ------
    BadModel
        It was trained over another, or its manifest cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        wanted, called = str(told["base_fingerprint"]), str(told.get("base_label", "a model"))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise BadModel(f"{path}: cannot be read ({first_line(error)}); train the adapter again") from None
    if wanted != fingerprint:
        raise BadModel(
            f"{folder}: was trained over {called} with the fingerprint {wanted[:12]}, and {label} has "
            f"{fingerprint[:12]}: other weights or another tokenizer; name the base that it was trained over"
        )
