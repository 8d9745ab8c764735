"""The groups of a run's patients whose outcomes are told apart. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from exchange.compatibility import BloodGroupClass, blood_group_class
from exchange.errors import BadRequest
from exchange.outcomes.outcome import EVERYBODY
from exchange.pool import BloodGroup
from exchange.simulation.record import RunRecord, Table
from survey.design import CategoricalAttribute, NumericAttribute, StudyDesign, plain_number

PROFILE = "profile"
BLOOD_GROUP_CLASS = "blood_group_class"
PATIENT_BLOOD_GROUP = "patient_blood_group"
CPRA_BAND = "cpra_band"
CROSSED = f"{BLOOD_GROUP_CLASS} x {PROFILE}"
OWN_GROUPINGS = (EVERYBODY, PROFILE, BLOOD_GROUP_CLASS, CROSSED, PATIENT_BLOOD_GROUP, CPRA_BAND)

MOST_PROFILES = 64
"""More profiles than these are not told apart: a group would have hardly any patients."""
MOST_CROSSED = 8
"""More profiles than these are not told apart within each class of blood groups."""
MOST_BANDS = 3
CPRA_EDGES = (0.2, 0.5, 0.8, 0.95)
CPRA_BANDS = ("under 0.2", "0.2 to 0.5", "0.5 to 0.8", "0.8 to 0.95", "0.95 and more")
"""Each holds its lower end, not its upper one."""

_ATTRIBUTE_PREFIX = "patient."

IntArray: TypeAlias = NDArray[np.intp]


class Grouping(Protocol):
    """A way to tell patients apart."""

    @property
    def name(self) -> str:
        """As in ``Outcome.grouping``."""

    @property
    def known(self) -> Sequence[str]:
        """Groups that are known before any patient is, in their order; others follow by name."""

    def split(self, patients: Table) -> tuple[Sequence[str], IntArray]:
        """Return groups, and for each patient the place of theirs. Groups may have no patients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Everybody:
    """All patients together."""

    name: str = EVERYBODY
    known: Sequence[str] = (EVERYBODY,)

    def split(self, patients: Table) -> tuple[Sequence[str], IntArray]:
        """Return the one group."""
        return self.known, np.zeros(len(patients["pair"]), dtype=np.intp)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByText:
    """Patients by what stands in a column."""

    name: str
    column: str
    known: Sequence[str] = ()

    def split(self, patients: Table) -> tuple[Sequence[str], IntArray]:
        """Return the known groups and those that occur."""
        index = {group: i for i, group in enumerate(self.known)}
        texts = [str(value) for value in _column(patients, self.column).tolist()]
        for group in sorted(set(texts) - set(index)):
            index[group] = len(index)
        return tuple(index), np.array([index[text] for text in texts], dtype=np.intp)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByBand:
    """Patients by the band that holds the number in a column."""

    name: str
    column: str
    known: Sequence[str]
    edges: tuple[float, ...]
    """Between one band and the next."""
    edge_is_below: bool
    """Whether an edge belongs to the band below it."""

    def split(self, patients: Table) -> tuple[Sequence[str], IntArray]:
        """Return all bands."""
        numbers = _column(patients, self.column).astype(np.float64)
        return self.known, np.digitize(numbers, self.edges, right=self.edge_is_below)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByBloodGroupClass:
    """Pairs by how easily they find an exchange, by blood groups alone."""

    name: str = BLOOD_GROUP_CLASS
    known: Sequence[str] = tuple(c.value for c in BloodGroupClass)

    def split(self, patients: Table) -> tuple[Sequence[str], IntArray]:
        """Return all four classes."""
        table = {
            (p.value, d.value): self.known.index(blood_group_class(p, d).value)
            for p in BloodGroup
            for d in BloodGroup
        }
        groups = (_column(patients, f"{who}_blood_group").tolist() for who in ("patient", "donor"))
        return self.known, np.array([table[both] for both in zip(*groups, strict=True)], dtype=np.intp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """Patients by two groupings at once."""

    one: Grouping
    other: Grouping

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.one.name} x {self.other.name}"

    @property
    def known(self) -> Sequence[str]:
        """All combinations of known groups."""
        return tuple(f"{one} x {other}" for one in self.one.known for other in self.other.known)

    def split(self, patients: Table) -> tuple[Sequence[str], IntArray]:
        """Return all combinations of groups."""
        ones, place = self.one.split(patients)
        others, place_in_other = self.other.split(patients)
        names = tuple(f"{one} x {other}" for one in ones for other in others)
        return names, (place * len(others) + place_in_other).astype(np.intp)


def groupings(first: RunRecord, design: StudyDesign | None = None) -> tuple[Grouping, ...]:
    """Return the groupings that fit all runs of an experiment.

    Levels and profiles come in the order of the study. A numeric attribute has at most three bands: with a study,
    thirds of the values that it can draw, so that experiments of one study have the same bands; without one,
    terciles of the first run's patients. Profiles are not told apart where the study cannot list them, or where
    they are more than :data:`MOST_PROFILES`.

    Parameters
    ----------
    first
        Any run of the experiment.
    design
        The study that the profiles belong to.

    Raises
    ------
    BadRequest
        The run's patients do not have the study's attributes.
    """
    found: list[Grouping] = [Everybody()]
    if design is None:
        if len(set(first.patients[PROFILE].tolist())) <= MOST_PROFILES:
            found.append(ByText(name=PROFILE, column=PROFILE))
    else:
        profiles = design.profiles()
        if profiles is not None and len(profiles) <= MOST_PROFILES:
            found.append(ByText(name=PROFILE, column=PROFILE, known=tuple(p.id for p in profiles)))
    by_class = ByBloodGroupClass()
    few = [g for g in found[1:] if len(g.known or set(first.patients[PROFILE].tolist())) <= MOST_CROSSED]
    crossed = tuple(Crossed(one=by_class, other=by_profile) for by_profile in few)
    found += attribute_groupings(first, design)
    groups = tuple(group.value for group in BloodGroup)
    return (
        *found,
        by_class,
        *crossed,
        ByText(name=PATIENT_BLOOD_GROUP, column=PATIENT_BLOOD_GROUP, known=groups),
        ByBand(name=CPRA_BAND, column="cpra", known=CPRA_BANDS, edges=CPRA_EDGES, edge_is_below=False),
    )


def attribute_groupings(first: RunRecord, design: StudyDesign | None = None) -> tuple[Grouping, ...]:
    """Return those of :func:`groupings` that tell levels of an attribute apart."""
    if design is not None:
        for attribute in design.attributes:
            _column(first.patients, _ATTRIBUTE_PREFIX + attribute.name)
        return tuple(_of_attribute(attribute) for attribute in design.attributes)
    columns = [column for column in first.patients if column.startswith(_ATTRIBUTE_PREFIX)]
    return tuple(_of_column(column, first.patients[column]) for column in columns)


def group_order(grouping: Grouping, groups: Sequence[str]) -> list[str]:
    """Return groups in their order: the known ones, then others by name."""
    known = {group: i for i, group in enumerate(grouping.known)}
    return sorted(set(groups), key=lambda group: (known.get(group, len(known)), group))


def _column(patients: Table, name: str) -> NDArray[np.generic]:
    if name not in patients:
        raise BadRequest(
            f"the simulated patients have no column '{name}'; they have {', '.join(patients)}. "
            "Give the study that they were simulated with"
        )
    return patients[name]


def _grouping_name(attribute: str) -> str:
    return _ATTRIBUTE_PREFIX + attribute if attribute in OWN_GROUPINGS else attribute


def _of_attribute(attribute: CategoricalAttribute | NumericAttribute) -> Grouping:
    name, column = _grouping_name(attribute.name), _ATTRIBUTE_PREFIX + attribute.name
    if isinstance(attribute, CategoricalAttribute):
        return ByText(name=name, column=column, known=attribute.level_names)
    n = attribute.value_count
    if attribute.points and n <= MOST_BANDS:
        points = sorted(attribute.points)
        labels = tuple(str(plain_number(point)) for point in points)
        return ByBand(name=name, column=column, known=labels, edges=tuple(points[:-1]), edge_is_below=True)
    places = sorted({ceil(n * k / MOST_BANDS) - 1 for k in range(1, MOST_BANDS)} - {n - 1})
    if attribute.points:
        return _bands(name, column, [sorted(attribute.points)[i] for i in places])
    return _bands(name, column, [attribute.minimum + i * attribute.step for i in places])


def _of_column(column: str, values: NDArray[np.generic]) -> Grouping:
    name = _grouping_name(column.removeprefix(_ATTRIBUTE_PREFIX))
    if not np.issubdtype(values.dtype, np.number):
        return ByText(name=name, column=column)
    numbers = values.astype(np.float64)
    distinct = np.unique(numbers)
    if len(distinct) <= MOST_BANDS:
        return _bands(name, column, distinct[:-1].tolist())
    shares = np.arange(1, MOST_BANDS) / MOST_BANDS
    edges = set(np.quantile(numbers, shares, method="inverted_cdf").tolist())
    return _bands(name, column, sorted(edges - {float(distinct[-1])}))


def _bands(name: str, column: str, edges: Sequence[float]) -> ByBand:
    ends = [str(plain_number(edge)) for edge in edges]
    between = [f"over {low} to {high}" for low, high in pairwise(ends)]
    labels = [f"at most {ends[0]}", *between, f"over {ends[-1]}"] if ends else ["any"]
    return ByBand(name=name, column=column, known=tuple(labels), edges=tuple(edges), edge_is_below=True)


def rows_of_groups(groups: Sequence[str], codes: IntArray) -> Mapping[str, IntArray]:
    """Return the places of each group's patients, of groups that have some."""
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(groups)))
    starts = [0, *ends.tolist()]
    return {
        group: order[starts[i] : end]
        for i, (group, end) in enumerate(zip(groups, ends, strict=True))
        if end > starts[i]
    }
