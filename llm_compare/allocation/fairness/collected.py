"""From a respondent's trials to arrays: what was answered as it was asked, and how much was not. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llm_compare.allocation.fairness.outcomes import Rankings, Selections
from llm_compare.allocation.problems.problem import Problem
from llm_compare.allocation.trials.answer import AnsweredTrial, Outcome, TrialFile


def factual(file: TrialFile) -> tuple[AnsweredTrial, ...]:
    """Return the answers to problems as they are, nobody changed."""
    return tuple(a for a in file.answered if a.read.outcome is Outcome.ANSWER and a.trial.change is None)


def selections_of(file: TrialFile, problems: Sequence[Problem]) -> Selections:
    """Return who was chosen in each answered trial of ``problems``."""
    place = {p.name: i for i, p in enumerate(problems)}
    trials = [a for a in factual(file) if a.trial.problem.name in place]
    chosen = [a.read.order[0] for a in trials]
    return Selections(
        respondent=file.label,
        problem=np.array([place[a.trial.problem.name] for a in trials], dtype=np.intp),
        chosen=np.array(chosen, dtype=np.intp),
        shuffle=np.array([a.trial.shuffle for a in trials], dtype=np.intp),
        repeat=np.array([a.trial.repeat for a in trials], dtype=np.intp),
        row=np.array(
            [a.trial.row_order.index(c) for a, c in zip(trials, chosen, strict=True)], dtype=np.intp
        ),
        n_candidates=problems[0].size,
    )


def rankings_of(file: TrialFile, problems: Sequence[Problem]) -> Rankings:
    """Return the ranking of each answered trial of ``problems``."""
    place = {p.name: i for i, p in enumerate(problems)}
    trials = [a for a in factual(file) if a.trial.problem.name in place]
    n = problems[0].size
    rows = np.array([a.trial.row_order for a in trials], dtype=np.intp).reshape(len(trials), n)
    return Rankings(
        respondent=file.label,
        problem=np.array([place[a.trial.problem.name] for a in trials], dtype=np.intp),
        order=np.array([a.read.order for a in trials], dtype=np.intp).reshape(len(trials), n),
        shuffle=np.array([a.trial.shuffle for a in trials], dtype=np.intp),
        repeat=np.array([a.trial.repeat for a in trials], dtype=np.intp),
        row=np.argsort(rows, axis=1),
    )
