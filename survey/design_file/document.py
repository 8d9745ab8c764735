"""The text of ``design.toml`` as a document, with bounds: a file that anybody sends must not stop the service.

Python's reader of TOML takes time and memory with the square of a dotted key's parts, and as much of its own stack
as tables are nested. A design needs few of either.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from survey.design_file.complaints import without_strings
from survey.errors import BadDesign

LONGEST_DESIGN = 1_000_000
"""Characters."""
MOST_NESTED = 10
"""Tables and lists within each other, and parts of a dotted key."""

_LONG_NUMBER = re.compile(r"\b0[xob][0-9A-Fa-f_]{20}")
_MARK = re.compile(r"[\[\]{}=,.\n]")
_LONG = "holds a number with more digits than anything in a design has; shorten it"


def read_document(text: str, where: str) -> dict[str, Any]:
    """Return the document that the text of a design file holds.

    Raises
    ------
    BadDesign
        It is not valid TOML, too long, or nested too deep.
    """
    if len(text) > LONGEST_DESIGN:
        raise BadDesign(
            [f"{where}: is longer than {LONGEST_DESIGN:,} characters; no design needs as many"], where
        )
    plain = without_strings(text)
    line = _too_deep(plain)
    if line:
        raise BadDesign(
            [f"{where}:{line}: is nested more than {MOST_NESTED} deep, which nothing in a design is"], where
        )
    # Python reads such a number and then refuses to write it into a complaint.
    if _LONG_NUMBER.search(plain):
        raise BadDesign([f"{where}: {_LONG}"], where)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadDesign([f"{where}: not valid TOML: {error}"], where) from None
    except ValueError:
        # Python turns no more than some thousand digits into a number.
        raise BadDesign([f"{where}: {_LONG}"], where) from None


def _too_deep(plain: str) -> int:
    """Return the first line of a text without strings that is nested too deep; 0 if there is none."""
    line, depth, dots = 1, 0, 0
    for mark in _MARK.findall(plain):
        if mark == ".":
            dots += 1
        else:
            dots = 0
            depth += (mark in "[{") - (mark in "]}")
        if depth > MOST_NESTED or dots >= MOST_NESTED:
            return line
        line += mark == "\n"
    return 0
