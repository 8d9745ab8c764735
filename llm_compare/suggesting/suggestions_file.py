"""Write and read ``model_suggestions.jsonl``: a first line about the run, then what a model suggests, line by line.

A line is one suggestion. A respondent whose reply holds none has one line for the question, with number 0 and the
outcome: who names nothing was asked, and who refuses is not taken for somebody who names nothing. The replies
themselves stay in the database, under the keys that the lines carry.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_compare.errors import BadReplies
from llm_compare.prompting.call import is_scripted
from llm_compare.replies.record import (
    LIST,
    TABLE,
    TEXT,
    WHOLE,
    YES_OR_NO,
    BadRecord,
    Kinds,
    checked,
    checked_items,
    word_of,
)
from llm_compare.replies.reply import RecordedReply
from llm_compare.suggesting.open_question import (
    VERSION,
    Form,
    OpenCall,
    Part,
    parts_of,
    respondent_name,
    stances_of,
)
from llm_compare.suggesting.reading import READER, Outcome, Read, read_suggestions
from survey.answers import RespondentKind
from survey.coding.repeats import model_of
from survey.design import StudyDesign, design_hash
from survey.suggestions import Entry, Stance
from survey.writing import write_chunks

FORMAT = "equipoise model suggestions"
FORMAT_VERSION = 1

_WRITTEN_BY = "name a file written by 'equipoise compare suggest'"
_HEADER: Mapping[str, Kinds] = {
    "format": TEXT,
    "format_version": WHOLE,
    "label": TEXT,
    "model": TEXT,
    "scripted": YES_OR_NO,
    "study": TEXT,
    "study_version": TEXT,
    "design_hash": TEXT,
    "language": TEXT,
    "form": TEXT,
    "persona": TEXT,
    "repeats": WHOLE,
    "stances": LIST,
    "settings": TABLE,
    "prompt_version": WHOLE,
    "reader": TEXT,
    "planned": WHOLE,
    "complete": YES_OR_NO,
    "manifest": TABLE,
}
_LINE: Mapping[str, Kinds] = {
    "respondent": TEXT,
    "kind": TEXT,
    "model": TEXT,
    "repeat": WHOLE,
    "stance": TEXT,
    "outcome": TEXT,
    "number": WHOLE,
    "text": TEXT,
    "direction": TEXT,
    "why": TEXT,
    "language": TEXT,
    "rule": TEXT,
    "request_key": TEXT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one repeat of a model said to one open question."""

    respondent: str
    repeat: int
    stance: Stance
    outcome: Outcome
    rule: str
    entries: tuple[Entry, ...]
    request_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionFile:
    """What one model suggests."""

    label: str
    model: str
    study: str
    study_version: str
    design_hash: str
    language: str
    form: Form
    persona: str
    repeats: int
    stances: tuple[Stance, ...]
    settings: Mapping[str, Any]
    """As sent."""
    planned: int
    """Calls in the plan; more than there are answers when the run was stopped."""
    answered: tuple[Answered, ...]
    manifest: Mapping[str, Any]

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """How many calls came to what, every outcome named."""
        found = Counter(a.outcome for a in self.answered)
        return {outcome: found[outcome] for outcome in Outcome}

    @property
    def suggestions(self) -> int:
        """How many suggestions there are."""
        return sum(len(a.entries) for a in self.answered)

    @property
    def complete(self) -> bool:
        """Whether every planned call has a reply, whatever it says."""
        return len(self.answered) == self.planned and not self.counts[Outcome.ERROR]


def suggestion_file(
    design: StudyDesign,
    calls: Sequence[OpenCall],
    replies: Sequence[RecordedReply[OpenCall]],
    *,
    label: str,
    manifest: Mapping[str, Any],
) -> SuggestionFile:
    """Return what replies to the calls of one plan say.

    Raises
    ------
    CannotAsk
        The label is too long for a respondent's name.
    """
    first = calls[0]
    return SuggestionFile(
        label=label,
        model=first.model,
        study=design.slug,
        study_version=design.version,
        design_hash=design_hash(design),
        language=first.language,
        form=first.form,
        persona=first.persona,
        repeats=max(call.repeat for call in calls),
        stances=stances_of(calls),
        settings=first.settings.sent(),
        planned=len(calls),
        answered=tuple(_answered(one, design, label) for one in replies),
        manifest=manifest,
    )


def _answered(recorded: RecordedReply[OpenCall], design: StudyDesign, label: str) -> Answered:
    call = recorded.request
    read: Read = read_suggestions(recorded.reply, parts_of(call.question))
    return Answered(
        respondent=respondent_name(
            label, language=call.language, own_language=design.language, repeat=call.repeat
        ),
        repeat=call.repeat,
        stance=call.question.stance,
        outcome=read.outcome,
        rule=read.rule.value,
        entries=read.entries,
        request_key=call.key,
    )


def write_suggestions(path: Path, file: SuggestionFile) -> None:
    """Write ``path`` whole or not at all. The same replies give the same bytes."""
    # ASCII, as in the other files of models' replies.
    write_chunks(path, (f"{json.dumps(line)}\n".encode("ascii") for line in _lines(file)))


def _lines(file: SuggestionFile) -> Iterator[dict[str, Any]]:
    yield {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "label": file.label,
        "model": file.model,
        "scripted": is_scripted(file.model),
        "study": file.study,
        "study_version": file.study_version,
        "design_hash": file.design_hash,
        "language": file.language,
        "form": file.form.value,
        "persona": file.persona,
        "repeats": file.repeats,
        "stances": [stance.value for stance in file.stances],
        "settings": dict(file.settings),
        "prompt_version": VERSION,
        "reader": READER,
        "planned": file.planned,
        "complete": file.complete,
        "manifest": dict(file.manifest),
    }
    for answered in file.answered:
        for number, entry in enumerate(answered.entries, start=1):
            yield _line(file, answered, number, entry)
        if not answered.entries:
            yield _line(file, answered, 0, Entry(text=""))


def _line(file: SuggestionFile, answered: Answered, number: int, entry: Entry) -> dict[str, Any]:
    return {
        "respondent": answered.respondent,
        "kind": RespondentKind.MODEL.value,
        "model": file.model,
        "repeat": answered.repeat,
        "stance": answered.stance.value,
        "outcome": answered.outcome.value,
        "number": number,
        **{part.value: str(getattr(entry, part)) for part in (Part.TEXT, Part.DIRECTION, Part.WHY)},
        "language": file.language,
        "rule": answered.rule,
        "request_key": answered.request_key,
    }


def read_suggestion_file(path: Path) -> SuggestionFile:
    """Read ``model_suggestions.jsonl``.

    Raises
    ------
    BadReplies
        It cannot be read; the message names file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except UnicodeDecodeError:
        raise BadReplies(f"{path}: is not UTF-8 text; {_WRITTEN_BY}") from None
    except OSError as error:
        raise BadReplies(f"{path}: {error.strerror}; name an existing file") from None
    header = _header(path, lines[0])
    found: dict[tuple[str, Stance], Answered] = {}
    for number, text in enumerate(lines[1:], start=2):
        try:
            _take(found, checked(_document(text), _LINE))
        except BadRecord as error:
            raise BadReplies(f"{path}:{number}: {error}; {_WRITTEN_BY}") from None
    return SuggestionFile(
        **{name: header[name] for name in ("label", "model", "study", "study_version", "design_hash")},
        **{name: header[name] for name in ("language", "persona", "repeats", "settings", "planned")},
        form=header["form"],
        stances=header["stances"],
        answered=tuple(found.values()),
        manifest=header["manifest"],
    )


def _take(found: dict[tuple[str, Stance], Answered], line: dict[str, Any]) -> None:
    stance = word_of(Stance, line["stance"], "stance")
    outcome = word_of(Outcome, line["outcome"], "outcome")
    word_of(RespondentKind, line["kind"], "kind")
    key = (line["respondent"], stance)
    before = found.get(key)
    if line["number"] != (len(before.entries) + 1 if before else int(outcome is Outcome.NAMED)):
        raise BadRecord(f"number: is {line['number']}, which is not the next of {line['respondent']}")
    if (outcome is Outcome.NAMED) != bool(line["text"]) or (before and before.outcome is not outcome):
        raise BadRecord(f"outcome: '{outcome}' does not agree with what {line['respondent']} says")
    entry = Entry(text=line["text"], why=line["why"], direction=line["direction"])
    found[key] = Answered(
        respondent=line["respondent"],
        repeat=line["repeat"],
        stance=stance,
        outcome=outcome,
        rule=line["rule"],
        entries=(*(before.entries if before else ()), *([entry] if line["number"] else [])),
        request_key=line["request_key"],
    )


def _header(path: Path, text: str) -> dict[str, Any]:
    try:
        document = _document(text)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise BadRecord(f"format: is not '{FORMAT}'")
        if document.get("format_version") != FORMAT_VERSION:
            raise BadRecord(
                f"format_version: is {document.get('format_version')!r}, and this program reads {FORMAT_VERSION}"
            )
        header = checked(document, _HEADER)
        stances = checked_items(header["stances"], TEXT, "stances")
        return {
            **header,
            "form": word_of(Form, header["form"], "form"),
            "stances": tuple(word_of(Stance, s, "stances") for s in stances),
        }
    except BadRecord as error:
        raise BadReplies(f"{path}:1: {error}; {_WRITTEN_BY}") from None


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"is not JSON ({error})") from None


def models_of(respondents: Sequence[str]) -> dict[str, list[str]]:
    """Return the respondents of each model, in their order."""
    found: dict[str, list[str]] = {}
    for respondent in respondents:
        found.setdefault(model_of(respondent), []).append(respondent)
    return found
