from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.clearing.columns import Columns, Kind, Rows, columns_of, joined, no_columns
from exchange.clearing.objectives import Fairness, Objective, PoolFacts, objective_values
from exchange.pool import Pool, pool_arrays

RandomPool = Callable[..., tuple[Pool, dict[str, float]]]
ExchangesOf = Callable[[Pool, int, int], Iterator[Any]]
WIDTH = 5


def _column(kind: Kind, *members: int) -> Columns:
    return columns_of(kind, np.array([members], dtype=np.intp), WIDTH)


def _by_position(chain: tuple[int, ...]) -> list[Columns]:
    arcs = itertools.pairwise(chain)
    return [
        _column(Kind.CHAIN_ARC, k, donor, recipient) for k, (donor, recipient) in enumerate(arcs, start=1)
    ]


def _names(pool: Pool) -> list[str]:
    return [*(pair.id for pair in pool.pairs), *(ndd.id for ndd in pool.ndds)]


def test_joining_keeps_each_decision_once_in_order() -> None:
    one, other = _column(Kind.CYCLE, 0, 1), _column(Kind.CHAIN, 0, 1)
    both = joined(one, other, one, no_columns(WIDTH))
    assert both.kind.tolist() == [Kind.CYCLE, Kind.CHAIN]
    assert both.keys() == [*one.keys(), *other.keys()]
    assert len(set(both.keys())) == 2


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    failing=st.sampled_from(["never", "equally", "differently"]),
    objective=st.sampled_from(list(Objective)),
)
def test_a_column_is_worth_what_the_objectives_definition_says(
    random_pool: RandomPool,
    exchanges_of: ExchangesOf,
    plain_worth: Callable[..., float],
    seed: int,
    failing: str,
    objective: Objective,
) -> None:
    pool, priorities = random_pool(seed, 5, 2, 0.6, failing=failing, compatible=True)
    facts = PoolFacts(pool=pool, arrays=pool_arrays(pool), priorities=priorities, fairness=Fairness())
    values = objective_values(objective, facts, cycle_cap=4, fairness=Fairness())
    index = {name: i for i, name in enumerate(_names(pool))}
    for exchange in exchanges_of(pool, 4, 3):
        members = tuple(index[member] for member in exchange[0])
        expected = plain_worth(pool, exchange, objective, priorities, Fairness())
        kind = Kind.CHAIN if exchange[2] else Kind.CYCLE
        assert _column(kind, *members).values(values) == pytest.approx(expected)
        if exchange[2] and values.adds_up:
            assert joined(*_by_position(members)).values(values).sum() == pytest.approx(expected)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), by_position=st.booleans(), data=st.data())
def test_the_rows_allow_exactly_the_exchanges_without_a_common_member(
    random_pool: RandomPool,
    exchanges_of: ExchangesOf,
    seed: int,
    by_position: bool,
    data: st.DataObject,
) -> None:
    pool, _ = random_pool(seed, 5, 2, 0.6, compatible=True)
    index = {name: i for i, name in enumerate(_names(pool))}
    every = list(exchanges_of(pool, 4, 3))
    if not every:
        return
    chosen = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=3, unique=True))
    parts: list[Columns] = []
    cycles, chains = [], []
    for members, _, is_chain in chosen:
        numbers = tuple(index[member] for member in members)
        if is_chain:
            chains.append(numbers)
            parts += _by_position(numbers) if by_position else [_column(Kind.CHAIN, *numbers)]
        else:
            cycles.append(numbers)
            parts.append(_column(Kind.CYCLE, *numbers))
    rows = Rows(n_pairs=5, n_ndds=2, chain_cap=3 if by_position else 0)
    # Not joined: the same arc of two chains is used twice.
    columns = Columns(
        kind=np.concatenate([p.kind for p in parts]), members=np.concatenate([p.members for p in parts])
    )
    used = [member for members, _, _ in chosen for member in members]
    is_allowed = bool(np.all(rows.matrix(columns) @ np.ones(len(columns)) <= rows.limits))
    assert is_allowed == (len(set(used)) == len(used))
    if is_allowed:
        assert columns.exchanges() == (tuple(sorted(cycles)), tuple(sorted(chains)))


def test_a_pair_gives_late_in_a_chain_only_if_it_received_before() -> None:
    rows = Rows(n_pairs=3, n_ndds=1, chain_cap=3)
    first, second, third = _by_position((3, 0, 1, 2))
    for columns, is_allowed in (
        ([first], True),
        ([first, second], True),
        ([first, second, third], True),
        ([second], False),
        ([first, third], False),
        ([second, third], False),
    ):
        table = joined(*columns)
        assert np.all(rows.matrix(table) @ np.ones(len(table)) <= rows.limits) == is_allowed
