"""Flags, and the results with and without those who are flagged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from estimation.dataset import choice_data
from estimation.diagnostics.diagnosis import diagnose
from estimation.diagnostics.flags import Flag, Thresholds, flags_of
from estimation.diagnostics.left_out import ANY_FLAG, with_and_without
from estimation.diagnostics.participants import Participant
from estimation.diagnostics.person_fit import PersonFit
from estimation.diagnostics.triads import Triads
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.specification import Model, Regularize, Specification
from survey.answers import Choice
from survey.attention import Attention
from survey.design_file import example_design

TRIADS = Triads(n_profiles=0, is_complete=False, completed=0, circular=0, most=0)
ATTENTION = Attention(
    main_answered=20,
    checks_answered=2,
    checks_failed=0,
    dominated_answered=2,
    dominated_against=0,
    identical_answered=0,
    identical_decided=0,
    repeats_answered=4,
    repeats_changed=0,
    median_seconds=5.0,
    same_side_share=0.5,
    longest_same_run=3,
    indecision_share=0.0,
)
PERSON = Participant(
    respondent="ann",
    n_answers=20,
    n_decided=20,
    n_waves=1,
    triads=TRIADS,
    n_left=10,
    side_p=1.0,
    n_timed=20,
    fast_share=0.0,
    attention=ATTENTION,
    checks_unknown=0,
    fit=PersonFit(n_answers=20, infit=1, infit_z=0, outfit=1, outfit_z=0, likelihood_z=0),
)


def attentive(**changed) -> Participant:
    return replace(PERSON, attention=replace(ATTENTION, **changed))


def misfit(**changed) -> Participant:
    return replace(PERSON, fit=replace(PERSON.fit, **changed))


@pytest.mark.parametrize(
    ("person", "name", "value"),
    [
        (attentive(checks_failed=1), "failed check", 1),
        (attentive(dominated_against=2), "dominated chosen", 2),
        (attentive(median_seconds=1.9), "fast", 1.9),
        (replace(PERSON, n_left=1, side_p=0.0004), "one side", 0.0004),
        (attentive(longest_same_run=11), "same answer in a row", 0.55),
        (replace(PERSON, triads=replace(TRIADS, completed=20, circular=5, most=9)), "circular", 0.25),
        (misfit(infit=1.6, infit_z=2.1), "infit", 1.6),
        (misfit(outfit=1.6, outfit_z=2.1), "outfit", 1.6),
        (attentive(repeats_changed=3), "repeats changed", 0.75),
    ],
)
def test_each_rule_flags_what_is_just_beyond_its_threshold_with_the_number(person, name, value):
    (flag,) = (f for f in flags_of([person]) if f.name != "faster than others")

    assert (flag.respondent, flag.name, flag.value) == ("ann", name, pytest.approx(value))
    assert flag.rule


@pytest.mark.parametrize(
    "person",
    [
        PERSON,
        attentive(median_seconds=2.0),
        replace(PERSON, side_p=0.001),
        attentive(longest_same_run=10),
        replace(PERSON, triads=replace(TRIADS, completed=20, circular=4, most=9)),
        replace(PERSON, triads=replace(TRIADS, completed=9, circular=9, most=9)),
        misfit(infit=1.6, infit_z=1.9),
        misfit(outfit=1.5, outfit_z=9),
        attentive(repeats_changed=2),
        attentive(repeats_answered=1, repeats_changed=1),
        replace(attentive(longest_same_run=8), n_answers=9),
        replace(attentive(median_seconds=None), fit=None, side_p=None),
    ],
)
def test_nothing_is_flagged_on_a_threshold_or_where_too_little_is_known(person):
    assert flags_of([person]) == ()


def test_speed_is_held_against_the_median_respondent():
    people = [replace(attentive(median_seconds=s), respondent=f"p{s}") for s in (10.0, 10.0, 10.0, 5.1, 4.9)]
    (flag,) = flags_of(people)

    assert (flag.respondent, flag.name) == ("p4.9", "faster than others")
    assert flag.value == pytest.approx(10 / 4.9)


def test_thresholds_are_the_analysts_to_choose():
    lenient = Thresholds(median_seconds_below=1.0, run_above=0.8)
    assert flags_of([attentive(median_seconds=1.9, longest_same_run=15)], thresholds=lenient) == ()
    with pytest.raises(EstimationError, match="run_above"):
        flags_of([PERSON], thresholds=Thresholds(run_above=50))
    with pytest.raises(EstimationError, match="mean_square_above"):
        flags_of([PERSON], thresholds=Thresholds(mean_square_above=float("nan")))


def test_exclusions_that_the_design_states_are_flags_of_their_own():
    design = example_design("kidney-complete")
    assert design.exclusions.failed_checks_above == 0
    flags = flags_of([attentive(checks_failed=1)], design=design)

    assert [f.name for f in flags] == ["failed check", "stated: failed_checks_above"]
    assert flags[1].value == 1
    assert not any("unfinished" in f.name for f in flags_of([PERSON], design=design))


def careless(answers, n: int):
    """Let the last n people choose the left side throughout."""
    who = {f"person-{i}" for i in range(60 - n, 60)}
    return replace(
        answers,
        answers=[replace(a, choice=Choice.LEFT) if a.respondent in who else a for a in answers.answers],
    )


def test_leaving_out_the_careless_brings_the_weights_back_and_nobody_is_dropped(simulated_answers):
    truth = (1.5, 0.9, 0.3, -0.3, -0.9, -1.5)
    answers = careless(simulated_answers(seed=1, n_answers=30, strengths=truth), 12)
    found = diagnose(answers, Specification(model=Model.DAVIDSON))

    assert len(found.participants) == 60
    assert found.fit.n_answers == len(answers.answers)
    side = next(left for left in found.left_out if left.flag == "one side")
    assert set(side.respondents) == {f"person-{i}" for i in range(48, 60)}
    strengths = {c.name: c for c in side.changes}
    everybody = np.array([strengths[name].everybody.value for name in "abcdef"])
    without = np.array([strengths[name].without.value for name in "abcdef"])
    assert np.abs(without - truth).max() < 0.25 < np.abs(everybody - truth).max()
    assert all(c.without.low < c.without.value < c.without.high for c in side.changes)
    assert found.left_out[0].flag == ANY_FLAG
    assert set(found.left_out[0].respondents) == {f.respondent for f in found.flags}


def test_the_error_of_a_shift_is_that_over_random_choices_of_who_is_left_out(simulated_answers):
    answers = simulated_answers(seed=2, n_people=60, n_answers=20, spread=0.8)
    everybody = fit(choice_data(answers), Model.DAVIDSON)
    rng = np.random.default_rng(0)
    shifts = []
    for _ in range(40):
        who = rng.choice(60, 15, replace=False)
        flags = [Flag(respondent=f"person-{i}", name="x", rule="x", value=1.0) for i in who]
        (found,) = with_and_without(answers, everybody, flags)
        shifts += [c.shift_in_errors for c in found.changes]

    assert np.sqrt(np.mean(np.square(shifts))) == pytest.approx(1, abs=0.15)


def test_a_fit_that_the_rest_does_not_allow_is_refused_in_words(simulated_answers):
    answers = simulated_answers(seed=3, n_people=4)
    spec = Specification(model=Model.DAVIDSON, regularize=Regularize.NEVER)
    everybody = fit(choice_data(answers), spec)
    flags = [Flag(respondent=f"person-{i}", name="x", rule="x", value=1.0) for i in range(4)]
    (found,) = with_and_without(answers, everybody, flags)

    assert found.fit is None
    assert "no answers" in found.refused
    assert found.changes == ()


def test_profiles_that_only_the_flagged_compared_do_not_shift_the_scale_of_the_others(simulated_answers):
    answers = simulated_answers(seed=4, n_people=40, n_answers=30)
    kept = [a for a in answers.answers if a.respondent == "person-0" or "f" not in (a.left.id, a.right.id)]
    answers = replace(answers, answers=kept)
    everybody = fit(choice_data(answers), Model.DAVIDSON)
    flag = Flag(respondent="person-0", name="x", rule="x", value=1.0)
    (found,) = with_and_without(answers, everybody, [flag])

    assert [c.name for c in found.changes] == [n for n in everybody.names if n != "f"]
    for side in ("everybody", "without"):
        assert sum(getattr(c, side).value for c in found.changes[:5]) == pytest.approx(0, abs=1e-9)
    assert max(abs(c.without.value - c.everybody.value) for c in found.changes) < 0.1
