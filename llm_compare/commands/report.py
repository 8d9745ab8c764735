"""``equipoise compare report``: the page from ``alignment.json``, and several runs beside each other."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("report")
@click.argument("alignments", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write the page here.")
@click.option(
    "--compare", "over_time", is_flag=True, help="Compare runs of one study: the later ones with the first."
)
@click.option(
    "--pair",
    "pairs",
    multiple=True,
    metavar="EARLIER=LATER",
    help="With --compare: labels of a model that is called differently in a later run. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="With --compare: print the numbers as JSON.")
def report_command(
    alignments: tuple[Path, ...], out: Path | None, over_time: bool, pairs: tuple[str, ...], as_json: bool
) -> None:
    """Make the page for ALIGNMENTS (alignment.json), or compare several runs over time.

    \b
    Examples:
      equipoise compare report alignment.json --out report.html
      equipoise compare report --compare may.json november.json --out change.html
    """
    if over_time:
        _compare(alignments, out, pairs, as_json=as_json)
        return
    from estimation.commands.writing import check_outputs, write_text
    from estimation.manifest import file_hash
    from llm_compare.alignment.alignment_file import read_alignment
    from llm_compare.report.report import render

    if len(alignments) > 1:
        raise click.UsageError("one page shows one alignment.json; add --compare to compare several runs")
    if pairs or as_json:
        raise click.UsageError(
            "--pair and --json belong to --compare; the numbers of one run are in its file"
        )
    if out is None:
        raise click.UsageError("say where the page goes: --out report.html")
    check_outputs(("--out", out), inputs=alignments)
    record = read_alignment(alignments[0])
    write_text(out, render(record, source=(alignments[0].name, file_hash(alignments[0]))))
    click.echo(f"Written to {out}")


def _compare(
    alignments: tuple[Path, ...], out: Path | None, pairs: tuple[str, ...], *, as_json: bool
) -> None:
    from estimation.commands.writing import check_outputs, write_text
    from estimation.manifest import file_hash
    from llm_compare.alignment.alignment_file import read_alignment
    from llm_compare.report.over_time import over_time
    from llm_compare.report.over_time_page import change_sentences, over_time_record, render_over_time

    check_outputs(("--out", out), inputs=alignments)
    names = [path.name for path in alignments]
    # Files of one name in several folders are told apart by their paths.
    keys = names if len(set(names)) == len(names) else [str(path) for path in alignments]
    if len(set(keys)) < len(keys):
        raise click.UsageError("a run is named twice; name each file once")
    runs = {key: read_alignment(path) for key, path in zip(keys, alignments, strict=True)}
    found = over_time(runs, pairs=[_pair(text) for text in pairs])
    if out is not None:
        sources = {key: file_hash(path) for key, path in zip(keys, alignments, strict=True)}
        write_text(out, render_over_time(found, runs, sources=sources))
    if as_json:
        click.echo(json.dumps(over_time_record(found), indent=1, ensure_ascii=False))
        return
    for model in found.models:
        click.echo(
            f"{model.earlier_label} ({model.earlier_run}) and {model.later_label} ({model.later_run}):"
        )
        for warning in model.warnings:
            click.echo(f"  Warning: {warning}")
        for sentence in change_sentences(model):
            click.echo(f"  {sentence}")
    if out is not None:
        click.echo(f"Written to {out}")


def _pair(text: str) -> tuple[str, str]:
    earlier, separator, later = text.partition("=")
    if not (separator and earlier and later):
        raise click.UsageError(f"--pair {text}: name two labels, EARLIER=LATER")
    return earlier, later
