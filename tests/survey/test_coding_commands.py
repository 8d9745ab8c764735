"""``equipoise survey coding``, as a person runs it: from suggestions to a checked design."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from sqlalchemy import func, select

from survey.cli import run
from survey.coding.coding_file import coding_sha256, read_coding
from survey.coding.shuffled import shuffled
from survey.commands.coding.group import coding_group
from survey.config import load_settings
from survey.db import open_database, reading
from survey.design_file import EXAMPLES
from survey.tables import Base

Run = Callable[..., tuple[int, str, str]]
SLUG = "kidney-attributes"

# Six people, so that every share below can be counted on one's fingers. w6 was asked and named nothing.
WORKSHOP = """\
respondent,stance,text,why,direction,language,kind
w1,should,Age,the young have more to gain,the younger,en,
w1,should,Smoking,,,en,
w1,should_not,Income,,,en,
w2,should,How old somebody is,,,en,
w2,should_not,Skin color,,,en,
w3,should,age!,,,en,
w3,should_not,"=1+1",,,en,
w4,should,Smoking habits,,,en,
w4,should_not,Smoking,,,en,
w5,should,العمر 👨‍👩‍👧,,,ar,
w5,should_not,<b>Income</b>,,,en,
w6,should,,,,en,
w6,should_not,,,,en,
"""
ANNA = {"Age": "age", "Smok": "smoking", "How old": "age", "age!": "age", "Income": "income", "Skin": "no_category",
        "=1": "unusable", "العمر": "age"}  # fmt: skip


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose database holds the study, and nothing else; and the workshop's suggestions in a file."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "workshop.csv").write_text(WORKSHOP, encoding="utf-8")
    with at_home_in(folder):
        assert run(["survey", "add", str(EXAMPLES / f"{SLUG}.toml")]) == 0
    return folder


@pytest.fixture(scope="session")
def coded_folder(study_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workshop's suggestions, coded by anna and, but for what is about smoking, alike by ben."""
    folder = tmp_path_factory.mktemp("coded") / "here"
    shutil.copytree(study_folder, folder)
    with at_home_in(folder):
        assert run(["survey", "coding", "import", SLUG, "workshop.csv"]) == 0
        for label in ("Age", "Smoking", "Income"):
            assert run(["survey", "coding", "category", "add", SLUG, label]) == 0
        for coder in ("anna", "ben"):
            assert run(["survey", "coding", "export", SLUG, "--sheet", coder, "--out", f"{coder}.csv"]) == 0
            fill_in(folder / f"{coder}.csv", ANNA if coder == "anna" else ANNA | {"Smok": "income"})
            assert run(["survey", "coding", "code", SLUG, "--from", f"{coder}.csv", "--coder", coder]) == 0
    return folder


@contextmanager
def at_home_in(folder: Path) -> Iterator[None]:
    """Work in ``folder``, with the database there and no settings of anybody's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in list(os.environ):
            if name.startswith("EQUIPOISE_"):
                patch.delenv(name)
        yield


@pytest.fixture
def equipoise(study_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Return a function that runs the command in a folder of the test's own, whose database holds the study."""
    shutil.copytree(study_folder, tmp_path, dirs_exist_ok=True)

    def run_command(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    with at_home_in(tmp_path):
        yield run_command


@pytest.fixture
def coding(equipoise: Run) -> Run:
    """Return a function that runs ``survey coding COMMAND kidney-attributes …`` and demands that it works."""

    def run_command(command: str, *arguments: str) -> tuple[int, str, str]:
        code, out, err = equipoise("survey", "coding", *command.split(), SLUG, *arguments)
        assert code == 0, err
        return code, out, err

    return run_command


@pytest.fixture
def refused(equipoise: Run) -> Callable[..., str]:
    """Return a function that runs such a command, demands that it is refused, and gives what it says."""

    def run_command(command: str, *arguments: str) -> str:
        code, out, err = equipoise("survey", "coding", *command.split(), SLUG, *arguments)
        assert code == 2, (out, err)
        return err

    return run_command


@pytest.fixture
def coded(coding: Run, coded_folder: Path, tmp_path: Path) -> Run:
    """As ``coding``, with the workshop's suggestions coded by anna and ben."""
    shutil.copytree(coded_folder, tmp_path, dirs_exist_ok=True)
    return coding


def fill_in(path: Path, says: dict[str, str]) -> None:
    """Code a sheet by hand, as Excel in Germany would save it."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        said = next(word for start, word in says.items() if start in row["text"])
        row["outcome" if said in ("no_category", "unusable") else "categories"] = said
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), delimiter=";", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)


def everything_stored() -> dict[str, int]:
    """Return how many rows each table has."""
    engine = open_database(load_settings())
    with reading(engine) as session:
        found = {
            name: session.scalars(select(func.count()).select_from(table)).one()
            for name, table in Base.metadata.tables.items()
        }
    engine.dispose()
    return found


def test_every_command_has_help_with_an_example_and_json_where_its_result_is_data(equipoise: Run):
    def walk(command: click.Command, path: list[str]) -> None:
        code, said, _ = equipoise(*path, "--help")
        assert code == 0
        assert "Example" in said, path
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                inner = command.get_command(click.Context(command), name)
                assert inner is not None
                walk(inner, [*path, name])
        elif path[-1] != "acceptability":  # What it prints is TOML to paste.
            assert "--json" in said, path

    walk(coding_group, ["survey", "coding"])


def test_suggestions_collected_elsewhere_are_imported_once_with_those_who_named_nothing(coding: Run):
    _, said, _ = coding("import", "workshop.csv")
    assert said == "workshop.csv: suggestions: 11 added, 0 already there; respondents: 6 added\n"

    _, said, _ = coding("import", "workshop.csv")
    assert said == "workshop.csv: suggestions: 0 added, 11 already there; respondents: 0 added\n"
    # The same words from another source are other people's.
    _, said, _ = coding("import", "workshop.csv", "--source", "another workshop")
    assert said == "workshop.csv: suggestions: 11 added, 0 already there; respondents: 6 added\n"


def test_the_list_is_searched_filtered_and_paged(coded: Run):
    _, said, err = coded("list", "--search", "SMOK", "--stance", "should")
    assert "Smoking habits" in said
    assert "anna: smoking" in said
    assert "ben: income" in said
    assert "2 suggestions" in err

    _, said, _ = coded("list", "--search", "العمر", "--json")
    found = json.loads(said)
    assert [row["text"] for row in found["suggestions"]] == ["العمر 👨‍👩‍👧"]
    assert found["suggestions"][0]["codes"][0] == {
        "kind": "coder",
        "coder": "anna",
        "outcome": "category",
        "category": "age",
        "standing": "age",
    }
    _, said, err = coded("list", "--limit", "4", "--page", "3", "--json")
    assert [len(json.loads(said)[key]) if key == "suggestions" else json.loads(said)[key]
            for key in ("total", "page", "pages", "suggestions")] == [11, 3, 3, 3]  # fmt: skip
    assert "respondent" not in said


def test_whom_a_list_is_for_sees_nobody_elses_codes(coded: Run):
    _, said, _ = coded("list", "--coder", "ben")
    assert "ben: " in said
    assert "anna" not in said
    _, said, _ = coded("list", "--coder", "clara", "--state", "to_code", "--json")
    assert json.loads(said)["total"] == 11
    assert all(row["codes"] == [] for row in json.loads(said)["suggestions"])


def test_what_no_category_holds_and_what_is_unusable_is_listed(coded: Run, refused: Callable[..., str]):
    _, said, err = coded("list", "--no-category", "--coder", "anna")
    assert "Skin color" in said
    assert "1 suggestion" in err
    _, said, err = coded("list", "--unusable")
    assert "=1+1" in said
    assert "1 suggestion" in err
    _, said, err = coded("list", "--unusable", "--coder", "clara")
    assert (said, err) == ("", "0 suggestions\n")
    err = refused("list", "--unusable", "--category", "age")
    assert "--category, --no-category and --unusable exclude each other" in err


def test_only_a_list_for_no_coder_tells_people_from_models(
    coded: Run, refused: Callable[..., str], tmp_path: Path
):
    rows = "respondent,stance,text,kind\nm#1,should,Waiting time,model\n"
    (tmp_path / "models.csv").write_text(rows, encoding="utf-8")
    assert coded("import", "models.csv")[0] == 0
    assert coded("list", "--search", "waiting")[1] == "    12  should      Waiting time (model)\n"
    assert json.loads(coded("list", "--kind", "models", "--json")[1])["suggestions"][0]["kind"] == "model"
    assert "11 suggestions" in coded("list", "--kind", "people")[2]
    coded("code", "12", "--coder", "anna", "--category", "age")
    assert "5 should (1 of models), 0 should_not" in coded("categories")[1]

    assert "(model)" not in coded("list", "--coder", "anna")[1]
    for row in json.loads(coded("list", "--coder", "anna", "--json")[1])["suggestions"]:
        assert "kind" not in row
    assert "of models" not in coded("categories", "--coder", "anna")[1]
    assert "of_models" not in coded("categories", "--coder", "anna", "--json")[1]
    coded("code", "12", "--coder", "ben", "--category", "smoking")
    assert "Waiting time\n" in coded("adjudicate", "--open")[1]
    assert all(
        "kind" not in row for row in json.loads(coded("adjudicate", "--open", "--json")[1])["suggestions"]
    )
    coded("export", "--sheet", "clara", "--out", "clara.csv")
    sheet = (tmp_path / "clara.csv").read_text(encoding="utf-8-sig")
    assert "Waiting time" in sheet
    assert "model" not in sheet
    err = refused("list", "--coder", "anna", "--kind", "models")
    assert "--kind: who codes is not to know who made a suggestion" in err


def test_a_sheet_has_the_order_in_which_the_pages_show_them(coded: Run, tmp_path: Path):
    listed = json.loads(coded("list", "--coder", "clara", "--order", "shuffled", "--json")[1])["suggestions"]
    order = [row["id"] for row in listed]
    assert order == shuffled(range(1, 12), study=SLUG, version="1", coder="clara") != sorted(order)
    coded("export", "--sheet", "clara", "--out", "clara.csv")
    with (tmp_path / "clara.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [int(row["suggestion"]) for row in csv.DictReader(file)] == order


def test_look_alikes_are_grouped_and_nothing_is_coded_by_it(coding: Run):
    coding("import", "workshop.csv")
    _, said, _ = coding("alike", "--threshold", "0.5", "--json")
    found = json.loads(said)
    assert found["suggestions"] == 11
    assert ["Age", "age!"] in [sorted(group["texts"]) for group in found["largest"]]
    assert everything_stored()["code"] == 0

    group = next(g["group"] for g in found["largest"] if "age!" in g["texts"])
    _, said, _ = coding("list", "--alike", str(group), "--json")
    assert json.loads(said)["total"] == 2


def test_a_spreadsheet_coded_by_hand_is_taken_once_and_leaves_text_as_it_was(coded: Run, tmp_path: Path):
    _, said, _ = coded("code", "--from", "anna.csv", "--coder", "anna")
    assert said == "anna.csv: 0 codes added, 0 ended, 11 there already\n"
    # The formula was shielded in the sheet and is text in the study.
    assert "'=1+1" in (tmp_path / "anna.csv").read_text(encoding="utf-8-sig")
    _, said, _ = coded("list", "--search", "=1+1", "--json")
    assert json.loads(said)["suggestions"][0]["text"] == "=1+1"
    _, said, _ = coded("export", "--sheet", "anna", "--out", "rest.csv")
    assert said == "rest.csv: 0 suggestions for anna to code\n"


def test_what_a_coder_says_is_replaced_taken_back_and_kept_in_the_audit(coded: Run):
    assert (
        coded("code", "1", "2", "--coder", "anna", "--category", "income")[1] == "anna: 2 suggestions coded\n"
    )
    assert coded("code", "1", "--coder", "anna", "--category", "income")[1] == (
        "anna: 0 suggestions coded, 1 coded so already\n"
    )
    assert coded("code", "1", "--coder", "anna", "--unusable", "--json")[1] == (
        '{\n  "coder": "anna",\n  "changed": [\n    1\n  ]\n}\n'
    )
    coded("code", "1", "--coder", "anna", "--take-back")

    _, said, _ = coded("list", "--coder", "anna", "--state", "to_code", "--json")
    assert [row["id"] for row in json.loads(said)["suggestions"]] == [1]
    _, said, _ = coded("audit", "--json")
    newest = json.loads(said)[0]
    assert (newest["what"], newest["by"]) == ("suggestion coded", "command line")
    assert (newest["detail"]["before"], newest["detail"]["after"]) == (["unusable"], [])
    _, said, _ = coded("audit", "--limit", "3")
    assert said.count("suggestion coded") == 3


def test_agreement_is_measured_and_drawn(coded: Run, tmp_path: Path):
    _, said, _ = coded("agreement", "--out", "agreement.json", "--plot", "agreement.svg", "--draws", "50")
    assert "11 suggestions, 11 coded, 11 by two coders or more" in said
    found = json.loads((tmp_path / "agreement.json").read_text(encoding="utf-8"))
    # Of eleven suggestions they differ in the three about smoking.
    assert found["pairs"][0]["equal"]["value"] == pytest.approx(8 / 11)
    assert found["coding_sha256"] == exported_hash(coded, tmp_path)
    assert (tmp_path / "agreement.svg").read_text(encoding="utf-8").startswith("<svg")
    assert json.loads(coded("agreement", "--draws", "50", "--json")[1]) == found


def exported_hash(coding: Run, folder: Path) -> str:
    coding("export", "--out", "coding.json")
    return coding_sha256(read_coding(folder / "coding.json"))


def test_disagreements_are_listed_and_settled_one_by_one_or_with_a_coder(coded: Run):
    _, said, err = coded("adjudicate", "--open")
    assert said.count("anna: smoking") == said.count("ben: income") == 3
    assert "3 suggestions to settle" in err
    _, said, _ = coded("adjudicate", "--open", "--json")
    first = json.loads(said)["suggestions"][0]["id"]

    assert coded("adjudicate", str(first), "--category", "income")[1] == f"suggestion {first}: settled\n"
    assert (
        coded("adjudicate", str(first), "--category", "income")[1] == f"suggestion {first}: settled already\n"
    )
    assert (
        "2 suggestions settled as anna said: a decision, and logged as one; 0 still open"
        in (coded("adjudicate", "--with", "anna")[1])
    )
    coded("adjudicate", str(first), "--withdraw")
    _, said, _ = coded("adjudicate", "--open", "--json")
    assert [row["id"] for row in json.loads(said)["suggestions"]] == [first]
    assert "as_coder anna, settled 2" in coded("audit")[1]


def test_what_is_open_is_listed_in_an_order_of_whoever_settles(coded: Run, refused: Callable[..., str]):
    def listed(*more: str) -> list[int]:
        said = json.loads(coded("adjudicate", "--open", "--json", *more)[1])
        return [row["id"] for row in said["suggestions"]]

    came = listed("--order", "arrival")
    assert came == sorted(came)
    for name in ("anna", "clara", "dora", None):
        own = shuffled(came, study=SLUG, version="1", coder=name or "")
        assert listed(*(("--by", name) if name else ())) == own
    assert len({tuple(listed("--by", name)) for name in ("anna", "clara", "dora")}) > 1
    one_by_one = [listed("--by", "anna", "--limit", "1", "--page", str(page))[0] for page in (1, 2, 3)]
    assert one_by_one == listed("--by", "anna")
    for option in (("--by", "anna"), ("--order", "text")):
        assert "--by and --order go with --open" in refused("adjudicate", "--with", "anna", *option)


def test_results_count_people_and_leave_out_what_is_open(coded: Run, tmp_path: Path):
    _, said, _ = coded("results", "--draws", "50", "--json")
    found = json.loads(said)
    assert (found["counts"]["asked"], found["counts"]["named_nothing"]) == (6, 1)
    assert found["counts"]["left_out"]["open"] == 3
    by_name = {count["category"]: count for count in found["counts"]["categories"]}
    # Age: w1, w2, w3 and w5 of six; smoking: nobody yet, as ben calls it income.
    assert (by_name["age"]["for_people"], by_name["age"]["against_people"]) == (4, 0)
    assert by_name["age"]["for_share"]["value"] == pytest.approx(4 / 6)
    assert by_name["smoking"]["mentions"] == 0

    coded("adjudicate", "--with", "anna")
    _, said, _ = coded(
        "results",
        "--out",
        "results.json",
        "--report",
        "page.html",
        "--picture",
        "counts.svg",
        "--draws",
        "50",
    )
    # Smoking: w1 and w4 for it, w4 against it, too.
    assert "Smoking: for 2 of 6" in said
    assert "against 1 of 6" in said
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    by_name = {count["category"]: count for count in found["counts"]["categories"]}
    assert [by_name["smoking"][key] for key in ("for_people", "against_people", "both_people")] == [2, 1, 1]
    assert found["coding_sha256"] == exported_hash(coded, tmp_path)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "What should decide who gets a kidney?" in page
    assert (tmp_path / "counts.svg").read_text(encoding="utf-8").startswith("<svg")


def test_what_was_split_comes_back_to_coders_their_sheets_and_adjudication_and_results_say_so(
    coded: Run, tmp_path: Path
):
    coded("adjudicate", "--with", "anna")
    coded("category split", "smoking", "--into", "Smokes", "--into", "Has smoked")

    _, said, err = coded("adjudicate", "--open")
    assert said.count("settled before, but 'smoking' was split since: settle it again") == 3
    assert "3 suggestions to settle" in err
    rows = json.loads(coded("adjudicate", "--open", "--json")[1])["suggestions"]
    assert [row["settled_before"] for row in rows] == [True] * 3
    assert coded("adjudicate", "--with", "anna")[1].startswith("0 suggestions settled as anna said")
    _, said, _ = coded(
        "results", "--draws", "50", "--out", "results.json", "--report", "page.html", "--picture", "c.svg"
    )
    not_final = "Not final, 3 suggestions: they count in a category that was split or retired since"
    assert "Smoking (split): for 2 of 6" in said
    assert not_final in said
    assert not_final in coded("saturation")[1]
    _, said, _ = coded("agreement", "--draws", "50", "--plot", "a.svg")
    assert "\n  Smoking (split): " in said
    assert "Smoking (split): alpha" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not_final in page
    assert "Smoking (split)" in page
    picture = (tmp_path / "c.svg").read_text(encoding="utf-8")
    assert "Smoking (split)" in picture
    assert "not final: 3 suggestions in a category split or retired since" in picture
    counts = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["counts"]
    assert counts["left_out"]["to_code_again"] == 3
    assert {one["category"]: one["ended"] for one in counts["categories"]} == {
        "age": None, "smoking": "split", "smokes": None, "has-smoked": None, "income": None
    }  # fmt: skip

    _, said, _ = coded("export", "--sheet", "ben", "--out", "rest.csv")
    assert said == "rest.csv: 0 suggestions for ben to code\n", "ben called it income"
    _, said, _ = coded("export", "--sheet", "anna", "--out", "again.csv")
    assert said == "again.csv: 3 suggestions for anna to code, 3 of them again (column said_before)\n"
    with (tmp_path / "again.csv").open(encoding="utf-8", newline="") as file:
        sheet = list(csv.DictReader(file))
    assert {row["said_before"] for row in sheet} == {"smoking (split)"}
    fill_in(tmp_path / "again.csv", {"Smok": "smokes"})
    for coder in ("anna", "ben"):
        _, _, err = coded("code", "--from", "again.csv", "--coder", coder)
        assert err == "", "no column is said to be passed over"
    assert "3 suggestions to settle" in coded("adjudicate", "--open")[2], (
        "what was settled is not settled by coders"
    )
    _, said, _ = coded("adjudicate", "--with", "anna")
    assert said.startswith("3 suggestions settled as anna said")
    assert said.endswith("0 still open\n")
    _, said, _ = coded("results", "--draws", "50")
    assert "Smokes: for 2 of 6" in said
    assert "Smoking" not in said
    assert "Not final" not in said


def test_a_difference_says_of_whom_it_is_where_some_were_asked_one_question(coded: Run, tmp_path: Path):
    _, said, _ = coded("results", "--draws", "50", "--report", "before.html")
    assert "asked both" not in said
    # Of the two more who were asked what should count alone, one names age.
    (tmp_path / "more.csv").write_text(
        "respondent,stance,text\nx1,should,Age\nx2,should,\n", encoding="utf-8"
    )
    coded("import", "more.csv")
    (new,) = json.loads(coded("list", "--state", "to_code", "--json")[1])["suggestions"]
    coded("code", str(new["id"]), "--coder", "anna", "--category", "age")
    _, said, _ = coded("results", "--draws", "50", "--report", "after.html")
    line = next(line for line in said.splitlines() if line.startswith("  Age: "))
    assert line.startswith("  Age: for 5 of 8: 62 [")
    assert "against 0 of 6: 0 [" in line
    assert "difference +67 [" in line
    assert line.endswith("] (of the 6 asked both)")
    pages = [(tmp_path / name).read_text(encoding="utf-8") for name in ("before.html", "after.html")]
    assert ["Difference, points, of the 6 asked both" in page for page in pages] == [False, True]


def test_directions_that_several_gave_are_told_when_asked_for(coded: Run, tmp_path: Path):
    _, said, _ = coded("results", "--draws", "10", "--directions")
    # One alone gave one: whose words it is might be told.
    assert "Age, named by 4: 1 gave directions that fewer than 3 people gave; 3 gave none." in said
    assert "the younger" not in said
    (tmp_path / "more.csv").write_text(
        "respondent,stance,text,direction\nx1,should,Age,The younger!\nx2,should,Age,the younger\n",
        encoding="utf-8",
    )
    coded("import", "more.csv")
    new = json.loads(coded("list", "--state", "to_code", "--json")[1])["suggestions"]
    coded("code", *(str(one["id"]) for one in new), "--coder", "anna", "--category", "age")

    _, said, _ = coded("results", "--draws", "10", "--directions", "--out", "results.json")
    assert "Age, named by 6: “the younger” (3); 3 gave none." in said
    assert "Directions of what should not count" not in said
    record = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert record["directions"]["age"]["said"] == [{"words": "the younger", "people": 3, "language": "en"}]
    assert "the younger" not in coded("results", "--draws", "10")[1]
    coded("choices", "--out", "mine.toml")
    assert "“the younger” (3); 3 gave none." in (tmp_path / "mine.toml").read_text(encoding="utf-8")


def test_results_of_ratings_alone_say_nothing_of_open_questions(equipoise: Run, tmp_path: Path):
    assert equipoise("survey", "add", str(EXAMPLES / "kidney-ratings.toml"))[0] == 0
    command = ("survey", "coding", "results", "kidney-ratings")
    code, said, err = equipoise(*command)
    assert (code, said) == (0, "")
    assert err == "nobody has rated anything yet; --simulated shows the ratings of rehearsals\n"
    assert equipoise("survey", "rehearse", "kidney-ratings", "--participants", "4", "--seed", "1")[0] == 0

    code, said, err = equipoise(*command, "--simulated", "--report", "page.html")
    assert (code, err) == (0, "")
    assert said.startswith(
        "Ratings, in percent of those who rated the attribute, with 95 % intervals:\n  Age: "
    )
    for words in ("suggestion", " 0 "):
        assert words not in said.splitlines()[0]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "What is acceptable" in page
    for words in ("What should count", "coders", "suggestion"):
        assert words not in page


def test_one_suggestion_is_no_suggestions(coding: Run, equipoise: Run, tmp_path: Path):
    (tmp_path / "one.csv").write_text("respondent,stance,text\nx1,should,Age\n", encoding="utf-8")
    coding("import", "one.csv")
    coding("category add", "Age")
    for coder in ("anna", "ben"):
        coding("code", "1", "--coder", coder, "--category", "age")

    _, said, _ = coding("agreement", "--draws", "10", "--plot", "agreement.svg")

    assert said.startswith("1 suggestion, 1 coded")
    for words in (said, (tmp_path / "agreement.svg").read_text(encoding="utf-8")):
        assert "1 suggestion" in words
        assert "1 suggestions" not in words


def test_results_by_what_people_stated_are_shown_when_asked_for(coded: Run, tmp_path: Path):
    coded("export", "--out", "coding.json")
    document = json.loads((tmp_path / "coding.json").read_text(encoding="utf-8"))
    del document["sha256"]
    for number, asked in enumerate(document["asked"]):
        asked["stated"] = {"age_group": ["under-35" if number < 3 else "55-plus"]}
        asked["respondent"] = f"x{asked['respondent']}"
    for suggestion in document["suggestions"]:
        suggestion["respondent"] = f"x{suggestion['respondent']}"
    (tmp_path / "stated.json").write_text(json.dumps(document), encoding="utf-8")
    coded("import", "stated.json", "--source", "with statements")

    _, said, _ = coded("results", "--group", "age_group", "--draws", "10")
    assert "By age_group: under-35 3 (few), 55-plus 3 (few); 6 did not say" in said
    assert "Age, for: under-35 3 of 3" in said


# Under 35: p1, p2, p3, of whom p1 and p2 name age. 55 or older: p4, who does not. p5 does not say, and names age.
PANEL = """\
respondent;stance;text;reason;age_group;knows_patient
p1;should;Age;fair;Under 35;Ja
p1;should;Income;;;
p2;should;Age;;UNDER-35;
p3;should;;;unter 35;Nein
p4;should;Income;;55 oder älter;yes
p5;should;Age;;;
"""


def test_results_by_group_come_from_columns_of_an_imported_table(coding: Run, tmp_path: Path):
    (tmp_path / "panel.csv").write_text(PANEL, encoding="utf-8")
    _, said, err = coding("import", "panel.csv")
    assert said == "panel.csv: suggestions: 5 added, 0 already there; respondents: 5 added\n"
    assert "panel.csv: column was passed over: 'reason' (is 'why' meant?)\n" in err
    assert "first 'equipoise survey coding remove-import kidney-attributes --source panel.csv'" in err
    for label in ("Age", "Income"):
        coding("category add", label)
    coding("export", "--sheet", "anna", "--out", "anna.csv")
    fill_in(tmp_path / "anna.csv", {"Age": "age", "Income": "income"})
    _, _, err = coding("code", "--from", "anna.csv", "--coder", "anna")
    assert err == "", "a sheet of ours has columns to read by, and nothing is said of them"

    _, said, _ = coding("results", "--group", "age_group", "--group", "knows_patient", "--draws", "10")

    assert "By age_group: under-35 3 (few), 55-plus 1 (few); 1 did not say" in said
    assert "Age, for: under-35 2 of 3" in said
    assert "55-plus 0 of 1" in said
    assert "By knows_patient: yes 2 (few), no 1 (few); 2 did not say" in said

    # What somebody states may follow later, and comes back from the coding's file in another installation.
    (tmp_path / "later.csv").write_text(
        "respondent,stance,text,age_group\np5,should,Age,35-54\n", encoding="utf-8"
    )
    _, said, _ = coding("import", "later.csv", "--source", "panel.csv", "--json")
    assert json.loads(said)["done"] == {
        "suggestions": {"added": 0, "already_there": 1},
        "respondents": {"added": 0, "with_more_stated": 1},
    }
    coding("export", "--out", "coding.json")
    first = read_coding(tmp_path / "coding.json")
    assert {a.respondent: dict(a.stated) for a in first.asked} == {
        "p1": {"age_group": ("under-35",), "knows_patient": ("yes",)},
        "p2": {"age_group": ("under-35",)},
        "p3": {"age_group": ("under-35",), "knows_patient": ("no",)},
        "p4": {"age_group": ("55-plus",), "knows_patient": ("yes",)},
        "p5": {"age_group": ("35-54",)},
    }
    coding("remove-import", "--source", "panel.csv", "--with-codes")
    coding("import", "coding.json")
    coding("export", "--out", "again.json")
    assert read_coding(tmp_path / "again.json").asked == first.asked


def test_what_a_table_states_wrongly_is_refused_where_it_stands(
    coding: Run, refused: Callable[..., str], tmp_path: Path
):
    (tmp_path / "panel.csv").write_text(PANEL, encoding="utf-8")
    coding("import", "panel.csv")
    before = everything_stored()
    (tmp_path / "wrong.csv").write_text(
        "respondent,stance,text,age_group\nq1,should,Age,40\nq2,should,Age,under-35\nq2,should,Race,55-plus\n",
        encoding="utf-8",
    )
    said = refused("import", "wrong.csv")
    assert "wrong.csv:2: column 'age_group': '40' is none of the options under-35, 35-54, 55-plus" in said
    assert "wrong.csv:4: column 'age_group': '55-plus' contradicts 'under-35' in line 3" in said

    (tmp_path / "wrong.csv").write_text(
        "respondent,stance,text,age_group\np1,should,Age,\np1,should,Race,55-plus\n", encoding="utf-8"
    )
    said = refused("import", "wrong.csv", "--source", "panel.csv")
    assert (
        "wrong.csv:3: column 'age_group': 'p1' of 'panel.csv' has stated 'under-35' in an earlier import"
        in said
    )
    assert everything_stored() == before


NUMBERS = """
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

# --- German"""
NUMBERS_IN_GERMAN = """
[languages.de.demographics.born]
text = "Wann sind Sie geboren?"

[languages.de.demographics.work]
text = "Was arbeiten Sie?"
"""


def test_numbers_and_text_of_an_imported_table_are_held_to_the_design_and_kept(
    equipoise: Run, tmp_path: Path
):
    design = (EXAMPLES / f"{SLUG}.toml").read_text(encoding="utf-8").replace(SLUG, "numbers")
    design = design.replace("\n# --- German", NUMBERS) + NUMBERS_IN_GERMAN
    (tmp_path / "numbers.toml").write_text(design, encoding="utf-8")

    def does(*arguments: str) -> str:
        code, out, err = equipoise("survey", *arguments)
        assert code == 0, err
        return out

    does("add", "numbers.toml")
    head = "respondent,stance,text,age_group,born,work"
    wrong = f"{head}\np1,should,Age,under-35,70,Nurse\np2,should,Age,,soon,\n"
    (tmp_path / "people.csv").write_text(wrong, encoding="utf-8")
    before = everything_stored()
    code, _, err = equipoise("survey", "coding", "import", "numbers", "people.csv")
    assert code == 2
    assert (
        "people.csv:2: column 'born': '70' is out of range; write a number from 1900 to 2010, or leave" in err
    )
    assert "people.csv:3: column 'born': 'soon' is not a number; write a number from 1900 to 2010, or" in err
    assert everything_stored() == before

    right = f'{head}\np1,should,Age,under-35,1970,Nurse at night\np2,should,Age,,"1980,5",\np3,should,,,,\n'
    (tmp_path / "people.csv").write_text(right, encoding="utf-8")
    done = json.loads(does("coding", "import", "numbers", "people.csv", "--json"))
    assert (done["remarks"], done["done"]["respondents"]) == ([], {"added": 3})
    assert json.loads(does("coding", "import", "numbers", "people.csv", "--json"))["done"]["respondents"] == {
        "added": 0
    }
    does("coding", "category", "add", "numbers", "Age")
    does("coding", "code", "numbers", "1", "2", "--coder", "anna", "--category", "age")

    # In the bundle, written answers only with --with-text; in no coding and no group, as those of participants.
    for option, words in ((), {}), (("--with-text",), {"work": "Nurse at night"}):
        folder = f"bundle{len(option)}"
        does("export", "numbers", "--bundle", folder, *option)
        with (tmp_path / folder / "imported_respondents.csv").open(encoding="utf-8", newline="") as file:
            stated = [json.loads(row["stated"]) for row in csv.DictReader(file)]
        assert stated == [{"age_group": ["under-35"], "born": 1970, **words}, {"born": 1980.5}, {}]
    assert "Nurse" not in "".join(
        path.read_text(encoding="utf-8") for path in (tmp_path / "bundle0").iterdir()
    )
    results = json.loads(does("coding", "results", "numbers", "--draws", "10", "--json"))
    assert [group["question"] for group in results["groups"]] == ["age_group"]

    does("coding", "export", "numbers", "--out", "coding.json")
    first = coding_sha256(read_coding(tmp_path / "coding.json"))
    does("coding", "import", "numbers", "coding.json")
    does("coding", "export", "numbers", "--out", "again.json")
    assert coding_sha256(read_coding(tmp_path / "again.json")) == first


def test_columns_that_are_passed_over_are_named_in_every_table(coding: Run, tmp_path: Path):
    (tmp_path / "book.csv").write_text("name,label,definitions\nage,Age,How old\n", encoding="utf-8")
    _, said, err = coding("import", "book.csv", "--json")
    remark = "book.csv: column was passed over: 'definitions' (is 'definition' meant?)"
    assert (json.loads(said)["remarks"], err) == ([remark], "")
    _, _, err = coding("import", "book.csv")
    assert err == f"{remark}\n"

    coding("import", "workshop.csv")
    (tmp_path / "codes.csv").write_text("suggestion,category,note\n1,age,hm\n", encoding="utf-8")
    noted = "codes.csv: column was passed over: 'note'; those that are read: suggestion, coder"
    for arguments in (["code", "--from", "codes.csv"], ["import", "codes.csv"]):
        _, _, err = coding(*arguments, "--coder", "anna")
        assert noted in err
        _, said, err = coding(*arguments, "--coder", "anna", "--json")
        assert noted in json.loads(said)["remarks"][0]
        assert err == ""

    coding("export", "--out", "folder")
    _, _, err = coding("import", "folder")
    assert err == ""
    table = tmp_path / "folder" / "asked.csv"
    head, *rows = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([f"{head},mood", *(f"{row},glad" for row in rows), ""]), encoding="utf-8")
    _, _, err = coding("import", "folder")
    assert "asked.csv: column was passed over: 'mood'; those that are read: respondent, kind" in err


def test_saturation_says_when_to_stop_in_words_numbers_and_a_picture(coded: Run, tmp_path: Path):
    coded("adjudicate", "--with", "anna")
    _, said, _ = coded("saturation", "--out", "s.json", "--plot", "s.svg")
    assert "6 people named 3 categories" in said
    found = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert (found["people"], found["categories"], found["named_once"]) == (6, 3, 0)
    assert (tmp_path / "s.svg").read_text(encoding="utf-8").startswith("<svg")
    assert json.loads(coded("saturation", "--stance", "should", "--json")[1])["categories"] == 2


def test_from_choices_to_a_checked_design_that_says_where_its_attributes_come_from(
    coded: Run, equipoise: Run, tmp_path: Path, refused: Callable[..., str]
):
    coded("adjudicate", "--with", "anna")
    _, said, _ = coded("choices", "--at-least", "2", "--out", "choices.toml")
    assert said.startswith("choices.toml: 3 categories; fill in the words")
    assert "words" in refused("design", "choices.toml", "--out", "design.toml")  # They are not filled in yet.
    assert not (tmp_path / "design.toml").exists()
    assert "words may stand in it" in refused("choices", "--out", "choices.toml")

    (tmp_path / "mine.toml").write_text(
        """
[study]
slug = "kidney-from-people"
title = "Who should get the kidney?"
comparisons_per_respondent = 3

[[attributes]]
category = "age"
name = "age"
label = "Age"
kind = "categorical"
levels = [{ name = "young", words = "30 years old" }, { name = "old", words = "70 years old" }]

[[attributes]]
category = "smoking"
name = "smoking"
label = "Smoking"
kind = "categorical"
levels = [{ name = "no", words = "never smoked" }, { name = "yes", words = "smokes" }]
""",
        encoding="utf-8",
    )
    _, said, _ = coded("design", "mine.toml", "--out", "design.toml", "--json")
    made = json.loads(said)
    assert made["attributes"] == ["age", "smoking"]
    assert made["coding_sha256"] == exported_hash(coded, tmp_path)
    design = tomllib.loads((tmp_path / "design.toml").read_text(encoding="utf-8"))
    origin = design["attributes"][1]["origin"]
    assert origin == {
        "study": "kidney-attributes 1",
        "coding_sha256": made["coding_sha256"],
        "category": "smoking",
        "mentions": 3,
        "asked_for": 6,
        "for_people": 2,
        "asked_against": 6,
        "against_people": 1,
    }
    assert equipoise("survey", "check", "design.toml")[0] == 0
    assert equipoise("survey", "add", "design.toml")[0] == 0

    _, said, _ = coded("acceptability", "income", "age")
    asked = tomllib.loads(said)["acceptability"]["attributes"]
    assert [attribute["name"] for attribute in asked] == ["income", "age"]


def test_categories_are_reworded_merged_split_and_retired_and_all_but_words_taken_back(coded: Run):
    coded("category reword", "age", "--label", "Age of the patient", "--definition", "-not: years to live")
    assert coded("category merge", "smoking", "--into", "age")[1] == "smoking merged into age\n"
    assert "smoking  Smoking (merged into age)" in coded("categories")[1]
    coded("category unmerge", "smoking")
    assert coded("category split", "smoking", "--into", "Smokes", "--into", "Has smoked")[1] == (
        "smoking split into smokes, has-smoked\n"
    )
    assert "has-smoked  Has smoked (split from smoking)" in coded("categories")[1]
    assert json.loads(coded("list", "--coder", "anna", "--state", "to_code_again", "--json")[1])["total"] == 3
    coded("category restore", "smoking")
    coded("category retire", "income")
    assert "already: nothing changed" in coded("category retire", "income")[1]
    uses = {use["name"]: use for use in json.loads(coded("categories", "--json")[1])}
    assert (uses["age"]["label"], uses["age"]["definition"]) == ("Age of the patient", "-not: years to live")
    assert uses["income"]["retired"]
    assert uses["age"]["by_coder"] == {"anna": 4, "ben": 4}


def test_a_codebook_goes_out_and_into_another_study_as_table_and_as_json(
    coded: Run, equipoise: Run, tmp_path: Path
):
    coded("category reword", "age", "--definition", "=how old")
    coded("category merge", "income", "--into", "age")
    other = (
        (EXAMPLES / f"{SLUG}.toml").read_text(encoding="utf-8").replace(f'slug = "{SLUG}"', 'slug = "other"')
    )
    (tmp_path / "other.toml").write_text(other, encoding="utf-8")
    equipoise("survey", "add", "other.toml")
    for name in ("codebook.csv", "codebook.json"):
        coded("export", "--codebook", "--out", name)
        code, said, _ = equipoise("survey", "coding", "import", "other", name)
        assert code == 0
        assert "3 added" in said if name.endswith("csv") else "0 added" in said
    own = json.loads(coded("categories", "--json")[1])
    theirs = json.loads(equipoise("survey", "coding", "categories", "other", "--json")[1])
    kept = ("name", "label", "definition", "merged_into")
    assert [[use[key] for key in kept] for use in theirs] == [[use[key] for key in kept] for use in own]
    assert theirs[0]["definition"] == "=how old"


def test_a_coding_comes_back_into_its_own_study_and_adds_only_what_is_new(coded: Run, tmp_path: Path):
    coded("export", "--out", "coding.json")
    coded("export", "--codes", "--out", "codes.csv")
    _, said, _ = coded("import", "coding.json")
    assert "suggestions: 0 added, 11 already there; respondents: 0 added" in said
    assert "codes: 0 added, 0 ended, 22 already there" in said
    assert coded("import", "codes.csv")[1] == "codes.csv: codes: 0 added, 0 ended, 22 already there\n"

    table = (tmp_path / "codes.csv").read_text(encoding="utf-8")
    (tmp_path / "codes.csv").write_text(
        table.replace("ben,category,income", "ben,category,smoking"), encoding="utf-8"
    )
    _, said, _ = coded("import", "codes.csv", "--json")
    assert json.loads(said)["done"]["codes"] == {"added": 5, "ended": 5, "already_there": 17}


def test_folders_of_tables_are_new_and_come_back(coded: Run, refused: Callable[..., str], tmp_path: Path):
    coded("export", "--out", "tables")
    names = sorted(path.name for path in (tmp_path / "tables").iterdir())
    assert names == ["asked.csv", "categories.csv", "codes.csv", "manifest.json", "suggestions.csv"]
    assert "0 added, 11 already there" in coded("import", "tables")[1]
    assert "tables: is there already; name another folder" in refused("export", "--out", "tables")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_models_suggest_and_propose_stands_apart_from_people_and_coders(
    coded: Run, equipoise: Run, refused: Callable[..., str], tmp_path: Path
):
    asked = (
        "compare",
        "suggest",
        str(EXAMPLES / f"{SLUG}.toml"),
        "--model",
        "scripted/usual",
        "--repeats",
        "3",
    )
    assert equipoise(*asked, "--out", "model.jsonl")[0] == 0
    lines = (tmp_path / "model.jsonl").read_text(encoding="utf-8").splitlines()[1:]
    named = sum(json.loads(line)["outcome"] == "named" for line in lines)
    _, said, _ = coded("import", "model.jsonl")
    assert said == f"model.jsonl: suggestions: {named} added, 0 already there; respondents: 3 added\n"
    assert "0 added" in coded("import", "model.jsonl")[1]
    assert json.loads(coded("results", "--draws", "10", "--json")[1])["counts"]["asked"] == 6

    coded("export", "--out", "coding.json")
    proposed = (
        "compare",
        "propose",
        "coding.json",
        "--model",
        "scripted/keywords",
        "--out",
        "proposals.json",
    )
    assert equipoise(*proposed)[0] == 0
    assert "import-proposals' takes them" in refused("import", "proposals.json")
    for _ in range(2):
        _, said, _ = coded("import-proposals", "proposals.json")
        assert "scripted/keywords: proposals for" in said
    before = json.loads(coded("results", "--draws", "10", "--json")[1])["counts"]
    assert before["left_out"]["open"] == 3
    found = json.loads(coded("agreement", "--draws", "10", "--json")[1])
    assert [model["model"] for model in found["models"]] == ["scripted/keywords"]
    assert [work["coder"] for work in found["coders"]] == ["anna", "ben"]


def test_a_models_answers_to_other_words_are_refused(
    coding: Run, refused: Callable[..., str], tmp_path: Path
):
    header = {"format": "equipoise model suggestions", "format_version": 1, "label": "m", "study": SLUG}
    line = {"respondent": "m#1", "kind": "model", "stance": "should", "outcome": "refusal", "number": 0, "text": "",
            "why": "", "direction": "", "language": "en"}  # fmt: skip

    def written(*rows: dict[str, Any]) -> str:
        (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return refused("import", "m.jsonl")

    assert "the words differed; ask it by this study's design" in written(
        {**header, "design_hash": "ab" * 32}, line
    )
    assert "m.jsonl:1: label: is missing" in written({**header, "label": None, "design_hash": ""}, line)
    assert "m.jsonl:2: stance: 'x' is none of should, should_not" in (
        written({**header, "design_hash": ""}, {**line, "outcome": "nothing", "stance": "x"})
    )


def test_refusals_of_a_model_are_nobody_who_names_nothing(coding: Run, equipoise: Run, tmp_path: Path):
    asked = (
        "compare",
        "suggest",
        str(EXAMPLES / f"{SLUG}.toml"),
        "--model",
        "scripted/declines",
        "--repeats",
        "2",
    )
    equipoise(*asked, "--out", "declined.jsonl")
    _, said, err = coding("import", "declined.jsonl")
    assert said == "declined.jsonl: suggestions: 0 added, 0 already there; respondents: 0 added\n"
    assert "4 replies left out that answered nothing" in err

    asked = (
        "compare",
        "suggest",
        str(EXAMPLES / f"{SLUG}.toml"),
        "--model",
        "scripted/nothing",
        "--repeats",
        "2",
    )
    equipoise(*asked, "--out", "nothing.jsonl")
    assert "respondents: 2 added" in coding("import", "nothing.jsonl")[1]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("codes.csv", "suggestion,coder,category\n1,anna,age\n99,anna,age\n", "codes.csv:3: column 'suggestion'"),
        ("codes.csv", "suggestion,coder,category\n1,anna,age\n2,anna,wealth\n", "codes.csv:3: column 'category'"),
        ("book.csv", "name,label\nrace,Race\nage,Smoking\n", "book.csv:3: column 'label'"),
        ("book.csv", "name,label\nrace,Race\nunusable,Nothing\n", "book.csv:3: column 'name'"),
        ("more.csv", "respondent,stance,text\nv1,should,x\nv2,perhaps,y\n", "more.csv:3: column 'stance'"),
        ("more.csv", "respondent,stance,text,kind\nv1,should,x,\nv1,should,y,model\n", "more.csv:3: column 'kind'"),
        ("more.csv", "who,what\n", "nothing that is imported has these columns (what, who). A codebook has"),
        ("more.json", '{"format": "else"}', "nothing that is imported is of this format"),
        ("coding.json", '{"format": "equipoise coding", "format_version": 1}', "study: is missing"),
        ("latin.csv", "respondent,stance,text\nv1,should,Ä\n".encode("latin-1"), "latin.csv:2: is not UTF-8 text"),
    ],
)  # fmt: skip
def test_an_import_is_all_or_nothing_and_says_what_is_wrong_where(
    coded: Run, refused: Callable[..., str], tmp_path: Path, name: str, content: str | bytes, said: str
):
    before = everything_stored()
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    assert said in refused("import", name)
    assert everything_stored() == before


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        ("code", ["--coder", "anna", "--category", "age"], "name suggestions by their numbers"),
        ("code", ["1", "--coder", "anna"], "give --category (one or more)"),
        ("code", ["1", "--coder", "anna", "--category", "age", "--unusable"], "exclude each other"),
        (
            "code",
            ["1", "--coder", "anna", "--category", "none"],
            "no category 'none'; the categories are: age",
        ),
        ("code", ["77", "--coder", "anna", "--category", "age"], "has no suggestion 77"),
        ("code", ["1", "--coder", " ", "--category", "age"], "name who codes"),
        ("code", ["--coder", "anna", "--from", "none.csv"], "none.csv: No such file"),
        ("code", ["1", "--coder", "anna", "--from", "anna.csv"], "the file says which suggestions and what"),
        ("code", ["--coder", "ben", "--from", "anna_named.csv"], "'anna' is not ben"),
        ("adjudicate", [], "give a suggestion's number, or --open, or --with CODER"),
        ("adjudicate", ["1"], "give --category (one or more)"),
        ("adjudicate", ["--open", "--unusable"], "go with a suggestion's number"),
        ("adjudicate", ["--with", "clara"], "no coder 'clara'; the coders are: anna, ben"),
        ("list", ["--category", "none"], "no category 'none'"),
        ("category add", ["AGE"], "label"),
        ("category reword", ["age"], "give --label, --definition or both"),
        ("category merge", ["age", "--into", "age"], "cannot be merged into itself"),
        ("category split", ["age", "--into", "one"], "two categories at least"),
        ("agreement", ["--out", "agreement.txt"], "must end in .json"),
        ("agreement", ["--plot", "nowhere/agreement.svg"], "there is no folder nowhere"),
        (
            "results",
            ["--group", "income"],
            "'income' is no question of this study; there are age_group, knows_",
        ),
        ("results", ["--picture", "a.svg", "--report", "a.png"], "must end in .html"),
        ("choices", ["--at-least", "99", "--out", "c.toml"], "named by 99 or more"),
        ("design", ["none.toml", "--out", "d.toml"], "none.toml: No such file"),
        ("acceptability", ["none"], "none"),
        ("export", ["--out", "codes.csv"], ".csv goes with --codebook, --codes or --sheet"),
        ("export", ["--codebook", "--codes", "--out", "x.csv"], "give one"),
        ("import", ["none.csv"], "none.csv: No such file"),
        ("import-proposals", ["coding.csv"], "coding.csv: No such file"),
        ("remove-import", ["--source", "none.csv"], "no import from 'none.csv'; there are 'workshop.csv'"),
        ("remove-import", ["--source", "workshop.csv"], "to delete those, too, add --with-codes"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(
    coded: Run, refused: Callable[..., str], tmp_path: Path, command: str, arguments: list[str], said: str
):
    (tmp_path / "anna_named.csv").write_text("suggestion,coder,category\n1,anna,age\n", encoding="utf-8")
    before = everything_stored()

    assert said in refused(command, *arguments)
    assert everything_stored() == before


def test_an_import_that_was_wrong_is_removed_and_the_file_comes_in_anew(coded: Run):
    _, said, _ = coded("remove-import", "--source", "workshop.csv", "--with-codes", "--json")
    removed = json.loads(said)
    assert (removed["respondents"], removed["suggestions"]) == (6, 11)
    left = everything_stored()
    assert (left["suggestion"], left["imported_respondent"], left["code"]) == (0, 0, 0)
    assert left["category"] == 3
    assert "import removed" in coded("audit")[1]

    coded("import", "workshop.csv")
    assert everything_stored()["suggestion"] == 11
    _, said, _ = coded("remove-import", "--source", "workshop.csv")
    assert said == "workshop.csv: removed 11 suggestions of 6 respondents and 0 codes\n"


def test_simulated_participants_are_counted_instead_of_people_never_with_them(
    coded: Run, equipoise: Run, tmp_path: Path
):
    coded("adjudicate", "--with", "anna")
    coded("export", "--out", "coding.json")
    document = json.loads((tmp_path / "coding.json").read_text(encoding="utf-8"))
    del document["sha256"]
    for asked in document["asked"]:
        asked |= {"respondent": f"sim-{asked['respondent']}", "simulated": True}
    for suggestion in document["suggestions"]:
        suggestion["respondent"] = f"sim-{suggestion['respondent']}"
    (tmp_path / "simulated.json").write_text(json.dumps(document), encoding="utf-8")
    before = coded("results", "--draws", "10", "--json")[1]
    coded("import", "simulated.json", "--source", "rehearsal")

    # But for where they come from, nothing of people's numbers changes.
    assert coded("results", "--draws", "10", "--json")[1] == before
    simulated = json.loads(coded("results", "--simulated", "--draws", "10", "--json")[1])
    assert simulated["simulated"] is True
    assert simulated["counts"]["asked"] == 6
    assert simulated["final"]["suggestions"] == 11
    assert json.loads(coded("list", "--json")[1])["total"] == 11
    assert json.loads(coded("list", "--simulated", "--json")[1])["total"] == 11
    coded("export", "--simulated", "--out", "again.json")
    assert {asked.simulated for asked in read_coding(tmp_path / "again.json").asked} == {True}
    _, said, _ = coded("alike", "--json")
    assert json.loads(said)["suggestions"] == 22


def test_a_study_without_suggestions_says_what_makes_some(coding: Run):
    said = {
        command: "".join(coding(command)[1:])
        for command in ("list", "alike", "categories", "agreement", "results", "saturation", "audit")
    }
    assert said["list"] == "0 suggestions\n"
    assert said["alike"] == "0 suggestions in 0 groups, 0 of them with more than one\n"
    assert said["categories"].startswith("no category yet; 'equipoise survey coding category add'")
    for command in ("agreement", "results", "saturation"):
        assert (
            "no suggestion yet: participants make them, 'equipoise survey coding import' brings"
            in said[command]
        )
    coding("category add", "Age")
    assert "nothing is coded yet; --simulated counts" in coding("categories")[2]
    assert coding("categories", "--simulated")[2] == ""


@pytest.mark.postgres
def test_postgresql_gives_the_same_results_as_sqlite(
    coded: Run, equipoise: Run, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    coded("adjudicate", "--with", "anna")
    coded("export", "--out", "coding.json")
    results = json.loads(coded("results", "--draws", "20", "--json")[1])

    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", postgres_url)
    assert equipoise("db", "upgrade")[0] == 0
    assert equipoise("survey", "add", str(EXAMPLES / f"{SLUG}.toml"))[0] == 0
    for added in (11, 0):
        assert f"suggestions: {added} added" in coded("import", "coding.json")[1]
    coded("export", "--out", "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "coding.json").read_bytes()
    assert json.loads(coded("results", "--draws", "20", "--json")[1]) == results
    assert json.loads(coded("list", "--search", "ALTER", "--json")[1])["total"] == 0
    assert json.loads(coded("list", "--search", "العمر", "--json")[1])["total"] == 1
    coded("alike")
    coded("category merge", "smoking", "--into", "income")
    assert "settled" in coded("adjudicate", "1", "--category", "income")[1]
    assert "smoking  Smoking (merged into income)" in coded("categories")[1]
