"""What was done to a coding, in words, newest first. For owners and viewers: it tells what coders wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import render_template
from sqlalchemy import select
from sqlalchemy.orm import Session

from survey.db import reading
from survey.store import studies
from survey.tables import EventRow, StudyRow
from survey.web.access import not_coders
from survey.web.context import the_engine
from survey.web.research.coding.common import number
from survey.web.research.common import study_or_404
from survey.web.research.views import blueprint

PER_PAGE = 50
LONGEST_TOLD = 400
"""Characters of one detail."""
_PREFIX = "coding: "
_OUTCOMES = {"no_category": "no category", "unusable": "unusable"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One event."""

    at: datetime
    actor: str
    words: str


@blueprint.get("/studies/<int:study_id>/suggestions/audit")
@not_coders
def coding_audit(study_id: int) -> str:
    """Show a page of the events."""
    before = number("before")
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        events = _events(session, study, before)
        return render_template(
            "research/coding/audit.html",
            study=study,
            design=studies.design_of(study),
            lines=[
                Line(at=event.at, actor=event.actor, words=in_words(event)) for event in events[:PER_PAGE]
            ],
            older=events[PER_PAGE - 1].id if len(events) > PER_PAGE else None,
            before=before,
        )


def _events(session: Session, study: StudyRow, before: int | None) -> Sequence[EventRow]:
    query = (
        select(EventRow)
        .where(EventRow.study_id == study.id, EventRow.what.startswith(_PREFIX, autoescape=True))
        .order_by(EventRow.id.desc())
        .limit(PER_PAGE + 1)
    )
    if before is not None:
        query = query.where(EventRow.id < before)
    return session.scalars(query).all()


def in_words(event: EventRow) -> str:
    """Return what an event says, as the rest of a sentence that begins with who did it."""
    what, detail = event.what.removeprefix(_PREFIX), event.detail
    make = _SENTENCES.get(what)
    # Details of older versions may lack what a sentence tells.
    if make is None or not make.needs <= detail.keys():
        more = "; ".join(
            f"{name.replace('_', ' ')}: {_told(value)}" for name, value in sorted(detail.items())
        )
        return f"{what} ({more})" if more else what
    told = {name: _told(value) for name, value in detail.items()}
    if what == "suggestions coded":
        # Nearly always only one of the two was done.
        done = [
            f"{verb} {told[name]}"
            for name, verb in (("added", "added"), ("removed", "took away"))
            if detail[name]
        ]
        told["done"] = ", ".join(done) or "changed nothing"
    return make.sentence.format_map(told)


@dataclass(frozen=True, slots=True)
class _Sentence:
    sentence: str
    needs: frozenset[str]


def _sentence(sentence: str, *needs: str) -> _Sentence:
    return _Sentence(sentence, frozenset(needs))


_SENTENCES: Mapping[str, _Sentence] = {
    "category added": _sentence("added the category “{label}” ({category})", "label", "category"),
    "category reworded": _sentence(
        "changed the words of {category}: from {before} to {after}", "category", "before", "after"
    ),
    "categories merged": _sentence("merged {merged} into {into}", "merged", "into"),
    "category merge taken back": _sentence(
        "took back that {category} was merged into {was_merged_into}", "category", "was_merged_into"
    ),
    "category split": _sentence("split {category} into {into}", "category", "into"),
    "category retired": _sentence("retired {category}", "category"),
    "category restored": _sentence("restored {category}", "category"),
    "suggestion coded": _sentence(
        "coded suggestion {suggestion} as {coder}: {after} (before: {before})",
        "suggestion",
        "coder",
        "after",
        "before",
    ),
    "suggestions coded": _sentence(
        "coded as {coder}: {done}, on suggestions {suggestions}",
        "suggestions",
        "coder",
        "added",
        "removed",
    ),
    "suggestion adjudicated": _sentence(
        "settled suggestion {suggestion}: {after} (before: {before})", "suggestion", "after", "before"
    ),
    "adjudication withdrawn": _sentence(
        "opened suggestion {suggestion} again; it had been settled as {before}", "suggestion", "before"
    ),
    "disagreements settled": _sentence(
        "settled {settled} open suggestions as {as_coder} had said ({suggestions}); {left_open} stay open",
        "settled",
        "as_coder",
        "suggestions",
        "left_open",
    ),
    "look-alikes grouped": _sentence(
        "grouped {suggestions} suggestions that look alike (from {threshold} on): {groups_of_several} groups of "
        "several",
        "suggestions",
        "threshold",
        "groups_of_several",
    ),
    "suggestions imported": _sentence(
        "imported {added} suggestions from {source}; {already_there} were here already",
        "added",
        "source",
        "already_there",
    ),
    "import removed": _sentence(
        "removed the import from {source}: {suggestions} suggestions of {respondents} respondents, {codes} codes",
        "source",
        "suggestions",
        "respondents",
        "codes",
    ),
    "categories imported": _sentence(
        "took over a codebook: added {added}; words before: {before}", "added", "before"
    ),
    "codes imported": _sentence(
        "imported codes of {coders}: {codes_added} added, {codes_ended} ended",
        "coders",
        "codes_added",
        "codes_ended",
    ),
    "model proposals stored": _sentence(
        "stored proposals of {model} for {suggestions} suggestions", "model", "suggestions"
    ),
}


def _told(value: Any) -> str:
    text = _in_full(value)
    return text if len(text) <= LONGEST_TOLD else f"{text[:LONGEST_TOLD]} … (the audit log has all)"


def _in_full(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} “{_in_full(told)}”" for name, told in value.items() if told) or "nothing"
    if isinstance(value, list):
        return ", ".join(_OUTCOMES.get(str(one), str(one)) for one in value) or "nothing"
    return str(value)
