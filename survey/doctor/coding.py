"""Checks of the coding: codes and categories of one study, one word per coder, merges that lead somewhere."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import aliased

from survey.coding.coding import CodeKind, Outcome
from survey.doctor.check import Check, Patient
from survey.tables import CategoryRow, CodeRow, SuggestionRow


def _same_study(patient: Patient) -> Iterable[str]:
    codes = (
        select(CodeRow.id)
        .join(SuggestionRow, SuggestionRow.id == CodeRow.suggestion_id)
        .join(CategoryRow, CategoryRow.id == CodeRow.category_id)
        .where(CategoryRow.study_id != SuggestionRow.study_id)
    )
    yield from patient.ids("code", codes)
    other = aliased(CategoryRow)
    for column in (CategoryRow.merged_into_id, CategoryRow.split_from_id):
        query = select(CategoryRow.id).join(other, other.id == column)
        yield from patient.ids("category", query.where(other.study_id != CategoryRow.study_id))


def _one_word(patient: Patient) -> Iterable[str]:
    others = func.sum(case((CodeRow.outcome != Outcome.CATEGORY, 1), else_=0))
    several = func.count(CodeRow.id) > func.count(CodeRow.category_id.distinct())
    query = (
        select(func.min(CodeRow.id))
        .where(CodeRow.removed_at.is_(None))
        .group_by(CodeRow.suggestion_id, CodeRow.kind, CodeRow.coder)
        .having(or_(and_(others > 0, func.count(CodeRow.id) > 1), and_(others == 0, several)))
    )
    return patient.ids("code", query)


def _taken_back(patient: Patient) -> Iterable[str]:
    query = (
        select(CodeRow.id)
        .join(SuggestionRow, SuggestionRow.id == CodeRow.suggestion_id)
        .where(CodeRow.removed_at.is_(None), CodeRow.added_at > SuggestionRow.removed_at)
    )
    return patient.ids("code", query)


def _ended(patient: Patient) -> Iterable[str]:
    query = select(CodeRow.id).where(
        or_(
            CodeRow.removed_at < CodeRow.added_at,
            CodeRow.removed_at.is_(None) != (CodeRow.removed_by == ""),
        )
    )
    return patient.ids("code", query)


def _somebody(patient: Patient) -> Iterable[str]:
    query = select(CodeRow.id).where((CodeRow.coder == "") != (CodeRow.kind == CodeKind.ADJUDICATED))
    return patient.ids("code", query)


def _merges(patient: Patient) -> Iterable[str]:
    into = dict(
        patient.session.execute(
            select(CategoryRow.id, CategoryRow.merged_into_id).where(CategoryRow.merged_into_id.is_not(None))
        ).all()
    )
    for id_ in sorted(into):
        seen, at = {id_}, into[id_]
        while at is not None and at not in seen:
            seen.add(at)
            at = into.get(at)
        if at is not None:
            yield f"category {id_}"


CHECKS = (
    Check(
        name="codes stay within one study",
        meaning="A code's category, and what a category was merged into or split from, are of the same study.",
        find=_same_study,
    ),
    Check(
        name="a coder says one thing of a suggestion",
        meaning="What stands of one coder for one suggestion is one outcome without a category, or categories, "
        "each once.",
        find=_one_word,
    ),
    Check(
        name="what was taken back is not coded",
        meaning="No code that stands was given after its suggestion was taken back.",
        find=_taken_back,
    ),
    Check(
        name="codes end after they begin",
        meaning="A code that was ended says since when and by whom, and no sooner than it was given.",
        find=_ended,
    ),
    Check(
        name="codes are somebody's",
        meaning="Every code names its coder or model, but for what was adjudicated.",
        find=_somebody,
    ),
    Check(
        name="merged categories lead to one that stands",
        meaning="Following what categories were merged into never leads round in a circle.",
        find=_merges,
    ),
)
