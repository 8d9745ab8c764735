"""What tests of groups come to: every test of every group in every outcome, by name. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from llm_compare.allocation.fairness.outcomes import Estimate


class Measure(StrEnum):
    """What groups may differ in."""

    SELECTED = "selected share"
    """Of choices, averaged over problems (eq. 1)."""
    FIRST = "first-rank share"
    """Of first ranks, averaged over problems."""
    RND = "rND"
    """Mean over problems."""
    EXPOSURE = "exposure"
    """Mean over candidates (eq. 4)."""


class Method(StrEnum):
    """How it is tested."""

    PERMUTATION = "permutation"
    PROBLEM_MEANS = "problem means"
    PAIRED = "problem means, paired with the reference"
    MIXED = "mixed model with problem:group"
    PAPER_MIXED = "mixed model of the paper"
    PAPER_WELCH = "Welch of the paper"
    PAPER_DUNNETT = "Dunnett of the paper"

    @property
    def is_papers(self) -> bool:
        """Whether it is there for comparison with the paper, and neither corrected nor believed."""
        return self in (Method.PAPER_MIXED, Method.PAPER_WELCH, Method.PAPER_DUNNETT)


DEFAULT = Method.PERMUTATION
"""What reports hang their stars on."""


class Against(StrEnum):
    """What an effect is a difference from."""

    POOL = "the group's share of the pools"
    CHANCE = "random rankings of the same pools"
    REFERENCE = "the reference group"
    NOTHING = "nothing"
    """A level, not a difference: the intercept of the paper's model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTest:
    """One test of one group."""

    method: Method
    against: Against
    effect: Estimate
    """The difference, with p and, but of the paper's tests, p adjusted. ``low`` and ``high`` are a 95 % interval;
    of the permutation test they are where 95 % of permuted labels put the difference, which lies around 0."""
    se: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOutcome:
    """One group in one outcome."""

    group: str
    is_reference: bool
    size: int
    """Candidate slots in the problems that were asked."""
    n_problems: int
    """Problems in which the group can be told from others: neither absent nor alone, and with a trial."""
    value: float | None
    """The outcome itself."""
    chance: float | None
    """Its value for random rankings of the same pools."""
    tests: tuple[GroupTest, ...]

    def test(self, method: Method) -> GroupTest | None:
        """Return the test by its name, None where it is not made of this group and outcome."""
        return next((t for t in self.tests if t.method is method), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureTests:
    """All groups in one outcome."""

    measure: Measure
    meaning: str
    """What a small p says, and what it does not."""
    groups: tuple[GroupOutcome, ...]
    """In the order of ``Groups.names``."""
    any_difference: Estimate
    """Whether any group differs: the largest |z| over groups among permuted labels (``p``)."""
    notes: tuple[str, ...]
    """What went wrong or was left out, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTests:
    """All outcomes of a respondent's trials in one grouping."""

    respondent: str
    grouping: str
    reference: str
    n_trials: int
    n_problems: int
    rnd_variant: str
    n_permutations: int
    seed: int
    measures: tuple[MeasureTests, ...]
    """Of choices: selected share; of rankings: first-rank share, rND, exposure."""
