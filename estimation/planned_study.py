"""One study that could be run, again and again: who would be asked what, what they would say, what a fit would say.

People differ. Each person's log-strengths are the assumed ones plus normal deviations of standard deviation
``spread``: independent per profile where profiles are free, and per standardized effect where attributes explain
them. All answers of a person share the deviations, which is what makes a study of people worth less than as many
independent answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse, stats
from scipy.special import expit, logit

from estimation.assembly import Assembled
from estimation.choice_model import ModelCells, maximize, maximize_tables, with_counts
from estimation.dataset import INDECISION, LEFT, RIGHT, Indices
from estimation.effects import EffectKind
from estimation.errors import DidNotConverge, EstimationError, NotIdentified, Separated
from estimation.existence import check_estimable
from estimation.uncertainty import t_quantile
from survey.design import ComparisonKind

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# The mean over people of a choice's probability is an integral over one normal variable. The integrand is smooth
# and dies at both ends, where equal steps are exact to many digits.
_NODES = np.linspace(-9.0, 9.0, 241)
_NODE_WEIGHTS = np.exp(-(_NODES**2) / 2) / np.exp(-(_NODES**2) / 2).sum()
# People by whom the design effect is measured; drawn evenly, so that the measure is smooth in the spread.
_MEASURED_PEOPLE = 4096
_WIDEST_SPREAD = 16.0  # Wider, equal steps would no longer be exact, and people differ in everything anyway.
# Numbers held at once while choices are drawn. Part of what the seed means: blocks draw one after another.
_MOST_AT_ONCE = 4_000_000
_MOST_STEPS = 200
_SETTLED = 1e-7
# Log-strengths nearer to each other than this are equal.
_EQUAL = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """How people answer."""

    spread: float
    """Standard deviation of a person's deviations."""
    pull: float | None
    """Pull of indecision (Davidson's log nu), the same for everybody; None: nobody is ever undecided."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcomes:
    """What fits of simulated studies said; one row per study."""

    exists: Mask
    """Whether the maximum-likelihood estimate exists, shape (n_studies,). The rest is of those studies only."""
    squared_error: Array
    """Mean over reported quantities of the squared error, shape (n_existing,)."""
    exact_order: Mask
    best_right: Mask
    worst_right: Mask
    half_width: Array
    """Mean half-width of the 95 % cluster intervals, shape (n_existing,)."""
    covered: Array
    """Share of the quantities whose interval covers the truth, shape (n_existing,)."""

    @classmethod
    def joined(cls, parts: list[Outcomes]) -> Outcomes:
        """Put blocks of studies together."""
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in cls.__slots__})


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedStudy:
    """Comparisons of a design, the model to be fitted, and what is assumed of people."""

    assembled: Assembled
    """The model, with every comparison of the design in its cells."""
    effects: EffectKind
    kind: ComparisonKind
    left: Indices
    """Number of the profile on the left, per cell. Sides make no difference to what is planned."""
    right: Indices
    entries: Indices
    """What a person's comparisons are drawn from: cells, one listed twice in a design being here twice."""
    repeats: bool
    """Whether entries stand for very many comparisons, and are drawn with replacement."""
    middle: Array
    """Assumed difference of log-strengths, left minus right, per cell."""
    deviation: Array
    """By how much a cell's difference moves with each of a person's standard normal deviations times the spread,
    shape (n_deviations, n_cells)."""
    scale: Array
    """Of each reported quantity: 1 for log-strengths, the attribute's range for coefficients."""

    @property
    def cells(self) -> ModelCells:
        """The model's cells."""
        return self.assembled.cells

    @cached_property
    def report(self) -> Array:
        """Reported quantities by parameter, scaled, shape (n_reported, n_parameters)."""
        n = self.assembled.n_strengths
        return np.asarray(self.assembled.report[:n] * self.scale[:, None])

    # --- what everybody together would say, exactly ------------------------------------------------------

    def mean_choices(self, people: People) -> Array:
        """Return the probabilities of left, right, indecision of a person drawn at random, shape (n_cells, 3)."""
        p = choice_probabilities(self._differences_of_people(people.spread), people.pull)
        return np.asarray(_NODE_WEIGHTS @ p)

    def _differences_of_people(self, spread: float) -> Array:
        """Return differences of log-strengths of people that stand for all, shape (n_cells, n_nodes)."""
        of_cell = spread * np.sqrt((self.deviation**2).sum(axis=0))
        return np.asarray(self.middle[:, None] + of_cell[:, None] * _NODES)

    @cached_property
    def asked_share(self) -> Array:
        """How often each cell is asked, as a share of all answers."""
        return np.bincount(self.entries, minlength=len(self.middle)) / len(self.entries)

    def pull_for(self, rate: float, spread: float) -> float:
        """Return the pull with which this share of all answers is indecision."""
        half = self._differences_of_people(spread) / 2
        decided = np.logaddexp(half, -half)

        def excess(pull: float) -> float:
            asked = float(self.asked_share @ (expit(pull - decided) @ _NODE_WEIGHTS))
            # On this scale the function is nearly a line, which the search crosses in a few steps.
            return float(logit(np.clip(asked, 1e-300, 1 - 1e-15)) - logit(rate))

        return float(optimize.brentq(excess, -60.0, 60.0 + float(decided.max()), xtol=1e-11))

    def pooled(self, people: People) -> Array:
        """Return the parameters that infinitely many people's answers would give."""
        expected = self.mean_choices(people) * self.asked_share[:, None]
        # The likelihood's size only matters to the solver's tolerances.
        return maximize(with_counts(self.cells, expected * 1e4)).values

    def pooled_differences(self, people: People) -> Array:
        """Return the differences of log-strengths in the pooled fit, per cell."""
        return np.asarray(self._design[:, 0] @ self.pooled(people))

    def design_effect(self, people: People, answers: int, *, seed: int) -> float:
        """Return the variance of the estimate over that of as many independent answers.

        The mean variance of the reported quantities, in large samples, for people who give so many answers each.
        Balanced and adaptive designs are taken as random ones here: for this sum they hardly differ.
        """
        values = self.pooled(people)
        slopes = self._scores(values[None])[0]
        share = self.asked_share
        n_entries = len(self.entries)
        marginal = self.mean_choices(people)
        alone = np.einsum("k,kj,kjp,kjq->pq", share * answers, marginal, slopes, slopes)
        pairs = answers * (answers - 1) / (n_entries * (n_entries - (0 if self.repeats else 1)) or 1)
        deviations = _even_normal(_MEASURED_PEOPLE, len(self.deviation), seed)
        total = np.zeros_like(alone)
        times = share * n_entries
        weighed = (times[:, None, None] * slopes).reshape(-1, slopes.shape[2])
        for part in np.array_split(
            deviations, max(1, len(deviations) * 9 * len(self.middle) // _MOST_AT_ONCE)
        ):
            p = choice_probabilities(self.middle + people.spread * part @ self.deviation, people.pull)
            summed = p.reshape(len(part), -1) @ weighed
            total += summed.T @ summed
            if not self.repeats:
                products = p.transpose(1, 2, 0) @ p.transpose(1, 0, 2)
                total -= np.einsum("k,kjl,kjp,klq->pq", times, products, slopes, slopes, optimize=True)
        together = alone + pairs * total / len(deviations)
        inverse = np.linalg.inv(self._information(values[None], (marginal * share[:, None])[None])[0])
        back = self.report @ inverse
        return float(
            np.einsum("rp,pq,rq->", back, together, back) / np.einsum("rp,pq,rq->", back, alone, back)
        )

    # --- what a simulated study would say ---------------------------------------------------------------

    def simulate(
        self,
        people: People,
        *,
        n_people: int,
        schedule: Indices | None,
        answers: int,
        n_studies: int,
        rng: np.random.Generator,
    ) -> Outcomes:
        """Simulate studies and fit each.

        Parameters
        ----------
        schedule
            Entries that each person is asked, shape (at least n_people, answers), of designs in which they are not
            drawn independently; None: drawn per person.
        """
        truth = self.pooled(people)
        per_study = n_people * max(
            3 * answers, len(self.deviation), self._drawn_per_person(schedule, answers)
        )
        at_once = max(1, min(n_studies, _MOST_AT_ONCE // per_study))
        tables = np.empty((n_studies, len(self.middle), 3))
        kinds = np.empty((n_studies, n_people, answers), dtype=np.int32)
        for begin in range(0, n_studies, at_once):
            n = min(at_once, n_studies - begin)
            cell = self._asked(n, n_people, answers, schedule, rng)
            kind = 3 * cell + self._choices(cell, people, rng)
            kinds[begin : begin + n] = kind
            for b in range(n):
                tables[begin + b] = np.bincount(kind[b].ravel(), minlength=tables[0].size).reshape(-1, 3)
        exists = self.exist(tables)
        return self._judged(truth, tables[exists], kinds[exists], exists)

    def _drawn_per_person(self, schedule: Indices | None, answers: int) -> int:
        """Return how many numbers a person's comparisons and choices take while they are drawn."""
        return max(len(self.middle), answers if self.repeats or schedule is not None else len(self.entries))

    def _asked(
        self, n: int, n_people: int, answers: int, schedule: Indices | None, rng: np.random.Generator
    ) -> Indices:
        if schedule is not None:
            return np.broadcast_to(schedule[:n_people], (n, n_people, answers))
        if self.repeats:
            return self.entries[rng.integers(len(self.entries), size=(n, n_people, answers))]
        if answers == len(self.entries):
            return np.broadcast_to(self.entries, (n, n_people, answers))
        order = rng.random((n, n_people, len(self.entries)), dtype=np.float32)
        return self.entries[np.argpartition(order, answers - 1, axis=2)[:, :, :answers]]

    def _choices(self, cell: Indices, people: People, rng: np.random.Generator) -> Indices:
        d = np.broadcast_to(self.middle, (*cell.shape[:2], len(self.middle)))
        if people.spread > 0:
            own = rng.standard_normal((*cell.shape[:2], len(self.deviation)))
            d = d + people.spread * (own @ self.deviation)
        p = choice_probabilities(np.take_along_axis(d, cell, axis=2), people.pull)
        drawn = rng.random(cell.shape)
        return np.asarray((drawn >= p[..., LEFT]).astype(np.intp) + (drawn >= 1 - p[..., INDECISION]))

    def exist(self, tables: Array) -> Mask:
        """Return in which studies the maximum-likelihood estimate exists, shape (n_studies,). Exact.

        What is quick decides most studies: of free profiles whether wins hold them all together, of attributes
        whether enough comparisons were answered both ways. The rest is for the linear programme.
        """
        explains, by_profile = self.cells.rule.has_pull, self.effects is EffectKind.PROFILES
        held = self._reaches(tables) if by_profile else self._held_both_ways(tables)
        # Without any indecision its pull has no estimate; with one, and strengths held, it has.
        possible = (tables[:, :, INDECISION].sum(axis=1) > 0) | (not explains)
        if by_profile:
            # Ford's condition is exact for decided answers. Indecisions can hold what wins leave free (two profiles
            # called equal), but not where they and wins together leave a profile that nothing bounds.
            possible &= self._reaches(tables, by_indecision=True) if explains else held
        exists: Mask = held & possible
        for i in np.flatnonzero(~held & possible):
            exists[i] = _is_estimable(self.cells, tables[i])
        return exists

    def _reaches(self, tables: Array, *, by_indecision: bool = False) -> Mask:
        """Return whether every profile can be reached from every other along wins (and indecisions)."""
        n = self.assembled.n_strengths
        joined = tables[:, :, INDECISION] > 0 if by_indecision else np.zeros(tables.shape[:2], dtype=bool)
        reach = np.zeros((len(tables), n, n), dtype=np.float32)
        reach[:, self.left, self.right] = (tables[:, :, LEFT] > 0) | joined
        reach[:, self.right, self.left] = (tables[:, :, RIGHT] > 0) | joined
        reach[:, np.arange(n), np.arange(n)] = 1
        for _ in range(max(1, int(np.ceil(np.log2(n))))):
            reach = ((reach @ reach) > 0).astype(np.float32)
        return np.asarray(reach.all(axis=(1, 2)))

    def _held_both_ways(self, tables: Array) -> Mask:
        """Return whether comparisons answered both ways leave no direction of the effects free."""
        n = self.assembled.n_strengths
        differences = self._design[:, 0, :n]
        differences = differences / np.abs(differences).max(axis=0)
        both = (tables[:, :, LEFT] > 0) & (tables[:, :, RIGHT] > 0)
        gram = np.einsum("bk,kp,kq->bpq", both.astype(float), differences, differences)
        smallest = np.linalg.eigvalsh(gram)[:, 0]
        return np.asarray(smallest > 1e-9 * len(differences))

    def _judged(self, truth: Array, tables: Array, kinds: NDArray[np.int32], exists: Mask) -> Outcomes:
        values = maximize_tables(self.cells, tables, truth) if len(tables) else np.empty((0, len(truth)))
        right = self.report @ truth
        found = values @ self.report.T
        half = self._half_widths(values, tables, kinds)
        order = _order(right, found, by_size=self.effects is EffectKind.ATTRIBUTES)
        return Outcomes(
            exists=exists,
            squared_error=((found - right) ** 2).mean(axis=1),
            exact_order=order[0],
            best_right=order[1],
            worst_right=order[2],
            half_width=half.mean(axis=1),
            covered=(np.abs(found - right) <= half).mean(axis=1),
        )

    def _half_widths(self, values: Array, tables: Array, kinds: NDArray[np.int32]) -> Array:
        """Return half-widths of cluster-sandwich intervals as a fit gives them, shape (n_studies, n_reported)."""
        if not len(values):
            return np.empty((0, len(self.report)))
        _, n_people, answers = kinds.shape
        slopes = self._scores(values).reshape(len(values), -1, values.shape[1])
        information = self._information(values, tables)
        begins = np.arange(0, n_people * answers + 1, answers)
        ones = np.ones(n_people * answers)
        meat = np.empty_like(information)
        for b, asked in enumerate(kinds):
            by_person = sparse.csr_array(
                (ones, asked.ravel(), begins), shape=(n_people, 3 * len(self.middle))
            )
            scores = by_person @ slopes[b]
            scores -= scores.mean(axis=0)
            meat[b] = scores.T @ scores
        meat *= n_people / (n_people - 1)
        back = self.report @ np.linalg.inv(information)
        variance = np.einsum("brp,bpq,brq->br", back, meat, back)
        return np.asarray(t_quantile(n_people) * np.sqrt(np.maximum(variance, 0.0)))

    def _evaluated(self, values: Array) -> tuple[Array, Array]:
        m = self.cells.rule.n_predictors
        predictors = np.asarray((self.cells.design @ values.T).T).reshape(len(values), -1, m)
        evaluated = self.cells.rule.evaluate(predictors, self.cells.offered)
        return evaluated.first, evaluated.second

    def _scores(self, values: Array) -> Array:
        """Return the score of one answer of each kind, shape (n_studies, n_cells, 3, n_parameters)."""
        first, _ = self._evaluated(values)
        return np.asarray(np.einsum("bkjm,kmp->bkjp", first, self._design))

    def _information(self, values: Array, tables: Array) -> Array:
        _, second = self._evaluated(values)
        bend = -np.einsum("bkj,bkjmn->bkmn", tables, second)
        return np.asarray(np.einsum("bkmn,kmp,knq->bpq", bend, self._design, self._design, optimize=True))

    @cached_property
    def _design(self) -> Array:
        design = self.cells.design
        dense = np.asarray(design.toarray() if sparse.issparse(design) else design)
        return dense.reshape(len(self.middle), self.cells.rule.n_predictors, -1)


def choice_probabilities(d: Array, pull: float | None) -> Array:
    """Return probabilities of left, right, indecision for differences of log-strengths, shape (..., 3).

    Davidson's: proportional to exp(d/2), exp(-d/2), exp(pull); without a pull, Bradley and Terry's.
    """
    half = np.abs(d) / 2
    # Divided by the greatest term, so that nothing overflows.
    lower = np.exp(-2 * half)
    neither = np.zeros_like(d) if pull is None else np.exp(np.minimum(pull - half, 700.0))
    total = 1 + lower + neither
    more, less = 1 / total, lower / total
    return np.stack([np.where(d >= 0, more, less), np.where(d >= 0, less, more), neither / total], axis=-1)


def of_spread(
    study: PlannedStudy, spread: float, *, rate: float | None, are_pooled: bool
) -> tuple[PlannedStudy, People]:
    """Return the study with people who differ so much, and these people.

    Parameters
    ----------
    rate
        Share of all answers that are indecision; None: none are.
    are_pooled
        Whether the study's differences are what everybody together would say. The typical person's are then found
        for which that is so: they lie further apart. Otherwise they are the typical person's already.

    Raises
    ------
    DidNotConverge
        No typical person was found for whom everybody together would say this.
    """

    def people(of: PlannedStudy, spread: float) -> People:
        return People(spread=spread, pull=None if rate is None else of.pull_for(rate, spread))

    if not are_pooled or spread == 0:
        return study, people(study, spread)
    wanted = study.pooled_differences(people(study, 0.0))
    # About how much nearer to zero the mean of logistic curves is than the curve of the mean.
    shrinking = 1 / np.sqrt(1 + 0.35 * spread**2 * (study.deviation**2).sum(axis=0).mean())
    now = replace(study, middle=study.middle / shrinking)
    for _ in range(_MOST_STEPS):
        who = people(now, spread)
        missing = wanted - now.pooled_differences(who)
        if np.abs(missing).max() < _SETTLED:
            return now, who
        now = replace(now, middle=now.middle + missing / shrinking)
    raise DidNotConverge(
        f"with a spread of {spread:g} no typical person was found whose like would together give the assumed "
        "weights; assume a smaller design effect, or take the weights as a typical person's"
    )


def of_design_effect(
    study: PlannedStudy,
    design_effect: float,
    answers: int,
    *,
    rate: float | None,
    are_pooled: bool,
    seed: int,
) -> tuple[PlannedStudy, People]:
    """Return the study with people who differ as much as makes this design effect at so many answers each.

    See :func:`of_spread`.

    Raises
    ------
    EstimationError
        The design effect is below 1, or beyond what so few answers can have.
    """
    if not design_effect >= 1:
        raise EstimationError(
            f"a design effect of {design_effect:g} would mean that people agree with themselves less than with "
            "others; give 1 (independent answers) or more"
        )

    def excess(spread: float) -> float:
        found, people = of_spread(study, spread, rate=rate, are_pooled=are_pooled)
        return found.design_effect(people, answers, seed=seed) - design_effect

    if design_effect == 1:
        return of_spread(study, 0.0, rate=rate, are_pooled=are_pooled)
    upper = 0.5
    while (short := excess(upper)) < 0:
        upper *= 2
        if upper > _WIDEST_SPREAD:
            raise EstimationError(
                f"at {answers} answer(s) per person the design effect cannot reach {design_effect:g} here: even "
                f"people who differ in everything reach only {short + design_effect:.3g}, because each of them "
                "orders the patients consistently. Give less, or state the number of answers at which the design "
                "effect was seen (--at-answers)"
            )
    spread = float(optimize.brentq(excess, 0.0, upper, xtol=1e-4))
    return of_spread(study, spread, rate=rate, are_pooled=are_pooled)


def _is_estimable(cells: ModelCells, table: Array) -> bool:
    used = np.flatnonzero(table.sum(axis=1) > 0)
    m = cells.rule.n_predictors
    answered = replace(
        cells,
        design=cells.design[(used[:, None] * m + np.arange(m)).ravel()],
        counts=table[used],
        offered=cells.offered[used],
        n_observed=len(used),
    )
    try:
        check_estimable(answered)
    except (Separated, NotIdentified):
        return False
    return True


def _even_normal(n: int, dimensions: int, seed: int) -> Array:
    """Return standard normal points that fill the space more evenly than random ones."""
    points = stats.qmc.Sobol(dimensions, rng=np.random.default_rng(seed)).random(n)
    return np.asarray(stats.norm.ppf(np.clip(points, 1e-12, 1 - 1e-12)))


def _order(right: Array, found: Array, *, by_size: bool) -> tuple[Mask, Mask, Mask]:
    """Return whether the whole order, the first and the last are right.

    Equal true values may fall either way. Equal estimates of different true values are not right: an estimate that
    does not tell two profiles apart has not ranked them, and rounding must not decide that it has.

    Parameters
    ----------
    by_size
        Of effects: they are ordered by their absolute size, and the signs must be right, too.
    """
    true, seen = (np.abs(right), np.abs(found)) if by_size else (right, found)
    is_signed = (np.sign(found) == np.sign(right)) if by_size else np.ones_like(found, dtype=bool)
    above = true[:, None] > true[None, :] + _EQUAL
    kept = seen[:, :, None] > seen[:, None, :] + _EQUAL
    whole = (kept | ~above).all(axis=(1, 2)) & is_signed.all(axis=1)
    return np.asarray(whole), _first(true, seen, is_signed), _first(-true, -seen, is_signed)


def _first(true: Array, seen: Array, is_signed: Mask) -> Mask:
    """Return whether one of the truly greatest is seen above all that are not among them."""
    top = true >= true.max() - _EQUAL
    best = np.where(top, seen, -np.inf)
    others = np.where(top, -np.inf, seen).max(axis=1)
    rows = np.arange(len(seen))
    return np.asarray((best.max(axis=1) > others + _EQUAL) & is_signed[rows, best.argmax(axis=1)])
