"""``equipoise compare tune demo``: a tiny model tuned toward people, by the same commands that one would type."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

_MARKER = "made-by-equipoise-tune-demo.txt"
_STATE = "state"
"""Holds the demo's own database. Kept from one demo to the next: what it stores is named by fingerprints."""
_OWN = (
    "people.csv",
    "other-people.csv",
    "base",
    "prepared",
    "adapters",
    "replies",
    "before.jsonl",
    "after.jsonl",
    "asked.html",
    "serving.json",
    "serve.log",
    "tuning.json",
    "tuning.html",
)
_READY_SECONDS = 120
_STUDY_1 = "122 people of Study 1 of McElfresh et al. (2021), as counts"
_STUDY_2 = "132 people of Study 2 of McElfresh et al. (2021), who could toss a coin"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    """How much is done."""

    steps: int
    """Of the base."""
    sizes: str
    """Of the training sets but for the largest, in answers."""
    draws: int
    tuning_steps: int
    asked: int
    """Comparisons that are asked over HTTP."""
    comparisons: int
    """That the evaluation draws for its details."""


_FULL = _Sizes(steps=700, sizes="16,64,256", draws=3, tuning_steps=150, asked=20, comparisons=100)
_QUICK = _Sizes(steps=60, sizes="16", draws=2, tuning_steps=20, asked=4, comparisons=10)


@click.command(
    "demo", epilog="Example: equipoise compare tune demo --out tune-demo --answers study_2_indecisive.csv"
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("tune-demo"),
    show_default=True,
    help="Folder for the results and the demo's own database; made anew by each demo.",
)
@click.option(
    "--answers",
    type=click.Path(path_type=Path),
    help="Study 2 of McElfresh et al. (2021) as published (study_2_indecisive.csv), or with --design an "
    "answers.csv.  [default: the published counts of Study 1, which are shipped]",
)
@click.option("--design", type=click.Path(path_type=Path), help="The study of --answers answers.csv.")
@click.option("--draws", type=click.IntRange(min=1), help="Draws of each sample size.  [default: 3]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything drawn.")
@click.option("--quick", is_flag=True, help="Only try the steps; the model learns next to nothing.")
def demo_command(
    *, out: Path, answers: Path | None, design: Path | None, draws: int | None, seed: int, quick: bool
) -> None:
    """Make a tiny model, tune it toward people's answers, and measure what that did. No download, no key.

    The model is made on the spot and knows made-up people only. With a GPU it is a larger one.
    """
    from llm_compare.errors import CannotTune
    from llm_compare.tuning.models.libraries import require_libraries
    from llm_compare.tuning.models.tiny_model import Size, chosen_size
    from llm_compare.tuning.report.summary import sentences
    from llm_compare.tuning.report.tuning_file import read_tuning
    from llm_compare.tuning.training_sets.held_out import TestSet
    from llm_compare.tuning.training_sets.prepared import read_prepared
    from survey.design_file import EXAMPLES

    require_libraries()
    if design is not None and answers is None:
        raise click.UsageError("--design is the study of --answers; name the answers, too")
    for path in (answers, design):
        if path is not None and not path.is_file():
            raise CannotTune(f"{path}: there is no such file")
    started = time.monotonic()
    own = answers is None
    study = design or EXAMPLES / ("kidney-study1.toml" if own else "kidney-numeric.toml")
    other = EXAMPLES / "kidney-study1.toml"
    amount = _QUICK if quick else _FULL
    # What suits the tiny model would shake a large one.
    rate = "0.005" if chosen_size(Size.AUTO, "auto") is Size.TINY else "0.0005"
    _make_folder(out)
    run = _Commands(out=out)
    people = out / "people.csv"
    held_out = out / "prepared" / "held_out" / "comparisons.csv"

    run.title(1, "People's answers: who should get the kidney?")
    counts = EXAMPLES / "kidney-study1-counts.csv"
    if design is not None and answers is not None:
        shutil.copyfile(answers, people)
        people.chmod(0o600)
        click.echo(f"{answers}, copied to {people}")
    elif answers is not None:
        run(f"survey import mcelfresh2021 {_q(answers)} --out {_q(people)}")
    else:
        run(f"survey import mcelfresh2021-study1-counts {_q(counts)} --out {_q(people)}")
    whose = _STUDY_1 if own else _STUDY_2 if design is None else ""
    stated = f" --people-source {shlex.quote(whose)}" if whose else ""
    transfers = design is None and not own
    if transfers:
        run(f"survey import mcelfresh2021-study1-counts {_q(counts)} --out {_q(out / 'other-people.csv')}")

    run.title(2, "A tiny causal model with a rule of its own, pre-trained on made-up people")
    read = " ".join(_q(path) for path in dict.fromkeys((study, *((other,) if transfers else ()))))
    run(f"compare tune base {read} --out {_q(out / 'base')} --steps {amount.steps} --seed {seed}")

    run.title(3, "Training sets of growing size; comparisons and people held out")
    # Of published counts nobody knows who answered what, so no person can be held out whole.
    kept = " --hold-out-participants 0 --hold-out-comparisons 0.3" if own else ""
    # Of the thousands of Study 2, a thousand show what there is to see in a third of the time.
    largest = "1024" if transfers else "all"
    run(
        f"compare tune prepare {_q(study)} {_q(people)} --out {_q(out / 'prepared')} "
        f"--sizes {amount.sizes},{largest} "
        f"--draws {draws or amount.draws} --seed {seed}{kept}"
    )

    run.title(4, "Low-rank tuning: one adapter for each training set")
    run(
        f"compare tune train {_q(out / 'prepared')} --model {_q(out / 'base')} --out {_q(out / 'adapters')} "
        f"--steps {amount.tuning_steps} --learning-rate {rate} --validation 0.25 --seed {seed}"
    )

    # Some comparisons of those that nobody trained on; few studies of a list of comparisons hold out many.
    tests = read_prepared(out / "prepared").manifest["tests"]
    n_held_out = next(t["n_comparisons"] for t in tests if t["name"] == TestSet.COMPARISONS)
    asked = min(amount.asked, n_held_out)
    run.title(5, "Before and after, asked over HTTP as any model is")
    adapter = _largest(out / "adapters")
    serve = f"compare tune serve {_q(out / 'base')} --adapter after={_q(adapter)} --port 0 --seed {seed}"
    with run.serving(f"{serve} --ready-file {_q(out / 'serving.json')}") as (address, names):
        for label, name in zip(("before", "after"), names, strict=True):
            run(
                f"compare ask {_q(study)} --model openai/{name} --label {label} --api-base {address} "
                f"--from {_q(held_out)} --comparisons {asked} --temperature 1 --repeats 2 --yes "
                f"--out {_q(out / label)}.jsonl"
            )
    run(
        f"compare align {_q(held_out)} {_q(out / 'before.jsonl')} {_q(out / 'after.jsonl')} --draws 100 "
        f"--splits 20 --seed {seed}{stated} --report {_q(out / 'asked.html')}"
    )

    run.title(6, "What tuning did, on what was held out, and what else it moved")
    others = f" --other {_q(other)} {_q(out / 'other-people.csv')}" if transfers else ""
    run(
        f"compare tune evaluate {_q(out / 'prepared')} --model {_q(out / 'base')} --adapters "
        f"{_q(out / 'adapters')} --comparisons {amount.comparisons}{others}{stated} --seed {seed} "
        f"--replies {_q(out / 'replies')} --out {_q(out / 'tuning.json')} --report {_q(out / 'tuning.html')}"
    )
    click.secho(f"\nDone in {time.monotonic() - started:.0f} seconds.", bold=True)
    for sentence in sentences(read_tuning(out / "tuning.json"))[:3]:
        click.echo(sentence)
    click.echo(f"The report: {(out / 'tuning.html').resolve()}")


class _Commands:
    """Runs commands of ``equipoise`` in a process each, and shows them."""

    def __init__(self, *, out: Path) -> None:
        self._out = out
        # The demo's database lies in its own folder, so that it never touches a study of yours.
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("EQUIPOISE_")}
        self._environment["EQUIPOISE_STATE_DIR"] = str(out / _STATE)
        # Several threads are slower than one in a model of this size.
        self._environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

    def title(self, number: int, text: str) -> None:
        """Say what the next commands are for."""
        click.secho(f"\n[{number}/6] {text}", bold=True)

    def __call__(self, command: str) -> None:
        """Run a command (without the leading ``equipoise``).

        Raises
        ------
        CannotTune
            It failed.
        """
        words = self._shown(command)
        done = subprocess.run(words, env=self._environment, check=False)
        if done.returncode:
            raise self._failed(command, done.returncode, "what it said stands above")

    @contextmanager
    def serving(self, command: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Serve models meanwhile; give their address and names.

        Raises
        ------
        CannotTune
            They could not be served.
        """
        log = self._out / "serve.log"
        with log.open("wb") as file:
            words = self._shown(command)
            process = subprocess.Popen(words, env=self._environment, stdout=file, stderr=file)
            try:
                ready = self._ready(process, command, log)
                yield str(ready["address"]), tuple(str(name) for name in ready["models"])
            finally:
                process.terminate()
                process.wait()

    def _ready(self, process: subprocess.Popen[bytes], command: str, log: Path) -> Mapping[str, list[str]]:
        until = time.monotonic() + _READY_SECONDS
        while time.monotonic() < until and process.poll() is None:
            if (path := self._out / "serving.json").exists():
                found: Mapping[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
                return found
            time.sleep(0.1)
        raise self._failed(command, process.poll(), f"what it said is in {log}")

    def _shown(self, command: str) -> list[str]:
        click.secho(f"$ equipoise {command}", dim=True)
        sys.stdout.flush()
        return [sys.executable, "-m", "survey.cli", *shlex.split(command)]

    def _failed(self, command: str, code: int | None, where: str) -> Exception:
        from llm_compare.errors import CannotTune

        came = f"did not answer within {_READY_SECONDS} s" if code is None else f"ended with exit code {code}"
        return CannotTune(f"'equipoise {command}' {came}; {where}. Everything up to there is in {self._out}")


def _make_folder(out: Path) -> None:
    """Make the folder, or empty one of an earlier demo; refuse if anything in it is not the demo's own."""
    from llm_compare.errors import CannotTune

    out.mkdir(parents=True, exist_ok=True)
    there = sorted(path.name for path in out.iterdir())
    foreign = [name for name in there if name not in (_MARKER, _STATE, *_OWN)]
    if foreign or (there and _MARKER not in there):
        raise CannotTune(
            f"{out} holds files that no demo made ({', '.join((foreign or there)[:5])}), and a demo makes its "
            "folder anew; name another with --out"
        )
    (out / _MARKER).write_text(
        "Made by 'equipoise compare tune demo', which replaces its files in this folder at every run.\n",
        encoding="utf-8",
    )
    for name in there:
        if (out / name).is_dir() and name != _STATE:
            shutil.rmtree(out / name)
        elif name in _OWN:
            (out / name).unlink()


def _largest(adapters: Path) -> Path:
    """Return the first adapter of the largest training set."""
    from llm_compare.tuning.training.adapter_manifest import read_adapter_manifest

    found = [read_adapter_manifest(folder) for folder in sorted(adapters.iterdir()) if folder.is_dir()]
    chosen = max(found, key=lambda m: (m.size, -m.draw))
    return adapters / chosen.set_name


def _q(path: Path) -> str:
    """Return a path as a reader would type it from here."""
    whole, here = path.absolute(), Path.cwd()
    return shlex.quote(str(whole.relative_to(here) if whole.is_relative_to(here) else path))
