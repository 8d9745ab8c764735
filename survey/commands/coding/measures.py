"""``equipoise survey coding agreement``, ``results`` and ``saturation``: the numbers, their files and pictures."""

from __future__ import annotations

import json
from pathlib import Path

import click
from sqlalchemy.orm import Session

from survey.coding.agreement import Agreement, agreement_of
from survey.coding.coding import Coding
from survey.coding.coding_file import coding_sha256
from survey.coding.coding_plots import agreement_plot, counts_plot, saturation_plot
from survey.coding.direction_sections import HEADINGS, RULE
from survey.coding.groups import GroupCounts, questions_stated
from survey.coding.number_words import (
    category_words,
    counted,
    counts_sentences,
    differing,
    directions_words,
    left_out_sentences,
    measured,
    of_those_asked_both,
    probability,
    saturation_sentences,
    shared,
)
from survey.coding.opinions import Opinions, opinions_of
from survey.coding.pairs import PairAgreement
from survey.coding.report import render
from survey.coding.results import FORMAT_VERSION, Results, as_record, results_json, results_of
from survey.coding.saturation import saturation_of
from survey.commands.coding.common import (
    hint_at_simulated,
    require_file,
    simulated_option,
    slug_argument,
)
from survey.commands.common import json_option, looking, version_option
from survey.questionnaire import QuestionKind
from survey.store import studies
from survey.store.coding_data import coding_of_whom
from survey.store.opinion_data import sheets_of
from survey.store.studies import design_of
from survey.suggestions import Stance
from survey.tables import StudyRow
from survey.writing import check_outputs, write_text

AGREEMENT_FORMAT = "equipoise coding agreement"
_file = click.Path(dir_okay=False, path_type=Path)

draws_option = click.option(
    "--draws", type=click.IntRange(0, 100_000), default=1000, show_default=True, help="Bootstrap samples."
)
seed_option = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same bytes."
)


@click.command("agreement")
@slug_argument
@version_option
@click.option("--out", type=_file, help="Write every number to this file (.json).")
@click.option("--plot", type=_file, help="Draw agreement by category (.svg).")
@draws_option
@seed_option
@simulated_option
@json_option
def agreement_command(
    slug: str,
    study_version: str | None,
    out: Path | None,
    plot: Path | None,
    draws: int,
    seed: int,
    simulated: bool,
    as_json: bool,
) -> None:
    """Say how far coders who worked apart agree, and, kept apart, how far models' proposals agree with them.

    \b
    Example:
      equipoise survey coding agreement kidney-attributes --out agreement.json --plot agreement.svg
    """
    _check(("--out", out, ".json"), ("--plot", plot, ".svg"))
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        coding = coding_of_whom(session, study, simulated=simulated)
    agreement = agreement_of(coding, draws=draws, seed=seed)
    text = _agreement_json(coding, agreement)
    if out:
        write_text(out, text)
    if plot:
        write_text(plot, agreement_plot(agreement))
    if as_json:
        click.echo(text, nl=False)
        return
    _say_agreement(agreement)
    hint_at_simulated(coding, simulated=simulated)


def _agreement_json(coding: Coding, agreement: Agreement) -> str:
    document = {
        "format": AGREEMENT_FORMAT,
        "format_version": FORMAT_VERSION,
        "study": coding.study,
        "version": coding.version,
        "design_hash": coding.design_hash,
        "coding_sha256": coding_sha256(coding),
        **as_record(agreement),
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _say_agreement(agreement: Agreement) -> None:
    click.echo(
        f"{counted(agreement.suggestions, 'suggestion')}, {agreement.coded} coded, {agreement.by_two} by two "
        "coders or more: the numbers are about these"
    )
    for work in agreement.coders:
        click.echo(f"  {work.coder}: {work.suggestions} coded")
    for name, measure in (("sets (MASI)", agreement.alpha), ("the very same sets", agreement.alpha_same)):
        why = f" ({measure.reason})" if measure.reason else ""
        click.echo(f"Krippendorff's alpha, {name}: {measured(measure)}{why}")
    for category in agreement.categories:
        click.echo(
            f"  {category_words(category)}: {measured(category.alpha)}, in "
            f"{counted(category.suggestions, 'suggestion')}"
        )
    for pair in agreement.pairs:
        click.echo(_pair_line(pair))
    for model in agreement.models:
        click.echo(f"proposals of {model.model} (they never count): {model.proposals}")
        click.echo(f"{_pair_line(model.with_final)}; {model.without_final} have no final code")
        click.echo(f"  precision {shared(model.precision)}, recall {shared(model.recall)}")
        for pair in model.with_coders:
            click.echo(_pair_line(pair))


def _pair_line(pair: PairAgreement) -> str:
    return (
        f"  Cohen's kappa of {pair.first} and {pair.second}, pooled over categories: "
        f"{measured(pair.pooled_kappa)}, {counted(pair.suggestions, 'suggestion')}"
    )


@click.command("results")
@slug_argument
@version_option
@click.option(
    "--group", "questions", multiple=True, metavar="QUESTION", help="Also by this question's answers."
)
@click.option(
    "--directions", "with_directions", is_flag=True, help="Also whom people would put first because of each."
)
@click.option("--out", type=_file, help="Write every number to this file (.json).")
@click.option("--report", type=_file, help="Write a page with numbers, pictures and methods (.html).")
@click.option("--picture", type=_file, help="Draw for and against by category (.svg).")
@draws_option
@seed_option
@simulated_option
@json_option
def results_command(
    slug: str,
    study_version: str | None,
    questions: tuple[str, ...],
    with_directions: bool,
    out: Path | None,
    report: Path | None,
    picture: Path | None,
    draws: int,
    seed: int,
    simulated: bool,
    as_json: bool,
) -> None:
    """Count who named what, for and against, with 95 % intervals. Only final codes count.

    Files hold all groups; --group shows those of one question here, too.

    \b
    Example:
      equipoise survey coding results kidney-attributes --group age_group --report results.html
    """
    _check(("--out", out, ".json"), ("--report", report, ".html"), ("--picture", picture, ".svg"))
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        coding = coding_of_whom(session, study, simulated=simulated)
        opinions = _opinions(session, study, simulated, draws, seed)
        design, options = design_of(study), _options(study)
    known = sorted({*questions_stated(coding), *options})
    for question in questions:
        if question not in known:
            asked = {one.name for one in (*design.screener, *design.demographics)}
            why = "has no options to make groups of" if question in asked else "is no question of this study"
            raise click.UsageError(
                f"--group: '{question}' {why}; there are {', '.join(known) or 'none that have'}"
            )
    results = results_of(
        coding,
        opinions,
        coding_sha256=coding_sha256(coding),
        options=options,
        simulated=simulated,
        draws=draws,
        seed=seed,
    )
    text = results_json(results)
    if out:
        write_text(out, text)
    if report:
        write_text(report, render(results, title=design.title))
    if picture:
        write_text(picture, counts_plot(results.counts))
    if as_json:
        click.echo(text, nl=False)
        return
    asks_openly = design.suggestions is not None or bool(coding.suggestions or coding.asked)
    if asks_openly:
        _say_counts(results, questions)
    if with_directions:
        _say_directions(results)
    if results.opinions is not None:
        _say_opinions(results.opinions)
    if asks_openly:
        hint_at_simulated(coding, simulated=simulated)
    elif results.opinions is None:
        click.echo("nobody has rated anything yet; --simulated shows the ratings of rehearsals", err=True)


def _opinions(session: Session, study: StudyRow, simulated: bool, draws: int, seed: int) -> Opinions | None:
    asked = design_of(study).acceptability
    if asked is None:
        return None
    sheets = sheets_of(session, study, include_simulated=simulated)
    own = [sheet for sheet in sheets if sheet.simulated is simulated]
    return opinions_of(asked, own, draws=draws, seed=seed) if own else None


def _options(study: StudyRow) -> dict[str, list[str]]:
    """Return the questions that offer options -> names of the options in the design's order."""
    design = design_of(study)
    return {
        question.name: [option.name for option in question.options]
        for question in (*design.screener, *design.demographics)
        if question.kind in (QuestionKind.CHOICE, QuestionKind.SEVERAL)
    }


def _say_counts(results: Results, questions: tuple[str, ...]) -> None:
    for sentence in counts_sentences(results.counts):
        click.echo(sentence)
    click.echo("In percent of those asked, with 95 % intervals; differences in percentage points:")
    both = of_those_asked_both(results.counts)
    for count in results.counts.categories:
        click.echo(
            f"  {category_words(count)}: for {shared(count.for_share)}, against {shared(count.against_share)}, "
            f"difference {differing(count.difference)}{f' ({both})' if both else ''}"
        )
    for group in results.groups:
        if group.question in questions:
            _say_group(group)
    if results.models:
        click.echo("Models, of whose replies nothing is in the numbers above:")
    for own in results.models:
        click.echo(f"{own.model}, {counted(own.counts.asked, 'repeat')}:")
        for count in own.counts.categories:
            if count.mentions:
                click.echo(
                    f"  {category_words(count)}: for {shared(count.for_share)}, against "
                    f"{shared(count.against_share)}"
                )
        for sentence in left_out_sentences(own.counts.left_out):
            click.echo(f"  {sentence}")


def _say_directions(results: Results) -> None:
    if not results.directions and not results.directions_against:
        click.echo("Nobody said whom to put first because of anything.")
        return
    click.echo(RULE)
    for stance, directions in (
        (Stance.SHOULD, results.directions),
        (Stance.SHOULD_NOT, results.directions_against),
    ):
        if directions:
            click.echo(f"{HEADINGS[stance]}, so many people:")
        for count in results.counts.categories:
            if given := directions.get(count.category):
                click.echo(f"  {category_words(count)}, named by {given.people:,}: {directions_words(given)}")


def _say_opinions(opinions: Opinions) -> None:
    click.echo("Ratings, in percent of those who rated the attribute, with 95 % intervals:")
    for opinion in opinions.attributes:
        click.echo(
            f"  {opinion.label}: acceptable {shared(opinion.acceptable)}, not acceptable "
            f"{shared(opinion.not_acceptable)}, cannot say {shared(opinion.cannot_say)}"
        )


def _say_group(group: GroupCounts) -> None:
    sizes = ", ".join(f"{g.option} {g.asked}{' (few)' if g.is_small else ''}" for g in group.groups)
    click.echo(f"By {group.question}: {sizes}; {group.did_not_say} did not say")
    for row in group.categories:
        shares = ", ".join(
            f"{g.option} {shared(share)}" for g, share in zip(group.groups, row.shares, strict=True)
        )
        word = "for" if row.stance is Stance.SHOULD else "against"
        click.echo(f"  {category_words(row)}, {word}: {shares}")
        for contrast in row.contrasts:
            click.echo(
                f"    {contrast.first} minus {contrast.second}: {differing(contrast.difference)} points, "
                f"p {probability(contrast.p)}, adjusted {probability(contrast.p_adjusted)}"
            )
    if group.categories:
        click.echo(f"  {group.method}")


@click.command("saturation")
@slug_argument
@version_option
@click.option("--stance", type=click.Choice([s.value for s in Stance]), help="Of one question alone.")
@click.option("--out", type=_file, help="Write every number to this file (.json).")
@click.option("--plot", type=_file, help="Draw the curve (.svg).")
@simulated_option
@json_option
def saturation_command(
    slug: str,
    study_version: str | None,
    stance: str | None,
    out: Path | None,
    plot: Path | None,
    simulated: bool,
    as_json: bool,
) -> None:
    """Say how many new categories further participants would name, to tell when to stop asking.

    \b
    Example:
      equipoise survey coding saturation kidney-attributes --plot saturation.svg
    """
    _check(("--out", out, ".json"), ("--plot", plot, ".svg"))
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        coding = coding_of_whom(session, study, simulated=simulated)
    found = saturation_of(coding, simulated=simulated, stance=Stance(stance) if stance else None)
    document = {
        "format": "equipoise saturation",
        "format_version": 1,
        "study": coding.study,
        "version": coding.version,
        "design_hash": coding.design_hash,
        "coding_sha256": coding_sha256(coding),
        **as_record(found),
    }
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if out:
        write_text(out, text)
    if plot:
        write_text(plot, saturation_plot(found))
    if as_json:
        click.echo(text, nl=False)
        return
    for sentence in saturation_sentences(found):
        click.echo(sentence)
    hint_at_simulated(coding, simulated=simulated)


def _check(*outputs: tuple[str, Path | None, str]) -> None:
    """Refuse files before the work, as their content demands."""
    for option, path, ending in outputs:
        require_file(path, option, ending)
    check_outputs(*((option, path) for option, path, _ in outputs))
