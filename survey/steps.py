"""The steps of taking part, in order, and which of them a study has. Pure but for the states' names."""

from __future__ import annotations

from survey.design import StudyDesign
from survey.participation import Ending
from survey.tables import ParticipantState as State

_ORDER = (
    State.CONSENTING,
    State.SCREENING,
    State.SUGGESTING,
    State.RATING,
    State.INSTRUCTED,
    State.PRACTICING,
    State.COMPREHENDING,
    State.ANSWERING,
    State.CHOOSING,
    State.DESCRIBING,
    State.FINISHED,
)

ENDINGS = {
    State.FINISHED: Ending.COMPLETE,
    State.DECLINED: Ending.DECLINED,
    State.SCREENED_OUT: Ending.SCREENED_OUT,
    State.QUOTA_FULL: Ending.QUOTA_FULL,
    State.WITHDRAWN: Ending.WITHDRAWN,
}
"""The ending that a final state stands for."""


def steps_of(design: StudyDesign, *, returning: bool = False) -> tuple[State, ...]:
    """Return the states that a participant goes through, from consent to the end.

    Who somebody is and whether the task is understood are asked once: not of who returns from the wave before, but
    of everybody new, in whichever wave.
    """
    first = not returning
    optional = {
        State.SCREENING: first and bool(design.screener),
        # Before anything that names attributes, so that people say what they think and not what they just read.
        State.SUGGESTING: first and design.suggestions is not None,
        State.RATING: design.acceptability is not None,
        State.INSTRUCTED: design.compares,
        State.ANSWERING: design.compares,
        State.PRACTICING: first and design.practice is not None,
        State.COMPREHENDING: first and design.comprehension is not None,
        State.CHOOSING: design.choose_one is not None,
        State.DESCRIBING: first and bool(design.demographics),
    }
    return tuple(step for step in _ORDER if optional.get(step, True))


def step_after(design: StudyDesign, state: State, *, returning: bool) -> State:
    """Return the step that follows ``state``."""
    steps = steps_of(design, returning=returning)
    return steps[steps.index(state) + 1]
