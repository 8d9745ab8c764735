from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.certificates import check_certificates
from exchange.clearing import column_generation
from exchange.clearing.clear import Goal, clear_pool, make_clearing
from exchange.clearing.column_generation import PROOF_TOLERANCE
from exchange.clearing.exchange_values import ExchangeValues
from exchange.clearing.market import Formulation
from exchange.clearing.master import Rule
from exchange.clearing.objectives import Fairness, Objective, Policy, stage_objectives
from exchange.clearing.solver import Solver
from exchange.errors import BadRequest, MissingPriorities
from exchange.match_run import MatchRun, Proof, SolveStatus
from exchange.pool import Arc, NonDirectedDonor, Pair, Pool, pool_arrays
from exchange.pool_generator import generate_pool
from exchange.priorities import DonorPriorities, equal_priorities
from exchange.validity import check_match_run
from survey.design import StudyDesign

BruteForce = Callable[..., tuple[float, ...]]
RandomPool = Callable[..., tuple[Pool, dict[str, float]]]

pool_settings = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "n_pairs": st.integers(2, 7),
        "n_ndds": st.integers(0, 2),
        "density": st.sampled_from([0.2, 0.4, 0.7]),
        "failing": st.sampled_from(["never", "equally", "differently"]),
        "compatible": st.booleans(),
    }
)
orders = st.lists(st.sampled_from(list(Objective)), min_size=1, max_size=3, unique=True)


def assert_proved(pool: Pool, run: MatchRun, priorities: dict[str, float]) -> None:
    """Fail unless the run is valid and optimal, and its certificates hold and prove what they claim to."""
    check_match_run(pool, run, priorities)
    assert run.status is SolveStatus.OPTIMAL
    for check in check_certificates(pool, run, priorities):
        assert check.problems == ()
        assert check.is_proved or check.proof is Proof.INTEGER_SOLVE


@pytest.mark.parametrize("is_stingy", [False, True])
@settings(max_examples=100)
@given(
    drawn=pool_settings,
    wanted=st.one_of(st.sampled_from(list(Policy)), orders),
    cycle_cap=st.sampled_from([0, 2, 3, 4, 5]),
    chain_cap=st.integers(0, 4),
    whole_chains=st.booleans(),
    solver=st.sampled_from([None, Solver.HIGHS]),
)
def test_clearing_finds_what_brute_force_finds(
    random_pool: RandomPool,
    best_by_brute_force: BruteForce,
    is_stingy: bool,
    drawn: dict[str, Any],
    wanted: Policy | list[Objective],
    cycle_cap: int,
    chain_cap: int,
    whole_chains: bool,
    solver: Solver | None,
) -> None:
    pool, priorities = random_pool(**drawn)
    with pytest.MonkeyPatch.context() as patch:
        if is_stingy:
            # The way of large pools: start with next to nothing, let the prices bring in the rest, and close the
            # gap by an integer solve.
            patch.setattr(column_generation, "_PER_START_AT_FIRST", 1)
            patch.setattr(column_generation, "_PER_START", 1)
            patch.setattr(column_generation, "_PLUNGE_SOLVES", 0)
        run = clear_pool(
            pool,
            priorities,
            policy=wanted if isinstance(wanted, Policy) else None,
            goals=() if isinstance(wanted, Policy) else [Goal(objective=o) for o in wanted],
            cycle_cap=cycle_cap,
            chain_cap=chain_cap,
            formulation=Formulation.CYCLE if whole_chains else None,
            solver=solver,
        )
    assert_proved(pool, run, priorities)
    expected = best_by_brute_force(pool, priorities, wanted, cycle_cap, chain_cap)
    assert tuple(stage.value for stage in run.stages) == pytest.approx(expected)
    assert all(stage.gap <= 1e-15 for stage in run.stages)


@settings(max_examples=40)
@given(
    drawn=pool_settings,
    wanted=st.sampled_from(
        [
            [Objective.PRIORITY],
            [Objective.SENSITIZED, Objective.EXPECTED_PRIORITY],
            [Objective.WEIGHTED_FAIRNESS],
        ]
    ),
    chain_cap=st.integers(0, 3),
)
def test_donors_with_their_own_weights_and_other_rules_of_fairness_are_followed(
    random_pool: RandomPool,
    best_by_brute_force: BruteForce,
    drawn: dict[str, Any],
    wanted: list[Objective],
    chain_cap: int,
) -> None:
    pool, _ = random_pool(**drawn)
    fairness = Fairness(threshold=0.5, bonus=2.0)
    pairs = tuple(pair.id for pair in pool.pairs)
    donors = (*pairs, *(ndd.id for ndd in pool.ndds))
    whole = np.random.default_rng(drawn["seed"]).integers(9, size=(len(donors), len(pairs)))
    priorities = DonorPriorities(donors=donors, recipients=pairs, weights=whole.astype(np.float64))
    run = clear_pool(
        pool,
        priorities,
        goals=[Goal(objective=o) for o in wanted],
        chain_cap=chain_cap,
        fairness=fairness,
    )
    assert run.status is SolveStatus.OPTIMAL
    expected = best_by_brute_force(pool, priorities, wanted, 3, chain_cap, fairness=fairness)
    assert [stage.value for stage in run.stages] == pytest.approx(expected)
    for check in check_certificates(pool, run, priorities, fairness):
        assert check.problems == ()
        assert check.is_proved or check.proof is Proof.INTEGER_SOLVE


@settings(max_examples=60)
@given(
    drawn=pool_settings,
    wanted=orders,
    concessions=st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=3, max_size=3),
    cycle_cap=st.sampled_from([0, 2, 3, 4]),
    chain_cap=st.integers(0, 3),
)
def test_what_may_be_given_up_is_used_to_the_last_bit_and_no_further(
    random_pool: RandomPool,
    best_by_brute_force: BruteForce,
    drawn: dict[str, Any],
    wanted: Sequence[Objective],
    concessions: list[float],
    cycle_cap: int,
    chain_cap: int,
) -> None:
    # With room to give up, the judge keeps far more than the best: smaller pools.
    pool, priorities = random_pool(**{**drawn, "n_pairs": min(drawn["n_pairs"], 6)})
    goals = [Goal(objective=o, concession=c) for o, c in zip(wanted, concessions, strict=False)]
    run = clear_pool(pool, priorities, goals=goals, cycle_cap=cycle_cap, chain_cap=chain_cap)
    assert_proved(pool, run, priorities)
    expected = best_by_brute_force(pool, priorities, wanted, cycle_cap, chain_cap, concessions)
    assert tuple(stage.bound for stage in run.stages) == pytest.approx(expected)
    assert run.stages[-1].value == pytest.approx(expected[-1])
    for stage, goal in zip(run.stages, goals, strict=True):
        given_up = stage.value - stage.bound if stage.objective.is_minimized else stage.bound - stage.value
        assert -1e-9 <= given_up <= goal.concession + 1e-9
        assert stage.concession == goal.concession


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    n_pairs=st.integers(16, 40),
    cycle_cap=st.sampled_from([2, 3, 4]),
    chain_cap=st.integers(1, 4),
    policy=st.sampled_from(list(Policy)),
    solver=st.sampled_from(list(Solver)),
)
def test_formulations_and_solvers_agree_on_generated_pools(
    study: StudyDesign,
    seed: int,
    n_pairs: int,
    cycle_cap: int,
    chain_cap: int,
    policy: Policy,
    solver: Solver,
) -> None:
    pool = generate_pool(study, n_pairs=n_pairs, n_ndds=2, seed=seed)
    priorities = {pair.id: float(1 + i * i % 13) for i, pair in enumerate(pool.pairs)}
    runs = [
        clear_pool(
            pool,
            priorities,
            policy=policy,
            cycle_cap=cycle_cap,
            chain_cap=chain_cap,
            formulation=formulation,
            solver=solver,
        )
        for formulation in Formulation
    ]
    for run, formulation in zip(runs, Formulation, strict=True):
        assert_proved(pool, run, priorities)
        assert {stage.formulation for stage in run.stages} == {str(formulation)}
    values = [tuple(stage.value for stage in run.stages) for run in runs]
    assert values[0] == pytest.approx(values[1])


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), policy=st.sampled_from(list(Policy)), data=st.data())
def test_names_and_units_change_no_value(
    study: StudyDesign, seed: int, policy: Policy, data: st.DataObject
) -> None:
    pool = generate_pool(study, n_pairs=24, n_ndds=2, seed=seed)
    priorities = {pair.id: float(1 + i * i % 13) for i, pair in enumerate(pool.pairs)}
    shuffled = replace(
        pool,
        pairs=tuple(data.draw(st.permutations(pool.pairs))),
        ndds=tuple(data.draw(st.permutations(pool.ndds))),
        arcs=tuple(data.draw(st.permutations(pool.arcs[:40]))) + pool.arcs[40:],
    )
    caps: dict[str, Any] = {"cycle_cap": 3, "chain_cap": 3}
    values = [s.value for s in clear_pool(pool, priorities, policy=policy, **caps).stages]
    renamed = clear_pool(shuffled, priorities, policy=policy, **caps)
    assert [s.value for s in renamed.stages] == pytest.approx(values)
    doubled = clear_pool(pool, {k: 2 * v for k, v in priorities.items()}, policy=policy, **caps)
    expected = [
        2 * value if objective.needs_weights else value
        for objective, value in zip(stage_objectives(policy), values, strict=True)
    ]
    assert [s.value for s in doubled.stages] == pytest.approx(expected)


@settings(max_examples=20)
@given(drawn=pool_settings, data=st.data())
def test_one_more_arc_never_costs_a_transplant(
    random_pool: RandomPool, drawn: dict[str, Any], data: st.DataObject
) -> None:
    pool, priorities = random_pool(**drawn)
    existing = {(arc.donor, arc.recipient) for arc in pool.arcs}
    absent = [
        (donor, pair.id)
        for donor in [*(p.id for p in pool.pairs), *(d.id for d in pool.ndds)]
        for pair in pool.pairs
        if donor != pair.id and (donor, pair.id) not in existing
    ]
    if not absent:
        return
    donor, recipient = data.draw(st.sampled_from(absent))
    larger = replace(pool, arcs=(*pool.arcs, Arc(donor=donor, recipient=recipient)))
    before, after = (clear_pool(p, priorities, policy=Policy.EQUAL, chain_cap=3) for p in (pool, larger))
    assert after.transplants >= before.transplants


def test_many_cycles_of_five_pairs_are_priced_and_not_listed(study: StudyDesign) -> None:
    # A list of all cycles up to five pairs among these 96 takes half a gigabyte.
    pool = generate_pool(study, n_pairs=96, n_ndds=0, seed=1)
    weights = {pair.id: float(1 + i % 7) for i, pair in enumerate(pool.pairs)}
    run = clear_pool(pool, weights, policy=Policy.PRIORITY_AFTER_CARDINALITY, cycle_cap=5)
    assert_proved(pool, run, weights)
    assert max(stage.columns_used for stage in run.stages) < 30_000


@settings(max_examples=30)
@given(drawn=pool_settings, chain_cap=st.integers(0, 3))
def test_a_side_rule_is_kept_and_costs_no_more_than_it_must(
    random_pool: RandomPool, best_by_brute_force: BruteForce, drawn: dict[str, Any], chain_cap: int
) -> None:
    # Leaving one patient out by a rule is the same as a pool in which nobody can give to that patient.
    pool, priorities = random_pool(**drawn)
    first = pool.pairs[0].id
    clearing = make_clearing(pool, [Objective.PRIORITY], cycle_cap=3, chain_cap=chain_cap)
    into = np.zeros(pool_arrays(pool).arc_exists.shape)
    into[:, 0] = -1.0
    solved = clearing.solve(
        [(Goal(objective=Objective.PRIORITY), clearing.values(Objective.PRIORITY, priorities))],
        rules=[Rule(values=ExchangeValues(arc=into, is_whole=True), at_least=0.0)],
    )
    run = clearing.match_run(solved, priorities, None)
    assert first not in run.recipients
    without = replace(
        pool,
        arcs=tuple(arc for arc in pool.arcs if arc.recipient != first),
        pairs=(replace(pool.pairs[0], is_compatible=False), *pool.pairs[1:]),
    )
    expected = best_by_brute_force(without, priorities, [Objective.PRIORITY], 3, chain_cap)
    assert [stage.value for stage in run.stages] == pytest.approx(expected)
    assert run.status is SolveStatus.OPTIMAL


def test_chains_whose_arcs_differ_in_risk_cannot_be_modeled_by_position(random_pool: RandomPool) -> None:
    pool, priorities = random_pool(1, 5, 1, 0.7, failing="differently")
    with pytest.raises(BadRequest, match="use cycle"):
        clear_pool(pool, priorities, policy=Policy.FAILURE_AWARE, chain_cap=2, formulation=Formulation.PICEF)


def test_greatest_weight_gives_up_transplants_where_cardinality_first_does_not(
    make_pool: Callable[..., Pool],
) -> None:
    # One precious patient in a two-way cycle with P1, or three others in a three-way cycle through P1.
    pool = make_pool(4, 0, [(0, 1), (1, 0), (1, 2), (2, 3), (3, 1)])
    priorities = {"P0": 1.0, "P1": 0.1, "P2": 0.1, "P3": 0.1}
    by_weight = clear_pool(pool, priorities, policy=Policy.GREATEST_WEIGHT)
    by_number = clear_pool(pool, priorities, policy=Policy.PRIORITY_AFTER_CARDINALITY)
    assert (by_weight.transplants, by_number.transplants) == (2, 3)
    assert [run.total_priority for run in (by_weight, by_number)] == pytest.approx([1.1, 0.3])
    assert by_weight.recipients == {"P0", "P1"}


def test_weights_decide_among_equally_many_transplants(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(3, 0, [(0, 1), (1, 0), (1, 2), (2, 1)])
    for favored in ("P0", "P2"):
        priorities = {"P0": 0.5, "P1": 0.5, "P2": 0.5, favored: 1.0}
        run = clear_pool(pool, priorities, policy=Policy.PRIORITY_AFTER_CARDINALITY)
        assert run.recipients == {"P1", favored}


def test_the_chain_cap_counts_pairs_only(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(4, 1, [(4, 0), (0, 1), (1, 2), (2, 3)])
    for cap in range(5):
        run = clear_pool(pool, equal_priorities(pool), policy=Policy.EQUAL, chain_cap=cap)
        assert run.transplants == cap
    assert run.chains[0].pairs == ("P0", "P1", "P2", "P3")


def test_tiny_weights_are_told_apart(make_pool: Callable[..., Pool]) -> None:
    # Solvers stop at absolute tolerances of about 1e-6; a study may well give every patient a weight below that.
    pool = make_pool(3, 0, [(0, 1), (1, 0), (1, 2), (2, 1)])
    priorities = {"P0": 1e-9, "P1": 1e-9, "P2": 2e-9}
    run = clear_pool(pool, priorities, policy=Policy.PRIORITY_AFTER_CARDINALITY)
    assert run.recipients == {"P1", "P2"}


@pytest.mark.parametrize("solver", list(Solver))
def test_nearly_tied_weights_are_told_apart(
    make_pool: Callable[..., Pool], best_by_brute_force: BruteForce, solver: Solver
) -> None:
    # Left to their tolerances, solvers called match runs optimal that were up to 3e-6 of the value below the best.
    for seed in range(40):
        rng = np.random.default_rng(seed)
        exists = rng.random((7, 6)) < 0.7
        pool = make_pool(6, 1, [(a, b) for a, b in np.argwhere(exists).tolist() if a != b])
        spread = (1 + 1e-5 * rng.random(6)) if seed % 2 else 10 ** (-8 * rng.random(6))
        priorities = {f"P{i}": float(weight) for i, weight in enumerate(spread)}
        for policy in (Policy.PRIORITY_AFTER_CARDINALITY, Policy.GREATEST_WEIGHT):
            run = clear_pool(pool, priorities, policy=policy, cycle_cap=3, chain_cap=2, solver=solver)
            expected = best_by_brute_force(pool, priorities, policy, 3, 2)
            assert [s.value for s in run.stages] == pytest.approx(expected, rel=PROOF_TOLERANCE, abs=0)


def test_patients_nobody_can_give_to_do_not_blur_the_others(make_pool: Callable[..., Pool]) -> None:
    # P3 can be given to by P0, but is in no cycle. Its weight must not make those of the others look alike.
    pool = make_pool(4, 0, [(0, 1), (1, 0), (1, 2), (2, 1), (0, 3)])
    for favored in ("P0", "P2"):
        priorities = {"P0": 1e-15, "P1": 1e-15, "P2": 1e-15, "P3": 1.0, favored: 2e-15}
        run = clear_pool(pool, priorities, policy=Policy.GREATEST_WEIGHT)
        assert run.recipients == {"P1", favored}


@pytest.mark.parametrize("unit", [1.0, 1e-12])
def test_what_time_did_not_suffice_for_is_not_called_optimal_whatever_the_unit(
    study: StudyDesign, unit: float
) -> None:
    pool = generate_pool(study, n_pairs=200, n_ndds=8, seed=1)
    weights = {pair.id: unit * (1 + i % 7) for i, pair in enumerate(pool.pairs)}
    run = clear_pool(pool, weights, policy=Policy.GREATEST_WEIGHT, chain_cap=3, time_limit_seconds=0.02)
    assert run.status is SolveStatus.FEASIBLE
    assert run.stages[0].bound > run.stages[0].value


def test_each_stage_says_which_solver_it_would_use(
    make_pool: Callable[..., Pool],
) -> None:
    pool = make_pool(2, 0, [(0, 1), (1, 0)])
    for chosen, expected in (
        (None, ["cbc"] * 2),
        (Solver.HIGHS, ["highs"] * 2),
        (Solver.CBC, ["cbc"] * 2),
    ):
        run = clear_pool(
            pool, {"P0": 1.0, "P1": 0.5}, policy=Policy.PRIORITY_AFTER_CARDINALITY, solver=chosen
        )
        assert [stage.solver for stage in run.stages] == expected


@pytest.mark.parametrize("solver", list(Solver))
def test_both_solvers_agree_and_repeat_themselves(study: StudyDesign, solver: Solver) -> None:
    pool = generate_pool(study, n_pairs=40, n_ndds=4, seed=2)
    priorities = {pair.id: 1.0 + i % 7 for i, pair in enumerate(pool.pairs)}
    runs = [
        clear_pool(
            pool,
            priorities,
            policy=Policy.PRIORITY_AFTER_CARDINALITY,
            cycle_cap=3,
            chain_cap=3,
            solver=solver,
        )
        for _ in range(2)
    ]
    assert runs[0].arcs == runs[1].arcs
    reference = clear_pool(
        pool, priorities, policy=Policy.PRIORITY_AFTER_CARDINALITY, cycle_cap=3, chain_cap=3
    )
    assert (runs[0].transplants, runs[0].total_priority) == (reference.transplants, reference.total_priority)
    assert {stage.solver for stage in runs[0].stages} == {str(solver)}


@pytest.mark.parametrize("solver", list(Solver))
def test_a_time_limit_gives_the_best_so_far_and_never_calls_it_optimal(
    study: StudyDesign, solver: Solver
) -> None:
    pool = generate_pool(study, n_pairs=200, n_ndds=8, seed=1)
    run = clear_pool(
        pool,
        equal_priorities(pool),
        policy=Policy.PRIORITY_AFTER_CARDINALITY,
        cycle_cap=3,
        chain_cap=3,
        solver=solver,
        time_limit_seconds=0.02,
    )
    check_match_run(pool, run, equal_priorities(pool))
    stage = run.stages[0]
    assert run.status is stage.status is SolveStatus.FEASIBLE
    assert stage.bound > stage.value
    assert 0 < stage.gap <= 1
    # No match run of this pool has more transplants than pairs; a bound below the optimum would be a lie.
    optimum = clear_pool(pool, equal_priorities(pool), policy=Policy.EQUAL, cycle_cap=3, solver=Solver.CBC)
    assert stage.bound >= optimum.transplants


@pytest.mark.parametrize("answers_before", [0, 1, 5])
def test_a_clearing_that_is_stopped_returns_a_valid_match_run_and_a_bound_that_holds(
    study: StudyDesign, answers_before: int
) -> None:
    pool = generate_pool(study, n_pairs=200, n_ndds=8, seed=1)
    weights = {pair.id: float(1 + i % 7) for i, pair in enumerate(pool.pairs)}
    asked = 0

    def is_stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > answers_before

    run = clear_pool(pool, weights, policy=Policy.GREATEST_WEIGHT, chain_cap=3, is_stopped=is_stopped)
    # Every later question is a moment in which the engine went on: few, though a whole solve asks dozens of times.
    assert asked <= answers_before + 12
    check_match_run(pool, run, weights)
    assert [check.problems for check in check_certificates(pool, run, weights)] == [()]
    best = clear_pool(pool, weights, policy=Policy.GREATEST_WEIGHT, chain_cap=3)
    assert run.stages[0].value <= best.stages[0].value <= run.stages[0].bound + 1e-6
    if answers_before == 0:
        assert run.status is SolveStatus.FEASIBLE
        assert run.stages[0].bound > run.stages[0].value


def test_an_empty_pool_is_cleared_with_nothing(make_pool: Callable[..., Pool]) -> None:
    run = clear_pool(make_pool(0, 0, []), {}, policy=Policy.PRIORITY_AFTER_CARDINALITY, chain_cap=3)
    assert (run.transplants, run.status) == (0, SolveStatus.OPTIMAL)


@pytest.mark.parametrize(
    "wrong",
    [{"cycle_cap": 1}, {"chain_cap": -1}, {"time_limit_seconds": 0}, {"time_limit_seconds": float("inf")}],
)
def test_impossible_requests_are_refused(make_pool: Callable[..., Pool], wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        clear_pool(make_pool(1, 0, []), {"P0": 1.0}, policy=Policy.EQUAL, **wrong)


def test_pairs_without_a_priority_are_named(make_pool: Callable[..., Pool]) -> None:
    with pytest.raises(MissingPriorities, match="P1") as caught:
        clear_pool(make_pool(2, 0, []), {"P0": 1.0}, policy=Policy.EQUAL)
    assert caught.value.pair_ids == ("P1",)
    with pytest.raises(BadRequest, match="at least 0"):
        clear_pool(make_pool(1, 0, []), {"P0": -1.0}, policy=Policy.EQUAL)


@pytest.mark.parametrize(
    ("seed", "is_wide", "last"),
    [(7, True, Objective.TRANSPLANTS), (30, True, Objective.TRANSPLANTS), (10, False, Objective.ARC_WEIGHT)],
)
def test_weights_of_very_different_or_nearly_equal_size_are_no_obstacle_to_later_stages(
    seed: int, is_wide: bool, last: Objective
) -> None:
    # At a kept stage's very limit HiGHS ended as 'Unknown', or called the relaxation of the next infeasible.
    rng = np.random.default_rng(seed)
    pairs = tuple(Pair(id=f"P{i}", cpra=float(rng.choice([0.0, 0.9]))) for i in range(30))
    arcs = tuple(
        Arc(
            donor=donor,
            recipient=pair.id,
            weight=float(rng.integers(6)),
            success_probability=float(rng.choice([0.0, 0.5, 1.0])),
        )
        for donor in [*(pair.id for pair in pairs), "D0", "D1"]
        for pair in pairs
        if donor != pair.id and rng.random() < 0.15
    )
    ndds = tuple(NonDirectedDonor(id=name) for name in ("D0", "D1"))
    pool = Pool(pairs=pairs, ndds=ndds, arcs=arcs, source="test")
    weights = 10 ** rng.uniform(-6, 6, 30) if is_wide else 1 + 1e-6 * rng.random(30)
    priorities = {pair.id: float(weight) for pair, weight in zip(pairs, weights, strict=True)}
    second = Objective.WEIGHTED_FAIRNESS if is_wide else Objective.EXPECTED_TRANSPLANTS
    goals = [Goal(objective=objective) for objective in (Objective.PRIORITY, second, last)]
    assert_proved(pool, clear_pool(pool, priorities, goals=goals, cycle_cap=3, chain_cap=2), priorities)
