"""``equipoise compare align`` as a user meets it, wrong input included."""

from __future__ import annotations

import json

import pytest

from estimation.manifest import file_hash
from survey.answers_file import write_answers
from survey.cli import run
from survey.design_file import EXAMPLES
from survey.published_answers import import_study_1_counts

DESIGN = str(EXAMPLES / "kidney-study1.toml")
FEW = ["--draws", "20", "--splits", "5"]


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
        ("coin.jsonl", ["--draws", "1"], "--draws"),
        ("coin.jsonl", ["--pools", "2", "--weight-draws", "1"], "2 or more"),
        ("coin.jsonl", ["--weight-draws", "5"], "--pools"),
        ("coin.jsonl coin.jsonl", [], "more than once"),
        ("coin.jsonl", ["--years", "2"], "--runs"),
        ("coin.jsonl", ["--scenario", "freedman2020"], "--years"),
        ("coin.jsonl", ["--years", "1", "--runs", "runs", "--scenario", "nowhere.toml"], "nowhere.toml"),
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

    arguments = [str(files / "answers.csv"), str(tmp_path / "stopped.jsonl"), *FEW]
    assert run(["compare", "align", *arguments]) == 0
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
    arguments = [str(files / "answers.csv"), str(files / "coin.jsonl"), str(mute), *FEW]
    outputs = ["--out", str(tmp_path / "a.json"), "--report", str(tmp_path / "r.html")]

    assert run(["compare", "align", *arguments, *outputs]) == 0
    said = capsys.readouterr().out
    assert "scripted/always-left: none of its replies is a readable choice (28 refusal)" in said
    record = json.loads((tmp_path / "a.json").read_text())
    assert [m["measured"]["label"] for m in record["models"]] == ["scripted/coin"]
    assert record["without_choice"][0]["calls"]["outcomes"]["counts"]["refusal"] == 28
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "scripted/always-left" in page
    assert file_hash(tmp_path / "a.json") in page


def test_the_same_command_gives_the_same_bytes(files, tmp_path):
    for name in ("one", "two"):
        outputs = ["--out", str(tmp_path / name / "a.json"), "--report", str(tmp_path / name / "r.html")]
        (tmp_path / name).mkdir()
        arguments = [str(files / "answers.csv"), str(files / "left.jsonl"), *FEW, "--seed", "3"]
        assert run(["compare", "align", *arguments, *outputs]) == 0
    for file in ("a.json", "r.html"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_what_weights_do_is_shown_for_a_pool_for_many_pools_and_over_years(files, tmp_path, capsys):
    pool = str(tmp_path / "pool.json")
    made = ["--design", DESIGN, "--pairs", "24", "--seed", "1", "--out", pool]
    assert run(["exchange", "generate", *made]) == 0
    arguments = [
        str(files / "answers.csv"),
        str(files / "left.jsonl"),
        *FEW,
        "--out",
        str(tmp_path / "a.json"),
    ]
    runs = [
        "--pool",
        pool,
        "--pools",
        "2",
        "--years",
        "0.2",
        "--runs",
        str(tmp_path / "runs"),
        "--seeds",
        "2",
    ]
    assert run(["compare", "align", *arguments, *runs]) == 0
    (model,) = json.loads((tmp_path / "a.json").read_text())["models"]
    assert model["pool"]["n_pairs"] == 24
    assert model["pools"]["seeds"] == [1, 2]
    assert model["years"]["world"]["seeds"] == [1, 2]
    assert "No exchange was run" not in capsys.readouterr().out


def test_intervals_may_be_about_these_comparisons_alone(files, tmp_path):
    found = {}
    for population in ("these", "like-these"):
        out = tmp_path / f"{population}.json"
        arguments = [str(files / "answers.csv"), str(files / "left.jsonl"), *FEW, "--population", population]
        assert run(["compare", "align", *arguments, "--out", str(out)]) == 0
        record = json.loads(out.read_text())
        said = {"these": "these comparisons", "like-these": "comparisons like these"}
        assert record["methods"]["population"] == said[population]
        gap = record["models"][0]["measured"]["alignment"]["indecision"]["gap"]
        found[population] = gap["high"] - gap["low"]
    assert found["these"] < found["like-these"]


def test_without_any_readable_choice_there_is_no_report(files, mute, capsys):
    assert run(["compare", "align", str(files / "answers.csv"), str(mute)]) == 2
    said = capsys.readouterr().err
    assert "scripted/always-left gave 28 refusal" in said
    assert "ask again" in said
