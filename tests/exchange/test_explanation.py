from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.clearing.clear import Goal, clear_pool, make_clearing
from exchange.clearing.market import Formulation
from exchange.clearing.objectives import Fairness, Objective, Policy
from exchange.clearing.probe import exchange_columns
from exchange.errors import BadRequest, InvalidMatchRun
from exchange.explaining.explanation import PairExplanation, Reason, explain, explain_pairs, label
from exchange.explaining.price_of_priority import price_of_priority
from exchange.match_run import Chain, Cycle, MatchRun, SolveStatus
from exchange.pool import Arc, BloodGroup, NonDirectedDonor, Pair, Pool
from exchange.pool_generator import generate_pool
from exchange.priorities import DonorPriorities, Priorities, equal_priorities
from exchange.validity import objective_value
from survey.design_file import example_design

CARDINALITY = (Goal(objective=Objective.TRANSPLANTS), Goal(objective=Objective.PRIORITY))
STAGES: dict[str, tuple[Goal, ...]] = {
    "cardinality": CARDINALITY,
    "equal": (Goal(objective=Objective.TRANSPLANTS),),
    "weight": (Goal(objective=Objective.PRIORITY), Goal(objective=Objective.TRANSPLANTS)),
    "conceding": (Goal(objective=Objective.TRANSPLANTS, concession=1), Goal(objective=Objective.PRIORITY)),
    "robust": (
        Goal(objective=Objective.TRANSPLANTS),
        Goal(objective=Objective.FEWEST_THREE_WAY),
        Goal(objective=Objective.BACK_ARCS),
    ),
    "failing": (Goal(objective=Objective.EXPECTED_TRANSPLANTS), Goal(objective=Objective.PRIORITY)),
    "arcs": (Goal(objective=Objective.ARC_WEIGHT),),
    "expected": (Goal(objective=Objective.EXPECTED_PRIORITY),),
    "expected-later": (
        Goal(objective=Objective.SENSITIZED),
        Goal(objective=Objective.EXPECTED_PRIORITY),
        Goal(objective=Objective.TRANSPLANTS),
    ),
}
WEIGHTS = (1.0, 0.5, 0.25, 0.1, 0.003, 0.0)


@dataclass(frozen=True)
class Case:
    """A small pool with priorities and caps."""

    pool: Pool
    priorities: dict[str, float]
    cycle_cap: int
    chain_cap: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    n, m = draw(st.integers(2, 6)), draw(st.integers(0, 2))
    names = [*(f"P{i}" for i in range(n)), *(f"N{i}" for i in range(m))]
    compatible = draw(st.sets(st.integers(0, n - 1), max_size=1))
    possible = [(a, b) for a in range(n + m) for b in range(n) if a != b]
    chosen = draw(st.lists(st.sampled_from(possible), unique=True, max_size=3 * n))
    arcs = [
        Arc(
            donor=names[a],
            recipient=names[b],
            weight=draw(st.sampled_from((1.0, 2.0, 3.5))),
            success_probability=draw(st.sampled_from((1.0, 0.5, 0.9))),
        )
        for a, b in [*sorted(chosen), *((i, i) for i in sorted(compatible))]
    ]
    pool = Pool(
        pairs=tuple(Pair(id=names[i], is_compatible=i in compatible, cpra=0.1) for i in range(n)),
        ndds=tuple(NonDirectedDonor(id=name) for name in names[n:]),
        arcs=tuple(arcs),
        source="drawn",
    )
    return Case(
        pool=pool,
        priorities={pair.id: draw(st.sampled_from(WEIGHTS)) for pair in pool.pairs},
        cycle_cap=draw(st.sampled_from((0, 2, 3))),
        chain_cap=draw(st.integers(0, 3)),
    )


class Judge:
    """Every match run of a small pool, one by one, with what each is worth."""

    def __init__(self, case: Case, run: MatchRun, priorities: Priorities) -> None:
        self.run = run
        self.found: list[tuple[frozenset[str], tuple[float, ...]]] = []
        exchanges = list(_exchanges(case))
        for chosen in _disjoint(exchanges, frozenset()):
            other = replace(
                run,
                cycles=tuple(e for e in chosen if isinstance(e, Cycle)),
                chains=tuple(e for e in chosen if isinstance(e, Chain)),
            )
            worth = []
            for stage in run.stages:
                value = objective_value(case.pool, other, stage.objective, priorities, Fairness())
                worth.append(-value if stage.objective.is_minimized else value)
            self.found.append((other.recipients, tuple(worth)))

    def verdict(self, pair: str, *, is_in: bool) -> tuple[int | None, float, int | None]:
        """Return the first stage that is worse (None if none) and by how much; else the fewest who drop out."""
        kept = self.found
        for k, stage in enumerate(self.run.stages):
            last = k + 1 == len(self.run.stages)
            floor = max(worth[k] for _, worth in kept) - (0.0 if last else stage.concession)
            best = max((worth[k] for who, worth in kept if (pair in who) is is_in), default=-np.inf)
            if best < floor - 1e-9:
                return k, floor - best, None
            kept = [item for item in kept if item[1][k] >= floor - 1e-9]
        fewest = min(len(self.run.recipients - who) for who, _ in kept if (pair in who) is is_in)
        return None, 0.0, fewest


def _exchanges(case: Case) -> Iterator[Cycle | Chain]:
    arcs = {(arc.donor, arc.recipient) for arc in case.pool.arcs}
    pairs = [pair.id for pair in case.pool.pairs]
    for size in range(1, case.cycle_cap + 1):
        for ring in permutations(pairs, size):
            if ring[0] == min(ring) and arcs.issuperset(Cycle(pairs=ring).arcs):
                yield Cycle(pairs=ring)
    if not case.cycle_cap:
        yield from (Cycle(pairs=(pair,)) for pair in pairs if (pair, pair) in arcs)
    for size in range(1, case.chain_cap + 1):
        for tail in permutations(pairs, size):
            for ndd in case.pool.ndds:
                if arcs.issuperset(pairwise((ndd.id, *tail))):
                    yield Chain(ndd=ndd.id, pairs=tail)


def _disjoint(
    exchanges: Sequence[Cycle | Chain], used: frozenset[str]
) -> Iterator[tuple[Cycle | Chain, ...]]:
    yield ()
    for i, exchange in enumerate(exchanges):
        members = {*exchange.pairs, *((exchange.ndd,) if isinstance(exchange, Chain) else ())}
        if not members & used:
            for rest in _disjoint(exchanges[i + 1 :], used | members):
                yield (exchange, *rest)


def cleared(case: Case, goals: Sequence[Goal], priorities: Priorities) -> MatchRun:
    return clear_pool(case.pool, priorities, goals=goals, cycle_cap=case.cycle_cap, chain_cap=case.chain_cap)


def check_against(judge: Judge, case: Case, found: PairExplanation) -> None:
    """Compare one pair's explanation with every match run there is."""
    run = judge.run
    if found.is_matched:
        stage, loss, fewest = judge.verdict(found.pair, is_in=False)
        expected = Reason.IN_SOME if stage is None else Reason.IN_EVERY
    elif not any(arc.recipient == found.pair for arc in case.pool.arcs):
        assert found.reason is Reason.NO_ARC_IN
        return
    elif not any(found.pair in exchange.pairs for exchange in _exchanges(case)):
        assert found.reason is Reason.NO_EXCHANGE
        check_caps_needed(case, found)
        return
    else:
        stage, loss, fewest = judge.verdict(found.pair, is_in=True)
        expected = Reason.TIE if stage is None else Reason.COSTS if stage == 0 else Reason.LOST
    assert found.reason is expected
    if stage is not None:
        assert found.objective is run.stages[stage].objective
        assert found.loss is not None
        assert found.loss.is_exact
        assert found.loss.high == pytest.approx(loss, abs=1e-9)
    else:
        assert found.is_nearest
        assert len(found.gives_way) == fewest
        assert set(found.gives_way) <= run.recipients
        assert not set(found.comes_in) & run.recipients
        assert (found.pair in found.gives_way) is found.is_matched
        assert (found.pair in found.comes_in) is not found.is_matched


def check_caps_needed(case: Case, found: PairExplanation) -> None:
    sizes = range(1, len(case.pool.pairs) + 1)
    cycles = (
        size
        for size in sizes
        if any(
            found.pair in e.pairs and isinstance(e, Cycle)
            for e in _exchanges(replace(case, cycle_cap=size, chain_cap=0))
        )
    )
    chains = (
        size
        for size in sizes
        if any(found.pair in e.pairs for e in _exchanges(replace(case, cycle_cap=0, chain_cap=size)))
    )
    assert found.cycle_cap_needed == next(cycles, None)
    assert found.chain_cap_needed == next(chains, None)


@pytest.mark.parametrize("goals", STAGES.values(), ids=STAGES)
@settings(max_examples=25)
@given(case=cases())
def test_reasons_and_losses_are_those_that_trying_every_match_run_gives(
    goals: tuple[Goal, ...], case: Case
) -> None:
    run = cleared(case, goals, case.priorities)
    judge = Judge(case, run, case.priorities)
    everybody = [pair.id for pair in case.pool.pairs]
    explanation = explain(case.pool, run, case.priorities, pairs=everybody)
    assert [found.pair for found in explanation.pairs] == everybody
    for found in explanation.pairs:
        assert found.is_matched is (found.pair in run.recipients)
        assert found.weight == case.priorities[found.pair]
        check_against(judge, case, found)


@settings(max_examples=25)
@given(case=cases(), seed=st.integers(0, 100))
def test_weights_that_differ_from_donor_to_donor_are_explained_too(case: Case, seed: int) -> None:
    pairs = tuple(pair.id for pair in case.pool.pairs)
    donors = (*pairs, *(ndd.id for ndd in case.pool.ndds))
    drawn = np.random.default_rng(seed).choice(WEIGHTS, size=(len(donors), len(pairs)))
    priorities = DonorPriorities(donors=donors, recipients=pairs, weights=drawn)
    run = cleared(case, CARDINALITY, priorities)
    judge = Judge(case, run, priorities)
    for found in explain(case.pool, run, priorities).pairs:
        check_against(judge, case, found)
        assert found.weight is None
        assert found.needed_weight is None


@pytest.mark.parametrize("name", ["cardinality", "weight", "expected", "expected-later"])
@settings(max_examples=40)
@given(case=cases())
def test_above_the_needed_weight_the_patient_is_matched_and_below_it_is_not(name: str, case: Case) -> None:
    run = cleared(case, STAGES[name], case.priorities)
    for found in explain(case.pool, run, case.priorities).pairs:
        lost_by_weight = found.objective in (Objective.PRIORITY, Objective.EXPECTED_PRIORITY)
        assert (found.needed_weight is not None) is lost_by_weight
        if found.needed_weight is None:
            continue
        assert found.needed_weight.is_exact
        needed, own = found.needed_weight.high, case.priorities[found.pair]
        assert needed > own
        above = {**case.priorities, found.pair: needed + 1e-3}
        assert found.pair in cleared(case, STAGES[name], above).recipients
        below = {**case.priorities, found.pair: max(needed - 1e-3, (needed + own) / 2)}
        assert found.pair not in cleared(case, STAGES[name], below).recipients


@settings(max_examples=25)
@given(case=cases())
def test_the_price_of_priority_is_that_of_every_match_run(case: Case) -> None:
    run = cleared(case, CARDINALITY, case.priorities)
    found = [worth for _, worth in Judge(case, run, case.priorities).found]
    clearing = make_clearing(
        case.pool,
        [goal.objective for goal in CARDINALITY],
        cycle_cap=case.cycle_cap,
        chain_cap=case.chain_cap,
    )
    price = price_of_priority(clearing, case.priorities)
    assert price.is_proved
    most = max(count for count, _ in found)
    assert price.priority_after_cardinality.transplants == most
    assert price.least_priority == pytest.approx(min(w for count, w in found if count == most))
    greatest = max(w for _, w in found)
    assert price.greatest_weight.total_priority == pytest.approx(greatest)
    at_greatest = max(count for count, w in found if w >= greatest - 1e-9)
    assert price.greatest_weight.transplants == at_greatest
    assert price.transplants_lost == most - at_greatest
    expected: list[tuple[float, float]] = []
    for given_up in range(int(most - at_greatest) + 1):
        best = max(w for count, w in found if count >= most - given_up)
        if not expected or best > expected[-1][1] + 1e-9:
            expected.append((max(c for c, w in found if w >= best - 1e-9), best))
    assert [point.transplants for point in price.frontier] == [count for count, _ in expected]
    assert [point.total_priority for point in price.frontier] == pytest.approx([w for _, w in expected])


def _pool(*arcs: str, groups: dict[str, str] | None = None) -> Pool:
    """Make a pool from arcs such as ``A>B``; a name in small letters is a non-directed donor."""
    ends = [arc.split(">") for arc in arcs]
    names = sorted({name for end in ends for name in end} | set(groups or {}))
    patient, donor = {}, {}
    for name, text in (groups or {}).items():
        donor[name], _, patient[name] = text.partition("/")
    return Pool(
        pairs=tuple(
            Pair(
                id=name,
                patient_blood_group=BloodGroup(patient[name]) if name in patient else None,
                donor_blood_group=BloodGroup(donor[name]) if name in donor else None,
            )
            for name in names
            if name.isupper()
        ),
        ndds=tuple(
            NonDirectedDonor(id=name, blood_group=BloodGroup(donor[name]) if name in donor else None)
            for name in names
            if name.islower()
        ),
        arcs=tuple(Arc(donor=a, recipient=b) for a, b in ends),
        source="made by hand",
    )


def test_donors_who_cannot_give_are_counted_by_cause() -> None:
    groups = {"W": "A/O", "X": "O/A", "Y": "A/A", "Z": "AB/A", "n": "B", "o": "O"}
    pool = _pool("X>Y", "Y>X", groups=groups)
    unknown = replace(pool, pairs=(*pool.pairs, Pair(id="U")))
    run = clear_pool(unknown, equal_priorities(unknown), policy=Policy.EQUAL)
    found = explain(unknown, run, equal_priorities(unknown)).of("W")
    assert found.reason is Reason.NO_ARC_IN
    assert found.ruled_out is not None
    # W's patient has group O: the donors of X and o would fit; U's group is not known.
    assert (found.ruled_out.blood_group, found.ruled_out.crossmatch, found.ruled_out.unknown) == (3, 2, 1)


def test_nothing_is_solved_where_no_exchange_contains_the_pair() -> None:
    pool = _pool("A>B", "B>C", "C>D", "D>A", "n>E", "E>F")
    run = clear_pool(pool, equal_priorities(pool), policy=Policy.EQUAL)
    clearing = make_clearing(pool, [Objective.TRANSPLANTS])
    found = {e.pair: e for e in explain_pairs(clearing, run, equal_priorities(pool)).pairs}
    assert {e.reason for e in found.values()} == {Reason.NO_EXCHANGE}
    assert (found["A"].cycle_cap_needed, found["A"].chain_cap_needed) == (4, None)
    assert (found["F"].cycle_cap_needed, found["F"].chain_cap_needed) == (None, 2)
    assert found["F"].donors_who_fit == 1
    assert not len(clearing.columns)


def test_a_match_run_that_was_not_proved_may_be_beaten_and_is_said_to_be() -> None:
    pool = _pool("A>B", "B>A", "C>B", "B>C", "A>D", "D>A")
    weights = {"A": 0.1, "B": 1.0, "C": 0.1, "D": 0.3}
    run = clear_pool(pool, weights, policy=Policy.PRIORITY_AFTER_CARDINALITY)
    assert len(run.cycles) == 2
    stages = tuple(
        replace(stage, value=value, bound=bound, status=SolveStatus.FEASIBLE)
        for stage, value, bound in zip(run.stages, (2.0, 1.1), (4.0, 1.5), strict=True)
    )
    poor = replace(
        run, cycles=(Cycle(pairs=("A", "B")),), chains=(), stages=stages, transplants=2, total_priority=1.1
    )
    found = explain(pool, poor, weights).of("D")
    assert found.reason is Reason.BETTER_EXISTS
    assert found.objective is Objective.TRANSPLANTS
    assert found.loss is not None
    assert found.loss.high == -2
    lying = replace(
        poor,
        stages=tuple(replace(s, bound=s.value, status=SolveStatus.OPTIMAL) for s in stages),
    )
    with pytest.raises(InvalidMatchRun, match=r"called optimal at 2, but 4 can be reached"):
        explain(pool, lying, weights)


def test_without_time_a_reason_is_open_and_its_range_holds_the_proved_one() -> None:
    pool = generate_pool(example_design("kidney-8"), n_pairs=30, n_ndds=0, seed=2)
    weights = {pair.id: WEIGHTS[i % 5] for i, pair in enumerate(pool.pairs)}
    run = clear_pool(pool, weights, policy=Policy.PRIORITY_AFTER_CARDINALITY)
    full = explain(pool, run, weights)
    stopped = explain(pool, run, weights, is_stopped=lambda: True)
    opened = 0
    for whole, part in zip(full.pairs, stopped.pairs, strict=True):
        if part.reason is not Reason.OPEN:
            assert (part.reason, part.objective) == (whole.reason, whole.objective)
            continue
        opened += 1
        assert part.loss is not None
        assert not part.loss.is_exact
        if whole.objective is not part.objective or whole.loss is None:
            continue
        assert part.loss.low <= whole.loss.low <= whole.loss.high <= part.loss.high + 1e-9
        if part.needed_weight is not None and whole.needed_weight is not None:
            assert part.needed_weight.low <= whole.needed_weight.low
            assert whole.needed_weight.high <= part.needed_weight.high + 1e-9
    assert opened


def test_a_match_run_of_another_pool_or_other_weights_is_refused() -> None:
    pool = _pool("A>B", "B>A")
    run = clear_pool(pool, {"A": 1.0, "B": 0.5}, policy=Policy.PRIORITY_AFTER_CARDINALITY)
    with pytest.raises(InvalidMatchRun, match="has no arc"):
        explain(_pool("A>B", "C>A"), run, {"A": 1.0, "B": 0.5, "C": 1.0})
    with pytest.raises(InvalidMatchRun, match="total priority"):
        explain(pool, run, {"A": 1.0, "B": 0.25})


def test_a_pair_that_the_pool_lacks_is_refused_by_name() -> None:
    pool = _pool("A>B", "B>A")
    run = clear_pool(pool, equal_priorities(pool), policy=Policy.EQUAL)
    with pytest.raises(BadRequest, match="has no pair Q"):
        explain(pool, run, equal_priorities(pool), pairs=["A", "Q"])


def test_no_weight_is_named_where_an_earlier_stage_decides() -> None:
    # A pairs with B or, in a ring of three, with C and D: B costs a transplant whatever the patient weighs.
    pool = _pool("A>B", "B>A", "A>C", "C>D", "D>A")
    weights = {"A": 0.1, "B": 1.0, "C": 0.1, "D": 0.1}
    run = clear_pool(pool, weights, policy=Policy.PRIORITY_AFTER_CARDINALITY)
    found = explain(pool, run, weights).of("B")
    assert label(found) == "costs-transplants"
    assert found.loss is not None
    assert found.loss.low == found.loss.high == 1
    assert found.needed_weight is None


@pytest.mark.parametrize("formulation", Formulation)
def test_columns_made_from_exchanges_give_the_exchanges_back(formulation: Formulation) -> None:
    pool = _pool("A>B", "B>C", "C>A", "n>D", "D>E", "o>F")
    clearing = make_clearing(pool, [Objective.TRANSPLANTS], chain_cap=2, formulation=formulation)
    exchanges = (((1, 2, 0),), ((6, 3, 4), (7, 5)))
    back = exchange_columns(exchanges, clearing.market).exchanges()
    assert back == (((0, 1, 2),), ((6, 3, 4), (7, 5)))


def test_the_same_question_gets_the_same_answer() -> None:
    pool = generate_pool(example_design("kidney-8"), n_pairs=40, n_ndds=2, seed=5)
    weights = {pair.id: WEIGHTS[i % 3] for i, pair in enumerate(pool.pairs)}
    run = clear_pool(pool, weights, policy=Policy.PRIORITY_AFTER_CARDINALITY, chain_cap=2)
    lines: list[str] = []
    first = explain(pool, run, weights, progress=lines.append)
    assert first == explain(pool, run, weights)
    assert len(lines) == len(first.pairs) == len(pool.pairs) - run.transplants
    assert lines[0].startswith(f"pair 1 of {len(lines)}: ")
    assert len({found.reason for found in first.pairs}) >= 2
