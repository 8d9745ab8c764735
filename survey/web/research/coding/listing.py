"""The list of suggestions: searched, filtered, paged; several coded at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey.answers import RespondentKind
from survey.coding.coding import Category, Outcome
from survey.db import reading, writing
from survey.store import categories as category_store
from survey.store import codes, studies
from survey.store.categories import LONGEST_LABEL, CodingConflict, NoSuchCategory, index_of
from survey.store.codes import NoSuchSuggestion
from survey.store.suggestion_list import PAGE_SIZE, CodingState, ListedSuggestion
from survey.suggestions import Stance, folded
from survey.tables import StudyRow, SuggestionRow
from survey.web.access import coders_only, current_actor, researchers_only
from survey.web.context import now, the_engine
from survey.web.research.coding.common import (
    AskedFor,
    Said,
    any_simulated,
    any_suggestion,
    asked_for,
    ids_of,
    list_states,
    page_of,
    said_by_coders,
    said_by_me,
    sentence,
    settled_as,
    this_coder,
)
from survey.web.research.coding.grouping import THRESHOLDS, grouping_of
from survey.web.research.common import study_or_404
from survey.web.research.views import blueprint
from survey.web.security import LARGEST_ID

_MOST_TICKED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RowShown:
    """A suggestion as the list shows it."""

    id: int
    kind: RespondentKind | None
    """None: not to be known here."""
    stance: Stance
    text: str
    why: str
    direction: str
    language: str
    alike: int | None
    n_alike: int
    mine: Said | None
    by_all: Sequence[tuple[str, str]]
    """(label, who said so in words), where everybody's codes are shown."""

    @property
    def again(self) -> bool:
        """Whether it is to be coded again."""
        return self.mine is not None and self.mine.again


def shown(row: ListedSuggestion, *, all_codes: bool = False) -> RowShown:
    """Return what a page shows of a suggestion to who is signed in: only ``all_codes`` tells what others said, and
    whether a person or a model made it."""
    return RowShown(
        id=row.id,
        kind=row.kind if all_codes else None,
        stance=row.stance,
        text=row.text,
        why=row.why,
        direction=row.direction,
        language=row.language,
        alike=row.alike,
        n_alike=row.alike_count,
        mine=said_by_me(row),
        by_all=_by_all(row) if all_codes else [],
    )


def _by_all(row: ListedSuggestion) -> list[tuple[str, str]]:
    settled = settled_as(row)
    how = "to settle again" if settled and settled.again else "settled"
    final = [(words, how) for words in _words(settled)] if settled else []
    coders = said_by_coders(row)
    counts = Counter(words for said in coders.values() for words in _words(said))
    of = "1 coder" if len(coders) == 1 else f"{len(coders)} coders"
    ranked = sorted(counts.items(), key=lambda one: (-one[1], folded(one[0])))
    return final + [(words, f"{n} of {of}") for words, n in ranked]


def _words(said: Said) -> Sequence[str]:
    return [said.outcome.replace("_", " ")] if said.outcome else said.labels


def offered(session: Session, study: StudyRow) -> list[Category]:
    """Return the categories that coders are offered, by their labels."""
    index = index_of(session, study)
    rows = [row for row in index.rows.values() if row.merged_into_id is None and row.retired_at is None]
    return [index.as_category(row) for row in sorted(rows, key=lambda row: (folded(row.label), row.id))]


@blueprint.get("/studies/<int:study_id>/suggestions")
@researchers_only
def suggestions(study_id: int) -> str:
    """List the suggestions, a page at a time."""
    return _list_page(study_id, asked_for())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent to code several and is not stored, to be shown again: ticks are work."""

    which: str = "ticked"
    ids: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()
    to: str = ""
    label: str = ""
    sure: str = ""
    """Sent again, it says that what the complaint warns of is meant."""
    complaint: str = ""


def _list_page(study_id: int, asked: AskedFor, sent: Sent = Sent()) -> str:
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        found = page_of(session, study, asked)
        if asked.page > found.pages:
            abort(404)
        return render_template(
            "research/coding/list.html",
            study=study,
            design=studies.design_of(study),
            asked=asked,
            found=_Found(
                rows=[shown(row, all_codes=asked.all_codes) for row in found.rows],
                total=found.total,
                page=found.page,
                pages=found.pages,
            ),
            per_page=PAGE_SIZE,
            offered=offered(session, study),
            states=list_states(all_codes=asked.all_codes),
            any_simulated=any_simulated(session, study),
            any_model=asked.all_codes
            and any_suggestion(session, study, SuggestionRow.kind == RespondentKind.MODEL),
            grouped=any_suggestion(session, study, SuggestionRow.alike.is_not(None)),
            grouping=grouping_of(study.id),
            thresholds=THRESHOLDS,
            longest_label=LONGEST_LABEL,
            sent=sent,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    rows: Sequence[RowShown]
    total: int
    page: int
    pages: int


# --- coding several at once ----------------------------------------------------------------------------


class _NotSure(CodingConflict):
    """Much of a coder's work would be replaced; ``sure`` says what is to be sent if that is meant."""

    def __init__(self, message: str, sure: str) -> None:
        super().__init__(message)
        self.sure = sure


@blueprint.post("/studies/<int:study_id>/suggestions/codes")
@coders_only
def code_several(study_id: int) -> Response | tuple[str, int]:
    """Add a category to, or take it from, the chosen suggestions, or say that no category holds them."""
    asked = asked_for()
    do = request.form.get("do", "")
    if asked.all_codes or do not in ("add", "remove", Outcome.NO_CATEGORY.value, Outcome.UNUSABLE.value):
        abort(400)
    try:
        with writing(the_engine()) as session:
            study = study_or_404(session, study_id)
            ids = _chosen(session, study, asked)
            if do in (Outcome.NO_CATEGORY.value, Outcome.UNUSABLE.value):
                _ask_whether_meant(session, study, asked, ids, do)
            flash(_code(session, study, ids, do))
    except (NoSuchCategory, NoSuchSuggestion):
        flash("What you chose is no longer there. Nothing was coded: look at the list again.")
    except CodingConflict as error:
        sent = Sent(
            which=request.form.get("which", "ticked"),
            ids=frozenset(_numbers("id")),
            groups=frozenset(_numbers("group")),
            to=request.form.get("to", ""),
            label=request.form.get("label", ""),
            sure=error.sure if isinstance(error, _NotSure) else "",
            complaint=f"{sentence(error)} Nothing was coded.",
        )
        return _list_page(study_id, asked, sent), 400
    return redirect(url_for(".suggestions", study_id=study_id, **asked.query()), code=303)


def _ask_whether_meant(
    session: Session, study: StudyRow, asked: AskedFor, ids: Sequence[int], do: str
) -> None:
    """Raise :class:`_NotSure` where what the coder said of suggestions on other pages would be replaced."""
    coded = set(ids_of(session, study, asked.but(state=""), state=CodingState.CODED, coder=this_coder()))
    replaced = coded & (set(ids) - set(_numbers("shown")))
    sure = f"{do} {len(replaced)}"
    if replaced and request.form.get("sure") != sure:
        raise _NotSure(
            f"you have coded {len(replaced)} of these {len(ids)} already and do not see them on this page; "
            f"“{do.replace('_', ' ')}” would take the place of what you said. Press it again if you mean it",
            sure,
        )


def _code(session: Session, study: StudyRow, ids: Sequence[int], do: str) -> str:
    """Code the suggestions, and say what was done."""
    if not ids:
        raise CodingConflict("nothing was ticked")
    who: dict[str, Any] = {"coder": this_coder(), "now": now(), "actor": current_actor()}
    if do in (Outcome.NO_CATEGORY.value, Outcome.UNUSABLE.value):
        n = codes.code_several(session, study, ids, outcome=Outcome(do), **who)
        return _so_many(n, len(ids), do.replace("_", " "))
    label, name = request.form.get("label", "").strip(), request.form.get("to", "")
    if label and name:
        raise CodingConflict("choose a category or write a new one, not both")
    if not label and not name:
        raise CodingConflict("choose a category, or write a new one")
    if label:
        if do == "remove":
            raise CodingConflict("a new category cannot be taken away; choose one that is there")
        name = category_store.add_category(session, study, label, now=now(), actor=current_actor()).name
    label = index_of(session, study).named(name).label
    if do == "remove":
        n = codes.code_several(session, study, ids, remove=[name], **who)
        return f"“{label}” is taken from {n} of {len(ids)}; the others did not have it."
    n = codes.code_several(session, study, ids, add=[name], **who)
    return _so_many(n, len(ids), label)


def _so_many(n: int, of: int, word: str) -> str:
    if n == of:
        return f"{n} {'is' if n == 1 else 'are'} coded “{word}”."
    if n == 0:
        return f"Nothing to change: {'it was' if of == 1 else f'all {of} were'} coded “{word}” already."
    return f"{n} of {of} are coded “{word}” now; the others were so already."


def _chosen(session: Session, study: StudyRow, asked: AskedFor) -> list[int]:
    """Return the ids that the form means; 400 for what it cannot hold."""
    which = request.form.get("which", "ticked")
    if which == "found":
        ids = ids_of(session, study, asked)
        if request.form.get("found") != str(len(ids)):
            raise CodingConflict("other suggestions are found now than when you looked; look again")
        return ids
    if which == "page":
        return _numbers("shown")
    if which != "ticked":
        abort(400)
    groups = _numbers("group")
    in_groups = [id_ for group in groups for id_ in ids_of(session, study, asked.but(alike=group))]
    return sorted({*_numbers("id"), *in_groups})


def _numbers(name: str) -> list[int]:
    given = request.form.getlist(name)[:_MOST_TICKED]
    if not all(
        one.isascii() and one.isdigit() and len(one) <= 10 and int(one) <= LARGEST_ID for one in given
    ):
        abort(400)
    return [int(one) for one in given]
