"""A small experiment, as a file and as a plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from exchange.experiment.experiment_file import parse_experiment
from exchange.experiment.plan import ExperimentPlan

SMALL = """
name = "small"
seeds = { first = 1, count = 3 }
ranks_by = "freedman2020-heterogeneous"

[[scenarios]]
name = "short"
preset = "freedman2020-heterogeneous"
days = 30

[[conditions]]
name = "EQUAL"
policy = "equal"

[[conditions]]
name = "PRIORITY"
policy = "priority-after-cardinality"
weights = "freedman2020-profiles"
"""


@pytest.fixture(scope="session")
def small_text() -> str:
    """The text of the file: two conditions, three seeds, 30 days."""
    return SMALL


@pytest.fixture(scope="session")
def parsed() -> Callable[..., ExperimentPlan]:
    """Return a function: the text of an experiment file to its plan, complaints calling it own.toml."""

    def parse(text: str, folder: Path = Path()) -> ExperimentPlan:
        return parse_experiment(text, "own.toml", folder, name="own")

    return parse


@pytest.fixture(scope="session")
def small(parsed: Callable[..., ExperimentPlan]) -> ExperimentPlan:
    """The plan of the small experiment."""
    return parsed(SMALL)
