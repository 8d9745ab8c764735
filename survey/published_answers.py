"""Importers of published data sets: their files in, our answers out. The files are never part of Equipoise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.answers_file import read_rows
from survey.design import StudyDesign, design_hash
from survey.design_file import EXAMPLES, example_design
from survey.errors import BadAnswers, BadProfile

# All three files code the decision like this. The README beside them says 1 = left, 2 = right, 0 = coin, and the
# data contradict it: code 2 never occurs in the groups without a coin, code 0 goes with the younger on the left.
_DECISIONS = {"0": Choice.LEFT, "1": Choice.RIGHT, "2": Choice.INDECISION}
_STUDY_1_AGES = {"0": 18, "1": 32, "2": 55, "4": 90}
_STUDY_1_DRINKING = {"0": "none", "1": "light", "2": "heavy"}


def import_published(name: str, path: Path) -> AnswerSet:
    """Read one file of the published data set ``name``.

    Raises
    ------
    BadAnswers
        An unknown data set, or a file that is not one of its files; the message lists what there is.
    """
    if name not in IMPORTERS:
        raise BadAnswers(f"no published data set is called '{name}'; there is {', '.join(sorted(IMPORTERS))}")
    return IMPORTERS[name](path)


def import_mcelfresh2021(path: Path) -> AnswerSet:
    """Read a file of McElfresh et al. (2021), "Indecision Modeling" (AAAI; data GPL-2.0 at its repository).

    Which of the three files it is shows in its columns: ``study_1.csv`` (15 fixed tasks, 122 people),
    ``study_2_indecisive.csv`` or ``study_2_strict.csv`` (40 random comparisons each, 132 people each). Times are
    the published ``delay``, which includes a confirmation dialog; the other files have none. In the strict file
    ``cf_decision`` is another person's answer to the same comparison and is not imported.
    """
    rows = list(read_rows(path))
    columns = set(rows[0][1]) if rows else set()
    if "left_drinking" in columns:
        design, read, missing = example_design("kidney-study1"), _study_1, "not published"
    elif "delay" in columns:
        design, read, missing = example_design("kidney-numeric"), _study_2_indecisive, ""
    elif "cf_decision" in columns:
        design, read, missing = example_design("kidney-numeric"), _study_2_strict, "not published"
    else:
        raise BadAnswers(
            f"{path}: is none of study_1.csv, study_2_indecisive.csv, study_2_strict.csv of this data set"
        )
    hashed = design_hash(design)
    answers = []
    for number, row in rows:
        try:
            answers.append(read(design, hashed, row, missing))
        except (KeyError, ValueError, BadProfile) as error:
            what = (
                f"{error.args[0]!r} is not a known code or column" if isinstance(error, KeyError) else error
            )
            raise BadAnswers(f"{path}:{number}: {what}") from None
    return AnswerSet(attributes=design.attributes, answers=answers, source=f"mcelfresh2021/{path.name}")


def import_study_1_counts(path: Path = EXAMPLES / "kidney-study1-counts.csv") -> AnswerSet:
    """Read the counts of Study 1 that ship with the examples: 1,830 answers of 122 people to 15 tasks.

    The counts do not say which person gave which answers, so ``respondent`` is None and intervals from these
    answers cannot account for people who answer alike throughout.
    """
    design = example_design("kidney-study1")
    hashed = design_hash(design)
    answers: list[Answer] = []
    for number, row in read_rows(path):
        try:
            answers += _study_1_task(design, hashed, row)
        except (KeyError, ValueError, BadProfile) as error:
            what = f"there is no column {error.args[0]!r}" if isinstance(error, KeyError) else error
            raise BadAnswers(f"{path}:{number}: {what}") from None
    return AnswerSet(
        attributes=design.attributes,
        answers=answers,
        source="McElfresh et al. (2021), Study 1, published counts",
    )


def _study_1_task(design: StudyDesign, hashed: str, row: Mapping[str, str]) -> list[Answer]:
    """Return the answers counted in one row: one task, one arm."""
    left, right = (
        design.profile(
            {
                "age": int(row[f"{side}.age"]),
                "dependents": int(row[f"{side}.dependents"]),
                "drinking": row[f"{side}.drinking"],
            }
        )
        for side in ("left", "right")
    )
    arm = design.arm(row["arm"])
    answers: list[Answer] = []
    for choice in Choice:
        answer = Answer(
            respondent=None,
            kind=RespondentKind.HUMAN,
            arm=arm.name,
            position=int(row["task"]),
            left=left,
            right=right,
            choice=choice,
            indecision_offered=arm.indecision_offered,
            design_hash=hashed,
            seconds_missing="not published",
        )
        answers += [answer] * int(row[f"chose_{choice}"] or 0)
    return answers


def _study_1(design: StudyDesign, hashed: str, row: Mapping[str, str], missing: str) -> Answer:
    left, right = (
        design.profile(
            {
                "age": _STUDY_1_AGES[row[f"{side}_age"]],
                "dependents": int(row[f"{side}_dependents"]),
                "drinking": _STUDY_1_DRINKING[row[f"{side}_drinking"]],
            }
        )
        for side in ("left", "right")
    )
    arm = {"cf": "with-coin", "nocf": "no-coin"}[row["group"]]
    return Answer(
        respondent=f"study1-{row['user_id']}",
        kind=RespondentKind.HUMAN,
        arm=arm,
        position=int(row["decision_rank"]),
        left=left,
        right=right,
        choice=_DECISIONS[row["decision"]],
        indecision_offered=design.arm(arm).indecision_offered,
        design_hash=hashed,
        seconds_missing=missing,
    )


def _study_2_indecisive(design: StudyDesign, hashed: str, row: Mapping[str, str], missing: str) -> Answer:
    return _study_2(design, hashed, row, "with-coin", float(row["delay"]) / 1000, missing)


def _study_2_strict(design: StudyDesign, hashed: str, row: Mapping[str, str], missing: str) -> Answer:
    return _study_2(design, hashed, row, "no-coin", None, missing)


def _study_2(
    design: StudyDesign, hashed: str, row: Mapping[str, str], arm: str, seconds: float | None, missing: str
) -> Answer:
    left, right = (
        design.profile(
            {
                "age": int(row[f"{side}_1"]),
                "drinks": int(row[f"{side}_2"]),
                "dependents": int(row[f"{side}_3"]),
            }
        )
        for side in ("left", "right")
    )
    return Answer(
        respondent=f"study2-{arm}-{row['user_id']}",
        kind=RespondentKind.HUMAN,
        arm=arm,
        # Ranks count from 0 and skip the places where an unpublished attention check stood.
        position=int(row["decision_rank"]) + 1,
        left=left,
        right=right,
        choice=_DECISIONS[row["decision"]],
        indecision_offered=design.arm(arm).indecision_offered,
        design_hash=hashed,
        seconds=seconds,
        seconds_missing=missing,
    )


IMPORTERS: Mapping[str, Callable[[Path], AnswerSet]] = {
    "mcelfresh2021": import_mcelfresh2021,
    "mcelfresh2021-study1-counts": import_study_1_counts,
}
