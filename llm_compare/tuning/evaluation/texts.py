"""How well a model foretells a text that has nothing to do with the study: what tuning destroys of the language."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llm_compare.errors import NotMeasurable
from llm_compare.tuning.models.local_model import LocalModel, memory_watched

WINDOW = 1024
"""Tokens read at once, or fewer where the model cannot read as many. The first of each is given, not foretold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMoved:
    """Bits per token of one text."""

    file: str
    n_tokens: int
    """Foretold."""
    before: float
    after: float

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON."""
        return {
            "file": self.file,
            "n_tokens": self.n_tokens,
            "bits_per_token_before": self.before,
            "bits_per_token_after": self.after,
        }


def text_moved(path: Path, before: LocalModel, after: LocalModel) -> TextMoved:
    """Measure a text before and after tuning.

    Raises
    ------
    NotMeasurable
        The file cannot be read, or the model does not know its words.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotMeasurable(f"--text {path}: {error}; name a text in UTF-8") from None
    ids = list(before.tokenizer.encode(text, add_special_tokens=False))
    unknown = before.tokenizer.unk_token_id
    if len(ids) <= 1:
        raise NotMeasurable(f"--text {path}: holds fewer than two tokens; name a longer one")
    if unknown is not None and ids.count(unknown) > len(ids) / 2:
        raise NotMeasurable(
            f"--text {path}: {before.label} does not know most of its words (it was made for prompts of a study), "
            "so the text would tell nothing; leave --text out"
        )
    return TextMoved(
        file=path.name,
        n_tokens=_n_foretold(ids, _window(before)),
        before=bits_per_token(before, ids),
        after=bits_per_token(after, ids),
    )


def bits_per_token(model: LocalModel, ids: Sequence[int]) -> float:
    """Return the mean of -log2 of the probability that the model gives to each token after those before it.

    Raises
    ------
    OutOfMemory
        The text does not fit in pieces of :data:`WINDOW` tokens.
    """
    import torch

    window = _window(model)
    total = 0.0
    with (
        memory_watched("load the model in bfloat16 (--dtype bfloat16)"),
        model.active() as network,
        torch.inference_mode(),
    ):
        for start in range(0, len(ids), window):
            piece = torch.tensor([list(ids[start : start + window])], device=model.device)
            if piece.shape[1] > 1:
                logits = network(input_ids=piece).logits[0, :-1].float()
                told = torch.log_softmax(logits, dim=-1).gather(1, piece[0, 1:, None])
                total -= float(told.double().sum())
    return total / math.log(2) / _n_foretold(ids, window)


def _window(model: LocalModel) -> int:
    return WINDOW if model.context is None else min(WINDOW, model.context)


def _n_foretold(ids: Sequence[int], window: int) -> int:
    return sum(min(window, len(ids) - start) - 1 for start in range(0, len(ids), window))
