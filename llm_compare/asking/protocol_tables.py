"""The tables of a protocol file, each checked by itself. Their keys are documented in docs/asking.md."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from llm_compare.prompting.plan import AttributeOrders
from llm_compare.prompting.variant import (
    AnswerFormat,
    Framing,
    IndecisionOffer,
    IndecisionPlace,
    Marks,
    Variant,
)

LONGEST_NAME = 100
_AS_PEOPLE = Variant()
"""Whatever a variant does not say is as people are asked."""


def _one_line(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank; give a name, or leave the key out")
    if not text.isprintable():
        raise ValueError(f"{text!r} holds a line break or a control character; take it out")
    return text


Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(_one_line)]
Temperature = Annotated[float, Field(ge=0)]
# Words from a closed set come as strings, which strict tables would not take for them.
FramingWord = Annotated[Framing, Field(strict=False)]
AnswerFormatWord = Annotated[AnswerFormat, Field(strict=False)]
IndecisionWord = Annotated[IndecisionOffer, Field(strict=False)]
MarksWord = Annotated[Marks, Field(strict=False)]
PlaceWord = Annotated[IndecisionPlace, Field(strict=False)]


class StrictTable(BaseModel):
    """A table without unknown keys, and without numbers in quotation marks or that are none."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ChoicesTable(StrictTable):
    """Settings, which a model and a variant may both have; the variant's count."""

    temperature: Temperature | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0)] | None = None
    reasoning_effort: Name | None = None


class ModelTable(ChoicesTable):
    """[[model]]: who is asked."""

    model: Name
    api_base: str | None = None
    label: Name | None = None
    usd_per_million_in: Annotated[float, Field(ge=0)] | None = None
    usd_per_million_out: Annotated[float, Field(ge=0)] | None = None
    sends_schema: bool = True


class ParaphraseTable(StrictTable):
    """[[paraphrase]]: the same study in other words."""

    name: Name
    introduction: str = ""
    instructions: str = ""
    question: str = ""


class VariantTable(ChoicesTable):
    """[[variant]]: one way of asking."""

    name: Name
    framing: FramingWord = _AS_PEOPLE.framing
    persona: str = ""
    answer_format: AnswerFormatWord = _AS_PEOPLE.answer_format
    indecision: IndecisionWord = _AS_PEOPLE.indecision
    language: str = ""
    paraphrase: str = ""
    marks: MarksWord = _AS_PEOPLE.marks
    indecision_place: PlaceWord = _AS_PEOPLE.indecision_place


class FactorialTable(StrictTable):
    """[factorial]: every combination of these levels is a variant."""

    framings: Annotated[list[FramingWord], Field(min_length=1)] = [_AS_PEOPLE.framing]
    personas: Annotated[list[str], Field(min_length=1)] = [""]
    answer_formats: Annotated[list[AnswerFormatWord], Field(min_length=1)] = [_AS_PEOPLE.answer_format]
    indecisions: Annotated[list[IndecisionWord], Field(min_length=1)] = [_AS_PEOPLE.indecision]
    languages: Annotated[list[str], Field(min_length=1)] = [""]
    paraphrases: Annotated[list[str], Field(min_length=1)] = [""]
    marks: Annotated[list[MarksWord], Field(min_length=1)] = [_AS_PEOPLE.marks]
    indecision_places: Annotated[list[PlaceWord], Field(min_length=1)] = [_AS_PEOPLE.indecision_place]
    temperatures: Annotated[list[Temperature], Field(min_length=1)] | None = None
    reasoning_efforts: Annotated[list[Name], Field(min_length=1)] | None = None


class LimitsTable(StrictTable):
    """[limits]: what a run must not exceed."""

    budget_usd: Annotated[float, Field(gt=0)] | None = None
    max_calls: Annotated[int, Field(ge=1)] | None = None
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    tokens_per_minute: Annotated[int, Field(ge=1)] | None = None
    concurrency: Annotated[int, Field(ge=1, le=64)] | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] | None = None


class ProtocolTable(StrictTable):
    """The whole file."""

    arm: Name | None = None
    repeats: Annotated[int, Field(ge=1)] = 1
    attribute_orders: Annotated[AttributeOrders, Field(strict=False)] = AttributeOrders.DESIGN
    comparisons: Annotated[int, Field(ge=1)] | None = None
    answers: Name | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    model: Annotated[list[ModelTable], Field(min_length=1)]
    paraphrase: list[ParaphraseTable] = []
    variant: list[VariantTable] = []
    factorial: FactorialTable | None = None
    limits: LimitsTable = LimitsTable()
