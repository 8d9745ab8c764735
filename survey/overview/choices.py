"""What was chosen: indecision by arm, its reasons, and the balance of sides. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from survey.answers import Choice
from survey.design import StudyDesign
from survey.overview.quartiles import Quartiles, quartiles_of
from survey.overview.records import Record
from survey.tables import FollowUpKind

FEWEST_FOR_A_SHARE = 5
"""Decided answers from which a person's own share of left is worth looking at."""
ONE_SIDED_ABOVE = 0.8
"""A person who chose one side more often than this is counted as one-sided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmIndecision:
    """How often one arm was undecided in main comparisons."""

    arm: str
    offered: bool
    answers: int
    """Main answers of the arm's participants."""
    indecisions: int
    of_participants: Quartiles | None
    """Each participant's own share, of those with main answers: answers of one person are alike."""

    @property
    def rate(self) -> float | None:
        """Share of indecisions among main answers."""
        return self.indecisions / self.answers if self.offered and self.answers else None


def indecision_by_arm(design: StudyDesign, records: Sequence[Record]) -> list[ArmIndecision]:
    """Return one line per arm of the design."""
    found = []
    for arm in design.arms:
        of_arm = [r.main for r in records if r.arm == arm.name and r.main]
        counts = [sum(given.choice is Choice.INDECISION for _, given in main) for main in of_arm]
        found.append(
            ArmIndecision(
                arm=arm.name,
                offered=arm.indecision_offered,
                answers=sum(map(len, of_arm)),
                indecisions=sum(counts),
                of_participants=quartiles_of([n / len(main) for n, main in zip(counts, of_arm, strict=True)])
                if arm.indecision_offered
                else None,
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUps:
    """What was said after indecisions that count."""

    reasons: Mapping[str, int]
    """Reason's name -> times, in the design's order."""
    skipped: int
    """Times the question for a reason was left out."""
    strict: Mapping[Choice, int]
    """Which side it would have been."""

    @property
    def reasons_asked(self) -> int:
        """How often a reason was asked and the question sent, with or without one."""
        return sum(self.reasons.values()) + self.skipped


def follow_ups(design: StudyDesign, records: Sequence[Record]) -> FollowUps:
    """Count what was said after indecisions."""
    counts = Counter(said for record in records for said in record.follow_ups)
    return FollowUps(
        reasons={o.name: counts[FollowUpKind.REASON, o.name] for o in design.indecision.reasons},
        skipped=counts[FollowUpKind.REASON, ""],
        strict={side: counts[FollowUpKind.STRICT, side.value] for side in (Choice.LEFT, Choice.RIGHT)},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBalance:
    """How often left was chosen in decided main comparisons."""

    left: int
    right: int
    participants: int
    """Those with at least ``FEWEST_FOR_A_SHARE`` decided answers, whom the rest is about."""
    one_sided: int
    """Of these, those who chose one side more often than ``ONE_SIDED_ABOVE``."""
    most_left: tuple[float, str] | None
    """(share of left, code) of the participant with the largest."""
    most_right: tuple[float, str] | None
    """(share of left, code) of the participant with the smallest."""

    @property
    def left_share(self) -> float | None:
        """Share of left; 0.5 is balance."""
        return self.left / (self.left + self.right) if self.left + self.right else None


def side_balance(records: Sequence[Record]) -> SideBalance:
    """Return how the sides were chosen, in all and at the extremes."""
    left = right = 0
    shares = []
    for record in records:
        chosen = Counter(given.choice for _, given in record.main)
        left += chosen[Choice.LEFT]
        right += chosen[Choice.RIGHT]
        decided = chosen[Choice.LEFT] + chosen[Choice.RIGHT]
        if decided >= FEWEST_FOR_A_SHARE:
            shares.append((chosen[Choice.LEFT] / decided, record.code))
    return SideBalance(
        left=left,
        right=right,
        participants=len(shares),
        one_sided=sum(max(share, 1 - share) > ONE_SIDED_ABOVE for share, _ in shares),
        most_left=max(shares, default=None),
        most_right=min(shares, default=None),
    )
