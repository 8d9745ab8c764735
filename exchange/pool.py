"""The pool: pairs, non-directed donors, and which donor's kidney could go to which patient. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from exchange.errors import BadPool
from exchange.pool_problems import arc_problems, member_problems
from survey.design import Attribute, Profile

IntArray: TypeAlias = NDArray[np.intp]
BoolArray: TypeAlias = NDArray[np.bool_]
FloatArray: TypeAlias = NDArray[np.float64]

MOST_COMPLAINTS = 10
"""A message lists at most this many problems of one kind."""


class BloodGroup(StrEnum):
    """ABO blood group."""

    O = "O"  # noqa: E741 - the group's own name
    A = "A"
    B = "B"
    AB = "AB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A patient with a willing donor, who as a rule cannot give to that patient."""

    id: str
    patient_blood_group: BloodGroup | None = None
    """None where the source does not say, as for the donor and cPRA."""
    donor_blood_group: BloodGroup | None = None
    cpra: float | None = None
    """Share of donors whose kidney the patient's antibodies attack, in [0, 1]."""
    profile: Profile | None = None
    """The patient as the study describes patients; what priority weights look at."""
    is_compatible: bool = False
    """Whether the donor could give to the own patient as well. The pool then has the arc from the pair to itself,
    and clearing may choose it: a cycle of one pair, who need no exchange."""
    donors: tuple[str, ...] = ()
    """Ids of the willing donors, where the source names several; at most one of them gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NonDirectedDonor:
    """A donor (``ndd``) who gives without a patient of their own and so may start a chain."""

    id: str
    blood_group: BloodGroup | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arc:
    """The donor's kidney could go to the recipient."""

    donor: str
    """Id of a pair or of a non-directed donor."""
    recipient: str
    """Id of a pair."""
    weight: float = 1.0
    """Value that the source gives this transplant; used by the policy ``greatest-arc-weight`` alone."""
    success_probability: float = 1.0
    """Probability that the planned transplant happens, in [0, 1]."""
    giver: str = ""
    """Which of the pair's donors would give, where it has several; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Everyone waiting at one match run. Checked on construction.

    Raises
    ------
    BadPool
        An id given twice, an arc from or to someone unknown, into a non-directed donor, from an incompatible pair
        to itself or given twice, a compatible pair without the arc to itself, a giver who is not among the pair's
        donors, a donor named twice, or a number out of its range.
    """

    pairs: tuple[Pair, ...]
    ndds: tuple[NonDirectedDonor, ...] = ()
    arcs: tuple[Arc, ...] = ()
    source: str
    """File or generator that the pool came from, for messages and manifests."""
    attributes: tuple[Attribute, ...] = ()
    """What the profiles' values mean; empty where no pair has a profile."""
    is_simulated: bool = False
    """Whether the people in it were drawn by a generator."""
    note: str = ""
    """What a reader of results must know about the pool, e.g. how it was simulated."""

    def __post_init__(self) -> None:
        complaints = [
            *(problem.text for problem in member_problems(self.pairs, self.ndds)),
            *(problem.text for problem in arc_problems(self.pairs, self.ndds, self.arcs)),
        ]
        if complaints:
            shown = complaints[:MOST_COMPLAINTS]
            if len(complaints) > len(shown):
                shown.append(f"and {len(complaints) - len(shown)} more")
            raise BadPool(f"{self.source}: " + "; ".join(shown))

    def pair(self, pair_id: str) -> Pair:
        """Return the pair with this id."""
        for pair in self.pairs:
            if pair.id == pair_id:
                return pair
        raise BadPool(f"{self.source}: no pair has the id '{pair_id}'")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolArrays:
    """A pool as numbers. Donors are counted pairs first, then non-directed donors; recipients are pairs."""

    pair_ids: tuple[str, ...]
    ndd_ids: tuple[str, ...]
    arc_exists: BoolArray
    """Shape (n_pairs + n_ndds, n_pairs): row gives to column."""
    arc_weight: FloatArray
    """Same shape; 0 where there is no arc."""
    success_probability: FloatArray
    """Same shape; 0 where there is no arc."""

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return len(self.pair_ids)

    @property
    def n_ndds(self) -> int:
        """Number of non-directed donors."""
        return len(self.ndd_ids)

    @property
    def pair_arcs(self) -> BoolArray:
        """Arcs between different pairs, shape (n_pairs, n_pairs)."""
        between: BoolArray = self.arc_exists[: self.n_pairs].copy()
        np.fill_diagonal(between, val=False)
        return between

    @property
    def compatible(self) -> IntArray:
        """Indices of the pairs whose donor could give to the own patient, ascending."""
        return np.flatnonzero(np.diagonal(self.arc_exists))

    @property
    def ndd_arcs(self) -> BoolArray:
        """Arcs from non-directed donors, shape (n_ndds, n_pairs)."""
        return self.arc_exists[self.n_pairs :]


def pool_arrays(pool: Pool) -> PoolArrays:
    """Return the pool's arcs as dense matrices, in the order of ``pool.pairs`` and ``pool.ndds``."""
    pair_ids = tuple(p.id for p in pool.pairs)
    ndd_ids = tuple(d.id for d in pool.ndds)
    index = {donor: i for i, donor in enumerate((*pair_ids, *ndd_ids))}
    donors = np.fromiter((index[a.donor] for a in pool.arcs), dtype=np.intp, count=len(pool.arcs))
    recipients = np.fromiter((index[a.recipient] for a in pool.arcs), dtype=np.intp, count=len(pool.arcs))
    shape = (len(index), len(pair_ids))
    exists = np.zeros(shape, dtype=np.bool_)
    exists[donors, recipients] = True
    weight = np.zeros(shape)
    weight[donors, recipients] = [a.weight for a in pool.arcs]
    success = np.zeros(shape)
    success[donors, recipients] = [a.success_probability for a in pool.arcs]
    return PoolArrays(
        pair_ids=pair_ids,
        ndd_ids=ndd_ids,
        arc_exists=exists,
        arc_weight=weight,
        success_probability=success,
    )
