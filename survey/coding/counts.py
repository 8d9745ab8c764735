"""How many people name each category, for and against. The unit is the respondent who was asked. Pure.

Who was asked and named nothing counts among those asked. Who names a category five times is one person and five
mentions. Only final codes count (``final.py``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from survey.answers import RespondentKind
from survey.coding.coding import Asked, Coding, Ended, Outcome
from survey.coding.final import FinalCodes, How, final_codes
from survey.coding.shares import Difference, Share, paired_difference, share_of
from survey.suggestions import Stance

_NOT_ASKED = "not_asked"
_AGAIN = "again"


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryCount:
    """How often one category was named, and by how many."""

    category: str
    label: str
    mentions: int
    """Suggestions, of both stances."""
    for_mentions: int
    against_mentions: int
    for_people: int
    """Respondents who named it among what should count, once or more."""
    against_people: int
    both_people: int
    """Respondents who named it among both: they may mean different directions of it."""
    asked: int
    """Respondents who were asked either question."""
    for_share: Share | None
    """Of those asked what should count; None: nobody was."""
    against_share: Share | None
    either_share: Share | None
    """Of those asked either question."""
    difference: Difference | None
    """Share for minus share against, among those asked both; None: nobody was."""
    ended: Ended | None
    """Why it is offered no longer, so that what counts here is to be coded again; None: it is offered."""

    @property
    def either_people(self) -> int:
        """Respondents who named it at all."""
        return self.for_people + self.against_people - self.both_people


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Suggestions of these respondents that are in no category, and why; and those in one that is no more."""

    open: int
    """Coders differ, and nobody has settled it."""
    uncoded: int
    no_category: int
    """Settled: it names something that none of the categories holds."""
    unusable: int
    """Settled: it names nothing."""
    not_asked: int
    """Of respondents who have not gone on from the question's page, or are not among those asked."""
    to_code_again: int
    """Not left out: they count in a category that was split or retired since, until they are coded again."""

    @property
    def undecided(self) -> int:
        """Those that have no final code yet: shares may rise by them. By those to code again they may fall, too."""
        return self.open + self.uncoded


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryCounts:
    """Counts of all categories, for one kind of respondents."""

    kind: RespondentKind
    simulated: bool
    """Whether these are simulated participants. People and simulated participants are never counted together."""
    asked: int
    """Respondents asked either question."""
    asked_for: int
    """Respondents asked what should count."""
    asked_against: int
    asked_both: int
    named_nothing: int
    """Of those asked, who gave no suggestion to what they were asked."""
    suggestions: int
    """All of these respondents', those left out included."""
    left_out: LeftOut
    categories: tuple[CategoryCount, ...]
    """All standing ones, also those that nobody named (retired ones only if somebody did): by people who named
    them, then mentions, then in the codebook's order."""

    def of(self, category: str) -> CategoryCount | None:
        """Return the counts of the standing category called ``category``, if it is among them."""
        return next((count for count in self.categories if count.category == category), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Who was asked, and which standing categories each named: what all counts of people are made from."""

    kind: RespondentKind
    simulated: bool
    asked: tuple[Asked, ...]
    """Of this kind, in the order of the coding."""
    by_people: dict[Stance, dict[str, frozenset[str]]]
    """Stance -> category -> respondents who named it."""
    mentions: dict[tuple[str, Stance], int]
    """Suggestions by category and stance."""
    named_something: frozenset[str]
    """Respondents with a suggestion to what they were asked, of whatever outcome."""
    suggestions: int
    left_out: LeftOut
    left_out_of: dict[Stance, LeftOut]
    """The same of each question alone."""

    def asked_about(self, stance: Stance) -> frozenset[str]:
        """Return the respondents who were asked about ``stance``."""
        return frozenset(a.respondent for a in self.asked if stance in a.stances)

    def people(self, category: str, stance: Stance) -> frozenset[str]:
        """Return the respondents who named ``category`` when asked about ``stance``."""
        return self.by_people[stance].get(category, frozenset())


def named_by(
    coding: Coding,
    final: FinalCodes | None = None,
    *,
    kind: RespondentKind = RespondentKind.HUMAN,
    simulated: bool | None = None,
) -> Named:
    """Return who was asked and named what; arguments as for :func:`counts_of`."""
    final = final or final_codes(coding)
    of_kind = [a for a in coding.asked if a.kind is kind]
    if simulated is None:
        simulated = bool(of_kind) and all(a.simulated for a in of_kind)
    asked = tuple(a for a in of_kind if a.simulated is simulated)
    stances = {a.respondent: a.stances for a in asked}
    others = {a.respondent for a in of_kind} - stances.keys()
    people: dict[Stance, dict[str, set[str]]] = {stance: defaultdict(set) for stance in Stance}
    mentions: dict[tuple[str, Stance], int] = defaultdict(int)
    left_out: dict[Stance, Counter[str]] = {stance: Counter() for stance in Stance}
    something = set()
    n = 0
    for suggestion in coding.suggestions:
        if suggestion.kind is not kind or suggestion.respondent in others:
            continue
        n += 1
        if suggestion.stance not in stances.get(suggestion.respondent, ()):
            left_out[suggestion.stance][_NOT_ASKED] += 1
            continue
        something.add(suggestion.respondent)
        code = final.of(suggestion.id)
        if code.outcome is not Outcome.CATEGORY:
            left_out[suggestion.stance][code.how.value if code.outcome is None else code.outcome.value] += 1
        left_out[suggestion.stance][_AGAIN] += code.again
        for category in code.categories:
            people[suggestion.stance][category].add(suggestion.respondent)
            mentions[category, suggestion.stance] += 1
    return Named(
        kind=kind,
        simulated=simulated,
        asked=asked,
        by_people={s: {c: frozenset(p) for c, p in named.items()} for s, named in people.items()},
        mentions=dict(mentions),
        named_something=frozenset(something),
        suggestions=n,
        left_out=_left_out(sum(left_out.values(), Counter())),
        left_out_of={stance: _left_out(own) for stance, own in left_out.items()},
    )


def _left_out(why: Counter[str]) -> LeftOut:
    return LeftOut(
        open=why[How.OPEN.value],
        uncoded=why[How.UNCODED.value],
        no_category=why[Outcome.NO_CATEGORY.value],
        unusable=why[Outcome.UNUSABLE.value],
        not_asked=why[_NOT_ASKED],
        to_code_again=why[_AGAIN],
    )


def counts_of(
    coding: Coding,
    final: FinalCodes | None = None,
    *,
    kind: RespondentKind = RespondentKind.HUMAN,
    simulated: bool | None = None,
) -> CategoryCounts:
    """Count the people who name each category, for and against, with 95 % intervals.

    Shares have Wilson's interval; the share for minus the share against has Newcombe's for paired proportions, as
    the same people are asked both. Neither knows of clusters: respondents are taken to be independent.

    Parameters
    ----------
    final
        Which codes count, if known already.
    simulated
        Whether to count simulated participants; None: people if there are any, simulated ones otherwise
        (``CategoryCounts.simulated`` says which).

    Raises
    ------
    CodingError
        As ``final.final_codes``.
    """
    return counts_from(coding, named_by(coding, final, kind=kind, simulated=simulated))


def counts_from(coding: Coding, named: Named) -> CategoryCounts:
    """Count as :func:`counts_of`, from who named what."""
    asked_for, asked_against = (named.asked_about(stance) for stance in Stance)
    ended = coding.ended
    counts = [_count(one.name, one.label, named, ended.get(one.name)) for one in coding.current]
    shown = [count for count in counts if count.mentions or count.ended is None]
    return CategoryCounts(
        kind=named.kind,
        simulated=named.simulated,
        asked=len(named.asked),
        asked_for=len(asked_for),
        asked_against=len(asked_against),
        asked_both=len(asked_for & asked_against),
        named_nothing=len(named.asked) - len(named.named_something),
        suggestions=named.suggestions,
        left_out=named.left_out,
        # Sorting keeps the codebook's order among equals.
        categories=tuple(sorted(shown, key=lambda count: (-count.either_people, -count.mentions))),
    )


def _count(category: str, label: str, named: Named, ended: Ended | None) -> CategoryCount:
    asked_for, asked_against = (named.asked_about(stance) for stance in Stance)
    for_people, against_people = (named.people(category, stance) for stance in Stance)
    mentions = [named.mentions.get((category, stance), 0) for stance in Stance]
    twice_asked = asked_for & asked_against
    either = len(for_people | against_people)
    return CategoryCount(
        category=category,
        label=label,
        mentions=sum(mentions),
        for_mentions=mentions[0],
        against_mentions=mentions[1],
        for_people=len(for_people),
        against_people=len(against_people),
        both_people=len(for_people & against_people),
        asked=len(named.asked),
        for_share=share_of(len(for_people), len(asked_for)),
        against_share=share_of(len(against_people), len(asked_against)),
        either_share=share_of(either, len(named.asked)),
        difference=paired_difference(
            both=len(for_people & against_people),
            only_first=len((for_people - against_people) & twice_asked),
            only_second=len((against_people - for_people) & twice_asked),
            neither=len(twice_asked - for_people - against_people),
        ),
        ended=ended,
    )
