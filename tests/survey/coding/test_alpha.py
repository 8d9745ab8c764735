"""Krippendorff's alpha against what its author published, and against a plain double loop."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.coding.alpha import alpha_of, coincidences, interval, masi, nominal, ordinal

# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, example C and D: four coders, twelve units.
CODERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
UNITS = list(zip(*CODERS, strict=True))

values = st.one_of(st.none(), st.sampled_from("abc"))
units = st.lists(st.lists(values, min_size=1, max_size=4), max_size=8)
sets = st.frozensets(st.sampled_from("abcd"), min_size=1)


def slow_alpha(given_units, distance) -> float | None:
    """Over all pairs of values, within units and of all units, as the definition says; exact fractions."""
    pairable = [[v for v in unit if v is not None] for unit in given_units]
    pairable = [unit for unit in pairable if len(unit) > 1]
    everything = [value for unit in pairable for value in unit]
    n = len(everything)
    observed = sum(
        (Fraction(distance(a, b)) / (len(unit) - 1) for unit in pairable for a, b in permutations(unit, 2)),
        Fraction(0),
    )
    by_chance = sum((Fraction(distance(a, b)) for a, b in permutations(everything, 2)), Fraction(0))
    return None if by_chance == 0 else float(1 - observed * (n - 1) / by_chance)


def differ(a, b) -> Fraction:
    return Fraction(a != b)


def slow_masi(a, b) -> Fraction:
    common, union = len(a & b), len(a | b)
    if a == b:
        monotone = Fraction(1)
    elif a < b or b < a:
        monotone = Fraction(2, 3)
    elif common:
        monotone = Fraction(1, 3)
    else:
        monotone = Fraction(0)
    return 1 - Fraction(common, union) * monotone


@pytest.mark.parametrize(
    ("distance", "published"),
    [(nominal, 0.743), (ordinal, 0.815), (interval, 0.849)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_published_example_comes_out(distance, published):
    found = alpha_of(UNITS, distance)

    assert found.value == pytest.approx(published, abs=5e-4)
    # Forty values pair up; the twelfth unit has one value alone.
    assert (found.units, found.values) == (11, 40)


@pytest.mark.parametrize(
    ("one", "other", "published"),
    [
        # The same source, example A (binary data) and B (nominal data): two observers, no value missing.
        ("0100000000", "1110010010", 0.095),
        ("aabbdcccedda", "babbbccceddd", 0.692),
    ],
)
def test_the_published_examples_of_two_coders_come_out(one, other, published):
    assert alpha_of(list(zip(one, other, strict=True))).value == pytest.approx(published, abs=5e-4)


@given(units)
def test_nominal_alpha_is_that_of_the_definition(own):
    found, expected = alpha_of(own), slow_alpha(own, differ)

    assert found.value == (None if expected is None else pytest.approx(expected, abs=1e-12))
    assert (found.value is None) == bool(found.reason)


@given(st.lists(st.lists(sets, min_size=1, max_size=3), max_size=6))
def test_alpha_of_sets_is_that_of_the_definition_with_masi(own):
    found, expected = alpha_of(own, masi), slow_alpha(own, slow_masi)

    assert found.value == (None if expected is None else pytest.approx(expected, abs=1e-12))


@given(units, st.randoms(use_true_random=False))
def test_neither_the_order_of_coders_nor_what_values_are_called_matters(own, rng: random.Random):
    shuffled = [rng.sample(unit, len(unit)) for unit in own]
    renamed = [[{"a": "x", "b": "a", "c": "y"}.get(v) for v in unit] for unit in own]
    expected = alpha_of(own).value

    for other in (shuffled, renamed):
        assert alpha_of(other).value == (None if expected is None else pytest.approx(expected, abs=1e-12))


@given(units, st.lists(st.sampled_from("abc"), max_size=4))
def test_units_that_one_coder_alone_dealt_with_change_nothing(own, alone):
    expected = alpha_of(own)
    found = alpha_of([*own, *([value, None] for value in alone)])

    assert (found.units, found.values) == (expected.units, expected.values)
    assert found.value == (None if expected.value is None else pytest.approx(expected.value, abs=1e-12))


@given(st.lists(st.lists(st.sampled_from("ab"), min_size=2, max_size=3), min_size=1, max_size=5), st.data())
def test_samples_of_units_are_alpha_of_the_units_repeated(own, data):
    times = data.draw(st.lists(st.integers(0, 3), min_size=len(own), max_size=len(own)))
    repeated = [unit for unit, n in zip(own, times, strict=True) for _ in range(n)]

    found = coincidences(own).alpha(np.array([times], dtype=float))[0]

    expected = alpha_of(repeated).value
    assert (found if not np.isnan(found) else None) == (None if expected is None else pytest.approx(expected))


def test_without_variation_nothing_is_said_rather_than_one_or_zero():
    assert alpha_of([["a", "a"], ["a", "a"]]).value is None
    assert "no variation" in alpha_of([["a", "a"]]).reason
    assert "two coders" in alpha_of([["a"], ["b", None]]).reason


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("ab", "ab", Fraction(0)),
        # Passonneau (2006): a subset counts two thirds, an overlap one third, of Jaccard's index.
        ("ab", "a", 1 - Fraction(1, 2) * Fraction(2, 3)),
        ("ab", "bc", 1 - Fraction(1, 3) * Fraction(1, 3)),
        ("a", "b", Fraction(1)),
    ],
)
def test_masi_is_jaccards_index_times_how_one_set_holds_the_other(one, other, expected):
    found = masi([frozenset(one), frozenset(other)], np.ones(2))

    assert found[0, 1] == found[1, 0] == pytest.approx(float(expected))
