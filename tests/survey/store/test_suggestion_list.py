"""The list that coders work through: searched, filtered, ordered, paged; look-alikes. On both databases."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from survey.answers import RespondentKind
from survey.coding.coding import CodeKind, Outcome
from survey.coding.shuffled import shuffled
from survey.db import reading, writing
from survey.store import categories, codes
from survey.store.categories import NoSuchCategory
from survey.store.codes import NoSuchSuggestion
from survey.store.look_alikes import keep_groups
from survey.store.suggestion_list import (
    CodingState,
    ListedSuggestion,
    Order,
    SuggestionsPage,
    coding_progress,
    listed_suggestion,
    next_suggestion,
    suggestion_ids,
    suggestions_page,
)
from survey.suggestions import Stance, folded
from survey.tables import SuggestionRow

WORDS = (
    "How OLD somebody is",
    "Größe des Herzens",
    "ГОДЫ жизни",
    "العمر <b>مهم</b>",
    "100% sure",
    "under_score",
    "ＦＵＬＬ width",
    "👨‍👩‍👧 dependents",
    "a\nsecond line",
)  # fmt: skip


def page(coders, **asked: Any) -> SuggestionsPage:
    found = coders.see(suggestions_page, **asked)
    assert isinstance(found, SuggestionsPage)
    return found


def ids(coders, **asked: Any) -> list[int]:
    """Return what the page lists, which must be what the list of all ids holds."""
    found = [row.id for row in page(coders, size=500, **asked).rows]
    asked.pop("order", None)
    assert sorted(found) == coders.see(suggestion_ids, **asked)
    return found


# --- searching --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", range(9)),
        ("old", [0]),
        ("HOW old", [0]),
        ("old how", []),
        ("GRÖSSE", [1]),
        ("größe", [1]),
        ("годы", [2]),
        ("مهم", [3]),
        ("<b>", [3]),
        ("%", [4]),
        ("0%", [4]),
        ("_", [5]),
        ("r_s", [5]),
        ("r/s", []),
        ("full", [6]),
        ("👨‍👩‍👧", [7]),
        ("a\r\nsecond", [8]),
        ("\x00old\x00", [0]),
        ("\ud800", range(9)),
        ("x" * 10_000, []),
    ],
)
def test_a_search_finds_the_words_in_any_alphabet(coders, search: str, found: Any) -> None:
    first = coders.suggest(*WORDS)[0]
    assert ids(coders, search=search) == [first + n for n in found]


def test_reasons_and_directions_are_searched_too(coders) -> None:
    a, b = coders.suggest("Age", why="They have lived LESS") + coders.suggest(
        "Years", direction="The YOUNGER"
    )
    assert ids(coders, search="lived less") == [a]
    assert ids(coders, search="younger") == [b]


@given(st.text(max_size=40), st.text(max_size=40))
def test_folding_again_changes_nothing_and_case_is_no_difference(text: str, other: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert folded(text.upper().lower()) == folded(text.upper())


def test_what_is_searched_is_made_for_every_way_of_storing(coders) -> None:
    from sqlalchemy import insert

    coders.suggest("First")
    with writing(coders.engine) as session:
        row = session.scalars(select(SuggestionRow)).one()
        values = {
            c.key: getattr(row, c.key)
            for c in SuggestionRow.__table__.c
            if c.key not in ("id", "folded", "key")
        }
        session.add(SuggestionRow(**values | {"key": "2", "text": "SECOND", "why": "Why"}))
        session.flush()
        session.execute(insert(SuggestionRow), [values | {"key": str(n), "text": f"T{n}"} for n in (5, 6)])
    with reading(coders.engine) as session:
        found = session.scalars(select(SuggestionRow.folded).order_by(SuggestionRow.id)).all()
    assert found == ["first\n\n", "second\n\nwhy", "t5\n\n", "t6\n\n"]


# --- filters ----------------------------------------------------------------------------------------------------


@pytest.fixture
def coded(coders):
    """Suggestions 1 to 6; age, wealth, health; what anna and bo said of them."""
    coders.suggest("a", "b", "c", "d")
    coders.suggest("e", stance=Stance.SHOULD_NOT)
    coders.suggest("f", respondent="gpt#1", kind=RespondentKind.MODEL)
    coders.category("Age", "Wealth", "Health")
    coders.code(1, "age")
    coders.code(2, "wealth")
    coders.code(2, "age", coder="bo")
    coders.code(3, outcome=Outcome.UNUSABLE)
    coders.code(4, "health", coder="bo")
    coders.code(5, "age", "health")
    coders.code(5, "age", coder="bo")
    coders.do(codes.adjudicate, 5, categories=["health"])
    coders.do(codes.propose_codes, "gpt", {6: ["age"]})
    return coders


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"stance": Stance.SHOULD_NOT}, [5]),
        ({"kind": RespondentKind.MODEL}, [6]),
        ({"category": "age"}, [1, 2, 5]),
        ({"category": "age", "coder": "anna"}, [1, 5]),
        ({"category": "age", "coder": "bo"}, [2, 5]),
        ({"category": "health", "coder": "anna"}, [5]),
        ({"outcome": Outcome.UNUSABLE}, [3]),
        ({"outcome": Outcome.UNUSABLE, "coder": "anna"}, [3]),
        ({"outcome": Outcome.UNUSABLE, "coder": "bo"}, []),
        ({"outcome": Outcome.NO_CATEGORY}, []),
        ({"state": CodingState.TO_CODE, "coder": "anna"}, [4, 6]),
        ({"state": CodingState.TO_CODE, "coder": "bo"}, [1, 3, 6]),
        ({"state": CodingState.TO_CODE, "coder": "cy"}, [1, 2, 3, 4, 5, 6]),
        ({"state": CodingState.TO_CODE}, [6]),
        ({"state": CodingState.CODED, "coder": "anna"}, [1, 2, 3, 5]),
        ({"state": CodingState.CODED}, [1, 2, 3, 4, 5]),
        ({"state": CodingState.DIFFER}, [2]),
        ({"state": CodingState.DIFFER, "coder": "anna"}, [2]),
        ({"state": CodingState.SETTLED}, [5]),
        ({"state": CodingState.TO_CODE_AGAIN, "coder": "anna"}, []),
        ({"search": "b", "stance": Stance.SHOULD, "category": "wealth"}, [2]),
        ({"simulated": True}, []),
        ({"simulated": None}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_filters_leave_what_fits_them_all(coded, asked: dict[str, Any], found: list[int]) -> None:
    assert ids(coded, **asked) == found
    assert page(coded, **asked).total == len(found)


def test_what_was_split_or_retired_is_to_code_again_until_it_is(coded) -> None:
    coded.do(categories.split_category, "age", ["Young", "Old"])
    again = {"state": CodingState.TO_CODE_AGAIN}
    assert ids(coded, **again, coder="anna") == [1, 5]
    assert ids(coded, **again, coder="bo") == [2, 5]
    coded.code(1, "young")
    coded.code(5, "health")
    assert ids(coded, **again, coder="anna") == []
    coded.do(categories.retire_category, "wealth")
    assert ids(coded, **again, coder="anna") == [2]
    coded.do(categories.restore_category, "wealth")
    coded.do(categories.merge_categories, ["age"], "wealth")
    assert ids(coded, **again) == [], "what was retired and merged is where the other is"


def test_a_category_holds_those_merged_into_it(coded) -> None:
    coded.do(categories.merge_categories, ["wealth"], "age")
    assert ids(coded, category="age", coder="anna") == [1, 2, 5]
    assert ids(coded, category="wealth", coder="anna") == [1, 2, 5]
    with pytest.raises(NoSuchCategory):
        ids(coded, category="looks")


def test_what_was_taken_back_and_what_is_simulated_do_not_appear(coded) -> None:
    (simulated,) = coded.suggest("g", respondent="sim", simulated=True)
    with writing(coded.engine) as session:
        session.get_one(SuggestionRow, 2).removed_at = coded.now
    assert ids(coded) == [1, 3, 4, 5, 6]
    assert ids(coded, simulated=None) == [1, 3, 4, 5, 6, simulated]
    assert ids(coded, simulated=True) == [simulated]
    assert ids(coded, state=CodingState.DIFFER) == []
    with pytest.raises(NoSuchSuggestion):
        coded.see(listed_suggestion, 2)


def test_progress_counts_what_the_filters_find(coded) -> None:
    coded.do(categories.retire_category, "health")
    for coder in ("anna", "bo", None):
        found = coded.see(coding_progress, coder=coder)
        for state in CodingState:
            if state is not CodingState.ALL:
                assert getattr(found, state.value) == len(ids(coded, state=state, coder=coder)), (
                    coder,
                    state,
                )
        assert found.total == 6


# --- rows -------------------------------------------------------------------------------------------------------


def test_rows_carry_own_codes_everybodys_only_if_asked_and_never_who_said_it(coded) -> None:
    coded.do(categories.merge_categories, ["health"], "wealth")
    row = page(coded, coder="anna").rows[4]
    assert {(c.category, c.standing, c.label) for c in row.own} == {
        ("age", "age", "Age"),
        ("health", "wealth", "Wealth"),
    }
    assert row.codes == ()
    row = page(coded, coder="anna", with_codes=True).rows[4]
    assert [(c.kind, c.coder, c.category) for c in row.codes] == [
        (CodeKind.ADJUDICATED, "", "health"),
        (CodeKind.CODER, "anna", "age"),
        (CodeKind.CODER, "anna", "health"),
        (CodeKind.CODER, "bo", "age"),
    ]
    assert coded.see(listed_suggestion, 5, coder="anna", with_codes=True) == row
    assert not {"respondent", "participant", "page"} & {field.name for field in fields(ListedSuggestion)}
    assert "gpt#1" not in repr(page(coded, coder="anna"))


def test_a_retired_category_is_marked_on_the_row(coded) -> None:
    coded.do(categories.retire_category, "age")
    (code,) = page(coded, coder="anna").rows[0].own
    assert code.retired
    coded.code(1, outcome=Outcome.NO_CATEGORY)
    (code,) = page(coded, coder="anna").rows[0].own
    assert (code.outcome, code.category, code.label, code.retired) == (Outcome.NO_CATEGORY, "", "", False)


# --- pages and order --------------------------------------------------------------------------------------------


def test_pages_hold_everything_once_and_behind_the_last_is_the_last(coders) -> None:
    everything = coders.suggest(*(f"s{n}" for n in range(7)))
    seen = []
    for number in (1, 2, 3):
        found = page(coders, size=3, page=number)
        assert (found.total, found.pages, found.page) == (7, 3, number)
        seen += [row.id for row in found.rows]
    assert seen == everything
    assert page(coders, size=3, page=99) == page(coders, size=3, page=3)
    assert page(coders, size=3, page=-1) == page(coders, size=3, page=1)
    nothing = page(coders, search="nowhere", page=5)
    assert (nothing.rows, nothing.total, nothing.pages, nothing.page) == ((), 0, 1, 1)


def test_texts_are_in_order_upper_and_lower_case_alike(coders_sqlite) -> None:
    coders_sqlite.suggest("beta", "Alpha", "alpha", "Gamma")
    assert ids(coders_sqlite, order=Order.TEXT) == [2, 3, 1, 4]


def test_groups_of_look_alikes_stand_together_the_largest_first(coders) -> None:
    coders.suggest("age", "rich", "old", "Age", "richer", "AGE", "none")
    stored = coders.do(keep_groups, {1: 1, 2: 2, 3: 3, 4: 1, 5: 2, 6: 1}, threshold=0.6)
    assert stored == 2
    assert ids(coders, order=Order.ALIKE) == [1, 4, 6, 2, 5, 3, 7]
    assert ids(coders, alike=2) == [2, 5]
    rows = page(coders, alike=1, search="age", size=1).rows
    assert (rows[0].alike, rows[0].alike_count) == (1, 3)
    assert [row.alike_count for row in page(coders).rows] == [3, 2, 1, 3, 2, 3, 1]
    assert coders.events()[-1] == (
        "look-alikes grouped",
        {"threshold": 0.6, "suggestions": 6, "groups": 3, "groups_of_several": 2},
    )


def test_shuffled_is_each_coders_own_order_on_every_page_of_the_list(coders) -> None:
    everything = coders.suggest(*(f"s{n}" for n in range(12)))
    mixed = {coder: ids(coders, order=Order.SHUFFLED, coder=coder) for coder in ("anna", "bo", None)}
    study = coders.see(lambda session, study: (study.slug, study.version))
    assert mixed["anna"] == shuffled(everything, study=study[0], version=study[1], coder="anna")
    assert len({tuple(order) for order in mixed.values()}) == 3
    paged = [
        row.id
        for n in (1, 2, 3)
        for row in page(coders, size=5, page=n, order=Order.SHUFFLED, coder="anna").rows
    ]
    assert paged == mixed["anna"] == coders.see(suggestion_ids, order=Order.SHUFFLED, coder="anna")


def test_grouping_again_forgets_the_groups_before(coders) -> None:
    coders.suggest("a", "b", "c")
    coders.do(keep_groups, {1: 1, 2: 1, 3: 2}, threshold=0.6)
    coders.do(keep_groups, {2: 1, 3: 1}, threshold=0.4)
    assert [row.alike for row in page(coders).rows] == [None, 1, 1]
    with pytest.raises(NoSuchSuggestion, match="no suggestion 99"):
        coders.do(keep_groups, {1: 1, 99: 1}, threshold=0.4)
    assert [row.alike for row in page(coders).rows] == [None, 1, 1]


@pytest.mark.parametrize("order", list(Order))
def test_the_next_one_to_code_leads_through_everything_once(coders, order: Order) -> None:
    coders.suggest("d", "b", "e", "a", "c")
    coders.do(keep_groups, {1: 1, 2: 2, 3: 1, 4: 2, 5: 2}, threshold=0.6)
    coders.category("Age")
    listed = ids(coders, order=order, coder="anna")
    coders.code(listed[1], "age")
    seen, here = [], 0
    while (following := coders.see(next_suggestion, coder="anna", after=here, order=order)) is not None:
        seen.append(following)
        coders.code(following, "age")
        here = following
    assert seen == [listed[0], *listed[2:]]


def test_the_next_one_begins_anew_with_what_was_passed_over(coders) -> None:
    coders.suggest("a", "b", "c")
    coders.category("Age")
    coders.code(3, "age")
    assert coders.see(next_suggestion, coder="anna", after=2) == 1
    assert coders.see(next_suggestion, coder="anna", after=3) == 1
    coders.code(1, "age")
    assert coders.see(next_suggestion, coder="anna", after=2) == 2, "itself, where nothing else is left"
    assert coders.see(next_suggestion, coder="anna", after=0, state=CodingState.TO_CODE_AGAIN) is None
