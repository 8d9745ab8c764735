from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.answers import Choice, Presentation, Role
from survey.design import (
    Arm,
    AttributeOrder,
    Comparison,
    ComparisonKind,
    DesignedRoles,
    Highlight,
    ListedCheck,
    Sides,
    StudyDesign,
)
from survey.design_file import example_design
from survey.errors import BadDesign, BadProfile
from survey.pairing import draw_next, draw_presentations, presentation_count, redraw_presentations
from survey.pairing.comparisons import NOTHING_ASKED, Asked
from survey.pairing.dominance import better_of

EIGHT = example_design("kidney-8")
NUMERIC = example_design("kidney-numeric")
STUDY_1 = example_design("kidney-study1")
BEST, WORST = (
    EIGHT.profile({"age": "young", "drinking": "rare", "health": "healthy"}),
    EIGHT.profile({"age": "old", "drinking": "frequent", "health": "cancer"}),
)
CHECK = ListedCheck(left=BEST, right=WORST, expected="left")
ROLES = DesignedRoles(dominated=2, identical=1, instructed=1, repeats=3, repeat_gap=4, checks=(CHECK,))
FULL = replace(
    EIGHT,
    comparison_kind=ComparisonKind.BALANCED,
    comparisons_per_respondent=12,
    sides=Sides.BALANCED,
    roles=ROLES,
    practice=(WORST, BEST),
)
ADAPTIVE = replace(FULL, comparison_kind=ComparisonKind.ADAPTIVE)
KINDS = (ComparisonKind.ALL_PAIRS, ComparisonKind.RANDOM, ComparisonKind.BALANCED, ComparisonKind.ADAPTIVE)


def taken(
    design: StudyDesign, seed: int, *, asked: Asked = NOTHING_ASKED, arm: Arm | None = None
) -> tuple[Presentation, ...]:
    """Return what one respondent is shown in order, whatever the design draws when it is reached."""
    arm = arm or design.arms[0]
    shown = {p.position: p for p in draw_presentations(design, arm, np.random.default_rng(seed), asked=asked)}
    for position in range(1, presentation_count(design) + 1):
        if position not in shown:
            shown[position] = draw_next(
                design,
                arm,
                position,
                seen=[(p, None) for p in shown.values()],
                asked=asked,
                answers_so_far=0,
                rng=np.random.default_rng([seed, position]),
                slots_rng=np.random.default_rng(seed),
            )
    return tuple(shown[position] for position in sorted(shown))


def of_role(shown: tuple[Presentation, ...], role: Role) -> list[Presentation]:
    return [p for p in shown if p.role is role]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30)
@pytest.mark.parametrize("design", [EIGHT, NUMERIC], ids=["all pairs", "random"])
def test_a_respondent_sees_each_comparison_once_and_sides_are_balanced(design, seed):
    shown = draw_presentations(design, design.arms[0], np.random.default_rng(seed))

    assert len(shown) == design.comparisons_per_respondent
    assert len({p.comparison for p in shown}) == len(shown)
    assert [p.position for p in shown] == list(range(1, len(shown) + 1))
    assert len({p.attribute_order for p in shown}) == 1
    listed = {frozenset((p.left, p.right)) for p in shown}
    assert all(len(pair) == 2 for pair in listed)
    if design is EIGHT:
        swapped = sum(p.left != p.comparison.first for p in shown)
        assert swapped == len(shown) // 2


def test_all_pairs_shows_a_respondent_every_comparison():
    shown = draw_presentations(EIGHT, EIGHT.arms[0], np.random.default_rng(1))
    assert {p.comparison for p in shown} == set(EIGHT.comparisons())


def test_over_many_respondents_no_side_and_no_attribute_order_is_favored():
    rng = np.random.default_rng(5)
    shown = [p for _ in range(300) for p in draw_presentations(EIGHT, EIGHT.arms[0], rng)]
    of_one = [p for p in shown if p.comparison == shown[0].comparison]
    left = sum(p.left == p.comparison.first for p in of_one)
    first_attribute = [p.attribute_order[0] for p in shown[::28]]

    assert len(of_one) == 300
    assert 110 <= left <= 190  # Binomial(300, 1/2): five standard deviations are 43.
    assert all(60 <= first_attribute.count(a.name) <= 140 for a in EIGHT.attributes)


def test_fixed_sides_and_order_are_kept_as_listed():
    shown = draw_presentations(STUDY_1, STUDY_1.arms[0], np.random.default_rng(2))

    assert {(p.left, p.right) for p in shown} == set(STUDY_1.listed_comparisons)
    assert {p.attribute_order for p in shown} == {("age", "dependents", "drinking")}


def test_the_same_seed_draws_the_same_sequence():
    one, other = (draw_presentations(NUMERIC, NUMERIC.arms[0], np.random.default_rng(9)) for _ in range(2))
    assert one == other


def test_the_arm_decides_whether_indecision_is_offered():
    for arm in NUMERIC.arms:
        shown = draw_presentations(NUMERIC, arm, np.random.default_rng(3))
        assert {p.indecision_offered for p in shown} == {arm.indecision_offered}


def test_a_comparison_is_the_same_whichever_profile_is_named_first():
    a, b = EIGHT.profiles()[:2]
    assert Comparison.of(a, b) == Comparison.of(b, a)


def test_a_profile_cannot_be_compared_with_itself():
    with pytest.raises(BadProfile, match="YRH"):
        Comparison.of(EIGHT.profiles()[0], EIGHT.profiles()[0])


def test_mirroring_a_choice_twice_gives_it_back_and_indecision_has_no_side():
    assert [c.mirrored.mirrored for c in Choice] == list(Choice)
    assert Choice.INDECISION.mirrored is Choice.INDECISION
    assert Choice.LEFT.mirrored is Choice.RIGHT


def digest(design: StudyDesign) -> str:
    rng = np.random.default_rng(7)
    drawn: list[object] = [
        [p.left.id, p.right.id, p.attribute_order, p.indecision_offered, p.position, p.role, p.draw_rule]
        for arm in design.arms
        for p in draw_presentations(design, arm, rng)
    ]
    # How far the generator has come is part of it: what is drawn next must not change either.
    drawn.append(rng.bit_generator.state["state"]["state"])
    return hashlib.sha256(json.dumps(drawn).encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("design", "expected"),
    [
        (EIGHT, "bf46862e0902f07f"),
        (NUMERIC, "c857ade6a77b3005"),
        (STUDY_1, "7baf9ac48aa99a67"),
        (
            replace(EIGHT, comparisons_per_respondent=13, attribute_order=AttributeOrder.PER_COMPARISON),
            "d700d5e3d8f9a2c2",
        ),
        (
            replace(NUMERIC, attribute_order=AttributeOrder.PER_COMPARISON, sides=Sides.FIXED),
            "ecbda2647d835e0d",
        ),
        (replace(STUDY_1, sides=Sides.RANDOM, comparisons_per_respondent=3), "ce3fab6385f7abd4"),
    ],
    ids=["all pairs", "random", "list", "order per comparison", "fixed sides", "cut list"],
)
def test_a_seed_draws_what_it_drew_when_published_figures_were_made(design: StudyDesign, expected: str):
    assert digest(design) == expected


roles_of_designs = st.builds(
    DesignedRoles,
    dominated=st.integers(0, 4),
    identical=st.integers(0, 3),
    instructed=st.integers(0, 3),
    repeats=st.integers(0, 5),
    repeat_gap=st.integers(0, 8),
    checks=st.lists(st.just(CHECK), max_size=2).map(tuple),
)


@given(
    kind=st.sampled_from(KINDS),
    sides=st.sampled_from(Sides),
    order=st.sampled_from([AttributeOrder.PER_RESPONDENT, AttributeOrder.FIXED]),
    roles=roles_of_designs,
    main=st.integers(9, 28),
    practice=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=120)
def test_every_position_is_filled_once_and_every_role_is_shown_as_often_as_designed(
    kind, sides, order, roles, main, practice, seed
):
    design = replace(
        FULL,
        comparison_kind=kind,
        sides=sides,
        attribute_order=order,
        roles=roles,
        comparisons_per_respondent=main,
        practice=FULL.practice if practice else None,
    )
    shown = taken(design, seed)

    assert [p.position for p in shown] == list(range(0 if practice else 1, presentation_count(design) + 1))
    assert [p.role is Role.PRACTICE for p in shown if p.position == 0] == [True] * practice
    assert {role: len(of_role(shown, role)) for role in Role} == {
        Role.MAIN: main,
        Role.CHECK: roles.instructed + len(roles.checks),
        Role.REPEAT: roles.repeats,
        Role.DOMINATED: roles.dominated,
        Role.IDENTICAL: roles.identical,
        Role.PRACTICE: practice,
    }
    assert next(p for p in shown if p.position == 1).role is Role.MAIN
    assert len({p.comparison for p in of_role(shown, Role.MAIN)}) == main
    assert len({(p.attribute_order, p.highlighted, p.indecision_offered) for p in shown}) == 1
    assert all(p.draw_rule and len(p.draw_rule) <= 500 for p in shown)
    assert all(0 < p.draw_probability <= 1 for p in shown if p.draw_probability is not None)
    assert all(
        (p.draw_probability is None) == (p.role is Role.PRACTICE or (p.role is Role.CHECK and not p.note))
        for p in shown
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sides", [Sides.RANDOM, Sides.BALANCED])
def test_each_role_is_what_it_is_called(kind: ComparisonKind, sides: Sides):
    design = replace(FULL, comparison_kind=kind, sides=sides)
    for seed in range(20):
        shown = taken(design, seed)
        by_position = {p.position: p for p in shown}
        for p in of_role(shown, Role.DOMINATED):
            better = p.left if p.expected is Choice.LEFT else p.right
            assert better_of(design, p.left, p.right) == better
        for p in of_role(shown, Role.IDENTICAL):
            assert p.left == p.right
            assert p.expected is None
        instructed = [p for p in of_role(shown, Role.CHECK) if p.note == "instructed"]
        listed = [p for p in of_role(shown, Role.CHECK) if not p.note]
        assert all(p.expected in (Choice.LEFT, Choice.RIGHT) and p.left != p.right for p in instructed)
        assert all((p.left if p.expected is Choice.LEFT else p.right) == BEST for p in listed)
        assert len(instructed) == len(listed) == 1
        for p in of_role(shown, Role.REPEAT):
            assert p.repeat_of is not None
            repeated = by_position[p.repeat_of]
            assert repeated.role is Role.MAIN
            assert (p.left, p.right) == (repeated.right, repeated.left)
            assert p.position - repeated.position - 1 >= design.roles.repeat_gap
        assert len({p.repeat_of for p in of_role(shown, Role.REPEAT)}) == design.roles.repeats
        assert {p.expected for p in of_role(shown, Role.MAIN)} == {None}
        assert (shown[0].left, shown[0].right) == design.practice


@pytest.mark.parametrize("kind", KINDS)
def test_no_role_shows_a_comparison_of_another_role_while_others_are_left(kind: ComparisonKind):
    design = replace(FULL, comparison_kind=kind)
    for seed in range(20):
        pairs = [
            frozenset((p.left, p.right))
            for p in taken(design, seed)
            if p.role not in (Role.REPEAT, Role.PRACTICE) and (p.role is not Role.CHECK or p.note)
        ]
        assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_over_many_respondents_expected_answers_stand_on_either_side_alike(kind: ComparisonKind):
    design = replace(FULL, comparison_kind=kind)
    shown = [p for seed in range(200) for p in taken(design, seed) if p.expected is not None]
    for kept in (
        [p for p in shown if p.role is Role.DOMINATED],
        [p for p in shown if p.note],
        [p for p in shown if p.role is Role.CHECK and not p.note],
    ):
        left = sum(p.expected is Choice.LEFT for p in kept)
        assert (
            abs(left - len(kept) / 2) < 5 * (len(kept) / 4) ** 0.5
        )  # Five standard deviations of a fair coin.


def test_a_repeat_keeps_the_attribute_order_of_its_original_where_each_comparison_has_its_own():
    design = replace(FULL, attribute_order=AttributeOrder.PER_COMPARISON)
    for seed in range(10):
        shown = taken(design, seed)
        assert len({p.attribute_order for p in shown}) > 1
        by_position = {p.position: p for p in shown}
        for p in of_role(shown, Role.REPEAT):
            assert p.attribute_order == by_position[p.repeat_of].attribute_order


def test_fixed_sides_leave_a_listed_check_as_it_is_listed():
    design = replace(FULL, sides=Sides.FIXED)
    for seed in range(10):
        (listed,) = [p for p in of_role(taken(design, seed), Role.CHECK) if not p.note]
        assert (listed.left, listed.right, listed.expected) == (BEST, WORST, Choice.LEFT)


@pytest.mark.parametrize("kind", [*KINDS, ComparisonKind.LIST])
def test_roles_change_nothing_of_how_main_comparisons_are_drawn(kind: ComparisonKind):
    listed = tuple((c.first, c.second) for c in EIGHT.comparisons() or ())
    design = replace(
        FULL, comparison_kind=kind, listed_comparisons=listed if kind is ComparisonKind.LIST else ()
    )
    for seed in range(5):
        mains = of_role(taken(design, seed), Role.MAIN)
        assert len({p.comparison for p in mains}) == 12
        if kind is not ComparisonKind.ADAPTIVE:
            alone = draw_presentations(
                replace(design, roles=DesignedRoles()), design.arms[0], np.random.default_rng(seed)
            )
            alone_mains = of_role(alone, Role.MAIN)
            assert [(p.left, p.right) for p in mains] == [(p.left, p.right) for p in alone_mains]


def test_a_shuffled_draw_records_one_in_as_many_as_are_left():
    shown = taken(EIGHT, 4)
    assert [p.draw_probability for p in shown] == [pytest.approx(1 / (28 - k)) for k in range(28)]


def test_a_random_draw_records_one_in_as_many_pairs_as_are_left():
    every = 690 * 689 / 2  # 46 ages, 5 amounts, 3 numbers of dependents.
    shown = taken(NUMERIC, 4)
    assert [p.draw_probability for p in shown] == [pytest.approx(1 / (every - k)) for k in range(40)]


def test_a_comparison_that_is_listed_twice_is_drawn_first_with_twice_the_probability():
    shown = taken(STUDY_1, 0)
    counts = {p.comparison: 0 for p in shown}
    for a, b in STUDY_1.listed_comparisons:
        counts[Comparison.of(a, b)] += 1
    assert sorted(counts.values()) == [1] * 13 + [2]  # The study's 15 tasks are 14 comparisons.
    for left, p in zip(range(15, 0, -1), shown, strict=True):
        assert p.draw_probability == pytest.approx(counts[p.comparison] / left)
        counts[p.comparison] -= 1


@pytest.mark.parametrize(
    ("roles", "outcomes"),
    [
        (DesignedRoles(dominated=1), 19),  # 3³ - 2³: each attribute as good or better, not all as good.
        (DesignedRoles(identical=1), 8),
        (DesignedRoles(instructed=1), 28),
        (DesignedRoles(instructed=1, checks=(CHECK,)), 27),
    ],
    ids=["dominated", "identical", "instructed", "instructed beside a listed check"],
)
def test_a_role_is_drawn_with_the_recorded_probability(roles: DesignedRoles, outcomes: int):
    design = replace(ADAPTIVE, practice=None, roles=roles)
    drawn = [
        p
        for seed in range(1_000)
        for p in draw_presentations(design, design.arms[0], np.random.default_rng(seed))
        if p.draw_probability is not None
    ]
    counts = Counter(frozenset((p.left, p.right)) for p in drawn)

    assert {p.draw_probability for p in drawn} == {1 / outcomes}
    assert len(counts) == outcomes
    for count in counts.values():
        assert abs(count - 1_000 / outcomes) < 5 * (1_000 / outcomes) ** 0.5


@pytest.mark.parametrize(
    ("of_study", "of_arm", "seen"),
    [
        (Highlight.OFF, None, {False}),
        (Highlight.ON, None, {True}),
        (Highlight.ON, Highlight.OFF, {False}),
        (Highlight.OFF, Highlight.ON, {True}),
        (Highlight.RANDOM, None, {False, True}),
        (Highlight.OFF, Highlight.RANDOM, {False, True}),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_highlighting_is_that_of_the_arm_or_the_study_and_one_for_each_respondent(
    kind: ComparisonKind, of_study: Highlight, of_arm: Highlight | None, seen: set[bool]
):
    design = replace(FULL, comparison_kind=kind, highlight=of_study)
    arm = replace(design.arms[0], highlight=of_arm)
    each = [{p.highlighted for p in taken(design, seed, arm=arm)} for seed in range(20)]
    assert all(len(one) == 1 for one in each)
    assert set().union(*each) == seen


def test_balanced_sides_put_every_profile_left_as_often_as_right_or_once_more_or_less():
    for seed in range(50):
        mains = of_role(taken(FULL, seed), Role.MAIN)
        for profile in FULL.profiles() or ():
            left = sum(p.left == profile for p in mains)
            right = sum(p.right == profile for p in mains)
            assert abs(left - right) <= 1


def test_a_later_wave_asks_the_same_main_comparisons_in_a_new_order_with_new_roles():
    for design in (FULL, ADAPTIVE):
        arm = design.arms[0]
        differently_ordered = differently_sided = 0
        for seed in range(10):
            earlier = taken(design, seed)
            again = redraw_presentations(design, arm, earlier, np.random.default_rng([seed, 2]))
            before, after = of_role(earlier, Role.MAIN), of_role(again, Role.MAIN)
            assert {p.comparison for p in after} == {p.comparison for p in before}
            assert [p.position for p in again] == list(range(presentation_count(design) + 1))
            assert {role: len(of_role(again, role)) for role in Role} == {
                role: len(of_role(earlier, role)) for role in Role
            }
            assert {p.attribute_order for p in again} == {earlier[0].attribute_order}
            assert [p.draw_probability for p in after] == [pytest.approx(1 / (12 - k)) for k in range(12)]
            differently_ordered += [p.comparison for p in after] != [p.comparison for p in before]
            differently_sided += {(p.left, p.right) for p in after} != {(p.left, p.right) for p in before}
        assert differently_ordered == 10
        assert differently_sided == 10


def test_a_later_wave_keeps_fixed_sides_and_the_respondents_highlighting():
    design = replace(STUDY_1, highlight=Highlight.RANDOM)
    for seed in range(10):
        earlier = taken(design, seed)
        again = redraw_presentations(design, design.arms[0], earlier, np.random.default_rng([seed, 2]))
        assert sorted((p.left.id, p.right.id) for p in again) == sorted(
            (p.left.id, p.right.id) for p in earlier
        )
        assert {p.highlighted for p in again} == {earlier[0].highlighted}


def test_a_wave_that_was_not_drawn_to_its_end_cannot_be_asked_again():
    whole = taken(ADAPTIVE, 1)
    stopped = [p for p in whole if p.position < of_role(whole, Role.MAIN)[-1].position]
    with pytest.raises(ValueError, match="11 main comparisons and the design has 12"):
        redraw_presentations(ADAPTIVE, ADAPTIVE.arms[0], stopped, np.random.default_rng(1))


def test_an_adaptive_design_draws_main_comparisons_and_repeats_only_when_they_are_reached():
    admitted = draw_presentations(ADAPTIVE, ADAPTIVE.arms[0], np.random.default_rng(3))
    assert {p.role for p in admitted} == {Role.PRACTICE, Role.CHECK, Role.DOMINATED, Role.IDENTICAL}
    assert len(admitted) == 1 + 5


def test_what_is_drawn_next_looks_like_what_the_respondent_has_seen():
    seen = [
        replace(p, attribute_order=("health", "age", "drinking"), highlighted=True)
        for p in draw_presentations(ADAPTIVE, ADAPTIVE.arms[0], np.random.default_rng(3))
    ]
    drawn = draw_next(
        ADAPTIVE,
        ADAPTIVE.arms[0],
        1,
        seen=[(p, None) for p in seen],
        asked={},
        answers_so_far=0,
        rng=np.random.default_rng(1),
        slots_rng=np.random.default_rng(3),
    )
    assert (drawn.attribute_order, drawn.highlighted) == (("health", "age", "drinking"), True)


def next_of(position: int, *, seed: int = 3, slots_seed: int = 3, forget: int | None = None) -> Presentation:
    seen = [(p, None) for p in taken(ADAPTIVE, seed) if p.position < position and p.position != forget]
    return draw_next(
        ADAPTIVE,
        ADAPTIVE.arms[0],
        position,
        seen=seen,
        asked={},
        answers_so_far=0,
        rng=np.random.default_rng(1),
        slots_rng=np.random.default_rng(slots_seed),
    )


def test_drawing_the_wrong_next_comparison_is_refused_with_the_reason():
    roles = {p.position: p.role for p in taken(ADAPTIVE, 3)}
    check = next(position for position, role in roles.items() if role is Role.CHECK)
    with pytest.raises(ValueError, match="drawn with the admission"):
        next_of(check)
    with pytest.raises(ValueError, match="none of the 20"):
        next_of(21)
    last_main = max(position for position, role in roles.items() if role is Role.MAIN)
    with pytest.raises(ValueError, match=r"positions \[1\] come before"):
        next_of(last_main, forget=1)
    other_seed = next(
        seed
        for seed in range(4, 100)
        if (other := {p.position: p.role for p in taken(ADAPTIVE, seed)})[last_main] is Role.MAIN
        and any(other[position] is not roles[position] for position in range(1, last_main))
    )
    with pytest.raises(ValueError, match="must be seeded as for draw_presentations"):
        next_of(last_main, slots_seed=other_seed)
    with pytest.raises(ValueError, match="is not adaptive"):
        draw_next(
            FULL,
            FULL.arms[0],
            1,
            seen=[],
            asked={},
            answers_so_far=0,
            rng=np.random.default_rng(1),
            slots_rng=np.random.default_rng(1),
        )


def test_a_design_that_asks_for_more_comparisons_than_it_has_draws_nothing():
    for kind in (ComparisonKind.ALL_PAIRS, ComparisonKind.RANDOM, ComparisonKind.BALANCED):
        with pytest.raises(BadDesign, match="yields only 28"):
            taken(replace(EIGHT, comparison_kind=kind, comparisons_per_respondent=29), 1)
