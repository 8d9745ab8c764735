"""Counts and a specification, joined into what the likelihood needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from estimation.choice_model import PULL, ModelCells, compact
from estimation.dataset import INDECISION, LEFT, RIGHT, ChoiceData
from estimation.effects import EffectKind, Term, attribute_distance, attribute_terms, term_matrix
from estimation.errors import EstimationError
from estimation.indecision.forced import Forced
from estimation.indecision.max_u import MaxU
from estimation.indecision.min_u import MinU
from estimation.indecision.rule import CellTerms, Rule
from estimation.specification import Specification

Array = NDArray[np.float64]

ORDER = "shown first"
"""Name of the order effect among parameters."""
DISTANCE = f"{PULL} by distance"
"""Name of what the attributes' distance adds to the pull of indecision."""
_MOST_LOG_ODDS = 12.0
GHOST = 0.5
"""Wins, and losses, of every profile against the ghost profile that regularizes free profiles."""


# Several designs of this size are held at once while one is made: some gigabytes.
_MOST_NUMBERS = 1.5e8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assembled:
    """A model of given counts, and how its parameters are reported."""

    cells: ModelCells
    report: Array
    """Reported quantities by parameter, shape (n_reported, n_parameters): centred strengths, not contrasts."""
    names: tuple[str, ...]
    """Of the reported quantities."""
    n_strengths: int
    """The first so many reported quantities are profiles' log-strengths, or attributes' coefficients."""
    terms: tuple[Term, ...]
    """Of an attribute model; empty for free profiles."""
    cell_of: NDArray[np.intp]
    """Cell of the data behind each observed cell of the model, shape (n_observed,)."""
    n_answers: int
    """Answers the model uses."""


def assemble(
    data: ChoiceData,
    spec: Specification,
    *,
    prior_answers: float = 0.0,
    directions: Mapping[str, int] | None = None,
) -> Assembled:
    """Join counts with the design of a model.

    Parameters
    ----------
    prior_answers
        0 is maximum likelihood. Of free profiles: wins and losses of each against a ghost profile, which pull all
        strengths together and depend on no other profile; parameters that a ghost cannot hold (the pull of
        indecision, the order effect) get as many answers each as a strength does. Of attributes: so many answers in
        all. Both are spread evenly over the comparisons asked and over the alternatives of each (Clogg et al. 1991,
        J. Amer. Statist. Assoc. 86).
    directions
        Of monotone attributes, see :func:`estimation.effects.attribute_terms`.

    Raises
    ------
    EstimationError
        No answer is of use to the model.
    """
    spec.check()
    offered = data.offered & spec.uses_indecision
    if spec.uses_indecision and not offered.any():
        raise EstimationError(
            "indecision was offered in none of these answers, so its pull cannot be estimated; use "
            "--model bradley-terry or conditional-logit, or choose an arm that offered it (--arm)"
        )
    if spec.forced and data.offered.all():
        raise EstimationError(
            "indecision was offered in all of these answers, so what people do without it (--forced) cannot be "
            "told; leave that out, or add answers in which it was not offered"
        )
    taken = _taken(data, spec)
    counts = (data.counts.ravel() @ taken).reshape(-1, 3)
    used = np.flatnonzero(counts.sum(axis=1) > 0)
    if not len(used):
        raise EstimationError(
            f"all {data.n_answers} answers are indecision, which this model leaves out; "
            "use --model min-delta or davidson, or collect decided answers"
        )
    by_profile = spec.effect_kind is EffectKind.PROFILES
    if by_profile:
        _check_size(len(used), len(data.profiles), spec)
    ghost = by_profile and prior_answers > 0
    terms: tuple[Term, ...] = ()
    if by_profile:
        values = _free_profiles(len(data.profiles), ghost=ghost)
        attribute = np.zeros(values.shape[1], dtype=np.intp)
        n_attributes = 1
    else:
        terms = attribute_terms(data.attributes, spec.shape, profiles=data.profiles, directions=directions)
        values = term_matrix(terms, data.profiles)
        order = {a.name: i for i, a in enumerate(data.attributes)}
        attribute = np.array([order[t.attribute] for t in terms], dtype=np.intp)
        n_attributes = len(data.attributes)

    shown = _Shown(
        left=data.left[used], right=data.right[used], offered=offered[used], group=data.group[used]
    )
    observed = counts[used]
    n_used_answers = round(float(observed.sum()))
    prior = np.empty((0, 3))
    rule = spec.rule(n_attributes)
    n_spread = prior_answers
    if ghost:
        against = shown.with_ghost(len(data.profiles))
        prior = np.tile([prior_answers, prior_answers, 0.0], (len(data.profiles), 1))
        n_spread = 2 * prior_answers * _n_beyond_strengths(spec, rule, shown)
    if n_spread > 0:
        spread, evenly = shown.spread(n_spread, both_orders=spec.has_order)
        shown = (against if ghost else shown).followed_by(spread)
        prior = np.vstack([prior, evenly])
    elif ghost:
        shown = against
    cell_terms, names = _cell_terms(data, spec, shown, values, attribute, terms, rule)
    design = rule.predictors(cell_terms)
    if len(names) != design.shape[2]:
        names = _mixture_names(names, spec, rule, cell_terms)
    lower = np.full(len(names), -np.inf)
    upper = np.full(len(names), np.inf)
    for i, term in enumerate(terms):
        if term.sign > 0:
            lower[i] = 0.0
        elif term.sign < 0:
            upper[i] = 0.0
    # A share at 0 or 1 has infinite log-odds; this far out it has arrived.
    odds = slice(len(names) - len(rule.extra), len(names))
    lower[odds], upper[odds] = -_MOST_LOG_ODDS, _MOST_LOG_ODDS
    cells = ModelCells(
        rule=rule,
        design=compact(design),
        counts=np.vstack([observed, prior]),
        offered=shown.offered,
        names=names,
        lower=lower,
        upper=upper,
        by_cluster=_by_cluster(data, taken, used),
        n_observed=len(used),
    )
    _check_names(names, own=len(terms) or values.shape[1])
    report, reported = _report(data, names, values, rule, by_profile=by_profile)
    return Assembled(
        cells=cells,
        report=report,
        names=reported,
        n_strengths=len(data.profiles) if by_profile else len(terms),
        terms=terms,
        cell_of=used,
        n_answers=n_used_answers,
    )


def _check_size(n_cells: int, n_profiles: int, spec: Specification) -> None:
    """Refuse a design of free profiles that would not fit in memory."""
    n_numbers = n_cells * n_profiles * spec.rule(1).n_predictors
    if n_numbers > _MOST_NUMBERS:
        raise EstimationError(
            f"{n_profiles:,} free profiles in {n_cells:,} different comparisons are too many for {spec.model} or "
            f"for an order effect: their design would hold {n_numbers:.1e} numbers. Fit --model bradley-terry "
            "without an order effect, which takes no more room than the answers, or attributes instead of "
            "profiles (--effects attributes)"
        )


@dataclass(frozen=True, slots=True)
class _Shown:
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    offered: NDArray[np.bool_]
    group: NDArray[np.intp]

    def with_ghost(self, ghost: int) -> _Shown:
        """Add one cell per profile against the ghost, in which indecision is not on offer."""
        return _Shown(
            np.concatenate([self.left, np.arange(ghost)]),
            np.concatenate([self.right, np.full(ghost, ghost)]),
            np.concatenate([self.offered, np.zeros(ghost, dtype=bool)]),
            np.concatenate([self.group, np.zeros(ghost, dtype=np.intp)]),
        )

    def spread(self, total: float, *, both_orders: bool) -> tuple[_Shown, Array]:
        """Return the comparisons asked, and prior answers with the same weight on all alternatives of each."""
        pair = np.column_stack([np.minimum(self.left, self.right), np.maximum(self.left, self.right)])
        key = np.unique(np.column_stack([pair, self.offered, self.group]), axis=0)
        if both_orders:
            # Shown one way round only, they would pull the order effect towards one side.
            key = np.vstack([key, key[:, [1, 0, 2, 3]]])
        asked = _Shown(left=key[:, 0], right=key[:, 1], offered=key[:, 2] == 1, group=key[:, 3])
        alternatives = np.where(asked.offered[:, None], [1.0, 1.0, 1.0], [1.0, 1.0, 0.0])
        return asked, alternatives / alternatives.sum(axis=1, keepdims=True) * (total / len(key))

    def followed_by(self, other: _Shown) -> _Shown:
        """Return these cells, then those."""
        return _Shown(
            np.concatenate([self.left, other.left]),
            np.concatenate([self.right, other.right]),
            np.concatenate([self.offered, other.offered]),
            np.concatenate([self.group, other.group]),
        )


def _n_beyond_strengths(spec: Specification, rule: Rule, shown: _Shown) -> int:
    """Return how many parameters of a model of free profiles no ghost can hold."""
    n_pulls = len(set(shown.group[shown.offered])) if spec.pull_by_group else 1
    n_orders = len(set(shown.group)) if spec.order_by_group else int(spec.has_order)
    return n_orders + rule.has_pull * (n_pulls + spec.by_distance) + len(rule.extra)


def _taken(data: ChoiceData, spec: Specification) -> sparse.csr_array:
    """Return how the model takes each choice, shape (3 n_cells, 3 n_cells): as is, not at all, or as half wins."""
    n = len(data.counts)
    diagonal = np.ones((n, 3))
    diagonal[:, INDECISION] = spec.uses_indecision
    rows, columns, values = np.arange(3 * n), np.arange(3 * n), diagonal.ravel()
    if spec.half_wins:
        rows = np.concatenate([rows, np.repeat(3 * np.arange(n) + INDECISION, 2)])
        columns = np.concatenate([columns, (3 * np.arange(n)[:, None] + [LEFT, RIGHT]).ravel()])
        values = np.concatenate([values, np.full(2 * n, 0.5)])
    return sparse.csr_array(sparse.coo_array((values, (rows, columns)), shape=(3 * n, 3 * n)))


def _by_cluster(data: ChoiceData, taken: sparse.csr_array, used: NDArray[np.intp]) -> sparse.csr_array | None:
    if data.by_cluster is None:
        return None
    columns = (3 * used[:, None] + np.arange(3)).ravel()
    table = sparse.csr_array((data.by_cluster @ taken)[:, columns])
    # A respondent who only ever gave answers that the model leaves out says nothing about how answers vary.
    return sparse.csr_array(table[np.flatnonzero(np.asarray(table.sum(axis=1)).ravel() > 0)])


def _free_profiles(n: int, *, ghost: bool) -> Array:
    """Return one column per profile but the first, which stands at 0; the ghost has a column of its own."""
    return np.eye(n + ghost)[:, 1:]


def _cell_terms(
    data: ChoiceData,
    spec: Specification,
    shown: _Shown,
    values: Array,
    attribute: NDArray[np.intp],
    terms: tuple[Term, ...],
    rule: Rule,
) -> tuple[CellTerms, tuple[str, ...]]:
    n_cells = len(shown.left)
    left, right = values[shown.left], values[shown.right]
    # Free profiles are measured against the first; a message about a parameter names its profile.
    names = [t.name for t in terms] if terms else [*data.names, "ghost profile"][1 : values.shape[1] + 1]
    if spec.effects_by_group and len(data.groups) > 1:
        # Centred by the groups' shares of answers, so that the plain coefficient is that of the average answer.
        share = np.bincount(data.group, weights=data.counts.sum(axis=1), minlength=len(data.groups))
        share = share / share.sum()
        for g in range(1, len(data.groups)):
            code = (shown.group == g) - share[g]
            left = np.hstack([left, values[shown.left] * code[:, None]])
            right = np.hstack([right, values[shown.right] * code[:, None]])
            attribute = np.concatenate([attribute, attribute[: values.shape[1]]])
            names += [f"{t.name} in {data.groups[g]} against {data.groups[0]}" for t in terms]
    if spec.order_by_group and len(data.groups) > 1:
        first = np.eye(len(data.groups))[shown.group]
        names += [f"{ORDER} in {group}" for group in data.groups]
    else:
        first = np.ones((n_cells, int(spec.has_order)))
        names += [ORDER] * spec.has_order
    pull = np.empty((n_cells, 0))
    if rule.has_pull:
        if spec.pull_by_group and len(data.groups) > 1:
            present = sorted({int(g) for g in shown.group[shown.offered]})
            pull = (shown.group[:, None] == present).astype(float)
            names += [f"{PULL} in {data.groups[g]}" for g in present]
        else:
            pull = np.ones((n_cells, 1))
            names.append(PULL)
        if spec.by_distance:
            of = [data.profiles[i] if i < len(data.profiles) else data.profiles[0] for i in shown.left]
            to = [data.profiles[i] if i < len(data.profiles) else data.profiles[0] for i in shown.right]
            pull = np.column_stack([pull, attribute_distance(data.attributes, of, to)])
            names.append(DISTANCE)
        # A cell that did not offer indecision says nothing of its pull, unless a coin stands in for it.
        if not spec.forced:
            pull = pull * shown.offered[:, None]
    names += rule.extra
    return CellTerms(left=left, right=right, attribute=attribute, first=first, pull=pull), tuple(names)


def _mixture_names(
    names: tuple[str, ...], spec: Specification, rule: Rule, terms: CellTerms
) -> tuple[str, ...]:
    """Return names with a block for each component of a mixture."""
    from estimation.specification import DECIDED_ONLY

    odds = rule.extra
    shared = names[: len(names) - len(odds)]
    n_pull = terms.pull.shape[1]
    own: list[str] = []
    for k, model in enumerate(spec.components):
        block = shared if model not in DECIDED_ONLY else shared[: len(shared) - n_pull]
        own += block if k == 0 else tuple(f"{name} (rule {k + 1}: {model})" for name in block)
    return (*own, *odds)


def _report(
    data: ChoiceData, names: tuple[str, ...], values: Array, rule: Rule, *, by_profile: bool
) -> tuple[Array, tuple[str, ...]]:
    """Return the reported quantities by parameter: of free profiles, log-strengths that sum to zero."""
    if not by_profile:
        return np.eye(len(names)), names
    n = len(data.profiles)
    own = values[:n] - values[:n].mean(axis=0)
    others = len(names) - values.shape[1]
    top = np.hstack([own, np.zeros((n, others))])
    bottom = np.hstack([np.zeros((others, values.shape[1])), np.eye(others)])
    if _is_against_utilities(rule):
        # The pull has the utilities' origin: centred strengths need a pull that is measured from their mean.
        for row, name in enumerate(names[values.shape[1] :]):
            if name.startswith(PULL) and name != DISTANCE:
                bottom[row, : values.shape[1]] = -values[:n].mean(axis=0)
    return np.vstack([top, bottom]), (*data.names, *names[values.shape[1] :])


def _check_names(names: tuple[str, ...], *, own: int) -> None:
    """Refuse profiles and attributes called like a parameter, which no result could tell apart from it."""
    for name in names[:own]:
        if name in (PULL, ORDER, DISTANCE):
            raise EstimationError(
                f"a profile or attribute is called '{name}', which is the name of a parameter; rename it"
            )


def _is_against_utilities(rule: Rule) -> bool:
    """Whether the pull competes with utilities themselves, rather than with their difference."""
    return isinstance(rule.rule if isinstance(rule, Forced) else rule, MinU | MaxU)
