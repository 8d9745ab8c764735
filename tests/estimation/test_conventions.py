"""Four conventions for indecision, against independent estimates of each."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import choix
import numpy as np
import pytest

from estimation.conventions import (
    DAVIDSON,
    DROPPED,
    HALF_WIN,
    RAO_KUPPER,
    conventions,
    conventions_lines,
    conventions_record,
)
from estimation.dataset import choice_data, counted
from estimation.effects import EffectKind
from estimation.errors import EstimationError
from survey.published_answers import import_published


@pytest.fixture(scope="module")
def puddings(shared):
    path = shared("data/comparisons/pudding_davidson1970.csv")
    table = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    return counted(
        "123456",
        [int(r["i"]) - 1 for r in table],
        [int(r["j"]) - 1 for r in table],
        [[float(r[c]) for c in ("w_ij", "w_ji", "t_ij")] for r in table],
    )


@pytest.fixture(scope="module")
def study_2(shared):
    return choice_data(import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")))


@pytest.fixture
def four():
    """Three profiles; b ties with a wherever it can, and otherwise loses to it."""
    return counted("abc", [0, 1, 0], [1, 2, 2], [[6, 2, 40], [30, 8, 2], [28, 10, 6]])


def named(found):
    return {c.name: c for c in found.conventions}


def test_each_convention_of_puddings_is_its_own_independent_estimate(puddings, shared):
    reference = json.loads(shared("reference/comparisons_python.json").read_text())
    found = named(conventions(puddings))
    counts = puddings.counts

    wins = np.zeros((6, 6))
    np.add.at(wins, (puddings.left, puddings.right), counts[:, 0])
    np.add.at(wins, (puddings.right, puddings.left), counts[:, 1])
    halves = wins.copy()
    np.add.at(halves, (puddings.left, puddings.right), counts[:, 2] / 2)
    np.add.at(halves, (puddings.right, puddings.left), counts[:, 2] / 2)
    expected = {
        DROPPED: choix.ilsr_pairwise_dense(wins),
        HALF_WIN: choix.ilsr_pairwise_dense(halves),
        DAVIDSON: np.array(reference["pudding_davidson"]["theta_sum0"]),
        RAO_KUPPER: np.array(reference["pudding_rao_kupper"]["theta_sum0"]),
    }
    assert set(found) == set(expected)
    for name, theta in expected.items():
        assert found[name].log_strengths == pytest.approx(theta, abs=1e-6)
        assert found[name].weights == pytest.approx(np.exp(theta - theta.max()), abs=1e-6)


def test_davidson_and_rao_kupper_tie_on_puddings(puddings):
    found = conventions(puddings)

    assert found.aic_difference == pytest.approx(2 * (809.7095101 - 809.6971335), abs=1e-6)
    assert not found.rules_differ
    assert any("hardly favors Rao-Kupper (by 0.02)" in s for s in found.sentences)
    assert any("larger scale" in s for s in found.sentences)


def test_study_2_clearly_favors_rao_kupper(study_2):
    found = conventions(study_2, effects=EffectKind.ATTRIBUTES)

    assert found.aic_difference == pytest.approx(37.06, abs=0.01)
    assert found.rules_differ
    assert found.of_effects
    assert found.rows == ("age (over 45)", "drinks (over 4)", "dependents (over 2)")
    assert not found.order_changes
    # The coefficients themselves are pinned elsewhere: -.0744 per year of age under Davidson, over 45 years.
    assert named(found)[DAVIDSON].weights[0] == pytest.approx(np.exp(-0.0744429 * 45), abs=1e-5)
    assert any("the strongest" in s or "strongest first" in s for s in found.sentences)


def test_weights_of_chosen_profiles_follow_from_the_attributes(study_2):
    some = study_2.profiles[:3]
    found = conventions(study_2, effects=EffectKind.ATTRIBUTES, profiles=some)
    davidson = named(found)[DAVIDSON]
    strength = np.array(
        [-0.0744429 * p["age"] - 0.5816731 * p["drinks"] + 1.22162824 * p["dependents"] for p in some]
    )

    assert found.rows == tuple(p.id for p in some)
    assert davidson.weights == pytest.approx(np.exp(strength - strength.max()), abs=1e-5)


def test_intervals_are_of_weights_scaled_draw_by_draw(puddings):
    for convention in conventions(puddings).conventions:
        best = int(convention.weights.argmax())
        assert convention.weights[best] == 1
        assert (convention.low <= convention.weights).all()
        assert (convention.weights <= convention.high).all()
        # The best profile's weight is uncertain, too: another might be the best.
        assert convention.low[best] < 1
        assert convention.high.max() == pytest.approx(1)


def test_the_greatest_ratio_is_the_one_in_the_table(four):
    found = conventions(four)
    table = np.array([c.weights for c in found.conventions])
    ratio = table.max(axis=0) / table.min(axis=0)

    assert found.greatest_ratio == pytest.approx(ratio.max())
    assert found.greatest_row == found.rows[int(ratio.argmax())]
    low, high = (named(found)[name].weights[int(ratio.argmax())] for name in found.greatest_pair)
    assert high / low == pytest.approx(found.greatest_ratio)
    assert f"matters most for '{found.greatest_row}'" in found.sentences[0]


def test_a_change_of_order_is_told_with_the_conventions_that_make_it():
    # b leads a by 2:50 among few decided answers and is level with it otherwise; over c, a does better.
    data = counted("abc", [0, 0, 1], [1, 2, 2], [[2, 50, 600], [228, 12, 0], [180, 60, 0]])
    found = conventions(data)
    by_name = named(found)

    assert by_name[DROPPED].order != by_name[HALF_WIN].order
    assert found.order_changes
    assert any("changes with the convention" in s and HALF_WIN in s for s in found.sentences)


def test_swapping_sides_changes_no_convention(four):
    turned = replace(four, left=four.right, right=four.left, counts=four.counts[:, [1, 0, 2]])
    for one, other in zip(conventions(four).conventions, conventions(turned).conventions, strict=True):
        assert other.weights == pytest.approx(one.weights, abs=1e-8)


def test_a_regularized_convention_says_so():
    data = counted("ab", [0], [1], [[9, 0, 4]])
    by_name = named(conventions(data))

    assert "regularized" in by_name[DROPPED].note
    assert by_name[HALF_WIN].note == ""


def test_a_convention_without_an_estimate_is_refused_and_the_others_stand():
    # a and b were never decided: without indecisions nothing connects them with c and d.
    data = counted("abcd", [0, 2, 1], [1, 3, 2], [[5, 6, 1], [7, 4, 2], [0, 0, 9]])
    found = conventions(data)

    assert [name for name, _ in found.refused] == [DROPPED]
    assert "never compared" in found.refused[0][1]
    assert len(found.conventions) == 3
    assert any(line.startswith(f"{DROPPED}: ") for line in conventions_lines(found))


def test_without_indecision_no_convention_matters():
    with pytest.raises(EstimationError, match="no indecision"):
        conventions(counted("ab", [0], [1], [[5, 6, 0]]))


def test_the_same_seed_gives_the_same_record(puddings):
    one, other = (json.dumps(conventions_record(conventions(puddings, seed=4))) for _ in range(2))

    assert one == other
    assert json.loads(one)["conventions"][2]["weights"]["6"]["weight"] == 1
