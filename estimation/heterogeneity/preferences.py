"""A population's preferences: a normal distribution of coefficients, from which every donor may draw their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from estimation.effects import Term, term_matrix, term_named
from estimation.errors import BadWeights, EstimationError, NoWeight
from estimation.uncertainty import normal_draw_of_each, normal_draws
from estimation.weights import check_value
from survey.design import Attribute, Profile

Array = NDArray[np.float64]

# Rounding in files and eigenvalues may make a singular covariance slightly indefinite.
_ROUNDING = 1e-8


class Scaling(StrEnum):
    """How a drawn preference function becomes weights of given profiles."""

    RESCALED = "rescaled"
    """Log-strengths shifted and stretched so that the best of the profiles has 1 and the worst 0 (Freedman
    2020). If all are alike, all have 1."""
    STRENGTHS = "strengths"
    """Strengths over the greatest of them, exp(log-strength - greatest), in (0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreferenceDistribution:
    """Coefficients of a population's members: normal with a mean and a covariance.

    References
    ----------
    Freedman (2020), Aligning with Heterogeneous Preferences for Kidney Exchange, AISafety, CEUR 2640; the random
    coefficients of Berry, Levinsohn and Pakes (1995), Econometrica 63.
    """

    attributes: tuple[Attribute, ...]
    terms: tuple[Term, ...]
    """What the coefficients multiply; empty if each profile has a log-strength of its own."""
    profiles: tuple[Profile, ...] = ()
    """The profiles that have log-strengths of their own; empty for an attribute model."""
    mean: Array
    """Shape (n_coefficients,)."""
    covariance: Array
    """Between members of the population, not uncertainty of the mean; shape (n_coefficients, n_coefficients)."""

    def __post_init__(self) -> None:
        n = len(self.names)
        if bool(self.terms) == bool(self.profiles):
            raise BadWeights("a population's preferences need either attribute terms or profiles")
        if self.mean.shape != (n,) or self.covariance.shape != (n, n):
            raise BadWeights(
                f"a population of {n} coefficients needs a mean of {n} and a covariance of {n} x {n} numbers, not "
                f"{self.mean.shape} and {self.covariance.shape}"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise BadWeights("a population's mean and covariance must be finite numbers")
        size = max(float(np.abs(self.covariance).max(initial=0.0)), 1e-300)
        if np.abs(self.covariance - self.covariance.T).max(initial=0.0) > _ROUNDING * size:
            raise BadWeights("a population's covariance must be symmetric")
        if np.linalg.eigvalsh(self.covariance).min(initial=0.0) < -_ROUNDING * size * n:
            raise BadWeights(
                "a population's covariance gives some combination of coefficients a negative variance"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The coefficients' names: terms or profiles."""
        return tuple(t.name for t in self.terms) or tuple(p.id for p in self.profiles)

    @property
    def positive_shares(self) -> Mapping[str, float]:
        """The share of the population in which each coefficient is above 0."""
        spread = np.sqrt(np.maximum(np.diag(self.covariance), 0.0))
        return dict(zip(self.names, _share_above(self.mean, spread).tolist(), strict=True))

    def draw(self, n: int, seed: int) -> Array:
        """Draw members of the population: coefficients of shape (n, n_coefficients). Same seed, same members."""
        if n < 0:
            raise EstimationError(f"cannot draw {n} members of a population")
        return normal_draws(self.mean, self.covariance, n_draws=n, seed=seed)

    def draw_each(self, seeds: Sequence[int]) -> Array:
        """Draw a member for each seed, who depends on that seed alone; shape (n_seeds, n_coefficients)."""
        return normal_draw_of_each(self.mean, self.covariance, seeds)

    def log_strengths(self, profiles: Sequence[Profile], drawn: Array) -> Array:
        """Return log-strengths of profiles under drawn coefficients, not centred.

        Parameters
        ----------
        drawn
            Of :meth:`draw`, shape (n_draws, n_coefficients); or one draw, shape (n_coefficients,).

        Returns
        -------
        Array
            Shape (n_draws, n_profiles); of one draw (n_profiles,).

        Raises
        ------
        NoWeight
            A profile lacks an attribute, has a level that was never estimated, or is unknown.
        """
        return np.asarray(np.asarray(drawn, dtype=float) @ self._columns(profiles).T)

    def weights_for(
        self, profiles: Sequence[Profile], drawn: Array, *, scaling: Scaling = Scaling.RESCALED
    ) -> Array:
        """Return weights of profiles under drawn coefficients, shaped as by :meth:`log_strengths`.

        The greatest weight is 1 in every draw; which profiles are given decides where 0 is if they are rescaled.
        """
        strengths = self.log_strengths(profiles, drawn)
        top = strengths.max(axis=-1, keepdims=True)
        if scaling is Scaling.STRENGTHS:
            return np.asarray(np.exp(strengths - top))
        span = top - strengths.min(axis=-1, keepdims=True)
        return np.asarray(np.where(span > 0, 1 - (top - strengths) / np.where(span > 0, span, 1.0), 1.0))

    def expected_ranks(self, profiles: Sequence[Profile]) -> Array:
        """Return the mean rank of each profile in the population, 1 is first, shape (n_profiles,).

        Exact: a rank is 1 plus the number of profiles preferred, and each of these has a normal probability. Equal
        profiles share their ranks.
        """
        columns = self._columns(profiles)
        difference = columns[None, :, :] - columns[:, None, :]
        center = difference @ self.mean
        variance = np.einsum("ijk,kl,ijl->ij", difference, self.covariance, difference)
        return np.asarray(_share_above(center, np.sqrt(np.maximum(variance, 0.0))).sum(axis=1) + 0.5)

    def to_record(self) -> dict[str, Any]:
        """Return the distribution as plain lists and numbers, for a file; :func:`population_of_record` reads it."""
        return {
            "of": "attributes" if self.terms else "profiles",
            "names": list(self.names),
            "mean": self.mean.tolist(),
            "covariance": self.covariance.tolist(),
        }

    def _columns(self, profiles: Sequence[Profile]) -> Array:
        """Return what the coefficients multiply, shape (n_profiles, n_coefficients)."""
        if self.terms:
            self._check(profiles)
            return term_matrix(self.terms, profiles)
        place = {p: i for i, p in enumerate(self.profiles)}
        columns = np.zeros((len(profiles), len(self.profiles)))
        for row, profile in enumerate(profiles):
            if profile not in place:
                raise NoWeight(
                    f"no preferences about profile '{profile.id}'; they cover "
                    f"{', '.join(p.id for p in self.profiles)}"
                )
            columns[row, place[profile]] = 1.0
        return columns

    def _check(self, profiles: Sequence[Profile]) -> None:
        used = {f.attribute for t in self.terms for f in t.factors}
        for attribute in (a for a in self.attributes if a.name in used):
            for profile in profiles:
                check_value(profile.id, attribute, profile.as_dict().get(attribute.name))


def population_of_record(
    record: Mapping[str, Any], attributes: Sequence[Attribute], profiles: Sequence[Profile] = ()
) -> PreferenceDistribution:
    """Return the distribution that :meth:`PreferenceDistribution.to_record` wrote.

    Parameters
    ----------
    profiles
        Of the study, in any order; needed only where each profile has a log-strength of its own.

    Raises
    ------
    BadWeights
        The record lacks something, or names a term or profile that there is not.
    """
    missing = [key for key in ("of", "names", "mean", "covariance") if key not in record]
    if missing:
        raise BadWeights(f"population: lacks {', '.join(missing)}")
    if record["of"] not in ("attributes", "profiles"):
        raise BadWeights(f"population: 'of' is {record['of']!r}; it can be 'attributes' or 'profiles'")
    names = record["names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadWeights("population: 'names' must be a list of names")
    terms: tuple[Term, ...] = ()
    own: tuple[Profile, ...] = ()
    if record["of"] == "attributes":
        try:
            terms = tuple(term_named(name, attributes) for name in names)
        except EstimationError as error:
            raise BadWeights(f"population: {error}") from error
    else:
        known = {p.id: p for p in profiles}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise BadWeights(f"population: there is no profile '{unknown[0]}'; there are {', '.join(known)}")
        own = tuple(known[name] for name in names)
    try:
        mean = np.array(record["mean"], dtype=float)
        covariance = np.array(record["covariance"], dtype=float)
    except (TypeError, ValueError) as error:
        raise BadWeights(f"population: mean and covariance must be numbers ({error})") from error
    return PreferenceDistribution(
        attributes=tuple(attributes), terms=terms, profiles=own, mean=mean, covariance=covariance
    )


def _share_above(center: Array, spread: Array) -> Array:
    """Return the probability that normal variables are above 0; half of it where one is always 0."""
    fixed = spread <= 0
    share = stats.norm.cdf(center / np.where(fixed, 1.0, spread))
    return np.asarray(np.where(fixed, np.sign(center) / 2 + 0.5, share))
