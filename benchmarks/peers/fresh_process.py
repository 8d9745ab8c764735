"""Run a command as a fresh process and measure it with all that it starts. Linux only: memory is read in /proc."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SECONDS_BETWEEN_LOOKS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one run of a command took."""

    answer: dict[str, Any] | None
    """The JSON object on its last line of output; None where it failed or was stopped."""
    problem: str
    """Why there is no answer; empty where there is one."""
    wall_seconds: float
    """From before the start of the process to after its end."""
    cpu_seconds: float
    """User and system time of the process and of the processes that it started and waited for."""
    children_bytes: int
    """Largest resident memory of a process that it started."""


def run_measured(command: Sequence[str], *, seconds: float, environment: dict[str, str]) -> Measured:
    """Run a command whose last line of output is a JSON object; stop it and its children when the time is over.

    Resident memory of the children is their own high-water mark, looked at every 20 ms. ``ru_maxrss`` would not do:
    Linux counts in it the memory of the process that started them.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as complaints:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stderr=complaints, env=environment, start_new_session=True
        )
        watch = _Watch(process.pid, seconds)
        watch.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        finally:
            watch.stop()
        if watch.is_over_time:
            answer, problem = None, f"> {seconds:g} s"
        elif process.returncode:
            complaints.seek(0)
            last = (complaints.read().strip().splitlines() or ["no message"])[-1]
            answer, problem = None, f"failed ({process.returncode}): {last[:160]}"
        else:
            output.seek(0)
            answer, problem = json.loads(output.read().strip().splitlines()[-1]), ""
    return Measured(
        answer=answer,
        problem=problem,
        wall_seconds=wall,
        cpu_seconds=used.ru_utime + used.ru_stime,
        children_bytes=watch.children_bytes,
    )


def own_peak_bytes() -> int:
    """Return the largest resident memory that this process has had."""
    return _high_water(os.getpid())


class _Watch(threading.Thread):
    """Looks at the children's memory, and ends the whole session of processes when the time is over."""

    def __init__(self, pid: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self.children_bytes = 0
        self.is_over_time = False
        self._pid = pid
        self._deadline = time.perf_counter() + seconds
        self._ended = threading.Event()
        self._seen: set[int] = set()

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN_LOOKS):
            if time.perf_counter() > self._deadline and not self.is_over_time:
                self.is_over_time = True
                try:
                    os.killpg(self._pid, signal.SIGKILL)
                except ProcessLookupError:  # It ended at this moment.
                    self.is_over_time = False
            for parent, child in _descendants(self._pid):
                # Between fork and exec a child shows its parent's memory, for less than the time between two looks.
                if child in self._seen or _command_line(child) != _command_line(parent):
                    self.children_bytes = max(self.children_bytes, _high_water(child))
                self._seen.add(child)


def _descendants(pid: int) -> list[tuple[int, int]]:
    """Return (parent, child) for everything below the process; whatever ended meanwhile is left out."""
    found = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in (int(word) for word in _text(listing).split()):
            found += [(pid, child), *_descendants(child)]
    return found


def _command_line(pid: int) -> str:
    return _text(Path(f"/proc/{pid}/cmdline"))


def _high_water(pid: int) -> int:
    for line in _text(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):  # The process ended at this moment.
        return ""
