"""The estimators' errors: what the data cannot support, and the way out."""

from __future__ import annotations

from collections.abc import Sequence

from survey.errors import EquipoiseError


class EstimationError(EquipoiseError):
    """Base of the estimators' errors."""


class NotConnected(EstimationError):
    """The comparisons do not determine all strengths; ``islands`` names the groups of profiles."""

    def __init__(self, message: str, islands: Sequence[Sequence[str]]) -> None:
        self.islands = tuple(tuple(island) for island in islands)
        super().__init__(message)


class Separated(EstimationError):
    """The answers follow a rule without exception, so no finite maximum-likelihood estimate exists.

    ``involved`` names the profiles, attributes or parameters that would run away.
    """

    def __init__(self, message: str, involved: Sequence[str]) -> None:
        self.involved = tuple(involved)
        super().__init__(message)


class NotIdentified(EstimationError):
    """Two or more parameters cannot be told apart with these comparisons; ``involved`` names them."""

    def __init__(self, message: str, involved: Sequence[str]) -> None:
        self.involved = tuple(involved)
        super().__init__(message)


class DidNotConverge(EstimationError):
    """The iteration stopped short of the maximum."""


class NoWeight(EstimationError):
    """A profile that the weights say nothing about."""


class BadWeights(EstimationError):
    """A weights file that cannot be read."""
