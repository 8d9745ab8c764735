from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.allocation.problems.viability import (
    Limits,
    Reason,
    failing,
    is_abo_compatible,
    is_viable,
    is_within,
)
from llm_compare.errors import BadProblems

ABO, HEIGHT, WEIGHT = Reason.ABO, Reason.HEIGHT, Reason.WEIGHT
TYPES = ("O", "A", "A1", "A2", "B", "AB", "A1B", "A2B")

# Appendix B.1 of arXiv 2504.03716v2: kidney, candidate (type, cm, kg), and why it fails.
PAPERS_PAIRS = [
    pytest.param(("B", 183.0, 112.0), ("A", 180.34, 92.081), {ABO, WEIGHT}, id="few-shot example 1"),
    # The paper says "abo, height, and weight": it takes A1 for a type of its own.
    pytest.param(("A", 183.0, 65.8), ("A1", 149.86, 44.906), {HEIGHT, WEIGHT}, id="few-shot example 2"),
    pytest.param(("A", 165.0, 49.9), ("O", 177.8, 68.493), {ABO, HEIGHT, WEIGHT}, id="few-shot example 3"),
    pytest.param(("O", 174.0, 80.5), ("A", 172.72, 91.854), set(), id="few-shot example 4"),
]

# Appendix B.2: kidney A, 183.0 cm, 65.8 kg, and candidates of whom the prompt says that all are viable.
PAPERS_POOL = [
    ("A", 173.0, 56.7),
    ("A", 172.72, 62.325),
    ("A", 182.88, 78.925),
    ("AB", 175.26, 75.2),
    ("A", 171.9, 69.9),
    ("A", 175.26, 68.039),
    ("A", 172.72, 70.3068),
    ("A", 172.72, 74.3891),
    ("A", 175.26, 73.482),
    ("A", 177.0, 80.0),
    ("A", 187.96, 68.039),
    ("A", 177.8, 58.787),
    ("AB", 175.31, 79.834),
    ("A", 172.69, 65.5),
    ("AB", 175.26, 70.852),
]


@pytest.fixture
def reasons(kidney, candidate):
    """Return a function that says why a kidney fails a candidate, both given by type, height and weight."""

    def reasons(donor, own, limits=None):
        given_limits = () if limits is None else (limits,)
        return failing(
            kidney(ABO_DON=donor[0], HGT_CM_DON_CALC=donor[1], WGT_KG_DON_CALC=donor[2]),
            candidate(ABO=own[0], HGT_CM_TCR=own[1], WGT_KG_TCR=own[2]),
            *given_limits,
        )

    return reasons


def test_blood_groups_go_together_as_the_papers_prompt_says():
    # "If the donor is type O, they can donate to any blood type" and so on, appendix B.1.2.
    told = {"O": {"O", "A", "B", "AB"}, "A": {"A", "AB"}, "B": {"B", "AB"}, "AB": {"AB"}}

    for donor, may in told.items():
        assert {own for own in told if is_abo_compatible(donor, own)} == may


@given(st.sampled_from(TYPES), st.sampled_from(TYPES))
def test_a_blood_group_suits_where_the_donor_brings_no_antigen_that_is_foreign(donor, own):
    # The biology behind the rule: A and B are antigens, O is neither; subtypes have the letters of their group.
    assert is_abo_compatible(donor, own) == ({*donor} & {*"AB"} <= {*own} & {*"AB"})


@pytest.mark.parametrize(("donor", "own", "expected"), PAPERS_PAIRS)
def test_the_papers_examples_fail_for_the_reasons_it_gives(reasons, donor, own, expected):
    assert reasons(donor, own) == expected


@pytest.mark.parametrize("own", PAPERS_POOL)
def test_the_papers_pool_is_viable(reasons, own):
    assert reasons(("A", 183.0, 65.8), own) == frozenset()


def test_differences_at_the_limit_pass_and_a_hair_more_fails(reasons):
    donor = ("O", 175.3, 80.1)

    assert reasons(donor, ("O", 162.8, 65.1)) == frozenset()
    assert reasons(donor, ("O", 187.8, 95.1)) == frozenset()
    assert reasons(donor, ("O", 162.79, 80.1)) == {HEIGHT}
    assert reasons(donor, ("O", 175.3, 95.11)) == {WEIGHT}


def test_other_limits_are_kept_to(reasons):
    assert reasons(("O", 175.0, 80.0), ("O", 170.0, 80.0), Limits(height_cm=4.0)) == {HEIGHT}
    assert reasons(("O", 175.0, 80.0), ("O", 175.0, 90.0), Limits(weight_kg=9.0)) == {WEIGHT}


@given(st.integers(300, 2500), st.integers(300, 2500))
def test_tenths_of_centimeters_are_compared_as_on_paper(donor, own):
    assert is_within(donor / 10, own / 10, 12.5) == (abs(donor - own) <= 125)


@pytest.mark.parametrize(
    ("column", "value"), [("ABO", None), ("ABO", "C"), ("HGT_CM_TCR", None), ("WGT_KG_TCR", "heavy")]
)
def test_what_cannot_be_judged_is_refused_by_name(kidney, candidate, column, value):
    known = {"ABO": "O", "HGT_CM_TCR": 170.0, "WGT_KG_TCR": 70.0, column: value}
    donor = kidney(ABO_DON="O", HGT_CM_DON_CALC=170.0, WGT_KG_DON_CALC=70.0)

    with pytest.raises(BadProblems, match="'C'" if value == "C" else column):
        is_viable(donor, candidate(**known))
