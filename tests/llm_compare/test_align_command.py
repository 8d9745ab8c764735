"""``equipoise compare align`` as a user meets it, wrong input included."""

from __future__ import annotations

import json

import pytest

from survey.answers_file import write_answers
from survey.cli import run
from survey.design_file import EXAMPLES
from survey.published_answers import import_study_1_counts

DESIGN = str(EXAMPLES / "kidney-study1.toml")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return a folder with people's answers and replies: ``coin``, ``left`` and, in the other arm, ``no-coin``."""
    folder = tmp_path_factory.mktemp("align")
    write_answers(folder / "answers.csv", import_study_1_counts())
    runs = [
        ("coin", "scripted/coin", "with-coin"),
        ("left", "scripted/always-left", "with-coin"),
        ("no-coin", "scripted/youngest-first", "no-coin"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EQUIPOISE_STATE_DIR", str(folder / "state"))
        for name, model, arm in runs:
            out = str(folder / f"{name}.jsonl")
            assert run(["compare", "ask", DESIGN, "--model", model, "--arm", arm, "--out", out]) == 0
    return folder


@pytest.mark.parametrize(
    ("replies", "options", "complaint"),
    [
        ("coin.jsonl", ["--seed", "-1"], "--seed"),
        ("coin.jsonl", ["--bootstrap", "1"], "40 or more"),
        ("coin.jsonl", ["--arm", "coin"], "no-coin, with-coin"),
        ("coin.jsonl", ["--arm", "no-coin"], "ask the model under the people's condition"),
        ("coin.jsonl", ["--pool", "nowhere.json"], "nowhere.json"),
        ("coin.jsonl", ["--report", "/nowhere/report.html"], "/nowhere/report.html"),
        ("coin.jsonl no-coin.jsonl", [], "one arm at a time"),
        ("nowhere.jsonl", [], "nowhere.jsonl"),
        ("answers.csv", [], "compare ask"),
    ],
)
def test_wrong_input_says_what_to_do(files, replies, options, complaint, capsys):
    names = [str(files / name) for name in replies.split()]

    assert run(["compare", "align", str(files / "answers.csv"), *names, *options]) == 2
    assert complaint in capsys.readouterr().err


def test_a_stopped_run_is_called_so(files, tmp_path, capsys):
    lines = (files / "left.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "stopped.jsonl").write_text("".join(lines[:-4]))

    assert run(["compare", "align", str(files / "answers.csv"), str(tmp_path / "stopped.jsonl")]) == 0
    assert "4 of 28 planned calls were not made" in capsys.readouterr().out


@pytest.fixture
def mute(files, tmp_path):
    """Return replies of a model that refuses to answer anything."""
    first, *lines = (files / "left.jsonl").read_text().splitlines(keepends=True)
    refusals = [
        json.dumps({**json.loads(line), "reply": "I'm sorry, but I can't help with that."}) for line in lines
    ]
    path = tmp_path / "mute.jsonl"
    path.write_text(first + "\n".join(refusals) + "\n")
    return path


def test_a_model_that_only_refused_is_reported_beside_the_others(files, mute, tmp_path, capsys):
    arguments = [str(files / "answers.csv"), str(files / "coin.jsonl"), str(mute)]
    outputs = ["--out", str(tmp_path / "a.json"), "--report", str(tmp_path / "r.html")]

    assert run(["compare", "align", *arguments, *outputs]) == 0
    assert (
        "scripted/always-left: none of its replies is a readable choice (28 refusal)"
        in capsys.readouterr().out
    )
    record = json.loads((tmp_path / "a.json").read_text())
    assert [m["label"] for m in record["models"]] == ["scripted/coin"]
    assert record["models_without_choice"][0]["replies"]["refusal"] == 28
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "None of its replies is a readable choice (28 refusal)" in page


def test_without_any_readable_choice_there_is_no_report(files, mute, capsys):
    assert run(["compare", "align", str(files / "answers.csv"), str(mute)]) == 2
    said = capsys.readouterr().err
    assert "scripted/always-left gave 28 refusal" in said
    assert "ask again" in said
