"""How often a model chooses as people do, with what people reach among themselves beside every number. Pure.

Indecision is a choice: two indecisions agree, an indecision and a decision do not. Every comparison counts alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm_compare.alignment.cells import (
    FEWEST_PAIRS,
    Cells,
    Tally,
    cells_of_people,
    cells_of_replies,
    mean_over,
    ratio,
)
from llm_compare.alignment.choices import INDECISION, Array, Indices, Pairing
from llm_compare.alignment.halves import OverSplits, halvings, over_splits
from llm_compare.alignment.resampling import Measured, Resampling, Weighted, measured_each

# Sums of spread answers that differ by less are equal: what remains is rounding.
_SAME = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class BesidePeople:
    """A number for the model, the same for people among themselves, and their paired difference."""

    model: Measured
    """On all comparisons on which it can be measured."""
    people: Measured
    """The ceiling: on comparisons that several people answered."""
    difference: Measured
    """Model minus people, both on those comparisons and against the same people; so it may differ a little from the
    difference of the two numbers. Positive: the model is nearer to people than they are to each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalAgreement:
    """Agreement of most frequent choices. Where the model has two of them, it counts as a draw between them."""

    model: Measured
    """Share of comparisons on which the model's most frequent choice is the people's."""
    people_halves: OverSplits
    """The ceiling: the same for the most frequent choices of two random halves of the people."""
    model_halves: OverSplits
    """The model's most frequent choice against those of the same halves."""
    n_model_tied: int
    """Comparisons on which two of the model's choices are equally frequent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement with the majority, with a random person, and beyond chance."""

    answers_with_majority: BesidePeople
    """Share of answers that equal the people's most frequent choice. A person is held against the majority of all
    others; a model that always gives the majority's choice reaches 1, though no person does."""
    modal_with_majority: ModalAgreement
    with_random_person: BesidePeople
    """Chance that one answer of the model equals one answer of a person drawn at random; for people, that of two
    different persons. A model that always gives the majority's choice lies above people."""
    kappa: BesidePeople
    """The same beyond chance, (A − C)/(1 − C), where chance C is that both are undecided, or both decide and pick
    the same of two: C = i·j + (1−i)(1−j)/2, with i and j the rates of indecision. Unlike Cohen's it does not depend
    on which profile is called the first. 1 is full agreement, 0 what the rates of indecision alone give."""
    n_comparisons: int
    n_with_several_people: int
    """Comparisons that two people or more answered; the ceilings rest on them."""
    n_without_majority: int
    """Comparisons on which two of the people's choices are equally frequent: left out of agreement with it."""
    n_splits: int


def agreement(
    pairing: Pairing, resampling: Resampling, *, n_splits: int = 200, fewest_pairs: int = FEWEST_PAIRS
) -> Agreement:
    """Measure how often the model chooses as people do.

    Majorities are those of the people in each draw, so that intervals carry how sure a majority is.

    Parameters
    ----------
    n_splits
        Random halvings of the people.
    fewest_pairs
        Of people who answered the same comparison; with fewer, no ceiling is told.

    References
    ----------
    Cohen (1960), Educ. Psychol. Meas. 20 (kappa); Scott (1955), Public Opin. Q. 19 (chance from pooled rates).
    """
    cells, replies = cells_of_people(pairing.people), cells_of_replies(pairing.model)
    several = "no comparison was answered by two people"
    none = "no choice is the most frequent one in any comparison"

    def in_draw(w: Weighted) -> list[float]:
        people, model = cells.tally(w.person[cells.respondent]), replies.tally(w.reply)
        return [
            *_with_majority(cells, people, model, w.comparison),
            *_with_person(people, model, w.comparison),
        ]

    share, difference = (0.0, 1.0), (-1.0, 1.0)
    answers, person, against_person, modal, to_person, among, to_minus_among, kappa, kappa_people, beyond = (
        measured_each(
            in_draw,
            pairing,
            resampling,
            bounds=[share, share, difference, share, share, share, *([difference] * 3), (-2.0, 2.0)],
            undefined=[none, several, several, none, *([several] * 6)],
        )
    )
    people, model = cells.once, replies.once
    if 0 < people.n_pairs < fewest_pairs:
        few = Measured(
            value=None, reason=f"fewer than {fewest_pairs} pairs of people answered the same comparison"
        )
        person = against_person = among = to_minus_among = kappa_people = beyond = few
    n_halvings = n_splits if people.n_pairs >= fewest_pairs else 0
    people_halves, model_halves = _modal_halves(cells, model, n_splits=n_halvings, seed=resampling.seed)
    return Agreement(
        answers_with_majority=BesidePeople(model=answers, people=person, difference=against_person),
        modal_with_majority=ModalAgreement(
            model=modal,
            people_halves=people_halves,
            model_halves=model_halves,
            n_model_tied=int((~_majority(model.total)[1] & (model.size > 0)).sum()),
        ),
        with_random_person=BesidePeople(model=to_person, people=among, difference=to_minus_among),
        kappa=BesidePeople(model=kappa, people=kappa_people, difference=beyond),
        n_comparisons=len(pairing.comparisons),
        n_with_several_people=int(people.has_several.sum()),
        n_without_majority=int((~_majority(people.total)[1] & (people.size > 0)).sum()),
        n_splits=n_splits,
    )


def _majority(counts: Array) -> tuple[Indices, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Return the column of the most frequent choice of each row, and whether there is one such."""
    top = counts.max(axis=1)
    unique = ((counts >= top[:, None] - _SAME).sum(axis=1) == 1) & (top > _SAME)
    return counts.argmax(axis=1), unique


def _at(rows: Array, column: Indices) -> Array:
    picked: Array = np.take_along_axis(rows, column[:, None], axis=1)[:, 0]
    return picked


def _modal_shares(shares: Array) -> Array:
    """Return 1 for the most frequent choice of each row, or equal parts for several; NaN where nobody answered."""
    top = shares >= shares.max(axis=1)[:, None] - _SAME
    return ratio(top.astype(float), top.sum(axis=1)[:, None].astype(float))


def _with_majority(
    cells: Cells, people: Tally, model: Tally, comparison: Array
) -> tuple[float, float, float, float]:
    """Return agreement of the model's answers with the majority, of a person's with that of all others, their
    difference against the same majorities, and agreement of the model's most frequent choice.
    """
    majority, unique = _majority(people.total)
    answers = np.where(unique, _at(model.shares, majority), np.nan)
    modal = np.where(unique, _at(_modal_shares(model.shares), majority), np.nan)

    others = people.total[cells.comparison] - people.weights[:, None] * cells.total
    of_others, unique = _majority(others)
    theirs = _at(model.shares[cells.comparison], of_others)
    counted = people.weights * cells.size * (unique & np.isfinite(theirs))
    total = cells.by_comparison(counted)
    person = mean_over(ratio(cells.by_comparison(counted * _at(cells.mean, of_others)), total), comparison)
    by_model = ratio(cells.by_comparison(counted * np.where(counted > 0, theirs, 0.0)), total)
    return (
        mean_over(answers, comparison),
        person,
        mean_over(by_model, comparison) - person,
        mean_over(modal, comparison),
    )


def _with_person(people: Tally, model: Tally, comparison: Array) -> tuple[float, ...]:
    """Return agreement of the model with a person, of two persons, the difference; and the same beyond chance."""
    same = (people.shares * model.shares).sum(axis=1)
    among = np.where(np.isfinite(same), people.squared_shares.sum(axis=1), np.nan)
    both = comparison * np.isfinite(among)
    theirs, shared, ceiling = mean_over(same, comparison), mean_over(same, both), mean_over(among, both)
    kappa = _beyond(theirs, *(_rate(t, same, comparison) for t in (people, model)))
    mine = _rate(people, same, both)
    kappa_people = _beyond(ceiling, mine, mine)
    kappa_shared = _beyond(shared, mine, _rate(model, same, both))
    return theirs, ceiling, shared - ceiling, kappa, kappa_people, kappa_shared - kappa_people


def _rate(tally: Tally, defined: Array, weights: Array) -> float:
    return mean_over(np.where(np.isfinite(defined), tally.shares[:, INDECISION], np.nan), weights)


def _beyond(agree: float, one: float, other: float) -> float:
    chance = one * other + (1 - one) * (1 - other) / 2
    return (agree - chance) / (1 - chance) if 1 - chance > _SAME else float("nan")


def _modal_halves(cells: Cells, model: Tally, *, n_splits: int, seed: int) -> tuple[OverSplits, OverSplits]:
    """Return agreement of most frequent choices: of halves of the people, and of the model with the same halves."""
    people: list[float] = []
    models: list[float] = []
    of_model = _modal_shares(model.shares)
    for first in halvings(cells, n_splits=n_splits, seed=seed):
        halves = [cells.tally(half.astype(float)) for half in (first, ~first)]
        modal = [_modal_shares(half.shares) for half in halves]
        same, by_model = [], []
        for mine, other in ((0, 1), (1, 0)):
            majority, unique = _majority(halves[other].total)
            used = unique & (halves[mine].size > 0) & (model.size > 0)
            same.append(_at(modal[mine], majority)[used])
            by_model.append(_at(of_model, majority)[used])
        for kept, values in ((people, same), (models, by_model)):
            found = np.concatenate(values)
            kept.append(float(found.mean()) if len(found) else float("nan"))
    return over_splits(people), over_splits(models)
