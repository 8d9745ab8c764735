"""What a pool lost on its way through a file, in words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from exchange.pool import NonDirectedDonor, Pair, Pool

_Row = TypeVar("_Row")


def losses(before: Pool, after: Pool) -> tuple[str, ...]:
    """Return what ``after``, written from ``before`` and read again, no longer holds.

    Members are in the same order in both.

    Raises
    ------
    ValueError
        The numbers of members differ: no format leaves anybody out, so the file is not that of the pool.
    """
    if (len(before.pairs), len(before.ndds)) != (len(after.pairs), len(after.ndds)):
        raise ValueError(f"{after.source} does not hold the members of {before.source}")
    return tuple(_losses(before, after))


def _losses(before: Pool, after: Pool) -> Iterator[str]:
    old_ids = [*(p.id for p in before.pairs), *(d.id for d in before.ndds)]
    new_ids = [*(p.id for p in after.pairs), *(d.id for d in after.ndds)]
    changed = [(old, new) for old, new in zip(old_ids, new_ids, strict=True) if old != new]
    if changed:
        yield f"ids: members are numbered instead, e.g. {changed[0][0]} becomes {changed[0][1]}"
    pair_facts: dict[str, Callable[[Pair], object]] = {
        "blood groups of patients": lambda p: p.patient_blood_group,
        "blood groups of donors": lambda p: p.donor_blood_group,
        "cPRA": lambda p: p.cpra,
        "the mark that a pair is compatible, with the arc to itself": lambda p: p.is_compatible,
        "the names of several donors": lambda p: p.donors,
        "profiles": lambda p: p.profile,
        "names of profiles": lambda p: p.profile is not None and p.profile.name,
    }
    for fact, of_pair in pair_facts.items():
        if (
            fact == "names of profiles"
            and any(p.profile for p in before.pairs)
            and not any(p.profile for p in after.pairs)
        ):
            continue  # Said already.
        yield from _difference(fact, before.pairs, after.pairs, of_pair, "pair(s)")
    yield from _difference(
        "blood groups of non-directed donors", before.ndds, after.ndds, _group_of, "non-directed donor(s)"
    )
    yield from _arc_losses(before, after, dict(zip(old_ids, new_ids, strict=True)))
    if before.attributes != after.attributes and any(p.profile for p in after.pairs):
        yield "what the attributes mean (labels, levels, ranges, units): read with the study's design"
    if before.is_simulated != after.is_simulated:
        yield "that the people in it are simulated"
    if before.note and before.note != after.note:
        yield "the note for readers of results"
    if before.source != after.source:
        yield f"where the pool came from ({before.source})"


def _arc_losses(before: Pool, after: Pool, new_id: dict[str, str]) -> Iterator[str]:
    ends = [(new_id[arc.donor], new_id[arc.recipient]) for arc in before.arcs]
    kept = {(arc.donor, arc.recipient): arc for arc in after.arcs}
    old = [arc for arc, key in zip(before.arcs, ends, strict=True) if key in kept]
    new = [kept[key] for key in ends if key in kept]
    # A pair's arc to itself goes with the mark, which is said already.
    n_absent = sum(donor != recipient for donor, recipient in ends if (donor, recipient) not in kept)
    if n_absent:
        yield f"arcs: {n_absent} of {len(before.arcs)}"
    yield from _difference("weights", old, new, lambda a: a.weight, "arc(s)")
    yield from _difference("success probabilities", old, new, lambda a: a.success_probability, "arc(s)")
    yield from _difference("which of a pair's donors gives", old, new, lambda a: a.giver, "arc(s)")


def _difference(
    fact: str, before: Sequence[_Row], after: Sequence[_Row], of: Callable[[_Row], object], rows: str
) -> Iterator[str]:
    n = sum(of(old) != of(new) for old, new in zip(before, after, strict=True))
    if n:
        yield f"{fact}: of {n} {rows}"


def _group_of(ndd: NonDirectedDonor) -> object:
    return ndd.blood_group
