"""The tables of an experiment file, each checked by itself."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from exchange.clearing.objectives import HIGHLY_SENSITIZED_CPRA, SENSITIZED_BONUS
from exchange.outcomes.outcome import EVERYBODY, Measure
from exchange.pool_settings import LineName, StrictTable

MOST_SEEDS = 100_000
_SEEDS = "give a list of whole numbers, such as [1, 2, 3], or { first = 1, count = 50 }"


def _list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _seeds(value: object) -> object:
    """Return the seeds of ``{ first = 100, count = 50 }``; a list as it is."""
    if isinstance(value, list) and value:
        return value
    if not isinstance(value, dict):
        raise ValueError(_SEEDS)
    first, count = value.get("first"), value.get("count")
    if set(value) != {"first", "count"} or type(first) is not int or type(count) is not int:
        raise ValueError(_SEEDS)
    if first < 0 or not 1 <= count <= MOST_SEEDS:
        raise ValueError(f"seeds start at 0 or above, and there are 1 to {MOST_SEEDS:,} of them")
    return list(range(first, first + count))


Names = Annotated[list[str], BeforeValidator(_list), Field(min_length=1)]
"""One name, or several to be crossed with what else is several."""


class ConditionTable(StrictTable):
    """[[conditions]]: a policy with its weights, or several of both, crossed."""

    name: LineName | None = None
    policy: Names | None = None
    objectives: Annotated[list[str] | None, Field(min_length=1)] = None
    concede: Annotated[dict[str, float], Field(default_factory=dict)]
    weights: Names | None = None
    classes: str | None = None
    donor_weights: str | None = None
    draws: Annotated[int, Field(ge=0)] = 0
    sensitivity: bool = False
    sensitized_from: float = HIGHLY_SENSITIZED_CPRA
    sensitized_bonus: float = SENSITIZED_BONUS


class PublishedTable(StrictTable):
    """[[published]]: a number that the results are tested against."""

    condition: str
    # Measures come as words, which strict tables would not take for them.
    measure: Annotated[Measure, Field(strict=False)]
    grouping: str = EVERYBODY
    group: str = EVERYBODY
    mean: float
    # Without a chance error of its own a number cannot be tested.
    sd: Annotated[float, Field(gt=0)]
    runs: Annotated[int, Field(ge=2)]


class ExperimentTable(StrictTable):
    """The whole file."""

    name: LineName | None = None
    title: str | None = None
    source: str = ""
    design: str | None = None
    seeds: Annotated[list[int], BeforeValidator(_seeds), Field(min_length=1)]
    baseline: str | None = None
    ranks_by: str | None = None
    weight_sets: Annotated[dict[str, dict[str, float]], Field(default_factory=dict)]
    # Each is read like a scenario file.
    scenarios: Annotated[list[dict[str, Any]], Field(min_length=1)]
    conditions: Annotated[list[ConditionTable], Field(min_length=1)]
    published: Annotated[list[PublishedTable], Field(default_factory=list)]
