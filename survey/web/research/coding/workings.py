"""Figures that take seconds: worked out beside the requests, kept in a file, shown until there are newer ones.

With ten thousand suggestions, agreement and its intervals take longer than anybody should wait for a page. A page
asks for the figures of the coding as it is now; where they are not there yet, it shows those from before, if any,
and says so. A thread sees to them, one at a time in all processes that serve pages. Where there are many
suggestions, a process of its own works them out: a thread at work would slow every page of its process.

What is kept are texts that a study's researchers may see; ``survey.kept_figures`` says which words of people may be
in them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TypeVar

from flask import Flask, current_app

from survey.beside import WorkStopped, worked_beside
from survey.errors import EquipoiseError
from survey.kept_figures import Worked, figures_file, keep_figures, read_figures, working_alone
from survey.web.context import now, the_context

_EXTENSION = "equipoise.coding_figures"
# What failed by a fault of ours may have been short of memory: it is tried again, but not by every page.
_AGAIN_AFTER = timedelta(minutes=10)
# Studies with few suggestions need no second look at the page.
WAIT_SECONDS = 0.1
# Figures of fewer suggestions take less time than a new process takes to begin.
MANY_SUGGESTIONS = 1_000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What there is to show."""

    latest: Worked | None
    """None: nothing was ever worked out."""
    is_current: bool
    """Whether they are of the coding as it is now; else newer ones are on their way."""
    begun_at: datetime | None = None
    """When what is on its way was begun, if that is known here: ``latest.at`` of what it will be."""


class _Workshop:
    """Works out one thing at a time: two would only slow each other, and the pages.

    Of one kind of figures at most one is under way. While coders work, every look at the page finds another state;
    working out each of them would go on long after nobody wants it any more.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="coding-figures")
        self._under_way: dict[Path, tuple[Future[None], datetime, float]] = {}

    def begin(
        self, file: Path, work: Callable[[], None], at: datetime
    ) -> tuple[Future[None], datetime, float]:
        """Begin ``work``, unless figures for this file are under way; return what is, and since when: the time of
        the service, and that of a clock which nobody sets."""
        with self._lock:
            self._under_way = {file: each for file, each in self._under_way.items() if not each[0].done()}
            if file not in self._under_way:
                self._under_way[file] = self._pool.submit(work), at, monotonic()
            return self._under_way[file]

    def wait(self) -> None:
        """Return when nothing is under way."""
        with self._lock:
            under_way = [future for future, *_ in self._under_way.values()]
        wait_for(under_way)


def figures_of(
    study_id: int, kind: str, state: str, work: Callable[[], Mapping[str, str]], *, wait: float = WAIT_SECONDS
) -> Figures:
    """Return the figures of one kind, beginning to work them out where those kept are of an earlier state.

    Parameters
    ----------
    kind
        What they are of, e.g. ``agreement``: name of the file that keeps them.
    state
        ``coding_state`` as it is now.
    work
        Works them out in a thread without request: file name -> text. An ``EquipoiseError`` is kept as the reason
        why there are none.
    wait
        Seconds to wait, from the beginning of the work, for what takes no longer.
    """
    file = figures_file(the_context().settings.state_dir, study_id, kind)
    latest, moment = read_figures(file), now()
    if _are_of(latest, state, moment):
        return Figures(latest=latest, is_current=True)
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def work_and_keep() -> None:
        log = app.extensions["equipoise.log"]
        try:
            with working_alone(file):
                # Another process may have worked them out while this one waited, or those of a later state.
                kept = read_figures(file)
                if not (_are_of(kept, state, moment) or (kept is not None and kept.at > moment)):
                    keep_figures(file, _worked(app, state, moment, work))
        except WorkStopped as error:
            log.warning("figures of a coding not worked out", exc_info=error)
        except OSError as error:
            # Nobody waits for this thread: the log is where a full disk shows.
            log.error("figures of a coding not kept", exc_info=error)

    future, begun_at, begun = _workshop(app).begin(file, work_and_keep, moment)
    try:
        future.result(timeout=max(0, begun + wait - monotonic()))
    except NotYet:
        return Figures(latest=latest, is_current=False, begun_at=begun_at)
    latest = read_figures(file)
    return Figures(latest=latest, is_current=latest is not None and latest.state == state)


def worked_aside(n_suggestions: int, work: Callable[..., _T], *arguments: object, **named: object) -> _T:
    """Return ``work(*arguments, **named)``, worked out here if they are few; raises as ``worked_beside``, too."""
    if n_suggestions <= MANY_SUGGESTIONS:
        return work(*arguments, **named)
    return worked_beside(work, *arguments, **named)


def last_figures(study_id: int, kind: str) -> Worked | None:
    """Return the figures that were worked out last, whatever they are of."""
    return read_figures(figures_file(the_context().settings.state_dir, study_id, kind))


def finish_figures(app: Flask) -> None:
    """Wait until nothing is being worked out: before the database is closed."""
    _workshop(app).wait()


def _are_of(kept: Worked | None, state: str, moment: datetime) -> bool:
    """Tell whether figures are those of this state, and not a fault that may be gone by now."""
    return (
        kept is not None and kept.state == state and not (kept.is_fault and moment - kept.at > _AGAIN_AFTER)
    )


def _worked(app: Flask, state: str, at: datetime, work: Callable[[], Mapping[str, str]]) -> Worked:
    try:
        return Worked(state=state, at=at, files=work())
    except WorkStopped:
        raise
    except EquipoiseError as error:
        return Worked(state=state, at=at, files={}, problem=str(error))
    except Exception as error:  # noqa: BLE001 - else a page would wait for ever, and nobody would learn why
        app.extensions["equipoise.log"].error("figures of a coding", exc_info=error)
        problem = "the fault is ours and has been noted; the coding is untouched"
        return Worked(state=state, at=at, files={}, problem=problem, is_fault=True)


def _workshop(app: Flask) -> _Workshop:
    workshop = app.extensions.setdefault(_EXTENSION, _Workshop())
    if not isinstance(workshop, _Workshop):
        raise TypeError(f"app.extensions[{_EXTENSION!r}] must be what this module put there")
    return workshop
