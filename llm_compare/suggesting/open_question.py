"""A call that asks a model which attributes should, or should not, count: the words a person reads. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from llm_compare.errors import CannotAsk
from llm_compare.prompting.call import Call, Settings
from llm_compare.prompting.messages import Message, Speaker
from llm_compare.prompting.words import PromptWords, prompt_words
from survey.design import StudyDesign, design_hash
from survey.languages import UnknownWords, worded
from survey.suggestions import OpenQuestion, Stance

VERSION = 1
"""Of the prompts' own words and their order."""
MOST_TOKENS = 1500
"""Of a reply, unless chosen: room for some thirty suggestions with reasons."""
LONGEST_RESPONDENT = 100
"""Characters of a respondent's name in a study's coding."""


class Form(StrEnum):
    """The form of the answer that is asked for."""

    LINES = "lines"
    """A line for each suggestion, its parts divided by ``|``."""
    JSON = "json"


class Part(StrEnum):
    """What a suggestion consists of, by the names of the fields on the page."""

    TEXT = "text"
    DIRECTION = "direction"
    WHY = "why"


@dataclass(frozen=True, kw_only=True)
class OpenCall(Call):
    """One of the two open questions, put to a model in a conversation of its own."""

    question: OpenQuestion
    """In the language asked in."""
    language: str
    form: Form
    persona: str
    design_hash: str
    script_sha256: str = ""
    """Of the stated list that a script draws from; empty for models."""

    @property
    def task(self) -> str:
        """Suggestions."""
        return "suggestions"

    @property
    def stands_for(self) -> Mapping[str, Any]:
        """The question, and how it was put."""
        return {
            "stance": self.question.stance.value,
            "language": self.language,
            "form": self.form.value,
            "persona": self.persona,
            "design_hash": self.design_hash,
            "prompt_version": VERSION,
        }

    @property
    def parts(self) -> tuple[Part, ...]:
        """What a suggestion consists of here, in the order asked for."""
        return parts_of(self.question)

    def _seen_by_scripts(self) -> Mapping[str, Any]:
        return {"stance": self.question.stance.value, "script_sha256": self.script_sha256}


def open_calls(
    design: StudyDesign,
    *,
    model: str,
    settings: Settings,
    api_base: str | None = None,
    language: str = "",
    form: Form = Form.LINES,
    persona: str = "",
    repeats: int = 1,
    script_sha256: str = "",
) -> tuple[OpenCall, ...]:
    """Return every open question of the design, ``repeats`` times.

    Each question is a conversation of its own, so the order in which people read them means nothing here.

    Parameters
    ----------
    language
        One of the design's; empty for its own.
    persona
        Whom to answer as, in the researcher's words; empty: as the model itself.

    Raises
    ------
    CannotAsk
        The design asks no open question, has no such language, or prompts cannot be made in it.
    """
    if design.suggestions is None:
        raise CannotAsk(
            f"study '{design.slug}' does not ask which attributes should count; name a design with a table "
            "[suggestions], such as examples/kidney-attributes.toml"
        )
    if repeats < 1:
        raise CannotAsk(f"repeats = {repeats}: ask at least once")
    language = language or design.language
    words = prompt_words(language)
    try:
        said = worded(design, arm=design.arms[0].name, language=language)
    except UnknownWords as error:
        raise CannotAsk(str(error)) from None
    if said.suggestions is None:
        raise CannotAsk(f"study '{design.slug}' has no open questions in '{language}'")
    hashed = design_hash(design)
    return tuple(
        OpenCall(
            model=model,
            api_base=api_base,
            messages=_messages(said, question, words, form, persona.strip()),
            settings=settings,
            repeat=repeat,
            question=question,
            language=language,
            form=form,
            persona=persona.strip(),
            design_hash=hashed,
            script_sha256=script_sha256,
        )
        for question in said.suggestions.questions
        for repeat in range(1, repeats + 1)
    )


def parts_of(question: OpenQuestion) -> tuple[Part, ...]:
    """Return what a suggestion consists of where this question is asked."""
    asked = {Part.TEXT: True, Part.DIRECTION: question.direction_label, Part.WHY: question.why_label}
    return tuple(part for part in Part if asked[part])


def label_of(question: OpenQuestion, part: Part) -> str:
    """Return what stands above a field of the page."""
    return {
        Part.TEXT: question.label,
        Part.DIRECTION: question.direction_label,
        Part.WHY: question.why_label,
    }[part]


def respondent_name(name: str, *, language: str, own_language: str, repeat: int) -> str:
    """Return what one repeat is called as a respondent: ``NAME#3``, or ``NAME (de)#3`` in another language.

    Raises
    ------
    CannotAsk
        The name is longer than a study's coding keeps, or blank.
    """
    who = name.strip() if language == own_language else f"{name.strip()} ({language})"
    found = f"{who}#{repeat}"
    if not name.strip() or len(found) > LONGEST_RESPONDENT:
        raise CannotAsk(
            f"'{found}' cannot name a respondent: give one of 1 to {LONGEST_RESPONDENT} characters with --label"
        )
    return found


def stances_of(calls: Sequence[OpenCall]) -> tuple[Stance, ...]:
    """Return which questions calls ask, each once."""
    return tuple(dict.fromkeys(call.question.stance for call in calls))


def _messages(
    said: StudyDesign, question: OpenQuestion, words: PromptWords, form: Form, persona: str
) -> tuple[Message, ...]:
    """Return the messages of a question.

    The system message holds what a person reads before (the introduction), the user message what stands on the
    question's page, word for word, and how to answer in place of the fields and buttons. Consent and debrief
    concern people only and are left out.
    """
    before = [
        words.persona["answer_as"].replace("{persona}", persona) if persona else "",
        said.texts.introduction.strip(),
    ]
    told = "\n\n".join(part for part in before if part)
    asked = [part for part in (question.question.strip(), question.explanation.strip()) if part]
    user = "\n\n".join([*asked, "\n".join(_how_to_answer(question, words, form))])
    found = [Message(role=Speaker.USER, content=user)]
    return tuple([Message(role=Speaker.SYSTEM, content=told), *found] if told else found)


def _how_to_answer(question: OpenQuestion, words: PromptWords, form: Form) -> list[str]:
    said, parts = words.suggestions, parts_of(question)
    labels = {part: label_of(question, part).strip() for part in parts}
    if form is Form.JSON:
        example = json.dumps({"suggestions": [dict.fromkeys((part.value for part in parts), "...")]})
        return [
            said["json"].replace("{example}", example),
            *(f"{part.value} = {label}" for part, label in labels.items()),
            said["empty"],
        ]
    nothing = said["nothing"].replace("{word}", said["nothing_word"])
    several = [said["parts"]] if len(parts) > 1 else []
    return [*labels.values(), "", said["lines"], *several, nothing]
