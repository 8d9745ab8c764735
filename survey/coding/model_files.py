"""What models suggest and propose, as ``equipoise compare suggest`` and ``propose`` write it. Pure.

Their own package makes and explains these files; here they are read as far as a study's coding needs them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from survey.answers import RespondentKind
from survey.coding.coded_elsewhere import LONGEST_RESPONDENT, SuggestionLine
from survey.coding.coding import CodingError, Outcome
from survey.coding.spreadsheet import shown
from survey.suggestions import Stance, as_written

SUGGESTIONS_FORMAT = "equipoise model suggestions"
PROPOSALS_FORMAT = "equipoise proposals"
_VERSION = 1
_NAMED, _NOTHING = "named", "nothing"
"""Outcomes of a reply that answers the question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSuggestions:
    """What one model suggests."""

    label: str
    """What the model is called."""
    study: str
    design_hash: str
    """Of the design that it was asked by."""
    lines: tuple[SuggestionLine, ...]
    """A line without text: the model was asked and names nothing."""
    unanswered: int
    """Refusals, unreadable replies and failed calls: not taken for respondents who name nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProposals:
    """What one model proposes for the suggestions of a coding."""

    label: str
    study: str
    version: str
    design_hash: str
    coding_sha256: str
    proposals: Mapping[int, tuple[str, ...] | Outcome]
    """Suggestion id -> categories, or an outcome that is none."""
    without: int
    """Suggestions that nothing readable was proposed for."""
    new_labels: tuple[str, ...]
    """Labels that it proposes for new categories: nothing is made of them."""


def read_model_suggestions(text: str, where: str) -> ModelSuggestions:
    """Read ``model_suggestions.jsonl``.

    Raises
    ------
    CodingError
        With file, line and key of what cannot be used.
    """
    rows = text.rstrip("\n").split("\n")
    header = _Part(_json(rows[0], f"{where}:1"), f"{where}:1")
    header.require(SUGGESTIONS_FORMAT)
    lines = []
    unanswered = 0
    for number, row in enumerate(rows[1:], start=2):
        part = _Part(_json(row, f"{where}:{number}"), f"{where}:{number}")
        outcome, text_ = part.text("outcome"), as_written(part.text("text"))
        if outcome not in (_NAMED, _NOTHING):
            unanswered += 1
            continue
        if (outcome == _NAMED) != bool(text_):
            raise part.wrong("text", f"does not agree with the outcome '{outcome}'")
        respondent = part.text("respondent")
        if not respondent.strip() or len(respondent) > LONGEST_RESPONDENT:
            raise part.wrong(
                "respondent", f"has {len(respondent)} characters; 1 to {LONGEST_RESPONDENT} are kept"
            )
        lines.append(
            SuggestionLine(
                line=number,
                respondent=respondent,
                kind=RespondentKind(part.word("kind", [RespondentKind.MODEL.value])),
                stance=Stance(part.word("stance", [stance.value for stance in Stance])),
                number=part.whole("number"),
                text=text_,
                why=part.text("why"),
                direction=part.text("direction"),
                language=part.text("language"),
            )
        )
    return ModelSuggestions(
        label=header.text("label"),
        study=header.text("study"),
        design_hash=header.text("design_hash"),
        lines=tuple(lines),
        unanswered=unanswered,
    )


def read_model_proposals(text: str, where: str) -> ModelProposals:
    """Read ``proposals.json``; raises as :func:`read_model_suggestions`."""
    document = _Part(_json(text, where), where)
    document.require(PROPOSALS_FORMAT)
    proposals: dict[int, tuple[str, ...] | Outcome] = {}
    for number, entry in enumerate(document.entries("proposals"), start=1):
        part = _Part(entry, f"{where}: proposals[{number}]")
        suggestion = part.whole("suggestion")
        outcome = Outcome(part.word("outcome", [outcome.value for outcome in Outcome]))
        names = part.entries("categories")
        if not all(isinstance(name, str) for name in names):
            raise part.wrong("categories", "holds something else than names")
        if (outcome is Outcome.CATEGORY) != bool(names):
            raise part.wrong("categories", f"does not agree with the outcome '{outcome.value}'")
        if suggestion in proposals:
            raise part.wrong("suggestion", f"{suggestion} stands there twice")
        proposals[suggestion] = tuple(map(str, names)) if names else outcome
    return ModelProposals(
        label=document.text("label"),
        study=document.text("study"),
        version=document.text("version"),
        design_hash=document.text("design_hash"),
        coding_sha256=document.text("coding_sha256"),
        proposals=proposals,
        without=len(document.entries("without_proposal")),
        new_labels=tuple(
            _Part(entry, f"{where}: new_labels[{number}]").text("label")
            for number, entry in enumerate(document.entries("new_labels"), start=1)
        ),
    )


class _Part:
    """A table of a file, with its place for complaints."""

    def __init__(self, table: object, where: str) -> None:
        if not isinstance(table, dict):
            raise CodingError(f"{where}: is not a table")
        self._table: dict[str, Any] = table
        self._where = where

    def require(self, name: str) -> None:
        """Raise unless this is the beginning of a file of the format called ``name``."""
        if self._table.get("format") != name:
            raise CodingError(f'{self._where}: does not say "format": "{name}"')
        if self._table.get("format_version") != _VERSION:
            raise CodingError(
                f"{self._where}: is of format version {self._table.get('format_version')!r}, this program reads "
                f"{_VERSION}; use the Equipoise that wrote it, or a newer one"
            )

    def wrong(self, key: str, text: str) -> CodingError:
        """Return a complaint about a key."""
        return CodingError(f"{self._where}: {key}: {text}")

    def text(self, key: str) -> str:
        value = self._table.get(key)
        if not isinstance(value, str):
            raise self.wrong(key, "is missing" if value is None else f"is {shown(str(value))}, not text")
        return value

    def word(self, key: str, words: list[str]) -> str:
        value = self.text(key)
        if value not in words:
            raise self.wrong(key, f"{shown(value)} is none of {', '.join(words)}")
        return value

    def whole(self, key: str) -> int:
        value = self._table.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(
                key, "is missing" if value is None else f"is {shown(str(value))}, not a whole number"
            )
        return value

    def entries(self, key: str) -> list[Any]:
        value = self._table.get(key)
        if not isinstance(value, list):
            raise self.wrong(key, "is missing" if value is None else "is not a list")
        return value


def _json(text: str, where: str) -> object:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CodingError(f"{where}: is not JSON ({error})") from None
    return found
