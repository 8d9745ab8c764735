"""Choosing one of many, rehearsed over HTTP and taken out of the study: the file, its codebook, and its checks."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from survey.app import create_app
from survey.bundle import MANIFEST, write_bundle
from survey.bundle_check import verify_bundle
from survey.config import Secrets, Settings
from survey.db import reading, writing
from survey.rehearsal import rehearse
from survey.serving import served_in_background
from survey.store import studies
from survey.tables import ChoiceTaskAnswerRow, ParticipantRow, ParticipantState

SECTION = """
[choose_one]
problems_per_respondent = 2
set_sha256 = "%s"
[[choose_one.columns]]
name = "AGE"
label = "Age (years)"
[[choose_one.problems]]
name = "p01"
candidates = [[11, 40], [12, 51], [13, 62]]
[[choose_one.problems]]
name = "p02"
candidates = [[5, 20], [6, 21]]
""" % ("ab" * 32)


@pytest.fixture
def bundle(
    sqlite_engine: Engine,
    settings: Settings,
    secrets: Secrets,
    one_arm_design: str,
    now: datetime,
    tmp_path: Path,
) -> Path:
    """The export of a study that 12 simulated participants took."""
    with writing(sqlite_engine) as session:
        design = studies.design_of(studies.add_study(session, one_arm_design + SECTION, now=now))
    with served_in_background(create_app(settings, sqlite_engine)) as address:
        done = rehearse(
            design, address, rehearsal_token=secrets.rehearsal_token, participants=12, seed=3, concurrent=2
        )
    assert (done.participants, done.answers) == (12, 48)  # Answers to comparisons.
    with writing(sqlite_engine) as session:
        write_bundle(session, studies.find_study(session, "short"), tmp_path / "b", include_simulated=True)
    return tmp_path / "b"


def rows_of(bundle: Path) -> list[dict[str, str]]:
    with (bundle / "choose_one.csv").open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_simulated_participants_choose_and_every_choice_is_in_the_file(
    bundle: Path, sqlite_engine: Engine
) -> None:
    rows = rows_of(bundle)
    with reading(sqlite_engine) as session:
        assert {p.state for p in session.scalars(select(ParticipantRow))} == {ParticipantState.FINISHED}
        stored = session.scalars(select(ChoiceTaskAnswerRow)).all()
    assert len(rows) == len(stored) == 24
    assert {(row["counts"], row["revision"]) for row in rows} == {("yes", "1")}
    assert {row["choice"] for row in rows} == {"candidate", "indecision"}  # With this seed both were drawn.
    assert all((row["choice"] == "indecision") == (row["chosen"] == "") for row in rows)
    assert all(row["chosen"] in ("", *row["row_order"].split(";")) for row in rows)
    assert {(row["problem"], len(row["row_order"].split(";"))) for row in rows} == {("p01", 3), ("p02", 2)}
    assert {(row["columns"], row["set_sha256"]) for row in rows} == {("AGE", "ab" * 32)}


def test_the_bundle_is_whole_and_its_codebook_describes_the_file(bundle: Path) -> None:
    assert verify_bundle(bundle) == []
    codebook = json.loads((bundle / "codebook.json").read_text(encoding="utf-8"))
    described = next(file for file in codebook["files"] if file["file"] == "choose_one.csv")
    assert [column["name"] for column in described["columns"]] == list(rows_of(bundle)[0])


def _nobody(rows: list[dict[str, str]]) -> None:
    next(row for row in rows if row["chosen"])["chosen"] = "99"


def _stranger(rows: list[dict[str, str]]) -> None:
    rows[0]["respondent"] = "p-nobody"


def _other_list(rows: list[dict[str, str]]) -> None:
    rows[0]["row_order"] = "1;2"


def _twice(rows: list[dict[str, str]]) -> None:
    rows[1].update(rows[0])


def test_a_bundle_whose_choices_disagree_with_its_design_is_found_out(bundle: Path) -> None:
    # One rehearsal for all: it takes seconds.
    whole = {file.name: file.read_bytes() for file in bundle.iterdir()}
    for harm, says in (
        (_nobody, "chooses somebody who was not shown"),
        (_stranger, "has no participant"),
        (_other_list, "shows other candidates than the design"),
        (_twice, "stands more than once"),
    ):
        for name, body in whole.items():
            (bundle / name).write_bytes(body)
        _rewritten(bundle, harm)
        assert any(says in problem for problem in verify_bundle(bundle)), says


def _rewritten(bundle: Path, harm: Callable[[list[dict[str, str]]], None]) -> None:
    """Change the file, and the manifest with it, as somebody would who knows how."""
    rows = rows_of(bundle)
    harm(rows)
    file = bundle / "choose_one.csv"
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    body = file.read_bytes()
    manifest["files"][file.name] |= {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
    (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def test_a_study_without_problems_has_no_such_file(
    sqlite_engine: Engine, one_arm_design: str, now: datetime, tmp_path: Path
) -> None:
    with writing(sqlite_engine) as session:
        study = studies.add_study(session, one_arm_design, now=now)
        write_bundle(session, study, tmp_path / "b", include_simulated=True)
    assert not (tmp_path / "b" / "choose_one.csv").exists()
    assert verify_bundle(tmp_path / "b") == []
