"""Infit and outfit, against plain sums over answers and against what they promise."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest

from estimation.dataset import choice_data
from estimation.diagnostics.person_fit import person_fit
from estimation.fitting import fit
from estimation.specification import Model, Specification
from survey.answers import Choice

SCORES = {Choice.LEFT: 1.0, Choice.RIGHT: 0.0, Choice.INDECISION: 0.5}


def davidson(d: float, pull: float) -> dict[Choice, float]:
    weights = {Choice.LEFT: exp(d / 2), Choice.RIGHT: exp(-d / 2), Choice.INDECISION: exp(pull)}
    return {c: w / sum(weights.values()) for c, w in weights.items()}


def slowly(answers, made) -> tuple[float, ...]:
    """Return infit, outfit, their standardized versions and that of the likelihood, answer by answer."""
    known = dict(zip(made.names, made.values, strict=True))
    squares, variances, fourths, logs, mean_logs, variance_logs = [], [], [], [], [], []
    for a in answers:
        p = davidson(known[a.left.id] - known[a.right.id], made.indecision.value)
        expected = sum(p[c] * SCORES[c] for c in p)
        variances.append(sum(p[c] * (SCORES[c] - expected) ** 2 for c in p))
        fourths.append(sum(p[c] * (SCORES[c] - expected) ** 4 for c in p))
        squares.append((SCORES[a.choice] - expected) ** 2)
        logs.append(log(p[a.choice]))
        mean_logs.append(sum(p[c] * log(p[c]) for c in p))
        variance_logs.append(sum(p[c] * log(p[c]) ** 2 for c in p) - mean_logs[-1] ** 2)
    n = len(squares)
    outfit = sum(s / w for s, w in zip(squares, variances, strict=True)) / n
    infit = sum(squares) / sum(variances)
    q_out = (sum(c / w**2 for c, w in zip(fourths, variances, strict=True)) / n**2 - 1 / n) ** 0.5
    q_in = sum(c - w**2 for c, w in zip(fourths, variances, strict=True)) ** 0.5 / sum(variances)
    return (
        infit,
        outfit,
        (infit ** (1 / 3) - 1) * 3 / q_in + q_in / 3,
        (outfit ** (1 / 3) - 1) * 3 / q_out + q_out / 3,
        (sum(logs) - sum(mean_logs)) / sum(variance_logs) ** 0.5,
    )


def test_mean_squares_are_those_of_a_plain_sum_over_answers(simulated_answers):
    answers = simulated_answers(seed=1, n_people=12, spread=0.5)
    data = choice_data(answers)
    made = fit(data, Model.DAVIDSON)
    found = person_fit(data, made)

    assert len(found) == 12
    for name, f in found.items():
        own = [a for a in answers.answers if a.respondent == name]
        assert f.n_answers == len(own)
        numbers = (f.infit, f.outfit, f.infit_z, f.outfit_z, f.likelihood_z)
        assert numbers == pytest.approx(slowly(own, made), rel=1e-9)


def test_people_who_follow_the_model_have_standard_normal_fit(simulated_answers):
    data = choice_data(simulated_answers(seed=2, n_people=400, n_answers=40))
    found = person_fit(data, fit(data, Model.DAVIDSON)).values()

    for name in ("infit", "outfit"):
        assert np.mean([getattr(f, name) for f in found]) == pytest.approx(1, abs=0.02)
    for name in ("infit_z", "outfit_z", "likelihood_z"):
        z = np.array([getattr(f, name) for f in found])
        assert abs(z.mean()) < 0.15
        assert z.std() == pytest.approx(1, abs=0.12)


def test_who_answers_against_the_group_has_a_large_mean_square_and_who_is_more_regular_a_small_one(
    simulated_answers,
):
    answers = simulated_answers(seed=3, n_people=60, n_answers=40, pull=None)
    rank = {name: i for i, name in enumerate("abcdef")}

    def changed(a):
        better = Choice.LEFT if rank[a.left.id] < rank[a.right.id] else Choice.RIGHT
        if a.respondent == "person-0":
            return replace(a, choice=better.mirrored)
        return replace(a, choice=better) if a.respondent == "person-1" else a

    data = choice_data(replace(answers, answers=[changed(a) for a in answers.answers]))
    found = person_fit(data, fit(data, Model.BRADLEY_TERRY))

    assert found["person-0"].outfit == max(f.outfit for f in found.values())
    assert found["person-0"].infit_z > 4
    assert found["person-0"].likelihood_z < -4
    assert found["person-1"].infit == min(f.infit for f in found.values())
    assert found["person-1"].infit_z < -2


def test_swapping_all_sides_changes_nothing(simulated_answers):
    answers = simulated_answers(seed=4, n_people=15)
    mirrored = [replace(a, left=a.right, right=a.left, choice=a.choice.mirrored) for a in answers.answers]
    one, other = (choice_data(s) for s in (answers, replace(answers, answers=mirrored)))
    first, second = (person_fit(d, fit(d, Model.DAVIDSON)) for d in (one, other))

    for name, f in first.items():
        assert f.infit == pytest.approx(second[name].infit, rel=1e-7)
        assert f.outfit_z == pytest.approx(second[name].outfit_z, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("half_wins", [False, True])
def test_models_of_decided_answers_judge_decided_answers_only(simulated_answers, half_wins):
    answers = simulated_answers(seed=5, n_people=20, pull=0.0)
    always = replace(
        answers,
        answers=[
            replace(a, choice=Choice.INDECISION) if a.respondent == "person-0" else a for a in answers.answers
        ],
    )
    data = choice_data(always)
    found = person_fit(data, fit(data, Specification(model=Model.BRADLEY_TERRY, half_wins=half_wins)))

    assert "person-0" not in found
    for name, f in found.items():
        own = [a for a in always.answers if a.respondent == name]
        assert f.n_answers == sum(a.choice is not Choice.INDECISION for a in own)
