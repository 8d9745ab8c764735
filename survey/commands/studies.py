"""``equipoise survey``: check, add, open, pause, close, list and show studies. Their data and participants have
modules of their own."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import click
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from survey.commands.bundles import export_command, verify_command
from survey.commands.coding.group import coding_group
from survey.commands.common import (
    ACTOR,
    changing,
    counted,
    design_argument,
    json_option,
    looking,
    version_option,
)
from survey.commands.imports import import_command
from survey.commands.participants import erase_command, forget_ids_command, invitations_command
from survey.commands.preregister import preregister_command
from survey.commands.rehearse import rehearse_command
from survey.design import StudyDesign, design_hash
from survey.design_file import parse_design, read_design, read_design_text
from survey.export import STUDY_EVENTS
from survey.store import studies
from survey.tables import (
    AttributePageRow,
    EventRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    StudyRow,
    StudyState,
    SuggestionRow,
)


@click.group()
def group() -> None:
    """Check, add, open, rehearse and export studies.

    \b
    Example:
      equipoise survey check design.toml
      equipoise survey add design.toml --open
    """


for _command in (
    rehearse_command,
    preregister_command,
    import_command,
    export_command,
    verify_command,
    erase_command,
    forget_ids_command,
    invitations_command,
    coding_group,
):
    group.add_command(_command)


@group.command("check")
@design_argument
@json_option
def check_command(design_path: Path, as_json: bool) -> None:
    """Check a design file and summarize it; complaints name line and key.

    \b
    Example:
      equipoise survey check design.toml
    """
    summary = _summary(read_design(design_path))
    if as_json:
        click.echo(json.dumps(summary, indent=2, ensure_ascii=False))
        return
    click.echo(f"{design_path}: a usable design")
    for name, value in summary.items():
        shown = ", ".join(value) or "none" if isinstance(value, list) else value
        click.echo(f"  {name.replace('_', ' ')}: {shown}")


@group.command("add")
@design_argument
@click.option("--open", "open_too", is_flag=True, help="Open it to participants at once.")
@json_option
def add_command(design_path: Path, open_too: bool, as_json: bool) -> None:
    """Add a design to the database as a draft study.

    \b
    Example:
      equipoise survey add design.toml --open
    """
    text = read_design_text(design_path)
    parse_design(text, str(design_path))  # Complains about the file before a database is touched.
    now = datetime.now(UTC)
    with changing() as session:
        study = studies.add_study(session, text, now=now, where=str(design_path), actor=ACTOR)
        if open_too:
            studies.open_study(session, study, now=now, actor=ACTOR)
        _say(study, as_json)


@group.command("open")
@click.argument("slug")
@version_option
@json_option
def open_command(slug: str, study_version: str | None, as_json: bool) -> None:
    """Let participants into a study, or go on after a pause.

    \b
    Example:
      equipoise survey open kidney-8
    """
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        studies.open_study(session, study, now=datetime.now(UTC), actor=ACTOR)
        _say(study, as_json)


@group.command("pause")
@click.argument("slug")
@version_option
@json_option
def pause_command(slug: str, study_version: str | None, as_json: bool) -> None:
    """For a while let nobody start and nobody go on; everybody keeps the place. 'open' goes on.

    \b
    Example:
      equipoise survey pause kidney-8
    """
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        studies.pause_study(session, study, now=datetime.now(UTC), actor=ACTOR)
        _say(study, as_json)


@group.command("close")
@click.argument("slug")
@version_option
@json_option
def close_command(slug: str, study_version: str | None, as_json: bool) -> None:
    """Let nobody else into a study; those who have started may finish.

    \b
    Example:
      equipoise survey close kidney-8
    """
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        studies.close_study(session, study, now=datetime.now(UTC), actor=ACTOR)
        _say(study, as_json)


@group.command("wave")
@click.argument("slug")
@version_option
@json_option
def wave_command(slug: str, study_version: str | None, as_json: bool) -> None:
    """Open the next wave: those who finished the wave before are invited again.

    'equipoise survey invitations' writes their links.

    \b
    Example:
      equipoise survey wave kidney-8
    """
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        studies.open_next_wave(session, study, now=datetime.now(UTC), actor=ACTOR)
        _say(study, as_json)
        if study.state is StudyState.DRAFT:
            click.echo("only rehearsals take it: people begin in wave 1 once the study is opened", err=True)
        elif study.state is not StudyState.OPEN:
            way_out = f"equipoise survey open {study.slug} --version {study.version}"
            click.echo(f"nobody can begin it while the study is {study.state.value}: {way_out}", err=True)


@group.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the studies in the database.

    \b
    Example:
      equipoise survey list
    """
    with looking() as session:
        rows = studies.list_studies(session)
    if as_json:
        click.echo(json.dumps([_record(study) for study in rows], indent=2))
        return
    for study in rows:
        click.echo(_line(study))
    if not rows:
        click.echo("no study yet; 'equipoise survey add DESIGN' adds one", err=True)


@group.command("show")
@click.argument("slug")
@version_option
@json_option
def show_command(slug: str, study_version: str | None, as_json: bool) -> None:
    """Show one study: its participants by wave and state, its answers, what happened to it.

    \b
    Example:
      equipoise survey show kidney-8
    """
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        design = studies.design_of(study)
        waves = {
            "people": _waves(session, study, simulated=False),
            "simulated": _waves(session, study, simulated=True),
        }
        events = [
            {"at": event.at.isoformat(timespec="seconds"), "what": event.what, "by": event.actor}
            for event in _events(session, study)
        ]
    if as_json:
        record = _record(study) | {"title": design.title, **waves, "events": events}
        click.echo(json.dumps(record, indent=2, ensure_ascii=False))
        return
    click.echo(f"{_line(study)}\n  {design.title}")
    for kind, counts in waves.items():
        for wave in counts:
            states = ", ".join(f"{n} {state}" for state, n in wave["states"].items())
            given = [counted(wave["answers"], "answer")] if design.compares else []
            given += [counted(wave["suggestions"], "suggestion")] if design.suggestions else []
            click.echo("; ".join([f"  {kind}, wave {wave['wave']}: {', '.join(given) or 'ratings'}", states]))
    for event in events:
        click.echo(f"  {event['at']}  {event['what']}" + (f"  ({event['by']})" if event["by"] else ""))


class _Wave(TypedDict):
    wave: int
    answers: int
    """To comparisons."""
    suggestions: int
    """That the participants wrote here and did not take back."""
    states: dict[str, int]


def _waves(session: Session, study: StudyRow, *, simulated: bool) -> list[_Wave]:
    these = (ParticipantRow.study_id == study.id, ParticipantRow.simulated.is_(simulated))
    states: dict[int, Counter[ParticipantState]] = {}
    for wave, state, count in session.execute(
        select(ParticipantRow.wave, ParticipantRow.state, func.count())
        .where(*these)
        .group_by(ParticipantRow.wave, ParticipantRow.state)
    ):
        states.setdefault(wave, Counter())[state] = count
    answers = dict(
        session.execute(
            select(ParticipantRow.wave, func.count())
            .join(PresentationRow, PresentationRow.participant_id == ParticipantRow.id)
            .where(*these, PresentationRow.answered > 0, PresentationRow.position > 0)
            .group_by(ParticipantRow.wave)
        ).all()
    )
    suggestions = dict(
        session.execute(
            select(ParticipantRow.wave, func.count())
            .join(AttributePageRow, AttributePageRow.participant_id == ParticipantRow.id)
            .join(SuggestionRow, SuggestionRow.page_id == AttributePageRow.id)
            .where(*these, SuggestionRow.removed_at.is_(None))
            .group_by(ParticipantRow.wave)
        ).all()
    )
    return [
        _Wave(
            wave=wave,
            answers=answers.get(wave, 0),
            suggestions=suggestions.get(wave, 0),
            states={state.value: states[wave][state] for state in ParticipantState if states[wave][state]},
        )
        for wave in sorted(states)
    ]


def _events(session: Session, study: StudyRow) -> list[EventRow]:
    erased = ("participant erased", "imported respondent erased")
    whats = (*STUDY_EVENTS, "study added", "design replaced", *erased, "kept ids deleted")
    return list(
        session.scalars(
            select(EventRow)
            .where(EventRow.study_id == study.id, EventRow.participant_id.is_(None), EventRow.what.in_(whats))
            .order_by(EventRow.id)
        )
    )


def _say(study: StudyRow, as_json: bool) -> None:
    click.echo(json.dumps(_record(study), indent=2) if as_json else _line(study))


def _record(study: StudyRow) -> dict[str, object]:
    return {
        "slug": study.slug,
        "version": study.version,
        "state": study.state.value,
        "wave": study.wave,
        "design_hash": study.design_hash,
    }


def _line(study: StudyRow) -> str:
    wave = f", wave {study.wave}" if study.wave > 1 else ""
    return f"{study.slug} version {study.version}: {study.state.value}{wave} (design hash {study.design_hash[:12]})"


def _summary(design: StudyDesign) -> dict[str, str | int | list[str] | None]:
    profiles, comparisons = design.profiles(), design.comparisons()
    roles = design.roles
    counts = {
        "dominated": roles.dominated,
        "identical": roles.identical,
        "instructed": roles.instructed,
        "checks": len(roles.checks),
        "repeats": roles.repeats,
    }
    return {
        "slug": design.slug,
        "version": design.version,
        "title": design.title,
        "languages": list(design.languages),
        "attributes": [a.name for a in design.attributes],
        "profiles": "drawn at random" if profiles is None else len(profiles),
        "comparisons": "drawn at random" if comparisons is None else len(comparisons),
        "comparisons_per_respondent": design.comparisons_per_respondent,
        "designed_comparisons": [f"{count} {role}" for role, count in counts.items() if count],
        **_asked_besides(design),
        "drawing": design.comparison_kind.value if design.compares else "no comparisons",
        "sides": design.sides.value if design.compares else "no comparisons",
        "arms": [arm.name for arm in design.arms],
        "indecision": design.indecision.label if design.indecision.offered else "not offered",
        "screener": [question.name for question in design.screener],
        "demographics": [question.name for question in design.demographics],
        "waves": design.waves.count,
        "participants_at_most": "no limit" if design.quotas.most is None else design.quotas.most,
        "design_hash": design_hash(design),
    }


def _asked_besides(design: StudyDesign) -> dict[str, str | list[str]]:
    """Return what is asked besides comparisons. Told only where there is something to tell, as most studies ask no
    such thing."""
    asked: dict[str, str | list[str]] = {}
    if design.suggestions is not None:
        order = ["in random order"] if design.suggestions.shuffled else []
        asked["open_questions"] = [
            *(question.stance.value.replace("_", " ") for question in design.suggestions.questions),
            *order,
        ]
    if design.acceptability is not None:
        asked["attributes_rated"] = [attribute.name for attribute in design.acceptability.attributes]
        if design.acceptability.ranked:
            asked["attributes_ranked"] = f"at most {design.acceptability.ranked}"
    if design.choose_one is not None:
        problems = design.choose_one
        asked["choose_one"] = (
            f"{problems.problems_per_respondent} of {len(problems.problems)} problems per respondent"
        )
    if design.origins:
        asked["attributes_named_by_people"] = [
            f"{origin.attribute} ({origin.study})" for origin in design.origins
        ]
    return asked
