"""Participants: listed with their flags, looked at one by one, erased."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey.attribute_data import OPEN_TASKS
from survey.db import reading, writing
from survey.kept_figures import forget_figures
from survey.overview.flags import stated_rules
from survey.overview.people import count_people, page_of_people, person_of
from survey.store import erasure, studies
from survey.store.erasure import NoSuchParticipant
from survey.tables import ParticipantRow, ParticipantState, StudyRow
from survey.web.access import current_actor, owners_only, researchers_only
from survey.web.context import now, the_context, the_engine
from survey.web.research.common import STATE_WORDS, TASK_WORDS, study_or_404
from survey.web.research.figures import asks_for_simulated
from survey.web.research.views import blueprint

PER_PAGE = 100


@blueprint.get("/studies/<int:study_id>/participants")
@researchers_only
def people(study_id: int) -> str:
    """List the participants by code, a page at a time."""
    simulated = asks_for_simulated()
    page = _page_number()
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        design = studies.design_of(study)
        total = count_people(session, study, simulated=simulated)
        pages = max(1, -(-total // PER_PAGE))
        if page > pages:
            abort(404)
        return render_template(
            "research/people.html",
            study=study,
            design=design,
            simulated=simulated,
            rows=page_of_people(
                session, study, simulated=simulated, skip=(page - 1) * PER_PAGE, count=PER_PAGE
            ),
            rules=stated_rules(design.exclusions),
            total=total,
            page=page,
            pages=pages,
            state_words=STATE_WORDS,
        )


def _page_number() -> int:
    text = request.args.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) >= 1):
        abort(404)
    return int(text)


@blueprint.get("/studies/<int:study_id>/participants/<code>")
@researchers_only
def person(study_id: int, code: str) -> str:
    """Show what one participant did, wave by wave. The recruitment id is nowhere on it."""
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        design = studies.design_of(study)
        waves = person_of(session, study, code)
        if not waves:
            abort(404)
        return render_template(
            "research/person.html",
            study=study,
            design=design,
            code=code,
            waves=waves,
            sentences=dict(stated_rules(design.exclusions)),
            state_words=STATE_WORDS,
            task_words=TASK_WORDS,
            open_tasks=OPEN_TASKS,
            is_erased=waves[0].judged.record.state is ParticipantState.ERASED,
            simulated=waves[0].simulated,
        )


@blueprint.get("/studies/<int:study_id>/participants/<code>/erase")
@owners_only
def erase_page(study_id: int, code: str) -> str:
    """Say what erasing deletes, and ask for the code."""
    with reading(the_engine()) as session:
        return _erase_page(session, study_or_404(session, study_id), code)


@blueprint.post("/studies/<int:study_id>/participants/<code>/erase")
@owners_only
def erase(study_id: int, code: str) -> Response | tuple[str, int]:
    """Erase the participant, if the code was typed."""
    typed = request.form.get("code", "").strip()
    if typed != code:
        with reading(the_engine()) as session:
            study = study_or_404(session, study_id)
            problem = f"That is not the code. Nothing was erased. Type {code} to erase this participant."
            return _erase_page(session, study, code, problem=problem), 400
    try:
        with writing(the_engine()) as session:
            study = study_or_404(session, study_id)
            done = erasure.erase(session, study, code, now=now(), actor=current_actor())
    except NoSuchParticipant:
        abort(404)
    forget_figures(the_context().settings.state_dir, study_id)
    flash(
        f"The participant is erased: {done.answers} answers, {done.suggestions} suggestions and {done.statements} "
        f"other statements in {done.waves} wave{'' if done.waves == 1 else 's'} are deleted."
    )
    return redirect(url_for(".people", study_id=study_id), code=303)


def _erase_page(session: Session, study: StudyRow, code: str, *, problem: str = "") -> str:
    of_code = (ParticipantRow.study_id == study.id, ParticipantRow.code == code)
    if not session.scalar(select(func.count()).select_from(ParticipantRow).where(*of_code)):
        abort(404)
    return render_template(
        "research/erase.html", study=study, design=studies.design_of(study), code=code, problem=problem
    )
