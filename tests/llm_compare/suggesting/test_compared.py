"""People beside models: numbers worked out by hand, planted truths, and what may not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from llm_compare.errors import NotComparable
from llm_compare.suggesting.compared import compare_suggestions
from llm_compare.suggesting.scores import Measure, distance_of, drawn_shares, overlap_of, scored, tau_b
from survey.answers import RespondentKind
from survey.coding.coding import Asked, Category, Code, CodeKind, Coding, Outcome, Suggestion
from survey.suggestions import Stance

NAMES = ("age", "urgency", "waiting", "wealth", "race")
BOTH = frozenset(Stance)


def coding_of(said, categories=NAMES):
    """Return a coding: respondent -> {stance: categories named}. Names with # are models'."""
    suggestions, codes = [], []
    for respondent, named in said.items():
        kind = RespondentKind.MODEL if "#" in respondent else RespondentKind.HUMAN
        for stance, own in named.items():
            for category in own:
                number = len(suggestions) + 1
                suggestions.append(
                    Suggestion(id=number, respondent=respondent, kind=kind, stance=stance, text=category)
                )
                codes.append(
                    Code(suggestion=number, kind=CodeKind.CODER, coder="ann", outcome=Outcome.CATEGORY,
                         category=category)
                )  # fmt: skip
    return Coding(
        study="s",
        version="1",
        design_hash="h",
        categories=tuple(Category(name=n, label=n.title()) for n in categories),
        suggestions=tuple(suggestions),
        codes=tuple(codes),
        asked=tuple(
            Asked(
                respondent=r,
                kind=RespondentKind.MODEL if "#" in r else RespondentKind.HUMAN,
                simulated=False,
                stances=frozenset(n),
            )
            for r, n in sorted(said.items())
        ),
    )


def should(*categories):
    return {Stance.SHOULD: categories}


SAID = {
    "p1": should("age", "urgency"),
    "p2": should("urgency"),
    "p3": should("urgency", "waiting"),
    "p4": should(),
    "m#1": should("urgency", "age", "wealth"),
    "m#2": should("urgency", "age"),
}


@pytest.fixture
def by_hand():
    (model,) = compare_suggestions(coding_of(SAID), least_share=0.5, draws=200).models
    (stance,) = model.stances
    return stance


def test_shares_and_differences_are_those_counted_by_hand(by_hand):
    shares = {
        c.category: (c.people.count, c.people.of, c.model.count, c.model.of) for c in by_hand.categories
    }
    assert shares == {
        "urgency": (3, 4, 2, 2), "age": (1, 4, 2, 2), "waiting": (1, 4, 0, 2), "wealth": (0, 4, 1, 2),
    }  # fmt: skip
    assert [c.category for c in by_hand.categories] == ["urgency", "age", "waiting", "wealth"]
    assert by_hand.categories[1].difference.value == pytest.approx(0.75)
    assert (by_hand.people_mean, by_hand.model_mean) == (1.25, 2.5)


def test_scores_are_those_worked_out_by_hand(by_hand):
    # People: age 1/4, urgency 3/4, waiting 1/4, wealth 0. Model: 1, 1, 0, 1/2. Of the six pairs age and urgency
    # tie for the model, age and waiting for people; of the other four urgency-waiting, age-wealth and
    # urgency-wealth agree, waiting-wealth does not: tau-b = (3 - 1) / sqrt(5 * 5).
    assert by_hand.rank_correlation.value == pytest.approx(2 / 5)
    # By at least half: people {urgency}, model {urgency, age, wealth}.
    assert by_hand.overlap.value == pytest.approx(1 / 3)
    assert by_hand.distance.value == pytest.approx((0.25 + 0.75 + 0.25 + 0.5) / 4)
    assert by_hand.rank_correlation.people_halves.mean is None  # Too few people to halve.


def test_a_single_repeat_has_no_interval_and_the_reason():
    one = {name: said for name, said in SAID.items() if name != "m#2"}
    (model,) = compare_suggestions(coding_of(one), draws=50).models
    score = model.stances[0].rank_correlation
    assert (score.low, score.high) == (None, None)
    assert "one respondent" in score.reason


def planted(rng, n, probabilities, name, stance=Stance.SHOULD):
    named = rng.random((n, len(NAMES))) < probabilities
    return {name(i): {stance: tuple(np.array(NAMES)[row])} for i, row in enumerate(named, start=1)}


PEOPLE = np.array([0.7, 0.5, 0.3, 0.15, 0.05])


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(5)
    said = {
        **planted(rng, 200, PEOPLE, lambda i: f"p{i:03}"),
        **planted(rng, 100, PEOPLE, lambda i: f"alike#{i}"),
        **planted(rng, 100, PEOPLE[::-1], lambda i: f"reversed#{i}"),
    }
    return compare_suggestions(coding_of(said), draws=400, splits=100, seed=1)


def test_a_model_that_answers_like_people_reaches_the_ceiling_and_another_does_not(study):
    alike, backwards = (m.stances[0] for m in study.models)
    assert [m.model for m in study.models] == ["alike", "reversed"]
    assert alike.rank_correlation.value == pytest.approx(1)
    assert backwards.rank_correlation.value == pytest.approx(-1)
    assert alike.rank_correlation.model_halves.mean >= alike.rank_correlation.people_halves.mean - 0.05
    assert alike.distance.people_halves == backwards.distance.people_halves
    assert backwards.distance.model_halves.mean > 3 * backwards.distance.people_halves.mean


def test_intervals_hold_the_planted_truth(study):
    truth = float(np.abs(PEOPLE - PEOPLE[::-1]).mean())
    distance = study.models[1].stances[0].distance
    assert distance.low < truth < distance.high
    shares = {c.category: c for c in study.models[1].stances[0].categories}
    for name, people, model in zip(NAMES, PEOPLE, PEOPLE[::-1], strict=True):
        found = shares[name].difference
        assert found.low - 0.03 < model - people < found.high + 0.03


def test_intervals_cover_the_true_distance_about_as_often_as_they_say():
    truth = float(np.abs(PEOPLE - PEOPLE[::-1]).mean())
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        said = {
            **planted(rng, 80, PEOPLE, lambda i: f"p{i}"),
            **planted(rng, 40, PEOPLE[::-1], lambda i: f"m#{i}"),
        }
        found = (
            compare_suggestions(coding_of(said), draws=100, splits=1, seed=seed).models[0].stances[0].distance
        )
        held += found.low <= truth <= found.high
    assert held >= 52  # 95 % of 60 is 57; fewer than 52 has a chance below 2 %.


def test_the_same_seed_gives_the_same_and_the_order_of_respondents_does_not_matter():
    coding = coding_of(SAID)
    turned = replace(
        coding, suggestions=coding.suggestions[::-1], codes=coding.codes[::-1], asked=coding.asked[::-1]
    )
    assert compare_suggestions(coding, draws=100) == compare_suggestions(coding, draws=100)
    assert compare_suggestions(turned, draws=100) == compare_suggestions(coding, draws=100)


def test_what_has_no_final_code_is_counted_and_compares_nothing():
    coding = coding_of(SAID)
    uncoded = replace(coding, codes=tuple(c for c in coding.codes if c.suggestion <= 5))
    with pytest.raises(NotComparable, match=r"nothing that m said has a final code: of 5 suggestions 5"):
        compare_suggestions(uncoded)
    other = Code(suggestion=6, kind=CodeKind.CODER, coder="bob", outcome=Outcome.CATEGORY, category="race")
    (model,) = compare_suggestions(replace(coding, codes=(*coding.codes, other)), draws=50).models
    assert model.left_out.open == 1


def test_a_models_proposals_never_count():
    coding = coding_of(SAID)
    proposal = Code(suggestion=1, kind=CodeKind.MODEL, coder="x", outcome=Outcome.CATEGORY, category="race")
    assert compare_suggestions(
        replace(coding, codes=(*coding.codes, proposal)), draws=50
    ) == compare_suggestions(coding, draws=50)


def test_a_coding_without_people_without_models_or_without_a_common_question_is_refused():
    people = {n: s for n, s in SAID.items() if "#" not in n}
    models = {n: s for n, s in SAID.items() if "#" in n}
    with pytest.raises(NotComparable, match="no model's suggestions"):
        compare_suggestions(coding_of(people))
    with pytest.raises(NotComparable, match="no people"):
        compare_suggestions(coding_of(models))
    against = {"m#1": {Stance.SHOULD_NOT: ("race",)}}
    with pytest.raises(NotComparable, match="the same question"):
        compare_suggestions(coding_of({**people, **against}))


SHARES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), min_size=2, max_size=12)


@given(one=SHARES, data=st.data())
def test_tau_b_is_scipys(one, data):
    other = data.draw(st.lists(st.sampled_from([0.0, 0.2, 0.5]), min_size=len(one), max_size=len(one)))
    ours = tau_b(np.array(one), np.array(other))
    assert ours == pytest.approx(float(kendalltau(one, other).statistic), nan_ok=True)


def test_overlap_and_distance_of_hand_made_shares():
    one, other = np.array([0.1, 0.3, 0.0]), np.array([3 / 30, 0.05, 0.5])
    assert overlap_of(one, other, 0.1) == pytest.approx(1 / 3)
    assert np.isnan(overlap_of(one, other, 0.9))
    assert distance_of(one, other) == pytest.approx((0 + 0.25 + 0.5) / 3)
    assert np.isnan(distance_of(one[:0], other[:0]))


@pytest.mark.parametrize(("repeats", "has_interval"), [(5, False), (20, True)])
def test_of_few_repeats_a_score_of_few_values_has_no_interval(repeats, has_interval):
    # Of five repeats the draws' quantiles hold the truth two times in three.
    rng = np.random.default_rng(1)
    people, model = (rng.random((n, 8)) < 0.3 for n in (60, repeats))
    sides = [side.astype(float) for side in (people, model)]
    drawn = list(zip(*(drawn_shares(side, 50, rng) for side in sides), strict=True))
    measure = Measure(of=lambda a, b: overlap_of(a, b, 0.1), why_not="", is_stepped=True)

    found = scored(measure, *sides, drawn, [])

    assert (found.low is not None) is has_interval
    assert ("too few" in found.reason) is not has_interval
