"""The optima of published pools, found by other programs: PrefLib's set 00036 and kidney_solver's examples.

The small pools run always; those up to 512 pairs take minutes and run with ``make test-long``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exchange.clearing.clear import clear_pool
from exchange.clearing.objectives import Policy
from exchange.match_run import SolveStatus
from exchange.pool_file import read_pool
from exchange.priorities import equal_priorities

Shared = Callable[[str], Path]

# (fewest, most) pairs of the pools checked, and how many rows of the reference that must be at least.
TRANSPLANTS = [(0, 64, 50), pytest.param(65, 512, 30, marks=pytest.mark.long)]
PRIORITY = [(0, 36, 15), pytest.param(37, 256, 20, marks=pytest.mark.long)]
# Formats that read_pool does not know yet.
_NOT_READ = (".json", ".json.gz", ".npz")


@pytest.fixture(scope="module")
def reference(shared: Shared) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared("reference/kidney_optima.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def profile_weights(shared: Shared) -> list[float]:
    """The eight direct scores of Freedman et al., profile 1 first."""
    profiles = json.loads(shared("reference/freedman_profiles.json").read_text(encoding="utf-8"))["profiles"]
    return [profile["direct_bt_score"] for profile in profiles]


@pytest.mark.parametrize(("fewest", "most", "at_least"), TRANSPLANTS)
def test_the_most_transplants_of_every_pool_are_found(
    reference: dict[str, Any], shared: Shared, fewest: int, most: int, at_least: int
) -> None:
    checked = 0
    for row in reference["optima"]:
        if not fewest <= row["pairs"] <= most or row["file"].endswith(_NOT_READ):
            continue
        pool = read_pool(shared(f"data/kidney/{row['file']}"))
        assert (len(pool.pairs), len(pool.ndds)) == (row["pairs"], row["ndds"]), row
        run = clear_pool(
            pool,
            equal_priorities(pool),
            policy=Policy.EQUAL,
            cycle_cap=row["cycle_cap"],
            chain_cap=row["chain_cap"],
        )
        assert run.transplants == row["transplants"], row
        assert run.status is SolveStatus.OPTIMAL, row
        checked += 1
    assert checked >= at_least


def test_the_greatest_arc_weights_are_found(reference: dict[str, Any], shared: Shared) -> None:
    checked = 0
    for row in reference["priority"]:
        if row["objective"] != "greatest arc weight" or row["file"].endswith(_NOT_READ):
            continue
        pool = read_pool(shared(f"data/kidney/{row['file']}"))
        run = clear_pool(
            pool,
            equal_priorities(pool),
            policy=Policy.GREATEST_ARC_WEIGHT,
            cycle_cap=row["cycle_cap"],
            chain_cap=row["chain_cap"],
        )
        assert run.stages[0].value == pytest.approx(row["value"], rel=1e-9), row
        checked += 1
    assert checked >= 3


@pytest.mark.parametrize(("fewest", "most", "at_least"), PRIORITY)
def test_priority_optima_are_found_under_both_rules(
    reference: dict[str, Any],
    shared: Shared,
    profile_weights: list[float],
    fewest: int,
    most: int,
    at_least: int,
) -> None:
    checked = fewer = 0
    for row in reference["priority"]:
        if row["objective"] != "transplants, then priority" or row["file"].endswith(_NOT_READ):
            continue
        pool = read_pool(shared(f"data/kidney/{row['file']}"))
        if not fewest <= len(pool.pairs) <= most:
            continue
        # The file's rule: the patient of pair i (in file order, from 0) has profile i mod 8.
        weights = {pair.id: profile_weights[i % 8] for i, pair in enumerate(pool.pairs)}
        caps = {"cycle_cap": row["cycle_cap"], "chain_cap": row["chain_cap"]}
        described = clear_pool(pool, weights, policy=Policy.PRIORITY_AFTER_CARDINALITY, **caps)
        coded = clear_pool(pool, weights, policy=Policy.GREATEST_WEIGHT, **caps)
        assert described.transplants == row["transplants"], row
        assert described.total_priority == pytest.approx(row["priority"], abs=1e-8), row
        assert coded.total_priority == pytest.approx(row["greatest_priority_alone"], abs=1e-8), row
        assert described.status is coded.status is SolveStatus.OPTIMAL, row
        fewer += coded.transplants < described.transplants
        checked += 1
    assert checked >= at_least
    assert fewer >= 1
