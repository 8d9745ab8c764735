"""``equipoise estimate fit`` with the wrong input a newcomer gives it."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from survey.answers_file import write_answers
from survey.cli import run
from survey.design_file import EXAMPLES
from survey.published_answers import import_study_1_counts


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    path = tmp_path_factory.mktemp("answers") / "answers.csv"
    write_answers(path, import_study_1_counts())
    return str(path)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--seed", "-1"], "--seed"),
        (["--bootstrap", "1"], "40 or more"),
        (["--prior-answers", "nan"], "prior answers"),
        (["--arm", "coin"], "no-coin, with-coin"),
        (["--model", "bradley-terry"], "never compared"),
        (["--model", "min-delta", "--arm", "no-coin"], "conditional-logit"),
        (["--design", "nowhere.toml"], "nowhere.toml"),
        (["--out", "/nowhere/weights.json"], "/nowhere/weights.json"),
    ],
)
def test_wrong_options_are_bad_input_and_say_what_to_do(answers, options, complaint, capsys):
    assert run(["estimate", "fit", answers, *options]) == 2
    assert complaint in capsys.readouterr().err


def test_a_design_of_another_version_is_noted(answers, tmp_path, capsys):
    design = tmp_path / "design.toml"
    text = (EXAMPLES / "kidney-study1.toml").read_text(encoding="utf-8")
    design.write_text(text.replace('version = "1"', 'version = "2"', 1), encoding="utf-8")

    assert run(["estimate", "fit", answers, "--arm", "with-coin", "--design", str(design)]) == 0
    assert "not all collected with this version" in capsys.readouterr().out
    own = str(EXAMPLES / "kidney-study1.toml")
    assert run(["estimate", "fit", answers, "--arm", "with-coin", "--design", own]) == 0
    assert "not all collected" not in capsys.readouterr().out


def test_a_small_coefficient_keeps_its_digits(tmp_path, capsys):
    from dataclasses import replace

    from survey.design import NumericAttribute, Profile

    people = import_study_1_counts()

    def in_days(profile: Profile) -> Profile:
        return Profile(tuple((n, v * 365 if n == "age" else v) for n, v in profile.values))

    path = tmp_path / "days.csv"
    days = NumericAttribute(name="age", label="Age", minimum=0, maximum=40_000)
    write_answers(
        path,
        replace(
            people,
            attributes=tuple(days if a.name == "age" else a for a in people.attributes),
            answers=[
                replace(a, left=in_days(a.left), right=in_days(a.right), design_hash="of another design")
                for a in people.answers
            ],
        ),
    )

    assert run(["estimate", "fit", str(path), "--arm", "with-coin"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("age"))
    assert run(["estimate", "fit", str(path), "--arm", "with-coin", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)["coefficients"]["age"]["value"]
    assert float(line.split()[1]) == pytest.approx(value, rel=1e-3)


def test_answers_to_a_shipped_study_need_no_design_on_the_command_line(tmp_path, capsys):
    path = tmp_path / "answers.csv"
    write_answers(path, import_study_1_counts())

    assert run(["estimate", "fit", str(path), "--arm", "with-coin", "--json"]) == 0
    fitted = json.loads(capsys.readouterr().out)
    assert fitted["attributes"][0]["unit"] == "year"
    assert "drinking=heavy" in fitted["coefficients"]
    assert "shipped design 'kidney-study1'" in " ".join(fitted["fit"]["notes"])


def test_without_a_design_the_result_names_the_levels_it_measures_against(tmp_path, capsys):
    people = import_study_1_counts()
    path = tmp_path / "answers.csv"
    write_answers(path, replace(people, answers=[replace(a, design_hash="") for a in people.answers]))

    assert run(["estimate", "fit", str(path), "--arm", "with-coin"]) == 0
    assert "seen first (drinking=none)" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["fit", "compare", "diagnose", "people"])
def test_an_output_that_cannot_be_written_is_refused_before_any_work(command, answers, tmp_path, capsys):
    folder = tmp_path / "folder"
    folder.mkdir()
    for path, complaint in (
        (folder, "is a folder; name a file"),
        (tmp_path / "no" / "a.json", "make it, or name another"),
        (answers, "the file that is read"),
    ):
        # An arm that is not there would be complained of first if the answers were read first.
        assert run(["estimate", command, answers, "--arm", "nobody", "--out", str(path)]) == 2
        assert complaint in capsys.readouterr().err
    both = ["--out", str(tmp_path / "same"), "--plot", str(folder / ".." / "same")]
    assert run(["estimate", command, answers, "--arm", "nobody", *both]) == 2
    assert "is --out, too" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fit", "compare", "diagnose", "people"])
def test_files_that_are_taken_for_answers_are_named_for_what_they_are(command, answers, tmp_path, capsys):
    semicolons = tmp_path / "semicolons.csv"
    semicolons.write_text(Path(answers).read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")
    database = tmp_path / "answers.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE answers (left_shown, right_shown)")
        connection.commit()
    replies = tmp_path / "replies.jsonl"
    replies.write_text('{"reply": "A"}\n', encoding="utf-8")
    for path, complaint in (
        (semicolons, "separated by semicolons"),
        (database, "is an SQLite file"),
        (replies, "holds JSON"),
    ):
        assert run(["estimate", command, str(path)]) == 2
        assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("command", ["diagnose", "people"])
def test_counts_are_refused_where_respondents_are_studied(command, tmp_path, capsys):
    path = tmp_path / "counts.csv"
    path.write_text("left,right,left_chosen,right_chosen\nA,B,3,2\n", encoding="utf-8")

    assert run(["estimate", command, str(path)]) == 2
    assert "holds counts" in capsys.readouterr().err


def test_a_profile_counted_against_itself_is_refused_with_its_line(tmp_path, capsys):
    path = tmp_path / "counts.csv"
    path.write_text("left,right,left_chosen,right_chosen\nA,B,3,2\nB,B,1,1\n", encoding="utf-8")

    assert run(["estimate", "fit", str(path)]) == 2
    assert "counts.csv:3: compares 'B' with itself" in capsys.readouterr().err


def test_a_file_of_respondents_without_a_column_to_group_by_is_not_ignored(answers, tmp_path, capsys):
    assert run(["estimate", "fit", answers, "--respondents", str(tmp_path / "people.csv")]) == 2
    assert "--group-by" in capsys.readouterr().err


def test_more_draws_than_memory_holds_are_bad_input(answers, capsys):
    assert run(["estimate", "fit", answers, "--draws", "100000000000"]) == 2
    assert "--draws" in capsys.readouterr().err


def test_the_conventions_beside_a_fit_give_the_intervals_of_the_fit(answers, tmp_path, capsys):
    counts = tmp_path / "counts.csv"
    counts.write_text(
        "left,right,left_chosen,right_chosen,indecision\nA,B,30,10,8\nB,C,25,12,9\nA,C,40,6,5\n",
        encoding="utf-8",
    )
    assert run(["estimate", "fit", str(counts), "--model", "davidson", "--seed", "4", "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    beside = {c["name"]: c["weights"] for c in found["conventions"]["conventions"]}["Davidson"]
    for profile in found["profiles"]:
        low, high = profile["weight_low"], profile["weight_high"]
        assert beside[profile["profile"]]["low"] == pytest.approx(low)
        assert beside[profile["profile"]]["high"] == pytest.approx(high)


def test_one_respondents_intervals_are_said_to_be_about_that_respondent(answers, tmp_path, capsys):
    with open(answers, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    path = tmp_path / "one.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows({**row, "respondent": "only-me"} for row in rows)

    assert run(["estimate", "fit", str(path)]) == 0
    assert "all answers are one respondent's" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["a column each", "a row per question"])
def test_effects_by_a_property_of_respondents(kind, shared, tmp_path, capsys):
    from survey.published_answers import import_published

    people = import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv"))
    path, of_respondents = tmp_path / "answers.csv", tmp_path / "respondents.csv"
    write_answers(path, people)
    names = sorted({a.respondent for a in people.answers})
    gender = {name: ("woman", "man", "prefer-not-to-say")[i % 3] for i, name in enumerate(names)}
    if kind == "a column each":
        lines = ["respondent,gender", *(f"{n},{g if '-' not in g else ''}" for n, g in gender.items())]
    else:
        lines = [
            "respondent,question,value",
            *(f"{n},gender,{g}" for n, g in gender.items()),
            f"{names[0]},age,40",
        ]
    of_respondents.write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = ["--group-by", "gender", "--respondents", str(of_respondents), "--effects-by-group", "--json"]

    assert run(["estimate", "fit", str(path), *options]) == 0

    fitted = json.loads(capsys.readouterr().out)
    (later,) = {name.split(" in ")[1] for name in fitted["other_parameters"]}
    assert later in ("man against woman", "woman against man")
    assert any("without a known group left out" in note for note in fitted["fit"]["notes"])
    assert run(["estimate", "fit", str(path), "--group-by", "height", *options[2:]]) == 2
    assert "height" in capsys.readouterr().err
