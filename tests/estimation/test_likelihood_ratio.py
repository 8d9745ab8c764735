"""Tests of extensions: published statistics, and what clusters must do to a test."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse, stats

from estimation.assembly import assemble
from estimation.choice_model import maximize
from estimation.dataset import Clustering, choice_data, counted, tally
from estimation.effects import EffectKind, Shape
from estimation.errors import EstimationError, Separated
from estimation.fitting import fit
from estimation.likelihood_ratio import (
    LikelihoodRatio,
    NoTest,
    attributes_against_profiles,
    effects_by_group,
    likelihood_ratio,
    order_effect,
    pull_by_distance,
    pull_by_group,
    standard_tests,
    test_lines,
)
from estimation.specification import Model, Specification
from survey.design import NumericAttribute, Profile
from survey.published_answers import import_published

DAVIDSON = Specification(model=Model.DAVIDSON)


def rows(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def from_r(shared):
    return json.loads(shared("reference/comparisons_r.json").read_text())


@pytest.fixture(scope="module")
def study_2(shared):
    return choice_data(import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")))


def answered(names, columns, *, offered=True, clusters=None, attributes=None, profiles=None, **choices):
    """Return data of columns left, right, choice, cluster."""
    left, right, choice, cluster = columns
    base = counted(names, [0], [1], [[1, 1, 1]])
    return tally(
        attributes=attributes or base.attributes,
        profiles=profiles or base.profiles,
        left=left,
        right=right,
        choice=choice,
        offered=offered,
        cluster=cluster,
        cluster_names=tuple(map(str, range(int(max(cluster)) + 1))),
        clustering=clusters or Clustering.RESPONDENT,
        **choices,
    )


def test_springalls_attributes_are_not_refuted_by_free_profiles(shared, from_r):
    table = rows(shared("data/comparisons/springall_contests.csv"))
    names = ("flav", "gel", "flav.2", "gel.2", "flav.gel")
    attributes = tuple(NumericAttribute(name=n, label=n, minimum=0, maximum=100) for n in names)
    profiles = tuple(
        Profile(tuple((n, float(r[n])) for n in names))
        for r in rows(shared("data/comparisons/springall_predictors.csv"))
    )
    data = counted(
        [p.id for p in profiles],
        [int(r["row"]) - 1 for r in table],
        [int(r["col"]) - 1 for r in table],
        [[float(r[c]) for c in ("win", "loss", "tie")] for r in table],
        attributes=attributes,
        profiles=profiles,
    )
    found = attributes_against_profiles(data, Specification(model=Model.MIN_DELTA))
    expected = from_r["springall"]

    assert found.statistic == pytest.approx(expected["lr"], abs=1e-6)
    assert found.df == expected["df"] == 3
    assert found.p == pytest.approx(0.675, abs=5e-4)
    assert found.smaller_log_likelihood == pytest.approx(expected["ll_attr"], abs=1e-8)
    assert found.larger_log_likelihood == pytest.approx(expected["ll_free"], abs=1e-8)
    # Answers are their own clusters here, so the two tests nearly agree.
    assert found.design_effect == pytest.approx(1, abs=0.15)
    assert found.wald_p == pytest.approx(found.p, abs=0.1)


@pytest.mark.parametrize(("who", "statistic"), [("crowd", 28.5), ("gpt3", 356), ("gpt4", 35.0)])
def test_people_and_models_favor_a_side_by_as_much_as_computed_independently(shared, who, statistic):
    table = rows(shared(f"data/comparisons/llmfao_{who}.csv"))
    names = sorted({r[side] for r in table for side in ("left", "right")})
    number = {name: i for i, name in enumerate(names)}
    keys = [r.get("worker", r["prompt"]) for r in table]
    key_number = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    data = answered(
        names,
        (
            [number[r["left"]] for r in table],
            [number[r["right"]] for r in table],
            [{"left": 0, "right": 1, "tie": 2}[r["winner"]] for r in table],
            [key_number[key] for key in keys],
        ),
    )
    found = order_effect(data, DAVIDSON)

    assert found.statistic == pytest.approx(statistic, rel=0.002)
    assert found.df == 1
    assert found.wald_df == len(key_number) - 1
    assert found.design_effect > 2
    # The side matters even to a test that knows answers are not independent.
    assert found.p < found.wald_p < 0.01


def test_playing_at_home_matters_in_baseball_as_published(shared, from_r):
    table = rows(shared("data/comparisons/baseball_agresti2002.csv"))
    teams = sorted({r["home.team"] for r in table})
    data = counted(
        teams,
        [teams.index(r["home.team"]) for r in table],
        [teams.index(r["away.team"]) for r in table],
        [[float(r["home.wins"]), float(r["away.wins"]), 0.0] for r in table],
    )
    spec = Specification(model=Model.BRADLEY_TERRY)
    found = order_effect(data, spec)
    plain, home = from_r["baseball_dev"]

    assert found.statistic == pytest.approx(plain - home, abs=1e-6)
    assert found.p == pytest.approx(stats.chi2.sf(plain - home, 1))
    assembled = assemble(data, replace(spec, order_effect=True))
    at = assembled.cells.names.index("shown first")
    maximum = maximize(assembled.cells)
    published = next(row for row in from_r["baseball2"] if row["par"] == "at.home")
    assert maximum.values[at] == pytest.approx(published["Estimate"], abs=1e-6)
    naive = np.sqrt(np.linalg.inv(maximum.information)[at, at])
    assert naive == pytest.approx(published["Std. Error"], abs=1e-5)


def test_indecision_falls_with_attribute_distance_in_study_2(study_2):
    theirs = tuple(
        NumericAttribute(name=name, label=name, minimum=0, maximum=top)
        for name, top in (("age", 70), ("drinks", 5), ("dependents", 2))
    )
    found = pull_by_distance(replace(study_2, attributes=theirs), Specification(model=Model.MIN_DELTA))

    assert found.statistic == pytest.approx(2 * (4128.03 - 4049.93), abs=0.05)
    assert found.df == 1
    assert found.wald_p < 1e-6


def test_a_test_of_one_parameter_is_its_squared_t(study_2):
    spec = Specification(model=Model.MIN_DELTA)
    found = order_effect(study_2, spec)
    made = fit(study_2, replace(spec, order_effect=True))
    at = made.names.index("shown first")

    assert found.wald_f == pytest.approx(made.values[at] ** 2 / made.covariance[at, at], rel=1e-6)


@pytest.fixture(scope="module")
def own_minds():
    """Forty respondents, three profiles; everybody has a favorite side, but the sides are even on the whole."""
    return _own_minds(np.random.default_rng(3), n_people=40, spread=1.0)


def _own_minds(rng, *, n_people, spread):
    strength = np.array([0.5, 0.0, -0.5])
    n = 12
    person = np.repeat(np.arange(n_people), n)
    left = rng.integers(3, size=n_people * n)
    right = (left + rng.integers(1, 3, size=n_people * n)) % 3
    half = (strength[left] - strength[right] + rng.normal(0, spread, n_people)[person]) / 2
    odds = np.exp(np.column_stack([half, -half, np.full(len(half), -0.5)]))
    choice = (rng.random(len(half))[:, None] > np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)).sum(
        axis=1
    )
    return answered("abc", (left, right, np.minimum(choice, 2), person))


def test_giving_every_answer_twice_doubles_the_ratio_but_convinces_no_cluster_test(own_minds):
    twice = replace(
        own_minds, counts=2 * own_minds.counts, by_cluster=sparse.csr_array(2 * own_minds.by_cluster)
    )
    one, two = (order_effect(d, DAVIDSON) for d in (own_minds, twice))

    assert two.statistic == pytest.approx(2 * one.statistic, rel=1e-6)
    assert two.wald_f == pytest.approx(one.wald_f, rel=1e-6)
    assert two.design_effect == pytest.approx(2 * one.design_effect, rel=1e-6)
    assert two.adjusted_p == pytest.approx(one.adjusted_p, rel=1e-6)


def test_cluster_tests_keep_their_level_where_the_ratio_does_not():
    rng = np.random.default_rng(8)
    found = [order_effect(_own_minds(rng, n_people=40, spread=1.2), DAVIDSON) for _ in range(150)]

    naive, wald, adjusted = (
        np.mean([p(f) < 0.05 for f in found])
        for p in (lambda f: f.p, lambda f: f.wald_p, lambda f: f.adjusted_p)
    )
    assert naive > 0.2
    # 150 tests of level .05 reject 5 % +- 3.5 %.
    assert wald < 0.1
    assert adjusted < 0.1


def test_the_larger_models_restriction_is_found_whatever_its_columns_are(study_2):
    # An age effect in steps contains none that is linear, but an interaction contains its main effects.
    spec = Specification(model=Model.MIN_DELTA)
    larger = replace(spec, shape=Shape(interactions=(("age", "drinks"),)), by_distance=True)
    found = likelihood_ratio(study_2, spec, larger, "age by drinks, and distance")

    assert found.df == 2
    assert found.statistic == pytest.approx(
        2 * (fit(study_2, larger).log_likelihood - fit(study_2, spec).log_likelihood), abs=1e-6
    )
    with pytest.raises(EstimationError, match="does not contain"):
        likelihood_ratio(study_2, spec, replace(spec, shape=Shape(stepped={"age": (40.0,)})), "age in steps")


def test_a_model_is_not_tested_against_itself_or_a_smaller_or_another_one(study_2):
    spec = Specification(model=Model.MIN_DELTA)
    with pytest.raises(EstimationError, match="adds no parameter"):
        likelihood_ratio(study_2, spec, spec, "nothing")
    with pytest.raises(EstimationError, match="does not contain"):
        likelihood_ratio(study_2, replace(spec, order_effect=True), spec, "less")
    other = replace(spec, model=Model.RAO_KUPPER, effects=EffectKind.ATTRIBUTES)
    with pytest.raises(EstimationError, match="not nested"):
        likelihood_ratio(study_2, spec, other, "another rule")
    with pytest.raises(EstimationError, match="single maximum"):
        order_effect(study_2, Specification(model=Model.DOM))


def _in_two_groups(*, pulls, effects, seed):
    rng = np.random.default_rng(seed)
    levels = np.array([20.0, 40.0, 60.0, 80.0])
    columns = []
    for person in range(80):
        group = person % 2
        for _ in range(15):
            left, right = rng.permutation(4)[:2]
            half = effects[group] * (levels[left] - levels[right]) / 40
            p = np.exp([half, -half, pulls[group]])
            columns.append((left, right, rng.choice(3, p=p / p.sum()), person, group))
    left, right, choice, person, group = zip(*columns, strict=True)
    age = NumericAttribute(name="age", label="Age", minimum=20, maximum=80)
    return answered(
        "abcd",
        (left, right, choice, person),
        attributes=(age,),
        profiles=tuple(Profile((("age", v),)) for v in (20, 40, 60, 80)),
        group=group,
        groups=("people", "models"),
    )


def test_groups_that_differ_in_their_pull_are_told_apart():
    spec = Specification(model=Model.MIN_DELTA)
    apart = _in_two_groups(pulls=(0.5, -0.7), effects=(-1, -1), seed=1)
    alike = _in_two_groups(pulls=(0.0, 0.0), effects=(-1, -1), seed=2)

    found = pull_by_group(apart, spec)
    assert (found.df, found.wald_df) == (1, 79)
    assert found.wald_p < 1e-4
    assert pull_by_group(alike, spec).wald_p > 0.01
    assert effects_by_group(apart, spec).wald_p > 0.01


def test_groups_that_differ_in_their_effects_are_told_apart():
    spec = Specification(model=Model.MIN_DELTA)
    apart = _in_two_groups(pulls=(0.0, 0.0), effects=(-1.2, -0.2), seed=3)

    assert effects_by_group(apart, spec).wald_p < 1e-4
    assert {t.question for t in standard_tests(apart, spec) if isinstance(t, LikelihoodRatio)} >= {
        "pull of indecision by group",
        "attribute effects by group",
        "being shown first",
        "free profiles beyond attributes",
    }


def test_more_parameters_than_clusters_leave_no_wald_test():
    rng = np.random.default_rng(5)
    n = 400
    left = rng.integers(6, size=n)
    right = (left + rng.integers(1, 6, size=n)) % 6
    age = NumericAttribute(name="age", label="Age", minimum=0, maximum=5)
    data = answered(
        "abcdef",
        (left, right, rng.integers(3, size=n), rng.integers(3, size=n)),
        attributes=(age,),
        profiles=tuple(Profile((("age", v),)) for v in range(6)),
    )
    found = attributes_against_profiles(data, Specification(model=Model.MIN_DELTA))

    assert found.df == 4
    assert found.n_clusters == 3
    assert found.wald_f is None
    assert found.wald_p is None
    assert found.robust_p == found.adjusted_p


def test_what_the_data_do_not_allow_is_listed_with_the_reason(study_2, shared):
    found = standard_tests(study_2, Specification(model=Model.MIN_DELTA))
    missing = [t for t in found if isinstance(t, NoTest)]

    assert [t.question for t in missing] == ["free profiles beyond attributes"]
    assert "690 profiles" in missing[0].reason
    text = "\n".join(test_lines(found))
    assert "free profiles beyond attributes: not tested" in text
    assert "being shown first: LR 0.07 on 1 df" in text
    study_1 = choice_data(import_published("mcelfresh2021", shared("data/humans/study_1.csv")))
    with pytest.raises(EstimationError, match="2 groups that were never compared"):
        attributes_against_profiles(study_1, Specification(model=Model.MIN_DELTA))


def test_a_larger_model_without_an_estimate_is_no_test():
    # The side decides every answer: its effect runs away.
    data = counted("abc", [0, 1, 2], [1, 2, 0], [[9, 0, 2], [8, 0, 3], [7, 0, 3]])
    with pytest.raises(Separated, match="shown first"):
        order_effect(data, DAVIDSON)
