"""Whether a number is shown to have moved, and whether for the better."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.tuning.report.verdicts import Verdict, verdict

NUMBERS = st.floats(-1, 1).filter(lambda x: abs(x) > 1e-6)


def by(value, half=0.01):
    low, high = (None, None) if half is None else (value - half, value + half)
    return {"value": value, "low": low, "high": high, "reason": ""}


@pytest.mark.parametrize(
    ("better", "change", "before", "people", "found"),
    [
        ("more", 0.1, None, None, Verdict.BETTER),
        ("more", -0.1, None, None, Verdict.WORSE),
        ("less", 0.1, None, None, Verdict.WORSE),
        ("less", -0.1, None, None, Verdict.BETTER),
        ("as people", 0.1, 0.0, 0.17, Verdict.BETTER),
        ("as people", 0.4, 0.0, 0.17, Verdict.WORSE),
        ("as people", -0.1, 0.17, 0.17, Verdict.WORSE),
        ("as people", 0.1, None, 0.17, Verdict.OPEN),
        ("as people", 0.1, 0.0, None, Verdict.OPEN),
        ("more", 0.005, None, None, Verdict.OPEN),
    ],
)
def test_a_number_is_better_or_worse_only_as_its_measure_says(better, change, before, people, found):
    assert verdict(better, by(change), before=before, people=people) is found


@given(NUMBERS)
def test_without_an_interval_nothing_is_claimed(value):
    assert verdict("more", by(value, None)) is Verdict.OPEN


@given(NUMBERS)
def test_what_is_better_when_more_is_worse_when_less(value):
    opposite = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER, Verdict.OPEN: Verdict.OPEN}
    assert verdict("less", by(value)) is opposite[verdict("more", by(value))]


def test_an_unknown_difference_claims_nothing():
    assert verdict("more", {"value": None, "low": None, "high": None, "reason": "x"}) is Verdict.OPEN
