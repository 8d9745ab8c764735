"""One JSON line per request, without query strings, tokens or addresses of visitors."""

from __future__ import annotations

import contextlib
import logging
import sys
import time

import structlog
from flask import Flask, g, request
from structlog.tracebacks import ExceptionDictTransformer
from werkzeug.wrappers import Response


class _StandardError:
    """Writes lines to standard error, whatever that is when the line is written."""

    def msg(self, line: str) -> None:
        # A log that cannot be written (closed, disk full) must not turn a stored answer into an error page.
        with contextlib.suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the log

    debug = info = warning = error = critical = msg


def log_requests(app: Flask, level: str) -> None:
    """Log each request by its route, never by its path: paths hold participants' tokens."""
    logger = structlog.wrap_logger(
        _StandardError(),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Never with local variables: they hold tokens and answers.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ],
    )
    app.extensions["equipoise.log"] = logger

    @app.before_request
    def start_clock() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def log(response: Response) -> Response:
        started = getattr(g, "started", None)
        note = logger.warning if response.status_code >= 500 else logger.info
        if request.endpoint not in ("static", "healthz"):
            note(
                "request",
                method=request.method,
                route=request.url_rule.rule if request.url_rule else None,
                status=response.status_code,
                milliseconds=None if started is None else round(1000 * (time.perf_counter() - started), 1),
            )
        return response
