"""How much of a study is coded with each category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import String, func, select, type_coerce
from sqlalchemy.orm import Session

from survey.answers import RespondentKind
from survey.coding.coding import Category, CodeKind
from survey.store.category_index import index_of
from survey.suggestions import Stance
from survey.tables import CodeRow, StudyRow, SuggestionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryUse:
    """A category and how much is coded with it, and with those merged into it, now."""

    category: Category
    standing: str
    """Name of the category that stands for it: its own, unless it is merged. What is counted is counted there."""
    by_source: Mapping[tuple[Stance, RespondentKind, bool], int]
    """(what was asked, who made it, whether simulated) -> suggestions that a coder, or adjudication, has put there;
    only where there are any."""
    by_coder: Mapping[str, int]
    """Coder -> suggestions; only coders who have put any there."""
    adjudicated: int
    proposed: Mapping[str, int]
    """Model -> suggestions that it proposes for it."""

    @property
    def by_stance(self) -> Mapping[Stance, int]:
        """Suggestions that a coder, or adjudication, has put there, whoever made them."""
        return {
            stance: sum(n for (each, _, _), n in self.by_source.items() if each is stance)
            for stance in Stance
        }

    @property
    def suggestions(self) -> int:
        """Suggestions of both stances."""
        return sum(self.by_stance.values())


def category_uses(
    session: Session, study: StudyRow, *, simulated: bool | None = False, coder: str | None = None
) -> list[CategoryUse]:
    """Return every category with what is coded with it.

    Parameters
    ----------
    simulated
        Count people's suggestions, simulated participants' (True), or both (None).
    coder
        Count only what this coder has said: for pages that show nobody else's codes.
    """
    index = index_of(session, study)
    stands = index.standing_id().label("stands")
    kind, stance = type_coerce(CodeRow.kind, String), type_coerce(SuggestionRow.stance, String)
    made_by = type_coerce(SuggestionRow.kind, String)
    these = [
        SuggestionRow.study_id == study.id,
        SuggestionRow.removed_at.is_(None),
        CodeRow.removed_at.is_(None),
        CodeRow.category_id.is_not(None),
    ]
    if simulated is not None:
        these.append(SuggestionRow.simulated.is_(simulated))
    if coder is not None:
        these += [CodeRow.kind == CodeKind.CODER, CodeRow.coder == coder]
    each = (
        select(
            stands,
            kind.label("kind"),
            CodeRow.coder,
            stance.label("stance"),
            made_by.label("made_by"),
            SuggestionRow.simulated,
            CodeRow.suggestion_id,
        )
        .join(SuggestionRow, SuggestionRow.id == CodeRow.suggestion_id)
        .where(*these)
    )
    by_source: dict[int, dict[tuple[Stance, RespondentKind, bool], int]] = {}
    by_who: dict[tuple[int, str], dict[str, int]] = {}
    some = each.where(CodeRow.kind != CodeKind.MODEL).subquery()
    source = (some.c.stance, some.c.made_by, some.c.simulated)
    for id_, word, who, is_simulated, number in session.execute(
        select(some.c.stands, *source, func.count(some.c.suggestion_id.distinct())).group_by(
            some.c.stands, *source
        )
    ):
        by_source.setdefault(id_, {})[Stance(word), RespondentKind(who), is_simulated] = number
    all_ = each.subquery()
    for id_, word, who, number in session.execute(
        select(
            all_.c.stands, all_.c.kind, all_.c.coder, func.count(all_.c.suggestion_id.distinct())
        ).group_by(all_.c.stands, all_.c.kind, all_.c.coder)
    ):
        by_who.setdefault((id_, word), {})[who] = number
    uses = []
    for row in index.rows.values():
        # A merged category's codes are counted where they stand.
        uses.append(
            CategoryUse(
                category=index.as_category(row),
                standing=index.stands_for(row).name,
                by_source=by_source.get(row.id, {}),
                by_coder=dict(sorted(by_who.get((row.id, CodeKind.CODER.value), {}).items())),
                adjudicated=sum(by_who.get((row.id, CodeKind.ADJUDICATED.value), {}).values()),
                proposed=dict(sorted(by_who.get((row.id, CodeKind.MODEL.value), {}).items())),
            )
        )
    return uses
