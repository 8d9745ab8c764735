"""How attentively somebody answered, and which exclusion rules of a design that falls under. Pure.

Nothing here drops anybody: these are flags beside the data, and an analysis states which it applies. The practice
counts for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from survey.answers import Choice, Presentation, Role
from survey.design import Profile
from survey.participation import Exclusions


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A presentation with the respondent's final answer."""

    presentation: Presentation
    choice: Choice
    seconds: float | None
    """Time from showing to answering; None where unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """What one respondent's answers say about attention. Counts are of answered comparisons."""

    main_answered: int
    checks_answered: int
    checks_failed: int
    """Instructed and listed checks answered otherwise than expected."""
    dominated_answered: int
    dominated_against: int
    """Dominated comparisons in which the dominated patient was chosen; an indecision is not against."""
    identical_answered: int
    identical_decided: int
    """Times a profile beside itself was decided for one side, where indecision may not even have been offered."""
    repeats_answered: int
    """Repeats of main comparisons that were answered, too."""
    repeats_changed: int
    """Of these, those in which another patient was chosen, or indecision instead of a patient or the reverse."""
    median_seconds: float | None
    """Over main comparisons without the first, which takes longer; None where no time is known."""
    same_side_share: float | None
    """Share of the side chosen more often among decided main answers; None where all were indecisions."""
    longest_same_run: int
    """Most main answers in a row that were the same: left, right or indecision."""
    indecision_share: float | None
    """Share of indecisions among main answers; None without any."""


def attention_of(shown: Sequence[Shown]) -> Attention:
    """Return what the answers of one respondent in one wave say about attention; any order, complete or not."""
    answered = sorted(shown, key=lambda s: s.presentation.position)
    by_role = {role: [s for s in answered if s.presentation.role is role] for role in Role}
    main, checks, dominated = by_role[Role.MAIN], by_role[Role.CHECK], by_role[Role.DOMINATED]
    identical = by_role[Role.IDENTICAL]
    by_position = {s.presentation.position: s for s in main}
    repeats = [
        (by_position[s.presentation.repeat_of], s)
        for s in by_role[Role.REPEAT]
        if s.presentation.repeat_of in by_position
    ]
    seconds = [s.seconds for s in main[1:] if s.seconds is not None]
    sides = Counter(s.choice for s in main if s.choice is not Choice.INDECISION)
    indecisions = len(main) - sides.total()
    return Attention(
        main_answered=len(main),
        checks_answered=len(checks),
        checks_failed=sum(s.choice is not s.presentation.expected for s in checks),
        dominated_answered=len(dominated),
        dominated_against=sum(_is_against(s) for s in dominated),
        identical_answered=len(identical),
        identical_decided=sum(s.choice is not Choice.INDECISION for s in identical),
        repeats_answered=len(repeats),
        repeats_changed=sum(_chosen(one) != _chosen(other) for one, other in repeats),
        median_seconds=median(seconds) if seconds else None,
        same_side_share=max(sides.values()) / sides.total() if sides else None,
        longest_same_run=_longest_run(s.choice for s in main),
        indecision_share=indecisions / len(main) if main else None,
    )


def _is_against(shown: Shown) -> bool:
    return shown.choice is not Choice.INDECISION and shown.choice is not shown.presentation.expected


def _chosen(shown: Shown) -> Profile | None:
    """Return the profile that was chosen, None for an indecision."""
    if shown.choice is Choice.INDECISION:
        return None
    return shown.presentation.left if shown.choice is Choice.LEFT else shown.presentation.right


def _longest_run(choices: Iterable[Choice]) -> int:
    return max((sum(1 for _ in run) for _, run in groupby(choices)), default=0)


def excluded_by(
    rules: Exclusions, attention: Attention, *, finished: bool, comprehension_failed: bool
) -> tuple[str, ...]:
    """Return the names of the rules that somebody falls under, in the order of :class:`Exclusions`.

    A measure that is not known, such as the median time of somebody whose times are missing, breaks no rule.
    """
    broken = []
    if rules.unfinished and not finished:
        broken.append("unfinished")
    for limit in _LIMITS:
        stated, measured = limit.stated(rules), limit.measured(attention)
        if stated is not None and measured is not None:
            outside = measured < stated if limit.lowest else measured > stated
            if outside:
                broken.append(limit.rule)
    if rules.comprehension_failed and comprehension_failed:
        broken.append("comprehension_failed")
    return tuple(broken)


def describe(rules: Exclusions) -> list[str]:
    """Return the rules in plain English, one sentence each, for a preregistration."""
    sentences = []
    if rules.unfinished:
        sentences.append("Participants who did not finish are left out.")
    for limit in _LIMITS:
        stated = limit.stated(rules)
        if stated is not None:
            sentences.append(f"Participants are left out {limit.sentence(stated)}.")
    if rules.comprehension_failed:
        sentences.append(
            "Participants who never gave the right answer to the comprehension question are left out."
        )
    return sentences or ["No participant is left out."]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limit:
    """A rule that compares a measure with a number."""

    rule: str
    """Its name among the fields of :class:`Exclusions`."""
    stated: Callable[[Exclusions], float | None]
    measured: Callable[[Attention], float | None]
    sentence: Callable[[float], str]
    lowest: bool = False
    """Whether the number is the lowest measure that stays in, not the highest."""


def _times(number: float) -> str:
    return "once" if number == 1 else f"{number:g} times"


# In the order of the fields of Exclusions, between its first and its last, which are no numbers.
_LIMITS = (
    _Limit(
        rule="failed_checks_above",
        stated=lambda rules: rules.failed_checks_above,
        measured=lambda attention: attention.checks_failed,
        sentence=lambda n: (
            "if they answered an attention check otherwise than expected"
            + ("" if n == 0 else f" more than {_times(n)}")
        ),
    ),
    _Limit(
        rule="dominated_against_above",
        stated=lambda rules: rules.dominated_against_above,
        measured=lambda attention: attention.dominated_against,
        sentence=lambda n: (
            ("if" if n == 0 else f"if more than {_times(n)}")
            + " they chose a patient whom the other equals or betters in every attribute"
        ),
    ),
    _Limit(
        rule="median_seconds_below",
        stated=lambda rules: rules.median_seconds_below,
        measured=lambda attention: attention.median_seconds,
        sentence=lambda n: (
            f"if their median time per main comparison, the first one not counted, was below {n:g} seconds"
        ),
        lowest=True,
    ),
    _Limit(
        rule="same_side_above",
        stated=lambda rules: rules.same_side_above,
        measured=lambda attention: attention.same_side_share,
        sentence=lambda n: f"if more than {100 * n:.10g} % of their decided main answers chose the same side",
    ),
    _Limit(
        rule="repeats_changed_above",
        stated=lambda rules: rules.repeats_changed_above,
        measured=lambda attention: attention.repeats_changed,
        sentence=lambda n: (
            "if they answered a repeated comparison otherwise than before"
            + ("" if n == 0 else f" more than {_times(n)}")
        ),
    ),
)
