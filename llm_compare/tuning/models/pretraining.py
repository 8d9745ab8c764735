"""What a tiny model learns before it meets people: a rule of its own, and to answer as many made-up persons."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from llm_compare.errors import CannotTune
from llm_compare.prompting.plan import AttributeOrders, attribute_orders
from llm_compare.prompting.variant import (
    AnswerFormat,
    Framing,
    IndecisionOffer,
    IndecisionPlace,
    Marks,
    Variant,
)
from llm_compare.prompting.words import prompt_words
from llm_compare.tuning.models.devices import chosen_device, memory_watched
from llm_compare.tuning.models.forms import Asked, Form, form_of, with_attribute
from llm_compare.tuning.models.libraries import require_libraries
from llm_compare.tuning.models.personas import DISTRACTOR, Persona, own_rule, person_name, persona_of, shares
from llm_compare.tuning.models.tiny_model import (
    LETTERS,
    TEMPLATE,
    TinySettings,
    make_network,
    make_tokenizer,
    save_model,
)
from survey.design import StudyDesign, design_hash

Array = NDArray[np.float64]
T = TypeVar("T")

FORMAT = "equipoise base model"
_FORMATS = (AnswerFormat.LETTER, AnswerFormat.JSON, AnswerFormat.FREE)


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
    personas: int = 64
    own_share: float = 0.35
    """Of the prompts that name nobody, and are answered by the model's own rule."""
    usual_share: float = 0.5
    """Of the prompts that are worded as people are asked, with the design's attributes in its order."""
    alike: float = 0.25
    """Chance that two patients are alike in an attribute by design: pairs that differ in little tell most about it."""
    variants: int = 48
    """Other ways of asking, drawn."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        for name in ("steps", "batch", "forms_at_once", "personas"):
            if getattr(self, name) < 1:
                raise CannotTune(f"{name} = {getattr(self, name)}: must be at least 1")


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
    tokenizer = make_tokenizer(_lines([*sum(usual, ()), *others], names), letters=LETTERS)
    study = _Study.of([*sum(usual, ()), *others], len(sum(usual, ())), tokenizer, names, settings)
    with memory_watched("make a smaller one (--size small, --size tiny)"):
        network = make_network(tokenizer, replace(size, seed=settings.seed)).to(place)
        network.train()
        losses = []
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay,
            betas=(0.9, float(os.environ.get("B2","0.999"))),
        )
        for step in range(settings.steps):
            if stop():
                break
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * rate_at(step, settings)
            loss = _loss(network, list(study.batch(rng)), tokenizer, place)
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
        agreement, indecision = study.own_rule_followed(network, place)
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


def usual_ways(design: StudyDesign) -> tuple[Asked, ...]:
    """Return how people are asked: every arm, the attributes in the design's order."""
    order = tuple(a.name for a in design.attributes)
    return tuple(
        Asked(design=design, arm=arm, variant=Variant(), attribute_order=order) for arm in design.arms
    )


def other_ways(designs: Sequence[StudyDesign], *, count: int, rng: np.random.Generator) -> tuple[Asked, ...]:
    """Draw other ways to ask, so that none is quite new: orders, marks, words, a line that should not count."""
    found = []
    for i in range(count):
        design = designs[i % len(designs)]
        if rng.random() < 0.5 and all(a.name != DISTRACTOR.name for a in design.attributes):
            design = with_attribute(design, DISTRACTOR)
        orders = [
            order
            for kind in (AttributeOrders.ROTATED, AttributeOrders.REVERSED)
            for order in attribute_orders(design, kind)
        ]
        plain = rng.random() < 0.5
        variant = (
            Variant()
            if plain
            else Variant(
                framing=_one_of(tuple(Framing), rng),
                answer_format=_one_of(_FORMATS, rng),
                indecision=_one_of(tuple(IndecisionOffer), rng),
                marks=_one_of(tuple(Marks), rng),
                indecision_place=_one_of(tuple(IndecisionPlace), rng),
            )
        )
        found.append(
            Asked(
                design=design,
                arm=_one_of(design.arms, rng),
                variant=variant,
                attribute_order=_one_of(orders, rng),
            )
        )
    return tuple(found)


def check_folder(folder: Path) -> None:
    """Return quietly if a base may be written here: nothing is, or an earlier base.

    Raises
    ------
    CannotTune
        Something else lies there.
    """
    if not folder.exists():
        return
    if folder.is_dir() and (not any(folder.iterdir()) or _is_base(folder)):
        return
    raise CannotTune(f"{folder} holds something else than a base made here; name another folder with --out")


def save_pretrained(
    made: Pretrained,
    folder: Path,
    *,
    designs: Sequence[StudyDesign],
    size: TinySettings,
    settings: PretrainSettings,
    threads: int,
) -> dict[str, Any]:
    """Write the model so that ``transformers`` loads it, and beside it what it was made of (manifest.json).

    The folder is written whole or not at all, in place of an earlier base.

    Returns
    -------
    dict
        What manifest.json says.

    Raises
    ------
    CannotTune
        Something else lies there.
    """
    check_folder(folder)
    record = manifest(made, designs, size, settings, threads)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        save_model(made.network, made.tokenizer, partial)
        (partial / "manifest.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return record


def manifest(
    made: Pretrained,
    designs: Sequence[StudyDesign],
    size: TinySettings,
    settings: PretrainSettings,
    threads: int,
) -> dict[str, Any]:
    """Return what a tiny model was made of, as plain values for JSON."""
    return {
        "format": FORMAT,
        "format_version": 1,
        "designs": [{"slug": d.slug, "design_hash": design_hash(d)} for d in designs],
        "size": asdict(replace(size, seed=settings.seed)),
        "settings": asdict(settings),
        "threads": threads,
        "n_parameters": sum(p.numel() for p in made.network.parameters()),
        "n_tokens": len(made.tokenizer),
        "own_agreement": made.own_agreement,
        "own_indecision": made.own_indecision,
        "losses": [round(loss, 6) for loss in made.losses],
    }


def _is_base(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        return False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """Prompts of one way to ask, with what is to be answered."""

    ids: NDArray[np.int64]
    offered: NDArray[np.int64]
    shares: Array
    given: NDArray[np.int64]
    """An answer drawn in proportion: what the turn ends after."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Study:
    """Everything that prompts are drawn from."""

    plain: tuple[Form, ...]
    """Naming nobody."""
    named: tuple[Form, ...]
    """The same, naming a person."""
    n_usual: int
    rules: dict[str, tuple[Persona, ...]]
    """The model's own rule, then the persons', by the names of a design's attributes."""
    persons: NDArray[np.int64]
    """Token of each person's name."""
    settings: PretrainSettings

    @classmethod
    def of(
        cls,
        ways: Sequence[Asked],
        n_usual: int,
        tokenizer: Any,
        names: Sequence[str],
        settings: PretrainSettings,
    ) -> _Study:
        rules: dict[str, tuple[Persona, ...]] = {}
        for way in ways:
            if (key := _key(way.design)) not in rules:
                persons = (
                    persona_of(way.design, i + 1, seed=settings.seed) for i in range(settings.personas)
                )
                rules[key] = (own_rule(way.design), *persons)
        named = [replace(w, variant=replace(w.variant, persona=names[0])) for w in ways]
        return cls(
            plain=tuple(form_of(w, tokenizer, TEMPLATE) for w in ways),
            named=tuple(form_of(w, tokenizer, TEMPLATE) for w in named),
            n_usual=n_usual,
            rules=rules,
            persons=np.array([tokenizer.encode(n, add_special_tokens=False)[0] for n in names]),
            settings=settings,
        )

    def batch(self, rng: np.random.Generator) -> Iterator[_Part]:
        """Draw the prompts of one update, a way of asking at a time."""
        n = max(1, self.settings.batch // self.settings.forms_at_once)
        for _ in range(self.settings.forms_at_once):
            usual = rng.random() < self.settings.usual_share or self.n_usual == len(self.plain)
            i = int(rng.integers(self.n_usual) if usual else rng.integers(self.n_usual, len(self.plain)))
            forms = self.plain if rng.random() < self.settings.own_share else self.named
            yield self.part(forms[i], n, rng)

    def part(self, form: Form, n: int, rng: np.random.Generator) -> _Part:
        """Draw ``n`` comparisons for a form; patients alike in everything do occur."""
        counts = [len(tokens) for tokens in form.rows]
        left = np.stack([rng.integers(c, size=n) for c in counts], axis=1)
        right = np.stack([rng.integers(c, size=n) for c in counts], axis=1)
        same = rng.random(left.shape) < self.settings.alike
        right = np.where(same, left, right)
        rules = self.rules[_key(form.asked.design)]
        who = rng.integers(len(self.persons), size=n) if form.persona >= 0 else np.full(n, -1)
        answers = np.empty((n, 3))
        for person in np.unique(who):
            mine = who == person
            answers[mine] = shares(
                rules[person + 1], left[mine], right[mine], indecision_offered=bool(form.offered[2] >= 0)
            )
        return _Part(
            ids=form.filled(left, right, self.persons[np.maximum(who, 0)]),
            offered=form.offered,
            shares=answers,
            given=(rng.random((n, 1)) > answers.cumsum(axis=1)[:, :2]).sum(axis=1),
        )

    def own_rule_followed(self, network: Any, device: str) -> tuple[float, float]:
        """Return how often its likeliest answer is its own rule's, and its mean probability of indecision."""
        import torch

        agreed, undecided = [], []
        rng = np.random.default_rng([self.settings.seed, 2])
        for form in self.plain[: self.n_usual]:
            part = self.part(form, 200, rng)
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


def _loss(network: Any, parts: Sequence[_Part], tokenizer: Any, device: str) -> Any:
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


def _lines(ways: Sequence[Asked], names: Sequence[str]) -> list[str]:
    """Return every line that may be asked or answered, be it in a way that was not drawn."""
    every = [
        Variant(answer_format=kind, marks=marks, indecision=indecision)
        for kind, marks, indecision in product(_FORMATS, Marks, IndecisionOffer)
    ]
    every += [Variant(framing=framing) for framing in Framing]
    found = [line for way in ways for line in way.lines()]
    found += [
        line for way in ways for variant in every for line in replace(way, variant=variant).fixed_lines()
    ]
    for language in {w.variant.language or w.design.language for w in ways}:
        found += [part for part in prompt_words(language).persona["answer_as"].split("{persona}") if part]
    return [*found, *names]


def _key(design: StudyDesign) -> str:
    return "\n".join([design_hash(design), *(a.name for a in design.attributes)])


def _one_of(choices: Sequence[T], rng: np.random.Generator) -> T:
    return choices[int(rng.integers(len(choices)))]
