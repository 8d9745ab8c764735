"""One number about a group of patients under a condition, or about its difference from another. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

EVERYBODY = "all"
"""The grouping and the group of all patients together."""


class Measure(StrEnum):
    """What a number says of a group of patients."""

    SEEN = "seen"
    """Patients who arrived, per run."""
    MATCHED = "matched"
    """Times somebody was planned for a transplant, per run; those that fell through later count, too, as in the
    published runs of Freedman et al."""
    TRANSPLANTED = "transplanted"
    """Patients transplanted, per run."""
    LEFT = "left"
    """Patients who left without a transplant, per run."""
    WAITING = "waiting"
    """Patients still waiting at the end, per run."""
    MATCHED_PER_SEEN = "matched_per_seen"
    """Matched over seen, as in the published runs; no share, because somebody may be matched again."""
    MATCHED_SHARE = "matched_share"
    """Share matched at least once."""
    TRANSPLANTED_SHARE = "transplanted_share"
    LEFT_SHARE = "left_share"
    MEDIAN_WAIT = "median_wait_days"
    """Days until half are transplanted, by Kaplan-Meier: those who left or still wait are censored."""
    MEAN_WAIT = "mean_wait_days"
    """Restricted mean of the same curve: days waited on average within the first year."""
    WAIT_OF_TRANSPLANTED = "wait_of_transplanted_days"
    """Mean days waited by those who were transplanted; no account of those who were not."""
    DAYS_IN_POOL = "days_in_pool"
    """Mean days from arrival until the transplant, leaving or the end of the run, of all patients."""
    WITHIN_YEAR = "transplanted_within_year"
    """Share transplanted within a year of arrival, by the Aalen-Johansen estimate: leaving is the end, too."""
    AVERAGE_RANK = "average_rank"
    """Mean place of the recipient's profile in the giver's own order, 1 for the best."""
    FIRST_RANK_SHARE = "first_rank_share"
    """Share of matches whose recipient has the giver's favorite profile."""
    GINI = "gini"
    """Gini coefficient of the patients' chances of a transplant, by the groups of the grouping: 0 if all groups
    have the same share."""
    RATIO = "worst_to_best"
    """Smallest share transplanted of any group, over the greatest."""
    RANGE = "best_minus_worst"
    """Greatest share transplanted of any group, minus the smallest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A mean over runs with its 95 % interval."""

    scenario: str
    condition: str
    baseline: str = ""
    """The condition that is subtracted, run by run with the same seed; empty where nothing is."""
    grouping: str
    """``all``, ``profile``, ``blood_group_class``, ``cpra_band``, ``patient_blood_group``, or an attribute."""
    group: str
    """Empty for measures between groups."""
    measure: Measure
    value: float
    """NaN where the measure is not defined, such as a median that was not reached."""
    low: float
    """Ends of the 95 % interval for the mean over all seeds, by Student's t over runs; NaN with fewer than two."""
    high: float
    n_runs: int
    sd: float
    """Standard deviation over runs, of the difference where there is a baseline; NaN with fewer than two."""
