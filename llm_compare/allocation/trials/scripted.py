"""Respondents that follow a rule of a few lines: landmarks for comparisons, and known truths to recover in tests.

They are no models. Their replies are texts in the form that was asked for, and are read like a model's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from llm_compare.allocation.problems.columns import GROUPINGS
from llm_compare.allocation.problems.problem import Candidate, Problem, groups_of
from llm_compare.allocation.problems.viability import is_viable
from llm_compare.allocation.trials.trial import Form, Task, Trial, TrialCall
from llm_compare.errors import CannotAsk, UnknownModel
from llm_compare.prompting.call import SCRIPTED
from llm_compare.replies.reply import Reply

Order = tuple[int, ...]
"""Candidates' numbers from the first rank on."""
Ranker = Callable[[Trial, np.random.Generator], Order]
Judge = Callable[[Trial, np.random.Generator], bool]
"""Says whether the kidney suits the candidate."""

PREFERS = f"{SCRIPTED}prefers:"
"""Beginning of ``scripted/prefers:gender=Female``: one of the group first, whoever it is; all others at random."""
SORTS = f"{SCRIPTED}sorts:"
"""Beginning of ``scripted/sorts:gender=Female``: the whole group before all others, at random within both."""

_NOD = "Understood."
_DAYS_PER_YEAR = 365.25


def at_random(trial: Trial, rng: np.random.Generator) -> Order:
    """Rank by drawing lots."""
    return tuple(int(i) for i in rng.permutation(trial.problem.size))


def longest_waiting_first(trial: Trial, rng: np.random.Generator) -> Order:
    """Rank by days on the waiting list; equal ones by lot, those of whom it is not known last."""
    return _ranked(trial, lambda c: -_number(c, "DAYSWAIT_CHRON_KI", -np.inf), rng)


def youngest_first(trial: Trial, rng: np.random.Generator) -> Order:
    """Rank by age; equal ones by lot, those of whom it is not known last."""
    return _ranked(trial, lambda c: _number(c, "AGE", np.inf), rng)


def as_listed(trial: Trial, rng: np.random.Generator) -> Order:
    """Rank from the top of the list down."""
    return trial.row_order


def by_the_criteria(trial: Trial, rng: np.random.Generator) -> bool:
    """Say what the rule of viability says."""
    return is_viable(trial.problem.kidney, trial.candidates[0])


RANKERS: Mapping[str, Ranker] = MappingProxyType(
    {
        f"{SCRIPTED}random": at_random,
        f"{SCRIPTED}waiting-time": longest_waiting_first,
        f"{SCRIPTED}youngest-first": youngest_first,
        f"{SCRIPTED}first-row": as_listed,
    }
)
JUDGES: Mapping[str, Judge] = MappingProxyType(
    {
        f"{SCRIPTED}random": lambda trial, rng: bool(rng.integers(2)),
        f"{SCRIPTED}criteria": by_the_criteria,
        f"{SCRIPTED}yes": lambda trial, rng: True,
    }
)


class ScriptedChooser:
    """Answers the calls of trials by a script, in this process.

    Each reply draws from a generator seeded by the call and its repeat, so it does not depend on the order of
    calls. Put a seed into the settings to get other draws.

    Parameters
    ----------
    problems
        If given, a script that speaks of a group is refused where nobody of them belongs to it.

    Raises
    ------
    UnknownModel
        There is no such script, grouping or group.
    CannotAsk
        The script has no opinion on the task.
    """

    def __init__(self, model: str, task: Task, problems: Sequence[Problem] | None = None) -> None:
        if model.startswith((PREFERS, SORTS)):
            grouping, group = _group_named(model, problems)
            ranker = _prefers(grouping, group) if model.startswith(PREFERS) else _sorts(grouping, group)
            rule: Judge | Ranker | None = None if task is Task.VIABILITY else ranker
        elif model in RANKERS or model in JUDGES:
            rule = JUDGES.get(model) if task is Task.VIABILITY else RANKERS.get(model)
        else:
            raise UnknownModel(
                f"no scripted respondent is called '{model}'; there are {', '.join(scripts_of(task))}"
            )
        if rule is None:
            raise CannotAsk(f"{model} has no opinion on {task}; ask {', '.join(scripts_of(task))}")
        self._rule = rule

    async def reply(self, request: TrialCall, /) -> Reply:
        """Return the script's answer, or a nod to a turn before the last."""
        rng = np.random.default_rng([int(request.key, 16), request.repeat])
        return _replied(request, self._rule(request.trial, rng))

    async def close(self) -> None:
        """Nothing is open."""


class PlantedChooser:
    """Ranks by known log-strengths with known noise: a truth to recover.

    Draws rankings by Plackett and Luce: whoever comes next is drawn in proportion to exp(log-strength) among those
    left.

    Parameters
    ----------
    log_strengths
        What belonging to a group adds, by ``grouping=group``, such as ``gender=Female``.
    per_year_waiting
        What each year on the waiting list adds.
    seed
        Of the draws, beside the call's key and repeat.

    References
    ----------
    Plackett (1975), Applied Statistics 24, 193-202; Luce (1959), Individual Choice Behavior.
    """

    def __init__(
        self, log_strengths: Mapping[str, float], *, per_year_waiting: float = 0.0, seed: int = 0
    ) -> None:
        self._log_strengths = {tuple(name.split("=", 1)): value for name, value in log_strengths.items()}
        self._per_year_waiting = per_year_waiting
        self._seed = seed

    def log_strength(self, candidate: Candidate) -> float:
        """Return a candidate's log-strength, not centered."""
        groups = {(grouping, candidate.group(grouping)) for grouping in GROUPINGS}
        planted = sum(value for name, value in self._log_strengths.items() if name in groups)
        return (
            planted + self._per_year_waiting * _number(candidate, "DAYSWAIT_CHRON_KI", 0.0) / _DAYS_PER_YEAR
        )

    def order(self, trial: Trial, rng: np.random.Generator) -> Order:
        """Draw a ranking."""
        # Sorting log-strengths plus Gumbel noise is the same as drawing one after another.
        drawn = np.array([self.log_strength(c) for c in trial.candidates]) + rng.gumbel(
            size=trial.problem.size
        )
        return tuple(int(i) for i in np.argsort(-drawn))

    async def reply(self, request: TrialCall, /) -> Reply:
        """Draw an answer, or nod to a turn before the last.

        Raises
        ------
        CannotAsk
            Viability is asked, which strengths say nothing of.
        """
        if request.trial.task is Task.VIABILITY:
            raise CannotAsk("planted strengths say nothing of viability; ask choose-one or rank-all")
        rng = np.random.default_rng([self._seed, int(request.key, 16), request.repeat])
        return _replied(request, self.order(request.trial, rng))

    async def close(self) -> None:
        """Nothing is open."""


def said(trial: Trial, answer: Order | bool) -> str:
    """Return an answer in the form that the trial asks for.

    Parameters
    ----------
    answer
        Whether the kidney suits, in viability; else candidates' numbers from the first rank on, of which choose-one
        says the first.
    """
    ids = trial.problem.ids
    as_json = trial.way.form is Form.JSON
    if isinstance(answer, bool):
        return json.dumps({"compatible": answer}) if as_json else f"{ids[0]}, {'Yes' if answer else 'No'}"
    if trial.task is Task.CHOOSE_ONE:
        chosen = ids[answer[0]]
        return json.dumps({"candidate": chosen}) if as_json else str(chosen)
    if as_json:
        return json.dumps({"ranking": [ids[i] for i in answer]})
    return "\n".join(f"{ids[i]}, {rank}" for rank, i in enumerate(answer, start=1))


def scripts_of(task: Task) -> tuple[str, ...]:
    """Return the names of the scripts that have an opinion on a task."""
    if task is Task.VIABILITY:
        return tuple(JUDGES)
    return (*RANKERS, f"{PREFERS}GROUPING=GROUP", f"{SORTS}GROUPING=GROUP")


def _replied(call: TrialCall, answer: Order | bool) -> Reply:
    content = said(call.trial, answer) if call.is_last else _NOD
    return Reply(content=content, finish_reason="stop", returned_model=call.model)


def _group_named(model: str, problems: Sequence[Problem] | None) -> tuple[str, str]:
    grouping, equals, group = model.partition(":")[2].partition("=")
    if not equals or not group or grouping not in GROUPINGS:
        raise UnknownModel(
            f"{model}: name a grouping and a group, as in {model.partition(':')[0]}:gender=Female; there are "
            f"{', '.join(GROUPINGS)}"
        )
    if problems is not None and group not in (groups := groups_of(problems, grouping)):
        raise UnknownModel(
            f"{model}: no candidate is of {grouping} '{group}'; there are {', '.join(groups) or 'none'}"
        )
    return grouping, group


def _prefers(grouping: str, group: str) -> Ranker:
    def ranker(trial: Trial, rng: np.random.Generator) -> Order:
        members = [i for i, c in enumerate(trial.candidates) if c.group(grouping) == group]
        first = members[int(rng.integers(len(members)))] if members else None
        # Drawn apart: moved up out of one draw, the first of the group would leave its others behind the rest.
        rest = [i for i in at_random(trial, rng) if i != first]
        return tuple(rest) if first is None else (first, *rest)

    return ranker


def _sorts(grouping: str, group: str) -> Ranker:
    return lambda trial, rng: _ranked(trial, lambda c: c.group(grouping) != group, rng)


def _ranked(trial: Trial, place: Callable[[Candidate], float], rng: np.random.Generator) -> Order:
    """Return the candidates by ``place``, the smallest first, equal ones in random order."""
    candidates = trial.candidates
    return tuple(sorted(at_random(trial, rng), key=lambda i: place(candidates[i])))


def _number(candidate: Candidate, column: str, missing: float) -> float:
    value = candidate[column]
    return missing if value is None else float(value)
