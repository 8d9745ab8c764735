"""What coders, models and adjudication say of suggestions. A word is ended and another added, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from survey.coding.coding import CodeKind, Outcome
from survey.store.category_index import CodingConflict, index_of
from survey.store.code_rows import (
    NoSuchSuggestion,
    Word,
    add_codes,
    check_coder,
    difference,
    distinct_words,
    end_codes,
    in_ranges,
    in_words,
    lock_suggestions,
    open_disagreements,
    require_offered,
    standing_codes,
    stands,
    words_of,
)
from survey.store.events import log_event
from survey.store.studies import lock_study
from survey.tables import CodeRow, StudyRow, SuggestionRow

__all__ = [
    "NoSuchSuggestion",
    "adjudicate",
    "code_several",
    "code_suggestion",
    "propose_codes",
    "settle_with",
    "withdraw_adjudication",
]


def code_suggestion(
    session: Session,
    study: StudyRow,
    suggestion_id: int,
    *,
    coder: str,
    kind: CodeKind = CodeKind.CODER,
    categories: Sequence[str],
    outcome: Outcome | None = None,
    now: datetime,
    actor: str,
) -> bool:
    """Set all that ``coder`` says of one suggestion; returns False if that was said already.

    Codes that still hold stay as they are; the others are ended. A category that was merged means the one that
    stands for it. No category and no outcome at all takes the coder's word back.

    Parameters
    ----------
    outcome
        ``no_category`` or ``unusable``, without categories; None, or ``category``: what ``categories`` names.

    Raises
    ------
    CodingConflict
        Categories and another outcome at once, a retired category that was not said before, or no coder's name.
    NoSuchCategory, NoSuchSuggestion
        A name or the id is none of this study's.
    """
    check_coder(kind, coder)
    lock_suggestions(session, study, [suggestion_id])
    # After the lock: what is coded already may be in a category that somebody made while this waited.
    index = index_of(session, study)
    wanted = words_of(index, categories, outcome)
    there = standing_codes(session, [suggestion_id], kind, coder).get(suggestion_id, [])
    ended, added = difference(index, there, wanted)
    if not ended and not added:
        return False
    require_offered(index, added)
    end_codes(session, [code.id for code in ended], now=now, actor=actor)
    add_codes(session, [(suggestion_id, word) for word in added], kind, coder, now=now, actor=actor)
    what = {
        CodeKind.CODER: "suggestion coded",
        CodeKind.MODEL: "proposal changed",
        CodeKind.ADJUDICATED: "suggestion adjudicated",
    }[kind]
    if kind is CodeKind.ADJUDICATED and not wanted:
        what = "adjudication withdrawn"
    ended_ids = {code.id for code in ended}
    log_event(
        session,
        study,
        None,
        f"coding: {what}",
        now=now,
        actor=actor,
        suggestion=suggestion_id,
        coder=coder,
        before=in_words(index, [code.word for code in there]),
        after=in_words(index, [*(code.word for code in there if code.id not in ended_ids), *added]),
    )
    return True


def code_several(
    session: Session,
    study: StudyRow,
    suggestion_ids: Iterable[int],
    *,
    coder: str,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    outcome: Outcome | None = None,
    now: datetime,
    actor: str,
) -> int:
    """Add categories to, and remove them from, what ``coder`` says of many suggestions, or set another outcome for
    all of them; returns how many suggestions that changed. Adding a category ends ``no_category`` and ``unusable``.

    Raises
    ------
    CodingConflict
        Nothing is to be done, a category is to be added and removed, an outcome comes with categories, or a
        category to be added is retired.
    NoSuchCategory, NoSuchSuggestion
        A name or an id is none of this study's: nothing is changed then.
    """
    check_coder(CodeKind.CODER, coder)
    ids = sorted(set(suggestion_ids))
    lock_suggestions(session, study, ids)
    index = index_of(session, study)
    adding = words_of(index, add, outcome)
    removing = set(words_of(index, remove, None))
    if not adding and not removing:
        raise CodingConflict("name a category to add or remove, or an outcome")
    if outcome in (Outcome.NO_CATEGORY, Outcome.UNUSABLE) and removing:
        raise CodingConflict(f"'{outcome}' ends every category; name none to remove")
    if both := removing & set(adding):
        raise CodingConflict(f"{', '.join(in_words(index, sorted(both, key=str)))}: both added and removed")
    require_offered(index, adding)
    there = standing_codes(session, ids, CodeKind.CODER, coder)
    ended: list[int] = []
    added: list[tuple[int, Word]] = []
    changed = []
    for id_ in ids:
        now_said = there.get(id_, [])
        wanted = [] if isinstance(next(iter(adding), 0), Outcome) else [code.word for code in now_said]
        wanted = [word for word in wanted if stands(index, word) not in removing]
        if adding:
            wanted = [word for word in wanted if not isinstance(word, Outcome)]
        gone, new = difference(index, now_said, [*wanted, *adding])
        if gone or new:
            changed.append(id_)
            ended += [code.id for code in gone]
            added += [(id_, word) for word in new]
    end_codes(session, ended, now=now, actor=actor)
    add_codes(session, added, CodeKind.CODER, coder, now=now, actor=actor)
    if changed:
        log_event(
            session,
            study,
            None,
            "coding: suggestions coded",
            now=now,
            actor=actor,
            coder=coder,
            added=in_words(index, adding),
            removed=in_words(index, sorted(removing, key=str)),
            suggestions=in_ranges(changed),
            codes_ended=len(ended),
            codes_added=len(added),
        )
    return len(changed)


def adjudicate(
    session: Session,
    study: StudyRow,
    suggestion_id: int,
    *,
    categories: Sequence[str],
    outcome: Outcome | None = None,
    now: datetime,
    actor: str,
) -> bool:
    """Settle what a suggestion is coded with, whatever coders say; returns False if that was settled already.

    Raises as :func:`code_suggestion`, and :class:`CodingConflict` where nothing is said.
    """
    if not categories and outcome in (None, Outcome.CATEGORY):
        raise CodingConflict("name categories or an outcome; withdrawing leaves the suggestion to its coders")
    return code_suggestion(
        session,
        study,
        suggestion_id,
        coder="",
        kind=CodeKind.ADJUDICATED,
        categories=categories,
        outcome=outcome,
        now=now,
        actor=actor,
    )


def withdraw_adjudication(
    session: Session, study: StudyRow, suggestion_id: int, *, now: datetime, actor: str
) -> bool:
    """Leave a suggestion to what its coders say; returns False where nothing was settled.

    Raises
    ------
    NoSuchSuggestion
        The study has none of this id.
    """
    return code_suggestion(
        session,
        study,
        suggestion_id,
        coder="",
        kind=CodeKind.ADJUDICATED,
        categories=(),
        now=now,
        actor=actor,
    )


def settle_with(
    session: Session,
    study: StudyRow,
    coder: str,
    *,
    simulated: bool | None = False,
    now: datetime,
    actor: str,
) -> int:
    """Settle everything that waits for adjudication as ``coder`` said; returns how many suggestions that were.

    Left open is where ``coder`` said nothing, or has to code again because a category was split or retired since.
    What was settled into such a category before is ended. A decision of whoever asks for it, and logged as one.

    Raises
    ------
    CodingConflict
        Nobody called ``coder`` has coded anything of this study.
    """
    index = index_of(session, study)
    of_study = select(SuggestionRow.id).where(SuggestionRow.study_id == study.id)
    known = select(CodeRow.coder).where(CodeRow.kind == CodeKind.CODER, CodeRow.suggestion_id.in_(of_study))
    coders = sorted(session.scalars(known.distinct()))
    if coder not in coders:
        raise CodingConflict(f"no coder '{coder}'; the coders are: {', '.join(coders) or 'none yet'}")
    open_ids = open_disagreements(session, study, index, simulated=simulated)
    lock_suggestions(session, study, open_ids)
    # Somebody may have settled some while this waited, or made a category.
    index = index_of(session, study)
    open_now = open_disagreements(session, study, index, simulated=simulated)
    # What has become open since is not locked: somebody else may be settling it.
    open_ids = sorted(set(open_ids).intersection(open_now))
    retired = set(index.retired)
    said = {
        id_: words
        for id_, codes in standing_codes(session, open_ids, CodeKind.CODER, coder).items()
        if retired.isdisjoint(words := distinct_words(index, codes))
    }
    before = standing_codes(session, sorted(said), CodeKind.ADJUDICATED, "")
    ended: list[int] = []
    added: list[tuple[int, Word]] = []
    for id_, words in sorted(said.items()):
        gone, new = difference(index, before.get(id_, []), words)
        ended += [code.id for code in gone]
        added += [(id_, word) for word in new]
    end_codes(session, ended, now=now, actor=actor)
    add_codes(session, added, CodeKind.ADJUDICATED, "", now=now, actor=actor)
    log_event(
        session,
        study,
        None,
        "coding: disagreements settled",
        now=now,
        actor=actor,
        as_coder=coder,
        settled=len(said),
        left_open=len(open_now) - len(said),
        suggestions=in_ranges(sorted(said)),
        codes_ended=len(ended),
    )
    return len(said)


def propose_codes(
    session: Session,
    study: StudyRow,
    model: str,
    proposals: Mapping[int, Sequence[str] | Outcome],
    *,
    now: datetime,
    actor: str,
) -> int:
    """Store a model's proposals in place of all that it had proposed for the study; returns how many suggestions
    they are for. They never count: they are shown beside, and compared with, what coders say.

    Parameters
    ----------
    proposals
        Suggestion id -> names of categories (one at least), or ``no_category`` or ``unusable``. Suggestions that
        the model said nothing readable of are left out.

    Raises
    ------
    CodingConflict
        A proposal says nothing, or the model has no name.
    NoSuchCategory, NoSuchSuggestion
        A name or an id is none of this study's: nothing is stored then.
    """
    check_coder(CodeKind.MODEL, model)
    # What the model proposed before is ended without a lock of its own.
    lock_study(session, study)
    index = index_of(session, study)
    wanted: dict[int, list[Word]] = {}
    for id_, said in sorted(proposals.items()):
        # An outcome is a string, too.
        words = words_of(index, (), said) if isinstance(said, Outcome) else words_of(index, said, None)
        if not words:
            raise CodingConflict(f"suggestion {id_}: the proposal says nothing; leave the suggestion out")
        wanted[id_] = words
    of_study = select(SuggestionRow.id).where(SuggestionRow.study_id == study.id)
    proposed_before = session.scalars(
        select(CodeRow.suggestion_id)
        .distinct()
        .where(
            CodeRow.kind == CodeKind.MODEL,
            CodeRow.coder == model,
            CodeRow.removed_at.is_(None),
            CodeRow.suggestion_id.in_(of_study),
        )
    ).all()
    lock_suggestions(session, study, sorted(wanted))
    before = standing_codes(session, sorted({*wanted, *proposed_before}), CodeKind.MODEL, model)
    ended: list[int] = []
    added: list[tuple[int, Word]] = []
    for id_ in sorted({*before, *wanted}):
        gone, new = difference(index, before.get(id_, []), wanted.get(id_, []))
        ended += [code.id for code in gone]
        added += [(id_, word) for word in new]
    end_codes(session, ended, now=now, actor=actor)
    add_codes(session, added, CodeKind.MODEL, model, now=now, actor=actor)
    if ended or added:
        log_event(
            session,
            study,
            None,
            "coding: model proposals stored",
            now=now,
            actor=actor,
            model=model,
            suggestions=len(wanted),
            before=len(before),
            codes_ended=len(ended),
            codes_added=len(added),
        )
    return len(wanted)
