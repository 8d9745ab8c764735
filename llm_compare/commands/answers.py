"""``equipoise compare answers``: models' replies as an answers file."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("answers")
@click.argument("replies", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Write answers.csv here.")
@click.option(
    "--variant",
    help="Of the prompt, by name. Unless given: the one that asks as people are asked, or the first.",
)
def answers_command(replies: tuple[Path, ...], out: Path, variant: str | None) -> None:
    """Write the choices among models' REPLIES (replies.jsonl) as answers.csv, for every command that reads answers.

    \b
    Example:
      equipoise compare answers replies.jsonl --out model_answers.csv
      equipoise estimate fit model_answers.csv --model min-delta
    """
    from llm_compare.alignment.sides import asked_models
    from llm_compare.commands.align import read_labeled
    from llm_compare.errors import NotComparable
    from survey.answers import Answer, AnswerSet
    from survey.answers_file import write_answers

    asked = asked_models(read_labeled(replies))
    first = asked[0].file
    answers: list[Answer] = []
    for model in asked:
        sides = {side.variant.name: side for side in model.sides}
        if variant is not None and variant not in sides:
            raise NotComparable(
                f"{model.label} was not asked in a variant called '{variant}'; there are {', '.join(sides)}"
            )
        side = model.headline if variant is None else sides[variant]
        answers += side.answers
        without = len(side.replies) - len(side.answers)
        named = f" (variant {side.variant.name})" if len(sides) > 1 else ""
        click.echo(
            f"{model.label}{named}: {len(side.answers)} answers; {without} of {len(side.replies)} replies were no "
            "choice"
        )
    write_answers(out, AnswerSet(attributes=first.attributes, answers=answers, source="replies"))
    click.echo(f"Written to {out}")
