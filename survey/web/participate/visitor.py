"""What a browser tells us before and besides the participant's own address: ids, language, the place it had."""

from __future__ import annotations

import hmac
import json
import math
from typing import Any

from flask import abort, request, session

from survey.config import REHEARSAL_HEADER, REHEARSED_DESIGN_HEADER
from survey.recruitment import BadRecruitmentId, IdKeeper, Recruited
from survey.web.context import the_context

_IDS = "ids"
_PLACES = "places"
_LONGEST_SECONDS = 7 * 24 * 3600.0
_MOST_PIXELS = 20_000
_MOST_BLURS = 10_000
_LONGEST_CLIENT_TEXT = 500
# A cookie holds 4 kB, and a browser drops a larger one with everything in it.
_MOST_STUDIES_WITH_IDS = 3
_MOST_PLACES = 5
_INPUTS = ("mouse", "touch", "pen", "keyboard", "other")


def id_keeper() -> IdKeeper:
    """Return what hashes and seals recruitment ids for this installation."""
    return IdKeeper(the_context().secrets.secret_key)


def keep_ids(slug: str, recruited: Recruited) -> None:
    """Keep the ids, encrypted, in the visitor's own cookie: Start, also pressed again, finds the person by them."""
    _keep(_IDS, slug, id_keeper().sealed(recruited), most=_MOST_STUDIES_WITH_IDS)


def kept_ids(slug: str) -> Recruited | None:
    """Return the ids that the visitor's first address had, if any."""
    sealed = _kept(_IDS).get(slug)
    if sealed is None:
        return None
    try:
        return id_keeper().opened(sealed)
    except BadRecruitmentId:
        return None  # The installation's key was changed meanwhile: as good as a visitor without ids.


def keep_place(slug: str, token: str) -> None:
    """Let this browser find its way back. Only a convenience: the participant's address is what counts."""
    _keep(_PLACES, slug, token, most=_MOST_PLACES)


def _keep(what: str, slug: str, value: str, *, most: int) -> None:
    """Keep something of a study in the cookie, of the studies visited last only; as pairs, whose order it keeps."""
    others = [[name, kept] for name, kept in _kept(what).items() if name != slug]
    session[what] = [*others, [slug, value]][-most:]


def _kept(what: str) -> dict[str, str]:
    return dict(session.get(what, ()))


def kept_place(slug: str) -> str | None:
    """Return the token of the participant who started in this browser."""
    return _kept(_PLACES).get(slug)


def is_rehearsal() -> bool:
    """Tell whether the request comes from a rehearsal; a header with a wrong token is refused."""
    given = request.headers.get(REHEARSAL_HEADER)
    if given is None:
        return False
    if not hmac.compare_digest(given.encode(), the_context().secrets.rehearsal_token.encode()):
        abort(403)
    return True


def rehearsed_design() -> str | None:
    """Return the hash of the design that a rehearsal asks for; people take the open version."""
    return request.headers.get(REHEARSED_DESIGN_HEADER) if is_rehearsal() else None


def read_seconds(text: str) -> tuple[float | None, str]:
    """Read the browser's measure; return it with the reason it is missing or not to be believed, if any."""
    if not text:
        return None, "not measured (no script)"
    try:
        seconds = float(text)
    except ValueError:
        return None, "not readable"
    if not math.isfinite(seconds) or not 0 <= seconds <= _LONGEST_SECONDS:
        return None, "not plausible"
    return seconds, ""


def read_client(text: str) -> dict[str, Any]:
    """Read what else the browser told about how the answer was given; what is not plausible is left out."""
    if not text or len(text) > _LONGEST_CLIENT_TEXT:
        return {}
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(told, dict):
        return {}
    kept: dict[str, Any] = {}
    if told.get("input") in _INPUTS:
        kept["input"] = told["input"]
    if _is_number(told.get("hidden_seconds"), _LONGEST_SECONDS):
        kept["hidden_seconds"] = round(float(told["hidden_seconds"]), 3)
    for name, most in (("blurs", _MOST_BLURS), ("width", _MOST_PIXELS), ("height", _MOST_PIXELS)):
        if _is_number(told.get(name), most):
            kept[name] = int(told[name])
    return kept


def _is_number(value: object, most: float) -> bool:
    return (
        # Compared, which any number can be: a whole number of hundreds of digits has no float.
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
    )
