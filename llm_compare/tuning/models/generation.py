"""Conversations continued token by token, many at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from llm_compare.tuning.models.prompted import Generated, Prompted, Token
from llm_compare.tuning.models.sampling import Floats, drawn, likeliest

_PAD = 0
"""Stands where a shorter conversation has no token. It is masked, so any token would do; not all tokenizers have
one for it."""


def continued(
    network: Any,
    tokenizer: Any,
    prompted: Sequence[Prompted],
    prompts: Sequence[Sequence[int]],
    *,
    ends: frozenset[int],
) -> list[Generated]:
    """Continue conversations in one batch.

    Parameters
    ----------
    prompts
        The tokens of each conversation.
    ends
        Tokens that end the model's turn.
    """
    writers = [Writer(tokenizer, p, ends) for p in prompted]
    following: list[int] = []
    steps = _logprobs(network, prompts, lambda: following)
    for logprobs in steps:
        following = [w.written(row) if w.writes else _PAD for w, row in zip(writers, logprobs, strict=True)]
        if not any(w.writes for w in writers):
            break
    return [w.result(len(prompt)) for w, prompt in zip(writers, prompts, strict=True)]


class Writer:
    """One continuation as it grows."""

    def __init__(self, tokenizer: Any, prompted: Prompted, ends: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self._prompted = prompted
        self._ends = ends
        self._rng = np.random.default_rng(prompted.seed)
        self._ids: list[int] = []
        self._told: list[Token] = []
        self.writes = True
        """Whether it goes on."""

    def written(self, logprobs: Floats) -> int:
        """Write one token more, given the log-probability of each; return it."""
        asked = self._prompted
        token = drawn(logprobs, temperature=asked.temperature, top_p=asked.top_p, rng=self._rng)
        if asked.top_logprobs and (token not in self._ends or not self._ids):
            self._told.append(self._token(token, logprobs))
        self._ids.append(token)
        self.writes = token not in self._ends and len(self._ids) < asked.max_tokens
        return token

    def result(self, tokens_in: int) -> Generated:
        """Return the continuation of a conversation of ``tokens_in`` tokens."""
        return Generated(
            text=self._text([t for t in self._ids if t not in self._ends], special=False).strip(),
            finish_reason="stop" if self._ids and self._ids[-1] in self._ends else "length",
            tokens_in=tokens_in,
            tokens_out=len(self._ids),
            tokens=tuple(self._told),
        )

    def _token(self, token: int, logprobs: Floats) -> Token:
        top: dict[str, float] = {}
        for candidate in likeliest(logprobs, self._prompted.top_logprobs):
            text, value = self._text([candidate]), float(logprobs[candidate])
            top[text] = float(np.logaddexp(top[text], value)) if text in top else value
        ordered = dict(sorted(top.items(), key=lambda item: -item[1]))
        return Token(text=self._text([token]), logprob=float(logprobs[token]), top=ordered)

    def _text(self, ids: list[int], *, special: bool = True) -> str:
        # Embeddings may be padded beyond the tokenizer; such tokens read as nothing.
        text: str = self._tokenizer.decode(
            ids, skip_special_tokens=not special, clean_up_tokenization_spaces=False
        )
        return text


def _logprobs(
    network: Any, prompts: Sequence[Sequence[int]], following: Callable[[], list[int]]
) -> Iterator[Floats]:
    """Give the log-probabilities of the next token of each conversation, of shape (conversations, tokens).

    ``following`` tells the tokens that were taken, before the next are asked for.
    """
    import torch

    device = next(network.parameters()).device
    known = inspect.signature(network.forward).parameters
    longest = max(map(len, prompts))
    # Padded on the left, so that all continue at the same place; what is padded is masked and has no position.
    tokens = torch.tensor([[_PAD] * (longest - len(p)) + list(p) for p in prompts], device=device)
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=device)
    past = None
    while True:
        places = (mask.cumsum(dim=1) - 1).clamp(min=0)
        new = slice(None) if past is None else slice(-1, None)
        given = {"position_ids": places[:, new], "use_cache": True, "logits_to_keep": 1}
        given = {name: value for name, value in given.items() if name in known}
        if "past_key_values" in known:
            given["past_key_values"] = past
        with torch.inference_mode():
            found = network(input_ids=tokens[:, new], attention_mask=mask, **given)
            past = getattr(found, "past_key_values", None)  # None: such a model reads everything again.
            logprobs = torch.log_softmax(found.logits[:, -1].float(), dim=-1).cpu().numpy()
        yield logprobs
        tokens = torch.cat([tokens, torch.tensor(following(), device=device)[:, None]], dim=1)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
