"""Does a model need its extra parameters? Likelihood ratios, beside tests that know whose answers are alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse, stats

from estimation.assembly import Assembled, assemble
from estimation.choice_model import maximize
from estimation.connectivity import connectivity
from estimation.dataset import ChoiceData
from estimation.effects import EffectKind, Shape
from estimation.errors import EstimationError
from estimation.existence import check_estimable
from estimation.specification import Specification
from estimation.uncertainty import sandwich

Array = NDArray[np.float64]

ORDER = "being shown first"
DISTANCE = "pull of indecision by attribute distance"
PULL_BY_GROUP = "pull of indecision by group"
EFFECTS_BY_GROUP = "attribute effects by group"
PROFILES = "free profiles beyond attributes"

FEWEST_PER_PROFILE = 10
"""With fewer answers for each, free profiles are noise and ratios have no chi-squared distribution."""

# A smaller model's design is in the larger one's span if nothing but rounding is left over.
_LEFT_OVER = 1e-7
# Designs with more numbers than this would make the search for the restriction slower than the fits.
_MOST_NUMBERS = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelihoodRatio:
    """A smaller model against a larger one that contains it."""

    question: str
    """What the larger model adds, in words."""
    statistic: float
    """Twice the difference of the log-likelihoods."""
    df: int
    """Parameters that the larger model adds."""
    p: float
    """Chi-squared, as if answers were independent: too small where respondents differ."""
    wald_f: float | None
    """Wald's statistic with the larger model's cluster-robust covariance, over ``df``. None where there are not
    more clusters than added parameters, so that the covariance is singular."""
    wald_df: int
    """Second degrees of freedom of ``wald_f``: clusters less one."""
    wald_p: float | None
    design_effect: float
    """By how much clustering multiplies the variance of what is tested, averaged (Rao and Scott 1984)."""
    adjusted_p: float
    """Chi-squared p of ``statistic`` over ``design_effect`` (Rao and Scott's first-order correction)."""
    n_clusters: int
    smaller_log_likelihood: float
    larger_log_likelihood: float

    @property
    def robust_p(self) -> float:
        """The p value to go by: Wald's, or where there is none the adjusted one."""
        return self.adjusted_p if self.wald_p is None else self.wald_p


@dataclass(frozen=True, slots=True, kw_only=True)
class NoTest:
    """A test that the data do not allow."""

    question: str
    reason: str


def likelihood_ratio(
    data: ChoiceData, smaller: Specification, larger: Specification, question: str
) -> LikelihoodRatio:
    """Test a model against a larger one that contains it.

    Which restriction turns the larger into the smaller model is found from their designs, so any nested pair of
    models with the same rule of indecision will do.

    Parameters
    ----------
    question
        What the larger model adds, for the result.

    Raises
    ------
    EstimationError
        The larger model does not contain the smaller one, adds nothing, or has no unique finite estimate
        (also as its kinds ``NotIdentified`` and ``Separated``).

    References
    ----------
    Rao and Scott (1984), Ann. Statist. 12 (design effects); Cameron and Miller (2015), J. Human Resources 50
    (Wald tests with few clusters).
    """
    one, other = assemble(data, smaller), assemble(data, larger)
    for assembled in (one, other):
        if not assembled.cells.rule.concave or assembled.cells.is_bounded:
            raise EstimationError(
                "likelihood-ratio tests need a model whose likelihood has a single maximum and no bounds"
            )
        check_estimable(assembled.cells)
    restriction = _restriction(one, other)
    small, large = maximize(one.cells), maximize(other.cells)
    statistic = max(0.0, 2 * (large.log_likelihood - small.log_likelihood))
    df = len(restriction)
    departure = restriction @ large.values
    n_clusters = other.cells.n_clusters
    if n_clusters < 2:
        raise EstimationError("all answers form one cluster, so nothing can be tested")
    naive = restriction @ np.linalg.inv(large.information) @ restriction.T
    robust = restriction @ sandwich(other.cells, large) @ restriction.T
    design_effect = float(np.trace(np.linalg.solve(naive, robust)) / df)
    wald_f = wald_p = None
    # The clusters' scores sum to zero, so their covariance has at most one rank less than there are clusters.
    if n_clusters > df:
        wald_f = float(departure @ np.linalg.solve(robust, departure) / df)
        wald_p = float(stats.f.sf(wald_f, df, n_clusters - 1))
    return LikelihoodRatio(
        question=question,
        statistic=statistic,
        df=df,
        p=float(stats.chi2.sf(statistic, df)),
        wald_f=wald_f,
        wald_df=n_clusters - 1,
        wald_p=wald_p,
        design_effect=design_effect,
        adjusted_p=float(stats.chi2.sf(statistic / design_effect, df)),
        n_clusters=n_clusters,
        smaller_log_likelihood=small.log_likelihood,
        larger_log_likelihood=large.log_likelihood,
    )


def attributes_against_profiles(data: ChoiceData, spec: Specification) -> LikelihoodRatio:
    """Test whether attributes explain the profiles' strengths, against a free strength for every profile.

    Raises
    ------
    EstimationError
        As :func:`likelihood_ratio`; or the profiles fall into groups never compared, or have fewer than ten answers
        each, with which the ratio has no chi-squared distribution.
    """
    n, answers = len(data.profiles), data.n_answers
    graph = connectivity(data, by_indecision=spec.uses_indecision, half_wins=spec.half_wins)
    if not graph.is_connected:
        raise EstimationError(
            f"the profiles fall into {len(graph.islands)} groups that were never compared with each other, so free "
            "strengths have no common scale"
        )
    if answers < FEWEST_PER_PROFILE * n:
        raise EstimationError(
            f"{answers} answers are fewer than {FEWEST_PER_PROFILE} for each of {n} profiles, too few to "
            "estimate a free strength for each"
        )
    free = replace(spec, effects=EffectKind.PROFILES, shape=Shape(), effects_by_group=False)
    own = replace(spec, effects=EffectKind.ATTRIBUTES, effects_by_group=False)
    return likelihood_ratio(data, own, free, PROFILES)


def order_effect(data: ChoiceData, spec: Specification) -> LikelihoodRatio:
    """Test whether being shown first (left) matters."""
    return likelihood_ratio(data, replace(spec, order_effect=False), replace(spec, order_effect=True), ORDER)


def pull_by_distance(data: ChoiceData, spec: Specification) -> LikelihoodRatio:
    """Test whether indecision depends on how different the profiles' attributes are."""
    return likelihood_ratio(
        data,
        replace(spec, by_distance=False),
        replace(spec, by_distance=True),
        DISTANCE,
    )


def pull_by_group(data: ChoiceData, spec: Specification) -> LikelihoodRatio:
    """Test whether groups of answers differ in their pull of indecision."""
    return likelihood_ratio(
        data,
        replace(spec, pull_by_group=False),
        replace(spec, pull_by_group=True),
        PULL_BY_GROUP,
    )


def effects_by_group(data: ChoiceData, spec: Specification) -> LikelihoodRatio:
    """Test whether groups of answers differ in their attribute effects; pulls may differ in both models."""
    both = replace(spec, pull_by_group=spec.uses_indecision)
    return likelihood_ratio(
        data,
        replace(both, effects_by_group=False),
        replace(both, effects_by_group=True),
        EFFECTS_BY_GROUP,
    )


def standard_tests(data: ChoiceData, spec: Specification) -> tuple[LikelihoodRatio | NoTest, ...]:
    """Run every test above that makes sense for a model; what the data do not allow is returned with the reason."""
    tests = {ORDER: order_effect}
    by_attribute = spec.effect_kind is EffectKind.ATTRIBUTES
    if by_attribute:
        tests[PROFILES] = attributes_against_profiles
    if spec.uses_indecision:
        tests[DISTANCE] = pull_by_distance
    if len(data.groups) > 1 and spec.uses_indecision:
        tests[PULL_BY_GROUP] = pull_by_group
    if len(data.groups) > 1 and by_attribute:
        tests[EFFECTS_BY_GROUP] = effects_by_group
    found: list[LikelihoodRatio | NoTest] = []
    for question, test in tests.items():
        try:
            found.append(test(data, spec))
        except EstimationError as error:
            found.append(NoTest(question=question, reason=str(error)))
    return tuple(found)


def test_lines(tests: tuple[LikelihoodRatio | NoTest, ...]) -> Iterator[str]:
    """Yield the tests as lines for the terminal."""
    for t in tests:
        if isinstance(t, NoTest):
            yield f"{t.question}: not tested; {t.reason}"
            continue
        wald = "" if t.wald_f is None else f"Wald F({t.df}, {t.wald_df}) {t.wald_f:.2f}, p {t.wald_p:.3g}; "
        yield (
            f"{t.question}: LR {t.statistic:.2f} on {t.df} df, p {t.p:.3g} if answers were independent; "
            f"by cluster {wald}design effect {t.design_effect:.2f}, adjusted p {t.adjusted_p:.3g}"
        )


test_lines.__test__ = False  # type: ignore[attr-defined]  # No test of pytest's.


def _restriction(smaller: Assembled, larger: Assembled) -> Array:
    """Return orthonormal rows R such that R @ parameters = 0 exactly where the larger model is the smaller.

    Both designs map parameters to the same predictors. The larger model's parameters that stand for a parameter of
    the smaller one solve a least-squares problem without remainder; R spans what is orthogonal to all of them.
    """
    if smaller.cells.rule != larger.cells.rule or not np.array_equal(
        smaller.cells.counts, larger.cells.counts
    ):
        raise EstimationError(
            "the two models explain different answers or indecision differently: not nested"
        )
    shape = larger.cells.design.shape
    if shape[0] * shape[1] > _MOST_NUMBERS:
        raise EstimationError(
            f"{shape[1]} parameters over {shape[0]} presentations are too many for this test"
        )
    small, large = _dense(smaller), _dense(larger)
    both = np.unique(np.hstack([small, large]), axis=0)
    both = both / np.maximum(np.abs(both).max(axis=0), np.finfo(float).tiny)
    # Scaling the columns is undone below: R is about unscaled parameters.
    reach = np.maximum(np.abs(large).max(axis=0), np.finfo(float).tiny)
    n = small.shape[1]
    stands_for, *_ = np.linalg.lstsq(both[:, n:], both[:, :n], rcond=None)
    left_over = np.abs(both[:, n:] @ stands_for - both[:, :n]).max(initial=0.0)
    if left_over > _LEFT_OVER:
        raise EstimationError(
            "the larger model does not contain the smaller one, so they cannot be tested so"
        )
    rows = linalg.null_space(stands_for.T, rcond=1e-9).T
    if not len(rows):
        raise EstimationError(
            "the larger model adds no parameter to the smaller one: there is nothing to test"
        )
    return np.asarray(rows * reach)


def _dense(assembled: Assembled) -> Array:
    design = assembled.cells.design
    return np.asarray(design.toarray() if sparse.issparse(design) else design)
