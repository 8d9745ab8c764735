"""``equipoise compare take``, on the command line and over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import func, select

from llm_compare.participation.tables import ModelParticipantRow
from llm_compare.replies.replies_file import read_replies
from llm_compare.replies.respondents import answers_of
from survey.answers import Choice, RespondentKind, Role
from survey.answers_file import read_answers, write_answers
from survey.cli import run as run_equipoise
from survey.db import make_engine, writing
from survey.design import design_hash
from survey.design_file import EXAMPLES
from survey.store import studies


@dataclass
class Result:
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def equipoise(monkeypatch, tmp_path, database_url, capsys):
    """Return a function that runs a command in a fresh folder with a database of its own."""
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments):
        code = run_equipoise(arguments)
        return Result(code, *capsys.readouterr())

    return run_command


@pytest.fixture
def run(equipoise):
    return partial(equipoise, "compare", "take")


@pytest.fixture
def engine(database_url):
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def open_study(engine):
    def add(name="kidney-8"):
        now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        with writing(engine) as session:
            row = studies.add_study(session, (EXAMPLES / f"{name}.toml").read_text(encoding="utf-8"), now=now)
            studies.open_study(session, row, now=now)
        return row.slug

    return add


def respondents_in(engine):
    with writing(engine) as session:
        return session.scalar(select(func.count()).select_from(ModelParticipantRow))


def test_it_writes_answers_that_stand_beside_those_of_people(run, equipoise, open_study, tmp_path):
    slug = open_study("kidney-complete")
    result = run(
        slug, "--model", "scripted/youngest-first", "--respondents", "3", "--seed", "1", "--out", "model.csv"
    )
    assert result.exit_code == 0, result.stderr
    assert "3 of 3 respondents answered everything" in result.stdout
    assert "repeats of that model, not people" in result.stderr
    found = read_answers(tmp_path / "model.csv")
    assert {(a.kind.value, a.arm) for a in found.answers} == {("model", "model")}
    assert {Role.CHECK, Role.REPEAT} < {a.role for a in found.answers}
    assert all(a.design_hash for a in found.answers)
    exported = equipoise("survey", "export", slug, "--out", "people.csv")
    assert exported.exit_code == 0
    headers = [
        (tmp_path / name).read_text(encoding="utf-8").partition("\n")[0]
        for name in ("people.csv", "model.csv")
    ]
    assert headers[0] == headers[1]


def test_people_and_models_in_one_file_are_told_apart_by_estimators(
    run, equipoise, open_study, tmp_path, kidney_8
):
    # Those of one script stand in for people's, as an export of people would have them.
    run(open_study(), "--model", "scripted/youngest-first", "--respondents", "6", "--out", "one.csv")
    run("kidney-8", "--model", "scripted/always-left", "--respondents", "6", "--out", "model.csv")
    one = read_answers(tmp_path / "one.csv", kidney_8.attributes)
    people = [replace(a, kind=RespondentKind.HUMAN, arm="main") for a in one.answers]
    write_answers(tmp_path / "both.csv", replace(one, answers=people))
    lines = (tmp_path / "model.csv").read_text(encoding="utf-8")
    with (tmp_path / "both.csv").open("a", encoding="utf-8") as file:
        file.write(lines.partition("\n")[2])
    for arm, chosen in (("main", people), ("model", read_answers(tmp_path / "model.csv").answers)):
        fitted = equipoise(
            "estimate", "fit", "both.csv", "--model", "bradley-terry", "--prior-answers", "1", "--arm", arm,
            "--out", f"{arm}.json",
        )  # fmt: skip
        assert fitted.exit_code == 0, fitted.stderr
        weights = json.loads((tmp_path / f"{arm}.json").read_text(encoding="utf-8"))
        decided = sum(a.choice is not Choice.INDECISION for a in chosen)
        assert decided in _numbers(weights)


def _numbers(part):
    if isinstance(part, dict):
        return {n for value in part.values() for n in _numbers(value)}
    if isinstance(part, list):
        return {n for value in part for n in _numbers(value)}
    return {part} if isinstance(part, int) else set()


def test_the_same_command_again_asks_nothing_and_writes_the_same_bytes(run, open_study, tmp_path):
    options = (open_study(), "--model", "scripted/coin", "--respondents", "4", "--seed", "1", "--json")
    first = json.loads(run(*options, "--out", "one.csv").stdout)
    again = json.loads(run(*options, "--out", "two.csv").stdout)
    assert (first["calls_made"], again["calls_made"]) == (4 * 28, 0)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert first["respondents"] == [f"model-scripted-coin-{n}" for n in (1, 2, 3, 4)]
    assert "not people" in first["note"]


def test_a_stopped_run_is_incomplete_and_says_how_to_go_on(run, open_study):
    options = (open_study(), "--model", "scripted/coin", "--respondents", "2")
    stopped = run(*options, "--max-calls", "10")
    assert stopped.exit_code == 1
    assert "46 were not made" in stopped.stderr
    assert "the same command again asks only the rest" in stopped.stderr
    done = run(*options)
    assert done.exit_code == 0
    assert "already stored 10, to be asked 46" in done.stderr


def test_a_dry_run_shows_the_plan_and_adds_nobody(run, open_study, engine):
    result = run(open_study(), "--model", "scripted/coin", "--respondents", "3", "--dry-run")
    assert result.exit_code == 0
    assert (
        "3 respondents (model-scripted-coin-1 to model-scripted-coin-3), 84 comparisons drawn"
        in result.stderr
    )
    assert result.stdout == ""
    assert respondents_in(engine) == 0


def test_replies_to_main_comparisons_can_be_aligned_with_people(run, open_study, tmp_path, kidney_8):
    result = run(open_study(), "--model", "scripted/coin", "--respondents", "3", "--replies", "replies.jsonl")
    assert result.exit_code == 0, result.stderr
    file = read_replies(tmp_path / "replies.jsonl")
    assert file.complete
    assert file.design_hash == design_hash(kidney_8)
    assert {r.request.repeat for r in file.replies} == {1, 2, 3}
    found, tallied = answers_of(file.replies, file.attributes, source="test")
    assert tallied.answers == len(found.answers) == 84


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere", "--model", "scripted/coin"), "the studies are: kidney-8"),
        (("kidney-8", "--model", "scripted/nobody"), "scripted/nobody"),
        (("kidney-8", "--model", "scripted/coin", "--arm", "x"), "no arm 'x'"),
        (("kidney-8", "--model", "scripted/coin", "--temperature", "1"), "--temperature"),
        (("kidney-8", "--model", "openai/x", "--api-base", "http://me:secret@h/v1"), "--api-base"),
        (("kidney-8", "--model", "scripted/coin", "--language", "xx"), "xx"),
        (("kidney-8", "--model", "scripted/coin", "--out", "no/such/folder.csv"), "there is no folder"),
        (("kidney-8", "--model", "scripted/coin", "--answer-format", "allocation"), "allocation"),
        (("kidney-8", "--model", "scripted/coin", "--seed", str(2**32)), "seed"),
    ],
)
def test_what_cannot_be_done_is_said_and_adds_nobody(run, open_study, engine, arguments, says):
    open_study()
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert respondents_in(engine) == 0


def test_a_model_over_http_takes_a_study_with_checks_and_repeats(
    run, open_study, provider, engine, serve, tmp_path
):
    provider.script = [serve(content=None, refusal="No."), serve(content="Perhaps."), serve(status=400)]
    options = (open_study("kidney-complete"), "--model", "openai/local", "--api-base", provider.url, "--yes")
    options += ("--respondents", "1", "--label", "mine", "--out", "model.csv", "--json")
    first = json.loads((result := run(*options)).stdout)
    assert result.exit_code == 1
    assert first["outcomes"]["refusal"] == first["outcomes"]["unreadable"] == first["outcomes"]["error"] == 1
    assert first["returned_models"] == ["served-2026-11"]
    assert "the same command again asks only the rest" in result.stderr
    before = len(provider.received)
    done = json.loads((result := run(*options)).stdout)
    assert result.exit_code == 0, result.stderr
    assert len(provider.received) == before + 1
    assert done["complete"]
    assert done["outcomes"]["error"] == 0
    assert done["respondents"] == ["model-mine-1"]
    found = read_answers(tmp_path / "model.csv")
    assert len(found.answers) == done["planned"] - 2
    assert all(a.seconds is not None and a.answered_at >= a.presented_at for a in found.answers)


def test_a_model_is_asked_no_faster_than_the_researcher_says(run, open_study, provider):
    options = (open_study(), "--model", "openai/local", "--api-base", provider.url, "--yes")
    options += ("--respondents", "1", "--max-calls", "9", "--rpm", "300")
    run(*options)
    assert len(provider.received) == 9
    # Eight gaps of a fifth of a second; a slow machine only makes them longer, but for the way of the last one.
    assert provider.moments[-1] - provider.moments[0] > 6 / 5
