from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_compare.alignment.choices import INDECISION, Choices, Pairing
from llm_compare.alignment.strategies import RULES, strategies
from survey.design import Comparison, NumericAttribute, Profile

ATTRIBUTES = tuple(
    NumericAttribute(name=name, label=name.title(), minimum=0, maximum=10) for name in ("years", "drinks")
)


def comparisons_of(n: int, seed: int) -> tuple[Comparison, ...]:
    rng = np.random.default_rng(seed)
    found: dict[Comparison, None] = {}
    while len(found) < n:
        one, other = (Profile(tuple((a.name, int(rng.integers(11))) for a in ATTRIBUTES)) for _ in range(2))
        if one != other:
            found[Comparison.of(one, other)] = None
    return tuple(found)


def worth(profile: Profile) -> float:
    return 0.25 * profile["years"] - 0.2 * profile["drinks"]


def side_of(
    label: str, comparisons: tuple[Comparison, ...], rule: str, *, n: int = 6, seed: int = 0
) -> Choices:
    """Draw choices by a rule of the paper on indecision; ``always`` errs never and has a coin for close pairs."""
    rng = np.random.default_rng(seed)
    column = []
    for c in comparisons:
        one, other = worth(c.first), worth(c.second)
        if rule == "always":
            chance = np.eye(3)[2 if abs(one - other) < 0.5 else 0 if one > other else 1]
        else:
            gap = one - other
            score = {
                "min-delta": [gap, -gap, 0.5],
                "min-u": [one, other, -0.5],
                "coin": [0.0, 0.0, 0.0],
                "strict": [gap, -gap, -np.inf],
            }[rule]
            chance = np.exp(np.array(score)) / np.exp(np.array(score)).sum()
        column += list(rng.choice(3, size=n, p=chance))
    total = len(column)
    return Choices(
        label=label,
        comparisons=comparisons,
        comparison=np.repeat(np.arange(len(comparisons)), n),
        respondent=np.tile(np.arange(n), len(comparisons)),
        respondents=tuple(f"{label} {i}" for i in range(n)),
        choice=np.eye(3)[column],
        first_left=rng.random(total) < 0.5,
        offered=np.full(total, rule != "strict"),
        repeat=np.ones(total, dtype=np.intp),
    )


def pairing_of(people: str, model: str, *, n_comparisons: int = 60) -> Pairing:
    comparisons = comparisons_of(n_comparisons, 1)
    return Pairing(
        attributes=ATTRIBUTES,
        people=side_of("people", comparisons, people, seed=2),
        model=side_of("model", comparisons, model, seed=3),
    )


@pytest.fixture(scope="module")
def planted():
    return strategies(pairing_of("min-delta", "min-u"))


def test_the_rule_that_was_planted_predicts_each_side_best(planted):
    assert planted.people.best == "min-delta"
    assert planted.model.best == "min-u"
    assert planted.sentence.startswith("Different rules predict people and model best")
    assert RULES["min-u"] in planted.model.sentence


def test_every_rule_is_tried_best_first_and_beside_a_coin(planted):
    for side in (planted.people, planted.model):
        assert {s.rule for s in side.strategies} == {m.value for m in RULES}
        held_out = [s.held_out for s in side.strategies]
        assert held_out == sorted(held_out, reverse=True)
        assert side.strategies[0].behind == 0
        assert side.strategies[-1].behind == pytest.approx(held_out[0] - held_out[-1])
        assert side.coin == pytest.approx(-np.log(3))
        assert side.coin < held_out[0]
        assert not side.regularized


def test_shares_alone_predict_as_well_as_by_hand(planted):
    side = pairing_of("min-delta", "min-u").people
    share = side.choice.mean(axis=0)
    assert planted.people.same_shares == pytest.approx((share * np.log(share)).sum())


def test_comparisons_that_were_held_out_are_predicted_a_little_worse(planted):
    best = planted.people.strategies[0]
    assert best.held_out < best.log_likelihood < 0


def test_a_model_that_never_errs_is_regularized_and_said_so():
    found = strategies(pairing_of("min-delta", "always"))

    assert found.model.regularized.startswith("the choices follow a rule without exception")
    assert not found.people.regularized
    assert found.model.best == "min-delta"
    assert found.model.strategies[0].held_out > -0.5


def test_where_nobody_is_undecided_no_rule_can_be_told():
    found = strategies(pairing_of("min-delta", "strict"))
    assert found.model.best == ""
    assert "not on offer" in found.model.reason

    pairing = pairing_of("min-delta", "min-delta")
    decided = pairing.model.only(pairing.model.choice[:, INDECISION] == 0)
    never = strategies(replace(pairing, model=decided))
    assert "never chose indecision" in never.model.reason
    assert never.people.best == "min-delta"


def test_a_coin_is_not_outdone():
    found = strategies(pairing_of("min-delta", "coin"))
    best = found.model.strategies[0]
    assert best.held_out < found.model.coin + 2 * best.held_out_se


def test_of_who_is_always_undecided_no_rule_is_called_best():
    pairing = pairing_of("min-delta", "min-delta")
    undecided = np.zeros_like(pairing.model.choice)
    undecided[:, INDECISION] = 1
    found = strategies(replace(pairing, model=replace(pairing.model, choice=undecided)))
    assert found.model.sentence.startswith("No rule predicts choices of model better than")
    assert "Different rules" not in found.sentence


def test_exchanged_sides_and_the_same_seed_change_nothing(planted):
    pairing = pairing_of("min-delta", "min-u")
    exchanged = replace(pairing, people=replace(pairing.people, first_left=~pairing.people.first_left))
    assert strategies(exchanged) == planted


def test_too_many_comparisons_are_sampled_and_the_number_is_told(monkeypatch):
    monkeypatch.setattr("llm_compare.alignment.strategies._MOST_COMPARISONS", 40)
    found = strategies(pairing_of("min-delta", "min-u"))
    assert found.people.n_comparisons == found.model.n_comparisons == 40
    assert found.people.n_answers == 240
