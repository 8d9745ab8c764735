"""Flags on respondents: each with its rule in words and the number it rests on. Nobody is dropped by a flag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from estimation.diagnostics.participants import FAST_SECONDS, Participant
from estimation.diagnostics.triads import BY_CHANCE
from estimation.errors import EstimationError
from survey.attention import excluded_by
from survey.design import StudyDesign


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From where on a measure raises a flag. The defaults are conventions, not laws: state what you change."""

    failed_checks_above: int = 0
    """Any failed check (Oppenheimer, Meyvis and Davidenko 2009, J. Exp. Soc. Psychol. 45)."""
    dominated_against_above: int = 0
    """Any choice of a patient whom the other equals or betters in everything."""
    median_seconds_below: float = FAST_SECONDS
    """Huang et al. (2012), J. Bus. Psychol. 27."""
    speed_above: float = 2.0
    """Times faster than the median respondent (relative speed index; Leiner 2019, Survey Research Methods 13)."""
    side_p_below: float = 0.001
    """Exact binomial: one attentive respondent in a thousand would be as one-sided. Our convention."""
    run_above: float = 0.5
    """Share of a respondent's answers that were the same in a row (half of the items: Curran 2016, J. Exp. Soc.
    Psychol. 66)."""
    fewest_for_run: int = 10
    """Of fewer answers no run is long."""
    circular_from: float = BY_CHANCE
    """Share of circular triads; a coin gives a quarter (Kendall and Babington Smith 1940, Biometrika 31)."""
    fewest_triads: int = 10
    """Of fewer completed triads no share is told."""
    mean_square_above: float = 1.5
    """Infit or outfit: more noise than information (Linacre 2002, Rasch Measurement Transactions 16)."""
    mean_square_z_above: float = 2.0
    """Together with the mean square: not explained by chance."""
    repeats_changed_above: float = 0.5
    """Share of repeats answered otherwise. Our convention."""
    fewest_repeats: int = 2

    def check(self) -> None:
        """Raise :class:`EstimationError` if a threshold makes no sense."""
        for name, most in (
            ("run_above", 1),
            ("circular_from", 1),
            ("repeats_changed_above", 1),
            ("side_p_below", 1),
        ):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise EstimationError(f"threshold {name}: {value} is not between 0 and {most}")
        for name in ("median_seconds_below", "speed_above", "mean_square_above"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise EstimationError(f"threshold {name}: {value} is not a number from 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Something about a respondent that a reader should know before trusting their answers."""

    respondent: str
    name: str
    rule: str
    """The rule in words, with its threshold."""
    value: float
    """The number that the flag rests on."""


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    words: str
    measured: Callable[[Participant], float | None]
    """The number that is flagged; None if the rule says nothing about this respondent."""


def flags_of(
    people: Sequence[Participant],
    *,
    thresholds: Thresholds | None = None,
    design: StudyDesign | None = None,
) -> tuple[Flag, ...]:
    """Return the flags of all respondents, in their order.

    Parameters
    ----------
    design
        Its exclusion rules, stated before the first participant, are flags of their own (``stated: …``). Whether
        somebody finished or understood is not in the answers, so those two rules are not applied.

    Raises
    ------
    EstimationError
        A threshold makes no sense.
    """
    thresholds = thresholds or Thresholds()
    thresholds.check()
    rules = _rules(thresholds, people)
    found = []
    for person in people:
        for rule in rules:
            value = rule.measured(person)
            if value is not None:
                found.append(Flag(respondent=person.respondent, name=rule.name, rule=rule.words, value=value))
        found += _stated(person, design)
    return tuple(found)


def _stated(person: Participant, design: StudyDesign | None) -> list[Flag]:
    """Return the design's own exclusion rules that somebody falls under."""
    if design is None:
        return []
    attention = person.attention
    measured = {
        "failed_checks_above": attention.checks_failed,
        "dominated_against_above": attention.dominated_against,
        "median_seconds_below": attention.median_seconds,
        "same_side_above": attention.same_side_share,
        "repeats_changed_above": attention.repeats_changed,
    }
    broken = excluded_by(design.exclusions, attention, finished=True, comprehension_failed=False)
    return [
        Flag(
            respondent=person.respondent,
            name=f"stated: {name}",
            rule=f"the design excludes {name.replace('_', ' ')} {getattr(design.exclusions, name)}",
            value=float(measured[name] or 0),
        )
        for name in broken
    ]


def _rules(t: Thresholds, people: Sequence[Participant]) -> tuple[_Rule, ...]:
    times = [p.attention.median_seconds for p in people if p.attention.median_seconds]
    usual = median(times) if times else None

    def speed(p: Participant) -> float | None:
        own = p.attention.median_seconds
        return usual / own if usual and own else None

    def run(p: Participant) -> float | None:
        return p.attention.longest_same_run / p.n_answers if p.n_answers >= t.fewest_for_run else None

    def misfit(which: str) -> Callable[[Participant], float | None]:
        def measured(p: Participant) -> float | None:
            if p.fit is None or getattr(p.fit, f"{which}_z") <= t.mean_square_z_above:
                return None
            return _above(getattr(p.fit, which), t.mean_square_above)

        return measured

    def changed(p: Participant) -> float | None:
        if p.reliability is None or p.attention.repeats_answered < t.fewest_repeats:
            return None
        return _above(1 - p.reliability, t.repeats_changed_above)

    def circular(p: Participant) -> float | None:
        share = p.triads.share
        return (
            share
            if share is not None and p.triads.completed >= t.fewest_triads and share >= t.circular_from
            else None
        )

    return (
        _Rule(
            "failed check",
            f"answered more than {t.failed_checks_above} attention checks otherwise than expected",
            lambda p: _above(p.attention.checks_failed, t.failed_checks_above),
        ),
        _Rule(
            "dominated chosen",
            f"more than {t.dominated_against_above} times chose a patient whom the other equals or betters in all",
            lambda p: _above(p.attention.dominated_against, t.dominated_against_above),
        ),
        _Rule(
            "fast",
            f"median time per main comparison, the first not counted, below {t.median_seconds_below:g} seconds",
            lambda p: _below(p.attention.median_seconds, t.median_seconds_below),
        ),
        _Rule(
            "faster than others",
            f"more than {t.speed_above:g} times as fast as the median respondent",
            lambda p: _above(speed(p), t.speed_above),
        ),
        _Rule(
            "one side",
            f"so many decided answers on one side have a probability below {t.side_p_below:g} (exact binomial)",
            lambda p: _below(p.side_p, t.side_p_below),
        ),
        _Rule(
            "same answer in a row",
            f"more than {100 * t.run_above:g} % of the answers were the same (left, right or indecision) in a row",
            lambda p: _above(run(p), t.run_above),
        ),
        _Rule(
            "circular",
            f"at least {100 * t.circular_from:g} % of {t.fewest_triads} or more completed triads are circular",
            circular,
        ),
        *(
            _Rule(
                which,
                f"{which} mean square above {t.mean_square_above:g}, standardized above {t.mean_square_z_above:g}",
                misfit(which),
            )
            for which in ("infit", "outfit")
        ),
        _Rule(
            "repeats changed",
            f"more than {100 * t.repeats_changed_above:g} % of {t.fewest_repeats} or more repeats were changed",
            changed,
        ),
    )


def _above(value: float | None, threshold: float) -> float | None:
    return float(value) if value is not None and value > threshold else None


def _below(value: float | None, threshold: float) -> float | None:
    return float(value) if value is not None and value < threshold else None
