"""``equipoise compare people-task``: put the problems that models are asked to people, in the survey."""

from __future__ import annotations

from pathlib import Path

import click

_PATH = click.Path(dir_okay=False, path_type=Path)


@click.command("people-task")
@click.argument("problems", type=_PATH)
@click.option("--out", type=_PATH, required=True, help="Where to write the table, e.g. section.toml.")
@click.option(
    "--problems",
    "n_problems",
    type=click.IntRange(min=1),
    help="Only the first so many problems of the file; all by default.",
)
@click.option(
    "--per-respondent",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Problems that each respondent is drawn.",
)
@click.option(
    "--columns",
    help="Candidates' columns to show, joined by commas, e.g. ABO,AGE,GENDER; all 16 by default, as to models.",
)
def people_task_command(
    problems: Path, out: Path, n_problems: int | None, per_respondent: int, columns: str | None
) -> None:
    """Write the table [choose_one] of a study design from PROBLEMS, a problems.json.

    Put the table into a design file, whose participants then choose one of several patients after the comparisons.
    Problems made of a registry's records are refused: they must not be shown on the web.

    \b
    Example:
      equipoise compare people-task problems.json --problems 20 --out section.toml
    """
    from estimation.commands.writing import check_outputs, write_text
    from llm_compare.allocation.problems.problems_file import read_problems
    from llm_compare.allocation.trials.people_section import people_section
    from llm_compare.allocation.trials.trial import ALL_COLUMNS

    check_outputs(("--out", out), inputs=(problems,))
    chosen = ALL_COLUMNS if columns is None else tuple(name.strip() for name in columns.split(","))
    problem_set = read_problems(problems)
    text = people_section(problem_set, columns=chosen, n_problems=n_problems, per_respondent=per_respondent)
    write_text(out, text)
    click.echo(
        f"{out}: the table [choose_one] with {n_problems or len(problem_set.problems)} problems; put it into a "
        "design file and check that with 'equipoise survey check'."
    )
    click.echo(
        "Its words are English: a design in other languages needs translations, which the check names. These "
        "patients are synthetic, and respondents must be told so."
    )
