"""From stored counts to what the page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from estimation.dataset import Clustering, choice_data
from estimation.errors import EstimationError
from estimation.live import choice_data_of, live_estimate, models_for, width_at_checkpoint
from estimation.specification import Model
from survey.answers import Answer, AnswerSet, Choice, RespondentKind, Role
from survey.design import Attribute, CategoricalAttribute, Level, Profile
from survey.design_file import parse_design

WHO = CategoricalAttribute(name="who", label="Who", levels=tuple(Level(name=n, words=n) for n in "abcd"))
PROFILES = tuple(Profile((("who", n),), name=n) for n in "abcd")


@dataclass
class Counts:
    """Stored counts as a test writes them: (respondent, left, right, choice)."""

    rows: list[tuple[int, int, int, Choice]]
    is_offered: bool = True
    other_roles: Mapping[Role, int] = field(default_factory=dict)
    arms: tuple[str, ...] = ("coin",)

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        return (WHO,)

    @property
    def profiles(self) -> tuple[Profile, ...]:
        return PROFILES

    @property
    def respondents(self) -> tuple[str, ...]:
        return tuple(f"p{i}" for i in range(max((row[0] for row in self.rows), default=-1) + 1))

    @property
    def respondent(self) -> list[int]:
        return [row[0] for row in self.rows]

    @property
    def left(self) -> list[int]:
        return [row[1] for row in self.rows]

    @property
    def right(self) -> list[int]:
        return [row[2] for row in self.rows]

    @property
    def choice(self) -> list[Choice]:
        return [row[3] for row in self.rows]

    @property
    def offered(self) -> list[bool]:
        return [self.is_offered] * len(self.rows)

    @property
    def times(self) -> list[int]:
        return [1] * len(self.rows)

    def answers(self) -> AnswerSet:
        """Return the same as single answers."""
        return AnswerSet(
            attributes=(WHO,),
            answers=[
                Answer(
                    respondent=f"p{respondent}",
                    kind=RespondentKind.HUMAN,
                    arm="coin",
                    position=None,
                    left=PROFILES[left],
                    right=PROFILES[right],
                    choice=choice,
                    indecision_offered=self.is_offered,
                    design_hash="",
                )
                for respondent, left, right, choice in self.rows
            ],
            source="test",
        )


def random_rows(n_people: int, n_answers: int, seed: int) -> list[tuple[int, int, int, Choice]]:
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(n_people):
        for _ in range(n_answers):
            left, right = rng.choice(4, size=2, replace=False)
            rows.append((person, int(left), int(right), list(Choice)[rng.integers(3)]))
    return rows


@pytest.mark.parametrize("n_people", [1, 2, 9])
def test_stored_counts_make_the_same_fit_as_single_answers(n_people: int) -> None:
    counts = Counts(random_rows(n_people, 60 // n_people, seed=n_people))
    ours, theirs = choice_data_of(counts), choice_data(counts.answers())
    assert (ours.clustering, ours.n_clusters) == (theirs.clustering, theirs.n_clusters)
    assert (ours.n_answers, ours.n_indecisions) == (theirs.n_answers, theirs.n_indecisions)
    order = [ours.names.index(name) for name in theirs.names]
    assert np.array_equal(ours.wins[np.ix_(order, order)], theirs.wins)
    if n_people > 1:
        found = live_estimate(ours, Model.DAVIDSON).fit
        assert found is not None
        from estimation.fitting import fit

        expected = fit(theirs, Model.DAVIDSON)
        for name, value, other in zip(expected.names, expected.values, found.values[order], strict=False):
            assert value == pytest.approx(other, abs=1e-8), name
        assert found.log_likelihood == pytest.approx(expected.log_likelihood)


def test_one_respondent_is_clustered_by_comparison_and_gets_no_estimate_of_people() -> None:
    data = choice_data_of(Counts(random_rows(1, 60, seed=1)))
    assert data.clustering is Clustering.COMPARISON
    found = live_estimate(data, Model.DAVIDSON)
    assert found.fit is None
    assert "Only one participant" in found.problem
    assert found.gate[0].startswith("All 4 profiles hang together")


def test_what_is_left_out_is_said() -> None:
    counts = Counts(random_rows(3, 10, seed=1), other_roles={Role.CHECK: 6}, arms=("coin", "no-coin"))
    assert choice_data_of(counts).notes == (
        "6 answers to comparisons shown as check left out",
        "answers of the arms coin, no-coin are fitted together",
    )


def test_an_indecision_that_was_not_on_offer_is_refused() -> None:
    with pytest.raises(EstimationError, match="1 answers are indecision although"):
        choice_data_of(Counts([(0, 0, 1, Choice.LEFT), (1, 0, 1, Choice.INDECISION)], is_offered=False))


def test_the_gate_names_islands_pairs_never_asked_and_who_only_won() -> None:
    rows = [(p, 0, 1, Choice.LEFT) for p in range(3)] + [(p, 2, 3, Choice.LEFT) for p in range(3)]
    found = live_estimate(choice_data_of(Counts(rows)), Model.BRADLEY_TERRY)
    assert found.fit is None
    assert "2 groups of profiles that were never compared with each other: a, b; c, d." in found.gate[0]
    assert found.gate[1] == "4 of 6 pairs have no answer: a with c, a with d, b with c, b with d."
    assert found.gate[2:] == (
        "a, c won every decided comparison so far.",
        "b, d lost every decided comparison so far.",
    )


@pytest.mark.parametrize(
    ("model", "choice", "offered", "words"),
    [
        (Model.DAVIDSON, Choice.LEFT, False, "Indecision was not on offer"),
        (Model.BRADLEY_TERRY, Choice.INDECISION, True, "Every answer so far is an indecision"),
    ],
)
def test_a_model_that_cannot_be_says_which_can(
    model: Model, choice: Choice, offered: bool, words: str
) -> None:
    rows = [(p, a, b, choice) for p in range(5) for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))]
    found = live_estimate(choice_data_of(Counts(rows, is_offered=offered)), model)
    assert found.problem.startswith(words)
    assert "--" not in found.problem


def test_a_checkpoint_has_a_width_only_where_a_plain_estimate_exists() -> None:
    width, why = width_at_checkpoint(Counts(random_rows(30, 12, seed=2)), Model.DAVIDSON)
    assert width is not None
    assert 0.1 < width < 3
    assert why == ""
    by_rule = [(p, a, b, Choice.LEFT) for p in range(30) for a in range(4) for b in range(a + 1, 4)]
    by_rule.append((0, 0, 1, Choice.INDECISION))
    width, why = width_at_checkpoint(Counts(by_rule), Model.BRADLEY_TERRY)
    assert width is None
    assert "no finite estimate" in why
    width, why = width_at_checkpoint(Counts(random_rows(3, 100, seed=2)), Model.DAVIDSON)
    assert (width, why) == (None, "3 respondents are too few for 4 parameters")
    assert width_at_checkpoint(Counts([]), Model.DAVIDSON)[0] is None


def test_designs_get_the_models_that_suit_them(kidney_8: str) -> None:
    usual = [Model.DAVIDSON, Model.BRADLEY_TERRY, Model.MIN_DELTA, Model.CONDITIONAL_LOGIT]
    assert list(models_for(parse_design(kidney_8))) == usual
    without = kidney_8[: kidney_8.index("[indecision]")] + "[indecision]\noffered = false\n"
    assert list(models_for(parse_design(without))) == [Model.BRADLEY_TERRY, Model.CONDITIONAL_LOGIT]


LISTED = """
[study]
slug = "two-islands"
title = "Two islands"
version = "1"
[texts]
introduction = "x"
consent = "x"
instructions = "x"
question = "x"
debrief = "x"
[[attributes]]
name = "age"
label = "Age"
kind = "numeric"
minimum = 20
maximum = 80
step = 20
words = "{value} years old"
[profiles]
kind = "full_factorial"
[comparisons]
kind = "list"
per_respondent = 2
[[comparisons.list]]
left = { age = 20 }
right = { age = 40 }
[[comparisons.list]]
left = { age = 60 }
right = { age = 80 }
"""


def test_a_design_whose_comparisons_fall_apart_gets_weights_of_attributes_first() -> None:
    assert next(iter(models_for(parse_design(LISTED)))) in (Model.MIN_DELTA, Model.CONDITIONAL_LOGIT)
    joined = LISTED + "[[comparisons.list]]\nleft = { age = 40 }\nright = { age = 60 }\n"
    assert next(iter(models_for(parse_design(joined)))) in (Model.DAVIDSON, Model.BRADLEY_TERRY)
