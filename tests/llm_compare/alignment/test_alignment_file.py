from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pytest

from llm_compare.alignment.alignment_file import FORMAT_VERSION, as_record, read_alignment, write_alignment
from llm_compare.alignment.resampling import Measured
from llm_compare.errors import BadAlignment


class Kind(StrEnum):
    ONE = "one"


@dataclass(frozen=True)
class Result:
    kind: Kind
    shares: tuple[float, ...]
    counts: object
    of: dict[str, Measured]


def test_a_result_becomes_plain_data_field_by_field():
    result = Result(
        kind=Kind.ONE,
        shares=(0.5, float("nan")),
        counts=np.array([1, 2]),
        of={"a": Measured(value=np.float64(1.5), reason="")},
    )
    assert as_record(result) == {
        "kind": "one",
        "shares": [0.5, None],
        "counts": [1, 2],
        "of": {
            "a": {
                "value": 1.5,
                "low": None,
                "high": None,
                "se": None,
                "n_people": 0,
                "n_comparisons": 0,
                "reason": "",
            }
        },
    }
    assert type(as_record(np.int64(3))) is int
    assert as_record(np.bool_(True)) is True


def test_what_is_no_plain_data_is_refused():
    with pytest.raises(TypeError, match="object is no plain data"):
        as_record({"x": object()})


def test_what_was_written_is_read_and_twice_gives_the_same_bytes(tmp_path):
    path = tmp_path / "alignment.json"
    write_alignment(path, {"title": "Größe", "models": []})
    before = path.read_bytes()
    write_alignment(path, {"title": "Größe", "models": []})
    assert path.read_bytes() == before
    assert read_alignment(path)["title"] == "Größe"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[]", "is no alignment"),
        (b'{"format": "equipoise replies"}', "is no alignment"),
        (
            json.dumps({"format": "equipoise alignment", "format_version": FORMAT_VERSION - 1}).encode(),
            "run 'equipoise compare align' again",
        ),
    ],
)
def test_another_file_is_refused_by_name(tmp_path, content, complaint):
    path = tmp_path / "given.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadAlignment, match=complaint) as refused:
        read_alignment(path)
    assert str(path) in str(refused.value)
