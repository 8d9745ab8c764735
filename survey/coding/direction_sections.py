"""The appendix of the page of results: whom people would put first because of each category. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from survey.coding.directions import FEWEST
from survey.coding.number_words import category_words
from survey.coding.page_blocks import Section, Table
from survey.coding.results import Results

RULE = (
    "In people’s own words, equal but for case, spaces and punctuation; who named a category among what should "
    f"count was asked for it. Words that fewer than {FEWEST} people wrote are not told here, as they may tell who "
    "somebody is: those people are counted as others."
)


def directions_section(results: Results) -> Iterator[Section]:
    """Yield the section, where anybody gave a direction."""
    rows = tuple(
        (
            category_words(count),
            str(given.people),
            # Isolated, so that right-to-left words leave the numbers beside them in place.
            "; ".join(f"“\u2068{said.words}\u2069” {said.people}" for said in given.said) or "–",
            str(given.others),
            str(given.none),
        )
        for count in results.counts.categories
        if (given := results.directions.get(count.category))
    )
    if rows:
        yield Section(
            heading="Whom to put first because of it",
            blocks=(
                RULE,
                Table(
                    caption="Directions, with the people who gave each",
                    head=("Category", "Named by", "Directions", "Others", "Gave none"),
                    rows=rows,
                    folded="The directions of each category",
                    words=(2,),
                ),
            ),
        )
