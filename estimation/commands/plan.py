"""``equipoise estimate plan``: how many people, and how many answers of each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from estimation.effects import EffectKind

if TYPE_CHECKING:
    from estimation.assumptions import Assumed
    from estimation.planning import Needed, Plan
    from survey.design import StudyDesign

# A simulated study of more people than this takes all memory.
_MOST = 20_000


def _numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        numbers = tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"'{value}' is no list of whole numbers; write them like 50,100,200", ctx=ctx, param=param
        ) from None
    if max(numbers) > _MOST:
        raise click.BadParameter(f"{max(numbers)} is too many; give {_MOST} or fewer", ctx=ctx, param=param)
    return numbers


@click.command("plan")
@click.argument("design", metavar="DESIGN")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="Assume these weights (weights.json), e.g. of a pilot."
)
@click.option(
    "--assume",
    metavar="NAME",
    help="Assume published weights: freedman2020 (profiles YRH to OFC), which is the default.",
)
@click.option(
    "--weights-are",
    type=click.Choice(["pooled", "typical"]),
    default="pooled",
    show_default=True,
    help="Whose weights those are: of everybody's answers together, or a typical person's.",
)
@click.option(
    "--effects",
    type=click.Choice([e.value for e in EffectKind]),
    help="Fit free profiles or attributes.  [default: as the weights are]",
)
@click.option(
    "--people",
    callback=_numbers,
    metavar="N,N,…",
    default="50,100,200,400",
    show_default=True,
    help="Numbers of people to try.",
)
@click.option(
    "--answers",
    callback=_numbers,
    metavar="N,N,…",
    help="Numbers of answers per person to try.  [default: as the design asks]",
)
@click.option(
    "--design-effect",
    type=float,
    help="Variance over that of independent answers; people differ as much as that takes.  [default: 1]",
)
@click.option(
    "--at-answers", type=click.IntRange(min=1), help="Answers per person at which the design effect was seen."
)
@click.option(
    "--spread",
    type=float,
    help="How much people differ, in place of the design effect: a standard deviation.",
)
@click.option(
    "--indecision-rate", type=float, help="Assumed share of answers that are indecision.  [default: none are]"
)
@click.option(
    "--simulations",
    type=click.IntRange(2, 1_000_000),
    default=400,
    show_default=True,
    help="Studies simulated for each number of people and answers.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the simulations.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes that simulate.")
@click.option("--scheduler", metavar="tcp://…", help="Dask cluster that simulates.")
@click.option("--want-rmse", type=float, help="How many people for an RMSE this small?")
@click.option("--want-half-width", type=float, help="How many people for 95 % intervals of ± this?")
@click.option("--want-ranking", type=float, help="How many people for this chance of the exact ranking?")
@click.option("--out", type=click.Path(path_type=Path), help="Write plan.json here.")
@click.option("--plot", type=click.Path(path_type=Path), help="Write a picture (SVG) here.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    design: str,
    weights: Path | None,
    assume: str | None,
    weights_are: str,
    effects: str | None,
    people: tuple[int, ...],
    answers: tuple[int, ...] | None,
    design_effect: float | None,
    at_answers: int | None,
    spread: float | None,
    indecision_rate: float | None,
    simulations: int,
    seed: int,
    workers: int | None,
    scheduler: str | None,
    want_rmse: float | None,
    want_half_width: float | None,
    want_ranking: float | None,
    out: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Simulate studies of DESIGN (design.toml, or a shipped design such as kidney-8) before one is run.

    Says how often an estimate exists, how far it is off, and how often it orders the patients rightly. The same
    seed gives the same bytes, whoever computes.

    \b
    Examples:
      equipoise estimate plan kidney-8 --people 50,100,200 --answers 14,28 --design-effect 1.7 --plot plan.svg
      equipoise estimate plan design.toml --weights pilot.json --design-effect 2.5 --indecision-rate 0.15 \\
        --want-rmse 0.1 --workers 8 --out plan.json
    """
    from estimation.commands.writing import check_outputs, write_text
    from estimation.executors import executor
    from estimation.manifest import make_manifest
    from estimation.planning import Wanted
    from estimation.planning import plan as make_plan

    if design_effect is not None and spread is not None:
        raise click.UsageError("give --design-effect or --spread, not both: each follows from the other")
    study, path = _design(design)
    check_outputs(("--out", out), ("--plot", plot), inputs=(path, weights))
    assumed = _assumed(
        weights=weights,
        assume=assume,
        are_pooled=weights_are == "pooled",
        design_effect=design_effect,
        at_answers=at_answers,
        spread=spread,
        indecision_rate=indecision_rate,
    )
    with executor(workers, scheduler) as pool, _progress() as progress:
        found = make_plan(
            study,
            assumed,
            people=people,
            answers=answers,
            effects=EffectKind(effects) if effects else None,
            simulations=simulations,
            seed=seed,
            executor=pool,
            progress=progress,
        )
    wishes = (
        (Wanted.RMSE, want_rmse),
        (Wanted.HALF_WIDTH, want_half_width),
        (Wanted.EXACT_RANKING, want_ranking),
    )
    needed = [
        n for wanted, target in wishes if target is not None for n in found.people_needed(wanted, target)
    ]
    record = _record(found, needed)
    if out:
        inputs = {"design": path} | ({"weights": weights} if weights else {})
        settings = {
            "assume": assumed.source,
            "weights_are": weights_are,
            "people": list(found.people),
            "answers": list(found.answers),
            "design_effect": design_effect,
            "at_answers": at_answers,
            "spread": spread,
            "indecision_rate": indecision_rate,
            "simulations": simulations,
            "seed": seed,
        }
        document = {"format": "equipoise-plan", "format_version": 1, **record}
        document["manifest"] = make_manifest(inputs, settings)
        write_text(out, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    if plot:
        from estimation.planning_plots import plan_plot

        write_text(plot, plan_plot(found))
    if as_json:
        click.echo(json.dumps(record, indent=1, ensure_ascii=False))
        return
    for line in _lines(found, needed):
        click.echo(line)
    for written in (out, plot):
        if written:
            click.echo(f"Written to {written}")


def _design(name: str) -> tuple[StudyDesign, Path]:
    from survey.design_file import EXAMPLES, read_design_with_comparisons

    shipped = EXAMPLES / f"{name}.toml"
    # A file of one's own comes first, whatever it is called.
    path = shipped if not Path(name).exists() and Path(name).name == name and shipped.exists() else Path(name)
    return read_design_with_comparisons(path), path


def _assumed(
    *,
    weights: Path | None,
    assume: str | None,
    are_pooled: bool,
    design_effect: float | None,
    at_answers: int | None,
    spread: float | None,
    indecision_rate: float | None,
) -> Assumed:
    from estimation.assumptions import PUBLISHED, Assumed
    from estimation.weights_file import read_weights

    if weights and assume:
        raise click.UsageError("give --weights or --assume, not both")
    name = assume or "freedman2020"
    if name not in PUBLISHED:
        raise click.UsageError(
            f"--assume: no published weights are called '{name}'; there are {', '.join(PUBLISHED)}"
        )
    return Assumed(
        weights=read_weights(weights).weights if weights else PUBLISHED[name],
        source=weights.name if weights else name,
        are_pooled=are_pooled,
        design_effect=1.0 if design_effect is None else design_effect,
        at_answers=at_answers,
        spread=spread,
        indecision_rate=indecision_rate,
    )


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal; its length is known with the first block."""
    with click.progressbar(
        length=1, label="Simulating", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:

        def show(done: int, of: int) -> None:
            bar.length = of
            bar.update(done - bar.pos)

        yield show


def _record(found: Plan, needed: list[Needed]) -> dict[str, object]:
    """Return a plan as plain data."""
    from dataclasses import asdict

    record = asdict(found)
    record["needed"] = [asdict(n) for n in needed]
    return record


def _lines(found: Plan, needed: list[Needed]) -> Iterator[str]:
    from estimation.planning import Simulated

    yield f"{found.design}: {found.model} of {found.effects}, assuming {found.source}"
    for note in found.notes:
        yield f"Note: {note}"
    yield ""
    heads = (
        "people",
        "answers",
        "d. effect",
        "exists",
        "RMSE",
        "ranking",
        "best",
        "worst",
        "± 95 %",
        "coverage",
    )
    yield "  ".join(f"{h:>9}" for h in heads)

    def number(simulated: Simulated | None, digits: int = 2) -> str:
        return f"{'-' if simulated is None else format(simulated.value, f'.{digits}f'):>9}"

    for p in found.points:
        yield "  ".join(
            (
                f"{p.people:>9}",
                f"{p.answers:>9}",
                f"{p.design_effect:>9.2f}",
                number(p.exists),
                number(p.rmse, 3),
                number(p.exact_ranking),
                number(p.best_right),
                number(p.worst_right),
                number(p.half_width, 3),
                number(p.coverage),
            )
        )
    worst = max(p.exists.error for p in found.points)
    rmse = max((p.rmse.error for p in found.points if p.rmse), default=0.0)
    yield ""
    yield (
        f"{found.points[0].simulations} simulated studies each: chances are known to ± "
        f"{max(worst, *_errors(found)):.2f}, RMSE to ± {rmse:.3f} (Monte Carlo standard errors). All columns after "
        "'exists' are of studies whose estimate exists."
    )
    for n in needed:
        yield "For " + n.words(found.people[-1], found.people[0])


def _errors(found: Plan) -> list[float]:
    """Return the Monte Carlo standard errors of the chances."""
    chances = [
        c for p in found.points for c in (p.exact_ranking, p.best_right, p.worst_right, p.coverage) if c
    ]
    return [0.0, *(c.error for c in chances)]
