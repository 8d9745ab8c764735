"""A policy as a respondent: priority weights from people's answers rank the candidates. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimation.weights import PriorityWeights, log_strengths
from llm_compare.allocation.problems.problem import Problem
from llm_compare.allocation.trials.answer import AnsweredTrial
from llm_compare.allocation.trials.policy_mapping import Mapped, profile_of
from llm_compare.allocation.trials.reading import read_trial
from llm_compare.allocation.trials.scripted import said
from llm_compare.allocation.trials.seeded import seeded
from llm_compare.allocation.trials.trial import Task, Trial
from llm_compare.errors import CannotAsk
from llm_compare.replies.reply import Reply

Array = NDArray[np.float64]

ALIKE = 1e-9
"""Log-strengths that differ by no more are equal: a sum in another order differs in its last bit."""


def policy_answers(
    trials: Sequence[Trial],
    policies: Sequence[PriorityWeights],
    mapping: Mapped,
    *,
    name: str,
    seed: int,
) -> tuple[AnsweredTrial, ...]:
    """Return what weights answer: candidates by their log-strength, the greatest first, equal ones by lot.

    Whoever ranks sees no list, so row orders change only how lots are drawn. The lots of a candidate are the same
    whether or not a counterfactual changes somebody.

    Parameters
    ----------
    policies
        One, or several between which repeats tell: joint draws of the weights, so that what is not known of them
        shows.
    name
        What the policy is called in replies.

    Raises
    ------
    CannotAsk
        Viability is asked; or a candidate has a value that the mapping or the weights say nothing of.
    """
    strengths: dict[tuple[object, ...], Array] = {}
    found = []
    for trial in trials:
        if trial.task is Task.VIABILITY:
            raise CannotAsk("weights say nothing of viability; ask choose-one or rank-all")
        policy = trial.repeat % len(policies)
        shown = (trial.problem.name, trial.change, policy)
        if shown not in strengths:
            strengths[shown] = _strengths(trial, policies[policy], mapping)
        lots = seeded(seed, "lots", trial.problem.name, trial.shuffle, trial.repeat).permutation(
            trial.problem.size
        )
        order = _descending(strengths[shown], lots)
        reply = Reply(content=said(trial, order), finish_reason="stop", returned_model=name)
        found.append(AnsweredTrial(trial=trial, reply=reply, read=read_trial(reply, trial)))
    return tuple(found)


def _strengths(trial: Trial, weights: PriorityWeights, mapping: Mapped) -> Array:
    profiles = []
    for number, candidate in enumerate(trial.candidates):
        try:
            profiles.append(profile_of(candidate, mapping))
        except CannotAsk as error:
            raise CannotAsk(f"{_place(trial.problem, number)}: {error}") from None
    strengths = log_strengths(weights, profiles)
    for number in map(int, np.flatnonzero(np.isnan(strengths))):
        raise CannotAsk(
            f"{_place(trial.problem, number)}: the weights have none for profile '{profiles[number].id}'; fit "
            "them by attributes, or map to levels that were compared"
        )
    return strengths


def _place(problem: Problem, number: int) -> str:
    return f"problem {problem.name}, candidate {problem.ids[number]}"


def _descending(strengths: Array, lots: NDArray[np.integer[Any]]) -> tuple[int, ...]:
    """Return the candidates, the strongest first; the lots decide between those that are alike."""
    order = [int(i) for i in np.argsort(-strengths, kind="stable")]
    level, step = np.empty(len(order), dtype=np.intp), 0
    for before, i in zip([order[0], *order], order, strict=False):
        step += bool(strengths[before] - strengths[i] > ALIKE)
        level[i] = step
    return tuple(sorted(order, key=lambda i: (level[i], lots[i])))
