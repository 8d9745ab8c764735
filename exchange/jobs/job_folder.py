"""The folder of all jobs: listed, added, started, stopped, deleted."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exchange.errors import ExchangeError
from exchange.jobs.job import (
    DESCRIPTION,
    INPUTS,
    LOG,
    PROCESS,
    Description,
    Job,
    read_job,
    read_record,
    write_record,
)
from exchange.jobs.job_process import end, interrupt, start_command

_ID = re.compile(r"[0-9a-f]{12}")


class JobConflict(ExchangeError):
    """A job cannot be started or deleted as things are; the message says what to do."""


class JobFolder:
    """All jobs of a service.

    Parameters
    ----------
    root
        Made when needed.
    most_at_once
        Jobs that may run at the same time.
    """

    def __init__(self, root: Path, *, most_at_once: int) -> None:
        # Commands are started in other folders.
        self._root, self._most_at_once = root.absolute(), most_at_once

    def jobs(self) -> list[Job]:
        """Return all jobs, the newest first."""
        if not self._root.is_dir():
            return []
        found = [read_job(path) for path in self._root.iterdir() if _ID.fullmatch(path.name)]
        return sorted(
            (job for job in found if job), key=lambda job: (job.about.made_at, job.id), reverse=True
        )

    def find(self, job_id: str) -> Job | None:
        """Return a job by its id; None if there is none. No id leads out of the folder."""
        return read_job(self._root / job_id) if _ID.fullmatch(job_id) else None

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """Yield a new folder for a job's inputs. It is gone afterwards, unless :meth:`keep` was called."""
        folder = self._root / f".draft-{secrets.token_hex(6)}"
        (folder / INPUTS).mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, draft: Path, about: Description) -> Job:
        """Make a job of a draft."""
        write_record(draft / DESCRIPTION, about.record())
        job_id = draft.name.removeprefix(".draft-")
        folder = draft.rename(self._root / job_id)
        return Job(id=job_id, folder=folder, about=about)

    def start(self, job: Job) -> None:
        """Start a job, or let it go on; finished runs are not computed again.

        Raises
        ------
        JobConflict
            It runs already, or as many others do as may.
        """
        with self._alone():
            active = [other for other in self.jobs() if other.status().state.is_active]
            if job.id in [other.id for other in active]:
                raise JobConflict("It is running already.")
            if len(active) >= self._most_at_once:
                names = " and ".join(f"“{other.about.title}”" for other in active)
                raise JobConflict(
                    f"{names} {'is' if len(active) == 1 else 'are'} running, and {self._most_at_once} may run at "
                    "once here. Start this one when that has ended, or stop it first."
                )
            process = start_command(job.arguments, job.folder / INPUTS, job.folder / LOG)
            write_record(job.folder / PROCESS, process)

    def stop(self, job: Job) -> None:
        """Tell a job to stop; told again, it is ended at once, and loses the runs under way."""
        with self._alone():
            process = read_record(job.folder / PROCESS)
            if process.get("told_to_stop"):
                end(process)
                return
            write_record(job.folder / PROCESS, process | {"told_to_stop": True})
            interrupt(process)

    def delete(self, job: Job) -> None:
        """Delete a job and all its files.

        Raises
        ------
        JobConflict
            It runs.
        """
        with self._alone():
            if job.status().state.is_active:
                raise JobConflict("It is running; stop it first, then delete it.")
            # Away at once: deleting many files takes a while.
            gone = job.folder.rename(self._root / f".deleted-{job.id}")
        shutil.rmtree(gone)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep every other process that serves pages from starting or deleting meanwhile."""
        try:
            import fcntl
        except ImportError:
            raise JobConflict(
                "Experiments run in background on Linux and macOS only; use 'equipoise exchange experiment' here."
            ) from None
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
