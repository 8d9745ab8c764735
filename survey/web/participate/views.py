"""What a participant sees and sends. A GET changes nothing; a POST stores, commits and redirects (303)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from flask import abort, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey import wording
from survey.allocation_task import INDECISION, in_words
from survey.answers import Choice
from survey.db import reading, writing
from survey.design import StudyDesign
from survey.kept_figures import forget_figures
from survey.languages import worded
from survey.pairing import presentation_count
from survey.questionnaire import FormQuestion, Misunderstood, Option, Stated, read_form
from survey.recruitment import BadRecruitmentId, parameter_names, read_ids
from survey.steps import ENDINGS
from survey.store import (
    answering,
    attribute_answers,
    choice_tasks,
    choosing,
    erasure,
    participants,
    studies,
)
from survey.store.answering import Sent
from survey.store.choosing import SentChoice
from survey.store.participants import Arrival, NeedsInvitation, NotTakingPart, StudyPaused
from survey.store.presentations import presentation_of
from survey.store.studies import NoSuchStudy
from survey.store.tokens import new_token
from survey.tables import (
    ENDED,
    FollowUpKind,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    StudyRow,
)
from survey.web.context import now, the_context, the_engine
from survey.web.participate import attributes
from survey.web.participate.common import (
    blueprint,
    find_person,
    is_paused_for,
    own_link,
    read_revision,
    show_page,
    stepped,
    to_participant,
)
from survey.web.participate.visitor import (
    id_keeper,
    is_rehearsal,
    keep_ids,
    keep_place,
    kept_ids,
    kept_place,
    read_client,
    read_seconds,
    rehearsed_design,
)

_FORMS = (
    "consent,screener,suggest,remove,rate,rank,begin,comprehension,answer,'follow-up',choose,demographics,"
    "change,return"
)
"""Last parts of the addresses that forms are sent to."""


# --- arriving ------------------------------------------------------------------------------------------


@blueprint.get("/s/<slug>")
def landing(slug: str) -> str | Response:
    """Say what the study is; offer to start it if it is open. Ids in the address are read once and dropped."""
    if parameter_names() & set(request.args):
        try:
            recruited = read_ids(request.args)
        except BadRecruitmentId:
            abort(400)
        if recruited is not None:
            with reading(the_engine()) as session:
                _study(session, slug)  # Nothing is kept for a study that is none.
            keep_ids(slug, recruited)
        return redirect(url_for(".landing", slug=slug, lang=request.args.get("lang")), code=303)
    with reading(the_engine()) as session:
        study = _study(session, slug)
        design = studies.design_of(study)
        language = _landing_language(design)
        return render_template(
            "participate/landing.html",
            design=worded(design, arm=design.arms[0].name, language=language),
            original=design,
            slug=slug,
            language=language,
            state=study.state,
            can_start=participants.takes_participants(study, simulated=is_rehearsal()),
            # Whether the platform's id is known is told to nobody who does not press the button, which is limited.
            has_ids=kept_ids(slug) is not None,
            count=presentation_count(design),
            question_count=len(design.suggestions.questions) if design.suggestions else 0,
            rated_count=len(design.acceptability.attributes) if design.acceptability else 0,
            place=_place_to_go_on(session, study),
            start_key=new_token(),
        )


@blueprint.post("/s/<slug>/start")
def start(slug: str) -> str | Response:
    """Add the participant, or find the one that this person is, and send the person to the own address."""
    start_key = request.form.get("start_key", "")
    if not 20 <= len(start_key) <= 64 or not start_key.isascii():
        abort(400)
    try:
        with writing(the_engine()) as session:
            study = _study(session, slug)
            design = studies.design_of(study)
            language = request.form.get("language", design.language)
            if language not in design.languages:
                abort(400)
            arrival = Arrival(
                start_key=start_key,
                language=language,
                recruited=kept_ids(slug),
                simulated=is_rehearsal(),
            )
            token = participants.start_participant(session, study, arrival, id_keeper(), now=now()).token
    except NeedsInvitation:
        with reading(the_engine()) as session:
            design = studies.design_of(_study(session, slug))
            g.language = language
            return render_template(
                "participate/not_invited.html",
                design=worded(design, arm=design.arms[0].name, language=language),
                language=language,
            )
    except NotTakingPart:
        return redirect(url_for(".landing", slug=slug), code=303)
    keep_place(slug, token)
    return to_participant(token)


@blueprint.get("/s/<slug>/start")
def start_reopened(slug: str) -> Response:
    """Lead to the study: a browser opens the address of a form again when it restores a tab."""
    return redirect(url_for(".landing", slug=slug), code=303)


def _study(session: Session, slug: str) -> StudyRow:
    try:
        return studies.find_study(session, slug, digest=rehearsed_design())
    except NoSuchStudy:
        abort(404)


def _landing_language(design: StudyDesign) -> str:
    """Return the language asked for, else the browser's favorite among the study's."""
    wanted = request.args.get("lang")
    if wanted not in design.languages:
        wanted = request.accept_languages.best_match(design.languages, design.language)
    g.language = wanted or design.language
    return str(g.language)


def _place_to_go_on(session: Session, study: StudyRow) -> str | None:
    token = kept_place(study.slug)
    person = participants.find_participant(session, token) if token else None
    if person is None or person.study_id != study.id:
        return None
    latest = participants.latest_wave_of(session, person)
    goes_on = latest.state not in ENDED or participants.can_return(study, latest)
    return latest.token if goes_on else None


# --- where the participant stands ----------------------------------------------------------------------


@blueprint.get("/p/<token>")
def participant(token: str) -> str:
    """Show where the participant stands: the page to act on next."""
    with reading(the_engine()) as session:
        person, study, design = find_person(session, token)
        if is_paused_for(person, study):
            return show_page("paused", person, design)
        return _PAGES[person.state](session, person, study, design)


@blueprint.get(f"/p/<token>/<any({_FORMS}):form>")
def form_reopened(token: str, form: str) -> Response:
    """Lead to where the participant stands: a browser opens the address of a form again when it restores a tab."""
    return to_participant(token)


def _consenting(_s: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign) -> str:
    return show_page("consenting", person, design, returning=person.returning)


def _screening(_s: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign) -> str:
    return _form_page("screening", person, design, design.screener)


def _instructed(_s: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign) -> str:
    return show_page(
        "instructed",
        person,
        design,
        count=presentation_count(design),
        practice=design.practice is not None and not person.returning,
        problem_count=design.choose_one.problems_per_respondent if design.choose_one else 0,
        asks_comprehension=design.comprehension is not None and not person.returning,
        instructions=wording.instructions(
            design, indecision_offered=design.arm(person.arm or "").indecision_offered
        ),
        own_link=own_link(person),
    )


def _comparing(session: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign) -> str:
    asked = answering.pending_follow_up(session, design, person)
    if asked is not None:
        presentation, given, kind = asked
        return _comparison_page(
            f"follow_up_{kind.value}", session, person, design, presentation, revision=given.revision
        )
    shown = answering.open_presentation(session, design, person)
    if shown is None:
        raise RuntimeError(f"participant {person.id} is {person.state.value} but has nothing left to answer")
    return _comparison_page(
        "comparison",
        session,
        person,
        design,
        shown,
        revision=shown.asked,
        changing=shown.asked > 1,
        can_change=answering.changeable(session, person) is not None,
    )


def _comparison_page(
    name: str,
    session: Session,
    person: ParticipantRow,
    design: StudyDesign,
    shown: PresentationRow,
    **values: Any,
) -> str:
    return show_page(
        name,
        person,
        design,
        question=wording.question(design, presentation_of(design, shown)),
        presentation_token=shown.token,
        position=shown.position,
        practice=shown.position == 0,
        count=presentation_count(design),
        reasons=_shuffled_reasons(design, person),
        **values,
    )


def _shuffled_reasons(design: StudyDesign, person: ParticipantRow) -> list[Option]:
    """Return the reasons in an order of the participant's own: alike on every reload, and known from the export."""

    def place(reason: Option) -> bytes:
        return hashlib.sha256(f"{person.code} {reason.name}".encode()).digest()

    return sorted(design.indecision.reasons, key=place)


def _comprehending(session: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign) -> str:
    attempts = answering.attempts_at_comprehension(session, person)
    return show_page("comprehending", person, design, asked=design.comprehension, again=attempts > 0)


def _choosing(session: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign) -> str:
    return _problem_page(session, person, design)


def _problem_page(
    session: Session, person: ParticipantRow, design: StudyDesign, *, nothing_chosen: bool = False
) -> str:
    asked, task = design.choose_one, choice_tasks.open_task(session, person)
    problem = asked.problem(task.problem) if asked and task else None
    if asked is None or task is None or problem is None:
        raise RuntimeError(f"participant {person.id} is {person.state.value} but has nothing left to choose")
    label = design.indecision.label if task.indecision_offered else None
    return show_page(
        "choosing",
        person,
        design,
        shown=in_words(asked, problem, task.row_order, indecision=label),
        task_token=task.token,
        revision=task.asked,
        position=task.position,
        count=asked.problems_per_respondent,
        changing=task.asked > 1,
        can_change=choosing.changeable_choice(session, person) is not None,
        nothing_chosen=nothing_chosen,
    )


def _describing(session: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign) -> str:
    can_change = _changeable_before_describing(session, person, design)
    return _form_page("describing", person, design, design.demographics, can_change=can_change)


def _changeable_before_describing(session: Session, person: ParticipantRow, design: StudyDesign) -> bool:
    """Tell whether what was answered before the demographics may still be changed."""
    if design.choose_one:
        return choosing.changeable_choice(session, person) is not None
    if design.compares:
        return answering.changeable(session, person) is not None
    return attribute_answers.changeable_page(session, person) is not None


def _ended(session: Session, person: ParticipantRow, study: StudyRow, design: StudyDesign) -> str:
    latest = participants.latest_wave_of(session, person)
    returns = participants.can_return(study, latest)
    return show_page(
        person.state.value,
        person,
        design,
        completion_code=person.completion_code,
        way_on=_way_on(design, person),
        count=presentation_count(design),
        invited=latest.token if returns else None,
        later=latest.token if latest.id != person.id and not returns else None,
    )


_PAGES: dict[ParticipantState, Callable[[Session, ParticipantRow, StudyRow, StudyDesign], str]] = {
    ParticipantState.CONSENTING: _consenting,
    ParticipantState.SCREENING: _screening,
    ParticipantState.SUGGESTING: attributes.suggesting_page,
    ParticipantState.RATING: attributes.rating_page,
    ParticipantState.INSTRUCTED: _instructed,
    ParticipantState.PRACTICING: _comparing,
    ParticipantState.COMPREHENDING: _comprehending,
    ParticipantState.ANSWERING: _comparing,
    ParticipantState.CHOOSING: _choosing,
    ParticipantState.DESCRIBING: _describing,
    **dict.fromkeys(ENDED, _ended),
}


def _way_on(design: StudyDesign, person: ParticipantRow) -> str | None:
    """Return where to go on after the end; only the design says where."""
    for page in design.endings:
        if page.ending is ENDINGS.get(person.state):
            return page.link.replace("{code}", quote(person.completion_code or "")) or None
    return None


# --- steps ---------------------------------------------------------------------------------------------


@blueprint.post("/p/<token>/consent")
def consent(token: str) -> Response:
    """Store the decision to take part or not."""
    decision = request.form.get("decision")
    if decision not in ("agree", "decline"):
        abort(400)

    def step(session: Session, person: ParticipantRow) -> None:
        if decision == "decline":
            participants.decline(session, person, now=now())
            return
        try:
            participants.consent(session, person, now=now())
        except StudyPaused:
            raise
        except NotTakingPart:
            flash(gettext("You had decided not to take part, and that stands."))

    return stepped(token, step)


@blueprint.post("/p/<token>/screener")
def screener(token: str) -> str | Response | tuple[str, int]:
    """Store the screener's answers; every question needs one."""
    return _form_sent(token, "screening", ParticipantState.SCREENING, participants.screen, all_needed=True)


@blueprint.post("/p/<token>/demographics")
def demographics(token: str) -> str | Response | tuple[str, int]:
    """Store the demographics, as far as they were given."""
    return _form_sent(
        token, "describing", ParticipantState.DESCRIBING, participants.describe, all_needed=False
    )


@blueprint.post("/p/<token>/begin")
def begin(token: str) -> Response:
    """Go on from the instructions."""
    return stepped(token, lambda session, person: answering.begin(session, person, now=now()))


@blueprint.post("/p/<token>/comprehension")
def comprehension(token: str) -> Response:
    """Store an answer about the instructions."""
    option = request.form.get("option", "")
    return stepped(token, lambda session, person: answering.comprehend(session, person, option, now=now()))


@blueprint.post("/p/<token>/answer")
def answer(token: str) -> Response:
    """Store the answer, once, and go on."""
    try:
        choice = Choice(request.form.get("choice", ""))
    except ValueError:
        abort(400)
    seconds, problem = read_seconds(request.form.get("seconds", ""))
    sent = Sent(
        presentation=request.form.get("presentation", ""),
        revision=read_revision(),
        choice=choice,
        client_seconds=seconds,
        client_seconds_problem=problem,
        client=read_client(request.form.get("client", "")),
    )

    def step(session: Session, person: ParticipantRow) -> None:
        if answering.record_answer(session, person, sent, now=now()).replayed:
            flash(
                gettext(
                    "You had answered that comparison already; your first answer is kept. "
                    "Here is where you are now."
                )
            )

    return stepped(token, step)


@blueprint.post("/p/<token>/follow-up")
def follow_up(token: str) -> Response:
    """Store what was said after an indecision."""
    try:
        kind = FollowUpKind(request.form.get("kind", ""))
    except ValueError:
        abort(400)
    value, presentation, revision = (
        request.form.get("value", ""),
        request.form.get("presentation", ""),
        read_revision(),
    )
    return stepped(
        token,
        lambda session, person: answering.record_follow_up(
            session, person, presentation, revision, kind, value, now=now()
        ),
    )


@blueprint.post("/p/<token>/choose")
def choose(token: str) -> str | Response | tuple[str, int]:
    """Store which of the candidates was chosen, once, and go on; show the problem again where nobody was."""
    choice = request.form.get("choice", "")
    task_token, revision = request.form.get("task", ""), read_revision()
    if choice not in ("", INDECISION) and not (choice.isascii() and choice.isdigit() and len(choice) <= 10):
        abort(400)
    if not choice:
        with reading(the_engine()) as session:
            person, study, design = find_person(session, token)
            task = choice_tasks.open_task(session, person)
            waits = task is not None and (task.token, task.asked) == (task_token, revision)
            if waits and not is_paused_for(person, study):
                return _problem_page(session, person, design, nothing_chosen=True), 422
        return to_participant(token)
    seconds, problem = read_seconds(request.form.get("seconds", ""))
    sent = SentChoice(
        task=task_token,
        revision=revision,
        chosen=None if choice == INDECISION else int(choice),
        client_seconds=seconds,
        client_seconds_problem=problem,
        client=read_client(request.form.get("client", "")),
    )

    def step(session: Session, person: ParticipantRow) -> None:
        if not choosing.record_choice(session, person, sent, now=now()):
            flash(
                gettext(
                    "You had made that decision already; your first answer is kept. Here is where you are now."
                )
            )

    return stepped(token, step)


@blueprint.post("/p/<token>/change")
def change(token: str) -> Response:
    """Ask for the last answer once more."""

    def step(session: Session, person: ParticipantRow) -> None:
        # At most one of them is what was answered last.
        if attribute_answers.change_last_page(session, person, now=now()):
            return
        if not choosing.change_last_choice(session, person, now=now()):
            answering.change_last_answer(session, person, now=now())

    return stepped(token, step)


@blueprint.post("/p/<token>/return")
def come_again(token: str) -> Response:
    """Begin the next wave."""
    with writing(the_engine()) as session:
        person, study, _design = find_person(session, token)
        latest = participants.latest_wave_of(session, person)
        try:
            latest = participants.return_for_wave(session, study, latest, now=now())
        except NotTakingPart:
            flash(gettext("You are not invited again at the moment."))
        slug = study.slug
    keep_place(slug, latest.token)
    return to_participant(latest.token)


# --- stopping ------------------------------------------------------------------------------------------


@blueprint.get("/p/<token>/stop")
def stop_page(token: str) -> str:
    """Offer to stop, and to have everything deleted."""
    with reading(the_engine()) as session:
        person, _study, design = find_person(session, token)
        return show_page("stop", person, design, ended=person.state in ENDED)


@blueprint.post("/p/<token>/stop")
def stop(token: str) -> Response:
    """Stop taking part; delete everything if that is wanted."""
    wish = request.form.get("wish")
    if wish not in ("keep", "erase"):
        abort(400)
    with writing(the_engine()) as session:
        person, study, _design = find_person(session, token)
        if wish == "erase":
            study_id, slug, language = study.id, study.slug, person.language
            erasure.erase(session, study, person.code, now=now(), actor="participant")
        else:
            participants.withdraw(session, person, now=now())
    if wish == "erase":
        forget_figures(the_context().settings.state_dir, study_id)
        return redirect(url_for(".erased", slug=slug, lang=language), code=303)
    return to_participant(token)


@blueprint.get("/s/<slug>/erased")
def erased(slug: str) -> str:
    """Say that everything is deleted, to whom no address leads any more."""
    with reading(the_engine()) as session:
        design = studies.design_of(_study(session, slug))
        language = _landing_language(design)
        return render_template(
            "participate/erased.html",
            design=worded(design, arm=design.arms[0].name, language=language),
            language=language,
            endings={page.ending.value: page for page in design.endings},
        )


# --- forms ---------------------------------------------------------------------------------------------


def _form_sent(
    token: str,
    page: str,
    state: ParticipantState,
    keep: Callable[..., None],
    *,
    all_needed: bool,
) -> str | Response | tuple[str, int]:
    """Store a form, or show it again with what is wrong and everything that was filled in."""
    try:
        with writing(the_engine()) as session:
            person, _study, design = find_person(session, token, to_step=True)
            if person.state is not state:
                return to_participant(token)
            questions = design.screener if state is ParticipantState.SCREENING else design.demographics
            sent = {question.name: request.form.getlist(question.name) for question in questions}
            stated, wrong = read_form(questions, sent, all_needed=all_needed)
            if wrong:
                return _form_page(page, person, design, questions, stated=stated, wrong=wrong, sent=sent), 422
            keep(session, person, stated, now=now())
    except StudyPaused:
        pass  # Nothing is stored; the page that follows says why.
    return to_participant(token)


def _form_page(
    page: str,
    person: ParticipantRow,
    design: StudyDesign,
    questions: Sequence[FormQuestion],
    *,
    stated: dict[str, Stated] | None = None,
    wrong: Sequence[Misunderstood] = (),
    sent: dict[str, list[str]] | None = None,
    **values: Any,
) -> str:
    return show_page(
        page,
        person,
        design,
        questions=questions,
        stated=stated or {},
        wrong={w.question: w.problem for w in wrong},
        sent=sent or {},
        **values,
    )
