"""A hosted fine-tuning job as this machine knows it: what was sent where, and how far it got."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from estimation.commands.writing import write_text
from llm_compare.errors import BadHostedJob
from llm_compare.replies.record import (
    LIST,
    MAYBE_TEXT,
    MAYBE_WHOLE,
    TEXT,
    WHOLE,
    YES_OR_NO,
    BadRecord,
    Kinds,
    checked,
    checked_items,
    word_of,
)

FORMAT = "equipoise hosted fine-tuning"
FORMAT_VERSION = 1
SUCCEEDED = "succeeded"
FINISHED = frozenset({SUCCEEDED, "failed", "cancelled"})
"""States after which nothing changes."""
_PARTS: Mapping[str, Kinds] = {
    "provider": TEXT,
    "model": TEXT,
    "address": TEXT,
    "is_own_server": YES_OR_NO,
    "set_name": TEXT,
    "set_sha256": TEXT,
    "file_sha256": TEXT,
    "lines": WHOLE,
    "epochs": MAYBE_WHOLE,
    "suffix": MAYBE_TEXT,
    "seed": MAYBE_WHOLE,
    "ask": LIST,
    "file_id": MAYBE_TEXT,
    "is_asked_for": YES_OR_NO,
    "states": LIST,
    "job_id": MAYBE_TEXT,
    "tuned_model": MAYBE_TEXT,
    "trained_tokens": MAYBE_WHOLE,
    "failure": MAYBE_TEXT,
}


class HostedProvider(StrEnum):
    """Providers whose jobs litellm can create, follow and cancel, and whose files it can send."""

    OPENAI = "openai"
    AZURE = "azure"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """What a provider says of a job."""

    job_id: str
    status: str
    """``validating_files``, ``queued``, ``running``, ``succeeded``, ``failed`` or ``cancelled``."""
    tuned_model: str | None = None
    """As the provider names it; None until it is there."""
    trained_tokens: int | None = None
    """Tokens that the provider charges for; None until it says so."""
    failure: str | None = None
    """Why it failed, in the provider's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedJob:
    """One training set at one provider. Written to ``job.json`` after every step, so that none is taken twice."""

    provider: HostedProvider
    model: str
    """The base model, as the provider names it."""
    address: str
    is_own_server: bool
    """Whether the address was given: no key is then asked for."""
    set_name: str
    set_sha256: str
    """Of the prepared training file."""
    file_sha256: str
    """Of what is sent."""
    lines: int
    epochs: int | None
    """Passes over the training set; None leaves the number to the provider."""
    suffix: str | None
    seed: int | None
    ask: tuple[str, ...] = ()
    """The command that asks the tuned model the held-out comparisons, without ``--model``."""
    file_id: str | None = None
    """Set as soon as the file is there."""
    is_asked_for: bool = False
    """Set before the job is asked for: from then on there may be one, whatever was heard."""
    states: tuple[str, ...] = ()
    """Every status seen, in order."""
    job_id: str | None = None
    tuned_model: str | None = None
    trained_tokens: int | None = None
    failure: str | None = None

    @property
    def status(self) -> str:
        """How far it got, in one word."""
        if self.states:
            return self.states[-1]
        if self.file_id is None:
            return "not sent"
        return "asked for" if self.is_asked_for else "uploaded"

    @property
    def is_finished(self) -> bool:
        """Whether nothing changes any more."""
        return self.status in FINISHED

    @property
    def named_model(self) -> str | None:
        """The tuned model as ``compare ask`` is told of it; None until it is there."""
        return None if self.tuned_model is None else f"{self.provider.value}/{self.tuned_model}"

    @property
    def hyperparameters(self) -> dict[str, int]:
        """What is sent as such."""
        return {} if self.epochs is None else {"n_epochs": self.epochs}

    def seen(self, state: JobState) -> HostedJob:
        """Return the job with what its provider says of it."""
        states = self.states if self.states[-1:] == (state.status,) else (*self.states, state.status)
        return replace(
            self,
            job_id=state.job_id,
            states=states,
            tuned_model=state.tuned_model,
            trained_tokens=state.trained_tokens,
            failure=state.failure,
        )

    def differences(self, other: HostedJob) -> tuple[str, ...]:
        """Return what of the two does not agree among all that is decided before anything is sent."""
        decided = ("provider", "model", "address", "set_name", "file_sha256", "epochs", "suffix", "seed")
        return tuple(n for n in decided if getattr(self, n) != getattr(other, n))


def write_job(path: Path, job: HostedJob) -> None:
    """Write ``job.json``; only its owner may read it."""
    record = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(job)}
    write_text(path, json.dumps(record, indent=1) + "\n", owner_only=True)


def read_job(path: Path) -> HostedJob:
    """Read ``job.json``.

    Raises
    ------
    BadHostedJob
        It cannot be read, or is another file.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadHostedJob(
            f"{path}: {error.strerror}; give the file that 'compare tune hosted start --out' wrote"
        ) from None
    except ValueError as error:
        raise BadHostedJob(f"{path}: no JSON ({error})") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise BadHostedJob(f"{path}: this is no job of 'compare tune hosted start'")
    if record.get("format_version") != FORMAT_VERSION:
        raise BadHostedJob(
            f"{path}: format version {record.get('format_version')}, but this program reads {FORMAT_VERSION}"
        )
    try:
        return _job(
            {name: value for name, value in record.items() if name not in ("format", "format_version")}
        )
    except BadRecord as error:
        raise BadHostedJob(f"{path}: {error}; give another --out") from None


def _job(record: object) -> HostedJob:
    found = checked(record, _PARTS)
    return HostedJob(
        **{
            **found,
            "provider": word_of(HostedProvider, found["provider"], "provider"),
            "ask": tuple(checked_items(found["ask"], TEXT, "ask")),
            "states": tuple(checked_items(found["states"], TEXT, "states")),
        }
    )
