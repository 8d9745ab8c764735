"""Agreement of coders and models over a coding."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from survey.coding.agreement import FINAL, agreement_of
from survey.coding.alpha import alpha_of, masi
from survey.coding.coding import Coding
from survey.coding.final import words_of
from survey.coding.measures import draw_weights
from survey.suggestions import Stance

S = Stance.SHOULD


@pytest.fixture
def coding(coded) -> Coding:
    """Thirty people with one to three suggestions each; three coders who mostly agree, one of them half done."""
    rng = random.Random(4)
    said = []
    for person in range(30):
        for _ in range(rng.randint(1, 3)):
            true = rng.sample(["age", "wealth", "health", "!"], 1)
            coders = {}
            for coder in ("ann", "ben", "cleo", "model-x"):
                if coder == "cleo" and person > 15:
                    continue
                heard = true if rng.random() < 0.75 else [rng.choice(["age", "wealth", "health", "-"])]
                more = ["health"] if heard[0] in ("age", "wealth") and rng.random() < 0.3 else []
                coders[coder] = " ".join(dict.fromkeys(heard + more))
            said.append((f"p{person:02}", S, coders))
    return coded(said, categories=["age", "wealth", "health", "luck"])


def values_of(coding: Coding) -> dict[str, dict[int, frozenset[str]]]:
    return {coder: {i: w.elements for i, w in own.items()} for (_, coder), own in words_of(coding).items()}


def test_alphas_are_those_of_the_coders_sets_and_of_yes_and_no(coding):
    by_coder = values_of(coding)
    coders = [by_coder[c] for c in ("ann", "ben", "cleo")]
    units = [[own.get(s.id) for own in coders] for s in coding.suggestions]

    found = agreement_of(coding, draws=10)

    assert found.alpha.value == pytest.approx(alpha_of(units, masi).value)
    assert found.alpha_same.value == pytest.approx(alpha_of(units).value)
    assert [own.category for own in found.categories] == [
        "age",
        "wealth",
        "health",
        "(no_category)",
        "(unusable)",
    ]
    for own in found.categories:
        yes = [[None if v is None else own.category in v for v in unit] for unit in units]
        assert own.alpha.value == pytest.approx(alpha_of(yes).value)
        assert own.suggestions == sum(any(v and own.category in v for v in unit) for unit in units)


def test_pairs_are_compared_on_what_both_coded(coding):
    by_coder = values_of(coding)

    found = agreement_of(coding, draws=10)

    assert [(p.first, p.second) for p in found.pairs] == [("ann", "ben"), ("ann", "cleo"), ("ben", "cleo")]
    pair = found.pairs[1]
    common = [i for i in by_coder["ann"] if i in by_coder["cleo"]]
    assert pair.suggestions == len(common) < len(coding.suggestions)
    assert pair.equal.value == pytest.approx(
        np.mean([by_coder["ann"][i] == by_coder["cleo"][i] for i in common])
    )
    for own in pair.categories:
        told = [(own.category in by_coder["ann"][i], own.category in by_coder["cleo"][i]) for i in common]
        table = own.table
        assert [table.both, table.only_first, table.only_second, table.neither] == [
            told.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))
        ]
        assert own.kappa.value == (None if table.kappa is None else pytest.approx(table.kappa))
    known = [own.kappa.value for own in pair.categories if own.kappa.value is not None]
    assert pair.mean_kappa.value == pytest.approx(np.mean(known))


def test_intervals_are_those_of_whole_respondents_drawn_again(coding):
    draws, seed = 25, 7
    respondents = list(dict.fromkeys(s.respondent for s in coding.suggestions))
    weights = draw_weights(len(respondents), draws, seed)[1:]
    alphas, kappas = [], []
    for times in weights:
        again = repeated(coding, dict(zip(respondents, times.astype(int), strict=True)))
        sample = agreement_of(again, draws=0)
        alphas.append(sample.alpha.value)
        kappas.append(sample.pairs[0].pooled_kappa.value)

    found = agreement_of(coding, draws=draws, seed=seed)

    for own, drawn in ((found.alpha, alphas), (found.pairs[0].pooled_kappa, kappas)):
        # On Fisher's scale, where a deviation is as many times larger as the scale is steep there.
        deviation = np.std(drawn, ddof=1) * np.sqrt(30 / 29) / (1 - own.value**2)
        half = stats.t.ppf(0.975, 29) * deviation
        assert (own.low, own.high) == pytest.approx(np.tanh(np.arctanh(own.value) + np.array([-half, half])))
    assert agreement_of(coding, draws=draws, seed=seed) == found
    assert agreement_of(coding, draws=draws, seed=8) != found


def repeated(coding: Coding, times: dict[str, int]) -> Coding:
    """Return a coding in which every respondent is there so many times, as different ones."""
    suggestions, codes = [], []
    for suggestion in coding.suggestions:
        for k in range(times[suggestion.respondent]):
            new = len(suggestions) + 1
            suggestions.append(replace(suggestion, id=new, respondent=f"{suggestion.respondent}-{k}"))
            codes += [
                replace(code, suggestion=new) for code in coding.codes if code.suggestion == suggestion.id
            ]
    return replace(coding, suggestions=tuple(suggestions), codes=tuple(codes))


def test_neither_models_nor_adjudication_are_among_the_coders(coded):
    said = [
        ("p1", S, {"ann": "age", "ben": "wealth", "adjudicated": "age", "model-x": "luck"}),
        ("p2", S, {"ann": "wealth", "ben": "wealth", "model-x": "wealth"}),
    ]
    bare = [(p, s, {c: w for c, w in coders.items() if c in ("ann", "ben")}) for p, s, coders in said]

    found = agreement_of(coded(said), draws=5)

    assert [own.coder for own in found.coders] == ["ann", "ben"]
    assert found.alpha == agreement_of(coded(bare), draws=5).alpha
    assert [own.category for own in found.categories] == ["age", "wealth"]


def test_a_models_proposals_are_measured_against_final_codes_and_each_coder(coded):
    found = agreement_of(
        coded(
            [
                ("p1", S, {"ann": "age", "ben": "age", "model-x": "age wealth"}),
                ("p2", S, {"ann": "age", "model-x": "wealth"}),
                ("p3", S, {"ann": "wealth", "adjudicated": "age", "model-x": "age"}),
                (
                    "p4",
                    S,
                    {"ann": "age", "ben": "wealth", "model-x": "age"},
                ),  # Open: nothing to compare with.
                ("p5", S, {"ann": "!", "model-x": "!"}),
            ]
        ),
        draws=0,
    )

    (model,) = found.models
    assert (model.model, model.proposals, model.without_final) == ("model-x", 5, 1)
    assert (model.with_final.first, model.with_final.suggestions) == (FINAL, 4)
    # Sets are equal for the third and the fifth.
    assert model.with_final.equal.value == pytest.approx(0.5)
    assert {r.category: (r.final, r.proposed, r.both) for r in model.retrieval} == {
        "age": (3, 2, 2),
        "wealth": (0, 2, 0),
        "(unusable)": (1, 1, 1),
    }
    wealth = next(r for r in model.retrieval if r.category == "wealth")
    assert (wealth.precision.value, wealth.recall) == (0, None)
    # Five proposals, three of them right; four final codes, three of them found.
    assert (model.precision.count, model.precision.of) == (3, 5)
    assert (model.recall.count, model.recall.of) == (3, 4)
    assert [(p.first, p.suggestions) for p in model.with_coders] == [("ann", 5), ("ben", 2)]


def test_what_cannot_be_said_is_not_said_and_why(coded):
    nothing = agreement_of(coded([]), draws=10)
    alone = agreement_of(coded([("p1", S, {"ann": "age"})]), draws=10)
    same = agreement_of(coded([(f"p{i}", S, {"ann": "age", "ben": "age"}) for i in range(5)]), draws=10)
    one_person = agreement_of(
        coded(
            [("p1", S, {"ann": w, "ben": v}) for w, v in (("age", "age"), ("luck", "luck"), ("age", "luck"))]
        ),
        draws=10,
    )
    apart = agreement_of(coded([("p1", S, {"ann": "age"}), ("p2", S, {"ben": "age"})]), draws=10)

    assert nothing.alpha.value is None
    assert "two coders" in alone.alpha.reason
    assert same.alpha.value is None
    assert "no variation" in same.alpha.reason
    assert same.pairs[0].equal.value == 1
    assert same.pairs[0].categories[0].kappa.value is None
    assert "no variation" in same.pairs[0].categories[0].kappa.reason
    assert one_person.alpha.value is not None
    assert one_person.alpha.low is None
    assert "one respondent" in one_person.alpha.reason
    assert (apart.pairs[0].suggestions, apart.pairs[0].equal.value) == (0, None)
    assert "coded by both" in apart.pairs[0].equal.reason


def test_ten_thousand_suggestions_of_three_coders_take_seconds(coded):
    rng = random.Random(1)
    names = [f"c{i:02}" for i in range(40)]
    said = []
    for i in range(10_000):
        true = rng.sample(names, rng.choice((1, 1, 2)))
        said.append(
            (
                f"p{i % 2_500}",
                S,
                {
                    c: " ".join(true if rng.random() < 0.8 else [rng.choice(names)])
                    for c in ("ann", "ben", "cleo")
                },
            )
        )
    coding = coded(said)

    found = agreement_of(coding, draws=1000)

    assert found.by_two == 10_000
    assert found.alpha.low is not None
    assert found.alpha.low < found.alpha.value < found.alpha.high
