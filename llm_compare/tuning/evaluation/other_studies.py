"""Another study, none of whose answers was trained on: does what was learned transfer?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from llm_compare.alignment.resampling import Resampling
from llm_compare.alignment.sides import people_under
from llm_compare.errors import NotComparable
from llm_compare.prompting.messages import Wording
from llm_compare.prompting.plan import comparisons_answered, drawn_from
from llm_compare.tuning.evaluation.held_out_people import HeldOutPeople
from llm_compare.tuning.evaluation.paired import BeforeAfter, before_and_after
from llm_compare.tuning.evaluation.questions import Questions
from llm_compare.tuning.models.local_model import LocalModel
from survey.answers import AnswerSet
from survey.design import Arm, StudyDesign, design_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherStudy:
    """A study with people's answers to it."""

    design: StudyDesign
    answers: AnswerSet


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyMoved:
    """What tuning changed in another study."""

    test: HeldOutPeople
    title: str
    measured: BeforeAfter

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON."""
        return {
            "slug": self.test.name,
            "title": self.title,
            **{k: v for k, v in self.test.as_dict().items() if k not in ("name", "words")},
            **self.measured.as_dict(),
            "toward_people": self.measured.toward_people(),
        }


def study_moved(
    study: OtherStudy,
    questions: Questions,
    before: LocalModel,
    after: LocalModel,
    resampling: Resampling,
    *,
    most_comparisons: int | None,
    seed: int,
) -> tuple[StudyMoved | None, list[str]]:
    """Measure both models on people's answers to another study, asked in the same way.

    Parameters
    ----------
    questions
        How the study of the training sets is asked.
    most_comparisons
        Of those that people answered, so many are drawn; None for all.

    Returns
    -------
    tuple
        What was measured, or None where the model cannot read the study; and notes.

    Raises
    ------
    NotComparable
        Nobody answered under the condition that the models are asked in.
    """
    design = study.design
    arm = _arm_like(design, questions)
    offered = Wording.of(design, arm=arm, variant=questions.variant).indecision_offered
    people = people_under(
        study.answers, design.attributes, indecision_offered=offered, design_hash=design_hash(design)
    )
    comparisons = comparisons_answered(people.answers)
    if most_comparisons is not None and most_comparisons < len(comparisons):
        comparisons = drawn_from(comparisons, most_comparisons, np.random.default_rng(seed))
    kept = set(comparisons)
    test = HeldOutPeople(
        name=design.slug,
        words=design.title,
        people=replace(people, answers=tuple(a for a in people.answers if a.comparison in kept)),
    )
    asked = replace(questions, design=design, arm=arm, order=None)
    if line := asked.unknown_words(before, comparisons):
        return None, [
            f"nothing is said of '{design.title}': {before.label} does not know the line '{line}'",
        ]
    was, now = (
        asked.shares(model, f"{name}.{design.slug}", comparisons)
        for name, model in (("before", before), ("after", after))
    )
    measured = before_and_after(test, was, now, resampling)
    return StudyMoved(test=test, title=design.title, measured=measured), [
        f"of '{design.title}': {note}" for note in people.notes
    ]


def _arm_like(design: StudyDesign, questions: Questions) -> Arm:
    """Return the first arm with, or without, indecision, as the training sets have it."""
    wanted = questions.arm.indecision_offered
    found = next((arm for arm in design.arms if arm.indecision_offered is wanted), None)
    if found is None:
        raise NotComparable(
            f"{design.slug}: has no arm {'with' if wanted else 'without'} indecision on offer, as the training "
            "sets were made with; leave this --other out"
        )
    return found
