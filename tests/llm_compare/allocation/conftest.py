"""A study with respondents whose rule is known, carried out once over the real commands."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from survey.cli import run

PREFERS = "scripted/prefers:gender=Female"
TRIALS = {
    "choose-prefers.jsonl": ("choose-one", "--model", PREFERS, "--counterfactual", "gender"),
    "rank-prefers.jsonl": ("rank-all", "--model", PREFERS),
    "choose-random.jsonl": ("choose-one", "--model", "scripted/random", "--counterfactual", "gender"),
    "rank-random.jsonl": ("rank-all", "--model", "scripted/random", "--column-shuffles", "1"),
    "rank-waiting.jsonl": ("rank-all", "--model", "scripted/waiting-time"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """The study's files."""

    folder: Path

    @property
    def problems(self) -> Path:
        return self.folder / "problems.json"

    @property
    def trials(self) -> list[str]:
        return [str(path) for path in sorted(self.folder.glob("*.jsonl"))]

    @property
    def record(self) -> dict[str, Any]:
        """``allocation.json``, read anew, so that a test may change its own."""
        found: dict[str, Any] = json.loads((self.folder / "allocation.json").read_text(encoding="utf-8"))
        return found

    def respondent(self, name: str) -> dict[str, Any]:
        """What was measured on a respondent."""
        found: dict[str, Any] = next(r for r in self.record["respondents"] if r["name"] == name)
        return found

    def compare(self, *arguments: str) -> int:
        """Run ``equipoise compare fairness`` on the study and return its exit code."""
        return run(["compare", "fairness", "--problems", str(self.problems), *arguments])


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Planted:
    """Six problems of eight candidates, put to scripts through the commands as one would type them."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copy(migrated_database, folder / "equipoise.sqlite")
    problems = str(folder / "problems.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EQUIPOISE_DATABASE_URL", f"sqlite:///{folder}/equipoise.sqlite")
        small = ["--problems", "6", "--candidates", "8", "--example-sets", "2"]
        assert run(["compare", "problems", "--out", problems, "--seed", "4", *small]) == 0
        for name, (task, *given) in TRIALS.items():
            out = ["--out", str(folder / name), "--turns", "single", "--shuffles", "2", "--repeats", "3"]
            assert run(["compare", task, problems, *given, *out]) == 0
        given = ["--strategy", "zero-shot", "--strategy", "out-of-box", "--turns", "single", "--repeats", "2"]
        out = ["--model", "scripted/criteria", "--out", str(folder / "viability.jsonl")]
        assert run(["compare", "viability", problems, *given, *out]) == 0
    study = Planted(folder=folder)
    written = ["--out", str(folder / "allocation.json"), "--report", str(folder / "allocation.html")]
    assert study.compare(*study.trials, *written, "--permutations", "999", "--null-runs", "2") == 0
    return study
