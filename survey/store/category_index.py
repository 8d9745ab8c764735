"""Every category of a study, which stands for which, and what a category's words may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from unicodedata import normalize

from sqlalchemy import ColumnElement, case, select
from sqlalchemy.orm import Session

from survey.coding.coding import Category, CodingError, Ended, Outcome
from survey.design_file.complaints import NAME_RULE
from survey.suggestions import as_written, folded
from survey.tables import CategoryRow, CodeRow, StudyRow

LONGEST_LABEL = 200
LONGEST_NAME = 100
LONGEST_DEFINITION = 5_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_NO_NAMES = frozenset(outcome.value for outcome in Outcome)
"""Words that say something else wherever categories are named."""


class NoSuchCategory(CodingError):
    """The study has no category of this name."""


class CodingConflict(CodingError):
    """A change of the coding collides with what is there: a label that is taken, a category that was merged …"""


@dataclass(frozen=True, slots=True)
class CategoryIndex:
    """Every category of a study, by id and by name, and which stands for which."""

    rows: Mapping[int, CategoryRow]
    """In the order in which they were made."""
    by_name: Mapping[str, CategoryRow]
    standing: Mapping[int, int]
    """Id of a category -> id of the one that stands for it: itself, or what it was merged into."""

    def named(self, name: str) -> CategoryRow:
        """Return the category called ``name``; raises :class:`NoSuchCategory`, naming those there are."""
        found = self.by_name.get(name)
        if found is None:
            there = ", ".join(self.by_name) or "none yet"
            raise NoSuchCategory(f"no category '{name}'; the categories are: {there}")
        return found

    def stands_for(self, row: CategoryRow) -> CategoryRow:
        """Return the category that stands for ``row`` now."""
        return self.rows[self.standing[row.id]]

    def merged_under(self, ids: Iterable[int]) -> list[int]:
        """Return the ids of all categories for which one of ``ids`` stands."""
        wanted = set(ids)
        return [id_ for id_, stands in self.standing.items() if stands in wanted]

    @property
    def retired(self) -> list[int]:
        """Ids of the categories for which a retired one stands: what is coded with them is to code again."""
        return [id_ for id_, stands in self.standing.items() if self.rows[stands].retired_at is not None]

    def ended(self, row: CategoryRow) -> Ended | None:
        """Return why coders are offered a category no longer; None: they are, or another stands for it."""
        if row.retired_at is None or row.merged_into_id is not None:
            return None
        is_split = any(other.split_from_id == row.id for other in self.rows.values())
        return Ended.SPLIT if is_split else Ended.RETIRED

    def standing_id(self) -> ColumnElement[int | None]:
        """Return, for a query on ``CodeRow``, the id of the category that stands for the code's."""
        merged = {id_: stands for id_, stands in self.standing.items() if id_ != stands}
        if not merged:
            return CodeRow.category_id.expression
        return case(merged, value=CodeRow.category_id, else_=CodeRow.category_id)

    def as_category(self, row: CategoryRow) -> Category:
        """Return a row as what everything outside the database reads."""
        return Category(
            name=row.name,
            label=row.label,
            definition=row.definition,
            merged_into="" if row.merged_into_id is None else self.rows[row.merged_into_id].name,
            split_from="" if row.split_from_id is None else self.rows[row.split_from_id].name,
            retired=row.retired_at is not None,
        )


def categories_of(session: Session, study: StudyRow) -> list[CategoryRow]:
    """Return every category of the study, merged and retired ones too, in the order in which they were made."""
    query = select(CategoryRow).where(CategoryRow.study_id == study.id).order_by(CategoryRow.id)
    # Others may have changed them since this session read them.
    return list(session.scalars(query.execution_options(populate_existing=True)))


def index_of(session: Session, study: StudyRow) -> CategoryIndex:
    """Read every category of the study."""
    session.flush()  # Reading again drops what is not.
    rows = {row.id: row for row in categories_of(session, study)}
    standing = {}
    for id_ in rows:
        here, seen = rows[id_], {id_}
        while here.merged_into_id is not None:
            if here.merged_into_id in seen:
                raise CodingConflict(
                    f"study '{study.slug}': category '{here.name}' is merged into itself; 'equipoise db doctor' "
                    "names the rows"
                )
            seen.add(here.merged_into_id)
            here = rows[here.merged_into_id]
        standing[id_] = here.id
    return CategoryIndex(rows=rows, by_name={row.name: row for row in rows.values()}, standing=standing)


def is_offered(row: CategoryRow) -> bool:
    """Tell whether coders are offered a category."""
    return row.merged_into_id is None and row.retired_at is None


def require_free_label(index: CategoryIndex, label: str, *, but: CategoryRow | None = None) -> None:
    """Raise if a category that coders are offered has this label, in upper or lower case."""
    for row in index.rows.values():
        if row is not but and is_offered(row) and folded(row.label) == folded(label):
            raise CodingConflict(f"category '{row.name}' has the label '{row.label}' already; choose another")


def checked_label(label: str) -> str:
    """Return a label as it is stored; raises :class:`CodingConflict` for one that is empty or too long."""
    found = " ".join(as_written(label).split())
    if not found:
        raise CodingConflict("a category needs a label; write what it is called")
    if len(found) > LONGEST_LABEL:
        raise CodingConflict(f"a label has at most {LONGEST_LABEL} characters, this one {len(found)}")
    return found


def checked_definition(definition: str) -> str:
    """Return a definition as it is stored; raises :class:`CodingConflict` for one that is too long."""
    found = as_written(definition)
    if len(found) > LONGEST_DEFINITION:
        raise CodingConflict(
            f"a definition has at most {LONGEST_DEFINITION} characters, this one {len(found)}"
        )
    return found


def checked_name(name: str) -> str:
    """Return a name as it is; raises :class:`CodingConflict` for what can be none."""
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise CodingConflict(
            f"{name!r} is no name of a category; {NAME_RULE}, at most {LONGEST_NAME} characters"
        )
    if name in _NO_NAMES:
        raise CodingConflict(f"no category can be called '{name}': files say something else by it")
    return name


def name_for(label: str, taken: Iterable[str]) -> str:
    """Make a name from a label: its Latin letters and digits in lower case, ``attribute`` where it has none; with a
    number behind it if the name is taken."""
    plain = normalize("NFKD", label).encode("ascii", "ignore").decode("ascii").lower()
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[: LONGEST_NAME - 10].rstrip("-") or "attribute"
    used, number, name = set(taken) | _NO_NAMES, 1, base
    while name in used:
        number += 1
        name = f"{base}-{number}"
    return name
