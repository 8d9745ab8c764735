"""Which trials are put."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.allocation.problems.problem import Candidate, Problem
from llm_compare.allocation.trials.plan import STATES_DRAWN, Design, planned_trials
from llm_compare.allocation.trials.prompts import messages
from llm_compare.allocation.trials.seeded import seeded
from llm_compare.allocation.trials.trial import ALL_COLUMNS, Identity, Strategy, Task, Turns, Way
from llm_compare.errors import CannotAsk


def of_ranking(problem_set, **changes):
    return planned_trials(problem_set, Task.RANK_ALL, Design(**changes))


def test_each_problem_is_put_in_three_row_orders_five_times_each(problem_set):
    trials = of_ranking(problem_set)
    assert len(trials) == 3 * 3 * 5
    counts = Counter((t.problem.name, t.shuffle, t.row_order) for t in trials)
    assert set(counts.values()) == {5}
    assert len(counts) == 9
    assert {t.repeat for t in trials} == set(range(5))
    assert all(sorted(t.row_order) == [0, 1, 2, 3] for t in trials)


def test_the_papers_design_has_300_trials(problem_set):
    many = tuple(replace(problem_set.problems[0], name=f"p{i}") for i in range(20))
    assert len(of_ranking(replace(problem_set, problems=many))) == 300


def test_row_orders_are_each_problems_own_and_follow_the_seed(problem_set):
    orders = {(t.problem.name, t.shuffle): t.row_order for t in of_ranking(problem_set)}
    fewer = of_ranking(replace(problem_set, problems=problem_set.problems[2:]))
    assert {(t.problem.name, t.shuffle): t.row_order for t in fewer}.items() <= orders.items()
    assert of_ranking(problem_set) == of_ranking(problem_set)
    assert {(t.problem.name, t.shuffle): t.row_order for t in of_ranking(problem_set, seed=1)} != orders


@given(
    small=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2)),
    more=st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2)),
)
def test_a_larger_design_holds_the_smaller_one(problem_set, small, more):
    def trials(shuffles, repeats, column_shuffles):
        return set(
            of_ranking(problem_set, shuffles=shuffles, repeats=repeats, column_shuffles=column_shuffles)
        )

    assert trials(*small) <= trials(*(a + b for a, b in zip(small, more, strict=True)))


def test_more_row_orders_than_there_are_cannot_be_asked(problem_set):
    orders = {t.row_order for t in of_ranking(problem_set, shuffles=24) if t.problem.name == "p01"}
    assert len(orders) == 24
    with pytest.raises(CannotAsk, match="p01: 4 candidates have no 25"):
        of_ranking(problem_set, shuffles=25)


def test_column_orders_are_the_same_for_all_problems_and_the_first_is_the_registrys(problem_set):
    trials = of_ranking(problem_set, column_shuffles=2)
    orders = {t.column_shuffle: t.column_order for t in trials}
    assert len(trials) == 3 * 45
    assert len({(t.column_shuffle, t.column_order) for t in trials}) == 3
    assert orders[0] == ALL_COLUMNS
    assert all(sorted(order) == sorted(ALL_COLUMNS) for order in orders.values())
    assert len(set(orders.values())) == 3


def test_viability_is_asked_five_times_and_with_each_set_of_examples_once(problem_set):
    ways = tuple(Way(strategy=s) for s in Strategy)
    trials = planned_trials(problem_set, Task.VIABILITY, Design(ways=ways, few_shot_repeats=2))
    counts = Counter(t.way.strategy for t in trials)
    assert counts == {Strategy.OUT_OF_BOX: 10, Strategy.ZERO_SHOT: 10, Strategy.FEW_SHOT: 4}
    few = [t for t in trials if t.way.strategy is Strategy.FEW_SHOT]
    assert {(t.repeat, t.examples, t.example_pairs) for t in few} == {
        (i, i, pairs) for i, pairs in enumerate(problem_set.example_sets)
    }
    with pytest.raises(CannotAsk, match="15 sets of examples"):
        planned_trials(problem_set, Task.VIABILITY, Design(ways=ways))


def test_strategies_are_of_viability_alone(problem_set):
    ways = tuple(Way(strategy=s) for s in Strategy)
    assert len(of_ranking(problem_set, ways=ways)) == 45
    assert len(of_ranking(problem_set, ways=(Way(), Way(turns=Turns.SINGLE)))) == 90


def test_a_counterfactual_changes_one_value_of_one_candidate_and_has_its_unchanged_twin(problem_set):
    trials = of_ranking(problem_set, counterfactuals=("gender", "ethnicity"))
    unchanged = [t for t in trials if t.change is None]
    changed = [t for t in trials if t.change is not None]
    assert unchanged == list(of_ranking(problem_set))
    twins = {replace(t, change=None) for t in changed}
    assert twins == set(unchanged)
    # One other gender and three other ethnicities, of one candidate of each problem.
    assert len(changed) == len(unchanged) * 4
    assert len({(t.problem.name, t.change.candidate) for t in changed}) == 3
    for trial in changed:
        column = {"gender": "GENDER", "ethnicity": "ETHCAT"}[trial.change.grouping]
        before, after = trial.problem.candidates, trial.candidates
        i = trial.change.candidate
        assert before[i][column] != after[i][column]
        assert before[i] == after[i].changed(column, before[i][column])
        assert before[:i] + before[i + 1 :] == after[:i] + after[i + 1 :]


def test_every_counterfactual_is_another_prompt(problem_set):
    trials = of_ranking(problem_set, counterfactuals=("gender", "state", "work"), shuffles=1, repeats=1)
    prompts = {messages(replace(t, way=Way(turns=Turns.SINGLE))) for t in trials}
    assert len(prompts) == len(trials)


def test_two_other_states_are_drawn_and_more_focal_candidates_hold_the_fewer(problem_set):
    one = of_ranking(problem_set, counterfactuals=("state",), shuffles=1, repeats=1)
    two = of_ranking(problem_set, counterfactuals=("state",), shuffles=1, repeats=1, focal=2)
    assert len([t for t in one if t.change]) == 3 * STATES_DRAWN
    assert len([t for t in two if t.change]) == 6 * STATES_DRAWN
    assert set(one) <= set(two)


def test_who_is_not_known_is_not_changed(problem_set):
    def without_gender(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        return (candidates[0], *(c.changed("GENDER", None) for c in candidates[1:]))

    first, second, *rest = problem_set.problems
    known = replace(first, candidates=without_gender(first.candidates))
    nobody = replace(second, candidates=tuple(c.changed("GENDER", None) for c in second.candidates))
    some = replace(problem_set, problems=(known, nobody, *rest))
    changes = {
        (t.problem.name, t.change.candidate)
        for t in of_ranking(some, counterfactuals=("gender",))
        if t.change
    }
    assert ("p01", 0) in changes
    assert "p02" not in {name for name, _ in changes}


def test_a_counterfactual_that_would_change_nothing_cannot_be_asked(problem_set):
    with pytest.raises(CannotAsk, match="viability"):
        planned_trials(problem_set, Task.VIABILITY, Design(counterfactuals=("gender",)))
    with pytest.raises(CannotAsk, match="hidden"):
        of_ranking(problem_set, counterfactuals=("gender",), ways=(Way(identity=Identity.HIDDEN),))
    alike = tuple(
        replace(p, candidates=tuple(c.changed("GENDER", "Male") for c in p.candidates))
        for p in problem_set.problems
    )
    with pytest.raises(CannotAsk, match="in gender: fewer than two"):
        of_ranking(replace(problem_set, problems=alike), counterfactuals=("gender",))


def test_a_set_without_problems_says_so(problem_set):
    with pytest.raises(CannotAsk, match="several candidates"):
        of_ranking(replace(problem_set, problems=()))
    with pytest.raises(CannotAsk, match="pairs for viability"):
        planned_trials(replace(problem_set, pairs=()), Task.VIABILITY, Design())


@pytest.mark.parametrize("wrong", [{"shuffles": 0}, {"repeats": 0}, {"counterfactuals": ("age",)}])
def test_a_design_that_plans_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)).removesuffix("s")):
        Design(**wrong)


def test_generators_depend_on_every_name_and_on_no_order_of_use():
    draws = {names: seeded(*names).integers(2**40) for names in ((0, "a"), (0, "b"), (1, "a"), (0, "a", 1))}
    assert len(set(draws.values())) == 4
    assert seeded(0, "a").integers(2**40) == draws[0, "a"]
    # The same on every machine: a changed number would make everybody's stored replies useless.
    assert [int(v) for v in seeded(0, "rows", "p01").permutation(5)] == [1, 2, 0, 4, 3]


def test_problems_of_two_candidates_have_two_row_orders(problem_set):
    first = problem_set.problems[0]
    pair = Problem(name="p01", kidney=first.kidney, candidates=first.candidates[:2], ids=(0, 1))
    trials = of_ranking(replace(problem_set, problems=(pair,)), shuffles=2, repeats=1)
    assert {t.row_order for t in trials} == {(0, 1), (1, 0)}
