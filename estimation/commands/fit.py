"""``equipoise estimate fit``: from answers to a weights file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from estimation.effects import EffectKind
from estimation.specification import Model, Regularize

if TYPE_CHECKING:
    from estimation.dataset import ChoiceData
    from estimation.specification import Specification
    from survey.answers import Answer

_OF_ANSWERS = ("arm", "kind", "wave")
# Four more fits of more free profiles than this would take longer than the one asked for.
_MOST_COMPARED = 100


@click.command("fit")
@click.argument("answers", type=click.Path(path_type=Path))
@click.option(
    "--model",
    type=click.Choice([m.value for m in Model]),
    help="bradley-terry, davidson, rao-kupper: a strength per profile; conditional-logit, min-delta, max-delta, "
    "min-u, max-u, dom, mixture: a weight per attribute. All but bradley-terry and conditional-logit explain "
    "indecision, too.  [default: conditional-logit; of counts and tables, which describe no attributes, "
    "bradley-terry]",
)
@click.option(
    "--effects",
    type=click.Choice([e.value for e in EffectKind]),
    help="Fit the model to free profiles or to attributes, other than it usually is.",
)
@click.option(
    "--interaction", "interactions", multiple=True, metavar="A:B", help="Let two attributes interact."
)
@click.option(
    "--steps", multiple=True, metavar="ATTRIBUTE=V,…", help="Let a numeric attribute's effect step at values."
)
@click.option("--monotone", multiple=True, metavar="ATTRIBUTE", help="Any effect that never turns.")
@click.option("--half-wins", is_flag=True, help="Count an indecision as half a win for each patient.")
@click.option("--order-effect", is_flag=True, help="Estimate what being shown first adds.")
@click.option("--order-by-group", is_flag=True, help="Give each group its own effect of being shown first.")
@click.option(
    "--pull-by-distance", is_flag=True, help="Let indecision depend on how different the patients are."
)
@click.option(
    "--group-by",
    metavar="COLUMN",
    help="Groups of answers: arm, kind, wave, or a column of the file given with --respondents.",
)
@click.option(
    "--respondents",
    type=click.Path(path_type=Path),
    help="CSV with the column 'respondent' and properties of respondents, or a bundle's statements.csv: then the "
    "column is the name of a question.",
)
@click.option("--pull-by-group", is_flag=True, help="Give each group its own pull of indecision.")
@click.option("--effects-by-group", is_flag=True, help="Give each group its own attribute effects.")
@click.option(
    "--forced",
    is_flag=True,
    help="Estimate the share of indecisions that a coin settles where indecision was not offered.",
)
@click.option(
    "--component",
    "components",
    multiple=True,
    type=click.Choice([m.value for m in Model if m is not Model.MIXTURE]),
    help="A component of --model mixture; give two or more.",
)
@click.option(
    "--starts",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Starts of models with several maxima.",
)
@click.option(
    "--regularize",
    type=click.Choice([r.value for r in Regularize]),
    default=Regularize.IF_NEEDED.value,
    show_default=True,
    help="Prior answers where no finite estimate exists.",
)
@click.option(
    "--prior-answers",
    type=float,
    help="Weight of the prior answers, always added. Profiles: wins and losses each against a ghost profile.",
)
@click.option(
    "--design", type=click.Path(path_type=Path), help="The study's design file, for levels and ranges."
)
@click.option("--table", help="Table or view of an SQLite file to count answers in.")
@click.option("--arm", help="Use only the answers of this arm.")
@click.option("--wave", type=click.IntRange(min=1), help="Use only the answers of this wave.")
@click.option(
    "--bootstrap",
    type=click.IntRange(0, 100_000),
    default=0,
    show_default=True,
    help="Bayesian cluster bootstraps for the intervals, 40 or more; 0 uses the cluster sandwich.",
)
@click.option(
    "--draws",
    type=click.IntRange(0, 100_000),
    help="Joint draws kept in weights.json, for the exchange.  [default: 1000; 200 of very many profiles]",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of bootstrap and draws."
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes for the bootstrap.")
@click.option("--scheduler", metavar="tcp://…", help="Dask cluster for the bootstrap.")
@click.option("--out", type=click.Path(path_type=Path), help="Write weights.json here.")
@click.option("--plot", type=click.Path(path_type=Path), help="Write a forest plot (SVG) here.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    answers: Path,
    model: str | None,
    effects: str | None,
    interactions: tuple[str, ...],
    steps: tuple[str, ...],
    monotone: tuple[str, ...],
    half_wins: bool,
    order_effect: bool,
    order_by_group: bool,
    pull_by_distance: bool,
    group_by: str | None,
    respondents: Path | None,
    pull_by_group: bool,
    effects_by_group: bool,
    forced: bool,
    components: tuple[str, ...],
    starts: int,
    regularize: str,
    prior_answers: float | None,
    design: Path | None,
    table: str | None,
    arm: str | None,
    wave: int | None,
    bootstrap: int,
    draws: int | None,
    seed: int,
    workers: int | None,
    scheduler: str | None,
    out: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Estimate weights from ANSWERS: answers.csv, a CSV of counts per pair, or an SQLite file (--table).

    \b
    Examples:
      equipoise estimate fit answers.csv --design design.toml --model min-delta --out weights.json
      equipoise estimate fit answers.csv --model davidson --order-effect --bootstrap 1000 --seed 1
      equipoise estimate fit counts.csv --model rao-kupper
    """
    from dataclasses import replace

    from estimation.commands.writing import check_outputs, write_text
    from estimation.effects import Shape
    from estimation.executors import executor
    from estimation.fitting import fit
    from estimation.manifest import make_manifest
    from estimation.specification import Specification
    from estimation.summary import fit_lines
    from estimation.uncertainty import Intervals
    from estimation.weights_file import fit_record, weights_text

    by_group = pull_by_group or effects_by_group or order_by_group
    if by_group and not group_by:
        raise click.UsageError("--pull-by-group, --effects-by-group and --order-by-group need --group-by")
    if group_by and not by_group:
        raise click.UsageError("--group-by needs --pull-by-group, --effects-by-group or --order-by-group")
    if respondents and not group_by:
        raise click.UsageError("--respondents needs --group-by: name the column of that file to group by")
    spec = Specification(
        model=_usual_model(answers, table) if model is None else Model(model),
        effects=EffectKind(effects) if effects else None,
        shape=Shape(
            interactions=tuple(_pair(text) for text in interactions),
            stepped=dict(_stepped(text) for text in steps) or None,
            monotone=monotone,
        ),
        half_wins=half_wins,
        order_effect=order_effect,
        order_by_group=order_by_group,
        by_distance=pull_by_distance,
        pull_by_group=pull_by_group,
        effects_by_group=effects_by_group,
        forced=forced,
        components=tuple(Model(c) for c in components),
        n_starts=starts,
        regularize=Regularize.ALWAYS if prior_answers is not None else Regularize(regularize),
        prior_answers=prior_answers,
        seed=seed,
    )
    spec.check()
    check_outputs(("--out", out), ("--plot", plot), inputs=(answers, design, respondents))
    data, hashes, notes = _data(answers, design, table, arm, wave, group_by, respondents)
    if bootstrap and sys.stderr.isatty():
        click.echo(f"fitting, then {bootstrap} bootstraps …", err=True)
    with executor(workers, scheduler) as pool:
        result = fit(
            data, spec, intervals=Intervals(bootstrap=bootstrap, draws=draws, seed=seed), executor=pool
        )
    result = replace(result, notes=(*result.notes, *notes))
    extra, lines = _beside(data, spec, draws)
    inputs = {"answers": answers}
    inputs |= {"design": design} if design else {}
    inputs |= {"respondents": respondents} if respondents else {}
    settings = {
        "arm": arm,
        "wave": wave,
        "table": table,
        "group_by": group_by,
        "bootstrap": bootstrap,
        "draws": draws,
        "seed": seed,
    }
    if out:
        manifest = make_manifest(inputs, settings)
        write_text(out, weights_text(result, design_hashes=hashes, manifest=manifest, extra=extra))
    if plot:
        from estimation.forest_plots import forest_plot

        write_text(plot, forest_plot(result))
    if as_json:
        click.echo(json.dumps({**fit_record(result), **extra}, indent=1, ensure_ascii=False))
        return
    for line in (*fit_lines(result), *lines):
        click.echo(line)
    for written in (out, plot):
        if written:
            click.echo(f"Written to {written}")


def _data(
    answers: Path,
    design: Path | None,
    table: str | None,
    arm: str | None,
    wave: int | None,
    group_by: str | None,
    respondents: Path | None,
) -> tuple[ChoiceData, tuple[str, ...], tuple[str, ...]]:
    """Return the counts of whatever file was given, the design hashes it carries, and notes."""
    from estimation.commands.reading import answer_hashes, read_choice_input
    from estimation.counts_file import is_counts_file, read_counts
    from estimation.dataset import choice_data

    of_counts = table is not None or is_counts_file(answers)
    if of_counts:
        for name, value in (("--arm", arm), ("--wave", wave), ("--group-by", group_by), ("--design", design)):
            if value is not None:
                raise click.UsageError(f"{name} needs a file of answers; {answers} holds counts")
        if table is None:
            return read_counts(answers), (), ()
        from estimation.counts_table import read_counts_table

        return read_counts_table(answers, table), (), ()
    answer_set, _, notes = read_choice_input(answers, design)
    data = choice_data(answer_set, arm=arm, wave=wave, group_of=_group_of(group_by, respondents))
    return data, answer_hashes(answer_set), notes


def _usual_model(answers: Path, table: str | None) -> Model:
    """Return a model that needs nothing that the file does not have."""
    from estimation.counts_file import is_counts_file

    of_counts = table is not None or is_counts_file(answers)
    return Model.BRADLEY_TERRY if of_counts else Model.CONDITIONAL_LOGIT


def _group_of(group_by: str | None, respondents: Path | None) -> Callable[[Answer], str | None] | None:
    if group_by is None:
        return None
    if respondents is None:
        if group_by not in _OF_ANSWERS:
            raise click.UsageError(
                f"--group-by {group_by}: give the file that has this column (--respondents), or one of "
                f"{', '.join(_OF_ANSWERS)}"
            )
        return lambda answer: str(getattr(answer, group_by))
    from estimation.commands.reading import read_respondent_column

    group = read_respondent_column(respondents, group_by)
    return lambda answer: group.get(answer.respondent or "")


def _beside(data: ChoiceData, spec: Specification, draws: int | None) -> tuple[dict[str, object], list[str]]:
    """Return what stands beside a fit: the conventions for indecision and what they do to the weights."""
    from estimation.conventions import conventions, conventions_lines, conventions_record
    from estimation.errors import EstimationError

    by_profile = spec.effect_kind is EffectKind.PROFILES
    if not data.n_indecisions or (by_profile and len(data.profiles) > _MOST_COMPARED):
        return {}, []
    try:
        found = conventions(
            data,
            effects=spec.effect_kind,
            shape=spec.shape,
            order_effect=spec.has_order,
            draws=draws,
            seed=spec.seed,
        )
    except EstimationError as error:
        words = f"the conventions for indecision cannot be compared: {error}"
        return {"conventions": {"refused": words}}, [f"Note: {words}"]
    heading = "Conventions for indecision: weights (largest = 1) with 95 % intervals"
    return {"conventions": conventions_record(found)}, [heading, *conventions_lines(found)]


def _pair(text: str) -> tuple[str, str]:
    one, colon, other = text.partition(":")
    if not (one and colon and other):
        raise click.UsageError(f"--interaction {text}: name two attributes, as in age:drinks")
    return one.strip(), other.strip()


def _stepped(text: str) -> tuple[str, tuple[float, ...]]:
    name, equals, values = text.partition("=")
    try:
        at = tuple(float(v) for v in values.split(","))
    except ValueError:
        at = ()
    if not (name and equals and at):
        raise click.UsageError(f"--steps {text}: give an attribute and values, as in age=40,60")
    return name.strip(), at
