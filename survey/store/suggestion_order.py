"""In which order suggestions are listed and coded."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import ColumnElement, Subquery, func, select
from sqlalchemy.orm import Session

from survey.coding.shuffled import shuffled
from survey.tables import StudyRow, SuggestionRow


class Order(StrEnum):
    """In which order suggestions are listed."""

    ARRIVAL = "arrival"
    TEXT = "text"
    """Of the words, upper and lower case alike."""
    ALIKE = "alike"
    """Groups of look-alikes together, the largest first; those never grouped last."""
    SHUFFLED = "shuffled"
    """Each coder's own, see ``survey.coding.shuffled``."""


def ids_in_order(
    session: Session,
    study: StudyRow,
    fits: Sequence[ColumnElement[bool]],
    order: Order,
    *,
    coder: str | None,
    offset: int = 0,
    limit: int | None = None,
) -> list[int]:
    """Return the ids of the suggestions of which all of ``fits`` holds; every order is total.

    Parameters
    ----------
    coder
        Whose order it is, where they are shuffled; None: nobody's, and another one.
    """
    query = select(SuggestionRow.id).where(*fits)
    match order:
        case Order.SHUFFLED:
            # Here: databases have no hash in common.
            ids = shuffled(session.scalars(query), study=study.slug, version=study.version, coder=coder or "")
            return ids[offset : None if limit is None else offset + limit]
        case Order.ARRIVAL:
            query = query.order_by(SuggestionRow.id)
        case Order.TEXT:
            query = query.order_by(SuggestionRow.folded, SuggestionRow.id)
        case Order.ALIKE:
            sizes = _group_sizes(study)
            query = query.outerjoin(sizes, sizes.c.alike == SuggestionRow.alike).order_by(
                func.coalesce(sizes.c.size, 0).desc(), SuggestionRow.alike, SuggestionRow.id
            )
    return list(session.scalars(query.limit(limit).offset(offset or None)))


def _group_sizes(study: StudyRow) -> Subquery:
    return (
        select(SuggestionRow.alike, func.count().label("size"))
        .where(
            SuggestionRow.study_id == study.id,
            SuggestionRow.removed_at.is_(None),
            SuggestionRow.alike.is_not(None),
        )
        .group_by(SuggestionRow.alike)
        .subquery()
    )
