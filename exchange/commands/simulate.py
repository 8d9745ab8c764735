"""``equipoise exchange simulate``: a pool over years, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from estimation.commands.writing import check_outputs, write_bytes
from exchange.clearing.objectives import Objective, Policy
from exchange.commands.options import fairness_options
from exchange.commands.reading import DONOR_WEIGHTS_HELP, WEIGHTS_HELP
from exchange.errors import BadRequest
from exchange.outcomes.outcome import EVERYBODY, Measure

if TYPE_CHECKING:
    from estimation.weights import PriorityWeights
    from exchange.experiment.conditions import Sources
    from exchange.outcomes.run_summary import RunSummary
    from exchange.simulation.condition import Condition, DonorPreferences
    from exchange.simulation.record import RunRecord
    from exchange.simulation.scenario import Scenario
    from survey.design import StudyDesign

_PATH = click.Path(dir_okay=False, path_type=Path)
# In the order of the table's rows; a run's other groups are in --json.
_BY = ("profile", "blood_group_class")


@click.command("simulate")
@click.argument("scenario", metavar="SCENARIO")
@click.option(
    "--design",
    default="kidney-8",
    show_default=True,
    metavar="FILE|NAME",
    help="Study that describes the patients: a file, or one that comes with Equipoise.",
)
@click.option("--weights", metavar="FILE|NAME", help=WEIGHTS_HELP)
@click.option("--donor-weights", metavar="FILE|NAME", help=DONOR_WEIGHTS_HELP)
@click.option(
    "--policy",
    type=click.Choice([str(p) for p in Policy]),
    help="Default: priority-after-cardinality with weights, equal without.",
)
@click.option(
    "--objectives",
    metavar="NAME,NAME,…",
    help=f"Instead of a policy: what to pursue, in this order: {', '.join(Objective)}.",
)
@click.option(
    "--concede",
    "concessions",
    metavar="NAME=AMOUNT",
    multiple=True,
    help="How much of an objective the later ones may cost, e.g. transplants=2.",
)
@fairness_options
@click.option(
    "--ranks-by",
    metavar="FILE|NAME",
    help="Preferences that donors draw and in whose order recipients are ranked, such as "
    "freedman2020-heterogeneous.",
)
@click.option("--days", type=click.IntRange(min=1), help="In place of the scenario's own.")
@click.option("--seed", type=click.IntRange(min=0), help="Same seed, same people, same run.")
@click.option("--out", type=_PATH, help="Where to write a row for every patient, e.g. run.parquet.")
@click.option("--days-out", type=_PATH, help="Where to write a row for every day, e.g. days.parquet.")
@click.option(
    "--print-scenario", is_flag=True, help="Print all parameters of the scenario as a file, and stop."
)
@click.option("--json", "as_json", is_flag=True, help="Print what happened as JSON.")
def command(
    scenario: str,
    *,
    design: str,
    weights: str | None,
    donor_weights: str | None,
    policy: str | None,
    objectives: str | None,
    concessions: tuple[str, ...],
    sensitized_from: float,
    sensitized_bonus: float,
    ranks_by: str | None,
    days: int | None,
    seed: int | None,
    out: Path | None,
    days_out: Path | None,
    print_scenario: bool,
    as_json: bool,
) -> None:
    """Simulate a pool over years: one run.

    SCENARIO is a file (TOML), or one that comes with Equipoise, such as freedman2020-heterogeneous. To compare
    policies or weights over many runs, see 'equipoise exchange experiment'.

    \b
    Examples:
      equipoise exchange simulate freedman2020 --seed 1
      equipoise exchange simulate freedman2020 --weights freedman2020-profiles --seed 1 --out run.parquet
      equipoise exchange simulate unos-weekly --print-scenario > own.toml
    """
    from exchange.clearing.objectives import Fairness
    from exchange.commands.reading import read_goals
    from exchange.experiment.conditions import Sources
    from exchange.experiment.experiment_file import study_named
    from exchange.experiment.plan import GREATEST_SEED
    from exchange.experiment.run_file import days_bytes, patients_bytes
    from exchange.outcomes.groups import groupings
    from exchange.outcomes.run_summary import summarize_run
    from exchange.simulation.condition import Condition
    from exchange.simulation.scenario_text import scenario_text
    from exchange.simulation.simulate import simulate

    study, study_path = study_named(design)
    chosen, inputs = _scenario(scenario, study, days)
    if print_scenario:
        names = {role: str(path) for role, path in inputs.items()}
        click.echo(
            scenario_text(
                chosen, profiles_file=names.get("profiles"), first_pool_file=names.get("first_pool")
            ),
            nl=False,
        )
        return
    if seed is None:
        raise click.UsageError("--seed: give one; the same seed gives the same run")
    if seed > GREATEST_SEED:
        raise click.UsageError(f"--seed: {seed} is too great; give at most {GREATEST_SEED}")
    sources = Sources(study=study)
    patients, donors, words = _weights(weights, donor_weights, sources)
    ranks = None if ranks_by is None else sources.preferences(ranks_by, "--ranks-by")[0]
    outputs = (("--out", out), ("--days-out", days_out))
    check_outputs(*outputs, inputs=[study_path, *inputs.values(), *sources.inputs.values()])
    has_weights = patients is not None or donors is not None
    chosen_policy, goals = read_goals(policy, objectives, concessions, has_weights=has_weights)
    condition = Condition(
        name=str(chosen_policy or " then ".join(goal.objective for goal in goals)),
        policy=chosen_policy,
        goals=() if chosen_policy is not None else goals,
        weights=patients,
        preferences=donors,
        fairness=Fairness(threshold=sensitized_from, bonus=sensitized_bonus),
        words=words,
    )
    record = simulate(chosen, study, condition, seed=seed, ranks_by=ranks)
    for path, content in ((out, patients_bytes(record)), (days_out, days_bytes(record))):
        if path is not None:
            write_bytes(path, content)
    summary = summarize_run(record, groupings(record, study))
    if as_json:
        click.echo(json.dumps(_table(record, summary, condition), indent=1, ensure_ascii=False))
        return
    for line in _lines(record, summary, condition, chosen):
        click.echo(line)
    for path in (out, days_out):
        if path is not None:
            click.echo(f"written to {path}")


def _scenario(given: str, study: StudyDesign, days: int | None) -> tuple[Scenario, dict[str, Path]]:
    from dataclasses import replace

    from exchange.simulation.scenario_file import preset, preset_names, read_scenario

    path = Path(given)
    inputs: dict[str, Path] = {}
    if not path.exists() and given in preset_names():
        scenario = preset(given)
    else:
        scenario, inputs = read_scenario(path, study)
    return (scenario if days is None else replace(scenario, days=days)), inputs


def _weights(
    weights: str | None, donor_weights: str | None, sources: Sources
) -> tuple[PriorityWeights | None, DonorPreferences | None, str]:
    """Return weights of patients, or preferences of donors, or neither, and where they are from in words."""
    if weights is not None and donor_weights is not None:
        raise BadRequest("give --weights or --donor-weights, not both")
    if weights is not None:
        named = sources.weights(weights, "--weights")
        return named.weights, None, named.words
    if donor_weights is not None:
        preferences, words = sources.preferences(donor_weights, "--donor-weights")
        return None, preferences, f"drawn by each donor, {words}"
    return None, None, "none: every patient counts 1"


def _table(record: RunRecord, summary: RunSummary, condition: Condition) -> dict[str, Any]:
    """Return a run's numbers as plain data, by grouping, group and measure; None where they are not defined."""
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for quantity, value in summary.values.items():
        if quantity.group:
            groups = found.setdefault(quantity.grouping, {})
            groups.setdefault(quantity.group, {})[str(quantity.measure)] = value if isfinite(value) else None
    return {
        "scenario": record.scenario,
        "policy": condition.name,
        "weights": condition.words,
        "seed": record.seed,
        "days": record.n_days,
        "outcomes": found,
    }


def _lines(record: RunRecord, summary: RunSummary, condition: Condition, scenario: Scenario) -> Iterator[str]:
    yield f"scenario     {scenario.name}: {scenario.source}"
    yield f"policy       {condition.name}; weights {condition.words}"
    yield f"run          {record.n_days:,} days, seed {record.seed}; patients by what became of them"
    rows: list[tuple[str, ...]] = [
        ("", "seen", "matched", "transplanted", "left", "waiting", "share transplanted", "average rank")
    ]
    for grouping in _BY:
        own = {q.group: q for q in summary.values if q.grouping == grouping and q.group}
        rows += [_row(summary, grouping, group) for group in own]
    rows.append(_row(summary, EVERYBODY, EVERYBODY))
    if all(row[-1] == "" for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for first, *rest in rows:
        cells = [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))]
        yield "  ".join(cells)


def _row(summary: RunSummary, grouping: str, group: str) -> tuple[str, ...]:
    from exchange.outcomes.run_summary import Quantity

    def value(measure: Measure) -> float:
        return summary.value(Quantity(grouping, group, measure))

    counts = (Measure.SEEN, Measure.MATCHED, Measure.TRANSPLANTED, Measure.LEFT, Measure.WAITING)
    rank = value(Measure.AVERAGE_RANK)
    return (
        group,
        *(f"{value(measure):,.0f}" for measure in counts),
        f"{100 * value(Measure.TRANSPLANTED_SHARE):.1f} %",
        f"{rank:.2f}" if isfinite(rank) else "",
    )
