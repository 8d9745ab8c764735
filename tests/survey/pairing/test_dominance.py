from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.design import (
    Attribute,
    CategoricalAttribute,
    Comparison,
    Favours,
    Level,
    ListedProfile,
    NumericAttribute,
    ProfileKind,
    StudyDesign,
)
from survey.design_file import example_design
from survey.pairing.dominance import better_of, dominated_count, draw_dominated

EIGHT = example_design("kidney-8")
NUMERIC = example_design("kidney-numeric")


def categorical(name: str, levels: int, favoured: int | None) -> CategoricalAttribute:
    return CategoricalAttribute(
        name=name,
        label=name,
        levels=tuple(Level(name=f"l{i}", words=f"level {i}") for i in range(levels)),
        favoured=None if favoured is None else f"l{favoured}",
    )


def numeric(name: str, values: int, favours: Favours | None) -> NumericAttribute:
    return NumericAttribute(name=name, label=name, minimum=0, maximum=values - 1, favours=favours)


def attributes(names: str) -> st.SearchStrategy[tuple[Attribute, ...]]:
    one = st.one_of(
        st.builds(
            lambda levels, favoured: lambda name: categorical(name, levels, favoured),
            st.integers(2, 4),
            st.sampled_from([None, 0, 1]),
        ),
        st.builds(
            lambda values, favours: lambda name: numeric(name, values, favours),
            st.integers(2, 4),
            st.sampled_from([None, *Favours]),
        ),
    )
    return st.lists(one, min_size=1, max_size=len(names)).map(
        lambda makers: tuple(make(name) for make, name in zip(makers, names, strict=False))
    )


def drawn_at_random(of: tuple[Attribute, ...]) -> StudyDesign:
    return replace(NUMERIC, attributes=of, profile_kind=ProfileKind.FULL_FACTORIAL)


def listed(design: StudyDesign) -> StudyDesign:
    return replace(
        design,
        profile_kind=ProfileKind.LIST,
        listed_profiles=tuple(ListedProfile(profile=p) for p in design.profiles() or ()),
    )


@given(of=attributes("abc"))
def test_counting_dominated_pairs_agrees_with_looking_at_every_pair(of):
    design = drawn_at_random(of)
    found = sum(better_of(design, a, b) is not None for a, b in combinations(design.profiles() or (), 2))
    assert dominated_count(design) == found
    assert dominated_count(listed(design)) == found


def test_the_eight_profiles_have_nineteen_dominated_pairs():
    assert dominated_count(EIGHT) == 19


def test_in_study_2_two_pairs_in_five_are_dominated_as_its_published_answers_show():
    # 40.8 % of its 5297 published pairs, which were drawn like this.
    assert dominated_count(NUMERIC) / (690 * 689 / 2) == pytest.approx(0.408, abs=0.01)


def test_what_has_no_direction_must_be_equal_and_unfavored_levels_are_not_ranked():
    design = drawn_at_random(
        (categorical("a", 3, 0), numeric("b", 3, Favours.LOW), categorical("c", 2, None))
    )

    def better(one: tuple[str, int, str], other: tuple[str, int, str]) -> tuple[str, int, str] | None:
        a, b = (design.profile(dict(zip("abc", values, strict=True))) for values in (one, other))
        found = better_of(design, a, b)
        assert better_of(design, b, a) == found
        return None if found is None else one if found == a else other

    assert better(("l0", 1, "l0"), ("l1", 1, "l0")) == ("l0", 1, "l0")
    assert better(("l1", 1, "l0"), ("l1", 0, "l0")) == ("l1", 0, "l0")
    assert better(("l1", 1, "l0"), ("l2", 1, "l0")) is None
    assert better(("l1", 0, "l0"), ("l2", 1, "l0")) is None
    assert better(("l0", 1, "l0"), ("l1", 0, "l0")) is None
    assert better(("l0", 0, "l0"), ("l1", 1, "l1")) is None
    assert better(("l0", 0, "l0"), ("l0", 0, "l0")) is None


@pytest.mark.parametrize(
    "made", [drawn_at_random, lambda of: listed(drawn_at_random(of))], ids=["grid", "list"]
)
def test_every_dominated_pair_is_drawn_alike_and_avoided_ones_never(made):
    design = made((categorical("a", 3, 0), numeric("b", 3, Favours.HIGH), categorical("c", 2, None)))
    pairs = [Comparison.of(a, b) for a, b in combinations(design.profiles() or (), 2)]
    dominated = [c for c in pairs if better_of(design, c.first, c.second) is not None]
    avoid = [*dominated[:4], *(c for c in pairs if c not in dominated)]
    rng = np.random.default_rng(3)
    draws = [draw_dominated(design, rng, avoid=avoid) for _ in range(1_000)]
    counts = Counter(Comparison.of(better, worse) for better, worse, _ in draws)

    assert set(counts) == set(dominated[4:])
    assert {probability for _, _, probability in draws} == {1 / (len(dominated) - 4)}
    expected = 1_000 / (len(dominated) - 4)
    assert all(abs(n - expected) < 5 * expected**0.5 for n in counts.values())
    assert all(better_of(design, better, worse) == better for better, worse, _ in draws)


@pytest.mark.parametrize(
    "design", [EIGHT, drawn_at_random((numeric("a", 3, Favours.LOW),))], ids=["list", "grid"]
)
def test_where_all_are_to_be_avoided_they_are_drawn_from_after_all(design: StudyDesign):
    every = [Comparison.of(a, b) for a, b in combinations(design.profiles() or (), 2)]
    better, worse, probability = draw_dominated(design, np.random.default_rng(1), avoid=every)
    assert better_of(design, better, worse) == better
    assert probability == 1 / dominated_count(design)


def test_many_attributes_and_fine_grids_take_no_longer():
    fine = tuple(replace(numeric(f"a{i}", 2, Favours.LOW), step=0.001) for i in range(30))
    design = drawn_at_random(fine)
    better, worse, probability = draw_dominated(design, np.random.default_rng(1))
    assert better_of(design, better, worse) == better
    assert 0 < probability < 1e-80


def test_a_study_without_directions_has_no_dominated_pair_to_draw():
    design = drawn_at_random((categorical("a", 3, None), numeric("b", 3, None)))
    with pytest.raises(ValueError, match="no pair in which one profile dominates"):
        draw_dominated(design, np.random.default_rng(1))
