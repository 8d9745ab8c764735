"""Prompts of a study with blanks for the patients: made word for word once, filled in by the thousand. Pure but for
the tokenizer.

Writing and reading every prompt of a pre-training anew would take longer than the training itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_compare.errors import CannotTune
from llm_compare.prompting.messages import Message, Wording
from llm_compare.prompting.variant import Variant
from llm_compare.tuning.models.chat import prompt_ids
from llm_compare.tuning.models.personas import CHOICES, check_values
from llm_compare.tuning.training_sets.example import said
from survey.answers import Choice, Presentation
from survey.design import Arm, Attribute, Profile, StudyDesign
from survey.wording import value_words

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One way in which a study is asked."""

    design: StudyDesign
    arm: Arm
    variant: Variant
    attribute_order: tuple[str, ...]

    def presentation(self, left: Profile, right: Profile, *, indecision_offered: bool) -> Presentation:
        """Return these two patients as they are shown."""
        return Presentation(
            left=left,
            right=right,
            attribute_order=self.attribute_order,
            indecision_offered=indecision_offered,
            position=1,
        )

    def messages(self, left: Profile, right: Profile) -> tuple[Message, ...]:
        """Return the messages that ask about these two patients, word for word."""
        wording = Wording.of(self.design, arm=self.arm, variant=self.variant)
        return wording.messages(self.presentation(left, right, indecision_offered=wording.indecision_offered))

    def answers(self) -> dict[Choice, str]:
        """Return what a model says for each answer on offer."""
        wording = Wording.of(self.design, arm=self.arm, variant=self.variant)
        labels = wording.labels(
            self.presentation(*two_patients(self.design), indecision_offered=wording.indecision_offered)
        )
        return {choice: said(labels, choice, self.variant.answer_format) for _, _, choice in labels.offered()}

    def lines(self) -> tuple[str, ...]:
        """Return every line that may stand in a prompt, and everything that a model may answer."""
        words = Wording.of(self.design, arm=self.arm, variant=self.variant).design
        return (
            *self.fixed_lines(),
            *(row_line(a, i) for a in words.attributes for i in range(a.value_count)),
        )

    def fixed_lines(self) -> tuple[str, ...]:
        """Return the lines of a prompt about two patients, and everything that a model may answer."""
        found = [line for m in self.messages(*two_patients(self.design)) for line in m.content.split("\n")]
        return (*found, *self.answers().values())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Form:
    """A prompt's tokens, and which of them say what the patients are like."""

    asked: Asked
    ids: Ids
    """Tokens of the prompt about two patients that differ in everything."""
    left: Ids
    """Place of each attribute's line of the left patient, in the design's order of attributes."""
    right: Ids
    rows: tuple[Ids, ...]
    """Token of each value of each attribute."""
    offered: Ids
    """Token of the answers left, right, indecision; -1 where it is not on offer."""
    persona: int
    """Place of the persona's name; -1 where the prompt names none."""

    def filled(self, left: Ids, right: Ids, personas: Ids) -> Ids:
        """Return the tokens of prompts, shape (n, length).

        Parameters
        ----------
        left, right
            Places of the values among each attribute's values, shape (n, n_attributes).
        personas
            Token of each prompt's persona, shape (n,); not used where the form names none.
        """
        found = np.tile(self.ids, (len(left), 1))
        for k, tokens in enumerate(self.rows):
            found[:, self.left[k]] = tokens[left[:, k]]
            found[:, self.right[k]] = tokens[right[:, k]]
        if self.persona >= 0:
            found[:, self.persona] = personas
        return found


def form_of(asked: Asked, tokenizer: Any, template: str) -> Form:
    """Return the form of one way to ask.

    Raises
    ------
    CannotTune
        The tokenizer does not write each line as one token.
    """
    left, right = two_patients(asked.design)
    ids = np.array(prompt_ids(tokenizer, template, asked.messages(left, right)), dtype=np.int64)
    words = Wording.of(asked.design, arm=asked.arm, variant=asked.variant).design
    rows = tuple(
        np.array([_token(tokenizer, row_line(a, i)) for i in range(a.value_count)], dtype=np.int64)
        for a in words.attributes
    )
    answers = asked.answers()
    persona = asked.variant.persona
    return Form(
        asked=asked,
        ids=ids,
        left=np.array([_place(ids, tokens[0]) for tokens in rows]),
        right=np.array([_place(ids, tokens[-1]) for tokens in rows]),
        rows=rows,
        offered=np.array([_token(tokenizer, answers[c]) if c in answers else -1 for c in CHOICES]),
        persona=_place(ids, _token(tokenizer, persona)) if persona else -1,
    )


def row_line(attribute: Attribute, place: int) -> str:
    """Return the line of a prompt that says this value of a patient."""
    check_values(attribute)
    return f"- {attribute.label}: {value_words(attribute, attribute.values[place])}"


def two_patients(design: StudyDesign) -> tuple[Profile, Profile]:
    """Return two patients who differ in every attribute: the first and the last value of each."""
    first = Profile(tuple((a.name, a.values[0]) for a in design.attributes))
    last = Profile(tuple((a.name, a.values[-1]) for a in design.attributes))
    return first, last


def with_attribute(design: StudyDesign, attribute: Attribute) -> StudyDesign:
    """Return the design with one more attribute, listed last."""
    return replace(design, attributes=(*design.attributes, attribute))


def _token(tokenizer: Any, line: str) -> int:
    ids: Sequence[int] = tokenizer.encode(line, add_special_tokens=False)
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise CannotTune(f"the tokenizer does not write {line!r} as one token; make the base for this design")
    return int(ids[0])


def _place(ids: Ids, token: int) -> int:
    (places,) = np.nonzero(ids == token)
    if len(places) != 1:
        raise CannotTune(
            "a prompt must show each patient's attributes once, each in a line of its own; give the attributes "
            "different labels, and words without line breaks"
        )
    return int(places[0])
