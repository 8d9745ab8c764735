"""The command, as a person runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import httpx
import pytest

from survey.answers_file import read_answers
from survey.cli import COMMANDS, run

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
    equipoise("survey", "add", "design.toml")
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
