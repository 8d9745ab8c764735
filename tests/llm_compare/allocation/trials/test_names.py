from __future__ import annotations

import itertools

from llm_compare.allocation.trials.names import candidate_name, names


def named(problem_set, problem, number, gender, ethnicity):
    candidate = problem_set.problems[0].candidates[0].changed("GENDER", gender).changed("ETHCAT", ethnicity)
    return candidate_name(problem, number, candidate)


def test_every_list_of_a_kind_is_as_long_as_the_others_and_holds_different_names():
    lists = names()
    assert {len(set(each)) for each in lists.first.values()} == {lists.n_first}
    assert {len(set(each)) for each in lists.last.values()} == {lists.n_last}
    assert set(lists.first) == set(itertools.product(("Male", "Female"), lists.last))


def test_no_name_stands_for_two_groups():
    lists = names()
    for kind in (lists.first, lists.last):
        every = [name for each in kind.values() for name in each]
        assert len(set(every)) == len(every)


def test_as_many_candidates_as_there_are_pairs_of_names_have_different_ones(problem_set):
    most = names().n_first * names().n_last
    found = {named(problem_set, "p01", n, "Male", "White") for n in range(most)}
    assert len(found) == most


def test_names_are_the_problem_s_own_and_the_same_each_time(problem_set):
    rows = {
        problem: tuple(named(problem_set, problem, n, "Female", "Asian") for n in range(9))
        for problem in ("p01", "p02", "p03")
    }
    assert len(set(rows.values())) == 3
    assert {frozenset(name.split()[0] for name in row) for row in rows.values()} == {
        frozenset(names().first["Female", "Asian"])
    }
    assert named(problem_set, "p01", 4, "Female", "Asian") == rows["p01"][4]
