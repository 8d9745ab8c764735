from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from llm_compare.ask_command import ask
from llm_compare.errors import CannotAsk, UnknownModel
from llm_compare.replies_file import read_replies
from llm_compare.respondents import answers_of
from survey.answers_file import write_answers
from survey.design_file import EXAMPLES
from survey.errors import BadDesign, BadProfile


@pytest.fixture
def run(monkeypatch, tmp_path, database_url):
    """Return a function that runs ``compare ask`` in a fresh folder with a fresh database."""
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", database_url)

    def run(*arguments, design="kidney-8", model="scripted/youngest-first", out="replies.jsonl"):
        given = [str(EXAMPLES / f"{design}.toml"), "--model", model, "--out", str(tmp_path / out), *arguments]
        return CliRunner().invoke(ask, given)

    return run


def test_the_example_of_the_design_document_works(run, tmp_path):
    result = run("--repeats", "3")
    assert result.exit_code == 0
    assert "28 comparisons x 2 side orders x 3 repeats = 168 calls" in result.stderr
    assert "scripted/youngest-first (a scripted respondent, not a model): 168 of 168 calls" in result.stdout
    assert result.stdout.splitlines()[1:3] == ["  choice          96", "  indecision      72"]
    file = read_replies(tmp_path / "replies.jsonl")
    assert (file.complete, file.scripted, len(file.replies)) == (True, True, 168)


def test_the_same_command_again_asks_nothing_and_writes_the_same_bytes(run, tmp_path):
    run("--json")
    again = run("--json", out="again.jsonl")
    assert json.loads(again.stdout)["already_stored"] == 56
    assert "already stored 56, to be asked 0" in again.stderr
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "replies.jsonl").read_bytes()


def test_a_scripted_run_gives_the_same_bytes_from_another_database(run, tmp_path, monkeypatch):
    options = ("--arm", "no-coin", "--repeats", "2")
    run(*options, design="kidney-numeric", model="scripted/coin")
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", f"sqlite:///{tmp_path}/other.sqlite")
    run(*options, design="kidney-numeric", model="scripted/coin", out="other.jsonl")
    assert (tmp_path / "other.jsonl").read_bytes() == (tmp_path / "replies.jsonl").read_bytes()


def test_more_repeats_ask_only_the_new_ones(run):
    run("--repeats", "1")
    assert json.loads(run("--repeats", "3", "--json").stdout)["already_stored"] == 56


def test_a_budget_stops_the_run_and_says_how_to_go_on(run, tmp_path):
    first = run("--max-calls", "10")
    assert first.exit_code == 1
    assert "this run stops after 10 of them" in first.stderr
    assert "Stopped at --max-calls. 0 calls failed, 46 were not made." in first.stderr
    assert "the same command again asks only the rest" in first.stderr
    assert "incomplete" in first.stdout
    file = read_replies(tmp_path / "replies.jsonl")
    assert (file.complete, file.planned, len(file.replies)) == (False, 56, 10)
    assert run("--max-calls", "46").exit_code == 0
    assert read_replies(tmp_path / "replies.jsonl").complete


def test_a_dry_run_shows_the_plan_and_asks_nothing(run, tmp_path):
    result = run("--dry-run")
    assert result.exit_code == 0
    assert "already stored 0, to be asked 56" in result.stderr
    assert not (tmp_path / "replies.jsonl").exists()
    assert "already stored 0, to be asked 56" in run().stderr


def test_a_dry_run_of_a_paid_model_needs_no_key_and_no_file_and_the_run_itself_needs_both(
    monkeypatch, tmp_path
):
    from survey.cli import run as equipoise

    monkeypatch.setenv("EQUIPOISE_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    asked = ["compare", "ask", str(EXAMPLES / "kidney-8.toml"), "--model", "openai/gpt-4o"]

    assert equipoise([*asked, "--dry-run"]) == 0
    assert equipoise(asked) == 2
    assert equipoise([*asked, "--out", str(tmp_path / "replies.jsonl")]) == 2


def test_the_arm_decides_whether_indecision_is_offered(run, tmp_path):
    run("--arm", "no-coin", "--comparisons", "5", design="kidney-numeric")
    replies = read_replies(tmp_path / "replies.jsonl").replies
    assert {(r.request.arm, r.request.indecision_offered) for r in replies} == {("no-coin", False)}
    run("--comparisons", "5", design="kidney-numeric")
    replies = read_replies(tmp_path / "replies.jsonl").replies
    assert {(r.request.arm, r.request.indecision_offered) for r in replies} == {("with-coin", True)}


def test_exactly_the_comparisons_that_people_answered_can_be_asked(run, tmp_path, kidney_numeric):
    run("--comparisons", "7", "--seed", "5", design="kidney-numeric", out="some.jsonl")
    some = read_replies(tmp_path / "some.jsonl")
    answer_set, _ = answers_of(some.replies, some.attributes, source="test")
    write_answers(tmp_path / "answers.csv", answer_set)
    run("--from", str(tmp_path / "answers.csv"), design="kidney-numeric")
    asked = read_replies(tmp_path / "replies.jsonl")
    seen = {r.request.presentation.comparison for r in some.replies}
    assert {r.request.presentation.comparison for r in asked.replies} == seen
    assert len(asked.replies) == 14
    run("--from", str(tmp_path / "answers.csv"), "--comparisons", "2", design="kidney-numeric")
    assert len(read_replies(tmp_path / "replies.jsonl").replies) == 4


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--api-base", "http://127.0.0.1:1/v1"], "--api-base and --temperature mean nothing to it"),
        (["--temperature", "1"], "--api-base and --temperature mean nothing to it"),
        (["--repeats", "0"], "x>=1"),
    ],
)
def test_options_that_make_no_sense_are_refused(run, arguments, complaint):
    result = run(*arguments)
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())


@pytest.mark.parametrize("address", ["http://me:secret@host/v1", "http://host/v1?key=secret", "host:8000"])
def test_an_address_that_would_store_a_secret_or_is_none_is_refused(run, address):
    result = run("--api-base", address, model="openai/x")
    assert result.exit_code == 2
    assert "--api-base" in result.stderr


def test_a_folder_that_is_not_there_is_noticed_before_anything_is_asked(run):
    result = run(out="no/such/folder.jsonl")
    assert result.exit_code == 2
    assert "make it first" in result.stderr
    result = run(out=".")
    assert result.exit_code == 2
    assert "is a directory" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"model": "scripted/nobody"}, UnknownModel),
        ({"design": "no-such-study"}, BadDesign),
    ],
)
def test_bad_input_raises_an_error_for_the_root_command_to_print(run, arguments, kind):
    assert isinstance(run(**arguments).exception, kind)


def test_an_unknown_arm_and_too_many_comparisons_are_named(run):
    assert isinstance(run("--arm", "third").exception, BadProfile)
    assert isinstance(run("--comparisons", "1000").exception, CannotAsk)
