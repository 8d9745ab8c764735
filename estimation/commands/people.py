"""``equipoise estimate people``: how people differ, and what voting would say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from estimation.effects import EffectKind
from estimation.specification import Model

# Those whose likelihood has a single maximum for alike respondents.
_MODELS = (
    Model.MIN_DELTA,
    Model.DAVIDSON,
    Model.RAO_KUPPER,
    Model.MIN_U,
    Model.CONDITIONAL_LOGIT,
    Model.BRADLEY_TERRY,
)


@click.command("people")
@click.argument("answers", type=click.Path(path_type=Path))
@click.option(
    "--design", type=click.Path(path_type=Path), help="The study's design file, for levels and ranges."
)
@click.option("--arm", help="Use only the answers of this arm.")
@click.option("--wave", type=click.IntRange(min=1), help="Use only the answers of this wave.")
@click.option(
    "--model",
    type=click.Choice([m.value for m in _MODELS]),
    help="The model that each kind of people follows. Usually min-delta, or conditional-logit where indecision was "
    "not on offer.",
)
@click.option(
    "--effects",
    type=click.Choice([e.value for e in EffectKind]),
    help="Fit the model to free profiles or to attributes, other than it usually is.",
)
@click.option(
    "--classes",
    type=click.IntRange(min=1, max=12),
    default=5,
    show_default=True,
    help="Most classes of people to try.",
)
@click.option(
    "--starts",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Starts for each number of classes.",
)
@click.option(
    "--bootstrap",
    type=click.IntRange(0, 100_000),
    default=0,
    show_default=True,
    help="Bootstraps of respondents for the shares of what does not count, 40 or more; 0 uses the sandwich.",
)
@click.option(
    "--draws",
    type=click.IntRange(32, 100_000),
    default=256,
    show_default=True,
    help="Draws for each person, even, for the population's distribution.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of starts and draws.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes for the bootstrap.")
@click.option("--scheduler", metavar="tcp://…", help="Dask cluster for the bootstrap.")
@click.option("--out", type=click.Path(path_type=Path), help="Write people.json here.")
@click.option(
    "--plot", type=click.Path(path_type=Path), help="Write a picture of the kinds of people (SVG) here."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    answers: Path,
    design: Path | None,
    arm: str | None,
    wave: int | None,
    model: str | None,
    effects: str | None,
    classes: int,
    starts: int,
    bootstrap: int,
    draws: int,
    seed: int,
    workers: int | None,
    scheduler: str | None,
    out: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Show how people in ANSWERS (answers.csv) differ.

    Latent classes with their weights, the share of people for whom an attribute does not count, the population's
    distribution of coefficients, people's own pulls of indecision, and what voting rules over people's predicted
    orders say beside the pooled weights.

    \b
    Examples:
      equipoise estimate people answers.csv --design design.toml --plot people.svg
      equipoise estimate people answers.csv --model conditional-logit --classes 3 --seed 1 --out people.json
    """
    from dataclasses import replace

    from estimation.commands.reading import answer_hashes, read_choice_input
    from estimation.commands.writing import check_outputs, write_text
    from estimation.dataset import choice_data
    from estimation.executors import executor
    from estimation.heterogeneity.people import study_people
    from estimation.heterogeneity.people_summary import people_lines, people_record
    from estimation.manifest import make_manifest
    from estimation.specification import Specification

    check_outputs(("--out", out), ("--plot", plot), inputs=(answers, design))
    answer_set, _, notes = read_choice_input(answers, design)
    data = choice_data(answer_set, arm=arm, wave=wave)
    usual = Model.MIN_DELTA if data.offered.any() else Model.CONDITIONAL_LOGIT
    spec = Specification(
        model=Model(model) if model else usual, effects=EffectKind(effects) if effects else None, seed=seed
    )

    def tell(step: str) -> None:
        click.echo(f"{step} …", err=True)

    with executor(workers, scheduler) as pool:
        study = study_people(
            data,
            spec,
            most_classes=classes,
            n_starts=starts,
            bootstrap=bootstrap,
            draws=draws,
            executor=pool,
            progress=tell if sys.stderr.isatty() else None,
        )
    study = replace(study, notes=(*study.notes, *notes))
    record = {
        "format": "equipoise-people",
        "format_version": 1,
        **people_record(study),
        "design_hashes": list(answer_hashes(answer_set)),
    }
    inputs = {"answers": answers, **({"design": design} if design else {})}
    settings = {
        "arm": arm,
        "wave": wave,
        "model": spec.model.value,
        "effects": spec.effect_kind.value,
        "classes": classes,
        "starts": starts,
        "bootstrap": bootstrap,
        "draws": draws,
        "seed": seed,
    }
    if out:
        document = {**record, "manifest": make_manifest(inputs, settings)}
        write_text(out, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    if plot:
        from estimation.people_plots import people_plot

        write_text(plot, people_plot(study))
    if as_json:
        click.echo(json.dumps(record, indent=1, ensure_ascii=False))
        return
    for line in people_lines(study):
        click.echo(line)
    for written in (out, plot):
        if written:
            click.echo(f"Written to {written}")
