"""Random secrets and codes."""

from __future__ import annotations

import secrets

# No 0/O, 1/I/L: codes are read aloud and typed by hand.
_CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def new_token() -> str:
    """Return a secret that nobody can guess, safe in an address."""
    return secrets.token_urlsafe(24)


def random_code(length: int) -> str:
    """Return random letters and digits that are hard to mistake for each other."""
    return "".join(secrets.choice(_CODE_LETTERS) for _ in range(length))
