"""How many people, and how many answers of each: what a study would find, simulated before it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, replace
from enum import StrEnum
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from estimation.assumptions import Assumed, check_assumed, planned_study
from estimation.dataset import Indices
from estimation.effects import EffectKind
from estimation.errors import EstimationError
from estimation.planned_study import Outcomes, People, PlannedStudy, of_design_effect, of_spread
from estimation.specification import Model
from survey.design import ComparisonKind, StudyDesign
from survey.pairing.comparisons import least_shown, pairs_of

# Studies are simulated in blocks with a seed each, so that the bytes do not depend on who computes which block.
_BLOCK = 100
FEWEST_EXISTING = 0.95
"""Share of studies whose estimate must exist before a number of people is called enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A number found by simulation."""

    value: float
    error: float
    """Its Monte Carlo standard error: how far more simulations might move it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPoint:
    """What studies of so many people with so many answers each would find.

    All but ``exists`` are of the studies whose estimate exists, and None where fewer than two do.
    """

    people: int
    answers: int
    """Per person, to main comparisons."""
    design_effect: float
    """At so many answers per person, in large samples."""
    simulations: int
    exists: Simulated
    """Share of studies whose maximum-likelihood estimate exists."""
    rmse: Simulated | None
    """Root mean squared error of the log-strengths, or of attributes' effects over their range."""
    exact_ranking: Simulated | None
    """Chance that the whole order comes out right; of attributes: their signs and the order of their sizes."""
    best_right: Simulated | None
    worst_right: Simulated | None
    half_width: Simulated | None
    """Mean half-width of the 95 % cluster intervals."""
    coverage: Simulated | None
    """Share of the 95 % cluster intervals that hold the true value."""


class Wanted(StrEnum):
    """What a study may be wanted to reach."""

    RMSE = "rmse"
    """At most."""
    HALF_WIDTH = "half_width"
    """At most."""
    EXACT_RANKING = "exact_ranking"
    """At least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """The smallest number of people for a wish, for one number of answers per person."""

    wanted: Wanted
    target: float
    answers: int
    people: int | None
    """None: more than the grid's largest number."""
    is_interpolated: bool
    """Whether it lies between two simulated numbers of people, or is one of them."""

    def words(self, most: int, fewest: int) -> str:
        """Say it, given the largest and smallest number of people simulated."""
        wish = {
            Wanted.RMSE: f"an RMSE of {self.target:g} or less",
            Wanted.HALF_WIDTH: f"intervals of ± {self.target:g} or less",
            Wanted.EXACT_RANKING: f"the exact ranking with a chance of {self.target:g} or more",
        }[self.wanted]
        if self.people is None:
            found = f"more than {most} people, the most simulated"
        elif self.is_interpolated:
            found = f"about {self.people} people (interpolated between simulated numbers)"
        elif self.people == fewest:
            found = f"{self.people} people or fewer, the fewest simulated"
        else:
            found = f"at most {self.people} people, as simulated"
        return f"{wish}, {self.answers} answers each: {found}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What studies on a grid of people by answers would find."""

    design: str
    """The design's slug."""
    source: str
    """Where the assumed weights come from."""
    model: Model
    effects: EffectKind
    names: tuple[str, ...]
    """Profiles, or attributes' terms."""
    typical: tuple[float, ...]
    """What a typical person thinks: centred log-strengths, or effects over the attribute's range."""
    pooled: tuple[float, ...]
    """What infinitely many people's answers, fitted together, would say: the value that errors are measured from.
    Where people differ it is nearer to zero than ``typical``."""
    spread: float
    pull: float | None
    """Pull of indecision that makes the assumed rate."""
    indecision_rate: float | None
    seed: int
    points: tuple[PlanPoint, ...]
    """By answers, then people."""
    notes: tuple[str, ...]
    """What a reader must know to take the numbers right."""

    @property
    def people(self) -> tuple[int, ...]:
        """Numbers of people simulated."""
        return tuple(sorted({p.people for p in self.points}))

    @property
    def answers(self) -> tuple[int, ...]:
        """Numbers of answers per person simulated."""
        return tuple(sorted({p.answers for p in self.points}))

    def people_needed(self, wanted: Wanted, target: float) -> tuple[Needed, ...]:
        """Return the smallest number of people for a wish, for each number of answers.

        Enough is a number from which on every simulated study size reaches the target and has an estimate in
        :data:`FEWEST_EXISTING` of studies. Between two sizes the number is interpolated on logarithms.
        """
        if not target > 0 or (wanted is Wanted.EXACT_RANKING and target > 1):
            raise EstimationError(
                f"{target:g} cannot be wanted of {wanted.value}; give a positive number, chances up to 1"
            )
        return tuple(self._needed(wanted, target, n) for n in self.answers)

    def _needed(self, wanted: Wanted, target: float, answers: int) -> Needed:
        row = [p for p in self.points if p.answers == answers]
        at = len(row)
        while at > 0 and _reaches(row[at - 1], wanted, target):
            at -= 1
        people: int | None = None if at == len(row) else row[at].people
        interpolated = False
        if 0 < at < len(row) and row[at - 1].exists.value >= FEWEST_EXISTING:
            below, above = (_measured(p, wanted) for p in (row[at - 1], row[at]))
            if below is not None and above is not None and below != above:
                scale = log if wanted is not Wanted.EXACT_RANKING else float
                share = (scale(target) - scale(below)) / (scale(above) - scale(below))
                few, many = log(row[at - 1].people), log(row[at].people)
                people = int(np.ceil(exp(few + share * (many - few)) - 1e-9))
                interpolated = people != row[at].people
        return Needed(
            wanted=wanted, target=target, answers=answers, people=people, is_interpolated=interpolated
        )


def plan(
    design: StudyDesign,
    assumed: Assumed,
    *,
    people: Sequence[int],
    answers: Sequence[int] | None = None,
    effects: EffectKind | None = None,
    simulations: int = 400,
    seed: int = 0,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Plan:
    """Simulate studies of a design and say what their fits would find.

    Each person is asked comparisons as the design draws them and answers by the assumed weights plus own
    deviations; the model is then fitted and its cluster intervals computed as :func:`estimation.fitting.fit` does.
    The model is Bradley and Terry's, or Davidson's where an indecision rate is assumed.

    Parameters
    ----------
    people
        Numbers of people to try, 2 or more each.
    answers
        Numbers of answers per person to try; None: as many as the design asks.
    effects
        What is fitted: free profiles or attributes. None: as the assumed weights are given.
    simulations
        Studies per number of people and answers.
    executor
        Computes; see :func:`estimation.executors.executor`. Same seed, same bytes. None: here.
    progress
        Told how many of all blocks of studies are done.

    Raises
    ------
    EstimationError
        The weights do not fit the design, the design cannot yield the answers, nobody is offered indecision
        although a rate is assumed, a number is out of range, or the design effect cannot be.
    NotConnected
        The design never compares some profiles with the others.
    NotIdentified
        The design's comparisons never vary an attribute, or always vary two together.

    References
    ----------
    Kish (1965), Survey Sampling (design effect); Hunter (2004), Ann. Statist. 32 (existence).
    """
    grid = _grid(design, people, answers, simulations)
    check_assumed(design, assumed)
    study, notes = planned_study(design, assumed, effects)
    if not study.repeats and max(n for _, n in grid) > len(study.entries):
        raise EstimationError(
            f"design '{design.slug}' has {len(study.entries)} comparisons and repeats none, so nobody can answer "
            f"{max(n for _, n in grid)}; give --answers {len(study.entries)} or fewer"
        )
    at_answers = assumed.at_answers or min(design.comparisons_per_respondent, len(study.entries))
    rate = assumed.indecision_rate
    if assumed.spread is not None:
        study, who = of_spread(study, assumed.spread, rate=rate, are_pooled=assumed.are_pooled)
    else:
        study, who = of_design_effect(
            study, assumed.design_effect, at_answers, rate=rate, are_pooled=assumed.are_pooled, seed=seed
        )

    outcomes = _simulated(design, study, who, grid, simulations, seed, executor, progress)
    effect_of = {n: study.design_effect(who, n, seed=seed) for n in sorted({n for _, n in grid})}
    notes += _people_notes(study, who, assumed)
    if assumed.spread is None and who.spread > 0 and effect_of.keys() != {at_answers}:
        notes.append(
            f"the design effect of {assumed.design_effect:g} is that of {at_answers} answers each; fewer answers "
            "of a person repeat one another less, so other rows have the design effect in their column"
        )
    return Plan(
        design=design.slug,
        source=assumed.source,
        model=Model.BRADLEY_TERRY if rate is None else Model.DAVIDSON,
        effects=study.effects,
        names=study.assembled.names[: study.assembled.n_strengths],
        typical=tuple(float(v) for v in study.report @ study.pooled(replace(who, spread=0.0))),
        pooled=tuple(float(v) for v in study.report @ study.pooled(who)),
        spread=who.spread,
        pull=who.pull,
        indecision_rate=rate,
        seed=seed,
        points=tuple(
            _point(n_people, n, effect_of[n], outcome)
            for (n_people, n), outcome in zip(grid, outcomes, strict=True)
        ),
        notes=tuple(notes),
    )


def _people_notes(study: PlannedStudy, who: People, assumed: Assumed) -> list[str]:
    notes = []
    if who.spread == 0:
        notes.append(
            "all answers are taken as independent, as if every person thought alike. In published studies people "
            "differed: their variances were 1.7 to 2.3 times (six schools, 15 answers each) and 5.5 to 9 times "
            "(three attributes, 40 answers each) those of independent answers, and as many more people were needed"
        )
    else:
        what = (
            "effects, per standard deviation of an attribute's differences,"
            if (study.effects is EffectKind.ATTRIBUTES)
            else "log-strengths"
        )
        notes.append(f"people differ: their {what} have a standard deviation of {who.spread:.3g}")
        notes.append(
            "errors are measured from the pooled value, which the answers of infinitely many people would give; "
            + (
                "it is the assumed one, and a typical person's is further from zero"
                if assumed.are_pooled
                else "it is nearer to zero than the assumed typical person's"
            )
        )
    if who.pull is not None:
        notes.append("everybody is offered indecision, and its pull is the same for everybody")
    return notes


# --- the grid, block by block ---------------------------------------------------------------------------


def _grid(
    design: StudyDesign, people: Sequence[int], answers: Sequence[int] | None, simulations: int
) -> list[tuple[int, int]]:
    each = sorted(set(answers or [design.comparisons_per_respondent]))
    many = sorted(set(people))
    if not many or many[0] < 2:
        raise EstimationError("give numbers of people of 2 or more: one person alone has no interval")
    if each[0] < 1:
        raise EstimationError("give numbers of answers of 1 or more")
    if simulations < 2:
        raise EstimationError(f"{simulations} simulations say nothing about chances; give 2 or more, 400 say")
    return [(n_people, n) for n in each for n_people in many]


def _simulated(
    design: StudyDesign,
    study: PlannedStudy,
    who: People,
    grid: Sequence[tuple[int, int]],
    simulations: int,
    seed: int,
    executor: Executor | None,
    progress: Callable[[int, int], None],
) -> list[Outcomes]:
    most = {n: max(p for p, m in grid if m == n) for _, n in grid}
    schedules = {n: _schedule(design, study, most[n], n, seed) for n in most}
    sizes = [min(_BLOCK, simulations - i) for i in range(0, simulations, _BLOCK)]
    jobs = []
    for n_people, n in grid:
        schedule = schedules[n]
        own = None if schedule is None else schedule[:n_people]
        for block, size in enumerate(sizes):
            # The seed belongs to the place on the grid, so that other places do not change what this one says.
            block_seed = np.random.SeedSequence((seed, n_people, n, block))
            jobs.append((study, who, n_people, n, own, size, block_seed))
    done: list[Outcomes | None] = [None] * len(jobs)
    if executor is None:
        for i, job in enumerate(jobs):
            done[i] = _block(*job)
            progress(i + 1, len(jobs))
    else:
        futures = {executor.submit(_block, *job): i for i, job in enumerate(jobs)}
        for number, future in enumerate(as_completed(futures), start=1):
            done[futures[future]] = future.result()
            progress(number, len(jobs))
    blocks = [outcome for outcome in done if outcome is not None]
    per_point = len(sizes)
    return [Outcomes.joined(blocks[i : i + per_point]) for i in range(0, len(blocks), per_point)]


def _block(
    study: PlannedStudy,
    who: People,
    n_people: int,
    answers: int,
    schedule: Indices | None,
    n_studies: int,
    seed: np.random.SeedSequence,
) -> Outcomes:
    return study.simulate(
        who,
        n_people=n_people,
        schedule=schedule,
        answers=answers,
        n_studies=n_studies,
        rng=np.random.default_rng(seed),
    )


def _schedule(
    design: StudyDesign, study: PlannedStudy, n_people: int, answers: int, seed: int
) -> Indices | None:
    """Draw who is asked what where that hangs together over the study; as a balanced design draws it."""
    if study.kind not in (ComparisonKind.BALANCED, ComparisonKind.ADAPTIVE) or answers == len(study.entries):
        return None
    rng = np.random.default_rng(np.random.SeedSequence((seed, answers)))
    pairs = pairs_of(design)
    shown = np.zeros(len(pairs.comparisons), dtype=np.int64)
    everyone = np.zeros(len(pairs.profiles), dtype=np.int64)
    schedule = np.empty((n_people, answers), dtype=np.intp)
    for person in schedule:
        own = np.zeros(len(pairs.profiles), dtype=np.int64)
        free = np.ones(len(pairs.comparisons), dtype=bool)
        before = shown.copy()
        for position in range(answers):
            ties = least_shown(pairs, np.flatnonzero(free), shown=before, own=own, everyone=everyone)
            i = int(ties[rng.integers(len(ties))])
            free[i] = False
            person[position] = i
            shown[i] += 1
            for profile in (pairs.first[i], pairs.second[i]):
                own[profile] += 1
                everyone[profile] += 1
    return study.entries[schedule]


def _point(n_people: int, answers: int, effect: float, outcome: Outcomes) -> PlanPoint:
    n = len(outcome.exists)
    share = float(outcome.exists.mean())
    measured: dict[str, Simulated | None] = dict.fromkeys(
        ("rmse", "exact_ranking", "best_right", "worst_right", "half_width", "coverage")
    )
    if outcome.exists.sum() >= 2:
        mean_square = _mean(outcome.squared_error)
        rmse = sqrt(mean_square.value)
        measured = {
            "rmse": Simulated(value=rmse, error=mean_square.error / (2 * rmse)),
            "exact_ranking": _mean(outcome.exact_order),
            "best_right": _mean(outcome.best_right),
            "worst_right": _mean(outcome.worst_right),
            "half_width": _mean(outcome.half_width),
            "coverage": _mean(outcome.covered),
        }
    return PlanPoint(
        people=n_people,
        answers=answers,
        design_effect=effect,
        simulations=n,
        exists=Simulated(value=share, error=sqrt(share * (1 - share) / n)),
        **measured,
    )


def _mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> Simulated:
    each = np.asarray(values, dtype=float)
    return Simulated(value=float(each.mean()), error=float(each.std(ddof=1) / sqrt(len(each))))


def _measured(point: PlanPoint, wanted: Wanted) -> float | None:
    found = {
        Wanted.RMSE: point.rmse,
        Wanted.HALF_WIDTH: point.half_width,
        Wanted.EXACT_RANKING: point.exact_ranking,
    }[wanted]
    return None if found is None else found.value


def _reaches(point: PlanPoint, wanted: Wanted, target: float) -> bool:
    value = _measured(point, wanted)
    if value is None or point.exists.value < FEWEST_EXISTING:
        return False
    return value >= target if wanted is Wanted.EXACT_RANKING else value <= target
