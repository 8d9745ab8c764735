"""Choices as the counts that estimators read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from estimation.dataset import ChoiceData, Clustering, tally
from estimation.errors import EstimationError
from llm_compare.alignment.choices import INDECISION, Choices, Indices
from survey.design import Attribute, CategoricalAttribute, Comparison, Profile


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tally:
    """Counts of one or more sides, each a group, and where each answer went."""

    data: ChoiceData
    cells: tuple[Indices, ...]
    """Of each side, the cell of every answer."""
    mirrored: tuple[NDArray[np.bool_], ...]
    """Of each side, whether an answer's first profile is the cell's right one."""


def tallied(
    attributes: Sequence[Attribute],
    sides: Sequence[Choices],
    *,
    cluster: Sequence[Clustering],
    as_shown: bool = True,
) -> Tally:
    """Count the answers of sides that share their comparisons. Indecisions are counted as such.

    Parameters
    ----------
    attributes
        Those by which a model may explain the choices.
    cluster
        Of each side, whether its answers belong together by respondent or by comparison.
    as_shown
        Whether left and right are those shown; otherwise a comparison's first profile counts as the left one.

    Raises
    ------
    EstimationError
        An indecision was not on offer, or there are no answers.
    """
    for side in sides:
        impossible = int(((side.choice[:, INDECISION] > 0) & ~side.offered).sum())
        if impossible:
            raise EstimationError(
                f"{impossible} answers of {side.label} are indecision although it was not on offer; leave them out"
            )
        if not side.n_answers:
            raise EstimationError(f"{side.label} gave no answer to these comparisons")
    profiles, first, second = profiles_of(sides[0].comparisons)
    columns: dict[str, list[NDArray[np.generic]]] = {
        name: [] for name in ("left", "right", "choice", "offered", "group", "cluster", "times")
    }
    keys, mirrored = [], []
    n, n_clusters = len(profiles), 0
    for number, side in enumerate(sides):
        turned = ~side.first_left & as_shown
        left = np.where(turned, second[side.comparison], first[side.comparison])
        right = np.where(turned, first[side.comparison], second[side.comparison])
        keys.append(((number * n + left) * n + right) * 2 + side.offered)
        mirrored.append(turned)
        row, column = np.nonzero(side.choice)
        by_respondent = cluster[number] is Clustering.RESPONDENT
        own = side.respondent if by_respondent else side.comparison
        columns["left"].append(left[row])
        columns["right"].append(right[row])
        columns["choice"].append(
            np.where(turned[row] & (column != INDECISION), 1 - column, column).astype(np.intp)
        )
        columns["offered"].append(side.offered[row])
        columns["group"].append(np.full(len(row), number))
        columns["cluster"].append(np.unique(own, return_inverse=True)[1][row] + n_clusters)
        columns["times"].append(side.choice[row, column])
        n_clusters += len(np.unique(own))
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    data = tally(
        attributes=tuple(attributes),
        profiles=profiles,
        left=joined["left"],
        right=joined["right"],
        choice=joined["choice"],
        offered=joined["offered"],
        group=joined["group"],
        groups=tuple(side.label for side in sides),
        cluster=joined["cluster"],
        clustering=cluster[0],
        times=joined["times"],
    )
    known = ((data.group * n + data.left) * n + data.right) * 2 + data.offered
    cells = tuple(np.searchsorted(known, key) for key in keys)
    return Tally(data=data, cells=cells, mirrored=tuple(mirrored))


def profiles_of(comparisons: Sequence[Comparison]) -> tuple[tuple[Profile, ...], Indices, Indices]:
    """Return the distinct profiles, and the number of each comparison's first and second among them."""
    number: dict[Profile, int] = {}
    ends = [number.setdefault(p, len(number)) for p in chain(*((c.first, c.second) for c in comparisons))]
    both = np.array(ends, dtype=np.intp).reshape(-1, 2)
    return tuple(number), both[:, 0], both[:, 1]


def varied_attributes(
    attributes: Sequence[Attribute], comparisons: Sequence[Comparison]
) -> tuple[tuple[Attribute, ...], dict[str, str]]:
    """Return the attributes in which some compared profiles differ, and why each other one is left out."""
    varied, left_out = [], {}
    for attribute in attributes:
        if any(c.first[attribute.name] != c.second[attribute.name] for c in comparisons):
            varied.append(_with_levels_seen(attribute, comparisons))
        else:
            left_out[attribute.name] = "no comparison is of two patients who differ in it"
    return tuple(varied), left_out


def _with_levels_seen(attribute: Attribute, comparisons: Sequence[Comparison]) -> Attribute:
    if not isinstance(attribute, CategoricalAttribute):
        return attribute
    seen = {p[attribute.name] for c in comparisons for p in (c.first, c.second)}
    return CategoricalAttribute(
        name=attribute.name,
        label=attribute.label,
        levels=tuple(level for level in attribute.levels if level.name in seen),
        favoured=attribute.favoured if attribute.favoured in seen else None,
    )
