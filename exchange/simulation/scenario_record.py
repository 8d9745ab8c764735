"""A scenario as plain data: for manifests, and for keys of runs, which change with all that a run depends on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import PurePath
from typing import Any

from exchange.pool import Pool
from exchange.pool_file import pool_text
from exchange.simulation.scenario import Scenario
from survey.design import Profile


def scenario_record(scenario: Scenario) -> dict[str, Any]:
    """Return everything that the scenario says, as JSON can hold it; equal scenarios have equal records.

    Imported profiles and the first pool are their number and the SHA-256 of their content; the pool's source is
    kept without the folder, so that a study may be moved.
    """
    # The pool and the profiles may be large, and asdict copies deeply.
    plain = asdict(replace(scenario, imported_profiles=(), first_pool=None))
    record: dict[str, Any] = json.loads(json.dumps(plain, allow_nan=False))
    record["imported_profiles"] = _profiles_record(scenario.imported_profiles)
    record["first_pool"] = None if scenario.first_pool is None else _pool_record(scenario.first_pool)
    return record


def _profiles_record(profiles: tuple[Profile, ...]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for profile in profiles:
        digest.update(json.dumps(profile.values, ensure_ascii=False).encode() + b"\n")
    return {"count": len(profiles), "sha256": digest.hexdigest()}


def _pool_record(pool: Pool) -> dict[str, Any]:
    content = pool_text(replace(pool, source=""))
    return {
        "source": PurePath(pool.source).name,
        "pairs": len(pool.pairs),
        "ndds": len(pool.ndds),
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
    }
