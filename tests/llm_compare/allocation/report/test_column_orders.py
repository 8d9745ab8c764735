"""Whether the order of the columns matters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_compare.allocation.problems.problems_file import read_problems
from llm_compare.allocation.report.column_orders import column_orders
from llm_compare.allocation.trials.trials_file import read_trials


@pytest.fixture(scope="module")
def answered(planted):
    file = read_trials(planted.folder / "rank-random.jsonl", read_problems(planted.problems))
    return file.answered


def choosing(answered, chosen):
    return [replace(a, read=replace(a.read, order=(chosen(a.trial),))) for a in answered]


def test_who_looks_at_the_columns_alone_agrees_within_an_order_and_never_across(answered):
    found = column_orders(choosing(answered, lambda trial: trial.column_shuffle), seed=0)
    assert (found.same.value, found.other.value, found.difference.value) == (1, 0, 1)
    assert found.n_orders == 2
    assert found.n_trials == len(answered)


def test_who_looks_at_the_rows_alone_is_not_said_to_look_at_the_columns(answered):
    found = column_orders(choosing(answered, lambda trial: trial.row_order[0]), seed=0)
    assert (found.same.value, found.other.value, found.difference.value) == (1, 1, 0)


def test_by_hand_two_of_three_repeats_agree(answered):
    # Of each list three repeats in either order: 0, 0, 1 and 0, 1, 1.
    plain, shuffled = (0, 0, 1), (0, 1, 1)
    found = column_orders(
        choosing(answered, lambda t: (shuffled if t.column_shuffle else plain)[t.repeat]), seed=0
    )
    assert found.same.value == pytest.approx(1 / 3)
    assert found.other.value == pytest.approx(4 / 9)


def test_columns_that_were_never_shuffled_say_nothing(answered):
    assert column_orders([a for a in answered if a.trial.column_shuffle == 0], seed=0) is None
