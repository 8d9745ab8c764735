from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from exchange.arc_success import SURE, success_probability, success_rule
from exchange.compatibility import blood_compatible
from exchange.errors import BadModel, BadRequest
from exchange.pool import BloodGroup, Pair, Pool, pool_arrays
from exchange.pool_generator import generate_pool
from exchange.pool_model import (
    FREEDMAN,
    FREEDMAN_HETEROGENEOUS,
    MODELS,
    SAIDMAN,
    SAIDMAN_GLORIE,
    UNOS_SPARSE,
    CpraClass,
    PoolModel,
    ProfileShare,
    compatible_share,
    freedman_profile_shares,
)
from survey.design import StudyDesign, design_hash
from survey.design_file import example_design

KIDNEY_8 = example_design("kidney-8")
EACH_MODEL = pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
SIZE = 60
N = 40 * SIZE
# How rarely a right generator leaves an interval. The seeds are fixed, so only a change can make these fail.
ERROR = 1e-5


@cache
def crowd_of(name: str, *, keep_compatible: bool = False) -> tuple[Pool, ...]:
    """Many people: a few pools of other seeds give as many as one large pool, with far fewer arcs."""
    return tuple(
        generate_pool(
            KIDNEY_8,
            n_pairs=SIZE,
            n_ndds=SIZE,
            seed=seed,
            model=MODELS[name],
            keep_compatible=keep_compatible,
        )
        for seed in range(N // SIZE)
    )


def pairs_of(pools: Iterable[Pool]) -> list[Pair]:
    return [pair for pool in pools for pair in pool.pairs]


def assert_share(count: int, share: float, total: int = N) -> None:
    """Check a count against the exact binomial interval of its share."""
    low, high = binom.interval(1 - ERROR, total, min(share, 1.0))
    assert low <= count <= high, f"{count} of {total}, expected {share * total:.1f}"


def people_and_arcs(pool: Pool) -> str:
    """Return a hash of everyone and everything in a pool, whatever file format it is written in."""
    people = ((p, p.profile.id if p.profile else "") for p in pool.pairs)
    lines = [
        *(f"{p.id},{p.patient_blood_group},{p.donor_blood_group},{p.cpra!r},{name}" for p, name in people),
        *(f"{d.id},{d.blood_group}" for d in pool.ndds),
        *(f"{a.donor},{a.recipient},{a.weight!r},{a.success_probability!r}" for a in pool.arcs),
    ]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "n_pairs", "n_ndds", "seed", "expected"),
    [
        ("kidney-8", 64, 5, 1, "f239d99cab08be929961058f777c6862b0b486a74e9f79ea6b8d97f0650d2d72"),
        ("kidney-8", 30, 3, 0, "db1165f3e64a58b5405f33c9618780841a6be273b2ffdb13e35bdbe82ce79e43"),
        ("kidney-8", 200, 12, 20, "aeecbe27a8b3f6803ffaa4f1519c61685dd673234725a94e87bbfc7a754b99cf"),
        ("kidney-numeric", 64, 5, 1, "ad4c16079bb048253cfa68f8e4078952150bfaa0e8027be24429f07c59346e9c"),
        ("kidney-numeric", 200, 12, 20, "bc65996c408e053a20d4227af8370d158c8e46a97b00b230c77a4f92ade54438"),
    ],
)
def test_default_pools_are_those_of_the_first_release(
    name: str, n_pairs: int, n_ndds: int, seed: int, expected: str
) -> None:
    # Published results name a seed and nothing else; these hashes were taken before there were other models.
    pool = generate_pool(example_design(name), n_pairs=n_pairs, n_ndds=n_ndds, seed=seed)
    assert people_and_arcs(pool) == expected


def test_the_same_seed_gives_the_same_pool(study: StudyDesign) -> None:
    one = generate_pool(study, n_pairs=30, n_ndds=3, seed=1)
    assert one == generate_pool(study, n_pairs=30, n_ndds=3, seed=1)
    assert one != generate_pool(study, n_pairs=30, n_ndds=3, seed=2)


@given(
    sizes=st.tuples(st.integers(0, 25), st.integers(0, 6), st.integers(0, 25), st.integers(0, 6)),
    name=st.sampled_from(sorted(MODELS)),
    tests=st.integers(1, 3),
    keep=st.booleans(),
    success=st.sampled_from(["1", "unos", "apd"]),
    seed=st.integers(0, 50),
)
@settings(max_examples=60)
def test_a_larger_pool_contains_the_smaller_ones_people_and_arcs(
    sizes: tuple[int, int, int, int], name: str, tests: int, keep: bool, success: str, seed: int
) -> None:
    pairs, ndds, more_pairs, more_ndds = sizes
    model = replace(MODELS[name], crossmatch_tests=tests)

    def pool(n_pairs: int, n_ndds: int) -> Pool:
        return generate_pool(
            KIDNEY_8,
            n_pairs=n_pairs,
            n_ndds=n_ndds,
            seed=seed,
            model=model,
            keep_compatible=keep,
            success=success_rule(success),
        )

    small, large = pool(pairs, ndds), pool(pairs + more_pairs, ndds + more_ndds)
    assert large.pairs[:pairs] == small.pairs
    assert large.ndds[:ndds] == small.ndds
    known = {p.id for p in small.pairs} | {d.id for d in small.ndds}
    assert [a for a in large.arcs if a.donor in known and a.recipient in known] == list(small.arcs)


def test_another_study_changes_the_profiles_and_nothing_else(study: StudyDesign) -> None:
    one = generate_pool(study, n_pairs=20, n_ndds=2, seed=3)
    other = generate_pool(example_design("kidney-numeric"), n_pairs=20, n_ndds=2, seed=3)
    assert one.arcs == other.arcs
    assert [replace(p, profile=None) for p in one.pairs] == [replace(p, profile=None) for p in other.pairs]
    assert one.pairs[0].profile != other.pairs[0].profile


def joint_shares(model: PoolModel) -> dict[tuple[BloodGroup, BloodGroup, float], float]:
    """Return P(patient, donor, cPRA | incompatible) by Bayes, written out from the definition of the generator."""
    chances: dict[tuple[BloodGroup, BloodGroup, float], float] = {}
    wife = model.female_patient * model.spousal_donor
    for patient, donor, level in product(BloodGroup, BloodGroup, model.cpra_classes):
        base = model.patient_blood_groups[patient] * model.donor_blood_groups[donor] * level.share
        raised = 1 - model.wife_negative_crossmatch_factor * (1 - level.positive_crossmatch)
        for cpra, chance in ((raised, wife), (level.positive_crossmatch, 1 - wife)):
            kept = cpra if blood_compatible(donor, patient) else 1.0
            chances[patient, donor, cpra] = chances.get((patient, donor, cpra), 0.0) + base * chance * kept
    total = sum(chances.values())
    return {key: chance / total for key, chance in chances.items()}


@EACH_MODEL
def test_incompatible_pairs_have_the_shares_that_follow_from_the_constants(model: PoolModel) -> None:
    counts = Counter(
        (p.patient_blood_group, p.donor_blood_group, p.cpra) for p in pairs_of(crowd_of(model.name))
    )
    shares = joint_shares(model)
    assert set(counts) <= set(shares)
    for key, share in shares.items():
        assert_share(counts[key], share)


@EACH_MODEL
def test_blood_groups_of_ndds_have_the_published_shares(model: PoolModel) -> None:
    counts = Counter(d.blood_group for pool in crowd_of(model.name) for d in pool.ndds)
    total = sum(model.ndd_blood_groups.values())
    for group, share in model.ndd_blood_groups.items():
        assert_share(counts[group], share / total)


@pytest.mark.parametrize("model", [SAIDMAN, FREEDMAN_HETEROGENEOUS], ids=lambda model: model.name)
def test_profiles_have_the_shares_of_study_or_model(model: PoolModel, study: StudyDesign) -> None:
    counts = Counter(p.profile for p in pairs_of(crowd_of(model.name)))
    for listed in study.listed_profiles:
        assert_share(counts[listed.profile], listed.patient_share or 0.0)


def test_freedmans_profiles_have_the_shares_of_the_published_probabilities() -> None:
    counts = Counter(p.profile for p in pairs_of(crowd_of(FREEDMAN.name)) if p.profile)
    young_and_rare = sum(n for p, n in counts.items() if p["age"] == "young" and p["drinking"] == "rare")
    assert_share(young_and_rare, 0.275 * 0.728)
    assert_share(
        sum(n for p, n in counts.items() if p["health"] == "cancer"), 0.275 * 9.37e-5 + 0.725 * 7.25e-4
    )


def test_the_follow_ups_model_is_saidmans_with_the_shares_of_kidney_8(study: StudyDesign) -> None:
    # Two ways to the same pool: the model's own shares, and the study's patient shares.
    one = generate_pool(study, n_pairs=150, n_ndds=3, seed=8)
    other = generate_pool(study, n_pairs=150, n_ndds=3, seed=8, model=FREEDMAN_HETEROGENEOUS)
    assert one.pairs == other.pairs
    assert one.arcs == other.arcs


def test_freedmans_shares_are_those_of_the_reference(shared: Callable[[str], Path]) -> None:
    reference = json.loads(shared("reference/freedman_simulation_params.json").read_text())
    common = reference["common"]
    expected = reference["D"]["expected_profile_share_by_profile_1_to_8"]
    found = freedman_profile_shares(reference["D"]["health_multiplier"])
    assert [p.share for p in found] == pytest.approx(expected, abs=1e-12)
    assert {str(g): share for g, share in FREEDMAN.patient_blood_groups.items()} == common[
        "blood_type_patient_and_donor"
    ]
    assert [
        {"p": c.share, "positive_crossmatch": c.positive_crossmatch} for c in FREEDMAN.cpra_classes
    ] == common["cpra_levels"]
    assert (FREEDMAN.female_patient, FREEDMAN.spousal_donor) == (
        common["female_patient"],
        common["spousal_donor"],
    )


@EACH_MODEL
@pytest.mark.parametrize("tests", [1, 2])
def test_arcs_are_blood_compatible_and_as_frequent_as_the_cpra_allows(model: PoolModel, tests: int) -> None:
    pool = generate_pool(
        KIDNEY_8, n_pairs=200, n_ndds=20, seed=4, model=replace(model, crossmatch_tests=tests)
    )
    donors = {p.id: p.donor_blood_group for p in pool.pairs} | {d.id: d.blood_group for d in pool.ndds}
    ndds = {d.id for d in pool.ndds}
    patients = {p.id: p for p in pool.pairs}
    for arc in pool.arcs:
        assert arc.donor != arc.recipient
        assert blood_compatible(donors[arc.donor], patients[arc.recipient].patient_blood_group)  # type: ignore[arg-type]
    # Arcs of equal chance together, non-directed donors apart: each number of arcs is binomial.
    possible: Counter[tuple[float, bool]] = Counter()
    for donor, pair in product(donors, pool.pairs):
        if donor != pair.id and blood_compatible(donors[donor], pair.patient_blood_group):  # type: ignore[arg-type]
            possible[pair.cpra or 0.0, donor in ndds] += 1
    found = Counter((patients[a.recipient].cpra or 0.0, a.donor in ndds) for a in pool.arcs)
    for (cpra, from_ndd), number in possible.items():
        assert_share(found[cpra, from_ndd], 1 - (cpra if from_ndd else cpra**tests), number)


def test_a_second_crossmatch_only_adds_arcs(study: StudyDesign) -> None:
    once = generate_pool(study, n_pairs=80, n_ndds=5, seed=2, model=UNOS_SPARSE)
    twice = generate_pool(study, n_pairs=80, n_ndds=5, seed=2, model=replace(UNOS_SPARSE, crossmatch_tests=2))
    assert twice.pairs == once.pairs
    assert set(once.arcs) < set(twice.arcs)
    assert "2 crossmatches between pairs" in twice.note


def test_glories_medium_class_is_less_sensitized() -> None:
    found = {round(p.cpra or 0.0, 6) for p in pairs_of(crowd_of(SAIDMAN_GLORIE.name))}
    assert found == {0.05, 0.10, 0.90, 0.2875, 0.325, 0.925}


def test_wives_are_as_sensitized_as_the_models_factor_says(study: StudyDesign) -> None:
    model = replace(SAIDMAN, female_patient=1.0, spousal_donor=1.0, wife_negative_crossmatch_factor=0.5)
    pool = generate_pool(study, n_pairs=60, n_ndds=0, seed=1, model=model)
    assert {round(p.cpra or 0.0, 6) for p in pool.pairs} == {0.525, 0.725, 0.95}


# Compatible pairs


@EACH_MODEL
def test_compatible_pairs_occur_as_often_as_the_constants_say(model: PoolModel) -> None:
    pairs = pairs_of(crowd_of(model.name, keep_compatible=True))
    assert_share(sum(p.is_compatible for p in pairs), compatible_share(model))
    groups = Counter(p.patient_blood_group for p in pairs)
    total = sum(model.patient_blood_groups.values())
    for group, share in model.patient_blood_groups.items():
        assert_share(groups[group], share / total)


def test_incompatible_pairs_are_the_same_people_with_and_without_compatible_ones(study: StudyDesign) -> None:
    without = generate_pool(study, n_pairs=60, n_ndds=2, seed=5)
    mixed = generate_pool(study, n_pairs=60, n_ndds=2, seed=5, keep_compatible=True)
    same = [(a, b) for a, b in zip(without.pairs, mixed.pairs, strict=True) if not b.is_compatible]
    assert 0 < len(same) < 60
    for one, other in same:
        assert one == other
    assert not any(p.is_compatible for p in without.pairs)


def test_a_compatible_pair_has_an_arc_to_itself_that_succeeds(study: StudyDesign) -> None:
    pool = generate_pool(
        study, n_pairs=60, n_ndds=2, seed=5, keep_compatible=True, success=success_rule("constant:0.4")
    )
    compatible = {p.id for p in pool.pairs if p.is_compatible}
    own = {a.donor: a.success_probability for a in pool.arcs if a.donor == a.recipient}
    assert set(own) == compatible
    assert set(own.values()) == {1.0}
    assert {a.success_probability for a in pool.arcs if a.donor != a.recipient} == {0.4}
    assert f"compatible pairs kept, {len(compatible)} of 60 pairs compatible" in pool.note
    assert len(pool_arrays(pool).compatible) == len(compatible)


def test_a_model_without_incompatible_pairs_cannot_be_drawn_unless_they_are_kept(study: StudyDesign) -> None:
    everyone_o = {BloodGroup.O: 1.0, BloodGroup.A: 0.0, BloodGroup.B: 0.0, BloodGroup.AB: 0.0}
    model = replace(
        SAIDMAN,
        name="easy",
        donor_blood_groups=everyone_o,
        female_patient=0.0,
        cpra_classes=(CpraClass(share=1.0, positive_crossmatch=0.0),),
    )
    assert compatible_share(model) == pytest.approx(1.0)
    with pytest.raises(BadRequest, match="hardly any pair is incompatible"):
        generate_pool(study, n_pairs=3, n_ndds=0, seed=1, model=model)
    pool = generate_pool(study, n_pairs=3, n_ndds=0, seed=1, model=model, keep_compatible=True)
    assert all(p.is_compatible for p in pool.pairs)
    assert len(pool.arcs) == 9


# Success probabilities


def test_success_falls_with_the_cpra_of_the_recipient() -> None:
    cpra = [0.0, 0.5, 0.74, 0.75, 0.79, 0.80, 0.98, 1.0]
    assert success_probability(success_rule("unos"), cpra).tolist() == [0.9] * 5 + [0.1] * 3
    assert success_probability(success_rule("apd"), cpra).tolist() == [0.72] * 3 + [0.42] * 5
    assert success_probability(success_rule("constant:0.7"), cpra).tolist() == [0.7] * 8
    assert success_probability(SURE, cpra).tolist() == [1.0] * 8
    assert success_probability(SURE, []).shape == (0,)


@pytest.mark.parametrize("name", ["unos", "apd"])
def test_arcs_carry_the_success_probability_of_their_recipient(study: StudyDesign, name: str) -> None:
    rule = success_rule(name)
    pool = generate_pool(study, n_pairs=40, n_ndds=4, seed=6, success=rule)
    cpra = {p.id: p.cpra or 0.0 for p in pool.pairs}
    for arc in pool.arcs:
        assert arc.success_probability == float(success_probability(rule, cpra[arc.recipient]))
    assert rule.description[1:] in pool.note
    plain = generate_pool(study, n_pairs=40, n_ndds=4, seed=6)
    assert [replace(a, success_probability=1.0) for a in pool.arcs] == list(plain.arcs)


@pytest.mark.parametrize(
    "text", ["", "2", "UNOS", "constant:", "constant:1.5", "constant:-0.1", "constant:nan"]
)
def test_an_unknown_success_rule_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(BadRequest, match=r"give 1, unos, apd, or constant:"):
        success_rule(text)


# What the pool says, and what is refused


def test_the_pool_says_that_it_is_simulated_and_from_what(study: StudyDesign) -> None:
    pool = generate_pool(study, n_pairs=1, n_ndds=0, seed=1)
    assert pool.is_simulated
    assert pool.note == (
        "Simulated. Saidman et al. (2006) constants as in Dickerson's KidneyExchange code and Freedman et al. "
        "(2020): blood groups O .4814, A .3373, B .1428, AB .0385; female patient .4090; spousal donor .4897; "
        "cPRA .05/.45/.90 with shares .7019/.2000/.0981, wives 1 - .75 (1 - cPRA); compatible pairs left out. "
        f"Profiles by patient shares of study 'kidney-8' version 1, design hash {design_hash(study)}."
    )
    assert pool.source == "generated: 1 pairs, 0 ndds, seed 1"
    assert pool.attributes == study.attributes


def test_the_note_of_another_model_holds_all_its_constants(study: StudyDesign) -> None:
    pool = generate_pool(study, n_pairs=1, n_ndds=0, seed=1, model=replace(FREEDMAN, spousal_donor=0.12345))
    assert "spousal donor .12345" in pool.note
    assert "YRH 0.200181" in pool.note
    sparse = generate_pool(study, n_pairs=1, n_ndds=0, seed=1, model=UNOS_SPARSE)
    assert "of patients O .6510, A .2000, B .1240, AB .0250" in sparse.note
    assert "of their donors O .3450, A .4590, B .1970, AB .0000" in sparse.note
    assert sparse.source.endswith("model unos-sparse")


def test_an_empty_pool_can_be_generated(study: StudyDesign) -> None:
    assert generate_pool(study, n_pairs=0, n_ndds=2, seed=1).arcs == ()


@pytest.mark.parametrize("wrong", [{"n_pairs": -1}, {"n_ndds": -1}, {"seed": -1}])
def test_negative_numbers_are_refused(study: StudyDesign, wrong: dict[str, int]) -> None:
    numbers = {"n_pairs": 1, "n_ndds": 1, "seed": 1, **wrong}
    with pytest.raises(BadRequest, match="negative"):
        generate_pool(study, n_pairs=numbers["n_pairs"], n_ndds=numbers["n_ndds"], seed=numbers["seed"])


def test_a_model_whose_profiles_the_study_lacks_is_refused() -> None:
    with pytest.raises(
        BadRequest, match=r"'freedman2020' draws profiles that study 'kidney-numeric' does not"
    ):
        generate_pool(example_design("kidney-numeric"), n_pairs=1, n_ndds=0, seed=1, model=FREEDMAN)


def test_a_model_whose_profile_the_study_does_not_list_is_refused(study: StudyDesign) -> None:
    shorter = replace(study, listed_profiles=study.listed_profiles[:7])
    with pytest.raises(BadRequest, match="which study 'kidney-8' does not list"):
        generate_pool(shorter, n_pairs=1, n_ndds=0, seed=1, model=FREEDMAN)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"female_patient": 1.5}, r"female_patient: 1\.5 is no fraction"),
        ({"spousal_donor": float("nan")}, "spousal_donor: nan is no fraction"),
        ({"crossmatch_tests": 0}, "crossmatch_tests: 0 is not a number of tests"),
        ({"cpra_classes": ()}, "cpra_classes: the shares sum to 0"),
        (
            {"cpra_classes": (CpraClass(share=1.0, positive_crossmatch=-0.1),)},
            r"cpra_classes\[1\]\.positive_crossmatch: -0\.1 is no fraction",
        ),
        ({"patient_blood_groups": {BloodGroup.O: 1.0}}, "patient_blood_groups: group A, B, AB is left out"),
        (
            {"ndd_blood_groups": dict.fromkeys(BloodGroup, 0.2)},
            r"ndd_blood_groups: the shares sum to 0\.8; they should sum to 1",
        ),
        (
            {"profile_shares": (ProfileShare(share=0.5, values=(("age", "old"),)),)},
            r"profiles: the shares sum to 0\.5",
        ),
    ],
)
def test_impossible_constants_are_refused_with_their_place(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadModel, match=complaint):
        replace(SAIDMAN, **change)


# Against pools drawn by somebody else's code from the same constants


@pytest.mark.parametrize(
    ("file", "model"),
    [("saidman_2048_102", SAIDMAN), ("sparse_1024_51", UNOS_SPARSE), ("sparse_512_26", UNOS_SPARSE)],
)
def test_pools_look_like_those_of_an_independent_program(
    shared: Callable[[str], Path], file: str, model: PoolModel
) -> None:
    with np.load(shared(f"data/kidney/generated/{file}.npz")) as other:
        n = int(other["n"])
        theirs = np.unpackbits(other["abits"])[: n * n].reshape(n, n).astype(bool)
        cpra = Counter(round(float(p), 4) for p in other["pra"])
        patients, donors = (np.bincount(other[k], minlength=4) for k in ("patient_bt", "donor_bt"))
    crowd = pairs_of(crowd_of(model.name))
    groups = (BloodGroup.O, BloodGroup.A, BloodGroup.B, BloodGroup.AB)
    ours = Counter(round(p.cpra or 0.0, 4) for p in crowd)
    assert set(ours) == set(cpra)
    for level, count in cpra.items():
        assert_alike(count / n, n, ours[level] / N)
    for i, group in enumerate(groups):
        assert_alike(patients[i] / n, n, sum(p.patient_blood_group is group for p in crowd) / N)
        assert_alike(donors[i] / n, n, sum(p.donor_blood_group is group for p in crowd) / N)
    densities = [pool_arrays(pool).pair_arcs.mean() for pool in crowd_of(model.name)]
    # A density varies with the people of its pool, as their shares do: by the spread of our pools, scaled to n.
    spread = float(np.std(densities, ddof=1)) * ((SIZE / n) + 1 / len(densities)) ** 0.5
    # The missing arcs to oneself weigh more in a small pool than in a large one.
    ours_density = float(np.mean(densities)) * (SIZE / (SIZE - 1)) * ((n - 1) / n)
    assert theirs.mean() == pytest.approx(ours_density, abs=4 * spread)


def assert_alike(share: float, total: int, ours: float) -> None:
    """Check that two shares, of ``total`` people and of ours, differ by less than 4.5 standard errors."""
    common = (share * total + ours * N) / (total + N)
    assert share == pytest.approx(ours, abs=4.5 * (common * (1 - common) * (1 / total + 1 / N)) ** 0.5)
