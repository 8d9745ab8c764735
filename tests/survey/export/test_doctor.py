# ruff: noqa: S608 - the SQL is the tests' own
"""Each check of the doctor, on data that raw SQL has broken in exactly one way, on both databases."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from survey.answers import RespondentKind
from survey.db import make_engine, reading, writing
from survey.doctor import storage
from survey.doctor.check import Check, Finding, Severity, examine
from survey.doctor.every import CHECKS
from survey.migration import upgrade
from survey.store import categories, codes, studies
from survey.store.erasure import erase
from survey.store.suggestion_imports import ImportedSuggestion, import_suggestions
from survey.suggestions import Stance
from survey.tables import StudyRow, SuggestionRow

Fill = Callable[..., list[str]]
AddOpenStudy = Callable[[Engine, str], StudyRow]

QUOTA = """
[quotas]
most = 1
hold_minutes = 60
"""
LATER = "'2030-01-01 00:00:00.000000'"
FINISHED = "SELECT min(id) FROM participant WHERE state = 'finished' AND study_id = "
COMPLETE, SHORT, PAIRS, FULL, ASKING = 1, 2, 3, 4, 5
SOME = "(SELECT min(id) FROM {table} WHERE {where})"


def some(table: str, where: str) -> str:
    return SOME.format(table=table, where=where)


def of_finished(study: int, where: str) -> str:
    """A presentation of somebody who has finished a study."""
    return some("presentation", f"participant_id = ({FINISHED}{study}) AND {where}")


def page_of(task: str, where: str) -> str:
    """A page about attributes in the study that asks for them, by what holds of the page and of its participant."""
    return (
        "(SELECT min(attribute_page.id) FROM attribute_page JOIN participant ON participant.id = participant_id "
        f"WHERE study_id = {ASKING} AND task = '{task}' AND {where})"
    )


@dataclass(frozen=True, kw_only=True)
class Broken:
    """What is done to sound data, and the check that has to see it."""

    check: str
    sql: tuple[str, ...]


SINGLE = "presentation_id IN (SELECT id FROM presentation WHERE answered = 1 AND asked = 1)"
YRH = '{"age": "young", "drinking": "rare", "health": "healthy"}'
AGE_20 = '{"age": 20, "health": "good"}'
# Admitted and no further, in the study whose comparisons are drawn at random.
DRAWN = f"participant_id IN (SELECT id FROM participant WHERE study_id = {SHORT} AND state = 'instructed')"
# On the page of somebody who has gone on from it.
NAMED_HERE = (
    "stance = 'should' AND removed_at IS NULL AND "
    "page_id IN (SELECT id FROM attribute_page WHERE answered = asked)"
)
UNCODED = f"id NOT IN (SELECT suggestion_id FROM code) AND page_id IS NOT NULL AND study_id = {ASKING}"
CODE = (
    "INSERT INTO code (suggestion_id, kind, coder, outcome, category_id, added_at, added_by, removed_at, "
    "removed_by) SELECT {id}, 'coder', {by}, 'unusable', NULL, {at}, 'test', NULL, '' FROM {of}"
)
BREAKS = (
    Broken(
        check="every answered presentation has its answers",
        sql=(f"DELETE FROM answer WHERE id = {some('answer', f'''choice <> 'indecision' AND {SINGLE}''')}",),
    ),
    Broken(
        check="revisions are complete",
        sql=(f"UPDATE answer SET revision = 7 WHERE id = {some('answer', SINGLE)}",),
    ),
    Broken(
        check="only what was shown is answered",
        sql=(
            "UPDATE presentation SET served_at = NULL WHERE id = "
            + some("presentation", "answered = 1 AND asked = 1"),
        ),
    ),
    Broken(
        check="answered presentations say when",
        sql=(
            f"UPDATE presentation SET answered_at = NULL WHERE id = {of_finished(COMPLETE, 'position = 3')}",
        ),
    ),
    Broken(
        check="answers come after what they answer",
        sql=(
            f"UPDATE presentation SET served_at = {LATER} WHERE id = {of_finished(COMPLETE, 'asked = answered')}",
        ),
    ),
    Broken(
        check="comparisons come in order",
        sql=(
            f"UPDATE presentation SET served_at = {LATER} WHERE position = 25 AND participant_id = "
            + some("participant", f"state = 'answering' AND study_id = {COMPLETE}"),
        ),
    ),
    Broken(
        check="indecision was on offer",
        sql=(
            "UPDATE presentation SET indecision_offered = false WHERE id = (SELECT min(presentation_id) FROM "
            f"answer WHERE choice = 'indecision' AND {SINGLE})",
        ),
    ),
    Broken(
        check="the browser's time fits the server's",
        sql=("UPDATE answer SET client_seconds = 9999, client_seconds_problem = '' WHERE id = 1",),
    ),
    Broken(
        check="follow-ups follow an indecision",
        sql=("UPDATE answer SET choice = 'left' WHERE id = (SELECT min(answer_id) FROM follow_up)",),
    ),
    Broken(
        check="who is admitted was drawn comparisons",
        sql=(
            "UPDATE participant SET admitted_at = NULL WHERE id = "
            + some("participant", f"state = 'answering' AND study_id = {COMPLETE}"),
        ),
    ),
    Broken(
        check="endings have a time and a code",
        sql=(f"UPDATE participant SET completion_code = NULL WHERE id = ({FINISHED}{COMPLETE})",),
    ),
    Broken(
        check="steps come in order",
        sql=(f"UPDATE participant SET started_at = {LATER} WHERE id = ({FINISHED}{COMPLETE})",),
    ),
    Broken(
        check="nothing is left of who was erased",
        sql=(
            "INSERT INTO event (study_id, participant_id, actor, what, at, detail) SELECT study_id, id, '', 'x', "
            "started_at, '{}' FROM participant WHERE state = 'erased'",
        ),
    ),
    Broken(check="waves belong together", sql=("UPDATE participant SET code = 'p-OTHER' WHERE wave = 2",)),
    Broken(
        check="everything stays within one study",
        sql=(f"UPDATE identity SET study_id = {SHORT} WHERE id = {some('identity', 'sealed IS NOT NULL')}",),
    ),
    Broken(
        check="nobody is stuck",
        sql=(
            "UPDATE participant SET state = 'answering', ended_at = NULL, completion_code = NULL WHERE id = "
            f"({FINISHED}{SHORT})",
        ),
    ),
    Broken(
        check="arms are balanced",
        sql=(
            f"UPDATE participant SET arm = 'coin' WHERE study_id = {COMPLETE} AND arm IS NOT NULL "
            "AND NOT simulated",
        ),
    ),
    Broken(
        check="quotas are kept",
        # The first came back after the place was given to the second, and finished later: that is as it may be.
        sql=(f"UPDATE participant SET ended_at = admitted_at WHERE id = ({FINISHED}{FULL})",),
    ),
    Broken(
        check="kept ids are deleted in time",
        sql=("UPDATE identity SET kept_at = '2020-01-01 00:00:00.000000' WHERE sealed IS NOT NULL",),
    ),
    Broken(
        check="nothing refers to what is gone",
        sql=(
            "INSERT INTO event (study_id, participant_id, actor, what, at, detail) "
            f"VALUES (1, 999999, '', 'x', {LATER}, '{{}}')",
        ),
    ),
    Broken(
        check="designs are as they were",
        sql=(f"UPDATE study SET design_hash = '{'0' * 64}' WHERE id = {PAIRS}",),
    ),
    Broken(
        check="who finished has seen everything",
        sql=(f"UPDATE presentation SET position = 999 WHERE id = {of_finished(COMPLETE, 'position = 25')}",),
    ),
    Broken(
        check="who finished has had every role",
        sql=(
            f"""UPDATE presentation SET role = 'check' WHERE id = {of_finished(COMPLETE, "role = 'dominated'")}""",
        ),
    ),
    Broken(
        check="checks say what they expect",
        sql=(
            f"""UPDATE presentation SET expected = NULL WHERE id = {of_finished(COMPLETE, "role = 'dominated'")}""",
        ),
    ),
    Broken(
        check="repeats repeat",
        sql=(
            f"""UPDATE presentation SET repeat_of = NULL WHERE id = {of_finished(COMPLETE, "role = 'repeat'")}""",
        ),
    ),
    Broken(
        check="comparisons compare two patients",
        sql=(
            f"UPDATE presentation SET right_profile = 'YRH', right_values = '{YRH}' WHERE id = "
            + some("presentation", "role = 'identical' AND left_profile <> 'YRH'"),
        ),
    ),
    Broken(
        check="patients are the design's",
        sql=(
            f"UPDATE presentation SET left_values = '{YRH.replace('young', 'green')}' WHERE id = "
            + some("presentation", "role = 'practice'"),
        ),
    ),
    Broken(
        check="everybody's sides are balanced",
        sql=(
            "UPDATE presentation SET left_profile = right_profile, right_profile = left_profile, "
            "left_values = right_values, right_values = left_values WHERE position = 28 AND participant_id = "
            + some("participant", f"state = 'answering' AND study_id = {PAIRS}"),
        ),
    ),
    Broken(
        check="left and right are fair",
        sql=(
            "UPDATE presentation SET left_profile = right_profile, right_profile = left_profile, left_values = "
            "right_values, right_values = left_values WHERE left_profile = 'age=20;health=good' AND " + DRAWN,
        ),
    ),
    Broken(
        check="profiles appear equally often",
        sql=tuple(
            f"UPDATE presentation SET {side}_profile = 'age=20;health=good', {side}_values = '{AGE_20}' WHERE "
            f"id % 2 = {rest} AND {other}_profile <> 'age=20;health=good' AND {DRAWN}"
            for side, other, rest in (("left", "right", 0), ("right", "left", 1))
        ),
    ),
    Broken(
        check="draws repeat",
        sql=(f"UPDATE presentation SET highlighted = true WHERE id = {of_finished(SHORT, 'position = 2')}",),
    ),
)

ORDER = '["wealth", "smoking", "age", "waiting", "children"]'
ABOUT_ATTRIBUTES = (
    Broken(
        check="pages about attributes are drawn as the design says",
        sql=(f"UPDATE participant SET admitted_at = NULL WHERE id = ({FINISHED}{ASKING})",),
    ),
    Broken(
        check="draws of pages about attributes repeat",
        sql=(
            f"UPDATE attribute_page SET attribute_order = '{ORDER}' WHERE task IN ('rate', 'rank') AND "
            "participant_id = "
            + some("attribute_page", f"task = 'rate' AND CAST(attribute_order AS TEXT) <> '{ORDER}'").replace(
                "min(id)", "min(participant_id)"
            ),
        ),
    ),
    Broken(
        check="pages about attributes come in order",
        sql=(
            f"UPDATE attribute_page SET served_at = {LATER} WHERE id = "
            + page_of("rank", "state = 'suggesting'"),
        ),
    ),
    Broken(
        check="who finished has answered every page about attributes",
        sql=(
            "UPDATE attribute_page SET asked = answered + 1 WHERE id = "
            + page_of("rank", "state = 'finished'"),
        ),
    ),
    Broken(
        check="who is asked about attributes has a page",
        sql=(
            "UPDATE participant SET state = 'rating' WHERE id = "
            + some("participant", f"state = 'suggesting' AND study_id = {ASKING}"),
        ),
    ),
    Broken(
        check="pages about attributes are in a language of the study",
        sql=("UPDATE attribute_page SET language = 'fr' WHERE id = " + page_of("rate", "true"),),
    ),
    Broken(
        check="every answered page about attributes has its answers",
        sql=(
            "DELETE FROM attribute_page_answer WHERE attribute_page_id = "
            + page_of("rank", "state = 'finished'"),
        ),
    ),
    Broken(
        check="pages about attributes say when",
        sql=(
            "UPDATE attribute_page SET answered_at = NULL WHERE id = "
            + page_of("rate", "state = 'finished'"),
        ),
    ),
    Broken(
        check="the browser's time fits the server's on pages about attributes",
        sql=(
            "UPDATE attribute_page_answer SET client_seconds = 9999, client_seconds_problem = '' WHERE id = 1",
        ),
    ),
    Broken(
        check="ratings are of attributes that were shown",
        sql=(
            """UPDATE attribute_page_answer SET ratings = '{"age": "superb"}' WHERE attribute_page_id = """
            + page_of("rate", "state = 'finished'"),
        ),
    ),
    Broken(
        check="ratings are of attributes that were shown",
        sql=(
            """UPDATE attribute_page_answer SET ratings = '{"age": "acceptable"}' WHERE attribute_page_id = """
            + page_of("should", "state = 'finished'"),
        ),
    ),
    Broken(
        check="rankings give each attribute one place",
        sql=(
            """UPDATE attribute_page_answer SET ranking = '["age", "age"]' WHERE attribute_page_id = """
            + page_of("rank", "state = 'finished'"),
        ),
    ),
    Broken(
        check="rankings give each attribute one place",
        sql=(
            f"UPDATE attribute_page_answer SET ranking = '{ORDER}' WHERE attribute_page_id = "
            + page_of("rank", "state = 'finished'"),
        ),
    ),
    Broken(
        check="suggestions answer a question that was asked",
        sql=("UPDATE suggestion SET stance = 'should_not' WHERE id = " + some("suggestion", NAMED_HERE),),
    ),
    Broken(
        check="suggestions answer a question that was asked",
        sql=(f"UPDATE suggestion SET study_id = {SHORT} WHERE id = " + some("suggestion", UNCODED),),
    ),
    Broken(
        check="suggestions name something and can be found",
        sql=("UPDATE suggestion SET folded = 'x' WHERE id = " + some("suggestion", NAMED_HERE),),
    ),
    Broken(
        check="suggestions are made while their page waits",
        sql=(f"UPDATE suggestion SET at = {LATER} WHERE id = " + some("suggestion", NAMED_HERE),),
    ),
    Broken(
        check="imported suggestions are of somebody who was asked",
        sql=("UPDATE imported_respondent SET respondent = 'x' WHERE respondent = 'row 7'",),
    ),
    Broken(
        check="codes stay within one study",
        sql=(f"UPDATE category SET study_id = {SHORT} WHERE name = 'wealth'",),
    ),
    Broken(
        check="codes stay within one study",
        sql=(f"UPDATE category SET study_id = {SHORT} WHERE name = 'smoking'",),
    ),
    Broken(
        check="a coder says one thing of a suggestion",
        sql=(
            CODE.format(
                by="'ada'",
                at="added_at",
                of="code WHERE outcome = 'category' AND coder = 'ada' AND removed_at IS NULL LIMIT 1",
                id="suggestion_id",
            ),
        ),
    ),
    Broken(
        check="what was taken back is not coded",
        sql=(
            CODE.format(by="'zoe'", at=LATER, of="suggestion WHERE removed_at IS NOT NULL LIMIT 1", id="id"),
        ),
    ),
    Broken(
        check="codes end after they begin",
        sql=("UPDATE code SET removed_by = '' WHERE removed_at IS NOT NULL",),
    ),
    Broken(
        check="codes are somebody's",
        sql=("UPDATE code SET coder = 'ada' WHERE kind = 'adjudicated'",),
    ),
    Broken(
        check="merged categories lead to one that stands",
        sql=(
            "UPDATE category SET merged_into_id = "
            + some("category", "name = 'years-of-life'")
            + " WHERE name = 'age'",
        ),
    ),
)


# Exporting every study twice, for each thing that is broken, takes long and is tested by itself.
QUICK = tuple(check for check in CHECKS if check.name != "exports come out the same")


@pytest.fixture(scope="module")
def fill_everything(
    new_fill: Callable[[], Fill],
    add_open_study: AddOpenStudy,
    kidney_complete: str,
    kidney_8: str,
    short_design: str,
    asking_design: str,
) -> Callable[[Engine], None]:
    """Return a function that puts studies into a database with something of everything a check looks at."""

    def fill_database(engine: Engine) -> None:
        fill = new_fill()
        complete = add_open_study(engine, kidney_complete)
        short = add_open_study(engine, short_design.replace("per_respondent = 4", "per_respondent = 20"))
        pairs = add_open_study(engine, kidney_8)
        no_arms = short_design[: short_design.index("[[arms]]")].replace('slug = "short"', 'slug = "full"')
        full = add_open_study(engine, no_arms + QUOTA)
        asking = add_open_study(engine, asking_design)
        studies_made = (complete, short, pairs, full, asking)
        assert [study.id for study in studies_made] == [COMPLETE, SHORT, PAIRS, FULL, ASKING]

        fill(engine, complete, people=3, ids=True)
        fill(engine, complete, steps=10, seed=1)
        fill(engine, complete, simulated=True, seed=2)
        [gone] = fill(engine, complete, seed=3)
        with writing(engine) as session:
            study = session.get_one(StudyRow, complete.id)
            erase(session, study, gone, now=study.created_at + timedelta(days=1))
            studies.open_next_wave(session, study, now=study.created_at)
        fill(engine, complete, people=1, ids=True)

        fill(engine, short, people=2)
        fill(engine, short, people=9, steps=1, seed=1)
        fill(engine, pairs, people=1)
        fill(engine, pairs, people=1, steps=5, seed=1)

        fill(engine, full, ids=True, steps=3)
        fill(engine, full, ids=True, seed=1, wait=timedelta(hours=2))
        fill(engine, full, ids=True)

        fill(engine, asking, people=8)
        for steps in (1, 2, 3, 4, 5):
            fill(engine, asking, steps=steps, seed=steps)
        fill(engine, asking, simulated=True, seed=6)
        [gone] = fill(engine, asking, seed=7)
        with writing(engine) as session:
            code(session, session.get_one(StudyRow, asking.id))
            erase(session, session.get_one(StudyRow, asking.id), gone, now=asking.created_at)

    return fill_database


def code(session: Session, study: StudyRow) -> None:
    """Import what somebody said elsewhere, and code most of everything."""
    when: Any = {"now": study.created_at + timedelta(days=2), "actor": "test"}
    later: Any = {"now": study.created_at + timedelta(days=3), "actor": "test"}
    said = ImportedSuggestion(
        respondent="row 7", kind=RespondentKind.HUMAN, stance=Stance.SHOULD, text="years waited"
    )
    import_suggestions(session, study, [said], source="pilot.csv", **when)
    for label in ("Age", "Years of life", "Wealth", "Habits"):
        categories.add_category(session, study, label, **when)
    query = select(SuggestionRow.id).where(SuggestionRow.removed_at.is_(None)).order_by(SuggestionRow.id)
    *coded, _ = session.scalars(query.where(SuggestionRow.page_id.is_not(None)))
    for number, id_ in enumerate(coded):
        for coder, category in (("ada", "years-of-life"), ("ben", ("wealth", "habits", "age")[number % 3])):
            codes.code_suggestion(session, study, id_, coder=coder, categories=[category], **when)
    codes.code_suggestion(session, study, coded[0], coder="ada", categories=["wealth"], **later)
    codes.adjudicate(session, study, coded[0], categories=["age"], **later)
    codes.propose_codes(session, study, "scripted/coder", {coded[0]: ["age"]}, **later)
    categories.merge_categories(session, study, ["years-of-life"], "age", **later)
    categories.split_category(session, study, "habits", ["Smoking", "Drinking"], **later)


@pytest.fixture(scope="module")
def sqlite_filled(
    tmp_path_factory: pytest.TempPathFactory, migrated_file: Path, fill_everything: Callable[[Engine], None]
) -> Iterator[Engine]:
    file = tmp_path_factory.mktemp("doctor") / "filled.sqlite"
    shutil.copy(migrated_file, file)
    engine = make_engine(f"sqlite:///{file}")
    fill_everything(engine)
    engine.dispose()
    # With foreign keys off, so that SQL can break what they protect.
    engine = make_engine(f"sqlite:///{file}", foreign_keys=False)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def postgres_filled(postgres_server: str, fill_everything: Callable[[Engine], None]) -> Iterator[Engine]:
    url = make_url(postgres_server).set(drivername="postgresql+psycopg")
    maker = create_engine(url, isolation_level="AUTOCOMMIT")
    with maker.connect() as connection:
        connection.execute(text("CREATE DATABASE doctor"))
    maker.dispose()
    address = url.set(database="doctor").render_as_string(hide_password=False)
    upgrade(address)
    engine = make_engine(address)
    fill_everything(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def filled(request: pytest.FixtureRequest) -> Engine:
    found = request.getfixturevalue(f"{request.param}_filled")
    assert isinstance(found, Engine)
    return found


def examined(
    engine: Engine, sql: tuple[str, ...], now: datetime, *, checks: Sequence[Check] = CHECKS
) -> list[Finding]:
    """Break the data, examine them, and undo it."""
    with Session(engine) as session:
        if engine.dialect.name == "postgresql":
            session.execute(text("SET LOCAL session_replication_role = replica"))  # No foreign keys.
        for statement in sql:
            done = session.execute(text(statement))
            assert done.rowcount > 0, statement  # type: ignore[attr-defined]
        findings = examine(session, checks, now=now)
        session.rollback()
    return findings


def complaints(findings: list[Finding]) -> dict[str, tuple[str, ...]]:
    return {finding.check: finding.first for finding in findings if finding.violations}


def test_sound_data_have_no_complaint(filled: Engine, now: datetime) -> None:
    with reading(filled) as session:
        findings = examine(session, CHECKS, now=now)
    assert complaints(findings) == {}
    assert len(findings) == len(CHECKS) == len({check.name for check in CHECKS})


@pytest.mark.parametrize("broken", [*BREAKS, *ABOUT_ATTRIBUTES], ids=lambda broken: broken.check)
def test_a_check_sees_what_it_is_for_and_no_other_does(filled: Engine, now: datetime, broken: Broken) -> None:
    found = complaints(examined(filled, broken.sql, now, checks=QUICK))
    assert set(found) == {broken.check}
    assert found[broken.check]


def test_a_missing_time_without_a_reason_is_found(filled: Engine, now: datetime) -> None:
    """The database itself refuses it, so the constraint goes first."""
    unexplained = (
        "UPDATE answer SET client_seconds = NULL, client_seconds_problem = '' WHERE id = "
        + some("answer", "client_seconds_problem = ''"),
    )
    check = "a missing time has a reason"
    if filled.dialect.name == "postgresql":
        drop = "ALTER TABLE answer DROP CONSTRAINT ck_answer_missing_time_is_explained"
        with Session(filled) as session:
            session.execute(text(drop))
            session.execute(text(unexplained[0]))
            found = complaints(examine(session, CHECKS, now=now))
            session.rollback()
        assert set(found) == {check}
        return
    with Session(filled) as session:
        session.execute(text("PRAGMA ignore_check_constraints = ON"))
        session.execute(text(unexplained[0]))
        session.execute(text("PRAGMA ignore_check_constraints = OFF"))
        found = complaints(examine(session, CHECKS, now=now))
        session.rollback()
    assert set(found) == {check, "the file is sound"}


def test_a_file_that_is_not_sound_is_found(sqlite_filled: Engine, now: datetime) -> None:
    with Session(sqlite_filled) as session:
        session.execute(text("PRAGMA ignore_check_constraints = ON"))
        session.execute(
            text("UPDATE presentation SET asked = 9 WHERE id = " + some("presentation", "served_at IS NULL"))
        )
        session.execute(text("PRAGMA ignore_check_constraints = OFF"))
        found = complaints(examine(session, CHECKS, now=now))
        session.rollback()
    assert set(found) == {"the file is sound"}
    assert "CHECK constraint failed in presentation" in found["the file is sound"][0]


def test_exports_that_differ_are_found(
    sqlite_filled: Engine, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No data can make them differ, so the code does: a column of random numbers stands for any slip."""
    numbers = iter(range(100))
    real = storage.bundle_files

    def differing(*arguments: object, **named: object) -> dict[str, bytes]:
        files = real(*arguments, **named)  # type: ignore[arg-type]
        return files | {"manifest.json": files["manifest.json"] + str(next(numbers)).encode()}

    monkeypatch.setattr(storage, "bundle_files", differing)
    with reading(sqlite_filled) as session:
        found = complaints(examine(session, CHECKS, now=now))
    assert set(found) == {"exports come out the same"}


def test_a_design_that_cannot_be_read_ends_no_other_check(filled: Engine, now: datetime) -> None:
    found = complaints(
        examined(filled, (f"UPDATE study SET design_toml = 'no design' WHERE id = {COMPLETE}",), now)
    )
    assert set(found) == {"designs are as they were"}


def test_a_check_that_breaks_is_told_and_ends_no_other(filled: Engine, now: datetime) -> None:
    found = complaints(
        examined(
            filled,
            (
                f"UPDATE presentation SET attribute_order = '7' WHERE id = {of_finished(SHORT, 'position = 2')}",
            ),
            now,
        )
    )
    assert "exports come out the same" in found
    assert found["exports come out the same"][0].startswith("could not be checked: TypeError")


def test_what_is_only_unlikely_is_not_called_broken(filled: Engine, now: datetime) -> None:
    unlikely = (
        "left and right are fair",
        "profiles appear equally often",
        "draws repeat",
        "draws of pages about attributes repeat",
    )
    for broken in (*BREAKS, *ABOUT_ATTRIBUTES):
        if broken.check in unlikely:
            findings = examined(filled, broken.sql, now, checks=QUICK)
            assert [f.severity for f in findings if f.violations] == [Severity.LOOK]
            assert not any(f.broken for f in findings)


def test_findings_can_be_written_as_json(filled: Engine, now: datetime) -> None:
    findings = examined(filled, BREAKS[0].sql, now)
    assert json.loads(json.dumps([f.severity for f in findings]))[0] == "broken"
