"""``equipoise compare answers``: models' replies as an answers file."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("answers")
@click.argument("replies", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Write answers.csv here.")
def answers_command(replies: tuple[Path, ...], out: Path) -> None:
    """Write the choices among models' REPLIES (replies.jsonl) as answers.csv, for every command that reads answers.

    \b
    Example:
      equipoise compare answers replies.jsonl --out model_answers.csv
      equipoise estimate fit model_answers.csv --model min-delta
    """
    from llm_compare.align_command import read_labeled
    from llm_compare.errors import NotComparable
    from llm_compare.respondents import answers_of
    from survey.answers import Answer, AnswerSet
    from survey.answers_file import write_answers

    files = read_labeled(replies)
    first = next(iter(files.values()))
    answers: list[Answer] = []
    for label, file in files.items():
        if file.attributes != first.attributes:
            raise NotComparable(
                f"{label} was asked about other attributes than {next(iter(files))}; write a file of each"
            )
        found, tallied = answers_of(file.replies, file.attributes, source=label)
        answers += found.answers
        without = tallied.total - tallied.answers
        click.echo(f"{label}: {tallied.answers} answers; {without} of {tallied.total} replies were no choice")
    write_answers(out, AnswerSet(attributes=first.attributes, answers=answers, source="replies"))
    click.echo(f"Written to {out}")
