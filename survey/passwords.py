"""Researchers' passwords: what is accepted, how they are hashed (Argon2id) and checked. No database."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from survey.errors import SurveyError

SHORTEST_PASSWORD = 10
"""Characters."""
LONGEST_PASSWORD = 1000

_HASHER = PasswordHasher()


class BadPassword(SurveyError):
    """A password that cannot be used; the message says why and never holds the password."""


def hash_password(password: str, *, name: str) -> str:
    """Return the Argon2id hash of a new password for the account ``name``.

    Slow on purpose, so never call it inside a transaction: SQLite lets nobody else write meanwhile.

    Raises
    ------
    BadPassword
        It is too short, too long, or the account's name.
    """
    password = _normalized(password)
    if len(password) < SHORTEST_PASSWORD:
        raise BadPassword(
            f"the password is shorter than {SHORTEST_PASSWORD} characters; a few words make a good one"
        )
    if len(password) > LONGEST_PASSWORD:
        raise BadPassword(f"the password is longer than {LONGEST_PASSWORD} characters; choose a shorter one")
    if password.casefold() == name.casefold():
        raise BadPassword("the password is the account's name; choose another")
    if len(set(password)) == 1:
        raise BadPassword("the password is one character repeated; choose another")
    return _HASHER.hash(password)


def is_password(password: str, password_hash: str | None) -> bool:
    """Tell whether ``password`` made ``password_hash``.

    Without a hash (nobody has the name that was typed) the work is the same and the answer False, so that the time
    taken does not tell which names exist.
    """
    unknown = _hash_of_nobody()
    if len(password) > LONGEST_PASSWORD:
        password, password_hash = "", None  # Nobody has it; hashing it would only take time.
    try:
        _HASHER.verify(password_hash or unknown, _normalized(password))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Tell whether the hash was made with weaker parameters than new ones are."""
    return _HASHER.check_needs_rehash(password_hash)


def _normalized(password: str) -> str:
    # The same letters typed on another keyboard may arrive composed differently.
    try:
        return unicodedata.normalize("NFKC", password).encode("utf-8").decode("utf-8")
    except UnicodeEncodeError:
        raise BadPassword("the password holds characters that are no text; type another") from None


@lru_cache(maxsize=1)
def _hash_of_nobody() -> str:
    return _HASHER.hash("nobody's password")
