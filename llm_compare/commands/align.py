"""``equipoise compare align``: people's answers against models' replies, as numbers and as a report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from exchange.simulation.scenario import Scenario
    from llm_compare.replies.replies_file import ReplyFile
    from survey.answers import AnswerSet

_POPULATIONS = {"like-these": "LIKE_THESE", "these": "THESE"}


@click.command("align")
@click.argument("answers", type=click.Path(path_type=Path))
@click.argument("replies", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write alignment.json here.")
@click.option("--report", "report_path", type=click.Path(path_type=Path), help="Write report.html here.")
@click.option("--title", default="People and models", show_default=True, help="Of the report.")
@click.option("--people-source", default="", help="Who gave the people's answers, in words for the report.")
@click.option("--arm", help="Use only the people's answers of this arm.")
@click.option(
    "--draws",
    type=click.IntRange(min=20),
    default=400,
    show_default=True,
    help="Draws of people and comparisons for the intervals.",
)
@click.option(
    "--population",
    type=click.Choice(list(_POPULATIONS)),
    default="like-these",
    show_default=True,
    help="What intervals are about: comparisons like these, or these and no others.",
)
@click.option(
    "--splits",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Random halvings of the people for what they reach among themselves.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all draws.")
@click.option(
    "--pool",
    "pool_path",
    type=click.Path(path_type=Path),
    help="Clear this pool with people's and with each model's weights.",
)
@click.option(
    "--pools", type=click.IntRange(min=2), help="Clear so many generated pools with everybody's weights."
)
@click.option("--cycle-cap", type=int, default=3, show_default=True, help="Most pairs in a cycle.")
@click.option("--chain-cap", type=int, default=0, show_default=True, help="Most pairs in a chain.")
@click.option(
    "--years",
    type=click.FloatRange(min=0, min_open=True),
    help="Simulate an exchange for so many years with everybody's weights; needs --runs.",
)
@click.option(
    "--runs", type=click.Path(file_okay=False, path_type=Path), help="Folder that keeps these runs."
)
@click.option("--scenario", help="World of the simulation: the name of a shipped one, or a file.")
@click.option(
    "--seeds",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help="Simulated runs of each weights; the same people arrive under all.",
)
@click.option(
    "--weight-draws",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Draws of everybody's weights (2 or more), to tell what weights do from the noise of their estimate. "
    "Each is cleared and simulated anew.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes for clearing and simulating.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def align_command(
    answers: Path,
    replies: tuple[Path, ...],
    out: Path | None,
    report_path: Path | None,
    title: str,
    people_source: str,
    arm: str | None,
    draws: int,
    population: str,
    splits: int,
    seed: int,
    pool_path: Path | None,
    pools: int | None,
    cycle_cap: int,
    chain_cap: int,
    years: float | None,
    runs: Path | None,
    scenario: str | None,
    seeds: int,
    weight_draws: int,
    workers: int | None,
    as_json: bool,
) -> None:
    """Compare people's ANSWERS (answers.csv) with models' REPLIES (replies.jsonl, one file per model).

    \b
    Example:
      equipoise compare align answers.csv replies.jsonl --out alignment.json --report report.html
      equipoise compare align answers.csv gpt.jsonl claude.jsonl --report report.html \\
        --years 5 --seeds 5 --runs runs
    """
    from estimation.commands.writing import check_outputs, write_text
    from estimation.executors import executor
    from estimation.manifest import file_hash, make_manifest
    from exchange.commands.stopping import ProgressLine
    from exchange.pool_file import read_pool
    from llm_compare.alignment.alignment_file import write_alignment
    from llm_compare.alignment.resampling import Population, Resampling
    from llm_compare.report.compared import Consequential, Years, compare_models
    from llm_compare.report.report import render

    if (years is None) != (runs is None):
        raise click.UsageError("--years and --runs belong together: a simulation keeps its runs in a folder")
    if scenario is not None and years is None:
        raise click.UsageError("--scenario is the world of a simulation; say how long with --years")
    if weight_draws == 1:
        raise click.UsageError("--weight-draws: one draw shows no noise; give 2 or more, or 0 for none")
    if weight_draws and pool_path is None and pools is None and years is None:
        raise click.UsageError(
            "--weight-draws are of a clearing; add --pool pool.json, --pools 20, or --years 5 --runs FOLDER"
        )
    if twice := [str(path) for path, n in Counter(path.resolve() for path in replies).items() if n > 1]:
        raise click.UsageError(f"{twice[0]} is named more than once")
    check_outputs(("--out", out), ("--report", report_path), inputs=[answers, *replies, pool_path])
    files = read_labeled(replies)
    first = next(iter(files.values()))
    people = _people(answers, first, arm)
    inputs = {"answers": answers, **{f"replies {i}": path for i, path in enumerate(replies, start=1)}}
    if pool_path:
        inputs["pool"] = pool_path
    settings: dict[str, object] = {
        "people_source": people_source,
        "arm": arm,
        "draws": draws,
        "population": population,
        "splits": splits,
        "seed": seed,
        "cycle_cap": cycle_cap,
        "chain_cap": chain_cap,
        "pools": pools,
        "years": years,
        "seeds": seeds if years else None,
        "scenario": scenario,
        "weight_draws": weight_draws,
    }
    line = ProgressLine(all_lines=False)
    with executor(workers, None) as processes:
        report = compare_models(
            people,
            files,
            title=title,
            people_source=people_source,
            resampling=Resampling(n_draws=draws, seed=seed, population=Population[_POPULATIONS[population]]),
            n_splits=splits,
            exchange=Consequential(
                pool=read_pool(pool_path) if pool_path else None,
                n_pools=pools or 0,
                years=None
                if years is None or runs is None
                else Years(folder=runs, years=years, n_seeds=seeds, scenario=_scenario(scenario, first)),
                cycle_cap=cycle_cap,
                chain_cap=chain_cap,
                n_weight_draws=weight_draws,
            ),
            manifest=make_manifest(inputs, settings),
            executor=processes,
            n_at_once=workers or 1,
            say=line,
        )
    line.close()
    record = report.record()
    if out:
        write_alignment(out, record)
    if report_path:
        write_text(report_path, render(record, source=None if out is None else (out.name, file_hash(out))))
    if as_json:
        click.echo(json.dumps(record, indent=1, ensure_ascii=False))
        return
    _show(record, [path for path in (out, report_path) if path])


def read_labeled(paths: Sequence[Path]) -> dict[str, ReplyFile]:
    """Read reply files, labeled as they say, or by model; by file, too, where a label would stand for several."""
    from llm_compare.replies.replies_file import read_replies

    files = [(path, read_replies(path)) for path in paths]
    named = [(path, file.label or file.model, file) for path, file in files]
    times = Counter(name for _, name, _ in named)
    return {name if times[name] == 1 else f"{name} ({path})": file for path, name, file in named}


def _people(answers: Path, asked: ReplyFile, arm: str | None) -> AnswerSet:
    from dataclasses import replace

    from llm_compare.errors import NotComparable
    from survey.answers_file import read_answers

    # Described as the models' design describes them: a level called "1" is then no number.
    people = read_answers(answers, asked.attributes)
    if arm is None:
        return people
    chosen = [a for a in people.answers if a.arm == arm]
    if not chosen:
        arms = ", ".join(sorted({a.arm for a in people.answers}))
        raise NotComparable(f"{answers}: no answers in arm '{arm}'; the arms are {arms}")
    return replace(people, answers=chosen)


def _scenario(given: str | None, asked: ReplyFile) -> Scenario | None:
    from exchange.simulation.scenario_file import preset, preset_names, read_scenario
    from llm_compare.consequences.study import study_design

    if given is None:
        return None
    if given in preset_names():
        return preset(given)
    design = study_design(asked.slug, asked.title, asked.design_hash, asked.attributes)
    scenario, _ = read_scenario(Path(given), design)
    return scenario


def _show(record: dict[str, Any], written: Sequence[Path]) -> None:
    for model in record["models"]:
        measured = model["measured"]
        note = " (scripted)" if measured["calls"]["scripted"] else ""
        click.echo(f"{measured['label']}{note}")
        for sentence in model["summary"]:
            click.echo(f"  {sentence}")
    for model in record["without_choice"]:
        counts = model["calls"]["outcomes"]["counts"]
        came_to = ", ".join(f"{n} {outcome}" for outcome, n in counts.items() if n)
        click.echo(f"{model['label']}: none of its replies is a readable choice ({came_to})")
    for note in record["notes"]:
        click.echo(f"Note: {note}.")
    if all(model[run] is None for model in record["models"] for run in ("pool", "pools", "years")):
        click.echo(
            "No exchange was run: add --pool pool.json, --pools 20, or --years 5 --runs FOLDER to see what the "
            "difference does to patients."
        )
    for path in written:
        click.echo(f"Written to {path}")
