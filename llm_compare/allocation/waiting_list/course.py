"""Carry lists through their kidneys: who suits is ranked by a respondent, offers go down the ranking. Pure.

All lists go in step: their first kidneys are put to the respondent together, then their second, and so on, since
who waits for the next one hangs on who got the last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from llm_compare.allocation.problems.problem import Problem
from llm_compare.allocation.problems.viability import PAPERS_LIMITS, Limits, is_viable
from llm_compare.allocation.trials.answer import Outcome, Read
from llm_compare.allocation.trials.trial import Identity, Task, Trial, Way
from llm_compare.allocation.waiting_list.episode import Episode, Person, Scenario
from llm_compare.errors import CannotAsk

Ranker = Callable[[Sequence[Trial]], Sequence[Read | None]]
"""Reads the respondent's answer to each trial; None for one that was not put, since the run was stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What became of one kidney. People are named by their ids."""

    episode: int
    kidney: int
    """From 1."""
    waiting: tuple[int, ...]
    """Everybody on the list."""
    shown: tuple[int, ...]
    """Those whom the kidney suits, in the order of the list as shown."""
    not_shown: int
    """Candidates whom it suits as well, but who have not waited long enough to be shown."""
    read: Outcome | None
    """What the respondent's ranking came to. None where nobody was asked: the kidney suits fewer than two, and a
    single one is offered it. Without a ranking it is offered to nobody."""
    offers: tuple[int, ...]
    """Whom it was offered to, in this order; only the last can have accepted."""
    accepted_by: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The lists as one respondent made them go."""

    respondent: str
    scenario: Scenario
    episodes: tuple[Episode, ...]
    steps: tuple[Step, ...]
    """Kidney by kidney, episode by episode."""
    limits: Limits
    """What counts as suited."""

    @property
    def is_complete(self) -> bool:
        """Whether every kidney came."""
        return len(self.steps) == self.scenario.n_kidneys * self.scenario.n_episodes

    @property
    def n_kidneys(self) -> int:
        """Kidneys of each episode that came."""
        return len(self.steps) // self.scenario.n_episodes

    @property
    def reads(self) -> Mapping[Outcome, int]:
        """What rankings came to, every outcome named."""
        found = Counter(step.read for step in self.steps)
        return {outcome: found[outcome] for outcome in Outcome}


def carry_out(
    scenario: Scenario,
    episodes: Sequence[Episode],
    rank: Ranker,
    *,
    respondent: str,
    way: Way = Way(),  # noqa: B008 - frozen
    limits: Limits = PAPERS_LIMITS,
    on_kidney: Callable[[int], None] = lambda number: None,
) -> Course:
    """Let a respondent allot every kidney of every episode.

    Before each kidney but the first, candidates arrive and leave. Of those whom it suits, the ``most_shown`` who
    have waited longest are ranked by the respondent. Offers go down the ranking until somebody accepts, who leaves
    the list. A ranking that cannot be read, or leaves somebody out, allots the kidney to nobody: it is counted, and
    the list goes on.

    Parameters
    ----------
    rank
        Called once for each kidney, with a trial of every episode in which there is a choice.
    on_kidney
        Called with the number of each kidney that has been allotted in every episode.

    Returns
    -------
    All kidneys; or where a trial was not put or its call failed, those before: the same again goes on from there.

    Raises
    ------
    CannotAsk
        Candidates would be called by names, which are not kept from one kidney to the next.
    """
    if way.identity is Identity.NAMES:
        raise CannotAsk(
            "a list that evolves calls candidates by their ids; show columns, or hide who they are"
        )
    gone: dict[int, set[int]] = {episode.number: set() for episode in episodes}
    steps: list[Step] = []
    for kidney in range(1, scenario.n_kidneys + 1):
        rows = [_Row(scenario, e, kidney, gone[e.number], limits) for e in episodes]
        asked = [row for row in rows if len(row.shown) > 1]
        reads = rank([row.trial(way) for row in asked]) if asked else ()
        if any(read is None or read.outcome is Outcome.ERROR for read in reads):
            break
        by_episode = {row.episode.number: read for row, read in zip(asked, reads, strict=True)}
        for row in rows:
            step = row.step(by_episode.get(row.episode.number))
            steps.append(step)
            if step.accepted_by is not None:
                gone[step.episode].add(step.accepted_by)
        on_kidney(kidney)
    return Course(
        respondent=respondent,
        scenario=scenario,
        episodes=tuple(episodes),
        steps=tuple(steps),
        limits=limits,
    )


def trials_of(course: Course, way: Way) -> tuple[Trial, ...]:
    """Return the trials that a course put: what somebody else would be asked about, as far as can be told."""
    gone: dict[int, set[int]] = {episode.number: set() for episode in course.episodes}
    trials = []
    for step in course.steps:
        if len(step.shown) > 1:
            episode = course.episodes[step.episode - 1]
            row = _Row(course.scenario, episode, step.kidney, gone[step.episode], course.limits)
            trials.append(row.trial(way))
        if step.accepted_by is not None:
            gone[step.episode].add(step.accepted_by)
    return tuple(trials)


class _Row:
    """One kidney of one episode."""

    def __init__(
        self, scenario: Scenario, episode: Episode, kidney: int, transplanted: set[int], limits: Limits
    ) -> None:
        self.episode = episode
        self._scenario = scenario
        self._number = kidney
        self._kidney = episode.kidneys[kidney - 1]
        self._waiting = [p for p in episode.persons if p.is_listed(kidney) and p.id not in transplanted]
        suited = [p for p in self._waiting if is_viable(self._kidney, p.candidate, limits)]
        longest = sorted(suited, key=lambda p: (-self._days(p), p.id))[: scenario.most_shown]
        self._n_suited = len(suited)
        places = episode.places[kidney - 1]
        self.shown = sorted(longest, key=lambda p: float(places[p.id - 1]))

    def trial(self, way: Way) -> Trial:
        """Return the question of whom the kidney is to be offered first."""
        days = self._scenario.days_between_kidneys
        # By id, so that the list is shown in an order that says nothing.
        by_id = sorted(self.shown, key=lambda p: p.id)
        problem = Problem(
            name=f"e{self.episode.number}-k{self._number}",
            kidney=self._kidney,
            candidates=tuple(p.shown_at(self._number, days) for p in by_id),
            ids=tuple(p.id for p in by_id),
        )
        return Trial(
            task=Task.RANK_ALL,
            way=way,
            problem=problem,
            row_order=tuple(by_id.index(p) for p in self.shown),
        )

    def step(self, read: Read | None) -> Step:
        """Return what becomes of the kidney."""
        ids = sorted(p.id for p in self.shown)
        if read is None:
            ranking = ids[:1]
        else:
            ranking = [ids[i] for i in read.order] if read.outcome is Outcome.ANSWER else []
        accepts = self.episode.accepts[self._number - 1] < self._scenario.acceptance
        place = next((i for i, id_ in enumerate(ranking) if accepts[id_ - 1]), None)
        return Step(
            episode=self.episode.number,
            kidney=self._number,
            waiting=tuple(p.id for p in self._waiting),
            shown=tuple(p.id for p in self.shown),
            not_shown=self._n_suited - len(self.shown),
            read=None if read is None else read.outcome,
            offers=tuple(ranking if place is None else ranking[: place + 1]),
            accepted_by=None if place is None else ranking[place],
        )

    def _days(self, person: Person) -> int:
        return person.days_waited(self._number, self._scenario.days_between_kidneys)
