from __future__ import annotations

import json

import numpy as np
import pytest

from estimation.dataset import choice_data
from estimation.errors import BadWeights, NoWeight
from estimation.fitting import fit
from estimation.specification import Model
from estimation.weights_file import read_weights, weights_text, write_weights
from survey.design import Profile
from survey.design_file import example_design
from survey.published_answers import import_study_1_counts


@pytest.fixture
def study_1_fit():
    return fit(choice_data(import_study_1_counts(), arm="with-coin"), Model.MIN_DELTA)


def test_weights_survive_writing_and_reading(study_1_fit, tmp_path):
    path = tmp_path / "weights.json"
    write_weights(path, study_1_fit, design_hashes=("abc",), manifest={})

    again = read_weights(path)
    assert again.weights == study_1_fit.weights
    assert again.model == "min-delta"
    assert again.design_hashes == ("abc",)


def test_a_file_s_joint_draws_become_weights_that_vary_as_the_fit_says(answers_from_wins, tmp_path):
    fitted = fit(choice_data(answers_from_wins({("a", "b"): 7, ("b", "a"): 3})), Model.BRADLEY_TERRY)
    path = tmp_path / "weights.json"
    write_weights(path, fitted, design_hashes=(), manifest={})

    drawn = read_weights(path).drawn_weights()

    assert len(drawn) == len(fitted.draws)
    assert drawn[3].profiles == fitted.weights.profiles
    assert [e.value for e in drawn[3].log_strengths] == fitted.draws[3].tolist()
    profile = fitted.weights.profiles[0]
    assert len({w.weight(profile) for w in drawn}) > 1


def test_profile_weights_survive_writing_and_reading(answers_from_wins, tmp_path):
    data = choice_data(answers_from_wins({("a", "b"): 7, ("b", "a"): 3}))
    fitted = fit(data, Model.BRADLEY_TERRY)
    path = tmp_path / "weights.json"
    write_weights(path, fitted, design_hashes=(), manifest={})

    assert read_weights(path).weights == fitted.weights


def test_the_best_conceivable_profile_has_weight_1_and_no_other_more(study_1_fit):
    weights = [study_1_fit.weights.weight(p) for p in example_design("kidney-study1").profiles()]

    assert max(weights) == pytest.approx(1)
    assert min(weights) > 0


def test_a_profile_without_an_attribute_is_refused_by_name(study_1_fit):
    with pytest.raises(NoWeight, match="dependents"):
        study_1_fit.weights.weight(Profile((("age", 18), ("drinking", "none"))))


def test_relative_weights_are_exponentials_of_the_coefficients(study_1_fit):
    design = example_design("kidney-study1")
    young, old = (design.profile({"age": age, "dependents": 1, "drinking": "light"}) for age in (18, 55))

    ratio = study_1_fit.weights.weight(old) / study_1_fit.weights.weight(young)
    assert np.log(ratio) == pytest.approx(37 * study_1_fit.weights.coefficients["age"].value)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda d: d.pop("coefficients"), "coefficients"),
        (lambda d: d["coefficients"].pop("age"), "age"),
        (lambda d: d.update(format="something"), "not a weights file"),
        (lambda d: d.update(format_version=99), "99"),
        (lambda d: d["attributes"][0].update(kind="odd"), "categorical"),
        (lambda d: d["coefficients"].update(age="x"), "damaged"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name_and_the_place(study_1_fit, tmp_path, damage, complaint):
    path = tmp_path / "weights.json"
    write_weights(path, study_1_fit, design_hashes=(), manifest={})
    document = json.loads(path.read_text())
    damage(document)
    path.write_text(json.dumps(document))

    with pytest.raises(BadWeights, match=complaint) as caught:
        read_weights(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused_with_its_name(tmp_path):
    with pytest.raises(BadWeights, match=r"nowhere\.json"):
        read_weights(tmp_path / "nowhere.json")


def test_a_file_of_the_version_before_is_still_read(study_1_fit, tmp_path):
    path = tmp_path / "weights.json"
    kept = ("format", "model", "attributes", "coefficients", "indecision", "covariance", "design_hashes")
    path.write_text(weights_text(study_1_fit, design_hashes=("abc",), manifest={}), encoding="utf-8")
    written = json.loads(path.read_text())
    path.write_text(json.dumps({"format_version": 1, **{k: written[k] for k in kept}}))

    again = read_weights(path)
    assert again.weights == study_1_fit.weights
    assert again.draws == ()
    assert again.drawn_weights() == ()
