"""The export bundle: what is in it, that it repeats, that nothing leads to a person, and that damage is found."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from survey.answers_file import read_answers
from survey.attention import Attention
from survey.bundle import CannotReplace, store_files, write_bundle, zip_bytes
from survey.bundle_check import verify_bundle
from survey.bundle_source import MANIFEST, NoBundle
from survey.columns import CellKind
from survey.db import reading, writing
from survey.export import study_data
from survey.export_tables import data_files, rule_values
from survey.participation import Exclusions
from survey.store import studies
from survey.store.erasure import erase
from survey.tables import AnswerRow, IdentityRow, ParticipantRow, ParticipantState, PresentationRow, StudyRow

AddOpenStudy = Callable[[Engine, str], StudyRow]
Fill = Callable[..., list[str]]
Files = dict[str, bytes]


@pytest.fixture
def study(engine: Engine, kidney_complete: str, add_open_study: AddOpenStudy, fill: Fill) -> StudyRow:
    """A study with finished people, somebody midway, somebody erased, and a simulated participant."""
    study = add_open_study(engine, kidney_complete)
    fill(engine, study, people=3, ids=True)
    fill(engine, study, steps=9, seed=1)
    fill(engine, study, simulated=True, seed=2)
    [gone] = fill(engine, study, seed=3)
    with writing(engine) as session:
        erase(session, session.get_one(StudyRow, study.id), gone, now=study.created_at + timedelta(days=1))
    return study


def written(engine: Engine, study: StudyRow, target: Path, **options: bool) -> Files:
    with reading(engine) as session:
        write_bundle(
            session, study, target, include_simulated=options.pop("include_simulated", False), **options
        )
    return files_in(target)


def files_in(target: Path) -> Files:
    if target.is_dir():
        return {path.name: path.read_bytes() for path in target.iterdir()}
    with zipfile.ZipFile(target) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rows_of(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


def test_a_bundle_is_whole_and_repeats_byte_for_byte(engine: Engine, study: StudyRow, tmp_path: Path) -> None:
    first = written(engine, study, tmp_path / "a", parquet=True)
    again = written(engine, study, tmp_path / "b", parquet=True)
    assert first == again
    assert verify_bundle(tmp_path / "a") == []
    zipped = [tmp_path / "a.zip", tmp_path / "b.zip"]
    for target in zipped:
        assert written(engine, study, target, parquet=True) == first
    assert zipped[0].read_bytes() == zipped[1].read_bytes()
    assert verify_bundle(zipped[0]) == []


def test_the_manifest_counts_and_hashes_everything(engine: Engine, study: StudyRow, tmp_path: Path) -> None:
    files = written(engine, study, tmp_path / "a")
    manifest = json.loads(files[MANIFEST])
    assert set(manifest["files"]) == set(files) - {MANIFEST}
    for name, about in manifest["files"].items():
        assert about["bytes"] == len(files[name])
        assert about["sha256"] == hashlib.sha256(files[name]).hexdigest()
    assert manifest["files"]["answers.csv"]["rows"] == len(rows_of(files["answers.csv"])) > 75
    assert (manifest["participants"], manifest["participants_erased"]) == (4, 1)
    assert (manifest["simulated_included"], manifest["simulated_left_out"]) == (False, 1)
    assert manifest["study"]["design_hash"] == study.design_hash
    assert files["design.toml"].decode() == study.design_toml


def test_every_stored_answer_is_there_also_those_that_were_changed(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    files = written(engine, study, tmp_path / "a", include_simulated=True)
    with reading(engine) as session:
        stored = session.execute(
            select(ParticipantRow.code, PresentationRow.position, AnswerRow.revision, AnswerRow.choice)
            .join(PresentationRow, PresentationRow.participant_id == ParticipantRow.id)
            .join(AnswerRow, AnswerRow.presentation_id == PresentationRow.id)
        ).all()
    revisions = rows_of(files["revisions.csv"])
    assert {(r["respondent"], int(r["position"]), int(r["revision"]), r["choice"]) for r in revisions} == {
        (code, position, revision, choice.value) for code, position, revision, choice in stored
    }
    assert len(revisions) == len(stored)
    assert any(r["revision"] == "2" for r in revisions)
    assert {r["input"] for r in revisions} == {"mouse"}
    shown = rows_of(files["presentations.csv"])
    assert {r["role"] for r in shown} == {"main", "practice", "check", "repeat", "dominated", "identical"}
    assert any(r["answered"] == "0" and r["choice"] == "" for r in shown)
    assert all(
        r["draw_rule"] and (r["draw_probability"] or r["role"] in ("check", "practice")) for r in shown
    )


def test_nothing_in_a_bundle_leads_to_a_person(
    engine: Engine, study: StudyRow, tmp_path: Path, ending_codes: list[str]
) -> None:
    files = written(engine, study, tmp_path / "a", include_simulated=True)
    body = b"".join(content for name, content in files.items() if name.endswith(".csv"))
    with reading(engine) as session:
        people = session.scalars(select(ParticipantRow)).all()
        shown = session.scalars(select(PresentationRow.token)).all()
        identities = session.scalars(select(IdentityRow)).all()
    secret = [p.token for p in people] + [p.start_key for p in people] + list(shown) + ending_codes
    secret += [p.completion_code for p in people if p.completion_code]
    secret += [i.id_hash for i in identities] + [i.sealed for i in identities if i.sealed] + ["PID-0-"]
    assert identities
    assert [text for text in secret if text.encode() in body] == []
    [erased] = [p.code for p in people if p.state is ParticipantState.ERASED]
    assert erased.encode() not in b"".join(files.values())
    assert b"number" not in files["participants.csv"].splitlines()[0]


def test_what_people_wrote_is_left_out_unless_asked_for_and_never_is_a_formula(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    files = written(engine, study, tmp_path / "a", with_text=True)
    texts = [row["text"] for row in rows_of(files["statements.csv"]) if row["text"]]
    assert len(texts) == 3
    assert {json.loads(text) for text in texts} == {'=HYPERLINK("x"), I am Ann,\nof 12 Elm Street'}
    assert all(text.startswith('"') for text in texts)
    without = written(engine, study, tmp_path / "b")
    assert b"Elm Street" not in b"".join(without.values())
    assert json.loads(without[MANIFEST])["written_answers_included"] is False
    assert verify_bundle(tmp_path / "b") == []
    several = [r["value"] for r in rows_of(files["statements.csv"]) if r["question"] == "ties"]
    assert set(several) == {"health-care;own-kidneys"}


def test_the_codebook_describes_every_column_and_every_value_that_occurs(
    engine: Engine, study: StudyRow, tmp_path: Path
) -> None:
    files = written(engine, study, tmp_path / "a", include_simulated=True)
    codebook = json.loads(files["codebook.json"])
    assert {about["file"] for about in codebook["files"]} == {n for n in files if n.endswith(".csv")}
    for about in codebook["files"]:
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
    assert codebook["words"]["texts.question"] == "Which patient should get the kidney?"
    assert {q["question"] for q in codebook["questions"]} >= {"adult", "comprehension", "remarks"}
    text = files["codebook.md"].decode()
    for about in codebook["files"]:
        assert f"## {about['file']}" in text
        for column in about["columns"]:
            assert f"| `{column['name']}` |" in text
    assert "`too-close` It is too close to call" in text


def test_every_measure_and_every_rule_has_a_column_or_words(engine: Engine, study: StudyRow) -> None:
    with reading(engine) as session:
        tables = {t.name: t for t in data_files(study_data(session, study, include_simulated=True))}
    names = {column.name for column in tables["participants"].columns}
    assert set(Attention.__dataclass_fields__) <= names
    all_rules = Exclusions(
        failed_checks_above=0,
        dominated_against_above=0,
        median_seconds_below=1,
        same_side_above=0.9,
        repeats_changed_above=0,
        comprehension_failed=True,
    )
    assert set(rule_values(all_rules)) == set(Exclusions.__dataclass_fields__)


def test_parquet_holds_what_csv_holds(engine: Engine, study: StudyRow, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    files = written(engine, study, tmp_path / "a", parquet=True)
    for name in (n for n in files if n.endswith(".parquet")):
        table = parquet.read_table(io.BytesIO(files[name]))
        rows = rows_of(files[name.replace(".parquet", ".csv")])
        assert table.num_rows == len(rows)
        assert table.column_names == list(rows[0])
    answers = parquet.read_table(io.BytesIO(files["answers.parquet"]))
    assert [str(answers.schema.field(n).type) for n in ("position", "seconds", "presented_at", "choice")] == [
        "int64",
        "double",
        "timestamp[ms, tz=UTC]",
        "string",
    ]
    cells = [row["seconds"] for row in rows_of(files["answers.csv"])]
    assert answers.column("seconds").to_pylist() == [float(c) if c else None for c in cells]


def test_a_study_that_nobody_took_has_a_bundle_too(
    sqlite_engine: Engine, one_arm_design: str, add_open_study: AddOpenStudy, tmp_path: Path
) -> None:
    study = add_open_study(sqlite_engine, one_arm_design)
    written(sqlite_engine, study, tmp_path / "a.zip")
    assert verify_bundle(tmp_path / "a.zip") == []


def test_an_estimator_reads_both_answers_files(engine: Engine, study: StudyRow, tmp_path: Path) -> None:
    written(engine, study, tmp_path / "a")
    with reading(engine) as session:
        attributes = studies.design_of(session.get_one(StudyRow, study.id)).attributes
    everybody = read_answers(tmp_path / "a" / "answers.csv", attributes).answers
    included = read_answers(tmp_path / "a" / "answers_included.csv", attributes).answers
    assert {a.respondent for a in included} < {a.respondent for a in everybody}


# --- where it is written -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_an_earlier_bundle_is_replaced_and_nothing_else(
    sqlite_engine: Engine,
    one_arm_design: str,
    add_open_study: AddOpenStudy,
    fill: Fill,
    tmp_path: Path,
    name: str,
) -> None:
    study = add_open_study(sqlite_engine, one_arm_design)
    target = tmp_path / name
    before = written(sqlite_engine, study, target)
    fill(sqlite_engine, study)
    assert written(sqlite_engine, study, target) != before
    assert verify_bundle(target) == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["thesis", "thesis.zip"])
def test_what_is_no_bundle_is_never_replaced(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    if name.endswith(".zip"):
        target.write_text("years of work", encoding="utf-8")
    else:
        target.mkdir()
        (target / "chapter-1.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(CannotReplace, match="no export bundle"):
        store_files({MANIFEST: b"{}"}, target)
    assert target.exists()


def test_a_bundle_folder_with_something_of_ones_own_is_not_replaced(
    sqlite_engine: Engine, one_arm_design: str, add_open_study: AddOpenStudy, tmp_path: Path
) -> None:
    study = add_open_study(sqlite_engine, one_arm_design)
    written(sqlite_engine, study, tmp_path / "a")
    (tmp_path / "a" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(CannotReplace, match=r"notes\.txt"):
        written(sqlite_engine, study, tmp_path / "a")


# --- damage --------------------------------------------------------------------------------------------


@pytest.fixture
def bundle(
    sqlite_engine: Engine, kidney_complete: str, add_open_study: AddOpenStudy, fill: Fill, tmp_path: Path
) -> Files:
    study = add_open_study(sqlite_engine, kidney_complete)
    fill(sqlite_engine, study, people=2)
    return written(sqlite_engine, study, tmp_path / "sound")


def signed(files: Files) -> Files:
    """Return the files with a manifest that has their hashes: as somebody would who hides a change."""
    manifest = json.loads(files[MANIFEST])
    for name, about in manifest["files"].items():
        about |= {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])}
    return files | {MANIFEST: json.dumps(manifest).encode()}


def problems_of(files: Mapping[str, bytes], tmp_path: Path) -> str:
    target = tmp_path / "damaged.zip"
    target.write_bytes(zip_bytes(files))
    return "\n".join(verify_bundle(target))


def test_a_changed_byte_a_missing_file_and_an_added_one_are_named(bundle: Files, tmp_path: Path) -> None:
    changed = bundle["answers.csv"].replace(b",left,", b",righ,", 1)
    assert "answers.csv: was changed" in problems_of(bundle | {"answers.csv": changed}, tmp_path)
    longer = bundle["events.csv"] + b"x"
    assert "events.csv: has" in problems_of(bundle | {"events.csv": longer}, tmp_path)
    without = {name: body for name, body in bundle.items() if name != "codebook.md"}
    assert problems_of(without, tmp_path) == "codebook.md: is missing"
    assert problems_of(bundle | {"more.txt": b""}, tmp_path) == "more.txt: is not in the manifest"


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("design.toml", lambda t: t.replace("two patients", "2 patients"), "design.toml: its design_hash is"),
        ("answers.csv", lambda t: without_row(t, 4), "is answered and not among the answers"),
        ("answers.csv", lambda t: without_row(t, 4), "answers.csv: has 49 rows, and the manifest says 50"),
        ("presentations.csv", lambda t: without_row(t, 4), "has no presentation"),
        ("presentations.csv", lambda t: twice_row(t, 4), "presentations.csv: p-"),
        ("revisions.csv", lambda t: without_row(t, 9), "does not have every answer that was stored"),
        ("revisions.csv", lambda t: t.replace(",yes,", ",no,", 1), "another answer that counts"),
        ("participants.csv", lambda t: without_row(t, 1), "has no participant"),
        ("statements.csv", lambda t: t.replace("p-", "q-", 1), "statements.csv: q-"),
        ("answers.csv", lambda t: t.replace(",human,", ",robot,", 1), "none of human, model"),
        ("answers.csv", lambda t: t.replace(",seconds,", ",minutes,", 1), "are not those that the codebook"),
        ("events.csv", lambda t: t + "x\n", "does not have as many cells"),
    ],
)
def test_a_change_that_the_hashes_hide_is_found_in_the_content(
    bundle: Files, tmp_path: Path, name: str, change: Callable[[str], str], problem: str
) -> None:
    text = bundle[name].decode()
    assert change(text) != text
    assert problem in problems_of(signed(bundle | {name: change(text).encode()}), tmp_path)


def without_row(text: str, number: int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:number] + lines[number + 1 :])


def twice_row(text: str, number: int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[: number + 1] + lines[number:])


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "folder/evil.txt", "..\\evil.txt"])
def test_a_path_that_leads_out_of_the_bundle_is_named_and_never_written(
    bundle: Files, tmp_path: Path, name: str
) -> None:
    assert "leads out of the bundle" in problems_of(bundle | {name: b"x"}, tmp_path)
    assert not list(tmp_path.rglob("evil*"))


def test_a_zip_that_lies_about_its_size_is_not_unpacked(bundle: Files, tmp_path: Path) -> None:
    """Ten megabytes of zeros where the zip file says that there are as many bytes as there were."""
    target = tmp_path / "bomb.zip"
    body = zip_bytes(bundle | {"events.csv": b"\0" * 10_000_000})
    real, claimed = (10_000_000).to_bytes(4, "little"), len(bundle["events.csv"]).to_bytes(4, "little")
    target.write_bytes(body.replace(real, claimed))
    [problem] = verify_bundle(target)
    assert problem.startswith("events.csv: ")


def test_a_link_in_a_folder_is_no_file_of_a_bundle(bundle: Files, tmp_path: Path) -> None:
    folder = tmp_path / "sound"
    (folder / "events.csv").unlink()
    (folder / "events.csv").symlink_to("/etc/hostname")
    assert verify_bundle(folder)[0] == "events.csv: is no plain file"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "no manifest"),
        (b"{", "is no JSON"),
        (b"[1]", "does not say that this is an export bundle"),
        (b'{"format": "equipoise-bundle", "format_version": 99, "equipoise": "9.0"}', "format version 99"),
    ],
)
def test_what_is_no_bundle_is_told_apart_from_a_damaged_one(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    if content is not None:
        (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(NoBundle, match="manifest.json" if content is None else complaint):
        verify_bundle(tmp_path)
    with pytest.raises(NoBundle, match="neither a folder nor a sound zip file"):
        verify_bundle(tmp_path / "a.txt")
    with pytest.raises(NoBundle, match="No such file"):
        verify_bundle(tmp_path / "none.zip")
