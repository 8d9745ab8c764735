"""What people said of themselves in columns of an imported table; columns that nothing reads are named."""

from __future__ import annotations

import pytest

from survey.answers import RespondentKind
from survey.coding.codebook_file import codebook_remarks
from survey.coding.coded_elsewhere import codes_remarks, read_suggestions_csv, suggestions_remarks
from survey.coding.coding import CodingError, Suggestion
from survey.coding.sheets import coding_sheet
from survey.coding.stated_columns import Said
from survey.design import StudyDesign
from survey.design_file import parse_design
from survey.questionnaire import read_form
from survey.suggestions import Stance

DESIGN = """
[study]
slug = "attributes"
title = "What should decide?"
version = "1"
[texts]
introduction = "What this is."
consent = "What you agree to."
debrief = "What it was about."
[suggestions.should]
question = "What should be considered?"
label = "Something that should count"
[[screener]]
name = "Adult"
text = "Are you an adult?"
kind = "choice"
options = [{ name = "yes", words = "Yes" }, { name = "no", words = "No", screens_out = true }]
[[demographics]]
name = "place"
text = "Where have you lived?"
kind = "several"
options = [
  { name = "city", words = "City; town" },
  { name = "country", words = "Country" },
  { name = "sea", words = "At sea" },
]
[[demographics]]
name = "language"
text = "What do you speak?"
kind = "choice"
options = [{ name = "one", words = "One language" }, { name = "more", words = "Two or more" }]
[[demographics]]
name = "born"
text = "When were you born?"
kind = "number"
minimum = 1900
maximum = 2010
[[demographics]]
name = "work"
text = "What is your work?"
kind = "text"
[[demographics]]
name = "balance"
text = "What do you owe, or own?"
kind = "number"
[[demographics]]
name = "donations"
text = "How often have you given blood?"
kind = "number"
minimum = 0
[[demographics]]
name = "hours"
text = "How many hours do you sleep?"
kind = "number"
maximum = 24
[languages.de]
study.title = "Was soll entscheiden?"
[languages.de.texts]
introduction = "Was das ist."
consent = "Was Sie erlauben."
debrief = "Worum es ging."
[languages.de.suggestions.should]
question = "Was soll zählen?"
label = "Etwas, das zählen soll"
[languages.de.screener.Adult]
text = "Sind Sie erwachsen?"
options = { yes = "Ja", no = "Nö" }
[languages.de.demographics.place]
text = "Wo haben Sie gelebt?"
options = { city = "Großstadt", country = "Land", sea = "Country" }
[languages.de.demographics.language]
text = "Was sprechen Sie?"
options = { one = "Eine Sprache", more = "Mehrere" }
[languages.de.demographics.born]
text = "Wann sind Sie geboren?"
[languages.de.demographics.work]
text = "Was arbeiten Sie?"
[languages.de.demographics.balance]
text = "Was schulden oder haben Sie?"
[languages.de.demographics.donations]
text = "Wie oft haben Sie Blut gespendet?"
[languages.de.demographics.hours]
text = "Wie viele Stunden schlafen Sie?"
"""
HEAD = "respondent,stance,text"


@pytest.fixture(scope="module")
def design() -> StudyDesign:
    return parse_design(DESIGN)


@pytest.mark.parametrize(
    ("columns", "cell", "meant"),
    [
        ("place", "city", {"place": ("city",)}),
        ("PLACE", "CITY", {"place": ("city",)}),
        ("place", "großSTADT", {"place": ("city",)}),
        ("place", "GROSSSTADT", {"place": ("city",)}),
        ("place", "  At   sea ", {"place": ("sea",)}),
        # The words hold what separates; options stand in the design's order, each once.
        ("place", "City; town", {"place": ("city",)}),
        ("place", "sea;Land; city;sea;", {"place": ("city", "country", "sea")}),
        # Called so in English; in German, "Country" are the words of another, but a name says the same everywhere.
        ("place", "country", {"place": ("country",)}),
        ("place", "Prefer not to say", {}),
        ("place", "prefer-not-to-say", {}),
        ("place", " ", {}),
        ("place", ";", {}),
        ("adult", "NÖ", {"Adult": ("no",)}),
        ("screener.adult", "yes", {"Adult": ("yes",)}),
        ("language", "more", {}),
        ("demographics.language", "mehrere", {"language": ("more",)}),
        ("born", "1970", {"born": 1970}),
        ("Born", " 2010.0 ", {"born": 2010}),
        ("demographics.born", "1900", {"born": 1900}),
        ("born", "Prefer not to say", {}),
        ("born", " ", {}),
        # Spreadsheets protect what begins like a formula.
        ("balance", "'-0.5", {"balance": -0.5}),
        ("donations", "0", {"donations": 0}),
        ("hours", '"7,5"', {"hours": 7.5}),
        ("work", '" Nurse; nights\x07 "', {"work": "Nurse; nights"}),
        ("work", "'=1+1", {"work": "=1+1"}),
        ("work", "42", {"work": "42"}),
        ("work", "prefer not to say", {}),
        ("work", "w" * 2000, {"work": "w" * 2000}),
        ("place,adult", "city,ja", {"place": ("city",), "Adult": ("yes",)}),
    ],
)
def test_a_cell_names_options_by_name_or_words_in_any_language_or_holds_a_number_or_text(
    design: StudyDesign, columns: str, cell: str, meant: dict[str, Said]
):
    table = f"{HEAD},{columns}\nr1,should,x,{cell}\n"

    (line,) = read_suggestions_csv(table.encode(), "x.csv", design)

    assert line.stated == meant
    # 2010.0 equals 2010, but is written otherwise.
    assert {name: type(said) for name, said in line.stated.items()} == {n: type(s) for n, s in meant.items()}


def test_a_number_or_text_is_what_the_page_of_the_form_would_store(design: StudyDesign):
    sent = {"born": "1970,0", "work": " Nurse ", "balance": "1e3", "hours": "7.25", "donations": "2"}
    row = ",".join(f'"{cell}"' for cell in sent.values())
    table = f"{HEAD},{','.join(sent)}\nr1,should,x,{row}\n"

    (line,) = read_suggestions_csv(table.encode(), "x.csv", design)

    stored, wrong = read_form(
        design.demographics, {name: [text] for name, text in sent.items()}, all_needed=False
    )
    assert (dict(line.stated), wrong) == (stored, [])


@pytest.mark.parametrize(
    ("columns", "rows", "said"),
    [
        (
            "adult",
            ["r1,should,x,perhaps"],
            r"x\.csv:2: column 'adult': 'perhaps' is none of the options yes, no, nor the words of one",
        ),
        ("place", ["r1,should,x,city;moon"], r"column 'place': 'moon' is none of the options city, country, sea"),
        ("adult", ["r1,should,x,yes;no"], r"'yes;no' is more than one answer; the question takes one of yes, no"),
        ("adult", ["r1,should,x,2"], r"x\.csv:2: column 'adult': '2' is none"),
        (
            "adult",
            ["r1,should,x,yes", "r2,should,x,no", "r1,should,y,", "r1,should_not,z,Nö"],
            r"x\.csv:5: column 'adult': 'Nö' contradicts 'yes' in line 2, which is about 'r1', too",
        ),
        ("place", ["r1,should,x,city", "r1,should,y,city;sea"], r"csv:3: column 'place': 'city;sea' contradicts"),
        (
            "born",
            ["r1,should,x,1899"],
            r"x\.csv:2: column 'born': '1899' is out of range; write a number from 1900 to 2010, or leave the cell "
            "empty",
        ),
        ("born", ["r1,should,x,2010.5"], r"csv:2: column 'born': '2010\.5' is out of range; write a number from"),
        ("balance", ['r1,should,x,"12,500"'], r"'12,500' may be 12500 or 12\.500; write it without a comma"),
        ("born", ["r1,should,x,1_980"], r"'1_980' is not a number; write a number from 1900 to"),
        ("born", ["r1,should,x,in May"], r"column 'born': 'in May' is not a number; write a number from 1900 to"),
        ("donations", ["r1,should,x,-1"], r"'-1' is out of range; write a number of at least 0, or leave"),
        ("hours", ["r1,should,x,25"], r"'25' is out of range; write a number of at most 24, or leave"),
        ("balance", ["r1,should,x,inf"], r"'inf' is not a number; write a number such as 42, or leave"),
        (
            "work",
            ["r1,should,x," + "w" * 2001],
            r"x\.csv:2: column 'work': has 2001 characters; 2000 are the most that the form takes; shorten it",
        ),
        (
            "donations,work",
            ["r1,should,x,0,Nurse", "r1,should,y,1,Cook"],
            r"csv:3: column 'donations': '1' contradicts '0' in line 2.*\n.*'work': 'Cook' contradicts 'Nurse'",
        ),
        ("adult,screener.adult", ["r1,should,x,yes,no"], r"csv:2: column 'screener.adult': 'no' contradicts 'yes'"),
    ],
)  # fmt: skip
def test_what_the_form_would_not_take_or_contradicts_is_named_with_line_and_column(
    design: StudyDesign, columns: str, rows: list[str], said: str
):
    table = "\n".join([f"{HEAD},{columns}", *rows, ""])

    with pytest.raises(CodingError, match=said):
        read_suggestions_csv(table.encode(), "x.csv", design)


def test_words_that_two_options_have_in_two_languages_are_no_answer():
    design = parse_design(DESIGN.replace('sea = "Country"', 'sea = "City; Town"'))

    with pytest.raises(CodingError, match=r"'CITY; TOWN' may be city or sea; write the option's name"):
        read_suggestions_csv(f"{HEAD},place\nr1,should,x,CITY; TOWN\n".encode(), "x.csv", design)


def test_one_line_of_a_respondent_is_enough_and_the_others_may_say_the_same_or_nothing(design: StudyDesign):
    table = f"{HEAD},adult\nr1,should,x,\nr1,should,y,yes\nr1,should,z,JA\nr2,should,,no\n"

    lines = read_suggestions_csv(table.encode(), "x.csv", design)

    assert [dict(line.stated) for line in lines] == [
        {},
        {"Adult": ("yes",)},
        {"Adult": ("yes",)},
        {"Adult": ("no",)},
    ]


def test_questions_that_differ_in_case_alone_have_no_column():
    twins = DESIGN.replace('name = "born"', 'name = "PLACE"').replace(
        "demographics.born", "demographics.PLACE"
    )
    table = f"{HEAD},place\nr1,should,x,city\n".encode()
    design = parse_design(twins)

    (line,) = read_suggestions_csv(table, "x.csv", design)

    assert line.stated == {}
    (remark,) = suggestions_remarks(table, "x.csv", design)
    assert "'place'; those that are read" in remark


def test_columns_that_are_not_read_are_named_with_what_is_likely_to_be_meant(design: StudyDesign):
    table = f"{HEAD},reason,palce,born,note,empty,,\nr1,should,x,because,city,1970,hm,,x,\n".encode()

    (remark,) = suggestions_remarks(table, "x.csv", design)

    assert remark == (
        "x.csv: columns were passed over: 'reason' (is 'why' meant?), 'palce' (is 'place' meant?), "
        "'note', 'column 9'; those that are read: respondent, stance, text, why, direction, language, kind, "
        "number, adult, place, demographics.language, born, work, balance, donations, hours"
    )


def test_a_column_that_is_there_is_not_what_another_is_meant_for(design: StudyDesign):
    table = f"{HEAD},why,reason,texts\nr1,should,x,a,b,c\n".encode()

    (remark,) = suggestions_remarks(table, "x.csv", design)

    assert "passed over: 'reason', 'texts'; those that are read" in remark


def test_nothing_is_said_where_all_is_read(design: StudyDesign):
    table = f"{HEAD},place,demographics.place,note\nr1,should,x,city,,\n".encode()

    assert suggestions_remarks(table, "x.csv", design) == ()


def test_a_codebook_and_codes_say_what_was_passed_over():
    assert codebook_remarks(b"name;label;definitions\nage;Age;How old\n", "book.csv") == (
        "book.csv: column was passed over: 'definitions' (is 'definition' meant?)",
    )
    assert codes_remarks(b"suggestion,categorys,coder,outcome\n1,age,anna,\n", "c.csv") == (
        "c.csv: column was passed over: 'categorys' (is 'category' meant?)",
    )


def test_a_coding_sheet_of_ours_is_read_without_a_remark():
    suggestion = Suggestion(
        id=1,
        respondent="r1",
        kind=RespondentKind.HUMAN,
        stance=Stance.SHOULD,
        text="x",
        why="y",
        direction="z",
    )

    assert codes_remarks(coding_sheet([suggestion], {1: "age"}).encode(), "anna.csv") == ()
