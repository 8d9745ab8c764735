"""Models that took a study, counted group by group: what the researcher's page shows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from llm_compare.participation.model_participant import Given, Group, ModelParticipant
from llm_compare.replies.parsing import Outcome
from survey.answers import Choice, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTaken:
    """What the respondents of one group brought."""

    group: Group
    returned_models: Sequence[str]
    """The models that the provider says answered, in order; empty where it never says."""
    respondents: int
    finished: int
    """Respondents with a reply to every comparison drawn."""
    shown: int
    """Comparisons drawn."""
    outcomes: Mapping[Outcome, int]
    """What the calls came to, every outcome named; ``error`` are those that failed and have no reply yet."""
    checks_expected: int
    """Answers to comparisons with an expected answer."""
    checks_met: int
    """Those that are the expected answer."""
    indecisions: int
    """Among the answers to main comparisons that offered indecision."""
    indecision_offered: int
    """Answers to main comparisons that offered indecision."""
    shared: int
    """Presentations that several respondents were shown in exactly the same words, and answered."""
    shared_alike: int
    """Those that all of them answered alike; all of them: the respondents are one."""
    first_asked: datetime | None
    """None where no reply has a time, as with scripts."""
    last_asked: datetime | None
    cost_usd: float | None
    """Of the replies whose price is known; None if none is."""
    cost_unknown: int
    """Replies whose price is not known. Scripts cost nothing."""

    @property
    def not_made(self) -> int:
        """Calls that were not made yet. The same command makes them, and those that failed."""
        return self.shown - sum(self.outcomes.values())

    @property
    def answers(self) -> int:
        """Replies that are answers, whatever the role of the comparison."""
        return self.outcomes[Outcome.CHOICE] + self.outcomes[Outcome.INDECISION]

    @property
    def indecision_rate(self) -> float | None:
        """Share of indecisions; None where none could be one."""
        return self.indecisions / self.indecision_offered if self.indecision_offered else None


def groups_taken(
    participants: Iterable[ModelParticipant], given: Iterable[Given], failed: Set[tuple[str, int]]
) -> tuple[GroupTaken, ...]:
    """Return one row per group, in the order in which groups were added.

    Parameters
    ----------
    failed
        Calls without a reply that were tried and failed, by request key and repeat.
    """
    members: dict[str, list[ModelParticipant]] = {}
    for participant in participants:
        members.setdefault(participant.group.key, []).append(participant)
    replies: dict[str, list[Given]] = {key: [] for key in members}
    for one in given:
        replies[one.participant.group.key].append(one)
    return tuple(_group(those, replies[key], failed) for key, those in members.items())


def _group(
    members: Sequence[ModelParticipant], given: Sequence[Given], failed: Set[tuple[str, int]]
) -> GroupTaken:
    outcomes = Counter(one.parsed.outcome for one in given)
    outcomes[Outcome.ERROR] = sum(r.identity in failed for one in members for r in one.requests())
    per_member = Counter(one.participant.number for one in given)
    offered = [
        one.parsed.choice
        for one in given
        if one.shown.presentation.role is Role.MAIN
        and one.shown.presentation.indecision_offered
        and one.parsed.choice is not None
    ]
    checked = [
        one.parsed.choice is one.shown.presentation.expected
        for one in given
        if one.shown.presentation.expected is not None and one.parsed.choice is not None
    ]
    by_call: dict[str, list[Choice]] = {}
    for one in given:
        if one.parsed.choice is not None:
            by_call.setdefault(one.recorded.request.key, []).append(one.parsed.choice)
    shared = [choices for choices in by_call.values() if len(choices) > 1]
    times = [one.recorded.reply.asked_at for one in given if one.recorded.reply.asked_at is not None]
    costs = [one.recorded.reply.cost_usd for one in given]
    known = [cost for cost in costs if cost is not None]
    group = members[0].group
    returned = {name for one in given if (name := one.recorded.reply.returned_model) is not None}
    return GroupTaken(
        group=group,
        returned_models=sorted(returned),
        respondents=len(members),
        finished=sum(per_member[one.number] == len(one.shown) for one in members),
        shown=sum(len(one.shown) for one in members),
        outcomes={outcome: outcomes[outcome] for outcome in Outcome},
        checks_expected=len(checked),
        checks_met=sum(checked),
        indecisions=sum(choice is Choice.INDECISION for choice in offered),
        indecision_offered=len(offered),
        shared=len(shared),
        shared_alike=sum(len(set(choices)) == 1 for choices in shared),
        first_asked=min(times, default=None),
        last_asked=max(times, default=None),
        cost_usd=sum(known) if known else None,
        cost_unknown=0 if group.scripted else len(costs) - len(known),
    )
