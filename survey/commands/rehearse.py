"""``equipoise survey rehearse``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from survey.app import create_app
from survey.config import Settings, load_settings, secrets_of
from survey.db import open_database, reading, writing
from survey.design import StudyDesign
from survey.design_file import read_design, read_design_text
from survey.pairing import presentation_count
from survey.rehearsal import FINISHED, Rehearsal, rehearse
from survey.serving import served_in_background
from survey.store import studies


@click.command("rehearse")
@click.argument("study", metavar="SLUG|DESIGN.TOML")
@click.option("--participants", type=click.IntRange(1), default=20, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same choices.")
@click.option(
    "--concurrent", type=click.IntRange(1, 64), default=4, show_default=True, help="Answering at a time."
)
@click.option("--language", help="One of the study's.  [default: the study's own]")
@click.option(
    "--ids",
    metavar="PREFIX",
    help="Come with recruitment ids PREFIX-1, PREFIX-2 …; who comes again with them takes the next wave.",
)
@click.option(
    "--url",
    help="A running service, of the same secret key.  [default: one started for the rehearsal on this machine]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rehearse_command(
    study: str,
    participants: int,
    seed: int,
    concurrent: int,
    language: str | None,
    ids: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Let simulated participants with known weights take a study over HTTP, through every step it has.

    They are marked as simulated, and exports leave them out unless asked. A design file that is not in the database
    yet is added as a draft.

    In the screener they answer so that they take part. What they do besides choosing (how many follow an instructed
    check, err in the question about the instructions, leave a question about themselves out) is said with the
    result. An adaptive study repeats its choices with --concurrent 1 only. For a later wave use the same --ids and
    another seed.

    \b
    Example:
      equipoise survey rehearse design.toml --participants 50 --seed 1
      equipoise survey rehearse design.toml --participants 50 --seed 2 --language de
    """
    settings = load_settings(log_level="warning")
    with _service(settings, study, url) as (design, address), _progress(participants, design) as progress:
        if language is not None and language not in design.languages:
            raise click.BadParameter(
                f"study '{design.slug}' cannot be taken in '{language}'; it has {', '.join(design.languages)}",
                param_hint="--language",
            )
        result = rehearse(
            design,
            address,
            rehearsal_token=secrets_of(settings).rehearsal_token,
            participants=participants,
            seed=seed,
            language=language,
            ids=ids,
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
                design = studies.design_of(
                    studies.add_study(session, text, now=datetime.now(UTC), where=study)
                )
        else:
            with reading(engine) as session:
                design = studies.design_of(studies.find_study(session, study))
        if url:
            yield design, url
            return
        with served_in_background(create_app(settings, engine)) as address:
            yield design, address
    finally:
        engine.dispose()


@contextmanager
def _progress(participants: int, design: StudyDesign) -> Iterator[Callable[[int], None]]:
    total = participants * presentation_count(design)
    with click.progressbar(
        length=total, label="Simulated answers", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        yield bar.update


def _as_dict(design: StudyDesign, result: Rehearsal) -> dict[str, object]:
    return {
        "study": design.slug,
        "participants": result.participants,
        "endings": dict(result.endings),
        "answers": result.answers,
        "choices": {choice.value: n for choice, n in result.choices.items()},
        "known_coefficients": dict(result.rule.coefficients),
        "indecision_log_weight": result.rule.indecision_log_weight,
        "conduct": asdict(result.conduct),
        "seed": result.seed,
        "wall_seconds": round(result.wall_seconds, 2),
    }


def _as_text(design: StudyDesign, result: Rehearsal) -> str:
    shown = ", ".join(f"{n} {choice.value}" for choice, n in result.choices.items())
    others = [
        f"{n} ended otherwise: {name.replace('_', ' ')}"
        for name, n in result.endings.items()
        if name != FINISHED
    ]
    lines = [
        f"{design.slug}: {result.participants} simulated participants finished, {result.answers} answers stored "
        f"({shown}) in {result.wall_seconds:.1f} s",
        *others,
        f"Their known weights (seed {result.seed}):",
        *(f"  {name}: {value:+.4f}" for name, value in result.rule.coefficients.items()),
        f"  indecision log-weight: {result.rule.indecision_log_weight:+.4f}",
        "What they did besides, with these probabilities:",
        *(f"  {name.replace('_', ' ')}: {share:g}" for name, share in asdict(result.conduct).items()),
    ]
    return "\n".join(lines)
