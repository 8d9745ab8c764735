from __future__ import annotations

import json
import os
import stat
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, KIDNEY_COLUMNS, Kind
from llm_compare.allocation.problems.problem import Candidate, Kidney, Origin, Problem, ProblemSet
from llm_compare.allocation.problems.problems_file import problems_sha256, read_problems, write_problems
from llm_compare.allocation.problems.registry_codes import NEEDED
from llm_compare.errors import BadProblems


def values(columns):
    """Return a strategy for a record's values."""

    def of(column):
        if column.name in ("ABO", "ABO_DON"):
            return st.sampled_from(["O", "A", "A1", "AB", "A2B"])
        known = {
            Kind.WORD: st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
            Kind.CODE: st.integers(0, 999),
            Kind.NUMBER: st.integers(0, 200) | st.floats(0, 300),
        }[column.kind]
        return known if column.name in NEEDED else st.none() | known

    return st.tuples(*(of(column) for column in columns))


@st.composite
def problems(draw, name, size):
    ids = draw(st.lists(st.integers(0, 10**6), min_size=size, max_size=size, unique=True))
    return Problem(
        name=name,
        kidney=Kidney(draw(values(KIDNEY_COLUMNS))),
        candidates=tuple(Candidate(draw(values(CANDIDATE_COLUMNS))) for _ in range(size)),
        ids=tuple(ids),
    )


@pytest.fixture
def written(small_set, tmp_path):
    path = tmp_path / "problems.json"
    write_problems(path, small_set)
    return path


@pytest.fixture
def changed(written):
    """Return a function that changes the document with a function, and reads it."""

    def changed(change):
        document = json.loads(written.read_text())
        change(document)
        written.write_text(json.dumps(document))
        return read_problems(written)

    return changed


def test_a_set_reads_as_it_was_written(small_set, written):
    read = read_problems(written)

    assert read == small_set
    assert problems_sha256(read) == problems_sha256(small_set)


def test_the_same_set_gives_the_same_bytes_with_a_line_for_every_problem(small_set, written, tmp_path):
    again = tmp_path / "again.json"
    write_problems(again, small_set)

    assert again.read_bytes() == written.read_bytes()
    assert sum('"name": "p0' in line for line in written.read_text().splitlines()) == 3


@settings(max_examples=25)
@given(data=st.data())
def test_any_set_survives_the_file(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "problems.json"
    whole = ProblemSet(
        title=data.draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=9)),
        origin=data.draw(st.sampled_from(Origin)),
        source="somewhere",
        seed=data.draw(st.integers(0, 2**70)),
        problems=tuple(data.draw(problems(f"p{i}", 2)) for i in range(data.draw(st.integers(0, 2)))),
        pairs=(data.draw(problems("k1-c1", 1)),),
        example_sets=((data.draw(problems("e1", 1)),), ()),
    )

    write_problems(path, whole)
    read = read_problems(path)

    assert read == whole
    assert [type(v) for v in read.pairs[0].kidney.values] == [type(v) for v in whole.pairs[0].kidney.values]


def test_the_hash_is_of_what_is_asked_and_not_of_what_it_is_called(small_set):
    own = problems_sha256(small_set)
    first, *others = small_set.problems
    older = first.candidates[0].changed("AGE", 99)

    assert problems_sha256(replace(small_set, title="Other", source="else", seed=9)) == own
    changes = [
        replace(small_set, problems=(replace(first, candidates=(older, *first.candidates[1:])), *others)),
        replace(small_set, problems=(replace(first, ids=first.ids[::-1]), *others)),
        replace(small_set, problems=(*others, first)),
        replace(small_set, pairs=small_set.pairs[1:]),
        replace(small_set, example_sets=small_set.example_sets[::-1]),
        replace(small_set, origin=Origin.REGISTRY),
    ]
    assert len({own, *map(problems_sha256, changes)}) == 7


def test_peoples_records_are_written_for_their_owner_alone(small_set, tmp_path):
    path = tmp_path / "restricted.json"
    path.write_text("old")
    path.chmod(0o666)
    umask = os.umask(0)
    try:
        write_problems(path, replace(small_set, origin=Origin.REGISTRY))
    finally:
        os.umask(umask)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_problems(path).is_restricted
    assert os.listdir(tmp_path) == ["restricted.json"]


def test_a_folder_that_is_not_there_is_named(small_set, tmp_path):
    for origin in Origin:
        path = tmp_path / "none" / "problems.json"
        with pytest.raises(OSError, match=r"problems\.json"):
            write_problems(path, replace(small_set, origin=origin))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"format": "equipoise alignment"}'])
def test_a_file_that_is_no_problem_set_is_refused(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_bytes(content)

    with pytest.raises(BadProblems, match=r"other\.json: is no.*equipoise compare problems"):
        read_problems(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadProblems, match=r"none\.json: No such file"):
        read_problems(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format_version=2), "version 2"),
        (lambda d: d.pop("pairs"), "pairs: is missing"),
        (lambda d: d.update(extra=1), "extra: is not known"),
        (lambda d: d.update(origin="rumor"), "origin: is 'rumor', not synthetic or registry"),
        (lambda d: d["candidate_columns"].reverse(), "candidate_columns: are not ABO"),
        (lambda d: d["problems"][1]["candidates"].pop(), r"problems\[2\]: .*each candidate needs an id"),
        (lambda d: d["problems"][0].update(ids=[1, 1, 2, 3]), r"problems\[1\]: .*each candidate needs an id"),
        (
            lambda d: d["problems"][0].update(ids=[0, 1, 2, True]),
            r"problems\[1\]\.ids\[4\]: is true or false",
        ),
        (lambda d: d["problems"][0]["kidney"].pop(), r"problems\[1\]\.kidney: has 12 values, not 13"),
        (lambda d: d["problems"][0]["kidney"].__setitem__(0, "C"), r"kidney\.ABO_DON: blood type 'C'"),
        (
            lambda d: d["problems"][2]["candidates"][1].__setitem__(8, None),
            r"problems\[3\]\.candidates\[2\]\.HGT_CM_TCR: is missing",
        ),
        (
            lambda d: d["problems"][2]["candidates"][1].__setitem__(9, "heavy"),
            r"WGT_KG_TCR: is 'heavy', not a number",
        ),
        (lambda d: d["problems"][2]["candidates"][1].__setitem__(9, float("nan")), "not a finite number"),
        (lambda d: d["problems"][2]["candidates"][1].__setitem__(1, 2.5), "A1: is 2.5, not a whole number"),
        (
            lambda d: d["problems"][0].update(
                candidates=d["problems"][0]["candidates"][:2], ids=d["problems"][0]["ids"][:2]
            ),
            "2 to 4 candidates, not all equally many",
        ),
        (lambda d: d["pairs"].append(d["problems"][0]), r"pairs: p01 has more than one candidate"),
        (
            lambda d: d["example_sets"][1].append(d["problems"][0]),
            r"example_sets\[2\]: p01 has more than one",
        ),
        (lambda d: d["problems"].append(d["problems"][0]), "p01 stands for two problems"),
        (lambda d: d["example_sets"].append("x"), r"example_sets\[3\]: is text"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(changed, change, message):
    with pytest.raises(BadProblems, match=rf"problems\.json: .*{message}"):
        changed(change)
