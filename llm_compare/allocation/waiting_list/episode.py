"""What befalls a waiting list whoever allots its kidneys: who comes, who leaves, who would accept. Pure; seeded.

All of it is drawn before anybody is asked, and each draw is keyed by what it is about. So two respondents meet the
same people, kidneys and refusals, and a longer episode begins like a shorter one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from llm_compare.allocation.fairness.outcomes import Array
from llm_compare.allocation.problems.problem import Candidate, Kidney
from llm_compare.allocation.trials.seeded import seeded
from llm_compare.errors import BadProblems

WAITED = "DAYSWAIT_CHRON_KI"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """How lists evolve."""

    n_episodes: int = 5
    """Lists, each on its own: the independent units of every result."""
    n_kidneys: int = 20
    """Of each episode, one after the other."""
    start_size: int = 60
    """Candidates on the list before the first kidney. Most kidneys suit few of them."""
    arrivals_per_kidney: float = 1.0
    """Mean number of candidates (Poisson) who are listed between one kidney and the next."""
    departure_probability: float = 0.01
    """That somebody leaves the list, transplanted elsewhere, too ill or dead, between one kidney and the next."""
    acceptance: float = 0.3
    """Probability that an offer is accepted; drawn for each kidney and candidate, whatever the rank."""
    days_between_kidneys: float = 7.0
    most_shown: int = 15
    """If a kidney suits more candidates, those who have waited longest are shown."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that make no list."""
        for name, least, most in (
            ("n_episodes", 1, None), ("n_kidneys", 1, None), ("start_size", 1, None),
            ("arrivals_per_kidney", 0, None), ("departure_probability", 0, 1), ("acceptance", 0, 1),
            ("days_between_kidneys", 0, None), ("most_shown", 2, None), ("seed", 0, None),
        ):  # fmt: skip
            value = getattr(self, name)
            if not least <= value <= (float("inf") if most is None else most):
                bounds = f"{least} or more" if most is None else f"from {least} to {most}"
                raise ValueError(f"{name} = {value}: write a number {bounds}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is on the list at some time."""

    id: int
    """From 1, in the order of arrival; what prompts call the candidate."""
    candidate: Candidate
    """As in the records. Prompts show the days on this list instead of the record's; age stays as it is."""
    arrives: int
    """On the list from this kidney on; 1 is the first."""
    leaves: int | None
    """Gone before this kidney, unless transplanted before; None for never."""
    days_before: int
    """Days waited on arrival: the record's for those on the list at the start, 0 for all others."""

    def days_waited(self, kidney: int, days_between_kidneys: float) -> int:
        """Return the days on the list when a kidney comes."""
        return self.days_before + round((kidney - self.arrives) * days_between_kidneys)

    def shown_at(self, kidney: int, days_between_kidneys: float) -> Candidate:
        """Return the candidate as prompts show him when a kidney comes."""
        return self.candidate.changed(WAITED, self.days_waited(kidney, days_between_kidneys))

    def is_listed(self, kidney: int) -> bool:
        """Return whether the person is on the list when a kidney comes, unless transplanted before."""
        return self.arrives <= kidney and (self.leaves is None or kidney < self.leaves)


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """One list with all that befalls it."""

    number: int
    """From 1."""
    persons: tuple[Person, ...]
    kidneys: tuple[Kidney, ...]
    accepts: Array
    """Shape (kidneys, persons), uniform in [0, 1): a person accepts a kidney where it is below the acceptance."""
    places: Array
    """Shape (kidneys, persons): lists are shown in ascending order of these."""

    def person(self, id_: int) -> Person:
        """Return the person with an id."""
        return self.persons[id_ - 1]


def draw_episodes(
    scenario: Scenario, candidates: Sequence[Candidate], kidneys: Sequence[Kidney]
) -> tuple[Episode, ...]:
    """Draw all that befalls the lists. Nobody and no kidney is twice in an episode.

    Candidates of whom it is not known how long they waited can arrive, but are on no list at the start.

    Raises
    ------
    BadProblems
        There are too few records.
    """
    known = np.array([isinstance(c[WAITED], int | float) for c in candidates], dtype=bool)
    return tuple(
        _episode(number, scenario, candidates, known, kidneys) for number in range(1, scenario.n_episodes + 1)
    )


def world_sha256(scenario: Scenario, episodes: Sequence[Episode]) -> str:
    """Return the SHA-256 (hex) of everything that is drawn beforehand."""
    drawn = [
        {
            "kidneys": [kidney.values for kidney in episode.kidneys],
            "persons": [asdict(person) for person in episode.persons],
        }
        for episode in episodes
    ]
    text = json.dumps([asdict(scenario), drawn], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _episode(
    number: int,
    scenario: Scenario,
    candidates: Sequence[Candidate],
    known: np.ndarray,
    kidneys: Sequence[Kidney],
) -> Episode:
    seed = scenario.seed
    steps = range(1, scenario.n_kidneys + 1)
    arrivals = [1] * scenario.start_size
    for step in steps[1:]:
        n = int(seeded(seed, "arrivals", number, step).poisson(scenario.arrivals_per_kidney))
        arrivals += [step] * n
    shuffled = seeded(seed, "records", number).permutation(len(candidates))
    at_start = shuffled[known[shuffled]][: scenario.start_size]
    others = shuffled[~np.isin(shuffled, at_start)]
    records = [int(i) for i in (*at_start, *others)][: len(arrivals)]
    if len(at_start) < scenario.start_size or len(records) < len(arrivals):
        raise BadProblems(
            f"episode {number} needs {len(arrivals)} candidates, {scenario.start_size} of them with known days on "
            f"the list, and there are {len(candidates)}, {int(known.sum())} with known days; give more records, or "
            "a smaller list"
        )
    if len(kidneys) < scenario.n_kidneys:
        raise BadProblems(
            f"episodes of {scenario.n_kidneys} kidneys need as many records, and there are {len(kidneys)}; give "
            "more, or ask for fewer"
        )
    persons = tuple(
        Person(
            id=i,
            candidate=candidates[record],
            arrives=arrives,
            leaves=_departure(scenario, number, i, arrives),
            days_before=round(float(str(candidates[record][WAITED]))) if i <= scenario.start_size else 0,
        )
        for i, (record, arrives) in enumerate(zip(records, arrivals, strict=True), start=1)
    )
    drawn = seeded(seed, "kidneys", number).permutation(len(kidneys))[: scenario.n_kidneys]
    return Episode(
        number=number,
        persons=persons,
        kidneys=tuple(kidneys[int(i)] for i in drawn),
        accepts=np.array([seeded(seed, "accepts", number, step).random(len(persons)) for step in steps]),
        places=np.array([seeded(seed, "places", number, step).random(len(persons)) for step in steps]),
    )


def _departure(scenario: Scenario, episode: int, person: int, arrives: int) -> int | None:
    if scenario.departure_probability == 0:
        return None
    rng = seeded(scenario.seed, "departure", episode, person)
    return arrives + int(rng.geometric(scenario.departure_probability))
