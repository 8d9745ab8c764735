"""People's held-out answers as what models are measured on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from llm_compare.alignment.cells import Cells, cells_of_people, mean_over
from llm_compare.alignment.choices import Pairing, choices_of
from llm_compare.alignment.resampling import Measured, Resampling, Weighted, measured_each
from llm_compare.alignment.sides import People
from llm_compare.tuning.evaluation.measures import FEW_SHARED, Key, people_alike
from survey.design import Comparison

_NOT_ASKED = "not measured of people: it is about a model's shares, or needs people who are asked twice"


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutPeople:
    """People's answers to comparisons, one part of what was held out."""

    name: str
    words: str
    people: People

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """What they answered, in order of appearance; a profile beside itself is no comparison."""
        return tuple(dict.fromkeys(a.comparison for a in self.people.answers if a.left != a.right))

    @cached_property
    def pairing(self) -> Pairing:
        """For resampling people and comparisons; a model's shares are known exactly and have no part in it."""
        people = choices_of(self.people.answers, label="people", comparisons=self.comparisons)
        return Pairing(attributes=self.people.attributes, people=people, model=people)

    @cached_property
    def cells(self) -> Cells:
        """Their answers, each person's to a comparison taken together."""
        return cells_of_people(self.pairing.people)

    @property
    def offered(self) -> bool:
        """Whether indecision was on offer."""
        return self.people.indecision_offered

    def as_dict(self) -> dict[str, object]:
        """Return how many answers of how many people these are."""
        tally = self.cells.once
        known = all(a.respondent is not None for a in self.people.answers)
        return {
            "name": self.name,
            "words": self.words,
            "n_answers": self.pairing.people.n_answers,
            "n_comparisons": len(self.comparisons),
            "n_people": self.pairing.people.n_respondents if known else None,
            "n_with_several_people": int(tally.has_several.sum()),
            "indecision": mean_over(tally.indecision, np.ones(len(tally.size))) if self.offered else None,
        }

    def among_themselves(self, resampling: Resampling) -> dict[Key, Measured]:
        """Return what people reach among themselves, with what cannot be measured of them and why."""

        def statistic(w: Weighted) -> Sequence[float]:
            tally = self.cells.tally(w.person[self.cells.respondent])
            return [mean_over(people_alike(tally), w.comparison), mean_over(tally.indecision, w.comparison)]

        person, undecided = measured_each(
            statistic, self.pairing, resampling, bounds=[(0.0, 1.0)] * 2, undefined=[FEW_SHARED, _NOT_ASKED]
        )
        missing = Measured(value=None, reason=_NOT_ASKED)
        found = dict.fromkeys(Key, missing) | {Key.PERSON: person}
        if self.offered:
            found[Key.INDECISION] = undecided
        if person.value is not None:
            # By construction: the distance is freed of the chance in people's answers.
            found[Key.DISTANCE] = Measured(value=0.0)
        return found
