"""The options of ``compare ask``, and the protocol that they or a protocol file amount to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from llm_compare.commands.call_options import (
    Command,
    address_options,
    asked_model,
    batch_options,
    limit_options,
    limits_of,
    one_of,
    settings_options,
    with_options,
)
from llm_compare.prompting.plan import AttributeOrders
from llm_compare.prompting.variant import (
    AnswerFormat,
    Framing,
    IndecisionOffer,
    IndecisionPlace,
    Marks,
    Variant,
)

if TYPE_CHECKING:
    from llm_compare.asking.protocol import Protocol, RunLimits

_AS_PEOPLE = Variant()
_IN_THE_PROTOCOL = {
    "repeats", "arm", "answered", "comparisons", "seed", "temperature", "top_p", "max_tokens", "reasoning_effort",
    "api_base", "label", "price", "framing", "persona", "answer_format", "indecision", "language", "marks",
    "indecision_place", "attribute_orders", "no_schema",
}  # fmt: skip
"""Options that decide what is asked. With a protocol they have no place: the file says it, under its hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOptions:
    """What was given on the command line."""

    design: Path
    protocol: Path | None
    model: tuple[str, ...]
    label: str | None
    api_base: str | None
    price: tuple[float, float] | None
    repeats: int
    arm: str | None
    answered: Path | None
    comparisons: int | None
    seed: int
    framing: str
    persona: str
    answer_format: str
    indecision: str
    language: str
    marks: str
    indecision_place: str
    attribute_orders: str
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    reasoning_effort: str | None
    no_schema: bool
    budget: float | None
    max_calls: int | None
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    timeout: float | None
    dry_run: bool
    show_prompt: bool
    yes: bool
    export_batch: Path | None
    import_batch: tuple[Path, ...]
    import_replies: tuple[Path, ...]
    out: Path | None
    as_json: bool


def variant_options(command: Command) -> Command:
    """Add the options that say how a comparison is put; see :func:`variant_of_options`."""
    return with_options(
        command,
        one_of("--framing", Framing, _AS_PEOPLE.framing, "As whom the model is addressed."),
        click.option("--persona", default="", help="Who the model shall answer as, in your words."),
        one_of("--answer-format", AnswerFormat, _AS_PEOPLE.answer_format, "How the model is asked to answer."),
        one_of("--indecision", IndecisionOffer, _AS_PEOPLE.indecision, "Which answer stands for indecision."),
        click.option("--language", default="", help="A language of the design; its own unless named."),
        one_of("--marks", Marks, _AS_PEOPLE.marks, "What the answers are called for short."),
        one_of("--indecision-place", IndecisionPlace, _AS_PEOPLE.indecision_place, "Where it stands."),
    )  # fmt: skip


def what_is_asked(command: Command) -> Command:
    """Add the options that decide what is asked of whom, which a protocol file may give instead."""
    return with_options(
        command,
        click.option(
            "--protocol",
            type=click.Path(path_type=Path),
            help="A protocol.toml that says everything about asking; see docs/asking.md.",
        ),
        click.option(
            "--model",
            multiple=True,
            help="A litellm model string such as openai/gpt-4o or ollama/llama3, or scripted/youngest-first, "
            "scripted/always-left, scripted/first:ATTRIBUTE, scripted/coin. Repeat it for several. "
            "With --protocol: only these of its models.",
        ),
        address_options,
        click.option(
            "--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Calls per presentation."
        ),
        click.option("--arm", help="Arm of the design whose answers are offered; the first unless named."),
        click.option(
            "--from",
            "answered",
            type=click.Path(path_type=Path),
            help="Ask exactly the comparisons that people answered in this answers.csv.",
        ),
        click.option(
            "--comparisons",
            type=click.IntRange(min=1),
            help="Ask this many comparisons, drawn with the seed. Unless given: all that the design or --from "
            "lists, or as many as one person sees where the design draws them.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Seed of draws: of comparisons, and of what a scripted respondent leaves to chance. Never sent.",
        ),
        variant_options,
        one_of("--attribute-orders", AttributeOrders, AttributeOrders.DESIGN, "Orders of the attributes."),
        settings_options,
        click.option("--no-schema", is_flag=True, help="Send no JSON schema with --answer-format json."),
    )  # fmt: skip


def how_it_is_carried_out(command: Command) -> Command:
    """Add the options that decide how far a run goes and what it leaves behind."""
    return with_options(
        command,
        limit_options,
        batch_options,
        click.option(
            "--import-replies",
            type=click.Path(path_type=Path),
            multiple=True,
            help="Store the replies in this replies.jsonl from elsewhere; nothing is asked.",
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            help="Write replies.jsonl here. Of several models each has its file: name a folder, or a file with "
            "{model} in its name.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
    )


def protocol_of(ctx: click.Context, given: AskOptions) -> Protocol:
    """Return the protocol that the options name or amount to.

    Raises
    ------
    click.UsageError
        Options that do not go together.
    BadProtocol
        The protocol file cannot be read.
    CannotAsk
        The protocol has no such model, or several of one name.
    """
    from llm_compare.asking.protocol import RunLimits
    from llm_compare.asking.protocol_file import read_protocol

    limits = limits_of(
        budget=given.budget,
        max_calls=given.max_calls,
        rpm=given.rpm,
        tpm=given.tpm,
        concurrency=given.concurrency,
        timeout=given.timeout,
    )
    if given.protocol is None:
        return _of_options(given, limits)
    named = sorted(
        name for name in _IN_THE_PROTOCOL if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    )
    if named:
        options = {p.name: p.opts[0] for p in ctx.command.params}
        raise click.UsageError(
            f"{', '.join(str(options[name]) for name in named)}: {given.protocol} says what is asked; "
            "change it there, or leave --protocol out"
        )
    protocol = read_protocol(given.protocol)
    if given.model:
        protocol = protocol.only(given.model)
    # What was named on the command line counts, else what the file says.
    own, said = protocol.limits, limits
    return replace(
        protocol,
        limits=RunLimits(
            budget_usd=own.budget_usd if given.budget is None else said.budget_usd,
            max_calls=own.max_calls if given.max_calls is None else said.max_calls,
            requests_per_minute=own.requests_per_minute if given.rpm is None else said.requests_per_minute,
            tokens_per_minute=own.tokens_per_minute if given.tpm is None else said.tokens_per_minute,
            concurrency=own.concurrency if given.concurrency is None else said.concurrency,
            timeout_seconds=own.timeout_seconds if given.timeout is None else said.timeout_seconds,
        ),
    )


def _of_options(given: AskOptions, limits: RunLimits) -> Protocol:
    from llm_compare.asking.protocol import AskedVariant, Choices, Protocol

    if not given.model:
        raise click.UsageError("name who is asked with --model, or a protocol file with --protocol")
    if len(given.model) > 1 and (given.api_base or given.label or given.price):
        raise click.UsageError(
            "--api-base, --label and --price belong to one model; for several write a protocol file (--protocol)"
        )
    choices = Choices(
        temperature=given.temperature,
        top_p=given.top_p,
        max_tokens=given.max_tokens,
        reasoning_effort=given.reasoning_effort,
    )
    variant = variant_of_options(
        framing=given.framing,
        persona=given.persona,
        answer_format=given.answer_format,
        indecision=given.indecision,
        language=given.language,
        marks=given.marks,
        indecision_place=given.indecision_place,
    )
    return Protocol(
        models=tuple(
            asked_model(
                model,
                api_base=given.api_base,
                label=given.label,
                price=given.price,
                choices=choices,
                sends_schema=not given.no_schema,
            )
            for model in given.model
        ),
        variants=(AskedVariant(variant=variant),),
        orders=AttributeOrders(given.attribute_orders),
        repeats=given.repeats,
        arm=given.arm,
        answered=given.answered,
        comparisons=given.comparisons,
        seed=given.seed,
        limits=limits,
    )


def variant_of_options(
    *,
    framing: str,
    persona: str,
    answer_format: str,
    indecision: str,
    language: str,
    marks: str,
    indecision_place: str,
) -> Variant:
    """Return the variant that the options name, called after what differs from how people are asked."""
    found = Variant(
        framing=Framing(framing),
        persona=persona,
        answer_format=AnswerFormat(answer_format),
        indecision=IndecisionOffer(indecision),
        language=language,
        marks=Marks(marks),
        indecision_place=IndecisionPlace(indecision_place),
    )
    usual = _AS_PEOPLE.factors()
    words = {"persona": "persona", "indecision_place": f"indecision-{found.indecision_place}"}
    differs = [words.get(name, level) for name, level in found.factors().items() if level != usual[name]]
    return replace(found, name="+".join(differs)) if differs else found
