"""The table ``[choose_one]`` of a study design, from a problem set: people are put the same problems. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, KIDNEY_COLUMNS, Column, Kind
from llm_compare.allocation.problems.problem import ProblemSet, Value
from llm_compare.allocation.problems.problems_file import problems_sha256
from llm_compare.errors import BadProblems

_LABELS = {
    "ABO": "Blood type",
    "AGE": "Age (years)",
    "HGT_CM_TCR": "Height (cm)",
    "WGT_KG_TCR": "Weight (kg)",
    "GENDER": "Gender",
    "ETHCAT": "Ethnicity",
    "EDUCATION": "Education",
    "WORK_INCOME_TCR": "Works for income",
    "DAYSWAIT_CHRON_KI": "Days on the waiting list",
    "PERM_STATE": "State",
    "ABO_DON": "Blood type",
    "AGE_DON": "Age (years)",
    "HGT_CM_DON_CALC": "Height (cm)",
    "WGT_KG_DON_CALC": "Weight (kg)",
    "GENDER_DON": "Gender",
    "ETHCAT_DON": "Ethnicity",
    "HOME_STATE_DON": "State",
}
_NO_SECOND_ANTIGEN = 0
_ANTIGEN = re.compile(r"D?(A|B|DR)([12])")
# Blood groups and names of states are the same in every language.
_THE_SAME_EVERYWHERE = {"ABO", "ABO_DON", "PERM_STATE", "HOME_STATE_DON"}
# The registry writes these in capital letters, which are hard to read.
_ACRONYMS = {"ged": "GED", "n/a": "N/A", "yrs": "years"}


def people_section(
    problem_set: ProblemSet,
    *,
    columns: Sequence[str],
    n_problems: int | None,
    per_respondent: int,
) -> str:
    """Return the table as TOML, to be put into a design file.

    Parameters
    ----------
    columns
        Candidates' columns to show. Of the kidney the matching ones are shown.
    n_problems
        The first so many problems of the set; None: all.

    Raises
    ------
    BadProblems
        The set holds people's records, has no such column, or fewer problems than are asked for.
    """
    if problem_set.is_restricted:
        raise BadProblems(
            f"'{problem_set.title}' holds records of people from a registry, which must not be shown on the web; "
            "draw synthetic problems with 'equipoise compare problems'"
        )
    known = {column.name: column for column in CANDIDATE_COLUMNS}
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise BadProblems(
            f"there is no column '{unknown[0]}' of candidates; the columns are {', '.join(known)}"
        )
    problems = problem_set.problems if n_problems is None else problem_set.problems[:n_problems]
    if len(problems) < (n_problems or 1):
        raise BadProblems(f"the set has {len(problems)} problems to choose one in, not {n_problems}")
    if per_respondent > len(problems):
        raise BadProblems(
            f"{per_respondent} problems per respondent are more than the {len(problems)} there are"
        )
    shown = tuple(known[name] for name in columns)
    of_kidney = tuple(c for c in KIDNEY_COLUMNS if _matching(c) in columns)
    lines = [
        # Without quotation marks: a comment takes no control characters either.
        f"# {_toml(f'{problem_set.title}: {problem_set.source}')[1:-1]}",
        "[choose_one]",
        f"problems_per_respondent = {per_respondent}",
        'question = "Who should get the kidney?"',
        'explanation = "All of these patients are on the waiting list, and the kidney suits each of them."',
        'resource_label = "The kidney and its donor"',
        'candidate_label = "Patient {id}"',
        "indecision = true",
        f"set_sha256 = {_toml(problems_sha256(problem_set))}",
        "",
    ]
    for table, own, rows in (
        ("resource", of_kidney, [[p.kidney[c.name] for c in of_kidney] for p in problems]),
        ("columns", shown, [[k[c.name] for c in shown] for p in problems for k in p.candidates]),
    ):
        for i, column in enumerate(own):
            lines += _column_lines(table, column, [row[i] for row in rows])
    for problem in problems:
        lines += [
            "[[choose_one.problems]]",
            f"name = {_toml(problem.name)}",
            f"resource = {_row(of_kidney, [problem.kidney[c.name] for c in of_kidney])}",
            "candidates = [",
            *(
                f"  [{id_}, {_row(shown, [candidate[c.name] for c in shown])[1:]},"
                for id_, candidate in zip(problem.ids, problem.candidates, strict=True)
            ),
            "]",
            "",
        ]
    return "\n".join(lines)


def _matching(column: Column) -> str:
    """Return the candidates' column that says the same as one of the kidney's."""
    if _ANTIGEN.fullmatch(column.name):
        return column.name[1:]
    label = _LABELS[column.name]
    return next(name for name, words in _LABELS.items() if words == label)


def _column_lines(table: str, column: Column, values: Sequence[Value]) -> list[str]:
    lines = [f"[[choose_one.{table}]]", f"name = {_toml(column.name)}", f"label = {_toml(_label(column))}"]
    if column.kind is Kind.WORD and column.name not in _THE_SAME_EVERYWHERE:
        words = sorted({str(value) for value in values if value is not None})
        options = ", ".join(f"{{ name = {_toml(_name(w))}, words = {_toml(_plain(w))} }}" for w in words)
        lines.append(f"values = [{options}]")
    return [*lines, ""]


def _label(column: Column) -> str:
    antigen = _ANTIGEN.fullmatch(column.name)
    return f"Tissue type {antigen[1]} ({antigen[2]})" if antigen else _LABELS[column.name]


def _row(columns: Sequence[Column], values: Sequence[Value]) -> str:
    cells = []
    for column, value in zip(columns, values, strict=True):
        if value is None or (column.kind is Kind.CODE and value == _NO_SECOND_ANTIGEN):
            cells.append('""')
        elif column.kind is not Kind.WORD:
            cells.append(repr(value))
        elif column.name in _THE_SAME_EVERYWHERE:
            text = str(value)
            # A blood group is written in capital letters; a state's name need not be.
            cells.append(_toml(text.title().replace(" Of ", " of ") if len(text) > 3 else text))
        else:
            cells.append(_toml(_name(str(value))))
    return f"[{', '.join(cells)}]"


def _name(words: str) -> str:
    """Return the name of a value, of the letters that a name may have."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _plain(words: str) -> str:
    """Return words without the registry's capital letters."""
    if words != words.upper() and not words.startswith(("HIGH", "N/A")):
        return words
    read = words.lower()
    for acronym, written in _ACRONYMS.items():
        read = re.sub(rf"\b{re.escape(acronym)}\b", written, read)
    return read[:1].upper() + read[1:]


def _toml(text: str) -> str:
    # A string of JSON is one of TOML.
    return json.dumps(text, ensure_ascii=False)
