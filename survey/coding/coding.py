"""A study's suggestions with the categories that coders put them into: the one object that everything here reads.

It comes from the database (``survey.store.coding_data``) or from a file (``coding_file``). Nothing in it is decided
by a program: proposals of models and groups of look-alikes stand beside the coders' own codes, marked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from survey.answers import RespondentKind
from survey.errors import SurveyError
from survey.suggestions import Stance


class CodingError(SurveyError):
    """A coding cannot be read, changed or used in this way."""


class CodeKind(StrEnum):
    """Who gave a code."""

    CODER = "coder"
    """A person, on the person's own."""
    MODEL = "model"
    """A proposal of a language model: never counted, only compared."""
    ADJUDICATED = "adjudicated"
    """Settled after coders differed; counts before any coder's."""


class Outcome(StrEnum):
    """What a code says of a suggestion."""

    CATEGORY = "category"
    """It belongs to the category named; a suggestion may have several such codes."""
    NO_CATEGORY = "no_category"
    """It names something that none of the categories holds."""
    UNUSABLE = "unusable"
    """It names nothing: empty, abusive, or beside the question."""


class Ended(StrEnum):
    """Why a category is offered to coders no longer. What it still has is to be coded again."""

    SPLIT = "split"
    RETIRED = "retired"
    """Given up, with none in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A coded attribute."""

    name: str
    """Identifier in files, e.g. ``age``; never changes."""
    label: str
    """What coders and readers of results see."""
    definition: str = ""
    """When to use it, and when not."""
    merged_into: str = ""
    """Name of the category that stands for this one since they were merged; empty: it stands for itself."""
    split_from: str = ""
    """Name of the category that was split into this and others; empty: none."""
    retired: bool = False
    """No longer offered to coders (split, or given up); what was coded with it keeps it until coded anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One entry of one respondent."""

    id: int
    """Unique within a coding."""
    respondent: str
    """Pseudonymous code of a participant, or what an import or a model is called."""
    kind: RespondentKind
    stance: Stance
    text: str
    why: str = ""
    direction: str = ""
    language: str = ""
    group: int | None = None
    """Number of the group of look-alikes that it was last put into (``alike``); None: never grouped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One coder's word on one suggestion. Who has dealt with a suggestion has given it at least one code."""

    suggestion: int
    """Its id."""
    kind: CodeKind
    coder: str
    """Account, model or name given on the command line; empty for what was adjudicated."""
    outcome: Outcome
    category: str = ""
    """Name of the category as it was given; empty unless ``outcome`` is a category. ``Coding.standing`` says which
    category stands for it now."""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A respondent who was asked, whether anything was suggested or not: what shares are shares of."""

    respondent: str
    kind: RespondentKind
    simulated: bool
    stances: frozenset[Stance]
    """The questions that were answered, also with nothing."""
    stated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Question of the demographics or screener -> names of the options chosen."""
    order: int = 0
    """Place in which respondents answered, from 1; 0 where it is not known. No time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """Everything about the suggestions of one study."""

    study: str
    version: str
    design_hash: str
    categories: tuple[Category, ...] = ()
    """Those that were merged or retired, too; in the order in which they were made."""
    suggestions: tuple[Suggestion, ...] = ()
    """In the order of their ids."""
    codes: tuple[Code, ...] = ()
    """Those that stand now; in the order (suggestion, kind, coder, outcome, category)."""
    asked: tuple[Asked, ...] = ()
    """In the order of the respondents' names."""

    def category(self, name: str) -> Category:
        """Return the category called ``name``; raises :class:`CodingError` where there is none."""
        for category in self.categories:
            if category.name == name:
                return category
        raise CodingError(f"study '{self.study}' has no category '{name}'")

    def standing(self, name: str) -> str:
        """Return the name of the category that stands for ``name`` now: itself, or what it was merged into."""
        seen = {name}
        category = self.category(name)
        while category.merged_into:
            if category.merged_into in seen:
                raise CodingError(
                    f"category '{name}' is merged into itself by way of {', '.join(sorted(seen))}"
                )
            seen.add(category.merged_into)
            category = self.category(category.merged_into)
        return category.name

    @property
    def ended(self) -> Mapping[str, Ended]:
        """Why, by name, of the categories that stand for themselves and are offered no longer."""
        split = {category.split_from for category in self.categories}
        return {
            category.name: Ended.SPLIT if category.name in split else Ended.RETIRED
            for category in self.current
            if category.retired
        }

    @property
    def current(self) -> tuple[Category, ...]:
        """The categories that stand for themselves, retired ones included."""
        return tuple(category for category in self.categories if not category.merged_into)
