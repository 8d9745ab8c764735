"""The appendix of the page of results: whom people would put first because of each category, or what they said of
that in naming it as something that should not count. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from survey.coding.counts import CategoryCounts
from survey.coding.directions import FEWEST, Directions
from survey.coding.number_words import category_words
from survey.coding.page_blocks import Section, Table
from survey.coding.results import Results
from survey.suggestions import Stance

RULE = (
    "In people’s own words, equal but for case, spaces and punctuation; who named a category was asked for it. "
    f"Words that fewer than {FEWEST} people wrote are not told here, as they may tell who somebody is: those "
    "people are counted as others."
)
HEADINGS = {
    Stance.SHOULD: "Whom to put first because of it",
    Stance.SHOULD_NOT: "Directions of what should not count",
}
"""What the directions of each question are called."""


def directions_sections(results: Results) -> Iterator[Section]:
    """Yield a section for each question with which anybody gave a direction."""
    yield from _section(results.counts, results.directions, Stance.SHOULD)
    yield from _section(results.counts, results.directions_against, Stance.SHOULD_NOT)


def _section(
    counts: CategoryCounts, directions: Mapping[str, Directions], stance: Stance
) -> Iterator[Section]:
    rows = tuple(
        (
            category_words(count),
            str(given.people),
            # Isolated, so that right-to-left words leave the numbers beside them in place.
            "; ".join(f"“\u2068{said.words}\u2069” {said.people}" for said in given.said) or "–",
            str(given.others),
            str(given.none),
        )
        for count in counts.categories
        if (given := directions.get(count.category))
    )
    if rows:
        yield Section(
            heading=HEADINGS[stance],
            blocks=(
                RULE,
                Table(
                    caption=f"{HEADINGS[stance]}: directions, with the people who gave each",
                    head=("Category", "Named by", "Directions", "Others", "Gave none"),
                    rows=rows,
                    folded="The directions of each category",
                    words=(2,),
                ),
            ),
        )
