"""The researcher's page of a running study's estimate: looks, each on record, and a rule for stopping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from estimation.effect_rows import interval_words, signed
from estimation.specification import Model
from survey.design import StudyDesign
from survey.web.access import owners_only, researchers_only
from survey.web.context import now
from survey.web.research.estimates import (
    AboutEstimate,
    Check,
    Precision,
    about_estimate,
    add_study_tab,
    counts_at,
    counts_of,
    note_look,
    record_checks,
    state_rule,
    withdraw_rule,
)

if TYPE_CHECKING:
    from estimation.dataset import ChoiceData
    from estimation.heterogeneity.classes import ClassTable
    from estimation.live import LiveEstimate
    from estimation.weights import Estimate

blueprint = Blueprint(
    "estimation",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/static/estimation",
    url_prefix="/research",
)
blueprint.add_app_template_filter(signed, "signed")
blueprint.add_app_template_filter(interval_words, "interval")
add_study_tab(blueprint, "estimate", "Estimate", besides=("look", "state", "withdraw"))

FEWEST_PARTICIPANTS = 20
"""Intervals by participant are too narrow with fewer (Cameron and Miller 2015, J. Human Resources 50), so a rule on
their width may not stop a study before."""
FEWEST_BETWEEN = 5
"""Participants between two checks: with a check after each, intervals would stop at a chance dip."""
WIDEST = 20.0
# Each is a fit; a page that was not opened for long catches up in several visits.
_MOST_CHECKS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address asks to look at."""

    model: Model
    arm: str | None
    wave: int | None
    simulated: bool
    kinds: bool
    """Whether kinds of people are looked for, too."""

    def address(self, study_id: int, **changes: Any) -> str:
        """Return the address of this look with some of it changed."""
        asked: dict[str, Any] = {
            "model": self.model.value,
            "arm": self.arm,
            "wave": self.wave,
            "simulated": "yes" if self.simulated else None,
            "kinds": "yes" if self.kinds else None,
        }
        return url_for(".look", study_id=study_id, **{**asked, **changes})


@blueprint.get("/studies/<int:study_id>/estimate")
@researchers_only
def estimate(study_id: int) -> str:
    """Show the stopping rule, what it said, and who looked: nothing that tells the result."""
    about = _checked(about_estimate(study_id))
    return _estimate_page(about, complaints=[], given={})


@blueprint.get("/studies/<int:study_id>/estimate/look")
@researchers_only
def look(study_id: int) -> str:
    """Note the look, then show the estimate from the answers as they are now."""
    from estimation.errors import EstimationError
    from estimation.live import (
        FEWEST_FOR_CLASSES,
        MODEL_WORDS,
        choice_data_of,
        live_estimate,
        models_for,
        no_estimate,
    )

    about = _checked(about_estimate(study_id))
    asked = _asked(about)
    counts = counts_of(study_id, simulated=asked.simulated, arm=asked.arm, wave=asked.wave)
    # Before it is shown: a page that fails later has been asked for all the same.
    note_look(
        study_id,
        answers=counts.answers,
        respondents=len(counts.respondents),
        model=asked.model.value,
        arm=asked.arm,
        wave=asked.wave,
        simulated=asked.simulated,
    )
    kinds, kinds_problem = None, ""
    try:
        data = choice_data_of(counts)
    except EstimationError as error:
        found = no_estimate(asked.model, str(error))
    else:
        found = live_estimate(data, asked.model, profiles=about.design.profiles() or ())
        if asked.kinds and found.fit is not None and len(counts.respondents) >= FEWEST_FOR_CLASSES:
            kinds, kinds_problem = _kinds(data, asked.model)
    return render_template(
        "estimation/look.html",
        study=about.study,
        design=about.design,
        about=about,
        asked=asked,
        models=models_for(about.design),
        model_words=MODEL_WORDS,
        counts=counts,
        found=found,
        plots=_plots(found),
        kinds=kinds,
        kinds_problem=kinds_problem,
        kind_rows=_kind_rows(kinds),
        fewest_for_classes=FEWEST_FOR_CLASSES,
        as_of=now(),
    )


@blueprint.post("/studies/<int:study_id>/estimate/rule")
@owners_only
def state(study_id: int) -> Response | tuple[str, int]:
    """Put a stopping rule in force, or say what is wrong with it."""
    about = about_estimate(study_id)
    precision, complaints = _precision(about, request.form)
    if precision is None:
        return _estimate_page(about, complaints=complaints, given=request.form), 400
    state_rule(study_id, precision)
    flash("The stopping rule is in force; it stands in the audit log.")
    return redirect(url_for(".estimate", study_id=study_id), code=303)


@blueprint.post("/studies/<int:study_id>/estimate/rule/withdraw")
@owners_only
def withdraw(study_id: int) -> Response:
    """Put no stopping rule in force any more."""
    about = about_estimate(study_id)
    if about.rule is not None:
        withdraw_rule(study_id)
        flash("The stopping rule is withdrawn; that stands in the audit log.")
    return redirect(url_for(".estimate", study_id=study_id), code=303)


def _estimate_page(about: AboutEstimate, *, complaints: list[str], given: Mapping[str, str]) -> str:
    from estimation.live import MODEL_WORDS, models_for

    people = counts_of(about.study.id, simulated=False)
    simulated = counts_of(about.study.id, simulated=True)
    return render_template(
        "estimation/estimate.html",
        study=about.study,
        design=about.design,
        about=about,
        people=people,
        simulated=simulated,
        models=models_for(about.design),
        model_words=MODEL_WORDS,
        complaints=complaints,
        given=given,
        fewest_participants=FEWEST_PARTICIPANTS,
        fewest_between=FEWEST_BETWEEN,
        widest=WIDEST,
        as_of=now(),
    )


def _checked(about: AboutEstimate) -> AboutEstimate:
    """Let the rule in force say its word at the checkpoints that were reached, and return what stands then."""
    from estimation.live import width_at_checkpoint

    rule = about.rule
    if rule is None or not about.waiting:
        return about
    checks: list[Check] = []
    for participants in about.waiting[:_MOST_CHECKS]:
        counts = counts_at(about.study.id, rule.precision, participants)
        width, why = width_at_checkpoint(counts, Model(rule.precision.model))
        met = width is not None and width < rule.precision.width
        checks.append(Check(participants=participants, width=width, met=met, why=why))
        if met:
            break
    record_checks(about.study.id, rule, checks)
    return about_estimate(about.study.id)


def _asked(about: AboutEstimate) -> Asked:
    """Return what the address asks for; 404 where it names what the study does not have."""
    from estimation.live import models_for

    models = models_for(about.design)
    model = request.args.get("model") or models[0].value
    arm = request.args.get("arm") or None
    wave = request.args.get("wave", "")
    if model not in models or (arm is not None and arm not in _arms(about.design)):
        abort(404)
    if wave and not (
        wave.isascii() and wave.isdigit() and len(wave) <= 4 and 1 <= int(wave) <= about.study.wave
    ):
        abort(404)
    return Asked(
        model=Model(model),
        arm=arm,
        wave=int(wave) if wave else None,
        simulated=request.args.get("simulated") == "yes",
        kinds=request.args.get("kinds") == "yes",
    )


def _arms(design: StudyDesign) -> list[str]:
    return [arm.name for arm in design.arms]


def _plots(found: LiveEstimate) -> dict[str, Markup]:
    from estimation.forest_plots import Layout, forest_plot

    if found.fit is None:
        return {}
    # Markup: the plot escapes every word in it.
    return {
        layout.value: Markup(forest_plot(found.fit, layout=layout, inline=True))  # noqa: S704
        for layout in Layout
    }


def _kinds(data: ChoiceData, model: Model) -> tuple[ClassTable | None, str]:
    from estimation.errors import EstimationError
    from estimation.heterogeneity.classes import compare_classes
    from estimation.live import MOST_CLASSES
    from estimation.specification import Specification

    try:
        return compare_classes(data, Specification(model=model), most=MOST_CLASSES, n_starts=5), ""
    except EstimationError as error:
        return None, str(error)


def _kind_rows(kinds: ClassTable | None) -> list[tuple[str, list[Estimate]]]:
    """Return what each kind weighs: (profile or attribute, its log-strength in each kind)."""
    from estimation.effect_rows import weight_rows

    if kinds is None:
        return []
    by_kind = [weight_rows(one.weights) for one in kinds.best.classes]
    return [(rows[0].label, [row.log_strength for row in rows]) for rows in zip(*by_kind, strict=True)]


def _precision(about: AboutEstimate, form: Mapping[str, str]) -> tuple[Precision | None, list[str]]:
    """Read a stopping rule from its form; None with every complaint if it is none."""
    from estimation.live import models_for

    complaints = []
    width = _number(form.get("width", ""))
    if width is None or not 0 < width <= WIDEST:
        complaints.append(f"The width must be a number above 0 and at most {WIDEST:g}, for example 0.8.")
    at_least = _whole(form.get("at_least", ""))
    if at_least is None or not FEWEST_PARTICIPANTS <= at_least <= 1_000_000:
        complaints.append(
            f"The fewest participants must be a whole number, {FEWEST_PARTICIPANTS} or more: with fewer, intervals "
            "are too narrow to stop on."
        )
    every = _whole(form.get("every", ""))
    if every is None or not FEWEST_BETWEEN <= every <= 1_000_000:
        complaints.append(
            f"The participants between two checks must be a whole number, {FEWEST_BETWEEN} or more: checked more "
            "often, the study would stop at a chance dip."
        )
    model, arm = form.get("model", ""), form.get("arm", "")
    if model not in models_for(about.design):
        complaints.append("Choose one of the models on offer.")
    if arm and arm not in _arms(about.design):
        complaints.append("Choose one of the design's arms, or all.")
    if complaints or width is None or at_least is None or every is None:
        return None, complaints
    return (
        Precision(width=width, at_least=at_least, every=every, model=model, arm=arm, wave=about.study.wave),
        [],
    )


def _number(text: str) -> float | None:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return value if isfinite(value) else None


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 7 else None
