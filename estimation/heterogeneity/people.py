"""Everything about how people differ, in one study: classes, what does not count, populations, pulls, votes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from estimation.dataset import ChoiceData
from estimation.effect_rows import profile_words
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.heterogeneity.attendance import Attendance, fit_attendance
from estimation.heterogeneity.classes import (
    DEFAULT_STARTS,
    ClassTable,
    centred_log_strengths,
    compare_classes,
    respondent_log_strengths,
)
from estimation.heterogeneity.participant_pulls import ParticipantPulls, fit_participant_pulls
from estimation.heterogeneity.random_coefficients import RandomCoefficients, fit_random_coefficients
from estimation.heterogeneity.voting import Votes, profiles_to_vote_on, vote
from estimation.results import Fit
from estimation.specification import Specification
from survey.design import Profile

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PeopleStudy:
    """How people differ, seen in several ways. A way that the data or the model do not allow is None."""

    pooled: Fit
    """One model for all."""
    classes: ClassTable
    attendance: Attendance | None
    population: RandomCoefficients | None
    pulls: ParticipantPulls | None
    indecision: Mapping[str, float]
    """Respondent -> share of indecision among the answers that could be one; empty where none could."""
    votes: Votes
    voted_on: tuple[Profile, ...]
    voters: str
    """Whose orders were voted on, in words."""
    notes: tuple[str, ...]
    """What was left out and why."""


def study_people(
    data: ChoiceData,
    spec: Specification,
    *,
    most_classes: int = 5,
    n_starts: int = DEFAULT_STARTS,
    bootstrap: int = 0,
    draws: int = 256,
    executor: Executor | None = None,
    progress: Callable[[str], None] | None = None,
) -> PeopleStudy:
    """Look at how people differ in every way that the model allows.

    Parameters
    ----------
    spec
        A model whose likelihood has a single maximum; its seed is used throughout.
    most_classes, n_starts
        Of :func:`estimation.heterogeneity.classes.compare_classes`.
    bootstrap, executor
        Of :func:`estimation.heterogeneity.attendance.fit_attendance`.
    draws
        Per respondent, of :func:`estimation.heterogeneity.random_coefficients.fit_random_coefficients`.
    progress
        Told what is looked at next, in words.

    Raises
    ------
    EstimationError
        The answers do not name several respondents, or there is no ordinary fit or no classes of this model.
    """
    tell = progress or (lambda _: None)
    pooled = fit(data, spec)
    tell("kinds of people")
    classes = compare_classes(data, spec, most=most_classes, n_starts=n_starts)
    notes: list[str] = []
    tell("what does not count")
    attendance = _if_possible(
        "what does not count",
        notes,
        lambda: fit_attendance(data, spec, bootstrap=bootstrap, executor=executor),
    )
    tell("the population's distribution")
    population = _if_possible(
        "the population's distribution",
        notes,
        lambda: fit_random_coefficients(data, spec, seed=spec.seed, draws=draws),
    )
    pulls = None
    if spec.uses_indecision:
        tell("people's own pulls of indecision")
        pulls = _if_possible(
            "people's own pulls of indecision", notes, lambda: fit_participant_pulls(data, spec)
        )
    tell("votes")
    profiles = profiles_to_vote_on(data.profiles, seed=spec.seed)
    if len(profiles) < len(data.profiles):
        notes.append(
            f"the vote is on {len(profiles)} of the {len(data.profiles)} profiles, drawn by seed {spec.seed}"
        )
    if population is not None:
        own = population.respondent_means[:, : population.n_strengths]
        ballots = population.population.log_strengths(profiles, own)
        voters = (
            f"{len(ballots)} people's own orders, predicted by random coefficients; the population fills in what "
            "their answers leave open, so these orders differ less than people do"
        )
    else:
        ballots = respondent_log_strengths(classes.best, profiles)
        voters = (
            f"{len(ballots)} people's orders, predicted by the {classes.best.n_classes} classes they belong to, so "
            "these orders differ less than people do"
        )
    votes = vote(
        ballots, centred_log_strengths(pooled.weights, profiles), [_words(data, p) for p in profiles]
    )
    if classes.best.n_classes == most_classes > 1:
        notes.append(f"BIC is still falling at {most_classes} classes: there may be more kinds of people")
    return PeopleStudy(
        pooled=pooled,
        classes=classes,
        attendance=attendance,
        population=population,
        pulls=pulls,
        indecision=own_indecision(data),
        votes=votes,
        voted_on=profiles,
        voters=voters,
        notes=tuple(notes),
    )


def own_indecision(data: ChoiceData) -> dict[str, float]:
    """Return respondent -> share of indecision among the answers that could be one; empty where none could."""
    if data.by_cluster is None:
        return {}
    offered = np.repeat(data.offered, 3).astype(float)
    could = data.by_cluster @ offered
    did = data.by_cluster @ (offered * np.tile([0.0, 0.0, 1.0], len(data.left)))
    rows = zip(data.cluster_names, did, could, strict=True)
    return {name: float(n / possible) for name, n, possible in rows if possible > 0}


def _words(data: ChoiceData, profile: Profile) -> str:
    return profile.name or f"“{profile_words(data.attributes, profile)}”"


def _if_possible(what: str, notes: list[str], compute: Callable[[], _Found]) -> _Found | None:
    """Return what is computed, or None with a note that says why it could not be."""
    try:
        return compute()
    except EstimationError as error:
        notes.append(f"{what} left out: {error}")
        return None
