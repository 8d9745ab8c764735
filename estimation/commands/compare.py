"""``equipoise estimate compare``: every model that the answers allow, side by side."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click


@click.command("compare")
@click.argument("answers", type=click.Path(path_type=Path))
@click.option(
    "--design", type=click.Path(path_type=Path), help="The study's design file, for levels and ranges."
)
@click.option("--arm", help="Use only the answers of this arm.")
@click.option("--wave", type=click.IntRange(min=1), help="Use only the answers of this wave.")
@click.option(
    "--models",
    default="all",
    show_default=True,
    metavar="A,B,…",
    help="Models to compare, such as davidson, min-delta, min-delta+distance, rao-kupper+attributes; "
    "an unknown name lists them.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help="Parts of the respondents, each predicted from the others.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of folds, starts and draws."
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes for the folds.")
@click.option("--scheduler", metavar="tcp://…", help="Dask cluster for the folds.")
@click.option("--out", type=click.Path(path_type=Path), help="Write comparison.json here.")
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Write a picture of held-out answers (SVG) here."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    answers: Path,
    design: Path | None,
    arm: str | None,
    wave: int | None,
    models: str,
    folds: int,
    seed: int,
    workers: int | None,
    scheduler: str | None,
    out: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Fit every model that ANSWERS (answers.csv, or a CSV of counts per pair) allow and say which to prefer.

    Parameters, likelihood, AIC, BIC and predictions of held-out respondents for each; then tests of what could be
    added, the weights under four conventions for indecision, and a recommendation by stated rules.

    \b
    Examples:
      equipoise estimate compare answers.csv --design design.toml --out comparison.json --plot comparison.svg
      equipoise estimate compare answers.csv --models min-delta,rao-kupper+attributes --folds 10 --seed 1
    """
    from dataclasses import replace

    from estimation.commands.reading import answer_hashes, read_choice_input
    from estimation.commands.writing import check_outputs, write_text
    from estimation.comparison_summary import comparison_lines, comparison_record
    from estimation.counts_file import is_counts_file, read_counts
    from estimation.dataset import choice_data
    from estimation.executors import executor
    from estimation.manifest import make_manifest
    from estimation.model_comparison import compare

    check_outputs(("--out", out), ("--plot", plot), inputs=(answers, design))
    hashes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    if is_counts_file(answers):
        for name, value in (("--arm", arm), ("--wave", wave), ("--design", design)):
            if value is not None:
                raise click.UsageError(f"{name} needs a file of answers; {answers} holds counts")
        if plot:
            raise click.UsageError(
                f"--plot: {answers} does not say who answered, so nobody can be held out, and that is what the "
                "picture shows; leave --plot out"
            )
        data = read_counts(answers)
    else:
        answer_set, _, notes = read_choice_input(answers, design)
        data = choice_data(answer_set, arm=arm, wave=wave)
        hashes = answer_hashes(answer_set)
    chosen = tuple(name.strip() for name in models.split(",") if name.strip())
    if not chosen:
        raise click.UsageError("--models: name at least one model, or 'all'")

    def tell(step: str) -> None:
        click.echo(f"{step} …", err=True)

    is_watched = sys.stderr.isatty()
    with executor(workers, scheduler) as pool:
        found = compare(
            data,
            models=chosen,
            n_folds=folds,
            seed=seed,
            executor=pool,
            progress=tell if is_watched else None,
        )
    found = replace(found, notes=(*found.notes, *notes))
    inputs = {"answers": answers, **({"design": design} if design else {})}
    settings = {"arm": arm, "wave": wave, "models": list(chosen), "folds": folds, "seed": seed}
    if plot:
        from estimation.comparison_plots import comparison_plot

        write_text(plot, comparison_plot(found))
    record = comparison_record(found)
    if out:
        written = {**record, "design_hashes": list(hashes), "manifest": make_manifest(inputs, settings)}
        write_text(out, json.dumps(written, indent=1, ensure_ascii=False) + "\n")
    if as_json:
        click.echo(json.dumps(record, indent=1, ensure_ascii=False))
        return
    for line in comparison_lines(found):
        click.echo(line)
    if found.recommended:
        source = f"{answers} --arm {arm}" if arm else str(answers)
        click.echo(
            f"Fit it: equipoise estimate fit {source} {_fit_options(found.recommended)} --out weights.json"
        )
    for path in (out, plot):
        if path:
            click.echo(f"Written to {path}")


_OPTIONS = {"attributes": "--effects attributes", "distance": "--pull-by-distance", "order": "--order-effect"}


def _fit_options(name: str) -> str:
    """Return the options with which ``equipoise estimate fit`` fits a model of the table."""
    model, *extras = name.split("+")
    return " ".join([f"--model {model}", *(_OPTIONS[extra] for extra in extras)])
