"""Which calls are made: every comparison, both sides, every repeat; and what makes two calls the same. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from llm_compare.errors import CannotAsk
from llm_compare.prompts import TEMPLATE, Labels, Message, labels, messages
from survey.answers import Answer, Presentation, Role
from survey.design import Arm, Comparison, Profile, StudyDesign, design_hash
from survey.languages import worded

SCRIPTED = "scripted/"
"""Beginning of the names of respondents that follow a script; see ``scripted``."""


def is_scripted(model: str) -> bool:
    """Return whether ``model`` names a scripted respondent rather than a model."""
    return model.startswith(SCRIPTED)


class SideOrder(StrEnum):
    """Which of a comparison's two profiles (in the fixed order of ``Comparison``) stands on the left."""

    FIRST_LEFT = "first_left"
    SECOND_LEFT = "second_left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Parameters of a call. None means: not sent, the provider's default applies."""

    temperature: float | None = None
    max_tokens: int | None = 16
    seed: int | None = None

    def sent(self) -> dict[str, float | int]:
        """Return exactly the parameters that are sent, by their names in the chat interfaces."""
        given = {"temperature": self.temperature, "max_tokens": self.max_tokens, "seed": self.seed}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call to a model: what is sent, and which presentation it stands for."""

    model: str
    """The litellm model string, or ``scripted/...``."""
    api_base: str | None
    """Address of the server; None for the provider's own."""
    messages: tuple[Message, ...]
    settings: Settings
    template: str
    labels: Labels
    design_hash: str
    arm: str
    left: Profile
    right: Profile
    attribute_order: tuple[str, ...]
    indecision_offered: bool
    repeat: int
    """From 1. Makes repeated calls distinct; it is not sent."""

    @property
    def key(self) -> str:
        """SHA-256 (hex) of exactly what is sent: model, address, messages and every parameter.

        The repeat is not in it, nor the design hash: a change of the design that no model can see leaves
        stored replies valid. Scripted respondents see the design itself, so their keys hold its hash.
        """
        sent = {
            "model": self.model,
            "api_base": self.api_base,
            "messages": [{"role": m.role.value, "content": m.content} for m in self.messages],
            "parameters": self.settings.sent(),
        }
        if is_scripted(self.model):
            # A script reads the design itself (``favoured``, levels), not only its words.
            sent["design_hash"] = self.design_hash
        canonical = json.dumps(sent, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def identity(self) -> tuple[str, int]:
        """(key, repeat): two calls with the same identity are the same call and are paid for once."""
        return self.key, self.repeat

    @property
    def side_order(self) -> SideOrder:
        """Which profile stands on the left."""
        first_left = Comparison.of(self.left, self.right).first == self.left
        return SideOrder.FIRST_LEFT if first_left else SideOrder.SECOND_LEFT

    @property
    def presentation(self) -> Presentation:
        """The comparison as it is shown. Every call is a conversation of its own, hence position 1."""
        return Presentation(
            left=self.left,
            right=self.right,
            attribute_order=self.attribute_order,
            indecision_offered=self.indecision_offered,
            position=1,
        )


def plan_requests(
    design: StudyDesign,
    comparisons: Iterable[Comparison],
    *,
    arm: Arm,
    model: str,
    settings: Settings,
    repeats: int = 1,
    api_base: str | None = None,
) -> tuple[Request, ...]:
    """Return every comparison in both side orders, ``repeats`` times, attributes in the design's order.

    Both orders are always asked: with one, a model's preference for a side could not be told from its
    preference for a profile. A design with fixed sides is no exception.

    Raises
    ------
    CannotAsk
        Fewer than one repeat.
    """
    if repeats < 1:
        raise CannotAsk(f"repeats = {repeats}: ask at least once")
    hashed = design_hash(design)
    # Wording variants are arms: a model reads what the people of that arm read.
    read = worded(design, arm=arm.name, language=design.language)
    order = tuple(a.name for a in design.attributes)
    requests: list[Request] = []
    for comparison in comparisons:
        for left, right in (
            (comparison.first, comparison.second),
            (comparison.second, comparison.first),
        ):
            shown = Presentation(
                left=left,
                right=right,
                attribute_order=order,
                indecision_offered=arm.indecision_offered,
                position=1,
            )
            asked, called = messages(read, shown), labels(read, shown)
            requests.extend(
                Request(
                    model=model,
                    api_base=api_base,
                    messages=asked,
                    settings=settings,
                    template=TEMPLATE,
                    labels=called,
                    design_hash=hashed,
                    arm=arm.name,
                    left=left,
                    right=right,
                    attribute_order=order,
                    indecision_offered=arm.indecision_offered,
                    repeat=repeat,
                )
                for repeat in range(1, repeats + 1)
            )
    return tuple(requests)


def comparisons_to_ask(
    design: StudyDesign, *, count: int | None, rng: np.random.Generator
) -> tuple[Comparison, ...]:
    """Return the design's comparisons: all where they can be listed, else ``count`` drawn ones.

    ``count`` defaults to what one respondent of a random design sees; for a listed design it draws so
    many of all.

    Raises
    ------
    CannotAsk
        The design has fewer comparisons than asked for.
    """
    every = design.comparisons()
    if every is not None:
        return every if count is None else drawn_from(every, count, rng)
    wanted = design.comparisons_per_respondent if count is None else count
    found = tuple(Comparison.of(one, other) for one, other in design.draw_pairs(wanted, rng))
    if len(found) < wanted:
        raise _too_few(len(found), wanted)
    return found


def comparisons_answered(answers: Iterable[Answer]) -> tuple[Comparison, ...]:
    """Return the different comparisons that were answered, attention checks left out, in order of appearance.

    Two equal profiles, shown on purpose or by chance, are no comparison.
    """
    return tuple(
        dict.fromkeys(a.comparison for a in answers if a.role is not Role.CHECK and a.left != a.right)
    )


def drawn_from(
    comparisons: Sequence[Comparison], count: int, rng: np.random.Generator
) -> tuple[Comparison, ...]:
    """Return ``count`` of the comparisons, each equally likely, in their order."""
    if count > len(comparisons):
        raise _too_few(len(comparisons), count)
    return tuple(comparisons[i] for i in sorted(rng.permutation(len(comparisons))[:count]))


def _too_few(available: int, wanted: int) -> CannotAsk:
    return CannotAsk(f"{wanted} comparisons asked for, but there are only {available}; ask for fewer")
