from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from estimation.errors import BadWeights
from estimation.weights import AttributeWeights, ProfileWeights
from exchange.donor_preferences import donor_priorities
from exchange.errors import BadRequest, MissingPriorities
from exchange.people_file import read_people
from exchange.pool import NonDirectedDonor, Pair, Pool
from exchange.pool_generator import generate_pool
from exchange.published_weights import (
    ATTRIBUTES,
    HETEROGENEOUS,
    PROFILES,
    published_preferences,
    published_study,
    published_weights,
)
from survey.design import StudyDesign, design_hash
from survey.design_file import example_design

CODES = ("YRH", "YFH", "YRC", "YFC", "ORH", "OFH", "ORC", "OFC")
"""Profiles 1 to 8 of the reference files."""


@pytest.mark.parametrize(("name", "key"), [(PROFILES, "direct_bt_score"), (ATTRIBUTES, "attribute_bt_score")])
def test_published_weights_are_those_of_the_released_code(
    shared: Callable[[str], Path], name: str, key: str
) -> None:
    reference = json.loads(shared("reference/freedman_profiles.json").read_text())
    weights = published_weights(name)
    profiles = {profile.id: profile for profile in published_study().profiles() or ()}
    for row in reference["profiles"]:
        assert weights.weight(profiles[row["code"]]) == pytest.approx(row[key], rel=1e-6)


def test_published_weights_are_centered_and_unknown_names_are_refused() -> None:
    weights = published_weights(PROFILES)
    assert isinstance(weights, ProfileWeights)
    assert isinstance(published_weights(ATTRIBUTES), AttributeWeights)
    assert sum(e.value for e in weights.log_strengths) == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(BadRequest, match=PROFILES):
        published_weights("freedman2021")
    with pytest.raises(BadRequest, match=HETEROGENEOUS):
        published_preferences("freedman2021")


def one_pair_of_each_profile(study: StudyDesign, n_ndds: int) -> Pool:
    profiles = {profile.id: profile for profile in study.profiles() or ()}
    return Pool(
        pairs=tuple(Pair(id=code, profile=profiles[code]) for code in CODES),
        ndds=tuple(NonDirectedDonor(id=f"N{i}") for i in range(n_ndds)),
        source="made in a test",
        attributes=study.attributes,
    )


def test_donors_draw_the_ranks_and_weights_of_freedman_2020(
    study: StudyDesign, shared: Callable[[str], Path]
) -> None:
    expected = json.loads(shared("reference/freedman2020_heterogeneous.json").read_text())["monte_carlo_here"]
    n = 6_000
    pool = one_pair_of_each_profile(study, n)
    found = donor_priorities(pool, published_preferences(HETEROGENEOUS), study.profiles() or (), seed=1)
    weights = found.weights[len(CODES) :]
    assert weights.min(axis=1) == pytest.approx(np.zeros(n))
    assert weights.max(axis=1) == pytest.approx(np.ones(n))
    ranks = 1 + np.argsort(np.argsort(-weights, axis=1), axis=1)
    for drawn, key in (
        (ranks, "expected_rank_by_profile"),
        (ranks == 1, "first_choice_share_by_profile"),
        (weights, "mean_rescaled_weight_by_profile"),
    ):
        # Five standard errors, and where hardly anybody draws it, of one draw.
        error = np.maximum(drawn.std(axis=0), 1 / np.sqrt(n)) / np.sqrt(n)
        assert np.all(np.abs(drawn.mean(axis=0) - expected[key]) < 5 * error + 1e-3), key


def test_a_donors_weights_do_not_depend_on_who_else_is_there(study: StudyDesign) -> None:
    preferences = published_preferences(HETEROGENEOUS)
    reference = study.profiles() or ()
    large = generate_pool(study, n_pairs=30, n_ndds=3, seed=1)
    small = generate_pool(study, n_pairs=7, n_ndds=2, seed=1)
    turned = replace(large, pairs=large.pairs[::-1], ndds=large.ndds[::-1])
    by_pool = [donor_priorities(p, preferences, reference, seed=5) for p in (large, small, turned)]
    for donor in by_pool[1].donors:
        for patient in by_pool[1].recipients:
            assert len({found.weight(donor, patient) for found in by_pool}) == 1
    other = donor_priorities(large, preferences, reference, seed=6)
    assert not np.array_equal(other.weights, by_pool[0].weights)


def test_pairs_without_profiles_and_seeds_that_cannot_be_are_refused(study: StudyDesign) -> None:
    preferences, reference = published_preferences(HETEROGENEOUS), study.profiles() or ()
    without = Pool(pairs=(Pair(id="a"), Pair(id="b")), source="made in a test")
    with pytest.raises(MissingPriorities, match="a, b"):
        donor_priorities(without, preferences, reference, seed=1)
    pool = one_pair_of_each_profile(study, 0)
    with pytest.raises(BadRequest, match="negative"):
        donor_priorities(pool, preferences, reference, seed=-1)
    with pytest.raises(BadRequest, match="two profiles"):
        donor_priorities(pool, preferences, reference[:1], seed=1)


def write_people(path: Path, **changes: object) -> Path:
    document: dict[str, object] = {
        "format": "equipoise-people",
        "format_version": 1,
        "population": {"distribution": published_preferences(HETEROGENEOUS).to_record()},
        "design_hashes": [design_hash(published_study())],
    }
    path.write_text(json.dumps(document | changes), encoding="utf-8")
    return path


def test_a_file_of_people_gives_the_distribution_and_the_studys_profiles(tmp_path: Path) -> None:
    study = published_study()
    file = read_people(write_people(tmp_path / "people.json"))
    preferences, reference = file.preferences(study.attributes)
    assert preferences.mean.tolist() == published_preferences(HETEROGENEOUS).mean.tolist()
    assert {profile.id for profile in reference} == set(CODES)
    unknown = read_people(write_people(tmp_path / "other.json", design_hashes=["0"]))
    assert set(unknown.preferences(study.attributes)[1]) == set(reference)
    with pytest.raises(BadWeights, match=r"other\.json"):
        unknown.preferences(example_design("kidney-numeric").attributes)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"format": "equipoise-weights"}, "does not say how people differ"),
        ({"population": None}, "has no population"),
        ({"population": {"mean": []}}, "has no population"),
    ],
)
def test_files_without_a_population_are_refused(
    tmp_path: Path, changes: dict[str, object], complaint: str
) -> None:
    path = write_people(tmp_path / "people.json", **changes)
    with pytest.raises(BadWeights, match=complaint):
        read_people(path)
    with pytest.raises(BadWeights, match=r"nowhere\.json"):
        read_people(tmp_path / "nowhere.json")
    path.write_text("{")
    with pytest.raises(BadWeights, match="is not JSON"):
        read_people(path)
