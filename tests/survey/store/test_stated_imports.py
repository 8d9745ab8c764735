"""What people asked elsewhere say of themselves: kept, completed, not contradicted, counted. On both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from survey.answers import RespondentKind
from survey.coding.coded_elsewhere import read_suggestions_csv
from survey.coding.coding_file import coding_from_text, coding_text
from survey.coding.groups import group_counts, questions_stated
from survey.coding.stated_columns import Said
from survey.design_file import parse_design
from survey.store.coding_data import coding_of
from survey.store.coding_state import coding_state
from survey.store.suggestion_imports import (
    BadImport,
    ImportedRespondent,
    ImportedSuggestion,
    import_suggestions,
)
from survey.suggestions import Stance
from survey.tables import ImportedRespondentRow

from .conftest import ATTRIBUTES

# Who has lived where, and who names age: city w1 w2 w3 w4, of whom w1 w2 w3; country w4 w5 w6, of whom none; w7
# does not say, and names age.
PEOPLE = """\
respondent,stance,text,place,adult
w1,should,Age,city,yes
w1,should,Wealth,,
w2,should,Age,City,yes
w3,should,Age,city,
w4,should,,city;country,yes
w5,should,Wealth,Country,yes
w6,should,,COUNTRY,yes
w7,should,Age,,yes
"""


def asked(respondent: str, **stated: Said) -> ImportedRespondent:
    return ImportedRespondent(
        respondent=respondent,
        kind=RespondentKind.HUMAN,
        stances=frozenset({Stance.SHOULD}),
        stated=stated,
    )


def bring(coders: Any, *people: ImportedRespondent, source: str = "paper.csv") -> Any:
    return coders.do(import_suggestions, [], source=source, asked=people)


def stated(coders: Any) -> dict[str, Any]:
    return {one.respondent: one.stated for one in coders.see(coding_of, include_simulated=False).asked}


def test_a_later_import_adds_what_somebody_stated_and_that_makes_a_newer_coding(coders) -> None:
    bring(coders, asked("r1", place=("city",)), asked("r2"))
    seen = [coders.see(coding_state)]
    again = bring(coders, asked("r1", place=("city",)), asked("r2", place=()))
    assert (again.respondents_completed, coders.see(coding_state)) == (0, seen[0])

    found = bring(coders, asked("r1", adult=("yes",)), asked("r2", place=("country", "city")))
    assert (found.respondents_added, found.respondents_completed) == (0, 2)
    assert stated(coders) == {
        "r1": {"place": ("city",), "adult": ("yes",)},
        "r2": {"place": ("country", "city")},
    }
    assert coders.see(coding_state) not in seen
    assert coders.events()[-1] == (
        "suggestions imported",
        {
            "source": "paper.csv",
            "added": 0,
            "already_there": 0,
            "respondents_added": 0,
            "respondents_completed": 2,
        },
    )


def test_what_contradicts_an_earlier_import_of_the_source_is_refused_as_a_whole(coders) -> None:
    bring(coders, asked("r1", place=("city", "country")))
    before = (stated(coders), coders.events())
    # In another order it is the same.
    bring(coders, asked("r1", place=("country", "city")))
    with pytest.raises(BadImport) as raised:
        bring(coders, asked("r2", place=("city",)), asked("r1", adult=("yes",), place=("city",)))
    (complaint,) = raised.value.complaints
    assert (complaint.row, complaint.column) == (2, "stated.place")
    assert "'r1' of 'paper.csv' has stated 'city;country' in an earlier import, and 'city' here" in str(
        complaint
    )
    assert (stated(coders), coders.events()) == before
    # In another source it is somebody else.
    assert bring(coders, asked("r1", place=("city",)), source="other.csv").respondents_added == 1


def test_numbers_and_text_are_kept_completed_and_not_contradicted(coders) -> None:
    bring(coders, asked("r1", place=("city",), born=1970))
    seen = coders.see(coding_state)
    assert bring(coders, asked("r1", born=1970.0), asked("r2", gifts=0)).respondents_completed == 0
    more = bring(coders, asked("r1", work="Nurse", gifts=0), asked("r2", gifts=0, work=""))
    assert (more.respondents_added, more.respondents_completed) == (0, 1)
    assert coders.see(coding_state) != seen

    def kept(session: Any, study: Any) -> dict[str, Any]:
        query = select(ImportedRespondentRow).where(ImportedRespondentRow.study_id == study.id)
        return {row.respondent: row.stated for row in session.scalars(query)}

    whole = {"r1": {"place": ["city"], "born": 1970, "work": "Nurse", "gifts": 0}, "r2": {"gifts": 0}}
    assert coders.see(kept) == whole
    for stated, says in (
        ({"born": 1971}, "has stated '1970' in an earlier import, and '1971' here"),
        ({"gifts": 1}, "has stated '0' in an earlier import, and '1' here"),
        # Text may tell who somebody is, and messages land in logs.
        ({"work": "Cook"}, "has stated a text in an earlier import, and another text here"),
    ):
        with pytest.raises(BadImport) as raised:
            bring(coders, asked("r1", **stated))
        assert says in str(raised.value.complaints[0])
    assert coders.see(kept) == whole


def test_numbers_and_text_make_no_groups_and_stand_in_no_coding(coders) -> None:
    bring(coders, asked("r1", place=("city",), born=1970, work="Nurse"), asked("r2", born=1980))

    coding = coders.see(coding_of, include_simulated=False)

    assert questions_stated(coding) == ("place",)
    assert {one.respondent: one.stated for one in coding.asked} == {"r1": {"place": ("city",)}, "r2": {}}
    text = coding_text(coding)
    assert not [said for said in ("1970", "Nurse", "1980") if said in text]
    assert coding_from_text(text) == coding


def test_groups_are_counted_from_a_table_that_was_collected_elsewhere(coders) -> None:
    lines = read_suggestions_csv(PEOPLE.encode(), "w.csv", parse_design(ATTRIBUTES))
    entries = [
        ImportedSuggestion(respondent=line.respondent, kind=line.kind, stance=line.stance, text=line.text)
        for line in lines
        if line.text
    ]
    people: dict[str, dict[str, Said]] = {}
    for line in lines:
        people.setdefault(line.respondent, {}).update(line.stated)
    done = coders.do(
        import_suggestions,
        entries,
        source="w.csv",
        asked=[asked(name, **said) for name, said in people.items()],
    )
    coders.category("Age", "Wealth")
    for id_, one in zip(done.ids, entries, strict=True):
        coders.code(id_, one.text.lower())

    coding = coders.see(coding_of, include_simulated=False)
    counts = group_counts(coding, "place")

    assert [(group.option, group.asked) for group in counts.groups] == [("city", 4), ("country", 3)]
    assert (counts.did_not_say, counts.overlap) == (1, True)
    shares = {row.category: [(share.count, share.of) for share in row.shares] for row in counts.categories}
    assert shares == {"age": [(3, 4), (0, 3)], "wealth": [(1, 4), (1, 3)]}
    assert coding_from_text(coding_text(coding)) == coding, "what is stated comes back from coding.json"
