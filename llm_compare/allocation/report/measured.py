"""Everything that was measured on trials, put together as ``allocation.json`` holds it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_compare.alignment.alignment_file import as_record
from llm_compare.allocation.fairness.counterfactuals import Counterfactuals
from llm_compare.allocation.fairness.false_alarms import FalseAlarmTable
from llm_compare.allocation.fairness.offers import OffersCurve
from llm_compare.allocation.fairness.outcomes import Estimate
from llm_compare.allocation.fairness.parity import Parity
from llm_compare.allocation.fairness.rank_deviation import RankDeviation
from llm_compare.allocation.fairness.repeat_agreement import Agreement, RankingAgreement
from llm_compare.allocation.fairness.row_effect import RowEffect
from llm_compare.allocation.fairness.stability import ChoiceStability, Stability
from llm_compare.allocation.fairness.task_dependence import GroupsInTasks, TaskDependence
from llm_compare.allocation.fairness.tested import GroupTests
from llm_compare.allocation.fairness.viability_scores import ViabilityScores
from llm_compare.allocation.problems.problem import Origin
from llm_compare.allocation.report.column_orders import ColumnOrders
from llm_compare.allocation.trials.answer import RespondentKind
from llm_compare.allocation.trials.trial import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShown:
    """A group in the problems, whoever answers."""

    name: str
    slots: int
    """Candidates of the group, each counted in every problem in which it stands."""
    share: float
    problems_without: int
    problems_alone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupingShown:
    """How candidates are told apart."""

    grouping: str
    groups: tuple[GroupShown, ...]
    """The largest first: the reference."""
    unlabeled: int
    """Candidates of whom the registry does not say the group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemsShown:
    """The problems. No candidate's record stands here."""

    title: str
    origin: Origin
    source: str
    seed: int
    sha256: str
    n_problems: int
    n_candidates: int
    """In each problem."""
    n_pairs: int
    """Of viability."""
    groupings: tuple[GroupingShown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialsShown:
    """One file of trials."""

    file: str
    task: Task
    strategies: tuple[str, ...]
    """How viability was explained; empty for other tasks."""
    model: str
    planned: int
    counts: Mapping[str, int]
    """Outcome -> trials."""
    n_repaired: int
    """Incomplete rankings that were made whole, because that was asked for."""
    n_changed: int
    """Trials that show a changed candidate."""
    n_persons: int
    """People who answered; 0 for models."""
    n_simulated: int
    """Of them, participants of a rehearsal: programs, not people."""
    settings: Mapping[str, float | int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyScores:
    """Viability under one strategy."""

    strategy: str
    scores: ViabilityScores


@dataclass(frozen=True, slots=True, kw_only=True)
class RndShown:
    """A group's mean rND in one variant, beside what random rankings of the same pools give."""

    variant: str
    grouping: str
    group: str
    value: float | None
    """Mean over problems in which the group is neither absent nor alone."""
    chance: float | None
    n_problems: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoicesMeasured:
    """Choose-one."""

    n_trials: int
    stability: ChoiceStability
    agreement: Agreement
    rows: RowEffect
    columns: ColumnOrders | None
    """None where columns were never shuffled."""
    parity: tuple[Parity, ...]
    """By grouping, as all that follow."""
    tests: tuple[GroupTests, ...]
    false_alarms: tuple[FalseAlarmTable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingsMeasured:
    """Rank-all."""

    n_trials: int
    stability: Stability
    agreement: RankingAgreement
    rows: RowEffect
    """Of the first ranks."""
    slope: Estimate
    """Of rank on row."""
    columns: ColumnOrders | None
    parity: tuple[Parity, ...]
    """Of the first ranks."""
    tests: tuple[GroupTests, ...]
    rnd: tuple[RndShown, ...]
    """Every variant by name."""
    curves: tuple[RankDeviation, ...]
    offers: tuple[OffersCurve, ...]
    false_alarms: tuple[FalseAlarmTable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BothTasks:
    """Choose-one against the first ranks of rank-all."""

    dependence: TaskDependence
    groups: tuple[GroupsInTasks, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RespondentMeasured:
    """One respondent, asked in one way."""

    name: str
    """The label; with the way of asking where the label alone would stand for several."""
    label: str
    kind: RespondentKind
    way: Mapping[str, str]
    """Turns, form, identity."""
    trials: tuple[TrialsShown, ...]
    viability: tuple[StrategyScores, ...]
    choices: ChoicesMeasured | None
    """None where nothing was chosen."""
    rankings: RankingsMeasured | None
    both: BothTasks | None
    counterfactuals: tuple[Counterfactuals, ...]
    """One for each task with changed candidates."""
    notes: tuple[str, ...]
    """What could not be measured, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Methods:
    """How the numbers were made."""

    seed: int
    n_permutations: int
    n_null_runs: int
    rnd_variant: str
    repair: str
    parser: str
    """Version of the rules that read the replies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Respondents beside each other on the same problems."""

    problems: ProblemsShown
    methods: Methods
    respondents: tuple[RespondentMeasured, ...]

    def record(self, manifest: Mapping[str, object]) -> dict[str, Any]:
        """Return the results as they stand in ``allocation.json``; what is no number is null."""
        record: dict[str, Any] = as_record(self)
        return {**record, "manifest": dict(manifest)}
