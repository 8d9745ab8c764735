"""Ids that recruitment platforms put in the study's address: read, hashed, sealed. Pure.

An id is kept as an HMAC with a key of the installation and the study, which recognizes a returning person and tells
nothing else; encrypted besides only where the design asks for it, for payment.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken

from survey.errors import SurveyError

LONGEST_ID = 200

# Platform -> the parameter that says who it is, then what else it says.
_PARAMETERS = {
    "prolific": ("PROLIFIC_PID", ("STUDY_ID", "SESSION_ID")),
    "mturk": ("workerId", ("assignmentId", "hitId")),
    "pid": ("pid", ()),
}
# MTurk shows a study to people who have not accepted it, with this in place of an assignment.
_MTURK_PREVIEW = "ASSIGNMENT_ID_NOT_AVAILABLE"


class BadRecruitmentId(SurveyError):
    """An address holds something that no recruitment platform would put there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recruited:
    """Who a visitor is to a recruitment platform."""

    source: str
    """``prolific``, ``mturk`` or ``pid``."""
    id: str
    details: tuple[tuple[str, str], ...] = ()
    """What else the platform said, e.g. ``SESSION_ID``."""


def read_ids(parameters: Mapping[str, str]) -> Recruited | None:
    """Return who the address's parameters say it is; None where they say nothing.

    Raises
    ------
    BadRecruitmentId
        An id is too long or holds control characters.
    """
    for source, (name, others) in _PARAMETERS.items():
        given = parameters.get(name, "").strip()
        if not given or parameters.get("assignmentId") == _MTURK_PREVIEW:
            continue
        details = tuple((other, parameters[other]) for other in others if parameters.get(other))
        for key, value in ((name, given), *details):
            if len(value) > LONGEST_ID or not value.isprintable():
                raise BadRecruitmentId(f"{key}: is no id of a recruitment platform")
        return Recruited(source=source, id=given, details=details)
    return None


def parameter_names() -> frozenset[str]:
    """Return every parameter that is read once and then dropped from the address."""
    return frozenset(name for first, others in _PARAMETERS.values() for name in (first, *others))


class IdKeeper:
    """Hashes and seals ids with keys that follow from the installation's secret key."""

    def __init__(self, secret_key: str) -> None:
        self._secret = secret_key.encode()
        self._fernet = Fernet(base64.urlsafe_b64encode(self._derived("sealed identities")))

    def hashed(self, study: str, recruited: Recruited) -> str:
        """Return the id's HMAC-SHA-256 (hex) with the key of the study's slug."""
        message = json.dumps([recruited.source, recruited.id])
        return hmac.new(self._derived(f"identities of {study}"), message.encode(), hashlib.sha256).hexdigest()

    def sealed(self, recruited: Recruited) -> str:
        """Return the ids encrypted."""
        return self._fernet.encrypt(
            json.dumps([recruited.source, recruited.id, recruited.details]).encode()
        ).decode()

    def opened(self, sealed: str) -> Recruited:
        """Return what :meth:`sealed` encrypted.

        Raises
        ------
        BadRecruitmentId
            It was encrypted with another key, or tampered with.
        """
        try:
            source, given, details = json.loads(self._fernet.decrypt(sealed.encode()))
        except (InvalidToken, ValueError):
            raise BadRecruitmentId(
                "ids were sealed with another secret key; use the EQUIPOISE_SECRET_KEY of that time"
            ) from None
        return Recruited(source=source, id=given, details=tuple((k, v) for k, v in details))

    def _derived(self, purpose: str) -> bytes:
        return hmac.new(self._secret, f"equipoise {purpose}".encode(), hashlib.sha256).digest()
