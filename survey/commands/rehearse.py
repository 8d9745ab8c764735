"""``equipoise survey rehearse``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from survey.acceptability import Rating
from survey.app import create_app
from survey.config import Settings, load_settings, secrets_of
from survey.db import open_database, reading, writing
from survey.design import StudyDesign
from survey.design_file import read_design, read_design_text
from survey.rehearsal import FINISHED, Rehearsal, answer_count, rehearse
from survey.serving import served_in_background
from survey.store import studies
from survey.suggestions import Stance


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
    yet is added as a draft. Where a study asks which attributes should count, they name them with known
    probabilities; 'equipoise survey coding rehearse' codes what they wrote.

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
    total = participants * answer_count(design)
    with click.progressbar(
        length=total, label="Simulated answers", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        yield bar.update


def _as_dict(design: StudyDesign, result: Rehearsal) -> dict[str, object]:
    record: dict[str, object] = {
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
    if design.suggestions:
        record["suggestions"] = result.suggestions
        record["known_shares"] = _known_shares(result)
    if design.acceptability:
        record["ratings"] = result.ratings
        record["known_ratings"] = _known_ratings(design, result)
    if design.suggestions or design.acceptability:
        record["manner"] = asdict(result.population.manner)
    return record


def _known_shares(result: Rehearsal) -> dict[str, dict[str, float]]:
    """Return category -> stance -> probability that a simulated participant names it."""
    return {
        category.name: {stance.value: category.named[stance] for stance in Stance}
        for category in result.population.categories
    }


def _known_ratings(design: StudyDesign, result: Rehearsal) -> dict[str, dict[str, float]]:
    """Return attribute -> rating -> probability that a simulated participant gives it."""
    known = {}
    for attribute in design.acceptability.attributes if design.acceptability else ():
        acceptable, cannot_say = result.population.rated(attribute.name)
        # The rest to as many digits as the others are stated with.
        known[attribute.name] = {
            Rating.ACCEPTABLE.value: acceptable,
            Rating.NOT_ACCEPTABLE.value: round(1 - acceptable - cannot_say, 6),
            Rating.CANNOT_SAY.value: cannot_say,
        }
    return known


def _as_text(design: StudyDesign, result: Rehearsal) -> str:
    others = [
        f"{n} ended otherwise: {name.replace('_', ' ')}"
        for name, n in result.endings.items()
        if name != FINISHED
    ]
    lines = [
        f"{design.slug}: {result.participants} simulated participants finished, {_stored(design, result)} "
        f"in {result.wall_seconds:.1f} s",
        *others,
    ]
    if design.compares:
        lines += [
            f"Their known weights (seed {result.seed}):",
            *(f"  {name}: {value:+.4f}" for name, value in result.rule.coefficients.items()),
            f"  indecision log-weight: {result.rule.indecision_log_weight:+.4f}",
        ]
    if design.suggestions:
        lines.append(f"What they name, with these probabilities (seed {result.seed}):")
        lines += (f"  {name}: {_shares(known)}" for name, known in _known_shares(result).items())
    if design.acceptability:
        lines.append(f"How they rate, with these probabilities (seed {result.seed}):")
        lines += (f"  {name}: {_shares(known)}" for name, known in _known_ratings(design, result).items())
    besides = asdict(result.conduct)
    if design.suggestions or design.acceptability:
        besides |= asdict(result.population.manner)
    lines.append("What they did besides, with these probabilities:")
    lines += (f"  {name.replace('_', ' ')}: {share:g}" for name, share in besides.items())
    return "\n".join(lines)


def _stored(design: StudyDesign, result: Rehearsal) -> str:
    """Return how much is stored of each kind that the study has."""
    choices = ", ".join(f"{n} {choice.value}" for choice, n in result.choices.items())
    parts = [f"{result.answers} answers stored ({choices})"] if design.compares else []
    if design.suggestions:
        parts.append(f"{result.suggestions} suggestions stored")
    if design.acceptability:
        parts.append(f"{result.ratings} ratings stored")
    return ", ".join(parts)


def _shares(known: Mapping[str, float]) -> str:
    return ", ".join(f"{word.replace('_', ' ')} {share:g}" for word, share in known.items())
