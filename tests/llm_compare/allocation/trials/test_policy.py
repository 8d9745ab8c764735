"""Weights from people's answers rank candidates, as far as a mapping says how."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from estimation.weights import AttributeWeights, Estimate, ProfileWeights
from llm_compare.allocation.trials.answer import Outcome
from llm_compare.allocation.trials.plan import Design, planned_trials
from llm_compare.allocation.trials.policy import policy_answers
from llm_compare.allocation.trials.policy_mapping import profile_of, read_mapping
from llm_compare.allocation.trials.trial import Task
from llm_compare.errors import CannotAsk
from survey.design_file import EXAMPLES, example_design

AGE_BANDS = """
[attributes.age]
column = "AGE"
levels = [{ below = 50, level = "young" }, { level = "old" }]
"""
REST = """
[attributes.drinking]
column = "WORK_INCOME_TCR"
values = { Yes = "rare", No = "frequent" }
[attributes.health]
constant = "healthy"
"""


@pytest.fixture
def kidney_8():
    return example_design("kidney-8")


@pytest.fixture
def mapped(tmp_path, kidney_8):
    """Return a function that reads a mapping for the attributes of kidney-8, or others."""

    def read(text, attributes=kidney_8.attributes):
        path = tmp_path / "mapping.toml"
        path.write_text(text, encoding="utf-8")
        return read_mapping(path, attributes)

    return read


def weights_of(design, **coefficients):
    given = {"age=old": 0.0, "drinking=frequent": 0.0, "health=cancer": 0.0}
    given |= {name.replace("_", "="): value for name, value in coefficients.items()}
    return AttributeWeights.named(design.attributes, {n: Estimate(value=v) for n, v in given.items()})


def answers(problem_set, policies, mapping, *, task=Task.RANK_ALL, seed=0, **design):
    trials = planned_trials(problem_set, task, Design(**design))
    return policy_answers(trials, policies, mapping, name="policy/test", seed=seed)


def test_candidates_are_ranked_by_their_log_strength(problem_set, kidney_8, mapped):
    # The young before the old, and of equal age those who work for income (here: who drink rarely).
    weights = weights_of(kidney_8, age_old=-2.0, drinking_frequent=-1.0)
    for one in answers(problem_set, [weights], mapped(AGE_BANDS + REST)):
        assert one.read.outcome is Outcome.ANSWER
        ranked = [one.trial.candidates[i] for i in one.read.order]
        # 38 and working, 27 and not, 54 and working, 66 and not.
        assert [c["AGE"] for c in ranked] == [38, 27, 54, 66]


def test_equal_candidates_are_drawn_by_lot_from_trial_to_trial_and_by_seed(problem_set, kidney_8, mapped):
    mapping = mapped(AGE_BANDS + REST)
    weights = weights_of(kidney_8, age_old=-1.0)
    found = answers(problem_set, [weights], mapping, shuffles=24, repeats=10)
    ages = Counter(tuple(a.trial.candidates[i]["AGE"] for i in a.read.order) for a in found)
    # 720 trials, four orders that agree with the weights: 180 each, within 4.3 standard deviations.
    assert set(ages) == {(27, 38, 54, 66), (38, 27, 54, 66), (27, 38, 66, 54), (38, 27, 66, 54)}
    assert all(abs(n - 180) < 50 for n in ages.values())
    assert answers(problem_set, [weights], mapping) == answers(problem_set, [weights], mapping)
    assert answers(problem_set, [weights], mapping, seed=1) != answers(problem_set, [weights], mapping)


def test_sums_that_differ_in_their_last_bit_are_ties(problem_set, kidney_8, mapped):
    weights = weights_of(kidney_8, age_old=0.1 + 0.2, drinking_frequent=0.3)
    mapping = mapped(AGE_BANDS + REST)
    assert 0.1 + 0.2 != 0.3
    firsts = Counter(a.read.order[0] for a in answers(problem_set, [weights], mapping, repeats=20))
    assert len(firsts) > 1
    found = answers(replace(problem_set, problems=problem_set.problems[:1]), [weights], mapping, repeats=20)
    # Number 3, old and not working, has both effects; 0 has one, 1 the other, 2 neither.
    assert {(a.read.order[0], a.read.order[3]) for a in found} == {(3, 2)}
    assert {a.read.order[1:3] for a in found} == {(0, 1), (1, 0)}


def test_choose_one_is_given_the_first_of_the_ranking(problem_set, kidney_8, mapped):
    weights = weights_of(kidney_8, age_old=-2.0, drinking_frequent=-1.0)
    found = answers(problem_set, [weights], mapped(AGE_BANDS + REST), task=Task.CHOOSE_ONE)
    assert {a.trial.candidates[a.read.order[0]]["AGE"] for a in found} == {38}
    assert {len(a.read.order) for a in found} == {1}


def test_draws_of_the_weights_are_repeats(problem_set, kidney_8, mapped):
    draws = [weights_of(kidney_8, age_old=sign * 2.0, drinking_frequent=-1.0) for sign in (-1, -1, 1)]
    found = answers(problem_set, draws, mapped(AGE_BANDS + REST), shuffles=1, repeats=3)
    firsts = {(a.trial.repeat, a.trial.candidates[a.read.order[0]]["AGE"]) for a in found}
    assert firsts == {(0, 38), (1, 38), (2, 54)}


def test_a_counterfactual_leaves_a_policy_cold_that_does_not_see_it(problem_set, kidney_8, mapped):
    weights = weights_of(kidney_8, age_old=-1.0)
    mapping = mapped(AGE_BANDS + REST)
    found = answers(problem_set, [weights], mapping, counterfactuals=("gender", "work"))
    orders = {replace(a.trial, change=None): a.read.order for a in found if a.trial.change is None}
    for one in found:
        # Drinking, which work stands for here, has no weight; lots are the same.
        assert one.read.order == orders[replace(one.trial, change=None)]
    sees = weights_of(kidney_8, drinking_frequent=-1.0)
    changed = answers(problem_set, [sees], mapping, counterfactuals=("work",))
    firsts = {replace(a.trial, change=None): a.read.order for a in changed if a.trial.change is None}
    assert any(a.read.order != firsts[replace(a.trial, change=None)] for a in changed)


def test_numbers_are_taken_as_they_are_also_beyond_the_study(problem_set, mapped):
    design = example_design("kidney-numeric")
    mapping = mapped(
        """
        attributes.age.column = "AGE"
        attributes.drinks.constant = 1
        attributes.dependents.constant = 0
        """,
        design.attributes,
    )
    coefficients = {"age": -0.1, "drinks": 0.0, "dependents": 0.0}
    weights = AttributeWeights.named(
        design.attributes, {n: Estimate(value=v) for n, v in coefficients.items()}
    )
    older = replace(
        problem_set,
        problems=tuple(
            replace(p, candidates=tuple(c.changed("AGE", c["AGE"] + 20) for c in p.candidates))
            for p in problem_set.problems
        ),
    )
    for one in answers(older, [weights], mapping):
        assert [one.trial.candidates[i]["AGE"] for i in one.read.order] == [47, 58, 74, 86]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (AGE_BANDS, "attributes.drinking: is missing"),
        (AGE_BANDS + REST + "[attributes.sex]\nconstant = 1\n", "attributes.sex: the weights have no such"),
        (REST + '[attributes.age]\ncolumn = "AGES"\n', "attributes.age: column = 'AGES': name one of ABO"),
        (REST + '[attributes.age]\ncolumn = "AGE"\n', "say with levels which numbers"),
        (REST + '[attributes.age]\ncolumn = "GENDER"\n', "say with values which word"),
        (REST + '[attributes.age]\nconstant = "middle"\n', "no level 'middle'; its levels are young, old"),
        (REST + '[attributes.age]\nconstant = "old"\ncolumn = "AGE"\n', "a constant stands alone"),
        (REST + '[attributes.age]\ncolumn = "AGE"\nlevels = []\n', "write a list such as"),
        (
            REST + '[attributes.age]\ncolumn = "AGE"\nlevels = [{ below = 50, level = "young" }]\n',
            "the last band has no bound",
        ),
        (
            REST + '[attributes.age]\ncolumn = "AGE"\nlevels = [{ level = "young" }, { level = "old" }]\n',
            "bounds go up",
        ),
        (
            REST + '[attributes.age]\ncolumn = "AGE"\nlevels = [{ below = "x", level = "old" }]\n',
            r"levels\[1\].below = 'x'",
        ),
        (
            REST + '[attributes.age]\ncolumn = "AGE"\nlevels = [{ over = 3 }]\n',
            r"levels\[1\].over: is not known",
        ),
        (REST + '[attributes.age]\ncolumn = "GENDER"\nvalues = { Male = "man" }\n', "no level 'man'"),
        (REST + '[attributes.age]\ncolumn = "GENDER"\nvalues = {}\n', "table of words"),
        (REST + '[attributes.age]\ncolumns = "AGE"\n', "columns: is not known here"),
        (REST + "[attributes]\nage = 3\n", "attributes.age: write a table"),
        (REST + AGE_BANDS + "[more]\n", "more: is not known here"),
        ("", "has no table"),
        ("attributes = 3", "has no table"),
        ("[[", "is not TOML"),
    ],
)
def test_what_a_mapping_lacks_is_named_with_its_place(mapped, text, complaint):
    with pytest.raises(CannotAsk, match=complaint) as caught:
        mapped(text)
    assert "mapping.toml" in str(caught.value)


def test_every_complaint_is_made_at_once(mapped):
    with pytest.raises(CannotAsk) as caught:
        mapped('[attributes.age]\ncolumn = "AGE"\n[attributes.sex]\nconstant = 1\n')
    assert len(str(caught.value).splitlines()) == 4


def test_a_mapping_that_is_not_there_is_named(tmp_path, kidney_8):
    with pytest.raises(CannotAsk, match=r"none\.toml"):
        read_mapping(tmp_path / "none.toml", kidney_8.attributes)


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("AGE", None, "problem p01, candidate 0: AGE is missing, and attribute 'age' needs it"),
        ("WORK_INCOME_TCR", None, "WORK_INCOME_TCR is missing"),
        ("WORK_INCOME_TCR", "Unknown", "'Unknown' has no level of 'drinking'"),
    ],
)
def test_a_candidate_of_whom_too_little_is_known_is_named(
    problem_set, kidney_8, mapped, column, value, complaint
):
    first = problem_set.problems[0]
    changed = replace(first, candidates=(first.candidates[0].changed(column, value), *first.candidates[1:]))
    with pytest.raises(CannotAsk, match=complaint):
        answers(replace(problem_set, problems=(changed,)), [weights_of(kidney_8)], mapped(AGE_BANDS + REST))


def test_a_profile_that_was_never_compared_is_named(problem_set, kidney_8, mapped):
    profiles = kidney_8.profiles()[:3]  # All of them young.
    weights = ProfileWeights(
        attributes=kidney_8.attributes,
        profiles=profiles,
        log_strengths=tuple(Estimate(value=float(-i)) for i in range(3)),
    )
    with pytest.raises(CannotAsk, match="candidate 1: the weights have none for profile 'age=old"):
        answers(problem_set, [weights], mapped(AGE_BANDS + REST))


def test_weights_say_nothing_of_viability(problem_set, kidney_8, mapped):
    with pytest.raises(CannotAsk, match="viability"):
        answers(problem_set, [weights_of(kidney_8)], mapped(AGE_BANDS + REST), task=Task.VIABILITY)


def test_the_example_maps_every_candidate_to_a_profile_of_its_study(problem_set, kidney_8):
    mapping = read_mapping(EXAMPLES / "policies" / "kidney-8.toml", kidney_8.attributes)
    profiles = [profile_of(c, mapping) for c in problem_set.problems[0].candidates]
    known = {frozenset(p.values) for p in kidney_8.profiles()}
    assert [p["age"] for p in profiles] == ["young", "old", "young", "old"]
    assert all(frozenset(p.values) in known for p in profiles)


def test_the_example_of_published_answers_takes_ages_as_they_are(problem_set):
    design = example_design("kidney-study1")
    mapping = read_mapping(EXAMPLES / "policies" / "kidney-study1.toml", design.attributes)
    profiles = [profile_of(c, mapping) for c in problem_set.problems[0].candidates]
    assert [p["age"] for p in profiles] == [27, 54, 38, 66]
    assert {(p["dependents"], p["drinking"]) for p in profiles} == {(0, "none")}
