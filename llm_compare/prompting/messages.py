"""A presentation as messages to a model: the words a person reads, plus how to answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from llm_compare.prompting.labels import Labels
from llm_compare.prompting.variant import AnswerFormat, IndecisionOffer, Marks, Variant
from llm_compare.prompting.words import PromptWords, prompt_words
from survey.answers import Choice, Presentation
from survey.design import Arm, Indecision, StudyDesign
from survey.languages import worded
from survey.wording import instructions, question, question_text

VERSION = 2
"""Of the prompts' own words and their order; recorded with every request as part of the template's name."""


class Speaker(StrEnum):
    """Who a message is from, in the words of the chat interfaces (their field ``role``)."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    """What the model said before, in a conversation of several turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of the conversation that a model is asked to continue."""

    role: Speaker
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A study in the words of one variant: what is said to a model, apart from the comparison itself."""

    design: StudyDesign
    """In the variant's language, paraphrase and words of indecision."""
    variant: Variant
    words: PromptWords
    indecision_offered: bool

    @classmethod
    def of(cls, design: StudyDesign, *, arm: Arm, variant: Variant) -> Wording:
        """Word ``design`` for one arm and one variant.

        Raises
        ------
        CannotAsk
            Prompts cannot be made in that language.
        survey.errors.BadDesign
            The study has no such language.
        """
        language = variant.language or design.language
        said = worded(design, arm=arm.name, language=language)
        words = prompt_words(language)
        said = replace(said, indecision=_indecision(said, variant, words))
        if (other := variant.paraphrase) is not None:
            texts = {
                key: text
                for key in ("introduction", "instructions", "question")
                if (text := getattr(other, key).strip())
            }
            said = replace(said, texts=replace(said.texts, **texts))
        offered = arm.indecision_offered
        if variant.indecision is not IndecisionOffer.AS_PEOPLE:
            offered = variant.indecision is not IndecisionOffer.NOT_OFFERED
        return cls(design=said, variant=variant, words=words, indecision_offered=offered)

    @property
    def language(self) -> str:
        """The language tag asked in."""
        return self.variant.language or self.design.language

    @property
    def template(self) -> str:
        """Name and version of the prompt."""
        return f"{self.variant.answer_format}-{VERSION}"

    def labels(self, presentation: Presentation) -> Labels:
        """Return what the answers to ``presentation`` are called."""
        asked = question(self.design, presentation)
        return Labels.of(
            asked.left,
            asked.right,
            asked.indecision,
            marks=self.variant.marks,
            place=self.variant.indecision_place,
        )

    def messages(self, presentation: Presentation) -> tuple[Message, ...]:
        """Return the messages that ask a model about ``presentation``.

        The system message holds what a person reads before the first comparison (introduction and instructions),
        the user message what a person reads of this comparison, word for word, and how to answer in place of the
        buttons. Consent and debrief concern people only and are left out.
        """
        told = instructions(self.design, indecision_offered=presentation.indecision_offered)
        before = [
            self.words.role(self.variant.framing),
            self.words.persona["answer_as"].replace("{persona}", self.variant.persona.strip())
            if self.variant.persona.strip()
            else "",
            self.design.texts.introduction.strip(),
            told,
        ]
        asked = question_text(question(self.design, presentation))
        how = _how_to_answer(self.variant, self.words, self.labels(presentation))
        return (
            Message(role=Speaker.SYSTEM, content="\n\n".join(part for part in before if part)),
            Message(role=Speaker.USER, content="\n".join([asked, "", *how])),
        )


def _indecision(design: StudyDesign, variant: Variant, words: PromptWords) -> Indecision:
    if variant.indecision in (IndecisionOffer.AS_PEOPLE, IndecisionOffer.NOT_OFFERED):
        return design.indecision
    label = words.indecision["coin" if variant.indecision is IndecisionOffer.COIN else "cannot"]
    explanation = words.indecision["explanation"].replace("{label}", label)
    return replace(design.indecision, label=label, explanation=explanation)


def _how_to_answer(variant: Variant, words: PromptWords, labels: Labels) -> list[str]:
    kind = variant.answer_format
    marked = [f"{mark} = {name}" for mark, name, _ in labels.offered()]
    if kind in (AnswerFormat.LETTER, AnswerFormat.FIRST_TOKEN):
        return [words.answer["letter" if variant.marks is Marks.LETTERS else "number"], *marked]
    if kind is AnswerFormat.FREE:
        return [words.answer["free"], *(f"- {name}" for _, name, _ in labels.offered())]
    if kind is AnswerFormat.SCALE:
        ends = words.answer["scale"].replace("{left}", labels.name(Choice.LEFT))
        middle = (
            words.answer["scale_decided"]
            if labels.indecision is None
            else words.answer["scale_indecision"].replace("{label}", labels.indecision)
        )
        return [ends.replace("{right}", labels.name(Choice.RIGHT)), middle]
    if kind is AnswerFormat.ALLOCATION:
        marks = ", ".join(f'"{mark}": ...' for mark, _, _ in labels.offered())
        return [words.answer["allocation"].replace("{example}", "{" + marks + "}"), *marked]
    return [words.answer[kind], *marked]
