"""The command, as a person runs it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click
import httpx
import pytest
from sqlalchemy import select

from survey.answers_file import read_answers
from survey.cli import COMMANDS, run
from survey.config import load_settings
from survey.db import open_database, reading, writing
from survey.recruitment import IdKeeper, Recruited
from survey.store.participants import Arrival, consent, end, start_participant
from survey.store.studies import find_study
from survey.tables import EventRow, ParticipantState

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def equipoise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], short_design: str
) -> Run:
    """Return a function that runs the command in an empty folder with a design.toml in it."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("EQUIPOISE_"):
            monkeypatch.delenv(name)
    (tmp_path / "design.toml").write_text(short_design, encoding="utf-8")

    def run_command(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_command


def test_help_is_quick_to_make_and_imports_no_package_it_lists() -> None:
    script = (
        "import sys; from survey.cli import run; code = run(['--help']); "
        "print(sorted({'flask', 'sqlalchemy', 'numpy', 'litellm', 'pulp'} & set(sys.modules)), code)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "rehearse" in said
    assert said.splitlines()[-1] == "[] 0"


def test_every_command_has_help_with_an_example(equipoise: Run) -> None:
    def walk(command: click.Command, path: list[str]) -> None:
        code, said, _ = equipoise(*path, "--help")
        assert code == 0
        assert "Example" in said, path
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                inner = command.get_command(click.Context(command), name)
                assert inner is not None
                walk(inner, [*path, name])

    from survey.commands import database, demo, serve, settings, studies

    for name, module in (("db", database), ("survey", studies)):
        walk(module.group, [name])
    for name, command in (("serve", serve.serve), ("config", settings.config), ("demo", demo.demo)):
        assert name in COMMANDS
        walk(command, [name])


def test_a_study_goes_from_file_to_export(equipoise: Run, tmp_path: Path) -> None:
    code, said, _ = equipoise("survey", "check", "design.toml", "--json")
    assert code == 0
    summary = json.loads(said)
    assert (summary["attributes"], summary["profiles"], summary["arms"]) == (
        ["age", "health"],
        8,
        ["with-coin", "no-coin"],
    )
    assert equipoise("survey", "add", "design.toml")[:2] == (
        0,
        f"short version 1: draft (design hash {summary['design_hash'][:12]})\n",
    )
    assert "short version 1: open" in equipoise("survey", "open", "short")[1]
    code, said, _ = equipoise("survey", "rehearse", "short", "--participants", "2", "--seed", "3", "--json")
    assert code == 0
    rehearsed = json.loads(said)
    assert (rehearsed["participants"], rehearsed["answers"]) == (2, 8)
    assert rehearsed["known_coefficients"].keys() == {"age", "health=poor"}
    assert "short version 1: closed" in equipoise("survey", "close", "short")[1]
    assert [s["state"] for s in json.loads(equipoise("survey", "list", "--json")[1])] == ["closed"]
    _, said, hint = equipoise("survey", "export", "short", "--out", "people.csv")
    assert "0 answers" in said
    assert "8 answers of simulated participants are left out; --include-simulated" in hint
    code, said, _ = equipoise(
        "survey", "export", "short", "--include-simulated", "--out", "all.csv", "--json"
    )
    assert json.loads(said)["answers"] == 8
    assert len(read_answers(tmp_path / "all.csv").answers) == 8
    assert equipoise("db", "check")[0] == 0
    assert equipoise("db", "upgrade")[0] == 0
    assert equipoise("db", "backup", "copy.sqlite")[0] == 0


def test_a_study_is_exported_as_a_bundle_that_verifies(equipoise: Run, tmp_path: Path) -> None:
    equipoise("survey", "rehearse", "design.toml", "--participants", "2")
    code, said, hint = equipoise("survey", "export", "short", "--bundle", "people")
    assert (code, "0 answers of 0 participants" in said) == (0, True)
    assert "2 simulated participants left out; --include-simulated adds them" in hint
    code, said, _ = equipoise(
        "survey", "export", "short", "--bundle", "all.zip", "--include-simulated", "--json"
    )
    assert (code, json.loads(said)["rows"]["answers.csv"]) == (0, 8)
    assert equipoise("survey", "verify", "people")[:2] == (0, "people: whole\n")
    code, said, _ = equipoise("survey", "verify", "all.zip", "--json")
    assert (code, json.loads(said)) == (0, {"bundle": "all.zip", "ok": True, "problems": []})
    with (tmp_path / "people" / "events.csv").open("ab") as file:
        file.write(b"x")
    code, said, complained = equipoise("survey", "verify", "people")
    assert (code, said) == (1, "people: 1 problem\n")
    assert complained.startswith("events.csv: has ")
    assert equipoise("survey", "verify", "design.toml")[0] == 2


def test_taking_data_out_stands_in_the_audit_log(equipoise: Run) -> None:
    equipoise("survey", "add", "design.toml")
    equipoise("survey", "export", "short", "--out", "a.csv")
    equipoise("survey", "export", "short", "--bundle", "b.zip")
    engine = open_database(load_settings())
    with reading(engine) as session:
        found = session.execute(
            select(EventRow.actor, EventRow.detail).where(EventRow.what == "downloaded").order_by(EventRow.id)
        ).all()
    engine.dispose()
    assert [tuple(row) for row in found] == [
        ("command line", {"file": "answers.csv"}),
        ("command line", {"file": "bundle"}),
    ]


def test_a_study_is_paused_shown_and_goes_on(equipoise: Run) -> None:
    equipoise("survey", "add", "design.toml")
    assert equipoise("survey", "pause", "short")[0] == 2
    assert "short version 1: open" in equipoise("survey", "open", "short")[1]
    code, said, _ = equipoise("survey", "pause", "short", "--json")
    assert (code, json.loads(said)["state"]) == (0, "paused")
    equipoise("survey", "open", "short")
    equipoise("survey", "rehearse", "short", "--participants", "2")
    code, said, _ = equipoise("survey", "show", "short", "--json")
    shown = json.loads(said)
    assert (code, shown["state"], shown["people"]) == (0, "open", [])
    assert shown["simulated"] == [{"wave": 1, "answers": 8, "suggestions": 0, "states": {"finished": 2}}]
    assert [(e["what"], e["by"]) for e in shown["events"]] == [
        ("study added", "command line"),
        ("study opened", "command line"),
        ("study paused", "command line"),
        ("study opened", "command line"),
    ]
    said = equipoise("survey", "show", "short")[1]
    assert "simulated, wave 1: 8 answers; 2 finished" in said
    assert "study paused  (command line)" in said


def test_the_next_wave_is_opened_and_its_invitations_written(
    equipoise: Run, tmp_path: Path, one_arm_design: str
) -> None:
    assert equipoise("survey", "add", "design.toml")[0] == 0
    assert "wave 1 of 1" in equipoise("survey", "wave", "short")[2]
    later = one_arm_design.replace('version = "1"', 'version = "2"') + "\n[waves]\ncount = 2\n"
    (tmp_path / "later.toml").write_text(later, encoding="utf-8")
    equipoise("survey", "add", "later.toml")
    assert "people begin in wave 1" in equipoise("survey", "wave", "short")[2]
    assert "short version 2: open (design" in equipoise("survey", "open", "short")[1]
    engine = open_database(load_settings())
    with writing(engine) as session:
        study = find_study(session, "short", "2")
        now = study.created_at
        arrival = Arrival(start_key="x", language="en", recruited=Recruited(source="pid", id="=1+1"))
        person = start_participant(session, study, arrival, IdKeeper("x" * 40), now=now)
        consent(session, person, now=now)
        end(session, study, person, ParticipantState.FINISHED, now=now)
        token, code = person.token, person.completion_code
    engine.dispose()
    equipoise("survey", "close", "short")
    exit_code, said, noted = equipoise("survey", "wave", "short")
    assert (exit_code, "short version 2: closed, wave 2" in said) == (0, True)
    assert "nobody can begin it while the study is closed: equipoise survey open short --version 2" in noted
    assert "short version 2: open, wave 2" in equipoise("survey", "open", "short")[1]
    exit_code, said, _ = equipoise("survey", "invitations", "short", "--out", "links.csv", "--json")
    assert (exit_code, json.loads(said)) == (0, {"file": "links.csv", "wave": 2, "invitations": 1})
    assert (tmp_path / "links.csv").read_text("utf-8") == (
        f"source,id,completion_code,link\n,,{code},http://127.0.0.1:8000/p/{token}\n"
    )
    assert (tmp_path / "links.csv").stat().st_mode & 0o777 == 0o600


def test_erasing_asks_first_and_exports_count_it(
    equipoise: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    equipoise("survey", "rehearse", "design.toml", "--participants", "2")
    erase = ("survey", "erase", "short", "--participant", "sim-00001")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert equipoise(*erase)[0] == 130
    assert equipoise("survey", "erase", "short", "--participant", "p-NOBODY", "--yes")[0] == 2
    code, said, _ = equipoise(*erase, "--yes")
    assert code == 0
    assert said.startswith("sim-00001: erased (4 answers and 0 statements in 1 wave)")
    code, said, _ = equipoise("survey", "export", "short", "--bundle", "b", "--include-simulated", "--json")
    summary = json.loads(said)
    assert (summary["erased"], summary["participants"]) == (1, 1)
    assert b"sim-00001" not in b"".join(path.read_bytes() for path in (tmp_path / "b").iterdir())


def test_kept_ids_are_deleted_when_confirmed(equipoise: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    equipoise("survey", "add", "design.toml")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert equipoise("survey", "forget-ids", "short")[0] == 130
    code, said, _ = equipoise("survey", "forget-ids", "short", "--yes", "--json")
    assert (code, json.loads(said)) == (0, {"study": "short", "ids_deleted": 0})


def test_the_doctor_tells_what_is_broken_with_exit_code_1(equipoise: Run, tmp_path: Path) -> None:
    equipoise("survey", "rehearse", "design.toml", "--participants", "2")
    code, said, _ = equipoise("db", "doctor")
    assert (code, said) == (0, "59 checks: 0 broken, 0 to look at, 59 hold\n")
    said = equipoise("db", "doctor", "--all")[1]
    assert said.count("holds: ") == 59
    with closing(sqlite3.connect(tmp_path / "var" / "equipoise.sqlite")) as connection, connection:
        [hit] = connection.execute("SELECT presentation_id FROM answer WHERE id = 3").fetchone()
        connection.execute("DELETE FROM answer WHERE id = 3")
    code, said, _ = equipoise("db", "doctor")
    assert code == 1
    assert "broken: every answered presentation has its answers (1)\n" in said
    assert said.endswith("59 checks: 1 broken, 0 to look at, 58 hold\n")
    code, said, _ = equipoise("db", "doctor", "--json")
    told = json.loads(said)
    assert (code, told["ok"]) == (1, False)
    assert [c["first"] for c in told["checks"] if c["violations"]] == [[f"presentation {hit}"]]


def test_a_preregistration_is_made_without_a_database_and_verifies(equipoise: Run, tmp_path: Path) -> None:
    command = ("survey", "preregister", "design.toml", "--participants", "12", "--out", "plan.zip")
    code, said, _ = equipoise(*command)
    assert code == 0
    assert "12 simulated participants, 48 answers" in said
    assert "(it runs on the simulated data)" in said
    assert equipoise("survey", "verify", "plan.zip")[0] == 0
    assert not (tmp_path / "var").exists()


def test_a_design_file_can_be_rehearsed_as_it_is(equipoise: Run) -> None:
    code, said, _ = equipoise("survey", "rehearse", "design.toml", "--participants", "1")
    assert code == 0
    assert "1 simulated participants finished, 4 answers" in said
    assert "short version 1: draft" in equipoise("survey", "list")[1]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("survey", "check", "none.toml"), "none.toml"),
        (("survey", "check", "bad.toml"), "bad.toml:2: study.slug"),
        (("survey", "add", "bad.toml"), "bad.toml:2: study.slug"),
        (("survey", "open", "none"), "no study 'none'"),
        (("survey", "rehearse", "none"), "no study 'none'"),
        (("survey", "rehearse", "none.toml"), "none.toml"),
        (("survey", "export", "none", "--out", "a.csv"), "no study 'none'"),
        (("survey", "export", "none"), "give either --out FILE"),
        (("survey", "export", "none", "--out", "a.csv", "--parquet"), "belong to --bundle"),
        (("survey", "verify", "none.zip"), "none.zip: No such file"),
        (("survey", "show", "none"), "no study 'none'"),
        (("survey", "wave", "none"), "no study 'none'"),
        (("survey", "erase", "none", "--participant", "x", "--yes"), "no study 'none'"),
        (("survey", "preregister", "bad.toml", "--out", "a"), "bad.toml:2: study.slug"),
        (("survey", "import", "nobody1999", "x.csv", "--out", "a.csv"), "nobody1999"),
        (("survey", "import", "mcelfresh2021", "x.csv", "--out", "a.csv"), "x.csv"),
        (("survey", "fly"), "No such command"),
        (("fly",), "No such command"),
        (("db", "backup", "a/b/c.sqlite"), "no database"),
        (("db", "check"), "run 'equipoise db upgrade'"),
        (("serve", "--port", "0"), "--port"),
    ],
)
def test_bad_input_is_exit_code_2_with_a_reason(
    equipoise: Run, tmp_path: Path, short_design: str, arguments: tuple[str, ...], complaint: str
) -> None:
    (tmp_path / "bad.toml").write_text("[study]\nslug = 'a b'\n", encoding="utf-8")
    code, _, said = equipoise(*arguments)
    assert code == 2
    assert complaint in said
    assert "Traceback" not in said


def test_a_changed_design_needs_a_new_version(equipoise: Run, tmp_path: Path, short_design: str) -> None:
    equipoise("survey", "add", "design.toml", "--open")
    (tmp_path / "design.toml").write_text(short_design.replace("What to do.", "Else."), encoding="utf-8")
    code, _, said = equipoise("survey", "add", "design.toml")
    assert code == 2
    assert "raise study.version" in said


def test_an_export_that_cannot_be_written_says_so(equipoise: Run) -> None:
    equipoise("survey", "add", "design.toml")
    code, _, said = equipoise("survey", "export", "short", "--out", "no/such/folder/a.csv")
    assert code == 2
    assert "no/such/folder/a.csv" in said


def test_a_postgresql_backup_is_refused_with_the_way_out(
    equipoise: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", "postgresql://someone@localhost/name")
    code, _, said = equipoise("db", "backup", "copy")
    assert code == 2
    assert "pg_dump" in said


def test_a_misspelled_setting_is_bad_input(equipoise: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQUIPOISE_PROT", "1")
    assert equipoise("config")[0] == 2


def test_the_settings_are_listed_without_secrets(equipoise: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQUIPOISE_SECRET_KEY", "topsecret" * 5)
    code, said, _ = equipoise("config", "--json")
    assert code == 0
    assert "topsecret" not in said
    assert {"EQUIPOISE_DATABASE_URL", "EQUIPOISE_PORT"} <= {row["name"] for row in json.loads(said)}


def test_the_version_is_printed(equipoise: Run) -> None:
    assert re.fullmatch(r"equipoise, version \d+\.\d+\.\d+\n", equipoise("--version")[1])


def test_an_interrupted_command_is_exit_code_130_and_says_what_is_kept(
    tmp_path: Path, short_design: str
) -> None:
    long = short_design.replace("per_respondent = 4", "per_respondent = 20")
    (tmp_path / "design.toml").write_text(long, encoding="utf-8")
    command = [sys.executable, "-m", "survey.cli", "survey"]
    process = subprocess.Popen(
        [*command, "rehearse", "design.toml", "--participants", "500"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 20
    stored = 0
    while stored == 0 and time.monotonic() < deadline:
        time.sleep(0.3)
        if (tmp_path / "var" / "equipoise.sqlite-wal").exists():
            stored = (tmp_path / "var" / "equipoise.sqlite-wal").stat().st_size > 300_000
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    kept = re.search(r"stopped: (\d+) answers of simulated participants are stored", said)
    assert kept, said
    listed = subprocess.run(
        [*command, "export", "short", "--include-simulated", "--out", "a.csv", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert json.loads(listed)["answers"] == int(kept[1])


def test_an_address_in_use_is_named_at_once(equipoise: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said, complained = equipoise("serve", "--port", port)
    assert (code, said) == (2, "")
    assert f"127.0.0.1:{port}: cannot be listened on (Address already in use)" in complained


def test_serve_prints_links_that_work_and_stops_cleanly(tmp_path: Path, short_design: str) -> None:
    (tmp_path / "design.toml").write_text(short_design, encoding="utf-8")
    command = [sys.executable, "-m", "survey.cli"]
    subprocess.run(
        [*command, "survey", "add", "design.toml", "--open"], cwd=tmp_path, check=True, capture_output=True
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    process = subprocess.Popen(
        [*command, "serve", "--port", port, "--workers", "2"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        links = re.findall(r"http://\S+", "".join(lines))
        assert len(links) == 2
        with httpx.Client(follow_redirects=True, trust_env=False, verify=False, timeout=20) as browser:  # noqa: S501
            for _ in range(60):
                try:
                    browser.get(f"http://127.0.0.1:{port}/healthz")
                    break
                except httpx.ConnectError:
                    time.sleep(0.2)
            assert "short" in browser.get(links[0]).text
            assert "What this is." in browser.get(links[1]).text
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert "Traceback" not in said
    token = links[0].partition("token=")[2]
    assert token not in said
