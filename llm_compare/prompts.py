"""A presentation as messages to a model: the words a person reads, plus how to answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from survey.answers import Choice, Presentation
from survey.design import StudyDesign
from survey.wording import instructions, question, question_text

TEMPLATE = "letter-1"
"""Name and version of the prompt; recorded with every request. Change a word below, change the version."""

LETTERS: Mapping[str, Choice] = {"A": Choice.LEFT, "B": Choice.RIGHT, "C": Choice.INDECISION}
"""What the answer letters mean, in the order in which they are offered."""

_ANSWER_FORMAT = "Answer with one line that holds only a letter:"


class Speaker(StrEnum):
    """Who a message is from, in the words of the chat interfaces (their field ``role``)."""

    SYSTEM = "system"
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of the conversation that a model is asked to continue."""

    role: Speaker
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What each answer was called in the prompt. A reply is read against these and nothing else."""

    left: str
    right: str
    indecision: str | None
    """None where indecision was not offered."""

    def offered(self) -> tuple[tuple[str, str, Choice], ...]:
        """Return (letter, label, choice) of every answer on offer."""
        names = {Choice.LEFT: self.left, Choice.RIGHT: self.right, Choice.INDECISION: self.indecision}
        return tuple(
            (letter, name, choice)
            for letter, choice in LETTERS.items()
            if (name := names[choice]) is not None
        )


def labels(design: StudyDesign, presentation: Presentation) -> Labels:
    """Return what the answers to ``presentation`` are called."""
    asked = question(design, presentation)
    return Labels(left=asked.left, right=asked.right, indecision=asked.indecision)


def messages(design: StudyDesign, presentation: Presentation) -> tuple[Message, ...]:
    """Return the messages that ask a model about ``presentation``.

    The system message holds what a person reads before the first comparison (introduction and
    instructions), the user message what a person reads of this comparison, word for word, and the letters
    that stand in place of the buttons. Consent and debrief concern people only and are left out.
    """
    letters = [f"{letter} = {name}" for letter, name, _ in labels(design, presentation).offered()]
    asked = question_text(question(design, presentation))
    told = instructions(design, indecision_offered=presentation.indecision_offered)
    return (
        Message(
            role=Speaker.SYSTEM,
            content=f"{design.texts.introduction.strip()}\n\n{told}",
        ),
        Message(role=Speaker.USER, content="\n".join([asked, "", _ANSWER_FORMAT, *letters])),
    )
