"""Draw problems, viability pairs and few-shot examples from candidates and kidneys. Pure; keyed by a seed."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import cache

import numpy as np
import numpy.typing as npt

from llm_compare.allocation.problems.problem import Candidate, Kidney, Origin, Problem, ProblemSet
from llm_compare.allocation.problems.viability import (
    PAPERS_LIMITS,
    ROUNDING,
    Limits,
    Reason,
    is_abo_compatible,
    is_viable,
)
from llm_compare.errors import BadProblems

VIABLE_SHARE = 0.4
"""Of the pairs of viability: 50 of 125 trials in the paper's Table 1."""
MOST_GRIDS = 10_000
"""Random sets of kidneys and candidates that are looked at for this share."""
_FIRST_PAIR_ID = 11
_EXAMPLE_IDS = 100
"""Examples' candidates are called by numbers of two digits, as in the paper, and like nobody who is asked about."""

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]


class _Stream(IntEnum):
    """What a stream of randomness decides. The numbers are part of every result: never reuse one."""

    PROBLEMS = 1
    PAIRS = 2
    EXAMPLES = 3


def draw_problem_set(
    candidates: Sequence[Candidate],
    kidneys: Sequence[Kidney],
    *,
    origin: Origin,
    source: str,
    title: str,
    seed: int,
    n_problems: int = 20,
    n_candidates: int = 15,
    n_kidneys_viability: int = 5,
    n_candidates_viability: int = 5,
    n_example_sets: int = 15,
    limits: Limits = PAPERS_LIMITS,
) -> ProblemSet:
    """Draw everything that the three tasks put to whoever answers.

    - A *problem* is a random kidney among those that suit ``n_candidates`` candidates or more, with so many of
      these at random. No kidney and no candidate is in two problems unless the records run short; then all may come
      again, and the set's source says in how many problems that was so.
    - *Pairs* are every one of a few kidneys with every one of a few candidates. The paper drew them at random, and
      40 % were viable; of random pairs, few are (of our synthetic ones 17 %). So the first of ``MOST_GRIDS`` random
      draws is taken in which 40 % are, or the one nearest to that. There are always both kinds.
    - A *set of examples* is one viable pair and three that fail for one reason each (blood group, height, weight),
      in random order. Its kidneys and candidates are in no pair; within a set no candidate comes twice.

    Parameters
    ----------
    candidates, kidneys
        To draw from; each with blood type, height and weight.
    seed
        Same records, same seed, same problems.
    limits
        What counts as viable.

    Raises
    ------
    BadProblems
        The records allow no such problems; the message says how many there are.
    """
    if not candidates or not kidneys:
        missing = "candidates" if not candidates else "kidneys"
        raise BadProblems(f"there are no {missing} to draw from; give records of some")
    table = _Table(candidates, kidneys, limits)
    problems, n_repeated = _draw_problems(table, _rng(seed, _Stream.PROBLEMS), n_problems, n_candidates)
    grid = _draw_grid(table, _rng(seed, _Stream.PAIRS), n_kidneys_viability, n_candidates_viability)
    first_id = _FIRST_PAIR_ID
    pairs = tuple(
        Problem(
            name=f"k{i + 1}-c{j + 1}",
            kidney=kidneys[kidney],
            candidates=(candidates[candidate],),
            ids=(first_id + j,),
        )
        for i, kidney in enumerate(grid[0])
        for j, candidate in enumerate(grid[1])
    )
    example_sets = _draw_example_sets(
        table,
        _rng(seed, _Stream.EXAMPLES),
        n_example_sets,
        without=grid,
        first_id=first_id + n_candidates_viability,
    )
    again = f"; {n_repeated} problems use kidneys or candidates again" if n_repeated else ""
    return ProblemSet(
        title=title,
        origin=origin,
        source=f"{source}{again}",
        seed=seed,
        problems=problems,
        pairs=pairs,
        example_sets=example_sets,
    )


class _Table:
    """All records as columns, so that a kidney is held against 20,000 candidates at once."""

    def __init__(self, candidates: Sequence[Candidate], kidneys: Sequence[Kidney], limits: Limits) -> None:
        self.candidates, self.kidneys, self.limits = candidates, kidneys, limits
        # The rule in full, once: it complains of records that nobody can judge.
        for candidate in candidates:
            is_viable(kidneys[0], candidate, limits)
        for kidney in kidneys:
            is_viable(kidney, candidates[0], limits)
        self._heights = np.array([c["HGT_CM_TCR"] for c in candidates], dtype=float)
        self._weights = np.array([c["WGT_KG_TCR"] for c in candidates], dtype=float)
        types = sorted({str(c["ABO"]) for c in candidates})
        codes = np.array([types.index(str(c["ABO"])) for c in candidates])

        @cache
        def fits(donor: str) -> BoolArray:
            may: BoolArray = np.array([is_abo_compatible(donor, own) for own in types])[codes]
            return may

        self._fits = fits

    def fails(self, kidney: int) -> dict[Reason, BoolArray]:
        """Return which candidates a kidney fails for each reason."""
        donor = self.kidneys[kidney]
        height, weight = donor["HGT_CM_DON_CALC"], donor["WGT_KG_DON_CALC"]
        return {
            Reason.ABO: ~self._fits(str(donor["ABO_DON"])),
            Reason.HEIGHT: np.abs(self._heights - height) > self.limits.height_cm + ROUNDING,
            Reason.WEIGHT: np.abs(self._weights - weight) > self.limits.weight_kg + ROUNDING,
        }

    def suited(self, kidney: int) -> BoolArray:
        """Return which candidates a kidney suits."""
        abo, height, weight = self.fails(kidney).values()
        return ~(abo | height | weight)


def _rng(seed: int, stream: _Stream) -> np.random.Generator:
    if seed < 0:
        raise BadProblems(f"seed: {seed} is negative; give 0 or more")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, stream))))


def _draw_problems(
    table: _Table, rng: np.random.Generator, n_problems: int, n_candidates: int
) -> tuple[tuple[Problem, ...], int]:
    """Return the problems, and how many of them use records again."""
    if n_problems < 0 or n_candidates < 1:
        raise BadProblems(
            f"{n_problems} problems of {n_candidates} candidates cannot be; ask for 1 candidate or more"
        )
    fresh_kidneys, fresh = _everybody(table.kidneys), _everybody(table.candidates)
    problems = []
    n_repeated = 0
    for number in range(n_problems):
        drawn = _draw_one(table, rng, n_candidates, fresh_kidneys, fresh)
        if drawn is None:
            n_repeated += 1
            drawn = _draw_one(
                table, rng, n_candidates, _everybody(table.kidneys), _everybody(table.candidates)
            )
        if drawn is None:
            most = max(int(table.suited(k).sum()) for k in range(len(table.kidneys)))
            raise BadProblems(
                f"no kidney suits {n_candidates} candidates: of {len(table.candidates)} candidates, the best of "
                f"{len(table.kidneys)} kidneys suits {most}; ask for fewer candidates, or give more records"
            )
        kidney, chosen = drawn
        fresh_kidneys[kidney] = False
        fresh[chosen] = False
        problems.append(
            Problem(
                name=f"p{number + 1:02d}",
                kidney=table.kidneys[kidney],
                candidates=tuple(table.candidates[i] for i in chosen),
                ids=tuple(range(n_candidates)),
            )
        )
    return tuple(problems), n_repeated


def _everybody(records: Sequence[Candidate] | Sequence[Kidney]) -> BoolArray:
    return np.ones(len(records), dtype=bool)


def _draw_one(
    table: _Table, rng: np.random.Generator, n_candidates: int, kidneys: BoolArray, candidates: BoolArray
) -> tuple[int, list[int]] | None:
    """Return a kidney and candidates whom it suits, of those allowed; None if no kidney suits enough."""
    for kidney in rng.permutation(np.flatnonzero(kidneys)).tolist():
        suited = np.flatnonzero(table.suited(kidney) & candidates)
        if len(suited) >= n_candidates:
            return kidney, rng.choice(suited, n_candidates, replace=False).tolist()
    return None


def _draw_grid(
    table: _Table, rng: np.random.Generator, n_kidneys: int, n_candidates: int
) -> tuple[list[int], list[int]]:
    """Return kidneys and candidates of whose pairs as near as can be to ``VIABLE_SHARE`` are viable."""
    if n_kidneys < 1 or n_candidates < 1 or n_kidneys * n_candidates == 1:
        raise BadProblems(
            f"{n_kidneys} kidneys and {n_candidates} candidates cannot make both a viable pair and one that is "
            "not; ask for 2 of either or more"
        )
    if n_kidneys > len(table.kidneys) or n_candidates > len(table.candidates):
        raise BadProblems(
            f"there are {len(table.kidneys)} kidneys and {len(table.candidates)} candidates, too few for pairs of "
            f"{n_kidneys} and {n_candidates}; ask for fewer, or give more records"
        )
    n_pairs = n_kidneys * n_candidates
    wanted = min(max(round(VIABLE_SHARE * n_pairs), 1), n_pairs - 1)
    suited = cache(table.suited)
    best: tuple[int, list[int], list[int]] | None = None
    for _ in range(MOST_GRIDS):
        kidneys = rng.choice(len(table.kidneys), n_kidneys, replace=False).tolist()
        candidates = rng.choice(len(table.candidates), n_candidates, replace=False).tolist()
        n_viable = sum(int(suited(kidney)[candidates].sum()) for kidney in kidneys)
        distance = abs(n_viable - wanted)
        if 0 < n_viable < n_pairs and (best is None or distance < best[0]):
            best = (distance, kidneys, candidates)
            if distance == 0:
                break
    if best is None:
        raise BadProblems(
            f"in {MOST_GRIDS} random draws of {n_kidneys} kidneys and {n_candidates} candidates, no pair was "
            "viable, or all were; give more records, or ask for more pairs"
        )
    return best[1], best[2]


def _draw_example_sets(
    table: _Table,
    rng: np.random.Generator,
    n_sets: int,
    *,
    without: tuple[list[int], list[int]],
    first_id: int,
) -> tuple[tuple[Problem, ...], ...]:
    kidneys, candidates = _everybody(table.kidneys), _everybody(table.candidates)
    kidneys[without[0]] = False
    candidates[without[1]] = False
    ids = np.arange(first_id, max(_EXAMPLE_IDS, first_id + len(Reason) + 1))
    sets = []
    for number in range(n_sets):
        allowed = candidates.copy()
        shown = []
        for reason in (None, *Reason):
            kidney, candidate = _draw_example(table, rng, reason, kidneys, allowed)
            allowed[candidate] = False
            shown.append((kidney, candidate))
        called = rng.choice(ids, len(shown), replace=False).tolist()
        sets.append(
            tuple(
                Problem(
                    name=f"e{number + 1:02d}-{place + 1}",
                    kidney=table.kidneys[shown[i][0]],
                    candidates=(table.candidates[shown[i][1]],),
                    ids=(called[i],),
                )
                for place, i in enumerate(rng.permutation(len(shown)).tolist())
            )
        )
    return tuple(sets)


def _draw_example(
    table: _Table,
    rng: np.random.Generator,
    reason: Reason | None,
    kidneys: BoolArray,
    candidates: BoolArray,
) -> tuple[int, int]:
    """Return a kidney and a candidate who fail for exactly one reason, or for none."""
    for kidney in rng.permutation(np.flatnonzero(kidneys)).tolist():
        exactly = candidates.copy()
        for other, fails in table.fails(kidney).items():
            exactly &= fails if other is reason else ~fails
        found = np.flatnonzero(exactly)
        if len(found):
            return kidney, int(rng.choice(found))
    kind = "viable" if reason is None else f"failing by {reason} alone"
    raise BadProblems(
        f"no example is {kind} among the {int(kidneys.sum())} kidneys and {int(candidates.sum())} candidates that "
        "are in no pair; give more records"
    )
