"""Which comparisons a respondent sees, in which order, on which side. Pure; takes the random generator.

``presentations`` puts a respondent's sequence together from main ``comparisons`` (shuffled, random, balanced, or
``adaptive``), ``sides`` and the other ``roles`` (checks, ``dominance``, repeats).
"""

from survey.pairing.comparisons import NOTHING_ASKED, Asked, Tally
from survey.pairing.presentations import (
    draw_next,
    draw_presentations,
    presentation_count,
    redraw_presentations,
)

__all__ = [
    "NOTHING_ASKED",
    "Asked",
    "Tally",
    "draw_next",
    "draw_presentations",
    "presentation_count",
    "redraw_presentations",
]
