"""``equipoise compare suggest``: ask a model which attributes should, and should not, count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compare.commands.call_options import (
    address_options,
    batch_options,
    limit_options,
    one_of,
    settings_options,
    with_options,
)
from llm_compare.suggesting.open_question import Form

if TYPE_CHECKING:
    from llm_compare.asking.run import Answerer
    from llm_compare.commands.flat_asking import FlatPlan
    from llm_compare.suggesting.open_question import OpenCall
    from llm_compare.suggesting.suggestions_file import SuggestionFile


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    return with_options(
        command,
        click.option(
            "--model",
            help="A litellm model string such as openai/gpt-4o or ollama/llama3, or a script: scripted/usual, "
            "scripted/list:FILE, scripted/nothing, scripted/declines.",
        ),
        address_options,
        settings_options,
        click.option(
            "--repeats",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Times that each question is put. Every repeat is a respondent of its own, MODEL#1, MODEL#2 ...",
        ),
        click.option("--language", default="", help="One of the design's languages.  [default: its own]"),
        click.option("--persona", default="", help="Whom to answer as, in your words; give a --label, too."),
        one_of("--form", Form, Form.LINES, "The form of the answer that is asked for."),
        click.option(
            "--seed",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Seed of what scripts leave to chance. Never sent.",
        ),
        limit_options,
        batch_options,
        click.option(
            "--out", type=click.Path(path_type=Path), help="Write the suggestions (JSON lines) here."
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
    )


@click.command(
    "suggest",
    epilog="\b\nExample:\n  equipoise compare suggest examples/kidney-attributes.toml --model scripted/usual "
    "--repeats 20 --out model_suggestions.jsonl",
)
@click.argument("design", type=click.Path(path_type=Path))
@_options
@click.pass_context
def suggest_command(ctx: click.Context, /, **given: Any) -> None:
    """Ask a model the open questions of DESIGN (design.toml): what should, and what should not, count.

    The model reads the words that people read. Replies are stored as they come: the same command again asks only
    what is missing. 'equipoise survey coding import' takes the file into the study, to be coded like people's.
    """
    from llm_compare.commands.allocation_options import CallOptions
    from llm_compare.commands.flat_asking import (
        Ways,
        asked_record,
        carry_out_flat,
        echo_json,
        end_flat,
        plan_calls,
        show_flat_plan,
    )
    from llm_compare.replies.store import open_store
    from llm_compare.suggesting.suggestions_file import suggestion_file, write_suggestions
    from survey.writing import check_outputs

    # The study's own words are all that is sent.
    options = CallOptions.of({**given, "send_records": False})
    design_path, out, as_json = given["design"], given["out"], given["as_json"]
    ways = Ways(
        calls=options,
        seed=given["seed"],
        export_batch=given["export_batch"],
        import_batch=given["import_batch"],
        as_json=as_json,
    )
    ways.check(out)
    check_outputs(("--out", out), ("--export-batch", ways.export_batch), inputs=[design_path])
    if given["persona"].strip() and not given["label"]:
        raise click.UsageError(
            "--persona: name its respondents with --label, so that they are not taken for the model's own answers"
        )
    plan: FlatPlan[OpenCall]
    with open_store() as sessions:
        design, calls, make_script = _calls(given, options)
        plan = plan_calls(sessions, calls, options)
        show_flat_plan(plan, _lines(design, calls, given), shows_prompt=options.show_prompt)
        done = carry_out_flat(ctx, sessions, plan, make_script, ways)
    if done is None:
        return
    asked, imported = done
    file = suggestion_file(
        design, calls, asked.replies, label=options.asked.name, manifest=_manifest(design_path, given, plan)
    )
    write_suggestions(out, file)
    if as_json:
        echo_json(
            {
                **_summary(file),
                **asked_record(asked),
                "complete": file.complete,
                "imported": imported,
                "out": str(out),
            }
        )
    else:
        _say(file, out)
    end_flat(ctx, asked, imported)


def _calls(
    given: dict[str, Any], options: Any
) -> tuple[Any, tuple[OpenCall, ...], Callable[[], Answerer[OpenCall]]]:
    from llm_compare.asking.protocol import settings_of
    from llm_compare.prompting.call import is_scripted
    from llm_compare.suggesting.open_question import MOST_TOKENS, open_calls, respondent_name
    from llm_compare.suggesting.scripted import Script, ScriptedSuggester, script_of
    from survey.design_file import read_design

    asked = options.asked
    design = read_design(given["design"])
    script = script_of(asked.model) if is_scripted(asked.model) else Script(sha256="")
    calls = open_calls(
        design,
        model=asked.model,
        settings=settings_of(asked, asked.choices, most_tokens=MOST_TOKENS, seed=given["seed"]),
        api_base=asked.api_base,
        language=given["language"],
        form=Form(given["form"]),
        persona=given["persona"],
        repeats=given["repeats"],
        script_sha256=script.sha256,
    )
    # Before anything is asked, so that no name is found too long afterwards.
    respondent_name(
        asked.name, language=calls[0].language, own_language=design.language, repeat=given["repeats"]
    )
    return design, calls, lambda: ScriptedSuggester(script)


def _lines(design: Any, calls: tuple[OpenCall, ...], given: dict[str, Any]) -> list[str]:
    from llm_compare.suggesting.open_question import stances_of

    n = len(stances_of(calls))
    questions = "1 open question" if n == 1 else f"{n} open questions"
    repeats = "1 repeat" if given["repeats"] == 1 else f"{given['repeats']} repeats"
    lines = [
        f"study {design.slug}, version {design.version}: {questions} x {repeats} = {len(calls)} "
        f"calls, in '{calls[0].language}', answers as {calls[0].form}"
    ]
    if calls[0].persona:
        lines.append(f"answering as: {calls[0].persona}")
    return lines


def _manifest(design_path: Path, given: dict[str, Any], plan: FlatPlan[OpenCall]) -> dict[str, object]:
    from estimation.manifest import make_manifest

    # Where a script's list lies is no part of what it says: its content is in every call's key.
    return make_manifest(
        {"design": design_path},
        {
            "repeats": given["repeats"],
            "seed": given["seed"] if plan.scripted else None,
            "api_base": plan.asked.api_base,
            "script_sha256": plan.calls[0].script_sha256 or None,
        },
    )


def _summary(file: SuggestionFile) -> dict[str, Any]:
    return {
        "label": file.label,
        "model": file.model,
        "study": file.study,
        "design_hash": file.design_hash,
        "language": file.language,
        "outcomes": {outcome.value: n for outcome, n in file.counts.items()},
        "suggestions": file.suggestions,
    }


def _say(file: SuggestionFile, out: Path) -> None:
    from llm_compare.commands.plan_shown import SCRIPTED_NOTE
    from llm_compare.prompting.call import is_scripted

    note = f" ({SCRIPTED_NOTE})" if is_scripted(file.model) else ""
    click.echo(f"{file.model}{note}: {len(file.answered)} of {file.planned} calls")
    for outcome, n in file.counts.items():
        click.echo(f"  {outcome.value:<11}{n:>7}")
    click.echo(f"{file.suggestions} suggestions" if file.suggestions != 1 else "1 suggestion")
    click.echo(f"Written to {out}" + ("" if file.complete else ", incomplete"))
