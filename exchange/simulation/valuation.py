"""What exchanges between the places of a pool are worth under a condition, as people come and go. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from estimation.errors import NoWeight
from exchange.arc_success import SuccessRule, success_probability
from exchange.clearing.exchange_values import ExchangeValues
from exchange.clearing.objectives import Objective, objective_values
from exchange.donor_preferences import drawn_preferences, scaled_weights
from exchange.errors import MissingPriorities
from exchange.pool import FloatArray, IntArray
from exchange.simulation.condition import Condition, DonorPreferences
from exchange.simulation.waiting_pool import WaitingPool, enlarged
from survey.design import Profile

_CHANGING = (
    Objective.BACK_ARCS,
    Objective.EXPECTED_TRANSPLANTS,
    Objective.EXPECTED_PRIORITY,
    Objective.WEIGHTED_FAIRNESS,
)
"""Objectives whose values are computed from the arrays anew, so that they are no live view of them."""

_MOST_WHOLE, _MOST_FRACTIONAL = 1e8, 1e5
"""``listed_cycles`` takes differences of a billionth of the total for ties. With greater totals the last of several
goals could get lost in that: one of a goal of whole numbers, or 1/10,000 of the greatest value of another."""


class Opinions:
    """What donors who draw their own preferences think of the patients' profiles.

    Parameters
    ----------
    profiles
        All profiles that patients have.
    donors
        Ids; a donor's draw depends on the seed and the id alone.
    """

    def __init__(
        self, preferences: DonorPreferences, profiles: Sequence[Profile], donors: Sequence[str], seed: int
    ) -> None:
        self._preferences, self._profiles, self._seed = preferences, tuple(profiles), seed
        self._row = {donor: i for i, donor in enumerate(donors)}
        self._column = {profile: i for i, profile in enumerate(profiles)}
        self.weights, self._ranks = self._draw(donors)
        """Weights: shape (donors, profiles)."""

    def _draw(self, donors: Sequence[str]) -> tuple[FloatArray, IntArray]:
        """Draw preferences; return donors' weights of the profiles, and ranks."""
        distribution, reference = self._preferences.distribution, self._preferences.reference
        profiles = self._profiles
        drawn = drawn_preferences(distribution, donors, self._seed)
        try:
            scores = distribution.log_strengths(profiles, drawn)
            ends = distribution.log_strengths(reference, drawn)
        except NoWeight as error:
            raise MissingPriorities(
                f"the donors' preferences do not cover every patient: {error}", []
            ) from error
        better = np.zeros(scores.shape, dtype=np.intp)
        for column in ends.T:
            better += column[:, np.newaxis] > scores
        return scaled_weights(scores, ends), better + 1

    def of(self, donor: str) -> FloatArray:
        """Return the weight that a donor gives to each profile."""
        row = self._row_of(donor)  # May make the array longer.
        weights: FloatArray = self.weights[row]
        return weights

    def rank(self, donor: str, profile: Profile) -> int:
        """Return the place of a profile in a donor's order of the study's profiles, 1 for the best."""
        row = self._row_of(donor)
        return int(self._ranks[row, self._column[profile]])

    def _row_of(self, donor: str) -> int:
        if donor not in self._row:
            # Brought by a patient who has come back, of whom nobody knew before the run.
            weights, ranks = self._draw([donor])
            self._row[donor] = len(self.weights)
            self.weights = np.concatenate([self.weights, weights])
            self._ranks = np.concatenate([self._ranks, ranks])
        return self._row[donor]

    def column(self, profile: Profile) -> int:
        """Return the profile's column."""
        return self._column[profile]


class Valuation:
    """The values of exchanges between the places of a pool, under a condition.

    The arrays follow the pool's places: objectives look at live views of them.
    """

    def __init__(
        self,
        condition: Condition,
        success: SuccessRule,
        waiting: WaitingPool,
        weights: Mapping[Profile, float],
        opinions: Opinions | None,
        *,
        cycle_cap: int,
    ) -> None:
        self._condition, self._success_rule, self._waiting = condition, success, waiting
        self._weights, self._opinions, self._cycle_cap = weights, opinions, cycle_cap
        n = waiting.n_places
        self.weight: FloatArray = np.ones(n)
        self._success: FloatArray = np.ones(n)
        self._marked: FloatArray = np.zeros(n)
        self._column = np.zeros(n, dtype=np.intp)
        self._by_donor: FloatArray = np.zeros((n, n) if opinions else (0, 0))
        self._thinks: FloatArray = np.zeros((n, opinions.weights.shape[1]) if opinions else (0, 0))
        self._values: dict[int, ExchangeValues] = {}
        waiting.grown.append(self._grow)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the arrays: places by places."""
        return self._waiting.n_places, self._waiting.n_places

    def admit(self, place: int, donor: str, profile: Profile | None) -> None:
        """Note who has come to a place; ``profile`` is None for a non-directed donor."""
        if profile is not None and self._weights:
            self.weight[place] = self._weights[profile]
        if (
            self._opinions is not None and self._thinks.shape[1]
        ):  # Without a pair there is nothing to think of.
            self._thinks[place] = self._opinions.of(donor)
            self._by_donor[place] = self._thinks[place, self._column]
            if profile is not None:
                column = self._opinions.column(profile)
                self._column[place] = column
                self._by_donor[:, place] = self._thinks[:, column]
        if profile is not None:
            self.note_cpra(place)

    def note_cpra(self, place: int) -> None:
        """Note the cPRA of the patient at a place, new or raised."""
        cpra = float(self._waiting.cpra[place])
        self._success[place] = float(success_probability(self._success_rule, [cpra])[0])
        self._marked[place] = 1.0 if cpra >= self._condition.fairness.threshold else 0.0

    def goal_values(self, stage: int) -> ExchangeValues:
        """Return what exchanges are worth under one of the condition's goals."""
        objective = self._condition.goals[stage].objective
        fairness = self._condition.fairness
        if objective in _CHANGING:
            return objective_values(objective, self, cycle_cap=self._cycle_cap, fairness=fairness)
        if stage not in self._values:
            self._values[stage] = objective_values(
                objective, self, cycle_cap=self._cycle_cap, fairness=fairness
            )
        return self._values[stage]

    def total_values(self, members: IntArray, n_exchanges: int) -> FloatArray | None:
        """Return one number per cycle that orders choices as the condition's goals do, one after the other.

        A goal of whole numbers is made so large that no sum of what comes after it outweighs 1 of it. None where
        there is no such number: an earlier goal has fractions, or concedes some of its value, or so much is
        exchanged at once that the last goal would be lost in rounding and ties.

        Parameters
        ----------
        members
            Shape (count, largest size), filled up with -1.
        n_exchanges
            Most cycles that can be chosen together.
        """
        goals = self._condition.goals
        if any(goal.concession or not goal.objective.is_whole for goal in goals[:-1]):
            return None
        total = np.zeros(len(members))
        sizes = np.sum(members >= 0, axis=1)
        for stage in range(len(goals)):
            values = self.goal_values(stage)
            found = np.empty(len(members))
            for size in np.unique(sizes).tolist():
                of_size = sizes == size
                found[of_size] = values.of_cycles(members[of_size, :size])
            unit = 1.0
            if stage and not goals[stage].objective.is_whole:
                unit = float(np.max(np.abs(found), initial=0.0)) or 1.0
            # Sums of any two choices differ by at most this.
            most = n_exchanges * float(np.max(found, initial=0.0) - np.min(found, initial=0.0)) / unit
            total = total * (most + 1.0) + found / unit
        most = _MOST_WHOLE if goals[-1].objective.is_whole else _MOST_FRACTIONAL
        if len(goals) > 1 and n_exchanges * float(np.max(total, initial=0.0)) > most:
            return None
        return total

    def priority(self) -> FloatArray:
        """Return the priority weight of each possible transplant."""
        return self._by_donor if self._opinions is not None else np.broadcast_to(self.weight, self.shape)

    def arc_weight(self) -> FloatArray:
        """Return weight 1 for each arc: simulated arcs have no weights of their own."""
        return np.broadcast_to(1.0, self.shape)

    def success(self) -> FloatArray:
        """Return the success probability of each arc."""
        return np.broadcast_to(self._success, self.shape)

    def same_success(self) -> float | None:
        """Return the success probability of every arc; None where they differ."""
        found = {success for _, success in self._success_rule.bands}
        return found.pop() if len(found) == 1 else None

    def sensitized(self) -> FloatArray:
        """Return for each patient 1 if highly sensitized, otherwise 0."""
        return self._marked

    def opposite(self) -> FloatArray:
        """Return 1 for each arc between pairs whose opposite exists too, otherwise 0."""
        found: FloatArray = (self._waiting.arcs & self._waiting.arcs.T).astype(np.float64)
        return found

    def donor_weights(self, donors: IntArray, patients: IntArray) -> FloatArray:
        """Return what donors at some places think of patients at others."""
        weights: FloatArray = self.priority()[np.ix_(donors, patients)]
        return weights

    def _grow(self, n: int) -> None:
        before = len(self.weight)
        self.weight = np.concatenate([self.weight, np.ones(n - before)])
        self._success = np.concatenate([self._success, np.ones(n - before)])
        self._marked = np.concatenate([self._marked, np.zeros(n - before)])
        self._column = np.concatenate([self._column, np.zeros(n - before, dtype=np.intp)])
        if self._opinions is not None:
            self._by_donor = enlarged(self._by_donor, (n, n))
            self._thinks = enlarged(self._thinks, (n, self._thinks.shape[1]))
        self._values.clear()
