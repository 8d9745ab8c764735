"""Who computes: same bytes from all, and nobody computes on after Ctrl-C."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from estimation.assumptions import PUBLISHED, Assumed
from estimation.errors import EstimationError
from estimation.executors import executor
from estimation.planning import Plan, plan
from survey.design_file import example_design

DESIGN = example_design("kidney-8")
needs_dask = pytest.mark.skipif(
    find_spec("distributed") is None, reason="Dask is not installed: pip install 'equipoise[cluster]'"
)
ASSUMED = Assumed(weights=PUBLISHED["freedman2020"], spread=1.0, indecision_rate=0.1)


def planned(pool: object) -> Plan:
    return plan(DESIGN, ASSUMED, people=[10, 30], answers=[14], simulations=150, seed=2, executor=pool)


def test_one_worker_is_this_process():
    for workers in (None, 1):
        with executor(workers) as pool:
            assert pool is None


def test_processes_give_the_same_bytes_as_this_process_and_leave_no_trace():
    before = dict(os.environ)
    with executor(2) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
        there = planned(pool)

    assert pickle.dumps(there) == pickle.dumps(planned(None))
    assert dict(os.environ) == before


def fail_with_others_waiting(workers: int | None, scheduler: str | None, seconds: float) -> None:
    with executor(workers, scheduler) as pool:
        assert pool is not None
        WAITING[:] = [pool.submit(time.sleep, seconds) for _ in range(6)]
        raise ZeroDivisionError


WAITING: list[Future[None]] = []


def test_an_error_stops_workers_at_once_and_drops_what_waits():
    with pytest.raises(ZeroDivisionError):
        fail_with_others_waiting(2, None, 60)

    # Those that ran broke with their process; none slept through.
    assert all(f.cancelled() or f.exception(timeout=10) is not None for f in WAITING)


_INTERRUPTED = """
import sys, time
from estimation.executors import executor

def large(_):
    return b"x" * 2_000_000

if __name__ == "__main__":
    sys.setswitchinterval(5)  # So that nobody reads the results while this process is busy.
    try:
        with executor(2) as pool:
            pool.submit(time.sleep, 0).result()
            for k in range(100):
                pool.submit(large, k)
            busy = time.monotonic()
            while time.monotonic() - busy < 0.5:
                pass
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        print("ended")
"""


def test_workers_that_are_ended_in_the_middle_of_a_result_leave_nobody_waiting(tmp_path):
    script = tmp_path / "interrupted.py"
    script.write_text(_INTERRUPTED)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "ended\n"


def test_an_error_in_a_worker_comes_back():
    with executor(2) as pool:
        future = pool.submit(divmod, 1, 0)
        with pytest.raises(ZeroDivisionError):
            future.result()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_process_that_started_them(ending, tmp_path):
    script = tmp_path / "waits.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, time
            from estimation.executors import executor

            if __name__ == "__main__":
                with executor(2) as pool:
                    futures = [pool.submit(os.getpid) for _ in range(8)]
                    print(*{f.result() for f in futures}, flush=True)
                    waiting = [pool.submit(time.sleep, 120) for _ in range(4)]
                    for future in waiting:
                        future.result()
            """
        )
    )
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    # A session of its own, so that the signal can be sent to it and its workers as a terminal does.
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    pids = [int(p) for p in process.stdout.readline().split()]
    assert pids
    time.sleep(0.3)
    if ending is signal.SIGINT:
        os.killpg(process.pid, ending)
    else:
        process.kill()
    process.communicate(timeout=30)
    patience = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < patience:
        time.sleep(0.05)

    assert not any(map(alive, pids))
    assert process.returncode != 0


@pytest.mark.parametrize(
    ("workers", "scheduler", "complaint"),
    [(0, None, "1 or more"), (2, "tcp://127.0.0.1:8786", "not both")],
)
def test_what_cannot_compute_is_refused(workers, scheduler, complaint):
    with pytest.raises(EstimationError, match=complaint), executor(workers, scheduler):
        pass


def test_without_dask_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)

    with (
        pytest.raises(EstimationError, match=r"pip install 'equipoise\[cluster\]'"),
        executor(scheduler="tcp://127.0.0.1:8786"),
    ):
        pass


@pytest.fixture(scope="module")
def cluster():
    """Start a scheduler and two workers in processes of their own."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as running:
        yield running


@needs_dask
def test_a_dask_cluster_gives_the_same_bytes_as_this_process(cluster):
    with executor(scheduler=cluster.scheduler_address) as pool:
        there = planned(pool)
        mapped = list(pool.map(np.cumsum, [np.arange(5), np.arange(3)]))
        failing = pool.submit(divmod, 1, 0)
        with pytest.raises(ZeroDivisionError):
            failing.result()

    assert pickle.dumps(there) == pickle.dumps(planned(None))
    assert [m.tolist() for m in mapped] == [[0, 1, 3, 6, 10], [0, 1, 3]]


@needs_dask
def test_an_error_drops_what_waits_on_a_dask_cluster(cluster):
    with pytest.raises(ZeroDivisionError):
        fail_with_others_waiting(None, cluster.scheduler_address, 2)

    patience = time.monotonic() + 20
    while not all(f.cancelled() for f in WAITING) and time.monotonic() < patience:
        time.sleep(0.05)
    assert all(f.cancelled() for f in WAITING)


@needs_dask
def test_a_dask_cluster_without_workers_is_refused():
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty,
        pytest.raises(EstimationError, match="has no workers"),
        executor(scheduler=empty.scheduler_address),
    ):
        pass


@needs_dask
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense"])
def test_an_address_where_no_dask_scheduler_answers_is_refused(address):
    with pytest.raises(EstimationError, match="no Dask scheduler answers"), executor(scheduler=address):
        pass
