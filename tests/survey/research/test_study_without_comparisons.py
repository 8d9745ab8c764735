"""A study that asks for attributes alone, where comparisons are usually at hand: commands, pages, plans."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from survey.cli import run
from survey.db import writing
from survey.design_file import EXAMPLES, example_design, parse_design
from survey.preregistration import planned_analysis
from survey.store import studies
from survey.tables import StudyRow

ATTRIBUTES = str(EXAMPLES / "kidney-attributes.toml")
RATINGS = (EXAMPLES / "kidney-ratings.toml").read_text(encoding="utf-8")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def equipoise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("EQUIPOISE_")]:
        monkeypatch.delenv(name)

    def run_command(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_command


def words(page: TestResponse) -> str:
    """Return what a page says, one space between words."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def added(engine: Engine, text: str, now: datetime) -> StudyRow:
    with writing(engine) as session:
        study = studies.add_study(session, text, now=now)
        studies.open_study(session, study, now=now)
        return study


@pytest.mark.parametrize(
    "command",
    [
        f"compare ask {ATTRIBUTES} --model scripted/coin --out replies.jsonl",
        f"exchange generate --design {ATTRIBUTES} --pairs 10 --seed 1 --out pool.json",
        f"exchange convert pool.json --design {ATTRIBUTES} --out pool.wmd",
        f"exchange simulate saidman --design {ATTRIBUTES} --out run.json",
        f"estimate plan {ATTRIBUTES}",
        "estimate plan kidney-attributes",
        f"estimate fit answers.csv --design {ATTRIBUTES} --out weights.json",
        f"estimate compare answers.csv --design {ATTRIBUTES}",
        f"estimate diagnose answers.csv --design {ATTRIBUTES}",
    ],
)
def test_a_command_that_needs_comparisons_says_in_one_sentence_that_there_are_none(
    equipoise: Run, tmp_path: Path, command: str
):
    (tmp_path / "answers.csv").write_text("respondent,choice\n", encoding="utf-8")
    (tmp_path / "pool.json").write_text("{}", encoding="utf-8")

    code, _, said = equipoise(*command.split())

    assert code == 2
    assert said.count("\n") == 1, said
    assert "study 'kidney-attributes' asks which attributes should count and has no comparisons" in said
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["answers.csv", "pool.json"]


def test_models_cannot_take_a_study_without_comparisons(equipoise: Run):
    assert equipoise("survey", "add", ATTRIBUTES, "--open")[0] == 0

    code, _, said = equipoise("compare", "take", "kidney-attributes", "--model", "scripted/coin", "--dry-run")

    assert code == 2
    assert "study 'kidney-attributes' asks which attributes should count and has no comparisons" in said


def test_check_list_and_show_say_what_is_asked(equipoise: Run):
    code, said, _ = equipoise("survey", "check", ATTRIBUTES)
    assert code == 0
    assert "open questions: should, should not, in random order" in said
    assert "drawing: no comparisons" in said
    (Path.cwd() / "ratings.toml").write_text(RATINGS, encoding="utf-8")
    said = equipoise("survey", "check", "ratings.toml")[1]
    assert "attributes rated: age, waiting, chances" in said
    assert "attributes ranked: at most 3" in said

    assert equipoise("survey", "add", ATTRIBUTES, "--open")[0] == 0
    assert "kidney-attributes version 1: open" in equipoise("survey", "list")[1]
    assert "What should decide who gets a kidney?" in equipoise("survey", "show", "kidney-attributes")[1]


def test_the_studys_page_tells_its_questions_and_no_comparisons(
    researcher: FlaskClient, sqlite_engine: Engine, now: datetime
):
    study = added(sqlite_engine, Path(ATTRIBUTES).read_text(encoding="utf-8"), now)

    page = researcher.get(f"/research/studies/{study.id}")
    said = words(page)

    assert page.status_code == 200
    assert "2 open questions in random order: which attributes should and should not count" in said
    assert "no comparisons: the study asks for attributes alone" in said
    assert "Take the survey as a participant" in said
    for absent in ("0 comparisons", "Indecision rate", "with indecision", "without indecision"):
        assert absent not in said, absent
    for tab in ("estimate", "models"):
        assert f"/research/studies/{study.id}/{tab}" not in page.text


def test_the_page_of_a_study_of_ratings_tells_what_is_rated_and_ranked(
    researcher: FlaskClient, sqlite_engine: Engine, now: datetime
):
    study = added(sqlite_engine, RATINGS, now)

    said = words(researcher.get(f"/research/studies/{study.id}"))

    assert "8 attributes to rate as acceptable or not, and at most 3 of them to rank" in said


def test_the_page_tells_which_attributes_people_named(
    researcher: FlaskClient, sqlite_engine: Engine, now: datetime, kidney_8: str
):
    origin = (
        f'[attributes.origin]\nstudy = "first 1"\ncoding_sha256 = "{"a" * 64}"\ncategory = "years"\n'
        "mentions = 7\nasked_for = 20\nfor_people = 5\nasked_against = 18\nagainst_people = 2\n"
    )
    text = kidney_8.replace(
        '[[attributes]]\nname = "drinking"', f'{origin}\n[[attributes]]\nname = "drinking"'
    )
    study = added(sqlite_engine, text, now)

    page = researcher.get(f"/research/studies/{study.id}")

    assert "age: “years” in first 1, 7 mentions; for: 5 of 20 asked; against: 2 of 18" in words(page)
    assert "28 comparisons" in words(page)
    assert f"/research/studies/{study.id}/estimate" in page.text


@pytest.mark.parametrize("page", ["estimate", "estimate/look", "models"])
def test_pages_about_comparisons_say_that_there_are_none(
    researcher: FlaskClient, sqlite_engine: Engine, now: datetime, page: str
):
    study = added(sqlite_engine, RATINGS, now)

    answer = researcher.get(f"/research/studies/{study.id}/{page}")

    assert answer.status_code == 400
    assert "study 'kidney-ratings' asks which attributes should count and has no comparisons" in words(answer)


def test_simulations_offer_only_studies_with_profiles(
    researcher: FlaskClient, sqlite_engine: Engine, now: datetime, kidney_8: str
):
    asked, compared = added(sqlite_engine, RATINGS, now), added(sqlite_engine, kidney_8, now)

    page = researcher.get("/research/simulations/new")

    assert page.status_code == 200
    assert f'value="study-{compared.id}"' in page.text
    assert f'value="study-{asked.id}"' not in page.text
    assert 'value="kidney-attributes"' not in page.text


def test_the_planned_analysis_counts_what_people_named():
    assert (
        planned_analysis(example_design("kidney-attributes"))
        == "survey coding results kidney-attributes --out results.json"
    )
    own = RATINGS + '[preregistration]\nanalysis = "survey coding results kidney-ratings"\n'
    assert planned_analysis(parse_design(own)) == "survey coding results kidney-ratings"


def test_a_study_without_comparisons_is_preregistered(equipoise: Run, tmp_path: Path):
    code, said, trouble = equipoise(
        "survey", "preregister", ATTRIBUTES, "--participants", "2", "--seed", "1", "--out", "plan"
    )

    assert code == 0, trouble
    assert (
        "Planned analysis: equipoise survey coding results kidney-attributes --out results.json (not run)"
        in said
    )
    plan = (tmp_path / "plan" / "preregistration.md").read_text(encoding="utf-8")
    assert (
        "Open questions per participant: which attributes should and should not count, in random order."
        in plan
    )
    assert "Comparisons per participant" not in plan
    assert "with the weights" not in plan
