"""The folder of an experiment: which of its runs are done, each whole or not at all.

``plan.json`` says which experiment the folder is of. ``days/`` and ``runs/`` hold a file of each run. That of the
patients, in ``runs/``, is written last, so that where it is, the run is whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from estimation.commands.writing import write_bytes, write_text
from exchange.errors import BadRun, MissingRuns, OtherExperiment
from exchange.experiment.plan import ExperimentPlan, PlannedRun
from exchange.experiment.run_file import days_bytes, patients_bytes, read_header, read_run
from exchange.simulation.record import RunRecord

PLAN = "plan.json"
RUNS, DAYS = "runs", "days"
FORMAT = "equipoise-experiment"
FORMAT_VERSION = 1
_MOST_DIFFERENCES = 5


class RunStore:
    """Runs of one experiment in a folder.

    Parameters
    ----------
    folder
        An empty or new folder, or one that holds runs of the same experiment; other seeds may join.

    Raises
    ------
    OtherExperiment
        The folder holds other files, or runs of an experiment that differs in more than seeds.
    """

    def __init__(self, folder: Path, plan: ExperimentPlan) -> None:
        self.folder = folder
        self._claim(plan)
        self._runs, self._days = folder / RUNS, folder / DAYS
        self._runs.mkdir(exist_ok=True)
        self._days.mkdir(exist_ok=True)

    def has(self, run: PlannedRun) -> bool:
        """Whether the folder holds this run, computed from the very same things."""
        patients, days = self._paths(run)
        try:
            return read_header(patients).key == run.key and read_header(days).key == run.key
        except BadRun:
            # Not there, or broken by something else than us: to be computed again.
            return False

    def write(self, run: PlannedRun, record: RunRecord) -> None:
        """Keep a run.

        Raises
        ------
        OSError
            Carrying the path as its file name.
        """
        patients, days = self._paths(run)
        write_bytes(days, days_bytes(record, key=run.key))
        write_bytes(patients, patients_bytes(record, key=run.key))

    def read(self, run: PlannedRun) -> RunRecord:
        """Return a run that the folder holds.

        Raises
        ------
        BadRun
            Its files are missing or broken; the message names them.
        """
        return read_run(*self._paths(run))

    def records(
        self, runs: Iterable[PlannedRun], *, is_stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[RunRecord]:
        """Yield runs one by one, so that no more than one need be in memory.

        Raises
        ------
        MissingRuns
            The folder does not hold all of them.
        """
        for run in runs:
            if is_stopped():
                return
            if not self.has(run):
                raise MissingRuns(
                    f"{self.folder}: holds no run of {run.words}; give the same command without --again to compute "
                    "what is missing"
                )
            yield self.read(run)

    def _paths(self, run: PlannedRun) -> tuple[Path, Path]:
        name = f"{run.stem}.parquet"
        return self._runs / name, self._days / name

    def _claim(self, plan: ExperimentPlan) -> None:
        """Make the folder that of this experiment, or see that it is."""
        place, identity = self.folder / PLAN, plan.identity()
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
        if not self.folder.is_dir():
            raise OtherExperiment(f"{self.folder}: is a file; name a folder for the results")
        if place.exists():
            differences = list(_differences(_read_identity(place), identity))
            if differences:
                more = len(differences) - _MOST_DIFFERENCES
                said = "; ".join(
                    [*differences[:_MOST_DIFFERENCES], *([f"and {more} more"] if more > 0 else [])]
                )
                raise OtherExperiment(
                    f"{self.folder}: holds results of another experiment: {said}; take another folder, or give "
                    "the same --days again"
                )
            return
        others = sorted(path.name for path in self.folder.iterdir() if not path.name.endswith(".part"))
        if others:
            raise OtherExperiment(
                f"{self.folder}: holds other files, such as {others[0]}; name a new folder for the results"
            )
        record = {"format": FORMAT, "format_version": FORMAT_VERSION, **identity}
        write_text(place, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _read_identity(place: Path) -> dict[str, object]:
    try:
        document = json.loads(place.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise OtherExperiment(f"{place}: is damaged; name a new folder for the results") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise OtherExperiment(f"{place}: is no experiment of ours; name a new folder for the results")
    return document


def _differences(theirs: dict[str, object], ours: dict[str, object]) -> Iterator[str]:
    """Yield in words what two experiments differ in."""
    for key, what in (
        ("experiment", "its name is"),
        ("engine_version", "the version of the simulation is"),
    ):
        if theirs.get(key) != ours[key]:
            yield f"{what} {theirs.get(key)!r}, not {ours[key]!r}"
    for key, what in (("design", "the study"), ("ranks_by", "whose ranks are counted")):
        if theirs.get(key) != ours[key]:
            yield f"{what} differs"
    for key, what in (("scenarios", "scenario"), ("conditions", "condition")):
        there, here = theirs.get(key), ours[key]
        if not isinstance(there, dict) or not isinstance(here, dict):
            yield f"its {key} are unknown"
            continue
        yield from (f"{what} '{name}' is not in this one" for name in there if name not in here)
        yield from (f"{what} '{name}' is new" for name in here if name not in there)
        yield from (
            f"{what} '{name}' differs" for name in here if name in there and here[name] != there[name]
        )
        if list(there) != list(here) and sorted(there) == sorted(here):
            yield f"the {key} come in another order"
