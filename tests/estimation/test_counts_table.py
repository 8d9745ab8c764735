"""Counts read from SQLite are those that counting row by row gives."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import estimation.counts_table
from estimation.counts_table import AnswerColumns, read_counts_table
from estimation.dataset import ChoiceData, Clustering
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.specification import Model
from survey.design import CategoricalAttribute, Level, Profile

WORDS = ("left", "right", "indecision", "skip", "timeout", None)
Row = tuple[object, object, object, object]
Made = Callable[..., Path]


@pytest.fixture
def made(tmp_path) -> Made:
    def make(rows: list[Row], *, indexed: bool = True, columns: AnswerColumns | None = None) -> Path:
        columns = columns or AnswerColumns()
        path = tmp_path / f"answers-{len(list(tmp_path.iterdir()))}.sqlite"
        names = [columns.respondent or "nobody", columns.left, columns.right, columns.choice]
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f'CREATE TABLE "{columns.table}" ({", ".join(_quoted(n) for n in names)})')
            insert = f'INSERT INTO "{columns.table}" VALUES (?, ?, ?, ?)'  # noqa: S608
            connection.executemany(insert, rows)
            if indexed:
                connection.execute(columns.index_statement())
            connection.commit()
        return path

    return make


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def random_rows(
    *, respondents: list[object], n: int = 600, words: tuple[str | None, ...] = WORDS, seed: int = 1
) -> list[Row]:
    rng = np.random.default_rng(seed)
    profiles = ["old, heavy", "young", "a'b", "Ä"]
    rows: list[Row] = []
    for _ in range(n):
        left, right = rng.choice(4, 2, replace=False)
        rows.append(
            (
                respondents[rng.integers(len(respondents))],
                profiles[left],
                profiles[right],
                words[rng.integers(len(words))],
            )
        )
    return rows


def by_hand(rows: list[Row]) -> dict[tuple[object, ...], int]:
    found: dict[tuple[object, ...], int] = {}
    for respondent, left, right, choice in rows:
        if choice in ("left", "right", "indecision"):
            key = (str(respondent), left, right, choice)
            found[key] = found.get(key, 0) + 1
    return found


def as_read(data: ChoiceData) -> dict[tuple[object, ...], int]:
    assert data.by_cluster is not None
    table = data.by_cluster.tocoo()
    row, column = table.coords
    names = data.names
    return {
        (
            data.cluster_names[r],
            names[data.left[c // 3]],
            names[data.right[c // 3]],
            ("left", "right", "indecision")[c % 3],
        ): int(v)
        for r, c, v in zip(row, column, table.data, strict=True)
        if v
    }


RESPONDENTS = {
    "numbers": list(range(3, 40)),
    "far numbers": [1, 10**9, 5 * 10**17, 77],
    "numbers beyond 18 digits": [2**63 - 1, 2**63 - 2, 12],
    "negative numbers": [-1, 0, 1, -20],
    "text": [f"person-{i}" for i in range(30)],
    "text that looks like numbers": ["7", "007", "07", "8"],
    "text with commas": ["Doe, Jane", "Doe, John", "Roe"],
    "text with nothing in it": ["", "a", "b"],
    "numbers and text": [1, 2, "x"],
}


@pytest.mark.parametrize("respondents", RESPONDENTS.values(), ids=RESPONDENTS)
@pytest.mark.parametrize("indexed", [True, False])
def test_every_answer_is_counted_where_it_belongs(made, respondents, indexed):
    rows = random_rows(respondents=respondents)

    data = read_counts_table(made(rows, indexed=indexed))

    expected = by_hand(rows)
    assert as_read(data) == expected
    assert data.clustering is Clustering.RESPONDENT
    assert data.n_clusters == len({key[0] for key in expected})
    assert data.n_answers == sum(expected.values())
    assert data.counts == pytest.approx(np.asarray(data.by_cluster.sum(axis=0)).reshape(-1, 3))


def test_looking_up_ranges_and_grouping_give_the_same(made, monkeypatch):
    path = made(
        random_rows(respondents=[f"r{i}" for i in range(20)], words=("left", "right", "indecision", "skip"))
    )
    by_range = read_counts_table(path)
    monkeypatch.setattr(estimation.counts_table, "_MOST_RANGES", 3)

    by_group = read_counts_table(path)

    assert as_read(by_range) == as_read(by_group)
    assert by_range.counts.tolist() == by_group.counts.tolist()
    assert by_range.set_aside == by_group.set_aside


def test_the_index_is_used_and_no_range_is_read_without_it(made):
    rows = random_rows(respondents=[1, 2], words=("left", "right"))
    columns = AnswerColumns()
    with closing(sqlite3.connect(made(rows))) as connection:
        assert len(estimation.counts_table._by_range(connection, columns)) == 24
    with closing(sqlite3.connect(made(rows, indexed=False))) as connection:
        assert estimation.counts_table._by_range(connection, columns) == []


def test_what_is_no_choice_is_set_aside_by_kind_and_stated(made):
    rows: list[Row] = [
        (1, "a", "b", "left"),
        (2, "b", "a", "indecision"),
        (2, "a", "b", "skip"),
        (2, "a", "b", "skip"),
        (3, "a", "b", "Timeout"),
        (3, "a", "b", None),
        (3, None, None, "skip"),
        (4, "a", "b", "Left"),
    ]

    data = read_counts_table(made(rows))

    assert data.n_answers == 2
    assert data.n_indecisions == 1
    assert data.set_aside == {"skip": 3, "Timeout": 1, "no choice": 1, "Left": 1}
    assert data.notes[0].startswith(
        "not choices, and not counted as indecision: 1 Left, 1 Timeout, 1 no choice"
    )


def test_a_table_without_respondents_says_that_its_intervals_are_too_narrow(made):
    path = made(random_rows(respondents=[None]))

    data = read_counts_table(path, AnswerColumns(respondent=None))

    assert data.clustering is Clustering.ANSWER
    assert data.by_cluster is None
    assert "too narrow" in data.notes[-1]


def test_a_single_respondent_is_clustered_by_comparison(made):
    data = read_counts_table(made(random_rows(respondents=["the model"])))

    assert data.clustering is Clustering.COMPARISON
    assert data.n_clusters == 6
    assert "a'b / old, heavy" in data.cluster_names
    assert data.counts == pytest.approx(np.asarray(data.by_cluster.sum(axis=0)).reshape(-1, 3))


def test_other_names_of_table_and_columns_are_taken_as_they_are(made):
    columns = AnswerColumns(
        table="my answers", left='the "first"', right="second", choice="said", respondent="who"
    )

    data = read_counts_table(made(random_rows(respondents=[1, 2, 3]), columns=columns), columns)

    assert data.n_clusters == 3


def test_profiles_may_be_described(made):
    levels = tuple(Level(name=n, words=n) for n in ("old", "young"))
    attribute = CategoricalAttribute(name="age", label="Age", levels=levels)
    profiles = {code: Profile((("age", age),), name=code) for code, age in (("B", "young"), ("A", "old"))}
    rows: list[Row] = [(1, "A", "B", "right"), (2, "B", "A", "left"), (3, "A", "B", "left")]

    data = read_counts_table(made(rows), profiles=profiles, attributes=(attribute,))

    assert data.names == ("B", "A")
    assert data.wins.tolist() == [[0, 2], [1, 0]]
    with pytest.raises(EstimationError, match="compares a profile 'A', which is none of B"):
        read_counts_table(made(rows), profiles={"B": profiles["B"]}, attributes=(attribute,))


def test_a_fit_of_the_table_is_a_fit_of_its_answers(made):
    rng = np.random.default_rng(4)
    names = ["a", "b", "c", "d"]
    planted = np.array([1.0, 0.4, -0.3, -1.1])
    rows: list[Row] = []
    for i in range(8_000):
        left, right = rng.choice(4, 2, replace=False)
        first = rng.random() < 1 / (1 + np.exp(planted[right] - planted[left]))
        rows.append((i // 20, names[left], names[right], "left" if first else "right"))

    got = fit(read_counts_table(made(rows)), Model.BRADLEY_TERRY)

    assert got.n_clusters == 400
    for estimate, true in zip(got.weights.log_strengths, planted, strict=True):
        assert estimate.low < true < estimate.high


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([(1, "a", "b", "left")], {"table": "replies"}, "there is no table 'replies'; there are answers"),
        (
            [(1, "a", "b", "left")],
            {"choice": "chosen"},
            "has no column 'chosen'; it has respondent, left, right, choice",
        ),
        ([(1, "a", "b", "skip")], {}, "holds no choice; column 'choice' must say left, right, indecision"),
        (
            [(1, None, "b", "left")],
            {},
            "1 rows of table 'answers' have a choice .left. but no profile in column 'left'",
        ),
        ([(1, "a", None, "left")], {}, "no profile in column 'right'"),
        (
            [(None, "a", "b", "left"), (1, "a", "b", "left")],
            {},
            "1 rows of table 'answers' have no 'respondent'",
        ),
        ([("x\x1fy,z", "a", "b", "left")], {}, "both a comma and the unit separator"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(made, rows, columns, message):
    path = made(rows)

    with pytest.raises(EstimationError, match=message) as error:
        read_counts_table(path, AnswerColumns(**columns))

    assert path.name in str(error.value)


def test_indecisions_that_were_not_on_offer_are_refused(made):
    with pytest.raises(EstimationError, match="2 answers are indecision although it was not on offer"):
        read_counts_table(made([(1, "a", "b", "indecision")] * 2), indecision_offered=False)


def test_a_file_that_is_missing_or_no_database_is_named(tmp_path):
    with pytest.raises(EstimationError, match=r"none\.sqlite: there is no such file"):
        read_counts_table(tmp_path / "none.sqlite")
    other = tmp_path / "answers.csv"
    other.write_text("respondent,left,right,choice\n" * 50, encoding="utf-8")
    with pytest.raises(
        EstimationError, match=r"answers\.csv: SQLite could not read it: file is not a database"
    ):
        read_counts_table(other)


def test_reading_never_changes_the_file(made):
    path = made(random_rows(respondents=[1, 2]))
    before = path.read_bytes()

    read_counts_table(path)

    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_name_of_a_table_is_enough_where_its_columns_have_the_usual_names(made):
    rows = random_rows(respondents=[1, 2, 3])
    path = made(rows, columns=AnswerColumns(table="replies"))

    assert as_read(read_counts_table(path, "replies")) == by_hand(rows)
