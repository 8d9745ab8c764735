"""``allocation.json``."""

from __future__ import annotations

import json

import pytest

from llm_compare.allocation.report.allocation_file import document_text, read_allocation, write_allocation
from llm_compare.errors import NotMeasurable


def test_what_is_written_is_read(tmp_path):
    write_allocation(tmp_path / "a.json", {"methods": {"seed": 1}})
    assert read_allocation(tmp_path / "a.json")["methods"] == {"seed": 1}


def test_nan_stands_in_no_file():
    with pytest.raises(ValueError, match="Out of range float"):
        document_text({"value": float("nan")})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("{", "is not JSON"),
        ("[]", "holds no results of allocation"),
        (
            json.dumps({"format": "equipoise alignment", "format_version": 2}),
            "holds no results of allocation",
        ),
        (json.dumps({"format": "equipoise allocation", "format_version": 9}), "version 9"),
    ],
)
def test_another_file_is_refused_by_name_with_a_way_out(tmp_path, content, words):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(NotMeasurable, match=words) as refused:
        read_allocation(path)
    assert str(path) in str(refused.value)
    assert "equipoise compare fairness" in str(refused.value)
