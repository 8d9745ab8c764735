"""The survey's errors: what is wrong, where, and the way out."""

from __future__ import annotations


class EquipoiseError(Exception):
    """Anything that a caller can react to; the message says what, where and what to do.

    The commands print it and exit with code 2, the web answers 4xx. It lives here because every
    package may import from ``survey`` and each derives its own base from it.
    """


class SurveyError(EquipoiseError):
    """Base of the survey's errors."""


class BadDesign(SurveyError):
    """A study design that cannot be used; ``complaints`` holds every problem found, one per line."""

    def __init__(self, complaints: list[str], where: str = "design") -> None:
        self.complaints = complaints
        super().__init__(f"{where}: {len(complaints)} problem(s)\n" + "\n".join(f"  {c}" for c in complaints))


class NoComparisons(SurveyError):
    """A study that asks for attributes alone, where comparisons are needed."""


class BadProfile(SurveyError):
    """A profile whose values do not fit the design's attributes."""


class BadAnswers(SurveyError):
    """An answers file that cannot be read; the message names file and row."""
