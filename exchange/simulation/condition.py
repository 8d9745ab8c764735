"""What is compared within a scenario: a policy with its weights. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from estimation.heterogeneity.preferences import PreferenceDistribution
from estimation.weights import PriorityWeights
from exchange.clearing.clear import Goal, goals_of
from exchange.clearing.objectives import Fairness, Policy
from exchange.errors import BadRequest
from survey.design import Profile


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DonorPreferences:
    """Preferences that differ from donor to donor, who each draw their own; see ``exchange.donor_preferences``."""

    distribution: PreferenceDistribution
    reference: Sequence[Profile]
    """The study's profiles, between which each donor's weights are scaled and among which ranks are counted."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DonorPreferences) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    @property
    def _content(self) -> tuple[object, ...]:
        # Arrays have no equality of their own.
        found = self.distribution
        return found.names, found.mean.tobytes(), found.covariance.tobytes(), tuple(self.reference)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Condition:
    """A policy and its weights. Checked on construction.

    Raises
    ------
    BadRequest
        A policy that needs weights without any, two kinds of weights, or goals that cannot be.
    """

    name: str
    policy: Policy | None = None
    """None where goals are given one by one."""
    goals: tuple[Goal, ...] = ()
    """Filled in from the policy."""
    weights: PriorityWeights | None = None
    """Of patients; None for every patient the same."""
    preferences: DonorPreferences | None = None
    """Of donors, in place of ``weights``."""
    fairness: Fairness = field(default_factory=Fairness)
    words: str = ""
    """Where the weights are from."""

    def __post_init__(self) -> None:
        # A policy's goals may have been filled in already: dataclasses.replace passes them on.
        goals = goals_of(self.policy, () if self.policy else self.goals)
        object.__setattr__(self, "goals", goals)
        if self.weights is not None and self.preferences is not None:
            raise BadRequest(
                f"condition '{self.name}': give weights of patients or preferences of donors, not both"
            )
        has_weights = self.weights is not None or self.preferences is not None
        if not has_weights and any(goal.objective.needs_weights for goal in goals):
            raise BadRequest(f"condition '{self.name}': its policy needs priority weights; give it some")
