"""``equipoise survey rehearse``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from survey import store
from survey.app import create_app
from survey.config import Settings, load_settings, secrets_of
from survey.db import open_database, reading, writing
from survey.design import StudyDesign
from survey.design_file import read_design, read_design_text
from survey.rehearsal import Rehearsal, rehearse
from survey.serving import served_in_background


@click.command("rehearse")
@click.argument("study", metavar="SLUG|DESIGN.TOML")
@click.option("--participants", type=click.IntRange(1), default=20, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same choices.")
@click.option(
    "--concurrent", type=click.IntRange(1, 64), default=4, show_default=True, help="Answering at a time."
)
@click.option(
    "--url",
    help="A running service, of the same secret key.  [default: one started for the rehearsal on this machine]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rehearse_command(
    study: str, participants: int, seed: int, concurrent: int, url: str | None, as_json: bool
) -> None:
    """Let simulated participants with known weights take a study over HTTP.

    They are marked as simulated, and exports leave them out unless asked. A design file that is not in the database
    yet is added as a draft.

    \b
    Example:
      equipoise survey rehearse design.toml --participants 50 --seed 1
    """
    settings = load_settings(log_level="warning")
    with _service(settings, study, url) as (design, address), _progress(participants, design) as progress:
        result = rehearse(
            design,
            address,
            rehearsal_token=secrets_of(settings).rehearsal_token,
            participants=participants,
            seed=seed,
            concurrent=concurrent,
            progress=progress,
        )
    if result.stopped:
        raise KeyboardInterrupt(
            f"{result.answers} answers of simulated participants are stored, {result.participants} of them finished"
        )
    click.echo(json.dumps(_as_dict(design, result), indent=2) if as_json else _as_text(design, result))


@contextmanager
def _service(settings: Settings, study: str, url: str | None) -> Iterator[tuple[StudyDesign, str]]:
    """Yield the design and the address at which to take it."""
    if url and study.endswith(".toml"):
        # The service at that address has its own database; ours need not know the study.
        yield read_design(Path(study)), url
        return
    engine = open_database(settings)
    try:
        if study.endswith(".toml"):
            text = read_design_text(Path(study))
            with writing(engine) as session:
                design = store.design_of(store.add_study(session, text, now=datetime.now(UTC), where=study))
        else:
            with reading(engine) as session:
                design = store.design_of(store.find_study(session, study))
        if url:
            yield design, url
            return
        with served_in_background(create_app(settings, engine)) as address:
            yield design, address
    finally:
        engine.dispose()


@contextmanager
def _progress(participants: int, design: StudyDesign) -> Iterator[Callable[[int], None]]:
    total = participants * design.comparisons_per_respondent
    with click.progressbar(
        length=total, label="Simulated answers", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        yield bar.update


def _as_dict(design: StudyDesign, result: Rehearsal) -> dict[str, object]:
    return {
        "study": design.slug,
        "participants": result.participants,
        "answers": result.answers,
        "choices": {choice.value: n for choice, n in result.choices.items()},
        "known_coefficients": dict(result.rule.coefficients),
        "indecision_log_weight": result.rule.indecision_log_weight,
        "seed": result.seed,
        "wall_seconds": round(result.wall_seconds, 2),
    }


def _as_text(design: StudyDesign, result: Rehearsal) -> str:
    shown = ", ".join(f"{n} {choice.value}" for choice, n in result.choices.items())
    lines = [
        f"{design.slug}: {result.participants} simulated participants finished, {result.answers} answers stored "
        f"({shown}) in {result.wall_seconds:.1f} s",
        f"Their known weights (seed {result.seed}):",
        *(f"  {name}: {value:+.4f}" for name, value in result.rule.coefficients.items()),
        f"  indecision log-weight: {result.rule.indecision_log_weight:+.4f}",
    ]
    return "\n".join(lines)
