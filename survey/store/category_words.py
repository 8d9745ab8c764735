"""What people wrote who named a few categories as something that should count, read without the rest of the coding.

A page that shows it beside a form cannot wait until the whole of a large coding is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import String, select, type_coerce
from sqlalchemy.orm import Session

from survey.answers import RespondentKind
from survey.coding.coding import Asked, Code, CodeKind, Coding, Outcome, Suggestion
from survey.coding.directions import DirectionsGiven
from survey.store.categories import index_of
from survey.store.code_rows import MOST_IDS, batches, has_word, is_one_of
from survey.suggestions import Stance
from survey.tables import AttributePageRow, CodeRow, ImportedRespondentRow, StudyRow, SuggestionRow

_KINDS = {kind.value: kind for kind in (CodeKind.CODER, CodeKind.ADJUDICATED)}
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}


def words_behind(
    session: Session, study: StudyRow, names: Sequence[str], *, simulated: bool
) -> DirectionsGiven:
    """Return the directions and texts of these categories, the same that the whole coding has of them.

    Parameters
    ----------
    simulated
        Of simulated participants instead of people.

    Raises
    ------
    NoSuchCategory
        One of the names is no category.
    """
    index = index_of(session, study)
    wanted = index.merged_under(index.stands_for(index.named(name)).id for name in names)
    # Plain queries: of joins, PostgreSQL makes nested loops that take seconds where it knows no sizes yet.
    stances = {
        (row.source, row.respondent): row.stances
        for row in session.execute(
            select(
                ImportedRespondentRow.source, ImportedRespondentRow.respondent, ImportedRespondentRow.stances
            ).where(ImportedRespondentRow.study_id == study.id)
        )
    }
    rows: Iterable[Any] = session.execute(
        select(
            SuggestionRow.id,
            AttributePageRow.participant_id,
            AttributePageRow.answered,
            SuggestionRow.source,
            SuggestionRow.respondent,
            SuggestionRow.text,
            SuggestionRow.direction,
            SuggestionRow.language,
        )
        .outerjoin(AttributePageRow, AttributePageRow.id == SuggestionRow.page_id)
        .where(
            SuggestionRow.study_id == study.id,
            SuggestionRow.removed_at.is_(None),
            SuggestionRow.kind == RespondentKind.HUMAN,
            SuggestionRow.simulated.is_(simulated),
            SuggestionRow.stance == Stance.SHOULD,
            # A suggestion counts for a category only if somebody coded it so.
            has_word(CodeRow.category_id.in_(wanted), CodeRow.kind.in_(tuple(_KINDS.values()))),
        )
        .order_by(SuggestionRow.id)
    )
    suggestions = tuple(
        Suggestion(
            id=id_,
            # Only told apart here, and never shown.
            respondent=f"{source}/{respondent}" if participant is None else f"{participant}",
            kind=RespondentKind.HUMAN,
            stance=Stance.SHOULD,
            text=text,
            direction=direction,
            language=language,
        )
        for id_, participant, answered, source, respondent, text, direction, language in rows
        # Who has not gone on from the question is not among those asked.
        if (
            answered > 0
            if participant is not None
            else Stance.SHOULD.value in stances.get((source, respondent), ())
        )
    )
    return DirectionsGiven(
        Coding(
            study=study.slug,
            version=study.version,
            design_hash=study.design_hash,
            categories=tuple(index.as_category(row) for row in index.rows.values()),
            suggestions=suggestions,
            codes=_codes(session, {row.id: row.name for row in index.rows.values()}, suggestions),
            asked=tuple(
                Asked(
                    respondent=respondent,
                    kind=RespondentKind.HUMAN,
                    simulated=simulated,
                    stances=frozenset({Stance.SHOULD}),
                )
                for respondent in sorted({suggestion.respondent for suggestion in suggestions})
            ),
        ),
        simulated=simulated,
    )


def _codes(session: Session, names: dict[int, str], suggestions: Sequence[Suggestion]) -> tuple[Code, ...]:
    """Return all that coders and the adjudication say of these suggestions."""
    # Enumerations as text: converting row by row would take as long as everything else.
    columns = (
        CodeRow.suggestion_id,
        type_coerce(CodeRow.kind, String),
        CodeRow.coder,
        type_coerce(CodeRow.outcome, String),
        CodeRow.category_id,
    )
    return tuple(
        Code(
            suggestion=suggestion,
            kind=_KINDS[kind],
            coder=coder,
            outcome=_OUTCOMES[outcome],
            category="" if category is None else names[category],
        )
        for some in batches([suggestion.id for suggestion in suggestions], MOST_IDS)
        for suggestion, kind, coder, outcome, category in session.execute(
            select(*columns).where(
                is_one_of(CodeRow.suggestion_id, some),
                CodeRow.removed_at.is_(None),
                CodeRow.kind.in_(tuple(_KINDS.values())),
            )
        )
    )
