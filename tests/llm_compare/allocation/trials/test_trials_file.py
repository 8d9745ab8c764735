from __future__ import annotations

import json
import os
import platform
import stat
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_compare.allocation.problems.problem import Origin, ProblemSet
from llm_compare.allocation.problems.problems_file import problems_sha256
from llm_compare.allocation.trials.answer import AnsweredTrial, Outcome, Read, RespondentKind, TrialFile
from llm_compare.allocation.trials.reading import Repair, read_trial
from llm_compare.allocation.trials.trial import ALL_COLUMNS, Change, Form, Strategy, Task, Turns, Way
from llm_compare.allocation.trials.trials_file import read_trials, write_trials
from llm_compare.errors import BadTrials
from llm_compare.replies.reply import Failure, Reply
from llm_compare.replies.reply_parts import REPLY_PARTS, parts_of, reply_of

FULL = Reply(
    content="2, 1\n0, 2\n1, 3\n3, 4 \u2014 \ud83d half a pair",
    finish_reason="stop",
    refusal=None,
    returned_model="served-1",
    system_fingerprint="fp_1",
    tokens_in=900,
    tokens_out=20,
    tokens_reasoning=3,
    reasoning="hm",
    first_token={"2": -0.1, "0": -2},
    response='{"id": 1}',
    cost_usd=1e-4,
    seconds=0.25,
    attempts=2,
    asked_at=datetime(2026, 11, 21, 12, 0, 0, 5000, tzinfo=UTC),
)
FAILED = Reply(content=None, attempts=6, error=Failure(kind="Timeout", status=None, message="late\u2028"))


def answered(trial, reply, **parts):
    return AnsweredTrial(trial=trial, reply=reply, read=read_trial(reply, trial), **parts)


def file_of(problem_set, trials, *, task=Task.RANK_ALL, **parts):
    arguments = {
        "label": "Model A",
        "model": "openai/a",
        "kind": RespondentKind.MODEL,
        "task": task,
        "set_sha256": problems_sha256(problem_set),
        "origin": problem_set.origin,
        "planned": len(trials),
        "answered": tuple(trials),
        "settings": {"temperature": 0.5, "max_tokens": 300, "reasoning_effort": "low"},
        **parts,
    }
    return TrialFile(**arguments)


@pytest.fixture
def rankings(problem_set, trial_of):
    trials = [
        answered(trial_of(Task.RANK_ALL), FULL, earlier=("ok", "noted"), request_key="ab12"),
        answered(trial_of(Task.RANK_ALL, repeat=1), Reply(content="2, 1\n0, 2")),
        answered(trial_of(Task.RANK_ALL, repeat=2), FAILED),
        answered(
            trial_of(
                Task.RANK_ALL,
                problem=problem_set.problems[1],
                way=Way(turns=Turns.SINGLE, form=Form.JSON),
                row_order=(3, 1, 0, 2),
                shuffle=2,
                column_order=ALL_COLUMNS[::-1],
                column_shuffle=1,
                change=Change(candidate=3, grouping="state", value="OHIO"),
            ),
            Reply(content='{"ranking": [3, 0, 1, 2]}'),
        ),
    ]
    return file_of(problem_set, trials, planned=9)


def test_what_is_written_is_what_is_read(tmp_path, problem_set, rankings):
    path = tmp_path / "trials.jsonl"
    write_trials(path, rankings, problems=problem_set)
    assert read_trials(path, problem_set) == replace(rankings, file=path)
    assert path.read_bytes().isascii()


def test_viability_trials_keep_their_examples(tmp_path, problem_set, trial_of):
    trial = trial_of(
        Task.VIABILITY,
        way=Way(strategy=Strategy.FEW_SHOT),
        examples=1,
        example_pairs=problem_set.example_sets[1],
    )
    file = file_of(problem_set, [answered(trial, Reply(content="18, No"))], task=Task.VIABILITY)
    write_trials(tmp_path / "t.jsonl", file, problems=problem_set)
    (read,) = read_trials(tmp_path / "t.jsonl", problem_set).answered
    assert read == file.answered[0]
    assert read.read.viable is False


def test_the_same_trials_give_the_same_bytes(tmp_path, problem_set, rankings):
    write_trials(tmp_path / "a.jsonl", rankings, problems=problem_set)
    write_trials(tmp_path / "b.jsonl", read_trials(tmp_path / "a.jsonl", problem_set), problems=problem_set)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["a.jsonl", "b.jsonl"]


def test_replies_are_read_anew_whatever_the_line_says_they_are(tmp_path, problem_set, rankings):
    path = tmp_path / "t.jsonl"
    write_trials(path, rankings, problems=problem_set)
    lines = path.read_text().splitlines()
    line = json.loads(lines[1])
    assert (line["outcome"], line["order"]) == ("answer", [2, 0, 1, 3])
    line |= {"outcome": "refusal", "order": [], "parser": "0"}
    lines[1] = json.dumps(line)
    path.write_text("\n".join(lines) + "\n")
    assert read_trials(path, problem_set).answered[0].read.order == (2, 0, 1, 3)


def test_a_repair_is_made_on_reading_and_named(tmp_path, problem_set, rankings):
    path = tmp_path / "t.jsonl"
    write_trials(path, rankings, problems=problem_set)
    plain, repaired = (
        read_trials(path, problem_set, repair=r).answered[1].read for r in (Repair.NONE, Repair.BOTH)
    )
    assert (plain.outcome, plain.order) == (Outcome.INCOMPLETE, (2, 0))
    assert (repaired.outcome, repaired.order) == (Outcome.ANSWER, (2, 0, 1, 3))
    assert repaired.repairs == ("last-place",)


def test_the_first_line_says_whether_every_trial_has_a_reply(tmp_path, problem_set, trial_of):
    path = tmp_path / "t.jsonl"
    good, failed = (
        answered(trial_of(Task.RANK_ALL), FULL),
        answered(trial_of(Task.RANK_ALL, repeat=1), FAILED),
    )
    for trials, planned, complete in (([good], 1, True), ([good], 2, False), ([good, failed], 2, False)):
        write_trials(path, file_of(problem_set, trials, planned=planned), problems=problem_set)
        assert json.loads(path.read_text().split("\n")[0])["complete"] is complete


def test_people_s_answers_stand_as_they_were_given(tmp_path, problem_set, trial_of):
    given = [
        AnsweredTrial(trial=trial_of(Task.CHOOSE_ONE), reply=Reply(content=None), read=read, respondent=code)
        for code, read in (
            ("r1", Read(outcome=Outcome.ANSWER, rule="button", order=(2,))),
            ("r2", Read(outcome=Outcome.INDECISION, rule="button")),
        )
    ]
    file = file_of(
        problem_set, given, task=Task.CHOOSE_ONE, kind=RespondentKind.PEOPLE, model="people", settings={}
    )
    write_trials(tmp_path / "t.jsonl", file, problems=problem_set)
    assert read_trials(tmp_path / "t.jsonl", problem_set).answered == tuple(given)


def test_a_pipe_is_written_to_and_a_link_stays_a_link(tmp_path, problem_set, trial_of):
    file = file_of(problem_set, [answered(trial_of(Task.RANK_ALL), FULL)])
    real, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    link.symlink_to(real)
    write_trials(link, file, problems=problem_set)
    out, into = os.pipe()
    try:
        write_trials(Path(f"/dev/fd/{into}"), file, problems=problem_set)
        piped = os.read(out, 1 << 16)
    finally:
        os.close(out)
        os.close(into)

    assert link.is_symlink()
    assert real.read_bytes() == piped


def test_trials_of_people_s_records_are_their_owner_s_alone_and_hold_no_record(
    tmp_path, problem_set, trial_of
):
    restricted = replace(problem_set, origin=Origin.REGISTRY)
    path = tmp_path / "t.jsonl"
    (tmp_path / f".t.jsonl.{platform.node()}.{os.getpid()}.part").write_text(
        "left behind"
    )  # Readable by others.
    write_trials(path, file_of(restricted, [answered(trial_of(Task.RANK_ALL), FULL)]), problems=restricted)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    for word in ("Hispanic", "OHIO", "Female", "173.0", "965"):
        assert word not in text


def test_a_failing_write_leaves_the_file_that_was_there(tmp_path, problem_set, rankings):
    path = tmp_path / "t.jsonl"
    write_trials(path, rankings, problems=problem_set)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_trials(path, replace(rankings, settings={"n": object()}), problems=problem_set)
    assert path.read_bytes() == before


def test_problems_of_waiting_lists_are_found_beside_those_of_the_set(tmp_path, problem_set, trial_of):
    elsewhere = replace(problem_set.problems[0], name="e1-k1", ids=(90, 80, 70, 60))
    trial = trial_of(Task.RANK_ALL, problem=elsewhere)
    file = file_of(problem_set, [answered(trial, Reply(content="60\n70\n80\n90"))])
    write_trials(tmp_path / "t.jsonl", file, problems=problem_set)
    with pytest.raises(BadTrials, match=r"t.jsonl:2: problem: there is no 'e1-k1' for rank-all"):
        read_trials(tmp_path / "t.jsonl", problem_set)
    read = read_trials(tmp_path / "t.jsonl", problem_set, problems_by_name={"e1-k1": elsewhere})
    assert read.answered == file.answered
    assert read.answered[0].read.order == (3, 2, 1, 0)


def test_every_field_of_a_reply_is_written_and_read():
    assert {f.name for f in fields(Reply)} == set(REPLY_PARTS)
    for reply in (FULL, FAILED, Reply(content="x")):
        assert reply_of(json.loads(json.dumps(parts_of(reply)))) == reply


# ---- what cannot be read


def test_trials_about_other_problems_are_refused(tmp_path, problem_set, rankings):
    write_trials(tmp_path / "t.jsonl", rankings, problems=problem_set)
    other: ProblemSet = replace(problem_set, problems=problem_set.problems[:2])
    with pytest.raises(
        BadTrials, match=r"is about other problems .* name the file of problems that these trials"
    ):
        read_trials(tmp_path / "t.jsonl", other)


BROKEN = [
    (1, lambda d: {**d, "format": "replies"}, "format: is not 'equipoise trials'"),
    (1, lambda d: {**d, "format_version": 2}, "format_version: is 2, and this program reads 1"),
    (1, lambda d: {**d, "task": "rank"}, "task: is 'rank', not one of viability, choose-one, rank-all"),
    (1, lambda d: {**d, "kind": "robot"}, "kind: is 'robot'"),
    (1, lambda d: {**d, "planned": "4"}, "planned: is text, not a whole number"),
    (1, lambda d: {**d, "settings": {"n": []}}, r"settings\[1\]: is a list"),
    (1, lambda d: [], "format"),
    (2, lambda d: {k: v for k, v in d.items() if k != "shuffle"}, "shuffle: is missing"),
    (2, lambda d: {**d, "extra": 1}, "extra: is not known here"),
    (2, lambda d: {**d, "problem": "p99"}, "problem: there is no 'p99' for rank-all among the problems"),
    (2, lambda d: {**d, "row_order": [0, 1, 2, 2]}, "row_order: is not an order of the 4 candidates of p01"),
    (2, lambda d: {**d, "row_order": [0, 1, 2, "3"]}, r"row_order\[4\]: is text"),
    (2, lambda d: {**d, "column_order": ["ABO"]}, "column_order: is not an order of the columns"),
    (2, lambda d: {**d, "column_order": [[]]}, r"column_order\[1\]: is a list"),
    (2, lambda d: {**d, "way": {**d["way"], "form": "xml"}}, "way.form: is 'xml', not one of text, json"),
    (2, lambda d: {**d, "way": {**d["way"], "form": []}}, "way.form: is a list, not text"),
    (2, lambda d: {**d, "way": {}}, "way.strategy: is missing"),
    (2, lambda d: {**d, "examples": 7}, "examples: is 7, and there are 2 sets"),
    (
        2,
        lambda d: {**d, "change": {"candidate": 4, "grouping": "gender", "value": "Male"}},
        "change.candidate: p01 has no candidate 4",
    ),
    (
        2,
        lambda d: {**d, "change": {"candidate": 0, "grouping": "age", "value": 3}},
        "change.grouping: is 'age', not one of gender",
    ),
    (2, lambda d: {**d, "turns": [1]}, r"turns\[1\]: is a whole number, not text"),
    (2, lambda d: {**d, "reply": {**d["reply"], "content": 3}}, "reply.content: is a whole number"),
    (2, lambda d: {**d, "reply": {**d["reply"], "error": {}}}, "reply.error.kind: is missing"),
    (2, lambda d: {**d, "reply": {**d["reply"], "asked_at": "now"}}, "reply.asked_at: 'now' is no date"),
    (2, lambda d: {**d, "reply": {**d["reply"], "asked_at": "2026-01-01"}}, "does not say its time zone"),
    (
        2,
        lambda d: {**d, "reply": {**d["reply"], "first_token": {"a": "b"}}},
        r"reply.first_token\[1\]: is text",
    ),
    (2, lambda d: "line", "the line: is not a table but text"),
    (3, lambda d: {**d, "repeat": 0}, "is about the same trial as an earlier line"),
]


@pytest.mark.parametrize(("number", "change", "complaint"), BROKEN, ids=[c[2][:40] for c in BROKEN])
def test_a_line_that_cannot_be_read_is_named_with_what_is_wrong(
    tmp_path, problem_set, rankings, number, change, complaint
):
    path = tmp_path / "t.jsonl"
    write_trials(path, rankings, problems=problem_set)
    lines = path.read_text().splitlines()
    lines[number - 1] = json.dumps(change(json.loads(lines[number - 1])))
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(BadTrials, match=complaint) as raised:
        read_trials(path, problem_set)
    assert str(raised.value).startswith(f"{path}:{number}: ")
    assert "name a file written by" in str(raised.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"{", "t.jsonl:1: is not JSON"),
        (b"[" * 100_000, "t.jsonl:1: is JSON that nobody wrote"),
        (b"1" * 10_000, "t.jsonl:1: is JSON that nobody wrote"),
    ],
)
def test_a_file_that_is_no_trials_file_says_so(tmp_path, problem_set, content, complaint):
    (tmp_path / "t.jsonl").write_bytes(content)
    with pytest.raises(BadTrials, match=complaint):
        read_trials(tmp_path / "t.jsonl", problem_set)


def test_a_missing_file_says_so(tmp_path, problem_set):
    with pytest.raises(BadTrials, match="No such file or directory; name an existing file"):
        read_trials(tmp_path / "t.jsonl", problem_set)


def test_more_trials_than_were_planned_are_refused(tmp_path, problem_set, rankings):
    write_trials(tmp_path / "t.jsonl", replace(rankings, planned=3), problems=problem_set)
    with pytest.raises(BadTrials, match="holds 4 trials where 3 were planned"):
        read_trials(tmp_path / "t.jsonl", problem_set)


def test_a_person_s_answer_about_nobody_in_the_list_is_refused(tmp_path, problem_set, trial_of):
    given = AnsweredTrial(
        trial=trial_of(Task.CHOOSE_ONE),
        reply=Reply(content=None),
        read=Read(outcome=Outcome.ANSWER, rule="button", order=(9,)),
        respondent="r1",
    )
    file = file_of(problem_set, [given], task=Task.CHOOSE_ONE, kind=RespondentKind.PEOPLE)
    write_trials(tmp_path / "t.jsonl", file, problems=problem_set)
    with pytest.raises(BadTrials, match="order: does not name different candidates of p01"):
        read_trials(tmp_path / "t.jsonl", problem_set)
