"""Helpers of the exchange's tests: small pools by hand, and a judge that tries every match run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import pairwise, permutations

import pytest

from exchange.clearing.objectives import Objective, Policy, stage_objectives
from exchange.pool import Arc, NonDirectedDonor, Pair, Pool
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
def best_by_brute_force() -> Callable[..., tuple[float, ...]]:
    """Return a function giving the best value of each of a policy's objectives, by trying everything."""

    def best(
        pool: Pool, priorities: Mapping[str, float], policy: Policy, cycle_cap: int, chain_cap: int
    ) -> tuple[float, ...]:
        weight = {(arc.donor, arc.recipient): arc.weight for arc in pool.arcs}
        ids = [*(pair.id for pair in pool.pairs), *(d.id for d in pool.ndds)]
        bit = {member: 1 << i for i, member in enumerate(ids)}
        by_first: dict[int, list[tuple[int, tuple[float, ...]]]] = {mask: [] for mask in bit.values()}

        def add(members: tuple[str, ...], arcs: list[tuple[str, str]]) -> None:
            if all(arc in weight for arc in arcs):
                worth = {
                    Objective.TRANSPLANTS: float(len(arcs)),
                    Objective.PRIORITY: sum(priorities[recipient] for _, recipient in arcs),
                    Objective.ARC_WEIGHT: sum(weight[arc] for arc in arcs),
                }
                mask = sum(bit[member] for member in members)
                by_first[mask & -mask].append((mask, tuple(worth[o] for o in stage_objectives(policy))))

        pairs = [pair.id for pair in pool.pairs]
        for size in range(2, cycle_cap + 1):
            for ring in permutations(pairs, size):
                if ring[0] == min(ring):
                    add(ring, list(zip(ring, (*ring[1:], ring[0]), strict=True)))
        for size in range(1, chain_cap + 1):
            for tail in permutations(pairs, size):
                for ndd in pool.ndds:
                    chain = (ndd.id, *tail)
                    add(chain, list(pairwise(chain)))

        nothing = tuple(0.0 for _ in stage_objectives(policy))

        @cache
        def best_among(free: int) -> tuple[float, ...]:
            """Return the best worth of disjoint exchanges among ``free`` members, a bit each."""
            if not free:
                return nothing
            first = free & -free
            options = [best_among(free & ~first)]
            for mask, worth in by_first[first]:
                if not mask & ~free:
                    rest = best_among(free & ~mask)
                    options.append(tuple(a + b for a, b in zip(worth, rest, strict=True)))
            return max(options)

        return best_among((1 << len(ids)) - 1)

    return best
