"""Why a pair was not matched, or what its being matched rests on: reasons that are proved, with numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from exchange.clearing.clear import Clearing, make_clearing
from exchange.clearing.objectives import Fairness, Objective
from exchange.clearing.probe import Finding, Prober, Verdict, recipients_of
from exchange.clearing.solver import Solver
from exchange.compatibility import blood_compatible
from exchange.errors import BadRequest
from exchange.explaining.needed_weight import Range, needed_weight
from exchange.explaining.possible_exchange import Shortest, shortest_exchanges
from exchange.match_run import MatchRun
from exchange.pool import MOST_COMPLAINTS, Pool, PoolArrays
from exchange.priorities import DonorPriorities, Priorities
from exchange.validity import check_match_run


class Reason(StrEnum):
    """Why a pair is matched or not."""

    NO_ARC_IN = "no-arc-in"
    """Nobody in the pool can give to the patient."""
    NO_EXCHANGE = "no-exchange"
    """Somebody can, but no cycle or chain within the caps contains the pair."""
    COSTS = "costs"
    """Every match run with the pair is worse in the first stage."""
    LOST = "lost-at"
    """Some match runs with the pair keep the first stages, but all lose at a later one."""
    TIE = "tie"
    """Some match run with the pair is as good in every stage: the choice among equals left the pair out."""
    BETTER_EXISTS = "better-exists"
    """A match run with the pair is better: this one was not proved optimal."""
    IN_EVERY = "in-every"
    """Matched; every match run without the pair is worse."""
    IN_SOME = "in-some"
    """Matched; some match run without the pair is as good."""
    BETTER_WITHOUT = "better-without"
    """Matched; a match run without the pair is better: this one was not proved optimal."""
    OPEN = "open"
    """The time did not suffice to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledOut:
    """How many of the pool's other donors cannot give to a patient, by cause."""

    blood_group: int
    crossmatch: int
    """The blood group fits, and yet there is no arc: a crossmatch, or another rule of the pool's source."""
    unknown: int
    """The source does not tell the blood groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairExplanation:
    """One pair."""

    pair: str
    is_matched: bool
    reason: Reason
    objective: Objective | None = None
    """The first stage in which match runs with the pair (without, if it is matched) are worse, better or open."""
    loss: Range | None = None
    """How much worse: transplants, weight, ..., in the stage's unit. Its lower end is 0 where open; a gain is
    negative."""
    donors_who_fit: int = 0
    """Pairs and non-directed donors of the pool who could give to the patient."""
    weight: float | None = None
    """The patient's own priority weight; None where each donor has an own view."""
    needed_weight: Range | None = None
    """The smallest weight at which the patient would have been matched, all other weights as they are; above it for
    certain, at it in a tie. None where no weight would do, or where weights play no part in the stage."""
    ruled_out: RuledOut | None = None
    """With ``no-arc-in``."""
    cycle_cap_needed: int | None = None
    """Pairs in the smallest cycle that contains the pair, whatever the caps; None if there is none. With
    ``no-exchange``, as is the next."""
    chain_cap_needed: int | None = None
    """Pairs in the shortest chain up to the pair."""
    gives_way: tuple[str, ...] = ()
    """Matched now, not so in the equally good match run that was found; in a tie."""
    comes_in: tuple[str, ...] = ()
    """Matched there, not now."""
    is_nearest: bool = False
    """Whether it is proved that no equally good match run leaves out fewer of those matched now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A match run explained, pair by pair."""

    run: MatchRun
    pairs: tuple[PairExplanation, ...]

    def of(self, pair_id: str) -> PairExplanation:
        """Return the explanation for one pair."""
        for pair in self.pairs:
            if pair.pair == pair_id:
                return pair
        raise BadRequest(f"pair '{pair_id}' is not among those explained")


def explain(
    pool: Pool,
    run: MatchRun,
    priorities: Priorities,
    *,
    pairs: Sequence[str] = (),
    fairness: Fairness | None = None,
    solver: Solver | None = None,
    time_limit_seconds: float | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[str], None] = lambda _: None,
) -> Explanation:
    """Say why pairs were not matched: each reason is proved by clearing the pool again with the pair in it.

    Parameters
    ----------
    run
        A match run of the pool; its caps, stages and concessions are used.
    priorities
        The weights with which it was made.
    pairs
        Ids; empty for every pair that was not matched. For a matched pair it is said what its being left out costs.
    fairness, solver, time_limit_seconds, is_stopped
        As for ``clear_pool``; the time is per solve, of which a pair needs at most one or two per stage.
    progress
        Called with a line of text per pair.

    Raises
    ------
    InvalidMatchRun
        The match run is not one of this pool and these priorities, or is called optimal and is not.
    BadRequest
        A pair that the pool does not have.
    """
    check_match_run(pool, run, priorities, fairness=fairness)
    clearing = make_clearing(
        pool,
        [stage.objective for stage in run.stages],
        cycle_cap=run.cycle_cap,
        chain_cap=run.chain_cap,
        fairness=fairness,
        solver=solver,
        time_limit_seconds=time_limit_seconds,
        is_stopped=is_stopped,
    )
    return explain_pairs(clearing, run, priorities, pairs=pairs, progress=progress)


def explain_pairs(
    clearing: Clearing,
    run: MatchRun,
    priorities: Priorities,
    *,
    pairs: Sequence[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Explanation:
    """Do the same with a clearing at hand, of the match run's caps; the match run is not checked."""
    names = clearing.arrays.pair_ids
    index = {name: i for i, name in enumerate(names)}
    unknown = [pair for pair in pairs if pair not in index]
    if unknown:
        raise BadRequest(
            f"{clearing.pool.source} has no pair {', '.join(unknown[:MOST_COMPLAINTS])}; name pairs of the pool"
        )
    asked = list(dict.fromkeys(pairs)) or [name for name in names if name not in run.recipients]
    why = _Why(clearing, run, priorities)
    explained = []
    for count, pair in enumerate(asked, start=1):
        found = why.matched(index[pair]) if pair in run.recipients else why.unmatched(index[pair])
        explained.append(found)
        progress(f"pair {count} of {len(asked)}: {pair} {label(found)}")
    return Explanation(run=run, pairs=tuple(explained))


def label(pair: PairExplanation) -> str:
    """Return a reason with its stage, as in ``costs-transplants`` or ``lost-at-priority``."""
    has_stage = pair.reason in (Reason.COSTS, Reason.LOST)
    return f"{pair.reason}-{pair.objective}" if has_stage else str(pair.reason)


class _Why:
    """One match run, asked about one pair after the other."""

    def __init__(self, clearing: Clearing, run: MatchRun, priorities: Priorities) -> None:
        self.clearing, self.run, self.priorities = clearing, run, priorities
        self.shortest: Shortest = shortest_exchanges(clearing.arrays)
        self._prober: Prober | None = None

    @property
    def prober(self) -> Prober:
        # Made when the first pair needs a solve; many pools' unmatched pairs need none.
        if self._prober is None:
            self._prober = Prober(self.clearing, self.run, self.priorities)
        return self._prober

    def unmatched(self, pair: int) -> PairExplanation:
        clearing, arrays = self.clearing, self.clearing.arrays
        name = arrays.pair_ids[pair]
        if not np.any(arrays.arc_exists[:, pair]):
            return PairExplanation(
                pair=name,
                is_matched=False,
                reason=Reason.NO_ARC_IN,
                weight=self.weight(pair),
                ruled_out=ruled_out(clearing.pool, arrays, pair),
            )
        cycle, chain = self.shortest.cycle(pair), self.shortest.chain(pair)
        has_cycle = cycle is not None and len(cycle) <= max(clearing.cycle_cap, 1)
        has_chain = chain is not None and len(chain) - 1 <= clearing.chain_cap
        if not has_cycle and not has_chain:
            return PairExplanation(
                pair=name,
                is_matched=False,
                reason=Reason.NO_EXCHANGE,
                donors_who_fit=self.donors_who_fit(pair),
                weight=self.weight(pair),
                cycle_cap_needed=None if cycle is None else len(cycle),
                chain_cap_needed=None if chain is None else len(chain) - 1,
            )
        exchange = cycle if has_cycle else chain
        finding = self.prober.with_pair(pair, exchange or (), is_chain=not has_cycle)
        return self.told(pair, finding, is_in=True)

    def matched(self, pair: int) -> PairExplanation:
        return self.told(pair, self.prober.without_pair(pair), is_in=False)

    def told(self, pair: int, finding: Finding, *, is_in: bool) -> PairExplanation:
        """Turn a finding about the match runs with (without) a pair into words' ingredients."""
        verdict, stage = finding.verdict, finding.stage
        gives_way: tuple[str, ...] = ()
        comes_in: tuple[str, ...] = ()
        is_nearest = False
        if verdict is Verdict.EQUAL:
            other, is_nearest = self.prober.nearest(pair, finding.chosen, is_in=is_in)
            gives_way, comes_in = self.changes(recipients_of(other))
        reason = {
            Verdict.EQUAL: Reason.TIE if is_in else Reason.IN_SOME,
            Verdict.WORSE: (Reason.COSTS if stage == 0 else Reason.LOST) if is_in else Reason.IN_EVERY,
            Verdict.BETTER: Reason.BETTER_EXISTS if is_in else Reason.BETTER_WITHOUT,
            Verdict.OPEN: Reason.OPEN,
        }[verdict]
        return PairExplanation(
            pair=self.clearing.arrays.pair_ids[pair],
            is_matched=not is_in,
            reason=reason,
            objective=None if stage is None else self.run.stages[stage].objective,
            loss=None if stage is None else Range(low=finding.loss_at_least, high=finding.loss_at_most),
            donors_who_fit=self.donors_who_fit(pair),
            weight=self.weight(pair),
            needed_weight=needed_weight(self.prober, pair, finding, self.priorities) if is_in else None,
            gives_way=gives_way,
            comes_in=comes_in,
            is_nearest=is_nearest,
        )

    def donors_who_fit(self, pair: int) -> int:
        return int(np.sum(self.clearing.arrays.arc_exists[:, pair]))

    def weight(self, pair: int) -> float | None:
        if isinstance(self.priorities, DonorPriorities):
            return None
        return self.priorities[self.clearing.arrays.pair_ids[pair]]

    def changes(self, recipients: set[int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        names, now = self.clearing.arrays.pair_ids, self.run.recipients
        return (
            tuple(name for i, name in enumerate(names) if name in now and i not in recipients),
            tuple(name for i, name in enumerate(names) if name not in now and i in recipients),
        )


def ruled_out(pool: Pool, arrays: PoolArrays, pair: int) -> RuledOut:
    """Return why the donors of other pairs, and the non-directed ones, who have no arc to a patient cannot give."""
    patient = pool.pairs[pair].patient_blood_group
    groups = [
        *(other.donor_blood_group for i, other in enumerate(pool.pairs) if i != pair),
        *(ndd.blood_group for ndd in pool.ndds),
    ]
    has_arc = np.delete(arrays.arc_exists[:, pair], pair)
    counts = {"blood_group": 0, "crossmatch": 0, "unknown": 0}
    for group, exists in zip(groups, has_arc, strict=True):
        if exists:
            continue
        if group is None or patient is None:
            counts["unknown"] += 1
        elif blood_compatible(group, patient):
            counts["crossmatch"] += 1
        else:
            counts["blood_group"] += 1
    return RuledOut(**counts)
