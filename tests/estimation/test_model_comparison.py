"""Models side by side: equal answers, stated rules, refusals with reasons."""

from __future__ import annotations

import json
from math import log

import numpy as np
import pytest

from estimation.comparison_plots import comparison_plot
from estimation.comparison_summary import comparison_lines, comparison_record
from estimation.dataset import Clustering, choice_data, counted, tally
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.held_out import difference
from estimation.model_comparison import (
    candidates,
    coin_log_likelihood,
    compare,
)
from estimation.specification import Model
from survey.design import NumericAttribute, Profile
from survey.published_answers import import_published

AGE = NumericAttribute(name="age", label="Age", minimum=20, maximum=70)
DRINKS = NumericAttribute(name="drinks", label="Drinks", minimum=0, maximum=4)
PROFILES = tuple(Profile((("age", a), ("drinks", d))) for a in (20, 45, 70) for d in (0, 2, 4))


def answers_of(rule, *, n_people=40, n_each=20, seed=0, offered=True):
    """Return answers drawn from a rule: (half the log-strengths' difference, distance) -> odds of the choices."""
    rng = np.random.default_rng(seed)
    strength = np.array([-0.05 * p["age"] - 0.4 * p["drinks"] for p in PROFILES])
    columns = []
    for person in range(n_people):
        for _ in range(n_each):
            left, right = rng.permutation(len(PROFILES))[:2]
            one, other = PROFILES[left], PROFILES[right]
            distance = abs(one["age"] - other["age"]) / 50 + abs(one["drinks"] - other["drinks"]) / 4
            odds = np.array(rule((strength[left] - strength[right]) / 2, distance))
            columns.append((left, right, rng.choice(3, p=odds / odds.sum()), person))
    left, right, choice, person = zip(*columns, strict=True)
    return tally(
        attributes=(AGE, DRINKS),
        profiles=PROFILES,
        left=left,
        right=right,
        choice=choice,
        offered=offered,
        cluster=person,
        cluster_names=tuple(map(str, range(n_people))),
        clustering=Clustering.RESPONDENT,
    )


def davidson(half, _):
    return np.exp([half, -half, 0.2])


@pytest.fixture(scope="module")
def people():
    return answers_of(davidson)


@pytest.fixture(scope="module")
def compared(people):
    return compare(people, seed=1)


def by_name(rows):
    return {row.name: row for row in rows}


def test_a_coin_makes_decided_answers_comparable_with_all_answers_as_in_study_2(shared):
    data = choice_data(import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")))
    decided = fit(data, Model.CONDITIONAL_LOGIT)

    # Computed independently: a constant coin and a logit.
    assert decided.log_likelihood + coin_log_likelihood(data) == pytest.approx(-4242.516988763, abs=1e-6)


def test_every_row_has_the_numbers_of_its_fit(people, compared):
    rows = by_name(compared.everything)
    for name in ("min-delta", "davidson", "rao-kupper+attributes", "min-u"):
        made = fit(people, candidates(people, seed=1)[name])
        row = rows[name]
        assert row.log_likelihood == pytest.approx(made.log_likelihood)
        assert row.aic == pytest.approx(made.aic)
        assert row.bic == pytest.approx(made.bic)
        assert row.outcome == "fine"
    coin = rows["conditional-logit"]
    decided = fit(people, Model.CONDITIONAL_LOGIT)
    n, undecided = people.n_answers, people.n_indecisions
    toss = undecided * log(undecided / n) + (n - undecided) * log(1 - undecided / n)
    assert coin.n_parameters == decided.n_parameters + 1
    assert coin.log_likelihood == pytest.approx(decided.log_likelihood + toss)
    assert coin.bic == pytest.approx(log(40) * 3 - 2 * coin.log_likelihood)


def test_likelihoods_of_different_answers_are_never_in_one_table(compared):
    decided = by_name(compared.decided)

    assert decided["conditional-logit"].aic is not None
    assert decided["min-delta"].aic is None
    assert decided["min-delta"].held_out is not None
    n = {row.held_out.n_answers for row in compared.decided}
    assert n == {compared.n_answers - compared.n_indecisions}
    assert {row.held_out.n_answers for row in compared.everything} == {compared.n_answers}


def test_models_are_predicted_on_the_same_respondents_and_ordered(compared):
    scores = [row.held_out.log_likelihood for row in compared.everything]

    assert scores == sorted(scores, reverse=True)
    assert compared.everything[0].behind == 0
    leader = compared.everything[0].held_out
    for row in compared.everything:
        assert (row.behind, row.behind_se) == difference(leader, row.held_out)
    assert all(scores[0] > score.log_likelihood for _, score in compared.baselines)


def test_the_planted_rule_is_recommended_over_wrong_and_over_richer_ones(compared):
    assert compared.recommended in ("min-delta", "rao-kupper+attributes")
    behind = by_name(compared.everything)
    for wrong, n_errors in (("max-delta", 3), ("max-u", 3), ("min-u", 3), ("conditional-logit", 2)):
        assert behind[wrong].behind > n_errors * behind[wrong].behind_se
    # Free profiles contain the truth, too, but need 9 parameters for it.
    assert behind["davidson"].n_parameters == 9
    # Nothing was planted that the tests could find.
    assert not any("The preferred model has it" in s for s in compared.recommendation)


def test_the_recommendation_follows_the_stated_rules(compared):
    fine = [row for row in compared.everything if row.outcome == "fine"]
    leader = max(fine, key=lambda row: row.held_out.log_likelihood)
    level = []
    for row in fine:
        behind, se = difference(leader.held_out, row.held_out)
        if behind <= se:
            level.append(row)
    chosen = min(level, key=lambda row: (row.n_parameters, -row.held_out.log_likelihood))

    assert compared.recommended == chosen.name
    text = "\n".join(comparison_lines(compared))
    for rule in compared.rules:
        assert rule in text
    assert f"Prefer {chosen.name}" in text


def test_indecision_that_depends_on_distance_is_found():
    data = answers_of(lambda half, distance: np.exp([half, -half, 1.2 - 2.0 * distance]), seed=2)
    found = compare(data, models=("min-delta", "min-delta+distance", "min-delta+order"), n_folds=4)

    assert found.recommended == "min-delta+distance"
    assert found.tested == "min-delta"
    assert any("attribute distance" in s and "The preferred model has it" in s for s in found.recommendation)


def test_disconnected_profiles_are_refused_in_a_row_and_attributes_fitted(shared):
    # Study 1: 14 profiles in two groups never compared.
    data = choice_data(import_published("mcelfresh2021", shared("data/humans/study_1.csv")))
    found = compare(data, models=("davidson", "min-delta", "conditional-logit"))
    rows = by_name(found.everything)

    assert rows["davidson"].outcome == "refused"
    assert "never compared" in rows["davidson"].reason
    assert rows["davidson"].aic is None
    assert found.everything[-1].name == "davidson"
    assert found.recommended == "min-delta"
    assert any("refused: the answers fall into 2 groups" in line for line in comparison_lines(found))


def test_without_known_respondents_the_least_bic_decides():
    rng = np.random.default_rng(3)
    data = counted("abc", [0, 1, 0], [1, 2, 2], rng.integers(10, 30, size=(3, 3)))
    found = compare(data)

    rows = [row for row in found.everything if row.outcome == "fine"]
    assert found.recommended == min(rows, key=lambda row: row.bic).name
    assert all(row.held_out is None for row in rows)
    assert any("nobody is held out" in note for note in found.notes)
    assert found.baselines == ()
    with pytest.raises(EstimationError, match="nobody was held out"):
        comparison_plot(found)


def test_an_attribute_that_only_names_profiles_makes_no_models_of_its_own():
    data = counted("abc", [0, 1, 0], [1, 2, 2], [[5, 6, 7]] * 3)

    assert "conditional-logit" not in candidates(data)
    assert "min-delta" not in candidates(data)
    assert "davidson+order" in candidates(data)


def test_without_indecision_only_models_of_decided_answers_are_tried():
    data = answers_of(lambda half, _: np.append(np.exp([half, -half]), 0.0), offered=False)
    found = compare(data)

    assert {row.name for row in found.everything} == {
        "bradley-terry",
        "conditional-logit",
        "bradley-terry+order",
        "conditional-logit+order",
    }
    rows = by_name(found.everything)
    assert rows["conditional-logit"].n_parameters == 2
    assert found.decided == ()
    assert found.conventions is None
    assert found.recommended == "conditional-logit"


def test_an_unknown_model_is_refused_with_the_known_ones(people):
    with pytest.raises(EstimationError, match=r"no model 'probit'.*min-delta"):
        compare(people, models=("probit",))


def test_that_no_model_can_be_fitted_is_an_error():
    data = counted("abcd", [0, 2], [1, 3], [[5, 6, 1], [7, 4, 2]])
    with pytest.raises(EstimationError, match=r"no model can be fitted: davidson: .*never compared"):
        compare(data, models=("davidson",))


def test_the_same_seed_gives_the_same_record_and_the_same_picture(people, compared):
    names = ("min-delta", "davidson", "conditional-logit")
    one, other = (compare(people, models=names, seed=1) for _ in range(2))

    assert json.dumps(comparison_record(one)) == json.dumps(comparison_record(other))
    assert comparison_plot(one) == comparison_plot(other)
    mine = by_name(one.everything)["min-delta"]
    assert mine.held_out.log_likelihood == by_name(compared.everything)["min-delta"].held_out.log_likelihood


def test_the_picture_names_every_model_and_the_preferred_one(compared):
    svg = comparison_plot(compared)

    assert svg.startswith('<svg role="img" aria-label="Held-out log-likelihood per answer, by model"')
    for row in compared.everything:
        assert row.name in svg
    assert f"{compared.recommended} (preferred)" in svg
    assert "same shares everywhere" in svg
