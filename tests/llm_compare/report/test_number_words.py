from __future__ import annotations

import pytest

from llm_compare.report.number_words import (
    Reason,
    change,
    over_splits,
    p_words,
    percent,
    points,
    sample,
    share,
    size,
    unbroken,
    whole,
)


def measured(value, low=None, high=None, reason="", n_people=40, n_comparisons=28):
    return {
        "value": value,
        "low": low,
        "high": high,
        "se": None,
        "reason": reason,
        "n_people": n_people,
        "n_comparisons": n_comparisons,
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (share(measured(0.58, 0.54, 0.62)), "58\u202f% (54 to 62)"),
        (share(measured(0.031, 0.004, 0.1)), "3.1\u202f% (0.4 to 10.0)"),
        (share(measured(0.0, 0.0, 0.1)), "0\u202f% (0 to 10)"),
        (points(measured(-0.12, -0.2, 0.03)), "−12 points (−20 to +3)"),
        (size(measured(0.264, -0.001, 0.5)), "0.26 (0.00 to 0.50)"),
        (change(measured(-1.5, -2, -1)), "−1.50 (−2.00 to −1.00)"),
        (percent(0.5), "50\u202f%"),
        (over_splits({"mean": 0.24, "low": 0.2, "high": 0.3}, percent), "24\u202f% (20 to 30)"),
        (p_words(0.00001), "below 0.001"),
        (p_words(0.0275), "0.028"),
        (whole(12345), "12,345"),
        (whole(3.5), "3.5"),
        (sample(measured(1.0)), "40 people, 28 comparisons"),
        (sample(measured(1.0), people_are_known=False), "40 answers of people, 28 comparisons"),
        (sample(measured(1.0, n_people=1, n_comparisons=1)), "1 person, 1 comparison"),
    ],
)
def test_numbers_have_one_form(words, expected):
    assert words == expected


@pytest.mark.parametrize("form", [share, points, size, change])
def test_where_there_is_no_number_the_reason_stands(form):
    words = form(measured(None, reason="nobody was asked twice"))

    assert words == "not known: nobody was asked twice"
    assert isinstance(words, Reason)


@pytest.mark.parametrize("form", [share, points, size, change])
def test_where_there_is_no_interval_the_reason_stands(form):
    assert "(no interval: too few people)" in form(measured(0.5, reason="too few people"))


def test_a_cell_breaks_before_its_interval_only():
    assert unbroken("+5 points (−1 to +9)") == "+5 points (−1\u00a0to\u00a0+9)"
    assert unbroken("12 (gave too few answers)") == "12 (gave too few answers)"
