from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, func, select

from survey.acceptability import Rating
from survey.answers import Choice, RespondentKind
from survey.attribute_data import OPEN_TASKS
from survey.db import reading, writing
from survey.store import categories, codes, participants, studies, suggesting
from survey.store.attribute_answers import SentPage, record_page
from survey.store.attribute_pages import open_attribute_page
from survey.store.erasure import NoSuchParticipant, delete_rehearsals
from survey.store.import_removal import ImportIsCoded, NoSuchImport, remove_import
from survey.store.suggesting import SentEntry
from survey.store.suggestion_imports import ImportedSuggestion, import_suggestions
from survey.suggestions import Entry, Stance
from survey.tables import (
    AnswerRow,
    AttributePageAnswerRow,
    AttributePageRow,
    AttributeTask,
    CategoryRow,
    CodeRow,
    EventRow,
    FollowUpKind,
    FollowUpRow,
    IdentityRow,
    ImportedRespondentRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    StatementRow,
    SuggestionRow,
)


def counts(taking) -> dict[str, int]:
    tables = (PresentationRow, AnswerRow, FollowUpRow, StatementRow, IdentityRow)
    with reading(taking.engine) as session:
        return {t.__tablename__: session.scalars(select(func.count()).select_from(t)).one() for t in tables}


def everything(taking) -> str:
    """Return every value of every row in the database as text."""
    metadata = MetaData()
    metadata.reflect(taking.engine)
    with taking.engine.connect() as connection:
        return "\n".join(
            repr(tuple(row)) for table in metadata.sorted_tables for row in connection.execute(select(table))
        )


def test_erasing_leaves_a_row_per_wave_with_nothing_of_the_person(taking, every_step: str) -> None:
    taking.open(every_step)
    first = taking.start("every-step", pid="worker-1")
    taking.finish_every_step(first)
    taking.study("every-step", studies.open_next_wave)
    second = taking.start("every-step", pid="worker-1")
    taking.wait(minutes=3)
    taking.step(second, participants.consent)
    begun, code = taking.now, taking.person(first).code
    completion = taking.person(first).completion_code
    erased = taking.erase("every-step", code)
    assert (erased.waves, erased.answers, erased.statements) == (2, 6, 4)
    assert not any(counts(taking).values())
    with reading(taking.engine) as session:
        rows = session.scalars(select(ParticipantRow).order_by(ParticipantRow.id)).all()
        said = session.scalars(select(EventRow.what).where(EventRow.participant_id.is_not(None))).all()
    assert [row.state for row in rows] == [ParticipantState.ERASED] * 2
    assert len({row.code for row in rows}) == 1
    assert not said
    left = everything(taking)
    for secret in (code, completion, first, second, "worker-1", repr(begun)):
        assert secret not in left.replace(f"ended_at={begun!r}", ""), secret


def test_erasing_one_leaves_the_others_as_they_were(taking, every_step: str) -> None:
    taking.open(every_step)
    tokens = [taking.start("every-step", pid=f"worker-{i}") for i in range(2)]
    for token in tokens:
        taking.finish_every_step(token)
    before = counts(taking)
    taking.erase("every-step", taking.person(tokens[0]).code)
    after = counts(taking)
    assert {table: before[table] - n for table, n in after.items()} == {
        table: n // 2 for table, n in before.items()
    }
    assert taking.state(tokens[1]) is ParticipantState.FINISHED
    assert [row.answered for row in taking.drawn(tokens[1])] == [1] * 6


def test_what_was_followed_up_is_erased_too(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step)
    token = taking_sqlite.start("every-step")
    taking_sqlite.finish_every_step(token)
    with reading(taking_sqlite.engine) as session:
        answer = session.scalars(select(AnswerRow).limit(1)).one()
    with taking_sqlite.engine.begin() as connection:
        connection.execute(
            FollowUpRow.__table__.insert().values(
                answer_id=answer.id, kind=FollowUpKind.REASON, value="close", at=taking_sqlite.now
            )
        )
    taking_sqlite.erase("every-step", taking_sqlite.person(token).code)
    assert not any(counts(taking_sqlite).values())


NAMED = "Rumpelstiltskin's beard"


def say(taking, token: str, text: str) -> None:
    """Name something on the open question, take something else back, go on; rate and rank one attribute."""
    page = taking.step(token, lambda session, person, now: open_attribute_page(session, person))
    entry = Entry(text=text, why=f"why {text}", direction=f"more for {text}")
    taking.step(token, suggesting.add_entry, SentEntry(page=page.token, key="1", entry=entry))
    other = SentEntry(page=page.token, key="2", entry=Entry(text=f"not {text}"))
    taking.step(token, suggesting.add_entry, other)
    key = taking.step(token, lambda session, person, now: suggesting.entries_on(session, page)[1].key)
    taking.step(token, suggesting.remove_entry, page.token, key)


def go_on(taking, token: str) -> None:
    """Go on from every page about attributes."""
    while page := taking.step(token, lambda session, person, now: open_attribute_page(session, person)):
        sent = SentPage(
            page=page.token,
            revision=page.asked,
            ratings={"age": Rating.CANNOT_SAY} if page.task is AttributeTask.RATE else {},
            ranking=["age"] if page.task is AttributeTask.RANK else [],
            client_seconds=1.0,
            client_seconds_problem="",
        )
        act = suggesting.finish_page if page.task in OPEN_TASKS else record_page
        taking.step(token, act, sent)


def code(taking, slug: str) -> None:
    """Code everything that was named, twice, so that a code is ended, too; and import something."""
    with writing(taking.engine) as session:
        study = studies.find_study(session, slug)
        who: Any = {"now": taking.now, "actor": "test"}
        said = ImportedSuggestion(
            respondent="row 7", kind=RespondentKind.HUMAN, stance=Stance.SHOULD, text="waiting"
        )
        import_suggestions(session, study, [said], source="pilot.csv", **who)
        for label in ("Age", "Wealth"):
            categories.add_category(session, study, label, **who)
        named = session.scalars(select(SuggestionRow.id).where(SuggestionRow.removed_at.is_(None))).all()
        for category in ("age", "wealth"):
            for id_ in named:
                codes.code_suggestion(session, study, id_, coder="ada", categories=[category], **who)


def about_attributes(taking) -> dict[str, int]:
    tables = (
        AttributePageRow,
        AttributePageAnswerRow,
        SuggestionRow,
        CodeRow,
        ImportedRespondentRow,
        CategoryRow,
    )
    with reading(taking.engine) as session:
        return {t.__tablename__: session.scalars(select(func.count()).select_from(t)).one() for t in tables}


def test_suggestions_go_with_their_codes_and_imported_ones_stay(taking, asking_design: str) -> None:
    taking.open(asking_design)
    tokens = [taking.consented("asking", pid=f"worker-{i}") for i in range(2)]
    for token, words in zip(tokens, (NAMED, "age"), strict=True):
        say(taking, token, words)
        go_on(taking, token)
        taking.step(token, participants.describe, {"age_group": "older"})
    code(taking, "asking")
    before = about_attributes(taking)
    erased = taking.erase("asking", taking.person(tokens[0]).code)
    assert (erased.answers, erased.suggestions, erased.statements) == (4, 2, 1)
    after = about_attributes(taking)
    gone = {table: before[table] - n for table, n in after.items()}
    assert gone == {
        "attribute_page": 4,
        "attribute_page_answer": 4,
        "suggestion": 2,
        "code": 2,
        "imported_respondent": 0,
        "category": 0,
    }
    assert after["suggestion"] == 3, "the other's two and the imported one"
    assert NAMED not in everything(taking)
    assert taking.state(tokens[1]) is ParticipantState.FINISHED


def test_who_is_erased_while_somebody_codes_leaves_nothing(taking, asking_design: str) -> None:
    taking.open(asking_design)
    token = taking.consented("asking")
    say(taking, token, NAMED)
    person = taking.person(token).code
    who: Any = {"now": taking.now, "actor": "test"}
    with ThreadPoolExecutor(1) as pool:
        with writing(taking.engine) as session:
            study = studies.find_study(session, "asking")
            name = categories.add_category(session, study, "Beards", **who).name
            [id_] = session.scalars(select(SuggestionRow.id).where(SuggestionRow.removed_at.is_(None)))
            codes.code_suggestion(session, study, id_, coder="ada", categories=[name], **who)
            erasing = pool.submit(taking.erase, "asking", person)
            with pytest.raises(TimeoutError):
                erasing.result(timeout=0.3)
        assert erasing.result().suggestions == 2
    left = about_attributes(taking)
    assert (left["suggestion"], left["code"], left["attribute_page"]) == (0, 0, 0)


def test_the_number_of_an_erased_suggestion_is_never_given_again(taking, asking_design: str) -> None:
    """Codes that were made elsewhere, and forms that are still open, name suggestions by their numbers."""
    taking.open(asking_design)
    seen: set[int] = set()
    for text in ("age", "wealth"):
        token = taking.consented("asking")
        say(taking, token, text)
        with reading(taking.engine) as session:
            new = set(session.scalars(select(SuggestionRow.id)))
        assert len(new) == 2
        assert not new & seen
        seen |= new
        taking.erase("asking", taking.person(token).code)


def test_who_was_imported_is_erased_by_name_and_source_and_nobody_else(taking, asking_design: str) -> None:
    taking.open(asking_design)
    code(taking, "asking")
    other = ImportedSuggestion(
        respondent="row 7", kind=RespondentKind.HUMAN, stance=Stance.SHOULD, text="the other one's"
    )
    with writing(taking.engine) as session:
        study = studies.find_study(session, "asking")
        import_suggestions(session, study, [other], source="main.csv", now=taking.now, actor="test")
    with pytest.raises(NoSuchParticipant, match=r"'row 7 \(main.csv\)', 'row 7 \(pilot.csv\)'; write which"):
        taking.erase("asking", "row 7")
    erased = taking.erase("asking", "row 7 (pilot.csv)")
    assert (erased.waves, erased.suggestions) == (0, 1)
    left = about_attributes(taking)
    assert (left["suggestion"], left["imported_respondent"], left["code"]) == (1, 1, 0)
    with reading(taking.engine) as session:
        assert session.scalars(select(SuggestionRow.text)).all() == ["the other one's"]
    assert taking.erase("asking", "row 7").suggestions == 1
    with pytest.raises(NoSuchParticipant, match="no participant 'row 7'"):
        taking.erase("asking", "row 7")


def test_an_import_that_was_wrong_is_removed_and_can_be_made_anew(taking, asking_design: str) -> None:
    taking.open(asking_design)
    code(taking, "asking")
    token = taking.consented("asking")
    say(taking, token, "words of a person")

    def do(what, *arguments, **more):
        with writing(taking.engine) as session:
            study = studies.find_study(session, "asking")
            return what(session, study, *arguments, **more, now=taking.now, actor="test")

    other = ImportedSuggestion(
        respondent="row 7", kind=RespondentKind.HUMAN, stance=Stance.SHOULD, text="the other one's"
    )
    do(import_suggestions, [other], source="main.csv")
    before = about_attributes(taking)
    with pytest.raises(NoSuchImport, match=r"no import from 'pilto.csv'; there are 'main.csv', 'pilot.csv'"):
        do(remove_import, "pilto.csv", with_codes=True)
    with pytest.raises(
        ImportIsCoded, match=r"'pilot\.csv' in study 'asking': 1 suggestion from it has codes"
    ):
        do(remove_import, "pilot.csv", with_codes=False)
    assert about_attributes(taking) == before
    removed = do(remove_import, "pilot.csv", with_codes=True)
    assert (removed.respondents, removed.suggestions, removed.codes) == (1, 1, before["code"])
    left = about_attributes(taking)
    assert left == before | {
        "suggestion": before["suggestion"] - 1,
        "imported_respondent": 1,
        "code": 0,
    }
    assert do(remove_import, "main.csv", with_codes=False).codes == 0
    with pytest.raises(NoSuchImport, match="nothing was imported into it"):
        do(remove_import, "main.csv", with_codes=False)
    assert do(import_suggestions, [other], source="main.csv").added == 1


def test_a_rehearsal_of_suggestions_can_be_deleted_and_leaves_people_alone(
    taking, asking_design: str
) -> None:
    taking.open(asking_design)
    for simulated in (True, False):
        token = taking.consented("asking", simulated=simulated)
        say(taking, token, "simulated words" if simulated else "words of a person")
        go_on(taking, token)
    code(taking, "asking")
    with writing(taking.engine) as session:
        assert delete_rehearsals(session, studies.find_study(session, "asking")) == 1
    assert about_attributes(taking) == {
        "attribute_page": 4,
        "attribute_page_answer": 4,
        "suggestion": 3,
        "code": 4,
        "imported_respondent": 1,
        "category": 2,
    }
    left = everything(taking)
    assert "simulated words" not in left
    assert "words of a person" in left


def test_the_words_of_an_erased_suggestion_are_nowhere_in_the_files_of_the_database(
    taking_sqlite, asking_design: str
) -> None:
    taking_sqlite.open(asking_design)
    token = taking_sqlite.consented("asking")
    say(taking_sqlite, token, NAMED)
    go_on(taking_sqlite, token)
    code(taking_sqlite, "asking")
    file = Path(taking_sqlite.engine.url.database)

    def held() -> bytes:
        return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))

    traces = [NAMED.encode(), NAMED.lower().encode(), taking_sqlite.person(token).code.encode()]
    assert all(trace in held() for trace in traces)
    taking_sqlite.erase("asking", taking_sqlite.person(token).code)
    assert not any(trace in held() for trace in traces)


def test_who_was_erased_may_come_again_as_somebody_new(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step)
    first = taking_sqlite.start("every-step", key="a page of long ago, kept", pid="worker-1")
    taking_sqlite.erase("every-step", taking_sqlite.person(first).code)
    second = taking_sqlite.start("every-step", pid="worker-1")
    with reading(taking_sqlite.engine) as session:
        assert participants.find_participant(session, first) is None
        assert sorted(session.scalars(select(ParticipantRow.number))) == [1, 2]
    assert taking_sqlite.state(second) is ParticipantState.CONSENTING


def test_erasing_is_in_the_audit_log_without_the_code(taking_sqlite, short_design: str) -> None:
    taking_sqlite.open(short_design)
    token = taking_sqlite.at_first_comparison("short")
    taking_sqlite.answer(token, Choice.LEFT)
    taking_sqlite.erase("short", taking_sqlite.person(token).code)
    with reading(taking_sqlite.engine) as session:
        event = session.scalars(select(EventRow).where(EventRow.what == "participant erased")).one()
    assert (event.actor, event.participant_id, event.detail) == ("test", None, {"waves": 1})


@pytest.mark.parametrize("twice", [False, True])
def test_erasing_nobody_says_so(taking_sqlite, short_design: str, twice: bool) -> None:
    taking_sqlite.open(short_design)
    code = "p-NOBODY"
    if twice:
        code = taking_sqlite.person(taking_sqlite.start("short")).code
        taking_sqlite.erase("short", code)
    with pytest.raises(NoSuchParticipant, match="column 'respondent'"):
        taking_sqlite.erase("short", code)
