"""Who names what, by what people said of themselves. Pure.

References
----------
Newcombe (1998), Stat. Med. 17, 873-890: difference of independent proportions.
Holm (1979), Scand. J. Stat. 6, 65-70: several tests at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from survey.answers import RespondentKind
from survey.coding.coding import Category, Coding, Ended
from survey.coding.counts import Named, named_by
from survey.coding.final import FinalCodes
from survey.coding.shares import Difference, Share, independent_difference, share_of
from survey.suggestions import Stance

FEWEST = 5
"""A group with fewer respondents is small: its shares say little, and may tell who somebody is."""
THE_OTHERS = "the others"
METHOD = (
    "Differences have Newcombe's 95 % interval for independent shares, each by itself. P is Fisher's exact test, "
    "two-sided; adjusted by Holm over all tests of this question, so that the chance of any false finding among "
    "them is at most the level. Categories were not chosen before the answers were seen: this explores."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Respondents who chose one option."""

    option: str
    asked: int
    asked_for: int
    asked_against: int

    @property
    def is_small(self) -> bool:
        """Whether it holds too few respondents to say much of them."""
        return self.asked < FEWEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """The share of one group minus that of another without a common member."""

    first: str
    second: str
    """Another option, or ``the others``: all who chose something else."""
    difference: Difference
    p: float
    """Fisher's exact test, two-sided."""
    p_adjusted: float
    """By Holm, over all tests of this question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedCategory:
    """One category, asked one way, in every group."""

    category: str
    label: str
    stance: Stance
    shares: tuple[Share | None, ...]
    """In the order of the groups; None: nobody of the group was asked."""
    ended: Ended | None
    """As in ``CategoryCount``."""
    contrasts: tuple[Contrast, ...]
    """Of two groups their difference; of more, each against all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCounts:
    """Counts by the options of one question."""

    question: str
    kind: RespondentKind
    simulated: bool
    groups: tuple[Group, ...]
    did_not_say: int
    """Respondents who chose no option; in no group."""
    overlap: bool
    """Whether somebody chose several options, and so is in several groups."""
    tests: int
    """How many tests Holm's adjustment is over."""
    method: str
    categories: tuple[GroupedCategory, ...]
    """Those that anybody in a group named when asked that way: most people first."""


def questions_stated(coding: Coding) -> tuple[str, ...]:
    """Return the questions that any respondent answered, in the order of their names."""
    return tuple(sorted({question for asked in coding.asked for question in asked.stated}))


def group_counts(
    coding: Coding,
    question: str,
    final: FinalCodes | None = None,
    *,
    options: Sequence[str] = (),
    kind: RespondentKind = RespondentKind.HUMAN,
    simulated: bool | None = None,
) -> GroupCounts:
    """Count people by what they answered to ``question``.

    Parameters
    ----------
    final, kind, simulated
        As for ``counts.counts_of``.
    options
        Names of the options in the order to tell them; others that were chosen follow by name.

    Raises
    ------
    CodingError
        As ``final.final_codes``.
    """
    named = named_by(coding, final, kind=kind, simulated=simulated)
    members: dict[str, set[str]] = {option: set() for option in options}
    chosen = {a.respondent: a.stated.get(question, ()) for a in named.asked}
    for option in sorted({option for own in chosen.values() for option in own}):
        members[option] = {respondent for respondent, own in chosen.items() if option in own}
    members = {option: own for option, own in members.items() if own}
    ended = coding.ended
    categories = [
        grouped
        for category in coding.current
        for stance in Stance
        if (grouped := _grouped(category, stance, named, members, ended.get(category.name)))
    ]
    adjusted = holm([contrast.p for grouped in categories for contrast in grouped.contrasts])
    left = iter(adjusted)
    categories = [
        replace(
            grouped,
            contrasts=tuple(replace(contrast, p_adjusted=next(left)) for contrast in grouped.contrasts),
        )
        for grouped in categories
    ]
    return GroupCounts(
        question=question,
        kind=kind,
        simulated=named.simulated,
        groups=tuple(_group(option, own, named) for option, own in members.items()),
        did_not_say=sum(not own for own in chosen.values()),
        overlap=any(len(own) > 1 for own in chosen.values()),
        tests=len(adjusted),
        method=METHOD,
        categories=tuple(sorted(categories, key=lambda g: -len(named.people(g.category, g.stance)))),
    )


def _group(option: str, own: set[str], named: Named) -> Group:
    asked_for, asked_against = (named.asked_about(stance) for stance in Stance)
    return Group(
        option=option,
        asked=len(own),
        asked_for=len(own & asked_for),
        asked_against=len(own & asked_against),
    )


def _grouped(
    category: Category, stance: Stance, named: Named, members: dict[str, set[str]], ended: Ended | None
) -> GroupedCategory | None:
    asked, people = named.asked_about(stance), named.people(category.name, stance)
    everybody = set[str]().union(*members.values()) & asked
    if not people & everybody:
        return None
    groups = {option: own & asked for option, own in members.items()}
    pairs = [(option, THE_OTHERS, own, everybody - own) for option, own in groups.items()]
    if len(groups) == 2 and groups_apart(groups):
        (one, own), (other, others) = groups.items()
        pairs = [(one, other, own, others)]
    return GroupedCategory(
        category=category.name,
        label=category.label,
        stance=stance,
        ended=ended,
        shares=tuple(share_of(len(own & people), len(own)) for own in groups.values()),
        contrasts=tuple(
            contrast
            for first, second, one_, other_ in pairs
            if (contrast := _contrast(first, second, one_, other_, people))
        ),
    )


def groups_apart(groups: dict[str, set[str]]) -> bool:
    """Whether nobody is in two groups."""
    return sum(map(len, groups.values())) == len(set().union(*groups.values()))


def _contrast(
    first: str, second: str, one: set[str], other: set[str], people: frozenset[str]
) -> Contrast | None:
    from scipy.stats import fisher_exact

    a, b = share_of(len(one & people), len(one)), share_of(len(other & people), len(other))
    if a is None or b is None:
        return None
    table = np.array([[a.count, a.of - a.count], [b.count, b.of - b.count]])
    p = float(fisher_exact(table).pvalue)
    return Contrast(first=first, second=second, difference=independent_difference(a, b), p=p, p_adjusted=p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm, in the order given."""
    n = len(p_values)
    adjusted = [0.0] * n
    so_far = 0.0
    for rank, i in enumerate(sorted(range(n), key=lambda i: p_values[i])):
        so_far = max(so_far, min((n - rank) * p_values[i], 1.0))
        adjusted[i] = so_far
    return adjusted
