"""Suggestions, codebooks and codes from elsewhere: all or nothing, twice as once. On both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from survey.answers import RespondentKind
from survey.coding.coding import Category, Code, CodeKind, Outcome
from survey.coding.counts import counts_of
from survey.coding.repeats import model_of
from survey.db import reading, writing
from survey.store import categories, studies
from survey.store.coding_data import coding_of
from survey.store.suggestion_imports import (
    BadImport,
    ImportedRespondent,
    ImportedSuggestion,
    import_categories,
    import_codes,
    import_suggestions,
)
from survey.suggestions import Stance
from survey.tables import CodeRow, ImportedRespondentRow, SuggestionRow

HUMAN, MODEL = RespondentKind.HUMAN, RespondentKind.MODEL


def entry(respondent: str = "r1", text: str = "Age", **more: Any) -> ImportedSuggestion:
    return ImportedSuggestion(
        **{"respondent": respondent, "kind": HUMAN, "stance": Stance.SHOULD, "text": text} | more
    )


def asked(respondent: str, *stances: Stance, **more: Any) -> ImportedRespondent:
    return ImportedRespondent(
        **{"respondent": respondent, "kind": HUMAN, "stances": frozenset(stances)} | more
    )


def count(coders, table: type) -> int:
    with reading(coders.engine) as session:
        return session.scalars(select(func.count()).select_from(table)).one()


# --- suggestions ------------------------------------------------------------------------------------------------


def test_the_same_data_twice_add_nothing(coders) -> None:
    entries = [
        entry(text="Age", why="fair", direction="younger", language="en", group=3),
        entry(text="Age", number=1),
        entry(text="Age", stance=Stance.SHOULD_NOT),
        entry("gpt#1", "العمر <b>", kind=MODEL),
    ]
    first = coders.do(import_suggestions, entries, source="a.csv", asked=[asked("r2", Stance.SHOULD)])
    assert (first.added, first.already_there, first.respondents_added) == (4, 0, 3)
    before = coders.events()
    again = coders.do(import_suggestions, entries, source="a.csv", asked=[asked("r2", Stance.SHOULD)])
    assert (again.added, again.already_there, again.respondents_added) == (0, 4, 0)
    assert again.ids == first.ids
    assert (
        coders.events()
        == before
        == [
            (
                "suggestions imported",
                {"source": "a.csv", "added": 4, "already_there": 0, "respondents_added": 3},
            )
        ]
    )
    coding = coders.see(coding_of, include_simulated=False)
    one = coding.suggestions[0]
    assert (one.text, one.why, one.direction, one.language, one.group) == ("Age", "fair", "younger", "en", 3)
    assert [s.kind for s in coding.suggestions] == [HUMAN, HUMAN, HUMAN, MODEL]
    assert coding.suggestions[3].text == "العمر <b>"


def test_an_entry_that_stands_twice_in_the_data_is_one(coders) -> None:
    found = coders.do(import_suggestions, [entry(), entry(text=" Age\r\n")], source="a.csv")
    assert (found.added, found.already_there) == (1, 1)
    assert found.ids[0] == found.ids[1]


def test_who_named_nothing_is_among_those_asked(coders) -> None:
    both = (Stance.SHOULD, Stance.SHOULD_NOT)
    coders.do(
        import_suggestions,
        [entry("r1"), entry("r3")],
        source="a.csv",
        asked=[
            asked("r2", *both, stated={"place": ("city",)}, order=2),
            asked("r1", *both, order=1),
            asked("r4", Stance.SHOULD, simulated=True),
        ],
    )
    found = {one.respondent: one for one in coders.see(coding_of, include_simulated=True).asked}
    assert {name: (one.stances, one.order) for name, one in found.items()} == {
        "r1": (frozenset(both), 1),
        "r2": (frozenset(both), 2),
        "r3": (frozenset({Stance.SHOULD}), 0),
        "r4": (frozenset({Stance.SHOULD}), 0),
    }
    assert found["r2"].stated == {"place": ("city",)}
    assert [one.respondent for one in coders.see(coding_of, include_simulated=False).asked] == [
        "r1",
        "r2",
        "r3",
    ]


def test_a_later_import_may_bring_the_other_question(coders) -> None:
    coders.do(import_suggestions, [entry("r1")], source="a.csv")
    coders.do(import_suggestions, [entry("r1", "Race", stance=Stance.SHOULD_NOT)], source="a.csv")
    (one,) = coders.see(coding_of, include_simulated=False).asked
    assert one.stances == {Stance.SHOULD, Stance.SHOULD_NOT}


def test_respondents_of_two_sources_who_are_called_alike_stay_two(coders) -> None:
    coders.do(
        import_suggestions,
        [entry("r1"), entry("r2")],
        source="a.csv",
        asked=[asked("r1", Stance.SHOULD, order=7)],
    )
    coders.do(import_suggestions, [entry("r1")], source="b.csv", asked=[asked("r1", Stance.SHOULD, order=1)])
    coding = coders.see(coding_of, include_simulated=False)
    assert [one.respondent for one in coding.asked] == ["r1 (a.csv)", "r1 (b.csv)", "r2"]
    assert [s.respondent for s in coding.suggestions] == ["r1 (a.csv)", "r2", "r1 (b.csv)"]
    assert {one.order for one in coding.asked} == {0}, "places of two sources do not compare"


def test_repeats_of_one_model_from_two_sources_stay_repeats_of_it(coders) -> None:
    for source in ("a.jsonl", "b.jsonl"):
        coders.do(import_suggestions, [entry("gpt#1", kind=MODEL)], source=source)
    names = [one.respondent for one in coders.see(coding_of, include_simulated=False).asked]
    assert names == ["gpt (a.jsonl)#1", "gpt (b.jsonl)#1"]
    assert [model_of(name) for name in names] == ["gpt (a.jsonl)", "gpt (b.jsonl)"]


def test_a_repeat_that_has_answered_is_not_joined_with_another_run(coders) -> None:
    coders.do(import_suggestions, [entry("gpt#1", "Age", kind=MODEL)], source="gpt")
    with pytest.raises(BadImport, match="'gpt#1' has answered this question in other words already"):
        coders.do(import_suggestions, [entry("gpt#1", "Wealth", kind=MODEL)], source="gpt")
    coders.do(
        import_suggestions, [entry("gpt#1", "Race", kind=MODEL, stance=Stance.SHOULD_NOT)], source="gpt"
    )
    coders.do(import_suggestions, [entry("gpt#1", "Wealth", kind=MODEL)], source="gpt, again")
    assert count(coders, SuggestionRow) == 3


def test_what_was_named_beside_the_questions_gone_on_from_makes_nobody_asked(coders) -> None:
    coders.do(
        import_suggestions,
        [entry("r1"), entry("r1", "Race", stance=Stance.SHOULD_NOT), entry("r2")],
        source="a",
        asked=[asked("r1", Stance.SHOULD), asked("r2")],
    )
    coding = coders.see(coding_of, include_simulated=False)
    assert [(one.respondent, one.stances) for one in coding.asked] == [("r1", {Stance.SHOULD})]
    counts = counts_of(coding)
    assert (counts.asked_for, counts.asked_against, counts.left_out.not_asked) == (1, 0, 2)


def test_a_respondent_stays_simulated_in_later_imports(coders) -> None:
    coders.do(import_suggestions, [], source="a.csv", asked=[asked("r1", simulated=True)])
    coders.do(import_suggestions, [entry("r1")], source="a.csv")
    assert coders.see(coding_of, include_simulated=False).suggestions == ()
    assert len(coders.see(coding_of, include_simulated=True).suggestions) == 1


@pytest.mark.parametrize(
    ("entries", "others", "source", "said"),
    [
        ([entry(text=" \x00 ")], [], "a", "row 1, text: names nothing; say who was asked"),
        ([entry(), entry(text="x" * 2_001)], [], "a", "row 2, text: has 2001 characters; 2000 are the most"),
        ([entry(why="x" * 2_001)], [], "a", "row 1, why: has 2001"),
        ([entry(language="x" * 36)], [], "a", "row 1, language"),
        ([entry(respondent="")], [], "a", "row 1, respondent: '' is no name"),
        ([entry(respondent="x" * 101)], [], "a", "is no name"),
        ([entry(respondent=" r1")], [], "a", "' r1' is no name"),
        (
            [entry(), entry(kind=MODEL)],
            [],
            "a",
            "row 2, kind: 'r1' is a human in another row and a model here",
        ),
        ([entry()], [asked("r1", kind=MODEL)], "a", "row 1, kind"),
        ([], [asked("r1"), asked("r1")], "a", "row 2, respondent: 'r1' is there twice"),
        ([entry()], [], " ", "source: say where"),
        ([entry()], [], "x" * 201, "source: say where"),
    ],
)
def test_rows_that_cannot_be_are_named_and_nothing_is_imported(
    coders_sqlite, entries: list[Any], others: list[Any], source: str, said: str
) -> None:
    with pytest.raises(BadImport) as raised:
        coders_sqlite.do(import_suggestions, entries, source=source, asked=others)
    assert said in str(raised.value)
    assert (count(coders_sqlite, SuggestionRow), count(coders_sqlite, ImportedRespondentRow)) == (0, 0)
    assert coders_sqlite.events() == []


def test_every_bad_row_is_named_up_to_a_hundred(coders_sqlite) -> None:
    with pytest.raises(BadImport) as raised:
        coders_sqlite.do(import_suggestions, [entry(), *[entry(text="")] * 250], source="a")
    assert [complaint.row for complaint in raised.value.complaints] == list(range(2, 102))
    assert "and 150 more" in str(raised.value)


def test_participants_of_the_study_itself_are_not_imported(coders) -> None:
    from survey.recruitment import IdKeeper
    from survey.store import participants
    from survey.store.participants import Arrival

    with writing(coders.engine) as session:
        study = studies.find_study(session, "attributes")
        studies.open_study(session, study, now=coders.now)
        arrival = Arrival(start_key="k", language="en")
        ids = IdKeeper("a key for tests, long enough to be one")
        code = participants.start_participant(session, study, arrival, ids, now=coders.now).code
    with pytest.raises(BadImport, match=f"'{code}' took part in this study itself"):
        coders.do(import_suggestions, [entry(code)], source="coding.json")


def test_thousands_are_imported_at_once(coders) -> None:
    entries = [entry(f"r{n % 700}", f"suggestion {n}") for n in range(3_000)]
    found = coders.do(import_suggestions, entries, source="a.csv")
    assert (found.added, found.respondents_added) == (3_000, 700)
    coding = coders.see(coding_of, include_simulated=False)
    texts = {s.id: s.text for s in coding.suggestions}
    assert [texts[id_] for id_ in found.ids] == [e.text for e in entries]


# --- codebooks --------------------------------------------------------------------------------------------------

CODEBOOK = (
    Category(name="smoking", label="Smoking", merged_into="lifestyle"),
    Category(name="lifestyle", label="Lifestyle", definition="How somebody lives."),
    Category(name="young", label="Young", split_from="age"),
    Category(name="age", label="Age", retired=True),
)


def codebook(coders) -> tuple[Category, ...]:
    return coders.see(coding_of, include_simulated=False).categories


def test_a_codebook_comes_in_as_it_was_and_twice_is_once(coders) -> None:
    found = coders.do(import_categories, CODEBOOK)
    assert (found.added, found.reworded, found.already_there) == (4, 0, 0)
    assert codebook(coders) == CODEBOOK
    before = coders.events()
    found = coders.do(import_categories, CODEBOOK)
    assert (found.added, found.reworded, found.already_there) == (0, 0, 4)
    assert coders.events() == before


def test_changed_words_are_taken_over_and_the_old_ones_logged(coders) -> None:
    coders.do(import_categories, CODEBOOK)
    changed = [replace(CODEBOOK[1], definition="Habits."), Category(name="new", label="New")]
    found = coders.do(import_categories, changed)
    assert (found.added, found.reworded, found.already_there) == (1, 1, 0)
    assert codebook(coders) == (CODEBOOK[0], changed[0], *CODEBOOK[2:], changed[1])
    assert coders.events()[-1] == (
        "categories imported",
        {
            "added": ["new"],
            "before": {"lifestyle": {"label": "Lifestyle", "definition": "How somebody lives."}},
        },
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([Category(name="a b", label="A")], "row 1, name: 'a b' is no name"),
        ([Category(name="a", label=" ")], "row 1, label: a category needs a label"),
        ([Category(name="a", label="A", definition="x" * 5_001)], "row 1, definition"),
        ([Category(name="a", label="A"), Category(name="a", label="B")], "row 2, name: 'a' is there twice"),
        (
            [Category(name="a", label="A"), Category(name="b", label="a")],
            "'a' and 'b' have the same label 'a'",
        ),
        ([Category(name="b", label="WEALTH")], "'wealth' and 'b' have the same label"),
        ([Category(name="a", label="A", merged_into="z")], "row 1, merged_into: there is no category 'z'"),
        ([Category(name="a", label="A", split_from="z")], "row 1, split_from: there is no category 'z'"),
        ([Category(name="a", label="A", merged_into="a")], "row 1, merged_into: 'a' is merged in a circle"),
        (
            [Category(name="a", label="A", merged_into="b"), Category(name="b", label="B", merged_into="a")],
            "merged in a circle: a, b",
        ),
        ([Category(name="wealth", label="Wealth", retired=True)], "row 1, retired: 'wealth' is True in what"),
    ],
)
def test_codebooks_that_contradict_themselves_or_the_study_are_refused(
    coders_sqlite, rows: list[Category], said: str
) -> None:
    coders_sqlite.category("Wealth")
    with pytest.raises(BadImport) as raised:
        coders_sqlite.do(import_categories, rows)
    assert said in str(raised.value)
    assert [c.name for c in codebook(coders_sqlite)] == ["wealth"]


# --- codes ------------------------------------------------------------------------------------------------------


def code(suggestion: int, category: str = "", coder: str = "anna", **more: Any) -> Code:
    outcome = more.pop("outcome", Outcome.CATEGORY)
    return Code(**{"suggestion": suggestion, "kind": CodeKind.CODER, "coder": coder, "outcome": outcome, "category": category} | more)  # fmt: skip  # noqa: E501


@pytest.fixture
def ready(coders):
    """Suggestions 1 to 3; age, wealth, and retired and merged ones."""
    coders.suggest("a", "b", "c")
    coders.category("Age", "Wealth", "Gone", "Merged")
    coders.do(categories.retire_category, "gone")
    coders.do(categories.merge_categories, ["merged"], "wealth")
    return coders


def test_rows_are_all_that_a_coder_says_of_the_suggestions_they_name(ready) -> None:
    ready.code(1, "age")
    ready.code(2, "age")
    ready.code(2, "age", coder="bo")
    rows = [code(1, "age"), code(1, "wealth"), code(2, outcome=Outcome.UNUSABLE), code(3, "age", coder="cy")]
    found = ready.do(import_codes, rows)
    assert (found.added, found.ended, found.already_there) == (3, 1, 1)
    assert ready.standing(1) == {("coder", "anna", "age"), ("coder", "anna", "wealth")}
    assert ready.standing(2) == {("coder", "anna", "unusable"), ("coder", "bo", "age")}
    before = ready.events()
    found = ready.do(import_codes, [*rows, rows[0]])
    assert (found.added, found.ended, found.already_there) == (0, 0, 4)
    assert ready.events() == before
    assert before[-1] == (
        "codes imported",
        {"coders": ["anna", "cy"], "codes_added": 3, "codes_ended": 1, "already_there": 1},
    )


def test_codes_older_than_the_codebook_keep_their_category_and_their_time(ready) -> None:
    then = ready.now - timedelta(days=3)
    rows = [
        code(1, "merged", at=then),
        code(1, "gone"),
        code(2, "age", coder="", kind=CodeKind.ADJUDICATED, at=then),
        code(2, "age", coder="gpt", kind=CodeKind.MODEL),
    ]
    ready.do(import_codes, rows)
    coding = ready.see(coding_of, include_simulated=False)
    assert {(c.suggestion, c.kind, c.coder, c.category, c.at) for c in coding.codes} == {
        (c.suggestion, c.kind, c.coder, c.category, c.at or ready.now) for c in rows
    }


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (code(99, "age"), "row 2, suggestion: the study has no suggestion 99"),
        (code(1, "looks"), "row 2, category: there is no category 'looks'"),
        (code(1), "row 2, category: goes with the outcome 'category'"),
        (code(1, "age", outcome=Outcome.UNUSABLE), "row 2, category: goes with"),
        (code(1, "age", coder=""), "row 2, coder: name who codes"),
        (code(1, "age", kind=CodeKind.ADJUDICATED), "row 2, coder"),
        (code(3, outcome=Outcome.NO_CATEGORY), "row 2, outcome: 'category' and 'no_category' of the same"),
    ],
)
def test_bad_rows_of_codes_are_named_and_nothing_is_imported(ready, row: Code, said: str) -> None:
    with pytest.raises(BadImport) as raised:
        ready.do(import_codes, [code(3, "age"), row])
    assert said in str(raised.value)
    assert count(ready, CodeRow) == 0


def test_a_code_cannot_be_from_the_future(ready) -> None:
    with pytest.raises(BadImport, match="yet to come"):
        ready.do(import_codes, [code(1, "age", at=ready.now + timedelta(seconds=1))])


def test_no_two_words_other_than_categories_can_stand(ready) -> None:
    """The database itself refuses: what coders say is never no category and unusable at once."""
    from sqlalchemy.exc import IntegrityError

    from survey.store.code_rows import add_codes

    both = [(1, Outcome.NO_CATEGORY), (1, Outcome.UNUSABLE)]
    with pytest.raises(IntegrityError), writing(ready.engine) as session:
        add_codes(session, both, CodeKind.CODER, "anna", now=ready.now, actor="x")
    with pytest.raises(IntegrityError), writing(ready.engine) as session:
        add_codes(session, [(1, 1), (1, 1)], CodeKind.CODER, "anna", now=ready.now, actor="x")
