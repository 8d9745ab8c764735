"""Long computations in a process of their own: threads of one process take turns, and pages would wait."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import TypeVar

from survey.errors import EquipoiseError

_NICE = 10
"""Added to the niceness, so that pages stay quick."""

_LOOK_SECONDS = 0.5

_T = TypeVar("_T")


class WorkRefused(EquipoiseError):
    """What was asked for cannot be worked out; the message is that of the error raised there."""


class WorkFailed(RuntimeError):
    """The process ended without a result; the message holds what it wrote last."""


class WorkStopped(RuntimeError):
    """Somebody ended the process, as when the service's machine is shut down: nothing is known of the work."""


def worked_beside(work: Callable[..., _T], *arguments: object, **named: object) -> _T:
    """Return ``work(*arguments, **named)``, worked out in a new process of low priority.

    The process takes a second or two to begin. Ctrl-C does not reach it: whoever waits here waits until it is done.
    It ends when this process is killed.

    Parameters
    ----------
    work
        Function of a module, found there by its name. It, the arguments and what it returns are pickled.

    Raises
    ------
    WorkRefused
        It raised an :class:`EquipoiseError`.
    WorkStopped
        The process was ended by SIGTERM.
    WorkFailed
        The process ended otherwise: any other exception, or too little memory.
    """
    done = subprocess.run(
        # -P: what lies in the folder is never imported. Everything else is imported from where it is here.
        [sys.executable, "-P", "-m", "survey.beside"],
        input=pickle.dumps((work, arguments, named)),
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        process_group=0,
    )
    if done.returncode == -signal.SIGTERM:
        raise WorkStopped(f"{work.__qualname__}: its process was ended")
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-2_000:]
        raise WorkFailed(f"{work.__qualname__}: its process ended with {done.returncode}: {said}")
    # Pickled by ourselves: it comes through a pipe that nobody else has.
    result, refusal = pickle.loads(done.stdout)  # noqa: S301
    if refusal is not None:
        raise WorkRefused(refusal)
    found: _T = result
    return found


def _end_with(parent: int) -> None:
    """End this process when its parent has: nobody would read the result."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def _work() -> None:
    if hasattr(os, "nice"):
        os.nice(_NICE)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    work, arguments, named = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    answer: tuple[object, str | None]
    # Nothing that is printed may come into the result.
    with redirect_stdout(sys.stderr):
        try:
            answer = work(*arguments, **named), None
        except EquipoiseError as error:
            answer = None, str(error)
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    _work()
