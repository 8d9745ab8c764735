"""The researcher's page of models that took a study: shown, and their answers to take away. It changes nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

from flask import Blueprint, Response, abort, render_template

from llm_compare.participation.model_participant import answers_given
from llm_compare.participation.overview import groups_taken
from llm_compare.participation.store import TakenStudy, read_taken
from llm_compare.replies.parsing import Outcome
from survey.answers import Choice
from survey.answers_file import write_answers
from survey.web.access import researchers_only
from survey.web.context import the_engine
from survey.web.files import file_response
from survey.web.research.common import CSV
from survey.web.research.estimates import about_estimate, add_study_tab, counts_of

blueprint = Blueprint(
    "llm_compare",
    __name__,
    template_folder="web_templates",
    url_prefix="/research",
)
add_study_tab(blueprint, "models", "Models")

OUTCOME_WORDS = {
    Outcome.CHOICE: "a patient",
    Outcome.INDECISION: "indecision",
    Outcome.REFUSAL: "refused",
    Outcome.TRUNCATED: "cut off",
    Outcome.UNREADABLE: "unreadable",
    Outcome.ERROR: "error",
}


@blueprint.get("/studies/<int:study_id>/models")
@researchers_only
def models(study_id: int) -> str:
    """Show which models took the study, what their replies came to, and people's indecision rate beside theirs."""
    taken = _read(study_id)
    people = counts_of(study_id, simulated=False)
    offered = [
        (choice, times)
        for choice, can, times in zip(people.choice, people.offered, people.times, strict=True)
        if can
    ]
    return render_template(
        "llm_compare/models.html",
        study=about_estimate(study_id).study,
        design=taken.study.design,
        groups=groups_taken(taken.participants, taken.given, taken.failed),
        outcomes=OUTCOME_WORDS,
        people_indecisions=sum(times for choice, times in offered if choice is Choice.INDECISION),
        people_offered=sum(times for _, times in offered),
        people_respondents=len(people.respondents),
        command=f"equipoise compare take {taken.study.slug} --model openai/gpt-4o --respondents 20 --seed 1",
    )


@blueprint.get("/studies/<int:study_id>/models/answers.csv")
@researchers_only
def answers_csv(study_id: int) -> Response:
    """Download the models' answers, in the columns of people's."""
    taken = _read(study_id)
    study, given = taken.study, taken.given
    if not any(one.answer is not None for one in given):
        abort(404)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.csv"
        write_answers(path, answers_given(study.design, given, source=study.slug))
        body = path.read_bytes()
    return file_response(body, f"{study.slug}-{study.version}-model-answers.csv", CSV)


def _read(study_id: int) -> TakenStudy:
    found = read_taken(the_engine(), study_id)
    if found is None:
        abort(404)
    return found
