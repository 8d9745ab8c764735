"""Counts of choices: the one object that every estimator reads. No estimator sees single answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from estimation.errors import EstimationError
from survey.answers import Answer, AnswerSet, Choice, Role
from survey.design import Attribute, Profile

LEFT, RIGHT, INDECISION = 0, 1, 2
"""Columns of :attr:`ChoiceData.counts`."""

_COLUMN = {Choice.LEFT: LEFT, Choice.RIGHT: RIGHT, Choice.INDECISION: INDECISION}


class Clustering(StrEnum):
    """Which answers belong together, so that intervals do not count them as independent."""

    RESPONDENT = "respondent"
    """All answers of one respondent."""
    COMPARISON = "comparison"
    """All answers to one comparison: the right choice for a single respondent asked repeatedly."""
    ANSWER = "answer"
    """None: every answer stands alone, because the source does not say who gave it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChoiceData:
    """Choice counts per cluster, pair of profiles as shown, and whether indecision was offered."""

    attributes: tuple[Attribute, ...]
    profiles: tuple[Profile, ...]
    left: NDArray[np.intp]
    """Index of the left profile, shape (n_cells,)."""
    right: NDArray[np.intp]
    """Index of the right profile, shape (n_cells,)."""
    counts: NDArray[np.float64]
    """Choices of shape (n_cells, 3): left, right, indecision."""
    offered: NDArray[np.bool_]
    """Whether indecision could be chosen, shape (n_cells,)."""
    cluster: NDArray[np.intp]
    """Cluster of each cell, shape (n_cells,), numbered from 0."""
    clustering: Clustering
    n_clusters: int
    notes: tuple[str, ...]
    """What was left out, and why, in words. Part of every result."""

    @property
    def n_answers(self) -> int:
        """Number of answers counted."""
        return round(float(self.counts.sum()))

    @property
    def n_indecisions(self) -> int:
        """Number of answers that were indecision."""
        return round(float(self.counts[:, INDECISION].sum()))

    @property
    def wins(self) -> NDArray[np.float64]:
        """Decided choices of shape (n_profiles, n_profiles): row beats column."""
        wins = np.zeros((len(self.profiles), len(self.profiles)))
        np.add.at(wins, (self.left, self.right), self.counts[:, LEFT])
        np.add.at(wins, (self.right, self.left), self.counts[:, RIGHT])
        return wins


def choice_data(answer_set: AnswerSet, *, arm: str | None = None) -> ChoiceData:
    """Count the answers of a set.

    Checks and repeats are left out and counted in ``notes``. Answers are clustered by respondent; those of a
    single respondent (a person or a model asked again and again) by comparison; those without a respondent
    not at all, which ``notes`` says because it makes intervals too narrow.

    Parameters
    ----------
    arm
        Only this arm of the study; None for all.

    Raises
    ------
    EstimationError
        No answers are left, only some of them name their respondent, or an indecision was not on offer.
    """
    notes = []
    chosen = [a for a in answer_set.answers if arm is None or a.arm == arm]
    if not answer_set.answers:
        raise EstimationError(f"{answer_set.source}: holds no answers")
    if not chosen:
        there_are = ", ".join(sorted({a.arm for a in answer_set.answers}))
        raise EstimationError(f"{answer_set.source}: no answers in arm '{arm}'; the arms are {there_are}")
    main = [a for a in chosen if a.role is Role.MAIN]
    for role, n in sorted(Counter(a.role for a in chosen if a.role is not Role.MAIN).items()):
        notes.append(f"{n} answers to comparisons shown as {role} left out")
    if not main:
        raise EstimationError(f"{answer_set.source}: no answers to main comparisons, only checks and repeats")

    impossible = sum(a.choice is Choice.INDECISION and not a.indecision_offered for a in main)
    if impossible:
        raise EstimationError(
            f"{answer_set.source}: {impossible} answers are indecision although it was not on offer; "
            "correct 'choice' or 'indecision_offered'"
        )
    arms = sorted({a.arm for a in main})
    if len(arms) > 1:
        notes.append(f"answers of the arms {', '.join(arms)} are fitted together")

    clustering, keys = _clusters(answer_set.source, main)
    if clustering is Clustering.ANSWER:
        notes.append(
            "the source does not say who gave which answer, so intervals treat answers as independent "
            "and are too narrow"
        )
    profiles = tuple(dict.fromkeys(p for a in main for p in (a.left, a.right)))
    number = {profile: i for i, profile in enumerate(profiles)}
    cluster_number = {key: i for i, key in enumerate(dict.fromkeys(keys))}

    cells: dict[tuple[int, int, int, bool], list[float]] = {}
    for answer, key in zip(main, keys, strict=True):
        cell = (
            cluster_number[key],
            number[answer.left],
            number[answer.right],
            answer.indecision_offered,
        )
        cells.setdefault(cell, [0.0, 0.0, 0.0])[_COLUMN[answer.choice]] += 1
    return ChoiceData(
        attributes=answer_set.attributes,
        profiles=profiles,
        left=np.array([c[1] for c in cells], dtype=np.intp),
        right=np.array([c[2] for c in cells], dtype=np.intp),
        counts=np.array(list(cells.values())),
        offered=np.array([c[3] for c in cells], dtype=bool),
        cluster=np.array([c[0] for c in cells], dtype=np.intp),
        clustering=clustering,
        n_clusters=len(cluster_number),
        notes=tuple(notes),
    )


def _clusters(source: str, answers: list[Answer]) -> tuple[Clustering, list[object]]:
    respondents = {a.respondent for a in answers}
    if None in respondents:
        if len(respondents) > 1:
            raise EstimationError(
                f"{source}: some answers name their respondent and some do not; "
                "estimate the two kinds separately"
            )
        return Clustering.ANSWER, list(range(len(answers)))
    if len(respondents) > 1:
        return Clustering.RESPONDENT, [a.respondent for a in answers]
    return Clustering.COMPARISON, [frozenset((a.left, a.right)) for a in answers]
