"""Plain models of the same answers: what they foretell of comparisons they have not seen."""

from __future__ import annotations

import numpy as np
import pytest

from estimation.choice_model import probabilities_at
from estimation.dataset import choice_data
from estimation.fitting import fit
from estimation.model_quality import parameters_of, refitted_cells
from estimation.specification import Model, Specification
from estimation.uncertainty import Intervals
from llm_compare.alignment.choices import FIRST, INDECISION, SECOND
from llm_compare.tuning.evaluation.baselines import Baseline, constant_baseline, foretold, weights_baseline
from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.design import Comparison

CHOICES = (Choice.LEFT, Choice.RIGHT, Choice.INDECISION)
DRINKS, PULL = -0.9, -0.5


def planted(study, count, *, seed):
    """Answers of a rule: fewer drinks, a coin where they are alike."""
    rng = np.random.default_rng(seed)
    answers = []
    for left, right in study.draw_pairs(count, rng):
        weights = np.exp([DRINKS * left["drinks"], DRINKS * right["drinks"], 0])
        weights[2] = np.exp(PULL) * np.sqrt(weights[0] * weights[1])
        choice = CHOICES[rng.choice(3, p=weights / weights.sum())]
        answers.append(
            Answer(
                respondent=None,
                kind=RespondentKind.HUMAN,
                arm=study.arms[0].name,
                position=None,
                left=left,
                right=right,
                choice=choice,
                indecision_offered=True,
                design_hash="",
            )
        )
    return answers


def test_weights_foretell_what_the_planted_rule_does_on_unseen_comparisons(study):
    unseen = [Comparison.of(*pair) for pair in study.draw_pairs(40, np.random.default_rng(9))]
    found = weights_baseline(planted(study, 3000, seed=1), study.attributes, unseen)
    assert isinstance(found, Baseline)
    for comparison, (first, second, undecided) in zip(unseen, found.table.shares, strict=True):
        ahead = DRINKS * (comparison.first["drinks"] - comparison.second["drinks"])
        assert np.log(first / second) == pytest.approx(ahead, abs=0.6)
        assert first + second + undecided == pytest.approx(1)
        if ahead == 0:
            assert undecided == pytest.approx(np.exp(PULL) / (2 + np.exp(PULL)), abs=0.06)


def test_what_is_foretold_is_what_the_fit_itself_gives(study):
    answers = planted(study, 200, seed=2)
    data = choice_data(AnswerSet(attributes=study.attributes, answers=answers, source="s"))
    fitted = fit(data, Specification(model=Model.MIN_DELTA), intervals=Intervals(bootstrap=0))
    assembled = refitted_cells(data, fitted)
    own = probabilities_at(assembled.cells, parameters_of(assembled, fitted))
    seen = [(data.profiles[a], data.profiles[b]) for a, b in zip(data.left, data.right, strict=True)]
    comparisons = [Comparison.of(left, right) for left, right in seen]
    found = foretold(fitted, study.attributes, comparisons, offered=True)
    for (left, _), comparison, mine, theirs in zip(seen, comparisons, found, own, strict=True):
        columns = [FIRST, SECOND, INDECISION] if comparison.first == left else [SECOND, FIRST, INDECISION]
        np.testing.assert_allclose(mine[columns], theirs, atol=1e-9)


def test_answers_without_exception_leave_nothing_impossible(study):
    answers = [a for a in planted(study, 60, seed=3) if a.left["drinks"] != a.right["drinks"]][:12]
    sure = [
        type(a)(**{**{f: getattr(a, f) for f in a.__slots__}, "choice": _fewer_drinks(a)}) for a in answers
    ]
    unseen = [Comparison.of(*pair) for pair in study.draw_pairs(20, np.random.default_rng(9))]
    found = weights_baseline(sure, study.attributes, unseen)
    assert isinstance(found, Baseline)
    assert (found.table.shares > 0).all()


def _fewer_drinks(a):
    return Choice.LEFT if a.left["drinks"] < a.right["drinks"] else Choice.RIGHT


def test_few_answers_are_not_learned_by_heart(study):
    """On average over draws of 16, weights foretell better than always the same shares; see the docstring."""
    unseen = planted(study, 400, seed=6)
    comparisons = [a.comparison for a in unseen]
    columns = [
        INDECISION
        if a.choice is Choice.INDECISION
        else FIRST
        if (a.choice is Choice.LEFT) is (a.left == a.comparison.first)
        else SECOND
        for a in unseen
    ]

    def score(found):
        return float(np.mean(np.log2(found.table.shares[np.arange(len(columns)), columns])))

    gains = []
    for seed in range(20, 32):
        answers = planted(study, 16, seed=seed)
        weights = weights_baseline(answers, study.attributes, comparisons)
        assert isinstance(weights, Baseline)
        gains.append(score(weights) - score(constant_baseline(answers, comparisons)))
    assert np.mean(gains) > 0.2


def test_answers_that_tell_no_weights_say_why(study):
    answers = planted(study, 30, seed=4)
    same = [a for a in answers if a.left["drinks"] == a.right["drinks"]][:3]
    found = weights_baseline(same, study.attributes, [same[0].comparison])
    assert isinstance(found, str)
    assert "cannot be estimated" in found


def test_the_constant_is_peoples_rate_of_indecision_and_the_rest_in_halves(study):
    answers = planted(study, 99, seed=5)
    undecided = sum(a.choice is Choice.INDECISION for a in answers)
    found = constant_baseline(answers, [answers[0].comparison]).table.shares[0]
    assert found[INDECISION] == pytest.approx((undecided + 0.5) / 100)
    assert found[FIRST] == found[SECOND]
    assert found.sum() == pytest.approx(1)
