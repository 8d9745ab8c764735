"""``equipoise compare align``: people's answers against models' replies, as numbers and as a report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from llm_compare.replies_file import ReplyFile


@click.command("align")
@click.argument("answers", type=click.Path(path_type=Path))
@click.argument("replies", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write alignment.json here.")
@click.option("--report", "report_path", type=click.Path(path_type=Path), help="Write report.html here.")
@click.option(
    "--pool",
    "pool_path",
    type=click.Path(path_type=Path),
    help="Clear this pool with people's and with each model's weights.",
)
@click.option("--cycle-cap", type=int, default=3, show_default=True, help="Most pairs in a cycle.")
@click.option(
    "--chain-cap", type=int, default=0, show_default=True, help="Most pairs in a chain; 0 for none."
)
@click.option("--people-source", default="", help="Who gave the people's answers, in words for the report.")
@click.option("--arm", help="Use only the people's answers of this arm.")
@click.option(
    "--bootstrap",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Bayesian cluster bootstraps for the coefficients' intervals, 40 or more; 0 uses the cluster sandwich.",
)
@click.option(
    "--splits",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Random halvings of the people for the ceiling.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of bootstraps and splits."
)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def align_command(
    answers: Path,
    replies: tuple[Path, ...],
    out: Path | None,
    report_path: Path | None,
    pool_path: Path | None,
    cycle_cap: int,
    chain_cap: int,
    people_source: str,
    arm: str | None,
    bootstrap: int,
    splits: int,
    seed: int,
    as_json: bool,
) -> None:
    """Compare people's ANSWERS (answers.csv) with models' REPLIES (replies.jsonl, one file per model).

    \b
    Example:
      equipoise compare align answers.csv replies.jsonl --out alignment.json --report report.html
    """
    from dataclasses import replace

    from estimation.manifest import make_manifest
    from exchange.pool_file import read_pool
    from llm_compare.errors import NotComparable
    from llm_compare.report import (
        Report,
        alignment_record,
        common_notes,
        origins,
        summary,
        write_alignment,
        write_report,
    )
    from llm_compare.results import compare_models
    from survey.answers_file import read_answers

    files = read_labeled(replies)
    first = next(iter(files.values()))
    # Described as the models' design describes them: a level called "1" is then no number.
    people = read_answers(answers, first.attributes)
    if arm is not None:
        chosen = [a for a in people.answers if a.arm == arm]
        if not chosen:
            arms = ", ".join(sorted({a.arm for a in people.answers}))
            raise NotComparable(f"{answers}: no answers in arm '{arm}'; the arms are {arms}")
        people = replace(people, answers=chosen)
    pool = read_pool(pool_path) if pool_path else None
    inputs = {"answers": answers, **{f"replies {i}": path for i, path in enumerate(replies, start=1)}}
    if pool_path:
        inputs["pool"] = pool_path
    settings = {
        "people_source": people_source,
        "arm": arm,
        "bootstrap": bootstrap,
        "splits": splits,
        "seed": seed,
        "cycle_cap": cycle_cap,
        "chain_cap": chain_cap,
    }
    compared = compare_models(
        people,
        files,
        pool=pool,
        cycle_cap=cycle_cap,
        chain_cap=chain_cap,
        bootstrap=bootstrap,
        n_splits=splits,
        seed=seed,
        progress=lambda text: click.echo(text, err=True),
    )
    report = Report(
        title="People and models",
        study_title=first.title,
        slug=first.slug,
        design_hash=first.design_hash,
        attributes=first.attributes,
        people_source=people_source or people.source,
        results=compared.results,
        without_choice=compared.without_choice,
        origins=origins(
            people, [*compared.results, *compared.without_choice], pool, people_source=people_source
        ),
        manifest=make_manifest(inputs, settings),
    )
    if out:
        write_alignment(out, report)
    if report_path:
        write_report(report_path, report, alignment=out)
    if as_json:
        click.echo(json.dumps(alignment_record(report), indent=1, ensure_ascii=False))
        return
    for result in report.results:
        click.echo(f"{result.label}{' (scripted)' if result.is_scripted else ''}: {summary(result)}")
    for model in report.without_choice:
        click.echo(f"{model.label}: none of its replies is a readable choice ({model.came_to})")
    for note in common_notes(report.results):
        click.echo(f"Note: {note}.")
    if pool is None:
        click.echo("No pool was given: add --pool pool.json to see what the difference does in an exchange.")
    for path in (out, report_path):
        if path:
            click.echo(f"Written to {path}")


def read_labeled(paths: Sequence[Path]) -> dict[str, ReplyFile]:
    """Read reply files, labeled by model; by model and file where one model has several."""
    from llm_compare.replies_file import read_replies

    files = [(path, read_replies(path)) for path in paths]
    times = Counter(file.model for _, file in files)
    return {file.model if times[file.model] == 1 else f"{file.model} ({path})": file for path, file in files}
