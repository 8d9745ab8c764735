"""Groups of suggestions that look alike: what is grouped, and the groups as they were last made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from survey.coding.alike import groups_of
from survey.store.code_rows import NoSuchSuggestion
from survey.store.events import log_event
from survey.tables import StudyRow, SuggestionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ToGroup:
    """A suggestion that is compared with others."""

    id: int
    text: str
    simulated: bool


def suggestions_to_group(session: Session, study: StudyRow) -> list[ToGroup]:
    """Return all suggestions of a study but those that were taken back, in the order of arrival."""
    rows = session.execute(
        select(SuggestionRow.id, SuggestionRow.text, SuggestionRow.simulated)
        .where(SuggestionRow.study_id == study.id, SuggestionRow.removed_at.is_(None))
        .order_by(SuggestionRow.id)
    )
    return [ToGroup(**row._mapping) for row in rows]


def groups_among(suggestions: list[ToGroup], *, threshold: float) -> dict[int, int]:
    """Return suggestion id -> number of its group, from 1. Those of rehearsals are grouped by themselves.

    It takes seconds where there are thousands, and asks the database nothing: not to be done in a transaction.
    See :func:`survey.coding.alike.groups_of`.
    """
    groups: dict[int, int] = {}
    for simulated in (False, True):
        own = [one for one in suggestions if one.simulated is simulated]
        first = max(groups.values(), default=0)
        numbers = groups_of([one.text for one in own], threshold=threshold)
        groups |= {one.id: first + number for one, number in zip(own, numbers, strict=True)}
    return groups


def in_several(groups: Mapping[int, int]) -> tuple[int, int]:
    """Return how many groups hold more than one suggestion, and how many suggestions those hold."""
    sizes = [size for size in Counter(groups.values()).values() if size > 1]
    return len(sizes), sum(sizes)


def keep_groups(
    session: Session,
    study: StudyRow,
    groups: Mapping[int, int],
    *,
    threshold: float,
    now: datetime,
    actor: str,
) -> int:
    """Store groups of look-alikes in place of those before; returns how many groups hold more than one suggestion.

    Parameters
    ----------
    groups
        Suggestion id -> number of its group, as ``groups_among`` made them. Suggestions that are not
        named belong to none.
    threshold
        From which likeness on two suggestions are alike; for the audit log.

    Raises
    ------
    NoSuchSuggestion
        An id is none of this study's.
    """
    # Locked in the order of ids, as by whoever codes: all rows are updated below, in whatever order they lie.
    there = set(
        session.scalars(
            select(SuggestionRow.id)
            .where(SuggestionRow.study_id == study.id)
            .order_by(SuggestionRow.id)
            .with_for_update()
        )
    )
    if missing := sorted(set(groups) - there):
        raise NoSuchSuggestion(f"study '{study.slug}' has no suggestion {missing[0]}; load the list again")
    session.execute(
        update(SuggestionRow)
        .where(SuggestionRow.study_id == study.id, SuggestionRow.alike.is_not(None))
        .values(alike=None)
        .execution_options(synchronize_session=False)
    )
    if groups:
        session.execute(
            update(SuggestionRow), [{"id": id_, "alike": number} for id_, number in sorted(groups.items())]
        )
    several, _ = in_several(groups)
    log_event(
        session,
        study,
        None,
        "coding: look-alikes grouped",
        now=now,
        actor=actor,
        threshold=threshold,
        suggestions=len(groups),
        groups=len(set(groups.values())),
        groups_of_several=several,
    )
    return several
