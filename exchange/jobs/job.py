"""A job: an experiment in a folder of its own, and how far it is. Nothing but files, so that every process that
serves pages sees the same.

``inputs/`` holds ``experiment.toml`` and what it names, ``results/`` what the command writes, ``log.txt`` what it
said, ``job.json`` who asked for it, ``process.json`` the process that was started last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from estimation.commands.writing import write_text
from exchange.experiment.progress import PROGRESS, State
from exchange.jobs.job_process import is_alive
from exchange.outcomes.report_record import FORMAT as REPORT_FORMAT
from exchange.outcomes.report_record import FORMAT_VERSION as REPORT_VERSION

FORMAT = "equipoise-job"
DESCRIPTION, PROCESS, LOG = "job.json", "process.json", "log.txt"
INPUTS, RESULTS, EXPERIMENT = "inputs", "results", "experiment.toml"
_LOG_END = 4_000
"""Bytes of the log that a page shows."""


class JobState(StrEnum):
    """What a job is at."""

    READY = "ready"
    """Never started."""
    RUNNING = "running"
    STOPPING = "stopping"
    """Told to stop; runs under way are finished first."""
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    """Its process ended without a word, as when the machine was switched off."""
    FAILED = "failed"
    DONE = "done"

    @property
    def is_active(self) -> bool:
        """Whether a process is at it."""
        return self in (JobState.RUNNING, JobState.STOPPING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What was asked for, by whom, and what it amounts to."""

    title: str
    made_at: datetime
    made_by: str
    workers: int
    """Processes."""
    seeds: str
    """As for the command; empty for the experiment's own."""
    days: int | None
    """None for the scenarios' own."""
    scenarios: tuple[str, ...]
    conditions: tuple[str, ...]
    n_seeds: int
    n_runs: int
    rough_seconds: float
    """About how long it takes."""

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"format": FORMAT, **asdict(self), "made_at": self.made_at.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How far a job is."""

    state: JobState
    done: int = 0
    """Runs that are kept."""
    total: int
    seconds_left: float | None = None
    message: str = ""
    """What a running one is at, as a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An experiment in its folder."""

    id: str
    folder: Path
    about: Description

    @property
    def results(self) -> Path:
        """Folder that the command writes to."""
        return self.folder / RESULTS

    @property
    def arguments(self) -> list[str]:
        """What the command is given, in the folder of the inputs."""
        about = self.about
        return [
            "exchange", "experiment", EXPERIMENT, "--out", f"../{RESULTS}", "--workers", str(about.workers),
            *(["--seeds", about.seeds] if about.seeds else []),
            *(["--days", str(about.days)] if about.days else []),
        ]  # fmt: skip

    def status(self) -> Status:
        """Look how far it is."""
        process = read_record(self.folder / PROCESS)
        progress = read_record(self.results / PROGRESS)
        is_told_to_stop = bool(process.get("told_to_stop"))
        said = str(progress.get("state", ""))
        if is_alive(process):
            state = JobState.STOPPING if is_told_to_stop else JobState.RUNNING
        elif not process:
            state = JobState.READY
        elif said == State.DONE and (self.results / "report.html").is_file():
            state = JobState.DONE
        elif is_told_to_stop or said == State.STOPPED:
            state = JobState.STOPPED
        elif said in ("", State.DONE) and self.log_end():
            # It ended before the first run, or after the last, and said why.
            state = JobState.FAILED
        else:
            state = JobState.FAILED if said == State.FAILED else JobState.INTERRUPTED
        left = progress.get("seconds_left")
        return Status(
            state=state,
            done=_count(progress.get("done")),
            total=_count(progress.get("total")) or self.about.n_runs,
            seconds_left=float(left) if isinstance(left, int | float) and state.is_active else None,
            message=_message(said, str(progress.get("message", ""))) if state.is_active else "",
        )

    def log_end(self) -> str:
        """Return the last lines of what the command said."""
        try:
            with (self.folder / LOG).open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(size - _LOG_END, 0))
                return file.read().decode("utf-8", errors="replace").strip()
        except OSError:
            return ""

    def report(self) -> dict[str, Any]:
        """Return what was found, as ``report_record`` gives it; empty if there is none that we can read."""
        record = read_record(self.results / "report.json")
        is_ours = (record.get("format"), record.get("format_version")) == (REPORT_FORMAT, REPORT_VERSION)
        return record if is_ours else {}

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield what may be taken away: (name within the folder, path), in order; no links."""
        for top in (INPUTS, RESULTS, LOG):
            start = self.folder / top
            for path in [start] if start.is_file() else sorted(start.rglob("*")):
                if path.is_file() and not path.is_symlink() and not path.name.endswith(".part"):
                    yield path.relative_to(self.folder).as_posix(), path


def read_job(folder: Path) -> Job | None:
    """Return the job in a folder; None if there is none."""
    record = read_record(folder / DESCRIPTION)
    if record.pop("format", None) != FORMAT:
        return None
    values = record | {
        "made_at": datetime.fromisoformat(record["made_at"]),
        "scenarios": tuple(record["scenarios"]),
        "conditions": tuple(record["conditions"]),
    }
    return Job(id=folder.name, folder=folder, about=Description(**values))


def read_record(path: Path) -> dict[str, Any]:
    """Return a small JSON file's table; an empty one if there is no such file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a small JSON file, whole or not at all."""
    write_text(path, json.dumps(record, ensure_ascii=False) + "\n")


def _message(state: str, said: str) -> str:
    if state == State.RESULTS:
        return "Making the pictures."
    # At the start the command says how many runs it found, which is the number of those that are done.
    return "" if not said or said.endswith(" found") or state != State.RUNNING else f"Last: {said}."


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
