"""Simulated coders err as often as stated, so the agreement that comes out is the one their rates imply."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from survey.answers import RespondentKind
from survey.coding.agreement import agreement_of
from survey.coding.coding import Code, Coding, CodingError, Outcome, Suggestion
from survey.coding.simulated_coders import CoderRates, simulated_categories, simulated_codes
from survey.coding.synthetic import Population, SyntheticCategory, Words, synthetic_population
from survey.suggestions import Stance

NAMES = ("age", "wealth", "gender", "waiting")
EXACT = CoderRates(misses=0, adds_wrong=0, calls_unusable=0)


@pytest.fixture(scope="module")
def four() -> Population:
    """A population with four categories, each with one way to say it."""
    nothing = dict.fromkeys(Stance, ())
    return Population(
        categories=tuple(
            SyntheticCategory(
                name=name,
                label=name.capitalize(),
                definition="",
                named=dict.fromkeys(Stance, 0.5),
                acceptable=0.5,
                cannot_say=0.1,
                words={"en": Words(phrases=(name,), why=nothing, direction=nothing)},
            )
            for name in NAMES
        ),
        no_category={"en": ("zodiac sign",)},
        unusable=("???",),
        otherwise_acceptable=0.5,
        otherwise_cannot_say=0.1,
    )


def said(*texts: str, respondent: str = "sim-00001") -> list[Suggestion]:
    return [
        Suggestion(id=id_, respondent=respondent, kind=RespondentKind.HUMAN, stance=Stance.SHOULD, text=text)
        for id_, text in enumerate(texts, start=1)
    ]


def words(codes: tuple[Code, ...]) -> list[tuple[int, str, str]]:
    return [(code.suggestion, code.coder, code.category or code.outcome.value) for code in codes]


def test_coders_who_never_err_code_by_the_truth(four: Population) -> None:
    codes = simulated_codes(four, said("age", "???", "zodiac sign", "Wealth."), coders=2, seed=1, rates=EXACT)
    meant = ["age", "unusable", "no_category", "wealth"]
    assert words(codes) == [
        (id_, f"sim-coder-{number}", word) for id_, word in enumerate(meant, start=1) for number in (1, 2)
    ]


def test_a_suggestion_of_two_categories_gets_a_code_for_each() -> None:
    codes = simulated_codes(
        synthetic_population(), said("smoking and drinking"), coders=1, seed=1, rates=EXACT
    )
    assert words(codes) == [(1, "sim-coder-1", "drinking"), (1, "sim-coder-1", "smoking")]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        (CoderRates(misses=1, adds_wrong=0, calls_unusable=0), ["no_category", "no_category", "unusable"]),
        (CoderRates(misses=0, adds_wrong=0, calls_unusable=1), ["unusable"] * 3),
    ],
)
def test_coders_who_always_err_do_it_in_their_way(
    four: Population, rates: CoderRates, expected: list[str]
) -> None:
    codes = simulated_codes(four, said("age", "zodiac sign", "???"), coders=1, seed=1, rates=rates)
    assert [word for _, _, word in words(codes)] == expected


def test_a_wrong_category_is_never_a_right_one(four: Population) -> None:
    rates = CoderRates(misses=0, adds_wrong=1, calls_unusable=0)
    codes = simulated_codes(four, said(*["age"] * 300), coders=1, seed=1, rates=rates)
    by_category = Counter(code.category for code in codes)
    assert by_category.pop("age") == 300
    assert sum(by_category.values()) == 300
    assert by_category.keys() == set(NAMES) - {"age"}
    assert all(70 < n < 130 for n in by_category.values())


def test_the_same_seed_gives_the_same_codes_in_whichever_order_they_were_stored(four: Population) -> None:
    one, other = said(*["age", "wealth"] * 20, respondent="sim-00001"), said("gender", respondent="sim-00002")
    forward = [*one, *(replace(s, id=s.id + 100) for s in other)]
    # The other one was quicker.
    backward = [*(replace(s, id=s.id + 100) for s in one), *other]
    rates = CoderRates(misses=0.5, adds_wrong=0.5, calls_unusable=0.1)

    def texts(suggestions: list[Suggestion], seed: int) -> list[tuple[str, str, str]]:
        rank = {s.id: (s.respondent, place) for place, s in enumerate(sorted(suggestions, key=key))}
        codes = simulated_codes(four, suggestions, coders=2, seed=seed, rates=rates)
        return sorted((str(rank[c.suggestion]), c.coder, c.category or c.outcome.value) for c in codes)

    def key(s: Suggestion) -> tuple[str, int]:
        return s.respondent, s.id

    assert texts(forward, 1) == texts(backward, 1)
    assert texts(forward, 1) != texts(forward, 2)
    first, second = (
        [w[2] for w in words(simulated_codes(four, forward, coders=2, seed=1, rates=rates)) if w[1] == coder]
        for coder in ("sim-coder-1", "sim-coder-2")
    )
    assert first != second, "each coder errs on its own"


def test_another_coder_changes_nothing_of_those_before(four: Population) -> None:
    suggestions = said(*NAMES * 25)
    two = simulated_codes(four, suggestions, coders=2, seed=3)
    three = simulated_codes(four, suggestions, coders=3, seed=3)
    assert two == tuple(code for code in three if code.coder != "sim-coder-3")


def test_what_no_simulated_participant_says_is_refused_by_number(four: Population) -> None:
    with pytest.raises(CodingError, match="suggestion 2: no simulated participant says 'my own words'"):
        simulated_codes(four, said("age", "my own words"), coders=1, seed=1)


def test_agreement_comes_out_as_the_coders_rates_imply(four: Population) -> None:
    """Four categories, each meant by a quarter of the suggestions. By hand, with 5 % called unusable, 20 % missed
    and 12 % added to, a coder says of a suggestion that means c:

    - c itself: .95 x .80 = .76; one of the others, each: .95 x .12 / 3 = .038;
    - as a set: unusable .05; only c .95 x .80 x .88 = .6688; c and another, each .95 x .80 x .12 / 3 = .0304;
      nothing .95 x .20 x .88 = .1672; only another, each .95 x .20 x .12 / 3 = .0076.

    Of a category, observed agreement is .25 (.76² + .24²) + .75 (.038² + .962²) = .85397. It is given with
    .25 x .76 + .75 x .038 = .2185, so by chance it is .2185² + .7815² = .65848.

    Of sets, observed agreement is .05² + .6688² + 3 x .0304² + .1672² + 3 x .0076² = .48069. A set of one has
    .25 x .6688 + .75 x .0076 = .1729, each of the 6 sets of two .25 x 2 x .0304 = .0152, so by chance it is
    .05² + 4 x .1729² + 6 x .0152² + .1672² = .15142.
    """
    rates = CoderRates(misses=0.20, adds_wrong=0.12, calls_unusable=0.05)
    n = 1_500
    suggestions = [
        replace(s, respondent=f"sim-{i % n:05}") for i, s in enumerate(said(*np.repeat(NAMES, n).tolist()))
    ]
    coding = Coding(
        study="s",
        version="1",
        design_hash="ab" * 32,
        categories=simulated_categories(four),
        suggestions=tuple(suggestions),
        codes=simulated_codes(four, suggestions, coders=2, seed=11, rates=rates),
    )
    agreement = agreement_of(coding, draws=20)
    (pair,) = agreement.pairs
    assert pair.suggestions == 4 * n
    assert pair.equal.value == pytest.approx(0.48069, abs=0.02)
    assert agreement.alpha_same.value == pytest.approx((0.48069 - 0.15142) / (1 - 0.15142), abs=0.025)
    kappa = {found.category: found.kappa.value for found in pair.categories}
    for name in NAMES:
        assert kappa[name] == pytest.approx((0.85397 - 0.65848) / (1 - 0.65848), abs=0.045)
    assert np.mean([kappa[name] for name in NAMES]) == pytest.approx(0.5724, abs=0.02)
    # Called unusable by chance alone: no agreement beyond chance.
    assert kappa["(unusable)"] == pytest.approx(0, abs=0.06)
    for coder in agreement.coders:
        assert coder.codes[f"({Outcome.UNUSABLE.value})"] / (4 * n) == pytest.approx(0.05, abs=0.012)
