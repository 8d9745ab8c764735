"""The files of an experiment's results: report, pictures, tables, summary, manifest. Same runs, same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from estimation.commands.writing import write_bytes, write_text
from estimation.manifest import make_manifest
from exchange.experiment.outcome_file import outcome_record, outcomes_csv, outcomes_parquet, plain
from exchange.experiment.plan import ExperimentPlan
from exchange.experiment.results import PublishedCheck, Results
from exchange.outcomes.comparison import paired_differences
from exchange.outcomes.outcome import EVERYBODY
from exchange.outcomes.published import PublishedTest
from exchange.outcomes.report import ExperimentReport, Layout, ScenarioResults, laid_out
from exchange.outcomes.report_page import report_page
from exchange.outcomes.report_record import report_record
from exchange.outcomes.report_scenario import order_kinds
from exchange.simulation.scenario import Scenario
from exchange.simulation.scenario_record import scenario_record
from exchange.simulation.scenario_text import scenario_text

FORMAT = "equipoise-experiment-summary"
FORMAT_VERSION = 1
REPORT, SUMMARY, OUTCOMES, FIGURES = "report.html", "summary.json", "outcomes.csv", "figures"
REPORT_RECORD = "report.json"


def write_results(
    plan: ExperimentPlan, results: Results, folder: Path, *, experiment_text: str
) -> tuple[Path, ...]:
    """Write results into the folder of the experiment, over those that were there.

    ``report.html``; the data behind it, ``report.json``; its pictures in ``figures/``; every number in
    ``outcomes.csv`` and ``outcomes.parquet``;
    ``summary.json``; ``manifest.json``; copies of the experiment file, and of every scenario with all parameters.

    Parameters
    ----------
    experiment_text
        Of the file that the plan was read from.

    Returns
    -------
    tuple
        The files that are worth looking at first.
    """
    manifest = _manifest(plan, results)
    layout = laid_out(_report(plan, results, manifest))
    texts = {
        REPORT: report_page(layout),
        REPORT_RECORD: _json(report_record(layout)),
        OUTCOMES: outcomes_csv(results.outcomes),
        SUMMARY: _json(summary_record(plan, results)),
        "manifest.json": _json(manifest),
        "experiment.toml": _copy_note(plan) + experiment_text,
        **{f"scenario-{i}.toml": _scenario_text(plan, s) for i, s in enumerate(plan.scenarios, start=1)},
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    write_bytes(folder / "outcomes.parquet", outcomes_parquet(results.outcomes))
    _write_pictures(layout, folder / FIGURES)
    return folder / REPORT, folder / OUTCOMES, folder / SUMMARY


def summary_record(plan: ExperimentPlan, results: Results) -> dict[str, Any]:
    """Return the content of ``summary.json``: what was compared, and what was found about all patients."""
    summaries = results.summaries
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "experiment": plan.name,
        "title": plan.title,
        "source": plan.source,
        "baseline": plan.baseline,
        "seeds": list(plan.seeds),
        "runs": sum(len(runs) for runs in summaries.runs.values()),
        "scenarios": [{"name": s.name, "days": s.days, "source": s.source} for s in plan.scenarios],
        "conditions": [
            {
                "name": c.name,
                "policy": None if c.policy is None else str(c.policy),
                "objectives": [str(goal.objective) for goal in c.goals],
                "weights": c.words,
            }
            for c in results.conditions
        ],
        # All groups are in outcomes.csv.
        "outcomes": [outcome_record(o) for o in results.outcomes if o.grouping == EVERYBODY],
        "variance_ratios": [
            {
                "scenario": scenario,
                "condition": condition,
                "measure": str(pair.outcome.measure),
                "ratio": plain(pair.variance_ratio),
            }
            for scenario in summaries.scenarios
            for condition in summaries.conditions(scenario)
            if condition != plan.baseline
            for pair in paired_differences(summaries, scenario, condition, plan.baseline)
            if pair.outcome.grouping == EVERYBODY
        ],
        "prices": plain([asdict(price) for price in results.prices]),
        "marginal_effects": plain([asdict(effect) for effect in results.effects]),
        "published": [_check_record(check) for check in results.checks],
        "under_draws": [
            plain({**asdict(one), "quantity": one.quantity._asdict(), "share_of_draws": one.share_of_draws})
            for one in results.drawn
        ],
    }


def _check_record(check: PublishedCheck) -> dict[str, Any]:
    test = check.test
    return {
        "scenario": check.scenario,
        "condition": check.condition,
        "grouping": check.grouping,
        "chi_square": plain(test.chi_square),
        "df": test.df,
        "p": plain(test.p),
        "numbers": [
            {
                "measure": str(a.published.measure),
                "group": a.published.group,
                "published": a.published.mean,
                "ours": plain(a.ours.value),
                "z": plain(a.z),
                "df": plain(a.df),
                "p": plain(a.p),
            }
            for a in test.agreements
        ],
    }


def _report(plan: ExperimentPlan, results: Results, manifest: Mapping[str, object]) -> ExperimentReport:
    return ExperimentReport(
        title=plan.title,
        source=plan.source,
        conditions=results.conditions,
        baseline=plan.baseline,
        seeds=plan.seeds,
        results=[
            ScenarioResults(
                scenario=scenario,
                outcomes=[o for o in results.outcomes if o.scenario == scenario.name],
                waiting=[c for c in results.waiting if c.scenario == scenario.name],
                pool_sizes=results.curves.pool_sizes(scenario.name),
                ranks=results.curves.ranks(scenario.name),
                effects=[e for e in results.effects if e.scenario == scenario.name],
                prices=[p for p in results.prices if p.scenario == scenario.name],
                tests=_tests(results, scenario.name),
            )
            for scenario in plan.scenarios
        ],
        order_kinds=order_kinds(results.conditions, plan.design.profiles() or ()),
        manifest=manifest,
    )


def _tests(results: Results, scenario: str) -> dict[str, PublishedTest]:
    """Return a scenario's tests against published numbers, by what was tested in words."""
    found = {}
    for check in results.checks:
        if check.scenario == scenario:
            numbers = check.test.agreements
            what = str(numbers[0].published.measure).replace("_", " ")
            by = "" if check.grouping == EVERYBODY else f" by {check.grouping.replace('_', ' ')}"
            found[f"{check.condition}: {what}{by}"] = check.test
    return found


def _manifest(plan: ExperimentPlan, results: Results) -> dict[str, object]:
    manifest = make_manifest(
        plan.inputs,
        {
            **plan.identity(),
            "baseline": plan.baseline,
            "seeds": list(plan.seeds),
            "conditions_compared": [condition.name for condition in results.conditions],
            "scenario_parameters": {s.name: scenario_record(s) for s in plan.scenarios},
        },
    )
    return {**manifest, "file_libraries": {name: version(name) for name in ("pyarrow", "matplotlib")}}


def _write_pictures(layout: Layout, folder: Path) -> None:
    """Write each picture of a report as a file of its own, and remove those of an earlier one."""
    folder.mkdir(exist_ok=True)
    names = []
    for figure in layout.figures:
        if figure.picture:
            write_text(folder / figure.file, figure.picture.svg + "\n")
            names.append(figure.file)
    for old in folder.glob("*.svg"):
        if old.name not in names:
            old.unlink()


def _scenario_text(plan: ExperimentPlan, scenario: Scenario) -> str:
    def name_of(what: str) -> str | None:
        path = plan.inputs.get(f"{scenario.name}: {what}")
        return None if path is None else str(path)

    note = (
        "# Copy with all parameters. Names of files in it are relative to where the experiment was run.\n\n"
    )
    return note + scenario_text(
        scenario, profiles_file=name_of("profiles"), first_pool_file=name_of("first_pool")
    )


def _copy_note(plan: ExperimentPlan) -> str:
    days = ", ".join(str(days) for days in dict.fromkeys(s.days for s in plan.scenarios))
    return (
        "# Copy of the experiment file. Paths in it are relative to the folder of the original. The scenarios\n"
        f"# with all parameters are in scenario-1.toml and so on. Run here: {len(plan.seeds)} seed(s), "
        f"{plan.seeds[0]} to {plan.seeds[-1]}; {days} days.\n\n"
    )


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"
