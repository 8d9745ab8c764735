from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.clearing.clear import Clearing, Goal, Solved, goals_of, make_clearing
from exchange.clearing.objectives import Fairness, Objective, Policy
from exchange.errors import BadRequest
from exchange.match_run import Chain, Cycle, MatchRun
from exchange.pool import Arc, NonDirectedDonor, Pair, Pool
from exchange.pool_generator import generate_pool
from exchange.priorities import equal_priorities, priorities
from exchange.published_weights import PROFILES, published_weights
from exchange.ties import drawn_among_ties, find_ties, recipients
from exchange.validity import check_match_run, objective_value
from survey.design import StudyDesign

CYCLE_CAP, CHAIN_CAP = 3, 2


def cleared(pool: Pool, weights: dict[str, float], goals: tuple[Goal, ...]) -> tuple[Clearing, Solved]:
    clearing = make_clearing(
        pool, [goal.objective for goal in goals], cycle_cap=CYCLE_CAP, chain_cap=CHAIN_CAP
    )
    return clearing, clearing.solve([(g, clearing.values(g.objective, weights)) for g in goals])


def every_match_run(pool: Pool) -> Iterator[MatchRun]:
    """Yield all of them, by trying every set of exchanges."""
    arcs = {(arc.donor, arc.recipient) for arc in pool.arcs}
    exchanges: list[Cycle | Chain] = []
    for size in range(1, CYCLE_CAP + 1):
        for ring in permutations([pair.id for pair in pool.pairs], size):
            cycle = Cycle(pairs=ring)
            if ring[0] == min(ring) and set(cycle.arcs) <= arcs:
                exchanges.append(cycle)
    for size in range(1, CHAIN_CAP + 1):
        for tail in permutations([pair.id for pair in pool.pairs], size):
            chains = (Chain(ndd=ndd.id, pairs=tail) for ndd in pool.ndds)
            exchanges += [chain for chain in chains if set(chain.arcs) <= arcs]
    for count in range(len(pool.pairs) + 1):
        for chosen in combinations(exchanges, count):
            members = [m for e in chosen for m in (*e.pairs, *((e.ndd,) if isinstance(e, Chain) else ()))]
            if len(set(members)) == len(members):
                yield MatchRun(
                    cycles=tuple(e for e in chosen if isinstance(e, Cycle)),
                    chains=tuple(e for e in chosen if isinstance(e, Chain)),
                    policy=None,
                    cycle_cap=CYCLE_CAP,
                    chain_cap=CHAIN_CAP,
                    stages=(),
                    transplants=0,
                    total_priority=0.0,
                    pool_source="",
                )


def best_sets(
    pool: Pool, weights: dict[str, float], goals: tuple[Goal, ...], conceded: float = 0.0
) -> set[frozenset[str]]:
    """Return the sets of patients of all best match runs, ``conceded`` of the first objective given up."""
    left = list(every_match_run(pool))
    for place, goal in enumerate(goals):
        sign = -1.0 if goal.objective.is_minimized else 1.0
        worth = [sign * objective_value(pool, run, goal.objective, weights, Fairness()) for run in left]
        limit = max(worth) - (conceded if place == 0 else 0.0) - 1e-9
        left = [run for run, value in zip(left, worth, strict=True) if value >= limit]
    return {run.recipients for run in left}


@st.composite
def small_pools(draw: st.DrawFn) -> Pool:
    n_pairs, n_ndds = draw(st.integers(0, 5)), draw(st.integers(0, 1))
    pairs = [f"P{i}" for i in range(n_pairs)]
    donors = [*pairs, *(f"N{i}" for i in range(n_ndds))]
    possible = [(a, b) for a in donors for b in pairs if a != b]
    arcs = draw(st.lists(st.sampled_from(possible), unique=True)) if possible else []
    own = draw(st.sets(st.sampled_from(pairs), max_size=1)) if pairs else set()
    return Pool(
        pairs=tuple(Pair(id=p, is_compatible=p in own) for p in pairs),
        ndds=tuple(NonDirectedDonor(id=n) for n in donors[n_pairs:]),
        arcs=tuple(Arc(donor=a, recipient=b) for a, b in [*arcs, *((p, p) for p in sorted(own))]),
        source="drawn in a test",
    )


@settings(max_examples=60)
@given(
    pool=small_pools(),
    objectives=st.lists(
        st.sampled_from(
            [Objective.TRANSPLANTS, Objective.PRIORITY, Objective.TWO_WAY, Objective.FEWEST_THREE_WAY]
        ),
        unique=True,
        min_size=1,
        max_size=3,
    ),
    weights=st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=5, max_size=5),
)
def test_all_ties_are_those_that_trying_everything_finds(
    pool: Pool, objectives: list[Objective], weights: list[float]
) -> None:
    by_pair = {pair.id: weight for pair, weight in zip(pool.pairs, weights, strict=False)}
    goals = tuple(Goal(objective=o) for o in objectives)
    clearing, solved = cleared(pool, by_pair, goals)
    ties = find_ties(clearing, solved, by_pair, None, most=1_000)
    assert ties.is_complete
    sets = [run.recipients for run in ties.match_runs]
    assert len(set(sets)) == len(sets)
    assert set(sets) == best_sets(pool, by_pair, goals)


def test_ties_under_a_concession_are_those_that_trying_everything_finds(
    make_pool: Callable[..., Pool],
) -> None:
    # P2 and P3 weigh nothing: with or without their exchange, the weight is the same.
    pool = make_pool(5, 0, [(0, 1), (1, 0), (2, 3), (3, 2), (0, 4), (4, 0), (1, 4), (4, 1)])
    weights = {"P0": 0.5, "P1": 0.5, "P2": 0.0, "P3": 0.0, "P4": 1.0}
    goals = (Goal(objective=Objective.TRANSPLANTS, concession=2.0), Goal(objective=Objective.PRIORITY))
    clearing, solved = cleared(pool, weights, goals)
    ties = find_ties(clearing, solved, weights, None, most=100)
    found = {run.recipients for run in ties.match_runs}
    assert ties.is_complete
    assert found == best_sets(pool, weights, goals, conceded=2.0)
    assert {len(patients) for patients in found} == {3, 5}


@pytest.fixture(scope="module")
def tied(study: StudyDesign) -> tuple[Pool, dict[str, float], Clearing, Solved]:
    """A generated pool of 32 pairs, cleared for most transplants."""
    pool = generate_pool(study, n_pairs=32, n_ndds=1, seed=1)
    weights = equal_priorities(pool)
    return pool, weights, *cleared(pool, weights, goals_of(Policy.EQUAL, ()))


def test_a_list_cut_short_says_so_and_every_match_run_in_it_is_valid(
    tied: tuple[Pool, dict[str, float], Clearing, Solved],
) -> None:
    pool, weights, clearing, solved = tied
    ties = find_ties(clearing, solved, weights, Policy.EQUAL, most=5)
    assert not ties.is_complete
    assert len({run.recipients for run in ties.match_runs}) == 5
    for run in ties.match_runs:
        check_match_run(pool, run, weights)
        assert run.transplants == ties.match_runs[0].transplants
    counts = Counter(pair for run in ties.match_runs for pair in run.recipients)
    assert ties.chosen_in == counts
    assert set(ties.always) == {pair for pair, n in counts.items() if n == 5}
    assert set(ties.sometimes) == {pair for pair, n in counts.items() if n < 5}


def test_a_list_that_is_exactly_long_enough_is_known_to_be_complete(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(3, 0, [(0, 1), (1, 0), (1, 2), (2, 1)])
    weights = equal_priorities(pool)
    clearing, solved = cleared(pool, weights, goals_of(Policy.EQUAL, ()))
    assert find_ties(clearing, solved, weights, Policy.EQUAL, most=2).is_complete
    assert not find_ties(clearing, solved, weights, Policy.EQUAL, most=1).is_complete


def test_lots_keep_every_stage_and_the_same_seed_draws_the_same(
    tied: tuple[Pool, dict[str, float], Clearing, Solved],
) -> None:
    pool, weights, clearing, solved = tied
    sets = set()
    for seed in range(6):
        drawn, is_settled = drawn_among_ties(clearing, solved, seed=seed)
        run = clearing.match_run(drawn, weights, Policy.EQUAL)
        check_match_run(pool, run, weights)
        assert is_settled
        assert run.transplants == clearing.match_run(solved, weights, Policy.EQUAL).transplants
        again, _ = drawn_among_ties(clearing, solved, seed=seed)
        assert recipients(again.chosen) == recipients(drawn.chosen)
        sets.add(run.recipients)
    assert len(sets) > 1


def test_patients_who_can_stand_for_each_other_have_the_same_chance(make_pool: Callable[..., Pool]) -> None:
    # The middle pair can exchange with any one of three.
    pool = make_pool(4, 0, [(0, 1), (1, 0), (0, 2), (2, 0), (0, 3), (3, 0)])
    clearing, solved = cleared(pool, equal_priorities(pool), goals_of(Policy.EQUAL, ()))
    n = 300
    counts = Counter(
        patient
        for seed in range(n)
        for patient in recipients(drawn_among_ties(clearing, solved, seed=seed)[0].chosen)
    )
    assert counts[0] == n
    shares = np.array([counts[i] for i in (1, 2, 3)]) / n
    # Four standard errors.
    assert np.all(np.abs(shares - 1 / 3) < 4 * np.sqrt(2 / 9 / n))


def test_nothing_is_called_as_good_as_a_match_run_that_is_not_proved(study: StudyDesign) -> None:
    pool = generate_pool(study, n_pairs=60, n_ndds=2, seed=1)
    weights = priorities(pool, published_weights(PROFILES))
    goals = goals_of(Policy.PRIORITY_AFTER_CARDINALITY, ())
    clearing = make_clearing(pool, [], chain_cap=3, is_stopped=lambda: True)
    solved = clearing.solve([(g, clearing.values(g.objective, weights)) for g in goals])
    ties = find_ties(clearing, solved, weights, Policy.PRIORITY_AFTER_CARDINALITY, most=10)
    assert len(ties.match_runs) == 1
    assert not ties.is_complete


def test_numbers_that_cannot_be_are_refused(
    tied: tuple[Pool, dict[str, float], Clearing, Solved],
) -> None:
    _, weights, clearing, solved = tied
    with pytest.raises(BadRequest, match="1 or more"):
        find_ties(clearing, solved, weights, Policy.EQUAL, most=0)
    with pytest.raises(BadRequest, match="negative"):
        drawn_among_ties(clearing, solved, seed=-1)
