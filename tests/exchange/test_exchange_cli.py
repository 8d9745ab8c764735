from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from exchange.cli import group

COMMANDS = list(group.list_commands(None))  # type: ignore[arg-type]  # It looks at no context.


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(command: str) -> None:
    result = CliRunner().invoke(group, [command, "--help"], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"equipoise exchange {command}" in result.stdout


def test_the_list_of_commands_names_them_all_and_loads_none() -> None:
    code = (
        "import sys\n"
        "from exchange.cli import group\n"
        "group.main(['--help'], standalone_mode=False)\n"
        "print('loaded', [m for m in sys.modules if m.startswith('exchange.commands.') or m == 'numpy'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert all(f"  {command} " in done.stdout for command in COMMANDS)
    assert "loaded []" in done.stdout


def test_a_command_that_there_is_not_is_refused() -> None:
    result = CliRunner().invoke(group, ["solve"])
    assert result.exit_code == 2
    assert "solve" in result.stderr


@pytest.mark.parametrize("command", ["generate", "convert", "clear"])
def test_a_folder_that_is_not_there_is_noticed_before_the_work(command: str, tmp_path: Path) -> None:
    out = tmp_path / "no" / "out.json"
    needed = {"generate": ["--pairs", "3", "--seed", "1"]}.get(command, [str(tmp_path / "pool.json")])
    result = CliRunner().invoke(group, [command, *needed, "--out", str(out)])
    assert result.exit_code != 0
    assert "there is no folder" in f"{result.stderr}{result.exception}"
