"""Counts of choices: the one object that every estimator reads. No estimator sees single answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from estimation.errors import EstimationError
from survey.answers import Answer, AnswerSet, Choice, Role
from survey.design import Attribute, CategoricalAttribute, Level, Profile

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

LEFT, RIGHT, INDECISION = 0, 1, 2
"""Columns of :attr:`ChoiceData.counts`."""

COLUMN_OF = {Choice.LEFT: LEFT, Choice.RIGHT: RIGHT, Choice.INDECISION: INDECISION}
"""The column of each choice."""

# Up to so many counters are kept for every key that could occur; beyond, keys are sorted instead.
_MOST_COUNTERS = 20_000_000


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
    """Choice counts per cell: a pair of profiles as shown, whether indecision was offered, and a group."""

    attributes: tuple[Attribute, ...]
    profiles: tuple[Profile, ...]
    left: Indices
    """Index of the left profile (shown first), shape (n_cells,)."""
    right: Indices
    """Index of the right profile, shape (n_cells,)."""
    counts: Array
    """Choices of shape (n_cells, 3): left, right, indecision."""
    offered: NDArray[np.bool_]
    """Whether indecision could be chosen, shape (n_cells,)."""
    group: Indices
    """Index of the cell's group in ``groups``, shape (n_cells,)."""
    groups: tuple[str, ...] = ("",)
    """Names of the groups of answers that a model may tell apart; one without a name if it need not."""
    by_cluster: sparse.csr_array | None
    """Choices of each cluster, shape (n_clusters, 3 * n_cells), column ``3 * cell + choice``. None if every answer
    is its own cluster: then ``counts`` says it all."""
    cluster_names: tuple[str, ...] = ()
    """Respondents, or comparisons; empty if every answer is its own cluster."""
    clustering: Clustering
    set_aside: Mapping[str, int]
    """Rows that are no choice (skips, timeouts), by kind."""
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
    def n_clusters(self) -> int:
        """Number of clusters."""
        return self.n_answers if self.by_cluster is None else int(self.by_cluster.shape[0])

    @property
    def names(self) -> tuple[str, ...]:
        """The profiles' ids."""
        return tuple(p.id for p in self.profiles)

    @property
    def wins(self) -> Array:
        """Decided choices of shape (n_profiles, n_profiles): row beats column."""
        return np.asarray(self.win_counts().toarray())

    def win_counts(self, *, half_wins: bool = False) -> sparse.csr_array:
        """Return decided choices as a sparse matrix: row beats column. A profile beside itself never wins.

        Parameters
        ----------
        half_wins
            Count an indecision as half a win for each.
        """
        n = len(self.profiles)
        halves = 0.5 * self.counts[:, INDECISION] if half_wins else 0.0
        rows = np.concatenate([self.left, self.right])
        columns = np.concatenate([self.right, self.left])
        won = np.concatenate([self.counts[:, LEFT] + halves, self.counts[:, RIGHT] + halves])
        won[rows == columns] = 0.0
        wins = sparse.coo_array((won, (rows, columns)), shape=(n, n)).tocsr()
        wins.eliminate_zeros()
        return sparse.csr_array(wins)


def choice_data(
    answer_set: AnswerSet,
    *,
    arm: str | None = None,
    wave: int | None = None,
    group_of: Callable[[Answer], str | None] | None = None,
    left_out: Mapping[str, str] | None = None,
) -> ChoiceData:
    """Count the answers of a set.

    Only main comparisons are counted; checks, repeats and the like are left out and named in ``notes``. Answers
    are clustered by respondent; those of a single respondent (a person or a model asked again and again) by
    comparison; those without a respondent not at all, which ``notes`` says because it makes intervals too narrow.

    Parameters
    ----------
    arm, wave
        Only this arm or wave of the study; None for all.
    group_of
        The group of an answer, for models that tell groups apart (its arm, a property of its respondent); an
        answer without one (None) is left out.
    left_out
        Respondents to leave out -> why, as an analysis states it. Nobody is left out otherwise.

    Raises
    ------
    EstimationError
        No answers are left, only some of them name their respondent, or an indecision was not on offer.
    """
    notes = []
    source = answer_set.source
    if not answer_set.answers:
        raise EstimationError(f"{source}: holds no answers")
    chosen = [
        a for a in answer_set.answers if (arm is None or a.arm == arm) and (wave is None or a.wave == wave)
    ]
    if not chosen:
        raise EstimationError(_nothing_chosen(answer_set, arm, wave))
    set_aside = dict(answer_set.set_aside)
    if set_aside:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(set_aside.items()))
        notes.append(f"not choices, and not counted as indecision: {kinds}")
    main = [a for a in chosen if a.role is Role.MAIN]
    for role, n in sorted(Counter(a.role for a in chosen if a.role is not Role.MAIN).items()):
        notes.append(f"{n} answers to comparisons shown as {role} left out")
    if left_out:
        present = {a.respondent for a in main} & left_out.keys()
        why = Counter(left_out[str(respondent)] for respondent in present)
        main = [a for a in main if a.respondent not in left_out]
        notes += [f"{n} respondent(s) left out: {reason}" for reason, n in sorted(why.items())]
    grouped = [(a, group_of(a) if group_of else "") for a in main]
    without_group = sum(group is None for _, group in grouped)
    if without_group:
        notes.append(f"{without_group} answers of respondents without a known group left out")
    main = [a for a, group in grouped if group is not None]
    if not main:
        raise EstimationError(f"{source}: no answers to main comparisons are left")

    impossible = sum(a.choice is Choice.INDECISION and not a.indecision_offered for a in main)
    if impossible:
        raise EstimationError(
            f"{source}: {impossible} answers are indecision although it was not on offer; "
            "correct 'choice' or 'indecision_offered'"
        )
    arms = sorted({a.arm for a in main})
    if len(arms) > 1:
        notes.append(f"answers of the arms {', '.join(arms)} are fitted together")

    clustering, keys = _clusters(source, main)
    if clustering is Clustering.ANSWER:
        notes.append(
            "the source does not say who gave which answer, so intervals treat answers as independent "
            "and are too narrow"
        )
    if clustering is Clustering.COMPARISON:
        notes.append(
            "all answers are one respondent's, so intervals tell what this respondent would answer, not what "
            "others would"
        )
    profiles, pair = _numbered([p for a in main for p in (a.left, a.right)])
    names, cluster = _numbered(keys)
    groups, group_number = _numbered([group for _, group in grouped if group is not None])
    return tally(
        attributes=answer_set.attributes,
        profiles=profiles,
        left=pair[0::2],
        right=pair[1::2],
        choice=[COLUMN_OF[a.choice] for a in main],
        offered=[a.indecision_offered for a in main],
        group=group_number,
        groups=groups,
        cluster=None if clustering is Clustering.ANSWER else cluster,
        cluster_names=() if clustering is Clustering.ANSWER else names,
        clustering=clustering,
        set_aside=set_aside,
        notes=tuple(notes),
    )


def tally(
    *,
    attributes: tuple[Attribute, ...],
    profiles: tuple[Profile, ...],
    left: ArrayLike,
    right: ArrayLike,
    choice: ArrayLike,
    offered: ArrayLike,
    cluster: ArrayLike | None,
    clustering: Clustering,
    group: ArrayLike | None = None,
    groups: tuple[str, ...] = ("",),
    cluster_names: tuple[str, ...] = (),
    times: ArrayLike | None = None,
    set_aside: Mapping[str, int] | None = None,
    notes: tuple[str, ...] = (),
) -> ChoiceData:
    """Count answers given as columns of numbers, each of shape (n_rows,).

    Parameters
    ----------
    left, right
        Indices into ``profiles``.
    choice
        :data:`LEFT`, :data:`RIGHT` or :data:`INDECISION`.
    offered
        Whether indecision could be chosen; one value for all rows, or one each.
    cluster
        Number of each row's cluster, from 0; None if every answer is its own.
    times
        How many answers a row stands for, as of ``GROUP BY``; None for 1 each. Fractions are allowed.

    Raises
    ------
    EstimationError
        A number is out of range, or a count is negative.
    """
    n = len(profiles)
    first, second = np.asarray(left, dtype=np.intp), np.asarray(right, dtype=np.intp)
    chosen = np.asarray(choice, dtype=np.intp)
    weight = None if times is None else np.asarray(times, dtype=float)
    shown = np.broadcast_to(np.asarray(offered, dtype=bool), first.shape)
    of_group = np.zeros(first.shape, np.intp) if group is None else np.asarray(group, dtype=np.intp)
    _check_columns(first, second, chosen, weight, n)
    key = ((of_group * n + first) * n + second) * 2 + shown
    found, cell = _distinct(key, len(groups) * n * n * 2)
    counts = np.bincount(3 * cell + chosen, weights=weight, minlength=3 * len(found)).reshape(-1, 3)
    by_cluster = None
    if cluster is not None:
        number = np.asarray(cluster, dtype=np.intp)
        shape = (int(number.max(initial=-1)) + 1, 3 * len(found))
        values = np.ones(len(number)) if weight is None else weight
        by_cluster = sparse.csr_array(sparse.coo_array((values, (number, 3 * cell + chosen)), shape=shape))
    return ChoiceData(
        attributes=attributes,
        profiles=profiles,
        left=found // 2 // n % n,
        right=found // 2 % n,
        counts=counts.astype(float),
        offered=found % 2 == 1,
        group=found // 2 // n // n,
        groups=groups,
        by_cluster=by_cluster,
        cluster_names=cluster_names,
        clustering=clustering,
        set_aside=dict(set_aside or {}),
        notes=notes,
    )


def counted(
    names: Sequence[str],
    left: ArrayLike,
    right: ArrayLike,
    counts: ArrayLike,
    *,
    indecision_offered: bool | None = None,
    attributes: tuple[Attribute, ...] = (),
    profiles: tuple[Profile, ...] = (),
    notes: tuple[str, ...] = (),
) -> ChoiceData:
    """Make choice data of counts that somebody else made, such as a published table.

    Parameters
    ----------
    names
        Names of the profiles; each becomes a level of an attribute ``profile`` unless ``profiles`` describe them.
    left, right
        Index of the profile shown first and second, shape (n_pairs,).
    counts
        Shape (n_pairs, 3): left chosen, right chosen, indecision. Every answer is its own cluster.
    indecision_offered
        None: offered if there is any indecision.

    Raises
    ------
    EstimationError
        A name stands twice, the counts do not have three columns, or one of them is negative.
    """
    table = np.asarray(counts, dtype=float)
    if table.ndim != 2 or table.shape[1] != 3:
        raise EstimationError(
            f"counts have the shape {table.shape}; give three columns: left chosen, right chosen, indecision"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise EstimationError(f"profile '{twice}' is named twice; give every profile one name")
    if not profiles:
        attributes, profiles = named_profiles(names)
    offered = bool(table[:, INDECISION].sum() > 0) if indecision_offered is None else indecision_offered
    return tally(
        attributes=attributes,
        profiles=profiles,
        left=np.repeat(np.asarray(left), 3),
        right=np.repeat(np.asarray(right), 3),
        choice=np.tile([LEFT, RIGHT, INDECISION], len(table)),
        offered=offered,
        times=table.ravel(),
        cluster=None,
        clustering=Clustering.ANSWER,
        notes=(
            *notes,
            "the source does not say who gave which answer, so intervals treat answers as independent "
            "and are too narrow",
        ),
    )


def named_profiles(names: Sequence[str]) -> tuple[tuple[Attribute, ...], tuple[Profile, ...]]:
    """Return profiles of which nothing but the name is known: levels of a single attribute ``profile``."""
    levels = tuple(Level(name=name, words=name) for name in names)
    attribute = CategoricalAttribute(name="profile", label="Profile", levels=levels)
    return (attribute,), tuple(Profile((("profile", name),), name=name) for name in names)


def of_clusters(data: ChoiceData, clusters: Indices) -> ChoiceData:
    """Return the answers of some clusters only; profiles and cells stay as they are."""
    if data.by_cluster is None:
        raise EstimationError("answers that do not name their respondents cannot be split by respondent")
    part = sparse.csr_array(data.by_cluster[clusters])
    return replace(
        data,
        by_cluster=part,
        counts=np.asarray(part.sum(axis=0), dtype=float).reshape(-1, 3),
        cluster_names=tuple(data.cluster_names[i] for i in clusters) if data.cluster_names else (),
    )


def _check_columns(left: Indices, right: Indices, choice: Indices, times: Array | None, n: int) -> None:
    if len(left) and (min(left.min(), right.min()) < 0 or max(left.max(), right.max()) >= n):
        raise EstimationError(f"a profile's number is not between 0 and {n - 1}")
    if len(choice) and (choice.min() < LEFT or choice.max() > INDECISION):
        raise EstimationError("a choice is not left (0), right (1) or indecision (2)")
    if times is not None and not (np.isfinite(times) & (times >= 0)).all():
        raise EstimationError("a count is negative or not finite")


def _distinct(key: Indices, n_possible: int) -> tuple[Indices, Indices]:
    """Return the distinct keys in order, and each row's place among them."""
    if n_possible > _MOST_COUNTERS:
        found, place = np.unique(key, return_inverse=True)
        return found, place
    found = np.flatnonzero(np.bincount(key, minlength=n_possible))
    places = np.zeros(n_possible, dtype=np.intp)
    places[found] = np.arange(len(found))
    return found, places[key]


def _numbered(keys: Sequence) -> tuple[tuple, Indices]:  # type: ignore[type-arg]
    """Return the distinct keys in order of appearance, and each one's number."""
    number = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return tuple(number), np.array([number[key] for key in keys], dtype=np.intp)


def _nothing_chosen(answer_set: AnswerSet, arm: str | None, wave: int | None) -> str:
    arms = ", ".join(sorted({a.arm for a in answer_set.answers}))
    waves = ", ".join(map(str, sorted({a.wave for a in answer_set.answers})))
    asked = " and ".join([f"arm '{arm}'"] * (arm is not None) + [f"wave {wave}"] * (wave is not None))
    return f"{answer_set.source}: no answers in {asked}; the arms are {arms}, the waves {waves}"


def _clusters(source: str, answers: list[Answer]) -> tuple[Clustering, list[str]]:
    respondents = {a.respondent for a in answers}
    if None in respondents:
        if len(respondents) > 1:
            raise EstimationError(
                f"{source}: some answers name their respondent and some do not; "
                "estimate the two kinds separately"
            )
        return Clustering.ANSWER, [""] * len(answers)
    if len(respondents) > 1:
        return Clustering.RESPONDENT, [str(a.respondent) for a in answers]
    return Clustering.COMPARISON, [" / ".join(sorted((a.left.id, a.right.id))) for a in answers]
