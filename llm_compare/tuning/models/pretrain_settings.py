"""How a tiny model is pre-trained: everything that can change its weights, but for its size. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from llm_compare.errors import CannotTune


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainSettings:
    """Settings of a pre-training. Same settings, same designs, same bytes on a CPU with as many threads."""

    steps: int = 700
    batch: int = 96
    """Prompts per update."""
    forms_at_once: int = 4
    """Ways of asking in one update."""
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises; then it falls to 0 along a cosine."""
    personas: int = 24
    own_share: float = 0.35
    """Of the prompts that name nobody, and are answered by the model's own rule."""
    usual_share: float = 0.5
    """Of the prompts that are worded as people are asked, with the design's attributes in its order."""
    alike: float = 0.25
    """Chance that two patients are made alike in an attribute: pairs that differ in little tell most about it."""
    variants: int = 48
    """Other ways of asking, drawn."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        for name in ("steps", "batch", "forms_at_once", "personas"):
            if getattr(self, name) < 1:
                raise CannotTune(f"{name} = {getattr(self, name)}: must be at least 1")
