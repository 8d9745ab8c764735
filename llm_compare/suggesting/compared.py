"""What people suggest beside what models suggest, in the categories of one codebook. Pure.

A model's respondents are repeats of the same questions, not people: its intervals say what more repeats would
bring, not what other models would say. Only final codes count, of models' suggestions as of people's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_compare.errors import NotComparable
from llm_compare.suggesting.scores import (
    Floats,
    Measure,
    Named01,
    Score,
    distance_of,
    drawn_shares,
    halved_shares,
    overlap_of,
    scored,
    tau_b,
)
from survey.answers import RespondentKind
from survey.coding.coding import Coding, Ended
from survey.coding.counts import LeftOut, Named, named_by
from survey.coding.final import FinalCodes, final_codes
from survey.coding.repeats import models_in, only_model
from survey.coding.shares import Difference, Share, independent_difference, share_of
from survey.suggestions import Stance

_STREAM_OF_DRAWS, _STREAM_OF_HALVES = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryBeside:
    """How many people, and how many repeats of a model, name a category when asked one question."""

    category: str
    label: str
    people: Share
    model: Share
    difference: Difference
    """Model minus people."""
    ended: Ended | None
    """Whether it was split or retired since, so that what counts here is to be coded again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StanceBeside:
    """People and a model on one question."""

    stance: Stance
    people: int
    """Asked this question."""
    repeats: int
    people_mean: float
    """Categories that one of the people names, on average."""
    model_mean: float
    categories: tuple[CategoryBeside, ...]
    """Those that anybody names; by people's share, then the model's."""
    rank_correlation: Score
    """Kendall's tau-b of the categories by share."""
    overlap: Score
    """Jaccard index of the sets of categories that a share of at least ``least_share`` names."""
    distance: Score
    """Mean absolute difference of shares; 0 is the same."""

    @property
    def n_named(self) -> int:
        """Categories that anybody names."""
        return len(self.categories)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBeside:
    """A model beside people."""

    model: str
    repeats: int
    """Its respondents."""
    suggestions: int
    left_out: LeftOut
    stances: tuple[StanceBeside, ...]
    """Those asked of both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """People beside every model of a coding."""

    study: str
    version: str
    design_hash: str
    people: int
    is_simulated: bool
    suggestions: int
    left_out: LeftOut
    models: tuple[ModelBeside, ...]
    least_share: float
    draws: int
    splits: int
    seed: int


def compare_suggestions(
    coding: Coding,
    final: FinalCodes | None = None,
    *,
    least_share: float = 0.1,
    draws: int = 1000,
    splits: int = 200,
    seed: int = 0,
) -> Compared:
    """Compare what people name with what each model names.

    Parameters
    ----------
    least_share
        A category is among those a side names if at least this share of the side's respondents names it.
    draws
        Resamples of people and of repeats, for intervals of the scores.
    splits
        Random halvings of the people.

    Raises
    ------
    NotComparable
        Nobody of the people, or no model, was asked, or nothing that one of them said has a final code.
    CodingError
        As :func:`survey.coding.final.final_codes`.
    """
    if not 0 < least_share <= 1:
        raise NotComparable(f"least share {least_share}: write a number above 0, up to 1")
    final = final or final_codes(coding)
    people = named_by(coding, final)
    _refuse_uncoded("people", people)
    models = models_in(coding)
    if not models:
        raise NotComparable(
            f"the coding of study '{coding.study}' holds no model's suggestions; ask a model with 'equipoise "
            "compare suggest', import its file with 'equipoise survey coding import', and code it like people's"
        )
    beside = []
    for number, model in enumerate(models):
        own = named_by(only_model(coding, model), final, kind=RespondentKind.MODEL)
        _refuse_uncoded(model, own)
        stances = [s for s in Stance if people.asked_about(s) and own.asked_about(s)]
        if not stances:
            raise NotComparable(f"{model} and the people were not asked the same question")
        beside.append(
            ModelBeside(
                model=model,
                repeats=len(own.asked),
                suggestions=own.suggestions,
                left_out=own.left_out,
                stances=tuple(
                    _stance(coding, people, own, stance, number, least_share, draws, splits, seed)
                    for stance in stances
                ),
            )
        )
    return Compared(
        study=coding.study,
        version=coding.version,
        design_hash=coding.design_hash,
        people=len(people.asked),
        is_simulated=people.simulated,
        suggestions=people.suggestions,
        left_out=people.left_out,
        models=tuple(beside),
        least_share=least_share,
        draws=draws,
        splits=splits,
        seed=seed,
    )


def _stance(
    coding: Coding,
    people: Named,
    model: Named,
    stance: Stance,
    number: int,
    least_share: float,
    draws: int,
    splits: int,
    seed: int,
) -> StanceBeside:
    labels, ended = {c.name: c.label for c in coding.current}, coding.ended
    named = [c for c in labels if people.people(c, stance) or model.people(c, stance)]
    of_people, of_model = _matrix(people, stance, named), _matrix(model, stance, named)
    categories = [
        _category(name, labels[name], of_people[:, i], of_model[:, i], ended.get(name))
        for i, name in enumerate(named)
    ]
    measures = (
        Measure(of=tau_b, why_not="one of the two names all categories equally often", least=-1.0),
        Measure(
            of=lambda a, b: overlap_of(a, b, least_share),
            why_not="no category is named by so large a share of either",
            is_stepped=True,
        ),
        Measure(of=distance_of, why_not="nobody names a category"),
    )
    place = tuple(Stance).index(stance)
    rng = np.random.default_rng((seed, number, place, _STREAM_OF_DRAWS))
    drawn = (
        list(zip(drawn_shares(of_people, draws, rng), drawn_shares(of_model, draws, rng), strict=True))
        if min(len(of_people), len(of_model)) > 1
        else []
    )
    # The same halves whatever the model. Ceilings differ by the categories that only the model names.
    halves = halved_shares(of_people, splits, np.random.default_rng((seed, place, _STREAM_OF_HALVES)))
    rank, overlap, distance = (scored(m, of_people, of_model, drawn, halves) for m in measures)
    return StanceBeside(
        stance=stance,
        people=len(of_people),
        repeats=len(of_model),
        people_mean=float(of_people.sum(axis=1).mean()),
        model_mean=float(of_model.sum(axis=1).mean()),
        categories=tuple(sorted(categories, key=lambda c: (-c.people.value, -c.model.value))),
        rank_correlation=rank,
        overlap=overlap,
        distance=distance,
    )


def _category(name: str, label: str, people: Floats, model: Floats, ended: Ended | None) -> CategoryBeside:
    of_people, of_model = share_of(int(people.sum()), len(people)), share_of(int(model.sum()), len(model))
    if of_people is None or of_model is None:
        raise ValueError(f"nobody was asked about {name}")
    return CategoryBeside(
        category=name,
        label=label,
        people=of_people,
        model=of_model,
        difference=independent_difference(of_model, of_people),
        ended=ended,
    )


def _matrix(named: Named, stance: Stance, categories: Sequence[str]) -> Named01:
    asked = sorted(named.asked_about(stance))
    columns = [[float(who in named.people(c, stance)) for who in asked] for c in categories]
    return np.array(columns, dtype=float).reshape(len(categories), len(asked)).T


def _refuse_uncoded(who: str, named: Named) -> None:
    if not named.asked:
        raise NotComparable(
            f"the coding holds no {who} who were asked; collect or import their answers first"
        )
    out = named.left_out
    said = named.suggestions - out.not_asked
    if said and out.uncoded + out.open == said:
        raise NotComparable(
            f"nothing that {who} said has a final code: of {said} suggestions {out.uncoded} are not "
            f"coded and {out.open} open; code them with the codebook that the others are coded with"
        )
