"""Train a low-rank adapter on people's answers: from a base and a training set to an adapter's folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from llm_compare.errors import CannotTune
from llm_compare.prompting.variant import AnswerFormat
from llm_compare.tuning.models.devices import memory_watched
from llm_compare.tuning.models.local_model import Loading, LocalModel, load_model
from llm_compare.tuning.training.adapter import adapted_for_training
from llm_compare.tuning.training.adapter_manifest import (
    AdapterManifest,
    Origin,
    read_adapter_manifest,
    write_adapter,
)
from llm_compare.tuning.training.checkpoint import checkpoint_path
from llm_compare.tuning.training.devices import Devices
from llm_compare.tuning.training.encoded import encode
from llm_compare.tuning.training.schedule import start_seed
from llm_compare.tuning.training.settings import TrainSettings
from llm_compare.tuning.training.training_run import TrainingRun

if TYPE_CHECKING:
    from llm_compare.tuning.training_sets.training_file import TrainingSet

EVERY = 50
"""Steps between two checkpoints unless said otherwise."""
_LESS_MEMORY = (
    "hold fewer prompts at once (--at-once 4), compute some of it twice (--gradient-checkpointing), load the model "
    "in bfloat16 (--dtype bfloat16), or take a smaller --rank"
)


def train(
    training_set: TrainingSet,
    base: str | Path | LocalModel,
    settings: TrainSettings,
    out: Path,
    *,
    loading: Loading | None = None,
    devices: Devices | None = None,
    checkpoint_every: int = EVERY,
    progress: Callable[[str], None] = lambda text: None,
    stop: Callable[[], bool] = lambda: False,
) -> AdapterManifest:
    """Train an adapter and write its folder; go on from a checkpoint if there is one.

    The same set, base, settings, device, threads and number of processes give the same bytes on a CPU, whether
    the training was interrupted or not. The base's own weights never change.

    Parameters
    ----------
    base
        A folder, a name on the model hub, or such a model already loaded, without an adapter.
    out
        Folder of the adapter. It must not exist, unless it holds the very same adapter, which is then returned.
        Beside it lies the checkpoint until the folder is written.
    devices
        This process among several; found out unless given.
    checkpoint_every
        Steps between two checkpoints.
    progress
        Called after every step with how far it is.
    stop
        Asked before every step whether to write a checkpoint and stop.

    Raises
    ------
    CannotTune
        There is nothing to train on, the checkpoint or the folder belongs to another training, or the loss is no
        number.
    TrainingStopped
        ``stop`` said so; the checkpoint is written.
    MissingExtra, BadModel, MissingChatTemplate, NoAnswerToken, UnknownTargetModules, OutOfMemory
        The model cannot be loaded or trained so; the message says what would work.
    """
    together = devices or Devices.here((loading or Loading()).device)
    with memory_watched(_LESS_MEMORY):
        if isinstance(base, LocalModel):
            model = base
        else:
            model = load_model(base, loading=together.placed(loading or Loading()))
        origin = origin_of(training_set, model, settings, together)
        if (done := finished(out, origin)) is not None:
            return done
        with (
            _reproducible(model),
            adapted_for_training(
                model.network, settings, seed=start_seed(settings, training_set.draw)
            ) as tuned,
        ):
            training = TrainingRun(
                tuned=tuned,
                model=model,
                settings=settings,
                name=training_set.name,
                draw=training_set.draw,
                devices=together,
                examples=encode(
                    model,
                    training_set.examples,
                    labels=training_set.labels,
                    first_token=training_set.variant.answer_format is AnswerFormat.FIRST_TOKEN,
                ),
            )
            training.run(
                checkpoint_path(out),
                origin,
                checkpoint_every=checkpoint_every,
                progress=progress,
                stop=stop,
            )
            manifest = training.manifest(training_set, origin, model)
            if together.is_main:
                write_adapter(
                    out,
                    tuned,
                    training.kept(),
                    manifest,
                    template=model.template if model.template_given else None,
                )
                checkpoint_path(out).unlink(missing_ok=True)
            together.wait()
    return read_adapter_manifest(out)


def origin_of(
    training_set: TrainingSet, model: LocalModel, settings: TrainSettings, devices: Devices
) -> Origin:
    """Return everything that the adapter's weights will depend on.

    Raises
    ------
    CannotTune
        The model is loaded as it cannot be trained.
    """
    import torch

    if model.adapter is not None or any("lora_" in name for name, _ in model.network.named_parameters()):
        raise CannotTune(
            f"{model.label} is in memory with an adapter over it; load the base alone to train it"
        )
    if model.dtype == "float16":
        raise CannotTune(
            "in float16 the smallest gradients vanish, so nothing is trained in it; use --dtype bfloat16 or float32"
        )
    return Origin(
        base_fingerprint=model.base_fingerprint,
        template_sha256=hashlib.sha256(model.template.encode()).hexdigest(),
        set_name=training_set.name,
        set_sha256=set_hash(training_set),
        settings=settings,
        device=model.device.type,
        dtype=model.dtype,
        threads=torch.get_num_threads(),
        processes=devices.count,
    )


def set_hash(training_set: TrainingSet) -> str:
    """Return the SHA-256 (hex) of what a model sees of a training set, in its order."""
    seen = [
        [[(m.role, m.content) for m in e.messages], [(t.text, t.share, t.n) for t in e.targets]]
        for e in training_set.examples
    ]
    return hashlib.sha256(json.dumps([training_set.labels, training_set.draw, seen]).encode()).hexdigest()


def finished(out: Path, origin: Origin) -> AdapterManifest | None:
    """Return the adapter that a folder holds already; None where there is no such folder.

    Raises
    ------
    CannotTune
        It holds another adapter.
    BadModel
        It holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    manifest = read_adapter_manifest(out)
    if differences := origin.differences(manifest.origin.as_dict()):
        raise CannotTune(
            f"{out}: holds an adapter of another training ({'; '.join(differences)}); name another --out, or "
            "remove it"
        )
    return manifest


@contextmanager
def _reproducible(model: LocalModel) -> Iterator[None]:
    """Make everything inside depend on its seeds alone, as far as the device can, and leave no trace outside."""
    import torch

    device = model.device
    strict = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        # On a GPU some sums have no order of their own: equal seeds give nearly equal weights.
        torch.use_deterministic_algorithms(not on_gpu)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(strict, warn_only=warns)
