"""What coders, models and adjudication say: set whole, ended and never changed. On both databases."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from survey.coding.coding import CodeKind, Outcome
from survey.coding.final import How, final_codes
from survey.db import reading, writing
from survey.store import categories, code_rows, codes, studies
from survey.store.categories import CodingConflict, NoSuchCategory
from survey.store.code_rows import in_ranges
from survey.store.codes import NoSuchSuggestion
from survey.store.coding_data import coding_of
from survey.store.suggestion_list import CodingState, suggestion_ids
from survey.tables import CodeRow, EventRow, SuggestionRow

NO_CATEGORY, UNUSABLE = Outcome.NO_CATEGORY, Outcome.UNUSABLE


@pytest.fixture
def ready(coders):
    """Three suggestions (ids 1 to 3) and the categories age, wealth and health."""
    coders.suggest("old people", "the rich", "asdf")
    coders.category("Age", "Wealth", "Health")
    return coders


def own(coders, suggestion: int, coder: str = "anna") -> set[str]:
    return {word for kind, who, word in coders.standing(suggestion) if (kind, who) == ("coder", coder)}


def differ(coders) -> list[int]:
    return list(coders.see(suggestion_ids, state=CodingState.DIFFER))


# --- one suggestion ---------------------------------------------------------------------------------------------


def test_the_whole_set_is_what_was_said_last_and_the_rows_tell_when_each_stood(ready) -> None:
    assert ready.code(1, "age", "wealth")
    first = ready.now
    ready.now = first.replace(hour=13)
    assert ready.code(1, "wealth", "health")
    assert own(ready, 1) == {"wealth", "health"}
    with reading(ready.engine) as session:
        rows = session.execute(
            select(CodeRow.category_id, CodeRow.added_at, CodeRow.removed_at, CodeRow.removed_by)
        )
        assert sorted(rows, key=lambda row: row[0]) == [
            (1, first, ready.now, "account anna"),
            (2, first, None, ""),
            (3, ready.now, None, ""),
        ]


def test_the_same_again_changes_and_logs_nothing(ready) -> None:
    ready.code(1, "age", "age")
    before = ready.events()
    assert not ready.code(1, "age")
    assert ready.events() == before


def test_the_log_tells_before_and_after_and_never_the_words(ready) -> None:
    ready.code(1, "age")
    ready.code(1, outcome=UNUSABLE)
    assert ready.events()[-1] == (
        "suggestion coded",
        {"suggestion": 1, "coder": "anna", "before": ["age"], "after": ["unusable"]},
    )
    assert "old people" not in str(ready.events())
    with reading(ready.engine) as session:
        assert set(session.scalars(select(EventRow.actor).where(EventRow.what.like("coding: sug%")))) == {
            "account anna"
        }


@pytest.mark.parametrize("outcome", [NO_CATEGORY, UNUSABLE])
def test_another_outcome_takes_the_place_of_categories_and_gives_way_to_them(ready, outcome: Outcome) -> None:
    ready.code(1, "age")
    ready.code(1, outcome=outcome)
    assert own(ready, 1) == {outcome.value}
    assert not ready.code(1, outcome=outcome)
    ready.code(1, "wealth")
    assert own(ready, 1) == {"wealth"}


def test_a_word_is_taken_back_by_saying_nothing(ready) -> None:
    ready.code(1, "age")
    assert ready.code(1)
    assert not ready.code(1)
    assert ready.standing(1) == set()
    assert ready.see(suggestion_ids, state=CodingState.TO_CODE, coder="anna") == [1, 2, 3]


def test_coders_leave_each_others_codes_alone(ready) -> None:
    ready.code(1, "age")
    ready.code(1, "wealth", coder="bo")
    ready.code(1, coder="bo")
    assert ready.standing(1) == {("coder", "anna", "age")}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"categories": ["age"], "outcome": UNUSABLE}, "goes with no category; leave out age"),
        ({"categories": [], "outcome": Outcome.CATEGORY}, "name the categories"),
        ({"categories": ["age"], "coder": " "}, "name who codes"),
        ({"categories": ["age"], "coder": "x" * 101}, "name who codes"),
        ({"categories": ["age"], "kind": CodeKind.ADJUDICATED}, "nobody's own"),
        ({"categories": ["gone"]}, "category 'gone' is retired; choose another"),
        ({"categories": ["parted"]}, "'parted' is retired; it was split into one, two"),
    ],
)
def test_what_contradicts_itself_is_refused(ready, said: dict[str, Any], words: str) -> None:
    ready.category("Gone", "Parted")
    ready.do(categories.retire_category, "gone")
    ready.do(categories.split_category, "parted", ["One", "Two"])
    before = ready.events()
    with pytest.raises(CodingConflict, match=words):
        ready.do(codes.code_suggestion, 1, **({"coder": "anna"} | said))
    assert ready.events() == before
    assert ready.standing(1) == set()


def test_suggestions_and_categories_of_others_are_none(ready) -> None:
    with writing(ready.engine) as session:
        session.get_one(SuggestionRow, 2).removed_at = ready.now
    for missing in (2, 99):
        with pytest.raises(NoSuchSuggestion, match=f"has no suggestion {missing}"):
            ready.code(missing, "age")
    with pytest.raises(NoSuchCategory, match="the categories are: age, wealth, health"):
        ready.code(1, "looks")


def test_a_retired_category_may_be_kept_until_the_coder_decides(ready) -> None:
    ready.code(1, "age")
    ready.do(categories.retire_category, "age")
    assert ready.code(1, "age", "wealth")
    assert own(ready, 1) == {"age", "wealth"}
    assert ready.code(1, "wealth")
    with pytest.raises(CodingConflict, match="'age' is retired"):
        ready.code(1, "age", "wealth")


def test_a_merged_category_means_the_one_that_stands_for_it(ready) -> None:
    ready.code(1, "age")
    ready.do(categories.merge_categories, ["age"], "health")
    assert not ready.code(1, "health"), "it says so already"
    assert not ready.code(1, "age")
    assert own(ready, 1) == {"age"}
    ready.code(2, "age")
    assert own(ready, 2) == {"health"}
    ready.do(categories.unmerge_category, "age")
    assert (own(ready, 1), own(ready, 2)) == ({"age"}, {"health"})


# --- many suggestions -------------------------------------------------------------------------------------------


def test_many_are_coded_in_a_few_short_statements_and_one_event(
    coders, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import event

    monkeypatch.setattr(code_rows, "MOST_IDS", 500)  # Three statements where one would hold all.
    coders.category("Age", "Wealth")
    ids = coders.suggest(*(f"suggestion {n}" for n in range(1_200)))
    coders.code(ids[0], "wealth")
    coders.code(ids[1], outcome=UNUSABLE)
    coders.code(ids[2], "age")
    sent: list[int] = []

    def note(_connection, _cursor, _sql, values, _context, several) -> None:
        sent.append(sum(map(len, values)) if several else len(values))

    event.listen(coders.engine, "before_cursor_execute", note)
    assert coders.do(codes.code_several, ids, coder="anna", add=["age"]) == 1_199
    event.remove(coders.engine, "before_cursor_execute", note)
    assert len(sent) < 40
    assert sum(sent) < 200, "values are sent once, and not with each of the suggestions"
    assert own(coders, ids[0]) == {"age", "wealth"}
    assert own(coders, ids[1]) == {"age"}
    what, detail = coders.events()[-1]
    assert what == "suggestions coded"
    assert detail == {
        "coder": "anna",
        "added": ["age"],
        "removed": [],
        "suggestions": f"{ids[0]}-{ids[1]}, {ids[3]}-{ids[-1]}",
        "codes_ended": 1,
        "codes_added": 1_199,
    }
    assert coders.do(codes.code_several, ids, coder="anna", add=["age"]) == 0
    assert coders.events()[-1] == (what, detail), "nothing changed, and nothing is logged"
    assert coders.do(codes.code_several, ids, coder="anna", outcome=NO_CATEGORY) == 1_200
    assert {word for id_ in ids[:5] for word in own(coders, id_)} == {"no_category"}


def test_categories_are_exchanged_in_many_at_once(ready) -> None:
    for id_ in (1, 2):
        ready.code(id_, "age", "wealth")
    ready.code(3, "health")
    assert ready.do(codes.code_several, [1, 2, 3], coder="anna", add=["health"], remove=["age"]) == 2
    assert [own(ready, id_) for id_ in (1, 2, 3)] == [{"wealth", "health"}] * 2 + [{"health"}]
    ready.do(categories.merge_categories, ["wealth"], "age")
    assert ready.do(codes.code_several, [1, 3], coder="anna", remove=["age"]) == 1
    assert own(ready, 1) == {"health"}, "what is merged into it goes, too"
    assert own(ready, 2) == {"wealth", "health"}


@pytest.mark.parametrize(
    ("ids", "said", "error", "words"),
    [
        ([1], {}, CodingConflict, "name a category to add or remove"),
        ([1], {"add": ["age"], "remove": ["age"]}, CodingConflict, "age: both added and removed"),
        ([1], {"add": ["age"], "outcome": UNUSABLE}, CodingConflict, "goes with no category"),
        ([1], {"remove": ["age"], "outcome": UNUSABLE}, CodingConflict, "name none to remove"),
        ([1], {"add": ["gone"]}, CodingConflict, "'gone' is retired"),
        ([1, 99, 98], {"add": ["age"]}, NoSuchSuggestion, "no suggestion 98, 99"),
        ([1], {"add": ["looks"]}, NoSuchCategory, "no category 'looks'"),
    ],
)
def test_many_are_coded_all_or_not_at_all(
    ready, ids: list[int], said: dict[str, Any], error: type[Exception], words: str
) -> None:
    ready.category("Gone")
    ready.do(categories.retire_category, "gone")
    with pytest.raises(error, match=words):
        ready.do(codes.code_several, ids, coder="anna", **said)
    assert ready.standing(1) == set()


@given(st.sets(st.integers(1, 60)))
def test_ranges_hold_the_very_numbers(ids: set[int]) -> None:
    found = set()
    for part in filter(None, in_ranges(sorted(ids)).split(", ")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    assert found == ids


# --- disagreements ----------------------------------------------------------------------------------------------


def test_coders_differ_where_their_sets_do(ready) -> None:
    ready.code(1, "age")
    assert differ(ready) == [], "one coder agrees with himself"
    ready.code(1, "age", coder="bo")
    ready.code(2, "age", "wealth")
    ready.code(2, "wealth", coder="bo")
    ready.code(3, outcome=UNUSABLE)
    ready.code(3, outcome=NO_CATEGORY, coder="bo")
    assert differ(ready) == [2, 3]
    ready.do(categories.merge_categories, ["age"], "wealth")
    assert differ(ready) == [3], "merged categories are one"
    ready.do(codes.propose_codes, "gpt", {1: ["health"]})
    assert differ(ready) == [3], "a model is no coder"


@pytest.mark.parametrize("seed", range(3))
def test_disagreements_are_those_that_a_plain_comparison_finds(coders_sqlite, seed: int) -> None:
    import random

    rng = random.Random(seed)
    coders = coders_sqlite
    labels = ["A", "B", "C", "D"]
    coders.category(*labels)
    ids = coders.suggest(*(f"s{n}" for n in range(40)))
    for id_, coder in itertools.product(ids, ["anna", "bo", "cy"]):
        chosen = rng.choice([(), ("a",), ("b",), ("a", "b"), ("c",), ("c", "d"), UNUSABLE, NO_CATEGORY])
        if isinstance(chosen, Outcome):
            coders.code(id_, coder=coder, outcome=chosen)
        else:
            coders.code(id_, *chosen, coder=coder)
    coders.do(categories.merge_categories, ["b", "c"], "a")
    coders.category("E", "F")
    for place, id_ in enumerate(ids[::4]):
        coders.do(codes.adjudicate, id_, categories=[["d"], ["e"], ["d", "f"], ["e", "f"]][place % 4])
    coders.do(categories.split_category, "e", ["E1", "E2"])
    coders.do(categories.retire_category, "f")
    coders.do(codes.adjudicate, ids[4], categories=["e1", "d"])
    coding = coders.see(coding_of, include_simulated=False)
    expected = []
    for id_ in ids:
        sets: dict[str, set[str]] = {}
        on_it = [code for code in coding.codes if code.suggestion == id_]
        for code in on_it:
            if code.kind is CodeKind.CODER:
                word = coding.standing(code.category) if code.category else code.outcome.value
                sets.setdefault(code.coder, set()).add(word)
        settled = [code.category for code in on_it if code.kind is CodeKind.ADJUDICATED]
        again = {"e", "f"}.intersection(settled)
        if again or (not settled and len({frozenset(said) for said in sets.values()}) > 1):
            expected.append(id_)
    assert len(expected) > 8
    assert differ(coders) == expected
    finals = final_codes(coding).by_suggestion.values()
    assert expected == [
        f.suggestion for f in finals if f.how is How.OPEN or (f.how is How.ADJUDICATED and f.again)
    ]
    assert coders.see(suggestion_ids, state=CodingState.SETTLED) == [
        f.suggestion for f in finals if f.how is How.ADJUDICATED and not f.again
    ]
    again = coders.see(suggestion_ids, state=CodingState.TO_CODE_AGAIN)
    assert {f.suggestion for f in finals if f.again} <= set(again)


def test_what_is_settled_is_no_disagreement_until_that_is_withdrawn(ready) -> None:
    ready.code(1, "age")
    ready.code(1, "wealth", coder="bo")
    assert ready.do(codes.adjudicate, 1, categories=["age", "health"])
    assert not ready.do(codes.adjudicate, 1, categories=["health", "age"])
    assert differ(ready) == []
    assert ready.see(suggestion_ids, state=CodingState.SETTLED) == [1]
    assert ready.do(codes.withdraw_adjudication, 1)
    assert not ready.do(codes.withdraw_adjudication, 1)
    assert differ(ready) == [1]
    assert [what for what, _ in ready.events()][-2:] == ["suggestion adjudicated", "adjudication withdrawn"]
    with pytest.raises(CodingConflict, match="name categories or an outcome"):
        ready.do(codes.adjudicate, 1, categories=[])


def test_what_was_settled_into_a_category_that_was_split_is_settled_again(ready) -> None:
    ready.do(codes.adjudicate, 1, categories=["age", "wealth"])
    ready.do(codes.adjudicate, 2, categories=["wealth"])
    ready.do(codes.adjudicate, 3, categories=["health"])
    for coder in ("anna", "bo"):
        ready.code(1, "age", coder=coder)
    ready.code(3, "health")
    ready.do(categories.split_category, "age", ["Young", "Old"])
    ready.do(categories.retire_category, "health")
    assert differ(ready) == [1, 3]
    assert ready.see(suggestion_ids, state=CodingState.SETTLED) == [2]
    assert ready.do(codes.settle_with, "anna") == 0, "anna has to code both again"
    for coder in ("anna", "bo"):
        ready.code(1, "young", "old", coder=coder)
    assert differ(ready) == [1, 3], "coders who agree settle nothing that was settled"
    assert ready.do(codes.settle_with, "anna") == 1
    assert ("adjudicated", "", "age") not in ready.standing(1)
    assert {word for kind, _, word in ready.standing(1) if kind == "adjudicated"} == {"young", "old"}
    assert differ(ready) == [3]
    assert ready.events()[-1] == (
        "disagreements settled",
        {"as_coder": "anna", "settled": 1, "left_open": 1, "suggestions": "1", "codes_ended": 2},
    )
    assert ready.do(codes.adjudicate, 3, categories=["wealth"])
    assert {word for kind, _, word in ready.standing(3) if kind == "adjudicated"} == {"wealth"}
    assert differ(ready) == []


def test_open_disagreements_are_settled_as_one_coder_said(ready) -> None:
    ready.suggest("more", "and more")
    for id_ in (1, 2, 3):
        ready.code(id_, "age", "wealth")
        ready.code(id_, "wealth", coder="bo")
    ready.code(4, "age")
    ready.code(4, outcome=UNUSABLE, coder="bo")
    ready.code(5, "age", coder="bo")
    ready.code(5, "health", coder="cy")
    ready.do(codes.adjudicate, 2, categories=["health"])
    ready.do(categories.merge_categories, ["wealth"], "age")
    assert differ(ready) == [4, 5], "merging settled two"
    assert ready.do(codes.settle_with, "anna") == 1
    assert ("adjudicated", "", "age") in ready.standing(4)
    assert ("adjudicated", "", "health") in ready.standing(2)
    assert differ(ready) == [5]
    assert ready.events()[-1] == (
        "disagreements settled",
        {"as_coder": "anna", "settled": 1, "left_open": 1, "suggestions": "4", "codes_ended": 0},
    )
    with pytest.raises(CodingConflict, match="no coder 'dora'; the coders are: anna, bo, cy"):
        ready.do(codes.settle_with, "dora")


# --- models -----------------------------------------------------------------------------------------------------


def test_a_models_new_proposals_take_the_place_of_its_old_ones_and_touch_nobody_elses(ready) -> None:
    ready.code(1, "health")
    ready.do(codes.propose_codes, "other", {1: ["age"]})
    assert ready.do(codes.propose_codes, "gpt", {1: ["age", "wealth"], 2: ["wealth"], 3: UNUSABLE}) == 3
    assert ready.do(codes.propose_codes, "gpt", {1: ["age"], 3: NO_CATEGORY}) == 2
    assert ready.standing(1) == {
        ("coder", "anna", "health"),
        ("model", "other", "age"),
        ("model", "gpt", "age"),
    }
    assert ready.standing(2) == set()
    assert ready.standing(3) == {("model", "gpt", "no_category")}
    before = ready.events()
    ready.do(codes.propose_codes, "gpt", {1: ["age"], 3: NO_CATEGORY})
    assert ready.events() == before
    assert ready.see(suggestion_ids, state=CodingState.CODED) == [1]


@pytest.mark.parametrize(
    ("proposals", "error", "words"),
    [
        ({1: ["age"], 2: []}, CodingConflict, "suggestion 2: the proposal says nothing"),
        ({1: ["age"], 99: ["age"]}, NoSuchSuggestion, "no suggestion 99"),
        ({1: ["looks"]}, NoSuchCategory, "no category 'looks'"),
    ],
)
def test_proposals_are_stored_all_or_not_at_all(
    ready, proposals: dict[int, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        ready.do(codes.propose_codes, "gpt", proposals)
    assert ready.standing(1) == set()


# --- at the same moment -----------------------------------------------------------------------------------------


def together(acts: Iterable[Callable[[], Any]]) -> list[Any]:
    """Do all at the same moment; return what each gave or raised."""
    acts = list(acts)
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - the test looks at what was raised
            return error

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_two_tabs_of_one_coder_leave_what_one_of_them_said(ready) -> None:
    sets = [{"age"}, {"wealth", "health"}, {"age", "health"}, {"unusable"}]
    for _ in range(5):
        acts = [
            lambda said=said: (
                ready.code(1, outcome=UNUSABLE) if said == {"unusable"} else ready.code(1, *sorted(said))
            )
            for said in sets
        ]
        got = together(acts)
        assert not [g for g in got if isinstance(g, Exception)], got
        assert own(ready, 1) in sets
        ready.code(1)
    with reading(ready.engine) as session:
        standing = select(func.count()).select_from(CodeRow).where(CodeRow.removed_at.is_(None))
        assert session.scalars(standing).one() == 0


def test_one_suggestion_and_many_coded_at_once_wait_for_each_other(ready) -> None:
    for _ in range(5):
        got = together(
            [
                lambda: ready.do(codes.code_several, [3, 2, 1], coder="anna", add=["age"]),
                lambda: ready.do(codes.code_several, [1, 2, 3], coder="anna", outcome=UNUSABLE),
                lambda: ready.code(2, "wealth"),
                lambda: ready.code(2, "wealth", coder="bo"),
            ]
        )
        assert not [g for g in got if isinstance(g, Exception)], got
        for id_ in (1, 2, 3):
            said = own(ready, id_)
            assert said <= {"age", "wealth"} or said == {"unusable"}, said
        assert own(ready, 2, "bo") == {"wealth"}
        ready.code(2, coder="bo")


def test_a_disagreement_settled_in_two_tabs_is_settled_once(ready) -> None:
    for id_ in (1, 2):
        ready.code(id_, "age")
        ready.code(id_, "wealth", coder="bo")
    got = together(
        [
            lambda: ready.do(codes.settle_with, "anna"),
            lambda: ready.do(codes.settle_with, "bo"),
            lambda: ready.do(codes.adjudicate, 1, categories=["health"]),
        ]
    )
    assert not [g for g in got if isinstance(g, Exception)], got
    settled = [{word for kind, _, word in ready.standing(id_) if kind == "adjudicated"} for id_ in (1, 2)]
    assert all(len(words) == 1 for words in settled), settled


def test_one_label_added_in_two_tabs_is_one_category(coders) -> None:
    for n in range(5):
        got = together([lambda n=n: coders.do(categories.add_category, f"Label {n}").name] * 3)
        assert sorted(type(g).__name__ for g in got) == ["CodingConflict", "CodingConflict", "str"]


def while_held(coders, first: Callable[[Any, Any], object], second: Callable[[], Any]) -> Any:
    """Begin ``second`` while the transaction of ``first`` is open, and return what it gave or raised."""
    with ThreadPoolExecutor(1) as pool:
        with writing(coders.engine) as session:
            first(session, studies.find_study(session, "attributes"))
            running = pool.submit(second)
            with pytest.raises(TimeoutError):
                running.result(timeout=0.3)
        return running.exception() or running.result()


def test_who_waited_while_a_category_was_made_and_used_codes_all_the_same(ready) -> None:
    who = {"now": ready.now, "actor": "x"}

    def use_a_new_one(session: Any, study: Any) -> None:
        categories.add_category(session, study, "Looks", **who)
        for id_ in (1, 2):
            codes.code_suggestion(session, study, id_, coder="anna", categories=["looks"], **who)

    assert while_held(ready, use_a_new_one, lambda: ready.code(1, "age")) is True
    assert own(ready, 1) == {"age"}
    several = while_held(
        ready,
        lambda session, study: codes.code_suggestion(
            session,
            study,
            2,
            coder="anna",
            categories=[categories.add_category(session, study, "Fame", **who).name],
            **who,
        ),
        lambda: ready.do(codes.code_several, [1, 2], coder="anna", add=["wealth"]),
    )
    assert several == 2
    assert own(ready, 2) == {"fame", "wealth"}


def test_two_runs_of_one_model_at_once_leave_the_proposals_of_one(ready) -> None:
    sets = [{1: ["age"], 2: ["wealth"]}, {2: ["health"], 3: ["age"]}]
    for _ in range(5):
        got = together(
            [lambda proposals=one: ready.do(codes.propose_codes, "gpt", proposals) for one in sets]
        )
        assert not [g for g in got if isinstance(g, Exception)], got
        standing = {
            id_: [word for kind, _, word in ready.standing(id_) if kind == "model"] for id_ in (1, 2, 3)
        }
        assert {id_: words for id_, words in standing.items() if words} in sets


@pytest.mark.postgres
def test_coding_does_not_wait_for_another_suggestion(postgres_engine, now) -> None:
    from sqlalchemy import text

    from .conftest import Coders

    coders = Coders(postgres_engine, now)
    coders.suggest("a", "b")
    coders.category("Age")
    with writing(coders.engine) as first:
        study = studies.find_study(first, "attributes")
        codes.code_suggestion(first, study, 1, coder="anna", categories=["age"], now=now, actor="x")
        with writing(coders.engine) as second:
            second.execute(text("SET LOCAL lock_timeout = '2s'"))
            codes.code_suggestion(second, study, 2, coder="anna", categories=["age"], now=now, actor="x")
    assert (own(coders, 1), own(coders, 2)) == ({"age"}, {"age"})
