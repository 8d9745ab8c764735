"""What to do with an indecision is a convention; this shows what each convention does to the weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from estimation.dataset import ChoiceData
from estimation.effects import EffectKind, Shape, term_matrix
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.results import Fit
from estimation.specification import Model, Specification
from estimation.uncertainty import LEVEL, Intervals
from estimation.weights import AttributeWeights
from survey.design import Profile

Array = NDArray[np.float64]

DROPPED, HALF_WIN, DAVIDSON, RAO_KUPPER = "dropped", "half win", "Davidson", "Rao-Kupper"

AIC_MATTERS = 4.0
"""Davidson's and Rao and Kupper's models are told apart by the answers from this difference in AIC on."""

# Attribute models have a weight for every profile; more than these nobody compares, so effects are shown instead.
_MOST_PROFILES = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Convention:
    """The weights under one convention."""

    name: str
    log_strengths: Array
    """Shape (n_rows,), centred for profiles."""
    weights: Array
    """Largest = 1, shape (n_rows,). For attribute effects: the weight of the worse end if the better end has 1."""
    low: Array
    """Lower ends of 95 % intervals of the weights: percentiles of joint draws, each scaled to its own largest."""
    high: Array
    order: tuple[str, ...]
    """Row names, greatest weight first; for attribute effects the strongest first."""
    log_likelihood: float
    aic: float
    n_answers: int
    note: str
    """How the fit was regularized; empty if it was not."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conventions:
    """What :func:`conventions` finds."""

    rows: tuple[str, ...]
    """Profiles, or attribute effects."""
    of_effects: bool
    """Whether the rows are attribute effects."""
    conventions: tuple[Convention, ...]
    refused: tuple[tuple[str, str], ...]
    """Conventions without an estimate, with the reason."""
    greatest_ratio: float
    """Of one row's weights under two conventions; 1 if the convention does not matter."""
    greatest_row: str
    greatest_pair: tuple[str, str]
    """The conventions that give that row its least and its greatest weight."""
    order_changes: bool
    aic_difference: float | None
    """Davidson's AIC less Rao and Kupper's: positive favors Rao and Kupper. None if either is missing."""
    rules_differ: bool
    """Whether the answers tell the two apart (by more than 4 in AIC), or they rank differently."""
    sentences: tuple[str, ...]
    """What the convention does, in words."""


def conventions(
    data: ChoiceData,
    *,
    effects: EffectKind = EffectKind.PROFILES,
    shape: Shape | None = None,
    profiles: Sequence[Profile] = (),
    order_effect: bool = False,
    draws: int | None = None,
    seed: int = 0,
) -> Conventions:
    """Estimate weights under four conventions for indecision: dropped, half a win for each, Davidson, Rao-Kupper.

    Parameters
    ----------
    effects, shape
        Free profiles, or attributes and how they enter.
    profiles
        Of an attribute model, whose weights to compare; none given: those of the data if there are at most 16, else
        the effects of the attributes over the range seen.
    draws, seed
        Number and seed of the draws behind the intervals; with those of a fit, its intervals of weights come out.

    Raises
    ------
    EstimationError
        No indecision is among the answers, or no convention has an estimate.
    """
    if not data.n_indecisions:
        raise EstimationError("there is no indecision among the answers, so no convention for it matters")
    by_profile = effects is EffectKind.PROFILES
    plain = Specification(
        model=Model.BRADLEY_TERRY if by_profile else Model.CONDITIONAL_LOGIT,
        effects=effects,
        shape=shape or Shape(),
        order_effect=order_effect,
        seed=seed,
    )
    specifications = {
        DROPPED: plain,
        HALF_WIN: replace(plain, half_wins=True),
        DAVIDSON: replace(plain, model=Model.DAVIDSON if by_profile else Model.MIN_DELTA),
        RAO_KUPPER: replace(plain, model=Model.RAO_KUPPER),
    }
    if by_profile or (not profiles and len(data.profiles) <= _MOST_PROFILES):
        profiles = data.profiles
    found: list[Convention] = []
    refused: list[tuple[str, str]] = []
    rows: tuple[str, ...] = ()
    for name, spec in specifications.items():
        try:
            made = fit(data, spec, intervals=Intervals(draws=draws or None, seed=seed))
        except EstimationError as error:
            refused.append((name, str(error)))
            continue
        rows, convention = _convention(name, made, data, profiles)
        found.append(convention)
    if not found:
        raise EstimationError("no convention for indecision has an estimate; " + refused[0][1])
    return _compared(rows, found, refused, of_effects=not profiles)


def conventions_record(found: Conventions) -> dict[str, object]:
    """Return the conventions as JSON holds them."""
    return {
        "rows": list(found.rows),
        "of_effects": found.of_effects,
        "conventions": [
            {
                "name": c.name,
                "weights": {
                    row: {"log_strength": s, "weight": w, "low": lo, "high": hi}
                    for row, s, w, lo, hi in zip(
                        found.rows,
                        c.log_strengths.tolist(),
                        c.weights.tolist(),
                        c.low.tolist(),
                        c.high.tolist(),
                        strict=True,
                    )
                },
                "order": list(c.order),
                "log_likelihood": c.log_likelihood,
                "n_answers": c.n_answers,
                "note": c.note,
            }
            for c in found.conventions
        ],
        "refused": dict(found.refused),
        "greatest_ratio": found.greatest_ratio,
        "order_changes": found.order_changes,
        "aic_davidson_less_rao_kupper": found.aic_difference,
        "rules_differ": found.rules_differ,
        "sentences": list(found.sentences),
    }


def conventions_lines(found: Conventions) -> Iterator[str]:
    """Yield the weights side by side, then what the convention does, for the terminal."""
    width = max(len("effect"), *(len(row) for row in found.rows))
    heading = "  ".join(f"{c.name:<21}" for c in found.conventions)
    yield f"{'effect' if found.of_effects else 'profile':<{width}}  {heading}".rstrip()
    rows: Sequence[int] = range(len(found.rows))
    if not found.of_effects:  # As a fit lists them: the strongest first.
        rows = np.argsort(-found.conventions[0].weights, kind="stable").tolist()
    for i in rows:
        row = found.rows[i]
        cells = (f"{c.weights[i]:.3f} ({c.low[i]:.3f} … {c.high[i]:.3f})" for c in found.conventions)
        yield f"{row:<{width}}  {'  '.join(f'{cell:<21}' for cell in cells)}".rstrip()
    for name, reason in found.refused:
        yield f"{name}: {reason}"
    yield from found.sentences


def _convention(
    name: str, made: Fit, data: ChoiceData, profiles: Sequence[Profile]
) -> tuple[tuple[str, ...], Convention]:
    n = len(made.values) - len(made.others)
    strengths, draws = made.values[:n], made.draws[:, :n]
    if isinstance(made.weights, AttributeWeights):
        terms = made.weights.terms
        if profiles:
            values = term_matrix(terms, profiles)
            strengths, draws = strengths @ values.T, draws @ values.T
            strengths, draws = strengths - strengths.mean(), draws - draws.mean(axis=1, keepdims=True)
            rows = tuple(p.id for p in profiles)
        else:
            values = term_matrix(terms, data.profiles)
            reach = np.ptp(values, axis=0)
            strengths, draws = strengths * reach, draws * reach
            rows = tuple(f"{t.name} (over {r:g})" for t, r in zip(terms, reach, strict=True))
    else:
        rows = data.names
    weights, drawn = (_weights(s, of_effects=not profiles) for s in (strengths, draws))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    strongest = np.argsort(-weights if profiles else weights, kind="stable")
    return rows, Convention(
        name=name,
        log_strengths=strengths,
        weights=weights,
        low=low,
        high=high,
        order=tuple(rows[int(i)] for i in strongest),
        log_likelihood=made.log_likelihood,
        aic=made.aic,
        n_answers=made.n_answers,
        note=made.gate.reason,
    )


def _weights(strengths: Array, *, of_effects: bool) -> Array:
    """Return the weights, largest = 1; of effects, the weight of each one's worse end against its better end."""
    if of_effects:
        return np.asarray(np.exp(-np.abs(strengths)))
    return np.asarray(np.exp(strengths - strengths.max(axis=-1, keepdims=True)))


def _compared(
    rows: tuple[str, ...], found: list[Convention], refused: list[tuple[str, str]], *, of_effects: bool
) -> Conventions:
    table = np.array([c.weights for c in found])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(table.max(axis=0) / table.min(axis=0), nan=1.0)
    at = int(ratio.argmax())
    least, most = found[int(table[:, at].argmin())], found[int(table[:, at].argmax())]
    order_changes = len({c.order for c in found}) > 1
    sentences = []
    if ratio[at] > 1:
        sentences.append(
            f"The convention matters most for '{rows[at]}': its weight is {least.weights[at]:.3g} under "
            f"{least.name} and {most.weights[at]:.3g} under {most.name}, a factor of {ratio[at]:.3g}."
        )
    what = "effects, strongest first," if of_effects else "profiles"
    if order_changes:
        changed = [c.name for c in found if c.order != found[0].order]
        sentences.append(
            f"The order of the {what} changes with the convention ({', '.join(changed)} against {found[0].name})."
        )
    else:
        sentences.append(f"The order of the {what} is the same under all of them.")
    by_name = {c.name: c for c in found}
    difference = None
    rules_differ = False
    if DAVIDSON in by_name and RAO_KUPPER in by_name:
        davidson, rao_kupper = by_name[DAVIDSON], by_name[RAO_KUPPER]
        difference = davidson.aic - rao_kupper.aic
        ranks = davidson.order != rao_kupper.order
        rules_differ = abs(difference) > AIC_MATTERS or ranks
        better = RAO_KUPPER if difference > 0 else DAVIDSON
        weight = "clearly favors" if abs(difference) > AIC_MATTERS else "hardly favors"
        sentences.append(
            f"AIC {weight} {better} (by {abs(difference):.2f})"
            + (" and the two rank differently." if ranks else ".")
        )
        sentences.append(
            "Davidson's log-strengths are on a larger scale than Rao and Kupper's for the same choices: their "
            "weights answer the same question, but a ratio of 2 in one is not a ratio of 2 in the other."
        )
    return Conventions(
        rows=rows,
        of_effects=of_effects,
        conventions=tuple(found),
        refused=tuple(refused),
        greatest_ratio=float(ratio[at]),
        greatest_row=rows[at],
        greatest_pair=(least.name, most.name),
        order_changes=order_changes,
        aic_difference=difference,
        rules_differ=rules_differ,
        sentences=tuple(sentences),
    )
