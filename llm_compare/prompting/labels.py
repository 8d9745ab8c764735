"""What the answers are called in a prompt: the only thing that a reply is read against. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_compare.prompting.variant import IndecisionPlace, Marks
from survey.answers import Choice

_MARKS: Mapping[Marks, str] = {Marks.LETTERS: "ABC", Marks.NUMBERS: "123"}
_PLACE: Mapping[IndecisionPlace, int] = {
    IndecisionPlace.FIRST: 0,
    IndecisionPlace.MIDDLE: 1,
    IndecisionPlace.LAST: 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One offered answer."""

    mark: str
    """What stands for it, e.g. ``A``."""
    name: str
    """What it is called, e.g. ``Patient A``."""
    choice: Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Every offered answer, in the order in which they stand in the prompt."""

    options: tuple[Option, ...]

    @classmethod
    def of(
        cls,
        left: str,
        right: str,
        indecision: str | None,
        *,
        marks: Marks = Marks.LETTERS,
        place: IndecisionPlace = IndecisionPlace.MIDDLE,
    ) -> Labels:
        """Name the answers; ``indecision`` is None where it is not offered.

        The patients are marked first, whatever the place of indecision: ``Patient A`` is ``A`` in any order.
        """
        named = [(left, Choice.LEFT), (right, Choice.RIGHT)]
        options = [
            Option(mark=mark, name=name, choice=choice)
            for mark, (name, choice) in zip(_MARKS[marks], named, strict=False)
        ]
        if indecision is not None:
            third = Option(mark=_MARKS[marks][2], name=indecision, choice=Choice.INDECISION)
            options.insert(_PLACE[place], third)
        return cls(options=tuple(options))

    def offered(self) -> tuple[tuple[str, str, Choice], ...]:
        """Return (mark, name, choice) of every answer on offer, in their order."""
        return tuple((o.mark, o.name, o.choice) for o in self.options)

    @property
    def indecision(self) -> str | None:
        """What indecision is called; None where it is not offered."""
        return next((o.name for o in self.options if o.choice is Choice.INDECISION), None)

    def mark(self, choice: Choice) -> str:
        """Return the mark of an offered answer.

        Raises
        ------
        KeyError
            It is not on offer.
        """
        for option in self.options:
            if option.choice is choice:
                return option.mark
        raise KeyError(choice)

    def name(self, choice: Choice) -> str:
        """Return what an offered answer is called.

        Raises
        ------
        KeyError
            It is not on offer.
        """
        for option in self.options:
            if option.choice is choice:
                return option.name
        raise KeyError(choice)
