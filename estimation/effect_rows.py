"""What a fit says of each profile or attribute, in words and on one scale: rows of tables and forest plots."""

from __future__ import annotations

from dataclasses import dataclass

from estimation.effects import Term
from estimation.results import Fit
from estimation.weights import AttributeWeights, Estimate, PriorityWeights
from survey.design import Attribute, CategoricalAttribute, Profile, plain_number
from survey.wording import value_words


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRow:
    """One profile, or one attribute's effect."""

    label: str
    detail: str
    """What a named profile is, or what an attribute's effect is measured against; may be empty."""
    log_strength: Estimate
    """Of a profile, centred; of an attribute, over its whole range or against its first level, so that widths and
    sizes of all rows can be compared."""
    weight: float | None
    """Of a profile, largest = 1; None for attributes."""

    @property
    def width(self) -> float | None:
        """Of the 95 % interval; None where there is none."""
        if self.log_strength.low is None or self.log_strength.high is None:
            return None
        return self.log_strength.high - self.log_strength.low

    @property
    def numbers(self) -> str:
        """The estimate with its interval, e.g. ``+1.25 (+0.90 to +1.60)``."""
        interval = interval_words(self.log_strength)
        return signed(self.log_strength.value) + (f" ({interval})" if interval else "")

    @property
    def weight_words(self) -> str:
        """The weight with three decimals, or two digits if it is small; empty for attributes."""
        if self.weight is None:
            return ""
        return f"{self.weight:.3f}" if self.weight >= 0.01 else f"{self.weight:.2g}"


def signed(value: float) -> str:
    """Return a number with two decimals, its sign, and a true minus."""
    text = f"{value:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "−")


def interval_words(estimate: Estimate) -> str:
    """Return the interval, e.g. ``+0.90 to +1.60``; empty where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{signed(estimate.low)} to {signed(estimate.high)}"


def effect_rows(fit: Fit) -> list[EffectRow]:
    """Return one row per profile or attribute term, the strongest first."""
    return sorted(weight_rows(fit.weights), key=lambda row: (-row.log_strength.value, row.label))


def weight_rows(weights: PriorityWeights) -> list[EffectRow]:
    """Return one row per profile or attribute term, in the weights' order."""
    if isinstance(weights, AttributeWeights):
        by_name = {a.name: a for a in weights.attributes}
        return [_term_row(term, by_name, weights.coefficients[term.name]) for term in weights.terms]
    return [
        EffectRow(
            label=_profile_label(weights.attributes, profile),
            detail=_profile_detail(weights.attributes, profile),
            log_strength=estimate,
            weight=weights.weight(profile),
        )
        for profile, estimate in zip(weights.profiles, weights.log_strengths, strict=True)
    ]


def widest(fit: Fit) -> float:
    """Return the width of the widest 95 % interval of log-strengths, as :func:`effect_rows` scales them."""
    return max(row.width or 0.0 for row in effect_rows(fit))


def profile_words(attributes: tuple[Attribute, ...], profile: Profile) -> str:
    """Return a profile in a few words, one attribute after the other."""
    return ", ".join(value_words(a, profile[a.name]) for a in attributes)


def _profile_label(attributes: tuple[Attribute, ...], profile: Profile) -> str:
    return profile.name or profile_words(attributes, profile)


def _profile_detail(attributes: tuple[Attribute, ...], profile: Profile) -> str:
    words = profile_words(attributes, profile)
    return "" if words == _profile_label(attributes, profile) else words


def _term_row(term: Term, attributes: dict[str, Attribute], estimate: Estimate) -> EffectRow:
    """Return the row of one term. Steps and interactions keep their names: they have no words in the design."""
    attribute = attributes[term.attribute]
    label, detail, scale = term.name, "", 1.0
    if len(term.factors) == 1 and term.factors[0].kind == "number":
        assert not isinstance(attribute, CategoricalAttribute)  # noqa: S101 - only numbers enter as numbers
        low, high = plain_number(attribute.minimum), plain_number(attribute.maximum)
        label = f"{attribute.label}: {value_words(attribute, high)}"
        detail = f"rather than {value_words(attribute, low)}"
        scale = attribute.maximum - attribute.minimum
    elif len(term.factors) == 1 and term.factors[0].kind == "level":
        assert isinstance(attribute, CategoricalAttribute)  # noqa: S101 - only they have levels
        level = next(level for level in attribute.levels if level.name == term.factors[0].at)
        label = f"{attribute.label}: {level.words}"
        detail = f"rather than {attribute.levels[0].words}"
    return EffectRow(label=label, detail=detail, log_strength=_scaled(estimate, scale), weight=None)


def _scaled(estimate: Estimate, scale: float) -> Estimate:
    return Estimate(
        value=estimate.value * scale,
        low=None if estimate.low is None else estimate.low * scale,
        high=None if estimate.high is None else estimate.high * scale,
    )
