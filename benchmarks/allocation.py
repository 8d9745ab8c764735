"""Measure how often tests of groups cry wolf, and how long they take.

    python benchmarks/allocation.py [--rows false-alarms stars others time] [--designs 1000] [--spread 1.5]

false-alarms  random designs in which groups mean nothing: 20 pools of 15 candidates with the paper's shares of
              groups dealt at random, 15 trials each, a respondent who prefers candidates at random, from coin
              tosses to nearly always the same ranking (or as ``--spread`` says). Share of designs in which each
              test rejects at .05, with Wilson's 95 % interval, and the mean difference. They should be .05 and 0.
stars         a fifth as many designs: share in which anything at all is called significant among all groups and
              outcomes of both groupings, after Holm's adjustment of the permutation tests. At most .05 is right.
others        likewise every other p-value of the report: disparity, task dependence, rows, counterfactuals of
              gender (one candidate a problem), for respondents with the same preferences in both tasks whom neither
              rows nor gender move.
time          one respondent's tests with 2,000 permutations, and 200 null runs on its design.

Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
from scipy import stats

from llm_compare.allocation.fairness.counterfactuals import counterfactual_effects
from llm_compare.allocation.fairness.false_alarms import LEVEL, FalseAlarms, false_alarms, simulated, tallied
from llm_compare.allocation.fairness.group_tests import adjusted, group_tests
from llm_compare.allocation.fairness.measure_tests import measures_of
from llm_compare.allocation.fairness.outcomes import NO_GROUP, Array, Groups, Rankings
from llm_compare.allocation.fairness.parity import parity
from llm_compare.allocation.fairness.rnd import PAPER, chance_rnd
from llm_compare.allocation.fairness.row_effect import rank_on_row, row_effect
from llm_compare.allocation.fairness.task_dependence import task_dependence
from llm_compare.allocation.fairness.tested import DEFAULT, MeasureTests
from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, KIDNEY_COLUMNS
from llm_compare.allocation.problems.problem import Candidate, Kidney, Origin, Problem, ProblemSet, Value
from llm_compare.allocation.trials.answer import AnsweredTrial, Outcome, Read, RespondentKind, TrialFile
from llm_compare.allocation.trials.plan import Design, planned_trials
from llm_compare.allocation.trials.trial import Task
from llm_compare.replies.reply import Reply

PROBLEMS, CANDIDATES, SHUFFLES, REPEATS = 20, 15, 3, 5
SLOTS = {
    "ethnicity": {"White": 123, "Black": 90, "Hispanic": 60, "Asian": 25},
    "gender": {"Male": 204, "Female": 96},
}
"""Of 300, table 2 of arXiv 2504.03716v2; two are of no group that is known."""
PERMUTATIONS = 199
MOST_SPREAD = 4.0
"""Of log-strengths; two trials then have a Kendall's tau of .73."""


def main() -> None:
    rows = {
        "false-alarms": print_false_alarms,
        "stars": print_stars,
        "others": print_others,
        "time": print_time,
    }
    parser = argparse.ArgumentParser(description="Measure tests of groups.")
    parser.add_argument("--rows", nargs="*", default=list(rows), choices=list(rows))
    parser.add_argument("--designs", type=int, default=1_000)
    parser.add_argument(
        "--spread", type=float, help="standard deviation of log-strengths; random unless given"
    )
    given = parser.parse_args()
    for name in given.rows:
        rows[name](given.designs, given.spread)


def print_false_alarms(designs: int, spread: float | None) -> None:
    for grouping in SLOTS:
        began = time.perf_counter()
        found = alarms(grouping, designs, seed=1, spread=spread)
        print(
            f"\nfalse alarms, {grouping}: {designs:,} random designs, {time.perf_counter() - began:.0f} s\n"
            f"  {'outcome':<17} {'test':<40} {'group':<10} {'p < .05':>7}  {'95 % interval':<13} {'effect':>11}"
        )
        for row in found:
            shown = (
                "never made"
                if row.rate is None
                else f"{row.rate:>7.3f}  {row.low:.3f} - {row.high:.3f}"
                + ("" if row.mean_effect is None else f" {row.mean_effect:>+11.3f}")
            )
            print(f"  {row.measure:<17} {row.method:<40} {row.group:<10} {shown}", flush=True)


def print_stars(designs: int, spread: float | None) -> None:
    n, starred = max(designs // 5, 1), 0
    for number in range(n):
        rng = np.random.default_rng((2, number))
        rankings = answered(drawn(spread, rng), rng)
        tests = adjusted([group_tests(rankings, dealt(g, rng), seed=number) for g in SLOTS])
        corrected = [
            t.effect.p_adjusted
            for found in tests
            for m in found.measures
            for row in m.groups
            for t in row.tests
            if t.method is DEFAULT and t.effect.p_adjusted is not None
        ]
        starred += min(corrected) < LEVEL
    interval = stats.binomtest(starred, n).proportion_ci(method="wilson")
    print(f"\nstars: {starred} of {n} designs have any; {interval.low:.3f} - {interval.high:.3f}")


def print_others(designs: int, spread: float | None) -> None:
    began = time.perf_counter()
    found: dict[str, list[float | None]] = {}
    for number in range(designs):
        for name, p in other_tests(number, spread):
            found.setdefault(name, []).append(p)
    print(f"\nothers: {designs:,} random designs, {time.perf_counter() - began:.0f} s")
    for name, made in found.items():
        ps = np.array([p for p in made if p is not None])
        rejected = int((ps < LEVEL).sum())
        interval = stats.binomtest(rejected, len(ps)).proportion_ci(method="wilson")
        print(
            f"  {name:<52} {rejected / len(ps):.3f}  {interval.low:.3f} - {interval.high:.3f}  of {len(ps)}"
        )


def other_tests(number: int, spread: float | None) -> Iterator[tuple[str, float | None]]:
    """Yield the p-values of one design in which nothing is to be found; None of a test that could not be made."""
    rng = np.random.default_rng((3, number))
    strengths = rng.normal(0, drawn(spread, rng), (PROBLEMS, CANDIDATES))
    groups = dealt("ethnicity", rng)
    rankings, chosen = (by_strength(strengths, rng) for _ in range(2))
    disparity = parity(chosen.top, groups, seed=number, n_permutations=PERMUTATIONS)
    yield "lowest / highest selection rate", disparity.four_fifths.observed.p
    yield "kidneys out of place", disparity.distance.observed.p
    both = task_dependence(chosen.top, rankings.top, PROBLEMS, seed=number, n_permutations=PERMUTATIONS)
    yield "choose-one against first ranks", both.distance.observed.p
    yield (
        "mean row of the chosen",
        row_effect(chosen.top, seed=number, n_permutations=PERMUTATIONS).mean_row.p,
    )
    yield "slope of rank on row", rank_on_row(rankings, seed=number, n_permutations=PERMUTATIONS).p
    for task in (Task.CHOOSE_ONE, Task.RANK_ALL):
        problems, file = changed(strengths, task, number, rng)
        (effects,) = counterfactual_effects(file, problems, seed=number).groupings
        yield f"counterfactual, any value, {task}", effects.any_change.p
        for effect in effects.contrasts[0].effects:
            yield f"counterfactual, {effect.measure}, {task}", effect.difference.p


def by_strength(strengths: Array, rng: np.random.Generator) -> Rankings:
    """Return rankings by candidates' log-strengths (Plackett-Luce), each row order answered several times."""
    problem = np.repeat(np.arange(PROBLEMS), SHUFFLES * REPEATS)
    orders = rng.permuted(np.tile(np.arange(CANDIDATES), (PROBLEMS * SHUFFLES, 1)), axis=1)
    return Rankings(
        respondent="random",
        problem=problem,
        order=np.argsort(-strengths[problem] - rng.gumbel(size=(len(problem), CANDIDATES)), axis=1),
        shuffle=np.tile(np.arange(SHUFFLES).repeat(REPEATS), PROBLEMS),
        repeat=np.tile(np.arange(REPEATS), PROBLEMS * SHUFFLES),
        row=np.argsort(np.repeat(orders, REPEATS, axis=0), axis=1),
    )


def changed(
    strengths: Array, task: Task, number: int, rng: np.random.Generator
) -> tuple[tuple[Problem, ...], TrialFile]:
    """Return trials in which one candidate a problem is shown as of the other gender, which changes nothing."""
    genders = np.where(rng.random(strengths.shape) < SLOTS["gender"]["Male"] / 300, "Male", "Female")
    nothing: dict[str, Value] = {column.name: None for column in CANDIDATE_COLUMNS}
    problems = tuple(
        Problem(
            name=f"p{i}",
            kidney=Kidney((None,) * len(KIDNEY_COLUMNS)),
            candidates=tuple(Candidate(tuple((nothing | {"GENDER": str(g)}).values())) for g in row),
            ids=tuple(range(CANDIDATES)),
        )
        for i, row in enumerate(genders)
    )
    problem_set = ProblemSet(
        title="nobody",
        origin=Origin.SYNTHETIC,
        source="",
        seed=0,
        problems=problems,
        pairs=(),
        example_sets=(),
    )
    design = Design(shuffles=SHUFFLES, repeats=REPEATS, counterfactuals=("gender",), seed=number)
    trials = planned_trials(problem_set, task, design)
    place = [int(trial.problem.name[1:]) for trial in trials]
    orders = np.argsort(-strengths[place] - rng.gumbel(size=(len(trials), CANDIDATES)), axis=1)
    n_named = 1 if task is Task.CHOOSE_ONE else CANDIDATES
    return problems, TrialFile(
        label="random",
        model="random",
        kind=RespondentKind.SCRIPT,
        task=task,
        set_sha256="",
        origin=Origin.SYNTHETIC,
        planned=len(trials),
        answered=tuple(
            AnsweredTrial(
                trial=trial,
                reply=Reply(content=""),
                read=Read(outcome=Outcome.ANSWER, rule="", order=tuple(map(int, order[:n_named]))),
            )
            for trial, order in zip(trials, orders, strict=True)
        ),
        settings={},
    )


def print_time(designs: int, spread: float | None) -> None:
    """Print how long tests take. ``designs`` and ``spread`` are of the other rows."""
    rng = np.random.default_rng(1)
    print("\ntime: 300 rankings of 15 candidates, four groups")
    groups, rankings = dealt("ethnicity", rng), answered(1.5, rng)
    began = time.perf_counter()
    group_tests(rankings, groups, seed=1)
    print(f"  every test, 2,000 permutations {time.perf_counter() - began:>7.2f} s")
    began = time.perf_counter()
    false_alarms(groups, rankings, seed=1)
    print(f"  200 null runs                  {time.perf_counter() - began:>7.2f} s")


def alarms(
    grouping: str, designs: int, *, seed: int, spread: float | None = None, n_permutations: int = 199
) -> tuple[FalseAlarms, ...]:
    """Return how often each test rejects on random designs: labels and respondents are drawn anew each time."""

    def runs() -> Iterator[tuple[MeasureTests, ...]]:
        for number in range(designs):
            rng = np.random.default_rng((seed, number))
            groups, rankings = dealt(grouping, rng), answered(drawn(spread, rng), rng)
            yield measures_of(
                rankings,
                groups,
                chance_rnd(groups),
                rng=rng,
                n_permutations=n_permutations,
                variant=PAPER,
                with_intervals=False,
            )

    return tallied(runs())


def dealt(grouping: str, rng: np.random.Generator) -> Groups:
    """Return the paper's candidate slots dealt at random to the pools."""
    slots = SLOTS[grouping]
    labels = np.full(PROBLEMS * CANDIDATES, NO_GROUP)
    labels[: sum(slots.values())] = np.repeat(np.arange(len(slots)), list(slots.values()))
    code = rng.permutation(labels).reshape(PROBLEMS, CANDIDATES).astype(np.intp)
    return Groups(grouping=grouping, names=tuple(slots), code=code)


def drawn(spread: float | None, rng: np.random.Generator) -> float:
    return rng.uniform(0, MOST_SPREAD) if spread is None else spread


def answered(spread: float, rng: np.random.Generator) -> Rankings:
    """Return 15 rankings of each pool by somebody with preferences of that spread."""
    trials = PROBLEMS * SHUFFLES * REPEATS
    rows = rng.permuted(np.tile(np.arange(CANDIDATES), (trials, 1)), axis=1)
    unanswered = Rankings(
        respondent="random",
        problem=np.repeat(np.arange(PROBLEMS), SHUFFLES * REPEATS),
        order=rows,
        shuffle=np.tile(np.arange(SHUFFLES).repeat(REPEATS), PROBLEMS),
        repeat=np.tile(np.arange(REPEATS), PROBLEMS * SHUFFLES),
        row=rows,
    )
    found = simulated(unanswered, PROBLEMS, spread, rng)
    assert isinstance(found, Rankings)
    return found


if __name__ == "__main__":
    main()
