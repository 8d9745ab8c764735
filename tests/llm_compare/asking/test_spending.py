from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.asking.spending import Budget, Price, cost_of, estimate
from llm_compare.errors import NoPrice
from llm_compare.prompting.call import Settings
from llm_compare.prompting.variant import AnswerFormat, Variant

PRICE = Price(usd_per_million_in=2.5, usd_per_million_out=10.0, source="given")


def test_the_cost_of_a_reply_is_that_of_its_tokens():
    assert cost_of(PRICE, 1000, 100) == pytest.approx(0.0025 + 0.001)
    assert cost_of(PRICE, 0, 0) == 0


@pytest.mark.parametrize("unknown", [(None, 1, 1), (PRICE, None, 1), (PRICE, 1, None)])
def test_an_unknown_cost_is_none_and_not_zero(unknown):
    assert cost_of(*unknown) is None


def test_an_estimate_goes_from_one_token_a_reply_to_as_many_as_allowed(planned):
    requests = planned(3, settings=Settings(max_tokens=16))
    found = estimate(requests, PRICE)
    tokens_in = sum(-(-len(m.content) // 4) for r in requests for m in r.messages)
    assert (found.tokens_in, found.tokens_out_low, found.tokens_out_high) == (tokens_in, 6, 96)
    assert found.usd_low == pytest.approx((tokens_in * 2.5 + 6 * 10) / 1e6)
    assert found.usd_high == pytest.approx((tokens_in * 2.5 + 96 * 10) / 1e6)


def test_an_estimate_says_what_it_does_not_know(planned):
    unpriced = estimate(planned(3), None)
    assert (unpriced.usd_low, unpriced.usd_high, unpriced.tokens_out_high) == (None, None, 96)
    endless = estimate(planned(3, settings=Settings(max_tokens=None)), PRICE)
    assert (endless.tokens_out_high, endless.usd_high) == (None, None)
    assert endless.usd_low > 0
    assert estimate((), PRICE).usd_high == 0


def test_a_budget_without_a_price_is_refused():
    with pytest.raises(
        NoPrice, match="budget of 5 USD cannot be kept: the price of the model is unknown; give"
    ):
        Budget(5, None)


@pytest.mark.parametrize("prices", [(-1, 0), (0, -1), (float("nan"), 0)])
def test_prices_below_nothing_are_refused(prices):
    with pytest.raises(ValueError, match="0 or more"):
        Price(usd_per_million_in=prices[0], usd_per_million_out=prices[1], source="given")


def test_the_worst_case_of_a_call_is_above_every_estimate_of_it(planned):
    (request, *_) = planned(settings=Settings(max_tokens=16))
    assert Budget(1, PRICE).worst_case(request) > estimate([request], PRICE).usd_high


def test_the_worst_case_holds_a_schema_that_is_sent(planned):
    asks_json = Variant(answer_format=AnswerFormat.JSON)
    plain, with_schema = (
        planned(settings=Settings(max_tokens=16), variants=[asks_json], takes_schema=takes)[0]
        for takes in (False, True)
    )
    assert plain.messages == with_schema.messages
    budget = Budget(1, PRICE)
    assert budget.worst_case(with_schema) > budget.worst_case(plain) + PRICE.cost(100, 0)


@given(
    st.floats(0, 100),
    st.lists(st.tuples(st.floats(0, 30), st.none() | st.floats(0, 1), st.booleans()), max_size=60),
)
def test_whatever_happens_no_more_is_spent_than_the_budget(most, events):
    budget = Budget(most, PRICE)
    under_way = []
    for worst, share, ends_first in events:
        if ends_first and under_way:
            budget.settle(*under_way.pop(0))
        if budget.set_aside(worst):
            under_way.append((worst, None if share is None else share * worst))
        assert budget.is_settled == (not under_way)
    for one in under_way:
        budget.settle(*one)
    assert budget.is_settled
    assert budget.spent_usd <= most + 1e-9
