"""``equipoise survey preregister``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from survey.commands.bundles import bundle_record
from survey.commands.common import CannotWrite, counted, design_argument, json_option
from survey.design_file import parse_design, read_design_text
from survey.preregistration import preregister
from survey.rehearsal import answer_count


@click.command("preregister")
@design_argument
@click.option(
    "--participants", type=click.IntRange(1, 5_000), default=100, show_default=True, help="Simulated ones."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same bytes.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder or .zip file to write.")
@click.option("--skip-analysis", is_flag=True, help="Do not run the planned analysis on the simulated data.")
@json_option
def preregister_command(
    design_path: Path, participants: int, seed: int, out: Path, skip_analysis: bool, as_json: bool
) -> None:
    """Write what a study commits to before its first participant.

    The design, the exclusion rules in words, the planned analysis, and simulated data from the study's own
    pages with its results, each with its hash. Needs no database; 'equipoise survey verify' checks it.

    \b
    Example:
      equipoise survey preregister design.toml --participants 100 --seed 1 --out preregistration
    """
    text = read_design_text(design_path)
    design = parse_design(text, str(design_path))
    waves = [answer_count(design, returning=wave > 1) for wave in range(1, design.waves.count + 1)]
    total = participants * sum(waves)
    with click.progressbar(
        length=total, label="Simulated answers", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        try:
            made = preregister(
                design,
                text,
                out,
                participants=participants,
                seed=seed,
                run_analysis=not skip_analysis,
                progress=bar.update,
            )
        except OSError as error:
            raise CannotWrite(
                f"{out}: cannot be written ({error.strerror}); name another with --out"
            ) from None
    if as_json:
        record = {
            "bundle": bundle_record(made.bundle),
            "exclusions": made.exclusions,
            "analysis": f"equipoise {made.analysis}",
            "analysis_ran": made.analysis_ran,
        }
        click.echo(json.dumps(record, indent=2, ensure_ascii=False))
        return
    click.echo(
        f"{out}: {counted(made.bundle.participants, 'simulated participant')}, "
        f"{counted(made.bundle.rows['answers.csv'], 'answer')}\n"
        + "".join(f"  {sentence}\n" for sentence in made.exclusions)
        + f"Planned analysis: equipoise {made.analysis}"
        + (" (it runs on the simulated data)" if made.analysis_ran else " (not run)")
        + f"\nSHA-256 of its manifest: {made.bundle.manifest_sha256}"
    )
