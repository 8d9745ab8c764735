"""How far an experiment is: for a line at the terminal, and for a file that a web page looks at."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from estimation.commands.writing import write_text

PROGRESS = "progress.json"
_LEAST_SECONDS = 1.0
"""Between two writings of the file."""


class State(StrEnum):
    """What an experiment is at."""

    RUNNING = "running"
    RESULTS = "results"
    """All runs are there; tables and pictures are being made of them."""
    DONE = "done"
    """Everything is written."""
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an experiment is."""

    done: int
    """Runs that the folder holds."""
    total: int
    seconds_left: float | None
    """By the pace of the runs computed so far; None before the first."""
    message: str
    state: State = State.RUNNING

    @property
    def words(self) -> str:
        """One line for people."""
        left = "" if self.seconds_left is None else f", about {duration(self.seconds_left)} left"
        return f"runs: {self.done} of {self.total}{left} ({self.message})"


class ProgressFile:
    """Keeps :data:`PROGRESS` up to date, rewritten at most once a second."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._last: float | None = None
        self._latest = Progress(done=0, total=0, seconds_left=None, message="")

    def __call__(self, progress: Progress) -> None:
        """Note progress; what is of another state at once."""
        before, self._latest = self._latest.state, progress
        if self._last is None or progress.state is not before or self._clock() - self._last >= _LEAST_SECONDS:
            self._last = self._clock()
            self._write(progress.state, progress.message)

    def end(self, state: State, message: str) -> None:
        """Write how it ended."""
        self._write(state, message)

    def _write(self, state: State, message: str) -> None:
        now = self._latest
        left = now.seconds_left if state is State.RUNNING else None
        record = {
            "state": str(state),
            "done": now.done,
            "total": now.total,
            "seconds_left": None if left is None else round(left),
            "message": message,
        }
        write_text(self._path, json.dumps(record, ensure_ascii=False) + "\n")


def duration(seconds: float) -> str:
    """Return a duration in words, such as ``3 min 20 s``."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
