"""The report of an experiment as data: findings, tables, pictures, in their order. Pages are made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count

from exchange.outcomes.marginal_effects import MarginalEffect
from exchange.outcomes.outcome import Measure, Outcome
from exchange.outcomes.price import PriceOfPriority
from exchange.outcomes.published import PublishedTest
from exchange.outcomes.report_scenario import policy_words, scenario_rows, weights_words
from exchange.outcomes.report_sections import Figure, Section, sections, slug
from exchange.outcomes.report_tables import DataTable, Shown
from exchange.outcomes.report_text import Finding, findings, seen_words
from exchange.outcomes.run_curves import Curve
from exchange.outcomes.waiting import GroupCurves
from exchange.simulation.condition import Condition
from exchange.simulation.scenario import Scenario

MOST_CONDITIONS = 12
"""In a picture; of more, the baseline and the first are drawn, and the tables have all."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScenarioResults:
    """What was found in one scenario. What is empty is left out of the report."""

    scenario: Scenario
    outcomes: Sequence[Outcome]
    """Of all conditions, differences from the baseline included."""
    waiting: Sequence[GroupCurves] = ()
    """Of everybody, and by profile."""
    pool_sizes: Sequence[Curve] = ()
    """Pairs waiting, day by day; labels are conditions."""
    ranks: Sequence[Curve] = ()
    """Share of matches by rank; labels are conditions."""
    effects: Sequence[MarginalEffect] = ()
    prices: Sequence[PriceOfPriority] = ()
    tests: Mapping[str, PublishedTest] = field(default_factory=dict)
    """By what was tested, in words."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExperimentReport:
    """What a report is about."""

    title: str
    source: str
    """Where the experiment is from."""
    conditions: Sequence[Condition]
    """In the order in which they are listed and drawn."""
    baseline: str
    """Name of the condition that differences are from."""
    seeds: Sequence[int]
    results: Sequence[ScenarioResults]
    order_kinds: Mapping[str, str] = field(default_factory=dict)
    """Of which kind each condition's weights are, see ``report_scenario.order_kinds``."""
    group_words: Mapping[str, str] = field(default_factory=dict)
    """Of groups such as profiles, in place of their names."""
    measure: Measure = Measure.TRANSPLANTED_SHARE
    """The share that the pictures of groups show."""
    manifest: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioPart:
    """What is said about one scenario."""

    name: str
    seen: str
    findings: Sequence[Finding]
    parameters: DataTable
    sections: Sequence[Section]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A report in its parts, whatever they are shown on. No two tables have the same caption."""

    title: str
    source: str
    baseline: str
    n_conditions: int
    n_seeds: int
    seeds: str
    """In words."""
    conditions: DataTable
    n_not_drawn: int
    """Conditions that only the tables have."""
    scenarios: Sequence[ScenarioPart]
    manifest: Mapping[str, object]

    @property
    def figures(self) -> Iterator[Figure]:
        """All of them, in order."""
        return (figure for part in self.scenarios for section in part.sections for figure in section.figures)


def laid_out(report: ExperimentReport) -> Layout:
    """Put a report together. The same report gives the same layout, pictures included."""
    taken = _Taken()
    parts = []
    for results in report.results:
        name = results.scenario.name
        prefix, suffix = (f"{slug(name)}-", f"; scenario {name}") if len(report.results) > 1 else ("", "")
        parts.append(_told_apart(_part(report, results), prefix, suffix, taken))
    return Layout(
        title=report.title,
        source=report.source,
        baseline=report.baseline,
        n_conditions=len(report.conditions),
        n_seeds=len(report.seeds),
        seeds=_seeds_words(report.seeds),
        conditions=_conditions_table(report),
        n_not_drawn=max(len(report.conditions) - MOST_CONDITIONS, 0),
        scenarios=parts,
        manifest=report.manifest,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What no two figures of a report may share."""

    captions: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)


def _told_apart(part: ScenarioPart, prefix: str, suffix: str, taken: _Taken) -> ScenarioPart:
    """Return the part with captions, files and ids that no part before has; those taken are noted."""

    def distinct(figure: Figure) -> Figure:
        caption = _unused(figure.table.caption + suffix, taken.captions, " ({})")
        figure = replace(figure, table=replace(figure.table, caption=caption))
        if figure.picture is None:
            return figure
        stem = _unused(prefix + figure.file.removesuffix(".svg"), taken.files, "-{}")
        ids = _unused(figure.picture.ids, taken.ids, "x{}")
        return replace(figure, file=f"{stem}.svg", picture=figure.picture.with_ids(ids))

    return replace(
        part, sections=[replace(s, figures=tuple(map(distinct, s.figures))) for s in part.sections]
    )


def _unused(name: str, taken: set[str], ending: str) -> str:
    """Return the name, with a number at its end if it is taken, and note that it is taken now."""
    numbered = (name + ending.format(i) for i in count(2))
    found = next(one for one in chain([name], numbered) if one not in taken)
    taken.add(found)
    return found


def _part(report: ExperimentReport, results: ScenarioResults) -> ScenarioPart:
    names = [c.name for c in report.conditions]
    drawn = [report.baseline, *(name for name in names if name != report.baseline)][:MOST_CONDITIONS]
    days = results.scenario.days
    shown = Shown(
        conditions=names,
        # In the order of the tables.
        drawn=[name for name in names if name in drawn],
        baseline=report.baseline,
        measure=report.measure,
        words=report.group_words,
        order_kinds=report.order_kinds,
    )
    return ScenarioPart(
        name=results.scenario.name,
        seen=seen_words(results.outcomes, report.baseline, len(report.seeds), days),
        findings=findings(
            results.outcomes,
            names,
            baseline=report.baseline,
            n_days=days,
            measure=report.measure,
            words=report.group_words,
        ),
        parameters=DataTable(
            caption=f"Scenario {results.scenario.name}",
            head=("Parameter", "Value"),
            rows=tuple(scenario_rows(results.scenario)),
            is_words=True,
        ),
        sections=sections(
            shown,
            outcomes=results.outcomes,
            waiting=results.waiting,
            pool_sizes=results.pool_sizes,
            ranks=results.ranks,
            effects=results.effects,
            prices=results.prices,
            tests=results.tests,
        ),
    )


def _conditions_table(report: ExperimentReport) -> DataTable:
    return DataTable(
        caption="Conditions: what is compared",
        head=("Condition", "Policy", "Weights"),
        rows=tuple(
            (
                f"{c.name} (baseline)" if c.name == report.baseline else c.name,
                policy_words(c),
                weights_words(c),
            )
            for c in report.conditions
        ),
        is_words=True,
    )


def _seeds_words(seeds: Sequence[int]) -> str:
    ordered = sorted(seeds)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered))
