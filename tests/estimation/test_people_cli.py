"""``equipoise estimate people``: one run says how people differ, in text, in a file and in a picture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result

from estimation.commands.people import command
from estimation.dataset import choice_data
from estimation.effects import EffectKind
from estimation.errors import EstimationError
from estimation.heterogeneity.people import study_people
from estimation.heterogeneity.people_summary import people_lines, people_record
from estimation.people_plots import people_plot
from estimation.specification import Model, Specification
from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.answers_file import write_answers
from survey.design import CategoricalAttribute, Level, NumericAttribute, Profile


def answers_of_two_kinds(*, offered: bool = True, n_people: int = 24) -> AnswerSet:
    """Two in three go by age and seldom pass; the others go by drinking the other way and often pass."""
    rng = np.random.default_rng(11)
    attributes = (
        NumericAttribute(name="age", label="Age", minimum=20, maximum=60),
        CategoricalAttribute(
            name="drinking",
            label="Drinking",
            levels=(Level(name="rare", words="drinks rarely"), Level(name="heavy", words="drinks a lot")),
        ),
    )
    profiles = [
        Profile((("age", age), ("drinking", level))) for age in (20, 40, 60) for level in ("rare", "heavy")
    ]
    answers = []
    for person in range(n_people):
        by_age = person % 3 > 0
        of_age, of_drinking = rng.normal((-1.2, 0.3) if by_age else (-0.1, 2.0), 0.5)
        u = [of_age * (p["age"] - 40) / 10 + of_drinking * (p["drinking"] == "heavy") for p in profiles]
        for _ in range(24):
            left, right = rng.choice(len(profiles), size=2, replace=False)
            d = u[left] - u[right]
            scores = np.array(
                [d / 2, -d / 2, rng.normal(-1.5 if by_age else 0.8, 0.3) if offered else -np.inf]
            )
            choice = (Choice.LEFT, Choice.RIGHT, Choice.INDECISION)[
                int(np.argmax(scores + rng.gumbel(size=3)))
            ]
            answers.append(
                Answer(
                    respondent=f"p{person}",
                    kind=RespondentKind.HUMAN,
                    arm="main",
                    position=None,
                    left=profiles[left],
                    right=profiles[right],
                    choice=choice,
                    indecision_offered=offered,
                    design_hash="",
                )
            )
    return AnswerSet(attributes=attributes, answers=answers, source="two kinds")


@pytest.fixture(scope="module")
def answers_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("people") / "answers.csv"
    write_answers(path, answers_of_two_kinds())
    return path


@dataclass
class Written:
    text: str
    record: bytes
    picture: bytes


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def written(answers_file, tmp_path_factory) -> Written:
    """Give what a run prints and writes."""
    return run_and_read(answers_file, tmp_path_factory.mktemp("run"))


def run_and_read(answers: Path, folder: Path, *more: str) -> Written:
    out, plot = folder / "people.json", folder / "people.svg"
    result = run(
        answers,
        "--classes",
        2,
        "--starts",
        3,
        "--draws",
        64,
        "--seed",
        7,
        "--out",
        out,
        "--plot",
        plot,
        *more,
    )
    assert result.exit_code == 0, result.output
    return Written(result.output, out.read_bytes(), plot.read_bytes())


def test_a_run_prints_every_way_in_which_people_differ(written):
    for heading in (
        "Kinds of people",
        "What does not count",
        "The population",
        "Indecision by person",
        "Pooled weights beside votes",
        "Pooled weights and the majority",
    ):
        assert heading in written.text


def test_the_file_holds_the_classes_by_bic_the_shares_and_the_votes(written):
    document = json.loads(written.record)

    assert document["format"] == "equipoise-people"
    assert [row["classes"] for row in document["classes"]["table"]] == [1, 2]
    assert document["classes"]["chosen"]["classes"] == 2
    assert document["classes"]["chosen"]["kinds"][0]["share"]["value"] == pytest.approx(2 / 3, abs=0.05)
    assert set(document["does_not_count"]["shares"]) == {"age", "drinking"}
    assert document["population"]["distribution"]["names"] == ["age", "drinking=heavy"]
    assert len(document["indecision_by_respondent"]) == len(document["own_pulls"]["departures"]) == 24
    assert document["manifest"]["settings"]["seed"] == 7


def test_two_in_three_people_who_go_by_age_carry_the_vote(written):
    votes = json.loads(written.record)["votes"]

    first = [p["profile"] for p in votes["profiles"] if p["copeland_rank"] <= 2]
    assert first
    assert all("age=20" in name for name in first)
    assert votes["n_people"] == 24
    assert votes["sentence"].startswith("Pooled weights and the majority")


def test_the_picture_shows_the_classes_with_their_shares(written):
    picture = ElementTree.fromstring(written.picture)

    assert picture.get("aria-label") == "2 kinds of people, with 95 % intervals"
    drawn = written.picture.decode()
    share = json.loads(written.record)["classes"]["chosen"]["kinds"][0]["share"]["value"]
    for words in (
        f"class 1: {100 * share:.0f} % of people",
        "age: 60",
        "rather than 20",
        "Pull of indecision",
        "What does not count",
    ):
        assert words in drawn


def test_the_same_seed_gives_the_same_bytes_and_json_prints_the_file(answers_file, written, tmp_path):
    again = run_and_read(answers_file, tmp_path, "--json")

    assert (again.record, again.picture) == (written.record, written.picture)
    document = json.loads(written.record)
    del document["manifest"]
    assert json.loads(again.text) == document


def test_answers_without_indecision_are_studied_by_decided_choices(tmp_path):
    path = tmp_path / "forced.csv"
    write_answers(path, answers_of_two_kinds(offered=False, n_people=12))

    result = run(path, "--classes", 2, "--starts", 2, "--draws", 64, "--json")

    record = json.loads(result.output)
    assert record["specification"]["model"] == "conditional-logit"
    assert record["own_pulls"] is None
    assert record["indecision_by_respondent"] == {}


def test_what_a_model_does_not_allow_is_left_out_and_named():
    data = choice_data(answers_of_two_kinds(n_people=12))
    spec = Specification(model=Model.DAVIDSON, effects=EffectKind.PROFILES)

    found = study_people(data, spec, most_classes=2, n_starts=2, draws=64)

    assert found.attendance is None
    assert any(
        note.startswith("what does not count left out: whether attributes count") for note in found.notes
    )
    assert "What does not count" not in "\n".join(people_lines(found))
    assert people_record(found)["does_not_count"] is None
    assert "What does not count" not in people_plot(found)


def test_a_single_respondent_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "alone.csv"
    write_answers(path, answers_of_two_kinds(n_people=1))

    result = run(path)

    assert isinstance(result.exception, EstimationError)
    assert "several respondents" in str(result.exception)


def test_help_shows_an_example():
    result = run("--help")

    assert result.exit_code == 0
    assert "equipoise estimate people answers.csv --design design.toml" in result.output
