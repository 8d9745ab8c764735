"""How far a model's answers are from people's: the negative log-likelihood of the answers' tokens."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from llm_compare.tuning.training.encoded import Row


def row_nats(network: Any, rows: Sequence[Row], *, pad: int) -> Any:
    r"""Return how surprised the model is by each row's answer.

    Only the answer's tokens count, with the one that ends the turn; those of the prompt never do. Prompts are
    filled up on the left, as they are when the model is asked.

    Parameters
    ----------
    network
        A causal model of ``transformers`` or ``peft``.
    pad
        Any token; what it stands for is never read.

    Returns
    -------
    Tensor of shape (n_rows,), float32: :math:`-\sum_j \log p(a_j \mid prompt, a_1 \dots a_{j-1})` in nats.
    """
    import torch

    device = next(network.parameters()).device
    ids = [[*row.prompt, *row.answer] for row in rows]
    longest = max(map(len, ids))
    tokens = torch.tensor([[pad] * (longest - len(i)) + i for i in ids], device=device)
    mask = torch.tensor([[0] * (longest - len(i)) + [1] * len(i) for i in ids], device=device)
    reach = max(len(row.answer) for row in rows)
    counted = torch.tensor(
        [[0.0] * (reach - len(r.answer)) + [1.0] * len(r.answer) for r in rows], device=device
    )
    given = {
        "position_ids": (mask.cumsum(dim=1) - 1).clamp(min=0),
        # Of all the logits, which fill more memory than anything else, these alone are needed.
        "logits_to_keep": reach + 1,
        "use_cache": False,
    }
    logits = network(
        input_ids=tokens, attention_mask=mask, **{k: v for k, v in given.items() if k in _taken(network)}
    ).logits
    logprobs = torch.log_softmax(logits[:, -reach - 1 : -1].float(), dim=-1)
    said = logprobs.gather(2, tokens[:, -reach:, None]).squeeze(2)
    return -(said * counted).sum(dim=1)


def batch_loss(network: Any, rows: Sequence[Row], *, n_examples: float, pad: int) -> Any:
    r"""Return the loss of rows as part of a batch of so many examples: :math:`\sum_r w_r \, nats_r / n`.

    The parts of a batch, wherever they are computed, sum to its loss.
    """
    import torch

    weights = torch.tensor([row.weight for row in rows], dtype=torch.float32)
    nats = row_nats(network, rows, pad=pad)
    return (nats * weights.to(nats.device)).sum() / n_examples


def _taken(network: Any) -> frozenset[str]:
    """Return what the model underneath can be given: not every architecture takes everything."""
    under = network.get_base_model() if hasattr(network, "get_base_model") else network
    return frozenset(inspect.signature(under.forward).parameters)
