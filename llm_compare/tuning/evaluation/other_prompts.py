"""The same comparisons in other words: did tuning learn what people hold right, or one prompt?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from llm_compare.alignment.resampling import Measured, Resampling
from llm_compare.prompting.variant import Framing, IndecisionOffer, IndecisionPlace, Marks
from llm_compare.tuning.evaluation.curve import shown
from llm_compare.tuning.evaluation.distractors import mean_measured
from llm_compare.tuning.evaluation.held_out_people import HeldOutPeople
from llm_compare.tuning.evaluation.paired import BeforeAfter, answers_alike, before_and_after
from llm_compare.tuning.evaluation.questions import Questions
from llm_compare.tuning.models.local_model import LocalModel
from survey.design import Comparison

PERSONA = "somebody who has waited for a kidney"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherPrompt:
    """One way of asking that differs from that of the training sets."""

    name: str
    words: str
    questions: Questions
    beside_people: bool
    """Whether people's answers can be held against it: they were offered the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptMoved:
    """What tuning changed under one way of asking."""

    prompt: OtherPrompt
    n_comparisons: int
    same: Measured
    """Chance that an answer before and one after are the same."""
    measured: BeforeAfter | None
    """None where people's answers cannot be held against it."""

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON."""
        none: dict[str, object] = {"before": {}, "after": {}, "difference": {}}
        return {
            "name": self.prompt.name,
            "words": self.prompt.words,
            "n_comparisons": self.n_comparisons,
            "same_before_after": shown(self.same),
            **(none if self.measured is None else self.measured.as_dict()),
        }


def other_prompts(questions: Questions) -> tuple[OtherPrompt, ...]:
    """Return the prompt of the training sets, and those that differ from it in one thing."""
    variant = questions.variant
    names = tuple(a.name for a in questions.design.attributes)
    found = [OtherPrompt(name="as-tuned", words="as tuned", questions=questions, beside_people=True)]

    def add(name: str, words: str, *, beside_people: bool = True, **changed: object) -> None:
        other = questions.asked_as(replace(variant, name=name, **changed))  # type: ignore[arg-type]
        found.append(OtherPrompt(name=name, words=words, questions=other, beside_people=beside_people))

    if variant.marks is Marks.LETTERS:
        add("numbers", "the answers are marked 1, 2, 3", marks=Marks.NUMBERS)
    else:
        add("letters", "the answers are marked A, B, C", marks=Marks.LETTERS)
    if not variant.persona:
        add("persona", f"asked to answer as {PERSONA}", persona=PERSONA)
    if variant.framing is not Framing.CLINICIAN:
        add("clinician", "addressed as a clinician", framing=Framing.CLINICIAN)
    offered = (
        questions.arm.indecision_offered
        if variant.indecision is IndecisionOffer.AS_PEOPLE
        else variant.indecision is not IndecisionOffer.NOT_OFFERED
    )
    if offered:
        place = (
            IndecisionPlace.LAST
            if variant.indecision_place is not IndecisionPlace.LAST
            else IndecisionPlace.MIDDLE
        )
        add(f"indecision-{place}", f"indecision stands {_WHERE[place]}", indecision_place=place)
        add(
            "no-indecision",
            "indecision is not offered",
            beside_people=False,
            indecision=IndecisionOffer.NOT_OFFERED,
        )
    if len(names) > 1:
        found.append(
            OtherPrompt(
                name="reversed",
                words="the attributes are listed in reversed order",
                questions=replace(questions, order=names[::-1]),
                beside_people=True,
            )
        )
    return tuple(found)


def prompts_moved(
    questions: Questions,
    test: HeldOutPeople,
    comparisons: Sequence[Comparison],
    before: LocalModel,
    after: LocalModel,
    resampling: Resampling,
) -> tuple[list[PromptMoved], list[str]]:
    """Ask the same comparisons before and after tuning in every way.

    Parameters
    ----------
    test
        People's answers to (at least) these comparisons.

    Returns
    -------
    tuple
        What was measured, and notes on ways that the model cannot read.
    """
    found, notes = [], []
    for prompt in other_prompts(questions):
        if line := prompt.questions.unknown_words(before, comparisons[:1]):
            notes.append(f"not asked with '{prompt.words}': {before.label} does not know the line '{line}'")
            continue
        was, now = (
            prompt.questions.shares(model, f"{name}.{prompt.name}", comparisons)
            for name, model in (("before", before), ("after", after))
        )
        found.append(
            PromptMoved(
                prompt=prompt,
                n_comparisons=len(comparisons),
                same=mean_measured(answers_alike(was, now), bounds=(0.0, 1.0)),
                measured=before_and_after(test, was, now, resampling) if prompt.beside_people else None,
            )
        )
    return found, notes


_WHERE = {IndecisionPlace.LAST: "last", IndecisionPlace.MIDDLE: "between the patients"}
