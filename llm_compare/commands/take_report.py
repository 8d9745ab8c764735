"""What ``compare take`` leaves behind: the answers, the replies, and a summary."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from llm_compare.participation.model_participant import Shown
    from llm_compare.participation.overview import GroupTaken
    from llm_compare.participation.store import Study
    from llm_compare.participation.taking import Taken
    from llm_compare.replies.replies_file import ReplyFile

REPEATS = "Respondents of one model are repeats of that model, not people; do not count them as people."


def answers_text(study: Study, taken: Taken) -> str | None:
    """Return answers.csv; None where no reply was an answer."""
    from llm_compare.participation.model_participant import answers_given
    from survey.answers_file import answer_columns
    from survey.columns import write_csv

    found = answers_given(study.design, taken.given, source=study.slug)
    if not found.answers:
        return None
    text = io.StringIO(newline="")
    write_csv(text, answer_columns(found.attributes), found.answers)
    return text.getvalue()


def reply_file(study: Study, taken: Taken) -> ReplyFile:
    """Return the replies to main comparisons as a replies file: each respondent is a repeat."""
    from dataclasses import replace

    from llm_compare.replies.replies_file import ReplyFile
    from survey.answers import Role

    def is_main(shown: Shown) -> bool:
        return shown.presentation.role is Role.MAIN

    return ReplyFile(
        model=taken.participants[0].group.model,
        slug=study.slug,
        title=study.design.title,
        design_hash=study.design_hash,
        attributes=study.design.attributes,
        planned=sum(is_main(shown) for one in taken.participants for shown in one.shown),
        replies=[
            replace(one.recorded, request=replace(one.recorded.request, repeat=one.participant.number))
            for one in taken.given
            if is_main(one.shown)
        ],
    )


def report(study: Study, taken: Taken, out: Path | None, written: bool, *, as_json: bool) -> None:
    """Print what the respondents brought, and say on standard error what is left to do."""
    from llm_compare.participation.overview import groups_taken

    failed = {r.request.identity for r in taken.asked.replies if r.reply.error is not None}
    (counted,) = groups_taken(taken.participants, taken.given, failed)
    if as_json:
        click.echo(json.dumps(_record(study, taken, counted, out if written else None), indent=1))
    else:
        _print(counted)
        if written:
            click.echo(f"Written to {out}" + ("" if taken.complete else ", incomplete"))
    if out is not None and not written:
        click.echo(f"No reply was an answer, so {out} was not written.", err=True)
    if not taken.complete:
        _say_what_is_left(taken, counted)


def _record(study: Study, taken: Taken, counted: GroupTaken, out: Path | None) -> dict[str, Any]:
    return {
        "study": study.slug,
        "version": study.version,
        "design_hash": study.design_hash,
        "model": counted.group.model,
        "scripted": counted.group.scripted,
        "returned_models": list(counted.returned_models),
        "respondents": [one.respondent for one in taken.participants],
        "finished": counted.finished,
        "planned": counted.shown,
        "calls_made": taken.made,
        "ending": taken.asked.ending.value,
        "complete": taken.complete,
        "outcomes": {outcome.value: n for outcome, n in counted.outcomes.items()},
        "not_made": counted.not_made,
        "indecision_rate": counted.indecision_rate,
        "indecision_offered": counted.indecision_offered,
        "shared_presentations": counted.shared,
        "shared_answered_alike": counted.shared_alike,
        "cost_usd": counted.cost_usd,
        "cost_unknown_for": counted.cost_unknown,
        "note": REPEATS,
        "out": None if out is None else str(out),
    }


def _print(counted: GroupTaken) -> None:
    click.echo(
        f"{counted.group.label}: {counted.finished} of {counted.respondents} respondents answered everything"
    )
    for outcome, n in counted.outcomes.items():
        click.echo(f"  {outcome.value:<11}{n:>7}")
    if counted.indecision_rate is not None:
        click.echo(
            f"Indecision in {counted.indecision_rate:.1%} of {counted.indecision_offered} answers that could be it"
        )
    if counted.shared:
        click.echo(
            f"{counted.shared_alike} of {counted.shared} presentations that several respondents were shown in the "
            "same words were answered alike"
        )


def _say_what_is_left(taken: Taken, counted: GroupTaken) -> None:
    from llm_compare.asking.run import Ending
    from llm_compare.commands.failures import calls_left_words, failure_words, say_failures
    from llm_compare.replies.parsing import Outcome

    stopped_by = taken.asked.stopped_by
    # Said below where a call failed with it.
    said_below = stopped_by in [r.reply.error for r in taken.asked.replies]
    reason = "" if stopped_by is None or said_below else f" ({failure_words(stopped_by)})"
    why = {
        Ending.COMPLETE: "",
        Ending.CALLS: "Stopped at --max-calls. ",
        Ending.BUDGET: "Stopped before a call that could exceed --budget. ",
        Ending.INTERRUPTED: "Stopped by an interrupt. ",
        Ending.FAILING: f"Stopped because calls failed{reason}. ",
    }[taken.asked.ending]
    click.echo(f"{why}{calls_left_words(counted.outcomes[Outcome.ERROR], counted.not_made)}", err=True)
    say_failures(error for r in taken.asked.replies if (error := r.reply.error) is not None)
