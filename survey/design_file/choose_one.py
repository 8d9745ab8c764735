"""The table [choose_one] of ``design.toml``: as it stands in the file, and the way to the domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from survey.allocation_task import AllocationColumn, AllocationProblem, ChooseOne
from survey.design_file.checks import no_duplicates
from survey.design_file.complaints import Complain, Loc
from survey.design_file.fields import (
    LONGEST_NAME,
    MOST_IN_A_LIST,
    MaybeText,
    Name,
    OptionTable,
    Scalar,
    Table,
    Text,
    names_differ,
)
from survey.questionnaire import Option

# A page with more of either is read by nobody.
_MOST_COLUMNS = 40
_MOST_CANDIDATES = 100


class ColumnTable(Table):
    """[[choose_one.columns]] or [[choose_one.resource]]."""

    name: Name
    label: Text
    values: list[OptionTable] = Field(default_factory=list, max_length=MOST_IN_A_LIST)

    @model_validator(mode="after")
    def _values_differ(self) -> Self:
        names_differ([value.name for value in self.values], "value")
        return self


class ProblemTable(Table):
    """[[choose_one.problems]], whose rows are checked against the columns later."""

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    resource: list[Scalar] = Field(default_factory=list)
    candidates: Annotated[list[list[Scalar]], Field(min_length=2, max_length=_MOST_CANDIDATES)]


class ChooseOneTable(Table):
    """[choose_one]."""

    problems_per_respondent: Annotated[int, Field(ge=1, le=MOST_IN_A_LIST)]
    question: Text = "Who should get the kidney?"
    explanation: MaybeText = ""
    resource_label: Text = "The kidney"
    candidate_label: Text = "Patient {id}"
    indecision: bool = True
    set_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    resource: list[ColumnTable] = Field(default_factory=list, max_length=_MOST_COLUMNS)
    columns: Annotated[list[ColumnTable], Field(min_length=1, max_length=_MOST_COLUMNS)]
    problems: Annotated[list[ProblemTable], Field(min_length=1, max_length=MOST_IN_A_LIST)]

    @model_validator(mode="after")
    def _candidates_can_be_told_apart(self) -> Self:
        if "{id}" not in self.candidate_label:
            raise ValueError("candidate_label must contain {id}, the place for the candidate's id")
        return self


def choose_one_from(table: ChooseOneTable, complain: Complain) -> ChooseOne:
    """Return the domain's object; complain of every row that does not fit its columns."""
    loc: Loc = ("choose_one",)
    resource, columns = _columns(table.resource), _columns(table.columns)
    for key, given in (("resource", resource), ("columns", columns)):
        no_duplicates([column.name for column in given], (*loc, key), "column", complain)
    no_duplicates([problem.name for problem in table.problems], (*loc, "problems"), "problem", complain)
    if table.problems_per_respondent > len(table.problems):
        complain(
            (*loc, "problems_per_respondent"),
            f"asks for {table.problems_per_respondent} problems, but the design has only {len(table.problems)}",
        )
    problems = []
    for i, problem in enumerate(table.problems):
        problem_loc = (*loc, "problems", i)
        _check_row(problem.resource, resource, (*problem_loc, "resource"), "resource", complain)
        ids = [row[0] if row else None for row in problem.candidates]
        for j, (id_, row) in enumerate(zip(ids, problem.candidates, strict=True)):
            row_loc = (*problem_loc, "candidates", j)
            if not isinstance(id_, int) or not 0 <= id_ < 2**31:
                complain(row_loc, f"begins with {id_!r}, and must begin with the candidate's id: a number")
            elif id_ in ids[:j]:
                complain(row_loc, f"candidate {id_} is given twice")
            _check_row(row[1:], columns, row_loc, "candidate (after its id)", complain)
        problems.append(
            AllocationProblem(
                name=problem.name,
                resource=tuple(problem.resource),
                ids=tuple(id_ if isinstance(id_, int) else -1 for id_ in ids),
                candidates=tuple(tuple(row[1:]) for row in problem.candidates),
            )
        )
    return ChooseOne(
        **table.model_dump(exclude={"resource", "columns", "problems"}),
        resource=resource,
        columns=columns,
        problems=tuple(problems),
    )


def _columns(tables: Sequence[ColumnTable]) -> tuple[AllocationColumn, ...]:
    return tuple(
        AllocationColumn(
            name=table.name,
            label=table.label,
            values=tuple(Option(name=value.name, words=value.words) for value in table.values),
        )
        for table in tables
    )


def _check_row(
    row: Sequence[str | int | float],
    columns: Sequence[AllocationColumn],
    loc: Loc,
    what: str,
    complain: Complain,
) -> None:
    if len(row) != len(columns):
        complain(
            loc, f"a {what} needs {len(columns)} values, one for each column, and this one has {len(row)}"
        )
        return
    for column, value in zip(columns, row, strict=True):
        if not column.takes(value):
            named = ", ".join(option.name for option in column.values)
            complain(loc, f"column '{column.name}' has no value {value!r}; its values are {named}")
