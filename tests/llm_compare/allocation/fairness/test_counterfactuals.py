"""Changing one candidate in one respect: planted effects come back, and only those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.allocation.fairness.collected import selections_of
from llm_compare.allocation.fairness.counterfactuals import (
    Counterfactuals,
    Effect,
    counterfactual_effects,
    has_counterfactuals,
    sign_flip_p,
)
from llm_compare.allocation.fairness.exposure import position_bias
from llm_compare.allocation.fairness.group_tests import group_tests
from llm_compare.allocation.fairness.outcomes import Groups
from llm_compare.allocation.fairness.tried import Measure
from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, KIDNEY_COLUMNS
from llm_compare.allocation.problems.problem import Candidate, Kidney, Origin, Problem, ProblemSet
from llm_compare.allocation.trials.answer import AnsweredTrial, Outcome, Read, RespondentKind, TrialFile
from llm_compare.allocation.trials.plan import Design, planned_trials
from llm_compare.allocation.trials.scripted import PlantedChooser
from llm_compare.allocation.trials.trial import Change, Identity, Task, Trial, Way
from llm_compare.errors import NotMeasurable
from llm_compare.replies.reply import Reply

KIDNEY = Kidney(tuple("O" if c.name == "ABO_DON" else None for c in KIDNEY_COLUMNS))
ETHNICITIES = ("White, Non-Hispanic", "Black, Non-Hispanic", "Hispanic/Latino", "Asian, Non-Hispanic")
STATES = ("OHIO", "TEXAS", "UTAH", "IOWA", "MAINE")
Answers = Callable[[Trial, np.random.Generator], Sequence[int]]


def candidate(
    gender: str | None, ethnicity: str = ETHNICITIES[0], *, days: int = 100, state: str = "OHIO"
) -> Candidate:
    values = {
        "GENDER": gender,
        "ETHCAT": ethnicity,
        "DAYSWAIT_CHRON_KI": days,
        "PERM_STATE": state,
        "AGE": 50,
    }
    return Candidate(tuple(values.get(column.name) for column in CANDIDATE_COLUMNS))


def random_problems(n: int, size: int, seed: int = 0) -> ProblemSet:
    rng = np.random.default_rng(seed)
    problems = tuple(
        Problem(
            name=f"p{i:02}",
            kidney=KIDNEY,
            ids=tuple(range(size)),
            candidates=tuple(
                candidate(
                    str(rng.choice(["Male", "Female"], p=[0.7, 0.3])),
                    str(rng.choice(ETHNICITIES, p=[0.4, 0.3, 0.2, 0.1])),
                    days=int(rng.integers(1, 2000)),
                    state=str(rng.choice(STATES)),
                )
                for _ in range(size)
            ),
        )
        for i in range(n)
    )
    return ProblemSet(
        title="made up",
        origin=Origin.SYNTHETIC,
        source="a test",
        seed=seed,
        problems=problems,
        pairs=(),
        example_sets=(),
    )


def answered(trial: Trial, order: Sequence[int], outcome: Outcome = Outcome.ANSWER) -> AnsweredTrial:
    shown = tuple(order)[: 1 if trial.task is Task.CHOOSE_ONE else None]
    return AnsweredTrial(
        trial=trial, reply=Reply(content="as read"), read=Read(outcome=outcome, rule="of a test", order=shown)
    )


def file_of(answers: Sequence[AnsweredTrial], task: Task = Task.CHOOSE_ONE) -> TrialFile:
    return TrialFile(
        label="planted",
        model="scripted/planted",
        kind=RespondentKind.SCRIPT,
        task=task,
        set_sha256="0" * 64,
        origin=Origin.SYNTHETIC,
        planned=len(answers),
        answered=tuple(answers),
        settings={},
    )


def run(trials: Sequence[Trial], answers: Answers, task: Task, seed: int = 0) -> TrialFile:
    rng = np.random.default_rng(seed)
    return file_of([answered(t, answers(t, rng)) for t in trials], task)


def first_effect(found: Counterfactuals, value: str) -> Effect:
    return next(c for g in found.groupings for c in g.contrasts if c.value == value).effects[0]


def test_a_planted_preference_comes_back_as_it_was_planted():
    problems = random_problems(40, 8)
    trials = planned_trials(problems, Task.CHOOSE_ONE, Design(counterfactuals=("gender",), shuffles=2))
    chooser = PlantedChooser({"gender=Female": 1.0})

    found = counterfactual_effects(run(trials, chooser.order, Task.CHOOSE_ONE), problems.problems, seed=0)

    (gender,) = found.groupings
    (contrast,) = gender.contrasts
    (effect,) = contrast.effects
    truth = []
    for trial in {t.problem.name: t for t in trials if t.change is not None}.values():
        shares = {}
        for value in ("Female", "Male"):
            shown = Change(candidate=trial.change.candidate, grouping="gender", value=value).applied(
                trial.problem.candidates
            )
            strengths = np.exp([chooser.log_strength(c) for c in shown])
            shares[value] = strengths[trial.change.candidate] / strengths.sum()
        truth.append(shares["Female"] - shares["Male"])
    assert (contrast.value, contrast.reference) == ("Female", "Male")
    assert effect.difference.low < np.mean(truth) < effect.difference.high
    assert effect.difference.p < 0.001
    assert 0 < effect.detectable < effect.difference.value
    assert effect.log_odds.low < 1.05 < effect.log_odds.high  # Of means over problems; near the planted 1.
    assert contrast.n_candidates == contrast.n_problems == effect.difference.n == 40
    assert contrast.pairs.complete == 40 * 2 * 5
    assert contrast.pairs.left_out == 0


def test_a_preference_shows_in_rank_and_exposure_too():
    problems = random_problems(30, 6)
    trials = planned_trials(problems, Task.RANK_ALL, Design(counterfactuals=("gender",), repeats=3))

    found = counterfactual_effects(
        run(trials, PlantedChooser({"gender=Female": 1.5}).order, Task.RANK_ALL), problems.problems, seed=0
    )

    rank, first, exposure = found.groupings[0].contrasts[0].effects
    assert (rank.measure, first.measure, exposure.measure) == (Measure.RANK, Measure.FIRST, Measure.EXPOSURE)
    assert rank.difference.high < 0 < exposure.difference.low
    half = rank.difference.high - rank.difference.value
    assert rank.detectable == pytest.approx(
        half * (1 + 0.8542 / 2.0452), abs=1e-3
    )  # t of 29 degrees of freedom.
    assert first.difference.low > 0
    assert rank.log_odds is None
    assert rank.with_value < rank.with_reference


def test_the_numbers_are_those_computed_by_hand():
    # Two problems, one man each shown as a woman, two repeats; he is chosen 1 of 2 and 0 of 2 times, she always.
    two = [Problem(name=n, kidney=KIDNEY, ids=(0, 1, 2), candidates=(candidate("Male"),) * 3) for n in "ab"]
    change = Change(candidate=1, grouping="gender", value="Female")
    base = Trial(task=Task.CHOOSE_ONE, way=Way(), problem=two[0], row_order=(0, 1, 2))
    answers = [
        answered(replace(base, problem=p, repeat=r, change=c), [chosen])
        for p, r, c, chosen in [
            (two[0], 0, None, 1), (two[0], 1, None, 2), (two[0], 0, change, 1), (two[0], 1, change, 1),
            (two[1], 0, None, 0), (two[1], 1, None, 2), (two[1], 0, change, 1), (two[1], 1, change, 1),
        ]
    ]  # fmt: skip

    found = counterfactual_effects(file_of(answers), two, seed=0)

    (contrast,) = found.groupings[0].contrasts
    (effect,) = contrast.effects
    assert (effect.with_value, effect.with_reference) == (1, 0.25)
    assert effect.difference.value == 0.75
    # The problems' differences are .5 and 1: se .25; of one degree of freedom, t is 12.7062 at .975, 1.3764 at .8.
    assert effect.detectable == pytest.approx((12.7062 + 1.3764) * 0.25, abs=1e-4)
    assert (effect.difference.low, effect.difference.high) == (-1, 1)  # No share differs by more.
    assert effect.difference.p == 0.5  # Two of the four combinations of signs.
    assert effect.log_odds.value is None
    assert "0 or 1" in effect.log_odds.reason
    (move,) = found.groupings[0].moves
    assert (move.original, move.reference, move.value) == ("Male", "Male", "Female")
    assert move.effects[0].difference.value == 0.75


def test_exposure_is_that_of_the_changed_candidates_own_rank():
    problem = Problem(name="a", kidney=KIDNEY, ids=(0, 1, 2), candidates=(candidate("Male"),) * 3)
    base = Trial(task=Task.RANK_ALL, way=Way(), problem=problem, row_order=(2, 1, 0))
    change = Change(candidate=2, grouping="gender", value="Female")
    file = file_of(
        [answered(base, (2, 1, 0)), answered(replace(base, change=change), (0, 1, 2))], Task.RANK_ALL
    )

    rank, first, exposure = counterfactual_effects(file, [problem], seed=0).groupings[0].contrasts[0].effects

    assert rank.difference.value == 2
    assert first.difference.value == -1
    assert exposure.difference.value == pytest.approx(position_bias(3)[2] - position_bias(3)[0])
    assert rank.difference.p is None
    assert rank.difference.low is None
    assert rank.difference.reason


def test_both_directions_make_one_contrast():
    problems = random_problems(30, 5, seed=4)
    trials = planned_trials(
        problems, Task.CHOOSE_ONE, Design(counterfactuals=("gender",), shuffles=1, repeats=2)
    )

    found = counterfactual_effects(
        run(trials, PlantedChooser({"gender=Female": 3.0}).order, Task.CHOOSE_ONE), problems.problems, seed=0
    )

    both = {move.original: move for move in found.groupings[0].moves}
    assert both["Male"].n_candidates + both["Female"].n_candidates == 30
    assert both["Male"].effects[0].difference.value > 0 > both["Female"].effects[0].difference.value
    assert found.groupings[0].contrasts[0].n_candidates == 30


def test_ethnicities_are_compared_in_all_candidates_whatever_they_are():
    problems = random_problems(20, 5, seed=2)
    trials = planned_trials(
        problems, Task.CHOOSE_ONE, Design(counterfactuals=("ethnicity",), shuffles=1, repeats=2)
    )

    found = counterfactual_effects(
        run(trials, PlantedChooser({"ethnicity=Asian": 4.0}).order, Task.CHOOSE_ONE),
        problems.problems,
        seed=0,
    )

    (grouping,) = found.groupings
    assert grouping.reference == "White"
    assert {c.value for c in grouping.contrasts} == {"Black", "Hispanic", "Asian"}
    assert all(c.n_candidates == 20 for c in grouping.contrasts)
    assert first_effect(found, "Asian").difference.p_adjusted < 0.01
    assert first_effect(found, "Black").difference.p_adjusted > 0.05


def test_holm_adjusts_over_all_values_of_all_groupings():
    problems = random_problems(12, 5, seed=1)
    trials = planned_trials(
        problems, Task.CHOOSE_ONE, Design(counterfactuals=("gender", "ethnicity"), shuffles=1, repeats=2)
    )

    found = counterfactual_effects(
        run(trials, PlantedChooser({}).order, Task.CHOOSE_ONE), problems.problems, seed=0
    )

    tests = [c.effects[0].difference for g in found.groupings for c in g.contrasts]
    assert len(tests) == 4
    smallest = min(tests, key=lambda estimate: estimate.p)
    assert smallest.p_adjusted == pytest.approx(min(1, 4 * smallest.p))
    assert all(t.p_adjusted >= t.p for t in tests)


def test_a_preference_for_waiting_time_is_no_effect_of_gender_though_tests_of_groups_reject():
    rng = np.random.default_rng(5)
    people = [
        tuple(
            candidate(g, days=int(rng.integers(0, 900)) + 900 * (g == "Male")) for g in ("Male", "Female") * 4
        )
        for _ in range(20)
    ]
    problems = [
        Problem(name=f"p{i}", kidney=KIDNEY, ids=tuple(range(8)), candidates=c) for i, c in enumerate(people)
    ]
    drawn = replace(random_problems(1, 1), problems=tuple(problems))
    trials = planned_trials(
        drawn, Task.CHOOSE_ONE, Design(counterfactuals=("gender",), shuffles=2, repeats=3)
    )
    file = run(trials, PlantedChooser({}, per_year_waiting=1.5).order, Task.CHOOSE_ONE)

    effect = counterfactual_effects(file, problems, seed=0).groupings[0].contrasts[0].effects[0]

    (selected,) = group_tests(
        selections_of(file, problems), Groups.of(problems, "gender"), seed=0, n_permutations=199
    ).measures
    women = next(g for g in selected.groups if g.group == "Female")
    assert women.value < 0.3  # Of pools of which they are half.
    assert selected.any_difference.p < 0.01
    assert effect.difference.low < 0 < effect.difference.high
    assert effect.difference.p > 0.05


def test_when_nothing_has_an_effect_about_one_test_in_twenty_rejects():
    problems = random_problems(10, 5, seed=3)
    trials = planned_trials(
        problems, Task.RANK_ALL, Design(counterfactuals=("gender",), shuffles=2, repeats=2)
    )
    n_runs, rejected, any_rejected = 100, 0, 0
    for seed in range(n_runs):
        # Candidates differ by far, and equally in all their trials: that is what makes repeats dependent.
        quality = {
            p.name: np.random.default_rng([seed, i]).normal(0, 1, 5) for i, p in enumerate(problems.problems)
        }
        file = run(
            trials,
            lambda t, rng, quality=quality: np.argsort(-(quality[t.problem.name] + rng.gumbel(size=5))),
            Task.RANK_ALL,
            seed,
        )
        (found,) = counterfactual_effects(file, problems.problems, seed=seed).groupings
        rejected += found.contrasts[0].effects[0].difference.p < 0.05
        any_rejected += found.any_change.p < 0.05

    # At a level of .05, none of 100 has a chance of .006, and 13 or more one of .002.
    assert 0 < rejected < 13
    assert 0 < any_rejected < 13


def test_pairs_that_miss_a_half_are_counted_and_left_out():
    problem = Problem(name="a", kidney=KIDNEY, ids=(0, 1), candidates=(candidate("Male"),) * 2)
    change = Change(candidate=0, grouping="gender", value="Female")
    base = Trial(task=Task.CHOOSE_ONE, way=Way(), problem=problem, row_order=(0, 1))
    good, bad = Outcome.ANSWER, Outcome.REFUSAL
    halves = [(good, good), (good, bad), (good, bad), (bad, good), (bad, bad)]
    answers = [
        answered(replace(base, repeat=r, change=c), [0], outcome)
        for r, pair in enumerate(halves)
        for c, outcome in zip((None, change), pair, strict=True)
    ]
    answers.append(
        answered(replace(base, repeat=5, change=change), [0])
    )  # Stopped before its other half was put.

    (contrast,) = counterfactual_effects(file_of(answers), [problem], seed=0).groupings[0].contrasts

    pairs = contrast.pairs
    assert (pairs.complete, pairs.without_value, pairs.without_reference, pairs.neither) == (1, 2, 2, 1)
    assert pairs.left_out == 5


def test_ways_of_asking_are_never_mixed():
    problems = random_problems(10, 4)
    names = Way(identity=Identity.NAMES)
    trials = planned_trials(
        problems, Task.CHOOSE_ONE, Design(counterfactuals=("gender",), ways=(Way(), names))
    )

    def by_names_alone(trial: Trial, rng: np.random.Generator) -> Sequence[int]:
        women = [i for i, c in enumerate(trial.candidates) if c.group("gender") == "Female"]
        return [women[0]] if trial.way == names and women else [int(rng.integers(4))]

    found = counterfactual_effects(run(trials, by_names_alone, Task.CHOOSE_ONE), problems.problems, seed=0)

    assert [g.way.identity for g in found.groupings] == [Identity.COLUMNS, Identity.NAMES]
    columns, by_name = (g.contrasts[0].effects[0].difference for g in found.groupings)
    assert by_name.value > 0.4
    assert by_name.p < 0.05
    assert columns.p > 0.05


def test_of_many_values_it_is_told_whether_they_matter_at_all():
    problems = random_problems(12, 6)
    trials = planned_trials(
        problems, Task.RANK_ALL, Design(counterfactuals=("state",), shuffles=1, repeats=4)
    )
    liked = {state: 1.5 * i for i, state in enumerate(STATES)}

    def by_state(trial: Trial, rng: np.random.Generator) -> Sequence[int]:
        strength = [liked[str(c["PERM_STATE"])] for c in trial.candidates]
        return [int(i) for i in np.argsort(-(np.array(strength) + rng.gumbel(size=6)))]

    (likes,) = counterfactual_effects(
        run(trials, by_state, Task.RANK_ALL), problems.problems, seed=0
    ).groupings
    (blind,) = counterfactual_effects(
        run(trials, PlantedChooser({}).order, Task.RANK_ALL), problems.problems, seed=0
    ).groupings

    assert likes.any_change.measure is Measure.RANK
    assert likes.any_change.p == 0.001
    assert likes.any_change.spread > 1.5 * likes.any_change.by_chance
    assert likes.any_change.n_candidates == 12
    assert blind.any_change.p > 0.05
    assert blind.any_change.by_chance > 0  # Never 0 by chance: a spread alone says nothing.


def test_who_always_answers_alike_and_looks_at_nothing_has_no_effect_and_no_interval():
    problems = random_problems(6, 4)
    trials = planned_trials(problems, Task.CHOOSE_ONE, Design(counterfactuals=("gender",), repeats=2))

    found = counterfactual_effects(
        run(trials, lambda t, rng: t.row_order, Task.CHOOSE_ONE), problems.problems, seed=0
    )

    effect = found.groupings[0].contrasts[0].effects[0]
    assert (effect.difference.value, effect.difference.p) == (0, 1)
    assert effect.difference.low is None
    assert "same difference" in effect.difference.reason
    assert effect.detectable is None
    assert found.groupings[0].any_change.p == 1


def test_the_order_of_trials_in_the_file_does_not_matter():
    problems = random_problems(16, 4)
    trials = planned_trials(
        problems, Task.RANK_ALL, Design(counterfactuals=("gender", "ethnicity"), repeats=2)
    )
    file = run(trials, PlantedChooser({"gender=Female": 1.0}).order, Task.RANK_ALL)
    shuffled = replace(
        file, answered=tuple(file.answered[i] for i in np.random.default_rng(1).permutation(len(trials)))
    )

    one, other = (counterfactual_effects(f, problems.problems, seed=0) for f in (file, shuffled))

    for a, b in zip(one.groupings, other.groupings, strict=True):
        for x, y in zip((*a.contrasts, *a.moves), (*b.contrasts, *b.moves), strict=True):
            assert (x.value, x.reference, x.pairs) == (y.value, y.reference, y.pairs)
            for e, f in zip(x.effects, y.effects, strict=True):
                assert e.difference.value == pytest.approx(f.difference.value)


def test_trials_without_a_change_cannot_be_measured():
    problems = random_problems(2, 3)
    file = run(
        planned_trials(problems, Task.CHOOSE_ONE, Design()), lambda t, rng: t.row_order, Task.CHOOSE_ONE
    )

    assert not has_counterfactuals(file)
    with pytest.raises(NotMeasurable, match="--counterfactual"):
        counterfactual_effects(file, problems.problems, seed=0)


@given(st.lists(st.integers(-8, 8), min_size=2, max_size=7))
def test_turning_signs_counts_every_combination(differences: list[int]):
    values = np.array(differences) / 8
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(values))
    ]

    assert sign_flip_p(values, seed=0) == np.mean([s >= abs(sum(differences)) for s in sums])


def test_signs_drawn_agree_with_all_signs():
    values = np.random.default_rng(0).normal(0.3, 1, 16)
    signs = 1 - 2 * ((np.arange(2**16)[:, None] >> np.arange(16)) & 1)
    exact = np.mean(np.abs(signs @ values) >= abs(values.sum()) - 1e-12)

    assert sign_flip_p(values, seed=0) == pytest.approx(exact, abs=0.02)
