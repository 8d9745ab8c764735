"""What simulations are timed on: shipped scenarios, with the conditions of Freedman's experiments."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from exchange.clearing.objectives import Policy
from exchange.published_weights import (
    HETEROGENEOUS,
    PROFILES,
    published_preferences,
    published_study,
    published_weights,
)
from exchange.simulation.condition import Condition, DonorPreferences
from exchange.simulation.record import RunRecord
from exchange.simulation.scenario import Scenario
from exchange.simulation.scenario_file import preset
from survey.design import StudyDesign

EQUAL, PRIORITY_AFTER, GREATEST, OWN = (
    "equal",
    "priority-after-cardinality",
    "greatest-weight",
    "donors-own-weights",
)
CONDITIONS = (EQUAL, PRIORITY_AFTER, GREATEST, OWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """One run: a scenario under a condition with a seed."""

    scenario: Scenario
    design: StudyDesign
    condition: Condition
    seed: int
    ranks_by: DonorPreferences


def simulation_of(request: Mapping[str, Any]) -> Simulation:
    """Return what a request asks for: ``scenario``, ``days`` (null: its own), ``arrivals`` (how many times as many
    people arrive), ``condition``, ``seed``."""
    return Simulation(
        scenario=scenario_of(request["scenario"], days=request["days"], arrivals=request["arrivals"]),
        design=published_study(),
        condition=condition_of(request["condition"]),
        seed=request["seed"],
        ranks_by=donors_own(),
    )


def scenario_of(name: str, *, days: int | None, arrivals: float = 1.0) -> Scenario:
    """Return a shipped scenario of another length, with more arrivals."""
    scenario = preset(name)
    pairs, ndds = scenario.arrivals, scenario.ndd_arrivals
    return replace(
        scenario,
        days=scenario.days if days is None else days,
        arrivals=replace(pairs, mean=pairs.mean * arrivals),
        ndd_arrivals=replace(ndds, mean=ndds.mean * arrivals),
    )


def condition_of(name: str) -> Condition:
    """Return one of :data:`CONDITIONS`."""
    if name == EQUAL:
        return Condition(name=name, policy=Policy.EQUAL)
    if name == OWN:
        return Condition(name=name, policy=Policy.GREATEST_WEIGHT, preferences=donors_own())
    policy = {
        PRIORITY_AFTER: Policy.PRIORITY_AFTER_CARDINALITY,
        GREATEST: Policy.GREATEST_WEIGHT,
    }[name]
    return Condition(name=name, policy=policy, weights=published_weights(PROFILES))


@cache
def donors_own() -> DonorPreferences:
    """Return the published preferences that differ from donor to donor, which ranks are counted by everywhere."""
    return DonorPreferences(
        distribution=published_preferences(HETEROGENEOUS), reference=published_study().profiles() or ()
    )


def digest(record: RunRecord) -> str:
    """Return a hash of everything that a run left behind."""
    columns = {**record.patients, **{f"day {name}": column for name, column in record.days.items()}}
    found = hashlib.sha256()
    for name, column in columns.items():
        found.update(f"{name} {column.tolist()}\n".encode())
    return found.hexdigest()
