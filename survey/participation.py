"""Who takes part and how it ends: recruitment, quotas, waves, endings, exclusion rules. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    """How taking part can end; each has a code of its own."""

    COMPLETE = "complete"
    DECLINED = "declined"
    SCREENED_OUT = "screened_out"
    QUOTA_FULL = "quota_full"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingPage:
    """What somebody gets at the end, besides words."""

    ending: Ending
    code: str = ""
    """The study's code for this ending; empty: a personal one is made."""
    link: str = ""
    """Where to go on, e.g. the recruitment platform's page; ``{code}`` stands for the code. Only the design can
    say where, never a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recruitment:
    """What is kept of the ids that a recruitment platform puts in the address."""

    required: bool = False
    """Whether only people with such an id may start."""
    keep_ids: bool = False
    """Keep them encrypted for payment, besides the keyed hash that recognizes a returning person."""
    keep_days: int = 90
    """``equipoise db doctor`` complains about encrypted ids older than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaCell:
    """At most so many participants who gave this answer in the screener."""

    question: str
    option: str
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """How many may take part. Slots are claimed after the screener; people who have begun are never turned away."""

    most: int | None = None
    """Participants in all; None: any number."""
    cells: tuple[QuotaCell, ...] = ()
    hold_minutes: int = 60
    """A slot whose holder has not been active for so long may be given to somebody else."""


class WaveComparisons(StrEnum):
    """What a returning participant compares."""

    NEW = "new"
    """A fresh draw."""
    SAME = "same"
    """The same comparisons as in the first wave, shuffled anew, sides drawn anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """How often the same participants are invited."""

    count: int = 1
    comparisons: WaveComparisons = WaveComparisons.NEW
    newcomers: bool = False
    """Whether somebody may start in a later wave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusions:
    """Rules, stated before the first participant, by which an analysis leaves people out. Nothing is ever dropped:
    exports say who falls under which rule. None: no such rule."""

    unfinished: bool = True
    failed_checks_above: int | None = None
    """Instructed and listed checks answered otherwise than expected."""
    dominated_against_above: int | None = None
    """Dominated comparisons in which the dominated patient was chosen."""
    median_seconds_below: float | None = None
    same_side_above: float | None = None
    """Share of decided answers on one side."""
    repeats_changed_above: int | None = None
    comprehension_failed: bool = False
