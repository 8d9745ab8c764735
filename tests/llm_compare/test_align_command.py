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


def test_a_model_that_never_gave_a_readable_choice_is_named_with_what_it_gave(files, tmp_path, capsys):
    first, *lines = (files / "left.jsonl").read_text().splitlines(keepends=True)
    mute = [
        json.dumps({**json.loads(line), "reply": "I'm sorry, but I can't help with that."}) for line in lines
    ]
    (tmp_path / "mute.jsonl").write_text(first + "\n".join(mute) + "\n")
    arguments = [str(files / "answers.csv"), str(files / "coin.jsonl"), str(tmp_path / "mute.jsonl")]

    assert run(["compare", "align", *arguments]) == 2
    said = capsys.readouterr().err
    assert "scripted/always-left" in said
    assert "28 refusal" in said
    assert "leave its file out" in said
