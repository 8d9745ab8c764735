"""The same fit with and without respondents who were flagged, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np

from estimation.dataset import choice_data
from estimation.diagnostics.fitted import Influences, difference_covariance, estimates, influences, selection
from estimation.diagnostics.flags import Flag
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.results import Fit
from estimation.uncertainty import Intervals
from estimation.weights import Estimate
from survey.answers import AnswerSet

ANY_FLAG = "any flag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A reported quantity with everybody, and without those left out."""

    name: str
    everybody: Estimate
    without: Estimate
    shift_in_errors: float | None
    """(without - everybody) over the standard error of that difference, which is small because most respondents are
    in both; None where no such error can be given."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeftOut:
    """A fit without some respondents."""

    flag: str
    """Name of the flag, or ``any flag``."""
    respondents: tuple[str, ...]
    fit: Fit | None
    """None if the answers left do not allow the fit."""
    refused: str
    """Why not; empty if they do."""
    changes: tuple[Change, ...]


def with_and_without(
    answer_set: AnswerSet,
    everybody: Fit,
    flags: Sequence[Flag],
    *,
    arm: str | None = None,
    wave: int | None = None,
    intervals: Intervals | None = None,
    executor: Executor | None = None,
) -> tuple[LeftOut, ...]:
    """Refit without all flagged respondents, and without those of each flag.

    Parameters
    ----------
    everybody
        The fit of all answers of this arm and wave, whose specification is used again.
    intervals
        As of ``everybody``; None: the cluster sandwich.

    Returns
    -------
    tuple
        First without anybody flagged, then flag by flag. Empty if nobody is flagged.
    """
    names = list(dict.fromkeys(f.name for f in flags))
    groups = {name: tuple(dict.fromkeys(f.respondent for f in flags if f.name == name)) for name in names}
    if len(names) > 1:
        groups = {ANY_FLAG: tuple(dict.fromkeys(f.respondent for f in flags)), **groups}
    full = choice_data(answer_set, arm=arm, wave=wave)
    own = influences(full, everybody) if full.by_cluster is not None else None
    done: dict[frozenset[str], LeftOut] = {}
    for name, group in groups.items():
        who = frozenset(group)
        if who in done:  # Several flags may be raised on the same respondents; the fit is the same.
            continue
        try:
            data = choice_data(
                answer_set, arm=arm, wave=wave, left_out=dict.fromkeys(group, f"flag '{name}'")
            )
            result = fit(data, everybody.specification, intervals=intervals, executor=executor)
        except EstimationError as error:
            done[who] = LeftOut(flag=name, respondents=group, fit=None, refused=str(error), changes=())
            continue
        comparable = full.clustering is data.clustering and data.by_cluster is not None
        changes = _changes(everybody, own, result, influences(data, result) if comparable else None)
        done[who] = LeftOut(flag=name, respondents=group, fit=result, refused="", changes=changes)
    return tuple(
        replace(done[frozenset(group)], flag=name, respondents=group) for name, group in groups.items()
    )


def _changes(
    everybody: Fit, own: Influences | None, without: Fit, other: Influences | None
) -> tuple[Change, ...]:
    shared = [name for name in everybody.names if name in set(without.names)]
    first, second = selection(everybody, shared), selection(without, shared)
    errors = None
    if own is not None and other is not None:
        covariance = difference_covariance(
            replace(own, moved=own.moved @ first.T), replace(other, moved=other.moved @ second.T)
        )
        errors = np.sqrt(np.diag(covariance))
    shift = second @ without.values - first @ everybody.values
    return tuple(
        Change(
            name=name,
            everybody=one_estimate,
            without=other_estimate,
            shift_in_errors=float(shift[i] / errors[i]) if errors is not None and errors[i] > 0 else None,
        )
        for i, (name, one_estimate, other_estimate) in enumerate(
            zip(shared, estimates(everybody, shared), estimates(without, shared), strict=True)
        )
    )
