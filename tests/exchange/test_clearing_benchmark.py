from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "clearing.py"


def test_the_benchmark_shows_how_each_stage_was_proved(tmp_path: Path) -> None:
    out = tmp_path / "measured.json"
    # No such folder of data: generated pools of the same size stand in.
    arguments = ["--rows", "priority/64+6", "--runs", "1", "--data", str(tmp_path), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "optimal; optimal" in done.stdout
    (row,) = json.loads(out.read_text(encoding="utf-8"))["measured"]
    stages = row["runs"][0]["answer"]["stages"]
    for stage in stages:
        assert f"{stage['formulation']}, {stage['proof']}" in done.stdout
    assert f" {stages[-1]['columns_used']} " in done.stdout
