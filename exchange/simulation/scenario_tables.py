"""The tables of a scenario file, each checked by itself, and which keys a law uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from exchange.pool_settings import LineName, ModelTable, StrictTable
from exchange.simulation.scenario import ArrivalLaw, StayLaw

CADENCES: Mapping[str, int] = {"daily": 1, "weekly": 7, "monthly": 30}
"""Words for the days from one match run to the next."""

ARRIVAL_KEYS: Mapping[ArrivalLaw, tuple[str, ...]] = {
    ArrivalLaw.POISSON: ("mean",),
    ArrivalLaw.FLOOR_EXPONENTIAL: ("mean",),
    ArrivalLaw.NEGATIVE_BINOMIAL: ("mean", "dispersion"),
    ArrivalLaw.REGULAR: ("mean",),
    ArrivalLaw.LISTED: ("numbers",),
}
"""What each law of arrivals is described by."""
STAY_KEYS: Mapping[StayLaw, tuple[str, ...]] = {
    StayLaw.FOREVER: (),
    StayLaw.CONSTANT_RISK: ("daily_risk",),
    StayLaw.EXPONENTIAL: ("mean_days", "least_days", "most_days"),
    StayLaw.WEIBULL: ("mean_days", "shape", "least_days", "most_days"),
    StayLaw.FIXED: ("mean_days",),
}
"""What each law of stays is described by."""
MAY_BE_LEFT_OUT = ("least_days", "most_days")
"""Keys of a law that have a default: no bounds."""


def _days(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value not in CADENCES:
        raise ValueError(f"'{value}' is none of {', '.join(CADENCES)}; give one of them or a number of days")
    return CADENCES[value]


def _file_name(text: str) -> str:
    if "\0" in text:
        raise ValueError("no file is called so; give the name of one")
    return text


FileName = Annotated[str, AfterValidator(_file_name)]
"""Relative to the folder of the scenario file."""


class ArrivalsTable(StrictTable):
    """[arrivals] or [ndd_arrivals]."""

    # Laws come as words, which strict tables would not take for them.
    law: Annotated[ArrivalLaw | None, Field(strict=False)] = None
    mean: float | None = None
    dispersion: float | None = None
    numbers: list[int] | None = None
    numbers_file: FileName | None = None


class StayTable(StrictTable):
    """[stay] or [ndd_stay]."""

    law: Annotated[StayLaw | None, Field(strict=False)] = None
    daily_risk: float | None = None
    mean_days: float | None = None
    shape: float | None = None
    least_days: int | None = None
    most_days: int | None = None


class SensitizationTable(StrictTable):
    """[sensitization]."""

    yearly_rate: float | None = None
    increase: float | None = None


class GraftFailureTable(StrictTable):
    """[graft_failure]."""

    yearly_rate: float | None = None
    returns: float | None = None
    increase: float | None = None


class BasedModelTable(ModelTable):
    """[model]."""

    base: str | None = None
    """Named model whose constants hold where the table has none."""


class FileTable(StrictTable):
    """[profiles] or [first_pool]."""

    file: FileName


class ScenarioTable(StrictTable):
    """The whole file; None for what is left out."""

    preset: str | None = None
    name: LineName | None = None
    source: str | None = None
    days: int | None = None
    match_every: Annotated[int | None, BeforeValidator(_days)] = None
    delay_days: int | None = None
    same_day_crossmatch_tests: int | None = None
    cycle_cap: int | None = None
    chain_cap: int | None = None
    bridge_donors: bool | None = None
    renege: float | None = None
    success: str | None = None
    arrivals: ArrivalsTable | None = None
    ndd_arrivals: ArrivalsTable | None = None
    stay: StayTable | None = None
    ndd_stay: StayTable | None = None
    sensitization: SensitizationTable | None = None
    graft_failure: GraftFailureTable | None = None
    model: BasedModelTable | None = None
    profiles: FileTable | None = None
    first_pool: FileTable | None = None
