"""Errors of the JSON API, as RFC 9457 has them: ``application/problem+json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

from flask import Response, request

MEDIA_TYPE = "application/problem+json"


def is_for_api() -> bool:
    """Tell whether the request asked the JSON API, so that its errors are read by a program."""
    return request.path.startswith("/api/v")


def problem(status: int, detail: str, *, complaints: Sequence[str] = ()) -> Response:
    """Return an error: ``detail`` says what is wrong and what to do, ``complaints`` names every fault."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if complaints:
        body["complaints"] = list(complaints)
    return Response(json.dumps(body, ensure_ascii=False, indent=2), status=status, content_type=MEDIA_TYPE)
