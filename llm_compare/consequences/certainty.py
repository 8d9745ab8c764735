"""How sure it is who receives: ties that a lot settles, and what uncertain weights alone would change. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.ties import Ties
from exchange.weight_draws import MatchRunDistribution, Share
from llm_compare.consequences.sentences import counted

_NOT_RARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Arbitrariness:
    """How far weights leave open who receives: other match runs that are as good."""

    weights: str
    n_found: int
    """Sets of patients that are equally good, the one taken included."""
    is_complete: bool
    """Whether it is proved that there are no more."""
    n_always: int
    """Patients who receive in every set found."""
    n_sometimes: int
    """Patients who receive in some of them, not all: who does is settled by lot."""

    @property
    def words(self) -> str:
        """One sentence."""
        if self.n_found == 1 and self.is_complete:
            return f"With {self.weights}, no other set of patients is as good."
        least = "" if self.is_complete else "at least "
        return (
            f"With {self.weights}, {least}{counted(self.n_found, 'set')} of patients are equally good: "
            f"{self.n_always} receive in every one found, and for {self.n_sometimes} it is settled by lot."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightNoise:
    """How many patients change because of what the people's answers leave open about their own weights."""

    n_draws: int
    mean_replaced: float
    """Patients of the people's match run who do not receive under a draw of the people's weights, on average."""
    as_many_as_model: Share
    """How often at least as many do not receive as under the model's weights."""

    @property
    def is_within(self) -> bool:
        """Whether draws of the people's weights change as much in 5 % of cases or more."""
        return self.as_many_as_model.value >= _NOT_RARE

    @property
    def words(self) -> str:
        """One sentence."""
        return (
            f"Draws of the people's own weights replace {self.mean_replaced:.1f} patients on average, and as many "
            f"as the model or more in {self.as_many_as_model.count} of {self.n_draws} draws: the difference "
            + ("may be no more than" if self.is_within else "is more than")
            + " the noise of the estimate."
        )


def arbitrariness(weights: str, ties: Ties) -> Arbitrariness:
    """Return how far some weights leave open who receives."""
    return Arbitrariness(
        weights=weights,
        n_found=len(ties.match_runs),
        is_complete=ties.is_complete,
        n_always=len(ties.always),
        n_sometimes=len(ties.sometimes),
    )


def weight_noise(drawn: MatchRunDistribution | None, replaced: int) -> WeightNoise | None:
    """Return what draws of the people's weights change, beside the patients that the model replaces."""
    if drawn is None:
        return None
    counts = [len(drawn.point - run.recipients) for run in drawn.runs]
    return WeightNoise(
        n_draws=len(counts),
        mean_replaced=drawn.patients_replaced,
        as_many_as_model=Share(count=sum(n >= replaced for n in counts), n=len(counts)),
    )
