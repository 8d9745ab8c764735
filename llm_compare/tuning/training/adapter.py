"""A low-rank adapter over a model whose own weights never change.

Hu et al. (2022), LoRA: Low-Rank Adaptation of Large Language Models, ICLR.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm_compare.errors import CannotTune, UnknownTargetModules
from llm_compare.tuning.models.fingerprint import ADAPTER_WEIGHTS
from llm_compare.tuning.training.settings import TrainSettings

ALL_LINEAR = "all-linear"
_SHOWN = 20


def linear_layers(network: Any) -> tuple[str, ...]:
    """Return the names of the layers that can be adapted, e.g. ``q_proj``: a name stands for it in every block."""
    import torch
    from transformers.pytorch_utils import Conv1D

    output = network.get_output_embeddings()
    return tuple(
        dict.fromkeys(
            name.rpartition(".")[2]
            for name, module in network.named_modules()
            if isinstance(module, torch.nn.Linear | Conv1D) and module is not output
        )
    )


@contextmanager
def adapted_for_training(network: Any, settings: TrainSettings, *, seed: int) -> Iterator[Any]:
    """Put a new adapter over a model, which changes nothing at first; take it off again at the end.

    Parameters
    ----------
    network
        A causal model of ``transformers``. It is left as it was, bit for bit.
    seed
        Of the adapter's first weights.

    Yields
    ------
    The ``peft`` model: the adapter's weights are float32 and trained, all others stand still.

    Raises
    ------
    UnknownTargetModules
        The model has no layer of a name; the message lists those that it has.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    _check_names(network, settings.target_modules)
    moved = {name: p.requires_grad for name, p in network.named_parameters()}
    every = settings.target_modules == (ALL_LINEAR,)
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        # Of GPT-2, whose weights lie the other way round: peft sees it, does it right, and says so.
        warnings.filterwarnings("ignore", "fan_in_fan_out is set to")
        # A name that peft uses and transformers 6 will call otherwise.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        tuned = get_peft_model(
            network,
            LoraConfig(
                task_type="CAUSAL_LM",
                r=settings.rank,
                lora_alpha=settings.alpha,
                lora_dropout=settings.dropout,
                target_modules=ALL_LINEAR if every else list(settings.target_modules),
            ),
        )
    try:
        yield tuned
    finally:
        under = tuned.unload()
        # Or the next adapter would be taken for a second one.
        if hasattr(under, "peft_config"):
            del under.peft_config
        for name, parameter in under.named_parameters():
            parameter.requires_grad_(moved[name])
        under.eval()


@contextmanager
def computed_twice(network: Any) -> Iterator[None]:
    """Hold less in memory: what each block computes is thrown away and computed again for its gradients.

    Raises
    ------
    CannotTune
        The model cannot do so.
    """
    with warnings.catch_warnings():
        # The newer name of this is not in every transformers 5.
        warnings.filterwarnings("ignore", "`gradient_checkpointing_", FutureWarning)
        try:
            network.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        except ValueError as error:
            raise CannotTune(f"--gradient-checkpointing: {error}; train without it") from None
        try:
            yield
        finally:
            network.gradient_checkpointing_disable()


def trained(tuned: Any) -> dict[str, Any]:
    """Return the adapter's weights, by name: the very tensors that are trained."""
    return {name: p for name, p in tuned.named_parameters() if p.requires_grad}


def n_trained(network: Any, settings: TrainSettings) -> int:
    """Return the number of parameters that an adapter over a model has.

    Raises
    ------
    UnknownTargetModules
        The model has no layer of a name.
    """
    import torch

    with torch.random.fork_rng(devices=[]), adapted_for_training(network, settings, seed=0) as tuned:
        return sum(p.numel() for p in trained(tuned).values())


def saved_weights(tuned: Any) -> dict[str, Any]:
    """Return a copy of the adapter's weights on the CPU, by the names under which they are saved."""
    from peft import get_peft_model_state_dict

    # Without the argument, peft asks the hub what the model's vocabulary was.
    state = get_peft_model_state_dict(tuned, save_embedding_layers=False)
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in sorted(state.items())}


def put_weights(tuned: Any, weights: Mapping[str, Any]) -> None:
    """Give the adapter weights that :func:`saved_weights` returned."""
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(tuned, dict(weights))


def write_weights(tuned: Any, weights: Mapping[str, Any], folder: Path) -> None:
    """Write weights and configuration of an adapter as ``peft`` reads them."""
    from safetensors.torch import save_file

    save_file(dict(weights), str(folder / ADAPTER_WEIGHTS), metadata={"format": "pt"})
    config = tuned.peft_config["default"]
    # peft writes a set, whose order differs between processes.
    if not isinstance(config.target_modules, str):
        config.target_modules = sorted(config.target_modules)
    config.inference_mode = True  # As peft itself writes it: whoever loads it does not go on training.
    config.save_pretrained(str(folder))


def _check_names(network: Any, names: tuple[str, ...]) -> None:
    if names == (ALL_LINEAR,):
        return
    known = linear_layers(network)
    modules = [name for name, _ in network.named_modules() if name.rpartition(".")[2] in known]
    unknown = [n for n in names if not any(m == n or m.endswith(f".{n}") for m in modules)]
    if unknown:
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        raise UnknownTargetModules(
            f"the model has no layer named {', '.join(unknown)}; name some of {', '.join(known[:_SHOWN])}{more}, "
            f"or take every one with --target-modules {ALL_LINEAR}"
        )
