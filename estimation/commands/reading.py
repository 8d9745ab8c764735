"""The input of every estimating command: answers with the design they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from estimation.counts_file import is_counts_file
from estimation.errors import EstimationError
from estimation.summary import no_design_note
from survey.answers import AnswerSet
from survey.answers_file import read_answers, read_rows
from survey.design import StudyDesign, design_hash
from survey.design_file import example_with_hash, read_design_with_comparisons
from survey.questionnaire import PREFER_NOT_TO_SAY

_SQLITE = b"SQLite format 3\0"


def read_choice_input(
    answers: Path, design: Path | None
) -> tuple[AnswerSet, StudyDesign | None, tuple[str, ...]]:
    """Read answers and find the design they were given to.

    Parameters
    ----------
    design
        The study's design file; None to use the shipped design whose hash the answers carry, if there is one.

    Returns
    -------
    tuple
        Answers, design if known, and what a reader must know about their match, in words.

    Raises
    ------
    EstimationError
        The file is of another kind: counts, an SQLite file, or not separated by commas.
    """
    _refuse_what_is_no_answers(answers)
    study = read_design_with_comparisons(design) if design else None
    answer_set = read_answers(answers, study.attributes if study else None)
    hashes = answer_hashes(answer_set)
    if study is None and len(hashes) == 1 and (study := example_with_hash(hashes[0])):
        answer_set = read_answers(answers, study.attributes)
        return (
            answer_set,
            study,
            (f"attributes as in the shipped design '{study.slug}', whose design hash the answers carry",),
        )
    if study is None:
        return answer_set, None, (no_design_note(answer_set.attributes),)
    if hashes != (design_hash(study),):
        return (
            answer_set,
            study,
            ("the answers were not all collected with this version of the design; its words may differ",),
        )
    return answer_set, study, ()


def _refuse_what_is_no_answers(path: Path) -> None:
    """Name the files that are most often taken for answers; any other complaint is left to the reader."""
    try:
        with path.open("rb") as file:
            first = file.readline(10_000)
    except OSError:
        return
    if first.startswith(_SQLITE):
        raise EstimationError(
            f"{path}: is an SQLite file; 'equipoise estimate fit --table NAME' counts the answers in a table of "
            "it, all else needs an answers file ('equipoise survey export SLUG --out answers.csv')"
        )
    if first.lstrip().startswith((b"{", b"[")):
        raise EstimationError(
            f"{path}: holds JSON, not answers; replies of models are compared with answers by 'equipoise compare "
            "align', weights are read by 'equipoise exchange clear --weights'"
        )
    for separator, name in ((b";", "semicolons"), (b"\t", "tabs")):
        if first.count(separator) > first.count(b","):
            raise EstimationError(
                f"{path}: its cells are separated by {name}; save it with commas and decimal points (CSV, UTF-8)"
            )
    if is_counts_file(path):
        raise EstimationError(
            f"{path}: holds counts, which do not say who answered; give a file of answers, or use "
            "'equipoise estimate fit' or 'compare', which take counts"
        )


def answer_hashes(answer_set: AnswerSet) -> tuple[str, ...]:
    """Return the design hashes that the answers carry, sorted."""
    return tuple(sorted({a.design_hash for a in answer_set.answers}))


def read_respondent_column(path: Path, column: str) -> Mapping[str, str]:
    """Return a property of respondents from a CSV file with the columns ``respondent`` and ``column``.

    Of a bundle's ``statements.csv``, which has a row per question, ``column`` names the question. Respondents with
    an empty cell, or who would rather not say, are left out.

    Raises
    ------
    EstimationError
        A column is missing, or a respondent has two values.
    """
    found: dict[str, str] = {}
    questions: dict[str, None] = {}
    for line, row in read_rows(path):
        has_questions = column not in row and {"question", "value"} <= row.keys()
        for name in ("respondent", "value" if has_questions else column):
            if name not in row:
                raise EstimationError(f"{path}: has no column '{name}'; it has {', '.join(row)}")
        if has_questions:
            questions[row["question"]] = None
            if row["question"] != column:
                continue
        value = row["value" if has_questions else column].strip()
        if value == PREFER_NOT_TO_SAY:
            continue
        if value and found.setdefault(row["respondent"], value) != value:
            raise EstimationError(
                f"{path}:{line}: respondent {row['respondent']} has two values of '{column}': "
                f"{found[row['respondent']]} and {value}"
            )
    if questions and column not in questions:
        raise EstimationError(
            f"{path}: nobody was asked '{column}'; the questions are {', '.join(questions)}"
        )
    return found
