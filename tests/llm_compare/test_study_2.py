"""Real people against scripted respondents whose rules are known: every measure recovers what was planted.

The people are those of McElfresh et al. (2021), Study 2, who could toss a coin. What a rule must come out as is
worked out here from the rule and the people's answers, comparison by comparison, without the code under test.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from llm_compare.alignment.alignment import align_model
from llm_compare.alignment.fits import decided_weights
from llm_compare.alignment.resampling import Resampling
from llm_compare.alignment.sides import asked_models, people_under
from llm_compare.asking.scripted import PlantedRespondent, ScriptedRespondent
from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import plan_requests
from llm_compare.replies.replies_file import ReplyFile
from llm_compare.replies.reply import RecordedReply
from survey.answers import AnswerSet, Choice
from survey.design import design_hash
from survey.published_answers import import_published

PLANTED = {"age": -0.02, "drinks": -0.9, "dependents": 0.3}
LEFT_BIAS, PULL = 0.6, -0.7
REPEATS = 3
N_COMPARISONS = 220


@pytest.fixture(scope="module")
def study(shared):
    """Everybody's answers to the comparisons that several people answered, and to some of the others."""
    found = import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv"))
    answers = [a for a in found.answers if a.left != a.right]
    often = Counter(a.comparison for a in answers)
    kept = set(sorted(often, key=lambda c: -often[c])[:N_COMPARISONS])
    chosen = tuple(a for a in answers if a.comparison in kept)
    return AnswerSet(attributes=found.attributes, answers=chosen, source="study 2")


def reply_of(respondent, request):
    try:
        respondent.reply(request).send(None)
    except StopIteration as done:
        return RecordedReply(request=request, reply=done.value)
    raise AssertionError("scripts answer without waiting")


@pytest.fixture(scope="module")
def planted(kidney_numeric):
    return PlantedRespondent(kidney_numeric, PLANTED, left_bias=LEFT_BIAS, indecision=PULL, seed=3)


@pytest.fixture(scope="module")
def found(study, kidney_numeric, planted):
    """What is measured of each respondent."""
    comparisons = tuple(dict.fromkeys(a.comparison for a in study.answers))
    arm = next(a for a in kidney_numeric.arms if a.indecision_offered)
    files = {}
    for name in ("youngest-first", "always-left", "coin", "planted"):
        model = f"scripted/{name}"
        requests = plan_requests(
            kidney_numeric, comparisons, arm=arm, model=model, settings=Settings(), repeats=REPEATS
        )
        script = planted if name == "planted" else ScriptedRespondent(kidney_numeric, model)
        files[name] = ReplyFile(
            model=model,
            slug=kidney_numeric.slug,
            title=kidney_numeric.title,
            design_hash=design_hash(kidney_numeric),
            attributes=kidney_numeric.attributes,
            planned=len(requests),
            replies=tuple(reply_of(script, r) for r in requests),
        )
    people = people_under(
        study,
        kidney_numeric.attributes,
        indecision_offered=True,
        design_hash=design_hash(kidney_numeric),
    )
    weights = decided_weights(people)
    return {
        asked.label: align_model(
            people,
            asked,
            profiles=tuple(dict.fromkeys(p for c in comparisons for p in (c.first, c.second)))[:40],
            people_weights=weights,
            regularize=False,
            resampling=Resampling(n_draws=30, seed=1),
            n_splits=10,
        ).alignment
        for asked in asked_models(files)
    }


@pytest.fixture(scope="module")
def by_comparison(study):
    """Of each comparison, who of the people chose what: 0 its first patient, 1 its second, 2 indecision."""
    found = {}
    for a in study.answers:
        first_left = a.comparison.first == a.left
        column = 2 if a.choice is Choice.INDECISION else int((a.choice is Choice.LEFT) != first_left)
        found.setdefault(a.comparison, []).append((a.respondent, column))
    return found


def younger(comparison):
    ages = comparison.first["age"], comparison.second["age"]
    return 2 if ages[0] == ages[1] else int(ages[1] < ages[0])


def shares_of(name, comparison):
    if name == "youngest-first":
        return np.eye(3)[younger(comparison)]
    return np.array([0.5, 0.5, 0.0]) if name == "always-left" else np.array([0.0, 0.0, 1.0])


RULES = ("youngest-first", "always-left", "coin")


@pytest.mark.parametrize("name", RULES)
def test_agreement_and_distances_are_those_counted_by_hand(found, by_comparison, name):
    same, apart, squared, with_majority = [], [], [], []
    for comparison, answers in by_comparison.items():
        model = shares_of(name, comparison)
        people = np.bincount([column for _, column in answers], minlength=3) / len(answers)
        same.append(np.mean([model[column] for _, column in answers]))
        apart.append(np.abs(people - model).sum() / 2)
        most = np.flatnonzero(people == people.max())
        if len(most) == 1:
            with_majority.append(model[most[0]])
        pairs = [(x, y) for i, x in answers for j, y in answers if i != j]
        if pairs:
            # Both side orders, REPEATS times: replies that pair up are different ones.
            n = 2 * REPEATS
            counts = model * n
            own = (counts * (counts - 1)).sum() / (n * (n - 1))
            squared.append(np.mean([x == y for x, y in pairs]) + own - 2 * (people @ model))
    of = found[name]

    assert of.agreement.with_random_person.model.value == pytest.approx(np.mean(same))
    assert of.agreement.answers_with_majority.model.value == pytest.approx(np.mean(with_majority))
    assert of.distance.total_variation.model.value == pytest.approx(np.mean(apart))
    assert of.distance.squared.model.value == pytest.approx(np.mean(squared))
    assert of.distance.n_comparisons_squared == len(squared) >= 60


def test_two_people_agree_as_often_as_pairs_of_them_do(found, by_comparison):
    pairs = [
        np.mean([x == y for i, x in answers for j, y in answers if i != j])
        for answers in by_comparison.values()
        if len({i for i, _ in answers}) > 1
    ]

    for of in found.values():
        assert of.agreement.with_random_person.people.value == pytest.approx(np.mean(pairs))


def test_nobody_is_ranked_where_hardly_anyone_shares_comparisons(found):
    for of in found.values():
        assert of.percentile.percentile.value is None
        assert "nobody answered 10 comparisons" in of.percentile.percentile.reason


def test_indecision_comes_out_as_planted(found, by_comparison, planted, presented):
    theirs = np.mean([np.mean([column == 2 for _, column in a]) for a in by_comparison.values()])
    expected = {
        "youngest-first": np.mean([younger(c) == 2 for c in by_comparison]),
        "always-left": 0.0,
        "coin": 1.0,
    }
    for name, rate in expected.items():
        of = found[name].indecision
        assert of.model.value == pytest.approx(rate)
        assert of.people.value == pytest.approx(theirs)
        assert of.gap.value == pytest.approx(rate - theirs)
    of = found["planted"].indecision
    rates = [planted.probabilities(p)[Choice.INDECISION] for c in by_comparison for p in presented(c)]
    assert abs(of.model.value - np.mean(rates)) < 0.03


def test_knowing_where_people_toss_a_coin_is_the_share_of_pairs_put_in_order(found, by_comparison):
    theirs = {c: np.mean([column == 2 for _, column in a]) for c, a in by_comparison.items()}
    middle = np.median(list(theirs.values()))
    hard, easy = ([c for c in theirs if bool(theirs[c] > middle) is is_hard] for is_hard in (True, False))
    rule = {c: float(younger(c) == 2) for c in theirs}
    ordered = np.mean([(rule[h] > rule[e]) + (rule[h] == rule[e]) / 2 for h in hard for e in easy])

    def area(name):
        return found[name].indecision.calibration.area_under_curve.value

    assert area("youngest-first") == pytest.approx(ordered)
    assert area("coin") == area("always-left") == 0.5


@pytest.fixture(scope="module")
def presented(kidney_numeric):
    """Return a function giving both ways of showing a comparison."""
    arm = next(a for a in kidney_numeric.arms if a.indecision_offered)

    def both(comparison):
        requests = plan_requests(
            kidney_numeric, [comparison], arm=arm, model="scripted/coin", settings=Settings()
        )
        return [r.presentation for r in requests]

    return both


def test_repeats_and_exchanged_sides_tell_rules_from_a_side_and_from_noise(found):
    for name in RULES:
        assert found[name].consistency.model.same_again.value == 1
    assert found["youngest-first"].consistency.model.sides_exchanged.value == 1
    assert found["coin"].consistency.model.sides_exchanged.value == 1
    assert found["always-left"].consistency.model.sides_exchanged.value == 0
    noisy = found["planted"].consistency.model
    assert noisy.same_again.high < 1
    assert noisy.lost_by_exchange.low > 0


def test_the_side_is_found_where_it_was_planted_and_nowhere_else(found, by_comparison, planted, presented):
    left = {name: found[name].position.model.left for name in RULES}

    assert left["youngest-first"].value == 0.5
    assert left["always-left"].value == 1
    assert left["coin"].value is None
    assert found["always-left"].position.model.left_excess.value == 0.5
    assert found["always-left"].position.model.effect.log_odds is None
    assert found["always-left"].position.model.effect.reason
    of = found["planted"].position.model
    shown = [planted.probabilities(p) for c in by_comparison for p in presented(c)]
    lefts, rights = (sum(p[side] for p in shown) for side in (Choice.LEFT, Choice.RIGHT))
    assert abs(of.left.value - lefts / (lefts + rights)) < 4 * of.left.se
    assert abs(of.effect.log_odds - LEFT_BIAS) < 3.5 * of.effect.se
    # People were shown sides by chance.
    theirs = found["planted"].position.people.effect
    assert abs(theirs.log_odds) < 3.5 * theirs.se
    assert found["planted"].position.log_odds_difference.value == pytest.approx(
        of.effect.log_odds - theirs.log_odds
    )


def test_the_dominated_patient_is_chosen_as_the_rule_says(found, by_comparison):
    better = {"age": -1, "drinks": -1, "dependents": 1}
    equal, n = 0, 0
    for c in by_comparison:
        signs = {np.sign((c.first[a] - c.second[a]) * s) for a, s in better.items()} - {0}
        if len(signs) == 1:
            n += 1
            equal += c.first["age"] == c.second["age"]

    for name, against, undecided in (
        ("youngest-first", 0.0, equal / n),
        ("always-left", 0.5, 0.0),
        ("coin", 0.0, 1.0),
    ):
        of = found[name].dominance
        assert of.n_dominated == n
        assert of.model.against.value == pytest.approx(against)
        assert of.model.undecided.value == pytest.approx(undecided)


def test_the_rule_is_named_and_explains_everything(found):
    best = found["youngest-first"].simple_rules.model.best_single

    assert best.share.value == 1
    assert best.held_out.value == 1
    assert "Age" in best.rule or "young" in best.rule
    assert found["coin"].simple_rules.model.always_undecided.value == 1
    assert found["always-left"].simple_rules.model.coin.value == 0.5
    assert found["coin"].simple_rules.people.best.held_out.high < 1


def test_effects_are_those_of_the_rule(found, by_comparison, planted, presented):
    comparisons = list(by_comparison)
    names = list(PLANTED)
    gaps = np.array([[c.first[a] - c.second[a] for a in names] for c in comparisons], dtype=float)
    span = np.array([np.abs(column[column != 0]).mean() for column in gaps.T])
    lean = []
    for c in comparisons:
        both = [planted.probabilities(p) for p in presented(c)]
        signs = [1 if p.left == c.first else -1 for p in presented(c)]
        lean.append(
            np.mean([s * (p[Choice.LEFT] - p[Choice.RIGHT]) for s, p in zip(signs, both, strict=True)])
        )
    of_rule = np.array([{0: 1.0, 1: -1.0, 2: 0.0}[younger(c)] for c in comparisons])
    for name, truth in (("planted", np.array(lean)), ("youngest-first", of_rule)):
        expected = np.linalg.lstsq(gaps / span, truth)[0]
        levels = {lv.name: lv for a in found[name].effects.attributes for lv in a.levels}
        for attribute, value in zip(names, expected, strict=True):
            margin = 0.06 if name == "planted" else 1e-9
            assert abs(levels[attribute].model.value - value) < margin
    for name in ("coin", "always-left"):
        for a in found[name].effects.attributes:
            assert a.levels[0].model.value == pytest.approx(0, abs=1e-9)
            assert a.levels[0].people.low * a.levels[0].people.high > 0
    assert found["youngest-first"].effects.differs_most in names
    assert found["planted"].effects.differs_most in ("age", "drinks", "dependents")


def test_what_counts_is_shared_out_as_planted_and_never_more_than_everything(found, kidney_numeric):
    sizes = {a.name: abs(PLANTED[a.name]) * (a.maximum - a.minimum) for a in kidney_numeric.attributes}
    shares = {a.attribute: a.share for a in found["planted"].coefficients.attributes}
    for name, size in sizes.items():
        of = shares[name].model
        assert abs(of.value - size / sum(sizes.values())) < 3.5 * of.se
    rule = {a.attribute: a.share for a in found["youngest-first"].coefficients.attributes}
    assert rule["age"].model.value > 0.9
    assert found["youngest-first"].coefficients.regularized
    for of in found.values():
        for a in of.coefficients.attributes:
            for side in (a.share.people, a.share.model):
                assert side.value is None or 0 <= side.low <= side.value <= side.high <= 1
    assert found["planted"].coefficients.tests.tests[-1].p < 0.01


def test_the_rule_of_indecision_that_was_planted_predicts_best(found):
    assert found["planted"].strategies.model.best == "min-delta"
