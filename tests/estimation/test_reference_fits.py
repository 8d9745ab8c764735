"""Published and independently computed estimates, each with its source beside it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from estimation.dataset import choice_data, counted
from estimation.effects import EffectKind
from estimation.fitting import fit
from estimation.specification import Model, Specification
from survey.design import NumericAttribute, Profile
from survey.published_answers import import_published

SCALING = [35, 2.5, 1, 1]
"""From log-strength per year, drink, dependent to utilities of (age-25)/70, (drinks-1)/5, dependents/2."""


@pytest.fixture(scope="module")
def study_2(shared):
    return choice_data(import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")))


@pytest.fixture(scope="module")
def reference(shared):
    return json.loads(shared("reference/comparisons_python.json").read_text())


@pytest.fixture(scope="module")
def from_r(shared):
    return json.loads(shared("reference/comparisons_r.json").read_text())


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.fixture(scope="module")
def puddings(shared):
    table = rows(shared("data/comparisons/pudding_davidson1970.csv"))
    return counted(
        "123456",
        [int(r["i"]) - 1 for r in table],
        [int(r["j"]) - 1 for r in table],
        [[float(r[c]) for c in ("w_ij", "w_ji", "t_ij")] for r in table],
    )


def of_profiles(data, model, **choices):
    return fit(data, Specification(model=model, effects=EffectKind.PROFILES, **choices))


@pytest.mark.parametrize(
    ("model", "name", "log_likelihood"),
    [
        (Model.MIN_DELTA, "min_delta", -4128.03),
        (Model.RAO_KUPPER, "rao_kupper", -4109.50),
        (Model.MIN_U, "min_U", -4360.69),
        (Model.MAX_U, "max_U", -4449.12),
        (Model.DOM, "dom", -4536.08),
        (Model.MAX_DELTA, "max_delta", -4717.75),
    ],
)
def test_every_model_of_indecision_reaches_its_maximum_on_study_2(
    study_2, reference, model, name, log_likelihood
):
    # Independent fits of the same data; max-U and max-delta have kinks, at which the search must not stop.
    own = fit(study_2, Specification(model=model, effects=EffectKind.ATTRIBUTES, n_starts=8))

    assert own.log_likelihood == pytest.approx(log_likelihood, abs=0.005)
    assert own.log_likelihood >= reference[name]["loglik"] - 1e-4
    parameters = own.values.copy()
    # Utilities are half a log-strength where the scores are +-d/2; Rao and Kupper's reference gives log c.
    if model in (Model.MIN_DELTA, Model.MAX_DELTA):
        parameters *= SCALING
    elif model is Model.RAO_KUPPER:
        parameters = np.append(parameters[:3] * [70, 5, 2], np.log(parameters[3]))
    else:
        return
    assert parameters == pytest.approx(reference[name]["par"], abs=2e-4)


def test_min_delta_on_study_2_to_many_digits(study_2, reference):
    own = fit(study_2, Model.MIN_DELTA)

    assert own.log_likelihood == pytest.approx(reference["min_delta"]["loglik"], abs=1e-8)
    assert own.values * SCALING == pytest.approx(reference["min_delta"]["par"], abs=1e-7)
    assert own.checks.residual < 1e-9


def test_intervals_cluster_by_person_and_are_two_to_three_times_the_naive_ones(study_2):
    # Measured independently in the reference's scaling: cluster sandwich (.227 .134 .102 .120), Hessian (.090 …).
    errors = np.sqrt(np.diag(fit(study_2, Model.MIN_DELTA).covariance)) * SCALING
    assert errors == pytest.approx([0.227, 0.134, 0.102, 0.120], abs=0.002)


def test_indecision_by_attribute_distance_on_study_2(study_2):
    # The reference scales distances by the authors' divisors 70, 5, 2; the design's own ranges do better.
    def by_distance(data):
        return fit(data, Specification(model=Model.MIN_DELTA, by_distance=True)).log_likelihood

    theirs = tuple(
        NumericAttribute(name=name, label=name, minimum=0, maximum=top)
        for name, top in (("age", 70), ("drinks", 5), ("dependents", 2))
    )
    assert by_distance(replace(study_2, attributes=theirs)) == pytest.approx(-4049.93, abs=0.005)
    assert by_distance(study_2) == pytest.approx(-4040.50, abs=0.005)


def test_forced_answers_of_the_strict_group_are_better_explained_by_a_coin(shared, study_2):
    # q of McElfresh et al. (2021), both groups of Study 2 jointly; without it the joint fit is -6725.11.
    people = import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv"))
    strict = import_published("mcelfresh2021", shared("data/humans/study_2_strict.csv"))
    data = choice_data(replace(people, answers=[*people.answers[::8], *strict.answers[::8]]))

    joint = fit(data, Model.MIN_DELTA)
    forced = fit(data, Specification(model=Model.MIN_DELTA, forced=True, n_starts=3))

    assert forced.n_parameters == joint.n_parameters + 1
    assert forced.log_likelihood > joint.log_likelihood
    assert "log-odds of settling by coin" in forced.others


def test_conditional_logit_of_both_groups_of_study_2(shared, study_2):
    strict = choice_data(import_published("mcelfresh2021", shared("data/humans/study_2_strict.csv")))
    forced, decided = fit(strict, Model.CONDITIONAL_LOGIT), fit(study_2, Model.CONDITIONAL_LOGIT)

    assert forced.values == pytest.approx([-0.06986, -0.42895, 0.76747], abs=5e-6)
    assert forced.log_likelihood == pytest.approx(-2552.253, abs=5e-4)
    assert decided.values == pytest.approx([-0.06937, -0.55151, 1.14798], abs=5e-6)
    assert decided.log_likelihood == pytest.approx(-1838.007, abs=5e-4)
    assert decided.n_answers == 4403


def test_davidson_of_the_puddings_is_the_published_fit(puddings, from_r, reference):
    # Davidson (1970) by R's PlackettLuce, converged (its 7 iterations "to match the paper" give other digits).
    own = of_profiles(puddings, Model.DAVIDSON)

    assert own.values[1:6] - own.values[0] == pytest.approx(from_r["pudding_PL"]["coef_ref1"][1:6], abs=1e-9)
    assert np.exp(own.indecision.value) == pytest.approx(0.7468229877, abs=1e-9)
    assert own.log_likelihood == pytest.approx(-809.70951009, abs=1e-8)
    assert own.values == pytest.approx(
        [*reference["pudding_davidson"]["theta_sum0"], reference["pudding_davidson"]["tie"]], abs=1e-9
    )


def test_quasi_variances_of_the_puddings_are_those_of_qvcalc(puddings, from_r):
    # qvcalc on PlackettLuce's model-based covariance; ours is robust, so ours is given theirs.
    from estimation.uncertainty import quasi_variances

    table = from_r["pudding_PL"]
    covariance = np.array(table["vcov"])[:6, :6]

    ours = quasi_variances(covariance)
    theirs = [row["quasiVar"] for row in table["qv"]]
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_rao_kupper_and_min_u_of_the_puddings(puddings, reference, from_r):
    rk, min_u = of_profiles(puddings, Model.RAO_KUPPER), of_profiles(puddings, Model.MIN_U)

    assert rk.log_likelihood == pytest.approx(-809.6971335, abs=1e-7)
    assert rk.values[:6] == pytest.approx(reference["pudding_rao_kupper"]["theta_sum0"], abs=1e-8)
    assert rk.indecision.value == pytest.approx(reference["pudding_rao_kupper"]["tie"], abs=1e-8)
    # VGAM's bratt; printed digits.
    assert min_u.log_likelihood == pytest.approx(reference["pudding_min_U"]["loglik"], abs=1e-8)
    against_first = min_u.values[:6] - min_u.values[0]
    assert against_first == pytest.approx(reference["pudding_min_U"]["theta_ref1"], abs=5e-7)
    # Utilities and lambda have one origin: with the first profile at 0 as in the reference, lambda moves along.
    assert min_u.indecision.value - min_u.values[0] == pytest.approx(
        reference["pudding_min_U"]["lam"], abs=5e-7
    )


def test_the_citation_counts_of_stigler_give_bradleyterry2s_estimates_and_quasi_standard_errors(
    shared, from_r
):
    table = [
        r for r in rows(shared("data/comparisons/citations_stigler1994.csv")) if r["cited"] != r["citing"]
    ]
    names = sorted({r["cited"] for r in table})
    data = counted(
        names,
        [names.index(r["cited"]) for r in table],
        [names.index(r["citing"]) for r in table],
        [[float(r["Freq"]), 0, 0] for r in table],
    )
    own = of_profiles(data, Model.BRADLEY_TERRY)
    got = dict(zip(own.names, own.values, strict=True))

    for row in from_r["citations"]:
        journal = row["_row"].removeprefix("journal")
        assert got[journal] - got["Biometrika"] == pytest.approx(row["Estimate"], abs=1e-7)
    assert own.checks.newton_difference < 1e-6


def test_the_citation_counts_of_stigler_give_the_quasi_standard_errors_of_bradleyterry2(shared, from_r):
    # Theirs rest on the model's own covariance: take the inverse information, not the robust one.
    from estimation.bradley_terry import by_choix, centered_inverse, information, pair_counts
    from estimation.uncertainty import quasi_variances

    table = [
        r for r in rows(shared("data/comparisons/citations_stigler1994.csv")) if r["cited"] != r["citing"]
    ]
    theirs = {row["journal"]: row["quasiSE"] for row in from_r["citations_qv"]}
    names = list(theirs)
    data = counted(
        names,
        [names.index(r["cited"]) for r in table],
        [names.index(r["citing"]) for r in table],
        [[float(r["Freq"]), 0, 0] for r in table],
    )
    pairs = pair_counts(data.win_counts())
    covariance = centered_inverse(information(pairs, by_choix(pairs).values))

    assert np.sqrt(quasi_variances(covariance)) == pytest.approx(list(theirs.values()), abs=1e-6)


def test_baseball_with_and_without_the_advantage_of_playing_at_home(shared, from_r):
    # Agresti (2002) by BradleyTerry2: home advantage .3023; deviance 44.05 -> 38.64.
    table = rows(shared("data/comparisons/baseball_agresti2002.csv"))
    names = sorted({r["home.team"] for r in table})
    data = counted(
        names,
        [names.index(r["home.team"]) for r in table],
        [names.index(r["away.team"]) for r in table],
        [[float(r["home.wins"]), float(r["away.wins"]), 0] for r in table],
    )
    plain = of_profiles(data, Model.BRADLEY_TERRY)
    at_home = of_profiles(data, Model.BRADLEY_TERRY, order_effect=True)

    for own, theirs in ((plain, from_r["baseball1"]), (at_home, from_r["baseball2"])):
        got = dict(zip(own.names, own.values, strict=True))
        for row in theirs:
            team = row["_row"].removeprefix("team")
            if team in got:
                assert got[team] - got["Baltimore"] == pytest.approx(row["Estimate"], abs=1e-7)
    assert at_home.others["shown first"].value == pytest.approx(0.3023, abs=5e-5)
    fall = 2 * (at_home.log_likelihood - plain.log_likelihood)
    deviance = from_r["baseball_dev"]
    assert fall == pytest.approx(deviance[0] - deviance[1], abs=1e-6)


def test_springalls_foods_by_davidsons_model(shared, from_r):
    table = rows(shared("data/comparisons/springall_contests.csv"))
    names = [str(i) for i in range(1, 10)]
    data = counted(
        names,
        [names.index(r["row"]) for r in table],
        [names.index(r["col"]) for r in table],
        [[float(r["win"]), float(r["loss"]), float(r["tie"])] for r in table],
    )
    own = of_profiles(data, Model.DAVIDSON)

    theirs = {row["_row"]: row["Estimate"] for row in from_r["springall"]["free"]}
    assert own.indecision.value == pytest.approx(theirs.pop("tie"), abs=1e-6)
    assert len(theirs) == 8
    for food, estimate in theirs.items():
        got = own.values[names.index(food.removeprefix("o"))] - own.values[0]
        assert got == pytest.approx(estimate, abs=1e-6)


def test_a_lizard_that_always_won_is_separated_and_kept_finite_only_by_prior_answers(shared):
    # lizard096 won every contest: BradleyTerry2 prints 16.4 with a standard error of 1195.
    table = rows(shared("data/comparisons/flatlizards_contests.csv"))
    names = sorted({r[side] for r in table for side in ("winner", "loser")})
    island = {"lizard011", "lizard060", "lizard024", "lizard053", "lizard026", "lizard047", "lizard058"}
    kept = [r for r in table if r["winner"] not in island]
    names = sorted({r[side] for r in kept for side in ("winner", "loser")})
    data = counted(
        names,
        [names.index(r["winner"]) for r in kept],
        [names.index(r["loser"]) for r in kept],
        [[1, 0, 0]] * len(kept),
    )
    own = of_profiles(data, Model.BRADLEY_TERRY)

    assert own.gate.outcome == "regularized"
    assert "lizard096" in own.gate.graph.only_won
    assert np.abs(own.values).max() < 10
    assert Profile((("profile", "lizard096"),)) in own.weights.profiles


def test_lizards_by_their_attributes_as_in_bradleyterry2(shared, from_r):
    # Two lizards lack measurements and get a parameter of their own there; lizard096 won everything, so that its
    # contests say nothing of the others, and lizard099 is an attribute here.
    measured = ("throat.PC1", "throat.PC3", "head.length", "SVL")
    predictors = {
        f"lizard{r['id'].zfill(3)}": r for r in rows(shared("data/comparisons/flatlizards_predictors.csv"))
    }
    contests = [
        r
        for r in rows(shared("data/comparisons/flatlizards_contests.csv"))
        if "lizard096" not in (r["winner"], r["loser"])
    ]
    attributes = tuple(
        NumericAttribute(name=name, label=name, minimum=-50, maximum=50) for name in (*measured, "is099")
    )

    def lizard(name):
        if name == "lizard099":
            return Profile((*((m, 0.0) for m in measured), ("is099", 1.0)), name=name)
        values = tuple((m, float(predictors[name][m])) for m in measured)
        return Profile((*values, ("is099", 0.0)), name=name)

    names = sorted({r[side] for r in contests for side in ("winner", "loser")})
    data = counted(
        names,
        [names.index(r["winner"]) for r in contests],
        [names.index(r["loser"]) for r in contests],
        [[1, 0, 0]] * len(contests),
        attributes=attributes,
        profiles=tuple(map(lizard, names)),
    )
    own = fit(data, Model.CONDITIONAL_LOGIT)

    theirs = {
        r["_row"].removesuffix("[..]").removeprefix("..lizard"): r["Estimate"]
        for r in from_r["flatlizards_fixed"]
    }
    got = dict(zip(own.names, own.values, strict=True))
    for name in measured:
        assert got[name] == pytest.approx(theirs[name], abs=1e-6)
    assert got["is099"] == pytest.approx(theirs["099"], abs=1e-6)
