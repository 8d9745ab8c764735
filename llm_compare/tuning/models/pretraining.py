"""What a tiny model learns before it meets people: a rule of its own, and to answer as many made-up persons."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_compare.errors import CannotTune
from llm_compare.tuning.models.devices import chosen_device, memory_watched
from llm_compare.tuning.models.lessons import Lessons, Part, lines_of, other_ways, usual_ways
from llm_compare.tuning.models.libraries import require_libraries
from llm_compare.tuning.models.personas import person_name
from llm_compare.tuning.models.pretrain_settings import PretrainSettings
from llm_compare.tuning.models.tiny_model import (
    LETTERS,
    TinySettings,
    make_network,
    make_tokenizer,
)
from survey.design import StudyDesign

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pretrained:
    """A tiny model that has learned."""

    network: Any
    tokenizer: Any
    losses: tuple[float, ...]
    """Of every step: cross-entropy of the answer in nats."""
    own_agreement: float
    """Share of fresh comparisons that it answers, worded as people are asked, by its own rule."""
    own_indecision: float
    """Its mean probability of indecision where it is on offer."""


def pretrain(
    designs: Sequence[StudyDesign],
    *,
    size: TinySettings,
    settings: PretrainSettings,
    device: str = "cpu",
    threads: int = 1,
    progress: Callable[[str], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Pretrained:
    """Make a tiny model for these studies, and let it learn.

    Every prompt is one of the words that a study's respondents read. The loss is the cross-entropy between the
    exact probabilities of whoever is to answer and the model's, over the first token of an answer, plus that of
    ending the turn after it.

    Raises
    ------
    CannotTune
        A study cannot be read by a tiny model; stopped before it learned anything.
    MissingExtra, BadModel, OutOfMemory
        See :func:`llm_compare.tuning.models.loading.loaded`.
    """
    require_libraries()
    import torch

    if not designs:
        raise CannotTune("a tiny model reads only the studies it is made for; name at least one design")
    torch.set_num_threads(threads)
    place = chosen_device(device)
    rng = np.random.default_rng([settings.seed, 1])
    usual = [usual_ways(design) for design in designs]
    others = other_ways(designs, count=settings.variants, rng=rng)
    names = [person_name(i + 1) for i in range(settings.personas)]
    tokenizer = make_tokenizer(lines_of([*sum(usual, ()), *others], names), letters=LETTERS)
    lessons = Lessons.of([*sum(usual, ()), *others], len(sum(usual, ())), tokenizer, names, settings)
    with memory_watched("make a smaller one (--size small, --size tiny)"):
        network = make_network(tokenizer, replace(size, seed=settings.seed)).to(place)
        network.train()
        losses = []
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        for step in range(settings.steps):
            if stop():
                break
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * rate_at(step, settings)
            loss = _loss(network, list(lessons.batch(rng)), tokenizer, place)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                raise CannotTune(
                    f"the loss is no number after {step + 1} steps; take a smaller --learning-rate"
                )
            progress(f"step {step + 1} of {settings.steps}, loss {losses[-1]:.3f}")
        if not losses:
            raise CannotTune("stopped before the first step; nothing was learned")
        network.eval()
        agreement, indecision = _own_rule_followed(lessons, network, place)
    return Pretrained(
        network=network.to("cpu"),
        tokenizer=tokenizer,
        losses=tuple(losses),
        own_agreement=agreement,
        own_indecision=indecision,
    )


def rate_at(step: int, settings: PretrainSettings) -> float:
    """Return the learning rate of a step as a share of the largest."""
    rising = max(1, round(settings.warmup * settings.steps))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, settings.steps - rising)))


def _own_rule_followed(lessons: Lessons, network: Any, device: str) -> tuple[float, float]:
    """Return how often its likeliest answer is its own rule's, and its mean probability of indecision."""
    import torch

    agreed, undecided = [], []
    rng = np.random.default_rng([lessons.settings.seed, 2])
    for form in lessons.plain[: lessons.n_usual]:
        part = lessons.part(form, 200, rng)
        known = np.flatnonzero(form.offered >= 0)
        with torch.inference_mode():
            found = network(input_ids=torch.tensor(part.ids, device=device), use_cache=False)
        logits = found.logits[:, -1].float().cpu().numpy()[:, form.offered[known]]
        chance = np.exp(logits - logits.max(axis=1, keepdims=True))
        chance /= chance.sum(axis=1, keepdims=True)
        clear = part.shares.max(axis=1) > 0.5 + 1e-9
        agreed.append((known[chance.argmax(axis=1)] == part.shares.argmax(axis=1))[clear].mean())
        if form.offered[2] >= 0:
            undecided.append(chance[:, known == 2].mean())
    return float(np.mean(agreed)), float(np.mean(undecided)) if undecided else 0.0


def _loss(network: Any, parts: Sequence[Part], tokenizer: Any, device: str) -> Any:
    """Return the mean loss over the prompts of one update."""
    import torch

    total = sum(len(p.ids) for p in parts)
    longest = max(p.ids.shape[1] for p in parts) + 1
    ids = np.full((total, longest), tokenizer.pad_token_id)
    last = np.empty(total, dtype=np.int64)
    wanted = np.zeros((total, len(tokenizer)), dtype=np.float32)
    at = 0
    for part in parts:
        n, length = part.ids.shape
        rows = np.arange(at, at + n)
        known = part.offered >= 0
        ids[rows, :length] = part.ids
        ids[rows, length] = part.offered[part.given]
        last[rows] = length - 1
        wanted[np.ix_(rows, part.offered[known])] = part.shares[:, known]
        at += n
    # What is padded stands on the right, where no earlier token can see it: no mask is needed.
    hidden = network.model(input_ids=torch.tensor(ids, device=device), use_cache=False).last_hidden_state
    every = torch.arange(total, device=device)
    answer = torch.tensor(last, device=device)
    told = torch.log_softmax(network.lm_head(hidden[every, answer]).float(), dim=-1)
    ended = torch.log_softmax(network.lm_head(hidden[every, answer + 1]).float(), dim=-1)
    end = ended[:, tokenizer.eos_token_id].mean()
    return -(torch.tensor(wanted, device=device) * told).sum(dim=-1).mean() - 0.1 * end
