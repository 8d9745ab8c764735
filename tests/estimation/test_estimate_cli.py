"""``equipoise estimate fit`` with the wrong input a newcomer gives it."""

from __future__ import annotations

import json
from dataclasses import replace

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
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("age"))
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
