"""Researchers only: one token, handed over in a link or a form, kept in the signed session cookie."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import redirect, session, url_for
from werkzeug.wrappers import Response

from survey.web.context import the_context

_SESSION_KEY = "researcher"

P = ParamSpec("P")
R = TypeVar("R")


def sign_in(token: str) -> bool:
    """Open the researcher's session if ``token`` is right; compares in constant time."""
    right = the_context().secrets.research_token
    if not hmac.compare_digest(token.encode(), right.encode()):
        return False
    session.clear()
    session.permanent = True
    session[_SESSION_KEY] = _fingerprint(right)
    return True


def sign_out() -> None:
    """Close the researcher's session."""
    session.clear()


def is_researcher() -> bool:
    """Tell whether this request comes from a signed-in researcher. A changed token signs everybody out."""
    kept = session.get(_SESSION_KEY)
    right = _fingerprint(the_context().secrets.research_token)
    return isinstance(kept, str) and hmac.compare_digest(kept, right)


def researchers_only(view: Callable[P, R]) -> Callable[P, R | Response]:
    """Send everybody else to the sign-in page."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R | Response:
        if not is_researcher():
            return redirect(url_for("research.sign_in_page"), code=303)
        return view(*args, **kwargs)

    return guarded


def _fingerprint(token: str) -> str:
    return hashlib.sha256(f"researcher {token}".encode()).hexdigest()
