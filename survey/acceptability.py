"""Acceptability: whether attributes that people named may decide who gets a kidney, and which matter most. Pure.

The second step of asking for attributes: respondents rate each of a list (acceptable, not acceptable, cannot say)
and then rank those that matter most to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Rating(StrEnum):
    """What a respondent says of one attribute. "Cannot say" is an answer, never missing data."""

    ACCEPTABLE = "acceptable"
    NOT_ACCEPTABLE = "not_acceptable"
    CANNOT_SAY = "cannot_say"


_RATINGS = frozenset(rating.value for rating in Rating)


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedAttribute:
    """An attribute to rate: in most studies a category that earlier participants' suggestions were coded into."""

    name: str
    label: str
    explanation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptability:
    """The part of a design that asks for ratings and a ranking."""

    question: str
    explanation: str = ""
    attributes: tuple[RatedAttribute, ...]
    acceptable: str
    """Words of the three answers."""
    not_acceptable: str
    cannot_say: str
    ranked: int = 0
    """How many attributes a respondent ranks at most, the most important first; 0: no ranking is asked."""
    ranking_question: str = ""
    ranking_explanation: str = ""

    def words(self, rating: Rating) -> str:
        """Return what a respondent reads for a rating."""
        return {
            Rating.ACCEPTABLE: self.acceptable,
            Rating.NOT_ACCEPTABLE: self.not_acceptable,
            Rating.CANNOT_SAY: self.cannot_say,
        }[rating]

    def attribute(self, name: str) -> RatedAttribute | None:
        """Return the attribute called ``name``, if it is rated."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)


class Unranked(StrEnum):
    """Why a ranking cannot be stored as it is."""

    SAME_PLACE = "same place"
    """Two attributes have the same place."""
    GAP = "gap"
    """A place is left out before one that is taken."""


def draw_order(asked: Acceptability, rng: np.random.Generator) -> tuple[str, ...]:
    """Draw the order in which a respondent reads the attributes (names), every order equally likely."""
    return tuple(asked.attributes[int(i)].name for i in rng.permutation(len(asked.attributes)))


def read_ratings(asked: Acceptability, sent: Mapping[str, str]) -> dict[str, Rating] | None:
    """Read a sent page: attribute name -> rating, those left out missing; None: it holds what was not offered."""
    ratings = {}
    for name, value in sent.items():
        if asked.attribute(name) is None or value not in _RATINGS:
            return None
        ratings[name] = Rating(value)
    return ratings


def read_ranking(asked: Acceptability, sent: Mapping[str, str]) -> Sequence[str] | Unranked | None:
    """Read a sent page of places: attribute name -> ``1``, ``2`` … or empty where it has none.

    Returns the names from the most important on (any number up to ``asked.ranked``, also none); why it cannot be
    stored; or None: it holds what was not offered.
    """
    offered = {str(place) for place in range(1, asked.ranked + 1)}
    taken: dict[int, str] = {}
    for name, value in sent.items():
        if asked.attribute(name) is None or value not in offered | {""}:
            return None
        if value and int(value) in taken:
            return Unranked.SAME_PLACE
        if value:
            taken[int(value)] = name
    if set(taken) != set(range(1, len(taken) + 1)):
        return Unranked.GAP
    return [taken[place] for place in sorted(taken)]
