"""What several pages about suggestions need: who may do what, what an address asks for, what to show of a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import abort, request
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from survey.answers import RespondentKind
from survey.coding.coding import CodeKind, Outcome
from survey.db import reading
from survey.design import StudyDesign
from survey.store.categories import NoSuchCategory
from survey.store.suggestion_list import (
    PAGE_SIZE,
    CodingState,
    GivenCode,
    ListedSuggestion,
    Order,
    SuggestionsPage,
    suggestion_ids,
    suggestions_page,
)
from survey.suggestions import Stance
from survey.tables import StudyRow, SuggestionRow
from survey.web.access import OPERATOR, current_researcher
from survey.web.context import the_engine
from survey.web.research.views import blueprint
from survey.web.security import LARGEST_ID

LONGEST_SEARCH = 200
# Names of categories hold no colon.
_OUTCOMES = {f"outcome:{outcome.value}": outcome for outcome in Outcome if outcome is not Outcome.CATEGORY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What who is signed in may do with a coding."""

    code: bool
    """Give codes of one's own: owners and coders."""
    see_coders: bool
    """See what coders wrote, and results: owners and viewers. Coders work apart."""
    decide: bool
    """Change the codebook, adjudicate, make a design: owners."""


@blueprint.app_template_global("coding_rights")
def rights() -> Rights:
    """Return what who is signed in may do."""
    researcher = current_researcher()
    return Rights(
        code=researcher is not None and researcher.may_code,
        see_coders=researcher is not None and researcher.sees_other_coders,
        decide=researcher is not None and researcher.is_owner,
    )


def this_coder() -> str:
    """Return under which name who is signed in codes."""
    researcher = current_researcher()
    return researcher.name if researcher and researcher.name else OPERATOR


@blueprint.app_template_global("has_suggestions")
def has_suggestions(study: StudyRow, design: StudyDesign) -> bool:
    """Tell whether a study asks which attributes should count, or has suggestions from elsewhere."""
    if design.suggestions or design.acceptability:
        return True
    with reading(the_engine()) as session:
        query = select(SuggestionRow.id).where(SuggestionRow.study_id == study.id).limit(1)
        return session.scalar(query) is not None


def any_suggestion(session: Session, study: StudyRow, *that: ColumnElement[bool]) -> bool:
    """Tell whether the study has a suggestion of which all of ``that`` holds."""
    query = select(SuggestionRow.id).where(
        SuggestionRow.study_id == study.id, SuggestionRow.removed_at.is_(None), *that
    )
    return session.scalar(query.limit(1)) is not None


def any_simulated(session: Session, study: StudyRow) -> bool:
    """Tell whether simulated participants have suggested anything."""
    return any_suggestion(session, study, SuggestionRow.simulated.is_(True))


# --- the address of a list -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFor:
    """What an address asks a list of suggestions to show."""

    search: str = ""
    stance: str = ""
    state: str = ""
    category: str = ""
    """Name of a category, or ``outcome:`` and what was said in its place."""
    kind: str = ""
    """Only people's or only models' suggestions; empty unless ``all_codes``."""
    alike: int | None = None
    order: str = ""
    """Empty: as they came in a list, shuffled where they are coded one by one."""
    all_codes: bool = False
    """Whether everybody's codes are shown, and who made a suggestion: a person or a model. Who codes is blind to
    both, so nothing is coded in such a list."""
    simulated: bool = False
    page: int = 1

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves suggestions out."""
        return bool(
            self.search or self.stance or self.state or self.category or self.kind or self.alike is not None
        )

    @property
    def everything(self) -> AskedFor:
        """What leaves nothing out of the same list."""
        return AskedFor(all_codes=self.all_codes, simulated=self.simulated)

    def query(self, **changes: Any) -> Mapping[str, Any]:
        """Return the parts of an address that ask for the same, with some of it changed."""
        asked: dict[str, Any] = {
            "search": self.search or None,
            "stance": self.stance or None,
            "state": self.state or None,
            "category": self.category or None,
            "kind": self.kind or None,
            "alike": self.alike,
            "order": self.order or None,
            "codes": "all" if self.all_codes and rights().code else None,
            "simulated": "yes" if self.simulated else None,
            "page": self.page if self.page > 1 else None,
        }
        return {**asked, **changes}

    def but(self, **changes: Any) -> AskedFor:
        """Return the same with some of it changed."""
        return replace(self, **changes)


def asked_for() -> AskedFor:
    """Read the address; 404 for what no link of ours asks for."""
    may = rights()
    codes = _one_of("codes", ["all"] if may.see_coders else [])
    all_codes = may.see_coders and (codes == "all" or not may.code)
    return AskedFor(
        search=request.args.get("search", "").strip()[:LONGEST_SEARCH],
        stance=_one_of("stance", [stance.value for stance in Stance]),
        state=_one_of("state", [state for state, _ in list_states(all_codes=all_codes)]),
        category=request.args.get("category", "")[:100],
        kind=_one_of("kind", [kind.value for kind in RespondentKind] if all_codes else []),
        alike=number("alike"),
        order=_one_of("order", [order.value for order in Order]),
        all_codes=all_codes,
        simulated=request.args.get("simulated") == "yes",
        page=number("page") or 1,
    )


def list_states(*, all_codes: bool) -> Sequence[tuple[str, str]]:
    """Return the states by which who is signed in may narrow a list, with their words."""
    mine = [
        (CodingState.TO_CODE.value, "coded by nobody" if all_codes else "not coded by me"),
        (CodingState.TO_CODE_AGAIN.value, "to code again"),
        (CodingState.CODED.value, "coded" if all_codes else "coded by me"),
    ]
    of_all = [
        (CodingState.DIFFER.value, "to settle"),
        (CodingState.SETTLED.value, "settled"),
    ]
    return [("", "all"), *mine, *(of_all if rights().see_coders else [])]


def number(name: str) -> int | None:
    """Return a number from the address, None where it is not given; 404 for what is none."""
    text = request.args.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= LARGEST_ID):
        abort(404)
    return int(text)


def _one_of(name: str, values: Iterable[str]) -> str:
    value = request.args.get(name, "")
    if value and value not in values:
        abort(404)
    return value


def page_of(session: Session, study: StudyRow, asked: AskedFor, *, size: int = PAGE_SIZE) -> SuggestionsPage:
    """Return the suggestions that an address asks for; 404 where it names a category that is none."""
    try:
        return suggestions_page(
            session,
            study,
            **_fits(asked),
            order=Order(asked.order or Order.ARRIVAL),
            page=asked.page,
            size=size,
            with_codes=asked.all_codes,
        )
    except NoSuchCategory:
        abort(404)


def ids_of(session: Session, study: StudyRow, asked: AskedFor, **changes: Any) -> list[int]:
    """Return the ids of all suggestions that an address asks for, in the order of arrival unless changed."""
    try:
        return suggestion_ids(session, study, **{**_fits(asked), **changes})
    except NoSuchCategory:
        abort(404)


def _fits(asked: AskedFor) -> dict[str, Any]:
    outcome = _OUTCOMES.get(asked.category)
    return {
        "search": asked.search,
        "stance": Stance(asked.stance) if asked.stance else None,
        "category": "" if outcome else asked.category,
        "outcome": outcome,
        "state": CodingState(asked.state) if asked.state else CodingState.ALL,
        # Where everybody's codes are shown, a category holds what anybody put there.
        "coder": None if asked.all_codes else this_coder(),
        "kind": RespondentKind(asked.kind) if asked.kind else None,
        "alike": asked.alike,
        "simulated": asked.simulated,
    }


# --- what somebody said --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """All that one coder says of one suggestion, as pages show it."""

    outcome: str
    """``no_category`` or ``unusable``; empty: it is the categories."""
    labels: tuple[str, ...]
    names: tuple[str, ...]
    """Of the standing categories."""
    again: bool
    """Whether a category among them is retired, so that there is something to code again."""


def said_by(codes: Iterable[GivenCode]) -> Said | None:
    """Return one coder's codes as one word; None: there are none."""
    codes = list(codes)
    if not codes:
        return None
    outcome = next((code.outcome for code in codes if code.outcome is not Outcome.CATEGORY), None)
    named = {code.standing: code.label for code in codes if code.standing}
    return Said(
        outcome=outcome.value if outcome else "",
        labels=tuple(named.values()),
        names=tuple(named),
        again=any(code.retired for code in codes),
    )


def said_by_me(row: ListedSuggestion) -> Said | None:
    """Return what who is signed in says of a suggestion."""
    me = this_coder()
    own = row.own or [c for c in row.codes if c.kind is CodeKind.CODER and c.coder == me]
    return said_by(own)


def said_by_coders(row: ListedSuggestion) -> Mapping[str, Said]:
    """Return coder -> what the coder says, of a row that carries everybody's codes."""
    coders = sorted({code.coder for code in row.codes if code.kind is CodeKind.CODER})
    found = {
        coder: said_by(c for c in row.codes if c.kind is CodeKind.CODER and c.coder == coder)
        for coder in coders
    }
    return {coder: said for coder, said in found.items() if said}


def settled_as(row: ListedSuggestion) -> Said | None:
    """Return what a suggestion was settled as, of a row that carries everybody's codes."""
    return said_by(code for code in row.codes if code.kind is CodeKind.ADJUDICATED)


def sentence(error: Exception | str) -> str:
    """Return what an error says as a sentence."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
