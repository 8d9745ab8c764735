"""How an adapter is trained: everything that can change its weights. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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
    """Of these, how many a device holds at once; the rest is accumulated. Changes memory, not the batch."""
    gradient_checkpointing: bool = False
    """Compute some of it twice to hold less of it in memory."""
    validation: float = 0.0
    """Share of the training comparisons set apart to stop early: the adapter with the least loss on them is kept.
    0 trains to the end."""
    max_gradient_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        least = {"rank": 1, "steps": 1, "batch": 1, "at_once": 1}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise CannotTune(f"{name} = {getattr(self, name)}: must be at least {value}")
        if not self.learning_rate > 0:
            raise CannotTune(f"learning rate {self.learning_rate:g}: must be above 0")
        if not 0 <= self.validation < 1:
            raise CannotTune(f"validation share {self.validation:g}: must be at least 0 and below 1")
        if not self.target_modules:
            raise CannotTune("no target modules: name layers, or all-linear")

    def as_dict(self) -> dict[str, Any]:
        """Return every setting by its name, as plain values for JSON."""
        return asdict(self)
