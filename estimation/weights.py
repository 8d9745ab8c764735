"""Priority weights: what the exchange is given. Largest weight = 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp

from estimation.errors import NoWeight
from survey.design import Attribute, CategoricalAttribute, Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its interval."""

    value: float
    low: float | None = None
    """Lower end of the 95 % interval; None where none was computed."""
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileWeights:
    """One estimated log-strength per profile of the study."""

    attributes: tuple[Attribute, ...]
    profiles: tuple[Profile, ...]
    log_strengths: tuple[Estimate, ...]
    """One per profile, centred (sum 0)."""

    def weight(self, profile: Profile) -> float:
        """Return the profile's weight: its strength over the greatest strength, in (0, 1].

        Raises
        ------
        NoWeight
            The profile was not among the estimated ones.
        """
        top = max(e.value for e in self.log_strengths)
        for known, estimate in zip(self.profiles, self.log_strengths, strict=True):
            if known == profile:
                return exp(estimate.value - top)
        raise NoWeight(
            f"no weight for profile '{profile.id}'; the weights cover {', '.join(p.id for p in self.profiles)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeWeights:
    """One coefficient per numeric attribute and per level beyond the first of a categorical one."""

    attributes: tuple[Attribute, ...]
    coefficients: Mapping[str, Estimate]
    """``age`` (log-strength per unit) or ``drinking=heavy`` (against the attribute's first level)."""

    def weight(self, profile: Profile) -> float:
        """Return exp(log-strength), scaled so that the best conceivable profile has weight 1.

        Raises
        ------
        NoWeight
            The profile lacks an attribute, or has a level that was never estimated.
        """
        total = 0.0
        given = profile.as_dict()
        for attribute in self.attributes:
            if attribute.name not in given:
                raise NoWeight(
                    f"profile '{profile.id}' has no attribute '{attribute.name}', on which the weights depend; "
                    f"they need {', '.join(a.name for a in self.attributes)}"
                )
            effects = self._effects(attribute)
            value = given[attribute.name]
            if isinstance(attribute, CategoricalAttribute):
                if value not in effects:
                    raise NoWeight(
                        f"no weight for {attribute.name} = {value!r}; its levels are {', '.join(effects)}"
                    )
                total += effects[str(value)] - max(effects.values())
            else:
                slope = self.coefficients[attribute.name].value
                if not isinstance(value, int | float):
                    raise NoWeight(f"attribute '{attribute.name}' needs a number, not {value!r}")
                best = attribute.minimum if slope < 0 else attribute.maximum
                # A patient beyond the study's range is extrapolated, not clipped: the weight may exceed 1.
                total += slope * (value - best)
        return exp(total)

    def _effects(self, attribute: Attribute) -> dict[str, float]:
        if not isinstance(attribute, CategoricalAttribute):
            return {}
        reference, *others = attribute.level_names
        return {
            reference: 0.0,
            **{
                name: self.coefficients[f"{attribute.name}={name}"].value
                for name in others
                if f"{attribute.name}={name}" in self.coefficients
            },
        }


PriorityWeights = ProfileWeights | AttributeWeights
