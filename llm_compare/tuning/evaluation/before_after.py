"""Before and after in every detail: the comparison of ``compare align`` of the base and of one adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llm_compare.alignment.resampling import Resampling
from llm_compare.report.compared import Consequential, compare_models
from llm_compare.tuning.evaluation.answering import reply_file
from llm_compare.tuning.evaluation.held_out_people import HeldOutPeople
from llm_compare.tuning.evaluation.questions import Questions
from llm_compare.tuning.models.local_model import LocalModel
from survey.answers import AnswerSet
from survey.design import Comparison

BEFORE, AFTER = "before", "after"
PREPARED = "the prepared folder"
"""Where people's answers were read: its path is no part of the result."""
_SPLITS = 100


def compared_by_letter(
    questions: Questions,
    test: HeldOutPeople,
    comparisons: Sequence[Comparison],
    before: LocalModel,
    after: LocalModel,
    *,
    repeats: int,
    resampling: Resampling,
    people_source: str,
    manifest: Mapping[str, object],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Return the record of ``compare align`` of both, on people's answers to these comparisons.

    Both give drawn answers, ``repeats`` times from either side, as a model behind an interface does.

    Parameters
    ----------
    people_source
        What the user states about whose answers these are; without it nothing is claimed.

    Raises
    ------
    NotComparable
        Neither model gave a readable answer.
    """
    asked = set(comparisons)
    people = AnswerSet(
        attributes=test.people.attributes,
        answers=tuple(a for a in test.people.answers if a.comparison in asked),
        source=PREPARED,
    )
    files = {
        label: reply_file(
            model,
            questions.design,
            questions.answered_by_letter(model, f"{label}.letter", comparisons, repeats=repeats),
            label=label,
        )
        for label, model in ((BEFORE, before), (AFTER, after))
    }
    return compare_models(
        people,
        files,
        title=f"{questions.design.title}: before tuning and after",
        people_source=people_source,
        resampling=resampling,
        n_splits=_SPLITS,
        exchange=Consequential(),
        manifest=manifest,
        say=say,
    ).record()
