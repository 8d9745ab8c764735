"""``equipoise compare propose``: ask a model which categories of a codebook suggestions belong to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compare.commands.call_options import (
    address_options,
    batch_options,
    limit_options,
    settings_options,
    with_options,
)

if TYPE_CHECKING:
    from llm_compare.asking.protocol import AskedModel
    from llm_compare.commands.allocation_options import CallOptions
    from llm_compare.commands.flat_asking import FlatPlan
    from llm_compare.suggesting.category_call import CategoryCall
    from llm_compare.suggesting.proposals_file import ProposalFile
    from survey.coding.coding import Coding

_MOST_BATCH = 50
_LABELS_SHOWN = 10


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    return with_options(
        command,
        click.option(
            "--model",
            help="A litellm model string such as openai/gpt-4o or ollama/llama3, or a script: scripted/keywords, "
            "scripted/none.",
        ),
        address_options,
        settings_options,
        click.option(
            "--send-suggestions",
            "send_records",
            is_flag=True,
            help="Agree that what people wrote is sent to a provider outside this machine and network.",
        ),
        click.option(
            "--batch",
            type=click.IntRange(1, _MOST_BATCH),
            default=1,
            show_default=True,
            help="Suggestions in one call. One at a time, none sways what is said of another; several cost less.",
        ),
        click.option(
            "--new",
            "allows_new",
            is_flag=True,
            help="Let the model say what a new category might be called. They are listed, never made.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Seed of the order in which suggestions go into calls. Never sent.",
        ),
        limit_options,
        batch_options,
        click.option("--out", type=click.Path(path_type=Path), help="Write proposals.json here."),
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
    )


@click.command(
    "propose",
    epilog="\b\nExample:\n  equipoise compare propose coding.json --model scripted/keywords --out proposals.json",
)
@click.argument("coding", type=click.Path(path_type=Path))
@_options
@click.pass_context
def propose_command(ctx: click.Context, /, **given: Any) -> None:
    """Ask a model which categories the suggestions in CODING (coding.json) belong to.

    Proposals are no codes: they never count, and coders see them only if the study shows them. Replies are stored
    as they come: the same command again asks only what is missing. 'equipoise survey coding import-proposals'
    takes the file into the study.
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
    from llm_compare.suggesting.category_call import protocol_of, protocol_sha256
    from llm_compare.suggesting.keyword_coder import KeywordCoder
    from llm_compare.suggesting.proposals_file import proposal_file, write_proposals
    from survey.coding.coding_file import read_coding
    from survey.writing import check_outputs

    options = CallOptions.of(given)
    coding_path, out = given["coding"], given["out"]
    ways = Ways(
        calls=options,
        seed=given["seed"],
        export_batch=given["export_batch"],
        import_batch=given["import_batch"],
        as_json=given["as_json"],
    )
    ways.check(out)
    check_outputs(("--out", out), ("--export-batch", ways.export_batch), inputs=[coding_path])
    coding = read_coding(coding_path)
    calls = _calls(coding, options, given)
    asked = options.asked
    protocol = protocol_of(calls, batch=given["batch"], seed=given["seed"])
    plan: FlatPlan[CategoryCall]
    with open_store() as sessions:
        plan = plan_calls(sessions, calls, options)
        show_flat_plan(plan, _lines(coding, calls, asked), shows_prompt=options.show_prompt)
        done = carry_out_flat(
            ctx,
            sessions,
            plan,
            lambda: KeywordCoder(asked.model),
            ways,
            check_may_be_sent=lambda: _check_may_be_sent(asked, coding, is_agreed=options.send_records),
        )
    if done is None:
        return
    found, imported = done
    file = proposal_file(
        coding,
        calls,
        found.replies,
        label=asked.name,
        protocol=protocol,
        manifest=_manifest(coding_path, given),
    )
    write_proposals(out, file)
    if ways.as_json:
        echo_json(
            {
                "label": file.label,
                "model": file.model,
                "study": coding.study,
                "coding_sha256": file.coding_sha256,
                "protocol_sha256": protocol_sha256(protocol),
                "suggestions": file.planned,
                "counts": dict(file.counts),
                "new_labels": {label: len(own) for label, own in file.new_labels.items()},
                **asked_record(found),
                "imported": imported,
                "out": str(out),
            }
        )
    else:
        _say(file, out)
    end_flat(ctx, found, imported)


def _calls(coding: Coding, options: CallOptions, given: dict[str, Any]) -> tuple[CategoryCall, ...]:
    from llm_compare.asking.protocol import settings_of
    from llm_compare.prompting.call import is_scripted
    from llm_compare.suggesting.category_call import category_calls, most_tokens
    from llm_compare.suggesting.keyword_coder import KeywordCoder
    from survey.coding.coding_file import coding_sha256

    asked = options.asked
    if is_scripted(asked.model):
        KeywordCoder(asked.model)  # Raises if there is no such script, before a plan is shown.
    return category_calls(
        coding,
        coding.suggestions,
        model=asked.model,
        settings=settings_of(
            asked, asked.choices, most_tokens=most_tokens(given["batch"]), seed=given["seed"]
        ),
        coding_sha256=coding_sha256(coding),
        api_base=asked.api_base,
        batch=given["batch"],
        allows_new=given["allows_new"],
        seed=given["seed"],
    )


def _people_wrote(coding: Coding) -> int:
    """Return how many suggestions real people wrote."""
    from survey.answers import RespondentKind

    simulated = {a.respondent for a in coding.asked if a.simulated}
    return sum(s.kind is RespondentKind.HUMAN and s.respondent not in simulated for s in coding.suggestions)


def _check_may_be_sent(asked: AskedModel, coding: Coding, *, is_agreed: bool) -> None:
    from llm_compare.commands.allocation_options import leaves_this_network

    n = _people_wrote(coding)
    if n and not is_agreed and leaves_this_network(asked):
        raise click.UsageError(
            f"the coding holds {n} suggestions that people wrote, and prompts to {asked.model} would carry their "
            "texts, directions and reasons (nothing else about the people) out of this machine and network; ask a "
            "model on a server of your own (--api-base, ollama/...), or, if what participants agreed to allows it, "
            "add --send-suggestions"
        )


def _lines(coding: Coding, calls: tuple[CategoryCall, ...], asked: AskedModel) -> list[str]:
    from llm_compare.commands.allocation_options import leaves_this_network

    n = sum(len(call.suggestions) for call in calls)
    lines = [
        f"study {coding.study}, version {coding.version}, coding SHA-256 {calls[0].coding_sha256}",
        f"{n} suggestions, {len(calls[0].categories)} categories, in {len(calls)} calls",
    ]
    people = _people_wrote(coding)
    if people and leaves_this_network(asked):
        lines.append(
            f"WHAT PEOPLE WROTE LEAVES THIS NETWORK: text, direction and reason of {people} suggestions go to the "
            f"provider of {asked.model}; nothing else about the people does"
        )
    return lines


def _manifest(coding_path: Path, given: dict[str, Any]) -> dict[str, object]:
    from estimation.manifest import make_manifest

    return make_manifest({"coding": coding_path}, {"batch": given["batch"], "seed": given["seed"]})


def _say(file: ProposalFile, out: Path) -> None:
    from llm_compare.commands.plan_shown import SCRIPTED_NOTE
    from llm_compare.prompting.call import is_scripted

    note = f" ({SCRIPTED_NOTE})" if is_scripted(file.model) else ""
    click.echo(f"{file.model}{note}: proposals for {len(file.found)} of {file.planned} suggestions")
    for name, n in file.counts.items():
        click.echo(f"  {name:<12}{n:>7}")
    for label, own in list(file.new_labels.items())[:_LABELS_SHOWN]:
        click.echo(f"  new, perhaps: {label} ({len(own)})")
    if len(file.new_labels) > _LABELS_SHOWN:
        click.echo(f"  and {len(file.new_labels) - _LABELS_SHOWN} more labels, all in the file")
    click.echo(f"Written to {out}" + ("" if file.complete else ", incomplete"))
