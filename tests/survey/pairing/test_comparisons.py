from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.design import Comparison, ComparisonKind, ListedProfile, Profile, ProfileKind, StudyDesign
from survey.design_file import example_design
from survey.errors import BadDesign, BadProfile
from survey.pairing.comparisons import NOTHING_ASKED, Asked, Drawn, Tally, draw_comparisons, pairs_of

EIGHT = example_design("kidney-8")
NUMERIC = example_design("kidney-numeric")


def balanced(profiles: int, per_respondent: int) -> StudyDesign:
    rng = np.random.default_rng(0)
    drawn = list(dict.fromkeys(NUMERIC.draw_profile(rng) for _ in range(2 * profiles + 10)))[:profiles]
    return replace(
        NUMERIC,
        profile_kind=ProfileKind.LIST,
        listed_profiles=tuple(ListedProfile(profile=p) for p in drawn),
        comparison_kind=ComparisonKind.BALANCED,
        comparisons_per_respondent=per_respondent,
    )


class Study:
    """A study that counts what it has asked; every comparison drawn is answered, by the first or not at all."""

    def __init__(self, design: StudyDesign) -> None:
        self.design = design
        self.asked: dict[Comparison, Tally] = {}

    def admit(self, rng: np.random.Generator) -> list[Comparison]:
        drawn = [Comparison.of(*d.pair) for d in draw_comparisons(self.design, rng, asked=self.asked)]
        for comparison in drawn:
            tally = self.asked.get(comparison, Tally())
            self.asked[comparison] = (
                replace(tally, first=tally.first + 1)
                if rng.random() < 0.5
                else replace(tally, pending=tally.pending + 1)
            )
        return drawn

    def pair_range(self) -> int:
        shown = [self.asked.get(c, Tally()).shown for c in self.design.comparisons() or ()]
        return max(shown) - min(shown)

    def profile_range(self) -> int:
        return spread(self.design, [c for c, tally in self.asked.items() for _ in range(tally.shown)])


def spread(design: StudyDesign, comparisons: list[Comparison]) -> int:
    """How far apart the appearances of profiles are."""
    counts: Counter[Profile] = Counter(dict.fromkeys(design.profiles() or (), 0))
    counts.update(profile for c in comparisons for profile in (c.first, c.second))
    return max(counts.values()) - min(counts.values())


def test_a_tally_counts_answers_and_what_is_pending():
    assert Tally(first=1, second=2, indecision=4, pending=8).shown == 15
    assert Tally().shown == 0


@given(data=st.data(), profiles=st.integers(3, 9), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_a_balanced_study_shows_every_comparison_equally_often_or_once_more_or_less(data, profiles, seed):
    design = balanced(profiles, data.draw(st.integers(1, profiles * (profiles - 1) // 2)))
    study = Study(design)
    rng = np.random.default_rng(seed)
    for _ in range(12):
        drawn = study.admit(rng)
        assert len(set(drawn)) == len(drawn) == design.comparisons_per_respondent
        assert study.pair_range() <= 1


@pytest.mark.parametrize(
    ("profiles", "per_respondent"), [(4, 3), (7, 10), (8, 20), (10, 15), (12, 20), (20, 40)]
)
def test_a_balanced_study_shows_profiles_alike_to_a_respondent_and_as_a_whole(
    profiles: int, per_respondent: int
):
    design = balanced(profiles, per_respondent)
    for seed in range(3):
        study = Study(design)
        rng = np.random.default_rng(seed)
        for _ in range(25):
            assert spread(design, study.admit(rng)) <= 2
            assert study.profile_range() <= 2


def test_uniform_draws_are_much_less_balanced():
    # What the bounds above are worth: the same study with shuffled comparisons.
    study = Study(replace(balanced(10, 15), comparison_kind=ComparisonKind.ALL_PAIRS))
    rng = np.random.default_rng(0)
    for _ in range(25):
        study.admit(rng)
    assert study.pair_range() > 5
    assert study.profile_range() > 10


def test_a_balanced_draw_takes_what_was_asked_least_however_it_was_answered():
    every = list(EIGHT.comparisons() or ())
    asked: Asked = {
        **{c: Tally(first=1) for c in every[:7]},
        **{c: Tally(second=1) for c in every[7:14]},
        **{c: Tally(indecision=1) for c in every[14:20]},
        **{c: Tally(pending=1) for c in every[20:24]},
    }
    design = replace(EIGHT, comparison_kind=ComparisonKind.BALANCED, comparisons_per_respondent=6)
    drawn = [Comparison.of(*d.pair) for d in draw_comparisons(design, np.random.default_rng(1), asked=asked)]
    assert set(drawn[:4]) == set(every[24:])
    assert not set(drawn[4:]) & set(every[24:])


def first_drawn(design: StudyDesign, asked: Asked, times: int) -> list[Drawn]:
    return [draw_comparisons(design, np.random.default_rng(seed), asked=asked)[0] for seed in range(times)]


@pytest.mark.parametrize("already", [(), (0,), (0, 5, 9), tuple(range(0, 28, 2))])
def test_a_balanced_draw_is_uniform_over_its_ties_and_records_so(already: tuple[int, ...]):
    every = EIGHT.comparisons() or ()
    design = replace(EIGHT, comparison_kind=ComparisonKind.BALANCED, comparisons_per_respondent=1)
    drawn = first_drawn(design, {every[i]: Tally(first=1) for i in already}, 1_500)
    counts = Counter(Comparison.of(*d.pair) for d in drawn)
    (probability,) = {d.probability for d in drawn}

    assert not set(counts) & {every[i] for i in already}
    assert len(counts) == pytest.approx(1 / probability)
    mean = 1_500 * probability
    assert all(abs(n - mean) < 5 * mean**0.5 for n in counts.values())


def test_a_random_draw_is_uniform_over_the_comparisons_that_are_left():
    # All sequences of three among the pairs of four profiles: 6 x 5 x 4, each with the product of what is recorded.
    for design in (
        replace(EIGHT, listed_profiles=EIGHT.listed_profiles[:4]),
        replace(
            NUMERIC,
            attributes=tuple(
                replace(a, points=(a.minimum, a.maximum))  # type: ignore[call-arg,union-attr]
                for a in NUMERIC.attributes[:2]
            ),
        ),
    ):
        random = replace(design, comparison_kind=ComparisonKind.RANDOM, comparisons_per_respondent=3)
        rng = np.random.default_rng(8)
        counts: Counter[tuple[Comparison, ...]] = Counter()
        for _ in range(6_000):
            drawn = draw_comparisons(random, rng, asked=NOTHING_ASKED)
            assert np.prod([d.probability for d in drawn]) == pytest.approx(1 / 120)
            counts[tuple(Comparison.of(*d.pair) for d in drawn)] += 1
        assert len(counts) == 120
        assert all(abs(n - 50) < 5 * 50**0.5 for n in counts.values())


def test_what_another_study_asked_is_refused():
    stranger = Comparison.of(*(NUMERIC.draw_profile(np.random.default_rng(i)) for i in (1, 2)))
    design = replace(EIGHT, comparison_kind=ComparisonKind.BALANCED)
    with pytest.raises(BadProfile, match="no comparison of this design"):
        draw_comparisons(design, np.random.default_rng(1), asked={stranger: Tally(first=1)})


@pytest.mark.parametrize("design", [NUMERIC, balanced(101, 5)], ids=["no list of profiles", "too many pairs"])
def test_balancing_more_comparisons_than_can_be_listed_is_refused_with_the_way_out(design: StudyDesign):
    with pytest.raises(BadDesign, match="list fewer profiles, or use kind = 'random'"):
        pairs_of(replace(design, comparison_kind=ComparisonKind.BALANCED))


def test_arrays_of_pairs_say_the_same_as_the_comparisons():
    pairs = pairs_of(replace(EIGHT, comparison_kind=ComparisonKind.BALANCED))
    assert set(pairs.comparisons) == {Comparison.of(a, b) for a, b in combinations(EIGHT.profiles() or (), 2)}
    for i, comparison in enumerate(pairs.comparisons):
        assert pairs.place[comparison] == i
        assert pairs.profiles[pairs.first[i]] == comparison.first
        assert pairs.profiles[pairs.second[i]] == comparison.second
    rows = pairs.tallies({pairs.comparisons[3]: Tally(first=1, second=2, indecision=3, pending=4)})
    assert rows[3].tolist() == [1, 2, 3, 4]
    assert rows.sum() == 10
    assert pairs.appearances(rows.sum(axis=1)).sum() == 20
