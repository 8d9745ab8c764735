"""What people chose in a study's survey, as trials of the same problem set: they stand beside models."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from llm_compare.allocation.problems.problem import Problem, ProblemSet
from llm_compare.allocation.problems.problems_file import problems_sha256
from llm_compare.allocation.trials.answer import AnsweredTrial, Outcome, Read, RespondentKind, TrialFile
from llm_compare.allocation.trials.trial import ALL_COLUMNS, Form, Task, Trial, Turns, Way
from llm_compare.errors import BadTrials
from llm_compare.replies.reply import Reply

_NEEDED = (
    "respondent",
    "wave",
    "position",
    "problem",
    "set_sha256",
    "row_order",
    "columns",
    "counts",
    "choice",
    "chosen",
    "seconds",
    "seconds_problem",
    "served_at",
)
# People read everything on one page; nothing of a model's conversation applies.
_WAY = Way(turns=Turns.SINGLE, form=Form.TEXT)


def people_trials(export: Path, problem_set: ProblemSet) -> TrialFile:
    """Read ``choose_one.csv`` of a study's export: one trial for each answer that counts.

    Repeats are people: the first who answered a problem is repeat 0, in the file's order. Indecision is an answer
    that selects nobody (:attr:`Outcome.INDECISION`).

    Raises
    ------
    BadTrials
        The file is none of that kind, or was made from other problems.
    """
    sha256 = problems_sha256(problem_set)
    problems = {problem.name: problem for problem in problem_set.problems}
    answered: list[AnsweredTrial] = []
    asked: set[tuple[str, str, str]] = set()
    repeats: Counter[str] = Counter()
    for where, row in _rows(export):
        if row["set_sha256"] != sha256:
            raise BadTrials(
                f"{where}: these answers are to problems with SHA-256 {row['set_sha256'][:12] or '(none stated)'}, "
                f"and these problems have {sha256[:12]}; name the problems.json that the study's [choose_one] was "
                "made from"
            )
        problem = problems.get(row["problem"])
        if problem is None:
            raise BadTrials(f"{where}: the problem set has no problem '{row['problem']}'")
        asked.add((row["respondent"], row["wave"], row["position"]))
        if row["counts"] != "yes":
            continue
        answered.append(_answered(row, problem, where, repeat=repeats[problem.name]))
        repeats[problem.name] += 1
    return TrialFile(
        label="people",
        model="people",
        kind=RespondentKind.PEOPLE,
        task=Task.CHOOSE_ONE,
        set_sha256=sha256,
        origin=problem_set.origin,
        planned=len(asked),
        answered=tuple(answered),
        settings={},
        file=export,
    )


def _rows(export: Path) -> list[tuple[str, Mapping[str, str]]]:
    """Return (where, cells) of every row."""
    try:
        with export.open(encoding="utf-8", newline="") as text:
            reader = csv.DictReader(text, strict=True)
            missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                raise BadTrials(
                    f"{export}: has no column '{missing[0]}'; name the choose_one.csv of a study's export"
                )
            rows: list[tuple[str, Mapping[str, str]]] = []
            for row in reader:
                where = f"{export}:{reader.line_num}"
                if None in row or None in row.values():
                    raise BadTrials(f"{where}: has not as many cells as the header")
                rows.append((where, row))
            return rows
    except OSError as error:
        raise BadTrials(
            f"{export}: {error.strerror or error}; name the choose_one.csv of an export"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadTrials(f"{export}: is no CSV file in UTF-8 ({error})") from None


def _answered(row: Mapping[str, str], problem: Problem, where: str, *, repeat: int) -> AnsweredTrial:
    ids = {str(id_): number for number, id_ in enumerate(problem.ids)}
    shown = row["row_order"].split(";")
    if sorted(shown) != sorted(ids):
        raise BadTrials(f"{where}: row_order names other candidates than problem '{problem.name}' has")
    columns = tuple(row["columns"].split(";"))
    if not set(columns) <= set(ALL_COLUMNS):
        raise BadTrials(f"{where}: shows columns that candidates do not have: {row['columns']}")
    is_indecision = row["choice"] == "indecision"
    if not is_indecision and (row["choice"] != "candidate" or row["chosen"] not in ids):
        raise BadTrials(f"{where}: '{row['chosen']}' is no candidate of problem '{problem.name}'")
    return AnsweredTrial(
        trial=Trial(
            task=Task.CHOOSE_ONE,
            way=_WAY,
            problem=problem,
            row_order=tuple(ids[id_] for id_ in shown),
            repeat=repeat,
            column_order=columns,
        ),
        reply=Reply(
            content=row["choice"] if is_indecision else row["chosen"],
            seconds=_seconds(row, where),
            asked_at=_moment(row["served_at"], where),
        ),
        read=Read(
            outcome=Outcome.INDECISION if is_indecision else Outcome.ANSWER,
            rule="as marked on the page",
            order=() if is_indecision else (ids[row["chosen"]],),
        ),
        respondent=row["respondent"],
    )


def _seconds(row: Mapping[str, str], where: str) -> float | None:
    if row["seconds_problem"] or not row["seconds"]:
        return None
    try:
        return float(row["seconds"])
    except ValueError:
        raise BadTrials(f"{where}: seconds is '{row['seconds']}', no number") from None


def _moment(text: str, where: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadTrials(f"{where}: served_at is '{text}', no date and time") from None
