"""All that the answers say about their own quality, in one value: gate, respondents, flags, waves, model."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

from estimation.connectivity import Connectivity, connectivity
from estimation.dataset import INDECISION, ChoiceData, Clustering, choice_data
from estimation.diagnostics.flags import Flag, Thresholds, flags_of
from estimation.diagnostics.left_out import LeftOut, with_and_without
from estimation.diagnostics.participants import Participant, participants
from estimation.diagnostics.person_fit import person_fit
from estimation.drift import Drift, drift
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.model_quality import ModelQuality, quality
from estimation.results import Fit
from estimation.specification import Model, Specification
from estimation.stability import Agreement, agreement
from estimation.uncertainty import Intervals
from survey.answers import AnswerSet
from survey.design import StudyDesign


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Diagnosis:
    """What an analysis should look at before it believes its weights."""

    specification: Specification
    graph: Connectivity
    n_answers: int
    n_indecisions: int
    fit: Fit | None
    """Of all answers, flagged or not; None if they do not allow it."""
    refused: str
    """Why there is no fit, and the way out; empty if there is one."""
    thresholds: Thresholds
    participants: tuple[Participant, ...]
    """Empty where the source does not say who answered what."""
    flags: tuple[Flag, ...]
    left_out: tuple[LeftOut, ...]
    agreement: Agreement | None
    """Between waves; None without a comparison that a respondent answered in two."""
    drift: Drift | None
    """None with one wave, or where ``drift_refused`` says why."""
    drift_refused: str
    quality: ModelQuality | None
    """None without a fit."""
    notes: tuple[str, ...]


def usual_specification(data: ChoiceData) -> Specification:
    """Return the attribute model for these answers: with indecision if both it and decisions occur."""
    offered = data.counts[data.offered]
    both = offered[:, INDECISION].sum() > 0 and offered[:, :INDECISION].sum() > 0
    return Specification(model=Model.MIN_DELTA if both else Model.CONDITIONAL_LOGIT)


def diagnose(
    answer_set: AnswerSet,
    spec: Specification | None = None,
    *,
    design: StudyDesign | None = None,
    arm: str | None = None,
    wave: int | None = None,
    thresholds: Thresholds | None = None,
    intervals: Intervals | None = None,
    executor: Executor | None = None,
) -> Diagnosis:
    """Examine answers. Nobody is left out of anything but the fits that say so.

    Parameters
    ----------
    spec
        The model that respondents are held against; None: :func:`usual_specification`.
    design
        Tells what checks and dominated comparisons expect, and which exclusions were stated beforehand.
    arm, wave
        Only this arm or wave; None for all. Waves are compared if all are asked for.

    Raises
    ------
    EstimationError
        There are no answers to examine, or a threshold makes no sense.
    """
    thresholds = thresholds or Thresholds()
    thresholds.check()
    data = choice_data(answer_set, arm=arm, wave=wave)
    spec = spec or usual_specification(data)
    spec.check()
    everybody, refused, model_quality = None, "", None
    try:
        everybody = fit(data, spec, intervals=intervals, executor=executor)
        model_quality = quality(data, everybody)
    except EstimationError as error:
        refused = str(error)
    notes = list(data.notes)
    people: tuple[Participant, ...] = ()
    if data.clustering is Clustering.ANSWER:
        notes.append("respondents cannot be examined, because the source does not say who gave which answer")
    else:
        by_respondent = everybody is not None and data.clustering is Clustering.RESPONDENT
        people = participants(
            answer_set,
            design=design,
            fits=person_fit(data, everybody) if by_respondent and everybody else None,
            arm=arm,
            wave=wave,
            fast_seconds=thresholds.median_seconds_below,
        )
        if any(p.checks_unknown for p in people):
            known = "which the answers do not keep" if design else "so give the design (--design)"
            n = sum(p.checks_unknown for p in people)
            notes.append(f"{n} checks could not be judged: that takes the answer they expect, {known}")
    flags = flags_of(people, thresholds=thresholds, design=design)
    left_out: tuple[LeftOut, ...] = ()
    if everybody is not None and data.clustering is Clustering.RESPONDENT:
        left_out = with_and_without(
            answer_set, everybody, flags, arm=arm, wave=wave, intervals=intervals, executor=executor
        )
    agreed, drifted, drift_refused = None, None, ""
    if wave is None and data.clustering is not Clustering.ANSWER:
        agreed = agreement(answer_set, arm=arm)
    if wave is None:
        try:
            drifted = drift(answer_set, spec, arm=arm, intervals=intervals)
        except EstimationError as error:
            drift_refused = str(error)
    return Diagnosis(
        specification=spec,
        graph=everybody.gate.graph
        if everybody is not None
        else connectivity(data, by_indecision=spec.uses_indecision, half_wins=spec.half_wins),
        n_answers=data.n_answers,
        n_indecisions=data.n_indecisions,
        fit=everybody,
        refused=refused,
        thresholds=thresholds,
        participants=people,
        flags=flags,
        left_out=left_out,
        agreement=agreed,
        drift=drifted,
        drift_refused=drift_refused,
        quality=model_quality,
        notes=tuple(dict.fromkeys((*notes, *(everybody.notes if everybody is not None else ())))),
    )
