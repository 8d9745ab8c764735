"""From problems and files of trials to everything that is measured on them, respondent by respondent.

Ways of asking are never mixed: a model asked in two ways is two respondents. Trials with shuffled columns or a
changed candidate are compared with the others, and are in no other number. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from llm_compare.allocation.fairness.collected import factual, rankings_of, selections_of
from llm_compare.allocation.fairness.counterfactuals import counterfactual_effects, has_counterfactuals
from llm_compare.allocation.fairness.false_alarms import FalseAlarmTable, false_alarms
from llm_compare.allocation.fairness.group_tests import adjusted, group_tests
from llm_compare.allocation.fairness.offers import offers_curve
from llm_compare.allocation.fairness.outcomes import Groups, Rankings, Selections
from llm_compare.allocation.fairness.parity import parity
from llm_compare.allocation.fairness.problem_means import problem_means
from llm_compare.allocation.fairness.rank_deviation import rank_deviation
from llm_compare.allocation.fairness.repeat_agreement import choice_agreement, ranking_agreement
from llm_compare.allocation.fairness.rnd import PAPER, VARIANTS, chance_rnd, group_rnd
from llm_compare.allocation.fairness.row_effect import rank_on_row, row_effect
from llm_compare.allocation.fairness.stability import choice_stability, stability
from llm_compare.allocation.fairness.task_dependence import groups_in_tasks, task_dependence
from llm_compare.allocation.fairness.tested import GroupTests, Method
from llm_compare.allocation.fairness.viability_scores import viability_scores
from llm_compare.allocation.problems.problem import Problem, ProblemSet
from llm_compare.allocation.problems.problems_file import problems_sha256
from llm_compare.allocation.report.column_orders import column_orders
from llm_compare.allocation.report.measured import (
    BothTasks,
    ChoicesMeasured,
    Compared,
    GroupingShown,
    GroupShown,
    Methods,
    ProblemsShown,
    RankingsMeasured,
    RespondentMeasured,
    RndShown,
    StrategyScores,
    TrialsShown,
)
from llm_compare.allocation.report.respondents import by_respondent, way_words
from llm_compare.allocation.trials.answer import TrialFile
from llm_compare.allocation.trials.reading import PARSER, Repair
from llm_compare.allocation.trials.trial import Strategy, Task, Way
from llm_compare.errors import NotMeasurable

_SURE = 0.05
_SIMULATED = "sim-"
"""Begins the ids of a rehearsal's participants."""
Say = Callable[[str], None]


def compare_respondents(
    problems: ProblemSet,
    files: Sequence[TrialFile],
    *,
    seed: int,
    n_permutations: int = 2_000,
    n_null_runs: int = 200,
    groupings: Sequence[str] = ("gender", "ethnicity"),
    repair: Repair = Repair.NONE,
    on_progress: Say = lambda text: None,
) -> Compared:
    """Measure every respondent of ``files`` in every task.

    Parameters
    ----------
    files
        A label may come in several files: one for each task.
    n_null_runs
        Simulated studies in which nobody's group matters, for each respondent, task and grouping; 0 for none.
    repair
        With which the files were read; told in the results.

    Raises
    ------
    NotMeasurable
        There is nothing to measure, or two files hold the same task of the same respondent.
    """
    if not files:
        raise NotMeasurable("there are no trials to compare; name one file of trials or more")
    asked = by_respondent(files)
    labels = Counter(label for label, _ in asked)
    shown = _problems_shown(problems, groupings)
    measuring = _Measuring(problems, shown, seed, n_permutations, n_null_runs, on_progress)
    respondents = [
        measuring.respondent(label if labels[label] == 1 else f"{label} ({way_words(way)})", way, own)
        for (label, way), own in asked.items()
    ]
    return Compared(
        problems=shown,
        methods=Methods(
            seed=seed,
            n_permutations=n_permutations,
            n_null_runs=n_null_runs,
            rnd_variant=PAPER.name,
            repair=repair.value,
            parser=PARSER,
        ),
        respondents=tuple(respondents),
    )


def _problems_shown(problems: ProblemSet, groupings: Sequence[str]) -> ProblemsShown:
    return ProblemsShown(
        title=problems.title,
        origin=problems.origin,
        source=problems.source,
        seed=problems.seed,
        sha256=problems_sha256(problems),
        n_problems=len(problems.problems),
        n_candidates=problems.problems[0].size if problems.problems else 0,
        n_pairs=len(problems.pairs),
        groupings=tuple(_grouping_shown(problems.problems, g) for g in groupings)
        if problems.problems
        else (),
    )


def _grouping_shown(problems: Sequence[Problem], grouping: str) -> GroupingShown:
    groups = Groups.of(problems, grouping)
    size = groups.code.shape[1]
    return GroupingShown(
        grouping=grouping,
        groups=tuple(
            GroupShown(
                name=name,
                slots=int(groups.sizes[:, g].sum()),
                share=float(groups.shares[g]),
                problems_without=int((groups.sizes[:, g] == 0).sum()),
                problems_alone=int((groups.sizes[:, g] == size).sum()),
            )
            for g, name in enumerate(groups.names)
        ),
        unlabeled=int((groups.code < 0).sum()),
    )


class _Measuring:
    """What all respondents share."""

    def __init__(
        self,
        problems: ProblemSet,
        shown: ProblemsShown,
        seed: int,
        n_permutations: int,
        n_null_runs: int,
        say: Say,
    ) -> None:
        self._problems = problems.problems
        self._seed = seed
        self._n_permutations = n_permutations
        self._n_null_runs = n_null_runs
        self._say = say
        every = [(g, Groups.of(problems.problems, g.grouping)) for g in shown.groupings]
        self._groups = [groups for g, groups in every if len(g.groups) > 1]
        self._alone = [g for g in shown.groupings if len(g.groups) < 2]

    def respondent(self, name: str, way: Way, files: Sequence[TrialFile]) -> RespondentMeasured:
        self._say(name)
        notes = list(self._notes(files))
        chosen = self._answers(files, Task.CHOOSE_ONE)
        ranked = self._answers(files, Task.RANK_ALL)
        selections = None if chosen is None else selections_of(_plain_columns(chosen), self._problems)
        rankings = None if ranked is None else rankings_of(_plain_columns(ranked), self._problems)
        choices = None if chosen is None or selections is None else self._choices(name, chosen, selections)
        rank_all = None if ranked is None or rankings is None else self._rankings(name, ranked, rankings)
        # One family of tests: both tasks and all groupings of a respondent.
        tests = adjusted([*(choices.tests if choices else ()), *(rank_all.tests if rank_all else ())])
        notes += _floor(tests, self._n_permutations)
        n_choices = len(choices.tests) if choices else 0
        return RespondentMeasured(
            name=name,
            label=files[0].label,
            kind=files[0].kind,
            way={k: v for k, v in way.as_dict().items() if k != "strategy"},
            trials=tuple(map(_trials_shown, files)),
            viability=tuple(self._viability(files)),
            choices=None if choices is None else replace(choices, tests=tests[:n_choices]),
            rankings=None if rank_all is None else replace(rank_all, tests=tests[n_choices:]),
            both=self._both(selections, rankings),
            counterfactuals=tuple(
                counterfactual_effects(file, self._problems, seed=self._seed)
                for file in map(_plain_columns, files)
                if file.task is not Task.VIABILITY and has_counterfactuals(file)
            ),
            notes=tuple(notes),
        )

    def _notes(self, files: Sequence[TrialFile]) -> Iterator[str]:
        for file in files:
            if not factual(file):
                yield f"{file.task}: no trial came to an answer, so nothing is measured"
        for g in self._alone:
            names = ", ".join(group.name for group in g.groups) or "nobody whose group is known"
            yield f"{g.grouping}: the candidates are all {names}, so there are no groups to compare"

    def _answers(self, files: Sequence[TrialFile], task: Task) -> TrialFile | None:
        """Return the file of a task if its own order of columns brought an answer at all."""
        of_task = [f for f in files if f.task is task and factual(_plain_columns(f))]
        return of_task[0] if of_task else None

    def _viability(self, files: Sequence[TrialFile]) -> Iterator[StrategyScores]:
        answered = [a for f in files if f.task is Task.VIABILITY for a in f.answered]
        for strategy in Strategy:
            if own := [a for a in answered if a.trial.way.strategy is strategy]:
                yield StrategyScores(strategy=strategy.value, scores=viability_scores(own, seed=self._seed))

    def _choices(self, name: str, file: TrialFile, selections: Selections) -> ChoicesMeasured:
        return ChoicesMeasured(
            n_trials=len(selections.problem),
            stability=choice_stability(selections, seed=self._seed),
            agreement=choice_agreement(selections, seed=self._seed),
            rows=row_effect(selections, seed=self._seed),
            columns=column_orders(factual(file), seed=self._seed),
            parity=tuple(parity(selections, g, seed=self._seed) for g in self._groups),
            tests=tuple(
                group_tests(selections, g, seed=self._seed, n_permutations=self._n_permutations)
                for g in self._groups
            ),
            false_alarms=self._false_alarms(f"{name}, choose-one", selections),
        )

    def _rankings(self, name: str, file: TrialFile, rankings: Rankings) -> RankingsMeasured:
        return RankingsMeasured(
            n_trials=len(rankings.problem),
            stability=stability(rankings, seed=self._seed),
            agreement=ranking_agreement(rankings, seed=self._seed),
            rows=row_effect(rankings.top, seed=self._seed),
            slope=rank_on_row(rankings, seed=self._seed),
            columns=column_orders(factual(file), seed=self._seed),
            parity=tuple(parity(rankings.top, g, seed=self._seed) for g in self._groups),
            tests=tuple(
                group_tests(rankings, g, seed=self._seed, n_permutations=self._n_permutations)
                for g in self._groups
            ),
            rnd=tuple(row for g in self._groups for row in _rnd_shown(rankings, g)),
            curves=tuple(rank_deviation(rankings, g, seed=self._seed) for g in self._groups),
            offers=tuple(offers_curve(rankings, g, seed=self._seed) for g in self._groups),
            false_alarms=self._false_alarms(f"{name}, rank-all", rankings),
        )

    def _false_alarms(self, what: str, trials: Rankings | Selections) -> tuple[FalseAlarmTable, ...]:
        if not self._n_null_runs:
            return ()
        return tuple(
            false_alarms(
                groups,
                trials,
                seed=self._seed,
                n_runs=self._n_null_runs,
                on_progress=partial(self._tell, f"{what}, {groups.grouping}"),
            )
            for groups in self._groups
        )

    def _tell(self, what: str, done: int, planned: int) -> None:
        self._say(f"{what}: {done} of {planned} studies in which groups mean nothing")

    def _both(self, selections: Selections | None, rankings: Rankings | None) -> BothTasks | None:
        if selections is None or rankings is None:
            return None
        if not set(selections.problem.tolist()) & set(rankings.problem.tolist()):
            return None
        top = rankings.top
        return BothTasks(
            dependence=task_dependence(selections, top, len(self._problems), seed=self._seed),
            groups=tuple(groups_in_tasks(selections, top, g, seed=self._seed) for g in self._groups),
        )


def _floor(tests: Sequence[GroupTests], n_permutations: int) -> list[str]:
    """Say if so few permutations leave no p-value that could be below .05 after correction."""
    n_tests = sum(
        t.method is Method.PERMUTATION and t.effect.p is not None
        for found in tests
        for measure in found.measures
        for group in measure.groups
        for t in group.tests
    )
    least = n_tests / (1 + n_permutations)
    if least < _SURE:
        return []
    return [
        f"with {n_permutations} permutations no p-value of {n_tests} tests can be below {min(least, 1):.2f} after "
        "correction, so no difference between groups can be shown; take more permutations"
    ]


def _plain_columns(file: TrialFile) -> TrialFile:
    return replace(file, answered=tuple(a for a in file.answered if a.trial.column_shuffle == 0))


def _rnd_shown(rankings: Rankings, groups: Groups) -> Iterator[RndShown]:
    for variant in VARIANTS.values():
        means = problem_means(group_rnd(rankings, groups, variant), rankings.problem, len(groups.code))
        chance = chance_rnd(groups, variant)
        for g, name in enumerate(groups.names):
            known = np.isfinite(means[:, g]) & np.isfinite(chance[:, g])
            yield RndShown(
                variant=variant.name,
                grouping=groups.grouping,
                group=name,
                value=float(means[known, g].mean()) if known.any() else None,
                chance=float(chance[known, g].mean()) if known.any() else None,
                n_problems=int(known.sum()),
            )


def _trials_shown(file: TrialFile) -> TrialsShown:
    persons = {a.respondent for a in file.answered if a.respondent}
    return TrialsShown(
        file=file.file.name if file.file else "",
        task=file.task,
        strategies=tuple(
            strategy.value
            for strategy in Strategy
            if file.task is Task.VIABILITY and any(a.trial.way.strategy is strategy for a in file.answered)
        ),
        model=file.model,
        planned=file.planned,
        counts={outcome.value: n for outcome, n in file.counts.items()},
        n_repaired=sum(bool(a.read.repairs) for a in file.answered),
        n_changed=sum(a.trial.change is not None for a in file.answered),
        n_persons=len(persons),
        n_simulated=sum(person.startswith(_SIMULATED) for person in persons),
        settings=dict(file.settings),
    )
