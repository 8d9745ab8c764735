from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from llm_compare.commands.ask import ask
from llm_compare.errors import BadBatch, BadReplies
from llm_compare.replies.replies_file import read_replies
from survey.design_file import EXAMPLES


@pytest.fixture
def run(monkeypatch, tmp_path, database_url):
    """Return a function that runs ``compare ask`` for a model that must never be reached."""
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", database_url)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def run(*arguments, model="openai/gpt-4o"):
        given = [str(EXAMPLES / "kidney-8.toml"), "--model", model, *map(str, arguments)]
        return CliRunner().invoke(ask, given)

    return run


def test_a_plan_can_be_answered_by_batches_alone(run, tmp_path, answered):
    batch, again, out = (tmp_path / name for name in ("batch.jsonl", "again.jsonl", "replies.jsonl"))

    exported = run("--export-batch", batch)
    assert exported.exit_code == 0, exported.stderr
    assert f"56 calls written to {batch}" in exported.stdout

    output, errors = answered(batch, fail={3, 40})
    (tmp_path / "output.jsonl").write_text("\n".join(output), encoding="utf-8")
    (tmp_path / "errors.jsonl").write_text("\n".join(errors), encoding="utf-8")
    files = ("--import-batch", tmp_path / "output.jsonl", "--import-batch", tmp_path / "errors.jsonl")
    first = run(*files, "--out", out, "--json")
    assert first.exit_code == 1
    assert "54 replies stored" in first.stderr
    assert "failed 2 times: rate_limit_exceeded: Slow down." in first.stderr
    assert "2 calls still have no reply" in first.stderr
    summary = json.loads(first.stdout)
    assert summary["imported"] == {"stored": 54, "already_stored": 0, "failed": 2, "unknown": 0, "missing": 2}
    assert (summary["planned"], summary["complete"]) == (56, False)
    assert len(read_replies(out).replies) == 54

    # Only what is missing is exported the second time.
    assert "2 calls written" in run("--export-batch", again).stdout
    output, errors = answered(again)
    assert errors == []
    (tmp_path / "rest.jsonl").write_text("\n".join(output), encoding="utf-8")
    second = run("--import-batch", tmp_path / "rest.jsonl")
    assert second.exit_code == 0, second.stderr
    assert "0 calls still have no reply" in second.stderr

    # Nothing is left to ask, so no key is needed, and the model is not reached.
    last = run("--out", out)
    assert last.exit_code == 0, last.stderr
    assert "already stored 56, to be asked 0" in last.stderr
    file = read_replies(out)
    assert file.complete
    assert {r.reply.returned_model for r in file.replies} == {"gpt-4o-2024-08-06"}


def test_importing_again_changes_nothing(run, tmp_path, answered):
    run("--export-batch", tmp_path / "batch.jsonl")
    for name, content in (("one.jsonl", "A"), ("other.jsonl", "B")):
        output, _ = answered(tmp_path / "batch.jsonl", content=content)
        (tmp_path / name).write_text("\n".join(output), encoding="utf-8")
    run("--import-batch", tmp_path / "one.jsonl")
    again = run("--import-batch", tmp_path / "other.jsonl", "--out", tmp_path / "replies.jsonl")
    assert "0 replies stored, 56 for calls that have a reply, which stays" in again.stderr
    assert {r.reply.content for r in read_replies(tmp_path / "replies.jsonl").replies} == {"A"}


def test_what_failed_in_a_file_is_stored_once_however_often_it_is_imported(run, tmp_path, sessions, answered):
    from llm_compare.replies.tables import ModelFailureRow

    run("--export-batch", tmp_path / "batch.jsonl")
    _, errors = answered(tmp_path / "batch.jsonl", fail={0, 1})
    (tmp_path / "errors.jsonl").write_text("\n".join(errors), encoding="utf-8")
    for _ in range(2):
        run("--import-batch", tmp_path / "errors.jsonl")
    with sessions() as session:
        assert session.query(ModelFailureRow).count() == 2


def test_results_of_another_plan_are_counted_and_named(run, tmp_path, answered):
    run("--export-batch", tmp_path / "batch.jsonl", "--temperature", "1")
    output, _ = answered(tmp_path / "batch.jsonl")
    (tmp_path / "output.jsonl").write_text("\n".join(output), encoding="utf-8")
    result = run("--import-batch", tmp_path / "output.jsonl")
    assert result.exit_code == 1
    assert "0 replies stored, 56 of no call in this plan" in result.stderr
    assert "A call is known by exactly what is sent" in result.stderr


def test_one_unreadable_file_stores_nothing_of_any(run, tmp_path, answered):
    run("--export-batch", tmp_path / "batch.jsonl")
    output, _ = answered(tmp_path / "batch.jsonl")
    (tmp_path / "good.jsonl").write_text("\n".join(output), encoding="utf-8")
    (tmp_path / "bad.jsonl").write_text("<html>", encoding="utf-8")
    files = ("--import-batch", tmp_path / "good.jsonl", "--import-batch", tmp_path / "bad.jsonl")
    assert isinstance(run(*files).exception, BadBatch)
    assert "already stored 0, to be asked 56" in run("--dry-run").stderr


def test_a_replies_file_from_another_machine_is_taken_over(run, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere.jsonl"
    run("--out", elsewhere, model="scripted/youngest-first")
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", f"sqlite:///{other}/equipoise.sqlite")
    taken = run(
        "--import-replies", elsewhere, "--out", other / "replies.jsonl", model="scripted/youngest-first"
    )
    assert taken.exit_code == 0, taken.stderr
    assert "56 replies stored" in taken.stderr
    assert (other / "replies.jsonl").read_bytes() == elsewhere.read_bytes()
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    assert isinstance(run("--import-replies", tmp_path / "empty.jsonl").exception, BadReplies)


def test_each_model_has_its_batch_file(run, tmp_path):
    result = run("--model", "openai/gpt-4.1", "--export-batch", tmp_path / "{model}.jsonl", "--json")
    assert result.exit_code == 0, result.stderr
    exported = json.loads(result.stdout)["exported"]
    assert [e["calls"] for e in exported] == [56, 56]
    models = {
        json.loads(line)["body"]["model"]
        for name in ("openai-gpt-4o.jsonl", "openai-gpt-4.1.jsonl")
        for line in (tmp_path / name).read_text().splitlines()
    }
    assert models == {"gpt-4o", "gpt-4.1"}


def test_what_cannot_be_asked_by_batch_is_refused_before_any_file_is_written(run, tmp_path):
    scripted = run("--export-batch", tmp_path / "batch.jsonl", model="scripted/coin")
    assert scripted.exit_code == 2
    assert "answers at once; just ask" in scripted.stderr
    other = run("--model", "anthropic/claude-sonnet-4-5", "--export-batch", tmp_path / "{model}.jsonl")
    assert isinstance(other.exception, BadBatch)
    assert list(tmp_path.glob("*.jsonl")) == []


def test_the_ways_are_taken_one_at_a_time(run, tmp_path):
    result = run("--dry-run", "--export-batch", tmp_path / "batch.jsonl")
    assert result.exit_code == 2
    assert "done one at a time" in result.stderr
