"""Do people and a model choose by different rules? Nested tests on their pooled answers. Pure.

Each step lets the model have something of its own: first the scale of its attribute effects (it is more or less
decisive), then its pull of indecision and its position bias, then the effects themselves (it values otherwise).
Indecision is explained by min-delta where both sides could choose it, else left out.

Answers of one person are alike, and so are a model's repeats of one comparison. So beside the likelihood ratio,
which takes all answers as independent, stands a score test by clusters: people by respondent, the model by
comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from estimation.assembly import ORDER, assemble
from estimation.choice_model import (
    PULL,
    ModelCells,
    compact,
    log_likelihood_at,
    maximize,
    probabilities_at,
    score_rows,
)
from estimation.dataset import Clustering
from estimation.errors import DidNotConverge, EstimationError, NotIdentified, Separated
from estimation.existence import check_estimable
from estimation.specification import Specification
from llm_compare.alignment.choices import Array, Pairing
from llm_compare.alignment.logit import PRIOR_SHARE, model_of
from llm_compare.alignment.tallies import tallied, varied_attributes
from survey.design import CategoricalAttribute

OWN_SCALE = "own scale"
OWN_HABITS = "own pull of indecision and position bias"
OWN_POSITION = "own position bias"
OWN_PULL = "own pull of indecision"
OWN_EFFECTS = "own attribute effects"

_SIGNIFICANT = 0.05
_FINDINGS = {
    OWN_SCALE: "it is more or less decisive",
    OWN_HABITS: "it is undecided more or less often, or prefers a side otherwise",
    OWN_POSITION: "it prefers a side otherwise",
    OWN_PULL: "it is undecided more or less often",
    OWN_EFFECTS: "it weighs attributes in other proportions",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTest:
    """One step: what the model is given of its own, and whether choices call for it."""

    adds: str
    """What the larger model gives to each side, beyond the step before."""
    df: int
    """Parameters that it adds."""
    statistic: float | None
    """Twice the difference of the log-likelihoods, of prior answers, too, where regularized."""
    p_if_independent: float | None
    """Chi-squared p of ``statistic``, as if all answers were independent: too small."""
    f: float | None
    """Score statistic with the covariance of clusters over ``df``, scaled as Hotelling's T-squared."""
    n_clusters: int
    """People and comparisons of the model."""
    p: float | None
    """The p value to go by. None where there is none; ``reason`` says why."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTests:
    """All steps."""

    tests: tuple[GroupTest, ...]
    """All alike < own scale < own pull and position < own effects; empty where ``reason`` says why."""
    scale_ratio: float | None
    """The model's effects over people's, if they were proportional and all else its own: 2 means twice as decisive,
    below 0 turned around. None where that is not finite."""
    regularized: str
    """Why prior answers were added to both sides alike; empty if they were not."""
    sentence: str
    reason: str = ""


def group_tests(pairing: Pairing, *, regularize: bool | None = None) -> GroupTests:
    """Test people against a model in nested steps on their pooled answers.

    Parameters
    ----------
    regularize
        Whether prior answers are added; None: if the answers of one side have no finite estimate.

    References
    ----------
    Swait and Louviere (1993), J. Marketing Research 30 (scale before preferences); Boos (1992), American
    Statistician 46 (score tests that do not trust the model's variances).
    """
    kept, _ = varied_attributes(pairing.attributes, pairing.comparisons)
    if not kept:
        return _none("no comparison is of two patients who differ in an attribute")
    pairing = Pairing(attributes=kept, people=pairing.people, model=pairing.model)
    try:
        if regularize is not None:
            return _steps(_pooled(pairing, PRIOR_SHARE if regularize else 0.0), regularized=regularize)
        try:
            return _steps(_pooled(pairing, 0.0), regularized=False)
        except Separated:
            return _steps(_pooled(pairing, PRIOR_SHARE), regularized=True)
    except EstimationError as error:
        return _none(str(error))


def _none(reason: str) -> GroupTests:
    return GroupTests(
        tests=(),
        scale_ratio=None,
        regularized="",
        sentence=f"People and model cannot be tested against each other: {reason}.",
        reason=reason,
    )


# --- the pooled answers ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pooled:
    """Both sides' answers in one likelihood; designs of shape (n_cells, n_predictors, n_columns)."""

    cells: ModelCells
    terms: Array
    """Differences of attributes over their reach."""
    order: Array
    """One column per side; none where the sides shown cannot tell a position bias."""
    pull: Array
    """One column per side; none where indecision was not on offer to both."""
    of_model: NDArray[np.bool_]
    """Whether a cell is the model's."""

    @property
    def own(self) -> Array:
        """Position and pull of each side."""
        return np.concatenate([self.order, self.pull], axis=2)

    @property
    def common(self) -> Array:
        """Position and pull, the same for both sides."""
        parts = [part.sum(axis=2, keepdims=True) for part in (self.order, self.pull) if part.shape[2]]
        return np.concatenate([self.order[:, :, :0], *parts], axis=2)

    @property
    def added(self) -> Array:
        """What ``own`` adds to ``common``."""
        parts = [part[:, :, 1:] for part in (self.order, self.pull)]
        return np.concatenate(parts, axis=2)

    def of_side(self, *, model: bool) -> Array:
        """Return the terms of one side, 0 for the other."""
        own = np.where(self.of_model, float(model), float(not model))
        return np.asarray(self.terms * own[:, None, None])

    def turned(self, angle: float) -> Array:
        """Return terms of which people have cos(angle), the model sin(angle): any ratio, none infinite."""
        share = np.where(self.of_model, float(np.sin(angle)), float(np.cos(angle)))
        return np.asarray(self.terms * share[:, None, None])

    def ratio_column(self, angle: float, effects: Array) -> Array:
        """Return the derivative of predictors by the angle, one column."""
        share = np.where(self.of_model, float(np.cos(angle)), -float(np.sin(angle)))
        return np.asarray((self.terms @ effects)[:, :, None] * share[:, None, None])

    def with_design(self, design: Array) -> ModelCells:
        """Return the cells with another design."""
        p = design.shape[2]
        return replace(
            self.cells,
            design=compact(design),
            names=tuple(f"parameter {i}" for i in range(p)),
            lower=np.full(p, -np.inf),
            upper=np.full(p, np.inf),
        )


def _pooled(pairing: Pairing, share: float) -> _Pooled:
    sides = [replace(pairing.people, label="people"), replace(pairing.model, label="model")]
    tally = tallied(pairing.attributes, sides, cluster=[Clustering.RESPONDENT, Clustering.COMPARISON])
    spec = Specification(model=model_of(pairing), order_by_group=True)
    spec = replace(spec, pull_by_group=spec.uses_indecision)
    # The number of prior answers is set below, for each side by its own answers.
    assembled = assemble(tally.data, spec, prior_answers=1.0 if share else 0.0)
    cells, k = assembled.cells, len(assembled.terms)
    m = cells.rule.n_predictors
    flat = cells.design if isinstance(cells.design, np.ndarray) else cells.design.toarray()
    design = np.asarray(flat).reshape(-1, m, cells.n_parameters)
    orders = [i for i, name in enumerate(cells.names) if name.startswith(f"{ORDER} in ")]
    pulls = [i for i, name in enumerate(cells.names) if name.startswith(PULL)]
    of_model = np.abs(design[:, :, orders[1]]).max(axis=1) > 0
    ranges = {
        a.name: 1.0 if isinstance(a, CategoricalAttribute) else a.maximum - a.minimum
        for a in pairing.attributes
    }
    found = _Pooled(
        cells=replace(cells, counts=_with_prior(cells, of_model, share)),
        terms=design[:, :, :k] / np.array([ranges[t.attribute] for t in assembled.terms]),
        order=design[:, :, orders],
        pull=design[:, :, pulls],
        of_model=of_model,
    )
    try:
        check_estimable(_largest(found))
    except NotIdentified:
        # Where every comparison was shown one way round, position may not be told from attributes.
        found = replace(found, order=found.order[:, :, :0])
        check_estimable(_largest(found))
    return found


def _with_prior(cells: ModelCells, of_model: NDArray[np.bool_], share: float) -> Array:
    counts = cells.counts.copy()
    prior = np.arange(len(counts)) >= cells.n_observed
    for side in (False, True):
        own = of_model == side
        if prior.any():
            counts[prior & own] *= share * counts[~prior & own].sum() / counts[prior & own].sum()
    return counts


def _largest(pooled: _Pooled) -> ModelCells:
    both = [pooled.of_side(model=False), pooled.of_side(model=True)]
    return pooled.with_design(np.concatenate([*both, pooled.own], axis=2))


# --- the steps ---------------------------------------------------------------------------------------------


def _steps(pooled: _Pooled, *, regularized: bool) -> GroupTests:
    k = pooled.terms.shape[2]
    alike = maximize(pooled.with_design(np.concatenate([pooled.terms, pooled.common], axis=2)))
    largest = maximize(_largest(pooled))
    apart = largest.values[:k], largest.values[k : 2 * k]
    scaled = _proportional(pooled, pooled.common, apart)
    own = _proportional(pooled, pooled.own, apart)
    # People and model alike are at 45 degrees, where cosine and sine are 1/sqrt(2).
    effects = alike.values[:k] * np.sqrt(2)
    start = _Proportional(angle=np.pi / 4, effects=effects, others=alike.values[k:])

    tests = []
    column = pooled.ratio_column(start.angle, start.effects)
    smaller = np.concatenate([pooled.turned(start.angle), pooled.common], axis=2)
    likelihoods = [
        _log_likelihood(pooled, smaller, np.concatenate([start.effects, start.others])),
        _log_likelihood(pooled, *scaled.of(pooled, pooled.common)),
        _log_likelihood(pooled, *own.of(pooled, pooled.own)),
        _log_likelihood(pooled, np.asarray(_dense(_largest(pooled), pooled)), largest.values),
    ]
    tests.append(_test(pooled, OWN_SCALE, likelihoods[:2], smaller, column, [*start.effects, *start.others]))
    habits = _habits(pooled)
    if habits:
        design, values = scaled.of(pooled, pooled.common)
        column = pooled.ratio_column(scaled.angle, scaled.effects)
        smaller = np.concatenate([design, column], axis=2)
        tests.append(_test(pooled, habits, likelihoods[1:3], smaller, pooled.added, [*values, 0.0]))
    tests.append(_effects_test(pooled, own, likelihoods[2:]))
    ratio = np.tan(own.angle)
    return GroupTests(
        tests=tuple(tests),
        scale_ratio=float(ratio) if abs(ratio) < 1 / _NEGLIGIBLE else None,
        regularized=(
            f"one side follows a rule without exception, or never chose one of the answers: both were mixed with "
            f"{PRIOR_SHARE:.0%} of answers spread evenly over comparisons and alternatives. What a side that never "
            "errs or is never undecided has as its pull and position is then mostly theirs"
            if regularized
            else ""
        ),
        sentence=_sentence(tests),
    )


# A maximum is reached when the next step gains fewer log-likelihood units, or no step of this length gains any.
_GAIN_TOLERANCE, _SHORTEST = 1e-8, 1e-8
_MOST_STEPS = 200
# A side whose effects are this small beside the other's has none.
_NEGLIGIBLE = 1e-6


def _habits(pooled: _Pooled) -> str:
    has_order, has_pull = pooled.order.shape[2] > 1, pooled.pull.shape[2] > 1
    if has_order and has_pull:
        return OWN_HABITS
    return OWN_POSITION if has_order else OWN_PULL if has_pull else ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Proportional:
    """Effects of both sides that differ by their scale: cos(angle) for people, sin(angle) for the model."""

    angle: float
    effects: Array
    others: Array

    def of(self, pooled: _Pooled, others: Array) -> tuple[Array, Array]:
        """Return design and values of this model."""
        design = np.concatenate([pooled.turned(self.angle), others], axis=2)
        return design, np.concatenate([self.effects, self.others])


def _proportional(pooled: _Pooled, others: Array, apart: tuple[Array, Array]) -> _Proportional:
    """Maximize over the angle, too: from the best proportional effects near free ones, and from equal ones."""
    left, size, right = np.linalg.svd(np.column_stack(apart), full_matrices=False)
    starts = [(float(np.arctan2(right[0, 1], right[0, 0])), left[:, 0] * size[0])]
    starts.append((np.pi / 4, (apart[0] + apart[1]) / np.sqrt(2)))
    found = [
        _climbed(pooled, others, angle, np.concatenate([effects, np.zeros(others.shape[2])]))
        for angle, effects in starts
    ]
    _, angle, values = max(found, key=lambda f: f[0])
    k = pooled.terms.shape[2]
    return _Proportional(angle=angle, effects=values[:k], others=values[k:])


def _climbed(pooled: _Pooled, others: Array, angle: float, values: Array) -> tuple[float, float, Array]:
    """Return log-likelihood, angle and values where Newton's steps end; predictors are bilinear in these."""
    reached, score, information = _slope(pooled, others, angle, values)
    for _ in range(_MOST_STEPS):
        step = np.linalg.lstsq(information, score)[0]
        gain, length = float(score @ step), 1.0
        if gain < _GAIN_TOLERANCE:
            return reached, angle, values
        while True:
            trial = angle + length * step[-1], values + length * step[:-1]
            level, *slope = _slope(pooled, others, *trial)
            if level >= reached + 1e-4 * length * gain:
                break
            length /= 2
            if length < _SHORTEST:
                return reached, angle, values
        reached, (angle, values), (score, information) = level, trial, slope
    raise DidNotConverge("the ratio of the model's effects to people's was not found")


def _slope(pooled: _Pooled, others: Array, angle: float, values: Array) -> tuple[float, Array, Array]:
    """Return log-likelihood, score and expected information by the values, then the angle."""
    k, counts = pooled.terms.shape[2], pooled.cells.counts
    column = pooled.ratio_column(angle, values[:k])
    design = np.concatenate([pooled.turned(angle), others, column], axis=2)
    evaluated = pooled.cells.rule.evaluate(design[:, :, :-1] @ values, pooled.cells.offered)
    seen = counts > 0
    pull = np.einsum("cj,cjm->cm", counts, np.where(seen[:, :, None], evaluated.first, 0.0))
    second = np.where(seen[:, :, None, None], evaluated.second, 0.0)
    bend = -np.einsum("cj,cjmn->cmn", counts, second)
    p = design.shape[2]
    information = design.reshape(-1, p).T @ (bend @ design).reshape(-1, p)
    return (
        float((counts[seen] * evaluated.log_p[seen]).sum()),
        pull.ravel() @ design.reshape(-1, p),
        information,
    )


def _effects_test(pooled: _Pooled, own: _Proportional, likelihoods: Sequence[float]) -> GroupTest:
    k = pooled.terms.shape[2]
    if k < 2:
        return GroupTest(
            adds=OWN_EFFECTS,
            df=0,
            statistic=None,
            p_if_independent=None,
            f=None,
            n_clusters=_n_clusters(pooled),
            p=None,
            reason="with a single effect, its difference is one of scale",
        )
    cos, sin = np.cos(own.angle), np.sin(own.angle)
    # Proportional effects, moved along their own directions and along the ratio; what is orthogonal is new.
    ahead = own.effects[:, None]
    along = np.block([[cos * np.eye(k), -sin * ahead], [sin * np.eye(k), cos * ahead]])
    new = linalg.null_space(along.T, rcond=1e-9)
    both = np.concatenate([pooled.of_side(model=False), pooled.of_side(model=True)], axis=2)
    design, values = own.of(pooled, pooled.own)
    column = pooled.ratio_column(own.angle, own.effects)
    return _test(
        pooled,
        OWN_EFFECTS,
        likelihoods,
        np.concatenate([design, column], axis=2),
        both @ new,
        [*values, 0.0],
    )


def _test(
    pooled: _Pooled,
    adds: str,
    likelihoods: Sequence[float],
    smaller: Array,
    new: Array,
    values: Sequence[float],
) -> GroupTest:
    df = new.shape[2]
    statistic = max(0.0, 2 * (likelihoods[1] - likelihoods[0]))
    f, p, reason = _score_test(pooled, smaller, new, np.array([*values, *np.zeros(df)]))
    return GroupTest(
        adds=adds,
        df=df,
        statistic=statistic,
        p_if_independent=float(stats.chi2.sf(statistic, df)),
        f=f,
        n_clusters=_n_clusters(pooled),
        p=p,
        reason=reason,
    )


def _score_test(
    pooled: _Pooled, smaller: Array, new: Array, values: Array
) -> tuple[float | None, float | None, str]:
    """Test whether the score of new columns is 0 at the smaller model's estimate, by clusters within each side."""
    cells = pooled.with_design(np.concatenate([smaller, new], axis=2))
    whole = replace(cells, n_observed=len(cells.counts))
    rows = _finite_rows(whole, values)
    p, df = probabilities_at(whole, values), new.shape[2]
    weight = (cells.counts.sum(axis=1, keepdims=True) * p).ravel()
    information = (rows * weight[:, None]).T @ rows
    n_old = len(values) - df
    taken = np.linalg.lstsq(information[:n_old, :n_old], information[:n_old, n_old:])[0]
    adjust = np.hstack([-taken.T, np.eye(df)])
    total = adjust @ (cells.counts.ravel() @ rows)
    if cells.by_cluster is None:  # People and comparisons are always known here.
        return None, None, "answers do not name their respondents"
    observed = slice(0, 3 * cells.n_observed)
    scores = np.asarray(cells.by_cluster @ rows[observed]) @ adjust.T
    of_model = np.asarray(cells.by_cluster @ np.repeat(pooled.of_model, 3)[observed].astype(float)) > 0
    covariance = np.zeros((df, df))
    for own in (scores[~of_model], scores[of_model]):
        if len(own) < 2:
            return None, None, "one side has a single cluster, so nothing is known of how its answers vary"
        apart = own - own.mean(axis=0)
        covariance += len(own) / (len(own) - 1) * apart.T @ apart
    left = len(scores) - 1 - df
    size = np.linalg.eigvalsh(covariance)
    if left < 1 or size[0] <= 1e-10 * max(float(size[-1]), 1e-10):
        return None, None, "too few people and comparisons for a test by clusters"
    f = float(total @ np.linalg.solve(covariance, total)) * left / (df * (len(scores) - 2))
    return f, float(stats.f.sf(f, df, left)), ""


def _finite_rows(cells: ModelCells, values: Array) -> Array:
    """Return scores of one answer of each kind; 0 for an indecision that was not on offer."""
    rows = score_rows(cells, values)
    dense = np.asarray(rows if isinstance(rows, np.ndarray) else rows.toarray())
    return np.where(np.isfinite(dense), dense, 0.0)


def _log_likelihood(pooled: _Pooled, design: Array, values: Array) -> float:
    cells = pooled.with_design(design)
    return log_likelihood_at(replace(cells, n_observed=len(cells.counts)), values)


def _dense(cells: ModelCells, pooled: _Pooled) -> Array:
    flat = cells.design if isinstance(cells.design, np.ndarray) else cells.design.toarray()
    return np.asarray(flat).reshape(*pooled.terms.shape[:2], -1)


def _n_clusters(pooled: _Pooled) -> int:
    return pooled.cells.n_clusters


def _sentence(tests: Sequence[GroupTest]) -> str:
    found = [t for t in tests if t.p is not None and t.p < _SIGNIFICANT]
    if found:
        return (
            "The model does not choose as people do: "
            + "; ".join(f"{_FINDINGS[t.adds]} ({_p_words(t.p or 0.0)})" for t in found)
            + "."
        )
    if all(t.p is None for t in tests):
        return "No test was possible: " + "; ".join(dict.fromkeys(t.reason for t in tests)) + "."
    return (
        "No step gives the model anything of its own that its choices call for; that is no proof of likeness."
    )


def _p_words(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
