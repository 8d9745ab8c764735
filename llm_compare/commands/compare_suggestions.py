"""``equipoise compare suggestions``: what people suggest beside what models suggest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from llm_compare.report.number_words import Record


@click.command(
    "suggestions",
    epilog="\b\nExamples:\n  equipoise compare suggestions coding.json --out suggestions_compared.json "
    "--report suggestions.html\n  equipoise compare suggestions --from suggestions_compared.json "
    "--report suggestions.html",
)
@click.argument("coding", type=click.Path(path_type=Path), required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Write suggestions_compared.json here.")
@click.option("--report", "report_path", type=click.Path(path_type=Path), help="Write the page here.")
@click.option(
    "--from",
    "from_path",
    type=click.Path(path_type=Path),
    help="Render the page again from this suggestions_compared.json.",
)
@click.option(
    "--least-share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.1,
    show_default=True,
    help="A side names a category if at least this share of its respondents does; for the overlap.",
)
@click.option(
    "--draws",
    type=click.IntRange(min=100),
    default=1000,
    show_default=True,
    help="Draws of people and repeats, for intervals.",
)
@click.option(
    "--splits",
    type=click.IntRange(min=10),
    default=200,
    show_default=True,
    help="Random halvings of the people, for the ceiling.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all draws.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def compare_suggestions_command(
    coding: Path | None,
    out: Path | None,
    report_path: Path | None,
    from_path: Path | None,
    least_share: float,
    draws: int,
    splits: int,
    seed: int,
    as_json: bool,
) -> None:
    """Compare people's suggestions with each model's, in the categories of CODING (coding.json).

    Models' suggestions ('equipoise compare suggest') are imported into the study and coded like people's first.
    """
    from estimation.manifest import file_hash
    from llm_compare.report.number_words import counted
    from llm_compare.suggesting.compared_file import compared_text, read_compared, write_compared
    from llm_compare.suggesting.page import people_words, render, summary_sentences
    from survey.writing import check_outputs, write_text

    check_outputs(("--out", out), ("--report", report_path), inputs=[coding, from_path])
    source = None
    if from_path is not None:
        if coding is not None or out is not None:
            raise click.UsageError(
                "--from renders a suggestions_compared.json again; it takes no coding and no --out"
            )
        record: Record = read_compared(from_path)
        source = (from_path.name, file_hash(from_path))
    elif coding is None:
        raise click.UsageError("name a coding.json ('equipoise survey coding export' writes one)")
    else:
        record = _measured(coding, least_share=least_share, draws=draws, splits=splits, seed=seed)
        if out is not None:
            write_compared(out, record)
            source = (out.name, file_hash(out))
    if report_path is not None:
        write_text(report_path, render(record, source=source))
    if as_json:
        click.echo(compared_text(record), nl=False)
        return
    for model in record["models"]:
        repeats = counted(model["repeats"], "repeat")
        click.echo(f"{model['model']}, {repeats} beside {people_words(record)}")
        for sentence in summary_sentences(model, record):
            click.echo(f"  {sentence}")
    for path in (out, report_path):
        if path is not None:
            click.echo(f"Written to {path}")


def _measured(path: Path, *, least_share: float, draws: int, splits: int, seed: int) -> Record:
    from estimation.manifest import make_manifest
    from llm_compare.suggesting.compared import compare_suggestions
    from llm_compare.suggesting.compared_file import record_of
    from survey.coding.coding_file import coding_sha256, read_coding

    coding = read_coding(path)
    compared = compare_suggestions(coding, least_share=least_share, draws=draws, splits=splits, seed=seed)
    settings = {"least_share": least_share, "draws": draws, "splits": splits, "seed": seed}
    return record_of(
        compared, coding_sha256=coding_sha256(coding), manifest=make_manifest({"coding": path}, settings)
    )
