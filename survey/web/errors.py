"""Friendly pages for what goes wrong: what happened, that answers are safe, where to go."""

from __future__ import annotations

from flask import Flask, current_app, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from survey.db import DatabaseError
from survey.errors import EquipoiseError

_HEADINGS = {
    400: "This page could not be used",
    403: "This page is not open to you",
    404: "There is no such page",
    405: "This address is used by a form",
    413: "The file is too large",
}
_EXPLANATIONS = {
    400: "What was sent is incomplete. Go back and try again.",
    403: "If you think that it should be, ask the person who sent you the link.",
    404: "Check the address, or use the link that you were given. Answers that you gave are kept.",
    405: "Open the link that you were given and go on from there.",
    413: "A design file is a few kilobytes long. Choose another file.",
}


def register(app: Flask) -> None:
    """Answer every error with a page."""

    @app.errorhandler(CSRFError)
    def _refused(_error: CSRFError) -> tuple[str, int]:
        text = (
            "The form was not accepted, most likely because the browser did not send our cookie. Nothing was "
            "stored from this page, and everything before it is kept. Allow cookies for this site and go on."
        )
        return _page("Please try that again", text, 400)

    @app.errorhandler(EquipoiseError)
    def _bad_input(error: EquipoiseError) -> tuple[str, int]:
        return _page(_HEADINGS[400], str(error), 400)

    @app.errorhandler(DatabaseError)
    def _no_database(error: DatabaseError) -> tuple[str, int]:
        current_app.extensions["equipoise.log"].error("database error", exc_info=error)
        text = (
            "The database could not be reached, so nothing from this page was stored. Every answer before it is "
            "kept. Wait a moment, then go on."
        )
        return _page("Please try again in a moment", text, 503)

    @app.errorhandler(HTTPException)
    def _known(error: HTTPException) -> tuple[str, int]:
        code = error.code or 500
        heading = _HEADINGS.get(code, error.name)
        return _page(heading, _EXPLANATIONS.get(code, "Go back and try again."), code)

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> tuple[str, int]:
        current_app.extensions["equipoise.log"].error("unexpected error", exc_info=error)
        text = "The fault is ours and has been noted. Every answer that you gave before this page is kept."
        return _page("Something went wrong on our side", text, 500)


def _page(heading: str, text: str, code: int) -> tuple[str, int]:
    token = (request.view_args or {}).get("token")
    way_on = url_for("participate.participant", token=token) if token and code != 404 else None
    return render_template("error.html", heading=heading, text=text, way_on=way_on), code
