"""How an adapter is trained: everything that can change its weights. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from llm_compare.errors import CannotTune


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """Settings of one training. All of them go into the adapter's manifest."""

    rank: int = 8
    """Of the low-rank update of each layer."""
    alpha: float = 16.0
    """The update counts alpha/rank times."""
    dropout: float = 0.0
    """Chance that an input of the low-rank update is left out in a step. What the model itself drops out in
    training, if anything, is its own."""
    target_modules: tuple[str, ...] = ("all-linear",)
    """Names of layers, or ``all-linear``."""
    learning_rate: float = 2e-4
    weight_decay: float = 0.0
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises; then it falls to 0 along a cosine."""
    steps: int = 150
    """Updates of the weights, the same for every sample size: a smaller sample is seen more often."""
    batch: int = 32
    """Examples per update, on all devices together."""
    at_once: int = 32
    """Of these, how many prompts with one answer each a device holds at once; the rest is accumulated. Changes
    memory, not the batch."""
    gradient_checkpointing: bool = False
    """Compute some of it twice to hold less of it in memory."""
    validation: float = 0.0
    """Share of the training comparisons set apart to stop early: the adapter with the least loss on them is kept.
    0 trains to the end."""
    max_gradient_norm: float = 1.0
    seed: int = 0
    """Every draw of the training sets has a seed of its own, made of this and the draw's number."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        least = {"rank": 1, "steps": 1, "batch": 1, "at_once": 1, "seed": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise CannotTune(f"{name} = {getattr(self, name)}: must be at least {value}")
        for name in ("alpha", "learning_rate", "max_gradient_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise CannotTune(f"{name.replace('_', ' ')} {getattr(self, name):g}: must be above 0")
        if not 0 <= self.weight_decay < math.inf:
            raise CannotTune(f"weight decay {self.weight_decay:g}: must be at least 0")
        for name in ("dropout", "validation"):
            if not 0 <= getattr(self, name) < 1:
                raise CannotTune(f"{name} {getattr(self, name):g}: must be at least 0 and below 1")
        if not 0 <= self.warmup <= 1:
            raise CannotTune(f"warmup {self.warmup:g}: must be between 0 and 1")
        if not self.target_modules or not all(self.target_modules):
            raise CannotTune("no target modules: name layers, or all-linear")

    def as_dict(self) -> dict[str, Any]:
        """Return every setting by its name, as plain values for JSON."""
        return {**asdict(self), "target_modules": list(self.target_modules)}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> TrainSettings:
        """Return the settings that :meth:`as_dict` wrote.

        Raises
        ------
        CannotTune
            A setting is missing, unknown or impossible.
        """
        known = {f.name for f in fields(cls)}
        if set(given) != known:
            raise CannotTune(f"settings of a training must be {', '.join(sorted(known))}")
        return cls(**{**given, "target_modules": tuple(given["target_modules"])})
