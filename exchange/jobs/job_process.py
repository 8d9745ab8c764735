"""The process of a job: started apart from the one that serves pages, recognized later, told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_NICE = 10
"""Added to the niceness, so that participants' pages stay quick."""
_SETTINGS = "EQUIPOISE_"


def start_command(arguments: Sequence[str], folder: Path, log: Path) -> dict[str, Any]:
    """Start ``equipoise`` with these arguments in a folder, and return what recognizes the process later.

    It goes on when the service stops. It does not get the service's settings, which hold secrets.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    with log.open("wb") as said:
        process = subprocess.Popen(
            # -P: what lies in the folder is never imported.
            [sys.executable, "-P", "-m", "survey.cli", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # Its end has to be asked for by whoever started it; until then it would look alive.
    threading.Thread(target=process.wait, name="wait-for-job", daemon=True).start()
    # It may have ended already, or priorities may not be changed here.
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
    return {"pid": process.pid, "started": _started(process.pid)}


def is_alive(process: Mapping[str, Any]) -> bool:
    """Return whether the very process still runs, and no other that got its number since."""
    pid, started = process.get("pid"), process.get("started")
    return isinstance(pid, int) and bool(started) and _started(pid) == started


def interrupt(process: Mapping[str, Any]) -> None:
    """Tell a process to stop, as Ctrl-C does: it keeps what is finished."""
    _send(process, signal.SIGINT, to_all=False)


def end(process: Mapping[str, Any]) -> None:
    """End a process and those that it started, at once."""
    _send(process, signal.SIGKILL, to_all=True)


def _send(process: Mapping[str, Any], number: signal.Signals, *, to_all: bool) -> None:
    if not is_alive(process):
        return
    # It may end in between.
    with suppress(ProcessLookupError):
        # It leads a group of its own.
        (os.killpg if to_all else os.kill)(process["pid"], number)


def _started(pid: int) -> str:
    """Return when a process began, in whatever unit the system has; empty if it ended."""
    if not Path("/proc/self/stat").exists():
        return _started_by_ps(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name of the command, in brackets, may hold spaces and brackets.
    fields = stat.rpartition(")")[2].split()
    is_ended = fields[0] in "ZX"
    return "" if is_ended else fields[19]


def _started_by_ps(pid: int) -> str:
    told = subprocess.run(
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C"},
    )
    state, _, started = told.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()
