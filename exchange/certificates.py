"""Check the prices that prove a match run's bounds, knowing nothing of how they were found. Pure.

A stage's certificate (``match_run.Certificate``) says that no cycle and no chain is worth more than its members'
prices, but for an excess in total. That is recomputed here from the pool's own arcs; what follows is arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import floor, fsum, isfinite

import numpy as np

from exchange.clearing.objectives import Fairness, Objective
from exchange.exchange_worth import ExchangeWorth
from exchange.match_run import Certificate, MatchRun, Proof, SolveStatus, StageResult
from exchange.pool import FloatArray, Pool
from exchange.priorities import Priorities

_WHOLE_TOLERANCE = 1e-6
"""Whole numbers are rounded down from so little below."""
_TOLERANCE = 2e-7
"""How far a claim may lie beyond what is proved, of the sum of all that a bound is added up from: no exchange is
worth more than that, and solvers do not see less than about a ten-millionth of an exchange's worth."""
_ROUNDING = 1e-9
"""How far sums may differ, of the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateCheck:
    """What one stage's certificate was found to prove."""

    objective: Objective
    claimed: float
    """The stage's bound."""
    proved: float | None
    """The bound that the prices prove, recomputed; None without a certificate, or where it says nothing."""
    proof: Proof
    """On what the claim says it rests. Beyond ``proved`` an integer solve is the solver's word."""
    problems: tuple[str, ...]
    """What is false in the certificate or does not follow from it; empty where all is well."""
    is_proved: bool
    """Whether the prices alone prove the claim."""


def check_certificates(
    pool: Pool, run: MatchRun, priorities: Priorities, fairness: Fairness | None = None
) -> tuple[CertificateCheck, ...]:
    """Recompute what each stage's prices prove, for a match run that has passed ``validity.check_match_run``.

    Parameters
    ----------
    priorities, fairness
        As the match run was made with.

    Returns
    -------
    One check per stage. The excess is found exactly by trying every exchange that the prices do not rule out; only
    where those are millions, walks stand for chains and cycles, and the bound proved is weaker than it could be.
    """
    chosen = Fairness() if fairness is None else fairness
    checks = []
    for number, stage in enumerate(run.stages):
        blank = CertificateCheck(
            objective=stage.objective,
            claimed=stage.bound,
            proved=None,
            proof=stage.proof,
            problems=(),
            is_proved=False,
        )
        if stage.certificate is None:
            checks.append(blank)
            continue
        problems = tuple(_malformed(pool, run, number, stage.certificate))
        if problems:
            checks.append(replace(blank, problems=problems))
            continue
        checks.append(_recomputed(pool, run, blank, number, stage.certificate, priorities, chosen))
    return tuple(checks)


def _malformed(pool: Pool, run: MatchRun, number: int, certificate: Certificate) -> Iterator[str]:
    """Yield what keeps a certificate from saying anything."""
    known: tuple[tuple[str, Mapping[str, float], set[str]], ...] = (
        ("pair", certificate.pair_prices, {pair.id for pair in pool.pairs}),
        ("non-directed donor", certificate.ndd_prices, {ndd.id for ndd in pool.ndds}),
    )
    for kind, prices, ids in known:
        for member, price in prices.items():
            if member not in ids:
                yield f"it prices a {kind} '{member}' that the pool does not have"
            if not 0 <= price < float("inf"):
                yield f"the price of {kind} '{member}' is {price:g}, not a number of at least 0"
    for price in certificate.stage_prices:
        if not 0 <= price < float("inf"):
            yield f"the price of an earlier stage is {price:g}, not a number of at least 0"
    if not (isfinite(certificate.excess) and isfinite(certificate.bound)):
        yield "its excess or bound is no finite number"
    if not len(certificate.stage_prices) == len(certificate.stage_limits) == number:
        yield (
            f"it has {len(certificate.stage_prices)} prices and {len(certificate.stage_limits)} limits for earlier "
            f"stages, but the match run has {number} of these; rules that it does not state cannot be checked"
        )
        return
    for earlier, limit in zip(run.stages, certificate.stage_limits, strict=False):
        reached = _signed(earlier, earlier.value)
        if earlier.status is SolveStatus.OPTIMAL:
            reached = min(reached, _signed(earlier, earlier.bound) - earlier.concession)
        if not limit <= reached + 1e-6 * abs(reached):
            yield (
                f"it asks stage {earlier.objective} for {limit:.12g}, more than the match run itself reaches there "
                f"or had to reach ({reached:.12g})"
            )


def _recomputed(
    pool: Pool,
    run: MatchRun,
    blank: CertificateCheck,
    number: int,
    certificate: Certificate,
    priorities: Priorities,
    fairness: Fairness,
) -> CertificateCheck:
    """Return the check with the bound proved, and what does not follow from it."""
    stage = run.stages[number]
    shares = {stage.objective: 1.0}
    for earlier, price in zip(run.stages, certificate.stage_prices, strict=False):
        shares[earlier.objective] = shares.get(earlier.objective, 0.0) + price
    worth = ExchangeWorth(pool, shares, priorities, fairness)
    prices: FloatArray = np.array(
        [
            *(certificate.pair_prices.get(pair.id, 0.0) for pair in pool.pairs),
            *(certificate.ndd_prices.get(ndd.id, 0.0) for ndd in pool.ndds),
        ]
    )
    excess = worth.excess(prices, cycle_cap=run.cycle_cap, chain_cap=run.chain_cap)
    owed = [p * limit for p, limit in zip(certificate.stage_prices, certificate.stage_limits, strict=True)]
    amounts = fsum([*prices.tolist(), abs(certificate.excess), *map(abs, owed)])
    rounding = _ROUNDING * amounts
    problems = []
    stated = fsum([*prices.tolist(), certificate.excess, *(-amount for amount in owed)])
    if abs(certificate.bound - stated) > rounding:
        problems.append(
            f"it claims the bound {certificate.bound:.12g}, but its prices add up to {stated:.12g}"
        )
    if excess > certificate.excess + rounding:
        problems.append(
            f"exchanges can be worth {excess:.6g} more than their members' prices, not only "
            f"{certificate.excess:.6g}"
        )
    bound = fsum([*prices.tolist(), excess, *(-amount for amount in owed)])
    reached = float(floor(bound + _WHOLE_TOLERANCE)) if stage.objective.is_whole else bound
    slack = _WHOLE_TOLERANCE if stage.objective.is_whole else _TOLERANCE * amounts
    follows = _signed(stage, stage.bound) >= reached - slack
    if stage.proof is Proof.PRICES and not follows:
        problems.append(
            f"the stage's bound is {stage.bound:.12g}, but the prices prove only {_signed(stage, reached):.12g}"
        )
    return replace(
        blank,
        proved=_signed(stage, reached) + 0.0,
        problems=tuple(problems),
        is_proved=follows and not problems,
    )


def _signed(stage: StageResult, value: float) -> float:
    return -value if stage.objective.is_minimized else value
