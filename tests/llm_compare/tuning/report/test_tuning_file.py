"""``tuning.json``."""

from __future__ import annotations

import json

import pytest

from llm_compare.errors import NotMeasurable
from llm_compare.tuning.report.tuning_file import document_text, read_tuning, write_tuning


def test_what_is_written_is_read(tmp_path, record):
    write_tuning(tmp_path / "t.json", record)
    read = read_tuning(tmp_path / "t.json")
    assert {k: v for k, v in read.items() if k not in ("format", "format_version")} == record


def test_the_same_record_gives_the_same_text(record):
    assert document_text(record) == document_text(json.loads(json.dumps(record)))


def test_a_record_that_names_its_format_is_written_alike(record):
    named = {"format": "equipoise tuning", "format_version": 1, **record}
    assert document_text(named) == document_text(record)


def test_nan_stands_in_no_file(record):
    record["base"]["n_parameters"] = float("nan")
    with pytest.raises(ValueError, match="Out of range float"):
        document_text(record)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[]", "holds no results of tuning"),
        (b'{"format": "equipoise allocation", "format_version": 1}', "holds no results of tuning"),
        (b'{"format": "equipoise tuning", "format_version": 9}', "version 9"),
        (b'{"format": "equipoise tuning", "format_version": 1, "study": {}}', "lacks training, base"),
    ],
)
def test_another_file_is_refused_by_name_with_a_way_out(tmp_path, content, words):
    path = tmp_path / "t.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NotMeasurable, match=words) as refused:
        read_tuning(path)
    assert str(path) in str(refused.value)
    assert "equipoise compare tune evaluate" in str(refused.value)
