"""``proposals.json``: what a model proposes for the suggestions of a coding, kept apart from what coders say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_compare.errors import BadReplies
from llm_compare.prompting.call import is_scripted
from llm_compare.replies.reply import RecordedReply
from llm_compare.suggesting.category_call import CategoryCall, protocol_sha256
from llm_compare.suggesting.category_reading import READER, NotProposed, Proposal, read_proposals
from survey.coding.coding import Coding, Outcome
from survey.writing import write_text

FORMAT = "equipoise proposals"
FORMAT_VERSION = 1

_WRITTEN_BY = "name a file written by 'equipoise compare propose'"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalFile:
    """Everything that one model proposes."""

    label: str
    model: str
    coding: Coding
    coding_sha256: str
    protocol: Mapping[str, Any]
    planned: int
    """Suggestions asked about."""
    found: Mapping[int, tuple[Proposal | NotProposed, str]]
    """Suggestion id -> what was read, and the key of the call; in the order of ids."""
    manifest: Mapping[str, Any]

    @property
    def complete(self) -> bool:
        """Whether a reply came about every suggestion, whatever it says."""
        failed = any(read is NotProposed.FAILED_CALL for read, _ in self.found.values())
        return len(self.found) == self.planned and not failed

    @property
    def counts(self) -> Mapping[str, int]:
        """How many suggestions came to which outcome; ``no_proposal`` counts what was not readable."""
        found = Counter(
            read.outcome.value if isinstance(read, Proposal) else "no_proposal"
            for read, _ in self.found.values()
        )
        return {name: found[name] for name in (*(o.value for o in Outcome), "no_proposal")}

    @property
    def new_labels(self) -> Mapping[str, Sequence[int]]:
        """Labels proposed for new categories -> suggestions; the same words in another case are one label."""
        labels: dict[str, str] = {}
        found: dict[str, list[int]] = {}
        for suggestion, (read, _) in self.found.items():
            if isinstance(read, Proposal) and read.new_label:
                label = labels.setdefault(" ".join(read.new_label.casefold().split()), read.new_label)
                found.setdefault(label, []).append(suggestion)
        return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def proposal_file(
    coding: Coding,
    calls: Sequence[CategoryCall],
    replies: Sequence[RecordedReply[CategoryCall]],
    *,
    label: str,
    protocol: Mapping[str, Any],
    manifest: Mapping[str, Any],
) -> ProposalFile:
    """Return what replies to the calls of one plan propose."""
    found: dict[int, tuple[Proposal | NotProposed, str]] = {}
    for one in replies:
        call = one.request
        for suggestion, read in zip(call.suggestions, read_proposals(one.reply, call), strict=True):
            found[suggestion.id] = (read, call.key)
    return ProposalFile(
        label=label,
        model=calls[0].model,
        coding=coding,
        coding_sha256=calls[0].coding_sha256,
        protocol=protocol,
        planned=sum(len(call.suggestions) for call in calls),
        found=dict(sorted(found.items())),
        manifest=manifest,
    )


def write_proposals(path: Path, file: ProposalFile) -> None:
    """Write ``path`` whole or not at all. The same replies give the same bytes."""
    write_text(path, json.dumps(document_of(file), indent=1, ensure_ascii=False) + "\n")


def document_of(file: ProposalFile) -> dict[str, Any]:
    """Return the content of the file."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "label": file.label,
        "model": file.model,
        "scripted": is_scripted(file.model),
        "study": file.coding.study,
        "version": file.coding.version,
        "design_hash": file.coding.design_hash,
        "coding_sha256": file.coding_sha256,
        "protocol": dict(file.protocol),
        "protocol_sha256": protocol_sha256(file.protocol),
        "reader": READER,
        "planned": file.planned,
        "complete": file.complete,
        "counts": dict(file.counts),
        "proposals": [
            {
                "suggestion": suggestion,
                "outcome": read.outcome.value,
                "categories": list(read.categories),
                "request_key": key,
            }
            for suggestion, (read, key) in file.found.items()
            if isinstance(read, Proposal)
        ],
        "without_proposal": [
            {"suggestion": suggestion, "why": read.value, "request_key": key}
            for suggestion, (read, key) in file.found.items()
            if isinstance(read, NotProposed)
        ],
        "new_labels": [
            {"label": label, "suggestions": list(suggestions)}
            for label, suggestions in file.new_labels.items()
        ],
        "manifest": dict(file.manifest),
    }


def read_proposal_document(path: Path) -> dict[str, Any]:
    """Read ``proposals.json`` as it stands.

    Raises
    ------
    BadReplies
        There is no such file, or it holds something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadReplies(f"{path}: {error.strerror}; {_WRITTEN_BY}") from None
    except (ValueError, RecursionError) as error:
        raise BadReplies(f"{path}: is not JSON ({error}); {_WRITTEN_BY}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadReplies(f"{path}: holds no proposals; {_WRITTEN_BY}")
    if document.get("format_version") != FORMAT_VERSION:
        raise BadReplies(
            f"{path}: is of version {document.get('format_version')!r} of the format, this program reads "
            f"{FORMAT_VERSION}; ask again with 'equipoise compare propose', which sends nothing twice"
        )
    return document
