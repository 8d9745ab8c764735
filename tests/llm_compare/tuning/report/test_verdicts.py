"""Whether a number is shown to have moved, and whether for the better."""

from __future__ import annotations

import numpy as np
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
    theirs = None if people is None else by(people, None)
    assert verdict(better, by(change), before=before, people=theirs) is found


@pytest.mark.parametrize(
    ("change", "half", "half_of_people", "found"),
    [
        (0.11, 0.04, None, Verdict.OPEN),  # .05 below people before, .02 to .10 above after
        (0.11, 0.005, None, Verdict.WORSE),
        (0.08, 0.01, None, Verdict.BETTER),
        (0.08, 0.01, 0.04, Verdict.OPEN),  # people at .11: farther
        (0.04, 0.02, 0.01, Verdict.BETTER),
        (-0.05, 0.02, 0.02, Verdict.WORSE),
        (-0.05, 0.02, 0.08, Verdict.OPEN),
    ],
)
def test_nearer_to_people_holds_for_all_that_the_intervals_hold(change, half, half_of_people, found):
    people = by(0.15, half_of_people)
    assert verdict("as people", by(change, half), before=0.1, people=people) is found


@given(NUMBERS, st.floats(0.01, 0.5), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5))
def test_no_number_within_the_intervals_contradicts_a_verdict(change, half, before, people, half_of_people):
    found = verdict("as people", by(change, half), before=before, people=by(people, half_of_people))
    nearer = [
        abs(before - at) - abs(before + moved - at)
        for at in np.linspace(people - half_of_people, people + half_of_people, 21)
        for moved in np.linspace(change - half, change + half, 21)
    ]
    if found is Verdict.BETTER:
        assert min(nearer) > -1e-9
    if found is Verdict.WORSE:
        assert max(nearer) < 1e-9


@given(NUMBERS)
def test_without_an_interval_nothing_is_claimed(value):
    assert verdict("more", by(value, None)) is Verdict.OPEN


@given(NUMBERS)
def test_what_is_better_when_more_is_worse_when_less(value):
    opposite = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER, Verdict.OPEN: Verdict.OPEN}
    assert verdict("less", by(value)) is opposite[verdict("more", by(value))]


def test_an_unknown_difference_claims_nothing():
    assert verdict("more", {"value": None, "low": None, "high": None, "reason": "x"}) is Verdict.OPEN
