"""What contradicts itself among the members and arcs of a pool, row by row. Pure.

A pool refuses to be made of such rows; a reader of pool files says on which line they stand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from exchange.pool import Arc, NonDirectedDonor, Pair


class Part(StrEnum):
    """Which list of a pool a row belongs to."""

    PAIRS = "pairs"
    NDDS = "ndds"
    ARCS = "arcs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A row that cannot stand as it is."""

    part: Part
    index: int
    """Which row of that list, from 0."""
    text: str
    first: int | None = None
    """The earlier arc that this one repeats."""
    is_mark: bool = False
    """Only the mark that the pair is compatible cannot stand."""


def member_problems(pairs: Sequence[Pair], ndds: Sequence[NonDirectedDonor]) -> Iterator[Problem]:
    """Yield what is wrong with pairs and non-directed donors, whatever the arcs."""
    seen: set[str] = set()
    members = [
        *((Part.PAIRS, i, pair.id) for i, pair in enumerate(pairs)),
        *((Part.NDDS, i, ndd.id) for i, ndd in enumerate(ndds)),
    ]
    for part, i, member_id in members:
        if not member_id:
            yield Problem(part=part, index=i, text="a pair or non-directed donor has an empty id")
        elif member_id in seen:
            yield Problem(part=part, index=i, text=f"the id '{member_id}' is given twice")
        seen.add(member_id)
    for i, pair in enumerate(pairs):
        if pair.cpra is not None and not 0 <= pair.cpra <= 1:
            text = f"pair '{pair.id}' has cPRA {pair.cpra:g}; give a fraction between 0 and 1"
            yield Problem(part=Part.PAIRS, index=i, text=text)
        if len(set(pair.donors)) < len(pair.donors) or "" in pair.donors:
            text = f"pair '{pair.id}' names a donor twice, or one without an id"
            yield Problem(part=Part.PAIRS, index=i, text=text)


def arc_problems(
    pairs: Sequence[Pair], ndds: Sequence[NonDirectedDonor], arcs: Sequence[Arc]
) -> Iterator[Problem]:
    """Yield what is wrong with the arcs between members, themselves taken to be sound."""
    if _arcs_are_sound(pairs, ndds, arcs):
        return
    of_pair = {pair.id: pair for pair in pairs}
    ndd_ids = {ndd.id for ndd in ndds}
    seen: dict[tuple[str, str], int] = {}
    for i, arc in enumerate(arcs):
        for text in number_texts(arc):
            yield Problem(part=Part.ARCS, index=i, text=text)
        first = seen.setdefault((arc.donor, arc.recipient), i)
        ends = _ends_text(arc, of_pair, ndd_ids)
        if ends is not None:
            yield Problem(part=Part.ARCS, index=i, text=ends)
        elif first != i:
            text = f"arc {arc.donor} -> {arc.recipient} is given twice"
            yield Problem(part=Part.ARCS, index=i, text=text, first=first)
    for i, pair in enumerate(pairs):
        if pair.is_compatible and (pair.id, pair.id) not in seen:
            text = f"pair '{pair.id}' is called compatible, but has no arc to itself"
            yield Problem(part=Part.PAIRS, index=i, text=text, is_mark=True)


def number_texts(arc: Arc) -> Iterator[str]:
    """Yield what is wrong with an arc's numbers, whoever its ends are."""
    if not isfinite(arc.weight) or arc.weight < 0:
        yield f"arc {arc.donor} -> {arc.recipient} has weight {arc.weight:g}; give a number of at least 0"
    if not 0 <= arc.success_probability <= 1:
        yield (
            f"arc {arc.donor} -> {arc.recipient} has success probability {arc.success_probability:g}; "
            "give a fraction between 0 and 1"
        )


def _ends_text(arc: Arc, of_pair: dict[str, Pair], ndd_ids: Collection[str]) -> str | None:
    """Return what is wrong with the arc's ends and its giver, or None."""
    name = f"arc {arc.donor} -> {arc.recipient}"
    if arc.donor == arc.recipient and arc.donor in of_pair and not of_pair[arc.donor].is_compatible:
        return f"{name} leads from a pair to itself, which is not called compatible"
    if arc.recipient in ndd_ids:
        return f"{name} leads to a non-directed donor, who needs no kidney"
    if arc.recipient not in of_pair:
        return f"{name}: nobody has the id '{arc.recipient}'"
    if arc.donor not in of_pair and arc.donor not in ndd_ids:
        return f"{name}: nobody has the id '{arc.donor}'"
    if arc.giver and (arc.donor not in of_pair or arc.giver not in of_pair[arc.donor].donors):
        return f"{name} names the giver '{arc.giver}', who is not among the donors of '{arc.donor}'"
    return None


def _arcs_are_sound(pairs: Sequence[Pair], ndds: Sequence[NonDirectedDonor], arcs: Sequence[Arc]) -> bool:
    """Return whether nothing is wrong, by whole columns: several times as fast as asking arc by arc.

    False also where only the plain way can tell.
    """
    pair_index = {pair.id: i for i, pair in enumerate(pairs)}
    index = {**pair_index, **{ndd.id: len(pairs) + i for i, ndd in enumerate(ndds)}}
    if len(index) < len(pairs) + len(ndds):
        return False
    n = len(arcs)
    try:
        donors = np.fromiter([index[arc.donor] for arc in arcs], dtype=np.int64, count=n)
        recipients = np.fromiter([pair_index[arc.recipient] for arc in arcs], dtype=np.int64, count=n)
    except KeyError:
        return False
    weights = np.fromiter([arc.weight for arc in arcs], dtype=np.float64, count=n)
    successes = np.fromiter([arc.success_probability for arc in arcs], dtype=np.float64, count=n)
    if not (np.all(np.isfinite(weights)) and np.all(weights >= 0)):
        return False
    if not np.all((successes >= 0) & (successes <= 1)) or any(arc.giver for arc in arcs):
        return False
    # One place per possible arc, as in the pool's matrices: an arc given twice fills one.
    is_given = np.zeros((len(index), len(pairs)), dtype=np.bool_)
    is_given[donors, recipients] = True
    if np.count_nonzero(is_given) != n:
        return False
    return bool(np.array_equal(np.diagonal(is_given), [pair.is_compatible for pair in pairs]))
