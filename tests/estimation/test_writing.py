"""Files written by commands: whole or not at all."""

from __future__ import annotations

import os
import platform
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from estimation.commands.writing import write_chunks, write_text


def test_a_written_file_holds_the_text_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "weights.json"
    write_text(path, "young → old\n")

    assert path.read_bytes() == "young → old\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "weights.json"
    path.write_text("old", encoding="utf-8")

    def interrupted(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_gone_after_the_next_write(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    killed.kill()
    killed.communicate()
    left = tmp_path / f".weights.json.{platform.node()}.{killed.pid}.part"
    kept = [
        tmp_path / f".weights.json.{platform.node()}.{os.getppid()}.part",  # Written at this moment.
        tmp_path / f".weights.json.of-another-machine.{killed.pid}.part",
        tmp_path / f".weights.csv.{platform.node()}.{killed.pid}.part",
    ]
    for path in (left, *kept):
        path.write_text("half")
    write_text(tmp_path / "weights.json", "whole")
    assert sorted(tmp_path.iterdir()) == sorted([*kept, tmp_path / "weights.json"])


def test_what_may_not_be_removed_is_left_and_the_file_is_written(tmp_path, monkeypatch):
    prefix = f".weights.json.{platform.node()}."
    folder = tmp_path / f"{prefix}{2**22 + 1}.part"  # No process has so high a number.
    folder.mkdir()
    not_ours = tmp_path / f"{prefix}{10**20}.part"
    not_ours.write_text("half")
    remove = Path.unlink

    def unlink(self: Path, missing_ok: bool = False) -> None:
        if self == not_ours:  # As in a folder of several people, with the sticky bit.
            raise PermissionError(1, "Operation not permitted", str(self))
        remove(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    write_text(tmp_path / "weights.json", "whole")
    assert (tmp_path / "weights.json").read_text() == "whole"
    assert sorted(tmp_path.iterdir()) == sorted([folder, not_ours, tmp_path / "weights.json"])


def test_a_failed_write_names_the_file_that_was_asked_for(tmp_path, monkeypatch):
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_text(tmp_path / "weights.json", "new")
    assert caught.value.filename == str(tmp_path / "weights.json")
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link_and_the_file_keeps_its_permissions(tmp_path):
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old", encoding="utf-8")
    real.chmod(0o640)
    link.symlink_to(real)
    write_text(link, "new")

    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    read, write = os.pipe()
    try:
        write_text(Path(f"/dev/fd/{write}"), "through\n")
        assert os.read(read, 100) == b"through\n"
    finally:
        os.close(read)
        os.close(write)


def test_a_file_for_its_owner_alone_is_never_readable_by_others(tmp_path):
    path = tmp_path / "records.json"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    (tmp_path / f".records.json.{platform.node()}.{os.getpid()}.part").write_text(
        "left behind", encoding="utf-8"
    )
    modes = []

    def chunks():
        yield b"one "
        modes.extend(stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir() if p != path)
        yield b"two"

    write_chunks(path, chunks(), owner_only=True)
    assert modes == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"one two"
    assert list(tmp_path.iterdir()) == [path]
