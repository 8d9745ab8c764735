"""Scripted respondents do as their names say."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import permutations
from math import exp

import numpy as np
import pytest

from llm_compare.allocation.trials.answer import Outcome
from llm_compare.allocation.trials.conversation import Addressee
from llm_compare.allocation.trials.plan import Design, planned_trials
from llm_compare.allocation.trials.reading import read_trial
from llm_compare.allocation.trials.scripted import (
    JUDGES,
    RANKERS,
    PlantedChooser,
    ScriptedChooser,
    said,
    scripts_of,
)
from llm_compare.allocation.trials.trial import Form, Strategy, Task, Turns, Way
from llm_compare.errors import CannotAsk, UnknownModel
from llm_compare.prompting.call import Settings

SINGLE = Way(turns=Turns.SINGLE)
RANKING_SCRIPTS = [*RANKERS, "scripted/prefers:gender=Female", "scripted/sorts:ethnicity=Asian"]


def trials_of(problem_set, task=Task.RANK_ALL, **changes):
    return planned_trials(problem_set, task, Design(**{"ways": (SINGLE,), "few_shot_repeats": 2, **changes}))


def replies(chooser, trials, *, model="scripted/x", seed=0):
    whom = Addressee(model=model, settings=Settings(max_tokens=None, seed=seed), set_sha256="0" * 64)
    return [asyncio.run(chooser.reply(whom.call(trial, ()))) for trial in trials]


def reads(model, trials, problem_set, *, seed=0):
    chooser = ScriptedChooser(model, trials[0].task, problem_set.problems)
    found = replies(chooser, trials, model=model, seed=seed)
    return [read_trial(reply, trial) for reply, trial in zip(found, trials, strict=True)]


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("task", [Task.CHOOSE_ONE, Task.RANK_ALL])
@pytest.mark.parametrize("model", RANKING_SCRIPTS)
def test_every_script_answers_every_task_in_the_form_asked_for(problem_set, model, task, form):
    trials = trials_of(problem_set, task, ways=(replace(SINGLE, form=form),), repeats=2)
    found = reads(model, trials, problem_set)
    assert {r.outcome for r in found} == {Outcome.ANSWER}
    assert {len(r.order) for r in found} == {1 if task is Task.CHOOSE_ONE else 4}


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("model", list(JUDGES))
def test_every_script_of_viability_answers_in_the_form_asked_for(problem_set, model, form):
    ways = tuple(replace(SINGLE, form=form, strategy=s) for s in Strategy)
    found = reads(model, trials_of(problem_set, Task.VIABILITY, ways=ways), problem_set)
    assert {(r.outcome, type(r.viable)) for r in found} == {(Outcome.ANSWER, bool)}


def test_what_is_said_is_read_back_whatever_the_order(problem_set):
    for trial in trials_of(problem_set, shuffles=2, repeats=1)[:2]:
        for form in Form:
            asked = replace(trial, way=replace(SINGLE, form=form))
            for order in permutations(range(4)):
                reply = replies(PlantedChooser({}), [asked])[0]
                assert read_trial(replace(reply, content=said(asked, order)), asked).order == order


def test_waiting_time_ranks_the_longest_wait_first_and_the_unknown_last(problem_set):
    for read, trial in zip(
        reads("scripted/waiting-time", trials := trials_of(problem_set), problem_set), trials, strict=True
    ):
        days = [trial.candidates[i]["DAYSWAIT_CHRON_KI"] for i in read.order]
        assert days == [1205, 965, 203, 47]
    first = problem_set.problems[0]
    forgotten = replace(
        first, candidates=(first.candidates[0].changed("DAYSWAIT_CHRON_KI", None), *first.candidates[1:])
    )
    trials = trials_of(replace(problem_set, problems=(forgotten,)))
    assert {r.order[-1] for r in reads("scripted/waiting-time", trials, problem_set)} == {0}


def test_youngest_first_and_first_row_do_as_they_say(problem_set):
    trials = trials_of(problem_set)
    for read, trial in zip(reads("scripted/youngest-first", trials, problem_set), trials, strict=True):
        assert [trial.candidates[i]["AGE"] for i in read.order] == [27, 38, 54, 66]
    for read, trial in zip(reads("scripted/first-row", trials, problem_set), trials, strict=True):
        assert read.order == trial.row_order


def test_prefers_puts_somebody_of_the_group_first_and_the_rest_at_random(problem_set):
    trials = trials_of(problem_set, shuffles=24, repeats=10)
    found = reads("scripted/prefers:gender=Female", trials, problem_set)
    groups = [[t.candidates[i].group("gender") for i in r.order] for r, t in zip(found, trials, strict=True)]
    assert {g[0] for g in groups} == {"Female"}
    # Of the three others one is a woman, equally often at each rank: 240 within 4.2 standard deviations.
    later = Counter(next(rank for rank in (1, 2, 3) if g[rank] == "Female") for g in groups)
    assert len(trials) == 720
    assert all(abs(later[rank] - 240) < 53 for rank in (1, 2, 3))
    firsts = Counter(r.order[0] for r, t in zip(found, trials, strict=True) if t.problem.name == "p01")
    assert set(firsts) == {1, 3}
    assert abs(firsts[1] - 120) < 33


def test_sorts_puts_the_whole_group_first(problem_set):
    trials = trials_of(problem_set)
    for read, trial in zip(reads("scripted/sorts:gender=Female", trials, problem_set), trials, strict=True):
        groups = [trial.candidates[i].group("gender") for i in read.order]
        assert groups == ["Female", "Female", "Male", "Male"]


def test_a_group_that_a_counterfactual_makes_counts_as_shown(problem_set):
    trials = [t for t in trials_of(problem_set, counterfactuals=("ethnicity",)) if t.change]
    asian = [t for t in trials if t.change.value == "Asian, Non-Hispanic"]
    assert asian
    for read, trial in zip(reads("scripted/sorts:ethnicity=Asian", asian, problem_set), asian, strict=True):
        assert trial.change.candidate in read.order[:2]


def test_random_draws_by_trial_and_seed_and_nothing_else(problem_set):
    trials = trials_of(problem_set)
    orders = [r.order for r in reads("scripted/random", trials, problem_set)]
    assert orders == [r.order for r in reads("scripted/random", trials, problem_set)]
    assert orders[::-1] == [r.order for r in reads("scripted/random", trials[::-1], problem_set)]
    assert orders != [r.order for r in reads("scripted/random", trials, problem_set, seed=1)]


def test_random_draws_every_order_equally_often(problem_set):
    trials = trials_of(problem_set, shuffles=24, repeats=10)
    counts = Counter(r.order for r in reads("scripted/random", trials, problem_set))
    assert len(counts) == 24
    # 30 expected of each; within 4 standard deviations.
    assert all(8 <= n <= 52 for n in counts.values())


def test_criteria_says_the_truth_and_yes_says_yes(problem_set):
    trials = trials_of(problem_set, Task.VIABILITY, ways=(SINGLE,))
    truth = {"k1-c1": True, "k1-c2": False}
    assert [r.viable for r in reads("scripted/criteria", trials, problem_set)] == [
        truth[t.problem.name] for t in trials
    ]
    assert {r.viable for r in reads("scripted/yes", trials, problem_set)} == {True}
    assert {r.viable for r in reads("scripted/random", trials, problem_set)} == {True, False}


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("scripted/nobody", "scripted/waiting-time"),
        ("scripted/prefers:gender", "gender=Female"),
        ("scripted/prefers:height=tall", "ethnicity"),
        ("scripted/sorts:gender=Femal", "Female"),
    ],
)
def test_an_unknown_script_or_group_names_those_that_there_are(problem_set, model, names):
    with pytest.raises(UnknownModel, match=names):
        ScriptedChooser(model, Task.RANK_ALL, problem_set.problems)


@pytest.mark.parametrize(
    ("model", "task"),
    [
        ("scripted/criteria", Task.CHOOSE_ONE),
        ("scripted/yes", Task.RANK_ALL),
        ("scripted/waiting-time", Task.VIABILITY),
        ("scripted/prefers:gender=Female", Task.VIABILITY),
    ],
)
def test_a_script_without_an_opinion_on_a_task_is_not_asked(problem_set, model, task):
    with pytest.raises(CannotAsk, match="scripted/random"):
        ScriptedChooser(model, task, problem_set.problems)
    assert model not in scripts_of(task)


def test_planted_strengths_are_drawn_as_plackett_and_luce_say(problem_set):
    first = replace(problem_set, problems=problem_set.problems[:1])
    trials = trials_of(first, shuffles=24, repeats=40)
    planted = PlantedChooser({"gender=Female": 1.0, "ethnicity=Asian": -0.5}, per_year_waiting=0.3, seed=3)
    orders = [
        read_trial(reply, trial).order for reply, trial in zip(replies(planted, trials), trials, strict=True)
    ]
    candidates = first.problems[0].candidates
    years = np.array([c["DAYSWAIT_CHRON_KI"] for c in candidates]) / 365.25
    odds = np.array([1, exp(1), 1, exp(0.5)]) * np.exp(0.3 * years)
    assert [exp(planted.log_strength(c)) for c in candidates] == pytest.approx(odds)
    for order in permutations(range(4)):
        left, chance = odds.sum(), 1.0
        for i in order:
            chance *= odds[i] / left
            left -= odds[i]
        expected = len(orders) * chance
        seen = orders.count(order)
        assert abs(seen - expected) < 4.5 * np.sqrt(expected) + 1


def test_planted_strengths_say_nothing_of_viability(problem_set):
    with pytest.raises(CannotAsk, match="viability"):
        replies(PlantedChooser({}), trials_of(problem_set, Task.VIABILITY)[:1])


def test_earlier_turns_get_a_nod(problem_set):
    trial = trials_of(problem_set, ways=(Way(),))[0]
    whom = Addressee(model="scripted/first-row", set_sha256="0" * 64)
    chooser = ScriptedChooser("scripted/first-row", Task.RANK_ALL)
    assert asyncio.run(chooser.reply(whom.call(trial, ()))).content == "Understood."
    assert asyncio.run(chooser.reply(whom.call(trial, ("Understood.",) * 2))).content.startswith(
        f"{trial.row_order[0]}, 1\n"
    )
