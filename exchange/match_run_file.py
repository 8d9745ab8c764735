"""Read and write ``match_run.json``: a match run with its stages, bounds and what it was made from.

The same pool, weights and settings give the same bytes, unless a stage ran into its time limit. Seconds are left
out for that.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from exchange.clearing.objectives import Objective, Policy
from exchange.errors import BadMatchRun
from exchange.match_run import Chain, Cycle, MatchRun, SolveStatus, StageResult
from exchange.text_rows import place_text


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Chain(_Table):
    ndd: str
    pairs: list[str]


class _Stage(_Table):
    objective: Objective
    value: float
    bound: float
    gap: float
    status: SolveStatus
    solver: str
    columns_total: int
    columns_used: int
    time_limit_seconds: float | None


class _MatchRun(_Table):
    format: Literal["equipoise-match-run"]
    format_version: Literal[1]
    pool_source: str
    pool_note: str
    policy: Policy
    cycle_cap: int
    chain_cap: int
    status: SolveStatus
    transplants: int
    total_priority: float
    stages: list[_Stage]
    cycles: list[list[str]]
    chains: list[_Chain]
    manifest: dict[str, Any]


def match_run_table(run: MatchRun) -> dict[str, Any]:
    """Return the match run as plain data, in the layout of the file."""
    return _MatchRun(
        format="equipoise-match-run",
        format_version=1,
        pool_source=run.pool_source,
        pool_note=run.pool_note,
        policy=run.policy,
        cycle_cap=run.cycle_cap,
        chain_cap=run.chain_cap,
        status=run.status,
        transplants=run.transplants,
        total_priority=run.total_priority,
        stages=[
            _Stage(
                objective=s.objective,
                value=s.value,
                bound=s.bound,
                gap=s.gap,
                status=s.status,
                solver=s.solver,
                columns_total=s.columns_total,
                columns_used=s.columns_used,
                time_limit_seconds=s.time_limit_seconds,
            )
            for s in run.stages
        ],
        cycles=[list(cycle.pairs) for cycle in run.cycles],
        chains=[_Chain(ndd=chain.ndd, pairs=list(chain.pairs)) for chain in run.chains],
        manifest=dict(run.manifest),
    ).model_dump(mode="json")


def write_match_run(run: MatchRun, path: Path) -> None:
    """Write ``match_run.json``."""
    text = json.dumps(match_run_table(run), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_match_run(path: Path) -> MatchRun:
    """Read ``match_run.json``. Whether it fits a pool is for ``validity.check_match_run`` to say.

    Raises
    ------
    BadMatchRun
        The file is missing or malformed; the message names file and place.
    """
    try:
        table = _MatchRun.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except UnicodeDecodeError:
        raise BadMatchRun(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise BadMatchRun(f"{path}: {error.strerror or error}; name an existing match run file") from None
    except json.JSONDecodeError as error:
        raise BadMatchRun(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = place_text(first["loc"])
        raise BadMatchRun(
            f"{path}: {place}: {first['msg'].lower()}; 'equipoise exchange clear --out' writes such files"
        ) from None
    return MatchRun(
        cycles=tuple(Cycle(pairs=tuple(pairs)) for pairs in table.cycles),
        chains=tuple(Chain(ndd=chain.ndd, pairs=tuple(chain.pairs)) for chain in table.chains),
        policy=table.policy,
        cycle_cap=table.cycle_cap,
        chain_cap=table.chain_cap,
        stages=tuple(
            StageResult(
                objective=s.objective,
                value=s.value,
                bound=s.bound,
                status=s.status,
                seconds=None,
                solver=s.solver,
                columns_total=s.columns_total,
                columns_used=s.columns_used,
                time_limit_seconds=s.time_limit_seconds,
            )
            for s in table.stages
        ),
        transplants=table.transplants,
        total_priority=table.total_priority,
        pool_source=table.pool_source,
        pool_note=table.pool_note,
        manifest=table.manifest,
    )
