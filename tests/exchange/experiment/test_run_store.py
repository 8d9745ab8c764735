from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from exchange.errors import BadRun, MissingRuns, OtherExperiment
from exchange.experiment.plan import ExperimentPlan, changed
from exchange.experiment.run_file import days_bytes, patients_bytes, read_header, read_run
from exchange.experiment.run_store import PLAN, RunStore
from exchange.simulation.record import DAY_COLUMNS, PATIENT_COLUMNS, RunRecord
from exchange.simulation.simulate import simulate


@pytest.fixture(scope="module")
def record(small: ExperimentPlan) -> RunRecord:
    run = small.runs()[1]
    return simulate(run.scenario, small.design, run.condition, seed=run.seed, ranks_by=small.ranks_by)


def same(one: RunRecord, other: RunRecord) -> bool:
    heads = [(r.scenario, r.condition, r.seed, r.n_days) for r in (one, other)]
    return heads[0] == heads[1] and all(
        list(a) == list(b) and all(np.array_equal(a[name], b[name]) for name in a)
        for a, b in ((one.patients, other.patients), (one.days, other.days))
    )


def write(folder: Path, record: RunRecord, key: str = "k") -> tuple[Path, Path]:
    patients, days = folder / "patients.parquet", folder / "days.parquet"
    patients.write_bytes(patients_bytes(record, key=key))
    days.write_bytes(days_bytes(record, key=key))
    return patients, days


def test_a_run_comes_back_as_it_was(record: RunRecord, tmp_path: Path) -> None:
    patients, days = write(tmp_path, record)
    back = read_run(patients, days)
    assert same(back, record)
    assert back.waits[0].tolist() == record.waits[0].tolist()
    header = read_header(patients)
    assert (header.key, header.seed, header.n_days) == ("k", 1, 30)
    assert patients_bytes(record, key="k") == patients.read_bytes()


def test_the_files_are_plain_tables(record: RunRecord, tmp_path: Path) -> None:
    patients, days = write(tmp_path, record)
    table = pyarrow.parquet.read_table(patients)
    attributes = ["patient.age", "patient.drinking", "patient.health"]
    of_run = ["scenario", "condition", "seed"]
    assert table.column_names == [*of_run, *PATIENT_COLUMNS, *attributes]
    assert table.num_rows == record.n_patients
    assert table.column("pair").to_pylist()[:2] == record.patients["pair"][:2].tolist()
    assert set(table.column("condition").to_pylist()) == {record.condition}
    assert pyarrow.parquet.read_table(days).column_names == [*of_run, *DAY_COLUMNS]


def test_what_never_happened_is_empty_in_the_files(record: RunRecord, tmp_path: Path) -> None:
    patients, _ = write(tmp_path, record)
    rows = pyarrow.parquet.read_table(patients).to_pylist()
    transplanted = record.patients["transplanted"].tolist()
    assert -1 in transplanted
    assert max(transplanted) > 0
    assert [row["transplanted"] for row in rows] == [None if day == -1 else day for day in transplanted]
    assert {row["giver"] for row in rows if row["planned"] is None} == {None}
    assert same(read_run(*write(tmp_path, record)), record)


def test_a_run_without_patients_comes_back(record: RunRecord, tmp_path: Path) -> None:
    empty = replace(record, patients={name: column[:0] for name, column in record.patients.items()})
    back = read_run(*write(tmp_path, empty))
    assert back.n_patients == 0
    assert back.patients["pair"].dtype.kind == "U"
    assert same(back, empty)


def test_files_that_are_no_runs_are_named(record: RunRecord, tmp_path: Path) -> None:
    patients, days = write(tmp_path, record)
    other = tmp_path / "other.parquet"
    other.write_bytes(days_bytes(replace(record, seed=2), key="k"))
    with pytest.raises(BadRun, match="are of different runs"):
        read_run(patients, other)
    other.write_bytes(days.read_bytes()[:-20])
    with pytest.raises(BadRun, match=r"other\.parquet: cannot be read as Parquet"):
        read_run(patients, other)
    with pytest.raises(BadRun, match=r"lost\.parquet"):
        read_header(tmp_path / "lost.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), other)
    with pytest.raises(BadRun, match="is not the file of a simulated run"):
        read_header(other)
    said = json.dumps({"format": "equipoise-run", "format_version": 99})
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}).replace_schema_metadata({"equipoise": said}), other)
    with pytest.raises(BadRun, match="is equipoise-run 99; this program reads equipoise-run 1"):
        read_header(other)


def test_a_store_has_what_was_written(small: ExperimentPlan, record: RunRecord, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "deep" / "results", small)
    first, second = small.runs()[:2]
    store.write(second, record)
    assert not store.has(first)
    assert store.has(second)
    assert same(store.read(second), record)
    again = RunStore(tmp_path / "deep" / "results", changed(small, seeds=[1]))
    assert again.has(second)
    with pytest.raises(MissingRuns, match="no run of scenario 'short', condition 'EQUAL', seed 1"):
        list(again.records([second, first]))


@pytest.mark.parametrize("which", ["runs", "days"])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "other key"])
def test_a_run_that_is_not_whole_is_not_there(
    small: ExperimentPlan, record: RunRecord, tmp_path: Path, which: str, damage: str
) -> None:
    store = RunStore(tmp_path, small)
    run = small.runs()[1]
    store.write(run, record)
    (path,) = (tmp_path / which).iterdir()
    if damage == "missing":
        path.unlink()
    elif damage == "other key":
        path.write_bytes((patients_bytes if which == "runs" else days_bytes)(record, key="other"))
    else:
        path.write_bytes(path.read_bytes()[: 100 if damage == "cut" else 0])
    assert not store.has(run)


def test_an_interrupted_write_leaves_nothing_that_counts(
    small: ExperimentPlan, record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore(tmp_path, small)
    run = small.runs()[1]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            store.write(run, record)
    assert not store.has(run)
    # What is left is written over, not kept beside.
    store.write(run, record)
    assert store.has(run)
    assert [p.name for p in (tmp_path / "days").iterdir()] == ["0002-short-priority-1.parquet"]


def test_a_folder_of_another_experiment_is_refused(small: ExperimentPlan, tmp_path: Path) -> None:
    RunStore(tmp_path, small)
    (scenario,), (equal, priority) = small.scenarios, small.conditions
    for other, said in (
        (replace(small, name="other"), "its name is 'small', not 'other'"),
        (replace(small, scenarios=(replace(scenario, days=31),)), "scenario 'short' differs"),
        (replace(small, conditions=(equal,)), "condition 'PRIORITY' is not in this one"),
        (
            replace(small, conditions=(equal, priority, replace(equal, name="X"))),
            "condition 'X' is new",
        ),
        (replace(small, conditions=(priority, equal)), "the conditions come in another order"),
        (replace(small, ranks_by=None), "whose ranks are counted differs"),
        (replace(small, design=replace(small.design, version="2")), "the study differs"),
    ):
        with pytest.raises(OtherExperiment) as error:
            RunStore(tmp_path, other)
        assert said in str(error.value)
        assert "take another folder" in str(error.value)
    # Other seeds, or another baseline, need no other runs.
    RunStore(tmp_path, replace(changed(small, seeds=[50]), baseline="PRIORITY"))


def test_results_of_an_older_simulation_are_refused(
    small: ExperimentPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunStore(tmp_path, small)
    monkeypatch.setattr("exchange.experiment.plan.ENGINE_VERSION", 99)
    with pytest.raises(OtherExperiment, match=r"the version of the simulation is \d+, not 99"):
        RunStore(tmp_path, small)


def test_a_folder_with_other_files_is_refused(small: ExperimentPlan, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(OtherExperiment, match=r"holds other files, such as thesis\.tex"):
        RunStore(tmp_path, small)
    with pytest.raises(OtherExperiment, match="is a file; name a folder"):
        RunStore(tmp_path / "thesis.tex", small)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_damaged_plan_is_refused(small: ExperimentPlan, tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text("{")
    with pytest.raises(OtherExperiment, match="is damaged"):
        RunStore(tmp_path, small)
    (tmp_path / PLAN).write_text("{}")
    with pytest.raises(OtherExperiment, match="is no experiment of ours"):
        RunStore(tmp_path, small)
