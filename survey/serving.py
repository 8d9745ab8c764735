"""Run the web application: gunicorn where there is one, else waitress; or in the background for a rehearsal."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import waitress
from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from survey.app import create_app
from survey.config import Settings
from survey.db import open_database

LOOPBACK = "127.0.0.1"


def serve(settings: Settings) -> None:
    """Serve until interrupted. The database must be ready."""
    if importlib.util.find_spec("gunicorn"):
        _serve_with_gunicorn(settings)
    else:
        app = create_app(settings, open_database(settings))
        waitress.serve(app, host=settings.host, port=settings.port, threads=settings.threads, ident=None)


def _serve_with_gunicorn(settings: Settings) -> None:
    from gunicorn.app.base import BaseApplication

    class Service(BaseApplication):  # type: ignore[misc]
        """Each worker opens the database itself: connections must not be shared across a fork."""

        def load_config(self) -> None:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            for name, value in {
                "bind": f"{host}:{settings.port}",
                "workers": settings.workers,
                "threads": settings.threads,
                "worker_class": "gthread",
                "loglevel": "warning",
                "control_socket_disable": True,
            }.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Flask:
            return create_app(settings, open_database(settings))

    Service().run()


@contextmanager
def served_in_background(app: Flask, *, threads: int = 8) -> Iterator[str]:
    """Serve ``app`` on a free loopback port from a thread; yield its address."""
    server = create_server(app, host=LOOPBACK, port=0, threads=threads, ident=None)
    stopping = threading.Event()

    def run() -> None:
        while not stopping.is_set():
            wasyncore.loop(timeout=1, map=server._map, count=1)

    thread = threading.Thread(target=run, name="survey-server", daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.effective_port}"
    finally:
        stopping.set()
        server.trigger.pull_trigger()
        thread.join(timeout=10)
        server.task_dispatcher.shutdown()
        # Last, when nobody writes to the sockets any more: a number that is closed may be another file's by then.
        wasyncore.close_all(server._map, ignore_all=True)
