"""Figures of a coding that were worked out once, kept in files of the installation until there are newer ones.

They hold counts, intervals and pictures, and of what people wrote only directions that at least
``survey.coding.directions.FEWEST`` people gave in the same words. Whoever is erased stands in such counts, too, so
that erasing deletes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from survey.writing import write_text

_FOLDER = "coding"
_REVISION = 2
"""Raised when what the files hold changes between two versions of Equipoise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """Figures as they were worked out from one state of a coding."""

    state: str
    """``coding_state`` of what they are from."""
    at: datetime
    files: Mapping[str, str]
    """File name -> text: JSON, SVG, CSV, HTML."""
    problem: str = ""
    """Why there are none, as a sentence; else empty."""
    is_fault: bool = False
    """Whether that is a fault of ours, and not the coding's."""

    def json(self, name: str) -> dict[str, object]:
        """Return the JSON object in one of the files."""
        found = json.loads(self.files[name])
        if not isinstance(found, dict):
            raise TypeError(f"{name} holds no JSON object")
        return found


def figures_file(state_dir: Path, study_id: int, kind: str) -> Path:
    """Return the file that keeps the figures of one kind of a study."""
    return state_dir / _FOLDER / f"{study_id}-{kind}.json"


def read_figures(file: Path) -> Worked | None:
    """Return what is kept; None where there is nothing, or what another version of Equipoise wrote."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["format"] != _format():
            return None
        return Worked(
            state=kept["state"],
            at=datetime.fromisoformat(kept["at"]),
            files=kept["files"],
            problem=kept["problem"],
            is_fault=kept["is_fault"],
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError):
        return None  # Of another version of Equipoise: worked out anew.


def keep_figures(file: Path, worked: Worked) -> None:
    """Write figures whole, for the service's account alone: other processes read them at any moment.

    Raises
    ------
    OSError
        They cannot be written.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {
        "format": _format(),
        "state": worked.state,
        "at": worked.at.isoformat(),
        "files": dict(worked.files),
        "problem": worked.problem,
        "is_fault": worked.is_fault,
    }
    write_text(file, json.dumps(kept), owner_only=True)


@contextmanager
def working_alone(file: Path) -> Iterator[None]:
    """Keep whoever else would work out figures of this installation on this host waiting meanwhile, in whatever
    process: two would only slow each other and the pages, and often for the same figures.

    Raises
    ------
    OSError
        The state folder cannot be written to.
    """
    # Beside the folder, which may be deleted at any time.
    place = file.parent.with_suffix(".lock")
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w") as lock:
        try:
            import fcntl
        except ImportError:
            pass  # Windows, where one process serves all pages.
        else:
            # Given back when the file is closed, also by a process that is killed.
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def forget_figures(state_dir: Path, study_id: int) -> None:
    """Delete what is kept of a study."""
    for file in (state_dir / _FOLDER).glob(f"{study_id}-*.json"):
        file.unlink(missing_ok=True)


def _format() -> str:
    # Another version may count, or write, otherwise.
    return f"equipoise {version('equipoise')} figures of a coding {_REVISION}"
