"""Rows of codes: read, locked, compared, ended, added. What coders do with them is in ``codes``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import (
    ColumnElement,
    String,
    and_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from survey.coding.coding import CodeKind, CodingError, Outcome
from survey.store.category_index import CategoryIndex, CodingConflict
from survey.tables import CodeRow, StudyRow, SuggestionRow

# Databases take only so many values in one statement.
AT_ONCE = 500
MOST_IDS = 5_000
"""The same of ids that stand in the statement itself, as with ``is_one_of``."""
LONGEST_CODER = 100

_V = TypeVar("_V")

Word: TypeAlias = int | Outcome
"""Part of what is said of a suggestion: a category's id, or an outcome that is no category."""


class NoSuchSuggestion(CodingError):
    """The study has no suggestion of this number, or it was taken back."""


@dataclass(frozen=True, slots=True)
class StandingCode:
    """A code that stands."""

    id: int
    word: Word


def words_of(index: CategoryIndex, categories: Sequence[str], outcome: Outcome | None) -> list[Word]:
    """Return what names and an outcome say, merged categories as those that stand for them."""
    if outcome in (Outcome.NO_CATEGORY, Outcome.UNUSABLE):
        if categories:
            raise CodingConflict(f"'{outcome}' goes with no category; leave out {', '.join(categories)}")
        return [outcome]
    if outcome is Outcome.CATEGORY and not categories:
        raise CodingConflict("name the categories")
    return list(dict.fromkeys(index.standing[index.named(name).id] for name in categories))


def check_coder(kind: CodeKind, coder: str) -> None:
    """Raise :class:`CodingConflict` if ``coder`` cannot be who gives codes of this kind."""
    if kind is CodeKind.ADJUDICATED:
        if coder:
            raise CodingConflict("what is adjudicated is nobody's own; name no coder")
    elif not coder.strip() or len(coder) > LONGEST_CODER:
        raise CodingConflict(f"name who codes, in at most {LONGEST_CODER} characters")


def lock_suggestions(session: Session, study: StudyRow, ids: Sequence[int]) -> None:
    """Make changes of these suggestions' codes wait for each other; raise if one is not the study's.

    SQLite's write transaction has the whole database already. Always in the order of ids, so that two who code the
    same suggestions wait for each other and not in a circle.
    """
    there: set[int] = set()
    for some in batches(ids, MOST_IDS):
        there.update(
            session.scalars(
                select(SuggestionRow.id)
                .where(
                    is_one_of(SuggestionRow.id, some),
                    SuggestionRow.study_id == study.id,
                    SuggestionRow.removed_at.is_(None),
                )
                .order_by(SuggestionRow.id)
                .with_for_update()
            )
        )
    if missing := [id_ for id_ in ids if id_ not in there]:
        shown = ", ".join(str(id_) for id_ in missing[:10]) + (" …" if len(missing) > 10 else "")
        raise NoSuchSuggestion(
            f"study '{study.slug}' has no suggestion {shown}; it may have been taken back meanwhile: "
            "load the list again"
        )


def standing_codes(
    session: Session, ids: Sequence[int], kind: CodeKind, coder: str
) -> dict[int, list[StandingCode]]:
    """Return suggestion id -> the codes of one coder that stand, in the order in which they were added."""
    found: dict[int, list[StandingCode]] = {}
    for some in batches(ids, MOST_IDS):
        for id_, suggestion, outcome, category in session.execute(
            # Enumerations as text: converting row by row would take as long as everything else.
            select(
                CodeRow.id, CodeRow.suggestion_id, type_coerce(CodeRow.outcome, String), CodeRow.category_id
            )
            .where(
                is_one_of(CodeRow.suggestion_id, some),
                CodeRow.kind == kind,
                CodeRow.coder == coder,
                CodeRow.removed_at.is_(None),
            )
            .order_by(CodeRow.id)
        ):
            word = Outcome(outcome) if category is None else category
            found.setdefault(suggestion, []).append(StandingCode(id_, word))
    return found


def stands(index: CategoryIndex, word: Word) -> Word:
    """Return what a word says now: of a category, the one that stands for it."""
    return word if isinstance(word, Outcome) else index.standing[word]


def distinct_words(index: CategoryIndex, codes: Iterable[StandingCode]) -> list[Word]:
    """Return what codes say, each once."""
    return list(dict.fromkeys(stands(index, code.word) for code in codes))


def difference(
    index: CategoryIndex, there: Sequence[StandingCode], wanted: Collection[Word]
) -> tuple[list[StandingCode], list[Word]]:
    """Return the codes to end and the words to add. A code with a merged category says what stands for it."""
    meant = {stands(index, word) for word in wanted}
    said = {stands(index, code.word) for code in there}
    ended = [code for code in there if stands(index, code.word) not in meant]
    return ended, [word for word in dict.fromkeys(wanted) if stands(index, word) not in said]


def require_offered(index: CategoryIndex, words: Iterable[Word]) -> None:
    """Raise :class:`CodingConflict` if one of the words is a retired category."""
    for word in words:
        if not isinstance(word, Outcome) and index.rows[word].retired_at is not None:
            row = index.rows[word]
            instead = [r.name for r in index.rows.values() if r.split_from_id == row.id]
            way = f"it was split into {', '.join(instead)}" if instead else "choose another"
            raise CodingConflict(f"category '{row.name}' is retired; {way}")


def end_codes(session: Session, ids: Sequence[int], *, now: datetime, actor: str) -> None:
    """Let codes stand no longer."""
    for some in batches(ids, MOST_IDS):
        session.execute(
            update(CodeRow)
            .where(is_one_of(CodeRow.id, some))
            .values(removed_at=now, removed_by=actor)
            .execution_options(synchronize_session=False)
        )


def add_codes(
    session: Session,
    said: Sequence[tuple[int, Word]],
    kind: CodeKind,
    coder: str,
    *,
    now: datetime,
    actor: str,
) -> None:
    """Let words stand from now on: pairs of the id of a suggestion that is there, and what is said of it.

    Raises
    ------
    IntegrityError
        Two of them cannot stand together.
    """
    ids = {id_ for id_, _ in said}
    if len(ids) == len(said) and len({word for _, word in said}) == 1:
        _add_word(session, [id_ for id_, _ in said], said[0][1], kind, coder, now=now, actor=actor)
    elif said:
        session.execute(
            insert(CodeRow),
            [code_values(suggestion, word, kind, coder, now=now, actor=actor) for suggestion, word in said],
        )


def _add_word(
    session: Session, ids: Sequence[int], word: Word, kind: CodeKind, coder: str, *, now: datetime, actor: str
) -> None:
    """Let one word stand of all these suggestions: sent once, and not with each of thousands of rows."""
    values = code_values(0, word, kind, coder, now=now, actor=actor)
    del values["suggestion_id"]
    columns = {column.name: column for column in CodeRow.__table__.columns}
    for some in batches(ids, MOST_IDS):
        rows = (
            select(SuggestionRow.id, *(literal(value, columns[name].type) for name, value in values.items()))
            .where(is_one_of(SuggestionRow.id, some))
            .order_by(SuggestionRow.id)
        )
        session.execute(insert(CodeRow).from_select(["suggestion_id", *values], rows))


def code_values(
    suggestion: int, word: Word, kind: CodeKind, coder: str, *, now: datetime, actor: str
) -> dict[str, Any]:
    """Return the columns of a code that begins to stand."""
    is_outcome = isinstance(word, Outcome)
    return {
        "suggestion_id": suggestion,
        "kind": kind,
        "coder": coder,
        "outcome": word if is_outcome else Outcome.CATEGORY,
        "category_id": None if is_outcome else word,
        "added_at": now,
        "added_by": actor,
        "removed_at": None,
        "removed_by": "",
    }


def coders_differ(index: CategoryIndex) -> ColumnElement[bool]:
    """Return, for a query on ``SuggestionRow``, whether its coders do not say the same (settled or not).

    They agree where each of ``n`` coders says each of the ``m`` things that anybody says: ``n * m`` pairs.
    """
    # A number for what a code says: the id of the standing category, or one below 0 for each other outcome.
    said = case(
        (CodeRow.outcome == Outcome.NO_CATEGORY, -1),
        (CodeRow.outcome == Outcome.UNUSABLE, -2),
        else_=index.standing_id(),
    )
    pairs = func.count((cast(said, String) + ":" + CodeRow.coder).distinct())
    differ = select(pairs != func.count(CodeRow.coder.distinct()) * func.count(said.distinct())).where(
        CodeRow.suggestion_id == SuggestionRow.id,
        CodeRow.kind == CodeKind.CODER,
        CodeRow.removed_at.is_(None),
    )
    # Looked up suggestion by suggestion: whatever a database knows of its tables, that takes no longer.
    return differ.correlate(SuggestionRow).scalar_subquery()


def has_word(*that: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return, for a query on ``SuggestionRow``, whether a code of it stands of which all of ``that`` holds."""
    # No EXISTS: PostgreSQL makes a join of it, which takes minutes where it does not know yet how many codes there
    # are. This it looks up in the index, suggestion by suggestion.
    word = select(literal(1)).where(
        CodeRow.suggestion_id == SuggestionRow.id, CodeRow.removed_at.is_(None), *that
    )
    return word.limit(1).correlate(SuggestionRow).scalar_subquery().is_not(None)


def is_adjudicated() -> ColumnElement[bool]:
    """Return, for a query on ``SuggestionRow``, whether it was adjudicated, into whatever category."""
    return has_word(CodeRow.kind == CodeKind.ADJUDICATED)


def to_adjudicate_again(index: CategoryIndex) -> ColumnElement[bool]:
    """Return, for a query on ``SuggestionRow``, whether it was adjudicated into a category that was split or
    retired since. ``final_codes`` says the same of it: adjudicated, to be coded again."""
    return has_word(CodeRow.kind == CodeKind.ADJUDICATED, CodeRow.category_id.in_(index.retired))


def to_adjudicate(index: CategoryIndex) -> ColumnElement[bool]:
    """Return, for a query on ``SuggestionRow``, whether it waits for adjudication: coders differ and nobody has
    settled it, or it is to be settled again."""
    return or_(to_adjudicate_again(index), and_(~is_adjudicated(), coders_differ(index)))


def open_disagreements(
    session: Session, study: StudyRow, index: CategoryIndex, *, simulated: bool | None
) -> list[int]:
    """Return the ids of suggestions that wait for adjudication, in order."""
    query = select(SuggestionRow.id).where(
        SuggestionRow.study_id == study.id,
        SuggestionRow.removed_at.is_(None),
        true() if simulated is None else SuggestionRow.simulated.is_(simulated),
        to_adjudicate(index),
    )
    return list(session.scalars(query.order_by(SuggestionRow.id)))


def in_words(index: CategoryIndex, words: Iterable[Word]) -> list[str]:
    """Return words as the audit log and messages say them: categories by name."""
    return [word.value if isinstance(word, Outcome) else index.rows[word].name for word in words]


def in_ranges(ids: Sequence[int]) -> str:
    """Return ascending numbers as ``3, 5-9, 12``."""
    runs: list[list[int]] = []
    for id_ in ids:
        if runs and id_ == runs[-1][1] + 1:
            runs[-1][1] = id_
        else:
            runs.append([id_, id_])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def is_one_of(column: InstrumentedAttribute[int], ids: Sequence[int]) -> ColumnElement[bool]:
    """Return whether an id is one of these, written into the statement: thousands of parameters take drivers as
    long as everything else."""
    return column.in_(bindparam(None, ids, expanding=True, literal_execute=True))


def batches(values: Sequence[_V], at_once: int = AT_ONCE) -> Iterable[Sequence[_V]]:
    """Return values in parts that a statement can hold."""
    return (values[start : start + at_once] for start in range(0, len(values), at_once))
