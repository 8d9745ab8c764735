"""The live view: where the participants of one wave stand and what they answered."""

from __future__ import annotations

from flask import abort, render_template, request

from survey.db import reading
from survey.overview.choices import FEWEST_FOR_A_SHARE, ONE_SIDED_ABOVE
from survey.overview.figures import figures_of
from survey.store import studies
from survey.tables import StudyRow
from survey.web.access import researchers_only
from survey.web.context import now, the_engine
from survey.web.research.common import STATE_WORDS, STEP_WORDS, TASK_WORDS, study_or_404
from survey.web.research.views import blueprint


@blueprint.get("/studies/<int:study_id>/figures")
@researchers_only
def figures(study_id: int) -> str:
    """Show every figure of one wave, of people unless simulated participants are asked for."""
    simulated = asks_for_simulated()
    moment = now()
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        return render_template(
            "research/figures.html",
            study=study,
            design=studies.design_of(study),
            figures=figures_of(session, study, simulated=simulated, wave=wave_asked_for(study), now=moment),
            simulated=simulated,
            state_words=STATE_WORDS,
            step_words=STEP_WORDS,
            task_words=TASK_WORDS,
            fewest=FEWEST_FOR_A_SHARE,
            one_sided_above=ONE_SIDED_ABOVE,
            as_of=moment,
        )


def asks_for_simulated() -> bool:
    """Tell whether the address asks for simulated participants."""
    return request.args.get("simulated") == "yes"


def wave_asked_for(study: StudyRow) -> int:
    """Return the wave that the address names, else the one that is asked now; 404 for one that was never opened."""
    text = request.args.get("wave", "")
    if not text:
        return study.wave
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= study.wave):
        abort(404)
    return int(text)
