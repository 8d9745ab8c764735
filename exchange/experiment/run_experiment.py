"""Run an experiment: what is missing in its folder, by whoever computes, kept as it comes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path

from exchange.errors import RunsFailed, WorkersLost
from exchange.experiment.plan import ExperimentPlan, PlannedRun
from exchange.experiment.progress import Progress
from exchange.experiment.run_store import RunStore
from exchange.simulation.condition import Condition, DonorPreferences
from exchange.simulation.record import RunRecord
from exchange.simulation.scenario import Scenario
from exchange.simulation.simulate import simulate
from survey.design import StudyDesign
from survey.errors import EquipoiseError

_POLL_SECONDS = 0.2
_MOST_FAILURES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """A run that ended with an error."""

    run: PlannedRun
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRun:
    """What became of an experiment's runs."""

    total: int
    kept: int
    """Found in the folder, and not computed again."""
    computed: int
    failed: tuple[FailedRun, ...]

    @property
    def done(self) -> int:
        """Runs that the folder holds now."""
        return self.kept + self.computed

    @property
    def is_complete(self) -> bool:
        """Whether the folder holds all runs."""
        return self.done == self.total

    def check(self, folder: Path) -> None:
        """Return quietly if no run failed.

        Raises
        ------
        RunsFailed
            It names the first that did, and says how to go on.
        """
        if not self.failed:
            return
        lines = [f"{failed.run.words}: {failed.error}" for failed in self.failed[:_MOST_FAILURES]]
        more = len(self.failed) - _MOST_FAILURES
        lines += [f"and {more} more"] if more > 0 else []
        raise RunsFailed(
            "\n".join(lines)
            + f"\n{len(self.failed)} of {self.total} runs failed; the others are kept in {folder}, and the same "
            "command tries these again"
        )


def run_experiment(
    plan: ExperimentPlan,
    store: RunStore,
    *,
    only: Collection[str] = (),
    executor: Executor | None = None,
    n_at_once: int = 1,
    is_stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> ExperimentRun:
    """Compute the runs that a folder does not hold yet, and keep each when it is finished.

    Stopped, or killed at any moment, it loses the runs under way; called again, it goes on. Each run depends on its
    seed and not on who computes it or on what was computed before, so the files have the same bytes in every case.

    Parameters
    ----------
    only
        Names of conditions; empty for all.
    executor
        Computes; None to compute here. See ``estimation.executors``.
    n_at_once
        How many runs it computes at once. So many again wait at the workers, the rest here.
    is_stopped
        Looked at between runs. Runs under way elsewhere are not waited for.

    Raises
    ------
    WorkersLost
        The processes that compute ended by themselves, as when memory runs out.
    """
    runs = plan.runs(only)
    missing = deque(run for run in runs if not store.has(run))
    meter = _Meter(total=len(runs), kept=len(runs) - len(missing), report=progress)
    meter.tell()
    failed: list[FailedRun] = []

    def keep(run: PlannedRun, result: RunRecord | str) -> None:
        if isinstance(result, str):
            failed.append(FailedRun(run=run, error=result))
        else:
            store.write(run, result)
            meter.computed += 1
        meter.tell(run)

    def arguments(run: PlannedRun) -> tuple[Scenario, StudyDesign, Condition, int, DonorPreferences | None]:
        return run.scenario, plan.design, run.condition, run.seed, plan.ranks_by

    if executor is None:
        while missing and not is_stopped():
            run = missing.popleft()
            keep(run, _simulated(*arguments(run)))
        return meter.result(failed)
    waiting: dict[Future[RunRecord | str], PlannedRun] = {}
    try:
        while (missing or waiting) and not is_stopped():
            while missing and len(waiting) < 2 * n_at_once:
                run = missing.popleft()
                waiting[executor.submit(_simulated, *arguments(run))] = run
            finished, _ = wait(waiting, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in [future for future in waiting if future in finished]:
                keep(waiting.pop(future), future.result())
    except BrokenExecutor:
        raise WorkersLost(
            "a process that computes was ended from outside, as when memory runs out; finished runs are kept in "
            f"{store.folder}: give the same command again, with fewer --workers, to go on"
        ) from None
    except CancelledError:
        # We cancel nothing before this: a cluster does, when its scheduler is gone.
        raise WorkersLost(
            f"the cluster that computes is gone; finished runs are kept in {store.folder}: give the same command "
            "again, with a scheduler that runs or without one, to go on"
        ) from None
    for future in waiting:
        future.cancel()
    return meter.result(failed)


def _simulated(
    scenario: Scenario,
    design: StudyDesign,
    condition: Condition,
    seed: int,
    ranks_by: DonorPreferences | None,
) -> RunRecord | str:
    """Return a run, or in words why there is none: not every error survives the way from another process."""
    try:
        return simulate(scenario, design, condition, seed=seed, ranks_by=ranks_by)
    except EquipoiseError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - told with its run at the end: one failure must not lose the others
        return f"{type(error).__name__}: {error}"


@dataclass(slots=True, kw_only=True)
class _Meter:
    """Counts runs, and guesses the time left from the pace so far, which depends on the number of workers."""

    total: int
    kept: int
    report: Callable[[Progress], None]
    computed: int = 0
    _handled: int = -1
    _started: float = 0.0

    def tell(self, run: PlannedRun | None = None) -> None:
        if run is None:
            self._started = time.monotonic()
        self._handled += 1
        left = self.total - self.kept - self._handled
        pace = (time.monotonic() - self._started) / self._handled if self._handled else None
        self.report(
            Progress(
                done=self.kept + self.computed,
                total=self.total,
                seconds_left=None if pace is None else pace * left,
                message=f"{self.kept} found" if run is None else run.words,
            )
        )

    def result(self, failed: Sequence[FailedRun]) -> ExperimentRun:
        return ExperimentRun(total=self.total, kept=self.kept, computed=self.computed, failed=tuple(failed))
