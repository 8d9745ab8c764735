"""Measures of attention over all participants, and how many fall under each exclusion rule. Pure; drops nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from survey.attention import describe
from survey.overview.records import Judged
from survey.participation import Exclusions


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """How many participants fall under an exclusion rule."""

    rule: str
    sentence: str
    participants: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """Attention of those who were admitted; erased participants are left out."""

    participants: int
    checks_answered: int
    checks_failed: int
    dominated_answered: int
    dominated_against: int
    identical_answered: int
    identical_decided: int
    repeats_answered: int
    repeats_changed: int
    rules: Sequence[RuleCount]
    """In the design's order; rules that it does not state are left out."""
    still_going: int
    """Of those who have not finished, those who may yet."""
    under_no_rule: int
    """Participants whom no rule leaves out."""


def flags(rules: Exclusions, all_judged: Sequence[Judged]) -> Flags:
    """Add up the measures of attention."""
    admitted = [j for j in all_judged if j.record.admitted]
    under = Counter(rule for j in admitted for rule in j.excluded_by)
    measured = [j.attention for j in admitted]
    return Flags(
        participants=len(admitted),
        checks_answered=sum(a.checks_answered for a in measured),
        checks_failed=sum(a.checks_failed for a in measured),
        dominated_answered=sum(a.dominated_answered for a in measured),
        dominated_against=sum(a.dominated_against for a in measured),
        identical_answered=sum(a.identical_answered for a in measured),
        identical_decided=sum(a.identical_decided for a in measured),
        repeats_answered=sum(a.repeats_answered for a in measured),
        repeats_changed=sum(a.repeats_changed for a in measured),
        rules=[
            RuleCount(rule=name, sentence=sentence, participants=under[name])
            for name, sentence in stated_rules(rules)
        ],
        still_going=sum(not j.record.has_ended for j in admitted),
        under_no_rule=sum(not j.excluded_by for j in admitted),
    )


_NO_RULE = Exclusions(unfinished=False)


def stated_rules(rules: Exclusions) -> list[tuple[str, str]]:
    """Return (name, sentence) of each rule that a design states, in order."""
    stated = [f.name for f in fields(rules) if getattr(rules, f.name) != getattr(_NO_RULE, f.name)]
    return [(name, describe(replace(_NO_RULE, **{name: getattr(rules, name)}))[0]) for name in stated]
