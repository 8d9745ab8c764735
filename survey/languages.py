"""A study's words in every language it can be taken in, and as one respondent reads them. Pure.

Each text of a design has a dotted key: ``texts.question``, ``attributes.age.levels.young``. A translation has
words for exactly the keys that the design has words for, so that nobody reads two languages on one page. Names (of
levels, options, arms) are never translated: answers mean the same whichever language they were given in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TypeAlias

from survey.acceptability import Acceptability
from survey.allocation_task import AllocationColumn, ChooseOne
from survey.design import Arm, Attribute, CategoricalAttribute, Indecision, StudyDesign, Texts
from survey.errors import SurveyError
from survey.questionnaire import Comprehension, FormQuestion, Option
from survey.suggestions import SuggestionsAsked

Say: TypeAlias = Callable[[str, str], str]
"""From a text's key and words to the words that shall stand in their place."""


class UnknownWords(SurveyError):
    """A language that a study does not have, or words for a text that it does not have."""


def words_of(design: StudyDesign) -> dict[str, str]:
    """Return every text of the design that a respondent may read, by its key, in the order of the design.

    Texts that the design leaves empty are left out, and so are the words for indecision where it is not offered.
    The contact is no text: it stands as it is in every language.
    """
    words: dict[str, str] = {}

    def note(key: str, text: str) -> str:
        words[key] = text
        return text

    _reworded(design, note)
    return words


def with_words(design: StudyDesign, words: Mapping[str, str]) -> StudyDesign:
    """Return the design with other words for the given keys.

    Raises
    ------
    UnknownWords
        The design has no text for a key.
    """
    unknown = sorted(words.keys() - words_of(design).keys())
    if unknown:
        raise UnknownWords(f"study '{design.slug}' has no text {', '.join(unknown)}")
    return _reworded(design, lambda key, text: words.get(key, text))


def worded(design: StudyDesign, *, arm: str, language: str) -> StudyDesign:
    """Return the design as one respondent reads it: in that language, with the words of that arm.

    Profiles, comparisons and names are those of ``design``. Ask ``design`` itself for its hash, its arms' words and
    its other languages; the result has none.

    Raises
    ------
    UnknownWords
        The study cannot be taken in that language.
    BadProfile
        The study has no such arm.
    """
    return _worded(_Same(design), arm, language)


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A design as a key of the cache: itself, not its equals. Profiles are equal whatever they are called, so equal
    designs may differ in names; and comparing objects by identity costs nothing however large the design."""

    design: StudyDesign

    def __hash__(self) -> int:
        return id(self.design)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.design is self.design


@lru_cache(maxsize=256)
def _worded(same: _Same, arm_name: str, language: str) -> StudyDesign:
    design = same.design
    design.arm(arm_name)  # Complains of an unknown arm.
    if language != design.language:
        translation = next((t for t in design.translations if t.language == language), None)
        if translation is None:
            raise UnknownWords(
                f"study '{design.slug}' cannot be taken in '{language}'; it has {', '.join(design.languages)}"
            )
        design = with_words(design, dict(translation.words))
    arm = design.arm(arm_name)
    return replace(
        design,
        language=language,
        translations=(),
        texts=replace(
            design.texts,
            question=arm.question or design.texts.question,
            instructions=arm.instructions or design.texts.instructions,
        ),
        indecision=replace(design.indecision, label=arm.indecision_label or design.indecision.label),
        arms=tuple(replace(a, question="", instructions="", indecision_label="") for a in design.arms),
    )


# --- every text of a design, once ----------------------------------------------------------------------
# Reading the words and replacing them is one walk, so that no text can be in one and not in the other.


def _reworded(design: StudyDesign, say: Say) -> StudyDesign:
    say = _of_what_is_said(say)
    return replace(
        design,
        title=say("study.title", design.title),
        texts=_texts(design.texts, say),
        attributes=tuple(_attribute(attribute, say) for attribute in design.attributes),
        indecision=_indecision(design.indecision, say) if design.indecision.offered else design.indecision,
        arms=tuple(_arm(arm, say) for arm in design.arms),
        comprehension=design.comprehension and _comprehension(design.comprehension, say),
        choose_one=design.choose_one and _choose_one(design.choose_one, say),
        suggestions=design.suggestions and _suggestions(design.suggestions, say),
        acceptability=design.acceptability and _acceptability(design.acceptability, say),
        screener=tuple(_question(question, "screener", say) for question in design.screener),
        demographics=tuple(_question(question, "demographics", say) for question in design.demographics),
    )


def _of_what_is_said(say: Say) -> Say:
    """Return ``say`` for texts that are not empty."""
    return lambda key, text: say(key, text) if text else text


def _texts(texts: Texts, say: Say) -> Texts:
    return Texts(**{f.name: say(f"texts.{f.name}", getattr(texts, f.name)) for f in fields(texts)})


def _attribute(attribute: Attribute, say: Say) -> Attribute:
    key = f"attributes.{attribute.name}"
    label = say(f"{key}.label", attribute.label)
    if isinstance(attribute, CategoricalAttribute):
        levels = (replace(v, words=say(f"{key}.levels.{v.name}", v.words)) for v in attribute.levels)
        return replace(attribute, label=label, levels=tuple(levels))
    return replace(
        attribute,
        label=label,
        words=say(f"{key}.words", attribute.words),
        words_one=say(f"{key}.words_one", attribute.words_one),
    )


def _options(options: tuple[Option, ...], key: str, say: Say) -> tuple[Option, ...]:
    return tuple(replace(option, words=say(f"{key}.{option.name}", option.words)) for option in options)


def _indecision(indecision: Indecision, say: Say) -> Indecision:
    return replace(
        indecision,
        label=say("indecision.label", indecision.label),
        explanation=say("indecision.explanation", indecision.explanation),
        reason_question=say("indecision.reason_question", indecision.reason_question),
        reasons=_options(indecision.reasons, "indecision.reasons", say),
        strict_question=say("indecision.strict_question", indecision.strict_question),
    )


def _arm(arm: Arm, say: Say) -> Arm:
    return replace(
        arm,
        indecision_label=say(f"arms.{arm.name}.indecision_label", arm.indecision_label),
        question=say(f"arms.{arm.name}.question", arm.question),
        instructions=say(f"arms.{arm.name}.instructions", arm.instructions),
    )


def _comprehension(asked: Comprehension, say: Say) -> Comprehension:
    return replace(
        asked,
        text=say("comprehension.text", asked.text),
        options=_options(asked.options, "comprehension.options", say),
        explanation=say("comprehension.explanation", asked.explanation),
    )


def _choose_one(asked: ChooseOne, say: Say) -> ChooseOne:
    def columns(table: str, given: tuple[AllocationColumn, ...]) -> tuple[AllocationColumn, ...]:
        key = f"choose_one.{table}"
        return tuple(
            replace(
                column,
                label=say(f"{key}.{column.name}.label", column.label),
                values=_options(column.values, f"{key}.{column.name}.values", say),
            )
            for column in given
        )

    return replace(
        asked,
        question=say("choose_one.question", asked.question),
        explanation=say("choose_one.explanation", asked.explanation),
        resource_label=say("choose_one.resource_label", asked.resource_label),
        candidate_label=say("choose_one.candidate_label", asked.candidate_label),
        resource=columns("resource", asked.resource),
        columns=columns("columns", asked.columns),
    )


def _suggestions(asked: SuggestionsAsked, say: Say) -> SuggestionsAsked:
    return replace(
        asked,
        questions=tuple(
            replace(
                question,
                question=say(f"suggestions.{question.stance}.question", question.question),
                explanation=say(f"suggestions.{question.stance}.explanation", question.explanation),
                label=say(f"suggestions.{question.stance}.label", question.label),
                why_label=say(f"suggestions.{question.stance}.why_label", question.why_label),
                direction_label=say(
                    f"suggestions.{question.stance}.direction_label", question.direction_label
                ),
            )
            for question in asked.questions
        ),
    )


def _acceptability(asked: Acceptability, say: Say) -> Acceptability:
    return replace(
        asked,
        question=say("acceptability.question", asked.question),
        explanation=say("acceptability.explanation", asked.explanation),
        acceptable=say("acceptability.acceptable", asked.acceptable),
        not_acceptable=say("acceptability.not_acceptable", asked.not_acceptable),
        cannot_say=say("acceptability.cannot_say", asked.cannot_say),
        ranking_question=say("acceptability.ranking_question", asked.ranking_question),
        ranking_explanation=say("acceptability.ranking_explanation", asked.ranking_explanation),
        attributes=tuple(
            replace(
                attribute,
                label=say(f"acceptability.attributes.{attribute.name}.label", attribute.label),
                explanation=say(
                    f"acceptability.attributes.{attribute.name}.explanation", attribute.explanation
                ),
            )
            for attribute in asked.attributes
        ),
    )


def _question(question: FormQuestion, table: str, say: Say) -> FormQuestion:
    key = f"{table}.{question.name}"
    return replace(
        question,
        text=say(f"{key}.text", question.text),
        options=_options(question.options, f"{key}.options", say),
    )
