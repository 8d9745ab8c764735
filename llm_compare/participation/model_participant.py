"""A model that takes a study: which comparisons it is drawn, in which words, and what it answered. Pure.

It is drawn comparisons by the code that draws a participant's. Every call is a conversation of its own: unlike a
person, the model does not remember what it was shown before. It is shown no consent, screener, practice,
demographics or debrief, and is asked nothing after an indecision.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from llm_compare.prompting.call import Settings, is_scripted
from llm_compare.prompting.labels import Labels
from llm_compare.prompting.messages import Message, Wording
from llm_compare.prompting.request import Request
from llm_compare.prompting.variant import (
    AnswerFormat,
    Framing,
    IndecisionOffer,
    IndecisionPlace,
    Marks,
    Paraphrase,
    Variant,
)
from llm_compare.replies.parsing import Parsed
from llm_compare.replies.reply import RecordedReply
from survey.answers import Answer, AnswerSet, Choice, Presentation, RespondentKind, Role
from survey.design import Comparison, ComparisonKind, StudyDesign
from survey.pairing import draw_next, draw_presentations
from survey.pairing.comparisons import Tally

ARM = "model"
"""Arm of every model's answers: a model is not randomized to one of the arms of people."""
FIRST_REPEAT = 1_000_001
"""Repeats of model respondents begin here, so that what ``compare ask`` asked in the same words is another call."""
# Apart from people's draws: no participant has the number 0.
_MODELS = 0
_NEXT = 1
_LEVELS: Mapping[str, Callable[[Any], Any]] = {
    "framing": Framing,
    "answer_format": AnswerFormat,
    "indecision": IndecisionOffer,
    "paraphrase": lambda record: Paraphrase(**record),
    "marks": Marks,
    "indecision_place": IndecisionPlace,
}
"""Fields of a variant that are no plain text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Model respondents that are asked alike: one model, one way of asking, one seed."""

    model: str
    """The litellm model string, or ``scripted/...``."""
    api_base: str | None
    label: str
    """Short name of the model in its respondents' ids."""
    settings: Settings
    variant: Variant
    arm: str
    """Arm of the design whose words and answers are offered."""
    design_hash: str
    seed: int
    """Of the draws. Groups of one study with the same seed are drawn the same comparisons, whatever the model (but
    in an adaptive design, where the answers decide)."""

    @property
    def key(self) -> str:
        """SHA-256 (hex) of what the respondents have in common, but for the label: the same again is the same
        group."""
        common = {
            "model": self.model,
            "api_base": self.api_base,
            "settings": self.settings.sent(),
            "variant": variant_record(self.variant),
            "arm": self.arm,
            "design_hash": self.design_hash,
            "seed": self.seed,
        }
        return hashlib.sha256(json.dumps(common, sort_keys=True).encode()).hexdigest()

    @property
    def scripted(self) -> bool:
        """Whether a script answers, not a model."""
        return is_scripted(self.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A comparison as drawn for a model respondent, in the words that are sent."""

    presentation: Presentation
    messages: tuple[Message, ...]
    labels: Labels
    template: str
    language: str
    repeat: int = FIRST_REPEAT
    """Which call with exactly this content it is; no two respondents share one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelParticipant:
    """One model respondent. Several of one deterministic model answer alike: they are repeats, not people."""

    respondent: str
    """Id in answers, e.g. ``model-gpt-4o-3``."""
    group: Group
    number: int
    """From 1 within the group; seeds the draws."""
    created_at: datetime
    shown: tuple[Shown, ...]
    """In order of position; of an adaptive design those drawn so far."""

    def requests(self) -> tuple[Request, ...]:
        """Return the calls, in order of position."""
        return tuple(request_of(self.group, shown) for shown in self.shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A comparison shown to a model respondent, with its reply and what the reply means."""

    participant: ModelParticipant
    shown: Shown
    recorded: RecordedReply
    parsed: Parsed

    @property
    def answer(self) -> Answer | None:
        """The answer; None where the reply is none (refused, truncated, unreadable, failed)."""
        if self.parsed.choice is None:
            return None
        presentation, reply = self.shown.presentation, self.recorded.reply
        took = None if reply.seconds is None else timedelta(seconds=reply.seconds)
        return Answer(
            respondent=self.participant.respondent,
            kind=RespondentKind.MODEL,
            arm=ARM,
            position=presentation.position,
            left=presentation.left,
            right=presentation.right,
            choice=self.parsed.choice,
            indecision_offered=presentation.indecision_offered,
            design_hash=self.participant.group.design_hash,
            role=presentation.role,
            seconds=reply.seconds,
            seconds_missing=self.recorded.seconds_missing,
            presented_at=reply.asked_at,
            answered_at=None if reply.asked_at is None or took is None else reply.asked_at + took,
        )


def variant_record(variant: Variant) -> dict[str, Any]:
    """Return what a variant sets, by field. Defaults are left out: a factor added later changes no record."""
    usual = asdict(Variant())
    return {name: value for name, value in asdict(variant).items() if value != usual[name]}


def variant_of(record: Mapping[str, Any]) -> Variant:
    """Return the variant of a record."""
    return Variant(**{name: _LEVELS.get(name, str)(value) for name, value in record.items()})


def usual_label(model: str) -> str:
    """Return a short name for a model string: ``gpt-4o`` for ``openai/gpt-4o``.

    That of a script keeps the word, so that its answers cannot be taken for a model's.
    """
    name = model if is_scripted(model) else model.rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-") or "unnamed"


def respondent_id(label: str, number: int) -> str:
    """Return the id of a study's respondent ``number`` of that label."""
    return f"model-{label}-{number}"


def draw_for(
    design: StudyDesign,
    group: Group,
    number: int,
    *,
    draw_seed: int,
    before: Iterable[Presentation],
) -> tuple[Presentation, ...]:
    """Draw what a participant would be drawn when admitted, the practice left out.

    Parameters
    ----------
    draw_seed
        The study's own.
    before
        What the group's earlier respondents were drawn. A balanced design evens out within the group: neither
        people nor other models count.
    """
    drawn = draw_presentations(
        design,
        design.arm(group.arm),
        _rng(group, number, draw_seed),
        asked=_tallies((p, None) for p in before),
    )
    return tuple(p for p in drawn if p.role is not Role.PRACTICE)


def draw_another(
    design: StudyDesign,
    group: Group,
    number: int,
    *,
    draw_seed: int,
    seen: Sequence[tuple[Presentation, Choice | None]],
    by_group: Sequence[tuple[Presentation, Choice | None]],
) -> Presentation | None:
    """Draw the next comparison of an adaptive design; None once all are drawn, and of any other design.

    Parameters
    ----------
    seen
        Everything drawn for this respondent so far, with its answers.
    by_group
        The same of the whole group, this respondent included: the draw follows the group's own answers.
    """
    if design.comparison_kind is not ComparisonKind.ADAPTIVE:
        return None
    there = {presentation.position for presentation, _ in seen}
    wanted = design.comparisons_per_respondent + design.roles.count
    position = next((p for p in range(1, wanted + 1) if p not in there), None)
    if position is None:
        return None
    asked = _tallies(by_group)
    return draw_next(
        design,
        design.arm(group.arm),
        position,
        seen=seen,
        asked=asked,
        answers_so_far=sum(t.first + t.second + t.indecision for t in asked.values()),
        rng=np.random.default_rng([draw_seed, _MODELS, group.seed, number, _NEXT, position]),
        slots_rng=_rng(group, number, draw_seed),
    )


def in_words(wording: Wording, presentation: Presentation) -> Shown:
    """Return a presentation in the words of ``wording``."""
    return Shown(
        presentation=presentation,
        messages=wording.messages(presentation),
        labels=wording.labels(presentation),
        template=wording.template,
        language=wording.language,
    )


def request_of(group: Group, shown: Shown) -> Request:
    """Return the call that shows ``shown`` to a respondent of ``group``."""
    presentation = shown.presentation
    return Request(
        model=group.model,
        api_base=group.api_base,
        messages=shown.messages,
        settings=group.settings,
        template=shown.template,
        labels=shown.labels,
        design_hash=group.design_hash,
        arm=group.arm,
        left=presentation.left,
        right=presentation.right,
        attribute_order=presentation.attribute_order,
        indecision_offered=presentation.indecision_offered,
        repeat=shown.repeat,
        variant=group.variant,
        language=shown.language,
    )


def answers_given(design: StudyDesign, given: Iterable[Given], *, source: str) -> AnswerSet:
    """Return the answers, by respondent and position: what stands beside people's in ``answers.csv``."""
    answers = [answer for one in given if (answer := one.answer) is not None]
    return AnswerSet(attributes=design.attributes, answers=tuple(answers), source=source)


def _rng(group: Group, number: int, draw_seed: int) -> np.random.Generator:
    return np.random.default_rng([draw_seed, _MODELS, group.seed, number])


def _tallies(
    seen: Iterable[tuple[Presentation, Choice | None]],
) -> Mapping[Comparison, Tally]:
    counts: dict[Comparison, Counter[str]] = {}
    for presentation, choice in seen:
        if presentation.role is Role.MAIN:
            comparison = presentation.comparison
            counts.setdefault(comparison, Counter())[_outcome(presentation, choice)] += 1
    return {comparison: Tally(**tally) for comparison, tally in counts.items()}


def _outcome(presentation: Presentation, choice: Choice | None) -> str:
    """Return the part of a ``Tally`` that an answer, or none, belongs to."""
    if choice is None:
        return "pending"
    if choice is Choice.INDECISION:
        return "indecision"
    first_is_left = presentation.left == presentation.comparison.first
    return "first" if (choice is Choice.LEFT) == first_is_left else "second"
