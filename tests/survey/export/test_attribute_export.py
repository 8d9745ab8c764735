"""What was said about attributes and how it was coded, in the export bundle: files, codebook, and its checks."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from survey.answers import RespondentKind
from survey.bundle import write_bundle
from survey.bundle_check import verify_bundle
from survey.bundle_source import MANIFEST
from survey.coding.coding import Outcome
from survey.columns import CellKind
from survey.db import reading, writing
from survey.store import categories, codes
from survey.store.erasure import erase
from survey.store.suggestion_imports import ImportedRespondent, ImportedSuggestion, import_suggestions
from survey.suggestions import Stance
from survey.tables import (
    AttributePageAnswerRow,
    AttributePageRow,
    AttributeTask,
    CodeRow,
    ParticipantRow,
    StudyRow,
    SuggestionRow,
)

AddOpenStudy = Callable[[Engine, str], StudyRow]
Fill = Callable[..., list[str]]
Files = dict[str, bytes]
Rows = list[dict[str, str]]
NEW = {
    "attribute_pages.csv",
    "suggestions.csv",
    "ratings.csv",
    "imported_respondents.csv",
    "categories.csv",
    "codes.csv",
}


@pytest.fixture
def make_study(
    asking_design: str, add_open_study: AddOpenStudy, fill: Fill, now: datetime
) -> Callable[[Engine], StudyRow]:
    """Return a function that makes a study with people at every stage, somebody erased, simulated participants, an
    import, and a coding in every state."""
    return lambda engine: coded_study(engine, asking_design, add_open_study, fill, now)


@pytest.fixture
def study(engine: Engine, make_study: Callable[[Engine], StudyRow]) -> StudyRow:
    return make_study(engine)


def coded_study(
    engine: Engine, asking_design: str, add_open_study: AddOpenStudy, fill: Fill, now: datetime
) -> StudyRow:
    study = add_open_study(engine, asking_design)
    fill(engine, study, people=6)
    for steps in (1, 2, 3, 4):
        fill(engine, study, steps=steps, seed=steps)
    fill(engine, study, people=2, simulated=True, seed=5)
    [gone] = fill(engine, study, seed=6)
    with writing(engine) as session:
        here = session.get_one(StudyRow, study.id)
        import_suggestions(
            session,
            here,
            [
                ImportedSuggestion(
                    respondent="row 7",
                    kind=RespondentKind.HUMAN,
                    stance=Stance.SHOULD,
                    text="years waited",
                    language="en",
                ),
                ImportedSuggestion(
                    respondent="a-model#1", kind=RespondentKind.MODEL, stance=Stance.SHOULD_NOT, text="race"
                ),
            ],
            source="pilot.csv",
            asked=[
                ImportedRespondent(
                    respondent="row 8",
                    kind=RespondentKind.HUMAN,
                    stances=frozenset({Stance.SHOULD}),
                    stated={"age_group": ("older",)},
                )
            ],
            now=now,
            actor="test",
        )
        code_everything(session, here, now)
        erase(session, here, gone, now=now + timedelta(days=1))
    return study


def code_everything(session: Session, study: StudyRow, now: datetime) -> None:
    who: Any = {"now": now, "actor": "test"}
    for label in ("Age", "Years of life", "Wealth", "Habits", "Nothing yet"):
        categories.add_category(session, study, label, **who)
    named = session.scalars(select(SuggestionRow).where(SuggestionRow.removed_at.is_(None))).all()
    for number, suggestion in enumerate(named):
        choices: tuple[list[str], ...] = (["age"], ["years-of-life"], ["habits", "wealth"], [])
        for coder, shift in (("ada", 0), ("ben", number % 2)):
            said = choices[(number + shift) % 4]
            codes.code_suggestion(
                session,
                study,
                suggestion.id,
                coder=coder,
                categories=said,
                outcome=None if said else Outcome.UNUSABLE,
                **who,
            )
    later: Any = {"now": now + timedelta(hours=1), "actor": "test"}
    first = named[0].id
    codes.code_suggestion(session, study, first, coder="ada", categories=["wealth"], **later)
    codes.adjudicate(session, study, first, categories=["age"], **later)
    codes.propose_codes(session, study, "scripted/coder", {first: ["age"], named[1].id: ["habits"]}, **later)
    categories.merge_categories(session, study, ["years-of-life"], "age", **later)
    categories.split_category(session, study, "habits", ["Smoking", "Drinking"], **later)
    categories.retire_category(session, study, "nothing-yet", **later)


def written(engine: Engine, study: StudyRow, target: Path, **options: bool) -> Files:
    with reading(engine) as session:
        write_bundle(
            session, study, target, include_simulated=options.pop("include_simulated", False), **options
        )
    return {path.name: path.read_bytes() for path in target.iterdir()}


def rows_of(body: bytes) -> Rows:
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


# --- what is in it -------------------------------------------------------------------------------------


def test_a_bundle_about_attributes_is_whole_and_repeats_byte_for_byte(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    first = written(engine, study, tmp_path / "a", parquet=True, include_simulated=True, with_text=True)
    assert first == written(
        engine, study, tmp_path / "b", parquet=True, include_simulated=True, with_text=True
    )
    assert set(first) >= NEW | {name.replace(".csv", ".parquet") for name in NEW}
    assert verify_bundle(tmp_path / "a") == []
    assert set(written(engine, study, tmp_path / "c")) >= NEW
    assert verify_bundle(tmp_path / "c") == []


def test_every_page_and_answer_is_there_also_what_was_changed(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    pages = rows_of(written(engine, study, tmp_path / "a", include_simulated=True)["attribute_pages.csv"])
    with reading(engine) as session:
        stored = session.execute(
            select(ParticipantRow.code, AttributePageRow.task, AttributePageAnswerRow.revision)
            .join(AttributePageRow, AttributePageRow.participant_id == ParticipantRow.id)
            .join(AttributePageAnswerRow, AttributePageAnswerRow.attribute_page_id == AttributePageRow.id)
        ).all()
    assert {(r["respondent"], r["task"], int(r["revision"])) for r in pages if r["revision"]} == {
        (code, task.value, revision) for code, task, revision in stored
    }
    assert any(r["revision"] == "2" for r in pages)
    waiting = [r for r in pages if not r["revision"]]
    assert waiting
    assert all(r["counts"] == "no" and not r["answered_at"] and not r["seconds"] for r in waiting)
    assert {r["task"] for r in pages} == {task.value for task in AttributeTask}
    assert all((r["task"] in ("rate", "rank")) == bool(r["attribute_order"]) for r in pages)
    assert all((r["task"] in ("should", "should_not")) == bool(r["entries"]) for r in pages)


def test_every_suggestion_is_there_and_what_was_taken_back_without_words(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    rows = rows_of(
        written(engine, study, tmp_path / "a", include_simulated=True, with_text=True)["suggestions.csv"]
    )
    with reading(engine) as session:
        stored = session.execute(
            select(SuggestionRow, ParticipantRow.code)
            .outerjoin(AttributePageRow, AttributePageRow.id == SuggestionRow.page_id)
            .outerjoin(ParticipantRow, ParticipantRow.id == AttributePageRow.participant_id)
        ).all()
    said = Counter(
        (code or row.respondent, row.stance.value, "" if row.removed_at else row.text) for row, code in stored
    )
    assert (
        Counter((r["respondent"], r["stance"], json.loads(r["text"]) if r["text"] else "") for r in rows)
        == said
    )
    removed = [r for r in rows if r["removed"] == "yes"]
    assert removed
    assert {(r["text"], r["why"], r["direction"], r["text_characters"]) for r in removed} == {("",) * 4}
    assert all(r["removed_at"] for r in removed)
    assert [r["suggestion"] for r in rows] == [str(n) for n in range(1, len(rows) + 1)]
    imported = [r for r in rows if r["source"]]
    assert [(r["respondent"], r["kind"], r["wave"]) for r in imported] == [
        ("a-model#1", "model", ""),
        ("row 7", "human", ""),
    ]


def test_the_words_are_left_out_unless_asked_for_and_never_are_a_formula(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    files = written(engine, study, tmp_path / "a", with_text=True)
    rows = rows_of(files["suggestions.csv"])
    assert any(json.loads(r["text"]).startswith("=HYPERLINK") for r in rows if r["text"])
    assert all(
        r[part] == "" or r[part].startswith('"') for r in rows for part in ("text", "why", "direction")
    )
    without = written(engine, study, tmp_path / "b")
    assert b"Elm Street" not in b"".join(without.values())
    assert "text" not in rows_of(without["suggestions.csv"])[0]
    assert [r["text_characters"] for r in rows_of(without["suggestions.csv"])] == [
        r["text_characters"] for r in rows
    ]


def test_ratings_have_a_row_per_attribute_with_place_and_order(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    rows = rows_of(written(engine, study, tmp_path / "a")["ratings.csv"])
    with reading(engine) as session:
        answers = session.execute(
            select(ParticipantRow.code, AttributePageRow, AttributePageAnswerRow)
            .join(AttributePageRow, AttributePageRow.participant_id == ParticipantRow.id)
            .outerjoin(
                AttributePageAnswerRow,
                (AttributePageAnswerRow.attribute_page_id == AttributePageRow.id)
                & (AttributePageAnswerRow.revision == AttributePageRow.answered),
            )
            .where(ParticipantRow.simulated.is_(False))
        ).all()
    by_task = {(code, page.task): (page, answer) for code, page, answer in answers}
    raters = {code for code, _, _ in answers}
    assert len(rows) == 5 * len(raters)
    for row in rows:
        page, answer = by_task[row["respondent"], AttributeTask.RATE]
        assert page.attribute_order[int(row["order"]) - 1] == row["attribute"]
        assert row["rated"] == ("no" if answer is None else "yes")
        assert row["rating"] == (answer.ratings.get(row["attribute"], "") if answer else "")
        _, ranking = by_task[row["respondent"], AttributeTask.RANK]
        assert row["ranked"] == ("no" if ranking is None else "yes")
        ranked = ranking.ranking if ranking else []
        assert row["place"] == (str(ranked.index(row["attribute"]) + 1) if row["attribute"] in ranked else "")
    assert {row["rating"] for row in rows} == {"", "acceptable", "not_acceptable", "cannot_say"}


def test_codes_name_suggestion_coder_and_the_category_that_stands_now(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    files = written(engine, study, tmp_path / "a", include_simulated=True, with_text=True)
    rows, names = rows_of(files["codes.csv"]), {r["name"]: r for r in rows_of(files["categories.csv"])}
    with reading(engine) as session:
        stored = session.scalars(select(CodeRow)).all()
    assert len(rows) == len(stored)
    assert Counter((r["kind"], r["coder"], r["outcome"], r["current"]) for r in rows) == Counter(
        (c.kind.value, c.coder, c.outcome.value, "no" if c.removed_at else "yes") for c in stored
    )
    assert {r["standing"] for r in rows if r["category"] == "years-of-life"} == {"age"}
    assert (names["years-of-life"]["merged_into"], names["years-of-life"]["standing"]) == ("age", "age")
    assert (names["habits"]["retired"], names["smoking"]["split_from"]) == ("yes", "habits")
    assert names["nothing-yet"]["retired_at"]
    assert {(r["kind"], r["coder"]) for r in rows} == {
        ("coder", "ada"),
        ("coder", "ben"),
        ("model", "scripted/coder"),
        ("adjudicated", ""),
    }


def test_nothing_of_an_erased_or_simulated_participant_is_left(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    every = written(engine, study, tmp_path / "a", include_simulated=True)
    people = written(engine, study, tmp_path / "b")
    for name in ("attribute_pages.csv", "suggestions.csv", "ratings.csv"):
        assert any(r["respondent"].startswith("sim-") for r in rows_of(every[name])), name
        assert not any(r["respondent"].startswith("sim-") for r in rows_of(people[name])), name
        assert not any("erased" in r["respondent"] for r in rows_of(every[name])), name
    assert 0 < len(rows_of(people["codes.csv"])) < len(rows_of(every["codes.csv"]))
    numbers = {r["suggestion"] for r in rows_of(people["suggestions.csv"])}
    assert {r["suggestion"] for r in rows_of(people["codes.csv"])} <= numbers


def test_rows_follow_pseudonyms_and_numbers_do_not_tell_who_came_first(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    files = written(engine, study, tmp_path / "a", include_simulated=True)
    for name in ("attribute_pages.csv", "suggestions.csv", "ratings.csv"):
        respondents = [r["respondent"] for r in rows_of(files[name])]
        assert respondents == sorted(respondents), name
    with reading(engine) as session:
        shown = session.scalars(select(AttributePageRow.token)).all()
        keys = session.scalars(select(SuggestionRow.key)).all()
    body = b"".join(files.values())
    assert not any(secret.encode() in body for secret in [*shown, *keys])


def test_the_codebook_describes_every_new_column_and_value(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    files = written(engine, study, tmp_path / "a", include_simulated=True, with_text=True)
    codebook = json.loads(files["codebook.json"])
    assert {about["file"] for about in codebook["files"]} == {n for n in files if n.endswith(".csv")}
    for about in codebook["files"]:
        if about["file"] not in NEW:
            continue
        rows = rows_of(files[about["file"]])
        assert [c["name"] for c in about["columns"]] == list(rows[0]), about["file"]
        for column in about["columns"]:
            assert column["meaning"]
            cells = {row[column["name"]] for row in rows} - {""}
            if column["kind"] == CellKind.WORD:
                assert cells <= set(column["values"]), (about["file"], column["name"])
            if column["kind"] == CellKind.WORDS:
                assert {w for cell in cells for w in cell.split(";")} <= set(column["values"])
            if column["kind"] == CellKind.YES_NO:
                assert cells <= {"yes", "no"}
            if column["kind"] == CellKind.JSON:
                assert all(json.loads(cell) is not None for cell in cells)
    states = next(f for f in codebook["files"] if f["file"] == "participants.csv")["columns"]
    assert {"suggesting", "rating"} <= set(next(c for c in states if c["name"] == "state")["values"])


# --- studies of other kinds ----------------------------------------------------------------------------


def test_a_study_without_comparisons_has_no_answers_and_no_columns_of_attributes(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    files = written(engine, study, tmp_path / "a")
    header = files["answers.csv"].decode().splitlines()
    assert len(header) == 1
    assert not any("." in column for column in header[0].split(","))
    assert json.loads(files[MANIFEST])["files"]["answers.csv"]["rows"] == 0
    assert rows_of(files["presentations.csv"]) == []
    assert rows_of(files["participants.csv"])


def test_nobody_yet_is_a_bundle_too(
    engine: Engine, asking_design: str, add_open_study: AddOpenStudy, tmp_path: Path
) -> None:
    files = written(engine, add_open_study(engine, asking_design), tmp_path / "a", parquet=True)
    assert set(files) >= NEW - {"imported_respondents.csv"}
    assert "imported_respondents.csv" not in files
    assert all(rows_of(files[name]) == [] for name in NEW & set(files))
    assert verify_bundle(tmp_path / "a") == []


def test_a_design_that_asks_for_no_attributes_has_none_of_the_files(
    engine: Engine, one_arm_design: str, add_open_study: AddOpenStudy, fill: Fill, tmp_path: Path
) -> None:
    study = add_open_study(engine, one_arm_design)
    fill(engine, study)
    assert not NEW & set(written(engine, study, tmp_path / "a"))


def test_what_was_imported_into_a_study_of_comparisons_stands_beside_its_answers(
    engine: Engine,
    one_arm_design: str,
    add_open_study: AddOpenStudy,
    fill: Fill,
    tmp_path: Path,
    now: datetime,
) -> None:
    study = add_open_study(engine, one_arm_design)
    fill(engine, study)
    with writing(engine) as session:
        import_suggestions(
            session,
            session.get_one(StudyRow, study.id),
            [ImportedSuggestion(respondent="r", kind=RespondentKind.HUMAN, stance=Stance.SHOULD, text="age")],
            source="elsewhere",
            now=now,
            actor="test",
        )
    files = written(engine, study, tmp_path / "a")
    assert set(files) & NEW == NEW - {"attribute_pages.csv", "ratings.csv"}
    assert verify_bundle(tmp_path / "a") == []


def test_comparisons_and_attributes_of_one_study_stand_side_by_side(
    engine: Engine, asking_and_comparing: str, add_open_study: AddOpenStudy, fill: Fill, tmp_path: Path
) -> None:
    study = add_open_study(engine, asking_and_comparing)
    codes = fill(engine, study, people=3)
    files = written(engine, study, tmp_path / "a")
    for name in ("answers.csv", "attribute_pages.csv", "ratings.csv"):
        assert {r["respondent"] for r in rows_of(files[name])} == set(codes), name
    assert verify_bundle(tmp_path / "a") == []


def test_parquet_holds_what_csv_holds_about_attributes(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    files = written(engine, study, tmp_path / "a", parquet=True, with_text=True)
    for name in NEW:
        table = parquet.read_table(tmp_path / "a" / name.replace(".csv", ".parquet"))
        rows = rows_of(files[name])
        assert (table.num_rows, table.column_names) == (len(rows), list(rows[0]))
    texts = parquet.read_table(tmp_path / "a" / "suggestions.parquet")["text"].to_pylist()
    assert [text or "" for text in texts] == [r["text"] for r in rows_of(files["suggestions.csv"])]


# --- damage --------------------------------------------------------------------------------------------


def first(rows: Rows, **cells: str) -> dict[str, str]:
    return next(row for row in rows if all(row[name] == cell for name, cell in cells.items()))


DAMAGE: tuple[tuple[str, str, Callable[[Rows], object]], ...] = (
    ("attribute_pages.csv", "has no participant", lambda rows: rows[0].update(respondent="p-nobody")),
    (
        "attribute_pages.csv",
        "shows other attributes than the design",
        lambda rows: first(rows, task="rate").update(attribute_order="age;age"),
    ),
    (
        "attribute_pages.csv",
        "does not have every answer that was stored",
        lambda rows: first(rows, revision="1").update(revision="3"),
    ),
    (
        "attribute_pages.csv",
        "was answered with what was not offered",
        lambda rows: first(rows, task="rate", counts="yes").update(ratings='{"age": "superb"}'),
    ),
    (
        "attribute_pages.csv",
        "was answered with what was not offered",
        lambda rows: first(rows, task="rank", counts="yes").update(ranking="age;age"),
    ),
    (
        "attribute_pages.csv",
        "has another number of entries",
        lambda rows: first(rows, task="should").update(entries="77"),
    ),
    ("ratings.csv", "stands more than once", lambda rows: rows[1].update(attribute=rows[0]["attribute"])),
    (
        "ratings.csv",
        "says something else than",
        lambda rows: first(rows, rating="acceptable").update(rating="cannot_say"),
    ),
    ("ratings.csv", "is missing", lambda rows: rows.pop()),
    ("suggestions.csv", "are not numbered", lambda rows: rows[0].update(suggestion="0")),
    (
        "suggestions.csv",
        "is on no page of",
        lambda rows: first(rows, source="").update(respondent="p-nobody"),
    ),
    (
        "suggestions.csv",
        "is of nobody in",
        lambda rows: first(rows, source="pilot.csv").update(respondent="x"),
    ),
    (
        "suggestions.csv",
        "is taken back, and also is not",
        lambda rows: first(rows, removed="yes").update(removed="no"),
    ),
    (
        "suggestions.csv",
        "has other words than it says",
        lambda rows: first(rows, removed="no").update(text='"changed, longer"'),
    ),
    (
        "categories.csv",
        "does not stand for",
        lambda rows: first(rows, name="years-of-life").update(standing="wealth"),
    ),
    ("categories.csv", "that is not there", lambda rows: first(rows, name="smoking").update(split_from="x")),
    (
        "categories.csv",
        "does not stand for",
        lambda rows: first(rows, name="age").update(merged_into="years-of-life"),
    ),
    ("codes.csv", "codes a suggestion that is not in", lambda rows: rows[0].update(suggestion="99999")),
    (
        "codes.csv",
        "does not name a category",
        lambda rows: first(rows, outcome="category").update(category="x"),
    ),
    ("codes.csv", "has no coder", lambda rows: first(rows, kind="adjudicated").update(coder="ada")),
    ("codes.csv", "stands and has an end", lambda rows: first(rows, current="no").update(current="yes")),
    (
        "codes.csv",
        "says a category and none",
        lambda rows: rows.append(
            {
                **first(rows, outcome="category", current="yes"),
                "outcome": "unusable",
                "category": "",
                "standing": "",
            }
        ),
    ),
)


def test_a_bundle_whose_files_disagree_is_found_out(
    sqlite_engine: Engine, make_study: Callable[[Engine], StudyRow], tmp_path: Path
) -> None:
    whole = written(sqlite_engine, make_study(sqlite_engine), tmp_path / "b", with_text=True)
    for name, says, harm in DAMAGE:
        for file, body in whole.items():
            (tmp_path / "b" / file).write_bytes(body)
        rows = rows_of(whole[name])
        harm(rows)
        _rewrite(tmp_path / "b", name, rows)
        problems = verify_bundle(tmp_path / "b")
        assert any(says in problem for problem in problems), (name, says, problems)


def _rewrite(bundle: Path, name: str, rows: Rows) -> None:
    """Change the file, and the manifest with it, as somebody would who knows how."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    body = text.getvalue().encode()
    (bundle / name).write_bytes(body)
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"][name] |= {
        "sha256": hashlib.sha256(body).hexdigest(),
        "bytes": len(body),
        "rows": len(rows),
    }
    (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize("name", sorted(NEW - {"imported_respondents.csv"}))
def test_a_file_about_attributes_that_is_missing_is_named(
    engine: Engine, study: StudyRow, tmp_path: Path, name: str
) -> None:
    written(engine, study, tmp_path / "a")
    (tmp_path / "a" / name).unlink()
    manifest = json.loads((tmp_path / "a" / MANIFEST).read_text(encoding="utf-8"))
    del manifest["files"][name]
    (tmp_path / "a" / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    assert verify_bundle(tmp_path / "a") == [f"{name}: is missing"]
