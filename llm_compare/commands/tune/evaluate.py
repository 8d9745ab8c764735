"""``equipoise compare tune evaluate``: a base and its adapters on what was held out, as numbers and as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compare.commands.tune.local_options import local_options

if TYPE_CHECKING:
    from llm_compare.tuning.evaluation.evaluation import EvaluationSettings
    from llm_compare.tuning.evaluation.other_studies import OtherStudy
    from survey.design import CategoricalAttribute

# Of TestSet, which is not imported to show the help.
TESTS = ("comparisons", "participants", "both", "levels")


def _tests(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Return the tests named; empty for all."""
    words = () if value is None else tuple(word.strip() for word in value.split(","))
    if bad := [word for word in words if word not in TESTS]:
        raise click.BadParameter(f"'{bad[0]}': write some of {','.join(TESTS)}")
    return tuple(dict.fromkeys(words))


@click.command("evaluate")
@click.argument("prepared", type=click.Path(path_type=Path))
@click.option("--model", "base", required=True, help="The base: a folder, or a name on the model hub.")
@click.option(
    "--adapters",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder written by 'compare tune train': an adapter per prepared set.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write tuning.json here.")
@click.option("--report", "report_path", type=click.Path(path_type=Path), help="Write tuning.html here.")
@click.option(
    "--replies",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep every reply in this folder, so that a stopped evaluation goes on, and for 'compare align'.",
)
@click.option(
    "--tests",
    callback=_tests,
    help="Measure these parts of what was held out, with commas; the first is the one that details are of. "
    "Default: all with 30 comparisons or more.",
)
@click.option(
    "--comparisons",
    "n_comparisons",
    type=click.IntRange(min=2),
    default=300,
    show_default=True,
    help="Comparisons of the test drawn for what else moved and for the details; the learning curve uses all.",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Drawn answers to each presentation in the details.",
)
@click.option(
    "--distractor",
    "distractors",
    multiple=True,
    help="A line that should not count, e.g. 'Favorite season=spring|autumn'. May be repeated. Default: the four "
    "seasons.",
)
@click.option(
    "--other",
    "others",
    type=(click.Path(path_type=Path), click.Path(path_type=Path)),
    multiple=True,
    metavar="DESIGN ANSWERS",
    help="Another study with people's answers: does what was learned transfer? May be repeated.",
)
@click.option(
    "--text",
    "texts",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A text of another kind: how well is it foretold before and after? May be repeated.",
)
@click.option("--people-source", default="", help="Who gave the people's answers, in words for the report.")
@click.option(
    "--draws",
    type=click.IntRange(min=20),
    default=200,
    show_default=True,
    help="Draws of people and comparisons for the intervals.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all draws.")
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Prompts that the model reads at once; fewer take less memory.",
)
@local_options
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def evaluate_command(
    prepared: Path,
    base: str,
    adapters: Path,
    out: Path | None,
    report_path: Path | None,
    replies: Path | None,
    tests: tuple[str, ...],
    n_comparisons: int,
    repeats: int,
    distractors: tuple[str, ...],
    others: tuple[tuple[Path, Path], ...],
    texts: tuple[Path, ...],
    people_source: str,
    draws: int,
    seed: int,
    batch: int,
    device: str,
    dtype: str,
    threads: int,
    chat_template: str | None,
    as_json: bool,
) -> None:
    """Measure a model before tuning and after on what PREPARED holds out, and what else tuning changed.

    \b
    Example:
      equipoise compare tune evaluate prepared --model base --adapters adapters \\
        --out tuning.json --report tuning.html --replies replies
    """
    from estimation.commands.writing import check_outputs, write_text
    from estimation.manifest import file_hash, make_manifest
    from exchange.commands.stopping import ProgressLine, StopOnInterrupt
    from llm_compare.tuning.evaluation.adapters import find_adapters
    from llm_compare.tuning.evaluation.answering import Asker
    from llm_compare.tuning.evaluation.evaluation import EvaluationSettings, evaluate
    from llm_compare.tuning.models.local_model import Loading, load_model
    from llm_compare.tuning.report.page import render
    from llm_compare.tuning.report.tuning_file import write_tuning
    from llm_compare.tuning.training.adapter_manifest import libraries
    from llm_compare.tuning.training_sets.held_out import TestSet
    from llm_compare.tuning.training_sets.prepared import MANIFEST, read_prepared

    inputs = [prepared / MANIFEST, *(path for pair in others for path in pair), *texts]
    check_outputs(("--out", out), ("--report", report_path), inputs=inputs)
    found = read_prepared(prepared)
    settings = EvaluationSettings(
        tests=tuple(TestSet(name) for name in tests),
        n_comparisons=n_comparisons,
        repeats=repeats,
        n_draws=draws,
        seed=seed,
        distractors=_distractors(distractors) or EvaluationSettings().distractors,
        others=tuple(_other(*pair) for pair in others),
        texts=texts,
        people_source=people_source,
    )
    # Before the model is loaded, which may take minutes.
    of_sets = find_adapters(found, adapters)
    model = load_model(
        base,
        loading=Loading(device=device, dtype=dtype, threads=threads, template=chat_template),
    )
    line = ProgressLine(all_lines=False)
    with StopOnInterrupt("what was answered so far") as interrupt:
        record = evaluate(
            found,
            model,
            of_sets,
            settings,
            source=Path(base).name,
            asker=Asker(
                seed=seed, batch=batch, folder=replies, progress=line, stop=lambda: interrupt.is_stopped
            ),
            manifest=make_manifest(
                {"prepared": prepared / MANIFEST}
                | {
                    f"other {i} {what}": path
                    for i, pair in enumerate(others, start=1)
                    for what, path in zip(("design", "answers"), pair, strict=True)
                }
                | {f"text {i}": path for i, path in enumerate(texts, start=1)},
                _manifest_settings(settings)
                | {
                    "batch": batch,
                    "device": str(model.device.type),
                    "dtype": model.dtype,
                    "threads": threads,
                    "chat_template": chat_template,
                    "local_libraries": dict(libraries()),
                },
            ),
            say=line,
        )
    line.close()
    if out:
        write_tuning(out, record)
    if report_path:
        write_text(report_path, render(record, source=None if out is None else (out.name, file_hash(out))))
    if as_json:
        click.echo(json.dumps(record, indent=1, ensure_ascii=False))
        return
    _show(record, [path for path in (out, report_path) if path])


def _distractors(given: Sequence[str]) -> tuple[CategoricalAttribute, ...]:
    from llm_compare.tuning.evaluation.distractors import parse_distractor

    return tuple(parse_distractor(text) for text in given)


def _other(design: Path, answers: Path) -> OtherStudy:
    from llm_compare.tuning.evaluation.other_studies import OtherStudy
    from survey.answers_file import read_answers
    from survey.design_file import read_design_with_comparisons

    read = read_design_with_comparisons(design)
    return OtherStudy(design=read, answers=read_answers(answers, read.attributes))


def _manifest_settings(settings: EvaluationSettings) -> dict[str, object]:
    return {
        "tests": [test.value for test in settings.tests],
        "comparisons": settings.n_comparisons,
        "repeats": settings.repeats,
        "draws": settings.n_draws,
        "seed": settings.seed,
        "people_source": settings.people_source,
        "distractors": [a.label for a in settings.distractors],
    }


def _show(record: dict[str, Any], written: Sequence[Path]) -> None:
    from llm_compare.tuning.report.summary import sentences

    for sentence in sentences(record):
        click.echo(sentence)
    for note in record["notes"]:
        click.echo(f"Note: {note}.")
    for path in written:
        click.echo(f"Written to {path}")
