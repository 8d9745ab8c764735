from __future__ import annotations

import json

from survey.answers import RespondentKind
from survey.answers_file import read_answers
from survey.cli import run
from survey.design_file import EXAMPLES, example_design


def test_models_replies_become_answers_that_the_estimators_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EQUIPOISE_STATE_DIR", str(tmp_path / "state"))
    design = str(EXAMPLES / "kidney-8.toml")
    replies, out = tmp_path / "replies.jsonl", tmp_path / "answers.csv"
    assert run(["compare", "ask", design, "--model", "scripted/youngest-first", "--out", str(replies)]) == 0

    assert run(["compare", "answers", str(replies), "--out", str(out)]) == 0

    assert "0 of 56 replies were no choice" in capsys.readouterr().out
    answers = read_answers(out, example_design("kidney-8").attributes).answers
    assert len(answers) == 56
    assert {(a.kind, a.respondent) for a in answers} == {(RespondentKind.MODEL, "scripted/youngest-first")}
    assert run(["estimate", "fit", str(out), "--design", design, "--json"]) == 0
    fitted = json.loads(capsys.readouterr().out)
    assert fitted["outcome"] == "regularized"
    assert fitted["coefficients"]["age=old"]["value"] < 0
    assert fitted["fit"]["clustering"] == "comparison"


def test_no_reply_file_is_refused_by_name(tmp_path, capsys):
    assert run(["compare", "answers", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "a.csv")]) == 2
    assert "none.jsonl" in capsys.readouterr().err


def test_of_several_variants_one_is_written_by_name_and_without_a_name_the_one_that_asks_as_people(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("EQUIPOISE_STATE_DIR", str(tmp_path / "state"))
    protocol = tmp_path / "protocol.toml"
    protocol.write_text(
        '[[model]]\nmodel = "scripted/coin"\n\n'
        '[[variant]]\nname = "forced"\nindecision = "not-offered"\n\n[[variant]]\nname = "plain"\n',
        encoding="utf-8",
    )
    replies, out = tmp_path / "replies.jsonl", tmp_path / "answers.csv"
    design = str(EXAMPLES / "kidney-8.toml")
    assert run(["compare", "ask", design, "--protocol", str(protocol), "--out", str(replies)]) == 0

    offered = {}
    for options in ([], ["--variant", "forced"]):
        assert run(["compare", "answers", str(replies), "--out", str(out), *options]) == 0
        answers = read_answers(out, example_design("kidney-8").attributes).answers
        offered[tuple(options)] = {a.indecision_offered for a in answers}
        assert len(answers) == 56
    assert offered == {(): {True}, ("--variant", "forced"): {False}}
    assert run(["compare", "answers", str(replies), "--out", str(out), "--variant", "x"]) == 2
    assert "there are plain, forced" in capsys.readouterr().err
