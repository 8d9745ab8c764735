"""Commands whose calls wait for no other reply: the plan shown, calls made or put into files, replies gathered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

import click

from llm_compare.commands.allocation_options import CallOptions, leaves_this_network
from llm_compare.commands.plan_shown import SCRIPTED_NOTE, CallPlan, is_agreed, known_price, show_cost
from llm_compare.prompting.request import CallT

if TYPE_CHECKING:
    from llm_compare.asking.run import Answerer, Asked
    from llm_compare.replies.store import Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatPlan(CallPlan, Generic[CallT]):
    """Calls to one model, each for itself."""

    calls: tuple[CallT, ...]
    missing: tuple[CallT, ...]
    """Calls without a stored reply, each once."""

    @property
    def different(self) -> int:
        """Number of different calls: those that send the very same are made once."""
        return len({call.identity for call in self.calls})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How far a run goes, and where its calls and replies come and go."""

    calls: CallOptions
    seed: int
    export_batch: Path | None
    import_batch: tuple[Path, ...]
    as_json: bool

    def check(self, out: Path | None) -> None:
        """Refuse options that do not go together.

        Raises
        ------
        click.UsageError
            They do not.
        """
        ways = (self.calls.dry_run, self.export_batch is not None, bool(self.import_batch))
        if sum(ways) > 1:
            raise click.UsageError("--dry-run, --export-batch and --import-batch are done one at a time")
        if out is None and not self.calls.dry_run and self.export_batch is None:
            raise click.UsageError("name the file to write with --out, or see the plan alone with --dry-run")

    @property
    def sends(self) -> bool:
        """Whether calls are made, rather than shown, written to a file, or read from one."""
        return not (self.calls.dry_run or self.export_batch is not None or self.import_batch)


def plan_calls(sessions: Sessions, calls: Sequence[CallT], options: CallOptions) -> FlatPlan[CallT]:
    """Return what a run would ask, and what it may cost."""
    from llm_compare.asking.spending import estimate
    from llm_compare.replies.store import find_replies

    with sessions() as session:
        stored = find_replies(session, calls)
    missing = tuple({c.identity: c for c in calls if c.identity not in stored}.values())
    most = options.max_calls
    to_ask = len(missing) if most is None else min(most, len(missing))
    price = known_price(options.asked)
    # Of some of the calls an even sample: they differ in length.
    sample = [missing[i * len(missing) // to_ask] for i in range(to_ask)]
    return FlatPlan(
        asked=options.asked,
        to_ask=to_ask,
        price=price,
        estimate=estimate(sample, price),
        calls=tuple(calls),
        missing=missing,
    )


def show_flat_plan(plan: FlatPlan[Any], lines: Sequence[str], *, shows_prompt: bool) -> None:
    """Show on standard error whom a run asks, ``lines`` about what, and what that may cost."""
    asked = plan.asked
    note = f" ({SCRIPTED_NOTE})" if plan.scripted else ""
    at = f" at {asked.api_base}" if asked.api_base else ""
    say(f"Model {asked.model}{note}{at}" + (f", called {asked.label}" if asked.label else ""))
    for line in lines:
        say(f"  {line}")
    if plan.different < len(plan.calls):
        say(f"  of them {plan.different} different ones: what sends the very same is asked once")
    say(f"  already stored {plan.different - len(plan.missing)}, to be asked {len(plan.missing)}")
    if plan.to_ask < len(plan.missing):
        say(f"  this run stops after {plan.to_ask} of them (--max-calls)")
    if not plan.scripted and plan.calls:
        sent = ", ".join(f"{name} {value}" for name, value in plan.calls[0].settings.sent().items())
        say(f"  sent with {sent}")
        show_cost(plan)
    if shows_prompt and plan.calls:
        say("--- first prompt ---")
        for message in plan.calls[0].messages:
            say(f"[{message.role.value}]\n{message.content}\n")


def flat_plan_record(plan: FlatPlan[Any]) -> dict[str, Any]:
    """Return the plan for JSON."""
    return {
        "model": plan.asked.model,
        "label": plan.asked.name,
        "scripted": plan.scripted,
        "leaves_this_network": leaves_this_network(plan.asked),
        "planned": len(plan.calls),
        "missing": len(plan.missing),
        "to_ask": plan.to_ask,
        "tokens_in": plan.estimate.tokens_in,
        "tokens_out_low": plan.estimate.tokens_out_low,
        "tokens_out_high": plan.estimate.tokens_out_high,
        "usd_low": plan.estimate.usd_low,
        "usd_high": plan.estimate.usd_high,
        "price": None if plan.price is None else plan.price.source,
    }


def carry_out_flat(
    ctx: click.Context,
    sessions: Sessions,
    plan: FlatPlan[CallT],
    make_script: Callable[[], Answerer[CallT]],
    ways: Ways,
    *,
    check_may_be_sent: Callable[[], None] = lambda: None,
) -> tuple[Asked[CallT], Mapping[str, int] | None] | None:
    """Do with the calls of a shown plan what the options say.

    Return what came of them and, where replies were read from files, what these brought; None where nothing was to
    come (a dry run, an export).

    Parameters
    ----------
    make_script
        Makes who answers in the place of a model.
    check_may_be_sent
        Raises where the words in the calls may not leave this network.

    Raises
    ------
    click.UsageError
        Nobody agreed to what it costs, or to what leaves the network.
    CompareError
        A model that cannot be asked so, a file of a batch that cannot be read.
    """
    from llm_compare.asking.client import capabilities, check_model
    from llm_compare.commands.batch import Export, export_batches, import_results

    options, asked = ways.calls, plan.asked
    if not plan.scripted:
        capabilities(asked.model, asked.api_base)  # Says also in a dry run if there is no such model.
    if options.dry_run:
        if ways.as_json:
            echo_json(flat_plan_record(plan))
        return None
    if plan.to_ask and not plan.scripted and not ways.import_batch:
        check_may_be_sent()
    if ways.export_batch is not None:
        exported = Export(model=asked.model, calls=plan.missing[: plan.to_ask], path=ways.export_batch)
        export_batches([exported], as_json=ways.as_json)
        return None
    if ways.import_batch:
        imported = import_results(sessions, plan.calls, batches=ways.import_batch, replies=())
        return _ask(sessions, plan, make_script, ways), imported
    if plan.to_ask and not plan.scripted:
        for settings in dict.fromkeys(call.settings for call in plan.missing):
            check_model(asked.model, settings, api_base=asked.api_base)
        if not is_agreed([plan], yes=options.yes, has_budget=options.budget is not None):
            say("Nothing was asked.")
            ctx.exit(1)
    return _ask(sessions, plan, make_script, ways), None


def _ask(
    sessions: Sessions,
    plan: FlatPlan[CallT],
    make_script: Callable[[], Answerer[CallT]],
    ways: Ways,
) -> Asked[CallT]:
    import numpy as np

    from llm_compare.asking.client import ModelClient
    from llm_compare.asking.run import ask
    from llm_compare.commands.ask_report import progress_shown
    from llm_compare.commands.failures import FailureNotes

    limits = ways.calls.limits
    to_ask = 0 if ways.import_batch else plan.to_ask
    answerer: Answerer[CallT]
    if plan.scripted:
        answerer = make_script()
    else:
        answerer = ModelClient(timeout_seconds=limits.timeout_seconds, price=plan.price)
    with progress_shown(plan.asked.name, to_ask) as note:
        return ask(
            sessions,
            plan.calls,
            answerer,
            # Of two runs at once on one store, the same order would have both make the same calls.
            rng=np.random.default_rng(ways.seed if plan.scripted else None),
            concurrency=limits.concurrency,
            limits=limits.per_minute,
            budget=plan.budget(limits.budget_usd),
            max_calls=0 if ways.import_batch else limits.max_calls,
            on_reply=lambda _, reply: note(reply),
            on_failed_attempt=FailureNotes().note,
        )


def asked_record(asked: Asked[Any]) -> dict[str, Any]:
    """Return what a run took, for JSON."""
    once = {r.request.identity: r.reply for r in asked.replies}
    known = [reply.cost_usd for reply in once.values() if reply.cost_usd is not None]
    return {
        "planned": asked.planned,
        "already_stored": asked.already_stored,
        "failed": asked.failed,
        "failed_attempts": asked.failed_attempts,
        "ending": asked.ending.value,
        "complete": asked.complete,
        "cost_usd": sum(known) if known else None,
        "cost_known_for": len(known),
    }


def end_flat(
    ctx: click.Context, asked: Asked[Any], imported: Mapping[str, int] | None, *, is_told: bool = True
) -> None:
    """Say why replies are missing, and end with exit code 1 where some are."""
    from llm_compare.commands.failures import calls_left_words, say_why

    if asked.complete:
        return
    if is_told and imported is None:
        say_why(
            asked.ending,
            asked.stopped_by,
            [error for r in asked.replies if (error := r.reply.error) is not None],
            left_words=calls_left_words(asked.failed, asked.planned - len(asked.replies)),
        )
    ctx.exit(1)


def say(line: str) -> None:
    """Say a line on standard error."""
    click.echo(line, err=True)


def echo_json(document: object) -> None:
    """Print data on standard output."""
    import json

    click.echo(json.dumps(document, indent=1))
