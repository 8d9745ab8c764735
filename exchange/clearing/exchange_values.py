"""What a cycle, a chain or one arc of it adds to an objective. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from exchange.pool import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeValues:
    """A value for every exchange: a sum over its arcs, changed by the exchange's size or by the risk of
    failure.

    A cycle of s pairs is worth ``factors[s]`` times the sum of its arcs' values, plus ``constants[s]``. A
    chain is worth the sum of its arcs' values, the k-th one times ``chain_ratio`` to the power of k.

    With ``success`` a cycle is worth its arcs' sum times the product of their success probabilities, because
    one failure undoes it; a chain is worth the sum over its arcs of the value times the probability that this
    arc and all before it succeed, because a failure ends it there (Dickerson, Procaccia, Sandholm 2013,
    "Failure-aware kidney exchange", EC 2013, section 3).
    """

    arc: FloatArray
    """Shape (n_pairs + n_ndds, n_pairs): value of a transplant from row to column. The diagonal is a compatible
    pair's own."""
    factors: Mapping[int, float] = field(default_factory=dict)
    """Cycle size -> factor; 1 where absent."""
    constants: Mapping[int, float] = field(default_factory=dict)
    """Cycle size -> what is added; 0 where absent."""
    chain_ratio: float = 1.0
    success: FloatArray | None = None
    """Success probabilities, shape as ``arc``; None where failure plays no part."""
    is_whole: bool = False
    """All values are whole numbers, so that bounds may be rounded down."""

    @property
    def adds_up(self) -> bool:
        """Whether a chain's value is a sum over its arcs that needs only their positions."""
        return self.success is None

    def factor(self, size: int) -> float:
        """Return the factor of cycles of ``size`` pairs."""
        return self.factors.get(size, 1.0)

    def constant(self, size: int) -> float:
        """Return what cycles of ``size`` pairs add besides their arcs."""
        return self.constants.get(size, 0.0)

    def scaled(self, factor: float) -> ExchangeValues:
        """Return the same values times ``factor``."""
        return replace(
            self,
            arc=self.arc * factor,
            constants={size: value * factor for size, value in self.constants.items()},
            is_whole=self.is_whole and factor == 1.0,
        )

    def of_cycles(self, cycles: IntArray) -> FloatArray:
        """Return the value of each cycle; shape (count, size), each pair gives to the next, the last to the
        first."""
        size = cycles.shape[1]
        if self.success is None and not any(self.arc.strides):
            # One value for all arcs, which need not be looked up.
            same = self.factor(size) * size * float(self.arc.flat[0] if self.arc.size else 0.0)
            return np.full(len(cycles), same + self.constant(size))
        recipients = np.roll(cycles, -1, axis=1)
        value: FloatArray = self.factor(size) * np.sum(self.arc[cycles, recipients], axis=1)
        if self.success is not None:
            value = value * np.prod(self.success[cycles, recipients], axis=1)
        return value + self.constant(size)

    def of_chains(self, chains: IntArray) -> FloatArray:
        """Return the value of each chain; shape (count, pairs + 1), first the non-directed donor's index."""
        donors, recipients = chains[:, :-1], chains[:, 1:]
        worth = self.arc[donors, recipients]
        if self.success is not None:
            worth = worth * np.cumprod(self.success[donors, recipients], axis=1)
        powers = self.chain_ratio ** np.arange(1, chains.shape[1])
        value: FloatArray = np.sum(worth * powers, axis=1)
        return value

    def of_chain_arcs(self, position: IntArray, donor: IntArray, recipient: IntArray) -> FloatArray:
        """Return what arcs at these positions (from 1) add to their chains; only where :attr:`adds_up`."""
        if not self.adds_up:
            raise ValueError("a chain's value under failure is not a sum over its arcs")
        worth: FloatArray = self.arc[donor, recipient] * self.chain_ratio**position
        return worth
