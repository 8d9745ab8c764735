"""Outcomes of evolving lists beside the problems: carried into allocation.json, and shown."""

from __future__ import annotations

import json

import pytest

from llm_compare.allocation.report.page import render
from llm_compare.allocation.report.waiting_list_part import waiting_list_part
from llm_compare.errors import NotMeasurable
from survey.cli import run


@pytest.fixture(scope="module")
def waiting_list(planted, tmp_path_factory, migrated_database):
    path = tmp_path_factory.mktemp("lists") / "waiting_list.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EQUIPOISE_DATABASE_URL", f"sqlite:///{planted.folder}/equipoise.sqlite")
        small = ["--episodes", "2", "--kidneys", "4", "--start", "40"]
        model = ["--model", "scripted/youngest-first", "--turns", "single"]
        assert run(["compare", "waiting-list", *model, *small, "--out", str(path)]) == 0
    return path


def test_the_page_has_the_lists_and_is_rendered_again_with_them(planted, waiting_list, tmp_path):
    written = ["--out", str(tmp_path / "a.json"), "--report", str(tmp_path / "a.html")]
    quick = ["--permutations", "99", "--null-runs", "0"]
    trials = [t for t in planted.trials if "rank-waiting" in t]
    assert planted.compare(*trials, "--waiting-list", str(waiting_list), *quick, *written) == 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<h2>Lists that evolve</h2>" in page
    assert "Less scripted/waiting-time, on the same lists" in page
    again = tmp_path / "b.html"
    assert run(["compare", "fairness", "--from", str(tmp_path / "a.json"), "--report", str(again)]) == 0
    assert again.read_text(encoding="utf-8") == page


def test_no_single_kidney_or_person_is_carried_over(waiting_list):
    part = waiting_list_part(waiting_list)
    assert "episodes" not in part
    assert {key for r in part["respondents"] for key in r} == {"respondent", "complete", "counts", "rows"}


def test_without_lists_there_is_no_section(planted):
    record = planted.record
    assert record["waiting_list"] is None
    assert "Lists that evolve" not in render(record, source=None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file"),
        ("{", "is not JSON"),
        ("[]", "holds no outcomes of waiting lists"),
        (json.dumps({"format": "equipoise waiting list", "format_version": 99}), "version 99"),
    ],
)
def test_a_wrong_file_is_named_with_the_way_out(tmp_path, text, words):
    path = tmp_path / "waiting_list.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(NotMeasurable, match=words) as raised:
        waiting_list_part(path)
    assert "compare waiting-list" in str(raised.value)
