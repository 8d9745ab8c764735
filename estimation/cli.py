"""``equipoise estimate``: from an answers file to a weights file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from estimation.results import Model


@click.group("estimate")
def group() -> None:
    """Turn answers into weights."""


@group.command("fit")
@click.argument("answers", type=click.Path(path_type=Path))
@click.option(
    "--model",
    type=click.Choice([m.value for m in Model]),
    default=Model.CONDITIONAL_LOGIT.value,
    show_default=True,
    help="bradley-terry: a strength per profile; conditional-logit: attribute weights from decided answers; "
    "min-delta: attribute weights and the pull of indecision from all answers.",
)
@click.option(
    "--design", type=click.Path(path_type=Path), help="The study's design file, for levels and ranges."
)
@click.option("--arm", help="Use only the answers of this arm.")
@click.option(
    "--bootstrap",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Bayesian cluster bootstraps for the intervals, 40 or more; 0 uses the cluster sandwich.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the bootstrap."
)
@click.option(
    "--prior-answers",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Weight of prior answers that keep estimates finite; 0 is maximum likelihood.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write weights.json here.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def fit_command(
    answers: Path,
    model: str,
    design: Path | None,
    arm: str | None,
    bootstrap: int,
    seed: int,
    prior_answers: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """Estimate weights from ANSWERS (answers.csv).

    \b
    Example:
      equipoise estimate fit answers.csv --design design.toml --model min-delta --out weights.json
    """
    from dataclasses import replace

    from estimation.dataset import choice_data
    from estimation.fitting import fit
    from estimation.manifest import make_manifest
    from estimation.summary import fit_lines, no_design_note
    from estimation.weights_file import fit_record, write_weights
    from survey.answers_file import read_answers
    from survey.design import design_hash
    from survey.design_file import example_with_hash, read_design

    study = read_design(design) if design else None
    answer_set = read_answers(answers, study.attributes if study else None)
    hashes = tuple(sorted({a.design_hash for a in answer_set.answers}))
    notes = []
    if study is None and len(hashes) == 1 and (study := example_with_hash(hashes[0])):
        answer_set = read_answers(answers, study.attributes)
        notes.append(
            f"attributes as in the shipped design '{study.slug}', whose design hash the answers carry"
        )
    elif study is None:
        notes.append(no_design_note(answer_set.attributes))
    elif hashes != (design_hash(study),):
        notes.append(
            "the answers were not all collected with this version of the design; its words may differ"
        )
    data = choice_data(answer_set, arm=arm)
    result = fit(data, Model(model), prior_answers=prior_answers, bootstrap=bootstrap, seed=seed)
    result = replace(result, notes=(*result.notes, *notes))
    if out:
        inputs = {"answers": answers, **({"design": design} if design else {})}
        settings = {
            "model": model,
            "arm": arm,
            "bootstrap": bootstrap,
            "seed": seed,
            "prior_answers": prior_answers,
        }
        write_weights(out, result, design_hashes=hashes, manifest=make_manifest(inputs, settings))
    if as_json:
        click.echo(json.dumps(fit_record(result), indent=1, ensure_ascii=False))
        return
    for line in fit_lines(result):
        click.echo(line)
    if out:
        click.echo(f"Written to {out}")
