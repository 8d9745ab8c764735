"""A worker process of gunicorn, which there is everywhere but on Windows."""

from __future__ import annotations

from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker


class ThreadsThatEnd(ThreadWorker):  # type: ignore[misc]
    """Serves pages with threads, and ends when told to, whatever it is at.

    Gunicorn's own shuts its threads down in the signal's handler, for which it takes a lock. Where the signal comes
    just as a thread is given work, under that lock, it waits for itself until it is killed half a minute later.
    Python ends idle threads by itself.
    """

    def handle_quit(self, sig: int, frame: object) -> None:
        """End at once: Ctrl-C."""
        Worker.handle_quit(self, sig, frame)
