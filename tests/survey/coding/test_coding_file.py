"""coding.json, the tables beside it, the codebook alone, and tables filled in elsewhere."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.answers import RespondentKind
from survey.cli import run
from survey.coding.codebook_file import codebook_csv, codebook_json, read_codebook_csv, read_codebook_json
from survey.coding.coded_elsewhere import read_codes, read_suggestions_csv
from survey.coding.coding import Asked, Category, Code, CodeKind, Coding, CodingError, Outcome, Suggestion
from survey.coding.coding_file import coding_from_text, coding_sha256, coding_text, read_coding, write_coding
from survey.coding.coding_tables import read_tables, tables_of
from survey.coding.spreadsheet import protected, read_sheet, unprotected
from survey.config import load_settings
from survey.db import open_database, reading
from survey.store.coding_data import coding_of
from survey.store.studies import find_study
from survey.suggestions import Stance, as_written

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CATEGORIES = (
    Category(name="age", label="Age", definition="How old; not: years to live"),
    Category(name="years", label="How old", merged_into="age"),
    Category(name="life", label="Way of life", retired=True),
    Category(name="drinking", label="Drinking", split_from="life"),
)
CODING = Coding(
    study="kidney-attributes",
    version="1",
    design_hash="ab" * 32,
    categories=CATEGORIES,
    suggestions=(
        Suggestion(
            id=1,
            respondent="p-1",
            kind=RespondentKind.HUMAN,
            stance=Stance.SHOULD,
            text="Younger first",
            why="=cmd|' /C calc'!A0",
            direction="-the young",
            language="en",
            group=1,
        ),
        Suggestion(
            id=2,
            respondent="p-1",
            kind=RespondentKind.HUMAN,
            stance=Stance.SHOULD_NOT,
            text='الكحول 👨‍👩‍👧\nand <b>race</b>; "money"',
        ),
        Suggestion(id=3, respondent="m#1", kind=RespondentKind.MODEL, stance=Stance.SHOULD, text="'=age"),
    ),
    codes=(
        Code(
            suggestion=1, kind=CodeKind.ADJUDICATED, coder="", outcome=Outcome.CATEGORY, category="age", at=AT
        ),
        Code(
            suggestion=1, kind=CodeKind.CODER, coder="anna", outcome=Outcome.CATEGORY, category="years", at=AT
        ),
        Code(suggestion=1, kind=CodeKind.CODER, coder="ben", outcome=Outcome.UNUSABLE),
        Code(suggestion=1, kind=CodeKind.MODEL, coder="gpt", outcome=Outcome.CATEGORY, category="age"),
        Code(suggestion=2, kind=CodeKind.CODER, coder="anna", outcome=Outcome.CATEGORY, category="age"),
        Code(suggestion=2, kind=CodeKind.CODER, coder="anna", outcome=Outcome.CATEGORY, category="drinking"),
        Code(suggestion=2, kind=CodeKind.CODER, coder="ben", outcome=Outcome.NO_CATEGORY),
    ),
    asked=(
        Asked(
            respondent="m#1", kind=RespondentKind.MODEL, simulated=False, stances=frozenset({Stance.SHOULD})
        ),
        Asked(
            respondent="p-1",
            kind=RespondentKind.HUMAN,
            simulated=False,
            stances=frozenset(Stance),
            stated={"age_group": ("under-35",), "several": ()},
            order=2,
        ),
        Asked(
            respondent="p-2",
            kind=RespondentKind.HUMAN,
            simulated=True,
            stances=frozenset(Stance),
            order=1,
        ),
    ),
)

# Whatever a person can write and a page keeps: see survey.suggestions.as_written.
WRITTEN = st.text(max_size=40).map(as_written)
FILLED = WRITTEN.filter(bool)
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
NO_NAMES = {outcome.value for outcome in Outcome}


@st.composite
def codings(draw: st.DrawFn) -> Coding:
    """Codings as a database can hold them."""
    names = draw(st.lists(NAMES.filter(lambda n: n not in NO_NAMES), min_size=1, max_size=4, unique=True))
    categories = tuple(
        Category(
            name=name,
            # A label has one line, and no other category's.
            label=f"{number} {' '.join(draw(WRITTEN).split())}".strip(),
            definition=draw(WRITTEN),
            # Only into earlier ones, so that there is no circle.
            merged_into=draw(st.sampled_from(["", *names[:number]])),
            split_from=draw(st.sampled_from(["", *names[:number]])),
            retired=draw(st.booleans()),
        )
        for number, name in enumerate(names)
    )
    kinds = draw(st.dictionaries(FILLED, st.sampled_from(RespondentKind), min_size=1, max_size=3))
    asked = tuple(
        Asked(
            respondent=respondent,
            kind=kind,
            simulated=draw(st.booleans()),
            stances=draw(st.frozensets(st.sampled_from(Stance), min_size=1)),
            stated=draw(st.dictionaries(NAMES, st.lists(NAMES, max_size=2).map(tuple), max_size=2)),
            order=draw(st.integers(0, 99)),
        )
        for respondent, kind in sorted(kinds.items())
    )
    ids = draw(st.lists(st.integers(1, 10**9), max_size=5, unique=True))
    suggestions = []
    for id_ in sorted(ids):
        one = draw(st.sampled_from(asked))
        suggestions.append(
            Suggestion(
                id=id_,
                respondent=one.respondent,
                kind=one.kind,
                stance=draw(st.sampled_from(sorted(one.stances))),
                text=draw(FILLED),
                why=draw(WRITTEN),
                direction=draw(WRITTEN),
                language=draw(st.sampled_from(["", "de", "en"])),
                group=draw(st.none() | st.integers(1, 9)),
            )
        )
    codes: list[Code] = []
    who = [(CodeKind.ADJUDICATED, ""), (CodeKind.CODER, draw(FILLED)), (CodeKind.MODEL, draw(FILLED))]
    for id_ in sorted(ids):
        for kind, coder in who:
            said = draw(st.sampled_from([None, *Outcome]))
            chosen = sorted(draw(st.sets(st.sampled_from(names), min_size=1)))
            for category in {None: [], Outcome.CATEGORY: chosen}.get(said, [""]):
                assert said is not None
                codes.append(
                    Code(suggestion=id_, kind=kind, coder=coder, outcome=said, category=category, at=AT)
                )
    return Coding(
        study="short",
        version="1",
        design_hash=draw(WRITTEN),
        categories=categories,
        suggestions=tuple(suggestions),
        codes=tuple(sorted(codes, key=lambda c: (c.suggestion, c.kind, c.coder, c.outcome, c.category))),
        asked=asked,
    )


def test_what_is_written_is_read_again_and_the_same_coding_gives_the_same_bytes(tmp_path: Path):
    digest = write_coding(tmp_path / "coding.json", CODING)

    assert read_coding(tmp_path / "coding.json") == CODING
    assert digest == coding_sha256(CODING) == json.loads(coding_text(CODING))["sha256"]
    assert (tmp_path / "coding.json").read_text(encoding="utf-8") == coding_text(CODING)
    assert [path.name for path in tmp_path.iterdir()] == ["coding.json"]


@given(codings())
def test_any_coding_survives_the_file(coding: Coding):
    assert coding_from_text(coding_text(coding)) == coding


@given(codings())
def test_any_coding_survives_the_tables(coding: Coding):
    assert read_tables(tables_of(coding, coding_sha256=""), "folder") == coding


@given(codings())
def test_any_codebook_survives_csv_and_json(coding: Coding):
    assert read_codebook_csv(codebook_csv(coding.categories).encode(), "c.csv") == coding.categories
    assert read_codebook_json(codebook_json(coding), "c.json") == coding.categories


@given(st.text())
def test_protected_text_is_no_formula_and_comes_back_as_it_was(text: str):
    cell = protected(text)

    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unprotected(cell) == text


@pytest.mark.parametrize("text", ["=1+1", "-2", "@a", "+4", "'=1", "''@x", "'quoted' word", "'", "＝1"])
def test_formulas_are_shielded_and_apostrophes_of_people_stay(text: str):
    assert unprotected(protected(text)) == text
    assert unprotected(text) == (text[1:] if text in ("'=1", "''@x") else text)


def test_the_hash_is_of_the_content_not_of_the_layout():
    spread = json.dumps(json.loads(coding_text(CODING)), indent=7, sort_keys=True)

    assert coding_from_text(spread) == CODING
    changed = replace(CODING, codes=CODING.codes[:-1])
    assert coding_sha256(changed) != coding_sha256(CODING)


def test_a_file_changed_by_hand_is_refused_until_its_hash_is_removed():
    document = json.loads(coding_text(CODING))
    document["categories"][0]["label"] = "Years"

    with pytest.raises(
        CodingError, match=r"x\.json: was changed after it was written.*remove the key 'sha256'"
    ):
        coding_from_text(json.dumps(document), "x.json")
    del document["sha256"]
    assert coding_from_text(json.dumps(document)).category("age").label == "Years"


def without_hash(**changed: Any) -> str:
    document = json.loads(coding_text(CODING))
    del document["sha256"]
    return json.dumps(document | changed)


DOCUMENT = json.loads(coding_text(CODING))
REST = DOCUMENT["categories"][1:]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", r"coding\.json: is not JSON"),
        ("[" * 100_000, r"coding\.json: is not JSON"),
        ('{"format": "equipoise alignment"}', "is no coding"),
        (without_hash(format_version=2), "format version 2, this program reads 1"),
        (without_hash(extra=1), "extra: is not a key of this file"),
        (without_hash(codes=[{**DOCUMENT["codes"][0], "outcome": "maybe"}]), r"codes\[1\]\.outcome: "),
        (without_hash(codes=[{**DOCUMENT["codes"][0], "suggestion": "1"}]), r"codes\[1\]\.suggestion: "),
        (without_hash(codes=[{**DOCUMENT["codes"][0], "suggestion": 9}]), "there is no suggestion 9"),
        (without_hash(codes=[{**DOCUMENT["codes"][0], "category": "x"}]), "there is no category 'x'"),
        (without_hash(codes=[{**DOCUMENT["codes"][0], "category": ""}]), "given with the outcome 'category'"),
        (without_hash(codes=[{**DOCUMENT["codes"][1], "coder": ""}]), r"codes\[1\]\.coder: is empty for"),
        (without_hash(codes=[DOCUMENT["codes"][1]] * 2), r"codes\[2\]: stands there twice"),
        (
            without_hash(codes=[DOCUMENT["codes"][4], {**DOCUMENT["codes"][6], "coder": "anna"}]),
            "'no_category' excludes what the same coder says besides",
        ),
        (
            without_hash(categories=[{**DOCUMENT["categories"][0], "merged_into": "years"}, *REST]),
            r"categories\[1\]\.merged_into: 'age' is merged into itself by way of age, years",
        ),
        (without_hash(categories=[{**DOCUMENT["categories"][1]}]), "there is no category 'age'"),
        (without_hash(suggestions=[{**DOCUMENT["suggestions"][0], "text": " "}]), r"ons\[1\]\.text: is empty"),
        (without_hash(suggestions=[DOCUMENT["suggestions"][0]] * 2), r"ons\[2\]\.id: 1 stands there twice"),
        (without_hash(asked=[DOCUMENT["asked"][0]] * 2), r"asked\[2\]\.respondent: 'm#1' stands there twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_named_with_its_place(text: str, said: str):
    with pytest.raises(CodingError, match=said):
        coding_from_text(text)


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path):
    (tmp_path / "latin.json").write_bytes(b'{"format": "\xe4"}')

    with pytest.raises(CodingError, match=r"none\.json: No such file"):
        read_coding(tmp_path / "none.json")
    with pytest.raises(CodingError, match=r"latin\.json: is not UTF-8"):
        read_coding(tmp_path / "latin.json")


def test_no_cell_of_the_tables_is_a_formula_and_the_manifest_describes_every_column():
    files = tables_of(CODING, coding_sha256="cd" * 32)

    for name, content in files.items():
        if name.endswith(".csv"):
            rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
            assert not [c for row in rows for c in row if c.startswith(("=", "+", "-", "@"))]
            assert list(json.loads(files["manifest.json"])["files"][name]["columns"]) == rows[0]
    assert b"'=cmd|' /C calc'!A0" in files["suggestions.csv"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbfsep=;\r\n"])
def test_tables_of_excel_are_read_whatever_their_marks_delimiters_and_line_ends(
    delimiter: str, newline: str, mark: bytes
):
    rows = [
        ["Respondent", " stance ", "text", "note"],
        ["r1", "SHOULD", 'a, "b"; c\nd', "-1"],
        ["r2", "should_not", "", ""],
    ]
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator=newline).writerows([*rows, ["", "", "", ""]])
    if mark.endswith(b"\n") and delimiter != ";":
        mark = mark.replace(b";", delimiter.encode())

    lines = read_suggestions_csv(mark + file.getvalue().encode(), "x.csv")

    assert [(line.respondent, line.stance, line.text, line.number) for line in lines] == [
        ("r1", Stance.SHOULD, 'a, "b"; c\nd', 1),
        ("r2", Stance.SHOULD_NOT, "", 1),
    ]


def test_entries_that_say_the_same_are_told_apart_by_their_number():
    table = (
        "respondent,stance,text,number\nr1,should,age,\nr1,should,age,\nr1,should_not,age,\nr2,should,age,7\n"
    )

    assert [line.number for line in read_suggestions_csv(table.encode(), "x.csv")] == [1, 2, 1, 7]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", r"x\.csv: is empty"),
        ("respondent,text\n", r"x\.csv:1: has no column 'stance'; its columns are respondent, text"),
        ("respondent,stance,text,text\n", r"x\.csv:1: column 'text' stands there twice"),
        ('respondent,stance,text\nr1,should,"a\nb"\nr2,maybe,c\n', r"csv:4: column 'stance': 'maybe' is"),
        ("respondent,stance,text\nr1,should\n", r"x\.csv:2: has 2 cells, the first line has 3"),
        ("respondent,stance,text\n,should,a\n", r"x\.csv:2: column 'respondent': is empty"),
        ("respondent,stance,text,why\nr1,should,,because\n", r"x\.csv:2: column 'text': is empty, but there is"),
        (f"respondent,stance,text\nr1,should,{'a' * 2001}\n", r"x\.csv:2: column 'text': has 2001 characters"),
        ("respondent,stance,text,number\nr1,should,a,-1\n", r"x\.csv:2: column 'number': '-1' is not a"),
        ('respondent,stance,text\nr1,should,"a\n', r"x\.csv:2: is no row of a CSV file"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_suggestions_from_elsewhere_is_named_with_line_and_column(table: str, said: str):
    with pytest.raises(CodingError, match=said):
        read_suggestions_csv(table.encode(), "x.csv")


def test_a_table_that_is_not_utf_8_is_refused_with_its_line():
    with pytest.raises(CodingError, match=r"x\.csv:2: is not UTF-8 text; in Excel, save it as 'CSV UTF-8"):
        read_suggestions_csv("respondent,stance,text\nr1,should,Ähnlich\n".encode("latin-1"), "x.csv")
    with pytest.raises(CodingError, match=r"x\.csv:1: is not UTF-8"):
        read_suggestions_csv("respondent,stance,text\n".encode("utf-16"), "x.csv")


def test_of_very_many_complaints_the_first_are_told_and_how_many_more():
    table = "respondent,stance,text\n" + "r1,maybe,a\n" * 50

    with pytest.raises(CodingError) as error:
        read_suggestions_csv(table.encode(), "x.csv")
    assert len(str(error.value).splitlines()) == 21
    assert str(error.value).endswith("and 30 more")


def test_a_spreadsheet_coded_by_hand_names_categories_by_name_or_label():
    table = (
        "suggestion;stance;text;categories;outcome\n"
        "1;should;Younger first;AGE; \n"
        "2;should_not;x;drinking; age;\n".replace("drinking; age", '"drinking; age"')
        + "3;should;y;;unusable\n4;should;not yet;;\n"
    )

    lines = read_codes(table.encode(), "x.csv", CATEGORIES, coder="anna")

    assert [(line.suggestion, line.coder, line.outcome, line.categories) for line in lines] == [
        (1, "anna", Outcome.CATEGORY, ("age",)),
        (2, "anna", Outcome.CATEGORY, ("drinking", "age")),
        (3, "anna", Outcome.UNUSABLE, ()),
    ]


def test_rows_of_one_coder_about_one_suggestion_are_taken_together():
    table = "suggestion,coder,category\n1,anna,age\n1,ben,age\n1,anna,drinking\n1,anna,age\n"

    lines = read_codes(table.encode(), "x.csv", CATEGORIES)

    assert [(line.coder, line.categories) for line in lines] == [
        ("anna", ("age", "drinking")),
        ("ben", ("age",)),
    ]


@pytest.mark.parametrize(
    ("table", "coder", "said"),
    [
        ("suggestion,text\n", "anna", "has no column 'category', 'categories' or 'outcome'"),
        ("suggestion,category\n1,age\n", "", "has no column 'coder'; add it, or say whose codes"),
        ("suggestion,category\n1,wealth\n", "anna", r"x\.csv:2: column 'category': there is no category 'wealth'"),
        ("suggestion,category,outcome\n1,age,unusable\n", "anna", "column 'outcome': 'unusable' excludes any"),
        ("suggestion,outcome\n1,category\n", "anna", "column 'outcome': says 'category', but none is named"),
        ("suggestion,coder,category\n1,ben,age\n", "anna", r"column 'coder': 'ben' is not anna"),
        ("suggestion,coder,kind,category\n1,ben,adjudicated,age\n", "", "column 'coder': is needed, and empty"),
        ("suggestion,category\none,age\n", "anna", r"x\.csv:2: column 'suggestion': 'one' is not a whole number"),
        ("suggestion,category,outcome\n1,age,\n1,,no_category\n", "anna", r"csv:3: column 'outcome': 'no_cat"),
        ("suggestion,category,at\n1,age,yesterday\n", "anna", "column 'at': 'yesterday' is not a time"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_codes_is_named_with_line_and_column(table: str, coder: str, said: str):
    with pytest.raises(CodingError, match=said):
        read_codes(table.encode(), "x.csv", CATEGORIES, coder=coder)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("name,label,retired\nage,Age,maybe\n", r"x\.csv:2: column 'retired': 'maybe' is not yes or no"),
        ("name,label\nhow old,Age\n", r"x\.csv:2: column 'name': 'how old' is not a name"),
        ("name,label\nage,\n", r"x\.csv:2: column 'label': is empty"),
        ("name,label\nage,A\nage,B\n", r"x\.csv:3: column 'name': 'age' stands there twice"),
        (
            "name,label,merged_into\nage,A,years\n",
            r"x\.csv:2: column 'merged_into': there is no category 'years'",
        ),
        (
            "name,label,merged_into\na,A,b\nb,B,a\n",
            r"x\.csv:2: column 'merged_into': 'a' is merged into itself",
        ),
    ],
)
def test_what_is_wrong_in_a_codebook_is_named_with_line_and_column(table: str, said: str):
    with pytest.raises(CodingError, match=said):
        read_codebook_csv(table.encode(), "x.csv")


@pytest.mark.parametrize(
    ("categories", "said"),
    [
        ("no list", "categories: is not a list"),
        ([{"name": "age"}], r"categories\[1\]\.label: is missing or empty"),
        ([{"name": "age", "label": "A", "hue": ""}], r"categories\[1\]\.hue: is not a key of a category"),
        ([{"name": "age", "label": 3}], r"categories\[1\]\.label: is '3', not text"),
        ([{"name": "a b", "label": "A"}], r"categories\[1\]\.name: 'a b' is not a name"),
        ([{"name": "a", "label": "A", "split_from": "b"}], r"categories\[1\]\.split_from: there is no"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_codebook_in_json_is_named_with_its_place(categories: object, said: str):
    document = {"format": "equipoise codebook", "format_version": 1, "categories": categories}

    with pytest.raises(CodingError, match=said):
        read_codebook_json(json.dumps(document), "x.json")


def test_a_folder_that_lacks_a_table_or_contradicts_itself_is_refused():
    files = tables_of(CODING, coding_sha256="")

    with pytest.raises(CodingError, match=r"f: holds no codes\.csv"):
        read_tables({name: content for name, content in files.items() if name != "codes.csv"}, "f")
    with pytest.raises(CodingError, match="there is no suggestion 77"):
        read_tables(files | {"codes.csv": files["codes.csv"].replace(b"\n1,", b"\n77,", 1)}, "f")
    with pytest.raises(CodingError, match=r"f/asked\.csv:2: column 'stances': 'maybe' is none of"):
        read_tables(files | {"asked.csv": files["asked.csv"].replace(b",should,", b",maybe,", 1)}, "f")


def test_a_column_that_nobody_knows_is_kept_out_of_the_way():
    sheet = read_sheet(b"name,label,note\nage,Age,=1\n", "x.csv", ["name", "label"])

    assert sheet.rows[0].cells == {"name": "age", "label": "Age", "note": "=1"}


def comparable(coding: Coding) -> Coding:
    """Return a coding with suggestions numbered from 1: a database gives numbers of its own."""
    numbers = {suggestion.id: number for number, suggestion in enumerate(coding.suggestions, start=1)}
    return replace(
        coding,
        design_hash="",
        suggestions=tuple(replace(s, id=numbers[s.id]) for s in coding.suggestions),
        codes=tuple(replace(code, suggestion=numbers[code.suggestion]) for code in coding.codes),
    )


@settings(max_examples=8)
@given(coding=codings())
@pytest.mark.parametrize("as_tables", [False, True])
def test_any_coding_survives_a_fresh_database_and_a_second_import_adds_nothing(
    as_tables: bool,
    coding: Coding,
    migrated_file: Path,
    one_arm_design: str,
    tmp_path_factory: pytest.TempPathFactory,
):
    folder = tmp_path_factory.mktemp("fresh")
    (folder / "equipoise.db").write_bytes(migrated_file.read_bytes())
    (folder / "design.toml").write_text(one_arm_design, encoding="utf-8")
    source = folder / ("tables" if as_tables else "coding.json")
    if as_tables:
        source.mkdir()
        for name, content in tables_of(coding, coding_sha256="").items():
            (source / name).write_bytes(content)
    else:
        write_coding(source, coding)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EQUIPOISE_DATABASE_URL", f"sqlite:///{folder / 'equipoise.db'}")
        assert run(["survey", "add", str(folder / "design.toml")]) == 0
        assert run(["survey", "coding", "import", "short", str(source)]) == 0
        engine = open_database(load_settings())
        with reading(engine) as session:
            first = coding_of(session, find_study(session, "short"), include_simulated=True)
        assert run(["survey", "coding", "import", "short", str(source)]) == 0
        with reading(engine) as session:
            second = coding_of(session, find_study(session, "short"), include_simulated=True)
        engine.dispose()

    assert comparable(first) == comparable(coding)
    assert second == first
