"""The options that every command has which makes calls: how a model is asked, and how far a run goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from llm_compare.prompting.call import is_scripted

if TYPE_CHECKING:
    from llm_compare.asking.protocol import AskedModel, Choices, RunLimits

Command = TypeVar("Command", bound=Callable[..., Any])


def with_options(command: Command, *options: Callable[[Command], Command]) -> Command:
    """Add options in the order in which the help shows them."""
    for option in reversed(options):
        command = option(command)
    return command


def one_of(name: str, kind: Any, default: Any, help_text: str) -> Callable[[Command], Command]:
    """Return an option that takes a value of a closed set."""
    values = [member.value for member in kind]
    return click.option(
        name, type=click.Choice(values), default=default.value, show_default=True, help=help_text
    )


def address_options(command: Command) -> Command:
    """Add the options that say where a model is reached, what it is called, and what it costs."""
    return with_options(
        command,
        click.option("--label", help="What the model is called in names of files."),
        click.option("--api-base", help="Address of your own server, e.g. http://127.0.0.1:8000/v1."),
        click.option(
            "--price",
            callback=_price,
            metavar="IN,OUT",
            help="USD per million tokens, where litellm's price list does not know it.",
        ),
    )


def settings_options(command: Command) -> Command:
    """Add the options that are sent to the model."""
    return with_options(
        command,
        click.option("--temperature", type=click.FloatRange(min=0), help="Sent only if given."),
        click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), help="Sent only if given."),
        click.option(
            "--max-tokens",
            type=click.IntRange(min=1),
            help="Most tokens of a reply. Unless given: what the answer format needs, and 4096 for models that "
            "think first. The plan shows it.",
        ),
        click.option("--reasoning-effort", help="How much the model thinks first: none, low, medium, high."),
    )


def limit_options(command: Command) -> Command:
    """Add the options that decide how far a run goes."""
    return with_options(
        command,
        click.option(
            "--budget",
            type=click.FloatRange(min=0, min_open=True),
            metavar="USD",
            help="Stop before a call that could bring this run's cost above so much.",
        ),
        click.option(
            "--max-calls", type=click.IntRange(min=1), help="Stop after this many calls in this run."
        ),
        click.option("--rpm", type=click.IntRange(min=1), help="Most requests per minute."),
        click.option("--tpm", type=click.IntRange(min=1), help="Most tokens per minute."),
        click.option("--concurrency", type=click.IntRange(1, 64), help="Most calls in flight.  [default: 8]"),
        click.option("--timeout", type=click.FloatRange(min=0.1), help="Seconds per attempt.  [default: 60]"),
        click.option(
            "--dry-run", is_flag=True, help="Show the plan and how far it is carried out, and stop."
        ),
        click.option("--show-prompt", is_flag=True, help="Show the first prompt of every variant in full."),
        click.option("--yes", is_flag=True, help="Do not ask before spending."),
    )


def batch_options(command: Command) -> Command:
    """Add the options that go through files of a provider's batch service."""
    return with_options(
        command,
        click.option(
            "--export-batch",
            type=click.Path(path_type=Path),
            help="Write the missing calls to this batch file in place of making them.",
        ),
        click.option(
            "--import-batch",
            type=click.Path(path_type=Path),
            multiple=True,
            help="Store the replies in this output or error file of a batch; nothing is asked.",
        ),
    )


def limits_of(
    *,
    budget: float | None,
    max_calls: int | None,
    rpm: int | None,
    tpm: int | None,
    concurrency: int | None,
    timeout: float | None,
) -> RunLimits:
    """Return the limits that the options name."""
    from llm_compare.asking.protocol import RunLimits

    usual = RunLimits()
    return RunLimits(
        budget_usd=budget,
        max_calls=max_calls,
        requests_per_minute=rpm,
        tokens_per_minute=tpm,
        concurrency=concurrency or usual.concurrency,
        timeout_seconds=timeout or usual.timeout_seconds,
    )


def asked_model(
    model: str,
    *,
    api_base: str | None,
    label: str | None,
    price: tuple[float, float] | None,
    choices: Choices,
    sends_schema: bool = True,
) -> AskedModel:
    """Return the model that the options name.

    Raises
    ------
    click.UsageError
        A scripted respondent with an address or settings, or an address that cannot be one.
    """
    from llm_compare.asking.protocol import AskedModel, Choices, address_complaint

    if is_scripted(model) and (api_base is not None or choices != Choices()):
        raise click.UsageError(
            f"{model} is a scripted respondent, not a model; --api-base, --temperature and other settings mean "
            "nothing to it"
        )
    if api_base is not None and (wrong := address_complaint(api_base)):
        raise click.UsageError(f"--api-base: {wrong}")
    return AskedModel(
        model=model,
        api_base=api_base,
        label=label or "",
        choices=choices,
        price=price,
        sends_schema=sends_schema,
    )


def _price(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, float] | None:
    if value is None:
        return None
    try:
        price_in, price_out = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r}: write two numbers with a comma, e.g. 2.5,10") from None
    if not (0 <= price_in < float("inf") and 0 <= price_out < float("inf")):
        raise click.BadParameter(f"{value!r}: a price is 0 or more")
    return price_in, price_out
