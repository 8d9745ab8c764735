from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.answers import Presentation, Role
from survey.design import DesignedRoles, ListedCheck, Profile
from survey.design_file import example_design
from survey.errors import BadDesign
from survey.pairing.comparisons import can_draw, profile_count
from survey.pairing.roles import Place, draw_places, draw_repeat, draw_role

EIGHT = example_design("kidney-8")
NUMERIC = example_design("kidney-numeric")
CHECK = ListedCheck(left=EIGHT.profiles()[0], right=EIGHT.profiles()[7], expected="left")


def roles_at(places: tuple[Place, ...], *roles: Role) -> list[int]:
    return [place.position for place in places if place.role in roles]


@given(
    checks=st.integers(0, 8),
    repeats=st.integers(0, 12),
    gap=st.integers(0, 12),
    more=st.integers(1, 10),
    seed=st.integers(0, 2**32 - 1),
)
def test_repeats_fit_wherever_there_are_more_main_comparisons_than_the_gap_and_no_fewer_than_repeats(
    checks, repeats, gap, more, seed
):
    main = max(repeats, gap + 1) + more - 1
    roles = DesignedRoles(instructed=checks, repeats=repeats, repeat_gap=gap)
    places = draw_places(roles, main, np.random.default_rng(seed))

    assert [place.position for place in places] == list(range(1, main + checks + repeats + 1))
    assert places[0].role is Role.MAIN
    mains = roles_at(places, Role.MAIN)
    assert len(mains) == main
    assert len(roles_at(places, Role.CHECK)) == checks
    positions = roles_at(places, Role.REPEAT)
    assert len(positions) == repeats
    for number, position in enumerate(positions, start=1):
        assert sum(m < position - gap for m in mains) >= number


@pytest.mark.parametrize(("repeats", "gap", "main"), [(3, 5, 2), (1, 5, 4), (6, 0, 5)])
def test_repeats_that_cannot_be_far_enough_from_their_originals_are_refused(
    repeats: int, gap: int, main: int
):
    roles = DesignedRoles(repeats=repeats, repeat_gap=gap)
    with pytest.raises(
        BadDesign, match=rf"roles.repeats = {repeats} .* {main} main comparisons; ask for fewer"
    ):
        draw_places(roles, main, np.random.default_rng(1))


def test_without_roles_nothing_is_drawn():
    rng = np.random.default_rng(1)
    before = rng.bit_generator.state
    places = draw_places(DesignedRoles(), 9, rng)
    assert {place.role for place in places} == {Role.MAIN}
    assert rng.bit_generator.state == before


def test_checks_stand_one_in_each_equal_stretch_and_anywhere_in_it():
    # Study 2 of Indecision Modeling: 40 comparisons and 4 checks, one in each quarter.
    roles = DesignedRoles(instructed=2, dominated=1, checks=(CHECK,))
    seen: list[Counter[int]] = [Counter() for _ in range(4)]
    first: Counter[Role] = Counter()
    for seed in range(1_000):
        places = draw_places(roles, 40, np.random.default_rng(seed))
        positions = roles_at(places, Role.CHECK, Role.DOMINATED)
        for quarter, position in zip(seen, positions, strict=True):
            quarter[position] += 1
        first[places[positions[0] - 1].role] += 1
    assert [sorted(quarter) for quarter in seen] == [
        list(range(2, 12)),
        list(range(12, 23)),
        list(range(23, 34)),
        list(range(34, 45)),
    ]
    # Five standard deviations of 1000 draws of one in 11 and of one in four.
    assert all(abs(n - 1_000 / len(quarter)) < 48 for quarter in seen for n in quarter.values())
    assert abs(first[Role.DOMINATED] - 250) < 69


def test_repeats_are_spread_over_what_follows_the_gap():
    roles = DesignedRoles(repeats=2, repeat_gap=5)
    positions = [roles_at(draw_places(roles, 40, np.random.default_rng(s)), Role.REPEAT) for s in range(500)]
    assert {first for first, _ in positions} == set(range(7, 25))
    assert {second for _, second in positions} == set(range(25, 43))


def shown(position: int, *, repeat_of: int | None = None, role: Role = Role.MAIN) -> Presentation:
    left, right = EIGHT.profiles()[:2]
    return Presentation(
        left=left,
        right=right,
        attribute_order=("age",),
        indecision_offered=True,
        position=position,
        role=role,
        repeat_of=repeat_of,
    )


def test_a_repeat_is_any_main_comparison_far_enough_back_and_not_repeated_yet():
    earlier = [
        shown(1),
        shown(2),
        shown(3, role=Role.CHECK),
        shown(4),
        shown(5, role=Role.REPEAT, repeat_of=2),
    ]
    earlier += [shown(position) for position in range(6, 9)]
    roles = DesignedRoles(repeats=2, repeat_gap=3)
    drawn = [draw_repeat(roles, 10, earlier, np.random.default_rng(seed)) for seed in range(100)]
    assert {p.position for p, _ in drawn} == {1, 4, 6}
    assert {probability for _, probability in drawn} == {1 / 3}
    with pytest.raises(ValueError, match="3 comparisons before position 4"):
        draw_repeat(roles, 4, [shown(2), shown(3)], np.random.default_rng(1))


def test_roles_fall_back_on_what_is_shown_elsewhere_when_nothing_else_is_left():
    every = set(EIGHT.comparisons() or ())
    profiles = set(EIGHT.profiles() or ())
    for role, outcomes in ((Role.DOMINATED, 19), (Role.CHECK, 28), (Role.IDENTICAL, 8)):
        drawn = draw_role(
            EIGHT, Place(position=2, role=role), np.random.default_rng(1), avoid=every, identical=profiles
        )
        assert drawn.probability == 1 / outcomes


def test_no_profile_is_beside_itself_twice_before_all_have_been():
    place = Place(position=2, role=Role.IDENTICAL)
    rng = np.random.default_rng(1)
    used: set[Profile] = set()
    for left in range(8, 0, -1):
        drawn = draw_role(EIGHT, place, rng, avoid=(), identical=used)
        assert drawn.left not in used
        assert drawn.probability == 1 / left
        used.add(drawn.left)


def test_an_instructed_check_of_a_listed_study_is_one_of_its_listed_comparisons():
    listed = example_design("kidney-study1")
    every = listed.comparisons() or ()
    place = Place(position=2, role=Role.CHECK)
    for seed in range(30):
        drawn = draw_role(listed, place, np.random.default_rng(seed), avoid=every[:-2], identical=())
        assert {drawn.left, drawn.right} in [{c.first, c.second} for c in every[-2:]]
        assert drawn.probability == 1 / 2


def test_roles_of_a_study_too_large_to_list_are_drawn_with_exact_probabilities():
    rng = np.random.default_rng(1)
    instructed = draw_role(NUMERIC, Place(position=2, role=Role.CHECK), rng, avoid=(), identical=())
    assert instructed.probability == pytest.approx(1 / (690 * 689 / 2))
    identical = draw_role(NUMERIC, Place(position=2, role=Role.IDENTICAL), rng, avoid=(), identical=())
    assert identical.probability == pytest.approx(1 / 690)
    assert profile_count(NUMERIC) == 690


@pytest.mark.parametrize("role", [Role.MAIN, Role.REPEAT, Role.PRACTICE])
def test_only_roles_of_their_own_are_drawn_here(role: Role):
    with pytest.raises(ValueError, match="drawn elsewhere"):
        draw_role(EIGHT, Place(position=2, role=role), np.random.default_rng(1), avoid=(), identical=())


def test_a_profile_off_the_grid_is_never_drawn():
    age, drinks, dependents = NUMERIC.attributes
    coarse = replace(NUMERIC, attributes=(replace(age, step=5.0), drinks, dependents))
    on = coarse.profile({"age": 30, "drinks": 1, "dependents": 0})
    off = coarse.profile({"age": 31, "drinks": 1, "dependents": 0})
    assert can_draw(coarse, on)
    assert not can_draw(coarse, off)
    pointed = replace(coarse, attributes=(replace(age, points=(25.0, 31.0)), drinks, dependents))
    assert can_draw(pointed, off)
    assert not can_draw(pointed, on)
    outsider = replace(EIGHT, listed_profiles=EIGHT.listed_profiles[1:])
    assert not can_draw(outsider, EIGHT.listed_profiles[0].profile)
    assert can_draw(outsider, EIGHT.listed_profiles[1].profile)
