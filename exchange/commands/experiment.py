"""``equipoise exchange experiment``: compare policies and weights over many simulated runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.errors import BadRequest, RunsFailed

if TYPE_CHECKING:
    from exchange.experiment.plan import ExperimentPlan
    from exchange.experiment.progress import Progress
    from exchange.experiment.run_store import RunStore

_FOLDER = click.Path(file_okay=False, path_type=Path)
_AT_ONCE_ON_A_CLUSTER = 64
_EXIT_FAILED = 1


@click.command("experiment")
@click.argument("experiment", metavar="EXPERIMENT")
@click.option("--out", type=_FOLDER, help="Folder for runs and results; the same folder again goes on.")
@click.option(
    "--seeds",
    "seeds_text",
    metavar="FIRST-LAST|N",
    help="In place of the experiment's: 100-149, or so many of them.",
)
@click.option("--days", type=click.IntRange(min=1), help="Days of every scenario, in place of its own.")
@click.option(
    "--only",
    multiple=True,
    metavar="CONDITION",
    help="Run and compare this condition alone; may be given several times. The baseline always joins.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes on this machine.")
@click.option("--scheduler", metavar="tcp://…", help="Dask cluster in place of processes.")
@click.option(
    "--width",
    type=float,
    help="Add seeds until the 95 % interval of each difference from the baseline in the share transplanted is no "
    "wider than this, e.g. 0.005 for half a point.",
)
@click.option(
    "--most-seeds", type=click.IntRange(min=2), default=1_000, show_default=True, help="With --width."
)
@click.option(
    "--again", is_flag=True, help="Compute no runs: make the results anew from those in the folder."
)
@click.option(
    "--print", "print_file", is_flag=True, help="Print the experiment file, to start your own, and stop."
)
@click.option(
    "--progress", "all_lines", is_flag=True, help="Show progress line by line, at a terminal or not."
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def command(
    experiment: str,
    *,
    out: Path | None,
    seeds_text: str | None,
    days: int | None,
    only: tuple[str, ...],
    workers: int | None,
    scheduler: str | None,
    width: float | None,
    most_seeds: int,
    again: bool,
    print_file: bool,
    all_lines: bool,
    as_json: bool,
) -> None:
    """Compare policies and weights over many simulated runs.

    EXPERIMENT is a file (TOML), or one that comes with Equipoise: freedman2020-profiles, freedman2020-orders,
    freedman2020-heterogeneous. Every condition meets the same people, seed by seed. Each finished run is kept in
    the folder; after Ctrl-C, or however else it was stopped, the same command goes on.

    \b
    Examples:
      equipoise exchange experiment freedman2020-heterogeneous --out results --workers 2
      equipoise exchange experiment freedman2020-profiles --out results --seeds 10 --days 180
      equipoise exchange experiment freedman2020-orders --print > own.toml
      equipoise exchange experiment own.toml --out results --again
    """
    from exchange.commands.experiment_text import result_lines
    from exchange.commands.stopping import ProgressLine
    from exchange.experiment.experiment_file import experiment_path, read_experiment
    from exchange.experiment.plan import changed, seeds_in_words
    from exchange.experiment.progress import PROGRESS, Progress, ProgressFile, State
    from exchange.experiment.result_files import summary_record, write_results
    from exchange.experiment.results import analyze
    from exchange.experiment.run_store import PLAN, RunStore

    path = experiment_path(experiment)
    if print_file:
        click.echo(path.read_text(encoding="utf-8"), nl=False)
        return
    if out is None:
        raise click.UsageError("--out: name a folder for the runs and results")
    if again and (workers is not None or scheduler is not None or width is not None):
        raise click.UsageError("--again computes no runs; leave --workers, --scheduler and --width out")
    experiment_file = read_experiment(path)
    plan = experiment_file.plan
    plan = changed(
        plan, seeds=None if seeds_text is None else seeds_in_words(seeds_text, plan.seeds), days=days
    )
    if again and not (out / PLAN).exists():
        raise BadRequest(f"--again: {out} holds no runs; leave it out to compute them")
    chosen = _with_baseline(plan, only)
    store = RunStore(out, plan)
    file = ProgressFile(out / PROGRESS)
    line = ProgressLine(all_lines=all_lines)

    def tell(progress: Progress) -> None:
        line(progress.words, at_once=progress.state is State.RESULTS)
        file(progress)

    try:
        if not again:
            plan = _computed(
                plan,
                store,
                chosen,
                workers=workers,
                scheduler=scheduler,
                width=width,
                most_seeds=most_seeds,
                tell=tell,
            )
        n_runs = len(plan.runs(chosen))
        message = "making the pictures"
        tell(Progress(done=n_runs, total=n_runs, seconds_left=None, message=message, state=State.RESULTS))
        results = analyze(plan, store, only=chosen)
        written = write_results(plan, results, out, experiment_text=experiment_file.text)
    except KeyboardInterrupt as error:
        file.end(State.STOPPED, str(error) or "stopped; the same command goes on")
        raise
    except RunsFailed as error:
        file.end(State.FAILED, str(error))
        click.echo(str(error), err=True)
        raise SystemExit(_EXIT_FAILED) from None
    except BaseException as error:
        file.end(State.FAILED, str(error))
        raise
    finally:
        line.close()
    file.end(State.DONE, "the results are there")
    if as_json:
        click.echo(json.dumps(summary_record(plan, results), indent=1, ensure_ascii=False))
        return
    for text in result_lines(plan, results):
        click.echo(text)
    click.echo("")
    for one in written:
        click.echo(f"written to {one}")


def _with_baseline(plan: ExperimentPlan, only: tuple[str, ...]) -> tuple[str, ...]:
    """Return the conditions to run, in the experiment's order: all, or those named and the baseline."""
    names = [condition.name for condition in plan.conditions]
    for name in only:
        if name not in names:
            raise BadRequest(f"--only {name}: there is no such condition; there are {', '.join(names)}")
    return tuple(name for name in names if not only or name in only or name == plan.baseline)


def _computed(
    plan: ExperimentPlan,
    store: RunStore,
    only: tuple[str, ...],
    *,
    workers: int | None,
    scheduler: str | None,
    width: float | None,
    most_seeds: int,
    tell: Callable[[Progress], None],
) -> ExperimentPlan:
    """Compute what is missing and return the plan, with the seeds that were added for the width."""
    from estimation.executors import executor
    from exchange.commands.stopping import StopOnInterrupt
    from exchange.experiment.enough_seeds import seeds_for_width
    from exchange.experiment.plan import changed
    from exchange.experiment.run_experiment import run_experiment

    n_at_once = _AT_ONCE_ON_A_CLUSTER if scheduler is not None else workers or 1
    with StopOnInterrupt("what is finished") as stop, executor(workers, scheduler) as pool:
        while True:
            ran = run_experiment(
                plan,
                store,
                only=only,
                executor=pool,
                n_at_once=n_at_once,
                is_stopped=lambda: stop.is_stopped,
                progress=tell,
            )
            if stop.is_stopped and not ran.is_complete:
                # Raised in here, so that runs under way elsewhere are ended, not waited for.
                raise KeyboardInterrupt(
                    f"{ran.done} of {ran.total} runs are kept in {store.folder}; the same command goes on"
                )
            ran.check(store.folder)
            if width is None:
                return plan
            seeds = seeds_for_width(plan, store, only, width=width, most_seeds=most_seeds)
            if len(seeds) == len(plan.seeds):
                return plan
            plan = changed(plan, seeds=seeds)
