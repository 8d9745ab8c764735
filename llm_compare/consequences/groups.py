"""The groups of patients among whom gains and losses are told apart, and what they are called. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from exchange.compatibility import BloodGroupClass, blood_group_class
from exchange.outcomes.groups import CPRA_BANDS, CPRA_EDGES
from exchange.pool import Pair, Pool
from survey.design import Attribute, CategoricalAttribute, Value, plain_number

MOST_LEVELS = 6
"""A numeric attribute with more values than this is shown in three bands of as many values each."""


class GroupKind(StrEnum):
    """What a group's patients have in common."""

    EVERYBODY = "everybody"
    ATTRIBUTE = "attribute"
    """A level or band of an attribute."""
    PROFILE = "profile"
    BLOOD_GROUP_CLASS = "blood-group class"
    CPRA_BAND = "cPRA band"


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientGroup:
    """Patients of a pool who have something in common."""

    kind: GroupKind
    attribute: str
    """Name of the attribute; of another kind, what the kind is called."""
    group: str
    """Level in the study's words, band, or class."""
    words: str
    """As a sentence names these patients."""
    members: frozenset[str]
    """Ids of their pairs."""


def pool_groups(pool: Pool, values: Mapping[str, Sequence[float]] | None = None) -> tuple[PatientGroup, ...]:
    """Return everybody, then the pool's patients by level or band of each attribute, blood-group class and cPRA.

    Pairs of which an attribute, a blood group or the cPRA is unknown are in no group of that kind.

    Parameters
    ----------
    values
        By numeric attribute, the values whose bands are told apart, so that several pools have the same bands; None
        for those that the pool's own patients have. Groups without patients are left out if None.
    """
    found = [
        PatientGroup(
            kind=GroupKind.EVERYBODY,
            attribute=GroupKind.EVERYBODY.value,
            group="all",
            words="patients",
            members=frozenset(pair.id for pair in pool.pairs),
        )
    ]
    for attribute in pool.attributes:
        known = None if values is None else values.get(attribute.name, ())
        for group, members in _by_attribute(attribute, pool.pairs, known).items():
            found.append(
                PatientGroup(
                    kind=GroupKind.ATTRIBUTE,
                    attribute=attribute.name,
                    group=group,
                    words=attribute_words(attribute, group),
                    members=members,
                )
            )
    classes = {c.value: set[str]() for c in BloodGroupClass}
    bands = {band: set[str]() for band in CPRA_BANDS}
    for pair in pool.pairs:
        if pair.patient_blood_group is not None and pair.donor_blood_group is not None:
            classes[blood_group_class(pair.patient_blood_group, pair.donor_blood_group).value].add(pair.id)
        if pair.cpra is not None:
            bands[CPRA_BANDS[sum(pair.cpra >= edge for edge in CPRA_EDGES)]].add(pair.id)
    for kind, of_kind in ((GroupKind.BLOOD_GROUP_CLASS, classes), (GroupKind.CPRA_BAND, bands)):
        found += [
            PatientGroup(
                kind=kind,
                attribute=kind.value,
                group=group,
                words=other_words(kind, group),
                members=frozenset(ids),
            )
            for group, ids in of_kind.items()
        ]
    return tuple(group for group in found if group.members or values is not None)


def attribute_words(attribute: Attribute, group: str) -> str:
    """Return how a sentence names the patients with a level (in the study's words) or band of an attribute."""
    return f'patients whose "{attribute.label}" is "{group}"'


def other_words(kind: GroupKind, group: str) -> str:
    """Return how a sentence names the patients of a group that is no level of an attribute."""
    if kind is GroupKind.BLOOD_GROUP_CLASS:
        return f"patients of {group} pairs"
    if kind is GroupKind.CPRA_BAND:
        return f"patients with a cPRA of {group}"
    return f'patients with the profile "{group}"' if kind is GroupKind.PROFILE else "patients"


def _by_attribute(
    attribute: Attribute, pairs: Sequence[Pair], known: Sequence[float] | None
) -> dict[str, frozenset[str]]:
    values = {p.id: p.profile[attribute.name] for p in pairs if p.profile is not None}
    if isinstance(attribute, CategoricalAttribute):
        labels: dict[Value, str] = {level.name: level.words for level in attribute.levels}
    else:
        labels = numeric_groups(sorted({float(v) for v in values.values()} if known is None else known))
    groups: dict[str, set[str]] = {label: set() for label in labels.values()}
    for pair_id, value in values.items():
        groups[labels[value if isinstance(value, str) else float(value)]].add(pair_id)
    return {label: frozenset(ids) for label, ids in groups.items() if ids or known is not None}


def numeric_groups(values: Sequence[float]) -> dict[Value, str]:
    """Return the group of each value: itself, or where they are many one of three bands; ``values`` ascending."""
    if len(values) <= MOST_LEVELS:
        return {v: f"{plain_number(v)}" for v in values}
    bands = [values[i * len(values) // 3 : (i + 1) * len(values) // 3] for i in range(3)]
    return {v: f"{plain_number(band[0])} to {plain_number(band[-1])}" for band in bands for v in band}
