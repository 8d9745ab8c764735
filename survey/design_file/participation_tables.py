"""The tables of ``design.toml`` about taking part: questions around the comparisons, recruitment, endings, rules.

Each is checked by itself; what concerns several tables at once is in ``checks``.
"""

from __future__ import annotations

import shlex
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from survey.design_file.fields import (
    LONGEST_NAME,
    MOST_COUNTED,
    MOST_IN_A_LIST,
    Name,
    OptionTable,
    Table,
    Text,
    names_differ,
    options_can_be_told_apart,
    readable,
)
from survey.participation import WaveComparisons
from survey.questionnaire import QuestionKind

_LONGEST_LINK = 2_000
_MOST_DAYS = 3_650
_MOST_MINUTES = 7 * 24 * 60
_MOST_ATTEMPTS = 10
_MOST_WAVES = 100
# Names of fields that the survey's own forms have.
_TAKEN_NAMES = ("csrf_token",)

AtLeastOne = Annotated[int, Field(ge=1, le=MOST_COUNTED)]
Count = Annotated[int, Field(ge=0, le=MOST_COUNTED)]


class ComprehensionTable(Table):
    """[comprehension]."""

    text: Text
    options: Annotated[list[OptionTable], Field(min_length=2, max_length=MOST_IN_A_LIST)]
    right: str
    explanation: Text
    attempts: Annotated[int, Field(ge=1, le=_MOST_ATTEMPTS)] = 2
    screens_out: bool = False

    @model_validator(mode="after")
    def _right_is_an_option(self) -> Self:
        options_can_be_told_apart(self.options, "option")
        names = [option.name for option in self.options]
        if self.right not in names:
            raise ValueError(f"right = '{self.right}' is not one of its options: {', '.join(names)}")
        return self


class ScreenerOptionTable(OptionTable):
    """An option of a question in the screener."""

    screens_out: bool = False


class FormQuestionTable(Table):
    """[[demographics]]."""

    name: Name
    text: Text
    kind: QuestionKind
    options: list[OptionTable] = Field(default_factory=list, max_length=MOST_IN_A_LIST)
    minimum: float | None = None
    maximum: float | None = None

    @field_validator("name")
    @classmethod
    def _name_is_free(cls, name: str) -> str:
        if name in _TAKEN_NAMES:
            raise ValueError(f"'{name}' is a field of every form; choose another name")
        return name

    @model_validator(mode="after")
    def _kind_fits(self) -> Self:
        has_options = self.kind in (QuestionKind.CHOICE, QuestionKind.SEVERAL)
        if has_options and len(self.options) < 2:
            raise ValueError(f"kind = '{self.kind}' needs at least two options")
        if not has_options and self.options:
            raise ValueError(f"options have no meaning with kind = '{self.kind}'; use 'choice' or 'several'")
        options_can_be_told_apart(self.options, "option")
        if self.kind is not QuestionKind.NUMBER and (self.minimum is not None or self.maximum is not None):
            raise ValueError("minimum and maximum have no meaning unless kind = 'number'")
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is not below maximum {self.maximum:g}")
        return self


class ScreenerQuestionTable(FormQuestionTable):
    """[[screener]]."""

    options: list[ScreenerOptionTable] = Field(  # type: ignore[assignment]  # Each is an OptionTable; nobody appends.
        default_factory=list, max_length=MOST_IN_A_LIST
    )

    @model_validator(mode="after")
    def _somebody_may_take_part(self) -> Self:
        if self.options and all(option.screens_out for option in self.options):
            raise ValueError("every option screens out, so that nobody could take part")
        return self


class RecruitmentTable(Table):
    """[recruitment]."""

    required: bool = False
    keep_ids: bool = False
    keep_days: Annotated[int, Field(ge=1, le=_MOST_DAYS)] = 90


class QuotaCellTable(Table):
    """[[quotas.cells]]."""

    question: str
    option: str
    most: AtLeastOne


class QuotasTable(Table):
    """[quotas]."""

    most: AtLeastOne | None = None
    hold_minutes: Annotated[int, Field(ge=1, le=_MOST_MINUTES)] = 60
    cells: list[QuotaCellTable] = Field(default_factory=list, max_length=MOST_IN_A_LIST)


class WavesTable(Table):
    """[waves]."""

    count: Annotated[int, Field(ge=1, le=_MOST_WAVES)] = 1
    comparisons: WaveComparisons = WaveComparisons.NEW
    newcomers: bool = False


def _safe_link(link: str) -> str:
    """Refuse a link that does not lead to a page over HTTPS (or, for trying things out, on this computer)."""
    if any(character.isspace() or not character.isprintable() for character in link):
        raise ValueError("holds a space or an invisible character; a link has none")
    without_code = link.replace("{code}", "")
    if "{" in without_code or "}" in without_code:
        raise ValueError("only {code} can be filled in; remove the other braces")
    try:
        parts = urlsplit(link)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"is not an address: {error}") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host == "localhost")):
        raise ValueError("must begin with https:// (or http://localhost, to try it out)")
    if "{" in parts.netloc or "@" in parts.netloc or "\\" in link:
        raise ValueError("must name the site plainly: {code} only after it, no '@' before it, no backslash")
    return link


class EndingTable(Table):
    """[endings.complete], [endings.declined], ..."""

    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=LONGEST_NAME)] | None = None
    link: Annotated[str, Field(max_length=_LONGEST_LINK), AfterValidator(_safe_link)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.code is None and self.link is None:
            raise ValueError("needs a code, a link, or both; without the table a personal code is made")
        return self


class EndingsTable(Table):
    """[endings], a table for each way to end."""

    complete: EndingTable | None = None
    declined: EndingTable | None = None
    screened_out: EndingTable | None = None
    quota_full: EndingTable | None = None
    withdrawn: EndingTable | None = None

    @model_validator(mode="after")
    def _codes_differ(self) -> Self:
        given = (self.complete, self.declined, self.screened_out, self.quota_full, self.withdrawn)
        names_differ([ending.code for ending in given if ending and ending.code], "code")
        return self


class ExclusionsTable(Table):
    """[exclusions]."""

    unfinished: bool = True
    failed_checks_above: Count | None = None
    dominated_against_above: Count | None = None
    median_seconds_below: Annotated[float, Field(gt=0)] | None = None
    same_side_above: Annotated[float, Field(ge=0.5, lt=1)] | None = None
    repeats_changed_above: Count | None = None
    comprehension_failed: bool = False


def _command_line(text: str) -> str:
    readable(text)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"is not a command line: {str(error).lower()}") from None
    if "\n" in text.strip() or not words:
        raise ValueError("must be one line: a command with its options")
    if words[0] == "equipoise":
        raise ValueError("begins with 'equipoise'; leave that word out, e.g. 'estimate fit answers.csv'")
    return text.strip()


class PreregistrationTable(Table):
    """[preregistration]."""

    analysis: Annotated[str, AfterValidator(_command_line)] = ""
