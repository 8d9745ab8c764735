"""The table in which a coder codes by hand what is left to code. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from survey.coding.coding import Code, CodeKind, Coding, Outcome, Suggestion
from survey.coding.coding_tables import SUGGESTION_COLUMNS
from survey.coding.spreadsheet import SEPARATOR, csv_text, text_column, word_column
from survey.columns import CellKind, Column


def left_to_code(coding: Coding, coder: str) -> Mapping[int, str]:
    """Return what is left for a coder: suggestion id -> what the coder said, which is to be coded again because a
    category was split or retired since (``lifestyle (split); age``); empty where nothing was said."""
    said: dict[int, list[Code]] = defaultdict(list)
    for code in coding.codes:
        if code.kind is CodeKind.CODER and code.coder == coder:
            said[code.suggestion].append(code)
    ended = coding.ended
    standing = {category.name: coding.standing(category.name) for category in coding.categories}
    left = {}
    for suggestion in coding.suggestions:
        own = said[suggestion.id]
        names = dict.fromkeys(standing[code.category] for code in own if code.outcome is Outcome.CATEGORY)
        if not own:
            left[suggestion.id] = ""
        elif not ended.keys().isdisjoint(names):
            words = (f"{name} ({ended[name].value})" if name in ended else name for name in names)
            left[suggestion.id] = f"{SEPARATOR} ".join(words)
    return left


def coding_sheet(suggestions: Iterable[Suggestion], said_before: Mapping[int, str]) -> str:
    """Return a table for coding by hand: the suggestions with empty cells for categories and outcome.

    ``equipoise survey coding code --from`` reads it once they are filled in.

    Parameters
    ----------
    said_before
        Suggestion id -> what the coder said of it, as :func:`left_to_code` has it.
    """
    columns: tuple[Column[Suggestion], ...] = (
        Column(name="suggestion", kind=CellKind.WHOLE, meaning="its number", cell=lambda s: s.id),
        *(column for column in SUGGESTION_COLUMNS if column.name in ("stance", "text", "direction", "why")),
        text_column(
            "said_before",
            "what the coder said, to be coded again; empty: nothing yet",
            lambda s: said_before.get(s.id, ""),
        ),
        word_column("categories", f"names of categories, several joined by '{SEPARATOR}'", lambda s: ""),
        word_column("outcome", "no_category or unusable, where there is no category", lambda s: ""),
    )
    return csv_text(columns, suggestions)
