"""Whose trials are whose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llm_compare.allocation.problems.problems_file import read_problems
from llm_compare.allocation.report.compared import compare_respondents
from llm_compare.allocation.report.respondents import by_respondent
from llm_compare.allocation.trials.answer import TrialFile
from llm_compare.allocation.trials.trial import Strategy, Turns
from llm_compare.allocation.trials.trials_file import read_trials
from llm_compare.errors import NotMeasurable


@pytest.fixture(scope="module")
def problems(planted):
    return read_problems(planted.problems)


@pytest.fixture(scope="module")
def read(planted, problems):
    def read(name: str) -> TrialFile:
        return read_trials(Path(planted.folder) / name, problems)

    return read


def in_conversation(file: TrialFile) -> TrialFile:
    def put(a):
        way = replace(a.trial.way, turns=Turns.CONVERSATION)
        return replace(a, trial=replace(a.trial, way=way))

    return replace(file, answered=tuple(map(put, file.answered)))


def test_both_tasks_and_all_strategies_of_a_label_are_one_respondent(read):
    files = [read("choose-random.jsonl"), read("rank-random.jsonl"), read("viability.jsonl")]
    same = [replace(f, label="m", model="m") for f in files]
    ((label, way), own), *others = by_respondent(same).items()
    assert others == []
    assert label == "m"
    assert way.strategy is Strategy.OUT_OF_BOX
    assert [f.task for f in own] == [f.task for f in files]


def test_one_label_asked_in_two_ways_is_two_respondents_named_by_their_ways(read, problems):
    file = read("choose-random.jsonl")
    compared = compare_respondents(
        problems, [file, in_conversation(file)], seed=0, n_permutations=99, n_null_runs=0
    )
    assert [r.name for r in compared.respondents] == [
        "scripted/random (single, text, identity by columns)",
        "scripted/random (conversation, text, identity by columns)",
    ]
    assert compared.respondents[0].choices is not None
    assert compared.respondents[0].choices.n_trials == compared.respondents[1].choices.n_trials


def test_two_ways_in_one_file_are_kept_apart(read):
    file = read("choose-random.jsonl")
    both = replace(file, answered=(*file.answered, *in_conversation(file).answered))
    assert [len(own[0].answered) for own in by_respondent([both]).values()] == [len(file.answered)] * 2


def test_the_same_task_of_one_respondent_twice_is_refused_with_both_files(read):
    file = read("choose-random.jsonl")
    with pytest.raises(NotMeasurable, match="both hold choose-one of 'scripted/random'"):
        by_respondent([file, file])


def test_two_models_under_one_label_are_refused(read):
    one, other = read("choose-random.jsonl"), read("rank-waiting.jsonl")
    with pytest.raises(NotMeasurable, match="one is scripted/random, the other scripted/waiting-time"):
        by_respondent([one, replace(other, label=one.label)])


def test_a_file_without_an_answer_stays_with_its_label_and_is_told(read, problems):
    chosen, ranked = read("choose-random.jsonl"), read("rank-random.jsonl")
    compared = compare_respondents(
        problems, [replace(ranked, answered=()), chosen], seed=0, n_permutations=99, n_null_runs=0
    )
    (respondent,) = compared.respondents
    assert respondent.rankings is None
    assert "rank-all: no trial came to an answer, so nothing is measured" in respondent.notes


def test_nothing_to_compare_is_refused(problems):
    with pytest.raises(NotMeasurable, match="name one file of trials or more"):
        compare_respondents(problems, [], seed=0)


def test_a_grouping_in_which_all_are_alike_is_told_and_left_out(read, problems):
    def alike(problem):
        return replace(problem, candidates=tuple(c.changed("GENDER", "Male") for c in problem.candidates))

    men = replace(problems, problems=tuple(map(alike, problems.problems)))
    compared = compare_respondents(
        men, [read("choose-random.jsonl")], seed=0, n_permutations=99, n_null_runs=0, groupings=("gender",)
    )
    (respondent,) = compared.respondents
    assert respondent.choices is not None
    assert respondent.choices.tests == ()
    assert "gender: the candidates are all Male, so there are no groups to compare" in respondent.notes
