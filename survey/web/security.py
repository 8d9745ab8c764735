"""Headers, cookies and limits on what is sent that protect participants and researchers.

No page holds inline script or style, so the policy needs no nonce: ``script-src 'self'`` without one is stricter,
because a nonce would let a script run inside a page, and this lets none.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask, abort, request
from flask.json.provider import DefaultJSONProvider
from flask.sessions import SecureCookieSessionInterface
from werkzeug.datastructures import MultiDict
from werkzeug.routing import IntegerConverter
from werkzeug.wrappers import Response

from survey.config import Settings

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
COOKIE_LIFETIME = timedelta(days=31)
MOST_BODY_BYTES = 2_000_000
"""Of one request: a design file is a few kilobytes."""
MOST_FORM_BYTES = 500_000
"""Of the fields of a multipart form that are no files, held in memory."""
MOST_FORM_FIELDS = 1_000
LARGEST_ID = 2**31 - 1
"""What the database's ids can hold."""


class _SecureWhereHttps(SecureCookieSessionInterface):
    """Marks the cookie Secure on HTTPS; a plain loopback address, for trying things out, still works."""

    def __init__(self, public_url: str) -> None:
        self._always = public_url.startswith("https://")

    def get_cookie_secure(self, app: Flask) -> bool:
        return self._always or request.is_secure


class _BoundedJson(DefaultJSONProvider):
    """Takes what is nested deeper than Python's stack for what it is: no JSON that anything here could use."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        try:
            return super().loads(s, **kwargs)
        except RecursionError:
            raise ValueError("is nested too deep") from None


class _Id(IntegerConverter):
    """A row's number in an address. What no row can have is 404, as any number that no row has."""

    regex = r"\d{1,10}"

    def __init__(self, map: object, **options: object) -> None:
        super().__init__(map, **{"max": LARGEST_ID} | options)  # type: ignore[arg-type]


def protect(app: Flask, settings: Settings) -> None:
    """Set cookie rules, bound what may be sent, and add the security headers to every response.

    Call it before routes are registered: it says which numbers an address may hold.
    """
    app.url_map.converters["int"] = _Id
    app.config.update(
        MAX_CONTENT_LENGTH=MOST_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MOST_FORM_BYTES,
        MAX_FORM_PARTS=MOST_FORM_FIELDS,
        SESSION_COOKIE_NAME="equipoise",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        # The cookie also holds a visitor's recruitment id until Start is pressed, however late that is. How long a
        # researcher stays signed in is checked on its own (access).
        PERMANENT_SESSION_LIFETIME=COOKIE_LIFETIME,
    )
    app.json = _BoundedJson(app)
    app.session_interface = _SecureWhereHttps(settings.public_url)
    app.before_request(_refuse_nul)

    @app.after_request
    def add_headers(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", POLICY)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("X-Frame-Options", "DENY")
        # Participants' addresses hold their token: tell no other site. Forms on HTTPS are checked by the referrer,
        # so our own site must see it.
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if request.endpoint == "static":
            headers["Cache-Control"] = "public, max-age=3600"
        else:
            # The back button must ask the server where the participant stands, not show an old page.
            headers.setdefault("Cache-Control", "no-store")
        if request.is_secure:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        return response


def _refuse_nul() -> None:
    """Refuse the character NUL: no page or form of ours holds it, and PostgreSQL stores none.

    Files that are uploaded are text in a format that forbids it; their reader complains.
    """
    if "\0" in request.path:
        abort(404)
    if _holds_nul(request.args) or (request.method == "POST" and _holds_nul(request.form)):
        abort(400)


def _holds_nul(fields: MultiDict[str, str]) -> bool:
    return any("\0" in name or "\0" in value for name, value in fields.items(multi=True))
