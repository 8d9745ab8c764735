"""The tables of ``design.toml`` as they stand in the file, each checked by itself.

What concerns several tables at once, and the way to the domain, is in ``design_file``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    model_validator,
)

from survey.design import AttributeOrder, ComparisonKind, Favours, ProfileKind, Sides

# As many characters as the database keeps (survey.tables); SQLite would let longer ones pass, PostgreSQL does not.
LONGEST_NAME = 100

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=LONGEST_NAME)]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; write what a respondent is to read")
    return text


Text = Annotated[str, AfterValidator(_not_blank)]


def _text_or_number(value: object) -> object:
    """Refuse what a profile cannot hold. A union of types would complain once per type, and read ``true`` as 1."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"must be a text or a number, not {str(value).lower()}")
    return value


Scalar = Annotated[Any, AfterValidator(_text_or_number)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class StudyTable(_Table):
    """[study]."""

    slug: Name
    title: Text
    version: Annotated[Text, Field(max_length=LONGEST_NAME)]
    language: Text = "en"
    source: str = ""


class TextsTable(_Table):
    """[texts]."""

    introduction: Text
    consent: Text
    instructions: Text
    question: Text
    left: Text = "Patient A"
    right: Text = "Patient B"
    debrief: Text


class LevelTable(_Table):
    """One of an attribute's levels."""

    name: Name
    words: Text


class CategoricalTable(_Table):
    """[[attributes]] with kind = "categorical"."""

    kind: Literal["categorical"]
    name: Name
    label: Text
    levels: Annotated[list[LevelTable], Field(min_length=2)]
    favoured: str | None = None

    @model_validator(mode="after")
    def _levels_are_distinct(self) -> CategoricalTable:
        names = [level.name for level in self.levels]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"level '{name}' is given twice")
        if self.favoured is not None and self.favoured not in names:
            raise ValueError(f"favoured = '{self.favoured}' is not one of its levels: {', '.join(names)}")
        return self


class NumericTable(_Table):
    """[[attributes]] with kind = "numeric"."""

    kind: Literal["numeric"]
    name: Name
    label: Text
    minimum: float | None = None
    maximum: float | None = None
    step: Annotated[float, Field(gt=0)] = 1.0
    points: list[float] = []
    words: Text
    words_one: str = ""
    unit: str = ""
    favours: Favours | None = None

    @model_validator(mode="after")
    def _values_are_stated(self) -> NumericTable:
        if self.points:
            if self.minimum is not None or self.maximum is not None:
                raise ValueError("give either points or minimum and maximum, not both")
            if len(self.points) < 2:
                raise ValueError("points needs at least two values: patients differ in an attribute")
            if any(a >= b for a, b in pairwise(self.points)):
                raise ValueError("points must rise")
        elif self.minimum is None or self.maximum is None:
            raise ValueError("needs minimum and maximum, or points")
        elif self.minimum >= self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is not below maximum {self.maximum:g}")
        if "{value}" not in self.words:
            raise ValueError("words must contain {value}, the place for the number")
        return self


AttributeTable = Annotated[CategoricalTable | NumericTable, Field(discriminator="kind")]
ATTRIBUTE_TABLES = TypeAdapter(list[AttributeTable])


class ProfilesTable(_Table):
    """[profiles], whose rows are checked against the attributes later."""

    kind: ProfileKind
    listed: Annotated[list[dict[str, Scalar]], Field(alias="list")] = []


_ProfileGiven = Annotated[
    Annotated[dict[str, Scalar], Tag("values")] | Annotated[str, Tag("name")],
    Discriminator(lambda given: "values" if isinstance(given, dict) else "name"),
]


class PairTable(_Table):
    """[[comparisons.list]]: each side a profile's name or its values."""

    left: _ProfileGiven
    right: _ProfileGiven


class ComparisonsTable(_Table):
    """[comparisons]."""

    kind: ComparisonKind
    per_respondent: Annotated[int, Field(ge=1)]
    sides: Sides = Sides.RANDOM
    attribute_order: AttributeOrder = AttributeOrder.PER_RESPONDENT
    listed: Annotated[list[PairTable], Field(alias="list")] = []


class IndecisionTable(_Table):
    """[indecision]."""

    offered: bool = True
    label: Text = "Flip a coin"
    explanation: str = ""


class ArmTable(_Table):
    """[[arms]]."""

    name: Name
    indecision: bool


class DesignTables(_Table):
    """The whole file."""

    study: StudyTable
    texts: TextsTable
    attributes: Annotated[list[AttributeTable], Field(min_length=1)]
    profiles: ProfilesTable
    comparisons: ComparisonsTable
    indecision: IndecisionTable = IndecisionTable()
    arms: list[ArmTable] = []
