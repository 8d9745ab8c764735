from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_compare.alignment.choices import FIRST, INDECISION, SECOND
from llm_compare.alignment.percentile import percentile
from llm_compare.alignment.resampling import Population, Resampling

FEW = Resampling(n_draws=20, seed=1)


def test_each_person_is_held_against_all_others_and_the_model_against_the_same(make_pairing):
    # Three people on two comparisons: A first, first; B first, second; C second, second. Model: first, second.
    found = percentile(
        make_pairing(([0, 1] * 3, [0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1]), ([0, 1], [0, 1])), FEW, fewest=2
    )

    # A agrees 1/2 and 0 with the others, the model 1/2 and 1; B 1/2 and 1/2, the model the same; C 0 and 1/2,
    # the model 1 and 1/2. So A and C are farther away, B is where the model is.
    assert found.percentile.value == pytest.approx((1 + 1 + 0.5) / 3)
    assert found.person_agreement.value == pytest.approx((1 / 4 + 1 / 2 + 1 / 4) / 3)
    assert found.model_agreement.value == pytest.approx((3 / 4 + 1 / 2 + 3 / 4) / 3)
    assert found.n_persons == 3


def test_agreement_with_others_is_that_of_a_plain_loop(planted):
    truth = np.random.default_rng(1).dirichlet((1, 1, 1), size=(2, 15))
    pairing = planted(*truth, n_people=6, replies=3)
    chosen = pairing.people.choice.reshape(6, 15, 3)
    replies = pairing.model.choice.reshape(15, 3, 3).mean(axis=1)
    person, model = [], []
    for a in range(6):
        others = np.delete(chosen, a, axis=0).mean(axis=0)
        person.append((others * chosen[a]).sum(axis=1).mean())
        model.append((others * replies).sum(axis=1).mean())
    found = percentile(pairing, FEW)
    assert found.person_agreement.value == pytest.approx(np.mean(person))
    assert found.model_agreement.value == pytest.approx(np.mean(model))
    difference = np.array(person) - model
    assert found.percentile.value == pytest.approx(np.mean((difference < 0) + (abs(difference) < 1e-12) / 2))


def test_a_model_that_always_chooses_as_most_do_is_nearer_to_people_than_nearly_everybody(planted):
    truth = np.tile([0.6, 0.3, 0.1], (60, 1))
    found = percentile(planted(truth, np.tile([1.0, 0, 0], (60, 1)), n_people=40), FEW)

    assert found.percentile.value > 0.95
    assert found.clearly_farther > 0.8
    assert found.clearly_nearer == 0


def test_a_model_that_chooses_what_nobody_does_is_farther_away_than_everybody(planted):
    truth = np.tile([0.9, 0.1, 0.0], (60, 1))
    found = percentile(planted(truth, np.tile([0.0, 0, 1], (60, 1)), n_people=40), FEW)

    assert found.percentile.value == 0
    assert found.clearly_nearer == 1
    # Nobody is an exception, but there are only 40 people: rule of three.
    assert found.percentile.high == pytest.approx(3 / 40)


def test_among_people_who_are_alike_a_model_like_them_stands_in_the_middle_and_chance_is_named(planted):
    truth = np.random.default_rng(2).dirichlet((1, 1, 1), size=40)
    found = percentile(planted(truth, truth, n_people=150, replies=20), FEW)

    assert found.percentile.value == pytest.approx(0.5, abs=0.15)
    assert found.noise_share > 0.8
    assert found.clearly_farther + found.clearly_nearer < 0.15
    assert found.median_comparisons == 40


def test_a_third_of_contrarians_is_found_farther_away(make_pairing, pick):
    rng = np.random.default_rng(3)
    n_people, n = 45, 60
    side = rng.integers(2, size=n)
    with_side = np.where(side[:, None] == 0, [0.85, 0.1, 0.05], [0.1, 0.85, 0.05])
    against = with_side[:, [1, 0, 2]]
    people = np.concatenate([pick(rng, against if a < 15 else with_side) for a in range(n_people)])
    # The model is a person between the two kinds.
    model = pick(rng, np.tile((2 * with_side + against) / 3, (8, 1)))
    found = percentile(
        make_pairing(
            (np.tile(np.arange(n), n_people), np.repeat(np.arange(n_people), n), people),
            (np.tile(np.arange(n), 8), model),
        ),
        FEW,
    )
    assert found.percentile.value == pytest.approx(1 / 3, abs=0.02)
    assert found.noise_share < 0.3


def test_people_with_few_shared_comparisons_are_not_ranked(make_pairing):
    found = percentile(
        make_pairing(([0, 1, 0, 1, 0], [0, 0, 1, 1, 2], [0, 0, 0, 1, 1]), ([0, 1], [0, 1])), FEW, fewest=2
    )
    assert (found.n_persons, found.n_left_out) == (2, 1)


def test_where_nobody_is_known_nothing_is_ranked_and_the_reason_says_so(make_pairing):
    found = percentile(make_pairing(([0, 0, 1], [0, 1, 2], [0, 0, 1]), ([0, 1], [0, 1])), FEW)

    assert found.percentile.value is None
    assert "may not say who answered" in found.percentile.reason
    assert found.typical_se is None


@pytest.mark.parametrize("population", Population)
def test_calling_the_other_profile_first_and_answering_twice_change_no_value(planted, population):
    truth = np.random.default_rng(4).dirichlet((2, 1, 1), size=(2, 30))
    pairing = planted(*truth, n_people=9)
    twice = np.tile(np.arange(pairing.people.n_answers), 2)
    people, model = pairing.people, pairing.model
    swapped = [SECOND, FIRST, INDECISION]
    changed = replace(
        pairing,
        people=replace(
            people,
            comparison=people.comparison[twice],
            respondent=people.respondent[twice],
            choice=people.choice[twice][:, swapped],
            first_left=people.first_left[twice],
            offered=people.offered[twice],
            repeat=people.repeat[twice],
        ),
        model=replace(model, choice=model.choice[:, swapped]),
    )
    settings = replace(FEW, population=population)
    one, other = percentile(pairing, settings), percentile(changed, settings)
    for name in ("percentile", "model_agreement", "person_agreement"):
        assert getattr(other, name).value == pytest.approx(getattr(one, name).value)
        assert getattr(other, name).se == pytest.approx(getattr(one, name).se)
    assert other.typical_se == pytest.approx(one.typical_se)
