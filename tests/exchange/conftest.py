"""Helpers of the exchange's tests: small pools by hand, and a judge that tries every match run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from math import prod
from operator import ge

import numpy as np
import pytest

from exchange.clearing.objectives import Fairness, Objective, Policy, stage_objectives
from exchange.pool import Arc, NonDirectedDonor, Pair, Pool
from exchange.priorities import Priorities, priority_of
from survey.design import StudyDesign
from survey.design_file import example_design


@pytest.fixture(scope="session")
def study() -> StudyDesign:
    """The eight-profile study, which has patient shares."""
    return example_design("kidney-8")


@pytest.fixture(scope="session")
def make_pool() -> Callable[..., Pool]:
    """Return a function: numbers of pairs and ndds, and arcs between indices (ndds after pairs)."""

    def make(
        n_pairs: int,
        n_ndds: int,
        arcs: Iterable[tuple[int, int]],
        weights: Mapping[tuple[int, int], float] = {},
    ) -> Pool:
        names = [*(f"P{i}" for i in range(n_pairs)), *(f"N{i}" for i in range(n_ndds))]
        return Pool(
            pairs=tuple(Pair(id=name) for name in names[:n_pairs]),
            ndds=tuple(NonDirectedDonor(id=name) for name in names[n_pairs:]),
            arcs=tuple(
                Arc(donor=names[a], recipient=names[b], weight=weights.get((a, b), 1.0)) for a, b in arcs
            ),
            source="made by hand",
        )

    return make


@pytest.fixture(scope="session")
def random_pool() -> Callable[..., tuple[Pool, dict[str, float]]]:
    """Return a function drawing a pool of any density, and priorities.

    All numbers are whole or quarters, so that the judge's sums are exact and ties are ties.
    """

    def draw(
        seed: int,
        n_pairs: int,
        n_ndds: int,
        density: float,
        *,
        failing: str = "never",
        compatible: bool = False,
    ) -> tuple[Pool, dict[str, float]]:
        rng = np.random.default_rng(seed)
        names = [*(f"P{i}" for i in range(n_pairs)), *(f"N{i}" for i in range(n_ndds))]
        exists = rng.random((n_pairs + n_ndds, n_pairs)) < density
        own = rng.random(n_pairs) < (0.3 if compatible else 0.0)
        chances = {"never": [1.0], "equally": [0.5], "differently": [0.25, 0.5, 0.75, 1.0]}[failing]
        arcs = [
            Arc(
                donor=names[a],
                recipient=names[b],
                weight=float(rng.integers(6)),
                success_probability=float(rng.choice(chances)),
            )
            for a, b in np.ndindex(exists.shape)
            if (own[b] if a == b else exists[a, b])
        ]
        pool = Pool(
            pairs=tuple(
                Pair(id=name, cpra=float(rng.choice([0.0, 0.5, 0.9])), is_compatible=bool(own[i]))
                for i, name in enumerate(names[:n_pairs])
            ),
            ndds=tuple(NonDirectedDonor(id=name) for name in names[n_pairs:]),
            arcs=tuple(arcs),
            source="drawn",
        )
        return pool, {name: float(rng.integers(21)) for name in names[:n_pairs]}

    return draw


Exchange = tuple[tuple[str, ...], tuple[tuple[str, str], ...], bool]
"""Members, (donor, recipient) of each transplant, whether it is a chain."""


def every_exchange(pool: Pool, cycle_cap: int, chain_cap: int) -> Iterator[Exchange]:
    """Yield every cycle and chain of a small pool, each once, by walking along the arcs."""
    receives: dict[str, list[str]] = {}
    for arc in pool.arcs:
        receives.setdefault(arc.donor, []).append(arc.recipient)
    order = {pair.id: i for i, pair in enumerate(pool.pairs)}
    for pair in pool.pairs:
        if pair.is_compatible:
            yield (pair.id,), ((pair.id, pair.id),), False
    starts = [*(pair.id for pair in pool.pairs), *(ndd.id for ndd in pool.ndds)]
    walks: list[tuple[str, ...]] = [(start,) for start in starts]
    while walks:
        walk = walks.pop()
        is_chain = walk[0] not in order
        if is_chain and len(walk) > 1:
            yield walk, tuple(pairwise(walk)), True
        if not is_chain and 1 < len(walk) <= cycle_cap and walk[0] in receives.get(walk[-1], ()):
            yield walk, tuple(pairwise((*walk, walk[0]))), False
        if len(walk) < (chain_cap + 1 if is_chain else cycle_cap):
            for recipient in receives.get(walk[-1], ()):
                if recipient not in walk and (is_chain or order[recipient] > order[walk[0]]):
                    walks.append((*walk, recipient))


def worth_of(
    pool: Pool, exchange: Exchange, objective: Objective, priorities: Priorities, fairness: Fairness
) -> float:
    """Return what one exchange adds to an objective, as its definition says; negative where less is better."""
    _, used, is_chain = exchange
    arcs = {(arc.donor, arc.recipient): arc for arc in pool.arcs}
    cpra = {pair.id: pair.cpra for pair in pool.pairs}
    patients = [recipient for _, recipient in used]
    if objective in (Objective.EXPECTED_TRANSPLANTS, Objective.EXPECTED_PRIORITY):
        chances = [arcs[arc].success_probability for arc in used]
        happens = [prod(chances[: i + 1]) if is_chain else prod(chances) for i in range(len(used))]
        each = [
            1.0 if objective is Objective.EXPECTED_TRANSPLANTS else priority_of(priorities, *arc)
            for arc in used
        ]
        return sum(chance * worth for chance, worth in zip(happens, each, strict=True))
    is_sensitized = [(cpra[p] or 0.0) >= fairness.threshold for p in patients]
    return {
        Objective.TRANSPLANTS: float(len(used)),
        Objective.PRIORITY: float(sum(priority_of(priorities, *arc) for arc in used)),
        Objective.ARC_WEIGHT: float(sum(arcs[arc].weight for arc in used)),
        Objective.TWO_WAY: 2.0 if not is_chain and len(used) == 2 else 0.0,
        Objective.FEWEST_THREE_WAY: -1.0 if not is_chain and len(used) == 3 else 0.0,
        Objective.BACK_ARCS: (
            float(sum((b, a) in arcs for a, b in used)) if is_chain or len(used) > 2 else 0.0
        ),
        Objective.SENSITIZED: float(sum(is_sensitized)),
        Objective.WEIGHTED_FAIRNESS: len(used) + fairness.bonus * sum(is_sensitized),
    }[objective]


@pytest.fixture(scope="session")
def exchanges_of() -> Callable[[Pool, int, int], Iterator[Exchange]]:
    """Return :func:`every_exchange`."""
    return every_exchange


@pytest.fixture(scope="session")
def plain_worth() -> Callable[..., float]:
    """Return :func:`worth_of`."""
    return worth_of


@pytest.fixture(scope="session")
def best_by_brute_force() -> Callable[..., tuple[float, ...]]:
    """Return a function giving the best value of each objective in turn, by trying every match run."""

    def best(
        pool: Pool,
        priorities: Priorities,
        wanted: Policy | Sequence[Objective],
        cycle_cap: int,
        chain_cap: int,
        concessions: Sequence[float] = (),
        fairness: Fairness | None = None,
    ) -> tuple[float, ...]:
        objectives = stage_objectives(wanted) if isinstance(wanted, Policy) else tuple(wanted)
        chosen = Fairness() if fairness is None else fairness
        ids = [*(pair.id for pair in pool.pairs), *(d.id for d in pool.ndds)]
        bit = {member: 1 << i for i, member in enumerate(ids)}
        by_first: dict[int, list[tuple[int, tuple[float, ...]]]] = {mask: [] for mask in bit.values()}
        for exchange in every_exchange(pool, cycle_cap, chain_cap):
            mask = sum(bit[member] for member in exchange[0])
            worth = tuple(worth_of(pool, exchange, o, priorities, chosen) for o in objectives)
            by_first[mask & -mask].append((mask, worth))

        @cache
        def reached_among(free: int) -> tuple[tuple[float, ...], ...]:
            """Return what disjoint exchanges among ``free`` members (a bit each) are worth.

            Only the best is kept, or with concessions all that no other choice beats in everything.
            """
            if not free:
                return ((0.0,) * len(objectives),)
            first = free & -free
            options = set(reached_among(free & ~first))
            for mask, worth in by_first[first]:
                if not mask & ~free:
                    options |= {
                        tuple(a + b for a, b in zip(worth, rest, strict=True))
                        for rest in reached_among(free & ~mask)
                    }
            if not any(concessions):
                return (max(options),)
            return tuple(
                one
                for one in options
                if not any(other != one and all(map(ge, other, one)) for other in options)
            )

        left = list(reached_among((1 << len(ids)) - 1))
        found = []
        for stage, objective in enumerate(objectives):
            most = max(one[stage] for one in left)
            found.append(-most + 0.0 if objective.is_minimized else most)
            concession = concessions[stage] if stage < len(concessions) else 0.0
            left = [one for one in left if one[stage] >= most - concession]
        return tuple(found)

    return best
