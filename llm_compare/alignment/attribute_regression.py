"""Least squares of choices on differences of attributes, of many draws of the same answers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.effects import Term, attribute_terms, term_matrix
from llm_compare.alignment.choices import FIRST, SECOND, Array, Pairing
from llm_compare.alignment.resampling import Weighted
from llm_compare.alignment.tallies import profiles_of
from survey.design import Attribute, CategoricalAttribute

NO_VARIATION = 1e-12
"""Effects that vary by less than this do not vary: what is left is rounding."""
# Directions in which comparisons vary by less than this share of the most are rounding.
_NO_DIRECTION = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Regression:
    """What does not change between draws of people and comparisons."""

    attributes: tuple[Attribute, ...]
    terms: tuple[Term, ...]
    span: Array
    """By how much a term's value differs in the contrast that its effect is stated for, shape (n_terms,)."""
    told: NDArray[np.bool_]
    """Whether the comparisons tell a term's effect."""
    basis: Array
    """From coordinates that the comparisons tell to terms, shape (n_terms, rank)."""
    rows: Array
    """Differences of the profiles in these coordinates, shape (n_comparisons, rank)."""
    squares: Array
    """Outer products of the rows, shape (n_comparisons, rank * rank)."""
    metric: Array
    """From effects that are told to a vector whose length does not depend on reference levels."""
    people_answers: Array
    """Answers of people to each comparison."""
    model_answers: Array

    @classmethod
    def of(cls, pairing: Pairing) -> Regression:
        """Prepare the regression of a pairing."""
        terms = attribute_terms(pairing.attributes)
        profiles, first, second = profiles_of(pairing.comparisons)
        values = term_matrix(terms, profiles)
        differences = values[first] - values[second]
        span = np.array([_span(t, d) for t, d in zip(terms, differences.T, strict=True)])
        scaled = differences / np.where(span == 0, 1.0, span)
        _, singular, axes = np.linalg.svd(np.linalg.qr(scaled, mode="r"), full_matrices=True)
        rank = int((singular > _NO_DIRECTION * max(1.0, singular.max(initial=0.0))).sum())
        told = np.abs(axes[rank:]).max(axis=0, initial=0.0) < 1e-6
        rows = scaled @ axes[:rank].T
        return cls(
            attributes=pairing.attributes,
            terms=terms,
            span=span,
            told=told,
            basis=axes[:rank].T,
            rows=rows,
            squares=(rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1),
            metric=_metric(pairing.attributes, terms, told),
            people_answers=pairing.people.counts.sum(axis=1),
            model_answers=pairing.model.counts.sum(axis=1),
        )

    def effects(self, weighted: Weighted) -> tuple[Array, Array]:
        """Return people's and the model's effects by term, NaN where they are not told."""
        return (
            self._one_side(weighted.people_counts, self.people_answers, weighted.comparison),
            self._one_side(weighted.model_counts, self.model_answers, weighted.comparison),
        )

    def _one_side(self, counts: Array, answers: Array, comparison: Array) -> Array:
        # Each answer weighs one over the answers to its comparison, times how often it was drawn. To divide by the
        # answers drawn instead would hide that people differ where each comparison was answered by one person.
        weight = comparison / np.maximum(answers, 1.0)
        rank = self.rows.shape[1]
        normal = ((weight * counts.sum(axis=1)) @ self.squares).reshape(rank, rank)
        found = np.full(len(self.terms), np.nan)
        if not rank or np.linalg.eigvalsh(normal)[0] <= _NO_DIRECTION * max(float(np.trace(normal)), 1e-300):
            return found
        right = self.rows.T @ (weight * (counts[:, FIRST] - counts[:, SECOND]))
        found[self.told] = (self.basis @ np.linalg.solve(normal, right))[self.told]
        return found


def _span(term: Term, differences: Array) -> float:
    """Return 1 for a level, for a number the mean difference of the profiles that differ in it."""
    if term.factors[0].kind == "level":
        return 1.0
    apart = np.abs(differences[differences != 0])
    return float(apart.mean()) if len(apart) else 0.0


def _metric(attributes: Sequence[Attribute], terms: Sequence[Term], told: NDArray[np.bool_]) -> Array:
    """Return a matrix that makes effects a vector whose length counts; attributes not told are left out."""
    blocks = []
    for attribute in attributes:
        own = np.array([t.attribute == attribute.name for t in terms])
        if not told[own].all():
            continue
        if isinstance(attribute, CategoricalAttribute):
            levels = np.vstack([np.zeros(own.sum()), np.eye(int(own.sum()))])
            block = np.sqrt(2) * (levels - levels.mean(axis=0))
        else:
            block = np.eye(1)
        rows = np.zeros((len(block), len(terms)))
        rows[:, own] = block
        blocks.append(rows)
    return np.vstack(blocks) if blocks else np.zeros((0, len(terms)))


def placed(fitting: Regression, found: Array) -> Array:
    """Return effects as the vector that is measured; unknown ones do not enter."""
    if not len(fitting.metric):
        return np.full(1, np.nan)
    used = np.abs(fitting.metric).max(axis=0) > 0
    return np.asarray(fitting.metric[:, used] @ found[used])


def distance(one: Array, other: Array) -> float:
    """Return the Euclidean distance."""
    return float(np.linalg.norm(one - other))


def cosine(one: Array, other: Array) -> float:
    """Return the cosine of the angle, NaN where one has no length."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths > NO_VARIATION else float("nan")
