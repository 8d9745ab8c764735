"""What simulated years did to each group of patients under three weights, and what a model changes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exchange.outcomes.outcome import Measure
from exchange.outcomes.run_summary import RunSummary
from llm_compare.consequences.difference import Difference, Verdict, difference
from llm_compare.consequences.groups import GroupKind
from llm_compare.consequences.outcome_groups import OutcomeGroup
from llm_compare.consequences.sentences import (
    amount,
    counted,
    difference_sentence,
    group_sentences,
    with_interval,
)

_DAYS_PER_YEAR = 365.0
_EACH_ALONE = (
    "Each stands by itself: of twenty groups for whom nothing changes, one is expected to seem to differ."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What was simulated, alike for all weights."""

    scenario: str
    scenario_source: str
    profiles_from: str
    """How patients got their profiles, in words."""
    years: float
    """Length of a run."""
    seeds: tuple[int, ...]
    policy: str
    cycle_cap: int
    chain_cap: int
    people_are_indifferent: bool
    """People's weights prefer no patient to another; they were simulated as equal weights."""
    runs_sha256: str
    """Over everything the runs depend on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderOneWeights:
    """All runs under some weights, in the order of the seeds."""

    runs: tuple[RunSummary, ...]
    draws: tuple[tuple[RunSummary, ...], ...] = ()
    """The same runs under each draw of the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of a group's patients under some weights, over all runs."""

    transplanted_share: float
    left_share: float
    """Died or left for another reason without a transplant."""
    waiting_share: float
    """Still waiting at the end."""
    mean_days: float
    """From arrival until the transplant, the leaving or the end of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupYears:
    """What becomes of one group of patients, and what the model's weights change for it."""

    kind: GroupKind
    attribute: str
    group: str
    words: str
    patients_per_year: float
    """Of the program."""
    by_people: Fate
    by_model: Fate
    by_equal: Fate
    transplants_per_hundred: Difference
    """Of 100 patients of the group, model - people: the mean difference over runs, over the mean number of the
    group's patients, which counts as known."""
    transplants_per_year: Difference
    left_per_year: Difference
    waiting_years_per_year: Difference
    """Person-years of waiting per year of the program; above 0: it waits longer under the model's weights."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedConsequences:
    """What one model's weights do instead of people's over years of an exchange."""

    model: str
    world: World
    groups: tuple[GroupYears, ...]
    """Everybody first."""
    model_is_indifferent: bool
    """Its weights prefer no patient to another; it was simulated with equal weights."""
    n_draws: int
    """Draws of the weights behind the intervals; 0: they take the weights as known."""
    sentences: tuple[str, ...]
    """What happened, in words; the first sums up."""

    @property
    def everybody(self) -> GroupYears:
        """All patients together."""
        return self.groups[0]


def consequences_of(
    label: str,
    groups: Sequence[OutcomeGroup],
    people: UnderOneWeights,
    model: UnderOneWeights,
    equal: UnderOneWeights,
    world: World,
    *,
    model_is_indifferent: bool,
) -> SimulatedConsequences:
    """Return what a model's weights change, seed by seed.

    Parameters
    ----------
    groups
        Everybody first; each has patients.
    """
    found = tuple(_group_years(group, people, model, equal, world) for group in groups)
    return SimulatedConsequences(
        model=label,
        world=world,
        groups=found,
        model_is_indifferent=model_is_indifferent,
        n_draws=found[0].transplants_per_year.n_draws,
        sentences=tuple(_sentences(label, found, world, model_is_indifferent=model_is_indifferent)),
    )


def _group_years(
    group: OutcomeGroup, people: UnderOneWeights, model: UnderOneWeights, equal: UnderOneWeights, world: World
) -> GroupYears:
    def numbers(runs: Sequence[RunSummary], measure: Measure) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        if measure is Measure.DAYS_IN_POOL:
            # Days of all patients together; a mean of nobody's days is no number.
            seen = [group.seen(run) for run in runs]
            return np.array(
                [n * group.value(run, measure) if n else 0.0 for run, n in zip(runs, seen, strict=True)]
            )
        return np.array([group.value(run, measure) for run in runs])

    def changed(measure: Measure) -> Difference:
        n_draws = min((len(side.draws) for side in (people, model) if side.draws), default=0)
        point = numbers(model.runs, measure) - numbers(people.runs, measure)
        if n_draws < 2:
            return difference(point.tolist())
        theirs, others = (
            [numbers(runs, measure) for runs in (side.draws[:n_draws] or [side.runs] * n_draws)]
            for side in (people, model)
        )
        return difference(point.tolist(), np.array(others) - np.array(theirs))

    def fate(side: UnderOneWeights) -> Fate:
        seen = float(numbers(side.runs, Measure.SEEN).sum())
        total = {
            measure: float(numbers(side.runs, measure).sum())
            for measure in (Measure.TRANSPLANTED, Measure.LEFT, Measure.WAITING, Measure.DAYS_IN_POOL)
        }
        return Fate(
            transplanted_share=total[Measure.TRANSPLANTED] / seen,
            left_share=total[Measure.LEFT] / seen,
            waiting_share=total[Measure.WAITING] / seen,
            mean_days=total[Measure.DAYS_IN_POOL] / seen,
        )

    mean_seen = float(numbers(people.runs, Measure.SEEN).mean())
    transplants = changed(Measure.TRANSPLANTED)
    per_hundred = transplants.scaled(100.0 / mean_seen)
    waiting = changed(Measure.DAYS_IN_POOL).scaled(1.0 / (_DAYS_PER_YEAR * world.years))
    return GroupYears(
        kind=group.kind,
        attribute=group.attribute,
        group=group.group,
        words=group.words,
        patients_per_year=mean_seen / world.years,
        by_people=fate(people),
        by_model=fate(model),
        by_equal=fate(equal),
        transplants_per_hundred=per_hundred,
        transplants_per_year=transplants.scaled(1.0 / world.years),
        left_per_year=changed(Measure.LEFT).scaled(1.0 / world.years),
        waiting_years_per_year=waiting,
        sentence=_group_sentence(group.words, transplants.scaled(1.0 / world.years), per_hundred, waiting),
    )


def _group_sentence(words: str, transplants: Difference, per_hundred: Difference, waiting: Difference) -> str:
    if transplants.verdict is Verdict.SAME and waiting.verdict is Verdict.SAME:
        return f"Nothing changes for {words}."
    first = difference_sentence(per_hundred, of=f"of every 100 {words}", done="transplanted").removesuffix(
        "."
    )
    which = "more" if waiting.value > 0 else "fewer"
    return (
        f"{first}: {with_interval(transplants)} {'fewer' if transplants.value < 0 else 'more'} transplants and "
        f"{with_interval(waiting)} {which} person-years of waiting a year."
    )


def _sentences(
    label: str, groups: Sequence[GroupYears], world: World, *, model_is_indifferent: bool
) -> list[str]:
    runs = f"{counted(len(world.seeds), 'simulated run')} of {amount(world.years)} years"
    if model_is_indifferent:
        first = (
            f"The weights of {label} prefer no patient to another: what is compared with people's weights over "
            f"{runs} is that every patient counts the same."
        )
    else:
        first = f"Over {runs}, with the weights of {label} instead of people's: {_extremes(groups)}."
    total = groups[0]
    # Profiles may be dozens; they are in ``groups``.
    levels = [g for g in groups[1:] if g.kind is not GroupKind.PROFILE]
    changed = [g for g in levels if g.transplants_per_year.verdict is not Verdict.SAME]
    changed.sort(key=lambda g: -abs(g.transplants_per_year.value))
    found = [
        first,
        total.sentence,
        *group_sentences([(g.transplants_per_year, g.sentence) for g in changed]),
    ]
    if total.transplants_per_year.n_draws:
        found.append(
            f"The intervals hold who happens to arrive and, by {total.transplants_per_year.n_draws} draws, what "
            f"the answers leave open about the weights. {_EACH_ALONE}"
        )
    elif len(world.seeds) > 1:
        found.append(
            "The intervals hold who happens to arrive, not what the answers leave open about the weights. "
            f"{_EACH_ALONE}"
        )
    else:
        found.append("One run has no intervals: simulate more seeds before believing a number.")
    if world.people_are_indifferent:
        found.append("People's weights prefer no patient to another: they are simulated as equal weights.")
    return [*found, world.profiles_from]


def _extremes(groups: Sequence[GroupYears]) -> str:
    """Return the level that gains most and the one that loses most, of those for whom it is shown."""
    levels = [g for g in groups if g.kind is GroupKind.ATTRIBUTE]
    parts = []
    for verdict, which in ((Verdict.MORE, "more"), (Verdict.FEWER, "fewer")):
        of = [g for g in levels if g.transplants_per_year.verdict is verdict]
        if of:
            most = max(of, key=lambda g: abs(g.transplants_per_hundred.value))
            parts.append(
                f"{with_interval(most.transplants_per_hundred)} {which} transplanted of every 100 {most.words}"
            )
    if parts:
        return ", and ".join(parts)
    if all(g.transplants_per_year.verdict is Verdict.SAME for g in levels):
        return "no level of any attribute gains or loses a transplant"
    return "no level of any attribute is shown to gain or lose transplants"
