"""One training under way: its steps, what it keeps, where it goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_compare.errors import CannotTune, TrainingStopped
from llm_compare.tuning.models.local_model import LocalModel
from llm_compare.tuning.training.adapter import computed_twice, put_weights, saved_weights, trained
from llm_compare.tuning.training.adapter_manifest import AdapterManifest, Origin, libraries
from llm_compare.tuning.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from llm_compare.tuning.training.devices import Devices
from llm_compare.tuning.training.encoded import EncodedExample, Row, merged
from llm_compare.tuning.training.loss import batch_loss
from llm_compare.tuning.training.schedule import batch_of, learning_rate, noise_seed, set_apart
from llm_compare.tuning.training.settings import TrainSettings

if TYPE_CHECKING:
    from llm_compare.tuning.training_sets.training_file import TrainingSet

_VALIDATIONS = 20
"""Times that the loss on what is set apart is measured, besides at the start and the end."""


@dataclass(kw_only=True)
class TrainingRun:
    """One training under way."""

    tuned: Any
    model: LocalModel
    settings: TrainSettings
    name: str
    draw: int
    devices: Devices
    examples: Sequence[EncodedExample]
    step: int = 0
    losses: list[float] = field(default_factory=list)
    validation_losses: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    best: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import torch

        apart = set_apart([e.comparison_id for e in self.examples], self.settings, self.draw)
        self.seen = [e for e in self.examples if e.comparison_id not in apart]
        self.unseen = merged([e for e in self.examples if e.comparison_id in apart])
        self.parameters = trained(self.tuned)
        for parameter in self.parameters.values():
            parameter.data.copy_(self.devices.from_main(parameter.data))
        self.optimizer = torch.optim.AdamW(
            list(self.parameters.values()),
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
            fused=self.model.device.type in ("cpu", "cuda"),
        )
        pad = self.model.tokenizer.pad_token_id
        self.pad = pad if pad is not None else min(self.model.ends)

    def run(
        self,
        path: Path,
        origin: Origin,
        *,
        checkpoint_every: int,
        progress: Callable[[str], None],
        stop: Callable[[], bool],
    ) -> None:
        """Take all steps that are left."""
        if (kept := read_checkpoint(path, origin)) is not None:
            self._resume(kept)
        with self._training_mode():
            if kept is None:
                self._validate()
            while self.step < self.settings.steps:
                stopped = self._take_step(stop())
                last = self.step == self.settings.steps
                if last or self.step % max(1, self.settings.steps // _VALIDATIONS) == 0:
                    self._validate()
                if self.devices.is_main and not last and (stopped or self.step % checkpoint_every == 0):
                    write_checkpoint(path, self._checkpoint(), origin)
                progress(f"step {self.step} of {self.settings.steps}, loss {self.losses[-1]:.3f}")
                if stopped and not last:
                    raise TrainingStopped(
                        f"{self.step} of {self.settings.steps} steps are kept in {path}; the same command goes on "
                        "from there"
                    )

    def kept(self) -> Mapping[str, Any]:
        """Return the weights that the training ends with."""
        return self.best if self.unseen else saved_weights(self.tuned)

    def manifest(self, training_set: TrainingSet, origin: Origin, model: LocalModel) -> AdapterManifest:
        """Describe the adapter; the hash of its weights is known once they are written."""
        return AdapterManifest(
            base_source=str(model.network.name_or_path),
            base_label=model.label,
            base_fingerprint=origin.base_fingerprint,
            template_sha256=origin.template_sha256,
            set_name=training_set.name,
            group=training_set.group,
            size=training_set.size,
            draw=training_set.draw,
            labels=training_set.labels,
            set_sha256=origin.set_sha256,
            design_hash=training_set.design_hash,
            settings=self.settings,
            losses=tuple(self.losses),
            validation_losses=tuple(self.validation_losses),
            best_step=self.best_step if self.unseen else self.step,
            n_examples=len(self.seen),
            n_parameters=sum(p.numel() for p in self.parameters.values()),
            weights_sha256="",
            device=origin.device,
            dtype=origin.dtype,
            threads=origin.threads,
            processes=origin.processes,
            libraries=libraries(),
        )

    def _take_step(self, wants_stop: bool) -> bool:
        """Take a step; return whether any of the processes wants to stop after it."""
        import torch

        settings = self.settings
        torch.manual_seed(noise_seed(self.step, settings, self.draw, self.devices.index))
        chosen = batch_of(self.step, n=len(self.seen), settings=settings, draw=self.draw)
        rows = self.devices.own(merged([self.seen[i] for i in chosen]))
        self.optimizer.zero_grad(set_to_none=False)
        loss = self._summed(rows, n_examples=settings.batch, backward=True)
        gradients = [p.grad for p in self.parameters.values()]
        parts = [*(g.flatten() for g in gradients), loss[None], loss.new_tensor([float(wants_stop)])]
        summed = self.devices.sums(torch.cat(parts)) if self.devices.count > 1 else None
        if summed is not None:
            *found, loss, wanted = summed.split([*(g.numel() for g in gradients), 1, 1])
            for gradient, total in zip(gradients, found, strict=True):
                gradient.copy_(total.view_as(gradient))
            wants_stop = bool(wanted > 0)
        norm = torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), settings.max_gradient_norm)
        value = float(loss)
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            raise CannotTune(
                f"{self.name}: in step {self.step + 1} the loss is {value:g} and its slope {float(norm):g}, which "
                f"nothing can be learned from; use a lower --learning-rate than {settings.learning_rate:g}"
                + ("" if self.model.dtype == "float32" else ", or --dtype float32")
            )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, settings)
        self.optimizer.step()
        self.losses.append(value)
        self.step += 1
        return wants_stop

    def _summed(self, rows: Sequence[Row], *, n_examples: float, backward: bool) -> Any:
        """Return the loss of rows, computed in parts that fit; with its gradients, if they are wanted."""
        import torch

        total = torch.zeros((), device=self.model.device)
        for start in range(0, len(rows), self.settings.at_once):
            loss = batch_loss(
                self.tuned, rows[start : start + self.settings.at_once], n_examples=n_examples, pad=self.pad
            )
            if backward:
                loss.backward()
            total += loss.detach()
        return total

    def _validate(self) -> None:
        """Measure the loss on what is set apart, and keep the weights if it is the least so far."""
        import torch

        if not self.unseen:
            return
        self.tuned.eval()
        with torch.no_grad():
            total = self._summed(
                self.devices.own(self.unseen), n_examples=sum(r.weight for r in self.unseen), backward=False
            )
        self.tuned.train()
        loss = float(self.devices.sums(total))
        if not self.best or loss < min(value for _, value in self.validation_losses):
            self.best_step, self.best = self.step, saved_weights(self.tuned)
        self.validation_losses.append((self.step, loss))

    @contextmanager
    def _training_mode(self) -> Iterator[None]:
        # Gradients exist from the start, for processes whose part of a batch is empty.
        for parameter in self.parameters.values():
            parameter.grad = parameter.new_zeros(parameter.shape)
        twice = self.settings.gradient_checkpointing
        with computed_twice(self.model.network) if twice else nullcontext():
            self.tuned.train()
            try:
                yield
            finally:
                self.tuned.eval()

    def _checkpoint(self) -> Checkpoint:
        state = self.optimizer.state_dict()["state"]
        return Checkpoint(
            step=self.step,
            weights=saved_weights(self.tuned),
            moments={
                f"{name}/{kind}": tensor.detach().cpu()
                for (name, _), kinds in zip(self.parameters.items(), state.values(), strict=True)
                for kind, tensor in kinds.items()
            },
            losses=tuple(self.losses),
            validation_losses=tuple(self.validation_losses),
            best_step=self.best_step,
            best=self.best,
        )

    def _resume(self, kept: Checkpoint) -> None:
        put_weights(self.tuned, kept.weights)
        moments: dict[str, dict[str, Any]] = {name: {} for name in self.parameters}
        for key, tensor in kept.moments.items():
            name, _, kind = key.rpartition("/")
            moments[name][kind] = tensor
        self.optimizer.load_state_dict(
            {
                "state": dict(enumerate(moments.values())),
                "param_groups": self.optimizer.state_dict()["param_groups"],
            }
        )
        self.step = kept.step
        self.losses = list(kept.losses)
        self.validation_losses = list(kept.validation_losses)
        self.best_step, self.best = kept.best_step, kept.best
