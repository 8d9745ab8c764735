"""The guide's code runs as written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from survey.answers_file import write_answers
from survey.published_answers import import_study_1_counts

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "choosing-a-model.md"


def test_the_python_of_the_guide_runs_as_written(tmp_path, monkeypatch, capsys):
    people = import_study_1_counts()
    kept = [a for a in people.answers if a.arm == "with-coin"]
    write_answers(tmp_path / "answers.csv", replace(people, answers=kept))
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)

    exec(compile(code, str(GUIDE), "exec"), {})  # noqa: S102 - the code is our own page

    printed = capsys.readouterr().out
    assert "'age'" in printed
    assert "indecision by distance" in printed
