"""Fixtures for problems: records of a few lines, and an extract as the registry writes it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, KIDNEY_COLUMNS
from llm_compare.allocation.problems.problem import Candidate, Kidney, Origin, ProblemSet, Value

CANDIDATE_CODES = {
    "ABO": "A",
    "A1": "2",
    "A2": "68",
    "B1": "7",
    "B2": "0",
    "DR1": "4",
    "DR2": "15",
    "AGE": "27",
    "HGT_CM_TCR": "173",
    "WGT_KG_TCR": "56.7",
    "GENDER": "M",
    "ETHCAT": "4",
    "EDUCATION": "3",
    "WORK_INCOME_TCR": "N",
    "DAYSWAIT_CHRON_KI": "965",
    "PERM_STATE": "IN",
}
"""Candidate 10 of the paper's Choose-One prompt (appendix B.2), in the registry's codes."""
KIDNEY_CODES = {
    "ABO_DON": "A",
    "DA1": "2",
    "DA2": "29",
    "DB1": "45",
    "DB2": "58",
    "DDR1": "4",
    "DDR2": "11",
    "AGE_DON": "22",
    "HGT_CM_DON_CALC": "183",
    "WGT_KG_DON_CALC": "65.8",
    "GENDER_DON": "M",
    "ETHCAT_DON": "1",
    "HOME_STATE_DON": "MS",
}
"""The kidney of the same prompt."""


@pytest.fixture(scope="session")
def candidate() -> Callable[..., Candidate]:
    """Return a function that makes a candidate of whom only what is named is known."""

    def make(**values: Value) -> Candidate:
        assert values.keys() <= {column.name for column in CANDIDATE_COLUMNS}
        return Candidate(tuple(values.get(column.name) for column in CANDIDATE_COLUMNS))

    return make


@pytest.fixture(scope="session")
def kidney() -> Callable[..., Kidney]:
    """Return a function that makes a kidney of which only what is named is known."""

    def make(**values: Value) -> Kidney:
        assert values.keys() <= {column.name for column in KIDNEY_COLUMNS}
        return Kidney(tuple(values.get(column.name) for column in KIDNEY_COLUMNS))

    return make


@pytest.fixture
def extract(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an extract with candidates and donors in one row, as KIDPAN_DATA has them."""

    def write(
        *rows: dict[str, str], name: str = "extract.csv", header: bool = True, without: tuple[str, ...] = ()
    ) -> Path:
        whole = [{"WL_ORG": "KI", **CANDIDATE_CODES, "NOTE": "", **KIDNEY_CODES, **row} for row in rows]
        names = [column for column in whole[0] if column not in without]
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="," if name.endswith(".csv") else "\t")
            writer.writerows([names] if header else [])
            writer.writerows([[row[column] for column in names] for row in whole])
        return path

    return write


@pytest.fixture(scope="session")
def small_set() -> ProblemSet:
    """Three problems of four synthetic candidates, pairs and examples."""
    from llm_compare.allocation.problems.drawing import draw_problem_set
    from llm_compare.allocation.problems.synthetic import (
        synthetic_candidates,
        synthetic_kidneys,
        synthetic_source,
    )

    return draw_problem_set(
        synthetic_candidates(300, seed=5),
        synthetic_kidneys(60, seed=5),
        origin=Origin.SYNTHETIC,
        source=synthetic_source(5),
        title="Three",
        seed=5,
        n_problems=3,
        n_candidates=4,
        n_kidneys_viability=3,
        n_candidates_viability=3,
        n_example_sets=2,
    )
