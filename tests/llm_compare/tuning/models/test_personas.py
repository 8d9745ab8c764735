"""Made-up people answer by their rule: unmoved by what should not count, the same in every study."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_compare.errors import CannotTune
from llm_compare.tuning.models.forms import with_attribute
from llm_compare.tuning.models.personas import CHOICES, DISTRACTOR, own_rule, persona_of, shares
from survey.answers import Choice
from survey.design_file import EXAMPLES, read_design


def drawn(design, n, seed=0):
    """Return places of values of ``n`` pairs of patients."""
    rng = np.random.default_rng(seed)
    counts = [a.value_count for a in design.attributes]
    return [np.stack([rng.integers(c, size=n) for c in counts], axis=1) for _ in "lr"]


def worth_of(persona, places):
    return sum(float(worth[place]) for worth, place in zip(persona.worths, places, strict=True))


def test_shares_are_those_of_davidsons_rule_pair_by_pair(study):
    left, right = drawn(study, 40)
    for number in range(1, 9):
        person = persona_of(study, number, seed=3)
        found = shares(person, left, right, indecision_offered=True)
        for i in range(len(left)):
            one = np.exp(worth_of(person, left[i]) + person.side)
            other = np.exp(worth_of(person, right[i]))
            coin = person.pull * np.sqrt(one * other)
            assert found[i] == pytest.approx(np.array([one, other, coin]) / (one + other + coin), abs=1e-9)


def test_without_indecision_on_offer_its_share_goes_to_the_patients_in_proportion(study):
    left, right = drawn(study, 40)
    person = persona_of(study, 2, seed=0)
    offered = shares(person, left, right, indecision_offered=True)
    decided = shares(person, left, right, indecision_offered=False)
    assert (decided[:, 2] == 0).all()
    assert decided[:, :2] == pytest.approx(offered[:, :2] / offered[:, :2].sum(axis=1, keepdims=True))


def test_a_person_thinks_alike_of_an_attribute_in_every_study(study):
    extended = with_attribute(replace(study, attributes=study.attributes[::-1]), DISTRACTOR)
    one, other = persona_of(study, 5, seed=1), persona_of(extended, 5, seed=1)
    for worth, same in zip(one.worths[::-1], other.worths, strict=False):
        assert worth == pytest.approx(same)


def test_people_disagree_and_some_are_never_undecided(study):
    left, right = drawn(study, 200)
    people = [persona_of(study, i + 1, seed=0) for i in range(60)]
    found = np.array([shares(p, left, right, indecision_offered=True) for p in people])
    likeliest = found[:, :, :2].argmax(axis=2)
    assert 0.05 < np.minimum(likeliest.mean(axis=0), 1 - likeliest.mean(axis=0)).mean() < 0.45
    decided = sum(p.pull == 0 for p in people)
    assert 5 < decided < 30
    assert (found[[p.pull == 0 for p in people], :, 2] == 0).all()


def test_the_models_own_rule_is_never_undecided_and_blind_to_sides(study):
    left, right = drawn(study, 200)
    found = shares(own_rule(study), left, right, indecision_offered=True)
    back = shares(own_rule(study), right, left, indecision_offered=True)
    assert (found[:, CHOICES.index(Choice.INDECISION)] == 0).all()
    assert found[:, :2] == pytest.approx(back[:, [1, 0]])


def test_the_models_own_rule_looks_at_drinks_first(study):
    place = [a.name for a in study.attributes].index("drinks")
    left, right = drawn(study, 500)
    found = shares(own_rule(study), left, right, indecision_offered=True)
    fewer, more = left[:, place] < right[:, place] - 1, left[:, place] > right[:, place] + 1
    assert (found[fewer, 0] > 0.7).all()
    assert (found[more, 0] < 0.3).all()


@pytest.mark.parametrize("name", ["kidney-8", "kidney-study1", "kidney-complete"])
def test_what_should_not_count_counts_for_nobody(name):
    design = with_attribute(read_design(EXAMPLES / f"{name}.toml"), DISTRACTOR)
    for person in [own_rule(design), *(persona_of(design, i + 1, seed=0) for i in range(10))]:
        assert not person.worths[-1].any()
        assert any(worth.any() for worth in person.worths[:-1])


def test_an_attribute_of_too_many_values_is_refused_by_name(study):
    fine = replace(study.attributes[0], step=0.01)
    with pytest.raises(CannotTune, match="'age' has 4501 values"):
        own_rule(replace(study, attributes=(fine, *study.attributes[1:])))
