"""Figures of a coding that are worked out beside the requests: in which process, and by whom of several."""

from __future__ import annotations

import json
import operator
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine

from survey.answers import RespondentKind
from survey.app import create_app
from survey.beside import WorkFailed, WorkRefused, WorkStopped, worked_beside
from survey.coding.coding import Outcome
from survey.config import Settings
from survey.db import reading, writing
from survey.design_file import EXAMPLES, parse_design
from survey.kept_figures import Worked, figures_file, keep_figures, working_alone
from survey.overview.coding_figures import coding_figures
from survey.store import categories, codes, studies
from survey.store.suggestion_imports import ImportedSuggestion, import_suggestions
from survey.store.suggestion_list import suggestions_page
from survey.suggestions import Stance
from survey.tables import StudyRow
from survey.web.research.coding import workings
from survey.web.research.coding.grouping import _group
from survey.web.research.coding.results import results_figures
from survey.web.research.coding.workings import Figures, figures_of, finish_figures

ROOT = Path(__file__).parents[3]


@pytest.fixture
def other_app(settings: Settings, sqlite_engine: Engine) -> Iterator[Flask]:
    """Stand for another process that serves the same study."""
    app = create_app(settings, sqlite_engine)
    yield app
    finish_figures(app)


@pytest.fixture(autouse=True)
def nothing_goes_on(app: Flask) -> Iterator[None]:
    yield
    finish_figures(app)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def coded(request: pytest.FixtureRequest, start: datetime) -> Engine:
    """A study with three suggestions, of which two look alike, and what a coder says of each."""
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    with writing(engine) as session:
        text = (EXAMPLES / "kidney-attributes.toml").read_text(encoding="utf-8")
        study = studies.add_study(session, text, now=start, actor="test")
        entries = [
            ImportedSuggestion(
                respondent=f"p{number}",
                kind=RespondentKind.HUMAN,
                stance=Stance.SHOULD,
                text=text,
                number=number,
            )
            for number, text in enumerate(["religion", "Religion!", "asdf"])
        ]
        ids = import_suggestions(session, study, entries, source="panel", now=start, actor="test").ids
        categories.add_category(session, study, "Religion", now=start, actor="test")
        who: dict[str, Any] = {"coder": "anna", "now": start, "actor": "test"}
        codes.code_several(session, study, ids[:2], add=["religion"], **who)
        codes.code_several(session, study, ids[2:], outcome=Outcome.UNUSABLE, **who)
    return engine


def wait_until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # Of a machine whose first process collects nobody, it stays in the table when it has ended.
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


# --- a process of its own ------------------------------------------------------------------------------


def test_work_beside_is_another_processes_and_of_lower_priority() -> None:
    assert worked_beside(os.getpid) != os.getpid()
    assert worked_beside(os.nice, 0) == min(os.nice(0) + 10, 19)
    assert worked_beside(int, "12", base=3) == 5


def test_ctrl_c_does_not_reach_work_beside_and_the_end_of_who_asked_for_it_does(tmp_path: Path) -> None:
    assert worked_beside(os.getpgrp) != os.getpgrp()
    told = tmp_path / "told"
    asks = """import sys
from survey.beside import worked_beside
sys.path.append(sys.argv[1])
import long_work
worked_beside(long_work.work, sys.argv[2])"""
    (tmp_path / "long_work.py").write_text(
        "import os, time\nfrom pathlib import Path\n\n\ndef work(told):\n"
        "    Path(told).write_text(str(os.getpid()))\n    time.sleep(600)\n"
    )
    asking = subprocess.Popen([sys.executable, "-c", asks, str(tmp_path), str(told)], cwd=ROOT)
    with asking:
        wait_until(lambda: told.exists() and told.read_text() != "")
        asking.kill()
    number = int(told.read_text())
    wait_until(lambda: not is_running(number))


def test_what_work_prints_is_no_part_of_its_result() -> None:
    assert worked_beside(print, "printed") is None  # type: ignore[func-returns-value]


def test_work_that_fails_beside_tells_why() -> None:
    with pytest.raises(WorkRefused, match="study"):
        worked_beside(parse_design, "title = 1")
    with pytest.raises(WorkFailed, match="ZeroDivisionError"):
        worked_beside(operator.truediv, 1, 0)
    with pytest.raises(WorkFailed, match=f"ended with -{int(signal.SIGKILL)}"):
        worked_beside(signal.raise_signal, signal.SIGKILL)
    with pytest.raises(WorkStopped):
        worked_beside(signal.raise_signal, signal.SIGTERM)


def test_figures_of_many_suggestions_are_those_that_a_process_of_its_own_works_out(
    coded: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside: list[Callable[..., Any]] = []

    def noted(work: Callable[..., Any], *arguments: object, **named: object) -> Any:
        beside.append(work)
        return worked_beside(work, *arguments, **named)

    monkeypatch.setattr(workings, "MANY_SUGGESTIONS", 2)
    monkeypatch.setattr(workings, "worked_beside", noted)
    app = create_app(settings, coded)
    with app.app_context(), reading(coded) as session:
        results_figures(session, session.get_one(StudyRow, 1), simulated=False)
        finish_figures(app)
        kept = results_figures(session, session.get_one(StudyRow, 1), simulated=False)
    assert beside == [coding_figures]
    assert (kept.is_current, kept.latest is not None and kept.latest.problem) == (True, "")
    assert kept.latest is not None
    assert json.loads(kept.latest.files["results.json"])["counts"]["asked"] == 3
    url = coded.url.render_as_string(hide_password=False)
    assert kept.latest.files == coding_figures(url, 1, simulated=False)


def test_many_look_alikes_are_grouped_beside(
    coded: Engine, start: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workings, "MANY_SUGGESTIONS", 2)
    assert _group(coded, 1, 0.6, at=start, actor="test").startswith("1 group of look-alikes, with 2 of 3")
    with reading(coded) as session:
        found = suggestions_page(session, session.get_one(StudyRow, 1))
    assert [row.alike_count for row in found.rows] == [2, 2, 1]


def test_figures_whose_process_was_ended_are_no_fault_and_are_begun_again(app: Flask) -> None:
    def look(work: Callable[[], Mapping[str, str]]) -> Figures:
        return figures_of(1, "test", "one", work, wait=30)

    def stopped() -> Mapping[str, str]:
        return worked_beside(signal.raise_signal, signal.SIGTERM) or {}  # type: ignore[func-returns-value]

    with app.app_context():
        assert (look(stopped).latest, look(stopped).is_current) == (None, False)
        assert look(lambda: {"a": "b"}).is_current


# --- several processes that serve pages ----------------------------------------------------------------


def test_what_another_process_works_out_is_waited_for_and_not_done_twice(
    app: Flask, other_app: Flask
) -> None:
    may_go_on, begun, done = Event(), Event(), []

    def look(name: str, wait: float) -> Figures:
        def work() -> Mapping[str, str]:
            begun.set()
            assert may_go_on.wait(30)
            done.append(name)
            return {"by": name}

        return figures_of(1, "test", "one", work, wait=wait)

    with app.app_context():
        assert not look("first", wait=0).is_current
    assert begun.wait(30)
    with other_app.app_context():
        # It says that newer ones are on their way, and from when on to look for them.
        there = look("second", wait=0.3)
        assert (there.latest, there.is_current, there.begun_at is None) == (None, False, False)
        may_go_on.set()
        finish_figures(other_app)
        there = look("second", wait=0)
    assert there.is_current
    assert there.latest is not None
    assert (there.latest.files, done) == ({"by": "first"}, ["first"])


def test_who_waits_for_another_process_shows_what_was_there_before(app: Flask, settings: Settings) -> None:
    with app.app_context():
        assert figures_of(1, "test", "one", lambda: {"a": "older"}, wait=30).is_current
        with working_alone(figures_file(settings.state_dir, 1, "test")):
            meanwhile = figures_of(1, "test", "two", lambda: {"a": "newer"}, wait=0.2)
        finish_figures(app)
        after = figures_of(1, "test", "two", lambda: {"a": "never"}, wait=0)
    assert meanwhile.latest is not None
    assert (meanwhile.latest.files, meanwhile.is_current) == ({"a": "older"}, False)
    assert after.latest is not None
    assert (after.latest.files, after.is_current) == ({"a": "newer"}, True)


def test_figures_of_a_later_state_are_not_replaced_by_those_of_an_earlier_one(
    app: Flask, settings: Settings, start: datetime
) -> None:
    file, done = figures_file(settings.state_dir, 1, "test"), []
    with app.app_context():
        with working_alone(file):
            figures_of(1, "test", "one", lambda: done.append("one") or {"a": "b"}, wait=0)  # type: ignore[func-returns-value]
            # Meanwhile a coder codes, and another process works out what comes of it.
            later = datetime.now(UTC) + timedelta(seconds=1)
            keep_figures(file, Worked(state="two", at=later, files={"a": "newer"}))
        finish_figures(app)
        found = figures_of(1, "test", "two", lambda: done.append("two") or {"a": "b"}, wait=0)  # type: ignore[func-returns-value]
    assert found.latest is not None
    assert (found.is_current, found.latest.files, done) == (True, {"a": "newer"}, [])


def test_figures_are_kept_where_nothing_was_kept_before(app: Flask, settings: Settings) -> None:
    shutil.rmtree(settings.state_dir, ignore_errors=True)
    with app.app_context():
        assert figures_of(1, "test", "one", lambda: {"a": "b"}, wait=30).is_current
