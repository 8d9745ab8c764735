"""Grouping look-alikes: done beside the requests, because thousands take seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import abort, flash, redirect, request, url_for
from sqlalchemy import Engine
from werkzeug.wrappers import Response

from survey.db import reading, writing
from survey.kept_figures import Worked
from survey.store.look_alikes import groups_among, in_several, keep_groups, suggestions_to_group
from survey.tables import StudyRow
from survey.web.access import coders_only, current_actor
from survey.web.context import now, the_engine
from survey.web.research.coding.common import sentence
from survey.web.research.coding.workings import figures_of, last_figures, worked_aside
from survey.web.research.common import study_or_404
from survey.web.research.views import blueprint

THRESHOLDS = (("0.8", "nearly the same"), ("0.6", "alike"), ("0.45", "somewhat alike"))
_KIND, _SAID = "alike", "said"
# Whose process was stopped meanwhile is not to wait for ever.
_LONGEST = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Where the grouping stands that an address waits for."""

    is_awaited: bool
    said: str
    """What came out of the last one, as a sentence; empty before the first."""


@blueprint.post("/studies/<int:study_id>/suggestions/alike")
@coders_only
def group_alike(study_id: int) -> Response:
    """Group the suggestions by their letters, and keep the groups."""
    threshold = request.form.get("threshold", "")
    if threshold not in dict(THRESHOLDS):
        abort(400)
    with reading(the_engine()) as session:
        study_or_404(session, study_id)
    engine, actor, moment = the_engine(), current_actor(), now()

    def work() -> Mapping[str, str]:
        return {_SAID: _group(engine, study_id, float(threshold), at=moment, actor=actor)}

    # Asked for again, they are made again: suggestions may have come, or another process may have grouped.
    figures = figures_of(study_id, _KIND, f"{threshold} {moment.isoformat()}", work)
    if figures.is_current and figures.latest is not None:
        flash(_outcome(figures.latest))
    awaited = figures.begun_at.isoformat() if figures.begun_at else None
    simulated = "yes" if request.args.get("simulated") == "yes" else None
    place = url_for(".suggestions", study_id=study_id, order="alike", simulated=simulated, grouping=awaited)
    return redirect(place, code=303)


def grouping_of(study_id: int) -> Grouping:
    """Return what the list has to say about grouping; only who asked for it waits, others may be ticking."""
    latest = last_figures(study_id, _KIND)
    since = _moment(request.args.get("grouping", ""))
    is_awaited = (
        since is not None
        and (latest is None or latest.at < since)
        and timedelta() <= now() - since < _LONGEST
    )
    return Grouping(is_awaited=is_awaited, said=_outcome(latest) if latest else "")


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        abort(404)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _outcome(worked: Worked) -> str:
    if worked.problem:
        return f"Look-alikes were not grouped. {sentence(worked.problem)}"
    return worked.files[_SAID]


def _group(engine: Engine, study_id: int, threshold: float, *, at: datetime, actor: str) -> str:
    with reading(engine) as session:
        suggestions = suggestions_to_group(session, session.get_one(StudyRow, study_id))
    groups = worked_aside(len(suggestions), groups_among, suggestions, threshold=threshold)
    with writing(engine) as session:
        study = session.get_one(StudyRow, study_id)
        keep_groups(session, study, groups, threshold=threshold, now=at, actor=actor)
    several, held = in_several(groups)
    return (
        f"{several:,} group{'' if several == 1 else 's'} of look-alikes, with {held:,} of {len(groups):,} "
        "suggestions."
    )
