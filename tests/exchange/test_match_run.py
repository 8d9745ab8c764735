from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from exchange.clearing.clear import Goal, clear_pool
from exchange.clearing.objectives import Objective, Policy
from exchange.errors import BadMatchRun, InvalidMatchRun
from exchange.match_run import Chain, Cycle, MatchRun, Proof, SolveStatus
from exchange.match_run_file import match_run_table, read_match_run, write_match_run
from exchange.pool import Arc, Pair, Pool
from exchange.validity import check_match_run, givers_of

PRIORITIES = {"P0": 1.0, "P1": 0.5, "P2": 0.25, "P3": 0.125, "P4": 0.0625}


@pytest.fixture
def pool(make_pool: Callable[..., Pool]) -> Pool:
    """A two-way cycle P0-P1 and a chain N0-P2-P3; P4 can only give."""
    return make_pool(5, 1, [(0, 1), (1, 0), (5, 2), (2, 3), (4, 3)])


@pytest.fixture
def run(pool: Pool) -> MatchRun:
    return clear_pool(pool, PRIORITIES, policy=Policy.PRIORITY_AFTER_CARDINALITY, cycle_cap=3, chain_cap=2)


def test_a_true_match_run_is_valid(pool: Pool, run: MatchRun) -> None:
    check_match_run(pool, run, PRIORITIES)
    assert run.cycles == (Cycle(pairs=("P0", "P1")),)
    assert run.chains == (Chain(ndd="N0", pairs=("P2", "P3")),)
    assert (run.transplants, run.total_priority) == (4, 1.875)
    assert set(run.arcs) == {("P0", "P1"), ("P1", "P0"), ("N0", "P2"), ("P2", "P3")}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"cycles": (Cycle(pairs=("P0", "P1")),) * 2}, "'P0' takes part 2 times"),
        ({"chains": (Chain(ndd="N0", pairs=("P2",)),) * 2}, "'N0' starts 2 chains"),
        ({"chains": (Chain(ndd="N0", pairs=("P0",)),)}, "'P0' takes part 2 times"),
        ({"cycles": (Cycle(pairs=("P0", "P9")),)}, "no pair 'P9'"),
        ({"chains": (Chain(ndd="N9", pairs=("P2",)),)}, "no non-directed donor 'N9'"),
        ({"cycles": (Cycle(pairs=("P0", "P4")),)}, "no arc P0 -> P4"),
        ({"cycles": (Cycle(pairs=("P0",)),)}, "no arc P0 -> P0"),
        ({"cycles": (Cycle(pairs=()),)}, "has 0 pair"),
        ({"givers": {"P0": "D1"}}, "'P0' is to give by donor 'D1'"),
        ({"chains": (Chain(ndd="N0", pairs=("P3", "P2")),)}, "no arc N0 -> P3"),
        ({"chains": (Chain(ndd="N0", pairs=()),)}, "has 0 pair"),
        ({"cycle_cap": 0}, "the cap is 0"),
        ({"chain_cap": 1}, "the cap is 1"),
        ({"cycles": ()}, "claims 4 transplants, but its exchanges add up to 2"),
        ({"transplants": 5}, "claims 5 transplants"),
        ({"total_priority": 1.9}, "claims a total priority of 1.9"),
        ({"stages": ()}, "its stages are none"),
        ({"policy": Policy.EQUAL}, "policy equal has transplants"),
    ],
)
def test_every_kind_of_corruption_is_found(
    pool: Pool, run: MatchRun, changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(InvalidMatchRun, match=complaint):
        check_match_run(pool, replace(run, **changes), PRIORITIES)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"value": 5.0}, "stage transplants claims 5, but the exchanges give 4"),
        ({"bound": 3.0}, "beyond its own bound"),
        ({"bound": 6.0}, "called optimal, but its bound is 6"),
        ({"status": SolveStatus.NO_SOLUTION}, "no solution"),
    ],
)
def test_false_claims_about_a_stage_are_found(
    pool: Pool, run: MatchRun, changes: dict[str, object], complaint: str
) -> None:
    stages = (replace(run.stages[0], **changes), run.stages[1])  # type: ignore[arg-type]
    with pytest.raises(InvalidMatchRun, match=complaint):
        check_match_run(pool, replace(run, stages=stages), PRIORITIES)


def test_all_violations_are_listed_at_once(pool: Pool, run: MatchRun) -> None:
    corrupted = replace(run, cycles=(Cycle(pairs=("P0", "P4")), Cycle(pairs=("P0", "P9"))), chain_cap=1)
    with pytest.raises(InvalidMatchRun) as caught:
        check_match_run(pool, corrupted, PRIORITIES)
    text = "\n".join(caught.value.violations)
    assert all(
        part in text for part in ("takes part 2 times", "no pair 'P9'", "the cap is 1", "no arc P0 -> P4")
    )


def test_recipients_without_a_known_priority_are_found(pool: Pool, run: MatchRun) -> None:
    with pytest.raises(InvalidMatchRun, match="no priority is known for P3"):
        check_match_run(pool, run, {k: v for k, v in PRIORITIES.items() if k != "P3"})


def test_a_run_is_only_as_optimal_as_its_weakest_stage(run: MatchRun) -> None:
    weak = replace(run.stages[0], status=SolveStatus.FEASIBLE, bound=5.0)
    assert run.status is SolveStatus.OPTIMAL
    assert replace(run, stages=(weak, run.stages[1])).status is SolveStatus.FEASIBLE
    assert weak.gap == pytest.approx(0.2)


def test_a_minimized_stage_has_its_bound_below(pool: Pool) -> None:
    goals = [Goal(objective=Objective.FEWEST_THREE_WAY), Goal(objective=Objective.TRANSPLANTS)]
    run = clear_pool(pool, PRIORITIES, goals=goals, chain_cap=2)
    check_match_run(pool, run, PRIORITIES)
    stages = (replace(run.stages[0], bound=1.0), run.stages[1])
    with pytest.raises(InvalidMatchRun, match="beyond its own bound 1"):
        check_match_run(pool, replace(run, stages=stages), PRIORITIES)
    stages = (replace(run.stages[0], bound=-1.0), run.stages[1])
    with pytest.raises(InvalidMatchRun, match="called optimal, but its bound is -1"):
        check_match_run(pool, replace(run, stages=stages), PRIORITIES)


@pytest.fixture
def pool_of_many_donors() -> Pool:
    """P0 has two donors, of whom only the second fits P1; P2 fits the own donor."""
    return Pool(
        pairs=(Pair(id="P0", donors=("D1", "D2")), Pair(id="P1"), Pair(id="P2", is_compatible=True)),
        arcs=(
            Arc(donor="P0", recipient="P1", giver="D2"),
            Arc(donor="P1", recipient="P0"),
            Arc(donor="P2", recipient="P2"),
        ),
        source="made by hand",
    )


def test_the_donor_who_gives_is_named_where_a_pair_has_several(
    pool_of_many_donors: Pool, tmp_path: Path
) -> None:
    pool = pool_of_many_donors
    run = clear_pool(pool, {"P0": 1.0, "P1": 1.0, "P2": 1.0}, policy=Policy.EQUAL)
    assert run.cycles == (Cycle(pairs=("P0", "P1")), Cycle(pairs=("P2",)))
    run = replace(run, givers=givers_of(pool, run))
    assert run.givers == {"P0": "D2"}
    write_match_run(run, tmp_path / "run.json")
    read = read_match_run(tmp_path / "run.json")
    assert (read.givers, read.cycles) == (run.givers, run.cycles)
    check_match_run(pool, read, {"P0": 1.0, "P1": 1.0, "P2": 1.0})
    for wrong in ({"P0": "D1"}, {"P0": "D2", "P1": "D3"}):
        with pytest.raises(InvalidMatchRun, match="is to give by donor"):
            check_match_run(pool, replace(run, givers=wrong), {"P0": 1.0, "P1": 1.0, "P2": 1.0})


def test_a_written_match_run_reads_back_the_same(run: MatchRun, tmp_path: Path) -> None:
    path = tmp_path / "match_run.json"
    write_match_run(run, path)
    read = read_match_run(path)
    timeless = tuple(replace(stage, seconds=None) for stage in run.stages)
    assert read == replace(run, stages=timeless)
    assert all(stage.certificate is not None for stage in read.stages)
    assert match_run_table(read) == match_run_table(run)
    assert json.loads(path.read_text())["status"] == "optimal"


def test_objectives_named_one_by_one_read_back_without_a_policy(pool: Pool, tmp_path: Path) -> None:
    goals = [Goal(objective=Objective.TRANSPLANTS, concession=1.0), Goal(objective=Objective.PRIORITY)]
    run = clear_pool(pool, PRIORITIES, goals=goals, chain_cap=2)
    write_match_run(run, tmp_path / "run.json")
    read = read_match_run(tmp_path / "run.json")
    assert read.policy is None
    assert [stage.concession for stage in read.stages] == [1.0, 0.0]


def test_a_file_of_format_version_1_is_still_read(pool: Pool, run: MatchRun, tmp_path: Path) -> None:
    table = match_run_table(run)
    table["format_version"] = 1
    del table["givers"]
    for stage in table["stages"]:
        for later in ("formulation", "concession", "proof", "certificate"):
            del stage[later]
        stage["columns_total"] = 7
    path = tmp_path / "old.json"
    path.write_text(json.dumps(table))
    old = read_match_run(path)
    check_match_run(pool, old, PRIORITIES)
    assert (old.cycles, old.chains, old.status) == (run.cycles, run.chains, run.status)
    for stage in old.stages:
        # Nothing in it lets a reader check the bound.
        assert (stage.formulation, stage.certificate, stage.proof) == ("", None, Proof.INTEGER_SOLVE)


def test_the_same_input_gives_the_same_bytes(pool: Pool, run: MatchRun, tmp_path: Path) -> None:
    slower = replace(run, stages=tuple(replace(stage, seconds=99.0) for stage in run.stages))
    for name, written in (("one", run), ("other", slower)):
        write_match_run(written, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert all(stage.seconds is not None for stage in run.stages)
    assert [stage.seconds for stage in read_match_run(tmp_path / "one").stages] == [None, None]


def test_false_numbers_are_found_however_small_the_weights(pool: Pool) -> None:
    tiny = {pair: 1e-12 * weight for pair, weight in PRIORITIES.items()}
    run = clear_pool(pool, tiny, policy=Policy.PRIORITY_AFTER_CARDINALITY, cycle_cap=3, chain_cap=2)
    with pytest.raises(InvalidMatchRun, match="claims a total priority"):
        check_match_run(pool, replace(run, total_priority=2 * run.total_priority), tiny)
    stages = (run.stages[0], replace(run.stages[1], bound=2 * run.stages[1].bound))
    with pytest.raises(InvalidMatchRun, match="stage priority is called optimal"):
        check_match_run(pool, replace(run, stages=stages), tiny)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", r"run\.json:1: not valid JSON"),
        ("{}", r"run\.json: \w+: field required"),
        ("[]", r"run\.json: the whole file"),
        ('{"format_version": 1, "stages": [5]}', r"run\.json: \w+"),
    ],
)
def test_a_malformed_match_run_file_names_the_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(BadMatchRun, match=complaint):
        read_match_run(path)


@pytest.mark.parametrize(
    ("part", "wrong", "place"),
    [
        ("proof", "hearsay", r"stages\W+2\W+proof"),
        ("certificate", {"bound": 1.0}, r"stages\W+2\W+certificate\W+excess"),
        ("columns_total", 3, r"stages\W+2\W+columns_total"),
    ],
)
def test_a_wrong_part_of_a_stage_is_named(
    run: MatchRun, tmp_path: Path, part: str, wrong: object, place: str
) -> None:
    table = match_run_table(run)
    table["stages"][1][part] = wrong
    path = tmp_path / "run.json"
    path.write_text(json.dumps(table))
    with pytest.raises(BadMatchRun, match=place):
        read_match_run(path)


def test_a_missing_match_run_file_is_complained_about(tmp_path: Path) -> None:
    with pytest.raises(BadMatchRun, match="No such file"):
        read_match_run(tmp_path / "absent.json")
