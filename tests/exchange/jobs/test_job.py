"""How far a job is by its files, its process, its archive, and its report."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.jobs.archive import zip_chunks
from exchange.jobs.job import Job, JobState, read_job
from exchange.jobs.job_folder import JobConflict, JobFolder
from exchange.jobs.job_process import end, interrupt, is_alive, start_command
from exchange.jobs.running_time import roughly

DESCRIPTION = {
    "format": "equipoise-job",
    "title": "A job",
    "made_at": "2026-11-21T12:00:00+00:00",
    "made_by": "account anna",
    "workers": 1,
    "seeds": "1-2",
    "days": None,
    "scenarios": ["freedman2020"],
    "conditions": ["equal"],
    "n_seeds": 2,
    "n_runs": 2,
    "rough_seconds": 3.0,
}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    folder = tmp_path / "0123456789ab"
    (folder / "results").mkdir(parents=True)
    (folder / "inputs").mkdir()
    (folder / "job.json").write_text(json.dumps(DESCRIPTION))
    found = read_job(folder)
    assert found is not None
    return found


@pytest.fixture
def put(job: Job) -> Callable[..., None]:
    """Return a function that writes what a command and its process leave."""

    def write(
        *, process: dict[str, Any] | None = None, progress: str = "", log: str = "", report: bool = False
    ) -> None:
        if process is not None:
            (job.folder / "process.json").write_text(json.dumps(process))
        if progress:
            record = {"state": progress, "done": 1, "total": 2, "seconds_left": 60, "message": "a run"}
            (job.results / "progress.json").write_text(json.dumps(record))
        (job.folder / "log.txt").write_text(log)
        if report:
            (job.results / "report.html").write_text("<html>")

    return write


GONE = {"pid": 2**22 + 1, "started": "1"}
STOPPED = GONE | {"told_to_stop": True}


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({}, JobState.READY),
        ({"process": GONE}, JobState.INTERRUPTED),
        ({"process": GONE, "log": "Error: no"}, JobState.FAILED),
        ({"process": GONE, "progress": "running"}, JobState.INTERRUPTED),
        ({"process": GONE, "progress": "running", "log": "a warning"}, JobState.INTERRUPTED),
        ({"process": GONE, "progress": "results", "report": True}, JobState.INTERRUPTED),
        ({"process": GONE, "progress": "failed"}, JobState.FAILED),
        ({"process": GONE, "progress": "stopped"}, JobState.STOPPED),
        ({"process": STOPPED}, JobState.STOPPED),
        ({"process": STOPPED, "progress": "running"}, JobState.STOPPED),
        ({"process": STOPPED, "progress": "done"}, JobState.STOPPED),
        ({"process": GONE, "progress": "done", "log": "Error: disk full"}, JobState.FAILED),
        ({"process": GONE, "progress": "done"}, JobState.INTERRUPTED),
        ({"process": GONE, "progress": "done", "report": True, "log": "written"}, JobState.DONE),
        ({"process": STOPPED, "progress": "done", "report": True}, JobState.DONE),
    ],
)
def test_the_state_follows_from_the_files(
    job: Job, put: Callable[..., None], files: dict[str, Any], state: JobState
) -> None:
    put(**files)
    status = job.status()
    assert status.state is state
    assert (status.done, status.total) == ((1, 2) if "progress" in files else (0, 2))
    assert status.seconds_left is None


def test_of_a_running_job_the_time_left_and_the_last_run_are_told(
    job: Job, put: Callable[..., None], sleeper: dict[str, Any]
) -> None:
    put(process=sleeper, progress="running")
    status = job.status()
    assert (status.state, status.seconds_left, status.message) == (JobState.RUNNING, 60.0, "Last: a run.")
    put(process=sleeper, progress="results")
    assert (job.status().state, job.status().message) == (JobState.RUNNING, "Making the pictures.")
    # Of an earlier start, before the new one has written anything.
    put(process=sleeper, progress="failed")
    assert (job.status().state, job.status().message) == (JobState.RUNNING, "")
    put(process=sleeper | {"told_to_stop": True}, progress="running")
    assert job.status().state is JobState.STOPPING


@pytest.mark.parametrize("damaged", ["", "{", "[1]", '"x"', "\x00"])
def test_files_that_are_damaged_are_as_if_they_were_not_there(job: Job, damaged: str) -> None:
    for name in ("process.json", "results/progress.json"):
        (job.folder / name).write_text(damaged)
    assert job.status().state is JobState.READY
    (job.folder / "job.json").write_text(damaged)
    assert read_job(job.folder) is None


def test_of_a_long_log_the_end_is_shown(job: Job, put: Callable[..., None]) -> None:
    put(log="ü" * 10_000 + "\nthe last words\n")
    assert job.log_end().endswith("ü\nthe last words")
    assert len(job.log_end()) < 3_000


# --- the process ---------------------------------------------------------------------------------------


@pytest.fixture
def sleeper() -> Any:
    """A process of ours that sleeps, as a job's process is noted."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    from exchange.jobs import job_process

    yield {"pid": process.pid, "started": job_process._started(process.pid)}
    process.kill()
    process.wait()


def test_a_process_is_recognized_by_number_and_start(sleeper: dict[str, Any]) -> None:
    assert is_alive(sleeper)
    assert not is_alive(sleeper | {"started": sleeper["started"] + "0"})
    assert not is_alive(sleeper | {"started": ""})
    assert not is_alive({})


def test_a_process_that_ended_and_was_not_asked_for_is_not_alive(sleeper: dict[str, Any]) -> None:
    end(sleeper)
    given_up = time.monotonic() + 20
    while is_alive(sleeper):
        assert time.monotonic() < given_up
        time.sleep(0.01)
    # Nobody waited for it: the system still has its number.
    os.kill(sleeper["pid"], 0)


def test_another_process_that_got_the_number_is_left_alone(sleeper: dict[str, Any]) -> None:
    other = sleeper | {"started": "long ago"}
    interrupt(other)
    end(other)
    time.sleep(0.2)
    assert is_alive(sleeper)


def test_a_system_without_proc_tells_the_start_another_way(sleeper: dict[str, Any]) -> None:
    from exchange.jobs import job_process

    if not Path("/bin/ps").exists():
        pytest.skip("no /bin/ps here")
    told = job_process._started_by_ps(sleeper["pid"])
    assert told
    assert told == job_process._started_by_ps(sleeper["pid"])
    os.kill(sleeper["pid"], signal.SIGKILL)
    while job_process._started_by_ps(sleeper["pid"]):
        time.sleep(0.01)


def test_nothing_in_the_folder_of_the_inputs_is_imported(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise SystemExit('imported')")
    process = start_command(["--help"], tmp_path, tmp_path / "log.txt")
    given_up = time.monotonic() + 60
    while is_alive(process):
        assert time.monotonic() < given_up
        time.sleep(0.05)
    said = (tmp_path / "log.txt").read_text()
    assert "Usage:" in said
    assert "imported" not in said


# --- the folder ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "job_id", ["..", ".", "", "0123456789AB", "0123456789ab/", "../0123456789ab", "a" * 13]
)
def test_only_ids_of_jobs_are_found(job: Job, job_id: str) -> None:
    jobs = JobFolder(job.folder.parent, most_at_once=1)
    assert jobs.find(job_id) is None
    assert [found.id for found in jobs.jobs()] == ["0123456789ab"]


def test_a_draft_that_is_not_kept_leaves_nothing(tmp_path: Path) -> None:
    jobs = JobFolder(tmp_path / "experiments", most_at_once=1)
    with jobs.draft() as draft:
        (draft / "inputs" / "x").write_text("x")
    assert list((tmp_path / "experiments").iterdir()) == []
    assert jobs.jobs() == []


def test_a_running_job_is_neither_started_again_nor_deleted(
    job: Job, put: Callable[..., None], sleeper: dict[str, Any]
) -> None:
    put(process=sleeper)
    jobs = JobFolder(job.folder.parent, most_at_once=5)
    with pytest.raises(JobConflict, match="running already"):
        jobs.start(job)
    with pytest.raises(JobConflict, match="stop it first"):
        jobs.delete(job)
    assert jobs.find(job.id) == job


# --- the archive, the report, the time -----------------------------------------------------------------


@given(contents=st.lists(st.binary(max_size=400), max_size=5))
def test_a_zip_made_while_it_is_sent_holds_the_files(
    contents: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("zipped")
    files = []
    for i, content in enumerate(contents):
        path = folder / f"{i}{('.parquet', '.csv')[i % 2]}"
        path.write_bytes(content)
        files.append((f"deep/{path.name}", path))
    files.append(("gone", folder / "gone"))
    sent = b"".join(zip_chunks(files, "top"))
    archive = zipfile.ZipFile(io.BytesIO(sent))
    assert archive.testzip() is None
    assert {n: archive.read(n) for n in archive.namelist()} == {
        f"top/{name}": path.read_bytes() for name, path in files[:-1]
    }
    # The same files give the same bytes.
    assert sent == b"".join(zip_chunks(files, "top"))


def test_a_large_file_is_sent_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "large.parquet"
    path.write_bytes(os.urandom(3_000_000))
    assert max(map(len, zip_chunks([("large", path)], "top"))) < 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "{}",
        '{"format": "equipoise-experiment-summary", "format_version": 1}',
        '{"format": "equipoise-experiment-report", "format_version": 99, "title": "x"}',
    ],
)
def test_a_report_that_is_missing_damaged_or_of_another_version_is_as_if_there_were_none(
    job: Job, text: str | None
) -> None:
    if text is not None:
        (job.results / "report.json").write_text(text)
    assert job.report() == {}


def test_a_report_is_read_as_it_was_written(job: Job) -> None:
    record = {"format": "equipoise-experiment-report", "format_version": 1, "title": "A job", "scenarios": []}
    (job.results / "report.json").write_text(json.dumps(record))
    assert job.report() == record


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "less than a minute"),
        (50, "1 minute"),
        (1_330, "22 minutes"),
        (3_100, "1 hour"),
        (20_000, "6 hours"),
        (200_000, "2 days"),
    ],
)
def test_a_rough_time_is_told_roughly(seconds: float, words: str) -> None:
    assert roughly(seconds) == words
