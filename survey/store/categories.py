"""The categories that a study's suggestions are coded into: added, reworded, merged, split, retired. Every change
stands in the audit log with what was before, and all but wording can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from survey.store.category_index import (
    LONGEST_DEFINITION,
    LONGEST_LABEL,
    LONGEST_NAME,
    CategoryIndex,
    CodingConflict,
    NoSuchCategory,
    categories_of,
    checked_definition,
    checked_label,
    checked_name,
    index_of,
    is_offered,
    name_for,
    require_free_label,
)
from survey.store.category_use import CategoryUse, category_uses
from survey.store.events import log_event
from survey.store.studies import lock_study
from survey.tables import CategoryRow, StudyRow

__all__ = [
    "LONGEST_DEFINITION",
    "LONGEST_LABEL",
    "LONGEST_NAME",
    "CategoryIndex",
    "CategoryUse",
    "CodingConflict",
    "NoSuchCategory",
    "add_category",
    "categories_of",
    "category_uses",
    "index_of",
    "merge_categories",
    "restore_category",
    "retire_category",
    "reword_category",
    "split_category",
    "unmerge_category",
]


def add_category(
    session: Session,
    study: StudyRow,
    label: str,
    *,
    definition: str = "",
    name: str = "",
    split_from: str = "",
    now: datetime,
    actor: str,
) -> CategoryRow:
    """Add a category. Without ``name`` one is made from the label; a name never changes.

    Raises
    ------
    CodingConflict
        Label or name is taken, unusable or too long.
    NoSuchCategory
        ``split_from`` names none.
    """
    lock_study(session, study)
    index = index_of(session, study)
    parent = index.named(split_from) if split_from else None
    row = _new_row(session, study, index, label, definition, name, parent, now=now, actor=actor)
    _log(
        session,
        study,
        "category added",
        now,
        actor,
        category=row.name,
        label=row.label,
        definition=row.definition,
        split_from=split_from,
    )
    return row


def reword_category(
    session: Session,
    study: StudyRow,
    name: str,
    *,
    label: str | None = None,
    definition: str | None = None,
    now: datetime,
    actor: str,
) -> bool:
    """Change a category's label, definition or both (None: stays). Returns whether anything changed.

    Raises
    ------
    CodingConflict
        The label is taken, empty or too long.
    NoSuchCategory
        There is none of this name.
    """
    lock_study(session, study)
    index = index_of(session, study)
    row = index.named(name)
    before = (row.label, row.definition)
    after = (
        row.label if label is None else checked_label(label),
        row.definition if definition is None else checked_definition(definition),
    )
    if before == after:
        return False
    if is_offered(row):
        require_free_label(index, after[0], but=row)
    row.label, row.definition = after
    session.flush()
    _log(
        session,
        study,
        "category reworded",
        now,
        actor,
        category=name,
        before={"label": before[0], "definition": before[1]},
        after={"label": after[0], "definition": after[1]},
    )
    return True


def merge_categories(
    session: Session, study: StudyRow, names: Sequence[str], into: str, *, now: datetime, actor: str
) -> list[str]:
    """Let ``into`` stand for the categories called ``names``; return those for which it did not before.

    Codes keep the category that they were given with, so that :func:`unmerge_category` takes a merge back whole.

    Raises
    ------
    CodingConflict
        A category is to be merged into itself, is merged into another already, or ``into`` is merged or retired.
    NoSuchCategory
        A name names none.
    """
    lock_study(session, study)
    index = index_of(session, study)
    target = index.named(into)
    rows = [index.named(name) for name in dict.fromkeys(names)]
    if not rows:
        raise CodingConflict(f"no category is named that '{into}' shall stand for")
    if target.merged_into_id is not None:
        stands = index.stands_for(target).name
        raise CodingConflict(f"'{into}' is itself merged into '{stands}'; merge into that one")
    if target.retired_at is not None:
        raise CodingConflict(f"'{into}' is retired; restore it, or merge into another")
    merged = []
    for row in rows:
        if row is target:
            raise CodingConflict(f"'{into}' cannot be merged into itself")
        if row.merged_into_id == target.id:
            continue
        if row.merged_into_id is not None:
            there = index.rows[row.merged_into_id].name
            raise CodingConflict(f"'{row.name}' is merged into '{there}' already; take that back first")
        row.merged_into_id = target.id
        merged.append(row.name)
    session.flush()
    if merged:
        _log(session, study, "categories merged", now, actor, merged=merged, into=into)
    return merged


def unmerge_category(session: Session, study: StudyRow, name: str, *, now: datetime, actor: str) -> bool:
    """Let a merged category stand for itself again. Returns False where it does already.

    Raises
    ------
    CodingConflict
        Its label has been given to another category meanwhile.
    NoSuchCategory
        There is none of this name.
    """
    lock_study(session, study)
    index = index_of(session, study)
    row = index.named(name)
    if row.merged_into_id is None:
        return False
    if row.retired_at is None:
        require_free_label(index, row.label, but=row)
    before = index.rows[row.merged_into_id].name
    row.merged_into_id = None
    session.flush()
    _log(session, study, "category merge taken back", now, actor, category=name, was_merged_into=before)
    return True


def split_category(
    session: Session, study: StudyRow, name: str, labels: Sequence[str], *, now: datetime, actor: str
) -> list[CategoryRow]:
    """Retire a category and add those that it is split into, two at least; return the new ones.

    No code changes. What was coded with the old category keeps it, and counts there, until the coder codes the
    suggestion again: ``suggestion_list`` finds what is left to do. A new one may take the old one's label.

    Raises
    ------
    CodingConflict
        It is merged or retired, fewer than two labels are given, or one is taken or unusable.
    NoSuchCategory
        There is none of this name.
    """
    lock_study(session, study)
    index = index_of(session, study)
    row = index.named(name)
    if row.merged_into_id is not None:
        stands = index.stands_for(row).name
        raise CodingConflict(f"'{name}' is merged into '{stands}'; take that back, or split '{stands}'")
    if row.retired_at is not None:
        raise CodingConflict(f"'{name}' is retired already; restore it before it is split")
    if len(labels) < 2:
        raise CodingConflict(f"'{name}' is split into two categories at least; name both")
    row.retired_at = now
    session.flush()
    new = []
    for label in labels:
        index = index_of(session, study)
        new.append(_new_row(session, study, index, label, "", "", row, now=now, actor=actor))
    _log(
        session,
        study,
        "category split",
        now,
        actor,
        category=name,
        into=[child.name for child in new],
        labels=[child.label for child in new],
    )
    return new


def retire_category(session: Session, study: StudyRow, name: str, *, now: datetime, actor: str) -> bool:
    """Offer a category to coders no longer; what is coded with it keeps it. Returns False where it is retired.

    Raises
    ------
    CodingConflict
        It is merged into another: that one is offered, not this.
    NoSuchCategory
        There is none of this name.
    """
    lock_study(session, study)
    index = index_of(session, study)
    row = index.named(name)
    if row.merged_into_id is not None:
        stands = index.stands_for(row).name
        raise CodingConflict(f"'{name}' is merged into '{stands}'; take that back, or retire '{stands}'")
    if row.retired_at is not None:
        return False
    row.retired_at = now
    session.flush()
    _log(session, study, "category retired", now, actor, category=name)
    return True


def restore_category(session: Session, study: StudyRow, name: str, *, now: datetime, actor: str) -> bool:
    """Offer a retired category again. Returns False where it is offered.

    Raises
    ------
    CodingConflict
        Its label has been given to another category meanwhile.
    NoSuchCategory
        There is none of this name.
    """
    lock_study(session, study)
    index = index_of(session, study)
    row = index.named(name)
    if row.retired_at is None:
        return False
    if row.merged_into_id is None:
        require_free_label(index, row.label, but=row)
    before = row.retired_at
    row.retired_at = None
    session.flush()
    _log(session, study, "category restored", now, actor, category=name, was_retired_at=before.isoformat())
    return True


def _new_row(
    session: Session,
    study: StudyRow,
    index: CategoryIndex,
    label: str,
    definition: str,
    name: str,
    parent: CategoryRow | None,
    *,
    now: datetime,
    actor: str,
) -> CategoryRow:
    label, definition = checked_label(label), checked_definition(definition)
    require_free_label(index, label)
    if name and checked_name(name) in index.by_name:
        raise CodingConflict(f"there is a category called '{name}' already; choose another name")
    row = CategoryRow(
        study_id=study.id,
        name=name or name_for(label, index.by_name),
        label=label,
        definition=definition,
        merged_into_id=None,
        split_from_id=None if parent is None else parent.id,
        created_at=now,
        created_by=actor,
        retired_at=None,
    )
    session.add(row)
    session.flush()
    return row


def _log(session: Session, study: StudyRow, what: str, now: datetime, actor: str, **detail: object) -> None:
    log_event(session, study, None, f"coding: {what}", now=now, actor=actor, **detail)
