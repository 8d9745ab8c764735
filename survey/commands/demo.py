"""``equipoise demo``: the whole way, by the same commands that a user would type."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click
from sqlalchemy import inspect, text

from survey.coding.simulated_coders import SIMULATED_CODER
from survey.commands.common import ACTOR
from survey.db import make_engine, reading
from survey.design_file import EXAMPLES
from survey.errors import SurveyError

_MARKER = "made-by-equipoise-demo.txt"
_DATABASE = "equipoise.sqlite"
_NOT_THE_DEMOS = (
    ("participant", "NOT simulated", "{count} people took part in a study there"),
    ("study", "slug NOT IN ('kidney-8', 'kidney-attributes')", "{count} more studies were added there"),
    ("suggestion", "NOT simulated", "{count} suggestions that no rehearsal made are kept there"),
    (
        "code",
        f"(kind <> 'adjudicated' AND coder NOT LIKE '{SIMULATED_CODER}%') OR added_by <> '{ACTOR}'",
        "{count} codes that the demo did not give are kept there",
    ),
    ("model_reply", "NOT scripted", "{count} replies of models are kept there"),
)
_MODELS = ("youngest-first", "always-left", "coin")
_TASKS = ("choose-one", "rank-all")
_CHOOSERS = {"waiting": "waiting-time", "planted": "prefers:gender=Female"}


class DemoFailed(SurveyError):
    """A command of the demo failed, or its folder holds something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A few commands with one purpose."""

    title: str
    examples: tuple[str, ...] = ()
    """Examples that the commands read from the demo's folder, because they name results that lie there."""
    commands: tuple[str, ...]
    """Without the leading ``equipoise``; ``{out}`` is the demo's folder, ``{examples}`` that of the designs."""


STEPS = (
    _Step(title="Create the embedded database", commands=("db upgrade",)),
    _Step(
        title="What should count? 40 simulated participants name attributes; two simulated coders code them",
        commands=(
            "survey rehearse {examples}/kidney-attributes.toml --participants 40 --seed 1",
            "survey coding rehearse kidney-attributes --coders 2 --seed 1",
            "survey coding agreement kidney-attributes --simulated --out {out}/agreement.json "
            "--plot {out}/agreement.svg",
            "survey coding adjudicate kidney-attributes --with sim-coder-1 --simulated",
            "survey coding results kidney-attributes --simulated "
            "--out {out}/attributes.json --report {out}/attributes.html",
            "survey coding export kidney-attributes --simulated --out {out}/coding.json",
            "survey coding design kidney-attributes {examples}/choices/kidney-attributes.toml --simulated "
            "--out {out}/design.toml",
            "survey check {out}/design.toml",
        ),
    ),
    _Step(
        title="Rehearse a survey: 30 simulated participants with known weights answer over HTTP",
        commands=(
            "survey rehearse {examples}/kidney-8.toml --participants 30 --seed 2",
            "survey export kidney-8 --include-simulated --out {out}/rehearsed.csv",
            "estimate fit {out}/rehearsed.csv --model bradley-terry",
            "estimate fit {out}/rehearsed.csv --design {examples}/kidney-8.toml --model min-delta "
            "--out {out}/rehearsed-weights.json",
        ),
    ),
    _Step(
        title="Weights of real people: published counts of 62 who were offered a coin (McElfresh et al. 2021)",
        commands=(
            "survey import mcelfresh2021-study1-counts {examples}/kidney-study1-counts.csv --out {out}/people.csv",
            "estimate fit {out}/people.csv --design {examples}/kidney-study1.toml --arm with-coin "
            "--model min-delta --bootstrap 200 --seed 1 --out {out}/weights.json",
        ),
    ),
    _Step(
        title="Clear a kidney exchange with these weights: a generated pool with published parameters",
        commands=(
            "exchange generate --design {examples}/kidney-study1.toml --pairs 96 --ndds 5 --seed 1 "
            "--out {out}/pool.json",
            "exchange clear {out}/pool.json --weights {out}/weights.json --cycle-cap 3 --chain-cap 3 "
            "--out {out}/match_run.json",
        ),
    ),
    _Step(
        title="Ask three scripted respondents the same comparisons (any litellm model string works here)",
        commands=tuple(
            f"compare ask {{examples}}/kidney-study1.toml --arm with-coin --model scripted/{model} --repeats 3 "
            f"--out {{out}}/{model}.jsonl"
            for model in _MODELS
        ),
    ),
    _Step(
        title="How far are they from people, and what would it do?",
        commands=(
            "compare align {out}/people.csv "
            + " ".join(f"{{out}}/{model}.jsonl" for model in _MODELS)
            + " --people-source 'McElfresh et al. (2021), Indecision Modeling, Study 1: "
            "published counts of the 62 people who were offered the coin. Tasks 6 and 8 are published with the "
            "same two patients and opposite answers, so the 15 tasks are 14 comparisons here.' "
            "--arm with-coin --pool {out}/pool.json --cycle-cap 3 --chain-cap 3 --pools 10 --weight-draws 10 "
            "--seed 1 --out {out}/alignment.json --report {out}/report.html",
        ),
    ),
    _Step(
        title="What would people's weights, or a model's, do to whom over two years? A simulated exchange",
        examples=("experiments/kidney-study1-years.toml",),
        commands=(
            "compare answers {out}/youngest-first.jsonl --out {out}/model-answers.csv",
            "estimate fit {out}/model-answers.csv --design {examples}/kidney-study1.toml --model min-delta "
            "--out {out}/model-weights.json",
            "exchange experiment {out}/kidney-study1-years.toml --out {out}/years",
        ),
    ),
    _Step(
        title="Who gets the kidney out of a list? Made-up candidates; two scripts and people's weights rank them",
        commands=(
            "compare problems --problems 12 --candidates 10 --seed 1 --out {out}/problems.json",
            *(
                f"compare {task} {{out}}/problems.json --model scripted/{script} --shuffles 2 --repeats 3 "
                f"--out {{out}}/{task}-{name}.jsonl"
                for name, script in _CHOOSERS.items()
                for task in _TASKS
            ),
            *(
                f"compare {task} {{out}}/problems.json --weights {{out}}/weights.json "
                "--mapping {examples}/policies/kidney-study1.toml --weights-draws 6 "
                f"--out {{out}}/{task}-people.jsonl"
                for task in _TASKS
            ),
            "compare fairness --problems {out}/problems.json "
            + " ".join(f"{{out}}/{task}-{name}.jsonl" for name in (*_CHOOSERS, "people") for task in _TASKS)
            + " --seed 1 --null-runs 20 --out {out}/allocation.json --report {out}/allocation.html",
        ),
    ),
)


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for the results and the demo's own database; made anew by each demo.",
)
def demo(out: Path) -> None:
    """Run the whole way on published answers, without keys or people, in about two minutes.

    \b
    Example:
      equipoise demo --out demo
    """
    started = time.monotonic()
    _make_folder(out)
    # The demo's database lies in its own folder, so that it never touches a study of yours.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EQUIPOISE_")}
    environment["EQUIPOISE_STATE_DIR"] = str(out)
    for number, step in enumerate(STEPS, start=1):
        click.secho(f"\n[{number}/{len(STEPS)}] {step.title}", bold=True)
        for example in step.examples:
            shutil.copyfile(EXAMPLES / example, out / Path(example).name)
        for command in step.commands:
            _run(shlex.split(command), out, environment)
    click.secho(f"\nDone in {time.monotonic() - started:.0f} seconds.", bold=True)
    click.echo(f"What should count: {(out / 'attributes.html').resolve()}")
    click.echo(f"The report: {(out / 'report.html').resolve()}")
    click.echo(f"The simulation: {(out / 'years' / 'report.html').resolve()}")
    click.echo(f"The allocation: {(out / 'allocation.html').resolve()}")
    click.echo(f"The service: EQUIPOISE_STATE_DIR={shlex.quote(str(out))} {_own_name()} serve")


def _run(words: list[str], out: Path, environment: dict[str, str]) -> None:
    words = [word.format(out=out, examples=_shown(EXAMPLES)) for word in words]
    click.secho(f"$ equipoise {shlex.join(words)}", dim=True)
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", "survey.cli", *words], env=environment, check=False)
    if done.returncode:
        raise DemoFailed(
            f"'equipoise {shlex.join(words)}' ended with exit code {done.returncode}; what it said stands above. "
            f"Everything up to there is in {out}"
        )


def _make_folder(out: Path) -> None:
    """Make the folder, or empty one of an earlier demo; refuse if anything in it is not the demo's own."""
    out.mkdir(parents=True, exist_ok=True)
    there = sorted(path.name for path in out.iterdir())
    if there:
        # Whatever has come in since is somebody's work, and the database may have been used for a study.
        foreign = [name for name in there if name not in _own_files()]
        if _MARKER not in there or foreign:
            named = ", ".join((foreign or there)[:5])
            raise DemoFailed(
                f"{out} holds files that no demo made ({named}), and a demo makes its folder anew; name another "
                "with --out"
            )
        if used := _used_for(out):
            raise DemoFailed(
                f"{out}: {used}, and a demo makes its folder anew; name another with --out, or move this one away"
            )
    marker = out / _MARKER
    marker.write_text("Made by 'equipoise demo', which replaces its files in this folder at every run.\n")
    for name in there:
        if (out / name).is_dir():
            shutil.rmtree(out / name)
        elif name != _MARKER:
            (out / name).unlink()


def _own_files() -> set[str]:
    results = re.findall(r"\{out\}/([\w.-]+)", " ".join(c for step in STEPS for c in step.commands))
    database = [_DATABASE + ending for ending in ("", "-wal", "-shm")]
    return {_MARKER, "secret_key", *database, *results}


def _used_for(out: Path) -> str | None:
    """Return what a demo's database holds besides the demo's own; None if nothing."""
    if not (out / _DATABASE).exists():
        return None
    engine = make_engine(f"sqlite:///{out / _DATABASE}")
    try:
        with reading(engine) as session:
            # Not through the models: the database may be of another version.
            tables = inspect(session.connection()).get_table_names()
            for table, condition, words in _NOT_THE_DEMOS:
                if table in tables:
                    count = session.scalar(text(f"SELECT count(*) FROM {table} WHERE {condition}"))  # noqa: S608
                    if count:
                        return words.format(count=count)
    finally:
        engine.dispose()
    return None


def _shown(folder: Path) -> str:
    """Return a folder as a reader would type it from here."""
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def _own_name() -> str:
    return "equipoise" if shutil.which("equipoise") else _shown(Path(sys.argv[0]).resolve())
