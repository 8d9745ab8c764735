from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_compare.alignment.agreement import agreement
from llm_compare.alignment.choices import FIRST, INDECISION, SECOND, Choices, Pairing
from llm_compare.alignment.resampling import Resampling

FEW = Resampling(n_draws=20, seed=1)


def numbers(result) -> list[float | None]:
    beside = (result.answers_with_majority, result.with_random_person, result.kappa)
    return [m.value for b in beside for m in (b.model, b.people, b.difference)] + [
        result.modal_with_majority.model.value
    ]


def relabeled(side: Choices) -> Choices:
    return replace(side, choice=side.choice[:, [SECOND, FIRST, INDECISION]])


@pytest.fixture
def small(make_pairing) -> Pairing:
    # Five people: first, first, first, second, indecision. Model: first, first, second, indecision.
    return make_pairing(([0] * 5, range(5), [0, 0, 0, 1, 2]), ([0] * 4, [0, 0, 1, 2]))


def test_numbers_of_a_small_case_are_those_worked_out_by_hand(small):
    found = agreement(small, FEW, n_splits=5, fewest_pairs=1)

    assert found.answers_with_majority.model.value == pytest.approx(2 / 4)
    # Others of each person have a majority for the first; three of five answers equal it.
    assert found.answers_with_majority.people.value == pytest.approx(3 / 5)
    assert found.answers_with_majority.difference.value == pytest.approx(2 / 4 - 3 / 5)
    assert found.modal_with_majority.model.value == 1
    assert found.with_random_person.model.value == pytest.approx(0.6 * 0.5 + 0.2 * 0.25 + 0.2 * 0.25)
    # Σ n(n−1) / (n(n−1)) over choices.
    assert found.with_random_person.people.value == pytest.approx(3 * 2 / (5 * 4))
    chance = 0.2 * 0.25 + 0.8 * 0.75 / 2
    assert found.kappa.model.value == pytest.approx((0.4 - chance) / (1 - chance))
    alike = 0.2 * 0.2 + 0.8 * 0.8 / 2
    assert found.kappa.people.value == pytest.approx((0.3 - alike) / (1 - alike))


def test_a_handful_of_people_who_answered_the_same_gives_no_ceiling(small):
    found = agreement(small, FEW, n_splits=5)

    assert found.with_random_person.model.value == pytest.approx(0.6 * 0.5 + 0.2 * 0.25 + 0.2 * 0.25)
    for measure in (found.answers_with_majority, found.with_random_person, found.kappa):
        assert measure.people.value is None
        assert measure.difference.value is None
        assert measure.people.reason == "fewer than 10 pairs of people answered the same comparison"


def test_a_majority_is_that_of_all_others_never_ones_own_vote(make_pairing):
    # Two people who disagree, each half of a tie: the other's answer is the majority, and nobody equals it.
    pairing = make_pairing(([0, 0], [0, 1], [0, 1]), ([0], [0]))
    found = agreement(pairing, FEW, n_splits=2, fewest_pairs=1)

    assert found.answers_with_majority.people.value == 0
    assert found.answers_with_majority.difference.value == pytest.approx(0.5)
    assert found.n_without_majority == 1
    assert found.answers_with_majority.model.value is None


def test_answers_with_the_majority_agree_with_a_plain_count_over_persons(planted):
    truth = np.random.default_rng(1).dirichlet((2, 2, 1), size=25)
    pairing = planted(truth, truth, n_people=7, replies=4)
    chosen = pairing.people.choice.argmax(axis=1).reshape(7, 25)
    replies = pairing.model.choice.reshape(25, 4, 3).mean(axis=1)
    person, model = [], []
    for i in range(25):
        hits, of_model = [], []
        for a in range(7):
            votes = np.bincount(np.delete(chosen[:, i], a), minlength=3)
            if (votes == votes.max()).sum() == 1:
                hits.append(votes.argmax() == chosen[a, i])
                of_model.append(replies[i, votes.argmax()])
        if hits:
            person.append(np.mean(hits))
            model.append(np.mean(of_model))
    found = agreement(pairing, FEW, n_splits=2).answers_with_majority
    assert found.people.value == pytest.approx(np.mean(person))
    assert found.difference.value == pytest.approx(np.mean(model) - np.mean(person))


def test_a_model_that_always_gives_the_majority_agrees_in_full_and_more_than_people_do(planted):
    truth = np.tile([0.6, 0.2, 0.2], (40, 1))
    found = agreement(planted(truth, np.tile([1.0, 0, 0], (40, 1)), n_people=40), FEW, n_splits=10)

    assert found.answers_with_majority.model.value == 1
    assert found.modal_with_majority.model.value == 1
    assert found.answers_with_majority.people.value == pytest.approx(0.6, abs=0.05)
    assert found.with_random_person.model.value == pytest.approx(0.6, abs=0.05)
    assert found.with_random_person.people.value == pytest.approx(0.36 + 0.08, abs=0.04)
    assert found.with_random_person.difference.low > 0


def test_a_model_that_answers_like_a_person_agrees_as_much_as_people_do(planted):
    truth = np.random.default_rng(2).dirichlet((1, 1, 1), size=150)
    found = agreement(planted(truth, truth, n_people=25, replies=6), Resampling(n_draws=60), n_splits=10)

    for beside in (found.answers_with_majority, found.with_random_person, found.kappa):
        assert beside.difference.low < 0 < beside.difference.high
        assert beside.model.value == pytest.approx(beside.people.value, abs=0.03)


def test_choosing_at_random_with_peoples_rate_of_indecision_is_no_agreement_beyond_chance(planted):
    rng = np.random.default_rng(3)
    side = rng.integers(2, size=300)
    truth = np.where(side[:, None] == 0, [0.6, 0.1, 0.3], [0.1, 0.6, 0.3])
    found = agreement(planted(truth, np.tile([0.35, 0.35, 0.3], (300, 1))), FEW, n_splits=2).kappa

    assert found.model.value == pytest.approx(0, abs=0.03)
    # People: agreement .36 + .01 + .09 = .46, chance .09 + .245 = .335.
    assert found.people.value == pytest.approx((0.46 - 0.335) / (1 - 0.335), abs=0.03)


def test_calling_the_other_profile_first_changes_no_value(planted):
    truth = np.random.default_rng(4).dirichlet((2, 1, 1), size=(2, 30))
    pairing = planted(*truth, n_people=9)
    # Of every other comparison, as a different order of profiles would do.
    people, model = (
        replace(s, choice=np.where(s.comparison[:, None] % 2 == 0, s.choice, relabeled(s).choice))
        for s in (pairing.people, pairing.model)
    )
    exchanged = agreement(replace(pairing, people=people, model=model), FEW, n_splits=3)
    assert numbers(exchanged) == pytest.approx(numbers(agreement(pairing, FEW, n_splits=3)))


def test_people_who_give_every_answer_twice_are_no_more_people(planted, make_pairing):
    truth = np.random.default_rng(5).dirichlet((2, 1, 1), size=(2, 30))
    pairing = planted(*truth, n_people=9, replies=2)
    people, model = pairing.people, pairing.model
    twice = make_pairing(
        (
            np.tile(people.comparison, 2),
            np.tile(people.respondent, 2),
            np.tile(people.choice.argmax(axis=1), 2),
        ),
        (model.comparison, model.choice.argmax(axis=1)),
    )
    assert numbers(agreement(twice, FEW, n_splits=3)) == pytest.approx(
        numbers(agreement(pairing, FEW, n_splits=3))
    )


def test_a_model_with_two_most_frequent_choices_counts_as_a_draw_between_them(make_pairing):
    found = agreement(make_pairing(([0] * 3, range(3), [0, 0, 1]), ([0, 0], [0, 1])), FEW, n_splits=2)

    assert found.modal_with_majority.model.value == pytest.approx(0.5)
    assert found.modal_with_majority.n_model_tied == 1


def test_comparisons_with_one_person_leave_the_model_its_number_and_people_a_reason(make_pairing):
    found = agreement(make_pairing(([0, 1], [0, 1], [0, 1]), ([0, 1], [0, 0])), FEW, n_splits=2)

    assert found.with_random_person.model.value == pytest.approx(0.5)
    assert found.with_random_person.people.value is None
    assert "two people" in found.with_random_person.people.reason
    assert found.n_with_several_people == 0
    assert found.modal_with_majority.people_halves.mean is None


def test_two_sides_that_are_always_undecided_have_no_agreement_beyond_chance(make_pairing):
    found = agreement(make_pairing(([0] * 3, range(3), [2] * 3), ([0, 0], [2, 2])), FEW, n_splits=2)

    assert found.with_random_person.model.value == 1
    assert found.kappa.model.value is None


def test_full_agreement_without_exception_still_gets_an_interval(planted):
    certain = np.tile([1.0, 0, 0], (30, 1))
    found = agreement(planted(certain, certain, n_people=20), FEW, n_splits=2).with_random_person.model

    # Rule of three on the smaller number of clusters: 20 people.
    assert (found.low, found.high) == (pytest.approx(1 - 3 / 20), 1)
