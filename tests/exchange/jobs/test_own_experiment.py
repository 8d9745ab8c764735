from __future__ import annotations

import tomllib
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from exchange.clearing.objectives import Policy
from exchange.jobs.job import EXPERIMENT
from exchange.jobs.own_experiment import _FILES, Chosen, Upload, write_own_experiment
from exchange.outcomes.weight_uncertainty import drawn_conditions
from exchange.simulation.scenario_tables import ScenarioTable


def test_every_key_of_a_scenario_that_names_a_file_is_known() -> None:
    # Whoever sends a scenario must not have files of this machine read.
    found = {
        (table, key)
        for table, field in ScenarioTable.model_fields.items()
        for inner in get_args(field.annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel)
        for key in inner.model_fields
        if key.endswith("file")
    }
    assert found == set(_FILES)
    assert not any(key.endswith("file") for key in ScenarioTable.model_fields)


def test_no_name_of_a_file_makes_its_weights_a_draw_or_a_pattern(tmp_path: Path) -> None:
    names = ("people #1.json", "people #2.json", "{policy}.json", "#.json")
    chosen = Chosen(
        title="Names",
        study="kidney-8",
        study_file=None,
        preset="freedman2020",
        scenario_file=None,
        pool_files=(),
        policies=(Policy.GREATEST_WEIGHT,),
        weights=(),
        donor_weights=(),
        weights_files=[Upload(name=name, content=b"{}") for name in names],
        people_files=(),
        people_as="donors",
    )
    write_own_experiment(chosen, tmp_path)
    document = tomllib.loads((tmp_path / EXPERIMENT).read_text(encoding="utf-8"))
    found = [condition["name"] for condition in document["conditions"]]
    assert found == [f"greatest-weight, {name}" for name in ("people 1", "people 2", "policy", "weights")]
    assert not drawn_conditions(found)
