"""Answers by respondent, for models in which every respondent has parameters of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from estimation.assembly import Assembled
from estimation.dataset import INDECISION, ChoiceData, Clustering
from estimation.errors import EstimationError
from estimation.indecision.rule import Evaluated, Rule
from estimation.specification import Specification

Array = NDArray[np.float64]

# Predictors evaluated at once: small enough to stay in a processor's cache, large enough for numpy.
_MOST_AT_ONCE = 200_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """Respondents with about the same number of cells, side by side; missing cells have no counts."""

    people: NDArray[np.intp]
    """Their numbers, shape (n_people,)."""
    design: Array
    """Predictors by parameter, shape (n_people, n_cells, n_predictors, n_parameters)."""
    counts: Array
    """Left, right, indecision, shape (n_people, n_cells, 3)."""
    offered: NDArray[np.bool_]
    """Shape (n_people, n_cells)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """All respondents' answers under one rule."""

    rule: Rule
    names: tuple[str, ...]
    """Of the respondents."""
    blocks: tuple[Block, ...]
    n_parameters: int

    @property
    def n_people(self) -> int:
        """Respondents with an answer that the model uses."""
        return len(self.names)

    def scaled(self, scale: Array) -> Panel:
        """Return the same answers with parameters ``scale`` times as large, shape (n_parameters,)."""
        return replace(self, blocks=tuple(replace(b, design=b.design / scale) for b in self.blocks))

    def log_likelihoods(self, values: Array) -> Array:
        """Return each respondent's log-likelihood at several parameters of their own.

        Parameters
        ----------
        values
            Shape (n_people, n_tries, n_parameters).

        Returns
        -------
        Array
            Shape (n_people, n_tries); minus infinity where the rule makes an answer impossible.
        """
        out = np.empty(values.shape[:2])
        for block in self.blocks:
            for tries in _slices(block, values.shape[1]):
                out[block.people, tries] = _log_likelihood(
                    _evaluate(self.rule, block, values[block.people, tries]), block.counts
                )
        return out

    def derivatives(
        self, values: Array, columns: NDArray[np.intp] | None = None
    ) -> tuple[Array, Array, Array]:
        """Return log-likelihoods, scores and informations by respondent and try.

        Parameters
        ----------
        values
            Shape (n_people, n_tries, n_parameters).
        columns
            Numbers of the parameters to differentiate by; None for all.

        Returns
        -------
        log_likelihood, score, information
            Shapes (n_people, n_tries), (..., n_columns) and (..., n_columns, n_columns); the information is
            minus the second derivative.
        """
        n_people, n_tries, _ = values.shape
        chosen = np.arange(self.n_parameters) if columns is None else columns
        n = len(chosen)
        log_likelihood = np.empty((n_people, n_tries))
        score = np.empty((n_people, n_tries, n))
        information = np.empty((n_people, n_tries, n, n))
        for block in self.blocks:
            b, n_cells, m, _ = block.design.shape
            design = block.design[..., chosen]
            flat = design.reshape(b, 1, n_cells * m, n)
            counts = block.counts.reshape(b * n_cells, 3)
            for tries in _slices(block, n_tries):
                at = _evaluate(self.rule, block, values[block.people, tries])
                r = at.log_p.shape[0]
                log_likelihood[block.people, tries] = _log_likelihood(at, block.counts)
                pull = np.einsum("cj,rcjm->rcm", counts, at.first)
                pull = pull.reshape(r, b, n_cells * m).transpose(1, 0, 2)
                score[block.people, tries] = np.matmul(pull, flat[:, 0])
                bend = -np.einsum("cj,rcjmo->rcmo", counts, at.second)
                bent = np.einsum("rbcmo,bcok->brcmk", bend.reshape(r, b, n_cells, m, m), design)
                bent = bent.reshape(b, r, n_cells * m, n)
                information[block.people, tries] = np.matmul(flat.transpose(0, 1, 3, 2), bent)
        return log_likelihood, score, information


def panel_of(data: ChoiceData, spec: Specification, assembled: Assembled) -> Panel:
    """Return the answers of an assembled model by respondent.

    Raises
    ------
    EstimationError
        The answers do not name their respondents, or come from fewer than two.
    """
    cells = assembled.cells
    if data.by_cluster is None or cells.by_cluster is None or data.clustering is not Clustering.RESPONDENT:
        raise EstimationError(
            "how respondents differ can only be estimated from answers that name their respondents, two or more of "
            "them; give each answer its respondent, or fit one model for all"
        )
    given = np.asarray(data.by_cluster.sum(axis=0)).ravel() > 0
    if not (spec.uses_indecision or spec.half_wins):
        given[INDECISION::3] = False
    used = np.flatnonzero(np.asarray(data.by_cluster[:, given].sum(axis=1)).ravel() > 0)
    names = (
        tuple(data.cluster_names[i] for i in used) if data.cluster_names else tuple(str(i + 1) for i in used)
    )
    if len(names) < 2:
        raise EstimationError(
            "how respondents differ cannot be estimated from one respondent; fit one model for all answers"
        )
    table = sparse.csr_array(cells.by_cluster)
    table.sum_duplicates()
    row, column = sparse.coo_array(table).coords
    n_observed = cells.n_observed
    key, place = np.unique(row.astype(np.intp) * n_observed + column // 3, return_inverse=True)
    counts = np.zeros((len(key), 3))
    np.add.at(counts, (place, column % 3), table.data)
    person, cell = key // n_observed, key % n_observed
    m, n = cells.rule.n_predictors, cells.n_parameters
    n_cells = np.bincount(person, minlength=len(names))
    first = np.cumsum(n_cells) - n_cells
    blocks = []
    # Respondents with the most cells first, so that those side by side have about as many.
    order = np.argsort(-n_cells, kind="stable")
    while len(order):
        longest = int(n_cells[order[0]])
        size = max(1, _MOST_AT_ONCE // (16 * longest))
        people, order = order[:size], order[size:]
        slot = np.arange(longest)
        there = slot < n_cells[people][:, None]
        at = np.where(there, first[people][:, None] + slot, 0)
        rows = (cell[at][..., None] * m + np.arange(m)).ravel()
        design = sparse.csr_array(cells.design[rows]).toarray()
        blocks.append(
            Block(
                people=people,
                design=design.reshape(len(people), longest, m, n) * there[..., None, None],
                counts=counts[at] * there[..., None],
                offered=cells.offered[cell[at]] & there,
            )
        )
    return Panel(rule=cells.rule, names=names, blocks=tuple(blocks), n_parameters=n)


def _slices(block: Block, n_tries: int) -> list[slice]:
    size = max(1, _MOST_AT_ONCE // block.offered.size)
    return [slice(i, i + size) for i in range(0, n_tries, size)]


def _evaluate(rule: Rule, block: Block, values: Array) -> Evaluated:
    """Evaluate the rule with tries first and all respondents' cells after them; shape (n_tries, n_cells, ...)."""
    b, n_cells, m, n = block.design.shape
    predictors = np.matmul(values, block.design.reshape(b, n_cells * m, n).transpose(0, 2, 1))
    predictors = predictors.reshape(b, -1, n_cells, m).transpose(1, 0, 2, 3).reshape(-1, b * n_cells, m)
    return rule.evaluate(predictors, block.offered.ravel())


def _log_likelihood(at: Evaluated, counts: Array) -> Array:
    """Return log-likelihoods of shape (n_people, n_tries)."""
    given = counts.reshape(-1, 3)
    with np.errstate(invalid="ignore"):
        terms = np.where(given > 0, given * at.log_p, 0.0).sum(axis=2)
    return np.asarray(terms.reshape(len(terms), *counts.shape[:2]).sum(axis=2).T)
