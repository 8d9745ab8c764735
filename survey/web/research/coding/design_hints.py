"""What stands beside each attribute to be worded: definitions of its categories, what people wrote. For owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from survey.coding.directions import Directions, Said
from survey.store.categories import CategoryIndex
from survey.store.category_words import words_behind
from survey.tables import StudyRow
from survey.web.research.coding.design_form import DesignForm

_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A category behind an attribute, as the page shows it."""

    name: str
    label: str
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What a researcher should have read before giving an attribute its levels and its direction."""

    categories: tuple[Category, ...]
    directions: Directions
    """All of them, also what one person gave: who words the design may read what people wrote."""
    texts: tuple[Said, ...]
    """Those that most people wrote."""
    texts_in_all: int

    @property
    def most_given(self) -> tuple[Said, ...]:
        """The directions to show."""
        return self.directions.said[:_MOST_SHOWN]

    @property
    def other_directions(self) -> int:
        """How many directions more there are."""
        return len(self.directions.said) - len(self.most_given)


def hints_of(
    session: Session, study: StudyRow, index: CategoryIndex, form: DesignForm, *, simulated: bool
) -> Mapping[str, Hints]:
    """Return what stands in the field of an attribute's categories -> what to show beside the attribute."""
    behind = {
        one["categories"]: tuple(
            dict.fromkeys(
                index.stands_for(index.by_name[name]).name
                for name in one["categories"].split(",")
                if name in index.by_name  # What is unknown is complained of in the form.
            )
        )
        for one in form.attributes
    }
    words = words_behind(
        session, study, [name for names in behind.values() for name in names], simulated=simulated
    )
    hints = {}
    for field, names in behind.items():
        texts = words.texts(names)
        hints[field] = Hints(
            categories=tuple(
                Category(name=name, label=row.label, definition=row.definition)
                for name in names
                for row in [index.by_name[name]]
            ),
            directions=words.of(names, fewest=1),
            texts=texts[:_MOST_SHOWN],
            texts_in_all=len(texts),
        )
    return hints
