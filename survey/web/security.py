"""Headers and cookies that protect participants and researchers. No page holds inline script or style."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface
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
SESSION_LIFETIME = timedelta(hours=12)


class _SecureWhereHttps(SecureCookieSessionInterface):
    """Marks the cookie Secure on HTTPS; a plain loopback address, for trying things out, still works."""

    def __init__(self, public_url: str) -> None:
        self._always = public_url.startswith("https://")

    def get_cookie_secure(self, app: Flask) -> bool:
        return self._always or request.is_secure


def protect(app: Flask, settings: Settings) -> None:
    """Set cookie rules and add the security headers to every response."""
    app.config.update(
        SESSION_COOKIE_NAME="equipoise",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION_LIFETIME,
    )
    app.session_interface = _SecureWhereHttps(settings.public_url)

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
