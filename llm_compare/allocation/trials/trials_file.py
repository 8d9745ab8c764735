"""Write and read ``trials.jsonl``: a first line about the run, then a line per trial.

A line names its problem and says in which way it was put; the problems stand in their own file, so that a file of
trials about real people's records holds none of them but what a model said. What a reply was read as stands there
for whoever looks; on reading it is worked out anew from the raw text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from estimation.commands.writing import write_chunks
from llm_compare.allocation.problems.problem import Origin, Problem, ProblemSet
from llm_compare.allocation.problems.problems_file import problems_sha256
from llm_compare.allocation.trials.answer import AnsweredTrial, Outcome, RespondentKind, TrialFile
from llm_compare.allocation.trials.prompts import VERSION
from llm_compare.allocation.trials.reading import PARSER, Repair
from llm_compare.allocation.trials.trial import Task
from llm_compare.allocation.trials.trial_line import TrialLineReader
from llm_compare.errors import BadTrials
from llm_compare.replies.record import (
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
from llm_compare.replies.reply_parts import parts_of

FORMAT = "equipoise trials"
FORMAT_VERSION = 1

_WRITTEN_BY = "name a file written by 'equipoise compare viability', 'choose-one' or 'rank-all'"
_HEADER: Mapping[str, Kinds] = {
    "format": TEXT,
    "format_version": WHOLE,
    "label": TEXT,
    "model": TEXT,
    "kind": TEXT,
    "task": TEXT,
    "set_sha256": TEXT,
    "origin": TEXT,
    "planned": WHOLE,
    "complete": YES_OR_NO,
    "settings": TABLE,
    "prompt_version": WHOLE,
}


def write_trials(path: Path, file: TrialFile, *, problems: ProblemSet) -> None:
    """Write ``path`` whole or not at all. The same trials give the same bytes.

    Nobody but its owner may read the file if the problems are restricted: replies may quote people's records.
    """
    # ASCII, because a reply may hold half a surrogate pair, which UTF-8 cannot.
    lines = chain((_header_document(file),), (_line_document(a) for a in file.answered))
    write_chunks(
        path,
        (f"{json.dumps(line)}\n".encode("ascii") for line in lines),
        owner_only=problems.is_restricted or file.origin is Origin.REGISTRY,
    )


def read_trials(
    path: Path,
    problems: ProblemSet,
    *,
    repair: Repair = Repair.NONE,
    problems_by_name: Mapping[str, Problem] | None = None,
) -> TrialFile:
    """Read ``trials.jsonl`` and read its replies anew.

    Parameters
    ----------
    problems
        What the trials were about.
    repair
        What may be done to make an incomplete ranking whole.
    problems_by_name
        Further problems that trials may name, such as those of waiting lists.

    Raises
    ------
    BadTrials
        The file cannot be read, or is about other problems; the message names file and line.
    """
    lines = _lines(path)
    header = _read_header(path, lines[0])
    sha256 = problems_sha256(problems)
    if header["set_sha256"] != sha256:
        raise BadTrials(
            f"{path}: is about other problems (their SHA-256 begins {header['set_sha256'][:12]}, that of "
            f"'{problems.title}' {sha256[:12]}); name the file of problems that these trials were asked with"
        )
    reader = TrialLineReader(
        problems=problems,
        task=header["task"],
        by_people=header["kind"] is RespondentKind.PEOPLE,
        repair=repair,
        further=problems_by_name or {},
    )
    answered = []
    for number, text in enumerate(lines[1:], start=2):
        try:
            answered.append(reader.answered(_document(path, number, text)))
        except BadRecord as error:
            raise BadTrials(f"{path}:{number}: {error}; {_WRITTEN_BY}") from None
    if len(answered) > header["planned"]:
        raise BadTrials(
            f"{path}: holds {len(answered)} trials where {header['planned']} were planned; {_WRITTEN_BY}"
        )
    return TrialFile(
        label=header["label"],
        model=header["model"],
        kind=header["kind"],
        task=header["task"],
        set_sha256=sha256,
        origin=header["origin"],
        planned=header["planned"],
        answered=tuple(answered),
        settings=header["settings"],
        file=path,
    )


def _lines(path: Path) -> list[str]:
    try:
        # Not splitlines(), which also ends lines at characters that JSON may hold unescaped.
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except UnicodeDecodeError:
        raise BadTrials(f"{path}: is not UTF-8 text; {_WRITTEN_BY}") from None
    except OSError as error:
        raise BadTrials(f"{path}: {error.strerror}; name an existing file") from None
    if lines == [""]:
        raise BadTrials(f"{path}: is empty; {_WRITTEN_BY}")
    return lines


def _read_header(path: Path, text: str) -> dict[str, Any]:
    document = _document(path, 1, text)
    try:
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise BadRecord(f"format: is not '{FORMAT}'")
        if document.get("format_version") != FORMAT_VERSION:
            raise BadRecord(
                f"format_version: is {document.get('format_version')!r}, and this program reads {FORMAT_VERSION}"
            )
        header = checked(document, _HEADER)
        checked_items(list(header["settings"].values()), (str, int, float), "settings")
        return {
            **header,
            "kind": word_of(RespondentKind, header["kind"], "kind"),
            "task": word_of(Task, header["task"], "task"),
            "origin": word_of(Origin, header["origin"], "origin"),
        }
    except BadRecord as error:
        raise BadTrials(f"{path}:1: {error}; {_WRITTEN_BY}") from None


def _document(path: Path, number: int, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadTrials(
            f"{path}:{number}: is not JSON ({error.msg} at column {error.colno}); {_WRITTEN_BY}"
        ) from None
    except (ValueError, RecursionError):  # A number of thousands of digits, brackets nested a thousand deep.
        raise BadTrials(f"{path}:{number}: is JSON that nobody wrote; {_WRITTEN_BY}") from None


def _header_document(file: TrialFile) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "label": file.label,
        "model": file.model,
        "kind": file.kind.value,
        "task": file.task.value,
        "set_sha256": file.set_sha256,
        "origin": file.origin.value,
        "planned": file.planned,
        "complete": len(file.answered) == file.planned
        and all(a.read.outcome is not Outcome.ERROR for a in file.answered),
        "settings": dict(file.settings),
        "prompt_version": VERSION,
    }


def _line_document(answered: AnsweredTrial) -> dict[str, Any]:
    read = answered.read
    return {
        **answered.trial.as_dict(),
        "respondent": answered.respondent,
        "request_key": answered.request_key,
        "turns": list(answered.earlier),
        "outcome": read.outcome.value,
        "order": list(read.order),
        "viable": read.viable,
        "rule": read.rule,
        "repairs": list(read.repairs),
        "parser": PARSER,
        "reply": parts_of(answered.reply),
    }
