"""Categories: made, reworded, merged, split, retired, and what each leaves behind. On both databases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from survey.answers import RespondentKind
from survey.coding.coding import CodingError
from survey.db import reading
from survey.store import categories
from survey.store.categories import CodingConflict, NoSuchCategory
from survey.store.category_index import LONGEST_NAME, checked_name, name_for
from survey.store.coding_data import coding_of
from survey.suggestions import Stance
from survey.tables import CategoryRow


def names(coders) -> dict[str, tuple[str, bool]]:
    """Return name -> (what stands for it, whether it is retired)."""
    coding = coders.see(coding_of, include_simulated=True)
    return {c.name: (coding.standing(c.name), c.retired) for c in coding.categories}


def uses(coders, **more) -> dict[str, int]:
    found = coders.see(categories.category_uses, **more)
    return {use.category.name: use.suggestions for use in found if use.suggestions}


# --- names and labels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Age", "age"),
        ("  Drinking & smoking ", "drinking-smoking"),
        ("Überleben", "uberleben"),
        ("العمر", "attribute"),
        ("Unusable", "unusable-2"),
        ("👨‍👩‍👧", "attribute"),
        ("x" * 200, "x" * 90),
    ],
)
def test_a_name_is_made_from_the_label(coders_sqlite, label: str, name: str) -> None:
    assert coders_sqlite.do(categories.add_category, label).name == name


@given(st.text(), st.lists(st.text(max_size=20), max_size=5))
def test_a_made_name_is_a_name_and_no_other_has_it(label: str, others: list[str]) -> None:
    taken = {name_for(other, ()) for other in others}
    name = name_for(label, taken)
    assert checked_name(name) == name
    assert len(name) <= LONGEST_NAME
    assert name not in taken


def test_labels_differ_in_more_than_upper_and_lower_case(coders) -> None:
    coders.category("Größe", "Age")
    with pytest.raises(CodingConflict, match="'groe' has the label 'Größe' already"):
        coders.category("GRÖSSE")
    with pytest.raises(CodingConflict, match="has the label 'Age' already"):
        coders.do(categories.reword_category, name_for("Größe", ()), label="aGE")
    assert len(names(coders)) == 2


@pytest.mark.parametrize("label", ["", " \n ", "\x00", "x" * 201])
def test_a_label_that_says_nothing_or_too_much_is_refused(coders_sqlite, label: str) -> None:
    with pytest.raises(CodingConflict, match="label"):
        coders_sqlite.do(categories.add_category, label)


@pytest.mark.parametrize("name", ["no_category", "-age", "a b", "é", "x" * 101])
def test_a_name_that_is_none_is_refused(coders_sqlite, name: str) -> None:
    with pytest.raises(CodingConflict):
        coders_sqlite.do(categories.add_category, "Age", name=name)


def test_a_name_that_is_taken_is_refused_and_one_that_is_missing_is_told_with_those_there_are(coders) -> None:
    coders.category("Age", "Wealth")
    with pytest.raises(CodingConflict, match="called 'age' already"):
        coders.do(categories.add_category, "Years", name="age")
    with pytest.raises(NoSuchCategory, match="no category 'years'; the categories are: age, wealth"):
        coders.do(categories.retire_category, "years")


def test_rewording_keeps_the_name_and_the_log_keeps_the_words(coders) -> None:
    coders.category("Age")
    assert coders.do(categories.reword_category, "age", label="Years of age", definition="How old.")
    assert not coders.do(categories.reword_category, "age", label="Years of age")
    (category,) = coders.see(coding_of, include_simulated=False).categories
    assert (category.name, category.label, category.definition) == ("age", "Years of age", "How old.")
    what, detail = coders.events()[-1]
    assert what == "category reworded"
    assert detail["before"] == {"label": "Age", "definition": ""}
    assert detail["after"] == {"label": "Years of age", "definition": "How old."}


# --- merging ----------------------------------------------------------------------------------------------------


def test_a_merge_moves_what_counts_and_taking_it_back_returns_every_code(coders) -> None:
    a, b, both = coders.suggest("drinks", "smokes", "drinks and smokes")
    coders.category("Drinking", "Smoking", "Lifestyle", "Age")
    coders.code(a, "drinking")
    coders.code(b, "smoking")
    coders.code(both, "drinking", "smoking")
    before = coders.standing(both)
    assert uses(coders) == {"drinking": 2, "smoking": 2}
    assert coders.do(categories.merge_categories, ["drinking", "smoking"], "lifestyle") == [
        "drinking",
        "smoking",
    ]
    assert uses(coders) == {"lifestyle": 3}, "a suggestion in two merged categories is one"
    assert coders.standing(both) == before
    assert coders.do(categories.merge_categories, ["lifestyle"], "age") == ["lifestyle"]
    assert names(coders)["drinking"] == ("age", False), "what was merged before goes along"
    assert uses(coders) == {"age": 3}
    assert coders.do(categories.unmerge_category, "lifestyle")
    assert coders.do(categories.unmerge_category, "drinking")
    assert not coders.do(categories.unmerge_category, "drinking")
    assert uses(coders) == {"drinking": 2, "lifestyle": 2}
    assert [what for what, _ in coders.events()][-4:] == [
        "categories merged",
        "categories merged",
        "category merge taken back",
        "category merge taken back",
    ]


def test_the_same_merge_again_changes_and_logs_nothing(coders) -> None:
    coders.category("A", "B")
    coders.do(categories.merge_categories, ["a"], "b")
    before = coders.events()
    assert coders.do(categories.merge_categories, ["a"], "b") == []
    assert coders.events() == before


@pytest.mark.parametrize(
    ("merged", "into", "words"),
    [
        (["b"], "b", "into itself"),
        (["c"], "a", "'a' is itself merged into 'b'; merge into that one"),
        (["a"], "c", "'a' is merged into 'b' already"),
        (["b"], "a", "'a' is itself merged into 'b'"),
        (["c"], "gone", "'gone' is retired"),
        ([], "b", "no category is named"),
    ],
)
def test_merges_that_contradict_others_are_refused(coders, merged: list[str], into: str, words: str) -> None:
    coders.category("A", "B", "C", "Gone")
    coders.do(categories.merge_categories, ["a"], "b")
    coders.do(categories.retire_category, "gone")
    before = names(coders)
    with pytest.raises(CodingConflict, match=words):
        coders.do(categories.merge_categories, merged, into)
    assert names(coders) == before


def test_a_label_given_away_meanwhile_keeps_a_merge_and_a_retirement_from_being_taken_back(coders) -> None:
    coders.category("Age", "Other")
    coders.do(categories.merge_categories, ["age"], "other")
    coders.category("age")
    with pytest.raises(CodingConflict, match="has the label 'age' already"):
        coders.do(categories.unmerge_category, "age")
    coders.do(categories.retire_category, "age-2")
    assert coders.do(categories.unmerge_category, "age")
    with pytest.raises(CodingConflict, match="has the label 'Age' already"):
        coders.do(categories.restore_category, "age-2")


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=12))
def test_whatever_is_merged_and_taken_back_nothing_goes_in_circles(
    steps: list[tuple[int, int, bool]],
) -> None:
    """A plain model of pointers beside the real functions, in a database in memory."""
    from datetime import UTC, datetime

    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    from survey.db import Base
    from survey.tables import StudyRow, StudyState

    now = datetime(2026, 1, 1, tzinfo=UTC)
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        study = StudyRow(
            slug="s", version="1", design_toml="", design_hash="h", draw_seed=1, state=StudyState.DRAFT, wave=1,
            created_at=now,
        )  # fmt: skip
        session.add(study)
        session.flush()
        for n in range(5):
            categories.add_category(session, study, f"c{n}", now=now, actor="x")
        into: dict[str, str] = {}
        for a, b, back in steps:
            first, second = f"c{a}", f"c{b}"
            if back:
                assert categories.unmerge_category(session, study, first, now=now, actor="x") is (
                    first in into
                )
                into.pop(first, None)
            elif a == b or second in into or into.get(first, second) != second:
                with pytest.raises(CodingConflict):
                    categories.merge_categories(session, study, [first], second, now=now, actor="x")
            else:
                categories.merge_categories(session, study, [first], second, now=now, actor="x")
                into[first] = second
            coding = coding_of_categories(session, study)
            for n in range(5):
                here = f"c{n}"
                while here in into:
                    here = into[here]
                assert coding[f"c{n}"] == here
    engine.dispose()


def coding_of_categories(session, study) -> dict[str, str]:
    index = categories.index_of(session, study)
    return {row.name: index.stands_for(row).name for row in index.rows.values()}


def test_merges_in_a_circle_are_told_and_never_followed(coders) -> None:
    coders.category("A", "B")
    with coders.engine.begin() as connection:
        connection.execute(
            CategoryRow.__table__.update().values(merged_into_id=3 - CategoryRow.__table__.c.id)
        )
    with pytest.raises(CodingError, match="is merged into itself"):
        names(coders)


# --- splitting and retiring -------------------------------------------------------------------------------------


def test_a_split_leaves_the_codes_until_each_is_coded_again(coders) -> None:
    a, b = coders.suggest("drinks", "smokes")
    coders.category("Lifestyle")
    for id_ in (a, b):
        coders.code(id_, "lifestyle")
    new = coders.do(categories.split_category, "lifestyle", ["Drinking", "Lifestyle"])
    assert [row.name for row in new] == ["drinking", "lifestyle-2"]
    assert names(coders)["lifestyle"] == ("lifestyle", True)
    assert uses(coders) == {"lifestyle": 2}
    coders.code(a, "drinking")
    assert uses(coders) == {"lifestyle": 1, "drinking": 1}
    coding = coders.see(coding_of, include_simulated=False)
    assert {c.name: c.split_from for c in coding.categories} == {
        "lifestyle": "",
        "drinking": "lifestyle",
        "lifestyle-2": "lifestyle",
    }
    assert coders.events()[-2] == (
        "category split",
        {"category": "lifestyle", "into": ["drinking", "lifestyle-2"], "labels": ["Drinking", "Lifestyle"]},
    )


@pytest.mark.parametrize(
    ("name", "labels", "words"),
    [
        ("a", ["One"], "two categories at least"),
        ("a", ["One", "ONE"], "has the label 'One' already"),
        ("a", ["One", ""], "needs a label"),
        ("a", ["One", "B"], "has the label 'B' already"),
        ("merged", ["One", "Two"], "take that back, or split 'b'"),
        ("gone", ["One", "Two"], "retired already"),
    ],
)
def test_a_split_that_cannot_be_changes_nothing(coders, name: str, labels: list[str], words: str) -> None:
    coders.category("A", "B", "Merged", "Gone")
    coders.do(categories.merge_categories, ["merged"], "b")
    coders.do(categories.retire_category, "gone")
    before, logged = names(coders), coders.events()
    with pytest.raises(CodingConflict, match=words):
        coders.do(categories.split_category, name, labels)
    assert names(coders) == before
    assert coders.events() == logged


def test_retired_and_restored_twice_is_once(coders) -> None:
    coders.category("A")
    assert coders.do(categories.retire_category, "a")
    assert not coders.do(categories.retire_category, "a")
    assert names(coders) == {"a": ("a", True)}
    assert coders.do(categories.restore_category, "a")
    assert not coders.do(categories.restore_category, "a")
    assert [what for what, _ in coders.events()] == [
        "category added",
        "category retired",
        "category restored",
    ]


def test_a_merged_category_is_not_retired_by_itself(coders) -> None:
    coders.category("A", "B")
    coders.do(categories.merge_categories, ["a"], "b")
    with pytest.raises(CodingConflict, match="retire 'b'"):
        coders.do(categories.retire_category, "a")


# --- counts -----------------------------------------------------------------------------------------------------


def test_uses_are_counted_by_stance_and_by_who_and_models_only_propose(coders) -> None:
    from survey.coding.coding import CodeKind
    from survey.store import codes

    (a,) = coders.suggest("old people")
    (b,) = coders.suggest("age", stance=Stance.SHOULD_NOT)
    (s,) = coders.suggest("years", respondent="sim", simulated=True)
    coders.category("Age")
    coders.code(a, "age")
    coders.code(a, "age", coder="bo")
    coders.code(b, "age", coder="bo")
    coders.code(s, "age", coder="bo")
    coders.do(codes.adjudicate, b, categories=["age"])
    coders.do(codes.propose_codes, "gpt", {a: ["age"], b: ["age"]})
    (use,) = coders.see(categories.category_uses)
    assert use.by_stance == {Stance.SHOULD: 1, Stance.SHOULD_NOT: 1}
    assert use.by_source == {
        (Stance.SHOULD, RespondentKind.HUMAN, False): 1,
        (Stance.SHOULD_NOT, RespondentKind.HUMAN, False): 1,
    }
    assert (use.by_coder, use.adjudicated, use.proposed) == ({"anna": 1, "bo": 2}, 1, {"gpt": 2})
    assert uses(coders, simulated=None) == {"age": 3}
    assert uses(coders, simulated=True) == {"age": 1}
    (own,) = coders.see(categories.category_uses, coder="anna")
    assert (own.suggestions, own.by_coder, own.adjudicated, own.proposed) == (1, {"anna": 1}, 0, {})
    assert CodeKind.MODEL.value not in own.by_coder


def test_uses_tell_people_models_and_simulated_ones_apart(coders) -> None:
    (a,) = coders.suggest("old people")
    (m, n) = coders.suggest("age", "years", respondent="gpt#1", kind=RespondentKind.MODEL)
    (s,) = coders.suggest("old", respondent="sim", simulated=True)
    coders.category("Age")
    for id_ in (a, m, n, s):
        coders.code(id_, "age")
        coders.code(id_, "age", coder="bo")
    (use,) = coders.see(categories.category_uses, simulated=None)
    assert use.by_source == {
        (Stance.SHOULD, RespondentKind.HUMAN, False): 1,
        (Stance.SHOULD, RespondentKind.MODEL, False): 2,
        (Stance.SHOULD, RespondentKind.HUMAN, True): 1,
    }
    assert use.suggestions == 4


def test_a_study_has_its_own_categories(coders, short_design: str) -> None:
    from survey.db import writing
    from survey.store import studies

    coders.category("Age")
    with writing(coders.engine) as session:
        other = studies.add_study(session, short_design, now=coders.now)
        categories.add_category(session, other, "Age", now=coders.now, actor="x")
        assert [row.name for row in categories.categories_of(session, other)] == ["age"]
    with reading(coders.engine) as session:
        assert len(session.scalars(select(CategoryRow)).all()) == 2
    assert names(coders) == {"age": ("age", False)}
