"""One pool cleared with a model's weights instead of people's, as plain numbers for files and reports. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.match_run import MatchRun
from llm_compare.consequences.certainty import Arbitrariness, WeightNoise
from llm_compare.consequences.clearings import Consequences, GroupOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInShort:
    """One match run."""

    transplants: int
    cycles: int
    chains: int
    status: str
    """``optimal`` if proved best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearedPool:
    """What :class:`llm_compare.consequences.clearings.Consequences` says, without pool and match runs."""

    pool: str
    """Where the pool came from."""
    n_pairs: int
    n_ndds: int
    policy: str
    cycle_cap: int
    chain_cap: int
    by_people: RunInShort
    by_model: RunInShort
    by_equal: RunInShort
    priority_lost: float
    """Weight, as people weigh patients, that the people's match run has more than the model's."""
    matched_by_both: int
    matched_by_people_only: int
    matched_by_model_only: int
    groups: tuple[GroupOutcome, ...]
    """Everybody first."""
    model_is_indifferent: bool
    """The model gives every patient of the pool the same weight."""
    arbitrariness: tuple[Arbitrariness, ...]
    noise: WeightNoise | None
    sentences: tuple[str, ...]
    """What happened, in words; the first sums up."""

    @classmethod
    def of(cls, c: Consequences) -> ClearedPool:
        """Leave out pool and match runs."""
        return cls(
            pool=c.pool.source,
            n_pairs=len(c.pool.pairs),
            n_ndds=len(c.pool.ndds),
            policy=c.policy.value,
            cycle_cap=c.cycle_cap,
            chain_cap=c.chain_cap,
            by_people=_in_short(c.by_people),
            by_model=_in_short(c.by_model),
            by_equal=_in_short(c.by_equal),
            priority_lost=c.priority_lost,
            matched_by_both=c.matched_by_both,
            matched_by_people_only=c.matched_by_people_only,
            matched_by_model_only=c.matched_by_model_only,
            groups=c.groups,
            model_is_indifferent=c.model_is_indifferent,
            arbitrariness=c.arbitrariness,
            noise=c.noise,
            sentences=c.sentences,
        )


def _in_short(run: MatchRun) -> RunInShort:
    return RunInShort(
        transplants=run.transplants, cycles=len(run.cycles), chains=len(run.chains), status=run.status.value
    )
