"""The categories of a coding: added, reworded, merged, split, retired; each change can be taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey.answers import RespondentKind
from survey.coding.coding import Category
from survey.db import reading, writing
from survey.store import categories as store
from survey.store import studies
from survey.store.categories import (
    LONGEST_DEFINITION,
    LONGEST_LABEL,
    CategoryUse,
    CodingConflict,
    NoSuchCategory,
    category_uses,
)
from survey.suggestions import Stance
from survey.tables import StudyRow
from survey.web.access import coders_only, current_actor, owners_only, researchers_only
from survey.web.context import now, the_engine
from survey.web.research.coding.common import rights, sentence, this_coder
from survey.web.research.common import study_or_404
from survey.web.research.views import blueprint

_MOST_MERGED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CountShown:
    """How many suggestions of one kind of respondents are coded with a category."""

    number: int
    words: str
    """Whose they are, behind the number; empty for people's."""
    asks: Mapping[str, str]
    """Which part of an address lists them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryShown:
    """A category with what a page says of it."""

    category: Category
    should: int
    should_not: int
    """Whoever made them."""
    counted: Mapping[str, Sequence[CountShown]]
    """Stance -> people's first, and where there are any, models' and simulated ones."""
    coders: int
    """How many coders have used it."""
    mine: int
    """Suggestions that who is signed in put there."""
    holds: Sequence[Category]
    """Those merged into it, one by one."""


@blueprint.get("/studies/<int:study_id>/suggestions/categories")
@researchers_only
def categories(study_id: int) -> str:
    """List the categories."""
    return _categories_page(study_id)


@blueprint.post("/studies/<int:study_id>/suggestions/categories")
@coders_only
def add_category(study_id: int) -> Response | tuple[str, int]:
    """Add a category."""
    label, definition = request.form.get("label", ""), request.form.get("definition", "")
    try:
        with writing(the_engine()) as session:
            study = study_or_404(session, study_id)
            row = store.add_category(
                session, study, label, definition=definition, now=now(), actor=current_actor()
            )
            flash(f"Category “{row.label}” is added.")
    except CodingConflict as error:
        given = {"label": label, "definition": definition}
        return _categories_page(study_id, given=given, complaints=[sentence(error)]), 400
    return redirect(url_for(".categories", study_id=study_id), code=303)


@blueprint.get("/studies/<int:study_id>/suggestions/categories/<name>")
@researchers_only
def category_page(study_id: int, name: str) -> str:
    """Show one category, and what can be done with it."""
    return _category_page(study_id, name)


@blueprint.post("/studies/<int:study_id>/suggestions/categories/<name>/words")
@owners_only
def reword_category(study_id: int, name: str) -> Response | tuple[str, int]:
    """Change label and definition."""
    label, definition = request.form.get("label", ""), request.form.get("definition", "")
    try:
        with writing(the_engine()) as session:
            study = _study_with(session, study_id, name)
            if store.reword_category(
                session, study, name, label=label, definition=definition, now=now(), actor=current_actor()
            ):
                flash("The words are changed. The audit log keeps the old ones.")
    except CodingConflict as error:
        return _category_page(study_id, name, {"label": label, "definition": definition}, error), 400
    return redirect(url_for(".category_page", study_id=study_id, name=name), code=303)


@blueprint.get("/studies/<int:study_id>/suggestions/merge")
@owners_only
def merge_page(study_id: int) -> str:
    """Say what merging the ticked categories will mean."""
    names = request.args.getlist("name")[:_MOST_MERGED]
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        chosen = [one for one in _standing(session, study) if one.category.name in names]
        return render_template(
            "research/coding/merge.html",
            study=study,
            design=studies.design_of(study),
            chosen=chosen,
            affected=sum(one.should + one.should_not for one in chosen),
        )


@blueprint.post("/studies/<int:study_id>/suggestions/merge")
@owners_only
def merge_categories(study_id: int) -> Response:
    """Let one category stand for several."""
    into = request.form.get("into", "")
    names = [name for name in request.form.getlist("name")[:_MOST_MERGED] if name != into]
    try:
        with writing(the_engine()) as session:
            study = study_or_404(session, study_id)
            merged = store.merge_categories(session, study, names, into, now=now(), actor=current_actor())
    except NoSuchCategory:
        abort(404)
    except CodingConflict as error:
        flash(sentence(error))
        return redirect(url_for(".categories", study_id=study_id), code=303)
    if merged:
        flash("They are merged. On the category’s page the merge can be taken back.")
    return redirect(url_for(".category_page", study_id=study_id, name=into), code=303)


@blueprint.post("/studies/<int:study_id>/suggestions/categories/<name>/unmerge")
@owners_only
def unmerge_category(study_id: int, name: str) -> Response:
    """Let a merged category stand for itself again."""
    return _change(study_id, name, store.unmerge_category, "“{}” stands for itself again.")


@blueprint.post("/studies/<int:study_id>/suggestions/categories/<name>/retire")
@owners_only
def retire_category(study_id: int, name: str) -> Response:
    """Offer the category no longer."""
    return _change(study_id, name, store.retire_category, "“{}” is offered no longer.")


@blueprint.post("/studies/<int:study_id>/suggestions/categories/<name>/restore")
@owners_only
def restore_category(study_id: int, name: str) -> Response:
    """Offer the category again."""
    return _change(study_id, name, store.restore_category, "“{}” is offered again.")


@blueprint.post("/studies/<int:study_id>/suggestions/categories/<name>/split")
@owners_only
def split_category(study_id: int, name: str) -> Response | tuple[str, int]:
    """Put several categories in the place of one."""
    text = request.form.get("labels", "")
    labels = [line.strip() for line in text.splitlines() if line.strip()]
    try:
        with writing(the_engine()) as session:
            study = _study_with(session, study_id, name)
            new = store.split_category(session, study, name, labels, now=now(), actor=current_actor())
            words = ", ".join(f"“{row.label}”" for row in new)
    except CodingConflict as error:
        return _category_page(study_id, name, {"labels": text}, error), 400
    flash(f"It is split into {words}. What was coded with it comes to its coders again.")
    return redirect(url_for(".categories", study_id=study_id), code=303)


def _change(study_id: int, name: str, change: Any, words: str) -> Response:
    try:
        with writing(the_engine()) as session:
            study = _study_with(session, study_id, name)
            label = store.index_of(session, study).named(name).label
            if change(session, study, name, now=now(), actor=current_actor()):
                flash(words.format(label))
    except CodingConflict as error:
        flash(sentence(error))
    return redirect(url_for(".category_page", study_id=study_id, name=name), code=303)


def _study_with(session: Session, study_id: int, name: str) -> StudyRow:
    """Return the study that an address names; 404 without the category that it names, too."""
    study = study_or_404(session, study_id)
    if name not in store.index_of(session, study).by_name:
        abort(404)
    return study


# --- pages ---------------------------------------------------------------------------------------------


def _categories_page(
    study_id: int,
    *,
    given: dict[str, str] | None = None,
    complaints: Sequence[str] = (),
    what_failed: str = "The category was not added",
) -> str:
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        return render_template(
            "research/coding/categories.html",
            study=study,
            design=studies.design_of(study),
            standing=_standing(session, study),
            given=given or {},
            complaints=complaints,
            what_failed=what_failed,
            longest_label=LONGEST_LABEL,
            longest_definition=LONGEST_DEFINITION,
        )


def refused_codebook(study_id: int, complaints: Sequence[str]) -> str:
    """Return the page with why a codebook was not taken over."""
    return _categories_page(study_id, complaints=complaints, what_failed="The codebook was not taken over")


def _category_page(
    study_id: int, name: str, given: dict[str, str] | None = None, error: CodingConflict | None = None
) -> str:
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        shown = _shown(session, study)
        one = next((one for one in shown if one.category.name == name), None)
        if one is None:
            abort(404)
        by_name = {other.category.name: other.category for other in shown}
        return render_template(
            "research/coding/category.html",
            study=study,
            design=studies.design_of(study),
            one=one,
            made=store.index_of(session, study).named(name),
            stands_for=by_name.get(one.category.merged_into),
            split_from=by_name.get(one.category.split_from),
            split_into=[other for other in by_name.values() if other.split_from == name],
            given=given or {},
            complaints=[sentence(error)] if error else [],
            longest_label=LONGEST_LABEL,
            longest_definition=LONGEST_DEFINITION,
        )


def _standing(session: Session, study: StudyRow) -> list[CategoryShown]:
    """Return the categories that stand for themselves, those that are offered first."""
    standing = [one for one in _shown(session, study) if not one.category.merged_into]
    return sorted(standing, key=lambda one: one.category.retired)


def _shown(session: Session, study: StudyRow) -> list[CategoryShown]:
    may, me = rights(), this_coder()
    # Who works apart learns nothing of what others wrote.
    uses = category_uses(session, study, simulated=None, coder=None if may.see_coders else me)
    models = any(kind is RespondentKind.MODEL for use in uses for _, kind, _ in use.by_source)
    return [
        CategoryShown(
            category=use.category,
            should=use.by_stance[Stance.SHOULD],
            should_not=use.by_stance[Stance.SHOULD_NOT],
            counted={stance.value: _counted(use, stance, models=models) for stance in Stance},
            coders=len(use.by_coder),
            mine=use.by_coder.get(me, 0),
            holds=_merged_into(use, uses),
        )
        for use in uses
    ]


def _counted(use: CategoryUse, stance: Stance, *, models: bool) -> list[CountShown]:
    people = {"kind": RespondentKind.HUMAN.value} if models else {}
    of_models = {"kind": RespondentKind.MODEL.value}
    number = use.by_source
    found = [
        CountShown(number=number.get((stance, RespondentKind.HUMAN, False), 0), words="", asks=people),
        CountShown(
            number=number.get((stance, RespondentKind.MODEL, False), 0), words="of models", asks=of_models
        ),
        CountShown(
            number=sum(n for (asked, _, simulated), n in number.items() if asked is stance and simulated),
            words="simulated",
            asks={"simulated": "yes"},
        ),
    ]
    return [one for one in found if one.number or not one.words]


def _merged_into(use: CategoryUse, uses: Sequence[CategoryUse]) -> list[Category]:
    return [other.category for other in uses if other.category.merged_into == use.category.name]
