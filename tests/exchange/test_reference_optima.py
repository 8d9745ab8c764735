"""The optima of published pools, found by other programs: PrefLib's set 00036, examples of kidney_solver and of
kep_solver, UK-like and sparse pools.

Pools of up to 256 pairs run always; larger ones take minutes and run with ``make test-long``. Hard ones have a time
limit: then the reference must lie between what was found and the bound, and equal it where that is called optimal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from exchange.certificates import check_certificates
from exchange.clearing.clear import clear_pool
from exchange.clearing.objectives import Policy
from exchange.match_run import MatchRun, SolveStatus
from exchange.pool import Pool
from exchange.pool_file import read_pool
from exchange.priorities import equal_priorities

Shared = Callable[[str], Path]

_long = pytest.mark.long
# (fewest, most pairs), how many rows of the reference these must be, and whether all must be proved.
TRANSPLANTS = [
    (0, 64, 61, True),
    (65, 256, 48, True),
    pytest.param(257, 512, 24, True, marks=_long),
    pytest.param(513, 1_024, 14, False, marks=_long),
    pytest.param(1_025, 2_048, 3, False, marks=_long),
]
ARC_WEIGHT = [(0, 200, 21), pytest.param(201, 300, 6, marks=_long)]
PRIORITY = [(0, 64, 34), (65, 128, 22)]
LIMIT_SECONDS = 60.0


@pytest.fixture(scope="module")
def reference(shared: Shared) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared("reference/kidney_optima.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def profile_weights(shared: Shared) -> list[float]:
    """The eight direct scores of Freedman et al., profile 1 first."""
    profiles = json.loads(shared("reference/freedman_profiles.json").read_text(encoding="utf-8"))["profiles"]
    return [profile["direct_bt_score"] for profile in profiles]


@pytest.fixture(scope="module")
def pool_of(shared: Shared) -> Callable[[str], Pool]:
    """Return a function that reads a file; rows about the same one follow each other."""
    kept: dict[str, Pool] = {}

    def read(name: str) -> Pool:
        if name not in kept:
            kept.clear()
            kept[name] = read_pool(shared(f"data/kidney/{name}"))
        return kept[name]

    return read


def _rows(reference: dict[str, Any], objective: str, fewest: int, most: int) -> list[dict[str, Any]]:
    """Return the rows about weights, of pools of some size."""
    pairs = {row["file"]: row["pairs"] for row in reference["optima"]}
    of_objective = [row for row in reference["priority"] if row["objective"] == objective]
    return sorted(
        (row for row in of_objective if fewest <= pairs[row["file"]] <= most), key=lambda row: row["file"]
    )


def _cleared(
    pool: Pool, weights: Mapping[str, float], policy: Policy, row: dict[str, Any], *, must_prove: bool
) -> MatchRun:
    # Where a proof is asked for, five times the limit: a test must end.
    run = clear_pool(
        pool,
        weights,
        policy=policy,
        cycle_cap=row["cycle_cap"],
        chain_cap=row["chain_cap"],
        time_limit_seconds=5 * LIMIT_SECONDS if must_prove else LIMIT_SECONDS,
    )
    if must_prove:
        assert run.status is SolveStatus.OPTIMAL, row
    assert [check.problems for check in check_certificates(pool, run, weights)] == [()] * len(run.stages), row
    return run


def _assert_reached(run: MatchRun, expected: tuple[float, ...], row: dict[str, Any]) -> None:
    """Compare stage by stage; what comes after an unproved stage has another task than the reference had."""
    for stage, value in zip(run.stages, expected, strict=True):
        if stage.status is SolveStatus.OPTIMAL:
            assert stage.value == pytest.approx(value, rel=1e-8, abs=1e-8), row
        else:
            assert stage.value <= value + 1e-8 <= stage.bound + 2e-8, row
            return


@pytest.mark.parametrize(("fewest", "most", "rows", "must_prove"), TRANSPLANTS)
def test_the_most_transplants_of_every_pool_are_found(
    reference: dict[str, Any],
    pool_of: Callable[[str], Pool],
    fewest: int,
    most: int,
    rows: int,
    must_prove: bool,
) -> None:
    chosen = [row for row in reference["optima"] if fewest <= row["pairs"] <= most]
    assert len(chosen) == rows
    for row in sorted(chosen, key=lambda row: row["file"]):
        pool = pool_of(row["file"])
        assert (len(pool.pairs), len(pool.ndds)) == (row["pairs"], row["ndds"]), row
        run = _cleared(pool, equal_priorities(pool), Policy.EQUAL, row, must_prove=must_prove)
        _assert_reached(run, (row["transplants"],), row)


@pytest.mark.parametrize(("fewest", "most", "rows"), ARC_WEIGHT)
def test_the_greatest_arc_weights_are_found(
    reference: dict[str, Any], pool_of: Callable[[str], Pool], fewest: int, most: int, rows: int
) -> None:
    chosen = _rows(reference, "greatest arc weight", fewest, most)
    assert len(chosen) == rows
    for row in chosen:
        pool = pool_of(row["file"])
        run = _cleared(pool, equal_priorities(pool), Policy.GREATEST_ARC_WEIGHT, row, must_prove=True)
        _assert_reached(run, (row["value"],), row)


@pytest.mark.parametrize(("fewest", "most", "rows"), PRIORITY)
def test_priority_optima_are_found_under_both_rules(
    reference: dict[str, Any],
    pool_of: Callable[[str], Pool],
    profile_weights: list[float],
    fewest: int,
    most: int,
    rows: int,
) -> None:
    chosen = _rows(reference, "transplants, then priority", fewest, most)
    assert len(chosen) == rows
    fewer = 0
    for row in chosen:
        pool = pool_of(row["file"])
        # The file's rule: the patient of pair i (in file order, from 0) has profile i mod 8.
        weights = {pair.id: profile_weights[i % 8] for i, pair in enumerate(pool.pairs)}
        described = _cleared(pool, weights, Policy.PRIORITY_AFTER_CARDINALITY, row, must_prove=True)
        coded = _cleared(pool, weights, Policy.GREATEST_WEIGHT, row, must_prove=True)
        _assert_reached(described, (row["transplants"], row["priority"]), row)
        _assert_reached(coded, (row["greatest_priority_alone"],), row)
        fewer += coded.transplants < described.transplants
    # Pure weight costs transplants somewhere in each group, as the reference's own counts say.
    assert (fewer > 0) == any(row["transplants_at_greatest_priority"] < row["transplants"] for row in chosen)
