"""What the tables of ``design.toml`` have in common: strict tables, names, texts, options."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any
from unicodedata import category

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from survey.questionnaire import PREFER_NOT_TO_SAY

# As many characters as the database keeps (survey.tables); SQLite would let longer ones pass, PostgreSQL does not.
LONGEST_NAME = 100
LONGEST_LANGUAGE = 35
# More of anything that is counted per participant or per study is a slip of the keyboard.
MOST_COUNTED = 1_000_000
# More in one list is no slip but a file that was made to keep the service busy.
MOST_IN_A_LIST = 1_000

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=LONGEST_NAME)]


def readable(text: str) -> str:
    """Return ``text``, or raise ValueError if it holds a control character, which no page and no database takes."""
    found = next(
        (character for character in text if category(character) == "Cc" and character not in "\t\n\r"), ""
    )
    if found:
        raise ValueError(f"holds the control character {found!r}; remove it")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; write what a respondent is to read")
    return text


MaybeText = Annotated[str, AfterValidator(readable)]
"""Words that may be left empty."""
Text = Annotated[str, AfterValidator(readable), AfterValidator(_not_blank)]
"""Words for a respondent. With "" as default: may be left out, but not be blank."""


def _text_or_number(value: object) -> object:
    """Refuse what a profile cannot hold. A union of types would complain once per type, and read ``true`` as 1."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"must be a text or a number, not {str(value).lower()}")
    return value


Scalar = Annotated[Any, AfterValidator(_text_or_number)]

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


def _language_tag(text: str) -> str:
    if not _LANGUAGE.fullmatch(text) or len(text) > LONGEST_LANGUAGE:
        raise ValueError(f"'{text}' is not a language tag such as 'en', 'de' or 'pt-BR'")
    return text


Language = Annotated[str, AfterValidator(_language_tag)]


class Table(BaseModel):
    """A table of the file: no key but these, no infinite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OptionTable(Table):
    """One of several answers: ``{ name = "...", words = "..." }``."""

    name: Name
    words: Text


def names_differ(names: Sequence[str], what: str) -> None:
    """Raise ValueError if two names are the same."""
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ValueError(f"{what} '{name}' is given twice")


def options_can_be_told_apart(options: Sequence[OptionTable], what: str) -> None:
    """Raise ValueError if two options share a name, or one has the name of "prefer not to say".

    That two options read alike is found later, in every language (``words``).
    """
    names_differ([option.name for option in options], what)
    if PREFER_NOT_TO_SAY in (option.name for option in options):
        raise ValueError(
            f"{what} '{PREFER_NOT_TO_SAY}' is offered with every question anyway; remove it or choose another name"
        )
