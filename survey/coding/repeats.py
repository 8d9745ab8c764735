"""Repeats of models: respondents called ``NAME#3``, which are counted for each model apart. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from survey.answers import RespondentKind
from survey.coding.coding import Coding
from survey.coding.counts import CategoryCounts, counts_of
from survey.coding.final import FinalCodes


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCounts:
    """What the repeats of one model name."""

    model: str
    counts: CategoryCounts


def model_of(respondent: str) -> str:
    """Return which model, or what else, a respondent called ``NAME#3`` is a repeat of."""
    name, sign, repeat = respondent.rpartition("#")
    return name if sign and repeat.isdecimal() else respondent


def models_in(coding: Coding) -> tuple[str, ...]:
    """Return the models that were asked, each once, in the order of the respondents."""
    return tuple(
        dict.fromkeys(model_of(a.respondent) for a in coding.asked if a.kind is RespondentKind.MODEL)
    )


def only_model(coding: Coding, model: str) -> Coding:
    """Return the coding with one model's respondents and suggestions alone; the codes stay as they are."""

    def is_own(kind: RespondentKind, respondent: str) -> bool:
        return kind is RespondentKind.MODEL and model_of(respondent) == model

    return replace(
        coding,
        asked=tuple(a for a in coding.asked if is_own(a.kind, a.respondent)),
        suggestions=tuple(s for s in coding.suggestions if is_own(s.kind, s.respondent)),
    )


def counts_of_models(coding: Coding, final: FinalCodes) -> tuple[ModelCounts, ...]:
    """Count the repeats that name each category, for each model apart: repeats of two models are no sample."""
    return tuple(
        ModelCounts(
            model=model, counts=counts_of(only_model(coding, model), final, kind=RespondentKind.MODEL)
        )
        for model in models_in(coding)
    )
