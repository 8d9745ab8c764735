"""Weights that belong together: a list of strengths, draws of an estimate, an estimate with a coefficient moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isfinite, log

from estimation.weights import AttributeWeights, Estimate, PriorityWeights, ProfileWeights
from exchange.errors import BadRequest
from exchange.named_weights import NamedWeights
from survey.design import StudyDesign

MOVED_SHARE = 0.2
"""How far a coefficient without an interval is moved, as a share of itself."""
_NORMAL_95 = 1.959963984540054


def listed_weights(strengths: Mapping[str, float], study: StudyDesign) -> ProfileWeights:
    """Return weights with a strength for each profile of a study.

    Parameters
    ----------
    strengths
        By the profile's id; above 0, on any scale.

    Raises
    ------
    BadRequest
        The study lists no profiles, one is left out or unknown, or a strength is not above 0.
    """
    profiles = study.profiles()
    if not profiles:
        raise BadRequest(f"study '{study.slug}' lists no profiles; use weights of attributes from a file")
    known = {profile.id: profile for profile in profiles}
    for name, strength in strengths.items():
        if name not in known:
            raise BadRequest(
                f"study '{study.slug}' has no profile '{name}'; its profiles are {', '.join(known)}"
            )
        if not isfinite(strength) or strength <= 0:
            raise BadRequest(f"{name} = {strength:g}: a weight must be above 0")
    missing = [name for name in known if name not in strengths]
    if missing:
        raise BadRequest(f"lacks {', '.join(missing)}; give every profile of study '{study.slug}' a weight")
    logs = {name: log(strengths[name]) for name in known}
    center = sum(logs.values()) / len(logs)
    return ProfileWeights(
        attributes=study.attributes,
        profiles=tuple(profiles),
        log_strengths=tuple(Estimate(value=value - center) for value in logs.values()),
    )


def drawn(named: NamedWeights, count: int) -> Iterator[tuple[str, PriorityWeights]]:
    """Yield the first draws of an estimate, each with the end of its condition's name: ``#1``, ``#2`` …

    Raises
    ------
    BadRequest
        There are not so many.
    """
    if len(named.draws) < count:
        raise BadRequest(
            f"{count} draws are asked for, and {named.words} keeps {len(named.draws)}; ask for fewer, or fit again "
            "with more ('equipoise estimate fit --draws')"
        )
    for i, weights in enumerate(named.draws[:count], start=1):
        yield f"#{i}", weights


def moved(named: NamedWeights) -> Iterator[tuple[str, PriorityWeights]]:
    """Yield weights of attributes with one coefficient moved up, then down, and the end of the condition's name.

    A coefficient is moved by its standard error, that of its 95 % interval; without one, by a fifth of itself.

    Raises
    ------
    BadRequest
        They are weights of profiles, which have no coefficients.
    """
    weights = named.weights
    if not isinstance(weights, AttributeWeights):
        raise BadRequest(
            f"sensitivity moves coefficients of attributes, and {named.words} has a weight for each profile; use "
            "weights of attributes"
        )
    for term in weights.terms:
        estimate = weights.coefficients[term.name]
        step, what = MOVED_SHARE * abs(estimate.value), f"{100 * MOVED_SHARE:.0f} %"
        if estimate.low is not None and estimate.high is not None:
            step, what = (estimate.high - estimate.low) / (2 * _NORMAL_95), "se"
        for sign, by in (("+", step), ("-", -step)):
            coefficients = {**weights.coefficients, term.name: Estimate(value=estimate.value + by)}
            amount = f"{sign}1 {what}" if what == "se" else f"{sign}{what}"
            yield f"{term.name} {amount}", replace(weights, coefficients=coefficients)
