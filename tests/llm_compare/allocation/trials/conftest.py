"""A small problem set, made by hand, and trials about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from llm_compare.allocation.problems.problem import Candidate, Kidney, Origin, Problem, ProblemSet
from llm_compare.allocation.trials.trial import Task, Trial, Way

MARYLAND = Kidney(("A", 2, 24, 44, 7, 4, 15, 41, 175.0, 74.5, "Female", "Black, Non-Hispanic", "MARYLAND"))
UTAH = Kidney(("O", 1, 3, 8, 35, 1, 7, 33, 168.0, 70.0, "Male", "White, Non-Hispanic", "UTAH"))

LISTED = (
    Candidate(
        (
            *("A", 2, 68, 7, 39, 4, 15, 27, 173.0, 70.7, "Male", "White, Non-Hispanic"),
            *("HIGH SCHOOL (9-12) or GED", "No", 965, "OHIO"),
        )
    ),
    Candidate(
        (
            *("AB", 3, 0, 8, 44, 17, 13, 54, 170.18, 80.2, "Female", "Black, Non-Hispanic"),
            *("GRADE SCHOOL (0-8)", "Yes", 1205, "TEXAS"),
        )
    ),
    Candidate(
        (
            *("A", 11, None, 60, 18, 7, 8, 38, 180.0, 75.2, "Male", "Hispanic/Latino"),
            *("ASSOCIATE/BACHELOR DEGREE", "Yes", 47, "MAINE"),
        )
    ),
    Candidate(
        (
            *("A", 29, 30, 42, 49, 11, 18, 66, 177.8, 68.039, "Female", "Asian, Non-Hispanic"),
            *("POST-COLLEGE GRADUATE DEGREE", "No", 203, "IOWA"),
        )
    ),
)
"""All viable for the kidney from Maryland."""


def _fails(**changes: object) -> Candidate:
    candidate = LISTED[0]
    for column, value in changes.items():
        candidate = candidate.changed(column, value)  # type: ignore[arg-type]
    return candidate


def _pair(name: str, id_: int, kidney: Kidney, candidate: Candidate) -> Problem:
    return Problem(name=name, kidney=kidney, candidates=(candidate,), ids=(id_,))


@pytest.fixture(scope="session")
def problem_set() -> ProblemSet:
    """Three problems of four candidates, two pairs, two sets of examples."""
    return ProblemSet(
        title="By hand",
        origin=Origin.SYNTHETIC,
        source="written for tests",
        seed=0,
        problems=tuple(
            Problem(name=name, kidney=MARYLAND, candidates=candidates, ids=(0, 1, 2, 3))
            for name, candidates in (
                ("p01", LISTED),
                ("p02", (LISTED[3], LISTED[0], LISTED[1], LISTED[2])),
                ("p03", LISTED[::-1]),
            )
        ),
        pairs=(
            _pair("k1-c1", 18, MARYLAND, LISTED[0]),
            _pair("k1-c2", 98, MARYLAND, _fails(ABO="B", WGT_KG_TCR=99.0)),
        ),
        example_sets=tuple(
            (
                _pair("e-abo", first + 4, MARYLAND, _fails(ABO="O")),
                _pair("e-height", first + 5, MARYLAND, _fails(HGT_CM_TCR=150.0)),
                _pair("e-ok", first + 6, UTAH, LISTED[0]),
                _pair("e-weight", first + 7, MARYLAND, _fails(WGT_KG_TCR=101.5)),
            )
            for first in (0, 50)
        ),
    )


@pytest.fixture(scope="session")
def trial_of(problem_set: ProblemSet) -> Callable[..., Trial]:
    """Return a function that makes a trial of the first problem or pair, or of one with other ids."""

    def make(
        task: Task, *, ids: Sequence[int] | None = None, way: Way | None = None, **parts: object
    ) -> Trial:
        problem = parts.pop("problem", None)
        if problem is None:
            problem = (problem_set.pairs if task is Task.VIABILITY else problem_set.problems)[0]
        assert isinstance(problem, Problem)
        if ids is not None:
            candidates = tuple(LISTED[i % len(LISTED)] for i in range(len(ids)))
            problem = Problem(name="p", kidney=MARYLAND, candidates=candidates, ids=tuple(ids))
        arguments = {"row_order": tuple(range(problem.size)), **parts}
        return Trial(task=task, way=way or Way(), problem=problem, **arguments)  # type: ignore[arg-type]

    return make
