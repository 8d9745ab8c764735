"""The tables of ``design.toml`` as they stand in the file, each checked by itself.

Those about taking part are in ``participation_tables``. What concerns several tables at once is in
``checks`` and ``words``, the way to the domain in ``reading``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator

from survey.design import LISTABLE, AttributeOrder, ComparisonKind, Favours, Highlight, ProfileKind, Sides
from survey.design_file.attributes_asked import AcceptabilityTable, OriginTable, SuggestionsTable
from survey.design_file.choose_one import ChooseOneTable
from survey.design_file.fields import (
    LONGEST_NAME,
    MOST_COUNTED,
    MOST_IN_A_LIST,
    Language,
    MaybeText,
    Name,
    OptionTable,
    Scalar,
    Table,
    Text,
    options_can_be_told_apart,
)
from survey.design_file.participation_tables import (
    ComprehensionTable,
    EndingsTable,
    ExclusionsTable,
    FormQuestionTable,
    PreregistrationTable,
    QuotasTable,
    RecruitmentTable,
    ScreenerQuestionTable,
    WavesTable,
)

# Comparisons of one kind within a respondent; more would be a slip of the keyboard.
_MOST_OF_A_ROLE = 1_000


# Larger numbers, and grids of more values, are a slip, and arithmetic with them ends in infinity.
_LARGEST_NUMBER = 1e12
_MOST_VALUES = 1e12
_Number = Annotated[float, Field(ge=-_LARGEST_NUMBER, le=_LARGEST_NUMBER)]


class StudyTable(Table):
    """[study]."""

    slug: Name
    title: Text
    version: Annotated[Text, Field(max_length=LONGEST_NAME)]
    language: Language = "en"
    source: MaybeText = ""
    contact: Text = ""


class TextsTable(Table):
    """[texts]."""

    introduction: Text
    consent: Text
    instructions: Text
    question: Text
    left: Text = "Patient A"
    right: Text = "Patient B"
    debrief: Text
    instructed: Text = ""
    screened_out: Text = ""
    quota_full: Text = ""
    declined: Text = ""
    withdrawn: Text = ""

    @model_validator(mode="after")
    def _answer_has_a_place(self) -> Self:
        if self.instructed and "{answer}" not in self.instructed:
            raise ValueError("instructed must contain {answer}, the place for the answer to give")
        return self


class DisplayTable(Table):
    """[display]."""

    highlight: Highlight = Highlight.OFF


class LevelTable(Table):
    """One of an attribute's levels."""

    name: Name
    words: Text


class CategoricalTable(Table):
    """[[attributes]] with kind = "categorical"."""

    kind: Literal["categorical"]
    name: Name
    label: Text
    levels: Annotated[list[LevelTable], Field(min_length=2, max_length=MOST_IN_A_LIST)]
    favoured: str | None = None
    origin: OriginTable | None = None

    @model_validator(mode="after")
    def _levels_are_distinct(self) -> Self:
        names = [level.name for level in self.levels]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"level '{name}' is given twice")
        if self.favoured is not None and self.favoured not in names:
            raise ValueError(f"favoured = '{self.favoured}' is not one of its levels: {', '.join(names)}")
        return self


class NumericTable(Table):
    """[[attributes]] with kind = "numeric"."""

    kind: Literal["numeric"]
    name: Name
    label: Text
    minimum: _Number | None = None
    maximum: _Number | None = None
    step: Annotated[float, Field(gt=0)] = 1.0
    points: list[_Number] = Field(default_factory=list, max_length=LISTABLE)
    words: Text
    words_one: MaybeText = ""
    unit: MaybeText = ""
    favours: Favours | None = None
    origin: OriginTable | None = None

    @model_validator(mode="after")
    def _values_are_stated(self) -> Self:
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
        elif (self.maximum - self.minimum) / self.step > _MOST_VALUES:
            raise ValueError(
                f"steps of {self.step:g} make more than {_MOST_VALUES:g} values from minimum {self.minimum:g} to "
                f"maximum {self.maximum:g}; make the step larger"
            )
        if "{value}" not in self.words:
            raise ValueError("words must contain {value}, the place for the number")
        return self


AttributeTable = Annotated[CategoricalTable | NumericTable, Field(discriminator="kind")]
ATTRIBUTE_TABLES = TypeAdapter(list[AttributeTable])


class ProfilesTable(Table):
    """[profiles], whose rows are checked against the attributes later."""

    kind: ProfileKind
    listed: Annotated[list[dict[str, Scalar]], Field(alias="list", max_length=LISTABLE)] = Field(
        default_factory=list
    )


_ProfileGiven = Annotated[
    Annotated[dict[str, Scalar], Tag("values")] | Annotated[str, Tag("name")],
    Discriminator(lambda given: "values" if isinstance(given, dict) else "name"),
]


class PairTable(Table):
    """[[comparisons.list]] or [practice]: each side a profile's name or its values."""

    left: _ProfileGiven
    right: _ProfileGiven


class AdaptiveTable(Table):
    """[comparisons.adaptive]."""

    # Above 0, so that every comparison can be drawn and every answer has a probability to weigh it by.
    random_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    start_after: Annotated[int, Field(ge=0, le=MOST_COUNTED)] = 0
    most_ahead: Annotated[int, Field(ge=1, le=MOST_COUNTED)] = 3


class ComparisonsTable(Table):
    """[comparisons]."""

    kind: ComparisonKind
    per_respondent: Annotated[int, Field(ge=1, le=LISTABLE)]
    sides: Sides = Sides.RANDOM
    attribute_order: AttributeOrder = AttributeOrder.PER_RESPONDENT
    listed: Annotated[list[PairTable], Field(alias="list", max_length=LISTABLE)] = Field(default_factory=list)
    adaptive: AdaptiveTable | None = None

    @model_validator(mode="after")
    def _adaptive_is_used(self) -> Self:
        if self.adaptive is not None and self.kind is not ComparisonKind.ADAPTIVE:
            raise ValueError(
                "adaptive has no meaning unless kind = 'adaptive'; remove one or change the other"
            )
        return self


class CheckTable(PairTable):
    """[[roles.checks]]."""

    expected: Literal["left", "right", "indecision"]


class RolesTable(Table):
    """[roles]."""

    dominated: Annotated[int, Field(ge=0, le=_MOST_OF_A_ROLE)] = 0
    identical: Annotated[int, Field(ge=0, le=_MOST_OF_A_ROLE)] = 0
    instructed: Annotated[int, Field(ge=0, le=_MOST_OF_A_ROLE)] = 0
    repeats: Annotated[int, Field(ge=0, le=_MOST_OF_A_ROLE)] = 0
    repeat_gap: Annotated[int, Field(ge=0, le=LISTABLE)] = 5
    checks: list[CheckTable] = Field(default_factory=list, max_length=MOST_IN_A_LIST)


class IndecisionTable(Table):
    """[indecision]."""

    offered: bool = True
    label: Text = "Flip a coin"
    explanation: MaybeText = ""
    reasons: list[OptionTable] = Field(default_factory=list, max_length=MOST_IN_A_LIST)
    reason_question: Text = ""
    strict: bool = False
    strict_question: Text = ""

    @model_validator(mode="after")
    def _follow_ups_are_complete(self) -> Self:
        options_can_be_told_apart(self.reasons, "reason")
        if self.reasons and not self.reason_question:
            raise ValueError("reasons need a reason_question, which stands above them")
        if self.reason_question and not self.reasons:
            raise ValueError("reason_question has no meaning without reasons; list them or remove it")
        if self.strict and not self.strict_question:
            raise ValueError("strict = true needs a strict_question, e.g. 'And if you had to choose?'")
        if self.strict_question and not self.strict:
            raise ValueError("strict_question has no meaning without strict = true; add that or remove it")
        if not self.offered and (self.reasons or self.strict):
            raise ValueError("reasons and strict have no meaning with offered = false")
        return self


class ArmTable(Table):
    """[[arms]]."""

    name: Name
    indecision: bool
    indecision_label: Text = ""
    question: Text = ""
    instructions: Text = ""
    highlight: Highlight | None = None

    @model_validator(mode="after")
    def _label_is_read(self) -> Self:
        if self.indecision_label and not self.indecision:
            raise ValueError("indecision_label has no meaning with indecision = false")
        return self


class DesignTables(Table):
    """The whole file."""

    study: StudyTable
    texts: TextsTable
    display: DisplayTable = DisplayTable()
    attributes: Annotated[list[AttributeTable], Field(min_length=1, max_length=MOST_IN_A_LIST)]
    profiles: ProfilesTable
    comparisons: ComparisonsTable
    roles: RolesTable = RolesTable()
    indecision: IndecisionTable = IndecisionTable()
    arms: list[ArmTable] = Field(default_factory=list, max_length=MOST_IN_A_LIST)
    practice: PairTable | None = None
    comprehension: ComprehensionTable | None = None
    choose_one: ChooseOneTable | None = None
    suggestions: SuggestionsTable | None = None
    acceptability: AcceptabilityTable | None = None
    screener: list[ScreenerQuestionTable] = Field(default_factory=list, max_length=MOST_IN_A_LIST)
    demographics: list[FormQuestionTable] = Field(default_factory=list, max_length=MOST_IN_A_LIST)
    recruitment: RecruitmentTable = RecruitmentTable()
    quotas: QuotasTable = QuotasTable()
    waves: WavesTable = WavesTable()
    endings: EndingsTable = EndingsTable()
    exclusions: ExclusionsTable = ExclusionsTable()
    preregistration: PreregistrationTable = PreregistrationTable()
    languages: dict[str, dict[str, Any]] = Field(default_factory=dict, max_length=MOST_IN_A_LIST)
    """Tag -> words, nested as the design is; compared with the design's own words later."""


class TextsAroundNoComparisons(TextsTable):
    """[texts] of a study without comparisons."""

    instructions: Text = ""
    question: Text = ""
    left: Text = ""
    right: Text = ""


class NoComparisonsTables(DesignTables):
    """The whole file of a study that asks for attributes alone, and so has none of its own yet.

    What it cannot have is complained of before (``check_without_comparisons``): each where it stands.
    """

    texts: TextsAroundNoComparisons
    attributes: Annotated[list[AttributeTable], Field(max_length=0)] = Field(default_factory=list)
    profiles: ProfilesTable = ProfilesTable(kind=ProfileKind.RANDOM)
    comparisons: ComparisonsTable = ComparisonsTable.model_construct(
        kind=ComparisonKind.RANDOM, per_respondent=0
    )
    indecision: IndecisionTable = IndecisionTable(offered=False)
