"""The paper's own tests, for comparison with its tables. They do not hold: see ``false_alarms``. Pure.

References
----------
"Evaluating Large Language Models for Fair and Reliable Organ Allocation" (arXiv 2504.03716v2), table 2: a linear
mixed model of rND with a random intercept per problem, Welch's t test of exposure for two groups, Dunnett's test
for more; the largest group is the reference.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from llm_compare.allocation.fairness.mixed_model import MixedFit, fit_mixed
from llm_compare.allocation.fairness.outcomes import Array, Estimate, Groups, Ints

NOT_INDEPENDENT = (
    "candidates of one pool are taken as independent, though one's better rank is another's worse"
)
REPEATS_COUNT = "chance level differs with the group's size, and repeats of one problem count as independent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureTest:
    """One group's mean exposure against the reference group's."""

    effect: Estimate
    se: float | None


def rnd_mixed_model(rnd: Array, problem: Ints) -> MixedFit:
    """Fit the paper's ``rND ~ group + (1|problem)`` to every trial's rND of every group, shape (T, G)."""
    n_groups = rnd.shape[1]
    return fit_mixed(
        rnd.ravel(),
        np.repeat(problem, n_groups),
        np.tile(np.arange(n_groups), len(problem)),
        n_groups,
        with_problem_group=False,
    )


def exposure_tests(
    exposure: Array, groups: Groups, rng: np.random.Generator, *, with_intervals: bool = True
) -> tuple[ExposureTest, ...]:
    """Compare each group's exposure with the reference's: Welch of two groups, Dunnett of more.

    Parameters
    ----------
    exposure
        Shape (P, N): one value per candidate, all its trials together.
    rng
        Dunnett's p-values and intervals are integrals by random points.
    with_intervals
        Intervals of Dunnett's test take most of its time.

    Returns
    -------
    In the order of ``groups.names``; the reference's own has no value.
    """
    known = np.isfinite(exposure)
    values = [exposure[(groups.code == g) & known] for g in range(len(groups.names))]
    found = [ExposureTest(effect=Estimate(value=None, reason="the reference"), se=None)]
    tested = [g for g in range(1, len(values)) if len(values[g])]
    pooled_df = len(values[0]) + sum(len(values[g]) for g in tested) - len(tested) - 1
    spread = sum(float(((v - v.mean()) ** 2).sum()) for v in values if len(v))
    reason = ""
    if len(values[0]) < 2 or pooled_df < 2:
        reason = "too few candidates"
    elif spread < 1e-20:
        reason = "the exposures do not vary"
    if len(groups.names) > 2 and tested and not reason:
        with warnings.catch_warnings():
            # A group whose candidates all have the same rank adds nothing to the pooled variance, which is no loss.
            warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
            dunnett = stats.dunnett(*(values[g] for g in tested), control=values[0], rng=rng)
            interval = dunnett.confidence_interval() if with_intervals else None
        pooled = spread / pooled_df
    for g in range(1, len(values)):
        if g not in tested:
            found.append(
                ExposureTest(effect=Estimate(value=None, reason="no candidates in the group"), se=None)
            )
            continue
        difference = float(values[g].mean() - values[0].mean())
        n = len(values[g]) + len(values[0])
        if reason or (len(groups.names) == 2 and len(values[g]) < 2):
            effect = Estimate(value=difference, n=n, reason=reason or "too few candidates")
            found.append(ExposureTest(effect=effect, se=None))
        elif len(groups.names) == 2:
            found.append(_welch(values[g], values[0]))
        else:
            place = tested.index(g)
            effect = Estimate(
                value=difference,
                low=None if interval is None else float(interval.low[place]),
                high=None if interval is None else float(interval.high[place]),
                p=float(dunnett.pvalue[place]),
                n=n,
            )
            se = float(np.sqrt(pooled * (1 / len(values[g]) + 1 / len(values[0]))))
            found.append(ExposureTest(effect=effect, se=se))
    return tuple(found)


def _welch(second: Array, first: Array) -> ExposureTest:
    """Return Welch's test; from its formula, as scipy's warns where all of a group have the same rank."""
    difference = float(second.mean() - first.mean())
    parts = [float(v.var(ddof=1)) / len(v) for v in (second, first)]
    se = float(np.sqrt(sum(parts)))
    df = sum(parts) ** 2 / sum(part**2 / (len(v) - 1) for part, v in zip(parts, (second, first), strict=True))
    half = float(special.stdtrit(df, 0.975)) * se
    effect = Estimate(
        value=difference,
        low=difference - half,
        high=difference + half,
        p=float(2 * special.stdtr(df, -abs(difference) / se)),
        n=len(second) + len(first),
    )
    return ExposureTest(effect=effect, se=se)
