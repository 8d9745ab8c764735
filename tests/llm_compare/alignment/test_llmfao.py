"""Every measure of one side on public data: people, GPT-3 and GPT-4 judging the same answers of language models.

A profile is a judged model: one categorical attribute whose levels nothing orders. Comparisons of the same two
models under different prompts count as one comparison: disagreement between prompts looks like noise of repeats.
"""

from __future__ import annotations

import csv

import pytest

from llm_compare.alignment.choices import Pairing, choices_of
from llm_compare.alignment.consistency import consistency
from llm_compare.alignment.dominance import dominance
from llm_compare.alignment.position import position
from llm_compare.alignment.resampling import Resampling
from llm_compare.alignment.simple_rules import simple_rules
from llm_compare.alignment.transitivity import transitivity
from survey.answers import Answer, Choice, RespondentKind
from survey.design import CategoricalAttribute, Level, Profile

FEW = Resampling(n_draws=40, seed=1)
CHOICE = {"left": Choice.LEFT, "right": Choice.RIGHT, "tie": Choice.INDECISION}


@pytest.fixture(scope="module")
def tables(shared):
    return {
        who: list(
            csv.DictReader(shared(f"data/comparisons/llmfao_{who}.csv").read_text("utf-8").splitlines())
        )
        for who in ("crowd", "gpt3", "gpt4")
    }


@pytest.fixture(scope="module")
def pairings(tables):
    """GPT-3 and GPT-4 beside the people."""
    names = sorted({r[side] for rows in tables.values() for r in rows for side in ("left", "right")})
    attribute = CategoricalAttribute(
        name="model", label="Judged model", levels=tuple(Level(name=n, words=n) for n in names)
    )
    profile = {n: Profile((("model", n),), name=n) for n in names}

    def answers(who):
        return [
            Answer(
                respondent=r.get("worker", who),
                kind=RespondentKind.HUMAN if "worker" in r else RespondentKind.MODEL,
                arm="main",
                position=None,
                left=profile[r["left"]],
                right=profile[r["right"]],
                choice=CHOICE[r["winner"]],
                indecision_offered=True,
                design_hash="",
            )
            for r in tables[who]
        ]

    people = choices_of(answers("crowd"), label="people")
    return {
        who: Pairing(
            attributes=(attribute,),
            people=people,
            model=choices_of(answers(who), label=who, comparisons=people.comparisons),
        )
        for who in ("gpt3", "gpt4")
    }


@pytest.fixture(scope="module")
def positions(pairings):
    return {who: position(pairing, FEW) for who, pairing in pairings.items()}


def as_counted(tables, who):
    """Return the share of ties and of decided answers for the left, from the file itself."""
    winners = [r["winner"] for r in tables[who]]
    decided = [w for w in winners if w != "tie"]
    return winners.count("tie") / len(winners), decided.count("left") / len(decided)


# Shares and likelihood ratios were computed independently (comparisons_python.json); tests of estimation/ check the
# latter once more.
@pytest.mark.parametrize(
    ("who", "ties", "left", "statistic"),
    [("crowd", 0.389, 0.53, 28.5), ("gpt3", 0.091, 0.70, 356), ("gpt4", 0.031, 0.46, 35.0)],
)
def test_position_bias_of_people_and_models_is_as_computed_independently(
    tables, positions, who, ties, left, statistic
):
    found = positions["gpt4" if who == "crowd" else who]
    side = found.people if who == "crowd" else found.model

    assert as_counted(tables, who) == (pytest.approx(ties, abs=5e-4), pytest.approx(left, abs=6e-3))
    assert side.left.value == pytest.approx(as_counted(tables, who)[1])
    assert side.effect.likelihood_ratio == pytest.approx(statistic, rel=0.002)
    assert side.effect.described_by == "profiles"
    # The sign is that of the share: GPT-4 favors the right.
    assert (side.effect.log_odds > 0) == (side.left.value > 0.5)
    assert side.effect.low * side.effect.high > 0


def test_people_are_their_own_cluster_and_a_model_has_comparisons(positions):
    found = positions["gpt3"]

    assert (found.people.effect.clusters, found.people.effect.n_clusters) == ("respondent", 124)
    assert (found.model.effect.clusters, found.model.effect.n_clusters) == ("comparison", 927)
    assert found.log_odds_difference.low > 0


def test_exchanged_sides_cost_gpt_3_more_than_gpt_4_or_people(pairings):
    gpt3, gpt4 = (consistency(pairings[who], FEW) for who in ("gpt3", "gpt4"))

    assert gpt3.model.lost_by_exchange.low > 0
    assert gpt4.model.lost_by_exchange.low < 0 < gpt4.model.lost_by_exchange.high
    assert gpt3.people.lost_by_exchange.low < 0 < gpt3.people.lost_by_exchange.high
    assert gpt4.model.robust.value > gpt3.model.robust.value
    assert gpt3.people == gpt4.people
    assert gpt3.people.n_both_ways == 281


def test_all_go_in_circles_less_often_than_coins(pairings):
    gpt3, gpt4 = (transitivity(pairings[who], FEW) for who in ("gpt3", "gpt4"))

    for side in (gpt3.people, gpt3.model, gpt4.model):
        assert side.by_most_frequent.high < 0.25
        assert side.by_single_answers.high < 0.25
    assert gpt4.model.by_most_frequent.high < gpt3.model.by_most_frequent.low
    assert gpt3.people.n_within_person > 500
    assert gpt3.people.within_person.high < 0.25
    assert "every other" in gpt3.model.no_coefficient


def test_names_of_models_have_no_direction_and_hardly_a_rule(pairings):
    rules, dominated = simple_rules(pairings["gpt4"], FEW), dominance(pairings["gpt4"], FEW)

    assert dominated.n_dominated == 0
    assert "states for none" in dominated.people.against.reason
    assert rules.people.always_undecided.value == pytest.approx(0.3886, abs=5e-5)
    # One model before all others explains a little more of what people chose than constant indecision does.
    assert rules.people.best.share.value - rules.people.always_undecided.value < 0.02
    assert rules.model.coin.value == pytest.approx((1 - 0.0309) / 2, abs=5e-5)
