from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from survey.design import Adaptive, Comparison, ComparisonKind, ListedProfile, ProfileKind, StudyDesign
from survey.design_file import example_design
from survey.pairing.adaptive import PRIOR_SD, draw_adaptive, posterior_of
from survey.pairing.comparisons import Asked, Drawn, Ints, Pairs, Tally, pairs_of

NUMERIC = example_design("kidney-numeric")
NONE = np.array([], dtype=np.int64)


def adaptive(profiles: int) -> StudyDesign:
    rng = np.random.default_rng(0)
    drawn = list(dict.fromkeys(NUMERIC.draw_profile(rng) for _ in range(2 * profiles + 10)))[:profiles]
    return replace(
        NUMERIC,
        profile_kind=ProfileKind.LIST,
        listed_profiles=tuple(ListedProfile(profile=p) for p in drawn),
        comparison_kind=ComparisonKind.ADAPTIVE,
    )


def pairs_among(profiles: int) -> Pairs:
    return pairs_of(adaptive(profiles))


def tallies_of(pairs: Pairs, rng: np.random.Generator, most: int) -> Ints:
    return rng.integers(0, most + 1, size=(len(pairs.comparisons), 4))


def drawn_by(
    pairs: Pairs,
    rng: np.random.Generator,
    *,
    rules: Adaptive | None = None,
    asked: Asked | None = None,
    own: list[int] | None = None,
    other_roles: Ints = NONE,
    answers_so_far: int = 0,
) -> tuple[int, Drawn]:
    drawn = draw_adaptive(
        pairs,
        rules or Adaptive(),
        rng,
        asked=asked or {},
        answers_so_far=answers_so_far,
        own=np.array(own or [], dtype=np.int64),
        other_roles=other_roles,
    )
    return pairs.place[Comparison.of(*drawn.pair)], drawn


def log_posterior(strengths: np.ndarray, pairs: Pairs, tallies: Ints) -> float:
    """The same posterior, written out answer by answer."""
    value = -float(np.sum(strengths**2)) / (2 * PRIOR_SD**2)
    for i in range(len(pairs.comparisons)):
        difference = strengths[pairs.first[i]] - strengths[pairs.second[i]]
        value -= (tallies[i, 0] + tallies[i, 2] / 2) * np.logaddexp(0, -difference)
        value -= (tallies[i, 1] + tallies[i, 2] / 2) * np.logaddexp(0, difference)
    return value


@pytest.mark.parametrize("seed", range(5))
def test_the_posterior_mode_is_where_a_general_optimizer_finds_it(seed: int):
    pairs = pairs_among(5)
    tallies = tallies_of(pairs, np.random.default_rng(seed), 4)
    found = minimize(lambda s: -log_posterior(s, pairs, tallies), np.zeros(5), method="BFGS", tol=1e-9)
    assert posterior_of(pairs, tallies).mean == pytest.approx(found.x, abs=1e-5)
    assert posterior_of(pairs, tallies).mean.sum() == pytest.approx(0, abs=1e-9)


def test_the_posterior_covariance_is_the_inverse_curvature_at_the_mode():
    pairs = pairs_among(4)
    tallies = tallies_of(pairs, np.random.default_rng(3), 4)
    tallies[:, 3] = 0
    posterior = posterior_of(pairs, tallies)
    step = 1e-4
    curvature = np.empty((4, 4))
    for i, j in product(range(4), repeat=2):
        corners = [
            a
            * b
            * log_posterior(posterior.mean + step * (a * np.eye(4)[i] + b * np.eye(4)[j]), pairs, tallies)
            for a, b in product((1, -1), repeat=2)
        ]
        curvature[i, j] = -sum(corners) / (4 * step**2)
    assert posterior.covariance == pytest.approx(np.linalg.inv(curvature), rel=1e-4, abs=1e-5)


# Comparison -> (wins of the first, of the second). Undamped Newton steps never arrive at the last.
ONE_SIDED = {
    "all alike": (3, {0: (100_000, 0), 1: (100_000, 0), 2: (100_000, 0)}),
    "some more": (3, {0: (5_170_630, 0), 1: (7_383, 0), 2: (867_038, 0)}),
    "some none": (
        7,
        {0: (0, 3), 1: (0, 1), 3: (0, 1_294), 5: (10_380, 0), 7: (7_078_618, 0), 9: (0, 1_785)}
        | {10: (5_857_227, 0), 11: (7_907_008, 527), 14: (0, 322), 15: (6_216_002, 0)}
        | {17: (0, 3), 18: (0, 882_333), 20: (6_132, 0)},
    ),
}


@pytest.mark.parametrize("case", ONE_SIDED)
def test_one_sided_answers_without_end_still_have_a_posterior(case: str):
    profiles, wins = ONE_SIDED[case]
    pairs = pairs_among(profiles)
    tallies = np.zeros((len(pairs.comparisons), 4), dtype=np.int64)
    for i, (first, second) in wins.items():
        tallies[i, :2] = first, second
    posterior = posterior_of(pairs, tallies)
    assert np.all(np.isfinite(posterior.mean))
    assert np.all(np.linalg.eigvalsh(posterior.covariance) > 0)


def test_what_is_pending_adds_precision_and_does_not_move_the_mean():
    pairs = pairs_among(5)
    tallies = tallies_of(pairs, np.random.default_rng(1), 3)
    tallies[:, 3] = 0
    without = posterior_of(pairs, tallies)
    tallies[4, 3] = 3
    with_pending = posterior_of(pairs, tallies)
    assert with_pending.mean == pytest.approx(without.mean)
    first, second = pairs.first[4:5], pairs.second[4:5]
    before, after = (p.difference_variance(first, second)[0] for p in (without, with_pending))
    p = without.win_probability(first, second)[0]
    # Independent information on a difference adds to the inverse of its variance.
    assert 1 / after == pytest.approx(1 / before + 3 * p * (1 - p))


def test_the_gain_is_half_the_logarithm_of_the_growth_of_the_precision_determinant():
    pairs = pairs_among(5)
    tallies = tallies_of(pairs, np.random.default_rng(2), 3)
    posterior = posterior_of(pairs, tallies)
    gain = posterior.gain(pairs.first, pairs.second)
    precision = np.linalg.inv(posterior.covariance)
    for i, (a, b) in enumerate(zip(pairs.first, pairs.second, strict=True)):
        difference = np.eye(5)[a] - np.eye(5)[b]
        p = posterior.win_probability(pairs.first[i : i + 1], pairs.second[i : i + 1])[0]
        asked = precision + p * (1 - p) * np.outer(difference, difference)
        grown = np.linalg.slogdet(asked)[1] - np.linalg.slogdet(precision)[1]
        assert gain[i] == pytest.approx(grown / 2)


def exact_information(pairs: Pairs, tallies: Ints) -> np.ndarray:
    """Mutual information (nats) of the next answer and three log-strengths, summed over a grid of the posterior."""
    axis = np.linspace(-6, 6, 61)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    log_density = -np.sum(grid**2, axis=1) / (2 * PRIOR_SD**2)
    wins = 1 / (1 + np.exp(-(grid[:, pairs.first] - grid[:, pairs.second])))
    log_density += np.log(wins) @ tallies[:, 0] + np.log1p(-wins) @ tallies[:, 1]
    density = np.exp(log_density - log_density.max())
    density /= density.sum()

    def entropy(p: np.ndarray) -> np.ndarray:
        return -p * np.log(p) - (1 - p) * np.log1p(-p)

    return entropy(density @ wins) - density @ entropy(wins)


@pytest.mark.parametrize("seed", range(8))
def test_the_chosen_comparison_is_about_as_informative_as_the_best_by_exact_integration(seed: int):
    pairs = pairs_among(3)
    tallies = tallies_of(pairs, np.random.default_rng(seed), 6)
    tallies[:, 2:] = 0  # An indecision is half a win here and nothing in an exact likelihood.
    exact = exact_information(pairs, tallies)
    chosen = int(np.argmax(posterior_of(pairs, tallies).gain(pairs.first, pairs.second)))
    assert exact[chosen] > 0.9 * exact.max()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_exchanging_first_and_second_everywhere_changes_no_gain(seed):
    pairs = pairs_among(5)
    tallies = tallies_of(pairs, np.random.default_rng(seed), 5)
    exchanged = replace(pairs, first=pairs.second, second=pairs.first)
    gain = posterior_of(pairs, tallies).gain(pairs.first, pairs.second)
    again = posterior_of(exchanged, tallies[:, [1, 0, 2, 3]]).gain(exchanged.first, exchanged.second)
    assert again == pytest.approx(gain)


def answered(pairs: Pairs, seed: int, most: int = 2) -> dict[Comparison, Tally]:
    rng = np.random.default_rng(seed)
    return {
        c: Tally(first=int(a), second=int(b), indecision=int(i), pending=int(p))
        for c, (a, b, i, p) in zip(pairs.comparisons, tallies_of(pairs, rng, most), strict=True)
    }


@pytest.mark.parametrize("share", [0.05, 0.4, 1.0])
def test_the_recorded_probability_is_how_often_a_comparison_is_drawn(share: float):
    pairs = pairs_among(5)
    asked = answered(pairs, 4)
    rng = np.random.default_rng(1)
    draws = [drawn_by(pairs, rng, rules=Adaptive(random_share=share), asked=asked) for _ in range(3_000)]
    counts = Counter(i for i, _ in draws)
    probability = {i: drawn.probability for i, drawn in draws}

    assert len({(i, drawn.probability) for i, drawn in draws}) == len(probability)
    assert sum(probability.values()) == pytest.approx(1)
    for i, p in probability.items():
        assert abs(counts[i] - 3_000 * p) <= 5 * (3_000 * p * (1 - p)) ** 0.5


def test_equally_informative_comparisons_are_drawn_alike():
    pairs = pairs_among(6)
    place = {
        frozenset((int(a), int(b))): i for i, (a, b) in enumerate(zip(pairs.first, pairs.second, strict=True))
    }
    # Three separate comparisons answered alike: the three winners are alike, and so are the three losers.
    answered_alike = [place[frozenset(pair)] for pair in ((0, 1), (2, 3), (4, 5))]
    asked = {pairs.comparisons[i]: Tally(first=3, second=1) for i in answered_alike}
    rng = np.random.default_rng(1)
    draws = [drawn_by(pairs, rng, asked=asked, rules=Adaptive(random_share=1e-9)) for _ in range(1_200)]
    counts = Counter(i for i, _ in draws)
    assert [drawn.probability for _, drawn in draws] == pytest.approx([1 / 6] * 1_200)
    assert len(counts) == 6
    assert all(abs(n - 200) < 5 * 200**0.5 for n in counts.values())


def test_people_who_answer_at_the_same_time_are_sent_different_comparisons():
    pairs = pairs_among(8)
    rng = np.random.default_rng(4)
    rows = tallies_of(pairs, rng, 4)
    asked = {
        c: Tally(first=int(a), second=int(b)) for c, (a, b, _, _) in zip(pairs.comparisons, rows, strict=True)
    }
    rules = Adaptive(random_share=1e-9, most_ahead=1_000)
    assert len({drawn_by(pairs, rng, rules=rules, asked=asked)[0] for _ in range(6)}) == 1
    sent = []
    for _ in range(6):
        i, _ = drawn_by(pairs, rng, rules=rules, asked=asked)
        tally = asked[pairs.comparisons[i]]
        asked[pairs.comparisons[i]] = replace(tally, pending=tally.pending + 1)
        sent.append(i)
    assert len(set(sent)) >= 3


def test_before_enough_answers_what_was_asked_least_is_drawn():
    pairs = pairs_among(5)
    asked = {c: Tally(first=1) for c in pairs.comparisons[:8]}
    rules = Adaptive(start_after=9, most_ahead=5)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        i, drawn = drawn_by(pairs, rng, rules=rules, asked=asked, answers_so_far=8)
        assert i in (8, 9)
        assert drawn.rule.startswith("balanced before 9 answers")
        _, drawn = drawn_by(pairs, rng, rules=rules, asked=asked, answers_so_far=9)
        assert drawn.rule.startswith("adaptive: ")


def ahead(pairs: Pairs, shown: list[int], of: int) -> int:
    """How far the profiles of comparison ``of`` are ahead of the least shown one."""
    counts = pairs.appearances(np.bincount(shown, minlength=len(pairs.comparisons)).astype(np.int64))
    return int(max(counts[pairs.first[of]], counts[pairs.second[of]]) - counts.min())


@given(
    profiles=st.integers(3, 7),
    most_ahead=st.integers(1, 4),
    share=st.sampled_from([0.01, 0.2, 1.0]),
    start_after=st.sampled_from([0, 7]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=25)
def test_no_profile_gets_further_ahead_than_allowed_unless_the_rule_says_what_was_lifted(
    profiles, most_ahead, share, start_after, seed
):
    pairs = pairs_among(profiles)
    rules = Adaptive(random_share=share, most_ahead=most_ahead, start_after=start_after)
    rng = np.random.default_rng(seed)
    asked: dict[Comparison, Tally] = {}
    everyone: list[int] = []
    for _ in range(5):
        own: list[int] = []
        for _ in range(int(rng.integers(1, len(pairs.comparisons) + 1))):
            i, drawn = drawn_by(pairs, rng, rules=rules, asked=asked, own=own, answers_so_far=len(everyone))
            assert i not in own
            own.append(i)
            everyone.append(i)
            if "lifted" not in drawn.rule:
                assert ahead(pairs, everyone, i) <= most_ahead
            if "both" not in drawn.rule:
                assert ahead(pairs, own, i) <= most_ahead
            tally = asked.get(pairs.comparisons[i], Tally())
            asked[pairs.comparisons[i]] = replace(tally, first=tally.first + 1)


def test_a_comparison_that_shows_every_least_shown_profile_is_allowed_though_it_leads():
    pairs = pairs_among(
        3
    )  # Whoever has seen one comparison can only be shown one that leads; then all are at 1 or 2.
    for seen in range(3):
        _, drawn = drawn_by(pairs, np.random.default_rng(1), rules=Adaptive(most_ahead=1), own=[seen])
        assert "of 2 allowed;" in drawn.rule


def test_a_bound_is_lifted_only_where_nothing_else_is_left():
    pairs = pairs_among(4)
    place = {
        frozenset((int(a), int(b))): i for i, (a, b) in enumerate(zip(pairs.first, pairs.second, strict=True))
    }
    of = [place[frozenset(pair)] for pair in combinations(range(4), 2)]  # 01 02 03 12 13 23
    tight = Adaptive(most_ahead=1)
    rng = np.random.default_rng(1)

    i, drawn = drawn_by(pairs, rng, rules=tight, own=[of[0]])
    assert (i, "lifted" in drawn.rule) == (of[5], False)  # Whoever saw 0 and 1 sees 2 and 3 next.

    i, drawn = drawn_by(pairs, rng, rules=tight, own=[of[0]], other_roles=np.array([of[5]]))
    assert i == of[5]
    assert "those of other roles included" in drawn.rule

    study = {pairs.comparisons[of[5]]: Tally(first=9)}
    i, drawn = drawn_by(pairs, rng, rules=tight, own=[of[0]], asked=study)
    assert i == of[5]
    assert "the study's bound lifted" in drawn.rule

    i, drawn = drawn_by(
        pairs, rng, rules=tight, own=of[3:]
    )  # All that is left shows 0 and one that is 2 ahead.
    assert i in of[:3]
    assert "both bounds lifted" in drawn.rule

    with pytest.raises(ValueError, match="has seen every comparison"):
        drawn_by(pairs, rng, rules=tight, own=of)


def covariance_after(pairs: Pairs, strengths: np.ndarray, *, seed: int, share: float) -> np.ndarray:
    """Simulate 20 respondents with 10 comparisons each and return the posterior covariance."""
    rng = np.random.default_rng(seed)
    asked: dict[Comparison, Tally] = {}
    rules = Adaptive(random_share=share, most_ahead=3 if share < 1 else 1_000)
    for _ in range(20):
        own: list[int] = []
        for _ in range(10):
            i, _ = drawn_by(pairs, rng, rules=rules, asked=asked, own=own)
            own.append(i)
            tally = asked.get(pairs.comparisons[i], Tally())
            wins = 1 / (1 + np.exp(strengths[pairs.second[i]] - strengths[pairs.first[i]]))
            asked[pairs.comparisons[i]] = (
                replace(tally, first=tally.first + 1)
                if rng.random() < wins
                else replace(tally, second=tally.second + 1)
            )
    return posterior_of(pairs, pairs.tallies(asked)).covariance


def test_adaptive_drawing_learns_more_from_as_many_answers_than_uniform_drawing():
    pairs = pairs_among(16)
    centering = np.eye(16) - 1 / 16
    ratios, information = [], []
    for seed in range(4):
        strengths = np.random.default_rng(seed).normal(0, PRIOR_SD, 16)
        steered, uniform = (
            covariance_after(pairs, strengths, seed=seed, share=share) for share in (0.2, 1.0)
        )
        ratios.append(np.trace(centering @ steered) / np.trace(centering @ uniform))
        information.append((np.linalg.slogdet(uniform)[1] - np.linalg.slogdet(steered)[1]) / 2)
    assert np.mean(ratios) < 0.9
    assert min(information) > 0
