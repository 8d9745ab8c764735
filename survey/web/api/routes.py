"""The API's blueprint: every call carries a bearer token; cookies never open it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Blueprint, Response, abort, g, request

from survey.db import reading, writing
from survey.store import api_tokens
from survey.tables import ApiTokenRow, TokenScope
from survey.web.context import now, the_engine
from survey.web.problems import problem

blueprint = Blueprint("api", __name__, template_folder="templates")

P = ParamSpec("P")
R = TypeVar("R")

_OPEN_TO_ALL = frozenset({"api.openapi", "api.described"})


@blueprint.before_request
def require_token() -> Response | None:
    """Answer 401 unless the request carries a token that works, and note the day on which it was used."""
    if request.endpoint in _OPEN_TO_ALL:
        return None
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    moment = now()
    token = None
    if kind.lower() == "bearer" and secret:
        with reading(the_engine()) as session:
            token = api_tokens.find_token(session, secret.strip(), now=moment)
    if token is None:
        refused = problem(
            401,
            "Send an API token that works, as the header 'Authorization: Bearer TOKEN'. Owners make tokens on the "
            "researcher's pages or with 'equipoise account token add'; they expire and can be revoked.",
        )
        refused.headers["WWW-Authenticate"] = 'Bearer realm="Equipoise"'
        return refused
    if not api_tokens.used_today(token, moment):
        with writing(the_engine()) as session:
            api_tokens.note_use(session, token.id, now=moment)
    g.api_token = token
    return None


def api_actor() -> str:
    """Return who acts, for events."""
    return f"API {_the_token().label}"


def needs_write(view: Callable[P, R]) -> Callable[P, R]:
    """Refuse (403) tokens that may only read."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        if _the_token().scope is not TokenScope.WRITE:
            abort(problem(403, "This token may only read; use one that was made with the scope 'write'."))
        return view(*args, **kwargs)

    return guarded


def _the_token() -> ApiTokenRow:
    token = g.api_token
    if not isinstance(token, ApiTokenRow):
        raise TypeError("the view is not behind require_token")
    return token
