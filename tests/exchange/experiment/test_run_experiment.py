from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from estimation.executors import executor
from estimation.weights import ProfileWeights
from exchange.errors import RunsFailed, WorkersLost
from exchange.experiment import run_experiment as module
from exchange.experiment.plan import ExperimentPlan, changed
from exchange.experiment.progress import Progress, ProgressFile, State, duration
from exchange.experiment.run_experiment import run_experiment
from exchange.experiment.run_store import RunStore
from exchange.simulation.record import RunRecord


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


@pytest.fixture(scope="module")
def here(small: ExperimentPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all runs, computed in this process."""
    folder = tmp_path_factory.mktemp("here")
    ran = run_experiment(small, RunStore(folder, small))
    assert (ran.total, ran.kept, ran.computed, ran.failed) == (6, 0, 6, ())
    assert len(content(folder)) == 12
    return folder


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What is simulated from now on, in order."""
    calls: list[tuple[str, int]] = []
    simulate = module.simulate

    def noted(*args: object, seed: int, **rest: object) -> RunRecord:
        calls.append((args[2].name, seed))  # type: ignore[attr-defined]
        return simulate(*args, seed=seed, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "simulate", noted)
    return calls


def test_two_processes_give_the_same_bytes(small: ExperimentPlan, here: Path, tmp_path: Path) -> None:
    with executor(workers=2) as pool:
        ran = run_experiment(small, RunStore(tmp_path, small), executor=pool, n_at_once=2)
    assert ran.computed == 6
    assert content(tmp_path) == content(here)


@pytest.mark.skipif(
    find_spec("distributed") is None, reason="Dask is not installed: pip install 'equipoise[cluster]'"
)
def test_a_dask_cluster_gives_the_same_bytes(small: ExperimentPlan, here: Path, tmp_path: Path) -> None:
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster,
        executor(scheduler=cluster.scheduler_address) as pool,
    ):
        run_experiment(small, RunStore(tmp_path, small), executor=pool, n_at_once=64)
    assert content(tmp_path) == content(here)


class _Backwards(Executor):
    """Computes what was submitted only when somebody waits, the last first."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Future[object], Callable[..., object], tuple[object, ...]]] = []

    def submit(self, fn: Callable[..., object], /, *args: object, **_: object) -> Future[object]:  # type: ignore[override]
        self._waiting.append((Future(), fn, args))
        return self._waiting[-1][0]

    def compute_one(self) -> None:
        if self._waiting:
            future, fn, args = self._waiting.pop()
            future.set_result(fn(*args))


def test_the_order_in_which_runs_end_changes_no_byte(
    small: ExperimentPlan, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = _Backwards()
    wait = module.wait

    def late(*args: object, **rest: object) -> object:
        pool.compute_one()
        return wait(*args, **{**rest, "timeout": 0})  # type: ignore[call-overload]

    monkeypatch.setattr(module, "wait", late)
    run_experiment(small, RunStore(tmp_path, small), executor=pool, n_at_once=3)
    assert content(tmp_path) == content(here)


def test_finished_runs_are_not_computed_again(
    small: ExperimentPlan, here: Path, tmp_path: Path, computed: list[tuple[str, int]]
) -> None:
    store = RunStore(tmp_path, small)
    stops: Iterator[bool] = iter([False, False, False, True])
    ran = run_experiment(small, store, is_stopped=lambda: next(stops))
    assert (ran.computed, ran.is_complete) == (3, False)
    first = list(computed)
    assert first == [("EQUAL", 1), ("PRIORITY", 1), ("EQUAL", 2)]
    computed.clear()
    ran = run_experiment(small, store)
    assert (ran.kept, ran.computed, ran.is_complete) == (3, 3, True)
    assert computed == [("PRIORITY", 2), ("EQUAL", 3), ("PRIORITY", 3)]
    assert content(tmp_path) == content(here)
    computed.clear()
    assert run_experiment(small, store).kept == 6
    assert computed == []


def test_a_broken_file_is_computed_again(
    small: ExperimentPlan, here: Path, tmp_path: Path, computed: list[tuple[str, int]]
) -> None:
    store = RunStore(tmp_path, small)
    run_experiment(small, store)
    (tmp_path / "days" / "0002-short-priority-3.parquet").write_bytes(b"PAR1")
    computed.clear()
    run_experiment(small, store)
    assert computed == [("PRIORITY", 3)]
    assert content(tmp_path) == content(here)


def test_other_seeds_join(small: ExperimentPlan, tmp_path: Path, computed: list[tuple[str, int]]) -> None:
    few = changed(small, seeds=[2])
    run_experiment(few, RunStore(tmp_path, few), only=["EQUAL"])
    computed.clear()
    run_experiment(small, RunStore(tmp_path, small), only=["EQUAL"])
    assert computed == [("EQUAL", 1), ("EQUAL", 3)]


def test_a_run_that_fails_is_named_and_the_others_finish(small: ExperimentPlan, tmp_path: Path) -> None:
    equal, priority = small.conditions
    weights = priority.weights
    assert isinstance(weights, ProfileWeights)
    partial = replace(weights, profiles=weights.profiles[:1], log_strengths=weights.log_strengths[:1])
    plan = replace(small, conditions=(equal, replace(priority, weights=partial)), seeds=(1, 2))
    ran = run_experiment(plan, RunStore(tmp_path, plan))
    assert (ran.computed, ran.is_complete) == (2, False)
    assert [f.run.seed for f in ran.failed] == [1, 2]
    with pytest.raises(RunsFailed) as error:
        ran.check(tmp_path)
    said = str(error.value)
    assert said.startswith("scenario 'short', condition 'PRIORITY', seed 1: ")
    assert "no weight for profile" in said
    assert "2 of 4 runs failed; the others are kept in" in said


def test_an_error_that_nobody_foresaw_is_told_with_its_run(
    small: ExperimentPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> RunRecord:
        raise ZeroDivisionError("nothing left")

    monkeypatch.setattr(module, "simulate", fails)
    ran = run_experiment(small, RunStore(tmp_path, small))
    assert [f.error for f in ran.failed] == ["ZeroDivisionError: nothing left"] * 6
    with pytest.raises(RunsFailed, match=r"and 1 more\n6 of 6 runs failed"):
        ran.check(tmp_path)


def test_workers_that_die_are_told_from_runs_that_fail(small: ExperimentPlan, tmp_path: Path) -> None:
    with executor(workers=2) as pool:
        assert pool is not None
        pool.submit(_die).exception()
        # Pools notice a moment later; then submitting raises as results do.
        with pytest.raises(WorkersLost, match="give the same command again, with fewer --workers"):
            run_experiment(small, RunStore(tmp_path, small), executor=pool, n_at_once=2)


def test_a_cluster_that_is_gone_is_told_with_the_way_to_go_on(small: ExperimentPlan, tmp_path: Path) -> None:
    class Gone(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    with pytest.raises(
        WorkersLost, match=r"the cluster that computes is gone; .* give the same command again"
    ):
        run_experiment(small, RunStore(tmp_path, small), executor=Gone())


def _die() -> None:
    import os

    os._exit(9)


def test_progress_counts_runs_and_guesses_the_time_left(small: ExperimentPlan, tmp_path: Path) -> None:
    seen: list[Progress] = []
    store = RunStore(tmp_path, small)
    run_experiment(small, store, only=["EQUAL"], progress=seen.append)
    assert [p.done for p in seen] == [0, 1, 2, 3]
    assert {p.total for p in seen} == {3}
    assert seen[0].seconds_left is None
    assert seen[-1].seconds_left == 0
    assert seen[1].seconds_left is not None
    assert seen[1].seconds_left > 0
    assert seen[1].words.startswith("runs: 1 of 3, about ")
    seen.clear()
    run_experiment(small, store, progress=seen.append)
    assert [p.done for p in seen] == [3, 4, 5, 6]
    assert seen[0].message == "3 found"


def test_the_progress_file_is_rewritten_at_most_once_a_second(tmp_path: Path) -> None:
    now = [0.0]
    file = ProgressFile(tmp_path / "progress.json", clock=lambda: now[0])

    def read() -> dict[str, object]:
        found: dict[str, object] = json.loads((tmp_path / "progress.json").read_text())
        return found

    def tell(done: int) -> None:
        file(Progress(done=done, total=9, seconds_left=33.3, message="at it"))

    tell(1)
    assert read() == {"state": "running", "done": 1, "total": 9, "seconds_left": 33, "message": "at it"}
    now[0] = 0.9
    tell(2)
    assert read()["done"] == 1
    now[0] = 1.0
    tell(3)
    assert read()["done"] == 3
    tell(4)
    assert read()["done"] == 3
    # What is of another state is written at once.
    file(Progress(done=5, total=9, seconds_left=None, message="pictures", state=State.RESULTS))
    assert read() == {"state": "results", "done": 5, "total": 9, "seconds_left": None, "message": "pictures"}
    tell(4)
    file.end(State.STOPPED, "stopped")
    assert read() == {
        "state": "stopped",
        "done": 4,
        "total": 9,
        "seconds_left": None,
        "message": "stopped",
    }


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (7_300, "2 h 1 min")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
