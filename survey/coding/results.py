"""All results of a coding in one object, and its file. Pure.

``results.json`` holds every number that the report and the pictures show, and how it was made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from survey.coding.agreement import Agreement, agreement_of
from survey.coding.coding import Coding, Outcome
from survey.coding.counts import CategoryCounts, counts_from, named_by
from survey.coding.directions import Directions, DirectionsGiven
from survey.coding.final import FinalCodes, How, final_codes
from survey.coding.groups import GroupCounts, group_counts, questions_stated
from survey.coding.opinions import Opinions
from survey.coding.repeats import ModelCounts, counts_of_models
from survey.coding.saturation import Saturation, saturation_of
from survey.suggestions import Stance

FORMAT = "equipoise coding results"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalNumbers:
    """How the suggestions of a coding, of all respondents, came to their final codes."""

    suggestions: int
    adjudicated: int
    agreed: Mapping[int, int]
    """Number of coders -> suggestions that so many dealt with and agree on."""
    open: int
    uncoded: int
    no_category: int
    unusable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What a study's suggestions come to."""

    study: str
    version: str
    design_hash: str
    coding_sha256: str
    """Of the coding file that this was made from; empty: it was not made from one."""
    draws: int
    """Bootstrap samples behind the intervals of agreement."""
    seed: int
    simulated: bool
    """Whether ``counts``, ``groups`` and ``saturation`` are of simulated participants."""
    final: FinalNumbers
    counts: CategoryCounts
    """People's (or simulated participants')."""
    directions: Mapping[str, Directions]
    """Category -> whom those who named it would put first because of it, where anybody said so. People's own words,
    and so only those that ``directions.FEWEST`` of them gave."""
    directions_against: Mapping[str, Directions]
    """The same of those who named the category as something that should not count: whom it would wrongly put first,
    or what else the design asks for there."""
    models: tuple[ModelCounts, ...]
    """Of each model that was asked, over its repeats."""
    groups: tuple[GroupCounts, ...]
    """For each question that people answered about themselves."""
    saturation: tuple[Saturation, ...]
    """Of both questions together, then of each that was asked."""
    agreement: Agreement
    opinions: Opinions | None
    """None: nobody was asked for ratings, or they were not given."""


def results_of(
    coding: Coding,
    opinions: Opinions | None = None,
    *,
    coding_sha256: str = "",
    questions: Sequence[str] | None = None,
    options: Mapping[str, Sequence[str]] | None = None,
    simulated: bool | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Results:
    """Compute everything there is to report.

    Parameters
    ----------
    opinions
        Ratings and rankings, if the study asked for them.
    coding_sha256
        Of the coding file, where there is one.
    questions
        By which of the questions answered to count; None: by all.
    options
        Question -> names of its options in order, where known.
    simulated
        As for ``counts.counts_of``.

    Raises
    ------
    CodingError
        As ``final.final_codes``.
    """
    final = final_codes(coding)
    named = named_by(coding, final, simulated=simulated)
    counts = counts_from(coding, named)
    asked = {stance for a in coding.asked for stance in a.stances}
    stances = [None, *(stance for stance in Stance if stance in asked)] if len(asked) > 1 else [None]
    return Results(
        study=coding.study,
        version=coding.version,
        design_hash=coding.design_hash,
        coding_sha256=coding_sha256,
        draws=draws,
        seed=seed,
        simulated=counts.simulated,
        final=_numbers(final),
        counts=counts,
        directions=_directions(counts, DirectionsGiven(coding, final, named=named)),
        directions_against=_directions(
            counts, DirectionsGiven(coding, final, named=named, stance=Stance.SHOULD_NOT)
        ),
        models=counts_of_models(coding, final),
        groups=tuple(
            group_counts(
                coding, question, final, options=(options or {}).get(question, ()), simulated=simulated
            )
            for question in (questions_stated(coding) if questions is None else questions)
        ),
        saturation=tuple(
            saturation_of(coding, final, stance=stance, simulated=simulated) for stance in stances
        ),
        agreement=agreement_of(coding, final, draws=draws, seed=seed),
        opinions=opinions,
    )


def _directions(counts: CategoryCounts, given: DirectionsGiven) -> dict[str, Directions]:
    every = {count.category: given.of([count.category]) for count in counts.categories}
    return {category: own for category, own in every.items() if own.people > own.none}


def _numbers(final: FinalCodes) -> FinalNumbers:
    codes = final.by_suggestion.values()
    numbers = sorted({code.coders for code in codes if code.how is How.AGREED})
    return FinalNumbers(
        suggestions=len(codes),
        adjudicated=final.n(How.ADJUDICATED),
        agreed={n: final.agreed_by(n) for n in numbers},
        open=final.n(How.OPEN),
        uncoded=final.n(How.UNCODED),
        no_category=final.n_outcome(Outcome.NO_CATEGORY),
        unusable=final.n_outcome(Outcome.UNUSABLE),
    )


def results_json(results: Results) -> str:
    """Return the text of ``results.json``. The same results give the same text."""
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **as_record(results)}
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_record(value: object) -> Any:
    """Return a result as plain data: dataclasses by the names of their fields and properties."""
    if is_dataclass(value) and not isinstance(value, type):
        properties = [name for name, member in vars(type(value)).items() if isinstance(member, property)]
        return {
            name: as_record(getattr(value, name)) for name in [*(f.name for f in fields(value)), *properties]
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(as_record(key)): as_record(item) for key, item in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Sequence):
        return [as_record(item) for item in value]
    raise TypeError(f"{type(value).__name__} is no plain data and cannot stand in a file")
