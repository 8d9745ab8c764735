"""What goes wrong, in a friendly page: what happened, that answers are safe, where to go. Programs get JSON."""

from __future__ import annotations

from flask import Flask, Response, current_app, make_response, render_template, request, url_for
from flask_babel import gettext, lazy_gettext, ngettext
from flask_limiter import RateLimitExceeded
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from survey.db import DatabaseError
from survey.errors import EquipoiseError
from survey.web.access import NotAllowed
from survey.web.limits import seconds_to_wait
from survey.web.problems import is_for_api, problem

_HEADINGS = {
    400: lazy_gettext("This page could not be used"),
    403: lazy_gettext("This page is not open to you"),
    404: lazy_gettext("There is no such page"),
    405: lazy_gettext("This address is used by a form"),
    413: lazy_gettext("What was sent is too large"),
}
_EXPLANATIONS = {
    400: lazy_gettext("What was sent is incomplete. Go back and try again."),
    403: lazy_gettext("If you think that it should be, ask the person who sent you the link."),
    # Says nothing of answers: they may have been deleted, and the address with them.
    404: lazy_gettext("Check the address, or use the link that you were given."),
    405: lazy_gettext("Open the link that you were given and go on from there."),
    413: lazy_gettext("Go back and send less. Answers that you gave are kept."),
}
_FOR_PROGRAMS = {
    400: "The request could not be read; /api/v1/openapi.json says what each call takes.",
    404: "There is nothing at this address; GET /api/v1/studies lists the studies and their ids.",
    405: "This address does not take that method; /api/v1/openapi.json lists what it takes.",
    413: "The body is too large; a design file is a few kilobytes long.",
}


def register(app: Flask) -> None:
    """Answer every error with a page, or with problem+json where a program asked."""

    @app.errorhandler(CSRFError)
    def _refused(_error: CSRFError) -> Response:
        text = gettext(
            "The form was not accepted, most likely because the browser did not send our cookie. Nothing was "
            "stored from this page, and everything before it is kept. Allow cookies for this site and go on."
        )
        return _page(gettext("Please try that again"), text, 400)

    @app.errorhandler(RateLimitExceeded)
    def _too_often(_error: RateLimitExceeded) -> Response:
        wait = seconds_to_wait()
        if wait < 120:
            spoken = ngettext("%(num)d second", "%(num)d seconds", wait)
        else:
            spoken = ngettext("%(num)d minute", "%(num)d minutes", -(-wait // 60))
        text = gettext(
            "Nothing from this page was stored, and everything before it is kept. Wait %(time)s, then go on.",
            time=spoken,
        )
        heading = gettext("Too many requests in a short time")
        response = _page(heading, text, 429, f"Wait {wait} seconds, then ask again.")
        response.headers["Retry-After"] = str(wait)
        return response

    @app.errorhandler(NotAllowed)
    def _not_allowed(error: NotAllowed) -> Response:
        return _page(error.heading, error.description or "", 403)

    @app.errorhandler(EquipoiseError)
    def _bad_input(error: EquipoiseError) -> Response:
        return _page(str(_HEADINGS[400]), str(error), 400, str(error))

    @app.errorhandler(DatabaseError)
    def _no_database(error: DatabaseError) -> Response:
        current_app.extensions["equipoise.log"].error("database error", exc_info=error)
        text = gettext(
            "The database could not be reached, so nothing from this page was stored. Every answer before it is "
            "kept. Wait a moment, then go on."
        )
        program = "The database could not be reached and nothing was changed; ask again in a moment."
        return _page(gettext("Please try again in a moment"), text, 503, program)

    @app.errorhandler(HTTPException)
    def _known(error: HTTPException) -> Response:
        code = error.code or 500
        heading = str(_HEADINGS.get(code, error.name))
        text = str(_EXPLANATIONS.get(code, lazy_gettext("Go back and try again.")))
        response = _page(heading, text, code, _FOR_PROGRAMS.get(code, error.name))
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        current_app.extensions["equipoise.log"].error("unexpected error", exc_info=error)
        text = gettext(
            "The fault is ours and has been noted. Every answer that you gave before this page is kept."
        )
        program = "The fault is ours and has been noted."
        return _page(gettext("Something went wrong on our side"), text, 500, program)


def _page(heading: str, text: str, code: int, for_programs: str = "") -> Response:
    if is_for_api():
        return problem(code, for_programs or text)
    token = (request.view_args or {}).get("token")
    way_on, way_on_words = None, ""
    if token and code != 404:
        way_on, way_on_words = url_for("participate.participant", token=token), gettext("Go on where I am")
    elif request.blueprint == "research" and code != 500:
        way_on, way_on_words = url_for("research.studies"), "Back to the studies"
    page = render_template("error.html", heading=heading, text=text, way_on=way_on, way_on_words=way_on_words)
    return make_response(page, code)
