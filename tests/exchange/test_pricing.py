from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exchange.clearing.columns import Columns, Kind
from exchange.clearing.market import Formulation, Market, make_market
from exchange.clearing.objectives import Fairness, Objective, PoolFacts, objective_values
from exchange.clearing.pricing import Terms, TooManyColumns, price
from exchange.pool import FloatArray, Pool, pool_arrays

RandomPool: TypeAlias = Callable[..., tuple[Pool, dict[str, float]]]
ExchangesOf: TypeAlias = Callable[[Pool, int, int], Iterator[Any]]
Key: TypeAlias = tuple[int, ...]

pool_settings = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "n_pairs": st.integers(2, 6),
        "n_ndds": st.integers(0, 2),
        "density": st.sampled_from([0.3, 0.7]),
        "failing": st.sampled_from(["never", "equally", "differently"]),
        "compatible": st.booleans(),
    }
)
shares = st.dictionaries(
    st.sampled_from(list(Objective)), st.sampled_from([0.25, 0.5, 1.0]), min_size=1, max_size=3
)
cycle_caps = st.sampled_from([0, 2, 3, 4, 5])
thresholds = st.sampled_from([-1.0, 0.0, 0.5])


def _market(
    pool: Pool,
    priorities: dict[str, float],
    shares: dict[Objective, float],
    caps: tuple[int, int],
    how: Formulation,
) -> tuple[Market, Terms]:
    arrays = pool_arrays(pool)
    market = make_market(arrays, cycle_cap=caps[0], chain_cap=caps[1], formulation=how)
    facts = PoolFacts(pool=pool, arrays=arrays, priorities=priorities, fairness=Fairness())
    values = tuple(
        objective_values(o, facts, cycle_cap=market.cycle_cap, fairness=Fairness()) for o in shares
    )
    return market, Terms(weights=tuple(shares.values()), values=values)


def _prices(pool: Pool, seed: int) -> tuple[FloatArray, FloatArray]:
    """Draw prices that are no neat numbers, so that no exchange lies exactly at a threshold."""
    rng = np.random.default_rng(seed)
    return rng.exponential(size=len(pool.pairs)), rng.exponential(size=len(pool.ndds))


def _keys(columns: Columns) -> set[tuple[Kind, Key]]:
    return {(kind, tuple(row)) for kind, _, members in columns.groups() for row in members.tolist()}


def _listed(
    pool: Pool,
    exchanges_of: ExchangesOf,
    worth: Callable[[Any], float],
    caps: tuple[int, int],
    prices: tuple[FloatArray, FloatArray],
) -> dict[tuple[Kind, Key], float]:
    """Return the profit of every cycle and chain, by listing them."""
    names = [*(pair.id for pair in pool.pairs), *(ndd.id for ndd in pool.ndds)]
    index = {name: i for i, name in enumerate(names)}
    each = np.concatenate(prices)
    found = {}
    for exchange in exchanges_of(pool, *caps):
        members = tuple(index[member] for member in exchange[0])
        kind = Kind.CHAIN if exchange[2] else Kind.CYCLE
        found[kind, members] = worth(exchange) - float(each[list(members)].sum())
    return found


@pytest.fixture(scope="session")
def total_worth(plain_worth: Callable[..., float]) -> Callable[..., Callable[[Any], float]]:
    """Return a function giving the worth of an exchange under several objectives, each times its share."""

    def make(
        pool: Pool, priorities: dict[str, float], shares: dict[Objective, float]
    ) -> Callable[[Any], float]:
        return lambda exchange: sum(
            share * plain_worth(pool, exchange, objective, priorities, Fairness())
            for objective, share in shares.items()
        )

    return make


@settings(max_examples=150)
@given(
    drawn=pool_settings,
    shares=shares,
    cycle_cap=cycle_caps,
    chain_cap=st.integers(0, 4),
    threshold=thresholds,
)
@example(  # longer cycles passed over just below the threshold belong to the bound as well
    drawn={
        "seed": 444,
        "n_pairs": 6,
        "n_ndds": 0,
        "density": 0.7,
        "failing": "never",
        "compatible": False,
    },
    shares={Objective.BACK_ARCS: 0.5, Objective.TRANSPLANTS: 0.5},
    cycle_cap=4,
    chain_cap=0,
    threshold=0.5,
)
def test_the_columns_priced_are_exactly_those_that_listing_finds(
    random_pool: RandomPool,
    exchanges_of: ExchangesOf,
    total_worth: Callable[..., Callable[[Any], float]],
    drawn: dict[str, Any],
    shares: dict[Objective, float],
    cycle_cap: int,
    chain_cap: int,
    threshold: float,
) -> None:
    pool, priorities = random_pool(**drawn)
    caps, prices = (cycle_cap, chain_cap), _prices(pool, drawn["seed"])
    market, terms = _market(pool, priorities, shares, caps, Formulation.CYCLE)
    priced = price(market, terms, prices[0], prices[1][: market.n_ndds], threshold=threshold)
    listed = _listed(pool, exchanges_of, total_worth(pool, priorities, shares), caps, prices)
    assert _keys(priced.columns) == {key for key, profit in listed.items() if profit > threshold}
    for i, (kind, members) in enumerate(
        (Kind(k), tuple(m for m in row if m >= 0))
        for k, row in zip(priced.columns.kind.tolist(), priced.columns.members.tolist(), strict=True)
    ):
        assert priced.profits[i] == pytest.approx(listed[kind, members])
    best: dict[int, float] = {}
    for (_, members), profit in listed.items():
        best[members[0]] = max(best.get(members[0], 0.0), profit)
    excess = sum(best.values())
    assert priced.excess >= excess - 1e-9
    if threshold <= 0:
        # Nothing profitable is left unlisted, so the bound is what the best of each first member add up to.
        assert priced.excess == pytest.approx(excess, abs=1e-9)


@settings(max_examples=100)
@given(
    drawn=pool_settings,
    shares=shares,
    chain_cap=st.integers(1, 4),
    threshold=thresholds,
)
def test_the_chain_arcs_priced_are_exactly_those_on_a_walk_that_listing_finds(
    random_pool: RandomPool,
    plain_worth: Callable[..., float],
    drawn: dict[str, Any],
    shares: dict[Objective, float],
    chain_cap: int,
    threshold: float,
) -> None:
    if drawn["failing"] == "differently":
        drawn["failing"] = "equally"
    pool, priorities = random_pool(**drawn)
    prices = _prices(pool, drawn["seed"])
    market, terms = _market(pool, priorities, shares, (0, chain_cap), Formulation.PICEF)
    priced = price(market, terms, prices[0], prices[1][: market.n_ndds], threshold=threshold)
    ids = [*(pair.id for pair in pool.pairs), *(ndd.id for ndd in pool.ndds)]
    onward = [[j for j in range(market.n_pairs) if market.pair_arcs[i, j]] for i in range(market.n_pairs)]
    onward += [np.flatnonzero(row).tolist() for row in market.ndd_arcs]
    each = np.concatenate(prices)
    best: dict[Key, float] = {}
    top: dict[int, float] = {}
    walks: list[Key] = [(ndd,) for ndd in range(market.n_pairs, len(onward))]
    while walks:
        walk = walks.pop()
        arcs = tuple((ids[a], ids[b]) for a, b in itertools.pairwise(walk))
        if arcs:
            profit = sum(
                share * plain_worth(pool, (walk, arcs, True), objective, priorities, Fairness())
                for objective, share in shares.items()
            ) - float(each[list(walk)].sum())
            top[walk[0]] = max(top.get(walk[0], 0.0), profit)
            for position, (a, b) in enumerate(itertools.pairwise(walk), start=1):
                best[position, a, b] = max(best.get((position, a, b), -np.inf), profit)
        if len(walk) <= market.chain_cap:
            walks += [(*walk, j) for j in onward[walk[-1]]]
    found = {members for kind, members in _keys(priced.columns) if kind is Kind.CHAIN_ARC}
    assert found == {arc for arc, profit in best.items() if profit > threshold}
    assert priced.excess == pytest.approx(
        sum(top.values()) + sum(max(p, 0.0) for p in _own_profits(market, terms, prices[0])), abs=1e-9
    )


def _own_profits(market: Market, terms: Terms, pair_prices: FloatArray) -> list[float]:
    """Return the profits of the compatible pairs' own transplants, which chain caps do not concern."""
    return [
        sum(
            w * float(v.of_cycles(np.array([[i]]))[0])
            for w, v in zip(terms.weights, terms.values, strict=True)
        )
        - float(pair_prices[i])
        for i in market.compatible.tolist()
    ]


@settings(max_examples=60)
@given(drawn=pool_settings, shares=shares, cycle_cap=cycle_caps, chain_cap=st.integers(0, 3))
def test_a_limited_search_finds_profitable_columns_and_a_bound_that_holds(
    random_pool: RandomPool,
    exchanges_of: ExchangesOf,
    total_worth: Callable[..., Callable[[Any], float]],
    drawn: dict[str, Any],
    shares: dict[Objective, float],
    cycle_cap: int,
    chain_cap: int,
) -> None:
    pool, priorities = random_pool(**drawn)
    caps, prices = (cycle_cap, chain_cap), _prices(pool, drawn["seed"])
    market, terms = _market(pool, priorities, shares, caps, Formulation.CYCLE)
    few = price(market, terms, prices[0], prices[1][: market.n_ndds], threshold=0.0, per_start=1)
    listed = _listed(pool, exchanges_of, total_worth(pool, priorities, shares), caps, prices)
    profitable = {key for key, profit in listed.items() if profit > 0}
    assert _keys(few.columns) <= profitable
    # Column generation stops when nothing is found: then nothing may be there.
    assert bool(len(few.columns)) == bool(profitable)
    best: dict[int, float] = {}
    for (_, members), profit in listed.items():
        best[members[0]] = max(best.get(members[0], 0.0), profit)
    assert few.excess >= sum(best.values()) - 1e-9


def test_more_columns_than_were_allowed_are_said_to_be_too_many(random_pool: RandomPool) -> None:
    pool, priorities = random_pool(3, 6, 1, 0.9)
    market, terms = _market(pool, priorities, {Objective.TRANSPLANTS: 1.0}, (4, 3), Formulation.CYCLE)
    free = np.zeros(6), np.zeros(1)
    all_of_them = price(market, terms, *free, threshold=0.0)
    assert len(all_of_them.columns) > 50
    assert len(price(market, terms, *free, threshold=0.0, most=len(all_of_them.columns)).columns) > 50
    with pytest.raises(TooManyColumns):
        price(market, terms, *free, threshold=0.0, most=len(all_of_them.columns) - 1)
