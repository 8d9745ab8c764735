"""Run the web application: gunicorn where there is one, else waitress; or in the background for a rehearsal."""

from __future__ import annotations

import gc
import importlib.util
import logging
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
_ABOUT_VISITORS = {
    "gunicorn.error": {
        "Invalid request from": "a request that is not HTTP was refused",
        "Error handling request": "a request could not be handled",
    },
    "waitress": {
        "Client disconnected while serving": "a client disconnected",
        "Exception while serving": "a request could not be served",
    },
}
"""Beginnings of what servers log with a visitor's address or a participant's path -> what is logged instead."""


class _WithoutVisitors(logging.Filter):
    """Rewrites what a server logs about one visitor; everything else passes as it is."""

    def __init__(self, instead: dict[str, str]) -> None:
        super().__init__()
        self._instead = instead

    def filter(self, record: logging.LogRecord) -> bool:
        message = str(record.msg)
        for beginning, instead in self._instead.items():
            if message.startswith(beginning):
                record.msg, record.args = instead, ()
        return True


def keep_visitors_out_of_logs() -> None:
    """Make gunicorn and waitress log neither addresses of visitors nor paths. Doing it again changes nothing."""
    for name, instead in _ABOUT_VISITORS.items():
        logger = logging.getLogger(name)
        if not any(isinstance(filter_, _WithoutVisitors) for filter_ in logger.filters):
            logger.addFilter(_WithoutVisitors(instead))


def serve(settings: Settings) -> None:
    """Serve until interrupted. The database must be ready."""
    keep_visitors_out_of_logs()
    if importlib.util.find_spec("gunicorn"):
        _serve_with_gunicorn(settings)
    else:
        app = service(settings)
        waitress.serve(app, host=settings.host, port=settings.port, threads=settings.threads, ident=None)


def service(settings: Settings) -> Flask:
    """Return the application on its database, to be served by this process until that ends."""
    app = create_app(settings, open_database(settings))
    keep_startup_out_of_collections()
    return app


def keep_startup_out_of_collections() -> None:
    """Tell Python's garbage collector that what is there now stays. It would else look through all of it again and
    again while a page reads thousands of rows, which takes as long as the reading."""
    gc.collect()
    gc.freeze()


def _serve_with_gunicorn(settings: Settings) -> None:
    from gunicorn.app.base import BaseApplication

    from survey.serving_worker import ThreadsThatEnd

    class Service(BaseApplication):  # type: ignore[misc]
        """Each worker opens the database itself: connections must not be shared across a fork."""

        def load_config(self) -> None:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            for name, value in {
                "bind": f"{host}:{settings.port}",
                "workers": settings.workers,
                "threads": settings.threads,
                "worker_class": ThreadsThatEnd,
                "loglevel": "warning",
                "control_socket_disable": True,
                # By itself gunicorn believes what a proxy on this machine says: scheme, path, and what it passes on
                # from a visitor. Whom to believe is EQUIPOISE_TRUSTED_PROXIES alone.
                "forwarded_allow_ips": "",
                "forwarder_headers": "",
            }.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Flask:
            return service(settings)

    Service().run()


@contextmanager
def served_in_background(app: Flask, *, threads: int = 8) -> Iterator[str]:
    """Serve ``app`` on a free loopback port from a thread; yield its address."""
    keep_visitors_out_of_logs()
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
