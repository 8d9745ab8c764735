"""``equipoise estimate diagnose``: what to look at before believing the weights."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from estimation.diagnostics.flags import Thresholds
from estimation.effects import EffectKind
from estimation.specification import Model

_DEFAULT = Thresholds()


@click.command("diagnose")
@click.argument("answers", type=click.Path(path_type=Path))
@click.option(
    "--design",
    type=click.Path(path_type=Path),
    help="The study's design file: what checks and dominated pairs expect, and the exclusions stated beforehand.",
)
@click.option("--arm", help="Use only the answers of this arm.")
@click.option("--wave", type=click.IntRange(min=1), help="Use only the answers of this wave.")
@click.option(
    "--model",
    type=click.Choice([m.value for m in Model if m is not Model.MIXTURE]),
    help="Model that respondents are held against.  [default: min-delta, or conditional-logit without indecision]",
)
@click.option(
    "--effects",
    type=click.Choice([e.value for e in EffectKind]),
    help="Fit the model to free profiles or to attributes, other than it usually is.",
)
@click.option(
    "--fast-seconds",
    type=click.FloatRange(min=0),
    default=_DEFAULT.median_seconds_below,
    show_default=True,
    help="Flag a median time per comparison below this.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=_DEFAULT.speed_above,
    show_default=True,
    help="Flag who is more than so many times as fast as the median respondent.",
)
@click.option(
    "--side-p",
    type=click.FloatRange(0, 1),
    default=_DEFAULT.side_p_below,
    show_default=True,
    help="Flag answers to one side less probable than this.",
)
@click.option(
    "--run-share",
    type=click.FloatRange(0, 1),
    default=_DEFAULT.run_above,
    show_default=True,
    help="Flag a longer run of the same answer, as a share of all.",
)
@click.option(
    "--circular-share",
    type=click.FloatRange(0, 1),
    default=_DEFAULT.circular_from,
    show_default=True,
    help="Flag this share of circular triads or more.",
)
@click.option(
    "--mean-square",
    type=click.FloatRange(min=0),
    default=_DEFAULT.mean_square_above,
    show_default=True,
    help="Flag infit or outfit above this (and standardized above 2).",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of starts and draws.")
@click.option("--out", type=click.Path(path_type=Path), help="Write diagnosis.json here.")
@click.option(
    "--participants", "people", type=click.Path(path_type=Path), help="Write participants.csv here."
)
@click.option("--plot", type=click.Path(path_type=Path), help="Write a picture (SVG) here.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    answers: Path,
    design: Path | None,
    arm: str | None,
    wave: int | None,
    model: str | None,
    effects: str | None,
    fast_seconds: float,
    speed: float,
    side_p: float,
    run_share: float,
    circular_share: float,
    mean_square: float,
    seed: int,
    out: Path | None,
    people: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Examine ANSWERS (answers.csv): respondents, pairs, waves, model. Flags, never drops.

    \b
    Examples:
      equipoise estimate diagnose answers.csv --design design.toml
      equipoise estimate diagnose answers.csv --out diagnosis.json --participants participants.csv
      equipoise estimate diagnose answers.csv --model davidson --plot diagnosis.svg
    """
    from dataclasses import replace
    from io import StringIO

    from estimation.commands.reading import answer_hashes, read_choice_input
    from estimation.commands.writing import check_outputs, write_text
    from estimation.dataset import choice_data
    from estimation.diagnostics.diagnosis import diagnose, usual_specification
    from estimation.diagnostics.record import FORMAT, FORMAT_VERSION, diagnosis_record, participant_columns
    from estimation.diagnostics.report import diagnosis_lines
    from estimation.manifest import make_manifest
    from estimation.specification import Specification
    from estimation.uncertainty import Intervals
    from survey.columns import write_csv

    check_outputs(("--out", out), ("--participants", people), ("--plot", plot), inputs=(answers, design))
    answer_set, study, notes = read_choice_input(answers, design)
    usual = usual_specification(choice_data(answer_set, arm=arm, wave=wave))
    spec = replace(usual, seed=seed)
    if model or effects:
        spec = Specification(
            model=Model(model) if model else usual.model,
            effects=EffectKind(effects) if effects else None,
            seed=seed,
        )
    thresholds = Thresholds(
        median_seconds_below=fast_seconds,
        speed_above=speed,
        side_p_below=side_p,
        run_above=run_share,
        circular_from=circular_share,
        mean_square_above=mean_square,
    )
    if sys.stderr.isatty():
        click.echo("examining respondents, and fitting with and without those flagged …", err=True)
    found = diagnose(
        answer_set,
        spec,
        design=study,
        arm=arm,
        wave=wave,
        thresholds=thresholds,
        intervals=Intervals(seed=seed),
    )
    found = replace(found, notes=(*found.notes, *notes))
    record: dict[str, object] = {}
    if out or as_json:
        inputs = {"answers": answers, **({"design": design} if design else {})}
        record = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            **diagnosis_record(found),
            "design_hashes": list(answer_hashes(answer_set)),
            "manifest": make_manifest(inputs, {"arm": arm, "wave": wave, "seed": seed}),
        }
    if out:
        write_text(out, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    if people:
        table = StringIO()
        write_csv(table, participant_columns(found.flags), found.participants)
        write_text(people, table.getvalue())
    if plot:
        from estimation.diagnosis_plots import diagnosis_plot

        write_text(plot, diagnosis_plot(found))
    if as_json:
        click.echo(json.dumps(record, indent=1, ensure_ascii=False))
        return
    for line in diagnosis_lines(found):
        click.echo(line)
    for written in (out, people, plot):
        if written:
            click.echo(f"Written to {written}")
