from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from exchange.compatibility import blood_compatible
from exchange.errors import BadRequest
from exchange.pool import BloodGroup, Pair, Pool
from exchange.pool_file import pool_text
from exchange.pool_generator import BLOOD_GROUP_SHARES, CPRA_CLASSES, generate_pool
from survey.design import StudyDesign, design_hash
from survey.design_file import example_design

N = 3000


@pytest.fixture(scope="module")
def crowd(study: StudyDesign) -> Pool:
    """Many people. Their arcs are not looked at."""
    # A few pools of other seeds give as many people as one large pool, with far fewer arcs.
    pools = [generate_pool(study, n_pairs=150, n_ndds=150, seed=seed) for seed in range(N // 150)]
    return Pool(
        pairs=tuple(replace(p, id=f"{i}-{p.id}") for i, pool in enumerate(pools) for p in pool.pairs),
        ndds=tuple(replace(d, id=f"{i}-{d.id}") for i, pool in enumerate(pools) for d in pool.ndds),
        source="people of several pools",
    )


def test_the_same_seed_gives_the_same_bytes(study: StudyDesign) -> None:
    one = pool_text(generate_pool(study, n_pairs=30, n_ndds=3, seed=1))
    assert one == pool_text(generate_pool(study, n_pairs=30, n_ndds=3, seed=1))
    assert one != pool_text(generate_pool(study, n_pairs=30, n_ndds=3, seed=2))


def test_a_larger_pool_contains_the_smaller_ones_people_and_arcs(study: StudyDesign) -> None:
    small = generate_pool(study, n_pairs=20, n_ndds=2, seed=9)
    large = generate_pool(study, n_pairs=50, n_ndds=6, seed=9)
    assert large.pairs[:20] == small.pairs
    assert large.ndds[:2] == small.ndds
    known = {p.id for p in small.pairs} | {d.id for d in small.ndds}
    within = {a for a in large.arcs if a.donor in known and a.recipient in known}
    assert within == set(small.arcs)


def test_another_study_changes_the_profiles_and_nothing_else(study: StudyDesign) -> None:
    one = generate_pool(study, n_pairs=20, n_ndds=2, seed=3)
    other = generate_pool(example_design("kidney-numeric"), n_pairs=20, n_ndds=2, seed=3)
    assert one.arcs == other.arcs
    assert [replace(p, profile=None) for p in one.pairs] == [replace(p, profile=None) for p in other.pairs]
    assert one.pairs[0].profile != other.pairs[0].profile


def test_blood_compatible_pairs_are_the_sensitized_ones(crowd: Pool) -> None:
    # Blood-compatible pairs are kept only after a positive crossmatch, so they are mostly highly sensitized.
    kept = [p for p in crowd.pairs if _fits(p.donor_blood_group, p.patient_blood_group)]
    others = [p for p in crowd.pairs if not _fits(p.donor_blood_group, p.patient_blood_group)]
    assert _mean_cpra(kept) > _mean_cpra(others) + 0.2


def test_blood_groups_of_ndds_have_the_published_shares(crowd: Pool) -> None:
    counts = Counter(d.blood_group for d in crowd.ndds)
    for group, share in BLOOD_GROUP_SHARES.items():
        # Four standard errors: one chance in 16,000 per group to fail for no reason, and the seeds are fixed.
        error = (share * (1 - share) / N) ** 0.5
        assert counts[group] / N == pytest.approx(share, abs=4 * error)


def test_incompatible_pairs_have_the_shares_that_follow_from_the_constants(crowd: Pool) -> None:
    # Independent of the generator: P(O patient | incompatible) by Bayes from the published constants.
    risk = 0.0
    wife = 0.4090 * 0.4897
    for share, cpra in CPRA_CLASSES:
        risk += share * (wife * (1 - 0.75 * (1 - cpra)) + (1 - wife) * cpra)
    total = incompatible_o = 0.0
    for patient, p in BLOOD_GROUP_SHARES.items():
        for donor, d in BLOOD_GROUP_SHARES.items():
            chance = p * d * (risk if blood_compatible(donor, patient) else 1.0)
            total += chance
            incompatible_o += chance if patient is BloodGroup.O else 0.0
    share = incompatible_o / total
    found = sum(p.patient_blood_group is BloodGroup.O for p in crowd.pairs) / N
    assert found == pytest.approx(share, abs=4 * (share * (1 - share) / N) ** 0.5)


def test_profiles_have_the_shares_that_the_study_gives(crowd: Pool, study: StudyDesign) -> None:
    counts = Counter(p.profile for p in crowd.pairs)
    for listed in study.listed_profiles:
        share = listed.patient_share or 0.0
        assert counts[listed.profile] / N == pytest.approx(share, abs=4 * (share * (1 - share) / N) ** 0.5)


def test_arcs_are_blood_compatible_and_as_frequent_as_the_cpra_allows(study: StudyDesign) -> None:
    pool = generate_pool(study, n_pairs=200, n_ndds=20, seed=4)
    donors = {p.id: p.donor_blood_group for p in pool.pairs} | {d.id: d.blood_group for d in pool.ndds}
    patients = {p.id: p for p in pool.pairs}
    for arc in pool.arcs:
        assert _fits(donors[arc.donor], patients[arc.recipient].patient_blood_group)
    expected = variance = 0.0
    for donor, group in donors.items():
        for pair in pool.pairs:
            if donor != pair.id and _fits(group, pair.patient_blood_group):
                chance = 1 - (pair.cpra or 0.0)
                expected += chance
                variance += chance * (1 - chance)
    assert len(pool.arcs) == pytest.approx(expected, abs=4 * variance**0.5)


def test_the_pool_says_that_it_is_simulated_and_from_what(study: StudyDesign) -> None:
    pool = generate_pool(study, n_pairs=1, n_ndds=0, seed=1)
    assert pool.is_simulated
    assert pool.note.startswith("Simulated.")
    assert "Saidman" in pool.note
    assert design_hash(study) in pool.note
    assert pool.attributes == study.attributes


def test_an_empty_pool_can_be_generated(study: StudyDesign) -> None:
    assert generate_pool(study, n_pairs=0, n_ndds=2, seed=1).arcs == ()


@pytest.mark.parametrize("wrong", [{"n_pairs": -1}, {"n_ndds": -1}, {"seed": -1}])
def test_negative_numbers_are_refused(study: StudyDesign, wrong: dict[str, int]) -> None:
    with pytest.raises(BadRequest, match="negative"):
        generate_pool(study, **{"n_pairs": 1, "n_ndds": 1, "seed": 1, **wrong})


def _fits(donor: BloodGroup | None, patient: BloodGroup | None) -> bool:
    assert donor is not None
    assert patient is not None
    return blood_compatible(donor, patient)


def _mean_cpra(pairs: list[Pair]) -> float:
    return sum(p.cpra or 0.0 for p in pairs) / len(pairs)
