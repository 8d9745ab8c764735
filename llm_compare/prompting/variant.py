"""Variants of a prompt: everything about asking that may be varied on purpose, and is recorded. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from llm_compare.errors import CannotAsk


class Framing(StrEnum):
    """As whom the model is addressed."""

    PLAIN = "plain"
    """As people are: not at all."""
    ETHICIST = "ethicist"
    CLINICIAN = "clinician"


class AnswerFormat(StrEnum):
    """How the model is asked to answer, in place of the buttons that people press."""

    LETTER = "letter"
    """One line that holds the mark of an answer."""
    JSON = "json"
    """A JSON object; where the provider takes a schema, it is sent and allows the offered answers only."""
    REASONED = "reasoned"
    """Reasons first, then a line ``Answer: X``."""
    FREE = "free"
    """Own words; no marks are shown."""
    SCALE = "scale"
    """A whole number from -3 (surely the left) to 3 (surely the right); 0 is indecision, if offered."""
    ALLOCATION = "allocation"
    """100 points spread over the offered answers."""
    FIRST_TOKEN = "first-token"  # noqa: S105 - a word, no password
    """As ``letter``, but the probabilities of the first token are read, where the provider gives them."""

    @property
    def brings_shares(self) -> bool:
        """Whether a reply gives a share of each answer, not one answer."""
        return self in (AnswerFormat.ALLOCATION, AnswerFormat.FIRST_TOKEN)


class IndecisionOffer(StrEnum):
    """Which answer stands for indecision."""

    AS_PEOPLE = "as-people"
    """What the arm of the design offers, in its words."""
    NOT_OFFERED = "not-offered"
    COIN = "flip-a-coin"
    CANNOT = "cannot-decide"


class Marks(StrEnum):
    """What the offered answers are called for short."""

    LETTERS = "letters"
    """A, B, C."""
    NUMBERS = "numbers"
    """1, 2, 3."""


class IndecisionPlace(StrEnum):
    """Where indecision stands among the offered answers: its rate must not be confused with its place."""

    LAST = "last"
    MIDDLE = "middle"
    FIRST = "first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paraphrase:
    """The same study in other words. What is empty stays as the design says it."""

    name: str
    introduction: str = ""
    instructions: str = ""
    question: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way of asking. The defaults ask word for word as people are asked."""

    name: str = "as-people"
    framing: Framing = Framing.PLAIN
    persona: str = ""
    """Who the model shall answer as, in the study author's words; empty for nobody."""
    answer_format: AnswerFormat = AnswerFormat.LETTER
    indecision: IndecisionOffer = IndecisionOffer.AS_PEOPLE
    language: str = ""
    """A language of the design; empty for its own."""
    paraphrase: Paraphrase | None = None
    marks: Marks = Marks.LETTERS
    indecision_place: IndecisionPlace = IndecisionPlace.MIDDLE
    """On people's screens it stands between the patients."""

    def __post_init__(self) -> None:
        """Refuse what cannot go together."""
        if not self.name:
            raise CannotAsk("a variant of the prompt has no name; give each its own")

    @property
    def asks_as_people(self) -> bool:
        """Whether a model reads of the study what people read, and is offered what they are."""
        return (
            self.framing is Framing.PLAIN
            and not self.persona
            and self.paraphrase is None
            and self.indecision is IndecisionOffer.AS_PEOPLE
            and self.indecision_place is IndecisionPlace.MIDDLE
        )

    def as_dict(self) -> dict[str, Any]:
        """Return every part by its name, as plain values for JSON."""
        return asdict(self)

    def factors(self) -> dict[str, str]:
        """Return the level of every factor, by the factor's name, for tables and comparisons between levels."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "name"}
        return {
            name: (value.name if isinstance(value, Paraphrase) else str(value or ""))
            for name, value in found.items()
        }
