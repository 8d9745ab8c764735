"""``equipoise compare tune prepare``: from people's answers to training sets and to what is held out of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compare.commands.ask_options import variant_of_options, variant_options

if TYPE_CHECKING:
    from llm_compare.tuning.training_sets.groups import Grouping
    from llm_compare.tuning.training_sets.preparation import PrepareSettings
    from survey.answers import Answer
    from survey.design import StudyDesign

# Of the closed sets in llm_compare.tuning.training_sets, which are not imported to show the help.
LABELS = ("answers", "shares", "majority")
SIDES = ("both", "as-shown")
GROUP_USES = ("separate", "persona", "both")
FORMATS = ("openai", "prompt-completion", "axolotl")
_AUTO, _ALL = "auto", "all"


def _sizes(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int | None, ...]:
    """Return the sizes named, None for all; empty where none is."""
    if value is None:
        return ()
    words = [word.strip() for word in value.split(",")]
    if bad := [w for w in words if w != _ALL and not (w.isascii() and w.isdigit() and int(w) >= 1)]:
        raise click.BadParameter(f"'{bad[0]}': write numbers from 1 with commas, e.g. 16,64,{_ALL}")
    return tuple(None if w == _ALL else int(w) for w in words)


def _classes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | str | None:
    if value is None or value == _AUTO:
        return value
    if not (value.isascii() and value.isdigit() and int(value) >= 2):
        raise click.BadParameter(f"'{value}': write a number from 2, or {_AUTO}")
    return int(value)


@click.command(
    "prepare",
    epilog="Example: equipoise compare tune prepare design.toml answers.csv --out prepared --sizes 16,64,256,all",
)
@click.argument("design", type=click.Path(path_type=Path))
@click.argument("answers", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder to write, new or prepared before."
)
@click.option(
    "--labels",
    type=click.Choice(LABELS),
    default="answers",
    show_default=True,
    help="One example per answer, the shares of each comparison, or what most people said (erases indecision).",
)
@click.option(
    "--sides",
    type=click.Choice(SIDES),
    default="both",
    show_default=True,
    help="Show each comparison both ways round, or as people saw it.",
)
@click.option(
    "--hold-out-comparisons",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of the comparisons kept from training.",
)
@click.option(
    "--hold-out-participants",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of the participants kept from training.",
)
@click.option(
    "--hold-out-level",
    "levels",
    multiple=True,
    metavar="NAME=VALUE",
    help="Keep every comparison with this level from training, e.g. drinking=heavy or age=60..70. Repeatable.",
)
@click.option(
    "--sizes",
    callback=_sizes,
    metavar="16,64,all",
    help="Answers in a training set (comparisons, for shares and majority).  [default: 16, 32, 64 … all]",
)
@click.option(
    "--draws",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Draws of every size. In a draw, a larger set holds the smaller ones.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the split and the draws."
)
@click.option("--arm", help="Arm of the design whose answers are used and offered; the first unless named.")
@variant_options
@click.option(
    "--group-by", metavar="COLUMN", help="Group people by this column of --participants, e.g. gender."
)
@click.option(
    "--participants",
    "participants_file",
    type=click.Path(path_type=Path),
    help="statements.csv of the study's export (what people said of themselves), or participants.csv.",
)
@click.option(
    "--classes",
    callback=_classes,
    metavar=f"NUMBER|{_AUTO}",
    help=f"Group people by so many latent classes of what counts for them; '{_AUTO}' takes the least BIC.",
)
@click.option(
    "--as",
    "group_use",
    type=click.Choice(GROUP_USES),
    default="separate",
    show_default=True,
    help="Sets of each group, or one set whose prompts say which group answers.",
)
@click.option(
    "--least-participants",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Groups of fewer in training are left out.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(FORMATS),
    multiple=True,
    help="Write the sets for another trainer, too. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def prepare_command(
    design: Path,
    answers: Path,
    out: Path,
    labels: str,
    sides: str,
    hold_out_comparisons: float,
    hold_out_participants: float,
    levels: tuple[str, ...],
    sizes: tuple[int | None, ...],
    draws: int,
    seed: int,
    arm: str | None,
    group_by: str | None,
    participants_file: Path | None,
    classes: int | str | None,
    group_use: str,
    least_participants: int,
    formats: tuple[str, ...],
    as_json: bool,
    **variant: Any,
) -> None:
    """Turn people's ANSWERS (answers.csv) to DESIGN (design.toml) into training sets of growing size.

    What a tuned model is measured on is kept out of all of them: comparisons with their mirrored twins,
    participants with all their answers, levels on either side. Prompts are those of 'equipoise compare ask'.
    """
    from estimation.commands.reading import read_choice_input
    from estimation.manifest import make_manifest
    from llm_compare.errors import CannotTune
    from llm_compare.tuning.training_sets.formats import FormatKind, write_formats
    from llm_compare.tuning.training_sets.groups import GroupUse
    from llm_compare.tuning.training_sets.held_out import HeldOut, HeldOutLevel
    from llm_compare.tuning.training_sets.labels import LabelKind, Sides
    from llm_compare.tuning.training_sets.preparation import PrepareSettings, prepare
    from llm_compare.tuning.training_sets.prepared_writing import check_folder, write_prepared

    if (group_by is None) != (participants_file is None):
        raise click.UsageError("--group-by names a column of --participants; give both or neither")
    if group_by is not None and classes is not None:
        raise click.UsageError("--group-by and --classes are two ways to group people; choose one")
    if group_use != "separate" and group_by is None and classes is None:
        raise click.UsageError(f"--as {group_use} is about groups; make them with --group-by or --classes")
    check_folder(out)
    people, study, _ = read_choice_input(answers, design)
    if study is None:  # Cannot be: the design was named.
        raise CannotTune(f"{design}: cannot be read")
    settings = PrepareSettings(
        arm=arm,
        variant=variant_of_options(**variant),
        labels=LabelKind(labels),
        sides=Sides(sides),
        held_out=HeldOut(
            comparisons=hold_out_comparisons,
            participants=hold_out_participants,
            levels=tuple(HeldOutLevel.of(text, study.attributes) for text in levels),
        ),
        sizes=sizes,
        draws=draws,
        seed=seed,
        group_use=GroupUse(group_use),
    )
    preparation = prepare(
        study,
        people,
        settings,
        grouped=_grouped(
            study, settings, group_by, participants_file, classes, least_participants=least_participants
        ),
    )
    inputs = {"design": design, "answers": answers}
    if participants_file is not None:
        inputs["participants"] = participants_file
    manifest = make_manifest(
        inputs,
        {
            "group_by": group_by,
            "classes": classes,
            "as": group_use,
            "least_participants": least_participants,
            "sizes": [size or _ALL for size in sizes],
        },
    )
    before = _sets_in(out)
    prepared = write_prepared(out, preparation, design_file=design, manifest=manifest)
    if before - _sets_in(out):
        click.echo(
            f"equipoise: other sets were prepared in {out} before and are gone: adapters trained on them cannot be "
            "evaluated with it; prepare into another folder to keep both",
            err=True,
        )
    others = write_formats(prepared, [FormatKind(kind) for kind in formats])
    if as_json:
        click.echo(json.dumps(prepared.manifest, indent=1, ensure_ascii=False))
    else:
        _show(prepared.manifest, [str(out), *sorted({str(path.parent) for path in others})])


def _sets_in(folder: Path) -> set[tuple[str, str]]:
    """Return the names and hashes of the training sets in a folder; none where it holds none."""
    from llm_compare.errors import BadTrainingSet
    from llm_compare.tuning.training_sets.prepared import read_prepared

    try:
        return {(entry.name, entry.sha256) for entry in read_prepared(folder).sets}
    except BadTrainingSet:  # New, or of an attempt that was broken off.
        return set()


def _grouped(
    study: StudyDesign,
    settings: PrepareSettings,
    column: str | None,
    participants_file: Path | None,
    classes: int | str | None,
    *,
    least_participants: int,
) -> Callable[[Sequence[Answer]], Grouping] | None:
    """Return what makes groups of the people in training; None where nobody shall be grouped."""
    from estimation.commands.reading import read_respondent_column
    from exchange.commands.stopping import ProgressLine
    from llm_compare.tuning.training_sets.groups import group_by_class, group_by_column

    if column is not None and participants_file is not None:
        values = read_respondent_column(participants_file, column)

        def by_column(training: Sequence[Answer]) -> Grouping:
            return group_by_column(values, training, study, column=column, least=least_participants)

        return by_column
    if classes is None:
        return None

    def by_class(training: Sequence[Answer]) -> Grouping:
        line = ProgressLine(all_lines=False)
        line("fitting latent classes …", at_once=True)
        try:
            return group_by_class(
                training,
                study,
                n_classes=classes if isinstance(classes, int) else None,
                seed=settings.seed,
                least=least_participants,
            )
        finally:
            line.close()

    return by_class


def _show(manifest: Mapping[str, Any], folders: Sequence[str]) -> None:
    training, held_out = manifest["training"], manifest["held_out"]
    click.echo(f"To train on: {_counts(training)}")
    click.echo(
        f"  labels: {manifest['labels']}, sides {manifest['sides']}; indecision is {training['indecision']:.1%} of "
        f"the answers and {training['indecision_of_labels']:.1%} of the labels"
    )
    kept = [f"{held_out['n_comparisons']} comparisons", f"{held_out['n_participants']} participants"]
    click.echo(f"Held out: {', '.join([*kept, *held_out['levels']])}")
    for test in manifest["tests"]:
        click.echo(f"  {test['name']}: {_counts(test)}, {test['indecision']:.1%} undecided")
        click.echo(f"    {test['words']}")
    for group in manifest["groups"]:
        click.echo(
            f"Group {group['name']}: {group['n_participants']} participants ({group['share']:.0%}): "
            f"{group['words']}"
        )
    by_kind: dict[str, list[int]] = {}
    for one in manifest["sets"]:
        sizes = by_kind.setdefault(one["name"].rsplit("-", 2)[0], [])
        sizes += [] if one["size"] in sizes else [one["size"]]
    for name, sizes in by_kind.items():
        draws = manifest["draws"]
        click.echo(
            f"Sets {name}: {', '.join(map(str, sizes))}; {draws} {'draw' if draws == 1 else 'draws'} each"
        )
    for note in manifest["notes"]:
        click.echo(f"Note: {note}.")
    for folder in folders:
        click.echo(f"Written to {folder}")


def _counts(of: Mapping[str, Any]) -> str:
    from llm_compare.report.number_words import counted

    n_people = of["n_participants"]
    people = "people unknown" if n_people is None else "1 person" if n_people == 1 else f"{n_people} people"
    return f"{counted(of['n_answers'], 'answer')}, {counted(of['n_comparisons'], 'comparison')}, {people}"
