"""``equipoise survey coding rehearse``: simulated coders for what simulated participants wrote."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

import click
from sqlalchemy.orm import Session

from survey.coding.coding import CodingError, Suggestion
from survey.coding.simulated_coders import CoderRates, simulated_categories, simulated_codes
from survey.coding.synthetic import synthetic_population
from survey.commands.coding.common import slug_argument
from survey.commands.common import ACTOR, changing, counted, json_option, version_option
from survey.store import studies
from survey.store.categories import index_of
from survey.store.coding_data import coding_of
from survey.store.coding_imports import import_categories, import_codes
from survey.tables import StudyRow

_USUAL = CoderRates()
_share = click.FloatRange(0, 1)


@click.command("rehearse")
@slug_argument
@version_option
@click.option("--coders", type=click.IntRange(1, 20), default=2, show_default=True, help="How many.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same codes.")
@click.option(
    "--misses",
    type=_share,
    default=_USUAL.misses,
    show_default=True,
    help="Probability of not seeing a category that is there.",
)
@click.option(
    "--adds-wrong",
    type=_share,
    default=_USUAL.adds_wrong,
    show_default=True,
    help="Probability of adding a category that is not there.",
)
@click.option(
    "--calls-unusable",
    type=_share,
    default=_USUAL.calls_unusable,
    show_default=True,
    help="Probability of calling a suggestion unusable that is not.",
)
@json_option
def rehearse_command(
    slug: str,
    study_version: str | None,
    coders: int,
    seed: int,
    misses: float,
    adds_wrong: float,
    calls_unusable: float,
    as_json: bool,
) -> None:
    """Let simulated coders, who err at known rates, code what simulated participants have written.

    They are called sim-coder-1, sim-coder-2 … and use a codebook of their own, which is added to the study. Coding
    again with them replaces what they said before. A study that holds a suggestion of a person, or of a model, is
    refused: what real respondents say is coded by people.

    \b
    Example:
      equipoise survey rehearse examples/kidney-attributes.toml --participants 40 --seed 1
      equipoise survey coding rehearse kidney-attributes --coders 2 --seed 1
      equipoise survey coding agreement kidney-attributes --simulated
    """
    rates = CoderRates(misses=misses, adds_wrong=adds_wrong, calls_unusable=calls_unusable)
    population = synthetic_population()
    now = datetime.now(UTC)
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        suggestions = _rehearsed(session, study)
        codes = simulated_codes(population, suggestions, coders=coders, seed=seed, rates=rates)
        there = index_of(session, study).by_name
        # Those that are there may have been merged or reworded since.
        new = [category for category in simulated_categories(population) if category.name not in there]
        added = import_categories(session, study, new, now=now, actor=ACTOR).added
        done = import_codes(session, study, codes, now=now, actor=ACTOR)
    record = {
        "study": slug,
        "suggestions": len(suggestions),
        "coders": sorted({code.coder for code in codes}),
        "categories_added": added,
        "codes_added": done.added,
        "codes_ended": done.ended,
        "codes_already_there": done.already_there,
        "seed": seed,
        "rates": asdict(rates),
    }
    if as_json:
        click.echo(json.dumps(record, indent=2, ensure_ascii=False))
        return
    click.echo(
        f"{slug}: {counted(len(suggestions), 'simulated suggestion')} coded by "
        f"{counted(coders, 'simulated coder')}: {counted(done.added, 'code')} added, {done.ended} ended, "
        f"{done.already_there} there already\n"
        f"They erred with these probabilities (seed {seed}):\n"
        + "\n".join(f"  {name.replace('_', ' ')}: {share:g}" for name, share in asdict(rates).items())
    )


def _rehearsed(session: Session, study: StudyRow) -> tuple[Suggestion, ...]:
    """Return the study's suggestions, all of which rehearsals have made.

    Raises
    ------
    CodingError
        There are none, or somebody real has made one.
    """
    real = len(coding_of(session, study, include_simulated=False).suggestions)
    if real:
        raise CodingError(
            f"study '{study.slug}' version {study.version} holds {counted(real, 'suggestion')} that no rehearsal "
            "made; simulated coders code simulated suggestions only: rehearse a version of the study that nobody "
            "has taken"
        )
    suggestions = coding_of(session, study, include_simulated=True).suggestions
    if not suggestions:
        raise CodingError(
            f"study '{study.slug}' version {study.version} holds no suggestion; 'equipoise survey rehearse' makes "
            "some"
        )
    return suggestions
