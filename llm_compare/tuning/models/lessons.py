"""What a tiny model is given to learn from: prompts of its studies, asked in many ways, with who is to answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

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
from llm_compare.tuning.models.forms import Asked, Form, form_of, with_attribute
from llm_compare.tuning.models.personas import DISTRACTOR, Persona, own_rule, persona_of, shares
from llm_compare.tuning.models.pretrain_settings import PretrainSettings
from llm_compare.tuning.models.tiny_model import TEMPLATE
from survey.design import StudyDesign, design_hash

Array = NDArray[np.float64]
T = TypeVar("T")

_FORMATS = (AnswerFormat.LETTER, AnswerFormat.JSON, AnswerFormat.FREE)


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Prompts of one way to ask, with what is to be answered."""

    ids: NDArray[np.int64]
    offered: NDArray[np.int64]
    shares: Array
    given: NDArray[np.int64]
    """An answer drawn in proportion: what the turn ends after."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lessons:
    """Everything that prompts are drawn from."""

    plain: tuple[Form, ...]
    """Naming nobody."""
    named: tuple[Form, ...]
    """The same, naming a person."""
    n_usual: int
    rules: dict[str, tuple[Persona, ...]]
    """The model's own rule, then the persons', for each design."""
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
    ) -> Lessons:
        """Return the lessons of these ways to ask, the first ``n_usual`` of which are those of people.

        Raises
        ------
        CannotTune
            A study cannot be read by a tiny model.
        """
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

    def batch(self, rng: np.random.Generator) -> Iterator[Part]:
        """Draw the prompts of one update, a way of asking at a time."""
        n = max(1, self.settings.batch // self.settings.forms_at_once)
        for _ in range(self.settings.forms_at_once):
            usual = rng.random() < self.settings.usual_share or self.n_usual == len(self.plain)
            i = int(rng.integers(self.n_usual) if usual else rng.integers(self.n_usual, len(self.plain)))
            forms = self.plain if rng.random() < self.settings.own_share else self.named
            yield self.part(forms[i], n, rng)

    def part(self, form: Form, n: int, rng: np.random.Generator) -> Part:
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
        return Part(
            ids=form.filled(left, right, self.persons[np.maximum(who, 0)]),
            offered=form.offered,
            shares=answers,
            given=(rng.random((n, 1)) > answers.cumsum(axis=1)[:, :2]).sum(axis=1),
        )


def lines_of(ways: Sequence[Asked], names: Sequence[str]) -> list[str]:
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
