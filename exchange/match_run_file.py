"""Read and write ``match_run.json``: a match run with its stages, bounds and what it was made from.

The same pool, weights and settings give the same bytes on the same machine, unless a stage ran into its time limit.
Seconds are left out for that. (Prices come from floating-point solves, whose last digits another machine may not
repeat.)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from exchange.clearing.objectives import Objective, Policy
from exchange.errors import BadMatchRun
from exchange.formats.text_rows import place_text
from exchange.match_run import Certificate, Chain, Cycle, MatchRun, Proof, SolveStatus, StageResult


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Chain(_Table):
    ndd: str
    pairs: list[str]


class _Certificate(_Table):
    bound: float
    excess: float
    stage_prices: list[float]
    stage_limits: list[float]
    pair_prices: dict[str, float]
    ndd_prices: dict[str, float]


class _Stage(_Table):
    objective: Objective
    value: float
    bound: float
    gap: float
    status: SolveStatus
    solver: str
    formulation: str = ""
    columns_used: int
    time_limit_seconds: float | None
    concession: float = 0.0
    # What an older file says nothing about rests on the solver's word.
    proof: Proof = Proof.INTEGER_SOLVE
    certificate: _Certificate | None = None


class _MatchRun(_Table):
    format: Literal["equipoise-match-run"]
    format_version: Literal[1, 2]
    pool_source: str
    pool_note: str
    policy: Policy | None
    cycle_cap: int
    chain_cap: int
    status: SolveStatus
    transplants: int
    total_priority: float
    cycles: list[list[str]]
    chains: list[_Chain]
    givers: dict[str, str] = {}
    stages: list[_Stage]
    manifest: dict[str, Any]


def match_run_table(run: MatchRun) -> dict[str, Any]:
    """Return the match run as plain data, in the layout of the file."""
    return _MatchRun(
        format="equipoise-match-run",
        format_version=2,
        pool_source=run.pool_source,
        pool_note=run.pool_note,
        policy=run.policy,
        cycle_cap=run.cycle_cap,
        chain_cap=run.chain_cap,
        status=run.status,
        transplants=run.transplants,
        total_priority=run.total_priority,
        cycles=[list(cycle.pairs) for cycle in run.cycles],
        chains=[_Chain(ndd=chain.ndd, pairs=list(chain.pairs)) for chain in run.chains],
        givers=dict(run.givers),
        stages=[_stage_table(stage) for stage in run.stages],
        manifest=dict(run.manifest),
    ).model_dump(mode="json")


def _stage_table(stage: StageResult) -> _Stage:
    certificate = stage.certificate
    return _Stage(
        objective=stage.objective,
        value=stage.value,
        bound=stage.bound,
        gap=stage.gap,
        status=stage.status,
        solver=stage.solver,
        formulation=stage.formulation,
        columns_used=stage.columns_used,
        time_limit_seconds=stage.time_limit_seconds,
        concession=stage.concession,
        proof=stage.proof,
        certificate=None
        if certificate is None
        else _Certificate(
            bound=certificate.bound,
            excess=certificate.excess,
            stage_prices=list(certificate.stage_prices),
            stage_limits=list(certificate.stage_limits),
            pair_prices=dict(certificate.pair_prices),
            ndd_prices=dict(certificate.ndd_prices),
        ),
    )


def match_run_text(run: MatchRun) -> str:
    """Return the content of ``match_run.json``."""
    return json.dumps(match_run_table(run), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_match_run(run: MatchRun, path: Path) -> None:
    """Write ``match_run.json``."""
    path.write_text(match_run_text(run), encoding="utf-8")


def read_match_run(path: Path) -> MatchRun:
    """Read ``match_run.json``. Whether it fits a pool is for ``validity.check_match_run`` to say.

    Of a file of format version 1 the stages have no certificate and no formulation.

    Raises
    ------
    BadMatchRun
        The file is missing or malformed; the message names file and place.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        table = _MatchRun.model_validate(_without_old_parts(raw))
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
        stages=tuple(_stage(stage) for stage in table.stages),
        transplants=table.transplants,
        total_priority=table.total_priority,
        pool_source=table.pool_source,
        pool_note=table.pool_note,
        givers=table.givers,
        manifest=table.manifest,
    )


def _without_old_parts(raw: Any) -> Any:
    """Return a file's content without what version 1 held and no longer means anything: ``columns_total``."""
    if not isinstance(raw, dict) or raw.get("format_version") != 1 or not isinstance(raw.get("stages"), list):
        return raw
    stages = [
        {key: value for key, value in stage.items() if key != "columns_total"}
        if isinstance(stage, dict)
        else stage
        for stage in raw["stages"]
    ]
    return {**raw, "stages": stages}


def _stage(table: _Stage) -> StageResult:
    certificate = table.certificate
    return StageResult(
        objective=table.objective,
        value=table.value,
        bound=table.bound,
        status=table.status,
        seconds=None,
        solver=table.solver,
        formulation=table.formulation,
        columns_used=table.columns_used,
        time_limit_seconds=table.time_limit_seconds,
        concession=table.concession,
        proof=table.proof,
        certificate=None
        if certificate is None
        else Certificate(
            pair_prices=certificate.pair_prices,
            ndd_prices=certificate.ndd_prices,
            stage_prices=tuple(certificate.stage_prices),
            stage_limits=tuple(certificate.stage_limits),
            excess=certificate.excess,
            bound=certificate.bound,
        ),
    )
